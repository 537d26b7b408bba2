package store_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// planning makes a resource planning pool over a VPC.
func (l *env) planning(source *ipam.Pool, vpc string, importing bool) *ipam.Pool {
	l.Helper()
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: source.Family, SourcePool: source.ID, Locale: "eu-west-1", AutoImport: importing,
		SourceResource: &ipam.SourceResource{ID: vpc, Owner: otherAccount, Region: "eu-west-1"}}
	p, err := l.store.CreatePool(l.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	return p
}

// planned is a VPC, imported to a pool, with two subnets, and a planning pool
// with its CIDR.
func planned(l *env, importing bool) (source, plan *ipam.Pool, v ipam.Resource, subnets []ipam.Resource) {
	l.Helper()
	source = l.pool("", true)
	l.provision(source, "10.0.0.0/16")
	v = vpc("vpc-1", "10.0.0.0/20")
	subnets = []ipam.Resource{subnet("subnet-1", "vpc-1", "10.0.0.0/24"), subnet("subnet-2", "vpc-1", "10.0.8.0/22")}
	for _, r := range append([]ipam.Resource{v}, subnets...) {
		l.observe(r)
	}
	l.settled()
	plan = l.planning(source, v.ID, importing)
	l.provision(plan, "10.0.0.0/20")
	l.settled()
	return source, plan, v, subnets
}

