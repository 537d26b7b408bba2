package ops

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
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// maxFilterValues is the number of values of all filters of a request together
// (EC2 API, "Error codes": FilterLimitExceeded).
const maxFilterValues = 200

// derived are filters of a kind of output besides those that all kinds have.
type derived[Out any] map[string]func(*Out) (value string, ok bool)

// filter returns the predicate of filters on outputs. An output has a filter for
// each of its members with a single value, named as EC2 names filters: in
// lower case with hyphens, PoolDepth as pool-depth. One that has Tags has
// tag:KEY and tag-key too.
//
// Values of a filter are ORed and filters ANDed. Names and values are
// case-sensitive. A member that is absent meets no filter.
func (d derived[Out]) filter(filters []types.Filter) (func(*Out) bool, error) {
	known := members[Out]()
	maps.Copy(known, d)
	tags, tagged := reflect.TypeFor[Out]().FieldByName("Tags")
	tagsOf := func(o *Out) []types.Tag {
		return reflect.ValueOf(o).Elem().FieldByIndex(tags.Index).Interface().([]types.Tag)
	}
	var tests []func(*Out) bool
	total := 0
	for i, f := range filters {
		name := aws.ToString(f.Name)
		if name == "" || len(f.Values) == 0 {
			return nil, ipam.Errorf(ipam.CodeInvalidFilter, "The filter Filter.%d (%s) needs a name and at least one value.", i+1, schema.Excerpt(name))
		}
		if total += len(f.Values); total > maxFilterValues {
			return nil, ipam.Errorf(ipam.CodeFilterLimitExceeded, "The filters have more than %d values together. Split the request, or use wildcards: * and ?.", maxFilterValues)
		}
		patterns := parsePatterns(f.Values)
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

// members returns the filters that an output type's own members make.
func members[Out any]() derived[Out] {
	filters := derived[Out]{}
	for f := range fields(reflect.TypeFor[Out]()) {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct || t.Kind() == reflect.Slice {
			continue
		}
		filters[hyphened(f.Name)] = func(o *Out) (string, bool) {
			v := reflect.ValueOf(o).Elem().FieldByIndex(f.Index)
			if v.IsZero() {
				return "", false
			}
			return fmt.Sprint(reflect.Indirect(v).Interface()), true
		}
	}
	return filters
}

// hyphened turns AddressFamily into address-family.
func hyphened(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// admits reports whether filters let objects through that have value under
// name, as far as the filters of that name go.
func admits(filters []types.Filter, name, value string) bool {
	for _, f := range filters {
		if aws.ToString(f.Name) == name && !parsePatterns(f.Values).match(value) {
			return false
		}
	}
	return true
}

// exact returns the values that the first filter of a name admits, if none of
// them is a pattern.
func exact(filters []types.Filter, name string) ([]string, bool) {
	for _, f := range filters {
		if aws.ToString(f.Name) == name {
			return f.Values, !slices.ContainsFunc(f.Values, func(v string) bool { return strings.ContainsAny(v, `*?\`) })
		}
	}
	return nil, false
}

// pattern is a filter's value: characters, anyNumber and anyOne.
type pattern []rune

const (
	anyNumber rune = -1 - iota // of characters, none too
	anyOne
)

type patterns []pattern

// parsePatterns reads values in which * stands for any number of characters and
// ? for one, and \ takes the meaning from a *, ? or \ behind it.
func parsePatterns(values []string) patterns {
	all := make(patterns, len(values))
	for i, v := range values {
		escaped := false
		for _, r := range v {
			switch {
			case !escaped && r == '\\':
				escaped = true
				continue
			case !escaped && r == '*':
				r = anyNumber
			case !escaped && r == '?':
				r = anyOne
			case escaped && r != '*' && r != '?' && r != '\\':
				all[i] = append(all[i], '\\') // an escape of nothing is itself
			}
			escaped = false
			all[i] = append(all[i], r)
		}
		if escaped {
			all[i] = append(all[i], '\\')
		}
	}
	return all
}

// match reports whether s meets any of the patterns.
func (ps patterns) match(s string) bool {
	text := []rune(s)
	return slices.ContainsFunc(ps, func(p pattern) bool { return p.match(text) })
}

// match walks back to the last anyNumber only, so it takes at most
// len(p)·len(s) steps.
func (p pattern) match(s []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == anyNumber:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyOne || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return !slices.ContainsFunc(p[i:], func(r rune) bool { return r != anyNumber })
}
