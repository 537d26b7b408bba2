package ipam_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestNests(t *testing.T) {
	for _, c := range []struct{ name, all, want string }{
		{"none", "[]", "[]"},
		{"one", "[10.0.0.0/8]", "[[10.0.0.0/8]]"},
		{"apart", "[10.0.0.0/24 10.0.1.0/24]", "[[10.0.0.0/24] [10.0.1.0/24]]"},
		{"the same twice, and one inside", "[10.0.0.0/24 10.0.0.0/24 10.0.0.128/25 10.0.1.0/24]", "[[10.0.0.0/24 10.0.0.0/24 10.0.0.128/25] [10.0.1.0/24]]"},
		{"deep, then the sibling of the inner one", "[10.0.0.0/8 10.0.0.0/16 10.0.0.0/24 10.1.0.0/16 11.0.0.0/8]", "[[10.0.0.0/8 10.0.0.0/16 10.0.0.0/24 10.1.0.0/16] [11.0.0.0/8]]"},
		{"IPv6", "[2001:db8::/32 2001:db8::/56 2001:db9::/32]", "[[2001:db8::/32 2001:db8::/56] [2001:db9::/32]]"},
	} {
		var all []netip.Prefix
		for _, text := range strings.Fields(strings.Trim(c.all, "[]")) {
			all = append(all, netip.MustParsePrefix(text))
		}
		if got := fmt.Sprint(ipam.OverlapGroups(all, func(p netip.Prefix) netip.Prefix { return p })); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
