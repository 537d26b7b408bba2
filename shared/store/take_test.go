package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A request whose block lies too deep for one transaction loses one behind its first
// split. It goes on from there, and gets the CIDR that it was to get; so does the
// same request sent anew.
func TestDeepTakingThatIsInterrupted(t *testing.T) {
	keyed := func(l *poolEnv) store.Allocate {
		q := allocation(l.top, "deep", byLength(32))
		q.Tags = ipam.Tags{ipam.StableKeyTag: "key"}
		return q
	}
	for _, c := range []struct {
		name string
		ask  func(*poolEnv, *store.Store) (netip.Prefix, error)
	}{
		{"by a stable key", func(l *poolEnv, s *store.Store) (netip.Prefix, error) {
			a, err := s.Allocate(l.Context(), keyed(l))
			if err != nil {
				return netip.Prefix{}, err
			}
			return a.CIDR, nil
		}},
		{"by length", func(l *poolEnv, s *store.Store) (netip.Prefix, error) {
			a, err := s.Allocate(l.Context(), allocation(l.top, "deep", byLength(32)))
			if err != nil {
				return netip.Prefix{}, err
			}
			return a.CIDR, nil
		}},
		{"by CIDR", func(l *poolEnv, s *store.Store) (netip.Prefix, error) {
			a, err := s.Allocate(l.Context(), allocation(l.top, "deep", byCIDR("10.0.64.7/32")))
			if err != nil {
				return netip.Prefix{}, err
			}
			return a.CIDR, nil
		}},
		{"a pool's CIDR by length", func(l *poolEnv, s *store.Store) (netip.Prefix, error) {
			p, err := s.Provision(l.Context(), provision(l.child, "deep", "", 32))
			if err != nil {
				return netip.Prefix{}, err
			}
			return p.CIDR, nil
		}},
	} {
		for _, fault := range []error{table.ErrThrottled, table.ErrConflict, tabletest.ErrInjected} {
			for n := range 4 {
				for _, applied := range []bool{false, true} {
					if applied && errors.Is(fault, table.ErrConflict) {
						continue
					}
					t.Run(fmt.Sprintf("%s, %v in %d, applied %t", c.name, fault, n, applied), func(t *testing.T) {
						l := newPoolEnv(t)
						l.room = 5
						s := l.store(l.table)
						a := must(s.Allocate(t.Context(), allocation(l.top, "", byCIDR("10.0.64.7/32"))))(t)
						must(s.ModifyAllocation(t.Context(), a.AllocationID, func(a *ipam.Allocation) error {
							a.Tags = ipam.Tags{ipam.StableKeyTag: "key"}
							return nil
						}))(t)
						must(0, s.Release(t.Context(), release(a)))(t)
						want := must(c.ask(l, l.store(l.table.Clone())))(t)
						table := &tabletest.Faulty{Table: l.table, Inject: func(call tabletest.Call) *tabletest.Fault {
							if call.Kind == tabletest.Transact && call.N == n {
								return &tabletest.Fault{Err: fault, Applied: applied}
							}
							return nil
						}}
						if got := must(c.ask(l, l.store(table)))(t); got != want {
							t.Errorf("got %s, want %s", got, want)
						}
						l.fsck()
						if work := must(s.PendingWork(t.Context(), l.now.Add(time.Hour)))(t); slices.ContainsFunc(work, func(sk string) bool { return strings.HasPrefix(sk, "split#") }) {
							t.Errorf("space is split in vain: %q", work)
						}
					})
				}
			}
		}
	}
	t.Run("sent anew", func(t *testing.T) {
		l := newPoolEnv(t)
		l.room = 5
		s := l.store(l.table)
		q := keyed(l)
		q.Token.Value = "before"
		q.Request = byCIDR("10.0.64.7/32")
		must(0, s.Release(t.Context(), release(must(s.Allocate(t.Context(), q))(t))))(t)
		if _, err := l.store(&failing{Table: l.table, after: 2}).Allocate(t.Context(), keyed(l)); err == nil {
			t.Fatal("it was not interrupted")
		}
		if a := must(s.Allocate(t.Context(), keyed(l)))(t); a.CIDR != prefix("10.0.64.7/32") {
			t.Errorf("got %s", a.CIDR)
		}
		l.fsck()
	})
}
