package store

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"golang.org/x/sync/errgroup"
)

// Found returns what a discovery knows of one account in one Region, from
// behind the place that after names (an opaque text of an earlier call; "" for
// the first), as much as one answer of the table holds, at most limit (0: no
// limit of its own), and the text to go on from, "" at the end.
func (s *Store) Found(ctx context.Context, discovery, region, account, after string, limit int) ([]*ipam.Found, string, error) {
	return queryDecoded(ctx, s, items.FoundRows(discovery, region, account).Page(after, limit), items.DecodeFound)
}

// FoundOf returns what a discovery knows of a resource, all of its CIDRs, or of
// all resources of the type for the id "".
func (s *Store) FoundOf(ctx context.Context, discovery, region, account string, t ipam.ResourceType, id string) ([]*ipam.Found, error) {
	return collect(decoded(table.Rows(ctx, s.table, items.FoundRowsOf(discovery, region, account, t, id)), items.DecodeFound))
}

// FirstFound returns the first of what a discovery knows of resources of a type,
// as much as so many answers of the table hold.
func (s *Store) FirstFound(ctx context.Context, discovery, region, account string, t ipam.ResourceType, answers int) ([]*ipam.Found, error) {
	var all []*ipam.Found
	for rows, err := range table.Pages(ctx, s.table, items.FoundRowsOf(discovery, region, account, t, "")) {
		if err != nil {
			return nil, err
		}
		some, err := decodeAll(rows, items.DecodeFound)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if answers--; answers == 0 {
			break
		}
	}
	return all, nil
}

// Resources returns the resources' CIDRs of one family in a scope, interfaces
// excepted, in the order of [netip.Prefix.Compare], as Found does.
func (s *Store) Resources(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRows(scope, f, ipam.ResourceVPC).Page(after, limit), items.DecodeResource)
}

// ResourcesIn is Resources for what lies in a CIDR.
func (s *Store) ResourcesIn(ctx context.Context, scope string, cidr netip.Prefix, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRowsIn(scope, cidr).Page(after, limit), items.DecodeResource)
}

// Interfaces is Resources for interfaces' addresses.
func (s *Store) Interfaces(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRows(scope, f, ipam.ResourceInterface).Page(after, limit), items.DecodeResource)
}

// rowsIn yields the resources' CIDRs in region in their order, from behind
// after on, if that is valid.
func (s *Store) rowsIn(ctx context.Context, scope string, region, after netip.Prefix) iter.Seq2[*ipam.ResourceCIDR, error] {
	q := items.ResourceRowsIn(scope, region)
	if after.IsValid() {
		q = items.ResourceRowsBehind(scope, region, after)
	}
	return decoded(table.Rows(ctx, s.table, q), items.DecodeResource)
}

// Space in which resources live is never given to another. What keeps it from
// being given is a taken block: an allocation, or a hold. Whoever finds a
// resource first writes its row, and then looks at the blocks: it takes what is
// free as holds and marks each other block with a token, Seen. Whoever frees a
// block reads the block, and then the rows, and writes on the condition that the
// token is still the same. So of the two, whichever comes second sees the other.
//
// A hold that covers too much is safe, one that covers too little is not. So
// whatever is not simple goes through a hold of the whole: gather makes one, and
// shrink makes holds as small as what lives in them.

