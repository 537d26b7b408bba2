package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// pickSource returns the block to take for t, and the block that contains it.
func (s *Store) pickSource(ctx context.Context, t takeRequest, snap snapshot) (from takeSource, chosen netip.Prefix, err error) {
	if t.want.CIDR.IsValid() {
		from, err = s.sourceFor(ctx, t, snap.items)
		return from, t.want.CIDR, err
	}
	if from.split, err = s.startedSplit(ctx, t); from.split != nil || err != nil {
		return from, t.earlier, err
	}
	if !snap.queried {
		if snap.rows, snap.next, err = s.table.Query(ctx, s.fitQuery(t)); err != nil {
			return takeSource{}, netip.Prefix{}, err
		}
	}
	from.free, chosen, err = s.choose(ctx, t, snap.rows, snap.next)
	return from, chosen, err
}

// sourceFor returns the free block that contains t.want.CIDR among the items at
// holderKeys, or the error if there is none. It answers "taken" only after it read the
// blocking block, and "outside" only if no root contains the CIDR; else the snapshot was
// torn.
func (s *Store) sourceFor(ctx context.Context, t takeRequest, read map[table.Key]table.Item) (takeSource, error) {
	cidr := t.want.CIDR
	if free, ok, err := s.holder(ctx, t.space, cidr, read); ok || err != nil {
		return takeSource{free: free}, err
	}
	by, ok, err := s.blocker(ctx, t.space, cidr)
	if err != nil {
		return takeSource{}, err
	}
	if ok && continuesSplit(t, by, cidr) {
		return takeSource{split: &by}, nil
	}
	if ok && by.Kind == ipam.KindHold && t.allowLive != nil {
		return s.holdFor(ctx, t)
	}
	if ok {
		return takeSource{}, ipam.NotFree(cidr, t.name, by)
	}
	if t.name != string(t.space) { // a scope: its root holds everything
		return takeSource{}, errStale
	}
	cidrs, err := s.PoolCIDRs(ctx, t.name)
	if err != nil {
		return takeSource{}, err
	}
	if len(cidrs) == 0 {
		return takeSource{}, ipam.NoRoom(t.name, t.want, -1, 0, ipam.Occupants{})
	}
	for _, c := range cidrs {
		if c.State.Holds() && ipam.Within(cidr, c.CIDR) {
			return takeSource{}, errStale
		}
	}
	return takeSource{}, ipam.OutsideOf(cidr, t.name)
}

// holdFor shrinks the hold that blocks a wanted CIDR to that CIDR, if t admits the live
// CIDRs in it. For a preview it only checks that.
func (s *Store) holdFor(ctx context.Context, t takeRequest) (takeSource, error) {
	cidrs, err := s.PoolCIDRs(ctx, t.name)
	if err != nil {
		return takeSource{}, err
	}
	if !slices.ContainsFunc(cidrs, func(c *ipam.PoolCIDR) bool { return c.State.Holds() && ipam.Within(t.want.CIDR, c.CIDR) }) {
		return takeSource{}, ipam.OutsideOf(t.want.CIDR, t.name)
	}
	if t.preview {
		for b, err := range s.takenIn(ctx, t.space, t.want.CIDR, t.want.CIDR.Addr()) {
			if err != nil {
				return takeSource{}, err
			}
			if b.Kind != ipam.KindHold {
				return takeSource{}, ipam.NotFree(t.want.CIDR, t.name, b)
			}
		}
		live, err := s.liveInRequest(ctx, t)
		if err != nil {
			return takeSource{}, err
		}
		return takeSource{}, t.allowLive(live)
	}
	hold, err := s.narrowHold(ctx, t)
	if taken, is := errors.AsType[*takenError](err); is {
		return takeSource{}, ipam.NotFree(t.want.CIDR, t.name, taken.by)
	}
	return takeSource{hold: hold}, err
}
