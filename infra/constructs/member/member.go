// Package member provides the constructs of what a member account has: the role
// by which discovery reads its networks, the role by which its VPCs are made from
// pools, and in each operating Region the rule that forwards EC2's changes to the
// home bus. templates/member.yaml is all of them for StackSets.
package member

import (
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

// ReaderProps are the reader role's.
type ReaderProps struct {
	Name    string       // the same in every account
	Trusted awsiam.IRole // the discovery function's; of another account, made by Role_FromRoleArn
}

// NewReader makes the role by which discovery reads, once in an account. It may
// describe what discovery looks for and nothing else, and is assumed by the
// discovery function alone.
func NewReader(scope constructs.Construct, id string, props *ReaderProps) awsiam.Role {
	role := awsiam.NewRole(scope, &id, &awsiam.RoleProps{
		RoleName:    &props.Name,
		Description: jsii.String("Lets Cadastre find what lives in the account's networks"),
		AssumedBy:   function(props.Trusted),
		InlinePolicies: policy("Read", awsiam.PolicyStatementProps{
			Actions: jsii.Strings(discover.ReaderActions...), Resources: jsii.Strings("*"),
		}),
	})
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*"},
		Reason: jsii.String("EC2's Describe actions know no resources: " + strings.Join(discover.ReaderActions, ", ") + "."),
	}}, nil)
	return role
}

// function returns the principal that roles of functions of one account are, in
// whatever session.
// A role made anew has another identity and the same ARN: so it is known by that.
// Some tell the session's ARN there.
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

// VendingProps are the vending role's.
type VendingProps struct {
	Name    string         // the same in every account
	Trusted []awsiam.IRole // of the functions that make VPCs, all of one account; of another one, made by Role_FromRoleArn
}

// NewVending makes the role by which VPCs and subnets are made from pools, once in
// an account. It may tag what it makes, and nothing that is there already, and is
// assumed by the functions alone that make them.
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
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*", &cdknag.RegexAppliesTo{Regex: jsii.String(`/^Resource::arn:.*:ec2:\*:.*:(subnet|vpc)\/\*$/`)}},
		Reason: jsii.String("Which VPCs and subnets there will be is not known; " + strings.Join(vending.Actions, ", ") + " are for those and for nothing else."),
	}}, nil)
	return role
}

// Changes returns the pattern of events that tell of a change of what discovery
// looks for.
func Changes() *awsevents.EventPattern {
	return &awsevents.EventPattern{
		Source:     jsii.Strings(discover.CallSource),
		DetailType: jsii.Strings(discover.CallDetailType),
		Detail:     &map[string]any{"eventSource": jsii.Strings("ec2.amazonaws.com"), "eventName": jsii.Strings(discover.CallNames()...)},
	}
}

// NewForwarder makes the rule that forwards the changes of its account and Region
// to the home bus, once in each operating Region. They arrive on the default bus.
// The bus must admit the account.
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
		Description:  jsii.String("Forwards changes of the networks to Cadastre"),
		EventPattern: Changes(),
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(home, &awseventstargets.EventBusProps{Role: role.WithoutPolicyUpdates(nil)})},
	})
}

func policy(name string, statements ...awsiam.PolicyStatementProps) *map[string]awsiam.PolicyDocument {
	var all []awsiam.PolicyStatement
	for _, s := range statements {
		all = append(all, awsiam.NewPolicyStatement(&s))
	}
	return &map[string]awsiam.PolicyDocument{name: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &all})}
}
