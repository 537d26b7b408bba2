package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// settings holds settings of an object by name, as text. It has no entry for a setting
// that the object does not have.
type settings map[string]string

// set adds a setting unless the value is "": a request leaves out a property that is not
// given.
func (s settings) set(name, value string) {
	if value != "" {
		s[name] = value
	}
}

// edit is the change of settings of an object: from has their values before it, and to
// those after it. A setting that only one of them has is added or removed.
type edit struct{ from, to settings }

// newEdit returns the edit that gives an object the template's settings. The object gets
// those in wish. It loses those in old that are not in wish: this update removed them from
// the template. These get the values in none, their defaults, if they have any there.
// Settings that were never in the template stay.
func newEdit(old, wish, has, none settings) edit {
	e := edit{settings{}, settings{}}
	for name, v := range wish {
		had, ok := has[name]
		if ok && had != v {
			e.from[name] = had
		}
		if !ok || had != v {
			e.to[name] = v
		}
	}
	for name := range old {
		_, stays := wish[name]
		had, ok := has[name]
		v, defaulted := none[name]
		if stays || !ok || defaulted && had == v {
			continue
		}
		e.from[name] = had
		if defaulted {
			e.to[name] = v
		}
	}
	return e
}

// back returns the edit that reverts an edit.
func (e edit) back() edit { return edit{e.to, e.from} }

// names returns the names of the settings that change, sorted.
func (e edit) names() []string {
	all := maps.Clone(e.from)
	maps.Copy(all, e.to)
	return slices.Sorted(maps.Keys(all))
}

// removes reports whether an edit removes a setting.
func (e edit) removes(name string) bool {
	_, had := e.from[name]
	_, has := e.to[name]
	return had && !has
}

// part returns the part of an edit that changes the settings for which keep returns true.
func (e edit) part(keep func(name string) bool) edit {
	p := edit{settings{}, settings{}}
	for _, name := range e.names() {
		if keep(name) {
			if v, ok := e.from[name]; ok {
				p.from[name] = v
			}
			if v, ok := e.to[name]; ok {
				p.to[name] = v
			}
		}
	}
	return p
}

// under returns the names, without the prefix, of the settings with a prefix that an edit
// sets or removes.
func (e edit) under(prefix string) (set, removed []string) {
	for _, name := range e.names() {
		switch rest, ok := strings.CutPrefix(name, prefix); {
		case !ok:
		case e.removes(name):
			removed = append(removed, rest)
		default:
			set = append(set, rest)
		}
	}
	return set, removed
}

// text returns the new value of a setting, nil if the setting stays or is removed.
func (e edit) text(name string) *string {
	if v, ok := e.to[name]; ok {
		return &v
	}
	return nil
}

// boolean is text for a setting that is true or false.
func (e edit) boolean(name string) *bool {
	if v := e.text(name); v != nil {
		return aws.Bool(*v == "true")
	}
	return nil
}

// integer is text for a setting that is a number.
func (e edit) integer(name string) *int32 {
	if v := e.text(name); v != nil {
		n, _ := strconv.ParseInt(*v, 10, 32) // text of an int32
		return aws.Int32(int32(n))
	}
	return nil
}

// done reports whether an object with these settings has had the edit. It returns an
// error if the object has neither the values before the edit nor those after it: another
// request has changed it since, and a repeated call would undo that.
func (e edit) done(now settings) (bool, error) {
	is := func(want settings) bool {
		return !slices.ContainsFunc(e.names(), func(name string) bool {
			v, ok := now[name]
			w, wanted := want[name]
			return ok != wanted || v != w
		})
	}
	if is(e.to) {
		return true, nil
	}
	if !is(e.from) {
		return false, ipam.Errorf(ipam.CodeIncorrectState, "Another request has changed the object meanwhile. Try the stack operation again.")
	}
	return false, nil
}

// as returns the reader with which [change] finds out whether an edit was made. read
// returns the object's settings.
func (e edit) as(read func() (settings, error)) func() (bool, error) {
	return func() (bool, error) {
		now, err := read()
		if err != nil {
			return false, err
		}
		return e.done(now)
	}
}

// reader returns a function that reads an object and returns those of its settings that of
// returns.
func reader[O any](read func() (*O, error), of func(*O) settings) func() (settings, error) {
	return func() (settings, error) {
		o, err := read()
		if err != nil {
			return nil, err
		}
		return of(o), nil
	}
}

// step returns the step that makes an edit with apply, which is not called for an edit
// that changes nothing.
func (e edit) step(apply func(edit) error) step {
	act := func(e edit) func() error {
		return func() error {
			if len(e.names()) == 0 {
				return nil
			}
			return apply(e)
		}
	}
	return step{act(e), act(e.back())}
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
// number of an object's tags is limited. read returns the object's tags.
func tagSteps(ctx context.Context, r *request, id string, old, wish settings, has []types.Tag, read func() (settings, error)) []step {
	remove := func(e edit) error {
		in := &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags(e.from)}
		_, err := change[ec2.DeleteTagsOutput](ctx, r, "DeleteTags", in, e.as(read))
		return err
	}
	create := func(e edit) error {
		in := &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags(e.to)}
		_, err := change[ec2.CreateTagsOutput](ctx, r, "CreateTags", in, e.as(read))
		return err
	}
	apply := func(e edit) error {
		removed, set := e.part(e.removes), e.part(func(name string) bool { return !e.removes(name) })
		if len(removed.from) > 0 {
			if err := remove(removed); err != nil {
				return err
			}
		}
		if len(set.to) > 0 {
			return create(set)
		}
		return nil
	}
	e := newEdit(old, wish, pairs(has), nil)
	return []step{e.part(e.removes).step(apply), e.part(func(name string) bool { return !e.removes(name) }).step(apply)}
}

// pairs returns tags by key.
func pairs(list []types.Tag) settings {
	s := make(settings, len(list))
	for _, t := range list {
		s[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return s
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

// gone returns the reader with which [change] finds out whether the object with a physical
// id was deleted.
func gone[O any](ctx context.Context, r *request, id physicalID, find func(context.Context, *request, physicalID) (*O, error)) func() (bool, error) {
	return func() (bool, error) {
		o, err := find(ctx, r, id)
		return err == nil && o == nil, err
	}
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
