package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// The line follows the specification of the embedded metric format: each
// dimension and metric that the metadata names is a member at the root.
func TestRecordIsAMetric(t *testing.T) {
	var line bytes.Buffer
	at := time.UnixMilli(1_700_000_000_123)
	slog.New(slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})).LogAttrs(t.Context(), slog.LevelInfo, "request", Work(at, "AllocateIpamPoolCidr", "quota", 1234567*time.Nanosecond)...)
	var got any
	if err := json.Unmarshal(line.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request",
		"Operation": "AllocateIpamPoolCidr", "Outcome": "quota", "Requests": 1.0, "Duration": 1.234,
		"_aws": map[string]any{"Timestamp": 1700000000123.0, "CloudWatchMetrics": []any{
			map[string]any{
				"Namespace": "Cadastre/IPAM", "Dimensions": []any{[]any{"Outcome"}, []any{"Operation", "Outcome"}},
				"Metrics": []any{map[string]any{"Name": "Requests", "Unit": "Count"}},
			},
			map[string]any{
				"Namespace": "Cadastre/IPAM", "Dimensions": []any{[]any{"Operation"}},
				"Metrics": []any{map[string]any{"Name": "Duration", "Unit": "Milliseconds"}},
			},
		}},
	}
	if diff := cmp.Diff(got, any(want)); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestOutcome(t *testing.T) {
	for code, want := range map[ipam.Code]string{
		"": "ok", ipam.CodeUnauthorizedOperation: "auth", ipam.CodeInvalidParameterValue: "caller", ipam.CodeInternalError: "internal", "VpcLimitExceeded": "caller",
	} {
		if got := OutcomeOf(code); got != want {
			t.Errorf("OutcomeOf(%q) = %q, want %q", code, got, want)
		}
	}
	for code, row := range ipam.Codes {
		if row.Label == "" || row.Label == OK || row.Label == Remains {
			t.Errorf("%s has the label %q", code, row.Label)
		}
	}
}
