package lambdakit

import (
	"context"
	"slices"

	"github.com/aws/aws-lambda-go/events"
)

// Stream calls work for each record of a batch from a DynamoDB stream, in order, and
// returns [FirstFailure] of its errors. It calls work for the records after a failed
// one, too: a record that must wait should not delay the others. Lambda sends them
// again with the failed one, so work must be idempotent. work logs its own errors.
func Stream(ctx context.Context, e events.DynamoDBEvent, work func(context.Context, events.DynamoDBEventRecord) error) events.DynamoDBEventResponse {
	failed := make([]error, len(e.Records))
	for i, r := range e.Records {
		failed[i] = work(ctx, r)
	}
	return FirstFailure(e, failed)
}

// FirstFailure returns the answer to a batch from a DynamoDB stream, of which record
// i failed with failed[i]. The event source must be set to ReportBatchItemFailures.
//
// For a stream the answer is a checkpoint: Lambda retries the record with that
// sequence number and all that follow it (Lambda Developer Guide, "Configuring
// partial batch response with DynamoDB and Lambda"). So the answer names only the
// first failure.
func FirstFailure(e events.DynamoDBEvent, failed []error) events.DynamoDBEventResponse {
	answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	if i := slices.IndexFunc(failed, func(err error) bool { return err != nil }); i >= 0 {
		// Without a sequence number the whole batch fails, which is right, too.
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: e.Records[i].Change.SequenceNumber})
	}
	return answer
}
