// Command history is the Lambda function that reads the table's stream, through
// store.HistoryFilters. For what a record says it
//
//   - writes history: what used a CIDR, and how it stood, from when to when;
//   - has statuses evaluated at once: of what an allocation overlaps that came or
//     went, and by a scan of the scope, which the compliance function makes, when
//     a pool's rules changed or the pool is gone. What discovery writes is evaluated
//     where it is written;
//   - puts the events that tell of it on the event bus.
//
// A record may come again, and after ones that follow it. Records of history
// have keys that only depend on what they tell, evaluation is about what is there,
// and an event has the same id each time. Its own writes come back as records,
// statuses with events to tell and nothing to evaluate; there it ends.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"sync"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	// sideBySide is how many records are worked on at once. They need no order
	// but that of their events.
	sideBySide = 8
	// margin is how long before the end of the invocation work stops, to answer
	// where to go on from.
	margin = 5 * time.Second
	// operation is the name of a batch in records and metrics.
	operation = "history"
)

// Store is the part of store.Store that history is written and statuses are
// evaluated with.
type Store interface {
	PutHistory(ctx context.Context, scope string, records ...ipam.HistoryRecord) error
	EvaluateStatus(ctx context.Context, scope string, cidr netip.Prefix) error
	Pools(ctx context.Context, ids []string) ([]*ipam.Pool, error)
}

// Scans is the queue that the compliance function is asked for scans through.
type Scans interface {
	Send(ctx context.Context, bodies ...string) error
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	Logger *slog.Logger     // slog.Default() if nil
	Now    func() time.Time // time.Now if nil
}

// Handler works on batches of the table's stream. It is safe for concurrent use.
type Handler struct {
	store  Store
	scans  Scans
	bus    *Bus
	logger *slog.Logger
	now    func() time.Time
	scopes sync.Map // a pool's id to its scope, which never changes
}

