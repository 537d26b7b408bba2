package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// cidrs returns the inline CIDRs, in canonical form if they are CIDRs.
func (p *poolProperties) cidrs() []string {
	var cidrs []string
	for _, c := range p.ProvisionedCidrs {
		cidrs = append(cidrs, canonical(c.Cidr))
	}
	return cidrs
}

// canonical returns a CIDR in the API's form. It returns any other text unchanged.
func canonical(cidr string) string {
	if p, err := netip.ParsePrefix(cidr); err == nil {
		return p.String()
	}
	return cidr
}

// parseCIDRs parses inline CIDRs. It refuses a text that is no CIDR, and two CIDRs that
// overlap.
func parseCIDRs(cidrs []string) ([]netip.Prefix, error) {
	parsed := make([]netip.Prefix, len(cidrs))
	for i, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		switch {
		case err != nil:
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The property ProvisionedCidrs[%d].Cidr is %q, which is no CIDR. Use one such as 10.0.0.0/16.", i, schema.Excerpt(c))
		case p != p.Masked():
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The property ProvisionedCidrs[%d].Cidr is %s, whose address has bits beyond its length. Use %s.", i, p, p.Masked())
		}
		if at := slices.IndexFunc(parsed[:i], p.Overlaps); at >= 0 {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The property ProvisionedCidrs[%d].Cidr is %s and overlaps %s, which the list has already. Give each address once.", i, p, parsed[at])
		}
		parsed[i] = p
	}
	return parsed, nil
}

// addCIDR provisions an inline CIDR.
func addCIDR(ctx context.Context, r *request, pool, cidr string) error {
	_, err := provision(ctx, r, &ec2.ProvisionIpamPoolCidrInput{ClientToken: r.token("cidr", cidr), Cidr: &cidr, IpamPoolId: &pool})
	return err
}

// cidrSteps returns the steps that give a pool the inline CIDRs in wish. The steps in add
// only add CIDRs; those in remove remove some and then add CIDRs in their place. cidrSteps
// reads but changes nothing, so it refuses impossible wishes while all CIDRs are still in
// the pool.
//
// A CIDR that is in the pool already is not added: in a roll-back, the refused change may
// not have removed it. A CIDR that another request provisioned is not removed.
func cidrSteps(ctx context.Context, r *request, o *types.IpamPool, old, wish []string) (add, remove []step, err error) {
	wanted, err := parseCIDRs(wish)
	if err != nil {
		return nil, nil, err
	}
	var going []netip.Prefix
	for _, c := range old {
		if p, err := netip.ParsePrefix(c); err == nil && !slices.Contains(wanted, p) {
			going = append(going, p)
		}
	}
	pool := *o.IpamPoolId
	var last []step
	for _, c := range wanted {
		if slices.Contains(old, c.String()) {
			continue
		}
		present, err := findCIDR(ctx, r, pool, "cidr", c.String())
		if err != nil {
			return nil, nil, err
		}
		if present != nil {
			continue
		}
		one := step{
			func() error { return addCIDR(ctx, r, pool, c.String()) },
			func() error { return deprovision(ctx, r, pool, "cidr", c.String()) },
		}
		if !slices.ContainsFunc(going, c.Overlaps) {
			add = append(add, one)
			continue
		}
		if err := checkFree(ctx, r, o, c, going); err != nil {
			return nil, nil, err
		}
		last = append(last, one)
	}
	for _, c := range going {
		remove = append(remove, step{
			func() error { return deprovision(ctx, r, pool, "cidr", c.String()) },
			func() error {
				_, err := provision(ctx, r, &ec2.ProvisionIpamPoolCidrInput{ClientToken: r.token("back", c.String()), Cidr: aws.String(c.String()), IpamPoolId: &pool})
				return err
			},
		})
	}
	return add, append(remove, last...), nil
}

