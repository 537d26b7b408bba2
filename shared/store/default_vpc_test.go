package store_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// defaultVPC returns the default VPC of an account, a subnet in it, and the subnet's
// interface.
func defaultVPC(account, n string) []ipam.Resource {
	all := []ipam.Resource{vpc("vpc-"+n, "172.31.0.0/16"), subnet("subnet-"+n, "vpc-"+n, "172.31.16.0/20"), subnet("eni-"+n, "vpc-"+n, "172.31.16.9/32")}
	all[2].Type = ipam.ResourceInterface
	for i := range all {
		all[i] = byDefault(all[i])
		all[i].Owner = account
	}
	return all
}

// decide monitors or ignores a resource in the private default scope.
func (l *env) decide(r ipam.Resource, monitored bool) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	l.monitor(r, monitored, l.ipam.PrivateScope, "")
}

// target returns the target of a resource in the env's IPAM.
func (l *env) target(r ipam.Resource) ipam.Target {
	l.Helper()
	f := l.found(r)
	if f == nil {
		l.Fatalf("%s is not found", r.ID)
	}
	for _, t := range f.Targets {
		if t.IPAM == l.ipam.ID {
			return t
		}
	}
	l.Fatalf("%s has no target in the IPAM", r.ID)
	return ipam.Target{}
}

func (l *env) ignored(want bool, all ...ipam.Resource) {
	l.Helper()
	for _, r := range all {
		if got := l.target(r).Ignored; got != want {
			l.Errorf("%s %s is ignored: %t, want %t", r.ID, r.CIDR, got, want)
		}
	}
}

// A default VPC claims a custom allocation with its CIDR when it is monitored, not while it
// is ignored. The allocation stays all the while.
func TestDefaultVPCClaimsOnceItIsMonitored(t *testing.T) {
	for _, allocated := range []string{"before it is seen", "while it is ignored", "after it is monitored"} {
		l := newEnv(t)
		l.ignoreDefaults(true)
		p := l.pool("", false)
		l.provision(p, "172.31.0.0/16")
		all := defaultVPC(otherAccount, "a")
		allocate := func(when string) {
			t.Helper()
			if when != allocated {
				return
			}
			_, err := l.allocate(otherAccount, p, 0, "172.31.0.0/16")
			l.must(err)
			l.must(l.store.EvaluateStatus(t.Context(), l.ipam.PrivateScope, all[0].CIDR)) // as the history function does
		}
		allocate("before it is seen")
		for _, r := range all {
			l.observe(r)
		}
		allocate("while it is ignored")
		if allocated != "after it is monitored" {
			l.status(all[0], ipam.ManagementIgnored, ipam.ComplianceIgnored, ipam.OverlapIgnored)
		}
		l.decide(all[0], true)
		allocate("after it is monitored")
		l.status(all[0], ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
		l.rightStatuses(p)
		l.decide(all[0], false)
		l.status(all[0], ipam.ManagementIgnored, ipam.ComplianceIgnored, ipam.OverlapIgnored)
		if got := l.allocations(p); got != "172.31.0.0/16 custom" {
			t.Errorf("allocated %s: the pool has %q", allocated, got)
		}
		l.settled()
		l.rightStatuses(p)
	}
}

// The default VPCs of two accounts are ignored from the first write, with their subnets and
// interfaces, in any order of observations. Other VPCs with the same CIDR overlap each
// other only.
func TestDefaultVPCsAreIgnoredAtFirst(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}} {
		l := newEnv(t)
		l.ignoreDefaults(true)
		p := l.pool("", true)
		l.provision(p, "172.31.0.0/16")
		a, b := defaultVPC(ownerAccount, "a"), defaultVPC(otherAccount, "b")
		l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: ownerAccount, Attempted: 1, Succeeded: 1}))
		for _, all := range [][]ipam.Resource{a, b} {
			for _, i := range order {
				l.observe(all[i])
				l.observe(all[i]) // again, as a late event does
			}
		}
		l.settled()
		l.ignored(true, append(a, b...)...)
		for _, r := range []ipam.Resource{a[0], a[1], b[0], b[1]} {
			l.status(r, "ignored", "ignored", "ignored")
		}
		if got := l.allocations(p); got != "" {
			t.Errorf("order %v: the pool's allocations are %q", order, got)
		}
		v, w := vpc("vpc-1", "172.31.0.0/20"), vpc("vpc-2", "172.31.0.0/20")
		l.observe(v)
		l.settled()
		l.status(v, "managed", "compliant", "nonoverlapping")
		l.observe(w)
		l.settled()
		l.status(v, "managed", "compliant", "overlapping")
		l.status(w, "unmanaged", "unmanaged", "overlapping")
	}
}

