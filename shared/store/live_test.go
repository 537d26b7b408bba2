package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
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

const (
	watcher = "111122223333" // owns the IPAM
	tenant  = "444455556666"
)

// landscape is a table with an IPAM whose default discovery finds things.
type landscape struct {
	*testing.T
	memory *tabletest.Memory
	faulty *tabletest.Faulty
	store  *store.Store
	ipam   *ipam.IPAM
	disco  *ipam.Discovery
	now    time.Time
	room   int
	token  int
}

func newLandscape(t *testing.T) *landscape {
	l := &landscape{T: t, memory: &tabletest.Memory{}, now: time.Unix(1_800_000_000, 0)}
	l.faulty = &tabletest.Faulty{Table: l.memory}
	l.store = l.on(l.faulty)
	var err error
	l.ipam, err = l.store.CreateIPAM(t.Context(), l.fresh("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: watcher}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	found, err := l.store.Discoveries(t.Context(), []string{l.ipam.Discovery})
	l.must(err)
	l.disco = found[0]
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: tenant, Attempted: 1, Succeeded: 1}))
	return l
}

func (l *landscape) on(table table.Table) *store.Store {
	return store.New(table, store.Options{
		Region: "eu-west-1", Owner: watcher, Now: func() time.Time { return l.now }, Room: l.room,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// narrow gives transactions room for so many block changes; 0: the usual.
func (l *landscape) narrow(room int) {
	l.room = room
	l.store = l.on(l.faulty)
}

// saved returns a function that puts all back to how it is now.
func (l *landscape) saved() (restore func()) {
	was, memory := *l, l.memory.Clone()
	return func() {
		*l = was
		l.memory = memory.Clone()
		l.faulty = &tabletest.Faulty{Table: l.memory}
		l.store = l.on(l.faulty)
	}
}

func (l *landscape) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *landscape) fresh(operation string) store.Token {
	l.token++
	return store.Token{Account: watcher, Operation: operation, Value: fmt.Sprint(l.token), Digest: "d"}
}

func anyone(*ipam.Pool) error { return nil }

func (l *landscape) pool(source string, importing bool) *ipam.Pool {
	l.Helper()
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, SourcePool: source, Locale: "eu-west-1", AutoImport: importing}
	p, err := l.store.CreatePool(l.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	return p
}

func (l *landscape) provision(pool *ipam.Pool, cidr string) {
	l.Helper()
	c, err := l.store.Provision(l.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
	l.must(err)
	if c.State != ipam.CIDRProvisioned {
		l.Errorf("%s of %s is %s", cidr, pool.ID, c.State)
	}
}

func (l *landscape) deprovision(pool *ipam.Pool, cidr string) *ipam.PoolCIDR {
	l.Helper()
	c, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: pool.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone})
	l.must(err)
	return c
}

// allocate takes a block of a length, or, with a CIDR, that one.
func (l *landscape) allocate(account string, pool *ipam.Pool, length int, cidr string) (*ipam.Allocation, error) {
	q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: pool.ID, May: anyone}
	q.Token.Account = account
	if cidr != "" {
		q.Request.CIDR = netip.MustParsePrefix(cidr)
	} else {
		q.Request.Length = &length
	}
	return l.store.Allocate(l.Context(), q)
}

func (l *landscape) release(a *ipam.Allocation) {
	l.Helper()
	l.must(l.store.Release(l.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }}))
}

func vpc(id, cidr string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix(cidr), Owner: tenant, Region: "eu-west-1"}
}

func subnet(id, of, cidr string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: of, Subnet: id, CIDR: netip.MustParsePrefix(cidr), Owner: tenant, Region: "eu-west-1"}
}

func (l *landscape) observe(r ipam.Resource) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
	l.must(err)
}

func (l *landscape) found(r ipam.Resource) *ipam.Found {
	l.Helper()
	all, _, err := l.store.Found(l.Context(), l.disco.ID, r.Region, r.Owner, "", 0)
	l.must(err)
	for _, f := range all {
		if f.ID == r.ID && f.CIDR == r.CIDR {
			return f
		}
	}
	return nil
}

func (l *landscape) vanish(r ipam.Resource) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	gone, err := l.store.Forget(l.Context(), l.found(r), l.now.UnixMilli())
	l.must(err)
	if !gone {
		l.Errorf("%s did not vanish", r.ID)
	}
}

