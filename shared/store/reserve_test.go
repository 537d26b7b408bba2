package store_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Two VPCs have one CIDR, and an allocation around them is released: the VPCs' space
// is free when both are gone, and not before.
func TestReleaseAroundLiveVPCs(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a, err := l.allocate(ownerAccount, p, 0, "10.0.0.0/17")
	l.must(err)
	one, two := vpc("vpc-1", "10.0.0.0/20"), vpc("vpc-2", "10.0.0.0/20")
	l.observe(one)
	l.observe(two)
	l.status(one, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
	l.settled()
	l.release(a)
	l.settled()
	if _, err := l.allocate(ownerAccount, p, 0, "10.0.0.0/24"); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), "vpc-1") {
		t.Errorf("an allocation in a live VPC: %v", err)
	}
	l.forgetFound(one)
	l.settled()
	l.status(two, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	if _, err := l.allocate(ownerAccount, p, 0, "10.0.0.0/24"); err == nil {
		t.Error("space of the second VPC was given")
	}
	l.forgetFound(two)
	l.settled()
	if a, err = l.allocate(ownerAccount, p, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the pool is not in one piece: %v, %v", a, err)
	}
}

// A preview of a certain CIDR returns the answer that the request would get, and
// leaves the holds as they are.
func TestPreviewAroundLiveVPCs(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	l.provision(p, "10.2.0.0/16")
	_, err := l.allocate(ownerAccount, p, 0, "10.0.32.0/20")
	l.must(err)
	_, err = l.allocate(otherAccount, p, 0, "10.0.64.0/20")
	l.must(err)
	l.observe(vpc("vpc-1", "10.0.16.0/20"))
	l.observe(vpc("vpc-2", "10.0.80.0/20"))
	l.observe(vpc("vpc-3", "10.2.0.0/20"))
	l.settled()
	before := l.memory.Dump()
	for _, c := range []struct {
		account, cidr string
		refusal       string // part of it, "" for none
	}{
		{otherAccount, "10.0.16.0/20", ""},
		{otherAccount, "10.0.0.0/19", ""},
		{otherAccount, "10.0.16.0/21", "vpc-1"},
		{ownerAccount, "10.0.0.0/19", "vpc-1"},
		{otherAccount, "10.0.0.0/18", "ipam-pool-alloc-"},
		{otherAccount, "10.0.64.0/19", "ipam-pool-alloc-"},
		{otherAccount, "10.2.0.0/15", "not contained in a CIDR that is provisioned"},
	} {
		ask := func(preview bool) (*ipam.Allocation, error) {
			q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: p.ID, May: anyone, Preview: preview, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(c.cidr)}}
			q.Token.Account = c.account
			return l.store.Allocate(t.Context(), q)
		}
		a, err := ask(true)
		if l.memory.Dump() != before {
			t.Fatalf("the preview of %s wrote", c.cidr)
		}
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) || err == nil && a.CIDR.String() != c.cidr {
			t.Errorf("the preview of %s for %s: %v, %v", c.cidr, c.account, a, err)
		}
		if b, really := ask(false); ipam.CodeOf(err) != ipam.CodeOf(really) {
			t.Errorf("%s for %s: %v, %v, but in the preview %v", c.cidr, c.account, b, really, err)
		} else if really == nil {
			l.release(b)
			l.settled()
		}
		before = l.memory.Dump()
	}
}

// A top-level CIDR that was given up half taken, a split in the scope, keeps no
// resource there from being taken in.
func TestLiveInASplitOfTheScope(t *testing.T) {
	l := newEnv(t)
	l.narrow(5)
	q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: l.pool("", false).ID, CIDR: netip.MustParsePrefix("10.0.0.0/24"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
	if _, err := l.on(&failing{Table: l.memory, after: 1}).Provision(t.Context(), q); err == nil {
		t.Fatal("it was provisioned")
	}
	v := vpc("vpc-1", "10.0.0.0/16")
	l.observe(v)
	l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	l.now = l.now.Add(time.Hour)
	l.settled()
}

// Two requests deprovision a CIDR with holds at once: the second gets the error that
// it is deprovisioned.
func TestDeprovisionOverALiveVPCTwiceAtOnce(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/24"))
	table := &overtaken{Table: l.memory, by: func() { l.deprovision(p, "10.0.0.0/16") }}
	_, err := l.on(table).Deprovision(t.Context(), store.Deprovision{Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone})
	if ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), "it is deprovisioned") {
		t.Errorf("%v", err)
	}
	l.settled()
}
