package prefixlist_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/prefixlist"
)

// list is a prefix list that refuses all that EC2 refuses. It is stricter than EC2: the
// removals of a call make no room for its additions.
type list struct {
	size    int
	entries []netip.Prefix
}

func (l *list) apply(c prefixlist.Call) error {
	if c.Size != 0 {
		switch {
		case len(c.Add)+len(c.Remove) > 0:
			return errors.New("the size and entries in one call")
		case c.Size < len(l.entries), c.Size > prefixlist.MaxSize, c.Size == l.size:
			return fmt.Errorf("size %d for %d entries, from %d", c.Size, len(l.entries), l.size)
		}
		l.size = c.Size
		return nil
	}
	switch {
	case len(c.Add)+len(c.Remove) == 0:
		return errors.New("nothing to change")
	case len(c.Add) > prefixlist.MaxPerCall, len(c.Remove) > prefixlist.MaxPerCall:
		return fmt.Errorf("%d additions and %d removals", len(c.Add), len(c.Remove))
	case len(l.entries)+len(c.Add) > l.size:
		return fmt.Errorf("no room for %d besides %d in %d", len(c.Add), len(l.entries), l.size)
	}
	for _, p := range c.Remove {
		at := slices.Index(l.entries, p)
		if at < 0 {
			return fmt.Errorf("%s is removed and is not there", p)
		}
		l.entries = slices.Delete(l.entries, at, at+1)
	}
	for _, e := range c.Add {
		if slices.Contains(l.entries, e.CIDR) || slices.Contains(c.Remove, e.CIDR) {
			return fmt.Errorf("%s is added and is there", e.CIDR)
		}
		l.entries = append(l.entries, e.CIDR)
	}
	return nil
}

// nth returns the /28 number i.
func nth(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 12), byte(i >> 4), byte(i << 4)}), 28)
}

func between(from, to int) []netip.Prefix {
	var all []netip.Prefix
	for i := from; i < to; i++ {
		all = append(all, nth(i))
	}
	return all
}

func entries(cidrs []netip.Prefix) []prefixlist.Entry {
	var all []prefixlist.Entry
	for _, p := range cidrs {
		all = append(all, prefixlist.Entry{CIDR: p, Description: "of " + p.String()})
	}
	return all
}

// shape writes calls in short: the size, or the numbers of additions and removals.
func shape(calls []prefixlist.Call) string {
	s := ""
	for _, c := range calls {
		if c.Size != 0 {
			s += fmt.Sprintf("size %d; ", c.Size)
		} else {
			s += fmt.Sprintf("+%d −%d; ", len(c.Add), len(c.Remove))
		}
	}
	return s
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name             string
		size             int
		present, desired []netip.Prefix
		sizing           prefixlist.Sizing
		want             string
	}{
		{"nothing to do", 3, between(0, 3), between(0, 3), prefixlist.Sizing{}, ""},
		{"one more", 3, between(0, 3), between(0, 4), prefixlist.Sizing{}, "size 4; +1 −0; "},
		{"one less", 3, between(0, 3), between(0, 2), prefixlist.Sizing{}, "+0 −1; size 2; "},
		{"an empty list keeps size 1", 3, between(0, 3), nil, prefixlist.Sizing{}, "+0 −3; size 1; "},
		{"an empty list stays empty", 1, nil, nil, prefixlist.Sizing{}, ""},
		{"another one in a full list", 3, between(0, 3), between(1, 4), prefixlist.Sizing{}, "+0 −1; +1 −0; "},
		{"another one where there is room", 4, between(0, 3), between(1, 4), prefixlist.Sizing{Fixed: true}, "+1 −1; "},
		{"many in few calls", 1000, between(0, 250), between(250, 500), prefixlist.Sizing{Fixed: true}, "+100 −50; +100 −100; +50 −100; "},
		{"additions come first", 1000, between(0, 50), between(50, 300), prefixlist.Sizing{Fixed: true}, "+100 −0; +100 −0; +50 −50; "},
		{"more removals than additions", 1000, between(0, 250), between(250, 260), prefixlist.Sizing{Fixed: true}, "+10 −100; +0 −100; +0 −50; "},
		{"room to spare", 3, between(0, 3), between(0, 4), prefixlist.Sizing{Spare: 10}, "size 14; +1 −0; "},
		{"room is used", 14, between(0, 4), between(0, 14), prefixlist.Sizing{Spare: 10}, "+10 −0; "},
		{"room has not doubled", 24, between(0, 4), between(0, 4), prefixlist.Sizing{Spare: 10}, ""},
		{"room has doubled", 25, between(0, 4), between(0, 4), prefixlist.Sizing{Spare: 10}, "size 14; "},
		{"room is given back", 14, between(0, 4), nil, prefixlist.Sizing{Spare: 5}, "+0 −4; size 5; "},
		{"no more room than EC2 gives", 1, nil, between(0, 995), prefixlist.Sizing{Spare: 10}, "size 1000; +100 −0; +100 −0; +100 −0; +100 −0; +100 −0; +100 −0; +100 −0; +100 −0; +100 −0; +95 −0; "},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls, err := prefixlist.Plan(prefixlist.List{Size: test.size, Entries: test.present}, entries(test.desired), test.sizing)
			if err != nil || shape(calls) != test.want {
				t.Errorf("%s, %v, want %s", shape(calls), err, test.want)
			}
		})
	}
}

