// Package queued provides the construct of a function that has work sent to itself:
// a schedule has it find out what is due, and it takes the work from its queue.
package queued

import (
	"maps"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/schedule"
)

// Props are those of the function and what drives it.
type Props struct {
	// Function is what the function is made of; its queue is added to its
	// statements and its environment.
	Function    gofunction.Props
	Variable    string // of the environment, for the queue's URL
	Environment map[string]string
	Statements  map[string]awsiam.PolicyStatement
	Wildcard    string          // why a statement of Statements may name a set of resources, if one does
	Every       awscdk.Duration // between events {"dispatch": true}
	Description string          // of the schedule
	Removal     awscdk.RemovalPolicy
}

// Queued is the function and its queues.
type Queued struct {
	Function *gofunction.Function
	Queue    awssqs.Queue
	// DeadLetters holds what was given up: messages of the queue, and events
	// that did not reach the function.
	DeadLetters awssqs.Queue
}

// SendActions let a function send to a queue. To AWS a batch is what its messages
// are; the emulator takes the call's name for the action.
var SendActions = []string{"sqs:SendMessage", "sqs:SendMessageBatch"}

// sideBySide is how many messages of a queue are worked on at once. All accounts
// and Regions of an organisation fall due together; without a limit they would take
// the account's concurrency, 1,000 by default, from the function behind the API
// (Lambda Developer Guide, "Configuring maximum concurrency for Amazon SQS event
// sources").
const sideBySide = 100

// NewQueued makes the function, its queue and its schedule. A message is tried
// five times, each for as long as the function may run.
func NewQueued(scope constructs.Construct, id string, props *Props) *Queued {
	scope = constructs.NewConstruct(scope, &id)
	dead := schedule.NewDeadLetters(scope, "DeadLetters", props.Removal)
	// What may be destroyed is a trial's, and an emulator's queues are reached
	// without TLS.
	trial := props.Removal == awscdk.RemovalPolicy_DESTROY
	queue := awssqs.NewQueue(scope, jsii.String("Queue"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(!trial), Encryption: awssqs.QueueEncryption_SQS_MANAGED, RemovalPolicy: props.Removal,
		// The Lambda Developer Guide, "Configuring a queue": six times the function's timeout.
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(6 * *props.Function.Timeout.ToSeconds(nil))),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(5)},
	})
	if trial {
		cdknag.NagSuppressions_AddResourceSuppressions(queue, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-SQS4"), Reason: jsii.String("A trial's queue, which an emulator serves without TLS."),
		}}, nil)
	}
	function := props.Function
	function.Environment = maps.Clone(function.Environment)
	maps.Copy(function.Environment, props.Environment)
	function.Environment[props.Variable] = *queue.QueueUrl()
	function.Statements = maps.Clone(function.Statements)
	maps.Copy(function.Statements, props.Statements)
	function.Statements["Queue"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(append([]string{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}, SendActions...)...),
		Resources: jsii.Strings(*queue.QueueArn()),
	})
	q := &Queued{Function: gofunction.NewFunction(scope, "Worker", &function), Queue: queue, DeadLetters: dead}
	if props.Wildcard != "" {
		cdknag.NagSuppressions_AddResourceSuppressions(q.Function.Role, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-IAM5"), Reason: &props.Wildcard,
		}}, nil)
	}
	q.Function.Lambda.AddEventSource(awslambdaeventsources.NewSqsEventSource(queue, &awslambdaeventsources.SqsEventSourceProps{
		BatchSize: jsii.Number(1), ReportBatchItemFailures: jsii.Bool(true), MaxConcurrency: jsii.Number(sideBySide),
	}))
	schedule.NewSchedule(scope, "Dispatch", &schedule.Props{
		Description: props.Description, Function: q.Function.Lambda, Input: map[string]any{"dispatch": true}, Every: props.Every, DeadLetters: dead,
	})
	return q
}
