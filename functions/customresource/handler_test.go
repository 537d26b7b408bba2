package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// network makes an IPAM and two pools that the tests use.
func (w *env) network() (scope, top string) {
	w.Helper()
	ipam := w.must("Custom::Ipam", "Ipam", properties{"OperatingRegions": []any{properties{"RegionName": "eu-west-1"}}})
	scope = ipam.attributes["PrivateDefaultScopeId"].(string)
	top = w.must("Custom::IpamPool", "Top", properties{
		"IpamScopeId": scope, "AddressFamily": "ipv4", "Description": "top", "ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/16"}},
	}).id
	return scope, top
}

// A stack with all types: made, changed in place, changed by replacement,
// deleted; nothing is left.
func TestStory(t *testing.T) {
	w := newEnv(t)
	before := w.content()
	scope, top := w.network()

	i := w.standing["Ipam"]
	home := i.attributes["PrivateDefaultScopeId"]
	id := i.id
	i = w.must("Custom::Ipam", "Ipam", properties{"Description": "ours", "OperatingRegions": []any{properties{"RegionName": "us-east-1"}, properties{"RegionName": "eu-west-2"}}, "Tags": tagsOf("a", "1")})
	if i.id != id || i.attributes["PrivateDefaultScopeId"] != home || i.attributes["ScopeCount"] != "2" || i.attributes["Arn"] != "arn:aws:ec2::"+account+":ipam/"+id {
		t.Errorf("the IPAM: %+v", i)
	}
	for _, want := range []string{`"Description":"ours"`, `"OperatingRegions":[{"RegionName":"eu-west-2"},{"RegionName":"us-east-1"}]`, `"Tags":[{"Key":"a","Value":"1"},{"Key":"cadastre:logical-id","Value":"Ipam"},{"Key":"cadastre:stack-id","Value":"` + w.stack + `"}]`} {
		w.contains(want)
	}

	s := w.must("Custom::IpamScope", "Scope", properties{"IpamId": id, "Description": "lab"})
	sid := s.id
	if s = w.must("Custom::IpamScope", "Scope", properties{"IpamId": id, "Tags": tagsOf("k", "v")}); s.id != sid || s.attributes["IsDefault"] != "false" || s.attributes["IpamScopeType"] != "private" {
		t.Errorf("the scope: %+v", s)
	}

	child := properties{
		"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Locale": "eu-west-2",
		"AllocationMinNetmaskLength": 20, "AllocationDefaultNetmaskLength": 24, "AutoImport": true,
		"AllocationResourceTags": tagsOf("team", "red"), "Tags": tagsOf("environment", "dev"),
		"ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/20"}},
	}
	p := w.must("Custom::IpamPool", "Child", child)
	pid := p.id
	for name, want := range map[string]string{"PoolDepth": "2", "State": "create-complete", "StateMessage": "", "IpamScopeType": "private", "IpamPoolId": pid, "IpamArn": i.attributes["Arn"].(string)} {
		if p.attributes[name] != want {
			t.Errorf("the pool's %s is %v, want %s", name, p.attributes[name], want)
		}
	}
	child["AllocationDefaultNetmaskLength"], child["AllocationMaxNetmaskLength"], child["Description"] = 25, 28, "dev"
	child["AllocationResourceTags"], child["Tags"] = tagsOf("team", "blue"), tagsOf("environment", "test", "owner", "x")
	child["ProvisionedCidrs"] = []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/21"}, properties{"Cidr": "10.0.64.0/20"}}
	delete(child, "AllocationMinNetmaskLength")
	delete(child, "AutoImport")
	if p = w.must("Custom::IpamPool", "Child", child); p.id != pid || p.attributes["State"] != "modify-complete" {
		t.Errorf("the pool, changed in place: %+v", p)
	}
	for _, want := range []string{`"AllocationDefaultNetmaskLength":25`, `"AllocationMaxNetmaskLength":28`, `"AllocationMinNetmaskLength":0`, `"AutoImport":false`, `[{"Key":"team","Value":"blue"}]`,
		`{"Key":"cadastre:stack-id","Value":"arn:aws:cloudformation:us-east-1:111122223333:stack/network/6d2f7a30"},{"Key":"environment","Value":"test"},{"Key":"owner","Value":"x"}]`, pid + " has 10.0.16.0/20", pid + " has 10.0.32.0/21", pid + " has 10.0.64.0/20"} {
		w.contains(want)
	}
	if strings.Contains(w.content(), pid+" has 10.0.32.0/20") {
		t.Error("the CIDR that was left out is still there")
	}

	c := w.must("Custom::IpamPoolCidr", "Cidr", properties{"IpamPoolId": pid, "NetmaskLength": 24})
	if c.attributes["State"] != "provisioned" || c.attributes["Cidr"] != "10.0.40.0/24" || c.id != pid+"|"+c.attributes["IpamPoolCidrId"].(string) {
		t.Errorf("the pool's CIDR: %+v", c)
	}
	cid := c.id
	if c = w.must("Custom::IpamPoolCidr", "Cidr", properties{"IpamPoolId": pid, "NetmaskLength": 25}); c.id == cid || c.attributes["Cidr"] != "10.0.41.0/25" {
		t.Errorf("the pool's CIDR, replaced: %+v", c)
	}

	a := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": pid})
	b := w.must("Custom::IpamAllocation", "B", properties{"IpamPoolId": pid, "Cidr": "10.0.64.0/24", "Description": "b"})
	if a.attributes["NetmaskLength"] != "25" || a.attributes["IpamPoolId"] != pid || b.attributes["Cidr"] != "10.0.64.0/24" {
		t.Errorf("the allocations: %+v, %+v", a, b)
	}
	if want := pid + "|" + b.attributes["IpamPoolAllocationId"].(string) + "|10.0.64.0/24"; b.id != want {
		t.Errorf("the physical id is %s, want %s", b.id, want)
	}
	aid := a.id
	if a = w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": pid, "NetmaskLength": 26}); a.id == aid || a.attributes["NetmaskLength"] != "26" {
		t.Errorf("the allocation, replaced: %+v", a)
	}
	if strings.Contains(w.content(), `"IpamPoolAllocationId":"`+strings.Split(aid, "|")[1]) {
		t.Error("the replaced allocation is still there")
	}

	// A pool moves to another locale: another pool, which has the same CIDRs
	// only once these are free.
	w.remove("A")
	w.remove("B")
	w.remove("Cidr")
	child["Locale"], child["ProvisionedCidrs"] = "us-east-1", []any{properties{"Cidr": "10.0.128.0/20"}}
	if p = w.must("Custom::IpamPool", "Child", child); p.id == pid {
		t.Error("the pool has another locale and is the same pool")
	}
	w.must("Custom::Ipam", "Ipam", properties{})
	w.contains(`"Description":null,"EnablePrivateGua":false`)
	w.contains(`"OperatingRegions":[{"RegionName":"us-east-1"}]`)
	for _, logical := range []string{"Child", "Top", "Scope", "Ipam"} {
		w.remove(logical)
	}
	w.same(before)
}

