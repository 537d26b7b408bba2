package store

import (
	"context"
	"errors"
	"iter"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"go4.org/netipx"
)

// takenIn yields the taken blocks of one space that overlap cidr, without those that end
// before from, an address in cidr. They come in address order.
func (s *Store) takenIn(ctx context.Context, space ipam.SpaceID, cidr netip.Prefix, from netip.Addr) iter.Seq2[ipam.Taken, error] {
	return func(yield func(ipam.Taken, error) bool) {
		q := items.TakenRowsIn(space, cidr, from)
		if !from.IsUnspecified() { // one that begins before from may reach it
			first, ok, err := s.blocker(ctx, space, netip.PrefixFrom(from, from.BitLen()))
			if err != nil {
				yield(first, err)
				return
			}
			if ok {
				if !yield(first, nil) || ipam.Within(cidr, first.CIDR) {
					return
				}
				next := netipx.PrefixLastIP(first.CIDR).Next()
				if !next.IsValid() {
					return
				}
				q = items.TakenRowsIn(space, cidr, next)
			}
		}
		decoded(table.Rows(ctx, s.table, q), items.DecodeTaken)(yield)
	}
}

// blocker returns a taken block that overlaps cidr. Taken blocks do not overlap one
// another, so only one can: the block with the greatest first address at or before the
// last address of cidr.
func (s *Store) blocker(ctx context.Context, space ipam.SpaceID, cidr netip.Prefix) (ipam.Taken, bool, error) {
	rows, _, err := s.table.Query(ctx, items.TakenRowsThrough(space, cidr).Last())
	if err != nil || len(rows) == 0 {
		return ipam.Taken{}, false, err
	}
	t, err := items.DecodeTaken(rows[0])
	if err != nil {
		return ipam.Taken{}, false, err
	}
	return t, t.CIDR.Overlaps(cidr), nil
}

// holderKeys returns the keys of the free blocks that can contain p: p itself and
// each larger block around it.
func holderKeys(space ipam.SpaceID, p netip.Prefix) []table.Key {
	return freeKeys(space, ipam.Holders(p))
}

// freeKeys returns the keys of free blocks.
func freeKeys(space ipam.SpaceID, blocks []netip.Prefix) []table.Key {
	keys := make([]table.Key, len(blocks))
	for i, b := range blocks {
		keys[i] = items.FreeKey(space, b)
	}
	return keys
}

// holder returns the free block that contains p, and false if there is none. read
// has the items at holderKeys; with nil, holder reads them.
func (s *Store) holder(ctx context.Context, space ipam.SpaceID, p netip.Prefix, read map[table.Key]table.Item) (ipam.Free, bool, error) {
	keys := holderKeys(space, p)
	if read == nil {
		var err error
		if read, err = s.table.BatchGet(ctx, keys); err != nil {
			return ipam.Free{}, false, err
		}
	}
	for _, k := range keys {
		if i, ok := read[k]; ok {
			f, err := items.DecodeFree(table.Row{Key: k, Item: i})
			return f, err == nil, err
		}
	}
	return ipam.Free{}, false, nil
}