// checkFree returns an error unless a CIDR can be provisioned to a pool once the CIDRs in
// remove have left it. It knows only the space that the caller may see.
func checkFree(ctx context.Context, r *request, o *types.IpamPool, cidr netip.Prefix, remove []netip.Prefix) error {
	if slices.ContainsFunc(remove, func(p netip.Prefix) bool { return p.Overlaps(cidr) && p.Bits() <= cidr.Bits() }) {
		return nil // inside a CIDR that leaves the pool
	}
	taken, err := takenBeside(ctx, r, o, cidr)
	if err != nil {
		return err
	}
	for _, t := range taken {
		leaves := t.pool == *o.IpamPoolId && slices.Contains(remove, t.cidr)
		if t.cidr.Overlaps(cidr) && !leaves {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s cannot be provisioned to %s: %s is taken by %s. Choose another CIDR.", cidr, *o.IpamPoolId, t.cidr, t.by)
		}
	}
	return nil
}

// takenBlock is a taken block of the space that pools take their CIDRs from.
type takenBlock struct {
	cidr netip.Prefix
	pool string // that has it; "" if no pool does
	by   string
}

// takenBeside returns the taken blocks of the space that a pool takes a CIDR from: of its
// source pool the allocations, and of a scope the CIDRs of all top-level pools. It returns
// an error if the source pool does not have the CIDR.
func takenBeside(ctx context.Context, r *request, o *types.IpamPool, cidr netip.Prefix) (taken []takenBlock, err error) {
	if source := aws.ToString(o.SourceIpamPoolId); source != "" {
		roots, err := poolCIDRs(ctx, r, source)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(roots, func(b takenBlock) bool { return b.cidr.Overlaps(cidr) && b.cidr.Bits() <= cidr.Bits() }) {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is in no CIDR of the source pool %s. Choose one that is.", cidr, source)
		}
		in := &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &source}
		all, err := listed(ctx, r, "GetIpamPoolAllocations", in, &in.NextToken, func(out *ec2.GetIpamPoolAllocationsOutput) ([]types.IpamPoolAllocation, *string) {
			return out.IpamPoolAllocations, out.NextToken
		})
		for _, a := range all {
			if p, err := netip.ParsePrefix(aws.ToString(a.Cidr)); err == nil {
				b := takenBlock{cidr: p, by: aws.ToString(a.IpamPoolAllocationId)}
				if a.ResourceType == types.IpamPoolAllocationResourceTypeIpamPool {
					b.pool = aws.ToString(a.ResourceId)
					b.by = fmt.Sprintf("the pool %s", b.pool)
				}
				taken = append(taken, b)
			}
		}
		return taken, err
	}
	in := &ec2.DescribeIpamPoolsInput{Filters: []types.Filter{equals("ipam-scope-id", idOf(o.IpamScopeArn)), equals("address-family", string(o.AddressFamily)), equals("pool-depth", "1")}}
	pools, err := listed(ctx, r, "DescribeIpamPools", in, &in.NextToken, func(out *ec2.DescribeIpamPoolsOutput) ([]types.IpamPool, *string) {
		return out.IpamPools, out.NextToken
	})
	if err != nil {
		return nil, err
	}
	for _, p := range pools {
		cidrs, err := poolCIDRs(ctx, r, *p.IpamPoolId)
		if err != nil {
			return nil, err
		}
		taken = append(taken, cidrs...)
	}
	return taken, nil
}

// poolCIDRs returns the CIDRs of a pool.
func poolCIDRs(ctx context.Context, r *request, pool string) (blocks []takenBlock, err error) {
	in := &ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool}
	all, err := listed(ctx, r, "GetIpamPoolCidrs", in, &in.NextToken, func(out *ec2.GetIpamPoolCidrsOutput) ([]types.IpamPoolCidr, *string) {
		return out.IpamPoolCidrs, out.NextToken
	})
	for _, c := range all {
		if p, err := netip.ParsePrefix(aws.ToString(c.Cidr)); err == nil && inPool(c) {
			blocks = append(blocks, takenBlock{p, pool, "the pool " + pool})
		}
	}
	return blocks, err
}
