package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// ownedWrites returns the writes that create an object and list it under its owner.
func ownedWrites(k table.Key, m *ipam.Meta, i table.Item) []table.Write {
	return []table.Write{
		{Op: table.OpPut, Key: k, Item: i, If: table.Cond{Absent: true}},
		{Op: table.OpPut, Key: items.OwnedKey(m.Owner, k), Item: table.Item{items.AttrID: table.Str(m.ID)}, If: table.Cond{Absent: true}},
	}
}

// deleteOwnedWrites returns the writes that delete an object, if cond holds for it.
func deleteOwnedWrites(k table.Key, m *ipam.Meta, cond table.Cond) []table.Write {
	return []table.Write{
		{Op: table.OpDelete, Key: k, If: cond},
		{Op: table.OpDelete, Key: items.OwnedKey(m.Owner, k)},
	}
}

// zeroCounts returns the attributes that count, all 0.
func zeroCounts(counts ...string) table.Item {
	i := table.Item{}
	for _, c := range counts {
		i[c] = table.Num(0)
	}
	return i
}

// replaceDocument returns the write that replaces an object's document, if its revision
// is still rev. The caller raises the revision in the document first.
func replaceDocument(k table.Key, i table.Item, rev int64) table.Write {
	return table.Write{Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrObject: i[items.AttrObject], items.AttrRev: i[items.AttrRev]}, If: table.Cond{Equal: table.Item{items.AttrRev: table.Num(rev)}}}
}

// raiseRevision returns the write that fails every concurrent decision on an object's
// settings. Its condition is that the object is usable.
func raiseRevision(k table.Key, rev int64) table.Write {
	return table.Write{Op: table.OpUpdate, Key: k, Add: map[string]int64{items.AttrRev: 1}, If: table.Cond{
		Equal: table.Item{items.AttrRev: table.Num(rev)},
		In:    map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)},
	}}
}

// create creates an object and records it as the answer to the token. build reads its
// own snapshot and returns the object's writes; it derives ids from the token that it gets.
// key returns the key of the object that a token creates. object points to where build
// puts the object; for a repeated request, create puts the recorded object there.
func (s *Store) create(ctx context.Context, t Token, object any, key func(Token) table.Key, build func(Token) ([]table.Write, error)) error {
	r := s.newRecord(t)
	return s.commit(ctx, t.Operation, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, slices.Concat(r.keys, []table.Key{key(t)}))
		if err != nil {
			return nil, err
		}
		if done, err := r.replay(read, object); done || err != nil {
			return nil, err
		}
		fresh, err := s.unusedRound(ctx, t, key, read)
		if err != nil {
			return nil, err
		}
		writes, err := build(fresh)
		if err != nil {
			return nil, s.unlessRecorded(ctx, r.key, err)
		}
		return append(writes, r.write(object)), nil
	})
}

// newMeta completes the common part of a new object with the id.
func (s *Store) newMeta(m ipam.Meta, id string) ipam.Meta {
	m.ID, m.Region, m.State, m.Rev, m.Created = id, s.o.Region, ipam.StateCreateComplete, 1, s.o.Now().UTC()
	return m
}

// entity is a kind of object: its key, its two encodings and its common part.
type entity[T any] struct {
	key    func(id string) table.Key
	decode func(table.Item) (*T, error)
	encode func(*T) table.Item
	meta   func(*T) *ipam.Meta
}

var (
	ipamEntity        = entity[ipam.IPAM]{items.IPAMKey, items.DecodeIPAM, items.EncodeIPAM, func(o *ipam.IPAM) *ipam.Meta { return &o.Meta }}
	scopeEntity       = entity[ipam.Scope]{items.ScopeKey, items.DecodeScope, items.EncodeScope, func(o *ipam.Scope) *ipam.Meta { return &o.Meta }}
	poolEntity        = entity[ipam.Pool]{items.PoolKey, items.DecodePool, items.EncodePool, func(o *ipam.Pool) *ipam.Meta { return &o.Meta }}
	discoveryEntity   = entity[ipam.Discovery]{items.DiscoveryKey, items.DecodeDiscovery, items.EncodeDiscovery, func(o *ipam.Discovery) *ipam.Meta { return &o.Meta }}
	associationEntity = entity[ipam.DiscoveryAssociation]{items.AssociationKey, items.DecodeAssociation, items.EncodeAssociation, func(o *ipam.DiscoveryAssociation) *ipam.Meta { return &o.Meta }}
	resolverEntity    = entity[ipam.PrefixListResolver]{items.ResolverKey, items.DecodeResolver, items.EncodeResolver, func(o *ipam.PrefixListResolver) *ipam.Meta { return &o.Meta }}
)

