package store_test

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// firstLook records VPCs of as many accounts, each with four subnets, as the first run of
// discovery over these accounts does, in order: account after account, and a VPC before its
// subnets. All VPCs have one CIDR, or each has another. It returns the cost.
func (l *env) firstLook(n int, equal bool) tabletest.Cost {
	l.Helper()
	calls := &tabletest.Counter{Table: l.memory}
	l.store = l.on(calls)
	for i := range n {
		at := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
		if equal {
			at = netip.AddrFrom4([4]byte{10, 255, 255, 0})
		}
		id, owner := fmt.Sprintf("vpc-%05d", i), fmt.Sprintf("77770000%04d", i)
		found := []ipam.Resource{vpc(id, netip.PrefixFrom(at, 24).String())}
		for s := range 4 {
			found = append(found, subnet(fmt.Sprintf("subnet-%05d-%d", i, s), id, netip.PrefixFrom(at, 26).String()))
			for range 64 {
				at = at.Next()
			}
		}
		l.now = l.now.Add(time.Second)
		for _, r := range found {
			r.Owner = owner
			_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
			l.must(err)
		}
	}
	return calls.Take()
}

// wrongStatuses returns the statuses of the private scope that differ from those of a look
// at all pairs; see ipamtest.StatusesOf.
func (l *env) wrongStatuses(pools ...*ipam.Pool) (wrong []string) {
	l.Helper()
	return l.wrongBut(func(ipam.Status) bool { return false }, pools...)
}

// wrongBeforeScan is wrongStatuses for a scope in which rows may name a row that was removed
// from among many.
func (l *env) wrongBeforeScan(pools ...*ipam.Pool) (wrong []string) {
	l.Helper()
	there := map[string]bool{}
	for r, err := range l.rows() {
		l.must(err)
		there[r.ID+" "+r.CIDR.String()] = true
	}
	return l.wrongBut(func(s ipam.Status) bool { return !there[s.With+" "+s.WithCIDR] }, pools...)
}

// rows yields the rows of the private scope.
func (l *env) rows() iter.Seq2[*ipam.ResourceCIDR, error] {
	return func(yield func(*ipam.ResourceCIDR, error) bool) {
		for after := ""; ; {
			some, next, err := l.store.Resources(l.Context(), l.ipam.PrivateScope, ipam.IPv4, after, 0)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range some {
				if !yield(r, nil) {
					return
				}
			}
			if after = next; next == "" {
				return
			}
		}
	}
}

// wrongBut is wrongStatuses without the names of overlapping rows for which but returns true.
func (l *env) wrongBut(but func(ipam.Status) bool, pools ...*ipam.Pool) (wrong []string) {
	l.Helper()
	var rows []*ipam.ResourceCIDR
	for r, err := range l.rows() {
		l.must(err)
		rows = append(rows, r)
	}
	var allocations []*ipam.Allocation
	for a, err := range l.store.AllocationsIn(l.Context(), l.ipam.PrivateScope, ipam.IPv4.All()) {
		l.must(err)
		allocations = append(allocations, a)
	}
	byID := map[string]*ipam.Pool{}
	for _, p := range pools {
		byID[p.ID] = p
	}
	for i, want := range ipamtest.StatusesOf(rows, allocations, byID) {
		got := rows[i].Status
		if (got.With != "") != (want.Overlaps != nil) || got.With != "" && !slices.Contains(want.Overlaps, got.With+" "+got.WithCIDR) && !but(got) {
			wrong = append(wrong, fmt.Sprintf("%s %s overlaps %q; there are %d", rows[i].ID, rows[i].CIDR, got.With, len(want.Overlaps)))
		}
		got.With, got.WithCIDR, got.Reason = "", "", ""
		if got != want.Status {
			wrong = append(wrong, fmt.Sprintf("%s %s is %+v, want %+v", rows[i].ID, rows[i].CIDR, got, want.Status))
		}
	}
	return wrong
}

