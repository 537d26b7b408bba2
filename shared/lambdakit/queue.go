package lambdakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
)

// Messages calls work for each message of a batch from an SQS queue and returns the
// answer that names the failed ones: Lambda deletes the others. The event source must be
// set to ReportBatchItemFailures. A message may come more than once, and after messages
// that were sent later. work logs its own errors.
func Messages(ctx context.Context, e events.SQSEvent, work func(context.Context, events.SQSMessage) error) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range e.Records {
		if err := work(ctx, m); err != nil {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer
}

// Queue is an SQS queue. It is safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
	sleep  func(context.Context, time.Duration) error
}

// OpenQueue returns the queue whose URL is in the environment variable. It makes no call
// to AWS.
func OpenQueue(ctx context.Context, variable string) (*Queue, error) {
	url := os.Getenv(variable)
	if url == "" {
		return nil, fmt.Errorf("open a queue: %s is not set", variable)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a queue: %w", err)
	}
	return &Queue{sqs.NewFromConfig(cfg), url, backoff.Sleep}, nil
}

// The limits of one call of SendMessageBatch, and the tries of one batch. SQS accepts
// 1 MiB; the functions' messages are small.
const (
	batchMessages = 10
	batchBytes    = 256 << 10
	sendTries     = 3
	firstWait     = 100 * time.Millisecond
	longWait      = time.Second
)

// Send sends any number of messages. SQS may refuse some messages of a batch and accept
// the others. Send sends the refused ones again, after a wait. The error says how many of
// each batch SQS refused in the last try, and why.
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
		var refused []types.SendMessageBatchRequestEntry
		for _, f := range out.Failed {
			i, err := strconv.Atoi(aws.ToString(f.Id))
			if err != nil || i < 0 || i >= len(bodies) {
				return fmt.Errorf("send to %s: the answer names the message %q, which was not sent", q.url, aws.ToString(f.Id))
			}
			refused = append(refused, types.SendMessageBatchRequestEntry{Id: f.Id, MessageBody: aws.String(bodies[i])})
		}
		if try == sendTries || q.sleep(ctx, backoff.Delay(try, firstWait, longWait)) != nil {
			f := out.Failed[0]
			return fmt.Errorf("send to %s: %d of %d messages are refused, the first with %s: %s", q.url, len(refused), len(bodies), aws.ToString(f.Code), aws.ToString(f.Message))
		}
		entries = refused
	}
}
