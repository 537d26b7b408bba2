package telemetry

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the README's table")

// The line follows the specification of the embedded metric format.
func TestGroupRecord(t *testing.T) {
	for _, c := range []struct {
		group  *Group
		at     []string
		values map[string]float64
		want   string
	}{
		{Pools, []string{"ipv4", "None", "ipam-pool-1", "ipam-scope-1"}, map[string]float64{"PercentAllocated": 12.5, "CompliantResourceCidrs": 3}, `{
			"AddressFamily": "ipv4", "Locale": "None", "PoolID": "ipam-pool-1", "ScopeID": "ipam-scope-1", "CompliantResourceCidrs": 3, "PercentAllocated": 12.5,
			"_aws": {"Timestamp": 1700000000123, "CloudWatchMetrics": [{"Namespace": "Cadastre/IPAM", "Dimensions": [["AddressFamily", "Locale", "PoolID", "ScopeID"]],
				"Metrics": [{"Name": "CompliantResourceCidrs", "Unit": "Count"}, {"Name": "PercentAllocated", "Unit": "Percent"}]}]}}`},
		{Totals, nil, map[string]float64{"OverlappingResourceCidrsTotal": 0, "PoolsOverThreshold": 1}, `{
			"OverlappingResourceCidrsTotal": 0, "PoolsOverThreshold": 1,
			"_aws": {"Timestamp": 1700000000123, "CloudWatchMetrics": [{"Namespace": "Cadastre/IPAM", "Dimensions": [[]],
				"Metrics": [{"Name": "OverlappingResourceCidrsTotal", "Unit": "Count"}, {"Name": "PoolsOverThreshold", "Unit": "Count"}]}]}}`},
	} {
		var line bytes.Buffer
		slog.New(slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
				return slog.Attr{}
			}
			return a
		}})).LogAttrs(t.Context(), slog.LevelInfo, "", c.group.Record(time.UnixMilli(1_700_000_000_123), c.at, c.values)...)
		var got, want any
		if err := json.Unmarshal(line.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.group.Of, d)
		}
	}
	for name, f := range map[string]func(){
		"a dimension is missing": func() { Scopes.Record(time.Time{}, []string{"ipv4"}, nil) },
		"no metric of the group": func() {
			Scopes.Record(time.Time{}, []string{"ipv4", "ipam-scope-1"}, map[string]float64{"PercentAllocated": 1})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// The limits of the embedded metric format: 100 metrics and 30 dimensions a
// record; units that CloudWatch knows.
func TestGroupsFitTheFormat(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range Groups() {
		if len(g.Metrics) == 0 || len(g.Metrics) > 100 || len(g.Dimensions) > 30 {
			t.Errorf("%s: %d metrics, %d dimensions", g.Of, len(g.Metrics), len(g.Dimensions))
		}
		for _, m := range g.Metrics {
			key := m.Name + strings.Join(g.Dimensions, " ")
			if seen[key] || m.Meaning == "" || !slices.Contains([]string{"Count", "Percent", "None", "Milliseconds"}, m.Unit) {
				t.Errorf("%s of %s: %+v", m.Name, g.Of, m)
			}
			seen[key] = true
		}
	}
	for _, d := range directives {
		for _, dimensions := range d.Dimensions {
			for _, m := range d.Metrics {
				if key := m.Name + strings.Join(dimensions, " "); !seen[key] {
					t.Errorf("%s by %v is in no group", m.Name, dimensions)
				}
			}
		}
	}
}

func TestPrice(t *testing.T) {
	for n, want := range map[int]float64{0: 0, 1: 0.3, 10_000: 3000, 10_001: 3000.1, 250_000: 27_000, 1_000_000: 64_500, 1_000_100: 64_502} {
		if got := MonthlyPrice(n); math.Abs(got-want) > 1e-6 {
			t.Errorf("%d metrics cost %v, want %v", n, got, want)
		}
	}
	// 3 outcomes, 6 of them by operation, 2 durations, 4 of the deployment, 5, 10, 9, 50, 50 and 1.
	d := Deployment{Operations: 2, Outcomes: 3, ScopeFamilies: 1, Pools: 2, PublicRegions: 1, VPCs: 50, Subnets: 50, PublicPools: 1}
	if got := d.Metrics(); got != 3+6+2+4+5+10+9+50+50+1 {
		t.Errorf("%d metrics", got)
	}
}

const begin, end = "<!-- metrics: made from the code by `go test ./shared/telemetry -update` -->\n", "<!-- end of metrics -->\n"

func TestReadme(t *testing.T) {
	var table strings.Builder
	table.WriteString("| metric | unit | dimensions | one for each | meaning | written |\n|---|---|---|---|---|---|\n")
	for _, g := range Groups() {
		dimensions, written := "none", "always"
		if len(g.Dimensions) > 0 {
			dimensions = strings.Join(g.Dimensions, ", ")
		}
		if g.Optional {
			written = "if asked for"
		}
		for _, m := range g.Metrics {
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Unit, dimensions, g.Of, m.Meaning, written)
		}
	}
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	have, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("README.md has no place for the table")
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(table.String(), have); d != "" {
		t.Errorf("README.md is not up to date; run with -update (-want +got):\n%s", d)
	}
}