// The planning pool over a VPC imports the VPC's subnets, and gives out none of
// their space.
func TestPlanning(t *testing.T) {
	l := newEnv(t)
	source, plan, v, subnets := planned(l, true)
	if got := l.allocations(source); got != "10.0.0.0/20 vpc" {
		t.Errorf("of the source: %s", got)
	}
	if got := l.allocations(plan); got != "10.0.0.0/24 subnet, 10.0.8.0/22 subnet" {
		t.Errorf("of the plan: %s", got)
	}
	for _, r := range append(subnets, v) {
		l.status(r, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	}
	a, err := l.allocate(otherAccount, plan, 24, "")
	l.must(err)
	if a.CIDR.String() != "10.0.1.0/24" {
		t.Errorf("given was %s", a.CIDR)
	}
	l.settled()
	// An allocation in the VPC overlaps neither the VPC nor the subnet that it is for.
	s := subnet("subnet-3", "vpc-1", "10.0.1.0/24")
	l.observe(s)
	l.settled()
	for _, r := range append(subnets, v, s) {
		l.status(r, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	}
	if row := l.row(s, l.ipam.PrivateScope); row.Status.Pool != plan.ID || row.Status.Allocation != a.AllocationID {
		t.Errorf("the subnet's status is %+v", row.Status)
	}
	// A new subnet is imported, one that goes frees its space.
	s4 := subnet("subnet-4", "vpc-1", "10.0.4.0/23")
	l.observe(s4)
	l.forgetFound(subnets[1])
	l.settled()
	if got := l.allocations(plan); got != "10.0.0.0/24 subnet, 10.0.1.0/24 custom, 10.0.4.0/23 subnet" {
		t.Errorf("of the plan: %s", got)
	}
	if a, err := l.allocate(otherAccount, plan, 21, ""); err != nil || a.CIDR.String() != "10.0.8.0/21" {
		t.Errorf("given was %v, %v", a, err)
	}
}

// A planning pool that imports nothing holds the space of its live resources.
func TestPlanningWithoutImport(t *testing.T) {
	l := newEnv(t)
	_, plan, v, subnets := planned(l, false)
	if got := l.allocations(plan); got != "" {
		t.Errorf("of the plan: %s", got)
	}
	l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	l.status(subnets[0], ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	if _, err := l.allocate(ownerAccount, plan, 0, "10.0.0.0/25"); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), "subnet-1") {
		t.Errorf("within a subnet: %v", err)
	}
	for {
		a, err := l.allocate(ownerAccount, plan, 24, "")
		if err != nil {
			break
		}
		for _, s := range subnets {
			if s.CIDR.Overlaps(a.CIDR) {
				t.Errorf("%s was given, where %s is live", a.CIDR, s.ID)
			}
		}
	}
	l.settled()
	l.forgetFound(subnets[0])
	l.settled()
	if a, err := l.allocate(ownerAccount, plan, 24, ""); err != nil || a.CIDR.String() != "10.0.0.0/24" {
		t.Errorf("behind the subnet's end: %v, %v", a, err)
	}
	// A stranger's VPC in the VPC's space is held there too.
	other := vpc("vpc-9", "10.0.0.0/20")
	other.Owner = ownerAccount
	l.observe(other)
	l.settled()
	l.status(other, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
	if got := l.allocations(plan); strings.Contains(got, "vpc") {
		t.Errorf("of the plan: %s", got)
	}
}

// A subnet's space is pending until the subnet is seen.
func TestPlanningOfANewSubnet(t *testing.T) {
	l := newEnv(t)
	source, plan, _, _ := planned(l, false)
	ask := func(p *ipam.Pool, vpc string) (*ipam.Allocation, error) {
		q := l.leasing(p, 24, "")
		q.For = &ipam.Resource{Type: ipam.ResourceSubnet, Region: "eu-west-1", VPC: vpc}
		return l.store.Allocate(t.Context(), q)
	}
	for _, c := range []struct {
		pool *ipam.Pool
		vpc  string
		want string
	}{{source, "vpc-1", "gives no CIDRs to subnets"}, {plan, "vpc-2", "to the subnets of vpc-1, and not of vpc-2"}} {
		if _, err := ask(c.pool, c.vpc); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if _, err := l.store.Allocate(t.Context(), l.leasing(plan, 24, "")); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), "subnets of vpc-1 alone") {
		t.Errorf("a VPC out of a planning pool: %v", err)
	}
	a, err := ask(plan, "vpc-1")
	l.must(err)
	fscktest.Clean(t, l.memory, l.now)
	l.must(l.store.Bind(t.Context(), a, store.Made{ID: "subnet-7"}))
	l.settled()
	s := subnet("subnet-7", "vpc-1", a.CIDR.String())
	l.observe(s)
	l.settled()
	l.status(s, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	l.forgetFound(s)
	l.settled()
	if got := l.allocations(plan); got != "" {
		t.Errorf("behind the subnet's end: %s", got)
	}
}

// The CIDR of a planning pool is its VPC's, and is taken off it again.
func TestPlanningTakenBack(t *testing.T) {
	l := newEnv(t)
	source, plan, v, _ := planned(l, true)
	if c := l.deprovision(plan, "10.0.0.0/20"); c.State != ipam.CIDRFailedDeprovision {
		t.Errorf("with subnets in it: %s", c.State)
	}
	l.settled()
	plan2 := l.planning(source, v.ID, false)
	provision := func(p *ipam.Pool, cidr string) error {
		q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
		_, err := l.store.Provision(t.Context(), q)
		return err
	}
	for cidr, want := range map[string]string{"10.0.0.0/20": "provisioned to the pool " + plan.ID, "10.0.0.0/21": "is none that vpc-1 has", "10.0.16.0/20": "is none that vpc-1 has"} {
		if err := provision(plan2, cidr); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", cidr, err, want)
		}
	}
	if err := provision(plan, "10.0.0.0/20"); ipam.CodeOf(err) != ipam.CodeIncorrectState {
		t.Errorf("once more: %v", err)
	}
	_, err := l.store.DeletePool(t.Context(), plan.ID, true, anyone)
	l.must(err)
	l.settled()
	l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	l.must(provision(plan2, "10.0.0.0/20"))
	l.settled()
	if c := l.deprovision(plan2, "10.0.0.0/20"); c.State != ipam.CIDRDeprovisioned {
		t.Errorf("with held subnets in it: %s: %s", c.State, c.Failure)
	}
	l.settled()
	if got := l.allocations(source); got != "10.0.0.0/20 vpc" {
		t.Errorf("of the source: %s", got)
	}
	l.forgetFound(v)
	l.settled()
	if got := l.allocations(source); got != "" {
		t.Errorf("behind the VPC's end: %s", got)
	}
}

// The VPC goes before its planning pool: the space is the pool's, and free when
// that gives it back.
func TestPlanningOutlivesTheVPC(t *testing.T) {
	l := newEnv(t)
	source, plan, v, subnets := planned(l, true)
	a, err := l.allocate(otherAccount, plan, 24, "")
	l.must(err)
	for _, r := range append(subnets, v) {
		l.forgetFound(r)
	}
	l.settled()
	if got := l.allocations(source); got != "10.0.0.0/20 ipam-pool" {
		t.Errorf("of the source: %s", got)
	}
	if got := l.allocations(plan); got != "10.0.1.0/24 custom" {
		t.Errorf("of the plan: %s", got)
	}
	if c := l.deprovision(plan, "10.0.0.0/20"); c.State != ipam.CIDRFailedDeprovision {
		t.Errorf("with an allocation in it: %s", c.State)
	}
	other := vpc("vpc-2", "10.0.8.0/24")
	l.observe(other)
	l.settled()
	if got := l.allocations(plan); got != "10.0.1.0/24 custom" {
		t.Errorf("another VPC is imported to the plan: %s", got)
	}
	l.release(a)
	l.settled()
	if c := l.deprovision(plan, "10.0.0.0/20"); c.State != ipam.CIDRDeprovisioned {
		t.Errorf("in the end: %s: %s", c.State, c.Failure)
	}
	l.settled()
	if got := l.allocations(source); got != "10.0.8.0/24 vpc" {
		t.Errorf("of the source: %s", got)
	}
	l.forgetFound(other)
	l.settled()
	if a, err := l.allocate(ownerAccount, source, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the source is not in one piece: %v, %v", a, err)
	}
}

// Ending the source ends the plan first.
func TestEndOfAPlannedPool(t *testing.T) {
	l := newEnv(t)
	source, plan, _, _ := planned(l, true)
	_, err := l.allocate(otherAccount, plan, 24, "")
	l.must(err)
	_, err = l.store.DeletePool(t.Context(), source.ID, true, anyone)
	l.must(err)
	l.settled()
	pools, err := l.store.OwnedPools(t.Context(), ownerAccount)
	l.must(err)
	if len(pools) > 0 {
		t.Errorf("left are %d pools", len(pools))
	}
	l.now = l.now.Add(time.Hour)
	l.settled()
}

// monitor has a VPC's CIDR watched or ignored.
func (l *env) monitor(v ipam.Resource, watched bool, from, to string) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	_, err := l.store.ModifyResourceCIDR(l.Context(), store.ModifyResourceCIDR{Scope: from, Destination: to, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: watched, May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
}

// A VPC under a planning pool goes and comes back, and has its space again.
func TestPlanningOfAVPCThatComesBack(t *testing.T) {
	for name, away := range map[string]func(l *env, v ipam.Resource, subnets []ipam.Resource) (back func()){
		"gone": func(l *env, v ipam.Resource, _ []ipam.Resource) func() {
			l.forgetFound(v)
			return func() { l.observe(v) }
		},
		"gone with its subnets": func(l *env, v ipam.Resource, subnets []ipam.Resource) func() {
			for _, s := range subnets {
				l.forgetFound(s)
			}
			l.forgetFound(v)
			return func() {
				l.observe(v)
				for _, s := range subnets {
					l.observe(s)
				}
			}
		},
		"ignored": func(l *env, v ipam.Resource, _ []ipam.Resource) func() {
			l.monitor(v, false, l.ipam.PrivateScope, "")
			return func() { l.monitor(v, true, l.ipam.PrivateScope, "") }
		},
		"moved": func(l *env, v ipam.Resource, _ []ipam.Resource) func() {
			scope, _ := l.secondScope()
			l.monitor(v, true, l.ipam.PrivateScope, scope.ID)
			return func() { l.monitor(v, true, scope.ID, l.ipam.PrivateScope) }
		},
	} {
		for _, importing := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				l := newEnv(t)
				_, _, v, subnets := planned(l, importing)
				before := taken(l)
				back := away(l, v, subnets)
				l.settled()
				back()
				l.settled()
				if have := taken(l); have != before {
					t.Errorf("taken is\n%s\nwant\n%s", have, before)
				}
				l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
			})
		}
	}
}

