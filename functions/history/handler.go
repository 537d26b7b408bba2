// Command history is the Lambda function that reads the table's stream, through
// items.HistoryFilters. For each record of the stream it
//
//   - writes history: which resource used a CIDR, with which statuses, from when
//     to when; the changes that GetIpamSummary shows; and the states before
//     changes, from which GetIpamSpaceMap makes its maps of the past;
//   - evaluates statuses at once. An allocation that began or ended changes the
//     statuses of the resources that it overlaps. When a pool's rules changed or
//     the pool was deleted, the function asks the compliance function for a scan
//     of the scope. Discovery evaluates the statuses of the rows that it writes;
//   - notes CIDRs that prefix list resolvers select, or do not select any more; the
//     provisioning function then makes versions of the resolvers;
//   - publishes the events of the change on the event bus.
//
// The stream may send a record again, and after later ones. That is safe: the key
// of a history record depends on its content alone, an evaluation reads the present
// state, and an event has the same id each time. The function's own writes come
// back as records. Status changes then have events but need no evaluation, so the
// circle ends there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	// maxConcurrentRecords is how many records the function works on at once. Only
	// their events need an order.
	maxConcurrentRecords = 8
	// margin is how long before the end of the invocation work stops, so that the
	// function can still answer where to continue.
	margin = 5 * time.Second
	// operation is the name of a batch in logs and metrics.
	operation = "history"
)

// Store is the part of store.Store that writes history, evaluates statuses, and notes the
// CIDRs of prefix list resolvers.
type Store interface {
	PutHistory(ctx context.Context, scope string, records ...ipam.HistoryRecord) error
	PutChanges(ctx context.Context, scope string, changes ...ipam.HistoryRecord) error
	BeginPast(ctx context.Context) error
	PutPast(ctx context.Context, p *items.Past) error
	EvaluateStatus(ctx context.Context, scope string, cidr netip.Prefix) error
	Pools(ctx context.Context, ids []string) ([]*ipam.Pool, error)
	AllResolvers(ctx context.Context) ([]*ipam.PrefixListResolver, error)
	NoteMembers(ctx context.Context, members ...store.Member) error
}

// Scans is the compliance function's queue. A message asks for a scan.
type Scans interface {
	Send(ctx context.Context, bodies ...string) error
}

// Handler works on batches of the table's stream. It is safe for concurrent use.
type Handler struct {
	store  Store
	scans  Scans
	bus    *Bus
	o      telemetry.Options
	scopes sync.Map    // a pool's id to its scope, which never changes
	begun  atomic.Bool // BeginPast is done
}

// New returns a handler that writes to a store and publishes on a bus.
func New(s Store, scans Scans, bus *Bus, o telemetry.Options) *Handler {
	return &Handler{store: s, scans: scans, bus: bus, o: o}
}

// Handle works on a batch and logs one record of it. The answer is the record to
// retry from: the first whose history, evaluation or events failed. As events are
// in order, Handle publishes only those of the records before the first one whose
// history or evaluation failed.
func (h *Handler) Handle(ctx context.Context, e lambdaevents.DynamoDBEvent) (lambdaevents.DynamoDBEventResponse, error) {
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	failed := make([]error, len(e.Records))
	_ = h.o.Unit(ctx, operation, func(ctx context.Context, r *telemetry.Record) error {
		published := h.batch(ctx, e, failed)
		failures := slices.DeleteFunc(slices.Clone(failed), func(err error) bool { return err == nil })
		r.Add(slog.Int("records", len(failed)), slog.Int("events", published), slog.Int("failed", len(failures)))
		if len(failures) > 0 && errors.Is(failures[0], context.DeadlineExceeded) {
			r.Remains()
		}
		return errors.Join(failures...)
	})
	return lambdakit.FirstFailure(e, failed), nil
}

