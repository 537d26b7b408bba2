package items

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// SharedKey returns the key of the row that lists a pool under a principal that
// it is shared with.
func SharedKey(principal, pool string) table.Key {
	return table.Key{PK: SharedPK(principal), SK: PoolPrefix + pool}
}

// SharedPK returns the partition of a principal's pools.
func SharedPK(principal string) string { return "PRINCIPAL#" + principal }

// ForeignKey returns the key of the row that lists an account's allocation in a
// pool of another account.
func ForeignKey(account, pool string, p netip.Prefix) table.Key {
	return table.Key{PK: ForeignPK(account, pool), SK: BlockSK(p)}
}

// ForeignPK returns the partition of an account's allocations in a pool of
// another account.
func ForeignPK(account, pool string) string { return "FOREIGN#" + account + "#" + pool }

// PendingKey returns the key of the row that lists a pending block under its
// account.
func PendingKey(account string, p netip.Prefix, allocation string) table.Key {
	return table.Key{PK: "PENDING#" + account, SK: BlockSK(p) + "#" + allocation}
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
func UsageKey(pool string) table.Key { return table.Key{PK: PoolPrefix + pool, SK: usageSK} }

const usageSK = "USAGE"
