package ipam_test

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// blocks is a space to which a test applies changes. It checks the condition of
// each change, as the store's transactions do.
type blocks struct {
	roots []ipam.Free
	free  map[netip.Prefix]ipam.Free
	taken map[netip.Prefix]ipam.Taken
}

func newBlocks(roots ...ipam.Free) *blocks {
	s := &blocks{roots: roots, free: map[netip.Prefix]ipam.Free{}, taken: map[netip.Prefix]ipam.Taken{}}
	for _, r := range roots {
		s.free[r.CIDR] = r
	}
	return s
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func (s *blocks) apply(t fataler, room int, changes []ipam.Change) {
	t.Helper()
	if len(changes) > room {
		t.Fatalf("%d changes, more than the %d there is room for: %+v", len(changes), room, changes)
	}
	for _, c := range changes {
		free, isFree := s.free[c.Free.CIDR]
		switch c.Op {
		case ipam.DropFree:
			if !isFree || free != c.Free {
				t.Fatalf("drops the free block %+v; there is %+v", c.Free, free)
			}
			delete(s.free, c.Free.CIDR)
		case ipam.AddFree:
			if isFree {
				t.Fatalf("adds the free block %+v twice", c.Free)
			}
			s.free[c.Free.CIDR] = c.Free
		case ipam.CheckNoFree:
			if isFree {
				t.Fatalf("leaves the free buddy %+v", free)
			}
		case ipam.DropTaken:
			have, ok := s.taken[c.Taken.CIDR]
			if !ok || !cmp.Equal(have, c.Taken, plainPrefixes) {
				t.Fatalf("drops the taken block %+v; there is %+v", c.Taken, have)
			}
			delete(s.taken, c.Taken.CIDR)
		case ipam.AddTaken:
			if have, ok := s.taken[c.Taken.CIDR]; ok {
				t.Fatalf("adds the taken block %+v over %+v", c.Taken, have)
			}
			s.taken[c.Taken.CIDR] = c.Taken
		default:
			t.Fatalf("unknown change %+v", c)
		}
	}
}

func (s *blocks) freeAt(p netip.Prefix) (ipam.Free, bool) {
	f, ok := s.free[p]
	return f, ok
}

// inOrder returns the free blocks in the order of Choose's candidates.
func (s *blocks) inOrder() []netip.Prefix {
	return ipamtest.Free(slices.Collect(maps.Keys(s.free)), nil)
}

// check compares the free blocks with the set of addresses that are not taken.
func (s *blocks) check(t fataler) {
	t.Helper()
	roots := make([]netip.Prefix, len(s.roots))
	for i, r := range s.roots {
		roots[i] = r.CIDR
	}
	taken := slices.Collect(maps.Keys(s.taken))
	for i, a := range taken {
		for _, b := range taken[:i] {
			if a.Overlaps(b) {
				t.Fatalf("taken twice: %s and %s", a, b)
			}
		}
	}
	want := ipamtest.Free(roots, taken)
	if d := cmp.Diff(want, s.inOrder(), plainPrefixes); d != "" {
		t.Fatalf("free blocks with %s taken (-want +got):\n%s", taken, d)
	}
	for _, f := range s.free {
		i := slices.IndexFunc(s.roots, func(r ipam.Free) bool { return ipam.Within(f.CIDR, r.CIDR) })
		if f.Root != s.roots[i].Root {
			t.Fatalf("the free block %s has root %+v, want %+v", f.CIDR, f.Root, s.roots[i].Root)
		}
	}
}

// take takes want out of a free block, in as many steps as necessary.
func (s *blocks) take(t fataler, room int, from ipam.Free, want ipam.Taken) {
	t.Helper()
	changes, rest := ipam.Take(from, want, room)
	s.apply(t, room, changes)
	s.check(t)
	for rest != nil {
		at := *rest
		if at.Kind != ipam.KindSplit || at.AllocationID != want.AllocationID || at.Owner != want.Owner || at.Deadline != want.Deadline || !ipam.Within(want.CIDR, at.CIDR) || want.CIDR == at.CIDR {
			t.Fatalf("the split %+v is not on the way to %+v", at, want)
		}
		changes, rest = ipam.TakeFromSplit(at, want, room)
		s.apply(t, room, changes)
		s.check(t)
	}
	got := s.taken[want.CIDR]
	want.Root, want.Deadline = from.Root, 0
	if d := cmp.Diff(want, got, plainPrefixes); d != "" {
		t.Fatalf("taken block (-want +got):\n%s", d)
	}
}

// give gives a taken block back, in as many steps as necessary.
func (s *blocks) give(t fataler, room int, deadline int64, p netip.Prefix) {
	t.Helper()
	for at := new(s.taken[p]); at != nil; {
		changes, rest, err := ipam.Give(*at, s.freeAt, room, deadline)
		if err != nil {
			t.Fatalf("give %s back: %v", at.CIDR, err)
		}
		s.apply(t, room, changes)
		s.check(t)
		if rest != nil && (rest.Kind != ipam.KindSplit || rest.Deadline != deadline || rest.Root != at.Root || rest.CIDR == at.CIDR) {
			t.Fatalf("after %+v comes the split %+v", *at, *rest)
		}
		at = rest
	}
}

func rootBlock(id, p string) ipam.Free {
	return ipam.Free{CIDR: prefix(p), Root: ipam.Root{ID: id, Bits: prefix(p).Bits()}}
}

func custom(id, p string) ipam.Taken {
	return ipam.Taken{CIDR: prefix(p), AllocationID: id, Kind: ipam.KindCustom, Owner: "111122223333", Description: "d", Tags: ipam.Tags{"k": "v"}, Deadline: 7}
}

func TestTakeByGeometry(t *testing.T) {
	for _, c := range []struct {
		name, root, want string
		free             []string // afterwards
	}{
		{"the whole root", "10.0.0.0/22", "10.0.0.0/22", nil},
		{"the lower half", "10.0.0.0/22", "10.0.0.0/23", []string{"10.0.2.0/23"}},
		{"the upper half", "10.0.0.0/22", "10.0.2.0/23", []string{"10.0.0.0/23"}},
		{"in the middle", "10.0.0.0/22", "10.0.1.0/24", []string{"10.0.0.0/24", "10.0.2.0/23"}},
		{"one of two addresses", "10.0.0.0/31", "10.0.0.1/32", []string{"10.0.0.0/32"}},
		{"the only address", "10.0.0.0/32", "10.0.0.0/32", nil},
		{"half of IPv6", "::/0", "8000::/1", []string{"::/1"}},
		{"one of two IPv6 addresses", "2001:db8::/127", "2001:db8::/128", []string{"2001:db8::1/128"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newBlocks(rootBlock("r", c.root))
			s.take(t, 88, s.roots[0], custom("a", c.want))
			if d := cmp.Diff(prefixes(c.free...), append([]netip.Prefix{}, s.inOrder()...), plainPrefixes); d != "" {
				t.Errorf("free blocks (-want +got):\n%s", d)
			}
			s.give(t, 88, 9, prefix(c.want))
			if d := cmp.Diff(s.roots, slices.Collect(maps.Values(s.free)), plainPrefixes); d != "" {
				t.Errorf("after giving it back (-root +free):\n%s", d)
			}
		})
	}
}

func TestTakeOutsideOfABlockPanics(t *testing.T) {
	want := custom("a", "10.0.4.0/24")
	if !panics(func() { ipam.Take(rootBlock("r", "10.0.0.0/22"), want, 88) }) {
		t.Error("took a block out of one that does not hold it")
	}
	if !panics(func() { ipam.TakeFromSplit(ipam.Taken{CIDR: prefix("10.0.0.0/22")}, want, 88) }) {
		t.Error("took a block out of a split that does not hold it")
	}
}

// A /128 is taken out of all of IPv6 and given back, through splits, with every
// room from the smallest to more than enough.
func TestDeepestSplitWithEveryRoom(t *testing.T) {
	for room := 5; room <= 131; room++ {
		s := newBlocks(rootBlock("r", "::/0"))
		s.take(t, room, s.roots[0], custom("a", "2001:db8::7/128"))
		if len(s.free) != 128 {
			t.Fatalf("room %d: %d free blocks, want 128", room, len(s.free))
		}
		s.give(t, room, 9, prefix("2001:db8::7/128"))
		if len(s.free) != 1 || len(s.taken) != 0 {
			t.Fatalf("room %d: %d free and %d taken blocks are left", room, len(s.free), len(s.taken))
		}
	}
}

// Two roots that are buddies stay two roots: each merges up to its own length
// only.
func TestMergingStopsAtTheRoot(t *testing.T) {
	s := newBlocks(rootBlock("low", "10.0.0.0/24"), rootBlock("high", "10.0.1.0/24"))
	s.take(t, 88, s.roots[0], custom("a", "10.0.0.0/25"))
	changes, rest, err := ipam.Give(s.taken[prefix("10.0.0.0/25")], s.freeAt, 88, 9)
	if err != nil || rest != nil {
		t.Fatal(rest, err)
	}
	s.apply(t, 88, changes)
	s.check(t)
	if last := changes[len(changes)-1]; last.Op != ipam.AddFree {
		t.Errorf("a block that is its whole root again is checked for a buddy: %+v", last)
	}
}

// A merged block that is smaller than its root checks that its buddy has not
// become free meanwhile.
func TestGiveChecksTheFinalBuddy(t *testing.T) {
	s := newBlocks(rootBlock("r", "10.0.0.0/24"))
	s.take(t, 88, s.roots[0], custom("a", "10.0.0.0/26"))
	s.take(t, 88, s.free[prefix("10.0.0.128/25")], custom("b", "10.0.0.128/25"))
	changes, _, err := ipam.Give(s.taken[prefix("10.0.0.0/26")], s.freeAt, 88, 9)
	free := func(op ipam.ChangeOp, p string) ipam.Change {
		return ipam.Change{Op: op, Free: ipam.Free{CIDR: prefix(p), Root: s.roots[0].Root}}
	}
	want := []ipam.Change{
		{Op: ipam.DropTaken, Taken: s.taken[prefix("10.0.0.0/26")]},
		free(ipam.DropFree, "10.0.0.64/26"),
		free(ipam.AddFree, "10.0.0.0/25"),
		free(ipam.CheckNoFree, "10.0.0.128/25"),
	}
	if d := cmp.Diff(want, changes, plainPrefixes); err != nil || d != "" {
		t.Errorf("%v, changes (-want +got):\n%s", err, d)
	}
}

func TestGiveNextToABlockOfAnotherRootIsStale(t *testing.T) {
	taken := custom("a", "10.0.0.0/25")
	taken.Root = ipam.Root{ID: "new", Bits: 24}
	for _, root := range []ipam.Root{{ID: "old", Bits: 24}, {ID: "new", Bits: 25}} {
		_, _, err := ipam.Give(taken, func(p netip.Prefix) (ipam.Free, bool) { return ipam.Free{CIDR: p, Root: root}, true }, 88, 9)
		if !errors.Is(err, ipam.ErrStale) {
			t.Errorf("beside a free buddy of root %+v: %v, want ErrStale", root, err)
		}
	}
}

func TestTakeAndGiveAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := ipamtest.Families().Draw(t, "family")
		lower, upper := ipam.Halves(f.All())
		// Whole families, and roots that are neighbours.
		roots := rapid.SampledFrom([][]netip.Prefix{{f.All()}, {lower, upper}, {ipamtest.Inside(f.All()).Draw(t, "root")}}).Draw(t, "roots")
		s := newBlocks()
		for i, r := range roots {
			root := ipam.Free{CIDR: r, Root: ipam.Root{ID: string(rune('a' + i)), Bits: r.Bits()}}
			s.roots, s.free[r] = append(s.roots, root), root
		}
		room := rapid.IntRange(5, 20).Draw(t, "room")
		for i := range rapid.IntRange(1, 12).Draw(t, "takes") {
			free := s.inOrder()
			if len(free) == 0 {
				break
			}
			from := s.free[rapid.SampledFrom(free).Draw(t, "from")]
			want := custom(string(rune('A'+i)), "0.0.0.0/0")
			want.CIDR = ipamtest.Inside(from.CIDR).Draw(t, "want")
			s.take(t, room, from, want)
			if rapid.Bool().Draw(t, "give one back") {
				s.give(t, room, 9, rapid.SampledFrom(ipamtest.Free(slices.Collect(maps.Keys(s.taken)), nil)).Draw(t, "which"))
			}
		}
		for len(s.taken) > 0 {
			s.give(t, room, 9, rapid.SampledFrom(ipamtest.Free(slices.Collect(maps.Keys(s.taken)), nil)).Draw(t, "give"))
		}
		if len(s.free) != len(s.roots) {
			t.Fatalf("all given back, and %v is free", s.inOrder())
		}
	})
}

