package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

// A table that goes on refusing ends in the error that says so, after Tries
// transactions (3, in the lab), and nothing is written.
func TestRetriesAreBounded(t *testing.T) {
	base := newLab(t)
	for name, c := range map[string]struct {
		kind         storetest.CallKind
		err          error
		want         ipam.Code // "" for an error that is no answer to the caller
		transactions int
	}{
		"conflicts":        {storetest.Transact, store.ErrConflict, ipam.CodeConcurrentMutationLimitExceeded, 3},
		"lost races":       {storetest.Transact, &store.ConditionError{Failed: []int{0}}, ipam.CodeConcurrentMutationLimitExceeded, 3},
		"throttles":        {storetest.Transact, store.ErrThrottled, ipam.CodeRequestLimitExceeded, 3},
		"unknown outcomes": {storetest.Transact, storetest.ErrInjected, "", 3},
		"throttled reads":  {storetest.Query, store.ErrThrottled, ipam.CodeRequestLimitExceeded, 0},
		"failing reads":    {storetest.Query, storetest.ErrInjected, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := base.with(base.table.Clone())
			l.T = t
			faulty := &storetest.Faulty{Table: l.table, Inject: func(call storetest.Call) *storetest.Fault {
				if call.Kind == c.kind {
					return &storetest.Fault{Err: c.err}
				}
				return nil
			}}
			_, err := l.store(faulty).Allocate(t.Context(), allocation(l.top, "n", byLength(24)))
			answer, ok := errors.AsType[*ipam.Error](err)
			if err == nil || ok != (c.want != "") || ok && answer.Code != c.want {
				t.Errorf("error %v, want code %q", err, c.want)
			}
			if c.want == "" && !errors.Is(err, c.err) {
				t.Errorf("error %v hides the cause", err)
			}
			n := 0
			for _, call := range faulty.Trace() {
				if call.Kind == storetest.Transact {
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
	l := newLab(t)
	before := l.table.Dump()
	calls := &storetest.Faulty{Table: l.table}
	if _, err := l.store(calls).Allocate(t.Context(), allocation(l.top, "n", byCIDR("10.0.0.0/25"))); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
		t.Errorf("error %v", err)
	}
	if trace := calls.Trace(); len(trace) != 3 || l.table.Dump() != before { // the holders, the block in the way, the record
		t.Errorf("calls %v", trace)
	}
}

// A wait between tries ends with the context, and its error tells both.
func TestWaitingEndsWithTheContext(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	faulty := &storetest.Faulty{Table: l.table, Inject: func(c storetest.Call) *storetest.Fault {
		if c.Kind == storetest.Transact {
			return &storetest.Fault{Err: store.ErrConflict, Then: cancel}
		}
		return nil
	}}
	// The store's own sleep, not the lab's.
	s := store.New(faulty, store.Options{Region: "us-east-1"})
	_, err := s.Allocate(ctx, allocation(l.top, "n", byLength(24)))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrConflict) {
		t.Errorf("error %v, want context.Canceled and the conflict", err)
	}
}
