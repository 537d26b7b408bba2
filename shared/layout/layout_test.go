package layout_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/layout"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

var update = flag.Bool("update", false, "write the dump of a layout that has none yet")

const (
	account = "111122223333"
	home    = "us-east-1"
)

var start = time.Unix(1_800_000_000, 0).UTC()

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// clock is the time of all processes of a test.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.seconds.Load()) * time.Second) }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d.Seconds())) }

func allow(*ipam.Pool, string) error { return nil }

func allocate(ctx context.Context, s *store.Store, pool, token string, length int) (*ipam.Allocation, error) {
	return s.Allocate(ctx, store.Allocate{
		Token: store.Token{Account: account, Operation: "AllocateIpamPoolCidr", Value: token, Digest: "d"}, Pool: pool,
		Request: ipam.AllocateRequest{Length: &length}, May: func(*ipam.Pool) error { return nil },
	})
}

func release(ctx context.Context, s *store.Store, a *ipam.Allocation) error {
	return s.Release(ctx, store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: allow})
}

// network writes the items of a deployment: an IPAM, two pools, allocations, a discovery
// with live VPCs, one of them imported, history and notes. Ids and times are fixed.
func network(t *testing.T, db table.Table) {
	ids := 0
	s := store.New(db, store.Options{
		Region: home, Now: func() time.Time { return start }, Pick: func(int) int { return 0 },
		NewID: func() string { ids++; return fmt.Sprintf("%032x", ids) }, AtOnce: 1,
	})
	ctx := t.Context()
	token := func(operation, value string) store.Token {
		return store.Token{Account: account, Operation: operation, Value: value, Digest: "d"}
	}
	manager := must(s.CreateIPAM(ctx, token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: account}, OperatingRegions: []string{home}}))(t)
	build := func(locale string) func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error {
		return func(_ *ipam.IPAM, _ *ipam.Scope, _ *ipam.Pool, o *ipam.Pool) error { o.Locale = locale; return nil }
	}
	top := must(s.CreatePool(ctx, token("CreateIpamPool", "1"), ipam.Pool{Scope: manager.PrivateScope, Family: ipam.IPv4}, build("")))(t)
	provision := func(pool, value, cidr string) {
		must(s.Provision(ctx, store.Provision{
			Token: token("ProvisionIpamPoolCidr", value), Pool: pool, CIDR: netip.MustParsePrefix(cidr),
			May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
		}))(t)
	}
	provision(top.ID, "1", "10.0.0.0/12")
	leaf := must(s.CreatePool(ctx, token("CreateIpamPool", "2"), ipam.Pool{Scope: manager.PrivateScope, Family: ipam.IPv4, SourcePool: top.ID, AutoImport: true}, build(home)))(t)
	provision(leaf.ID, "2", "10.0.0.0/16")
	for i := range 6 {
		a := must(allocate(ctx, s, leaf.ID, fmt.Sprint("a", i), 24))(t)
		if i%3 == 2 {
			if err := release(ctx, s, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := must(s.AllDiscoveries(ctx))(t)[0] // the default one
	for i, cidr := range []string{"10.0.128.0/20", "10.0.144.0/20", "172.31.0.0/16"} {
		id := fmt.Sprintf("vpc-%d", i)
		must(s.Observe(ctx, d, []*ipam.IPAM{manager}, ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, Owner: account, Region: home, CIDR: netip.MustParsePrefix(cidr)}, start.UnixMilli()))(t)
	}
	must(0, s.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{Discovery: d.ID, Region: home, Account: account, Attempted: start.UnixMilli(), Succeeded: start.UnixMilli()}))(t)
}

// line is one item of a dump.
type line struct {
	PK, SK string
	S      map[string]string            `json:",omitempty"`
	N      map[string]string            `json:",omitempty"`
	M      map[string]map[string]string `json:",omitempty"`
}