// work does all the work that there is. A pending block's note stays until that ends, and
// so do those of the deletes that wait for it.
func (l *landscape) work() {
	l.Helper()
	var before []string
	for range 5 {
		work, err := l.store.PendingWork(context.Background(), l.now.Add(time.Hour))
		l.must(err)
		waits := slices.ContainsFunc(work, func(sk string) bool { return strings.HasPrefix(sk, "pending#") })
		if !slices.ContainsFunc(work, func(sk string) bool {
			return !strings.HasPrefix(sk, "pending#") && (!waits || !slices.Contains(before, sk))
		}) {
			for _, sk := range work {
				l.must(l.store.RunWork(context.Background(), sk))
			}
			return
		}
		before = slices.DeleteFunc(slices.Clone(work), func(sk string) bool { return !strings.HasPrefix(sk, "delete-") })
		for _, sk := range work {
			if err := l.store.RunWork(context.Background(), sk); !errors.Is(err, store.ErrWorkRemains) {
				l.must(err)
			}
		}
	}
	l.Error("work remains")
}

// settled does all work and checks that the table is in order.
func (l *landscape) settled() {
	l.Helper()
	l.work()
	fscktest.Clean(l, l.memory, l.now)
}

func (l *landscape) row(r ipam.Resource, scope string) *ipam.ResourceCIDR {
	l.Helper()
	rows, err := l.store.Overlapping(l.Context(), scope, r.CIDR)
	l.must(err)
	for _, o := range rows {
		if o.ID == r.ID && o.CIDR == r.CIDR {
			return o
		}
	}
	return nil
}

func (l *landscape) status(r ipam.Resource, want ...any) {
	l.Helper()
	o := l.row(r, l.ipam.PrivateScope)
	if o == nil {
		l.Errorf("%s is not there", r.ID)
		return
	}
	have := fmt.Sprintln(o.Status.Management, o.Status.Compliance, o.Status.Overlap)
	if have != fmt.Sprintln(want...) {
		l.Errorf("%s is %swant %s", r.ID, have, fmt.Sprintln(want...))
	}
}

// allocations lists a pool's, as CIDRs with kinds.
func (l *landscape) allocations(p *ipam.Pool) string {
	l.Helper()
	all, _, err := l.store.Allocations(l.Context(), p.ID, "", 0)
	l.must(err)
	var texts []string
	for _, a := range all {
		texts = append(texts, a.CIDR.String()+" "+string(a.Kind))
	}
	return strings.Join(texts, ", ")
}