// Any call may fail while a default VPC and its subnet are stored: their rows are always
// ignored, so no status of overlap is written and no event sent.
func TestDefaultVPCIsIgnoredUnderFaults(t *testing.T) {
	rows := 0
	for at := 0; ; at++ {
		failed := false
		for _, applied := range []bool{false, true} {
			l := newEnv(t)
			l.ignoreDefaults(true)
			a, b := defaultVPC(otherAccount, "a"), defaultVPC(otherAccount, "b")
			for _, r := range a {
				l.observe(r)
			}
			check := func() {
				for _, r := range []ipam.Resource{a[0], a[1], b[1], b[0]} {
					if row := l.row(r, l.ipam.PrivateScope); row != nil {
						if rows++; !row.Ignored || row.Status.Overlap != "" && row.Status.Overlap != ipam.OverlapIgnored {
							t.Fatalf("call %d, applied %t: %s is ignored %t with %+v", at, applied, r.ID, row.Ignored, row.Status)
						}
					}
				}
			}
			n := 0
			l.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
				if n++; n-1 >= at {
					failed = true
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied && n-1 == at}
				}
				return nil
			}
			for _, r := range b {
				_, _ = l.store.Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
			}
			l.faulty.Inject = nil
			check()
			for _, r := range b {
				l.observe(r)
				check()
			}
			l.settled()
			check()
		}
		if !failed {
			break
		}
	}
	if rows < 100 {
		t.Errorf("%d rows were looked at", rows)
	}
}

// An administrator's decision stays: the next observations, and a change of the setting,
// change nothing for a resource that is known. Default VPCs that are monitored again
// overlap, until they are ignored again.
func TestDecisionsOnDefaultVPCsStay(t *testing.T) {
	l := newEnv(t)
	l.ignoreDefaults(true)
	a, b := defaultVPC(otherAccount, "a"), defaultVPC(otherAccount, "b")
	again := func(tag string) {
		t.Helper()
		for _, all := range [][]ipam.Resource{a, b} {
			for i := range all {
				all[i].Tags = ipam.Tags{"look": tag}
				l.observe(all[i])
			}
		}
		l.settled()
	}
	again("1")
	l.decide(a[0], true)
	l.settled()
	l.ignored(false, a...)
	l.ignored(true, b...)
	l.status(a[0], "unmanaged", "unmanaged", "nonoverlapping")
	again("2")
	l.ignored(false, a...)
	l.ignored(true, b...)
	l.decide(b[0], true)
	l.settled()
	for _, r := range []ipam.Resource{a[0], b[0]} {
		l.status(r, "unmanaged", "unmanaged", "overlapping")
	}
	again("3")
	l.decide(a[0], false)
	l.settled()
	l.status(a[0], "ignored", "ignored", "ignored")
	l.status(b[0], "unmanaged", "unmanaged", "nonoverlapping")

	l.ignoreDefaults(false)
	again("4")
	l.ignored(true, a...)
	l.ignored(false, b...)
	c := defaultVPC(otherAccount, "c") // seen for the first time without the setting
	for _, r := range c {
		l.observe(r)
	}
	l.settled()
	l.ignored(false, c...)
	l.status(c[0], "unmanaged", "unmanaged", "overlapping")

	l.ignoreDefaults(true)
	for i := range c { // seen again with it
		c[i].Tags = ipam.Tags{"look": "5"}
		l.observe(c[i])
	}
	l.settled()
	l.ignored(false, c...)
	// A default VPC that is made again has another id.
	for i := range c {
		l.forgetFound(c[len(c)-1-i])
	}
	l.settled()
	d := defaultVPC(otherAccount, "d")
	for _, r := range d {
		l.observe(r)
	}
	l.settled()
	l.ignored(true, d...)
}

// A subnet that is stored before its VPC follows it as soon as the subnet is observed again,
// even if the setting changed meanwhile.
func TestSubnetFollowsADefaultVPCSeenLater(t *testing.T) {
	l := newEnv(t)
	l.ignoreDefaults(true)
	all := defaultVPC(otherAccount, "a")
	l.observe(all[1])
	l.observe(all[2])
	l.ignoreDefaults(false)
	l.observe(all[0])
	l.ignored(true, all[1], all[2])
	l.observe(all[1]) // by the next run, see discover.Diff
	l.observe(all[2])
	l.settled()
	l.ignored(false, all...)
}

