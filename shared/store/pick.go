package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// pick returns the block to take for t and what holds it.
func (s *Store) pick(ctx context.Context, t taking, snap snapshot) (from holding, chosen netip.Prefix, err error) {
	if t.want.CIDR.IsValid() {
		from, err = s.holder(ctx, t, snap.items)
		return from, t.want.CIDR, err
	}
	if from.split, err = s.begun(ctx, t); from.split != nil || err != nil {
		return from, t.before, err
	}
	if !snap.queried {
		if snap.rows, snap.next, err = s.table.Query(ctx, s.fitting(t)); err != nil {
			return holding{}, netip.Prefix{}, err
		}
	}
	from.free, chosen, err = s.choose(ctx, t, snap.rows, snap.next)
	return from, chosen, err
}

// holder returns the free block that holds t.want.CIDR among what was read at
// holderKeys, or why there is none. "Taken" is answered only with the blocking
// block read, "outside" only when no root holds the CIDR; else the snapshot
// was torn.
func (s *Store) holder(ctx context.Context, t taking, read map[table.Key]table.Item) (holding, error) {
	cidr := t.want.CIDR
	for _, h := range ipam.Holders(cidr) {
		k := items.FreeKey(t.space, h)
		if i, ok := read[k]; ok {
			free, err := items.DecodeFree(table.Row{Key: k, Item: i})
			return holding{free: free}, err
		}
	}
	by, ok, err := s.blocker(ctx, t.space, cidr)
	if err != nil {
		return holding{}, err
	}
	if ok && goesOn(t, by, cidr) {
		return holding{split: &by}, nil
	}
	if ok && by.Kind == ipam.KindHold && t.may != nil {
		return s.holdOf(ctx, t)
	}
	if ok {
		return holding{}, ipam.NotFree(cidr, t.name, by)
	}
	if t.name != string(t.space) { // a scope: its root holds everything
		return holding{}, errLost
	}
	cidrs, err := s.poolCIDRs(ctx, t.name)
	if err != nil {
		return holding{}, err
	}
	if len(cidrs) == 0 {
		return holding{}, ipam.NoRoom(t.name, t.want, -1, 0)
	}
	for _, c := range cidrs {
		if c.State.Holds() && ipam.Within(cidr, c.CIDR) {
			return holding{}, errLost
		}
	}
	return holding{}, ipam.OutsideOf(cidr, t.name)
}

// holdOf makes the hold that is in the way of a certain CIDR one of just that
// CIDR, if what lives there admits it. For a preview it only finds out.
func (s *Store) holdOf(ctx context.Context, t taking) (holding, error) {
	cidrs, err := s.poolCIDRs(ctx, t.name)
	if err != nil {
		return holding{}, err
	}
	if !slices.ContainsFunc(cidrs, func(c *ipam.PoolCIDR) bool { return c.State.Holds() && ipam.Within(t.want.CIDR, c.CIDR) }) {
		return holding{}, ipam.OutsideOf(t.want.CIDR, t.name)
	}
	if t.alone {
		for b, err := range s.takenIn(ctx, t.space, t.want.CIDR, t.want.CIDR.Addr()) {
			if err != nil {
				return holding{}, err
			}
			if b.Kind != ipam.KindHold {
				return holding{}, ipam.NotFree(t.want.CIDR, t.name, b)
			}
		}
		live, err := s.liveFor(ctx, t)
		if err != nil {
			return holding{}, err
		}
		return holding{}, t.may(live)
	}
	hold, err := s.overHold(ctx, t)
	if taken, is := errors.AsType[*takenError](err); is {
		return holding{}, ipam.NotFree(t.want.CIDR, t.name, taken.by)
	}
	return holding{hold: hold}, err
}
