package items

import (
	"encoding/hex"
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
	return table.Key{PK: FreePK(space), SK: freeSK(p)}
}

// FreePK returns the partition of a space's free blocks.
func FreePK(space ipam.SpaceID) string { return spacePrefix + string(space) + "#FREE" }

func freeSK(p netip.Prefix) string {
	return FitSK(p.Bits()) + "#" + hex.EncodeToString(p.Addr().AsSlice())
}

// FitSK returns the smallest sort key of the free blocks that can contain a
// block of this length.
func FitSK(length int) string { return fmt.Sprintf("%03d", 128-length) }

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
	return table.Key{PK: TakenPK(space), SK: BlockSK(p)}
}

// TakenPK returns the partition of a space's taken blocks.
func TakenPK(space ipam.SpaceID) string { return spacePrefix + string(space) + takenSuffix }

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
