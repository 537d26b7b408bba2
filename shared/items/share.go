package items

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// SharedKey returns the key of the row that lists a pool under a principal that
// it is shared with.
func SharedKey(principal, pool string) table.Key {
	return table.Key{PK: sharedPK(principal), SK: PoolKey(pool).PK}
}

// SharedRows returns the query for the rows that list the pools shared with a
// principal, by id. Behind its From, their sort keys are the ids.
func SharedRows(principal string) table.Query {
	return rowsBeginning(sharedPK(principal), string(Pools))
}

func sharedPK(principal string) string { return "PRINCIPAL#" + principal }

// ForeignKey returns the key of the row that lists an account's allocation in a
// pool of another account.
func ForeignKey(account, pool string, p netip.Prefix) table.Key {
	return table.Key{PK: foreignPK(account, pool), SK: blockSK(p)}
}

// ForeignRows returns the query for the rows that list an account's allocations in
// a pool of another account, by address.
func ForeignRows(account, pool string) table.Query { return table.Query{PK: foreignPK(account, pool)} }

// ForeignTaken returns the key of the taken block that a row of [ForeignRows] lists.
func ForeignTaken(pool string, r table.Row) table.Key {
	return table.Key{PK: takenPK(ipam.SpaceID(pool)), SK: r.Key.SK}
}

func foreignPK(account, pool string) string { return "FOREIGN#" + account + "#" + pool }

// PendingKey returns the key of the row that lists a pending block under its
// account.
func PendingKey(account string, p netip.Prefix, allocation string) table.Key {
	return table.Key{PK: "PENDING#" + account, SK: blockSK(p) + "#" + allocation}
}

// PendingRows returns the query for the rows of an account's pending blocks with a
// CIDR, in all pools.
func PendingRows(account string, p netip.Prefix) table.Query {
	k := PendingKey(account, p, "")
	return rowsBeginning(k.PK, k.SK)
}

// AccountPendingRows returns the query for the rows of all of an account's pending blocks.
func AccountPendingRows(account string) table.Query {
	return table.Query{PK: PendingKey(account, netip.Prefix{}, "").PK}
}

// ParsePendingSK returns the CIDR and the allocation in the sort key of a [PendingKey].
func ParsePendingSK(sk string) (p netip.Prefix, allocation string, err error) {
	i := strings.LastIndexByte(sk, '#')
	if i < 0 {
		return p, "", fmt.Errorf("sort key %q is not that of a pending block", sk)
	}
	p, err = parseBlockSK(sk[:i])
	return p, sk[i+1:], err
}

// DeletedKey returns the key of the item that says for a while that EC2 has deleted a
// resource of an account for which a block was pending.
func DeletedKey(account, resource string) table.Key {
	return table.Key{PK: "DELETED#" + account, SK: resource}
}

// StableKey returns the key of the row of a stable key, and false if tags have
// none. An allocation with the tag ipam.StableKeyTag gets the CIDR that the
// account's last allocation with that key in the pool had, or the last one that
// received the tag, if the CIDR is free. The row outlives its allocations.
func StableKey(account, pool string, tags ipam.Tags) (table.Key, bool) {
	key := tags[ipam.StableKeyTag]
	return table.Key{PK: "STABLE#" + account + "#" + pool, SK: key}, key != ""
}

// GrantsKey returns the key of the grants.
func GrantsKey() table.Key { return table.Key{PK: "GRANTS", SK: meta} }

// OrganizationKey returns the key of the organisation's administrator.
func OrganizationKey() table.Key { return table.Key{PK: "ORGANIZATION", SK: meta} }

// UsageKey returns the key of a pool's [PoolUsage].
func UsageKey(pool string) table.Key { return table.Key{PK: PoolKey(pool).PK, SK: usageSK} }

const usageSK = "USAGE"
