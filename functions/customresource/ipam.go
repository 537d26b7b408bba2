package main

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// ipamProperties are the properties of AWS::EC2::IPAM. A change of any of them leaves
// the IPAM the same.
type ipamProperties struct {
	DefaultResourceDiscoveryOrganizationalUnitExclusions []struct {
		OrganizationsEntityPath string `cfn:",required"`
	}
	Description      string
	EnablePrivateGua *bool
	MeteredAccount   string
	OperatingRegions []struct {
		RegionName string `cfn:",required"`
	}
	Tags map[string]string
	Tier string
}

// exclusions returns the organizational units that the template excludes from the
// default resource discovery.
func (p *ipamProperties) exclusions() []string {
	var paths []string
	for _, e := range p.DefaultResourceDiscoveryOrganizationalUnitExclusions {
		paths = append(paths, e.OrganizationsEntityPath)
	}
	return paths
}

// regions returns the operating Regions in the template.
func (p *ipamProperties) regions() []string {
	var names []string
	for _, r := range p.OperatingRegions {
		names = append(names, r.RegionName)
	}
	return names
}

var ipamKind = kind[ipamProperties, types.Ipam]{
	make: func(ctx context.Context, r *request, p *ipamProperties) (*types.Ipam, error) {
		in := &ec2.CreateIpamInput{
			ClientToken:       r.token(),
			Description:       some(p.Description),
			EnablePrivateGua:  p.EnablePrivateGua,
			MeteredAccount:    types.IpamMeteredAccount(p.MeteredAccount),
			TagSpecifications: r.tagSpecifications(types.ResourceTypeIpam, p.Tags),
			Tier:              types.IpamTier(p.Tier),
		}
		for _, name := range p.regions() {
			in.OperatingRegions = append(in.OperatingRegions, types.AddIpamOperatingRegion{RegionName: &name})
		}
		out, err := call[ec2.CreateIpamOutput](ctx, r, "CreateIpam", in)
		if err != nil {
			return nil, err
		}
		if p.exclusions() == nil {
			return out.Ipam, nil
		}
		if err := exclude(ctx, r, out.Ipam, nil, p.exclusions()); err != nil {
			if notFound(err) { // an earlier run of this request deleted the IPAM
				err = ipam.Errorf(ipam.CodeIncorrectState, "The IPAM could not be given its exclusions when this request came the first time, and is deleted. Try the stack operation again.")
			}
			return out.Ipam, err
		}
		return out.Ipam, nil
	},
	find:   findIPAM,
	fixed:  func(*ipamProperties) facts { return nil },
	has:    func(*types.Ipam) map[string]string { return nil },
	modify: modifyIPAM,
	made: func(ctx context.Context, r *request, _ string, replaced *physicalID) ([]*types.Ipam, error) {
		in := &ec2.DescribeIpamsInput{Filters: r.tagFilters(replaced)}
		return listed(ctx, r, "DescribeIpams", in, &in.NextToken, func(out *ec2.DescribeIpamsOutput) ([]types.Ipam, *string) { return out.Ipams, out.NextToken })
	},
	provenance: func(o *types.Ipam) (string, []types.Tag) { return aws.ToString(o.OwnerId), o.Tags },
	remove: func(ctx context.Context, r *request, id physicalID, _ *ipamProperties) error {
		if !id.is(ipam.IDIPAM) {
			return nil
		}
		_, err := call[ec2.DeleteIpamOutput](ctx, r, "DeleteIpam", &ec2.DeleteIpamInput{IpamId: &id.id})
		return unlessNotFound(err)
	},
	show: func(o *types.Ipam) (physicalID, map[string]any) {
		return physicalID{form: formObject, id: *o.IpamId}, map[string]any{
			"Arn":                                   aws.ToString(o.IpamArn),
			"DefaultResourceDiscoveryAssociationId": aws.ToString(o.DefaultResourceDiscoveryAssociationId),
			"DefaultResourceDiscoveryId":            aws.ToString(o.DefaultResourceDiscoveryId),
			"IpamId":                                *o.IpamId,
			"PrivateDefaultScopeId":                 aws.ToString(o.PrivateDefaultScopeId),
			"PublicDefaultScopeId":                  aws.ToString(o.PublicDefaultScopeId),
			"ResourceDiscoveryAssociationCount":     text(o.ResourceDiscoveryAssociationCount),
			"ScopeCount":                            text(o.ScopeCount),
		}
	},
}

func findIPAM(ctx context.Context, r *request, id physicalID) (*types.Ipam, error) {
	if !id.is(ipam.IDIPAM) {
		return nil, nil
	}
	out, err := call[ec2.DescribeIpamsOutput](ctx, r, "DescribeIpams", &ec2.DescribeIpamsInput{IpamIds: []string{id.id}})
	if err != nil {
		return nil, unlessNotFound(err)
	}
	return &out.Ipams[0], nil
}

