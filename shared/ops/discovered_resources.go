package ops

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
)

// sample is a resource that discovery found, and the time at which it was last known to
// be so: of the observation that wrote it, or of the last complete run, which saw it
// unchanged.
type sample struct {
	*ipam.Found
	at int64 // Unix milliseconds
}

// samples lists the resources that a discovery found in a Region, by ascending account,
// and within it by type, id and CIDR. A position is the account before, the account, and
// the type, id and CIDR of the last resource; or an account alone, whose resources are
// all before.
func (o service) samples(ctx context.Context, p listing.Page, discovery, region string) (listing.List[sample], error) {
	before, account, from := "", "", ""
	switch len(p.After) {
	case 0:
	case 1:
		if before = p.After[0]; !ipam.IsAccountID(before) {
			return nil, p.InvalidToken()
		}
	case 5:
		c, err := netip.ParsePrefix(p.After[4])
		if before, account = p.After[0], p.After[1]; err != nil || !ipam.IsAccountID(account) || before != "" && !ipam.IsAccountID(before) {
			return nil, p.InvalidToken()
		}
		from = items.FoundAfter(&ipam.Found{Resource: ipam.Resource{Type: ipam.ResourceType(p.After[2]), ID: p.After[3], CIDR: c}})
	default:
		return nil, p.InvalidToken()
	}
	return listing.Chain(func(yield func(listing.Part[sample], error) bool) {
		before := before
		for e, err := range o.discoveredAccounts(ctx, discovery, region, before, batchSize) {
			if err != nil {
				yield(listing.Part[sample]{}, err)
				return
			}
			a := e.Object
			if a.Account < account {
				continue // new since
			}
			of := o.samplesOf(ctx, a, before)
			if a.Account == account {
				of.After = from
			}
			if !yield(of, nil) {
				return
			}
			before = a.Account
		}
	}), nil
}

// samplesOf lists the resources found in an account. before is the account before.
func (o service) samplesOf(ctx context.Context, a *ipam.DiscoveredAccount, before string) listing.Part[sample] {
	return listing.Part[sample]{
		Empty: []string{a.Account},
		Next: func(after string) ([]*sample, string, error) {
			found, next, err := o.store.Found(ctx, a.Discovery, a.Region, a.Account, after, 0)
			samples := make([]*sample, len(found))
			for i, f := range found {
				samples[i] = &sample{f, max(f.Sampled, a.Succeeded)}
			}
			return samples, next, err
		},
		Position: func(s *sample) []string {
			return []string{before, a.Account, string(s.Type), s.ID, s.CIDR.String()}
		},
	}
}

func (o service) getDiscoveredResources(ctx context.Context, in *ec2.GetIpamDiscoveredResourceCidrsInput) (*ec2.GetIpamDiscoveredResourceCidrsOutput, error) {
	q := listRequest{"GetIpamDiscoveredResourceCidrs", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showDiscoveredResource, func(p listing.Page) (listing.List[sample], error) {
		discovery, region, err := o.parseDiscoveryRegion(ctx, in.IpamResourceDiscoveryId, "ResourceRegion", in.ResourceRegion)
		if err != nil {
			return nil, err
		}
		return o.samples(ctx, p, discovery, region)
	})
	return &ec2.GetIpamDiscoveredResourceCidrsOutput{IpamDiscoveredResourceCidrs: found, NextToken: next}, err
}

func showDiscoveredResource(s *sample) types.IpamDiscoveredResourceCidr {
	out := types.IpamDiscoveredResourceCidr{
		IpamResourceDiscoveryId: &s.Discovery,
		ResourceRegion:          &s.Region,
		ResourceId:              &s.ID,
		ResourceOwnerId:         &s.Owner,
		ResourceCidr:            aws.String(s.CIDR.String()),
		IpSource:                types.IpamResourceCidrIpSource(s.Source),
		ResourceType:            types.IpamResourceType(s.Type),
		ResourceTags:            showResourceTags(s.Tags),
		IpUsage:                 s.Usage,
		VpcId:                   optional(s.VPC),
		SubnetId:                optional(s.Subnet),
		SampleTime:              showTime(s.at),
		AvailabilityZoneId:      optional(s.AvailabilityZone),
	}
	switch {
	case s.Type != ipam.ResourceInterface:
	case s.Attached:
		out.NetworkInterfaceAttachmentStatus = types.IpamNetworkInterfaceAttachmentStatusInUse
	default:
		out.NetworkInterfaceAttachmentStatus = types.IpamNetworkInterfaceAttachmentStatusAvailable
	}
	return out
}
