package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// fake is a Store that calls run for each piece of work.
type fake struct {
	pending []string
	run     func(ctx context.Context, sk string) error

	mu        sync.Mutex
	olderThan time.Time
	ran       []string
}

func (f *fake) RunWork(ctx context.Context, sk string) error {
	f.mu.Lock()
	f.ran = append(f.ran, sk)
	f.mu.Unlock()
	if f.run == nil {
		return nil
	}
	return f.run(ctx, sk)
}

func (f *fake) PendingWork(_ context.Context, olderThan time.Time) ([]string, error) {
	f.olderThan = olderThan
	if f.pending == nil {
		return nil, errors.New("the table is down")
	}
	return slices.Clone(f.pending), nil
}

var (
	start   = time.Unix(1_800_000_000, 0).UTC()
	discard = telemetry.Options{Logger: slog.New(slog.DiscardHandler)}
)

// upToDate is the upgrade of a table that has this version's layout.
func upToDate(context.Context) error { return nil }

// If the upgrade fails, the sweep fails too, but it still does its work.
func TestSweepUpgradesFirst(t *testing.T) {
	f := &fake{pending: []string{"split#x"}}
	down := errors.New("the table is down")
	upgraded := 0
	h := New(f, func(context.Context) error { upgraded++; return down }, discard)
	if _, err := h.Handle(t.Context(), Event{Sweep: true}); !errors.Is(err, down) {
		t.Errorf("the sweep returns %v, want %v", err, down)
	}
	if upgraded != 1 || !slices.Equal(f.ran, f.pending) {
		t.Errorf("%d upgrades, and the sweep ran %q", upgraded, f.ran)
	}
}

// inserted returns the batch that the stream delivers when notes are inserted.
func inserted(work ...string) Event {
	var e Event
	for i, sk := range work {
		e.Records = append(e.Records, events.DynamoDBEventRecord{
			EventName: "INSERT", EventID: "event " + strconv.Itoa(i),
			Change: events.DynamoDBStreamRecord{SequenceNumber: strconv.Itoa(100 + i), Keys: map[string]events.DynamoDBAttributeValue{
				"PK": events.NewStringAttribute("WORK"), "SK": events.NewStringAttribute(sk),
			}},
		})
	}
	return e
}

func failures(t *testing.T, a events.DynamoDBEventResponse) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecordedEvent(t *testing.T) {
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	f := &fake{}
	a, err := New(f, upToDate, discard).Handle(t.Context(), e)
	if err != nil || failures(t, a) != `{"batchItemFailures":[]}` {
		t.Errorf("%v, %v", a, err)
	}
	if want := []string{"delete-pool#ipam-pool-0123456789abcdef0"}; !slices.Equal(f.ran, want) {
		t.Errorf("ran %q, want %q", f.ran, want)
	}
	again, err := json.Marshal(e.DynamoDBEvent)
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

func TestStream(t *testing.T) {
	f := &fake{run: func(_ context.Context, sk string) error {
		switch sk {
		case "a#2":
			return fmt.Errorf("%w: pool 2 is still in use", store.ErrWorkRemains)
		case "a#3":
			return errors.New("the table is down")
		}
		return nil
	}}
	e := inserted("a#1", "a#2", "a#3", "a#4")
	removed, other := inserted("a#5").Records[0], inserted("a#6").Records[0]
	removed.EventName = "REMOVE"
	other.Change.Keys["PK"] = events.NewStringAttribute("POOL#1")
	e.Records = append(e.Records, removed, other)
	a, err := New(f, upToDate, discard).Handle(t.Context(), e)
	if err != nil || failures(t, a) != `{"batchItemFailures":[{"itemIdentifier":"101"}]}` {
		t.Errorf("%v, %v", a, err)
	}
	slices.Sort(f.ran)
	if want := []string{"a#1", "a#2", "a#3", "a#4"}; !slices.Equal(f.ran, want) {
		t.Errorf("ran %q, want %q", f.ran, want)
	}
}

// A batch runs 8 notes at once: 17 that take a second each take three. A note that
// was put twice is run once, and its first record fails if it fails.
func TestStreamRunsNotesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{run: func(_ context.Context, sk string) error {
			time.Sleep(time.Second)
			if sk == "a#03" {
				return errors.New("the table is away")
			}
			return nil
		}}
		var notes []string
		for i := range 17 {
			notes = append(notes, fmt.Sprintf("a#%02d", i))
		}
		begin := time.Now()
		a, err := New(f, upToDate, discard).Handle(t.Context(), inserted(append(notes, "a#03", "a#16")...))
		if err != nil || failures(t, a) != `{"batchItemFailures":[{"itemIdentifier":"103"}]}` {
			t.Errorf("%v, %v", a, err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it takes %s, want 3s", took)
		}
		slices.Sort(f.ran)
		if !slices.Equal(f.ran, notes) {
			t.Errorf("ran %q, want %q", f.ran, notes)
		}
	})
}

