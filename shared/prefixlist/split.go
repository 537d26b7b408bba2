package prefixlist

import (
	"net/netip"
	"slices"
)

// Split divides desired entries over several lists. present has the entries of each list,
// and room[i] the most entries that list i can have. An entry stays in the first list that
// has it. The other entries fill the room that is left, the first list first.
//
// Split returns a [NoRoomError] if the lists together are too small.
func Split(desired []Entry, present [][]netip.Prefix, room []int) ([][]Entry, error) {
	total := 0
	for _, n := range room {
		total += n
	}
	if len(desired) > total {
		return nil, &NoRoomError{Need: len(desired), Size: total}
	}
	home := map[netip.Prefix]int{}
	for i, cidrs := range slices.Backward(present) {
		for _, p := range cidrs {
			home[p] = i
		}
	}
	lists := make([][]Entry, len(present))
	var homeless []Entry
	for _, e := range desired {
		if i, ok := home[e.CIDR]; ok && len(lists[i]) < room[i] {
			lists[i] = append(lists[i], e)
		} else {
			homeless = append(homeless, e)
		}
	}
	for i := range lists {
		n := min(room[i]-len(lists[i]), len(homeless))
		lists[i] = append(lists[i], homeless[:n]...)
		homeless = homeless[n:]
	}
	return lists, nil
}
