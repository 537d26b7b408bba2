package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bustypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cadastre-ipam/cadastre/events/eventstest"
	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const owner, other, region = "111122223333", "444455556666", "us-east-1"

// streamed is a table with a stream. Each item that a transaction changes has one record in
// the stream, as in DynamoDB.
type streamed struct {
	*tabletest.Memory
	now func() time.Time

	mu      sync.Mutex
	records []lambdaevents.DynamoDBEventRecord
}

func (s *streamed) Transact(ctx context.Context, writes []table.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]table.Key, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	before, err := s.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	if err := s.Memory.Transact(ctx, writes); err != nil {
		return err
	}
	after, err := s.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if !reflect.DeepEqual(before[k], after[k]) {
			s.records = append(s.records, s.record(k, before[k], after[k]))
		}
	}
	return nil
}

func (s *streamed) record(k table.Key, before, after table.Item) lambdaevents.DynamoDBEventRecord {
	n := len(s.records) + 1
	key := map[string]lambdaevents.DynamoDBAttributeValue{table.AttrPK: lambdaevents.NewStringAttribute(k.PK), table.AttrSK: lambdaevents.NewStringAttribute(k.SK)}
	image := func(i table.Item) map[string]lambdaevents.DynamoDBAttributeValue {
		if i == nil {
			return nil
		}
		m := map[string]lambdaevents.DynamoDBAttributeValue{table.AttrPK: key[table.AttrPK], table.AttrSK: key[table.AttrSK]}
		for name, v := range i {
			m[name] = attribute(v)
		}
		return m
	}
	r := lambdaevents.DynamoDBEventRecord{EventID: fmt.Sprintf("event-%06d", n), EventName: "MODIFY", Change: lambdaevents.DynamoDBStreamRecord{
		ApproximateCreationDateTime: lambdaevents.SecondsEpochTime{Time: s.now().Truncate(time.Second)},
		SequenceNumber:              fmt.Sprintf("%06d", n), Keys: key, OldImage: image(before), NewImage: image(after),
	}}
	switch {
	case before == nil:
		r.EventName = "INSERT"
	case after == nil:
		r.EventName = "REMOVE"
	}
	return r
}

func attribute(v types.AttributeValue) lambdaevents.DynamoDBAttributeValue {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return lambdaevents.NewStringAttribute(v.Value)
	case *types.AttributeValueMemberN:
		return lambdaevents.NewNumberAttribute(v.Value)
	case *types.AttributeValueMemberB:
		return lambdaevents.NewBinaryAttribute(v.Value)
	case *types.AttributeValueMemberM:
		m := map[string]lambdaevents.DynamoDBAttributeValue{}
		for name, v := range v.Value {
			m[name] = attribute(v)
		}
		return lambdaevents.NewMapAttribute(m)
	}
	panic(fmt.Sprintf("no attribute of a test is a %T", v))
}

// fakeBus is EventBridge. It keeps the events that it accepts.
type fakeBus struct {
	t        testing.TB
	calls    int
	fault    func(call int) (applied bool, err error)    // nil: none
	refuse   func(e bustypes.PutEventsRequestEntry) bool // nil: none
	accepted []accepted
}

type accepted struct {
	name   string
	id     string
	detail map[string]any
}

func (b *fakeBus) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.calls++
	size := 0
	for _, e := range in.Entries {
		size += 14 + len(*e.Source) + len(*e.DetailType) + len(*e.Detail)
		if *e.EventBusName != "cadastre" {
			b.t.Errorf("put on the bus %s", *e.EventBusName)
		}
	}
	if n := len(in.Entries); n == 0 || n > 10 || size > 256<<10 {
		b.t.Errorf("a call has %d entries of %d bytes", n, size)
	}
	var err error
	if b.fault != nil {
		var applied bool
		if applied, err = b.fault(b.calls); err != nil && !applied {
			return nil, err
		}
	}
	out := &eventbridge.PutEventsOutput{}
	for _, e := range in.Entries {
		if b.refuse != nil && b.refuse(e) {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, bustypes.PutEventsResultEntry{ErrorCode: aws.String("ThrottlingException"), ErrorMessage: aws.String("slow down")})
			continue
		}
		out.Entries = append(out.Entries, bustypes.PutEventsResultEntry{EventId: aws.String("e")})
		b.accept(e)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// accept keeps an event. It checks the event against its schema in the form in which
