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

// Found returns the CIDRs that a discovery found in one account and Region, after the place
// that after names (an opaque text of an earlier call; "" begins). It returns as many as one
// answer of the table holds, at most limit (0: no limit of its own), and the text to go on
// from, "" at the end.
func (s *Store) Found(ctx context.Context, discovery, region, account, after string, limit int) ([]*ipam.Found, string, error) {
	return queryDecoded(ctx, s, items.FoundRows(discovery, region, account).Page(after, limit), items.DecodeFound)
}

// FoundOf returns the CIDRs of a resource that a discovery found; for the id "", those of
// all resources of the type.
func (s *Store) FoundOf(ctx context.Context, discovery, region, account string, t ipam.ResourceType, id string) ([]*ipam.Found, error) {
	return collect(decoded(table.Rows(ctx, s.table, items.FoundRowsOf(discovery, region, account, t, id)), items.DecodeFound))
}

// FirstFound returns the first CIDRs of resources of a type that a discovery found, as many
// as the given number of answers of the table hold.
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

// Resources returns the resources' CIDRs of one family in a scope, without interfaces, in
// the order of [netip.Prefix.Compare]. It pages as [Store.Found] does.
func (s *Store) Resources(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRows(scope, f, ipam.ResourceVPC).Page(after, limit), items.DecodeResource)
}

// ResourcesIn returns the resources' CIDRs in a CIDR, as [Store.Resources] does.
func (s *Store) ResourcesIn(ctx context.Context, scope string, cidr netip.Prefix, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRowsIn(scope, cidr).Page(after, limit), items.DecodeResource)
}

// Interfaces returns the addresses of interfaces, as [Store.Resources] does CIDRs.
func (s *Store) Interfaces(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error) {
	return queryDecoded(ctx, s, items.ResourceRows(scope, f, ipam.ResourceInterface).Page(after, limit), items.DecodeResource)
}

// rowsIn yields the resources' CIDRs in region in their order, after the CIDR after if that
// is valid.
func (s *Store) rowsIn(ctx context.Context, scope string, region, after netip.Prefix) iter.Seq2[*ipam.ResourceCIDR, error] {
	q := items.ResourceRowsIn(scope, region)
	if after.IsValid() {
		q = items.ResourceRowsBehind(scope, region, after)
	}
	return decoded(table.Rows(ctx, s.table, q), items.DecodeResource)
}

// The space of live resources is never given to another owner, because a taken block
// covers it: an allocation, or a hold. A process that finds a resource writes the
// resource's row first, and then reads the blocks: it turns free space into holds, and
// marks each taken block with a token, Seen. A process that frees a block reads the block
// first, and then the rows, and its writes have the condition that the token is the same.
// So of the two, the one that comes second sees the other's write.
//
// A hold that covers too much is safe, and one that covers too little is not. So every
// difficult case goes through a hold of the whole: makeHold makes it, and shrinkHold
// shrinks it to the live CIDRs.

// Overlapping returns the resources' CIDRs in a scope that overlap p, in the order of
// [netip.Prefix.Compare]; those that contain p come first.
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
	for at, err := range s.containingCIDRs(ctx, scope, cidr) {
		if err != nil {
			return outer, err
		}
		outer = at
	}
	return outer, nil
}

// containingCIDRs yields the CIDRs of resources that are larger than cidr and contain it,
// the smallest first, each once. It reads one row of each CIDR on the way.
func (s *Store) containingCIDRs(ctx context.Context, scope string, cidr netip.Prefix) iter.Seq2[netip.Prefix, error] {
	return func(yield func(netip.Prefix, error) bool) {
		for inner := cidr; inner.Bits() > 0; {
			q := containersOf(scope, inner)
			for {
				rows, _, err := queryDecoded(ctx, s, q, items.DecodeResource)
				if err != nil {
					yield(netip.Prefix{}, err)
					return
				}
				if len(rows) == 0 {
					return
				}
				if at := rows[0].CIDR; !ipam.Within(cidr, at) {
					q = containersBehind(scope, cidr, at)
					continue
				} else if inner = at; !yield(at, nil) {
					return
				}
				break
			}
		}
	}
}

// liveIn returns the live CIDRs in a scope that overlap p, without the one that the pool
// plans, around.
func (s *Store) liveIn(ctx context.Context, scope string, around sourceCIDR, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	rows, err := s.Overlapping(ctx, scope, p)
	return slices.DeleteFunc(rows, func(r *ipam.ResourceCIDR) bool { return !r.Live() || around.matches(&r.Resource) }), err
}

// liveInPool is [Store.liveIn] for the space of a pool.
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

// stillLives returns the condition that the resource of a row is live; errResourceGone if
// it is not. It goes with each write that holds space for the resource: the deletion of the
// row frees the space, and space that is held after that would stay held.
func (s *Store) stillLives(ctx context.Context, row table.Key) (table.Write, error) {
	read, err := s.table.BatchGet(ctx, []table.Key{row})
	if err == nil && (read[row] == nil || read[row].Num(items.AttrIgnored) != 0) {
		err = errResourceGone
	}
	return table.Write{Op: table.OpCheck, Key: row, If: table.Cond{Present: true, Missing: []string{items.AttrIgnored}}}, err
}

// errResourceGone says that a resource is gone or ignored, so that no space is held for it.
var errResourceGone = errors.New("the resource is gone")

// inParallel works on groups of overlapping resources, until one fails.
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