// A note that its writer works on, too, is left until it is 3 seconds old. Other notes of
// the batch, such as a user's deletion, begin at once. A clock that differs from DynamoDB's
// makes the wait 3 seconds at most.
func TestNotesThatTheirWritersWorkOnWait(t *testing.T) {
	const live = "live#ipam-scope-1#10.0.0.0/24"
	for name, c := range map[string]struct {
		age, want time.Duration
	}{
		"just written":         {0, 3 * time.Second},
		"a second ago":         {time.Second, 2 * time.Second},
		"in a backlog":         {time.Minute, 0},
		"by a clock in future": {-time.Hour, 3 * time.Second},
		"without a time":       {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var mu sync.Mutex
				began := map[string]time.Duration{}
				f := &fake{run: func(_ context.Context, sk string) error {
					mu.Lock()
					defer mu.Unlock()
					began[sk] = time.Since(begin)
					if sk == live {
						return errors.New("down")
					}
					return nil
				}}
				e := inserted("delete-pool#1", live, "purge#1", live, "split#x#10.0.0.0/24", "delete-ipam#1", "import#1", "pending#1", "resume#1")
				for i := range e.Records {
					if c.age != -1 {
						e.Records[i].Change.ApproximateCreationDateTime = events.SecondsEpochTime{Time: begin.Add(-c.age)}
					}
				}
				a, err := New(f, upToDate, discard).Handle(t.Context(), e)
				if err != nil || failures(t, a) != `{"batchItemFailures":[{"itemIdentifier":"101"}]}` {
					t.Errorf("%v, %v", a, err)
				}
				if len(began) != 8 {
					t.Errorf("%d pieces of work began", len(began))
				}
				for sk, after := range began {
					if sk == live && after != c.want || sk != live && after != 0 {
						t.Errorf("%s began after %s", sk, after)
					}
				}
			})
		})
	}
}

// The invocation may end before the wait does. Then the note comes again.
func TestInvocationEndsBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), margin+time.Second)
		defer cancel()
		f := &fake{}
		e := inserted("delete-pool#1", "live#ipam-scope-1#10.0.0.0/24")
		e.Records[1].Change.ApproximateCreationDateTime = events.SecondsEpochTime{Time: time.Now()}
		a, err := New(f, upToDate, discard).Handle(ctx, e)
		if err != nil || failures(t, a) != `{"batchItemFailures":[{"itemIdentifier":"101"}]}` || !slices.Equal(f.ran, []string{"delete-pool#1"}) {
			t.Errorf("%v, %v, ran %q", a, err, f.ran)
		}
	})
}

