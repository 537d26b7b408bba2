// Package member provides the constructs of what a watched account has: the role
// by which discovery reads its networks, and in each operating Region the rule
// that forwards EC2's changes to the home bus. templates/member.yaml is both for
// StackSets.
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
	owner := props.Trusted.PrincipalAccount()
	// A role made anew has another identity and the same ARN: so it is known by
	// that. Some tell the session's ARN there.
	session := "arn:" + *awscdk.Aws_PARTITION() + ":sts::" + *owner + ":assumed-role/" + *props.Trusted.RoleName() + "/*"
	role := awsiam.NewRole(scope, &id, &awsiam.RoleProps{
		RoleName:    &props.Name,
		Description: jsii.String("Lets Cadastre find what lives in the account's networks"),
		AssumedBy: awsiam.NewAccountPrincipal(owner).WithConditions(&map[string]any{
			"ArnLike": map[string]any{"aws:PrincipalArn": []string{*props.Trusted.RoleArn(), session}},
		}),
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

func policy(name string, statement awsiam.PolicyStatementProps) *map[string]awsiam.PolicyDocument {
	return &map[string]awsiam.PolicyDocument{name: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{
		Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&statement)},
	})}
}
