package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// manyAtThree returns an env in which more than two equal rows are many.
func manyAtThree(t *testing.T) *env {
	l := newEnv(t)
	l.few = 2
	l.store = l.on(l.faulty)
	return l
}

// Among many equal rows, a removed one does concern others in these cases. All is right at
// once, without the work of a note or a scan.
func TestRemovedRowThatConcernsOthers(t *testing.T) {
	of := func(r ipam.Resource, account string) ipam.Resource {
		r.Owner = account
		return r
	}
	goes := of(vpc("vpc-goes", "10.0.0.0/16"), "777788889999")
	for _, c := range []struct {
		name    string
		prepare func(*env, *ipam.Pool)
		check   func(*env, *ipam.Pool)
	}{
		{"it has an allocation", func(l *env, p *ipam.Pool) {
			_, err := l.store.ModifyPool(l.Context(), p.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil })
			l.must(err)
			l.observe(goes)
			_, err = l.store.ModifyPool(l.Context(), p.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = false; return nil })
			l.must(err)
			l.equals(4)
		}, func(l *env, p *ipam.Pool) {
			if have := l.allocations(p); have != "" {
				l.Errorf("the pool has %q", have)
			}
		}},
		{"it claims an allocation", func(l *env, p *ipam.Pool) {
			_, err := l.allocate("777788889999", p, 0, "10.0.0.0/16")
			l.must(err)
			l.observe(goes)
			l.equals(4)
		}, nil},
		{"a pool imports", func(l *env, p *ipam.Pool) {
			l.observe(goes)
			l.equals(4)
			_, err := l.store.ModifyPool(l.Context(), p.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil })
			l.must(err)
		}, func(l *env, p *ipam.Pool) {
			if have := l.allocations(p); have != "10.0.0.0/16 vpc" {
				l.Errorf("the pool has %q", have)
			}
		}},
		{"the others are of one group", func(l *env, _ *ipam.Pool) {
			l.observe(vpc("vpc-a", "10.0.0.0/16"))
			for i := range 3 {
				l.observe(subnet(fmt.Sprint("subnet-", i), "vpc-a", "10.0.0.0/16"))
			}
			l.observe(goes)
		}, func(l *env, _ *ipam.Pool) {
			l.status(vpc("vpc-a", "10.0.0.0/16"), ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
		}},
		{"the others are ignored", func(l *env, _ *ipam.Pool) {
			l.observe(vpc("vpc-wide", "10.0.0.0/12"))
			l.observe(goes)
			l.equals(4)
			for i := range 4 {
				l.monitor(vpc(fmt.Sprint("vpc-", i), "10.0.0.0/16"), false, l.ipam.PrivateScope, "")
			}
		}, nil},
		{"two others are left", func(l *env, _ *ipam.Pool) {
			l.observe(goes)
			l.observe(vpc("vpc-a", "10.0.0.0/16"))
			l.observe(vpc("vpc-b", "10.0.0.0/16"))
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := manyAtThree(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/12")
			c.prepare(l, p)
			if l.row(goes, l.ipam.PrivateScope) == nil {
				t.Fatal("the VPC has no row")
			}
			l.rightStatuses(p)
			l.forgetFound(goes)
			l.rightStatuses(p)
			fscktest.Clean(t, l.memory, l.now)
			if c.check != nil {
				c.check(l, p)
			}
			l.settled()
			l.rightStatuses(p)
		})
	}
}

// A subnet with a CIDR of its own under many equal VPCs concerns no other row.
func TestRemovedRowUnderMany(t *testing.T) {
	l := manyAtThree(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/12")
	l.equals(40)
	lone := subnet("subnet-lone", "vpc-1", "10.0.200.0/24")
	l.observe(lone)
	l.settled()
	f := l.found(lone)
	calls := &tabletest.Counter{Table: l.memory}
	l.store = l.on(calls)
	if gone, err := l.store.Forget(t.Context(), f, l.now.Add(time.Second).UnixMilli()); err != nil || !gone {
		t.Fatalf("gone %t, %v", gone, err)
	}
	if cost := calls.Take(); cost.Rows > 20 {
		t.Errorf("the deletion reads %d rows", cost.Rows)
	}
	l.settled()
	l.rightStatuses(p)
}

// A removed row among many never ends the work note of another change, and leaves its own
// where it finds one.
func TestRemovedRowLeavesTheNoteOfAnother(t *testing.T) {
	l := manyAtThree(t)
	l.equals(6)
	l.observe(vpc("vpc-wide", "10.0.0.0/8"))
	l.settled()
	l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.Transact {
			l.faulty.Inject = func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }
		}
		return nil
	}
	first := l.found(vpc("vpc-0", "10.0.0.0/16"))
	l.now = l.now.Add(time.Second)
	_, _ = l.store.Forget(t.Context(), first, l.now.UnixMilli())
	l.faulty.Inject = nil
	l.forgetFound(vpc("vpc-1", "10.0.0.0/16"))
	if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) != 1 || !strings.HasPrefix(work[0], "live#") {
		t.Errorf("the work is %q, %v; want the note of 10.0.0.0/16", work, err)
	}
	l.settled()
	l.rightStatuses()
}

// Each call of a deletion among equal CIDRs fails once, carried out or not. After the work
// of the notes, or the same deletion again, all is right.
func TestRemovedRowUnderFaults(t *testing.T) {
	l := manyAtThree(t)
	pool := l.pool("", false)
	l.provision(pool, "10.0.0.0/12")
	l.equals(5)
	l.settled()
	forget := func(f *ipam.Found) error {
		l.now = l.now.Add(time.Second)
		_, err := l.store.Forget(t.Context(), f, l.now.UnixMilli())
		return err
	}
	for _, r := range []ipam.Resource{vpc("vpc-4", "10.0.0.0/16"), vpc("vpc-0", "10.0.0.0/16"), subnet("subnet-0", "vpc-0", "10.0.0.0/20")} {
		f := l.found(r)
		restore := l.saved()
		l.must(forget(f))
		trace := l.faulty.Trace()
		restore()
		for _, at := range trace {
			for _, applied := range []bool{false, true} {
				restore := l.saved()
				l.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
					if c.Kind == at.Kind && c.N == at.N {
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
					}
					return nil
				}
				err := forget(f)
				l.faulty.Inject = nil
				l.must(forget(f))
				l.settled()
				l.rightAfterScan(pool)
				if t.Failed() {
					t.Fatalf("%s %s, at %s, applied %t: %v", r.ID, r.CIDR, at, applied, err)
				}
				restore()
			}
		}
	}
}