// The VPC is back with a larger CIDR around that of the planning pool.
func TestPlanningOfAVPCThatComesBackLarger(t *testing.T) {
	l := newEnv(t)
	source, plan, v, subnets := planned(l, false)
	for _, r := range append(subnets, v) {
		l.forgetFound(r)
	}
	l.settled()
	v.CIDR = netip.MustParsePrefix("10.0.0.0/19")
	l.observe(v)
	l.settled()
	c := l.deprovision(plan, "10.0.0.0/20")
	fscktest.Clean(t, l.memory, l.now)
	if c.State != ipam.CIDRDeprovisioned {
		t.Errorf("%s: %s", c.State, c.Failure)
	}
	if a, err := l.allocate(ownerAccount, source, 0, "10.0.0.0/24"); err == nil {
		t.Errorf("%s was given", a.CIDR)
	}
	l.settled()
}

// A VPC that is seen again while its block is given to the planning pool.
func TestPlanningOfAVPCThatComesBackMeanwhile(t *testing.T) {
	l := newEnv(t)
	_, _, v, _ := planned(l, false)
	before := taken(l)
	f := l.found(v)
	l.now = l.now.Add(time.Second)
	came := false
	table := &tabletest.Faulty{Table: l.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
		if !came && slices.ContainsFunc(c.Writes, func(w table.Write) bool { return strings.HasPrefix(w.Key.PK, "ALLOC#") }) {
			came = true
			l.observe(v)
		}
		return nil
	}}
	_, err := l.on(table).Forget(t.Context(), f, l.now.UnixMilli())
	l.must(err)
	if !came {
		t.Error("nothing was given to the pool")
	}
	fscktest.Clean(t, l.memory, l.now)
	l.settled()
	if have := taken(l); have != before {
		t.Errorf("taken is\n%s\nwant\n%s", have, before)
	}
	l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
}

