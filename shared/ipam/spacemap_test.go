package ipam_test

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
)

// drawnSpace is a random space of 256 addresses.
type drawnSpace struct {
	all       netip.Prefix
	blocks    []ipam.SpaceBlock
	resources []*ipam.ResourceCIDR
	sum       ipam.SpaceSum
}

// drawSpace draws nested blocks, of which the outermost may leave addresses out, and
// resources anywhere.
func drawSpace(t *rapid.T) *drawnSpace {
	s := &drawnSpace{all: rapid.SampledFrom([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::/120")}).Draw(t, "all")}
	s.drawBlocks(t, s.all, "", "")
	status := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, "status") }
	for range rapid.IntRange(0, 12).Draw(t, "resources") {
		s.resources = append(s.resources, &ipam.ResourceCIDR{Resource: ipam.Resource{CIDR: ipamtest.Inside(s.all).Draw(t, "resource")}, Status: ipam.Status{
			Overlap: ipam.Overlap(status("overlapping", "nonoverlapping")), Compliance: ipam.Compliance(status("noncompliant", "compliant")), Management: ipam.Management(status("unmanaged", "managed")),
		}})
	}
	slices.SortStableFunc(s.resources, func(a, b *ipam.ResourceCIDR) int { return a.CIDR.Compare(b.CIDR) })
	for i := range s.blocks {
		s.sum.AddBlock(&s.blocks[i])
	}
	for _, r := range s.resources {
		s.sum.AddResource(r)
	}
	return s
}

// drawBlocks divides p, which is in a pool or, with "", in none.
func (s *drawnSpace) drawBlocks(t *rapid.T, p netip.Prefix, pool, around string) {
	if !p.IsSingleIP() && rapid.IntRange(0, 9).Draw(t, "split") < 6 {
		low, high := ipam.Halves(p)
		s.drawBlocks(t, low, pool, around)
		s.drawBlocks(t, high, pool, around)
		return
	}
	name := fmt.Sprintf("pool-%d", len(s.blocks))
	b := ipam.SpaceBlock{Taken: ipam.Taken{CIDR: p}, Pool: pool}
	if pool == "" {
		if rapid.Bool().Draw(t, "pool") {
			b.State, b.Kind, b.ResourceID = ipam.SpacePool, ipam.KindPool, name
			s.blocks = append(s.blocks, b)
			s.drawBlocks(t, p, name, "")
		}
		return
	}
	b.State = rapid.SampledFrom([]ipam.SpaceState{ipam.SpaceFree, ipam.SpaceFree, ipam.SpaceAllocated, ipam.SpaceHeld, ipam.SpaceChanging, ipam.SpacePool}).Draw(t, "state")
	if around == "planning" && b.State == ipam.SpacePool {
		b.State = ipam.SpaceAllocated
	}
	switch b.State {
	case ipam.SpacePool:
		b.Kind, b.ResourceID = ipam.KindPool, name
		s.blocks = append(s.blocks, b)
		s.drawBlocks(t, p, name, "")
		return
	case ipam.SpaceAllocated:
		if b.Kind = ipam.KindCustom; around == "" && rapid.Bool().Draw(t, "plan") {
			b.Kind, b.PlanningPool = ipam.KindVPC, name
			s.blocks = append(s.blocks, b)
			s.drawBlocks(t, p, name, "planning")
			return
		}
	default:
	}
	s.blocks = append(s.blocks, b)
}

// totals counts each address of a block by itself.
func (s *drawnSpace) totals(p netip.Prefix) (t ipam.SpaceTotals, entries int64) {
	one := ipam.Addresses{Low: 1}
	for a := p.Addr(); p.Contains(a); a = a.Next() {
		used := false
		for i := range s.blocks {
			b := &s.blocks[i]
			if b.CIDR.Addr() == a {
				entries++
				switch b.State {
				case ipam.SpaceAllocated:
					t.Allocations++
				case ipam.SpaceFree:
					t.FreeBlocks++
				default:
				}
			}
			if !b.CIDR.Contains(a) {
				continue
			}
			if b.State == ipam.SpacePool {
				if b.Pool == "" {
					t.Provisioned.Add(one)
				}
				continue
			}
			if !used { // the outermost one comes first
				used = true
				switch b.State {
				case ipam.SpaceAllocated:
					t.Allocated.Add(one)
				case ipam.SpaceHeld:
					t.Held.Add(one)
				case ipam.SpaceFree:
					t.Free.Add(one)
				default:
				}
			}
		}
		var overlapping, noncompliant, unmanaged bool
		for _, r := range s.resources {
			if r.CIDR.Addr() == a {
				entries++
				t.Resources++
			}
			if r.CIDR.Contains(a) {
				overlapping = overlapping || r.Status.Overlap == ipam.Overlapping
				noncompliant = noncompliant || r.Status.Compliance == ipam.Noncompliant
				unmanaged = unmanaged || r.Status.Management == ipam.Unmanaged
			}
		}
		for sum, has := range map[*ipam.Addresses]bool{&t.Overlapping: overlapping, &t.Noncompliant: noncompliant, &t.Unmanaged: unmanaged} {
			if has {
				sum.Add(one)
			}
		}
	}
	return t, entries
}

// The totals of a space, of its tiles, and of each tile, equal those that are counted
// address by address: for every part of the space, and every size and number of tiles.
func TestTilesEqualTheSpace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		region := ipamtest.Inside(s.all).Draw(t, "region")
		want, n := s.totals(region)
		if d := cmp.Diff(want, s.sum.Totals(region)); d != "" {
			t.Fatalf("totals of %s (-want +got):\n%s", region, d)
		}
		tiles := s.sum.Tiles(region, rapid.IntRange(1, 20).Draw(t, "entries"))
		for _, most := range []int{math.MaxInt, rapid.IntRange(1, 10).Draw(t, "tiles")} {
			tiles = ipam.CoarserTiles(tiles, most)
			var sum ipam.SpaceTotals
			var entries int64
			for i := range tiles {
				at := &tiles[i]
				if !ipam.Within(at.CIDR, region) || i > 0 && (tiles[i-1].CIDR.Overlaps(at.CIDR) || tiles[i-1].CIDR.Compare(at.CIDR) >= 0) {
					t.Fatalf("tile %s of %s follows %v", at.CIDR, region, tiles[max(0, i-1)].CIDR)
				}
				wantTile, n := s.totals(at.CIDR)
				if d := cmp.Diff(wantTile, at.SpaceTotals); d != "" || n != at.Entries {
					t.Fatalf("tile %s has %d entries, want %d; (-want +got):\n%s", at.CIDR, at.Entries, n, d)
				}
				if at.Pool != "" && !slices.ContainsFunc(s.blocks, func(b ipam.SpaceBlock) bool { return b.ChildPool() == at.Pool && ipam.Within(at.CIDR, b.CIDR) }) {
					t.Fatalf("tile %s is not in %s", at.CIDR, at.Pool)
				}
				sum.Add(&at.SpaceTotals)
				entries += at.Entries
			}
			if d := cmp.Diff(want, sum); d != "" || entries != n || len(tiles) > most {
				t.Fatalf("%d tiles of %d with %d entries, want %d; (-want +got):\n%s", len(tiles), most, entries, n, d)
			}
		}
	})
}

