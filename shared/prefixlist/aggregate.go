package prefixlist

import (
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Aggregate returns the fewest CIDRs that contain exactly the addresses of the given
// CIDRs, in the order of [netip.Prefix.Compare]. They do not overlap.
//
//	given      |-- 10.0.0.0/25 --|-- 10.0.0.128/25 --|      |- 10.0.2.0/25 -|
//	                |- 10.0.0.64/26
//	Aggregate  |------------ 10.0.0.0/24 ------------|      |- 10.0.2.0/25 -|
func Aggregate(cidrs []netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range slices.SortedFunc(slices.Values(cidrs), netip.Prefix.Compare) {
		// A CIDR follows all CIDRs that contain it, so only the last one can.
		if n := len(all); n > 0 && ipam.Within(p, all[n-1]) {
			continue
		}
		all = append(all, p)
		for n := len(all); n > 1 && all[n-1].Bits() > 0 && ipam.Buddy(all[n-1]) == all[n-2]; n = len(all) {
			all = append(all[:n-2], ipam.Parent(all[n-2]))
		}
	}
	return all
}
