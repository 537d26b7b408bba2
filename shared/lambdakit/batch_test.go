package lambdakit

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

var errWork = errors.New("failed")

func TestStreamAnswersWithTheCheckpoint(t *testing.T) {
	for _, c := range []struct {
		name  string
		fails string // sequence numbers' initials
		want  string
	}{
		{"none", "", `{"batchItemFailures":[]}`},
		{"the first", "1", `{"batchItemFailures":[{"itemIdentifier":"1-sequence"}]}`},
		{"the last", "3", `{"batchItemFailures":[{"itemIdentifier":"3-sequence"}]}`},
		{"two", "32", `{"batchItemFailures":[{"itemIdentifier":"2-sequence"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e events.DynamoDBEvent
			for _, n := range []string{"1", "2", "3"} {
				e.Records = append(e.Records, events.DynamoDBEventRecord{EventID: n + "-event", Change: events.DynamoDBStreamRecord{SequenceNumber: n + "-sequence"}})
			}
			did := ""
			answer := Stream(t.Context(), e, func(_ context.Context, r events.DynamoDBEventRecord) error {
				n := r.EventID[:1]
				did += n
				for i := range c.fails {
					if c.fails[i:i+1] == n {
						return errWork
					}
				}
				return nil
			})
			if got, _ := json.Marshal(answer); string(got) != c.want || did != "123" {
				t.Errorf("worked on %s and answered %s, want 123 and %s", did, got, c.want)
			}
		})
	}
}
