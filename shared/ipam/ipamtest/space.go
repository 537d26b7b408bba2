// Package ipamtest is a second, slow implementation of pools. Tests compare the
// core and the store with it.
//
// It knows no free blocks, no buddies, no splits and no keys. A space is the
// set of addresses of its roots without the taken addresses. Each call computes
// the free blocks from that set, with go4.org/netipx. From package ipam it uses
// the vocabulary (requests, families, codes) and no function that decides.
package ipamtest

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"go4.org/netipx"
)

// Free returns the largest aligned free blocks of a space, the smallest first,
// then by address. It does not join blocks of neighbouring roots. Roots must
// not overlap each other; taken may contain any blocks.
func Free(roots, taken []netip.Prefix) []netip.Prefix {
	var free []netip.Prefix
	for _, r := range roots {
		var b netipx.IPSetBuilder
		b.AddPrefix(r)
		for _, t := range taken {
			b.RemovePrefix(t)
		}
		set, err := b.IPSet()
		if err != nil {
			panic(err) // an invalid prefix
		}
		free = append(free, set.Prefixes()...)
	}
	slices.SortFunc(free, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), a.Addr().Compare(b.Addr()))
	})
	return free
}

// Lowest returns the block of a length for a request: the lowest position that
// the filter admits, in the smallest free block that has one.
func Lowest(free []netip.Prefix, length int, f ipam.Filter) (netip.Prefix, bool) {
	for _, b := range free {
		if p, ok := lowestIn(b, length, f); ok {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// lowestIn returns the lowest position in b. It looks only where a lowest
// position can begin: at the start of the free block or of an allowed CIDR, and
// behind a disallowed one.
func lowestIn(b netip.Prefix, length int, f ipam.Filter) (best netip.Prefix, ok bool) {
	if length < b.Bits() {
		return best, false
	}
	starts := []netip.Addr{b.Addr()}
	for _, a := range f.Allowed {
		starts = append(starts, a.Addr())
	}
	for _, d := range f.Disallowed {
		starts = append(starts, netipx.PrefixLastIP(d).Next())
	}
	for _, a := range starts {
		p, found := alignedFrom(a, length)
		if found && holds(b, p) && admits(f, p) && (!ok || p.Addr().Less(best.Addr())) {
			best, ok = p, true
		}
	}
	return best, ok
}

// alignedFrom returns the first block of a length that begins at or behind a.
func alignedFrom(a netip.Addr, length int) (netip.Prefix, bool) {
	p, err := a.Prefix(length) // fails for the zero Addr, behind the last address
	if err == nil && p.Addr() != a {
		p, err = netipx.PrefixLastIP(p).Next().Prefix(length)
	}
	return p, err == nil
}

func holds(outer, inner netip.Prefix) bool {
	return outer.Contains(inner.Addr()) && outer.Contains(netipx.PrefixLastIP(inner))
}

// admits reports whether a filter admits a block. The allowed CIDRs may cover it
// together.
func admits(f ipam.Filter, p netip.Prefix) bool {
	if slices.ContainsFunc(f.Disallowed, p.Overlaps) {
		return false
	}
	if len(f.Allowed) == 0 {
		return true
	}
	var b netipx.IPSetBuilder
	b.AddPrefix(p)
	for _, a := range f.Allowed {
		b.RemovePrefix(a)
	}
	rest, err := b.IPSet()
	if err != nil {
		panic(err) // an invalid prefix
	}
	return len(rest.Ranges()) == 0
}
