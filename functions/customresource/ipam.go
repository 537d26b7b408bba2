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
	made: func(ctx context.Context, r *request, _ *ipamProperties) ([]*types.Ipam, error) {
		in := &ec2.DescribeIpamsInput{Filters: r.tagFilters()}
		return listed(ctx, r, "DescribeIpams", in, &in.NextToken, func(out *ec2.DescribeIpamsOutput) ([]types.Ipam, *string) { return out.Ipams, out.NextToken })
	},
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
	if in.Description != nil || in.EnablePrivateGua != nil || in.MeteredAccount != "" || in.Tier != "" || len(in.AddOperatingRegions)+len(in.RemoveOperatingRegions) > 0 {
		if _, err := call[ec2.ModifyIpamOutput](ctx, r, "ModifyIpam", in); err != nil {
			return nil, err
		}
	}
	if err := changeTags(ctx, r, *o.IpamId, old.Tags, wish.Tags, o.Tags); err != nil {
		return nil, err
	}
	if !slices.Equal(old.exclusions(), wish.exclusions()) {
		if err := exclude(ctx, r, o, old.exclusions(), wish.exclusions()); err != nil {
			return nil, err
		}
	}
	return found(findIPAM(ctx, r, physicalID{form: formObject, id: *o.IpamId}))
}

// exclude excludes the organizational units of wish from an IPAM's default resource
// discovery and ends the exclusion of those in old. Other exclusions stay.
func exclude(ctx context.Context, r *request, o *types.Ipam, old, wish []string) error {
	in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: o.DefaultResourceDiscoveryId}
	for _, path := range wish {
		in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
	}
	// A unit may be excluded already. It can only be added if it is removed.
	for _, path := range slices.Concat(old, wish) {
		in.RemoveOrganizationalUnitExclusions = append(in.RemoveOrganizationalUnitExclusions, types.RemoveIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
	}
	_, err := call[ec2.ModifyIpamResourceDiscoveryOutput](ctx, r, "ModifyIpamResourceDiscovery", in)
	return err
}
