package main

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// poolProperties are the properties of AWS::EC2::IPAMPool. The selector selects the
// source pool. Without an IpamScopeId the scope is then the source pool's.
type poolProperties struct {
	AddressFamily        string `cfn:",required"`
	AwsService           string
	IpamScopeID          string `cfn:"IpamScopeId"`
	Locale               string
	PubliclyAdvertisable *bool
	PublicIPSource       string `cfn:"PublicIpSource"`
	SourceIpamPoolID     string `cfn:"SourceIpamPoolId"`
	selection
	SourceResource *struct {
		ResourceID                                  string `cfn:"ResourceId,required"`
		ResourceOwner, ResourceRegion, ResourceType string `cfn:",required"`
	}

	AllocationDefaultNetmaskLength *int32
	AllocationMaxNetmaskLength     *int32
	AllocationMinNetmaskLength     *int32
	AllocationResourceTags         map[string]string
	AutoImport                     *bool
	Description                    string
	ProvisionedCidrs               []struct {
		Cidr string `cfn:",required"`
	}
	Tags map[string]string
}

var poolKind = kind[poolProperties, types.IpamPool]{
	resolve: func(ctx context.Context, r *request, p *poolProperties) error {
		if p.SourceIpamPoolID != "" || p.IpamPoolSelector != nil {
			if err := p.resolve(ctx, r, "SourceIpamPoolId", p.SourceIpamPoolID); err != nil {
				return err
			}
		}
		if p.IpamScopeID == "" && p.IpamPoolSelector == nil {
			return ipam.Errorf(ipam.CodeMissingParameter, "The property IpamScopeId of %s is required unless an IpamPoolSelector selects the source pool, whose scope it is then.", r.ResourceType)
		}
		return nil
	},
	inherit: func(old, wish *poolProperties, o *types.IpamPool) {
		wish.inherit(&old.selection, aws.ToString(o.SourceIpamPoolId), idOf(o.IpamScopeArn))
	},
	make: makePool,
	find: findPool,
	fixed: func(p *poolProperties) facts {
		f := facts{"SourceIpamPoolId": p.fact(p.SourceIpamPoolID)}
		f.set("AddressFamily", p.AddressFamily)
		f.set("AwsService", p.AwsService)
		f.set("IpamScopeId", p.IpamScopeID)
		f.set("Locale", p.Locale)
		f.set("PubliclyAdvertisable", text(p.PubliclyAdvertisable))
		f.set("PublicIpSource", p.PublicIPSource)
		source := ""
		if s := p.SourceResource; s != nil {
			source = s.ResourceOwner + " " + s.ResourceRegion + " " + s.ResourceType + " " + s.ResourceID
		}
		f.set("SourceResource", source)
		return f
	},
	has: func(o *types.IpamPool) map[string]string {
		m := map[string]string{
			"AddressFamily":        string(o.AddressFamily),
			"AwsService":           string(o.AwsService),
			"IpamScopeId":          idOf(o.IpamScopeArn),
			"Locale":               aws.ToString(o.Locale),
			"PubliclyAdvertisable": text(o.PubliclyAdvertisable),
			"PublicIpSource":       string(o.PublicIpSource),
			"SourceIpamPoolId":     aws.ToString(o.SourceIpamPoolId),
		}
		if s := o.SourceResource; s != nil {
			m["SourceResource"] = aws.ToString(s.ResourceOwner) + " " + aws.ToString(s.ResourceRegion) + " " + string(s.ResourceType) + " " + aws.ToString(s.ResourceId)
		}
		return m
	},
	modify: modifyPool,
	made: func(ctx context.Context, r *request, _ string, replaced *physicalID) ([]*types.IpamPool, error) {
		in := &ec2.DescribeIpamPoolsInput{Filters: r.tagFilters(replaced)}
		return listed(ctx, r, "DescribeIpamPools", in, &in.NextToken, func(out *ec2.DescribeIpamPoolsOutput) ([]types.IpamPool, *string) {
			return out.IpamPools, out.NextToken
		})
	},
	provenance: func(o *types.IpamPool) (string, []types.Tag) { return aws.ToString(o.OwnerId), o.Tags },
	remove:     removePool,
	show: func(o *types.IpamPool) (physicalID, map[string]any) {
		return physicalID{form: formObject, id: *o.IpamPoolId}, map[string]any{
			"Arn":           aws.ToString(o.IpamPoolArn),
			"IpamArn":       aws.ToString(o.IpamArn),
			"IpamPoolId":    *o.IpamPoolId,
			"IpamScopeArn":  aws.ToString(o.IpamScopeArn),
			"IpamScopeType": string(o.IpamScopeType),
			"PoolDepth":     text(o.PoolDepth),
			"State":         string(o.State),
			"StateMessage":  aws.ToString(o.StateMessage),
		}
	},
}