// While the observer works on its note, the function that has the note does not touch the
// table. If the observer fails, the space is taken after the wait.
func TestNoteOfAnObservation(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("the observer fails %t", fails), func(t *testing.T) {
			w := newEnv(t)
			s := w.store(w.memory, 0)
			d := must(s.AllDiscoveries(t.Context()))(t)[0]
			ipams := must(s.IPAMs(t.Context(), d.IPAMs))(t)
			must(0, s.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: d.ID, Region: "us-east-1", Account: owner}))(t)
			broken := &tabletest.Faulty{Table: w.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
				if fails && c.Kind == tabletest.Transact && c.N > 0 {
					return &tabletest.Fault{Err: tabletest.ErrInjected}
				}
				return nil
			}}
			v := ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.128.0/24"), Owner: owner, Region: "us-east-1"}
			_, err := w.store(broken, 0).Observe(t.Context(), d, ipams, v, w.now.UnixMilli())
			notes := w.notes("live#")
			if (len(notes) > 0) != fails {
				t.Fatalf("notes %q, %v", notes, err)
			}
			if !fails {
				notes = []string{"live#" + ipams[0].PrivateScope + "#10.0.128.0/24"}
			}
			traced := &tabletest.Faulty{Table: w.memory}
			if _, err := w.handler(traced).Handle(t.Context(), inserted(notes...)); err != nil {
				t.Error(err)
			}
			if calls := traced.Trace(); !fails && len(calls) != 1 {
				t.Errorf("the function made %d calls after the observer's work: %v", len(calls), calls)
			}
			if left := w.notes("live#"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			fscktest.Clean(t, w.memory, w.now)
		})
	}
}

func TestSweep(t *testing.T) {
	var e Event
	if err := json.Unmarshal([]byte(`{"sweep": true}`), &e); err != nil {
		t.Fatal(err)
	}
	down := errors.New("the table is down")
	var pending []string
	for i := range 24 {
		pending = append(pending, fmt.Sprintf("a#%02d", i))
	}
	for name, c := range map[string]struct {
		pending []string
		fails   map[string]error
		want    error
	}{
		"nothing to do":          {[]string{}, nil, nil},
		"all done":               {pending, nil, nil},
		"some remains":           {pending, map[string]error{"a#00": store.ErrWorkRemains, "a#01": context.DeadlineExceeded}, nil},
		"one fails, one remains": {pending, map[string]error{"a#00": down, "a#01": store.ErrWorkRemains}, down},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{pending: c.pending, run: func(_ context.Context, sk string) error { return c.fails[sk] }}
			_, err := New(f, upToDate, telemetry.Options{Logger: discard.Logger, Now: func() time.Time { return start }}).Handle(t.Context(), e)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			slices.Sort(f.ran)
			if !slices.Equal(f.ran, c.pending) || !f.olderThan.Equal(start.Add(-5*time.Minute)) {
				t.Errorf("ran %q of work older than %s", f.ran, f.olderThan)
			}
		})
	}
	if _, err := New(&fake{}, upToDate, discard).Handle(t.Context(), e); err == nil {
		t.Error("work that cannot be listed is no error")
	}
	if _, err := New(&fake{pending: pending}, upToDate, discard).Handle(t.Context(), Event{}); err == nil {
		t.Error("an event of another kind is no error")
	}
}

// Work that one run does for several notes is run once, for a batch and for a sweep.
func TestNotesOfOneGroupAreWorkedOnTogether(t *testing.T) {
	var mu sync.Mutex
	var ran []string
	f := &fake{run: func(_ context.Context, sk string) error {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, sk)
		return nil
	}}
	notes := []string{"member#r1#10.0.0.0/24", "member#r2#10.0.0.0/24", "member#r1#10.0.1.0/24", "version#r1"}
	h := New(f, upToDate, discard)
	if _, err := h.Handle(t.Context(), inserted(notes...)); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ran)
	if want := []string{notes[0], notes[1], notes[3]}; !slices.Equal(ran, want) {
		t.Errorf("a batch ran %q, want %q", ran, want)
	}
	ran, f.pending = nil, notes
	if _, err := h.Handle(t.Context(), Event{Sweep: true}); err != nil {
		t.Fatal(err)
	}
	if len(ran) != 3 {
		t.Errorf("a sweep ran %q", ran)
	}
}

