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

	// May says whether the caller may release the allocation, which the
	// account owner took; its error is the answer. It is asked before it is
	// known whether the allocation is of the pool: one of another pool that
	// the pool's owner did not take does not exist for anybody.
	May func(pool *ipam.Pool, owner string) error
}

// Release gives an allocation's block back to the pool. Releasing one that was
// released already, with the same CIDR, succeeds for 24 hours, so that a lost
// answer can be asked for again.
func (s *Store) Release(ctx context.Context, q Release) error {
	space := ipam.SpaceID(q.Pool)
	var rest *ipam.Taken
	scope := "" // of a block that became a hold
	err := s.commit(ctx, "release "+q.Allocation, nil, func(a attempt) ([]table.Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(q.CIDR)}
		poolKey, idKey, takenKey := items.PoolKey(q.Pool), items.AllocationKey(q.Allocation), items.TakenKey(space, q.CIDR)
		var err error
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), poolKey, idKey, takenKey)); err != nil {
			return nil, err
		}
		record, ok, err := items.DecodeByID(q.Allocation, b.read[idKey], s.now())
		if err != nil {
			return nil, err
		}
		if a.outcomeUnknown && ok && record.State == items.AllocationReleased {
			return nil, nil // the pool may be gone by now
		}
		item, found := b.read[poolKey]
		if !found {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := items.DecodePool(item)
		if err != nil {
			return nil, err
		}
		if err := q.May(pool, record.Owner); err != nil {
			return nil, err
		}
		switch {
		case !ok:
			return nil, ipam.NotFound(q.Allocation)
		case record.Space != space && record.Owner != pool.Owner:
			return nil, ipam.NotFound(q.Allocation)
		case record.Space != space:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s is not of %s but of %s.", q.Allocation, q.Pool, record.Space)
		case record.CIDR != q.CIDR:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s has the CIDR %s, not %s.", q.Allocation, record.CIDR, q.CIDR)
		case record.Kind == ipam.KindPool:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterCombination, "The allocation %s of type %s cannot be released. It is the CIDR %s of a pool: deprovision it there with DeprovisionIpamPoolCidr.", q.Allocation, record.Kind, record.CIDR)
		case record.State == items.AllocationReleased:
			return nil, nil
		}
		t, err := b.taken(q.Allocation, q.CIDR)
		if err != nil {
			return nil, err
		}
		if err := s.releasable(ctx, pool, t); err != nil {
			return nil, err
		}
		writes, left, held, err := s.freeWrites(ctx, pool, b, t)
		if err != nil {
			return nil, err
		}
		rest, scope = left, ""
		if held {
			scope = pool.Scope
		}
		writes = append(writes, s.tombstone(q.Allocation))
		if t.PendingUntil != 0 {
			writes = append(writes, endPending(t)...)
		}
		return append(writes, listForeign(table.OpDelete, pool, ipam.Taken{CIDR: q.CIDR, Owner: record.Owner})...), nil
	})
	if err != nil {
		return err
	}
	if scope != "" {
		s.reconcileNoted(ctx, scope, q.CIDR)
	}
	if rest == nil {
		return nil
	}
	// The allocation is released, whatever becomes of the merge: what this
	// leaves undone, the reconciler does.
	_ = s.mergeSplit(ctx, space, *rest)
	return nil
}

// releasable refuses the release of a block that is not for its taker to release.
func (s *Store) releasable(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	switch {
	case t.Kind == ipam.KindCustom:
		return nil
	case t.PendingUntil == 0:
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The allocation %s of type %s cannot be released; only custom allocations can. Delete the resource that uses %s.", t.AllocationID, t.Kind, t.CIDR)
	case t.PendingUntil > s.now():
		return ipam.Errorf(ipam.CodeIncorrectState, "The allocation %s of type %s cannot be released yet: EC2 is being asked for the resource. It goes by itself once discovery has looked and found none.", t.AllocationID, t.Kind)
	}
	err := s.pendingError(ctx, pool, t)
	if errors.Is(err, errPending) {
		err = ipam.Errorf(ipam.CodeIncorrectState, "The allocation %s of type %s cannot be released yet: discovery has not looked at account %s in %s since EC2 was asked for the resource. GetIpamDiscoveredAccounts tells why; once it has looked and found none, the allocation goes by itself.", t.AllocationID, t.Kind, t.Owner, t.ResourceRegion)
	}
	return err // nil where nobody looks: then whoever took it knows best
}

// EndPending gives the block of an allocation back whose resource EC2 refused to
// make. A block in which a resource was seen after all stays its allocation.
func (s *Store) EndPending(ctx context.Context, a *ipam.Allocation) error {
	pool, err := readOne(ctx, s.Pools, a.Pool)
	if err != nil {
		if isNotFound(err) {
			return nil // gone, with its allocations
		}
		return err
	}
	return s.releasePending(ctx, pool, a.Taken)
}

func (s *Store) releasePending(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	if err := s.bindPending(ctx, pool.Scope, poolBlock{Taken: t, space: pool.Space()}); err != nil {
		return err
	}
	return s.releaseIf(ctx, pool, t, func(now ipam.Taken) bool { return now.PendingUntil != 0 })
}

// Allocations returns allocations of a pool by ascending address, from behind
// the one that after names (an opaque text of an earlier call; "" for the
// first), as many as one answer of the table holds, at most limit, and the text
// to go on from, "" at the end. A page may be empty.
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

// AllocationAfter returns the text to go on from behind an allocation that
// Allocations returned.
func AllocationAfter(a *ipam.Allocation) string { return items.TakenAfter(a.CIDR) }

// AllocationsByID returns the allocations with the given ids, by ascending
// pool and address, leaving out those that do not exist.
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

// ModifyAllocation changes an allocation's description or tags. change may be
// called more than once; its error is the answer. Tags it must replace, not
// change.
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
