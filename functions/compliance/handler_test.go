package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const account = "111122223333"

// env is an IPAM with a pool 10.0.0.0/24, whose rules require a tag on each VPC, and a queue
// that keeps the sent messages.
type env struct {
	*testing.T
	table   *tabletest.Memory
	calls   *tabletest.Counter
	store   *store.Store
	ipam    *ipam.IPAM
	pool    string
	now     time.Time
	sent    []string
	logs    bytes.Buffer
	options Options
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newEnv(t *testing.T) *env {
	w := &env{T: t, table: &tabletest.Memory{}, now: time.UnixMilli(1_800_000_000_000)}
	w.calls = &tabletest.Counter{Table: w.table}
	w.store = w.open(w.calls)
	w.options = Options{Options: telemetry.Options{Logger: slog.New(slog.NewJSONHandler(&w.logs, nil)), Now: func() time.Time { return w.now }}}
	ctx := t.Context()
	token := func(op string) store.Token { return store.Token{Account: account, Operation: op} }
	w.ipam = must(w.store.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: account}, OperatingRegions: []string{"us-east-1"}}))(t)
	pool := must(w.store.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: w.ipam.PrivateScope, Family: ipam.IPv4, AutoImport: true, Locale: "us-east-1", Rules: ipam.Rules{ResourceTags: ipam.Tags{"env": "prod"}}},
		func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t)
	w.pool = pool.ID
	must(w.store.Provision(ctx, store.Provision{Token: token("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix("10.0.0.0/24"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}))(t)
	return w
}

func (w *env) open(table table.Table) *store.Store {
	quotas := ipam.DefaultQuotas()
	quotas.IPAMs = 2
	return store.New(table, store.Options{Region: "us-east-1", Owner: account, Quotas: &quotas, Now: func() time.Time { return w.now }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

func (w *env) allocate(cidr string) {
	w.Helper()
	must(w.store.Allocate(w.Context(), store.Allocate{Token: store.Token{Account: account, Operation: "AllocateIpamPoolCidr"}, Pool: w.pool,
		Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil }}))(w.T)
}

// put writes resources as a discovery does.
func (w *env) put(scope string, resources ...ipam.Resource) {
	w.Helper()
	for _, r := range resources {
		r.Owner, r.Region = account, "us-east-1"
		row := items.EncodeResource(&ipam.ResourceCIDR{Resource: r, Scope: scope, Sampled: 1, Since: 1, Rev: 1})
		if err := w.table.Transact(w.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
			w.Fatal(err)
		}
	}
}

func vpc(n int, cidr string) ipam.Resource {
	share := float64(n) / 1000
	id := fmt.Sprintf("vpc-%03d", n)
	return ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix(cidr), Usage: &share}
}

// Send implements Queue.
func (w *env) Send(_ context.Context, bodies ...string) error {
	w.sent = append(w.sent, bodies...)
	return nil
}

func batch(bodies ...string) Event {
	var e Event
	for i, b := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint("message ", i), Body: b})
	}
	return e
}

// invoke gives an event to a handler on the store and returns the ids of the messages that
// failed.
func (w *env) invoke(ctx context.Context, s Store, e Event) (failed []string) {
	w.Helper()
	answer := must(New(s, w, w.options).Handle(ctx, e))(w.T)
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// metrics returns the logged values of each metric by "<name> <dimensions>", in order. It
// leaves out the metrics of units of work.
func (w *env) metrics() map[string][]float64 {
	w.Helper()
	all := map[string][]float64{}
	for line := range bytes.Lines(w.logs.Bytes()) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			w.Fatal(err)
		}
		if record["msg"] != "metrics" {
			continue
		}
		for _, d := range record["_aws"].(map[string]any)["CloudWatchMetrics"].([]any) {
			for _, m := range d.(map[string]any)["Metrics"].([]any) {
				name := m.(map[string]any)["Name"].(string)
				key := name
				for _, dimension := range d.(map[string]any)["Dimensions"].([]any)[0].([]any) {
					key += " " + record[dimension.(string)].(string)
				}
				all[key] = append(all[key], record[name].(float64))
			}
		}
	}
	w.logs.Reset()
	return all
}

func (w *env) scanTask() string {
	return fmt.Sprintf(`{"scope": %q, "family": "ipv4"}`, w.ipam.PrivateScope)
}

