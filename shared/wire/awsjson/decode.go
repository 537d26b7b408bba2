// Package awsjson reads and writes operations as JSON: one object, whose members
// have the names of the API model and the clients (IpamPoolId, NetmaskLength). It
// serves every operation by the table of package schema and has no code for any
// one of them.
package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Limits of a request. Valid ones stay far below.
const (
	// MaxBody is the largest size of a body, in bytes.
	MaxBody = 1 << 20
	// MaxList is the largest number of elements in one list.
	MaxList = 1_000
)

// Decode sets the members of in, a pointer to the action's input struct, from
// a JSON object. An empty body is an empty object, and null is an absent
// member. Errors are UnknownParameter for a member that the action does not have,
// InvalidParameterValue for a value of another type, and MalformedRequest for a
// body that is no JSON object. [schema.Binding.Check] checks ranges and required members.
func Decode(body []byte, action string, in any) error {
	binding, err := schema.Input(action, reflect.TypeOf(in))
	if err != nil {
		return err
	}
	if len(body) > MaxBody {
		return ipam.Errorf(ipam.CodeMalformedRequest, "The request has %d bytes; at most %d are read. Split it into several requests.", len(body), MaxBody)
	}
	if !utf8.Valid(body) {
		return malformed("it is not UTF-8")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := decoder{action: action, tokens: json.NewDecoder(bytes.NewReader(body))}
	d.tokens.UseNumber()
	t, err := d.next()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return malformed(fmt.Sprintf("it is %s and not an object", describe(t)))
	}
	v := reflect.ValueOf(in).Elem()
	if err := d.object(v, binding, ""); err != nil {
		return err
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the object")
	}
	return d.short.Expand(v)
}

// Members returns the members of a JSON object, each as it is. Errors are
// InvalidParameterValue for a member that the object has twice, and MalformedRequest for
// a text that is no JSON object.
func Members(object []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(object) {
		return nil, malformed("it is not UTF-8")
	}
	d := decoder{tokens: json.NewDecoder(bytes.NewReader(object))}
	if t, err := d.next(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, malformed(fmt.Sprintf("it is %s and not an object", describe(t)))
	}
	members := map[string]json.RawMessage{}
	for {
		t, err := d.next()
		if err != nil {
			return nil, err
		}
		if t == json.Delim('}') {
			break
		}
		name := t.(string) // encoding/json returns nothing else here
		if _, given := members[name]; given {
			return nil, twice(schema.Excerpt(name))
		}
		var raw json.RawMessage
		if err := d.tokens.Decode(&raw); err != nil {
			return nil, malformed(fmt.Sprintf("at byte %d, %s", d.tokens.InputOffset(), schema.Excerpt(err.Error())))
		}
		members[name] = raw
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("something follows the object")
	}
	return members, nil
}

func twice(path string) error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s is given more than once. Give it once.", path)
}

func malformed(why string) error {
	return ipam.Errorf(ipam.CodeMalformedRequest, "The body is no JSON object: %s. Send an object with the operation's members, such as {\"IpamPoolId\": \"…\"}.", why)
}

// decoder reads tokens directly into the struct, so that it finds a member that
// the body has twice.
type decoder struct {
	action string
	tokens *json.Decoder
	short  schema.Shorthands
}

func (d *decoder) next() (json.Token, error) {
	t, err := d.tokens.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, malformed("it ends too early")
	}
	if err != nil {
		return nil, malformed(fmt.Sprintf("at byte %d, %s", d.tokens.InputOffset(), schema.Excerpt(err.Error())))
	}
	return t, nil
}

// object reads members up to the closing brace into v. prefix is "" or ends
// with a period.
func (d *decoder) object(v reflect.Value, bound *schema.Binding, prefix string) error {
	given := map[string]bool{}
	for {
		t, err := d.next()
		if err != nil {
			return err
		}
		if t == json.Delim('}') {
			return nil
		}
		name := t.(string) // encoding/json returns nothing else here
		path := prefix + schema.Excerpt(name)
		f := bound.Field(name, func(m *schema.Member) string { return m.Name })
		if f == nil {
			return ipam.Errorf(ipam.CodeUnknownParameter, "The parameter %s is not recognized. %s takes: %s.", path, d.action, members(bound, prefix))
		}
		if given[name] {
			return twice(path)
		}
		given[name] = true
		if t, err = d.next(); err != nil {
			return err
		}
		if t == nil {
			continue // null
		}
		if err := d.value(d.short.At(v, f), f.Binding, t, path); err != nil {
			return err
		}
	}
}

// value reads the value that begins with the token t into v. t is not null.
func (d *decoder) value(v reflect.Value, bound *schema.Binding, t json.Token, path string) error {
	switch bound.Shape.Kind {
	case schema.Structure:
		if t != json.Delim('{') {
			return mismatch(bound, t, path)
		}
		return d.object(schema.Alloc(v), bound, path+".")
	case schema.List:
		if t != json.Delim('[') {
			return mismatch(bound, t, path)
		}
		return d.list(v, bound, path)
	case schema.Boolean:
		b, ok := t.(bool)
		if !ok {
			return mismatch(bound, t, path)
		}
		schema.Alloc(v).SetBool(b)
		return nil
	case schema.Integer, schema.Long, schema.Double:
		n, ok := t.(json.Number)
		if !ok {
			return mismatch(bound, t, path)
		}
		return bound.SetText(v, n.String(), path)
	}
	s, ok := t.(string)
	if !ok {
		return mismatch(bound, t, path)
	}
	return bound.SetText(v, s, path)
}

func (d *decoder) list(v reflect.Value, bound *schema.Binding, path string) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for {
		t, err := d.next()
		if err != nil {
			return err
		}
		if t == json.Delim(']') {
			v.Set(list)
			return nil
		}
		n := list.Len()
		if n == MaxList {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The list %s has more than %d elements, which is the most that are read. Split it into several requests.", path, MaxList)
		}
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		at := path + "[" + strconv.Itoa(n) + "]"
		if t == nil {
			return mismatch(bound.Elem, t, at)
		}
		if err := d.value(list.Index(n), bound.Elem, t, at); err != nil {
			return err
		}
	}
}

func mismatch(bound *schema.Binding, t json.Token, path string) error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s must be %s and is %s.", path, jsonKind(bound.Shape.Kind), describe(t))
}

func jsonKind(k schema.Kind) string {
	switch k {
	case schema.Structure:
		return "an object"
	case schema.Timestamp:
		return "a string with a time such as 2026-01-31T13:00:00Z"
	}
	return k.String()
}

// describe returns the kind of value that begins with a token, for messages.
func describe(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case json.Delim:
		if t == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return "the string \"" + schema.Excerpt(t) + "\""
	case json.Number:
		return "the number " + schema.Excerpt(t.String())
	}
	return fmt.Sprint(t)
}

func members(bound *schema.Binding, prefix string) string {
	var names []string
	for _, f := range slices.Concat(bound.Fields, bound.Short) {
		names = append(names, prefix+f.Name)
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
