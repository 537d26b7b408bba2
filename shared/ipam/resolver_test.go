package ipam_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const (
	ruleScope = "ipam-scope-0123456789abcdef0"
	rulePool  = "ipam-pool-0123456789abcdef0"
)

func resourceRule(conditions ...ipam.RuleCondition) ipam.ResolverRule {
	return ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: ruleScope, Resource: ipam.ResourceVPC, Conditions: conditions}
}

func poolRule(conditions ...ipam.RuleCondition) ipam.ResolverRule {
	return ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: ruleScope, Conditions: conditions}
}

func TestCheckRule(t *testing.T) {
	const equals, not, inside = ipam.OperationEquals, ipam.OperationNotEquals, ipam.OperationSubnetOf
	static := ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: prefix("10.0.0.0/8")}
	for _, c := range []struct {
		name string
		rule ipam.ResolverRule
		want ipam.Code
		says string
	}{
		{"static", static, "", ""},
		{"static without CIDR", ipam.ResolverRule{Type: ipam.RuleStaticCIDR}, ipam.CodeMissingParameter, "StaticCidr"},
		{"static with a scope", ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: static.CIDR, Scope: ruleScope}, ipam.CodeInvalidParameterCombination, "IpamScopeId"},
		{"static with a resource type", ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: static.CIDR, Resource: ipam.ResourceVPC}, ipam.CodeInvalidParameterCombination, "ResourceType"},
		{"static with a condition", ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: static.CIDR, Conditions: []ipam.RuleCondition{{Operation: equals, Owner: "111122223333"}}}, ipam.CodeInvalidParameterCombination, "Condition"},
		{"static of the other family", ipam.ResolverRule{Type: ipam.RuleStaticCIDR, CIDR: prefix("2001:db8::/32")}, ipam.CodeInvalidParameterValue, "2001:db8::/32"},
		{"all resources", resourceRule(), "", ""},
		{"resources by everything", resourceRule(
			ipam.RuleCondition{Operation: equals, ResourceID: "vpc-1"}, ipam.RuleCondition{Operation: not, Owner: "111122223333"}, ipam.RuleCondition{Operation: equals, Region: "eu-west-1"},
			ipam.RuleCondition{Operation: equals, Tag: &ipam.ResourceTag{Key: "k"}}, ipam.RuleCondition{Operation: inside, CIDR: prefix("10.0.0.0/8")},
		), "", ""},
		{"resources without a scope", ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Resource: ipam.ResourceVPC}, ipam.CodeMissingParameter, "IpamScopeId"},
		{"resources without a type", ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: ruleScope}, ipam.CodeInvalidParameterValue, "ResourceType"},
		{"resources that discovery does not read", ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: ruleScope, Resource: "anycast-ip-list"}, ipam.CodeInvalidParameterValue, "eni"},
		{"resources with a static CIDR", ipam.ResolverRule{Type: ipam.RuleResourceCIDR, Scope: ruleScope, Resource: ipam.ResourceVPC, CIDR: static.CIDR}, ipam.CodeInvalidParameterCombination, "condition with Cidr"},
		{"resources by pool", resourceRule(ipam.RuleCondition{Operation: equals, Pool: rulePool}), ipam.CodeInvalidParameterCombination, "IpamPoolId"},
		{"pools", poolRule(ipam.RuleCondition{Operation: equals, Pool: rulePool}, ipam.RuleCondition{Operation: not, CIDR: static.CIDR}), "", ""},
		{"pools without a scope", ipam.ResolverRule{Type: ipam.RulePoolCIDR}, ipam.CodeMissingParameter, "IpamScopeId"},
		{"pools with a resource type", ipam.ResolverRule{Type: ipam.RulePoolCIDR, Scope: ruleScope, Resource: ipam.ResourceVPC}, ipam.CodeInvalidParameterCombination, "ResourceType"},
		{"pools by owner", poolRule(ipam.RuleCondition{Operation: equals, Owner: "111122223333"}), ipam.CodeInvalidParameterCombination, "ResourceOwner"},
		{"an unknown type", ipam.ResolverRule{Type: "exclude"}, ipam.CodeInvalidParameterValue, "exclude"},
		{"a condition without attribute", resourceRule(ipam.RuleCondition{Operation: equals}), ipam.CodeInvalidParameterCombination, "[]"},
		{"a condition with two attributes", resourceRule(ipam.RuleCondition{Operation: equals, Owner: "111122223333", Region: "eu-west-1"}), ipam.CodeInvalidParameterCombination, "[ResourceOwner ResourceRegion]"},
		{"a region's subnet", resourceRule(ipam.RuleCondition{Operation: inside, Region: "eu-west-1"}), ipam.CodeInvalidParameterCombination, "subnet-of"},
		{"no operation", resourceRule(ipam.RuleCondition{Region: "eu-west-1"}), ipam.CodeInvalidParameterValue, "Operation"},
		{"a condition of the other family", poolRule(ipam.RuleCondition{Operation: inside, CIDR: prefix("fd00::/8")}), ipam.CodeInvalidParameterValue, "fd00::/8"},
	} {
		err := ipam.CheckRule(ipam.IPv4, &c.rule)
		if ipam.CodeOf(err) != c.want || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s about %s", c.name, err, c.want, c.says)
		}
	}
}

