package ops

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func (o service) pools() entity[ipam.Pool] {
	return entity[ipam.Pool]{ipam.IDPool, func(p *ipam.Pool) *ipam.Meta { return &p.Meta }, o.store.Pools, o.store.PoolsAfter, o.store.ModifyPool, nil}
}

// reachablePools is pools that finds those shared with the caller too.
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
	p := ipam.Pool{
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
		return nil, err
	}
	if in.SourceIpamPoolId != nil {
		if p.SourcePool, err = checkID(ipam.IDPool, "SourceIpamPoolId", in.SourceIpamPoolId); err != nil {
			return nil, err
		}
	}
	if l := aws.ToString(in.Locale); l != noLocale {
		p.Locale = l
	}
	if p.SourceResource, err = o.sourceResource(ctx, in); err != nil {
		return nil, err
	}
	if p.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if p.Tags, err = o.specifiedTags(in.TagSpecifications, ipam.IDPool); err != nil {
		return nil, err
	}
	if p.Rules.ResourceTags, err = o.resourceTags("AllocationResourceTags", in.AllocationResourceTags); err != nil {
		return nil, err
	}
	if err := p.Rules.Check(p.Family); err != nil {
		return nil, err
	}
	made, err := o.store.CreatePool(ctx, t, p, func(above *ipam.IPAM, scope *ipam.Scope, source, p *ipam.Pool) error {
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
	return &ec2.CreateIpamPoolOutput{IpamPool: ptr(showPool(made))}, nil
}

// sourceResource reads what a resource planning pool plans; nil for any
// other pool. Without an owner it is the caller's, and without a Region it is in
// the pool's locale or the caller's Region.
func (o service) sourceResource(ctx context.Context, in *ec2.CreateIpamPoolInput) (*ipam.SourceResource, error) {
	r := in.SourceResource
	if r == nil {
		return nil, nil
	}
	if in.SourceIpamPoolId == nil {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter SourceIpamPoolId with SourceResource: the pool that the VPC has its CIDR from.")
	}
	at := &ipam.SourceResource{ID: aws.ToString(r.ResourceId), Owner: aws.ToString(r.ResourceOwner), Region: aws.ToString(r.ResourceRegion)}
	if at.Owner == "" {
		at.Owner = registry.CallerFrom(ctx).Account
	}
	if at.Region == "" {
		if at.Region = aws.ToString(in.Locale); at.Region == "" || at.Region == noLocale {
			at.Region = o.region(ctx)
		}
	}
	switch {
	case at.ID == "" || r.ResourceType == "":
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain SourceResource with ResourceId and ResourceType.")
	case r.ResourceType != types.IpamPoolSourceResourceTypeVpc:
		return nil, schema.Invalid("SourceResource.ResourceType", string(r.ResourceType), "It is vpc.")
	}
	return at, nil
}

// checkPlanning refuses a resource planning pool over anything but a VPC that has
// a CIDR from the source pool, and any pool under a planning pool.
func (o service) checkPlanning(ctx context.Context, source, p *ipam.Pool) error {
	if source.SourceVPC() != "" {
		return schema.Invalid("SourceIpamPoolId", source.ID, "It is a resource planning pool, whose space goes to the subnets of %s. Use another source.", source.SourceVPC())
	}
	r := p.SourceResource
	if r == nil {
		return nil
	}
	switch p.Locale {
	case "":
		p.Locale = r.Region
	case r.Region:
	default:
		return schema.Invalid("SourceResource.ResourceRegion", r.Region, "The locale of the pool is %s. A resource planning pool has the Region of its VPC.", p.Locale)
	}
	has, err := o.store.HasCIDRFrom(ctx, source, p.Family, *r)
	if err == nil && !has {
		return schema.Invalid("SourceResource.ResourceId", r.ID, "The pool %s has given it no %s CIDR, as far as discovery has seen account %s in %s. Name the pool that the VPC has its CIDR from, and wait until discovery has seen it.", source.ID, p.Family, r.Owner, r.Region)
	}
	return err
}

// inherit gives a pool what comes from its source, nil if there is none with
// that id, or says why it cannot be under it.
func inheritSource(ctx context.Context, source, p *ipam.Pool) error {
	if source == nil {
		return ipam.NotFound(p.SourcePool)
	}
	if err := checkOwner(ctx, &source.Meta); err != nil {
		return err
	}
	switch {
	case source.Scope != p.Scope:
		return schema.Invalid("SourceIpamPoolId", source.ID, "It is in the scope %s and not in %s. A pool and its source are in the same scope.", source.Scope, p.Scope)
	case source.Family != p.Family:
		return schema.Invalid("AddressFamily", p.Family.String(), "The source pool %s is of %s. A pool and its source have the same family.", source.ID, source.Family)
	case p.Locale == "":
		p.Locale = source.Locale
	case source.Locale != "" && source.Locale != p.Locale:
		return schema.Invalid("Locale", p.Locale, "The source pool %s has the locale %s, which the pools under it have too.", source.ID, source.Locale)
	}
	switch p.PublicIPSource {
	case "":
		p.PublicIPSource = source.PublicIPSource
	case source.PublicIPSource:
	default:
		return invalidCombination("The PublicIpSource %s differs from that of the source pool %s, which is %s. Leave it out.", p.PublicIPSource, source.ID, source.PublicIPSource)
	}
	return nil
}

// checkLocale refuses a locale that is no operating Region.
func checkLocale(above *ipam.IPAM, p *ipam.Pool) error {
	global := p.AWSService == string(types.IpamPoolAwsServiceGlobalServices)
	switch {
	case p.Locale == globalLocale && global:
		return nil
	case global:
		return invalidCombination("The AwsService global-services needs the Locale Global.")
	case p.Locale == "" || slices.Contains(above.OperatingRegions, p.Locale):
		return nil
	}
	return schema.Invalid("Locale", p.Locale, "It is no operating Region of %s, which are %s. Use one of them, or add the Region with ModifyIpam.", above.ID, strings.Join(above.OperatingRegions, ", "))
}

// checkPublic completes the settings that pools of public scopes have, and
// refuses them elsewhere. advertisableGiven tells whether PubliclyAdvertisable
// was given, false or true: clients give it for every IPv6 pool that is not
// Amazon's, in private scopes too.
func checkPublic(p *ipam.Pool, advertisableGiven bool) error {
	public := p.ScopeType == ipam.ScopePublic
	if !public && (p.AWSService != "" || p.PublicIPSource != "") {
		return invalidCombination("AwsService and PublicIpSource are for pools in public scopes, and %s is private. Leave them out.", p.Scope)
	}
	if public && p.PublicIPSource == "" {
		p.PublicIPSource = string(types.IpamPoolPublicIpSourceByoip)
	}
	amazon := p.PublicIPSource == string(types.IpamPoolPublicIpSourceAmazon)
	switch {
	case amazon && p.Locale == "":
		return invalidCombination("A pool with PublicIpSource amazon needs a Locale. Give one.")
	case p.AWSService != "" && p.Locale == "":
		return invalidCombination("A pool with an AwsService needs a Locale. Give one.")
	case advertisableGiven && (p.Family != ipam.IPv6 || amazon), p.PubliclyAdvertisable && !public:
		return invalidCombination("The request can only contain PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip. Leave it out.")
	case public && p.Family == ipam.IPv6 && !amazon && !advertisableGiven:
		return ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip.")
	}
	return nil
}

// checkAutoImport refuses it in public scopes. A pool without a locale may have it,
// as in EC2, and imports nothing.
func checkAutoImport(p *ipam.Pool) error {
	if p.AutoImport && p.ScopeType == ipam.ScopePublic {
		return invalidCombination("AutoImport is for pools in private scopes, and %s is public. Leave it out.", p.Scope)
	}
	return nil
}

func (o service) modifyPool(ctx context.Context, in *ec2.ModifyIpamPoolInput) (*ec2.ModifyIpamPoolOutput, error) {
	id, err := checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId)
	if err != nil {
		return nil, err
	}
	lowest, longest, standard := parseLength(in.AllocationMinNetmaskLength), parseLength(in.AllocationMaxNetmaskLength), parseLength(in.AllocationDefaultNetmaskLength)
	unset := aws.ToBool(in.ClearAllocationDefaultNetmaskLength)
	if in.Description == nil && in.AutoImport == nil && lowest == nil && longest == nil && standard == nil && !unset && len(in.AddAllocationResourceTags)+len(in.RemoveAllocationResourceTags) == 0 {
		return nil, invalidCombination("The request must contain a modification to the ipam pool. Give a Description, AutoImport, a netmask length, or resource tags to add or remove.")
	}
	if unset && standard != nil {
		return nil, invalidCombination("The parameter AllocationDefaultNetmaskLength may not be used in combination with ClearAllocationDefaultNetmaskLength. Give one of them.")
	}
	text, err := parseDescription(in.Description)
	if err != nil {
		return nil, err
	}
	add, err := o.resourceTags("AddAllocationResourceTags", in.AddAllocationResourceTags)
	if err != nil {
		return nil, err
	}
	remove, err := o.resourceTags("RemoveAllocationResourceTags", in.RemoveAllocationResourceTags)
	if err != nil {
		return nil, err
	}
	changed, err := o.store.ModifyPool(ctx, id, ipam.ActModify, func(p *ipam.Pool) error {
		if err := checkOwner(ctx, &p.Meta); err != nil {
			return err
		}
		if in.Description != nil {
			p.Description = text
		}
		if lowest != nil {
			p.Rules.Min = lowest
		}
		if longest != nil {
			p.Rules.Max = longest
		}
		if standard != nil || unset {
			p.Rules.Default = standard
		}
		tags := ipam.Tags{}
		maps.Copy(tags, p.Rules.ResourceTags)
		maps.DeleteFunc(tags, func(k, v string) bool { w, ok := remove[k]; return ok && v == w })
		maps.Copy(tags, add)
		if err := o.checkTagCount(p.ID, len(tags)); err != nil {
			return err
		}
		p.Rules.ResourceTags = tags
		if in.AutoImport != nil {
			p.AutoImport = *in.AutoImport
		}
		if err := checkAutoImport(p); err != nil {
			return err
		}
		return p.Rules.Check(p.Family)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamPoolOutput{IpamPool: ptr(showPool(changed))}, nil
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
	return &ec2.DeleteIpamPoolOutput{IpamPool: ptr(showPool(deleted))}, nil
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
		via := ""
		if len(p.After) == 2 {
			p.After, via = p.After[:1], p.After[1]
		}
		after, err := p.AfterID(ipam.IDPool)
		return o.allPools(ctx, after, via), err
	})
	return &ec2.DescribeIpamPoolsOutput{IpamPools: found, NextToken: next}, err
}

