package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// turns makes the goroutines of a bubble of testing/synctest act one at a time.
// Each waits before every call of the table, and a seeded random generator picks
// the next one. So a seed gives the same interleaving each time. Short bursts mix
// the calls of all actors; with long bursts, much happens between two calls of one.
type turns struct {
	random *rand.Rand
	burst  int // how many turns an actor has in a row, on average

	mu      sync.Mutex
	waiting []*turn
	given   int
	last    int // the actor of the last one
}

type turn struct {
	actor int
	call  string
	come  chan struct{}
}

type actor struct{} // key of a context's value

// start begins an actor's work, at its first turn.
func (r *race) start(n int, work func(context.Context)) {
	ctx := context.WithValue(r.Context(), actor{}, n)
	go func() {
		r.wait(ctx, "")
		work(ctx)
	}()
}

func (t *turns) wait(ctx context.Context, call string) {
	n, ok := ctx.Value(actor{}).(int)
	if !ok {
		return // before the race, or after it
	}
	mine := &turn{n, call, make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, mine)
	t.mu.Unlock()
	<-mine.come
}

// run gives turns until nobody waits for one.
func (t *turns) run() {
	for {
		synctest.Wait()
		t.mu.Lock()
		if len(t.waiting) == 0 {
			t.mu.Unlock()
			return
		}
		slices.SortFunc(t.waiting, func(a, b *turn) int {
			return cmp.Or(cmp.Compare(a.actor, b.actor), cmp.Compare(a.call, b.call))
		})
		i := slices.IndexFunc(t.waiting, func(w *turn) bool { return w.actor == t.last })
		if i < 0 || t.random.IntN(t.burst) == 0 {
			i = t.random.IntN(len(t.waiting))
		}
		next := t.waiting[i]
		t.last = next.actor
		t.waiting = slices.Delete(t.waiting, i, i+1)
		t.given++
		t.mu.Unlock()
		close(next.come)
	}
}

// The accounts of a race.
const accounts = 25

// race is writers and a network on one table.
type race struct {
	*testing.T
	*turns
	table     *tabletest.Memory
	store     *store.Store
	discovery *ipam.Discovery
	ipams     []*ipam.IPAM
	pools     []string
	random    *rand.Rand // for the choices of the actors
	each      int        // resources of each account

	mu    sync.Mutex
	clock int64 // of events; an observation is made at one of them
	alive []*appearance
	taken []netip.Prefix // the last CIDRs that were handed out
	done  struct{ given, full, held, lost, seen, gone int }
}

// appearance is a resource from when an observation of it was answered to when
// one that it is gone began.
type appearance struct {
	cidr       netip.Prefix
	from, till int64 // till is 0 while it lasts
}

func (r *race) tick() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	return r.clock
}

