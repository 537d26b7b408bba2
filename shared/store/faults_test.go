package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
)

// lab is a table with a small organisation on it, and stores on it that are
// deterministic: equal acts on equal tables write equal items.
type poolEnv struct {
	*testing.T
	table *tabletest.Memory
	now   time.Time
	room  int
	ipams int64 // quota

	discoveries, associations int64 // quotas, if not 0

	ipam, scope, second string // an IPAM, its private scope, a scope without pools
	top                 string // pool with 10.0.0.0/16: allocations of 10.0.0.0/24 and 10.0.3.0/24, default length 26
	child               string // pool in top with 10.0.128.0/20 and 10.0.144.0/20, of which one has an allocation
	empty               string // pool in top without CIDRs
	full                string // pool in top with 10.0.160.0/28 and nothing in it
	alloc               *ipam.Allocation
	inChild             *ipam.Allocation
	guests              *ipam.Allocation // another account's in top, once visited

	resolver string // once resolving: it selects the CIDRs of pools, and has a version

	other, discovery, association string // once watched: a bare IPAM, a discovery that looked at two accounts, and its association with that
}

func (l *poolEnv) store(table table.Table) *store.Store { return store.New(table, l.options()) }

func (l *poolEnv) options() store.Options {
	quotas := ipam.DefaultQuotas()
	quotas.IPAMs = l.ipams
	quotas.Discoveries = max(quotas.Discoveries, l.discoveries)
	quotas.AssociationsPerIPAM = max(quotas.AssociationsPerIPAM, l.associations)
	ids := 0
	return store.Options{
		Region: "us-east-1",
		Quotas: &quotas,
		Now:    func() time.Time { return l.now },
		Pick:   func(int) int { return 0 },
		NewID:  func() string { ids++; return fmt.Sprint("id ", ids) },
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Tries:  3,
		Room:   l.room,
	}
}

// with returns the lab with another table.
func (l *poolEnv) with(table *tabletest.Memory) *poolEnv {
	c := *l
	c.table = table
	return &c
}

func token(op, value string) store.Token {
	return store.Token{Account: ownerAccount, Operation: op, Value: value, Digest: "d"}
}

func anyPool(*ipam.Pool) error { return nil }

func buildPool(_ *ipam.IPAM, _ *ipam.Scope, _ *ipam.Pool, o *ipam.Pool) error { return nil }

func allocation(pool, value string, r ipam.AllocateRequest) store.Allocate {
	return store.Allocate{Token: token("AllocateIpamPoolCidr", value), Pool: pool, Request: r, Description: "d", Tags: ipam.Tags{"k": "v"}, May: anyPool}
}

func byLength(n int) ipam.AllocateRequest     { return ipam.AllocateRequest{Length: &n} }
func byCIDR(cidr string) ipam.AllocateRequest { return ipam.AllocateRequest{CIDR: prefix(cidr)} }
func prefix(cidr string) netip.Prefix         { return netip.MustParsePrefix(cidr) }

func release(a *ipam.Allocation) store.Release {
	return store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }}
}

