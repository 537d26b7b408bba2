package items

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// SharedKey is the key of the row that lists a pool under a principal that it
// is shared with.
func SharedKey(principal, pool string) table.Key {
	return table.Key{PK: SharedPK(principal), SK: PoolPrefix + pool}
}

func SharedPK(principal string) string { return "PRINCIPAL#" + principal }

// ForeignKey is the key of the row that lists an account's allocation in a pool
// of another account.
func ForeignKey(account, pool string, p netip.Prefix) table.Key {
	return table.Key{PK: ForeignPK(account, pool), SK: BlockSK(p)}
}

func ForeignPK(account, pool string) string { return "FOREIGN#" + account + "#" + pool }

// PendingKey is the key of the row by which what an account has pending is found.
func PendingKey(account string, p netip.Prefix, allocation string) table.Key {
	return table.Key{PK: "PENDING#" + account, SK: BlockSK(p) + "#" + allocation}
}

// An allocation with the tag ipam.StableKeyTag gets, as long as it is free, the
// CIDR that the last allocation of the account with that key in the pool had, or
// the last one that was given the tag.
// The row of a key outlives its allocations: that is what it is for.

func StableKey(account, pool string, tags ipam.Tags) (table.Key, bool) {
	key := tags[ipam.StableKeyTag]
	return table.Key{PK: "STABLE#" + account + "#" + pool, SK: key}, key != ""
}

func GrantsKey() table.Key { return table.Key{PK: "GRANTS", SK: meta} }

func OrganizationKey() table.Key { return table.Key{PK: "ORGANIZATION", SK: meta} }

// UsageKey is the key of the item that tells whether a pool's usage stands above
// the threshold.
func UsageKey(pool string) table.Key { return table.Key{PK: PoolPrefix + pool, SK: usageSK} }

const usageSK = "USAGE"