// Five VPCs live before there are pools. Pools plan them, three are
// imported, one is ignored, all is given back: nothing is blocked and nothing
// handed out twice.
func TestBrownfield(t *testing.T) {
	l := newLandscape(t)
	vpcs := []ipam.Resource{vpc("vpc-1", "10.0.0.0/20"), vpc("vpc-2", "10.0.16.0/20"), vpc("vpc-3", "10.0.64.0/18"), vpc("vpc-4", "10.1.0.0/16"), vpc("vpc-5", "10.8.0.0/16")}
	for _, v := range vpcs {
		l.observe(v)
	}
	l.settled()
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/12")
	l.settled()
	middle := l.pool(top.ID, false)
	l.provision(middle, "10.0.0.0/14")
	l.settled()
	low := l.pool(middle.ID, true)
	l.provision(low, "10.0.0.0/16")
	l.settled()
	if got := l.allocations(low); got != "10.0.0.0/20 vpc, 10.0.16.0/20 vpc, 10.0.64.0/18 vpc" {
		t.Errorf("the imported: %s", got)
	}
	for _, v := range vpcs[:3] {
		l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
	}
	l.status(vpcs[4], ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	// Everything is given out, and nothing that lives.
	var given []*ipam.Allocation
	for _, p := range []*ipam.Pool{low, middle, top} {
		for {
			a, err := l.allocate(watcher, p, 20, "")
			if err != nil {
				break
			}
			for _, v := range vpcs {
				if v.CIDR.Overlaps(a.CIDR) {
					t.Errorf("%s was given, and %s lives at %s", a.CIDR, v.ID, v.CIDR)
				}
			}
			given = append(given, a)
		}
	}
	if want := 16 - 6 + (4-2)*16 + (16-4-1)*16; len(given) != want {
		t.Errorf("%d blocks of /20 were given, want %d", len(given), want)
	}
	l.settled()
	for _, a := range given {
		l.release(a)
	}
	l.settled()
	_, err := l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: "vpc-1", CIDR: vpcs[0].CIDR, Region: "eu-west-1", May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	l.status(vpcs[0], ipam.ManagementIgnored, ipam.ComplianceIgnored, ipam.OverlapIgnored)
	blocked := l.deprovision(low, "10.0.0.0/16")
	says := "10.0.16.0/20 is used by vpc vpc-2 in account " + vpcs[1].Owner + ", eu-west-1: delete that, or have it ignored with ModifyIpamResourceCidr"
	if blocked.State != ipam.CIDRFailedDeprovision || !strings.Contains(blocked.Failure, says) {
		t.Errorf("a CIDR with imported VPCs is %s: %s", blocked.State, blocked.Failure)
	}
	for _, v := range vpcs[1:3] {
		l.vanish(v)
	}
	l.settled()
	for _, c := range []struct {
		pool *ipam.Pool
		cidr string
	}{{low, "10.0.0.0/16"}, {middle, "10.0.0.0/14"}, {top, "10.0.0.0/12"}} {
		if got := l.deprovision(c.pool, c.cidr); got.State != ipam.CIDRDeprovisioned {
			t.Errorf("%s is %s: %s", c.cidr, got.State, got.Failure)
		}
		l.settled()
	}
}

// Two VPCs on one CIDR, and an allocation around them, released: space is free
// when nothing lives in it any more, and not before.
func TestReleaseOfWhatIsLive(t *testing.T) {
	l := newLandscape(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	a, err := l.allocate(watcher, p, 0, "10.0.0.0/17")
	l.must(err)
	one, two := vpc("vpc-1", "10.0.0.0/20"), vpc("vpc-2", "10.0.0.0/20")
	l.observe(one)
	l.observe(two)
	l.status(one, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
	l.settled()
	l.release(a)
	l.settled()
	if _, err := l.allocate(watcher, p, 0, "10.0.0.0/24"); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), "vpc-1") {
		t.Errorf("an allocation in a live VPC: %v", err)
	}
	l.vanish(one)
	l.settled()
	l.status(two, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	if _, err := l.allocate(watcher, p, 0, "10.0.0.0/24"); err == nil {
		t.Error("space of the second VPC was given")
	}
	l.vanish(two)
	l.settled()
	if a, err = l.allocate(watcher, p, 16, ""); err != nil || a.CIDR.String() != "10.0.0.0/16" {
		t.Errorf("the pool is not in one piece: %v, %v", a, err)
	}
}

// A preview of a certain CIDR tells what the request would be answered, and
// leaves the holds as they are.
func TestPreviewOfWhatIsLive(t *testing.T) {
	l := newLandscape(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	l.provision(p, "10.2.0.0/16")
	_, err := l.allocate(watcher, p, 0, "10.0.32.0/20")
	l.must(err)
	_, err = l.allocate(tenant, p, 0, "10.0.64.0/20")
	l.must(err)
	l.observe(vpc("vpc-1", "10.0.16.0/20"))
	l.observe(vpc("vpc-2", "10.0.80.0/20"))
	l.observe(vpc("vpc-3", "10.2.0.0/20"))
	l.settled()
	before := l.memory.Dump()
	for _, c := range []struct {
		account, cidr string
		refusal       string // part of it, "" for none
	}{
		{tenant, "10.0.16.0/20", ""},
		{tenant, "10.0.0.0/19", ""},
		{tenant, "10.0.16.0/21", "vpc-1"},
		{watcher, "10.0.0.0/19", "vpc-1"},
		{tenant, "10.0.0.0/18", "ipam-pool-alloc-"},
		{tenant, "10.0.64.0/19", "ipam-pool-alloc-"},
		{tenant, "10.2.0.0/15", "not contained in a CIDR that is provisioned"},
	} {
		ask := func(preview bool) (*ipam.Allocation, error) {
			q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: p.ID, May: anyone, Preview: preview, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(c.cidr)}}
			q.Token.Account = c.account
			return l.store.Allocate(t.Context(), q)
		}
		a, err := ask(true)
		if l.memory.Dump() != before {
			t.Fatalf("the preview of %s wrote", c.cidr)
		}
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) || err == nil && a.CIDR.String() != c.cidr {
			t.Errorf("the preview of %s for %s: %v, %v", c.cidr, c.account, a, err)
		}
		if b, really := ask(false); ipam.CodeOf(err) != ipam.CodeOf(really) {
			t.Errorf("%s for %s: %v, %v, but in the preview %v", c.cidr, c.account, b, really, err)
		} else if really == nil {
			l.release(b)
			l.settled()
		}
		before = l.memory.Dump()
	}
}

// A VPC with the CIDR of its account's allocation claims it, whichever was first;
// its end leaves the allocation.
func TestClaim(t *testing.T) {
	for _, first := range []string{"allocation", "VPC"} {
		t.Run(first+" first", func(t *testing.T) {
			l := newLandscape(t)
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.16.0/20")
			if first == "VPC" {
				l.observe(v)
				l.settled()
			}
			if _, err := l.allocate(watcher, p, 0, "10.0.16.0/20"); first == "VPC" && err == nil {
				t.Fatal("another account's VPC was given away")
			} else if err == nil { // another account's allocation is not claimed
				l.observe(v)
				l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Overlapping)
				all, _, err := l.store.Allocations(t.Context(), p.ID, "", 0)
				l.must(err)
				l.vanish(v)
				l.release(all[0])
			}
			a, err := l.allocate(tenant, p, 0, "10.0.16.0/20")
			l.must(err)
			if first == "VPC" { // as the table's stream has it done
				l.must(l.store.EvaluateStatus(t.Context(), l.ipam.PrivateScope, a.CIDR))
			} else {
				l.observe(v)
			}
			l.settled()
			l.status(v, ipam.Managed, ipam.Compliant, ipam.Nonoverlapping)
			l.vanish(v)
			l.settled()
			if got := l.allocations(p); got != "10.0.16.0/20 custom" {
				t.Errorf("the allocations: %s", got)
			}
			l.release(a)
			l.settled()
		})
	}
}

