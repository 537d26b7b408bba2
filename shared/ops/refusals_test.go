package ops_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// Every situation that an operation refuses: the code, what the message names,
// and that nothing was written.
func TestRefusals(t *testing.T) {
	w := newRealWorld(t, func(q *ipam.Quotas) { q.ScopesPerIPAM, q.PoolDepth, q.CIDRsPerPool = 3, 3, 2 })
	manager := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("ap-northeast-1", "ap-northeast-3")})
	private, public := manager.PrivateDefaultScopeId, manager.PublicDefaultScopeId
	second := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: manager.IpamId}).IpamScope.IpamScopeId
	pool := func(in ec2.CreateIpamPoolInput, cidrs ...string) *string {
		if in.IpamScopeId == nil {
			in.IpamScopeId = private
		}
		return aws.String(w.makePool(in, cidrs...))
	}
	top := pool(ec2.CreateIpamPoolInput{}, "10.0.0.0/12")
	tokyo := pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: top, Locale: aws.String("ap-northeast-1")}, "10.0.0.0/16", "10.1.0.0/16")
	ruled := pool(ec2.CreateIpamPoolInput{AllocationMinNetmaskLength: aws.Int32(20), AllocationMaxNetmaskLength: aws.Int32(28)}, "172.16.0.0/16")
	full := pool(ec2.CreateIpamPoolInput{AllocationDefaultNetmaskLength: aws.Int32(24)}, "192.168.0.0/24")
	empty := pool(ec2.CreateIpamPoolInput{IpamScopeId: second})
	six := pool(ec2.CreateIpamPoolInput{AddressFamily: types.AddressFamilyIpv6})
	advertised := pool(ec2.CreateIpamPoolInput{IpamScopeId: public, Locale: aws.String("ap-northeast-1"), AwsService: types.IpamPoolAwsServiceEc2})
	deepest := pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: tokyo})
	doomed := pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: top}, "10.2.0.0/16")
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: doomed, Cascade: aws.Bool(true)})
	taken := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: full})
	inTokyo := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: tokyo, NetmaskLength: aws.Int32(24), ClientToken: aws.String("used")})
	do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/24")})
	do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/24")})
	fromTop := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: top}).IpamPoolAllocations[0]

	watcher := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	standard, standardAssociation := manager.DefaultResourceDiscoveryId, manager.DefaultResourceDiscoveryAssociationId
	do[ec2.AssociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: manager.IpamId, IpamResourceDiscoveryId: watcher})
	anothers := do[ec2.CreateIpamOutput](w, as(stranger, "admin", ""), &ec2.CreateIpamInput{}).Ipam.DefaultResourceDiscoveryId
	foreign := do[ec2.DescribeIpamScopesOutput](w, as(stranger, "admin", ""), &ec2.DescribeIpamScopesInput{Filters: []types.Filter{where("ipam-scope-type", "private")}}).IpamScopes[0].IpamScopeId
	w.looked(*standard, account, 1)
	w.observe(*standard, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("172.31.0.0/16"), Owner: account, VPC: "vpc-1"})
	w.observe(*standard, 1, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("172.31.0.0/24"), Owner: account, VPC: "vpc-1"})
	resource := func(scope, destination *string, id string) *ec2.ModifyIpamResourceCidrInput {
		return &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: scope, DestinationIpamScopeId: destination, ResourceId: &id, ResourceCidr: aws.String("172.31.0.0/16"), ResourceRegion: aws.String(home), Monitored: aws.Bool(true)}
	}
	elsewhere := resource(private, nil, "vpc-1")
	elsewhere.ResourceRegion = aws.String("eu-west-1")
	exclude := func(id *string, paths ...string) any {
		in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id}
		for _, p := range paths {
			in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &p})
		}
		return in
	}
	units := func(n int) (paths []string) {
		for i := range n {
			paths = append(paths, fmt.Sprintf("o-a1b2c3d4e5/r-f6g7/ou-f6g7-%08d/", i))
		}
		return paths
	}

	do[ec2.ModifyIpamResourceDiscoveryOutput](w, w.admin, exclude(watcher, units(6)...))

	nobodys := func(prefix string, digits int) *string { return aws.String(prefix + strings.Repeat("0", digits)) }
	noIPAM, noScope, noPool, noAllocation := nobodys("ipam-", 17), nobodys("ipam-scope-", 17), nobodys("ipam-pool-", 17), nobodys("ipam-pool-alloc-", 32)
	noDiscovery, noAssociation := nobodys("ipam-res-disco-", 17), nobodys("ipam-res-disco-assoc-", 17)
	long, short, yes := aws.String(strings.Repeat("x", 256)), aws.String("text"), aws.Bool(true)
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("k", i), "")
		}
		return list
	}
	allocate := func(pool *string, change func(*ec2.AllocateIpamPoolCidrInput)) any {
		in := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool}
		change(in)
		return in
	}
	cidr := func(s string) func(*ec2.AllocateIpamPoolCidrInput) {
		return func(in *ec2.AllocateIpamPoolCidrInput) { in.Cidr = &s }
	}
	length := func(n int32) func(*ec2.AllocateIpamPoolCidrInput) {
		return func(in *ec2.AllocateIpamPoolCidrInput) { in.NetmaskLength = &n }
	}
	provision := func(pool *string, cidr string) *ec2.ProvisionIpamPoolCidrInput {
		return &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, Cidr: &cidr}
	}
	provisionLength := func(pool *string, n int32) *ec2.ProvisionIpamPoolCidrInput {
		return &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, NetmaskLength: &n}
	}
	create := func(change func(*ec2.CreateIpamPoolInput)) any {
		in := &ec2.CreateIpamPoolInput{IpamScopeId: private, AddressFamily: types.AddressFamilyIpv4}
		change(in)
		return in
	}
	describe := func(filters ...types.Filter) any { return &ec2.DescribeIpamPoolsInput{Filters: filters} }

	for _, c := range []struct {
		name  string
		in    any
		code  ipam.Code
		words []string
	}{
		// 2.1: codes that clients know.
		{"ipam unknown: describe", &ec2.DescribeIpamsInput{IpamIds: []string{*manager.IpamId, *noIPAM}}, "InvalidIpamId.NotFound", []string{*noIPAM, "DescribeIpams"}},
		{"ipam unknown: modify", &ec2.ModifyIpamInput{IpamId: noIPAM, Description: short}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"ipam unknown: delete", &ec2.DeleteIpamInput{IpamId: noIPAM}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"ipam unknown: make a scope", &ec2.CreateIpamScopeInput{IpamId: noIPAM}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"ipam unknown: tag", &ec2.CreateTagsInput{Resources: []string{*top, *noIPAM}, Tags: tags("a", "b")}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"scope unknown: describe", &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*noScope}}, "InvalidIpamScopeId.NotFound", []string{*noScope, "DescribeIpamScopes"}},
		{"scope unknown: modify", &ec2.ModifyIpamScopeInput{IpamScopeId: noScope, Description: short}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope unknown: delete", &ec2.DeleteIpamScopeInput{IpamScopeId: noScope}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope unknown: make a pool", create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId = noScope }), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope unknown: untag", &ec2.DeleteTagsInput{Resources: []string{*noScope}}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"pool unknown: describe", &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*noPool}}, "InvalidIpamPoolId.NotFound", []string{*noPool, "DescribeIpamPools"}},
		{"pool unknown: modify", &ec2.ModifyIpamPoolInput{IpamPoolId: noPool, Description: short}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: delete", &ec2.DeleteIpamPoolInput{IpamPoolId: noPool, Cascade: yes}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: source", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = noPool }), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: provision", provision(noPool, "10.0.0.0/8"), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: deprovision", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: noPool, Cidr: aws.String("10.0.0.0/8")}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: its CIDRs", &ec2.GetIpamPoolCidrsInput{IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: allocate", allocate(noPool, length(24)), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: its allocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"pool unknown: release", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: noPool, Cidr: taken.Cidr, IpamPoolAllocationId: taken.IpamPoolAllocationId}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"allocation unknown: get", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: full, IpamPoolAllocationId: noAllocation}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation, "GetIpamPoolAllocations"}},
		{"allocation of another pool: get", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: tokyo, IpamPoolAllocationId: taken.IpamPoolAllocationId}, "InvalidIpamPoolAllocationId.NotFound", []string{*taken.IpamPoolAllocationId}},
		{"allocation unknown: describe", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*taken.IpamPoolAllocationId, *noAllocation}}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation}},
		{"allocation unknown: modify", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: noAllocation, Description: short}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation}},
		{"allocation unknown: release", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: full, Cidr: taken.Cidr, IpamPoolAllocationId: noAllocation}, "InvalidParameterCombination", []string{ipam.NoAllocation, *full, *noAllocation, "GetIpamPoolAllocations"}},
		{"discovery unknown: describe", &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*watcher, *noDiscovery}}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery, "DescribeIpamResourceDiscoveries"}},
		{"discovery unknown: modify", exclude(noDiscovery, units(1)...), "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"discovery unknown: delete", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: noDiscovery}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"discovery unknown: associate", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: manager.IpamId, IpamResourceDiscoveryId: noDiscovery}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"discovery unknown: its accounts", &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: noDiscovery, DiscoveryRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"association unknown: describe", &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*noAssociation}}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation, "DescribeIpamResourceDiscoveryAssociations"}},
		{"association unknown: end", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: noAssociation}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation}},
		{"association unknown: tag", &ec2.CreateTagsInput{Resources: []string{*watcher, *noAssociation}, Tags: tags("a", "b")}, "InvalidIpamResourceDiscoveryAssociationId.NotFound", []string{*noAssociation}},
		{"scope unknown: its resources", &ec2.GetIpamResourceCidrsInput{IpamScopeId: noScope}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"pool unknown: its resources", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"the resources of a pool of another scope", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, IpamPoolId: empty}, "InvalidParameterValue", []string{*empty, *second}},
		{"scope unknown: modify a resource in it", resource(noScope, nil, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"scope unknown: move a resource to it", resource(private, noScope, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"a resource that there is not", resource(private, nil, "vpc-0"), "InvalidParameterValue", []string{"vpc-0", "172.31.0.0/16", *private, "GetIpamResourceCidrs"}},
		{"a resource of another Region", elsewhere, "InvalidParameterValue", []string{"vpc-1", "eu-west-1"}},
		{"a resource with a CIDR that is none", &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: private, ResourceId: aws.String("vpc-1"), ResourceCidr: short, ResourceRegion: aws.String(home), Monitored: yes},
			"InvalidParameterValue", []string{"ResourceCidr", "text"}},
		{"a subnet ignored", &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: private, ResourceId: aws.String("subnet-1"), ResourceCidr: aws.String("172.31.0.0/24"), ResourceRegion: aws.String(home), Monitored: aws.Bool(false)},
			"OperationNotPermitted", []string{"subnet-1", "VPC"}},
		{"a VPC moved to the public scope", resource(private, public, "vpc-1"), "InvalidParameterValue", []string{*public}},
		{"a VPC moved to another IPAM", resource(private, foreign, "vpc-1"), "InvalidIpamScopeId.NotFound", []string{*foreign}},
		{"resources by an id that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, ResourceId: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"ResourceId", "513", "512"}},
		{"resources by an owner that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, ResourceOwner: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"ResourceOwner", "513"}},
		{"resources by a tag key that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, ResourceTag: &types.RequestIpamResourceTag{Key: aws.String(strings.Repeat("x", 513))}}, "InvalidParameterValue", []string{"ResourceTag.Key", "513"}},
		{"resources by a tag value that is too long", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, ResourceTag: &types.RequestIpamResourceTag{Key: short, Value: aws.String(strings.Repeat("x", 513))}}, "InvalidParameterValue", []string{"ResourceTag.Value", "513"}},
		{"history of a VPC whose id is too long", &ec2.GetIpamAddressHistoryInput{IpamScopeId: private, Cidr: aws.String("10.0.0.0/8"), VpcId: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"VpcId", "513"}},
		{"resources by a tag without a key", &ec2.GetIpamResourceCidrsInput{IpamScopeId: private, ResourceTag: &types.RequestIpamResourceTag{Value: short}}, "MissingParameter", []string{"Key", "ResourceTag"}},
		{"what is found in a Region by its city", &ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: standard, ResourceRegion: aws.String("tokyo")}, "InvalidParameterValue", []string{"ResourceRegion", "tokyo"}},
		{"the default discovery deleted", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: standard}, "OperationNotPermitted", []string{*standard, *manager.IpamId, "goes with its IPAM"}},
		{"the default association ended", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: standardAssociation}, "OperationNotPermitted", []string{*standardAssociation, *manager.IpamId, "goes with its IPAM"}},
		{"the default discovery described", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: standard, Description: short}, "OperationNotPermitted", []string{*standard, "ModifyIpam"}},
		{"the default discovery's Regions", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: standard, AddOperatingRegions: regions("eu-west-1")}, "OperationNotPermitted", []string{*standard, "ModifyIpam"}},
		{"a default discovery with another IPAM", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: manager.IpamId, IpamResourceDiscoveryId: anothers}, "OperationNotPermitted", []string{*anothers, "CreateIpamResourceDiscovery"}},
		{"associated already", &ec2.AssociateIpamResourceDiscoveryInput{IpamId: manager.IpamId, IpamResourceDiscoveryId: watcher}, "InvalidParameterValue", []string{*watcher, *manager.IpamId, "already"}},
		{"a second discovery", &ec2.CreateIpamResourceDiscoveryInput{}, "ResourceLimitExceeded", []string{"resource discoveries", "limited to 1"}},
		{"a discovery modified in nothing", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: watcher}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a discovery's Region added and removed", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: watcher, AddOperatingRegions: regions("eu-west-1"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("eu-west-1")}}}, "InvalidParameterCombination", []string{"eu-west-1"}},
		{"a discovery's last Region removed", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: watcher, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String(home)}}}, "InvalidParameterValue", []string{home, "at least one"}},
		{"a discovery of no Region's name", &ec2.CreateIpamResourceDiscoveryInput{OperatingRegions: regions("tokyo")}, "InvalidParameterValue", []string{"tokyo"}},
		{"an exclusion that is no path", exclude(standard, "ou-f6g7-11111111"), "InvalidParameterValue", []string{"OrganizationsEntityPath", "ou-f6g7-11111111"}},
		{"an exclusion of a megabyte", exclude(standard, strings.Repeat("o", 1<<20)), "InvalidParameterValue", []string{"OrganizationsEntityPath", "…", "512"}},
		{"an exclusion twice", exclude(standard, units(1)[0], units(1)[0]), "InvalidParameterValue", []string{"cover the same"}},
		{"too many exclusions", exclude(watcher, units(11)[6:]...), "ResourceLimitExceeded", []string{"exclusions", *watcher, "11", "10"}},
		{"a malformed discovery", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: standardAssociation}, "InvalidIpamResourceDiscoveryId.Malformed", []string{"IpamResourceDiscoveryId"}},
		{"a malformed association", &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: standard}, "InvalidIpamResourceDiscoveryAssociationId.Malformed", []string{"IpamResourceDiscoveryAssociationId"}},
		{"ids and a page: discoveries", &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*watcher}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamResourceDiscoveryIds"}},
		{"ids and a page: associations", &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*standardAssociation}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamResourceDiscoveryAssociationIds"}},
		{"deprovision what is deprovisioned", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/24")}, "IncorrectState", []string{*top, "11.0.0.0/24", "deprovisioned"}},
		{"provision what is provisioned", provision(full, "192.168.0.0/24"), "IncorrectState", []string{*full, "192.168.0.0/24", "provisioned already"}},
		{"allocate from a pool that is being deleted", allocate(doomed, length(24)), "IncorrectState", []string{*doomed, "delete-in-progress"}},
		{"provision to a pool that is being deleted", provision(doomed, "10.3.0.0/16"), "IncorrectState", []string{*doomed}},
		{"a pool under one that is being deleted", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = doomed }), "IncorrectState", []string{*doomed}},
		{"modify a pool that is being deleted", &ec2.ModifyIpamPoolInput{IpamPoolId: doomed, Description: short}, "IncorrectState", []string{*doomed}},
		{"tag a pool that is being deleted", &ec2.CreateTagsInput{Resources: []string{*top, *doomed}, Tags: tags("a", "b")}, "IncorrectState", []string{*doomed, "delete-in-progress"}},
		{"delete a pool with CIDRs", &ec2.DeleteIpamPoolInput{IpamPoolId: full}, "DependencyViolation", []string{*full, "There are one or more pool cidrs provisioned in the pool.", "1 CIDRs", "Cascade"}},
		{"delete a scope with pools", &ec2.DeleteIpamScopeInput{IpamScopeId: second}, "DependencyViolation", []string{*second, "1 pools", "delete them first"}},
		{"delete an IPAM with pools", &ec2.DeleteIpamInput{IpamId: manager.IpamId}, "DependencyViolation", []string{*manager.IpamId, "1 scopes", "9 pools", "Cascade"}},
		{"delete an IPAM with a public pool, cascading", &ec2.DeleteIpamInput{IpamId: manager.IpamId, Cascade: yes}, "DependencyViolation", []string{*advertised, "public"}},
		{"a pool without a CIDR", allocate(empty, length(24)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", *empty, "no CIDR provisioned"}},
		{"a full pool", allocate(full, length(28)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", *full, "no free address"}},
		{"a length with no free block", allocate(tokyo, length(15)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", "no free /15", "largest free block is /16"}},
		{"neither CIDR nor length, and no default", allocate(tokyo, func(*ec2.AllocateIpamPoolCidrInput) {}), "InvalidParameterCombination",
			[]string{"The request cannot contain empty CIDR and Netmask Length for a pool with no default allocation netmask length set. Exactly one of them should be provided."}},
		{"a pool modified in nothing", &ec2.ModifyIpamPoolInput{IpamPoolId: top}, "InvalidParameterCombination", []string{"The request must contain a modification to the ipam pool", "Description"}},
		{"a default that stays, cleared by false", &ec2.ModifyIpamPoolInput{IpamPoolId: top, ClearAllocationDefaultNetmaskLength: aws.Bool(false)}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"an IPAM modified in nothing", &ec2.ModifyIpamInput{IpamId: manager.IpamId}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a scope modified in nothing", &ec2.ModifyIpamScopeInput{IpamScopeId: second}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"an allocation modified in nothing", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: taken.IpamPoolAllocationId}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"PubliclyAdvertisable on IPv4", create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.PubliclyAdvertisable = public, yes }), "InvalidParameterCombination",
			[]string{"The request can only contain PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip."}},
		{"PubliclyAdvertisable false on IPv4", create(func(in *ec2.CreateIpamPoolInput) { in.PubliclyAdvertisable = aws.Bool(false) }), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable in a private scope", create(func(in *ec2.CreateIpamPoolInput) {
			in.AddressFamily, in.PubliclyAdvertisable = types.AddressFamilyIpv6, yes
		}), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable of Amazon's", create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AddressFamily, in.PubliclyAdvertisable, in.PublicIpSource, in.Locale = public, types.AddressFamilyIpv6, yes, types.IpamPoolPublicIpSourceAmazon, aws.String(home)
		}), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable missing", create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.AddressFamily = public, types.AddressFamilyIpv6 }), "MissingParameter", []string{"PubliclyAdvertisable"}},
		{"a second IPAM", &ec2.CreateIpamInput{}, "ResourceLimitExceeded", []string{"You've reached the limit for ipams. You have created 1 and you are limited to 1."}},

		// 2.3: codes that every action has.
		{"dry run", &ec2.DeleteIpamInput{IpamId: manager.IpamId, DryRun: yes}, "DryRunOperation", []string{"would have succeeded"}},
		{"a member missing", &ec2.AllocateIpamPoolCidrInput{}, "MissingParameter", []string{"IpamPoolId"}},
		{"the CIDR to deprovision missing", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: top}, "MissingParameter", []string{"Cidr"}},
		{"a tag to delete without a key", &ec2.DeleteTagsInput{Resources: []string{*top}, Tags: []types.Tag{{Value: short}}}, "MissingParameter", []string{"Key"}},
		{"a filter of no name", describe(types.Filter{Values: []string{"x"}}), "InvalidFilter", []string{"Filter.1"}},
		{"a filter of no values", describe(where("state", "x"), where("locale")), "InvalidFilter", []string{"Filter.2", "locale"}},
		{"a filter that there is not", describe(where("Locale", "x")), "InvalidParameterValue", []string{"'Locale'", "address-family, ", "ipam-scope-id, ", "tag:KEY"}},
		{"a filter of a tag without a key", describe(where("tag:", "x")), "InvalidParameterValue", []string{"'tag:'"}},
		{"too many values of filters", describe(where("state", many(75)...), where("locale", many(26)...)), "FilterLimitExceeded", []string{"200"}},
		{"a token that is none", &ec2.DescribeIpamPoolsInput{NextToken: aws.String("forged")}, "InvalidNextToken", []string{"begin again"}},
		{"a page too small", &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(4)}, "InvalidMaxResults", []string{"5 to 1000"}},
		{"a page of allocations too small", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: top, MaxResults: aws.Int32(999)}, "InvalidMaxResults", []string{"1000 to 100000"}},
		{"a page of tags too small", &ec2.DescribeTagsInput{MaxResults: aws.Int32(4)}, "InvalidMaxResults", []string{"5 to 1000"}},
		{"a page of tags too large", &ec2.DescribeTagsInput{MaxResults: aws.Int32(1001)}, "InvalidMaxResults", []string{"5 to 1000"}},
		{"ids and a page: IPAMs", &ec2.DescribeIpamsInput{IpamIds: []string{*manager.IpamId}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamIds", "MaxResults"}},
		{"ids and a page: scopes", &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*second}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamScopeIds"}},
		{"ids and a page: pools", &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*top}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamPoolIds"}},
		{"ids and a page: allocations", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*taken.IpamPoolAllocationId}, MaxResults: aws.Int32(1000)}, "InvalidParameterCombination", []string{"IpamPoolAllocationIds"}},
		{"a client token used with other parameters", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.ClientToken, in.NetmaskLength = aws.String("used"), aws.Int32(25)
		}),
			"IdempotentParameterMismatch", []string{`"used"`, "new token"}},
		{"a client token too long", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.ClientToken, in.NetmaskLength = aws.String(strings.Repeat("t", 65)), aws.Int32(25)
		}), "InvalidParameterValue", []string{"ClientToken", "65", "64"}},
		{"a client token not of ASCII", &ec2.CreateIpamScopeInput{IpamId: manager.IpamId, ClientToken: aws.String("ü")}, "InvalidParameterValue", []string{"ClientToken", "ASCII"}},
		{"a default scope", &ec2.DeleteIpamScopeInput{IpamScopeId: private}, "OperationNotPermitted", []string{*private, "default", "goes with its IPAM"}},
		{"too many tags", &ec2.CreateTagsInput{Resources: []string{*top, *manager.IpamId}, Tags: tags(many(51)...)}, "TagLimitExceeded", []string{"51", "50"}},
		{"too many tags of a new object", create(func(in *ec2.CreateIpamPoolInput) { in.TagSpecifications = specify("ipam-pool", many(51)...) }), "TagLimitExceeded", []string{"51", "50"}},
		{"too many resource tags", create(func(in *ec2.CreateIpamPoolInput) { in.AllocationResourceTags = resourceTags(many(51)...) }), "TagLimitExceeded", []string{"51", "50"}},
		{"a tag key too long", &ec2.CreateTagsInput{Resources: []string{*top}, Tags: tags(strings.Repeat("k", 129), "")}, "InvalidParameterValue", []string{"129", "128"}},
		{"a tag without a key", &ec2.CreateTagsInput{Resources: []string{*top}, Tags: tags("", "x")}, "InvalidParameterValue", []string{"1 to 128"}},
		{"a tag value too long", &ec2.CreateTagsInput{Resources: []string{*top}, Tags: tags("k", strings.Repeat("v", 257))}, "InvalidParameterValue", []string{"257", "256"}},
		{"a reserved tag key", &ec2.CreateTagsInput{Resources: []string{*top}, Tags: tags("AWS:x", "")}, "InvalidParameterValue", []string{"AWS:x", "reserved"}},
		{"a tag key twice", &ec2.CreateTagsInput{Resources: []string{*top}, Tags: tags("k", "1", "k", "2")}, "InvalidParameterValue", []string{"(k)", "more than once"}},
		{"a tag key twice over two specifications", create(func(in *ec2.CreateIpamPoolInput) {
			in.TagSpecifications = append(specify("ipam-pool", "k", "1"), specify("ipam-pool", "k", "1")...)
		}), "InvalidParameterValue", []string{"(k)"}},
		{"tags of another kind", &ec2.CreateIpamScopeInput{IpamId: manager.IpamId, TagSpecifications: specify("ipam-pool", "k", "v")}, "InvalidParameterValue", []string{"ipam-pool", "ipam-scope"}},
		{"tags of no kind", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.TagSpecifications = aws.Int32(24), specify("", "k", "v")
		}), "InvalidParameterValue", []string{"ipam-pool-allocation"}},
		{"tags for another service's resource", &ec2.CreateTagsInput{Resources: []string{*top, "vpc-0123456789abcdef0"}, Tags: tags("k", "v")}, "InvalidID", []string{"vpc-0123456789abcdef0", "pools"}},
		{"tags for a pool's CIDR", &ec2.DeleteTagsInput{Resources: []string{"ipam-pool-cidr-" + strings.Repeat("0", 32)}}, "InvalidID", []string{"ipam-pool-cidr-"}},

		// 2.4: situations without a confirmed code.
		{"a CIDR that is taken", allocate(tokyo, cidr(*inTokyo.Cidr)), "InvalidParameterValue", []string{*inTokyo.Cidr, *inTokyo.IpamPoolAllocationId, "Choose another"}},
		{"a CIDR around one that is taken", allocate(tokyo, cidr("10.0.0.0/16")), "InvalidParameterValue", []string{"overlaps 10.0.0.0/24", *inTokyo.IpamPoolAllocationId}},
		{"a CIDR of a child pool", allocate(top, cidr("10.0.3.0/24")), "InvalidParameterValue", []string{"10.0.0.0/16", *tokyo}},
		{"a CIDR outside the pool", allocate(tokyo, cidr("10.9.0.0/24")), "InvalidParameterValue", []string{"10.9.0.0/24", *tokyo, "GetIpamPoolCidrs"}},
		{"a CIDR with host bits", allocate(tokyo, cidr("10.0.5.1/24")), "InvalidParameterValue", []string{"10.0.5.1/24", "10.0.5.0/24"}},
		{"no CIDR", allocate(tokyo, cidr("10.0.0.0")), "InvalidParameterValue", []string{"(10.0.0.0)", "address/length"}},
		{"a CIDR of a megabyte", allocate(tokyo, cidr(strings.Repeat("1", 1<<20))), "InvalidParameterValue", []string{"…"}},
		{"a CIDR of the other family", allocate(tokyo, cidr("fd80::/64")), "InvalidParameterValue", []string{"fd80::/64", "ipv4"}},
		{"an allowed CIDR that is none", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.AllowedCidrs = aws.Int32(24), []string{"10.0.0.0/16", "x"}
		}), "InvalidParameterValue", []string{"AllowedCidr.2"}},
		{"a disallowed CIDR that is none", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.DisallowedCidrs = aws.Int32(24), []string{"x"}
		}), "InvalidParameterValue", []string{"DisallowedCidr.1"}},
		{"nothing allowed is free", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.AllowedCidrs, in.DisallowedCidrs = aws.Int32(24), []string{"10.0.1.0/24"}, []string{"10.0.1.0/28"}
		}), "InvalidParameterValue", []string{"AllowedCidr and DisallowedCidr", "/16"}},
		{"CIDR and length", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.Cidr, in.NetmaskLength = aws.String("10.0.5.0/24"), aws.Int32(24)
		}), "InvalidParameterCombination", []string{"'Cidr'", "'NetmaskLength'"}},
		{"CIDR and disallowed", allocate(tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.Cidr, in.DisallowedCidrs = aws.String("10.0.5.0/24"), []string{"10.0.0.0/24"}
		}), "InvalidParameterCombination", []string{"DisallowedCidr"}},
		{"shorter than the minimum", allocate(ruled, length(19)), "InvalidParameterValue", []string{"/19", "/20 to /28", *ruled}},
		{"longer than the maximum", allocate(ruled, cidr("172.16.0.0/29")), "InvalidParameterValue", []string{"/29", "/20 to /28"}},
		{"a length of no address", allocate(tokyo, length(33)), "InvalidParameterValue", []string{"33", "0 to 32"}},
		{"a length below zero", allocate(tokyo, length(-1)), "InvalidParameterValue", []string{"-1", "0 to 32"}},
		{"release of a child pool's CIDR", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: top, Cidr: fromTop.Cidr, IpamPoolAllocationId: fromTop.IpamPoolAllocationId}, "InvalidParameterCombination", []string{"ipam-pool", "DeprovisionIpamPoolCidr"}},
		{"release with another CIDR", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: full, Cidr: aws.String("192.168.0.0/25"), IpamPoolAllocationId: taken.IpamPoolAllocationId}, "InvalidParameterValue", []string{"192.168.0.0/24", "192.168.0.0/25"}},
		{"release from another pool", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: tokyo, Cidr: taken.Cidr, IpamPoolAllocationId: taken.IpamPoolAllocationId}, "InvalidParameterValue", []string{*tokyo, *full}},
		{"a locale that is no operating Region", create(func(in *ec2.CreateIpamPoolInput) { in.Locale = aws.String("eu-west-1") }), "InvalidParameterValue", []string{"eu-west-1", "ap-northeast-1, ap-northeast-3, us-east-1", "ModifyIpam"}},
		{"another locale than the source's", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId, in.Locale = tokyo, aws.String(home) }), "InvalidParameterValue", []string{*tokyo, "ap-northeast-1"}},
		{"another family than the source's", create(func(in *ec2.CreateIpamPoolInput) {
			in.SourceIpamPoolId, in.AddressFamily = tokyo, types.AddressFamilyIpv6
		}), "InvalidParameterValue", []string{*tokyo, "ipv4"}},
		{"a source in another scope", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = empty }), "InvalidParameterValue", []string{*empty, *second}},
		{"too deep", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = deepest }), "ResourceLimitExceeded", []string{"depth", "3"}},
		{"too many scopes", &ec2.CreateIpamScopeInput{IpamId: manager.IpamId}, "ResourceLimitExceeded", []string{"scopes", "3"}},
		{"too many CIDRs in a pool", provision(tokyo, "10.4.0.0/16"), "ResourceLimitExceeded", []string{"CIDRs", *tokyo, "2"}},
		{"a top-level CIDR over another's", provision(ruled, "10.0.0.0/8"), "InvalidParameterValue", []string{"10.0.0.0/8", "overlaps 10.0.0.0/12", *top}},
		{"automatic import into a public scope", create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.Locale, in.AutoImport = public, aws.String(home), yes
		}), "InvalidParameterCombination", []string{"AutoImport", "public"}},
		{"malformed ids", &ec2.DeleteIpamInput{IpamId: aws.String("ipam-scope-00000000000000000")}, "InvalidIpamId.Malformed", []string{"ipam-scope-", `"ipam-...`}},
		{"a malformed id of a megabyte", &ec2.DeleteIpamScopeInput{IpamScopeId: aws.String(strings.Repeat("1", 1<<20))}, "InvalidIpamScopeId.Malformed", []string{"…"}},
		{"a malformed source", create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = aws.String("x") }), "InvalidIpamPoolId.Malformed", []string{"SourceIpamPoolId"}},
		{"a malformed allocation", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: aws.String("x"), Description: short}, "InvalidIpamPoolAllocationId.Malformed", []string{"IpamPoolAllocationId"}},
		{"a malformed id in a list", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{"x"}}, "InvalidIpamPoolAllocationId.Malformed", nil},

		// What the tables of the EC2 API and the project's own choices add.
		{"a description too long", &ec2.ModifyIpamInput{IpamId: manager.IpamId, Description: long}, "InvalidParameterValue", []string{"256", "255"}},
		{"a description too long, of a pool", create(func(in *ec2.CreateIpamPoolInput) { in.Description = long }), "InvalidParameterValue", []string{"Description"}},
		{"a Region by its city", &ec2.CreateIpamInput{OperatingRegions: regions("tokyo")}, "InvalidParameterValue", []string{"tokyo", "ap-northeast-1"}},
		{"a Region without a name", &ec2.ModifyIpamInput{IpamId: manager.IpamId, AddOperatingRegions: []types.AddIpamOperatingRegion{{}}}, "InvalidParameterValue", []string{"OperatingRegions"}},
		{"a Region added and removed", &ec2.ModifyIpamInput{IpamId: manager.IpamId, AddOperatingRegions: regions("eu-west-1"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("eu-west-1")}}},
			"InvalidParameterCombination", []string{"eu-west-1"}},
		{"the home Region removed", &ec2.ModifyIpamInput{IpamId: manager.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String(home)}}}, "InvalidParameterValue", []string{home, "home Region"}},
		{"a pool's locale removed", &ec2.ModifyIpamInput{IpamId: manager.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("ap-northeast-1")}}}, "DependencyViolation", []string{"ap-northeast-1", "ipam-pool-", "Delete that pool first"}},
		{"the free tier with more scopes", &ec2.ModifyIpamInput{IpamId: manager.IpamId, Tier: types.IpamTierFree}, "DependencyViolation", []string{"1 scopes", "free tier"}},
		{"minimum over maximum", create(func(in *ec2.CreateIpamPoolInput) {
			in.AllocationMinNetmaskLength, in.AllocationMaxNetmaskLength = aws.Int32(25), aws.Int32(24)
		}), "InvalidParameterCombination", []string{"25", "24"}},
		{"a default outside the bounds", &ec2.ModifyIpamPoolInput{IpamPoolId: ruled, AllocationDefaultNetmaskLength: aws.Int32(29)}, "InvalidParameterCombination", []string{"29", "28"}},
		{"a length of IPv6 for IPv4", create(func(in *ec2.CreateIpamPoolInput) { in.AllocationMaxNetmaskLength = aws.Int32(64) }), "InvalidParameterValue", []string{"64", "0 to 32"}},
		{"a default set and cleared", &ec2.ModifyIpamPoolInput{IpamPoolId: ruled, AllocationDefaultNetmaskLength: aws.Int32(24), ClearAllocationDefaultNetmaskLength: yes}, "InvalidParameterCombination", []string{"ClearAllocationDefaultNetmaskLength"}},
		{"too many resource tags in the end", &ec2.ModifyIpamPoolInput{IpamPoolId: ruled, AddAllocationResourceTags: resourceTags(many(51)...)}, "TagLimitExceeded", []string{"51"}},
		{"a service in a private scope", create(func(in *ec2.CreateIpamPoolInput) {
			in.AwsService, in.Locale = types.IpamPoolAwsServiceEc2, aws.String(home)
		}), "InvalidParameterCombination", []string{"AwsService", *private}},
		{"a source of addresses in a private scope", create(func(in *ec2.CreateIpamPoolInput) { in.PublicIpSource = types.IpamPoolPublicIpSourceByoip }), "InvalidParameterCombination", []string{"PublicIpSource", *private}},
		{"Amazon's addresses without a locale", create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.PublicIpSource = public, types.IpamPoolPublicIpSourceAmazon
		}), "InvalidParameterCombination", []string{"amazon", "Locale"}},
		{"a service without a locale", create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.AwsService = public, types.IpamPoolAwsServiceEc2 }), "InvalidParameterCombination", []string{"AwsService", "Locale"}},
		{"global services in a Region", create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AwsService, in.Locale = public, types.IpamPoolAwsServiceGlobalServices, aws.String(home)
		}), "InvalidParameterCombination", []string{"global-services", "Global"}},
		{"the locale Global for anything else", create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.Locale = public, aws.String("Global") }), "InvalidParameterValue", []string{"Global"}},
		{"another source of addresses than the source pool's", create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.SourceIpamPoolId, in.PublicIpSource = public, advertised, types.IpamPoolPublicIpSourceAmazon
		}), "InvalidParameterCombination", []string{*advertised, "byoip"}},
		{"cascade on a public pool", &ec2.DeleteIpamPoolInput{IpamPoolId: advertised, Cascade: yes}, "InvalidParameterCombination", []string{*advertised, "public"}},
		{"neither CIDR nor length to provision", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top}, "InvalidParameterCombination", []string{"exactly one"}},
		{"CIDR and length to provision", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/8"), NetmaskLength: aws.Int32(8)}, "InvalidParameterCombination", []string{"exactly one"}},
		{"a length for a top-level pool", provisionLength(empty, 16), "InvalidParameterCombination", []string{*empty, "Give the Cidr"}},
		{"a length of no address to provision", provisionLength(deepest, 33), "InvalidParameterValue", []string{"33", "0 to 32"}},
		{"more than the source pool has", provisionLength(deepest, 15), "InvalidParameterValue", []string{"too big", "/15", "/16"}},
		{"a CIDR of the other family to provision", provision(top, "fd80::/48"), "InvalidParameterValue", []string{*top, "ipv4"}},
		{"a CIDR outside the source pool", provision(deepest, "10.9.0.0/24"), "InvalidParameterValue", []string{"10.9.0.0/24", *tokyo}},
		{"a CIDR that the source pool has given", provision(deepest, *inTokyo.Cidr), "InvalidParameterValue", []string{*inTokyo.IpamPoolAllocationId}},
		{"unique local space too large", provisionLength(six, 8), "InvalidParameterValue", []string{"/8", "/9 to /60"}},
		{"unique local space too small", provision(six, "fd80::/61"), "InvalidParameterValue", []string{"/61", "/9 to /60"}},
		{"unique local space that is reserved", provision(six, "fd00::/48"), "InvalidParameterValue", []string{"fd00::/48", "fd80::/9"}},
		{"documentation space is global unicast", provision(six, "2001:db8::/32"), "InvalidParameterValue", []string{"2001:db8::/32", "EnablePrivateGua", *manager.IpamId}},
		{"multicast space", provision(six, "ff00::/16"), "InvalidParameterValue", []string{"ff00::/16", "fd80::/9"}},
		{"a CIDR that is not provisioned", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("10.0.0.0/16")}, "InvalidParameterValue", []string{"10.0.0.0/16", "GetIpamPoolCidrs"}},

		// What is not built yet.
		{"public space by CIDR", provision(advertised, "198.51.100.0/24"), "UnsupportedOperation", []string{*advertised, "public"}},
		{"public space by length", provisionLength(advertised, 28), "UnsupportedOperation", []string{*advertised}},
		{"a proof for private space", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/8"), CidrAuthorizationContext: &types.IpamCidrAuthorizationContext{Message: short, Signature: short}}, "InvalidParameterCombination", []string{"CidrAuthorizationContext", *top}},
		{"a method of proof for private space", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: top, Cidr: aws.String("11.0.0.0/8"), VerificationMethod: types.VerificationMethodDnsToken}, "InvalidParameterCombination", []string{"VerificationMethod"}},
		{"a resource planning pool without a source", create(func(in *ec2.CreateIpamPoolInput) {
			in.SourceResource = &types.IpamPoolSourceResourceRequest{ResourceId: aws.String("vpc-1"), ResourceType: "vpc", ResourceRegion: aws.String(home), ResourceOwner: aws.String(account)}
		}), "MissingParameter", []string{"SourceIpamPoolId"}},
		{"an external authority", &ec2.CreateIpamScopeInput{IpamId: manager.IpamId, ExternalAuthorityConfiguration: &types.ExternalAuthorityConfiguration{}}, "UnsupportedOperation", []string{"ExternalAuthorityConfiguration"}},
		{"an external authority, later", &ec2.ModifyIpamScopeInput{IpamScopeId: second, ExternalAuthorityConfiguration: &types.ExternalAuthorityConfiguration{}}, "UnsupportedOperation", []string{"ExternalAuthorityConfiguration"}},
		{"an external authority removed", &ec2.ModifyIpamScopeInput{IpamScopeId: second, RemoveExternalAuthorityConfiguration: yes}, "UnsupportedOperation", []string{"RemoveExternalAuthorityConfiguration"}},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, w.admin, c.in, c.code, c.words...) })
	}
	t.Run("the caller's Region is not the locale", func(t *testing.T) {
		w.refused(t, as(account, "admin", "ap-northeast-3"), allocate(tokyo, length(24)), "InvalidParameterValue",
			"The pool "+*tokyo+" is not in the current region ap-northeast-3.", "ap-northeast-1")
	})
}

