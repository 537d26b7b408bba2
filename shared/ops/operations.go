// Package ops has the operations, one file an entity. [New] defines each once in a
// [registry.Registry], with the AWS SDK's own input and output types. The operations
// check a request, have the store decide and write, and show the result. Package listing
// makes the pages of the lists.
package ops

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// New returns the registry of all operations on a store. auth decides on the calls.
// New(nil, nil) can be listed, for the docs and the clients' models, but not called.
//
// An object belongs to the account that created it, or to the owner of the object above
// it. For other accounts it does not exist: each operation answers as for an id that
// does not exist. There are three exceptions:
//   - an account that a pool is shared with sees the pool and allocates from it;
//   - an allocation exists for the owner of its pool, and also for the account that took
//     it, as long as this account sees the pool;
//   - a resource discovery also exists for the account that the deployment belongs to. It
//     may associate its IPAMs with it, and reads every account with roles of its own
//     anyway.
func New(s *store.Store, auth registry.Authorizer, options ...Option) *registry.Registry {
	o := service{store: s}
	for _, option := range options {
		option(&o)
	}
	owner := ""
	if s != nil {
		owner = s.Owner()
	}
	r := registry.New(auth, registry.WithOwner(owner), registry.WithManagementCheck(o.checkManagement), registry.WithOperationContext(o.withPrincipals))
	o.defineIPAMs(r)
	o.definePools(r)
	o.defineAllocations(r)
	o.defineDiscoveries(r)
	o.defineResolvers(r)
	o.defineTags(r)
	o.defineConsole(r)
	return r
}

