// Command discovery is the Lambda function that finds the resources in the watched
// accounts and Regions. Three sources invoke it:
//
//   - A schedule sends the event {"dispatch": true}. The function then sends a message
//     to its own queue for each discovery, account and Region, and marks as detached
//     the accounts that are not among them any more.
//   - That queue sends the messages. The function reads all resources of the account
//     in the Region and stores the differences. If it cannot read the account, it keeps
//     the known resources and records the reason. One run serves all messages that were
//     sent before it began, so a backlog does not grow.
//   - EventBridge sends EC2's calls, as CloudTrail records them, through a queue that
//     gathers them in batches. The function reads the resources that the calls touched
//     and stores them at once. It reads once for all calls of an account and Region in
//     a batch. The schedule finds the changes that no event reports.
//
// Messages and events may come twice, late and in any order.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// margin is how long before the end of the invocation work stops. The next invocation
// continues it.
const margin = 10 * time.Second

// Store is the part of store.Store that discovery reads and writes.
type Store interface {
	Objects
	Accounts
	Network
	PendingBlocks
}

// Objects holds the discoveries and IPAMs. They name the watched accounts and Regions.
type Objects interface {
	Discoveries(ctx context.Context, ids []string) ([]*ipam.Discovery, error)
	AllDiscoveries(ctx context.Context) ([]*ipam.Discovery, error)
	IPAMs(ctx context.Context, ids []string) ([]*ipam.IPAM, error)
	Owner() string
}

// Accounts holds the progress of each account's discovery.
type Accounts interface {
	DiscoveredAccount(ctx context.Context, discovery, region, account string) (*ipam.DiscoveredAccount, error)
	DiscoveredAccounts(ctx context.Context, discovery, region, after string, limit int) ([]*ipam.DiscoveredAccount, string, error)
	SaveDiscoveredAccount(ctx context.Context, a *ipam.DiscoveredAccount) error
}

// Network holds the resources that were found.
type Network interface {
	Found(ctx context.Context, discovery, region, account, after string, limit int) ([]*ipam.Found, string, error)
	FoundOf(ctx context.Context, discovery, region, account string, t ipam.ResourceType, id string) ([]*ipam.Found, error)
	FirstFound(ctx context.Context, discovery, region, account string, t ipam.ResourceType, answers int) ([]*ipam.Found, error)
	Observe(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, at int64) (changed bool, err error)
	Forget(ctx context.Context, f *ipam.Found, before int64) (gone bool, err error)
}

// PendingBlocks holds the space that is reserved for resources which discovery has not
// seen yet.
type PendingBlocks interface {
	Pending(ctx context.Context, account, region string) ([]*store.Pending, error)
	EndDeleted(ctx context.Context, p *store.Pending, why store.Deleted) (ended bool, err error)
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, bodies ...string) error
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	telemetry.Options
	Sleep func(ctx context.Context, d time.Duration) error // backoff.Sleep if nil
	Retry func(context.Context, []events.SQSMessage)       // makes failed messages come again soon; may be nil
}

// Handler discovers resources. It is safe for concurrent use.
type Handler struct {
	store    Store
	queue    Queue
	accounts *discover.Directory
	clients  *discover.Clients
	o        Options
}

// New returns a handler that stores in s the resources that it finds in the accounts
// of the directory. It reads them through clients.
func New(s Store, q Queue, accounts *discover.Directory, clients *discover.Clients, o Options) *Handler {
	if o.Sleep == nil {
		o.Sleep = backoff.Sleep
	}
	return &Handler{s, q, accounts, clients, o}
}

// Event invokes the function. It is a batch of its queue, the schedule's event, or an
// event of EventBridge with a call in its detail.
type Event struct {
	events.SQSEvent
	events.EventBridgeEvent
	Dispatch bool `json:"dispatch"`
}

// task is the body of a message: it asks for a run over an account in a Region.
type task struct {
	Discovery string `json:"discovery"`
	Region    string `json:"region"`
	Account   string `json:"account"`
	OU        string `json:"ou,omitempty"`

	sent int64 // when the message was sent, Unix milliseconds; 0 if unknown
}

// Handle works on an event and logs one record for each piece of work.
func (h *Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	work, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	switch {
	case len(e.Records) > 0:
		joined := join(e.Records)
		return lambdakit.Messages(ctx, e.SQSEvent, h.o.Retry, func(_ context.Context, m events.SQSMessage) error {
			if p, ok := joined[m.MessageId]; ok {
				return h.joint(work, p)
			}
			return h.message(work, m)
		}), nil
	case e.DetailType == discover.CallDetailType:
		return events.SQSEventResponse{}, h.event(work, e.EventBridgeEvent)
	case e.Dispatch:
		return events.SQSEventResponse{}, h.unit(work, telemetry.DispatchDiscovery, task{}, h.dispatch)
	}
	return events.SQSEventResponse{}, fmt.Errorf(`the event is neither a batch of the queue nor %q nor {"dispatch": true}`, discover.CallDetailType)
}

// joint is the work on all events of an account and Region in a batch.
type joint struct {
	task  task
	calls []*discover.Call
	done  bool
	err   error
}

