package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// sourceForLost returns the source of the block that a lost thing is put back into. If
// there is none, it returns the outcome: the CIDR is taken, or the space has no CIDR around
// it.
func (s *Store) sourceForLost(ctx context.Context, t takeRequest, read map[table.Key]table.Item) (takeSource, PutBackResult, error) {
	from, _, err := s.pickSource(ctx, t, snapshot{items: read})
	if err == nil || !isAnswer(err) {
		return from, PutBackResult{Outcome: WasPutBack}, err
	}
	by, ok, unread := s.blocker(ctx, t.space, t.want.CIDR)
	switch {
	case unread != nil:
		return from, PutBackResult{}, unread
	case ok && by.Kind == ipam.KindHold:
		return from, PutBackResult{IsTaken, err.Error()}, nil // it names the resource
	case ok:
		return from, PutBackResult{IsTaken, heldBy(by)}, nil
	}
	cidrs, unread := s.PoolCIDRs(ctx, string(t.space)) // a scope has none, and contains every CIDR
	if unread != nil {
		return from, PutBackResult{}, unread
	}
	if t.name != string(t.space) || slices.ContainsFunc(cidrs, func(c *ipam.PoolCIDR) bool { return c.State.Holds() && ipam.Within(t.want.CIDR, c.CIDR) }) {
		return from, PutBackResult{}, errStale // the block went meanwhile
	}
	return from, PutBackResult{HasNoParent, fmt.Sprintf("a CIDR of %s that contains %s", t.name, t.want.CIDR)}, nil
}

// lostAllocation is an allocation as the table before the restore has it.
type lostAllocation struct {
	ipam.Taken
	pool   string
	digest string // of its by-id item
	stable bool   // it is the last one that had its stable key
}

// lostAllocation returns the try of an allocation.
func (s *Store) lostAllocation(ctx context.Context, q PutBack) (putBackTry, error) {
	k := items.AllocationKey(q.ID)
	old, err := q.From.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return nil, err
	}
	record, ok, err := items.DecodeByID(q.ID, old[k], s.now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	if !ok || record.State != items.AllocationActive {
		return noTry(IsGone, ""), nil
	}
	taken := items.TakenKey(record.Space, record.CIDR)
	if old, err = q.From.BatchGet(ctx, []table.Key{taken}); err != nil {
		return nil, err
	}
	t, ok, err := items.TakenAt(taken, old)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok || t.AllocationID != q.ID:
		return noTry(IsGone, ""), nil
	case t.Kind == ipam.KindPool:
		return noTry(IsImpossible, fmt.Sprintf("it is the CIDR of %s, and is put back as that", t.ResourceID)), nil
	}
	lost := lostAllocation{Taken: t, pool: string(record.Space), digest: record.Digest}
	if stable, ok := items.StableKey(t.Owner, lost.pool, t.Tags); ok {
		if old, err = q.From.BatchGet(ctx, []table.Key{stable}); err != nil {
			return nil, err
		}
		lost.stable = old[stable].Str(items.AttrCIDR) == t.CIDR.String()
	}
	return func(ctx context.Context) (PutBackResult, []table.Write, error) { return s.putBackAllocation(ctx, lost) }, nil
}

func (s *Store) putBackAllocation(ctx context.Context, lost lostAllocation) (PutBackResult, []table.Write, error) {
	space := ipam.SpaceID(lost.pool)
	poolKey, recordKey, takenKey := items.PoolKey(lost.pool), items.AllocationKey(lost.AllocationID), items.TakenKey(space, lost.CIDR)
	read, err := s.table.BatchGet(ctx, append(holderKeys(space, lost.CIDR), poolKey, recordKey, takenKey))
	if err != nil {
		return PutBackResult{}, nil, err
	}
	record, recorded, err := items.DecodeByID(lost.AllocationID, read[recordKey], s.now())
	if err != nil {
		return PutBackResult{}, nil, err
	}
	have, _, err := items.TakenAt(takenKey, read)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if recorded {
		return lost.compare(record, have), nil, nil
	}
	if read[poolKey] == nil {
		return notPutBack(HasNoParent, "%s", lost.pool)
	}
	pool, err := items.DecodePool(read[poolKey])
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if err := pool.Require(ipam.ActUse); err != nil {
		return notPutBack(IsImpossible, "%s", err)
	}
	want, lives, err := s.wanted(ctx, pool.Scope, lost.Taken)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	from, result, err := s.sourceForLost(ctx, takeRequest{
		space: space, name: pool.ID, want: ipam.Want{CIDR: lost.CIDR, Length: lost.CIDR.Bits()}, allocationID: lost.AllocationID, cidrs: pool.CIDRCount,
		scope: pool.Scope, owner: pool.Owner, planning: pool, allowLive: onlyResourcesOf(lost.Owner, pool.ID, lost.CIDR),
	}, read)
	if err != nil || result.Outcome != WasPutBack {
		return result, nil, err
	}
	writes, err := s.takeWrites(ctx, space, from, want)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	writes = append(append(writes, s.recordAllocation(space, want, lost.digest)), lives...)
	writes = append(writes, s.beginPending(pool, want)...)
	if lost.stable {
		writes = append(writes, rememberStable(&ipam.Allocation{Taken: want, Pool: pool.ID})...)
	}
	return wasPutBack(append(writes, listForeign(table.OpPut, pool, want)...)...)
}

