package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
)

func (o service) associations() entity[ipam.DiscoveryAssociation] {
	return entity[ipam.DiscoveryAssociation]{ipam.IDDiscoveryAssociation, func(a *ipam.DiscoveryAssociation) *ipam.Meta { return &a.Meta }, o.store.Associations, o.store.AssociationsAfter, o.store.ModifyAssociation, nil}
}

// associateDiscovery associates an IPAM with a discovery, whose resources it then sees.
// Discoveries are not shared, so the discovery is of the IPAM's own account. Only an IPAM
// of the account that the deployment belongs to may have discoveries of others.
func (o service) associateDiscovery(ctx context.Context, in *ec2.AssociateIpamResourceDiscoveryInput) (*ec2.AssociateIpamResourceDiscoveryOutput, error) {
	t, err := token(ctx, "AssociateIpamResourceDiscovery", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	var a ipam.DiscoveryAssociation
	if a.IPAM, err = checkID(ipam.IDIPAM, "IpamId", in.IpamId); err != nil {
		return nil, err
	}
	if a.Discovery, err = checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId); err != nil {
		return nil, err
	}
	if a.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDDiscoveryAssociation); err != nil {
		return nil, err
	}
	made, err := o.store.Associate(ctx, t, a, func(m *ipam.IPAM, d *ipam.Discovery) error {
		if err := checkOwner(ctx, &m.Meta); err != nil {
			return err
		}
		if d == nil {
			return ipam.NotFound(a.Discovery)
		}
		if err := o.checkVisibleDiscovery(ctx, d); err != nil {
			return err
		}
		if m.Tier == string(types.IpamTierFree) {
			return ipam.Errorf(ipam.CodeUnsupportedOperation, "Resource discoveries besides the default one are not part of the free tier. Change %s to the advanced tier with ModifyIpam.", m.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateIpamResourceDiscoveryOutput{IpamResourceDiscoveryAssociation: new(showAssociation(made))}, nil
}

func (o service) disassociateDiscovery(ctx context.Context, in *ec2.DisassociateIpamResourceDiscoveryInput) (*ec2.DisassociateIpamResourceDiscoveryOutput, error) {
	id, err := checkID(ipam.IDDiscoveryAssociation, "IpamResourceDiscoveryAssociationId", in.IpamResourceDiscoveryAssociationId)
	if err != nil {
		return nil, err
	}
	ended, err := o.store.Disassociate(ctx, id, func(a *ipam.DiscoveryAssociation) error { return checkOwner(ctx, &a.Meta) })
	if err != nil {
		return nil, err
	}
	return &ec2.DisassociateIpamResourceDiscoveryOutput{IpamResourceDiscoveryAssociation: new(showAssociation(ended))}, nil
}

func (o service) describeAssociations(ctx context.Context, in *ec2.DescribeIpamResourceDiscoveryAssociationsInput) (*ec2.DescribeIpamResourceDiscoveryAssociationsOutput, error) {
	q := listRequest{"DescribeIpamResourceDiscoveryAssociations", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showAssociation, func(p listing.Page) (listing.List[ipam.DiscoveryAssociation], error) {
		return o.associations().list(ctx, p, "IpamResourceDiscoveryAssociationIds", in.IpamResourceDiscoveryAssociationIds)
	})
	return &ec2.DescribeIpamResourceDiscoveryAssociationsOutput{IpamResourceDiscoveryAssociations: found, NextToken: next}, err
}

func showAssociation(a *ipam.DiscoveryAssociation) types.IpamResourceDiscoveryAssociation {
	out := types.IpamResourceDiscoveryAssociation{
		OwnerId:                             &a.Owner,
		IpamResourceDiscoveryAssociationId:  &a.ID,
		IpamResourceDiscoveryAssociationArn: arn(&a.Meta, ipam.IDDiscoveryAssociation, a.ID),
		IpamResourceDiscoveryId:             &a.Discovery,
		IpamId:                              &a.IPAM,
		IpamArn:                             arn(&a.Meta, ipam.IDIPAM, a.IPAM),
		IpamRegion:                          &a.Region,
		IsDefault:                           &a.Default,
		ResourceDiscoveryStatus:             types.IpamAssociatedResourceDiscoveryStatusActive,
		State:                               types.IpamResourceDiscoveryAssociationState(a.State),
		Tags:                                showTags(a.Tags),
	}
	if a.NotFound {
		out.ResourceDiscoveryStatus = types.IpamAssociatedResourceDiscoveryStatusNotFound
	}
	return out
}