// usualNetwork stores two VPCs that claim allocations, a compliant and a noncompliant one,
// two VPCs that overlap, and an unmanaged VPC with two CIDRs.
func (w *env) usualNetwork() {
	w.allocate("10.0.0.0/28")
	w.allocate("10.0.0.64/26")
	tagged := vpc(1, "10.0.0.0/28")
	tagged.Tags = ipam.Tags{"env": "prod"}
	w.put(w.ipam.PrivateScope, tagged, vpc(2, "10.0.0.64/26"), vpc(3, "10.1.0.0/16"), vpc(4, "10.1.0.0/24"), vpc(5, "10.2.0.0/16"), vpc(5, "10.3.0.0/16"))
}

func (w *env) usualMetrics() map[string][]float64 {
	scope, pool := " ipv4 "+w.ipam.PrivateScope, " ipv4 us-east-1 "+w.pool+" "+w.ipam.PrivateScope
	return map[string][]float64{
		"CompliantResourceCidrs" + scope: {1}, "NoncompliantResourceCidrs" + scope: {1}, "ManagedResourceCidrs" + scope: {2}, "UnmanagedResourceCidrs" + scope: {4}, "OverlappingResourceCidrs" + scope: {2},
		"CompliantResourceCidrs" + pool: {1}, "NoncompliantResourceCidrs" + pool: {1}, "PercentAllocated" + pool: {0}, "PercentAssigned" + pool: {31.25}, "PercentAvailable" + pool: {68.75},
		"OverlappingResourceCidrsTotal": {2}, "PoolsOverThreshold": {0}, "ExposedResourceCidrsTotal": {0},
	}
}

func TestScan(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	want := w.usualMetrics()
	for i := range 2 { // the second time, as a message that comes twice, writes nothing
		w.calls.Take()
		if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); failed != nil || w.sent != nil {
			t.Fatalf("failed %q, sent %q", failed, w.sent)
		}
		if cost := w.calls.Take(); (cost.Transactions > 0) != (i == 0) {
			t.Errorf("scan %d costs %+v", i, cost)
		}
		if d := cmp.Diff(want, w.metrics()); d != "" {
			t.Errorf("scan %d, metrics (-want +got):\n%s", i, d)
		}
	}
	w.allocate("10.0.0.128/25")
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	if got := w.metrics()["PoolsOverThreshold"]; !slices.Equal(got, []float64{1}) {
		t.Errorf("%v pools of 1 are over the threshold", got)
	}
	if _, ok := must(w.table.BatchGet(t.Context(), []table.Key{{PK: items.PoolKey(w.pool).PK, SK: "USAGE"}}))(t)[table.Key{PK: items.PoolKey(w.pool).PK, SK: "USAGE"}]; !ok {
		t.Error("the usage over the threshold is not stored")
	}
}

// A scope without resources and pools, or one that is gone, has no metrics of its own.
func TestScanOfAnEmptyScope(t *testing.T) {
	w := newEnv(t)
	if failed := w.invoke(t.Context(), w.store, batch(fmt.Sprintf(`{"scope": %q, "family": "ipv6"}`, w.ipam.PublicScope))); failed != nil {
		t.Errorf("failed: %q", failed)
	}
	if d := cmp.Diff(map[string][]float64{"OverlappingResourceCidrsTotal": {0}, "PoolsOverThreshold": {0}, "ExposedResourceCidrsTotal": {0}}, w.metrics()); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	if failed := w.invoke(t.Context(), w.store, batch(`{"scope": "ipam-scope-0123456789abcdef0", "family": "ipv4"}`)); failed != nil || len(w.metrics()) > 0 {
		t.Errorf("failed: %q", failed)
	}
}