// Each sweep runs 8 pieces of work at once. If 8 never end in time, the ninth still runs in
// one of the sweeps.
func TestSweepBesideWorkThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := map[string]bool{}
		f := &fake{run: func(ctx context.Context, sk string) error {
			if strings.HasPrefix(sk, "endless#") {
				<-ctx.Done()
			} else if ctx.Err() == nil {
				done[sk] = true // no lock: only one is not endless
			}
			return ctx.Err()
		}}
		for i := range 8 { // as many as a sweep runs at once
			f.pending = append(f.pending, fmt.Sprintf("endless#%d", i))
		}
		f.pending = append(f.pending, "last#1")
		for range 100 { // each time, the last one starts too late in one case of nine
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			if _, err := New(f, upToDate, discard).Handle(ctx, Event{Sweep: true}); err != nil {
				t.Error(err)
			}
			cancel()
		}
		if !done["last#1"] {
			t.Error("the last one never started in time")
		}
	})
}

// Work that does not end in time stops 5 s before the invocation ends. Work that has
// not begun by then fails, too.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		f := &fake{run: func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return fmt.Errorf("release: %w", ctx.Err())
		}}
		a, err := New(f, upToDate, discard).Handle(ctx, inserted("a#1", "a#2"))
		if err != nil || failures(t, a) != `{"batchItemFailures":[{"itemIdentifier":"100"}]}` {
			t.Errorf("%v, %v", a, err)
		}
		if took := time.Since(begin); took != 15*time.Minute-5*time.Second {
			t.Errorf("answered after %s", took)
		}
	})
}

