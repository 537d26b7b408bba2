package ipam

import "net/netip"

// PastBlock is a taken block, or a CIDR of a pool, as a map of the past shows it.
type PastBlock struct {
	Kind           Kind
	AllocationID   string `json:",omitempty"`
	Owner          string `json:",omitempty"`
	ResourceID     string `json:",omitempty"`
	ResourceRegion string `json:",omitempty"`
	Description    string `json:",omitempty"`
	Name           string `json:",omitempty"` // the value of the tag Name
	PlanningPool   string `json:",omitempty"`
}

// PastOf returns the part of a taken block that a map of the past shows; nil for an
// intermediate block of a change, whose space such a map shows as free.
func (t *Taken) PastOf() *PastBlock {
	if t.Kind == KindSplit {
		return nil
	}
	return &PastBlock{t.Kind, t.AllocationID, t.Owner, t.ResourceID, t.ResourceRegion, t.Description, t.Tags["Name"], t.PlanningPool}
}

// Taken returns the taken block, which had the CIDR.
func (b *PastBlock) Taken(cidr netip.Prefix) Taken {
	t := Taken{
		CIDR: cidr, Kind: b.Kind, AllocationID: b.AllocationID, Owner: b.Owner, ResourceID: b.ResourceID, ResourceRegion: b.ResourceRegion,
		Description: b.Description, PlanningPool: b.PlanningPool,
	}
	if b.Name != "" {
		t.Tags = Tags{"Name": b.Name}
	}
	return t
}

// PastOf returns the part of a pool's CIDR that a map of the past shows; nil if the pool
// does not have it now.
func (c *PoolCIDR) PastOf() *PastBlock {
	if !c.State.Holds() {
		return nil
	}
	return &PastBlock{Kind: KindPool, AllocationID: c.AllocationID, Owner: c.Owner}
}

// PastOf returns the part of a resource's CIDR that a map of the past shows.
func (r *ResourceCIDR) PastOf() *ResourceCIDR {
	return &ResourceCIDR{
		Resource: Resource{Type: r.Type, ID: r.ID, CIDR: r.CIDR, Owner: r.Owner, Region: r.Region, Name: r.Name, VPC: r.VPC},
		Status:   Status{Management: r.Status.Management, Compliance: r.Status.Compliance, Overlap: r.Status.Overlap, Pool: r.Status.Pool, Allocation: r.Status.Allocation, With: r.Status.With},
		Scope:    r.Scope, Since: r.Since,
	}
}
