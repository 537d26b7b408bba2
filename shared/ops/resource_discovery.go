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
	// maxExclusions is the number of organisational units that a discovery may
	// leave out (Amazon VPC IPAM User Guide, "Quotas for your IPAM").
	maxExclusions = 10
	// maxPath is more than the path of a unit has, five levels deep with ids of
	// the greatest length (Organizations API reference).
	maxPath = 512
)

func (o service) discoveries() entity[ipam.Discovery] {
	return entity[ipam.Discovery]{ipam.IDDiscovery, func(d *ipam.Discovery) *ipam.Meta { return &d.Meta }, o.discoveriesByID, o.discoveriesAfter, o.store.ModifyDiscovery, nil}
}

// visibleDiscoveries is discoveries that finds, for the account that the
// deployment belongs to, those of all accounts.
func (o service) visibleDiscoveries() entity[ipam.Discovery] {
	k := o.discoveries()
	k.check = o.checkVisibleDiscovery
	return k
}

// watch refuses a discovery that is not the caller's as if it did not exist,
// unless the caller is of the account that the deployment belongs to: that reads
// every account with roles of its own anyway.
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

// follow gives default discoveries the operating Regions that they have, which
// are their IPAMs'.
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
	if d.Tags, err = o.specifiedTags(in.TagSpecifications, ipam.IDDiscovery); err != nil {
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
	return &ec2.CreateIpamResourceDiscoveryOutput{IpamResourceDiscovery: ptr(showDiscovery(made))}, nil
}

// modifyDiscovery changes what is watched. Of a default discovery, whose Regions
// are its IPAM's, only the exclusions can be changed (EC2 API reference,
// ModifyIpamResourceDiscovery). What was found in a Region or account that is not
// watched any more stays known, and its space held.
func (o service) modifyDiscovery(ctx context.Context, in *ec2.ModifyIpamResourceDiscoveryInput) (*ec2.ModifyIpamResourceDiscoveryOutput, error) {
	id, err := checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId)
	if err != nil {
		return nil, err
	}
	itself := in.Description != nil || len(in.AddOperatingRegions)+len(in.RemoveOperatingRegions) > 0
	if !itself && len(in.AddOrganizationalUnitExclusions)+len(in.RemoveOrganizationalUnitExclusions) == 0 {
		return nil, invalidCombination("The request must contain a modification to the ipam resource discovery. Give a Description, AddOperatingRegions, RemoveOperatingRegions, AddOrganizationalUnitExclusions or RemoveOrganizationalUnitExclusions.")
	}
	text, err := parseDescription(in.Description)
	if err != nil {
		return nil, err
	}
	add, remove := addedRegions(in.AddOperatingRegions), removedRegions(in.RemoveOperatingRegions)
	for _, list := range [][]string{add, remove} {
		if _, err := operatingRegions(list); err != nil {
			return nil, err
		}
	}
	for _, r := range remove {
		if slices.Contains(add, r) {
			return nil, invalidCombination("The Region %s is in both AddOperatingRegions and RemoveOperatingRegions. Name it in one of them.", r)
		}
	}
	var exclude, include []string
	for _, e := range in.AddOrganizationalUnitExclusions {
		path := aws.ToString(e.OrganizationsEntityPath)
		if len(path) > maxPath {
			return nil, schema.Invalid("OrganizationsEntityPath", path, "It has %d characters; use the path of an organizational unit, which has at most %d.", len(path), maxPath)
		}
		exclude = append(exclude, path)
	}
	for _, e := range in.RemoveOrganizationalUnitExclusions {
		include = append(include, aws.ToString(e.OrganizationsEntityPath))
	}
	changed, err := o.store.ModifyDiscovery(ctx, id, ipam.ActModify, func(d *ipam.Discovery) error {
		if err := checkOwner(ctx, &d.Meta); err != nil {
			return err
		}
		if d.Default() && itself {
			return ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource discovery %s is the default one of %s. Only its organizational unit exclusions can be changed; its operating Regions are those of the IPAM, which ModifyIpam changes.", id, d.IPAM)
		}
		if in.Description != nil {
			d.Description = text
		}
		if !d.Default() {
			regions, err := operatingRegions(append(without(d.OperatingRegions, remove), add...))
			if err != nil {
				return err
			}
			if len(regions) == 0 {
				return schema.Invalid("RemoveOperatingRegions", remove[0], "A resource discovery has at least one operating Region. Add another one, or delete the discovery.")
			}
			d.OperatingRegions = regions
		}
		exclusions := append(without(d.Exclusions, include), exclude...)
		slices.Sort(exclusions)
		if n := len(exclusions); n > maxExclusions {
			return ipam.LimitExceeded("organizational unit exclusions of "+id, int64(n), maxExclusions)
		}
		d.Exclusions = exclusions
		return ipam.CheckExclusions(exclusions)
	})
	if err != nil {
		return nil, err
	}
	if err := o.setDefaultRegions(ctx, changed); err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamResourceDiscoveryOutput{IpamResourceDiscovery: ptr(showDiscovery(changed))}, nil
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
	return &ec2.DeleteIpamResourceDiscoveryOutput{IpamResourceDiscovery: ptr(showDiscovery(deleted))}, nil
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
