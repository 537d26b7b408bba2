package items_test

import (
	"net/netip"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/items"
)

func TestParsePendingSKIsReverseOfPendingKey(t *testing.T) {
	for _, cidr := range []string{"0.0.0.0/0", "10.0.0.0/20", "255.255.255.255/32", "2001:db8::/56", "::/0"} {
		p, allocation, err := items.ParsePendingSK(items.PendingKey("111122223333", netip.MustParsePrefix(cidr), "ipam-pool-alloc-1").SK)
		if err != nil || p.String() != cidr || allocation != "ipam-pool-alloc-1" {
			t.Errorf("%s: %s, %q, %v", cidr, p, allocation, err)
		}
	}
	for _, sk := range []string{"", "ipam-pool-alloc-1", "0a000000#ipam-pool-alloc-1", "0a0000#020#a", "zz000000#020#a"} {
		if p, _, err := items.ParsePendingSK(sk); err == nil {
			t.Errorf("%q is the row of %s", sk, p)
		}
	}
}
