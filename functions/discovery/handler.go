// Command discovery is the Lambda function that finds what lives in the accounts
// and Regions that are watched. It is invoked
//
//   - by a schedule, with the event {"dispatch": true}: a message for each
//     discovery, account and Region is put into the function's queue, and who
//     is not among them any more is marked as having left;
//   - by that queue: all of the account's Region is read, and what differs from
//     what is known is taken in or forgotten. An account that cannot be looked at
//     keeps what is known of it, and says why. One look does for all messages that
//     were sent before it: where more falls due than can be looked at, what waits
//     does not grow;
//   - by EventBridge, with EC2's calls as CloudTrail tells of them: what a call
//     touched is read and taken in at once. What an event misses, the schedule
//     finds.
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

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// margin is how long before the end of the invocation work stops, to be gone on
// with by the next.
const margin = 10 * time.Second

// Store is the part of store.Store that discovery works on.
type Store interface {
	Objects
	Accounts
	Network
}

// Objects says what is watched.
type Objects interface {
	Discoveries(ctx context.Context, ids []string) ([]*ipam.Discovery, error)
	AllDiscoveries(ctx context.Context) ([]*ipam.Discovery, error)
	IPAMs(ctx context.Context, ids []string) ([]*ipam.IPAM, error)
	Owner() string
}

// Accounts keeps how far the discovery of each account is.
type Accounts interface {
	DiscoveredAccount(ctx context.Context, discovery, region, account string) (*ipam.DiscoveredAccount, error)
	DiscoveredAccounts(ctx context.Context, discovery, region, after string, limit int) ([]*ipam.DiscoveredAccount, string, error)
	SaveDiscoveredAccount(ctx context.Context, a *ipam.DiscoveredAccount) error
}

// Network keeps what was found.
type Network interface {
	Found(ctx context.Context, discovery, region, account, after string, limit int) ([]*ipam.Found, string, error)
	FoundOf(ctx context.Context, discovery, region, account string, t ipam.ResourceType, id string) ([]*ipam.Found, error)
	FirstFound(ctx context.Context, discovery, region, account string, t ipam.ResourceType, answers int) ([]*ipam.Found, error)
	Observe(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, at int64) (changed bool, err error)
	Forget(ctx context.Context, f *ipam.Found, before int64) (gone bool, err error)
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, bodies ...string) error
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	Logger *slog.Logger                                     // slog.Default() if nil; metrics are its records
	Now    func() time.Time                                 // time.Now if nil
	Sleep  func(ctx context.Context, d time.Duration) error // sleeps, or returns the context's error, if nil
}

// Handler discovers. It is safe for concurrent use.
type Handler struct {
	store    Store
	queue    Queue
	accounts *discover.Directory
	clients  *discover.Clients
	logger   *slog.Logger
	now      func() time.Time
	sleep    func(ctx context.Context, d time.Duration) error
}

// New returns a handler that keeps in s what it finds, in the accounts of the
// directory, by way of the clients.
func New(s Store, q Queue, accounts *discover.Directory, clients *discover.Clients, o Options) *Handler {
	h := &Handler{store: s, queue: q, accounts: accounts, clients: clients, logger: o.Logger, now: o.Now, sleep: o.Sleep}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.sleep == nil {
		h.sleep = sleep
	}
	return h
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Event is what invokes the function: a batch of its queue, the schedule's, or
// one of EventBridge with a call in its detail.
type Event struct {
	events.SQSEvent
	events.EventBridgeEvent
	Dispatch bool `json:"dispatch"`
}

// task is what a message of the queue asks for: to look at an account in a Region.
type task struct {
	Discovery string `json:"discovery"`
	Region    string `json:"region"`
	Account   string `json:"account"`
	OU        string `json:"ou,omitempty"`

	sent int64 // the message, Unix milliseconds; 0 if that is not known
}

// Handle works on an event and logs one record for each piece of work.
func (h *Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	switch {
	case len(e.Records) > 0:
		return lambdakit.Messages(ctx, e.SQSEvent, h.message), nil
	case e.DetailType == discover.CallDetailType:
		t := task{Account: e.AccountID, Region: e.Region}
		return events.SQSEventResponse{}, h.log(ctx, "event", t, func(ctx context.Context) (result, error) { return h.call(ctx, t, e.Detail) })
	case e.Dispatch:
		return events.SQSEventResponse{}, h.log(ctx, telemetry.DispatchDiscovery, task{}, h.dispatch)
	}
	return events.SQSEventResponse{}, fmt.Errorf(`the event is neither a batch of the queue nor %q nor {"dispatch": true}`, discover.CallDetailType)
}

// sentAt is the attribute that SQS gives a message for when it was sent, Unix
// milliseconds (Amazon SQS API reference, "ReceiveMessage").
const sentAt = "SentTimestamp"

func (h *Handler) message(ctx context.Context, m events.SQSMessage) error {
	var t task
	err := json.Unmarshal([]byte(m.Body), &t)
	if err == nil && (t.Discovery == "" || t.Region == "" || t.Account == "") {
		err = errors.New("it names no discovery, Region and account")
	}
	if sent := m.Attributes[sentAt]; sent != "" && err == nil {
		t.sent, err = strconv.ParseInt(sent, 10, 64)
	}
	return h.log(ctx, "run", t, func(ctx context.Context) (result, error) {
		if err != nil {
			return result{}, fmt.Errorf("read the message %s: %w", m.MessageId, err)
		}
		return h.run(ctx, t)
	})
}

// result is what came of a piece of work.
type result struct {
	call          string // that an event told of
	ignored       string // why nothing was to be done
	sent          int    // messages
	left          int    // accounts that are not looked at in a Region any more
	seen          int    // CIDRs that EC2 has
	changed, gone int    // of those that were taken in, or forgotten
	failure       *discover.Failure
}

// log has a piece of work done and logs a record of it, and of a run another
// whether it failed, which is a metric of its own.
func (h *Handler) log(ctx context.Context, operation string, t task, work func(context.Context) (result, error)) error {
	start := h.now()
	r, err := work(ctx)
	level, outcome := slog.LevelInfo, telemetry.OutcomeOf(ipam.CodeOf(err))
	switch {
	case err != nil && ctx.Err() != nil:
		level, outcome = slog.LevelWarn, telemetry.Remains
	case err != nil:
		level = slog.LevelError
	case r.failure != nil:
		level, outcome = slog.LevelWarn, r.failure.Code
	}
	end := h.now()
	attributes := append(telemetry.Work(end, operation, outcome, end.Sub(start)),
		slog.Float64("duration_ms", telemetry.Milliseconds(end.Sub(start))),
		slog.Int("seen", r.seen), slog.Int("changed", r.changed), slog.Int("gone", r.gone), slog.Int("sent", r.sent), slog.Int("left", r.left),
	)
	for name, value := range map[string]string{"discovery": t.Discovery, "account": t.Account, "region": t.Region, "call": r.call, "ignored": r.ignored} {
		if value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	if r.failure != nil {
		attributes = append(attributes, slog.String("failure", r.failure.Message))
	}
	if err != nil {
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	h.logger.LogAttrs(ctx, level, "discovery", attributes...)
	if operation == "run" && ctx.Err() == nil {
		failed := 0.0
		if err != nil || r.failure != nil {
			failed = 1
		}
		h.logger.LogAttrs(ctx, slog.LevelInfo, "discovery failures", telemetry.Discoveries.Record(end, nil, map[string]float64{"DiscoveryFailures": failed})...)
	}
	return err
}
