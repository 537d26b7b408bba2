package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Deprovisioning once more what is in use writes nothing, and a reason that has
// changed is told.
func TestDeprovisionOfWhatIsInUse(t *testing.T) {
	l := newLab(t)
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

// A deprovisioned CIDR is listed for an hour. Then it is one that the pool never had,
// whenever its item is removed.
func TestDeprovisionOfWhatIsForgotten(t *testing.T) {
	l := newLab(t)
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

// What is begun to be deleted between the reading and the writing gets no CIDR and no
// pool any more, and nothing stays behind.
func TestProvisionOvertaken(t *testing.T) {
	for name, first := range map[string]func(*lab, *store.Store) error{
		"provision by CIDR": func(l *lab, s *store.Store) error {
			_, err := s.Provision(t.Context(), provision(l.child, "", "10.0.192.0/20", 0))
			return err
		},
		"provision by length": func(l *lab, s *store.Store) error {
			_, err := s.Provision(t.Context(), provision(l.child, "", "", 22))
			return err
		},
		"create a pool": func(l *lab, s *store.Store) error {
			_, err := s.CreatePool(t.Context(), token("CreateIpamPool", ""), ipam.Pool{Scope: l.scope, SourcePool: l.child, Family: ipam.IPv4}, buildPool)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
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
	l := newLab(t)
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

// A pool without CIDRs is told from one that is full.
func TestProvisionOutOfAPoolWithoutCIDRs(t *testing.T) {
	l := newLab(t)
	s := l.store(l.table)
	below := must(s.CreatePool(t.Context(), token("CreateIpamPool", "below"), ipam.Pool{Scope: l.scope, SourcePool: l.empty, Family: ipam.IPv4}, buildPool))(t).ID
	for _, cidr := range []string{"", "10.0.192.0/24"} {
		_, err := s.Provision(t.Context(), provision(below, "", cidr, 24))
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), l.empty+" has no CIDR provisioned; provision one first.") {
			t.Errorf("%q: %v", cidr, err)
		}
	}
}

// Pools stand in each other as deep as the quota says, and no deeper.
func TestPoolsAsDeepAsTheQuota(t *testing.T) {
	l := newLab(t)
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
