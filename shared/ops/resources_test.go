package ops_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// Each parameter of GetIpamResourceCidrs, and each of its filters.
func TestResourcesBySelectorsAndFilters(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id, private := m.DefaultResourceDiscoveryId, m.PrivateDefaultScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private})
	six := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private, AddressFamily: types.AddressFamilyIpv6})
	w.recordRun(*id, account, 1)
	w.recordRun(*id, stranger, 1)
	to := ipam.Target{IPAM: *m.IpamId, Scope: *private}
	found := []struct {
		r      ipam.Resource
		status ipam.Status
	}{
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-2", CIDR: netip.MustParsePrefix("10.1.0.0/16"), Owner: stranger, VPC: "vpc-2"},
			ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Overlapping}},
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Owner: account, VPC: "vpc-1", Tags: ipam.Tags{"env": "prod"}},
			ipam.Status{Management: ipam.Managed, Compliance: ipam.Compliant, Overlap: ipam.Nonoverlapping, Pool: pool}},
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("fd80::/56"), Owner: account, VPC: "vpc-1", Tags: ipam.Tags{"env": "test"}},
			ipam.Status{Management: ipam.Managed, Compliance: ipam.Noncompliant, Overlap: ipam.Nonoverlapping, Pool: six}},
		{ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, VPC: "vpc-1", Name: "a", AvailabilityZone: "use1-az1"}, ipam.Status{}},
		{ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", CIDR: netip.MustParsePrefix("10.0.0.4/32"), Owner: account, VPC: "vpc-1"}, ipam.Status{}},
	}
	for _, f := range found {
		w.putFound(*id, 1, f.r, f.status, to)
	}
	for of, cidr := range map[string]string{pool: "10.0.0.0/15", six: "fd80::/48"} {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &of, Cidr: &cidr})
	}
	for _, f := range found { // provisioning has evaluated them
		w.putFound(*id, 1, f.r, f.status, to)
	}
	type in = ec2.GetIpamResourceCidrsInput
	filter := func(name string, values ...string) in { return in{Filters: []types.Filter{where(name, values...)}} }
	tag := func(key string, value *string) in {
		return in{ResourceTag: &types.RequestIpamResourceTag{Key: &key, Value: value}}
	}
	const a, b, s, v6 = "10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/24", "fd80::/56"
	for _, c := range []struct {
		name string
		in   in
		want []string
	}{
		{"all, in order, without interfaces", in{}, []string{a, s, b, v6}},
		{"a pool", in{IpamPoolId: &pool}, []string{a}},
		{"a pool of IPv6", in{IpamPoolId: &six}, []string{v6}},
		{"an id", in{ResourceId: aws.String("vpc-1")}, []string{a, v6}},
		{"a type", in{ResourceType: types.IpamResourceTypeSubnet}, []string{s}},
		{"a type that is not among them", in{ResourceType: types.IpamResourceTypeEni}, nil},
		{"an owner", in{ResourceOwner: aws.String(stranger)}, []string{b}},
		{"a tag", tag("env", aws.String("prod")), []string{a}},
		{"a tag of any value", tag("env", nil), []string{a, v6}},
		{"a tag of no value", tag("env", aws.String("")), nil},
		{"two things at once", in{ResourceId: aws.String("vpc-1"), IpamPoolId: &six}, []string{v6}},
		{"management-state", filter("management-state", "managed"), []string{a, v6}},
		{"compliance-status", filter("compliance-status", "noncompliant", "unmanaged"), []string{b, v6}},
		{"overlap-status", filter("overlap-status", "overlapping"), []string{b}},
		{"overlap-status of those with one", filter("overlap-status", "*"), []string{a, b, v6}},
		{"resource-cidr", filter("resource-cidr", "10.*"), []string{a, s, b}},
		{"resource-region", filter("resource-region", home), []string{a, s, b, v6}},
		{"vpc-id", filter("vpc-id", "vpc-2"), []string{b}},
		{"resource-name", filter("resource-name", "a"), []string{s}},
		{"availability-zone-id", filter("availability-zone-id", "use1-*"), []string{s}},
		{"ipam-pool-id", filter("ipam-pool-id", pool), []string{a}},
	} {
		c.in.IpamScopeId = private
		var got []string
		for _, r := range do[ec2.GetIpamResourceCidrsOutput](w, w.admin, &c.in).IpamResourceCidrs {
			got = append(got, *r.ResourceCidr)
			if *r.IpamId != *m.IpamId || *r.IpamScopeId != *private {
				t.Errorf("%s: %+v is of another IPAM", c.name, r)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A VPC's CIDR is ignored, monitored again and moved, with its subnet. Its space in a pool
// follows at once.
func TestModifyResource(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id, private := m.DefaultResourceDiscoveryId, m.PrivateDefaultScopeId
	second := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}).IpamScope.IpamScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private, Locale: aws.String(home), AutoImport: aws.Bool(true)}, "10.0.0.0/16")
	w.recordRun(*id, account, 1)
	w.observe(*id, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/20"), Owner: account, VPC: "vpc-1"})
	w.observe(*id, 1, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, VPC: "vpc-1"})
	modify := func(from, to *string, monitored bool) *types.IpamResourceCidr {
		t.Helper()
		return do[ec2.ModifyIpamResourceCidrOutput](w, w.admin, &ec2.ModifyIpamResourceCidrInput{
			CurrentIpamScopeId: from, DestinationIpamScopeId: to, ResourceId: aws.String("vpc-1"), ResourceCidr: aws.String("10.0.0.0/20"), ResourceRegion: aws.String(home), Monitored: &monitored,
		}).IpamResourceCidr
	}
	next := func(want string) {
		t.Helper()
		got := do[ec2.AllocateIpamPoolCidrOutput](w, w.admin, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(20), PreviewNextCidr: aws.Bool(true)}).IpamPoolAllocation
		if *got.Cidr != want {
			t.Errorf("the next /20 is %s, want %s", *got.Cidr, want)
		}
	}
	in := func(scope *string, want ...types.IpamManagementState) {
		t.Helper()
		var got []types.IpamManagementState
		for _, r := range do[ec2.GetIpamResourceCidrsOutput](w, w.admin, &ec2.GetIpamResourceCidrsInput{IpamScopeId: scope}).IpamResourceCidrs {
			got = append(got, r.ManagementState)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in %s the states are %q, want %q", *scope, got, want)
		}
	}
	in(private, types.IpamManagementStateManaged, "")
	next("10.0.16.0/20")

	if got := modify(private, nil, false); got.ManagementState != types.IpamManagementStateIgnored || got.ComplianceStatus != types.IpamComplianceStatusIgnored || got.OverlapStatus != types.IpamOverlapStatusIgnored || *got.IpamScopeId != *private || *got.IpamId != *m.IpamId {
		t.Errorf("ignored it is %+v", got)
	}
	in(private, types.IpamManagementStateIgnored, types.IpamManagementStateIgnored)
	next("10.0.0.0/20")

	modify(private, nil, true)
	in(private, types.IpamManagementStateManaged, "")
	next("10.0.16.0/20")

	if got := modify(private, second, true); got.ManagementState != types.IpamManagementStateUnmanaged || *got.IpamScopeId != *second {
		t.Errorf("moved it is %+v", got)
	}
	in(private)
	in(second, types.IpamManagementStateUnmanaged, "")
	next("10.0.0.0/20")
	w.refused(t, w.admin, &ec2.DeleteIpamScopeInput{IpamScopeId: second}, "DependencyViolation", *second)
}