func (r *race) roll(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

// block is a block of the /16 that all is about, of a length between two.
func (r *race) block(from, to int) netip.Prefix {
	a := netip.AddrFrom4([4]byte{10, 0, byte(r.roll(256)), byte(r.roll(256))})
	return netip.PrefixFrom(a, from+r.roll(to-from+1)).Masked()
}

// newRace makes a pool with 10.0.0.0/16, in it one with half of that, and in
// that one with half again.
func newRace(t *testing.T, seed uint64, burst int) *race {
	r := &race{
		T: t, turns: &turns{random: rand.New(rand.NewPCG(seed, 1)), burst: burst, last: -1},
		random: rand.New(rand.NewPCG(seed, 2)),
		each:   sized(40, 6),
	}
	r.table = &tabletest.Memory{
		OnRead:   func(ctx context.Context, k table.Key) { r.wait(ctx, k.String()) },
		OnCommit: func(ctx context.Context, writes []table.Write) { r.wait(ctx, "commit") },
	}
	r.store = store.New(r.table, store.Options{
		Region: "us-east-1", Owner: ownerAccount,
		Pick:  r.roll,
		NewID: func() string { return fmt.Sprint("id ", r.tick()) },
		Sleep: func(ctx context.Context, _ time.Duration) error { r.wait(ctx, "sleep"); return ctx.Err() },
	})
	ctx, s := t.Context(), r.store
	above := must(s.CreateIPAM(ctx, token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t)
	r.ipams = []*ipam.IPAM{above}
	r.discovery = must(s.Discoveries(ctx, []string{above.Discovery}))(t)[0]
	source := ""
	for i, cidr := range []string{"10.0.0.0/16", "10.0.0.0/17", "10.0.64.0/18"} {
		o := ipam.Pool{Scope: above.PrivateScope, Family: ipam.IPv4, SourcePool: source}
		source = must(s.CreatePool(ctx, token("CreateIpamPool", cidr), o, buildPool))(t).ID
		must(s.Provision(ctx, provision(source, fmt.Sprint(i), cidr, 0)))(t)
		r.pools = append(r.pools, source)
	}
	return r
}

// write allocates from one of the pools and releases, as long as resources come
// and go.
func (r *race) write(ctx context.Context, writer int) {
	var mine []*ipam.Allocation
	for n := 0; r.living(); n++ {
		if len(mine) > 0 && r.roll(3) == 0 || len(mine) > 3 {
			i := r.roll(len(mine))
			if err := r.store.Release(ctx, release(mine[i])); err != nil {
				r.Errorf("release %s: %v", mine[i].CIDR, err)
			}
			mine = slices.Delete(mine, i, i+1)
			continue
		}
		pool, began := r.pools[r.roll(len(r.pools))], r.tick()
		q := allocation(pool, fmt.Sprint(writer, n), byLength(24+r.roll(5)))
		if r.roll(8) == 0 {
			q.Request = ipam.AllocateRequest{CIDR: r.block(24, 28)}
		}
		a, err := r.store.Allocate(ctx, q)
		ended := r.tick()
		switch {
		case err == nil:
			mine = append(mine, a)
			r.expectUnused(a, began, ended)
		case ipam.CodeOf(err) == ipam.CodeInvalidParameterValue && q.Request.CIDR.IsValid():
			r.count(&r.done.held)
		case ipam.CodeOf(err) == ipam.CodeInvalidParameterValue:
			r.count(&r.done.full)
		case ipam.CodeOf(err) == ipam.CodeConcurrentMutationLimitExceeded:
			r.count(&r.done.lost) // sixteen races in a row
		default:
			r.Errorf("allocate: %v", err)
		}
	}
	for _, a := range mine {
		if err := r.store.Release(ctx, release(a)); err != nil {
			r.Errorf("release %s: %v", a.CIDR, err)
		}
	}
}

// lately returns a CIDR that was handed out a short time ago; p if there is none.
func (r *race) lately(p netip.Prefix) netip.Prefix {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) == 0 {
		return p
	}
	return r.taken[r.random.IntN(len(r.taken))]
}

func (r *race) living() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done.gone < accounts*r.each
}

func (r *race) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// expectUnused requires that no resource was live in an allocation's CIDR for the
// whole time from before the request began until it was answered.
func (r *race) expectUnused(a *ipam.Allocation, began, ended int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.given++
	r.taken = append(r.taken[max(0, len(r.taken)-writers):], a.CIDR)
	for _, o := range r.alive {
		if o.from < began && (o.till == 0 || o.till > ended) && o.cidr.Overlaps(a.CIDR) {
			r.Errorf("%s was handed out in %s from %d to %d, and a resource is live at %s since %d", a.CIDR, a.Pool, began, ended, o.cidr, o.from)
		}
	}
}

