package items

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go4.org/netipx"
)

// BlockSK returns the sort key of a block, <address, hex>#<length, 3 digits>.
// Keys sort by address.
func BlockSK(p netip.Prefix) string {
	return fmt.Sprintf("%s#%03d", hex.EncodeToString(p.Addr().AsSlice()), p.Bits())
}

// BlocksThrough returns the largest sort key of the blocks that begin at or
// before the last address of p.
func BlocksThrough(p netip.Prefix) string {
	return hex.EncodeToString(netipx.PrefixLastIP(p).AsSlice()) + "#~"
}

func parseBlockSK(sk string) (netip.Prefix, error) {
	address, length, ok := strings.Cut(sk, "#")
	n, err := strconv.Atoi(length)
	if !ok || err != nil {
		return netip.Prefix{}, fmt.Errorf("sort key %q is no block's", sk)
	}
	return parseBlock(address, n)
}

func parseBlock(address string, bits int) (netip.Prefix, error) {
	b, err := hex.DecodeString(address)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address %q: %w", address, err)
	}
	a, ok := netip.AddrFromSlice(b)
	if p := netip.PrefixFrom(a, bits); ok && p.IsValid() {
		return p, nil
	}
	return netip.Prefix{}, fmt.Errorf("%q with length %d is no CIDR", address, bits)
}
