// Package queued provides the construct of a function with a work queue of its
// own. A schedule invokes the function to send the due work to the queue, and the
// queue invokes it again for each piece of work.
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

// Props are the properties of the function, its queue and its schedule.
type Props struct {
	// Function has the properties of the function. NewQueued adds the queue to its
	// statements and its environment.
	Function    gofunction.Props
	Variable    string                            // the environment variable for the queue's URL
	Environment map[string]string                 // added to the function's
	Statements  map[string]awsiam.PolicyStatement // added to the function's
	Wildcard    string                            // the reason why a statement names a set of resources; "" if none does
	Every       awscdk.Duration                   // between events {"dispatch": true}
	Description string                            // of the schedule
	Removal     awscdk.RemovalPolicy
}

// Queued is the function and its queues.
type Queued struct {
	Function *gofunction.Function
	Queue    awssqs.Queue
	// DeadLetters holds the messages that failed too often, and the events that
	// did not reach the function.
	DeadLetters awssqs.Queue
}

// SendActions are the IAM actions to send messages to a queue. On AWS a batch needs
// sqs:SendMessage; the emulator checks the call's name instead.
var SendActions = []string{"sqs:SendMessage", "sqs:SendMessageBatch"}

// sideBySide is the number of messages of a queue that are in work at once. All
// accounts and Regions of an organisation are due together. Without a limit they
// would take the account's concurrency from the API's function (Lambda Developer
// Guide, "Configuring maximum concurrency for Amazon SQS event sources").
const sideBySide = 100

// NewQueued makes the function, its queue and its schedule. The queue hands a
// message to the function up to five times.
func NewQueued(scope constructs.Construct, id string, props *Props) *Queued {
	scope = constructs.NewConstruct(scope, &id)
	dead := schedule.NewDeadLetters(scope, "DeadLetters", props.Removal)
	// A destroyable deployment is a trial, perhaps on the emulator, whose queues
	// have no TLS.
	trial := props.Removal == awscdk.RemovalPolicy_DESTROY
	queue := awssqs.NewQueue(scope, jsii.String("Queue"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(!trial), Encryption: awssqs.QueueEncryption_SQS_MANAGED, RemovalPolicy: props.Removal,
		// Six times the function's timeout (Lambda Developer Guide, "Configuring a queue").
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(6 * *props.Function.Timeout.ToSeconds(nil))),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(5)},
	})
	if trial {
		cdknag.NagSuppressions_AddResourceSuppressions(queue, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-SQS4"), Reason: jsii.String("The queue of a trial; the emulator has no TLS."),
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
