package ops

import (
	"context"
	"maps"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The IPv6 space of top-level pools in private scopes (Amazon VPC IPAM User Guide,
// "Provision CIDRs to a pool": private IPv6).
var (
	uniqueLocal   = netip.MustParsePrefix("fd80::/9")
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

// The lengths of a unique local CIDR of a top-level pool.
const uniqueLocalMin, uniqueLocalMax = 9, 60

func (o service) provisionPoolCIDR(ctx context.Context, in *ec2.ProvisionIpamPoolCidrInput) (*ec2.ProvisionIpamPoolCidrOutput, error) {
	q, err := parseProvision(ctx, in)
	if err != nil {
		return nil, err
	}
	authorized := in.CidrAuthorizationContext != nil || in.VerificationMethod != "" || in.IpamExternalResourceVerificationTokenId != nil
	q.May = func(p *ipam.Pool) error { return checkOwner(ctx, &p.Meta) }
	q.Check = func(p *ipam.Pool, wish *store.Provision) error {
		if authorized || p.SourcePool == "" && p.ScopeType == ipam.ScopePublic {
			return o.refusePublic(p)
		}
		if err := checkProvision(p, wish); err != nil || p.SourcePool != "" {
			return err
		}
		return o.checkTopLevel(ctx, p, wish)
	}
	made, err := o.store.Provision(ctx, q)
	if err != nil {
		return nil, err
	}
	return &ec2.ProvisionIpamPoolCidrOutput{IpamPoolCidr: new(showPoolCIDR(made))}, nil
}

func parseProvision(ctx context.Context, in *ec2.ProvisionIpamPoolCidrInput) (q store.Provision, err error) {
	if q.Token, err = token(ctx, "ProvisionIpamPoolCidr", in.ClientToken, in); err != nil {
		return q, err
	}
	if q.Pool, err = checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId); err != nil {
		return q, err
	}
	if (in.Cidr == nil) == (in.NetmaskLength == nil) {
		return q, invalidCombination("The request must contain exactly one of Cidr and NetmaskLength.")
	}
	if q.CIDR, err = parseCIDR("Cidr", in.Cidr); err != nil {
		return q, err
	}
	if q.Length = q.CIDR.Bits(); in.NetmaskLength != nil {
		q.Length = int(*in.NetmaskLength)
	}
	return q, nil
}

// checkProvision returns an error for a CIDR or netmask length that the pool cannot have.
func checkProvision(p *ipam.Pool, wish *store.Provision) error {
	if wish.CIDR.IsValid() && ipam.FamilyOf(wish.CIDR) != p.Family {
		return schema.Invalid("Cidr", wish.CIDR.String(), "The address family of %s is %s.", p.ID, p.Family)
	}
	if wish.Length < 0 || wish.Length > p.Family.Bits() {
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%d) for parameter NetmaskLength is invalid. A netmask length of an %s pool is 0 to %d.", wish.Length, p.Family, p.Family.Bits())
	}
	if p.SourceVPC() != "" && !wish.CIDR.IsValid() {
		return invalidCombination("The resource planning pool %s has the CIDRs of %s, so a NetmaskLength has nothing to choose from. Give the Cidr.", p.ID, p.SourceVPC())
	}
	return nil
}

// refusePublic returns the error of a CIDR whose owner would have to be verified.
func (o service) refusePublic(p *ipam.Pool) error {
	if p.SourcePool == "" && p.ScopeType == ipam.ScopePublic {
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "Provisioning CIDRs to the top-level public pool %s is not built here yet, since nothing verifies whose they are.", p.ID)
	}
	return invalidCombination("CidrAuthorizationContext, VerificationMethod and IpamExternalResourceVerificationTokenId are for top-level pools of public scopes, and %s is none. Leave them out.", p.ID)
}

// checkTopLevel returns an error for a CIDR or a length that a top-level pool of a private
// scope cannot have. It limits the choice for a length to unique local space.
func (o service) checkTopLevel(ctx context.Context, p *ipam.Pool, wish *store.Provision) error {
	explicit := wish.CIDR.IsValid()
	switch {
	case p.Family == ipam.IPv4 && explicit:
		return nil
	case p.Family == ipam.IPv4:
		return invalidCombination("The top-level pool %s takes its IPv4 CIDRs from no other pool, so a NetmaskLength has nothing to choose from. Give the Cidr.", p.ID)
	case explicit && ipam.Within(wish.CIDR, globalUnicast):
		above, err := o.store.IPAMs(ctx, []string{p.IPAM})
		if err != nil {
			return err
		}
		if len(above) == 0 || !above[0].EnablePrivateGUA {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is global unicast space, which private scopes of %s do not admit. Set EnablePrivateGua with ModifyIpam, or use space inside %s.", wish.CIDR, p.IPAM, uniqueLocal)
		}
		return nil
	case explicit && !ipam.Within(wish.CIDR, uniqueLocal):
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is no private IPv6 space. Use unique local space inside %s, or global unicast space inside %s with EnablePrivateGua.", wish.CIDR, uniqueLocal, globalUnicast)
	case wish.Length < uniqueLocalMin || wish.Length > uniqueLocalMax:
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "The netmask length /%d is not one of unique local space of a top-level pool. Use /%d to /%d.", wish.Length, uniqueLocalMin, uniqueLocalMax)
	case !explicit:
		wish.Filter.Allowed = []netip.Prefix{uniqueLocal}
	}
	return nil
}

