package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// poolCIDRProperties are the properties of AWS::EC2::IPAMPoolCidr. An IpamPoolSelector
// may take the place of the pool's id.
type poolCIDRProperties struct {
	Cidr          string
	IpamPoolID    string `cfn:"IpamPoolId"`
	NetmaskLength *int32
	selection
}

// poolCIDR is a CIDR of a pool.
type poolCIDR struct {
	pool string
	types.IpamPoolCidr
}

var poolCIDRKind = kind[poolCIDRProperties, poolCIDR]{
	resolve: func(ctx context.Context, r *request, p *poolCIDRProperties) error {
		return p.resolve(ctx, r, "IpamPoolId", p.IpamPoolID)
	},
	inherit: func(old, wish *poolCIDRProperties, o *poolCIDR) { wish.inherit(&old.selection, o.pool, "") },
	make: func(ctx context.Context, r *request, p *poolCIDRProperties) (*poolCIDR, error) {
		c, err := provision(ctx, r, &ec2.ProvisionIpamPoolCidrInput{ClientToken: r.token(), Cidr: some(p.Cidr), IpamPoolId: &p.pool, NetmaskLength: p.NetmaskLength})
		if c == nil {
			return nil, err
		}
		return &poolCIDR{p.pool, *c}, err
	},
	find: func(ctx context.Context, r *request, id physicalID) (*poolCIDR, error) {
		if id.form != formPoolCIDR {
			return nil, nil
		}
		c, err := findCIDR(ctx, r, id.pool, "ipam-pool-cidr-id", id.id)
		if c == nil {
			return nil, err
		}
		return &poolCIDR{id.pool, *c}, nil
	},
	fixed: func(p *poolCIDRProperties) facts {
		f := facts{"IpamPoolId": p.fact(p.IpamPoolID)}
		f.setBlock(p.Cidr, p.NetmaskLength)
		return f
	},
	has: func(o *poolCIDR) map[string]string {
		return map[string]string{"IpamPoolId": o.pool, block: aws.ToString(o.Cidr)}
	},
	pool: func(p *poolCIDRProperties) string { return p.pool },
	made: func(ctx context.Context, r *request, pool string, replaced *physicalID) (made []*poolCIDR, err error) {
		all, err := madeCIDRs(ctx, r, pool, replaced)
		for _, c := range all {
			made = append(made, &poolCIDR{pool, *c})
		}
		return made, err
	},
	remove: func(ctx context.Context, r *request, id physicalID, _ *poolCIDRProperties) error {
		if id.form != formPoolCIDR {
			return nil
		}
		return deprovision(ctx, r, id.pool, "ipam-pool-cidr-id", id.id)
	},
	show: func(o *poolCIDR) (physicalID, map[string]any) {
		return physicalID{form: formPoolCIDR, pool: o.pool, id: *o.IpamPoolCidrId}, map[string]any{
			"IpamPoolCidrId": *o.IpamPoolCidrId,
			"State":          string(o.State),
			// AWS has no such attributes:
			"Cidr":          aws.ToString(o.Cidr),
			"IpamPoolId":    o.pool,
			"NetmaskLength": lengthOf(o.Cidr),
		}
	},
}

// provision provisions a CIDR to a pool and waits until that is done. With an error it
// returns the CIDR if the pool may still get it.
func provision(ctx context.Context, r *request, in *ec2.ProvisionIpamPoolCidrInput) (*types.IpamPoolCidr, error) {
	out, err := call[ec2.ProvisionIpamPoolCidrOutput](ctx, r, "ProvisionIpamPoolCidr", in)
	if err != nil {
		return nil, err
	}
	return settled(ctx, r, *in.IpamPoolId, out.IpamPoolCidr)
}

