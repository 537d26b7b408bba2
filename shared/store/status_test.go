package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"pgregory.net/rapid"
)

// statusEnv is a scope with a pool of 10.0.0.0/26 and 10.0.0.128/26, a child of it
// that has 10.0.0.0/28 and 10.0.0.128/28, and rows that tests put by hand.
type statusEnv struct {
	table      *tabletest.Memory
	calls      *tabletest.Counter
	store      *store.Store
	now        time.Time
	scope      string
	pool, leaf string
	n          int
}

func newStatusEnv(t interface {
	Context() context.Context
	Fatal(...any)
}) *statusEnv {
	c := &statusEnv{table: &tabletest.Memory{}, now: time.UnixMilli(1_800_000_000_000)}
	c.calls = &tabletest.Counter{Table: c.table}
	c.store = c.on(c.calls)
	ctx := t.Context()
	var errs []error
	above, err := c.store.CreateIPAM(ctx, token("CreateIpam", ""), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}})
	if errs = append(errs, err); err == nil {
		c.scope = above.PrivateScope
		for _, p := range []struct {
			id     *string
			source *string
			cidrs  []string
		}{
			{&c.pool, new(string), []string{"10.0.0.0/26", "10.0.0.128/26"}},
			{&c.leaf, &c.pool, []string{"10.0.0.0/28", "10.0.0.128/28"}},
		} {
			pool, err := c.store.CreatePool(ctx, token("CreateIpamPool", ""), ipam.Pool{Scope: c.scope, Family: ipam.IPv4, SourcePool: *p.source}, buildPool)
			if errs = append(errs, err); err != nil {
				break
			}
			*p.id = pool.ID
			for _, cidr := range p.cidrs {
				_, err := c.store.Provision(ctx, provision(pool.ID, "", cidr, 0))
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *statusEnv) on(table table.Table) *store.Store {
	return store.New(table, store.Options{
		Region: "us-east-1", Now: func() time.Time { return c.now }, Pick: func(int) int { return 0 },
		NewID: func() string { c.n++; return "id-" + strconv.Itoa(c.n) }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// put writes a row as it is.
func (c *statusEnv) put(rows ...*ipam.ResourceCIDR) {
	for _, r := range rows {
		r.Scope = c.scope
		row := items.EncodeResource(r)
		if err := c.table.Transact(context.Background(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
			panic(err)
		}
	}
}

func (c *statusEnv) drop(r *ipam.ResourceCIDR) {
	if err := c.table.Transact(context.Background(), []table.Write{{Op: table.OpDelete, Key: items.EncodeResource(r).Key}}); err != nil {
		panic(err)
	}
}

// rows returns all IPv4 resource rows of the scope.
func (c *statusEnv) rows() (all []*ipam.ResourceCIDR) {
	for after := ""; ; {
		rows, next, err := c.store.Resources(context.Background(), c.scope, ipam.IPv4, after, 0)
		if err != nil {
			panic(err)
		}
		if all = append(all, rows...); next == "" {
			return all
		}
		after = next
	}
}

// row returns the row of a resource's CIDR.
func (c *statusEnv) row(t *testing.T, id string) *ipam.ResourceCIDR {
	t.Helper()
	for _, r := range c.rows() {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("there is no %s", id)
	return nil
}

func (c *statusEnv) allocations() (all []*ipam.Allocation) {
	for a, err := range c.store.AllocationsIn(context.Background(), c.scope, ipam.IPv4.All()) {
		if err != nil {
			panic(err)
		}
		all = append(all, a)
	}
	return all
}

// wrong returns the statuses that a look at all pairs finds wrong.
func (c *statusEnv) wrong() (all []string) {
	rows := c.rows()
	pools, err := c.store.Pools(context.Background(), []string{c.pool, c.leaf})
	if err != nil {
		panic(err)
	}
	for i, want := range ipamtest.StatusesOf(rows, c.allocations(), map[string]*ipam.Pool{c.pool: pools[0], c.leaf: pools[1]}) {
		got := rows[i].Status
		if (got.With != "") != (want.Overlaps != nil) || got.With != "" && !slices.Contains(want.Overlaps, got.With+" "+got.WithCIDR) {
			all = append(all, fmt.Sprintf("%s %s overlaps %q; there are %q", rows[i].ID, rows[i].CIDR, got.With, want.Overlaps))
		}
		got.With, got.WithCIDR, got.Reason = "", "", ""
		if got != want.Status {
			all = append(all, fmt.Sprintf("%s %s is %+v, want %+v", rows[i].ID, rows[i].CIDR, got, want.Status))
		}
	}
	return all
}

func (c *statusEnv) expectRight(t *testing.T) {
	t.Helper()
	for _, w := range c.wrong() {
		t.Error(w)
	}
}

func liveVPC(id, cidr string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: prefix(cidr), Owner: ownerAccount, Region: "us-east-1"}, Sampled: 10, Since: 10, Rev: 1}
}

func liveSubnet(id, vpc, cidr string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: vpc, CIDR: prefix(cidr), Owner: ownerAccount, Region: "us-east-1"}, Sampled: 10, Since: 10, Rev: 1}
}

// AllocationsIn returns exactly the allocations that overlap a range, for each range.
func TestAllocationsIn(t *testing.T) {
	c := newStatusEnv(t)
	for _, a := range []struct{ pool, cidr string }{
		{c.pool, "10.0.0.16/28"}, {c.pool, "10.0.0.32/30"}, {c.pool, "10.0.0.36/32"}, {c.pool, "10.0.0.191/32"},
		{c.leaf, "10.0.0.0/31"}, {c.leaf, "10.0.0.8/29"}, {c.leaf, "10.0.0.128/32"}, {c.leaf, "10.0.0.142/31"},
	} {
		must(c.store.Allocate(t.Context(), allocation(a.pool, "", byCIDR(a.cidr))))(t)
	}
	text := func(all []*ipam.Allocation) (s []string) {
		for _, a := range all {
			s = append(s, map[string]string{c.pool: "pool ", c.leaf: "leaf "}[a.Pool]+a.CIDR.String())
		}
		return s
	}
	all := c.allocations()
	want := []string{"leaf 10.0.0.0/31", "leaf 10.0.0.8/29", "pool 10.0.0.16/28", "pool 10.0.0.32/30", "pool 10.0.0.36/32", "leaf 10.0.0.128/32", "leaf 10.0.0.142/31", "pool 10.0.0.191/32"}
	if got := text(all); !slices.Equal(got, want) {
		t.Fatalf("in the scope: %q, want %q", got, want)
	}
	for _, bytes := range []int{0, 1} { // the second has each answer hold one row
		c.table.PageBytes = bytes
		for length := 20; length <= 32; length++ {
			for at := netip.MustParseAddr("10.0.0.0"); at != netip.MustParseAddr("10.0.1.0"); at = at.Next() {
				in := netip.PrefixFrom(at, length).Masked()
				if in.Addr() != at {
					continue
				}
				var want, got []*ipam.Allocation
				for _, a := range all {
					if a.CIDR.Overlaps(in) {
						want = append(want, a)
					}
				}
				for a, err := range c.store.AllocationsIn(t.Context(), c.scope, in) {
					got = append(got, must(a, err)(t))
				}
				if !slices.Equal(text(got), text(want)) {
					t.Fatalf("in %s: %q, want %q", in, text(got), text(want))
				}
			}
		}
	}
	for n := range all { // a reader that has enough
		got := 0
		for range c.store.AllocationsIn(t.Context(), c.scope, ipam.IPv4.All()) {
			if got++; got > n {
				break
			}
		}
		if got != n+1 {
			t.Errorf("%d allocations, want %d", got, n+1)
		}
	}
}

func TestEvaluateStatusWritesOnlyChanges(t *testing.T) {
	c := newStatusEnv(t)
	a := must(c.store.Allocate(t.Context(), allocation(c.leaf, "", byCIDR("10.0.0.0/30"))))(t)
	c.put(liveVPC("vpc-a", "10.0.0.0/29"), liveSubnet("subnet-a", "vpc-a", "10.0.0.0/30"), liveVPC("vpc-b", "10.0.0.8/29"))
	evaluate := func() {
		t.Helper()
		c.now = c.now.Add(time.Second)
		if err := c.store.EvaluateStatus(t.Context(), c.scope, prefix("10.0.0.2/31")); err != nil {
			t.Fatal(err)
		}
	}
	evaluate()
	want := ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Nonoverlapping}
	vpc, subnet := c.row(t, "vpc-a"), c.row(t, "subnet-a")
	if vpc.Status != want || vpc.Rev != 2 || vpc.Since != 10 || vpc.Sampled != 10 { // a first check: so it was from the start
		t.Errorf("the VPC is %+v", vpc)
	}
	want = ipam.Status{Management: ipam.Managed, Compliance: ipam.Compliant, Overlap: ipam.Nonoverlapping, Pool: c.leaf, Allocation: a.AllocationID}
	if subnet.Status != want || subnet.Rev != 2 || subnet.Since != 10 { // history shows no status of subnets
		t.Errorf("the subnet is %+v", subnet)
	}
	if other := c.row(t, "vpc-b"); other.Rev != 1 {
		t.Errorf("a VPC elsewhere is %+v", other)
	}
	c.drop(c.row(t, "vpc-b"))
	c.calls.Take()
	evaluate()
	if cost := c.calls.Take(); cost.Transactions > 0 {
		t.Errorf("evaluated again, it costs %+v", cost)
	}

	before := c.row(t, "vpc-a").Since
	c.put(liveVPC("vpc-c", "10.0.0.4/30"))
	evaluate()
	if vpc := c.row(t, "vpc-a"); vpc.Status.Overlap != ipam.Overlapping || vpc.Status.With != "vpc-c" || vpc.Since != c.now.UnixMilli() || vpc.Since == before {
		t.Errorf("the VPC is %+v", vpc)
	}
	before = c.row(t, "vpc-a").Since
	c.drop(c.row(t, "vpc-c"))
	c.put(liveVPC("vpc-d", "10.0.0.6/31"))
	evaluate() // overlapping as before, with another one
	if vpc := c.row(t, "vpc-a"); vpc.Status.With != "vpc-d" || vpc.Since != before || vpc.Rev != 4 {
		t.Errorf("the VPC is %+v, want to be overlapping since %d", vpc, before)
	}
	c.now = time.UnixMilli(20) // a clock behind the one that wrote last
	c.drop(c.row(t, "vpc-d"))
	evaluate()
	if vpc := c.row(t, "vpc-a"); vpc.Status.Overlap != ipam.Nonoverlapping || vpc.Since != before+1 {
		t.Errorf("the VPC is %+v, want one more than %d for its start", vpc, before)
	}
	c.expectRight(t)
}

// Evaluated after each change at the CIDR of the change, all statuses of the scope
// are right.
func TestEvaluateStatusAfterEachChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newStatusEnv(t)
		universe := prefix("10.0.0.0/25")
		var held []*ipam.Allocation
		for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
			cidr := ipamtest.Inside(universe).Filter(func(p netip.Prefix) bool { return p.Bits() < 30 }).Draw(t, "cidr")
			rows := c.rows()
			switch kind := rapid.SampledFrom([]string{"vpc", "vpc", "subnet", "drop", "ignore", "allocate", "release"}).Draw(t, "change"); {
			case kind == "vpc":
				c.put(liveVPC(fmt.Sprint("vpc-", i%4), cidr.String()))
			case kind == "subnet":
				c.put(liveSubnet(fmt.Sprint("subnet-", i), fmt.Sprint("vpc-", i%3), cidr.String()))
			case kind == "drop" && len(rows) > 0:
				r := rapid.SampledFrom(rows).Draw(t, "row")
				c.drop(r)
				cidr = r.CIDR
			case kind == "ignore" && len(rows) > 0:
				r := rapid.SampledFrom(rows).Draw(t, "row")
				r.Ignored = !r.Ignored
				c.put(r)
				cidr = r.CIDR
			case kind == "allocate":
				if rapid.Bool().Draw(t, "claimed") && len(rows) > 0 {
					cidr = rapid.SampledFrom(rows).Draw(t, "row").CIDR
				}
				a, err := c.store.Allocate(t.Context(), allocation(rapid.SampledFrom([]string{c.pool, c.leaf}).Draw(t, "pool"), "", ipam.AllocateRequest{CIDR: cidr}))
				if err != nil {
					continue
				}
				held = append(held, a)
			case kind == "release" && len(held) > 0:
				a := held[len(held)-1]
				held = held[:len(held)-1]
				if err := c.store.Release(t.Context(), release(a)); err != nil {
					t.Fatal(err)
				}
				cidr = a.CIDR
			default:
				continue
			}
			if err := c.store.EvaluateStatus(t.Context(), c.scope, cidr); err != nil {
				t.Fatal(err)
			}
			if wrong := c.wrong(); wrong != nil {
				t.Fatalf("after a change at %s: %q", cidr, wrong)
			}
		}
	})
}