// A scan whose invocations are all very short ends with the same metrics, written once.
func TestScanContinues(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	for range 3 {
		must(w.store.CreatePool(t.Context(), store.Token{Account: account, Operation: "CreateIpamPool"}, ipam.Pool{Scope: w.ipam.PrivateScope, Family: ipam.IPv4},
			func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t)
	}
	w.options.ResourceMetrics = true
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	want := w.metrics()
	for key, value := range w.usualMetrics() {
		if !slices.Equal(want[key], value) {
			t.Errorf("%s: %v, want %v", key, want[key], value)
		}
	}
	w.options.Now = func() time.Time { return time.Now().Add(time.Hour - 29*time.Second) }
	next, invocations := w.scanTask(), 0
	for ; next != ""; invocations++ {
		if failed := w.invoke(ctx, w.store, batch(next)); failed != nil || invocations > 20 {
			t.Fatalf("invocation %d failed: %q", invocations, failed)
		}
		if next = strings.Join(w.sent, ""); next != "" && strings.Contains(w.logs.String(), `"msg":"metrics"`) {
			t.Fatalf("metrics before the end: %s", w.logs.String())
		}
		w.sent = nil
	}
	if invocations < 5 {
		t.Errorf("the scan took %d invocations, too few to test continuations", invocations)
	}
	if d := cmp.Diff(want, w.metrics()); d != "" {
		t.Errorf("metrics (-at once +in parts):\n%s", d)
	}
}

// A task that never ends stops after 150 invocations.
func TestContinuationsEnd(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	w.options.Now = func() time.Time { return time.Now().Add(time.Hour) }
	for _, c := range []struct {
		name, body string
		sent       int
		failed     []string
	}{
		{"scan, 149 before", `{"scope": %q, "family": "ipv4", "continuations": 149}`, 1, nil},
		{"scan, 150 before", `{"scope": %q, "family": "ipv4", "continuations": 150}`, 0, []string{"message 0"}},
	} {
		w.sent = nil
		if failed := w.invoke(ctx, w.store, batch(fmt.Sprintf(c.body, w.ipam.PrivateScope))); !slices.Equal(failed, c.failed) || len(w.sent) != c.sent {
			t.Errorf("%s: failed %q, sent %q", c.name, failed, w.sent)
		}
		if c.sent > 0 && !strings.Contains(w.sent[0], `"continuations":150`) {
			t.Errorf("%s: sent %q", c.name, w.sent)
		}
	}
}

// After any failed call the message comes again and succeeds. Only the scan that succeeds
// writes metrics.
func TestScanUnderFaults(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	traced := &tabletest.Faulty{Table: w.table}
	w.invoke(t.Context(), w.open(traced), batch(w.scanTask()))
	failures := 0
	for _, at := range traced.Trace() {
		for _, applied := range []bool{false, true} {
			w := newEnv(t)
			w.usualNetwork()
			faulty := &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
				if c.Kind == at.Kind && c.N == at.N {
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				}
				return nil
			}}
			if failed := w.invoke(t.Context(), w.open(faulty), batch(w.scanTask())); failed != nil {
				failures++
				if got := w.metrics(); len(got) > 0 {
					t.Errorf("a failure at %s, and metrics: %v", at, got)
				}
				if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); failed != nil {
					t.Errorf("a failure at %s, and the next try fails", at)
				}
			}
			if d := cmp.Diff(w.usualMetrics(), w.metrics()); d != "" {
				t.Errorf("a failure at %s (-want +got):\n%s", at, d)
			}
		}
	}
	if failures == 0 {
		t.Error("no scan failed")
	}
}

// A scan reconciles an unmanaged CIDR in a pool with AutoImport, unless it overlaps another
// one.
func TestScanReconcilesMissingImports(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	importing := func(is bool) {
		must(w.store.ModifyPool(t.Context(), w.pool, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = is; return nil }))(t)
	}
	importing(false)
	for _, r := range []ipam.Resource{vpc(6, "10.0.0.32/28"), vpc(7, "10.0.0.48/29"), vpc(8, "10.0.0.48/30")} {
		w.put(w.ipam.PrivateScope, r)
		if err := w.store.Reconcile(t.Context(), w.ipam.PrivateScope, r.CIDR); err != nil {
			t.Fatal(err)
		}
	}
	importing(true)
	var reconciled []string
	w.options.Reconcile = func(_ context.Context, scope string, cidr netip.Prefix) error {
		reconciled = append(reconciled, strings.TrimPrefix(scope, w.ipam.PrivateScope)+cidr.String())
		return nil
	}
	if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); failed != nil || !slices.Equal(reconciled, []string{"10.0.0.32/28"}) {
		t.Errorf("reconciled %q, failed %q", reconciled, failed)
	}
	w.options.Reconcile = func(context.Context, string, netip.Prefix) error { return errors.New("down") }
	if failed := w.invoke(t.Context(), w.store, batch(w.scanTask())); !slices.Equal(failed, []string{"message 0"}) {
		t.Errorf("failed: %q", failed)
	}
}

