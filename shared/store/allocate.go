package store

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// pickStable is pickSource, but takes the CIDR of the request's stable key if that is free
// and has the length that the request asks for.
func (s *Store) pickStable(ctx context.Context, t takeRequest, snap snapshot, q Allocate) (takeSource, netip.Prefix, error) {
	k, ok := items.StableKey(q.Token.Account, q.Pool, q.Tags)
	if !ok || t.want.CIDR.IsValid() || snap.items[k] == nil {
		return s.pickSource(ctx, t, snap)
	}
	last, err := netip.ParsePrefix(snap.items[k].Str(items.AttrCIDR))
	if err != nil || last.Bits() != t.want.Length || !t.want.Filter.Admits(last) {
		return s.pickSource(ctx, t, snap)
	}
	if free, ok, err := s.holder(ctx, t.space, last, nil); ok || err != nil {
		return takeSource{free: free}, last, err
	}
	at := t
	at.earlier = last // an earlier try may have chosen it, or the same request, sent before
	if split, err := s.startedSplit(ctx, at); split != nil || err != nil {
		return takeSource{split: split}, last, err
	}
	return s.pickSource(ctx, t, snap)
}

// Allocate is a request for space from a pool.
type Allocate struct {
	Token       Token
	Pool        string
	Request     ipam.AllocateRequest
	Description string
	Tags        ipam.Tags
	Preview     bool // return the CIDR that would be given; take and record nothing

	// Event is the id of a request that came as an event, and "" for any other. The
	// block has the id. If [Store.Refuse] recorded a refusal first, that is the answer.
	Event string

	// For is the resource that EC2 is about to be asked for, if the block is for one: the
	// block is then pending until discovery sees the resource. Allocate uses its Type,
	// Region, Tags, its ID if it has one, and the VPC of a subnet.
	For *ipam.Resource

	// May says whether the caller may allocate from the pool; its error is the answer.
	// It is asked after the token's record was read.
	May func(*ipam.Pool) error
}

// Allocate takes a block out of a pool and returns the allocation.
//
// Its reads are one batch-get of the pool and of the by-id item and, side by
// side with it, one query of free blocks (for a certain CIDR, the batch-get
// asks for the blocks that could hold it instead); then it is one transaction.
// The by-id item is the request's idempotency record. It is read before
// anything is refused, so that the retry of a lost answer that took the last
// block is answered with that block; and once more before a refusal, as the
// first attempt may still be under way.
func (s *Store) Allocate(ctx context.Context, q Allocate) (*ipam.Allocation, error) {
	token, err := s.completeToken(ctx, q.Token)
	if err != nil {
		return nil, err
	}
	q.Token = token
	ids := s.allocationIDs(q.Token)
	want := ipam.Taken{
		AllocationID: ids[0],
		Kind:         ipam.KindCustom,
		Owner:        q.Token.Account,
		Description:  q.Description,
		Tags:         q.Tags,
		Request:      q.Event,
	}
	if q.For != nil {
		want.Kind, want.ResourceID, want.ResourceRegion = q.For.Type.Kind(), q.For.ID, q.For.Region
		want.PendingUntil = s.now() + pendingLife
	}
	space := ipam.SpaceID(q.Pool)
	err = s.commit(ctx, "allocate from "+q.Pool, func() { s.window.conflict(space, s.o.Now()) }, func(attempt) ([]table.Write, error) {
		snap, err := s.readForAllocate(ctx, space, q, ids)
		if err != nil {
			return nil, err
		}
		record, recorded, err := s.recordedAllocation(ids, snap.items)
		if err != nil {
			return nil, err
		}
		if recorded && !q.Preview {
			if record.Digest != q.Token.Digest {
				return nil, tokenMismatch(q.Token.Value)
			}
			want.AllocationID, want.CIDR = record.ID, record.CIDR
			return nil, nil
		}
		if i, ok := snap.items[items.RequestKey(q.Token.Account, q.Event)]; ok && !table.Expired(i, s.now()) {
			return nil, recordedRefusal(table.Row{Item: i})
		}
		writes, err := s.decideAllocate(ctx, q, &want, snap)
		if err != nil && !q.Preview {
			err = s.unlessRecorded(ctx, items.AllocationKey(want.AllocationID), err)
		}
		return writes, err
	})
	if err != nil {
		return nil, err
	}
	if q.Preview {
		want.AllocationID = ""
	} else {
		s.window.success(space)
	}
	return &ipam.Allocation{Taken: want, Pool: q.Pool}, nil
}

