package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A parent pool with eight addresses, and a child pool that is provisioned out
// of it, are changed by several clients at once while calls of the table fail.
// The history of requests and answers must fit some order in which the requests
// take effect one at a time. Provisioning connects the two pools, so the history
// is checked whole.

const (
	addresses   = 8
	mostClients = 4
	mostSteps   = 5
)

// block is an aligned block of the parent's eight addresses.
type block struct{ at, size uint8 }

func (b block) prefix() netip.Prefix {
	bits := 32
	for n := b.size; n > 1; n /= 2 {
		bits--
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, b.at}), bits)
}

func blockOf(p netip.Prefix) block {
	return block{at: p.Addr().As4()[3], size: 1 << (32 - p.Bits())}
}

func (b block) String() string {
	if b.size == 0 {
		return "-"
	}
	return fmt.Sprintf(".%d/%d", b.at, b.prefix().Bits())
}

type verb uint8

const (
	allocate verb = iota
	provide       // provision to the child
	giveBack      // release
	withdraw      // deprovision from the child
	look          // at everything, while nothing else runs
)

func (v verb) String() string {
	return [...]string{"allocate", "provision", "release", "deprovision", "look"}[v]
}

// request is an input of the history.
type request struct {
	verb  verb
	token uint8 // numbers requests for space; of a release, the one that is given back
	child bool  // of an allocation or release: in the child pool
	any   bool  // any block of want's size
	want  block
}

func (r request) String() string {
	pool, want := "parent", r.want.String()
	if r.child {
		pool = "child"
	}
	if r.any {
		want = fmt.Sprint("any of ", r.want.size)
	}
	return fmt.Sprintf("%s #%d %s %s", r.verb, r.token, pool, want)
}

type ending uint8

const (
	done           ending = iota
	inUse                 // failed-deprovision
	nothingWritten        // by the state: no space, taken, not there
	dropped               // given up; nothing was done
	unknown               // an error that does not say whether the request was done
)

func (e ending) String() string {
	return [...]string{"done", "in use", "refused", "given up", "unknown"}[e]
}

// response is an output of the history.
type response struct {
	ending ending
	block  block
	unsure bool  // the answer of one of its transactions was lost
	seen   state // of look: without tokens
}

func (r response) String() string {
	return fmt.Sprintf("%s %s", r.ending, r.block)
}

// state is the content of the two pools. Its numbers are tokens plus 2.
type state struct {
	parent [addresses]uint8 // who took each address; 0: free
	child  [addresses]uint8 // 0: not the child's; 1: free in the child; else who took it there
	tokens [mostClients * mostSteps]block
}

func (s state) all(of [addresses]uint8, b block, is uint8) bool {
	for i := b.at; i < b.at+b.size; i++ {
		if of[i] != is {
			return false
		}
	}
	return true
}

func fill(of *[addresses]uint8, b block, with uint8) {
	for i := b.at; i < b.at+b.size; i++ {
		of[i] = with
	}
}

// free reports whether a block can be taken.
func (s state) free(child bool, b block) bool {
	if !child {
		return s.all(s.parent, b, 0)
	}
	return s.all(s.child, b, 1) && s.all(s.parent, b, s.parent[b.at]) // of one root
}

// root reports whether a block is a CIDR of the child.
func (s state) root(b block) bool {
	if s.child[b.at] == 0 || !s.all(s.parent, b, s.parent[b.at]) {
		return false
	}
	n := uint8(0)
	for _, by := range s.parent {
		if by == s.parent[b.at] {
			n++
		}
	}
	return n == b.size
}

// options are the blocks that a request for space may take.
func (s state) options(r request) (found []block) {
	if !r.any {
		if s.free(r.child, r.want) {
			found = append(found, r.want)
		}
		return found
	}
	for at := uint8(0); at < addresses; at += r.want.size {
		if b := (block{at, r.want.size}); s.free(r.child, b) {
			found = append(found, b)
		}
	}
	return found
}

