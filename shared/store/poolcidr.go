package store

import (
	"context"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// addCIDR returns the writes that list a CIDR under its pool and count it there.
func (s *Store) addCIDR(c *ipam.PoolCIDR) []table.Write {
	return []table.Write{
		{Op: table.OpPut, Key: items.CIDRKey(c.Pool, c.CIDR), Item: items.EncodePoolCIDR(c), If: table.Cond{Absent: true, ExpiredBefore: maxExpiry}},
		{
			Op:  table.OpUpdate,
			Key: items.PoolKey(c.Pool),
			Add: map[string]int64{items.AttrCIDRCount: 1},
			If: table.Cond{
				In:    map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)},
				Below: map[string]int64{items.AttrCIDRCount: s.o.Quotas.CIDRsPerPool},
			},
		},
	}
}

// notProvisioned refuses a CIDR that the pool has already. read holds the pool's item
// of the CIDR, if there is one.
func notProvisioned(pool string, p netip.Prefix, read map[table.Key]table.Item) error {
	k := items.CIDRKey(pool, p)
	if read[k] == nil {
		return nil
	}
	have, err := items.DecodePoolCIDR(pool, table.Row{Key: k, Item: read[k]})
	if err != nil {
		return err
	}
	if have.State != ipam.CIDRDeprovisioned {
		return ipam.Errorf(ipam.CodeIncorrectState, "The specified action is not valid for %s. The CIDR %s is in an invalid state: it is %s already.", pool, p, have.State)
	}
	return nil
}

// finishProvision shrinks the hold of a pending root to the live CIDRs in it, and then
// sets the state provisioned. It can be repeated.
func (s *Store) finishProvision(ctx context.Context, pool string, around sourceCIDR, scope string, p netip.Prefix) error {
	space, k := ipam.SpaceID(pool), items.CIDRKey(pool, p)
	return s.commit(ctx, "provision "+p.String(), nil, func(attempt) ([]table.Write, error) {
		hold := items.TakenKey(space, p)
		read, err := s.table.BatchGet(ctx, []table.Key{k, hold})
		if err != nil {
			return nil, err
		}
		if read[k] == nil || ipam.CIDRState(read[k].Str(items.AttrState)) != ipam.CIDRPendingProvision {
			return nil, nil
		}
		done := table.Write{
			Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrState: table.Str(string(ipam.CIDRProvisioned))},
			If: table.Cond{Equal: table.Item{items.AttrState: table.Str(string(ipam.CIDRPendingProvision)), items.AttrID: read[k][items.AttrID]}},
		}
		t, ok, err := items.TakenAt(hold, read)
		if err != nil {
			return nil, err
		}
		if !ok || t.Kind != ipam.KindHold { // it was shrunk, and some of it may be allocated by now
			return []table.Write{done}, nil
		}
		live, err := s.liveIn(ctx, scope, around, p)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			free := ipam.Change{Op: ipam.AddFree, Free: ipam.Free{CIDR: p, Root: t.Root}}
			return append(blockWrites(space, []ipam.Change{{Op: ipam.DropTaken, Taken: t}, free}), done), nil
		}
		if _, err := s.shrinkHold(ctx, scope, space, around, p); err != nil {
			return nil, err
		}
		return []table.Write{done}, nil
	})
}

// finishProvisions finishes the pending CIDRs of all pools that overlap p in a scope.
func (s *Store) finishProvisions(ctx context.Context, scope string, p netip.Prefix) error {
	return s.finishIn(ctx, ipam.ScopeSpace(scope, ipam.FamilyOf(p)), scope, p)
}

func (s *Store) finishIn(ctx context.Context, space ipam.SpaceID, scope string, p netip.Prefix) error {
	var children []ipam.Taken
	for t, err := range s.takenIn(ctx, space, p, p.Addr()) {
		if err != nil {
			return err
		}
		if t.ChildPool() != "" {
			children = append(children, t)
		}
	}
	if len(children) == 0 {
		return nil
	}
	keys := make([]table.Key, len(children))
	for i, t := range children {
		keys[i] = items.CIDRKey(t.ChildPool(), t.CIDR)
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for i, t := range children {
		if ipam.CIDRState(read[keys[i]].Str(items.AttrState)) == ipam.CIDRPendingProvision {
			if err := s.finishProvision(ctx, t.ChildPool(), sourceOf(t), scope, t.CIDR); err != nil {
				return err
			}
		}
		in := p
		if ipam.Within(t.CIDR, in) {
			in = t.CIDR
		}
		if err := s.finishIn(ctx, ipam.SpaceID(t.ChildPool()), scope, in); err != nil {
			return err
		}
	}
	return nil
}

// maxExpiry makes a condition hold for any item that expires at all: of a
// pool's CIDRs, only deprovisioned ones do.
const maxExpiry = 1 << 52
