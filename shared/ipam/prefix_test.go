package ipam_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"go4.org/netipx"
	"pgregory.net/rapid"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func prefixes(s ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(s))
	for i := range s {
		all[i] = prefix(s[i])
	}
	return all
}

// panics reports whether f panics.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestFamily(t *testing.T) {
	for _, c := range []struct {
		family ipam.Family
		name   string
		bits   int
		all    string
	}{{ipam.IPv4, "ipv4", 32, "0.0.0.0/0"}, {ipam.IPv6, "ipv6", 128, "::/0"}} {
		text, err := c.family.MarshalText()
		var back ipam.Family
		if err != nil || string(text) != c.name || back.UnmarshalText(text) != nil || back != c.family || ipam.ParseFamily(c.name) != c.family {
			t.Errorf("family %d is written %q (%v) and read back as %d", c.family, text, err, back)
		}
		if c.family.Bits() != c.bits || c.family.All() != prefix(c.all) || ipam.FamilyOf(c.family.All()) != c.family {
			t.Errorf("%s has %d bits and is all of %s, of family %s", c.name, c.family.Bits(), c.family.All(), ipam.FamilyOf(c.family.All()))
		}
	}
	for _, s := range []string{"", "IPv4", "ipv5"} {
		if f := ipam.ParseFamily(s); f != 0 {
			t.Errorf("ParseFamily(%q) = %s", s, f)
		}
	}
}

func TestParentBuddyHalves(t *testing.T) {
	for _, c := range []struct{ name, p, parent, buddy string }{
		{"the lower half", "10.0.2.0/24", "10.0.2.0/23", "10.0.3.0/24"},
		{"the upper half", "10.0.3.0/24", "10.0.2.0/23", "10.0.2.0/24"},
		{"half of a family", "128.0.0.0/1", "0.0.0.0/0", "0.0.0.0/1"},
		{"across a byte", "10.0.255.0/24", "10.0.254.0/23", "10.0.254.0/24"},
		{"a /31", "10.0.0.2/31", "10.0.0.0/30", "10.0.0.0/31"},
		{"a single IPv4 address", "255.255.255.255/32", "255.255.255.254/31", "255.255.255.254/32"},
		{"half of IPv6", "::/1", "::/0", "8000::/1"},
		{"a single IPv6 address", "2001:db8::/128", "2001:db8::/127", "2001:db8::1/128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, parent, buddy := prefix(c.p), prefix(c.parent), prefix(c.buddy)
			if got := ipam.Parent(p); got != parent {
				t.Errorf("Parent(%s) = %s, want %s", p, got, parent)
			}
			if got := ipam.Buddy(p); got != buddy {
				t.Errorf("Buddy(%s) = %s, want %s", p, got, buddy)
			}
			lower, upper := ipam.Halves(parent)
			if pair := []netip.Prefix{lower, upper}; !slices.Contains(pair, p) || !slices.Contains(pair, buddy) || !lower.Addr().Less(upper.Addr()) {
				t.Errorf("Halves(%s) = %s, %s", parent, lower, upper)
			}
		})
	}
}

func TestGeometryWithoutAnAnswerPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"parent of 0.0.0.0/0":      func() { ipam.Parent(prefix("0.0.0.0/0")) },
		"parent of ::/0":           func() { ipam.Parent(prefix("::/0")) },
		"buddy of 0.0.0.0/0":       func() { ipam.Buddy(prefix("0.0.0.0/0")) },
		"buddy of ::/0":            func() { ipam.Buddy(prefix("::/0")) },
		"halves of 192.0.2.1/32":   func() { ipam.Halves(prefix("192.0.2.1/32")) },
		"halves of 2001:db8::/128": func() { ipam.Halves(prefix("2001:db8::/128")) },
	} {
		if !panics(f) {
			t.Errorf("the %s has an answer", name)
		}
	}
}

func TestGeometryAgainstSetsOfAddresses(t *testing.T) {
	set := func(ps ...netip.Prefix) *netipx.IPSet {
		var b netipx.IPSetBuilder
		for _, p := range ps {
			b.AddPrefix(p)
		}
		s, err := b.IPSet()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		f := ipamtest.Families().Draw(t, "family")
		p := ipamtest.Inside(f.All()).Draw(t, "block")
		q := ipamtest.Inside(p).Draw(t, "inner")
		r := ipamtest.Inside(f.All()).Draw(t, "any")
		for _, pair := range [][2]netip.Prefix{{q, p}, {p, q}, {p, r}, {r, p}} {
			want := set(pair[1]).ContainsPrefix(pair[0])
			if got := ipam.Within(pair[0], pair[1]); got != want {
				t.Errorf("Within(%s, %s) = %t", pair[0], pair[1], got)
			}
		}
		holders := ipam.Holders(p)
		if len(holders) != p.Bits()+1 || holders[0] != p || holders[p.Bits()] != f.All() {
			t.Fatalf("Holders(%s) = %s", p, holders)
		}
		for i, h := range holders {
			if h.Bits() != p.Bits()-i || h != h.Masked() || !set(h).ContainsPrefix(p) {
				t.Errorf("Holders(%s)[%d] = %s", p, i, h)
			}
		}
		path := ipam.MergePath(p)
		if len(path) != p.Bits() {
			t.Fatalf("MergePath(%s) = %s", p, path)
		}
		for i, buddy := range path {
			if !set(holders[i], buddy).Equal(set(holders[i+1])) || set(holders[i]).OverlapsPrefix(buddy) {
				t.Errorf("MergePath(%s)[%d] = %s does not complete %s to %s", p, i, buddy, holders[i], holders[i+1])
			}
		}
	})
}

func TestFamiliesNeverMix(t *testing.T) {
	if ipam.Within(prefix("::/8"), prefix("0.0.0.0/0")) || ipam.Within(prefix("10.0.0.0/8"), prefix("::/0")) {
		t.Error("a block lies in one of the other family")
	}
}

func TestParseCIDR(t *testing.T) {
	for _, c := range []struct{ name, in, says string }{
		{"IPv4", "10.0.0.0/16", ""},
		{"IPv6", "2001:db8::/48", ""},
		{"all of IPv4", "0.0.0.0/0", ""},
		{"a single address", "192.0.2.7/32", ""},
		{"a single IPv6 address", "2001:db8::7/128", ""},
		{"host bits set", "10.0.0.1/16", "the CIDR block that holds it is 10.0.0.0/16"},
		{"IPv6 host bits set", "2001:db8::1/48", "the CIDR block that holds it is 2001:db8::/48"},
		{"no length", "10.0.0.0", "This is not a valid CIDR block"},
		{"a length beyond the family", "10.0.0.0/33", "This is not a valid CIDR block"},
		{"a length with a leading zero", "10.0.0.0/08", "This is not a valid CIDR block"},
		{"an octet with a leading zero", "010.0.0.0/8", "This is not a valid CIDR block"},
		{"a zone", "fe80::%eth0/64", "This is not a valid CIDR block"},
		{"IPv4 in IPv6", "::ffff:10.0.0.0/104", "This is not a valid CIDR block"},
		{"nothing", "", "This is not a valid CIDR block"},
		{"space around", " 10.0.0.0/8", "This is not a valid CIDR block"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ipam.ParseCIDR("Cidr", c.in)
			if c.says == "" {
				if err != nil || p.String() != c.in {
					t.Fatalf("ParseCIDR(%q) = %s, %v", c.in, p, err)
				}
				return
			}
			if code := ipam.CodeOf(err); code != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "for parameter Cidr ") {
				t.Fatalf("ParseCIDR(%q) = %s, %v", c.in, p, err)
			}
		})
	}
}
