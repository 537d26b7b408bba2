package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A refused update has changed nothing, before CloudFormation rolls it back: in between
// another pool could take space that the update had given up.
func TestRefusedUpdateChangesNothing(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	inline := func(more properties, cidrs ...string) properties {
		var list []any
		for _, c := range cidrs {
			list = append(list, properties{"Cidr": c})
		}
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "ProvisionedCidrs": list}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	child := properties{"SourceIpamPoolId": top, "Description": "d", "AllocationMinNetmaskLength": 20, "AllocationDefaultNetmaskLength": 24,
		"AllocationResourceTags": tagsOf("r", "1"), "Tags": tagsOf("a", "1", "b", "2"), "AutoImport": true}
	changed := properties{"SourceIpamPoolId": top, "Description": "e", "AllocationMaxNetmaskLength": 28, "AllocationDefaultNetmaskLength": 25,
		"AllocationResourceTags": tagsOf("r", "2", "s", "1"), "Tags": tagsOf("a", "2", "c", "3")}
	changedWithoutLimit := maps.Clone(changed)
	delete(changedWithoutLimit, "AllocationMaxNetmaskLength")
	w.must("Custom::IpamPool", "P", inline(child, "10.0.16.0/20", "10.0.32.0/21"))
	w.must("Custom::IpamPool", "Neighbour", inline(properties{"SourceIpamPoolId": top}, "10.0.40.0/21"))
	w.must("Custom::IpamAllocation", "Taken", properties{"IpamPoolId": w.standing["P"].id, "Cidr": "10.0.16.0/24"})
	w.must("Custom::IpamPool", "Far", inline(nil, "10.2.0.0/16"))
	w.must("Custom::IpamPool", "FarNeighbour", inline(nil, "10.3.0.0/16"))
	w.must("Custom::IpamScope", "S", properties{"IpamId": w.standing["Ipam"].id, "Description": "s", "Tags": tagsOf("a", "1")})
	many := []string{}
	for i := range 60 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	for _, c := range []struct {
		name, logical string
		p             properties
		words         string
	}{
		{"a wildcard for a CIDR", "P", inline(child, "*"), `InvalidParameterValue: |ProvisionedCidrs[0].Cidr|"*"`},
		{"a wildcard behind a CIDR", "P", inline(child, "10.0.16.0/20", "10.0.32.0/2?"), `"10.0.32.0/2?"`},
		{"bits beyond the length", "P", inline(child, "10.0.16.0/20", "10.0.32.1/21"), "10.0.32.1/21|10.0.32.0/21"},
		{"bits beyond the length of a CIDR that is in use", "P", inline(child, "10.0.16.1/20", "10.0.32.0/21"), "10.0.16.1/20|10.0.16.0/20"},
		{"no CIDR", "P", inline(child, "10.0.16.0/20", "10.0.32.0"), `"10.0.32.0"`},
		{"a CIDR twice", "P", inline(child, "10.0.16.0/20", "10.0.32.0/21", "10.0.32.0/22"), "10.0.32.0/22|overlaps 10.0.32.0/21"},
		{"a larger CIDR, with a neighbour's", "P", inline(child, "10.0.16.0/20", "10.0.32.0/20"), "10.0.32.0/20|10.0.40.0/21"},
		{"a larger CIDR than the source has", "P", inline(child, "10.0.16.0/20", "10.0.0.0/8"), "10.0.0.0/8"},
		{"another family", "P", inline(child, "10.0.16.0/20", "fd80::/48"), "fd80::/48"},
		{"a larger CIDR of a top-level pool", "Far", inline(nil, "10.2.0.0/15"), "10.2.0.0/15|10.3.0.0/16"},
		{"rules, tags and a CIDR that is taken", "P", inline(changed, "10.0.16.0/20", "10.0.32.0/21", "10.0.40.0/22"), "10.0.40.0/2"},
		{"rules, tags, and a CIDR in use that goes", "P", inline(changedWithoutLimit, "10.0.32.0/21", "10.0.48.0/20"), "IncorrectState|10.0.16.0/20"},
		{"rules, and too many tags", "P", inline(properties{"SourceIpamPoolId": top, "Description": "e", "Tags": tagsOf(many...)}, "10.0.16.0/20", "10.0.32.0/21"), "TagLimitExceeded"},
		{"a scope, and too many tags", "S", properties{"IpamId": w.standing["Ipam"].id, "Description": "t", "Tags": tagsOf(many...)}, "TagLimitExceeded"},
		{"an IPAM, and too many tags", "Ipam", properties{"Description": "t", "OperatingRegions": []any{properties{"RegionName": "eu-west-2"}}, "Tags": tagsOf(many...)}, "TagLimitExceeded"},
		{"an IPAM, tags and an exclusion", "Ipam", properties{"Description": "t", "Tags": tagsOf("x", "y"), "DefaultResourceDiscoveryOrganizationalUnitExclusions": []any{properties{"OrganizationsEntityPath": "nowhere"}}}, "nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.T = t
			before := w.content()
			update := w.event(cfn.RequestUpdate, w.standing[c.logical].kind, c.logical, c.p)
			a := w.send(update)
			if a.Status != cfn.StatusFailed || a.PhysicalResourceID != w.standing[c.logical].id {
				t.Fatalf("answered %+v", a)
			}
			for _, word := range strings.Split(c.words, "|") {
				if !strings.Contains(a.Reason, word) {
					t.Errorf("the reason does not say %q: %s", word, a.Reason)
				}
			}
			if diff := cmp.Diff(strings.Split(w.content(), "\n"), strings.Split(before, "\n")); diff != "" {
				t.Errorf("something has changed (-after +before):\n%s", diff)
			}
		})
	}
}

// A CIDR that is removed by an update that fails later is back before the answer.
func TestRemovedCIDRComesBack(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.32.0/20"}}}
	w.must("Custom::IpamPool", "P", p)
	before := childAllocation.ReplaceAllString(w.content(), "$1")
	p["ProvisionedCidrs"] = []any{properties{"Cidr": "10.0.32.0/21"}}
	removed := false
	w.spy = func(operation string, _ any) error {
		removed = removed || operation == "DeprovisionIpamPoolCidr"
		if operation != "ProvisionIpamPoolCidr" || !removed {
			return nil
		}
		w.spy = nil // only the first try, in which somebody else has the space for a moment
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "taken")
	}
	a := w.send(w.event(cfn.RequestUpdate, "Custom::IpamPool", "P", p))
	if a.Status != cfn.StatusFailed || !removed {
		t.Fatalf("answered %+v", a)
	}
	if diff := cmp.Diff(childAllocation.ReplaceAllString(w.content(), "$1"), before); diff != "" {
		t.Errorf("-after +before:\n%s", diff)
	}
}
