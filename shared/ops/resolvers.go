package ops

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func (o service) resolvers() entity[ipam.PrefixListResolver] {
	return entity[ipam.PrefixListResolver]{ipam.IDResolver, func(r *ipam.PrefixListResolver) *ipam.Meta { return &r.Meta }, o.store.Resolvers, o.store.ResolversAfter, o.store.ModifyResolver, nil}
}

// findResolver returns a resolver of the caller.
func (o service) findResolver(ctx context.Context, id *string) (*ipam.PrefixListResolver, error) {
	found, err := o.resolvers().find(ctx, "IpamPrefixListResolverId", []string{aws.ToString(id)})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (o service) createResolver(ctx context.Context, in *ec2.CreateIpamPrefixListResolverInput) (*ec2.CreateIpamPrefixListResolverOutput, error) {
	t, err := token(ctx, "CreateIpamPrefixListResolver", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	r := ipam.PrefixListResolver{Family: ipam.ParseFamily(string(in.AddressFamily))}
	if r.IPAM, err = checkID(ipam.IDIPAM, "IpamId", in.IpamId); err != nil {
		return nil, err
	}
	if r.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if r.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDResolver); err != nil {
		return nil, err
	}
	if r.Rules, err = o.parseRules(in.Rules); err != nil {
		return nil, err
	}
	if _, err := o.ipams().find(ctx, "IpamId", []string{r.IPAM}); err != nil { // before the scopes of the rules
		return nil, err
	}
	if err := o.checkRules(ctx, &r); err != nil {
		return nil, err
	}
	made, err := o.store.CreateResolver(ctx, t, r, func(m *ipam.IPAM) error {
		if err := checkOwner(ctx, &m.Meta); err != nil {
			return err
		}
		if m.Tier == string(types.IpamTierFree) {
			return ipam.Errorf(ipam.CodeUnsupportedOperation, "Prefix list resolvers are not part of the free tier. Change %s to the advanced tier with ModifyIpam.", m.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateIpamPrefixListResolverOutput{IpamPrefixListResolver: new(showResolver(made))}, nil
}

// modifyResolver changes the description of a resolver, and replaces all its rules if the
// request has any, or an empty list of them.
func (o service) modifyResolver(ctx context.Context, in *ec2.ModifyIpamPrefixListResolverInput) (*ec2.ModifyIpamPrefixListResolverOutput, error) {
	id, err := checkID(ipam.IDResolver, "IpamPrefixListResolverId", in.IpamPrefixListResolverId)
	if err != nil {
		return nil, err
	}
	if in.Description == nil && in.Rules == nil {
		return nil, invalidCombination("The request must contain a modification to the ipam prefix list resolver. Give a Description, or the Rules that replace its present ones.")
	}
	text, err := parseDescription(in.Description)
	if err != nil {
		return nil, err
	}
	rules, err := o.parseRules(in.Rules)
	if err != nil {
		return nil, err
	}
	if in.Rules != nil {
		now, err := o.findResolver(ctx, in.IpamPrefixListResolverId)
		if err != nil {
			return nil, err
		}
		now.Rules = rules
		if err := o.checkRules(ctx, now); err != nil {
			return nil, err
		}
	}
	changed, err := o.store.ModifyResolver(ctx, id, ipam.ActModify, func(r *ipam.PrefixListResolver) error {
		if in.Description != nil {
			r.Description = text
		}
		if in.Rules != nil {
			r.Rules = rules
		}
		return checkOwner(ctx, &r.Meta)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamPrefixListResolverOutput{IpamPrefixListResolver: new(showResolver(changed))}, nil
}

func (o service) deleteResolver(ctx context.Context, in *ec2.DeleteIpamPrefixListResolverInput) (*ec2.DeleteIpamPrefixListResolverOutput, error) {
	id, err := checkID(ipam.IDResolver, "IpamPrefixListResolverId", in.IpamPrefixListResolverId)
	if err != nil {
		return nil, err
	}
	deleted, err := o.store.DeleteResolver(ctx, id, func(r *ipam.PrefixListResolver) error { return checkOwner(ctx, &r.Meta) })
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteIpamPrefixListResolverOutput{IpamPrefixListResolver: new(showResolver(deleted))}, nil
}

func (o service) describeResolvers(ctx context.Context, in *ec2.DescribeIpamPrefixListResolversInput) (*ec2.DescribeIpamPrefixListResolversOutput, error) {
	filters := listing.Filters[types.IpamPrefixListResolver]{"ipam-id": func(r *types.IpamPrefixListResolver) (string, bool) { return idOfARN(r.IpamArn), true }}
	q := listRequest{"DescribeIpamPrefixListResolvers", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, filters, showResolver, func(p listing.Page) (listing.List[ipam.PrefixListResolver], error) {
		return o.resolvers().list(ctx, p, "IpamPrefixListResolverIds", in.IpamPrefixListResolverIds)
	})
	return &ec2.DescribeIpamPrefixListResolversOutput{IpamPrefixListResolvers: found, NextToken: next}, err
}

// getResolverRules lists the rules of a resolver in the order in which they were given.
func (o service) getResolverRules(ctx context.Context, in *ec2.GetIpamPrefixListResolverRulesInput) (*ec2.GetIpamPrefixListResolverRulesOutput, error) {
	q := listRequest{"GetIpamPrefixListResolverRules", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, nil, showRule, func(p listing.Page) (listing.List[ipam.ResolverRule], error) {
		after, err := afterNumber(p)
		if err != nil {
			return nil, err
		}
		r, err := o.findResolver(ctx, in.IpamPrefixListResolverId)
		if err != nil {
			return nil, err
		}
		return numbered(r.Rules, after), nil
	})
	return &ec2.GetIpamPrefixListResolverRulesOutput{Rules: found, NextToken: next}, err
}

// getResolverVersions lists the versions of a resolver by ascending number.
func (o service) getResolverVersions(ctx context.Context, in *ec2.GetIpamPrefixListResolverVersionsInput) (*ec2.GetIpamPrefixListResolverVersionsOutput, error) {
	q := listRequest{"GetIpamPrefixListResolverVersions", in, in.MaxResults, in.NextToken, in.Filters}
	show := func(v *ipam.Version) types.IpamPrefixListResolverVersion {
		return types.IpamPrefixListResolverVersion{Version: &v.Number}
	}
	position := func(v *ipam.Version) []string { return []string{strconv.FormatInt(v.Number, 10)} }
	found, next, err := answer(ctx, q, nil, show, func(p listing.Page) (listing.List[ipam.Version], error) {
		after, err := afterNumber(p)
		if err != nil {
			return nil, err
		}
		r, err := o.findResolver(ctx, in.IpamPrefixListResolverId)
		if err != nil {
			return nil, err
		}
		if asked := in.IpamPrefixListResolverVersions; len(asked) > 0 {
			versions, err := o.findVersions(ctx, r.ID, asked)
			return func(yield func(listing.Entry[ipam.Version], error) bool) {
				for _, v := range versions {
					if v.Number > after && !yield(listing.Entry[ipam.Version]{Object: v, Position: position(v)}, nil) {
						return
					}
				}
			}, err
		}
		return listing.Read(strconv.FormatInt(after, 10), func(after string) ([]*ipam.Version, string, error) {
			n, err := strconv.ParseInt(after, 10, 64)
			if err != nil {
				return nil, "", err
			}
			versions, next, err := o.store.VersionsAfter(ctx, r.ID, n, batchSize)
			if next == 0 {
				return versions, "", err
			}
			return versions, strconv.FormatInt(next, 10), err
		}, position), nil
	})
	return &ec2.GetIpamPrefixListResolverVersionsOutput{IpamPrefixListResolverVersions: found, NextToken: next}, err
}

// findVersions returns versions of a resolver, or an error unless all of them exist.
func (o service) findVersions(ctx context.Context, resolver string, numbers []int64) ([]*ipam.Version, error) {
	versions, err := o.store.Versions(ctx, resolver, numbers)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if !slices.ContainsFunc(versions, func(v *ipam.Version) bool { return v.Number == n }) {
			return nil, noVersion(resolver, n)
		}
	}
	return versions, nil
}

func noVersion(resolver string, n int64) error {
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%d) for parameter IpamPrefixListResolverVersion is invalid. %s has no such version, or has it no more. GetIpamPrefixListResolverVersions lists those that it has.", n, resolver)
}

// getResolverEntries lists the CIDRs of a version by ascending address.
func (o service) getResolverEntries(ctx context.Context, in *ec2.GetIpamPrefixListResolverVersionEntriesInput) (*ec2.GetIpamPrefixListResolverVersionEntriesOutput, error) {
	q := listRequest{"GetIpamPrefixListResolverVersionEntries", in, in.MaxResults, in.NextToken, nil}
	show := func(p *netip.Prefix) types.IpamPrefixListResolverVersionEntry {
		return types.IpamPrefixListResolverVersionEntry{Cidr: aws.String(p.String())}
	}
	found, next, err := answer(ctx, q, nil, show, func(p listing.Page) (listing.List[netip.Prefix], error) {
		after, err := afterNumber(p)
		if err != nil {
			return nil, err
		}
		r, err := o.findResolver(ctx, in.IpamPrefixListResolverId)
		if err != nil {
			return nil, err
		}
		n := aws.ToInt64(in.IpamPrefixListResolverVersion)
		v, err := o.store.Version(ctx, r.ID, n)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, noVersion(r.ID, n)
		}
		return numbered(v.CIDRs, after), nil
	})
	return &ec2.GetIpamPrefixListResolverVersionEntriesOutput{Entries: found, NextToken: next}, err
}

// afterNumber returns the position of a page in a list of numbers: a number from 1 on, 0 on
// the first page.
func afterNumber(p listing.Page) (int64, error) {
	switch len(p.After) {
	case 0:
		return 0, nil
	case 1:
		if n, err := strconv.ParseInt(p.After[0], 10, 64); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, p.InvalidToken()
}

// numbered lists objects that never change their places, behind the place after, from 1 on.
func numbered[T any](objects []T, after int64) listing.List[T] {
	return func(yield func(listing.Entry[T], error) bool) {
		for i := min(int(after), len(objects)); i < len(objects); i++ {
			if !yield(listing.Entry[T]{Object: &objects[i], Position: []string{strconv.Itoa(i + 1)}}, nil) {
				return
			}
		}
	}
}

// parseRules reads rules. It does not check them.
func (o service) parseRules(given []types.IpamPrefixListResolverRuleRequest) ([]ipam.ResolverRule, error) {
	if n, limit := int64(len(given)), o.store.Quotas().RulesPerResolver; n > limit {
		return nil, ipam.Errorf(ipam.CodeResourceLimitExceeded, "The request has %d rules, and a resolver may have %d. Join rules, divide them over several resolvers, or ask the platform team to raise the quota rules_per_resolver.", n, limit)
	}
	var rules []ipam.ResolverRule
	for _, g := range given {
		r := ipam.ResolverRule{Type: ipam.RuleType(g.RuleType), Scope: aws.ToString(g.IpamScopeId), Resource: ipam.ResourceType(g.ResourceType)}
		var err error
		if r.CIDR, err = parseCIDR("StaticCidr", g.StaticCidr); err != nil {
			return nil, err
		}
		for _, c := range g.Conditions {
			n := ipam.RuleCondition{
				Operation: ipam.ConditionOperation(c.Operation), Pool: aws.ToString(c.IpamPoolId), ResourceID: aws.ToString(c.ResourceId),
				Owner: aws.ToString(c.ResourceOwner), Region: aws.ToString(c.ResourceRegion),
			}
			if n.CIDR, err = parseCIDR("Condition.Cidr", c.Cidr); err != nil {
				return nil, err
			}
			if t := c.ResourceTag; t != nil {
				if _, err := o.resourceTags("Condition.ResourceTag", []types.RequestIpamResourceTag{*t}); err != nil {
					return nil, err
				}
				n.Tag = &ipam.ResourceTag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
			}
			r.Conditions = append(r.Conditions, n)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

const maxConditions = 50 // of a rule; AWS documents no limit

// checkRules checks the rules of a resolver. The scopes that they name must be scopes of its
// IPAM, and the pools pools in these scopes.
func (o service) checkRules(ctx context.Context, r *ipam.PrefixListResolver) error {
	var scopes, pools []string
	for i := range r.Rules {
		rule := &r.Rules[i]
		if err := ipam.CheckRule(r.Family, rule); err != nil {
			return err
		}
		if n := len(rule.Conditions); n > maxConditions {
			return ipam.Errorf(ipam.CodeResourceLimitExceeded, "A rule has %d conditions and may have %d.", n, maxConditions)
		}
		if rule.Scope != "" {
			scopes = append(scopes, rule.Scope)
		}
		for _, c := range rule.Conditions {
			if c.Pool != "" {
				pools = append(pools, c.Pool)
			}
			if err := checkConditionText(&c); err != nil {
				return err
			}
		}
	}
	inScope := map[string]string{}
	found, err := o.scopes().find(ctx, "IpamScopeId", scopes)
	if err != nil {
		return err
	}
	for _, s := range found {
		if s.IPAM != r.IPAM {
			return schema.Invalid("IpamScopeId", s.ID, "It is a scope of %s, and the resolver is of %s. A resolver selects CIDRs of its own IPAM.", s.IPAM, r.IPAM)
		}
	}
	known, err := o.pools().find(ctx, "Condition.IpamPoolId", pools)
	if err != nil {
		return err
	}
	for _, p := range known {
		inScope[p.ID] = p.Scope
	}
	for _, rule := range r.Rules {
		for _, c := range rule.Conditions {
			if c.Pool != "" && inScope[c.Pool] != rule.Scope {
				return schema.Invalid("Condition.IpamPoolId", c.Pool, "The pool is in the scope %s, and the rule is for %s.", inScope[c.Pool], rule.Scope)
			}
		}
	}
	return nil
}

// checkConditionText returns an error for texts that no resource can have. It would be a
// mistake that nothing shows: the rule would select nothing.
func checkConditionText(c *ipam.RuleCondition) error {
	if c.Owner != "" && ipam.PrincipalKindOf(c.Owner) != ipam.PrincipalAccount {
		return schema.Invalid("Condition.ResourceOwner", c.Owner, "Use an account id of 12 digits.")
	}
	if c.Region != "" && !ipam.IsRegion(c.Region) {
		return schema.Invalid("Condition.ResourceRegion", c.Region, "Use the name of a Region such as ap-northeast-1.")
	}
	if len(c.ResourceID) > maxDescription {
		return schema.Invalid("Condition.ResourceId", c.ResourceID, "Use the id of a resource, such as vpc-0123456789abcdef0.")
	}
	return nil
}

func showResolver(r *ipam.PrefixListResolver) types.IpamPrefixListResolver {
	return types.IpamPrefixListResolver{
		OwnerId:                          &r.Owner,
		IpamPrefixListResolverId:         &r.ID,
		IpamPrefixListResolverArn:        arn(&r.Meta, ipam.IDResolver, r.ID),
		IpamArn:                          arn(&r.Meta, ipam.IDIPAM, r.IPAM),
		IpamRegion:                       &r.Region,
		Description:                      optional(r.Description),
		AddressFamily:                    types.AddressFamily(r.Family.String()),
		State:                            types.IpamPrefixListResolverState(r.State),
		Tags:                             showTags(r.Tags),
		LastVersionCreationStatus:        types.IpamPrefixListResolverVersionCreationStatus(r.LastCreation),
		LastVersionCreationStatusMessage: optional(r.Failure),
	}
}

func showRule(r *ipam.ResolverRule) types.IpamPrefixListResolverRule {
	out := types.IpamPrefixListResolverRule{
		RuleType: types.IpamPrefixListResolverRuleType(r.Type), IpamScopeId: optional(r.Scope), ResourceType: types.IpamResourceType(r.Resource), StaticCidr: showCIDR(r.CIDR),
	}
	for _, c := range r.Conditions {
		n := types.IpamPrefixListResolverRuleCondition{
			Operation: types.IpamPrefixListResolverRuleConditionOperation(c.Operation), IpamPoolId: optional(c.Pool), ResourceId: optional(c.ResourceID),
			ResourceOwner: optional(c.Owner), ResourceRegion: optional(c.Region), Cidr: showCIDR(c.CIDR),
		}
		if c.Tag != nil {
			n.ResourceTag = &types.IpamResourceTag{Key: &c.Tag.Key, Value: &c.Tag.Value}
		}
		out.Conditions = append(out.Conditions, n)
	}
	return out
}

// showCIDR returns nil for the zero Prefix.
func showCIDR(p netip.Prefix) *string {
	if !p.IsValid() {
		return nil
	}
	return aws.String(p.String())
}
