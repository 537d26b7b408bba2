package ipam_test

import (
	"net/netip"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// The target of a CIDR that an IPAM sees for the first time.
func TestFirstTarget(t *testing.T) {
	o := &ipam.IPAM{Meta: ipam.Meta{ID: "ipam-1"}, PrivateScope: "private", PublicScope: "public"}
	vpc := func(cidr string, isDefault bool) ipam.Resource {
		return ipam.Resource{Type: ipam.ResourceVPC, CIDR: netip.MustParsePrefix(cidr), DefaultVPC: isDefault}
	}
	eip := ipam.Resource{Type: ipam.ResourceEIP, CIDR: netip.MustParsePrefix("192.0.2.1/32")}
	for _, c := range []struct {
		name    string
		r       ipam.Resource
		pending string
		setting bool
		scope   string
		ignored bool
	}{
		{"a VPC", vpc("10.0.0.0/16", false), "", true, "private", false},
		{"a VPC with the CIDR of default VPCs", vpc("172.31.0.0/16", false), "", true, "private", false},
		{"a default VPC", vpc("172.31.0.0/16", true), "", true, "private", true},
		{"a default VPC without the setting", vpc("172.31.0.0/16", true), "", false, "private", false},
		{"a default VPC's CIDR from a pool", vpc("172.31.0.0/16", true), "third", true, "third", false},
		{"a default VPC's CIDR from a pool of the private scope", vpc("172.31.0.0/16", true), "private", true, "private", false},
		{"a public IPv6 CIDR of a default VPC", vpc("2001:db8::/56", true), "", true, "public", false},
		{"an Elastic IP", eip, "", true, "public", false},
	} {
		if got, want := ipam.FirstTarget(o, &c.r, c.pending, c.setting), (ipam.Target{IPAM: "ipam-1", Scope: c.scope, Ignored: c.ignored}); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}
