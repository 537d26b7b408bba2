package prefixlist_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/prefixlist"
)

func TestAggregateTo(t *testing.T) {
	for _, test := range []struct {
		name          string
		given         []netip.Prefix
		bound         prefixlist.Bound
		cidrs, added  []netip.Prefix
		outsideBounds bool
	}{
		{"exact aggregation is enough", prefixes("10.0.0.0/25", "10.0.0.128/25"), prefixlist.Bound{Entries: 1, Widest: 32}, prefixes("10.0.0.0/24"), nil, false},
		{
			"the smaller gap is filled", prefixes("10.0.0.0/24", "10.0.3.0/24", "10.8.0.0/26", "10.8.0.128/25"), prefixlist.Bound{Entries: 3},
			prefixes("10.0.0.0/24", "10.0.3.0/24", "10.8.0.0/24"), prefixes("10.8.0.64/26"), false,
		},
		{
			"both gaps", prefixes("10.0.0.0/24", "10.0.3.0/24", "10.8.0.0/26", "10.8.0.128/25"), prefixlist.Bound{Entries: 2},
			prefixes("10.0.0.0/22", "10.8.0.0/24"), prefixes("10.0.1.0/24", "10.0.2.0/24", "10.8.0.64/26"), false,
		},
		{
			"too wide", prefixes("10.0.0.0/24", "10.0.3.0/24", "10.8.0.0/26", "10.8.0.128/25"), prefixlist.Bound{Entries: 2, Widest: 23},
			prefixes("10.0.0.0/24", "10.0.3.0/24", "10.8.0.0/24"), prefixes("10.8.0.64/26"), true,
		},
		{
			"a given CIDR may be wider", prefixes("10.0.0.0/8", "192.168.0.0/24", "192.168.2.0/24"), prefixlist.Bound{Entries: 2, Widest: 22},
			prefixes("10.0.0.0/8", "192.168.0.0/22"), prefixes("192.168.1.0/24", "192.168.3.0/24"), false,
		},
		{
			"a cheaper set would be too wide", prefixes("10.0.0.0/30", "10.0.0.4/31", "10.0.0.6/32", "10.0.1.0/32", "10.0.1.3/32"), prefixlist.Bound{Entries: 3, Widest: 30},
			prefixes("10.0.0.0/30", "10.0.0.4/30", "10.0.1.0/30"), prefixes("10.0.0.7/32", "10.0.1.1/32", "10.0.1.2/32"), false,
		},
		{"whole IPv6", prefixes("::/1", "8000::/2"), prefixlist.Bound{Entries: 1}, prefixes("::/0"), prefixes("c000::/2"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := prefixlist.AggregateTo(test.given, test.bound)
			if d := cmp.Diff(prefixlist.Aggregation{CIDRs: test.cidrs, Added: test.added}, got, cmp.Comparer(comparePrefixes)); d != "" {
				t.Error(d)
			}
			if ok == test.outsideBounds {
				t.Errorf("it is %v that the bound is kept", ok)
			}
		})
	}
}

// cheapest returns the fewest addresses that a set of at most k CIDRs adds to the given ones,
// out of the n addresses from the lowest on, by trying every set; false if there is none.
func (s addresses) cheapest(n, k, widest int) (int, bool) {
	all := addresses(1)<<n - 1
	switch {
	case s&all == 0:
		return 0, true
	case k == 0:
		return 0, false
	case s&all == all:
		return 0, true
	case n == 1:
		return 0, true
	}
	best, ok := 0, false
	if n <= widest {
		best, ok = n-(s&all).count(), true
	}
	for low := range k + 1 {
		a, okA := s.cheapest(n/2, low, widest)
		b, okB := (s >> (n / 2)).cheapest(n/2, k-low, widest)
		if okA && okB && (!ok || a+b < best) {
			best, ok = a+b, true
		}
	}
	return best, ok
}

// AggregateTo keeps its bound, names exactly the addresses that it adds, and adds as little as a search
// of all sets finds.
func TestAggregateToEqualsASearchOfAllSets(t *testing.T) {
	for _, universe := range universes {
		t.Run(fmt.Sprint(universe), rapid.MakeCheck(func(t *rapid.T) {
			given := drawCIDRs(t, universe, 12)
			b := prefixlist.Bound{Entries: rapid.IntRange(1, 5).Draw(t, "entries"), Widest: universe.Bits() + rapid.IntRange(0, 6).Draw(t, "widest")}
			got, ok := prefixlist.AggregateTo(given, b)
			want := addressesOf(universe, given)
			cost, possible := want.cheapest(64, b.Entries, 1<<(universe.Addr().BitLen()-b.Widest))
			if ok != possible {
				t.Fatalf("it is %v that %v can be %d CIDRs, want %v", ok, given, b.Entries, possible)
			}
			if ok && len(got.CIDRs) > b.Entries {
				t.Fatalf("%v are more than %d", got.CIDRs, b.Entries)
			}
			exact := prefixlist.Aggregate(given)
			for _, p := range got.CIDRs {
				if p.Bits() < b.Widest && !slices.Contains(exact, p) {
					t.Fatalf("%s is wider than /%d", p, b.Widest)
				}
			}
			if has, added := addressesOf(universe, got.CIDRs), addressesOf(universe, got.Added); has != want|added || want&added != 0 {
				t.Fatalf("%v of %v adds %v, and says %v", got.CIDRs, given, has&^want, got.Added)
			} else if ok && added.count() != cost {
				t.Fatalf("%v adds %d addresses to %v, want %d", got.CIDRs, added.count(), given, cost)
			}
			for i, p := range got.CIDRs[:max(len(got.CIDRs)-1, 0)] {
				if p.Overlaps(got.CIDRs[i+1]) || p.Compare(got.CIDRs[i+1]) > 0 {
					t.Fatalf("%v are not disjoint and in order", got.CIDRs)
				}
			}
		}))
	}
}

// The number of CIDRs that a raised quota admits is no obstacle.
func TestAggregateToTakesManyCIDRs(t *testing.T) {
	var given []netip.Prefix
	for p, i := netip.MustParsePrefix("10.0.0.0/28"), 0; i < 5000; i++ {
		given = append(given, p)
		at := p.Addr()
		for range 32 + 16*(i%3) {
			at = at.Next()
		}
		p = netip.PrefixFrom(at, 28)
	}
	got, ok := prefixlist.AggregateTo(given, prefixlist.Bound{Entries: 1000, Widest: 16})
	if !ok || len(got.CIDRs) != 1000 {
		t.Errorf("%d CIDRs, %v", len(got.CIDRs), ok)
	}
	var whole, added ipam.Addresses
	for _, p := range got.CIDRs {
		whole.Add(ipam.AddressesOf(p))
	}
	for _, p := range got.Added {
		added.Add(ipam.AddressesOf(p))
	}
	if want := whole.Low - added.Low; want != 5000*16 {
		t.Errorf("%d addresses without those that were added, want %d", want, 5000*16)
	}
}
