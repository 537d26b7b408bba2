package ops

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The inputs and outputs of the operations on shares, which the EC2 API does
// not have: AWS shares pools with another service. What a share allows is what
// its managed permission for IPAM pools does: to see the pool with its CIDRs
// and allocations, to allocate, and to release what one has allocated.
// shared/wire/model/extensions.json describes them to the doors.
type (
	// IpamPoolSharePermission is what a share allows.
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

// ShareAllocate is the one permission there is.
const ShareAllocate IpamPoolSharePermission = "allocate"

func newShare(pool, principal string) *IpamPoolShare {
	return &IpamPoolShare{&pool, &principal, ShareAllocate}
}

// reach refuses a pool that is neither the caller's nor shared with it as if it
// did not exist.
func reach(ctx context.Context, p *ipam.Pool) error {
	c := registry.CallerFrom(ctx)
	if own(ctx, &p.Meta) == nil || p.SharedWith(told(c)) {
		return nil
	}
	// To find out the rest takes calls, so it is only for a pool that may be
	// shared with that.
	rest := func(principal string) bool {
		return strings.HasPrefix(principal, unitPrefix) || c.OrganizationID == "" && organizID.MatchString(principal)
	}
	if !slices.ContainsFunc(p.Shares, rest) {
		return ipam.NotFound(p.ID)
	}
	found, err := standing(ctx)
	switch {
	case p.SharedWith(found):
		return nil
	case err != nil && c.Request != "":
		// The answer to an event is for good, so it waits until it is known.
		return ipam.Errorf(ipam.CodeUnavailable, "Whether %s is shared with account %s cannot be found out at the moment.", p.ID, c.Account)
	}
	return ipam.NotFound(p.ID)
}

// As the Organizations API reference has them: the ids of accounts, organisations
// and units, and the ARNs of the latter two.
const organizationPattern, unitPattern = `o-[a-z0-9]{10,32}`, `ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}`

var (
	accountID = regexp.MustCompile(`^\d{12}$`)
	organizID = regexp.MustCompile(`^` + organizationPattern + `$`)
	unitID    = regexp.MustCompile(`^` + unitPattern + `$`)
	entityARN = regexp.MustCompile(`^arn:aws[a-z-]*:organizations::\d{12}:(?:organization/(` + organizationPattern + `)|ou/` + organizationPattern + `/(` + unitPattern + `))$`)
)

// checkPrincipal returns the id of a principal, of which the ARN may be given in
// its place.
func checkPrincipal(p *string) (string, error) {
	s := aws.ToString(p)
	if m := entityARN.FindStringSubmatch(s); m != nil {
		return m[1] + m[2], nil // of which one is ""
	}
	if accountID.MatchString(s) || organizID.MatchString(s) || unitID.MatchString(s) {
		return s, nil
	}
	return "", schema.Invalid("Principal", s, "Use an account id of 12 digits, the id of an organizational unit such as ou-f6g7-h8i9j0k1 or of an organization such as o-a1b2c3d4e5, or the ARN of either.")
}

// putShare is idempotent by nature: a share that is there stays.
func (o service) putShare(ctx context.Context, in *PutIpamPoolShareInput) (*PutIpamPoolShareOutput, error) {
	pool, principal, err := shareOf(in.IpamPoolId, in.Principal)
	if err != nil {
		return nil, err
	}
	err = o.store.PutShare(ctx, pool, principal, func(p *ipam.Pool) error {
		if err := own(ctx, &p.Meta); err != nil {
			return err
		}
		if principal == p.Owner {
			return schema.Invalid("Principal", principal, "It is the pool's owner, who needs no share.")
		}
		if strings.HasPrefix(principal, unitPrefix) {
			return o.checkUnit(ctx, principal)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &PutIpamPoolShareOutput{newShare(pool, principal)}, nil
}

// deleteShare takes the pool away from the principal at once. What it has
// allocated stays until the pool's owner releases it, or the pool is shared
// again.
func (o service) deleteShare(ctx context.Context, in *DeleteIpamPoolShareInput) (*DeleteIpamPoolShareOutput, error) {
	pool, principal, err := shareOf(in.IpamPoolId, in.Principal)
	if err != nil {
		return nil, err
	}
	if err := o.store.DeleteShare(ctx, pool, principal, func(p *ipam.Pool) error { return own(ctx, &p.Meta) }); err != nil {
		return nil, err
	}
	return &DeleteIpamPoolShareOutput{newShare(pool, principal)}, nil
}

func shareOf(id, to *string) (pool, principal string, err error) {
	if pool, err = checkID(ipam.IDPool, "IpamPoolId", id); err == nil {
		principal, err = checkPrincipal(to)
	}
	return pool, principal, err
}

// describeShares lists the shares of the caller's pools, by ascending pool and
// principal.
func (o service) describeShares(ctx context.Context, in *DescribeIpamPoolSharesInput) (*DescribeIpamPoolSharesOutput, error) {
	q := request{"DescribeIpamPoolShares", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, func(s *IpamPoolShare) IpamPoolShare { return *s }, func(p page) (list[IpamPoolShare], error) {
		// A position is a pool, of which all was listed, or the pool before, the
		// pool, and the last of its principals.
		var last [2]string
		if n := len(p.after); n >= 2 {
			p.after, last = p.after[:n-2], [2]string(p.after[n-2:])
		}
		pools, err := o.pools().list(ctx, p, "IpamPoolIds", in.IpamPoolIds)
		return sharesOf(pools, p.after, last), err
	})
	return &DescribeIpamPoolSharesOutput{IpamPoolShares: found, NextToken: next}, err
}

// sharesOf lists the shares of pools that are listed from behind a position: of
// the pool that last names first, those behind the principal that it names
// second.
func sharesOf(pools list[ipam.Pool], before []string, last [2]string) list[IpamPoolShare] {
	return func(yield func(entry[IpamPoolShare], error) bool) {
		for e, err := range pools {
			if err != nil {
				yield(entry[IpamPoolShare]{}, err)
				return
			}
			for _, principal := range e.object.Shares {
				if e.object.ID == last[0] && principal <= last[1] {
					continue
				}
				if !yield(entry[IpamPoolShare]{object: newShare(e.object.ID, principal), at: append(slices.Clone(before), e.object.ID, principal)}, nil) {
					return
				}
			}
			before = e.at
		}
	}
}

// allPools lists the pools that the caller sees, from behind the id after in
// the part via: its own, with via "", and then, by ascending principal, those
// shared with it; each by ascending id, and once. The position of a shared
// one tells the principal behind the id.
func (o service) allPools(ctx context.Context, after, via string) list[ipam.Pool] {
	return func(yield func(entry[ipam.Pool], error) bool) {
		if via == "" {
			for e, err := range o.pools().owned(ctx, after) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if _, err := checkPrincipal(&via); via != "" && err != nil {
			yield(entry[ipam.Pool]{}, page{}.invalid())
			return
		}
		principals := principals(ctx)
		first, here := slices.BinarySearch(principals, via)
		if !here {
			after = "" // the caller has left that one, or begins
		}
		for i := first; i < len(principals); i++ {
			for more := true; more; more = after != "" {
				pools, next, err := o.store.SharedAfter(ctx, principals[i], after, batch)
				if err != nil {
					yield(entry[ipam.Pool]{}, err)
					return
				}
				for _, p := range pools {
					if own(ctx, &p.Meta) == nil || p.SharedWith(principals[:i]) || !p.SharedWith(principals[i:i+1]) {
						continue // listed before, or not shared any more
					}
					if !yield(entry[ipam.Pool]{object: p, at: []string{p.ID, principals[i]}}, nil) {
						return
					}
				}
				after = next
			}
		}
	}
}
