package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// service has everything that the operations use.
type service struct {
	store        *store.Store
	organization Organization // nil: the deployment does not read AWS Organizations
	vending      vending
}

// An Option gives the operations a service besides the store.
type Option func(*service)

// Organization reads the organisation that the deployment's account is in. Calls come
// concurrently, and before many answers, so an implementation keeps its answers for a
// while.
type Organization interface {
	// Ancestors returns the ids of the units that an account or a unit is in, the
	// innermost first, and then of the root. It returns none for a child outside the
	// organisation.
	Ancestors(ctx context.Context, child string) ([]string, error)
	// Management returns the organisation's id and its management account, both "" if
	// the deployment's account is in no organisation.
	Management(ctx context.Context) (id, account string, err error)
}

// WithOrganization lets o find the organizational units of callers, so that pools can be
// shared with units, and the organisation's management account. A nil o is the same as
// no option.
func WithOrganization[T any, P interface {
	*T
	Organization
}](o P) Option {
	return func(s *service) {
		if o != nil {
			s.organization = o
		}
	}
}

// vending creates VPCs and subnets.
type vending struct {
	ec2       func(ctx context.Context, account, region, principal string) (VPCs, error) // nil: the deployment has no vending role
	poolsOnly bool                                                                       // refuses a VPC's CIDR that comes from no pool
}

// VPCs are the calls of EC2 for resources with CIDRs from pools. [ec2.Client] has them.
// An implementation does not repeat a call: those that create a resource have no client
// token.
type VPCs interface {
	CreateVpc(context.Context, *ec2.CreateVpcInput, ...func(*ec2.Options)) (*ec2.CreateVpcOutput, error)
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
	AssociateVpcCidrBlock(context.Context, *ec2.AssociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.AssociateVpcCidrBlockOutput, error)
	DisassociateVpcCidrBlock(context.Context, *ec2.DisassociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.DisassociateVpcCidrBlockOutput, error)
	CreateSubnet(context.Context, *ec2.CreateSubnetInput, ...func(*ec2.Options)) (*ec2.CreateSubnetOutput, error)
}

// Vending returns a client of EC2 in an account and Region, with the account's vending
// role, for a principal of that account. If it returns an error, EC2 got no request.
type Vending[C VPCs] interface {
	EC2(ctx context.Context, account, region, principal string) (C, error)
}

// WithVending lets the operations create VPCs and subnets with the clients of v. With a
// nil v, they answer UnsupportedOperation. With poolsOnly, they refuse a VPC's CIDR that
// comes from no pool.
func WithVending[C VPCs, T any, P interface {
	*T
	Vending[C]
}](v P, poolsOnly bool) Option {
	return func(o *service) {
		o.vending.poolsOnly = poolsOnly
		if v != nil {
			o.vending.ec2 = func(ctx context.Context, account, region, principal string) (VPCs, error) {
				return v.EC2(ctx, account, region, principal)
			}
		}
	}
}

// region returns the Region in which the caller wants a resource.
func (o service) region(ctx context.Context) string {
	if r := registry.CallerFrom(ctx).Region; r != "" {
		return r
	}
	return o.store.Region()
}
