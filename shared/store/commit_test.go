package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
)

// A table that goes on refusing ends in the error that says so, after Tries
// transactions (3, in the lab), and nothing is written.
func TestRetriesAreBounded(t *testing.T) {
	base := newPoolEnv(t)
	for name, c := range map[string]struct {
		kind         tabletest.CallKind
		err          error
		want         ipam.Code // "" for an error that is no answer to the caller
		transactions int
	}{
		"conflicts":        {tabletest.Transact, table.ErrConflict, ipam.CodeConcurrentMutationLimitExceeded, 3},
		"lost races":       {tabletest.Transact, &table.ConditionError{Failed: []int{0}}, ipam.CodeConcurrentMutationLimitExceeded, 3},
		"throttles":        {tabletest.Transact, table.ErrThrottled, ipam.CodeRequestLimitExceeded, 3},
		"unknown outcomes": {tabletest.Transact, tabletest.ErrInjected, ipam.CodeOutcomeUnknown, 3},
		"throttled reads":  {tabletest.Query, table.ErrThrottled, ipam.CodeRequestLimitExceeded, 0},
		"failing reads":    {tabletest.Query, tabletest.ErrInjected, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := base.with(base.table.Clone())
			l.T = t
			faulty := &tabletest.Faulty{Table: l.table, Inject: func(call tabletest.Call) *tabletest.Fault {
				if call.Kind == c.kind {
					return &tabletest.Fault{Err: c.err}
				}
				return nil
			}}
			_, err := l.store(faulty).Allocate(t.Context(), allocation(l.top, "n", byLength(24)))
			answer, ok := errors.AsType[*ipam.Error](err)
			if err == nil || ok != (c.want != "") || ok && answer.Code != c.want {
				t.Errorf("error %v, want code %q", err, c.want)
			}
			if (c.want == "" || c.want == ipam.CodeOutcomeUnknown) && !errors.Is(err, c.err) {
				t.Errorf("error %v hides the cause", err)
			}
			n := 0
			for _, call := range faulty.Trace() {
				if call.Kind == tabletest.Transact {
					n++
				}
			}
			if n != c.transactions {
				t.Errorf("%d transactions, want %d", n, c.transactions)
			}
			if l.table.Dump() != base.table.Dump() {
				t.Error("the table has changed")
			}
		})
	}
}

// A refusal is final: it is not tried again, and nothing is written.
func TestRefusalsAreNotRetried(t *testing.T) {
	l := newPoolEnv(t)
	before := l.table.Dump()
	calls := &tabletest.Faulty{Table: l.table}
	if _, err := l.store(calls).Allocate(t.Context(), allocation(l.top, "n", byCIDR("10.0.0.0/25"))); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
		t.Errorf("error %v", err)
	}
	if trace := calls.Trace(); len(trace) != 3 || l.table.Dump() != before { // the holders, the block in the way, the record
		t.Errorf("calls %v", trace)
	}
}

// A wait between tries ends with the context, and its error wraps both causes.
func TestWaitingEndsWithTheContext(t *testing.T) {
	l := newPoolEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	faulty := &tabletest.Faulty{Table: l.table, Inject: func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.Transact {
			return &tabletest.Fault{Err: table.ErrConflict, Then: cancel}
		}
		return nil
	}}
	// The store's own sleep, not the lab's.
	s := store.New(faulty, store.Options{Region: "us-east-1"})
	_, err := s.Allocate(ctx, allocation(l.top, "n", byLength(24)))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, table.ErrConflict) {
		t.Errorf("error %v, want context.Canceled and the conflict", err)
	}
}