// An evaluation reads an old state. It writes after the evaluation of a newer change
// has found all statuses right. So the first one writes a wrong status, and corrects
// it itself.
func TestEvaluateStatusLooksAgainBehindItsWrites(t *testing.T) {
	c := newStatusEnv(t)
	c.put(liveVPC("vpc-a", "10.0.0.0/28"), liveVPC("vpc-b", "10.0.0.0/29"))
	if err := c.store.EvaluateStatus(t.Context(), c.scope, prefix("10.0.0.0/28")); err != nil {
		t.Fatal(err)
	}
	gone := c.row(t, "vpc-b")
	c.drop(gone)
	hit := false
	slow := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
		if call.Kind != tabletest.Transact || hit {
			return nil
		}
		hit = true
		c.put(gone) // and the look of this change finds vpc-a overlapping, as it was
		if err := c.store.EvaluateStatus(t.Context(), c.scope, gone.CIDR); err != nil {
			t.Error(err)
		}
		return nil
	}}
	if err := c.on(slow).EvaluateStatus(t.Context(), c.scope, gone.CIDR); err != nil || !hit {
		t.Fatal(hit, err)
	}
	c.expectRight(t)
}

// Every call fails once, carried out or not: the statuses are right or the caller
// gets the error, and the next evaluation corrects them.
func TestEvaluateStatusUnderFaults(t *testing.T) {
	scene := func() *statusEnv {
		c := newStatusEnv(t)
		must(c.store.Allocate(t.Context(), allocation(c.pool, "", byCIDR("10.0.0.32/30"))))(t)
		c.put(liveVPC("vpc-a", "10.0.0.0/26"))
		for i := range 45 {
			c.put(liveVPC(fmt.Sprint("vpc-", i), fmt.Sprintf("10.0.0.%d/32", i)))
		}
		return c
	}
	good := scene()
	traced := &tabletest.Faulty{Table: good.table}
	if err := good.on(traced).EvaluateStatus(t.Context(), good.scope, prefix("10.0.0.0/26")); err != nil {
		t.Fatal(err)
	}
	good.expectRight(t)
	transactions := 0
	for _, at := range traced.Trace() {
		for _, fault := range []tabletest.Fault{{Err: tabletest.ErrInjected}, {Err: tabletest.ErrInjected, Applied: true}, {Err: table.ErrThrottled}, {Err: &table.ConditionError{Failed: []int{0}}}} {
			c := scene()
			failing := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
				if call.Kind == at.Kind && call.N == at.N {
					return &fault
				}
				return nil
			}}
			err := c.on(failing).EvaluateStatus(t.Context(), c.scope, prefix("10.0.0.0/26"))
			switch {
			case at.Kind == tabletest.Transact:
				if transactions++; err != nil {
					t.Errorf("%v at %s: %v", fault, at, err)
				}
				c.expectRight(t)
			case errors.Is(fault.Err, table.ErrThrottled) && err != nil:
				t.Errorf("throttled at %s: %v", at, err)
			case errors.Is(fault.Err, tabletest.ErrInjected) && !errors.Is(err, tabletest.ErrInjected):
				t.Errorf("%v at %s: %v", fault, at, err)
			}
			if err := c.store.EvaluateStatus(t.Context(), c.scope, prefix("10.0.0.0/26")); err != nil {
				t.Error(err)
			}
			c.expectRight(t)
		}
	}
	if transactions != 4*3 {
		t.Errorf("%d faults hit transactions, want 12: 46 rows, 20 at once", transactions)
	}
	c := scene()
	never := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
		if call.Kind == tabletest.Transact {
			return &tabletest.Fault{Err: table.ErrConflict}
		}
		return nil
	}}
	if err := c.on(never).EvaluateStatus(t.Context(), c.scope, prefix("10.0.0.0/26")); ipam.CodeOf(err) != ipam.CodeConcurrentMutationLimitExceeded {
		t.Errorf("with nothing but conflicts: %v", err)
	}
}

