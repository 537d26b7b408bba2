// Package model holds the description of the EC2 IPAM API and of Cadastre's
// extensions of it, in the form of AWS's service models, for the generators. It is
// 170 KB: functions link the compact table of package schema instead.
package model

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

//go:embed ec2-ipam-model.json
var source []byte

// extensions holds operations that the EC2 API does not have, and shorthands in
// its inputs. They may use the shapes of the EC2 API.
//
//go:embed extensions.json
var extensions []byte

// API is the part of a service model that the wire formats use.
type API struct {
	Operations map[string]*Operation
	Shapes     map[string]*Shape
	Shorthands map[string]map[string]Shorthand `json:"members"` // by shape and name
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

	Shorthands []Shorthand `json:"-"` // of an input of the EC2 API: Cadastre's own members, sorted by name
}

// Shorthand is a member of Cadastre's own in an input of the EC2 API. The SDK's type
// has no field for it: it is a short form of a tag, namely the value of a tag of the
// resource that the operation creates.
type Shorthand struct {
	Name string `json:"-"`
	Ref
	Tag           string // the tag's key
	ResourceType  string // of the created resource, a value of TagSpecifications
	Documentation string // HTML, as everywhere in service models
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

// UnmarshalJSON reads an object and keeps the order of its keys.
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
// shapes. A name that both models have is an error, since an extension must not
// change the meaning of the EC2 API.
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
		for shape, shorthands := range api.Shorthands {
			if err := all.extend(raw, shape, shorthands); err != nil {
				return nil, nil, err
			}
		}
	}
	return all, raw, nil
}

// extend adds shorthands to a structure and to its document.
func (a *API) extend(raw *Raw, shape string, shorthands map[string]Shorthand) error {
	s := a.Shapes[shape]
	if s == nil || s.Type != "structure" {
		return fmt.Errorf("shape %s, which has shorthands, is no structure", shape)
	}
	for _, name := range slices.Sorted(maps.Keys(shorthands)) {
		if slices.ContainsFunc(s.Members, func(m Member) bool { return m.Name == name }) {
			return fmt.Errorf("member %s of %s is in both models", name, shape)
		}
		h := shorthands[name]
		h.Name = name
		s.Shorthands = append(s.Shorthands, h)
	}
	document, err := extended(raw.Shapes[shape], s.Shorthands)
	raw.Shapes[shape] = document
	return err
}

// extended returns the document of a structure with the shorthands as its last
// members.
func extended(document json.RawMessage, shorthands []Shorthand) (json.RawMessage, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(document, &parts); err != nil {
		return nil, err
	}
	members := bytes.TrimSuffix(bytes.TrimSpace(parts["members"]), []byte("}"))
	for _, h := range shorthands {
		ref, err := json.Marshal(map[string]string{"shape": h.Shape, "documentation": h.Documentation})
		if err != nil {
			return nil, err
		}
		members = fmt.Appendf(members, ",%q:%s", h.Name, ref)
	}
	parts["members"] = append(members, '}')
	return json.Marshal(parts)
}

// Raw holds the documents of a model's operations and shapes by name.
type Raw struct {
	Operations, Shapes map[string]json.RawMessage
}

// Parse reads one service model.
func Parse(b []byte) (*API, error) {
	var api API
	if err := json.Unmarshal(b, &api); err != nil {
		return nil, fmt.Errorf("parse the API model: %w", err)
	}
	return &api, nil
}
