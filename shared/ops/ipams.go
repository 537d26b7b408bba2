package ops

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func (o service) ipams() entity[ipam.IPAM] {
	return entity[ipam.IPAM]{ipam.IDIPAM, func(m *ipam.IPAM) *ipam.Meta { return &m.Meta }, o.store.IPAMs, o.store.IPAMsAfter, o.store.ModifyIPAM, nil}
}

func (o service) createIPAM(ctx context.Context, in *ec2.CreateIpamInput) (*ec2.CreateIpamOutput, error) {
	t, err := token(ctx, "CreateIpam", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	m := ipam.IPAM{Tier: "advanced", MeteredAccount: "ipam-owner", EnablePrivateGUA: aws.ToBool(in.EnablePrivateGua)}
	m.Owner = t.Account
	if m.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if m.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDIPAM); err != nil {
		return nil, err
	}
	if in.Tier != "" {
		m.Tier = string(in.Tier)
	}
	if in.MeteredAccount != "" {
		m.MeteredAccount = string(in.MeteredAccount)
	}
	if m.OperatingRegions, err = operatingRegions(append(addedRegions(in.OperatingRegions), o.store.Region())); err != nil {
		return nil, err
	}
	made, err := o.store.CreateIPAM(ctx, t, m)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateIpamOutput{Ipam: new(showIPAM(made))}, nil
}

func (o service) modifyIPAM(ctx context.Context, in *ec2.ModifyIpamInput) (*ec2.ModifyIpamOutput, error) {
	id, err := checkID(ipam.IDIPAM, "IpamId", in.IpamId)
	if err != nil {
		return nil, err
	}
	if changesNothing(in) {
		return nil, invalidCombination("The request must contain a modification to the ipam. Give a Description, AddOperatingRegions, RemoveOperatingRegions, Tier, EnablePrivateGua or MeteredAccount.")
	}
	if _, err := parseDescription(in.Description); err != nil {
		return nil, err
	}
	regions, err := parseRegionChange(in.AddOperatingRegions, in.RemoveOperatingRegions)
	if err != nil {
		return nil, err
	}
	if home := o.store.Region(); slices.Contains(regions.remove, home) {
		return nil, schema.Invalid("RemoveOperatingRegions", home, "It is the home Region, which is always an operating Region.")
	}
	changed, err := o.store.ModifyIPAM(ctx, id, ipam.ActModify, func(m *ipam.IPAM) (err error) {
		if err := checkOwner(ctx, &m.Meta); err != nil {
			return err
		}
		if m.OperatingRegions, err = regions.apply(m.OperatingRegions); err != nil {
			return err
		}
		toFree := in.Tier == types.IpamTierFree && m.Tier != string(in.Tier)
		setIPAM(m, in)
		if len(regions.remove) == 0 && !toFree {
			return nil
		}
		return o.checkPools(ctx, m, toFree)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamOutput{Ipam: new(showIPAM(changed))}, nil
}

func changesNothing(in *ec2.ModifyIpamInput) bool {
	return in.Description == nil && len(in.AddOperatingRegions)+len(in.RemoveOperatingRegions) == 0 && in.Tier == "" && in.EnablePrivateGua == nil && in.MeteredAccount == ""
}

// setIPAM sets the settings of a request that need no check.
func setIPAM(m *ipam.IPAM, in *ec2.ModifyIpamInput) {
	if in.Description != nil {
		m.Description = *in.Description
	}
	if in.EnablePrivateGua != nil {
		m.EnablePrivateGUA = *in.EnablePrivateGua
	}
	if in.MeteredAccount != "" {
		m.MeteredAccount = string(in.MeteredAccount)
	}
	if in.Tier != "" {
		m.Tier = string(in.Tier)
	}
}

// checkPools returns an error for settings of an IPAM that its pools, scopes and
// associations do not admit. No other request creates one meanwhile, see
// [store.Store.ModifyIPAM].
func (o service) checkPools(ctx context.Context, m *ipam.IPAM, toFree bool) error {
	if toFree && m.ScopeCount > 2 {
		return ipam.Errorf(ipam.CodeDependencyViolation, "%s has %d scopes besides its default ones, which the free tier does not have. Delete them first.", m.ID, m.ScopeCount-2)
	}
	if toFree && m.DiscoveryAssociations > 1 {
		return ipam.Errorf(ipam.CodeDependencyViolation, "%s has %d resource discovery associations besides its default one, which the free tier does not have. Disassociate them first.", m.ID, m.DiscoveryAssociations-1)
	}
	if toFree {
		resolvers, err := o.store.ResolversOf(ctx, m)
		if err != nil {
			return err
		}
		if len(resolvers) > 0 {
			return ipam.Errorf(ipam.CodeDependencyViolation, "%s has %d prefix list resolvers, which the free tier does not have. Delete them first.", m.ID, len(resolvers))
		}
	}
	pools, err := o.store.OwnedPools(ctx, m.Owner)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if p.IPAM != m.ID {
			continue
		}
		if p.Locale != "" && p.Locale != globalLocale && !slices.Contains(m.OperatingRegions, p.Locale) {
			return ipam.Errorf(ipam.CodeDependencyViolation, "The operating Region %s cannot be removed from %s: it is the locale of the pool %s. Delete that pool first.", p.Locale, m.ID, p.ID)
		}
		if err := checkTier(m, p); toFree && err != nil {
			return ipam.Errorf(ipam.CodeDependencyViolation, "%s cannot change to the free tier because of the pool %s. %s", m.ID, p.ID, ipam.Public(err).Message)
		}
	}
	return nil
}

// checkTier returns an error for a pool that an IPAM of the free tier cannot have (Amazon
// VPC IPAM User Guide, "Create an IPAM": free tier).
func checkTier(m *ipam.IPAM, p *ipam.Pool) error {
	switch {
	case m.Tier != string(types.IpamTierFree):
	case p.ScopeType == ipam.ScopePrivate:
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "Pools in private scopes are not part of the free tier. Change %s to the advanced tier with ModifyIpam.", m.ID)
	case p.Locale != "" && p.Locale != m.Region:
		return ipam.Errorf(ipam.CodeUnsupportedOperation, "The locale %s is not part of the free tier, which has the home Region %s only. Change %s to the advanced tier with ModifyIpam.", p.Locale, m.Region, m.ID)
	}
	return nil
}

