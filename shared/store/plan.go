package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A resource planning pool is laid over a VPC: its CIDRs are the VPC's own, and
// are given to the VPC's subnets. The VPC's block stays where it is and names the
// pool, its Plan, whose root has the block's CIDR and allocation id. So what
// follows the blocks of child pools down follows this too; but the VPC itself
// stands in no one's way there.
//
// When the VPC goes and the pool still has the CIDR, the block becomes the pool's,
// as that of any child pool is: then deprovisioning gives it back, and whatever comes
// to live there is in the way. When the very VPC comes back with the very CIDR, the
// block is its again. So it is the block that says whether the pool is laid over the
// VPC, and the pool only over which it may be.

// plan returns the writes that provision a CIDR of its VPC to a planning pool,
// pending until what lives there is held. c is the CIDR to be, and is filled in.
func (s *Store) plan(ctx context.Context, pool *ipam.Pool, p netip.Prefix, c *ipam.PoolCIDR, record record) ([]Write, error) {
	source := pool.SourceSpace()
	taken, above := TakenKey(source, p), PoolKey(pool.SourcePool)
	read, err := s.table.BatchGet(ctx, []Key{taken, above, CIDRKey(pool.ID, p)})
	if err != nil {
		return nil, err
	}
	if read[above] == nil {
		return nil, errLost // a source with children cannot be deleted
	}
	from, err := decodePool(read[above])
	if err != nil {
		return nil, err
	}
	if err := from.Require(ipam.ActUse); err != nil {
		return nil, err
	}
	if err := notProvisioned(pool.ID, p, read); err != nil {
		return nil, err
	}
	t, ok, err := takenAt(taken, read)
	if err != nil {
		return nil, err
	}
	switch vpc := pool.Around(); {
	case !ok || t.Kind != ipam.KindVPC || t.ResourceID != vpc || t.Lease != 0:
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is none that %s has of %s. Give one that GetIpamPoolAllocations lists there with the VPC; of a VPC that is new, wait until discovery has seen it.", p, vpc, pool.SourcePool)
	case t.Plan != "":
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s of %s is provisioned to the pool %s. Use that one, or deprovision it there first.", p, vpc, t.Plan)
	}
	c.CIDR, c.Owner, c.Source, c.AllocationID, c.State = p, pool.Owner, source, t.AllocationID, ipam.CIDRProvisioned
	// The allocation is the VPC's: it does not tell that the token has made a root before.
	c.ID = ipam.DeriveID(ipam.IDPoolCIDR, s.o.NewID())
	answer := *c
	c.State = ipam.CIDRPendingProvision
	root := ipam.Root{ID: c.ID, Bits: p.Bits()}
	return append(s.addCIDR(c),
		Write{Op: OpUpdate, Key: taken, Set: Item{attrPlan: str(pool.ID)}, If: Cond{
			Equal:   Item{attrAllocationID: str(t.AllocationID), attrKind: str(string(t.Kind)), attrResourceID: str(t.ResourceID)},
			Missing: []string{attrPlan, attrLease},
		}},
		Write{Op: OpPut, Key: TakenKey(pool.Space(), p), Item: encodeTaken(s.newHold(p, root, pool.Owner)), If: Cond{Absent: true}},
		s.noteLive(pool.Scope, p),
		record.write(&answer),
	), nil
}

// unplan is the write that takes a planning pool off the VPC's block.
func unplan(pool *ipam.Pool, c *ipam.PoolCIDR) Write {
	return Write{Op: OpUpdate, Key: TakenKey(c.Source, c.CIDR), Remove: []string{attrPlan}, If: Cond{
		Equal: Item{attrAllocationID: str(c.AllocationID), attrPlan: str(pool.ID)},
	}}
}

// laid is the CIDR of a VPC that a planning pool is laid over, and that alone: where
// EC2 has given the VPC another CIDR in its place, this is in the way like any
// other. The zero value is none.
type laid struct {
	vpc, region string
	cidr        netip.Prefix
}

// is reports whether a resource's CIDR is the one that the pool is laid over.
func (l laid) is(r *ipam.Resource) bool { return l == laid{r.ID, r.Region, r.CIDR} }

// below returns what the pool below a block is laid over.
func below(t ipam.Taken) laid {
	if t.Plan == "" {
		return laid{}
	}
	return laid{t.ResourceID, t.ResourceRegion, t.CIDR}
}

// laidOver returns what a pool is laid over at p.
func (s *Store) laidOver(ctx context.Context, pool *ipam.Pool, p netip.Prefix) (laid, error) {
	if pool == nil || pool.SourceResource == nil {
		return laid{}, nil
	}
	t, ok, err := s.blocker(ctx, pool.SourceSpace(), p)
	if err != nil || !ok || t.Plan != pool.ID {
		return laid{}, err
	}
	return below(t), nil
}

