package ipam

// Quotas are the limits of one account's objects. The deployer can change them.
// The defaults come from the Amazon VPC IPAM quotas page. A pool's allocations
// have no limit: counting them would make one item hot.
type Quotas struct {
	IPAMs               int64 `json:"ipams"`           // IPAMs per account
	ScopesPerIPAM       int64 `json:"scopes_per_ipam"` // the two default scopes included
	PoolsPerScope       int64 `json:"pools_per_scope"`
	PoolDepth           int64 `json:"pool_depth"`
	CIDRsPerPool        int64 `json:"cidrs_per_pool"`
	SharesPerPool       int64 `json:"shares_per_pool"`       // at most MaxSharesPerPool
	Tags                int64 `json:"tags"`                  // tags per object, at most MaxTags
	Discoveries         int64 `json:"discoveries"`           // resource discoveries per account, the default ones not counted
	AssociationsPerIPAM int64 `json:"associations_per_ipam"` // of resource discoveries, the default one included; at most MaxAssociationsPerIPAM
	ResolversPerIPAM    int64 `json:"resolvers_per_ipam"`    // prefix list resolvers
	RulesPerResolver    int64 `json:"rules_per_resolver"`    // at most MaxRulesPerResolver
	EntriesPerVersion   int64 `json:"entries_per_version"`   // CIDRs of a version of a resolver; at most MaxEntriesPerVersion
}

// MaxSharesPerPool is the largest possible quota of shares of a pool: one
// transaction deletes them with the pool.
const MaxSharesPerPool = 90

// MaxAssociationsPerIPAM is the largest possible quota of associations of an
// IPAM: one transaction deletes them with the IPAM.
const MaxAssociationsPerIPAM = 20

// MaxRulesPerResolver is the largest possible quota of rules of a prefix list resolver:
// they are in one item of the table, which has at most 400 KB.
const MaxRulesPerResolver = 300

// MaxEntriesPerVersion is the largest possible quota of CIDRs in a version of a prefix list
// resolver. They are in one item of the table; an IPv6 CIDR takes up to 44 bytes.
const MaxEntriesPerVersion = 5000

// MaxTags is the largest possible quota of tags of an object. An allocation's
// event contains all its tags, and an event has at most 256 KB. A tag may take
// 2.3 KB in JSON: 384 characters of six bytes each.
const MaxTags = 100

// DefaultQuotas returns the limits that AWS documents. AWS limits shares in
// another service; their limit is Cadastre's own.
func DefaultQuotas() Quotas {
	return Quotas{IPAMs: 1, ScopesPerIPAM: 5, PoolsPerScope: 50, PoolDepth: 10, CIDRsPerPool: 50, SharesPerPool: 50, Tags: 50, Discoveries: 1, AssociationsPerIPAM: 5, ResolversPerIPAM: 10, RulesPerResolver: 100, EntriesPerVersion: 1000}
}

// LimitExceeded returns the error of a reached quota. objects names the limited
// objects, such as "pools in scope ipam-scope-…"; have is their number.
func LimitExceeded(objects string, have, limit int64) error {
	return Errorf(CodeResourceLimitExceeded, "You've reached the limit for %s. You have created %d and you are limited to %d. Delete one that is no longer needed, or ask the platform team to raise the quota in the deployment's configuration.", objects, have, limit)
}