func TestRulesSelectResources(t *testing.T) {
	vpc := ipam.ResourceCIDR{Scope: ruleScope, Resource: ipam.Resource{
		Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: prefix("10.1.0.0/16"), Owner: "111122223333", Region: "eu-west-1", Tags: ipam.Tags{"env": "prod", "empty": ""},
	}}
	const equals, not, inside = ipam.OperationEquals, ipam.OperationNotEquals, ipam.OperationSubnetOf
	tag := func(k, v string) *ipam.ResourceTag { return &ipam.ResourceTag{Key: k, Value: v} }
	for _, c := range []struct {
		name       string
		conditions []ipam.RuleCondition
		want       bool
	}{
		{"all", nil, true},
		{"its id", []ipam.RuleCondition{{Operation: equals, ResourceID: "vpc-1"}}, true},
		{"another id", []ipam.RuleCondition{{Operation: equals, ResourceID: "vpc-2"}}, false},
		{"not another id", []ipam.RuleCondition{{Operation: not, ResourceID: "vpc-2"}}, true},
		{"not its id", []ipam.RuleCondition{{Operation: not, ResourceID: "vpc-1"}}, false},
		{"its account", []ipam.RuleCondition{{Operation: equals, Owner: "111122223333"}}, true},
		{"not its account", []ipam.RuleCondition{{Operation: not, Owner: "111122223333"}}, false},
		{"its Region", []ipam.RuleCondition{{Operation: equals, Region: "eu-west-1"}}, true},
		{"another Region", []ipam.RuleCondition{{Operation: equals, Region: "eu-west-2"}}, false},
		{"its tag", []ipam.RuleCondition{{Operation: equals, Tag: tag("env", "prod")}}, true},
		{"its tag with another value", []ipam.RuleCondition{{Operation: equals, Tag: tag("env", "test")}}, false},
		{"not its tag with another value", []ipam.RuleCondition{{Operation: not, Tag: tag("env", "test")}}, true},
		{"an empty value", []ipam.RuleCondition{{Operation: equals, Tag: tag("empty", "")}}, true},
		{"an empty value of a tag that it lacks", []ipam.RuleCondition{{Operation: equals, Tag: tag("other", "")}}, false},
		{"not a tag that it lacks", []ipam.RuleCondition{{Operation: not, Tag: tag("other", "")}}, true},
		{"its CIDR", []ipam.RuleCondition{{Operation: equals, CIDR: prefix("10.1.0.0/16")}}, true},
		{"a CIDR around it", []ipam.RuleCondition{{Operation: equals, CIDR: prefix("10.0.0.0/8")}}, false},
		{"inside a CIDR around it", []ipam.RuleCondition{{Operation: inside, CIDR: prefix("10.0.0.0/8")}}, true},
		{"inside its CIDR", []ipam.RuleCondition{{Operation: inside, CIDR: prefix("10.1.0.0/16")}}, true},
		{"inside a part of it", []ipam.RuleCondition{{Operation: inside, CIDR: prefix("10.1.0.0/17")}}, false},
		{"two that hold", []ipam.RuleCondition{{Operation: equals, Region: "eu-west-1"}, {Operation: not, ResourceID: "vpc-2"}}, true},
		{"one of two holds", []ipam.RuleCondition{{Operation: equals, Region: "eu-west-1"}, {Operation: not, ResourceID: "vpc-1"}}, false},
	} {
		o := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{{Type: ipam.RuleStaticCIDR, CIDR: vpc.CIDR}, resourceRule(c.conditions...)}}
		if got := o.SelectsResource(&vpc); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	for name, change := range map[string]func(*ipam.ResourceCIDR){
		"an ignored VPC":             func(r *ipam.ResourceCIDR) { r.Ignored = true },
		"a VPC of another scope":     func(r *ipam.ResourceCIDR) { r.Scope = "ipam-scope-1" },
		"a subnet":                   func(r *ipam.ResourceCIDR) { r.Type = ipam.ResourceSubnet },
		"a CIDR of the other family": func(r *ipam.ResourceCIDR) { r.CIDR = prefix("fd00::/56") },
	} {
		other := vpc
		change(&other)
		o := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{resourceRule(), poolRule()}}
		if o.SelectsResource(&other) || !o.SelectsResource(&vpc) {
			t.Errorf("%s is selected, or a VPC is not", name)
		}
	}
	either := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{
		resourceRule(ipam.RuleCondition{Operation: equals, ResourceID: "vpc-2"}), resourceRule(ipam.RuleCondition{Operation: equals, Region: "eu-west-1"}),
	}}
	if !either.SelectsResource(&vpc) {
		t.Error("one rule that selects a CIDR is not enough")
	}
}

