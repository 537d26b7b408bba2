package ops

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

const (
	// maxExclusions is the number of organizational units that a discovery may leave
	// out (Amazon VPC IPAM User Guide, "Quotas for your IPAM").
	maxExclusions = 10
	// maxPath is the length of a unit's path. Five levels of the longest ids are
	// shorter (Organizations API reference).
	maxPath = 512
)

func (o service) discoveries() entity[ipam.Discovery] {
	return entity[ipam.Discovery]{ipam.IDDiscovery, func(d *ipam.Discovery) *ipam.Meta { return &d.Meta }, o.discoveriesByID, o.discoveriesAfter, o.store.ModifyDiscovery, nil}
}

// visibleDiscoveries is discoveries that finds those of all accounts for the account that
// the deployment belongs to.
func (o service) visibleDiscoveries() entity[ipam.Discovery] {
	k := o.discoveries()
	k.check = o.checkVisibleDiscovery
	return k
}

// checkVisibleDiscovery returns NotFound for a discovery of another account than the
// caller's, as for an id that does not exist. The account that the deployment belongs to
// sees all discoveries: it reads every account with roles of its own anyway.
func (o service) checkVisibleDiscovery(ctx context.Context, d *ipam.Discovery) error {
	if registry.CallerFrom(ctx).Account == o.store.Owner() {
		return nil
	}
	return checkOwner(ctx, &d.Meta)
}

func (o service) discoveriesByID(ctx context.Context, ids []string) ([]*ipam.Discovery, error) {
	found, err := o.store.Discoveries(ctx, ids)
	if err != nil {
		return nil, err
	}
	return found, o.setDefaultRegions(ctx, found...)
}

func (o service) discoveriesAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Discovery, string, error) {
	found, next, err := o.store.DiscoveriesAfter(ctx, owner, after, limit)
	if err != nil {
		return nil, "", err
	}
	return found, next, o.setDefaultRegions(ctx, found...)
}

// setDefaultRegions sets the operating Regions of default discoveries, which their
// IPAMs have.
func (o service) setDefaultRegions(ctx context.Context, discoveries ...*ipam.Discovery) error {
	var ids []string
	for _, d := range discoveries {
		if d.Default() {
			ids = append(ids, d.IPAM)
		}
	}
	ipams, err := o.store.IPAMs(ctx, ids)
	if err != nil {
		return err
	}
	regions := make(map[string][]string, len(ipams))
	for _, m := range ipams {
		regions[m.ID] = m.OperatingRegions
	}
	for _, d := range discoveries {
		if d.Default() {
			d.OperatingRegions = regions[d.IPAM]
		}
	}
	return nil
}

func (o service) createDiscovery(ctx context.Context, in *ec2.CreateIpamResourceDiscoveryInput) (*ec2.CreateIpamResourceDiscoveryOutput, error) {
	t, err := token(ctx, "CreateIpamResourceDiscovery", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	var d ipam.Discovery
	d.Owner = t.Account
	if d.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if d.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDDiscovery); err != nil {
		return nil, err
	}
	names := addedRegions(in.OperatingRegions)
	if len(names) == 0 {
		names = []string{o.store.Region()}
	}
	if d.OperatingRegions, err = operatingRegions(names); err != nil {
		return nil, err
	}
	made, err := o.store.CreateDiscovery(ctx, t, d)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateIpamResourceDiscoveryOutput{IpamResourceDiscovery: new(showDiscovery(made))}, nil
}

// discoveryChange is the change of a resource discovery that a request asks for.
type discoveryChange struct {
	description      *string
	regions          regionChange
	exclude, include []string // paths of organizational units
}

// beyondExclusions reports whether the change has more than exclusions. A default
// discovery has the Regions of its IPAM, so only its exclusions can change (EC2 API
// reference, ModifyIpamResourceDiscovery).
func (c discoveryChange) beyondExclusions() bool {
	return c.description != nil || len(c.regions.add)+len(c.regions.remove) > 0
}

func parseDiscoveryChange(in *ec2.ModifyIpamResourceDiscoveryInput) (c discoveryChange, err error) {
	if in.Description == nil && len(in.AddOperatingRegions)+len(in.RemoveOperatingRegions)+len(in.AddOrganizationalUnitExclusions)+len(in.RemoveOrganizationalUnitExclusions) == 0 {
		return c, invalidCombination("The request must contain a modification to the ipam resource discovery. Give a Description, AddOperatingRegions, RemoveOperatingRegions, AddOrganizationalUnitExclusions or RemoveOrganizationalUnitExclusions.")
	}
	c.description = in.Description
	if _, err := parseDescription(in.Description); err != nil {
		return c, err
	}
	if c.regions, err = parseRegionChange(in.AddOperatingRegions, in.RemoveOperatingRegions); err != nil {
		return c, err
	}
	for _, e := range in.AddOrganizationalUnitExclusions {
		path := aws.ToString(e.OrganizationsEntityPath)
		if len(path) > maxPath {
			return c, schema.Invalid("OrganizationsEntityPath", path, "It has %d characters; use the path of an organizational unit, which has at most %d.", len(path), maxPath)
		}
		c.exclude = append(c.exclude, path)
	}
	for _, e := range in.RemoveOrganizationalUnitExclusions {
		c.include = append(c.include, aws.ToString(e.OrganizationsEntityPath))
	}
	return c, nil
}