func TestOneLogRecordForEachPieceOfWork(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want map[string]any
	}{
		{"done", nil, map[string]any{"level": "INFO", "code": "", "Outcome": "ok"}},
		{"remains", fmt.Errorf("%w: in use", store.ErrWorkRemains), map[string]any{"level": "WARN", "code": "InternalError", "Outcome": "remains", "error": "work remains: in use"}},
		{"conflict", ipam.Errorf(ipam.CodeConcurrentMutationLimitExceeded, "x"),
			map[string]any{"level": "ERROR", "code": "ConcurrentMutationLimitExceeded", "Outcome": "conflict", "error": "ConcurrentMutationLimitExceeded: x"}},
		{"failure", errors.New("down"), map[string]any{"level": "ERROR", "code": "InternalError", "Outcome": "internal", "error": "down"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			clock := start
			h := New(&fake{run: func(context.Context, string) error { return c.err }}, upToDate, telemetry.Options{
				Logger: slog.New(slog.NewJSONHandler(&log, nil)),
				Now:    func() time.Time { clock = clock.Add(1500 * time.Microsecond); return clock },
			})
			if _, err := h.Handle(t.Context(), inserted("split#pool#10.0.0.0/24")); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, log.Bytes())
			}
			if got["_aws"] == nil {
				t.Error("the record is no metric")
			}
			delete(got, "_aws")
			delete(got, "time")
			for name, value := range map[string]any{
				"msg": "unit of work", "work": "split#pool#10.0.0.0/24", "duration_ms": 1.5, "Operation": "split", "Requests": 1.0, "Duration": 1.5,
			} {
				c.want[name] = value
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// The tests below run the handler on the store itself.

const owner = "111122223333"

// env is a table with an IPAM to delete. The IPAM has a further scope, a pool with a
// child in its private scope, a pool in the further one, allocations in all pools,
// and a split that its request abandoned.
type env struct {
	memory *tabletest.Memory
	now    time.Time
	ids    int
	ipam   string
	pools  []string // a parent, its child, a pool of the other scope
}

func (w *env) store(table table.Table, room int) *store.Store {
	return store.New(table, store.Options{
		Region: "us-east-1", Room: room, Tries: 3,
		Now:   func() time.Time { return w.now },
		Pick:  func(int) int { return 0 },
		NewID: func() string { w.ids++; return strconv.Itoa(w.ids) },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

func (w *env) clone() *env {
	c := *w
	c.memory = w.memory.Clone()
	return &c
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

func token(operation string) store.Token { return store.Token{Account: owner, Operation: operation} }

func anyone(*ipam.Pool) error { return nil }

func allocate(pool, cidr string) store.Allocate {
	return store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: pool, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)}, May: anyone}
}

func newEnv(t *testing.T) *env {
	t.Helper()
	ctx := t.Context()
	w := &env{memory: &tabletest.Memory{}, now: start}
	s := w.store(w.memory, 0)
	o := must(s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: owner}}))(t)
	w.ipam = o.ID
	further := must(s.CreateScope(ctx, token("CreateIpamScope"), ipam.Scope{IPAM: o.ID}, func(*ipam.IPAM) error { return nil }))(t)
	pool := func(o ipam.Pool, cidrs ...string) string {
		p := must(s.CreatePool(ctx, token("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t)
		for _, cidr := range cidrs {
			must(s.Provision(ctx, store.Provision{
				Token: token("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix(cidr),
				May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil },
			}))(t)
		}
		return p.ID
	}
	parent := pool(ipam.Pool{Scope: o.PrivateScope, Family: ipam.IPv4}, "10.0.0.0/16")
	child := pool(ipam.Pool{Scope: o.PrivateScope, Family: ipam.IPv4, SourcePool: parent}, "10.0.0.0/20", "10.0.16.0/20")
	apart := pool(ipam.Pool{Scope: further.ID, Family: ipam.IPv6}, "fd00::/48")
	w.pools = []string{parent, child, apart}
	for _, q := range []store.Allocate{allocate(parent, "10.0.255.0/24"), allocate(child, "10.0.0.0/24"), allocate(child, "10.0.1.0/32"), allocate(apart, "fd00:0:0:1::/64")} {
		must(s.Allocate(ctx, q))(t)
	}
	w.abandon(t, apart, "fd00::/128")
	fscktest.Clean(t, w.memory, w.now)
	return w
}

// abandon sends a request for a small block that fails after its first transaction.
func (w *env) abandon(t *testing.T, pool, cidr string) {
	t.Helper()
	table := &tabletest.Faulty{Table: w.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.Transact && c.N > 0 {
			return &tabletest.Fault{Err: tabletest.ErrInjected}
		}
		return nil
	}}
	if _, err := w.store(table, 8).Allocate(t.Context(), allocate(pool, cidr)); err == nil {
		t.Fatal("the request was not cut off")
	}
	if len(w.notes("split#")) != 1 {
		t.Fatalf("no split was left:\n%s", w.memory.Dump())
	}
}

// notes returns the work notes of a kind.
func (w *env) notes(kind string) (work []string) {
	for k := range w.memory.All() {
		if k.PK == "WORK" && strings.HasPrefix(k.SK, kind) {
			work = append(work, k.SK)
		}
	}
	return work
}

func (w *env) handler(table table.Table) *Handler {
	return New(w.store(table, 0), upToDate, telemetry.Options{Logger: discard.Logger, Now: func() time.Time { return w.now }})
}

// deliver gives a handler on the table a batch with all notes of deletes, then one
// with the notes that these wrote. It reports whether all work is done.
func (w *env) deliver(t *testing.T, table table.Table) bool {
	t.Helper()
	for _, kind := range []string{"delete-", "purge#"} {
		notes := w.notes(kind)
		if len(notes) == 0 {
			continue
		}
		a, err := w.handler(table).Handle(t.Context(), inserted(notes...))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.BatchItemFailures) > 0 {
			return false
		}
	}
	return true
}

// expectNothing fails the test unless only items that expire and the account's
// counter are left.
func (w *env) expectNothing(t *testing.T) {
	t.Helper()
	fscktest.Clean(t, w.memory, w.now)
	for k, i := range w.memory.All() {
		if i["Expires"] == nil && k != (table.Key{PK: "OWNER#" + owner, SK: "META"}) {
			t.Errorf("%s is left", k)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func (w *env) deleteIPAM(t *testing.T) {
	t.Helper()
	o := must(w.store(w.memory, 0).DeleteIPAM(t.Context(), w.ipam, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil }))(t)
	if o.State != ipam.StateDeleteInProgress {
		t.Fatalf("the IPAM is %s", o.State)
	}
}

func TestCascadingDelete(t *testing.T) {
	w := newEnv(t)
	w.deleteIPAM(t)
	if !w.deliver(t, w.memory) {
		t.Error("not done at once")
	}
	w.expectNothing(t)
}

func TestCascadingDeleteOfAPoolLeavesTheOthers(t *testing.T) {
	w := newEnv(t)
	must(w.store(w.memory, 0).DeletePool(t.Context(), w.pools[0], true, anyone))(t)
	if !w.deliver(t, w.memory) {
		t.Error("not done at once")
	}
	fscktest.Clean(t, w.memory, w.now)
	left := must(w.store(w.memory, 0).OwnedPools(t.Context(), owner))(t)
	if len(left) != 1 || left[0].ID != w.pools[2] {
		t.Errorf("pools left: %v, want %s only", left, w.pools[2])
	}
}

// Each call of the table fails in turn: applied or not, alone or with all later
// calls. The table is consistent afterwards, and the next try finishes the work.
func TestCascadingDeleteUnderFaults(t *testing.T) {
	origin := newEnv(t)
	origin.deleteIPAM(t)
	good := origin.clone()
	traced := &tabletest.Faulty{Table: good.memory}
	good.deliver(t, traced)
	calls := traced.Trace()
	if len(calls) < 50 {
		t.Fatalf("the delete takes %d calls only", len(calls))
	}
	for _, how := range []struct {
		name          string
		applied, down bool
	}{{"once", false, false}, {"answer lost", true, false}, {"down from then on", false, true}, {"answer lost, then down", true, true}} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			stopped := 0
			for _, at := range calls {
				w := origin.clone()
				hit := false
				table := &tabletest.Faulty{Table: w.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
					switch {
					case c.Kind == at.Kind && c.N == at.N:
						hit = true
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: how.applied}
					case hit && how.down:
						return &tabletest.Fault{Err: tabletest.ErrInjected}
					}
					return nil
				}}
				if !w.deliver(t, table) {
					stopped++
				}
				fscktest.Clean(t, w.memory, w.now)
				if !w.deliver(t, w.memory) {
					t.Fatalf("a fault at %s: the next try does not finish", at)
				}
				w.expectNothing(t)
			}
			if how.down && stopped == 0 {
				t.Error("no fault stopped the work")
			}
		})
	}
}

