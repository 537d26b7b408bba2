package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// look records a resource through a table, without a check of the error.
func (l *env) look(s *store.Store, r ipam.Resource) error {
	l.now = l.now.Add(time.Second)
	_, err := s.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
	return err
}

// equals records n VPCs with one CIDR, each with a subnet of it.
func (l *env) equals(n int) {
	l.Helper()
	for i := range n {
		id := fmt.Sprint("vpc-", i)
		l.observe(vpc(id, "10.0.0.0/16"))
		l.observe(subnet("subnet-"+fmt.Sprint(i), id, "10.0.0.0/20"))
	}
}

// rightStatuses checks all statuses against a look at all pairs.
func (l *env) rightStatuses(pools ...*ipam.Pool) {
	l.Helper()
	for _, wrong := range l.wrongStatuses(pools...) {
		l.Error(wrong)
	}
}

// A new VPC among equal ones never ends the work note of another change. Here the deletion
// of a VPC failed after its write: its space and the statuses of others are still to follow.
func TestNewRowLeavesTheNoteOfADeletion(t *testing.T) {
	l := newEnv(t)
	l.equals(4)
	wide := vpc("vpc-wide", "10.0.0.0/8")
	l.observe(wide)
	l.settled()
	first := l.found(vpc("vpc-0", "10.0.0.0/16"))
	l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.Transact {
			l.faulty.Inject = func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }
		}
		return nil
	}
	l.now = l.now.Add(time.Second)
	if _, err := l.store.Forget(t.Context(), first, l.now.UnixMilli()); !errors.Is(err, tabletest.ErrInjected) {
		t.Fatal(err)
	}
	l.faulty.Inject = nil
	if len(l.wrongStatuses()) == 0 {
		t.Fatal("no status names the VPC that is gone: the test tests nothing")
	}
	l.observe(vpc("vpc-4", "10.0.0.0/16"))
	if row := l.row(vpc("vpc-4", "10.0.0.0/16"), l.ipam.PrivateScope); row.Status.Overlap != ipam.Overlapping {
		t.Errorf("the new VPC is %+v", row.Status)
	}
	if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) != 1 || !strings.HasPrefix(work[0], "live#") {
		t.Errorf("the work is %q, %v; want the note of 10.0.0.0/16", work, err)
	}
	l.settled()
	l.rightStatuses()
}

