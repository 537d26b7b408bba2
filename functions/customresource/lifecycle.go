package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// kind is a type of custom resource. P holds the properties of a resource in a template,
// and O is an object as the API shows it.
type kind[P, O any] struct {
	// resolve resolves the selectors among the properties. It may be nil.
	resolve func(context.Context, *request, *P) error
	// inherit resolves the selectors that an update leaves as they are: they keep their
	// meaning. It may be nil.
	inherit func(old, wish *P, o *O)
	// make makes an object. With an error it returns the object if it exists.
	make func(context.Context, *request, *P) (*O, error)
	// find returns the object with a physical id, or nil if there is none.
	find func(context.Context, *request, physicalID) (*O, error)
	// fixed returns the properties whose change replaces an object, and has returns an
	// object's values of them.
	fixed func(*P) facts
	has   func(*O) map[string]string
	// modify changes the other properties of an object and returns the object. It may
	// be nil.
	modify func(ctx context.Context, r *request, o *O, old, wish *P) (*O, error)
	// pool returns the pool that the properties name, after resolve. It is nil if objects
	// are in no pool.
	pool func(*P) string
	// made lists the objects that were made for the request's resource; with a pool, those
	// in that pool. If replaced is not nil, it lists only those that replaced that object,
	// which is zero for creates.
	made func(ctx context.Context, r *request, pool string, replaced *physicalID) ([]*O, error)
	// provenance returns the account that owns an object and the object's tags. It is nil
	// if objects have no tags; made then lists the own account's objects only.
	provenance func(*O) (account string, tags []types.Tag)
	// remove removes the object with a physical id. If there is none, it returns nil.
	remove func(ctx context.Context, r *request, id physicalID, p *P) error
	// show returns an object's physical id and attributes.
	show func(*O) (physicalID, map[string]any)
}

// fact is a property: its text in the template, and the value that it means. Both are ""
// if the property is not given. The value of a selector is "" before it is settled.
type fact struct{ text, value string }

// facts holds properties by name.
type facts map[string]fact

// set adds a property whose text is its value.
func (f facts) set(name, value string) { f[name] = fact{value, value} }

func (k kind[P, O]) create(ctx context.Context, r *request) (physicalID, map[string]any, error) {
	p := new(P)
	if err := decode(r.ResourceType, r.ResourceProperties, p); err != nil {
		return nothing, nil, err
	}
	return k.establish(ctx, r, p, nothing)
}

// establish makes an object. If that fails, it removes everything that the attempt left
// and returns none. If the removal fails, too, it returns a physical id whose Delete
// removes the rest.
func (k kind[P, O]) establish(ctx context.Context, r *request, p *P, none physicalID) (physicalID, map[string]any, error) {
	work, cancel := r.before(ctx, 2)
	defer cancel()
	if k.resolve != nil {
		if err := k.resolve(work, r, p); err != nil {
			return none, nil, err
		}
	}
	o, err := k.make(work, r, p)
	if err == nil {
		id, attributes := k.show(o)
		return id, attributes, nil
	}
	last, cancel := r.before(ctx, 1)
	defer cancel()
	if k.takeBack(last, r, p, o, err) == nil {
		return none, nil, err
	}
	if o == nil {
		return r.unfinished(), nil, err
	}
	id, _ := k.show(o)
	return id, nil, err
}

// takeBack removes the object that a failed attempt may have made. err is the attempt's
// error. takeBack returns an error if the object may still exist.
func (k kind[P, O]) takeBack(ctx context.Context, r *request, p *P, o *O, err error) error {
	if o == nil && maybeDone(err) {
		// The same request with the same tokens returns the object of the first
		// attempt, or an error that proves that there is none.
		if o, err = k.make(ctx, r, p); o == nil && maybeDone(err) {
			return err
		}
	}
	if o == nil {
		return nil
	}
	id, _ := k.show(o)
	return k.remove(ctx, r, id, p)
}