func (w *env) contains(want string) {
	w.Helper()
	if c := w.content(); !strings.Contains(c, want) {
		w.Errorf("there is no %s in:\n%s", want, c)
	}
}

// Types have the properties and attributes of AWS's, and replace on the same
// changes. testdata/aws-types.json is out of the CloudFormation schema that the
// CDK CLI has.
func TestTypesAgreeWithAWS(t *testing.T) {
	b, err := os.ReadFile("testdata/aws-types.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Replacing  []string `json:"replacing"`
		InPlace    []string `json:"in_place"`
		Attributes []string `json:"attributes"`
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	beside := map[string][]string{
		"Custom::IpamPoolCidr":   {"Cidr", "IpamPoolId", "NetmaskLength"},
		"Custom::IpamAllocation": {"Cidr", "IpamPoolId", "NetmaskLength"},
	}
	w := newEnv(t)
	scope, top := w.network()
	w.must("Custom::IpamScope", "S", properties{"IpamId": w.standing["Ipam"].id})
	w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top})
	w.must("Custom::IpamPoolCidr", "C", properties{"IpamPoolId": w.standing["P"].id, "Cidr": "10.0.0.0/24"})
	w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": w.standing["P"].id, "Cidr": "10.0.0.0/26"})
	for _, s := range w.standing {
		var attributes []string
		for name := range s.attributes {
			if !slices.Contains(beside[s.kind], name) {
				attributes = append(attributes, name)
			}
		}
		slices.Sort(attributes)
		if diff := cmp.Diff(attributes, want[s.kind].Attributes); diff != "" {
			t.Errorf("the attributes of %s (-ours +AWS's):\n%s", s.kind, diff)
		}
	}
	for _, c := range []struct {
		kind       string
		properties any
		fixed      facts
	}{
		{"Custom::Ipam", ipamProperties{}, nil},
		{"Custom::IpamScope", scopeProperties{}, scopeKind.fixed(&scopeProperties{})},
		{"Custom::IpamPool", poolProperties{}, poolKind.fixed(&poolProperties{})},
		{"Custom::IpamPoolCidr", poolCIDRProperties{}, poolCIDRKind.fixed(&poolCIDRProperties{})},
		{"Custom::IpamAllocation", allocationProperties{}, allocationKind.fixed(&allocationProperties{})},
	} {
		var replacing, inPlace []string
		for name := range propertiesOf(reflect.TypeOf(c.properties)) {
			fixed := false
			for names := range c.fixed {
				fixed = fixed || slices.Contains(strings.Split(names, ", "), name)
			}
			switch {
			case name == "IpamPoolSelector", name == "StableKey": // ours
			case fixed:
				replacing = append(replacing, name)
			default:
				inPlace = append(inPlace, name)
			}
		}
		slices.Sort(replacing)
		slices.Sort(inPlace)
		if diff := cmp.Diff([][]string{replacing, inPlace}, [][]string{want[c.kind].Replacing, want[c.kind].InPlace}, cmp.Transformer("", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
			t.Errorf("the properties of %s that replace and those that do not (-ours +AWS's):\n%s", c.kind, diff)
		}
	}
}

