package ipam

import (
	"net/netip"
)

// ResourceType is the type of a live resource, with the values of the EC2
// API's IpamResourceType.
type ResourceType string

// The types of resources that discovery looks for. An interface takes no space:
// its subnet does. Cadastre keeps interfaces for their usage and history.
const (
	ResourceVPC            ResourceType = "vpc"
	ResourceSubnet         ResourceType = "subnet"
	ResourceEIP            ResourceType = "eip"
	ResourcePublicIPv4Pool ResourceType = "public-ipv4-pool"
	ResourceInterface      ResourceType = "eni"
)

// TakesSpace reports whether a live resource of the type uses its CIDR, so that
// no pool may give the CIDR to another.
func (t ResourceType) TakesSpace() bool { return t != ResourceInterface }

// Kind returns the kind of the block of an allocation to a resource of this
// type.
func (t ResourceType) Kind() Kind {
	if t == ResourcePublicIPv4Pool {
		return KindPublicIPv4Pool
	}
	return Kind(t)
}

// Resource is one CIDR of a live resource, as discovery saw it. A VPC with two
// CIDRs is two Resources. A field that is unknown, or does not apply, is zero.
type Resource struct {
	Type             ResourceType
	ID               string // vpc-…, subnet-…, eipalloc-…, ipv4pool-ec2-…, eni-…
	CIDR             netip.Prefix
	Owner            string // its account, 12 digits
	Region           string
	Name             string         `json:",omitempty"` // the value of its tag Name
	Tags             Tags           `json:",omitempty"`
	VPC              string         `json:",omitempty"` // for a VPC its own id
	DefaultVPC       bool           `json:",omitempty"` // the CIDR with which EC2 makes every default VPC, or one inside it
	Subnet           string         `json:",omitempty"` // for an interface; for a subnet its own id
	AvailabilityZone string         `json:",omitempty"` // an id, such as apne1-az1
	Source           string         `json:",omitempty"` // origin of a public CIDR: amazon, byoip or none
	Usage            *float64       `json:",omitempty"` // share of its addresses in use, 0 to 1
	Attached         bool           `json:",omitempty"` // for an interface: it is in use
	Instance         string         `json:",omitempty"` // for an interface: the instance that it is attached to
	InstanceOwner    string         `json:",omitempty"` // for an interface: the account of Instance, or the name of an AWS service
	Public           *PublicAddress `json:",omitempty"` // for an Elastic IP, and for an interface with another public address
}

// PublicAddress is a public IPv4 address in use, with the members of the EC2
// API's IpamDiscoveredPublicAddress.
type PublicAddress struct {
	Address              netip.Addr
	AllocationID         string            `json:",omitempty"` // eipalloc-…
	Associated           bool              `json:",omitempty"`
	Type                 string            // amazon-owned-eip, byoip, ec2-public-ip, service-managed-ip, service-managed-byoip, amazon-owned-contig, anycast-list-ip
	Service              string            `json:",omitempty"` // nat-gateway, load-balancer, …; other
	ServiceResource      string            `json:",omitempty"` // the resource's ARN or id
	PublicIPv4Pool       string            `json:",omitempty"`
	Interface            string            `json:",omitempty"`
	InterfaceDescription string            `json:",omitempty"`
	NetworkBorderGroup   string            `json:",omitempty"`
	SecurityGroups       map[string]string `json:",omitempty"` // id to name
}

// Family returns the address family of the resource's CIDR.
func (r *Resource) Family() Family { return FamilyOf(r.CIDR) }

// InPublicScope reports whether the CIDR belongs to an IPAM's public scope.
// These are the CIDRs of Elastic IPs and public pools, and IPv6 CIDRs except
// unique local ones (RFC 4193). For an IPAM with EnablePrivateGua, IPv6 CIDRs
// that come from no pool of AWS or of the user's own are also private. A VPC's
// IPv4 CIDR is private for any address.
func (r *Resource) InPublicScope(privateGUA bool) bool {
	switch {
	case r.Type == ResourceEIP, r.Type == ResourcePublicIPv4Pool:
		return true
	case r.Family() == IPv4, r.CIDR.Addr().IsPrivate():
		return false
	}
	return !privateGUA || r.Source != "none"
}

