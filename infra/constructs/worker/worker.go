// Package worker provides the construct of the function that finishes what one
// transaction cannot: its triggers, the table's stream and a schedule, and the
// queue for what it could not handle.
package worker

import (
	"maps"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/schedule"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Props are the worker's.
type Props struct {
	// Function is what the function is made of; reading the stream and sending
	// to the queue are added to its statements.
	Function gofunction.Props
	Table    awsdynamodb.ITableV2 // with a stream
	Removal  awscdk.RemovalPolicy // of the queue
}

// Worker is the function and its queue.
type Worker struct {
	Function *gofunction.Function
	// DeadLetters holds what was given up: descriptions of stream batches, and
	// events of the schedule that did not reach the function.
	DeadLetters awssqs.Queue
}

// sweepInterval is how often the function looks for work that no stream record
// has told of, or that was left behind.
func sweepInterval() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(5)) }

// NewWorker makes the worker. It is told of new work by the table's stream, one
// record for each item put into the partition store.WorkPK, and sweeps on a
// schedule with the event {"sweep": true}. So a record that is given up costs
// time and not the work.
func NewWorker(scope constructs.Construct, id string, props *Props) *Worker {
	scope = constructs.NewConstruct(scope, &id)
	queue := schedule.NewDeadLetters(scope, "DeadLetters", props.Removal)
	function := props.Function
	function.Statements = maps.Clone(function.Statements)
	maps.Copy(function.Statements, map[string]awsiam.PolicyStatement{
		"DeadLetters": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("sqs:SendMessage"), Resources: jsii.Strings(*queue.QueueArn()),
		}),
		"Stream": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
			Resources: jsii.Strings(*props.Table.TableStreamArn()),
		}),
		"Streams": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("dynamodb:ListStreams"), Resources: jsii.Strings("*"),
		}),
	})
	w := &Worker{Function: gofunction.NewFunction(scope, "Worker", &function), DeadLetters: queue}
	w.Function.Lambda.AddEventSource(awslambdaeventsources.NewDynamoEventSource(props.Table, &awslambdaeventsources.DynamoEventSourceProps{
		StartingPosition: awslambda.StartingPosition_TRIM_HORIZON,
		BatchSize:        jsii.Number(10), // one piece of work may take minutes
		Filters: &[]*map[string]any{awslambda.FilterCriteria_Filter(&map[string]any{
			"eventName": awslambda.FilterRule_IsEqual(jsii.String("INSERT")),
			"dynamodb":  map[string]any{"Keys": map[string]any{table.AttrPK: map[string]any{"S": awslambda.FilterRule_IsEqual(jsii.String(items.WorkPK))}}},
		})},
		ReportBatchItemFailures: jsii.Bool(true),
		BisectBatchOnError:      jsii.Bool(true),
		RetryAttempts:           jsii.Number(5),
		MaxRecordAge:            awscdk.Duration_Hours(jsii.Number(1)), // the sweep has long taken over
		OnFailure:               awslambdaeventsources.NewSqsDlq(queue),
	}))
	schedule.NewSchedule(scope, "Sweep", &schedule.Props{
		Description: "Finishes work that was left behind", Function: w.Function.Lambda, Input: map[string]any{"sweep": true}, Every: sweepInterval(), DeadLetters: queue,
	})
	return w
}
