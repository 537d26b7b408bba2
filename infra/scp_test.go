//go:build !race

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/vending"
)

// policy is a policy document of IAM, as far as service control policies and the
// evaluator below use the language. parsePolicy refuses anything else.
type policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement []statement
}

type statement struct {
	Sid                                      string
	Effect                                   string
	Action, NotAction, Resource, NotResource oneOrMore
	Condition                                map[string]map[string]oneOrMore // by operator and key
}

// oneOrMore is a list. JSON may have a single element without brackets.
type oneOrMore []string

func (l *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// call is a request to AWS: the action, the resource and the context with the caller.
type call struct {
	action, resource string
	context          map[string]string // values by condition key in lower case
}

func parsePolicy(document []byte) (policy, error) {
	var p policy
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, err
	}
	if p.Version != "2012-10-17" || len(p.Statement) == 0 {
		return p, fmt.Errorf("the version is %q, and there are %d statements", p.Version, len(p.Statement))
	}
	for _, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || (s.Action == nil) == (s.NotAction == nil) || (s.Resource == nil) == (s.NotResource == nil) {
			return p, fmt.Errorf("the statement %q has not one each of an effect, actions and resources", s.Sid)
		}
		for operator := range s.Condition {
			if _, known := operators[strings.TrimSuffix(operator, ifExists)]; !known {
				return p, fmt.Errorf("the statement %q has the operator %s", s.Sid, operator)
			}
		}
	}
	return p, nil
}

// allows evaluates the policies of one level, as AWS does (IAM User Guide, "Policy
// evaluation logic"): a call is allowed if a statement allows it and none denies it.
func allows(policies []policy, c call) bool {
	allowed := false
	for _, p := range policies {
		for _, s := range p.Statement {
			if !s.applies(c) {
				continue
			}
			if s.Effect == "Deny" {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func (s *statement) applies(c call) bool {
	action := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(c.action)) }
	resource := func(pattern string) bool { return pattern == "*" || arnLike(pattern, c.resource) }
	if !named(s.Action, s.NotAction, action) || !named(s.Resource, s.NotResource, resource) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if !holds(operator, c.context, strings.ToLower(key), values) {
				return false
			}
		}
	}
	return true
}

// named reports whether a pattern of list matches. If list is nil, it reports whether no
// pattern of not matches.
func named(list, not oneOrMore, match func(pattern string) bool) bool {
	if list != nil {
		return slices.ContainsFunc(list, match)
	}
	return !slices.ContainsFunc(not, match)
}

const ifExists = "IfExists"

// operators compare a pattern of the policy with a value of the context. An operator
// with Not in its name holds if the comparison holds for none of the policy's values.
var operators = map[string]func(pattern, value string) bool{
	"ArnEquals": arnLike, "ArnLike": arnLike, "ArnNotEquals": arnLike, "ArnNotLike": arnLike,
	"StringLike": like, "StringNotLike": like,
	"StringEquals": equal, "StringNotEquals": equal,
	"Null": nil,
}

func equal(pattern, value string) bool { return pattern == value }

// holds evaluates a condition (IAM User Guide, "IAM JSON policy elements: Condition
// operators"). For a missing key, operators with Not or IfExists hold, and others do not.
func holds(operator string, context map[string]string, key string, values oneOrMore) bool {
	value, there := context[key]
	if operator == "Null" {
		return slices.Contains(values, strconv.FormatBool(!there))
	}
	name, optional := strings.CutSuffix(operator, ifExists)
	negated := strings.Contains(name, "Not")
	if !there {
		return negated || optional
	}
	compare := operators[name]
	return slices.ContainsFunc(values, func(v string) bool { return compare(v, value) }) != negated
}

// arnLike compares the six parts of ARNs one by one. A wildcard matches no colon, except
// in the last part.
func arnLike(pattern, arn string) bool {
	want, have := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(want) != 6 || len(have) != 6 {
		return false
	}
	for i := range want {
		if !like(want[i], have[i]) {
			return false
		}
	}
	return true
}

