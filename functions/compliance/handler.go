// Command compliance is the Lambda function that checks whole scopes. A scan
// evaluates the statuses of every resource's CIDR, corrects wrong ones, finishes
// imports that were not done, reserves the space of live resources that is still
// free in a pool, and writes metrics. Once an hour it saves a sample of each pool's usage
// with the forecast of its exhaustion, and makes the map of a large scope. Each scan
// saves its numbers for GetIpamSummary. The history function evaluates each change at
// once; the scan finds the rest. Two sources invoke the function:
//
//   - A schedule sends the event {"dispatch": true}. The function then sends tasks to
//     its own queue: one for each address family of each scope, and one for the
//     network of each IPAM: public and active addresses, and the accounts that
//     discovery cannot read.
//   - That queue sends the tasks. A scan that needs more than one invocation sends the
//     rest of its task with its counts, so that it writes its metrics once, at its
//     end. A message that comes twice changes nothing.
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

// margin is how long before the end of the invocation a scan sends the rest of its
// task.
const margin = 30 * time.Second

// Store is the part of store.Store that a scan reads and writes.
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
	SaveSamples(ctx context.Context, usages map[string]ipam.Usage) (saved []string, err error)
	Forecast(ctx context.Context, pool string) (ipam.Forecast, error)
	SaveForecast(ctx context.Context, pool string, f ipam.Forecast, days int) (bool, error)
	ScopeSummary(ctx context.Context, ipamID, scope string, f ipam.Family) (ipam.ScopeSummary, error)
	SaveScopeSummary(ctx context.Context, ipamID, scope string, f ipam.Family, asOf time.Time, sum ipam.ScopeSummary) error
	DiscoveredAccounts(ctx context.Context, discovery, region, after string, limit int) ([]*ipam.DiscoveredAccount, string, error)
	SaveNetworkSummary(ctx context.Context, ipamID string, asOf time.Time, sum ipam.NetworkSummary) error
	SpaceMapDue(ctx context.Context, scope string, f ipam.Family, entries int64) (bool, error)
	SumSpace(ctx context.Context, scope string, f ipam.Family, stop func() bool) (sum *ipam.SpaceSum, done bool, err error)
	SaveSpaceMap(ctx context.Context, scope string, f ipam.Family, asOf time.Time, sum *ipam.SpaceSum) error
}

// Queue is the function's own queue.
type Queue interface {
	Send(ctx context.Context, bodies ...string) error
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	telemetry.Options
	ResourceMetrics bool                                       // writes the metrics of single resources
	ForecastDays    int                                        // a pool that is expected to be exhausted within so many days has the event Pool Exhaustion Forecast; default 30
	Retry           func(context.Context, []events.SQSMessage) // makes failed messages come again soon; may be nil
	// Reconcile makes the space of a scope's pools at cidr agree with the resources
	// there. If nil, a scan finishes no imports and only logs live space that is
	// free.
	Reconcile func(ctx context.Context, scope string, cidr netip.Prefix) error
}

// Handler scans. It is safe for concurrent use.
type Handler struct {
	store Store
	queue Queue
	o     Options
}

// New returns a handler that scans a store.
func New(s Store, q Queue, o Options) *Handler {
	if o.ForecastDays == 0 {
		o.ForecastDays = lambdakit.DefaultForecastDays
	}
	return &Handler{s, q, o}
}

// Event invokes the function. It is a batch of its queue or the schedule's event.
type Event struct {
	events.SQSEvent
	Dispatch bool `json:"dispatch"`
}

// task is the body of a message: it asks for the scan of one family of a scope, or
// for the count of an IPAM's network.
type task struct {
	Scope  string      `json:"scope,omitempty"`
	Family ipam.Family `json:"family,omitempty"`
	IPAM   string      `json:"ipam,omitempty"`
	Owner  string      `json:"owner,omitempty"` // of the IPAM
	// The members below are set in the rest of a task that an earlier invocation began.
	After         string               `json:"after,omitempty"`         // where to continue
	Began         int64                `json:"began,omitempty"`         // when the scan began, Unix milliseconds
	Totals        *totals              `json:"totals,omitempty"`        // of a scope
	Part          string               `json:"part,omitempty"`          // of an IPAM: the part that it counts now, "" first
	Public        public               `json:"public,omitempty"`        // of an IPAM
	Network       *ipam.NetworkSummary `json:"network,omitempty"`       // of an IPAM
	Continuations int                  `json:"continuations,omitempty"` // how many invocations worked on the task before
	MapOnly       bool                 `json:"map_only,omitempty"`      // only the map of the scope remains, for which an earlier invocation had too little time
}

// maxContinuations bounds the invocations of one task. Lambda's own detection of
// recursive loops stops a function after 16 turns through its queue, so the
// deployment switches it off for this function and this bound replaces it. With
// invocations of 10 minutes it is more than a day.
const maxContinuations = 150

// Handle works on an event and logs one record for each piece of work.
func (h *Handler) Handle(ctx context.Context, e Event) (events.SQSEventResponse, error) {
	switch {
	case len(e.Records) > 0:
		return lambdakit.Messages(ctx, e.SQSEvent, h.o.Retry, h.message), nil
	case e.Dispatch:
		return events.SQSEventResponse{}, h.unit(ctx, telemetry.DispatchScans, "", h.dispatch)
	}
	return events.SQSEventResponse{}, errors.New(`the event is neither a batch of the queue nor {"dispatch": true}`)
}

func (h *Handler) message(ctx context.Context, m events.SQSMessage) error {
	var t task
	err := json.Unmarshal([]byte(m.Body), &t)
	switch {
	case err != nil:
		return h.unit(ctx, "scan", m.MessageId, func(context.Context) error { return fmt.Errorf("read the message: %w", err) })
	case t.IPAM != "":
		return h.unit(ctx, "public-addresses", t.IPAM, func(ctx context.Context) error { return h.countNetwork(ctx, t) })
	case t.Scope == "" || t.Family == 0:
		return h.unit(ctx, "scan", m.MessageId, func(context.Context) error {
			return fmt.Errorf("the message %s names no scope with a family, and no IPAM", m.Body)
		})
	}
	return h.unit(ctx, "scan", t.Scope+"#"+t.Family.String(), func(ctx context.Context) error { return h.scan(ctx, t) })
}

// dispatch sends a task for each scope and IPAM. It finds the IPAMs by their default
// resource discoveries.
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

// sendRest sends the rest of a task.
func (h *Handler) sendRest(ctx context.Context, t task) error {
	if t.Continuations++; t.Continuations > maxContinuations {
		return fmt.Errorf("the task is not done after %d invocations, which is the limit; it is at %q", maxContinuations, t.After)
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return h.queue.Send(ctx, string(b))
}

// late reports whether the invocation is near its end.
func (h *Handler) late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && h.o.Time().After(deadline.Add(-margin))
}

// unit runs a unit of work on something and logs a record of it.
func (h *Handler) unit(ctx context.Context, operation, on string, work func(context.Context) error) error {
	return h.o.Unit(ctx, operation, func(ctx context.Context, r *telemetry.Record) error {
		r.Add(slog.String("on", on))
		return work(ctx)
	})
}
