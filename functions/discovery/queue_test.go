package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/cadastre-ipam/cadastre/shared/discover"
)

// Events of EC2 come in batches of their queue. Each is stored, and only a failed one
// comes again.
func TestEventsFromTheQueue(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	message := func(id, account string) events.SQSMessage {
		detail := fmt.Sprintf(`{"eventSource": "ec2.amazonaws.com", "eventTime": %q, "eventName": "CreateVpc", "requestParameters": {}, "responseElements": {"vpc": {"vpcId": "vpc-new"}}}`, time.UnixMilli(0).UTC().Format(time.RFC3339))
		b, err := json.Marshal(events.EventBridgeEvent{DetailType: discover.CallDetailType, Source: discover.CallSource, AccountID: account, Region: home, Detail: json.RawMessage(detail)})
		if err != nil {
			t.Fatal(err)
		}
		return events.SQSMessage{MessageId: id, Body: string(b)}
	}
	n := w.cloud.Network(memberA, home)
	n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
	var e Event
	e.Records = []events.SQSMessage{message("m-1", memberA), {MessageId: "m-2", Body: fmt.Sprintf(`{"detail-type": %q, "detail": 7}`, discover.CallDetailType)}}
	answer, err := w.handler().Handle(t.Context(), e)
	if err != nil || len(answer.BatchItemFailures) != 1 || answer.BatchItemFailures[0].ItemIdentifier != "m-2" {
		t.Errorf("%+v, %v", answer, err)
	}
	w.agrees(memberA)
}

// The metric of failed runs is 1 for a failure that lasts: three in a row of an account
// that was read before, a day of one that never was. The account's progress counts them.
func TestFailuresThatLast(t *testing.T) {
	failures := func(w *env) (all []float64) {
		for line := range bytes.Lines(w.logs.Bytes()) {
			var r struct{ DiscoveryFailures *float64 }
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if r.DiscoveryFailures != nil {
				all = append(all, *r.DiscoveryFailures)
			}
		}
		w.logs.Reset()
		return all
	}
	w := newEnv(t)
	w.run(t.Context(), memberA)
	role := w.cloud.Roles[memberA]
	delete(w.cloud.Roles, memberA)
	for range 4 {
		w.run(t.Context(), memberA)
	}
	if got, want := failures(w), []float64{0, 0, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("an account that was read before has %v, want %v", got, want)
	}
	w.cloud.Roles[memberA] = role
	w.run(t.Context(), memberA)
	delete(w.cloud.Roles, memberA)
	w.run(t.Context(), memberA)
	if got, want := failures(w), []float64{0, 0}; !slices.Equal(got, want) {
		t.Errorf("after a complete run there are %v, want %v", got, want)
	}

	w = newEnv(t)
	delete(w.cloud.Roles, memberB)
	for range 3 {
		w.run(t.Context(), memberB)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.run(t.Context(), memberB)
	if got, want := failures(w), []float64{0, 0, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("an account that was never read has %v, want %v", got, want)
	}
}
