// Package ops has the operations, one file an entity. [New] defines each once, with
// the AWS SDK's own input and output types, in a [registry.Registry]. The
// operations read and change objects of the store. shared/ops/listing makes the
// pages of the lists.
package ops

import (
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// New returns the registry of all operations on a store, whose calls auth
// decides on. New(nil, nil) can be listed, for the docs and the clients'
// models, but not called.
//
// An object belongs to the account that made it, or to the owner of what it
// stands under. For every other account it does not exist: each operation
// answers for it as for an id that nobody has. A pool may be shared: then others
// see it and allocate from it. An allocation exists for the owner of its pool,
// and for the account that took it as long as that sees the pool.
// A resource discovery exists for the account that the deployment belongs to,
// too, which reads every account with roles of its own anyway: it may associate
// its IPAMs with it.
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

	registry.Define(r, "CreateIpam", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Makes an IPAM with its two default scopes and its default resource discovery."}, o.createIPAM)
	registry.Define(r, "ModifyIpam", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes an IPAM's description, operating Regions and settings."}, o.modifyIPAM)
	registry.Define(r, "DeleteIpam", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes an IPAM; with Cascade, all that it holds."}, o.deleteIPAM)
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists IPAMs."}, o.describeIPAMs)

	registry.Define(r, "CreateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Makes a resource discovery besides the default ones."}, o.createDiscovery)
	registry.Define(r, "ModifyIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes what a resource discovery watches: its operating Regions and the organizational units that it leaves out."}, o.modifyDiscovery)
	registry.Define(r, "DeleteIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a resource discovery with what it found."}, o.deleteDiscovery)
	registry.Define(r, "DescribeIpamResourceDiscoveries", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists resource discoveries."}, o.describeDiscoveries)
	registry.Define(r, "AssociateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Shows an IPAM what a resource discovery finds."}, o.associateDiscovery)
	registry.Define(r, "DisassociateIpamResourceDiscovery", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Ends an association; what the discovery found leaves the IPAM."}, o.disassociateDiscovery)
	registry.Define(r, "DescribeIpamResourceDiscoveryAssociations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the associations of IPAMs with resource discoveries."}, o.describeAssociations)
	registry.Define(r, "GetIpamDiscoveredAccounts", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the accounts that a resource discovery looks at in a Region, and how far it is."}, o.getDiscoveredAccounts)
	registry.Define(r, "DeleteIpamDiscoveredAccount", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Forgets what a resource discovery found in an account, or in its Region, that it does not look at any more; the space is free then. An extension."}, o.deleteDiscoveredAccount)
	registry.Define(r, "GetIpamDiscoveredResourceCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of resources that a resource discovery found in a Region."}, o.getDiscoveredResources)
	registry.Define(r, "GetIpamDiscoveredPublicAddresses", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the public IPv4 addresses that a resource discovery found in a Region."}, o.getDiscoveredAddresses)

	registry.Define(r, "GetIpamResourceCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of live resources in a scope, with their statuses."}, o.getResources)
	registry.Define(r, "ModifyIpamResourceCidr", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Has a VPC's CIDR ignored or monitored again, or moves it to another scope."}, o.modifyResource)

	registry.Define(r, "CreateIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Makes a private scope."}, o.createScope)
	registry.Define(r, "ModifyIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes a scope's description."}, o.modifyScope)
	registry.Define(r, "DeleteIpamScope", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a scope without pools."}, o.deleteScope)
	registry.Define(r, "DescribeIpamScopes", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists scopes."}, o.describeScopes)

	registry.Define(r, "CreateIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Makes a pool in a scope, at its top level or under a source pool."}, o.createPool)
	registry.Define(r, "ModifyIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Changes a pool's description and allocation rules."}, o.modifyPool)
	registry.Define(r, "DeleteIpamPool", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Deletes a pool; with Cascade, its CIDRs, allocations and child pools too."}, o.deletePool)
	registry.Define(r, "DescribeIpamPools", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists pools."}, o.describePools)

	registry.Define(r, "EnableIpamOrganizationAdminAccount", registry.Meta{Class: registry.Administer, Management: true, Mutates: true, Summary: "Declares that the account Cadastre is deployed in administers the organisation's addresses. For the management account."}, o.enableAdministrator)
	registry.Define(r, "DisableIpamOrganizationAdminAccount", registry.Meta{Class: registry.Administer, Management: true, Mutates: true, Summary: "Ends the declaration of EnableIpamOrganizationAdminAccount. For the management account."}, o.disableAdministrator)

	registry.Define(r, "PutIpamPoolShare", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Shares a pool with an account, an organisational unit or an organisation, which then see it and allocate from it. An extension."}, o.putShare)
	registry.Define(r, "DeleteIpamPoolShare", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Ends a share; what was allocated stays. An extension."}, o.deleteShare)
	registry.Define(r, "DescribeIpamPoolShares", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the shares of pools. An extension."}, o.describeShares)

	registry.Define(r, "ProvisionIpamPoolCidr", registry.Meta{Class: registry.Administer, Mutates: true, Idempotent: true, Summary: "Puts a CIDR into a pool, out of its source pool or scope."}, o.provisionPoolCIDR)
	registry.Define(r, "DeprovisionIpamPoolCidr", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Takes a CIDR without allocations out of a pool."}, o.deprovisionPoolCIDR)
	registry.Define(r, "GetIpamPoolCidrs", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the CIDRs of a pool."}, o.getPoolCIDRs)

	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate, Mutates: true, Idempotent: true, Summary: "Takes a CIDR out of a pool, by length or a certain one; or previews the next."}, o.allocate)
	registry.Define(r, "ReleaseIpamPoolAllocation", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Gives a custom allocation back to its pool."}, o.release)
	registry.Define(r, "ModifyIpamPoolAllocation", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Changes an allocation's description."}, o.modifyAllocation)
	registry.Define(r, "CreateVpc", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Makes a VPC with CIDRs out of pools, in the caller's account."}, o.createVPC)
	registry.Define(r, "AssociateVpcCidrBlock", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Gives a VPC of the caller's account a further CIDR, out of a pool."}, o.associateVPC)
	registry.Define(r, "DisassociateVpcCidrBlock", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Takes a CIDR from a VPC of the caller's account, which frees its space."}, o.disassociateVPC)
	registry.Define(r, "CreateSubnet", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Makes a subnet with CIDRs out of a VPC's resource planning pools, in the caller's account."}, o.createSubnet)

	registry.Define(r, "GetIpamPoolAllocations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists the allocations of a pool."}, o.getAllocations)
	registry.Define(r, "DescribeIpamPoolAllocations", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists allocations of all pools."}, o.describeAllocations)

	registry.Define(r, "GetIpamAddressHistory", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists what used a CIDR, and how it stood, in a range of time."}, o.getHistory)

	registry.Define(r, "CreateTags", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Adds tags to IPAMs, scopes, pools, resource discoveries, their associations and allocations, or replaces their values."}, o.createTags)
	registry.Define(r, "DeleteTags", registry.Meta{Class: registry.Administer, Mutates: true, Summary: "Removes tags: by key, by key and value, or all."}, o.deleteTags)
	registry.Define(r, "DescribeTags", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists tags, one entry for each tag of each object."}, o.describeTags)

	registry.Define(r, "GetAccessGrants", registry.Meta{Class: registry.Administer, Home: true, Summary: "Shows the grants that stand beside the deployer's. An extension, for the owner account."}, o.getAccessGrants)
	registry.Define(r, "PutAccessGrants", registry.Meta{Class: registry.Administer, Home: true, Mutates: true, Summary: "Replaces the grants that stand beside the deployer's. An extension, for the owner account."}, o.putAccessGrants)
	return r
}