func (k kind[P, O]) update(ctx context.Context, r *request) (physicalID, map[string]any, error) {
	old, wish := new(P), new(P)
	if err := decode(r.ResourceType, r.ResourceProperties, wish); err != nil {
		return r.current, nil, err
	}
	// In a roll-back these are the properties that were refused. They may be
	// unreadable.
	unread := decode(r.ResourceType, r.OldResourceProperties, old)
	if unread != nil {
		old = new(P)
	}
	if r.current == nothing {
		return k.establish(ctx, r, wish, r.current)
	}
	work, cancel := r.before(ctx, 2)
	defer cancel()
	o, err := k.find(work, r, r.current)
	if err != nil {
		return r.current, nil, err
	}
	if o != nil && k.inherit != nil {
		k.inherit(old, wish, o)
	}
	if k.resolve != nil {
		if err := k.resolve(work, r, wish); err != nil {
			return r.current, nil, err
		}
	}
	if r.current.form == formUnfinished || k.replaces(old, wish, o) {
		before, err := k.predecessor(work, r, wish, o)
		switch {
		case err != nil:
			return r.current, nil, err
		case before != nil:
			return k.keep(work, r, before, old, wish)
		}
		if err := k.finishEarlier(work, r, old, unread != nil); err != nil {
			return r.current, nil, err
		}
		return k.establish(ctx, r, wish, r.current)
	}
	if o == nil {
		return r.current, nil, ipam.Errorf(ipam.CodeIncorrectState, "%s does not exist any more, so it cannot be changed. Replace the resource in the template by one with another logical id.", r.current)
	}
	if unread == nil && k.replaces(wish, old, o) {
		if err := k.removeReplacements(work, r, o, wish, old); err != nil {
			return r.current, nil, err
		}
	}
	return k.keep(work, r, o, old, wish)
}

// keep modifies an object and returns its physical id. If that fails, it returns the
// request's physical id.
func (k kind[P, O]) keep(ctx context.Context, r *request, o *O, old, wish *P) (physicalID, map[string]any, error) {
	id, _ := k.show(o)
	if k.modify != nil {
		var err error
		if o, err = k.modify(ctx, r, o, old, wish); err != nil {
			return r.current, nil, err
		}
	}
	_, attributes := k.show(o)
	return id, attributes, nil
}

// predecessor returns the object that the object o of the request's physical id replaced,
// if it still exists and has the wished properties; otherwise it returns nil. o is nil if
// it does not exist.
//
// When another resource of the stack fails after a replacement, CloudFormation sends the
// old properties as an update of the new object. The old object still exists then, as
// CloudFormation deletes replaced objects last. Another new object instead of it would be
// a third one, and would often conflict with the old one. If the answer names the old
// object, CloudFormation deletes the new one. (AWS CDK, docs/CLOUDFORMATION.md, "Custom
// Resources" and "Rollbacks".)
func (k kind[P, O]) predecessor(ctx context.Context, r *request, wish *P, o *O) (*O, error) {
	switch {
	case r.current.form == formUnfinished:
		return k.findOwn(ctx, r, r.replaced, wish)
	case o != nil && k.provenance != nil:
		_, tags := k.provenance(o)
		return k.findOwn(ctx, r, parsePhysicalID(tagValue(tags, ipam.ReplacesTag)), wish)
	}
	all, err := k.madeFor(ctx, r, k.poolOf(wish), nil)
	if err != nil {
		return nil, err
	}
	var found []*O
	for _, c := range all {
		id, _ := k.show(c)
		if id == r.current || !k.satisfies(wish, c) {
			continue
		}
		if o != nil {
			after, err := k.madeFor(ctx, r, r.current.pool, &id)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(after, func(a *O) bool { id, _ := k.show(a); return id == r.current }) {
				continue
			}
		}
		found = append(found, c)
	}
	if len(found) != 1 {
		return nil, nil
	}
	return found[0], nil
}

// findOwn returns the object with a physical id if it was made for the request's
// resource and has the wished properties; otherwise it returns nil.
func (k kind[P, O]) findOwn(ctx context.Context, r *request, id physicalID, wish *P) (*O, error) {
	if id == (physicalID{}) {
		return nil, nil
	}
	o, err := k.find(ctx, r, id)
	if err != nil || o == nil || !k.satisfies(wish, o) {
		return nil, err
	}
	if k.provenance == nil {
		all, err := k.madeFor(ctx, r, id.pool, nil)
		if err != nil || !slices.ContainsFunc(all, func(a *O) bool { other, _ := k.show(a); return other == id }) {
			return nil, err
		}
	} else if !k.isOwn(r, o, nil) {
		return nil, nil
	}
	return o, nil
}

