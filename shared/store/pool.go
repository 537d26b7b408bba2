package store

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// CreatePool creates a pool in o.Scope. build completes it from its IPAM, scope and source,
// or its error is the answer. source is nil at the top level, and if o.SourcePool does not
// exist: build is called first, so that a caller who may not see the scope learns nothing.
func (s *Store) CreatePool(ctx context.Context, t Token, o ipam.Pool, build func(above *ipam.IPAM, scope *ipam.Scope, source *ipam.Pool, o *ipam.Pool) error) (*ipam.Pool, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	asked := o
	key := func(t Token) table.Key { return items.PoolKey(s.deriveID(ipam.IDPool, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		o = asked
		scope, err := readOne(ctx, s.Scopes, o.Scope)
		if err != nil {
			return nil, err
		}
		above, err := readOne(ctx, s.IPAMs, scope.IPAM)
		if err != nil {
			return nil, errStale // a scope does not outlive its IPAM
		}
		var source *ipam.Pool
		if o.SourcePool != "" {
			if source, err = readOne(ctx, s.Pools, o.SourcePool); err != nil && !isNotFound(err) {
				return nil, err
			}
		}
		if err := build(above, scope, source, &o); err != nil {
			return nil, err
		}
		if o.SourcePool != "" && source == nil {
			return nil, ipam.NotFound(o.SourcePool)
		}
		for _, m := range []*ipam.Meta{&above.Meta, &scope.Meta} {
			if err := m.Require(ipam.ActUse); err != nil {
				return nil, err
			}
		}
		if scope.PoolCount >= s.o.Quotas.PoolsPerScope {
			return nil, ipam.LimitExceeded("pools in scope "+scope.ID, scope.PoolCount, s.o.Quotas.PoolsPerScope)
		}
		o.IPAM, o.ScopeType, o.Owner, o.Depth = above.ID, scope.Type, scope.Owner, 1
		usable := map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)}
		writes := []table.Write{
			{Op: table.OpUpdate, Key: items.ScopeKey(scope.ID), Add: map[string]int64{items.AttrPoolCount: 1}, If: table.Cond{In: usable, Below: map[string]int64{items.AttrPoolCount: s.o.Quotas.PoolsPerScope}}},
			// An operating Region is removed, or a delete begins, only while no pool is
			// being created.
			raiseRevision(items.IPAMKey(above.ID), above.Rev),
		}
		if source != nil {
			if err := source.Require(ipam.ActUse); err != nil {
				return nil, err
			}
			if o.Depth = source.Depth + 1; int64(o.Depth) > s.o.Quotas.PoolDepth {
				return nil, ipam.LimitExceeded("the depth of pools", int64(source.Depth), s.o.Quotas.PoolDepth)
			}
			writes = append(writes, table.Write{Op: table.OpUpdate, Key: items.PoolKey(source.ID), Add: map[string]int64{items.AttrChildCount: 1}, If: table.Cond{In: usable}})
		}
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDPool, t))
		return append(writes, ownedWrites(items.PoolKey(o.ID), &o.Meta, items.EncodePool(&o))...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyPool applies change to a pool, as [Store.ModifyIPAM] does to an IPAM. When a pool
// begins to import, [Store.RunWork] imports the live resources in it.
func (s *Store) ModifyPool(ctx context.Context, id string, act ipam.Act, change func(*ipam.Pool) error) (*ipam.Pool, error) {
	return modify(ctx, s, poolEntity, modification[ipam.Pool]{id: id, act: act, change: change, with: func(before, after *ipam.Pool) []table.Write {
		if before.AutoImport || !after.AutoImport {
			return nil
		}
		return []table.Write{s.importNote(id)}
	}})
}

// DeletePool deletes a pool. It refuses one with CIDRs or child pools, except with cascade:
// then the pool goes to delete-in-progress, and [Store.RunWork] releases its contents, from
// the bottom up. A pool with pending space stays until discovery has looked.
func (s *Store) DeletePool(ctx context.Context, id string, cascade bool, may func(*ipam.Pool) error) (*ipam.Pool, error) {
	var o *ipam.Pool
	state := ipam.StateDeleteComplete
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.Pools, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.CIDRCount == 0 && o.ChildCount == 0 {
			if err := o.Require(ipam.ActDelete); err != nil {
				return nil, err
			}
			state = ipam.StateDeleteComplete
			return s.endPool(o), nil
		}
		if cascade {
			state = ipam.StateDeleteInProgress
			return s.beginDelete(items.PoolKey(id), &o.Meta, items.DeletePoolWork)
		}
		if o.CIDRCount > 0 {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are one or more pool cidrs provisioned in the pool. Deprovision its %d CIDRs first, or delete with Cascade.", id, o.CIDRCount)
		}
		return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. It is the source of %d pools; delete them first, or delete with Cascade.", id, o.ChildCount)
	})
	if err != nil {
		return nil, err
	}
	o.State = state
	return o, nil
}

// endPool returns the writes that delete a pool without CIDRs and children, with its
// shares, its usage and its work note.
func (s *Store) endPool(o *ipam.Pool) []table.Write {
	now := zeroCounts(items.AttrCIDRCount, items.AttrChildCount)
	now[items.AttrRev] = table.Num(o.Rev) // else a share made meanwhile would outlive it
	writes := append(deleteOwnedWrites(items.PoolKey(o.ID), &o.Meta, table.Cond{Equal: now}),
		table.Write{Op: table.OpUpdate, Key: items.ScopeKey(o.Scope), Add: map[string]int64{items.AttrPoolCount: -1}, If: table.Cond{Present: true}},
		table.Write{Op: table.OpDelete, Key: items.WorkKey(items.DeletePoolWork, o.ID)},
		table.Write{Op: table.OpDelete, Key: items.UsageKey(o.ID)},
		table.Write{Op: table.OpDelete, Key: items.ForecastKey(o.ID)},
	)
	writes = append(writes, endShares(o)...)
	if o.SourcePool != "" {
		writes = append(writes, table.Write{Op: table.OpUpdate, Key: items.PoolKey(o.SourcePool), Add: map[string]int64{items.AttrChildCount: -1}, If: table.Cond{Present: true}})
	}
	return writes
}
