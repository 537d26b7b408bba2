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

// EvaluateStatus evaluates the statuses that a change at cidr may have altered, and
// writes those that differ. The change is of a resource or of an allocation: one came,
// changed or went. It concerns all CIDRs that overlap the outermost
// resource's CIDR around cidr, or cidr itself if no resource's CIDR holds it. This set is
// closed under overlap, because CIDRs nest or are apart.
//
// It ends when one whole pass finds nothing to write. A pass that began before a change
// may write a status that the change made untrue, even after the change's own pass. But a
// pass follows each write, and each change is followed by a pass that sees it.
func (s *Store) EvaluateStatus(ctx context.Context, scope string, cidr netip.Prefix) error {
	_, err := s.evaluate(ctx, scope, cidr)
	return err
}

// EvaluateAll evaluates the resources' CIDRs of one family in a scope, after the CIDR
// after, which is the After of an earlier status; the zero Prefix begins. For each it
// yields the right status, as [ipam.EvaluateStatuses] does. If the table has another, it
// calls [Store.EvaluateStatus] first. It also fills in Exposed from the blocks that it
// reads anyway. So it only reads if the scope is in order.
func (s *Store) EvaluateAll(ctx context.Context, scope string, f ipam.Family, after netip.Prefix) iter.Seq2[ipam.ResourceStatus, error] {
	return func(yield func(ipam.ResourceStatus, error) bool) {
		var evaluated netip.Prefix // the CIDRs that are corrected already
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

// maxStatusWrites is the number of statuses that one transaction writes. Each is right
// without the others, and a small transaction rarely conflicts with another writer.
const maxStatusWrites = 20

// evaluate is EvaluateStatus and returns the CIDR that it evaluated.
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

// evaluateOnce makes one pass over a region and writes the statuses that differ. lost is
// the reason if a part may not be written: a lost race, or an unknown outcome.
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

// statusWrite returns the write of a resource's new status. If the history shows the
// difference, it begins a new record.
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

// statuses evaluates the CIDRs that overlap a region, after the CIDR after if that is
// valid. The region is closed under overlap. m, if not nil, gets all rows and all gaps.
func (s *Store) statuses(ctx context.Context, scope string, region, after netip.Prefix, m *overlapSet) iter.Seq2[ipam.ResourceStatus, error] {
	pools := map[string]*ipam.Pool{}
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
	return ipam.EvaluateStatuses(rows, s.allocationsOf(ctx, scope, region, after, pools, m), func(id string) *ipam.Pool { return pools[id] })
}

// allocationsOf yields the allocations and holds that overlap a region, after the CIDR after
// if that is valid, and puts their pools into pools. m is as in statuses.
func (s *Store) allocationsOf(ctx context.Context, scope string, region, after netip.Prefix, pools map[string]*ipam.Pool, m *overlapSet) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
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
}

// AllocationsIn yields the allocations of all pools of a scope that overlap cidr, in
// address order, without those to child pools. They do not overlap one another, except
// that a VPC's holds those of its planning pool. The whole family as cidr yields all.
func (s *Store) AllocationsIn(ctx context.Context, scope string, cidr netip.Prefix) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
		for a, err := range s.blocksIn(ctx, scope, cidr, cidr.Addr(), nil) {
			if (err != nil || a.Kind.Visible()) && !yield(a, err) {
				return
			}
		}
	}
}

// blocksIn is AllocationsIn with holds, and without the blocks that end before from, an
// address in cidr. m, if not nil, gets the gaps between them.
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

// overlapSet compares the gaps in pools with the rows of a scope. The writer of a row
// takes the resource's space in its pool, at least as a hold, so a gap that overlaps a
// live row means exposed space. The scan of a scope finds this without a read of its own:
// it reads the taken blocks anyway, and the gaps are between them.
//
// Both streams come in address order, the rows first. The set keeps the gaps that can
// still overlap a row: those after the last row, and those in the outermost CIDR of a row
// that was not asked about yet. These are few, as EvaluateStatuses yields a row soon after
// it read it.
type overlapSet struct {
	outer   []netip.Prefix
	lastRow netip.Addr // the first address of the last row
	gaps    []gap
}

// addRow adds the next row.
func (m *overlapSet) addRow(r *ipam.ResourceCIDR) {
	m.lastRow = r.CIDR.Addr()
	if n := len(m.outer); r.Live() && (n == 0 || !ipam.Within(r.CIDR, m.outer[n-1])) {
		m.outer = append(m.outer, r.CIDR)
	}
}

// addGap adds the next gap.
func (m *overlapSet) addGap(g gap) {
	if m.canOverlap(g) {
		m.gaps = append(m.gaps, g)
	}
}

func (m *overlapSet) canOverlap(g gap) bool {
	return !m.lastRow.IsValid() || !g.last.Less(m.lastRow) || slices.ContainsFunc(m.outer, g.overlaps)
}

// exposed reports whether a part of a row's CIDR is free, once all gaps in it were added.
// It is called for all rows, in the order of the last addresses of the outermost CIDRs.
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