// A CIDR of a default VPC that comes from a pool is monitored: otherwise the pool would give
// its space to another.
func TestDefaultVPCsCIDRFromAPoolIsMonitored(t *testing.T) {
	l := newEnv(t)
	l.ignoreDefaults(true)
	p := l.pool("", false)
	l.provision(p, "172.31.0.0/16")
	a, err := l.store.Allocate(t.Context(), l.leasing(p, 0, "172.31.0.0/16"))
	l.must(err)
	l.must(l.store.Bind(t.Context(), a, store.Made{ID: "vpc-a"}))
	all := defaultVPC(otherAccount, "a")
	for _, r := range all {
		l.observe(r)
	}
	l.settled()
	l.ignored(false, all...)
	l.status(all[0], "managed", "compliant", "nonoverlapping")
	if got := l.allocations(p); got != "172.31.0.0/16 vpc" {
		t.Errorf("the pool's allocations are %q", got)
	}
}

// An IPAM that a discovery is associated with later ignores the known default VPCs too, and
// another discovery of an IPAM changes nothing that was decided there.
func TestDefaultVPCsInFurtherIPAMs(t *testing.T) {
	l := newEnv(t)
	l.ignoreDefaults(true)
	first := l.disco
	var err error
	l.disco, err = l.store.CreateDiscovery(t.Context(), l.fresh("CreateIpamResourceDiscovery"), ipam.Discovery{Meta: ipam.Meta{Owner: otherAccount}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	associate := func(id string) {
		t.Helper()
		_, err := l.store.Associate(t.Context(), l.fresh("AssociateIpamResourceDiscovery"), ipam.DiscoveryAssociation{IPAM: id, Discovery: l.disco.ID}, func(*ipam.IPAM, *ipam.Discovery) error { return nil })
		l.must(err)
		l.work()
		all, err := l.store.Discoveries(t.Context(), []string{l.disco.ID})
		l.must(err)
		l.disco = all[0]
	}
	associate(l.ipam.ID)
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: otherAccount, Attempted: 1, Succeeded: 1}))
	all := defaultVPC(otherAccount, "a")
	for _, r := range all {
		l.observe(r)
	}
	l.ignored(true, all...)
	l.decide(all[0], true)
	l.settled()
	token := l.fresh("CreateIpam")
	token.Account = otherAccount
	second, err := l.store.CreateIPAM(t.Context(), token, ipam.IPAM{Meta: ipam.Meta{Owner: otherAccount}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	associate(second.ID)
	l.settled()
	for _, r := range all {
		targets := l.found(r).Targets
		if len(targets) != 2 {
			t.Errorf("%d IPAMs see %s", len(targets), r.ID)
		}
		for _, target := range targets {
			if want := target.IPAM == second.ID; target.Ignored != want {
				t.Errorf("%s is ignored in %s: %t, want %t", r.ID, target.IPAM, target.Ignored, want)
			}
		}
	}

	for _, r := range all {
		_, err := l.store.Observe(t.Context(), first, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
		l.must(err)
	}
	l.settled()
	l.ignored(false, all...)
}

// N equal default VPCs that are ignored cost no more calls than N different VPCs.
func TestIgnoredDefaultVPCsCostNoMoreThanOthers(t *testing.T) {
	cost := func(n int, at func(i int) ipam.Resource) int {
		l := newEnv(t)
		l.ignoreDefaultVPCs = true
		calls := &tabletest.Counter{Table: l.memory}
		l.store = l.on(calls)
		for i := range n {
			l.observe(at(i))
		}
		l.settled()
		all := calls.Take()
		return all.BatchGets + all.Queries + all.Transactions
	}
	const n = 40
	equal := cost(n, func(i int) ipam.Resource { return byDefault(vpc(fmt.Sprintf("vpc-%03d", i), "172.31.0.0/16")) })
	different := cost(n, func(i int) ipam.Resource {
		return vpc(fmt.Sprintf("vpc-%03d", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16).String())
	})
	t.Logf("%d equal, %d different", equal, different)
	if equal > different {
		t.Errorf("%d equal default VPCs take %d calls, and different VPCs %d", n, equal, different)
	}
}

// The setting costs no call: a default VPC and its subnet take no more than others.
func TestCostOfObservingADefaultVPC(t *testing.T) {
	made := func(setting bool) (costs [3]int) {
		l := newEnv(t)
		l.ignoreDefaultVPCs = setting
		l.provision(l.pool("", false), "172.31.0.0/16")
		calls := &tabletest.Counter{Table: l.memory}
		l.store = l.on(calls)
		for i, r := range defaultVPC(otherAccount, "a") {
			calls.Take()
			l.observe(r)
			all := calls.Take()
			costs[i] = all.BatchGets + all.Queries + all.Transactions
		}
		l.ignored(setting, defaultVPC(otherAccount, "a")...)
		return costs
	}
	with, without := made(true), made(false)
	t.Logf("with the setting %v, without %v", with, without)
	for i := range with {
		if with[i] > without[i] {
			t.Errorf("with the setting %v calls, without %v", with, without)
		}
	}
}
