package ops

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// watched returns the id of a discovery that exists for the caller, and the name
// of a Region.
func (o service) watched(ctx context.Context, id *string, parameter string, region *string) (discovery, name string, err error) {
	found, err := o.visibleDiscoveries().find(ctx, "IpamResourceDiscoveryId", []string{aws.ToString(id)})
	if err != nil {
		return "", "", err
	}
	if name = aws.ToString(region); !ipam.IsRegion(name) {
		return "", "", schema.Invalid(parameter, name, "Use the name of a Region such as ap-northeast-1.")
	}
	return found[0].ID, name, nil
}

// discoveredAccounts lists the accounts that a discovery has looked at in a
// Region, by ascending account from behind one, reading so many at once (0: as many
// as the table gives).
func (o service) discoveredAccounts(ctx context.Context, discovery, region, after string, ahead int) list[ipam.DiscoveredAccount] {
	if after != "" {
		after = items.DiscoveredAccountAfter(&ipam.DiscoveredAccount{Discovery: discovery, Region: region, Account: after})
	}
	return read(after, func(after string) ([]*ipam.DiscoveredAccount, string, error) {
		return o.store.DiscoveredAccounts(ctx, discovery, region, after, ahead)
	}, func(a *ipam.DiscoveredAccount) []string { return []string{a.Account} })
}

func (o service) getDiscoveredAccounts(ctx context.Context, in *ec2.GetIpamDiscoveredAccountsInput) (*ec2.GetIpamDiscoveredAccountsOutput, error) {
	p, err := newPage(ctx, "GetIpamDiscoveredAccounts", in, in.MaxResults, in.NextToken, maxOutputs)
	if err != nil {
		return nil, err
	}
	after := ""
	if len(p.after) > 0 {
		if after = p.after[0]; len(p.after) > 1 || !accountID.MatchString(after) {
			return nil, p.invalid()
		}
	}
	match, err := derived[types.IpamDiscoveredAccount]{}.filter(in.Filters)
	if err != nil {
		return nil, err
	}
	discovery, region, err := o.watched(ctx, in.IpamResourceDiscoveryId, "DiscoveryRegion", in.DiscoveryRegion)
	if err != nil {
		return nil, err
	}
	found, next, err := collect(p, o.discoveredAccounts(ctx, discovery, region, after, batch), showDiscoveredAccount, match)
	return &ec2.GetIpamDiscoveredAccountsOutput{IpamDiscoveredAccounts: found, NextToken: next}, err
}

// The input and output of DeleteIpamDiscoveredAccount, which the EC2 API does not
// have. shared/wire/model/extensions.json describes them to the doors.
type (
	// DeleteIpamDiscoveredAccountInput is the input of DeleteIpamDiscoveredAccount.
	DeleteIpamDiscoveredAccountInput struct {
		DryRun                             *bool
		IpamResourceDiscoveryId, AccountId *string
		DiscoveryRegion                    *string // every Region if nil
	}
	// DeleteIpamDiscoveredAccountOutput is the output of DeleteIpamDiscoveredAccount:
	// what is being forgotten, Region by Region.
	DeleteIpamDiscoveredAccountOutput struct {
		IpamDiscoveredAccounts []types.IpamDiscoveredAccount
	}
)

// deleteDiscoveredAccount has what was found in an account forgotten that is not
// looked at any more: until then it holds its space, as it may well live. The
// work is the provisioning function's, and once more is no error.
func (o service) deleteDiscoveredAccount(ctx context.Context, in *DeleteIpamDiscoveredAccountInput) (*DeleteIpamDiscoveredAccountOutput, error) {
	id, err := checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId)
	if err != nil {
		return nil, err
	}
	account, region := aws.ToString(in.AccountId), aws.ToString(in.DiscoveryRegion)
	if !accountID.MatchString(account) {
		return nil, schema.Invalid("AccountId", account, "Use an account id of 12 digits.")
	}
	if in.DiscoveryRegion != nil && !ipam.IsRegion(region) {
		return nil, schema.Invalid("DiscoveryRegion", region, "Use the name of a Region such as ap-northeast-1, or leave it out for every Region.")
	}
	known, err := o.store.ForgetAccount(ctx, id, account, region, func(d *ipam.Discovery) error { return own(ctx, &d.Meta) })
	if err != nil {
		return nil, err
	}
	out := new(DeleteIpamDiscoveredAccountOutput)
	for _, a := range known {
		out.IpamDiscoveredAccounts = append(out.IpamDiscoveredAccounts, showDiscoveredAccount(a))
	}
	return out, nil
}

// departures are what is told of accounts that are not looked at any more. The
// API has no code for it; what comes closest is that nobody allows it.
var departures = map[ipam.Departure]string{
	ipam.DepartedAccount: "The account is not looked at any more: it has left the organization or the list of accounts, is closed, or is in an organizational unit that is left out. What was found there stays known, and its space held; DeleteIpamDiscoveredAccount forgets it.",
	ipam.DepartedRegion:  "The Region is not looked at any more: it is no operating Region of the resource discovery. What was found there stays known, and its space held; DeleteIpamDiscoveredAccount forgets it.",
	ipam.Forgotten:       "What was found there is being forgotten. The account is not listed any more once that is done.",
}

