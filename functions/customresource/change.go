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

// become returns the new value of a setting: the template's, or none, its default, if
// this update removed the setting from the template and the object still has it. It
// returns nil if the setting stays.
func become[T comparable](old, wish, has *T, none T) *T {
	if wish == nil && old != nil && has != nil {
		wish = &none
	}
	if wish == nil || has != nil && *has == *wish {
		return nil
	}
	return wish
}

// diffPairs compares the pairs of an object with those of the template. set holds the
// pairs to set, and unset the pairs to remove: those whose keys this update removed from
// the template. Pairs that were never in the template stay.
func diffPairs(old, wish, has map[string]string) (set, unset map[string]string) {
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
	set, unset := diffPairs(old, wish, have)
	if len(unset) > 0 { // first, as the number of an object's tags is limited
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

// The tags that say for which resource of which stack an object was made. They are
// added to the template's tags.
const (
	stackTag   = "cadastre:stack-id"
	logicalTag = "cadastre:logical-id"
)

// tagSpecifications returns the tags of a new object: the template's, and those that
// tagFilters select by.
func (r *request) tagSpecifications(of types.ResourceType, pairs map[string]string) []types.TagSpecification {
	all := maps.Clone(pairs)
	if all == nil {
		all = map[string]string{}
	}
	all[stackTag], all[logicalTag] = r.StackID, r.LogicalResourceID
	return []types.TagSpecification{{ResourceType: of, Tags: tags(all)}}
}

// tagFilters returns the filters that select the objects made for the request's
// resource.
func (r *request) tagFilters() []types.Filter {
	return []types.Filter{
		{Name: aws.String("tag:" + stackTag), Values: []string{literal.Replace(r.StackID)}},
		{Name: aws.String("tag:" + logicalTag), Values: []string{literal.Replace(r.LogicalResourceID)}},
	}
}

// listed returns all objects that an operation lists. token points to the page token in
// the operation's input. page returns the objects of a page and the next page's token.
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

// found returns an object that existed a moment ago. It returns an error if the object
// does not exist any more.
func found[O any](o *O, err error) (*O, error) {
	if o == nil && err == nil {
		err = ipam.Errorf(ipam.CodeIncorrectState, "The object was deleted while it was changed.")
	}
	return o, err
}

// unlessNotFound returns err, and nil if err says that the object does not exist.
func unlessNotFound(err error) error {
	if notFound(err) {
		return nil
	}
	return err
}

// some returns a pointer to s, and nil for "": a request leaves out a property that is
// not given.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// text returns a value as a string, as CloudFormation sends it, and "" for nil.
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