func dump(m *tabletest.Memory) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for k, i := range m.All() {
		l := line{PK: k.PK, SK: k.SK, S: map[string]string{}, N: map[string]string{}, M: map[string]map[string]string{}}
		for name, v := range i {
			switch v := v.(type) {
			case *types.AttributeValueMemberS:
				l.S[name] = v.Value
			case *types.AttributeValueMemberN:
				l.N[name] = v.Value
			case *types.AttributeValueMemberM:
				l.M[name] = map[string]string{}
				for k, s := range v.Value {
					l.M[name][k] = s.(*types.AttributeValueMemberS).Value
				}
			default:
				panic(fmt.Sprintf("%s: no dump of a %T", k, v))
			}
		}
		if err := e.Encode(l); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// restore returns a table with the items of a dump.
func restore(t *testing.T, name string) *tabletest.Memory {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m := new(tabletest.Memory)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		i := table.Item{}
		for k, v := range l.S {
			i[k] = table.Str(v)
		}
		for k, v := range l.N {
			i[k] = &types.AttributeValueMemberN{Value: v}
		}
		for k, v := range l.M {
			members := map[string]types.AttributeValue{}
			for k, s := range v {
				members[k] = table.Str(s)
			}
			i[k] = &types.AttributeValueMemberM{Value: members}
		}
		if err := m.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: table.Key{PK: l.PK, SK: l.SK}, Item: i}}); err != nil {
			t.Fatal(err)
		}
	}
	if m.Len() == 0 {
		t.Fatalf("%s is empty", name)
	}
	return m
}

const dumpOfThisLayout = "testdata/layout-1.jsonl"

// A table that a version of each layout wrote is kept as a file. This version reads
// it, works on it, and the checker finds it in order.
func TestTablesOfEarlierLayouts(t *testing.T) {
	if _, err := os.Stat(dumpOfThisLayout); *update && errors.Is(err, os.ErrNotExist) {
		m := new(tabletest.Memory)
		c := new(clock)
		network(t, layout.NewGuard(m, layout.Options{Now: c.now}))
		fscktest.Clean(t, m, start)
		if err := os.WriteFile(dumpOfThisLayout, dump(m), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, c := restore(t, dumpOfThisLayout), new(clock)
	fscktest.Clean(t, m, c.now())
	g := layout.NewGuard(m, layout.Options{Now: c.now})
	for range 10 {
		if done := must(g.Upgrade(t.Context(), m))(t); done {
			break
		}
		c.advance(layout.Settle)
	}
	s := store.New(g, store.Options{Region: home, Owner: account, Now: c.now})
	pools := must(s.OwnedPools(t.Context(), account))(t)
	i := slices.IndexFunc(pools, func(p *ipam.Pool) bool { return p.SourcePool != "" })
	held, _, err := s.Allocations(t.Context(), pools[i].ID, "", 0)
	if err != nil || len(held) != 6 {
		t.Fatalf("%d allocations, want 4 custom ones and 2 imported ones: %v", len(held), err)
	}
	for _, a := range held {
		if a.Kind == ipam.KindCustom {
			must(0, release(t.Context(), s, a))(t)
		}
	}
	if _, err := allocate(t.Context(), s, pools[i].ID, "new", 17); err != nil {
		t.Errorf("the half of the pool in which only released allocations were: %v", err)
	}
	fscktest.Clean(t, m, c.now())
}

// The layout that is written now is the one whose dump is kept.
func TestTheDumpIsOfThisVersion(t *testing.T) {
	m := new(tabletest.Memory)
	network(t, layout.NewGuard(m, layout.Options{Now: new(clock).now}))
	want := must(os.ReadFile(dumpOfThisLayout))(t)
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(dump(m)), "\n")); d != "" {
		t.Errorf("the same acts write another table than the dump of layout %d. If an encoding changed, that is another layout; if the store writes other items of the same encodings, remove the dump and run this with -update (-want +got):\n%s", layout.Current, d)
	}
}

// second is the code of a layout that does not exist: the account of a taken block is
// its attribute OwnerAccount, and no longer Owner. It reads both layouts, and writes
// the active one.
type second struct{ *layout.Guard }

const was, is = "Owner", "OwnerAccount"

func renamed(k table.Key) bool {
	return strings.HasPrefix(k.PK, "SPACE#") && strings.HasSuffix(k.PK, "#TAKEN")
}

