package store_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// answered is EC2's answer for a resource, with the association of its CIDR.
func (l *env) answered(id, association string) store.Made {
	return store.Made{ID: id, Association: association, At: l.now.Unix()}
}

// pendingOf returns the other account's pending blocks, as texts.
func (l *env) pendingOf(region string) (all []string) {
	l.Helper()
	rows, err := l.store.Pending(l.Context(), otherAccount, region)
	l.must(err)
	for _, p := range rows {
		all = append(all, fmt.Sprintf("%s %s %q %q %d", p.Resource.Type, p.Resource.CIDR, p.ID, p.Association, p.At))
	}
	return all
}

// deleted ends the other account's pending block at a CIDR and reports whether there was one to
// end. It checks the table.
func (l *env) deleted(cidr netip.Prefix, why store.Deleted) bool {
	l.Helper()
	defer fscktest.Clean(l, l.memory, l.now)
	rows, err := l.store.Pending(l.Context(), otherAccount, "eu-west-1")
	l.must(err)
	for _, p := range rows {
		if p.Resource.CIDR == cidr {
			ended, err := l.store.EndDeleted(l.Context(), p, why)
			l.must(err)
			return ended
		}
	}
	return false
}

// EC2 made it and has deleted it again before discovery saw it: its space is free at
// once, in one piece, and no work is left.
func TestDeletedBeforeItWasSeen(t *testing.T) {
	type made struct {
		resource ipam.Resource // without the CIDR, as Allocate gets it
		answer   string        // EC2's id for it
		found    func(cidr string) ipam.Resource
	}
	newVPC := made{ipam.Resource{Type: ipam.ResourceVPC, Region: "eu-west-1"}, "vpc-7", func(c string) ipam.Resource { return vpc("vpc-7", c) }}
	associated := made{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-7", Region: "eu-west-1"}, "vpc-7", func(c string) ipam.Resource { return vpc("vpc-7", c) }}
	newSubnet := made{ipam.Resource{Type: ipam.ResourceSubnet, Region: "eu-west-1", VPC: "vpc-1"}, "subnet-7", func(c string) ipam.Resource { return subnet("subnet-7", "vpc-1", c) }}
	for _, c := range []struct {
		name string
		made made
		why  store.Deleted
		// stale says that an earlier observation of it is left out afterwards.
		stale bool
	}{
		{"a VPC", newVPC, store.DeletedResource, true},
		{"a VPC, as its account reports", newVPC, store.ReportedDeleted, false},
		{"a subnet", newSubnet, store.DeletedResource, true},
		{"a subnet, as its account reports", newSubnet, store.ReportedDeleted, false},
		{"a VPC's further CIDR, with the VPC", associated, store.DeletedResource, true},
		{"a VPC's further CIDR", associated, store.DeletedAssociation, false},
		{"a VPC's further CIDR, as its account reports", associated, store.ReportedDeleted, false},
		{"the CIDR of a subnet", newSubnet, store.DeletedAssociation, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			var p *ipam.Pool
			if c.made.resource.Type == ipam.ResourceSubnet {
				source := l.pool("", true)
				l.provision(source, "10.0.0.0/16")
				l.observe(vpc("vpc-1", "10.0.0.0/20"))
				p = l.planning(source, "vpc-1", false)
				l.provision(p, "10.0.0.0/20")
				l.settled()
			} else {
				p = l.pool("", false)
				l.provision(p, "10.0.0.0/16")
			}
			q := l.leasing(p, 24, "")
			q.For = &c.made.resource
			a, err := l.store.Allocate(t.Context(), q)
			l.must(err)
			l.must(l.store.Bind(t.Context(), a, l.answered(c.made.answer, "assoc-1")))
			fscktest.Clean(t, l.memory, l.now)
			want := []string{fmt.Sprintf(`%s 10.0.0.0/24 %q "assoc-1" 1800000`, c.made.resource.Type, c.made.answer)}
			if got := l.pendingOf("eu-west-1"); len(got) != 1 || !strings.HasPrefix(got[0], want[0]) {
				t.Errorf("pending: %q, want %q", got, want)
			}
			if got := l.pendingOf("eu-central-1"); len(got) > 0 {
				t.Errorf("in another Region: %q", got)
			}
			if !l.deleted(a.CIDR, c.why) {
				t.Fatal("nothing was pending")
			}
			if l.deleted(a.CIDR, c.why) || l.allocations(p) != "" || len(l.pendingOf("eu-west-1")) > 0 {
				t.Errorf("it is not over: %s, %v", l.allocations(p), l.pendingOf("eu-west-1"))
			}
			if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
				t.Errorf("work is left: %v, %v", work, err)
			}
			late := c.made.found(a.CIDR.String())
			l.observe(late) // as it was read before
			l.settled()
			if recorded := l.found(late) != nil; recorded == c.stale {
				t.Errorf("an earlier observation is recorded: %t", recorded)
			}
			if !c.stale {
				l.forgetFound(late)
			}
			l.settled()
			again, err := l.store.Allocate(t.Context(), func() store.Allocate { q := l.leasing(p, 24, ""); q.For = &c.made.resource; return q }())
			l.must(err)
			if again.CIDR != a.CIDR {
				t.Errorf("the next gets %s", again.CIDR)
			}
			// Another one at the same place is recorded, an hour later also the very same.
			other := late
			other.ID += "-2"
			l.must(l.store.EndPending(t.Context(), again))
			l.observe(other)
			l.forgetFound(other)
			l.now = l.now.Add(2 * time.Hour)
			l.observe(late)
			if l.found(late) == nil {
				t.Error("it is refused for ever")
			}
			l.settled()
		})
	}
}

