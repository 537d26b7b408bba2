package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Judge finds the statuses of the resources' CIDRs that a change at cidr may
// have altered, a resource's that came, changed or went, or an allocation's, and
// writes those that differ. These are all that overlap the outermost resource's
// CIDR that holds cidr, or cidr itself if none does: which is closed under
// overlap, as CIDRs nest or are apart.
//
// It is done when a whole look finds nothing to write. A look that began before
// a change may write what the change has made untrue, however that compares
// with what the change's own look finds; but behind each write follows another
// look, and behind each change one that sees it.
func (s *Store) Judge(ctx context.Context, scope string, cidr netip.Prefix) error {
	_, err := s.judge(ctx, scope, cidr)
	return err
}

// JudgeAll judges the resources' CIDRs of one family in a scope from behind
// after on, which is an earlier verdict's After, or the zero Prefix for all. Of
// each it yields what is right, as ipam.Judge does, having called Judge if that
// is not what the table said; and Unheld, which the blocks that it reads anyway
// tell. So a scope in order costs reads alone.
func (s *Store) JudgeAll(ctx context.Context, scope string, f ipam.Family, after netip.Prefix) iter.Seq2[ipam.Verdict, error] {
	return func(yield func(ipam.Verdict, error) bool) {
		var judged netip.Prefix // what was put right in passing
		m := new(meeting)
		for v, err := range s.verdicts(ctx, scope, f.All(), after, m) {
			if err == nil {
				v.Unheld = m.unheld(v.Resource)
			}
			if err == nil && v.Status != v.Resource.Status && (!judged.IsValid() || !ipam.Within(v.Resource.CIDR, judged)) {
				judged, err = s.judge(ctx, scope, v.Resource.CIDR)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// judgedAtOnce is how many statuses one transaction writes. Each is right
// without the others; few of them rarely meet another writer.
const judgedAtOnce = 20

// judge returns what it has judged, too.
func (s *Store) judge(ctx context.Context, scope string, cidr netip.Prefix) (region netip.Prefix, err error) {
	act := fmt.Sprintf("judge %s in %s", cidr, scope)
	for n := 0; ; n++ {
		region, err = s.outermost(ctx, scope, cidr)
		var wrote bool
		var lost error
		if err == nil {
			wrote, lost, err = s.look(ctx, scope, region)
		}
		switch {
		case err == nil && !wrote:
			return region, nil
		case errors.Is(err, ErrThrottled):
			lost = err
		case err != nil:
			return netip.Prefix{}, fmt.Errorf("%s: %w", act, err)
		}
		if n >= s.o.Tries {
			return netip.Prefix{}, exhausted(act, cmp.Or(lost, errLost))
		}
		if lost == nil {
			continue
		}
		if err := s.o.Sleep(ctx, jitter(n+1)); err != nil {
			return netip.Prefix{}, fmt.Errorf("%s: %w after %w", act, err, lost)
		}
	}
}

// look makes one pass over a region and writes what differs. lost is why a
// part may not have been written: lost races, and outcomes that are unknown.
func (s *Store) look(ctx context.Context, scope string, region netip.Prefix) (wrote bool, lost, err error) {
	var writes []Write
	flush := func() bool {
		if len(writes) > 0 {
			wrote = true
			lost = s.table.Transact(ctx, writes)
			writes = nil
		}
		return lost == nil
	}
	for v, err := range s.verdicts(ctx, scope, region, netip.Prefix{}, nil) {
		if err != nil {
			return wrote, lost, err
		}
		if v.Status == v.Resource.Status {
			continue
		}
		if writes = append(writes, s.statusWrite(v)); len(writes) == judgedAtOnce && !flush() {
			return wrote, lost, nil
		}
	}
	flush()
	return wrote, lost, nil
}

// statusWrite gives a resource's CIDR the status of a verdict on it. What
// history records of it begins anew if it is another than before.
func (s *Store) statusWrite(v ipam.Verdict) Write {
	now := *v.Resource
	now.Status = v.Status
	w := Write{
		Op:  OpUpdate,
		Key: liveKey(now.Scope, &now.Resource),
		Set: Item{attrStatus: str(document(now.Status)), attrRev: num(now.Rev + 1)},
		If:  Cond{Equal: Item{attrRev: num(now.Rev)}},
	}
	if !now.RecordedAs(v.Resource) {
		w.Set[attrSince] = num(max(s.o.Now().UnixMilli(), now.Since+1))
	}
	return w
}

// verdicts judges what overlaps a region, which must be closed under overlap,
// from behind after on, if that is valid. m, if not nil, is told of all rows and
// of all that is free.
func (s *Store) verdicts(ctx context.Context, scope string, region, after netip.Prefix, m *meeting) iter.Seq2[ipam.Verdict, error] {
	pools := map[string]*ipam.Pool{}
	allocations := func(yield func(*ipam.Allocation, error) bool) {
		from := region.Addr()
		if after.IsValid() {
			from = after.Addr()
		}
		for a, err := range s.blocksIn(ctx, scope, region, from, m) {
			if err == nil && pools[a.Pool] == nil {
				var p *ipam.Pool
				if p, err = one(ctx, s.Pools, a.Pool); isNotFound(err) {
					err = nil // it is gone, with its allocations
				}
				pools[a.Pool] = p
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
	rows := func(yield func(*ipam.ResourceCIDR, error) bool) {
		for r, err := range s.rowsIn(ctx, scope, region, after) {
			if err == nil && m != nil {
				m.row(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
	return ipam.Judge(rows, allocations, func(id string) *ipam.Pool { return pools[id] })
}

// rowsIn yields the resources' CIDRs in region in their order, from behind
// after on, if that is valid.
func (s *Store) rowsIn(ctx context.Context, scope string, region, after netip.Prefix) iter.Seq2[*ipam.ResourceCIDR, error] {
	return func(yield func(*ipam.ResourceCIDR, error) bool) {
		q := Query{PK: livePK(scope, ipam.FamilyOf(region), ipam.ResourceVPC), From: blockSK(region), To: blocksThrough(region)}
		if after.IsValid() {
			q.From = blockSK(after) + "#~"
		}
		for {
			rows, next, err := decoded(ctx, s, q, DecodeResource)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if q.After = next; next == "" {
				return
			}
		}
	}
}

// outermost returns the largest CIDR of a resource that holds cidr, or cidr if
// none does.
func (s *Store) outermost(ctx context.Context, scope string, cidr netip.Prefix) (netip.Prefix, error) {
	holders, err := s.containers(ctx, scope, cidr)
	if err != nil || len(holders) == 0 {
		return cidr, err
	}
	return holders[len(holders)-1].CIDR, nil
}

// AllocationsIn yields the allocations that overlap cidr of all pools of a
// scope, but those to child pools: in address order. They do not overlap one
// another, but those of planning pools, which stand in their VPCs'. With the whole family for cidr, they are all.
func (s *Store) AllocationsIn(ctx context.Context, scope string, cidr netip.Prefix) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
		for a, err := range s.blocksIn(ctx, scope, cidr, cidr.Addr(), nil) {
			if (err != nil || a.Kind.Visible()) && !yield(a, err) {
				return
			}
		}
	}
}

// blocksIn is AllocationsIn with what is held, and without what ends before from,
// an address in cidr. m, if not nil, is told of what is free.
func (s *Store) blocksIn(ctx context.Context, scope string, cidr netip.Prefix, from netip.Addr, m *meeting) iter.Seq2[*ipam.Allocation, error] {
	return func(yield func(*ipam.Allocation, error) bool) {
		w := walk{visit: func(b poolBlock) bool { return yield(&ipam.Allocation{Taken: b.Taken, Pool: string(b.space)}, nil) }}
		if m != nil {
			w.free = m.free
		}
		err := s.descendFrom(ctx, place{space: ipam.ScopeSpace(scope, ipam.FamilyOf(cidr))}, cidr, from, w)
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// errEnough ends a descent that nobody wants more of.
var errEnough = errors.New("enough")

// walk is what comes of a descent.
type walk struct {
	visit func(poolBlock) bool // a taken block; false ends the descent
	free  func(gap)            // between taken blocks of a pool; nil: nobody asks
}

// place is what a descent is in.
type place struct {
	space  ipam.SpaceID
	pool   bool // and not the scope
	around laid
}

// gap is what no block of a pool takes, from one address to another.
type gap struct {
	first, last netip.Addr
	around      laid // does not take it
}

func (g gap) overlaps(p netip.Prefix) bool {
	return p.IsValid() && !g.last.Less(p.Addr()) && !lastAddr(p).Less(g.first)
}

// descend calls visit for the taken blocks of a scope that overlap cidr and do
// not end before from, in address order; for a child pool's block, for what is
// taken in the child instead; behind a VPC's block, for what is taken in the
// planning pool over it. A split of the scope itself is in no pool and left out.
func (s *Store) descend(ctx context.Context, scope string, cidr netip.Prefix, from netip.Addr, visit func(poolBlock) bool) error {
	return s.descendFrom(ctx, place{space: ipam.ScopeSpace(scope, ipam.FamilyOf(cidr))}, cidr, from, walk{visit: visit})
}

func (s *Store) descendFrom(ctx context.Context, at place, cidr netip.Prefix, from netip.Addr, w walk) error {
	next := from // the first address of which nothing is known yet
	free := func(before netip.Addr) {
		if at.pool && w.free != nil && next.IsValid() && next.Less(before) {
			w.free(gap{next, before.Prev(), at.around})
		}
	}
	for t, err := range s.takenIn(ctx, at.space, cidr, from) {
		if err != nil {
			return err
		}
		free(t.CIDR.Addr())
		next = lastAddr(t.CIDR).Next()
		if at.pool && t.Kind != ipam.KindPool && !w.visit(poolBlock{t, at.space, at.around}) {
			return errEnough
		}
		if t.Below() == "" {
			continue
		}
		in, begin := t.CIDR, from
		if ipam.Within(cidr, in) {
			in = cidr
		}
		if begin.Less(in.Addr()) {
			begin = in.Addr()
		}
		if err := s.descendFrom(ctx, place{ipam.SpaceID(t.Below()), true, below(t)}, in, begin, w); err != nil {
			return err
		}
	}
	if last := lastAddr(cidr); at.pool && w.free != nil && next.IsValid() && !last.Less(next) {
		w.free(gap{next, last, at.around})
	}
	return nil
}

// takenIn yields the taken blocks of one space that overlap cidr and do not end
// before from, an address in cidr, in address order.
func (s *Store) takenIn(ctx context.Context, space ipam.SpaceID, cidr netip.Prefix, from netip.Addr) iter.Seq2[ipam.Taken, error] {
	return func(yield func(ipam.Taken, error) bool) {
		q := Query{PK: takenPK(space), From: hex.EncodeToString(from.AsSlice()), To: blocksThrough(cidr)}
		if !from.IsUnspecified() { // one that begins before from may reach it
			first, ok, err := s.blocker(ctx, space, netip.PrefixFrom(from, from.BitLen()))
			if err != nil {
				yield(first, err)
				return
			}
			if ok {
				if !yield(first, nil) || ipam.Within(cidr, first.CIDR) {
					return
				}
				q.From = blocksThrough(first.CIDR)
			}
		}
		for {
			rows, next, err := s.table.Query(ctx, q)
			if err != nil {
				yield(ipam.Taken{}, err)
				return
			}
			for _, r := range rows {
				t, err := decodeTaken(r)
				if err != nil {
					err = fmt.Errorf("%s: %w", r.Key, err)
				}
				if !yield(t, err) || err != nil {
					return
				}
			}
			if q.After = next; next == "" {
				return
			}
		}
	}
}