// madeFor returns the objects that the own account made for the request's resource; see
// kind.made. Other accounts may see the same pools and may have set the same tags.
func (k kind[P, O]) madeFor(ctx context.Context, r *request, pool string, replaced *physicalID) ([]*O, error) {
	all, err := k.made(ctx, r, pool, replaced)
	return slices.DeleteFunc(all, func(o *O) bool { return !k.isOwn(r, o, replaced) }), err
}

// isOwn reports whether the own account made an object for the request's resource, and,
// if replaced is not nil, in place of that object.
func (k kind[P, O]) isOwn(r *request, o *O, replaced *physicalID) bool {
	if k.provenance == nil {
		return true
	}
	account, tags := k.provenance(o)
	return account == r.h.caller.Account() && tagValue(tags, ipam.StackIDTag) == r.StackID && tagValue(tags, ipam.LogicalIDTag) == r.LogicalResourceID &&
		(replaced == nil || tagValue(tags, ipam.ReplacesTag) == replaced.String())
}

// tagValue returns the value of a tag, "" if there is no such tag.
func tagValue(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// poolOf returns the pool that the properties name, "" for kinds without pools.
func (k kind[P, O]) poolOf(p *P) string {
	if k.pool == nil {
		return ""
	}
	return k.pool(p)
}

// satisfies reports whether an object has the wished values of all properties whose change
// replaces an object. The default of a property that is not given is unknown.
func (k kind[P, O]) satisfies(wish *P, o *O) bool {
	has := k.has(o)
	for name, want := range k.fixed(wish) {
		if want.text != "" && !is(has[name], want.value) {
			return false
		}
	}
	return true
}

// removeReplacements removes the objects that replaced the object o of the request's
// physical id. old holds their properties, and wish those of o.
//
// When an update is cancelled, CloudFormation ignores its answer and sends the old
// properties as an update of the old object, while the function may still work on the
// cancelled update. (AWS CDK, issue 31541.) The function cannot distinguish a failed
// answer from an ignored one.
func (k kind[P, O]) removeReplacements(ctx context.Context, r *request, o *O, wish, old *P) error {
	if k.inherit != nil {
		k.inherit(wish, old, o) // as the cancelled update did
	}
	if k.resolve != nil {
		cancelled := *r
		cancelled.pool, cancelled.scope = "", ""
		if err := k.resolve(ctx, &cancelled, old); err != nil {
			if maybeDone(err) {
				return err
			}
			return nil // the replacement could not resolve either
		}
	}
	return k.removeMade(ctx, r, k.poolOf(old), r.current, old)
}

// replaces reports whether a change of properties replaces the object o, which is nil if
// there is none with the physical id.
//
// A changed property replaces o unless o has its value: after a failed replacement
// CloudFormation sends the properties of o as a change of those that were refused. The
// default of a property that is not given any more is unknown here. If o has another
// value than the old one, it has the default.
func (k kind[P, O]) replaces(old, wish *P, o *O) bool {
	var has map[string]string
	if o != nil {
		has = k.has(o)
	}
	was := k.fixed(old)
	for name, want := range k.fixed(wish) {
		left := was[name]
		switch {
		case want.text == left.text:
		case o == nil:
			return true
		case want.text != "" && !is(has[name], want.value):
			return true
		case want.text == "" && has[name] != "" && (left.value == "" || is(has[name], left.value)):
			return true
		}
	}
	return false
}

// is reports whether an object has the value of a template. Of a CIDR the template may
// give only the length, as "/24".
func is(has, value string) bool {
	return has == value || strings.HasPrefix(value, "/") && strings.HasSuffix(has, value)
}

// block is the name of the fact that holds the CIDR or the netmask length of a template,
// which exclude each other.
const block = "Cidr, NetmaskLength"

// setBlock adds that fact.
func (f facts) setBlock(cidr string, length *int32) {
	value := canonical(cidr)
	if value == "" && length != nil {
		value = "/" + text(length)
	}
	f.set(block, value)
}

func (k kind[P, O]) delete(ctx context.Context, r *request) error {
	p := new(P)
	// A create with unreadable properties has made nothing.
	unread := decode(r.ResourceType, r.ResourceProperties, p)
	work, cancel := r.before(ctx, 1)
	defer cancel()
	switch {
	case r.current.form == formUnfinished:
		if err := k.finish(work, r, p, unread != nil); err != nil {
			return err
		}
		return k.removeReplaced(work, r, p)
	case !r.current.isCloudFormations():
		return k.remove(work, r, r.current, p)
	case unread != nil:
		return nil
	}
	return k.cancel(work, r, p)
}

// finish removes the object of a create whose outcome was unknown. The same request with
// the same tokens returns that object, or an error that proves that there is none. If the
// properties are not those of the create any more, finish looks for the object.
func (k kind[P, O]) finish(ctx context.Context, r *request, p *P, unread bool) error {
	known := !unread
	if known && k.resolve != nil {
		err := k.resolve(ctx, r, p)
		if maybeDone(err) {
			return err
		}
		known = err == nil
	}
	if known {
		o, err := k.make(ctx, r, p)
		if ipam.CodeOf(err) != ipam.CodeIdempotentParameterMismatch {
			return k.takeBack(ctx, r, p, o, err)
		}
	}
	return k.removeMade(ctx, r, r.current.pool, r.replaced, p)
}

// finishEarlier removes the object of an update of unknown outcome, before another update
// replaces the same object: the stack was not rolled back. old holds the properties of the
// request's physical id.
func (k kind[P, O]) finishEarlier(ctx context.Context, r *request, old *P, unread bool) error {
	if r.current.form != formUnfinished || r.current.replaced == "" {
		return nil
	}
	earlier := *r
	earlier.seed, earlier.pool, earlier.scope = r.current.seed, r.current.pool, r.current.scope
	return k.finish(ctx, &earlier, old, unread)
}

// removeReplaced removes the object that the unfinished create of the request's physical id
// was to replace, if the stack has it no more: the stack was not rolled back, and is
// deleted, or a later update has replaced the resource or removed it. CloudFormation knows
// the object by the unfinished id only, so nothing else would remove it. After a roll-back,
// which ends with the same Delete, the object is the resource's again.
func (k kind[P, O]) removeReplaced(ctx context.Context, r *request, p *P) error {
	if r.replaced == (physicalID{}) || r.h.o.Stacks == nil {
		return nil
	}
	o, err := k.findOwn(ctx, r, r.replaced, new(P))
	if o == nil {
		return err
	}
	status, current, err := r.h.o.Stacks.Resource(ctx, r.StackID, r.LogicalResourceID)
	if err != nil {
		return fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable,
			"The stack cannot be read, so it is unknown whether %s is in use. Allow the function's role cloudformation:DescribeStacks and cloudformation:DescribeStackResource, and try again. If it is not in use, delete it yourself and retain this resource.", r.replaced), err)
	}
	if strings.Contains(status, "ROLLBACK") || current == r.replaced.String() {
		return nil
	}
	return k.remove(ctx, r, r.replaced, p)
}