func provision(pool, value, cidr string, length int) store.Provision {
	q := store.Provision{Token: token("ProvisionIpamPoolCidr", value), Pool: pool, Length: length, May: anyPool, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
	if cidr != "" {
		q.CIDR = prefix(cidr)
	}
	return q
}

func deprovision(pool, cidr string) store.Deprovision {
	return store.Deprovision{Pool: pool, CIDR: prefix(cidr), May: anyPool}
}

func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func newPoolEnv(t *testing.T) *poolEnv {
	l := &poolEnv{T: t, table: &tabletest.Memory{}, now: time.Unix(1_800_000_000, 0).UTC(), ipams: 3}
	ctx := t.Context()
	s := l.store(l.table)
	above := must(s.CreateIPAM(ctx, token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t)
	l.ipam, l.scope = above.ID, above.PrivateScope
	l.second = must(s.CreateScope(ctx, token("CreateIpamScope", "1"), ipam.Scope{IPAM: l.ipam}, func(*ipam.IPAM) error { return nil }))(t).ID
	pool := func(value, source string, rules ipam.Rules) string {
		return must(s.CreatePool(ctx, token("CreateIpamPool", value), ipam.Pool{Scope: l.scope, SourcePool: source, Family: ipam.IPv4, Rules: rules}, buildPool))(t).ID
	}
	usual := 26
	l.top = pool("top", "", ipam.Rules{Default: &usual})
	must(s.Provision(ctx, provision(l.top, "top", "10.0.0.0/16", 0)))(t)
	l.child, l.empty, l.full = pool("child", l.top, ipam.Rules{}), pool("empty", l.top, ipam.Rules{}), pool("full", l.top, ipam.Rules{})
	must(s.Provision(ctx, provision(l.child, "child 1", "10.0.128.0/20", 0)))(t)
	must(s.Provision(ctx, provision(l.child, "child 2", "10.0.144.0/20", 0)))(t)
	must(s.Provision(ctx, provision(l.full, "full", "10.0.160.0/28", 0)))(t)
	must(s.Allocate(ctx, allocation(l.top, "0", byCIDR("10.0.0.0/24"))))(t)
	l.alloc = must(s.Allocate(ctx, allocation(l.top, "3", byCIDR("10.0.3.0/24"))))(t)
	l.inChild = must(s.Allocate(ctx, allocation(l.child, "child", byCIDR("10.0.128.0/24"))))(t)
	return l
}

// work runs all pending work, as the schedule does once every deadline passed.
func (l *poolEnv) work() {
	l.Helper()
	later := l.with(l.table)
	later.now = l.now.Add(10 * time.Minute)
	s := later.store(l.table)
	done := map[string]bool{}
	for range 2 { // some leaves further work
		for _, sk := range must(s.PendingWork(l.Context(), later.now.Add(time.Second)))(l.T) {
			if done[sk] {
				continue
			}
			done[sk] = true
			if err := s.RunWork(l.Context(), sk); err != nil {
				l.Errorf("work %s: %v", sk, err)
			}
		}
	}
}

func (l *poolEnv) fsck() {
	l.Helper()
	fscktest.Clean(l.T, l.table, l.now)
}

// operation is a request to a store, prepared on a poolEnv.
type operation struct {
	name    string
	prepare func(*poolEnv) // on the table, before the operation; may be nil
	do      func(context.Context, *poolEnv, *store.Store) (any, error)
	// again is the code of the error that the same request is answered with
	// once it was carried out; without one, the first answer is repeated.
	again ipam.Code
	// free says that a request that has to decide again may choose other
	// space than without a fault.
	free bool
}

func allocating(q func(*poolEnv) store.Allocate) func(context.Context, *poolEnv, *store.Store) (any, error) {
	return func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.Allocate(ctx, q(l)) }
}

func provisioning(q func(*poolEnv) store.Provision) func(context.Context, *poolEnv, *store.Store) (any, error) {
	return func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.Provision(ctx, q(l)) }
}

func releasing(q func(*poolEnv) store.Release) func(context.Context, *poolEnv, *store.Store) (any, error) {
	return func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return nil, s.Release(ctx, q(l)) }
}

func deprovisioning(q func(*poolEnv) store.Deprovision) func(context.Context, *poolEnv, *store.Store) (any, error) {
	return func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.Deprovision(ctx, q(l)) }
}

// shallow makes transactions small, so that the operation needs several.
func shallow(l *poolEnv) { l.room = 5 }

// shared shares two pools.
func shared(l *poolEnv) {
	for _, pool := range []string{l.empty, l.top} {
		must(0, l.store(l.table).PutShare(l.Context(), pool, otherAccount, anyPool))(l.T)
	}
}

// byGuest is another account's request for a /27.
func byGuest(pool, value string) store.Allocate {
	q := allocation(pool, value, byLength(27))
	q.Token.Account = otherAccount
	return q
}

// visited has another account allocate.
func visited(l *poolEnv) {
	l.guests = must(l.store(l.table).Allocate(l.Context(), byGuest(l.top, "guest")))(l.T)
}

func resolverOf(l *poolEnv, rules ...ipam.ResolverRule) ipam.PrefixListResolver {
	return ipam.PrefixListResolver{IPAM: l.ipam, Family: ipam.IPv4, Rules: append(rules, ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: l.scope})}
}

// resolving creates a prefix list resolver with a version.
func resolving(l *poolEnv) {
	l.resolver = must(l.store(l.table).CreateResolver(l.Context(), token("CreateIpamPrefixListResolver", "1"), resolverOf(l), anyIPAM))(l.T).ID
	l.work()
}

