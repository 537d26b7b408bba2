// Package wiretest fills and checks values of the API's shapes for the tests of the
// wire formats.
package wiretest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Fill sets every member of the structure that v points to. All values differ, and
// every list has two elements.
func Fill(v any, shape *schema.Shape) {
	f := filler{}
	f.structure(reflect.ValueOf(v).Elem(), shape)
}

type filler struct{ n int }

func (f *filler) structure(v reflect.Value, s *schema.Shape) {
	for _, m := range s.Members {
		field := v.FieldByName(m.Name)
		if !field.IsValid() {
			panic(fmt.Sprintf("%s has no field %s", v.Type(), m.Name))
		}
		f.value(field, schema.At(int(m.Shape)))
	}
}

func (f *filler) value(v reflect.Value, s *schema.Shape) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		f.value(v.Elem(), s)
		return
	}
	f.n++
	switch s.Kind {
	case schema.Structure:
		f.structure(v, s)
	case schema.List:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.value(v.Index(i), schema.At(int(s.Elem)))
		}
	case schema.String:
		if s.Enum != nil {
			v.SetString(s.Enum[f.n%len(s.Enum)])
		} else {
			// Characters that XML, JSON or forms have to escape.
			v.SetString(fmt.Sprintf("s%d <&>\"' ü+%%=\t\n\r日本", f.n))
		}
	case schema.Boolean:
		v.SetBool(true)
	case schema.Integer, schema.Long:
		if s.Ranged {
			v.SetInt(s.Min + int64(f.n)%(s.Max-s.Min+1))
		} else if s.Kind == schema.Long {
			v.SetInt(1<<53 + int64(f.n))
		} else {
			v.SetInt(-int64(f.n))
		}
	case schema.Double:
		v.SetFloat(float64(f.n) + 1.0/3)
	case schema.Timestamp:
		v.Set(reflect.ValueOf(time.Date(2026, 2, 28, 23, 59, 59, f.n%1000*1e6, time.UTC)))
	default:
		panic("unknown kind of " + s.Name)
	}
}

// Check checks in, a pointer to the operation's input struct, as the registry does
// before it calls the operation.
func Check(operation string, in any) error {
	b, err := schema.Input(operation, reflect.TypeOf(in))
	if err != nil {
		return err
	}
	return b.Check(in)
}