func (s state) take(r request, b block) state {
	switch {
	case r.verb == provide:
		fill(&s.parent, b, r.token+2)
		fill(&s.child, b, 1)
	case r.child:
		fill(&s.child, b, r.token+2)
	default:
		fill(&s.parent, b, r.token+2)
	}
	s.tokens[r.token] = b
	return s
}

// step returns the states that a request with that response may produce. After
// an error of unknown outcome, the request may be done or not.
func (s state) step(r request, out response) (next []state) {
	switch r.verb {
	case allocate, provide:
		if was := s.tokens[r.token]; was.size != 0 { // carried out before: the same answer, even if the block has changed since
			if out.ending == unknown || out.ending == dropped || out.ending == done && out.block == was {
				next = append(next, s)
			}
			return next
		}
		options := s.options(r)
		switch out.ending {
		case done:
			if slices.Contains(options, out.block) {
				next = append(next, s.take(r, out.block))
			}
		case nothingWritten:
			if len(options) == 0 {
				next = append(next, s)
			}
		case dropped:
			next = append(next, s)
		case unknown:
			next = append(next, s)
			for _, b := range options {
				next = append(next, s.take(r, b))
			}
		}
	case giveBack:
		after, held := s, s.tokens[r.token].size != 0
		if r.child {
			if s.all(s.child, r.want, r.token+2) {
				fill(&after.child, r.want, 1)
			}
		} else if s.all(s.parent, r.want, r.token+2) {
			fill(&after.parent, r.want, 0)
		}
		switch out.ending {
		case done:
			if held { // releasing a released allocation succeeds too
				next = append(next, after)
			}
		case nothingWritten:
			if !held {
				next = append(next, s)
			}
		case dropped:
			next = append(next, s)
		case unknown:
			next = append(next, s, after)
		}
	case withdraw:
		root := s.root(r.want)
		empty := root && s.all(s.child, r.want, 1)
		after := s
		if empty {
			fill(&after.child, r.want, 0)
			fill(&after.parent, r.want, 0)
		}
		switch out.ending {
		case done: // an unsure request that finds the CIDR gone may have removed it itself
			if empty || out.unsure && !root {
				next = append(next, after)
			}
		case inUse:
			if root && !empty || out.unsure && !root {
				next = append(next, s)
			}
		case nothingWritten:
			if !root {
				next = append(next, s)
			}
		case dropped:
			next = append(next, s)
		case unknown:
			next = append(next, s, after)
		}
	case look:
		if s.parent == out.seen.parent && s.child == out.seen.child {
			next = append(next, s)
		}
	}
	return next
}

var linearModel = func() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, in, out any) []any {
			var next []any
			for _, n := range s.(state).step(in.(request), out.(response)) {
				next = append(next, n)
			}
			return next
		},
		Equal: func(a, b any) bool { return a.(state) == b.(state) },
	}
	return m.ToModel()
}()

// concurrent is one run of several clients.
type clients struct {
	*testing.T
	label   string // makes its tokens its own
	store   *store.Store
	pools   [2]string // parent and child
	lenient bool      // errors of any kind may come: the table is broken

	clock atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
	asked []request // for space, the number of a token is the index
	held  []request // releases of the allocations
	roots []block
}

func historyStore(table table.Table) *store.Store {
	quotas := ipam.DefaultQuotas()
	quotas.IPAMs = 1 << 30
	return store.New(table, store.Options{
		Region: "us-east-1",
		Quotas: &quotas,
		Sleep: func(ctx context.Context, _ time.Duration) error {
			time.Sleep(rand.N(time.Millisecond))
			return ctx.Err()
		},
	})
}

