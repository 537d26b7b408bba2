// Package telemetry sets up what the functions log and measure: one structured
// record for each unit of work, which CloudWatch reads its metrics out of.
package telemetry

import (
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Namespace is the CloudWatch namespace of all metrics.
const Namespace = "Cadastre/IPAM"

// The metrics of operations and of the worker's units of work, and the
// dimensions that they are counted by.
const (
	Requests  = "Requests"  // how many, unit Count; by outcome, and by operation and outcome
	Duration  = "Duration"  // unit Milliseconds; by operation
	Operation = "Operation" // the operation's name
	Outcome   = "Outcome"   // see OutcomeOf
)

// The outcomes that are no error's.
const (
	OK      = "ok"      // it was carried out
	Remains = "remains" // a part of it is left for the next try
)

// The names of what schedules have done. There are alarms on each that does not
// come any more.
const (
	DispatchDiscovery = "dispatch-discovery"
	DispatchScans     = "dispatch-scans"
)

// Unknown stands for the name of an operation that there is not. What a caller
// writes never becomes a dimension: each value of one is a metric to be paid.
const Unknown = "Unknown"

// SetUp makes the default logger write Lambda's structured form to standard
// output, in the format (JSON, for the metrics) and from the level on that the
// function is configured with.
func SetUp() { slog.SetDefault(slog.New(lambdacontext.NewLogHandler())) }

// Work returns the attributes that make the log record of one operation, or of
// one unit of work, its metrics too, in CloudWatch's embedded metric format. The
// record must be written to standard output as JSON, with these attributes in no
// group, in the clock's time at. Both names must be of a small, closed set.
//
// The format is that of the CloudWatch User Guide, "Specification: Embedded
// metric format".
func Work(at time.Time, operation, outcome string, took time.Duration) []slog.Attr {
	return []slog.Attr{
		slog.String(Operation, operation),
		slog.String(Outcome, outcome),
		slog.Int(Requests, 1),
		slog.Float64(Duration, Milliseconds(took)),
		slog.Any("_aws", metadata{Timestamp: at.UnixMilli(), CloudWatchMetrics: directives}),
	}
}

// Milliseconds returns d as metrics and records give it, in milliseconds with
// the fraction of whole microseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// OutcomeOf returns OK for no code, and otherwise the code's label.
func OutcomeOf(code ipam.Code) string {
	if code == "" {
		return OK
	}
	return ipam.InfoOf(code).Label
}

type metadata struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metric struct{ Name, Unit string }

var directives = []directive{
	{Namespace, [][]string{{Outcome}, {Operation, Outcome}}, []metric{{Requests, "Count"}}},
	{Namespace, [][]string{{Operation}}, []metric{{Duration, "Milliseconds"}}},
}