// The answer of a request's transaction is lost, and before the request reads
// the outcome, others act on the items that it wrote. The transaction was
// carried out, so the request succeeds, and does not run it a second time.
func TestOthersActWhileAnAnswerIsLost(t *testing.T) {
	reprovision := func(pool, cidr string) func(*poolEnv, *store.Store) error {
		return func(l *poolEnv, s *store.Store) error {
			_, err := s.Provision(l.Context(), provision(pool, "again", cidr, 0))
			return err
		}
	}
	deletePool := func(l *poolEnv, s *store.Store) error {
		if _, err := s.DeletePool(l.Context(), l.full, true, anyPool); err != nil {
			return err
		}
		return s.RunWork(l.Context(), "delete-pool#"+l.full)
	}
	fill := func(l *poolEnv) *ipam.Allocation {
		return must(l.store(l.table).Allocate(l.Context(), allocation(l.full, "fill", byLength(28))))(l.T)
	}
	l := newPoolEnv(t)
	held := fill(l)
	for _, c := range []struct {
		name      string
		do        func(context.Context, *poolEnv, *store.Store) (any, error)
		meanwhile func(*poolEnv, *store.Store) error
		check     func(*poolEnv, *store.Store, any)
	}{
		{
			name:      "deprovision, and the CIDR is provisioned again",
			do:        deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.child, "10.0.144.0/20") }),
			meanwhile: reprovision(l.child, "10.0.144.0/20"),
			check: func(l *poolEnv, s *store.Store, answer any) {
				if state := answer.(*ipam.PoolCIDR).State; state != ipam.CIDRDeprovisioned {
					l.Errorf("the answer is %s", state)
				}
				for _, c := range must(s.PoolCIDRs(l.Context(), l.child))(l.T) {
					if c.State != ipam.CIDRProvisioned {
						l.Errorf("%s, which another provisioned, is %s", c.CIDR, c.State)
					}
				}
			},
		},
		{
			name: "deprovision, and another pool is provisioned with the CIDR",
			do:   deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.child, "10.0.144.0/20") }),
			meanwhile: func(l *poolEnv, s *store.Store) error {
				return reprovision(l.empty, "10.0.144.0/20")(l, s)
			},
		},
		{
			name: "deprovision, and the pool is deleted",
			do:   deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.child, "10.0.144.0/20") }),
			meanwhile: func(l *poolEnv, s *store.Store) error {
				if _, err := s.DeletePool(l.Context(), l.child, true, anyPool); err != nil {
					return err
				}
				return s.RunWork(l.Context(), "delete-pool#"+l.child)
			},
		},
		{
			name:      "deprovision of a CIDR in use, and the pool is deleted",
			do:        deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.full, "10.0.160.0/28") }),
			meanwhile: deletePool,
			check: func(l *poolEnv, _ *store.Store, answer any) {
				if state := answer.(*ipam.PoolCIDR).State; state != ipam.CIDRFailedDeprovision {
					l.Errorf("the answer is %s", state)
				}
			},
		},
		{
			name:      "release, and the pool is deleted",
			do:        releasing(func(*poolEnv) store.Release { return release(held) }),
			meanwhile: deletePool,
		},
		{
			name: "release, and another takes the block",
			do:   releasing(func(*poolEnv) store.Release { return release(held) }),
			meanwhile: func(l *poolEnv, s *store.Store) error {
				_, err := s.Allocate(l.Context(), allocation(l.full, "next", byLength(28)))
				return err
			},
			check: func(l *poolEnv, s *store.Store, _ any) {
				if found, _, err := s.Allocations(l.Context(), l.full, "", 0); err != nil || len(found) != 1 {
					l.Errorf("allocations %v, %v; want the other's", found, err)
				}
			},
		},
		{
			name: "allocate, and the allocation is released",
			do:   allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", byCIDR("10.0.64.0/24")) }),
			meanwhile: func(l *poolEnv, s *store.Store) error {
				for _, a := range must(s.AllocationsByID(l.Context(), []string{must(s.Allocate(l.Context(), allocation(l.top, "n", byCIDR("10.0.64.0/24"))))(l.T).AllocationID}))(l.T) {
					if err := s.Release(l.Context(), release(a)); err != nil {
						return err
					}
				}
				return nil
			},
			check: func(l *poolEnv, s *store.Store, answer any) {
				if found := must(s.AllocationsByID(l.Context(), []string{answer.(*ipam.Allocation).AllocationID}))(l.T); len(found) != 0 {
					l.Errorf("the released allocation is there again: %v", found)
				}
			},
		},
		{
			name:      "allocate, and the pool is deleted",
			do:        allocating(func(l *poolEnv) store.Allocate { return allocation(l.child, "n", byLength(24)) }),
			meanwhile: func(l *poolEnv, s *store.Store) error { cascade(l); l.work(); return nil },
		},
		{
			name: "provision, and the CIDR is deprovisioned",
			do:   provisioning(func(l *poolEnv) store.Provision { return provision(l.empty, "n", "10.0.192.0/20", 0) }),
			meanwhile: func(l *poolEnv, s *store.Store) error {
				_, err := s.Deprovision(l.Context(), deprovision(l.empty, "10.0.192.0/20"))
				return err
			},
			check: func(l *poolEnv, s *store.Store, _ any) {
				for _, c := range must(s.PoolCIDRs(l.Context(), l.empty))(l.T) {
					if c.State != ipam.CIDRDeprovisioned {
						l.Errorf("%s, which another deprovisioned, is %s", c.CIDR, c.State)
					}
				}
			},
		},
		{
			name: "add a Region that must be new",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.ModifyIPAM(ctx, l.ipam, ipam.ActModify, func(o *ipam.IPAM) error {
					if slices.Contains(o.OperatingRegions, "eu-west-1") {
						return ipam.Errorf(ipam.CodeInvalidParameterValue, "The Region is there already.")
					}
					o.OperatingRegions = append(slices.Clone(o.OperatingRegions), "eu-west-1")
					return nil
				})
			},
			meanwhile: func(l *poolEnv, s *store.Store) error { // counts a revision
				_, err := s.CreatePool(l.Context(), token("CreateIpamPool", "n"), ipam.Pool{Scope: l.second, Family: ipam.IPv4}, buildPool)
				return err
			},
		},
		{
			name: "modify a pool, and its deletion begins",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.ModifyPool(ctx, l.full, ipam.ActModify, func(o *ipam.Pool) error { o.Description = "new"; return nil })
			},
			meanwhile: func(l *poolEnv, s *store.Store) error {
				_, err := s.DeletePool(l.Context(), l.full, true, anyPool)
				return err
			},
		},
		{
			name: "modify a pool, and it is deleted",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.ModifyPool(ctx, l.full, ipam.ActModify, func(o *ipam.Pool) error { o.Description = "new"; return nil })
			},
			meanwhile: deletePool,
		},
		{
			name: "modify an allocation, and it is released",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.ModifyAllocation(ctx, held.AllocationID, func(o *ipam.Allocation) error { o.Description = "new"; return nil })
			},
			meanwhile: func(l *poolEnv, s *store.Store) error { return s.Release(l.Context(), release(held)) },
		},
		{
			name: "modify an allocation in a way that is refused twice",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.ModifyAllocation(ctx, held.AllocationID, func(o *ipam.Allocation) error {
					if o.Description == "new" {
						return ipam.Errorf(ipam.CodeInvalidParameterValue, "It is so already.")
					}
					o.Description = "new"
					return nil
				})
			},
		},
		{
			name: "begin to delete a pool, and it is deleted",
			do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				return s.DeletePool(ctx, l.full, true, anyPool)
			},
			meanwhile: func(l *poolEnv, s *store.Store) error { return s.RunWork(l.Context(), "delete-pool#"+l.full) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := l.with(l.table.Clone())
			l.T = t
			others := l.store(l.table)
			lost := false
			faulty := &tabletest.Faulty{Table: l.table, Inject: func(call tabletest.Call) *tabletest.Fault {
				if call.Kind != tabletest.Transact || lost {
					return nil
				}
				lost = true
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: true, Then: func() {
					if c.meanwhile != nil {
						if err := c.meanwhile(l, others); err != nil {
							t.Fatalf("the others: %v", err)
						}
					}
				}}
			}}
			answer, err := c.do(t.Context(), l, l.store(faulty))
			if !lost {
				t.Fatal("the operation made no transaction")
			}
			if err != nil {
				t.Errorf("the transaction was carried out, and the answer is %v", err)
			} else if c.check != nil {
				c.check(l, others, answer)
			}
			l.work()
			l.fsck()
		})
	}
}