// deprovision deprovisions the CIDR of a pool that a filter of GetIpamPoolCidrs selects,
// and waits until that is done. It returns nil if the pool has no such CIDR or does not
// exist.
func deprovision(ctx context.Context, r *request, pool, filter, value string) error {
	c, err := findCIDR(ctx, r, pool, filter, value)
	if c == nil {
		return err
	}
	id := *c.IpamPoolCidrId
	out, err := change[ec2.DeprovisionIpamPoolCidrOutput](ctx, r, "DeprovisionIpamPoolCidr", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: c.Cidr}, func() (bool, error) {
		// Another request may have provisioned the CIDR again: then it has another id.
		now, err := findCIDR(ctx, r, pool, "ipam-pool-cidr-id", id)
		return err == nil && (now == nil || now.State == types.IpamPoolCidrStatePendingDeprovision), err
	})
	switch {
	case err != nil:
		return err
	case out != nil:
		c = out.IpamPoolCidr
	default:
		if c, err = findCIDR(ctx, r, pool, "ipam-pool-cidr-id", id); c == nil {
			return err
		}
	}
	_, err = settled(ctx, r, pool, c)
	return err
}

// madeCIDRs returns the CIDRs of a pool that were provisioned for the request's resource;
// if replaced is not nil, only those that replaced that object, which is zero for
// creates. A CIDR has no tags, but its owner can select it by the token of its request.
func madeCIDRs(ctx context.Context, r *request, pool string, replaced *physicalID) ([]*types.IpamPoolCidr, error) {
	in := &ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool, Filters: []types.Filter{{Name: aws.String("client-token"), Values: []string{r.tokenPattern(replaced)}}}}
	all, err := listed(ctx, r, "GetIpamPoolCidrs", in, &in.NextToken, func(out *ec2.GetIpamPoolCidrsOutput) ([]types.IpamPoolCidr, *string) {
		return out.IpamPoolCidrs, out.NextToken
	})
	return slices.DeleteFunc(all, func(c *types.IpamPoolCidr) bool { return !inPool(c) }), unlessNotFound(err)
}

// inPool reports whether a listed CIDR is in its pool or may come into it. A pool lists
// deprovisioned CIDRs, and those that could not be provisioned, for a while.
func inPool(c *types.IpamPoolCidr) bool {
	return c.State != types.IpamPoolCidrStateDeprovisioned && c.State != types.IpamPoolCidrStateFailedProvision
}

// findCIDR returns the CIDR of a pool that a filter of GetIpamPoolCidrs selects. It
// returns nil if the pool has none, or has it no more.
func findCIDR(ctx context.Context, r *request, pool, filter, value string) (*types.IpamPoolCidr, error) {
	c, err := readCIDR(ctx, r, pool, filter, value)
	if c != nil && !inPool(c) {
		return nil, nil
	}
	return c, err
}

// readCIDR is findCIDR for listed CIDRs in any state: a pool lists deprovisioned CIDRs
// and failed ones for a while.
func readCIDR(ctx context.Context, r *request, pool, filter, value string) (*types.IpamPoolCidr, error) {
	out, err := call[ec2.GetIpamPoolCidrsOutput](ctx, r, "GetIpamPoolCidrs", &ec2.GetIpamPoolCidrsInput{
		IpamPoolId: &pool,
		Filters:    []types.Filter{equals(filter, value)},
	})
	if err != nil || len(out.IpamPoolCidrs) == 0 {
		return nil, unlessNotFound(err)
	}
	return &out.IpamPoolCidrs[0], nil
}

// pollWait is the wait between two reads of an object that is changing.
const pollWait = 2 * time.Second

// settled waits until a CIDR's provisioning or deprovisioning ends and returns the
// CIDR. It returns an error if that failed.
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
		next, err := readCIDR(ctx, r, pool, "ipam-pool-cidr-id", *c.IpamPoolCidrId)
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

// lengthOf returns the netmask length of a CIDR as text.
func lengthOf(cidr *string) string {
	_, length, _ := strings.Cut(aws.ToString(cidr), "/")
	return length
}