// The first look at many equal VPCs, each with four subnets, costs at most 1.5 times as many
// calls, rows and write units as the first look at as many different ones. Afterwards
// the statuses and the space are right, and a scan finds nothing to do. The cost
// of many different VPCs is computed from the cost of 500, which is less than it.
func TestCostOfTheFirstLook(t *testing.T) {
	look := func(n int, equal, pooled bool) tabletest.Cost {
		l := newEnv(t)
		var pools []*ipam.Pool
		if pooled {
			pools = append(pools, l.pool("", false))
			l.provision(pools[0], "10.0.0.0/8")
		}
		cost := l.firstLook(n, equal)
		if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
			t.Errorf("work is left: %q, %v", work, err)
		}
		if n <= 100 {
			if wrong := l.wrongStatuses(pools...); len(wrong) > 0 {
				t.Errorf("%d VPCs, equal %t, in a pool %t: %d statuses are wrong, the first: %s", n, equal, pooled, len(wrong), wrong[0])
			}
		}
		for v, err := range l.store.EvaluateAll(t.Context(), l.ipam.PrivateScope, ipam.IPv4, netip.Prefix{}) {
			if l.must(err); v.Exposed || v.Status != v.Resource.Status || n > 1 && equal && v.Status.Overlap != ipam.Overlapping {
				t.Fatalf("%d VPCs, equal %t, in a pool %t: %s is %+v, want %+v", n, equal, pooled, v.Resource.ID, v.Resource.Status, v)
			}
		}
		fscktest.Clean(t, l.memory, l.now)
		return cost
	}
	for _, c := range []struct {
		n      int
		pooled bool
	}{{1, false}, {1, true}, {100, false}, {100, true}, {sized(500, 150), true}, {sized(5000, 200), false}} {
		few := min(c.n, 500)
		different, equal := look(few, false, c.pooled), look(c.n, true, c.pooled)
		for what, of := range map[string]func(tabletest.Cost) int{
			"calls":       func(c tabletest.Cost) int { return c.BatchGets + c.Queries + c.Transactions },
			"rows":        func(c tabletest.Cost) int { return c.Rows + c.Keys },
			"write units": func(c tabletest.Cost) int { return c.WriteUnits },
		} {
			have, alone := of(equal), of(different)*c.n/few
			t.Logf("%d VPCs, in a pool %t: %d %s of equal ones, %d of different ones", c.n, c.pooled, have, what, alone)
			if 2*have > 3*alone {
				t.Errorf("%d VPCs, in a pool %t: %d %s of equal ones, want at most 1.5 times the %d of different ones", c.n, c.pooled, have, what, alone)
			}
		}
	}
}