// divisions returns every way to take blocks out of b: none, all of b, or one
// way for each half.
func divisions(b netip.Prefix) [][]netip.Prefix {
	all := [][]netip.Prefix{{b}}
	if b.IsSingleIP() {
		return append(all, nil)
	}
	lower, upper := ipam.Halves(b)
	above := divisions(upper)
	for _, l := range divisions(lower) {
		for _, u := range above {
			all = append(all, slices.Concat(l, u))
		}
	}
	return all
}

// Of 16 addresses, in each of the 458,330 states that taking and giving back
// can reach, the block chosen for each length equals the model's.
func TestEveryChoiceAmongSixteenAddresses(t *testing.T) {
	universe := prefix("10.0.0.0/28")
	states := divisions(universe)
	for _, taken := range states {
		free := ipamtest.Free([]netip.Prefix{universe}, taken)
		candidates := make([]ipam.Free, len(free))
		for i, p := range free {
			candidates[i].CIDR = p
		}
		for length := 28; length <= 32; length++ {
			want, possible := ipamtest.Lowest(free, length, ipam.Filter{})
			if _, got, ok := ipam.Choose(candidates, length, ipam.Filter{}, 1, nil); ok != possible || got != want {
				t.Fatalf("with %s taken, /%d: chose %s, want %s", taken, length, got, want)
			}
		}
	}
	if len(states) != 458_330 {
		t.Errorf("%d states, want 458,330", len(states))
	}
	t.Logf("%d states, %d choices", len(states), 5*len(states))
}

