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

// getDiscoveredAddresses lists public addresses in the order of [service.samples]. The
// oldest sample time is the oldest last complete run of an account.
func (o service) getDiscoveredAddresses(ctx context.Context, in *ec2.GetIpamDiscoveredPublicAddressesInput) (*ec2.GetIpamDiscoveredPublicAddressesOutput, error) {
	oldest := int64(0)
	q := listRequest{"GetIpamDiscoveredPublicAddresses", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showDiscoveredAddress, func(p listing.Page) (listing.List[sample], error) {
		discovery, region, err := o.parseDiscoveryRegion(ctx, in.IpamResourceDiscoveryId, "AddressRegion", in.AddressRegion)
		if err != nil {
			return nil, err
		}
		objects, err := o.samples(ctx, p, discovery, region)
		if err != nil {
			return nil, err
		}
		for e, err := range o.discoveredAccounts(ctx, discovery, region, "", 0) {
			if err != nil {
				return nil, err
			}
			if at := e.Object.Succeeded; at != 0 && (oldest == 0 || at < oldest) {
				oldest = at
			}
		}
		return listing.Filter(objects, func(s *sample) bool { return s.Public != nil }), nil
	})
	return &ec2.GetIpamDiscoveredPublicAddressesOutput{IpamDiscoveredPublicAddresses: found, NextToken: next, OldestSampleTime: showTime(oldest)}, err
}

func showDiscoveredAddress(s *sample) types.IpamDiscoveredPublicAddress {
	a := s.Public
	out := types.IpamDiscoveredPublicAddress{
		IpamResourceDiscoveryId:     &s.Discovery,
		AddressRegion:               &s.Region,
		Address:                     aws.String(a.Address.String()),
		AddressOwnerId:              &s.Owner,
		AddressAllocationId:         optional(a.AllocationID),
		AssociationStatus:           types.IpamPublicAddressAssociationStatusDisassociated,
		AddressType:                 types.IpamPublicAddressType(a.Type),
		Service:                     types.IpamPublicAddressAwsService(a.Service),
		ServiceResource:             optional(a.ServiceResource),
		VpcId:                       optional(s.VPC),
		SubnetId:                    optional(s.Subnet),
		PublicIpv4PoolId:            optional(a.PublicIPv4Pool),
		NetworkInterfaceId:          optional(a.Interface),
		NetworkInterfaceDescription: optional(a.InterfaceDescription),
		InstanceId:                  optional(s.Instance),
		NetworkBorderGroup:          optional(a.NetworkBorderGroup),
		SampleTime:                  showTime(s.at),
	}
	if a.Associated {
		out.AssociationStatus = types.IpamPublicAddressAssociationStatusAssociated
	}
	if s.Type == ipam.ResourceEIP {
		out.Tags = &types.IpamPublicAddressTags{}
		for _, t := range showTags(s.Tags) {
			out.Tags.EipTags = append(out.Tags.EipTags, types.IpamPublicAddressTag{Key: t.Key, Value: t.Value})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.SecurityGroups)) {
		out.SecurityGroups = append(out.SecurityGroups, types.IpamPublicAddressSecurityGroup{GroupId: aws.String(id), GroupName: aws.String(a.SecurityGroups[id])})
	}
	return out
}
