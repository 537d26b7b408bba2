// Package prefixlist decides on the contents of EC2's managed prefix lists: the fewest
// CIDRs for a set of addresses, the division over several lists, and the calls that
// change a list. It is pure: it makes no call and reads no clock.
//
// The functions change none of their arguments. All prefixes are valid and masked, and
// those of one call have one family.
package prefixlist
