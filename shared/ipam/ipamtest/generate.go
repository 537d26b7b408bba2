package ipamtest

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"pgregory.net/rapid"
)

// Families generates the address families.
func Families() *rapid.Generator[ipam.Family] {
	return rapid.SampledFrom([]ipam.Family{ipam.IPv4, ipam.IPv6})
}

// Inside generates blocks inside outer or equal to it, of all lengths from
// outer's to a single address.
func Inside(outer netip.Prefix) *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		address := outer.Addr().AsSlice()
		var lengths []int
		for l := outer.Bits(); l <= 8*len(address); l++ {
			lengths = append(lengths, l)
		}
		length := rapid.SampledFrom(lengths).Draw(t, "length") // with equal chances; IntRange prefers small numbers
		random := rapid.SliceOfN(rapid.Byte(), len(address), len(address)).Draw(t, "address")
		for i := outer.Bits(); i < length; i++ {
			address[i/8] |= random[i/8] & (0x80 >> (i % 8))
		}
		a, _ := netip.AddrFromSlice(address)
		return netip.PrefixFrom(a, length)
	})
}
