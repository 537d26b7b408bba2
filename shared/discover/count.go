package discover

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Counted counts the calls of an EC2. It is not safe for concurrent use.
type Counted struct {
	EC2
	Calls int // that were made
}

// DescribeVpcs counts the call and makes it.
func (c *Counted) DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsInput, options ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	c.Calls++
	return c.EC2.DescribeVpcs(ctx, in, options...)
}

// DescribeSubnets counts the call and makes it.
func (c *Counted) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput, options ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	c.Calls++
	return c.EC2.DescribeSubnets(ctx, in, options...)
}

// DescribeAddresses counts the call and makes it.
func (c *Counted) DescribeAddresses(ctx context.Context, in *ec2.DescribeAddressesInput, options ...func(*ec2.Options)) (*ec2.DescribeAddressesOutput, error) {
	c.Calls++
	return c.EC2.DescribeAddresses(ctx, in, options...)
}

// DescribePublicIpv4Pools counts the call and makes it.
func (c *Counted) DescribePublicIpv4Pools(ctx context.Context, in *ec2.DescribePublicIpv4PoolsInput, options ...func(*ec2.Options)) (*ec2.DescribePublicIpv4PoolsOutput, error) {
	c.Calls++
	return c.EC2.DescribePublicIpv4Pools(ctx, in, options...)
}

// DescribeNetworkInterfaces counts the call and makes it.
func (c *Counted) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, options ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	c.Calls++
	return c.EC2.DescribeNetworkInterfaces(ctx, in, options...)
}
