package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

// The limits of one call of PutEvents. The size of an event is counted as the
// EventBridge User Guide, "Calculating PutEvents event entry size", says.
const (
	maxEvents = 10
	maxBytes  = 256 << 10
	timeBytes = 14 // an event's time
)

// message is an event to send.
type message struct {
	item   string // the key of the item whose change it reports
	record int    // the index of the stream's record in the batch
	entry  types.PutEventsRequestEntry
}

func (m *message) size() int {
	return timeBytes + len(*m.entry.Source) + len(*m.entry.DetailType) + len(*m.entry.Detail)
}

// sendError says why the event of a record is not on the bus.
type sendError struct {
	record int // the record's index in the batch
	err    error
}

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// Client is the part of EventBridge's client that sends events.
type Client interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, options ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Bus is an event bus.
type Bus struct {
	client Client
	name   string
}

// OpenBus returns the bus that the environment names. It makes no call to AWS.
func OpenBus(ctx context.Context) (*Bus, error) {
	name := os.Getenv(lambdakit.EnvBus)
	if name == "" {
		return nil, fmt.Errorf("open the event bus: %s is not set", lambdakit.EnvBus)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the event bus: %w", err)
	}
	return &Bus{eventbridge.NewFromConfig(cfg), name}, nil
}

// send puts events on the bus in their order. It stops after the first call of which
// EventBridge rejects any event, and returns a [sendError] for the first rejected
// one. A call never holds two events of one item, so an item's events arrive in
// order.
func (b *Bus) send(ctx context.Context, all []message) error {
	for len(all) > 0 {
		n, size, items := 0, 0, map[string]bool{}
		for n < len(all) && n < maxEvents && !items[all[n].item] {
			if size += all[n].size(); n > 0 && size > maxBytes {
				break
			}
			items[all[n].item] = true
			n++
		}
		in := &eventbridge.PutEventsInput{}
		for _, m := range all[:n] {
			m.entry.EventBusName = &b.name
			in.Entries = append(in.Entries, m.entry)
		}
		out, err := b.client.PutEvents(ctx, in)
		if err != nil {
			return &sendError{all[0].record, fmt.Errorf("put %d events on %s: %w", n, b.name, err)}
		}
		for i := range all[:n] {
			switch {
			case i >= len(out.Entries):
				return &sendError{all[i].record, fmt.Errorf("put %d events on %s: the answer is of %d", n, b.name, len(out.Entries))}
			case out.Entries[i].ErrorCode != nil:
				return &sendError{all[i].record, fmt.Errorf("put %d events on %s: %d are refused, the first, %s, with %s: %s", n, b.name,
					out.FailedEntryCount, *all[i].entry.DetailType, *out.Entries[i].ErrorCode, aws.ToString(out.Entries[i].ErrorMessage))}
			}
		}
		all = all[n:]
	}
	return nil
}

// entry returns an event for the bus.
func entry(name events.Name, header events.Header, detail []byte) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{
		Source: aws.String(events.Source), DetailType: aws.String(string(name)), Detail: aws.String(string(detail)), Time: &header.Time,
	}
}
