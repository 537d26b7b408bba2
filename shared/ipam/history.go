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
	Interface  string `json:",omitempty"` // of an instance, the interface that has the address
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
		instance.Interface = r.ID
		if instance.Owner != r.Owner {
			instance.Owner, instance.ID = AmazonOwner, ""
		}
		return []HistoryRecord{record, instance}
	default:
		return nil
	}
	return []HistoryRecord{record}
}

// RecordedAs reports whether history has the same to say of r as of o, which it
// was before, but for the start. A status that was not checked yet says nothing:
// the first check tells what it was from the start.
func (r *ResourceCIDR) RecordedAs(o *ResourceCIDR) bool {
	a, b := *r, *o
	a.Since, b.Since = 0, 0
	if !b.checked() {
		a.Status = b.Status
	}
	return slices.Equal(a.Records(), b.Records())
}

func (r *ResourceCIDR) checked() bool { return r.Status != Status{} }

// Recorded returns the records of history that are to be written when a
// resource's CIDR, before, becomes after: those that end, and those that begin.
// before is nil of one that is new, after of one that is gone, which it is since
// the time gone, Unix milliseconds. What before and after have to say is one
// record as long as they have the same Since.
//
// A record with statuses begins with the first check. One that ends without a
// check is written all the same, then, as the CIDR was in use.
func Recorded(before, after *ResourceCIDR, gone int64) []HistoryRecord {
	var records []HistoryRecord
	if before != nil && (after == nil || after.Since != before.Since) {
		end := gone
		if after != nil {
			end = after.Since
		}
		for _, r := range before.Records() {
			r.End = max(end, r.Start) // the stream rounds its times down
			records = append(records, r)
		}
	}
	if after == nil {
		return records
	}
	for _, r := range after.Records() {
		statuses := r.Type == HistoryVPC || r.Type == HistoryEIP
		if before != nil && before.Since == after.Since && (!statuses || before.checked()) || statuses && !after.checked() {
			continue
		}
		records = append(records, r)
	}
	return records
}