// A deep split that a request left, and that the reconciler gives back, is
// gone for good: neither space nor notes remain.
func TestAbandonedSplitsAreGivenBack(t *testing.T) {
	base := newPoolEnv(t)
	base.room = 5
	deep := allocation(base.top, "deep", byCIDR("10.0.64.7/32"))
	calls := &tabletest.Faulty{Table: base.table.Clone()}
	must(base.store(calls).Allocate(t.Context(), deep))(t)
	steps := 0
	for _, c := range calls.Trace() {
		if c.Kind == tabletest.Transact {
			steps++
		}
	}
	if steps < 4 {
		t.Fatalf("the allocation took %d transactions; the test wants a deep one", steps)
	}
	for step := 1; step < steps; step++ {
		l := base.with(base.table.Clone())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := l.store(&tabletest.Faulty{Table: l.table, Inject: func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == tabletest.Transact && c.N == step { // the process ends here
				return &tabletest.Fault{Err: context.Canceled, Then: cancel}
			}
			return nil
		}})
		if _, err := s.Allocate(ctx, deep); err == nil {
			t.Fatalf("step %d: the allocation was made", step)
		}
		l.fsck()
		if l.table.Dump() == base.table.Dump() {
			t.Fatalf("step %d: nothing was left to be given back", step)
		}
		l.work()
		l.fsck()
		if have, want := l.table.Dump(), base.table.Dump(); have != want {
			t.Errorf("step %d: after the work the table is\n%swant\n%s", step, have, want)
		}
	}
}

