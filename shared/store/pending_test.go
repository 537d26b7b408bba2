package store_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// leasing is the request for a block for a VPC of the tenant that is yet to be
// made: of a length, or, with a CIDR, that one.
func (l *env) leasing(pool *ipam.Pool, length int, cidr string) store.Allocate {
	q := store.Allocate{Token: l.fresh("CreateVpc"), Pool: pool.ID, May: anyone, For: &ipam.Resource{Type: ipam.ResourceVPC, Region: "eu-west-1"}}
	q.Token.Account = otherAccount
	if cidr != "" {
		q.Request.CIDR = netip.MustParsePrefix(cidr)
	} else {
		q.Request.Length = &length
	}
	return q
}

func (l *env) pendingBlock(pool *ipam.Pool, length int) *ipam.Allocation {
	l.Helper()
	a, err := l.store.Allocate(l.Context(), l.leasing(pool, length, ""))
	l.must(err)
	fscktest.Clean(l, l.memory, l.now)
	return a
}

// looked is a whole run over the tenant's account that begins now.
func (l *env) looked() {
	l.Helper()
	l.must(l.store.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: otherAccount, Attempted: l.now.UnixMilli(), Succeeded: l.now.UnixMilli()}))
}

// secondScope returns a scope besides the default ones, and a pool in it.
func (l *env) secondScope() (*ipam.Scope, *ipam.Pool) {
	l.Helper()
	scope, err := l.store.CreateScope(l.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
	l.must(err)
	p, err := l.store.CreatePool(l.Context(), l.fresh("CreateIpamPool"), ipam.Pool{Scope: scope.ID, Family: ipam.IPv4, Locale: "eu-west-1"}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	l.provision(p, "10.0.0.0/16")
	return scope, p
}

// Space is taken, EC2 makes the VPC, discovery sees it: the allocation is the
// VPC's, in the scope of the pool, and goes with it.
func TestPendingBlocks(t *testing.T) {
	for _, bound := range []bool{true, false} { // or it was not written down which VPC it became
		l := newEnv(t)
		scope, p := l.secondScope()
		a := l.pendingBlock(p, 20)
		if bound {
			l.must(l.store.Bind(t.Context(), a, store.Made{ID: "vpc-1"}))
			l.must(l.store.Bind(t.Context(), a, store.Made{ID: "vpc-1"}))
			fscktest.Clean(t, l.memory, l.now)
		}
		l.work()
		if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
			t.Fatalf("before the VPC is seen: %q", got)
		}
		v := vpc("vpc-1", "10.0.0.0/20")
		l.observe(v)
		l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
		l.settled()
		row := l.row(v, scope.ID)
		if row == nil {
			t.Fatal("the VPC is not in the scope of its pool")
		}
		if got := row.Status; got.Management != ipam.Managed || got.Compliance != ipam.Compliant || got.Overlap != ipam.Nonoverlapping || got.Allocation != a.AllocationID {
			t.Errorf("bound %t: %+v", bound, got)
		}
		found, err := l.store.AllocationsByID(t.Context(), []string{a.AllocationID})
		l.must(err)
		if len(found) != 1 || found[0].ResourceID != "vpc-1" || found[0].PendingUntil != 0 {
			t.Errorf("bound %t: the allocation is %+v", bound, found)
		}
		// No note is left of it, and time changes nothing.
		l.now = l.now.Add(time.Hour)
		l.looked()
		l.settled()
		if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
			t.Errorf("work is left: %v, %v", work, err)
		}
		l.forgetFound(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
		l.forgetFound(v)
		l.settled()
		if got := l.allocations(p); got != "" {
			t.Errorf("behind the VPC's end: %q", got)
		}
	}
}

// EC2 refused: the space is free at once.
func TestEndPending(t *testing.T) {
	l := newEnv(t)
	_, p := l.secondScope()
	a := l.pendingBlock(p, 16)
	l.must(l.store.EndPending(t.Context(), a))
	l.must(l.store.EndPending(t.Context(), a))
	l.settled()
	if a, err := l.allocate(ownerAccount, p, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the pool is not in one piece: %v, %v", a, err)
	}
}

// No caller reports the outcome of a pending block. The block stays as long as EC2 may be
// asked, and after that until discovery has looked at the whole account and Region.
func TestAbandonedPendingBlock(t *testing.T) {
	l := newEnv(t)
	_, p := l.secondScope()
	l.pendingBlock(p, 20)
	bound := l.pendingBlock(p, 20)
	l.must(l.store.Bind(t.Context(), bound, store.Made{ID: "vpc-1"}))
	stays := func(when string) {
		t.Helper()
		l.settled()
		if got := l.allocations(p); strings.Count(got, "vpc") != 2 {
			t.Errorf("%s: %q", when, got)
		}
	}
	stays("at once")
	l.now = l.now.Add(14 * time.Minute)
	l.looked()
	stays("while EC2 may be asked")
	l.now = l.now.Add(2 * time.Minute)
	stays("before anybody looked")
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: otherAccount, Attempted: l.now.UnixMilli(), FailureCode: "throttling-failure", Failure: "Too fast."}))
	stays("after a run that failed")
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-central-1", Account: otherAccount, Attempted: l.now.UnixMilli(), Succeeded: l.now.UnixMilli()}))
	stays("after a run in another Region")
	l.now = l.now.Add(time.Second)
	l.looked()
	l.settled()
	if got := l.allocations(p); got != "" {
		t.Errorf("after a whole run: %q", got)
	}
	if a, err := l.allocate(ownerAccount, p, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the pool is not in one piece: %v, %v", a, err)
	}
}

