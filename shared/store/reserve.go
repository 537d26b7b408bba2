package store

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// reserveLive keeps p, a CIDR of the live resource r of the scope, from other owners: in
// each pool it turns free space into holds and marks taken blocks as seen. It returns
// errResourceGone if the resource goes meanwhile.
func (s *Store) reserveLive(ctx context.Context, scope string, p netip.Prefix, r *ipam.Resource) error {
	marked := map[string]bool{} // by allocation id
	for {
		var marking []string
		wrote := false
		err := s.commit(ctx, "reserve "+p.String(), nil, func(attempt) ([]table.Write, error) {
			c := reservation{s: s, scope: scope, marked: marked, of: r}
			err := c.space(ctx, ipam.ScopeSpace(scope, ipam.FamilyOf(p)), p, "")
			if err != nil && !errors.Is(err, errStopVisit) {
				return nil, err
			}
			if marking, wrote = c.marking, len(c.writes) > 0; !wrote {
				return nil, nil
			}
			lives, err := s.stillLives(ctx, items.LiveKey(scope, r))
			return append(c.writes, lives), err
		})
		if err != nil || !wrote {
			return err
		}
		for _, id := range marking {
			marked[id] = true
		}
	}
}

// reservation collects the writes of one transaction of [Store.reserveLive].
type reservation struct {
	s       *Store
	scope   string
	of      *ipam.Resource
	marked  map[string]bool
	marking []string
	writes  []table.Write
}

// space adds the writes for one space; owner is the pool's, "" for a scope.
func (c *reservation) space(ctx context.Context, space ipam.SpaceID, p netip.Prefix, owner string) error {
	var taken []netip.Prefix
	for t, err := range c.s.takenIn(ctx, space, p, p.Addr()) {
		if err != nil {
			return err
		}
		taken = append(taken, t.CIDR)
		if back, err := c.s.writesFromPlanningPool(ctx, c.scope, space, owner, t, c.of); err != nil {
			return err
		} else if back != nil {
			if err := c.add(back...); err != nil {
				return err
			}
			continue // the pool plans the resource
		}
		if child := t.ChildPool(); child != "" && !sourceOf(t).matches(c.of) {
			in := p
			if ipam.Within(t.CIDR, in) {
				in = t.CIDR
			}
			of := t.Owner
			if t.PlanningPool != "" {
				of = owner // the VPC's block is the VPC's account's
			}
			if err := c.space(ctx, ipam.SpaceID(child), in, of); err != nil {
				return err
			}
		}
		if t.Kind == ipam.KindPool {
			continue
		}
		if !c.marked[t.AllocationID] {
			c.marking = append(c.marking, t.AllocationID)
			if err := c.add(table.Write{
				Op: table.OpUpdate, Key: items.TakenKey(space, t.CIDR), Set: table.Item{items.AttrSeen: table.Str(c.s.o.NewID())},
				If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrKind: table.Str(string(t.Kind))}},
			}); err != nil {
				return err
			}
		}
	}
	if owner == "" {
		return nil // a scope has no holds
	}
	if len(taken) == 0 {
		free, ok, err := c.s.holder(ctx, space, p, nil)
		if err != nil {
			return err
		}
		if !ok {
			return errStale
		}
		hold := c.newHold(p, free.Root, owner)
		if p.Bits()-free.CIDR.Bits()+2 > c.s.o.Room-len(c.writes) {
			if len(c.writes) > 0 {
				return errStopVisit // alone, then
			}
			c.writes, err = c.s.takeWrites(ctx, space, takeSource{free: free}, hold)
			return cmp.Or(err, errStopVisit)
		}
		changes, _ := ipam.Take(free, hold, c.s.o.Room)
		return c.add(blockWrites(space, changes)...)
	}
	gaps := ipam.Gaps(p, clip(taken, p))
	if len(gaps) == 0 {
		return nil
	}
	free, err := c.s.freeBlocks(ctx, space, gaps)
	if err != nil {
		return err
	}
	for _, f := range free {
		changes := []ipam.Change{{Op: ipam.DropFree, Free: f}, {Op: ipam.AddTaken, Taken: c.newHold(f.CIDR, f.Root, owner)}}
		if err := c.add(blockWrites(space, changes)...); err != nil {
			return err
		}
	}
	return nil
}

// newHold returns a hold without a mark: its readers read the resource's row after it.
func (c *reservation) newHold(p netip.Prefix, root ipam.Root, owner string) ipam.Taken {
	hold := c.s.newHold(p, root, owner)
	c.marking = append(c.marking, hold.AllocationID)
	return hold
}

// add adds writes that belong together. It returns errStopVisit if they must wait for the
// next transaction.
func (c *reservation) add(writes ...table.Write) error {
	if len(c.writes)+len(writes) > c.s.o.Room {
		return errStopVisit
	}
	c.writes = append(c.writes, writes...)
	return nil
}

// clip cuts blocks that overlap p to p.
func clip(blocks []netip.Prefix, p netip.Prefix) []netip.Prefix {
	cut := slices.Clone(blocks)
	for i, b := range cut {
		if ipam.Within(p, b) {
			cut[i] = p
		}
	}
	return cut
}
