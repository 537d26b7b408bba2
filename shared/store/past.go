package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"golang.org/x/sync/errgroup"
)

// BeginPast records that all changes from now on have their past states, unless that is
// recorded already.
func (s *Store) BeginPast(ctx context.Context) error {
	k := items.PastBeginKey()
	return s.commit(ctx, "begin the past", nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil || read[k] != nil {
			return nil, err
		}
		return []table.Write{{Op: table.OpPut, Key: k, Item: items.EncodePastBegin(s.o.Now()), If: table.Cond{Absent: true}}}, nil
	})
}

// PutPast writes the state of a row before a change, see [items.Past]. It can be written
// again, and in any order.
func (s *Store) PutPast(ctx context.Context, p *items.Past) error {
	w := table.Write{Op: table.OpPut, Key: items.PastKey(p), Item: items.EncodePast(p)}
	return s.commit(ctx, "record "+w.Key.String(), nil, func(attempt) ([]table.Write, error) { return []table.Write{w}, nil })
}

// PastSince returns the first time of which there are maps: since then all changes have
// their past states, and these are kept for items.PastRetention. ok is false if there are
// none yet.
func (s *Store) PastSince(ctx context.Context) (since time.Time, ok bool, err error) {
	k := items.PastBeginKey()
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil {
		return time.Time{}, false, err
	}
	since = items.DecodePastBegin(read[k])
	if kept := s.o.Now().Add(-items.PastRetention); kept.After(since) {
		since = kept
	}
	return since, true, nil
}

// errLargeSpace is the error of a map for which more would be read than a budget has.
var errLargeSpace = errors.New("the space has too many blocks and resources")

// spaceReads is the number of reads of a map at once.
const spaceReads = 16

// budget is the number of rows that may still be read for a map.
type budget struct{ left atomic.Int64 }

func newBudget(rows int) *budget {
	b := new(budget)
	b.left.Store(int64(rows))
	return b
}

// count counts rows that were read.
func (b *budget) count(n int) error {
	if b.left.Add(int64(-n)) < 0 {
		return errLargeSpace
	}
	return nil
}

// pastReader reads rows as they were at a time of the past, to the second.
type pastReader struct {
	s  *Store
	at time.Time
	*budget
}

// undone is the state of rows at a time, by their sort keys: of each row that has changed
// since.
type undone map[string]*items.Past