// A VPC that is moved takes its subnets along.
func TestMove(t *testing.T) {
	l := newLandscape(t)
	lab, err := l.store.CreateScope(t.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
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
	_, err = l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: "vpc-1", CIDR: v.CIDR, Region: "eu-west-1", Monitored: true, Destination: lab.ID, May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	for _, r := range []ipam.Resource{v, s} {
		if l.row(r, lab.ID) == nil || l.row(r, l.ipam.PrivateScope) != nil {
			t.Errorf("%s is not in the other scope", r.ID)
		}
	}
	if got := l.allocations(p); got != "" {
		t.Errorf("the allocations: %s", got)
	}
	if _, err := l.store.DeleteScope(t.Context(), lab.ID, func(*ipam.Scope) error { return nil }); ipam.CodeOf(err) != ipam.CodeDependencyViolation {
		t.Errorf("the end of a scope with resources: %v", err)
	}
	l.vanish(s)
	l.vanish(v)
	_, err = l.store.DeleteScope(t.Context(), lab.ID, func(*ipam.Scope) error { return nil })
	l.must(err)
	l.settled()
}

// A change of monitoring is answered as it was written: whatever call fails, an
// error says that nothing has changed.
func TestMonitorIsAnsweredAsItIsWritten(t *testing.T) {
	v := vpc("vpc-1", "10.0.0.0/20")
	prepared := func() *landscape {
		l := newLandscape(t)
		l.provision(l.pool("", true), "10.0.0.0/16")
		l.observe(v)
		l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
		l.work()
		return l
	}
	ignore := func(l *landscape) error {
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

// What is in a VPC that is ignored or moved follows by the work of its account
// and Region alone; and of a discovery that is gone nothing is ignored or moved.
func TestMonitorTouchesOneAccount(t *testing.T) {
	l := newLandscape(t)
	other, err := l.store.CreateDiscovery(t.Context(), l.fresh("CreateIpamResourceDiscovery"), ipam.Discovery{Meta: ipam.Meta{Owner: tenant}, OperatingRegions: []string{"eu-west-1"}})
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
	if want := []string{"purge#" + other.ID + "#eu-west-1#" + tenant}; err != nil || !slices.Equal(work, want) {
		t.Errorf("the work is %q, %v; want %q", work, err, want)
	}
	l.work()
	_, err = l.store.DeleteDiscovery(t.Context(), other.ID, func(*ipam.Discovery) error { return nil })
	l.must(err)
	ignore.Monitored = true
	if _, err := l.store.ModifyResourceCIDR(t.Context(), ignore); ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
		t.Errorf("what a discovery that is gone has left: %v", err)
	}
}

// An IPAM goes with all that it has, resources in a scope of one's own included;
// nothing of what was found stays.
func TestEndOfAnInhabitedIPAM(t *testing.T) {
	l := newLandscape(t)
	lab, err := l.store.CreateScope(t.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
	l.must(err)
	p := l.pool("", true)
	l.provision(p, "10.0.0.0/16")
	v, s, other := vpc("vpc-1", "10.0.0.0/20"), subnet("subnet-1", "vpc-1", "10.0.1.0/24"), vpc("vpc-2", "10.0.64.0/20")
	iface := ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", VPC: v.ID, Subnet: s.ID, CIDR: netip.MustParsePrefix("10.0.1.7/32"), Owner: tenant, Region: "eu-west-1"}
	for _, r := range []ipam.Resource{v, s, iface, other} {
		l.observe(r)
	}
	_, err = l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: true, Destination: lab.ID, May: func(_, _ *ipam.Scope) error { return nil }})
	l.must(err)
	l.settled()
	_, err = l.store.DeleteIPAM(t.Context(), l.ipam.ID, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil })
	l.must(err)
	l.settled()
	for k := range l.memory.All() {
		if !strings.HasPrefix(k.PK, "ALLOC#") && !strings.HasPrefix(k.PK, "TOKEN#") && !strings.HasSuffix(k.PK, "#CIDR") && k.PK != "OWNER#"+watcher {
			t.Errorf("%s is left", k)
		}
	}
}

