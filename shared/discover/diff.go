package discover

import (
	"reflect"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Diff compares the earlier findings of a discovery with the present resources,
// both of one account and Region and in any order. ipams are the IPAMs that
// should see the resources. changed are the CIDRs to write: new ones, changed
// ones, and ones whose IPAMs are not exactly ipams. They are in the order of
// [Compare], containers first. gone are the CIDRs that do not exist any more,
// in the reverse order. So a CIDR never exists without its container, at no
// moment of the writing.
func Diff(found []*ipam.Found, seen []ipam.Resource, ipams []string) (changed []ipam.Resource, gone []*ipam.Found) {
	found, seen, ipams = slices.Clone(found), slices.Clone(seen), slices.Clone(ipams)
	slices.SortFunc(found, func(a, b *ipam.Found) int { return Compare(&a.Resource, &b.Resource) })
	slices.SortFunc(seen, func(a, b ipam.Resource) int { return Compare(&a, &b) })
	slices.Sort(ipams)
	for i := range seen {
		r := &seen[i]
		for len(found) > 0 && Compare(&found[0].Resource, r) < 0 {
			gone = append(gone, found[0])
			found = found[1:]
		}
		if len(found) == 0 || Compare(&found[0].Resource, r) > 0 {
			changed = append(changed, *r)
			continue
		}
		if !reflect.DeepEqual(found[0].Resource, *r) || !stands(found[0], ipams) {
			changed = append(changed, *r)
		}
		found = found[1:]
	}
	gone = append(gone, found...)
	slices.Reverse(gone)
	return changed, gone
}

// stands reports whether exactly the IPAMs, sorted, see the CIDR.
func stands(f *ipam.Found, ipams []string) bool {
	return slices.EqualFunc(f.Targets, ipams, func(t ipam.Target, id string) bool { return t.IPAM == id })
}