// EventBridge delivers it.
func (b *fakeBus) accept(e bustypes.PutEventsRequestEntry) {
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": "e", "detail-type": *e.DetailType, "source": *e.Source, "account": owner, "region": region,
		"time": e.Time.UTC().Format(time.RFC3339), "resources": []string{}, "detail": json.RawMessage(*e.Detail),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := eventstest.Validate(event); err != nil {
		b.t.Errorf("%s: %v", event, err)
	}
	a := accepted{name: *e.DetailType}
	if err := json.Unmarshal([]byte(*e.Detail), &a.detail); err != nil {
		b.t.Fatal(err)
	}
	a.id = a.detail["id"].(string)
	if at := a.detail["time"]; at != e.Time.UTC().Format(time.RFC3339) {
		b.t.Errorf("the detail's time is %v and the event's %v", at, e.Time)
	}
	b.accepted = append(b.accepted, a)
}

// take returns the events since the last call of take: each one's name, and the resource,
// CIDR or pool that it is about.
func (b *fakeBus) take() (sent []string) {
	for _, a := range b.accepted {
		subject := a.detail["resourceId"]
		for _, member := range []string{"cidr", "ipamPoolId"} {
			if subject == nil || a.detail[member] != nil && member == "cidr" {
				subject = a.detail[member]
			}
		}
		sent = append(sent, fmt.Sprintf("%s: %v", a.name, subject))
	}
	b.accepted = nil
	return sent
}

type fakeScans struct {
	mu     sync.Mutex
	bodies []string
	fault  func() error // nil: none
}

func (s *fakeScans) Send(_ context.Context, bodies ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if err := s.fault(); err != nil {
			return err
		}
	}
	s.bodies = append(s.bodies, bodies...)
	return nil
}

// env is a table with an IPAM and a stream, and the handler that reads the stream.
type env struct {
	*testing.T
	now      time.Time
	table    *streamed
	store    *store.Store
	registry *registry.Registry
	bus      *fakeBus
	scans    *fakeScans
	handler  *Handler
	admin    context.Context

	ipam           *ipam.IPAM
	private        string // its private scope
	read, sequence int
}