// allPools lists the pools that the caller sees, from behind the id after in
// the part via: its own, with via "", and then, by ascending principal, those
// shared with it; each by ascending id, and once. The position of a shared
// one tells the principal behind the id.
func (o service) allPools(ctx context.Context, after, via string) listing.List[ipam.Pool] {
	return func(yield func(listing.Entry[ipam.Pool], error) bool) {
		if via == "" {
			for e, err := range o.pools().owned(ctx, after) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if via != "" && ipam.PrincipalKindOf(via) == 0 {
			yield(listing.Entry[ipam.Pool]{}, listing.Page{}.InvalidToken())
			return
		}
		principals, _ := principals(ctx)
		first, here := slices.BinarySearch(principals, via)
		if !here {
			after = "" // the caller has left that one, or begins
		}
		for i := first; i < len(principals); i++ {
			for more := true; more; more = after != "" {
				pools, next, err := o.store.SharedAfter(ctx, principals[i], after, batchSize)
				if err != nil {
					yield(listing.Entry[ipam.Pool]{}, err)
					return
				}
				for _, p := range pools {
					if checkOwner(ctx, &p.Meta) == nil || p.SharedWith(principals[:i]) || !p.SharedWith(principals[i:i+1]) {
						continue // listed before, or not shared any more
					}
					if !yield(listing.Entry[ipam.Pool]{Object: p, Position: []string{p.ID, principals[i]}}, nil) {
						return
					}
				}
				after = next
			}
		}
	}
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
