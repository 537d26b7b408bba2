package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// taking is what a request needs to take a block out of a space.
type taking struct {
	space ipam.SpaceID
	name  string // how messages call the space: a pool's or a scope's id
	want  ipam.Want
	by    string // the allocation id that the block will have
	cidrs int64  // CIDRs provisioned to the space, for the message of a refusal
	alone bool   // choose as a writer does that nobody contends with, and write nothing: a preview

	// before is what an earlier try of the request chose for a length, if one did.
	before netip.Prefix

	// may lets a certain CIDR be had although there is a hold in the way, for
	// what lives in it, or says what is in the way; nil in a scope, which has no
	// holds. scope and owner are the space's.
	may      func(live []*ipam.ResourceCIDR) error
	scope    string
	owner    string
	planning *ipam.Pool // the space's pool, if it is a resource planning pool
}

// windowFor returns among how many positions to choose.
func (s *Store) windowFor(t taking) int {
	if t.alone {
		return 1
	}
	return s.window.get(t.space, s.o.Now())
}

// choose picks the block for a wish for a length, out of rows, the answer to
// the query that fitting makes, and of what follows it from next on. It returns
// an InvalidParameterValue error if there is no such block.
//
// A query is no snapshot: a block may move past it while it runs. So "full"
// needs a second pass in the other direction to be empty too. That pass begins
// with the largest block, which the message names and which, if no filter
// narrows the choice, alone decides. With a filter the refusal may yet be false:
// a block that is split behind the first pass and merged again behind the second
// escapes both. To rule that out would take reading all that is taken.
func (s *Store) choose(ctx context.Context, t taking, rows []Row, next string) (ipam.Free, netip.Prefix, error) {
	narrow := len(t.want.Filter.Allowed)+len(t.want.Filter.Disallowed) > 0
	window := s.windowFor(t)
	try := func(rows []Row) (from ipam.Free, chosen netip.Prefix, ok bool, err error) {
		candidates := make([]ipam.Free, len(rows))
		for i, r := range rows {
			if candidates[i], err = decodeFree(r); err != nil {
				return
			}
		}
		if len(candidates) > 0 {
			within := min(window, quarter(candidates[0].Root, t.want.Length))
			from, chosen, ok = ipam.Choose(candidates, t.want.Length, t.want.Filter, within, s.o.Pick)
		}
		return
	}
	query := s.fitting(t)
	for {
		from, chosen, ok, err := try(rows)
		if err != nil || ok {
			return from, chosen, err
		}
		if next == "" {
			break
		}
		query.After, query.Limit = next, 0
		if rows, next, err = s.table.Query(ctx, query); err != nil {
			return ipam.Free{}, netip.Prefix{}, err
		}
	}
	largest := -1
	down := Query{PK: freePK(t.space), Descending: true, Limit: 1}
	if narrow {
		down.Limit = 0
	}
	window = 1
	for {
		rows, next, err := s.table.Query(ctx, down)
		if err != nil {
			return ipam.Free{}, netip.Prefix{}, err
		}
		if len(rows) > 0 && largest < 0 {
			f, err := decodeFree(rows[0])
			if err != nil {
				return ipam.Free{}, netip.Prefix{}, err
			}
			largest = f.CIDR.Bits()
		}
		// The pass goes on below the length, so the last rows are too small.
		from, chosen, ok, err := try(rows)
		if err != nil || ok {
			return from, chosen, err
		}
		if next == "" || !narrow || next < fitSK(t.want.Length) {
			return ipam.Free{}, netip.Prefix{}, ipam.NoRoom(t.name, t.want, largest, t.cidrs)
		}
		down.After = next
	}
}

// fitting is the query for the free blocks that a wish's length fits.
func (s *Store) fitting(t taking) Query {
	q := Query{PK: freePK(t.space), From: fitSK(t.want.Length), Limit: s.windowFor(t)}
	if len(t.want.Filter.Allowed)+len(t.want.Filter.Disallowed) > 0 {
		q.Limit = 0
	}
	return q
}

// holderKeys are the keys of the free blocks that could hold p.
func holderKeys(space ipam.SpaceID, p netip.Prefix) []Key {
	holders := ipam.Holders(p)
	keys := make([]Key, len(holders))
	for i, h := range holders {
		keys[i] = FreeKey(space, h)
	}
	return keys
}