// undo reads the first change since the time of r of each row that queries select.
func (r *pastReader) undo(ctx context.Context, queries ...table.Query) (undone, error) {
	at := r.at.Unix()
	found := make([]undone, len(queries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(spaceReads)
	for i, q := range queries {
		g.Go(func() error {
			found[i] = undone{}
			for p, err := range decoded(table.Rows(ctx, r.s.table, q), items.DecodePast) {
				if err != nil {
					return err
				}
				if err := r.count(1); err != nil {
					return err
				}
				if p.At > at && found[i][p.Row] == nil { // the changes of a row come by time
					found[i][p.Row] = p
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := undone{}
	for _, some := range found {
		for row, p := range some {
			all[row] = p
		}
	}
	return all, nil
}

// takenAt returns the taken blocks in root of a space that overlapped region at that
// time, in address order. It first reads the present ones and then the changes since: in
// this order a change meanwhile is undone.
func (r *pastReader) takenAt(ctx context.Context, space ipam.SpaceID, root, region netip.Prefix) ([]ipam.Taken, error) {
	var taken []ipam.Taken
	for t, err := range r.s.takenIn(ctx, space, region, region.Addr()) {
		if err != nil {
			return nil, err
		}
		if err := r.count(1); err != nil {
			return nil, err
		}
		taken = append(taken, t)
	}
	rows := items.PastBlocks(space)
	before, err := r.undo(ctx, append(items.PastRowsAround(rows, root, region), items.PastRowsIn(rows, region))...)
	if err != nil {
		return nil, err
	}
	taken = slices.DeleteFunc(taken, func(t ipam.Taken) bool {
		return t.Kind == ipam.KindSplit || t.CIDR.Bits() < root.Bits() || before[items.TakenAfter(t.CIDR)] != nil
	})
	for _, p := range before {
		if p.Block == nil {
			continue
		}
		cidr, err := p.CIDR()
		if err != nil {
			return nil, err
		}
		taken = append(taken, p.Block.Taken(cidr))
	}
	slices.SortFunc(taken, func(a, b ipam.Taken) int { return a.CIDR.Compare(b.CIDR) })
	// Blocks of a space do not overlap. Those of a moment whose changes the stream has not
	// delivered yet may seem to.
	return slices.CompactFunc(taken, func(a, b ipam.Taken) bool { return a.CIDR.Overlaps(b.CIDR) }), nil
}

// freeAt returns the free block around a region of a root at that time. No block in the
// region was taken. If there is too much to read, it returns a part of the free block.
func (r *pastReader) freeAt(ctx context.Context, space ipam.SpaceID, root, region netip.Prefix) (netip.Prefix, error) {
	around := &pastReader{r.s, r.at, newBudget(r.s.o.MapLive)}
	// A taken block that contains a buddy contains the region too, so none did: only blocks
	// in the buddy count.
	free := region
	for free != root {
		buddy := ipam.Buddy(free)
		taken, err := around.takenAt(ctx, space, buddy, buddy)
		if errors.Is(err, errLargeSpace) {
			return free, nil
		}
		if err != nil {
			return free, err
		}
		if len(taken) > 0 {
			return free, nil
		}
		free = ipam.Parent(free)
	}
	return free, nil
}

// cidrsAt returns the CIDRs that a pool had at that time, by address.
func (r *pastReader) cidrsAt(ctx context.Context, pool string) (roots []*ipam.PoolCIDR, err error) {
	now, err := r.s.PoolCIDRs(ctx, pool)
	if err != nil {
		return nil, err
	}
	before, err := r.undo(ctx, items.PastRowsOf(items.PastCIDRs(pool)))
	if err != nil {
		return nil, err
	}
	for _, c := range now {
		if before[items.TakenAfter(c.CIDR)] == nil {
			roots = append(roots, c)
		}
	}
	for _, p := range before {
		if p.Block == nil {
			continue
		}
		cidr, err := p.CIDR()
		if err != nil {
			return nil, err
		}
		roots = append(roots, &ipam.PoolCIDR{Pool: pool, CIDR: cidr, State: ipam.CIDRProvisioned, AllocationID: p.Block.AllocationID, Owner: p.Block.Owner})
	}
	slices.SortFunc(roots, func(a, b *ipam.PoolCIDR) int { return a.CIDR.Compare(b.CIDR) })
	return roots, nil
}

// resourcesAt replaces the resources that overlap region by those that did at that time.
func (r *pastReader) resourcesAt(ctx context.Context, scope string, region netip.Prefix, now []*ipam.ResourceCIDR) ([]*ipam.ResourceCIDR, error) {
	rows := items.PastResources(scope, ipam.FamilyOf(region))
	before, err := r.undo(ctx, append(items.PastRowsAround(rows, ipam.FamilyOf(region).All(), region), items.PastRowsIn(rows, region))...)
	if err != nil {
		return nil, err
	}
	now = slices.DeleteFunc(now, func(o *ipam.ResourceCIDR) bool { return before[items.ResourceAfter(o)] != nil })
	for _, p := range before {
		if p.Resource != nil {
			now = append(now, p.Resource)
		}
	}
	slices.SortFunc(now, compareResources)
	return now, nil
}

// compareResources orders resources as their rows.
func compareResources(a, b *ipam.ResourceCIDR) int {
	if c := a.CIDR.Compare(b.CIDR); c != 0 {
		return c
	}
	return strings.Compare(items.ResourceAfter(a), items.ResourceAfter(b))
}
