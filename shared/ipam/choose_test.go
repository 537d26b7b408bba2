package ipam_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var plainPrefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestPositions(t *testing.T) {
	for _, c := range []struct {
		name                string
		block               string
		length              int
		allowed, disallowed []string
		want                []string
	}{
		{"all of a block", "10.0.0.0/30", 31, nil, nil, []string{"10.0.0.0/31", "10.0.0.2/31"}},
		{"the block itself", "10.0.0.0/30", 30, nil, nil, []string{"10.0.0.0/30"}},
		{"larger than the block", "10.0.0.0/30", 29, nil, nil, nil},
		{"a single address", "255.255.255.255/32", 32, nil, nil, []string{"255.255.255.255/32"}},
		{"up to the last address of a family", "255.255.255.252/30", 31, nil, nil, []string{"255.255.255.252/31", "255.255.255.254/31"}},
		{"up to the last IPv6 address", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 128, nil, nil, []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"}},
		{"halves of a family", "0.0.0.0/0", 1, nil, nil, []string{"0.0.0.0/1", "128.0.0.0/1"}},
		{"allowed: a part", "10.0.0.0/30", 32, []string{"10.0.0.2/31"}, nil, []string{"10.0.0.2/32", "10.0.0.3/32"}},
		{"allowed: more than the block", "10.0.0.0/31", 32, []string{"10.0.0.0/8"}, nil, []string{"10.0.0.0/32", "10.0.0.1/32"}},
		{"allowed: elsewhere", "10.0.0.0/30", 32, []string{"10.0.0.4/30"}, nil, nil},
		{"allowed: smaller than the requested block", "10.0.0.0/30", 31, []string{"10.0.0.0/32", "10.0.0.1/32"}, nil, nil},
		{"allowed: two that overlap", "10.0.0.0/30", 32, []string{"10.0.0.0/31", "10.0.0.1/32"}, nil, []string{"10.0.0.0/32", "10.0.0.1/32"}},
		{"disallowed: the beginning", "10.0.0.0/29", 30, nil, []string{"10.0.0.0/32"}, []string{"10.0.0.4/30"}},
		{"disallowed: the end", "10.0.0.0/29", 30, nil, []string{"10.0.0.7/32"}, []string{"10.0.0.0/30"}},
		{"disallowed: everything", "10.0.0.0/29", 32, nil, []string{"10.0.0.0/8"}, nil},
		{"disallowed: elsewhere", "10.0.0.0/31", 32, nil, []string{"10.0.1.0/24"}, []string{"10.0.0.0/32", "10.0.0.1/32"}},
		{"disallowed in allowed", "10.0.0.0/29", 32, []string{"10.0.0.4/30"}, []string{"10.0.0.4/31"}, []string{"10.0.0.6/32", "10.0.0.7/32"}},
		{"allowed in disallowed", "10.0.0.0/29", 32, []string{"10.0.0.4/31"}, []string{"10.0.0.4/30"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ipam.Filter{Allowed: prefixes(c.allowed...), Disallowed: prefixes(c.disallowed...)}
			got := slices.Collect(f.Positions(prefix(c.block), c.length))
			if d := cmp.Diff(prefixes(c.want...), got, plainPrefixes, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("positions (-want +got):\n%s", d)
			}
		})
	}
}

// positionsOf lists the positions of Choose in its order, in a slow way: the
// lowest block that may be chosen, then the lowest without that one, and so on.
func positionsOf(free []netip.Prefix, length int, f ipam.Filter, limit int) (all []netip.Prefix) {
	for _, b := range free {
		g := f
		for len(all) < limit {
			p, ok := ipamtest.Lowest([]netip.Prefix{b}, length, g)
			if !ok {
				break
			}
			all = append(all, p)
			g.Disallowed = append(slices.Clip(g.Disallowed), p)
		}
	}
	return all
}

// filters generates filters about a block, most of them narrow.
func filters(outer netip.Prefix) *rapid.Generator[ipam.Filter] {
	some := rapid.SliceOfN(ipamtest.Inside(outer), 0, 3)
	return rapid.Custom(func(t *rapid.T) ipam.Filter {
		return ipam.Filter{Allowed: some.Draw(t, "allowed"), Disallowed: some.Draw(t, "disallowed")}
	})
}

func TestChooseAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := ipamtest.Families().Draw(t, "family")
		root := ipamtest.Inside(f.All()).Draw(t, "root")
		free := ipamtest.Free([]netip.Prefix{root}, rapid.SliceOfN(ipamtest.Inside(root), 0, 5).Draw(t, "taken"))
		candidates := make([]ipam.Free, len(free))
		for i, p := range free {
			candidates[i] = ipam.Free{CIDR: p, Root: ipam.Root{ID: "r", Bits: root.Bits()}}
		}
		length := rapid.IntRange(root.Bits(), f.Bits()).Draw(t, "length")
		filter := filters(root).Draw(t, "filter")
		window := rapid.IntRange(1, 9).Draw(t, "window")
		want := positionsOf(free, length, filter, window)
		asked := 1
		at := rapid.IntRange(0, max(0, len(want)-1)).Draw(t, "pick")
		from, chosen, ok := ipam.Choose(candidates, length, filter.Joined(), window, func(n int) int { asked = n; return at })
		if ok != (len(want) > 0) {
			t.Fatalf("chosen: %t; there are %s", ok, want)
		}
		if !ok {
			return
		}
		if asked != len(want) || chosen != want[at] || !ipam.Within(chosen, from.CIDR) || !slices.Contains(free, from.CIDR) {
			t.Fatalf("chose %s out of %s among %d; want %s among %s", chosen, from.CIDR, asked, want[at], want)
		}
	})
}

func TestOneWriterGetsTheTightestBlock(t *testing.T) {
	candidates := []ipam.Free{{CIDR: prefix("10.0.1.0/24")}, {CIDR: prefix("10.0.2.0/23")}}
	_, chosen, ok := ipam.Choose(candidates, 24, ipam.Filter{}, 1, func(int) int { t.Error("a window of 1 leaves nothing to pick"); return 0 })
	if !ok || chosen != prefix("10.0.1.0/24") {
		t.Errorf("chose %s, want the tightest block", chosen)
	}
}

// A search of a whole family for its smallest blocks ends after the requested
// number.
func TestPositionsAreLazy(t *testing.T) {
	f := ipam.Filter{Allowed: prefixes("8000::/1"), Disallowed: prefixes("8000::/128")}
	for p := range f.Positions(prefix("::/0"), 128) {
		if p != prefix("8000::1/128") {
			t.Errorf("the first position is %s", p)
		}
		break
	}
}
