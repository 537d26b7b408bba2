package lambdakit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

var errWork = errors.New("failed")

func TestFirstFailureIsTheCheckpoint(t *testing.T) {
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
			failed := make([]error, 3)
			for i, r := range e.Records {
				if strings.Contains(c.fails, r.EventID[:1]) {
					failed[i] = errWork
				}
			}
			if got, _ := json.Marshal(FirstFailure(e, failed)); string(got) != c.want {
				t.Errorf("answered %s, want %s", got, c.want)
			}
		})
	}
}