// live has so many resources of an account appear and go.
func (r *race) live(ctx context.Context, account string, appearances int) {
	type living struct {
		*appearance
		id string
	}
	var here []living
	for n := 0; n < appearances || len(here) > 0; {
		if n < appearances && (len(here) == 0 || len(here) < 4 && r.roll(3) > 0) {
			id := fmt.Sprintf("vpc-%s-%d", account, n)
			n++
			o := ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: r.block(22, 28), Owner: account, Region: "us-east-1"}
			switch r.roll(4) {
			case 0: // where another is
				if len(here) > 0 {
					o.CIDR = here[r.roll(len(here))].cidr
				}
			case 1, 2: // where somebody has asked for space
				o.CIDR = r.lately(o.CIDR)
			}
			r.insist(ctx, "observe "+id, func() error {
				_, err := r.store.Observe(ctx, r.discovery, r.ipams, o, r.tick())
				return err
			})
			a := &appearance{cidr: o.CIDR, from: r.tick()}
			here = append(here, living{a, id})
			r.mu.Lock()
			r.alive = append(r.alive, a)
			r.done.seen++
			r.mu.Unlock()
			continue
		}
		i := r.roll(len(here))
		gone := here[i]
		here = slices.Delete(here, i, i+1)
		before := r.tick()
		r.mu.Lock()
		gone.till = before
		r.mu.Unlock()
		r.insist(ctx, "forget "+gone.id, func() error {
			f := r.found(ctx, account, gone.id)
			if f == nil {
				return nil // by an earlier try
			}
			_, err := r.store.Forget(ctx, f, before)
			return err
		})
		r.count(&r.done.gone)
	}
}

// insist asks until it is answered, as the next run of a discovery does.
func (r *race) insist(ctx context.Context, act string, ask func() error) {
	for range 100 {
		err := ask()
		if err == nil {
			return
		}
		if ipam.CodeOf(err) != ipam.CodeConcurrentMutationLimitExceeded {
			r.Errorf("%s: %v", act, err)
			return
		}
		r.wait(ctx, "again")
	}
	r.Errorf("%s: no answer", act)
}

func (r *race) found(ctx context.Context, account, id string) *ipam.Found {
	for after := ""; ; {
		some, next, err := r.store.Found(ctx, r.discovery.ID, "us-east-1", account, after, 0)
		if err != nil {
			r.Errorf("found: %v", err)
		}
		for _, f := range some {
			if f.ID == id {
				return f
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// settle runs the work that was left, and demands that the table is in order.
func (r *race) settle() {
	r.Helper()
	ctx := r.Context()
	for range 3 {
		for _, sk := range must(r.store.PendingWork(ctx, time.Now().Add(time.Hour)))(r.T) {
			if err := r.store.RunWork(ctx, sk); err != nil {
				r.Errorf("work %s: %v", sk, err)
			}
		}
	}
	if left := must(r.store.PendingWork(ctx, time.Now().Add(time.Hour)))(r.T); len(left) > 0 {
		r.Errorf("work is left: %q", left)
	}
	fscktest.Clean(r.T, r.table, time.Now())
}

// Resources appear and go while many writers allocate from pools that cover them.
// The space of a resource that was seen before an allocation began is never handed
// out; and when all resources are gone, all holds are gone.
func TestLiveSpaceIsNeverHandedOut(t *testing.T) {
	for seed, burst := range []int{1, 8, 64} {
		t.Run(fmt.Sprintf("seed %d, bursts of %d", seed, burst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRace(t, uint64(seed), burst)
				for i := range writers {
					r.start(i, func(ctx context.Context) { r.write(ctx, i) })
				}
				for i := range accounts {
					r.start(writers+i, func(ctx context.Context) { r.live(ctx, fmt.Sprintf("4444%08d", i), r.each) })
				}
				r.run()
				r.settle()
				t.Logf("%+v in %d turns", r.done, r.given)
				if r.done.given == 0 || r.done.seen != accounts*r.each || r.done.gone != accounts*r.each || 1000*r.done.lost > r.done.given {
					t.Errorf("there was no race: %+v", r.done)
				}
				for _, pool := range r.pools {
					left, _, err := r.store.Allocations(t.Context(), pool, "", 0)
					if err != nil {
						t.Fatal(err)
					}
					for _, a := range left {
						if a.Kind != ipam.KindPool {
							t.Errorf("%s of %s is taken as %s, and all was released", a.CIDR, pool, a.Kind)
						}
					}
				}
			})
		})
	}
}