func newClients(t *testing.T, table table.Table, label string) *clients {
	h := &clients{T: t, label: label, store: historyStore(table)}
	ctx := t.Context()
	above := must(h.store.CreateIPAM(ctx, token("CreateIpam", label), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t)
	for i, source := range []func() string{func() string { return "" }, func() string { return h.pools[0] }} {
		h.pools[i] = must(h.store.CreatePool(ctx, token("CreateIpamPool", fmt.Sprint(label, i)), ipam.Pool{Scope: above.PrivateScope, SourcePool: source(), Family: ipam.IPv4}, buildPool))(t).ID
	}
	must(h.store.Provision(ctx, provision(h.pools[0], label+"root", "10.0.0.0/29", 0)))(t)
	return h
}

func (h *clients) pool(child bool) string {
	if child {
		return h.pools[1]
	}
	return h.pools[0]
}

func (h *clients) token(r request) store.Token {
	op := "AllocateIpamPoolCidr"
	if r.verb == provide {
		op = "ProvisionIpamPoolCidr"
	}
	return token(op, fmt.Sprint(h.label, " ", r.token))
}

func (h *clients) allocationID(r request) string {
	t := h.token(r)
	return ipam.DeriveID(ipam.IDAllocation, t.Account, "us-east-1", t.Operation, t.Value)
}

// send carries a request out on a store.
func (h *clients) send(s *store.Store, r request) (out response) {
	ctx := h.Context()
	var err error
	length := r.want.prefix().Bits()
	switch r.verb {
	case allocate:
		q := store.Allocate{Token: h.token(r), Pool: h.pool(r.child), May: anyPool, Request: byLength(length)}
		if !r.any {
			q.Request = ipam.AllocateRequest{CIDR: r.want.prefix()}
		}
		var a *ipam.Allocation
		if a, err = s.Allocate(ctx, q); err == nil {
			out.block = blockOf(a.CIDR)
		}
	case provide:
		q := provision(h.pools[1], "", "", length)
		q.Token = h.token(r)
		if !r.any {
			q.CIDR = r.want.prefix()
		}
		var c *ipam.PoolCIDR
		if c, err = s.Provision(ctx, q); err == nil {
			out.block = blockOf(c.CIDR)
		}
	case giveBack:
		err = s.Release(ctx, store.Release{
			Pool: h.pool(r.child), CIDR: r.want.prefix(), Allocation: h.allocationID(request{verb: allocate, token: r.token}),
			May: func(*ipam.Pool, string) error { return nil },
		})
	case withdraw:
		var c *ipam.PoolCIDR
		if c, err = s.Deprovision(ctx, deprovision(h.pools[1], r.want.prefix().String())); err == nil && c.State == ipam.CIDRFailedDeprovision {
			out.ending = inUse
		}
	case look:
		out.seen = h.look()
	}
	if err != nil {
		out.ending = h.classify(r, err)
	}
	return out
}

func (h *clients) classify(r request, err error) ending {
	answer, ok := errors.AsType[*ipam.Error](err)
	switch {
	case !ok && !errors.Is(err, tabletest.ErrInjected) && !h.lenient:
		h.Errorf("%s: %v", r, err)
	case !ok, answer.Code == ipam.CodeOutcomeUnknown:
	case answer.Code == ipam.CodeConcurrentMutationLimitExceeded, answer.Code == ipam.CodeRequestLimitExceeded:
		return dropped
	case answer.Code == ipam.CodeInvalidParameterValue, answer.Code == ipam.CodeIncorrectState, answer.Code == ipam.CodeInvalidAllocationIDNotFound:
		return nothingWritten
	default:
		h.Errorf("%s: %v", r, err)
	}
	return unknown
}

// look reads the content of the pools, as a state.
func (h *clients) look() (s state) {
	ctx := h.Context()
	by := map[string]uint8{}
	for _, r := range h.asked {
		by[h.allocationID(r)] = r.token + 2
	}
	for _, c := range must(h.store.PoolCIDRs(ctx, h.pools[1]))(h.T) {
		if c.State.Holds() {
			fill(&s.child, blockOf(c.CIDR), 1)
		}
	}
	for i, of := range []*[addresses]uint8{&s.parent, &s.child} {
		found, _, err := h.store.Allocations(ctx, h.pools[i], "", 0)
		if err != nil {
			h.Fatal(err)
		}
		for _, a := range found {
			if by[a.AllocationID] == 0 {
				h.Errorf("%s is taken by %s, which nobody asked for", a.CIDR, a.AllocationID)
			}
			fill(of, blockOf(a.CIDR), by[a.AllocationID])
		}
	}
	return s
}

// next chooses a client's next request, from the requests of all clients so far.
func (h *clients) next(random *rand.Rand) request {
	h.mu.Lock()
	defer h.mu.Unlock()
	sizes := []uint8{1, 2, 2, 4}
	size := sizes[random.IntN(len(sizes))]
	some := block{at: uint8(random.IntN(addresses)) &^ (size - 1), size: size}
	ask := func(r request) request {
		r.token, r.want, r.any = uint8(len(h.asked)), some, random.IntN(3) > 0
		h.asked = append(h.asked, r)
		return r
	}
	for {
		switch n := random.IntN(100); {
		case n < 35:
			return ask(request{verb: allocate, child: random.IntN(2) == 0})
		case n < 50:
			return ask(request{verb: provide})
		case n < 60 && len(h.asked) > 0: // again, from any client, even if it is under way
			return h.asked[random.IntN(len(h.asked))]
		case n < 85 && len(h.held) > 0:
			return h.held[random.IntN(len(h.held))]
		case n >= 85 && len(h.roots) > 0:
			return request{verb: withdraw, want: h.roots[random.IntN(len(h.roots))]}
		}
	}
}

// do sends a request and records it.
func (h *clients) do(client int, s *store.Store, r request, unsure *bool) response {
	*unsure = false
	call := h.clock.Add(1)
	out := h.send(s, r)
	back := h.clock.Add(1)
	out.unsure = *unsure
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: r, Call: call, Output: out, Return: back})
	if out.ending == done {
		switch r.verb {
		case allocate:
			h.held = append(h.held, request{verb: giveBack, token: r.token, child: r.child, want: out.block})
		case provide:
			h.roots = append(h.roots, out.block)
		}
	}
	return out
}