// selecting changes the rules of the resolver.
func selecting(l *poolEnv) {
	resolving(l)
	shallow(l)
	must(l.store(l.table).ModifyResolver(l.Context(), l.resolver, ipam.ActModify, selectMore))(l.T)
}

func selectMore(o *ipam.PrefixListResolver) error {
	o.Rules = append(o.Rules[:len(o.Rules):len(o.Rules)], static("192.0.2.0/24"), static("192.0.2.0/25"), static("192.0.2.128/25"))
	return nil
}

// reselecting provisions and deprovisions CIDRs that the resolver selects.
func reselecting(l *poolEnv) {
	resolving(l)
	s := l.store(l.table)
	must(s.Provision(l.Context(), provision(l.child, "more", "10.0.176.0/20", 0)))(l.T)
	must(s.Deprovision(l.Context(), store.Deprovision{Pool: l.full, CIDR: netip.MustParsePrefix("10.0.160.0/28"), May: anyPool}))(l.T)
	must(0, noteBoth(l.Context(), l, s))(l.T)
	shallow(l)
}

func noteBoth(ctx context.Context, l *poolEnv, s *store.Store) error {
	return s.NoteMembers(ctx, store.Member{Resolver: l.resolver, CIDR: netip.MustParsePrefix("10.0.176.0/20")}, store.Member{Resolver: l.resolver, CIDR: netip.MustParsePrefix("10.0.160.0/28")})
}

// reselected has selected them.
func reselected(l *poolEnv) {
	reselecting(l)
	must(0, l.store(l.table).RunWork(l.Context(), "member#"+l.resolver+"#10.0.176.0/20"))(l.T)
}

func mayIPAM(*ipam.IPAM, []*ipam.Pool) error { return nil }

// cascade begins the deletion of the top pool.
func cascade(l *poolEnv) {
	must(l.store(l.table).DeletePool(l.Context(), l.top, true, anyPool))(l.T)
}

func cascadeIPAM(l *poolEnv) {
	must(l.store(l.table).DeleteIPAM(l.Context(), l.ipam, true, mayIPAM))(l.T)
}

// bare ends all pools and the second scope.
func bare(l *poolEnv) {
	cascade(l)
	l.work()
	must(l.store(l.table).DeleteScope(l.Context(), l.second, func(*ipam.Scope) error { return nil }))(l.T)
}