func TestEvaluateAll(t *testing.T) {
	c := newStatusEnv(t)
	a := must(c.store.Allocate(t.Context(), allocation(c.pool, "", byCIDR("10.0.0.16/28"))))(t)
	for i := range 60 {
		c.put(liveVPC(fmt.Sprintf("vpc-%02d", i), fmt.Sprintf("10.0.0.%d/31", i*2)), liveSubnet(fmt.Sprintf("subnet-%02d", i), fmt.Sprintf("vpc-%02d", i), fmt.Sprintf("10.0.0.%d/32", i*2+1)))
	}
	c.table.PageBytes = 2000 // a few rows
	scan := func(after netip.Prefix, stop int) (n, overlapping int, at netip.Prefix) {
		t.Helper()
		for v, err := range c.store.EvaluateAll(t.Context(), c.scope, ipam.IPv4, after) {
			must(v, err)(t)
			if n++; v.Status.Overlap == ipam.Overlapping {
				overlapping++
			}
			if at = v.After; at.IsValid() && n >= stop {
				break
			}
		}
		return n, overlapping, at
	}
	c.calls.Take()
	if n, overlapping, _ := scan(netip.Prefix{}, 1000); n != 120 || overlapping != 2*8 {
		t.Errorf("%d statuses, %d of them overlapping; want 120 and the 16 in %s", n, overlapping, a.CIDR)
	}
	if cost := c.calls.Take(); cost.Transactions != 60 || cost.Queries > 20*60 {
		t.Errorf("the first scan costs %+v for 60 VPCs: each is put right once, with its subnet", cost)
	}
	c.expectRight(t)
	scan(netip.Prefix{}, 1000)
	if cost := c.calls.Take(); cost.Transactions > 0 {
		t.Errorf("a scan of a scope in order costs %+v", cost)
	}
	n, overlapping, parts := 0, 0, 0
	for at := (netip.Prefix{}); n < 120; parts++ {
		var m, o int
		m, o, at = scan(at, 7)
		n, overlapping = n+m, overlapping+o
	}
	if n != 120 || overlapping != 16 || parts < 5 {
		t.Errorf("in %d parts: %d statuses, %d of them overlapping", parts, n, overlapping)
	}
	if err := c.table.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: items.PoolKey(c.pool)}}); err != nil { // as in the middle of a deletion
		t.Fatal(err)
	}
	if _, overlapping, _ := scan(netip.Prefix{}, 1000); overlapping > 0 {
		t.Errorf("%d overlap the allocation of a pool that is gone", overlapping)
	}
	want := errors.New("the table is away")
	down := &tabletest.Faulty{Table: c.table, Inject: func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: want} }}
	for v, err := range c.on(down).EvaluateAll(t.Context(), c.scope, ipam.IPv4, netip.Prefix{}) {
		if !errors.Is(err, want) {
			t.Errorf("%v, %v", v, err)
		}
	}
}