// Lambda keeps the order of the records of one item, and works on those of other items at
// once. The notes of a delete may come in any order, twice, and several at once: in the end
// nothing is left.
func TestNotesInAnyOrder(t *testing.T) {
	origin := newEnv(t)
	for _, pool := range origin.pools {
		must(origin.store(origin.memory, 0).DeletePool(t.Context(), pool, true, anyone))(t)
	}
	origin.deleteIPAM(t)
	for seed := range uint64(60) {
		w := origin.clone()
		random := rand.New(rand.NewPCG(seed, 1))
		s := w.store(w.memory, 0)
		run := func(sk string) error { return s.RunWork(t.Context(), sk) }
		for rounds := 0; len(w.notes("delete-"))+len(w.notes("purge#")) > 0; rounds++ {
			if rounds == 20 {
				t.Fatalf("seed %d: %q are left", seed, w.notes(""))
			}
			notes := append(w.notes("delete-"), w.notes("purge#")...)
			notes = append(notes, notes...)
			random.Shuffle(len(notes), func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
			for some := range slices.Chunk(notes, 1+random.IntN(3)) {
				h := New(&fake{run: func(_ context.Context, sk string) error { return run(sk) }}, upToDate, discard)
				if _, err := h.Handle(t.Context(), inserted(some...)); err != nil {
					t.Fatal(err)
				}
				fscktest.Clean(t, w.memory, w.now)
			}
		}
		w.expectNothing(t)
	}
}

// A request that read the pool before the delete began may commit at any moment of
// the delete. Either the request fails, or the delete releases its allocation.
func TestCascadingDeleteRacesWithAllocations(t *testing.T) {
	origin := newEnv(t)
	var late []table.Write
	recorder := &tabletest.Faulty{Table: origin.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
		if c.Kind != tabletest.Transact {
			return nil
		}
		late = c.Writes
		return &tabletest.Fault{Err: tabletest.ErrInjected}
	}}
	if _, err := origin.store(recorder, 0).Allocate(t.Context(), allocate(origin.pools[1], "10.0.31.0/24")); err == nil || late == nil {
		t.Fatal("the request was not held up")
	}
	origin.deleteIPAM(t)
	good := origin.clone()
	traced := &tabletest.Faulty{Table: good.memory}
	good.deliver(t, traced)
	took, remained := 0, 0
	for _, at := range traced.Trace() {
		w := origin.clone()
		table := &tabletest.Faulty{Table: w.memory, Inject: func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == at.Kind && c.N == at.N && w.memory.Transact(t.Context(), late) == nil {
				took++
			}
			return nil
		}}
		for !w.deliver(t, table) {
			remained++
			if remained > len(traced.Trace()) {
				t.Fatal("the delete does not end")
			}
		}
		w.expectNothing(t)
	}
	if took == 0 || took == len(traced.Trace()) {
		t.Errorf("the late request took its block in %d of %d cases; both must occur", took, len(traced.Trace()))
	}
}

