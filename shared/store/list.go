package store

import (
	"context"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// IPAMsAfter returns IPAMs of an account by ascending id, from behind the id
// after ("" for the first), at most limit, and the id to go on from, "" at the
// end. A page may be short, or empty, and not be the last.
func (s *Store) IPAMsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.IPAM, string, error) {
	return listAfter(ctx, s, ownerPK(owner), "IPAM#", after, limit, s.IPAMs)
}

// ScopesAfter is IPAMsAfter for scopes.
func (s *Store) ScopesAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Scope, string, error) {
	return listAfter(ctx, s, ownerPK(owner), "SCOPE#", after, limit, s.Scopes)
}

// PoolsAfter is IPAMsAfter for pools.
func (s *Store) PoolsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Pool, string, error) {
	return listAfter(ctx, s, ownerPK(owner), poolPrefix, after, limit, s.Pools)
}

// listAfter returns the objects that rows of a partition list.
func listAfter[T any](ctx context.Context, s *Store, pk, prefix, after string, limit int, get func(context.Context, []string) ([]*T, error)) ([]*T, string, error) {
	q := Query{PK: pk, From: prefix, To: prefix + "~", Limit: limit}
	if after != "" {
		q.After = prefix + after
	}
	rows, next, err := s.table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.Item.str(attrID)
	}
	objects, err := get(ctx, ids)
	return objects, strings.TrimPrefix(next, prefix), err
}