func (o service) deprovisionPoolCIDR(ctx context.Context, in *ec2.DeprovisionIpamPoolCidrInput) (*ec2.DeprovisionIpamPoolCidrOutput, error) {
	id, err := checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId)
	if err != nil {
		return nil, err
	}
	if in.Cidr == nil {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter Cidr")
	}
	cidr, err := parseCIDR("Cidr", in.Cidr)
	if err != nil {
		return nil, err
	}
	left, err := o.store.Deprovision(ctx, store.Deprovision{Pool: id, CIDR: cidr, May: func(p *ipam.Pool) error { return checkOwner(ctx, &p.Meta) }})
	if err != nil {
		return nil, err
	}
	return &ec2.DeprovisionIpamPoolCidrOutput{IpamPoolCidr: new(showPoolCIDR(left))}, nil
}

// cidrFilters are the filters of pools' CIDRs besides those of their members. Each CIDR
// has a length, also one that is shown without.
// For the pool's owner there is the filter client-token, too, as EC2's
// DescribeInstances has: a CIDR has no tags.
var cidrFilters = listing.Filters[types.IpamPoolCidr]{
	"netmask-length": func(c *types.IpamPoolCidr) (string, bool) {
		_, length, ok := strings.Cut(*c.Cidr, "/")
		return length, ok
	},
}

func (o service) getPoolCIDRs(ctx context.Context, in *ec2.GetIpamPoolCidrsInput) (*ec2.GetIpamPoolCidrsOutput, error) {
	p, err := newPage(ctx, listRequest{"GetIpamPoolCidrs", in, in.MaxResults, in.NextToken, in.Filters}, listing.MaxOutputs)
	if err != nil {
		return nil, err
	}
	after, err := afterCIDR(p)
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{} // by the CIDR's id; read below
	filters := maps.Clone(cidrFilters)
	filters["client-token"] = func(c *types.IpamPoolCidr) (string, bool) {
		token, ok := tokens[*c.IpamPoolCidrId]
		return token, ok
	}
	match, err := filters.Match(in.Filters)
	if err != nil {
		return nil, err
	}
	pool, err := o.visiblePool(ctx, in.IpamPoolId)
	if err != nil {
		return nil, err
	}
	cidrs, err := o.store.PoolCIDRs(ctx, pool.ID) // few, because of the quota
	if err != nil {
		return nil, err
	}
	for _, c := range cidrs {
		if c.ClientToken != "" && c.Owner == registry.CallerFrom(ctx).Account {
			tokens[c.ID] = c.ClientToken
		}
	}
	found, next, err := listing.Collect(ctx, p, func(yield func(listing.Entry[ipam.PoolCIDR], error) bool) {
		for _, c := range cidrs {
			if after.IsValid() && c.CIDR.Compare(after) <= 0 {
				continue
			}
			if !yield(listing.Entry[ipam.PoolCIDR]{Object: c, Position: []string{c.CIDR.String()}}, nil) {
				return
			}
		}
	}, showPoolCIDR, match)
	return &ec2.GetIpamPoolCidrsOutput{IpamPoolCidrs: found, NextToken: next}, err
}

// afterCIDR returns the position of a page: a CIDR, the zero Prefix on the first page.
func afterCIDR(p listing.Page) (netip.Prefix, error) {
	switch len(p.After) {
	case 0:
		return netip.Prefix{}, nil
	case 1:
		if c, err := netip.ParsePrefix(p.After[0]); err == nil {
			return c, nil
		}
	}
	return netip.Prefix{}, p.InvalidToken()
}

// showPoolCIDR shows the length only of a CIDR that was provisioned by length. Otherwise
// Terraform would see no change of an aws_vpc_ipam_pool_cidr whose configuration changes
// from a CIDR to another.
func showPoolCIDR(c *ipam.PoolCIDR) types.IpamPoolCidr {
	out := types.IpamPoolCidr{
		Cidr:           aws.String(c.CIDR.String()),
		State:          types.IpamPoolCidrState(c.State),
		IpamPoolCidrId: &c.ID,
	}
	if c.Chosen {
		out.NetmaskLength = aws.Int32(int32(c.CIDR.Bits()))
	}
	if c.Failure != "" {
		out.FailureReason = &types.IpamPoolCidrFailureReason{Code: types.IpamPoolCidrFailureCode(c.FailureCode), Message: &c.Failure}
	}
	return out
}
