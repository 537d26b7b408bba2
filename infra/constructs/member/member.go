// Package member provides the constructs for a member account: the role by which
// discovery reads its networks, the role by which Cadastre makes VPCs there, and the
// rule of each operating Region that forwards EC2's changes to the home bus.
// templates/member.yaml has all of them for StackSets.
package member

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/vending"
)

// ReaderProps are the properties of the reader role.
type ReaderProps struct {
	Name    string       // the same in every account
	Trusted awsiam.IRole // the role of the discovery function; use Role_FromRoleArn for another account's
}

// NewReader makes the role by which discovery reads, once in an account. The role
// may call the Describe actions of discovery and nothing else. Only the discovery
// function may assume it.
func NewReader(scope constructs.Construct, id string, props *ReaderProps) awsiam.Role {
	role := awsiam.NewRole(scope, &id, &awsiam.RoleProps{
		RoleName:    &props.Name,
		Description: jsii.String("Lets Cadastre read the VPCs, subnets and addresses of the account"),
		AssumedBy:   function(props.Trusted),
		InlinePolicies: policy("Read", awsiam.PolicyStatementProps{
			Actions: jsii.Strings(discover.ReaderActions...), Resources: jsii.Strings("*"),
		}),
	})
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*"},
		Reason: jsii.String("EC2's Describe actions have no resources: " + strings.Join(discover.ReaderActions, ", ") + "."),
	}}, nil)
	return role
}

// function returns the principal for roles of functions of one account. It names the
// roles by ARN in a condition: a role that is deleted and made again has the same ARN
// and another identity, by which a plain principal would no longer match. The second
// ARN of each role, of its sessions, never matches on AWS, where aws:PrincipalArn of
// a session is the role's ARN; the emulator gives the session's.
func function(roles ...awsiam.IRole) awsiam.IPrincipal {
	owner := roles[0].PrincipalAccount()
	var arns []string
	for _, role := range roles {
		arns = append(arns, *role.RoleArn(), "arn:"+*awscdk.Aws_PARTITION()+":sts::"+*owner+":assumed-role/"+*role.RoleName()+"/*")
	}
	return awsiam.NewAccountPrincipal(owner).WithConditions(&map[string]any{
		"ArnLike": map[string]any{"aws:PrincipalArn": arns},
	})
}

// VendingProps are the properties of the vending role.
type VendingProps struct {
	Name    string         // the same in every account
	Trusted []awsiam.IRole // the roles of the functions that make VPCs, all of one account; use Role_FromRoleArn for another account's
}

// NewVending makes the role by which Cadastre makes VPCs and subnets, once in an
// account. The role may tag a resource in the call that makes it, and no existing
// resource. Only the functions that make VPCs may assume it.
func NewVending(scope constructs.Construct, id string, props *VendingProps) awsiam.Role {
	var made []*string
	for _, kind := range []string{"subnet", "vpc"} {
		made = append(made, jsii.String("arn:"+*awscdk.Aws_PARTITION()+":ec2:*:"+*awscdk.Stack_Of(scope).Account()+":"+kind+"/*"))
	}
	role := awsiam.NewRole(scope, &id, &awsiam.RoleProps{
		RoleName:    &props.Name,
		Description: jsii.String("Lets Cadastre make VPCs and subnets with CIDRs of its pools"),
		AssumedBy:   function(props.Trusted...),
		InlinePolicies: policy("Vend",
			awsiam.PolicyStatementProps{Actions: jsii.Strings(vending.Actions...), Resources: jsii.Strings("*")},
			awsiam.PolicyStatementProps{
				Actions: jsii.Strings("ec2:CreateTags"), Resources: &made,
				Conditions: &map[string]any{"StringEquals": map[string]any{"ec2:CreateAction": vending.TaggedActions}},
			}),
	})
	// The session's source identity is the caller, which CloudTrail records with each of
	// the session's calls.
	role.AssumeRolePolicy().AddStatements(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{function(props.Trusted...)}, Actions: jsii.Strings("sts:SetSourceIdentity"),
	}))
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*", &cdknag.RegexAppliesTo{Regex: jsii.String(`/^Resource::arn:.*:ec2:\*:.*:(subnet|vpc)\/\*$/`)}},
		Reason: jsii.String("The ids of future VPCs and subnets are not known; " + strings.Join(vending.Actions, ", ") + " apply to these types only."),
	}}, nil)
	return role
}

// Changes returns the pattern of the events that report a change of a resource that
// discovery reads. Tags are given to resources of all types; the pattern has only those
// of the types that discovery reads.
func Changes() *awsevents.EventPattern {
	var watched []any
	for _, prefix := range discover.IDPrefixes() {
		watched = append(watched, map[string]any{"prefix": prefix})
	}
	calls := slices.DeleteFunc(discover.CallNames(), func(name string) bool { return slices.Contains(discover.TagCallNames(), name) })
	return &awsevents.EventPattern{
		Source:     jsii.Strings(discover.CallSource),
		DetailType: jsii.Strings(discover.CallDetailType),
		Detail: &map[string]any{"eventSource": jsii.Strings("ec2.amazonaws.com"), "$or": []any{
			map[string]any{"eventName": jsii.Strings(calls...)},
			map[string]any{
				"eventName":         jsii.Strings(discover.TagCallNames()...),
				"requestParameters": map[string]any{"resourcesSet": map[string]any{"items": map[string]any{"resourceId": watched}}},
			},
		}},
	}
}

// NewForwarder makes the rule that forwards the changes of its account and Region
// to the home bus, once in each operating Region. The rule is on the default bus,
// where the events arrive. The home bus must admit the account.
func NewForwarder(scope constructs.Construct, id string, home awsevents.IEventBus) awsevents.Rule {
	scope = constructs.NewConstruct(scope, &id)
	role := awsiam.NewRole(scope, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(scope).Account()}},
		}),
		InlinePolicies: policy("Forward", awsiam.PolicyStatementProps{
			Actions: jsii.Strings("events:PutEvents"), Resources: &[]*string{home.EventBusArn()},
		}),
	})
	return awsevents.NewRule(scope, jsii.String("Changes"), &awsevents.RuleProps{
		Description:  jsii.String("Forwards changes of VPCs, subnets and addresses to Cadastre"),
		EventPattern: Changes(),
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(home, &awseventstargets.EventBusProps{Role: role.WithoutPolicyUpdates(nil)})},
	})
}

// policy returns an inline policy with one document.
func policy(name string, statements ...awsiam.PolicyStatementProps) *map[string]awsiam.PolicyDocument {
	var all []awsiam.PolicyStatement
	for _, s := range statements {
		all = append(all, awsiam.NewPolicyStatement(&s))
	}
	return &map[string]awsiam.PolicyDocument{name: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &all})}
}