// holder returns the free block that holds t.want.CIDR among what was read at
// holderKeys, or why there is none. "Taken" is answered only with the blocking
// block read, "outside" only when no root holds the CIDR; else the snapshot
// was torn.
func (s *Store) holder(ctx context.Context, t taking, read map[Key]Item) (holding, error) {
	cidr := t.want.CIDR
	for _, h := range ipam.Holders(cidr) {
		k := FreeKey(t.space, h)
		if i, ok := read[k]; ok {
			free, err := decodeFree(Row{k, i})
			return holding{free: free}, err
		}
	}
	by, ok, err := s.blocker(ctx, t.space, cidr)
	if err != nil {
		return holding{}, err
	}
	if ok && goesOn(t, by, cidr) {
		return holding{split: &by}, nil
	}
	if ok && by.Kind == ipam.KindHold && t.may != nil {
		return s.holdOf(ctx, t)
	}
	if ok {
		return holding{}, ipam.NotFree(cidr, t.name, by)
	}
	if t.name != string(t.space) { // a scope: its root holds everything
		return holding{}, errLost
	}
	cidrs, err := s.poolCIDRs(ctx, t.name)
	if err != nil {
		return holding{}, err
	}
	if len(cidrs) == 0 {
		return holding{}, ipam.NoRoom(t.name, t.want, -1, 0)
	}
	for _, c := range cidrs {
		if c.State.Holds() && ipam.Within(cidr, c.CIDR) {
			return holding{}, errLost
		}
	}
	return holding{}, ipam.OutsideOf(cidr, t.name)
}

// begun returns the split that an earlier try of the request left on its way to
// t.before, nil if there is none to go on from: to choose again would leave the split
// to the reconciler, and might give another CIDR.
func (s *Store) begun(ctx context.Context, t taking) (*ipam.Taken, error) {
	p := t.before
	if !p.IsValid() || p.Bits() != t.want.Length || !t.want.Filter.Admits(p) || p.Bits()+2 <= s.o.Room { // the last: it takes no split
		return nil, nil
	}
	by, ok, err := s.blocker(ctx, t.space, p)
	if err != nil || !ok || !goesOn(t, by, p) {
		return nil, err
	}
	return &by, nil
}

// goesOn reports whether a block is a split that the request of t left on its way to
// p, and in which nobody was found to live since.
func goesOn(t taking, by ipam.Taken, p netip.Prefix) bool {
	return by.Kind == ipam.KindSplit && by.AllocationID == t.by && ipam.Within(p, by.CIDR) && by.Seen == ""
}

// holdOf makes the hold that is in the way of a certain CIDR one of just that
// CIDR, if what lives there admits it. For a preview it only finds out.
func (s *Store) holdOf(ctx context.Context, t taking) (holding, error) {
	cidrs, err := s.poolCIDRs(ctx, t.name)
	if err != nil {
		return holding{}, err
	}
	if !slices.ContainsFunc(cidrs, func(c *ipam.PoolCIDR) bool { return c.State.Holds() && ipam.Within(t.want.CIDR, c.CIDR) }) {
		return holding{}, ipam.OutsideOf(t.want.CIDR, t.name)
	}
	if t.alone {
		for b, err := range s.takenIn(ctx, t.space, t.want.CIDR, t.want.CIDR.Addr()) {
			if err != nil {
				return holding{}, err
			}
			if b.Kind != ipam.KindHold {
				return holding{}, ipam.NotFree(t.want.CIDR, t.name, b)
			}
		}
		live, err := s.liveFor(ctx, t)
		if err != nil {
			return holding{}, err
		}
		return holding{}, t.may(live)
	}
	hold, err := s.overHold(ctx, t)
	if taken, is := errors.AsType[*takenError](err); is {
		return holding{}, ipam.NotFree(t.want.CIDR, t.name, taken.by)
	}
	return holding{hold: hold}, err
}

// blocker returns a taken block that overlaps cidr. Taken blocks do not
// overlap one another, so the one that begins last at or before cidr's last
// address is the only one to look at.
func (s *Store) blocker(ctx context.Context, space ipam.SpaceID, cidr netip.Prefix) (ipam.Taken, bool, error) {
	rows, _, err := s.table.Query(ctx, Query{PK: takenPK(space), To: blocksThrough(cidr), Descending: true, Limit: 1})
	if err != nil || len(rows) == 0 {
		return ipam.Taken{}, false, err
	}
	t, err := decodeTaken(rows[0])
	if err != nil {
		return ipam.Taken{}, false, err
	}
	return t, t.CIDR.Overlaps(cidr), nil
}

// buddies reads free blocks along a merge path, a few at a time: most merges
// are short. It keeps what it read.
type buddies struct {
	s     *Store
	space ipam.SpaceID
	path  []netip.Prefix // what has not been asked for yet
	read  map[Key]Item
}

// firstBuddies is how many buddies are read along with the block itself, and
// moreBuddies how many in each further read.
const firstBuddies, moreBuddies = 8, 32

