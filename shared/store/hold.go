package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// shrinkHold shrinks a hold to the live CIDRs in it; a hold without any goes. It reports
// false and does nothing if the hold is not there any more: another process shrank it, or
// divided it and left parts of it.
//
//	hold    |-------------------------------|
//	live        |---|           |-------|
//	after   free|hold|   free   | hold  |free
func (s *Store) shrinkHold(ctx context.Context, scope string, space ipam.SpaceID, around sourceCIDR, p netip.Prefix) (was bool, err error) {
	var parts []netip.Prefix // holds to shrink next
	var notes []table.Write  // of the parts, without the notes that others wrote
	var rest *ipam.Taken     // of a merge
	err = s.commit(ctx, "shrink "+p.String(), nil, func(a attempt) ([]table.Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(p)}
		k := items.TakenKey(space, p)
		keys := append(b.keys(firstBuddies), k)
		for _, half := range halves(p) {
			keys = append(keys, s.liveNote(scope, half).Key)
		}
		var err error
		if b.read, err = s.table.BatchGet(ctx, keys); err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, b.read)
		if was = ok && t.Kind == ipam.KindHold; err != nil || !was {
			return nil, err // after an earlier try of this process, parts and rest are from that
		}
		parts, notes, rest = nil, nil, nil
		live, err := s.liveIn(ctx, scope, around, p)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			var writes []table.Write
			writes, rest, err = b.giveWrites(ctx, t)
			return writes, err
		}
		held, free := ipam.Partition(p, cidrsOf(live))
		if len(free) == 0 {
			return nil, nil
		}
		if len(held)+len(free)+1 > s.o.Room {
			held, free = halves(p), nil
			parts = held
		}
		changes := []ipam.Change{{Op: ipam.DropTaken, Taken: t}}
		for _, h := range held {
			changes = append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(h, t.Root, t.Owner)})
		}
		for _, f := range free {
			changes = append(changes, ipam.Change{Op: ipam.AddFree, Free: ipam.Free{CIDR: f, Root: t.Root}})
		}
		writes := blockWrites(space, changes)
		for _, part := range parts { // each part is still larger than its live CIDRs
			note := s.liveNote(scope, part)
			if b.read[note.Key] == nil {
				note.If.Absent = true
				notes = append(notes, note)
			}
			writes = append(writes, note)
		}
		return writes, nil
	})
	if err != nil {
		return was, err
	}
	for _, part := range parts {
		whole, err := s.shrinkHold(ctx, scope, space, around, part)
		if err != nil {
			return was, err
		}
		was = was && whole
	}
	if was { // else other processes work on the parts
		for _, note := range notes {
			if err := s.endNote(ctx, note.Key, note.Item); err != nil {
				return was, err
			}
		}
	}
	if rest != nil {
		return was, s.mergeSplit(ctx, space, *rest)
	}
	return was, nil
}

// halves returns the two blocks that a block falls into, none for a single address.
func halves(p netip.Prefix) []netip.Prefix {
	if p.IsSingleIP() {
		return nil
	}
	lower, upper := ipam.Halves(p)
	return []netip.Prefix{lower, upper}
}

// takenError is the error of makeHold if a block is taken and no hold.
type takenError struct{ by ipam.Taken }

func (e *takenError) Error() string { return "taken by " + e.by.AllocationID }

// errNoRoot is the error of makeHold if nothing at a CIDR is free or taken. By the time of
// the read, the root was gone, or the free space there was joined or divided. The caller
// decides again whether it needs the CIDR.
var errNoRoot = errors.New("nothing is free or taken there")

// makeHold makes p one hold, out of the free space in it and the holds in it or around it.
// It returns a *takenError if another block is in p. p is in a root of the space. with
// returns the write that goes with each transaction: a work note, by which a hold with
// excess is shrunk again, or the condition that p is live.
//
// These are the cases, and the new holds:
//
//	p                    |-------|
//	free     |-----------------------|      take p out of the free block
//	hold     |-----------------------|      cut: one of p, one of each sibling
//	holds                |-|   |-|          join: one in place of holds and gaps
func (s *Store) makeHold(ctx context.Context, space ipam.SpaceID, owner string, p netip.Prefix, with func(context.Context) (table.Write, error)) error {
	for {
		divide := false // hold the halves first, and then join them
		err := s.commit(ctx, "hold "+p.String(), nil, func(attempt) ([]table.Write, error) {
			divide = false
			holds, err := s.holdsIn(ctx, space, p)
			if err != nil {
				return nil, err
			}
			var changes []ipam.Change
			switch {
			case len(holds) == 0:
				return s.holdFree(ctx, space, owner, p, with)
			case len(holds) == 1 && holds[0].CIDR == p:
				return nil, nil
			case len(holds) == 1 && ipam.Within(p, holds[0].CIDR):
				changes, divide = s.cutHold(holds[0], p, owner)
			default:
				gaps := ipam.Gaps(p, blocksOf(holds))
				if divide = len(holds)+len(gaps)+1 > s.o.Room; divide {
					return nil, nil
				}
				free, err := s.freeBlocks(ctx, space, gaps)
				if err != nil {
					return nil, err
				}
				changes = joinHolds(holds, free, s.newHold(p, holds[0].Root, owner))
			}
			further, err := with(ctx)
			return append(blockWrites(space, changes), further), err
		})
		if err != nil || !divide {
			return err
		}
		for _, half := range halves(p) {
			if err := s.makeHold(ctx, space, owner, half, with); err != nil {
				return err
			}
		}
	}
}

