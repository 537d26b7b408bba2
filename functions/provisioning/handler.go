// Command provisioning is the Lambda function that finishes the work that does
// not fit into one transaction: cascading deletes, the removal of resource
// discoveries and their associations, and splits that a request abandoned. The
// transaction that begins such work writes a work note into the table's partition
// items.WorkPK. Two sources invoke the function:
//
//   - The table's stream sends the notes that were inserted, and the work begins
//     at once. Work that is not finished is a partial-batch failure: Lambda sends
//     its record again. A note of items.LiveWork waits some seconds first: its writer
//     does the work too, as a rule, and then deletes the note.
//   - A schedule sends the event {"sweep": true}. The function then runs all work
//     whose note is older than some minutes. So no work is lost when the stream
//     gives up a record. A split belongs to its request until its deadline; the
//     sweep finds it afterwards. Before the work, the sweep takes the steps of an
//     upgrade of the table's layout that are due.
package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	// sweepAge is the least age of a note that the sweep runs. It is not below a
	// split's deadline: until then the split belongs to its request.
	sweepAge = 5 * time.Minute
	// maxConcurrentWork is how many pieces of work a sweep, or a batch of the stream,
	// runs at once, so that a long delete does not delay the others.
	maxConcurrentWork = 8
	// writersTime is the age at which the work of a note begins whose writer does the work
	// too. Nobody waits for this work: the writer has done it when it answers. Without the
	// wait both would do all of it, and conflict.
	writersTime = 3 * time.Second
	// margin is how long before the end of the invocation work stops, so that the
	// function can still answer.
	margin = 5 * time.Second
)

// Store is the part of store.Store that holds and runs work.
type Store interface {
	RunWork(ctx context.Context, sk string) error
	PendingWork(ctx context.Context, olderThan time.Time) ([]string, error)
}

// Handler runs work. It is safe for concurrent use.
type Handler struct {
	store   Store
	upgrade func(context.Context) error
	o       telemetry.Options
}

// New returns a handler for a store's work. A sweep calls upgrade first: it takes the
// steps of an upgrade of the table's layout that are due.
func New(s Store, upgrade func(context.Context) error, o telemetry.Options) *Handler {
	return &Handler{s, upgrade, o}
}

// Event invokes the function. It is a batch of the table's stream or the
// schedule's event.
type Event struct {
	events.DynamoDBEvent
	Sweep bool `json:"sweep"`
}

// Handle runs the work that an event names and logs one record for each piece. The
// answer to a batch is the record to retry from. A sweep returns an error if any
// work failed; work that remains is no failure, as the next sweep runs it.
func (h *Handler) Handle(ctx context.Context, e Event) (events.DynamoDBEventResponse, error) {
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	switch {
	case len(e.Records) > 0:
		return h.batch(ctx, e.DynamoDBEvent), nil
	case e.Sweep:
		return events.DynamoDBEventResponse{}, h.sweep(ctx)
	}
	return events.DynamoDBEventResponse{}, errors.New(`the event is neither a batch of the table's stream nor {"sweep": true}`)
}

// batch runs the work of the notes that a batch of the stream put into the table,
// up to maxConcurrentWork pieces at once. Notes are independent of one another; a note
// that was put several times, or whose work is done with that of another, is run once, and
// its first record fails if it fails. Notes
// that their writers work on wait without holding up the others of the batch.
func (h *Handler) batch(ctx context.Context, e events.DynamoDBEvent) events.DynamoDBEventResponse {
	failed := make([]error, len(e.Records))
	begun := map[string]bool{}
	var waiting []int // records
	var longest time.Duration
	var g errgroup.Group
	g.SetLimit(maxConcurrentWork)
	start := func(i int, sk string) {
		g.Go(func() error {
			failed[i] = h.run(ctx, sk)
			return nil // the others go on
		})
	}
	for i, r := range e.Records {
		sk, ok := noted(r)
		if !ok || begun[items.WorkGroup(sk)] {
			continue
		}
		begun[items.WorkGroup(sk)] = true
		if wait := h.wait(sk, r); wait > 0 {
			waiting = append(waiting, i)
			longest = max(longest, wait)
			continue
		}
		start(i, sk)
	}
	if len(waiting) > 0 && backoff.Sleep(ctx, longest) == nil {
		for _, i := range waiting {
			sk, _ := noted(e.Records[i])
			start(i, sk)
		}
		waiting = nil
	}
	for _, i := range waiting {
		failed[i] = ctx.Err()
	}
	_ = g.Wait()
	return lambdakit.FirstFailure(e, failed)
}

// wait returns the time that is left to the writer of a note. DynamoDB's clock gives the
// age of the note, and this function's the time. If these clocks differ, the wait is too
// short or too long, writersTime at most, and nothing else changes: both may do the work
// at once.
func (h *Handler) wait(sk string, r events.DynamoDBEventRecord) time.Duration {
	if kind, _ := items.ParseWork(sk); kind != items.LiveWork {
		return 0
	}
	age := h.o.Time().Sub(r.Change.ApproximateCreationDateTime.Time)
	return min(max(writersTime-age, 0), writersTime)
}

// noted returns the sort key of the note that a record says was put into the table. It
// is false of any other record; the event source's filter should let none through.
func noted(r events.DynamoDBEventRecord) (string, bool) {
	keys := r.Change.Keys
	pk, sk := keys[table.AttrPK], keys[table.AttrSK]
	if r.EventName == string(events.DynamoDBOperationTypeRemove) || pk.DataType() != events.DataTypeString || pk.String() != items.WorkPK {
		return "", false
	}
	return sk.String(), true
}

func (h *Handler) sweep(ctx context.Context) error {
	upgraded := h.upgrade(ctx) // its failure does not keep the work from being done
	work, err := h.store.PendingWork(ctx, h.o.Time().Add(-sweepAge))
	if err != nil {
		return errors.Join(upgraded, err)
	}
	// The order is random: otherwise work that comes first and never ends in time
	// would keep the rest from ever starting.
	rand.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	begun := map[string]bool{}
	work = slices.DeleteFunc(work, func(sk string) bool {
		group := items.WorkGroup(sk)
		defer func() { begun[group] = true }()
		return begun[group]
	})
	failed := make([]error, len(work))
	var g errgroup.Group
	g.SetLimit(maxConcurrentWork)
	for i, sk := range work {
		g.Go(func() error {
			if err := h.run(ctx, sk); !remains(err) {
				failed[i] = err
			}
			return nil // the others go on
		})
	}
	_ = g.Wait()
	return errors.Join(upgraded, errors.Join(failed...))
}

// run runs one piece of work and logs a record of it.
func (h *Handler) run(ctx context.Context, sk string) error {
	kind, _ := items.ParseWork(sk)
	return h.o.Unit(ctx, kind, func(ctx context.Context, r *telemetry.Record) error {
		r.Add(slog.String("work", sk))
		err := h.store.RunWork(ctx, sk)
		if remains(err) {
			r.Remains()
		}
		return err
	})
}

// remains reports whether err means that the work continues later: another writer
// interfered, or the invocation's time is over.
func remains(err error) bool {
	return errors.Is(err, store.ErrWorkRemains) || errors.Is(err, context.DeadlineExceeded)
}
