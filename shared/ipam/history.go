package ipam

import (
	"net/netip"
	"slices"
)

// HistoryType is what a record of history is about, with the values of the EC2
// API's IpamAddressHistoryResourceType.
type HistoryType string

// The types of history records.
const (
	HistoryEIP       HistoryType = "eip"
	HistoryVPC       HistoryType = "vpc"
	HistorySubnet    HistoryType = "subnet"
	HistoryInterface HistoryType = "network-interface"
	HistoryInstance  HistoryType = "instance"
)

// AmazonOwner stands for the owner of an instance that an AWS service runs.
const AmazonOwner = "amazon-aws"

// HistoryRecord says what used a CIDR, and how it stood, from one time to
// another. Times are Unix milliseconds; an End of 0 means that it still does.
type HistoryRecord struct {
	Type       HistoryType
	Owner      string
	Region     string
	ID         string // "" for an instance of AmazonOwner
	CIDR       netip.Prefix
	Name       string
	VPC        string
	Compliance Compliance
	Overlap    Overlap
	Start, End int64
}

// Records returns what history has to say of the CIDR as it stands: nothing of
// a public IPv4 pool, two records of an interface that an instance uses, one of
// everything else. They have a Start and no End. The documentation, "View the
// history of IP addresses", shows statuses on VPCs' records and not on those of
// subnets, interfaces and instances.
func (r *ResourceCIDR) Records() []HistoryRecord {
	record := HistoryRecord{Owner: r.Owner, Region: r.Region, ID: r.ID, CIDR: r.CIDR, Name: r.Name, VPC: r.VPC, Start: r.Since}
	switch r.Type {
	case ResourceVPC, ResourceEIP:
		record.Type = HistoryType(r.Type)
		record.Compliance, record.Overlap = r.Status.Compliance, r.Status.Overlap
	case ResourceSubnet:
		record.Type = HistorySubnet
	case ResourceInterface:
		record.Type = HistoryInterface
		if r.Instance == "" && r.InstanceOwner == "" {
			break
		}
		instance := record
		instance.Type, instance.ID, instance.Owner, instance.Name = HistoryInstance, r.Instance, r.InstanceOwner, ""
		if instance.Owner != r.Owner {
			instance.Owner, instance.ID = AmazonOwner, ""
		}
		return []HistoryRecord{record, instance}
	default:
		return nil
	}
	return []HistoryRecord{record}
}

// RecordedAs reports whether history has the same to say of r as of o, but for
// the start.
func (r *ResourceCIDR) RecordedAs(o *ResourceCIDR) bool {
	a, b := *r, *o
	a.Since, b.Since = 0, 0
	return slices.Equal(a.Records(), b.Records())
}
