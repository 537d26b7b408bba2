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

// step is a part of a change. undo reverts it; it may be nil.
type step struct{ do, undo func() error }

// inSteps takes the steps of a change in order. If the API refuses one, it reverts the
// steps before, the last one first, so that a refused change has changed nothing. If the
// outcome of a step is unknown, the roll-back that CloudFormation sends reverts them.
func inSteps(steps ...step) error {
	for i, s := range steps {
		err := s.do()
		if err == nil {
			continue
		}
		if !maybeDone(err) {
			for _, done := range slices.Backward(steps[:i]) {
				if done.undo != nil && done.undo() != nil {
					break // the roll-back reverts the rest
				}
			}
		}
		return err
	}
	return nil
}

// tagSteps returns the steps that change the tags of an object. Deletion is first, as the
// number of an object's tags is limited.
func tagSteps(ctx context.Context, r *request, id string, old, wish map[string]string, has []types.Tag) []step {
	have := make(map[string]string, len(has))
	for _, t := range has {
		have[*t.Key] = *t.Value
	}
	set, unset := diffPairs(old, wish, have)
	setBack, unsetBack := reversed(set, unset, have)
	create := func(pairs map[string]string) error {
		if len(pairs) == 0 {
			return nil
		}
		_, err := call[ec2.CreateTagsOutput](ctx, r, "CreateTags", &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags(pairs)})
		return err
	}
	remove := func(pairs map[string]string) error {
		if len(pairs) == 0 {
			return nil
		}
		_, err := call[ec2.DeleteTagsOutput](ctx, r, "DeleteTags", &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags(pairs)})
		return err
	}
	return []step{
		{func() error { return remove(unset) }, func() error { return create(setBack) }},
		{func() error { return create(set) }, func() error { return remove(unsetBack) }},
	}
}

// reversed returns the pairs to set and to remove that revert a change of an object's
// pairs, which were have before.
func reversed(set, unset, have map[string]string) (setBack, unsetBack map[string]string) {
	setBack, unsetBack = maps.Clone(unset), map[string]string{}
	for k, v := range set {
		if had, ok := have[k]; ok {
			setBack[k] = had
		} else {
			unsetBack[k] = v
		}
	}
	return setBack, unsetBack
}

// back returns the value that reverts the change of a setting: nil if changed is nil, and
// otherwise had, or none if the object did not have the setting.
func back[T any](changed, had *T, none T) *T {
	switch {
	case changed == nil:
		return nil
	case had == nil:
		return &none
	}
	return had
}

func tags(pairs map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(pairs[key])})
	}
	return list
}

// tagSpecifications returns the tags of a new object: the template's, and those that
// tagFilters select by.
func (r *request) tagSpecifications(of types.ResourceType, pairs map[string]string) []types.TagSpecification {
	all := maps.Clone(pairs)
	if all == nil {
		all = map[string]string{}
	}
	all[ipam.StackIDTag], all[ipam.LogicalIDTag] = r.StackID, r.LogicalResourceID
	if replaced := r.replaced.String(); replaced != "" {
		all[ipam.ReplacesTag] = replaced
	}
	return []types.TagSpecification{{ResourceType: of, Tags: tags(all)}}
}

// tagFilters returns the filters that select the objects made for the request's
// resource; if replaced is an object, only those that replaced it.
func (r *request) tagFilters(replaced *physicalID) []types.Filter {
	filters := []types.Filter{equals("tag:"+ipam.StackIDTag, r.StackID), equals("tag:"+ipam.LogicalIDTag, r.LogicalResourceID)}
	if replaced != nil && *replaced != (physicalID{}) {
		filters = append(filters, equals("tag:"+ipam.ReplacesTag, replaced.String()))
	}
	return filters
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
