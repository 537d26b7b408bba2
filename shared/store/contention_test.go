package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const writers = 32

// maxReconciledCIDRs is many writers that share one pool with a /16.
type writersEnv struct {
	*testing.T
	table  table.Table
	stores []*store.Store // the writers' own, or one for all
	pool   string
	tokens atomic.Int64

	mu   sync.Mutex
	held map[netip.Prefix]*ipam.Allocation
}

// newWritersEnv makes the pool and as many stores, in turn used by the writers.
// pick, if not nil, chooses among positions.
func newWritersEnv(t *testing.T, table table.Table, stores int, pick func(int) int) *writersEnv {
	c := &writersEnv{T: t, table: table, held: map[netip.Prefix]*ipam.Allocation{}}
	for range stores {
		c.stores = append(c.stores, store.New(table, store.Options{Region: "us-east-1", Pick: pick}))
	}
	ctx, s := t.Context(), c.stores[0]
	above := must(s.CreateIPAM(ctx, token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t)
	c.pool = must(s.CreatePool(ctx, token("CreateIpamPool", "1"), ipam.Pool{Scope: above.PrivateScope, Family: ipam.IPv4}, buildPool))(t).ID
	must(s.Provision(ctx, provision(c.pool, "1", "10.0.0.0/16", 0)))(t)
	return c
}

// together runs work as each of the writers, at once.
func (c *writersEnv) together(work func(ctx context.Context, writer int, s *store.Store)) {
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() { work(c.Context(), i, c.stores[i%len(c.stores)]) })
	}
	all.Wait()
}

// take allocates a /24 and reports whether there was one. Any answer but the
// refusal of a full pool fails the test, and so does a block that is held.
func (c *writersEnv) take(ctx context.Context, s *store.Store) bool {
	a, err := s.Allocate(ctx, allocation(c.pool, fmt.Sprint(c.tokens.Add(1)), byLength(24)))
	if err != nil {
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
			c.Errorf("allocate: %v", err)
		}
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.held[a.CIDR]; other != nil {
		c.Errorf("%s was given to %s and to %s", a.CIDR, other.AllocationID, a.AllocationID)
	}
	c.held[a.CIDR] = a
	return true
}

// fill lets the writers allocate until the pool is full.
func (c *writersEnv) fill() {
	c.Helper()
	c.together(func(ctx context.Context, _ int, s *store.Store) {
		for c.take(ctx, s) {
		}
	})
	if len(c.held) != 256 {
		c.Fatalf("the full pool has %d owners, want 256", len(c.held))
	}
}

// drop lets the writers release the blocks whose number, 0 to 255, is chosen.
func (c *writersEnv) drop(chosen func(number int) bool) {
	var drops []*ipam.Allocation
	for p, a := range c.held {
		if chosen(int(p.Addr().As4()[2])) {
			drops = append(drops, a)
			delete(c.held, p)
		}
	}
	c.together(func(ctx context.Context, writer int, s *store.Store) {
		for i := writer; i < len(drops); i += writers {
			if err := s.Release(ctx, release(drops[i])); err != nil {
				c.Errorf("release %s: %v", drops[i].CIDR, err)
			}
		}
	})
}

// check demands that the table is in order and has exactly the writers'
// allocations.
func (c *writersEnv) check(table *tabletest.Memory) {
	c.Helper()
	fscktest.Clean(c.T, table, time.Now())
	listed, next, err := store.New(table, store.Options{Region: "us-east-1"}).Allocations(c.Context(), c.pool, "", 0)
	if err != nil || next != "" || len(listed) != len(c.held) {
		c.Fatalf("%d allocations listed (%v, next %q), %d held", len(listed), err, next, len(c.held))
	}
	for _, a := range listed {
		if h := c.held[a.CIDR]; h == nil || h.AllocationID != a.AllocationID {
			c.Errorf("%s is listed as %s and held as %+v", a.CIDR, a.AllocationID, h)
		}
	}
}

// 32 writers fill a /16 with /24s, give everything back, then one half and the
// other, and fill it again each time.
func TestWritersFillAPool(t *testing.T) {
	service := tabletest.NewService(t, tabletest.DynamoDBLocal)
	c := newWritersEnv(t, service.Table(), writers, nil)
	for _, round := range []struct {
		name string
		drop func(number int) bool
	}{
		{"empty", func(int) bool { return false }},
		{"all released", func(int) bool { return true }},
		{"odd ones released", func(number int) bool { return number%2 == 1 }},
		{"even ones released", func(number int) bool { return number%2 == 0 }},
	} {
		c.drop(round.drop)
		c.fill()
		c.check(service.Copy(t))
		if t.Failed() {
			t.Fatalf("after %q", round.name)
		}
	}
	c.drop(func(int) bool { return true })
	c.check(service.Copy(t))
	c.lowest(24, 17, 16)
}

// free computes the free blocks from the held blocks, the largest last.
func (c *writersEnv) free() []netip.Prefix {
	return ipamtest.Free([]netip.Prefix{prefix("10.0.0.0/16")}, slices.Collect(maps.Keys(c.held)))
}

// onePiece demands that half of the /16 is held and a /18 is free.
func (c *writersEnv) onePiece() {
	c.Helper()
	free := c.free()
	if largest := free[len(free)-1]; len(c.held) != 128 || largest.Bits() > 18 {
		c.Fatalf("with %d held, the largest free block is %s", len(c.held), largest)
	}
}

