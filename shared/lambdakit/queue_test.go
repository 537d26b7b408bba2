package lambdakit

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

func TestMessagesAnswersWithFailures(t *testing.T) {
	var e events.SQSEvent
	for _, id := range []string{"a", "b", "c"} {
		e.Records = append(e.Records, events.SQSMessage{MessageId: id})
	}
	did := ""
	var retried []string
	retry := func(_ context.Context, failed []events.SQSMessage) {
		for _, m := range failed {
			retried = append(retried, m.MessageId)
		}
	}
	answer := Messages(t.Context(), e, retry, func(_ context.Context, m events.SQSMessage) error {
		if did += m.MessageId; m.MessageId == "b" {
			return errWork
		}
		return nil
	})
	if got, _ := json.Marshal(answer); string(got) != `{"batchItemFailures":[{"itemIdentifier":"b"}]}` || did != "abc" || !slices.Equal(retried, []string{"b"}) {
		t.Errorf("worked on %s and answered %s", did, got)
	}
	if got, _ := json.Marshal(Messages(t.Context(), events.SQSEvent{}, nil, nil)); string(got) != `{"batchItemFailures":[]}` {
		t.Errorf("answered %s to an empty batch", got)
	}
}

// sqsServer answers SendMessageBatch like SQS. refuse reports whether a call's
// message is refused.
func sqsServer(t *testing.T, refuse func(call int, body string) bool) (queue *Queue, taken *[]string, calls *[]int) {
	t.Helper()
	taken, calls = new([]string), new([]int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			QueueUrl string
			Entries  []struct{ Id, MessageBody string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.QueueUrl != "http://queue/1/work" || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessageBatch" {
			t.Errorf("called with %+v, %v, %v", in, r.Header, err)
		}
		*calls = append(*calls, len(in.Entries))
		type entry map[string]any
		ok, failed := []entry{}, []entry{}
		for _, e := range in.Entries {
			if refuse(len(*calls), e.MessageBody) {
				failed = append(failed, entry{"Id": e.Id, "Code": "InternalError", "Message": "try again", "SenderFault": false})
				continue
			}
			*taken = append(*taken, e.MessageBody)
			ok = append(ok, entry{"Id": e.Id, "MessageId": "m", "MD5OfMessageBody": fmt.Sprintf("%x", md5.Sum([]byte(e.MessageBody)))})
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(map[string]any{"Successful": ok, "Failed": failed})
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"QUEUE": "http://queue/1/work", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.URL,
	} {
		t.Setenv(name, value)
	}
	queue, err := OpenQueue(t.Context(), "QUEUE")
	if err != nil {
		t.Fatal(err)
	}
	return queue, taken, calls
}

// stub replaces a queue's sleep by one that returns at once and records its waits.
func stub(q *Queue) *[]time.Duration {
	slept := new([]time.Duration)
	q.sleep = func(_ context.Context, d time.Duration) error {
		*slept = append(*slept, d)
		return nil
	}
	return slept
}

func TestSend(t *testing.T) {
	var bodies []string
	for i := range 23 {
		bodies = append(bodies, fmt.Sprint("message ", i))
	}
	t.Run("as many as there are", func(t *testing.T) {
		queue, taken, calls := sqsServer(t, func(int, string) bool { return false })
		if err := queue.Send(t.Context(), bodies...); err != nil || !slices.Equal(*taken, bodies) || !slices.Equal(*calls, []int{10, 10, 3}) {
			t.Errorf("%v; took %q in calls of %v", err, *taken, *calls)
		}
		if err := queue.Send(t.Context()); err != nil || len(*calls) != 3 {
			t.Errorf("of none: %v, %v", err, *calls)
		}
	})
	t.Run("large ones", func(t *testing.T) {
		queue, _, calls := sqsServer(t, func(int, string) bool { return false })
		large := strings.Repeat("x", 100<<10)
		if err := queue.Send(t.Context(), large, large, large, strings.Repeat("y", 300<<10), "z"); err != nil || !slices.Equal(*calls, []int{2, 1, 1, 1}) {
			t.Errorf("%v; in calls of %v", err, *calls)
		}
	})
	t.Run("some refused at first", func(t *testing.T) {
		queue, taken, calls := sqsServer(t, func(call int, body string) bool { return call == 1 && (body == "message 3" || body == "message 7") })
		slept := stub(queue)
		err := queue.Send(t.Context(), bodies[:10]...)
		slices.Sort(*taken)
		if err != nil || !slices.Equal(*taken, bodies[:10]) || !slices.Equal(*calls, []int{10, 2}) {
			t.Errorf("%v; took %q in calls of %v", err, *taken, *calls)
		}
		if len(*slept) != 1 {
			t.Errorf("slept %v", *slept)
		}
	})
	t.Run("one refused for ever", func(t *testing.T) {
		queue, taken, calls := sqsServer(t, func(_ int, body string) bool { return body == "message 3" })
		slept := stub(queue)
		err := queue.Send(t.Context(), bodies...)
		if err == nil || !strings.Contains(err.Error(), "1 of 10 messages are refused, the first with InternalError: try again") {
			t.Errorf("the error is %v", err)
		}
		if len(*taken) != 22 || !slices.Equal(*calls, []int{10, 1, 1, 10, 3}) {
			t.Errorf("took %q in calls of %v", *taken, *calls)
		}
		if w := *slept; len(w) != 2 || w[0] < 50*time.Millisecond || w[0] > 100*time.Millisecond || w[1] < 100*time.Millisecond || w[1] > 200*time.Millisecond {
			t.Errorf("slept %v", *slept)
		}
	})
	t.Run("one refused, and the invocation ends", func(t *testing.T) {
		queue, _, calls := sqsServer(t, func(_ int, body string) bool { return body == "message 3" })
		queue.sleep = func(context.Context, time.Duration) error { return context.DeadlineExceeded }
		if err := queue.Send(t.Context(), bodies[:10]...); err == nil || !slices.Equal(*calls, []int{10}) {
			t.Errorf("%v; in calls of %v", err, *calls)
		}
	})
	t.Run("no queue", func(t *testing.T) {
		t.Setenv("QUEUE", "")
		if _, err := OpenQueue(t.Context(), "QUEUE"); err == nil {
			t.Error("no error")
		}
	})
}

// A failed message comes again soon at first, and later each time.
func TestRetriesSoon(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			QueueUrl, ReceiptHandle string
			VisibilityTimeout       int
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "AmazonSQS.ChangeMessageVisibility" {
			t.Errorf("called with %v, %v", r.Header, err)
		}
		if in.ReceiptHandle == "refused" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked = append(asked, fmt.Sprint(strings.TrimPrefix(in.QueueUrl, "http://"+r.Host), " ", in.ReceiptHandle, " ", in.VisibilityTimeout))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, "{}")
	}))
	defer server.Close()
	for name, value := range map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.URL} {
		t.Setenv(name, value)
	}
	r, err := OpenRetries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failed []events.SQSMessage
	for _, m := range []struct{ handle, received string }{{"a", "1"}, {"refused", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", "100"}, {"f", ""}} {
		failed = append(failed, events.SQSMessage{
			MessageId: m.handle, ReceiptHandle: m.handle, EventSourceARN: "arn:aws:sqs:us-east-1:111122223333:work", Attributes: map[string]string{"ApproximateReceiveCount": m.received},
		})
	}
	failed = append(failed, events.SQSMessage{MessageId: "of no queue"})
	r.Soon(t.Context(), failed)
	var want []string
	for _, m := range []string{"a 30", "b 120", "c 480", "d 900", "e 900", "f 30"} {
		want = append(want, "/111122223333/work "+m)
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestQueueURL(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:sqs:eu-west-1:111122223333:work":     "https://sqs.eu-west-1.amazonaws.com/111122223333/work",
		"arn:aws-cn:sqs:cn-north-1:111122223333:work": "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/work",
		"arn:aws:sns:eu-west-1:111122223333:work":     "",
		"": "",
	} {
		if got, err := queueURL(arn, nil); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", arn, got, err, want)
		}
	}
}