func showDiscoveredAccount(a *ipam.DiscoveredAccount) types.IpamDiscoveredAccount {
	out := types.IpamDiscoveredAccount{
		AccountId:                   &a.Account,
		DiscoveryRegion:             &a.Region,
		LastAttemptedDiscoveryTime:  showTime(a.Attempted),
		LastSuccessfulDiscoveryTime: showTime(a.Succeeded),
		OrganizationalUnitId:        some(a.OU),
	}
	if left, ok := departures[a.Departure]; ok {
		out.FailureReason = &types.IpamDiscoveryFailureReason{Code: types.IpamDiscoveryFailureCodeUnauthorizedFailure, Message: &left}
	} else if a.FailureCode != "" {
		out.FailureReason = &types.IpamDiscoveryFailureReason{Code: types.IpamDiscoveryFailureCode(a.FailureCode), Message: &a.Failure}
	}
	return out
}

// showTime returns a time in Unix milliseconds, nil for 0.
func showTime(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	return aws.Time(time.UnixMilli(ms).UTC())
}

// sample is what was found, and when it was known to be so: at the observation
// that wrote it, or at the last complete run, which saw it unchanged.
type sample struct {
	*ipam.Found
	at int64 // Unix milliseconds
}

// samples lists what a discovery found in a Region, by ascending account and
// within it by type, id and CIDR. A position is the account before, the account,
// and what was shown last of it; or an account alone, of which nothing is left.
func (o service) samples(ctx context.Context, p page, discovery, region string) (list[sample], error) {
	before, account, from := "", "", ""
	switch len(p.after) {
	case 0:
	case 1:
		if before = p.after[0]; !accountID.MatchString(before) {
			return nil, p.invalid()
		}
	case 5:
		c, err := netip.ParsePrefix(p.after[4])
		if before, account = p.after[0], p.after[1]; err != nil || !accountID.MatchString(account) || before != "" && !accountID.MatchString(before) {
			return nil, p.invalid()
		}
		from = items.FoundAfter(&ipam.Found{Resource: ipam.Resource{Type: ipam.ResourceType(p.after[2]), ID: p.after[3], CIDR: c}})
	default:
		return nil, p.invalid()
	}
	return chain(func(yield func(part[sample], error) bool) {
		before := before
		for e, err := range o.discoveredAccounts(ctx, discovery, region, before, batch) {
			if err != nil {
				yield(part[sample]{}, err)
				return
			}
			a := e.object
			if a.Account < account {
				continue // new since
			}
			of := o.samplesOf(ctx, a, before)
			if a.Account == account {
				of.after = from
			}
			if !yield(of, nil) {
				return
			}
			before = a.Account
		}
	}), nil
}

// samplesOf lists what was found in an account; before is the account before.
func (o service) samplesOf(ctx context.Context, a *ipam.DiscoveredAccount, before string) part[sample] {
	return part[sample]{
		none: []string{a.Account},
		next: func(after string) ([]*sample, string, error) {
			found, next, err := o.store.Found(ctx, a.Discovery, a.Region, a.Account, after, 0)
			samples := make([]*sample, len(found))
			for i, f := range found {
				samples[i] = &sample{f, max(f.Sampled, a.Succeeded)}
			}
			return samples, next, err
		},
		at: func(s *sample) []string {
			return []string{before, a.Account, string(s.Type), s.ID, s.CIDR.String()}
		},
	}
}

func (o service) getDiscoveredResources(ctx context.Context, in *ec2.GetIpamDiscoveredResourceCidrsInput) (*ec2.GetIpamDiscoveredResourceCidrsOutput, error) {
	q := request{"GetIpamDiscoveredResourceCidrs", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showDiscoveredResource, func(p page) (list[sample], error) {
		discovery, region, err := o.watched(ctx, in.IpamResourceDiscoveryId, "ResourceRegion", in.ResourceRegion)
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
		VpcId:                   some(s.VPC),
		SubnetId:                some(s.Subnet),
		SampleTime:              showTime(s.at),
		AvailabilityZoneId:      some(s.AvailabilityZone),
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

// getDiscoveredAddresses lists public addresses in the order of samples. What
// it shows of the Region's oldest sample is the oldest last complete run of an
// account that has had one.
func (o service) getDiscoveredAddresses(ctx context.Context, in *ec2.GetIpamDiscoveredPublicAddressesInput) (*ec2.GetIpamDiscoveredPublicAddressesOutput, error) {
	oldest := int64(0)
	q := request{"GetIpamDiscoveredPublicAddresses", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showDiscoveredAddress, func(p page) (list[sample], error) {
		discovery, region, err := o.watched(ctx, in.IpamResourceDiscoveryId, "AddressRegion", in.AddressRegion)
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
			if at := e.object.Succeeded; at != 0 && (oldest == 0 || at < oldest) {
				oldest = at
			}
		}
		return only(objects, func(s *sample) bool { return s.Public != nil }), nil
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
		AddressAllocationId:         some(a.AllocationID),
		AssociationStatus:           types.IpamPublicAddressAssociationStatusDisassociated,
		AddressType:                 types.IpamPublicAddressType(a.Type),
		Service:                     types.IpamPublicAddressAwsService(a.Service),
		ServiceResource:             some(a.ServiceResource),
		VpcId:                       some(s.VPC),
		SubnetId:                    some(s.Subnet),
		PublicIpv4PoolId:            some(a.PublicIPv4Pool),
		NetworkInterfaceId:          some(a.Interface),
		NetworkInterfaceDescription: some(a.InterfaceDescription),
		InstanceId:                  some(s.Instance),
		NetworkBorderGroup:          some(a.NetworkBorderGroup),
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
