// Package gofunction provides the construct of a Lambda function written in Go,
// with a role and a log group of its own.
package gofunction

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// Bootstrap is the name of a function's executable.
const Bootstrap = "bootstrap"

// Props are the properties of a function. All are required but Statements and
// RecursiveLoop.
type Props struct {
	Description  string
	Asset        string // the folder of the executable, which is called Bootstrap
	Architecture awslambda.Architecture
	Timeout      awscdk.Duration
	MemoryMB     float64
	Environment  map[string]string
	LogRetention awslogs.RetentionDays
	LogRemoval   awscdk.RemovalPolicy
	// RecursiveLoop lets Lambda stop the function, or not, when it invokes itself
	// again and again through a queue. Lambda stops it if this is not set.
	RecursiveLoop awslambda.RecursiveLoop
	// Statements are the permissions of the function's code, by name. NewFunction
	// adds the permissions to write logs and traces.
	Statements map[string]awsiam.PolicyStatement
}

// Function is a Lambda function with its role.
type Function struct {
	Lambda  awslambda.Function
	Role    awsiam.Role
	Timeout awscdk.Duration
}

// NewFunction makes a function with active tracing and the permissions of the
// statements. Its role has no other permissions: it ignores the grants of other
// constructs. The permissions are inline policies of the role, so they exist before
// any resource that uses the role.
func NewFunction(scope constructs.Construct, id string, props *Props) *Function {
	scope = constructs.NewConstruct(scope, &id)
	logs := awslogs.NewLogGroup(scope, jsii.String("Logs"), &awslogs.LogGroupProps{
		Retention: props.LogRetention, RemovalPolicy: props.LogRemoval,
	})
	statements := map[string]awsiam.PolicyStatement{
		"Logs": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("logs:CreateLogStream", "logs:PutLogEvents"),
			Resources: jsii.Strings(*logs.LogGroupArn()),
		}),
		"Traces": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
			Resources: jsii.Strings("*"),
		}),
	}
	maps.Copy(statements, props.Statements)
	policies := map[string]awsiam.PolicyDocument{}
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		s := statements[name]
		policies[name] = awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{s}})
	}
	role := awsiam.NewRole(scope, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy:      awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &policies,
	})
	cdknag.NagSuppressions_AddResourceSuppressions(role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), AppliesTo: &[]any{"Resource::*"},
		Reason: jsii.String("Actions of X-Ray, and dynamodb:ListStreams of a stream's reader, have no resources; the actions of Organizations apply to any account."),
	}}, nil)
	environment := map[string]*string{}
	for name, value := range props.Environment {
		environment[name] = &value
	}
	function := awslambda.NewFunction(scope, jsii.String("Function"), &awslambda.FunctionProps{
		Description:  &props.Description,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Handler:      jsii.String(Bootstrap),
		Code:         awslambda.Code_FromAsset(&props.Asset, nil),
		Architecture: props.Architecture,
		Timeout:      props.Timeout,
		MemorySize:   &props.MemoryMB,
		Environment:  &environment,
		LogGroup:     logs,
		// CloudWatch reads metrics out of log records in JSON only.
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Tracing:       awslambda.Tracing_ACTIVE,
		RecursiveLoop: props.RecursiveLoop,
		Role:          role.WithoutPolicyUpdates(nil),
	})
	return &Function{Lambda: function, Role: role, Timeout: props.Timeout}
}