// decideAllocate chooses the block of a request that was not carried out yet, sets
// want.CIDR, and returns the writes that take the block. It returns none for a preview.
// want.CIDR is the choice of an earlier try, if there was one.
func (s *Store) decideAllocate(ctx context.Context, q Allocate, want *ipam.Taken, snap snapshot) ([]table.Write, error) {
	item, ok := snap.items[items.PoolKey(q.Pool)]
	if !ok {
		return nil, ipam.NotFound(q.Pool)
	}
	pool, err := items.DecodePool(item)
	if err != nil {
		return nil, err
	}
	if err := q.May(pool); err != nil {
		return nil, err
	}
	wish, err := pool.DecideWant(q.Request)
	if err != nil {
		return nil, err
	}
	t := takeRequest{space: pool.Space(), name: pool.ID, want: wish, allocationID: want.AllocationID, cidrs: pool.CIDRCount, preview: q.Preview, scope: pool.Scope, owner: pool.Owner, planning: pool, earlier: want.CIDR}
	t.allowLive = onlyResourcesOf(want.Owner, pool.ID, wish.CIDR)
	if q.For != nil {
		if err := pool.CheckResource(q.For); err != nil {
			return nil, err
		}
		t.allowLive = onlyResourcesOf("", pool.ID, wish.CIDR) // a resource that is yet to be made has none to live in
	}
	from, chosen, err := s.pickStable(ctx, t, snap, q)
	if err != nil {
		return nil, err
	}
	want.CIDR = chosen
	if q.Preview {
		return nil, nil
	}
	writes, err := s.takeWrites(ctx, t.space, from, *want)
	if err != nil {
		return nil, err
	}
	writes = append(writes, s.recordAllocation(t.space, *want, q.Token.Digest))
	writes = append(writes, s.unlessRefused(q)...)
	writes = append(writes, s.beginPending(pool, *want)...)
	writes = append(writes, rememberStable(&ipam.Allocation{Taken: *want, Pool: q.Pool})...)
	return append(writes, listForeign(table.OpPut, pool, *want)...), nil
}

func (s *Store) readForAllocate(ctx context.Context, space ipam.SpaceID, a Allocate, ids []string) (snap snapshot, err error) {
	q := a.Request
	keys := slices.Concat([]table.Key{items.PoolKey(string(space))}, allocationKeys(ids), conditionKeys(a))
	if q.CIDR.IsValid() {
		snap.items, err = s.table.BatchGet(ctx, append(keys, holderKeys(space, q.CIDR)...))
		return snap, err
	}
	if q.Length == nil { // the length is the pool's default: read it first
		snap.items, err = s.table.BatchGet(ctx, keys)
		return snap, err
	}
	return s.readForLength(ctx, keys, takeRequest{space: space, want: ipam.Want{Length: *q.Length, Filter: q.Filter}, preview: a.Preview})
}

// conditionKeys are those that an allocation of some kinds reads besides.
func conditionKeys(q Allocate) []table.Key {
	var keys []table.Key
	if q.Event != "" {
		keys = append(keys, items.RequestKey(q.Token.Account, q.Event))
	}
	if k, ok := items.StableKey(q.Token.Account, q.Pool, q.Tags); ok {
		keys = append(keys, k)
	}
	return keys
}

// recordedRefusal returns the error that a request was refused with.
func recordedRefusal(r table.Row) error {
	o, err := items.DecodeRefusal(r)
	if err != nil {
		return err
	}
	return ipam.Errorf(ipam.Code(o.Code), "%s", o.Message)
}

// unlessRefused is the condition under which a request's block may be taken, for
// one that came as an event.
func (s *Store) unlessRefused(q Allocate) []table.Write {
	if q.Event == "" {
		return nil
	}
	return []table.Write{{Op: table.OpCheck, Key: items.RequestKey(q.Token.Account, q.Event), If: table.Cond{Absent: true, ExpiredBefore: s.now()}}}
}

// rememberStable is the write by which the next allocation with the stable key of a, if
// it has one, finds its CIDR.
func rememberStable(a *ipam.Allocation) []table.Write {
	k, ok := items.StableKey(a.Owner, a.Pool, a.Tags)
	if !ok {
		return nil
	}
	return []table.Write{{Op: table.OpPut, Key: k, Item: table.Item{items.AttrCIDR: table.Str(a.CIDR.String())}}}
}

// Refuse records a refusal, for as long as answers to tokens are kept. Once more
// is no error, and neither is one of a request that was carried out: that is
// its answer.
func (s *Store) Refuse(ctx context.Context, t Token, r items.Refusal) error {
	if len(r.Detail) > maxDetail {
		r.Detail = ""
	}
	if len(r.Message) > maxMessage {
		r.Message = strings.ToValidUTF8(r.Message[:maxMessage], "") + "…"
	}
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return err
	}
	made := allocationKeys(s.allocationIDs(t))
	key := items.RequestKey(t.Account, r.Request)
	answers := append(made, key)
	return s.commit(ctx, "refuse "+r.Request, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, answers)
		if err != nil {
			return nil, err
		}
		for _, k := range answers {
			if i, ok := read[k]; ok && !table.Expired(i, s.now()) {
				return nil, nil
			}
		}
		absent := table.Cond{Absent: true, ExpiredBefore: s.now()}
		return []table.Write{
			{Op: table.OpPut, Key: key, Item: table.Item{items.AttrObject: table.Str(items.JSON(r)), table.AttrExpires: table.Num(s.now() + int64(tokenRetention.Seconds()))}, If: absent},
			{Op: table.OpCheck, Key: made[0], If: absent},
		}, nil
	})
}

// The size of a refusal's parts, in bytes. The event of a refusal must have room on the
// bus for any request. A message may repeat parts of the request.
const (
	maxDetail  = 16 << 10
	maxMessage = 1 << 10
)