var operations = []operation{
	{name: "allocate by length", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", byLength(27)) })},
	{name: "allocate by length that fits", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", byLength(24)) })},
	{name: "allocate by CIDR", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", byCIDR("10.0.64.0/26")) })},
	{name: "allocate by the pool's default", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", ipam.AllocateRequest{}) })},
	{name: "allocate within the allowed CIDRs", do: allocating(func(l *poolEnv) store.Allocate {
		r := byLength(28)
		r.Filter = ipam.Filter{Allowed: []netip.Prefix{prefix("10.0.64.0/18")}, Disallowed: []netip.Prefix{prefix("10.0.64.0/24")}}
		return allocation(l.top, "n", r)
	})},
	{name: "allocate the last block", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.full, "n", byLength(28)) })},
	{name: "allocate the last block by CIDR", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.full, "n", byCIDR("10.0.160.0/28")) })},
	{name: "allocate deep by CIDR", prepare: shallow, do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "n", byCIDR("10.0.64.7/32")) })},
	{name: "allocate deep by length", prepare: shallow, free: true, do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.child, "n", byLength(32)) })},
	{name: "allocate without a token", do: allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "", byLength(27)) })},
	{name: "preview", do: allocating(func(l *poolEnv) store.Allocate {
		q := allocation(l.top, "n", byLength(27))
		q.Preview = true
		return q
	})},
	{
		name:    "allocate with the token of a released allocation",
		prepare: func(l *poolEnv) { must(0, l.store(l.table).Release(l.Context(), release(l.alloc)))(l.T) },
		do:      allocating(func(l *poolEnv) store.Allocate { return allocation(l.top, "3", byCIDR("10.0.3.0/24")) }),
	},
	{name: "release", do: releasing(func(l *poolEnv) store.Release { return release(l.alloc) })},
	{name: "release that merges to the root", do: releasing(func(l *poolEnv) store.Release { return release(l.inChild) })},
	{name: "release deep", prepare: shallow, do: releasing(func(l *poolEnv) store.Release { return release(l.inChild) })},
	{name: "provision to the top by CIDR", do: provisioning(func(l *poolEnv) store.Provision { return provision(l.top, "n", "10.2.0.0/16", 0) })},
	{name: "provision to the top by length", do: provisioning(func(l *poolEnv) store.Provision { return provision(l.top, "n", "", 20) })},
	{name: "provision by CIDR", do: provisioning(func(l *poolEnv) store.Provision { return provision(l.empty, "n", "10.0.192.0/20", 0) })},
	{name: "provision by length", do: provisioning(func(l *poolEnv) store.Provision { return provision(l.empty, "n", "", 22) })},
	{name: "provision deep", prepare: shallow, do: provisioning(func(l *poolEnv) store.Provision { return provision(l.empty, "n", "10.0.192.0/28", 0) })},
	{
		name: "provision with the token of a deprovisioned CIDR",
		prepare: func(l *poolEnv) {
			must(l.store(l.table).Deprovision(l.Context(), deprovision(l.child, "10.0.144.0/20")))(l.T)
		},
		do: provisioning(func(l *poolEnv) store.Provision { return provision(l.child, "child 2", "10.0.144.0/20", 0) }),
	},
	{name: "deprovision", again: ipam.CodeIncorrectState, do: deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.child, "10.0.144.0/20") })},
	{name: "deprovision deep", prepare: shallow, again: ipam.CodeIncorrectState, do: deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.full, "10.0.160.0/28") })},
	{name: "deprovision of a CIDR in use", do: deprovisioning(func(l *poolEnv) store.Deprovision { return deprovision(l.child, "10.0.128.0/20") })},
	{name: "create an IPAM", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateIPAM(ctx, token("CreateIpam", "n"), ipam.IPAM{Meta: ipam.Meta{Owner: "444455556666"}})
	}},
	{name: "create another IPAM", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateIPAM(ctx, token("CreateIpam", "n"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount, Tags: ipam.Tags{"k": "v"}}})
	}},
	{name: "create the last IPAM that the quota admits", prepare: func(l *poolEnv) { l.ipams = 2 }, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateIPAM(ctx, token("CreateIpam", "n"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}})
	}},
	{name: "create a scope", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateScope(ctx, token("CreateIpamScope", "n"), ipam.Scope{IPAM: l.ipam}, func(*ipam.IPAM) error { return nil })
	}},
	{name: "create a pool at the top", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreatePool(ctx, token("CreateIpamPool", "n"), ipam.Pool{Scope: l.second, Family: ipam.IPv6}, buildPool)
	}},
	{name: "create a pool in a pool", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreatePool(ctx, token("CreateIpamPool", "n"), ipam.Pool{Scope: l.scope, SourcePool: l.top, Family: ipam.IPv4}, buildPool)
	}},
	{name: "modify an IPAM", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyIPAM(ctx, l.ipam, ipam.ActModify, func(o *ipam.IPAM) error { o.Description = "new"; return nil })
	}},
	{name: "modify a scope", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyScope(ctx, l.scope, ipam.ActModify, func(o *ipam.Scope) error { o.Description = "new"; return nil })
	}},
	{name: "tag a pool", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyPool(ctx, l.top, ipam.ActUse, func(o *ipam.Pool) error { o.Tags = ipam.Tags{"new": "v"}; return nil })
	}},
	{name: "modify an allocation", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyAllocation(ctx, l.alloc.AllocationID, func(o *ipam.Allocation) error {
			o.Description, o.Tags = "", ipam.Tags{"new": "v"}
			return nil
		})
	}},
	{name: "delete a scope", again: ipam.CodeInvalidScopeIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteScope(ctx, l.second, func(*ipam.Scope) error { return nil })
	}},
	{name: "delete a pool", again: ipam.CodeInvalidPoolIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeletePool(ctx, l.empty, false, anyPool)
	}},
	{name: "begin to delete a pool", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeletePool(ctx, l.top, true, anyPool)
	}},
	{name: "delete an IPAM", prepare: bare, again: ipam.CodeInvalidIpamIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteIPAM(ctx, l.ipam, false, mayIPAM)
	}},
	{name: "begin to delete an IPAM", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteIPAM(ctx, l.ipam, true, mayIPAM)
	}},
	{name: "finish the deletion of a pool", prepare: cascade, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "delete-pool#"+l.top)
	}},
	{name: "finish the deletion of a pool in small steps", prepare: func(l *poolEnv) { cascade(l); shallow(l) }, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "delete-pool#"+l.top)
	}},
	{name: "finish the deletion of an IPAM", prepare: cascadeIPAM, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "delete-ipam#"+l.ipam)
	}},
	{name: "share a pool", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.PutShare(ctx, l.top, otherAccount, anyPool)
	}},
	{name: "end a share", prepare: shared, again: ipam.CodeInvalidParameterValue, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.DeleteShare(ctx, l.empty, otherAccount, anyPool)
	}},
	{name: "delete a shared pool", prepare: shared, again: ipam.CodeInvalidPoolIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeletePool(ctx, l.empty, false, anyPool)
	}},
	{name: "allocate from another's pool", do: allocating(func(l *poolEnv) store.Allocate { return byGuest(l.top, "n") })},
	{name: "allocate deep from another's pool", prepare: shallow, free: true, do: allocating(func(l *poolEnv) store.Allocate {
		q := byGuest(l.child, "n")
		q.Request = byLength(32)
		return q
	})},
	{name: "release to another's pool", prepare: visited, do: releasing(func(l *poolEnv) store.Release { return release(l.guests) })},
	{name: "release deep to another's pool", prepare: func(l *poolEnv) { visited(l); shallow(l) }, do: releasing(func(l *poolEnv) store.Release { return release(l.guests) })},
	{name: "finish the deletion of a shared pool", prepare: func(l *poolEnv) { visited(l); shared(l); cascade(l) }, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "delete-pool#"+l.top)
	}},
	{name: "list shared pools", prepare: shared, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.SharedAfter(ctx, otherAccount, "", 1)
		return []any{found, next}, err
	}},
	{name: "list allocations in another's pool", prepare: visited, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.ForeignAllocations(ctx, otherAccount, l.top, "", 1)
		return []any{found, next}, err
	}},
	{name: "put grants", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.PutGrants(ctx, []byte(`{"readers":["*"]}`))
	}},
	{name: "declare the administrator", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.PutAdministrator(ctx, labAdministrator)
	}},
	{name: "declare another administrator", prepare: declared, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.PutAdministrator(ctx, store.Administrator{Account: otherAccount})
	}},
	{name: "end the administrator", prepare: declared, again: ipam.CodeAccountNotRegistered, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.DeleteAdministrator(ctx, ownerAccount)
	}},
	{name: "administrator", prepare: declared, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.Administrator(ctx) }},
	{name: "grants", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.Grants(ctx) }},
	{name: "list scopes", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.OwnedScopes(ctx, ownerAccount)
	}},
	{name: "list pools", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.OwnedPools(ctx, ownerAccount)
	}},
	{name: "list CIDRs", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.PoolCIDRs(ctx, l.child) }},
	{name: "list allocations", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.Allocations(ctx, l.top, "", 3)
		return []any{found, next}, err
	}},
	{name: "allocations by id", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.AllocationsByID(ctx, []string{l.alloc.AllocationID, l.inChild.AllocationID})
	}},
	{name: "create a discovery", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateDiscovery(ctx, token("CreateIpamResourceDiscovery", "n"), discoveryOf(otherAccount))
	}},
	{name: "create the first discovery of an account with an IPAM", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateDiscovery(ctx, token("CreateIpamResourceDiscovery", "n"), discoveryOf(ownerAccount))
	}},
	{name: "create a further discovery", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateDiscovery(ctx, token("CreateIpamResourceDiscovery", "n"), discoveryOf(ownerAccount))
	}},
	{name: "modify a discovery", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyDiscovery(ctx, l.discovery, ipam.ActModify, func(o *ipam.Discovery) error { o.Exclusions = []string{"x"}; return nil })
	}},
	{name: "tag an association", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyAssociation(ctx, l.association, ipam.ActUse, func(o *ipam.DiscoveryAssociation) error { o.Tags = ipam.Tags{"new": "v"}; return nil })
	}},
	{name: "delete a discovery", prepare: watched, again: ipam.CodeInvalidDiscoveryIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteDiscovery(ctx, l.discovery, func(*ipam.Discovery) error { return nil })
	}},
	{name: "associate", prepare: apart, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.Associate(ctx, token("AssociateIpamResourceDiscovery", "n"), ipam.DiscoveryAssociation{IPAM: l.other, Discovery: l.discovery}, mayAssociate)
	}},
	{name: "disassociate", prepare: watched, again: ipam.CodeInvalidAssociationIDNotFound, do: disassociating},
	{name: "disassociate from a deleted discovery", prepare: unwatched, again: ipam.CodeInvalidAssociationIDNotFound, do: disassociating},
	{name: "delete an IPAM with associations", prepare: watched, again: ipam.CodeInvalidIpamIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteIPAM(ctx, l.other, false, mayIPAM)
	}},
	{name: "delete an IPAM with an association with a deleted discovery", prepare: unwatched, again: ipam.CodeInvalidIpamIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteIPAM(ctx, l.other, false, mayIPAM)
	}},
	{name: "save an account", prepare: watched, do: saving(200)},
	{name: "save the first run of an account", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-west-2", Account: ownerAccount, Attempted: 1})
	}},
	{name: "save an account of a discovery that is gone", prepare: purged, do: saving(200)},
	{name: "save that an account has left", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.SaveDiscoveredAccount(ctx, gone(l))
	}},
	{name: "save that an account is back", prepare: left, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{Discovery: l.discovery, Region: "us-east-1", Account: otherAccount})
	}},
	{name: "forget an account that left", prepare: left, do: forgetting},
	{name: "finish forgetting an account", prepare: forgotten, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "purge#"+l.discovery+"#us-east-1#"+otherAccount)
	}},
	{name: "finish the end of a discovery", prepare: unwatched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "purge#"+l.discovery)
	}},
	{name: "finish an association", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "purge#"+l.discovery)
	}},
	{name: "list discoveries", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.DiscoveriesAfter(ctx, ownerAccount, "", 1)
		return []any{found, next}, err
	}},
	{name: "list all discoveries", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.AllDiscoveries(ctx) }},
	{name: "list associations", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.AssociationsAfter(ctx, ownerAccount, "", 1)
		return []any{found, next}, err
	}},
	{name: "list accounts", prepare: watched, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.DiscoveredAccounts(ctx, l.discovery, "", "", 1)
		return []any{found, next}, err
	}},
	{name: "create a prefix list resolver", do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.CreateResolver(ctx, token("CreateIpamPrefixListResolver", "n"), resolverOf(l), anyIPAM)
	}},
	{name: "change the rules of a resolver", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyResolver(ctx, l.resolver, ipam.ActModify, func(o *ipam.PrefixListResolver) error {
			o.Rules = []ipam.ResolverRule{static("192.0.2.0/24")}
			return nil
		})
	}},
	{name: "tag a resolver", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.ModifyResolver(ctx, l.resolver, ipam.ActUse, func(o *ipam.PrefixListResolver) error { o.Tags = ipam.Tags{"new": "v"}; return nil })
	}},
	{name: "delete a resolver", prepare: resolving, again: ipam.CodeInvalidResolverIDNotFound, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.DeleteResolver(ctx, l.resolver, anyResolver)
	}},
	{name: "finish the deletion of a resolver", prepare: func(l *poolEnv) {
		reselected(l)
		must(l.store(l.table).DeleteResolver(l.Context(), l.resolver, anyResolver))(l.T)
	}, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "select#"+l.resolver)
	}},
	{name: "note CIDRs of a resolver", prepare: reselecting, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, noteBoth(ctx, l, s)
	}},
	{name: "finish the selection of all CIDRs", prepare: selecting, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "select#"+l.resolver)
	}},
	{name: "finish the selection of changed CIDRs", prepare: reselecting, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "member#"+l.resolver+"#10.0.176.0/20")
	}},
	{name: "finish a version", prepare: reselected, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "version#"+l.resolver)
	}},
	{name: "finish the deletion of an IPAM with a resolver", prepare: func(l *poolEnv) {
		resolving(l)
		must(l.store(l.table).DeleteIPAM(l.Context(), l.ipam, true, mayIPAM))(l.T)
	}, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return nil, s.RunWork(ctx, "delete-ipam#"+l.ipam)
	}},
	{name: "list resolvers", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.ResolversAfter(ctx, ownerAccount, "", 1)
		return []any{found, next}, err
	}},
	{name: "list all resolvers", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) { return s.AllResolvers(ctx) }},
	{name: "list versions", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		found, next, err := s.VersionsAfter(ctx, l.resolver, 0, 1)
		return []any{found, next}, err
	}},
	{name: "version", prepare: resolving, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.Version(ctx, l.resolver, 1)
	}},
	{name: "pending work", prepare: cascade, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
		return s.PendingWork(ctx, l.now.Add(time.Hour))
	}},
}

