package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// A second Deprovision of a CIDR in use writes nothing. If the reason of the refusal
// has changed, the answer reports the new one.
func TestDeprovisionOfACIDRInUse(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	try := func(want string) {
		t.Helper()
		c := must(s.Deprovision(t.Context(), deprovision(l.child, "10.0.128.0/20")))(t)
		if c.State != ipam.CIDRFailedDeprovision || !strings.Contains(c.Failure, want) {
			t.Errorf("it is %s: %s; want a reason with %s", c.State, c.Failure, want)
		}
		for _, c := range must(s.PoolCIDRs(t.Context(), l.child))(t) {
			if c.CIDR == prefix("10.0.128.0/20") && !strings.Contains(c.Failure, want) {
				t.Errorf("it is listed with the reason %s", c.Failure)
			}
		}
	}
	try(l.inChild.AllocationID)
	before := l.table.Dump()
	try(l.inChild.AllocationID)
	if l.table.Dump() != before {
		t.Error("the same refusal was written again")
	}
	other := must(s.Allocate(t.Context(), allocation(l.child, "other", byCIDR("10.0.130.0/24"))))(t)
	must(0, s.Release(t.Context(), release(l.inChild)))(t)
	try(other.AllocationID)
	l.fsck()
}

// A deprovisioned CIDR is listed for an hour. After that, it counts as a CIDR that the
// pool never had, even while its item is not removed yet.
func TestDeprovisionOfAForgottenCIDR(t *testing.T) {
	l := newPoolEnv(t)
	must(l.store(l.table).Deprovision(t.Context(), deprovision(l.child, "10.0.144.0/20")))(t)
	for _, c := range []struct {
		after  time.Duration
		code   ipam.Code
		listed int
	}{
		{0, ipam.CodeIncorrectState, 2},
		{time.Hour, ipam.CodeIncorrectState, 2},
		{time.Hour + time.Second, ipam.CodeInvalidParameterValue, 1},
	} {
		later := l.with(l.table)
		later.now = l.now.Add(c.after)
		s := later.store(l.table)
		if _, err := s.Deprovision(t.Context(), deprovision(l.child, "10.0.144.0/20")); ipam.CodeOf(err) != c.code {
			t.Errorf("after %s: %v, want %s", c.after, err, c.code)
		}
		if got := len(must(s.PoolCIDRs(t.Context(), l.child))(t)); got != c.listed {
			t.Errorf("after %s: %d CIDRs are listed, want %d", c.after, got, c.listed)
		}
	}
}

// The deletion of a pool begins between the read and the write of a request: the pool
// gets no CIDR and no pool below it, and nothing stays behind.
func TestProvisionOvertaken(t *testing.T) {
	for name, first := range map[string]func(*poolEnv, *store.Store) error{
		"provision by CIDR": func(l *poolEnv, s *store.Store) error {
			_, err := s.Provision(t.Context(), provision(l.child, "", "10.0.192.0/20", 0))
			return err
		},
		"provision by length": func(l *poolEnv, s *store.Store) error {
			_, err := s.Provision(t.Context(), provision(l.child, "", "", 22))
			return err
		},
		"create a pool": func(l *poolEnv, s *store.Store) error {
			_, err := s.CreatePool(t.Context(), token("CreateIpamPool", ""), ipam.Pool{Scope: l.scope, SourcePool: l.child, Family: ipam.IPv4}, buildPool)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPoolEnv(t)
			table := &overtaken{Table: l.table, by: func() { must(l.store(l.table).DeletePool(t.Context(), l.child, true, anyPool))(t) }}
			if err := first(l, l.store(table)); ipam.CodeOf(err) != ipam.CodeIncorrectState {
				t.Errorf("%v, want %s", err, ipam.CodeIncorrectState)
			}
			l.fsck()
			l.work()
			if left := must(l.store(l.table).Pools(t.Context(), []string{l.child}))(t); len(left) > 0 {
				t.Errorf("the pool is still there: %+v", left[0])
			}
			l.fsck()
		})
	}
}

// A pool that is being deleted gives no CIDRs to those below it.
func TestProvisionOutOfAPoolThatEnds(t *testing.T) {
	l := newPoolEnv(t)
	cascade(l)
	before := l.table.Dump()
	for _, q := range []store.Provision{provision(l.empty, "", "10.0.192.0/20", 0), provision(l.empty, "", "", 22)} {
		if _, err := l.store(l.table).Provision(t.Context(), q); ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), l.top) {
			t.Errorf("%v, want %s", err, ipam.CodeIncorrectState)
		}
	}
	if l.table.Dump() != before {
		t.Error("a refusal was written")
	}
}