func TestPlanRefusesTooManyEntries(t *testing.T) {
	for _, test := range []struct {
		size, desired int
		sizing        prefixlist.Sizing
		want          prefixlist.NoRoomError
	}{
		{10, 11, prefixlist.Sizing{Fixed: true}, prefixlist.NoRoomError{Need: 11, Size: 10}},
		{10, 1001, prefixlist.Sizing{}, prefixlist.NoRoomError{Need: 1001, Size: 1000}},
	} {
		calls, err := prefixlist.Plan(prefixlist.List{Size: test.size}, entries(between(0, test.desired)), test.sizing)
		if full, ok := errors.AsType[*prefixlist.NoRoomError](err); !ok || *full != test.want || calls != nil {
			t.Errorf("%v, %v, want %v", calls, err, &test.want)
		}
	}
}

// The calls of a plan are all accepted, end with the desired entries and size, never take
// a CIDR away that stays desired, and are as few as the limits of a call admit.
func TestPlansAreAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{6, 250, 420}).Draw(t, "limit")
		draw := func(name string) []netip.Prefix {
			from := rapid.IntRange(0, limit).Draw(t, name+" from")
			return between(from, from+rapid.IntRange(0, limit).Draw(t, name))
		}
		present, desired := draw("present"), draw("desired")
		l := &list{size: max(1, len(present)+rapid.IntRange(0, limit).Draw(t, "room")), entries: slices.Clone(present)}
		s := prefixlist.Sizing{Fixed: rapid.Bool().Draw(t, "fixed"), Spare: rapid.IntRange(0, 20).Draw(t, "spare")}
		before := l.size
		calls, err := prefixlist.Plan(prefixlist.List{Size: l.size, Entries: present}, entries(desired), s)
		if _, full := errors.AsType[*prefixlist.NoRoomError](err); full && s.Fixed && len(desired) > l.size {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		kept := slices.DeleteFunc(slices.Clone(present), func(p netip.Prefix) bool { return !slices.Contains(desired, p) })
		changing := 0
		for _, c := range calls {
			if err := l.apply(c); err != nil {
				t.Fatalf("%s: %v", shape(calls), err)
			}
			if c.Size == 0 {
				changing++
			}
			for _, p := range kept {
				if !slices.Contains(l.entries, p) {
					t.Fatalf("%s: %s is away for some time", shape(calls), p)
				}
			}
		}
		if !slices.Equal(slices.SortedFunc(slices.Values(l.entries), netip.Prefix.Compare), desired) {
			t.Fatalf("%s ends with %v, want %v", shape(calls), l.entries, desired)
		}
		if s.Fixed && l.size != before || !s.Fixed && (l.size < len(desired) || l.size > max(1, len(desired)+2*s.Spare)) {
			t.Fatalf("size %d for %d entries with %+v", l.size, len(desired), s)
		}
		adds, removes := len(desired)-len(kept), len(present)-len(kept)
		fewest := max((adds+99)/100, (removes+99)/100)
		if room := max(before, l.size) - len(present); adds > room { // removals come first
			fewest = (removes+99)/100 + (adds+99)/100
		}
		if changing > fewest {
			t.Fatalf("%s for %d additions and %d removals in %d", shape(calls), adds, removes, before)
		}
	})
}

func TestSplit(t *testing.T) {
	three := [][]netip.Prefix{between(0, 2), between(2, 4), nil}
	for _, test := range []struct {
		name    string
		desired []netip.Prefix
		room    []int
		want    [][]netip.Prefix
	}{
		{"each stays in its list", between(0, 4), []int{2, 2, 2}, [][]netip.Prefix{between(0, 2), between(2, 4), nil}},
		{"a new one goes to the first room", between(0, 5), []int{2, 3, 2}, [][]netip.Prefix{between(0, 2), between(2, 5), nil}},
		{"the last list takes the rest", between(0, 6), []int{2, 2, 2}, [][]netip.Prefix{between(0, 2), between(2, 4), between(4, 6)}},
		{"a list became smaller", between(0, 4), []int{1, 2, 2}, [][]netip.Prefix{between(0, 1), between(2, 4), between(1, 2)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := prefixlist.Split(entries(test.desired), three, test.room)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range test.want {
				if !slices.Equal(got[i], entries(want)) {
					t.Errorf("list %d has %v, want %v", i, got[i], entries(want))
				}
			}
		})
	}
	if _, err := prefixlist.Split(entries(between(0, 7)), three, []int{2, 2, 2}); err == nil || err.Error() != "7 entries do not fit into a prefix list of 6" {
		t.Error(err)
	}
}

// Split gives each entry to one list, fills none too much, and moves nothing that can stay.
func TestSplitMovesNothingThatCanStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := between(0, rapid.IntRange(0, 12).Draw(t, "desired"))
		present := make([][]netip.Prefix, rapid.IntRange(1, 4).Draw(t, "lists"))
		room := make([]int, len(present))
		total := 0
		for i := range present {
			for n := range 16 {
				if rapid.IntRange(0, 3).Draw(t, "has") == 0 {
					present[i] = append(present[i], nth(n))
				}
			}
			room[i] = rapid.IntRange(0, 8).Draw(t, "room")
			total += room[i]
		}
		lists, err := prefixlist.Split(entries(desired), present, room)
		if (err != nil) != (len(desired) > total) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		var all []netip.Prefix
		for i, of := range lists {
			if len(of) > room[i] {
				t.Fatalf("list %d has %d entries and room for %d", i, len(of), room[i])
			}
			for _, e := range of {
				all = append(all, e.CIDR)
			}
		}
		if !slices.Equal(slices.SortedFunc(slices.Values(all), netip.Prefix.Compare), desired) {
			t.Fatalf("%v have not the entries %v", lists, desired)
		}
		for i, of := range lists {
			for _, e := range of {
				home := slices.IndexFunc(present, func(p []netip.Prefix) bool { return slices.Contains(p, e.CIDR) })
				if home >= 0 && home != i && len(lists[home]) < room[home] {
					t.Fatalf("%s has moved from list %d with room to list %d", e.CIDR, home, i)
				}
			}
		}
	})
}