// A VPC at a pending block's CIDR that is not the one that was asked for leaves the pending block
// as it is, and its space is held when the pending block goes.
func TestPendingAndAnotherVPC(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*ipam.Resource)
	}{
		{"of another account", func(r *ipam.Resource) { r.ID, r.Owner = "vpc-2", ownerAccount }},
		{"of another Region", func(r *ipam.Resource) { r.ID, r.Region = "vpc-2", "eu-central-1" }},
		{"another than the one it is bound to", func(r *ipam.Resource) { r.ID, r.VPC = "vpc-2", "vpc-2" }},
		{"larger", func(r *ipam.Resource) { r.CIDR = netip.MustParsePrefix("10.0.0.0/19") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			a := l.pendingBlock(p, 20)
			l.must(l.store.Bind(t.Context(), a, store.Made{ID: "vpc-1"}))
			v := vpc("vpc-1", "10.0.0.0/20")
			c.change(&v)
			l.observe(v)
			l.settled()
			l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
			if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
				t.Errorf("the pending block: %q", got)
			}
			l.must(l.store.EndPending(t.Context(), a))
			l.settled()
			l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
			if _, err := l.allocate(ownerAccount, p, 0, "10.0.0.0/24"); err == nil {
				t.Error("live space was given")
			}
			l.forgetFound(v)
			l.settled()
			if a, err := l.allocate(ownerAccount, p, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
				t.Errorf("the pool is not in one piece: %v, %v", a, err)
			}
		})
	}
}

// A live VPC's space is not given for another VPC, not even to the account that owns
// the live one: EC2 would make a second VPC there.
func TestPendingOverALiveVPC(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/20"))
	l.settled()
	for _, cidr := range []string{"10.0.0.0/20", "10.0.0.0/19", "10.0.0.0/24"} {
		_, err := l.store.Allocate(t.Context(), l.leasing(p, 0, cidr))
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), "vpc vpc-1 of account") {
			t.Errorf("%s: %v", cidr, err)
		}
	}
	l.settled()
}

