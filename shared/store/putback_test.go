package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
)

// putBack returns the request that puts a thing back which fsck lists.
func putBack(from table.Table, l fsck.Loss) store.PutBack {
	q := store.PutBack{From: from, Kind: store.PutBackKind(l.Kind), ID: l.ID, Pool: l.Pool}
	if l.CIDR != "" {
		q.CIDR = netip.MustParsePrefix(l.CIDR)
	}
	return q
}

// lost lists the differences between a table and the one that was restored.
func lost(old, restored *tabletest.Memory) []fsck.Loss {
	return fsck.Lost(fscktest.Items(old), fscktest.Items(restored))
}

// putAllBack puts back all that fsck lists as missing, and counts the outcomes. The table
// is in order after each.
func (l *env) putAllBack(old *tabletest.Memory) map[string]int {
	l.Helper()
	outcomes := map[string]int{}
	for _, loss := range lost(old, l.memory) {
		if loss.How != fsck.Missing {
			continue
		}
		result, err := l.store.PutBack(l.Context(), putBack(old, loss))
		if err != nil {
			l.Fatalf("%s: %v", loss, err)
		}
		outcomes[strings.TrimSpace(loss.Kind+" "+loss.Type)+": "+string(result.Outcome)]++
		if found := fsck.Check(fscktest.Items(l.memory), l.now); len(found) > 0 {
			l.Fatalf("after %s (%v): %v", loss, result, found)
		}
	}
	return outcomes
}

