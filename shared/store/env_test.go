package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const (
	ownerAccount = "111122223333" // owns the IPAM
	otherAccount = "444455556666"
)

// env is a table with an IPAM whose default discovery finds resources.
type env struct {
	*testing.T
	memory *tabletest.Memory
	faulty *tabletest.Faulty
	store  *store.Store
	ipam   *ipam.IPAM
	disco  *ipam.Discovery
	now    time.Time
	room   int
	token  int

	ignoreDefaultVPCs bool
	few               int          // Options.Equals
	quotas            *ipam.Quotas // nil: the usual
}

func newEnv(t *testing.T) *env {
	l := &env{T: t, memory: &tabletest.Memory{}, now: time.Unix(1_800_000_000, 0)}
	l.faulty = &tabletest.Faulty{Table: l.memory}
	l.store = l.on(l.faulty)
	var err error
	l.ipam, err = l.store.CreateIPAM(t.Context(), l.fresh("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}, OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	found, err := l.store.Discoveries(t.Context(), []string{l.ipam.Discovery})
	l.must(err)
	l.disco = found[0]
	l.must(l.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: otherAccount, Attempted: 1, Succeeded: 1}))
	return l
}

func (l *env) on(table table.Table) *store.Store {
	return store.New(table, store.Options{
		Region: "eu-west-1", Owner: ownerAccount, Now: func() time.Time { return l.now }, Room: l.room, IgnoreDefaultVPCs: l.ignoreDefaultVPCs, Equals: l.few, Quotas: l.quotas,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// narrow gives transactions room for so many block changes; 0: the usual.
func (l *env) narrow(room int) {
	l.room = room
	l.store = l.on(l.faulty)
}

// saved returns a function that puts all back to how it is now.
func (l *env) saved() (restore func()) {
	was, memory := *l, l.memory.Clone()
	return func() {
		*l = was
		l.memory = memory.Clone()
		l.faulty = &tabletest.Faulty{Table: l.memory}
		l.store = l.on(l.faulty)
	}
}

func (l *env) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *env) fresh(operation string) store.Token {
	l.token++
	return store.Token{Account: ownerAccount, Operation: operation, Value: fmt.Sprint(l.token), Digest: "d"}
}

func anyone(*ipam.Pool) error { return nil }

func (l *env) pool(source string, importing bool) *ipam.Pool {
	l.Helper()
	return l.poolIn(ipam.IPv4, source, importing)
}

func (l *env) poolIn(f ipam.Family, source string, importing bool) *ipam.Pool {
	l.Helper()
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: f, SourcePool: source, Locale: "eu-west-1", AutoImport: importing}
	p, err := l.store.CreatePool(l.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	return p
}

func (l *env) provision(pool *ipam.Pool, cidr string) {
	l.Helper()
	c, err := l.store.Provision(l.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
	l.must(err)
	if c.State != ipam.CIDRProvisioned {
		l.Errorf("%s of %s is %s", cidr, pool.ID, c.State)
	}
}

func (l *env) deprovision(pool *ipam.Pool, cidr string) *ipam.PoolCIDR {
	l.Helper()
	c, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: pool.ID, CIDR: netip.MustParsePrefix(cidr), May: anyone})
	l.must(err)
	return c
}

// allocate takes a block of a length, or, with a CIDR, that one.
func (l *env) allocate(account string, pool *ipam.Pool, length int, cidr string) (*ipam.Allocation, error) {
	q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: pool.ID, May: anyone}
	q.Token.Account = account
	if cidr != "" {
		q.Request.CIDR = netip.MustParsePrefix(cidr)
	} else {
		q.Request.Length = &length
	}
	return l.store.Allocate(l.Context(), q)
}

func (l *env) release(a *ipam.Allocation) {
	l.Helper()
	l.must(l.store.Release(l.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }}))
}

// ignoreDefaults sets whether the store ignores default VPCs that it sees for the first
// time.
func (l *env) ignoreDefaults(ignore bool) {
	l.ignoreDefaultVPCs = ignore
	l.store = l.on(l.faulty)
}

// byDefault marks a resource as the CIDR of a default VPC, or as inside one.
func byDefault(r ipam.Resource) ipam.Resource {
	r.DefaultVPC = true
	return r
}

func vpc(id, cidr string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix(cidr), Owner: otherAccount, Region: "eu-west-1"}
}

func subnet(id, of, cidr string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: of, Subnet: id, CIDR: netip.MustParsePrefix(cidr), Owner: otherAccount, Region: "eu-west-1"}
}

func (l *env) observe(r ipam.Resource) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, r, l.now.UnixMilli())
	l.must(err)
}

func (l *env) found(r ipam.Resource) *ipam.Found {
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

func (l *env) forgetFound(r ipam.Resource) {
	l.Helper()
	l.now = l.now.Add(time.Second)
	gone, err := l.store.Forget(l.Context(), l.found(r), l.now.UnixMilli())
	l.must(err)
	if !gone {
		l.Errorf("%s did not forgetFound", r.ID)
	}
}

// work does all the work that there is. A pending block's note stays until that ends, and
// so do those of the deletes that wait for it.
func (l *env) work() {
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
func (l *env) settled() {
	l.Helper()
	l.work()
	fscktest.Clean(l, l.memory, l.now)
}

func (l *env) row(r ipam.Resource, scope string) *ipam.ResourceCIDR {
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

func (l *env) status(r ipam.Resource, want ...any) {
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
func (l *env) allocations(p *ipam.Pool) string {
	l.Helper()
	all, _, err := l.store.Allocations(l.Context(), p.ID, "", 0)
	l.must(err)
	var texts []string
	for _, a := range all {
		texts = append(texts, a.CIDR.String()+" "+string(a.Kind))
	}
	return strings.Join(texts, ", ")
}