// The deletion of many equal VPCs and their subnets costs at most 1.5 times as many calls as
// the deletion of as many different ones, and does not read more rows the more there are. The
// statuses are right all the while, but for names of CIDRs that are gone, which a scan
// mends. Nothing is left. The cost of many different VPCs is computed from that of 500.
func TestCostOfDeletions(t *testing.T) {
	remove := func(n int, equal, pooled bool) tabletest.Cost {
		l := newEnv(t)
		var pools []*ipam.Pool
		if pooled {
			pools = append(pools, l.pool("", false))
			l.provision(pools[0], "10.0.0.0/8")
		}
		l.firstLook(n, equal)
		calls := &tabletest.Counter{Table: l.memory}
		l.store = l.on(calls)
		var cost tabletest.Cost
		for i := range n {
			account := fmt.Sprintf("77770000%04d", i)
			for _, kind := range []ipam.ResourceType{ipam.ResourceSubnet, ipam.ResourceVPC} {
				found, err := l.store.FoundOf(t.Context(), l.disco.ID, "eu-west-1", account, kind, "")
				l.must(err)
				calls.Take()
				l.now = l.now.Add(time.Second)
				for _, f := range found {
					if gone, err := l.store.Forget(t.Context(), f, l.now.UnixMilli()); err != nil || !gone {
						t.Fatalf("%s is gone %t, %v", f.ID, gone, err)
					}
				}
				took := calls.Take()
				cost.BatchGets, cost.Queries, cost.Transactions = cost.BatchGets+took.BatchGets, cost.Queries+took.Queries, cost.Transactions+took.Transactions
				cost.Rows, cost.Keys = cost.Rows+took.Rows, cost.Keys+took.Keys
			}
			if n <= 100 && i%30 == 10 {
				for _, wrong := range l.wrongBeforeScan(pools...) {
					t.Errorf("after %d of %d VPCs, equal %t: %s", i+1, n, equal, wrong)
				}
			}
			if n <= 100 && i == n/2 {
				for _, err := range l.store.EvaluateAll(t.Context(), l.ipam.PrivateScope, ipam.IPv4, netip.Prefix{}) {
					l.must(err)
				}
				l.rightStatuses(pools...)
			}
		}
		if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
			t.Errorf("work is left: %q, %v", work, err)
		}
		for _, p := range pools {
			if left := l.allocations(p); left != "" {
				t.Errorf("the pool has %s", left)
			}
		}
		fscktest.Clean(t, l.memory, l.now)
		return cost
	}
	calls := func(c tabletest.Cost) int { return c.BatchGets + c.Queries + c.Transactions }
	rows := func(c tabletest.Cost) int { return c.Rows + c.Keys }
	for _, pooled := range []bool{false, true} {
		each := 0 // rows that the deletion of one of 100 equal VPCs reads
		for _, n := range []int{1, 100, sized(5000, 200)} {
			few := min(n, 500)
			different, equal := remove(few, false, pooled), remove(n, true, pooled)
			have, alone := calls(equal), calls(different)*n/few
			t.Logf("%d VPCs, in a pool %t: %d calls of equal ones, %d of different ones; %d rows, %d", n, pooled, have, alone, rows(equal), rows(different)*n/few)
			if 2*have > 3*alone {
				t.Errorf("%d VPCs, in a pool %t: %d calls of equal ones, want at most 1.5 times the %d of different ones", n, pooled, have, alone)
			}
			if n == 100 {
				each = rows(equal) / n
			}
			if n > 100 && 2*rows(equal)/n > 3*each {
				t.Errorf("%d VPCs, in a pool %t: the deletion of one reads %d rows, and that of one of 100 reads %d", n, pooled, rows(equal)/n, each)
			}
		}
	}
}

// Overlapping finds the CIDRs that a walk over all of them finds, where several
// resources have each CIDR:
//
//	|--------------- /0 ---------------|
//	|------- /8 -------|
//	|-- /16 --|         |-- /16 --|
//	|/24||/24|
func TestOverlappingWithEqualCIDRs(t *testing.T) {
	l := newEnv(t)
	var all []*ipam.ResourceCIDR
	for n, cidr := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/24", "10.1.0.0/16", "11.0.0.0/16"} {
		for i := range 1 + n%4 {
			r := &ipam.ResourceCIDR{Resource: vpc(fmt.Sprintf("vpc-%d-%d", n, i), cidr), Scope: l.ipam.PrivateScope, Rev: 1}
			row := items.EncodeResource(r)
			l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}))
			all = append(all, r)
		}
	}
	for _, cidr := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.7/32", "10.0.1.0/25", "10.0.2.0/24", "10.1.2.0/24", "11.0.0.0/16", "11.1.0.0/16", "12.0.0.0/8"} {
		p := netip.MustParsePrefix(cidr)
		var want, have []string
		for _, r := range all {
			if r.CIDR.Overlaps(p) {
				want = append(want, r.ID)
			}
		}
		found, err := l.store.Overlapping(t.Context(), l.ipam.PrivateScope, p)
		l.must(err)
		for _, r := range found {
			have = append(have, r.ID)
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s overlaps %v, want %v", cidr, have, want)
		}
	}
}
