package schema

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Binding joins a shape to a Go type, so that codecs find the field of a member
// without a search by name. A Binding does not change after [Input] or [Output] has
// returned it; it is safe for concurrent use.
type Binding struct {
	Shape  *Shape
	Fields []Field  // of a structure, in the shape's order
	Short  []Field  // of a structure, its shorthands
	Elem   *Binding // of a list
}

// Field is a member of a structure and the Go field that holds it.
type Field struct {
	*Member
	Index     int // of the field in the Go struct
	Binding   *Binding
	Shorthand *Shorthand // nil if the member has a Go field
}

// Field returns the field or shorthand for which name returns want, and nil if there
// is none.
func (b *Binding) Field(want string, name func(*Member) string) *Field {
	for _, fields := range [][]Field{b.Fields, b.Short} {
		for i := range fields {
			if name(fields[i].Member) == want {
				return &fields[i]
			}
		}
	}
	return nil
}

type bindingKey struct {
	shape int
	t     reflect.Type
}

var bindings sync.Map // bindingKey → *Binding

// Input returns the binding of an operation's input to the struct type t. It
// returns an error if the API model has no such operation or t lacks a member.
func Input(operation string, t reflect.Type) (*Binding, error) {
	o, ok := Lookup(operation)
	if !ok {
		return nil, fmt.Errorf("bind the input of %s: the API model has no such operation", operation)
	}
	return bind(o.Input, t)
}

// Output returns the binding of an operation's output, as [Input] does for the
// input. The binding is nil if the operation's answer is only that it succeeded.
func Output(operation string, t reflect.Type) (*Binding, error) {
	o, ok := Lookup(operation)
	if !ok {
		return nil, fmt.Errorf("bind the output of %s: the API model has no such operation", operation)
	}
	if o.Output < 0 {
		return nil, nil
	}
	return bind(o.Output, t)
}

// bind returns the binding of the shape at an index of the table to a type, or to
// the type that it points to.
func bind(shape int, t reflect.Type) (*Binding, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	key := bindingKey{shape, t}
	if b, ok := bindings.Load(key); ok {
		return b.(*Binding), nil
	}
	s := &shapes[shape]
	b := &Binding{Shape: s}
	ok := true
	switch s.Kind {
	case Structure:
		ok = t.Kind() == reflect.Struct
		for i := 0; ok && i < len(s.Members); i++ {
			m := &s.Members[i]
			f, found := t.FieldByName(m.Name)
			if !found || len(f.Index) != 1 {
				return nil, fmt.Errorf("bind %s: %s has no field %s", s.Name, t, m.Name)
			}
			member, err := bind(int(m.Shape), f.Type)
			if err != nil {
				return nil, err
			}
			b.Fields = append(b.Fields, Field{Member: m, Index: f.Index[0], Binding: member})
		}
		if err := b.bindShorthands(t); err != nil {
			return nil, err
		}
	case List:
		if ok = t.Kind() == reflect.Slice; ok {
			var err error
			if b.Elem, err = bind(int(s.Elem), t.Elem()); err != nil {
				return nil, err
			}
		}
	case String:
		ok = t.Kind() == reflect.String
	case Boolean:
		ok = t.Kind() == reflect.Bool
	case Integer:
		ok = t.Kind() == reflect.Int32
	case Long:
		ok = t.Kind() == reflect.Int64
	case Double:
		ok = t.Kind() == reflect.Float64
	case Timestamp:
		ok = t == reflect.TypeFor[time.Time]()
	}
	if !ok {
		return nil, fmt.Errorf("bind %s: %s cannot hold %s", s.Name, t, s.Kind)
	}
	stored, _ := bindings.LoadOrStore(key, b)
	return stored.(*Binding), nil
}

func (b *Binding) bindShorthands(t reflect.Type) error {
	for i := range b.Shape.Shorthands {
		h := &b.Shape.Shorthands[i]
		if f, ok := t.FieldByName("TagSpecifications"); !ok || f.Type != reflect.TypeFor[[]types.TagSpecification]() {
			return fmt.Errorf("bind %s: %s has no TagSpecifications, of which %s is a part", b.Shape.Name, t, h.Name)
		}
		value, err := bind(int(h.Shape), reflect.TypeFor[string]())
		if err != nil {
			return err
		}
		b.Short = append(b.Short, Field{Member: &h.Member, Index: -1, Binding: value, Shorthand: h})
	}
	return nil
}

// Deref returns v, or the value that v points to: a zero Value for a nil pointer.
func Deref(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}

// Alloc returns v, or the value that v points to. It sets a nil pointer to a new
// value.
func Alloc(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// Absent reports whether v, a value of the bound type, is a member that the request
// does not have. An empty list that is not nil is not absent.
func (b *Binding) Absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice:
		return v.IsNil()
	case reflect.String: // an enumeration
		return v.Len() == 0
	}
	return false
}

// SetText sets v, a scalar, from its text in a request. path is the name of the
// parameter in messages. The error for a text that the kind does not have is
// InvalidParameterValue.
func (b *Binding) SetText(v reflect.Value, text, path string) error {
	v = Alloc(v)
	switch b.Shape.Kind {
	case String:
		if err := CheckText(path, text); err != nil {
			return err
		}
		v.SetString(text)
	case Boolean:
		value, ok := ParseBoolean(text)
		if !ok {
			return Invalid(path, text, "Use true or false.")
		}
		v.SetBool(value)
	case Integer, Long:
		bits := 64
		if b.Shape.Kind == Integer {
			bits = 32
		}
		n, ok := ParseInteger(text, bits)
		if !ok {
			return Invalid(path, text, "Use an integer of %d bits.", bits)
		}
		v.SetInt(n)
	case Double:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return Invalid(path, text, "Use a number.")
		}
		v.SetFloat(f)
	case Timestamp:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || at.Year() < 1 || at.Year() > 9999 {
			return Invalid(path, text, "Use a time such as 2026-01-31T13:00:00Z.")
		}
		v.Set(reflect.ValueOf(at.UTC()))
	default:
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s is %s and not a single value.", path, b.Shape.Kind)
	}
	return nil
}

// AppendText appends the text of v, a scalar that is not absent, as answers have
// it. Times are in UTC with milliseconds, as EC2's are.
func (b *Binding) AppendText(text []byte, v reflect.Value) []byte {
	switch b.Shape.Kind {
	case String:
		return append(text, v.String()...)
	case Boolean:
		return strconv.AppendBool(text, v.Bool())
	case Integer, Long:
		return strconv.AppendInt(text, v.Int(), 10)
	case Double:
		return strconv.AppendFloat(text, v.Float(), 'g', -1, 64)
	case Timestamp:
		return v.Interface().(time.Time).UTC().AppendFormat(text, "2006-01-02T15:04:05.000Z")
	}
	panic("schema: no text for " + b.Shape.Kind.String())
}

// Invalid returns the error for a value that a parameter cannot have. next and args
// format the next step for the caller.
func Invalid(path, value, next string, args ...any) *ipam.Error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. %s", Excerpt(value), path, fmt.Sprintf(next, args...))
}

// Excerpt returns the beginning of a caller's text, for messages: at most 100 bytes
// and an ellipsis, in valid UTF-8.
func Excerpt(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