// cancel removes the object that a cancelled create has made or is about to make.
// CloudFormation ignores the create's answer and deletes by an id that it made up, while
// the function may still work on the create, or not have begun.
func (k kind[P, O]) cancel(ctx context.Context, r *request, p *P) error {
	if k.resolve != nil {
		if err := k.resolve(ctx, r, p); err != nil {
			if maybeDone(err) {
				return err
			}
			return nil // the create could not resolve either
		}
	}
	return k.removeMade(ctx, r, k.poolOf(p), physicalID{}, p)
}

// maxLooks is how often removeMade looks for an object.
const maxLooks = 10

// removeMade removes the object that was made for the request's resource in place of
// another one, or by a create if replaced is zero, and that may come yet. While the
// function works on it, the object may refuse to be removed. One request makes one object.
// If there are several, all but one were kept when their resource left the stack, and it
// is unknown which.
func (k kind[P, O]) removeMade(ctx context.Context, r *request, pool string, replaced physicalID, p *P) error {
	for n := 1; ; n++ {
		made, err := k.madeFor(ctx, r, pool, &replaced)
		switch {
		case err != nil:
			return err
		case len(made) > 1:
			var ids []string
			for _, o := range made[:min(len(made), maxListed)] {
				id, _ := k.show(o)
				ids = append(ids, id.String())
			}
			return ipam.Errorf(ipam.CodeIncorrectState, "A request was cancelled. Its object is one of %s, which were all made for this resource; the others were kept when it left the stack before. Delete those that are not to stay and continue the roll-back without this resource.", strings.Join(ids, ", "))
		case len(made) == 1:
			id, _ := k.show(made[0])
			if err = unlessNotFound(k.remove(ctx, r, id, p)); err == nil {
				return nil
			}
		}
		if n == maxLooks || r.h.o.Sleep(ctx, pollWait) != nil {
			return err
		}
	}
}