// A top-level CIDR that was given up half taken, a split in the scope, keeps no
// resource there from being taken in.
func TestLiveInASplitOfTheScope(t *testing.T) {
	l := newLandscape(t)
	l.narrow(5)
	q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: l.pool("", false).ID, CIDR: netip.MustParsePrefix("10.0.0.0/24"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
	if _, err := l.on(&failing{Table: l.memory, after: 1}).Provision(t.Context(), q); err == nil {
		t.Fatal("it was provisioned")
	}
	v := vpc("vpc-1", "10.0.0.0/16")
	l.observe(v)
	l.status(v, ipam.Unmanaged, ipam.ComplianceUnmanaged, ipam.Nonoverlapping)
	l.now = l.now.Add(time.Hour)
	l.settled()
}

// Two deprovision a CIDR with holds at once: the second learns that it is done.
func TestDeprovisionWhatLivesTwiceAtOnce(t *testing.T) {
	l := newLandscape(t)
	p := l.pool("", false)
	l.provision(p, "10.0.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/24"))
	table := &overtaken{Table: l.memory, by: func() { l.deprovision(p, "10.0.0.0/16") }}
	_, err := l.on(table).Deprovision(t.Context(), store.Deprovision{Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone})
	if ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), "it is deprovisioned") {
		t.Errorf("%v", err)
	}
	l.settled()
}

// What is seen again as it was costs no write, and what is seen late changes
// nothing.
func TestObserveUnchanged(t *testing.T) {
	l := newLandscape(t)
	p := l.pool("", true)
	l.provision(p, "10.0.0.0/16")
	v := vpc("vpc-1", "10.0.0.0/20")
	l.observe(v)
	l.settled()
	before := l.memory.Dump()
	l.observe(v)
	late := v
	late.Name = "as it was called before"
	if changed, err := l.store.Observe(t.Context(), l.disco, []*ipam.IPAM{l.ipam}, late, 1); err != nil || changed {
		t.Errorf("a late observation: %t, %v", changed, err)
	}
	f := l.found(v)
	if gone, err := l.store.Forget(t.Context(), f, f.Sampled); err != nil || gone {
		t.Errorf("a sweep by an earlier run: %t, %v", gone, err)
	}
	if after := l.memory.Dump(); after != before {
		t.Errorf("the table changed from\n%s\nto\n%s", before, after)
	}
}

// The work of a note that whoever wrote it has done costs one read.
func TestWorkThatIsDone(t *testing.T) {
	l := newLandscape(t)
	l.provision(l.pool("", true), "10.0.0.0/16")
	l.observe(vpc("vpc-1", "10.0.0.0/20"))
	before := len(l.faulty.Trace())
	l.must(l.store.RunWork(t.Context(), "live#"+l.ipam.PrivateScope+"#10.0.0.0/20"))
	if calls := l.faulty.Trace()[before:]; len(calls) != 1 {
		t.Errorf("it costs %v", calls)
	}
}

