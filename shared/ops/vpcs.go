package ops

import (
	"cmp"
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
	ipv6 := vpcIPv6{in.Ipv6Pool, in.AmazonProvidedIpv6CidrBlock, in.Ipv6CidrBlockNetworkBorderGroup}
	if err := o.checkVPC(space, ipv6); err != nil {
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
	}, func(out *ec2.CreateVpcOutput) created {
		c := created{id: aws.ToString(out.Vpc.VpcId), metadata: out.ResultMetadata}
		for _, a := range out.Vpc.CidrBlockAssociationSet {
			c.associate(a.CidrBlock, a.AssociationId)
		}
		for _, a := range out.Vpc.Ipv6CidrBlockAssociationSet {
			c.associate(a.Ipv6CidrBlock, a.AssociationId)
		}
		return c
	})
}

func (o service) associateVPC(ctx context.Context, in *ec2.AssociateVpcCidrBlockInput) (*ec2.AssociateVpcCidrBlockOutput, error) {
	r := ipam.Resource{Type: ipam.ResourceVPC, ID: aws.ToString(in.VpcId), Region: o.region(ctx)}
	space := newCIDRRequests(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	ipv6 := vpcIPv6{in.Ipv6Pool, in.AmazonProvidedIpv6CidrBlock, in.Ipv6CidrBlockNetworkBorderGroup}
	if err := checkOneCIDR(space, ipv6); err != nil {
		return nil, err
	}
	if err := o.checkVPC(space, ipv6); err != nil {
		return nil, err
	}
	requests, err := o.allocateRequests(ctx, "AssociateVpcCidrBlock", space, r)
	if err != nil {
		return nil, err
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
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "EC2 did not return the tags of %s, which the pool's rules need. Nothing was changed; try again.", r.ID), err)
	}
	for _, v := range vpc.Vpcs { // the rules need the tags that it has
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
	}, func(out *ec2.AssociateVpcCidrBlockOutput) created {
		c := created{id: r.ID, metadata: out.ResultMetadata}
		if a := out.CidrBlockAssociation; a != nil {
			c.associate(a.CidrBlock, a.AssociationId)
		}
		if a := out.Ipv6CidrBlockAssociation; a != nil {
			c.associate(a.Ipv6CidrBlock, a.AssociationId)
		}
		return c
	})
}

// disassociateVPC removes a CIDR from a VPC, and then gives its space back.
func (o service) disassociateVPC(ctx context.Context, in *ec2.DisassociateVpcCidrBlockInput) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	cloud, err := o.ec2(ctx)
	if err != nil {
		return nil, err
	}
	out, err := forwarded(cloud.DisassociateVpcCidrBlock(ctx, in))
	if err != nil {
		return nil, err
	}
	o.endDisassociated(ctx, out)
	return out, nil
}

// vpcIPv6 are the parameters of a VPC's IPv6 CIDR that do not name a pool of Cadastre.
type vpcIPv6 struct {
	pool        *string // Ipv6Pool, an address pool of EC2
	amazon      *bool   // AmazonProvidedIpv6CidrBlock
	borderGroup *string // Ipv6CidrBlockNetworkBorderGroup
}

// checkVPC returns an error for parameters that exclude or need each other, if one of
// them is for a pool of Cadastre; EC2 checks the others. It returns an error for a CIDR
// from no pool if the deployment admits none.
//
// EC2 lets a caller choose the IPv6 CIDR of a VPC only out of its own BYOIP pool (API
// reference, CreateVpc, Ipv6CidrBlock), so Ipv6IpamPoolId needs Ipv6Pool.
func (o service) checkVPC(space cidrRequests, ipv6 vpcIPv6) error {
	if err := space.checkPairs(); err != nil {
		return err
	}
	pool6 := parameter{"Ipv6IpamPoolId", space[1].pool != nil}
	if err := cmp.Or(
		pool6.excludes(parameter{"AmazonProvidedIpv6CidrBlock", aws.ToBool(ipv6.amazon)}),
		pool6.excludes(parameter{"Ipv6CidrBlockNetworkBorderGroup", ipv6.borderGroup != nil}),
	); err != nil {
		return err
	}
	for _, c := range space {
		if o.vending.poolsOnly && c.pool == nil && c.cidr != nil {
			return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. This deployment makes nothing with a CIDR of your own choice: take it from a pool, with %s.", c.poolParameter())
		}
	}
	if pool6.given && ipv6.pool == nil {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "EC2 takes a certain IPv6 CIDR for a VPC only out of an address pool of your own. Name that pool of EC2's in Ipv6Pool, or leave Ipv6IpamPoolId out and use AmazonProvidedIpv6CidrBlock.")
	}
	return nil
}

// checkOneCIDR returns an error for a second CIDR beside one from a pool: EC2 associates
// one at a time (API reference, AssociateVpcCidrBlock).
func checkOneCIDR(space cidrRequests, ipv6 vpcIPv6) error {
	ipv4 := space[0].pool != nil || space[0].cidr != nil
	other := space[1].pool != nil || space[1].cidr != nil || aws.ToBool(ipv6.amazon) || ipv6.pool != nil || ipv6.borderGroup != nil
	if ipv4 && other && space.fromPool() {
		return invalidCombination("One CIDR is associated at a time. Give Ipv4IpamPoolId or Ipv6IpamPoolId, and no parameter of the other address family.")
	}
	return nil
}
