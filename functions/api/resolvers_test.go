package main

import (
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/store"
)

// passResolver creates a prefix list resolver of an IPAM, changes it and deletes it, with
// every operation on it. It compares every member of every answer.
func passResolver(t *testing.T, c *ec2.Client, s *store.Store, m *types.Ipam) {
	t.Helper()
	ctx, str := t.Context(), aws.String
	tag := []types.Tag{{Key: str("k"), Value: str("v")}}
	made := must(c.CreateIpamPrefixListResolver(ctx, &ec2.CreateIpamPrefixListResolverInput{
		IpamId: m.IpamId, AddressFamily: types.AddressFamilyIpv4, Description: str("first"), ClientToken: str("resolver"),
		Rules: []types.IpamPrefixListResolverRuleRequest{
			{RuleType: types.IpamPrefixListResolverRuleTypeStaticCidr, StaticCidr: str("192.0.2.0/24")},
			{RuleType: types.IpamPrefixListResolverRuleTypeIpamResourceCidr, IpamScopeId: m.PrivateDefaultScopeId, ResourceType: types.IpamResourceTypeSubnet, Conditions: []types.IpamPrefixListResolverRuleConditionRequest{
				{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceTag: &types.RequestIpamResourceTag{Key: str("k"), Value: str("v")}},
				{Operation: types.IpamPrefixListResolverRuleConditionOperationNotEquals, ResourceOwner: str(owner)},
				{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceRegion: str(homeRegion)},
				{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceId: str("subnet-1")},
				{Operation: types.IpamPrefixListResolverRuleConditionOperationSubnetOf, Cidr: str("10.0.0.0/8")},
			}},
		},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeIpamPrefixListResolver, Tags: tag}},
	}))(t)
	id := made.IpamPrefixListResolver.IpamPrefixListResolverId
	if !regexp.MustCompile(`^ipam-prefix-list-resolver-[0-9a-f]{17}$`).MatchString(*id) {
		t.Errorf("the id is %s", *id)
	}
	want := types.IpamPrefixListResolver{
		OwnerId: str(owner), IpamPrefixListResolverId: id, IpamPrefixListResolverArn: str("arn:aws:ec2::" + owner + ":ipam-prefix-list-resolver/" + *id), IpamArn: m.IpamArn, IpamRegion: str(homeRegion),
		Description: str("first"), AddressFamily: types.AddressFamilyIpv4, State: types.IpamPrefixListResolverStateCreateComplete, Tags: tag,
		LastVersionCreationStatus: types.IpamPrefixListResolverVersionCreationStatusPending,
	}
	same(t, &ec2.CreateIpamPrefixListResolverOutput{IpamPrefixListResolver: &want}, made)
	same(t, &ec2.GetIpamPrefixListResolverRulesOutput{Rules: []types.IpamPrefixListResolverRule{
		{RuleType: types.IpamPrefixListResolverRuleTypeStaticCidr, StaticCidr: str("192.0.2.0/24")},
		{RuleType: types.IpamPrefixListResolverRuleTypeIpamResourceCidr, IpamScopeId: m.PrivateDefaultScopeId, ResourceType: types.IpamResourceTypeSubnet, Conditions: []types.IpamPrefixListResolverRuleCondition{
			{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceTag: &types.IpamResourceTag{Key: str("k"), Value: str("v")}},
			{Operation: types.IpamPrefixListResolverRuleConditionOperationNotEquals, ResourceOwner: str(owner)},
			{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceRegion: str(homeRegion)},
			{Operation: types.IpamPrefixListResolverRuleConditionOperationEquals, ResourceId: str("subnet-1")},
			{Operation: types.IpamPrefixListResolverRuleConditionOperationSubnetOf, Cidr: str("10.0.0.0/8")},
		}},
	}}, must(c.GetIpamPrefixListResolverRules(ctx, &ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: id}))(t))
	for _, work := range []string{"select#", "version#"} {
		must(0, s.RunWork(ctx, work+*id))(t)
	}
	want.Description, want.State = str("second"), types.IpamPrefixListResolverStateModifyComplete
	want.LastVersionCreationStatus = types.IpamPrefixListResolverVersionCreationStatusSuccess
	same(t, &ec2.ModifyIpamPrefixListResolverOutput{IpamPrefixListResolver: &want},
		must(c.ModifyIpamPrefixListResolver(ctx, &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: id, Description: str("second")}))(t))
	same(t, &ec2.DescribeIpamPrefixListResolversOutput{IpamPrefixListResolvers: []types.IpamPrefixListResolver{want}},
		must(c.DescribeIpamPrefixListResolvers(ctx, &ec2.DescribeIpamPrefixListResolversInput{IpamPrefixListResolverIds: []string{*id}}))(t))
	same(t, &ec2.GetIpamPrefixListResolverVersionsOutput{IpamPrefixListResolverVersions: []types.IpamPrefixListResolverVersion{{Version: aws.Int64(1)}}},
		must(c.GetIpamPrefixListResolverVersions(ctx, &ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: id, IpamPrefixListResolverVersions: []int64{1}}))(t))
	same(t, &ec2.GetIpamPrefixListResolverVersionEntriesOutput{Entries: []types.IpamPrefixListResolverVersionEntry{{Cidr: str("192.0.2.0/24")}}},
		must(c.GetIpamPrefixListResolverVersionEntries(ctx, &ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: id, IpamPrefixListResolverVersion: aws.Int64(1)}))(t))
	want.State = types.IpamPrefixListResolverStateDeleteComplete
	same(t, &ec2.DeleteIpamPrefixListResolverOutput{IpamPrefixListResolver: &want},
		must(c.DeleteIpamPrefixListResolver(ctx, &ec2.DeleteIpamPrefixListResolverInput{IpamPrefixListResolverId: id}))(t))
}