// One CIDR that cannot be reconciled does not stop the others, even in later invocations.
// The scan reconciles the others and writes the metrics. Then it fails.
func TestOneFailedReconcileStopsNoOther(t *testing.T) {
	for name, end := range map[string]time.Duration{"at once": 0, "in parts": time.Hour - 29*time.Second} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.usualNetwork()
			w.put(w.ipam.PrivateScope, vpc(6, "10.0.0.32/28"), vpc(7, "10.0.0.48/29"))
			must(w.store.ModifyPool(t.Context(), w.pool, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil }))(t)
			w.options.Reconcile = func(ctx context.Context, scope string, cidr netip.Prefix) error {
				if cidr.String() == "10.0.0.32/28" {
					return errors.New("this CIDR fails")
				}
				return w.store.Reconcile(ctx, scope, cidr)
			}
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
			defer cancel()
			w.options.Now = func() time.Time { return time.Now().Add(end) }
			var failed []string
			for next := w.scanTask(); next != ""; {
				if failed != nil {
					t.Fatalf("failed before the end: %q", failed)
				}
				failed = w.invoke(ctx, w.store, batch(next))
				next, w.sent = strings.Join(w.sent, ""), nil
			}
			if !slices.Equal(failed, []string{"message 0"}) {
				t.Errorf("failed: %q", failed)
			}
			if log := w.logs.String(); !strings.Contains(log, "this CIDR fails") || !strings.Contains(log, "1 CIDRs could not be reconciled") {
				t.Errorf("the records are\n%s", log)
			}
			if got := w.metrics()["ExposedResourceCidrsTotal"]; !slices.Equal(got, []float64{2}) {
				t.Errorf("%v are exposed", got)
			}
			allocations, _, err := w.store.Allocations(t.Context(), w.pool, "", 0)
			if err != nil || !slices.ContainsFunc(allocations, func(a *ipam.Allocation) bool { return a.CIDR.String() == "10.0.0.48/29" }) {
				t.Errorf("the other CIDR is not taken: %v", err)
			}
		})
	}
}

// A scan logs, counts and reconciles each exposed CIDR: a live one whose space is free in a
// pool. It leaves out the CIDRs under a work note.
func TestExposed(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	w.put(w.ipam.PrivateScope, vpc(6, "10.0.0.32/28"), vpc(7, "10.0.0.48/29"), vpc(8, "10.0.0.48/30"), vpc(9, "10.4.0.0/16"))
	w.options.Reconcile = w.store.Reconcile
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	w.options.Now = func() time.Time { return time.Now().Add(time.Hour - 29*time.Second) } // each in an invocation of its own
	count := func() []float64 {
		for next := w.scanTask(); next != ""; {
			if failed := w.invoke(ctx, w.store, batch(next)); failed != nil {
				t.Fatalf("failed: %q", failed)
			}
			next, w.sent = strings.Join(w.sent, ""), nil
		}
		return w.metrics()["ExposedResourceCidrsTotal"]
	}
	note := table.Key{PK: items.WorkPK, SK: "live#" + w.ipam.PrivateScope + "#10.0.0.0/24"}
	write := func(s table.Write) {
		t.Helper()
		if err := w.table.Transact(t.Context(), []table.Write{s}); err != nil {
			t.Fatal(err)
		}
	}
	importing := func(is bool) {
		must(w.store.ModifyPool(t.Context(), w.pool, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = is; return nil }))(t)
	}
	importing(false)
	write(table.Write{Op: table.OpPut, Key: note, Item: table.Item{"Since": &types.AttributeValueMemberN{Value: "1"}}})
	if got := count(); !slices.Equal(got, []float64{0}) {
		t.Errorf("with a work note: %v", got)
	}
	write(table.Write{Op: table.OpDelete, Key: note})
	importing(true)
	w.options.Reconcile = nil
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	if n := strings.Count(w.logs.String(), "was free in a pool"); n != 3 {
		t.Errorf("%d are logged, want 3:\n%s", n, &w.logs)
	}
	w.metrics()
	w.options.Reconcile = w.store.Reconcile
	for i, want := range []float64{2, 0} { // of two that nest, Reconcile of the inner one imports the outer one
		if got := count(); !slices.Equal(got, []float64{want}) {
			t.Errorf("scan %d: %v, want %v", i, got, want)
		}
	}
	for _, cidr := range []string{"10.0.0.32/28", "10.0.0.48/29"} {
		_, err := w.store.Allocate(t.Context(), store.Allocate{Token: store.Token{Account: "444455556666"}, Pool: w.pool,
			Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil }})
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
			t.Errorf("%s: %v", cidr, err)
		}
	}
}

