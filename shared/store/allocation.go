package store

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Release is a request to give a custom allocation back.
type Release struct {
	Pool       string
	CIDR       netip.Prefix
	Allocation string

	// May says whether the caller may release the allocation, which the account owner
	// took; its error is the answer. It is asked before it is known whether the
	// allocation is of the pool. An allocation of another pool that the pool's owner did
	// not take does not exist for anybody.
	May func(pool *ipam.Pool, owner string) error
}

// releaseSnapshot has the items that decide on a release.
type releaseSnapshot struct {
	pool      *ipam.Pool // nil if it does not exist
	record    items.AllocationByID
	recorded  bool
	block     ipam.Taken
	taken     bool  // block exists
	unlooked  error // errPending if block waits for a run of discovery; see [Store.pendingError]
	mergePath *buddies
}

// readForRelease reads the items that decide on a release, in one batch-get. A pending
// block whose deadline has passed needs the progress of discovery besides.
func (s *Store) readForRelease(ctx context.Context, q Release) (releaseSnapshot, error) {
	space := ipam.SpaceID(q.Pool)
	snap := releaseSnapshot{mergePath: &buddies{s: s, space: space, path: ipam.MergePath(q.CIDR)}}
	poolKey, idKey, takenKey := items.PoolKey(q.Pool), items.AllocationKey(q.Allocation), items.TakenKey(space, q.CIDR)
	read, err := s.table.BatchGet(ctx, append(snap.mergePath.keys(firstBuddies), poolKey, idKey, takenKey))
	if err != nil {
		return snap, err
	}
	snap.mergePath.read = read
	if snap.record, snap.recorded, err = items.DecodeByID(q.Allocation, read[idKey], s.now()); err != nil {
		return snap, err
	}
	if snap.block, snap.taken, err = items.TakenAt(takenKey, read); err != nil {
		return snap, err
	}
	if item, ok := read[poolKey]; ok {
		if snap.pool, err = items.DecodePool(item); err != nil {
			return snap, err
		}
	}
	if snap.pool != nil && snap.taken && snap.block.PendingUntil != 0 && snap.block.PendingUntil <= s.now() {
		if snap.unlooked = s.pendingError(ctx, snap.pool, snap.block); !errors.Is(snap.unlooked, errPending) {
			return snap, snap.unlooked
		}
	}
	return snap, nil
}

// decideRelease reports whether a release gives its block back; if not and without an
// error, the allocation is released already. now is Unix seconds.
func decideRelease(snap releaseSnapshot, q Release, outcomeUnknown bool, now int64) (give bool, err error) {
	released := snap.recorded && snap.record.State == items.AllocationReleased
	if outcomeUnknown && released {
		return false, nil // by an earlier try; the pool may be gone by now
	}
	if snap.pool == nil {
		return false, ipam.NotFound(q.Pool)
	}
	if err := q.May(snap.pool, snap.record.Owner); err != nil {
		return false, err
	}
	here := snap.record.Space == ipam.SpaceID(q.Pool)
	switch {
	case !snap.recorded, !here && snap.record.Owner != snap.pool.Owner:
		return false, ipam.NotFound(q.Allocation)
	case !here:
		return false, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s is not of %s but of %s.", q.Allocation, q.Pool, snap.record.Space)
	case snap.record.CIDR != q.CIDR:
		return false, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s has the CIDR %s, not %s.", q.Allocation, snap.record.CIDR, q.CIDR)
	case snap.record.Kind == ipam.KindPool:
		return false, ipam.Errorf(ipam.CodeInvalidParameterCombination, "The allocation %s of type %s cannot be released. It is the CIDR %s of a pool: deprovision it there with DeprovisionIpamPoolCidr.", q.Allocation, snap.record.Kind, snap.record.CIDR)
	case released:
		return false, nil
	case !snap.taken || snap.block.AllocationID != q.Allocation:
		return false, errStale
	}
	return true, releasable(snap.block, snap.unlooked != nil, now)
}

// releasable returns an error for a block that its taker may not release. unlooked says
// that no run of discovery has read the account and Region of a pending block since its
// deadline.
func releasable(t ipam.Taken, unlooked bool, now int64) error {
	what := "The allocation " + t.AllocationID + " of type " + string(t.Kind)
	switch asked := t.PendingUntil > now; {
	case t.Kind == ipam.KindCustom:
		return nil
	case t.PendingUntil == 0:
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "%s cannot be released; only custom allocations can. Delete the resource that uses %s.", what, t.CIDR)
	case t.MadeAt != 0 && (asked || unlooked):
		return ipam.Errorf(ipam.CodeIncorrectState, "%s cannot be released; only custom allocations can. EC2 has made %s for it in account %s, %s, and discovery has not seen it yet. Delete it in EC2: the allocation goes by itself with EC2's event, or with the next run of discovery there.", what, t.ResourceID, t.Owner, t.ResourceRegion)
	case asked:
		return ipam.Errorf(ipam.CodeIncorrectState, "%s cannot be released yet: EC2 is being asked for the resource, or has not said whether it made it. The allocation goes by itself once discovery has looked and found none.", what)
	case unlooked:
		return ipam.Errorf(ipam.CodeIncorrectState, "%s cannot be released yet: discovery has not looked at account %s in %s since EC2 was asked for the resource. GetIpamDiscoveredAccounts shows why; once it has looked and found none, the allocation goes by itself.", what, t.Owner, t.ResourceRegion)
	}
	return nil // where nobody looks, the taker knows best
}

