package listing

import (
	"iter"
	"reflect"
	"time"
)

// encodedSize returns an upper bound of the bytes of an output in an answer: in XML,
// or in JSON, which Lambda escapes once more.
func encodedSize(v reflect.Value) int {
	const item = len("<item></item>")
	n := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			n = encodedSize(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return len(`\"2006-01-02T15:04:05.000Z\"`)
		}
		n = item
		for f := range fields(v.Type()) {
			if m := v.FieldByIndex(f.Index); !m.IsZero() {
				n += 2*(len(f.Name)+len("Set")) + len("<></>") + encodedSize(m)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += item + encodedSize(v.Index(i))
		}
	case reflect.String:
		for _, r := range v.String() {
			switch {
			case r < ' ' || r == '"' || r == '\\' || r == '&' || r == '<' || r == '>' || r == '\'' || r == 0xFFFD:
				n += len(`\\u0000`)
			default:
				n += len(string(r))
			}
		}
	case reflect.Float64:
		n = len("-2.2250738585072014e-308")
	default:
		n = len("-2147483648")
	}
	return n
}

// fields yields the exported fields of a struct type.
func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}
