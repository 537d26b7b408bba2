package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// listOwned returns the ids of an account's objects of a kind, ascending.
func (s *Store) listOwned(ctx context.Context, owner string, k items.ObjectKind) ([]string, error) {
	return collect(decoded(table.Rows(ctx, s.table, items.OwnedRows(owner, k)), listedID))
}

// listedID returns the id of the object that a row lists.
func listedID(r table.Row) (string, error) { return r.Item.Str(items.AttrID), nil }

// decoded yields the values that decode returns for rows. After an error it ends.
func decoded[T any](rows iter.Seq2[table.Row, error], decode func(table.Row) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for r, err := range rows {
			var v T
			if err == nil {
				v, err = decode(r)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// collect returns all values, or the error among them.
func collect[T any](values iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range values {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// readAll reads objects by id, in the order of ids, without those that do not exist.
func readAll[T any](ctx context.Context, s *Store, ids []string, key func(string) table.Key, decode func(table.Item) (*T, error)) ([]*T, error) {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	objects := make([]*T, 0, len(keys))
	for _, k := range keys {
		if item, ok := read[k]; ok {
			o, err := decode(item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// readOne reads one object. It returns a NotFound error if the object does not exist.
func readOne[T any](ctx context.Context, get func(context.Context, []string) ([]*T, error), id string) (*T, error) {
	found, err := get(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ipam.NotFound(id)
	}
	return found[0], nil
}

// queryDecoded makes one query.
func queryDecoded[T any](ctx context.Context, s *Store, q table.Query, decode func(table.Row) (*T, error)) ([]*T, string, error) {
	rows, next, err := s.table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	all, err := decodeAll(rows, decode)
	if err != nil {
		return nil, "", err
	}
	return all, next, nil
}

// decodeAll returns the values that decode returns for rows.
func decodeAll[T any](rows []table.Row, decode func(table.Row) (T, error)) ([]T, error) {
	all := make([]T, len(rows))
	for i, r := range rows {
		var err error
		if all[i], err = decode(r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// listAfter returns the objects that the rows of a query list, after the id after. The sort
// keys of the rows are the ids with the prefix q.From.
func listAfter[T any](ctx context.Context, s *Store, q table.Query, after string, limit int, get func(context.Context, []string) ([]*T, error)) ([]*T, string, error) {
	q.Limit = limit
	if after != "" {
		q.After = q.From + after
	}
	rows, next, err := s.table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.Item.Str(items.AttrID)
	}
	objects, err := get(ctx, ids)
	return objects, strings.TrimPrefix(next, q.From), err
}

// IPAMs returns the IPAMs with the given ids, in their order, without those that do not
// exist.
func (s *Store) IPAMs(ctx context.Context, ids []string) ([]*ipam.IPAM, error) {
	return readAll(ctx, s, ids, items.IPAMKey, items.DecodeIPAM)
}

// Scopes returns scopes as [Store.IPAMs] returns IPAMs.
func (s *Store) Scopes(ctx context.Context, ids []string) ([]*ipam.Scope, error) {
	return readAll(ctx, s, ids, items.ScopeKey, items.DecodeScope)
}

// Pools returns pools as [Store.IPAMs] returns IPAMs.
func (s *Store) Pools(ctx context.Context, ids []string) ([]*ipam.Pool, error) {
	return readAll(ctx, s, ids, items.PoolKey, items.DecodePool)
}

// OwnedScopes returns the scopes of an account, by ascending id.
func (s *Store) OwnedScopes(ctx context.Context, owner string) ([]*ipam.Scope, error) {
	ids, err := s.listOwned(ctx, owner, items.Scopes)
	if err != nil {
		return nil, err
	}
	return s.Scopes(ctx, ids)
}

// OwnedPools returns the pools of an account, by ascending id.
func (s *Store) OwnedPools(ctx context.Context, owner string) ([]*ipam.Pool, error) {
	ids, err := s.listOwned(ctx, owner, items.Pools)
	if err != nil {
		return nil, err
	}
	return s.Pools(ctx, ids)
}

// IPAMsAfter returns IPAMs of an account by ascending id, after the id after ("" begins),
// at most limit, and the id to go on from, "" at the end. A page that is short or empty may
// not be the last.
func (s *Store) IPAMsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.IPAM, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.IPAMs), after, limit, s.IPAMs)
}

// ScopesAfter returns a page of scopes, as [Store.IPAMsAfter] does of IPAMs.
func (s *Store) ScopesAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Scope, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.Scopes), after, limit, s.Scopes)
}

// PoolsAfter returns a page of pools, as [Store.IPAMsAfter] does of IPAMs.
func (s *Store) PoolsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Pool, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.Pools), after, limit, s.Pools)
}

// PoolCIDRs returns the CIDRs of a pool by ascending address, with those that were
// deprovisioned in the last hour.
func (s *Store) PoolCIDRs(ctx context.Context, pool string) ([]*ipam.PoolCIDR, error) {
	var cidrs []*ipam.PoolCIDR
	for r, err := range table.Rows(ctx, s.table, items.CIDRRows(pool)) {
		if err != nil {
			return nil, err
		}
		if table.Expired(r.Item, s.now()) {
			continue
		}
		c, err := items.DecodePoolCIDR(pool, r)
		if err != nil {
			return nil, err
		}
		cidrs = append(cidrs, c)
	}
	return cidrs, nil
}

// An associated resource discovery and IPAM refer to each other: the discovery has the
// IPAM's id, the IPAM has a count. One transaction changes both documents and the
// association, on the revisions that were read, so neither is deleted while the other is
// being associated with it.
//
// The CIDRs that the discovery found follow: the same transaction writes a work note, and
// [Store.RunWork] compares them with the IPAMs that the discovery has by then. So every
// change is the same work. It can stop and start again anywhere, and ends when nothing
// differs.

// Discoveries returns resource discoveries as [Store.IPAMs] returns IPAMs.
func (s *Store) Discoveries(ctx context.Context, ids []string) ([]*ipam.Discovery, error) {
	return readAll(ctx, s, ids, items.DiscoveryKey, items.DecodeDiscovery)
}

// DiscoveriesAfter returns a page of resource discoveries, as [Store.IPAMsAfter] does of
// IPAMs.
func (s *Store) DiscoveriesAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Discovery, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.Discoveries), after, limit, s.Discoveries)
}

