package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A table that goes on refusing ends in the error that says so, after Tries
// transactions (3, in the lab), and nothing is written.
func TestRetriesAreBounded(t *testing.T) {
	base := newLab(t)
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
	l := newLab(t)
	before := l.table.Dump()
	calls := &tabletest.Faulty{Table: l.table}
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
