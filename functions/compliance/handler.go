// Command compliance is the Lambda function that proves whole scopes: it evaluates
// every resource's CIDR, puts right what the table says wrongly, takes up imports
// that were left undone, has live space held that is not, and measures. Changes are
// evaluated as they come, by the function that reads the table's stream; this is the
// backstop. It is invoked
//
//   - by a schedule, with the event {"dispatch": true}: what is to be scanned is
//     put into the function's queue, a message for each address family of each
//     scope, and one for the public addresses of each IPAM;
//   - by that queue. A scan that is longer than an invocation sends the rest on,
//     with what it has counted, so that its metrics are written once, at the end.
//     Messages that come twice change nothing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// margin is how long before the end of the invocation a scan sends the rest on.
const margin = 30 * time.Second

// Store is the part of store.Store that is scanned.
type Store interface {
	AllDiscoveries(ctx context.Context) ([]*ipam.Discovery, error)
	OwnedScopes(ctx context.Context, owner string) ([]*ipam.Scope, error)
	Scopes(ctx context.Context, ids []string) ([]*ipam.Scope, error)
	OwnedPools(ctx context.Context, owner string) ([]*ipam.Pool, error)
	PoolCIDRs(ctx context.Context, pool string) ([]*ipam.PoolCIDR, error)
	EvaluateAll(ctx context.Context, scope string, f ipam.Family, after netip.Prefix) iter.Seq2[ipam.ResourceStatus, error]
	Exposed(ctx context.Context, r *ipam.ResourceCIDR) (bool, error)
	Resources(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error)
	Interfaces(ctx context.Context, scope string, f ipam.Family, after string, limit int) ([]*ipam.ResourceCIDR, string, error)
	Usage(ctx context.Context, pool string) (ipam.Usage, error)
	SaveUsage(ctx context.Context, pool string, u ipam.Usage) (bool, error)
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, bodies ...string) error
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	Logger          *slog.Logger     // slog.Default() if nil; metrics are its records
	Now             func() time.Time // time.Now if nil
	ResourceMetrics bool
	// Reconcile brings the space of a scope's pools at cidr in line with the
	// resources there; if nil, imports that were left undone are not taken up, and
	// live space that is not held is only told of.
	Reconcile func(ctx context.Context, scope string, cidr netip.Prefix) error
}

// Handler scans. It is safe for concurrent use.
type Handler struct {
	store     Store
	queue     Queue
	logger    *slog.Logger
	now       func() time.Time
	single    bool // resources have metrics
	reconcile func(ctx context.Context, scope string, cidr netip.Prefix) error
}

// New returns a handler for what a store holds.
func New(s Store, q Queue, o Options) *Handler {
	h := &Handler{store: s, queue: q, logger: o.Logger, now: o.Now, single: o.ResourceMetrics, reconcile: o.Reconcile}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// Event is what invokes the function: a batch of its queue, or the schedule's.
type Event struct {
	events.SQSEvent
	Dispatch bool `json:"dispatch"`
}

// task is what a message of the queue asks for: the scan of one family of a
// scope, or the count of an IPAM's public addresses.
type task struct {
	Scope  string      `json:"scope,omitempty"`
	Family ipam.Family `json:"family,omitempty"`
	IPAM   string      `json:"ipam,omitempty"`
	// Of what an earlier invocation began:
	After  string  `json:"after,omitempty"`  // where to go on from
	Totals *totals `json:"totals,omitempty"` // of a scope
	Public public  `json:"public,omitempty"` // of an IPAM
	Owner  string  `json:"owner,omitempty"`  // of an IPAM
}

// Handle works on an event and logs one record for each piece of work.
func (h *Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	switch {
	case len(e.Records) > 0:
		return lambdakit.Messages(ctx, e.SQSEvent, h.message), nil
	case e.Dispatch:
		return events.SQSEventResponse{}, h.log(ctx, telemetry.DispatchScans, "", h.dispatch)
	}
	return events.SQSEventResponse{}, errors.New(`the event is neither a batch of the queue nor {"dispatch": true}`)
}

func (h *Handler) message(ctx context.Context, m events.SQSMessage) error {
	var t task
	err := json.Unmarshal([]byte(m.Body), &t)
	switch {
	case err != nil:
		return h.log(ctx, "scan", m.MessageId, func(context.Context) error { return fmt.Errorf("read the message: %w", err) })
	case t.IPAM != "":
		return h.log(ctx, "public-addresses", t.IPAM, func(ctx context.Context) error { return h.countPublic(ctx, t) })
	case t.Scope == "" || t.Family == 0:
		return h.log(ctx, "scan", m.MessageId, func(context.Context) error {
			return fmt.Errorf("the message %s names no scope with a family, and no IPAM", m.Body)
		})
	}
	return h.log(ctx, "scan", t.Scope+"#"+t.Family.String(), func(ctx context.Context) error { return h.scan(ctx, t) })
}

// dispatch sends a task for everything that there is to scan. Each IPAM is
// known by the resource discovery that it was born with.
func (h *Handler) dispatch(ctx context.Context) error {
	discoveries, err := h.store.AllDiscoveries(ctx)
	if err != nil {
		return err
	}
	var bodies []string
	add := func(t task) {
		b, err := json.Marshal(t)
		if err != nil {
			panic(err) // plain data
		}
		bodies = append(bodies, string(b))
	}
	scopes := map[string][]*ipam.Scope{} // by owner
	for _, d := range discoveries {
		if !d.Default() {
			continue
		}
		owned, ok := scopes[d.Owner]
		if !ok {
			if owned, err = h.store.OwnedScopes(ctx, d.Owner); err != nil {
				return err
			}
			scopes[d.Owner] = owned
		}
		for _, s := range owned {
			if s.IPAM == d.IPAM {
				add(task{Scope: s.ID, Family: ipam.IPv4})
				add(task{Scope: s.ID, Family: ipam.IPv6})
			}
		}
		add(task{IPAM: d.IPAM, Owner: d.Owner})
	}
	return h.queue.Send(ctx, bodies...)
}

// goOn sends the rest of a task.
func (h *Handler) goOn(ctx context.Context, t task) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return h.queue.Send(ctx, string(b))
}

// late reports whether the invocation is near its end.
func (h *Handler) late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && h.now().After(deadline.Add(-margin))
}

// log runs a piece of work and logs a record of it.
func (h *Handler) log(ctx context.Context, operation, on string, work func(context.Context) error) error {
	start := h.now()
	err := work(ctx)
	end := h.now()
	level := slog.LevelInfo
	attributes := append(telemetry.Work(end, operation, telemetry.OutcomeOf(ipam.CodeOf(err)), end.Sub(start)),
		slog.String("on", on),
		slog.Float64("duration_ms", telemetry.Milliseconds(end.Sub(start))),
		slog.String("code", string(ipam.CodeOf(err))),
	)
	if err != nil {
		level = slog.LevelError
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	h.logger.LogAttrs(ctx, level, "work", attributes...)
	return err
}

// write writes one record of metrics.
func (h *Handler) write(ctx context.Context, g *telemetry.Group, of []string, values map[string]float64) {
	h.logger.LogAttrs(ctx, slog.LevelInfo, "metrics", g.Record(h.now(), of, values)...)
}
