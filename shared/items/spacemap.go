package items

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// SpaceMapPrefix begins the partition of the map that a scan makes of one family of a
// scope.
const SpaceMapPrefix = "SPACEMAP#"

// SpaceMapHead names the newest map of one family of a scope. The map's rows have its time
// in their keys, so a reader never mixes two maps, and a scan that stops before it writes
// the head leaves rows that nothing names. Heads and rows expire.
type SpaceMapHead struct {
	AsOf    int64        // Unix milliseconds: when the scan began to read the space
	Entries int64        // blocks and resources
	Starts  []netip.Addr // the first address of each row, ascending
}

// SpaceMapRetention is how long a map is used.
const SpaceMapRetention = 24 * time.Hour

// SpaceMapKey returns the key of the head of the map of one family of a scope.
func SpaceMapKey(scope string, f ipam.Family) table.Key {
	return table.Key{PK: spaceMapPK(scope, f), SK: meta}
}

// SpaceMapRowKey returns the key of the row of a map whose first tile begins at start.
func SpaceMapRowKey(scope string, f ipam.Family, asOf int64, start netip.Addr) table.Key {
	return table.Key{PK: spaceMapPK(scope, f), SK: spaceMapSK(asOf, start)}
}

// SpaceMapRows returns the query for the rows of a map whose first tiles begin at first, at
// last or between.
func SpaceMapRows(scope string, f ipam.Family, asOf int64, first, last netip.Addr) table.Query {
	return table.Query{PK: spaceMapPK(scope, f), From: spaceMapSK(asOf, first), To: spaceMapSK(asOf, last)}
}

func spaceMapPK(scope string, f ipam.Family) string {
	return SpaceMapPrefix + string(ipam.ScopeSpace(scope, f))
}

func spaceMapSK(asOf int64, start netip.Addr) string {
	return fmt.Sprintf("%015d#%s", asOf, addressSK(start))
}

const (
	attrStarts = "Starts"
	attrTiles  = "Tiles"
	attrPools  = "Pools"
	attrAsOf   = "AsOf"
)

// spaceMapExpires returns the time after which a map is not used, Unix seconds.
func spaceMapExpires(asOf int64) int64 { return asOf/1000 + int64(SpaceMapRetention/time.Second) }

// EncodeSpaceMapHead returns the attributes of a head.
func EncodeSpaceMapHead(h SpaceMapHead) table.Item {
	return table.Item{
		attrAsOf:          table.Num(h.AsOf),
		attrEntries:       table.Num(h.Entries),
		attrStarts:        table.Str(JSON(h.Starts)),
		table.AttrExpires: table.Num(spaceMapExpires(h.AsOf)),
	}
}

// DecodeSpaceMapHead reads the item of a head.
func DecodeSpaceMapHead(i table.Item) (SpaceMapHead, error) {
	h := SpaceMapHead{AsOf: i.Num(attrAsOf), Entries: i.Num(attrEntries)}
	if err := json.Unmarshal([]byte(i.Str(attrStarts)), &h.Starts); err != nil {
		return h, fmt.Errorf("the head of a space's map: %w", err)
	}
	return h, nil
}

// EncodeSpaceMapRow returns the attributes of a row of a map. A tile is a line: the CIDR,
// its pool's place in the list of pools from 1 (0 for none), the entries, allocations, free
// blocks and resources, and the numbers of addresses in the order of [ipam.SpaceTotals],
// in hexadecimal digits.
func EncodeSpaceMapRow(asOf int64, tiles []ipam.SpaceTile) table.Item {
	pools, index := []string{}, map[string]int{"": 0}
	var lines strings.Builder
	for i := range tiles {
		t := &tiles[i]
		at, ok := index[t.Pool]
		if !ok {
			pools = append(pools, t.Pool)
			at = len(pools)
			index[t.Pool] = at
		}
		fmt.Fprintf(&lines, "%s %d %d %d %d %d", t.CIDR, at, t.Entries, t.Allocations, t.FreeBlocks, t.Resources)
		for _, a := range tileAddresses(t) {
			lines.WriteByte(' ')
			if a.High != 0 {
				fmt.Fprintf(&lines, "%x%016x", a.High, a.Low)
			} else {
				fmt.Fprintf(&lines, "%x", a.Low)
			}
		}
		lines.WriteByte('\n')
	}
	return table.Item{
		attrPools:         table.Str(JSON(pools)),
		attrTiles:         table.Str(lines.String()),
		table.AttrExpires: table.Num(spaceMapExpires(asOf)),
	}
}

// tileAddresses returns the numbers of addresses of a tile.
func tileAddresses(t *ipam.SpaceTile) []*ipam.Addresses {
	return []*ipam.Addresses{&t.Provisioned, &t.Allocated, &t.Held, &t.Free, &t.Overlapping, &t.Noncompliant, &t.Unmanaged}
}

// DecodeSpaceMapRow reads the tiles of a row.
func DecodeSpaceMapRow(r table.Row) ([]ipam.SpaceTile, error) {
	var pools []string
	if err := json.Unmarshal([]byte(r.Item.Str(attrPools)), &pools); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	var tiles []ipam.SpaceTile
	for line := range strings.Lines(r.Item.Str(attrTiles)) {
		t, err := parseTile(strings.Fields(line), pools)
		if err != nil {
			return nil, fmt.Errorf("%s: the tile %q: %w", r.Key, line, err)
		}
		tiles = append(tiles, t)
	}
	return tiles, nil
}

func parseTile(fields, pools []string) (t ipam.SpaceTile, err error) {
	addresses := tileAddresses(&t)
	if len(fields) != 6+len(addresses) {
		return t, fmt.Errorf("it has %d fields", len(fields))
	}
	if t.CIDR, err = netip.ParsePrefix(fields[0]); err != nil {
		return t, err
	}
	var pool int64
	for i, n := range []*int64{&pool, &t.Entries, &t.Allocations, &t.FreeBlocks, &t.Resources} {
		if *n, err = strconv.ParseInt(fields[1+i], 10, 64); err != nil {
			return t, err
		}
	}
	if pool < 0 || pool > int64(len(pools)) {
		return t, fmt.Errorf("there is no pool %d", pool)
	}
	if pool > 0 {
		t.Pool = pools[pool-1]
	}
	for i, a := range addresses {
		digits := fields[6+i]
		cut := max(0, len(digits)-16)
		if a.Low, err = strconv.ParseUint(digits[cut:], 16, 64); err != nil {
			return t, err
		}
		if cut > 0 {
			if a.High, err = strconv.ParseUint(digits[:cut], 16, 64); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}
