package ops_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// work does all the work that there is.
func (w *env) work() {
	w.t.Helper()
	for range 5 {
		notes, err := w.store.PendingWork(w.t.Context(), w.now.Add(time.Hour))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, sk := range notes {
			if err := w.store.RunWork(w.t.Context(), sk); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// statics returns static rules for CIDRs.
func statics(cidrs ...string) []types.IpamPrefixListResolverRuleRequest {
	rules := []types.IpamPrefixListResolverRuleRequest{}
	for _, c := range cidrs {
		rules = append(rules, types.IpamPrefixListResolverRuleRequest{RuleType: types.IpamPrefixListResolverRuleTypeStaticCidr, StaticCidr: &c})
	}
	return rules
}

func (w *env) makeResolver(in ec2.CreateIpamPrefixListResolverInput) string {
	w.t.Helper()
	if in.AddressFamily == "" {
		in.AddressFamily = types.AddressFamilyIpv4
	}
	return *do[ec2.CreateIpamPrefixListResolverOutput](w, w.admin, &in).IpamPrefixListResolver.IpamPrefixListResolverId
}

func (w *env) resolver(id string) types.IpamPrefixListResolver {
	w.t.Helper()
	return do[ec2.DescribeIpamPrefixListResolversOutput](w, w.admin, &ec2.DescribeIpamPrefixListResolversInput{IpamPrefixListResolverIds: []string{id}}).IpamPrefixListResolvers[0]
}

func (w *env) versionNumbers(id string, asked ...int64) (numbers []int64) {
	w.t.Helper()
	for _, v := range do[ec2.GetIpamPrefixListResolverVersionsOutput](w, w.admin, &ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &id, IpamPrefixListResolverVersions: asked}).IpamPrefixListResolverVersions {
		numbers = append(numbers, *v.Version)
	}
	return numbers
}

func (w *env) versionEntries(id string, version int64) (cidrs []string) {
	w.t.Helper()
	for _, e := range do[ec2.GetIpamPrefixListResolverVersionEntriesOutput](w, w.admin, &ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: &id, IpamPrefixListResolverVersion: &version}).Entries {
		cidrs = append(cidrs, *e.Cidr)
	}
	return cidrs
}

// A resolver from its creation to its end.
func TestLifeOfAResolver(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/16")
	rule := types.IpamPrefixListResolverRuleRequest{
		RuleType: types.IpamPrefixListResolverRuleTypeIpamPoolCidr, IpamScopeId: m.PrivateDefaultScopeId,
		Conditions: []types.IpamPrefixListResolverRuleConditionRequest{{Operation: "equals", IpamPoolId: &pool}, {Operation: "subnet-of", Cidr: aws.String("10.0.0.0/8")}},
	}
	made := do[ec2.CreateIpamPrefixListResolverOutput](w, w.admin, &ec2.CreateIpamPrefixListResolverInput{
		IpamId: m.IpamId, AddressFamily: types.AddressFamilyIpv4, Description: aws.String("d"), Rules: append(statics("192.0.2.0/24"), rule),
		TagSpecifications: specify("ipam-prefix-list-resolver", "k", "v"),
	}).IpamPrefixListResolver
	id := *made.IpamPrefixListResolverId
	want := types.IpamPrefixListResolver{
		OwnerId: aws.String(account), IpamPrefixListResolverId: &id, IpamPrefixListResolverArn: aws.String("arn:aws:ec2::" + account + ":ipam-prefix-list-resolver/" + id),
		IpamArn: m.IpamArn, IpamRegion: aws.String(home), Description: aws.String("d"), AddressFamily: types.AddressFamilyIpv4, State: "create-complete",
		Tags: tags("k", "v"), LastVersionCreationStatus: "pending",
	}
	if diff := cmp.Diff(want, *made, exported); diff != "" {
		t.Errorf("created, -want +have:\n%s", diff)
	}
	w.work()
	want.LastVersionCreationStatus = "success"
	if diff := cmp.Diff(want, w.resolver(id), exported); diff != "" {
		t.Errorf("with a version, -want +have:\n%s", diff)
	}
	if n := w.versionNumbers(id); !slices.Equal(n, []int64{1}) {
		t.Errorf("versions %v", n)
	}
	if e := w.versionEntries(id, 1); !slices.Equal(e, []string{"10.0.0.0/16", "192.0.2.0/24"}) {
		t.Errorf("entries %v", e)
	}
	rules := do[ec2.GetIpamPrefixListResolverRulesOutput](w, w.admin, &ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &id}).Rules
	if diff := cmp.Diff([]types.IpamPrefixListResolverRule{
		{RuleType: "static-cidr", StaticCidr: aws.String("192.0.2.0/24")},
		{RuleType: "ipam-pool-cidr", IpamScopeId: m.PrivateDefaultScopeId, Conditions: []types.IpamPrefixListResolverRuleCondition{
			{Operation: "equals", IpamPoolId: &pool}, {Operation: "subnet-of", Cidr: aws.String("10.0.0.0/8")},
		}},
	}, rules, exported); diff != "" {
		t.Errorf("rules, -want +have:\n%s", diff)
	}
	changed := do[ec2.ModifyIpamPrefixListResolverOutput](w, w.admin, &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &id, Description: aws.String("e")}).IpamPrefixListResolver
	if *changed.Description != "e" || changed.State != "modify-complete" || changed.LastVersionCreationStatus != "success" {
		t.Errorf("with another description: %+v", changed)
	}
	changed = do[ec2.ModifyIpamPrefixListResolverOutput](w, w.admin, &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &id, Rules: statics()}).IpamPrefixListResolver
	if *changed.Description != "e" || changed.LastVersionCreationStatus != "pending" {
		t.Errorf("without rules: %+v", changed)
	}
	w.work()
	if n, e := w.versionNumbers(id), w.versionEntries(id, 2); !slices.Equal(n, []int64{1, 2}) || len(e) != 0 {
		t.Errorf("without rules: versions %v, entries %v", n, e)
	}
	if n := w.versionNumbers(id, 2); !slices.Equal(n, []int64{2}) {
		t.Errorf("asked for one: %v", n)
	}
	do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags("k", "w")})
	if got := w.resolver(id).Tags; *got[0].Value != "w" {
		t.Errorf("tags %+v", got)
	}
	w.refused(t, w.admin, &ec2.DeleteIpamInput{IpamId: m.IpamId}, "DependencyViolation", "1 prefix list resolvers")
	deleted := do[ec2.DeleteIpamPrefixListResolverOutput](w, w.admin, &ec2.DeleteIpamPrefixListResolverInput{IpamPrefixListResolverId: &id}).IpamPrefixListResolver
	if deleted.State != "delete-complete" {
		t.Errorf("deleted: %+v", deleted)
	}
	w.work()
	w.refused(t, w.admin, &ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &id}, "InvalidIpamPrefixListResolverId.NotFound", id, "DescribeIpamPrefixListResolvers")
}

