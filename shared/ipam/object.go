package ipam

import (
	"net/netip"
	"slices"
	"time"
)

// Tags are the tags of an object, key to value.
type Tags map[string]string

// StableKeyTag is the tag whose value is an allocation's stable key. The
// account's next allocation with the same key in the pool gets the same CIDR,
// if that CIDR is free.
const StableKeyTag = "cadastre:stable-key"

// The tags of an object that a custom resource of a stack made. Only the functions of
// custom resources may set, change or delete them; see [StackTags].
const (
	StackIDTag   = "cadastre:stack-id"   // the stack's ARN
	LogicalIDTag = "cadastre:logical-id" // the resource's name in the template
	ReplacesTag  = "cadastre:replaces"   // the physical id of the object that it replaced; absent if none
)

// StackTags lists the keys of these tags.
var StackTags = []string{StackIDTag, LogicalIDTag, ReplacesTag}

// Meta has the fields of every object with a lifecycle.
type Meta struct {
	ID           string
	Owner        string // account id, 12 digits
	Region       string // the home Region of the IPAM
	Description  string
	State        State
	StateMessage string
	Tags         Tags
	Created      time.Time
	Rev          int64 // grows with every modification of rules, description or tags
}

// IPAM is an address manager. It owns scopes and has one home Region.
type IPAM struct {
	Meta
	OperatingRegions      []string // sorted; always contains the home Region
	Tier                  string   // free or advanced
	EnablePrivateGUA      bool
	MeteredAccount        string // ipam-owner or resource-owner
	PublicScope           string
	PrivateScope          string
	ScopeCount            int64
	Discovery             string // id of the default resource discovery
	DiscoveryAssociation  string // id of its association
	DiscoveryAssociations int64
}

// ScopeType is the type of a scope: private or public address space.
type ScopeType string

// The types of scope.
const (
	ScopePrivate ScopeType = "private"
	ScopePublic  ScopeType = "public"
)

// Scope is the address space of one connected network.
type Scope struct {
	Meta
	IPAM              string
	Type              ScopeType
	Default           bool
	PoolCount         int64
	ExternalAuthority *ExternalAuthority
}

// ExternalAuthority names the address manager outside AWS that a private scope
// follows.
type ExternalAuthority struct {
	Type       string // infoblox
	Identifier string
}

// Pool is a collection of CIDRs for allocations and child pools. Family, locale
// and source never change.
type Pool struct {
	Meta
	IPAM                 string
	Scope                string
	ScopeType            ScopeType
	Family               Family
	SourcePool           string // "" at the top level
	Depth                int    // 1 at the top level
	Locale               string // a Region, or "" for none
	AutoImport           bool
	PubliclyAdvertisable bool
	AWSService           string
	PublicIPSource       string
	Rules                Rules
	CIDRCount            int64           // provisioned CIDRs
	ChildCount           int64           // pools with this source
	SourceResource       *SourceResource `json:",omitempty"` // the VPC of a resource planning pool, else nil
	Shares               []string        `json:",omitempty"` // principals that the pool is shared with, sorted: ids of accounts, units and organisations
}

// SourceResource is the VPC whose CIDRs a resource planning pool gives to its
// subnets (Amazon VPC IPAM User Guide, "Plan VPC IP address space for subnet IP
// allocations").
type SourceResource struct {
	ID     string // vpc-…
	Owner  string // account
	Region string
}

// SourceVPC returns the id of a resource planning pool's VPC, and "" for any other
// pool. That VPC takes no space of the pool: its CIDR is the space.
func (p *Pool) SourceVPC() string {
	if p.SourceResource == nil {
		return ""
	}
	return p.SourceResource.ID
}

// SharedWith reports whether the pool is shared with any of the principals.
func (p *Pool) SharedWith(principals []string) bool {
	return slices.ContainsFunc(principals, func(s string) bool { return slices.Contains(p.Shares, s) })
}

// Space returns the space of the pool's own CIDRs.
func (p *Pool) Space() SpaceID { return SpaceID(p.ID) }

// SourceSpace returns the space that the pool's CIDRs come from.
func (p *Pool) SourceSpace() SpaceID {
	if p.SourcePool != "" {
		return SpaceID(p.SourcePool)
	}
	return ScopeSpace(p.Scope, p.Family)
}

// CIDRState is the state of a CIDR of a pool.
type CIDRState string

// The states of a pool's CIDR in Cadastre.
const (
	CIDRPendingProvision   CIDRState = "pending-provision"
	CIDRProvisioned        CIDRState = "provisioned"
	CIDRFailedProvision    CIDRState = "failed-provision"
	CIDRPendingDeprovision CIDRState = "pending-deprovision"
	CIDRDeprovisioned      CIDRState = "deprovisioned"
	CIDRFailedDeprovision  CIDRState = "failed-deprovision"
)

// Holds reports whether a CIDR in this state is a root of its pool: it has
// blocks, and counts in the pool's CIDRCount.
func (s CIDRState) Holds() bool {
	return s == CIDRProvisioned || s == CIDRFailedDeprovision || s == CIDRPendingProvision
}

// InPool reports whether the pool can allocate from a CIDR in this state. A CIDR that is
// being provisioned is not in the pool yet; one whose deprovisioning failed still is.
func (s CIDRState) InPool() bool {
	switch s {
	case CIDRProvisioned, CIDRPendingDeprovision, CIDRFailedDeprovision:
		return true
	case CIDRPendingProvision, CIDRFailedProvision, CIDRDeprovisioned:
	}
	return false
}

// PoolCIDR is a CIDR that is provisioned to a pool. Its ID is also the ID of
// its [Root].
type PoolCIDR struct {
	ID           string // ipam-pool-cidr-…
	Pool         string
	Owner        string
	CIDR         netip.Prefix
	Chosen       bool // Cadastre chose it, because the request gave a length
	State        CIDRState
	FailureCode  string // cidr-not-available or limit-exceeded, or ""
	Failure      string // the obstacle and the next step, or ""
	Source       SpaceID
	AllocationID string // of the block of kind ipam-pool in Source
	Expires      int64  // of a deprovisioned CIDR: end of its listing, Unix seconds
	ClientToken  string // of the request that provisioned it; "" if none was given
}

// Allocation is a taken block with its pool, as callers see it.
type Allocation struct {
	Taken
	Pool string
}
