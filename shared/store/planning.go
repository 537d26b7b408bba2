package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// writesFromPlanningPool returns the writes that undo writesToPlanningPool, once the VPC with a row in the scope
// has come back; none if the block t of a pool is not one that was handed on by that.
// space and owner are those that the block is in.
func (s *Store) writesFromPlanningPool(ctx context.Context, scope string, space ipam.SpaceID, owner string, t ipam.Taken, vpc *ipam.Resource) ([]table.Write, error) {
	if t.Kind != ipam.KindPool || t.CIDR != vpc.CIDR || vpc.Type != ipam.ResourceVPC {
		return nil, nil
	}
	plan, err := readOne(ctx, s.Pools, t.ResourceID)
	if err != nil {
		return nil, staleIfNotFound(err)
	}
	if r := plan.SourceResource; r == nil || *r != (ipam.SourceResource{ID: vpc.ID, Owner: vpc.Owner, Region: vpc.Region}) {
		return nil, nil
	}
	to := ipam.Taken{CIDR: t.CIDR, AllocationID: t.AllocationID, Kind: ipam.KindVPC, Owner: vpc.Owner, ResourceID: vpc.ID, ResourceRegion: vpc.Region, PlanningPool: plan.ID}
	writes := append(blockWrites(space, replaceTaken(t, to)),
		table.Write{
			Op: table.OpUpdate, Key: items.AllocationKey(t.AllocationID), Set: table.Item{items.AttrKind: table.Str(string(to.Kind)), items.AttrOwner: table.Str(to.Owner)},
			If: table.Cond{Equal: table.Item{items.AttrState: table.Str(items.AllocationActive)}},
		},
		s.liveNote(scope, t.CIDR)) // the hold for the VPC in the pool is now too large
	return append(writes, listForeign(table.OpPut, &ipam.Pool{Meta: ipam.Meta{ID: string(space), Owner: owner}}, to)...), nil
}

// detachPlanningPool is the write that takes a planning pool off the VPC's block.
func detachPlanningPool(pool *ipam.Pool, c *ipam.PoolCIDR) table.Write {
	return table.Write{Op: table.OpUpdate, Key: items.TakenKey(c.Source, c.CIDR), Remove: []string{items.AttrPlanningPool}, If: table.Cond{
		Equal: table.Item{items.AttrAllocationID: table.Str(c.AllocationID), items.AttrPlanningPool: table.Str(pool.ID)},
	}}
}

// HasCIDRFrom reports whether a VPC has a CIDR of the family from a pool, as far as
// the discoveries of the pool's IPAM have seen.
func (s *Store) HasCIDRFrom(ctx context.Context, pool *ipam.Pool, f ipam.Family, r ipam.SourceResource) (bool, error) {
	discoveries, err := s.AllDiscoveries(ctx)
	if err != nil {
		return false, err
	}
	var keys []table.Key
	for _, d := range discoveries {
		if !slices.Contains(d.IPAMs, pool.IPAM) {
			continue
		}
		found, _, err := queryDecoded(ctx, s, items.FoundRowsOf(d.ID, r.Region, r.Owner, ipam.ResourceVPC, r.ID), items.DecodeFound) // a VPC has few CIDRs
		if err != nil {
			return false, err
		}
		for _, o := range found {
			if o.Family() == f {
				keys = append(keys, items.TakenKey(pool.Space(), o.CIDR))
			}
		}
	}
	read, err := s.table.BatchGet(ctx, keys)
	for _, i := range read {
		if i.Str(items.AttrResourceID) == r.ID && i.Str(items.AttrKind) == string(ipam.KindVPC) && i.Num(items.AttrPendingUntil) == 0 {
			return true, err
		}
	}
	return false, err
}

// A resource planning pool gives the CIDRs of one VPC to the VPC's subnets. The VPC's
// block stays in its pool and names the planning pool in PlanningPool. The planning pool's
// root has the block's CIDR and allocation id, as the root of a child pool has. So the
// code that follows the blocks of child pools follows these too. Only the VPC itself does
// not hold space in its planning pool.
//
// If the VPC goes while the planning pool has the CIDR, the block becomes a block of that
// pool, as for any child pool: deprovisioning gives it back, and any resource there is in
// the way. If the same VPC returns with the same CIDR, the block is the VPC's again. So
// the block says whether the pool plans the VPC. The pool only says for which VPC it may.

// provisionPlanned returns the writes that provision a CIDR of its VPC to a planning pool.
// The CIDR is pending until the resources in it are held. provisionPlanned fills in c, the
// new CIDR.
func (s *Store) provisionPlanned(ctx context.Context, pool *ipam.Pool, p netip.Prefix, c *ipam.PoolCIDR, record tokenRecord) ([]table.Write, error) {
	source := pool.SourceSpace()
	taken, above := items.TakenKey(source, p), items.PoolKey(pool.SourcePool)
	read, err := s.table.BatchGet(ctx, []table.Key{taken, above, items.CIDRKey(pool.ID, p)})
	if err != nil {
		return nil, err
	}
	if read[above] == nil {
		return nil, errStale // a source with children cannot be deleted
	}
	from, err := items.DecodePool(read[above])
	if err != nil {
		return nil, err
	}
	if err := from.Require(ipam.ActUse); err != nil {
		return nil, err
	}
	if err := notProvisioned(pool.ID, p, read); err != nil {
		return nil, err
	}
	t, ok, err := items.TakenAt(taken, read)
	if err != nil {
		return nil, err
	}
	switch vpc := pool.SourceVPC(); {
	case !ok || t.Kind != ipam.KindVPC || t.ResourceID != vpc || t.PendingUntil != 0:
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is none that %s has of %s. Give one that GetIpamPoolAllocations lists there with the VPC; of a VPC that is new, wait until discovery has seen it.", p, vpc, pool.SourcePool)
	case t.PlanningPool != "":
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s of %s is provisioned to the pool %s. Use that one, or deprovision it there first.", p, vpc, t.PlanningPool)
	}
	c.CIDR, c.Owner, c.Source, c.AllocationID, c.State = p, pool.Owner, source, t.AllocationID, ipam.CIDRProvisioned
	// The allocation is the VPC's, so its id does not show that the token has made a root.
	c.ID = ipam.DeriveID(ipam.IDPoolCIDR, s.o.NewID())
	answer := *c
	c.State = ipam.CIDRPendingProvision
	return append(s.plannedWrites(pool, c, t), record.write(&answer)), nil
}

// plannedWrites returns the writes that make a CIDR of a VPC, whose block is t, a pending
// CIDR of its planning pool.
func (s *Store) plannedWrites(pool *ipam.Pool, c *ipam.PoolCIDR, t ipam.Taken) []table.Write {
	root := ipam.Root{ID: c.ID, Bits: c.CIDR.Bits()}
	return append(s.addCIDR(c),
		table.Write{Op: table.OpUpdate, Key: items.TakenKey(c.Source, c.CIDR), Set: table.Item{items.AttrPlanningPool: table.Str(pool.ID)}, If: table.Cond{
			Equal:   table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrKind: table.Str(string(t.Kind)), items.AttrResourceID: table.Str(t.ResourceID)},
			Missing: []string{items.AttrPlanningPool, items.AttrPendingUntil},
		}},
		table.Write{Op: table.OpPut, Key: items.TakenKey(pool.Space(), c.CIDR), Item: items.EncodeTaken(s.newHold(c.CIDR, root, pool.Owner)), If: table.Cond{Absent: true}},
		s.liveNote(pool.Scope, c.CIDR),
	)
}
