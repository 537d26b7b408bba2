package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// become returns what a setting is to become: what the template wishes, or none,
// its default, if the template has just left out what the object has. It is nil
// if the setting stays.
func become[T comparable](old, wish, has *T, none T) *T {
	if wish == nil && old != nil && has != nil {
		wish = &none
	}
	if wish == nil || has != nil && *has == *wish {
		return nil
	}
	return wish
}

// changed returns which pairs of those that the object has are to be set, and
// which unset because the template has just left out their keys. Pairs that the
// template has never had stay.
func changed(old, wish, has map[string]string) (set, unset map[string]string) {
	set, unset = map[string]string{}, map[string]string{}
	for k, v := range wish {
		if had, ok := has[k]; !ok || had != v {
			set[k] = v
		}
	}
	for k := range old {
		_, stays := wish[k]
		if v, ok := has[k]; ok && !stays {
			unset[k] = v
		}
	}
	return set, unset
}

func changeTags(ctx context.Context, r *request, id string, old, wish map[string]string, has []types.Tag) error {
	have := make(map[string]string, len(has))
	for _, t := range has {
		have[*t.Key] = *t.Value
	}
	set, unset := changed(old, wish, have)
	if len(unset) > 0 { // first: there is a limit on the tags of an object
		_, err := call[ec2.DeleteTagsOutput](ctx, r, "DeleteTags", &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags(unset)})
		if err != nil {
			return err
		}
	}
	if len(set) > 0 {
		_, err := call[ec2.CreateTagsOutput](ctx, r, "CreateTags", &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags(set)})
		if err != nil {
			return err
		}
	}
	return nil
}

func tags(pairs map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(pairs[key])})
	}
	return list
}

// These tags of what a request makes say which resource of which stack it is. They
// are besides those of the template.
const (
	stackTag   = "cadastre:stack-id"
	logicalTag = "cadastre:logical-id"
)

// tagSpecifications gives an object the tags of a template, and those by which
// tagFilters find it.
func (r *request) tagSpecifications(of types.ResourceType, pairs map[string]string) []types.TagSpecification {
	all := maps.Clone(pairs)
	if all == nil {
		all = map[string]string{}
	}
	all[stackTag], all[logicalTag] = r.StackID, r.LogicalResourceID
	return []types.TagSpecification{{ResourceType: of, Tags: tags(all)}}
}

// tagFilters name what was made for the resource of the request.
func (r *request) tagFilters() []types.Filter {
	return []types.Filter{
		{Name: aws.String("tag:" + stackTag), Values: []string{literal.Replace(r.StackID)}},
		{Name: aws.String("tag:" + logicalTag), Values: []string{literal.Replace(r.LogicalResourceID)}},
	}
}

// listed returns all that an operation lists: token is where its input has the token
// of a page, and page returns what one has, and the token of the next.
func listed[Out, O any](ctx context.Context, r *request, operation string, in any, token **string, page func(*Out) ([]O, *string)) (all []*O, err error) {
	for {
		out, err := call[Out](ctx, r, operation, in)
		if err != nil {
			return all, err
		}
		objects, next := page(out)
		for _, o := range objects {
			all = append(all, &o)
		}
		if *token = next; next == nil {
			return all, nil
		}
	}
}

// found returns an object that was there a moment ago.
func found[O any](o *O, err error) (*O, error) {
	if o == nil && err == nil {
		err = ipam.Errorf(ipam.CodeIncorrectState, "The object was deleted while it was changed.")
	}
	return o, err
}

// unlessGone returns the error of an act that ends an object, nil if there is
// no such object.
func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// some returns nil for "": a request leaves out what is not given.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// text returns a value as CloudFormation has it, "" for nil.
func text[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// idOf returns the id at the end of an ARN.
func idOf(arn *string) string {
	s := aws.ToString(arn)
	return s[strings.LastIndexByte(s, '/')+1:]
}
