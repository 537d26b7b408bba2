package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// blockWrites returns the writes of changes to one space, each with the condition of its
// change.
func blockWrites(space ipam.SpaceID, changes []ipam.Change) []table.Write {
	writes := make([]table.Write, 0, len(changes)+4)
	for _, c := range changes {
		var w table.Write
		switch c.Op {
		case ipam.DropFree:
			w = table.Write{Op: table.OpDelete, Key: items.FreeKey(space, c.Free.CIDR), If: table.Cond{Equal: table.Item{items.AttrRoot: items.RootAttr(c.Free.Root)}}}
		case ipam.AddFree:
			w = table.Write{Op: table.OpPut, Key: items.FreeKey(space, c.Free.CIDR), Item: items.EncodeFree(c.Free), If: table.Cond{Absent: true}}
		case ipam.DropTaken:
			w = table.Write{Op: table.OpDelete, Key: items.TakenKey(space, c.Taken.CIDR), If: table.Cond{Equal: table.Item{
				items.AttrAllocationID: table.Str(c.Taken.AllocationID),
				items.AttrKind:         table.Str(string(c.Taken.Kind)),
				items.AttrRoot:         items.RootAttr(c.Taken.Root), // a retried deep split has the id of the one before it
			}}}
			// A process that finds a resource in the block changes this token.
			if c.Taken.Seen == "" {
				w.If.Missing = []string{items.AttrSeen}
			} else {
				w.If.Equal[items.AttrSeen] = table.Str(c.Taken.Seen)
			}
			// A block with a planning pool is not dropped without it.
			if c.Taken.PlanningPool == "" {
				w.If.Missing = append(w.If.Missing, items.AttrPlanningPool)
			} else {
				w.If.Equal[items.AttrPlanningPool] = table.Str(c.Taken.PlanningPool)
			}
		case ipam.AddTaken:
			w = table.Write{Op: table.OpPut, Key: items.TakenKey(space, c.Taken.CIDR), Item: items.EncodeTaken(c.Taken), If: table.Cond{Absent: true}}
		case ipam.CheckNoFree:
			w = table.Write{Op: table.OpCheck, Key: items.FreeKey(space, c.Free.CIDR), If: table.Cond{Absent: true}}
		default:
			panic(fmt.Sprintf("store: unknown change %d", c.Op))
		}
		writes = append(writes, w)
	}
	return merge(writes)
}

// merge joins the deletion and the put of one taken block, which changes through a split
// can contain, into one conditional put: a transaction may touch an item only once.
func merge(writes []table.Write) []table.Write {
	at := make(map[table.Key]int, len(writes))
	out := writes[:0]
	for _, w := range writes {
		i, twice := at[w.Key]
		if twice && out[i].Op == table.OpDelete && w.Op == table.OpPut {
			w.If = out[i].If
			out[i] = w
			continue
		}
		at[w.Key] = len(out)
		out = append(out, w)
	}
	return out
}

// replaceTaken returns the changes that replace one taken block by another.
func replaceTaken(from, to ipam.Taken) []ipam.Change {
	to.Root = from.Root
	return []ipam.Change{{Op: ipam.DropTaken, Taken: from}, {Op: ipam.AddTaken, Taken: to}}
}

// buddies reads the free blocks along a merge path, a few at a time, because most merges
// are short. It keeps the blocks that it read.
type buddies struct {
	s     *Store
	space ipam.SpaceID
	path  []netip.Prefix // the blocks that are not read yet
	read  map[table.Key]table.Item
}

// firstBuddies is the number of buddies that are read with the block itself, and
// moreBuddies the number in each further read.
const firstBuddies, moreBuddies = 8, 32

func (b *buddies) keys(n int) []table.Key {
	n = min(n, len(b.path))
	keys := make([]table.Key, n)
	for i, p := range b.path[:n] {
		keys[i] = items.FreeKey(b.space, p)
	}
	b.path = b.path[n:]
	return keys
}