// run starts clients on the table, each with faults of its own at the given
// rate of calls in a hundred, and returns porcupine's result.
func (h *clients) run(table table.Table, seed uint64, faults int) porcupine.CheckResult {
	var g sync.WaitGroup
	clients := 2 + int(seed%(mostClients-1))
	for client := range clients {
		g.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(client)))
			unsure := false
			// Inject runs in the reads of a request side by side.
			var mu sync.Mutex
			s := historyStore(&tabletest.Faulty{Table: table, Inject: func(c tabletest.Call) *tabletest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if n := random.IntN(100); c.Kind != tabletest.Transact && n < faults/8 {
					return &tabletest.Fault{Err: tabletest.ErrInjected}
				} else if c.Kind == tabletest.Transact && n < faults {
					unsure = true
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: n%2 == 0}
				}
				return nil
			}})
			choose := rand.New(rand.NewPCG(seed, uint64(client)+100))
			var again *request
			for range mostSteps {
				r := request{}
				if again != nil && choose.IntN(2) == 0 {
					r = *again
				} else {
					r = h.next(choose)
				}
				again = nil
				if out := h.do(client, s, r, &unsure); out.ending == unknown {
					again = &r
				}
			}
		})
	}
	g.Wait()
	unsure := false
	h.do(clients, h.store, request{verb: look}, &unsure)
	return porcupine.CheckOperationsTimeout(linearModel, h.ops, 20*time.Second)
}

