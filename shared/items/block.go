package items

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const spacePrefix, takenSuffix, cidrSuffix = "SPACE#", "#TAKEN", "#CIDR"

// FreeKey returns the key of a free block. Keys sort by tightest fit and then
// by lowest address, so one query finds a block for any length.
func FreeKey(space ipam.SpaceID, p netip.Prefix) table.Key {
	return table.Key{PK: freePK(space), SK: fitSK(p.Bits()) + "#" + addressSK(p.Addr())}
}

// FreeRows returns the query for the free blocks of a space, the smallest first.
func FreeRows(space ipam.SpaceID) table.Query { return table.Query{PK: freePK(space)} }

// FreeRowsFor returns the query for the free blocks that can contain a block of a
// length, the smallest first and then the one with the lowest address.
func FreeRowsFor(space ipam.SpaceID, length int) table.Query {
	return table.Query{PK: freePK(space), From: fitSK(length)}
}

func freePK(space ipam.SpaceID) string { return spacePrefix + string(space) + "#FREE" }

// fitSK returns the text that the sort keys of free blocks of a length begin with.
func fitSK(length int) string { return fmt.Sprintf("%03d", 128-length) }

func parseFreeSK(sk string) (netip.Prefix, error) {
	fit, address, ok := strings.Cut(sk, "#")
	n, err := strconv.Atoi(fit)
	if !ok || err != nil {
		return netip.Prefix{}, fmt.Errorf("sort key %q is no free block's", sk)
	}
	return parseBlock(address, 128-n)
}

// TakenKey returns the key of a taken block. Keys sort by address.
func TakenKey(space ipam.SpaceID, p netip.Prefix) table.Key {
	return table.Key{PK: takenPK(space), SK: blockSK(p)}
}

// TakenRows returns the query for the taken blocks of a space, by address.
func TakenRows(space ipam.SpaceID) table.Query { return table.Query{PK: takenPK(space)} }

// TakenRowsIn returns the query for the taken blocks that begin in p, at from or
// behind it.
func TakenRowsIn(space ipam.SpaceID, p netip.Prefix, from netip.Addr) table.Query {
	return table.Query{PK: takenPK(space), From: addressSK(from), To: blocksThrough(p)}
}

// TakenRowsThrough returns the query for the taken blocks that begin at or before
// the last address of p.
func TakenRowsThrough(space ipam.SpaceID, p netip.Prefix) table.Query {
	return table.Query{PK: takenPK(space), To: blocksThrough(p)}
}

func takenPK(space ipam.SpaceID) string { return spacePrefix + string(space) + takenSuffix }

// TakenAfter returns the text from which a list of taken blocks continues after p.
func TakenAfter(p netip.Prefix) string { return blockSK(p) }

// RootText returns the text of a root, <id>/<bits>.
func RootText(r ipam.Root) string { return r.ID + "/" + strconv.Itoa(r.Bits) }

// RootAttr returns the attribute of a block's root.
func RootAttr(r ipam.Root) types.AttributeValue { return table.Str(RootText(r)) }

func parseRoot(s string) (ipam.Root, error) {
	id, bits, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(bits)
	if !ok || err != nil {
		return ipam.Root{}, fmt.Errorf("%q is not a root", s)
	}
	return ipam.Root{ID: id, Bits: n}, nil
}

// EncodeFree returns the attributes of a free block.
func EncodeFree(f ipam.Free) table.Item { return table.Item{AttrRoot: RootAttr(f.Root)} }

// DecodeFree reads the item of a free block.
func DecodeFree(r table.Row) (ipam.Free, error) {
	p, err := parseFreeSK(r.Key.SK)
	if err != nil {
		return ipam.Free{}, fmt.Errorf("%s: %w", r.Key, err)
	}
	root, err := parseRoot(r.Item.Str(AttrRoot))
	if err != nil {
		return ipam.Free{}, fmt.Errorf("%s: %w", r.Key, err)
	}
	return ipam.Free{CIDR: p, Root: root}, nil
}

// EncodeTaken returns the attributes of a taken block, without Seen, which only
// an update sets.
func EncodeTaken(t ipam.Taken) table.Item {
	i := table.Item{
		AttrRoot:         RootAttr(t.Root),
		AttrAllocationID: table.Str(t.AllocationID),
		AttrKind:         table.Str(string(t.Kind)),
		AttrOwner:        table.Str(t.Owner),
	}
	if t.Kind != ipam.KindSplit {
		i[AttrTags] = TagMap(t.Tags) // always present, so that a condition can compare it
	}
	i.Put(AttrResourceID, t.ResourceID)
	i.Put(AttrRegion, t.ResourceRegion)
	i.Put(AttrDescription, t.Description)
	i.Put(attrRequest, t.Request)
	if t.Deadline != 0 {
		i[attrDeadline] = table.Num(t.Deadline)
	}
	if t.PendingUntil != 0 {
		i[AttrPendingUntil] = table.Num(t.PendingUntil)
	}
	if t.MadeAt != 0 {
		i[AttrMadeAt] = table.Num(t.MadeAt)
	}
	i.Put(AttrPlanningPool, t.PlanningPool)
	return i
}

// DecodeTaken reads the item of a taken block.
func DecodeTaken(r table.Row) (ipam.Taken, error) {
	p, err := parseBlockSK(r.Key.SK)
	if err != nil {
		return ipam.Taken{}, fmt.Errorf("%s: %w", r.Key, err)
	}
	root, err := parseRoot(r.Item.Str(AttrRoot))
	if err != nil {
		return ipam.Taken{}, fmt.Errorf("%s: %w", r.Key, err)
	}
	return ipam.Taken{
		CIDR:           p,
		Root:           root,
		AllocationID:   r.Item.Str(AttrAllocationID),
		Kind:           ipam.Kind(r.Item.Str(AttrKind)),
		Owner:          r.Item.Str(AttrOwner),
		ResourceID:     r.Item.Str(AttrResourceID),
		ResourceRegion: r.Item.Str(AttrRegion),
		Description:    r.Item.Str(AttrDescription),
		Tags:           tags(r.Item),
		Seen:           r.Item.Str(AttrSeen),
		Request:        r.Item.Str(attrRequest),
		Deadline:       r.Item.Num(attrDeadline),
		PendingUntil:   r.Item.Num(AttrPendingUntil),
		MadeAt:         r.Item.Num(AttrMadeAt),
		PlanningPool:   r.Item.Str(AttrPlanningPool),
	}, nil
}

// TakenAt returns the taken block with a key among the items that were read,
// and false if there is none.
func TakenAt(k table.Key, read map[table.Key]table.Item) (ipam.Taken, bool, error) {
	i, ok := read[k]
	if !ok {
		return ipam.Taken{}, false, nil
	}
	t, err := DecodeTaken(table.Row{Key: k, Item: i})
	return t, err == nil, err
}
