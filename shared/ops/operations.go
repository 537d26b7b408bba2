package ops

import "github.com/cadastre-ipam/cadastre/shared/store"

// service is what the operations work on.
type service struct {
	store        *store.Store
	organization Organization // nil: is not asked
	vending      vending
}

// Option adds what operations work on beside the store.
type Option func(*service)

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
func New(s *store.Store, auth Authorizer, options ...Option) *Registry {
	r := NewRegistry(auth)
	if s != nil {
		r.owner = s.Owner()
	}
	o := service{store: s}
	for _, option := range options {
		option(&o)
	}
	r.managed, r.within = o.managed, o.withStanding

	Define(r, "CreateIpam", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Makes an IPAM with its two default scopes and its default resource discovery."}, o.createIPAM)
	Define(r, "ModifyIpam", Meta{Class: Administer, Mutates: true, Summary: "Changes an IPAM's description, operating Regions and settings."}, o.modifyIPAM)
	Define(r, "DeleteIpam", Meta{Class: Administer, Mutates: true, Summary: "Deletes an IPAM; with Cascade, all that it holds."}, o.deleteIPAM)
	Define(r, "DescribeIpams", Meta{Class: Read, Paginated: true, Summary: "Lists IPAMs."}, o.describeIPAMs)

	Define(r, "CreateIpamResourceDiscovery", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Makes a resource discovery besides the default ones."}, o.createDiscovery)
	Define(r, "ModifyIpamResourceDiscovery", Meta{Class: Administer, Mutates: true, Summary: "Changes what a resource discovery watches: its operating Regions and the organizational units that it leaves out."}, o.modifyDiscovery)
	Define(r, "DeleteIpamResourceDiscovery", Meta{Class: Administer, Mutates: true, Summary: "Deletes a resource discovery with what it found."}, o.deleteDiscovery)
	Define(r, "DescribeIpamResourceDiscoveries", Meta{Class: Read, Paginated: true, Summary: "Lists resource discoveries."}, o.describeDiscoveries)
	Define(r, "AssociateIpamResourceDiscovery", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Shows an IPAM what a resource discovery finds."}, o.associateDiscovery)
	Define(r, "DisassociateIpamResourceDiscovery", Meta{Class: Administer, Mutates: true, Summary: "Ends an association; what the discovery found leaves the IPAM."}, o.disassociateDiscovery)
	Define(r, "DescribeIpamResourceDiscoveryAssociations", Meta{Class: Read, Paginated: true, Summary: "Lists the associations of IPAMs with resource discoveries."}, o.describeAssociations)
	Define(r, "GetIpamDiscoveredAccounts", Meta{Class: Read, Paginated: true, Summary: "Lists the accounts that a resource discovery looks at in a Region, and how far it is."}, o.getDiscoveredAccounts)
	Define(r, "DeleteIpamDiscoveredAccount", Meta{Class: Administer, Mutates: true, Summary: "Forgets what a resource discovery found in an account, or in its Region, that it does not look at any more; the space is free then. An extension."}, o.deleteDiscoveredAccount)
	Define(r, "GetIpamDiscoveredResourceCidrs", Meta{Class: Read, Paginated: true, Summary: "Lists the CIDRs of resources that a resource discovery found in a Region."}, o.getDiscoveredResources)
	Define(r, "GetIpamDiscoveredPublicAddresses", Meta{Class: Read, Paginated: true, Summary: "Lists the public IPv4 addresses that a resource discovery found in a Region."}, o.getDiscoveredAddresses)

	Define(r, "GetIpamResourceCidrs", Meta{Class: Read, Paginated: true, Summary: "Lists the CIDRs of live resources in a scope, with their statuses."}, o.getResources)
	Define(r, "ModifyIpamResourceCidr", Meta{Class: Administer, Mutates: true, Summary: "Has a VPC's CIDR ignored or monitored again, or moves it to another scope."}, o.modifyResource)

	Define(r, "CreateIpamScope", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Makes a private scope."}, o.createScope)
	Define(r, "ModifyIpamScope", Meta{Class: Administer, Mutates: true, Summary: "Changes a scope's description."}, o.modifyScope)
	Define(r, "DeleteIpamScope", Meta{Class: Administer, Mutates: true, Summary: "Deletes a scope without pools."}, o.deleteScope)
	Define(r, "DescribeIpamScopes", Meta{Class: Read, Paginated: true, Summary: "Lists scopes."}, o.describeScopes)

	Define(r, "CreateIpamPool", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Makes a pool in a scope, at its top level or under a source pool."}, o.createPool)
	Define(r, "ModifyIpamPool", Meta{Class: Administer, Mutates: true, Summary: "Changes a pool's description and allocation rules."}, o.modifyPool)
	Define(r, "DeleteIpamPool", Meta{Class: Administer, Mutates: true, Summary: "Deletes a pool; with Cascade, its CIDRs, allocations and child pools too."}, o.deletePool)
	Define(r, "DescribeIpamPools", Meta{Class: Read, Paginated: true, Summary: "Lists pools."}, o.describePools)

	Define(r, "EnableIpamOrganizationAdminAccount", Meta{Class: Administer, Management: true, Mutates: true, Summary: "Declares that the account Cadastre is deployed in administers the organisation's addresses. For the management account."}, o.enableAdministrator)
	Define(r, "DisableIpamOrganizationAdminAccount", Meta{Class: Administer, Management: true, Mutates: true, Summary: "Ends the declaration of EnableIpamOrganizationAdminAccount. For the management account."}, o.disableAdministrator)

	Define(r, "PutIpamPoolShare", Meta{Class: Administer, Mutates: true, Summary: "Shares a pool with an account, an organisational unit or an organisation, which then see it and allocate from it. An extension."}, o.putShare)
	Define(r, "DeleteIpamPoolShare", Meta{Class: Administer, Mutates: true, Summary: "Ends a share; what was allocated stays. An extension."}, o.deleteShare)
	Define(r, "DescribeIpamPoolShares", Meta{Class: Read, Paginated: true, Summary: "Lists the shares of pools. An extension."}, o.describeShares)

	Define(r, "ProvisionIpamPoolCidr", Meta{Class: Administer, Mutates: true, Idempotent: true, Summary: "Puts a CIDR into a pool, out of its source pool or scope."}, o.provisionPoolCIDR)
	Define(r, "DeprovisionIpamPoolCidr", Meta{Class: Administer, Mutates: true, Summary: "Takes a CIDR without allocations out of a pool."}, o.deprovisionPoolCIDR)
	Define(r, "GetIpamPoolCidrs", Meta{Class: Read, Paginated: true, Summary: "Lists the CIDRs of a pool."}, o.getPoolCIDRs)

	Define(r, "AllocateIpamPoolCidr", Meta{Class: Allocate, Mutates: true, Idempotent: true, Summary: "Takes a CIDR out of a pool, by length or a certain one; or previews the next."}, o.allocate)
	Define(r, "ReleaseIpamPoolAllocation", Meta{Class: Allocate, Mutates: true, Summary: "Gives a custom allocation back to its pool."}, o.release)
	Define(r, "ModifyIpamPoolAllocation", Meta{Class: Allocate, Mutates: true, Summary: "Changes an allocation's description."}, o.modifyAllocation)
	Define(r, "CreateVpc", Meta{Class: Allocate, Mutates: true, Summary: "Makes a VPC with CIDRs out of pools, in the caller's account."}, o.createVPC)
	Define(r, "AssociateVpcCidrBlock", Meta{Class: Allocate, Mutates: true, Summary: "Gives a VPC of the caller's account a further CIDR, out of a pool."}, o.associateVPC)
	Define(r, "DisassociateVpcCidrBlock", Meta{Class: Allocate, Mutates: true, Summary: "Takes a CIDR from a VPC of the caller's account, which frees its space."}, o.disassociateVPC)
	Define(r, "CreateSubnet", Meta{Class: Allocate, Mutates: true, Summary: "Makes a subnet with CIDRs out of a VPC's resource planning pools, in the caller's account."}, o.createSubnet)

	Define(r, "GetIpamPoolAllocations", Meta{Class: Read, Paginated: true, Summary: "Lists the allocations of a pool."}, o.getAllocations)
	Define(r, "DescribeIpamPoolAllocations", Meta{Class: Read, Paginated: true, Summary: "Lists allocations of all pools."}, o.describeAllocations)

	Define(r, "GetIpamAddressHistory", Meta{Class: Read, Paginated: true, Summary: "Lists what used a CIDR, and how it stood, in a range of time."}, o.getHistory)

	Define(r, "CreateTags", Meta{Class: Administer, Mutates: true, Summary: "Adds tags to IPAMs, scopes, pools, resource discoveries, their associations and allocations, or replaces their values."}, o.createTags)
	Define(r, "DeleteTags", Meta{Class: Administer, Mutates: true, Summary: "Removes tags: by key, by key and value, or all."}, o.deleteTags)
	Define(r, "DescribeTags", Meta{Class: Read, Paginated: true, Summary: "Lists tags, one entry for each tag of each object."}, o.describeTags)

	Define(r, "GetAccessGrants", Meta{Class: Administer, Home: true, Summary: "Shows the grants that stand beside the deployer's. An extension, for the owner account."}, o.getAccessGrants)
	Define(r, "PutAccessGrants", Meta{Class: Administer, Home: true, Mutates: true, Summary: "Replaces the grants that stand beside the deployer's. An extension, for the owner account."}, o.putAccessGrants)
	return r
}
