package store

import (
	"context"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// An allocation with the tag ipam.StableKeyTag gets, as long as it is free, the
// CIDR that the last allocation of the account with that key in the pool had, or
// the last one that was given the tag.
// The row of a key outlives its allocations: that is what it is for.

func stableKey(account, pool string, tags ipam.Tags) (Key, bool) {
	key := tags[ipam.StableKeyTag]
	return Key{"STABLE#" + account + "#" + pool, key}, key != ""
}

// pickStable is pick, but for the CIDR of the request's stable key if that is
// free and is what the request asks for.
func (s *Store) pickStable(ctx context.Context, t taking, snap snapshot, q Allocate) (holding, netip.Prefix, error) {
	k, ok := stableKey(q.Token.Account, q.Pool, q.Tags)
	if !ok || t.want.CIDR.IsValid() || snap.items[k] == nil {
		return s.pick(ctx, t, snap)
	}
	last, err := netip.ParsePrefix(snap.items[k].str(attrCIDR))
	if err != nil || last.Bits() != t.want.Length || !t.want.Filter.Admits(last) {
		return s.pick(ctx, t, snap)
	}
	read, err := s.table.BatchGet(ctx, holderKeys(t.space, last))
	if err != nil {
		return holding{}, netip.Prefix{}, err
	}
	for _, h := range ipam.Holders(last) {
		k := FreeKey(t.space, h)
		if i, ok := read[k]; ok {
			free, err := decodeFree(Row{k, i})
			return holding{free: free}, last, err
		}
	}
	at := t
	at.before = last // by an earlier try, or by one of another time that the request was sent
	if split, err := s.begun(ctx, at); split != nil || err != nil {
		return holding{split: split}, last, err
	}
	return s.pick(ctx, t, snap)
}

// remember is the write by which the next allocation with the stable key of a, if
// it has one, finds its CIDR.
func remember(a *ipam.Allocation) []Write {
	k, ok := stableKey(a.Owner, a.Pool, a.Tags)
	if !ok {
		return nil
	}
	return []Write{{Op: OpPut, Key: k, Item: Item{attrCIDR: str(a.CIDR.String())}}}
}
