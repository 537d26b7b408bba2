package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"golang.org/x/sync/errgroup"
)

// Allocate is a request for space from a pool.
type Allocate struct {
	Token       Token
	Pool        string
	Request     ipam.AllocateRequest
	Description string
	Tags        ipam.Tags
	Preview     bool // say what would be given; take and record nothing

	// Event, if it is not "", is the id of the request that came as an event. The block
	// carries it, unless Refuse was quicker: then that is the answer.
	Event string

	// For, if not nil, has the block taken for a resource that EC2 is about to be
	// asked for: it is on lease until that is seen.
	// Of it, only Type, ID if it has one, Region, Tags and, of a subnet, VPC are
	// looked at.
	For *ipam.Resource

	// May says whether the caller may allocate from the pool; its error is
	// the answer. It is asked after the record of the token was read.
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
	if err := q.Request.CheckCombination(); err != nil {
		return nil, err
	}
	q.Token = s.settle(q.Token)
	want := ipam.Taken{
		AllocationID: s.allocationID(q.Token),
		Kind:         ipam.KindCustom,
		Owner:        q.Token.Account,
		Description:  q.Description,
		Tags:         q.Tags,
		Request:      q.Event,
	}
	if q.For != nil {
		want.Kind, want.ResourceID, want.ResourceRegion = q.For.Type.Kind(), q.For.ID, q.For.Region
		want.Lease = s.now() + leaseLife
	}
	space := ipam.SpaceID(q.Pool)
	err := s.commit(ctx, "allocate from "+q.Pool, func() { s.window.conflict(space, s.o.Now()) }, func(attempt) ([]Write, error) {
		snap, err := s.readForAllocate(ctx, space, q, want.AllocationID)
		if err != nil {
			return nil, err
		}
		record, recorded, err := decodeByID(want.AllocationID, snap.items[AllocationKey(want.AllocationID)], s.now())
		if err != nil {
			return nil, err
		}
		if recorded && !q.Preview {
			if record.Digest != q.Token.Digest {
				return nil, mismatch(q.Token.Value)
			}
			want.CIDR = record.CIDR
			return nil, nil
		}
		if i, ok := snap.items[requestKey(q.Token.Account, q.Event)]; ok && !expired(i, s.now()) {
			return nil, refusedBefore(Row{Item: i})
		}
		writes, err := s.decideAllocate(ctx, q, &want, snap)
		if err != nil && !q.Preview {
			err = s.unlessRecorded(ctx, AllocationKey(want.AllocationID), err)
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

// decideAllocate chooses the block, want.CIDR, of a request that was not
// carried out yet, and returns the writes that take it; none for a preview. What it
// finds in want.CIDR is the choice of an earlier try.
func (s *Store) decideAllocate(ctx context.Context, q Allocate, want *ipam.Taken, snap snapshot) ([]Write, error) {
	item, ok := snap.items[PoolKey(q.Pool)]
	if !ok {
		return nil, ipam.NotFound(q.Pool)
	}
	pool, err := decodePool(item)
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
	t := taking{space: pool.Space(), name: pool.ID, want: wish, by: want.AllocationID, cidrs: pool.CIDRCount, alone: q.Preview, scope: pool.Scope, owner: pool.Owner, planning: pool, before: want.CIDR}
	t.may = onlyOf(want.Owner, pool.ID, wish.CIDR)
	if q.For != nil {
		if err := pool.CheckResource(q.For); err != nil {
			return nil, err
		}
		t.may = onlyOf("", pool.ID, wish.CIDR) // a resource that is yet to be made has none to live in
	}
	from, chosen, err := s.pickStable(ctx, t, snap, q)
	if err != nil {
		return nil, err
	}
	want.CIDR = chosen
	if q.Preview {
		return nil, nil
	}
	writes, err := s.takeOut(ctx, t.space, from, *want)
	if err != nil {
		return nil, err
	}
	writes = append(writes, s.recordAllocation(t.space, *want, q.Token.Digest))
	writes = append(writes, s.notRefused(q)...)
	writes = append(writes, s.beginLease(pool, *want)...)
	writes = append(writes, remember(&ipam.Allocation{Taken: *want, Pool: q.Pool})...)
	return append(writes, listForeign(OpPut, pool, *want)...), nil
}

// snapshot is what was read to decide on a taking.
type snapshot struct {
	items   map[Key]Item // by batch-get
	rows    []Row        // free blocks, by the query for a length, if one was made
	next    string       // of that query
	queried bool
}

func (s *Store) readForAllocate(ctx context.Context, space ipam.SpaceID, a Allocate, id string) (snap snapshot, err error) {
	q := a.Request
	keys := append([]Key{PoolKey(string(space)), AllocationKey(id)}, furtherKeys(a)...)
	if q.CIDR.IsValid() {
		snap.items, err = s.table.BatchGet(ctx, append(keys, holderKeys(space, q.CIDR)...))
		return snap, err
	}
	if q.Length == nil { // the length is the pool's default: read it first
		snap.items, err = s.table.BatchGet(ctx, keys)
		return snap, err
	}
	return s.readForLength(ctx, keys, taking{space: space, want: ipam.Want{Length: *q.Length, Filter: q.Filter}, alone: a.Preview})
}

// readForLength reads keys and, side by side, the free blocks for t.
func (s *Store) readForLength(ctx context.Context, keys []Key, t taking) (snap snapshot, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		snap.items, err = s.table.BatchGet(ctx, keys)
		return err
	})
	if l := t.want.Length; 0 <= l && l <= 128 {
		g.Go(func() (err error) {
			snap.rows, snap.next, err = s.table.Query(ctx, s.fitting(t))
			snap.queried = true
			return err
		})
	}
	err = g.Wait()
	return snap, err
}

// pick returns the block to take for t and what holds it.
func (s *Store) pick(ctx context.Context, t taking, snap snapshot) (from holding, chosen netip.Prefix, err error) {
	if t.want.CIDR.IsValid() {
		from, err = s.holder(ctx, t, snap.items)
		return from, t.want.CIDR, err
	}
	if from.split, err = s.begun(ctx, t); from.split != nil || err != nil {
		return from, t.before, err
	}
	if !snap.queried {
		if snap.rows, snap.next, err = s.table.Query(ctx, s.fitting(t)); err != nil {
			return holding{}, netip.Prefix{}, err
		}
	}
	from.free, chosen, err = s.choose(ctx, t, snap.rows, snap.next)
	return from, chosen, err
}

// holding is what a block is taken out of: a free block, a split that an
// earlier try of the same request left, or a hold of just its size.
type holding struct {
	free  ipam.Free
	split *ipam.Taken
	hold  *ipam.Taken
}

// takeOut returns the writes of the transaction that takes want out of from.
// If the block lies too deep for one transaction, it commits the earlier ones
// itself: they only turn a free block into smaller ones and a split, which the
// reconciler undoes if this request never gets to its last step.
func (s *Store) takeOut(ctx context.Context, space ipam.SpaceID, from holding, want ipam.Taken) ([]Write, error) {
	if from.hold != nil {
		return blockWrites(space, turn(*from.hold, want)), nil
	}
	want.Deadline = s.deadline()
	var writes []Write
	var changes []ipam.Change
	rest := from.split
	if rest == nil {
		changes, rest = ipam.Take(from.free, want, s.o.Room)
		writes = blockWrites(space, changes)
		if rest != nil {
			if err := s.commitSplit(ctx, space, rest, writes); err != nil {
				return nil, err
			}
		}
	}
	for rest != nil {
		at := *rest
		changes, rest = ipam.TakeFromSplit(at, want, s.o.Room)
		writes = endSplit(space, at, blockWrites(space, changes))
		if rest != nil {
			if err := s.commitSplit(ctx, space, rest, writes); err != nil {
				return nil, err
			}
		}
	}
	return writes, nil
}

// commitSplit applies the writes of a plan that leaves rest behind. Whether a
// transaction whose answer was lost was applied, rest itself tells.
func (s *Store) commitSplit(ctx context.Context, space ipam.SpaceID, rest *ipam.Taken, writes []Write) error {
	err := s.table.Transact(ctx, s.beginSplit(space, rest, writes))
	if err == nil {
		return nil
	}
	if !refused(err) {
		k := TakenKey(space, rest.CIDR)
		read, unread := s.table.BatchGet(ctx, []Key{k})
		if unread != nil {
			return fmt.Errorf("%w: %w: %w", errUnsure, err, unread)
		}
		if i := read[k]; i.str(attrAllocationID) == rest.AllocationID && i.str(attrKind) == string(ipam.KindSplit) {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// recordAllocation is the write of a new allocation's by-id item. Where one is
// there already that has not expired, another request with the token was
// quicker.
func (s *Store) recordAllocation(space ipam.SpaceID, t ipam.Taken, digest string) Write {
	b := byID{Space: space, CIDR: t.CIDR, Kind: t.Kind, Owner: t.Owner, Digest: digest, State: allocationActive}
	return Write{Op: OpPut, Key: AllocationKey(t.AllocationID), Item: b.encode(), If: Cond{Absent: true, ExpiredBefore: s.now()}}
}

// Release is a request to give a custom allocation back.
type Release struct {
	Pool       string
	CIDR       netip.Prefix
	Allocation string

	// May says whether the caller may release the allocation, which the
	// account owner took; its error is the answer. It is asked before it is
	// known whether the allocation is of the pool: one of another pool that
	// the pool's owner did not take does not exist for anybody.
	May func(pool *ipam.Pool, owner string) error
}

// Release gives an allocation's block back to the pool. Releasing one that was
// released already, with the same CIDR, succeeds for 24 hours, so that a lost
// answer can be asked for again.
func (s *Store) Release(ctx context.Context, q Release) error {
	space := ipam.SpaceID(q.Pool)
	var rest *ipam.Taken
	scope := "" // of a block that became a hold
	err := s.commit(ctx, "release "+q.Allocation, nil, func(a attempt) ([]Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(q.CIDR)}
		poolKey, idKey, takenKey := PoolKey(q.Pool), AllocationKey(q.Allocation), TakenKey(space, q.CIDR)
		var err error
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), poolKey, idKey, takenKey)); err != nil {
			return nil, err
		}
		record, ok, err := decodeByID(q.Allocation, b.read[idKey], s.now())
		if err != nil {
			return nil, err
		}
		if a.unsure && ok && record.State == allocationReleased {
			return nil, nil // the pool may be gone by now
		}
		item, found := b.read[poolKey]
		if !found {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := decodePool(item)
		if err != nil {
			return nil, err
		}
		if err := q.May(pool, record.Owner); err != nil {
			return nil, err
		}
		switch {
		case !ok:
			return nil, ipam.NotFound(q.Allocation)
		case record.Space != space && record.Owner != pool.Owner:
			return nil, ipam.NotFound(q.Allocation)
		case record.Space != space:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s is not of %s but of %s.", q.Allocation, q.Pool, record.Space)
		case record.CIDR != q.CIDR:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The allocation %s has the CIDR %s, not %s.", q.Allocation, record.CIDR, q.CIDR)
		case record.Kind == ipam.KindPool:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterCombination, "The allocation %s of type %s cannot be released. It is the CIDR %s of a pool: deprovision it there with DeprovisionIpamPoolCidr.", q.Allocation, record.Kind, record.CIDR)
		case record.State == allocationReleased:
			return nil, nil
		}
		t, err := b.taken(q.Allocation, q.CIDR)
		if err != nil {
			return nil, err
		}
		if err := s.releasable(ctx, pool, t); err != nil {
			return nil, err
		}
		writes, left, held, err := s.freed(ctx, pool, b, t)
		if err != nil {
			return nil, err
		}
		rest, scope = left, ""
		if held {
			scope = pool.Scope
		}
		writes = append(writes, s.tombstone(q.Allocation))
		if t.Lease != 0 {
			writes = append(writes, endLease(t)...)
		}
		return append(writes, listForeign(OpDelete, pool, ipam.Taken{CIDR: q.CIDR, Owner: record.Owner})...), nil
	})
	if err != nil {
		return err
	}
	if scope != "" {
		s.reconcileSoon(ctx, scope, q.CIDR)
	}
	if rest == nil {
		return nil
	}
	// The allocation is released, whatever becomes of the merge: what this
	// leaves undone, the reconciler does.
	_ = s.mergeSplit(ctx, space, *rest)
	return nil
}

// taken returns the allocation's block at p, as it was read.
func (b *buddies) taken(allocation string, p netip.Prefix) (ipam.Taken, error) {
	t, ok, err := takenAt(TakenKey(b.space, p), b.read)
	if err == nil && (!ok || t.AllocationID != allocation) {
		err = errLost
	}
	return t, err
}

// giveBack returns the writes that give the allocation's block at p back, as it
// was read, and the split that they leave behind, if any. No resource may live in
// it that its own pools do not hold.
func (b *buddies) giveBack(ctx context.Context, allocation string, p netip.Prefix) ([]Write, *ipam.Taken, error) {
	t, err := b.taken(allocation, p)
	if err != nil {
		return nil, nil, err
	}
	return b.giving(ctx, t)
}

// tombstone is the write that turns a by-id item into the record of a release.
func (s *Store) tombstone(allocation string) Write {
	return Write{
		Op:  OpUpdate,
		Key: AllocationKey(allocation),
		Set: Item{attrState: str(allocationReleased), AttrExpires: num(s.now() + int64(tokenRetention.Seconds()))},
		If:  Cond{Equal: Item{attrState: str(allocationActive)}},
	}
}
