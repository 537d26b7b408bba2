package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A VPC that is moved takes its subnets along.
func TestMove(t *testing.T) {
	l := newEnv(t)
	second, err := l.store.CreateScope(t.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
	l.must(err)
	p := l.pool("", true)
	l.provision(p, "10.0.0.0/16")
	v, s := vpc("vpc-1", "10.0.0.0/20"), subnet("subnet-1", "vpc-1", "10.0.1.0/24")
	l.observe(v)
	l.observe(s)
	l.settled()
	if got := l.allocations(p); got != "10.0.0.0/20 vpc" {
		t.Errorf("the allocations: %s", got)
	}
	_, err = l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: "vpc-1", CIDR: v.CIDR, Region: "eu-west-1", Monitored: true, Destination: second.ID, May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	for _, r := range []ipam.Resource{v, s} {
		if l.row(r, second.ID) == nil || l.row(r, l.ipam.PrivateScope) != nil {
			t.Errorf("%s is not in the other scope", r.ID)
		}
	}
	if got := l.allocations(p); got != "" {
		t.Errorf("the allocations: %s", got)
	}
	if _, err := l.store.DeleteScope(t.Context(), second.ID, func(*ipam.Scope) error { return nil }); ipam.CodeOf(err) != ipam.CodeDependencyViolation {
		t.Errorf("the end of a scope with resources: %v", err)
	}
	l.forgetFound(s)
	l.forgetFound(v)
	_, err = l.store.DeleteScope(t.Context(), second.ID, func(*ipam.Scope) error { return nil })
	l.must(err)
	l.settled()
}

// The answer to a change of monitoring agrees with the table after any call fails:
// an error says that nothing has changed.
func TestMonitorIsAnsweredAsItIsWritten(t *testing.T) {
	v := vpc("vpc-1", "10.0.0.0/20")
	prepared := func() *env {
		l := newEnv(t)
		l.provision(l.pool("", true), "10.0.0.0/16")
		l.observe(v)
		l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
		l.work()
		return l
	}
	ignore := func(l *env) error {
		o, err := l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, May: func(_, _ *ipam.Scope) error { return nil }})
		if err == nil && !o.Ignored {
			t.Errorf("the answer is %+v", o)
		}
		return err
	}
	clean := prepared()
	from := len(clean.faulty.Trace())
	clean.must(ignore(clean))
	answered := 0
	for at := range len(clean.faulty.Trace()) - from {
		for _, applied := range []bool{false, true} {
			for _, all := range []bool{false, true} { // and all behind it
				l := prepared()
				n := 0
				l.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
					n++
					if n-1 == at || n > at && all {
						return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
					}
					return nil
				}
				err := ignore(l)
				l.faulty.Inject = nil
				ignored := l.row(v, l.ipam.PrivateScope).Ignored
				switch {
				case err == nil && !ignored:
					t.Errorf("call %d, applied %t: an answer, and nothing has changed", at, applied)
				case err != nil && ignored && (!applied || !all): // then nobody can find out
					t.Errorf("call %d, applied %t, all %t: it is ignored, and the answer is %v", at, applied, all, err)
				case err == nil:
					answered++
				}
				l.settled()
			}
		}
	}
	if answered == 0 {
		t.Error("none was answered")
	}
}

// When a VPC is ignored or moved, the resources in it follow by the work of its
// account and Region alone. A resource of a deleted discovery cannot be ignored or
// moved.
func TestMonitorTouchesOneAccount(t *testing.T) {
	l := newEnv(t)
	other, err := l.store.CreateDiscovery(t.Context(), l.fresh("CreateIpamResourceDiscovery"), ipam.Discovery{Meta: ipam.Meta{Owner: otherAccount}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	_, err = l.store.Associate(t.Context(), l.fresh("AssociateIpamResourceDiscovery"), ipam.DiscoveryAssociation{IPAM: l.ipam.ID, Discovery: other.ID}, func(*ipam.IPAM, *ipam.Discovery) error { return nil })
	l.must(err)
	l.disco = other
	v := vpc("vpc-1", "10.0.0.0/20")
	l.observe(v)
	l.work()
	ignore := store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, May: func(_, _ *ipam.Scope) error { return nil }}
	row, err := l.store.ModifyResourceCIDR(t.Context(), ignore)
	if err != nil || !row.Ignored || row.Status.Management != ipam.ManagementIgnored {
		t.Errorf("ignored: %+v, %v", row, err)
	}
	work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour))
	if want := []string{"purge#" + other.ID + "#eu-west-1#" + otherAccount}; err != nil || !slices.Equal(work, want) {
		t.Errorf("the work is %q, %v; want %q", work, err, want)
	}
	l.work()
	_, err = l.store.DeleteDiscovery(t.Context(), other.ID, func(*ipam.Discovery) error { return nil })
	l.must(err)
	ignore.Monitored = true
	if _, err := l.store.ModifyResourceCIDR(t.Context(), ignore); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
		t.Errorf("a resource of a deleted discovery: %v", err)
	}
}
