package store

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// A refusal reads at most maxOccupants taken blocks in each of at most maxOccupiedRanges
// ranges, and at most maxEqualRows rows of one CIDR. So a caller who repeats a refused
// request costs little, however full the pool is.
const (
	maxOccupants      = 1000
	maxOccupiedRanges = 3
	maxEqualRows      = 20
)

// fullSpace is a space without room for a wish.
type fullSpace struct {
	space    ipam.SpaceID
	scope    string     // of the pool; empty in a scope's space
	planning *ipam.Pool // the space's pool, if it is a resource planning pool
	want     ipam.Want
}

// occupants returns the users of the space of f that are in the way of its wish. Its reads
// are no snapshot: they serve a message, and no decision.
func (s *Store) occupants(ctx context.Context, f fullSpace) (ipam.Occupants, error) {
	taken, all, err := s.someTaken(ctx, f)
	if err != nil {
		return ipam.Occupants{}, err
	}
	in := ipam.Occupants{AtLeast: !all}
	var holds []netip.Prefix
	for _, b := range taken {
		switch {
		case b.Kind == ipam.KindHold:
			holds = append(holds, b.CIDR)
		case b.Kind == ipam.KindCustom:
			in.Custom = true
		case b.Kind == ipam.KindPool:
			in.Pools = true
		case b.Kind.OfResource():
			in.Resources = true
		}
	}
	slices.SortFunc(holds, func(a, b netip.Prefix) int { return cmp.Or(a.Bits()-b.Bits(), a.Compare(b)) })
	for reads := 0; len(holds) > 0 && reads < ipam.MaxNamedResources; reads++ {
		r, err := s.liveResourceOf(ctx, f, holds[0])
		if err != nil {
			return in, err
		}
		if holds = holds[1:]; r == nil {
			continue // the hold goes soon
		}
		in.Live = append(in.Live, r)
		holds = slices.DeleteFunc(holds, func(h netip.Prefix) bool { return ipam.Within(h, r.CIDR) })
	}
	in.More = len(holds)
	return in, nil
}

// someTaken returns taken blocks in the way of the wish of f, and whether these are all.
func (s *Store) someTaken(ctx context.Context, f fullSpace) (taken []ipam.Taken, all bool, err error) {
	queries := []table.Query{items.TakenRows(f.space)}
	if allowed := f.want.Filter.Allowed; 0 < len(allowed) && len(allowed) <= maxOccupiedRanges {
		queries = nil
		for _, p := range allowed {
			around, ok, err := s.blocker(ctx, f.space, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
			if err != nil {
				return nil, false, err
			}
			if ok {
				taken = append(taken, around)
			}
			queries = append(queries, items.TakenRowsIn(f.space, p, p.Addr()))
		}
	}
	all = true
	for _, q := range queries {
		rows, next, err := s.table.Query(ctx, q.Page("", maxOccupants))
		if err != nil {
			return nil, false, err
		}
		some, err := decodeAll(rows, items.DecodeTaken)
		if err != nil {
			return nil, false, err
		}
		taken, all = append(taken, some...), all && next == ""
	}
	seen := map[netip.Prefix]bool{}
	taken = slices.DeleteFunc(taken, func(b ipam.Taken) bool {
		if seen[b.CIDR] || !f.want.Blocks(b.CIDR) {
			return true
		}
		seen[b.CIDR] = true
		return false
	})
	return taken, all, nil
}

// liveResourceOf returns the largest live resource that needs a hold in the space of f, and
// nil if none does. Of resources with one CIDR it prefers a VPC.
func (s *Store) liveResourceOf(ctx context.Context, f fullSpace, hold netip.Prefix) (*ipam.Resource, error) {
	around, err := s.sourceAt(ctx, f.planning, hold)
	if err != nil {
		return nil, err
	}
	var levels []netip.Prefix
	for at, err := range s.containingCIDRs(ctx, f.scope, hold) {
		if err != nil {
			return nil, err
		}
		levels = append(levels, at)
	}
	slices.Reverse(levels)
	queries := make([]table.Query, 0, len(levels)+1)
	for _, at := range levels {
		queries = append(queries, items.ResourceRowsOf(f.scope, at))
	}
	for _, q := range append(queries, items.ResourceRowsIn(f.scope, hold)) {
		rows, _, err := queryDecoded(ctx, s, q.Page("", maxEqualRows), items.DecodeResource)
		if err != nil {
			return nil, err
		}
		var first *ipam.ResourceCIDR
		for _, r := range rows {
			switch {
			case !r.Live() || around.matches(&r.Resource):
			case first == nil, r.CIDR == first.CIDR && r.Type == ipam.ResourceVPC && first.Type != ipam.ResourceVPC:
				first = r
			}
		}
		if first != nil {
			return &first.Resource, nil
		}
	}
	return nil, nil
}
