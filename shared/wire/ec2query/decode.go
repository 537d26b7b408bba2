// Package ec2query reads and writes the EC2 Query protocol: requests are forms
// (Action=AllocateIpamPoolCidr&IpamPoolId=…&AllowedCidr.1=…), answers are XML.
// It serves every operation by the table of package schema and has no code for
// any one of them.
package ec2query

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Limits of a request. Valid ones stay far below.
const (
	// MaxBody is the largest size of a form, in bytes.
	MaxBody = 1 << 20
	// MaxParameters is the largest number of parameters in a form.
	MaxParameters = 10_000
	// MaxList is the largest number of elements in one list.
	MaxList = 1_000

	maxDepth = 8 // parts of a parameter's name; the API's deepest one has 6
)

// ParseForm reads a form, such as a body or a query string. Errors are
// MalformedRequest.
func ParseForm(form string) (url.Values, error) {
	if len(form) > MaxBody {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request has %d bytes; at most %d are read. Split it into several requests.", len(form), MaxBody)
	}
	if n := strings.Count(form, "&"); n >= MaxParameters {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request has %d parameters; at most %d are read. Split it into several requests.", n+1, MaxParameters)
	}
	values, err := url.ParseQuery(form)
	if err != nil {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request is no form: use name=value pairs joined by &, with special characters escaped by %%. %s", schema.Excerpt(err.Error()))
	}
	return values, nil
}

// ParseRequest returns the form of a request: the parameters of its body and of its
// query string together. A parameter that both have has several values; [Action]
// and [Decode] refuse it.
func ParseRequest(body string, query url.Values) (url.Values, error) {
	form, err := ParseForm(body)
	if err != nil {
		return nil, err
	}
	for name, values := range query {
		form[name] = append(form[name], values...)
	}
	return form, nil
}

// Action returns the action that a form names. Errors are MissingParameter for a
// form without an action, and InvalidParameterValue for two actions or another API
// version.
func Action(form url.Values) (string, error) {
	for _, name := range []string{"Action", "Version"} {
		if n := len(form[name]); n > 1 {
			return "", twice(name, n)
		}
	}
	action := form.Get("Action")
	if action == "" {
		return "", ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter Action")
	}
	if v := form.Get("Version"); v != "" && v != wire.APIVersion {
		return "", ipam.Errorf(ipam.CodeInvalidParameterValue, "The API version %s is not served. Use Version=%s.", schema.Excerpt(v), wire.APIVersion)
	}
	return action, nil
}

// envelope lists the parameters that belong to no operation: those of the protocol
// and those of a signature in the query string.
var envelope = []string{"Action", "Version", "AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"}

// Decode sets the members of in, a pointer to the action's input struct, from a
// form. Errors are UnknownParameter for a parameter that the action does not have,
// and InvalidParameterValue for a value that its type does not have.
// [schema.Binding.Check] checks ranges and required members.
func Decode(form url.Values, action string, in any) error {
	binding, err := schema.Input(action, reflect.TypeOf(in))
	if err != nil {
		return err
	}
	root := &node{}
	// Sorted, so that a request with several faults always gets the same answer.
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if slices.Contains(envelope, name) || strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			continue
		}
		if n := len(form[name]); n != 1 {
			return twice(name, n)
		}
		if err := root.add(name, form[name][0]); err != nil {
			return err
		}
	}
	d := decoder{action: action}
	v := reflect.ValueOf(in).Elem()
	if err := d.structure(v, binding, root, ""); err != nil {
		return err
	}
	return d.short.Expand(v)
}

func twice(name string, n int) error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s is given %d times. Give it once; number the elements of a list: .1, .2, …", schema.Excerpt(name), n)
}

// node is a part of the names of parameters. It has a value if a parameter ends
// here, and children if a parameter has more parts.
type node struct {
	value    *string
	children map[string]*node
}

func (n *node) add(name, value string) error {
	parts := strings.Split(name, ".")
	if len(parts) > maxDepth {
		return ipam.Errorf(ipam.CodeUnknownParameter, "The parameter %s is not recognized. No parameter's name has more than %d parts.", schema.Excerpt(name), maxDepth)
	}
	for _, part := range parts {
		child := n.children[part]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[part] = child
		}
		n = child
	}
	n.value = &value
	return nil
}

