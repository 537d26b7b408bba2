package ops

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func (o service) createSubnet(ctx context.Context, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	tags, err := resourceTags(in.TagSpecifications, types.ResourceTypeSubnet)
	if err != nil {
		return nil, err
	}
	r := ipam.Resource{Type: ipam.ResourceSubnet, VPC: aws.ToString(in.VpcId), Region: o.region(ctx), Tags: tags}
	space := newCIDRRequests(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	if err := checkSubnet(space, in.Ipv6Native); err != nil {
		return nil, err
	}
	requests, err := o.allocateRequests(ctx, "CreateSubnet", space, r) // without a pool, the space is the VPC's
	if err != nil {
		return nil, err
	}
	cloud, err := o.ec2(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return forwarded(cloud.CreateSubnet(ctx, in))
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.CreateSubnetOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.CreateSubnet(ctx, &given)
	}, func(out *ec2.CreateSubnetOutput) created {
		c := created{id: aws.ToString(out.Subnet.SubnetId), metadata: out.ResultMetadata}
		for _, a := range out.Subnet.Ipv6CidrBlockAssociationSet {
			c.associate(a.Ipv6CidrBlock, a.AssociationId)
		}
		return c
	})
}

// checkSubnet returns an error for parameters that exclude or need each other, if one of
// them is for a pool of Cadastre; EC2 checks the others.
func checkSubnet(space cidrRequests, ipv6Native *bool) error {
	if err := space.checkPairs(); err != nil {
		return err
	}
	return parameter{"Ipv4IpamPoolId", space[0].pool != nil}.excludes(parameter{"Ipv6Native", aws.ToBool(ipv6Native)})
}
