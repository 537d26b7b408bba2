package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// service is what the operations work on.
type service struct {
	store        *store.Store
	organization Organization // nil: is not asked
	vending      vending
}

// Option adds what operations work on beside the store.
type Option func(*service)

// Organization is asked about the organisation that the deployment's account is
// in. It is called for many callers at once, and before many answers, so it
// remembers.
type Organization interface {
	// Ancestors returns the ids of the units that an account, or a unit, is in,
	// inmost first, and of the root behind them; none for what is not in the
	// organisation.
	Ancestors(ctx context.Context, child string) ([]string, error)
	// Management returns the organisation's id and the account that manages it,
	// both "" if the deployment's account is in none.
	Management(ctx context.Context) (id, account string, err error)
}

// WithOrganization has o asked which organizational units callers are in, so that
// pools can be shared with units, and who manages the organisation. If o is nil,
// nobody is.
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

// vending makes what takes space from pools.
type vending struct {
	ec2       func(ctx context.Context, account, region, principal string) (VPCs, error) // nil: the deployment has no vending role
	poolsOnly bool                                                                       // what would take space from no pool is refused
}

// VPCs are the calls of EC2 that make what takes space from pools. *ec2.Client has
// them. A call is made once: those that make something have no client token.
type VPCs interface {
	CreateVpc(context.Context, *ec2.CreateVpcInput, ...func(*ec2.Options)) (*ec2.CreateVpcOutput, error)
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	AssociateVpcCidrBlock(context.Context, *ec2.AssociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.AssociateVpcCidrBlockOutput, error)
	DisassociateVpcCidrBlock(context.Context, *ec2.DisassociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.DisassociateVpcCidrBlockOutput, error)
	CreateSubnet(context.Context, *ec2.CreateSubnetInput, ...func(*ec2.Options)) (*ec2.CreateSubnetOutput, error)
}

// Vending returns EC2 in an account and Region, by the account's vending role, for
// a principal of that account. An error says that nothing was asked of EC2.
type Vending[C VPCs] interface {
	EC2(ctx context.Context, account, region, principal string) (C, error)
}

// WithVending has the operations that make VPCs and subnets make them; if v is nil,
// they make none. With poolsOnly, they refuse a CIDR that comes from no pool.
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

// region returns the Region in which the caller wants something made.
func (o service) region(ctx context.Context) string {
	if r := registry.CallerFrom(ctx).Region; r != "" {
		return r
	}
	return o.store.Region()
}