func TestRulesSelectCIDRsOfPools(t *testing.T) {
	cidr := ipam.PoolCIDR{Pool: rulePool, CIDR: prefix("10.0.0.0/12"), State: ipam.CIDRProvisioned}
	for _, c := range []struct {
		name string
		rule ipam.ResolverRule
		want bool
	}{
		{"all pools", poolRule(), true},
		{"its pool", poolRule(ipam.RuleCondition{Operation: ipam.OperationEquals, Pool: rulePool}), true},
		{"another pool", poolRule(ipam.RuleCondition{Operation: ipam.OperationEquals, Pool: "ipam-pool-1"}), false},
		{"not its pool", poolRule(ipam.RuleCondition{Operation: ipam.OperationNotEquals, Pool: rulePool}), false},
		{"inside a CIDR", poolRule(ipam.RuleCondition{Operation: ipam.OperationSubnetOf, CIDR: prefix("10.0.0.0/8")}), true},
		{"inside a part of it", poolRule(ipam.RuleCondition{Operation: ipam.OperationSubnetOf, CIDR: prefix("10.0.0.0/13")}), false},
		{"resources", resourceRule(), false},
	} {
		o := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{c.rule}}
		if got := o.SelectsPoolCIDR(ruleScope, &cidr); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	o := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{poolRule()}}
	if o.SelectsPoolCIDR("ipam-scope-1", &cidr) {
		t.Error("a pool of another scope is selected")
	}
	for _, s := range []ipam.CIDRState{ipam.CIDRPendingProvision, ipam.CIDRDeprovisioned} {
		other := cidr
		other.State = s
		if o.SelectsPoolCIDR(ruleScope, &other) {
			t.Errorf("a CIDR in state %s is selected", s)
		}
	}
	o.Family = ipam.IPv6
	if o.SelectsPoolCIDR(ruleScope, &cidr) {
		t.Error("a CIDR of the other family is selected")
	}
}

func TestStaticRules(t *testing.T) {
	o := &ipam.PrefixListResolver{Family: ipam.IPv4, Rules: []ipam.ResolverRule{poolRule(), {Type: ipam.RuleStaticCIDR, CIDR: prefix("192.0.2.0/24")}}}
	if !o.SelectsStatic(prefix("192.0.2.0/24")) || o.SelectsStatic(prefix("192.0.2.0/25")) {
		t.Error("a static rule selects another CIDR than its own")
	}
}