// leaf returns the name of the first parameter at or below n. path is the name of
// n.
func (n *node) leaf(path string) string {
	for n.value == nil && len(n.children) > 0 {
		part := slices.Min(slices.Collect(maps.Keys(n.children)))
		path, n = path+"."+part, n.children[part]
	}
	return path
}

type decoder struct {
	action string
	short  schema.Shorthands
}

func (d *decoder) value(v reflect.Value, bound *schema.Binding, n *node, path string) error {
	switch bound.Shape.Kind {
	case schema.Structure:
		if n.value != nil {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter %s is a structure. Give its members: %s.", path, members(bound, path+"."))
		}
		return d.structure(schema.Alloc(v), bound, n, path+".")
	case schema.List:
		return d.list(v, bound, n, path)
	}
	if len(n.children) > 0 {
		n.value = nil
		return ipam.Errorf(ipam.CodeUnknownParameter, "The parameter %s is not recognized: %s is %s and not a list or a structure. Use %s=…", n.leaf(path), path, bound.Shape.Kind, path)
	}
	return bound.SetText(v, *n.value, path)
}

// structure sets the fields of v. prefix is "" or ends with a period.
func (d *decoder) structure(v reflect.Value, bound *schema.Binding, n *node, prefix string) error {
	for _, part := range slices.Sorted(maps.Keys(n.children)) {
		f := bound.Field(part, func(m *schema.Member) string { return m.Query })
		if f == nil {
			name := schema.Excerpt(n.children[part].leaf(prefix + part))
			return ipam.Errorf(ipam.CodeUnknownParameter, "The parameter %s is not recognized. %s takes: %s.", name, d.action, members(bound, prefix))
		}
		if err := d.value(d.short.At(v, f), f.Binding, n.children[part], prefix+part); err != nil {
			return err
		}
	}
	return nil
}

// list sets v from the children 1, 2, …. Clients send an empty list as its name
// with an empty value.
func (d *decoder) list(v reflect.Value, bound *schema.Binding, n *node, path string) error {
	if n.value != nil {
		if *n.value != "" || len(n.children) > 0 {
			return schema.Invalid(path, *n.value, "%s is a list: number its elements, %s.1=…, %s.2=…", path, path, path)
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return nil
	}
	type element struct {
		index int
		node  *node
	}
	var elements []element
	for part, child := range n.children {
		i, err := strconv.Atoi(part)
		if err != nil || i < 1 || strconv.Itoa(i) != part {
			return ipam.Errorf(ipam.CodeUnknownParameter, "The parameter %s is not recognized. %s is a list: number its elements from 1, %s.1, %s.2, …",
				schema.Excerpt(n.leaf(path)), path, path, path)
		}
		elements = append(elements, element{i, child})
	}
	if len(elements) > MaxList {
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The list %s has %d elements; at most %d are read. Split it into several requests.", path, len(elements), MaxList)
	}
	slices.SortFunc(elements, func(a, b element) int { return cmp.Compare(a.index, b.index) })
	list := reflect.MakeSlice(v.Type(), len(elements), len(elements))
	for i, e := range elements {
		if e.index != i+1 {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The list %s has an element %d but none of number %d. Number the elements without gaps: 1, 2, …", path, e.index, i+1)
		}
		if err := d.value(list.Index(i), bound.Elem, e.node, path+"."+strconv.Itoa(e.index)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// members returns the names of the parameters of a structure, for messages.
func members(bound *schema.Binding, prefix string) string {
	var names []string
	for _, f := range slices.Concat(bound.Fields, bound.Short) {
		name := prefix + f.Query
		switch {
		case f.Binding.Shape.Kind == schema.List && f.Binding.Elem.Shape.Kind == schema.Structure:
			name = fmt.Sprintf("%s.N.…", name)
		case f.Binding.Shape.Kind == schema.List:
			name += ".N"
		case f.Binding.Shape.Kind == schema.Structure:
			name += ".…"
		}
		names = append(names, name)
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