// A new VPC among equal ones does alter others in these cases. All is right at once, without
// the work of a note.
func TestNewRowThatAltersOthers(t *testing.T) {
	of := func(r ipam.Resource, account string) ipam.Resource {
		r.Owner = account
		return r
	}
	pair := func(l *env) { // the two VPCs overlap each other
		l.observe(of(vpc("vpc-a", "10.0.0.0/16"), "777788889999"))
		l.observe(of(vpc("vpc-b", "10.0.0.0/16"), "777788889999"))
	}
	for _, c := range []struct {
		name    string
		prepare func(*env, *ipam.Pool)
		check   func(*env, *ipam.Pool)
	}{
		{"one other, which overlaps elsewhere", func(l *env, _ *ipam.Pool) {
			l.observe(vpc("vpc-a", "10.0.0.0/16"))
			l.observe(subnet("subnet-a", "vpc-a", "10.0.0.0/20")) // no other overlaps it
			l.observe(vpc("vpc-b", "10.0.128.0/20"))
		}, nil},
		{"two others of one group", func(l *env, _ *ipam.Pool) {
			l.observe(vpc("vpc-a", "10.0.0.0/16"))
			l.observe(subnet("subnet-a", "vpc-a", "10.0.0.0/16"))
			l.observe(subnet("subnet-b", "vpc-a", "10.0.0.0/20"))
			l.observe(vpc("vpc-b", "10.0.128.0/20"))
		}, nil},
		{"two others whose statuses are not evaluated", func(l *env, _ *ipam.Pool) {
			l.observe(vpc("vpc-wide", "10.0.0.0/12"))
			for _, id := range []string{"vpc-a", "vpc-b"} {
				r := vpc(id, "10.0.0.0/16")
				row := items.EncodeResource(&ipam.ResourceCIDR{Resource: r, Scope: l.ipam.PrivateScope, Discovery: l.disco.ID, Rev: 1})
				found := items.EncodeFound(&ipam.Found{Resource: r, Discovery: l.disco.ID, Targets: []ipam.Target{{IPAM: l.ipam.ID, Scope: l.ipam.PrivateScope}}, Rev: 1})
				l.must(l.memory.Transact(l.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}, {Op: table.OpPut, Key: found.Key, Item: found.Item}}))
			}
		}, nil},
		{"two others that are ignored", func(l *env, _ *ipam.Pool) {
			pair(l)
			l.observe(vpc("vpc-wide", "10.0.0.0/12"))
			for _, id := range []string{"vpc-a", "vpc-b"} {
				l.monitor(vpc(id, "10.0.0.0/16"), false, l.ipam.PrivateScope, "")
			}
		}, nil},
		{"it claims an allocation that others name", func(l *env, p *ipam.Pool) {
			_, err := l.allocate(otherAccount, p, 0, "10.0.0.0/16")
			l.must(err)
			pair(l)
		}, func(l *env, _ *ipam.Pool) {
			l.status(vpc("vpc-new", "10.0.0.0/16"), ipam.Managed, ipam.Compliant, ipam.Overlapping)
		}},
		{"a pending block waits for it", func(l *env, p *ipam.Pool) {
			_, err := l.store.Allocate(l.Context(), l.leasing(p, 0, "10.0.0.0/16"))
			l.must(err)
			pair(l)
		}, func(l *env, p *ipam.Pool) {
			l.status(vpc("vpc-new", "10.0.0.0/16"), ipam.Managed, ipam.Compliant, ipam.Overlapping)
		}},
		{"a pool imports", func(l *env, p *ipam.Pool) {
			pair(l)
			_, err := l.store.ModifyPool(l.Context(), p.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil })
			l.must(err)
		}, func(l *env, p *ipam.Pool) {
			if have := l.allocations(p); have != "10.0.0.0/16 vpc" {
				l.Errorf("the pool has %q", have)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/12")
			c.prepare(l, p)
			l.observe(vpc("vpc-new", "10.0.0.0/16"))
			l.rightStatuses(p)
			if c.check != nil {
				c.check(l, p)
			}
			l.settled()
			l.rightStatuses(p)
		})
	}
}

// A new subnet among equal ones in a CIDR whose allocation a VPC claims overlaps other
// resources, and not the allocation.
func TestNewRowInAClaimedAllocation(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/12")
	_, err := l.allocate(otherAccount, p, 0, "10.0.0.0/16")
	l.must(err)
	l.equals(5)
	l.rightStatuses(p)
}

// Each call of an observation among equal CIDRs fails once, carried out or not. After the
// work of the notes, or the same observation again, all is right.
func TestNewRowUnderFaults(t *testing.T) {
	l := newEnv(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/12")
	l.equals(4)
	l.settled()
	for _, r := range []ipam.Resource{vpc("vpc-4", "10.0.0.0/16"), subnet("subnet-new", "vpc-3", "10.0.0.0/20"), subnet("subnet-x", "vpc-4", "10.0.16.0/20")} {
		restore := l.saved()
		l.must(l.look(l.store, r))
		trace := l.faulty.Trace()
		l.settled()
		restore()
		for _, at := range trace {
			for _, fault := range []tabletest.Fault{{Err: tabletest.ErrInjected}, {Err: tabletest.ErrInjected, Applied: true}} {
				for _, again := range []bool{false, true} {
					restore := l.saved()
					l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
						if c.Kind == at.Kind && c.N == at.N {
							return &fault
						}
						return nil
					}
					err := l.look(l.store, r)
					l.faulty.Inject = nil
					if again || l.found(r) == nil {
						l.must(l.look(l.store, r))
					}
					l.settled()
					l.rightStatuses(pool)
					if t.Failed() {
						t.Fatalf("%s %s, %v at %s, applied %t, again %t: %v", r.ID, r.CIDR, fault.Err, at, fault.Applied, again, err)
					}
					restore()
				}
			}
		}
	}
}

