package ipam

import "net/netip"

// Gaps returns the part of region outside all of parts, as the fewest blocks,
// by ascending address. parts are inside region, do not overlap and ascend. If
// parts are the taken blocks of a space, the gaps are its free blocks.
//
//	region  |-------------------------------|
//	parts   |---|           |-------|
//	gaps        |---|-------|       |-------|
func Gaps(region netip.Prefix, parts []netip.Prefix) []netip.Prefix {
	_, gaps := Partition(region, parts)
	return gaps
}

// Partition divides region into the part that live covers and the part that
// live does not cover. Each part is the fewest blocks, by ascending address.
// live may contain any CIDRs, in the order of [netip.Prefix.Compare].
func Partition(region netip.Prefix, live []netip.Prefix) (covered, free []netip.Prefix) {
	for len(live) > 0 && !live[0].Overlaps(region) {
		live = live[1:]
	}
	for n := len(live); n > 0 && !live[n-1].Overlaps(region); n-- {
		live = live[:n-1]
	}
	if len(live) == 0 {
		return nil, []netip.Prefix{region}
	}
	for _, l := range live {
		if Within(region, l) {
			return []netip.Prefix{region}, nil
		}
	}
	lower, upper := Halves(region)
	covered, free = Partition(lower, live)
	c, f := Partition(upper, live)
	if len(free)+len(f) == 0 { // live covers both halves completely
		return []netip.Prefix{region}, nil
	}
	return append(covered, c...), append(free, f...)
}
