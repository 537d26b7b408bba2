package awsjson

import (
	"reflect"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// ContentType is the content type of answers.
const ContentType = "application/json"

// Encode returns the answer to an action: out is a pointer to its output
// struct. Encode omits absent members, except for the lists that are members of
// out itself: these are always there, as in the XML of package ec2query.
func Encode(action string, out any) ([]byte, error) {
	binding, err := schema.Output(action, reflect.TypeOf(out))
	if err != nil {
		return nil, err
	}
	if binding == nil {
		return []byte(`{"Return":true}`), nil
	}
	return object(nil, binding, schema.Deref(reflect.ValueOf(out)), true), nil
}

// EncodeError returns the answer for an error.
func EncodeError(requestID string, e *ipam.Error) []byte {
	b := append([]byte(nil), `{"Code":`...)
	b = quote(b, string(e.Code))
	b = append(b, `,"Message":`...)
	b = quote(b, e.Message)
	b = append(b, `,"RequestId":`...)
	b = quote(b, requestID)
	return append(b, '}')
}

func object(b []byte, bound *schema.Binding, v reflect.Value, top bool) []byte {
	b = append(b, '{')
	first := true
	for i := range bound.Fields {
		if !v.IsValid() {
			break
		}
		f := &bound.Fields[i]
		m := v.Field(f.Index)
		if f.Binding.Absent(m) && (!top || f.Binding.Shape.Kind != schema.List) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, f.Name...) // names of the model need no escapes
		b = append(b, '"', ':')
		b = value(b, f.Binding, schema.Deref(m))
	}
	return append(b, '}')
}

func value(b []byte, bound *schema.Binding, v reflect.Value) []byte {
	switch bound.Shape.Kind {
	case schema.Structure:
		return object(b, bound, v, false)
	case schema.List:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = value(b, bound.Elem, schema.Deref(v.Index(i)))
		}
		return append(b, ']')
	case schema.String:
		return quote(b, v.String())
	case schema.Timestamp:
		b = append(b, '"')
		b = bound.AppendText(b, v)
		return append(b, '"')
	}
	return bound.AppendText(b, v)
}

// quote appends s as a JSON string. A byte that is not UTF-8 becomes U+FFFD.
func quote(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		bad := r == utf8.RuneError && size == 1
		if r >= ' ' && r != '"' && r != '\\' && !bad {
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		switch {
		case bad:
			b = append(b, "\uFFFD"...)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		default:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		}
		i += size
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