// Whatever call fails, carried out or not, alone or with all behind it: the same
// act once more, and the work that was left, bring the table in order.
func TestLiveFaults(t *testing.T) {
	type act struct {
		name    string
		prepare func(*landscape) func() error
	}
	acts := []act{
		{"observe", func(l *landscape) func() error {
			p := l.pool("", true)
			l.provision(p, "10.0.0.0/16")
			_, err := l.allocate(watcher, p, 0, "10.0.1.0/24")
			l.must(err)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", "10.0.0.0/20"), l.now.UnixMilli())
				return err
			}
		}},
		{"observe and import", func(l *landscape) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", "10.0.0.0/20"), l.now.UnixMilli())
				return err
			}
		}},
		{"vanish", func(l *landscape) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			l.now = l.now.Add(time.Second)
			f := l.found(v)
			return func() error { _, err := l.store.Forget(l.Context(), f, l.now.UnixMilli()); return err }
		}},
		{"provision over what lives", func(l *landscape) func() error {
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			l.observe(vpc("vpc-2", "10.0.64.0/24"))
			p := l.pool("", true)
			q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
			return func() error { _, err := l.store.Provision(l.Context(), q); return err }
		}},
		{"deprovision what lives", func(l *landscape) func() error {
			top := l.pool("", false)
			l.provision(top, "10.0.0.0/15")
			child := l.pool(top.ID, false)
			l.provision(child, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			return func() error {
				_, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: child.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone})
				if ipam.CodeOf(err) == ipam.CodeIncorrectState {
					return nil // done before
				}
				return err
			}
		}},
		{"release what lives", func(l *landscape) func() error {
			p := l.pool("", true)
			l.provision(p, "10.0.0.0/16")
			a, err := l.allocate(watcher, p, 0, "10.0.0.0/18")
			l.must(err)
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			return func() error {
				return l.store.Release(l.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
			}
		}},
		{"allocate one's own", func(l *landscape) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: p.ID, May: anyone, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.0.0.0/19")}}
			q.Token.Account = tenant
			return func() error { _, err := l.store.Allocate(l.Context(), q); return err }
		}},
		{"move", func(l *landscape) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			lab, err := l.store.CreateScope(l.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
			l.must(err)
			return func() error {
				q := store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: true, Destination: lab.ID, May: func(_, _ *ipam.Scope) error { return nil }}
				_, err := l.store.ModifyResourceCIDR(l.Context(), q)
				if ipam.CodeOf(err) == ipam.CodeInvalidParameterValue {
					return nil // done before: it is not in that scope any more
				}
				return err
			}
		}},
		{"ignore", func(l *landscape) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			return func() error {
				_, err := l.store.ModifyResourceCIDR(l.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, May: func(_, _ *ipam.Scope) error { return nil }})
				return err
			}
		}},
	}
	pending := func(l *landscape) (*ipam.Pool, *ipam.Allocation) {
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		return p, l.pendingBlock(p, 20)
	}
	acts = append(acts, []act{
		{"lease", func(l *landscape) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			q := l.leasing(p, 0, "10.0.0.0/20")
			return func() error { _, err := l.store.Allocate(l.Context(), q); return err }
		}},
		{"bind", func(l *landscape) func() error {
			_, a := pending(l)
			return func() error { return l.store.Bind(l.Context(), a, "vpc-1") }
		}},
		{"end a pending block", func(l *landscape) func() error {
			_, a := pending(l)
			return func() error { return l.store.EndPending(l.Context(), a) }
		}},
		{"end the pending block of what lives after all", func(l *landscape) func() error {
			_, a := pending(l)
			l.observe(vpc("vpc-1", "10.0.0.0/19"))
			return func() error { return l.store.EndPending(l.Context(), a) }
		}},
		{"release a pending block", func(l *landscape) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			q := l.leasing(p, 20, "")
			q.Token.Account = "777788889999" // where nobody looks
			a, err := l.store.Allocate(l.Context(), q)
			l.must(err)
			l.now = l.now.Add(time.Hour)
			return func() error {
				return l.store.Release(l.Context(), store.Release{Pool: p.ID, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
			}
		}},
		{"observe what is pending", func(l *landscape) func() error {
			_, a := pending(l)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", a.CIDR.String()), l.now.UnixMilli())
				return err
			}
		}},
		{"provision a plan", func(l *landscape) func() error {
			source := l.pool("", true)
			l.provision(source, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			p := l.planning(source, "vpc-1", true)
			q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/20"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
			return func() error { _, err := l.store.Provision(l.Context(), q); return err }
		}},
		{"deprovision a plan", func(l *landscape) func() error {
			_, p, _, _ := planned(l, false)
			return func() error {
				_, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/20"), May: anyone})
				if ipam.CodeOf(err) == ipam.CodeIncorrectState {
					return nil // done before
				}
				return err
			}
		}},
		{"vanish under a plan", func(l *landscape) func() error {
			_, _, v, _ := planned(l, false)
			l.now = l.now.Add(time.Second)
			f := l.found(v)
			return func() error { _, err := l.store.Forget(l.Context(), f, l.now.UnixMilli()); return err }
		}},
		{"come back under a plan", func(l *landscape) func() error {
			_, _, v, _ := planned(l, false)
			l.vanish(v)
			l.now = l.now.Add(time.Second)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, v, l.now.UnixMilli())
				return err
			}
		}},
		{"observe under a plan", func(l *landscape) func() error {
			planned(l, true)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, subnet("subnet-9", "vpc-1", "10.0.4.0/24"), l.now.UnixMilli())
				return err
			}
		}},
		{"give up a pending block", func(l *landscape) func() error {
			_, a := pending(l)
			l.now = l.now.Add(time.Hour)
			return func() error {
				if err := l.store.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: tenant, Attempted: l.now.UnixMilli(), Succeeded: l.now.UnixMilli()}); err != nil {
					return err
				}
				return l.store.RunWork(l.Context(), "pending#"+a.AllocationID)
			}
		}},
	}...)
	for i, act := range acts {
		for _, room := range []int{0, 5} {
			t.Run(fmt.Sprintf("%s, room %d", act.name, room), func(t *testing.T) {
				t.Parallel()
				first, every := callsTried(i)
				l := newLandscape(t)
				l.narrow(room)
				do := act.prepare(l)
				l.work()
				restore := l.saved()
				from := len(l.faulty.Trace())
				l.must(do())
				calls := len(l.faulty.Trace()) - from
				l.now = l.now.Add(10 * time.Minute) // past the deadline of a split
				l.settled()
				want := taken(l)
				for at := first; at < calls; at += every {
					for _, scheme := range []string{"fails", "loses its answer", "and all behind it fail"} {
						restore()
						n := 0
						l.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
							n++
							if n-1 == at || n > at && scheme == "and all behind it fail" {
								return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: scheme == "loses its answer"}
							}
							return nil
						}
						first := do()
						l.faulty.Inject = nil
						if first != nil {
							if err := do(); err != nil {
								t.Fatalf("call %d %s: once more: %v", at, scheme, err)
							}
						}
						l.now = l.now.Add(10 * time.Minute)
						l.settled()
						if have := taken(l); have != want {
							t.Fatalf("call %d %s: what is taken is\n%s\nwant\n%s", at, scheme, have, want)
						}
					}
				}
				t.Logf("%d calls", calls)
			})
		}
	}
}