// Overlapping returns the resources' CIDRs in a scope that overlap p, in the
// order of [netip.Prefix.Compare]; what contains p comes first.
func (s *Store) Overlapping(ctx context.Context, scope string, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	rows, err := s.containers(ctx, scope, p)
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	for r, err := range s.rowsIn(ctx, scope, p, netip.Prefix{}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// containers returns the resources' CIDRs that are larger than p and contain it, the
// smallest first.
//
// In the order of keys, a CIDR is before all CIDRs that it contains. So the row that is
// last before a place is either the next larger container, or no container contains p
// and not that row too: then it contains the block that both have in common.
//
// Many resources may have one CIDR, as default VPCs do. The second of them shows that
// there are more, and one range query reads the rest.
func (s *Store) containers(ctx context.Context, scope string, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	if p.Bits() == 0 {
		return nil, nil
	}
	var found []*ipam.ResourceCIDR
	q := containersOf(scope, p)
	for {
		rows, _, err := queryDecoded(ctx, s, q, items.DecodeResource)
		if err != nil || len(rows) == 0 {
			return found, err
		}
		at := rows[0]
		if !ipam.Within(p, at.CIDR) {
			q = containersBehind(scope, p, at.CIDR)
			continue
		}
		again := len(found) > 0 && found[len(found)-1].CIDR == at.CIDR
		found = append(found, at)
		q.After = items.ResourceAfter(at)
		if !again {
			continue
		}
		rest, err := s.equalsBefore(ctx, scope, at.CIDR, q.After)
		if err != nil {
			return nil, err
		}
		if found = append(found, rest...); at.CIDR.Bits() == 0 {
			return found, nil
		}
		q = containersOf(scope, at.CIDR)
	}
}

// containersBehind returns the query for the last row at or before the smallest block
// that contains p and a row's CIDR, which does not contain p.
func containersBehind(scope string, p, row netip.Prefix) table.Query {
	common := p
	for !ipam.Within(row, common) {
		common = ipam.Parent(common)
	}
	return items.ResourceRowsThrough(scope, common).Last()
}

// containersOf returns the query for the last row that may contain p and is larger.
func containersOf(scope string, p netip.Prefix) table.Query {
	return items.ResourceRowsThrough(scope, ipam.Parent(p)).Last()
}

// equalsBefore returns the rows with a CIDR that are before a sort key, the last first.
func (s *Store) equalsBefore(ctx context.Context, scope string, cidr netip.Prefix, before string) (all []*ipam.ResourceCIDR, err error) {
	q := items.ResourceRowsOf(scope, cidr)
	q.Descending, q.After = true, before
	for {
		rows, next, err := queryDecoded(ctx, s, q, items.DecodeResource)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if q.After = next; next == "" {
			return all, nil
		}
	}
}

// outermost returns the largest CIDR of a resource that contains cidr, or cidr if none
// does. It reads one row of each CIDR on the way.
func (s *Store) outermost(ctx context.Context, scope string, cidr netip.Prefix) (netip.Prefix, error) {
	outer := cidr
	if cidr.Bits() == 0 {
		return outer, nil
	}
	for q := containersOf(scope, cidr); ; {
		rows, _, err := queryDecoded(ctx, s, q, items.DecodeResource)
		if err != nil || len(rows) == 0 {
			return outer, err
		}
		at := rows[0].CIDR
		if !ipam.Within(cidr, at) {
			q = containersBehind(scope, cidr, at)
			continue
		}
		if outer = at; at.Bits() == 0 {
			return outer, nil
		}
		q = containersOf(scope, at)
	}
}

// liveIn returns the CIDRs in a scope that overlap p and must not be given to
// another out of a pool that plans what around says.
func (s *Store) liveIn(ctx context.Context, scope string, around sourceCIDR, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	rows, err := s.Overlapping(ctx, scope, p)
	return slices.DeleteFunc(rows, func(r *ipam.ResourceCIDR) bool { return !r.Live() || around.matches(&r.Resource) }), err
}

// liveInPool is liveIn for a pool.
func (s *Store) liveInPool(ctx context.Context, pool *ipam.Pool, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	around, err := s.sourceAt(ctx, pool, p)
	if err != nil {
		return nil, err
	}
	return s.liveIn(ctx, pool.Scope, around, p)
}

func cidrOf(r *ipam.ResourceCIDR) netip.Prefix { return r.CIDR }

func cidrsOf(rows []*ipam.ResourceCIDR) []netip.Prefix {
	all := make([]netip.Prefix, len(rows))
	for i, r := range rows {
		all[i] = r.CIDR
	}
	return all
}

// stillLives returns the condition that goes with what is held for the resource with a
// row, errResourceGone if it does not hold. Whoever ends the row has the space follow; what
// came behind it would stay.
func (s *Store) stillLives(ctx context.Context, row table.Key) (table.Write, error) {
	read, err := s.table.BatchGet(ctx, []table.Key{row})
	if err == nil && (read[row] == nil || read[row].Num(items.AttrIgnored) != 0) {
		err = errResourceGone
	}
	return table.Write{Op: table.OpCheck, Key: row, If: table.Cond{Present: true, Missing: []string{items.AttrIgnored}}}, err
}

// errResourceGone says that the resource for which space was to be held is gone, or
// ignored.
var errResourceGone = errors.New("the resource is gone")

// inParallel works on nests until one fails.
func (s *Store) inParallel(ctx context.Context, all [][]*ipam.ResourceCIDR, work func(context.Context, []*ipam.ResourceCIDR) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.AtOnce)
	for _, nest := range all {
		g.Go(func() error {
			if err := ctx.Err(); err != nil { // another failed
				return err
			}
			return work(ctx, nest)
		})
	}
	return g.Wait()
}