func (o service) deleteIPAM(ctx context.Context, in *ec2.DeleteIpamInput) (*ec2.DeleteIpamOutput, error) {
	id, err := checkID(ipam.IDIPAM, "IpamId", in.IpamId)
	if err != nil {
		return nil, err
	}
	cascade := aws.ToBool(in.Cascade)
	deleted, err := o.store.DeleteIPAM(ctx, id, cascade, func(m *ipam.IPAM, pools []*ipam.Pool) error {
		if err := checkOwner(ctx, &m.Meta); err != nil {
			return err
		}
		for _, p := range pools {
			if cascade && p.ScopeType == ipam.ScopePublic {
				return ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. Cascade does not delete pools in a public scope, and %s is one; delete it first.", id, p.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteIpamOutput{Ipam: new(showIPAM(deleted))}, nil
}

func (o service) describeIPAMs(ctx context.Context, in *ec2.DescribeIpamsInput) (*ec2.DescribeIpamsOutput, error) {
	q := listRequest{"DescribeIpams", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showIPAM, func(p listing.Page) (listing.List[ipam.IPAM], error) {
		return o.ipams().list(ctx, p, "IpamIds", in.IpamIds)
	})
	return &ec2.DescribeIpamsOutput{Ipams: found, NextToken: next}, err
}

func showIPAM(m *ipam.IPAM) types.Ipam {
	out := types.Ipam{
		OwnerId:                               &m.Owner,
		IpamId:                                &m.ID,
		IpamArn:                               arn(&m.Meta, ipam.IDIPAM, m.ID),
		IpamRegion:                            &m.Region,
		PublicDefaultScopeId:                  &m.PublicScope,
		PrivateDefaultScopeId:                 &m.PrivateScope,
		ScopeCount:                            aws.Int32(int32(m.ScopeCount)),
		Description:                           optional(m.Description),
		State:                                 types.IpamState(m.State),
		StateMessage:                          optional(m.StateMessage),
		Tags:                                  showTags(m.Tags),
		DefaultResourceDiscoveryId:            &m.Discovery,
		DefaultResourceDiscoveryAssociationId: &m.DiscoveryAssociation,
		ResourceDiscoveryAssociationCount:     aws.Int32(int32(m.DiscoveryAssociations)),
		Tier:                                  types.IpamTier(m.Tier),
		EnablePrivateGua:                      &m.EnablePrivateGUA,
		MeteredAccount:                        types.IpamMeteredAccount(m.MeteredAccount),
	}
	for _, r := range m.OperatingRegions {
		out.OperatingRegions = append(out.OperatingRegions, types.IpamOperatingRegion{RegionName: aws.String(r)})
	}
	return out
}