// liveInPool is liveIn for a pool.
func (s *Store) liveInPool(ctx context.Context, pool *ipam.Pool, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	around, err := s.laidOver(ctx, pool, p)
	if err != nil {
		return nil, err
	}
	return s.liveIn(ctx, pool.Scope, around, p)
}

// handOn returns the writes that make the block of a VPC that is gone that of the
// planning pool over it; pool is the one that the block is in. There are none while
// the VPC lives. Whether it does is read behind the block, as ever: who finds it
// later marks the block, or finds it handed on.
func (s *Store) handOn(ctx context.Context, pool *ipam.Pool, t ipam.Taken) ([]Write, error) {
	row := liveKey(pool.Scope, &ipam.Resource{Type: ipam.ResourceVPC, ID: t.ResourceID, Region: t.ResourceRegion, CIDR: t.CIDR})
	read, err := s.table.BatchGet(ctx, []Key{row})
	if err != nil || read[row] != nil && read[row].num(attrIgnored) == 0 {
		return nil, err
	}
	to := ipam.Taken{CIDR: t.CIDR, AllocationID: t.AllocationID, Kind: ipam.KindPool, Owner: pool.Owner, ResourceID: t.Plan, ResourceRegion: pool.Locale}
	writes := append(blockWrites(pool.Space(), turn(t, to)), Write{
		Op: OpUpdate, Key: AllocationKey(t.AllocationID),
		Set: Item{attrKind: str(string(to.Kind)), attrOwner: str(to.Owner)}, Remove: []string{attrDigest},
		If: Cond{Equal: Item{attrState: str(allocationActive)}},
	})
	return append(writes, listForeign(OpDelete, pool, t)...), nil
}

// handBack returns the writes that undo handOn, once the VPC with a row in the scope
// has come back; none if the block t of a pool is not one that was handed on by that.
// space and owner are those that the block is in.
func (s *Store) handBack(ctx context.Context, scope string, space ipam.SpaceID, owner string, t ipam.Taken, vpc *ipam.Resource) ([]Write, error) {
	if t.Kind != ipam.KindPool || t.CIDR != vpc.CIDR || vpc.Type != ipam.ResourceVPC {
		return nil, nil
	}
	plan, err := one(ctx, s.Pools, t.ResourceID)
	if err != nil {
		return nil, lostIfGone(err)
	}
	if r := plan.SourceResource; r == nil || *r != (ipam.SourceResource{ID: vpc.ID, Owner: vpc.Owner, Region: vpc.Region}) {
		return nil, nil
	}
	to := ipam.Taken{CIDR: t.CIDR, AllocationID: t.AllocationID, Kind: ipam.KindVPC, Owner: vpc.Owner, ResourceID: vpc.ID, ResourceRegion: vpc.Region, Plan: plan.ID}
	writes := append(blockWrites(space, turn(t, to)),
		Write{
			Op: OpUpdate, Key: AllocationKey(t.AllocationID), Set: Item{attrKind: str(string(to.Kind)), attrOwner: str(to.Owner)},
			If: Cond{Equal: Item{attrState: str(allocationActive)}},
		},
		s.noteLive(scope, t.CIDR)) // what was held for it in the pool is too much now
	return append(writes, listForeign(OpPut, &ipam.Pool{Meta: ipam.Meta{ID: string(space), Owner: owner}}, to)...), nil
}

// HasFrom reports whether a VPC has a CIDR of the family from a pool, as far as
// the discoveries of the pool's IPAM have seen.
func (s *Store) HasFrom(ctx context.Context, pool *ipam.Pool, f ipam.Family, r ipam.SourceResource) (bool, error) {
	discoveries, err := s.AllDiscoveries(ctx)
	if err != nil {
		return false, err
	}
	var keys []Key
	for _, d := range discoveries {
		if !slices.Contains(d.IPAMs, pool.IPAM) {
			continue
		}
		found, _, err := decoded(ctx, s, vpcQuery(d.ID, r.Region, r.Owner, r.ID), decodeFound) // a VPC has few CIDRs
		if err != nil {
			return false, err
		}
		for _, o := range found {
			if o.Family() == f {
				keys = append(keys, TakenKey(pool.Space(), o.CIDR))
			}
		}
	}
	read, err := s.table.BatchGet(ctx, keys)
	for _, i := range read {
		if i.str(attrResourceID) == r.ID && i.str(attrKind) == string(ipam.KindVPC) && i.num(attrLease) == 0 {
			return true, err
		}
	}
	return false, err
}
