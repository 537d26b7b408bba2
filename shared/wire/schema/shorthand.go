package schema

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Shorthand is a member of Cadastre's own in an input of the EC2 API. It is the
// value of a tag of the resource that the operation creates: a request with the
// shorthand and a request with the tag mean the same.
type Shorthand struct {
	Member
	Tag          string // the tag's key
	ResourceType string // of the created resource, a value of TagSpecifications
	Doc          string // for the docs and OpenAPI
}

// Shorthands are the shorthands of a request. A codec collects them while it reads
// the members, and expands them after it has read the tags too. The zero value has
// none.
type Shorthands struct{ given []shorthand }

type shorthand struct {
	*Field
	value reflect.Value
}

// At returns the place for the value of a member: the field of v, the input, or a
// new value in s for a shorthand.
func (s *Shorthands) At(v reflect.Value, f *Field) reflect.Value {
	if f.Shorthand == nil {
		return v.Field(f.Index)
	}
	value := reflect.New(reflect.TypeFor[string]()).Elem()
	s.given = append(s.given, shorthand{f, value})
	return value
}

// Expand adds the tags of the shorthands to v, the input. The error for a tag that v
// has with another value is InvalidParameterCombination.
func (s *Shorthands) Expand(v reflect.Value) error {
	for _, g := range s.given {
		if err := g.Binding.checkValue(g.value, g.Name); err != nil {
			return err
		}
		into := v.FieldByName("TagSpecifications").Addr().Interface().(*[]types.TagSpecification)
		if err := g.Shorthand.add(into, g.value.String()); err != nil {
			return err
		}
	}
	return nil
}

func (h *Shorthand) add(into *[]types.TagSpecification, value string) error {
	of := types.ResourceType(h.ResourceType)
	for i := range *into {
		s := &(*into)[i]
		if s.ResourceType != of {
			continue
		}
		for _, t := range s.Tags {
			if aws.ToString(t.Key) != h.Tag {
				continue
			}
			if aws.ToString(t.Value) == value {
				return nil
			}
			return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The parameter %s is the tag %s, and the request gives both, with different values. Give one of them.", h.Name, h.Tag)
		}
	}
	tag := types.Tag{Key: aws.String(h.Tag), Value: &value}
	*into = append(*into, types.TagSpecification{ResourceType: of, Tags: []types.Tag{tag}})
	return nil
}