// Release gives an allocation's block back to the pool. Releasing it once more, with the
// same CIDR, succeeds for 24 hours, so that a lost answer can be asked for again.
func (s *Store) Release(ctx context.Context, q Release) error {
	var after released
	err := s.commit(ctx, "release "+q.Allocation, nil, func(a attempt) ([]table.Write, error) {
		snap, err := s.readForRelease(ctx, q)
		if err != nil {
			return nil, err
		}
		give, err := decideRelease(snap, q, a.outcomeUnknown, s.now())
		if err != nil || !give {
			return nil, err
		}
		var writes []table.Write
		writes, after, err = s.releaseWrites(ctx, snap.pool, snap.mergePath, snap.block, pendingEnd{waited: true})
		return writes, err
	})
	if err != nil {
		return err
	}
	if after.held {
		s.reconcileNoted(ctx, after.scope, q.CIDR)
	}
	if after.split != nil {
		// The allocation is released, also if the merge fails. The note of the split
		// then has the rest of it done.
		_ = s.mergeSplit(ctx, ipam.SpaceID(q.Pool), *after.split)
	}
	return nil
}

// Allocations returns a page of a pool's allocations by ascending address: as many as one
// answer of the table holds, and at most limit. The page begins after the allocation that
// after names, an opaque text that an earlier call returned, "" for the first page. next
// is the after of the next page, "" at the end. A page may be empty.
func (s *Store) Allocations(ctx context.Context, pool, after string, limit int) ([]*ipam.Allocation, string, error) {
	rows, next, err := s.table.Query(ctx, items.TakenRows(ipam.SpaceID(pool)).Page(after, limit))
	if err != nil {
		return nil, "", err
	}
	allocations := make([]*ipam.Allocation, 0, len(rows))
	for _, r := range rows {
		t, err := items.DecodeTaken(r)
		if err != nil {
			return nil, "", err
		}
		if t.Kind.Visible() {
			allocations = append(allocations, &ipam.Allocation{Taken: t, Pool: pool})
		}
	}
	return allocations, next, nil
}

// AllocationAfter returns the after with which [Store.Allocations] goes on behind an
// allocation.
func AllocationAfter(a *ipam.Allocation) string { return items.TakenAfter(a.CIDR) }

// AllocationsByID returns the allocations with the given ids, by ascending pool and
// address. It leaves out ids that do not exist.
func (s *Store) AllocationsByID(ctx context.Context, ids []string) ([]*ipam.Allocation, error) {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = items.AllocationKey(id)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	var places []table.Key
	pools := make(map[table.Key]items.AllocationByID)
	for i, id := range ids {
		b, ok, err := items.DecodeByID(id, read[keys[i]], s.now())
		if err != nil {
			return nil, err
		}
		if ok && b.State == items.AllocationActive {
			k := items.TakenKey(b.Space, b.CIDR)
			places = append(places, k)
			pools[k] = b
		}
	}
	if len(places) == 0 {
		return nil, nil
	}
	if read, err = s.table.BatchGet(ctx, places); err != nil {
		return nil, err
	}
	slices.SortFunc(places, func(a, b table.Key) int {
		if a.PK != b.PK {
			if a.PK < b.PK {
				return -1
			}
			return 1
		}
		if a.SK < b.SK {
			return -1
		}
		return 1
	})
	var found []*ipam.Allocation
	for _, k := range slices.Compact(places) {
		b := pools[k]
		if i, ok := read[k]; ok && i.Str(items.AttrAllocationID) == b.ID {
			t, err := items.DecodeTaken(table.Row{Key: k, Item: i})
			if err != nil {
				return nil, err
			}
			found = append(found, &ipam.Allocation{Taken: t, Pool: string(b.Space)})
		}
	}
	return found, nil
}

// ModifyAllocation changes an allocation's description or tags. change may be called more
// than once; its error is the answer. It must not change the map of tags, but may put
// another in its place.
func (s *Store) ModifyAllocation(ctx context.Context, id string, change func(*ipam.Allocation) error) (*ipam.Allocation, error) {
	var o *ipam.Allocation // as an earlier try wrote it
	err := s.commit(ctx, "modify "+id, nil, func(a attempt) ([]table.Write, error) {
		now, err := readOne(ctx, s.AllocationsByID, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
		}
		if a.outcomeUnknown && o != nil && now.Description == o.Description && maps.Equal(now.Tags, o.Tags) {
			return nil, nil // changed by an earlier try
		}
		tags, description := now.Tags, now.Description
		if err := change(now); err != nil {
			return nil, err
		}
		o = now
		w := table.Write{
			Op:  table.OpUpdate,
			Key: items.TakenKey(ipam.SpaceID(o.Pool), o.CIDR),
			Set: table.Item{items.AttrTags: items.TagMap(o.Tags)},
			If:  table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(id), items.AttrTags: items.TagMap(tags)}},
		}
		if description != "" {
			w.If.Equal[items.AttrDescription] = table.Str(description)
		} else {
			w.If.Missing = []string{items.AttrDescription}
		}
		if o.Description != "" {
			w.Set[items.AttrDescription] = table.Str(o.Description)
		} else {
			w.Remove = []string{items.AttrDescription}
		}
		writes := []table.Write{w}
		if o.Tags[ipam.StableKeyTag] != tags[ipam.StableKeyTag] {
			writes = append(writes, rememberStable(o)...)
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}
