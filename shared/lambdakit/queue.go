package lambdakit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
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
//
// retry is called with the failed messages; see [Retries.Soon]. It may be nil: then a
// failed message comes again after the queue's visibility timeout, which is six times as
// long as the function may work.
func Messages(ctx context.Context, e events.SQSEvent, retry func(context.Context, []events.SQSMessage), work func(context.Context, events.SQSMessage) error) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var failed []events.SQSMessage
	for _, m := range e.Records {
		if err := work(ctx, m); err != nil {
			failed = append(failed, m)
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	if retry != nil && len(failed) > 0 {
		retry(ctx, failed)
	}
	return answer
}

// Retries makes failed messages come again soon. It is safe for concurrent use.
type Retries struct {
	client *sqs.Client
}

// OpenRetries returns the Retries of the queues of the function's account and Region. It
// makes no call to AWS.
func OpenRetries(ctx context.Context) (*Retries, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the retries: %w", err)
	}
	return &Retries{sqs.NewFromConfig(cfg)}, nil
}

// retryMargin is how long before the end of the invocation Soon stops.
const retryMargin = 500 * time.Millisecond

// Soon makes messages that failed come again after 30 seconds, 2 minutes, 8 minutes, and
// then after 15 minutes each time. If that fails, it logs a warning, and they come again
// after the queue's visibility timeout.
func (r *Retries) Soon(ctx context.Context, failed []events.SQSMessage) {
	ctx, cancel := BeforeEnd(ctx, retryMargin)
	defer cancel()
	for _, m := range failed {
		url, err := queueURL(m.EventSourceARN, r.client.Options().BaseEndpoint)
		if err == nil {
			_, err = r.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
				QueueUrl: &url, ReceiptHandle: aws.String(m.ReceiptHandle), VisibilityTimeout: int32(retryDelay(m).Seconds()),
			})
		}
		if err != nil {
			slog.WarnContext(ctx, "a failed message comes again late", "message_id", m.MessageId, "error", err.Error())
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// retryDelay returns the time after which a failed message comes again. It grows with the
// number of times that the queue has handed the message out.
func retryDelay(m events.SQSMessage) time.Duration {
	received, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil || received < 1 {
		received = 1
	}
	return min(15*time.Minute, 30*time.Second<<(2*min(received-1, 10)))
}

// queueURL returns the URL of a queue with an ARN, at SQS's endpoint of the queue's Region
// or at another endpoint.
func queueURL(arn string, endpoint *string) (string, error) {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sqs" {
		return "", fmt.Errorf("%q is not the ARN of a queue", arn)
	}
	base := "https://sqs." + parts[3] + ".amazonaws.com"
	if parts[1] == "aws-cn" {
		base += ".cn"
	}
	if endpoint != nil {
		base = strings.TrimSuffix(*endpoint, "/")
	}
	return base + "/" + parts[4] + "/" + parts[5], nil
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
