package items

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/table"
	"go4.org/netipx"
)

// blockSK returns the sort key of a block, <address, hex>#<length, 3 digits>.
// Keys sort by address, and blocks with one address larger first: the order of
// [netip.Prefix.Compare].
func blockSK(p netip.Prefix) string {
	return addressSK(p.Addr()) + fmt.Sprintf("#%03d", p.Bits())
}

// addressSK returns the text that the sort keys of blocks at an address begin with.
func addressSK(a netip.Addr) string { return hex.EncodeToString(a.AsSlice()) }

// blocksThrough returns a sort key behind all blocks that begin at or before the
// last address of p.
func blocksThrough(p netip.Prefix) string { return addressSK(netipx.PrefixLastIP(p)) + "#" + last }

// last sorts behind each text that a key has behind a "#".
const last = "~"

// rowsBeginning returns the query for the rows whose sort keys begin with a prefix.
func rowsBeginning(pk, prefix string) table.Query {
	return table.Query{PK: pk, From: prefix, To: prefix + last}
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
