package discovertest

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
)

// Sample returns an account's network with resources of every kind, in 10.n and
// 2001:db8:n. n, 0 to 99, makes the ids different.
//
//	vpc-n1     10.n.0.0/16, 100.64.n.0/24, 2001:db8:n::/56
//	  subnet-n1  10.n.0.0/24, 2001:db8:n::/64: eni-n1 of instance i-n1, which has eipalloc-n1; eni-n2 with a public address
//	  subnet-n2  10.n.1.0/24: eni-n3 of a NAT gateway with eipalloc-n2
//	vpc-n2     10.n.0.0/20, empty
//	eipalloc-n3  of ipv4pool-ec2-n1, 198.51.100.0/29 and 198.51.100.8/30
//
// Another account shares vpc-n9 and its subnet-n9 with it.
func Sample(account string, n int) *discover.Seen {
	id := func(kind string, i int) *string { return aws.String(fmt.Sprintf("%s-%02d%d", kind, n, i)) }
	f := func(format string) *string { return aws.String(fmt.Sprintf(format, n)) }
	owner, other := &account, aws.String("999900009999")
	associated := &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	group := []types.GroupIdentifier{{GroupId: id("sg", 1), GroupName: aws.String("web & api")}}
	return &discover.Seen{
		VPCs: []types.Vpc{
			{
				VpcId: id("vpc", 1), OwnerId: owner, State: types.VpcStateAvailable, CidrBlock: f("10.%d.0.0/16"),
				CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{
					{AssociationId: id("vpc-cidr-assoc", 1), CidrBlock: f("10.%d.0.0/16"), CidrBlockState: associated},
					{AssociationId: id("vpc-cidr-assoc", 2), CidrBlock: f("100.64.%d.0/24"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociating}},
					{AssociationId: id("vpc-cidr-assoc", 3), CidrBlock: f("100.65.%d.0/24"), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeDisassociated}},
				},
				Ipv6CidrBlockAssociationSet: []types.VpcIpv6CidrBlockAssociation{
					{AssociationId: id("vpc-cidr-assoc", 4), Ipv6CidrBlock: f("2001:db8:%d::/56"), Ipv6CidrBlockState: associated, Ipv6Pool: aws.String("Amazon")},
				},
				Tags: []types.Tag{tag("Name", "shop"), tag("env", "<prod>")},
			},
			{VpcId: id("vpc", 2), OwnerId: owner, State: types.VpcStateAvailable, CidrBlock: f("10.%d.0.0/20"),
				CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{CidrBlock: f("10.%d.0.0/20"), CidrBlockState: associated}}},
			{VpcId: id("vpc", 9), OwnerId: other, State: types.VpcStateAvailable, CidrBlock: aws.String("10.255.0.0/16")},
		},
		Subnets: []types.Subnet{
			{
				SubnetId: id("subnet", 1), VpcId: id("vpc", 1), OwnerId: owner, AvailabilityZoneId: aws.String("use1-az1"),
				CidrBlock: f("10.%d.0.0/24"), AvailableIpAddressCount: aws.Int32(248), Tags: []types.Tag{tag("Name", "front")},
				Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{{
					Ipv6CidrBlock: f("2001:db8:%d::/64"), IpSource: types.IpSourceAmazon,
					Ipv6CidrBlockState: &types.SubnetCidrBlockState{State: types.SubnetCidrBlockStateCodeAssociated},
				}},
			},
			{SubnetId: id("subnet", 2), VpcId: id("vpc", 1), OwnerId: owner, AvailabilityZoneId: aws.String("use1-az2"),
				CidrBlock: f("10.%d.1.0/24"), AvailableIpAddressCount: aws.Int32(250)},
			{SubnetId: id("subnet", 9), VpcId: id("vpc", 9), OwnerId: other, CidrBlock: aws.String("10.255.0.0/24"), AvailableIpAddressCount: aws.Int32(251)},
		},
		Addresses: []types.Address{
			{AllocationId: id("eipalloc", 1), PublicIp: f("192.0.2.%d"), AssociationId: id("eipassoc", 1), NetworkInterfaceId: id("eni", 1),
				InstanceId: id("i", 1), PublicIpv4Pool: aws.String("amazon"), NetworkBorderGroup: aws.String("us-east-1"), Tags: []types.Tag{tag("Name", "door")}},
			{AllocationId: id("eipalloc", 2), PublicIp: f("203.0.113.%d"), AssociationId: id("eipassoc", 2), NetworkInterfaceId: id("eni", 3),
				PublicIpv4Pool: aws.String("amazon"), NetworkBorderGroup: aws.String("us-east-1")},
			{AllocationId: id("eipalloc", 3), PublicIp: aws.String("198.51.100.1"), PublicIpv4Pool: id("ipv4pool-ec2", 1), NetworkBorderGroup: aws.String("us-east-1")},
			{AllocationId: id("eipalloc", 4), CarrierIp: aws.String("155.146.0.1")},
		},
		Pools: []types.PublicIpv4Pool{{
			PoolId: id("ipv4pool-ec2", 1), TotalAddressCount: aws.Int32(12), TotalAvailableAddressCount: aws.Int32(11),
			PoolAddressRanges: []types.PublicIpv4PoolRange{{
				FirstAddress: aws.String("198.51.100.0"), LastAddress: aws.String("198.51.100.11"), AddressCount: aws.Int32(12), AvailableAddressCount: aws.Int32(9),
			}},
		}},
		Interfaces: []types.NetworkInterface{
			{
				NetworkInterfaceId: id("eni", 1), OwnerId: owner, VpcId: id("vpc", 1), SubnetId: id("subnet", 1), AvailabilityZoneId: aws.String("use1-az1"),
				Status: types.NetworkInterfaceStatusInUse, InterfaceType: types.NetworkInterfaceTypeInterface, Groups: group,
				Attachment:    &types.NetworkInterfaceAttachment{AttachmentId: id("eni-attach", 1), InstanceId: id("i", 1), InstanceOwnerId: owner, Status: types.AttachmentStatusAttached},
				Ipv6Addresses: []types.NetworkInterfaceIpv6Address{{Ipv6Address: f("2001:db8:%d::5")}},
				Ipv4Prefixes:  []types.Ipv4PrefixSpecification{{Ipv4Prefix: f("10.%d.0.16/28")}},
				Ipv6Prefixes:  []types.Ipv6PrefixSpecification{{Ipv6Prefix: f("2001:db8:%d::1000:0:0:0/80")}},
				PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{
					{PrivateIpAddress: f("10.%d.0.4"), Primary: aws.Bool(true), Association: &types.NetworkInterfaceAssociation{AllocationId: id("eipalloc", 1), PublicIp: f("192.0.2.%d")}},
					{PrivateIpAddress: f("10.%d.0.5"), Primary: aws.Bool(false)},
				},
				TagSet: []types.Tag{tag("Name", "web")},
			},
			{
				NetworkInterfaceId: id("eni", 2), OwnerId: owner, VpcId: id("vpc", 1), SubnetId: id("subnet", 1), AvailabilityZoneId: aws.String("use1-az1"),
				Status: types.NetworkInterfaceStatusAvailable, InterfaceType: types.NetworkInterfaceTypeInterface, Groups: group,
				PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{
					{PrivateIpAddress: f("10.%d.0.6"), Association: &types.NetworkInterfaceAssociation{IpOwnerId: aws.String("amazon"), PublicIp: f("192.0.2.1%02d")}},
				},
			},
			{
				NetworkInterfaceId: id("eni", 3), OwnerId: owner, VpcId: id("vpc", 1), SubnetId: id("subnet", 2), AvailabilityZoneId: aws.String("use1-az2"),
				Status: types.NetworkInterfaceStatusInUse, InterfaceType: "nat_gateway", RequesterManaged: aws.Bool(true),
				Description: aws.String("Interface for NAT Gateway nat-0123456789abcdef0"),
				Attachment:  &types.NetworkInterfaceAttachment{AttachmentId: id("eni-attach", 2), InstanceOwnerId: aws.String("amazon-aws"), Status: types.AttachmentStatusAttached},
				PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{
					{PrivateIpAddress: f("10.%d.1.7"), Association: &types.NetworkInterfaceAssociation{AllocationId: id("eipalloc", 2), PublicIp: f("203.0.113.%d")}},
				},
			},
		},
	}
}
