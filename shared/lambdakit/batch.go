package lambdakit

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
)

// Stream has work done for each record of a batch from a DynamoDB stream, in
// order, and returns the answer that has Lambda retry what failed. The event
// source must be set to ReportBatchItemFailures.
//
// For a stream the answer is a checkpoint: Lambda retries the record with that
// sequence number and all that follow it (Lambda Developer Guide, "Configuring
// partial batch response with DynamoDB and Lambda"). So only the first failure
// is told. The records after it are worked on all the same, as one that cannot
// go on yet should not keep up others; they come again with it, so work must
// be idempotent. work tells of its errors itself.
func Stream(ctx context.Context, e events.DynamoDBEvent, work func(context.Context, events.DynamoDBEventRecord) error) events.DynamoDBEventResponse {
	answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	for _, r := range e.Records {
		if err := work(ctx, r); err != nil && len(answer.BatchItemFailures) == 0 {
			// A record without a number would fail the batch as a whole, which is right too.
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: r.Change.SequenceNumber})
		}
	}
	return answer
}
