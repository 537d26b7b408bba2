package store

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// This file is the only place that spells a key.
//
//	item                 PK                    SK
//	free block           SPACE#<space>#FREE    <128−length, 3 digits>#<address, hex>
//	taken block          SPACE#<space>#TAKEN   <address, hex>#<length, 3 digits>
//	CIDR of a pool       SPACE#<pool>#CIDR     <address, hex>#<length, 3 digits>
//	allocation by id     ALLOC#<id>            META
//	IPAM, scope, pool    IPAM|SCOPE|POOL#<id>  META
//	usage of a pool      POOL#<id>             USAGE
//	what an account has  OWNER#<account>       IPAM|SCOPE|POOL#<id>
//	quota of an account  OWNER#<account>       META
//	pool shared with     PRINCIPAL#<account, unit or organisation>
//	                                           POOL#<id>
//	block in the pool    FOREIGN#<account>#<pool>
//	of another account                         <address, hex>#<length, 3 digits>
//	discovery            DISCO#<id>            META
//	association of it    ASSOC#<id>            META
//	all discoveries      DISCOVERIES           <id>
//	account discovered   DISCO#<discovery>     ACCOUNT#<Region>#<account>
//	CIDR discovered      FOUND#<discovery>#<Region>#<account>
//	                                           <type>#<resource>#<address, hex>#<length, 3 digits>
//	resource's CIDR      LIVE#<scope>#<4 or 6>
//	                                           <address, hex>#<length, 3 digits>#<resource>#<Region>
//	interface's address  IFACE#<scope>#<4 or 6>
//	                                           the same
//	history of a CIDR    HISTORY#<scope>#<address, hex>#<length, 3 digits>
//	                                           <type>#<resource, of an instance its interface>#<start, Unix ms, 15 digits>
//	answer to a token    TOKEN#<id>            META
//	refused request      REQUEST#<account>#<request>
//	                                           META
//	CIDR of a stable key STABLE#<account>#<pool>
//	                                           <key>
//	CIDR on lease        LEASE#<account>       <address, hex>#<length, 3 digits>#<allocation>
//	work to be finished  WORK                  <what>#<id>
//	grants               GRANTS                META
//	the administrator    ORGANIZATION          META
const meta = "META"

// FreeKey returns the key of a free block. It sorts by tightest fit first, then
// by lowest address, so that one query finds a block for any length.
func FreeKey(space ipam.SpaceID, p netip.Prefix) Key {
	return Key{freePK(space), freeSK(p)}
}

const spacePrefix, takenSuffix, cidrSuffix = "SPACE#", "#TAKEN", "#CIDR"

func freePK(space ipam.SpaceID) string { return spacePrefix + string(space) + "#FREE" }

func freeSK(p netip.Prefix) string {
	return fitSK(p.Bits()) + "#" + hex.EncodeToString(p.Addr().AsSlice())
}

// fitSK is the least sort key of free blocks that a block of this length fits.
func fitSK(length int) string { return fmt.Sprintf("%03d", 128-length) }

func parseFreeSK(sk string) (netip.Prefix, error) {
	fit, address, ok := strings.Cut(sk, "#")
	n, err := strconv.Atoi(fit)
	if !ok || err != nil {
		return netip.Prefix{}, fmt.Errorf("sort key %q is not that of a free block", sk)
	}
	return parseBlock(address, 128-n)
}

// TakenKey returns the key of a taken block; they sort by address.
func TakenKey(space ipam.SpaceID, p netip.Prefix) Key {
	return Key{takenPK(space), blockSK(p)}
}

func takenPK(space ipam.SpaceID) string { return spacePrefix + string(space) + takenSuffix }

func blockSK(p netip.Prefix) string {
	return fmt.Sprintf("%s#%03d", hex.EncodeToString(p.Addr().AsSlice()), p.Bits())
}

// blocksThrough is the greatest sort key of blocks that begin at or before the
// last address of p.
func blocksThrough(p netip.Prefix) string {
	return hex.EncodeToString(lastAddr(p).AsSlice()) + "#~"
}

// lastAddr returns the last address of p.
func lastAddr(p netip.Prefix) netip.Addr {
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(last)
	return a
}