// part is the part of one message in joint work.
type part struct {
	*joint
	call *discover.Call
}

// join returns the part of each message of a batch in joint work, by the message's id. It
// leaves out the messages that have no call of EC2 to work on.
func join(messages []events.SQSMessage) map[string]part {
	of, joined := map[task]*joint{}, map[string]part{}
	for _, m := range messages {
		e, ok := eventOf(m)
		if !ok {
			continue
		}
		call, _, err := discover.ParseCall(e.Detail)
		if call == nil || err != nil {
			continue
		}
		trust(call, e.Source)
		t := task{Account: e.AccountID, Region: e.Region}
		if of[t] == nil {
			of[t] = &joint{task: t}
		}
		of[t].calls = append(of[t].calls, call)
		joined[m.MessageId] = part{of[t], call}
	}
	return joined
}

// joint does joint work once, and returns the error of one message's part. If some events
// could not be stored, the messages of the others are done.
func (h *Handler) joint(ctx context.Context, p part) error {
	if !p.done {
		p.done = true
		p.err = h.unit(ctx, "event", p.task, func(ctx context.Context) (result, error) { return h.calls(ctx, p.task, p.calls) })
	}
	if some, ok := errors.AsType[*partial](p.err); ok {
		return some.calls[p.call]
	}
	return p.err
}

// eventOf returns the event of EventBridge in a message, if the message has one.
func eventOf(m events.SQSMessage) (e events.EventBridgeEvent, ok bool) {
	err := json.Unmarshal([]byte(m.Body), &e)
	return e, err == nil && e.DetailType == discover.CallDetailType
}

// event works on an event of EventBridge.
func (h *Handler) event(ctx context.Context, e events.EventBridgeEvent) error {
	t := task{Account: e.AccountID, Region: e.Region}
	return h.unit(ctx, "event", t, func(ctx context.Context) (result, error) { return h.call(ctx, t, e.Source, e.Detail) })
}

// sentAt is the attribute of a message that says when it was sent, in Unix milliseconds
// (Amazon SQS API reference, "ReceiveMessage").
const sentAt = "SentTimestamp"

// message works on a message: a task of the schedule, or an event of EventBridge.
func (h *Handler) message(ctx context.Context, m events.SQSMessage) error {
	if e, ok := eventOf(m); ok {
		return h.event(ctx, e)
	}
	var t task
	err := json.Unmarshal([]byte(m.Body), &t)
	if err == nil && (t.Discovery == "" || t.Region == "" || t.Account == "") {
		err = errors.New("it names no discovery, Region and account")
	}
	if sent := m.Attributes[sentAt]; sent != "" && err == nil {
		t.sent, err = strconv.ParseInt(sent, 10, 64)
	}
	return h.unit(ctx, "run", t, func(ctx context.Context) (result, error) {
		if err != nil {
			return result{}, fmt.Errorf("read the message %s: %w", m.MessageId, err)
		}
		return h.run(ctx, t)
	})
}

// result is the result of a unit of work.
type result struct {
	call          string            // the calls that events report
	events        int               // with these calls
	failed        int               // of these events, because a resource could not be stored
	ignored       string            // why there was nothing to do
	sent          int               // messages
	detached      int               // accounts that are no longer read in a Region
	seen          int               // CIDRs that EC2 has
	changed, gone int               // CIDRs that were stored or removed
	failure       *discover.Failure // why the account could not be read
	lasts         bool              // the failure needs an operator; see ipam.DiscoveredAccount
}

// unit runs a unit of work and logs a record of it. After a run it writes the metric of
// failed runs, unless the invocation's time ended first.
func (h *Handler) unit(ctx context.Context, operation string, t task, work func(context.Context) (result, error)) error {
	var result result
	err := h.o.Unit(ctx, operation, func(ctx context.Context, r *telemetry.Record) (err error) {
		result, err = work(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			r.Remains()
		case err == nil && result.failure != nil:
			r.Outcome = result.failure.Code
			r.SetLevel(slog.LevelWarn)
		}
		result.describe(r, t)
		return err
	})
	if operation == "run" && ctx.Err() == nil {
		failed := 0.0
		if err != nil || result.lasts {
			failed = 1
		}
		h.o.Measure(ctx, telemetry.Discoveries, nil, map[string]float64{"DiscoveryFailures": failed})
	}
	return err
}

// describe adds the result of a task to its log record.
func (r *result) describe(record *telemetry.Record, t task) {
	record.Add(slog.Int("seen", r.seen), slog.Int("changed", r.changed), slog.Int("gone", r.gone), slog.Int("sent", r.sent), slog.Int("detached", r.detached))
	for _, a := range []struct{ name, value string }{
		{"discovery", t.Discovery}, {"account", t.Account}, {"region", t.Region}, {"call", r.call}, {"ignored", r.ignored},
	} {
		if a.value != "" {
			record.Add(slog.String(a.name, a.value))
		}
	}
	if r.events > 1 {
		record.Add(slog.Int("events", r.events))
	}
	if r.failed > 0 {
		record.Add(slog.Int("failed_events", r.failed))
	}
	if r.failure != nil {
		record.Add(slog.String("failure", r.failure.Message))
	}
}