// rightAfterScan checks all statuses before a scan of the private scope, when rows may name
// others that were removed, and after it.
func (l *env) rightAfterScan(pools ...*ipam.Pool) {
	l.Helper()
	for _, wrong := range l.wrongBeforeScan(pools...) {
		l.Error("before the scan: ", wrong)
	}
	for _, err := range l.store.EvaluateAll(l.Context(), l.ipam.PrivateScope, ipam.IPv4, netip.Prefix{}) {
		l.must(err)
	}
	l.rightStatuses(pools...)
}

// Random changes among equal and nested CIDRs, each overtaken by others between two calls
// of the table, and some cut short: the space and all statuses are right after the work.
func TestEqualCIDRsRandomly(t *testing.T) {
	for seed := range uint64(sized(600, 80)) {
		l := newEnv(t)
		r := rand.New(rand.NewPCG(seed, 2))
		l.few = 1 + r.IntN(4) // so few equal rows are many
		l.store = l.on(l.faulty)
		var pools []*ipam.Pool
		if r.IntN(2) == 0 {
			pools = append(pools, l.pool("", r.IntN(4) == 0))
			l.provision(pools[0], "10.0.0.0/12")
		}
		allocates := len(pools) > 0 && r.IntN(3) == 0
		cidrs := []string{"10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/16", "10.0.128.0/20", "10.0.0.0/20", "10.0.0.0/24", "10.0.0.0/8"}
		some := func() ipam.Resource {
			id := fmt.Sprint("vpc-", r.IntN(7))
			if cidr := cidrs[r.IntN(len(cidrs))]; r.IntN(2) == 0 {
				return vpc(id, cidr)
			} else {
				return subnet(fmt.Sprint("subnet-", r.IntN(3), "-", id), id, cidr)
			}
		}
		var given []*ipam.Allocation
		var changed []netip.Prefix // by allocations: the history function evaluates them
		change := func(s *store.Store) {
			v, inject := some(), l.faulty.Inject
			l.faulty.Inject = nil
			f := l.found(v)
			l.faulty.Inject = inject
			switch {
			case allocates && r.IntN(10) == 0:
				q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: pools[0].ID, May: anyone, Request: ipam.AllocateRequest{CIDR: v.CIDR}}
				q.Token.Account = otherAccount
				if a, err := s.Allocate(t.Context(), q); err == nil {
					given, changed = append(given, a), append(changed, a.CIDR)
				}
			case r.IntN(10) == 0 && len(given) > 0:
				a := given[0]
				given = given[1:]
				_ = s.Release(t.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
			case f != nil && v.Type == ipam.ResourceVPC && r.IntN(3) == 0:
				_, _ = s.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{
					Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: r.IntN(2) == 0, May: func(_, _ *ipam.Scope) error { return nil },
				})
			case f != nil && r.IntN(2) == 0:
				l.now = l.now.Add(time.Second)
				_, _ = s.Forget(t.Context(), f, l.now.UnixMilli())
			default:
				_ = l.look(s, v)
			}
		}
		for range 25 {
			at, cut, n := r.IntN(30), r.IntN(90), 0
			depth := 0
			inject := func(tabletest.Call) *tabletest.Fault {
				if n++; n == at && depth < 3 {
					depth++
					at = n + r.IntN(30)
					change(l.store) // may be overtaken itself
				}
				if n == cut {
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: r.IntN(2) == 0}
				}
				return nil
			}
			l.faulty.Inject = inject
			change(l.store)
			l.faulty.Inject = nil
			if r.IntN(4) > 0 {
				continue
			}
			for _, p := range changed {
				l.must(l.store.EvaluateStatus(t.Context(), l.ipam.PrivateScope, p))
			}
			changed = nil
			l.work()
			fscktest.Clean(t, l.memory, l.now)
			l.rightAfterScan(pools...)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}
