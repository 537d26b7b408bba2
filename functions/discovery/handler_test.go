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
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	owner, memberA, memberB = discovertest.Owner, "111122223333", "222233334444"
	home, away              = "us-east-1", "eu-west-1"
)

// env is an IPAM of the owner, a pool 10.0.0.0/8 with AutoImport, two member accounts,
// and a clock that advances by 1 ms with each read.
type env struct {
	testing.TB
	table     *tabletest.Memory
	on        table.Table // the store's table: table, or a wrapper around it
	cloud     *discovertest.Cloud
	ipam      *ipam.IPAM
	pool      string
	discovery *ipam.Discovery
	logs      bytes.Buffer
	sent      []string
	refuse    error          // the queue's answer
	queue     Queue          // nil: the env itself
	client    aws.HTTPClient // nil: the cloud
	slept     []time.Duration

	ignoreDefaultVPCs bool

	onSleep func()

	mu  sync.Mutex
	now time.Time
	ids int
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

func token(op string) store.Token { return store.Token{Account: owner, Operation: op} }

func newEnv(t testing.TB) *env {
	t.Helper()
	w := &env{TB: t, table: &tabletest.Memory{}, now: time.UnixMilli(1_800_000_000_000)}
	w.on = w.table
	w.cloud = &discovertest.Cloud{
		Roles: map[string]string{owner: discover.ReaderRole, memberA: discover.ReaderRole, memberB: discover.ReaderRole},
		Members: []discovertest.Member{
			{ID: owner, Paths: []string{"o-a1b2c3d4e5/r-f6g7/" + owner + "/"}},
			{ID: memberA, Paths: []string{"o-a1b2c3d4e5/r-f6g7/ou-f6g7-aaaaaaaa/" + memberA + "/"}},
			{ID: memberB, Paths: []string{"o-a1b2c3d4e5/r-f6g7/ou-f6g7-bbbbbbbb/" + memberB + "/"}},
		},
		Networks: map[string]*discover.Seen{memberA + " " + home: discovertest.Sample(memberA, 1), memberB + " " + home: discovertest.Sample(memberB, 2)},
	}
	ctx := context.Background()
	s := w.store()
	w.ipam = must(s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: owner}, OperatingRegions: []string{home, away}}))(t)
	pool := must(s.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: w.ipam.PrivateScope, Family: ipam.IPv4, AutoImport: true, Locale: home},
		func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t)
	w.pool = pool.ID
	must(s.Provision(ctx, store.Provision{Token: token("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix("10.0.0.0/8"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}))(t)
	w.discovery = must(s.AllDiscoveries(ctx))(t)[0]
	return w
}

func (w *env) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func (w *env) store() *store.Store {
	quotas := ipam.DefaultQuotas()
	quotas.IPAMs = 3
	return store.New(w.on, store.Options{
		Region: home, Owner: owner, Quotas: &quotas, Now: w.time, Tries: 4, IgnoreDefaultVPCs: w.ignoreDefaultVPCs,
		Pick:  func(int) int { return 0 },
		NewID: func() string { w.mu.Lock(); defer w.mu.Unlock(); w.ids++; return fmt.Sprint(w.ids) },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// Send keeps messages: the env is its own queue.
func (w *env) Send(_ context.Context, bodies ...string) error {
	w.sent = append(w.sent, bodies...)
	return w.refuse
}

func (w *env) handler() *Handler {
	w.Helper()
	cfg, queue := w.cloud.Config(), Queue(w)
	if w.client != nil {
		cfg.HTTPClient = w.client
	}
	if w.queue != nil {
		queue = w.queue
	}
	accounts := must(discover.NewDirectory(discover.EveryAccount, owner, organizations.NewFromConfig(cfg), w.time))(w)
	return New(w.store(), queue, accounts, discover.NewClients(cfg, discover.ReaderRole, 1), Options{
		Options: telemetry.Options{Logger: slog.New(slog.NewJSONHandler(&w.logs, nil)), Now: w.time},
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.slept = append(w.slept, d)
			if w.onSleep != nil {
				w.onSleep()
			}
			return ctx.Err()
		},
	})
}

// message returns a batch with one message: a task for an account and a Region.
func (w *env) message(account, region string) Event {
	b, err := json.Marshal(task{Discovery: w.discovery.ID, Region: region, Account: account})
	if err != nil {
		w.Fatal(err)
	}
	return Event{SQSEvent: events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m-" + account, Body: string(b)}}}}
}

// later advances the clock by 2 minutes: then an unseen resource is gone.
func (w *env) later() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(2 * time.Minute)
}

// run reads an account in the home Region, 2 minutes after all work before it, and
// reports whether its message is done.
func (w *env) run(ctx context.Context, account string) bool {
	w.Helper()
	w.later()
	return w.runNow(ctx, account)
}

func (w *env) runNow(ctx context.Context, account string) bool {
	w.Helper()
	answer, err := w.handler().Handle(ctx, w.message(account, home))
	if err != nil {
		w.Fatal(err)
	}
	return len(answer.BatchItemFailures) == 0
}

// event delivers a call of an account in the home Region.
func (w *env) event(account, name, request, response string) error {
	w.Helper()
	return w.eventAt(time.UnixMilli(0), account, name, request, response)
}

// eventAt delivers a call that was made at a time.
func (w *env) eventAt(at time.Time, account, name, request, response string) error {
	w.Helper()
	detail := fmt.Sprintf(`{"eventSource": "ec2.amazonaws.com", "eventTime": %q, "eventName": %q, "awsRegion": "us-east-1", "recipientAccountId": "999999999999", "readOnly": false, "requestParameters": %s, "responseElements": %s}`, at.UTC().Format(time.RFC3339), name, request, response)
	_, err := w.handler().Handle(context.Background(), Event{EventBridgeEvent: events.EventBridgeEvent{
		DetailType: discover.CallDetailType, Source: discover.CallSource, AccountID: account, Region: home, Detail: json.RawMessage(detail),
	}})
	return err
}

// known returns the ids and CIDRs of an account's stored resources in the home Region.
func (w *env) known(account string) (all []string) {
	w.Helper()
	s := store.New(w.table, store.Options{Region: home, Owner: owner})
	for after := ""; ; {
		found, next, err := s.Found(context.Background(), w.discovery.ID, home, account, after, 0)
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range found {
			all = append(all, f.ID+" "+f.CIDR.String())
		}
		if after = next; after == "" {
			slices.Sort(all)
			return all
		}
	}
}

// live returns the ids and CIDRs of the resources that an account has in the home Region.
func (w *env) live(account string) (all []string) {
	for _, r := range w.cloud.Network(account, home).Resources(account, home) {
		all = append(all, r.ID+" "+r.CIDR.String())
	}
	slices.Sort(all)
	return all
}

// agrees fails the test unless the stored resources of the accounts are those that they
// have, no work is left, and the table is consistent.
func (w *env) agrees(accounts ...string) {
	w.Helper()
	for _, a := range accounts {
		if diff := cmp.Diff(w.known(a), w.live(a)); diff != "" {
			w.Errorf("of account %s, -known +live:\n%s", a, diff)
		}
	}
	fscktest.Clean(w, w.table, w.now)
}

// finish does the work that is left, as the provisioning function does.
func (w *env) finish() {
	w.Helper()
	s := store.New(w.table, store.Options{Region: home, Owner: owner, Now: w.time, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	for range 3 {
		for _, sk := range must(s.PendingWork(context.Background(), w.now.Add(time.Hour)))(w) {
			if err := s.RunWork(context.Background(), sk); err != nil {
				w.Fatal(err)
			}
		}
	}
}

func (w *env) progress(account string) *ipam.DiscoveredAccount {
	w.Helper()
	s := store.New(w.table, store.Options{Region: home, Owner: owner})
	all, _, err := s.DiscoveredAccounts(context.Background(), w.discovery.ID, home, "", 0)
	if err != nil {
		w.Fatal(err)
	}
	for _, a := range all {
		if a.Account == account {
			return a
		}
	}
	return nil
}

// deleteVPC removes the sample's vpc-n1 with everything in it.
func deleteVPC(n *discover.Seen) {
	n.VPCs = n.VPCs[1:]
	n.Subnets = n.Subnets[2:]
	n.Addresses = n.Addresses[2:]
	n.Interfaces = nil
}

func TestDispatch(t *testing.T) {
	w := newEnv(t)
	ctx := t.Context()
	s := w.store()
	if _, err := s.ModifyDiscovery(ctx, w.discovery.ID, ipam.ActModify, func(d *ipam.Discovery) error {
		d.Exclusions = []string{"o-a1b2c3d4e5/r-f6g7/ou-f6g7-bbbbbbbb/*"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	other := must(s.CreateIPAM(ctx, store.Token{Account: memberB, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: memberB}, OperatingRegions: []string{away}}))(t)
	must(s.CreateDiscovery(ctx, store.Token{Account: memberA, Operation: "CreateIpamResourceDiscovery"}, ipam.Discovery{Meta: ipam.Meta{Owner: memberA}, OperatingRegions: []string{home}}))(t)
	want := []string{
		fmt.Sprintf(`{"discovery":%q,"region":"us-east-1","account":%q}`, w.discovery.ID, owner),
		fmt.Sprintf(`{"discovery":%q,"region":"eu-west-1","account":%q}`, w.discovery.ID, owner),
		fmt.Sprintf(`{"discovery":%q,"region":"us-east-1","account":%q,"ou":"ou-f6g7-aaaaaaaa"}`, w.discovery.ID, memberA),
		fmt.Sprintf(`{"discovery":%q,"region":"eu-west-1","account":%q,"ou":"ou-f6g7-aaaaaaaa"}`, w.discovery.ID, memberA),
		fmt.Sprintf(`{"discovery":%q,"region":"eu-west-1","account":%q}`, other.Discovery, memberB),
	}
	slices.Sort(want)
	var e Event
	if err := json.Unmarshal([]byte(`{"dispatch": true}`), &e); err != nil {
		t.Fatal(err)
	}
	if _, err := w.handler().Handle(ctx, e); err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.sent)
	if diff := cmp.Diff(w.sent, want); diff != "" {
		t.Errorf("-sent +want:\n%s", diff)
	}

	t.Run("without the organisation's accounts", func(t *testing.T) {
		w.sent = nil
		w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
			return &discovertest.Fault{Status: 400, Code: "AccessDeniedException"}
		}
		defer func() { w.cloud.Fault = nil }()
		if _, err := w.handler().Handle(ctx, e); err == nil || !strings.Contains(err.Error(), w.discovery.ID) {
			t.Errorf("no failure: %v", err)
		}
		if len(w.sent) != 1 || !strings.Contains(w.sent[0], other.Discovery) {
			t.Errorf("sent %q", w.sent)
		}
	})
	t.Run("when the queue refuses", func(t *testing.T) {
		w.refuse = errors.New("the queue is down")
		if _, err := w.handler().Handle(ctx, e); !errors.Is(err, w.refuse) {
			t.Errorf("no failure: %v", err)
		}
	})
	if _, err := w.handler().Handle(ctx, Event{}); err == nil {
		t.Error("an event of another kind is no error")
	}
}

func TestDispatchReadsNewAccounts(t *testing.T) {
	w := newEnv(t)
	h := w.handler()
	const joined = "666677778888"
	for _, want := range []bool{false, true} {
		w.sent = nil
		if _, err := h.Handle(t.Context(), Event{Dispatch: true}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(w.sent, ""), joined); got != want {
			t.Errorf("sent %q", w.sent)
		}
		w.cloud.Members = append(w.cloud.Members, discovertest.Member{ID: joined, Paths: []string{"o-a1b2c3d4e5/r-f6g7/" + joined + "/"}})
	}
}

func TestRunFindsAllAndForgetsGoneResources(t *testing.T) {
	w := newEnv(t)
	for _, a := range []string{memberA, memberB} {
		if !w.run(t.Context(), a) {
			t.Fatalf("the message is not done:\n%s", &w.logs)
		}
	}
	w.agrees(memberA, memberB)
	if n := len(w.known(memberA)); n != 19 {
		t.Errorf("%d CIDRs are known", n)
	}
	p := w.progress(memberA)
	if p == nil || p.Succeeded == 0 || p.Succeeded != p.Attempted || p.FailureCode != "" {
		t.Errorf("the account is at %+v", p)
	}
	// The larger of two VPCs on the same space is imported.
	allocations, _, err := w.store().Allocations(t.Context(), w.pool, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range allocations {
		got = append(got, a.ResourceID+" "+a.CIDR.String())
	}
	if want := []string{"vpc-011 10.1.0.0/16", "vpc-021 10.2.0.0/16"}; !slices.Equal(got, want) {
		t.Errorf("imported %q, want %q", got, want)
	}

	deleteVPC(w.cloud.Network(memberA, home))
	tag := "renamed"
	w.cloud.Network(memberA, home).VPCs[0].Tags = []types.Tag{{Key: ptr("Name"), Value: &tag}}
	w.logs.Reset()
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	w.agrees(memberA, memberB)
	if log := w.logs.String(); !strings.Contains(log, `"seen":4,"changed":1,"gone":15`) {
		t.Errorf("the record is %s", log)
	}
	// An account leaves the organisation: its resources stay.
	w.cloud.Members = w.cloud.Members[:2]
	if _, err := w.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(w.sent, "\n"), memberB) {
		t.Errorf("sent %q", w.sent)
	}
	w.agrees(memberB)
}

// The deletion of one VPC between two pages moves another VPC out of both pages. The run
// keeps that VPC and its space. The next run forgets the deleted one.
func TestRunKeepsResourcesThatMoveBetweenPages(t *testing.T) {
	w := newEnv(t)
	n := w.cloud.Network(memberA, home)
	n.VPCs = []types.Vpc{vpc("vpc-one", "10.96.0.0/16"), vpc("vpc-two", "10.97.0.0/16"), vpc("vpc-three", "10.98.0.0/16")}
	n.Subnets, n.Addresses, n.Interfaces, n.Pools = nil, nil, nil, nil
	w.cloud.PageSize = 1
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	w.cloud.Answer = func(c discovertest.Call) {
		if c.Name == "DescribeVpcs" && c.Page == 0 {
			w.cloud.Answer, n.VPCs = nil, n.VPCs[1:]
		}
	}
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	if got, want := w.known(memberA), []string{"vpc-one 10.96.0.0/16", "vpc-three 10.98.0.0/16", "vpc-two 10.97.0.0/16"}; !slices.Equal(got, want) {
		t.Errorf("%q are known, want %q", got, want)
	}
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	if got, want := w.known(memberA), []string{"vpc-three 10.98.0.0/16", "vpc-two 10.97.0.0/16"}; !slices.Equal(got, want) {
		t.Errorf("after the next run %q are known, want %q", got, want)
	}
	w.agrees(memberA)
}

// A dispatch marks the accounts that departed, with the reason. The first run over an
// account that came back removes the mark. If no account departed or came back, a
// dispatch writes nothing.
func TestDispatchMarksDepartedAccounts(t *testing.T) {
	const unit = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-bbbbbbbb/"
	exclude := func(paths ...string) func(*env) {
		return func(w *env) {
			must(w.store().ModifyDiscovery(w.Context(), w.discovery.ID, ipam.ActModify, func(d *ipam.Discovery) error { d.Exclusions = paths; return nil }))(w)
		}
	}
	operate := func(regions ...string) func(*env) {
		return func(w *env) {
			must(w.store().ModifyIPAM(w.Context(), w.ipam.ID, ipam.ActModify, func(o *ipam.IPAM) error { o.OperatingRegions = regions; return nil }))(w)
		}
	}
	dispatch := func(w *env) {
		w.Helper()
		if _, err := w.handler().Handle(w.Context(), Event{Dispatch: true}); err != nil {
			w.Fatal(err)
		}
	}
	for _, c := range []struct {
		name        string
		leave, back func(*env)
		a, b        ipam.Departure
	}{
		{"out of the organisation", func(w *env) { w.cloud.Members = w.cloud.Members[:2] },
			func(w *env) {
				w.cloud.Members = append(w.cloud.Members, discovertest.Member{ID: memberB, Paths: []string{unit + memberB + "/"}})
			}, ipam.NotDeparted, ipam.DepartedAccount},
		{"closed", func(w *env) { w.cloud.Members[2].State = "PENDING_CLOSURE" }, func(w *env) { w.cloud.Members[2].State = "ACTIVE" }, ipam.NotDeparted, ipam.DepartedAccount},
		{"in an excluded unit", exclude(unit), exclude(), ipam.NotDeparted, ipam.DepartedAccount},
		{"in a Region that is not operated", operate(away), operate(home, away), ipam.DepartedRegion, ipam.DepartedRegion},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			w.run(t.Context(), memberA)
			w.run(t.Context(), memberB)
			is := func(a, b ipam.Departure) {
				t.Helper()
				if p, q := w.progress(memberA), w.progress(memberB); p.Departure != a || q.Departure != b || p.Succeeded == 0 || q.Succeeded == 0 {
					t.Errorf("the accounts are at %+v and %+v, want %q and %q", p, q, a, b)
				}
			}
			quiet := func() {
				t.Helper()
				before := w.table.Hash()
				w.logs.Reset()
				if dispatch(w); before != w.table.Hash() || !strings.Contains(w.logs.String(), `"detached":0`) {
					t.Errorf("no account departed or came back, but the dispatch writes or reports one: %s", &w.logs)
				}
			}
			quiet()
			is(ipam.NotDeparted, ipam.NotDeparted)
			c.leave(w)
			dispatch(w)
			is(c.a, c.b)
			quiet()
			w.agrees(memberA, memberB)
			c.back(w)
			w.run(t.Context(), memberA)
			w.run(t.Context(), memberB)
			is(ipam.NotDeparted, ipam.NotDeparted)
			quiet()
		})
	}
}

// An event of a departed account removes the mark, as a run does.
func TestEventOfDepartedAccountRemovesTheMark(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	p := w.progress(memberA)
	p.Departure = ipam.DepartedAccount
	must(0, w.store().SaveDiscoveredAccount(t.Context(), p))(t)
	n := w.cloud.Network(memberA, home)
	n.VPCs = append(n.VPCs, vpc("vpc-new", "10.99.0.0/16"))
	must(0, w.event(memberA, "CreateVpc", `{}`, `{"vpc": {"vpcId": "vpc-new"}}`))(t)
	if now := w.progress(memberA); now.Departure != ipam.NotDeparted || now.Attempted != p.Attempted {
		t.Errorf("the account is at %+v", now)
	}
	w.agrees(memberA)
}

func ptr[T any](v T) *T { return &v }

func TestUnchangedNetworkCostsOneWrite(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	counter := &tabletest.Counter{Table: w.table}
	w.on = counter
	before := w.table.Dump()
	if !w.run(t.Context(), memberA) {
		t.Fatal("the message is not done")
	}
	c := counter.Take()
	t.Logf("an unchanged network: %+v", c)
	if c.Transactions != 1 || c.Writes != 1 {
		t.Errorf("an unchanged network costs %+v", c)
	}
	if before == w.table.Dump() {
		t.Error("the account's progress was not stored")
	}
	w.agrees(memberA)
}

// If runs take longer than a schedule's interval, messages of several schedules wait. The
// first one reads the account. It serves all messages that were sent before its run.
func TestMessagesThatWaitTogetherAreOneRun(t *testing.T) {
	w := newEnv(t)
	sent := func() Event {
		e := w.message(memberA, home)
		e.Records[0].Attributes = map[string]string{"SentTimestamp": fmt.Sprint(w.time().UnixMilli())}
		return e
	}
	// reads handles a message and reports whether that called EC2.
	reads := func(e Event) bool {
		t.Helper()
		before := len(w.cloud.Made)
		if a, err := w.handler().Handle(t.Context(), e); err != nil || len(a.BatchItemFailures) > 0 {
			t.Fatalf("%v, %v", a, err)
		}
		return len(w.cloud.Made) > before
	}
	first, second, third := sent(), sent(), sent()
	if !reads(first) || reads(second) || reads(third) || reads(first) {
		t.Errorf("not only the first message calls EC2:\n%v", w.cloud.Made)
	}
	w.agrees(memberA)
	if !strings.Contains(w.logs.String(), "a run began after") {
		t.Errorf("the records are\n%s", &w.logs)
	}
	if next := sent(); !reads(next) || reads(next) {
		t.Error("the next schedule's message does not read once")
	}

	// A run that could not read the account serves them too.
	refused, again := sent(), sent()
	w.cloud.Roles = nil
	if !reads(refused) || reads(again) || w.progress(memberA).FailureCode == "" {
		t.Errorf("the account is at %+v", w.progress(memberA))
	}
	w.cloud.Roles = map[string]string{memberA: discover.ReaderRole}

	// A run that was cut off does not.
	broken, again := sent(), sent()
	w.cloud.Network(memberA, home).VPCs[0].Tags = []types.Tag{{Key: ptr("Name"), Value: ptr("renamed")}}
	ctx, cancel := context.WithCancel(t.Context())
	w.table.OnCommit = func(context.Context, []table.Write) { cancel() }
	if a, err := w.handler().Handle(ctx, broken); err != nil || len(a.BatchItemFailures) != 1 {
		t.Fatalf("%v, %v", a, err)
	}
	w.table.OnCommit = nil
	if !reads(again) || reads(broken) {
		t.Error("a run that was cut off serves other messages")
	}
	w.agrees(memberA)

	e := sent()
	e.Records[0].Attributes["SentTimestamp"] = "yesterday"
	if a, err := w.handler().Handle(t.Context(), e); err != nil || len(a.BatchItemFailures) != 1 {
		t.Errorf("a time of another form: %v, %v", a, err)
	}
}

// A run stores the account's row before the account's resources. The deletion of a
// discovery finds the resources through the row.
func TestRunStoresTheAccountBeforeItsResources(t *testing.T) {
	w := newEnv(t)
	first := ""
	w.table.OnCommit = func(_ context.Context, writes []table.Write) {
		if first == "" {
			first = writes[0].Key.SK
		}
	}
	w.run(t.Context(), memberA)
	w.table.OnCommit = nil
	if !strings.HasPrefix(first, "ACCOUNT#") {
		t.Errorf("the first write is of %s", first)
	}
}

func TestMessagesOfUnwatchedRegionsAndDiscoveries(t *testing.T) {
	w := newEnv(t)
	for name, e := range map[string]Event{
		"another Region": w.message(memberA, "ap-south-1"),
		"a discovery that is gone": {SQSEvent: events.SQSEvent{Records: []events.SQSMessage{{
			Body: `{"discovery": "ipam-res-disco-0123", "region": "us-east-1", "account": "111122223333"}`}}}},
	} {
		w.logs.Reset()
		answer, err := w.handler().Handle(t.Context(), e)
		if err != nil || len(answer.BatchItemFailures) > 0 || !strings.Contains(w.logs.String(), `"ignored":`) || len(w.cloud.Made) > 0 {
			t.Errorf("%s: %v, %v: %s", name, answer, err, &w.logs)
		}
	}
	for _, body := range []string{"", "{}", `{"discovery": "ipam-res-disco-0123"}`} {
		answer, err := w.handler().Handle(t.Context(), Event{SQSEvent: events.SQSEvent{Records: []events.SQSMessage{{MessageId: "bad", Body: body}}}})
		if err != nil || len(answer.BatchItemFailures) != 1 || answer.BatchItemFailures[0].ItemIdentifier != "bad" {
			t.Errorf("%q: %v, %v", body, answer, err)
		}
	}
}

func TestRecordedEvents(t *testing.T) {
	w := newEnv(t)
	w.cloud.Networks[memberA+" "+home] = &discover.Seen{VPCs: []types.Vpc{{VpcId: ptr("vpc-0a1b2c3d4e5f60001"), CidrBlock: ptr("10.20.0.0/16")}}}
	for _, file := range []string{"event.json", "message.json"} {
		b, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("ipam-res-disco-0123456789abcdef0"), []byte(w.discovery.ID))
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		w.logs.Reset()
		if answer, err := w.handler().Handle(t.Context(), e); err != nil || len(answer.BatchItemFailures) > 0 || !strings.Contains(w.logs.String(), `"seen":1`) {
			t.Errorf("%s: %v, %v: %s", file, answer, err, &w.logs)
		}
		var again []byte
		if len(e.Records) > 0 {
			again, err = json.Marshal(e.SQSEvent)
		} else {
			again, err = json.Marshal(e.EventBridgeEvent)
		}
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(b, &want), json.Unmarshal(again, &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s does not survive a round trip, -got +want:\n%s", file, diff)
		}
	}
	w.agrees(memberA)
}

// Each piece of work has one log record. A run has a second one for its metric.
func TestLogRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*env)
		want map[string]any
		runs []any // the metric
	}{
		{"a run", func(w *env) { w.run(context.Background(), memberA) },
			map[string]any{"level": "INFO", "Operation": "run", "Outcome": "ok", "seen": 19.0, "changed": 19.0, "gone": 0.0, "account": memberA, "region": home}, []any{0.0}},
		{"an account without the role", func(w *env) { delete(w.cloud.Roles, memberA); w.run(context.Background(), memberA) },
			map[string]any{"level": "WARN", "Operation": "run", "Outcome": "assume-role-failure", "seen": 0.0}, []any{0.0}}, // a new account, which may get the role later
		{"a table that is down", func(w *env) {
			w.on = &tabletest.Faulty{Table: w.table, Inject: func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }}
			w.run(context.Background(), memberA)
		}, map[string]any{"level": "ERROR", "Operation": "run", "Outcome": "internal"}, []any{1.0}},
		{"the end of the invocation", func(w *env) {
			ctx, cancel := context.WithCancel(context.Background())
			w.cloud.Answer = func(discovertest.Call) { cancel() }
			w.run(ctx, memberA)
		}, map[string]any{"level": "WARN", "Operation": "run", "Outcome": "remains"}, nil},
		{"an event", func(w *env) { w.event(memberA, "DeleteVpc", `{"vpcId": "vpc-none"}`, `{}`) },
			map[string]any{"level": "INFO", "Operation": "event", "Outcome": "ok", "call": "DeleteVpc"}, nil},
		{"an event that is not watched", func(w *env) { w.event(memberA, "CreateRouteTable", `{}`, `{}`) },
			map[string]any{"level": "INFO", "Operation": "event", "Outcome": "ok", "ignored": "the call is not watched"}, nil},
		{"a dispatch", func(w *env) { w.handler().Handle(context.Background(), Event{Dispatch: true}) },
			map[string]any{"level": "INFO", "Operation": "dispatch-discovery", "Outcome": "ok", "sent": 6.0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			c.do(w)
			var work []map[string]any
			var runs []any
			for line := range bytes.Lines(w.logs.Bytes()) {
				var r map[string]any
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatal(err)
				}
				if r["_aws"] == nil {
					t.Errorf("no metric: %s", line)
				}
				if r["msg"] == "unit of work" {
					work = append(work, r)
				} else {
					runs = append(runs, r["DiscoveryFailures"])
				}
			}
			if len(work) != 1 || !slices.Equal(runs, c.runs) {
				t.Fatalf("%d records, of runs %v:\n%s", len(work), runs, &w.logs)
			}
			for name, want := range c.want {
				if work[0][name] != want {
					t.Errorf("%s is %v, want %v", name, work[0][name], want)
				}
			}
		})
	}
}
