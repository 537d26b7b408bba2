package ipam

import (
	"net/netip"
	"slices"
	"time"
)

// PrefixListResolver selects CIDRs for prefix lists with rules. Its IPAM and its family
// never change.
type PrefixListResolver struct {
	Meta
	IPAM   string
	Family Family
	Rules  []ResolverRule
	Latest int64 // its last version, 0: none yet

	// LastCreation is the outcome of the last attempt to make a version.
	LastCreation VersionCreation
	Failure      string // of it, with the next step

	// The CIDRs that the rules select are the members of the resolver. Changes grows with
	// every change of them. They are known as far as Through and no further, or all if it
	// is the zero Prefix: if the rules select far more CIDRs than a version may have, the
	// last ones are left out.
	Changes int64        `json:"-"`
	Through netip.Prefix `json:"-"`
}

// Knows reports whether p is a member exactly if the rules select it.
func (o *PrefixListResolver) Knows(p netip.Prefix) bool {
	return !o.Through.IsValid() || p.Compare(o.Through) <= 0
}

// Version is a version of a prefix list resolver: the CIDRs that its rules selected. A
// version never changes.
type Version struct {
	Resolver string
	Number   int64          // from 1 on
	Entries  int64          // the number of its CIDRs
	CIDRs    []netip.Prefix // ascending; nil in a list of versions
	Created  int64          // Unix seconds
	Expires  int64          // Unix seconds; 0: not yet
}

// KeptVersions is the number of the last versions of a resolver that are kept for ever. An
// older one is kept for [OldVersionLife] (Amazon VPC IPAM User Guide, "Automate prefix list
// updates").
const KeptVersions = 10

// OldVersionLife is the time for which an older version is kept.
const OldVersionLife = 7 * 24 * time.Hour

// VersionCreation is the outcome of an attempt to make a version of a resolver, with the
// values of the EC2 API's IpamPrefixListResolverVersionCreationStatus.
type VersionCreation string

// The outcomes.
const (
	CreationPending VersionCreation = "pending"
	CreationSuccess VersionCreation = "success"
	CreationFailure VersionCreation = "failure"
)

// RuleType is the type of a rule of a resolver, with the values of the EC2 API's
// IpamPrefixListResolverRuleType.
type RuleType string

// The types of rules.
const (
	RuleStaticCIDR   RuleType = "static-cidr"
	RuleResourceCIDR RuleType = "ipam-resource-cidr"
	RulePoolCIDR     RuleType = "ipam-pool-cidr"
)

// ResolverRule selects CIDRs. A resolver has every CIDR that one of its rules selects, and
// a rule selects a CIDR if all its conditions hold (Amazon VPC IPAM User Guide, "Automate
// prefix list updates").
type ResolverRule struct {
	Type       RuleType
	CIDR       netip.Prefix    `json:",omitzero"`  // of a static rule
	Scope      string          `json:",omitempty"` // of the others
	Resource   ResourceType    `json:",omitempty"` // of a rule for resources
	Conditions []RuleCondition `json:",omitempty"`
}

// ConditionOperation compares an attribute with the value of a condition.
type ConditionOperation string

// The operations.
const (
	OperationEquals    ConditionOperation = "equals"
	OperationNotEquals ConditionOperation = "not-equals"
	OperationSubnetOf  ConditionOperation = "subnet-of" // inside the CIDR, or equal to it
)

// RuleCondition compares one attribute of a CIDR: the one of which the field is set.
type RuleCondition struct {
	Operation  ConditionOperation
	Pool       string       `json:",omitempty"` // the pool that has the CIDR
	ResourceID string       `json:",omitempty"`
	Owner      string       `json:",omitempty"` // the account of the resource
	Region     string       `json:",omitempty"` // of the resource
	Tag        *ResourceTag `json:",omitempty"` // the resource has this tag
	CIDR       netip.Prefix `json:",omitzero"`
}

// ResourceTag is one tag of a resource.
type ResourceTag struct{ Key, Value string }

// attributes lists the attributes of a condition, in the order of messages.
func (c *RuleCondition) attributes() []conditionAttribute {
	return []conditionAttribute{
		{"IpamPoolId", c.Pool != "", RulePoolCIDR},
		{"ResourceId", c.ResourceID != "", RuleResourceCIDR},
		{"ResourceOwner", c.Owner != "", RuleResourceCIDR},
		{"ResourceRegion", c.Region != "", RuleResourceCIDR},
		{"ResourceTag", c.Tag != nil, RuleResourceCIDR},
		{"Cidr", c.CIDR.IsValid(), ""},
	}
}

type conditionAttribute struct {
	name string // of its parameter
	set  bool
	of   RuleType // of the only rules that may have it; "" for all with conditions
}

// resolvable lists the types of resources that rules may select: those that discovery
// reads.
var resolvable = []ResourceType{ResourceVPC, ResourceSubnet, ResourceEIP, ResourcePublicIPv4Pool, ResourceInterface}

