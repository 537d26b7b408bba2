package schema

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Shorthand is a member of ours in an input of the EC2 API: an extension. It is
// the value of a tag of what the operation makes, and a request that gives it is
// the same as one that gives the tag.
type Shorthand struct {
	Member
	Tag          string // the tag's key
	ResourceType string // what is made, as TagSpecifications call it
	Doc          string // for the docs and OpenAPI
}

// Shorthands are those that a request gives. A codec collects them while it
// reads the members, and expands them when the tags are read as well. The zero
// value holds none.
type Shorthands struct{ given []shorthand }

type shorthand struct {
	*Field
	value reflect.Value
}

// At returns where the value of a member is to be set: in the field of v, the
// input, or, if it has none, aside.
func (s *Shorthands) At(v reflect.Value, f *Field) reflect.Value {
	if f.Shorthand == nil {
		return v.Field(f.Index)
	}
	value := reflect.New(reflect.TypeFor[string]()).Elem()
	s.given = append(s.given, shorthand{f, value})
	return value
}

// Expand adds the tags that the shorthands are to v, the input. A tag that is
// there with another value is InvalidParameterCombination.
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