// like compares with a pattern in which * is any number of characters and ? is one.
func like(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
	case s == "" || pattern[0] != '?' && pattern[0] != s[0]:
		return false
	}
	return like(pattern[1:], s[1:])
}

const fullAccess = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`

// denied evaluates a service control policy together with FullAWSAccess, which AWS
// attaches by default.
func denied(t *testing.T, document string, c call) bool {
	t.Helper()
	var all []policy
	for _, d := range []string{fullAccess, document} {
		p, err := parsePolicy([]byte(d))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return !allows(all, c)
}

func TestPolicyEvaluator(t *testing.T) {
	deny := func(rest string) string {
		return `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", ` + rest + `}}`
	}
	on := func(rest string) string { return deny(`"Action": "*", "Resource": "*", "Condition": ` + rest) }
	role := "arn:aws:iam::111122223333:role/a/b"
	for _, c := range []struct {
		name, document string
		denied         bool
	}{
		{"all", deny(`"Action": "*", "Resource": "*"`), true},
		{"the action", deny(`"Action": "s3:GetObject", "Resource": "*"`), true},
		{"the action in other letters", deny(`"Action": "S3:getobject", "Resource": "*"`), true},
		{"another action", deny(`"Action": ["s3:PutObject", "s3:GetObjec"], "Resource": "*"`), false},
		{"actions that begin so", deny(`"Action": ["s3:Put*", "s3:Get*"], "Resource": "*"`), true},
		{"actions of another service", deny(`"Action": "ec2:*", "Resource": "*"`), false},
		{"one letter of the action", deny(`"Action": "s3:GetObjec?", "Resource": "*"`), true},
		{"one letter too many", deny(`"Action": "s3:GetObject?", "Resource": "*"`), false},
		{"all but the action", deny(`"NotAction": "s3:GetObject", "Resource": "*"`), false},
		{"all but another action", deny(`"NotAction": "s3:Put*", "Resource": "*"`), true},
		{"the resource", deny(`"Action": "*", "Resource": "arn:aws:s3:::bucket/key"`), true},
		{"the resource in other letters", deny(`"Action": "*", "Resource": "arn:aws:s3:::Bucket/key"`), false},
		{"resources that begin so", deny(`"Action": "*", "Resource": ["arn:aws:s3:::other", "arn:*:s3:::bucket/*"]`), true},
		{"another resource", deny(`"Action": "*", "Resource": "arn:aws:s3:::bucket"`), false},
		{"a wildcard that does not match a colon", deny(`"Action": "*", "Resource": "arn:*:bucket/key"`), false},
		{"all but the resource", deny(`"Action": "*", "NotResource": "arn:aws:s3:::bucket/*"`), false},
		{"all but another resource", deny(`"Action": "*", "NotResource": "arn:aws:s3:::other/*"`), true},
		{"an ARN", on(`{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/a/b"}}`), true},
		{"the key in other letters", on(`{"ArnLike": {"AWS:principalarn": "arn:aws:iam::111122223333:role/a/b"}}`), true},
		{"ARNs of any account", on(`{"ArnEquals": {"aws:PrincipalArn": ["x", "arn:*:iam::*:role/a/*"]}}`), true},
		{"an ARN's wildcard that does not match a colon", on(`{"ArnLike": {"aws:PrincipalArn": "arn:aws:*:role/a/b"}}`), false},
		{"an ARN without the path", on(`{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/b"}}`), false},
		{"not the ARN", on(`{"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/c", "arn:aws:iam::*:role/a/*"]}}`), false},
		{"not another ARN", on(`{"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::*:role/c", "arn:aws:iam::*:role/d"]}}`), true},
		{"a string", on(`{"StringEquals": {"aws:PrincipalAccount": "111122223333"}}`), true},
		{"a string with an asterisk", on(`{"StringEquals": {"aws:PrincipalAccount": "1*"}}`), false},
		{"a string's wildcard", on(`{"StringLike": {"aws:PrincipalAccount": "1*"}}`), true},
		{"not the string", on(`{"StringNotLike": {"aws:PrincipalAccount": ["2*", "1*"]}}`), false},
		{"not another string", on(`{"StringNotEquals": {"aws:PrincipalAccount": ["2", "3"]}}`), true},
		{"a missing key", on(`{"StringEquals": {"aws:none": "x"}}`), false},
		{"a missing key, IfExists", on(`{"StringEqualsIfExists": {"aws:none": "x"}}`), true},
		{"a present key, IfExists", on(`{"StringEqualsIfExists": {"aws:PrincipalAccount": "x"}}`), false},
		{"a missing key, Not", on(`{"ArnNotLike": {"aws:none": "x"}}`), true},
		{"Null for a present key", on(`{"Null": {"aws:PrincipalAccount": "true"}}`), false},
		{"Null for a missing key", on(`{"Null": {"aws:none": "true"}}`), true},
		{"not Null for a present key", on(`{"Null": {"aws:PrincipalAccount": "false"}}`), true},
		{"one of two conditions holds", on(`{"StringEquals": {"aws:PrincipalAccount": "111122223333"}, "Null": {"aws:PrincipalAccount": "true"}}`), false},
		{"one of two keys holds", on(`{"StringEquals": {"aws:PrincipalAccount": "111122223333", "aws:none": "x"}}`), false},
		{"a statement that denies and one that allows", `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, {"Effect": "Allow", "Action": "*", "Resource": "*"}]}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := strings.Replace(c.document, `"Statement": {`, `"Statement": [{`, 1)
			if document != c.document {
				document = strings.TrimSuffix(document, "}") + "]}"
			}
			got := denied(t, document, call{"s3:GetObject", "arn:aws:s3:::bucket/key", map[string]string{"aws:principalarn": role, "aws:principalaccount": "111122223333"}})
			if got != c.denied {
				t.Errorf("denied: %t", got)
			}
		})
	}
	if p, err := parsePolicy([]byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}`)); err != nil || allows([]policy{p}, call{action: "ec2:CreateVpc"}) {
		t.Errorf("a call that no statement allows is allowed, or %v", err)
	}
	for _, document := range []string{
		`{}`, `{"Version": "2008-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*"}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "deny", "Action": "*", "Resource": "*"}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:ViaAWSService": "true"}}}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "NotAction": "*", "Resource": "*"}]}`,
	} {
		if _, err := parsePolicy([]byte(document)); err == nil {
			t.Errorf("%s is accepted", document)
		}
	}
}

// ipamPolicy is the usual policy of Amazon VPC IPAM to force VPCs from a pool: a call must
// name the pool.
const ipamPolicy = `{"Version": "2012-10-17", "Statement": [{
	"Effect": "Deny", "Action": ["ec2:CreateVpc", "ec2:AssociateVpcCidrBlock"], "Resource": "arn:aws:ec2:*:*:vpc/*",
	"Condition": {"StringNotEquals": {"ec2:Ipv4IpamPoolId": "ipam-pool-0123456789abcdef0"}}}]}`

func TestServiceControlPolicy(t *testing.T) {
	b, err := os.ReadFile("templates/vpcs-from-cadastre.scp.json")
	if err != nil {
		t.Fatal(err)
	}
	const of = "arn:aws:iam::444455556666:"
	vpc := "arn:aws:ec2:eu-west-1:444455556666:vpc/*"
	own, reader := of+"role/"+vending.DefaultRole, of+"role/"+discover.ReaderRole
	controlTower, stackSets := of+"role/AWSControlTowerExecution", of+"role/stacksets-exec-0123456789abcdef"
	everybody := []string{of + "user/alice", of + "role/admin", of + "root", "arn:aws:sts::444455556666:federated-user/bob"}
	for _, c := range []struct {
		name       string
		principals []string // values of aws:PrincipalArn; for a role's session it is the role's ARN
		actions    []string
		resources  []string
		denied     bool
	}{
		{"VPCs made by hand", everybody, []string{"ec2:CreateVpc", "ec2:CreateDefaultVpc", "ec2:AssociateVpcCidrBlock"}, []string{vpc}, true},
		{"VPCs made by Cadastre", []string{own}, []string{"ec2:CreateVpc", "ec2:AssociateVpcCidrBlock"}, []string{vpc}, false},
		{"VPCs made by Cadastre in other partitions", []string{"arn:aws-cn:iam::444455556666:role/CadastreVending", "arn:aws-us-gov:iam::444455556666:role/CadastreVending"},
			[]string{"ec2:CreateVpc"}, []string{"arn:aws-cn:ec2:cn-north-1:444455556666:vpc/*"}, false},
		{"VPCs made by a role with a similar name", []string{of + "role/team/CadastreVending", of + "role/CadastreVending2", of + "role/cadastrevending", of + "user/CadastreVending"},
			[]string{"ec2:CreateVpc", "ec2:AssociateVpcCidrBlock"}, []string{vpc}, true},
		{"VPCs made by another role's session with the name of the vending role", []string{of + "role/admin", "arn:aws:sts::444455556666:assumed-role/admin/CadastreVending"}, []string{"ec2:CreateVpc"}, []string{vpc}, true},
		{"VPCs made by Cadastre's other role and the deployers' roles", []string{reader, controlTower, stackSets}, []string{"ec2:CreateVpc"}, []string{vpc}, true},
		{"other calls for networks", everybody, []string{"ec2:CreateSubnet", "ec2:DeleteVpc", "ec2:DisassociateVpcCidrBlock", "ec2:DescribeVpcs", "ec2:ModifyVpcAttribute"}, []string{vpc}, false},

		{"the roles changed by hand, and by themselves", append([]string{own, reader, of + "role/team/stacksets-exec-1", of + "user/stacksets-exec-1"}, everybody...), []string{
			"iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PassRole",
			"iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
		}, []string{own, reader, controlTower, stackSets}, true}, // the deployers' roles too, because they may change the others
		{"the roles changed by their deployers", []string{controlTower, stackSets}, []string{"iam:CreateRole", "iam:DeleteRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:TagRole"}, []string{own, reader}, false},
		{"read the roles", everybody, []string{"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:SimulatePrincipalPolicy"}, []string{own, reader}, false},
		{"assume the roles", []string{"arn:aws:iam::111122223333:role/api-function"}, []string{"sts:AssumeRole"}, []string{own, reader}, false}, // the trust policies decide
		{"other roles", everybody, []string{"iam:CreateRole", "iam:PassRole", "iam:UpdateAssumeRolePolicy"}, []string{of + "role/app", of + "role/team/CadastreVending"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, principal := range c.principals {
				for _, action := range c.actions {
					for _, resource := range c.resources {
						if got := denied(t, string(b), call{action, resource, map[string]string{"aws:principalarn": principal}}); got != c.denied {
							t.Errorf("%s by %s on %s: denied %t", action, principal, resource, got)
						}
					}
				}
			}
		})
	}
	if !denied(t, string(b), call{"ec2:CreateVpc", vpc, nil}) {
		t.Error("a call without a principal may make VPCs")
	}
	// Cadastre's own call has a CIDR and no pool, so Amazon's usual policy denies it.
	for _, action := range []string{"ec2:CreateVpc", "ec2:AssociateVpcCidrBlock"} {
		if !denied(t, ipamPolicy, call{action, vpc, map[string]string{"aws:principalarn": own}}) {
			t.Errorf("the usual policy of Amazon VPC IPAM allows Cadastre's %s", action)
		}
	}
	if n := len(b); n > 5120 { // AWS Organizations User Guide, "Quotas"
		t.Errorf("the policy has %d bytes", n)
	}
	// The policy also protects the roles that it exempts, so that nobody can make them.
	p, err := parsePolicy(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Statement {
		for _, exempt := range s.Condition["ArnNotLike"]["aws:PrincipalArn"] {
			if !slices.Contains(p.Statement[1].Resource, exempt) {
				t.Errorf("%s exempts %s, which anybody may make", s.Sid, exempt)
			}
		}
	}
}
