package lambdakit

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// Queue is Stream for the messages of an SQS queue, of which every one that
// failed is retried and no other.
func Queue(ctx context.Context, e events.SQSEvent, work func(context.Context, events.SQSMessage) error) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range e.Records {
		if err := work(ctx, m); err != nil {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer
}

// Item returns an item, or its key, of a stream's record as the SDK's types.
func Item(attributes map[string]events.DynamoDBAttributeValue) map[string]types.AttributeValue {
	item := make(map[string]types.AttributeValue, len(attributes))
	for name, v := range attributes {
		item[name] = attribute(v)
	}
	return item
}

// attribute panics for a data type that DynamoDB does not have.
func attribute(v events.DynamoDBAttributeValue) types.AttributeValue {
	switch v.DataType() {
	case events.DataTypeString:
		return &types.AttributeValueMemberS{Value: v.String()}
	case events.DataTypeNumber:
		return &types.AttributeValueMemberN{Value: v.Number()}
	case events.DataTypeBinary:
		return &types.AttributeValueMemberB{Value: v.Binary()}
	case events.DataTypeBoolean:
		return &types.AttributeValueMemberBOOL{Value: v.Boolean()}
	case events.DataTypeNull:
		return &types.AttributeValueMemberNULL{Value: true}
	case events.DataTypeStringSet:
		return &types.AttributeValueMemberSS{Value: v.StringSet()}
	case events.DataTypeNumberSet:
		return &types.AttributeValueMemberNS{Value: v.NumberSet()}
	case events.DataTypeBinarySet:
		return &types.AttributeValueMemberBS{Value: v.BinarySet()}
	case events.DataTypeMap:
		return &types.AttributeValueMemberM{Value: Item(v.Map())}
	case events.DataTypeList:
		list := make([]types.AttributeValue, len(v.List()))
		for i, e := range v.List() {
			list[i] = attribute(e)
		}
		return &types.AttributeValueMemberL{Value: list}
	}
	panic("lambdakit: unknown data type of an attribute")
}
