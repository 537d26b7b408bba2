// Package worker provides the construct of the function that finishes work of more
// than one transaction. It has two triggers, the table's stream and a schedule, and
// a dead-letter queue.
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

// Props are the properties of the worker.
type Props struct {
	// Function has the properties of the function. NewWorker adds statements to
	// read the stream and to send to the queue.
	Function gofunction.Props
	Table    awsdynamodb.ITableV2 // with a stream
	Batches  int                  // batches of a shard of the stream in work at one time, 1 to 10
	Removal  awscdk.RemovalPolicy // the removal policy of the queue
}

// Worker is the function and its dead-letter queue.
type Worker struct {
	Function *gofunction.Function
	// DeadLetters holds descriptions of stream batches that failed too often, and
	// events of the schedule that did not reach the function.
	DeadLetters awssqs.Queue
}

// sweepInterval is the time between two searches for work that no stream record
// announced, or that a failed invocation left.
func sweepInterval() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(5)) }

// NewWorker makes the worker. The table's stream invokes it for each item that is
// put into the partition of work notes, and the schedule invokes it with the event
// {"sweep": true} to search for all of them. So a stream record that is lost costs
// time, not the work.
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
		BatchSize:        jsii.Number(10), // one piece of work can take minutes
		// Lambda keeps the order of an item's records. The work notes of different
		// items have no order.
		ParallelizationFactor: jsii.Number(props.Batches),
		Filters: &[]*map[string]any{awslambda.FilterCriteria_Filter(&map[string]any{
			"eventName": awslambda.FilterRule_IsEqual(jsii.String("INSERT")),
			"dynamodb":  map[string]any{"Keys": map[string]any{table.AttrPK: map[string]any{"S": awslambda.FilterRule_IsEqual(jsii.String(items.WorkPK))}}},
		})},
		ReportBatchItemFailures: jsii.Bool(true),
		BisectBatchOnError:      jsii.Bool(true),
		RetryAttempts:           jsii.Number(5),
		MaxRecordAge:            awscdk.Duration_Hours(jsii.Number(1)), // by then a sweep has done the work
		OnFailure:               awslambdaeventsources.NewSqsDlq(queue),
	}))
	schedule.NewSchedule(scope, "Sweep", &schedule.Props{
		Description: "Finishes work that an earlier invocation left", Function: w.Function.Lambda, Input: map[string]any{"sweep": true}, Every: sweepInterval(), DeadLetters: queue,
	})
	return w
}
