// Package telemetry sets up the functions' logs and metrics: one structured
// record for each unit of work, from which CloudWatch reads the metrics.
package telemetry

import (
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Namespace is the CloudWatch namespace of all metrics.
const Namespace = "Cadastre/IPAM"

// The metrics of operations and of units of work, and their dimensions.
const (
	Requests  = "Requests"  // number, unit Count; by outcome, and by operation and outcome
	Duration  = "Duration"  // unit Milliseconds; by operation
	Operation = "Operation" // the operation's name
	Outcome   = "Outcome"   // see OutcomeOf
)

// The outcomes without an error.
const (
	OK      = "ok"      // the work is done
	Remains = "remains" // a part of the work is left for the next try
)

// The names of scheduled work. An alarm goes off for each that stops.
const (
	DispatchDiscovery = "dispatch-discovery"
	DispatchScans     = "dispatch-scans"
)

// Unknown is the operation in the metrics of a request for an unknown
// operation. A caller's text never becomes a dimension, because each value is a
// metric that CloudWatch bills.
const Unknown = "Unknown"

// SetUp makes the default logger write Lambda's structured form to standard
// output. The function's configuration gives the format (JSON, for the metrics)
// and the lowest level.
func SetUp() { slog.SetDefault(slog.New(lambdacontext.NewLogHandler())) }

// Work returns the attributes that add the metrics of an operation, or of a
// unit of work, to its log record, in CloudWatch's embedded metric format. The
// record must be written to standard output as JSON, with these attributes in
// no group, at the time at. Both names must come from a small, closed set.
//
// The format is in the CloudWatch User Guide, "Specification: Embedded metric
// format".
func Work(at time.Time, operation, outcome string, took time.Duration) []slog.Attr {
	return []slog.Attr{
		slog.String(Operation, operation),
		slog.String(Outcome, outcome),
		slog.Int(Requests, 1),
		slog.Float64(Duration, Milliseconds(took)),
		slog.Any("_aws", metadata{Timestamp: at.UnixMilli(), CloudWatchMetrics: directives}),
	}
}

// Milliseconds returns d in milliseconds with the fraction of whole
// microseconds, as metrics and records have it.
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
