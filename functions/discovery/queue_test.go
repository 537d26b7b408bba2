package main

import (
	"encoding/json"
	"fmt"
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
