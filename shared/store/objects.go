package store

import (
	"context"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// ownedWrites are the writes that make an object and list it under its owner.
func ownedWrites(k table.Key, m *ipam.Meta, i table.Item) []table.Write {
	return []table.Write{
		{Op: table.OpPut, Key: k, Item: i, If: table.Cond{Absent: true}},
		{Op: table.OpPut, Key: items.OwnedKey(m.Owner, k), Item: table.Item{items.AttrID: table.Str(m.ID)}, If: table.Cond{Absent: true}},
	}
}

// deleteOwnedWrites are the writes that end an object, if cond holds for it.
func deleteOwnedWrites(k table.Key, m *ipam.Meta, cond table.Cond) []table.Write {
	return []table.Write{
		{Op: table.OpDelete, Key: k, If: cond},
		{Op: table.OpDelete, Key: items.OwnedKey(m.Owner, k)},
	}
}

func zeroCounts(counts ...string) table.Item {
	i := table.Item{}
	for _, c := range counts {
		i[c] = table.Num(0)
	}
	return i
}

// replaceDocument is the write that replaces an object's document, if its revision is
// the one that was read. The caller has raised the revision in the document.
func replaceDocument(k table.Key, i table.Item, rev int64) table.Write {
	return table.Write{Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrObject: i[items.AttrObject], items.AttrRev: i[items.AttrRev]}, If: table.Cond{Equal: table.Item{items.AttrRev: table.Num(rev)}}}
}

// raiseRevision is the write that makes every concurrent decision on an object's
// settings void, while its state admits act.
func raiseRevision(k table.Key, rev int64, act ipam.Act) table.Write {
	return table.Write{Op: table.OpUpdate, Key: k, Add: map[string]int64{items.AttrRev: 1}, If: table.Cond{
		Equal: table.Item{items.AttrRev: table.Num(rev)},
		In:    map[string][]string{items.AttrState: ipam.Admitting(act)},
	}}
}

// create runs build, which reads what it needs and returns the new object's
// writes, with ids derived from the token that it is given, and records the
// object as the answer to the token. key is that of the object that a token
// makes. object must point to where build puts the object; a replayed token
// fills it instead.
func (s *Store) create(ctx context.Context, t Token, object any, key func(Token) table.Key, build func(Token) ([]table.Write, error)) error {
	r := s.newRecord(t)
	return s.commit(ctx, t.Operation, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{r.key, key(t)})
		if err != nil {
			return nil, err
		}
		if done, err := r.replay(read[r.key], object); done || err != nil {
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

func (s *Store) newMeta(m ipam.Meta, id string) ipam.Meta {
	m.ID, m.Region, m.State, m.Rev, m.Created = id, s.o.Region, ipam.StateCreateComplete, 1, s.o.Now().UTC()
	return m
}

// modify changes an object's document: change decides on what is there now.
// The act must be admitted by the state.
func modify[T any](ctx context.Context, s *Store, k table.Key, id string, act ipam.Act, decode func(table.Item) (*T, error), encode func(*T) table.Item, meta func(*T) *ipam.Meta, change func(*T) error, with ...func(before, after *T) []table.Write) (*T, error) {
	var o *T
	var tried string // the document that an earlier try wrote; it holds the revision
	err := s.commit(ctx, "modify "+id, nil, func(a attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		item, ok := read[k]
		if a.outcomeUnknown && tried != "" && (!ok || item.Str(items.AttrObject) == tried) {
			return nil, nil // changed by that try, if it is not gone by now
		}
		if !ok {
			return nil, ipam.NotFound(id)
		}
		now, err := decode(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		before, err := decode(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		rev, state := meta(now).Rev, meta(now).State
		if err := change(now); err != nil {
			return nil, err
		}
		if err := meta(now).Require(act); err != nil {
			return nil, err
		}
		meta(now).Rev = rev + 1
		meta(now).State, _ = state.After(act)
		i := encode(now)
		o, tried = now, i.Str(items.AttrObject)
		writes := []table.Write{{
			Op:  table.OpUpdate,
			Key: k,
			Set: table.Item{items.AttrObject: i[items.AttrObject], items.AttrState: i[items.AttrState], items.AttrRev: i[items.AttrRev]},
			If:  table.Cond{Equal: table.Item{items.AttrRev: table.Num(rev), items.AttrState: table.Str(string(state))}},
		}}
		for _, w := range with {
			writes = append(writes, w(before, now)...)
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// scopeRoots are the writes that make or, with OpDelete, end the roots of a
// scope's two spaces. A scope's root has the scope's id.
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

// beginDelete are the writes that put an object into delete-in-progress and
// note the work; none if that was done.
func (s *Store) beginDelete(k table.Key, m *ipam.Meta, what string) ([]table.Write, error) {
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
		{Op: table.OpPut, Key: items.WorkKey(what, m.ID), Item: table.Item{items.AttrSince: table.Num(s.now())}},
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