// A request that comes twice has one outcome and one answer.
func TestRepeatedRequests(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	twice := func(e cfn.Event) cfn.Response {
		t.Helper()
		a := w.send(e)
		if a.Status != cfn.StatusSuccess {
			t.Fatalf("%s %s: %s", e.RequestType, e.ResourceType, a.Reason)
		}
		between := w.content()
		b := w.send(e)
		if diff := cmp.Diff(b, a, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "url" }, cmp.Ignore()), cmp.AllowUnexported(cfn.Response{})); diff != "" {
			t.Errorf("%s %s is answered otherwise the second time (-second +first):\n%s", e.RequestType, e.ResourceType, diff)
		}
		w.same(between)
		return a
	}
	for _, c := range []struct {
		kind         string
		create, then properties
	}{
		{"Custom::IpamScope", properties{"IpamId": w.standing["Ipam"].id}, properties{"IpamId": w.standing["Ipam"].id, "Description": "d", "Tags": tagsOf("a", "b")}},
		{"Custom::IpamPool", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/24"}}},
			properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/25"}, properties{"Cidr": "10.0.1.0/24"}}, "AutoImport": false}},
		{"Custom::IpamPoolCidr", properties{"IpamPoolSelector": properties{"Description": "empty"}, "NetmaskLength": 24}, nil},
		{"Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24}, properties{"IpamPoolId": top, "NetmaskLength": 25}},
	} {
		if c.kind == "Custom::IpamPoolCidr" {
			w.must("Custom::IpamPool", "Empty", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Description": "empty"})
		}
		e := w.event(cfn.RequestCreate, c.kind, "X", c.create)
		made := twice(e)
		last := e
		if c.then != nil {
			u := w.event(cfn.RequestUpdate, c.kind, "X", c.then)
			u.PhysicalResourceID, u.OldResourceProperties = made.PhysicalResourceID, e.ResourceProperties
			changed := twice(u)
			last = u
			if changed.PhysicalResourceID != made.PhysicalResourceID {
				w.end(c.kind, "X", made.PhysicalResourceID, e.ResourceProperties)
				made = changed
			}
		}
		d := w.event(cfn.RequestDelete, c.kind, "X", nil)
		d.PhysicalResourceID, d.ResourceProperties = made.PhysicalResourceID, last.ResourceProperties
		twice(d)
		if a := w.send(e); !strings.HasPrefix(c.kind, "Custom::IpamPool") && a.Status != cfn.StatusSuccess {
			t.Errorf("a create that comes again late: %+v", a)
		}
	}
	w.remove("Empty")
	w.remove("Top")
	w.remove("Ipam") // which it could not be if a late create had made something
}

// A refused create leaves nothing and has a reason.
func TestRefusals(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	pool := func(more properties) properties {
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	for _, c := range []struct {
		name, kind string
		p          properties
		words      string
	}{
		{"a second IPAM", "Custom::Ipam", properties{}, "ResourceLimitExceeded: |1"},
		{"a scope of no IPAM", "Custom::IpamScope", properties{"IpamId": "ipam-0123456789abcdef0"}, "InvalidIpamId.NotFound: The ipam ID 'ipam-0123456789abcdef0' does not exist."},
		{"a pool that cannot be", "Custom::IpamPool", pool(properties{"Locale": "mars-1"}), "InvalidParameterValue: |mars-1|eu-west-1, us-east-1"},
		{"a pool whose only CIDR cannot be", "Custom::IpamPool", pool(properties{"ProvisionedCidrs": []any{properties{"Cidr": "10.1.0.0/24"}}}), "10.1.0.0/24|" + top},
		{"a pool whose last CIDR cannot be", "Custom::IpamPool", pool(properties{"ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/24"}, properties{"Cidr": "10.0.1.0/24"}, properties{"Cidr": "10.0.0.0/16"}}}), "10.0.0.0/16"},
		{"a CIDR twice", "Custom::IpamPool", pool(properties{"ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/24"}, properties{"Cidr": "10.0.0.128/25"}}}), "10.0.0.128/25"},
		{"no CIDR", "Custom::IpamPool", pool(properties{"ProvisionedCidrs": []any{properties{"Cidr": "ten"}}}), "InvalidParameterValue: |ten"},
		{"resource planning", "Custom::IpamPool", pool(properties{"SourceResource": properties{"ResourceId": "vpc-1", "ResourceOwner": account, "ResourceRegion": "us-east-1", "ResourceType": "vpc"}}), "SourceResource"},
		{"another authority", "Custom::IpamScope", properties{"IpamId": w.standing["Ipam"].id, "ExternalAuthorityConfiguration": properties{"ExternalResourceIdentifier": "x", "IpamScopeExternalAuthorityType": "infoblox"}}, "UnsupportedOperation: |ExternalAuthorityConfiguration"},
		{"a CIDR that is too large", "Custom::IpamPoolCidr", properties{"IpamPoolId": top, "NetmaskLength": 8}, "InvalidParameterCombination: "},
		{"an allocation that is too large", "Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 15}, "/15|/16"},
		{"an allocation from no pool", "Custom::IpamAllocation", properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24}, "InvalidIpamPoolId.NotFound: The ipam-pool ID 'ipam-pool-0123456789abcdef0' does not exist."},
		{"both", "Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24, "Cidr": "10.0.0.0/24"}, "InvalidParameterCombination: "},
		{"a property that it has not", "Custom::IpamAllocation", properties{"IpamPoolId": top, "Size": 24}, "UnknownParameter: The property Size|Cidr, Description, IpamPoolId, IpamPoolSelector, NetmaskLength, StableKey"},
		{"a stable key that is too long", "Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24, "StableKey": strings.Repeat("k", 257)}, "InvalidParameterValue: |256"},
		{"a control character in a description", "Custom::IpamScope", properties{"IpamId": w.standing["Ipam"].id, "Description": "a\x1bb"}, "InvalidParameterValue: |Description|control characters"},
		{"a control character in a tag", "Custom::IpamScope", properties{"IpamId": w.standing["Ipam"].id, "Tags": tagsOf("k", "a\x00")}, "InvalidParameterValue: |control characters"},
		{"a control character in an allocation's tag", "Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24, "Description": "\x07"}, "InvalidParameterValue: |control characters"},
		{"a type that there is not", "Custom::IpamVpc", properties{}, "InvalidParameterValue: Custom::IpamVpc|Custom::IpamPoolCidr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.T = t
			w.refused(c.words, c.kind, "New", c.p)
			if a := w.bucket.answers[len(w.bucket.answers)-2]; a.PhysicalResourceID != "nothing-was-made" || a.Data != nil {
				t.Errorf("the failed create answers %+v", a)
			}
		})
	}
}

// An update that fails is rolled back, and leaves the resource as it was.
func TestRollback(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.must("Custom::IpamAllocation", "B", properties{"IpamPoolId": top, "Cidr": "10.0.8.0/24", "Description": "b"})
	w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Description": "p", "Tags": tagsOf("a", "1"),
		"AllocationDefaultNetmaskLength": 26, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/20"}}})
	w.must("Custom::IpamAllocation", "C", properties{"IpamPoolId": w.standing["P"].id})
	w.must("Custom::IpamPoolCidr", "D", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 22})
	w.must("Custom::IpamScope", "S", properties{"IpamId": w.standing["Ipam"].id, "Description": "s"})
	pool := func(more properties) properties {
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	for _, c := range []struct {
		name, logical string
		p             properties
		words         string
	}{
		{"a length that is not free", "A", properties{"IpamPoolId": top, "NetmaskLength": 16}, "/16"},
		{"a CIDR that is taken", "A", properties{"IpamPoolId": top, "Cidr": "10.0.8.0/25"}, "10.0.8.0/2"},
		{"a pool that there is not", "B", properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "Cidr": "10.0.8.0/24", "Description": "b"}, "NotFound"},
		{"properties that cannot be read", "B", properties{"IpamPoolId": top, "NetmaskLength": "large"}, "NetmaskLength"},
		{"another description of the same CIDR", "B", properties{"IpamPoolId": top, "Cidr": "10.0.8.0/24", "Description": "c"}, "10.0.8.0/24"},
		{"an allocation with the pool's default length", "C", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 8}, "/8"},
		{"a CIDR of a pool", "D", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 16}, "/16"},
		{"another IPAM", "S", properties{"IpamId": "ipam-0123456789abcdef0"}, "NotFound"},
		{"another authority", "S", properties{"IpamId": w.standing["Ipam"].id, "Description": "s", "ExternalAuthorityConfiguration": properties{"ExternalResourceIdentifier": "x", "IpamScopeExternalAuthorityType": "infoblox"}}, "UnsupportedOperation: "},
		{"a pool's rules", "P", pool(properties{"Description": "q", "AllocationDefaultNetmaskLength": 24, "AllocationMinNetmaskLength": 25}), "AllocationMinNetmaskLength"},
		{"a pool's CIDR in use", "P", pool(properties{"Tags": tagsOf("b", "2"), "ProvisionedCidrs": []any{properties{"Cidr": "10.0.32.0/20"}, properties{"Cidr": "10.0.48.0/20"}}}), "IncorrectState|10.0.16.0/20"},
		{"a pool's CIDR that is not free", "P", pool(properties{"ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/21"}, properties{"Cidr": "10.0.8.0/22"}}}), "10.0.8.0/2"},
		{"a pool of another family", "P", pool(properties{"AddressFamily": "ipv6"}), "AddressFamily"},
		{"a pool with and then without a locale", "P", pool(properties{"Locale": "mars-1"}), "mars-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.T = t
			w.refused(c.words, w.standing[c.logical].kind, c.logical, c.p)
		})
	}
}