func modifyResources(scope *string, filter string) any {
	return &ops.ModifyIpamResourceCidrsInput{IpamScopeId: scope, Filters: []types.Filter{where(filter, "true")}, Monitored: aws.Bool(false)}
}

func TestResourcesRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// GetIpamResourceCidrs
		{"scope unknown: its resources", &ec2.GetIpamResourceCidrsInput{IpamScopeId: noScope}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"pool unknown: its resources", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"the resources of a pool of another scope", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, IpamPoolId: f.empty}, "InvalidParameterValue", []string{*f.empty, *f.second}},
		{"resources by an id that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, ResourceId: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"ResourceId", "513", "512"}},
		{"resources by an owner that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, ResourceOwner: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"ResourceOwner", "513"}},
		{"resources by a tag key that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, ResourceTag: &types.RequestIpamResourceTag{Key: aws.String(strings.Repeat("x", 513))}}, "InvalidParameterValue", []string{"ResourceTag.Key", "513"}},
		{"resources by a tag value that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, ResourceTag: &types.RequestIpamResourceTag{Key: shortText, Value: aws.String(strings.Repeat("x", 513))}}, "InvalidParameterValue", []string{"ResourceTag.Value", "513"}},
		{"resources by a tag without a key", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, ResourceTag: &types.RequestIpamResourceTag{Value: shortText}}, "MissingParameter", []string{"Key", "ResourceTag"}},
		{"resources by a value that is-default does not have", &ec2.GetIpamResourceCidrsInput{IpamScopeId: f.private, Filters: []types.Filter{where("default", "true")}}, "InvalidParameterValue", []string{"'default'", "is-default", "vpc-id"}},
		// ModifyIpamResourceCidrs
		{"scope unknown: modify the resources in it", modifyResources(noScope, "is-default"), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope of another account: modify the resources in it", modifyResources(f.foreign, "is-default"), "InvalidIpamScopeId.NotFound", []string{*f.foreign}},
		{"resources of a public scope ignored", modifyResources(f.public, "is-default"), "OperationNotPermitted", []string{*f.public, "public"}},
		{"resources ignored without a filter", &ops.ModifyIpamResourceCidrsInput{IpamScopeId: f.private, Monitored: aws.Bool(false)}, "MissingParameter", []string{"Filter", "ResourceTag", "resource-type", "vpc"}},
		{"resources ignored by an unknown filter", modifyResources(f.private, "default"), "InvalidParameterValue", []string{"'default'", "is-default"}},
		{"resources ignored by a tag without a key", &ops.ModifyIpamResourceCidrsInput{IpamScopeId: f.private, ResourceTag: &types.RequestIpamResourceTag{Value: shortText}, Monitored: aws.Bool(false)}, "MissingParameter", []string{"Key", "ResourceTag"}},
		{"the resources of a pool of another scope ignored", &ops.ModifyIpamResourceCidrsInput{IpamScopeId: f.private, IpamPoolId: f.empty, Monitored: aws.Bool(false)}, "InvalidParameterValue", []string{*f.empty, *f.second}},
		{"resources ignored with MaxResults 4", &ops.ModifyIpamResourceCidrsInput{IpamScopeId: f.private, ResourceId: shortText, Monitored: aws.Bool(false), MaxResults: aws.Int32(4)}, "InvalidMaxResults", []string{"4"}},
		{"resources neither ignored nor monitored", &ops.ModifyIpamResourceCidrsInput{IpamScopeId: f.private, ResourceId: shortText}, "MissingParameter", []string{"Monitored"}},
		// ModifyIpamResourceCidr
		{"scope unknown: modify a resource in it", modifyResource(noScope, nil, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope unknown: move a resource to it", modifyResource(f.private, noScope, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"a resource that there is not", modifyResource(f.private, nil, "vpc-0"), "InvalidParameterValue", []string{"vpc-0", "172.31.0.0/16", *f.private, "GetIpamResourceCidrs"}},
		{"a resource of another Region", f.elsewhere(), "InvalidParameterValue", []string{"vpc-1", "eu-west-1"}},
		{"a resource with a CIDR that is none", &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: f.private, ResourceId: aws.String("vpc-1"), ResourceCidr: shortText, ResourceRegion: aws.String(home), Monitored: yes},
			"InvalidParameterValue", []string{"ResourceCidr", "text"}},
		{"a subnet ignored", &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: f.private, ResourceId: aws.String("subnet-1"), ResourceCidr: aws.String("172.31.0.0/24"), ResourceRegion: aws.String(home), Monitored: aws.Bool(false)},
			"OperationNotPermitted", []string{"subnet-1", "VPC"}},
		{"a VPC moved to the public scope", modifyResource(f.private, f.public, "vpc-1"), "InvalidParameterValue", []string{*f.public}},
		{"a VPC moved to another IPAM", modifyResource(f.private, f.foreign, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*f.foreign}},
	})
}
