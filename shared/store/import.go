package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"go4.org/netipx"
)

// importLive imports the live resources at p into pools with AutoImport: larger CIDRs
// first, and of equal ones the one with the least id. It leaves out a CIDR that overlaps an
// allocation. A pool's rules decide whether a resource is compliant, not whether it is
// imported (VPC IPAM User Guide, "Create a Regional pool": automatic import). Only a
// planning pool for the VPC imports subnets.
func (s *Store) importLive(ctx context.Context, scope string, p netip.Prefix) error {
	held, pools, err := s.importableHolds(ctx, scope, p)
	if err != nil || len(held) == 0 {
		return err
	}
	live, err := s.liveIn(ctx, scope, sourceCIDR{}, p)
	if err != nil {
		return err
	}
	live = slices.DeleteFunc(live, func(r *ipam.ResourceCIDR) bool {
		i, _ := slices.BinarySearchFunc(held, r.CIDR.Addr(), func(h netip.Prefix, from netip.Addr) int { return netipx.PrefixLastIP(h).Compare(from) })
		return i == len(held) || !held[i].Overlaps(r.CIDR)
	})
	var planned map[string]bool
	if slices.ContainsFunc(live, func(r *ipam.ResourceCIDR) bool { return r.Type == ipam.ResourceSubnet }) {
		if planned, err = s.plannedVPCs(ctx, scope, p); err != nil {
			return err
		}
	}
	return s.inParallel(ctx, ipam.OverlapGroups(live, cidrOf), func(ctx context.Context, nest []*ipam.ResourceCIDR) error {
		slices.SortStableFunc(nest, func(a, b *ipam.ResourceCIDR) int {
			return cmp.Or(cmp.Compare(a.CIDR.Bits(), b.CIDR.Bits()), a.CIDR.Compare(b.CIDR), cmp.Compare(a.ID, b.ID))
		})
		for _, r := range nest {
			if r.Type == ipam.ResourceSubnet && !planned[r.VPC] {
				continue
			}
			space, free, err := s.deepestPool(ctx, scope, r)
			if err != nil {
				return err
			}
			pool := pools[space]
			if !free || pool == nil || pool.SourceVPC() != vpcOfSubnet(r) {
				continue
			}
			if err := s.importOne(ctx, pool, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// importableHolds returns the holds at p in pools with AutoImport, by ascending address,
// and these pools. No pool imports a resource outside such a hold: its space is allocated,
// or the work of a new note reserves it first.
func (s *Store) importableHolds(ctx context.Context, scope string, p netip.Prefix) ([]netip.Prefix, map[ipam.SpaceID]*ipam.Pool, error) {
	var holds []poolBlock
	in := map[string]bool{}
	err := s.visitBlocks(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		if b.Kind == ipam.KindHold {
			holds = append(holds, b)
			in[string(b.space)] = true
		}
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	all, err := s.Pools(ctx, slices.Sorted(maps.Keys(in)))
	if err != nil {
		return nil, nil, err
	}
	pools := map[ipam.SpaceID]*ipam.Pool{}
	for _, pool := range all {
		if _, is := pool.State.After(ipam.ActUse); is && pool.AutoImport && pool.Locale != "" {
			pools[pool.Space()] = pool
		}
	}
	var held []netip.Prefix
	for _, b := range holds {
		if pools[b.space] != nil {
			held = append(held, b.CIDR)
		}
	}
	return held, pools, nil
}

// deepestPool returns the deepest pool that can import a resource: one whose CIDR contains
// the resource's; for a subnet the planning pool of its VPC. free says whether the CIDR is
// free there except for holds. It is false if there is no such pool.
func (s *Store) deepestPool(ctx context.Context, scope string, r *ipam.ResourceCIDR) (space ipam.SpaceID, free bool, err error) {
	p, around := r.CIDR, vpcOfSubnet(r)
	for at := ipam.ScopeSpace(scope, ipam.FamilyOf(p)); ; {
		child := ipam.SpaceID("")
		free = true
		for t, err := range s.takenIn(ctx, at, p, p.Addr()) {
			if err != nil {
				return "", false, err
			}
			if ipam.Within(p, t.CIDR) && (t.Kind == ipam.KindPool || t.PlanningPool != "" && t.ResourceID == around) {
				child = ipam.SpaceID(t.ChildPool())
				break
			}
			if t.Kind != ipam.KindHold {
				free = false
				break
			}
		}
		if child == "" {
			return space, free && space != "", nil
		}
		space, at = child, child
	}
}

// vpcOfSubnet returns the VPC of a subnet, whose planning pool can import the subnet; "" for
// another resource.
func vpcOfSubnet(r *ipam.ResourceCIDR) string {
	if r.Type == ipam.ResourceSubnet {
		return r.VPC
	}
	return ""
}

// importOne turns the hold of a resource's CIDR into its allocation.
func (s *Store) importOne(ctx context.Context, pool *ipam.Pool, r *ipam.ResourceCIDR) error {
	space, row := pool.Space(), items.LiveKey(r.Scope, &r.Resource)
	lives := func(ctx context.Context) (table.Write, error) { return s.stillLives(ctx, row) }
	err := s.commit(ctx, "import "+r.ID, nil, func(attempt) ([]table.Write, error) {
		t, err := s.makeAndReadHold(ctx, space, pool.Owner, r.CIDR, lives)
		if taken, is := errors.AsType[*takenError](err); is {
			if taken.by.Kind == ipam.KindSplit {
				return nil, fmt.Errorf("%w: a split is in the way", ErrWorkRemains)
			}
			return nil, nil // allocated by now, or imported by another process
		}
		if err != nil {
			return nil, err
		}
		made := ipam.Taken{
			CIDR: r.CIDR, AllocationID: ipam.DeriveID(ipam.IDAllocation, "import", pool.Scope, r.ID, s.o.NewID()),
			Kind: r.Type.Kind(), Owner: r.Owner, ResourceID: r.ID, ResourceRegion: r.Region,
		}
		still, err := lives(ctx)
		if err != nil {
			return nil, err
		}
		writes := append(blockWrites(space, replaceTaken(t, made)), s.recordAllocation(space, made, ""), still)
		return append(writes, listForeign(table.OpPut, pool, made)...), nil
	})
	if errors.Is(err, errResourceGone) {
		return nil
	}
	return err
}