// A pending block can be released by hand once EC2 cannot be asked any more, and every
// discovery of its account and Region has looked there since.
func TestReleaseOfPending(t *testing.T) {
	l := newEnv(t)
	_, p := l.secondScope()
	a := l.pendingBlock(p, 20)
	for _, c := range must(l.store.PoolCIDRs(t.Context(), p.ID))(t) {
		if got := l.deprovision(p, c.CIDR.String()); !strings.Contains(got.Failure, a.CIDR.String()+" is taken for a vpc that is being made in account "+otherAccount) {
			t.Errorf("%s is %s: %s", got.CIDR, got.State, got.Failure)
		}
	}
	release := func() error {
		return l.store.Release(t.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
	}
	if err := release(); ipam.CodeOf(err) != ipam.CodeIncorrectState {
		t.Errorf("at once: %v", err)
	}
	l.now = l.now.Add(16 * time.Minute)
	if err := release(); ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), "GetIpamDiscoveredAccounts") {
		t.Errorf("before discovery has looked: %v", err)
	}
	l.looked()
	l.must(release())
	l.must(release())
	l.settled()
	q := l.leasing(p, 20, "") // where nobody looks
	q.For.Region, q.Token.Account = "eu-west-1", "777788889999"
	var err error
	a, err = l.store.Allocate(t.Context(), q)
	l.must(err)
	l.now = l.now.Add(16 * time.Minute)
	l.must(release())
	l.settled()
	if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
		t.Errorf("work is left: %v, %v", work, err)
	}
	b := l.pendingBlock(p, 20)
	l.must(l.store.Bind(t.Context(), b, store.Made{ID: "vpc-1"}))
	l.observe(vpc("vpc-1", b.CIDR.String()))
	l.now = l.now.Add(16 * time.Minute)
	a = b
	if err := release(); ipam.CodeOf(err) != ipam.CodeInvalidParameterCombination {
		t.Errorf("of a live VPC: %v", err)
	}
}