// A property that the object already has replaces nothing, in a roll-back or not.
func TestStays(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	a := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 24})
	if b := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "Cidr": a.attributes["Cidr"]}); b.id != a.id {
		t.Errorf("%s is replaced by %s", a.id, b.id)
	}
	// The function's own properties are none of the resource's.
	e := w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "Cidr": a.attributes["Cidr"], "ServiceTimeout": 60})
	if r := w.send(e); r.PhysicalResourceID != a.id || r.Status != cfn.StatusSuccess || r.Data["Cidr"] != a.attributes["Cidr"] {
		t.Errorf("%+v", r)
	}
	// A property that is left out is a change.
	w.must("Custom::IpamAllocation", "B", properties{"IpamPoolId": top, "NetmaskLength": 24, "Description": "b"})
	was := w.standing["B"].id
	if b := w.must("Custom::IpamAllocation", "B", properties{"IpamPoolId": top, "NetmaskLength": 24}); b.id == was {
		t.Error("the description is left out and the allocation is the same")
	}
}

// The default resource discovery of an IPAM excludes the organizational units of the
// template, and those that others excluded.
func TestExclusions(t *testing.T) {
	w := newEnv(t)
	before := w.content()
	excluding := func(units ...string) properties {
		var list []any
		for _, u := range units {
			list = append(list, properties{"OrganizationsEntityPath": "o-a1b2c3d4e5/r-f6g7/ou-f6g7-" + u})
		}
		return properties{"DefaultResourceDiscoveryOrganizationalUnitExclusions": list}
	}
	left := func(want ...string) {
		t.Helper()
		var got []string
		for _, m := range regexp.MustCompile(`"OrganizationsEntityPath":"o-a1b2c3d4e5/r-f6g7/ou-f6g7-([^"]*)"`).FindAllStringSubmatch(w.content(), -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q are left out, want %q", got, want)
		}
	}
	w.refused("InvalidParameterValue: |nowhere|OrganizationsEntityPath", "Custom::Ipam", "X", excluding("11111111/", "nowhere"))
	x := w.must("Custom::Ipam", "X", excluding("11111111/", "22222222/*"))
	left("11111111/", "22222222/*")
	other := "o-a1b2c3d4e5/r-f6g7/ou-f6g7-44444444/"
	if _, err := w.h.caller.Call(t.Context(), "ModifyIpamResourceDiscovery", &ec2.ModifyIpamResourceDiscoveryInput{
		IpamResourceDiscoveryId:         aws.String(x.attributes["DefaultResourceDiscoveryId"].(string)),
		AddOrganizationalUnitExclusions: []types.AddIpamOrganizationalUnitExclusion{{OrganizationsEntityPath: &other}},
	}); err != nil {
		t.Fatal(err)
	}
	w.must("Custom::Ipam", "X", excluding("33333333/", "22222222/*"))
	left("22222222/*", "33333333/", "44444444/")
	w.refused("InvalidParameterValue: |cover the same", "Custom::Ipam", "X", excluding("33333333/*", "33333333/"))
	left("22222222/*", "33333333/", "44444444/")
	w.must("Custom::Ipam", "X", properties{})
	left("44444444/")
	w.remove("X")
	w.same(before)
}

