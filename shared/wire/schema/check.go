package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Check checks an input against the API model. Errors are MissingParameter for an
// absent required member, and InvalidParameterValue (InvalidMaxResults for
// MaxResults) for a value outside its range or enumeration. b is the binding that
// [Input] returns for the operation, and in a pointer to its input struct. A text that
// [CheckText] refuses is an error, also in an input that no codec has read. Check goes
// through the members in the model's order, so that a request with several faults
// always gets the same answer.
func (b *Binding) Check(in any) error {
	if err := b.required(reflect.ValueOf(in).Elem(), ""); err != nil {
		return err
	}
	return b.check(reflect.ValueOf(in).Elem(), "")
}

func (b *Binding) required(v reflect.Value, path string) error {
	for i := range b.Fields {
		f := &b.Fields[i]
		if f.Required && empty(v.Field(f.Index)) {
			name, query := path+f.Name, path+f.Query
			if f.Binding.Shape.Kind == List {
				query += ".1"
			}
			if name != query {
				name += " (" + query + " in a query)"
			}
			return ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter %s", name)
		}
	}
	return nil
}

// empty reports whether a required member counts as missing.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || v.Elem().Kind() == reflect.String && v.Elem().Len() == 0
	case reflect.Slice, reflect.String:
		return v.Len() == 0
	}
	return false
}

// check checks the members of v, a struct. path is "" or ends with a period.
func (b *Binding) check(v reflect.Value, path string) error {
	for i := range b.Fields {
		f := &b.Fields[i]
		m := v.Field(f.Index)
		if f.Binding.Absent(m) {
			continue
		}
		if err := f.Binding.checkValue(Deref(m), path+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func (b *Binding) checkValue(v reflect.Value, path string) error {
	s := b.Shape
	switch s.Kind {
	case Structure:
		if err := b.required(v, path+"."); err != nil {
			return err
		}
		return b.check(v, path+".")
	case List:
		if n := int64(v.Len()); s.Ranged && (n < s.Min || n > s.Max) {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s has %d elements. It takes %d to %d.", path, n, s.Min, s.Max)
		}
		for i := range v.Len() {
			if e := v.Index(i); !b.Elem.Absent(e) {
				if err := b.Elem.checkValue(Deref(e), path+"."+strconv.Itoa(i+1)); err != nil {
					return err
				}
			}
		}
	case String:
		text := v.String()
		if err := CheckText(path, text); err != nil {
			return err
		}
		if s.Enum != nil && !slices.Contains(s.Enum, text) {
			return Invalid(path, text, "%s", oneOf(s.Enum))
		}
		if n := int64(utf8.RuneCountInString(text)); s.Ranged && (n < s.Min || n > s.Max) {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The value of the parameter %s has %d characters. It takes %d to %d.", path, n, s.Min, s.Max)
		}
	case Integer, Long:
		if n := v.Int(); s.Ranged && (n < s.Min || n > s.Max) {
			err := Invalid(path, strconv.FormatInt(n, 10), "Use %d to %d.", s.Min, s.Max)
			if path == "MaxResults" {
				err.Code = ipam.CodeInvalidMaxResults
			}
			return err
		}
	}
	return nil
}

// oneOf lists values to choose from, or only their number if there are more than
// 20.
func oneOf(values []string) string {
	if len(values) > 20 {
		return fmt.Sprintf("Use one of the %d values that the API reference lists.", len(values))
	}
	return "Use one of: " + strings.Join(values, ", ") + "."
}