// giveChanges returns the changes that free t. It reads further along the path as long as
// the buddies are free.
func (b *buddies) giveChanges(ctx context.Context, t ipam.Taken) ([]ipam.Change, *ipam.Taken, error) {
	unread := false
	free := func(p netip.Prefix) (ipam.Free, bool) {
		k := items.FreeKey(b.space, p)
		i, ok := b.read[k]
		if !ok {
			for _, later := range b.path {
				unread = unread || later == p
			}
			return ipam.Free{}, false
		}
		f, err := items.DecodeFree(table.Row{Key: k, Item: i})
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

// giveWrites returns the writes that free t, and the split that they leave, if any.
func (b *buddies) giveWrites(ctx context.Context, t ipam.Taken) ([]table.Write, *ipam.Taken, error) {
	changes, rest, err := b.giveChanges(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	writes := blockWrites(b.space, changes)
	if rest != nil {
		writes = b.s.startSplit(b.space, rest, writes)
	}
	return writes, rest, nil
}

// taken returns the allocation's block at p, as it was read.
func (b *buddies) taken(allocation string, p netip.Prefix) (ipam.Taken, error) {
	t, ok, err := items.TakenAt(items.TakenKey(b.space, p), b.read)
	if err == nil && (!ok || t.AllocationID != allocation) {
		err = errStale
	}
	return t, err
}

// splitLife is the time that a deep split or merge has. After it, the work of the split's
// note frees the block.
const splitLife = 5 * 60 // seconds

func (s *Store) deadline() int64 { return s.now() + splitLife }

// startSplit adds the work note of a split to the transaction that leaves it.
func (s *Store) startSplit(space ipam.SpaceID, rest *ipam.Taken, writes []table.Write) []table.Write {
	return append(writes, table.Write{Op: table.OpPut, Key: items.SplitWorkKey(space, rest.CIDR), Item: table.Item{items.AttrSince: table.Num(s.now())}})
}

// endSplit adds the deletion of the note to the transaction that consumes a split.
func endSplit(space ipam.SpaceID, split ipam.Taken, writes []table.Write) []table.Write {
	return append(writes, table.Write{Op: table.OpDelete, Key: items.SplitWorkKey(space, split.CIDR)})
}

// mergeSplit frees a split, in as many transactions as it needs. It ends when the split is
// gone, even if another process finished it.
func (s *Store) mergeSplit(ctx context.Context, space ipam.SpaceID, split ipam.Taken) error {
	for rest := &split; rest != nil; {
		at := *rest
		var next *ipam.Taken
		err := s.commit(ctx, "merge "+at.CIDR.String(), nil, func(attempt) ([]table.Write, error) {
			b := &buddies{s: s, space: space, path: ipam.MergePath(at.CIDR)}
			k := items.TakenKey(space, at.CIDR)
			var err error
			b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), k))
			if err != nil {
				return nil, err
			}
			item, ok := b.read[k]
			if !ok {
				return nil, nil // after an earlier try of this process, next is the split that it left
			}
			now, err := items.DecodeTaken(table.Row{Key: k, Item: item})
			if err != nil {
				return nil, err
			}
			if now.Kind != ipam.KindSplit || now.AllocationID != at.AllocationID {
				return nil, nil
			}
			next = nil
			if held, err := s.holdSplit(ctx, space, now); held != nil || err != nil {
				return held, err
			}
			writes, deeper, err := b.giveWrites(ctx, now)
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

// holdSplit returns the writes that turn a split with live resources into a hold; none if
// there are none. The note in them shrinks the hold.
func (s *Store) holdSplit(ctx context.Context, space ipam.SpaceID, split ipam.Taken) ([]table.Write, error) {
	if space.OfScope() {
		return nil, nil // a scope has no holds
	}
	pool, err := readOne(ctx, s.Pools, string(space))
	if err != nil {
		return nil, staleIfNotFound(err)
	}
	live, err := s.liveInPool(ctx, pool, split.CIDR)
	if err != nil || len(live) == 0 {
		return nil, err
	}
	writes := endSplit(space, split, blockWrites(space, replaceTaken(split, s.newHold(split.CIDR, split.Root, pool.Owner))))
	return append(writes, s.liveNote(pool.Scope, split.CIDR)), nil
}

// newHold returns a hold with an id of its own.
func (s *Store) newHold(p netip.Prefix, root ipam.Root, owner string) ipam.Taken {
	return ipam.Taken{CIDR: p, Root: root, AllocationID: ipam.DeriveID("hold", s.o.NewID()), Kind: ipam.KindHold, Owner: owner}
}

// freeWrites returns the writes that free a block of a pool, read into b. If resources are
// live in it, the writes turn it into a hold, held is true, and the caller reconciles. rest
// is the split that they leave, if any.
func (s *Store) freeWrites(ctx context.Context, pool *ipam.Pool, b *buddies, t ipam.Taken) (writes []table.Write, rest *ipam.Taken, held bool, err error) {
	live, err := s.liveInPool(ctx, pool, t.CIDR)
	if err != nil {
		return nil, nil, false, err
	}
	if len(live) > 0 {
		writes = blockWrites(b.space, replaceTaken(t, s.newHold(t.CIDR, t.Root, pool.Owner)))
		return append(writes, s.liveNote(pool.Scope, t.CIDR)), nil, true, nil
	}
	writes, rest, err = b.giveWrites(ctx, t)
	return writes, rest, false, err
}

// tombstone returns the write that turns a by-id item into the record of a release.
func (s *Store) tombstone(allocation string) table.Write {
	return table.Write{
		Op:  table.OpUpdate,
		Key: items.AllocationKey(allocation),
		Set: table.Item{items.AttrState: table.Str(items.AllocationReleased), table.AttrExpires: table.Num(s.now() + int64(tokenRetention.Seconds()))},
		If:  table.Cond{Equal: table.Item{items.AttrState: table.Str(items.AllocationActive)}},
	}
}
