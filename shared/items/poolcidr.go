package items

import (
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// CIDRKey returns the key of a CIDR of a pool.
func CIDRKey(pool string, p netip.Prefix) table.Key {
	return table.Key{PK: cidrsPK(pool), SK: blockSK(p)}
}

// CIDRRows returns the query for the CIDRs of a pool, by address.
func CIDRRows(pool string) table.Query { return table.Query{PK: cidrsPK(pool)} }

func cidrsPK(pool string) string { return spacePrefix + pool + cidrSuffix }

// EncodePoolCIDR returns the attributes of a pool's CIDR.
func EncodePoolCIDR(c *ipam.PoolCIDR) table.Item {
	i := table.Item{
		AttrID:           table.Str(c.ID),
		AttrOwner:        table.Str(c.Owner),
		AttrState:        table.Str(string(c.State)),
		AttrSource:       table.Str(string(c.Source)),
		AttrAllocationID: table.Str(c.AllocationID),
	}
	i.Put(attrFailureCode, c.FailureCode)
	i.Put(AttrFailure, c.Failure)
	i.Put(attrClientToken, c.ClientToken)
	if c.Chosen {
		i[attrChosen] = table.Num(1)
	}
	if c.Expires != 0 {
		i[table.AttrExpires] = table.Num(c.Expires)
	}
	return i
}

// DecodePoolCIDR reads the item of a pool's CIDR.
func DecodePoolCIDR(pool string, r table.Row) (*ipam.PoolCIDR, error) {
	p, err := parseBlockSK(r.Key.SK)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Key, err)
	}
	return &ipam.PoolCIDR{
		ID:           r.Item.Str(AttrID),
		Pool:         pool,
		Owner:        r.Item.Str(AttrOwner),
		CIDR:         p,
		Chosen:       r.Item.Num(attrChosen) != 0,
		State:        ipam.CIDRState(r.Item.Str(AttrState)),
		FailureCode:  r.Item.Str(attrFailureCode),
		Failure:      r.Item.Str(AttrFailure),
		Source:       ipam.SpaceID(r.Item.Str(AttrSource)),
		AllocationID: r.Item.Str(AttrAllocationID),
		Expires:      r.Item.Num(table.AttrExpires),
		ClientToken:  r.Item.Str(attrClientToken),
	}, nil
}
