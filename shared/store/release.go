package store

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// deletedLife is how long an item says that a resource is deleted, in seconds. It is
// longer than any invocation of discovery, so no invocation that read EC2 before the
// deletion writes after that time.
const deletedLife = 60 * 60

// pendingEnd is why a block that may be pending is given back.
type pendingEnd struct {
	resource string // that the block is pending for; "" for any or none
	deleted  bool   // EC2 has deleted that resource
	waited   bool   // the deletion of the block's pool may wait for this
	any      bool   // also if the block is not pending
}

// admits reports whether a block, as it is now, is pending and may be given back.
func (e pendingEnd) admits(now ipam.Taken) bool {
	return now.PendingUntil != 0 && (e.resource == "" || now.ResourceID == e.resource)
}

// endPending returns the writes that go with the end of a pending block. If EC2 has
// deleted the resource, an item says so for deletedLife: [Store.Observe] then leaves out
// earlier observations of the resource.
func (s *Store) endPending(t ipam.Taken, end pendingEnd) []table.Write {
	writes := []table.Write{
		{Op: table.OpDelete, Key: items.PendingKey(t.Owner, t.CIDR, t.AllocationID)},
		{Op: table.OpDelete, Key: items.WorkKey(items.PendingWork, t.AllocationID)},
	}
	if end.deleted {
		writes = append(writes, table.Write{Op: table.OpPut, Key: items.DeletedKey(t.Owner, t.ResourceID), Item: table.Item{table.AttrExpires: table.Num(s.now() + deletedLife)}})
	}
	return writes
}

// released is the work that the transaction of a release leaves.
type released struct {
	scope string      // of the pool
	held  bool        // the block became a hold, which is to be shrunk
	split *ipam.Taken // is to be merged; nil if nothing is
}

// releaseWrites returns the writes that release a pool's block, read into b, and the work
// that they leave. end is why a pending block ends.
func (s *Store) releaseWrites(ctx context.Context, pool *ipam.Pool, b *buddies, t ipam.Taken, end pendingEnd) ([]table.Write, released, error) {
	writes, split, held, err := s.freeWrites(ctx, pool, b, t)
	if err != nil {
		return nil, released{}, err
	}
	writes = append(writes, s.tombstone(t.AllocationID))
	if t.PendingUntil != 0 {
		writes = append(writes, s.endPending(t, end)...)
		if end.waited && pool.State == ipam.StateDeleteInProgress {
			writes = append(writes, s.workNote(items.WorkKey(items.ResumeWork, pool.ID)))
		}
	}
	return append(writes, listForeign(table.OpDelete, pool, t)...), released{pool.Scope, held, split}, nil
}

// decideReleaseIf reports whether to give back the block that is at the place of t now. t
// is the block as it was found before.
func decideReleaseIf(now ipam.Taken, ok bool, t ipam.Taken, end pendingEnd) bool {
	return ok && now.AllocationID == t.AllocationID && now.Kind == t.Kind && (end.any || end.admits(now))
}

// releaseBlock gives a block of any kind back. A block that is gone already is no error.
func (s *Store) releaseBlock(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	_, err := s.releaseIf(ctx, pool, t, pendingEnd{any: true})
	return err
}

// releaseIf gives a block back if end admits the block as it is by then, and reports
// whether it did. A VPC's block with a planning pool goes to that pool once the VPC is
// gone.
func (s *Store) releaseIf(ctx context.Context, pool *ipam.Pool, t ipam.Taken, end pendingEnd) (given bool, err error) {
	space := pool.Space()
	var after released
	err = s.commit(ctx, "release "+t.AllocationID, nil, func(a attempt) ([]table.Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(t.CIDR)}
		k, poolKey := items.TakenKey(space, t.CIDR), items.PoolKey(pool.ID)
		var err error
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), k, poolKey)); err != nil {
			return nil, err
		}
		now, ok, err := items.TakenAt(k, b.read)
		if err != nil {
			return nil, err
		}
		if !decideReleaseIf(now, ok, t, end) {
			given = given && a.outcomeUnknown // by an earlier try, which set after
			return nil, nil
		}
		given, after = true, released{}
		if now.PlanningPool != "" {
			return s.writesToPlanningPool(ctx, pool, now)
		}
		in := *pool
		if item, ok := b.read[poolKey]; ok {
			in.State = ipam.State(item.Str(items.AttrState)) // a deletion may have begun
		}
		var writes []table.Write
		writes, after, err = s.releaseWrites(ctx, &in, b, now, end)
		return writes, err
	})
	if err != nil {
		return false, err
	}
	if after.held {
		around, err := s.sourceAt(ctx, pool, t.CIDR)
		if err == nil {
			_, err = s.shrinkHold(ctx, pool.Scope, space, around, t.CIDR)
		}
		return given, err
	}
	if after.split != nil {
		err = s.mergeSplit(ctx, space, *after.split)
	}
	return given, err
}

// writesToPlanningPool returns the writes that hand the block of a VPC that is gone to its
// planning pool; pool has the block. It returns none while the VPC exists. It reads the
// VPC's row after the block: a discovery that records the VPC later marks the block, or
// finds it handed on.
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