// A resource planning pool over a VPC is made once discovery has seen the VPC, is
// changed in place, and is replaced by one over another VPC.
func TestResourcePlanning(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	source := w.must("Custom::IpamPool", "Source", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Locale": "us-east-1", "AutoImport": true,
		"ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}}})
	before := w.content()
	over := func(vpc, cidr, description string) properties {
		return properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": source.id, "Description": description, "ProvisionedCidrs": []any{properties{"Cidr": cidr}},
			"SourceResource": properties{"ResourceId": vpc, "ResourceOwner": account, "ResourceRegion": "us-east-1", "ResourceType": "vpc"}}
	}
	w.refused("InvalidParameterValue: |vpc-1|discovery has seen it", "Custom::IpamPool", "X", over("vpc-1", "10.0.16.0/24", ""))
	found, err := w.store.Discoveries(t.Context(), []string{w.standing["Ipam"].attributes["DefaultResourceDiscoveryId"].(string)})
	if err != nil {
		t.Fatal(err)
	}
	ipams, err := w.store.IPAMs(t.Context(), found[0].IPAMs)
	if err != nil {
		t.Fatal(err)
	}
	for vpc, cidr := range map[string]string{"vpc-1": "10.0.16.0/24", "vpc-2": "10.0.17.0/24"} {
		r := ipam.Resource{Type: ipam.ResourceVPC, ID: vpc, VPC: vpc, CIDR: netip.MustParsePrefix(cidr), Owner: account, Region: "us-east-1"}
		if _, err := w.store.Observe(t.Context(), found[0], ipams, r, started.Unix()); err != nil {
			t.Fatal(err)
		}
	}
	if w.content() == before {
		t.Fatal("the VPCs are not imported")
	}
	before = w.content()
	x := *w.must("Custom::IpamPool", "X", over("vpc-1", "10.0.16.0/24", ""))
	w.contains(`"SourceResource":{"ResourceId":"vpc-1","ResourceOwner":"` + account + `","ResourceRegion":"us-east-1","ResourceType":"vpc"}`)
	if y := w.must("Custom::IpamPool", "X", over("vpc-1", "10.0.16.0/24", "d")); y.id != x.id {
		t.Error("another description, and another pool")
	}
	w.refused("vpc-3", "Custom::IpamPool", "X", over("vpc-3", "10.0.16.0/24", "d"))
	if y := w.must("Custom::IpamPool", "X", over("vpc-2", "10.0.17.0/24", "d")); y.id == x.id {
		t.Error("another VPC, and the same pool")
	}
	w.remove("X")
	w.same(before)
}