// The message that continues a scan fits SQS's 1 MiB after any number of resources. It keeps
// the most used ones.
func TestContinuationFitsAMessage(t *testing.T) {
	usage := 0.0
	all := totals{Evaluated: true}
	for i := range 20_000 {
		usage = float64((i*7919)%20_000) / 20_000 // each value once
		r := ipam.ResourceCIDR{Scope: fmt.Sprintf("ipam-scope-%017x", 0)}
		r.Owner, r.Region, r.VPC, r.Usage = account, "ap-southeast-1", fmt.Sprintf("vpc-%017x", i), &usage
		for kind, id := range map[ipam.ResourceType]string{ipam.ResourceVPC: "vpc-%017x", ipam.ResourceSubnet: "subnet-%017x", ipam.ResourcePublicIPv4Pool: "ipv4pool-ec2-%017x"} {
			r.Type, r.ID, r.CIDR = kind, fmt.Sprintf(id, i), netip.MustParsePrefix("10.0.0.0/24")
			all.measure(&r)
		}
		if i%997 != 0 {
			continue
		}
		if b := must(json.Marshal(task{Scope: r.Scope, Family: ipam.IPv4, Totals: &all}))(t); len(b) > 1<<20 {
			t.Fatalf("%d bytes after %d resources", len(b), i)
		}
	}
	for _, u := range []usages{all.VPCs, all.Subnets, all.PublicPools} {
		for i, id := range u.most(mostUsed) {
			if want := float64(20_000-1-i) / 20_000; u[id].share() != want {
				t.Fatalf("%d: %s is used to %v, want %v", i, id, u[id].share(), want)
			}
		}
	}
}

// With ResourceMetrics, the 50 most used resources of each kind have metrics. The usage of a
// VPC covers all its CIDRs.
func TestResourceMetrics(t *testing.T) {
	w := newEnv(t)
	for i := range 1200 {
		w.put(w.ipam.PrivateScope, vpc(i%1000, fmt.Sprintf("10.%d.%d.0/24", 1+i/200, i%200)))
	}
	half := 0.5
	w.put(w.ipam.PrivateScope,
		ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", VPC: "vpc-001", CIDR: netip.MustParsePrefix("10.1.1.0/25"), Usage: &half},
		ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-2", VPC: "vpc-001", CIDR: netip.MustParsePrefix("10.1.1.128/25")},
		ipam.Resource{Type: ipam.ResourcePublicIPv4Pool, ID: "ipv4pool-ec2-1", CIDR: netip.MustParsePrefix("203.0.113.0/24"), Usage: &half},
		vpc(999, "10.200.0.0/23"))
	resources := func() map[string][]float64 {
		w.invoke(t.Context(), w.store, batch(w.scanTask()))
		found := w.metrics()
		for key := range found {
			if !strings.Contains(key, "IPUsage") {
				delete(found, key)
			}
		}
		return found
	}
	if got := resources(); len(got) > 0 {
		t.Errorf("without ResourceMetrics: %v", got)
	}
	w.options.ResourceMetrics = true
	at := account + " us-east-1 " + w.ipam.PrivateScope
	want := map[string][]float64{"SubnetIPUsage ipv4 " + at + " vpc-001 subnet-1": {0.5}, "PublicIPv4PoolIPUsage " + account + " ipv4pool-ec2-1 us-east-1 " + w.ipam.PrivateScope: {0.5}}
	for i := range 50 {
		want[fmt.Sprintf("VpcIPUsage ipv4 %s vpc-%03d", at, 999-i)] = []float64{float64(999-i) / 1000}
	}
	if d := cmp.Diff(want, resources()); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	three := usages{}
	quarter, one := 0.25, 1.
	three.add("vpc-a", &ipam.Resource{CIDR: netip.MustParsePrefix("10.0.0.0/24"), Usage: &quarter})
	three.add("vpc-a", &ipam.Resource{CIDR: netip.MustParsePrefix("10.0.4.0/23"), Usage: &one})
	if got := three["vpc-a"].share(); got != 0.75 {
		t.Errorf("a quarter of a /24 and a whole /23 are a usage of %v", got)
	}
}

