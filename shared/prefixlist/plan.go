package prefixlist

import (
	"fmt"
	"net/netip"
	"slices"
)

// EC2's limits of a managed prefix list (Amazon VPC User Guide, "Managed prefix lists"; EC2
// API Reference, "ModifyManagedPrefixList").
const (
	MaxSize    = 1000 // the largest MaxEntries
	MaxPerCall = 100  // the entries that one call adds, and those that it removes
)

// Entry is an entry of a prefix list.
type Entry struct {
	CIDR        netip.Prefix
	Description string
}

// List is the present state of a prefix list.
type List struct {
	Size    int // its MaxEntries
	Entries []netip.Prefix
}

// Sizing is the way in which the size of a list follows the number of its entries. EC2
// counts the size against the quotas of security groups and route tables, so a list should
// be no larger than it must be.
type Sizing struct {
	Fixed bool // the size stays as it is
	Spare int  // the room for further entries that a new size has
}

// Call is one ModifyManagedPrefixList. It changes either the size or entries.
type Call struct {
	Size   int // the new size, 0 for a call that changes entries
	Remove []netip.Prefix
	Add    []Entry
}

// NoRoomError says that a list is too small for its entries.
type NoRoomError struct{ Need, Size int }

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("%d entries do not fit into a prefix list of %d", e.Need, e.Size)
}

// Plan returns the calls that give a list the desired entries, in their order. There are
// none if it has them. No CIDR is desired twice. An entry that the list has keeps its description, because EC2
// changes a description only by removing the entry for some seconds.
//
// The list grows first and shrinks last, each in a call of its own, as EC2 demands. While
// there is room, entries are added before others are removed. So the list never lacks a
// CIDR that it had and should have. A call never depends on the room that its own removals
// make.
//
// Plan returns a [NoRoomError] if the list would have to be larger than [MaxSize], or than
// a fixed size.
func Plan(l List, desired []Entry, s Sizing) ([]Call, error) {
	size := s.size(l.Size, len(desired))
	if len(desired) > size {
		return nil, &NoRoomError{Need: len(desired), Size: size}
	}
	var calls []Call
	if size > l.Size {
		calls = append(calls, Call{Size: size})
	}
	calls = append(calls, changes(max(size, l.Size), l.Entries, desired)...)
	if size < l.Size {
		calls = append(calls, Call{Size: size})
	}
	return calls, nil
}

// size returns the size of a list for a number of entries. With room to spare, the size
// changes only if the room is used up or has doubled, so that not every change of the
// entries changes the size.
func (s Sizing) size(present, entries int) int {
	if s.Fixed || present >= entries && present <= entries+2*s.Spare && present > 0 {
		return present
	}
	return min(max(entries+s.Spare, 1), MaxSize)
}

// changes returns the calls that change the entries of a list of a size.
func changes(size int, present []netip.Prefix, desired []Entry) []Call {
	has, wants := setOf(present), map[netip.Prefix]bool{}
	var add []Entry
	for _, e := range desired {
		wants[e.CIDR] = true
		if !has[e.CIDR] {
			add = append(add, e)
		}
	}
	remove := slices.DeleteFunc(slices.Clone(present), func(p netip.Prefix) bool { return wants[p] })
	n := len(present)
	var calls []Call
	for len(add)+len(remove) > 0 {
		adds := min(len(add), MaxPerCall, max(size-n, 0))
		left := len(add) - adds
		// Removals wait for the last calls that the additions need anyway, unless the
		// additions need their room.
		removes := max(len(remove)-MaxPerCall*callsFor(left), 0)
		if left > size-n-adds {
			removes = len(remove)
		}
		removes = min(removes, len(remove), MaxPerCall)
		calls = append(calls, Call{Remove: remove[:removes:removes], Add: add[:adds:adds]})
		add, remove, n = add[adds:], remove[removes:], n+adds-removes
	}
	return calls
}

// callsFor returns the number of calls that add, or remove, n entries.
func callsFor(n int) int { return (n + MaxPerCall - 1) / MaxPerCall }

func setOf(cidrs []netip.Prefix) map[netip.Prefix]bool {
	set := make(map[netip.Prefix]bool, len(cidrs))
	for _, p := range cidrs {
		set[p] = true
	}
	return set
}