// revisions are how often an object was modified, which a repeated request
// that sets the same again counts, and the tokens of work notes, which are new with each
// try.
var revisions = regexp.MustCompile(`(\bChanges=|\bRev=|\\?"Rev\\?":|\bToken="id )\d+`)

func plain(text string) string { return revisions.ReplaceAllString(text, "${1}n") }

func answer(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return plain(string(doc))
}

// outcome is the result of an operation: its answer, or the code of its error.
type outcome struct {
	answer string
	code   ipam.Code
	err    error
}

func (op operation) run(ctx context.Context, l *poolEnv, table table.Table) outcome {
	v, err := op.do(ctx, l, l.store(table))
	if err != nil {
		o := outcome{err: err}
		if e, ok := errors.AsType[*ipam.Error](err); ok {
			o.code = e.Code
		}
		return o
	}
	return outcome{answer: answer(v)}
}

// good is an operation's run without faults.
type good struct {
	first, second outcome
	trace         []tabletest.Call
	table         string // after both runs and the work that they left
}

func (op operation) good(l *poolEnv) good {
	l.Helper()
	l = l.with(l.table.Clone())
	calls := &tabletest.Faulty{Table: l.table}
	g := good{first: op.run(l.Context(), l, calls), trace: calls.Trace()}
	if g.first.err != nil {
		l.Fatalf("without a fault: %v", g.first.err)
	}
	g.second = op.run(l.Context(), l, l.table)
	if g.second.code != op.again || op.again == "" && g.second.answer != g.first.answer {
		l.Fatalf("a second request: %q, %v; want %q %s", g.second.answer, g.second.err, g.first.answer, op.again)
	}
	l.work()
	l.fsck()
	g.table = plain(l.table.Dump())
	return g
}