// holdsIn returns the holds that overlap p, and a *takenError if another block does.
func (s *Store) holdsIn(ctx context.Context, space ipam.SpaceID, p netip.Prefix) ([]ipam.Taken, error) {
	var holds []ipam.Taken
	for t, err := range s.takenIn(ctx, space, p, p.Addr()) {
		if err != nil {
			return nil, err
		}
		if t.Kind != ipam.KindHold {
			return nil, &takenError{t}
		}
		holds = append(holds, t)
	}
	return holds, nil
}

// holdFree returns the writes that take p out of the free block that contains it.
func (s *Store) holdFree(ctx context.Context, space ipam.SpaceID, owner string, p netip.Prefix, with func(context.Context) (table.Write, error)) ([]table.Write, error) {
	free, ok, err := s.holder(ctx, space, p, nil)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoRoot
	}
	further, err := with(ctx)
	if err != nil {
		return nil, err
	}
	writes, err := s.takeWrites(ctx, space, takeSource{free: free}, s.newHold(p, free.Root, owner))
	return append(writes, further), err
}

// cutHold divides a hold that contains p into a hold of p and one of each sibling
// on the way down to it. If that is too much for one transaction, it goes as far as
// one can, and reports that there is more to do.
func (s *Store) cutHold(hold ipam.Taken, p netip.Prefix, owner string) (changes []ipam.Change, more bool) {
	target := p
	if over := p.Bits() - hold.CIDR.Bits() - (s.o.Room - 2); over > 0 {
		target = netip.PrefixFrom(p.Addr(), p.Bits()-over).Masked()
	}
	changes = append(changes, ipam.Change{Op: ipam.DropTaken, Taken: hold})
	for b := target; b.Bits() > hold.CIDR.Bits(); b = ipam.Parent(b) {
		changes = append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(ipam.Buddy(b), hold.Root, owner)})
	}
	return append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(target, hold.Root, owner)}), target != p
}

// joinHolds puts one hold in the place of holds and of the free blocks between them.
func joinHolds(holds []ipam.Taken, free []ipam.Free, whole ipam.Taken) []ipam.Change {
	var changes []ipam.Change
	for _, f := range free {
		changes = append(changes, ipam.Change{Op: ipam.DropFree, Free: f})
	}
	for _, t := range holds {
		changes = append(changes, ipam.Change{Op: ipam.DropTaken, Taken: t})
	}
	return append(changes, ipam.Change{Op: ipam.AddTaken, Taken: whole})
}

func blocksOf(taken []ipam.Taken) []netip.Prefix {
	blocks := make([]netip.Prefix, len(taken))
	for i, t := range taken {
		blocks[i] = t.CIDR
	}
	return blocks
}

// makeAndReadHold is makeHold and returns the hold; errStale if the root went meanwhile.
func (s *Store) makeAndReadHold(ctx context.Context, space ipam.SpaceID, owner string, p netip.Prefix, with func(context.Context) (table.Write, error)) (ipam.Taken, error) {
	if err := s.makeHold(ctx, space, owner, p, with); err != nil {
		if errors.Is(err, errNoRoot) {
			err = errStale
		}
		return ipam.Taken{}, err
	}
	k := items.TakenKey(space, p)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return ipam.Taken{}, err
	}
	t, ok, err := items.TakenAt(k, read)
	if err == nil && (!ok || t.Kind != ipam.KindHold) {
		err = errStale
	}
	return t, err
}

// narrowHold shrinks the hold that blocks the wanted CIDR to exactly that CIDR, if
// t.allowLive admits the live CIDRs in it.
func (s *Store) narrowHold(ctx context.Context, t takeRequest) (*ipam.Taken, error) {
	allowed := func() error {
		live, err := s.liveInRequest(ctx, t)
		if err != nil {
			return err
		}
		return t.allowLive(live)
	}
	if err := allowed(); err != nil {
		return nil, err
	}
	hold, err := s.makeAndReadHold(ctx, t.space, t.owner, t.want.CIDR, s.noteExcess(t.scope, t.want.CIDR))
	if err != nil {
		return nil, err
	}
	// A resource that is found there from here on changes the hold's token.
	if err := allowed(); err != nil {
		return nil, err
	}
	return &hold, nil
}

// liveInRequest returns the live CIDRs in the wanted CIDR.
func (s *Store) liveInRequest(ctx context.Context, t takeRequest) ([]*ipam.ResourceCIDR, error) {
	around, err := s.sourceAt(ctx, t.planning, t.want.CIDR)
	if err != nil {
		return nil, err
	}
	return s.liveIn(ctx, t.scope, around, t.want.CIDR)
}

// errEmptyHold says that a hold blocks space in which no CIDR is live any more.
var errEmptyHold = fmt.Errorf("%w: a hold of nothing", errStale)

// onlyResourcesOf returns the function that admits an account's own resources: it refuses
// a live CIDR of another account, or one that reaches beyond p.
func onlyResourcesOf(account, name string, p netip.Prefix) func([]*ipam.ResourceCIDR) error {
	return func(live []*ipam.ResourceCIDR) error {
		var others []*ipam.Resource
		for _, r := range live {
			if r.Owner != account || !ipam.Within(r.CIDR, p) {
				others = append(others, &r.Resource)
			}
		}
		switch {
		case len(others) > 0:
			return ipam.NotFreeLive(p, name, others)
		case len(live) == 0:
			return errEmptyHold
		}
		return nil
	}
}