// A token that is used again once its record has gone makes a root with an id of
// its own.
func TestPlanningTokenUsedAgain(t *testing.T) {
	l := newEnv(t)
	source, plan, _, _ := planned(l, false)
	other := vpc("vpc-2", "10.0.64.0/20")
	l.observe(other)
	second := l.planning(source, other.ID, false)
	l.deprovision(plan, "10.0.0.0/20")
	ids := map[string]bool{}
	for _, c := range []struct {
		p    *ipam.Pool
		cidr string
	}{{plan, "10.0.0.0/20"}, {second, "10.0.64.0/20"}} {
		q := store.Provision{Token: store.Token{Account: ownerAccount, Operation: "ProvisionIpamPoolCidr", Value: "again", Digest: c.cidr}, Pool: c.p.ID, CIDR: netip.MustParsePrefix(c.cidr), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
		made, err := l.store.Provision(t.Context(), q)
		l.must(err)
		if again, err := l.store.Provision(t.Context(), q); err != nil || again.ID != made.ID {
			t.Errorf("%+v, %v; want %+v", again, err, made)
		}
		if ids[made.ID] {
			t.Errorf("a second root has the id %s", made.ID)
		}
		ids[made.ID] = true
		l.now = l.now.Add(25 * time.Hour)
	}
	l.settled()
}

// Two planning pools are given the CIDR of one VPC at once: one has it.
func TestPlanningTwiceAtOnce(t *testing.T) {
	l := newEnv(t)
	source, plan, v, _ := planned(l, false)
	l.deprovision(plan, "10.0.0.0/20")
	other := l.planning(source, v.ID, false)
	table := &overtaken{Table: l.memory, by: func() { l.provision(other, "10.0.0.0/20") }}
	q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: plan.ID, CIDR: v.CIDR, May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
	if _, err := l.on(table).Provision(t.Context(), q); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), other.ID) {
		t.Errorf("%v; want that %s has it", err, other.ID)
	}
	l.settled()
}