// scheme is one way in which calls go wrong.
type scheme struct {
	name   string
	inject func(tabletest.Call) *tabletest.Fault
	// heals says that the operation itself must get over it.
	heals bool
	// unknown says that, if the operation fails, it may have been carried out, and must
	// say so. Work that nobody waits for, "finish …", does not say so: it is run again.
	unknown bool
}

// schemes are the faults at one call of a good run. cancel ends the context of
// the operation.
func schemes(at tabletest.Call, cancel func()) []scheme {
	once := func(f *tabletest.Fault) func(tabletest.Call) *tabletest.Fault {
		return func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == at.Kind && c.N == at.N {
				return f
			}
			return nil
		}
	}
	all := []scheme{
		{name: "fails", inject: once(&tabletest.Fault{Err: tabletest.ErrInjected}), heals: at.Kind == tabletest.Transact},
		{name: "is throttled", inject: once(&tabletest.Fault{Err: table.ErrThrottled}), heals: at.Kind == tabletest.Transact},
		{name: "the context ends before it", inject: once(&tabletest.Fault{Err: context.Canceled, Then: cancel})},
	}
	if at.Kind != tabletest.Transact {
		return all
	}
	var mu sync.Mutex // reads are made side by side
	hit, reads := false, 0
	// then answers each call after the first fault with err.
	then := func(err error) func(tabletest.Call) *tabletest.Fault {
		return func(c tabletest.Call) *tabletest.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case hit:
				return &tabletest.Fault{Err: err}
			case c.Kind == at.Kind && c.N == at.N:
				hit = true
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: true}
			}
			return nil
		}
	}
	return append(all,
		scheme{name: "conflicts", inject: once(&tabletest.Fault{Err: table.ErrConflict}), heals: true},
		scheme{name: "its answer is lost", inject: once(&tabletest.Fault{Err: tabletest.ErrInjected, Applied: true}), heals: true},
		scheme{name: "the context ends after it", inject: once(&tabletest.Fault{Err: context.Canceled, Applied: true, Then: cancel}), unknown: true},
		scheme{name: "its answer is lost and the table throttles from then on", inject: then(table.ErrThrottled), unknown: true},
		scheme{name: "its answer is lost and the table fails from then on", inject: then(tabletest.ErrInjected), unknown: true},
		scheme{heals: true, name: "its answer is lost and the next reads fail", inject: func(c tabletest.Call) *tabletest.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case c.Kind == at.Kind && c.N == at.N:
				hit = true
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: true}
			case hit && c.Kind != tabletest.Transact && reads < 2:
				reads++
				return &tabletest.Fault{Err: tabletest.ErrInjected}
			}
			return nil
		}},
		scheme{heals: true, name: "it and all after it lose their answers", inject: func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == tabletest.Transact && c.N >= at.N {
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: true}
			}
			return nil
		}},
	)
}

