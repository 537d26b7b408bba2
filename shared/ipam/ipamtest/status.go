package ipamtest

import (
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// StatusOf is the status of a resource's CIDR, without texts and without one
// counterpart. Overlaps lists all counterparts, each as "<id> <CIDR>".
type StatusOf struct {
	ipam.Status
	Overlaps []string
}

// StatusesOf returns the same statuses as [ipam.EvaluateStatuses], and looks at each pair.
// Resources come in any order, and the results are in the same order.
func StatusesOf(rows []*ipam.ResourceCIDR, allocations []*ipam.Allocation, pools map[string]*ipam.Pool) []StatusOf {
	claims := func(r *ipam.ResourceCIDR, a *ipam.Allocation) bool {
		return (r.Type == "vpc" || r.Type == "subnet") && !r.Ignored && a.Kind == "custom" && a.CIDR == r.CIDR && a.Owner == r.Owner && pools[a.Pool].SourceVPC() != r.ID
	}
	planned := func(r *ipam.ResourceCIDR) bool {
		return slices.ContainsFunc(allocations, func(a *ipam.Allocation) bool {
			return a.PlanningPool != "" && a.ResourceID == r.VPC && ipam.Within(r.CIDR, a.CIDR) && slices.ContainsFunc(rows, func(v *ipam.ResourceCIDR) bool {
				return !v.Ignored && v.ID == a.ResourceID && v.CIDR == a.CIDR
			})
		})
	}
	evaluated := make([]StatusOf, len(rows))
	for i, r := range rows {
		j := &evaluated[i]
		if r.Ignored {
			j.Status = ipam.Status{Management: "ignored", Compliance: "ignored", Overlap: "ignored"}
			continue
		}
		j.Overlap = "nonoverlapping"
		if r.Type != "subnet" || planned(r) {
			j.Management, j.Compliance = "unmanaged", "unmanaged"
		}
		for _, a := range allocations {
			if claims(r, a) || a.ResourceID == r.ID && a.CIDR == r.CIDR && a.Kind == r.Type.Kind() {
				j.Management, j.Compliance, j.Pool, j.Allocation = "managed", "noncompliant", a.Pool, a.AllocationID
				if obeys(r, pools[a.Pool]) {
					j.Compliance = "compliant"
				}
			}
			claimed := slices.ContainsFunc(rows, func(r *ipam.ResourceCIDR) bool { return claims(r, a) })
			around := pools[a.Pool].SourceVPC()
			if a.Kind == "custom" && !claimed && a.CIDR.Overlaps(r.CIDR) && (around == "" || around != r.VPC) {
				j.Overlaps = append(j.Overlaps, a.AllocationID+" "+a.CIDR.String())
			}
		}
		for k, o := range rows {
			if k != i && !o.Ignored && o.CIDR.Overlaps(r.CIDR) && !related(r, o) {
				j.Overlaps = append(j.Overlaps, o.ID+" "+o.CIDR.String())
			}
		}
		if j.Overlaps != nil {
			j.Overlap = "overlapping"
		}
	}
	return evaluated
}

// related reports whether two resources, or two CIDRs of one resource, may
// intersect.
func related(a, b *ipam.ResourceCIDR) bool {
	if a.ID == b.ID {
		return true
	}
	if a.Type == "vpc" || a.Type == "subnet" {
		return a.VPC != "" && a.VPC == b.VPC
	}
	poolOf := func(r *ipam.ResourceCIDR) string {
		if r.Type == "eip" {
			return r.Public.PublicIPv4Pool
		}
		return r.ID
	}
	return (b.Type == "eip" || b.Type == "public-ipv4-pool") && poolOf(a) != "" && poolOf(a) != "amazon" && poolOf(a) == poolOf(b)
}

func obeys(r *ipam.ResourceCIDR, p *ipam.Pool) bool {
	for key, value := range p.Rules.ResourceTags {
		if have, ok := r.Tags[key]; !ok || have != value {
			return false
		}
	}
	return (p.Locale == "" || p.Locale == r.Region) &&
		(p.Rules.Min == nil || r.CIDR.Bits() >= *p.Rules.Min) &&
		(p.Rules.Max == nil || r.CIDR.Bits() <= *p.Rules.Max)
}
