package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"golang.org/x/sync/errgroup"
)

// takeRequest is a wish for a block of a space.
type takeRequest struct {
	space        ipam.SpaceID
	name         string // how messages call the space: a pool's or a scope's id
	want         ipam.Want
	allocationID string // the allocation id that the block will have
	cidrs        int64  // CIDRs provisioned to the space, for the message of a refusal
	preview      bool   // choose as a writer without contention does, and write nothing

	// earlier is the block that an earlier try of the request chose for a length, if any.
	earlier netip.Prefix

	// allowLive says whether a wanted CIDR may be taken although a hold blocks it: it
	// gets the live CIDRs there, and its error names the one in the way. nil in a scope,
	// which has no holds. scope and owner are the space's.
	allowLive func(live []*ipam.ResourceCIDR) error
	scope     string
	owner     string
	planning  *ipam.Pool // the space's pool, if it is a resource planning pool
}

// snapshot holds the items that a decision about a takeRequest reads.
type snapshot struct {
	items   map[table.Key]table.Item // by batch-get
	rows    []table.Row              // free blocks, by the query for a length, if one was made
	next    string                   // of that query
	queried bool
}

// takeSource is the block from which another is taken: a free block, a split that an
// earlier try of the same request left, or a hold of exactly the size.
type takeSource struct {
	free  ipam.Free
	split *ipam.Taken
	hold  *ipam.Taken
}

// windowOf returns the number of positions among which to choose.
func (s *Store) windowOf(t takeRequest) int {
	if t.preview {
		return 1
	}
	return s.window.get(t.space, s.o.Now())
}

// fitQuery is the query for the free blocks that are large enough for a wish's length.
func (s *Store) fitQuery(t takeRequest) table.Query {
	q := items.FreeRowsFor(t.space, t.want.Length).Page("", s.windowOf(t))
	if len(t.want.Filter.Allowed)+len(t.want.Filter.Disallowed) > 0 {
		q.Limit = 0
	}
	return q
}

// choose picks the block for a wish for a length, out of rows, the answer to fitQuery, and
// of the rows that follow from next on. It returns an InvalidParameterValue error if there
// is no such block.
//
// A query is no snapshot: a block may move to a place that it has passed. So the answer
// "full" needs a second pass in the other direction that finds nothing either. That pass
// begins with the largest block, which the message names. Without a filter this block
// alone decides. With a filter the refusal may still be false: both passes miss a block
// that is split after the first pass and merged again after the second. Only reading all
// taken blocks would exclude that.
func (s *Store) choose(ctx context.Context, t takeRequest, rows []table.Row, next string) (ipam.Free, netip.Prefix, error) {
	window := s.windowOf(t)
	free, err := decodeAll(rows, items.DecodeFree)
	if err != nil {
		return ipam.Free{}, netip.Prefix{}, err
	}
	if from, chosen, ok := s.chooseFrom(t, free, window); ok {
		return from, chosen, nil
	}
	if next != "" {
		for rows, err := range table.Pages(ctx, s.table, s.fitQuery(t).Page(next, 0)) {
			if err != nil {
				return ipam.Free{}, netip.Prefix{}, err
			}
			if free, err = decodeAll(rows, items.DecodeFree); err != nil {
				return ipam.Free{}, netip.Prefix{}, err
			}
			if from, chosen, ok := s.chooseFrom(t, free, window); ok {
				return from, chosen, nil
			}
		}
	}
	return s.chooseDownwards(ctx, t)
}

// chooseDownwards is the second pass of [Store.choose], from the largest free block
// down to the smallest that fits.
func (s *Store) chooseDownwards(ctx context.Context, t takeRequest) (ipam.Free, netip.Prefix, error) {
	q := items.FreeRows(t.space).Last()
	narrow := len(t.want.Filter.Allowed)+len(t.want.Filter.Disallowed) > 0
	if narrow {
		q.Limit = 0
	}
	largest := -1
	for rows, err := range table.Pages(ctx, s.table, q) {
		if err != nil {
			return ipam.Free{}, netip.Prefix{}, err
		}
		free, err := decodeAll(rows, items.DecodeFree)
		if err != nil {
			return ipam.Free{}, netip.Prefix{}, err
		}
		if len(free) > 0 && largest < 0 {
			largest = free[0].CIDR.Bits()
		}
		if from, chosen, ok := s.chooseFrom(t, free, 1); ok {
			return from, chosen, nil
		}
		if n := len(free); !narrow || n > 0 && free[n-1].CIDR.Bits() > t.want.Length {
			break // behind the last row, all blocks are too small
		}
	}
	in, err := s.occupants(ctx, fullSpace{t.space, t.scope, t.planning, t.want})
	if err != nil {
		return ipam.Free{}, netip.Prefix{}, err
	}
	return ipam.Free{}, netip.Prefix{}, ipam.NoRoom(t.name, t.want, largest, t.cidrs, in)
}

