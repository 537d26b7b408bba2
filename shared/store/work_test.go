package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// brief does work as a function does whose invocations end after so many calls of
// the table, until there is none, and returns how many invocations it took.
func (l *env) brief(calls int) (invocations int) {
	l.Helper()
	for range 20 {
		work, err := l.store.PendingWork(l.Context(), l.now.Add(time.Hour))
		l.must(err)
		if len(work) == 0 {
			return invocations
		}
		for _, sk := range work {
			n := 0
			table := &tabletest.Faulty{Table: l.memory, Inject: func(tabletest.Call) *tabletest.Fault {
				if n++; n > calls {
					return &tabletest.Fault{Err: tabletest.ErrInjected}
				}
				return nil
			}}
			if err := l.on(table).RunWork(l.Context(), sk); !errors.Is(err, tabletest.ErrInjected) {
				l.must(err)
			}
			invocations++
		}
	}
	l.Errorf("work is left that takes more than %d calls", calls)
	return invocations
}

// More VPCs live in a pool than one invocation can take in: each of many takes in a
// part, whether the CIDR or the import is new.
func TestManyLiveCIDRs(t *testing.T) {
	const vpcs, calls = 1100, 9_000
	l := newEnv(t)
	for i := range vpcs {
		l.observe(vpc(fmt.Sprint("vpc-", i), fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)))
	}
	p := l.pool("", false)
	before := len(l.faulty.Trace())
	l.provision(p, "10.0.0.0/8")
	if n := len(l.faulty.Trace()) - before; n > vpcs {
		t.Errorf("provisioning it takes %d calls", n)
	}
	fscktest.Clean(t, l.memory, l.now)
	l.brief(calls)
	fscktest.Clean(t, l.memory, l.now)
	_, err := l.store.ModifyPool(t.Context(), p.ID, ipam.ActModify, func(o *ipam.Pool) error { o.AutoImport = true; return nil })
	l.must(err)
	t.Logf("%d invocations", l.brief(calls))
	fscktest.Clean(t, l.memory, l.now)
	if n := strings.Count(l.allocations(p), " vpc"); n != vpcs {
		t.Errorf("%d VPCs are imported, want %d", n, vpcs)
	}
}

// A discovery has found more than one invocation can lay anew, or forget: each of
// many does an account's.
func TestPurgeOfMany(t *testing.T) {
	const found, calls = 30, 400
	l := newEnv(t)
	l.provision(l.pool("", false), "10.0.0.0/16")
	d, association := l.further(ownerAccount)
	for a := range 9 {
		account := fmt.Sprintf("77770000000%d", a)
		l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: d.ID, Region: "eu-west-1", Account: account, Attempted: 1}))
		for i := range found {
			v := vpc(fmt.Sprintf("vpc-%d-%d", a, i), fmt.Sprintf("10.0.%d.%d/28", a, i%16*16))
			v.Owner = account
			_, err := l.store.Observe(t.Context(), d, []*ipam.IPAM{l.ipam}, v, 1)
			l.must(err)
		}
	}
	rows := func(want int) {
		t.Helper()
		fscktest.Clean(t, l.memory, l.now)
		all, _, err := l.store.Resources(t.Context(), l.ipam.PrivateScope, ipam.IPv4, "", 0)
		if l.must(err); len(all) != want {
			t.Errorf("%d rows are there, want %d", len(all), want)
		}
	}
	_, err := l.store.Disassociate(t.Context(), association.ID, func(*ipam.DiscoveryAssociation) error { return nil })
	l.must(err)
	l.brief(calls)
	rows(0)
	_, err = l.store.Associate(t.Context(), l.fresh("AssociateIpamResourceDiscovery"), ipam.DiscoveryAssociation{IPAM: l.ipam.ID, Discovery: d.ID}, mayAssociate)
	l.must(err)
	l.brief(calls)
	rows(9 * found)
	_, err = l.store.DeleteDiscovery(t.Context(), d.ID, func(*ipam.Discovery) error { return nil })
	l.must(err)
	l.brief(calls)
	rows(0)
	if known, _, err := l.store.DiscoveredAccounts(t.Context(), d.ID, "", "", 0); err != nil || len(known) > 0 {
		t.Errorf("%d accounts are left, %v", len(known), err)
	}
}

// An IPAM goes with all that it has, including resources in a scope besides the
// default ones. Nothing that discovery found stays.
func TestEndOfAnInhabitedIPAM(t *testing.T) {
	l := newEnv(t)
	second, err := l.store.CreateScope(t.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
	l.must(err)
	p := l.pool("", true)
	l.provision(p, "10.0.0.0/16")
	v, s, other := vpc("vpc-1", "10.0.0.0/20"), subnet("subnet-1", "vpc-1", "10.0.1.0/24"), vpc("vpc-2", "10.0.64.0/20")
	iface := ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", VPC: v.ID, Subnet: s.ID, CIDR: netip.MustParsePrefix("10.0.1.7/32"), Owner: otherAccount, Region: "eu-west-1"}
	for _, r := range []ipam.Resource{v, s, iface, other} {
		l.observe(r)
	}
	_, err = l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: true, Destination: second.ID, May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	_, err = l.store.DeleteIPAM(t.Context(), l.ipam.ID, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil })
	l.must(err)
	l.settled()
	for k := range l.memory.All() {
		if !strings.HasPrefix(k.PK, "ALLOC#") && !strings.HasPrefix(k.PK, "TOKEN#") && !strings.HasSuffix(k.PK, "#CIDR") && k.PK != "OWNER#"+ownerAccount {
			t.Errorf("%s is left", k)
		}
	}
}

// If the writer of a note has done its work already, that work costs one read.
func TestWorkThatIsDone(t *testing.T) {
	l := newEnv(t)
	l.provision(l.pool("", true), "10.0.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/20"))
	before := len(l.faulty.Trace())
	l.must(l.store.RunWork(t.Context(), "live#"+l.ipam.PrivateScope+"#10.0.0.0/20"))
	if calls := l.faulty.Trace()[before:]; len(calls) != 1 {
		t.Errorf("it costs %v", calls)
	}
}