// A VPC is gone, and a planning pool gets its CIDR before the VPC's block is
// released: so the block goes to that pool.
func TestPlanningOverABlockThatIsReleased(t *testing.T) {
	l := newEnv(t)
	source, plan, v, subnets := planned(l, false)
	l.deprovision(plan, "10.0.0.0/20")
	for _, s := range subnets {
		l.forgetFound(s)
	}
	l.now = l.now.Add(time.Second)
	came := false
	table := &tabletest.Faulty{Table: l.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
		if !came && slices.ContainsFunc(c.Writes, func(w table.Write) bool { return strings.HasPrefix(w.Key.PK, "ALLOC#") }) {
			came = true
			q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: plan.ID, CIDR: v.CIDR, May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
			_, err := l.on(&failing{Table: l.memory, after: 1}).Provision(t.Context(), q) // and nothing behind that
			l.must(err)
		}
		return nil
	}}
	_, err := l.on(table).Forget(t.Context(), l.found(v), l.now.UnixMilli())
	l.must(err)
	l.settled()
	if got := l.allocations(source); !came || got != "10.0.0.0/20 ipam-pool" {
		t.Errorf("of the source: %q, came %t", got, came)
	}
	if c := l.deprovision(plan, "10.0.0.0/20"); c.State != ipam.CIDRDeprovisioned {
		t.Errorf("%s: %s", c.State, c.Failure)
	}
	l.settled()
	if a, err := l.allocate(ownerAccount, source, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the source is not in one piece: %v, %v", a, err)
	}
}

// failing is a table that carries out so many transactions and no more.
type failing struct {
	table.Table
	after int
}

func (f *failing) Transact(ctx context.Context, writes []table.Write) error {
	if f.after == 0 {
		return tabletest.ErrInjected
	}
	f.after--
	return f.Table.Transact(ctx, writes)
}

// A VPC goes while its CIDR is taken back from the planning pool.
func TestPlanningTakenBackFromAVPCThatGoes(t *testing.T) {
	l := newEnv(t)
	source, plan, v, subnets := planned(l, false)
	for _, s := range subnets {
		l.forgetFound(s)
	}
	table := &overtaken{Table: l.memory, by: func() { l.forgetFound(v) }}
	c, err := l.on(table).Deprovision(t.Context(), store.Deprovision{Pool: plan.ID, CIDR: v.CIDR, May: anyone})
	if err != nil || c.State != ipam.CIDRDeprovisioned {
		t.Errorf("%+v, %v", c, err)
	}
	l.settled()
	if a, err := l.allocate(ownerAccount, source, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the source is not in one piece: %v, %v", a, err)
	}
}

// The holds of deleted subnets in a planning pool are released, however many they
// are: the live VPC around them does not fill the pool.
func TestHoldsOfAPlanningPoolAreGivenBackTogether(t *testing.T) {
	l := newEnv(t)
	_, plan, v, subnets := planned(l, false)
	for _, s := range subnets { // gone, and no work followed
		row, found := items.EncodeResource(l.row(s, l.ipam.PrivateScope)), items.EncodeFound(l.found(s))
		l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: row.Key}, {Op: table.OpDelete, Key: found.Key}}))
	}
	l.must(l.store.Reconcile(t.Context(), l.ipam.PrivateScope, v.CIDR))
	l.settled()
	if a, err := l.allocate(otherAccount, plan, 20, ""); err != nil || a.CIDR != v.CIDR {
		t.Errorf("given was %v, %v", a, err)
	}
}

// A larger CIDR around a VPC's CIDR can replace it: discovery records the new CIDR
// before it forgets the old one. The pool does not give away space of the new CIDR,
// as it does not give away space of another VPC.
func TestPlanOverACIDRThatIsReplaced(t *testing.T) {
	l := newEnv(t)
	_, plan, v, subnets := planned(l, false)
	for _, s := range subnets {
		l.forgetFound(s)
	}
	larger := v
	larger.CIDR = netip.MustParsePrefix("10.0.0.0/19")
	l.observe(larger)
	l.forgetFound(v)
	if a, err := l.allocate(ownerAccount, plan, 24, ""); err == nil {
		t.Errorf("%s was given, and %s is live at %s", a.CIDR, larger.ID, larger.CIDR)
	}
	l.settled()
	l.forgetFound(larger)
	if a, err := l.allocate(ownerAccount, plan, 20, ""); err != nil || a.CIDR != v.CIDR {
		t.Errorf("given was %v, %v", a, err)
	}
	l.settled()
}
