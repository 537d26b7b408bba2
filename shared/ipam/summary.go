package ipam

import (
	"cmp"
	"slices"
	"time"
)

// ScopeSummary has the numbers of one address family of a scope, as a scan counted them.
// The statuses are those that GetIpamResourceCidrs shows, of all types of resources.
type ScopeSummary struct {
	Resources                   int64
	Compliant, Noncompliant     int64
	Managed, Unmanaged, Ignored int64
	Overlapping                 int64
	Pools                       int64
	Blocks                      int64         // taken blocks of the pools, see [Usage]
	ProvisionedAddresses        float64       // of the pools at the top level
	FreeAddresses               float64       // that the pools can give to allocations and to child pools
	Urgent                      []PoolSummary `json:",omitempty"` // the pools that need space first, at most [MostUrgent]
}

// PoolSummary is the use of a pool, and the last forecast of its exhaustion; nil if there
// is none yet.
type PoolSummary struct {
	Pool string
	Usage
	Forecast *Forecast `json:",omitempty"`
}

// MostUrgent is the number of pools that a summary has.
const MostUrgent = 20

// CountStatus counts a CIDR by its statuses.
func (s *ScopeSummary) CountStatus(v Status) {
	s.Resources++
	switch v.Compliance {
	case Compliant:
		s.Compliant++
	case Noncompliant:
		s.Noncompliant++
	case ComplianceUnmanaged, ComplianceIgnored:
	}
	switch v.Management {
	case Managed:
		s.Managed++
	case Unmanaged:
		s.Unmanaged++
	case ManagementIgnored:
		s.Ignored++
	}
	if v.Overlap == Overlapping {
		s.Overlapping++
	}
}

// UrgentPools returns the pools that need space first, at most [MostUrgent]: those without
// free addresses, then by the time at which they are expected to have none, then by the
// share that is taken.
func UrgentPools(pools []PoolSummary) []PoolSummary {
	pools = slices.SortedFunc(slices.Values(pools), func(a, b PoolSummary) int {
		return cmp.Or(-compareBool(a.exhausted(), b.exhausted()), a.expected().Compare(b.expected()), -cmp.Compare(a.Taken(), b.Taken()), cmp.Compare(a.Pool, b.Pool))
	})
	return pools[:min(len(pools), MostUrgent)]
}

func (p PoolSummary) exhausted() bool { return p.Addresses > 0 && p.Available <= 0 }

// expected returns a time behind all others for a pool that no forecast expects to be
// exhausted.
func (p PoolSummary) expected() time.Time {
	if p.Forecast == nil || p.Forecast.Outcome != ForecastExhaustion {
		return time.Unix(1<<40, 0)
	}
	return p.Forecast.Expected
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// NetworkSummary has the numbers of the network that the discoveries of an IPAM found, as a
// scan counted them.
type NetworkSummary struct {
	ActiveAddresses int64               // addresses and prefixes of interfaces that are in use
	PublicRegions   int64               // Regions with public addresses
	Accounts        int64               // accounts × Regions that the discoveries know
	Failing         int64               // those of them that discovery cannot read, or does not read any more
	Failures        []DiscoveredAccount `json:",omitempty"` // those that were read last longest ago, at most [MostFailures]
}

// MostFailures is the number of failing accounts that a summary has.
const MostFailures = 20

// CountAccount counts an account in a Region.
func (s *NetworkSummary) CountAccount(a *DiscoveredAccount) {
	s.Accounts++
	if a.FailureCode == "" && a.Departure == NotDeparted {
		return
	}
	s.Failing++
	at, _ := slices.BinarySearchFunc(s.Failures, a, func(f DiscoveredAccount, a *DiscoveredAccount) int {
		return cmp.Or(cmp.Compare(f.Succeeded, a.Succeeded), cmp.Compare(f.Account, a.Account), cmp.Compare(f.Region, a.Region), cmp.Compare(f.Discovery, a.Discovery))
	})
	if s.Failures = slices.Insert(s.Failures, at, *a); len(s.Failures) > MostFailures {
		s.Failures = s.Failures[:MostFailures]
	}
}
