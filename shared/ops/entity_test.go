package ops

import (
	"net/netip"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A list of ids continues behind a position, whether its object still exists or not.
func TestListsByIDContinueBehindAPosition(t *testing.T) {
	var pools []*ipam.Pool
	var as allocations
	for _, id := range []string{"b", "d", "f"} {
		pools = append(pools, &ipam.Pool{Meta: ipam.Meta{ID: id}})
		as = append(as, &ipam.Allocation{Pool: id, Taken: ipam.Taken{AllocationID: id, CIDR: netip.MustParsePrefix("10.0.0.0/8")}})
	}
	for after, want := range map[string]string{"": "bdf", "b": "df", "c": "df", "f": "", "g": ""} {
		got, gotAllocations := "", ""
		for e := range (service{}).pools().behind(after, pools) {
			got += e.Object.ID
		}
		for e := range as.behind(allocationPosition{pool: after, cidr: netip.MustParsePrefix("10.0.0.0/8")}) {
			gotAllocations += e.Object.AllocationID
		}
		if got != want || gotAllocations != want {
			t.Errorf("behind %q: pools %q, allocations %q; want %q", after, got, gotAllocations, want)
		}
	}
}