func TestPublicAddresses(t *testing.T) {
	w := newEnv(t)
	public := func(kind string, associated bool) *ipam.PublicAddress {
		return &ipam.PublicAddress{Address: netip.MustParseAddr("203.0.113.1"), Type: kind, Associated: associated}
	}
	for i, p := range []*ipam.PublicAddress{public("amazon-owned-eip", true), public("amazon-owned-eip", false), public("amazon-owned-eip", false), public("byoip", true), public("byoip", false), public("service-managed-ip", true), public("amazon-owned-contig", true), nil} {
		w.put(w.ipam.PublicScope, ipam.Resource{Type: ipam.ResourceEIP, ID: fmt.Sprint("eipalloc-", i), CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32), Public: p})
	}
	for i, p := range []*ipam.PublicAddress{public("ec2-public-ip", true), public("ec2-public-ip", true), public("service-managed-byoip", true), nil} {
		w.put(w.ipam.PrivateScope, ipam.Resource{Type: ipam.ResourceInterface, ID: fmt.Sprint("eni-", i), CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32), Public: p})
	}
	of := " " + w.ipam.ID + " us-east-1"
	want := map[string][]float64{
		"AmazonOwnedElasticIPs" + of: {3}, "AssociatedAmazonOwnedElasticIPs" + of: {1}, "UnassociatedAmazonOwnedElasticIPs" + of: {2},
		"BringYourOwnIPs" + of: {2}, "AssociatedBringYourOwnIPs" + of: {1}, "UnassociatedBringYourOwnIPs" + of: {1},
		"EC2PublicIPs" + of: {2}, "ServiceManagedIPs" + of: {1}, "ServiceManagedBringYourOwnIPs" + of: {1},
	}
	body := fmt.Sprintf(`{"ipam": %q, "owner": %q}`, w.ipam.ID, account)
	if failed := w.invoke(t.Context(), w.store, batch(body)); failed != nil || w.sent != nil {
		t.Fatalf("failed %q, sent %q", failed, w.sent)
	}
	if d := cmp.Diff(want, w.metrics()); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	w.options.Now = func() time.Time { return time.Now().Add(time.Hour) }
	w.table.PageBytes = 500
	invocations := 0
	for ; body != ""; invocations++ {
		if failed := w.invoke(ctx, w.store, batch(body)); failed != nil || invocations > 20 {
			t.Fatalf("failed %q", failed)
		}
		body, w.sent = strings.Join(w.sent, ""), nil
	}
	if d := cmp.Diff(want, w.metrics()); d != "" || invocations < 4 {
		t.Errorf("in %d invocations (-want +got):\n%s", invocations, d)
	}
}

func TestDispatch(t *testing.T) {
	w := newEnv(t)
	other := must(w.store.CreateIPAM(t.Context(), store.Token{Account: "444455556666", Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: "444455556666"}}))(t)
	second := must(w.store.CreateIPAM(t.Context(), store.Token{Account: account, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: account}}))(t)
	further := must(w.store.CreateScope(t.Context(), store.Token{Account: account, Operation: "CreateIpamScope"}, ipam.Scope{IPAM: w.ipam.ID}, func(*ipam.IPAM) error { return nil }))(t)
	want := []string{fmt.Sprintf(`{"ipam":%q,"owner":%q}`, w.ipam.ID, account), fmt.Sprintf(`{"ipam":%q,"owner":"444455556666"}`, other.ID), fmt.Sprintf(`{"ipam":%q,"owner":%q}`, second.ID, account)}
	for _, scope := range []string{w.ipam.PublicScope, w.ipam.PrivateScope, further.ID, second.PublicScope, second.PrivateScope, other.PublicScope, other.PrivateScope} {
		want = append(want, fmt.Sprintf(`{"scope":%q,"family":"ipv4"}`, scope), fmt.Sprintf(`{"scope":%q,"family":"ipv6"}`, scope))
	}
	w.invoke(t.Context(), w.store, Event{Dispatch: true})
	if !strings.Contains(w.logs.String(), `"Operation":"dispatch-scans"`) { // an alarm needs this record
		t.Errorf("the record is %s", &w.logs)
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(w.sent)); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if failed := w.invoke(t.Context(), w.store, batch(w.sent...)); failed != nil {
		t.Errorf("of the sent messages, %q fail", failed)
	}
	down := &tabletest.Faulty{Table: w.table, Inject: func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }}
	if _, err := New(w.open(down), w, w.options).Handle(t.Context(), Event{Dispatch: true}); !errors.Is(err, tabletest.ErrInjected) {
		t.Errorf("with the table down: %v", err)
	}
}