func modifyIPAM(ctx context.Context, r *request, o *types.Ipam, old, wish *ipamProperties) (*types.Ipam, error) {
	in := &ec2.ModifyIpamInput{
		IpamId:           o.IpamId,
		Description:      become(some(old.Description), some(wish.Description), aws.String(aws.ToString(o.Description)), ""),
		EnablePrivateGua: become(old.EnablePrivateGua, wish.EnablePrivateGua, o.EnablePrivateGua, false),
		MeteredAccount:   types.IpamMeteredAccount(aws.ToString(become(some(old.MeteredAccount), some(wish.MeteredAccount), aws.String(string(o.MeteredAccount)), "ipam-owner"))),
		Tier:             types.IpamTier(aws.ToString(become(some(old.Tier), some(wish.Tier), aws.String(string(o.Tier)), "advanced"))),
	}
	var has []string
	for _, region := range o.OperatingRegions {
		has = append(has, *region.RegionName)
	}
	for _, name := range wish.regions() {
		if !slices.Contains(has, name) {
			in.AddOperatingRegions = append(in.AddOperatingRegions, types.AddIpamOperatingRegion{RegionName: &name})
		}
	}
	for _, name := range old.regions() {
		// The home Region is one whether the template names it or not.
		if !slices.Contains(wish.regions(), name) && name != aws.ToString(o.IpamRegion) {
			in.RemoveOperatingRegions = append(in.RemoveOperatingRegions, types.RemoveIpamOperatingRegion{RegionName: &name})
		}
	}
	undo := &ec2.ModifyIpamInput{
		IpamId:           o.IpamId,
		Description:      back(in.Description, o.Description, ""),
		EnablePrivateGua: back(in.EnablePrivateGua, o.EnablePrivateGua, false),
	}
	if in.MeteredAccount != "" {
		undo.MeteredAccount = o.MeteredAccount
	}
	if in.Tier != "" {
		undo.Tier = o.Tier
	}
	for _, a := range in.AddOperatingRegions {
		undo.RemoveOperatingRegions = append(undo.RemoveOperatingRegions, types.RemoveIpamOperatingRegion(a))
	}
	for _, a := range in.RemoveOperatingRegions {
		undo.AddOperatingRegions = append(undo.AddOperatingRegions, types.AddIpamOperatingRegion(a))
	}
	change := func(in *ec2.ModifyIpamInput) func() error {
		return func() error {
			if in.Description == nil && in.EnablePrivateGua == nil && in.MeteredAccount == "" && in.Tier == "" && len(in.AddOperatingRegions)+len(in.RemoveOperatingRegions) == 0 {
				return nil
			}
			_, err := call[ec2.ModifyIpamOutput](ctx, r, "ModifyIpam", in)
			return err
		}
	}
	steps := append([]step{{change(in), change(undo)}}, tagSteps(ctx, r, *o.IpamId, old.Tags, wish.Tags, o.Tags)...)
	if !slices.Equal(old.exclusions(), wish.exclusions()) {
		steps = append(steps, step{do: func() error { return exclude(ctx, r, o, old.exclusions(), wish.exclusions()) }})
	}
	if err := inSteps(steps...); err != nil {
		return nil, err
	}
	return found(findIPAM(ctx, r, physicalID{form: formObject, id: *o.IpamId}))
}

// exclude excludes the organizational units of wish from an IPAM's default resource
// discovery and ends the exclusion of those in old. Other exclusions stay.
func exclude(ctx context.Context, r *request, o *types.Ipam, old, wish []string) error {
	in, err := exclusionChange(ctx, r, *o.DefaultResourceDiscoveryId, old, wish)
	if in == nil || err != nil {
		return err
	}
	if _, err = call[ec2.ModifyIpamResourceDiscoveryOutput](ctx, r, "ModifyIpamResourceDiscovery", in); err != nil {
		// An earlier try may have done it, and its answer was lost.
		if in, unread := exclusionChange(ctx, r, *o.DefaultResourceDiscoveryId, old, wish); in == nil && unread == nil {
			return nil
		}
	}
	return err
}

// exclusionChange returns the request that exclude needs, nil if it needs none.
func exclusionChange(ctx context.Context, r *request, discovery string, old, wish []string) (*ec2.ModifyIpamResourceDiscoveryInput, error) {
	out, err := call[ec2.DescribeIpamResourceDiscoveriesOutput](ctx, r, "DescribeIpamResourceDiscoveries",
		&ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{discovery}})
	if err != nil {
		return nil, err
	}
	var has []string
	for _, e := range out.IpamResourceDiscoveries[0].OrganizationalUnitExclusions {
		has = append(has, aws.ToString(e.OrganizationsEntityPath))
	}
	in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: &discovery}
	for _, path := range wish {
		if !slices.Contains(has, path) {
			in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
		}
	}
	for _, path := range old {
		if slices.Contains(has, path) && !slices.Contains(wish, path) {
			in.RemoveOrganizationalUnitExclusions = append(in.RemoveOrganizationalUnitExclusions, types.RemoveIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
		}
	}
	if len(in.AddOrganizationalUnitExclusions)+len(in.RemoveOrganizationalUnitExclusions) == 0 {
		return nil, nil
	}
	return in, nil
}