func makePool(ctx context.Context, r *request, p *poolProperties) (*types.IpamPool, error) {
	if _, err := parseCIDRs(p.cidrs()); err != nil {
		return nil, err
	}
	in := &ec2.CreateIpamPoolInput{
		AddressFamily:                  types.AddressFamily(p.AddressFamily),
		AllocationDefaultNetmaskLength: p.AllocationDefaultNetmaskLength,
		AllocationMaxNetmaskLength:     p.AllocationMaxNetmaskLength,
		AllocationMinNetmaskLength:     p.AllocationMinNetmaskLength,
		AllocationResourceTags:         resourceTags(p.AllocationResourceTags),
		AutoImport:                     p.AutoImport,
		AwsService:                     types.IpamPoolAwsService(p.AwsService),
		ClientToken:                    r.token(),
		Description:                    some(p.Description),
		IpamScopeId:                    &p.IpamScopeID,
		Locale:                         some(p.Locale),
		PublicIpSource:                 types.IpamPoolPublicIpSource(p.PublicIPSource),
		PubliclyAdvertisable:           p.PubliclyAdvertisable,
		SourceIpamPoolId:               some(p.pool),
		TagSpecifications:              r.tagSpecifications(types.ResourceTypeIpamPool, p.Tags),
	}
	if p.IpamScopeID == "" {
		in.IpamScopeId = &p.scope
	}
	if s := p.SourceResource; s != nil {
		in.SourceResource = &types.IpamPoolSourceResourceRequest{
			ResourceId: &s.ResourceID, ResourceOwner: &s.ResourceOwner, ResourceRegion: &s.ResourceRegion, ResourceType: types.IpamPoolSourceResourceType(s.ResourceType),
		}
	}
	out, err := call[ec2.CreateIpamPoolOutput](ctx, r, "CreateIpamPool", in)
	if err != nil {
		return nil, err
	}
	for _, c := range p.cidrs() {
		if err := addCIDR(ctx, r, *out.IpamPool.IpamPoolId, c); err != nil {
			if notFound(err) { // an earlier run of this request deleted the pool
				err = ipam.Errorf(ipam.CodeIncorrectState, "The pool could not be given its ProvisionedCidrs when this request came the first time, and is deleted. Try the stack operation again.")
			}
			return out.IpamPool, err
		}
	}
	return out.IpamPool, nil
}

func findPool(ctx context.Context, r *request, id physicalID) (*types.IpamPool, error) {
	if !id.is(ipam.IDPool) {
		return nil, nil
	}
	out, err := call[ec2.DescribeIpamPoolsOutput](ctx, r, "DescribeIpamPools", &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{id.id}})
	if err != nil {
		return nil, unlessNotFound(err)
	}
	return &out.IpamPools[0], nil
}

// tagSetting begins the names of the settings that are tags which a pool asks of its
// resources.
const tagSetting = "AllocationResourceTags "

// settings returns the settings of a pool that its template gives.
func (p *poolProperties) settings() settings {
	s := settings{}
	s.set("AllocationDefaultNetmaskLength", text(p.AllocationDefaultNetmaskLength))
	s.set("AllocationMaxNetmaskLength", text(p.AllocationMaxNetmaskLength))
	s.set("AllocationMinNetmaskLength", text(p.AllocationMinNetmaskLength))
	s.set("AutoImport", text(p.AutoImport))
	s.set("Description", p.Description)
	for key, value := range p.AllocationResourceTags {
		s[tagSetting+key] = value
	}
	return s
}

// poolDefaults returns the settings of a pool whose template does not give them. The API
// cannot remove the two limits. So they become so wide that they exclude nothing.
func poolDefaults(o *types.IpamPool) settings {
	longest := "32"
	if o.AddressFamily == types.AddressFamilyIpv6 {
		longest = "128"
	}
	return settings{"AllocationMaxNetmaskLength": longest, "AllocationMinNetmaskLength": "0", "AutoImport": "false", "Description": ""}
}