// Each kind of resource, and each attribute of a condition, survives a round trip.
func TestRulesAreShownAsTheyWereGiven(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	all := []types.IpamPrefixListResolverRuleRequest{}
	for i, kind := range []types.IpamResourceType{"vpc", "subnet", "eip", "public-ipv4-pool", "eni"} {
		all = append(all, types.IpamPrefixListResolverRuleRequest{RuleType: "ipam-resource-cidr", IpamScopeId: m.PublicDefaultScopeId, ResourceType: kind, Conditions: []types.IpamPrefixListResolverRuleConditionRequest{
			{Operation: "equals", ResourceId: aws.String("id-1")}, {Operation: "not-equals", ResourceOwner: aws.String(stranger)}, {Operation: "equals", ResourceRegion: aws.String(home)},
			{Operation: "equals", ResourceTag: &types.RequestIpamResourceTag{Key: aws.String("k"), Value: aws.String("v")}}, {Operation: "not-equals", Cidr: aws.String("2001:db8::/32")},
		}[i:]})
	}
	id := w.makeResolver(ec2.CreateIpamPrefixListResolverInput{IpamId: m.IpamId, AddressFamily: types.AddressFamilyIpv6, Rules: all})
	shown := do[ec2.GetIpamPrefixListResolverRulesOutput](w, w.admin, &ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &id}).Rules
	// The types of the request and of the answer have the same members.
	members := func(v any) (m []map[string]any) {
		b, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if diff := cmp.Diff(members(all), members(shown)); diff != "" {
		t.Error(diff)
	}
}