// Management is the status that shows whether a CIDR comes from a pool.
type Management string

// Compliance is the status that shows whether a managed CIDR keeps its pool's
// rules.
type Compliance string

// Overlap is the status that shows whether another CIDR of the scope
// intersects.
type Overlap string

// The values of the statuses. A status that does not apply is "".
const (
	Managed           Management = "managed"
	Unmanaged         Management = "unmanaged"
	ManagementIgnored Management = "ignored"

	Compliant           Compliance = "compliant"
	Noncompliant        Compliance = "noncompliant"
	ComplianceUnmanaged Compliance = "unmanaged"
	ComplianceIgnored   Compliance = "ignored"

	Overlapping    Overlap = "overlapping"
	Nonoverlapping Overlap = "nonoverlapping"
	OverlapIgnored Overlap = "ignored"
)

// Status is the result of the compliance check of a resource's CIDR. The zero
// Status means that no check has run yet.
type Status struct {
	Management Management `json:",omitempty"`
	Compliance Compliance `json:",omitempty"`
	Overlap    Overlap    `json:",omitempty"`
	Pool       string     `json:",omitempty"` // the pool of a managed CIDR
	Allocation string     `json:",omitempty"` // of a managed CIDR
	Reason     string     `json:",omitempty"` // reason of noncompliance
	With       string     `json:",omitempty"` // id of an overlapping resource or allocation; there may be more
	WithCIDR   string     `json:",omitempty"`
}

// ResourceCIDR is a Resource in a scope of an IPAM. Times are Unix
// milliseconds.
type ResourceCIDR struct {
	Resource
	Scope     string
	Discovery string // the discovery that found it
	Ignored   bool   // an administrator or the setting for default VPCs ignores it: no statuses, no holds
	Status    Status
	Sampled   int64 // time of the last change seen
	Since     int64 // start of its present Records
	Rev       int64 // grows with every write
}

// Live reports whether no pool may give the CIDR to another.
func (r *ResourceCIDR) Live() bool { return r.Type.TakesSpace() && !r.Ignored }

// Target is the place of a discovered CIDR in an IPAM.
type Target struct {
	IPAM    string
	Scope   string
	Ignored bool `json:",omitempty"`
}

// FirstTarget returns the target of a CIDR that an IPAM did not have so far, and that is
// in no VPC that the IPAM has. pending is the scope of the pool from which the CIDR was
// taken for the resource, "" if it was not.
//
// With ignoreDefaultVPCs it is ignored if it is a default VPC's own CIDR, or inside one:
// EC2 gives all default VPCs the same CIDR, so they would all overlap. A CIDR from a pool
// is never ignored, because its pool would give the CIDR to another.
func FirstTarget(o *IPAM, r *Resource, pending string, ignoreDefaultVPCs bool) Target {
	t := Target{IPAM: o.ID, Scope: o.PrivateScope}
	switch {
	case pending != "":
		t.Scope = pending
	case r.InPublicScope(o.EnablePrivateGUA):
		t.Scope = o.PublicScope
	default:
		t.Ignored = ignoreDefaultVPCs && r.DefaultVPC
	}
	return t
}

// Found is a [Resource] as a resource discovery keeps it.
type Found struct {
	Resource
	Discovery string
	Targets   []Target // by ascending IPAM
	Sampled   int64    // Unix milliseconds of the observation that wrote it
	Rev       int64
}

// OverlapGroups divides elements with CIDRs into groups of CIDRs that contain one
// another. all is in the order of [netip.Prefix.Compare], in which a block follows
// all blocks that contain it. The first element of each group contains the others.
// The groups do not overlap.
func OverlapGroups[T any](all []T, cidr func(T) netip.Prefix) (groups [][]T) {
	for i, begin := 1, 0; i <= len(all); i++ {
		if i == len(all) || !Within(cidr(all[i]), cidr(all[begin])) {
			groups = append(groups, all[begin:i:i])
			begin = i
		}
	}
	return groups
}