// A tile of few entries names the innermost pool that has all of it.
func TestTileNamesItsPool(t *testing.T) {
	var s ipam.SpaceSum
	add := func(cidr string, state ipam.SpaceState, kind ipam.Kind, id string) {
		s.AddBlock(&ipam.SpaceBlock{Taken: ipam.Taken{CIDR: netip.MustParsePrefix(cidr), Kind: kind, ResourceID: id}, State: state})
	}
	add("10.0.0.0/8", ipam.SpacePool, ipam.KindPool, "outer")
	add("10.0.0.0/16", ipam.SpacePool, ipam.KindPool, "inner")
	add("10.0.0.0/17", ipam.SpaceAllocated, ipam.KindCustom, "")
	add("10.0.128.0/17", ipam.SpaceFree, "", "")
	add("10.1.0.0/16", ipam.SpaceFree, "", "")
	var got []string
	for _, tile := range s.Tiles(netip.MustParsePrefix("0.0.0.0/0"), 1) {
		got = append(got, tile.CIDR.String()+" "+tile.Pool)
	}
	want := []string{"10.0.0.0/17 inner", "10.0.128.0/17 inner", "10.1.0.0/16 outer", "10.2.0.0/15 outer", "10.4.0.0/14 outer", "10.8.0.0/13 outer", "10.16.0.0/12 outer", "10.32.0.0/11 outer", "10.64.0.0/10 outer", "10.128.0.0/9 outer"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Joined tiles name their pool if they fill the tile: a gap between them is in no pool. A
// tile that is joined with none keeps its size.
func TestCoarserTilesNameTheirPool(t *testing.T) {
	tiles := func(cidrs ...string) (all []ipam.SpaceTile) {
		for _, c := range cidrs {
			all = append(all, ipam.SpaceTile{CIDR: netip.MustParsePrefix(c), Pool: "pool"})
		}
		return all
	}
	for _, c := range []struct {
		name  string
		tiles []ipam.SpaceTile
		want  []string
	}{
		{"two halves", tiles("10.0.0.0/25", "10.0.0.128/25", "10.0.2.0/24"), []string{"10.0.0.0/24 pool", "10.0.2.0/24 pool"}},
		{"a gap in the middle", tiles("10.0.0.0/26", "10.0.0.128/25", "10.0.2.0/24"), []string{"10.0.0.0/24 ", "10.0.2.0/24 pool"}},
		{"a gap at the end", tiles("10.0.0.0/25", "10.0.0.128/26", "10.0.2.0/26"), []string{"10.0.0.0/24 ", "10.0.2.0/26 pool"}},
		{"a gap at the start", tiles("10.0.0.64/26", "10.0.0.128/25", "10.0.2.64/26"), []string{"10.0.0.0/24 ", "10.0.2.64/26 pool"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, tile := range ipam.CoarserTiles(c.tiles, 2) {
				got = append(got, tile.CIDR.String()+" "+tile.Pool)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		cidrs []string
		want  float64
	}{
		{[]string{"10.0.0.1/32"}, 1},
		{[]string{"0.0.0.0/0"}, 1 << 32},
		{[]string{"2001:db8::/64", "2001:db8:0:1::/64"}, math.Ldexp(1, 65)},
		{[]string{"2001:db8::/65", "2001:db8::/65"}, math.Ldexp(1, 64)},
		{[]string{"::/0"}, math.Ldexp(1, 128)},
		{[]string{"::/0", "::/0"}, math.Ldexp(1, 128)},
		{[]string{"::/1", "8000::/1"}, math.Ldexp(1, 128)},
	} {
		var a ipam.Addresses
		for _, s := range c.cidrs {
			a.Add(ipam.AddressesOf(netip.MustParsePrefix(s)))
		}
		if got := a.Float(); got != c.want {
			t.Errorf("%v have %g addresses, want %g", c.cidrs, got, c.want)
		}
	}
}