// A stack that is deleted and made anew has the CIDRs that it had, as far as
// they are free; another key is another allocation.
func TestStableKey(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	keyed := func(key string) properties {
		return properties{"IpamPoolId": top, "NetmaskLength": 24, "StableKey": key}
	}
	w.must("Custom::IpamAllocation", "Other", properties{"IpamPoolId": top, "NetmaskLength": 24})
	a := *w.must("Custom::IpamAllocation", "A", keyed("a"))
	w.contains(`{"Key":"cadastre:stable-key","Value":"a"}`)
	w.remove("Other")
	w.remove("A")
	if b := w.must("Custom::IpamAllocation", "A", keyed("a")); b.id == a.id || b.attributes["Cidr"] != "10.0.1.0/24" {
		t.Errorf("made anew, the allocation is %+v, and was %+v", b, a)
	}
	if b := w.must("Custom::IpamAllocation", "B", keyed("b")); b.attributes["Cidr"] != "10.0.0.0/24" {
		t.Errorf("with another key: %+v", b)
	}
	was := w.standing["A"].id
	if r := w.send(w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "A", keyed("a"))); r.PhysicalResourceID != was {
		t.Errorf("with the same key, %s is replaced by %s", was, r.PhysicalResourceID)
	}
	if b := w.must("Custom::IpamAllocation", "A", keyed("c")); b.id == was {
		t.Error("another key, and the same allocation")
	}
	was = w.standing["A"].id
	if b := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 24}); b.id == was {
		t.Error("the key is left out, and the allocation is the same")
	}
	w.refused("/8", "Custom::IpamAllocation", "B", properties{"IpamPoolId": top, "NetmaskLength": 8, "StableKey": "b"})
}