// inTurn makes one call of a table at a time.
type inTurn struct {
	table.Table
	mu sync.Mutex
}

func (q *inTurn) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.Table.BatchGet(ctx, keys)
}

func (q *inTurn) Query(ctx context.Context, query table.Query) ([]table.Row, string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.Table.Query(ctx, query)
}

// A request is sent a second time while the first is under way: the whole
// second one runs before any one of the first one's reads of single items, or
// before its commit. Both get the same answer, and the request is carried out
// once.
func TestARequestIsSentTwiceAtOnce(t *testing.T) {
	base := newPoolEnv(t)
	for n, op := range operations {
		if op.again != "" || op.free {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			l := base.with(base.table.Clone())
			l.T = t
			if op.prepare != nil {
				op.prepare(l)
			}
			want := op.good(l)
			first, every := callsTried(n)
			for at := first; ; at += every {
				l := l.with(l.table.Clone())
				l.T = t
				var second outcome
				ran, step := false, 0
				hook := func() {
					if !ran && step == at {
						ran = true
						second = op.run(t.Context(), l, &inTurn{Table: l.table})
					}
					step++
				}
				l.table.OnRead = func(context.Context, table.Key) { hook() }
				l.table.OnCommit = func(context.Context, []table.Write) { hook() }
				first := op.run(t.Context(), l, &inTurn{Table: l.table})
				l.table.OnRead, l.table.OnCommit = nil, nil
				if !ran {
					return // at is past the last step
				}
				if first.err != nil || first.answer != want.first.answer || second.answer != want.first.answer {
					t.Errorf("step %d: the answers are %q, %v and %q, %v; want %q", at, first.answer, first.err, second.answer, second.err, want.first.answer)
				}
				l.work()
				l.fsck()
				if diff := cmp.Diff(want.table, plain(l.table.Dump())); diff != "" {
					t.Errorf("step %d: the table differs from the table after two requests in sequence (-want +have):\n%s", at, diff)
				}
			}
		})
	}
}