func move(i table.Item, from, to string) table.Item {
	if i[from] == nil {
		return i
	}
	i = maps.Clone(i)
	i[to] = i[from]
	delete(i, from)
	return i
}

func (s second) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	read, err := s.Guard.BatchGet(ctx, keys)
	for k, i := range read {
		if renamed(k) {
			read[k] = move(i, is, was)
		}
	}
	return read, err
}

func (s second) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	rows, next, err := s.Guard.Query(ctx, q)
	for i, r := range rows {
		if renamed(r.Key) {
			rows[i].Item = move(r.Item, is, was)
		}
	}
	return rows, next, err
}

func (s second) Transact(ctx context.Context, writes []table.Write) error {
	active, err := s.Active(ctx)
	if err != nil {
		return err
	}
	writes = slices.Clone(writes)
	for i, w := range writes {
		if active == 2 && renamed(w.Key) {
			writes[i].Item, writes[i].Set = move(w.Item, was, is), move(w.Set, was, is)
		}
	}
	return s.Guard.Transact(ctx, writes)
}

var secondStep = []layout.Step{{Layout: 2, Rewrite: func(r table.Row) ([]table.Write, error) {
	if !renamed(r.Key) || r.Item[was] == nil {
		return nil, nil
	}
	return []table.Write{{
		Op: table.OpUpdate, Key: r.Key, Set: table.Item{is: r.Item[was]}, Remove: []string{was},
		If: table.Cond{Equal: table.Item{was: r.Item[was]}, Missing: []string{is}},
	}}, nil
}}}

// A table of layout 1 becomes one of layout 2 while processes of both versions work on
// it: the older ones go on until the upgrade is announced, and are refused from then
// on; the newer ones never are. Nothing is lost or given twice.
func TestUpgradeUnderLoad(t *testing.T) {
	m, c := restore(t, dumpOfThisLayout), new(clock)
	older := layout.NewGuard(m, layout.Options{Now: c.now})
	newer := second{layout.NewGuard(m, layout.Options{Layout: 2, Steps: secondStep, Now: c.now})}
	old, next := store.New(older, store.Options{Region: home, Owner: account, Now: c.now}), store.New(newer, store.Options{Region: home, Owner: account, Now: c.now})
	pools := must(next.OwnedPools(t.Context(), account))(t)
	pool := pools[slices.IndexFunc(pools, func(p *ipam.Pool) bool { return p.SourcePool != "" })].ID

	var mu sync.Mutex
	held := map[netip.Prefix]string{}
	tokens := 0
	work := func(s *store.Store, n int) (refused int) {
		for range n {
			mu.Lock()
			tokens++
			token, letGo := fmt.Sprint("load", tokens), tokens%3 == 0
			mu.Unlock()
			a, err := allocate(t.Context(), s, pool, token, 28)
			if ipam.CodeOf(err) == ipam.CodeUnavailable {
				refused++
				continue
			}
			if err != nil {
				t.Errorf("allocate: %v", err)
				continue
			}
			mu.Lock()
			if other, twice := held[a.CIDR]; twice {
				t.Errorf("%s was given to %s and to %s", a.CIDR, other, a.AllocationID)
			}
			held[a.CIDR] = a.AllocationID
			mu.Unlock()
			if letGo {
				mu.Lock()
				delete(held, a.CIDR)
				mu.Unlock()
				if err := release(t.Context(), s, a); err != nil {
					t.Errorf("release: %v", err)
				}
			}
		}
		return refused
	}
	// check reads the table as layout 1 and has the checker look at it.
	check := func() {
		t.Helper()
		first := new(tabletest.Memory)
		for k, i := range m.All() {
			if k == items.LayoutKey() {
				i = items.EncodeLayout(items.Layout{Number: 1})
			}
			if renamed(k) {
				i = move(i, is, was)
			}
			must(0, first.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: k, Item: i}}))(t)
		}
		fscktest.Clean(t, first, c.now())
	}
	var announced, upgraded bool
	for hour := 0; !upgraded; hour++ {
		if hour > 20 {
			t.Fatal("the upgrade does not end")
		}
		var all sync.WaitGroup
		var refused, refusedNew int
		all.Go(func() { refused = work(old, 20) })
		all.Go(func() { refusedNew = work(next, 20) })
		all.Go(func() {
			var err error
			if upgraded, err = newer.Upgrade(t.Context(), m); err != nil {
				t.Errorf("upgrade: %v", err)
			}
		})
		all.Wait()
		check()
		if refusedNew != 0 {
			t.Errorf("hour %d: the new version was refused %d times", hour, refusedNew)
		}
		before := announced
		announced = announced || must(m.BatchGet(t.Context(), []table.Key{items.LayoutKey()}))(t)[items.LayoutKey()].Num("Next") != 0
		if before && refused != 20 || !announced && refused != 0 { // in the hour between, the two race
			t.Errorf("hour %d: the old version was refused %d of 20 times; the upgrade was announced: %t", hour, refused, announced)
		}
		c.advance(layout.Settle)
	}
	taken := 0
	for k, i := range m.All() {
		if renamed(k) {
			taken++
			if i[was] != nil || i[is] == nil {
				t.Errorf("%s is still of layout 1", k)
			}
		}
	}
	if taken < 20 {
		t.Errorf("%d taken blocks: the load did not run", taken)
	}
	if _, err := allocate(t.Context(), old, pool, "late", 28); ipam.CodeOf(err) != ipam.CodeUnavailable || !strings.Contains(err.Error(), "layout 2") {
		t.Errorf("the old version on the new table: %v", err)
	}
	// A process of the old version that starts now is refused at its first call.
	started := layout.NewGuard(m, layout.Options{Now: c.now})
	if _, err := started.BatchGet(t.Context(), nil); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("the old version starts: %v", err)
	}
}