// An object that does not exist any more cannot be changed, but replaced.
func TestUpdateOfAMissingObject(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "AllocationDefaultNetmaskLength": 26}
	w.must("Custom::IpamPool", "P", p)
	a := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.end("Custom::IpamPool", "P", w.standing["P"].id, p)
	w.end("Custom::IpamAllocation", "A", a.id, a.properties)
	p["Description"] = "d"
	if r := w.send(w.event(cfn.RequestUpdate, "Custom::IpamPool", "P", p)); !strings.Contains(r.Reason, "IncorrectState: "+w.standing["P"].id+" does not exist any more") || r.PhysicalResourceID != w.standing["P"].id {
		t.Errorf("%+v", r)
	}
	if b := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 25}); b.id == a.id {
		t.Errorf("%+v", b)
	}
	p["Locale"] = "us-east-1"
	was := w.standing["P"].id
	if b := w.must("Custom::IpamPool", "P", p); b.id == was {
		t.Errorf("%+v", b)
	}
	// A rule that is left out is a pool's no more.
	w.contains(`"AllocationDefaultNetmaskLength":26`)
	delete(p, "AllocationDefaultNetmaskLength")
	w.must("Custom::IpamPool", "P", p)
	if strings.Contains(w.content(), `"AllocationDefaultNetmaskLength":26`) {
		t.Error("the default length is still there")
	}
}

