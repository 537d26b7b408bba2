package main

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// The test makes the calls of Terraform's IPAM resources. Terraform creates each resource,
// reads it until it has the state that the waiter expects, changes it, tags it, and destroys
// it until it is not found. The values read must equal the configuration. Otherwise a plan
// without a change would change something.
func TestTerraformsCalls(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	table := &tabletest.Memory{}
	t.Cleanup(func() { fscktest.Clean(t, table, now) })
	c := sdk(t, realHandler(table, func() time.Time { return now }))
	ctx := t.Context()
	str, num := aws.String, aws.Int32
	is := func(name string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	refused := func(err error, code, begin string) {
		t.Helper()
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != code || len(e.ErrorMessage()) < len(begin) || e.ErrorMessage()[:len(begin)] != begin {
			t.Errorf("got %v, want %s: %s…", err, code, begin)
		}
	}
	where := func(name, value string) []types.Filter { return []types.Filter{{Name: &name, Values: []string{value}}} }
	// Terraform sets a changed tag, and removes a deleted one by key and value.
	retag := func(id *string) {
		t.Helper()
		must(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*id}, Tags: []types.Tag{{Key: str("Name"), Value: str("n")}}}))(t)
		must(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{*id}, Tags: []types.Tag{{Key: str("old"), Value: str("o")}}}))(t)
	}
	specify := func(kind types.ResourceType) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: str("Name"), Value: str("")}, {Key: str("old"), Value: str("o")}}}}
	}
	tagged := func(tags []types.Tag) {
		t.Helper()
		if len(tags) != 1 || *tags[0].Key != "Name" || *tags[0].Value != "n" {
			t.Errorf("the tags are %+v", tags)
		}
	}

	// aws_vpc_ipam
	manager := must(c.CreateIpam(ctx, &ec2.CreateIpamInput{
		ClientToken: str("terraform-1"), Tier: types.IpamTierAdvanced, TagSpecifications: specify("ipam"),
		OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: str("eu-west-1")}, {RegionName: str(homeRegion)}},
	}))(t).Ipam
	readIPAM := func(state types.IpamState) types.Ipam {
		t.Helper()
		found := must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{IpamIds: []string{*manager.IpamId}}))(t).Ipams
		if len(found) != 1 || found[0].State != state {
			t.Fatalf("IPAMs %+v, want one in state %s", found, state)
		}
		return found[0]
	}
	m := readIPAM(types.IpamStateCreateComplete)
	is("Regions", len(m.OperatingRegions), 2)
	is("description", aws.ToString(m.Description), "")
	is("private GUA", *m.EnablePrivateGua, false)
	must(c.ModifyIpam(ctx, &ec2.ModifyIpamInput{IpamId: m.IpamId, Description: str("d"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: str("eu-west-1")}}}))(t)
	readIPAM(types.IpamStateModifyComplete)
	must(c.ModifyIpam(ctx, &ec2.ModifyIpamInput{IpamId: m.IpamId, Description: str("")}))(t)
	retag(m.IpamId)
	m = readIPAM(types.IpamStateModifyComplete)
	tagged(m.Tags)
	is("Regions", len(m.OperatingRegions), 1)
	is("description", aws.ToString(m.Description), "")

	// aws_vpc_ipam_scope
	scope := must(c.CreateIpamScope(ctx, &ec2.CreateIpamScopeInput{ClientToken: str("terraform-2"), IpamId: m.IpamId, TagSpecifications: specify("ipam-scope")}))(t).IpamScope
	readScope := func(state types.IpamScopeState) types.IpamScope {
		t.Helper()
		found := must(c.DescribeIpamScopes(ctx, &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*scope.IpamScopeId}}))(t).IpamScopes
		if len(found) != 1 || found[0].State != state {
			t.Fatalf("scopes %+v, want one in state %s", found, state)
		}
		return found[0]
	}
	readScope(types.IpamScopeStateCreateComplete)
	must(c.ModifyIpamScope(ctx, &ec2.ModifyIpamScopeInput{IpamScopeId: scope.IpamScopeId, Description: str("d")}))(t)
	retag(scope.IpamScopeId)
	tagged(readScope(types.IpamScopeStateModifyComplete).Tags)

	// aws_vpc_ipam_pool
	readPool := func(id *string, state types.IpamPoolState) types.IpamPool {
		t.Helper()
		found := must(c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*id}}))(t).IpamPools
		if len(found) != 1 || found[0].State != state {
			t.Fatalf("pools %+v, want one in state %s", found, state)
		}
		return found[0]
	}
	top := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{ClientToken: str("terraform-3"), IpamScopeId: scope.IpamScopeId, AddressFamily: "ipv4", TagSpecifications: specify("ipam-pool")}))(t).IpamPool
	p := readPool(top.IpamPoolId, types.IpamPoolStateCreateComplete)
	is("locale", *p.Locale, "None")
	is("import", *p.AutoImport, false)
	is("advertisable", *p.PubliclyAdvertisable, false)
	is("service and source", string(p.AwsService)+string(p.PublicIpSource), "")
	is("rules", p.AllocationMinNetmaskLength == nil && p.AllocationMaxNetmaskLength == nil && p.AllocationDefaultNetmaskLength == nil && p.SourceResource == nil, true)
	// Each change sends the whole configuration, and of the tags the new and changed ones.
	for _, value := range []string{"1", "2", "2"} {
		must(c.ModifyIpamPool(ctx, &ec2.ModifyIpamPoolInput{
			IpamPoolId: top.IpamPoolId, AutoImport: aws.Bool(true), Description: str("d"), AllocationDefaultNetmaskLength: num(32), AllocationMaxNetmaskLength: num(32), AllocationMinNetmaskLength: num(32),
			AddAllocationResourceTags: []types.RequestIpamResourceTag{{Key: str("test"), Value: &value}},
		}))(t)
		p = readPool(top.IpamPoolId, types.IpamPoolStateModifyComplete)
		is("import", *p.AutoImport, true)
		is("resource tags", len(p.AllocationResourceTags) == 1 && *p.AllocationResourceTags[0].Value == value, true)
	}
	retag(top.IpamPoolId)
	tagged(readPool(top.IpamPoolId, types.IpamPoolStateModifyComplete).Tags)
	child := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{ClientToken: str("terraform-4"), IpamScopeId: scope.IpamScopeId, AddressFamily: "ipv4", SourceIpamPoolId: top.IpamPoolId, Locale: str(homeRegion)}))(t).IpamPool
	is("source", *readPool(child.IpamPoolId, types.IpamPoolStateCreateComplete).SourceIpamPoolId, *top.IpamPoolId)
	// For IPv6 in a public scope, and only there, PubliclyAdvertisable is sent, even if false.
	six := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{ClientToken: str("terraform-5"), IpamScopeId: m.PublicDefaultScopeId, AddressFamily: "ipv6", Locale: str(homeRegion), PubliclyAdvertisable: aws.Bool(false)}))(t).IpamPool
	is("source of addresses", readPool(six.IpamPoolId, types.IpamPoolStateCreateComplete).PublicIpSource, types.IpamPoolPublicIpSourceByoip) // Terraform treats an absent one as this

	// aws_vpc_ipam_pool_cidr. Terraform finds it by its CIDR, or by its id if it was provisioned by length.
	readCIDR := func(pool *string, filters []types.Filter, state types.IpamPoolCidrState) types.IpamPoolCidr {
		t.Helper()
		found := must(c.GetIpamPoolCidrs(ctx, &ec2.GetIpamPoolCidrsInput{IpamPoolId: pool, Filters: filters}))(t).IpamPoolCidrs
		if len(found) != 1 || found[0].State != state {
			t.Fatalf("CIDRs %+v, want one in state %s", found, state)
		}
		return found[0]
	}
	first := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top.IpamPoolId, Cidr: str("172.2.0.0/16")}))(t).IpamPoolCidr
	// If the answer had a length, Terraform would not notice a changed cidr.
	is("length", readCIDR(top.IpamPoolId, where("cidr", "172.2.0.0/16"), types.IpamPoolCidrStateProvisioned).NetmaskLength == nil, true)
	byLength := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: child.IpamPoolId, NetmaskLength: num(24)}))(t).IpamPoolCidr
	is("length", *readCIDR(child.IpamPoolId, where("ipam-pool-cidr-id", *byLength.IpamPoolCidrId), types.IpamPoolCidrStateProvisioned).NetmaskLength, int32(24))
	is("length", *readCIDR(child.IpamPoolId, where("cidr", *byLength.Cidr), types.IpamPoolCidrStateProvisioned).NetmaskLength, int32(24))
	// A CIDR that is provisioned again while the old one is still listed is listed once.
	deprovision := func(pool, cidr *string) (*ec2.DeprovisionIpamPoolCidrOutput, error) {
		return c.DeprovisionIpamPoolCidr(ctx, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: pool, Cidr: cidr})
	}
	must(deprovision(child.IpamPoolId, byLength.Cidr))(t)
	readCIDR(child.IpamPoolId, where("cidr", *byLength.Cidr), types.IpamPoolCidrStateDeprovisioned) // Terraform treats it as gone
	_, err := deprovision(child.IpamPoolId, byLength.Cidr)
	refused(err, "IncorrectState", "")
	again := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: child.IpamPoolId, Cidr: byLength.Cidr}))(t).IpamPoolCidr
	is("id", *readCIDR(child.IpamPoolId, where("cidr", *byLength.Cidr), types.IpamPoolCidrStateProvisioned).IpamPoolCidrId, *again.IpamPoolCidrId)

	// aws_vpc_ipam_preview_next_cidr and aws_vpc_ipam_pool_cidr_allocation
	preview := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{ClientToken: str("terraform-6"), IpamPoolId: child.IpamPoolId, NetmaskLength: num(28), PreviewNextCidr: aws.Bool(true), DisallowedCidrs: []string{"172.2.0.0/28"}}))(t).IpamPoolAllocation
	is("previewed", *preview.Cidr, "172.2.0.16/28")
	a := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{ClientToken: str("terraform-7"), IpamPoolId: child.IpamPoolId, Cidr: preview.Cidr, Description: str("d")}))(t).IpamPoolAllocation
	readAllocation := func(pool *string) ([]types.IpamPoolAllocation, error) {
		pages := ec2.NewGetIpamPoolAllocationsPaginator(c, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: pool, IpamPoolAllocationId: a.IpamPoolAllocationId})
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		is("more pages", pages.HasMorePages(), false)
		return page.IpamPoolAllocations, nil
	}
	if found := must(readAllocation(child.IpamPoolId))(t); len(found) != 1 || *found[0].Cidr != *preview.Cidr || *found[0].Description != "d" || found[0].ResourceType != "custom" || *found[0].ResourceOwner != owner || found[0].ResourceId != nil {
		t.Errorf("allocations %+v", found)
	}
	failed := must(deprovision(child.IpamPoolId, byLength.Cidr))(t).IpamPoolCidr // the waiter ends here, with the reason
	is("state", failed.State, types.IpamPoolCidrStateFailedDeprovision)
	release := func(pool *string) (*ec2.ReleaseIpamPoolAllocationOutput, error) {
		return c.ReleaseIpamPoolAllocation(ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId})
	}
	is("released", *must(release(child.IpamPoolId))(t).Success, true)
	_, err = readAllocation(child.IpamPoolId)
	refused(err, "InvalidIpamPoolAllocationId.NotFound", "")
	now = now.Add(25 * time.Hour)
	_, err = release(child.IpamPoolId)
	refused(err, "InvalidParameterCombination", "No allocation found")

	// aws_vpc_ipam_resource_discovery and its association
	watcher := must(c.CreateIpamResourceDiscovery(ctx, &ec2.CreateIpamResourceDiscoveryInput{
		ClientToken: str("terraform-8"), OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: str(homeRegion)}}, TagSpecifications: specify("ipam-resource-discovery"),
	}))(t).IpamResourceDiscovery
	readDiscovery := func(state types.IpamResourceDiscoveryState) types.IpamResourceDiscovery {
		t.Helper()
		found := must(c.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*watcher.IpamResourceDiscoveryId}}))(t).IpamResourceDiscoveries
		if len(found) != 1 || found[0].State != state {
			t.Fatalf("discoveries %+v, want one in state %s", found, state)
		}
		return found[0]
	}
	readDiscovery(types.IpamResourceDiscoveryStateCreateComplete)
	unit := "o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/*"
	must(c.ModifyIpamResourceDiscovery(ctx, &ec2.ModifyIpamResourceDiscoveryInput{
		IpamResourceDiscoveryId: watcher.IpamResourceDiscoveryId, AddOrganizationalUnitExclusions: []types.AddIpamOrganizationalUnitExclusion{{OrganizationsEntityPath: &unit}},
	}))(t)
	retag(watcher.IpamResourceDiscoveryId)
	d := readDiscovery(types.IpamResourceDiscoveryStateModifyComplete)
	tagged(d.Tags)
	is("Regions", len(d.OperatingRegions) == 1 && *d.OperatingRegions[0].RegionName == homeRegion, true)
	is("exclusions", len(d.OrganizationalUnitExclusions) == 1 && *d.OrganizationalUnitExclusions[0].OrganizationsEntityPath == unit, true)
	with := must(c.AssociateIpamResourceDiscovery(ctx, &ec2.AssociateIpamResourceDiscoveryInput{
		ClientToken: str("terraform-9"), IpamId: m.IpamId, IpamResourceDiscoveryId: d.IpamResourceDiscoveryId, TagSpecifications: specify("ipam-resource-discovery-association"),
	}))(t).IpamResourceDiscoveryAssociation
	readAssociation := func() ([]types.IpamResourceDiscoveryAssociation, error) {
		out, err := c.DescribeIpamResourceDiscoveryAssociations(ctx, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*with.IpamResourceDiscoveryAssociationId}})
		if err != nil {
			return nil, err
		}
		return out.IpamResourceDiscoveryAssociations, nil
	}
	retag(with.IpamResourceDiscoveryAssociationId)
	if found := must(readAssociation())(t); len(found) != 1 || found[0].State != types.IpamResourceDiscoveryAssociationStateAssociateComplete {
		t.Errorf("associations %+v", found)
	} else {
		tagged(found[0].Tags)
	}

	// Data sources: a list without a match is empty. A call may have ids and a filter.
	is("pools", len(must(c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{Filters: where("tag:Name", "n")}))(t).IpamPools), 1)
	is("no pools", len(must(c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{Filters: where("description", "*nothing*")}))(t).IpamPools), 0)
	is("IPAMs", len(must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{IpamIds: []string{*m.IpamId}, Filters: where("tier", "advanced")}))(t).Ipams), 1)

	// A destroyed resource is not found at once. A second deletion fails with the code NotFound.
	must(c.DisassociateIpamResourceDiscovery(ctx, &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId}))(t)
	_, err = readAssociation()
	refused(err, "InvalidIpamResourceDiscoveryAssociationId.NotFound", "")
	_, err = c.DisassociateIpamResourceDiscovery(ctx, &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId})
	refused(err, "InvalidIpamResourceDiscoveryAssociationId.NotFound", "")
	must(c.DeleteIpamResourceDiscovery(ctx, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: d.IpamResourceDiscoveryId}))(t)
	_, err = c.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*d.IpamResourceDiscoveryId}})
	refused(err, "InvalidIpamResourceDiscoveryId.NotFound", "")
	must(deprovision(child.IpamPoolId, byLength.Cidr))(t)
	must(deprovision(top.IpamPoolId, first.Cidr))(t)
	for _, pool := range []*string{child.IpamPoolId, top.IpamPoolId, six.IpamPoolId} {
		must(c.DeleteIpamPool(ctx, &ec2.DeleteIpamPoolInput{IpamPoolId: pool}))(t)
		_, err = c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*pool}})
		refused(err, "InvalidIpamPoolId.NotFound", "")
		_, err = c.DeleteIpamPool(ctx, &ec2.DeleteIpamPoolInput{IpamPoolId: pool})
		refused(err, "InvalidIpamPoolId.NotFound", "")
	}
	// A deleted pool has no allocations.
	_, err = c.GetIpamPoolCidrs(ctx, &ec2.GetIpamPoolCidrsInput{IpamPoolId: child.IpamPoolId, Filters: where("cidr", *byLength.Cidr)})
	refused(err, "InvalidIpamPoolId.NotFound", "")
	_, err = deprovision(child.IpamPoolId, byLength.Cidr)
	refused(err, "InvalidIpamPoolId.NotFound", "")
	_, err = readAllocation(child.IpamPoolId)
	refused(err, "InvalidIpamPoolId.NotFound", "")
	_, err = release(child.IpamPoolId)
	refused(err, "InvalidIpamPoolId.NotFound", "")
	must(c.DeleteIpamScope(ctx, &ec2.DeleteIpamScopeInput{IpamScopeId: scope.IpamScopeId}))(t)
	_, err = c.DescribeIpamScopes(ctx, &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*scope.IpamScopeId}})
	refused(err, "InvalidIpamScopeId.NotFound", "")
	must(c.DeleteIpam(ctx, &ec2.DeleteIpamInput{IpamId: m.IpamId}))(t)
	_, err = c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{IpamIds: []string{*m.IpamId}})
	refused(err, "InvalidIpamId.NotFound", "")
}
