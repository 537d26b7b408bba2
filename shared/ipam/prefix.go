package ipam

import (
	"net/netip"
	"strings"
)

// Family is an address family. The zero value is no family.
type Family uint8

// The address families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String returns the family's name in the EC2 API, "ipv4" or "ipv6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return ""
}

// ParseFamily returns the family with the given name in the EC2 API, and the
// zero Family for any other text.
func ParseFamily(s string) Family {
	switch s {
	case "ipv4":
		return IPv4
	case "ipv6":
		return IPv6
	}
	return 0
}

// MarshalText writes the family's name.
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a name written by MarshalText.
func (f *Family) UnmarshalText(b []byte) error { *f = ParseFamily(string(b)); return nil }

// Bits returns the length of the family's addresses in bits, 32 or 128.
func (f Family) Bits() int {
	if f == IPv4 {
		return 32
	}
	return 128
}

// All returns the family's whole address space, 0.0.0.0/0 or ::/0.
func (f Family) All() netip.Prefix {
	if f == IPv4 {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// FamilyOf returns the family of a valid prefix.
func FamilyOf(p netip.Prefix) Family {
	if p.Addr().Is4() {
		return IPv4
	}
	return IPv6
}

// Parent returns the block of twice p's size that contains p. It panics for a
// /0.
//
//	p       10.0.2.0/24 or 10.0.3.0/24
//	Parent  10.0.2.0/23
func Parent(p netip.Prefix) netip.Prefix {
	if p.Bits() == 0 {
		panic("ipam: a whole address family has no parent")
	}
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
}

// Buddy returns the other half of Parent(p). It panics for a /0.
//
//	p      |--------|
//	Buddy            |--------|
func Buddy(p netip.Prefix) netip.Prefix {
	if p.Bits() == 0 {
		panic("ipam: a whole address family has no buddy")
	}
	return netip.PrefixFrom(flip(p.Addr(), p.Bits()-1), p.Bits())
}

// Halves returns the lower and the upper half of p. It panics for a single
// address.
func Halves(p netip.Prefix) (lower, upper netip.Prefix) {
	if p.IsSingleIP() {
		panic("ipam: a single address has no halves")
	}
	lower = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return lower, Buddy(lower)
}

// Within reports whether inner is inside outer or equal to it. For prefixes of
// different families it is false.
func Within(inner, outer netip.Prefix) bool {
	return inner.Bits() >= outer.Bits() && outer.Contains(inner.Addr())
}

// flip returns a with bit i, counted from the most significant, inverted.
func flip(a netip.Addr, i int) netip.Addr {
	if a.Is4() {
		b := a.As4()
		b[i/8] ^= 0x80 >> (i % 8)
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	b[i/8] ^= 0x80 >> (i % 8)
	return netip.AddrFrom16(b)
}

// ParseCIDR reads a caller's CIDR. parameter is the parameter's name, for the
// error. ParseCIDR refuses a CIDR with host bits set. EC2 would clear them
// silently, but an address manager that guesses hands out addresses that nobody
// asked for.
func ParseCIDR(parameter, s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() || strings.Contains(s, "%") {
		return netip.Prefix{}, Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. This is not a valid CIDR block; write it as address/length, for example 10.0.0.0/16 or 2001:db8::/48.", s, parameter)
	}
	if m := p.Masked(); m != p {
		return netip.Prefix{}, Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. The address has bits set beyond the netmask length; the CIDR block that holds it is %s.", s, parameter, m)
	}
	return p, nil
}
