package main

import (
	"context"
	"errors"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// kind is a type of custom resource. P holds the properties of a resource in a template,
// and O is an object as the API shows it.
type kind[P, O any] struct {
	// settle resolves the selectors among the properties. It may be nil.
	settle func(context.Context, *request, *P) error
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
	// made returns the objects that were made for the request's resource. The error
	// errNothingMade means that none can exist. It is nil if the API cannot tell.
	made func(context.Context, *request, *P) ([]*O, error)
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

// establish makes an object. If that fails, it removes all that the attempt left and
// returns none. If the removal fails, too, it returns a physical id whose Delete removes
// the rest.
func (k kind[P, O]) establish(ctx context.Context, r *request, p *P, none physicalID) (physicalID, map[string]any, error) {
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
	if decode(r.ResourceType, r.OldResourceProperties, old) != nil {
		old = new(P)
	}
	if r.current == nothing || r.current.form == formUnfinished {
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
	if k.settle != nil {
		if err := k.settle(work, r, wish); err != nil {
			return r.current, nil, err
		}
	}
	switch {
	case k.replaces(old, wish, o):
		return k.establish(ctx, r, wish, r.current)
	case o == nil:
		return r.current, nil, ipam.Errorf(ipam.CodeIncorrectState, "%s does not exist any more, so it cannot be changed. Replace the resource in the template by one with another logical id.", r.current)
	}
	if k.modify != nil {
		if o, err = k.modify(work, r, o, old, wish); err != nil {
			return r.current, nil, err
		}
	}
	_, attributes := k.show(o)
	return r.current, attributes, nil
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
	case r.current.form == formUnfinished && unread != nil:
		return nil
	case r.current.form == formUnfinished:
		return k.finish(work, r, p)
	case k.made == nil || !r.current.isCloudFormations():
		return k.remove(work, r, r.current, p)
	case unread != nil:
		return nil
	}
	return k.cancel(work, r, p)
}

// finish removes the object of a create whose outcome was unknown.
func (k kind[P, O]) finish(ctx context.Context, r *request, p *P) error {
	if k.settle != nil {
		if err := k.settle(ctx, r, p); err != nil {
			return err
		}
	}
	o, err := k.make(ctx, r, p)
	return k.takeBack(ctx, r, p, o, err)
}

var errNothingMade = errors.New("nothing can have been made")

// maxLooks is how often cancel looks for the object of a cancelled create.
const maxLooks = 10

// cancel removes the object that a cancelled create has made or is about to make: the
// function may still work on the create, or not have begun. While it works, the object
// may refuse to be removed. A create makes one object. If there are several, all but one
// were kept when their resource left the stack, and it is unknown which.
func (k kind[P, O]) cancel(ctx context.Context, r *request, p *P) error {
	for n := 1; ; n++ {
		made, err := k.made(ctx, r, p)
		switch {
		case errors.Is(err, errNothingMade):
			return nil
		case err != nil:
			return err
		case len(made) > 1:
			var ids []string
			for _, o := range made[:min(len(made), maxListed)] {
				id, _ := k.show(o)
				ids = append(ids, id.String())
			}
			return ipam.Errorf(ipam.CodeIncorrectState, "The create was cancelled. Its object is one of %s, which all have the tags of this resource; the others were kept when it left the stack before. Delete those that are not to stay and continue the roll-back without this resource.", strings.Join(ids, ", "))
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
