package store

import (
	"context"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Shares are in the pool's own document, so that a reader of the pool needs no further
// read, and in a row under each principal, which lists the pools shared with it.

// PutShare shares a pool with a principal; a repetition succeeds. may says whether the
// caller may.
func (s *Store) PutShare(ctx context.Context, pool, principal string, may func(*ipam.Pool) error) error {
	return s.reshare(ctx, pool, may, func(_ attempt, p *ipam.Pool) ([]table.Write, error) {
		at, shared := slices.BinarySearch(p.Shares, principal)
		if shared {
			return nil, nil
		}
		if have := int64(len(p.Shares)); have >= s.o.Quotas.SharesPerPool {
			return nil, ipam.LimitExceeded("shares of pool "+p.ID, have, s.o.Quotas.SharesPerPool)
		}
		p.Shares = slices.Insert(p.Shares, at, principal)
		return []table.Write{{Op: table.OpPut, Key: items.SharedKey(principal, pool), Item: table.Item{items.AttrID: table.Str(pool)}, If: table.Cond{Absent: true}}}, nil
	})
}

// DeleteShare ends a pool's share with a principal. The principal's allocations stay.
func (s *Store) DeleteShare(ctx context.Context, pool, principal string, may func(*ipam.Pool) error) error {
	tried := false
	return s.reshare(ctx, pool, may, func(a attempt, p *ipam.Pool) ([]table.Write, error) {
		at, shared := slices.BinarySearch(p.Shares, principal)
		if !shared && a.outcomeUnknown && tried {
			return nil, nil
		}
		if !shared {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The pool %s is not shared with %s. DescribeIpamPoolShares lists its shares.", pool, principal)
		}
		tried = true
		p.Shares = slices.Delete(p.Shares, at, at+1)
		return []table.Write{{Op: table.OpDelete, Key: items.SharedKey(principal, pool), If: table.Cond{Present: true}}}, nil
	})
}

// reshare applies change, which returns the writes that go with the pool's; none if nothing
// changes. It refuses a pool that is being deleted.
func (s *Store) reshare(ctx context.Context, pool string, may func(*ipam.Pool) error, change func(attempt, *ipam.Pool) ([]table.Write, error)) error {
	seen := false
	return s.commit(ctx, "share "+pool, nil, func(a attempt) ([]table.Write, error) {
		p, err := readOne(ctx, s.Pools, pool)
		if err != nil {
			return deletedBefore(a, seen, err) // shares end with their pool
		}
		if err := may(p); err != nil {
			return nil, err
		}
		if err := p.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		seen = true
		rev := p.Rev
		writes, err := change(a, p)
		if err != nil || len(writes) == 0 {
			return nil, err
		}
		p.Rev++
		i := items.EncodePool(p)
		return append(writes, table.Write{
			Op:  table.OpUpdate,
			Key: items.PoolKey(pool),
			Set: table.Item{items.AttrObject: i[items.AttrObject], items.AttrRev: i[items.AttrRev]},
			If:  table.Cond{Equal: table.Item{items.AttrRev: table.Num(rev)}, In: map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)}},
		}), nil
	})
}

// endShares returns the writes that delete the rows of a pool's shares.
func endShares(p *ipam.Pool) []table.Write {
	var writes []table.Write
	for _, principal := range p.Shares {
		writes = append(writes, table.Write{Op: table.OpDelete, Key: items.SharedKey(principal, p.ID)})
	}
	return writes
}

// SharedAfter returns pools that are shared with a principal by ascending id, after the id
// after ("" begins), at most limit, and the id to go on from, "" at the end. A page that is
// short or empty may not be the last.
func (s *Store) SharedAfter(ctx context.Context, principal, after string, limit int) ([]*ipam.Pool, string, error) {
	return listAfter(ctx, s, items.SharedRows(principal), after, limit, s.Pools)
}

// ForeignAllocations returns the allocations that an account took out of a pool of another
// account, as [Store.Allocations] does. It reads rows of their own, so the account need not
// read the whole pool.
func (s *Store) ForeignAllocations(ctx context.Context, account, pool, after string, limit int) ([]*ipam.Allocation, string, error) {
	rows, next, err := s.table.Query(ctx, items.ForeignRows(account, pool).Page(after, limit))
	if err != nil || len(rows) == 0 {
		return nil, next, err
	}
	keys := make([]table.Key, len(rows))
	for i, r := range rows {
		keys[i] = items.ForeignTaken(pool, r)
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	allocations := make([]*ipam.Allocation, 0, len(rows))
	for i, r := range rows {
		taken, ok := read[keys[i]]
		if !ok || taken.Str(items.AttrAllocationID) != r.Item.Str(items.AttrAllocationID) {
			continue // released in between
		}
		t, err := items.DecodeTaken(table.Row{Key: keys[i], Item: taken})
		if err != nil {
			return nil, "", err
		}
		allocations = append(allocations, &ipam.Allocation{Taken: t, Pool: pool})
	}
	return allocations, next, nil
}
