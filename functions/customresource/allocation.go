package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// allocationProperties are the properties of AWS::EC2::IPAMAllocation. An
// IpamPoolSelector may take the place of the pool's id. A stack that is deleted and
// created again with the same StableKey gets the same CIDR if it is still free. A change
// of any property replaces the allocation.
type allocationProperties struct {
	Cidr          string
	Description   string
	IpamPoolID    string `cfn:"IpamPoolId"`
	NetmaskLength *int32
	StableKey     string
	selection
}

// tags returns the tags that the properties ask for.
func (p *allocationProperties) tags() map[string]string {
	if p.StableKey == "" {
		return nil
	}
	return map[string]string{ipam.StableKeyTag: p.StableKey}
}

// allocation is an allocation of a pool.
type allocation struct {
	pool string
	types.IpamPoolAllocation
}

var allocationKind = kind[allocationProperties, allocation]{
	resolve: func(ctx context.Context, r *request, p *allocationProperties) error {
		return p.resolve(ctx, r, "IpamPoolId", p.IpamPoolID)
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
	find: findAllocation,
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
	pool: func(p *allocationProperties) string { return p.pool },
	made: func(ctx context.Context, r *request, pool string, replaced *physicalID) (made []*allocation, err error) {
		in := &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, Filters: r.tagFilters(replaced)}
		all, err := listed(ctx, r, "GetIpamPoolAllocations", in, &in.NextToken, func(out *ec2.GetIpamPoolAllocationsOutput) ([]types.IpamPoolAllocation, *string) {
			return out.IpamPoolAllocations, out.NextToken
		})
		for _, a := range all {
			made = append(made, &allocation{pool, *a})
		}
		return made, unlessNotFound(err)
	},
	provenance: func(o *allocation) (string, []types.Tag) { return aws.ToString(o.ResourceOwner), o.Tags },
	remove: func(ctx context.Context, r *request, id physicalID, _ *allocationProperties) error {
		if id.form != formAllocation {
			return nil
		}
		in := &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &id.pool, IpamPoolAllocationId: &id.id, Cidr: &id.allocation}
		_, err := change[ec2.ReleaseIpamPoolAllocationOutput](ctx, r, "ReleaseIpamPoolAllocation", in, gone(ctx, r, id, findAllocation))
		return unlessNotFound(err)
	},
	show: func(o *allocation) (physicalID, map[string]any) {
		return physicalID{form: formAllocation, pool: o.pool, id: *o.IpamPoolAllocationId, allocation: *o.Cidr}, map[string]any{
			"IpamPoolAllocationId": *o.IpamPoolAllocationId,
			// AWS has no such attributes:
			"Cidr":          *o.Cidr,
			"IpamPoolId":    o.pool,
			"NetmaskLength": lengthOf(o.Cidr),
		}
	},
}

func findAllocation(ctx context.Context, r *request, id physicalID) (*allocation, error) {
	if id.form != formAllocation {
		return nil, nil
	}
	out, err := call[ec2.GetIpamPoolAllocationsOutput](ctx, r, "GetIpamPoolAllocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &id.pool, IpamPoolAllocationId: &id.id})
	if err != nil {
		return nil, unlessNotFound(err)
	}
	return &allocation{id.pool, out.IpamPoolAllocations[0]}, nil
}
