package lambdakit

import (
	"slices"

	"github.com/aws/aws-lambda-go/events"
)

// FirstFailure returns the answer to a batch from a DynamoDB stream, of which record
// i failed with failed[i]. The event source must be set to ReportBatchItemFailures.
//
// For a stream the answer is a checkpoint: Lambda retries the record with that
// sequence number and all that follow it (Lambda Developer Guide, "Configuring
// partial batch response with DynamoDB and Lambda"). So the answer names only the
// first failure, and the work of all records must be idempotent.
func FirstFailure(e events.DynamoDBEvent, failed []error) events.DynamoDBEventResponse {
	answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	if i := slices.IndexFunc(failed, func(err error) bool { return err != nil }); i >= 0 {
		// Without a sequence number the whole batch fails, which is right, too.
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: e.Records[i].Change.SequenceNumber})
	}
	return answer
}
