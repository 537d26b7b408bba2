package discover

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go4.org/netipx"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// idTypes maps the prefixes of EC2's ids to the types that Cadastre watches.
var idTypes = map[string]ipam.ResourceType{
	"vpc-":          ipam.ResourceVPC,
	"subnet-":       ipam.ResourceSubnet,
	"eipalloc-":     ipam.ResourceEIP,
	"ipv4pool-ec2-": ipam.ResourcePublicIPv4Pool,
	"eni-":          ipam.ResourceInterface,
}

// IDPrefixes returns the prefixes of the ids of the types that Cadastre watches,
// sorted, for the pattern of a rule.
func IDPrefixes() []string { return slices.Sorted(maps.Keys(idTypes)) }

// IDType returns the type of the resource with an EC2 id, and "" for a type
// that Cadastre does not watch.
func IDType(id string) ipam.ResourceType {
	for prefix, t := range idTypes {
		// vpc-cidr-assoc-…, eni-attach-… and similar ids belong to other
		// objects.
		if rest, ok := strings.CutPrefix(id, prefix); ok && rest != "" && !strings.Contains(rest, "-") {
			return t
		}
	}
	return ""
}

// Resources returns the CIDRs of the resources in the order of [Compare], in
// which they are written. A VPC's CIDRs are all that are associated or about to
// be.
//
// Resources leaves out the resources that another account shares with this one,
// because discovery reads that account too. It also leaves out resources
// without a CIDR, such as a carrier's address.
func (s *Seen) Resources(account, region string) []ipam.Resource {
	var all []ipam.Resource
	add := func(r ipam.Resource, owner *string, tags []types.Tag) {
		if aws.ToString(owner) != "" && *owner != account {
			return
		}
		r.Owner, r.Region = account, region
		for _, t := range tags {
			if r.Tags == nil {
				r.Tags = ipam.Tags{}
			}
			r.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		r.Name = r.Tags["Name"]
		all = append(all, r)
	}
	for _, v := range s.VPCs {
		for _, c := range s.vpcCIDRs(&v) {
			add(c, v.OwnerId, v.Tags)
		}
	}
	for _, n := range s.Subnets {
		for _, c := range subnetCIDRs(&n) {
			add(c, n.OwnerId, n.Tags)
		}
	}
	for _, p := range s.Pools {
		for _, c := range poolCIDRs(&p) {
			add(c, nil, p.Tags)
		}
	}
	interfaces := map[string]*types.NetworkInterface{}
	for i := range s.Interfaces {
		interfaces[aws.ToString(s.Interfaces[i].NetworkInterfaceId)] = &s.Interfaces[i]
	}
	for _, a := range s.Addresses {
		if r, ok := elasticIP(&a, interfaces[aws.ToString(a.NetworkInterfaceId)]); ok {
			add(r, nil, a.Tags)
		}
	}
	for _, i := range s.Interfaces {
		for _, c := range interfaceCIDRs(&i) {
			add(c, i.OwnerId, i.TagSet)
		}
	}
	s.markDefault(all)
	slices.SortFunc(all, func(a, b ipam.Resource) int { return Compare(&a, &b) })
	return slices.CompactFunc(all, func(a, b ipam.Resource) bool { return Compare(&a, &b) == 0 })
}

// markDefault marks the CIDR of each default VPC, and the CIDRs inside it. EC2 makes all
// default VPCs with the same CIDR, 172.31.0.0/16 (Amazon VPC User Guide, "Default VPCs").
// Another CIDR that somebody associates with a default VPC is not marked, nor are its
// subnets. If EC2 shows a default subnet without its VPC, which it has made just now, the
// subnet is marked by itself.
func (s *Seen) markDefault(all []ipam.Resource) {
	first := map[string]netip.Prefix{} // of each VPC; the zero Prefix if it is no default VPC
	for i := range s.VPCs {
		var p netip.Prefix
		if v := &s.VPCs[i]; aws.ToBool(v.IsDefault) {
			p, _ = cidr(v.CidrBlock)
		}
		first[aws.ToString(s.VPCs[i].VpcId)] = p
	}
	forZone := map[string]bool{}
	for i := range s.Subnets {
		forZone[aws.ToString(s.Subnets[i].SubnetId)] = aws.ToBool(s.Subnets[i].DefaultForAz)
	}
	for i := range all {
		r := &all[i]
		if p, ok := first[r.VPC]; ok {
			r.DefaultVPC = p.IsValid() && ipam.Within(r.CIDR, p)
		} else {
			r.DefaultVPC = r.Type == ipam.ResourceSubnet && forZone[r.ID] && r.Family() == ipam.IPv4
		}
	}
}

// Compare orders CIDRs of resources by type, containers first, then by block
// ([netip.Prefix.Compare]), then by id. CIDRs that compare equal are the same
// one.
func Compare(a, b *ipam.Resource) int {
	return cmp.Or(cmp.Compare(rank(a.Type), rank(b.Type)), a.CIDR.Compare(b.CIDR), strings.Compare(a.ID, b.ID))
}

func rank(t ipam.ResourceType) int {
	return slices.Index([]ipam.ResourceType{
		ipam.ResourceVPC, ipam.ResourceSubnet, ipam.ResourcePublicIPv4Pool, ipam.ResourceEIP, ipam.ResourceInterface,
	}, t)
}

// cidr reads a CIDR in EC2's form. ok is false if there is none.
func cidr(s *string) (p netip.Prefix, ok bool) {
	p, err := netip.ParsePrefix(aws.ToString(s))
	return p.Masked(), err == nil
}

// host returns the CIDR of one address.
func host(s *string) (p netip.Prefix, ok bool) {
	a, err := netip.ParseAddr(aws.ToString(s))
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// vpcCIDRs returns a VPC's CIDRs. The usage of a CIDR is the share of its space
// that subnets have.
func (s *Seen) vpcCIDRs(v *types.Vpc) []ipam.Resource {
	r := ipam.Resource{Type: ipam.ResourceVPC, ID: aws.ToString(v.VpcId), VPC: aws.ToString(v.VpcId)}
	var subnets []netip.Prefix
	for _, n := range s.Subnets {
		if aws.ToString(n.VpcId) == r.ID {
			for _, c := range subnetCIDRs(&n) {
				subnets = append(subnets, c.CIDR)
			}
		}
	}
	var all []ipam.Resource
	with := func(block, state string, source string) {
		c, ok := cidr(&block)
		if !ok || state != string(types.VpcCidrBlockStateCodeAssociated) && state != string(types.VpcCidrBlockStateCodeAssociating) {
			return
		}
		used := 0.0
		for _, n := range subnets {
			if c.Overlaps(n) && n.Bits() >= c.Bits() {
				used += math.Ldexp(1, c.Bits()-n.Bits()) // exact in any order: a VPC's subnets are at least 2^-12 of its CIDR
			}
		}
		one := r
		one.CIDR, one.Source, one.Usage = c, source, &used
		all = append(all, one)
	}
	for _, a := range v.CidrBlockAssociationSet {
		with(aws.ToString(a.CidrBlock), stateOf(a.CidrBlockState), "")
	}
	if len(v.CidrBlockAssociationSet) == 0 { // the older form, with one CIDR
		with(aws.ToString(v.CidrBlock), string(types.VpcCidrBlockStateCodeAssociated), "")
	}
	for _, a := range v.Ipv6CidrBlockAssociationSet {
		with(aws.ToString(a.Ipv6CidrBlock), stateOf(a.Ipv6CidrBlockState), source(a.IpSource, a.Ipv6Pool))
	}
	return all
}

func stateOf(s *types.VpcCidrBlockState) string {
	if s == nil {
		return ""
	}
	return string(s.State)
}

// source returns the origin of an IPv6 CIDR. If the answer has none, the name
// of the pool decides: Amazon, an id of the account's own pool, or no pool.
func source(s types.IpSource, pool *string) string {
	switch {
	case s != "":
		return string(s)
	case strings.EqualFold(aws.ToString(pool), "amazon"):
		return string(types.IpSourceAmazon)
	case aws.ToString(pool) == "":
		return string(types.IpSourceNone)
	}
	return string(types.IpSourceByoip)
}

// subnetCIDRs returns a subnet's CIDRs. The usage of the IPv4 CIDR is the share
// of its addresses that is not available. AWS reserves five addresses in each
// subnet, and these count, so an empty /24 has 5/256. IPv6 has no usage (IPAM
// User Guide, "Monitor CIDR usage by resource").
func subnetCIDRs(n *types.Subnet) []ipam.Resource {
	r := ipam.Resource{
		Type: ipam.ResourceSubnet, ID: aws.ToString(n.SubnetId), Subnet: aws.ToString(n.SubnetId),
		VPC: aws.ToString(n.VpcId), AvailabilityZone: aws.ToString(n.AvailabilityZoneId),
	}
	var all []ipam.Resource
	if c, ok := cidr(n.CidrBlock); ok { // a subnet with IPv6 only has none
		one := r
		one.CIDR = c
		if n.AvailableIpAddressCount != nil && c.Addr().Is4() {
			one.Usage = share(int64(*n.AvailableIpAddressCount), int64(1)<<(32-c.Bits()))
		}
		all = append(all, one)
	}
	for _, a := range n.Ipv6CidrBlockAssociationSet {
		c, ok := cidr(a.Ipv6CidrBlock)
		if ok && a.Ipv6CidrBlockState != nil && (a.Ipv6CidrBlockState.State == types.SubnetCidrBlockStateCodeAssociated || a.Ipv6CidrBlockState.State == types.SubnetCidrBlockStateCodeAssociating) {
			one := r
			one.CIDR, one.Source = c, string(a.IpSource)
			all = append(all, one)
		}
	}
	return all
}

// share returns the part of size that is in use, 0 to 1, if available is free.
func share(available, size int64) *float64 {
	used := 0.0
	if size > 0 {
		used = float64(max(0, size-available)) / float64(size)
	}
	return &used
}

// poolCIDRs returns the CIDRs of a public IPv4 pool's address ranges. The usage
// of each is the share of its range's addresses that are assigned.
func poolCIDRs(p *types.PublicIpv4Pool) []ipam.Resource {
	var all []ipam.Resource
	for _, a := range p.PoolAddressRanges {
		first, err1 := netip.ParseAddr(aws.ToString(a.FirstAddress))
		last, err2 := netip.ParseAddr(aws.ToString(a.LastAddress))
		if err1 != nil || err2 != nil {
			continue
		}
		usage := share(int64(aws.ToInt32(a.AvailableAddressCount)), int64(aws.ToInt32(a.AddressCount)))
		for _, c := range netipx.IPRangeFrom(first, last).Prefixes() {
			all = append(all, ipam.Resource{
				Type: ipam.ResourcePublicIPv4Pool, ID: aws.ToString(p.PoolId), CIDR: c,
				Source: string(types.IpSourceByoip), Usage: usage,
			})
		}
	}
	return all
}

// elasticIP returns an Elastic IP. on is the interface that it is associated
// with, and nil if that interface was not read.
func elasticIP(a *types.Address, on *types.NetworkInterface) (ipam.Resource, bool) {
	c, ok := host(a.PublicIp)
	id := aws.ToString(a.AllocationId)
	if !ok || id == "" {
		return ipam.Resource{}, false
	}
	public := &ipam.PublicAddress{
		Address:            c.Addr(),
		AllocationID:       id,
		Associated:         aws.ToString(a.AssociationId) != "",
		Type:               string(types.IpamPublicAddressTypeAmazonOwnedEip),
		PublicIPv4Pool:     aws.ToString(a.PublicIpv4Pool),
		Interface:          aws.ToString(a.NetworkInterfaceId),
		NetworkBorderGroup: aws.ToString(a.NetworkBorderGroup),
	}
	r := ipam.Resource{
		Type: ipam.ResourceEIP, ID: id, CIDR: c, Source: string(types.IpSourceAmazon), Public: public,
		Subnet: aws.ToString(a.SubnetId), Instance: aws.ToString(a.InstanceId),
	}
	owned := public.PublicIPv4Pool == "" || public.PublicIPv4Pool == "amazon"
	switch {
	case a.ServiceManaged != "" && owned:
		public.Type = string(types.IpamPublicAddressTypeServiceManagedIp)
	case a.ServiceManaged != "":
		public.Type = string(types.IpamPublicAddressTypeServiceManagedByoip)
	case strings.HasPrefix(public.PublicIPv4Pool, "ipam-pool-"):
		public.Type = string(types.IpamPublicAddressTypeAmazonOwnedContig)
	case !owned:
		public.Type = string(types.IpamPublicAddressTypeByoip)
	}
	if !owned && public.Type != string(types.IpamPublicAddressTypeAmazonOwnedContig) {
		r.Source = string(types.IpSourceByoip)
	}
	if on != nil {
		r.VPC, r.Subnet = aws.ToString(on.VpcId), aws.ToString(on.SubnetId)
		onInterface(public, on)
	}
	return r, true
}

// interfaceCIDRs returns an interface's addresses and delegated prefixes. Each
// address has its public address, unless that is an Elastic IP, which is a
// resource of its own.
func interfaceCIDRs(i *types.NetworkInterface) []ipam.Resource {
	r := ipam.Resource{
		Type: ipam.ResourceInterface, ID: aws.ToString(i.NetworkInterfaceId),
		VPC: aws.ToString(i.VpcId), Subnet: aws.ToString(i.SubnetId), AvailabilityZone: aws.ToString(i.AvailabilityZoneId),
		Attached: i.Status == types.NetworkInterfaceStatusInUse || i.Status == types.NetworkInterfaceStatusAssociated,
	}
	if a := i.Attachment; a != nil {
		r.Instance, r.InstanceOwner = aws.ToString(a.InstanceId), aws.ToString(a.InstanceOwnerId)
		if r.Instance != "" && r.InstanceOwner == "" {
			r.InstanceOwner = aws.ToString(i.OwnerId) // AWS always returns it; emulators may not
		}
	}
	var all []ipam.Resource
	with := func(c netip.Prefix, ok bool, a *types.NetworkInterfaceAssociation) {
		if !ok {
			return
		}
		one := r
		one.CIDR = c
		if a != nil && aws.ToString(a.AllocationId) == "" {
			if p, ok := host(a.PublicIp); ok {
				one.Public = &ipam.PublicAddress{
					Address: p.Addr(), Associated: true, Type: string(types.IpamPublicAddressTypeEc2PublicIp), Interface: r.ID,
				}
				onInterface(one.Public, i)
				if aws.ToBool(i.RequesterManaged) {
					one.Public.Type = string(types.IpamPublicAddressTypeServiceManagedIp)
				}
			}
		}
		all = append(all, one)
	}
	for _, a := range i.PrivateIpAddresses {
		c, ok := host(a.PrivateIpAddress)
		with(c, ok, a.Association)
	}
	if len(i.PrivateIpAddresses) == 0 {
		c, ok := host(i.PrivateIpAddress)
		with(c, ok, i.Association)
	}
	for _, a := range i.Ipv6Addresses {
		c, ok := host(a.Ipv6Address)
		with(c, ok, nil)
	}
	for _, p := range i.Ipv4Prefixes {
		c, ok := cidr(p.Ipv4Prefix)
		with(c, ok, nil)
	}
	for _, p := range i.Ipv6Prefixes {
		c, ok := cidr(p.Ipv6Prefix)
		with(c, ok, nil)
	}
	return all
}

// onInterface adds an interface's facts about the public address on it.
func onInterface(p *ipam.PublicAddress, i *types.NetworkInterface) {
	p.InterfaceDescription = aws.ToString(i.Description)
	p.Service, p.ServiceResource = serviceOf(i)
	for _, g := range i.Groups {
		if p.SecurityGroups == nil {
			p.SecurityGroups = map[string]string{}
		}
		p.SecurityGroups[aws.ToString(g.GroupId)] = aws.ToString(g.GroupName)
	}
}

// described lists services without an interface type in EC2, by the beginning
// of their interfaces' descriptions.
var described = []struct {
	prefix  string
	service types.IpamPublicAddressAwsService
	rest    bool // the rest of the description names the resource
}{
	{"Interface for NAT Gateway ", types.IpamPublicAddressAwsServiceNatGateway, true},
	{"ELB ", types.IpamPublicAddressAwsServiceEc2Lb, true},
	{"RDSNetworkInterface", types.IpamPublicAddressAwsServiceRds, false},
	{"RedshiftNetworkInterface", types.IpamPublicAddressAwsServiceRedshift, false},
	{"DMSNetworkInterface", types.IpamPublicAddressAwsServiceDms, false},
}

// serviceOf returns the AWS service that an interface works for, with the
// values of the EC2 API's IpamPublicAddressAwsService, and the service's
// resource if it is named. Both are "" for an interface of the account's own.
func serviceOf(i *types.NetworkInterface) (service, resource string) {
	description := aws.ToString(i.Description)
	for _, d := range described {
		if rest, ok := strings.CutPrefix(description, d.prefix); ok && aws.ToBool(i.RequesterManaged) {
			if !d.rest {
				rest = ""
			}
			return string(d.service), rest
		}
	}
	if strings.HasPrefix(description, "arn:") && strings.Contains(description, ":ecs:") && aws.ToBool(i.RequesterManaged) {
		return string(types.IpamPublicAddressAwsServiceEcs), description
	}
	switch i.InterfaceType {
	case types.NetworkInterfaceTypeNatGateway, "nat_gateway": // the API's documents have the one value, its answers the other
		return string(types.IpamPublicAddressAwsServiceNatGateway), ""
	case types.NetworkInterfaceTypeLoadBalancer, types.NetworkInterfaceTypeNetworkLoadBalancer, types.NetworkInterfaceTypeGatewayLoadBalancer:
		return string(types.IpamPublicAddressAwsServiceEc2Lb), ""
	case types.NetworkInterfaceTypeGlobalAcceleratorManaged:
		return string(types.IpamPublicAddressAwsServiceAga), ""
	}
	if aws.ToBool(i.RequesterManaged) {
		return string(types.IpamPublicAddressAwsServiceOther), ""
	}
	return "", ""
}
