package ops

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
)

func (o service) pools() entity[ipam.Pool] {
	return entity[ipam.Pool]{ipam.IDPool, func(p *ipam.Pool) *ipam.Meta { return &p.Meta }, o.store.Pools, o.store.PoolsAfter, o.store.ModifyPool, nil}
}

// reachablePools is pools that also finds the pools shared with the caller.
func (o service) reachablePools() entity[ipam.Pool] {
	k := o.pools()
	k.check = checkVisible
	return k
}

func (o service) createPool(ctx context.Context, in *ec2.CreateIpamPoolInput) (*ec2.CreateIpamPoolOutput, error) {
	t, err := token(ctx, "CreateIpamPool", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	wish, err := o.parsePool(ctx, in)
	if err != nil {
		return nil, err
	}
	made, err := o.store.CreatePool(ctx, t, wish, func(above *ipam.IPAM, scope *ipam.Scope, source, p *ipam.Pool) error {
		if err := checkOwner(ctx, &scope.Meta); err != nil {
			return err
		}
		p.ScopeType = scope.Type
		if p.SourcePool != "" {
			if err := inheritSource(ctx, source, p); err != nil {
				return err
			}
			if err := o.checkPlanning(ctx, source, p); err != nil {
				return err
			}
		}
		if err := checkLocale(above, p); err != nil {
			return err
		}
		if err := checkPublic(p, in.PubliclyAdvertisable != nil); err != nil {
			return err
		}
		if err := checkAutoImport(p); err != nil {
			return err
		}
		return checkTier(above, p)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateIpamPoolOutput{IpamPool: new(showPool(made))}, nil
}

// parsePool reads the pool of a request, and checks all that needs no other object.
func (o service) parsePool(ctx context.Context, in *ec2.CreateIpamPoolInput) (p ipam.Pool, err error) {
	p = ipam.Pool{
		Family:               ipam.ParseFamily(string(in.AddressFamily)),
		AutoImport:           aws.ToBool(in.AutoImport),
		PubliclyAdvertisable: aws.ToBool(in.PubliclyAdvertisable),
		AWSService:           string(in.AwsService),
		PublicIPSource:       string(in.PublicIpSource),
		Rules: ipam.Rules{
			Min:     parseLength(in.AllocationMinNetmaskLength),
			Max:     parseLength(in.AllocationMaxNetmaskLength),
			Default: parseLength(in.AllocationDefaultNetmaskLength),
		},
	}
	if p.Scope, err = checkID(ipam.IDScope, "IpamScopeId", in.IpamScopeId); err != nil {
		return p, err
	}
	if in.SourceIpamPoolId != nil {
		if p.SourcePool, err = checkID(ipam.IDPool, "SourceIpamPoolId", in.SourceIpamPoolId); err != nil {
			return p, err
		}
	}
	if l := aws.ToString(in.Locale); l != noLocale {
		p.Locale = l
	}
	if p.SourceResource, err = o.sourceResource(ctx, in); err != nil {
		return p, err
	}
	if p.Description, err = parseDescription(in.Description); err != nil {
		return p, err
	}
	if p.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDPool); err != nil {
		return p, err
	}
	if p.Rules.ResourceTags, err = o.resourceTags("AllocationResourceTags", in.AllocationResourceTags); err != nil {
		return p, err
	}
	return p, p.Rules.Check(p.Family)
}

// poolChange is the change of a pool that a request asks for.
type poolChange struct {
	description       *string
	autoImport        *bool
	min, max, length  *int // length is the default one
	clearLength       bool
	addTags, dropTags ipam.Tags
}

func (o service) parsePoolChange(in *ec2.ModifyIpamPoolInput) (c poolChange, err error) {
	c = poolChange{
		description: in.Description,
		autoImport:  in.AutoImport,
		min:         parseLength(in.AllocationMinNetmaskLength),
		max:         parseLength(in.AllocationMaxNetmaskLength),
		length:      parseLength(in.AllocationDefaultNetmaskLength),
		clearLength: aws.ToBool(in.ClearAllocationDefaultNetmaskLength),
	}
	tags := len(in.AddAllocationResourceTags) + len(in.RemoveAllocationResourceTags)
	if c.description == nil && c.autoImport == nil && c.min == nil && c.max == nil && c.length == nil && !c.clearLength && tags == 0 {
		return c, invalidCombination("The request must contain a modification to the ipam pool. Give a Description, AutoImport, a netmask length, or resource tags to add or remove.")
	}
	if c.clearLength && c.length != nil {
		return c, invalidCombination("The parameter AllocationDefaultNetmaskLength may not be used in combination with ClearAllocationDefaultNetmaskLength. Give one of them.")
	}
	if _, err = parseDescription(c.description); err != nil {
		return c, err
	}
	if c.addTags, err = o.resourceTags("AddAllocationResourceTags", in.AddAllocationResourceTags); err != nil {
		return c, err
	}
	c.dropTags, err = o.resourceTags("RemoveAllocationResourceTags", in.RemoveAllocationResourceTags)
	return c, err
}

// apply changes the pool, and returns an error for a pool that cannot be so.
func (c poolChange) apply(o service, p *ipam.Pool) error {
	if c.description != nil {
		p.Description = *c.description
	}
	if c.min != nil {
		p.Rules.Min = c.min
	}
	if c.max != nil {
		p.Rules.Max = c.max
	}
	if c.length != nil || c.clearLength {
		p.Rules.Default = c.length
	}
	tags := ipam.Tags{}
	maps.Copy(tags, p.Rules.ResourceTags)
	maps.DeleteFunc(tags, func(k, v string) bool { w, ok := c.dropTags[k]; return ok && v == w })
	maps.Copy(tags, c.addTags)
	if err := o.checkTagCount(p.ID, len(tags)); err != nil {
		return err
	}
	p.Rules.ResourceTags = tags
	if c.autoImport != nil {
		p.AutoImport = *c.autoImport
	}
	if err := checkAutoImport(p); err != nil {
		return err
	}
	return p.Rules.Check(p.Family)
}

func (o service) modifyPool(ctx context.Context, in *ec2.ModifyIpamPoolInput) (*ec2.ModifyIpamPoolOutput, error) {
	id, err := checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId)
	if err != nil {
		return nil, err
	}
	change, err := o.parsePoolChange(in)
	if err != nil {
		return nil, err
	}
	changed, err := o.store.ModifyPool(ctx, id, ipam.ActModify, func(p *ipam.Pool) error {
		if err := checkOwner(ctx, &p.Meta); err != nil {
			return err
		}
		return change.apply(o, p)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamPoolOutput{IpamPool: new(showPool(changed))}, nil
}

func (o service) deletePool(ctx context.Context, in *ec2.DeleteIpamPoolInput) (*ec2.DeleteIpamPoolOutput, error) {
	id, err := checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId)
	if err != nil {
		return nil, err
	}
	cascade := aws.ToBool(in.Cascade)
	deleted, err := o.store.DeletePool(ctx, id, cascade, func(p *ipam.Pool) error {
		if err := checkOwner(ctx, &p.Meta); err != nil {
			return err
		}
		if cascade && p.ScopeType == ipam.ScopePublic {
			return invalidCombination("Cascade does not delete pools in a public scope, and %s is one. Deprovision its CIDRs, then delete it without Cascade.", id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteIpamPoolOutput{IpamPool: new(showPool(deleted))}, nil
}

// visiblePool returns a pool that exists for the caller.
func (o service) visiblePool(ctx context.Context, id *string) (*ipam.Pool, error) {
	pools, err := o.reachablePools().find(ctx, "IpamPoolId", []string{aws.ToString(id)})
	if err != nil {
		return nil, err
	}
	return pools[0], nil
}

func (o service) describePools(ctx context.Context, in *ec2.DescribeIpamPoolsInput) (*ec2.DescribeIpamPoolsOutput, error) {
	filters := listing.Filters[types.IpamPool]{
		"ipam-id":       func(p *types.IpamPool) (string, bool) { return idOfARN(p.IpamArn), true },
		"ipam-scope-id": func(p *types.IpamPool) (string, bool) { return idOfARN(p.IpamScopeArn), true },
	}
	q := listRequest{"DescribeIpamPools", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, filters, showPool, func(p listing.Page) (listing.List[ipam.Pool], error) {
		if len(in.IpamPoolIds) > 0 {
			return o.reachablePools().list(ctx, p, "IpamPoolIds", in.IpamPoolIds)
		}
		principal := ""
		if len(p.After) == 2 {
			p.After, principal = p.After[:1], p.After[1]
		}
		after, err := p.AfterID(ipam.IDPool)
		return o.allPools(ctx, after, principal), err
	})
	return &ec2.DescribeIpamPoolsOutput{IpamPools: found, NextToken: next}, err
}

// allPools lists the pools that the caller sees, each once: its own, and then, by
// ascending principal, those shared with each of its principals; each of these lists by
// ascending id. It begins behind the id after in the list of principal, or of its own
// pools if principal is "". The position of a shared pool has its principal behind the
// id.
func (o service) allPools(ctx context.Context, after, principal string) listing.List[ipam.Pool] {
	return func(yield func(listing.Entry[ipam.Pool], error) bool) {
		if principal == "" {
			for e, err := range o.pools().owned(ctx, after) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if principal != "" && ipam.PrincipalKindOf(principal) == 0 {
			yield(listing.Entry[ipam.Pool]{}, listing.Page{}.InvalidToken())
			return
		}
		principals, _ := principals(ctx)
		first, found := slices.BinarySearch(principals, principal)
		if !found {
			after = "" // the list begins, or the caller does not have that principal any more
		}
		for i := first; i < len(principals); i++ {
			for e, err := range o.sharedPools(ctx, principals[:i], principals[i], after) {
				if !yield(e, err) || err != nil {
					return
				}
			}
			after = ""
		}
	}
}

// sharedPools lists the pools that are shared with a principal, by ascending id, behind
// the id after. It leaves out the caller's own pools, and those that are shared with one
// of the principals before, which the list has already.
func (o service) sharedPools(ctx context.Context, before []string, principal, after string) listing.List[ipam.Pool] {
	all := listing.Read(after, func(after string) ([]*ipam.Pool, string, error) {
		pools, next, err := o.store.SharedAfter(ctx, principal, after, batchSize)
		return slices.DeleteFunc(pools, func(p *ipam.Pool) bool {
			// The second one is a pool whose share has ended since.
			return checkOwner(ctx, &p.Meta) == nil || !p.SharedWith([]string{principal}) || p.SharedWith(before)
		}), next, err
	}, func(p *ipam.Pool) []string { return []string{p.ID, principal} })
	return all
}

func showPool(p *ipam.Pool) types.IpamPool {
	out := types.IpamPool{
		OwnerId:                        &p.Owner,
		IpamPoolId:                     &p.ID,
		SourceIpamPoolId:               optional(p.SourcePool),
		IpamPoolArn:                    arn(&p.Meta, ipam.IDPool, p.ID),
		IpamScopeArn:                   arn(&p.Meta, ipam.IDScope, p.Scope),
		IpamScopeType:                  types.IpamScopeType(p.ScopeType),
		IpamArn:                        arn(&p.Meta, ipam.IDIPAM, p.IPAM),
		IpamRegion:                     &p.Region,
		Locale:                         aws.String(noLocale),
		PoolDepth:                      aws.Int32(int32(p.Depth)),
		State:                          types.IpamPoolState(p.State),
		StateMessage:                   optional(p.StateMessage),
		Description:                    optional(p.Description),
		AutoImport:                     &p.AutoImport,
		PubliclyAdvertisable:           &p.PubliclyAdvertisable,
		AddressFamily:                  types.AddressFamily(p.Family.String()),
		AllocationMinNetmaskLength:     showLength(p.Rules.Min),
		AllocationMaxNetmaskLength:     showLength(p.Rules.Max),
		AllocationDefaultNetmaskLength: showLength(p.Rules.Default),
		AllocationResourceTags:         showResourceTags(p.Rules.ResourceTags),
		Tags:                           showTags(p.Tags),
		AwsService:                     types.IpamPoolAwsService(p.AWSService),
		PublicIpSource:                 types.IpamPoolPublicIpSource(p.PublicIPSource),
	}
	if p.Locale != "" {
		out.Locale = &p.Locale
	}
	if r := p.SourceResource; r != nil {
		out.SourceResource = &types.IpamPoolSourceResource{ResourceId: &r.ID, ResourceOwner: &r.Owner, ResourceRegion: &r.Region, ResourceType: types.IpamPoolSourceResourceTypeVpc}
	}
	return out
}
