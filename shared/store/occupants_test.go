package store_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// refusedSpace is a pool's CIDR, with the numbers of its family.
type refusedSpace struct {
	family ipam.Family
	cidr   string // the pool's
	half   int    // the length of its halves
}

var refusedSpaces = []refusedSpace{{ipam.IPv4, "10.0.0.0/24", 25}, {ipam.IPv6, "fd00::/56", 57}}

// part returns the nth block of a length in the space.
func (u refusedSpace) part(length, n int) string {
	p := netip.PrefixFrom(netip.MustParsePrefix(u.cidr).Addr(), length)
	for at := range (ipam.Filter{}).Positions(netip.MustParsePrefix(u.cidr), length) {
		if p = at; n == 0 {
			break
		}
		n--
	}
	return p.String()
}

func (l *env) poolOf(u refusedSpace, source *ipam.Pool) *ipam.Pool {
	l.Helper()
	o := ipam.Pool{Scope: l.ipam.PrivateScope, Family: u.family, Locale: "eu-west-1"}
	if source != nil {
		o.SourcePool = source.ID
	}
	p, err := l.store.CreatePool(l.Context(), l.fresh("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	l.must(err)
	return p
}

func (l *env) provisionLength(pool *ipam.Pool, length int, f ipam.Filter) error {
	_, err := l.store.Provision(l.Context(), store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: pool.ID, Length: length, Filter: f, May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
	return err
}

// says checks a refusal's words, and that it wrote nothing.
func (l *env) says(name string, do func() error, words ...string) {
	l.Helper()
	before := l.memory.Dump()
	err := do()
	if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue {
		l.Errorf("%s: %v, want %s", name, err, ipam.CodeInvalidParameterValue)
		return
	}
	for _, w := range words {
		if not, found := strings.CutPrefix(w, "not "); found && strings.Contains(err.Error(), not) || !found && !strings.Contains(err.Error(), w) {
			l.Errorf("%s: %v\nwant %q", name, err, w)
		}
	}
	if l.memory.Dump() != before {
		l.Errorf("%s: the refusal was written", name)
	}
}

// A live VPC without an allocation holds half of a pool, and an allocation the other half.
// Each request that needs the space is refused with the VPC's id, account and CIDR.
func TestRefusalsNameTheLiveResource(t *testing.T) {
	for _, u := range refusedSpaces {
		t.Run(u.family.String(), func(t *testing.T) {
			l := newEnv(t)
			top := l.poolOf(u, nil)
			l.provision(top, u.cidr)
			below := l.poolOf(u, top)
			held := u.part(u.half, 0)
			l.observe(vpc("vpc-live", held))
			l.observe(subnet("subnet-live", "vpc-live", u.part(u.half+1, 0)))
			given, err := l.allocate(ownerAccount, top, 0, u.part(u.half, 1))
			l.must(err)
			l.settled()
			named := "vpc vpc-live of account " + otherAccount + " in eu-west-1 is live at " + held
			full := []string{top.ID + " has no free address left", named, "ModifyIpamResourceCidr", "provision another CIDR", "release an allocation", "not subnet-live", "not more"}
			allocate := func(change func(*store.Allocate)) func() error {
				return func() error {
					q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: top.ID, May: anyone}
					change(&q)
					_, err := l.store.Allocate(t.Context(), q)
					return err
				}
			}
			length := u.half + 1
			l.says("allocate by length", allocate(func(q *store.Allocate) { q.Request.Length = &length }), full...)
			l.says("preview by length", allocate(func(q *store.Allocate) { q.Request.Length, q.Preview = &length, true }), full...)
			l.says("allocate by length, for a VPC that is to be made", allocate(func(q *store.Allocate) {
				q.Request.Length, q.For = &length, &ipam.Resource{Type: ipam.ResourceVPC, Region: "eu-west-1"}
			}), full...)
			l.says("allocate by length, with a stable key", allocate(func(q *store.Allocate) { q.Request.Length, q.Tags = &length, ipam.Tags{ipam.StableKeyTag: "k"} }), full...)
			l.says("allocate in the VPC's half", allocate(func(q *store.Allocate) {
				q.Request.Length, q.Request.Filter.Allowed = &length, []netip.Prefix{netip.MustParsePrefix(u.part(u.half+1, 1))}
			}), named, "not release an allocation")
			l.says("allocate in the other half", allocate(func(q *store.Allocate) {
				q.Request.Length, q.Request.Filter.Allowed = &length, []netip.Prefix{netip.MustParsePrefix(given.CIDR.String())}
			}), "release an allocation", "not vpc-live")
			l.says("allocate outside the VPC's half", allocate(func(q *store.Allocate) {
				q.Request.Length, q.Request.Filter.Disallowed = &length, []netip.Prefix{netip.MustParsePrefix(held)}
			}), "release an allocation", "not vpc-live")
			l.says("provision by length", func() error { return l.provisionLength(below, length, ipam.Filter{}) }, full...)
			atCIDR := []string{"is not available in " + top.ID, named, "Choose another CIDR", "ModifyIpamResourceCidr"}
			for _, cidr := range []string{held, u.part(u.half+1, 0), u.part(u.half+1, 1)} {
				l.says("allocate "+cidr, allocate(func(q *store.Allocate) { q.Request.CIDR = netip.MustParsePrefix(cidr) }), atCIDR...)
				l.says("preview "+cidr, allocate(func(q *store.Allocate) { q.Request.CIDR, q.Preview = netip.MustParsePrefix(cidr), true }), atCIDR...)
				l.says("allocate "+cidr+" for a VPC that is to be made", allocate(func(q *store.Allocate) {
					q.Request.CIDR, q.For = netip.MustParsePrefix(cidr), &ipam.Resource{Type: ipam.ResourceVPC, Region: "eu-west-1"}
				}), atCIDR...)
			}
			l.release(given)
			l.says("allocate by a length that is free nowhere", allocate(func(q *store.Allocate) { n := u.half - 1; q.Request.Length = &n }),
				fmt.Sprintf("has no free /%d; its largest free block is /%d", u.half-1, u.half), named, "not release an allocation")
			l.settled()
		})
	}
}

// The subnets of a VPC hold the space of its planning pool; the VPC itself does not.
func TestRefusalsOfAPlanningPoolNameTheSubnet(t *testing.T) {
	for _, u := range refusedSpaces {
		t.Run(u.family.String(), func(t *testing.T) {
			l := newEnv(t)
			top := l.poolOf(u, nil)
			l.provision(top, u.cidr)
			_, err := l.store.ModifyPool(t.Context(), top.ID, ipam.ActModify, func(p *ipam.Pool) error { p.AutoImport = true; return nil })
			l.must(err)
			l.observe(vpc("vpc-1", u.part(u.half, 0)))
			l.work()
			plan, err := l.store.CreatePool(t.Context(), l.fresh("CreateIpamPool"), ipam.Pool{
				Scope: l.ipam.PrivateScope, Family: u.family, Locale: "eu-west-1", SourcePool: top.ID,
				SourceResource: &ipam.SourceResource{ID: "vpc-1", Owner: otherAccount, Region: "eu-west-1"},
			}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
			l.must(err)
			l.provision(plan, u.part(u.half, 0))
			for n := range 2 {
				l.observe(subnet(fmt.Sprint("subnet-", n), "vpc-1", u.part(u.half+1, n)))
			}
			l.settled()
			named := "subnet subnet-0 of account " + otherAccount + " in eu-west-1 is live at " + u.part(u.half+1, 0)
			l.says("by length", func() error { _, err := l.allocate(ownerAccount, plan, u.half+2, ""); return err },
				plan.ID+" has no free address left", named, "subnet-1", "not vpc vpc-1", "not release")
			l.says("by CIDR", func() error { _, err := l.allocate(ownerAccount, plan, 0, u.part(u.half+1, 0)); return err },
				"is not available in "+plan.ID, named, "not vpc vpc-1", "not subnet-1")
			l.says("by length from the pool above", func() error { _, err := l.allocate(ownerAccount, top, u.half-1, ""); return err },
				"delete a resource that has an allocation", "not is live at")
		})
	}
}

// A hold is a part of a VPC that reaches beyond the pool: the refusal names the VPC, not
// the subnet in the hold, and not a VPC that is ignored.
func TestRefusalNamesTheLiveResourceAroundAHold(t *testing.T) {
	for _, u := range refusedSpaces {
		l := newEnv(t)
		pool := l.poolOf(u, nil)
		l.provision(pool, u.part(u.half, 0))
		l.observe(vpc("vpc-wide", u.cidr))
		ignored := vpc("vpc-ignored", u.part(u.half, 0))
		l.observe(ignored)
		l.observe(subnet("subnet-1", "vpc-wide", u.part(u.half, 0)))
		_, err := l.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{
			Scope: l.ipam.PrivateScope, ResourceID: ignored.ID, CIDR: ignored.CIDR, Region: ignored.Region, May: func(_, _ *ipam.Scope) error { return nil },
		})
		l.must(err)
		l.settled()
		l.says(u.cidr, func() error { _, err := l.allocate(ownerAccount, pool, u.half, ""); return err }, "vpc vpc-wide", "is live at "+u.cidr, "not subnet-1", "not vpc-ignored")
		l.says(u.cidr+" by CIDR", func() error { _, err := l.allocate(ownerAccount, pool, 0, u.part(u.half, 0)); return err }, "vpc vpc-wide", "is live at "+u.cidr, "not vpc-ignored")
	}
}

// A VPC that holds both CIDRs of a pool is named once.
func TestRefusalNamesALiveResourceOnce(t *testing.T) {
	for _, u := range refusedSpaces {
		l := newEnv(t)
		pool := l.poolOf(u, nil)
		l.provision(pool, u.part(u.half, 0))
		l.provision(pool, u.part(u.half, 1))
		l.observe(vpc("vpc-wide", u.cidr))
		l.settled()
		_, err := l.allocate(ownerAccount, pool, u.half, "")
		if err == nil || strings.Count(err.Error(), "vpc-wide") != 1 || strings.Contains(err.Error(), "more") {
			t.Errorf("%s: %v", u.cidr, err)
		}
	}
}

// Other pools have all that a request may choose from in a scope: no live resource holds
// space of a scope, and no allocation can be released there.
func TestRefusalOfAScope(t *testing.T) {
	for _, u := range refusedSpaces {
		l := newEnv(t)
		first, second := l.poolOf(u, nil), l.poolOf(u, nil)
		l.provision(first, u.cidr)
		l.observe(vpc("vpc-1", u.part(u.half, 0)))
		l.settled()
		in := ipam.Filter{Allowed: []netip.Prefix{netip.MustParsePrefix(u.cidr)}}
		l.says(u.cidr, func() error { return l.provisionLength(second, u.half, in) }, l.ipam.PrivateScope, "deprovision a CIDR of another pool", "not release an allocation", "not vpc-1")
	}
}

// A refusal names three of many live resources and counts the others. However many blocks
// a pool has, and however many resources have one CIDR, the reads of a refusal have a bound.
func TestCostOfRefusals(t *testing.T) {
	for _, u := range refusedSpaces {
		for _, c := range []struct {
			live, equal, blocks int
			says                string
		}{
			{2, 0, 0, "is live at " + u.part(u.half+7, 1) + ". "},
			{5, 0, 0, "is live at " + u.part(u.half+7, 2) + " and 2 more. "},
			{1, 300, 0, "vpc vpc-0 of account"},
			{2, 0, 3000, " and perhaps others. "},
		} {
			l := newEnv(t)
			pool := l.poolOf(u, nil)
			l.provision(pool, u.cidr)
			for i := range c.live {
				l.observe(vpc(fmt.Sprint("vpc-", i), u.part(u.half+7, i)))
			}
			l.work()
			for i := range c.equal {
				row := items.EncodeResource(&ipam.ResourceCIDR{Resource: vpc(fmt.Sprintf("vpc-x%04d", i), u.part(u.half+7, 0)), Scope: l.ipam.PrivateScope, Rev: 1})
				l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}))
			}
			for length := u.half; length <= u.half+7; length++ { // the rest of the pool
				for {
					if _, err := l.allocate(ownerAccount, pool, length, ""); err != nil {
						break
					}
				}
			}
			for i := range c.blocks { // as if the pool had another CIDR
				at := netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})
				if u.family == ipam.IPv6 {
					at = netip.MustParseAddr(fmt.Sprintf("fdff::%x", i))
				}
				taken := ipam.Taken{CIDR: netip.PrefixFrom(at, at.BitLen()), AllocationID: fmt.Sprint("ipam-pool-alloc-", i), Kind: ipam.KindCustom, Root: ipam.Root{ID: "r", Bits: 8}}
				l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: items.TakenKey(pool.Space(), taken.CIDR), Item: items.EncodeTaken(taken)}}))
			}
			calls := &tabletest.Counter{Table: l.memory}
			l.store = l.on(calls)
			_, err := l.allocate(ownerAccount, pool, u.half+7, "")
			if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %+v: %v", u.family, c, err)
			}
			cost := calls.Take()
			t.Logf("%s, %d live, %d equal, %d blocks: %+v", u.family, c.live, c.equal, c.blocks, cost)
			// Two batch-gets, three queries of blocks, and three of each named resource.
			if made := cost.BatchGets + cost.Queries; made > 2+3+3*min(c.live, 3) || cost.Rows > 1000+3*23 || cost.Transactions > 0 {
				t.Errorf("%s, %+v: the refusal costs %+v", u.family, c, cost)
			}
		}
	}
}