func newStore(table table.Table, now func() time.Time) *store.Store {
	n := 0
	return store.New(table, store.Options{
		Region: region, Owner: owner, Now: now, Pick: func(int) int { return 0 }, Tries: 3,
		NewID: func() string { n++; return fmt.Sprint(n) },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

func newEnv(t *testing.T) *env {
	t.Helper()
	w := &env{T: t, now: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), bus: &fakeBus{t: t}, scans: &fakeScans{}}
	clock := func() time.Time { return w.now }
	w.table = &streamed{Memory: &tabletest.Memory{}, now: clock}
	w.store = newStore(w.table, clock)
	w.registry = ops.New(w.store, registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	w.admin = registry.WithCaller(t.Context(), registry.Caller{Account: owner, ARN: "arn:aws:iam::" + owner + ":user/admin"})
	w.handler = New(w.store, w.scans, &Bus{w.bus, "cadastre"}, telemetry.Options{Logger: slog.New(slog.DiscardHandler), Now: clock})
	w.ipam = must(w.store.CreateIPAM(t.Context(), w.token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: owner}, Tier: "advanced", OperatingRegions: []string{region}}))(t)
	w.private = w.ipam.PrivateScope
	return w
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *env) token(operation string) store.Token {
	w.sequence++
	return store.Token{Account: owner, Operation: operation, Value: fmt.Sprint(w.sequence)}
}

// pool creates a top-level pool in the private scope and provisions a CIDR to it.
func (w *env) pool(rules ipam.Rules, cidr string) string {
	w.Helper()
	p := must(w.store.CreatePool(w.Context(), w.token("CreateIpamPool"), ipam.Pool{Scope: w.private, Family: ipam.IPv4, Rules: rules},
		func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(w)
	must(w.store.Provision(w.Context(), store.Provision{
		Token: w.token("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix(cidr),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
	}))(w)
	return p.ID
}

func (w *env) allocate(pool, cidr string) *ipam.Allocation {
	w.Helper()
	return must(w.store.Allocate(w.Context(), store.Allocate{
		Token: w.token("AllocateIpamPoolCidr"), Pool: pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil },
	}))(w)
}

// request allocates a CIDR as the allocation function does for a request that came as an
// event.
func (w *env) request(id, pool, cidr string) *ipam.Allocation {
	w.Helper()
	return must(w.store.Allocate(w.Context(), store.Allocate{
		Token: store.Token{Account: other, Operation: "AllocateIpamPoolCidr", Value: id}, Pool: pool, Event: id,
		Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: func(*ipam.Pool) error { return nil },
	}))(w)
}

// refuse records the refusal of a request that came as an event.
func (w *env) refuse(id, detail string) {
	w.Helper()
	err := w.store.Refuse(w.Context(), store.Token{Account: other, Operation: "AllocateIpamPoolCidr", Value: id},
		items.Refusal{Request: id, Account: other, Region: region, Code: "InvalidParameterValue", Message: "It is full.", Detail: detail})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *env) release(a *ipam.Allocation) {
	w.Helper()
	if err := w.store.Release(w.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }}); err != nil {
		w.Fatal(err)
	}
}

// observe stores a resource's CIDR for the IPAM's discovery. The test ends if the CIDR then
// has no row in the scope.
func (w *env) observe(scope string, r ipam.Resource) {
	w.Helper()
	ctx, at := w.Context(), w.now.UnixMilli()
	d := must(w.store.Discoveries(ctx, []string{w.ipam.Discovery}))(w)[0]
	must(0, w.store.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{Discovery: d.ID, Region: r.Region, Account: r.Owner, Attempted: at, Succeeded: at}))(w)
	must(w.store.Observe(ctx, d, []*ipam.IPAM{w.ipam}, r, at))(w)
	if !w.hasRow(scope, r) {
		w.Fatalf("%s has no row in %s", r.ID, scope)
	}
}

// forget removes a resource's CIDR from the IPAM's discovery. The test ends if the CIDR has
// no row in the scope before, or has one after.
func (w *env) forget(scope string, r ipam.Resource) {
	w.Helper()
	if !w.hasRow(scope, r) {
		w.Fatalf("%s has no row in %s", r.ID, scope)
	}
	for _, f := range must(w.store.FoundOf(w.Context(), w.ipam.Discovery, r.Region, r.Owner, r.Type, r.ID))(w) {
		if f.CIDR == r.CIDR {
			must(w.store.Forget(w.Context(), f, math.MaxInt64))(w)
		}
	}
	if w.hasRow(scope, r) {
		w.Fatalf("%s still has a row in %s", r.ID, scope)
	}
}

func (w *env) hasRow(scope string, r ipam.Resource) bool {
	w.Helper()
	k := rowKey(&ipam.ResourceCIDR{Resource: r, Scope: scope})
	return must(w.table.BatchGet(w.Context(), []table.Key{k}))(w)[k] != nil
}

