package listing

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/wildcard"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

const (
	// maxFilterValues is the number of values of all filters of a request together
	// (EC2 API, "Error codes": FilterLimitExceeded).
	maxFilterValues = 200
	// MaxText is the number of characters of a filter's name or value, and of any other
	// text that a request compares with members. No member has more than half of
	// them: tags have 256 and descriptions 255. The other half is for backslashes.
	MaxText = 512
	// memberSteps is the work to read a member, in comparisons of characters.
	memberSteps = 25
)

// Match reports whether the filters of a request admit an output. steps is the work
// that it did, in comparisons of characters.
type Match[Out any] func(*Out) (admitted bool, steps int)

// MatchAll is the [Match] of a request without filters.
func MatchAll[Out any](*Out) (bool, int) { return true, 0 }

// Filters are the filters of a type of output, by name, besides those that [Filters.Match]
// derives from its members. A filter returns the value that it compares, and false
// if the output has none.
type Filters[Out any] map[string]func(*Out) (value string, ok bool)

// Match returns the [Match] of a request's filters. An output has a
// filter for each of its members with a single value, under the name that EC2 gives
// filters: lower case with hyphens, PoolDepth as pool-depth. An output with Tags has
// the filters tag:KEY and tag-key too.
//
// An output passes if it passes all filters, and it passes a filter if one of its
// values matches. Names and values are case-sensitive. An output without the member
// passes no filter on it.
func (f Filters[Out]) Match(filters []types.Filter) (Match[Out], error) {
	known := memberFilters[Out]()
	maps.Copy(known, f)
	tagsOf := tagsMember[Out]()
	var tests []Match[Out]
	total := 0
	for i, filter := range filters {
		if total += len(filter.Values); total > maxFilterValues {
			return nil, ipam.Errorf(ipam.CodeFilterLimitExceeded, "The filters have more than %d values together. Split the request, or use wildcards: * and ?.", maxFilterValues)
		}
		if err := checkFilter(fmt.Sprintf("Filter.%d", i+1), filter); err != nil {
			return nil, err
		}
		name, patterns := *filter.Name, wildcard.ParseAllEscaped(filter.Values)
		key, byTag := strings.CutPrefix(name, "tag:")
		value, isMember := known[name]
		switch {
		case isMember:
			tests = append(tests, matchMember(value, patterns))
		case tagsOf != nil && byTag && key != "":
			tests = append(tests, matchTags(tagsOf, func(t types.Tag) (string, bool) { return *t.Value, *t.Key == key }, patterns))
		case tagsOf != nil && name == "tag-key":
			tests = append(tests, matchTags(tagsOf, func(t types.Tag) (string, bool) { return *t.Key, true }, patterns))
		default:
			names := slices.Sorted(maps.Keys(known))
			if tagsOf != nil {
				names = append(names, "tag:KEY", "tag-key")
			}
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The filter '%s' is invalid. Use one of: %s.", schema.Excerpt(name), strings.Join(names, ", "))
		}
	}
	return func(o *Out) (bool, int) {
		all := 0
		for _, test := range tests {
			ok, steps := test(o)
			if all += steps; !ok {
				return false, all
			}
		}
		return true, all
	}, nil
}

// checkFilter returns an error for a filter without a name or a value, and for one with
// a text that is longer than all members.
func checkFilter(parameter string, f types.Filter) error {
	if aws.ToString(f.Name) == "" || len(f.Values) == 0 {
		return ipam.Errorf(ipam.CodeInvalidFilter, "The filter %s (%s) needs a name and at least one value.", parameter, schema.Excerpt(aws.ToString(f.Name)))
	}
	if err := CheckText(parameter+".Name", f.Name); err != nil {
		return err
	}
	for i := range f.Values {
		if err := CheckText(fmt.Sprintf("%s.Value.%d", parameter, i+1), &f.Values[i]); err != nil {
			return err
		}
	}
	return nil
}

// CheckText returns an error for a text of more than [MaxText] characters, to which no
// member can be equal. nil is no text.
func CheckText(parameter string, text *string) error {
	if n := utf8.RuneCountInString(aws.ToString(text)); n > MaxText {
		return schema.Invalid(parameter, *text, "It has %d characters. Use at most %d.", n, MaxText)
	}
	return nil
}

func matchMember[Out any](value func(*Out) (string, bool), patterns wildcard.Patterns) Match[Out] {
	return func(o *Out) (bool, int) {
		text, ok := value(o)
		if !ok {
			return false, memberSteps
		}
		matched, steps := patterns.Match(text)
		return matched, memberSteps + steps
	}
}

// matchTags admits an output if text returns a text of one of its tags that a pattern
// matches.
func matchTags[Out any](tagsOf func(*Out) []types.Tag, text func(types.Tag) (string, bool), patterns wildcard.Patterns) Match[Out] {
	return func(o *Out) (bool, int) {
		all := memberSteps
		for _, t := range tagsOf(o) {
			all++
			s, ok := text(t)
			if !ok {
				continue
			}
			matched, steps := patterns.Match(s)
			if all += steps; matched {
				return true, all
			}
		}
		return false, all
	}
}

// tagsMember returns a function that reads the member Tags of an output, nil if it has
// none.
func tagsMember[Out any]() func(*Out) []types.Tag {
	f, ok := reflect.TypeFor[Out]().FieldByName("Tags")
	if !ok || f.Type != reflect.TypeFor[[]types.Tag]() {
		return nil
	}
	return func(o *Out) []types.Tag {
		return reflect.ValueOf(o).Elem().FieldByIndex(f.Index).Interface().([]types.Tag)
	}
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
		if aws.ToString(f.Name) != name {
			continue
		}
		if ok, _ := wildcard.ParseAllEscaped(f.Values).Match(value); !ok {
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
