package main

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// allocationProperties are those of AWS::EC2::IPAMAllocation, or with a
// selector instead of the pool's id; and a stable key, by which a stack that is
// deleted and made anew gets the same CIDR, if that is still free. The change of
// any asks for another allocation.
type allocationProperties struct {
	Cidr          string
	Description   string
	IpamPoolID    string `cfn:"IpamPoolId"`
	NetmaskLength *int32
	StableKey     string
	selection
}

// tags are those that the properties ask for.
func (p *allocationProperties) tags() map[string]string {
	if p.StableKey == "" {
		return nil
	}
	return map[string]string{ipam.StableKeyTag: p.StableKey}
}

// allocation is an allocation of a pool. Its physical id is pool|id|CIDR.
type allocation struct {
	pool string
	types.IpamPoolAllocation
}

var allocationKind = kind[allocationProperties, allocation]{
	settle: func(ctx context.Context, r *request, p *allocationProperties) error {
		return p.settle(ctx, r, "IpamPoolId", p.IpamPoolID)
	},
	inherit: func(old, wish *allocationProperties, o *allocation) { wish.inherit(&old.selection, o.pool, "") },
	make: func(ctx context.Context, r *request, p *allocationProperties) (*allocation, error) {
		out, err := call[ec2.AllocateIpamPoolCidrOutput](ctx, r, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{
			Cidr:              some(p.Cidr),
			ClientToken:       r.token(),
			Description:       some(p.Description),
			IpamPoolId:        &p.pool,
			NetmaskLength:     p.NetmaskLength,
			TagSpecifications: r.tagSpecifications(types.ResourceTypeIpamPoolAllocation, p.tags()),
		})
		if err != nil {
			return nil, err
		}
		return &allocation{p.pool, *out.IpamPoolAllocation}, nil
	},
	find: func(ctx context.Context, r *request, id string) (*allocation, error) {
		pool, allocated, _, ok := splitAllocation(id)
		if !ok {
			return nil, nil
		}
		out, err := call[ec2.GetIpamPoolAllocationsOutput](ctx, r, "GetIpamPoolAllocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, IpamPoolAllocationId: &allocated})
		if err != nil {
			return nil, unlessGone(err)
		}
		return &allocation{pool, out.IpamPoolAllocations[0]}, nil
	},
	fixed: func(p *allocationProperties) facts {
		f := facts{"IpamPoolId": p.fact(p.IpamPoolID)}
		f.setBlock(p.Cidr, p.NetmaskLength)
		f.set("Description", p.Description)
		f.set("StableKey", p.StableKey)
		return f
	},
	has: func(o *allocation) map[string]string {
		m := map[string]string{"IpamPoolId": o.pool, block: aws.ToString(o.Cidr), "Description": aws.ToString(o.Description)}
		for _, t := range o.Tags {
			if aws.ToString(t.Key) == ipam.StableKeyTag {
				m["StableKey"] = aws.ToString(t.Value)
			}
		}
		return m
	},
	made: func(ctx context.Context, r *request, p *allocationProperties) (made []*allocation, err error) {
		if err := p.settle(ctx, r, "IpamPoolId", p.IpamPoolID); err != nil {
			if !maybeDone(err) { // as the create's pool could not be settled either
				err = errNowhere
			}
			return nil, err
		}
		in := &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &p.pool, Filters: r.tagFilters()}
		all, err := listed(ctx, r, "GetIpamPoolAllocations", in, &in.NextToken, func(out *ec2.GetIpamPoolAllocationsOutput) ([]types.IpamPoolAllocation, *string) {
			return out.IpamPoolAllocations, out.NextToken
		})
		for _, a := range all {
			made = append(made, &allocation{p.pool, *a})
		}
		return made, unlessGone(err)
	},
	remove: func(ctx context.Context, r *request, id string, _ *allocationProperties) error {
		pool, allocated, cidr, ok := splitAllocation(id)
		if !ok {
			return nil
		}
		_, err := call[ec2.ReleaseIpamPoolAllocationOutput](ctx, r, "ReleaseIpamPoolAllocation", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, IpamPoolAllocationId: &allocated, Cidr: &cidr})
		return unlessGone(err)
	},
	show: func(o *allocation) (string, map[string]any) {
		return strings.Join([]string{o.pool, *o.IpamPoolAllocationId, *o.Cidr}, "|"), map[string]any{
			"IpamPoolAllocationId": *o.IpamPoolAllocationId,
			// Beside AWS's:
			"Cidr":          *o.Cidr,
			"IpamPoolId":    o.pool,
			"NetmaskLength": lengthOf(o.Cidr),
		}
	},
}

func splitAllocation(id string) (pool, allocated, cidr string, ok bool) {
	parts := strings.Split(id, "|")
	if len(parts) != 3 {
		return "", "", "", false
	}
	pool, allocated, cidr = parts[0], parts[1], parts[2]
	return pool, allocated, cidr, ipam.IDKindOf(pool) == ipam.IDPool && ipam.IDKindOf(allocated) == ipam.IDAllocation
}