func parseBlockSK(sk string) (netip.Prefix, error) {
	address, length, ok := strings.Cut(sk, "#")
	n, err := strconv.Atoi(length)
	if !ok || err != nil {
		return netip.Prefix{}, fmt.Errorf("sort key %q is not that of a block", sk)
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

// CIDRKey returns the key of a CIDR of a pool.
func CIDRKey(pool string, p netip.Prefix) Key { return Key{cidrPK(pool), blockSK(p)} }

func cidrPK(pool string) string { return spacePrefix + pool + cidrSuffix }

// AllocationKey returns the key of an allocation's by-id item.
func AllocationKey(id string) Key { return Key{"ALLOC#" + id, meta} }

// IPAMKey returns the key of an IPAM.
func IPAMKey(id string) Key { return Key{"IPAM#" + id, meta} }

// ScopeKey returns the key of a scope.
func ScopeKey(id string) Key { return Key{"SCOPE#" + id, meta} }

const poolPrefix = "POOL#"

// PoolKey returns the key of a pool.
func PoolKey(id string) Key { return Key{poolPrefix + id, meta} }

// usageKey is the key of the item that tells whether a pool's usage stands above
// the threshold.
func usageKey(pool string) Key { return Key{poolPrefix + pool, usageSK} }

const usageSK = "USAGE"

// DiscoveryKey returns the key of a resource discovery.
func DiscoveryKey(id string) Key { return Key{"DISCO#" + id, meta} }

// AssociationKey returns the key of an association of a resource discovery.
func AssociationKey(id string) Key { return Key{"ASSOC#" + id, meta} }

const discoveriesPK = "DISCOVERIES"

func discoveryRowKey(id string) Key { return Key{discoveriesPK, id} }

const accountPrefix = "ACCOUNT#"

func discoveredAccountKey(discovery, region, account string) Key {
	return Key{"DISCO#" + discovery, accountPrefix + region + "#" + account}
}

func foundPK(discovery, region, account string) string {
	return "FOUND#" + discovery + "#" + region + "#" + account
}

func foundSK(r *ipam.Resource) string {
	return string(r.Type) + "#" + r.ID + "#" + blockSK(r.CIDR)
}

// The partitions of a scope's resources and interfaces begin so. Stream filters name them.
const (
	LivePrefix  = "LIVE#"
	IfacePrefix = "IFACE#"
)

// HistoryPrefix begins the partition of a CIDR's history. Stream filters name it.
const HistoryPrefix = "HISTORY#"

func livePK(scope string, f ipam.Family, t ipam.ResourceType) string {
	prefix := LivePrefix
	if !t.TakesSpace() {
		prefix = IfacePrefix
	}
	return prefix + string(ipam.ScopeSpace(scope, f))
}

// liveKey names the Region, too: EC2 makes ids that differ within one, and default
// VPCs have the same CIDR everywhere.
func liveKey(scope string, r *ipam.Resource) Key {
	return Key{livePK(scope, r.Family(), r.Type), blockSK(r.CIDR) + "#" + r.ID + "#" + r.Region}
}

func historyPK(scope string, p netip.Prefix) string {
	return HistoryPrefix + scope + "#" + blockSK(p)
}

func historySK(r *ipam.HistoryRecord) string {
	id := r.ID
	if r.Type == ipam.HistoryInstance {
		id = r.Interface // an AWS service's has no id; and one may have two interfaces with one address, in VPCs that overlap
	}
	return fmt.Sprintf("%s#%s#%015d", r.Type, id, r.Start)
}

func ownerPK(account string) string { return "OWNER#" + account }

func accountKey(account string) Key { return Key{ownerPK(account), meta} }

// ownedKey is the key of the row that lists the object with key k under its
// owner.
func ownedKey(account string, k Key) Key { return Key{ownerPK(account), k.PK} }

// sharedKey is the key of the row that lists a pool under a principal that it
// is shared with.
func sharedKey(principal, pool string) Key { return Key{sharedPK(principal), poolPrefix + pool} }

func sharedPK(principal string) string { return "PRINCIPAL#" + principal }

// foreignKey is the key of the row that lists an account's allocation in a pool
// of another account.
func foreignKey(account, pool string, p netip.Prefix) Key {
	return Key{foreignPK(account, pool), blockSK(p)}
}

func foreignPK(account, pool string) string { return "FOREIGN#" + account + "#" + pool }

// leaseKey is the key of the row by which what an account has on lease is found.
func leaseKey(account string, p netip.Prefix, allocation string) Key {
	return Key{"LEASE#" + account, blockSK(p) + "#" + allocation}
}

func tokenKey(id string) Key { return Key{"TOKEN#" + id, meta} }

// WorkPK is the partition of work that the provisioning function finishes. Its
// stream filter names it.
const WorkPK = "WORK"

func workKey(what, id string) Key { return Key{WorkPK, what + "#" + id} }

func grantsKey() Key { return Key{"GRANTS", meta} }

func organizationKey() Key { return Key{"ORGANIZATION", meta} }
