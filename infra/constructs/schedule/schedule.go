// Package schedule provides the construct that invokes a function at a fixed rate,
// and the dead-letter queue.
package schedule

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsschedulertargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// NewDeadLetters makes a dead-letter queue. It keeps messages for 14 days.
func NewDeadLetters(scope constructs.Construct, id string, removal awscdk.RemovalPolicy) awssqs.Queue {
	queue := awssqs.NewQueue(scope, &id, &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(true), Encryption: awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)), RemovalPolicy: removal,
	})
	cdknag.NagSuppressions_AddResourceSuppressions(queue, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-SQS3"), Reason: jsii.String("The queue itself is a dead-letter queue."),
	}}, nil)
	return queue
}

// Props are the properties of a schedule.
type Props struct {
	Description string
	Function    awslambda.IFunction
	Input       map[string]any // the event for the function
	Every       awscdk.Duration
	DeadLetters awssqs.Queue // takes the events that did not reach the function
}

// NewSchedule makes the schedule, and the role by which EventBridge Scheduler invokes
// the function or sends the event to the dead-letter queue.
func NewSchedule(scope constructs.Construct, id string, props *Props) {
	allow := func(action string, resource *string) awsiam.PolicyDocument {
		return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings(action), Resources: &[]*string{resource}}),
		}})
	}
	role := awsiam.NewRole(scope, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(scope).Account()}},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"DeadLetters": allow("sqs:SendMessage", props.DeadLetters.QueueArn()),
			"Invoke":      allow("lambda:InvokeFunction", props.Function.FunctionArn()),
		},
	})
	awsscheduler.NewSchedule(scope, &id, &awsscheduler.ScheduleProps{
		Description: &props.Description,
		Schedule:    awsscheduler.ScheduleExpression_Rate(props.Every),
		Target: awsschedulertargets.NewLambdaInvoke(props.Function, &awsschedulertargets.ScheduleTargetBaseProps{
			Input:           awsscheduler.ScheduleTargetInput_FromObject(props.Input),
			DeadLetterQueue: props.DeadLetters,
			MaxEventAge:     props.Every, // by then the next event is due
			RetryAttempts:   jsii.Number(3),
			Role:            role.WithoutPolicyUpdates(nil),
		}),
	})
}
