package ipam

import (
	"cmp"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// SpaceState is the state of a [SpaceBlock].
type SpaceState string

// The states of a block in the map of a space.
const (
	SpacePool      SpaceState = "pool"      // the CIDR of a pool, whose blocks are inside it
	SpaceAllocated SpaceState = "allocated" // an allocation
	SpaceHeld      SpaceState = "held"      // live resources without an allocation use it
	SpaceFree      SpaceState = "free"      // it can be allocated
	SpaceChanging  SpaceState = "changing"  // an intermediate block of a change, see [KindSplit]
)

// SpaceStateOf returns the state of a taken block of a kind.
func SpaceStateOf(k Kind) SpaceState {
	switch k {
	case KindPool:
		return SpacePool
	case KindHold:
		return SpaceHeld
	case KindSplit:
		return SpaceChanging
	default:
		return SpaceAllocated
	}
}

// SpaceBlock is a block in the map of a scope or of a pool. Blocks nest: those of a pool
// are inside its CIDR, and those of a planning pool inside its VPC's allocation.
type SpaceBlock struct {
	Taken        // of a free block only the CIDR
	Pool  string // out of whose space it is; "" for the CIDR of a pool at the top level of a scope
	State SpaceState
}

// SpaceTotals adds up a part of a space. A number counts a thing where it begins, so the
// totals of the parts add up to those of the whole.
type SpaceTotals struct {
	Allocations, FreeBlocks, Resources int64

	Provisioned             Addresses // in pools
	Allocated, Held, Free   Addresses // in pools, each address by its outermost block that is no pool's CIDR
	Overlapping             Addresses // of live resources with this status, each address once
	Noncompliant, Unmanaged Addresses
}

// Add adds u.
func (t *SpaceTotals) Add(u *SpaceTotals) {
	t.Allocations += u.Allocations
	t.FreeBlocks += u.FreeBlocks
	t.Resources += u.Resources
	for i, a := range u.addresses() {
		t.addresses()[i].Add(*a)
	}
}

// addresses returns the sums of addresses in the order of the flags of [spaceEntry].
func (t *SpaceTotals) addresses() [7]*Addresses {
	return [7]*Addresses{&t.Provisioned, &t.Allocated, &t.Held, &t.Free, &t.Overlapping, &t.Noncompliant, &t.Unmanaged}
}

// SpaceTile is a block of a space with its totals.
type SpaceTile struct {
	CIDR    netip.Prefix
	Pool    string // the innermost pool that is known to contain the tile; "" if none is
	Entries int64  // blocks and resources that begin in the tile
	SpaceTotals
}

// Addresses is a number of addresses, 0 to 2^128-1. It saturates: all of IPv6 is one less
// than it should be.
type Addresses struct{ High, Low uint64 }

// AddressesOf returns the number of addresses of a CIDR.
func AddressesOf(p netip.Prefix) Addresses {
	switch n := p.Addr().BitLen() - p.Bits(); {
	case n >= 128:
		return Addresses{math.MaxUint64, math.MaxUint64}
	case n >= 64:
		return Addresses{High: 1 << (n - 64)}
	default:
		return Addresses{Low: 1 << n}
	}
}

// Add adds b.
func (a *Addresses) Add(b Addresses) {
	var carry uint64
	a.Low, carry = bits.Add64(a.Low, b.Low, 0)
	if a.High, carry = bits.Add64(a.High, b.High, carry); carry != 0 {
		*a = Addresses{math.MaxUint64, math.MaxUint64}
	}
}

// Float returns the number, rounded if it has more than 53 bits.
func (a Addresses) Float() float64 { return math.Ldexp(float64(a.High), 64) + float64(a.Low) }

// The flags of a spaceEntry. The first seven are in the order of the addresses of
// [SpaceTotals].
const (
	addsProvisioned uint16 = 1 << iota
	addsAllocated
	addsHeld
	addsFree
	addsOverlapping
	addsNoncompliant
	addsUnmanaged
	countsAllocation
	countsFree
	countsResource
	addsAddresses = countsAllocation - 1
)

// spaceEntry is the share of a block or a resource in the totals of a space. It is small:
// a scan keeps one for each.
type spaceEntry struct {
	cidr  netip.Prefix
	pool  uint32 // 1 + the index of the pool that the CIDR belongs to; 0: of none
	flags uint16
}

// SpaceSum adds up blocks and resources of one family. The zero SpaceSum is empty. It
// takes about 40 bytes for each block and resource.
type SpaceSum struct {
	entries []spaceEntry
	sorted  bool
	pools   []string
	index   map[string]uint32

	provisioned, used                    netip.Prefix // the last outermost CIDR of a pool, and the last outermost block that is none
	overlapping, noncompliant, unmanaged netip.Prefix // the last outermost resource with the status
}

// Len returns the number of blocks and resources.
func (s *SpaceSum) Len() int { return len(s.entries) }

// outermost reports whether p is outside last, the CIDR before it, and makes it the last
// one then. CIDRs come in the order of [netip.Prefix.Compare].
func outermost(last *netip.Prefix, p netip.Prefix) bool {
	if last.IsValid() && Within(p, *last) {
		return false
	}
	*last = p
	return true
}

// AddBlock adds a block. Blocks come in the order of [netip.Prefix.Compare], of equal ones
// the outer one first.
func (s *SpaceSum) AddBlock(b *SpaceBlock) {
	e := spaceEntry{cidr: b.CIDR, pool: s.poolIndex(b.ChildPool())}
	if b.State == SpacePool {
		if outermost(&s.provisioned, b.CIDR) {
			e.flags = addsProvisioned
		}
		s.add(e)
		return
	}
	var adds uint16
	switch b.State {
	case SpaceAllocated:
		e.flags, adds = countsAllocation, addsAllocated
	case SpaceFree:
		e.flags, adds = countsFree, addsFree
	case SpaceHeld:
		adds = addsHeld
	case SpaceChanging, SpacePool:
	}
	if outermost(&s.used, b.CIDR) {
		e.flags |= adds
	}
	s.add(e)
}

// AddResource adds a resource's CIDR. They come in the order of [netip.Prefix.Compare].
func (s *SpaceSum) AddResource(r *ResourceCIDR) {
	e := spaceEntry{cidr: r.CIDR, flags: countsResource}
	if r.Status.Overlap == Overlapping && outermost(&s.overlapping, r.CIDR) {
		e.flags |= addsOverlapping
	}
	if r.Status.Compliance == Noncompliant && outermost(&s.noncompliant, r.CIDR) {
		e.flags |= addsNoncompliant
	}
	if r.Status.Management == Unmanaged && outermost(&s.unmanaged, r.CIDR) {
		e.flags |= addsUnmanaged
	}
	s.add(e)
}

func (s *SpaceSum) add(e spaceEntry) { s.entries, s.sorted = append(s.entries, e), false }

func (s *SpaceSum) poolIndex(id string) uint32 {
	if id == "" {
		return 0
	}
	i, ok := s.index[id]
	if !ok {
		if s.index == nil {
			s.index = map[string]uint32{}
		}
		s.pools = append(s.pools, id)
		i = uint32(len(s.pools))
		s.index[id] = i
	}
	return i
}

// sort sorts the entries, of equal CIDRs those added first first.
func (s *SpaceSum) sort() {
	if !s.sorted {
		slices.SortStableFunc(s.entries, func(a, b spaceEntry) int { return a.cidr.Compare(b.cidr) })
		s.sorted = true
	}
}

// Totals returns the totals of the addresses in region, which contains all blocks and
// resources or is inside those that it does not contain.
func (s *SpaceSum) Totals(region netip.Prefix) SpaceTotals {
	s.sort()
	inside, around := s.at(region)
	return s.tile(region, inside, around).SpaceTotals
}

// Tiles divides region into disjoint tiles, by ascending address: each has at most entries
// blocks and resources, or is as small as its largest ones. Without a tile are only
// addresses that no block and no resource has.
func (s *SpaceSum) Tiles(region netip.Prefix, entries int) []SpaceTile {
	s.sort()
	inside, around := s.at(region)
	return s.divide(nil, region, inside, around, max(1, entries))
}

// cover is the effect of the entries that begin before a block and contain it.
type cover struct {
	flags uint16
	pool  uint32
}

func (c *cover) add(e spaceEntry) {
	c.flags |= e.flags & addsAddresses
	if e.pool != 0 {
		c.pool = e.pool
	}
}

// at returns the entries that begin in region, and the effect of those that begin before it
// and contain it.
func (s *SpaceSum) at(region netip.Prefix) (inside []spaceEntry, around cover) {
	begin, _ := slices.BinarySearchFunc(s.entries, region.Addr(), func(e spaceEntry, a netip.Addr) int { return e.cidr.Addr().Compare(a) })
	for _, e := range s.entries[:begin] {
		if Within(region, e.cidr) {
			around.add(e)
		}
	}
	inside = s.entries[begin:]
	last := netipx.PrefixLastIP(region)
	end, _ := slices.BinarySearchFunc(inside, last, func(e spaceEntry, a netip.Addr) int {
		return cmp.Or(e.cidr.Addr().Compare(a), -1) // behind all that begin at a
	})
	return inside[:end], around
}

// tile returns the tile of a block.
func (s *SpaceSum) tile(p netip.Prefix, inside []spaceEntry, around cover) SpaceTile {
	t := SpaceTile{CIDR: p, Entries: int64(len(inside))}
	sums, whole := t.addresses(), AddressesOf(p)
	add := func(flags uint16, n Addresses) {
		for i, sum := range sums {
			if flags&(1<<i) != 0 {
				sum.Add(n)
			}
		}
	}
	add(around.flags, whole)
	for _, e := range inside {
		if e.cidr.Bits() <= p.Bits() {
			around.add(e)
			add(e.flags, whole)
		} else {
			add(e.flags, AddressesOf(e.cidr))
		}
		switch {
		case e.flags&countsAllocation != 0:
			t.Allocations++
		case e.flags&countsFree != 0:
			t.FreeBlocks++
		case e.flags&countsResource != 0:
			t.Resources++
		}
	}
	if around.pool != 0 {
		t.Pool = s.pools[around.pool-1]
	}
	return t
}

// divide appends the tiles of a block, in which entries begin.
func (s *SpaceSum) divide(tiles []SpaceTile, p netip.Prefix, inside []spaceEntry, around cover, entries int) []SpaceTile {
	if around == (cover{}) {
		if len(inside) == 0 {
			return tiles
		}
		p = tighten(p, inside)
	}
	if len(inside) <= entries || inside[len(inside)-1].cidr.Bits() <= p.Bits() && inside[len(inside)-1].cidr.Addr() == p.Addr() {
		return append(tiles, s.tile(p, inside, around))
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	high := Buddy(low)
	cut, _ := slices.BinarySearchFunc(inside, high.Addr(), func(e spaceEntry, a netip.Addr) int { return e.cidr.Addr().Compare(a) })
	tiles = s.divide(tiles, low, inside[:cut], around, entries)
	for _, e := range inside[:cut] {
		if e.cidr.Bits() > p.Bits() { // the entries at one address come larger first
			break
		}
		around.add(e)
	}
	return s.divide(tiles, high, inside[cut:], around, entries)
}

// tighten returns the smallest block in p that has all of the entries, or p if one of
// them is larger.
func tighten(p netip.Prefix, inside []spaceEntry) netip.Prefix {
	tight := inside[0].cidr
	for last := inside[len(inside)-1].cidr; tight.Bits() > p.Bits() && !Within(last, tight); {
		tight = Parent(tight)
	}
	if tight.Bits() < p.Bits() {
		return p
	}
	return tight
}

// CoarserTiles joins neighbouring tiles so that at most most remain, most being at least 1.
// tiles are disjoint and ascending. Those that are not joined keep their size.
func CoarserTiles(tiles []SpaceTile, most int) []SpaceTile {
	if len(tiles) <= most {
		return tiles
	}
	at := func(t *SpaceTile, length int) netip.Prefix {
		return netip.PrefixFrom(t.CIDR.Addr(), min(length, t.CIDR.Bits())).Masked()
	}
	count := func(length int) (n int) {
		var last netip.Prefix
		for i := range tiles {
			if p := at(&tiles[i], length); p != last {
				last = p
				n++
			}
		}
		return n
	}
	length := 0
	for length < 128 && count(length+1) <= most {
		length++
	}
	joined := make([]SpaceTile, 0, most)
	for len(tiles) > 0 {
		p, n := at(&tiles[0], length), 1
		for n < len(tiles) && at(&tiles[n], length) == p {
			n++
		}
		joined = append(joined, joinTiles(p, tiles[:n]))
		tiles = tiles[n:]
	}
	return joined
}

// joinTiles returns one tile with the CIDR p for tiles inside it. It names their pool if
// they fill p: a gap between them is in no pool. A single tile stays as it is.
func joinTiles(p netip.Prefix, tiles []SpaceTile) SpaceTile {
	if len(tiles) == 1 {
		return tiles[0]
	}
	joined := SpaceTile{CIDR: p, Pool: tiles[0].Pool}
	next := p.Addr()
	for i := range tiles {
		t := &tiles[i]
		joined.Add(&t.SpaceTotals)
		joined.Entries += t.Entries
		if t.Pool != joined.Pool || t.CIDR.Addr() != next {
			joined.Pool = ""
		}
		next = netipx.PrefixLastIP(t.CIDR).Next()
	}
	if next != netipx.PrefixLastIP(p).Next() {
		joined.Pool = ""
	}
	return joined
}