// Each wait of an upgrade is kept: nothing happens one second before its end.
func TestUpgradeWaits(t *testing.T) {
	m, c := restore(t, dumpOfThisLayout), new(clock)
	g := layout.NewGuard(m, layout.Options{Layout: 2, Steps: secondStep, Now: c.now})
	state := func() items.Layout {
		return items.DecodeLayout(must(m.BatchGet(t.Context(), []table.Key{items.LayoutKey()}))(t)[items.LayoutKey()])
	}
	step := func(wait time.Duration, number, next, active int64) {
		t.Helper()
		if wait > 0 {
			before := state()
			c.advance(wait - time.Second)
			must(g.Upgrade(t.Context(), m))(t)
			if got := state(); got != before {
				t.Errorf("one second early: %+v, want %+v", got, before)
			}
			c.advance(time.Second)
		}
		must(g.Upgrade(t.Context(), m))(t)
		if got := state(); got.Number != number || got.Next != next || got.Active != active {
			t.Errorf("the layout is %+v, want %d, %d, %d", got, number, next, active)
		}
	}
	step(0, 1, 0, 0)              // noticed
	step(60*time.Minute, 1, 2, 0) // announced
	step(20*time.Minute, 1, 2, 2) // active
	step(20*time.Minute, 2, 0, 0) // rewritten
	if _, err := g.BatchGet(t.Context(), nil); err != nil {
		t.Errorf("the new version on the new table: %v", err)
	}
}

// Every call of an upgrade fails once, carried out or not: the next calls make the
// same table.
func TestUpgradeUnderFaults(t *testing.T) {
	want := ""
	for n := 0; ; n++ {
		for _, applied := range []bool{false, true} {
			m, c := restore(t, dumpOfThisLayout), new(clock)
			failed, calls := false, -1
			faulty := &tabletest.Faulty{Table: m, Inject: func(tabletest.Call) *tabletest.Fault {
				if calls++; calls != n {
					return nil
				}
				failed = true
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
			}}
			g := layout.NewGuard(faulty, layout.Options{Layout: 2, Steps: secondStep, Now: c.now})
			for tries := 0; ; tries++ {
				if tries > 20 {
					t.Fatalf("call %d, applied %t: the upgrade does not end", n, applied)
				}
				if done, err := g.Upgrade(t.Context(), m); err == nil && done {
					break
				}
				c.advance(layout.Settle)
			}
			if want == "" {
				want = m.Dump()
			}
			if got := m.Dump(); got != want {
				t.Errorf("call %d, applied %t: the table differs: %s", n, applied, cmp.Diff(want, got))
			}
			if !failed {
				if n < 10 {
					t.Errorf("an upgrade makes %d calls; the faults hit nothing", n)
				}
				return
			}
		}
	}
}