// A pool's rules apply to a resource before EC2 makes it.
func TestPendingUnderRules(t *testing.T) {
	l := newEnv(t)
	p, err := l.store.CreatePool(t.Context(), l.fresh("CreateIpamPool"), ipam.Pool{
		Scope: l.ipam.PrivateScope, Family: ipam.IPv4, Locale: "eu-west-1", Rules: ipam.Rules{ResourceTags: ipam.Tags{"env": "prod", "cost": "net"}},
	}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	l.provision(p, "10.0.0.0/16")
	nowhere, err := l.store.CreatePool(t.Context(), l.fresh("CreateIpamPool"), ipam.Pool{Scope: l.ipam.PrivateScope, Family: ipam.IPv4}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	good := ipam.Tags{"env": "prod", "cost": "net", "Name": "a"}
	for _, c := range []struct {
		name, region string
		pool         string
		tags         ipam.Tags
		want         string // part of the message
	}{
		{"as the rules say", "eu-west-1", p.ID, good, ""},
		{"without a tag", "eu-west-1", p.ID, ipam.Tags{"env": "prod"}, "asks for cost=net; give"},
		{"with another value", "eu-west-1", p.ID, ipam.Tags{"env": "test", "cost": "net"}, "missing one or more of the resource tags"},
		{"in another Region", "eu-central-1", p.ID, good, "Its locale is eu-west-1"},
		{"from a pool without a locale", "eu-west-1", nowhere.ID, good, "has no locale"},
	} {
		q := l.leasing(p, 20, "")
		q.Pool, q.For.Region, q.For.Tags = c.pool, c.region, c.tags
		_, err := l.store.Allocate(t.Context(), q)
		if c.want == "" {
			l.must(err)
		} else if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		l.settled()
	}
}

// A cascading delete waits for the pending block: until EC2 cannot be asked any more and
// discovery has looked, nobody else gets their space. All else goes at once.
func TestEndOfAPoolWithPendingBlocks(t *testing.T) {
	for name, end := range map[string]func(l *env, source, child *ipam.Pool) string{
		"the pool": func(l *env, _, child *ipam.Pool) string {
			_, err := l.store.DeletePool(l.Context(), child.ID, true, anyone)
			l.must(err)
			return child.ID
		},
		"the pool above": func(l *env, source, _ *ipam.Pool) string {
			_, err := l.store.DeletePool(l.Context(), source.ID, true, anyone)
			l.must(err)
			return source.ID
		},
	} {
		for _, seen := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, seen %t", name, seen), func(t *testing.T) {
				l := newEnv(t)
				source := l.pool("", false)
				l.provision(source, "10.0.0.0/15")
				child, beside := l.pool(source.ID, false), l.pool(source.ID, false)
				l.provision(child, "10.0.0.0/16")
				l.provision(beside, "10.1.0.0/16")
				l.pendingBlock(child, 20)
				bound := l.pendingBlock(child, 20)
				l.must(l.store.Bind(t.Context(), bound, store.Made{ID: "vpc-1"}))
				_, err := l.allocate(otherAccount, child, 20, "")
				l.must(err)
				ended := end(l, source, child)
				waits := func(when string, pending int) {
					t.Helper()
					l.settled()
					if got := l.allocations(child); strings.Count(got, "vpc") != pending || strings.Contains(got, "custom") {
						t.Errorf("%s: %q is left", when, got)
					}
					for _, c := range must(l.store.PoolCIDRs(t.Context(), child.ID))(t) {
						if !strings.Contains(c.Failure, "10.0.0.0/20") && !strings.Contains(c.Failure, "10.0.16.0/20") || !strings.Contains(c.Failure, "once discovery has looked at account "+otherAccount+" in eu-west-1 after ") {
							t.Errorf("%s: %s is %s: %s", when, c.CIDR, c.State, c.Failure)
						}
					}
				}
				waits("at once", 2)
				if left, err := l.store.Pools(t.Context(), []string{beside.ID}); err == nil && len(left) > 0 && ended != child.ID {
					t.Error("the pool beside it waits, too")
				}
				if ended == child.ID {
					if a, err := l.allocate(ownerAccount, source, 0, bound.CIDR.String()); err == nil {
						t.Errorf("%s has two owners", a.CIDR)
					}
				}
				l.now = l.now.Add(16 * time.Minute)
				waits("before discovery has looked", 2)
				if seen {
					l.observe(vpc("vpc-1", bound.CIDR.String()))
				}
				l.looked()
				l.settled()
				if left, err := l.store.Pools(t.Context(), []string{child.ID}); err == nil && len(left) > 0 {
					t.Errorf("after it has looked: %+v with %q", left[0], l.allocations(child))
				}
				if ended == child.ID {
					if a, err := l.allocate(ownerAccount, source, 0, bound.CIDR.String()); (err == nil) == seen {
						t.Errorf("behind the pool's end: %v, %v", a, err)
					}
				}
				l.must(l.store.EndPending(t.Context(), bound))
				l.must(l.store.Bind(t.Context(), bound, store.Made{ID: "vpc-1"}))
				l.settled()
			})
		}
	}
}

// With an IPAM all of its pools go: nobody is left who could be given the space.
func TestEndOfAnIPAMWithPendingBlocks(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/15")
	child := l.pool(p.ID, false)
	l.provision(child, "10.0.0.0/16")
	l.pendingBlock(child, 20)
	bound := l.pendingBlock(child, 20)
	l.must(l.store.Bind(t.Context(), bound, store.Made{ID: "vpc-1"}))
	_, err := l.store.DeletePool(t.Context(), child.ID, true, anyone)
	l.must(err)
	l.settled()
	if l.allocations(child) == "" {
		t.Error("the pool below does not wait")
	}
	_, err = l.store.DeleteIPAM(t.Context(), l.ipam.ID, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil })
	l.must(err)
	l.settled()
	if left, err := l.store.IPAMs(t.Context(), []string{l.ipam.ID}); err == nil && len(left) > 0 {
		t.Errorf("%+v is left", left[0])
	}
	l.must(l.store.EndPending(t.Context(), bound))
	l.must(l.store.Bind(t.Context(), bound, store.Made{ID: "vpc-1"}))
	l.settled()
}

