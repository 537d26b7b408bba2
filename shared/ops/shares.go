package ops

import (
	"context"
	"log/slog"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The inputs and outputs of the operations on shares. They are extensions: AWS shares pools
// by another service, AWS RAM. A share allows the same as RAM's managed permission for
// IPAM pools: to see the pool with its CIDRs and allocations, to allocate, and to release
// the sharer's own allocations. shared/wire/model/extensions.json describes them to the
// doors.
type (
	// IpamPoolSharePermission is the permission that a share gives.
	IpamPoolSharePermission string
	// IpamPoolShare is a pool's share with a principal: the id of an account, an
	// organizational unit or an organisation.
	IpamPoolShare struct {
		IpamPoolId, Principal *string
		Permission            IpamPoolSharePermission
	}
	// PutIpamPoolShareInput is the input of PutIpamPoolShare.
	PutIpamPoolShareInput struct {
		DryRun                *bool
		IpamPoolId, Principal *string
		Permission            IpamPoolSharePermission // "" is ShareAllocate
	}
	// PutIpamPoolShareOutput is the output of PutIpamPoolShare.
	PutIpamPoolShareOutput struct{ IpamPoolShare *IpamPoolShare }
	// DeleteIpamPoolShareInput is the input of DeleteIpamPoolShare.
	DeleteIpamPoolShareInput struct {
		DryRun                *bool
		IpamPoolId, Principal *string
	}
	// DeleteIpamPoolShareOutput is the output of DeleteIpamPoolShare.
	DeleteIpamPoolShareOutput struct{ IpamPoolShare *IpamPoolShare }
	// DescribeIpamPoolSharesInput is the input of DescribeIpamPoolShares.
	DescribeIpamPoolSharesInput struct {
		DryRun      *bool
		IpamPoolIds []string
		Filters     []types.Filter
		MaxResults  *int32
		NextToken   *string
	}
	// DescribeIpamPoolSharesOutput is the output of DescribeIpamPoolShares.
	DescribeIpamPoolSharesOutput struct {
		IpamPoolShares []IpamPoolShare
		NextToken      *string
	}
)

// ShareAllocate is the only permission.
const ShareAllocate IpamPoolSharePermission = "allocate"

func newShare(pool, principal string) *IpamPoolShare {
	return &IpamPoolShare{&pool, &principal, ShareAllocate}
}

// parsePrincipal returns the id of the principal of a share. The request may have its ARN
// instead.
func parsePrincipal(p *string) (string, error) {
	s := aws.ToString(p)
	if parsed, ok := ipam.ParsePrincipal(s); ok {
		return parsed.ID, nil
	}
	return "", schema.Invalid("Principal", s, "Use an account id of 12 digits, the id of an organizational unit such as ou-f6g7-h8i9j0k1 or of an organization such as o-a1b2c3d4e5, or the ARN of either.")
}

// checkUnit returns an error for a unit that pools cannot be shared with.
func (o service) checkUnit(ctx context.Context, unit string) error {
	if o.organization == nil {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "The Principal %s is an organizational unit, and this deployment does not look up the units of accounts. Deploy it with organizationId, or with accounts set to organization, in the CDK context; or share with accounts, or with the organization.", unit)
	}
	switch above, err := o.organization.Ancestors(ctx, unit); {
	case err != nil:
		slog.ErrorContext(ctx, "an organizational unit cannot be looked up", "unit", unit, "error", err.Error())
		return ipam.Errorf(ipam.CodeUnavailable, "The organizational unit %s cannot be looked up at the moment. Retry the request; if it goes on so, see that the account %s, in which Cadastre is deployed, manages the organization or is a delegated administrator of it: AWS Organizations answers no others.", unit, o.store.Owner())
	case len(above) == 0:
		return schema.Invalid("Principal", unit, "The organization of account %s, in which Cadastre is deployed, has no such organizational unit. `aws organizations list-organizational-units-for-parent` lists them.", o.store.Owner())
	}
	return nil
}

// putShare creates a share. A share that exists stays.
func (o service) putShare(ctx context.Context, in *PutIpamPoolShareInput) (*PutIpamPoolShareOutput, error) {
	pool, principal, err := shareOf(in.IpamPoolId, in.Principal)
	if err != nil {
		return nil, err
	}
	err = o.store.PutShare(ctx, pool, principal, func(p *ipam.Pool) error {
		if err := checkOwner(ctx, &p.Meta); err != nil {
			return err
		}
		if principal == p.Owner {
			return schema.Invalid("Principal", principal, "It is the pool's owner, which needs no share.")
		}
		if ipam.PrincipalKindOf(principal) == ipam.PrincipalUnit {
			return o.checkUnit(ctx, principal)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &PutIpamPoolShareOutput{newShare(pool, principal)}, nil
}

// deleteShare ends a share at once. The principal's allocations stay; the pool's owner can
// release them.
func (o service) deleteShare(ctx context.Context, in *DeleteIpamPoolShareInput) (*DeleteIpamPoolShareOutput, error) {
	pool, principal, err := shareOf(in.IpamPoolId, in.Principal)
	if err != nil {
		return nil, err
	}
	if err := o.store.DeleteShare(ctx, pool, principal, func(p *ipam.Pool) error { return checkOwner(ctx, &p.Meta) }); err != nil {
		return nil, err
	}
	return &DeleteIpamPoolShareOutput{newShare(pool, principal)}, nil
}

func shareOf(id, to *string) (pool, principal string, err error) {
	if pool, err = checkID(ipam.IDPool, "IpamPoolId", id); err == nil {
		principal, err = parsePrincipal(to)
	}
	return pool, principal, err
}

// describeShares lists the shares of the caller's pools, by ascending pool and
// principal.
func (o service) describeShares(ctx context.Context, in *DescribeIpamPoolSharesInput) (*DescribeIpamPoolSharesOutput, error) {
	q := listRequest{"DescribeIpamPoolShares", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, func(s *IpamPoolShare) IpamPoolShare { return *s }, func(p listing.Page) (listing.List[IpamPoolShare], error) {
		// A position is a pool whose shares are all before; or the pool before, the pool,
		// and the last of its principals.
		var last [2]string
		if n := len(p.After); n >= 2 {
			p.After, last = p.After[:n-2], [2]string(p.After[n-2:])
		}
		pools, err := o.pools().list(ctx, p, "IpamPoolIds", in.IpamPoolIds)
		return sharesOf(pools, p.After, last), err
	})
	return &DescribeIpamPoolSharesOutput{IpamPoolShares: found, NextToken: next}, err
}

// sharesOf lists the shares of pools. before is the position of the list of pools, and last
// is a pool and a principal: the shares of this pool begin behind the principal.
func sharesOf(pools listing.List[ipam.Pool], before []string, last [2]string) listing.List[IpamPoolShare] {
	return func(yield func(listing.Entry[IpamPoolShare], error) bool) {
		for e, err := range pools {
			if err != nil {
				yield(listing.Entry[IpamPoolShare]{}, err)
				return
			}
			for _, principal := range e.Object.Shares {
				if e.Object.ID == last[0] && principal <= last[1] {
					continue
				}
				if !yield(listing.Entry[IpamPoolShare]{Object: newShare(e.Object.ID, principal), Position: append(slices.Clone(before), e.Object.ID, principal)}, nil) {
					return
				}
			}
			before = e.Position
		}
	}
}
