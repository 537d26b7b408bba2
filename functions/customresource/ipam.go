package main

import (
	"context"
	"slices"
	"strconv"

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
		_, err := change[ec2.DeleteIpamOutput](ctx, r, "DeleteIpam", &ec2.DeleteIpamInput{IpamId: &id.id}, gone(ctx, r, id, findIPAM))
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

// regionSetting begins the names of the settings that are operating Regions. The home
// Region is none, as it is one whether the template names it or not.
const regionSetting = "operating Region "

// settings returns the settings of an IPAM that its template gives.
func (p *ipamProperties) settings(home string) settings {
	s := settings{}
	s.set("Description", p.Description)
	s.set("EnablePrivateGua", text(p.EnablePrivateGua))
	s.set("MeteredAccount", p.MeteredAccount)
	s.set("Tier", p.Tier)
	for _, name := range p.regions() {
		if name != home {
			s[regionSetting+name] = ""
		}
	}
	return s
}

// ipamDefaults are the settings of an IPAM whose template does not give them.
var ipamDefaults = settings{"Description": "", "EnablePrivateGua": "false", "MeteredAccount": string(types.IpamMeteredAccountIpamOwner), "Tier": string(types.IpamTierAdvanced)}

func ipamSettings(o *types.Ipam) settings {
	s := settings{
		"Description":      aws.ToString(o.Description),
		"EnablePrivateGua": strconv.FormatBool(aws.ToBool(o.EnablePrivateGua)),
		"MeteredAccount":   string(o.MeteredAccount),
		"Tier":             string(o.Tier),
	}
	for _, region := range o.OperatingRegions {
		if name := aws.ToString(region.RegionName); name != aws.ToString(o.IpamRegion) {
			s[regionSetting+name] = ""
		}
	}
	return s
}

func modifyIPAM(ctx context.Context, r *request, o *types.Ipam, old, wish *ipamProperties) (*types.Ipam, error) {
	read := func() (*types.Ipam, error) {
		return found(findIPAM(ctx, r, physicalID{form: formObject, id: *o.IpamId}))
	}
	home := aws.ToString(o.IpamRegion)
	steps := []step{newEdit(old.settings(home), wish.settings(home), ipamSettings(o), ipamDefaults).step(func(e edit) error {
		in := &ec2.ModifyIpamInput{
			IpamId:           o.IpamId,
			Description:      e.text("Description"),
			EnablePrivateGua: e.boolean("EnablePrivateGua"),
			MeteredAccount:   types.IpamMeteredAccount(aws.ToString(e.text("MeteredAccount"))),
			Tier:             types.IpamTier(aws.ToString(e.text("Tier"))),
		}
		added, removed := e.under(regionSetting)
		for _, name := range added {
			in.AddOperatingRegions = append(in.AddOperatingRegions, types.AddIpamOperatingRegion{RegionName: &name})
		}
		for _, name := range removed {
			in.RemoveOperatingRegions = append(in.RemoveOperatingRegions, types.RemoveIpamOperatingRegion{RegionName: &name})
		}
		_, err := change[ec2.ModifyIpamOutput](ctx, r, "ModifyIpam", in, e.as(reader(read, ipamSettings)))
		return err
	})}
	steps = append(steps, tagSteps(ctx, r, *o.IpamId, old.Tags, wish.Tags, o.Tags, reader(read, func(o *types.Ipam) settings { return pairs(o.Tags) }))...)
	if !slices.Equal(old.exclusions(), wish.exclusions()) {
		steps = append(steps, step{do: func() error { return exclude(ctx, r, o, old.exclusions(), wish.exclusions()) }})
	}
	if err := inSteps(steps...); err != nil {
		return nil, err
	}
	return read()
}

// exclude excludes the organizational units of wish from an IPAM's default resource
// discovery and ends the exclusion of those in old. Other exclusions stay.
func exclude(ctx context.Context, r *request, o *types.Ipam, old, wish []string) error {
	discovery := *o.DefaultResourceDiscoveryId
	read := func() (settings, error) {
		out, err := call[ec2.DescribeIpamResourceDiscoveriesOutput](ctx, r, "DescribeIpamResourceDiscoveries",
			&ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{discovery}})
		if err != nil {
			return nil, err
		}
		var paths []string
		for _, e := range out.IpamResourceDiscoveries[0].OrganizationalUnitExclusions {
			paths = append(paths, aws.ToString(e.OrganizationsEntityPath))
		}
		return set(paths), nil
	}
	has, err := read()
	if err != nil {
		return err
	}
	return newEdit(set(old), set(wish), has, nil).step(func(e edit) error {
		in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: &discovery}
		added, removed := e.under("")
		for _, path := range added {
			in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
		}
		for _, path := range removed {
			in.RemoveOrganizationalUnitExclusions = append(in.RemoveOrganizationalUnitExclusions, types.RemoveIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
		}
		_, err := change[ec2.ModifyIpamResourceDiscoveryOutput](ctx, r, "ModifyIpamResourceDiscovery", in, e.as(read))
		return err
	}).do()
}

// set returns the settings that have the names and no values.
func set(names []string) settings {
	s := settings{}
	for _, name := range names {
		s[name] = ""
	}
	return s
}
