// Package schema is the API as the wire formats use it: a table of operations and
// shapes, generated from the API model, and bindings of shapes to Go types. The
// table is static data, so that it costs nothing when a function starts.
package schema

import (
	"cmp"
	"slices"
)

//go:generate go run ../internal/gen

// Kind is the type of a shape.
type Kind uint8

// The kinds of shapes.
const (
	Structure Kind = iota + 1
	List
	String
	Boolean
	Integer // 32 bits
	Long    // 64 bits
	Double
	Timestamp
)

var kindNames = [...]string{"", "a structure", "a list", "a string", "true or false", "an integer", "an integer", "a number", "a timestamp"}

// String describes a value of the kind, with its article, for messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Shape is a type of the API.
type Shape struct {
	Name    string
	Kind    Kind
	Members []Member // of a structure, in the model's order
	Elem    uint16   // of a list: index into the table of shapes
	Item    string   // of a list: XML element name of an element
	Enum    []string // of a string: the values it may have, nil if any
	Ranged  bool     // Min and Max limit the value of a number or the length of a string or list
	Min     int64
	Max     int64

	Shorthands []Shorthand // of a structure: Cadastre's own members, for which the SDK's type has no field
}

// Member is a member of a structure.
type Member struct {
	Name     string // in Go, JSON and the clients
	Query    string // of the parameter in EC2 Query requests
	XML      string // of the element in EC2 Query answers
	Shape    uint16 // index into the table of shapes
	Required bool
}

// Operation is an action of the EC2 API, or an extension of Cadastre's own.
type Operation struct {
	Name   string
	Input  int  // index into the table of shapes
	Output int  // the same; -1 if the action's answer is only that it succeeded
	Own    bool // an extension, which the EC2 API does not have
}

// Lookup returns the operation of that name, and false if neither the API model nor
// the extensions have it.
func Lookup(name string) (*Operation, bool) {
	i, ok := slices.BinarySearchFunc(operations[:], name, func(o Operation, name string) int { return cmp.Compare(o.Name, name) })
	if !ok {
		return nil, false
	}
	return &operations[i], true
}

// Operations returns the operations of the API model and the extensions, sorted
// by name.
func Operations() []Operation { return slices.Clone(operations[:]) }

// At returns the shape at an index of the table. Another index panics.
func At(i int) *Shape { return &shapes[i] }