// For every call of every operation and everything that may go wrong with it:
// the operation gets over it by itself where the table can be reached again,
// or says no more than that something failed; the same request, sent again,
// is answered as if nothing had gone wrong; and in the end the table is the
// same, with nothing leaked and nothing doubled.
func TestFaultsAtEveryCall(t *testing.T) {
	base := newPoolEnv(t)
	base.fsck()
	for n, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			l := base.with(base.table.Clone())
			l.T = t
			if op.prepare != nil {
				op.prepare(l)
			}
			want := op.good(l)
			runs := 0
			first, every := callsTried(n)
			for i := first; i < len(want.trace); i += every {
				at := want.trace[i]
				for n := range schemes(at, nil) {
					runs++
					ctx, cancel := context.WithCancel(t.Context())
					s := schemes(at, cancel)[n]
					t.Run(fmt.Sprintf("%d %s %s", i, at, s.name), func(t *testing.T) {
						l := l.with(l.table.Clone())
						l.T = t
						op.suffer(ctx, l, s, want)
					})
					cancel()
				}
			}
			t.Logf("%d faults at %d calls", runs, len(want.trace))
		})
	}
}

// callsTried returns which calls of an act a test tries: the number of the first, and
// the distance to the next. With -short it tries one in four, and other ones of each act.
func callsTried(act int) (first, every int) {
	if testing.Short() {
		return act % 4, 4
	}
	return 0, 1
}

