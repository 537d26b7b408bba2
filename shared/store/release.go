package store

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// writesToPlanningPool returns the writes that make the block of a VPC that is gone that of the
// planning pool over it; pool is the one that the block is in. There are none while
// the VPC lives. Whether it does is read behind the block, as ever: who finds it
// later marks the block, or finds it handed on.
func (s *Store) writesToPlanningPool(ctx context.Context, pool *ipam.Pool, t ipam.Taken) ([]table.Write, error) {
	row := items.LiveKey(pool.Scope, &ipam.Resource{Type: ipam.ResourceVPC, ID: t.ResourceID, Region: t.ResourceRegion, CIDR: t.CIDR})
	read, err := s.table.BatchGet(ctx, []table.Key{row})
	if err != nil || read[row] != nil && read[row].Num(items.AttrIgnored) == 0 {
		return nil, err
	}
	to := ipam.Taken{CIDR: t.CIDR, AllocationID: t.AllocationID, Kind: ipam.KindPool, Owner: pool.Owner, ResourceID: t.PlanningPool, ResourceRegion: pool.Locale}
	writes := append(blockWrites(pool.Space(), replaceTaken(t, to)), table.Write{
		Op: table.OpUpdate, Key: items.AllocationKey(t.AllocationID),
		Set: table.Item{items.AttrKind: table.Str(string(to.Kind)), items.AttrOwner: table.Str(to.Owner)}, Remove: []string{items.AttrDigest},
		If: table.Cond{Equal: table.Item{items.AttrState: table.Str(items.AllocationActive)}},
	})
	return append(writes, listForeign(table.OpDelete, pool, t)...), nil
}

// releaseBlock gives a block back whatever its kind; one that is gone already
// is no error.
func (s *Store) releaseBlock(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	return s.releaseIf(ctx, pool, t, func(ipam.Taken) bool { return true })
}

// releaseIf is releaseBlock if the block, as it is now, is still to be given back.
// One that a planning pool plans goes to that pool, once its VPC is gone.
func (s *Store) releaseIf(ctx context.Context, pool *ipam.Pool, t ipam.Taken, still func(ipam.Taken) bool) error {
	space := pool.Space()
	var rest *ipam.Taken
	held := false
	err := s.commit(ctx, "release "+t.AllocationID, nil, func(attempt) ([]table.Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(t.CIDR)}
		k := items.TakenKey(space, t.CIDR)
		var err error
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), k)); err != nil {
			return nil, err
		}
		now, ok, err := items.TakenAt(k, b.read)
		if err != nil || !ok || now.AllocationID != t.AllocationID || now.Kind != t.Kind || !still(now) {
			return nil, err
		}
		rest, held = nil, false
		if now.PlanningPool != "" {
			return s.writesToPlanningPool(ctx, pool, now)
		}
		writes, left, becameHold, err := s.freeWrites(ctx, pool, b, now)
		if err != nil {
			return nil, err
		}
		rest, held = left, becameHold
		writes = append(writes, s.tombstone(t.AllocationID))
		if now.PendingUntil != 0 {
			writes = append(writes, endPending(now)...)
		}
		return append(writes, listForeign(table.OpDelete, pool, t)...), nil
	})
	if err != nil {
		return err
	}
	if held {
		around, err := s.sourceAt(ctx, pool, t.CIDR)
		if err == nil {
			_, err = s.shrinkHold(ctx, pool.Scope, space, around, t.CIDR)
		}
		return err
	}
	if rest == nil {
		return nil
	}
	return s.mergeSplit(ctx, space, *rest)
}