// The delete of an object that does not exist succeeds, and a refused delete has a reason.
func TestDelete(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	a := w.must("Custom::IpamAllocation", "A", properties{"IpamPoolId": top, "NetmaskLength": 24})
	for _, c := range []struct{ logical, words string }{
		{"Top", "10.0.0.0/24 is taken by " + strings.Split(a.id, "|")[1]},
		{"Ipam", "DependencyViolation: "},
	} {
		s := w.standing[c.logical]
		r := w.send(w.event(cfn.RequestDelete, s.kind, c.logical, s.properties))
		if r.Status != cfn.StatusFailed || !strings.Contains(r.Reason, c.words) || r.PhysicalResourceID != s.id {
			t.Errorf("%s: %+v", c.logical, r)
		}
	}
	// Nobody knows any more that it was released.
	w.end("Custom::IpamAllocation", "Long", top+"|ipam-pool-alloc-"+strings.Repeat("0", 32)+"|10.0.9.0/24", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}}})
	w.must("Custom::IpamPoolCidr", "C", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 24})
	w.must("Custom::IpamScope", "S", properties{"IpamId": w.standing["Ipam"].id})
	copies := map[string]*standing{}
	for _, logical := range []string{"A", "C", "P", "S", "Top", "Ipam"} {
		copies[logical] = w.standing[logical]
		w.remove(logical)
	}
	for logical, s := range copies {
		w.end(s.kind, logical, s.id, s.properties)
	}
	// Ids that this function has not made are none of its objects.
	w.calls = nil
	for _, kind := range []string{"Custom::Ipam", "Custom::IpamScope", "Custom::IpamPool", "Custom::IpamPoolCidr", "Custom::IpamAllocation", "Custom::Other", "AWS::CloudFormation::CustomResource"} {
		for _, id := range []string{"nothing-was-made", "2026/11/25/[$LATEST]4c1b0c1e", "", "|", "||", "ipam-pool-1|ipam-pool-alloc-1|10.0.0.0/24", "ipam-scope", a.id + "|", "ipam-pool-0123456789abcdef0|ipam-pool-0123456789abcdef0"} {
			e := w.event(cfn.RequestDelete, kind, "X", properties{"Anything": "at all"})
			e.PhysicalResourceID = id
			if err := w.h.Handle(t.Context(), e); err != nil || w.bucket.last().Status != cfn.StatusSuccess {
				t.Errorf("delete %q of %s: %v, %+v", id, kind, err, w.bucket.last())
			}
		}
	}
	if len(w.calls) > 0 {
		t.Errorf("they were asked for: %v", w.calls)
	}
}
