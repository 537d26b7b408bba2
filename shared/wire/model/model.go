// Package model holds the description of the EC2 IPAM API, in the form of
// AWS's own service models, for the generators. It is 170 KB: functions link
// the compact table of package schema instead.
package model

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed ec2-ipam-model.json
var source []byte

// API is the part of a service model that the wire formats depend on.
type API struct {
	Operations map[string]*Operation
	Shapes     map[string]*Shape
}

// Operation is an action. Output is nil if it answers only that it succeeded.
type Operation struct {
	Name          string
	Input, Output *Ref
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

// Source returns a copy of the model as it is published.
func Source() []byte { return append([]byte(nil), source...) }

// Parse reads a service model.
func Parse(b []byte) (*API, error) {
	var api API
	if err := json.Unmarshal(b, &api); err != nil {
		return nil, fmt.Errorf("parse the API model: %w", err)
	}
	return &api, nil
}