// A block whose resource discovery saw is the resource's, and ends with it.
func TestDeletedAfterItWasSeen(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a := l.pendingBlock(p, 20)
	l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", "")))
	before, err := l.store.Pending(t.Context(), otherAccount, "eu-west-1")
	l.must(err)
	v := vpc("vpc-1", a.CIDR.String())
	l.observe(v)
	if ended, err := l.store.EndDeleted(t.Context(), before[0], store.DeletedResource); ended || err != nil {
		t.Errorf("%t, %v", ended, err)
	}
	l.settled()
	if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
		t.Errorf("the allocation: %q", got)
	}
	l.forgetFound(v)
	l.settled()
	if got := l.allocations(p); got != "" {
		t.Errorf("the allocation: %q", got)
	}
}

// A block that is pending for another resource, or for nobody knows which, stays.
func TestDeletedOfAnother(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a, b := l.pendingBlock(p, 24), l.pendingBlock(p, 24)
	l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", "")))
	for _, q := range []store.Pending{
		{Allocation: a.AllocationID, Made: store.Made{ID: "vpc-2"}},
		{Allocation: b.AllocationID, Made: store.Made{ID: "vpc-1"}},
		{Allocation: b.AllocationID},
		{Allocation: "ipam-pool-alloc-0", Made: store.Made{ID: "vpc-1"}},
	} {
		if ended, err := l.store.EndDeleted(t.Context(), &q, store.DeletedResource); ended || err != nil {
			t.Errorf("%+v: %t, %v", q, ended, err)
		}
	}
	if got := l.allocations(p); got != "10.0.0.0/24 vpc, 10.0.1.0/24 vpc" {
		t.Errorf("%q", got)
	}
	fscktest.Clean(t, l.memory, l.now)
	if !l.deleted(a.CIDR, store.DeletedResource) || l.deleted(b.CIDR, store.DeletedResource) {
		t.Error("the wrong block ends")
	}
	c, err := l.allocate(otherAccount, p, 24, "")
	l.must(err)
	if ended, err := l.store.EndDeleted(t.Context(), &store.Pending{Allocation: c.AllocationID, Made: store.Made{ID: "vpc-1"}}, store.DeletedResource); ended || err != nil {
		t.Errorf("a custom allocation: %t, %v", ended, err)
	}
	if got := l.allocations(p); got != "10.0.0.0/24 custom, 10.0.1.0/24 vpc" {
		t.Errorf("%q", got)
	}
}

