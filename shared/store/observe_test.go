package store_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A VPC with the CIDR of its account's allocation claims the allocation, in either
// order of arrival. When the VPC goes, the allocation stays.
func TestClaim(t *testing.T) {
	for _, first := range []string{"allocation", "VPC"} {
		t.Run(first+" first", func(t *testing.T) {
			l := newEnv(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.16.0/20")
			if first == "VPC" {
				l.observe(v)
				l.settled()
			}
			if _, err := l.allocate(ownerAccount, p, 0, "10.0.16.0/20"); first == "VPC" && err == nil {
				t.Fatal("another account's VPC was given away")
			} else if err == nil { // another account's allocation is not claimed
				l.observe(v)
				l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
				all, _, err := l.store.Allocations(t.Context(), p.ID, "", 0)
				l.must(err)
				l.forgetFound(v)
				l.release(all[0])
			}
			a, err := l.allocate(otherAccount, p, 0, "10.0.16.0/20")
			l.must(err)
			if first == "VPC" { // as the table's stream has it done
				l.must(l.store.EvaluateStatus(t.Context(), l.ipam.PrivateScope, a.CIDR))
			} else {
				l.observe(v)
			}
			l.settled()
			l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
			l.forgetFound(v)
			l.settled()
			if got := l.allocations(p); got != "10.0.16.0/20 custom" {
				t.Errorf("the allocations: %s", got)
			}
			l.release(a)
			l.settled()
		})
	}
}

// An observation of an unchanged resource costs no write. A late observation
// changes nothing.
func TestObserveUnchanged(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", true)
	l.provision(p, "10.0.0.0/16")
	v := vpc("vpc-1", "10.0.0.0/20")
	l.observe(v)
	l.settled()
	before := l.memory.Dump()
	l.observe(v)
	late := v
	late.Name = "as it was called before"
	if changed, err := l.store.Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, late, 1); err != nil || changed {
		t.Errorf("a late observation: %t, %v", changed, err)
	}
	f := l.found(v)
	if gone, err := l.store.Forget(t.Context(), f, f.Sampled); err != nil || gone {
		t.Errorf("a sweep by an earlier run: %t, %v", gone, err)
	}
	if after := l.memory.Dump(); after != before {
		t.Errorf("the table changed from\n%s\nto\n%s", before, after)
	}
}

// EC2's ids are unique in a Region. Of two VPCs with one id and one CIDR, such as
// default VPCs, one goes, and the space of the other stays held.
func TestLiveOfOneIDInTwoRegions(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "172.31.0.0/16")
	here := vpc("vpc-1", "172.31.0.0/16")
	there := here
	there.Region = "eu-north-1"
	l.observe(here)
	l.observe(there)
	l.settled()
	l.forgetFound(there)
	l.settled()
	if a, err := l.allocate(otherAccount, p, 24, ""); err == nil {
		t.Errorf("%s was given, and %s is live at %s", a.CIDR, here.ID, here.CIDR)
	}
	l.forgetFound(here)
	if _, err := l.allocate(otherAccount, p, 16, ""); err != nil {
		t.Error(err)
	}
	l.settled()
}