func (h *clients) String() string {
	var out strings.Builder
	slices.SortFunc(h.ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, op := range h.ops {
		fmt.Fprintf(&out, "%3d–%3d client %d: %s → %s\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return out.String()
}

// yielding makes a table in memory let others go on at any read and before any
// commit.
func yielding() *tabletest.Memory {
	pause := func() {
		if n := rand.IntN(8); n == 0 {
			time.Sleep(rand.N(50 * time.Microsecond))
		} else if n < 4 {
			runtime.Gosched()
		}
	}
	return &tabletest.Memory{
		OnRead:   func(context.Context, table.Key) { pause() },
		OnCommit: func(context.Context, []table.Write) { pause() },
	}
}

// statistics counts the requests and answers of the histories, to show that the
// histories were worth checking.
func statistics(all []*clients) string {
	endings := map[string]int{}
	overlapping := 0
	for _, h := range all {
		for i, a := range h.ops {
			endings[fmt.Sprint(a.Input.(request).verb, " ", a.Output.(response).ending)]++
			for _, b := range h.ops[:i] {
				if a.Call < b.Return && b.Call < a.Return {
					overlapping++
				}
			}
		}
	}
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(endings)) {
		fmt.Fprintf(&out, "%s: %d\n", k, endings[k])
	}
	return fmt.Sprintf("%d histories, %d pairs of requests that overlap\n%s", len(all), overlapping, out.String())
}

func TestLinearizableInMemory(t *testing.T) {
	var all []*clients
	for seed := range uint64(sized(400, 60)) {
		table := yielding()
		h := newClients(t, table, fmt.Sprint(seed))
		all = append(all, h)
		if result := h.run(table, seed, 20*int(seed%3)); result != porcupine.Ok {
			t.Fatalf("seed %d: %s:\n%s", seed, result, h)
		}
		fscktest.Clean(t, table.Clone(), time.Now())
	}
	t.Log(statistics(all))
}

func TestLinearizableOnDynamoDBLocal(t *testing.T) {
	service := tabletest.NewService(t, tabletest.DynamoDBLocal)
	var all []*clients
	for seed := range uint64(40) {
		table := service.Table()
		h := newClients(t, table, fmt.Sprint(seed))
		all = append(all, h)
		if result := h.run(table, seed, 20*int(seed%3)); result != porcupine.Ok {
			t.Fatalf("seed %d: %s:\n%s", seed, result, h)
		}
	}
	fscktest.Clean(t, service.Copy(t), time.Now())
	t.Log(statistics(all))
}

// broken is a table that changes the items written to it or read from it.
type broken struct {
	table.Table
	write func(table.Write) table.Write
	read  func(table.Key, table.Item) bool // whether an item is shown
}

func (b *broken) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	items, err := b.Table.BatchGet(ctx, keys)
	if b.read != nil {
		maps.DeleteFunc(items, func(k table.Key, i table.Item) bool { return !b.read(k, i) })
	}
	return items, err
}

func (b *broken) Transact(ctx context.Context, writes []table.Write) error {
	if b.write != nil {
		writes = slices.Clone(writes)
		for i, w := range writes {
			writes[i] = b.write(w)
		}
	}
	return b.Table.Transact(ctx, writes)
}

// The check finds the faults of a store without its conditions.
func TestLinearizabilityCheckFindsBrokenTables(t *testing.T) {
	byID := func(k table.Key) bool { return strings.HasPrefix(k.PK, "ALLOC#") }
	for name, b := range map[string]broken{
		"blocks are taken from any owner": {write: func(w table.Write) table.Write {
			if strings.HasSuffix(w.Key.PK, "#FREE") || strings.HasSuffix(w.Key.PK, "#TAKEN") {
				if w.Op == table.OpCheck {
					w.If = table.Cond{Absent: true, ExpiredBefore: 1 << 60}
				} else {
					w.If = table.Cond{}
				}
			}
			return w
		}},
		"a root is given back in use": {write: func(w table.Write) table.Write {
			if strings.HasSuffix(w.Key.PK, "#FREE") && w.Op == table.OpDelete {
				w.If = table.Cond{}
			}
			return w
		}},
		"tokens are forgotten": {
			read: func(k table.Key, _ table.Item) bool { return !byID(k) && !strings.HasPrefix(k.PK, "TOKEN#") },
			write: func(w table.Write) table.Write {
				if byID(w.Key) && w.Op == table.OpPut {
					w.If = table.Cond{}
				}
				return w
			},
		},
		"a release leaves no tombstone": {write: func(w table.Write) table.Write {
			if byID(w.Key) && w.Op == table.OpUpdate {
				w = table.Write{Op: table.OpDelete, Key: w.Key, If: w.If}
			}
			return w
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(400) {
				b.Table = yielding()
				h := newClients(t, b.Table, fmt.Sprint(seed))
				h.lenient = true
				if h.run(&b, seed, 20*int(seed%3)) == porcupine.Illegal {
					t.Logf("found with seed %d:\n%s", seed, h)
					return
				}
			}
			t.Error("no history betrays it")
		})
	}
}