// apply changes the discovery, and returns an error for a discovery that cannot be so.
func (c discoveryChange) apply(d *ipam.Discovery) error {
	if d.Default() && c.beyondExclusions() {
		return ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource discovery %s is the default one of %s. Only its organizational unit exclusions can be changed; it has the operating Regions of the IPAM, which ModifyIpam changes.", d.ID, d.IPAM)
	}
	if c.description != nil {
		d.Description = *c.description
	}
	if !d.Default() {
		regions, err := c.regions.apply(d.OperatingRegions)
		if err != nil {
			return err
		}
		if len(regions) == 0 {
			return schema.Invalid("RemoveOperatingRegions", c.regions.remove[0], "A resource discovery has at least one operating Region. Add another one, or delete the discovery.")
		}
		d.OperatingRegions = regions
	}
	d.Exclusions = append(without(d.Exclusions, c.include), c.exclude...)
	slices.Sort(d.Exclusions)
	if n := len(d.Exclusions); n > maxExclusions {
		return ipam.LimitExceeded("organizational unit exclusions of "+d.ID, int64(n), maxExclusions)
	}
	return ipam.CheckExclusions(d.Exclusions)
}

// modifyDiscovery changes the Regions and organizational units that a discovery watches.
// The resources found in a Region or account that it does not watch any more stay known,
// and their space reserved.
func (o service) modifyDiscovery(ctx context.Context, in *ec2.ModifyIpamResourceDiscoveryInput) (*ec2.ModifyIpamResourceDiscoveryOutput, error) {
	id, err := checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId)
	if err != nil {
		return nil, err
	}
	change, err := parseDiscoveryChange(in)
	if err != nil {
		return nil, err
	}
	changed, err := o.store.ModifyDiscovery(ctx, id, ipam.ActModify, func(d *ipam.Discovery) error {
		if err := checkOwner(ctx, &d.Meta); err != nil {
			return err
		}
		return change.apply(d)
	})
	if err != nil {
		return nil, err
	}
	if err := o.setDefaultRegions(ctx, changed); err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamResourceDiscoveryOutput{IpamResourceDiscovery: new(showDiscovery(changed))}, nil
}

func (o service) deleteDiscovery(ctx context.Context, in *ec2.DeleteIpamResourceDiscoveryInput) (*ec2.DeleteIpamResourceDiscoveryOutput, error) {
	id, err := checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId)
	if err != nil {
		return nil, err
	}
	deleted, err := o.store.DeleteDiscovery(ctx, id, func(d *ipam.Discovery) error { return checkOwner(ctx, &d.Meta) })
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteIpamResourceDiscoveryOutput{IpamResourceDiscovery: new(showDiscovery(deleted))}, nil
}

func (o service) describeDiscoveries(ctx context.Context, in *ec2.DescribeIpamResourceDiscoveriesInput) (*ec2.DescribeIpamResourceDiscoveriesOutput, error) {
	q := listRequest{"DescribeIpamResourceDiscoveries", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showDiscovery, func(p listing.Page) (listing.List[ipam.Discovery], error) {
		return o.visibleDiscoveries().list(ctx, p, "IpamResourceDiscoveryIds", in.IpamResourceDiscoveryIds)
	})
	return &ec2.DescribeIpamResourceDiscoveriesOutput{IpamResourceDiscoveries: found, NextToken: next}, err
}

func showDiscovery(d *ipam.Discovery) types.IpamResourceDiscovery {
	out := types.IpamResourceDiscovery{
		OwnerId:                     &d.Owner,
		IpamResourceDiscoveryId:     &d.ID,
		IpamResourceDiscoveryArn:    arn(&d.Meta, ipam.IDDiscovery, d.ID),
		IpamResourceDiscoveryRegion: &d.Region,
		Description:                 optional(d.Description),
		IsDefault:                   aws.Bool(d.Default()),
		State:                       types.IpamResourceDiscoveryState(d.State),
		Tags:                        showTags(d.Tags),
	}
	for _, r := range d.OperatingRegions {
		out.OperatingRegions = append(out.OperatingRegions, types.IpamOperatingRegion{RegionName: aws.String(r)})
	}
	for _, e := range d.Exclusions {
		out.OrganizationalUnitExclusions = append(out.OrganizationalUnitExclusions, types.IpamOrganizationalUnitExclusion{OrganizationsEntityPath: aws.String(e)})
	}
	return out
}