// EC2's answer is recorded once, also for a resource that the request named from the
// start. An answer for another resource is not recorded.
func TestBindOnce(t *testing.T) {
	l := newEnv(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	q := l.leasing(p, 24, "")
	q.For.ID = "vpc-1"
	a, err := l.store.Allocate(t.Context(), q)
	l.must(err)
	for i, c := range []struct {
		made store.Made
		want string
	}{
		{store.Made{ID: "vpc-2", Association: "assoc-2", At: 5}, `vpc 10.0.0.0/24 "vpc-1" "" 0`},
		{store.Made{ID: "vpc-1", Association: "assoc-1"}, `vpc 10.0.0.0/24 "vpc-1" "" 0`}, // EC2's answer had no time
		{store.Made{ID: "vpc-1", Association: "assoc-1", At: 7}, `vpc 10.0.0.0/24 "vpc-1" "assoc-1" 7`},
		{store.Made{ID: "vpc-1", Association: "assoc-3", At: 9}, `vpc 10.0.0.0/24 "vpc-1" "assoc-1" 7`},
	} {
		l.must(l.store.Bind(t.Context(), a, c.made))
		if got := l.pendingOf("eu-west-1"); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
		fscktest.Clean(t, l.memory, l.now)
	}
	l.observe(vpc("vpc-1", a.CIDR.String()))
	l.settled()
	found, err := l.store.AllocationsByID(t.Context(), []string{a.AllocationID})
	l.must(err)
	if len(found) != 1 || found[0].MadeAt != 0 || found[0].PendingUntil != 0 {
		t.Errorf("%+v", found)
	}
}

// Release, Deprovision and a cascading delete say that EC2 has made the resource, and not
// that it is being asked. The delete goes on with the one note that the end leaves.
func TestMessagesForMadeAndUnseen(t *testing.T) {
	for _, above := range []bool{false, true} { // the delete is of the pool above
		l := newEnv(t)
		source := l.pool("", false)
		l.provision(source, "10.0.0.0/15")
		p := l.pool(source.ID, false)
		l.provision(p, "10.0.0.0/16")
		a, b := l.pendingBlock(p, 20), l.pendingBlock(p, 20)
		l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", "")))
		l.must(l.store.Bind(t.Context(), b, l.answered("vpc-2", "")))
		release := func() error {
			return l.store.Release(t.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
		}
		const why = "EC2 has made vpc-1 for it in account 444455556666, eu-west-1, and discovery has not seen it yet. Delete it in EC2: the allocation goes by itself"
		for range 2 {
			if err := release(); ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), why) {
				t.Errorf("%v", err)
			}
			l.now = l.now.Add(16 * time.Minute) // and nobody has looked
		}
		if got := l.deprovision(p, "10.0.0.0/16"); got.State != ipam.CIDRFailedDeprovision ||
			!strings.Contains(got.Failure, "10.0.0.0/20 is used by vpc vpc-1 in account 444455556666, eu-west-1, which discovery has not seen yet: delete that in EC2.") {
			t.Errorf("%s: %s", got.State, got.Failure)
		}
		ended := p
		if above {
			ended = source
		}
		_, err := l.store.DeletePool(t.Context(), ended.ID, true, anyone)
		l.must(err)
		l.settled()
		for i, cidr := range []netip.Prefix{a.CIDR, b.CIDR} {
			if !l.deleted(cidr, store.DeletedResource) {
				t.Errorf("%s was not pending", cidr)
			}
			l.must(l.store.RunWork(t.Context(), "resume#"+p.ID))
			left, err := l.store.Pools(t.Context(), []string{ended.ID})
			l.must(err)
			if gone := len(left) == 0; gone != (i == 1) {
				t.Errorf("after %d of 2 the pool is gone: %t", i+1, gone)
			}
		}
		if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
			t.Errorf("work is left: %v, %v", work, err)
		}
		l.settled()
	}
}

// A delete that waits goes on at once however the pending block ends.
func TestDeleteGoesOnBehindAPendingBlock(t *testing.T) {
	for name, end := range map[string]func(*env, *ipam.Allocation){
		"refused": func(l *env, a *ipam.Allocation) { l.must(l.store.EndPending(l.Context(), a)) },
		"given up": func(l *env, a *ipam.Allocation) {
			l.now = l.now.Add(time.Hour)
			l.looked()
			l.must(l.store.RunWork(l.Context(), "pending#"+a.AllocationID))
		},
		"released": func(l *env, a *ipam.Allocation) {
			l.now = l.now.Add(time.Hour)
			l.looked()
			l.release(a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEnv(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			a := l.pendingBlock(p, 20)
			_, err := l.store.DeletePool(t.Context(), p.ID, true, anyone)
			l.must(err)
			l.settled()
			end(l, a)
			l.must(l.store.RunWork(t.Context(), "resume#"+p.ID))
			if left, err := l.store.Pools(t.Context(), []string{p.ID}); err != nil || len(left) > 0 {
				t.Errorf("%v, %v", left, err)
			}
			if work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour)); err != nil || len(work) > 0 {
				t.Errorf("work is left: %v, %v", work, err)
			}
			fscktest.Clean(t, l.memory, l.now)
		})
	}
}

