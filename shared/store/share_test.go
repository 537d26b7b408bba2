package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/google/go-cmp/cmp"
)

// overtaken is a table on which something happens right before the first
// transaction.
type overtaken struct {
	table.Table
	by func()
}

func (o *overtaken) Transact(ctx context.Context, writes []table.Write) error {
	if by := o.by; by != nil {
		o.by = nil
		by()
	}
	return o.Table.Transact(ctx, writes)
}

// A change of a pool's shares between the read and the write of another request is
// not lost, and does not outlive the pool.
func TestSharesOvertaken(t *testing.T) {
	const second = "777788889999"
	put := func(principal string) func(context.Context, *poolEnv, *store.Store) error {
		return func(ctx context.Context, l *poolEnv, s *store.Store) error {
			return s.PutShare(ctx, l.empty, principal, anyPool)
		}
	}
	remove := func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.DeletePool(ctx, l.empty, false, anyPool)
		return err
	}
	end := func(ctx context.Context, l *poolEnv, s *store.Store) error {
		return s.DeleteShare(ctx, l.empty, otherAccount, anyPool)
	}
	describe := func(ctx context.Context, l *poolEnv, s *store.Store) error {
		_, err := s.ModifyPool(ctx, l.empty, ipam.ActModify, func(p *ipam.Pool) error { p.Description = "new"; return nil })
		return err
	}
	for _, c := range []struct {
		name      string
		first, by func(context.Context, *poolEnv, *store.Store) error
		code      ipam.Code // of the first
		shares    []string  // of the pool in the end
	}{
		{"a share by a share", put(second), put("000000000000"), "", []string{"000000000000", otherAccount, second}},
		{"a share by the same share", put(second), put(second), "", []string{otherAccount, second}},
		{"a share by the end of another", put(second), end, "", []string{second}},
		{"a share by a description", put(second), describe, "", []string{otherAccount, second}},
		{"a description by a share", describe, put(second), "", []string{otherAccount, second}},
		{"the end of a share by its end", end, end, ipam.CodeInvalidParameterValue, nil},
		{"a deletion by a share", remove, put(second), "", nil},
		{"a share by a deletion", put(second), remove, ipam.CodeInvalidPoolIDNotFound, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newPoolEnv(t)
			shared(l)
			table := &overtaken{Table: l.table, by: func() { must(0, c.by(t.Context(), l, l.store(l.table)))(t) }}
			if err := c.first(t.Context(), l, l.store(table)); ipam.CodeOf(err) != c.code {
				t.Fatalf("%v, want the code %q", err, c.code)
			}
			var shares []string
			for _, p := range must(l.store(l.table).Pools(t.Context(), []string{l.empty}))(t) {
				shares = p.Shares
			}
			if diff := cmp.Diff(c.shares, shares); diff != "" && len(c.shares)+len(shares) > 0 {
				t.Errorf("the pool's shares (-want +got):\n%s", diff)
			}
			l.fsck()
		})
	}
}

// An allocation that is released while it is listed is left out, and so is the
// allocation that took its place.
func TestForeignAllocationReleasedWhileListed(t *testing.T) {
	for name, next := range map[string]func(*poolEnv){
		"free then": func(*poolEnv) {},
		"taken by another": func(l *poolEnv) {
			must(l.store(l.table).Allocate(l.Context(), allocation(l.top, "other", byCIDR(l.guests.CIDR.String()))))(l.T)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPoolEnv(t)
			visited(l)
			table := &tornQuery{Table: l.table, then: func() {
				must(0, l.store(l.table).Release(t.Context(), release(l.guests)))(t)
				next(l)
			}}
			found, _, err := l.store(table).ForeignAllocations(t.Context(), otherAccount, l.top, "", 10)
			if err != nil || len(found) > 0 {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

// tornQuery is a table on which something happens right behind the first query.
type tornQuery struct {
	table.Table
	then func()
}

func (q *tornQuery) Query(ctx context.Context, query table.Query) ([]table.Row, string, error) {
	rows, next, err := q.Table.Query(ctx, query)
	if then := q.then; then != nil {
		q.then = nil
		then()
	}
	return rows, next, err
}

// lostThen is a table whose first transaction is applied and its answer lost,
// and then something happens.
type lostThen struct {
	table.Table
	then func()
}

func (l *lostThen) Transact(ctx context.Context, writes []table.Write) error {
	err := l.Table.Transact(ctx, writes)
	if then := l.then; then != nil && err == nil {
		l.then = nil
		then()
		return errors.New("lost")
	}
	return err
}

// A request about a share whose answer was lost is done, although its pool is
// gone when it looks.
func TestShareWhoseAnswerIsLostBeforeThePoolIsDeleted(t *testing.T) {
	for name, do := range map[string]func(context.Context, *store.Store, string) error{
		"put": func(ctx context.Context, s *store.Store, pool string) error {
			return s.PutShare(ctx, pool, "777788889999", anyPool)
		},
		"delete": func(ctx context.Context, s *store.Store, pool string) error {
			return s.DeleteShare(ctx, pool, otherAccount, anyPool)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPoolEnv(t)
			shared(l)
			table := &lostThen{Table: l.table, then: func() {
				must(l.store(l.table).DeletePool(t.Context(), l.empty, false, anyPool))(t)
			}}
			if err := do(t.Context(), l.store(table), l.empty); err != nil {
				t.Error(err)
			}
			l.fsck()
		})
	}
}