// A resolver follows the resources that discovery sees, and says why it makes no version.
func TestResolverSaysWhyItMakesNoVersion(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.EntriesPerVersion = 2 })
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := w.makeResolver(ec2.CreateIpamPrefixListResolverInput{IpamId: m.IpamId, Rules: []types.IpamPrefixListResolverRuleRequest{{RuleType: "ipam-resource-cidr", IpamScopeId: m.PrivateDefaultScopeId, ResourceType: "vpc"}}})
	w.work()
	w.recordRun(*m.DefaultResourceDiscoveryId, stranger, 1)
	for i := range 3 {
		w.observe(*m.DefaultResourceDiscoveryId, 2, ipam.Resource{Type: ipam.ResourceVPC, ID: fmt.Sprintf("vpc-%d", i), CIDR: netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i)), Owner: stranger})
	}
	do[ec2.ModifyIpamPrefixListResolverOutput](w, w.admin, &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &id, Rules: append(statics("10.0.0.0/16"), types.IpamPrefixListResolverRuleRequest{RuleType: "ipam-resource-cidr", IpamScopeId: m.PrivateDefaultScopeId, ResourceType: "vpc"})})
	w.work()
	r := w.resolver(id)
	if r.LastVersionCreationStatus != "failure" || !strings.Contains(*r.LastVersionCreationStatusMessage, "more than 2 CIDRs") {
		t.Errorf("it is %+v", r)
	}
	if n := w.versionNumbers(id); !slices.Equal(n, []int64{1}) {
		t.Errorf("versions %v", n)
	}
}

