package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Space in which resources live is never given to another. What keeps it from
// being given is a taken block: an allocation, or a hold. Whoever finds a
// resource first writes its row, and then looks at the blocks: it takes what is
// free as holds and marks each other block with a token, Seen. Whoever frees a
// block reads the block, and then the rows, and writes on the condition that the
// token is still the same. So of the two, whichever comes second sees the other.
//
// A hold that covers too much is safe, one that covers too little is not. So
// whatever is not simple goes through a hold of the whole: gather makes one, and
// shrink makes holds as small as what lives in them.

// Overlapping returns the resources' CIDRs in a scope that overlap p, in the
// order of ipam.CompareBlocks; what contains p comes first.
func (s *Store) Overlapping(ctx context.Context, scope string, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	rows, err := s.containers(ctx, scope, p)
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	for r, err := range s.rowsIn(ctx, scope, p, netip.Prefix{}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// containers returns the resources' CIDRs that are larger than p and hold it,
// the smallest first.
//
// What holds p stands before it in the order of keys. The row that stands last
// before a place is either the next larger container, or no container holds p and
// not that row too: then it holds the block that both have in common.
func (s *Store) containers(ctx context.Context, scope string, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	if p.Bits() == 0 {
		return nil, nil
	}
	var found []*ipam.ResourceCIDR
	q := Query{PK: livePK(scope, ipam.FamilyOf(p), ipam.ResourceVPC), To: blockSK(ipam.Parent(p)) + "#~", Descending: true, Limit: 1}
	for {
		rows, _, err := decoded(ctx, s, q, DecodeResource)
		if err != nil || len(rows) == 0 {
			return found, err
		}
		at := rows[0]
		if ipam.Within(p, at.CIDR) {
			found = append(found, at)
			q.After = ResourceAfter(at)
			continue
		}
		common := p
		for !ipam.Within(at.CIDR, common) {
			common = ipam.Parent(common)
		}
		q.To, q.After = blockSK(common)+"#~", ""
	}
}

// liveIn returns the CIDRs in a scope that overlap p and must not be given to
// another out of a pool that is laid over what around says.
func (s *Store) liveIn(ctx context.Context, scope string, around laid, p netip.Prefix) ([]*ipam.ResourceCIDR, error) {
	rows, err := s.Overlapping(ctx, scope, p)
	return slices.DeleteFunc(rows, func(r *ipam.ResourceCIDR) bool { return !r.Live() || around.is(&r.Resource) }), err
}

func cidrOf(r *ipam.ResourceCIDR) netip.Prefix { return r.CIDR }

func cidrsOf(rows []*ipam.ResourceCIDR) []netip.Prefix {
	all := make([]netip.Prefix, len(rows))
	for i, r := range rows {
		all[i] = r.CIDR
	}
	return all
}

const liveWork = "live"

// noteLive is the write that notes that the space at p in a scope is to be laid
// against what lives there. It goes with every write that makes them disagree.
func (s *Store) noteLive(scope string, p netip.Prefix) Write {
	return s.again(liveWork, scope+"#"+p.String())
}

// noting is for gather: what is held too much is noted.
func (s *Store) noting(scope string, p netip.Prefix) func(context.Context) (Write, error) {
	return func(context.Context) (Write, error) { return s.noteLive(scope, p), nil }
}

// newHold returns a hold, with an id that no other has.
func (s *Store) newHold(p netip.Prefix, root ipam.Root, owner string) ipam.Taken {
	return ipam.Taken{CIDR: p, Root: root, AllocationID: ipam.DeriveID("hold", s.o.NewID()), Kind: ipam.KindHold, Owner: owner}
}

// turn plans to put one taken block in the place of another.
func turn(from, to ipam.Taken) []ipam.Change {
	to.Root = from.Root
	return []ipam.Change{{Op: ipam.DropTaken, Taken: from}, {Op: ipam.AddTaken, Taken: to}}
}

// shrink makes a hold as small as what lives in it: gone, if nothing does. It
// reports false and does nothing if the hold is no longer there: whoever else
// shrank it, or divided it and left parts of it.
func (s *Store) shrink(ctx context.Context, scope string, space ipam.SpaceID, around laid, p netip.Prefix) (was bool, err error) {
	var parts []netip.Prefix // holds that are to be shrunk in their turn
	var notes []Write        // that tell of the parts, but those that others had put
	var rest *ipam.Taken     // of a merge
	err = s.commit(ctx, "shrink "+p.String(), nil, func(a attempt) ([]Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(p)}
		k := TakenKey(space, p)
		keys := append(b.keys(firstBuddies), k)
		for _, half := range halves(p) {
			keys = append(keys, s.noteLive(scope, half).Key)
		}
		var err error
		if b.read, err = s.table.BatchGet(ctx, keys); err != nil {
			return nil, err
		}
		t, ok, err := takenAt(k, b.read)
		if was = ok && t.Kind == ipam.KindHold; err != nil || !was {
			return nil, err // if by an earlier try of ours, parts and rest are what it left
		}
		parts, notes, rest = nil, nil, nil
		live, err := s.liveIn(ctx, scope, around, p)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			var writes []Write
			writes, rest, err = b.giving(ctx, t)
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
		for _, part := range parts { // it is still larger than what lives in it
			note := s.noteLive(scope, part)
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
		whole, err := s.shrink(ctx, scope, space, around, part)
		if err != nil {
			return was, err
		}
		was = was && whole
	}
	if was { // else others are at it, and have not told how far they are
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

func takenAt(k Key, read map[Key]Item) (ipam.Taken, bool, error) {
	i, ok := read[k]
	if !ok {
		return ipam.Taken{}, false, nil
	}
	t, err := decodeTaken(Row{k, i})
	return t, err == nil, err
}

// takenError says that a block is in the way of gathering holds.
type takenError struct{ by ipam.Taken }

func (e *takenError) Error() string { return "taken by " + e.by.AllocationID }

// errNoRoot says that nothing at a place is free or taken: by the time that it was
// read, the root was given back, or what is free there was joined or divided. The
// caller is to decide again whether it wants anything there.
var errNoRoot = errors.New("nothing is free or taken there")

// gather makes p one hold: of what is free in it, and of the holds in it or
// around it. It returns a *takenError if anything else is in p. p must lie in a
// root of the space. with makes what goes with each transaction: a new note that
// has what is held too much shrunk again, or the condition that p is lived in.
func (s *Store) gather(ctx context.Context, space ipam.SpaceID, owner string, p netip.Prefix, with func(context.Context) (Write, error)) error {
	for {
		halves := false
		err := s.commit(ctx, "hold "+p.String(), nil, func(attempt) ([]Write, error) {
			halves = false
			var parts []ipam.Taken
			for t, err := range s.takenIn(ctx, space, p, p.Addr()) {
				if err != nil {
					return nil, err
				}
				if t.Kind != ipam.KindHold {
					return nil, &takenError{t}
				}
				parts = append(parts, t)
			}
			var changes []ipam.Change
			switch {
			case len(parts) == 1 && parts[0].CIDR == p:
				return nil, nil
			case len(parts) == 1 && ipam.Within(p, parts[0].CIDR):
				// A hold of each sibling on the way down, as far as one transaction goes.
				changes = append(changes, ipam.Change{Op: ipam.DropTaken, Taken: parts[0]})
				target := p
				if over := p.Bits() - parts[0].CIDR.Bits() - (s.o.Room - 2); over > 0 {
					target = netip.PrefixFrom(p.Addr(), p.Bits()-over).Masked()
				}
				for b := target; b.Bits() > parts[0].CIDR.Bits(); b = ipam.Parent(b) {
					changes = append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(ipam.Buddy(b), parts[0].Root, owner)})
				}
				changes = append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(target, parts[0].Root, owner)})
				halves = target != p
			case len(parts) == 0:
				read, err := s.table.BatchGet(ctx, holderKeys(space, p))
				if err != nil {
					return nil, err
				}
				free, ok, err := freeAround(space, p, read)
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
				writes, err := s.takeOut(ctx, space, holding{free: free}, s.newHold(p, free.Root, owner))
				return append(writes, further), err
			default:
				blocks := make([]netip.Prefix, len(parts))
				for i, t := range parts {
					blocks[i] = t.CIDR
				}
				gaps := ipam.Gaps(p, blocks)
				if len(parts)+len(gaps)+1 > s.o.Room {
					halves = true
					return nil, nil
				}
				keys := make([]Key, len(gaps))
				for i, g := range gaps {
					keys[i] = FreeKey(space, g)
				}
				read, err := s.table.BatchGet(ctx, keys)
				if err != nil {
					return nil, err
				}
				var root ipam.Root
				for i, k := range keys {
					item, ok := read[k]
					if !ok {
						return nil, errLost
					}
					f, err := decodeFree(Row{k, item})
					if err != nil {
						return nil, err
					}
					root = f.Root
					changes = append(changes, ipam.Change{Op: ipam.DropFree, Free: ipam.Free{CIDR: gaps[i], Root: f.Root}})
				}
				for _, t := range parts {
					root = t.Root
					changes = append(changes, ipam.Change{Op: ipam.DropTaken, Taken: t})
				}
				changes = append(changes, ipam.Change{Op: ipam.AddTaken, Taken: s.newHold(p, root, owner)})
			}
			further, err := with(ctx)
			return append(blockWrites(space, changes), further), err
		})
		if err != nil || !halves {
			return err
		}
		lower, upper := ipam.Halves(p)
		for _, half := range []netip.Prefix{lower, upper} {
			if err := s.gather(ctx, space, owner, half, with); err != nil {
				return err
			}
		}
	}
}

// gathered is gather and returns the hold; errLost if the root went meanwhile.
func (s *Store) gathered(ctx context.Context, space ipam.SpaceID, owner string, p netip.Prefix, with func(context.Context) (Write, error)) (ipam.Taken, error) {
	if err := s.gather(ctx, space, owner, p, with); err != nil {
		if errors.Is(err, errNoRoot) {
			err = errLost
		}
		return ipam.Taken{}, err
	}
	k := TakenKey(space, p)
	read, err := s.table.BatchGet(ctx, []Key{k})
	if err != nil {
		return ipam.Taken{}, err
	}
	t, ok, err := takenAt(k, read)
	if err == nil && (!ok || t.Kind != ipam.KindHold) {
		err = errLost
	}
	return t, err
}

// freeAround returns the free block that holds p among what was read at
// holderKeys.
func freeAround(space ipam.SpaceID, p netip.Prefix, read map[Key]Item) (ipam.Free, bool, error) {
	for _, h := range ipam.Holders(p) {
		k := FreeKey(space, h)
		if i, ok := read[k]; ok {
			f, err := decodeFree(Row{k, i})
			return f, err == nil, err
		}
	}
	return ipam.Free{}, false, nil
}

// errGone says that the resource for which space was to be held is gone, or
// ignored.
var errGone = errors.New("the resource is gone")

// lives returns the condition that goes with what is held for the resource with a
// row, errGone if it does not hold. Whoever ends the row has the space follow; what
// came behind it would stay.
func (s *Store) lives(ctx context.Context, row Key) (Write, error) {
	read, err := s.table.BatchGet(ctx, []Key{row})
	if err == nil && (read[row] == nil || read[row].num(attrIgnored) != 0) {
		err = errGone
	}
	return Write{Op: OpCheck, Key: row, If: Cond{Present: true, Missing: []string{attrIgnored}}}, err
}

// cover keeps p, in which the resource r of the scope lives, from being
// given to another: in each pool, what is free of it becomes holds, and what is
// taken is marked as seen. It returns errGone if the resource goes meanwhile.
func (s *Store) cover(ctx context.Context, scope string, p netip.Prefix, r *ipam.Resource) error {
	marked := map[string]bool{} // by allocation id
	for {
		var marking []string
		wrote := false
		err := s.commit(ctx, "cover "+p.String(), nil, func(attempt) ([]Write, error) {
			c := covering{s: s, scope: scope, marked: marked, of: r}
			err := c.space(ctx, ipam.ScopeSpace(scope, ipam.FamilyOf(p)), p, "")
			if err != nil && !errors.Is(err, errEnough) {
				return nil, err
			}
			if marking, wrote = c.marking, len(c.writes) > 0; !wrote {
				return nil, nil
			}
			lives, err := s.lives(ctx, liveKey(scope, r))
			return append(c.writes, lives), err
		})
		if err != nil || !wrote {
			return err
		}
		for _, id := range marking {
			marked[id] = true
		}
	}
}

// covering collects the writes of one transaction of cover.
type covering struct {
	s       *Store
	scope   string
	of      *ipam.Resource
	marked  map[string]bool
	marking []string
	writes  []Write
}

// space adds the writes for one space; owner is the pool's, "" for a scope.
func (c *covering) space(ctx context.Context, space ipam.SpaceID, p netip.Prefix, owner string) error {
	var taken []netip.Prefix
	for t, err := range c.s.takenIn(ctx, space, p, p.Addr()) {
		if err != nil {
			return err
		}
		taken = append(taken, t.CIDR)
		if back, err := c.s.handBack(ctx, c.scope, space, owner, t, c.of); err != nil {
			return err
		} else if back != nil {
			if err := c.add(back...); err != nil {
				return err
			}
			continue // the pool is laid over the resource
		}
		if child := t.Below(); child != "" && !below(t).is(c.of) {
			in := p
			if ipam.Within(t.CIDR, in) {
				in = t.CIDR
			}
			of := t.Owner
			if t.Plan != "" {
				of = owner // the VPC's block is the VPC's account's
			}
			if err := c.space(ctx, ipam.SpaceID(child), in, of); err != nil {
				return err
			}
		}
		if t.Kind == ipam.KindPool {
			continue
		}
		if !c.marked[t.AllocationID] {
			c.marking = append(c.marking, t.AllocationID)
			if err := c.add(Write{
				Op: OpUpdate, Key: TakenKey(space, t.CIDR), Set: Item{attrSeen: str(c.s.o.NewID())},
				If: Cond{Equal: Item{attrAllocationID: str(t.AllocationID), attrKind: str(string(t.Kind))}},
			}); err != nil {
				return err
			}
		}
	}
	if owner == "" {
		return nil // a scope has no holds
	}
	if len(taken) == 0 {
		read, err := c.s.table.BatchGet(ctx, holderKeys(space, p))
		if err != nil {
			return err
		}
		free, ok, err := freeAround(space, p, read)
		if err != nil {
			return err
		}
		if !ok {
			return errLost
		}
		hold := c.newHold(p, free.Root, owner)
		if p.Bits()-free.CIDR.Bits()+2 > c.s.o.Room-len(c.writes) {
			if len(c.writes) > 0 {
				return errEnough // alone, then
			}
			c.writes, err = c.s.takeOut(ctx, space, holding{free: free}, hold)
			return cmp.Or(err, errEnough)
		}
		changes, _ := ipam.Take(free, hold, c.s.o.Room)
		return c.add(blockWrites(space, changes)...)
	}
	gaps := ipam.Gaps(p, clip(taken, p))
	if len(gaps) == 0 {
		return nil
	}
	keys := make([]Key, len(gaps))
	for i, g := range gaps {
		keys[i] = FreeKey(space, g)
	}
	read, err := c.s.table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for i, k := range keys {
		item, ok := read[k]
		if !ok {
			return errLost
		}
		f, err := decodeFree(Row{k, item})
		if err != nil {
			return err
		}
		err = c.add(blockWrites(space, []ipam.Change{{Op: ipam.DropFree, Free: f}, {Op: ipam.AddTaken, Taken: c.newHold(gaps[i], f.Root, owner)}})...)
		if err != nil {
			return err
		}
	}
	return nil
}

// newHold returns a hold that needs no mark: who reads it reads the resource's row
// behind it.
func (c *covering) newHold(p netip.Prefix, root ipam.Root, owner string) ipam.Taken {
	hold := c.s.newHold(p, root, owner)
	c.marking = append(c.marking, hold.AllocationID)
	return hold
}

// add adds writes that belong together, or returns errEnough if they have to
// wait for the next transaction.
func (c *covering) add(writes ...Write) error {
	if len(c.writes)+len(writes) > c.s.o.Room {
		return errEnough
	}
	c.writes = append(c.writes, writes...)
	return nil
}

// clip cuts blocks that overlap p to p.
func clip(blocks []netip.Prefix, p netip.Prefix) []netip.Prefix {
	cut := slices.Clone(blocks)
	for i, b := range cut {
		if ipam.Within(p, b) {
			cut[i] = p
		}
	}
	return cut
}

// freed returns the writes that give a block of a pool back, read into b, or turn
// it into a hold if resources live in it: then held is true, and Reconcile is to
// follow. rest is the split that they leave behind, if any.
func (s *Store) freed(ctx context.Context, pool *ipam.Pool, b *buddies, t ipam.Taken) (writes []Write, rest *ipam.Taken, held bool, err error) {
	live, err := s.liveInPool(ctx, pool, t.CIDR)
	if err != nil {
		return nil, nil, false, err
	}
	if len(live) > 0 {
		writes = blockWrites(b.space, turn(t, s.newHold(t.CIDR, t.Root, pool.Owner)))
		return append(writes, s.noteLive(pool.Scope, t.CIDR)), nil, true, nil
	}
	writes, rest, err = b.giving(ctx, t)
	return writes, rest, false, err
}

// overHold makes the hold that is in the way of the CIDR one of exactly that, for a
// caller whom t.may lets have the space of what lives there.
func (s *Store) overHold(ctx context.Context, t taking) (*ipam.Taken, error) {
	allowed := func() error {
		live, err := s.liveFor(ctx, t)
		if err != nil {
			return err
		}
		return t.may(live)
	}
	if err := allowed(); err != nil {
		return nil, err
	}
	hold, err := s.gathered(ctx, t.space, t.owner, t.want.CIDR, s.noting(t.scope, t.want.CIDR))
	if err != nil {
		return nil, err
	}
	// Who came to live there since would be seen in the hold's token.
	if err := allowed(); err != nil {
		return nil, err
	}
	return &hold, nil
}

// liveFor returns what lives in the CIDR that is wanted.
func (s *Store) liveFor(ctx context.Context, t taking) ([]*ipam.ResourceCIDR, error) {
	around, err := s.laidOver(ctx, t.planning, t.want.CIDR)
	if err != nil {
		return nil, err
	}
	return s.liveIn(ctx, t.scope, around, t.want.CIDR)
}

// errNothingLives says that a hold is in the way of space in which nothing lives
// any more.
var errNothingLives = fmt.Errorf("%w: a hold of nothing", errLost)

// onlyOf returns what lets an account take the space of its own resources: all
// that lives at p is its, and lies within p.
func onlyOf(account, name string, p netip.Prefix) func([]*ipam.ResourceCIDR) error {
	return func(live []*ipam.ResourceCIDR) error {
		for _, r := range live {
			if r.Owner != account || !ipam.Within(r.CIDR, p) {
				return ipam.NotFreeLive(p, name, &r.Resource)
			}
		}
		if len(live) == 0 {
			return errNothingLives
		}
		return nil
	}
}
