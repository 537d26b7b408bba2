package ipam_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go4.org/netipx"
)

// Any three blocks in, around and beside a region of eight addresses divide it
// as sets of addresses do: into the fewest blocks, by ascending address.
func TestPartitionAgainstSetsOfAddresses(t *testing.T) {
	region := prefix("10.0.0.8/29")
	blocks := []netip.Prefix{prefix("0.0.0.0/0"), prefix("10.0.0.0/28"), prefix("10.0.0.0/29"), prefix("10.0.0.16/32"), region}
	for at := 0; at < len(blocks); at++ { // blocks inside the region, from its halves down
		if b := blocks[at]; ipam.Within(b, region) && !b.IsSingleIP() {
			lower, upper := ipam.Halves(b)
			blocks = append(blocks, lower, upper)
		}
	}
	whole := func(live []netip.Prefix) (covered, free []netip.Prefix) {
		var all, in, out netipx.IPSetBuilder
		all.AddPrefix(region)
		out.AddPrefix(region)
		for _, l := range live {
			in.AddPrefix(l)
			out.RemovePrefix(l)
		}
		space, _ := all.IPSet()
		in.Intersect(space)
		inside, _ := in.IPSet()
		outside, _ := out.IPSet()
		return inside.Prefixes(), outside.Prefixes()
	}
	equal := cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()}
	for _, a := range blocks {
		for _, b := range blocks {
			for _, c := range blocks {
				live := []netip.Prefix{a, b, c}
				slices.SortFunc(live, netip.Prefix.Compare)
				covered, free := ipam.Partition(region, live)
				wantCovered, wantFree := whole(live)
				if diff := cmp.Diff([][]netip.Prefix{wantCovered, wantFree}, [][]netip.Prefix{covered, free}, equal); diff != "" {
					t.Fatalf("%v divide %s (-want +got):\n%s", live, region, diff)
				}
			}
		}
	}
}
