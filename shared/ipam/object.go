package ipam

import (
	"net/netip"
	"slices"
	"time"
)

// Tags are the tags of an object, key to value.
type Tags map[string]string

// StableKeyTag is the tag whose value is an allocation's stable key: the next
// allocation of the account with the same key in the pool gets the same CIDR, if
// that is free.
const StableKeyTag = "cadastre:stable-key"

// Meta is what every lifecycle object has.
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

// IPAM is an address manager: the owner of scopes, at home in one Region.
type IPAM struct {
	Meta
	OperatingRegions      []string // sorted; always holds the home Region
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

// ScopeType tells private address space from public.
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

// ExternalAuthority ties a private scope to another address manager.
type ExternalAuthority struct {
	Type       string // infoblox
	Identifier string
}

// Pool is a collection of CIDRs that allocations and child pools take from.
// Family, locale and source never change.
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
	CIDRCount            int64           // CIDRs provisioned
	ChildCount           int64           // pools whose source this is
	SourceResource       *SourceResource `json:",omitempty"` // of a resource planning pool: what it plans
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

// SourceVPC returns the id of the VPC that the pool plans, "" for any other
// pool. That VPC takes none of the pool's space, as it is the space.
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

// SourceSpace returns the space that the pool's CIDRs are taken out of.
func (p *Pool) SourceSpace() SpaceID {
	if p.SourcePool != "" {
		return SpaceID(p.SourcePool)
	}
	return ScopeSpace(p.Scope, p.Family)
}

// CIDRState is the state of a CIDR of a pool.
type CIDRState string

// The states of a pool's CIDR that this service reaches.
const (
	CIDRPendingProvision   CIDRState = "pending-provision"
	CIDRProvisioned        CIDRState = "provisioned"
	CIDRFailedProvision    CIDRState = "failed-provision"
	CIDRPendingDeprovision CIDRState = "pending-deprovision"
	CIDRDeprovisioned      CIDRState = "deprovisioned"
	CIDRFailedDeprovision  CIDRState = "failed-deprovision"
)

// Holds reports whether a CIDR in this state is a root of its pool: it has
// blocks, and takes part in the pool's count.
func (s CIDRState) Holds() bool {
	return s == CIDRProvisioned || s == CIDRFailedDeprovision || s == CIDRPendingProvision
}

// PoolCIDR is a CIDR provisioned to a pool; its ID is that of the root that
// its blocks stand under.
type PoolCIDR struct {
	ID           string // ipam-pool-cidr-…
	Pool         string
	Owner        string
	CIDR         netip.Prefix
	Chosen       bool // by its length, and not asked for as it is
	State        CIDRState
	FailureCode  string // cidr-not-available or limit-exceeded, or ""
	Failure      string // what stands in the way and what to do, or ""
	Source       SpaceID
	AllocationID string // of the block of kind ipam-pool in Source
	Expires      int64  // of a deprovisioned CIDR: Unix seconds until which it stays listed
}

// Allocation is a taken block as callers see it.
type Allocation struct {
	Taken
	Pool string
}