// batch works on the records of a batch, sets the error of each in failed, and
// returns how many events it handed to the bus.
func (h *Handler) batch(ctx context.Context, e lambdaevents.DynamoDBEvent, failed []error) (published int) {
	messages := make([][]message, len(e.Records))
	resolvers := sync.OnceValues(func() ([]*ipam.PrefixListResolver, error) { return h.store.AllResolvers(ctx) })
	var g errgroup.Group
	g.SetLimit(maxConcurrentRecords)
	for i, r := range e.Records {
		g.Go(func() error {
			messages[i], failed[i] = h.record(ctx, i, r, resolvers)
			return nil // the others continue
		})
	}
	_ = g.Wait()
	var all []message
	for i := 0; i < len(messages) && failed[i] == nil; i++ {
		all = append(all, messages[i]...)
	}
	err := h.bus.send(ctx, all)
	if rejected, ok := errors.AsType[*sendError](err); ok {
		failed[rejected.record] = err
	}
	return len(all)
}

// record works on a record of the stream and returns its events, which it does not
// send.
func (h *Handler) record(ctx context.Context, at int, r lambdaevents.DynamoDBEventRecord, resolvers func() ([]*ipam.PrefixListResolver, error)) ([]message, error) {
	if r.UserIdentity != nil { // a removal by TTL: the item had expired before
		return nil, nil
	}
	c, k, err := decode(r)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(h.history(ctx, c), h.past(ctx, c), h.evaluate(ctx, c), h.scan(ctx, c), h.members(ctx, c, resolvers)); err != nil {
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
	k, ok := table.KeyOf(lambdakit.Item(r.Change.Keys))
	if !ok {
		return nil, table.Key{}, fmt.Errorf("record %s has no key of the table", r.EventID)
	}
	for _, i := range []struct {
		image map[string]lambdaevents.DynamoDBAttributeValue
		to    *items.Image
	}{{r.Change.OldImage, &c.before}, {r.Change.NewImage, &c.after}} {
		var err error
		if *i.to, err = items.DecodeImage(k, image(i.image)); err != nil {
			return nil, k, fmt.Errorf("record %s: %w", r.EventID, err)
		}
	}
	past, ok, err := items.PastOfChange(k, image(r.Change.OldImage), image(r.Change.NewImage))
	if err != nil {
		return nil, k, fmt.Errorf("record %s: %w", r.EventID, err)
	}
	if ok {
		past.At, past.Sequence = c.at.Unix(), r.Change.SequenceNumber
		c.past = past
	}
	return c, k, nil
}

// image returns an image of a record as an item, nil for none.
func image(of map[string]lambdaevents.DynamoDBAttributeValue) table.Item {
	if len(of) == 0 {
		return nil
	}
	return lambdakit.Item(of)
}

// past writes the state before a change for the maps of the past.
func (h *Handler) past(ctx context.Context, c *change) error {
	if c.past == nil {
		return nil
	}
	if !h.begun.Load() {
		if err := h.store.BeginPast(ctx); err != nil {
			return err
		}
		h.begun.Store(true)
	}
	return h.store.PutPast(ctx, c.past)
}

// history writes the history records that begin or end with a change of a
// resource's row, and the change if the resource appears or goes.
func (h *Handler) history(ctx context.Context, c *change) error {
	before, after := c.before.Resource, c.after.Resource
	// The stream rounds its times down to a second (Amazon DynamoDB Streams API,
	// StreamRecord), so the change is before the next second.
	gone := c.at.Truncate(time.Second).Add(time.Second)
	records := ipam.Recorded(before, after, gone.UnixMilli())
	if len(records) == 0 {
		return nil
	}
	row := after
	if row == nil {
		row = before
	}
	if err := h.store.PutHistory(ctx, row.Scope, records...); err != nil {
		return err
	}
	return h.store.PutChanges(ctx, row.Scope, ipam.Changes(before, after, gone.UnixMilli())...)
}

// evaluate evaluates the statuses of the resources that overlap an allocation which
// began or ended.
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
	if err != nil || scope == "" { // the scan of a deleted pool's scope covers it
		return err
	}
	return h.store.EvaluateStatus(ctx, scope, a.CIDR)
}

// scopeOf returns a pool's scope. It is "" if the pool was deleted before this process
// read it.
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

// scan asks for a scan of a pool's scope if the pool's rules changed or the pool was
// deleted.
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
