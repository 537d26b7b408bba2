package prefixlist

import (
	"math"
	"math/bits"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Bound limits an aggregation that adds addresses.
type Bound struct {
	Entries int // the number of CIDRs that the result may have, at least 1
	Widest  int // the length of the widest CIDR that may be made, 0 or more; wider given CIDRs stay
}

// Aggregation is a set of CIDRs that contains given ones.
type Aggregation struct {
	CIDRs []netip.Prefix // disjoint, in the order of [netip.Prefix.Compare]
	Added []netip.Prefix // the addresses of CIDRs that no given CIDR contains, as by [Aggregate]
}

// AggregateTo returns CIDRs that contain the given ones and are no more than the bound
// admits. Of all such sets it returns one that adds the fewest addresses. It adds none if
// exact aggregation is enough.
//
// If the bound cannot be kept, because a CIDR would be wider than [Bound.Widest], it
// returns the fewest CIDRs that are possible, and false.
//
// It takes time in proportion to the number of CIDRs and to Entries.
func AggregateTo(cidrs []netip.Prefix, b Bound) (Aggregation, bool) {
	exact := Aggregate(cidrs)
	if len(exact) <= b.Entries {
		return Aggregation{CIDRs: exact}, true
	}
	var a Aggregation
	fewest := blocks(exact, b.Widest)
	if len(fewest) > b.Entries {
		for _, given := range fewest {
			a.widen(around(given[0], given[len(given)-1]), given)
		}
		return a, false
	}
	newCover(exact, b).collect(b.Entries, &a)
	return a, true
}

// widen adds a CIDR, and the part of it that the given CIDRs in it leave out.
func (a *Aggregation) widen(p netip.Prefix, given []netip.Prefix) {
	a.CIDRs = append(a.CIDRs, p)
	a.Added = gaps(a.Added, p, given)
}

// blocks divides disjoint, ascending CIDRs into those that one CIDR of at least the length
// widest contains. A wider CIDR is alone.
func blocks(given []netip.Prefix, widest int) [][]netip.Prefix {
	var all [][]netip.Prefix
	begin := 0
	for i := 1; i <= len(given); i++ {
		if i == len(given) || around(given[begin], given[i]).Bits() < widest {
			all = append(all, given[begin:i:i])
			begin = i
		}
	}
	return all
}

// never is the cost of a set that the bound does not admit. No real cost is as high: a
// set contains at least one given address.
var never = ipam.Addresses{High: math.MaxUint64, Low: math.MaxUint64}

// cover is the smallest block around given CIDRs, with the least numbers of addresses
// that sets of CIDRs in it add.
type cover struct {
	cidr         netip.Prefix
	given        []netip.Prefix // ascending and disjoint
	lower, upper *cover         // of the given CIDRs in the two halves; nil for a single given CIDR

	covered ipam.Addresses
	least   []ipam.Addresses // at index n−1: the least addresses that at most n CIDRs add, or never
	split   []int            // at the same index: the CIDRs in lower of such a set; 0 if it is the block itself
}

func newCover(given []netip.Prefix, b Bound) *cover {
	if len(given) == 1 {
		return &cover{cidr: given[0], given: given, covered: ipam.AddressesOf(given[0]), least: []ipam.Addresses{{}}, split: []int{0}}
	}
	c := &cover{cidr: around(given[0], given[len(given)-1]), given: given}
	_, upper := ipam.Halves(c.cidr)
	at := 0
	for given[at].Addr().Less(upper.Addr()) {
		at++
	}
	c.lower, c.upper = newCover(given[:at], b), newCover(given[at:], b)
	c.covered = c.lower.covered
	c.covered.Add(c.upper.covered)
	n := min(len(given), b.Entries)
	c.least, c.split = make([]ipam.Addresses, n), make([]int, n)
	one := never
	if c.cidr.Bits() >= b.Widest {
		one = minus(ipam.AddressesOf(c.cidr), c.covered)
	}
	for i := range n {
		c.least[i] = one
	}
	for i, low := range c.lower.least {
		for j, high := range c.upper.least {
			k := i + j + 1
			if k >= n {
				break
			}
			if low == never || high == never {
				continue
			}
			sum := low
			sum.Add(high)
			if less(sum, c.least[k]) {
				c.least[k], c.split[k] = sum, i+1
			}
		}
	}
	c.lower.least, c.upper.least = nil, nil // only the splits are read from here on
	return c
}

// collect adds the best set of at most n CIDRs to a.
func (c *cover) collect(n int, a *Aggregation) {
	if c.lower == nil {
		a.CIDRs = append(a.CIDRs, c.cidr)
		return
	}
	low := c.split[min(n, len(c.split))-1]
	if low == 0 {
		a.widen(c.cidr, c.given)
		return
	}
	c.lower.collect(low, a)
	c.upper.collect(n-low, a)
}

// gaps adds the blocks of p that none of the given CIDRs in it contain to all.
func gaps(all []netip.Prefix, p netip.Prefix, given []netip.Prefix) []netip.Prefix {
	switch {
	case len(given) == 0:
		return append(all, p)
	case given[0] == p:
		return all
	}
	lower, upper := ipam.Halves(p)
	at := 0
	for at < len(given) && given[at].Addr().Less(upper.Addr()) {
		at++
	}
	return gaps(gaps(all, lower, given[:at]), upper, given[at:])
}

// around returns the smallest block that contains both p and q.
func around(p, q netip.Prefix) netip.Prefix {
	for !p.Contains(q.Addr()) {
		p = ipam.Parent(p)
	}
	return p
}

func less(a, b ipam.Addresses) bool { return a.High < b.High || a.High == b.High && a.Low < b.Low }

func minus(a, b ipam.Addresses) ipam.Addresses {
	low, borrow := bits.Sub64(a.Low, b.Low, 0)
	high, _ := bits.Sub64(a.High, b.High, borrow)
	return ipam.Addresses{High: high, Low: low}
}
