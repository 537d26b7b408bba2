package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bustypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func TestRecordedEvent(t *testing.T) {
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e lambdaevents.DynamoDBEvent
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	w := newEnv(t)
	if done := w.batch(e.Records); done != 1 {
		t.Error("the record failed")
	}
	if got := w.bus.accepted; len(got) != 1 || got[0].name != "Overlap Detected" || got[0].id != "c4ca4238a0b923820dcc509a6f75849b.0" || got[0].detail["time"] != "2027-01-15T08:00:00Z" {
		t.Errorf("sent %+v", got)
	}
	records, _, err := w.store.History(t.Context(), "ipam-scope-0123456789abcdef0", netip.MustParsePrefix("10.0.0.0/16"), "", 0)
	if err != nil || len(records) != 2 || records[0].Start != 1799999000000 || records[0].End != 1799999999500 || records[1].Start != 1799999999500 || records[1].End != 0 {
		t.Errorf("recorded %+v, %v", records, err)
	}
	again, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(b, &want), json.Unmarshal(again, &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the event does not survive a round trip, -got +want:\n%s", diff)
	}
}

// Each change of a pool, an allocation or a resource sends the events of its kind.
func TestEventsOfChanges(t *testing.T) {
	w := newEnv(t)
	expect := func(step string, want ...string) {
		t.Helper()
		w.deliver()
		if diff := cmp.Diff(w.bus.take(), want); diff != "" {
			t.Errorf("%s: -got +want:\n%s", step, diff)
		}
	}
	expect("an IPAM")
	length := 20
	pool := w.pool(ipam.Rules{Min: &length}, "10.0.0.0/8")
	expect("a pool with a CIDR", "Pool CIDR Provisioned: 10.0.0.0/8")
	taken := w.allocate(pool, "10.0.16.0/20")
	expect("an allocation", "CIDR Allocated: 10.0.16.0/20")
	must(w.store.ModifyAllocation(t.Context(), taken.AllocationID, func(a *ipam.Allocation) error { a.Description = "new"; return nil }))(t)
	expect("its description")

	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.putRow(w.private, a)
	expect("a VPC over it", "Resource Discovered: vpc-a", "Overlap Detected: vpc-a")
	w.putRow(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-1", owner))
	w.deleteRow(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-1", owner))
	expect("an interface")
	a.Tags = ipam.Tags{"env": "prod"}
	w.putRow(w.private, a)
	expect("a tag")
	w.release(taken)
	expect("a release", "CIDR Released: 10.0.16.0/20", "Overlap Cleared: vpc-a")

	taken = w.allocate(pool, "10.1.0.0/20")
	b := vpc("vpc-b", "10.1.0.0/20", "eu-west-1")
	w.putRow(w.private, b)
	expect("a VPC that claims an allocation", "CIDR Allocated: 10.1.0.0/20", "Resource Discovered: vpc-b", "Resource Compliant: vpc-b")
	longer := 24
	rules := func(least *int) {
		t.Helper()
		must(w.store.ModifyPool(t.Context(), pool, ipam.ActModify, func(p *ipam.Pool) error { p.Rules.Max, p.Rules.Min = nil, least; return nil }))(t)
	}
	rules(&longer)
	w.deliver()
	w.evaluate(w.private, b.CIDR) // the requested scan does this
	expect("another rule", "Resource Noncompliant: vpc-b")
	rules(&length)
	w.deliver()
	w.evaluate(w.private, b.CIDR)
	expect("the old rule", "Resource Compliant: vpc-b")
	c := vpc("vpc-c", "10.1.8.0/21", region)
	w.putRow(w.private, c)
	expect("a VPC inside", "Resource Discovered: vpc-c", "Overlap Detected: vpc-c", "Overlap Detected: vpc-b")
	w.deleteRow(w.private, b)
	expect("the outer one is deleted", "Overlap Cleared: vpc-b", "Resource Gone: vpc-b")
	w.release(taken)
	expect("the release of the outer one's allocation", "CIDR Released: 10.1.0.0/20", "Overlap Cleared: vpc-c")

	for _, u := range []ipam.Usage{{Assigned: 10, Available: 90}, {Assigned: 85, Available: 15}, {Assigned: 78, Available: 22}, {Assigned: 20, Available: 80}} {
		must(w.store.SaveUsage(t.Context(), pool, u))(t)
	}
	soon := ipam.Forecast{Outcome: ipam.ForecastExhaustion, Expected: w.store.Now().AddDate(0, 0, 20), Earliest: w.store.Now().AddDate(0, 0, 10)}
	expect("usage up and down", "Pool Utilization Threshold Crossed: "+pool, "Pool Utilization Threshold Crossed: "+pool)

	for _, f := range []ipam.Forecast{{Outcome: ipam.ForecastTooLittle}, soon, {Outcome: ipam.ForecastExhausted}, soon, {Outcome: ipam.ForecastNotGrowing}, {Outcome: ipam.ForecastNotGrowing}} {
		must(w.store.SaveForecast(t.Context(), pool, f, 30))(t)
	}
	expect("a forecast near and far", "Pool Exhaustion Forecast: "+pool, "Pool Exhaustion Forecast: "+pool)

	w.deleteRow(w.private, a)
	w.deleteRow(w.private, c)
	expect("all resources are deleted", "Resource Gone: vpc-a", "Resource Gone: vpc-c")
	must(w.store.Deprovision(t.Context(), store.Deprovision{Pool: pool, CIDR: netip.MustParsePrefix("10.0.0.0/8"), May: func(*ipam.Pool) error { return nil }}))(t)
	expect("no CIDR", "Pool CIDR Deprovisioned: 10.0.0.0/8")
	w.provisionAgain(pool)
	expect("the CIDR again", "Pool CIDR Provisioned: 10.0.0.0/8")
}

func (w *env) provisionAgain(pool string) {
	w.Helper()
	must(w.store.Provision(w.Context(), store.Provision{
		Token: w.token("ProvisionIpamPoolCidr"), Pool: pool, CIDR: netip.MustParsePrefix("10.0.0.0/8"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
	}))(w)
}

// Each request that came as an event gets one answer: the event of its allocation or of its
// refusal. The event of another allocation has no request id.
func TestAnswersToRequests(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	w.deliver()
	w.bus.take()
	answers := func() (sent []string) {
		w.deliver()
		for _, a := range w.bus.accepted {
			sent = append(sent, fmt.Sprint(a.name, " ", a.detail["requestId"], " ", a.detail["cidr"], " ", a.detail["request"]))
		}
		w.bus.accepted = nil
		return sent
	}
	expect := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(answers(), want); diff != "" {
			t.Errorf("%s: -got +want:\n%s", step, diff)
		}
	}
	made := w.request("r-1", pool, "10.0.0.0/24")
	expect("a request", "CIDR Allocated r-1 10.0.0.0/24 <nil>")
	w.request("r-1", pool, "10.0.0.0/24")
	w.refuse("r-1", "{}")
	expect("its repetition, and a refusal of the same id")
	w.refuse("r-2", `{"NetmaskLength":8}`)
	expect("a refusal", "CIDR Request Failed r-2 <nil> map[NetmaskLength:8]")
	w.refuse("r-2", `{"NetmaskLength":8}`)
	expect("its repetition")
	w.refuse("r-3", `{"Description":"`+strings.Repeat("x", 17<<10)+`"}`)
	expect("the refusal of a request that is too long for an event", "CIDR Request Failed r-3 <nil> <nil>")
	w.now = w.now.Add(25 * time.Hour)
	w.refuse("r-2", `{"NetmaskLength":9}`)
	expect("a request with the id of one that is forgotten", "CIDR Request Failed r-2 <nil> map[NetmaskLength:9]")
	w.release(made)
	expect("the release", "CIDR Released r-1 10.0.0.0/24 <nil>")
}

// Changes that no operation makes, or makes in one record, also send the right events.
func TestEntries(t *testing.T) {
	allocation := func(id string, k ipam.Kind) items.Image {
		return items.Image{Allocation: &ipam.Allocation{Pool: "p", Taken: ipam.Taken{AllocationID: id, Kind: k, CIDR: netip.MustParsePrefix("10.0.0.0/24")}}}
	}
	pending := func(id, vpc string, until int64) items.Image {
		i := allocation(id, ipam.KindVPC)
		i.Allocation.ResourceID, i.Allocation.PendingUntil = vpc, until
		return i
	}
	within := func(i items.Image, deadline int64) items.Image {
		i.Allocation.Deadline = deadline
		return i
	}
	cidr := func(s ipam.CIDRState) items.Image {
		return items.Image{PoolCIDR: &ipam.PoolCIDR{Pool: "p", CIDR: netip.MustParsePrefix("10.0.0.0/24"), State: s}}
	}
	row := func(t ipam.ResourceType, s ipam.Status) items.Image {
		return items.Image{Resource: &ipam.ResourceCIDR{Resource: ipam.Resource{Type: t, ID: "r", CIDR: netip.MustParsePrefix("10.0.0.0/24")}, Status: s}}
	}
	none := items.Image{}
	for _, c := range []struct {
		name          string
		before, after items.Image
		want          []events.Name
	}{
		{"a hold becomes an allocation", allocation("h", ipam.KindHold), allocation("a", ipam.KindVPC), []events.Name{events.CIDRAllocated}},
		{"an allocation becomes a hold", allocation("a", ipam.KindCustom), allocation("h", ipam.KindHold), []events.Name{events.CIDRReleased}},
		{"an allocation takes another's place", allocation("a", ipam.KindCustom), allocation("b", ipam.KindVPC), []events.Name{events.CIDRReleased, events.CIDRAllocated}},
		{"a split becomes an allocation", allocation("s", ipam.KindSplit), allocation("a", ipam.KindCustom), []events.Name{events.CIDRAllocated}},
		{"an allocation's kind changes", allocation("a", ipam.KindCustom), allocation("a", ipam.KindVPC), nil},
		{"a pending VPC takes space", none, pending("a", "", 1), []events.Name{events.CIDRAllocated}},
		{"it gets its id", pending("a", "", 1), pending("a", "vpc-1", 1), nil},
		{"discovery finds it", pending("a", "vpc-1", 1), pending("a", "vpc-1", 0), nil},
		{"it was never created", pending("a", "", 1), none, []events.Name{events.CIDRReleased}},
		{"its block's deadline is removed", within(allocation("a", ipam.KindVPC), 1), within(allocation("a", ipam.KindVPC), 0), nil},
		{"a hold begins", none, allocation("h", ipam.KindHold), nil},
		{"a child pool's block", none, allocation("a", ipam.KindPool), nil},
		{"a child pool's block becomes a hold", allocation("a", ipam.KindPool), allocation("h", ipam.KindHold), nil},
		{"a CIDR is about to be provisioned", none, cidr(ipam.CIDRPendingProvision), nil},
		{"it is provisioned", cidr(ipam.CIDRPendingProvision), cidr(ipam.CIDRProvisioned), []events.Name{events.PoolCIDRProvisioned}},
		{"its provisioning fails", cidr(ipam.CIDRPendingProvision), cidr(ipam.CIDRFailedProvision), nil},
		{"its deprovisioning fails", cidr(ipam.CIDRProvisioned), cidr(ipam.CIDRFailedDeprovision), nil},
		{"it is deprovisioned", cidr(ipam.CIDRFailedDeprovision), cidr(ipam.CIDRDeprovisioned), []events.Name{events.PoolCIDRDeprovisioned}},
		{"it is provisioned again before its item expires", cidr(ipam.CIDRDeprovisioned), cidr(ipam.CIDRProvisioned), []events.Name{events.PoolCIDRProvisioned}},
		{"an interface", none, row(ipam.ResourceInterface, ipam.Status{}), nil},
		{"ignored while it overlaps and breaks rules", row(ipam.ResourceVPC, ipam.Status{Overlap: ipam.Overlapping, Compliance: ipam.Noncompliant}),
			row(ipam.ResourceVPC, ipam.Status{Overlap: ipam.OverlapIgnored, Compliance: ipam.ComplianceIgnored}), []events.Name{events.OverlapCleared}},
		{"it overlaps with another", row(ipam.ResourceVPC, ipam.Status{Overlap: ipam.Overlapping, With: "a"}), row(ipam.ResourceVPC, ipam.Status{Overlap: ipam.Overlapping, With: "b"}), nil},
	} {
		entries, err := (&change{eventID: "e", before: c.before, after: c.after}).entries()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []events.Name
		for i, e := range entries {
			got = append(got, events.Name(*e.DetailType))
			if !strings.Contains(*e.Detail, fmt.Sprintf(`"id":"e.%d"`, i)) {
				t.Errorf("%s: the id of event %d is not its own: %s", c.name, i, *e.Detail)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: sent %q, want %q", c.name, got, c.want)
		}
	}
}

// Only a change of rules and the deletion of a pool request a scan of the pool's scope.
func TestScansAreRequested(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	w.deliver()
	modify := func(change func(*ipam.Pool)) {
		t.Helper()
		must(w.store.ModifyPool(t.Context(), pool, ipam.ActModify, func(p *ipam.Pool) error { change(p); return nil }))(t)
		w.deliver()
	}
	modify(func(p *ipam.Pool) { p.Description = "new" })
	if w.scans.bodies != nil {
		t.Errorf("requested %q", w.scans.bodies)
	}
	want := []string{`{"scope":"` + w.private + `","family":"ipv4"}`}
	modify(func(p *ipam.Pool) { p.Rules.ResourceTags = ipam.Tags{"env": "prod"} })
	if !slices.Equal(w.scans.bodies, want) {
		t.Errorf("for the rules, requested %q, want %q", w.scans.bodies, want)
	}
	w.scans.bodies = nil
	must(w.store.Deprovision(t.Context(), store.Deprovision{Pool: pool, CIDR: netip.MustParsePrefix("10.0.0.0/8"), May: func(*ipam.Pool) error { return nil }}))(t)
	must(w.store.DeletePool(t.Context(), pool, false, func(*ipam.Pool) error { return nil }))(t)
	w.deliver()
	if !slices.Equal(w.scans.bodies, want) {
		t.Errorf("for the deletion of the pool, requested %q, want %q", w.scans.bodies, want)
	}
}

// The record of an allocation's release does not fail if the pool is gone by then.
func TestAllocationOfAPoolThatIsGone(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	w.release(w.allocate(pool, "10.0.0.0/24"))
	must(w.store.Deprovision(t.Context(), store.Deprovision{Pool: pool, CIDR: netip.MustParsePrefix("10.0.0.0/8"), May: func(*ipam.Pool) error { return nil }}))(t)
	must(w.store.DeletePool(t.Context(), pool, false, func(*ipam.Pool) error { return nil }))(t)
	w.handler.store = unevaluated{w.store, t}
	w.deliver()
	if len(w.scans.bodies) != 1 {
		t.Errorf("requested %q", w.scans.bodies)
	}
}

// unevaluated is a store that fails the test if a status is evaluated.
type unevaluated struct {
	Store
	t *testing.T
}

func (j unevaluated) EvaluateStatus(_ context.Context, scope string, cidr netip.Prefix) error {
	j.t.Errorf("%s is evaluated in %q", cidr, scope)
	return nil
}

func TestRemovalsByTTLSendNoEvent(t *testing.T) {
	w := newEnv(t)
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.putRow(w.private, a)
	w.deleteRow(w.private, a)
	last := w.table.records[len(w.table.records)-1]
	if last.EventName != "REMOVE" {
		t.Fatalf("the last record is %+v", last)
	}
	last.UserIdentity = &lambdaevents.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}
	before := w.table.Dump()
	if w.batch([]lambdaevents.DynamoDBEventRecord{last}) != 1 || w.table.Dump() != before || w.bus.accepted != nil {
		t.Errorf("sent %q and left\n%s", w.bus.take(), w.table.Dump())
	}
}

// scenario is a stream of many kinds of changes, and its expected results: the history in
// the table, and the events of each item in order.
type scenario struct {
	end     *tabletest.Memory // without history
	records []lambdaevents.DynamoDBEventRecord
	history string
	events  map[string][]string
	now     time.Time
}

func newScenario(t *testing.T) *scenario {
	t.Helper()
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	a, b := vpc("vpc-a", "10.0.0.0/16", region), vpc("vpc-b", "10.0.0.0/16", "eu-west-1")
	for _, step := range []func(){
		func() { w.putRow(w.private, a) },
		func() { w.putRow(w.private, subnet("subnet-a", "vpc-a", "10.0.0.0/24")) },
		func() { w.putRow(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-1", owner)) },
		func() { w.putRow(w.private, b) },
		func() { w.putRow(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-2", owner)) },
		func() { w.release(w.allocate(pool, "10.9.0.0/16")) },
		func() { w.request("r-1", pool, "10.8.0.0/16") },
		func() { w.refuse("r-2", "{}") },
		func() { w.deleteRow(w.private, a) },
		func() { w.deleteRow(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-2", owner)) },
		func() { w.allocate(pool, "10.0.128.0/17") },
		func() { must(w.store.SaveUsage(t.Context(), pool, ipam.Usage{Assigned: 85, Available: 15}))(t) },
		func() { b.Name = "new"; w.putRow(w.private, b) },
	} {
		w.now = w.now.Add(90 * time.Second)
		step()
		w.deliver()
	}
	s := &scenario{end: &tabletest.Memory{}, history: history(w.table.Memory), events: ordered(w.bus.accepted, w.table.records), now: w.now}
	for _, r := range w.table.records {
		if pk := r.Change.Keys["PK"]; !isRecorded(pk.String()) {
			s.records = append(s.records, r)
		}
	}
	for k, i := range w.table.All() {
		if !isRecorded(k.PK) {
			if err := s.end.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: k, Item: i}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lines := strings.Count(s.history, "\n"); lines != 32 || len(s.events) != 9 {
		t.Fatalf("the scenario leaves %d records and events of %d items:\n%s%v", lines, len(s.events), s.history, s.events)
	}
	return s
}

// ordered returns the ids of each item's events in the order in which the bus first
// accepted them.
func ordered(all []accepted, records []lambdaevents.DynamoDBEventRecord) map[string][]string {
	item := map[string]string{}
	for _, r := range records {
		pk, sk := r.Change.Keys["PK"], r.Change.Keys["SK"]
		item[r.EventID] = pk.String() + " " + sk.String()
	}
	by, seen := map[string][]string{}, map[string]bool{}
	for _, a := range all {
		of, _, _ := strings.Cut(a.id, ".")
		if !seen[a.id] {
			by[item[of]] = append(by[item[of]], a.id)
		}
		seen[a.id] = true
	}
	return by
}

// replay returns an env for another delivery of the scenario's records. All statuses are
// evaluated already, so that only history is written.
func (s *scenario) replay(t *testing.T, wrap func(table.Table) table.Table) *env {
	w := &env{T: t, now: s.now, bus: &fakeBus{t: t}, scans: &fakeScans{}, table: &streamed{Memory: s.end.Clone()}}
	clock := func() time.Time { return w.now }
	w.table.now = clock
	var table table.Table = w.table
	if wrap != nil {
		table = wrap(table)
	}
	w.handler = New(newStore(table, clock), w.scans, &Bus{w.bus, "cadastre"}, telemetry.Options{Logger: slog.New(slog.DiscardHandler), Now: clock})
	return w
}

func (s *scenario) check(t *testing.T, w *env, step string) {
	t.Helper()
	if diff := cmp.Diff(history(w.table.Memory), s.history); diff != "" {
		t.Errorf("%s: the history, -got +want:\n%s", step, diff)
	}
	if diff := cmp.Diff(ordered(w.bus.accepted, s.records), s.events); diff != "" {
		t.Errorf("%s: the events, -got +want:\n%s", step, diff)
	}
}

// Records that come again, in other batches, or in another order between items, lead to the
// same history and the same events.
func TestRedeliveredAndReordered(t *testing.T) {
	s := newScenario(t)
	byItem := map[string][]lambdaevents.DynamoDBEventRecord{}
	for _, r := range s.records {
		pk, sk := r.Change.Keys["PK"], r.Change.Keys["SK"]
		k := pk.String() + " " + sk.String()
		byItem[k] = append(byItem[k], r)
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var order []lambdaevents.DynamoDBEventRecord
		left := maps.Clone(byItem)
		for len(left) > 0 {
			items := slices.Sorted(maps.Keys(left))
			k := items[random.IntN(len(items))]
			n := 1 + random.IntN(len(left[k]))
			order = append(order, left[k][:n]...)
			if left[k] = left[k][n:]; len(left[k]) == 0 {
				delete(left, k)
			}
		}
		w := s.replay(t, nil)
		for at := 0; at < len(order); {
			n := min(1+random.IntN(30), len(order)-at)
			if done := w.batch(order[at : at+n]); done != n {
				t.Fatalf("seed %d: record %d failed", seed, at+done)
			}
			at = max(0, at+n-random.IntN(5)*random.IntN(2)) // sometimes up to 4 come again
			if random.IntN(10) == 0 {
				w.batch(order[:at]) // sometimes all
			}
		}
		s.check(t, w, fmt.Sprint("seed ", seed))
	}
}

// Each call fails once: before it is made, after it is made, or, on the bus, for one event.
// The records come again and lead to the same history and the same events.
func TestEveryCallFailsOnce(t *testing.T) {
	s := newScenario(t)
	run := func(w *env) (failures int) {
		for at := 0; at < len(s.records); {
			batch := s.records[at:min(at+25, len(s.records))]
			done := w.batch(batch)
			if at += done; done < len(batch) {
				failures++
			}
			if failures > 1 {
				t.Fatal("a batch fails twice")
			}
		}
		return failures
	}
	traced := &tabletest.Faulty{}
	good := s.replay(t, func(table table.Table) table.Table { traced.Table = table; return traced })
	if run(good) > 0 {
		t.Error("without faults, a batch fails")
	}
	s.check(t, good, "without faults")
	failed := 0
	try := func(fault string, w *env) {
		failed += run(w)
		s.check(t, w, fault)
	}
	for _, at := range traced.Trace() {
		for _, applied := range []bool{false, true} {
			try(fmt.Sprintf("%s fails, applied: %t", at, applied), s.replay(t, func(table table.Table) table.Table {
				return &tabletest.Faulty{Table: table, Inject: func(c tabletest.Call) *tabletest.Fault {
					if c.Kind == at.Kind && c.N == at.N {
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
					}
					return nil
				}}
			}))
		}
	}
	if failed == 0 {
		t.Error("no failed call of the table failed a batch")
	}
	failed = 0
	calls := good.bus.calls
	for n := 1; n <= calls; n++ {
		for _, applied := range []bool{false, true} {
			w := s.replay(t, nil)
			w.bus.fault = func(call int) (bool, error) {
				if call == n {
					return applied, errors.New("down")
				}
				return false, nil
			}
			try(fmt.Sprintf("call %d of the bus fails, applied: %t", n, applied), w)
		}
	}
	entries := len(good.bus.accepted)
	for n := range entries {
		w, offered := s.replay(t, nil), -1
		w.bus.refuse = func(bustypes.PutEventsRequestEntry) bool { offered++; return offered == n }
		try(fmt.Sprintf("event %d is refused", n), w)
	}
	if failed != 2*calls+entries {
		t.Errorf("%d of %d failures of the bus failed a batch", failed, 2*calls+entries)
	}
}

// A batch starts again at the first record whose history or events failed. The bus gets no
// event of a later record, except those in the same call.
func TestPartialFailures(t *testing.T) {
	w := newEnv(t)
	w.deliver()
	for i := range 12 {
		w.putRow(w.private, vpc(fmt.Sprintf("vpc-%02d", i), fmt.Sprintf("10.%d.0.0/16", i), region))
	}
	records := slices.DeleteFunc(slices.Clone(w.table.records[w.read:]), func(r lambdaevents.DynamoDBEventRecord) bool { return r.EventName != "INSERT" })
	if len(records) != 12 {
		t.Fatalf("%d records", len(records))
	}
	w.bus.refuse = func(e bustypes.PutEventsRequestEntry) bool { return strings.Contains(*e.Detail, "vpc-04") }
	if done := w.batch(records); done != 4 {
		t.Errorf("event 4 is refused, but the batch starts again at record %d", done)
	}
	if sent := w.bus.take(); len(sent) != 9 { // the rest of the same call, and no other call
		t.Errorf("sent %q", sent)
	}
	w.bus.refuse = nil
	broken := slices.Clone(records)
	broken[2].Change.NewImage = maps.Clone(broken[2].Change.NewImage)
	broken[2].Change.NewImage["Object"] = lambdaevents.NewStringAttribute("{")
	if done := w.batch(broken); done != 2 {
		t.Errorf("record 2 is broken, but the batch starts again at record %d", done)
	}
	if sent := w.bus.take(); len(sent) != 2 {
		t.Errorf("sent %q", sent)
	}
	w.scans.fault = func() error { return errors.New("down") }
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	w.read = len(w.table.records)
	length := 20
	must(w.store.ModifyPool(t.Context(), pool, ipam.ActModify, func(p *ipam.Pool) error { p.Rules.Min = &length; return nil }))(t)
	if done := w.batch(w.table.records[w.read:]); done != 0 {
		t.Error("a scan could not be requested, but no record failed")
	}
	keyless := lambdaevents.DynamoDBEventRecord{EventID: "e", Change: lambdaevents.DynamoDBStreamRecord{SequenceNumber: "1"}}
	if done := w.batch([]lambdaevents.DynamoDBEventRecord{keyless}); done != 0 {
		t.Error("a record without a key did not fail")
	}
}

// A call of the bus has at most ten events, 256 KiB, and one event of each item.
func TestCallsOfTheBus(t *testing.T) {
	entry := func(size int) bustypes.PutEventsRequestEntry {
		e := entry(events.ResourceGone, events.Header{}, nil)
		detail := strings.Repeat("x", size-timeBytes-len(*e.Source)-len(*e.DetailType))
		e.Detail = &detail
		return e
	}
	for _, c := range []struct {
		name  string
		items string // one letter for each event: its item
		size  int
		want  []int
	}{
		{"none", "", 100, nil},
		{"of ten items", "abcdefghij", 100, []int{10}},
		{"of eleven", "abcdefghijk", 100, []int{10, 1}},
		{"of one item", "aaa", 100, []int{1, 1, 1}},
		{"again at the end", "abca", 100, []int{3, 1}},
		{"four fill a call", "abcde", 64 << 10, []int{4, 1}},
		{"a byte too many for four", "abcde", 64<<10 + 1, []int{3, 2}},
		{"each too large for two", "abc", 200 << 10, []int{1, 1, 1}},
	} {
		var all []message
		for i, item := range c.items {
			all = append(all, message{string(item), i, entry(c.size)})
		}
		counter := &counting{}
		if err := (&Bus{counter, "b"}).send(t.Context(), all); err != nil || !slices.Equal(counter.calls, c.want) {
			t.Errorf("%s: calls of %v, %v, want %v", c.name, counter.calls, err, c.want)
		}
	}
	short := &counting{short: true}
	var refused *sendError
	if err := (&Bus{short, "b"}).send(t.Context(), []message{{"a", 0, entry(100)}, {"b", 7, entry(100)}}); !errors.As(err, &refused) || refused.record != 7 {
		t.Errorf("an answer for one of two: %v", err)
	}
}

// The event of an allocation with the most tags, of the greatest length and of characters
// that JSON escapes, is small enough for the bus.
func TestTheLargestEvent(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	tags := ipam.Tags{}
	for i := range ipam.MaxTags {
		tags[fmt.Sprintf("%03d", i)+strings.Repeat("<", 125)] = strings.Repeat("&", 256)
	}
	made := must(w.store.Allocate(t.Context(), store.Allocate{
		Token: w.token("AllocateIpamPoolCidr"), Pool: pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.0.0.0/24")}, Tags: tags,
		Description: strings.Repeat(">", 255), May: func(*ipam.Pool) error { return nil },
	}))(t)
	w.release(made)
	w.deliver()
	sent := w.bus.accepted[1:]
	if len(sent) != 2 || sent[0].name != "CIDR Allocated" || sent[1].name != "CIDR Released" {
		t.Fatalf("sent %q", w.bus.take())
	}
	for _, e := range sent {
		if n := len(e.detail["tags"].(map[string]any)); n != ipam.MaxTags {
			t.Errorf("%s has %d tags", e.name, n)
		}
	}
}

// counting is a bus that records the number of events in each call.
type counting struct {
	calls []int
	short bool // the answer leaves the first event out
}

func (c *counting) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	c.calls = append(c.calls, len(in.Entries))
	out := &eventbridge.PutEventsOutput{Entries: make([]bustypes.PutEventsResultEntry, len(in.Entries))}
	if c.short {
		out.Entries = out.Entries[1:]
	}
	return out, nil
}

// stuck is a store that does not answer.
type stuck struct{ Store }

func (stuck) PutHistory(ctx context.Context, _ string, _ ...ipam.HistoryRecord) error {
	<-ctx.Done()
	return fmt.Errorf("record: %w", ctx.Err())
}

func (stuck) BeginPast(ctx context.Context) error { return ctx.Err() }

func (stuck) PutPast(ctx context.Context, _ *items.Past) error { return ctx.Err() }

func (stuck) AllResolvers(context.Context) ([]*ipam.PrefixListResolver, error) { return nil, nil }

// A batch that does not end in time stops early enough to answer before the function's end.
func TestDeadline(t *testing.T) {
	w := newEnv(t)
	w.putRow(w.private, vpc("vpc-a", "10.0.0.0/16", region))
	w.deleteRow(w.private, vpc("vpc-a", "10.0.0.0/16", region))
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h := New(stuck{}, w.scans, &Bus{w.bus, "cadastre"}, telemetry.Options{Logger: slog.New(slog.DiscardHandler)})
		a, err := h.Handle(ctx, lambdaevents.DynamoDBEvent{Records: w.table.records[len(w.table.records)-1:]})
		if err != nil || len(a.BatchItemFailures) != 1 {
			t.Errorf("%v, %v", a, err)
		}
		if took := time.Since(begin); took != time.Minute-margin {
			t.Errorf("answered after %s", took)
		}
	})
}

func TestOneLogRecordForEachBatch(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want map[string]any
	}{
		{"done", nil, map[string]any{"level": "INFO", "code": "", "Outcome": "ok", "failed": 0.0, "events": 1.0}},
		{"remains", fmt.Errorf("put: %w", context.DeadlineExceeded), map[string]any{"level": "WARN", "code": "InternalError", "Outcome": "remains", "failed": 1.0, "events": 1.0}},
		{"failure", errors.New("down"), map[string]any{"level": "ERROR", "code": "InternalError", "Outcome": "internal", "failed": 1.0, "events": 1.0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			w.deliver()
			w.putRow(w.private, vpc("vpc-a", "10.0.0.0/16", region))
			w.bus.fault = func(int) (bool, error) { return false, c.err }
			var log bytes.Buffer
			clock := w.now
			h := New(w.store, w.scans, &Bus{w.bus, "cadastre"}, telemetry.Options{
				Logger: slog.New(slog.NewJSONHandler(&log, nil)),
				Now:    func() time.Time { clock = clock.Add(1500 * time.Microsecond); return clock },
			})
			if _, err := h.Handle(t.Context(), lambdaevents.DynamoDBEvent{Records: w.table.records[w.read : w.read+1]}); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, log.Bytes())
			}
			if got["_aws"] == nil {
				t.Error("the record is no metric")
			}
			if text, _ := got["error"].(string); c.err != nil && !strings.Contains(text, c.err.Error()) {
				t.Errorf("the error is %q", text)
			}
			for _, name := range []string{"_aws", "time", "error"} {
				delete(got, name)
			}
			maps.Copy(c.want, map[string]any{"msg": "unit of work", "records": 1.0, "duration_ms": 1.5, "Operation": "history", "Requests": 1.0, "Duration": 1.5})
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}
