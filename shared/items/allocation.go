package items

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// AllocationKey returns the key of an allocation's by-id item.
func AllocationKey(id string) table.Key { return table.Key{PK: "ALLOC#" + id, SK: meta} }

// AllocationByID is an allocation's by-id item. It contains the place of the
// allocation, and is the idempotency record of the request.
type AllocationByID struct {
	ID      string
	Space   ipam.SpaceID
	CIDR    netip.Prefix
	Kind    ipam.Kind
	Owner   string
	Digest  string
	State   string // AllocationActive or AllocationReleased
	Expires int64  // of a released one: Unix seconds from which it counts as absent
}

// The states of an allocation's by-id item.
const (
	AllocationActive   = "active"
	AllocationReleased = "released"
)

// Encode returns the attributes of the by-id item.
func (b AllocationByID) Encode() table.Item {
	i := table.Item{
		attrSpace: table.Str(string(b.Space)),
		AttrCIDR:  table.Str(b.CIDR.String()),
		AttrKind:  table.Str(string(b.Kind)),
		AttrOwner: table.Str(b.Owner),
		AttrState: table.Str(b.State),
	}
	i.Put(AttrDigest, b.Digest)
	if b.Expires != 0 {
		i[table.AttrExpires] = table.Num(b.Expires)
	}
	return i
}

// DecodeByID reads a by-id item. ok is false if the item is absent, or counts
// as absent because it has expired at now, in Unix seconds.
func DecodeByID(id string, i table.Item, now int64) (b AllocationByID, ok bool, err error) {
	if i == nil || table.Expired(i, now) {
		return AllocationByID{}, false, nil
	}
	p, err := netip.ParsePrefix(i.Str(AttrCIDR))
	return AllocationByID{
		ID:      id,
		Space:   ipam.SpaceID(i.Str(attrSpace)),
		CIDR:    p,
		Kind:    ipam.Kind(i.Str(AttrKind)),
		Owner:   i.Str(AttrOwner),
		Digest:  i.Str(AttrDigest),
		State:   i.Str(AttrState),
		Expires: i.Num(table.AttrExpires),
	}, true, err
}