// Of 8 addresses, in each of the 677 states, taking each CIDR out of the block
// that contains it and giving each taken block back leaves exactly the free
// blocks of the model, with the smallest room and with plenty.
func TestEveryTakeAndGiveAmongEightAddresses(t *testing.T) {
	states, steps := divisions(prefix("10.0.0.0/29")), 0
	for _, taken := range states {
		for _, room := range []int{5, 88} {
			build := func() *blocks {
				s := newBlocks(rootBlock("r", "10.0.0.0/29"))
				for _, p := range taken {
					held := custom(p.String(), p.String())
					held.Root, held.Deadline = s.roots[0].Root, 0
					s.taken[p] = held
				}
				clear(s.free)
				for _, p := range ipamtest.Free(prefixes("10.0.0.0/29"), taken) {
					s.free[p] = ipam.Free{CIDR: p, Root: s.roots[0].Root}
				}
				return s
			}
			for _, p := range taken {
				build().give(t, room, 9, p)
				steps++
			}
			for _, from := range build().free {
				for length := from.CIDR.Bits(); length <= 32; length++ {
					for p := range (ipam.Filter{}).Positions(from.CIDR, length) {
						build().take(t, room, from, custom("n", p.String()))
						steps++
					}
				}
			}
		}
	}
	if len(states) != 677 {
		t.Errorf("%d states, want 677", len(states))
	}
	t.Logf("%d states, %d steps", len(states), steps)
}
