package store_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Five VPCs live before there are pools. Pools plan them, three are
// imported, one is ignored, all is given back: nothing is blocked and nothing
// handed out twice.
func TestBrownfield(t *testing.T) {
	l := newEnv(t)
	vpcs := []ipam.Resource{vpc("vpc-1", "10.0.0.0/20"), vpc("vpc-2", "10.0.16.0/20"), vpc("vpc-3", "10.0.64.0/18"), vpc("vpc-4", "10.1.0.0/16"), vpc("vpc-5", "10.8.0.0/16")}
	for _, v := range vpcs {
		l.observe(v)
	}
	l.settled()
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/12")
	l.settled()
	middle := l.pool(top.ID, false)
	l.provision(middle, "10.0.0.0/14")
	l.settled()
	low := l.pool(middle.ID, true)
	l.provision(low, "10.0.0.0/16")
	l.settled()
	if got := l.allocations(low); got != "10.0.0.0/20 vpc, 10.0.16.0/20 vpc, 10.0.64.0/18 vpc" {
		t.Errorf("the imported: %s", got)
	}
	for _, v := range vpcs[:3] {
		l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	}
	l.status(vpcs[4], ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	// Allocations get everything except the space of the VPCs.
	var given []*ipam.Allocation
	for _, p := range []*ipam.Pool{low, middle, top} {
		for {
			a, err := l.allocate(ownerAccount, p, 20, "")
			if err != nil {
				break
			}
			for _, v := range vpcs {
				if v.CIDR.Overlaps(a.CIDR) {
					t.Errorf("%s was given, and %s is at %s", a.CIDR, v.ID, v.CIDR)
				}
			}
			given = append(given, a)
		}
	}
	if want := 16 - 6 + (4-2)*16 + (16-4-1)*16; len(given) != want {
		t.Errorf("%d blocks of /20 were given, want %d", len(given), want)
	}
	l.settled()
	for _, a := range given {
		l.release(a)
	}
	l.settled()
	_, err := l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: "vpc-1", CIDR: vpcs[0].CIDR, Region: "eu-west-1", May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	l.status(vpcs[0], ipam.ManagementIgnored, ipam.ComplianceIgnored, ipam.OverlapIgnored)
	blocked := l.deprovision(low, "10.0.0.0/16")
	says := "10.0.16.0/20 is used by vpc vpc-2 in account " + vpcs[1].Owner + ", eu-west-1: delete that, or have it ignored with ModifyIpamResourceCidr"
	if blocked.State != ipam.CIDRFailedDeprovision || !strings.Contains(blocked.Failure, says) {
		t.Errorf("a CIDR with imported VPCs is %s: %s", blocked.State, blocked.Failure)
	}
	for _, v := range vpcs[1:3] {
		l.forgetFound(v)
	}
	l.settled()
	for _, c := range []struct {
		pool *ipam.Pool
		cidr string
	}{{low, "10.0.0.0/16"}, {middle, "10.0.0.0/14"}, {top, "10.0.0.0/12"}} {
		if got := l.deprovision(c.pool, c.cidr); got.State != ipam.CIDRDeprovisioned {
			t.Errorf("%s is %s: %s", c.cidr, got.State, got.Failure)
		}
		l.settled()
	}
}

// A pool without a locale is for no Region's resources, and imports none.
func TestPoolWithoutLocaleImportsNothing(t *testing.T) {
	l := newEnv(t)
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, AutoImport: true}
	pool, err := l.store.CreatePool(t.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	l.provision(pool, "10.0.0.0/8")
	l.observe(vpc("vpc-1", "10.0.0.0/16"))
	l.settled()
	if got := l.allocations(pool); got != "" {
		t.Errorf("imported: %s", got)
	}
}
