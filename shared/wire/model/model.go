// Package model holds the description of the EC2 IPAM API and of our own
// extensions of it, in the form of AWS's own service models, for the
// generators. It is 170 KB: functions link the compact table of package schema
// instead.
package model

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed ec2-ipam-model.json
var source []byte

// Extensions are operations beside those of the EC2 API. They may use its
// shapes.
//
//go:embed extensions.json
var extensions []byte

// API is the part of a service model that the wire formats depend on.
type API struct {
	Operations map[string]*Operation
	Shapes     map[string]*Shape
}

// Operation is an action. Output is nil if it answers only that it succeeded.
type Operation struct {
	Name          string
	Input, Output *Ref
	Own           bool `json:"-"` // an extension
}

// Shape describes a type. Which fields are set depends on Type: structure,
// list, string, boolean, integer, long, double or timestamp.
type Shape struct {
	Type     string
	Members  Members
	Required []string
	Member   *Ref
	Enum     []string
	Min, Max *int64
}

// Ref refers to a shape.
type Ref struct {
	Shape        string
	LocationName string
}

// Members are a structure's members in the model's order.
type Members []Member

// Member is a named Ref.
type Member struct {
	Name string
	Ref
}

// UnmarshalJSON keeps the order of the object's keys.
func (m *Members) UnmarshalJSON(b []byte) error {
	var refs map[string]Ref
	if err := json.Unmarshal(b, &refs); err != nil {
		return err
	}
	names, err := keys(b)
	if err != nil {
		return err
	}
	for _, n := range names {
		*m = append(*m, Member{Name: n, Ref: refs[n]})
	}
	return nil
}

// Load returns both models as one, and the raw documents of its operations and
// shapes. A name that both have is an error: an extension changes no meaning.
func Load() (*API, *Raw, error) {
	raw := &Raw{Operations: map[string]json.RawMessage{}, Shapes: map[string]json.RawMessage{}}
	all := &API{Operations: map[string]*Operation{}, Shapes: map[string]*Shape{}}
	for i, document := range [][]byte{source, extensions} {
		var r Raw
		if err := json.Unmarshal(document, &r); err != nil {
			return nil, nil, fmt.Errorf("parse the API model: %w", err)
		}
		api, err := Parse(document)
		if err != nil {
			return nil, nil, err
		}
		for name, o := range api.Operations {
			if all.Operations[name] != nil {
				return nil, nil, fmt.Errorf("operation %s is in both models", name)
			}
			o.Own = i > 0
			all.Operations[name], raw.Operations[name] = o, r.Operations[name]
		}
		for name, s := range api.Shapes {
			if all.Shapes[name] != nil {
				return nil, nil, fmt.Errorf("shape %s is in both models", name)
			}
			all.Shapes[name], raw.Shapes[name] = s, r.Shapes[name]
		}
	}
	return all, raw, nil
}

// Raw holds the documents of a model's operations and shapes by name.
type Raw struct {
	Operations, Shapes map[string]json.RawMessage
}

// Parse reads a service model.
func Parse(b []byte) (*API, error) {
	var api API
	if err := json.Unmarshal(b, &api); err != nil {
		return nil, fmt.Errorf("parse the API model: %w", err)
	}
	return &api, nil
}