// EC2 refuses while the pool is being deleted: then nothing is to be waited for.
func TestEndOfAPendingBlockInAPoolThatEnds(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a := l.pendingBlock(p, 20)
	_, err := l.store.DeletePool(t.Context(), p.ID, true, anyone)
	l.must(err)
	l.settled()
	l.must(l.store.EndPending(t.Context(), a))
	l.settled()
	if left, err := l.store.Pools(t.Context(), []string{p.ID}); err == nil && len(left) > 0 {
		t.Errorf("%+v is left", left[0])
	}
}

// Where nobody looks, a pool that ends waits as long as EC2 may be asked.
func TestEndOfAPoolWithAPendingBlockWhereNobodyLooks(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	q := l.leasing(p, 20, "")
	q.Token.Account = "777788889999"
	must(l.store.Allocate(t.Context(), q))(t)
	must(l.store.DeletePool(t.Context(), p.ID, true, anyone))(t)
	l.now = l.now.Add(14 * time.Minute)
	l.settled()
	if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
		t.Errorf("while EC2 may be asked: %q", got)
	}
	l.now = l.now.Add(2 * time.Minute)
	l.settled()
	if left, err := l.store.Pools(t.Context(), []string{p.ID}); err == nil && len(left) > 0 {
		t.Errorf("%+v is left", left[0])
	}
}

// An allocation stops after its first split, and then a VPC appears in the split block.
// The same request, sent again, does not get the VPC's space.
func TestDeepAllocationWhereAVPCAppears(t *testing.T) {
	for _, cidr := range []string{"10.0.0.7/32", ""} {
		l := newEnv(t)
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		l.narrow(5)
		length := 32
		q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: p.ID, May: anyone, Request: ipam.AllocateRequest{Length: &length}, Tags: ipam.Tags{ipam.StableKeyTag: "key"}}
		if cidr != "" {
			q.Request = byCIDR(cidr)
		} else {
			before := q
			before.Token, before.Request = l.fresh("AllocateIpamPoolCidr"), byCIDR("10.0.0.7/32")
			l.release(must(l.store.Allocate(t.Context(), before))(t))
		}
		if _, err := l.on(&failing{Table: l.memory, after: 2}).Allocate(t.Context(), q); err == nil {
			t.Fatal("it was not interrupted")
		}
		v := vpc("vpc-1", "10.0.0.0/28")
		l.observe(v)
		if a, err := l.store.Allocate(t.Context(), q); err == nil && v.CIDR.Overlaps(a.CIDR) {
			t.Errorf("%q: %s was given, where a VPC is live", cidr, a.CIDR)
		}
		l.now = l.now.Add(time.Hour)
		l.settled()
	}
}

// Two scopes have a pending block of one CIDR each: each VPC is in the scope of its own block.
func TestPendingOfOneCIDRInTwoScopes(t *testing.T) {
	for _, labFirst := range []bool{true, false} {
		l := newEnv(t)
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		scope, second := l.secondScope()
		a, b := l.pendingBlock(p, 20), l.pendingBlock(second, 20)
		if a.CIDR != b.CIDR {
			t.Fatal(a, b)
		}
		l.must(l.store.Bind(t.Context(), a, store.Made{ID: "vpc-1"}))
		l.must(l.store.Bind(t.Context(), b, store.Made{ID: "vpc-2"}))
		v1, v2 := vpc("vpc-1", a.CIDR.String()), vpc("vpc-2", a.CIDR.String())
		if labFirst {
			l.observe(v2)
		}
		l.observe(v1)
		l.observe(v2)
		l.settled()
		if l.row(v1, l.ipam.PrivateScope) == nil || l.row(v2, scope.ID) == nil {
			t.Error("they are in the wrong scopes")
		}
		l.now = l.now.Add(time.Hour)
		l.looked()
		l.settled()
		for _, p := range []*ipam.Pool{p, second} {
			if got := l.allocations(p); got != a.CIDR.String()+" vpc" {
				t.Errorf("%q", got)
			}
		}
	}
}