// putRow writes the row of a resource's CIDR, in one record of the stream, and evaluates
// the CIDR's status.
func (w *env) putRow(scope string, r ipam.Resource) {
	w.Helper()
	row := &ipam.ResourceCIDR{Resource: r, Scope: scope, Sampled: w.now.UnixMilli(), Since: w.now.UnixMilli(), Rev: 1}
	k := rowKey(row)
	if have := must(w.table.BatchGet(w.Context(), []table.Key{k}))(w)[k]; have != nil {
		before := must(items.DecodeResource(table.Row{Key: k, Item: have}))(w)
		row.Status, row.Rev = before.Status, before.Rev+1
		if row.RecordedAs(before) {
			row.Since = before.Since
		}
	}
	text := func(v any) types.AttributeValue {
		return &types.AttributeValueMemberS{Value: string(must(json.Marshal(v))(w))}
	}
	number := func(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
	w.write(table.Write{Op: table.OpPut, Key: k, Item: table.Item{
		"Object": text(row.Resource), "Status": text(row.Status), "Source": &types.AttributeValueMemberS{Value: w.ipam.Discovery},
		"Sampled": number(row.Sampled), "Since": number(row.Since), "Rev": number(row.Rev),
	}})
	if r.Type.TakesSpace() {
		w.evaluate(scope, r.CIDR)
	}
}

// deleteRow deletes a row that putRow wrote, in one record, and evaluates the statuses of
// the CIDRs that it overlapped.
func (w *env) deleteRow(scope string, r ipam.Resource) {
	w.Helper()
	w.write(table.Write{Op: table.OpDelete, Key: rowKey(&ipam.ResourceCIDR{Resource: r, Scope: scope}), If: table.Cond{Present: true}})
	if r.Type.TakesSpace() {
		w.evaluate(scope, r.CIDR)
	}
}

func (w *env) write(writes ...table.Write) {
	w.Helper()
	if err := w.table.Transact(w.Context(), writes); err != nil {
		w.Fatal(err)
	}
}

func (w *env) evaluate(scope string, cidr netip.Prefix) {
	w.Helper()
	if err := w.store.EvaluateStatus(w.Context(), scope, cidr); err != nil {
		w.Fatal(err)
	}
}

func rowKey(r *ipam.ResourceCIDR) table.Key {
	prefix := items.LivePrefix
	if !r.Type.TakesSpace() {
		prefix = items.IfacePrefix
	}
	return table.Key{PK: prefix + string(ipam.ScopeSpace(r.Scope, r.Family())), SK: items.ResourceAfter(r)}
}

// deliver gives the stream's new records to the handler in batches until none is left.
// After a failed record it starts again there.
func (w *env) deliver() {
	w.Helper()
	for range 1000 {
		if w.read == len(w.table.records) {
			return
		}
		w.read += w.batch(w.table.records[w.read:min(w.read+25, len(w.table.records))])
	}
	w.Fatal("the stream does not end: the function's writes make records that it works on again")
}

// batch gives records to the handler and returns how many of them are done.
func (w *env) batch(records []lambdaevents.DynamoDBEventRecord) int {
	w.Helper()
	a, err := w.handler.Handle(w.Context(), lambdaevents.DynamoDBEvent{Records: records})
	if err != nil {
		w.Fatal(err)
	}
	if len(a.BatchItemFailures) == 0 {
		return len(records)
	}
	for i, r := range records {
		if r.Change.SequenceNumber == a.BatchItemFailures[0].ItemIdentifier {
			return i
		}
	}
	w.Fatalf("the answer is %v", a)
	return 0
}

// checkSettled delivers the rest of the stream. It fails the test unless the table is then
// consistent, with a history that agrees with the resources' rows.
func (w *env) checkSettled() {
	w.Helper()
	w.deliver()
	for _, p := range fsck.CheckSettled(fscktest.Items(w.table.Memory), w.now) {
		w.Error(p)
	}
}

// at sets the clock to a time of the day.
func (w *env) at(clock string) {
	w.Helper()
	w.now = must(time.Parse("2006-01-02 15:04", "2026-01-02 "+clock))(w)
}

// recorded are the beginnings of the partitions that the function writes.
var recorded = []string{items.HistoryPrefix, "CHANGES#", "PAST"}

func isRecorded(pk string) bool {
	return slices.ContainsFunc(recorded, func(prefix string) bool { return strings.HasPrefix(pk, prefix) })
}

// history returns the history records of a table, the changes, and the states before changes as
// text. It leaves out when these begin.
func history(m *tabletest.Memory) string {
	var lines []string
	for line := range strings.Lines(m.Dump()) {
		if isRecorded(line) && !strings.HasPrefix(line, "PAST |") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
