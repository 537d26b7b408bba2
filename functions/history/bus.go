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

// A call of PutEvents takes so many events, and so many bytes, counted as the
// EventBridge User Guide, "Calculating PutEvents event entry size", does.
const (
	maxEvents = 10
	maxBytes  = 256 << 10
	timeBytes = 14
)

// message is an event on its way.
type message struct {
	item   string // the item that it is of
	record int    // the index in the batch of the record that it is of
	entry  types.PutEventsRequestEntry
}

func (m *message) size() int {
	return timeBytes + len(*m.entry.Source) + len(*m.entry.DetailType) + len(*m.entry.Detail)
}

// refusal is why a record's event is not on the bus.
type refusal struct {
	record int
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Client is the part of EventBridge's client that events are sent with.
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

// send puts events on the bus in their order. A call that is refused in whole or
// in part is the last one, and its first event that is not on the bus is told.
// No call holds two events of one item: so none is there before one that
// precedes it.
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
			return &refusal{all[0].record, fmt.Errorf("put %d events on %s: %w", n, b.name, err)}
		}
		for i := range all[:n] {
			switch {
			case i >= len(out.Entries):
				return &refusal{all[i].record, fmt.Errorf("put %d events on %s: the answer is of %d", n, b.name, len(out.Entries))}
			case out.Entries[i].ErrorCode != nil:
				return &refusal{all[i].record, fmt.Errorf("put %d events on %s: %d are refused, the first, %s, with %s: %s", n, b.name,
					out.FailedEntryCount, *all[i].entry.DetailType, *out.Entries[i].ErrorCode, aws.ToString(out.Entries[i].ErrorMessage))}
			}
		}
		all = all[n:]
	}
	return nil
}

// named returns an event for the bus.
func named(name events.Name, header events.Header, detail []byte) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{
		Source: aws.String(events.Source), DetailType: aws.String(string(name)), Detail: aws.String(string(detail)), Time: &header.Time,
	}
}