// since makes things of every kind, of which a backup of before has nothing. It returns
// the live resources among them, the outermost first.
func (l *env) since(top, importing *ipam.Pool) []ipam.Resource {
	l.Helper()
	ctx, s := l.Context(), l.store
	described := func(owner string) ipam.Meta {
		return ipam.Meta{Owner: owner, Description: "since", Tags: ipam.Tags{"team": "net"}}
	}
	_, err := s.CreateIPAM(ctx, l.fresh("CreateIpam"), ipam.IPAM{Meta: described(otherAccount), OperatingRegions: []string{"eu-west-1"}})
	l.must(err)
	scope, err := s.CreateScope(ctx, l.fresh("CreateIpamScope"), ipam.Scope{Meta: described(""), IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
	l.must(err)
	pool := func(o ipam.Pool) *ipam.Pool {
		o.Locale = "eu-west-1"
		p, err := s.CreatePool(ctx, l.fresh("CreateIpamPool"), o, buildPool)
		l.must(err)
		return p
	}
	alone := pool(ipam.Pool{Meta: described(""), Scope: scope.ID, Family: ipam.IPv6})
	l.must(s.PutShare(ctx, alone.ID, otherAccount, anyone))
	l.must(s.PutShare(ctx, alone.ID, "o-a1b2c3d4e5", anyone))
	l.provision(alone, "fd00::/48")
	child := pool(ipam.Pool{Scope: top.Scope, Family: ipam.IPv4, SourcePool: top.ID})
	inChild := pool(ipam.Pool{Scope: top.Scope, Family: ipam.IPv4, SourcePool: child.ID})
	l.provision(child, "10.0.128.0/20")
	l.provision(inChild, "10.0.136.0/24")
	for _, q := range []struct {
		account string
		pool    *ipam.Pool
		cidr    string
		tags    ipam.Tags
	}{
		{ownerAccount, top, "10.0.4.0/24", ipam.Tags{"team": "net"}},
		{otherAccount, top, "10.0.5.0/24", ipam.Tags{ipam.StableKeyTag: "web"}},
		{otherAccount, inChild, "10.0.136.128/25", nil},
		{otherAccount, alone, "fd00::1:0/112", nil},
	} {
		a := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: q.pool.ID, May: anyone, Tags: q.tags, Description: "since", Request: byCIDR(q.cidr), Event: "event"}
		a.Token.Account, a.Event = q.account, a.Token.Value
		_, err := s.Allocate(ctx, a)
		l.must(err)
	}
	for _, owner := range []string{ownerAccount, "777788889999"} {
		l.further(owner)
	}
	plan := vpc("vpc-plan", "10.1.0.0/20")
	l.observe(plan)
	l.settled()
	resolver, err := s.CreateResolver(ctx, l.fresh("CreateIpamPrefixListResolver"), ipam.PrefixListResolver{Meta: described(""), IPAM: l.ipam.ID, Family: ipam.IPv4, Rules: []ipam.ResolverRule{static("192.0.2.0/24")}}, anyIPAM)
	l.must(err)
	l.settled()
	l.setRules(resolver.ID, static("192.0.2.0/24"), l.resources(ipam.ResourceVPC, ipam.RuleCondition{Operation: ipam.OperationEquals, ResourceID: "vpc-known"}))
	l.settled() // it has version 2
	planning := l.planning(importing, plan.ID, true)
	l.provision(planning, "10.1.0.0/20")
	one := subnet("subnet-1", plan.ID, "10.1.1.0/24")
	l.observe(one)
	made := vpc("vpc-made", "10.0.8.0/24")
	a, err := s.Allocate(ctx, l.leasing(top, 0, made.CIDR.String()))
	l.must(err)
	l.must(s.Bind(ctx, a, store.Made{ID: made.ID}))
	l.observe(made)
	l.settled()
	l.pendingBlock(top, 24) // EC2 has not made its VPC yet
	return []ipam.Resource{plan, made, one}
}

// A table is restored to a moment before many requests. All that they made is put back,
// and is as it was: no difference is left. Things that wait for discovery are put back
// after it has run.
func TestPutBackAll(t *testing.T) {
	for _, c := range []struct {
		name   string
		room   int
		quotas ipam.Quotas
	}{
		{"usual", 0, ipam.DefaultQuotas()},
		{"in small transactions", 5, ipam.DefaultQuotas()},
		{"with quotas that admit nothing", 0, ipam.Quotas{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			top, importing := l.pool("", false), l.pool("", true)
			l.provision(top, "10.0.0.0/16")
			l.provision(importing, "10.1.0.0/16")
			known := vpc("vpc-known", "10.1.16.0/20") // imported before and after
			l.observe(known)
			l.settled()
			backup := l.saved()
			seen := l.since(top, importing)
			old, now := l.memory, l.now
			backup()
			l.now = now
			l.store = store.New(l.faulty, store.Options{Region: "eu-west-1", Owner: ownerAccount, Now: func() time.Time { return l.now }, Room: c.room, Quotas: &c.quotas})

			want := map[string]int{
				"ipam: put back": 1, "scope: put back": 1, "scope: there already": 2,
				"resource-discovery: put back": 2, "resource-discovery: there already": 1,
				"resource-discovery-association: put back": 2, "resource-discovery-association: there already": 1,
				"prefix-list-resolver: put back": 1, "pool: put back": 4, "pool-cidr: put back": 3, "pool-cidr: not possible": 1,
				"allocation custom: put back": 4, "allocation vpc: put back": 3, "allocation subnet: parent missing": 1,
			}
			if diff := cmp.Diff(want, l.putAllBack(old)); diff != "" {
				t.Errorf("before discovery, -want +have:\n%s", diff)
			}
			for _, r := range seen[:2] {
				l.observe(r)
			}
			l.settled()
			if diff := cmp.Diff(map[string]int{"pool-cidr: put back": 1, "allocation subnet: put back": 1}, l.putAllBack(old)); diff != "" {
				t.Errorf("after discovery of the VPCs, -want +have:\n%s", diff)
			}
			l.observe(seen[2])
			l.settled()
			for _, loss := range lost(old, l.memory) {
				t.Error(loss)
			}
			if diff := cmp.Diff(properties(old), properties(l.memory)); diff != "" || len(properties(old)) < 100 {
				t.Errorf("the table before the restore, and after all was put back, -want +have:\n%s", diff)
			}
			resolvers, err := l.store.AllResolvers(t.Context())
			if l.must(err); len(resolvers) != 1 {
				t.Fatalf("%d resolvers", len(resolvers))
			}
			if got, want := l.latest(resolvers[0].ID), "3 success: 10.1.16.0/20 192.0.2.0/24"; c.quotas.EntriesPerVersion > 0 && got != want {
				t.Errorf("version %s, want %s", got, want)
			}
			// Nothing that waited for discovery ends now.
			l.now = l.now.Add(48 * time.Hour)
			l.looked()
			l.settled()
			if got := l.allocations(importing); got != "10.1.0.0/20 vpc, 10.1.16.0/20 vpc" {
				t.Errorf("a day later: %s", got)
			}
		})
	}
}

// properties lists the items that a restore must bring back, without the ones that follow
// from resources, and without parts that are new with each act.
func properties(m *tabletest.Memory) (all []string) {
	for k, i := range m.All() {
		kind, _, _ := strings.Cut(k.PK, "#")
		if !slices.Contains([]string{"IPAM", "SCOPE", "POOL", "DISCO", "ASSOC", "OWNER", "PRINCIPAL", "FOREIGN", "STABLE", "DISCOVERIES", "RESOLVERS", "SPACE", "ALLOC"}, kind) || strings.HasPrefix(k.SK, "ACCOUNT#") {
			continue
		}
		if k := i.Str(items.AttrKind); k == string(ipam.KindHold) {
			continue
		}
		for _, name := range []string{items.AttrRev, items.AttrSeen, "Request", items.AttrPendingUntil, items.AttrState} {
			delete(i, name)
		}
		one := new(tabletest.Memory)
		if err := one.Transact(context.Background(), []table.Write{{Op: table.OpPut, Key: k, Item: i}}); err != nil {
			panic(err)
		}
		all = append(all, plain(one.Dump()))
	}
	return all
}

// Nothing is overwritten. Each outcome says the reason.
func TestPutBackOutcomes(t *testing.T) {
	l := newEnv(t)
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/16")
	backup := l.saved()
	other := l.pool("", false)
	l.provision(other, "10.1.0.0/16")
	a := must(l.allocate(ownerAccount, top, 0, "10.0.4.0/24"))(t)
	inOther := must(l.allocate(ownerAccount, other, 0, "10.1.4.0/24"))(t)
	child := l.pool(top.ID, false)
	l.provision(child, "10.0.64.0/20")
	dying := l.pool("", false)
	l.provision(dying, "10.5.0.0/16")
	must(l.store.DeletePool(t.Context(), dying.ID, true, anyone))(t)
	released := must(l.allocate(ownerAccount, top, 0, "10.0.5.0/24"))(t)
	l.release(released)
	cidrOf := func(p *ipam.Pool) *ipam.PoolCIDR { return must(l.store.PoolCIDRs(t.Context(), p.ID))(t)[0] }
	otherCIDR, childCIDR := cidrOf(other), cidrOf(child)
	old := l.memory
	put := func(q store.PutBack) store.PutBackResult {
		t.Helper()
		q.From = old
		result, err := l.store.PutBack(t.Context(), q)
		l.must(err)
		fscktest.Clean(t, l.memory, l.now)
		return result
	}
	allocation := func(a *ipam.Allocation) store.PutBack {
		return store.PutBack{Kind: store.PutBackAllocation, ID: a.AllocationID, Pool: a.Pool, CIDR: a.CIDR}
	}
	cidr := func(c *ipam.PoolCIDR) store.PutBack {
		return store.PutBack{Kind: store.PutBackCIDR, ID: c.ID, Pool: c.Pool, CIDR: c.CIDR}
	}
	expect := func(step string, q store.PutBack, want store.PutBackResult) {
		t.Helper()
		before := l.memory.Dump()
		if have := put(q); have != want {
			t.Errorf("%s: %+v, want %+v", step, have, want)
		}
		if changed := l.memory.Dump() != before; changed != (want.Outcome == store.WasPutBack) {
			t.Errorf("%s: the table changed: %t", step, changed)
		}
	}
	backup()
	expect("an allocation of a pool that is missing", allocation(inOther), store.PutBackResult{Outcome: store.HasNoParent, Detail: other.ID})
	expect("a CIDR of a pool that is missing", cidr(otherCIDR), store.PutBackResult{Outcome: store.HasNoParent, Detail: other.ID})
	expect("a pool", store.PutBack{Kind: store.PutBackPool, ID: other.ID}, store.PutBackResult{Outcome: store.WasPutBack})
	expect("a pool again", store.PutBack{Kind: store.PutBackPool, ID: other.ID}, store.PutBackResult{Outcome: store.WasThere})
	expect("an allocation of a CIDR that is missing", allocation(inOther), store.PutBackResult{Outcome: store.HasNoParent, Detail: "a CIDR of " + other.ID + " that contains 10.1.4.0/24"})
	expect("an unknown allocation", store.PutBack{Kind: store.PutBackAllocation, ID: "ipam-pool-alloc-0"}, store.PutBackResult{Outcome: store.IsGone})
	expect("an allocation that was released", allocation(released), store.PutBackResult{Outcome: store.IsGone})
	expect("an unknown pool", store.PutBack{Kind: store.PutBackPool, ID: "ipam-pool-0"}, store.PutBackResult{Outcome: store.IsGone})
	expect("a pool that was being deleted", store.PutBack{Kind: store.PutBackPool, ID: dying.ID}, store.PutBackResult{Outcome: store.IsImpossible, Detail: "it was being deleted"})
	expect("the grants", store.PutBack{Kind: "grants"}, store.PutBackResult{Outcome: store.IsImpossible, Detail: `a thing of the kind "grants" is not put back`})
	expect("a child's block as an allocation", store.PutBack{Kind: store.PutBackAllocation, ID: childCIDR.AllocationID}, store.PutBackResult{Outcome: store.IsImpossible, Detail: "it is the CIDR of " + child.ID + ", and is put back as that"})

	again := l.saved()
	mine := must(l.allocate(otherAccount, top, 0, "10.0.0.0/21"))(t)
	expect("an allocation in the space of another", allocation(a), store.PutBackResult{Outcome: store.IsTaken, Detail: "10.0.0.0/21, the allocation " + mine.AllocationID + ", account " + otherAccount})
	block := l.pool(top.ID, false)
	l.provision(block, "10.0.72.0/24")
	expect("a child", store.PutBack{Kind: store.PutBackPool, ID: child.ID}, store.PutBackResult{Outcome: store.WasPutBack})
	expect("a child's CIDR in the space of another child", cidr(childCIDR), store.PutBackResult{Outcome: store.IsTaken, Detail: "10.0.72.0/24, a CIDR of " + block.ID + ", account " + ownerAccount})
	l.provision(other, "10.1.0.0/16")
	expect("a CIDR that was provisioned again", cidr(otherCIDR), store.PutBackResult{Outcome: store.IsTaken, Detail: "10.1.0.0/16, which was provisioned to the pool as " + cidrOf(other).ID})
	again()

	v := vpc("vpc-1", "10.0.4.0/22")
	l.observe(v)
	l.settled()
	expect("an allocation in which another account's VPC is live", allocation(a), store.PutBackResult{Outcome: store.IsTaken,
		Detail: "InvalidParameterValue: The CIDR 10.0.4.0/24 is not available in " + top.ID + ": vpc vpc-1 of account 444455556666 in eu-west-1 is live at 10.0.4.0/22. Choose another CIDR, leave the choice to the pool with NetmaskLength or have the resource imported, ignored or moved to another scope with ModifyIpamResourceCidr."})
	l.forgetFound(v)
	l.settled()
	expect("an allocation", allocation(a), store.PutBackResult{Outcome: store.WasPutBack})
	expect("an allocation again", allocation(a), store.PutBackResult{Outcome: store.WasThere})
	must(l.store.ModifyAllocation(t.Context(), a.AllocationID, func(o *ipam.Allocation) error { o.Description = "new"; return nil }))(t)
	expect("an allocation that has another description", allocation(a), store.PutBackResult{Outcome: store.IsDifferent})
	l.release(a)
	expect("an allocation that was put back and released", allocation(a), store.PutBackResult{Outcome: store.IsDifferent, Detail: "it is released"})
	must(l.store.ModifyPool(t.Context(), other.ID, ipam.ActModify, func(o *ipam.Pool) error { o.AutoImport = true; return nil }))(t)
	expect("a pool that has another setting", store.PutBack{Kind: store.PutBackPool, ID: other.ID}, store.PutBackResult{Outcome: store.IsDifferent})
	must(l.store.ModifyIPAM(t.Context(), l.ipam.ID, ipam.ActModify, func(o *ipam.IPAM) error { o.OperatingRegions = []string{"us-east-1"}; return nil }))(t)
	expect("a pool in a Region that is not operated", store.PutBack{Kind: store.PutBackPool, ID: child.ID}, store.PutBackResult{Outcome: store.IsImpossible,
		Detail: "its locale eu-west-1 is no operating Region of " + l.ipam.ID + "; add it with ModifyIpam"})
	must(l.store.ModifyIPAM(t.Context(), l.ipam.ID, ipam.ActModify, func(o *ipam.IPAM) error { o.OperatingRegions = []string{"eu-west-1"}; return nil }))(t)
	must(l.store.DeletePool(t.Context(), top.ID, true, anyone))(t)
	const deleting = "IncorrectState: The specified action is not valid for %s. It is in state delete-in-progress; only an object in state create-complete or modify-complete can be used or changed."
	expect("a pool in one that is being deleted", store.PutBack{Kind: store.PutBackPool, ID: child.ID}, store.PutBackResult{Outcome: store.IsImpossible, Detail: fmt.Sprintf(deleting, top.ID)})
	l.now = l.now.Add(25 * time.Hour) // the record of the release is gone
	expect("an allocation of a pool that is being deleted", allocation(a), store.PutBackResult{Outcome: store.IsImpossible, Detail: fmt.Sprintf(deleting, top.ID)})
}

// lose makes things on a table, and takes the table back to the moment before. It returns
// the table as it was with them, and the losses.
func lose(l *poolEnv, act func(l *poolEnv, s *store.Store)) (old *tabletest.Memory, losses []fsck.Loss) {
	before := l.table.Clone()
	act(l, l.store(l.table))
	old, l.table = l.table, before
	for _, loss := range lost(old, l.table) {
		if loss.How == fsck.Missing {
			losses = append(losses, loss)
		}
	}
	return old, losses
}

// A put back suffers each fault at each of its calls. It gets over it, or fails and is sent
// again. In the end the table is the same as without a fault.
func TestPutBackFaults(t *testing.T) {
	base := newPoolEnv(t)
	watched(base)
	other := must(base.store(base.table).CreateIPAM(t.Context(), token("CreateIpam", "others"), ipam.IPAM{Meta: ipam.Meta{Owner: otherAccount}}))(t).ID
	local := must(base.store(base.table).CreatePool(t.Context(), token("CreateIpamPool", "local"), ipam.Pool{Scope: base.scope, Family: ipam.IPv4, Locale: "us-east-1"}, buildPool))(t).ID
	must(base.store(base.table).Provision(t.Context(), provision(local, "local", "10.3.0.0/16", 0)))(t)
	const third = "777788889999"
	pool := func(l *poolEnv, s *store.Store, scope, source string) string {
		return must(s.CreatePool(l.Context(), token("CreateIpamPool", "lost"), ipam.Pool{Scope: scope, SourcePool: source, Family: ipam.IPv4}, buildPool))(l.T).ID
	}
	for _, c := range []struct {
		name string
		act  func(*poolEnv, *store.Store) // its first loss is put back
		room int
	}{
		{name: "an IPAM", act: func(l *poolEnv, s *store.Store) {
			must(s.CreateIPAM(l.Context(), token("CreateIpam", "lost"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(l.T)
		}},
		{name: "the first IPAM of an account", act: func(l *poolEnv, s *store.Store) {
			must(s.CreateIPAM(l.Context(), token("CreateIpam", "lost"), ipam.IPAM{Meta: ipam.Meta{Owner: third}}))(l.T)
		}},
		{name: "a scope", act: func(l *poolEnv, s *store.Store) {
			must(s.CreateScope(l.Context(), token("CreateIpamScope", "lost"), ipam.Scope{IPAM: l.ipam}, func(*ipam.IPAM) error { return nil }))(l.T)
		}},
		{name: "a pool with shares", act: func(l *poolEnv, s *store.Store) {
			id := pool(l, s, l.scope, l.top)
			must(0, s.PutShare(l.Context(), id, otherAccount, anyPool))(l.T)
		}},
		{name: "a discovery", act: func(l *poolEnv, s *store.Store) {
			must(s.CreateDiscovery(l.Context(), token("CreateIpamResourceDiscovery", "lost"), discoveryOf(ownerAccount)))(l.T)
		}},
		{name: "the first discovery of an account", act: func(l *poolEnv, s *store.Store) {
			must(s.CreateDiscovery(l.Context(), token("CreateIpamResourceDiscovery", "lost"), discoveryOf(third)))(l.T)
		}},
		{name: "an association", act: func(l *poolEnv, s *store.Store) {
			must(s.Associate(l.Context(), token("AssociateIpamResourceDiscovery", "lost"), ipam.DiscoveryAssociation{IPAM: other, Discovery: l.discovery}, mayAssociate))(l.T)
		}},
		{name: "a CIDR at the top", act: func(l *poolEnv, s *store.Store) {
			must(s.Provision(l.Context(), provision(l.top, "lost", "10.2.0.0/16", 0)))(l.T)
		}},
		{name: "a CIDR of a child", act: func(l *poolEnv, s *store.Store) {
			must(s.Provision(l.Context(), provision(l.empty, "lost", "", 20)))(l.T)
		}},
		{name: "a deep CIDR of a child", room: 5, act: func(l *poolEnv, s *store.Store) {
			must(s.Provision(l.Context(), provision(l.empty, "lost", "10.0.192.0/28", 0)))(l.T)
		}},
		{name: "an allocation", act: func(l *poolEnv, s *store.Store) {
			q := allocation(l.top, "lost", byCIDR("10.0.64.0/26"))
			q.Tags = ipam.Tags{ipam.StableKeyTag: "web"}
			must(s.Allocate(l.Context(), q))(l.T)
		}},
		{name: "an allocation of another account", act: func(l *poolEnv, s *store.Store) {
			must(s.Allocate(l.Context(), byGuest(l.top, "lost")))(l.T)
		}},
		{name: "a deep allocation", room: 5, act: func(l *poolEnv, s *store.Store) {
			must(s.Allocate(l.Context(), allocation(l.top, "lost", byCIDR("10.0.64.7/32"))))(l.T)
		}},
		{name: "the allocation of a VPC", act: func(l *poolEnv, s *store.Store) {
			q := allocation(local, "lost", byCIDR("10.3.64.0/26"))
			q.For = &ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", Region: "us-east-1"}
			must(s.Allocate(l.Context(), q))(l.T)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := base.with(base.table.Clone())
			l.T, l.room = t, c.room
			old, losses := lose(l, c.act)
			q := putBack(old, losses[0])
			op := operation{name: c.name, do: func(ctx context.Context, l *poolEnv, s *store.Store) (any, error) {
				l.fsck() // also after an interruption
				result, err := s.PutBack(ctx, q)
				if err != nil {
					return nil, err
				}
				if result.Outcome != store.WasPutBack && result.Outcome != store.WasThere {
					l.Errorf("%+v", result)
				}
				return "there", nil
			}}
			want := op.good(l)
			for i, at := range want.trace {
				for n := range schemes(at, nil) {
					ctx, cancel := context.WithCancel(t.Context())
					s := schemes(at, cancel)[n]
					t.Run(fmt.Sprintf("%d %s %s", i, at, s.name), func(t *testing.T) {
						l := l.with(l.table.Clone())
						l.T = t
						op.suffer(ctx, l, s, want)
					})
					cancel()
				}
			}
		})
	}
}

// A put back whose answer is lost says that it put the thing back.
func TestPutBackWithALostAnswer(t *testing.T) {
	l := newPoolEnv(t)
	old, losses := lose(l, func(l *poolEnv, s *store.Store) {
		must(s.Allocate(l.Context(), allocation(l.top, "lost", byCIDR("10.0.64.0/26"))))(l.T)
	})
	faulty := &tabletest.Faulty{Table: l.table, Inject: func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.Transact && c.N == 0 {
			return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: true}
		}
		return nil
	}}
	for _, want := range []store.PutBackOutcome{store.WasPutBack, store.WasThere} {
		result, err := l.store(faulty).PutBack(t.Context(), putBack(old, losses[0]))
		if err != nil || result != (store.PutBackResult{Outcome: want}) {
			t.Errorf("%+v, %v; want %q", result, err, want)
		}
	}
}

// The allocation of a VPC that only the old table knows stays until discovery has looked at
// all of its account since. EC2 may be asked for the VPC of a pending one until the end of
// that time.
func TestPutBackOfAResourceWaits(t *testing.T) {
	for _, c := range []struct {
		name          string
		pending       bool
		looked, after time.Duration // after the put back: the beginning of a look, and the end of the test
		want          string
	}{
		{"nobody looks", false, 0, 48 * time.Hour, "10.0.8.0/24 vpc"},
		{"discovery looked at the same moment", false, time.Nanosecond, time.Hour, "10.0.8.0/24 vpc"},
		{"discovery looked, and did not see the VPC", false, time.Second, time.Hour, ""},
		{"EC2 may still be asked", true, 14 * time.Minute, time.Hour, "10.0.8.0/24 vpc"},
		{"EC2 cannot be asked any more", true, 16 * time.Minute, time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			top := l.pool("", false)
			l.provision(top, "10.0.0.0/16")
			backup := l.saved()
			made := vpc("vpc-made", "10.0.8.0/24")
			a := must(l.store.Allocate(t.Context(), l.leasing(top, 0, made.CIDR.String())))(t)
			if !c.pending {
				l.must(l.store.Bind(t.Context(), a, store.Made{ID: made.ID}))
				l.observe(made)
				l.settled()
			}
			old := l.memory
			backup()
			l.putAllBack(old)
			begin := l.now
			if c.looked != 0 {
				l.now = begin.Add(c.looked)
				l.looked()
			}
			l.now = begin.Add(c.after)
			l.settled()
			if got := l.allocations(top); got != c.want {
				t.Errorf("the pool has %q, want %q", got, c.want)
			}
		})
	}
}

// An allocation is put back over the hold of live resources that its account owns, and over
// no others. If its VPC goes at the same moment, the allocation waits for discovery.
func TestPutBackOverAHold(t *testing.T) {
	for _, c := range []struct {
		name string
		goes bool
		want string
	}{
		{"the VPC stays", false, "10.0.0.0/20 custom, 10.0.16.0/20 vpc"},
		{"the VPC goes meanwhile", true, "10.0.0.0/20 custom, 10.0.16.0/20 vpc pending"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newEnv(t)
			top := l.pool("", false)
			l.provision(top, "10.0.0.0/16")
			claimed, imported := vpc("vpc-1", "10.0.0.0/20"), vpc("vpc-2", "10.0.16.0/20")
			l.observe(claimed)
			l.observe(imported)
			l.settled()
			backup := l.saved()
			must(l.allocate(otherAccount, top, 0, "10.0.0.0/20"))(t)
			must(l.store.ModifyPool(t.Context(), top.ID, ipam.ActModify, func(o *ipam.Pool) error { o.AutoImport = true; return nil }))(t)
			l.settled()
			old := l.memory
			backup()
			went := !c.goes
			l.memory.OnCommit = func(_ context.Context, writes []table.Write) {
				k := items.LiveKey(l.ipam.PrivateScope, &imported)
				if !went && slices.ContainsFunc(writes, func(w table.Write) bool { return w.Key == k }) {
					went = true
					l.forgetFound(imported)
				}
			}
			want := map[string]int{"allocation custom: put back": 1, "allocation vpc: put back": 1}
			if diff := cmp.Diff(want, l.putAllBack(old)); diff != "" || !went {
				t.Errorf("-want +have:\n%s", diff)
			}
			all := must2(l.store.Allocations(t.Context(), top.ID, "", 0))(t)
			var have []string
			for _, a := range all {
				text := a.CIDR.String() + " " + string(a.Kind)
				if a.PendingUntil != 0 {
					text += " pending"
				}
				have = append(have, text)
			}
			if got := strings.Join(have, ", "); got != c.want {
				t.Errorf("the pool has %s, want %s", got, c.want)
			}
			l.settled()
			if diffs := lost(old, l.memory); len(diffs) != 1 || diffs[0].Kind != fsck.KindPool {
				t.Errorf("the pool's setting alone differs: %v", diffs)
			}
		})
	}
}

func must2[T, U any](out T, _ U, err error) func(*testing.T) T { return must(out, err) }
