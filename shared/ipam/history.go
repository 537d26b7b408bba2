package ipam

import (
	"net/netip"
	"slices"
)

// HistoryType is the subject of a history record, with the values of the EC2
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

// AmazonOwner is the owner in the record of an instance that an AWS service
// runs.
const AmazonOwner = "amazon-aws"

// HistoryRecord is one use of a CIDR between two times, with its statuses.
// Times are Unix milliseconds; End is 0 while the use continues.
type HistoryRecord struct {
	Type       HistoryType
	Owner      string
	Region     string
	ID         string // "" for an instance of AmazonOwner
	Interface  string `json:",omitempty"` // the interface with the address, for an instance
	CIDR       netip.Prefix
	Name       string
	VPC        string
	Compliance Compliance
	Overlap    Overlap
	Start, End int64
}

// Records returns the history records of the CIDR in its present state, with a
// Start and no End: none for a public IPv4 pool, two for an interface that an
// instance uses, and one for every other resource. The documentation, "View the
// history of IP addresses", shows statuses on the records of VPCs, and not on
// those of subnets, interfaces and instances.
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

// RecordedAs reports whether r and o, an earlier state of r, have the same
// history records except for the start. An unchecked status of o counts as
// equal: the first check finds the status that the CIDR has had from the start.
func (r *ResourceCIDR) RecordedAs(o *ResourceCIDR) bool {
	a, b := *r, *o
	a.Since, b.Since = 0, 0
	if !b.checked() {
		a.Status = b.Status
	}
	return slices.Equal(a.Records(), b.Records())
}

func (r *ResourceCIDR) checked() bool { return r.Status != Status{} }

// Recorded returns the history records to write when a resource's CIDR changes
// from before to after: those that end, and those that begin. before is nil for
// a new CIDR. after is nil for a CIDR that is gone. gone is a time at which the
// CIDR was gone already, in Unix milliseconds: an end before the real one would
// hide a use from GetIpamAddressHistory. While before and after have the same
// Since, they have one record.
//
// A record with statuses begins with the first check. If the CIDR goes before
// any check, Recorded returns its record then, because the CIDR was in use.
func Recorded(before, after *ResourceCIDR, gone int64) []HistoryRecord {
	var records []HistoryRecord
	if before != nil && (after == nil || after.Since != before.Since) {
		end := gone
		if after != nil {
			end = after.Since
		}
		for _, r := range before.Records() {
			r.End = max(end, r.Start) // the clocks of the writer and of the stream may differ
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

// Changes returns the records of the VPCs, subnets and Elastic IPs that appear or go when a
// resource's CIDR changes from before to after, as [Recorded] takes them. One that appears
// has no End. A change of its name or statuses is none of these.
func Changes(before, after *ResourceCIDR, gone int64) []HistoryRecord {
	return slices.DeleteFunc(Recorded(before, after, gone), func(r HistoryRecord) bool {
		switch r.Type {
		case HistoryVPC, HistoryEIP: // they appear with their first check
			return after != nil && (r.End != 0 || before != nil && before.checked())
		case HistorySubnet:
			return after != nil && before != nil
		default:
			return true
		}
	})
}
