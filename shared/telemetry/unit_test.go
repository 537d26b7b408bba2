package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// recorder returns options whose clock moves on by 1.5 ms with each look, and the
// buffer that the records go to.
func recorder() (Options, *bytes.Buffer) {
	var line bytes.Buffer
	clock := time.UnixMilli(1_700_000_000_000)
	return Options{
		Logger: slog.New(slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "_aws" {
				return slog.Attr{}
			}
			return a
		}})),
		Now: func() time.Time { clock = clock.Add(1500 * time.Microsecond); return clock },
	}, &line
}

func TestUnit(t *testing.T) {
	refusal := ipam.Errorf(ipam.CodeResourceLimitExceeded, "full")
	for _, c := range []struct {
		name string
		work func(*Record) error
		want map[string]any
		err  error
	}{
		{"success", func(r *Record) error { r.Add(slog.Int("seen", 3)); return nil }, map[string]any{"level": "INFO", "Operation": "scan", "Outcome": "ok", "code": "", "seen": 3.0}, nil},
		{"failure", func(*Record) error { return context.Canceled }, map[string]any{"level": "ERROR", "Operation": "scan", "Outcome": "internal", "code": "InternalError", "error": "context canceled"}, context.Canceled},
		{"refusal", func(*Record) error { return refusal }, map[string]any{"level": "ERROR", "Operation": "scan", "Outcome": "quota", "code": "ResourceLimitExceeded", "error": "ResourceLimitExceeded: full"}, refusal},
		{"refusal for the caller alone", func(r *Record) error { r.SetLevel(slog.LevelInfo); return refusal }, map[string]any{"level": "INFO", "Operation": "scan", "Outcome": "quota", "code": "ResourceLimitExceeded"}, refusal},
		{"refusal to look at", func(r *Record) error { r.SetLevel(slog.LevelWarn); return refusal }, map[string]any{"level": "WARN", "Operation": "scan", "Outcome": "quota", "code": "ResourceLimitExceeded", "error": "ResourceLimitExceeded: full"}, refusal},
		{"a part remains", func(r *Record) error { r.Remains(); return context.DeadlineExceeded }, map[string]any{"level": "WARN", "Operation": "scan", "Outcome": "remains", "code": "InternalError", "error": "context deadline exceeded"}, context.DeadlineExceeded},
		{"another name and outcome", func(r *Record) error { r.Operation, r.Outcome = "count", "access-denied"; return nil }, map[string]any{"level": "INFO", "Operation": "count", "Outcome": "access-denied", "code": ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, line := recorder()
			if err := o.Unit(t.Context(), "scan", func(_ context.Context, r *Record) error { return c.work(r) }); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("returned %v, want %v", err, c.err)
			}
			var got map[string]any
			if err := json.Unmarshal(line.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v: %s", err, line)
			}
			for key, value := range map[string]any{"msg": "unit of work", "Requests": 1.0, "Duration": 1.5, "duration_ms": 1.5} {
				c.want[key] = value
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

func TestMeasure(t *testing.T) {
	o, line := recorder()
	o.Measure(t.Context(), Discoveries, nil, map[string]float64{"DiscoveryFailures": 1})
	if want := `{"level":"INFO","msg":"metrics","DiscoveryFailures":1}` + "\n"; line.String() != want {
		t.Errorf("got %s, want %s", line, want)
	}
}

func TestOptionsDefaults(t *testing.T) {
	if d := time.Since(Options{}.Time()); d < 0 || d > time.Minute {
		t.Errorf("the clock is off by %v", d)
	}
	if (Options{}).Log() != slog.Default() {
		t.Error("the logger is not the default one")
	}
}