// compare is the outcome of an allocation whose id the table has.
func (lost lostAllocation) compare(record items.AllocationByID, have ipam.Taken) PutBackResult {
	switch {
	case record.State != items.AllocationActive:
		return PutBackResult{IsDifferent, "it is released"}
	case string(record.Space) != lost.pool || record.CIDR != lost.CIDR:
		return PutBackResult{IsDifferent, fmt.Sprintf("it is %s of %s", record.CIDR, record.Space)}
	case have.Kind == lost.Kind && have.Owner == lost.Owner && have.ResourceID == lost.ResourceID && have.ResourceRegion == lost.ResourceRegion &&
		have.Description == lost.Description && maps.Equal(have.Tags, lost.Tags):
		return PutBackResult{Outcome: WasThere}
	}
	return PutBackResult{Outcome: IsDifferent}
}

// wanted returns the block of a lost allocation as it is put back. If the table knows its
// resource as live, the condition is that it still does. Else the block is pending, until
// discovery sees the resource, or reads all of the account and Region without it.
func (s *Store) wanted(ctx context.Context, scope string, lost ipam.Taken) (ipam.Taken, []table.Write, error) {
	want := ipam.Taken{
		CIDR: lost.CIDR, AllocationID: lost.AllocationID, Kind: lost.Kind, Owner: lost.Owner,
		ResourceID: lost.ResourceID, ResourceRegion: lost.ResourceRegion, Description: lost.Description, Tags: lost.Tags,
	}
	if !lost.Kind.OfResource() {
		return want, nil, nil
	}
	row := items.LiveKey(scope, &ipam.Resource{Type: lost.Kind.ResourceType(), ID: lost.ResourceID, Region: lost.ResourceRegion, CIDR: lost.CIDR})
	lives, err := s.stillLives(ctx, row)
	switch {
	case lost.ResourceID == "" || errors.Is(err, errResourceGone):
		want.PendingUntil = max(s.now(), lost.PendingUntil)
		return want, nil, nil
	case err != nil:
		return want, nil, err
	}
	return want, []table.Write{lives}, nil
}

// lostCIDR returns the try of a pool's CIDR.
func (s *Store) lostCIDR(ctx context.Context, q PutBack) (putBackTry, error) {
	k := items.CIDRKey(q.Pool, q.CIDR)
	old, err := q.From.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return nil, err
	}
	if old[k] == nil {
		return noTry(IsGone, ""), nil
	}
	lost, err := items.DecodePoolCIDR(q.Pool, table.Row{Key: k, Item: old[k]})
	if err != nil {
		return nil, err
	}
	if lost.ID != q.ID || !lost.State.Holds() {
		return noTry(IsGone, ""), nil
	}
	lost.Failure, lost.FailureCode = "", ""
	taken := items.TakenKey(lost.Source, lost.CIDR)
	if old, err = q.From.BatchGet(ctx, []table.Key{taken}); err != nil {
		return nil, err
	}
	block, ok, err := items.TakenAt(taken, old)
	if err != nil {
		return nil, err
	}
	if !ok || block.AllocationID != lost.AllocationID {
		return noTry(IsGone, "its block was released meanwhile"), nil
	}
	return func(ctx context.Context) (PutBackResult, []table.Write, error) {
		return s.putBackCIDR(ctx, *lost, block)
	}, nil
}

