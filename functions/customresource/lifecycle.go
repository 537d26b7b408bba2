package main

import (
	"context"
	"errors"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// kind is a type of custom resource with properties P, whose objects the API
// shows as O.
type kind[P, O any] struct {
	// settle completes properties by what they mean now. It may be nil.
	settle func(context.Context, *request, *P) error
	// inherit is settle for the change of an object: what of the template stays
	// as it was goes on meaning what it meant. It may be nil.
	inherit func(old, wish *P, o *O)
	// make makes an object. With an error it returns what it made of it.
	make func(context.Context, *request, *P) (*O, error)
	// find returns the object with a physical id, nil if there is none.
	find func(context.Context, *request, string) (*O, error)
	// fixed returns the properties whose change asks for another object, and
	// has their values of an object.
	fixed func(*P) facts
	has   func(*O) map[string]string
	// modify gives an object the rest of its properties and returns what it is
	// then. It may be nil.
	modify func(ctx context.Context, r *request, o *O, old, wish *P) (*O, error)
	// made returns what was made for the stack's resource that a request is about;
	// errNowhere says that nothing can have been. It is nil where that cannot be
	// told.
	made func(context.Context, *request, *P) ([]*O, error)
	// remove ends the object with a physical id. It is no error if there is none.
	remove func(ctx context.Context, r *request, id string, p *P) error
	// show returns an object's physical id and attributes.
	show func(*O) (string, map[string]any)
}

// fact is a property as the template has it, and the value that it stands for;
// both are "" if it is not given. The value of a selector is "" until it is
// settled.
type fact struct{ text, value string }

// facts are properties by name.
type facts map[string]fact

// set adds a property that stands for itself.
func (f facts) set(name, value string) { f[name] = fact{value, value} }

func (k kind[P, O]) create(ctx context.Context, r *request) (string, map[string]any, error) {
	p := new(P)
	if err := decode(r.ResourceType, r.ResourceProperties, p); err != nil {
		return nothing, nil, err
	}
	return k.establish(ctx, r, p, nothing)
}

// establish makes an object, or leaves nothing behind; then none is the
// physical id. If that fails too, it is one whose Delete can do so.
func (k kind[P, O]) establish(ctx context.Context, r *request, p *P, none string) (string, map[string]any, error) {
	work, cancel := r.before(ctx, 2)
	defer cancel()
	if k.settle != nil {
		if err := k.settle(work, r, p); err != nil {
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

// takeBack removes what an attempt to make an object has left, as far as it is
// known.
func (k kind[P, O]) takeBack(ctx context.Context, r *request, p *P, o *O, err error) error {
	if o == nil && maybeDone(err) {
		// Made again with the same tokens, it is either what was made before
		// or known not to have been made.
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

func (k kind[P, O]) update(ctx context.Context, r *request) (string, map[string]any, error) {
	standing := r.PhysicalResourceID
	old, wish := new(P), new(P)
	if err := decode(r.ResourceType, r.ResourceProperties, wish); err != nil {
		return standing, nil, err
	}
	// When CloudFormation rolls back, these are the properties that were
	// refused, and maybe no properties at all.
	if decode(r.ResourceType, r.OldResourceProperties, old) != nil {
		old = new(P)
	}
	if standing == nothing || strings.HasPrefix(standing, unfinished) {
		return k.establish(ctx, r, wish, standing)
	}
	work, cancel := r.before(ctx, 2)
	defer cancel()
	o, err := k.find(work, r, standing)
	if err != nil {
		return standing, nil, err
	}
	if o != nil && k.inherit != nil {
		k.inherit(old, wish, o)
	}
	if k.settle != nil {
		if err := k.settle(work, r, wish); err != nil {
			return standing, nil, err
		}
	}
	switch {
	case k.replaces(old, wish, o):
		return k.establish(ctx, r, wish, standing)
	case o == nil:
		return standing, nil, ipam.Errorf(ipam.CodeIncorrectState, "%s does not exist any more, so it cannot be changed. Replace the resource in the template by one with another logical id.", standing)
	}
	if k.modify != nil {
		if o, err = k.modify(work, r, o, old, wish); err != nil {
			return standing, nil, err
		}
	}
	_, attributes := k.show(o)
	return standing, attributes, nil
}

// replaces reports whether a change of properties asks for another object than
// o, which is nil if there is none with the physical id.
//
// A property that is changed asks for another object unless o has what is
// wished for: after a failed replacement CloudFormation sends the old object
// its own properties, as a change of those that were refused. Of a property
// that is not given any more, and so has a default that is not known here, o
// had it by default if it has another value than the one that is left.
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

// is reports whether an object has the value that a template asks for, of a
// CIDR maybe its length alone.
func is(has, value string) bool {
	return has == value || strings.HasPrefix(value, "/") && strings.HasSuffix(has, value)
}

// block is what of an address range a template asks for: the CIDR or its
// length, under the one name that these properties share.
const block = "Cidr, NetmaskLength"

// setBlock adds it.
func (f facts) setBlock(cidr string, length *int32) {
	value := canonical(cidr)
	if value == "" && length != nil {
		value = "/" + text(length)
	}
	f.set(block, value)
}

func (k kind[P, O]) delete(ctx context.Context, r *request) error {
	p := new(P)
	// Properties that cannot be read have made nothing besides the object.
	unread := decode(r.ResourceType, r.ResourceProperties, p)
	work, cancel := r.before(ctx, 1)
	defer cancel()
	begun := strings.HasPrefix(r.PhysicalResourceID, unfinished)
	cancelled := !begun && k.made != nil && isCloudFormations(r.PhysicalResourceID)
	switch {
	case !begun && !cancelled:
		return k.remove(work, r, r.PhysicalResourceID, p)
	case unread != nil:
		return nil
	}
	if cancelled {
		return k.cancel(work, r, p)
	}
	if k.settle != nil {
		if err := k.settle(work, r, p); err != nil {
			return err
		}
	}
	o, err := k.make(work, r, p)
	return k.takeBack(work, r, p, o, err)
}

// isCloudFormations reports whether a physical id is one that CloudFormation has
// made up, STACK-LOGICAL-RANDOM. It does so when it rolls a stack back, or gives
// up, before a create is answered: the create's answer is not heard any more.
// (No page of the User Guide tells it; issue 1814 of the roadmap of CloudFormation's
// coverage does.)
func isCloudFormations(id string) bool {
	return id != nothing && !strings.Contains(id, "|") && ipam.IDKindOf(id) == ""
}

var errNowhere = errors.New("nothing can have been made")

// looks is how often it is looked for what a create makes that was cancelled.
const looks = 10

// cancel removes what a create that was cancelled has made, or is about to: the
// function may be at it, or not have begun. What it is at may refuse to be removed
// until it is done. A create makes one object; of several, all but one were kept
// when their resource left the stack, and it cannot be told which.
func (k kind[P, O]) cancel(ctx context.Context, r *request, p *P) error {
	for n := 1; ; n++ {
		made, err := k.made(ctx, r, p)
		switch {
		case errors.Is(err, errNowhere):
			return nil
		case err != nil:
			return err
		case len(made) > 1:
			var ids []string
			for _, o := range made[:min(len(made), named)] {
				id, _ := k.show(o)
				ids = append(ids, id)
			}
			return ipam.Errorf(ipam.CodeIncorrectState, "The create was cancelled. What it made is one of %s, which all have the tags of this resource; the others were kept when it left the stack before. Delete what is not to stay and continue the roll-back without this resource.", strings.Join(ids, ", "))
		case len(made) == 1:
			id, _ := k.show(made[0])
			if err = unlessGone(k.remove(ctx, r, id, p)); err == nil {
				return nil
			}
		}
		if n == looks || r.h.o.Sleep(ctx, pollWait) != nil {
			return err
		}
	}
}
