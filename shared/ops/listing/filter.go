package listing

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/wildcard"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// maxFilterValues is the number of values of all filters of a request together
// (EC2 API, "Error codes": FilterLimitExceeded).
const maxFilterValues = 200

// Filters are the filters of a type of output, by name, besides those that [Filters.Match]
// derives from its members. A filter returns the value that it compares, and false
// if the output has none.
type Filters[Out any] map[string]func(*Out) (value string, ok bool)

// Match returns the predicate of a request's filters on outputs. An output has a
// filter for each of its members with a single value, under the name that EC2 gives
// filters: lower case with hyphens, PoolDepth as pool-depth. An output with Tags has
// the filters tag:KEY and tag-key too.
//
// An output passes if it passes all filters, and it passes a filter if one of its
// values matches. Names and values are case-sensitive. An output without the member
// passes no filter on it.
func (f Filters[Out]) Match(filters []types.Filter) (func(*Out) bool, error) {
	known := memberFilters[Out]()
	maps.Copy(known, f)
	tags, tagged := reflect.TypeFor[Out]().FieldByName("Tags")
	tagsOf := func(o *Out) []types.Tag {
		return reflect.ValueOf(o).Elem().FieldByIndex(tags.Index).Interface().([]types.Tag)
	}
	var tests []func(*Out) bool
	total := 0
	for i, filter := range filters {
		name := aws.ToString(filter.Name)
		if name == "" || len(filter.Values) == 0 {
			return nil, ipam.Errorf(ipam.CodeInvalidFilter, "The filter Filter.%d (%s) needs a name and at least one value.", i+1, schema.Excerpt(name))
		}
		if total += len(filter.Values); total > maxFilterValues {
			return nil, ipam.Errorf(ipam.CodeFilterLimitExceeded, "The filters have more than %d values together. Split the request, or use wildcards: * and ?.", maxFilterValues)
		}
		patterns := parsePatterns(filter.Values)
		key, byTag := strings.CutPrefix(name, "tag:")
		switch value, ok := known[name]; {
		case ok:
			tests = append(tests, func(o *Out) bool {
				v, ok := value(o)
				return ok && patterns.match(v)
			})
		case tagged && byTag && key != "":
			tests = append(tests, func(o *Out) bool {
				return slices.ContainsFunc(tagsOf(o), func(t types.Tag) bool { return *t.Key == key && patterns.match(*t.Value) })
			})
		case tagged && name == "tag-key":
			tests = append(tests, func(o *Out) bool {
				return slices.ContainsFunc(tagsOf(o), func(t types.Tag) bool { return patterns.match(*t.Key) })
			})
		default:
			names := slices.Sorted(maps.Keys(known))
			if tagged {
				names = append(names, "tag:KEY", "tag-key")
			}
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The filter '%s' is invalid. Use one of: %s.", schema.Excerpt(name), strings.Join(names, ", "))
		}
	}
	return func(o *Out) bool {
		for _, t := range tests {
			if !t(o) {
				return false
			}
		}
		return true
	}, nil
}

// memberFilters returns the filters of an output type's own members.
func memberFilters[Out any]() Filters[Out] {
	filters := Filters[Out]{}
	for f := range fields(reflect.TypeFor[Out]()) {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct || t.Kind() == reflect.Slice {
			continue
		}
		filters[hyphenated(f.Name)] = func(o *Out) (string, bool) {
			v := reflect.ValueOf(o).Elem().FieldByIndex(f.Index)
			if v.IsZero() {
				return "", false
			}
			return fmt.Sprint(reflect.Indirect(v).Interface()), true
		}
	}
	return filters
}

// hyphenated turns AddressFamily into address-family.
func hyphenated(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Admits reports whether the filters of a name admit a value. Other filters do not
// count.
func Admits(filters []types.Filter, name, value string) bool {
	for _, f := range filters {
		if aws.ToString(f.Name) == name && !parsePatterns(f.Values).match(value) {
			return false
		}
	}
	return true
}

// Exact returns the values of the first filter of a name, and true if none of them
// is a pattern.
func Exact(filters []types.Filter, name string) ([]string, bool) {
	for _, f := range filters {
		if aws.ToString(f.Name) == name {
			return f.Values, !slices.ContainsFunc(f.Values, func(v string) bool { return strings.ContainsAny(v, `*?\`) })
		}
	}
	return nil, false
}

type patterns []wildcard.Pattern

// parsePatterns reads the values of a filter, in which \ takes the meaning from the
// wildcards * and ?.
func parsePatterns(values []string) patterns {
	all := make(patterns, len(values))
	for i, v := range values {
		all[i] = wildcard.ParseEscaped(v)
	}
	return all
}

// match reports whether one of the patterns matches the text.
func (ps patterns) match(text string) bool {
	return slices.ContainsFunc(ps, func(p wildcard.Pattern) bool { return p.Match(text) })
}