// putBackCIDR is one try of a pool's CIDR. block is its block in the pool's source, of kind
// vpc for a planning pool.
func (s *Store) putBackCIDR(ctx context.Context, lost ipam.PoolCIDR, block ipam.Taken) (PutBackResult, []table.Write, error) {
	cidrKey, poolKey := items.CIDRKey(lost.Pool, lost.CIDR), items.PoolKey(lost.Pool)
	read, err := s.table.BatchGet(ctx, []table.Key{cidrKey, poolKey})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if read[cidrKey] != nil {
		have, err := items.DecodePoolCIDR(lost.Pool, table.Row{Key: cidrKey, Item: read[cidrKey]})
		switch {
		case err != nil:
			return PutBackResult{}, nil, err
		case have.State.Holds() && have.ID == lost.ID:
			return PutBackResult{Outcome: WasThere}, nil, nil
		case have.State.Holds():
			return notPutBack(IsTaken, "%s, which was provisioned to the pool as %s", have.CIDR, have.ID)
		}
	}
	if read[poolKey] == nil {
		return notPutBack(HasNoParent, "%s", lost.Pool)
	}
	pool, err := items.DecodePool(read[poolKey])
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if err := pool.Require(ipam.ActUse); err != nil {
		return notPutBack(IsImpossible, "%s", err)
	}
	if block.Kind == ipam.KindVPC {
		return s.putBackPlanned(ctx, pool, lost, block)
	}
	p := &provisioning{Provision: Provision{Pool: pool.ID, CIDR: lost.CIDR}, cidr: &lost, source: pool.SourceSpace()}
	t := p.takeRequest(pool, p.Provision)
	snap, err := s.readForProvision(ctx, pool, t)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	record, err := s.table.BatchGet(ctx, []table.Key{items.AllocationKey(lost.AllocationID)})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if i := record[items.AllocationKey(lost.AllocationID)]; i != nil && !table.Expired(i, s.now()) {
		return notPutBack(IsDifferent, "its allocation %s is %s", lost.AllocationID, i.Str(items.AttrState))
	}
	if t.cidrs, err = checkSource(pool, snap.items); isAnswer(err) {
		return notPutBack(IsImpossible, "%s", err)
	} else if err != nil {
		return PutBackResult{}, nil, err
	}
	from, result, err := s.sourceForLost(ctx, t, snap.items)
	if err != nil || result.Outcome != WasPutBack {
		return result, nil, err
	}
	c := decideProvision(provisionSnapshot{pool: pool, from: from, chosen: lost.CIDR, byLength: lost.Chosen}, lost)
	taken, err := s.takeWrites(ctx, p.source, from, c.taken)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	return wasPutBack(withoutQuota(s.provisionWrites(taken, c, nil))...)
}

// putBackPlanned puts a CIDR of a VPC back into its planning pool. The VPC's block must be
// there.
func (s *Store) putBackPlanned(ctx context.Context, pool *ipam.Pool, lost ipam.PoolCIDR, block ipam.Taken) (PutBackResult, []table.Write, error) {
	k := items.TakenKey(lost.Source, lost.CIDR)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	t, ok, err := items.TakenAt(k, read)
	switch {
	case err != nil:
		return PutBackResult{}, nil, err
	case !ok || t.AllocationID != block.AllocationID:
		return notPutBack(HasNoParent, "%s", block.AllocationID)
	case t.PendingUntil != 0:
		return notPutBack(IsImpossible, "discovery has not seen %s yet; put it back again after that", t.ResourceID)
	case t.Kind != ipam.KindVPC || t.ResourceID != pool.SourceVPC() || t.PlanningPool != "":
		return notPutBack(IsTaken, "%s", heldBy(t))
	}
	lost.State = ipam.CIDRPendingProvision
	return wasPutBack(withoutQuota(s.plannedWrites(pool, &lost, t))...)
}

// withoutQuota removes the quotas from the conditions of writes.
func withoutQuota(writes []table.Write) []table.Write {
	for i := range writes {
		writes[i].If.Below = nil
	}
	return writes
}

// finishPutBack provisions a CIDR that was put back as pending, so that the things in it
// can be put back next. It leaves the rest of the work to the note: an import would take
// the space of lost allocations to resources.
func (s *Store) finishPutBack(ctx context.Context, pool string, p netip.Prefix) error {
	k := items.CIDRKey(pool, p)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k].Str(items.AttrState) != string(ipam.CIDRPendingProvision) {
		return err
	}
	o, err := readOne(ctx, s.Pools, pool)
	if err != nil {
		return err
	}
	source, err := s.sourceAt(ctx, o, p)
	if err != nil {
		return err
	}
	return s.finishProvision(ctx, pool, source, o.Scope, p)
}