// A delete that takes longer than an invocation continues in the next one.
func TestCascadingDeleteContinuesAfterTheDeadline(t *testing.T) {
	w := newEnv(t)
	w.deleteIPAM(t)
	invocations := 0
	for done := false; !done; invocations++ {
		if invocations == 100 {
			t.Fatal("the delete does not end")
		}
		calls := 0
		table := &tabletest.Faulty{Table: w.memory, Inject: func(tabletest.Call) *tabletest.Fault {
			if calls++; calls > 25 {
				return &tabletest.Fault{Err: context.DeadlineExceeded}
			}
			return nil
		}}
		a, err := w.handler(table).Handle(t.Context(), inserted(w.notes("delete-ipam")...))
		if err != nil {
			t.Fatal(err)
		}
		done = len(a.BatchItemFailures) == 0
		fscktest.Clean(t, w.memory, w.now)
	}
	if invocations < 3 {
		t.Errorf("it took %d invocations, too few to test the continuation", invocations)
	}
	w.deliver(t, w.memory) // the notes of the delete
	w.expectNothing(t)
}

// If the note of a split arrives while its request still works, the function does nothing
// and does not fail. After the deadline the sweep frees the space.
func TestSplit(t *testing.T) {
	w := newEnv(t)
	note := w.notes("split#")
	before := w.memory.Dump()
	for _, age := range []time.Duration{0, 5*time.Minute - time.Second} {
		w.now = start.Add(age)
		a, err := w.handler(w.memory).Handle(t.Context(), inserted(note...))
		if err != nil || len(a.BatchItemFailures) > 0 {
			t.Errorf("after %s: %v, %v", age, a, err)
		}
		if _, err := w.handler(w.memory).Handle(t.Context(), Event{Sweep: true}); err != nil {
			t.Error(err)
		}
		if w.memory.Dump() != before {
			t.Fatalf("after %s the split of a working request was changed", age)
		}
	}
	w.now = start.Add(5*time.Minute + time.Second)
	if _, err := w.handler(w.memory).Handle(t.Context(), Event{Sweep: true}); err != nil {
		t.Error(err)
	}
	fscktest.Clean(t, w.memory, w.now)
	if left := w.notes(""); left != nil {
		t.Errorf("left: %q", left)
	}
	whole := must(w.store(w.memory, 0).Allocate(t.Context(), store.Allocate{
		Token: token("AllocateIpamPoolCidr"), Pool: w.pools[2], Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("fd00::/64")}, May: anyone,
	}))(t)
	if whole.CIDR != netip.MustParsePrefix("fd00::/64") {
		t.Errorf("the space is given back as %v", whole)
	}
}