// chooseFrom chooses a block for t out of free blocks, among a number of positions.
func (s *Store) chooseFrom(t takeRequest, free []ipam.Free, window int) (from ipam.Free, chosen netip.Prefix, ok bool) {
	if len(free) == 0 {
		return ipam.Free{}, netip.Prefix{}, false
	}
	return ipam.Choose(free, t.want.Length, t.want.Filter, min(window, rootWindow(free[0].Root, t.want.Length)), s.o.Pick)
}

// readForLength reads keys and, side by side, the free blocks for t.
func (s *Store) readForLength(ctx context.Context, keys []table.Key, t takeRequest) (snap snapshot, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		snap.items, err = s.table.BatchGet(ctx, keys)
		return err
	})
	if l := t.want.Length; 0 <= l && l <= 128 {
		g.Go(func() (err error) {
			snap.rows, snap.next, err = s.table.Query(ctx, s.fitQuery(t))
			snap.queried = true
			return err
		})
	}
	err = g.Wait()
	return snap, err
}

// startedSplit returns the split that an earlier try of the request left on its way to
// t.earlier; nil if there is none to continue. Choosing again would leave the split to the
// work of its note, and might give another CIDR.
func (s *Store) startedSplit(ctx context.Context, t takeRequest) (*ipam.Taken, error) {
	p := t.earlier
	if !p.IsValid() || p.Bits() != t.want.Length || !t.want.Filter.Admits(p) || p.Bits()+2 <= s.o.Room { // the last: one transaction is enough, without a split
		return nil, nil
	}
	by, ok, err := s.blocker(ctx, t.space, p)
	if err != nil || !ok || !continuesSplit(t, by, p) {
		return nil, err
	}
	return &by, nil
}

// continuesSplit reports whether a block is a split that t's request left on its way to p,
// and no resource was found in it since.
func continuesSplit(t takeRequest, by ipam.Taken, p netip.Prefix) bool {
	return by.Kind == ipam.KindSplit && by.AllocationID == t.allocationID && ipam.Within(p, by.CIDR) && by.Seen == ""
}

// takeWrites returns the writes of the transaction that takes want out of from. If the
// block is too deep for one transaction, takeWrites commits the earlier ones itself. These
// only turn a free block into smaller ones and a split, which the work of the split's note
// undoes if this request never reaches its last step.
func (s *Store) takeWrites(ctx context.Context, space ipam.SpaceID, from takeSource, want ipam.Taken) ([]table.Write, error) {
	if from.hold != nil {
		return blockWrites(space, replaceTaken(*from.hold, want)), nil
	}
	want.Deadline = s.deadline()
	var writes []table.Write
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

// commitSplit applies the writes of changes that leave rest behind. If the answer is lost,
// rest itself shows whether the transaction was applied.
func (s *Store) commitSplit(ctx context.Context, space ipam.SpaceID, rest *ipam.Taken, writes []table.Write) error {
	err := s.table.Transact(ctx, s.startSplit(space, rest, writes))
	if err == nil {
		return nil
	}
	if !nothingWritten(err) {
		k := items.TakenKey(space, rest.CIDR)
		read, unread := s.table.BatchGet(ctx, []table.Key{k})
		if unread != nil {
			return fmt.Errorf("%w: %w: %w", errUnknownOutcome, err, unread)
		}
		if i := read[k]; i.Str(items.AttrAllocationID) == rest.AllocationID && i.Str(items.AttrKind) == string(ipam.KindSplit) {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errStale, err)
}

// recordAllocation returns the write of a new allocation's by-id item. If there is one
// that has not expired, another request with the token came first.
func (s *Store) recordAllocation(space ipam.SpaceID, t ipam.Taken, digest string) table.Write {
	b := items.AllocationByID{Space: space, CIDR: t.CIDR, Kind: t.Kind, Owner: t.Owner, Digest: digest, State: items.AllocationActive}
	return table.Write{Op: table.OpPut, Key: items.AllocationKey(t.AllocationID), Item: b.Encode(), If: table.Cond{Absent: true, ExpiredBefore: s.now()}}
}