// The scope of a pending block goes while its VPC is being written there.
func TestEndOfTheScopeOfAPendingBlock(t *testing.T) {
	l := newEnv(t)
	scope, p := l.secondScope()
	a := l.pendingBlock(p, 20)
	v := vpc("vpc-1", a.CIDR.String())
	other := l.on(l.memory)
	table := &overtaken{Table: l.memory, by: func() {
		l.must(other.EndPending(t.Context(), a))
		l.deprovision(p, "10.0.0.0/16")
		_, err := other.DeletePool(t.Context(), p.ID, false, anyone)
		l.must(err)
		_, err = other.DeleteScope(t.Context(), scope.ID, func(*ipam.Scope) error { return nil })
		l.must(err)
	}}
	_, err := l.on(table).Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, v, l.now.UnixMilli())
	l.must(err)
	l.settled()
	if l.row(v, l.ipam.PrivateScope) == nil {
		t.Error("the VPC is in no scope")
	}
}

// EC2's answer names the VPC of a pending block. The block does not go to another VPC that
// discovery saw first.
func TestBindMeanwhile(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a := l.pendingBlock(p, 20)
	one, two := vpc("vpc-1", a.CIDR.String()), vpc("vpc-2", a.CIDR.String())
	table := &overtaken{Table: l.memory}
	table.by = func() { // row
		table.by = func() { // mark
			table.by = func() { l.must(l.on(l.memory).Bind(t.Context(), a, store.Made{ID: two.ID})) }
		}
	}
	_, err := l.on(table).Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, one, l.now.UnixMilli())
	l.must(err)
	if table.by != nil {
		t.Fatal("not overtaken")
	}
	l.settled()
	l.observe(two)
	l.settled()
	l.status(two, ipam.Managed, ipam.Compliant, ipam.Overlapping)
	l.status(one, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
}

// Two discoveries find the VPC of a pending block: the VPC is in the scope of its pool alone,
// and stays there when one of the two finds it no longer.
func TestPendingThatTwoDiscoveriesFind(t *testing.T) {
	l := newEnv(t)
	scope, p := l.secondScope()
	first := l.disco
	second, _ := l.further(otherAccount)
	ipams, err := l.store.IPAMs(t.Context(), []string{l.ipam.ID})
	l.must(err)
	l.ipam = ipams[0] // which counts two associations
	a := l.pendingBlock(p, 20)
	v, s := vpc("vpc-1", a.CIDR.String()), subnet("subnet-1", "vpc-1", "10.0.0.0/24")
	l.observe(v)
	l.observe(s)
	l.disco = second
	l.observe(v)
	l.observe(s)
	l.settled()
	for _, r := range []ipam.Resource{v, s} {
		if l.row(r, scope.ID) == nil || l.row(r, l.ipam.PrivateScope) != nil {
			t.Errorf("%s is not in the scope of the pool alone", r.ID)
		}
	}
	l.disco = first
	l.leaves(l.disco, ipam.DepartedAccount)
	l.must(l.forgets(l.disco))
	l.settled()
	if l.row(v, scope.ID) == nil || l.row(v, l.ipam.PrivateScope) != nil {
		t.Error("found by the other discovery alone, it is not in the scope of the pool alone")
	}
	if got := l.allocations(p); got != a.CIDR.String()+" vpc" {
		t.Errorf("the allocations: %q", got)
	}
}

// Discovery sees the VPC just before its pending block is given up: the VPC keeps the block.
func TestPendingGivenUpWhileItsVPCIsSeen(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a := l.pendingBlock(p, 20)
	v := vpc("vpc-1", a.CIDR.String())
	table := &overtaken{Table: l.memory, by: func() { l.observe(v) }}
	l.must(l.on(table).EndPending(t.Context(), a))
	l.settled()
	l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
		t.Errorf("the allocations: %q", got)
	}
}
