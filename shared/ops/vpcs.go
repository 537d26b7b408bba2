package ops

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func (o service) createVPC(ctx context.Context, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	tags, err := resourceTags(in.TagSpecifications, types.ResourceTypeVpc)
	if err != nil {
		return nil, err
	}
	r := ipam.Resource{Type: ipam.ResourceVPC, Region: o.region(ctx), Tags: tags}
	space := newCIDRRequests(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	if err := o.checkVPC(space, in.Ipv6Pool); err != nil {
		return nil, err
	}
	requests, err := o.allocateRequests(ctx, "CreateVpc", space, r)
	if err != nil {
		return nil, err
	}
	cloud, err := o.ec2(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return forwarded(cloud.CreateVpc(ctx, in))
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.CreateVpcOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.CreateVpc(ctx, &given)
	}, func(out *ec2.CreateVpcOutput) string { return aws.ToString(out.Vpc.VpcId) })
}

func (o service) associateVPC(ctx context.Context, in *ec2.AssociateVpcCidrBlockInput) (*ec2.AssociateVpcCidrBlockOutput, error) {
	r := ipam.Resource{Type: ipam.ResourceVPC, ID: aws.ToString(in.VpcId), Region: o.region(ctx)}
	space := newCIDRRequests(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	if err := o.checkVPC(space, in.Ipv6Pool); err != nil {
		return nil, err
	}
	requests, err := o.allocateRequests(ctx, "AssociateVpcCidrBlock", space, r)
	if err != nil {
		return nil, err
	}
	if len(requests) > 1 {
		return nil, invalidCombination("One CIDR is associated at a time. Give Ipv4IpamPoolId or Ipv6IpamPoolId.")
	}
	cloud, err := o.ec2(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return forwarded(cloud.AssociateVpcCidrBlock(ctx, in))
	}
	vpc, err := cloud.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{r.ID}})
	if err != nil {
		if e := refusalOf(err); e != nil {
			return nil, e
		}
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "EC2 did not say what tags %s has, by which the pool's rules decide. Nothing was changed; try again.", r.ID), err)
	}
	for _, v := range vpc.Vpcs { // the rules bind it as it is
		requests[0].For.Tags = ipam.Tags{}
		for _, t := range v.Tags {
			requests[0].For.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.AssociateVpcCidrBlockOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.AssociateVpcCidrBlock(ctx, &given)
	}, func(*ec2.AssociateVpcCidrBlockOutput) string { return r.ID })
}

// disassociateVPC ends the association of a CIDR. Its space is free as soon as
// that is seen, as a deleted VPC's is.
func (o service) disassociateVPC(ctx context.Context, in *ec2.DisassociateVpcCidrBlockInput) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	cloud, err := o.ec2(ctx)
	if err != nil {
		return nil, err
	}
	return forwarded(cloud.DisassociateVpcCidrBlock(ctx, in))
}

// checkVPC refuses what a VPC cannot have. byoip is the address pool of EC2's that it
// names.
//
// EC2 lets one choose a VPC's IPv6 CIDR out of a BYOIP pool of one's own only
// (API reference, CreateVpc, Ipv6CidrBlock); so Ipv6IpamPoolId comes with Ipv6Pool.
func (o service) checkVPC(space cidrRequests, byoip *string) error {
	for _, a := range space {
		if o.vending.poolsOnly && a.pool == nil && a.cidr != nil {
			return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. This deployment makes nothing with a CIDR of your own choice: take it from a pool, with %s.", a.parameter("IpamPoolId"))
		}
		if a.family == ipam.IPv6 && a.pool != nil && byoip == nil {
			return ipam.Errorf(ipam.CodeUnsupportedOperation, "EC2 takes a certain IPv6 CIDR for a VPC only out of an address pool of your own. Name that pool of EC2's in Ipv6Pool, or leave Ipv6IpamPoolId out and use AmazonProvidedIpv6CidrBlock.")
		}
	}
	return nil
}