// CheckRule returns an error unless a rule is complete, for CIDRs of the family.
func CheckRule(f Family, r *ResolverRule) error {
	switch r.Type {
	case RuleStaticCIDR:
		if !r.CIDR.IsValid() {
			return Errorf(CodeMissingParameter, "The request must contain the parameter StaticCidr for a rule of type %s.", r.Type)
		}
		if r.Scope != "" || r.Resource != "" || len(r.Conditions) > 0 {
			return Errorf(CodeInvalidParameterCombination, "A rule of type %s has a StaticCidr only. Leave out IpamScopeId, ResourceType and Condition.", r.Type)
		}
		return checkRuleFamily(f, "StaticCidr", r.CIDR)
	case RuleResourceCIDR:
		if !slices.Contains(resolvable, r.Resource) {
			return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter ResourceType is invalid. A rule of type %s selects resources of one of the types %v.", r.Resource, r.Type, resolvable)
		}
	case RulePoolCIDR:
		if r.Resource != "" {
			return Errorf(CodeInvalidParameterCombination, "Only a rule of type %s has a ResourceType. Leave it out.", RuleResourceCIDR)
		}
	default:
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter RuleType is invalid. Use %s, %s or %s.", r.Type, RuleStaticCIDR, RuleResourceCIDR, RulePoolCIDR)
	}
	if r.CIDR.IsValid() {
		return Errorf(CodeInvalidParameterCombination, "Only a rule of type %s has a StaticCidr. Use a condition with Cidr to select CIDRs of resources or pools.", RuleStaticCIDR)
	}
	if r.Scope == "" {
		return Errorf(CodeMissingParameter, "The request must contain the parameter IpamScopeId for a rule of type %s.", r.Type)
	}
	for i := range r.Conditions {
		if err := checkCondition(f, r.Type, &r.Conditions[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkCondition(f Family, of RuleType, c *RuleCondition) error {
	var set []string
	for _, a := range c.attributes() {
		if !a.set {
			continue
		}
		if a.of != "" && a.of != of {
			return Errorf(CodeInvalidParameterCombination, "Only a rule of type %s has conditions with %s.", a.of, a.name)
		}
		set = append(set, a.name)
	}
	if len(set) != 1 {
		return Errorf(CodeInvalidParameterCombination, "A condition compares one attribute, and this one has %v. Give one, and another condition for each other: all conditions of a rule must hold.", set)
	}
	switch c.Operation {
	case OperationEquals, OperationNotEquals:
	case OperationSubnetOf:
		if !c.CIDR.IsValid() {
			return Errorf(CodeInvalidParameterCombination, "Only a condition with Cidr has the operation %s.", c.Operation)
		}
	default:
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter Operation is invalid. Use %s, %s or %s.", c.Operation, OperationEquals, OperationNotEquals, OperationSubnetOf)
	}
	if c.CIDR.IsValid() {
		return checkRuleFamily(f, "Condition.Cidr", c.CIDR)
	}
	return nil
}

func checkRuleFamily(f Family, parameter string, p netip.Prefix) error {
	if FamilyOf(p) != f {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. The resolver has the address family %s.", p, parameter, f)
	}
	return nil
}

// SelectsResource reports whether a rule of the resolver selects the CIDR of a resource.
// No rule selects an ignored CIDR.
func (o *PrefixListResolver) SelectsResource(c *ResourceCIDR) bool {
	return !c.Ignored && c.Family() == o.Family && slices.ContainsFunc(o.Rules, func(r ResolverRule) bool {
		return r.Type == RuleResourceCIDR && r.Scope == c.Scope && r.Resource == c.Type && holdsAll(r.Conditions, func(n RuleCondition) bool {
			switch {
			case n.ResourceID != "":
				return n.ResourceID == c.ID
			case n.Owner != "":
				return n.Owner == c.Owner
			case n.Region != "":
				return n.Region == c.Region
			case n.Tag != nil:
				value, has := c.Tags[n.Tag.Key]
				return has && value == n.Tag.Value
			}
			return n.comparesCIDR(c.CIDR)
		})
	})
}

// SelectsPoolCIDR reports whether a rule of the resolver selects the CIDR of a pool in a
// scope. No rule selects a CIDR that the pool cannot allocate from.
func (o *PrefixListResolver) SelectsPoolCIDR(scope string, c *PoolCIDR) bool {
	return c.State.InPool() && FamilyOf(c.CIDR) == o.Family && slices.ContainsFunc(o.Rules, func(r ResolverRule) bool {
		return r.Type == RulePoolCIDR && r.Scope == scope && holdsAll(r.Conditions, func(n RuleCondition) bool {
			if n.Pool != "" {
				return n.Pool == c.Pool
			}
			return n.comparesCIDR(c.CIDR)
		})
	})
}

// SelectsStatic reports whether a static rule of the resolver has the CIDR.
func (o *PrefixListResolver) SelectsStatic(p netip.Prefix) bool {
	return slices.ContainsFunc(o.Rules, func(r ResolverRule) bool { return r.Type == RuleStaticCIDR && r.CIDR == p })
}

// holdsAll reports whether all conditions hold. matches reports whether a CIDR has the
// value of a condition, or is inside it.
func holdsAll(conditions []RuleCondition, matches func(RuleCondition) bool) bool {
	return !slices.ContainsFunc(conditions, func(n RuleCondition) bool { return matches(n) == (n.Operation == OperationNotEquals) })
}

func (c *RuleCondition) comparesCIDR(p netip.Prefix) bool {
	if c.Operation == OperationSubnetOf {
		return Within(p, c.CIDR)
	}
	return p == c.CIDR
}