// A resource is observed while its block ends, in both orders: nobody else gets the space
// while the resource is recorded, and the resource is not recorded after its deletion.
func TestDeletedWhileItIsSeen(t *testing.T) {
	prepare := func(t *testing.T) (*env, *ipam.Pool, ipam.Resource, *store.Pending) {
		l := newEnv(t)
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		a := l.pendingBlock(p, 20)
		l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", "")))
		rows, err := l.store.Pending(t.Context(), otherAccount, "eu-west-1")
		l.must(err)
		return l, p, vpc("vpc-1", a.CIDR.String()), rows[0]
	}
	t.Run("seen, overtaken by the end", func(t *testing.T) {
		for n, overtaken := 0, true; overtaken; n++ { // the call that is overtaken
			l, p, v, of := prepare(t)
			calls, recorded := 0, false // before the end
			overtaken = false
			table := &tabletest.Faulty{Table: l.memory, Inject: func(tabletest.Call) *tabletest.Fault {
				if calls++; calls == n+1 {
					overtaken, recorded = true, l.found(v) != nil
					_, err := l.on(l.memory).EndDeleted(t.Context(), of, store.DeletedResource)
					l.must(err)
				}
				return nil
			}}
			_, err := l.on(table).Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, v, l.now.UnixMilli())
			l.must(err)
			if overtaken && l.found(v) != nil != recorded {
				t.Errorf("call %d: it was recorded %t, and that has changed", n, recorded)
			}
			if l.found(v) != nil {
				l.forgetFound(v)
			}
			l.settled()
			if got := l.allocations(p); got != "" {
				t.Errorf("call %d: the allocation is left: %s", n, got)
			}
			if n == 0 && !overtaken || n > 60 {
				t.Fatalf("%d calls", n)
			}
		}
	})
	t.Run("ended, overtaken by a look", func(t *testing.T) {
		for n, seen := 0, true; seen; n++ { // the call that is overtaken
			l, p, v, of := prepare(t)
			calls := 0
			seen = false
			table := &tabletest.Faulty{Table: l.memory, Inject: func(tabletest.Call) *tabletest.Fault {
				if calls++; calls == n+1 {
					seen = true
					_, err := l.on(l.memory).Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, v, l.now.UnixMilli())
					l.must(err)
				}
				return nil
			}}
			ended, err := l.on(table).EndDeleted(t.Context(), of, store.DeletedResource)
			l.must(err)
			if ended == (l.allocations(p) != "") {
				t.Errorf("call %d: ended %t, and the allocations are %q", n, ended, l.allocations(p))
			}
			if a, err := l.allocate(ownerAccount, p, 0, v.CIDR.String()); err == nil && seen {
				t.Errorf("call %d: %s was given while the VPC is recorded", n, a.CIDR)
			}
			if seen {
				l.forgetFound(v)
			}
			l.settled()
			if got := l.allocations(p); seen && got != "" {
				t.Errorf("call %d: the allocation is left: %s", n, got)
			}
			if n < 5 && !seen {
				t.Fatalf("%d calls", n)
			}
		}
	})
}

// The cost of the end of a block that was made and deleted again, in calls and write
// units, does not depend on the number of the account's pending blocks. An earlier
// observation of the resource costs three calls and writes nothing.
func TestCostOfDeleted(t *testing.T) {
	for _, others := range []int{0, 50} {
		l := newEnv(t)
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		for range others {
			l.pendingBlock(p, 28)
		}
		a := l.pendingBlock(p, 24)
		calls := &tabletest.Counter{Table: l.memory}
		l.store = l.on(calls)
		cost := func(do func()) [2]int {
			calls.Take()
			do()
			c := calls.Take()
			return [2]int{c.BatchGets + c.Queries + c.Transactions, c.WriteUnits}
		}
		var rows []*store.Pending
		got := [][2]int{
			cost(func() { l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", ""))) }),
			cost(func() {
				all, err := l.store.Pending(t.Context(), otherAccount, "eu-west-1")
				l.must(err)
				rows = slices.DeleteFunc(all, func(p *store.Pending) bool { return p.ID == "" })
			}),
			cost(func() {
				ended, err := l.store.EndDeleted(t.Context(), rows[0], store.DeletedResource)
				l.must(err)
				if !ended {
					t.Error("it is pending still")
				}
			}),
			cost(func() { l.observe(vpc("vpc-1", a.CIDR.String())) }), // an earlier observation
		}
		for i, most := range [][2]int{{2, 4}, {1, 0}, {9, 30}, {3, 0}} {
			if got[i][0] > most[0] || got[i][1] > most[1] {
				t.Errorf("beside %d others, step %d takes %d calls and %d write units, want at most %d and %d", others, i, got[i][0], got[i][1], most[0], most[1])
			}
		}
	}
}

// A clock that is behind by less than pendingLife and a call's time does no harm. One
// that is further behind lets space be given out while EC2 is being asked: the bound.
func TestClockBehind(t *testing.T) {
	for behind, kept := range map[time.Duration]bool{14 * time.Minute: true, 15*time.Minute + time.Second: false} {
		l := newEnv(t)
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		now := l.now
		l.now = now.Add(-behind) // of the process that takes the space
		a := l.pendingBlock(p, 20)
		l.now = now.Add(29 * time.Second) // the longest that EC2 is asked
		l.looked()
		l.now = l.now.Add(time.Second)
		l.work()
		if got := l.allocations(p) != ""; got != kept {
			t.Errorf("behind by %s: the block is kept: %t", behind, got)
		}
		if !kept {
			continue
		}
		// EndDeleted looks at no clock of ours: not at one that is years off either.
		l.now = now
		l.must(l.store.Bind(t.Context(), a, l.answered("vpc-1", "")))
		l.now = now.AddDate(-3, 0, 0)
		if !l.deleted(a.CIDR, store.DeletedResource) {
			t.Error("it is not ended")
		}
	}
}
