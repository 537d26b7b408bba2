package telemetry

import (
	"context"
	"log/slog"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Options are the dependencies that all functions have. The zero value is
// complete. Its methods are safe for concurrent use.
type Options struct {
	Logger *slog.Logger     // takes the records, metrics among them; slog.Default() if nil
	Now    func() time.Time // reads the clock; time.Now if nil
}

// Time returns the clock's time.
func (o Options) Time() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Log returns the logger.
func (o Options) Log() *slog.Logger {
	if o.Logger == nil {
		return slog.Default()
	}
	return o.Logger
}

// Record is the log record of a unit of work. The work fills it in while it runs.
// It is not safe for concurrent use.
type Record struct {
	Operation  string // the name in metrics, of a small closed set
	Outcome    string // the outcome in metrics, of a small closed set; if "", it follows from the error
	level      *slog.Level
	attributes []slog.Attr
}

// Add adds attributes, with names in snake_case.
func (r *Record) Add(attributes ...slog.Attr) { r.attributes = append(r.attributes, attributes...) }

// SetLevel sets the level: slog.LevelInfo for an error that is an answer to the
// caller, slog.LevelWarn for one that asks for no action.
func (r *Record) SetLevel(l slog.Level) { r.level = &l }

// Remains says that a part of the work is left for the next try. The outcome is
// [Remains] and the level is slog.LevelWarn.
func (r *Record) Remains() {
	r.Outcome = Remains
	r.SetLevel(slog.LevelWarn)
}

// Unit runs a unit of work, writes its one log record, which is its metrics too,
// and returns the work's error.
//
// The record has the attributes of [Work], duration_ms, code ("" without an error)
// and those that the work adds. Its level is Info without an error and Error with
// one, unless the work sets another. From Warn on, error has the error's text; the
// text of an error at Info is the caller's alone.
func (o Options) Unit(ctx context.Context, operation string, work func(context.Context, *Record) error) error {
	r := &Record{Operation: operation}
	start := o.Time()
	err := work(ctx, r)
	end := o.Time()
	took := end.Sub(start)
	level, code := slog.LevelInfo, ipam.CodeOf(err)
	if err != nil {
		level = slog.LevelError
	}
	if r.level != nil {
		level = *r.level
	}
	if r.Outcome == "" {
		r.Outcome = OutcomeOf(code)
	}
	r.Add(slog.Float64("duration_ms", Milliseconds(took)), slog.String("code", string(code)))
	if err != nil && level >= slog.LevelWarn {
		r.Add(slog.String("error", err.Error()))
	}
	o.Log().LogAttrs(ctx, level, "unit of work", append(r.attributes, Work(end, r.Operation, r.Outcome, took)...)...)
	return err
}

// Measure writes a record of metrics, now. See [Group.Record] for dimensions and
// values.
func (o Options) Measure(ctx context.Context, g *Group, dimensions []string, values map[string]float64) {
	o.Log().LogAttrs(ctx, slog.LevelInfo, "metrics", g.Record(o.Time(), dimensions, values)...)
}
