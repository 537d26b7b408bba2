package store

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// What lives in a pool is taken there, held at least, by whoever writes its row.
// That this is so costs the scan of a scope no read: in the taken blocks, which it
// reads anyway, what is free is what is between them.

// meeting lays what is free in pools against the rows of a scope, while both are
// read in their order, the rows first. It keeps what may still meet: what is free
// behind the last row, or in the outermost CIDR of a row of which nothing was asked
// yet. These are few, as Judge asks a few rows later.
type meeting struct {
	outer []netip.Prefix
	read  netip.Addr // where the last row begins
	gaps  []gap
}

// row tells of the next row.
func (m *meeting) row(r *ipam.ResourceCIDR) {
	m.read = r.CIDR.Addr()
	if n := len(m.outer); r.Live() && (n == 0 || !ipam.Within(r.CIDR, m.outer[n-1])) {
		m.outer = append(m.outer, r.CIDR)
	}
}

// free tells of what is free next.
func (m *meeting) free(g gap) {
	if m.may(g) {
		m.gaps = append(m.gaps, g)
	}
}

func (m *meeting) may(g gap) bool {
	return !m.read.IsValid() || !g.last.Less(m.read) || slices.ContainsFunc(m.outer, g.overlaps)
}

// unheld reports whether a part of a row's CIDR is free, once all in it was told.
// It is asked of all rows, in the order of the last addresses of the outermost.
func (m *meeting) unheld(r *ipam.ResourceCIDR) bool {
	done := 0
	for done < len(m.outer) && lastAddr(m.outer[done]).Less(r.CIDR.Addr()) {
		done++
	}
	if done > 0 {
		m.outer = slices.Delete(m.outer, 0, done)
		m.gaps = slices.DeleteFunc(m.gaps, func(g gap) bool { return !m.may(g) })
	}
	return r.Live() && slices.ContainsFunc(m.gaps, func(g gap) bool { return !g.around.is(&r.Resource) && g.overlaps(r.CIDR) })
}

// Unheld reports whether a part of a live CIDR is free in a pool, though nothing is
// under way there. That is never so; if it is, Reconcile puts it right.
//
// A look is no snapshot: what moves from one block to another may be seen in
// neither. So it takes two that agree.
func (s *Store) Unheld(ctx context.Context, r *ipam.ResourceCIDR) (bool, error) {
	for range 2 {
		if unheld, err := s.looksUnheld(ctx, r); err != nil || !unheld {
			return false, err
		}
	}
	return true, nil
}

// looksUnheld reads the row first, then whether there is a note, and the blocks
// last: who writes a row notes it, and takes the space before the note ends.
func (s *Store) looksUnheld(ctx context.Context, r *ipam.ResourceCIDR) (bool, error) {
	k := liveKey(r.Scope, &r.Resource)
	read, err := s.table.BatchGet(ctx, []Key{k})
	if err != nil || read[k] == nil || read[k].num(attrIgnored) != 0 {
		return false, err
	}
	prefix := liveWork + "#" + r.Scope + "#"
	for q := (Query{PK: WorkPK, From: prefix, To: prefix + "~"}); ; {
		notes, next, err := s.table.Query(ctx, q)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(notes, func(n Row) bool {
			p, err := netip.ParsePrefix(strings.TrimPrefix(n.Key.SK, prefix))
			return err == nil && p.Overlaps(r.CIDR)
		}) {
			return false, nil
		}
		if q.After = next; next == "" {
			break
		}
	}
	unheld := false
	scope := place{space: ipam.ScopeSpace(r.Scope, r.Family())}
	err = s.descendFrom(ctx, scope, r.CIDR, r.CIDR.Addr(), walk{
		visit: func(poolBlock) bool { return true },
		free:  func(g gap) { unheld = unheld || !g.around.is(&r.Resource) },
	})
	return unheld, err
}