// sized returns the size of a test: full, or less with -short.
func sized(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

func (op operation) suffer(ctx context.Context, l *poolEnv, s scheme, want good) {
	l.Helper()
	first := op.run(ctx, l, &tabletest.Faulty{Table: l.table, Inject: s.inject})
	// The store may look for the resources in a CIDR after the answer; the table shows the result in the end.
	first.answer = strings.ReplaceAll(first.answer, string(ipam.CIDRPendingProvision), string(ipam.CIDRProvisioned))
	switch {
	case first.err == nil && first.answer != want.first.answer && !op.free:
		l.Errorf("the answer is %q, want %q", first.answer, want.first.answer)
	case first.err != nil && s.heals:
		l.Errorf("the operation did not get over it: %v", first.err)
	case first.err != nil && s.unknown && !strings.HasPrefix(op.name, "finish ") && first.code != ipam.CodeOutcomeUnknown:
		l.Errorf("the operation may have been carried out, and the code is %q: %v", first.code, first.err)
	case first.err != nil && !errors.Is(first.err, tabletest.ErrInjected) && !errors.Is(first.err, context.Canceled) && !errors.Is(first.err, table.ErrThrottled) && first.code != ipam.CodeRequestLimitExceeded:
		l.Errorf("the error hides the failure: %v", first.err)
	}
	second := op.run(l.Context(), l, l.table)
	switch {
	case first.err == nil && op.free:
		if second.answer != first.answer {
			l.Errorf("the second answer is %q, %v; the first was %q", second.answer, second.err, first.answer)
		}
	case second.err != nil && second.code != op.again, second.err == nil && second.answer != want.first.answer && !op.free:
		l.Errorf("sent again: %q, %v; want %q %s", second.answer, second.err, want.first.answer, op.again)
	case first.err == nil && second.code != op.again:
		l.Errorf("sent again after success: %v, want %q", second.err, op.again)
	}
	l.work()
	l.fsck()
	have := plain(l.table.Dump())
	if op.free { // the free blocks may be others
		if w, h := strings.Count(want.table, "#TAKEN"), strings.Count(have, "#TAKEN"); w != h {
			l.Errorf("%d blocks are taken, want %d:\n%s", h, w, have)
		}
		return
	}
	if diff := cmp.Diff(want.table, have); diff != "" {
		l.Errorf("the table differs from the table without a fault (-want +have):\n%s", diff)
	}
}