// lowest demands that a preview, and then the allocation, of a writer that is
// alone is the lowest address of the tightest block, for each length in turn.
func (c *writersEnv) lowest(lengths ...int) {
	c.Helper()
	s := store.New(c.table, store.Options{Region: "us-east-1"})
	for _, length := range lengths {
		want, possible := ipamtest.Lowest(c.free(), length, ipam.Filter{})
		for _, preview := range []bool{true, false} {
			q := allocation(c.pool, fmt.Sprint(c.tokens.Add(1)), byLength(length))
			q.Preview = preview
			a, err := s.Allocate(c.Context(), q)
			if (err == nil) != possible || err == nil && a.CIDR != want {
				c.Fatalf("a /%d (preview %t): %+v, %v; want %s", length, preview, a, err, want)
			}
			if err == nil && !preview {
				c.held[a.CIDR] = a
			}
		}
	}
}

// halve lets the writers fill half of the /16 with /24s, and demands that a
// quarter of it is still in one piece.
func (c *writersEnv) halve() {
	c.Helper()
	c.together(func(ctx context.Context, _ int, s *store.Store) {
		for range 128 / writers {
			if !c.take(ctx, s) {
				c.Error("half empty, and full")
			}
		}
	})
	c.onePiece()
	c.lowest(18, 24, 28, 25)
}

// 32 writers take half of a /16 and leave a /18 free. The writers may share
// their knowledge of each other, as goroutines of one process do, or not, as
// processes do.
func TestWritersLeaveSpaceInOnePiece(t *testing.T) {
	for _, stores := range []int{1, writers} {
		for seed := range uint64(sized(20, 3)) {
			table := &tabletest.Memory{OnRead: func(context.Context, table.Key) { runtime.Gosched() }}
			c := newWritersEnv(t, table, stores, dice(seed))
			c.halve()
			c.check(table)
		}
		t.Run(fmt.Sprintf("on DynamoDB Local with %d stores", stores), func(t *testing.T) {
			service := tabletest.NewService(t, tabletest.DynamoDBLocal)
			c := newWritersEnv(t, service.Table(), stores, nil)
			c.halve()
			c.check(service.Copy(t))
		})
	}
}

// dice returns a source of choices for many goroutines.
func dice(seed uint64) func(int) int {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	return func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
}

// contended is a table on which the next transactions meet another.
type contended struct {
	table.Table
	conflicts int
}

func (c *contended) Transact(ctx context.Context, writes []table.Write) error {
	if c.conflicts > 0 {
		c.conflicts--
		return table.ErrConflict
	}
	return c.Table.Transact(ctx, writes)
}

// The same with the luck at its worst: each allocation chooses in the widest
// window that there is.
func TestWidestWindowLeavesSpaceInOnePiece(t *testing.T) {
	for seed := range uint64(sized(10, 2)) {
		table := &contended{Table: &tabletest.Memory{}}
		c := newWritersEnv(t, table, 1, nil)
		s := store.New(table, store.Options{
			Region: "us-east-1",
			Pick:   dice(seed),
			Sleep:  func(context.Context, time.Duration) error { return nil },
		})
		for range 128 {
			table.conflicts = 9
			if !c.take(t.Context(), s) {
				t.Fatal("half empty, and full")
			}
		}
		c.onePiece()
	}
}

// The widest window is a quarter of the pool's CIDR, within bounds.
func TestWindowIsAQuarter(t *testing.T) {
	for _, c := range []struct{ length, want int }{{20, 16}, {22, 64}, {24, 64}, {25, 128}, {26, 256}, {27, 512}, {28, 512}, {32, 512}} {
		table := &contended{Table: &tabletest.Memory{}}
		env := newWritersEnv(t, table, 1, nil)
		widest := 0
		s := store.New(table, store.Options{
			Region: "us-east-1",
			Pick:   func(n int) int { widest = max(widest, n); return 0 },
			Sleep:  func(context.Context, time.Duration) error { return nil },
		})
		table.conflicts = 12
		must(s.Allocate(t.Context(), allocation(env.pool, "1", byLength(c.length))))(t)
		if widest != c.want {
			t.Errorf("a /%d out of a /16 is chosen among %d positions, want %d", c.length, widest, c.want)
		}
	}
}

// A process that had conflicts avoids other writers for a moment.
// A preview shows the block that a lone writer gets. Once the process is alone,
// it gets that block, too.
func TestContentionIsForgotten(t *testing.T) {
	l := newPoolEnv(t)
	table := &contended{Table: l.table}
	now := l.now
	s := store.New(table, store.Options{
		Region: "us-east-1",
		Now:    func() time.Time { return now },
		Pick:   func(n int) int { return n - 1 },
		Sleep:  func(context.Context, time.Duration) error { return nil },
	})
	take := func(value string, preview bool) string {
		q := allocation(l.top, value, byLength(28))
		q.Preview = preview
		return must(s.Allocate(t.Context(), q))(t).CIDR.String()
	}
	table.conflicts = 3
	if got := take("contended", false); got != "10.0.160.128/28" {
		t.Errorf("after three conflicts the choice is %s, not the last of eight", got)
	}
	for range 9 {
		if got := take("", true); got != "10.0.160.16/28" {
			t.Errorf("the preview is %s, not the lowest of the tightest block", got)
		}
	}
	if got := take("still contended", false); got == "10.0.160.16/28" {
		t.Errorf("a moment after a conflict the choice is the lowest")
	}
	now = now.Add(4 * time.Second)
	if got := take("alone", false); got != "10.0.160.16/28" {
		t.Errorf("alone again, the choice is %s, not the lowest of the tightest block", got)
	}
}
