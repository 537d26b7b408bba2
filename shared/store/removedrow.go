package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
)

// A row that is removed from among many with its CIDR, or from under many with one larger
// CIDR, concerns no other row: two of them that stay, of different groups, are live there
// and overlap each other. They are witnesses, as a new row has them; see newrow.go.
// Each row that overlapped the removed one overlaps both of them, and is of another group
// than one of them. So it overlaps still, and the space is still live. The witnesses are
// read after the row is removed. So of several rows that are removed at once, the last one
// reads no other one of them.
//
// Only a row that names the removed one as the one that it overlaps keeps a wrong name, until
// the next scan of the scope; see [Store.EvaluateAll]. Among few rows, whose number
// Options.Equals limits, Reconcile does it at once.

// leavesOthers reports whether a removed row has no effect on other rows and allocations.
func (s *Store) leavesOthers(ctx context.Context, n changedRow) (bool, error) {
	stay, err := s.manyStay(ctx, n.scope, n.of.CIDR)
	if err != nil || !stay {
		return false, err
	}
	affects := false
	var pools []string // with holds there
	err = s.visitBlocks(ctx, n.scope, n.of.CIDR, n.of.CIDR.Addr(), func(b poolBlock) bool {
		affects = b.PlanningPool != "" || b.CIDR == n.of.CIDR && b.Kind == ipam.KindCustom || b.Kind == n.of.Type.Kind() && b.ResourceID == n.of.ID
		if b.Kind == ipam.KindHold && !slices.Contains(pools, string(b.space)) {
			pools = append(pools, string(b.space))
		}
		return !affects
	})
	switch {
	case affects:
		return false, nil
	case err != nil:
		return false, err
	}
	imports, err := s.anyImports(ctx, pools)
	return !imports, err
}

// manyStay reports whether more than Options.Equals rows have the CIDR p, or one around
// it, and two of the first of them are witnesses.
func (s *Store) manyStay(ctx context.Context, scope string, p netip.Prefix) (bool, error) {
	stay, err := s.manyHave(ctx, scope, p)
	if err != nil || stay {
		return stay, err
	}
	for around, err := range s.containingCIDRs(ctx, scope, p) {
		if err != nil {
			return false, err
		}
		if stay, err := s.manyHave(ctx, scope, around); err != nil || stay {
			return stay, err
		}
	}
	return false, nil
}

// manyHave is manyStay for the rows with exactly one CIDR.
func (s *Store) manyHave(ctx context.Context, scope string, cidr netip.Prefix) (bool, error) {
	rows, _, err := queryDecoded(ctx, s, items.ResourceRowsOf(scope, cidr).Page("", s.o.Equals+1), items.DecodeResource)
	if err != nil || len(rows) <= s.o.Equals {
		return false, err
	}
	return witnessesAmong(rows) != nil, nil
}