// modification is a request to change an object's document.
type modification[T any] struct {
	id     string
	act    ipam.Act                             // the object's state must admit it
	change func(*T) error                       // decides on the object as it is now; its error is the answer
	with   func(before, after *T) []table.Write // further writes, or nil
}

// modify changes an object's document and returns the object.
func modify[T any](ctx context.Context, s *Store, e entity[T], m modification[T]) (*T, error) {
	var o *T
	var tried string // the document that an earlier try wrote; it holds the revision
	k := e.key(m.id)
	err := s.commit(ctx, "modify "+m.id, nil, func(a attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		item, ok := read[k]
		if a.outcomeUnknown && tried != "" && (!ok || item.Str(items.AttrObject) == tried) {
			return nil, nil // the earlier try changed it, even if it is deleted by now
		}
		if !ok {
			return nil, ipam.NotFound(m.id)
		}
		before, err := e.decode(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		now, err := e.changed(item, m)
		if err != nil {
			return nil, err
		}
		i := e.encode(now)
		o, tried = now, i.Str(items.AttrObject)
		writes := []table.Write{{
			Op:  table.OpUpdate,
			Key: k,
			Set: table.Item{items.AttrObject: i[items.AttrObject], items.AttrState: i[items.AttrState], items.AttrRev: i[items.AttrRev]},
			If:  table.Cond{Equal: table.Item{items.AttrRev: table.Num(e.meta(before).Rev), items.AttrState: table.Str(string(e.meta(before).State))}},
		}}
		if m.with != nil {
			writes = append(writes, m.with(before, now)...)
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// changed returns the object that a modification makes of an item, with its next
// revision and state.
func (e entity[T]) changed(item table.Item, m modification[T]) (*T, error) {
	o, err := e.decode(item)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.id, err)
	}
	rev, state := e.meta(o).Rev, e.meta(o).State
	if err := m.change(o); err != nil {
		return nil, err
	}
	if err := e.meta(o).Require(m.act); err != nil {
		return nil, err
	}
	e.meta(o).Rev = rev + 1
	e.meta(o).State, _ = state.After(m.act)
	return o, nil
}

// scopeRoots returns the writes that create the roots of a scope's two spaces, or
// delete them with OpDelete. A scope's root has the scope's id.
func scopeRoots(scope string, op table.WriteOp) []table.Write {
	var writes []table.Write
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		root := ipam.Free{CIDR: f.All(), Root: ipam.Root{ID: scope}}
		w := table.Write{Op: op, Key: items.FreeKey(ipam.ScopeSpace(scope, f), f.All())}
		if op == table.OpPut {
			w.Item, w.If = items.EncodeFree(root), table.Cond{Absent: true}
		} else {
			w.If = table.Cond{Equal: table.Item{items.AttrRoot: items.RootAttr(root.Root)}}
		}
		writes = append(writes, w)
	}
	return writes
}

// beginDelete returns the writes that put an object into delete-in-progress, with its
// work note of that kind; none if it is in that state.
func (s *Store) beginDelete(k table.Key, m *ipam.Meta, work string) ([]table.Write, error) {
	if err := m.Require(ipam.ActBeginDelete); err != nil {
		return nil, err
	}
	if m.State == ipam.StateDeleteInProgress {
		return nil, nil
	}
	return []table.Write{
		{
			Op: table.OpUpdate, Key: k,
			Set: table.Item{items.AttrState: table.Str(string(ipam.StateDeleteInProgress))},
			Add: map[string]int64{items.AttrRev: 1},
			If:  table.Cond{Equal: table.Item{items.AttrState: table.Str(string(m.State))}},
		},
		{Op: table.OpPut, Key: items.WorkKey(work, m.ID), Item: table.Item{items.AttrSince: table.Num(s.now())}},
	}, nil
}

// contents returns an IPAM's scopes and pools.
func (s *Store) contents(ctx context.Context, o *ipam.IPAM) (scopes []*ipam.Scope, pools []*ipam.Pool, err error) {
	all, err := s.OwnedScopes(ctx, o.Owner)
	if err != nil {
		return nil, nil, err
	}
	for _, scope := range all {
		if scope.IPAM == o.ID {
			scopes = append(scopes, scope)
		}
	}
	owned, err := s.OwnedPools(ctx, o.Owner)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range owned {
		if p.IPAM == o.ID {
			pools = append(pools, p)
		}
	}
	return scopes, pools, nil
}
