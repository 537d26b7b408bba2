package lambdakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Messages has work done for each message of a batch from an SQS queue and
// returns the answer that has Lambda hand in again what failed, and that only.
// The event source must be set to ReportBatchItemFailures. A message may come
// more than once, and after ones that were sent later. work tells of its errors
// itself.
func Messages(ctx context.Context, e events.SQSEvent, work func(context.Context, events.SQSMessage) error) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range e.Records {
		if err := work(ctx, m); err != nil {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer
}

// Queue is an SQS queue that messages are sent to. It is safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
}

// OpenQueue returns the queue whose URL the environment variable holds. It
// makes no call to AWS.
func OpenQueue(ctx context.Context, variable string) (*Queue, error) {
	url := os.Getenv(variable)
	if url == "" {
		return nil, fmt.Errorf("open a queue: %s is not set", variable)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a queue: %w", err)
	}
	return &Queue{sqs.NewFromConfig(cfg), url}, nil
}

// A call of SendMessageBatch takes so many messages, and less than the 1 MiB of
// text that SQS admits: functions' messages are small.
const (
	batchMessages = 10
	batchBytes    = 256 << 10
	sendTries     = 3
)

// Send sends messages, as many as there are. SQS may refuse some of a batch and
// take the others: these are sent again, and what is refused even then is told
// in the error, each with its reason.
func (q *Queue) Send(ctx context.Context, bodies ...string) error {
	var failed []error
	for len(bodies) > 0 {
		n, size := 0, 0
		for n < len(bodies) && n < batchMessages && (n == 0 || size+len(bodies[n]) <= batchBytes) {
			size += len(bodies[n])
			n++
		}
		if err := q.sendBatch(ctx, bodies[:n]); err != nil {
			failed = append(failed, err)
		}
		bodies = bodies[n:]
	}
	return errors.Join(failed...)
}

func (q *Queue) sendBatch(ctx context.Context, bodies []string) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i, b := range bodies {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(b)}
	}
	for try := 1; ; try++ {
		out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.url), Entries: entries})
		if err != nil {
			return fmt.Errorf("send %d messages to %s: %w", len(entries), q.url, err)
		}
		if len(out.Failed) == 0 {
			return nil
		}
		var again []types.SendMessageBatchRequestEntry
		for _, f := range out.Failed {
			i, err := strconv.Atoi(aws.ToString(f.Id))
			if err != nil || i < 0 || i >= len(bodies) {
				return fmt.Errorf("send to %s: the answer names the message %q, which was not sent", q.url, aws.ToString(f.Id))
			}
			again = append(again, types.SendMessageBatchRequestEntry{Id: f.Id, MessageBody: aws.String(bodies[i])})
		}
		if try == sendTries {
			f := out.Failed[0]
			return fmt.Errorf("send to %s: %d of %d messages are refused, the first with %s: %s", q.url, len(again), len(bodies), aws.ToString(f.Code), aws.ToString(f.Message))
		}
		entries = again
	}
}
