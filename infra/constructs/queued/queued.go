// Package queued provides constructs of functions that take their work from queues: a
// function that sends work to a queue of its own, and a queue between the rules of an
// event bus and a function.
package queued

import (
	"maps"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
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
	Concurrency int                               // messages in work at one time
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

// SendActions returns the IAM actions to send messages to a queue. On AWS a batch needs
// sqs:SendMessage. The emulator checks the call's name instead; a destroyable
// deployment may be on the emulator.
func SendActions(removal awscdk.RemovalPolicy) []string {
	if removal == awscdk.RemovalPolicy_DESTROY {
		return []string{"sqs:SendMessage", "sqs:SendMessageBatch"}
	}
	return []string{"sqs:SendMessage"}
}

// receiveActions are the IAM actions by which Lambda takes messages from a queue with
// the function's role, and by which the function shortens the time until a failed
// message comes again.
var receiveActions = []string{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

// maxReceives is how often a queue hands a message to the function. After that it goes
// to the dead-letter queue.
const maxReceives = 5

// NewQueued makes the function, its queue and its schedule. The queue hands a
// message to the function up to five times.
func NewQueued(scope constructs.Construct, id string, props *Props) *Queued {
	scope = constructs.NewConstruct(scope, &id)
	dead := schedule.NewDeadLetters(scope, "DeadLetters", props.Removal)
	queue := newQueue(scope, dead, props.Function.Timeout, props.Removal)
	function := props.Function
	function.Environment = maps.Clone(function.Environment)
	maps.Copy(function.Environment, props.Environment)
	function.Environment[props.Variable] = *queue.QueueUrl()
	function.Statements = maps.Clone(function.Statements)
	maps.Copy(function.Statements, props.Statements)
	function.Statements["Queue"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(append(SendActions(props.Removal), receiveActions...)...),
		Resources: jsii.Strings(*queue.QueueArn()),
	})
	q := &Queued{Function: gofunction.NewFunction(scope, "Worker", &function), Queue: queue, DeadLetters: dead}
	if props.Wildcard != "" {
		cdknag.NagSuppressions_AddResourceSuppressions(q.Function.Role, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-IAM5"), Reason: &props.Wildcard,
		}}, nil)
	}
	q.Function.Lambda.AddEventSource(awslambdaeventsources.NewSqsEventSource(queue, &awslambdaeventsources.SqsEventSourceProps{
		BatchSize: jsii.Number(1), ReportBatchItemFailures: jsii.Bool(true), MaxConcurrency: jsii.Number(props.Concurrency),
	}))
	schedule.NewSchedule(scope, "Dispatch", &schedule.Props{
		Description: props.Description, Function: q.Function.Lambda, Input: map[string]any{"dispatch": true}, Every: props.Every, DeadLetters: dead,
	})
	return q
}

// newQueue makes a queue for a function with a timeout.
func newQueue(scope constructs.Construct, dead awssqs.Queue, timeout awscdk.Duration, removal awscdk.RemovalPolicy) awssqs.Queue {
	// A destroyable deployment is a trial, perhaps on the emulator, whose queues
	// have no TLS.
	trial := removal == awscdk.RemovalPolicy_DESTROY
	queue := awssqs.NewQueue(scope, jsii.String("Queue"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(!trial), Encryption: awssqs.QueueEncryption_SQS_MANAGED, RemovalPolicy: removal,
		// Six times the function's timeout (Lambda Developer Guide, "Configuring a queue").
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(6 * *timeout.ToSeconds(nil))),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(maxReceives)},
	})
	if trial {
		cdknag.NagSuppressions_AddResourceSuppressions(queue, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-SQS4"), Reason: jsii.String("The queue of a trial; the emulator has no TLS."),
		}}, nil)
	}
	return queue
}

// EventsProps are the properties of a queue between rules and a function.
type EventsProps struct {
	Timeout     awscdk.Duration // of the function
	Batch       int             // events of an invocation, at most
	Window      awscdk.Duration // the time to gather a batch; nil for none
	Concurrency int             // batches in work at one time
	Removal     awscdk.RemovalPolicy
	// DeadLetters takes the events that failed too often, and those that did not
	// reach the queue.
	DeadLetters awssqs.Queue
}

// Events is a queue between the rules of an event bus and a function. Without it each
// event invokes the function by itself, without a limit.
type Events struct {
	Queue       awssqs.Queue
	DeadLetters awssqs.Queue
	// Receive lets the function take events. Add it to the function's statements.
	Receive awsiam.PolicyStatement

	props *EventsProps
}

// NewEvents makes the queue. A function takes its events after [Events.Invoke].
func NewEvents(scope constructs.Construct, id string, props *EventsProps) *Events {
	scope = constructs.NewConstruct(scope, &id)
	queue := newQueue(scope, props.DeadLetters, props.Timeout, props.Removal)
	return &Events{Queue: queue, DeadLetters: props.DeadLetters, props: props, Receive: awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(receiveActions...), Resources: jsii.Strings(*queue.QueueArn()),
	})}
}

// Invoke hands the queue's events to the function in batches. The function answers
// with the events that failed.
func (e *Events) Invoke(function awslambda.Function) {
	function.AddEventSource(awslambdaeventsources.NewSqsEventSource(e.Queue, &awslambdaeventsources.SqsEventSourceProps{
		BatchSize: jsii.Number(e.props.Batch), MaxBatchingWindow: e.props.Window, ReportBatchItemFailures: jsii.Bool(true), MaxConcurrency: jsii.Number(e.props.Concurrency),
	}))
}
