// Package reader provides the construct of the role by which discovery reads an
// account's networks.
package reader

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/shared/discover"
)

// Props are the role's.
type Props struct {
	Name    string       // the same in every account
	Trusted awsiam.IRole // the discovery function's
}

// NewReader makes the role. It may describe what discovery looks for and nothing
// else, and is assumed by the discovery function alone.
func NewReader(scope constructs.Construct, id string, props *Props) awsiam.Role {
	arn := *props.Trusted.RoleArn()
	// A role made anew has another identity and the same ARN: so it is known by
	// that. Some tell the session's ARN there.
	session := "arn:" + *awscdk.Aws_PARTITION() + ":sts::" + *awscdk.Stack_Of(scope).Account() + ":assumed-role/" + *props.Trusted.RoleName() + "/*"
	role := awsiam.NewRole(scope, &id, &awsiam.RoleProps{
		RoleName:    &props.Name,
		Description: jsii.String("Lets Cadastre find what lives in the account's networks"),
		AssumedBy: awsiam.NewAccountRootPrincipal().WithConditions(&map[string]any{
			"ArnLike": map[string]any{"aws:PrincipalArn": []string{arn, session}},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Read": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{
			Statements: &[]awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings(discover.ReaderActions...), Resources: jsii.Strings("*"),
			})},
		})},
	})
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*"},
		Reason: jsii.String("EC2's Describe actions know no resources: " + strings.Join(discover.ReaderActions, ", ") + "."),
	}}, nil)
	return role
}
