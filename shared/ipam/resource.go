package ipam

import (
	"cmp"
	"net/netip"
)

// ResourceType is the type of a live resource, with the values of the EC2
// API's IpamResourceType.
type ResourceType string

// The types of resources that discovery looks for. An interface is no resource
// that takes space: its subnet does. It is known for its usage and its history.
const (
	ResourceVPC            ResourceType = "vpc"
	ResourceSubnet         ResourceType = "subnet"
	ResourceEIP            ResourceType = "eip"
	ResourcePublicIPv4Pool ResourceType = "public-ipv4-pool"
	ResourceInterface      ResourceType = "eni"
)

// TakesSpace reports whether a live resource of the type makes its CIDR unfit
// to be given to another.
func (t ResourceType) TakesSpace() bool { return t != ResourceInterface }

// Kind returns the kind of the block that an allocation to a resource of this
// type is.
func (t ResourceType) Kind() Kind {
	if t == ResourcePublicIPv4Pool {
		return KindPublicIPv4Pool
	}
	return Kind(t)
}

// Resource is one CIDR of a live resource, as discovery saw it; a VPC with two
// CIDRs is two. What is not known, or does not apply, is zero.
type Resource struct {
	Type             ResourceType
	ID               string // vpc-…, subnet-…, eipalloc-…, ipv4pool-ec2-…, eni-…
	CIDR             netip.Prefix
	Owner            string // the account that it is in, 12 digits
	Region           string
	Name             string         `json:",omitempty"` // the value of its tag Name
	Tags             Tags           `json:",omitempty"`
	VPC              string         `json:",omitempty"` // of a VPC too, its own id
	Subnet           string         `json:",omitempty"` // of an interface; of a subnet, its own id
	AvailabilityZone string         `json:",omitempty"` // an id, such as apne1-az1
	Source           string         `json:",omitempty"` // where a public CIDR comes from: amazon, byoip or none
	Usage            *float64       `json:",omitempty"` // share of its addresses in use, 0 to 1
	Attached         bool           `json:",omitempty"` // of an interface: it is in use
	Instance         string         `json:",omitempty"` // of an interface: what it is attached to
	InstanceOwner    string         `json:",omitempty"` // of an interface: the account that Instance is in, or an AWS service's name
	Public           *PublicAddress `json:",omitempty"` // of an Elastic IP, and of an interface with a public address that is none
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

// InPublicScope reports whether the CIDR belongs to an IPAM's public scope:
// Elastic IPs and public pools, and IPv6 CIDRs but unique local ones (RFC 4193)
// and, for an IPAM with EnablePrivateGua, those that come from no pool of AWS
// or of one's own. A VPC's IPv4 CIDR is private whatever its addresses.
func (r *Resource) InPublicScope(privateGUA bool) bool {
	switch {
	case r.Type == ResourceEIP, r.Type == ResourcePublicIPv4Pool:
		return true
	case r.Family() == IPv4, r.CIDR.Addr().IsPrivate():
		return false
	}
	return !privateGUA || r.Source != "none"
}

// Management says whether a CIDR comes from a pool.
type Management string

// Compliance says whether a managed CIDR meets its pool's rules.
type Compliance string

// Overlap says whether another CIDR of the scope intersects.
type Overlap string

// The statuses. Where one does not apply it is "".
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

// Status is what the compliance check made of a resource's CIDR. The zero
// Status is one that was not checked yet.
type Status struct {
	Management Management `json:",omitempty"`
	Compliance Compliance `json:",omitempty"`
	Overlap    Overlap    `json:",omitempty"`
	Pool       string     `json:",omitempty"` // that a managed CIDR comes from
	Allocation string     `json:",omitempty"` // of a managed CIDR
	Reason     string     `json:",omitempty"` // why it is noncompliant
	With       string     `json:",omitempty"` // id of a resource or allocation that it overlaps, one of perhaps several
	WithCIDR   string     `json:",omitempty"`
}

// ResourceCIDR is a Resource in a scope of an IPAM. Times are Unix
// milliseconds.
type ResourceCIDR struct {
	Resource
	Scope     string
	Discovery string // that found it
	Ignored   bool   // its owner has it neither watched nor its space held
	Status    Status
	Sampled   int64 // when it was last seen to have changed
	Since     int64 // from when its Records are what they are
	Rev       int64 // grows with every write
}

// Live reports whether the CIDR must not be given to another.
func (r *ResourceCIDR) Live() bool { return r.Type.TakesSpace() && !r.Ignored }

// Target is where a discovered CIDR stands in an IPAM.
type Target struct {
	IPAM    string
	Scope   string
	Ignored bool `json:",omitempty"`
}

// Found is a Resource as a resource discovery has it.
type Found struct {
	Resource
	Discovery string
	Targets   []Target // by ascending IPAM
	Sampled   int64    // Unix milliseconds of the observation that wrote it
	Rev       int64
}

// CompareBlocks orders blocks by address, and larger before smaller: the order
// in which a block follows everything that holds it.
func CompareBlocks(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// OverlapGroups divides what has CIDRs, in the order of CompareBlocks, into those that lie in
// one another: the first of each nest holds the others. Nests are apart.
func OverlapGroups[T any](all []T, cidr func(T) netip.Prefix) (nests [][]T) {
	for i, begin := 1, 0; i <= len(all); i++ {
		if i == len(all) || !Within(cidr(all[i]), cidr(all[begin])) {
			nests = append(nests, all[begin:i:i])
			begin = i
		}
	}
	return nests
}
