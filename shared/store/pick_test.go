package store_test

import (
	"net/netip"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// A request with a stable key gets the CIDR of its account's last allocation with
// that key in the pool, if the CIDR is free and the request allows it. The pool
// gives 10.0.1.0/24 to a request without a key.
func TestStableKey(t *testing.T) {
	keyed := func(pool string, r ipam.AllocateRequest) store.Allocate {
		q := allocation(pool, "", r)
		q.Tags = ipam.Tags{ipam.StableKeyTag: "key"}
		return q
	}
	within := func(f ipam.Filter) ipam.AllocateRequest {
		r := byLength(24)
		r.Filter = f
		return r
	}
	for _, c := range []struct {
		name string
		do   func(*poolEnv, *store.Store) // between the release of 10.0.64.0/24 and the request
		ask  func(*poolEnv) store.Allocate
		want string
	}{
		{"the same again", nil, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.64.0/24"},
		{"the same by the pool's default", func(l *poolEnv, s *store.Store) {
			must(0, s.Release(l.Context(), release(must(s.Allocate(l.Context(), keyed(l.top, byCIDR("10.0.65.64/26"))))(l.T))))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, ipam.AllocateRequest{}) }, "10.0.65.64/26"},
		{"the last of several", func(l *poolEnv, s *store.Store) {
			must(s.Allocate(l.Context(), keyed(l.top, byCIDR("10.0.64.0/24"))))(l.T)
			must(0, s.Release(l.Context(), release(must(s.Allocate(l.Context(), keyed(l.top, byCIDR("10.0.66.0/24"))))(l.T))))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.66.0/24"},
		{"the last that was given the key", func(l *poolEnv, s *store.Store) {
			a := must(s.Allocate(l.Context(), allocation(l.top, "", byCIDR("10.0.66.0/24"))))(l.T)
			must(s.ModifyAllocation(l.Context(), a.AllocationID, func(a *ipam.Allocation) error {
				a.Tags = ipam.Tags{"k": "v", ipam.StableKeyTag: "key"}
				return nil
			}))(l.T)
			must(0, s.Release(l.Context(), release(a)))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.66.0/24"},
		{"one that was described has been given none", func(l *poolEnv, s *store.Store) {
			a := must(s.Allocate(l.Context(), keyed(l.top, byCIDR("10.0.66.0/24"))))(l.T)
			must(0, s.Release(l.Context(), release(must(s.Allocate(l.Context(), keyed(l.top, byCIDR("10.0.67.0/24"))))(l.T))))(l.T)
			must(s.ModifyAllocation(l.Context(), a.AllocationID, func(a *ipam.Allocation) error { a.Description = "new"; return nil }))(l.T)
			must(0, s.Release(l.Context(), release(a)))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.67.0/24"},
		{"a preview", nil, func(l *poolEnv) store.Allocate {
			q := keyed(l.top, byLength(24))
			q.Preview = true
			return q
		}, "10.0.64.0/24"},
		{"behind a preview of another", func(l *poolEnv, s *store.Store) {
			q := keyed(l.top, byCIDR("10.0.66.0/24"))
			q.Preview = true
			must(s.Allocate(l.Context(), q))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.64.0/24"},
		{"another key", nil, func(l *poolEnv) store.Allocate {
			q := keyed(l.top, byLength(24))
			q.Tags = ipam.Tags{ipam.StableKeyTag: "other"}
			return q
		}, "10.0.1.0/24"},
		{"another account", nil, func(l *poolEnv) store.Allocate {
			q := keyed(l.top, byLength(24))
			q.Token.Account = otherAccount
			return q
		}, "10.0.1.0/24"},
		{"another pool", nil, func(l *poolEnv) store.Allocate { return keyed(l.child, byLength(24)) }, "10.0.129.0/24"},
		{"another length", nil, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(25)) }, "10.0.160.128/25"},
		{"another CIDR", nil, func(l *poolEnv) store.Allocate { return keyed(l.top, byCIDR("10.0.67.0/24")) }, "10.0.67.0/24"},
		{"not allowed", nil, func(l *poolEnv) store.Allocate {
			return keyed(l.top, within(ipam.Filter{Allowed: []netip.Prefix{prefix("10.0.68.0/22")}}))
		}, "10.0.68.0/24"},
		{"disallowed", nil, func(l *poolEnv) store.Allocate {
			return keyed(l.top, within(ipam.Filter{Disallowed: []netip.Prefix{prefix("10.0.64.0/26")}}))
		}, "10.0.1.0/24"},
		{"taken in part", func(l *poolEnv, s *store.Store) {
			must(s.Allocate(l.Context(), allocation(l.top, "", byCIDR("10.0.64.128/32"))))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.1.0/24"},
		{"in a larger block that is taken", func(l *poolEnv, s *store.Store) {
			must(s.Allocate(l.Context(), allocation(l.top, "", byCIDR("10.0.64.0/20"))))(l.T)
		}, func(l *poolEnv) store.Allocate { return keyed(l.top, byLength(24)) }, "10.0.1.0/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newPoolEnv(t)
			s := l.store(l.table)
			must(0, s.Release(t.Context(), release(must(s.Allocate(t.Context(), keyed(l.top, byCIDR("10.0.64.0/24"))))(t))))(t)
			if c.do != nil {
				c.do(l, s)
			}
			if a := must(s.Allocate(t.Context(), c.ask(l)))(t); a.CIDR.String() != c.want {
				t.Errorf("got %s, want %s", a.CIDR, c.want)
			}
			l.fsck()
		})
	}
}