func poolSettings(o *types.IpamPool) settings {
	s := settings{"AutoImport": strconv.FormatBool(aws.ToBool(o.AutoImport)), "Description": aws.ToString(o.Description)}
	s.set("AllocationDefaultNetmaskLength", text(o.AllocationDefaultNetmaskLength))
	s.set("AllocationMaxNetmaskLength", text(o.AllocationMaxNetmaskLength))
	s.set("AllocationMinNetmaskLength", text(o.AllocationMinNetmaskLength))
	for _, t := range o.AllocationResourceTags {
		s[tagSetting+aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return s
}

func modifyPool(ctx context.Context, r *request, o *types.IpamPool, old, wish *poolProperties) (*types.IpamPool, error) {
	id := *o.IpamPoolId
	read := func() (*types.IpamPool, error) { return found(findPool(ctx, r, physicalID{form: formObject, id: id})) }
	none := poolDefaults(o)
	rules := newEdit(old.settings(), wish.settings(), poolSettings(o), none).step(func(e edit) error {
		for _, name := range []string{"AllocationMaxNetmaskLength", "AllocationMinNetmaskLength"} {
			if e.removes(name) { // in the way back
				e.to = maps.Clone(e.to)
				e.to[name] = none[name]
			}
		}
		in := &ec2.ModifyIpamPoolInput{
			IpamPoolId:                     &id,
			AutoImport:                     e.boolean("AutoImport"),
			Description:                    e.text("Description"),
			AllocationDefaultNetmaskLength: e.integer("AllocationDefaultNetmaskLength"),
			AllocationMaxNetmaskLength:     e.integer("AllocationMaxNetmaskLength"),
			AllocationMinNetmaskLength:     e.integer("AllocationMinNetmaskLength"),
		}
		if e.removes("AllocationDefaultNetmaskLength") {
			in.ClearAllocationDefaultNetmaskLength = aws.Bool(true)
		}
		set, removed := e.under(tagSetting)
		for _, key := range set {
			in.AddAllocationResourceTags = append(in.AddAllocationResourceTags, resourceTag(key, e.to[tagSetting+key]))
		}
		for _, key := range removed {
			in.RemoveAllocationResourceTags = append(in.RemoveAllocationResourceTags, resourceTag(key, e.from[tagSetting+key]))
		}
		_, err := change[ec2.ModifyIpamPoolOutput](ctx, r, "ModifyIpamPool", in, e.as(reader(read, poolSettings)))
		return err
	})
	add, remove, err := cidrSteps(ctx, r, o, old.cidrs(), wish.cidrs())
	if err != nil {
		return nil, err
	}
	tagging := tagSteps(ctx, r, id, old.Tags, wish.Tags, o.Tags, reader(read, func(o *types.IpamPool) settings { return pairs(o.Tags) }))
	// The steps that cannot be reverted in full are late: no act removes a limit of
	// lengths, and other pools may take a CIDR that leaves the pool.
	if err := inSteps(slices.Concat(add, tagging, []step{rules}, remove)...); err != nil {
		return nil, err
	}
	return read()
}

// removePool deprovisions a pool's inline CIDRs and deletes the pool. Other resources
// must remove the pool's other CIDRs and its child pools before.
func removePool(ctx context.Context, r *request, id physicalID, p *poolProperties) error {
	if !id.is(ipam.IDPool) {
		return nil
	}
	// The properties may belong to another object of the resource, so the CIDRs that were
	// provisioned for the resource count, too.
	inline := p.cidrs()
	made, err := madeCIDRs(ctx, r, id.id, nil)
	if err != nil {
		return err
	}
	for _, c := range made {
		inline = append(inline, *c.Cidr)
	}
	slices.Sort(inline)
	for _, c := range slices.Compact(inline) {
		if err := deprovision(ctx, r, id.id, "cidr", c); err != nil {
			return err
		}
	}
	_, err = change[ec2.DeleteIpamPoolOutput](ctx, r, "DeleteIpamPool", &ec2.DeleteIpamPoolInput{IpamPoolId: &id.id}, gone(ctx, r, id, findPool))
	return unlessNotFound(err)
}

func resourceTags(tags map[string]string) []types.RequestIpamResourceTag {
	var list []types.RequestIpamResourceTag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, resourceTag(key, tags[key]))
	}
	return list
}

func resourceTag(key, value string) types.RequestIpamResourceTag {
	return types.RequestIpamResourceTag{Key: &key, Value: &value}
}
