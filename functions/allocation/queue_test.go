package main

import (
	"encoding/json"
	"fmt"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// A batch of the queue has an answer to each request, and only a failed request comes
// again. The door direct takes no batch.
func TestRequestsFromTheQueue(t *testing.T) {
	w := newEnv(t)
	detail := fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool)
	batch, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{
		{MessageId: "m-1", Body: string(event("e-1", owner, home, requested, detail))},
		{MessageId: "m-2", Body: "no event"},
		{MessageId: "m-3", Body: string(event("e-3", member, home, requested, `{"IpamPoolId": "ipam-pool-1", "NetmaskLength": 24}`))},
		{MessageId: "m-4", Body: string(event("e-4", member, home, requested, detail))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.events.Handle(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(answer), `{"batchItemFailures":[{"itemIdentifier":"m-2"}]}`); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	w.expect("e-1", owner+" 10.0.0.0/24")
	w.expect("e-3", "InvalidIpamPoolId.")
	w.expect("e-4", member+" 10.0.1.0/24")
	if _, err := w.direct.Handle(t.Context(), batch); code(err) != "MalformedRequest" {
		t.Errorf("the door direct takes a batch: %v", err)
	}
	w.clean()
}