// defineIPAMs defines the operations on IPAMs, scopes and the organisation.
func (o service) defineIPAMs(r *registry.Registry) {
	registry.Define(r, "CreateIpam", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Creates an IPAM with its two default scopes and its default resource discovery."}, o.createIPAM)
	registry.Define(r, "ModifyIpam", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes an IPAM's description, operating Regions and settings."}, o.modifyIPAM)
	registry.Define(r, "DeleteIpam", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes an IPAM; with Cascade, also all objects under it."}, o.deleteIPAM)
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists IPAMs."}, o.describeIPAMs)

	registry.Define(r, "CreateIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Creates a private scope."}, o.createScope)
	registry.Define(r, "ModifyIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes a scope's description."}, o.modifyScope)
	registry.Define(r, "DeleteIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a scope without pools."}, o.deleteScope)
	registry.Define(r, "DescribeIpamScopes", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists scopes."}, o.describeScopes)

	registry.Define(r, "EnableIpamOrganizationAdminAccount", registry.Meta{Class: registry.Administer, Management: true, Mutates: true, Summary: "Declares that the account of the deployment administers the organisation's addresses. For the management account."}, o.enableAdministrator)
	registry.Define(r, "DisableIpamOrganizationAdminAccount", registry.Meta{Class: registry.Administer, Management: true, Mutates: true, Summary: "Ends the declaration of EnableIpamOrganizationAdminAccount. For the management account."}, o.disableAdministrator)
}

// definePools defines the operations on pools, their CIDRs and shares.
func (o service) definePools(r *registry.Registry) {
	registry.Define(r, "CreateIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Creates a pool in a scope, at its top level or under a source pool."}, o.createPool)
	registry.Define(r, "ModifyIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes a pool's description and allocation rules."}, o.modifyPool)
	registry.Define(r, "DeleteIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a pool; with Cascade, also its CIDRs, allocations and child pools."}, o.deletePool)
	registry.Define(r, "DescribeIpamPools", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists pools."}, o.describePools)

	registry.Define(r, "ProvisionIpamPoolCidr", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Adds a CIDR to a pool, from its source pool or scope."}, o.provisionPoolCIDR)
	registry.Define(r, "DeprovisionIpamPoolCidr", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Removes a CIDR without allocations from a pool."}, o.deprovisionPoolCIDR)
	registry.Define(r, "GetIpamPoolCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of a pool."}, o.getPoolCIDRs)

	registry.Define(r, "PutIpamPoolShare", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Shares a pool with an account, an organizational unit or an organisation, which then see it and allocate from it. An extension."}, o.putShare)
	registry.Define(r, "DeleteIpamPoolShare", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Ends a share; the allocations of the sharer stay. An extension."}, o.deleteShare)
	registry.Define(r, "DescribeIpamPoolShares", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the shares of pools. An extension."}, o.describeShares)
}

// defineAllocations defines the operations that take space from pools.
func (o service) defineAllocations(r *registry.Registry) {
	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate, Mutates: true, Idempotent: true, Summary: "Allocates a CIDR of a pool, by length or by CIDR, or previews the next one."}, o.allocate)
	registry.Define(r, "ReleaseIpamPoolAllocation", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Releases a custom allocation to its pool."}, o.release)
	registry.Define(r, "ModifyIpamPoolAllocation", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Changes an allocation's description."}, o.modifyAllocation)
	registry.Define(r, "GetIpamPoolAllocations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the allocations of a pool."}, o.getAllocations)
	registry.Define(r, "DescribeIpamPoolAllocations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the allocations of all pools."}, o.describeAllocations)

	registry.Define(r, "CreateVpc", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Creates a VPC in the caller's account, with CIDRs from pools."}, o.createVPC)
	registry.Define(r, "AssociateVpcCidrBlock", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Associates a further CIDR from a pool with a VPC of the caller's account."}, o.associateVPC)
	registry.Define(r, "DisassociateVpcCidrBlock", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Removes a CIDR from a VPC of the caller's account, which frees its space."}, o.disassociateVPC)
	registry.Define(r, "CreateSubnet", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Creates a subnet in the caller's account, with CIDRs from a VPC's resource planning pools."}, o.createSubnet)
	registry.Define(r, "ReportIpamResourceDeletion", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Frees the space of a VPC or subnet that the caller has deleted in EC2, or of a CIDR that it has disassociated, once EC2 does not show it any more. An extension."}, o.reportDeletion)
}

// defineDiscoveries defines the operations on resource discoveries and the resources that they found.
func (o service) defineDiscoveries(r *registry.Registry) {
	registry.Define(r, "CreateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Creates a resource discovery besides the default ones."}, o.createDiscovery)
	registry.Define(r, "ModifyIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes the operating Regions of a resource discovery and the organizational units that it leaves out."}, o.modifyDiscovery)
	registry.Define(r, "DeleteIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a resource discovery with the resources that it found."}, o.deleteDiscovery)
	registry.Define(r, "DescribeIpamResourceDiscoveries", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists resource discoveries."}, o.describeDiscoveries)
	registry.Define(r, "AssociateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Associates an IPAM with a resource discovery, whose resources it then sees."}, o.associateDiscovery)
	registry.Define(r, "DisassociateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Ends an association; the resources of the discovery leave the IPAM."}, o.disassociateDiscovery)
	registry.Define(r, "DescribeIpamResourceDiscoveryAssociations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the associations of IPAMs with resource discoveries."}, o.describeAssociations)

	registry.Define(r, "GetIpamDiscoveredAccounts", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the accounts that a resource discovery reads in a Region, with the last times and errors."}, o.getDiscoveredAccounts)
	registry.Define(r, "DeleteIpamDiscoveredAccount", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Forgets the resources that a resource discovery found in an account, or in one of its Regions, that it does not read any more, and frees their space. An extension."}, o.deleteDiscoveredAccount)
	registry.Define(r, "GetIpamDiscoveredResourceCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of resources that a resource discovery found in a Region."}, o.getDiscoveredResources)
	registry.Define(r, "GetIpamDiscoveredPublicAddresses", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the public IPv4 addresses that a resource discovery found in a Region."}, o.getDiscoveredAddresses)

	registry.Define(r, "GetIpamResourceCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of live resources in a scope, with their statuses."}, o.getResources)
	registry.Define(r, "ModifyIpamResourceCidr", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Ignores a VPC's CIDR, monitors it again, or moves it to another scope."}, o.modifyResource)
	registry.Define(r, "ModifyIpamResourceCidrs", registry.Meta{Class: registry.Administer, Mutates: true, Paginated: true, Summary: "Ignores the CIDRs of many VPCs, or monitors them again: those that filters select. An extension."}, o.modifyResources)
	registry.Define(r, "GetIpamAddressHistory", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the resources that had a CIDR in a range of time, with their statuses."}, o.getHistory)
}

// defineResolvers defines the operations on prefix list resolvers.
func (o service) defineResolvers(r *registry.Registry) {
	registry.Define(r, "CreateIpamPrefixListResolver", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Creates a prefix list resolver, whose rules select CIDRs of an IPAM."}, o.createResolver)
	registry.Define(r, "ModifyIpamPrefixListResolver", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes a resolver's description, or replaces its rules."}, o.modifyResolver)
	registry.Define(r, "DeleteIpamPrefixListResolver", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a prefix list resolver with its versions."}, o.deleteResolver)
	registry.Define(r, "DescribeIpamPrefixListResolvers", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists prefix list resolvers."}, o.describeResolvers)
	registry.Define(r, "GetIpamPrefixListResolverRules", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the rules of a resolver."}, o.getResolverRules)
	registry.Define(r, "GetIpamPrefixListResolverVersions", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the versions of a resolver. Each change of the CIDRs that it selects makes one."}, o.getResolverVersions)
	registry.Define(r, "GetIpamPrefixListResolverVersionEntries", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of a version of a resolver."}, o.getResolverEntries)
}

// defineTags defines the operations on tags and grants.
func (o service) defineTags(r *registry.Registry) {
	registry.Define(r, "CreateTags", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Adds tags to IPAMs, scopes, pools, resource discoveries, their associations, prefix list resolvers and allocations, or replaces their values."}, o.createTags)
	registry.Define(r, "DeleteTags", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Removes tags: by key, by key and value, or all."}, o.deleteTags)
	registry.Define(r, "DescribeTags", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists tags, one entry for each tag of each object."}, o.describeTags)

	registry.Define(r, "GetAccessGrants", registry.Meta{Class: registry.Administer, Home: true, Summary: "Shows the grants in the table, which add to the deployer's. An extension, for the owner account."}, o.getAccessGrants)
	registry.Define(r, "PutAccessGrants", registry.Meta{Class: registry.Administer, Home: true, Mutates: true, Summary: "Replaces the grants in the table, which add to the deployer's. An extension, for the owner account."}, o.putAccessGrants)
}

// defineConsole defines the operations that the console needs besides the lists. Programs
// of its kind may use them too. All are extensions.
func (o service) defineConsole(r *registry.Registry) {
	registry.Define(r, "GetCallerAccess", registry.Meta{Class: registry.Read, Summary: "Shows the caller's account, principal and class, the operations that it may call, and the quotas. An extension."},
		func(ctx context.Context, _ *GetCallerAccessInput) (*GetCallerAccessOutput, error) {
			return o.getCallerAccess(ctx, r)
		})
	registry.Define(r, "GetIpamSpaceMap", registry.Meta{Class: registry.Read, Summary: "Shows the map of a scope or pool: all blocks and live resources, or tiles that add them up where there are too many; now or at a time of the last three years. An extension."}, o.getSpaceMap)
	registry.Define(r, "SearchIpam", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Finds pools, allocations and resources by address, CIDR, id, account, tag, or the beginning of a name or description. An extension."}, o.search)
	registry.Define(r, "GetIpamPoolUtilization", registry.Meta{Class: registry.Read, Summary: "Shows the usage of a pool over time, or the last usage of several, with a forecast of the time at which the pool is full. An extension."}, o.getUtilization)
	registry.Define(r, "GetIpamSummary", registry.Meta{Class: registry.Read, Summary: "Shows the numbers of IPAMs as the last scans counted them: resources by status, the pools that need space first, failing accounts, changes of the last day, active addresses, and their price with Amazon VPC IPAM. An extension."}, o.getSummary)
}
