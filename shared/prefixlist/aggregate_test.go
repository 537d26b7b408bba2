package prefixlist_test

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/prefixlist"
)

// universes are the small blocks from which the property tests take their CIDRs: 64
// addresses at the edges of the families and in their middle.
var universes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/26"), netip.MustParsePrefix("10.1.2.64/26"), netip.MustParsePrefix("255.255.255.192/26"),
	netip.MustParsePrefix("::/122"), netip.MustParsePrefix("2001:db8::ffff:ffff:ffff:ffc0/122"), netip.MustParsePrefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffc0/122"),
}

func comparePrefixes(a, b netip.Prefix) bool { return a == b }

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// drawCIDRs draws CIDRs inside a block.
func drawCIDRs(t *rapid.T, in netip.Prefix, most int) []netip.Prefix {
	all := make([]netip.Prefix, rapid.IntRange(0, most).Draw(t, "n"))
	for i := range all {
		p := in
		for range rapid.IntRange(0, in.Addr().BitLen()-in.Bits()).Draw(t, "longer") {
			lower, upper := ipam.Halves(p)
			p = lower
			if rapid.Bool().Draw(t, "upper") {
				p = upper
			}
		}
		all[i] = p
	}
	return all
}

// addresses is a naive set of the addresses of a universe: bit i is its address i.
type addresses uint64

func addressesOf(universe netip.Prefix, cidrs []netip.Prefix) (set addresses) {
	at := universe.Addr()
	for i := range 64 {
		if slices.ContainsFunc(cidrs, func(p netip.Prefix) bool { return p.Contains(at) }) {
			set |= 1 << i
		}
		at = at.Next()
	}
	return set
}

// fewest returns the smallest number of CIDRs with exactly the addresses of a set, out of
// the n addresses from the lowest on.
func (s addresses) fewest(n int) int {
	all := addresses(1)<<n - 1
	switch s & all {
	case 0:
		return 0
	case all:
		return 1
	}
	return s.fewest(n/2) + (s >> (n / 2)).fewest(n/2)
}

func (s addresses) count() int { return bits.OnesCount64(uint64(s)) }

func TestAggregate(t *testing.T) {
	for _, test := range []struct {
		name        string
		given, want []netip.Prefix
	}{
		{"nothing", nil, nil},
		{"one", prefixes("10.0.0.0/8"), prefixes("10.0.0.0/8")},
		{"twice the same", prefixes("10.0.0.0/8", "10.0.0.0/8"), prefixes("10.0.0.0/8")},
		{"one inside the other", prefixes("10.1.0.0/16", "10.0.0.0/8"), prefixes("10.0.0.0/8")},
		{"two halves", prefixes("10.0.1.0/24", "10.0.0.0/24"), prefixes("10.0.0.0/23")},
		{"neighbours that are no halves", prefixes("10.0.1.0/24", "10.0.2.0/24"), prefixes("10.0.1.0/24", "10.0.2.0/24")},
		{"halves of halves", prefixes("10.0.0.0/25", "10.0.0.128/26", "10.0.0.192/26"), prefixes("10.0.0.0/24")},
		{"both halves of a family", prefixes("0.0.0.0/1", "128.0.0.0/1"), prefixes("0.0.0.0/0")},
		{"a whole family and more", prefixes("::/0", "8000::/1"), prefixes("::/0")},
		{"last addresses of a family", prefixes("255.255.255.255/32", "255.255.255.254/32"), prefixes("255.255.255.254/31")},
	} {
		t.Run(test.name, func(t *testing.T) {
			given := slices.Clone(test.given)
			if d := cmp.Diff(test.want, prefixlist.Aggregate(given), cmp.Comparer(comparePrefixes)); d != "" {
				t.Error(d)
			}
			if !slices.Equal(given, test.given) {
				t.Error("the argument has changed")
			}
		})
	}
}

// Aggregate has the addresses and the number of CIDRs of a naive reference.
func TestAggregateEqualsANaiveReference(t *testing.T) {
	for _, universe := range universes {
		t.Run(fmt.Sprint(universe), rapid.MakeCheck(func(t *rapid.T) {
			given := drawCIDRs(t, universe, 40)
			want := addressesOf(universe, given)
			got := prefixlist.Aggregate(given)
			if addressesOf(universe, got) != want {
				t.Fatalf("%v has not the addresses of %v", got, given)
			}
			if len(got) != want.fewest(64) {
				t.Fatalf("%d CIDRs %v for %v, want %d", len(got), got, given, want.fewest(64))
			}
			if !slices.IsSortedFunc(got, netip.Prefix.Compare) {
				t.Fatalf("%v is not in order", got)
			}
		}))
	}
}