// New returns a handler that writes to a store and tells a bus.
func New(s Store, scans Scans, bus *Bus, o Options) *Handler {
	h := &Handler{store: s, scans: scans, bus: bus, logger: o.Logger, now: o.Now}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// Handle works on a batch and logs one record of it. The answer tells the record
// to retry from: the first whose history, evaluation or events failed. Events are
// told of the records before the first one whose history or evaluation failed, as
// they come in order.
func (h *Handler) Handle(ctx context.Context, e lambdaevents.DynamoDBEvent) (lambdaevents.DynamoDBEventResponse, error) {
	start := h.now()
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	failed, told := make([]error, len(e.Records)), make([][]message, len(e.Records))
	var g errgroup.Group
	g.SetLimit(sideBySide)
	for i, r := range e.Records {
		g.Go(func() error {
			told[i], failed[i] = h.record(ctx, i, r)
			return nil // the others go on
		})
	}
	_ = g.Wait()
	var all []message
	for i := 0; i < len(told) && failed[i] == nil; i++ {
		all = append(all, told[i]...)
	}
	err := h.bus.send(ctx, all)
	if refused, ok := errors.AsType[*refusal](err); ok {
		failed[refused.record] = err
	}
	h.log(ctx, start, len(all), failed)
	i := -1
	return lambdakit.Stream(ctx, e, func(context.Context, lambdaevents.DynamoDBEventRecord) error {
		i++
		return failed[i]
	}), nil
}

// record does what a record asks for but to send its events, which it returns.
func (h *Handler) record(ctx context.Context, at int, r lambdaevents.DynamoDBEventRecord) ([]message, error) {
	if r.UserIdentity != nil { // a removal by TTL, which tells nothing that was not known
		return nil, nil
	}
	c, k, err := decode(r)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(h.history(ctx, c), h.evaluate(ctx, c), h.scan(ctx, c)); err != nil {
		return nil, err
	}
	entries, err := c.entries()
	messages := make([]message, len(entries))
	for i, e := range entries {
		messages[i] = message{k.String(), at, e}
	}
	return messages, err
}

func decode(r lambdaevents.DynamoDBEventRecord) (*change, table.Key, error) {
	c := &change{eventID: r.EventID, at: r.Change.ApproximateCreationDateTime.Time}
	pk, sk := r.Change.Keys[table.AttrPK], r.Change.Keys[table.AttrSK]
	if pk.DataType() != lambdaevents.DataTypeString || sk.DataType() != lambdaevents.DataTypeString {
		return nil, table.Key{}, fmt.Errorf("record %s has no key of the table", r.EventID)
	}
	k := table.Key{PK: pk.String(), SK: sk.String()}
	for _, i := range []struct {
		image map[string]lambdaevents.DynamoDBAttributeValue
		to    *items.Image
	}{{r.Change.OldImage, &c.before}, {r.Change.NewImage, &c.after}} {
		if len(i.image) == 0 {
			continue
		}
		var err error
		if *i.to, err = items.DecodeImage(k, lambdakit.Item(i.image)); err != nil {
			return nil, k, fmt.Errorf("record %s: %w", r.EventID, err)
		}
	}
	return c, k, nil
}

// history writes what began and ended with a change of a resource's row.
func (h *Handler) history(ctx context.Context, c *change) error {
	before, after := c.before.Resource, c.after.Resource
	records := ipam.Recorded(before, after, c.at.UnixMilli())
	if len(records) == 0 {
		return nil
	}
	row := after
	if row == nil {
		row = before
	}
	return h.store.PutHistory(ctx, row.Scope, records...)
}

// evaluate has the statuses evaluated of what an allocation overlaps that came or went.
func (h *Handler) evaluate(ctx context.Context, c *change) error {
	a := c.after.Allocation
	switch {
	case c.allocated():
	case c.released():
		a = c.before.Allocation
	default:
		return nil
	}
	scope, err := h.scopeOf(ctx, a.Pool)
	if err != nil || scope == "" { // a pool that is gone has its scope scanned
		return err
	}
	return h.store.EvaluateStatus(ctx, scope, a.CIDR)
}

// scopeOf returns a pool's scope, "" of one that is gone and was not known.
func (h *Handler) scopeOf(ctx context.Context, pool string) (string, error) {
	if scope, ok := h.scopes.Load(pool); ok {
		return scope.(string), nil
	}
	found, err := h.store.Pools(ctx, []string{pool})
	if err != nil || len(found) == 0 {
		return "", err
	}
	h.scopes.Store(pool, found[0].Scope)
	return found[0].Scope, nil
}

// scan asks for a scan of a pool's scope when the pool's rules changed, or when
// it is gone.
func (h *Handler) scan(ctx context.Context, c *change) error {
	before, after := c.before.Pool, c.after.Pool
	if before == nil || after != nil && reflect.DeepEqual(before.Rules, after.Rules) {
		return nil
	}
	body, err := json.Marshal(struct {
		Scope  string      `json:"scope"`
		Family ipam.Family `json:"family"`
	}{before.Scope, before.Family})
	if err != nil {
		return err
	}
	return h.scans.Send(ctx, string(body))
}

// log writes the batch's record, which is its metrics too.
func (h *Handler) log(ctx context.Context, start time.Time, told int, failed []error) {
	end := h.now()
	level, code, failures := slog.LevelInfo, ipam.Code(""), 0
	outcome := telemetry.OK
	for _, err := range failed {
		if err == nil {
			continue
		}
		if failures++; failures == 1 {
			level, code = slog.LevelError, ipam.CodeOf(err)
			outcome = telemetry.OutcomeOf(code)
			if errors.Is(err, context.DeadlineExceeded) {
				level, outcome = slog.LevelWarn, telemetry.Remains
			}
		}
	}
	attributes := append(telemetry.Work(end, operation, outcome, end.Sub(start)),
		slog.Int("records", len(failed)),
		slog.Int("events", told),
		slog.Int("failed", failures),
		slog.Float64("duration_ms", telemetry.Milliseconds(end.Sub(start))),
		slog.String("code", string(code)),
	)
	if err := errors.Join(failed...); err != nil {
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	h.logger.LogAttrs(ctx, level, "history", attributes...)
}
