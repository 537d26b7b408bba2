package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// network changes an IPAM's pools and resources by random acts.
type network struct {
	*env
	r           *rand.Rand
	pools       []*ipam.Pool
	cidrs       map[string][]netip.Prefix // of the pools, also those that they have no more
	allocations []*ipam.Allocation
	resources   []ipam.Resource
	vpcs        int
}

// block returns a random block of a family with a length that IPv4 has in 10.0.0.0/16. The
// IPv6 blocks are as many.
func (n *network) block(f ipam.Family, least, most int) netip.Prefix {
	length := least + n.r.IntN(most-least+1)
	at := byte(n.r.IntN(256))
	if f == ipam.IPv6 {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x80, 0, 0, at}), length+16).Masked()
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, at, byte(n.r.IntN(256))}), length).Masked()
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// act changes something, or tries to.
func (n *network) act() {
	n.Helper()
	ctx := n.Context()
	switch n.r.IntN(14) {
	case 0:
		o := ipam.Pool{Scope: n.private, Family: pick(n.r, []ipam.Family{ipam.IPv4, ipam.IPv6}), Locale: region, AutoImport: n.r.IntN(2) == 0}
		if len(n.pools) > 0 && n.r.IntN(3) > 0 {
			source := pick(n.r, n.pools)
			o.SourcePool, o.Family = source.ID, source.Family
		}
		if p, err := n.store.CreatePool(ctx, n.token("CreateIpamPool"), o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }); err == nil {
			n.pools = append(n.pools, p)
		}
	case 1, 2, 3:
		if p := pick(n.r, n.pools); true {
			c := n.block(p.Family, 17+2*p.Depth, 19+2*p.Depth)
			if _, err := n.store.Provision(ctx, store.Provision{Token: n.token("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: c, May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}); err == nil {
				n.cidrs[p.ID] = append(n.cidrs[p.ID], c)
			}
		}
	case 4:
		if p := pick(n.r, n.pools); len(n.cidrs[p.ID]) > 0 {
			_, _ = n.store.Deprovision(ctx, store.Deprovision{Pool: p.ID, CIDR: pick(n.r, n.cidrs[p.ID]), May: func(*ipam.Pool) error { return nil }})
		}
	case 5, 6, 7:
		p := pick(n.r, n.pools)
		length := 22 + n.r.IntN(6)
		if p.Family == ipam.IPv6 {
			length += 16
		}
		if a, err := n.store.Allocate(ctx, store.Allocate{Token: n.token("AllocateIpamPoolCidr"), Pool: p.ID, Request: ipam.AllocateRequest{Length: &length}, Description: "d", Tags: ipam.Tags{"Name": "n"}, May: func(*ipam.Pool) error { return nil }}); err == nil {
			n.allocations = append(n.allocations, a)
		}
	case 8:
		if len(n.allocations) > 0 {
			i := n.r.IntN(len(n.allocations))
			a := n.allocations[i]
			n.allocations = slices.Delete(n.allocations, i, i+1)
			_ = n.store.Release(ctx, store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
		}
	case 9:
		if len(n.allocations) > 0 {
			_, _ = n.store.ModifyAllocation(ctx, pick(n.r, n.allocations).AllocationID, func(a *ipam.Allocation) error { a.Description = fmt.Sprint(n.r.IntN(1000)); return nil })
		}
	case 10, 11:
		n.vpcs++
		v := vpc(fmt.Sprintf("vpc-%d", n.vpcs), n.block(ipam.IPv4, 18, 25).String(), region)
		n.resources = append(n.resources, v)
		n.observe(n.private, v)
		if n.r.IntN(2) == 0 {
			s := subnet(fmt.Sprintf("subnet-%d", n.vpcs), v.ID, netip.PrefixFrom(v.CIDR.Addr(), v.CIDR.Bits()+1).String())
			n.resources = append(n.resources, s)
			n.observe(n.private, s)
		}
	case 12:
		if len(n.resources) > 0 {
			i := n.r.IntN(len(n.resources))
			if n.r.IntN(2) == 0 {
				n.resources[i].Name = fmt.Sprint("n", n.r.IntN(100))
				n.observe(n.private, n.resources[i])
			} else {
				n.forget(n.private, n.resources[i])
				n.resources = slices.Delete(n.resources, i, i+1)
			}
		}
	case 13:
		i := n.r.IntN(len(n.pools))
		if p := n.pools[i]; i > 1 {
			if _, err := n.store.DeletePool(ctx, p.ID, n.r.IntN(2) == 0, func(*ipam.Pool) error { return nil }); err == nil {
				n.pools = slices.Delete(n.pools, i, i+1)
			}
		}
	}
}

// seen is a map as it was.
type seen struct {
	at time.Time
	in ops.GetIpamSpaceMapInput
	m  *ops.IpamSpaceMap
}

// look returns a map without the members that a map of the past does not have or that differ
// from now.
func (n *network) look(in ops.GetIpamSpaceMapInput) *ops.IpamSpaceMap {
	n.Helper()
	out, err := n.registry.Call(n.admin, "GetIpamSpaceMap", &in)
	if ipam.CodeOf(err) == ipam.CodeInvalidPoolIDNotFound {
		return nil
	}
	m := must(out, err)(n).(*ops.GetIpamSpaceMapOutput).IpamSpaceMap
	if want := map[bool]string{true: "live", false: "history"}[in.AtTime == nil]; m.Source != want || m.Detail != "exact" || in.AtTime != nil && !m.AsOf.Equal(*in.AtTime) {
		n.Errorf("%s, %s, as of %s", m.Source, m.Detail, m.AsOf)
	}
	m.Source, m.AsOf = "", nil
	for i := range m.Blocks {
		m.Blocks[i].PendingUntil = nil
	}
	return m
}

// For random acts, the map of a time of the past is the one that was there at that time: of
// a scope, a pool and a part of them, for both families.
func TestMapsOfThePast(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	blocks, resources := 0, 0
	for seed := range seeds {
		n := &network{env: newEnv(t), r: rand.New(rand.NewPCG(seed, 7)), cidrs: map[string][]netip.Prefix{}}
		for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
			n.pools = append(n.pools, must(n.store.CreatePool(t.Context(), n.token("CreateIpamPool"), ipam.Pool{Scope: n.private, Family: f, Locale: region},
				func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t))
		}
		n.pool(ipam.Rules{}, "192.168.0.0/24")
		n.deliver() // maps of the past begin here
		var all []seen
		check := func(s seen) {
			t.Helper()
			in := s.in
			in.AtTime = &s.at
			got := n.look(in)
			if got == nil { // the pool is deleted
				return
			}
			if d := cmp.Diff(s.m, got); d != "" {
				t.Fatalf("seed %d, %d seconds before the end, of %s%s in %s %s (-was +got):\n%s", seed, int(n.now.Sub(s.at).Seconds()), aws.ToString(in.IpamScopeId), aws.ToString(in.IpamPoolId), aws.ToString(in.Cidr), in.AddressFamily, d)
			}
			blocks, resources = blocks+len(got.Blocks), resources+len(got.Resources)
		}
		for range 50 {
			n.now = n.now.Add(time.Duration(1+n.r.IntN(100_000)) * time.Second)
			for range 1 + n.r.IntN(4) { // several in one second
				n.act()
				if n.r.IntN(2) == 0 {
					n.deliver()
				}
			}
			n.deliver()
			ins := []ops.GetIpamSpaceMapInput{{IpamScopeId: &n.private, AddressFamily: "ipv4"}, {IpamScopeId: &n.private, AddressFamily: "ipv6"}}
			for _, p := range n.pools {
				ins = append(ins, ops.GetIpamSpaceMapInput{IpamPoolId: &p.ID})
			}
			for range 4 {
				f := pick(n.r, []ipam.Family{ipam.IPv4, ipam.IPv6})
				part := aws.String(n.block(f, 16, 28).String())
				ins = append(ins, ops.GetIpamSpaceMapInput{IpamScopeId: &n.private, Cidr: part})
				if p := pick(n.r, n.pools); p.Family == f {
					ins = append(ins, ops.GetIpamSpaceMapInput{IpamPoolId: &p.ID, Cidr: part})
				}
			}
			for _, in := range ins {
				s := seen{n.now, in, n.look(in)}
				all = append(all, s)
				check(s) // now
			}
		}
		n.now = n.now.Add(time.Hour)
		for _, s := range all {
			check(s)
		}
		n.read = 0 // the stream again, which changes nothing
		before := n.table.Hash()
		n.deliver()
		if n.table.Hash() != before {
			t.Error("the stream's records change the table when they come again")
		}
		n.checkSettled()
	}
	if blocks < 1000 || resources < 500 {
		t.Errorf("the maps have %d blocks and %d resources, too few to say anything", blocks, resources)
	}
}

// A time without a map is refused, with the times that have one.
func TestTimesWithoutAMap(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/24")
	begin := w.now
	refused := func(at time.Time, words string) {
		t.Helper()
		_, err := w.registry.Call(w.admin, "GetIpamSpaceMap", &ops.GetIpamSpaceMapInput{IpamPoolId: &pool, AtTime: &at})
		if got := ipam.Public(err).Message; ipam.CodeOf(err) != "InvalidParameterValue" || !strings.Contains(got, "AtTime") || !strings.Contains(got, words) {
			t.Errorf("at %s: %s, want %q", at, got, words)
		}
	}
	shown := func(at time.Time) int {
		t.Helper()
		return len(must(w.registry.Call(w.admin, "GetIpamSpaceMap", &ops.GetIpamSpaceMapInput{IpamPoolId: &pool, AtTime: &at}))(t).(*ops.GetIpamSpaceMapOutput).IpamSpaceMap.Blocks)
	}
	refused(begin, "recorded yet")
	w.deliver()
	if n := shown(begin); n != 2 {
		t.Errorf("%d blocks", n)
	}
	w.now = w.now.Add(time.Hour)
	w.allocate(pool, "10.0.0.0/25")
	w.deliver()
	refused(begin.Add(-time.Second), begin.Format(time.RFC3339))
	refused(w.now.Add(time.Second), "future")
	if a, b := shown(begin), shown(w.now); a != 2 || b != 3 {
		t.Errorf("%d blocks before the allocation, %d after it", a, b)
	}
	w.now = begin.Add(items.PastRetention + 2*time.Hour)
	refused(begin.Add(90*time.Minute), "three years")
	if n := shown(begin.Add(150 * time.Minute)); n != 3 {
		t.Errorf("%d blocks", n)
	}
	// An account that the pool is shared with sees the present only.
	must(0, w.store.PutShare(t.Context(), pool, other, func(*ipam.Pool) error { return nil }))(t)
	guest := registry.WithCaller(t.Context(), registry.Caller{Account: other, ARN: "arn:aws:iam::" + other + ":user/admin"})
	if _, err := w.registry.Call(guest, "GetIpamSpaceMap", &ops.GetIpamSpaceMapInput{IpamPoolId: &pool, AtTime: &w.now}); ipam.CodeOf(err) != "OperationNotPermitted" {
		t.Errorf("%v, want OperationNotPermitted", err)
	}
	must(w.registry.Call(guest, "GetIpamSpaceMap", &ops.GetIpamSpaceMapInput{IpamPoolId: &pool}))(t)
}

// A map of the past that takes too many reads is refused, and a part of it is not.
func TestMapOfThePastIsBounded(t *testing.T) {
	w := newEnv(t)
	pool := w.pool(ipam.Rules{}, "10.0.0.0/16")
	w.deliver()
	begin := w.now
	for i := range 60 {
		w.now = w.now.Add(time.Minute)
		a := w.allocate(pool, fmt.Sprintf("10.0.%d.0/24", i))
		w.deliver()
		w.release(a)
		w.deliver()
	}
	small := store.New(w.table, store.Options{Region: region, Owner: owner, Now: func() time.Time { return w.now }, MapLive: 100})
	p := must(small.Pools(t.Context(), []string{pool}))(t)[0]
	v := store.SpaceView{Scope: w.private, Family: ipam.IPv4, Pool: p, Most: 50, At: begin}
	if _, err := small.SpaceMap(t.Context(), v); ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
	v.CIDR = netip.MustParsePrefix("10.0.4.0/22")
	m := must(small.SpaceMap(t.Context(), v))(t)
	var got []string
	for _, b := range m.Blocks {
		got = append(got, fmt.Sprint(b.CIDR, " ", b.State))
	}
	expect(t, got, "10.0.0.0/16 pool", "10.0.0.0/19 free") // a part of the free block
}
