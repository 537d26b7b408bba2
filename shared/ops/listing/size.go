package listing

import (
	"iter"
	"reflect"
	"time"
	"unicode/utf8"
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
		n = escapedSize(v.String())
	case reflect.Float64:
		n = len("-2.2250738585072014e-308")
	default:
		n = len("-2147483648")
	}
	return n
}

// escapedSize returns an upper bound of the bytes of a text, in XML or in JSON that is
// escaped twice.
func escapedSize(text string) int {
	n := 0
	for _, r := range text {
		switch r {
		case '"', '\\', '&', '<', '>', '\'', 0xFFFD:
			n += len(`\\u0000`)
		default:
			if r < ' ' {
				n += len(`\\u0000`)
			} else {
				n += utf8.RuneLen(r)
			}
		}
	}
	return n
}

// fields yields the exported fields of a struct type, with those of embedded structs
// instead of the structs. The index of a field is for [reflect.Value.FieldByIndex].
func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				for inner := range fields(f.Type) {
					inner.Index = append([]int{i}, inner.Index...)
					if !yield(inner) {
						return
					}
				}
				continue
			}
			if f.IsExported() && !yield(f) {
				return
			}
		}
	}
}
