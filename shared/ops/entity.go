package ops

import (
	"context"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// entity has the accesses that the operations on a type of lifecycle object share.
type entity[T any] struct {
	id        ipam.IDKind
	meta      func(*T) *ipam.Meta
	byID      func(context.Context, []string) ([]*T, error)
	readAfter func(ctx context.Context, owner, after string, limit int) ([]*T, string, error)
	modify    func(ctx context.Context, id string, act ipam.Act, change func(*T) error) (*T, error)
	check     func(context.Context, *T) error // refuses an object that does not exist for the caller; nil: checkOwner
}

// find returns the objects with the ids. It returns NotFound unless all of them exist
// for the caller.
func (e entity[T]) find(ctx context.Context, parameter string, ids []string) ([]*T, error) {
	for _, id := range ids {
		if _, err := checkID(e.id, parameter, &id); err != nil {
			return nil, err
		}
	}
	objects, err := e.byID(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool, len(objects))
	for _, o := range objects {
		if e.check != nil {
			found[e.meta(o).ID] = e.check(ctx, o) == nil
		} else {
			found[e.meta(o).ID] = checkOwner(ctx, e.meta(o)) == nil
		}
	}
	for _, id := range ids {
		if !found[id] {
			return nil, ipam.NotFound(id)
		}
	}
	return objects, nil
}

// batchSize is the number of objects that one call to the store reads.
const batchSize = 100

// owned lists the caller's objects of the type, by ascending id, behind the id
// after.
func (e entity[T]) owned(ctx context.Context, after string) listing.List[T] {
	return listing.Read(after, func(after string) ([]*T, string, error) {
		return e.readAfter(ctx, registry.CallerFrom(ctx).Account, after, batchSize)
	}, func(o *T) []string { return []string{e.meta(o).ID} })
}

// list lists the caller's objects, or the objects with the ids of the parameter if
// it has any.
func (e entity[T]) list(ctx context.Context, p listing.Page, parameter string, ids []string) (listing.List[T], error) {
	after, err := p.AfterID(e.id)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return e.owned(ctx, after), nil
	}
	if p.Limited() {
		return nil, idsWithMaxResults(parameter)
	}
	objects, err := e.find(ctx, parameter, ids)
	return e.behind(after, objects), err
}

// behind lists the objects, which are sorted by id, behind the id after.
func (e entity[T]) behind(after string, objects []*T) listing.List[T] {
	return func(yield func(listing.Entry[T], error) bool) {
		for _, o := range objects {
			if id := e.meta(o).ID; id > after && !yield(listing.Entry[T]{Object: o, Position: []string{id}}, nil) {
				return
			}
		}
	}
}

func idsWithMaxResults(parameter string) error {
	return invalidCombination("The parameter %s may not be used in combination with MaxResults. Leave MaxResults out: the answer has all objects with these ids.", parameter)
}