// taken lists what is taken, whatever the ids.
func taken(l *landscape) string {
	var lines []string
	for k, i := range l.memory.All() {
		if strings.HasSuffix(k.PK, "#TAKEN") && !strings.Contains(k.PK, "scope") {
			a, err := items.DecodeImage(k, i)
			l.must(err)
			lines = append(lines, fmt.Sprint(a.Allocation.CIDR, " ", a.Allocation.Kind, " ", a.Allocation.ResourceID))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Random acts of everybody, one after the other, keep the table in order.
func TestLiveRandomly(t *testing.T) {
	for seed := range uint64(sized(60, 12)) {
		l := newLandscape(t)
		l.narrow([]int{0, 5, 6, 9}[seed%4])
		r := rand.New(rand.NewPCG(seed, 1))
		top := l.pool("", r.IntN(2) == 0)
		var child *ipam.Pool
		live, subnets := map[string]ipam.Resource{}, map[string]ipam.Resource{}
		lab, labPool := l.lab()
		stands := func(v ipam.Resource) (*ipam.ResourceCIDR, string) { // where, and the other scope
			if at := l.row(v, lab.ID); at != nil {
				return at, l.ipam.PrivateScope
			}
			return l.row(v, l.ipam.PrivateScope), lab.ID
		}
		lives := func(v ipam.Resource) bool { // where most is taken
			at := l.row(v, l.ipam.PrivateScope)
			return at != nil && at.Live()
		}
		inTheWay := func(of netip.Prefix) string { // the VPC that must not be given away
			for id, v := range live {
				if v.CIDR.Overlaps(of) && lives(v) {
					return fmt.Sprintf("%s lives at %s", id, v.CIDR)
				}
			}
			return ""
		}
		one := func(of map[string]ipam.Resource) []ipam.Resource { // one of them, if there are any
			if len(of) == 0 {
				return nil
			}
			return []ipam.Resource{of[slices.Sorted(maps.Keys(of))[r.IntN(len(of))]]}
		}
		var plans []*ipam.Pool
		var given, pending []*ipam.Allocation
		block := func(least, most int) string {
			length := least + r.IntN(most-least+1)
			a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(256)), 0})
			return netip.PrefixFrom(a, length).Masked().String()
		}
		for step := range 60 {
			switch r.IntN(17) {
			case 13: // a VPC is ignored, or watched again
				for _, v := range one(live) {
					at, _ := stands(v)
					l.monitor(v, at.Ignored, at.Scope, "")
				}
			case 14: // a VPC is moved
				for _, v := range one(live) {
					at, other := stands(v)
					l.monitor(v, true, at.Scope, other)
				}
			case 15: // a VPC is not seen for a while
				for _, v := range one(live) {
					l.vanish(v)
					fscktest.Clean(t, l.memory, l.now)
					if r.IntN(2) == 0 {
						l.work()
					}
					l.observe(v)
				}
			case 16: // in the other scope a VPC is made, or what it was made of is given back
				if a, err := l.store.Allocate(t.Context(), l.leasing(labPool, 18+r.IntN(7), "")); err == nil {
					pending = append(pending, a)
				}
			case 10: // a subnet comes or goes
				for _, s := range one(subnets) {
					if r.IntN(3) == 0 {
						l.vanish(s)
						delete(subnets, s.ID)
					}
				}
				for _, v := range one(live) {
					s := subnet(fmt.Sprintf("subnet-%d", step), v.ID, netip.PrefixFrom(v.CIDR.Addr(), min(28, v.CIDR.Bits()+r.IntN(4))).String())
					l.observe(s)
					subnets[s.ID] = s
				}
			case 11: // a plan is made, and has its VPC's CIDR
				for _, v := range one(live) {
					p := l.planning(top, v.ID, r.IntN(2) == 0)
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: v.CIDR, May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
					plans = append(plans, p)
				}
			case 12: // a plan gives, or goes
				if len(plans) == 0 {
					continue
				}
				p := plans[r.IntN(len(plans))]
				if r.IntN(2) == 0 {
					if a, err := l.allocate(watcher, p, 24+r.IntN(5), ""); err == nil {
						given = append(given, a)
						for _, s := range subnets {
							if s.CIDR.Overlaps(a.CIDR) && lives(s) {
								t.Fatalf("seed %d, step %d: %s was given, and %s lives at %s", seed, step, a.CIDR, s.ID, s.CIDR)
							}
						}
					}
				} else if cidrs, err := l.store.PoolCIDRs(t.Context(), p.ID); err != nil || len(cidrs) > 0 && cidrs[0].State.Holds() {
					l.must(err)
					l.deprovision(p, cidrs[0].CIDR.String())
				}
			case 8:
				length := 18 + r.IntN(7)
				if a, err := l.store.Allocate(t.Context(), l.leasing(top, length, "")); err == nil {
					pending = append(pending, a)
					if by := inTheWay(a.CIDR); by != "" {
						t.Fatalf("seed %d, step %d: %s was pending, and %s", seed, step, a.CIDR, by)
					}
				}
			case 9:
				if len(pending) == 0 {
					continue
				}
				i := r.IntN(len(pending))
				v := vpc(fmt.Sprintf("vpc-%d", step), pending[i].CIDR.String())
				switch r.IntN(4) {
				case 0:
					l.must(l.store.EndPending(t.Context(), pending[i]))
				case 1:
					l.must(l.store.Bind(t.Context(), pending[i], v.ID))
					fallthrough
				case 2:
					l.observe(v)
					live[v.ID] = v
				case 3:
					l.now = l.now.Add(time.Hour)
					l.looked()
					l.must(l.store.RunWork(t.Context(), "pending#"+pending[i].AllocationID))
				}
				pending = slices.Delete(pending, i, i+1)
			case 0, 1:
				v := vpc(fmt.Sprintf("vpc-%d", step), block(18, 24))
				l.observe(v)
				live[v.ID] = v
			case 2:
				for _, v := range one(live) {
					for _, sid := range slices.Sorted(maps.Keys(subnets)) {
						if s := subnets[sid]; s.VPC == v.ID {
							l.vanish(s)
							delete(subnets, sid)
						}
					}
					l.vanish(v)
					delete(live, v.ID)
				}
			case 3:
				if step%2 == 0 {
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: top.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
				} else if child == nil {
					child = l.pool(top.ID, r.IntN(2) == 0)
				} else {
					_, _ = l.store.Provision(t.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: child.ID, CIDR: netip.MustParsePrefix(block(17, 20)), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
				}
			case 4:
				account := []string{watcher, tenant}[r.IntN(2)]
				if a, err := l.allocate(account, top, 0, block(18, 24)); err == nil {
					given = append(given, a)
				}
			case 5:
				a, err := l.allocate(watcher, top, 22, "")
				if err != nil {
					continue
				}
				given = append(given, a)
				if by := inTheWay(a.CIDR); by != "" {
					t.Fatalf("seed %d, step %d: %s was given, and %s", seed, step, a.CIDR, by)
				}
			case 6:
				if len(given) > 0 {
					i := r.IntN(len(given))
					l.release(given[i])
					given = slices.Delete(given, i, i+1)
				}
			case 7:
				if child != nil {
					cidrs, err := l.store.PoolCIDRs(t.Context(), child.ID)
					l.must(err)
					for _, c := range cidrs {
						if c.State.Holds() {
							l.deprovision(child, c.CIDR.String())
							break
						}
					}
				}
			}
			fscktest.Clean(t, l.memory, l.now)
		}
		l.settled()
	}
}

// A pool without a locale is for no Region's resources, and imports none.
func TestPoolWithoutLocaleImportsNothing(t *testing.T) {
	l := newLandscape(t)
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: ipam.IPv4, AutoImport: true}
	pool, err := l.store.CreatePool(t.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	l.provision(pool, "10.0.0.0/8")
	l.observe(vpc("vpc-1", "10.0.0.0/16"))
	l.settled()
	if got := l.allocations(pool); got != "" {
		t.Errorf("imported: %s", got)
	}
}

// EC2's ids are unique in a Region. Of two VPCs with one id and one CIDR, such as
// default VPCs, one goes, and the space of the other stays held.
func TestLiveOfOneIDInTwoRegions(t *testing.T) {
	l := newLandscape(t)
	p := l.pool("", false)
	l.provision(p, "172.31.0.0/16")
	here := vpc("vpc-1", "172.31.0.0/16")
	there := here
	there.Region = "eu-north-1"
	l.observe(here)
	l.observe(there)
	l.settled()
	l.vanish(there)
	l.settled()
	if a, err := l.allocate(tenant, p, 24, ""); err == nil {
		t.Errorf("%s was given, and %s lives at %s", a.CIDR, here.ID, here.CIDR)
	}
	l.vanish(here)
	if _, err := l.allocate(tenant, p, 16, ""); err != nil {
		t.Error(err)
	}
	l.settled()
}