func (b *buddies) keys(n int) []Key {
	n = min(n, len(b.path))
	keys := make([]Key, n)
	for i, p := range b.path[:n] {
		keys[i] = FreeKey(b.space, p)
	}
	b.path = b.path[n:]
	return keys
}

// give plans to give t back, reading further along the path as far as it is
// free.
func (b *buddies) give(ctx context.Context, t ipam.Taken) ([]ipam.Change, *ipam.Taken, error) {
	unread := false
	free := func(p netip.Prefix) (ipam.Free, bool) {
		k := FreeKey(b.space, p)
		i, ok := b.read[k]
		if !ok {
			for _, later := range b.path {
				unread = unread || later == p
			}
			return ipam.Free{}, false
		}
		f, err := decodeFree(Row{k, i})
		return f, err == nil
	}
	for {
		unread = false
		changes, rest, err := ipam.Give(t, free, b.s.o.Room, b.s.deadline())
		if !unread {
			return changes, rest, err
		}
		more, err := b.s.table.BatchGet(ctx, b.keys(moreBuddies))
		if err != nil {
			return nil, nil, err
		}
		for k, i := range more {
			b.read[k] = i
		}
	}
}

// giving returns the writes that give t back, and the split that they leave
// behind, if any.
func (b *buddies) giving(ctx context.Context, t ipam.Taken) ([]Write, *ipam.Taken, error) {
	changes, rest, err := b.give(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	writes := blockWrites(b.space, changes)
	if rest != nil {
		writes = b.s.beginSplit(b.space, rest, writes)
	}
	return writes, rest, nil
}

// splitLife is how long a deep split or merge may take before the reconciler
// gives its block back.
const splitLife = 5 * 60 // seconds

func (s *Store) deadline() int64 { return s.now() + splitLife }

func splitWork(space ipam.SpaceID, p netip.Prefix) Key {
	return workKey("split", string(space)+"#"+p.String())
}

// beginSplit adds to a transaction that leaves rest behind the note that makes
// the reconciler find it.
func (s *Store) beginSplit(space ipam.SpaceID, rest *ipam.Taken, writes []Write) []Write {
	return append(writes, Write{Op: OpPut, Key: splitWork(space, rest.CIDR), Item: Item{attrSince: num(s.now())}})
}

// endSplit adds to a transaction that consumes a split its note's removal.
func endSplit(space ipam.SpaceID, split ipam.Taken, writes []Write) []Write {
	return append(writes, Write{Op: OpDelete, Key: splitWork(space, split.CIDR)})
}

// merging gives a split back to the free space, in as many transactions as it
// takes. It is done when the split is no longer there: whoever else finished it.
func (s *Store) mergeSplit(ctx context.Context, space ipam.SpaceID, split ipam.Taken) error {
	for rest := &split; rest != nil; {
		at := *rest
		var next *ipam.Taken
		err := s.commit(ctx, "merge "+at.CIDR.String(), nil, func(attempt) ([]Write, error) {
			b := &buddies{s: s, space: space, path: ipam.MergePath(at.CIDR)}
			k := TakenKey(space, at.CIDR)
			var err error
			b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), k))
			if err != nil {
				return nil, err
			}
			item, ok := b.read[k]
			if !ok {
				return nil, nil // if by an earlier try of ours, next is what it left
			}
			now, err := decodeTaken(Row{k, item})
			if err != nil {
				return nil, err
			}
			if now.Kind != ipam.KindSplit || now.AllocationID != at.AllocationID {
				return nil, nil
			}
			next = nil
			if held, err := s.heldSplit(ctx, space, now); held != nil || err != nil {
				return held, err
			}
			writes, deeper, err := b.giving(ctx, now)
			if err != nil {
				return nil, err
			}
			if next = deeper; next != nil && next.CIDR == now.CIDR {
				return nil, fmt.Errorf("merge of %s makes no progress", now.CIDR)
			}
			return endSplit(space, now, writes), nil
		})
		if err != nil {
			return err
		}
		rest = next
	}
	return nil
}

// heldSplit returns the writes that make a split a hold, if resources live in it;
// none if none do. The note that they leave has the hold shrunk.
func (s *Store) heldSplit(ctx context.Context, space ipam.SpaceID, split ipam.Taken) ([]Write, error) {
	if strings.Contains(string(space), "#") {
		return nil, nil // a scope has no holds
	}
	pool, err := one(ctx, s.Pools, string(space))
	if err != nil {
		return nil, lostIfGone(err)
	}
	live, err := s.liveInPool(ctx, pool, split.CIDR)
	if err != nil || len(live) == 0 {
		return nil, err
	}
	writes := endSplit(space, split, blockWrites(space, turn(split, s.newHold(split.CIDR, split.Root, pool.Owner))))
	return append(writes, s.noteLive(pool.Scope, split.CIDR)), nil
}
