package ipam

import (
	"iter"
	"net/netip"
)

// Filter limits the place of a block: inside one of Allowed, or anywhere if
// Allowed is empty, and outside all of Disallowed. Both together mean allowed
// minus disallowed.
type Filter struct {
	Allowed, Disallowed []netip.Prefix
}

// fit is a filter's answer for all positions inside a block.
type fit uint8

const (
	mixed fit = iota // some positions may pass; try the halves
	every            // each position passes
	none             // no position passes
)

func (f Filter) fit(b netip.Prefix) fit {
	v := every
	for _, d := range f.Disallowed {
		if Within(b, d) {
			return none
		}
		if Within(d, b) {
			v = mixed
		}
	}
	if len(f.Allowed) == 0 {
		return v
	}
	overlaps := false
	for _, a := range f.Allowed {
		if Within(b, a) {
			return v
		}
		if Within(a, b) {
			overlaps = true
		}
	}
	if !overlaps {
		return none
	}
	return mixed
}

// Admits reports whether a block passes the filter as a whole.
func (f Filter) Admits(b netip.Prefix) bool { return f.fit(b) == every }

// Blocks reports whether a taken block is in the way of a wish for a length: a position
// that passes the filter overlaps it.
func (w Want) Blocks(taken netip.Prefix) bool {
	around := taken
	if taken.Bits() > w.Length {
		around = netip.PrefixFrom(taken.Addr(), w.Length).Masked()
	}
	for range w.Filter.Positions(around, w.Length) {
		return true
	}
	return false
}

// Positions yields the aligned blocks of the given length inside b that pass
// the filter, lowest first. The cost of each block is at most the number of the
// filter's CIDRs times the difference of the lengths, for any size of b.
func (f Filter) Positions(b netip.Prefix, length int) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if b.Bits() <= length {
			f.positions(b, length, yield)
		}
	}
}

// positions yields the blocks of [Filter.Positions] and reports whether the
// caller wants more.
func (f Filter) positions(b netip.Prefix, length int, yield func(netip.Prefix) bool) bool {
	switch f.fit(b) {
	case none:
		return true
	case every:
		for p := netip.PrefixFrom(b.Addr(), length); ; {
			if !yield(p) {
				return false
			}
			next, ok := after(p)
			if !ok || !b.Contains(next.Addr()) {
				return true
			}
			p = next
		}
	case mixed: // try the halves
	}
	if b.Bits() == length {
		return true // partly disallowed, or wider than the allowed CIDRs
	}
	lower, upper := Halves(b)
	return f.positions(lower, length, yield) && f.positions(upper, length, yield)
}

// after returns the next block of p's length behind p, and false if p is the
// last block of the family.
func after(p netip.Prefix) (netip.Prefix, bool) {
	a := p.Addr()
	for i := p.Bits() - 1; i >= 0; i-- {
		was := a
		a = flip(a, i)
		if was.Less(a) { // the bit was 0: no carry
			return netip.PrefixFrom(a, p.Bits()), true
		}
	}
	return netip.Prefix{}, false
}

// Choose picks a block of the given length out of candidates. These are free
// blocks, the tightest first, and the lowest address first among equal ones.
// Choose looks at the lowest window positions (1 or more) and takes the one
// with the index that pick returns; pick(n) returns a number in [0, n). A
// window of 1 gives the lowest address of the tightest block. ok is false if no
// candidate has a position.
func Choose(candidates []Free, length int, filter Filter, window int, pick func(n int) int) (from Free, chosen netip.Prefix, ok bool) {
	type position struct {
		from  int
		block netip.Prefix
	}
	var few [1]position
	found := few[:0]
	for i, c := range candidates {
		for p := range filter.Positions(c.CIDR, length) {
			found = append(found, position{i, p})
			if len(found) == window {
				break
			}
		}
		if len(found) == window {
			break
		}
	}
	switch len(found) {
	case 0:
		return Free{}, netip.Prefix{}, false
	case 1:
		return candidates[found[0].from], found[0].block, true
	}
	at := found[pick(len(found))]
	return candidates[at.from], at.block, true
}
