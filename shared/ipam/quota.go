package ipam

// Quotas are the limits of what one account may make, adjustable by the
// deployer. The defaults are those of the Amazon VPC IPAM quotas page. There is
// no limit on the allocations of a pool: counting them would make one item hot.
type Quotas struct {
	IPAMs               int64 `json:"ipams"`           // IPAMs per account
	ScopesPerIPAM       int64 `json:"scopes_per_ipam"` // the two default scopes included
	PoolsPerScope       int64 `json:"pools_per_scope"`
	PoolDepth           int64 `json:"pool_depth"`
	CIDRsPerPool        int64 `json:"cidrs_per_pool"`
	SharesPerPool       int64 `json:"shares_per_pool"`       // at most MaxSharesPerPool
	Tags                int64 `json:"tags"`                  // tags per object, at most MaxTags
	Discoveries         int64 `json:"discoveries"`           // resource discoveries per account besides the default ones
	AssociationsPerIPAM int64 `json:"associations_per_ipam"` // of resource discoveries, the default one included; at most MaxAssociationsPerIPAM
}

// MaxSharesPerPool is how many shares a pool may have at most: they end with
// it, in one transaction.
const MaxSharesPerPool = 90

// MaxAssociationsPerIPAM is how many associations an IPAM may have at most:
// they end with it, in one transaction.
const MaxAssociationsPerIPAM = 20

// MaxTags is how many tags an object may have at most: an allocation is told of on
// the event bus with all of them, and an event has 256 KB. In JSON each may take
// 2.3 KB, of 384 characters that are six bytes each.
const MaxTags = 100

// DefaultQuotas returns the documented limits, and for shares, which AWS limits
// in another service, a limit of our own.
func DefaultQuotas() Quotas {
	return Quotas{IPAMs: 1, ScopesPerIPAM: 5, PoolsPerScope: 50, PoolDepth: 10, CIDRsPerPool: 50, SharesPerPool: 50, Tags: 50, Discoveries: 1, AssociationsPerIPAM: 5}
}

// LimitExceeded returns the error of a reached quota: what is limited, e.g.
// "pools in scope ipam-scope-…", how many there are, and the limit.
func LimitExceeded(what string, have, limit int64) error {
	return Errorf(CodeResourceLimitExceeded, "You've reached the limit for %s. You have created %d and you are limited to %d. Delete one that is no longer needed, or ask the platform team to raise the quota in the deployment's configuration.", what, have, limit)
}