// A pool that is the source of others but has no CIDR.
func TestDeletePoolWithChildrenIsRefused(t *testing.T) {
	w := newRealWorld(t, func(q *ipam.Quotas) { q.PoolsPerScope = 2 })
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	top := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope})
	w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope, SourceIpamPoolId: &top})
	w.refused(t, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &top}, "DependencyViolation", top, "1 pools", "delete them first")
	w.refused(t, w.admin, &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}, "ResourceLimitExceeded", "pools in scope "+*scope, "2")
}

// refusing is a table that refuses all transactions.
type refusing struct {
	*tabletest.Memory
	err error
}

func (r refusing) Transact(context.Context, []table.Write) error { return r.err }

func TestRefusalsOfTheTable(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  ipam.Code
		words string
	}{
		{table.ErrConflict, "ConcurrentMutationLimitExceeded", "There are too many concurrent mutations for the requested resource. Try again later."},
		{table.ErrThrottled, "RequestLimitExceeded", "try again later"},
	} {
		s := store.New(refusing{&tabletest.Memory{}, c.err}, store.Options{Region: home, Sleep: func(context.Context, time.Duration) error { return nil }})
		_, err := ops.New(s, grants()).Call(as(account, "admin", ""), "CreateIpam", &ec2.CreateIpamInput{})
		if ipam.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v: got %v, want %s", c.err, err, c.code)
		}
	}
}

// What EC2 answers later and not as an error.
func TestDeprovisionWithAllocationsFailsAsAState(t *testing.T) {
	w := newRealWorld(t, nil)
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
	a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
	got := do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("10.0.0.0/16")}).IpamPoolCidr
	if got.State != types.IpamPoolCidrStateFailedDeprovision || got.FailureReason == nil {
		t.Fatalf("got %+v, want failed-deprovision", got)
	}
	for _, words := range []string{"The CIDR has one or more allocations.", *a.Cidr, *a.IpamPoolAllocationId, "release it"} {
		if !strings.Contains(*got.FailureReason.Message, words) {
			t.Errorf("the reason %q lacks %q", *got.FailureReason.Message, words)
		}
	}
	do[ec2.ReleaseIpamPoolAllocationOutput](w, w.admin, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId})
	got = do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("10.0.0.0/16")}).IpamPoolCidr
	if got.State != types.IpamPoolCidrStateDeprovisioned || got.FailureReason != nil {
		t.Errorf("after the release: %+v", got)
	}
}
