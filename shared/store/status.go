package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"go4.org/netipx"
)

// EvaluateStatus finds the statuses of the resources' CIDRs that a change at cidr may
// have altered, a resource's that came, changed or went, or an allocation's, and
// writes those that differ. These are all that overlap the outermost resource's
// CIDR that holds cidr, or cidr itself if none does: which is closed under
// overlap, as CIDRs nest or are apart.
//
// It is done when a whole look finds nothing to write. A look that began before
// a change may write what the change has made untrue, however that compares
// with what the change's own look finds; but behind each write follows another
// look, and behind each change one that sees it.
func (s *Store) EvaluateStatus(ctx context.Context, scope string, cidr netip.Prefix) error {
	_, err := s.evaluate(ctx, scope, cidr)
	return err
}

// EvaluateAll evaluates the resources' CIDRs of one family in a scope from behind
// after on, which is an earlier status's After, or the zero Prefix for all. Of
// each it yields what is right, as ipam.EvaluateStatuses does, having called EvaluateStatuses if that
// is not what the table said; and Exposed, which the blocks that it reads anyway
// tell. So a scope in order costs reads alone.
func (s *Store) EvaluateAll(ctx context.Context, scope string, f ipam.Family, after netip.Prefix) iter.Seq2[ipam.ResourceStatus, error] {
	return func(yield func(ipam.ResourceStatus, error) bool) {
		var evaluated netip.Prefix // what was put right in passing
		m := new(overlapSet)
		for v, err := range s.statuses(ctx, scope, f.All(), after, m) {
			if err == nil {
				v.Exposed = m.exposed(v.Resource)
			}
			if err == nil && v.Status != v.Resource.Status && (!evaluated.IsValid() || !ipam.Within(v.Resource.CIDR, evaluated)) {
				evaluated, err = s.evaluate(ctx, scope, v.Resource.CIDR)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// maxStatusWrites is how many statuses one transaction writes. Each is right
// without the others; few of them rarely meet another writer.
const maxStatusWrites = 20

// evaluate returns what it has evaluated, too.
func (s *Store) evaluate(ctx context.Context, scope string, cidr netip.Prefix) (region netip.Prefix, err error) {
	act := fmt.Sprintf("evaluate %s in %s", cidr, scope)
	for n := 0; ; n++ {
		region, err = s.outermost(ctx, scope, cidr)
		var wrote bool
		var lost error
		if err == nil {
			wrote, lost, err = s.evaluateOnce(ctx, scope, region)
		}
		switch {
		case err == nil && !wrote:
			return region, nil
		case errors.Is(err, table.ErrThrottled):
			lost = err
		case err != nil:
			return netip.Prefix{}, fmt.Errorf("%s: %w", act, err)
		}
		if n >= s.o.Tries {
			return netip.Prefix{}, triesExhausted(act, cmp.Or(lost, errStale))
		}
		if lost == nil {
			continue
		}
		if err := s.o.Sleep(ctx, wait(n+1)); err != nil {
			return netip.Prefix{}, fmt.Errorf("%s: %w after %w", act, err, lost)
		}
	}
}

// evaluateOnce makes one pass over a region and writes what differs. lost is why a
// part may not have been written: lost races, and outcomes that are unknown.
func (s *Store) evaluateOnce(ctx context.Context, scope string, region netip.Prefix) (wrote bool, lost, err error) {
	var writes []table.Write
	flush := func() bool {
		if len(writes) > 0 {
			wrote = true
			lost = s.table.Transact(ctx, writes)
			writes = nil
		}
		return lost == nil
	}
	for v, err := range s.statuses(ctx, scope, region, netip.Prefix{}, nil) {
		if err != nil {
			return wrote, lost, err
		}
		if v.Status == v.Resource.Status {
			continue
		}
		if writes = append(writes, s.statusWrite(v)); len(writes) == maxStatusWrites && !flush() {
			return wrote, lost, nil
		}
	}
	flush()
	return wrote, lost, nil
}

// statusWrite gives a resource's CIDR the status of a status on it. What
// history records of it begins anew if it is another than before.
func (s *Store) statusWrite(v ipam.ResourceStatus) table.Write {
	now := *v.Resource
	now.Status = v.Status
	w := table.Write{
		Op:  table.OpUpdate,
		Key: items.LiveKey(now.Scope, &now.Resource),
		Set: table.Item{items.AttrStatus: table.Str(items.JSON(now.Status)), items.AttrRev: table.Num(now.Rev + 1)},
		If:  table.Cond{Equal: table.Item{items.AttrRev: table.Num(now.Rev)}},
	}
	if !now.RecordedAs(v.Resource) {
		w.Set[items.AttrSince] = table.Num(max(s.o.Now().UnixMilli(), now.Since+1))
	}
	return w
}

// statuses evaluates what overlaps a region, which must be closed under overlap,
// from behind after on, if that is valid. m, if not nil, is told of all rows and
// of all that is free.
func (s *Store) statuses(ctx context.Context, scope string, region, after netip.Prefix, m *overlapSet) iter.Seq2[ipam.ResourceStatus, error] {
	pools := map[string]*ipam.Pool{}
	allocations := func(yield func(*ipam.Allocation, error) bool) {
		from := region.Addr()
		if after.IsValid() {
			from = after.Addr()
		}
		for a, err := range s.blocksIn(ctx, scope, region, from, m) {
			if err == nil && pools[a.Pool] == nil {
				var p *ipam.Pool
				if p, err = readOne(ctx, s.Pools, a.Pool); isNotFound(err) {
					err = nil // it is gone, with its allocations
				}
				pools[a.Pool] = p
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
	rows := func(yield func(*ipam.ResourceCIDR, error) bool) {
		for r, err := range s.rowsIn(ctx, scope, region, after) {
			if err == nil && m != nil {
				m.addRow(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
	return ipam.EvaluateStatuses(rows, allocations, func(id string) *ipam.Pool { return pools[id] })
}

// AllocationsIn yields the allocations that overlap cidr of all pools of a
// scope, but those to child pools: in address order. They do not overlap one
// another, but those of planning pools, which stand in their VPCs'. With the whole family for cidr, they are all.
func (s *Store) AllocationsIn(ctx context.Context, scope string, cidr netip.Prefix) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
		for a, err := range s.blocksIn(ctx, scope, cidr, cidr.Addr(), nil) {
			if (err != nil || a.Kind.Visible()) && !yield(a, err) {
				return
			}
		}
	}
}

// blocksIn is AllocationsIn with what is held, and without what ends before from,
// an address in cidr. m, if not nil, is told of what is free.
func (s *Store) blocksIn(ctx context.Context, scope string, cidr netip.Prefix, from netip.Addr, m *overlapSet) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
		w := visitor{visit: func(b poolBlock) bool { return yield(&ipam.Allocation{Taken: b.Taken, Pool: string(b.space)}, nil) }}
		if m != nil {
			w.free = m.addGap
		}
		err := s.visitFrom(ctx, position{space: ipam.ScopeSpace(scope, ipam.FamilyOf(cidr))}, cidr, from, w)
		if err != nil && !errors.Is(err, errStopVisit) {
			yield(nil, err)
		}
	}
}

// What lives in a pool is taken there, held at least, by whoever writes its row.
// That this is so costs the scan of a scope no read: in the taken blocks, which it
// reads anyway, what is free is what is between them.

// overlapSet lays what is free in pools against the rows of a scope, while both are
// read in their order, the rows first. It keeps what may still meet: what is free
// behind the last row, or in the outermost CIDR of a row of which nothing was asked
// yet. These are few, as EvaluateStatuses asks a few rows later.
type overlapSet struct {
	outer   []netip.Prefix
	lastRow netip.Addr // where the last row begins
	gaps    []gap
}

// addRow tells of the next row.
func (m *overlapSet) addRow(r *ipam.ResourceCIDR) {
	m.lastRow = r.CIDR.Addr()
	if n := len(m.outer); r.Live() && (n == 0 || !ipam.Within(r.CIDR, m.outer[n-1])) {
		m.outer = append(m.outer, r.CIDR)
	}
}

// addGap tells of what is free next.
func (m *overlapSet) addGap(g gap) {
	if m.canOverlap(g) {
		m.gaps = append(m.gaps, g)
	}
}

func (m *overlapSet) canOverlap(g gap) bool {
	return !m.lastRow.IsValid() || !g.last.Less(m.lastRow) || slices.ContainsFunc(m.outer, g.overlaps)
}

// exposed reports whether a part of a row's CIDR is free, once all in it was told.
// It is asked of all rows, in the order of the last addresses of the outermost.
func (m *overlapSet) exposed(r *ipam.ResourceCIDR) bool {
	done := 0
	for done < len(m.outer) && netipx.PrefixLastIP(m.outer[done]).Less(r.CIDR.Addr()) {
		done++
	}
	if done > 0 {
		m.outer = slices.Delete(m.outer, 0, done)
		m.gaps = slices.DeleteFunc(m.gaps, func(g gap) bool { return !m.canOverlap(g) })
	}
	return r.Live() && slices.ContainsFunc(m.gaps, func(g gap) bool { return !g.source.matches(&r.Resource) && g.overlaps(r.CIDR) })
}
