// Command provisioning is the Lambda function that finishes what one
// transaction cannot: cascading deletes, what is left of resource discoveries
// and their associations, and splits that their request abandoned. Work is noted
// in the table's partition store.WorkPK, in the same transaction that begins it.
// The function is invoked
//
//   - by the table's stream, with the notes that were inserted: the work is
//     begun at once. What is not finished is a partial-batch failure, and comes
//     again;
//   - by a schedule, with the event {"sweep": true}: all work is taken up that
//     was noted some minutes ago. So nothing is lost with a record that the
//     stream gave up, and splits, which are their request's own until their
//     deadline, are found after it.
package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	// sweepAge is how old a note is when the sweep takes it up: no younger
	// than a split's deadline, before which there is nothing to do for it.
	sweepAge = 5 * time.Minute
	// sideBySide is how many pieces of work a sweep runs at once, so that a
	// long delete does not keep up the others.
	sideBySide = 8
	// margin is how long before the end of the invocation work stops, to
	// answer that it remains.
	margin = 5 * time.Second
)

// Store is the part of store.Store that keeps work.
type Store interface {
	RunWork(ctx context.Context, sk string) error
	PendingWork(ctx context.Context, olderThan time.Time) ([]string, error)
}

// Options are the handler's other dependencies. The zero value is complete.
type Options struct {
	Logger *slog.Logger     // slog.Default() if nil
	Now    func() time.Time // time.Now if nil
}

// Handler runs work. It is safe for concurrent use.
type Handler struct {
	store  Store
	logger *slog.Logger
	now    func() time.Time
}

// New returns a handler for a store's work.
func New(s Store, o Options) *Handler {
	h := &Handler{store: s, logger: o.Logger, now: o.Now}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// Event is what invokes the function: a batch of the table's stream, or the
// schedule's.
type Event struct {
	events.DynamoDBEvent
	Sweep bool `json:"sweep"`
}

// Handle runs the work that an event tells of and logs one record for each
// piece. A batch is answered with the record to retry from. A sweep fails if
// any work failed; what merely remains is the next sweep's.
func (h *Handler) Handle(ctx context.Context, e Event) (events.DynamoDBEventResponse, error) {
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	switch {
	case len(e.Records) > 0:
		return lambdakit.Stream(ctx, e.DynamoDBEvent, h.record), nil
	case e.Sweep:
		return events.DynamoDBEventResponse{}, h.sweep(ctx)
	}
	return events.DynamoDBEventResponse{}, errors.New(`the event is neither a batch of the table's stream nor {"sweep": true}`)
}

// record runs the work of a note that was put into the table. The filter of the
// event source lets no other record through; one that comes all the same is no
// work.
func (h *Handler) record(ctx context.Context, r events.DynamoDBEventRecord) error {
	keys := r.Change.Keys
	pk, sk := keys[table.AttrPK], keys[table.AttrSK]
	if r.EventName == string(events.DynamoDBOperationTypeRemove) || pk.DataType() != events.DataTypeString || pk.String() != items.WorkPK {
		return nil
	}
	return h.run(ctx, sk.String())
}

func (h *Handler) sweep(ctx context.Context) error {
	work, err := h.store.PendingWork(ctx, h.now().Add(-sweepAge))
	if err != nil {
		return err
	}
	// In another order each time: else what stands first and never ends in time would
	// keep the rest from ever being begun.
	rand.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	failed := make([]error, len(work))
	var g errgroup.Group
	g.SetLimit(sideBySide)
	for i, sk := range work {
		g.Go(func() error {
			if err := h.run(ctx, sk); !remains(err) {
				failed[i] = err
			}
			return nil // the others go on
		})
	}
	_ = g.Wait()
	return errors.Join(failed...)
}

// run runs one piece of work and logs a record of it.
func (h *Handler) run(ctx context.Context, sk string) error {
	start := h.now()
	err := h.store.RunWork(ctx, sk)
	level, outcome := slog.LevelInfo, telemetry.OutcomeOf(ipam.CodeOf(err))
	switch {
	case remains(err):
		level, outcome = slog.LevelWarn, telemetry.Remains
	case err != nil:
		level = slog.LevelError
	}
	kind, _, _ := strings.Cut(sk, "#") // the store's own word, one of a few
	end := h.now()
	attributes := append(telemetry.Work(end, kind, outcome, end.Sub(start)),
		slog.String("work", sk),
		slog.Float64("duration_ms", telemetry.Milliseconds(end.Sub(start))),
		slog.String("code", string(ipam.CodeOf(err))),
	)
	if err != nil {
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	h.logger.LogAttrs(ctx, level, "work", attributes...)
	return err
}

// remains reports whether err says that work is to be gone on with later:
// something races with it, or the invocation came to its end.
func remains(err error) bool {
	return errors.Is(err, store.ErrWorkRemains) || errors.Is(err, context.DeadlineExceeded)
}
