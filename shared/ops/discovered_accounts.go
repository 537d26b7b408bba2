package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The input and output of DeleteIpamDiscoveredAccount. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// DeleteIpamDiscoveredAccountInput is the input of DeleteIpamDiscoveredAccount.
	DeleteIpamDiscoveredAccountInput struct {
		DryRun                             *bool
		IpamResourceDiscoveryId, AccountId *string
		DiscoveryRegion                    *string // every Region if nil
	}
	// DeleteIpamDiscoveredAccountOutput is the output of DeleteIpamDiscoveredAccount:
	// the account in each Region whose resources are being forgotten.
	DeleteIpamDiscoveredAccountOutput struct {
		IpamDiscoveredAccounts []types.IpamDiscoveredAccount
	}
)

// parseDiscoveryRegion returns the id of a discovery that exists for the caller, and the
// name of a Region.
func (o service) parseDiscoveryRegion(ctx context.Context, id *string, parameter string, region *string) (discovery, name string, err error) {
	found, err := o.visibleDiscoveries().find(ctx, "IpamResourceDiscoveryId", []string{aws.ToString(id)})
	if err != nil {
		return "", "", err
	}
	if name = aws.ToString(region); !ipam.IsRegion(name) {
		return "", "", schema.Invalid(parameter, name, "Use the name of a Region such as ap-northeast-1.")
	}
	return found[0].ID, name, nil
}

// discoveredAccounts lists the accounts that a discovery has read in a Region, by
// ascending account, behind the account after. One call to the store reads ahead of
// them; 0 reads as many as the table returns.
func (o service) discoveredAccounts(ctx context.Context, discovery, region, after string, ahead int) listing.List[ipam.DiscoveredAccount] {
	if after != "" {
		after = items.DiscoveredAccountAfter(&ipam.DiscoveredAccount{Discovery: discovery, Region: region, Account: after})
	}
	return listing.Read(after, func(after string) ([]*ipam.DiscoveredAccount, string, error) {
		return o.store.DiscoveredAccounts(ctx, discovery, region, after, ahead)
	}, func(a *ipam.DiscoveredAccount) []string { return []string{a.Account} })
}

func (o service) getDiscoveredAccounts(ctx context.Context, in *ec2.GetIpamDiscoveredAccountsInput) (*ec2.GetIpamDiscoveredAccountsOutput, error) {
	p, err := newPage(ctx, listRequest{"GetIpamDiscoveredAccounts", in, in.MaxResults, in.NextToken, in.Filters}, listing.MaxOutputs)
	if err != nil {
		return nil, err
	}
	after := ""
	if len(p.After) > 0 {
		if after = p.After[0]; len(p.After) > 1 || !ipam.IsAccountID(after) {
			return nil, p.InvalidToken()
		}
	}
	match, err := listing.Filters[types.IpamDiscoveredAccount]{}.Match(in.Filters)
	if err != nil {
		return nil, err
	}
	discovery, region, err := o.parseDiscoveryRegion(ctx, in.IpamResourceDiscoveryId, "DiscoveryRegion", in.DiscoveryRegion)
	if err != nil {
		return nil, err
	}
	found, next, err := listing.Collect(ctx, p, o.discoveredAccounts(ctx, discovery, region, after, batchSize), showDiscoveredAccount, match)
	return &ec2.GetIpamDiscoveredAccountsOutput{IpamDiscoveredAccounts: found, NextToken: next}, err
}

// deleteDiscoveredAccount marks an account that the discovery does not read any more. The
// provisioning function then forgets the resources found there and frees their space.
// Until then they keep it, since they may still exist. Another call is no error.
func (o service) deleteDiscoveredAccount(ctx context.Context, in *DeleteIpamDiscoveredAccountInput) (*DeleteIpamDiscoveredAccountOutput, error) {
	id, err := checkID(ipam.IDDiscovery, "IpamResourceDiscoveryId", in.IpamResourceDiscoveryId)
	if err != nil {
		return nil, err
	}
	account, region := aws.ToString(in.AccountId), aws.ToString(in.DiscoveryRegion)
	if !ipam.IsAccountID(account) {
		return nil, schema.Invalid("AccountId", account, "Use an account id of 12 digits.")
	}
	if in.DiscoveryRegion != nil && !ipam.IsRegion(region) {
		return nil, schema.Invalid("DiscoveryRegion", region, "Use the name of a Region such as ap-northeast-1, or leave it out for every Region.")
	}
	known, err := o.store.ForgetAccount(ctx, id, account, region, func(d *ipam.Discovery) error { return checkOwner(ctx, &d.Meta) })
	if err != nil {
		return nil, err
	}
	out := new(DeleteIpamDiscoveredAccountOutput)
	for _, a := range known {
		out.IpamDiscoveredAccounts = append(out.IpamDiscoveredAccounts, showDiscoveredAccount(a))
	}
	return out, nil
}

// departureTexts explain why a discovery does not read an account any more. The API has no
// code for it; unauthorized-failure is the closest.
var departureTexts = map[ipam.Departure]string{
	ipam.DepartedAccount: "Discovery does not read the account any more: it has left the organization or the list of accounts, is closed, or is in an organizational unit that is left out. The resources found there stay known, and their space reserved; DeleteIpamDiscoveredAccount forgets them.",
	ipam.DepartedRegion:  "Discovery does not read the Region any more: it is no operating Region of the resource discovery. The resources found there stay known, and their space reserved; DeleteIpamDiscoveredAccount forgets them.",
	ipam.Forgotten:       "The resources found there are being forgotten. The account leaves the list when this is done.",
}

func showDiscoveredAccount(a *ipam.DiscoveredAccount) types.IpamDiscoveredAccount {
	out := types.IpamDiscoveredAccount{
		AccountId:                   &a.Account,
		DiscoveryRegion:             &a.Region,
		LastAttemptedDiscoveryTime:  showTime(a.Attempted),
		LastSuccessfulDiscoveryTime: showTime(a.Succeeded),
		OrganizationalUnitId:        optional(a.OU),
	}
	if left, ok := departureTexts[a.Departure]; ok {
		out.FailureReason = &types.IpamDiscoveryFailureReason{Code: types.IpamDiscoveryFailureCodeUnauthorizedFailure, Message: &left}
	} else if a.FailureCode != "" {
		out.FailureReason = &types.IpamDiscoveryFailureReason{Code: types.IpamDiscoveryFailureCode(a.FailureCode), Message: &a.Failure}
	}
	return out
}
