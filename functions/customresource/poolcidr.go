package main

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// poolCIDRProperties are those of AWS::EC2::IPAMPoolCidr, or with a selector
// instead of the pool's id.
type poolCIDRProperties struct {
	Cidr          string
	IpamPoolID    string `cfn:"IpamPoolId"`
	NetmaskLength *int32
	selection
}

// poolCIDR is a CIDR of a pool. Its physical id is pool|id.
type poolCIDR struct {
	pool string
	types.IpamPoolCidr
}

var poolCIDRKind = kind[poolCIDRProperties, poolCIDR]{
	settle: func(ctx context.Context, r *request, p *poolCIDRProperties) error {
		return p.settle(ctx, r, "IpamPoolId", p.IpamPoolID)
	},
	inherit: func(old, wish *poolCIDRProperties, o *poolCIDR) { wish.inherit(&old.selection, o.pool, "") },
	make: func(ctx context.Context, r *request, p *poolCIDRProperties) (*poolCIDR, error) {
		c, err := provision(ctx, r, &ec2.ProvisionIpamPoolCidrInput{ClientToken: r.token(), Cidr: some(p.Cidr), IpamPoolId: &p.pool, NetmaskLength: p.NetmaskLength})
		if c == nil {
			return nil, err
		}
		return &poolCIDR{p.pool, *c}, err
	},
	find: func(ctx context.Context, r *request, id string) (*poolCIDR, error) {
		pool, cidr, ok := splitPoolCIDR(id)
		if !ok {
			return nil, nil
		}
		c, err := findCIDR(ctx, r, pool, "ipam-pool-cidr-id", cidr)
		if c == nil {
			return nil, err
		}
		return &poolCIDR{pool, *c}, nil
	},
	fixed: func(p *poolCIDRProperties) facts {
		f := facts{"IpamPoolId": p.fact(p.IpamPoolID)}
		f.setBlock(p.Cidr, p.NetmaskLength)
		return f
	},
	has: func(o *poolCIDR) map[string]string {
		return map[string]string{"IpamPoolId": o.pool, block: aws.ToString(o.Cidr)}
	},
	remove: func(ctx context.Context, r *request, id string, _ *poolCIDRProperties) error {
		pool, cidr, ok := splitPoolCIDR(id)
		if !ok {
			return nil
		}
		return deprovision(ctx, r, pool, "ipam-pool-cidr-id", cidr)
	},
	show: func(o *poolCIDR) (string, map[string]any) {
		return o.pool + "|" + *o.IpamPoolCidrId, map[string]any{
			"IpamPoolCidrId": *o.IpamPoolCidrId,
			"State":          string(o.State),
			// Beside AWS's:
			"Cidr":          aws.ToString(o.Cidr),
			"IpamPoolId":    o.pool,
			"NetmaskLength": lengthOf(o.Cidr),
		}
	},
}

func splitPoolCIDR(id string) (pool, cidr string, ok bool) {
	pool, cidr, _ = strings.Cut(id, "|")
	return pool, cidr, ipam.IDKindOf(pool) == ipam.IDPool && ipam.IDKindOf(cidr) == ipam.IDPoolCIDR
}

// provision puts a CIDR into a pool and waits until it is there. With an error
// it returns the CIDR if that may be in the pool yet.
func provision(ctx context.Context, r *request, in *ec2.ProvisionIpamPoolCidrInput) (*types.IpamPoolCidr, error) {
	out, err := call[ec2.ProvisionIpamPoolCidrOutput](ctx, r, "ProvisionIpamPoolCidr", in)
	if err != nil {
		return nil, err
	}
	return settled(ctx, r, *in.IpamPoolId, out.IpamPoolCidr)
}

// deprovision takes a CIDR, the one that a filter of GetIpamPoolCidrs names, out
// of a pool and waits until it is. It is no error if it is not in the pool, or
// there is no such pool.
func deprovision(ctx context.Context, r *request, pool, filter, value string) error {
	c, err := findCIDR(ctx, r, pool, filter, value)
	if c == nil {
		return err
	}
	out, err := call[ec2.DeprovisionIpamPoolCidrOutput](ctx, r, "DeprovisionIpamPoolCidr", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: c.Cidr})
	if err != nil {
		// An earlier try may have done it, and its answer be lost.
		if c, unread := findCIDR(ctx, r, pool, filter, value); c == nil && unread == nil {
			return nil
		}
		return err
	}
	_, err = settled(ctx, r, pool, out.IpamPoolCidr)
	return err
}

// findCIDR returns the CIDR of a pool that a filter of GetIpamPoolCidrs names;
// nil if there is none, or none any more.
func findCIDR(ctx context.Context, r *request, pool, filter, value string) (*types.IpamPoolCidr, error) {
	c, err := lookAtCIDR(ctx, r, pool, filter, value)
	if c != nil && (c.State == types.IpamPoolCidrStateDeprovisioned || c.State == types.IpamPoolCidrStateFailedProvision) {
		return nil, nil
	}
	return c, err
}

// lookAtCIDR is findCIDR for those too that are not in the pool any more, or
// never were.
func lookAtCIDR(ctx context.Context, r *request, pool, filter, value string) (*types.IpamPoolCidr, error) {
	out, err := call[ec2.GetIpamPoolCidrsOutput](ctx, r, "GetIpamPoolCidrs", &ec2.GetIpamPoolCidrsInput{
		IpamPoolId: &pool,
		Filters:    []types.Filter{{Name: &filter, Values: []string{value}}},
	})
	if err != nil || len(out.IpamPoolCidrs) == 0 {
		return nil, unlessGone(err)
	}
	return &out.IpamPoolCidrs[0], nil
}

// pollWait is between two looks at a CIDR that something is done to.
const pollWait = 2 * time.Second

// settled waits until nothing is done to a CIDR any more, and returns what
// became of it; an error if that is not what was asked for.
func settled(ctx context.Context, r *request, pool string, c *types.IpamPoolCidr) (*types.IpamPoolCidr, error) {
	for {
		switch c.State {
		case types.IpamPoolCidrStatePendingProvision, types.IpamPoolCidrStatePendingDeprovision:
		case types.IpamPoolCidrStateFailedProvision:
			return nil, failure(c)
		case types.IpamPoolCidrStateFailedDeprovision:
			return c, failure(c)
		default:
			return c, nil
		}
		if r.h.o.Sleep(ctx, pollWait) != nil {
			return c, errTime
		}
		next, err := lookAtCIDR(ctx, r, pool, "ipam-pool-cidr-id", *c.IpamPoolCidrId)
		switch {
		case err != nil:
			return c, err
		case next != nil:
			c = next
		case c.State == types.IpamPoolCidrStatePendingDeprovision:
			return nil, nil
		default:
			return nil, ipam.Errorf(ipam.CodeIncorrectState, "The CIDR %s was taken out of %s while it was provisioned.", aws.ToString(c.Cidr), pool)
		}
	}
}

func failure(c *types.IpamPoolCidr) error {
	why := "The API gives no reason."
	if f := c.FailureReason; f != nil && f.Message != nil {
		why = *f.Message
	}
	return ipam.Errorf(ipam.CodeIncorrectState, "The CIDR %s is in the state %s. %s", aws.ToString(c.Cidr), c.State, why)
}

// lengthOf returns the length in a CIDR, as a string.
func lengthOf(cidr *string) string {
	_, length, _ := strings.Cut(aws.ToString(cidr), "/")
	return length
}