// The refusal distinguishes a pool without CIDRs from a full pool.
func TestProvisionOutOfAPoolWithoutCIDRs(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	below := must(s.CreatePool(t.Context(), token("CreateIpamPool", "below"), ipam.Pool{Scope: l.scope, SourcePool: l.empty, Family: ipam.IPv4}, buildPool))(t).ID
	for _, cidr := range []string{"", "10.0.192.0/24"} {
		_, err := s.Provision(t.Context(), provision(below, "", cidr, 24))
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), l.empty+" has no CIDR provisioned; provision one first.") {
			t.Errorf("%q: %v", cidr, err)
		}
	}
}

// Pools nest as deep as the quota allows, and no deeper.
func TestPoolsAsDeepAsTheQuota(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	source := l.empty
	for depth := 3; depth <= int(s.Quotas().PoolDepth)+1; depth++ {
		o, err := s.CreatePool(t.Context(), token("CreateIpamPool", ""), ipam.Pool{Scope: l.scope, SourcePool: source, Family: ipam.IPv4}, buildPool)
		if depth > int(s.Quotas().PoolDepth) {
			if ipam.CodeOf(err) != ipam.CodeResourceLimitExceeded {
				t.Errorf("depth %d: %v", depth, err)
			}
			break
		}
		if err != nil || o.Depth != depth {
			t.Fatalf("depth %d: %+v, %v", depth, o, err)
		}
		source = o.ID
		must(s.Provision(t.Context(), provision(o.SourcePool, "", "", 17+depth)))(t)
	}
	l.fsck()
}

// A pending CIDR is not deprovisioned: the live resources in it are not held yet.
func TestDeprovisionOfAPendingCIDR(t *testing.T) {
	l := newPoolEnv(t)
	table := &failing{Table: l.table, after: 1}
	if c := must(l.store(table).Provision(t.Context(), provision(l.secondTop(), "", "172.16.0.0/16", 0)))(t); c.State != ipam.CIDRPendingProvision {
		t.Fatalf("it is %s", c.State)
	} else if _, err := l.store(l.table).Deprovision(t.Context(), deprovision(c.Pool, "172.16.0.0/16")); ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), string(ipam.CIDRPendingProvision)) {
		t.Errorf("%v, want %s", err, ipam.CodeIncorrectState)
	}
	l.fsck()
}

// secondTop is a further pool at the top level.
func (l *poolEnv) secondTop() string {
	return must(l.store(l.table).CreatePool(l.Context(), token("CreateIpamPool", "second top"), ipam.Pool{Scope: l.scope, Family: ipam.IPv4}, buildPool))(l.T).ID
}

// The last CIDR that the quota has room for goes to one of two requests.
func TestProvisionOfTheLastCIDROvertaken(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	for n := len(must(s.PoolCIDRs(t.Context(), l.child))(t)); n+1 < int(s.Quotas().CIDRsPerPool); n++ {
		must(s.Provision(t.Context(), provision(l.child, "", "", 28)))(t)
	}
	table := &overtaken{Table: l.table, by: func() { must(s.Provision(t.Context(), provision(l.child, "last", "", 28)))(t) }}
	if _, err := l.store(table).Provision(t.Context(), provision(l.child, "late", "10.0.200.0/24", 0)); ipam.CodeOf(err) != ipam.CodeResourceLimitExceeded {
		t.Errorf("%v, want %s", err, ipam.CodeResourceLimitExceeded)
	}
	l.fsck()
}

// The reason of a refusal is not written on a CIDR that was provisioned anew meanwhile.
func TestFailureOfADeprovisionOvertaken(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	table := &overtaken{Table: l.table, by: func() {
		must(0, s.Release(t.Context(), release(l.inChild)))(t)
		must(s.Deprovision(t.Context(), deprovision(l.child, "10.0.128.0/20")))(t)
		must(s.Provision(t.Context(), provision(l.child, "anew", "10.0.128.0/20", 0)))(t)
	}}
	must(l.store(table).Deprovision(t.Context(), deprovision(l.child, "10.0.128.0/20")))(t)
	for _, c := range must(s.PoolCIDRs(t.Context(), l.child))(t) {
		if c.State == ipam.CIDRFailedDeprovision || c.Failure != "" {
			t.Errorf("%s is %s: %s", c.CIDR, c.State, c.Failure)
		}
	}
	l.fsck()
}

// A preview returns the next free CIDR, even with a token that was used before.
func TestPreviewWithATokenThatWasUsed(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	a := must(s.Allocate(t.Context(), allocation(l.top, "used", byLength(26))))(t)
	q := allocation(l.top, "used", byLength(26))
	q.Preview = true
	if next := must(s.Allocate(t.Context(), q))(t); next.CIDR == a.CIDR || next.AllocationID != "" {
		t.Errorf("%s is next, which is taken: %+v", next.CIDR, next)
	}
}