// A process of an older version that works stops within a minute of the announcement.
func TestOldCodeStopsWithinAMinute(t *testing.T) {
	m, c := restore(t, dumpOfThisLayout), new(clock)
	g := layout.NewGuard(m, layout.Options{Now: c.now})
	must(g.BatchGet(t.Context(), nil))(t)
	announced := items.EncodeLayout(items.Layout{Number: 1, Next: 2, Since: c.now().Unix()})
	must(0, m.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: items.LayoutKey(), Item: announced}}))(t)
	c.advance(time.Minute - time.Second)
	if _, err := g.BatchGet(t.Context(), nil); err != nil {
		t.Errorf("one second early: %v", err)
	}
	c.advance(time.Second)
	if _, err := g.BatchGet(t.Context(), nil); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("a minute after the announcement: %v", err)
	}
}

// An upgrade takes the steps that the table does not have yet, and no earlier ones.
func TestUpgradeTakesEachStepOnce(t *testing.T) {
	m, c := restore(t, dumpOfThisLayout), new(clock)
	taken := map[int64]int{}
	step := func(n int64) layout.Step {
		return layout.Step{Layout: n, Rewrite: func(table.Row) ([]table.Write, error) { taken[n]++; return nil, nil }}
	}
	upgrade := func(code int64) {
		t.Helper()
		clear(taken)
		g := layout.NewGuard(m, layout.Options{Layout: code, Steps: []layout.Step{step(2), step(3), step(4)}, Now: c.now})
		for range 10 {
			if must(g.Upgrade(t.Context(), m))(t) {
				return
			}
			c.advance(layout.Settle)
		}
		t.Fatalf("the upgrade to layout %d does not end", code)
	}
	upgrade(2)
	if taken[2] == 0 || taken[3]+taken[4] != 0 {
		t.Errorf("from 1 to 2: %v", taken)
	}
	upgrade(4)
	if taken[2] != 0 || taken[3] == 0 || taken[3] != taken[4] {
		t.Errorf("from 2 to 4: %v", taken)
	}
}

// A process that is overtaken does not set the upgrade back.
func TestUpgradeOvertaken(t *testing.T) {
	m, c := restore(t, dumpOfThisLayout), new(clock)
	state := func() items.Layout {
		return items.DecodeLayout(must(m.BatchGet(t.Context(), []table.Key{items.LayoutKey()}))(t)[items.LayoutKey()])
	}
	other := layout.NewGuard(m, layout.Options{Layout: 2, Steps: secondStep, Now: c.now})
	faulty := &tabletest.Faulty{Table: m}
	slow := layout.NewGuard(faulty, layout.Options{Layout: 2, Steps: secondStep, Now: c.now})
	overtaken := 0
	for range 10 {
		var ahead items.Layout
		faulty.Inject = func(call tabletest.Call) *tabletest.Fault {
			if call.Kind != tabletest.Transact || ahead != (items.Layout{}) {
				return nil
			}
			for range 3 { // between the decision of slow and its write
				must(other.Upgrade(t.Context(), m))(t)
				c.advance(layout.Settle)
			}
			ahead = state()
			overtaken++
			return nil
		}
		done := must(slow.Upgrade(t.Context(), m))(t)
		if now := state(); ahead != (items.Layout{}) && (now.Number < ahead.Number || now.Number == ahead.Number && (now.Next < ahead.Next || now.Active < ahead.Active)) {
			t.Errorf("the layout was %+v and is %+v", ahead, now)
		}
		if done {
			break
		}
		c.advance(layout.Settle)
	}
	if overtaken == 0 || state().Number != 2 {
		t.Errorf("overtaken %d times; the layout is %+v", overtaken, state())
	}
}
