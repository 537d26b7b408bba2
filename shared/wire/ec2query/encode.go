package ec2query

import (
	"reflect"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// ContentType is the content type of answers.
const ContentType = "text/xml;charset=UTF-8"

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Encode returns the answer to an action: out is a pointer to its output
// struct. Encode omits absent members, except for the lists that are members of
// out itself: an empty one is an empty element, as in EC2's answers.
func Encode(action, requestID string, out any) ([]byte, error) {
	binding, err := schema.Output(action, reflect.TypeOf(out))
	if err != nil {
		return nil, err
	}
	b := append([]byte(declaration), '<')
	b = append(b, action...)
	b = append(b, `Response xmlns="http://ec2.amazonaws.com/doc/`+wire.APIVersion+`/">`...)
	b = text(b, "requestId", requestID)
	if binding == nil {
		b = text(b, "return", "true")
	} else {
		b = structure(b, binding, schema.Deref(reflect.ValueOf(out)), true)
	}
	b = append(b, "</"...)
	b = append(b, action...)
	return append(b, "Response>"...), nil
}

// EncodeError returns the answer for an error.
func EncodeError(requestID string, e *ipam.Error) []byte {
	b := append([]byte(declaration), "<Response><Errors><Error>"...)
	b = text(b, "Code", string(e.Code))
	b = text(b, "Message", e.Message)
	b = append(b, "</Error></Errors>"...)
	b = text(b, "RequestID", requestID)
	return append(b, "</Response>"...)
}

func structure(b []byte, bound *schema.Binding, v reflect.Value, top bool) []byte {
	if !v.IsValid() {
		return b
	}
	for i := range bound.Fields {
		f := &bound.Fields[i]
		m := v.Field(f.Index)
		if f.Binding.Absent(m) && (!top || f.Binding.Shape.Kind != schema.List) {
			continue
		}
		b = element(b, f.XML, f.Binding, schema.Deref(m))
	}
	return b
}

func element(b []byte, name string, bound *schema.Binding, v reflect.Value) []byte {
	if bound.Shape.Kind == schema.List && v.Len() == 0 {
		b = append(b, '<')
		b = append(b, name...)
		return append(b, "/>"...)
	}
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	switch bound.Shape.Kind {
	case schema.Structure:
		b = structure(b, bound, v, false)
	case schema.List:
		for i := range v.Len() {
			b = element(b, bound.Shape.Item, bound.Elem, schema.Deref(v.Index(i)))
		}
	case schema.String:
		b = escape(b, v.String())
	default:
		b = bound.AppendText(b, v)
	}
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

func text(b []byte, name, value string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = escape(b, value)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

// escape appends s as character data. It escapes carriage returns, which an XML
// parser would turn into line feeds. A character that XML 1.0 does not allow
// becomes U+FFFD.
func escape(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		var e string
		switch {
		case r == '&':
			e = "&amp;"
		case r == '<':
			e = "&lt;"
		case r == '>':
			e = "&gt;"
		case r == '"':
			e = "&#34;"
		case r == '\'':
			e = "&#39;"
		case r == '\t':
			e = "&#x9;"
		case r == '\n':
			e = "&#xA;"
		case r == '\r':
			e = "&#xD;"
		case r < ' ', r == 0xFFFE, r == 0xFFFF, r == utf8.RuneError && size == 1:
			e = "\uFFFD"
		}
		if e != "" {
			b = append(b, s[from:i]...)
			b = append(b, e...)
			from = i + size
		}
		i += size
	}
	return append(b, s[from:]...)
}