// AllDiscoveries returns the resource discoveries of all accounts, by ascending
// id.
func (s *Store) AllDiscoveries(ctx context.Context) ([]*ipam.Discovery, error) {
	ids, err := collect(decoded(table.Rows(ctx, s.table, items.DiscoveryRows()), listedID))
	if err != nil {
		return nil, err
	}
	return s.Discoveries(ctx, ids)
}

// Associations returns associations of resource discoveries as [Store.IPAMs] returns IPAMs.
func (s *Store) Associations(ctx context.Context, ids []string) ([]*ipam.DiscoveryAssociation, error) {
	return readAll(ctx, s, ids, items.AssociationKey, items.DecodeAssociation)
}

// AssociationsAfter returns a page of associations of resource discoveries, as
// [Store.IPAMsAfter] does of IPAMs. An association belongs to its IPAM's owner.
func (s *Store) AssociationsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.DiscoveryAssociation, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.Associations), after, limit, s.Associations)
}

// associations returns all associations of an account's IPAMs.
func (s *Store) associations(ctx context.Context, owner string) ([]*ipam.DiscoveryAssociation, error) {
	ids, err := s.listOwned(ctx, owner, items.Associations)
	if err != nil {
		return nil, err
	}
	return s.Associations(ctx, ids)
}

// Resolvers returns prefix list resolvers as [Store.IPAMs] returns IPAMs.
func (s *Store) Resolvers(ctx context.Context, ids []string) ([]*ipam.PrefixListResolver, error) {
	return readAll(ctx, s, ids, items.ResolverKey, items.DecodeResolver)
}

// ResolversAfter returns a page of prefix list resolvers, as [Store.IPAMsAfter] does of
// IPAMs.
func (s *Store) ResolversAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.PrefixListResolver, string, error) {
	return listAfter(ctx, s, items.OwnedRows(owner, items.Resolvers), after, limit, s.Resolvers)
}

// AllResolvers returns the prefix list resolvers of all accounts, by ascending id.
func (s *Store) AllResolvers(ctx context.Context) ([]*ipam.PrefixListResolver, error) {
	ids, err := collect(decoded(table.Rows(ctx, s.table, items.ResolverRows()), listedID))
	if err != nil {
		return nil, err
	}
	return s.Resolvers(ctx, ids)
}

// ResolversOf returns the prefix list resolvers of an IPAM.
func (s *Store) ResolversOf(ctx context.Context, o *ipam.IPAM) ([]*ipam.PrefixListResolver, error) {
	ids, err := s.listOwned(ctx, o.Owner, items.Resolvers)
	if err != nil {
		return nil, err
	}
	all, err := s.Resolvers(ctx, ids)
	return slices.DeleteFunc(all, func(r *ipam.PrefixListResolver) bool { return r.IPAM != o.ID }), err
}