// Only the failed messages of a batch come again.
func TestBatch(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	var retried []string
	w.options.Retry = func(_ context.Context, failed []events.SQSMessage) {
		for _, m := range failed {
			retried = append(retried, m.MessageId)
		}
	}
	failed := w.invoke(t.Context(), w.store, batch("{", w.scanTask(), `{"scope": "ipam-scope-1"}`, `{"scope": "s", "family": "ipv5"}`, `{"scope": "`+w.ipam.PrivateScope+`", "family": "ipv4", "after": "10"}`))
	if want := []string{"message 0", "message 2", "message 3", "message 4"}; !slices.Equal(failed, want) || !slices.Equal(retried, want) {
		t.Errorf("failed: %q, come again soon: %q", failed, retried)
	}
	if d := cmp.Diff(w.usualMetrics(), w.metrics()); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	if _, err := New(w.store, w, w.options).Handle(t.Context(), Event{}); err == nil {
		t.Error("an event without content is no error")
	}
}

func TestRecordedEvent(t *testing.T) {
	b := must(os.ReadFile("testdata/event.json"))(t)
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	w := newEnv(t)
	if failed := w.invoke(t.Context(), w.store, e); failed != nil || !strings.Contains(w.logs.String(), "ipam-scope-0123456789abcdef0#ipv4") {
		t.Errorf("failed %q, logged %s", failed, w.logs.String())
	}
	again := must(json.Marshal(e.SQSEvent))(t)
	var want, got any
	if err := errors.Join(json.Unmarshal(b, &want), json.Unmarshal(again, &got)); err != nil {
		t.Fatal(err)
	}
	delete(got.(map[string]any)["Records"].([]any)[0].(map[string]any), "md5OfMessageAttributes") // SQS leaves it out if there are no attributes
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the event does not survive a round trip (-want +got):\n%s", d)
	}
}

// The accounts with the most addresses of unmanaged VPCs have a metric, if it is asked
// for: not those of VPCs that a pool manages, and not ignored ones.
func TestUnmanagedAddressesOfAccounts(t *testing.T) {
	tally := totals{}
	count := func(owner, cidr string, m ipam.Management, kind ipam.ResourceType) {
		tally.countUnmanaged(ipam.ResourceStatus{
			Resource: &ipam.ResourceCIDR{Resource: ipam.Resource{Type: kind, Owner: owner, CIDR: netip.MustParsePrefix(cidr)}}, Status: ipam.Status{Management: m},
		})
	}
	count("1", "10.0.0.0/16", ipam.Unmanaged, ipam.ResourceVPC)
	count("2", "10.1.0.0/24", ipam.Unmanaged, ipam.ResourceVPC)
	count("2", "10.1.1.0/24", ipam.Unmanaged, ipam.ResourceVPC)
	count("2", "10.2.0.0/16", ipam.Managed, ipam.ResourceVPC)
	count("2", "10.3.0.0/16", ipam.ManagementIgnored, ipam.ResourceVPC)
	count("2", "10.1.0.0/28", ipam.Unmanaged, ipam.ResourceSubnet)
	if d := cmp.Diff(map[string]float64{"1": 65536, "2": 512}, tally.Accounts); d != "" {
		t.Errorf("addresses (-want +got):\n%s", d)
	}
	for i := range 2000 {
		count(fmt.Sprint(1000+i), "10.4.0.0/28", ipam.Unmanaged, ipam.ResourceVPC)
	}
	if n := len(tally.Accounts); n >= 1000 {
		t.Errorf("a scan keeps %d accounts, too many for its message", n)
	}
	if got := tally.largestAccounts(2); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("the largest accounts are %q", got)
	}

	w := newEnv(t)
	w.put(w.ipam.PrivateScope, vpc(1, "10.9.0.0/24"))
	w.options.ResourceMetrics = true
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	if got := w.metrics()["UnmanagedAddresses ipv4 "+account+" "+w.ipam.PrivateScope]; !slices.Equal(got, []float64{256}) {
		t.Errorf("the metric is %v, want 256", got)
	}
}
