package discover

import (
	"reflect"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Diff compares the earlier findings of a discovery with the present resources,
// both of one account and Region and in any order. ipams are the IPAMs that
// should see the resources. changed are the CIDRs to write: new ones, changed
// ones, ones whose IPAMs are not exactly ipams, and ones that do not follow their
// VPC. They are in the order of [Compare], containers first. gone are the CIDRs that do not exist any more,
// in the reverse order. So a CIDR never exists without its container, at no
// moment of the writing.
func Diff(found []*ipam.Found, seen []ipam.Resource, ipams []string) (changed []ipam.Resource, gone []*ipam.Found) {
	found, seen, ipams = slices.Clone(found), slices.Clone(seen), slices.Clone(ipams)
	slices.SortFunc(found, func(a, b *ipam.Found) int { return Compare(&a.Resource, &b.Resource) })
	slices.SortFunc(seen, func(a, b ipam.Resource) int { return Compare(&a, &b) })
	slices.Sort(ipams)
	vpcs := vpcsOf(found)
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
		if !reflect.DeepEqual(found[0].Resource, *r) || !stands(found[0], ipams) || !vpcs.followed(found[0]) {
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

// vpcs are the findings of VPCs' CIDRs, by the VPC's id.
type vpcs map[string][]*ipam.Found

func vpcsOf(found []*ipam.Found) vpcs {
	all := vpcs{}
	for _, f := range found {
		if f.Type == ipam.ResourceVPC {
			all[f.ID] = append(all[f.ID], f)
		}
	}
	return all
}

// followed reports whether a CIDR is in the scopes of the VPC's CIDR around it, and
// ignored where that is. It may not be if it was found before its VPC.
func (v vpcs) followed(f *ipam.Found) bool {
	if f.Type != ipam.ResourceSubnet && f.Type != ipam.ResourceInterface {
		return true
	}
	i := slices.IndexFunc(v[f.VPC], func(around *ipam.Found) bool { return ipam.Within(f.CIDR, around.CIDR) })
	if i < 0 {
		return true
	}
	for _, t := range v[f.VPC][i].Targets {
		if slices.ContainsFunc(f.Targets, func(own ipam.Target) bool { return own.IPAM == t.IPAM && own != t }) {
			return false
		}
	}
	return true
}