// freeBlocks returns the free blocks with exactly these CIDRs, and errStale if one
// of them is not free.
func (s *Store) freeBlocks(ctx context.Context, space ipam.SpaceID, cidrs []netip.Prefix) ([]ipam.Free, error) {
	keys := freeKeys(space, cidrs)
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	free := make([]ipam.Free, len(keys))
	for i, k := range keys {
		item, ok := read[k]
		if !ok {
			return nil, errStale
		}
		if free[i], err = items.DecodeFree(table.Row{Key: k, Item: item}); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// errStopVisit ends a visit of blocks early.
var errStopVisit = errors.New("enough")

// visitor gets the results of a visit.
type visitor struct {
	visit func(poolBlock) bool // gets a taken block; false ends the visit
	free  func(gap)            // gets the gaps between taken blocks of a pool; may be nil
	pool  func(poolBlock) bool // gets the CIDR of a pool before the blocks in it; false ends the visit; may be nil
}

// position is the space that a visit is in.
type position struct {
	space  ipam.SpaceID
	pool   bool // a pool's space, not the scope's
	source sourceCIDR
}

// gap is a range of addresses that no block of a pool takes.
type gap struct {
	first, last netip.Addr
	source      sourceCIDR // the VPC's CIDR that the pool plans
}

func (g gap) overlaps(p netip.Prefix) bool {
	return p.IsValid() && !g.last.Less(p.Addr()) && !netipx.PrefixLastIP(p).Less(g.first)
}

// poolBlock is a taken block of a pool.
type poolBlock struct {
	ipam.Taken
	space  ipam.SpaceID
	source sourceCIDR
}

// visitBlocks calls visit for the taken blocks of a scope that overlap cidr, without those
// that end before from, in address order. In place of a child pool's block it visits the
// blocks in the child; after a VPC's block, the blocks of its planning pool. It leaves out
// a split of the scope itself, which is in no pool.
func (s *Store) visitBlocks(ctx context.Context, scope string, cidr netip.Prefix, from netip.Addr, visit func(poolBlock) bool) error {
	return s.visitFrom(ctx, position{space: ipam.ScopeSpace(scope, ipam.FamilyOf(cidr))}, cidr, from, visitor{visit: visit})
}

func (s *Store) visitFrom(ctx context.Context, at position, cidr netip.Prefix, from netip.Addr, w visitor) error {
	next := from // the first address that is not visited yet
	free := func(before netip.Addr) {
		if at.pool && w.free != nil && next.IsValid() && next.Less(before) {
			w.free(gap{next, before.Prev(), at.source})
		}
	}
	for t, err := range s.takenIn(ctx, at.space, cidr, from) {
		if err != nil {
			return err
		}
		free(t.CIDR.Addr())
		next = netipx.PrefixLastIP(t.CIDR).Next()
		if at.pool && t.Kind != ipam.KindPool && !w.visit(poolBlock{t, at.space, at.source}) {
			return errStopVisit
		}
		if t.Kind == ipam.KindPool && w.pool != nil && !w.pool(poolBlock{t, at.space, at.source}) {
			return errStopVisit
		}
		if t.ChildPool() == "" {
			continue
		}
		in, begin := t.CIDR, from
		if ipam.Within(cidr, in) {
			in = cidr
		}
		if begin.Less(in.Addr()) {
			begin = in.Addr()
		}
		if err := s.visitFrom(ctx, position{ipam.SpaceID(t.ChildPool()), true, sourceOf(t)}, in, begin, w); err != nil {
			return err
		}
	}
	if last := netipx.PrefixLastIP(cidr); at.pool && w.free != nil && next.IsValid() && !last.Less(next) {
		w.free(gap{next, last, at.source})
	}
	return nil
}

// sourceCIDR is the CIDR of a VPC that a planning pool plans, and only that one: if EC2
// gives the VPC another CIDR in its place, that one blocks space like any other. The zero
// value is none.
type sourceCIDR struct {
	vpc, region string
	cidr        netip.Prefix
}

// matches reports whether a resource's CIDR is the one that the pool plans.
func (l sourceCIDR) matches(r *ipam.Resource) bool { return l == sourceCIDR{r.ID, r.Region, r.CIDR} }

// sourceOf returns the CIDR that the planning pool of a block plans.
func sourceOf(t ipam.Taken) sourceCIDR {
	if t.PlanningPool == "" {
		return sourceCIDR{}
	}
	return sourceCIDR{t.ResourceID, t.ResourceRegion, t.CIDR}
}

// sourceAt returns the CIDR that a pool plans at p.
func (s *Store) sourceAt(ctx context.Context, pool *ipam.Pool, p netip.Prefix) (sourceCIDR, error) {
	if pool == nil || pool.SourceResource == nil {
		return sourceCIDR{}, nil
	}
	t, ok, err := s.blocker(ctx, pool.SourceSpace(), p)
	if err != nil || !ok || t.PlanningPool != pool.ID {
		return sourceCIDR{}, err
	}
	return sourceOf(t), nil
}

// plannedVPCs returns the VPCs at p in a scope that have a planning pool.
func (s *Store) plannedVPCs(ctx context.Context, scope string, p netip.Prefix) (map[string]bool, error) {
	vpcs := map[string]bool{}
	err := s.visitBlocks(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		if b.PlanningPool != "" {
			vpcs[b.ResourceID] = true
		}
		return true
	})
	return vpcs, err
}

// absentOrSame returns the condition that a taken block is still absent, or still the
// allocation that was read.
func absentOrSame(i table.Item) table.Cond {
	if i == nil {
		return table.Cond{Absent: true}
	}
	return table.Cond{Equal: table.Item{items.AttrAllocationID: i[items.AttrAllocationID], items.AttrKind: i[items.AttrKind]}}
}