func TestRefusalsOfResolvers(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.ResolversPerIPAM, q.RulesPerResolver, q.IPAMs = 1, 2, 3 })
	m, other := w.makeIPAM(ec2.CreateIpamInput{}), w.makeIPAM(ec2.CreateIpamInput{})
	free := w.makeIPAM(ec2.CreateIpamInput{Tier: types.IpamTierFree})
	private, public := m.PrivateDefaultScopeId, m.PublicDefaultScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private})
	id := w.makeResolver(ec2.CreateIpamPrefixListResolverInput{IpamId: m.IpamId, Rules: statics("10.0.0.0/8")})
	w.work()
	create := func(change func(*ec2.CreateIpamPrefixListResolverInput)) any {
		in := &ec2.CreateIpamPrefixListResolverInput{IpamId: other.IpamId, AddressFamily: types.AddressFamilyIpv4}
		change(in)
		return in
	}
	modify := func(rules ...types.IpamPrefixListResolverRuleRequest) any {
		return &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &id, Rules: rules}
	}
	pools := func(scope *string, c ...types.IpamPrefixListResolverRuleConditionRequest) types.IpamPrefixListResolverRuleRequest {
		return types.IpamPrefixListResolverRuleRequest{RuleType: "ipam-pool-cidr", IpamScopeId: scope, Conditions: c}
	}
	vpcs := func(c ...types.IpamPrefixListResolverRuleConditionRequest) types.IpamPrefixListResolverRuleRequest {
		return types.IpamPrefixListResolverRuleRequest{RuleType: "ipam-resource-cidr", ResourceType: "vpc", IpamScopeId: private, Conditions: c}
	}
	equals := func(change func(*types.IpamPrefixListResolverRuleConditionRequest)) types.IpamPrefixListResolverRuleConditionRequest {
		c := types.IpamPrefixListResolverRuleConditionRequest{Operation: "equals"}
		change(&c)
		return c
	}
	type condition = types.IpamPrefixListResolverRuleConditionRequest
	none := "ipam-prefix-list-resolver-0123456789abcdef0"
	for _, c := range []struct {
		name  string
		in    any
		code  ipam.Code
		words []string
	}{
		{"IPAM unknown", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.IpamId = aws.String("ipam-0123456789abcdef0") }), "InvalidIpamId.NotFound", nil},
		{"IPAM malformed", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.IpamId = &id }), "InvalidIpamId.Malformed", nil},
		{"IPAM of the free tier", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.IpamId = free.IpamId }), "UnsupportedOperation", []string{*free.IpamId}},
		{"IPAM full", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.IpamId = m.IpamId }), "ResourceLimitExceeded", []string{*m.IpamId, "1"}},
		{"family missing", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.AddressFamily = "" }), "MissingParameter", []string{"AddressFamily"}},
		{"description too long", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.Description = aws.String(strings.Repeat("x", 256)) }), "InvalidParameterValue", []string{"256"}},
		{"tags of another type", create(func(in *ec2.CreateIpamPrefixListResolverInput) { in.TagSpecifications = specify("ipam", "k", "v") }), "InvalidParameterValue", []string{"ipam-prefix-list-resolver"}},
		{"too many rules", create(func(in *ec2.CreateIpamPrefixListResolverInput) {
			in.Rules = statics("10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")
		}), "ResourceLimitExceeded", []string{"3 rules", "2"}},
		{"scope of another IPAM", create(func(in *ec2.CreateIpamPrefixListResolverInput) {
			in.Rules = []types.IpamPrefixListResolverRuleRequest{pools(private)}
		}), "InvalidParameterValue", []string{*private, *m.IpamId}},
		{"nothing to change", modify(), "InvalidParameterCombination", []string{"Rules"}},
		{"resolver unknown", &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &none, Description: aws.String("x")}, "InvalidIpamPrefixListResolverId.NotFound", []string{none}},
		{"resolver unknown: rules", &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &none, Rules: statics("10.0.0.0/8")}, "InvalidIpamPrefixListResolverId.NotFound", []string{none}},
		{"resolver malformed", &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: m.IpamId, Description: aws.String("x")}, "InvalidIpamPrefixListResolverId.Malformed", []string{"IpamPrefixListResolverId"}},
		{"resolver unknown: delete", &ec2.DeleteIpamPrefixListResolverInput{IpamPrefixListResolverId: &none}, "InvalidIpamPrefixListResolverId.NotFound", []string{none}},
		{"host bits", modify(statics("10.0.0.1/8")...), "InvalidParameterValue", []string{"10.0.0.0/8"}},
		{"another family", modify(statics("fd00::/8")...), "InvalidParameterValue", []string{"ipv4"}},
		{"no scope", modify(pools(nil)), "MissingParameter", []string{"IpamScopeId"}},
		{"scope unknown", modify(pools(aws.String("ipam-scope-0123456789abcdef0"))), "InvalidIpamScopeId.NotFound", nil},
		{"scope malformed", modify(pools(&pool)), "InvalidIpamScopeId.Malformed", nil},
		{"pool unknown", modify(pools(private, equals(func(c *condition) { c.IpamPoolId = aws.String("ipam-pool-0123456789abcdef0") }))), "InvalidIpamPoolId.NotFound", nil},
		{"pool of another scope", modify(pools(public, equals(func(c *condition) { c.IpamPoolId = &pool }))), "InvalidParameterValue", []string{pool, *private, *public}},
		{"owner", modify(vpcs(equals(func(c *condition) { c.ResourceOwner = aws.String("1") }))), "InvalidParameterValue", []string{"12 digits"}},
		{"Region", modify(vpcs(equals(func(c *condition) { c.ResourceRegion = aws.String("Tokyo") }))), "InvalidParameterValue", []string{"Tokyo"}},
		{"resource", modify(vpcs(equals(func(c *condition) { c.ResourceId = aws.String(strings.Repeat("v", 256)) }))), "InvalidParameterValue", []string{"ResourceId"}},
		{"tag without key", modify(vpcs(equals(func(c *condition) { c.ResourceTag = &types.RequestIpamResourceTag{} }))), "InvalidParameterValue", []string{"ResourceTag"}},
		{"no attribute", modify(vpcs(condition{Operation: "equals"})), "InvalidParameterCombination", nil},
		{"too many conditions", modify(vpcs(slices.Repeat([]condition{equals(func(c *condition) { c.ResourceRegion = aws.String(home) })}, 51)...)), "ResourceLimitExceeded", []string{"51"}},
		{"version unknown", &ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: &id, IpamPrefixListResolverVersion: aws.Int64(2)}, "InvalidParameterValue", []string{"2", "GetIpamPrefixListResolverVersions"}},
		{"version unknown: list", &ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &id, IpamPrefixListResolverVersions: []int64{1, 3}}, "InvalidParameterValue", []string{"3"}},
		{"free tier with a resolver", &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: types.IpamTierFree}, "DependencyViolation", []string{"1 prefix list resolvers"}},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, w.admin, c.in, c.code, c.words...) })
	}
}
