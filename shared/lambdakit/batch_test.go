package lambdakit

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

func TestQueueAnswersWithEachFailure(t *testing.T) {
	e := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "a"}, {MessageId: "b"}, {MessageId: "c"}}}
	for _, c := range []struct{ works, want string }{
		{"b", `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}`},
		{"abc", `{"batchItemFailures":[]}`},
	} {
		answer := Queue(t.Context(), e, func(_ context.Context, m events.SQSMessage) error {
			for _, id := range c.works {
				if m.MessageId == string(id) {
					return nil
				}
			}
			return errWork
		})
		if got, _ := json.Marshal(answer); string(got) != c.want {
			t.Errorf("answered %s, want %s", got, c.want)
		}
	}
}

// Every data type that DynamoDB has, as a stream delivers it.
func TestItem(t *testing.T) {
	var attributes map[string]events.DynamoDBAttributeValue
	if err := json.Unmarshal([]byte(`{
		"s": {"S": "text"}, "empty": {"S": ""}, "n": {"N": "-12345678901234567890.5"}, "b": {"B": "AQI="}, "yes": {"BOOL": true}, "no": {"BOOL": false},
		"null": {"NULL": true}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.5"]}, "bs": {"BS": ["AQ==", "Ag=="]},
		"m": {"M": {"deep": {"M": {"er": {"S": "x"}}}, "none": {"M": {}}}}, "l": {"L": [{"S": "x"}, {"L": [{"N": "1"}]}]}
	}`), &attributes); err != nil {
		t.Fatal(err)
	}
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	num := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	m := func(m map[string]types.AttributeValue) types.AttributeValue {
		return &types.AttributeValueMemberM{Value: m}
	}
	list := func(l ...types.AttributeValue) types.AttributeValue { return &types.AttributeValueMemberL{Value: l} }
	want := map[string]types.AttributeValue{
		"s": str("text"), "empty": str(""), "n": num("-12345678901234567890.5"),
		"b":   &types.AttributeValueMemberB{Value: []byte{1, 2}},
		"yes": &types.AttributeValueMemberBOOL{Value: true}, "no": &types.AttributeValueMemberBOOL{Value: false},
		"null": &types.AttributeValueMemberNULL{Value: true},
		"ss":   &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"ns":   &types.AttributeValueMemberNS{Value: []string{"1", "2.5"}},
		"bs":   &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		"m":    m(map[string]types.AttributeValue{"deep": m(map[string]types.AttributeValue{"er": str("x")}), "none": m(map[string]types.AttributeValue{})}),
		"l":    list(str("x"), list(num("1"))),
	}
	if diff := cmp.Diff(Item(attributes), want, cmpopts.IgnoreUnexported(
		types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{},
		types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{},
	)); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
