package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// gate is a Store whose Observe takes 20 ms. It records which CIDRs are in Observe at
// the same time.
type gate struct {
	Store
	mu     sync.Mutex
	inside []string
	met    map[string]bool // pairs that were inside together
	most   int             // the largest number inside
	order  []string
}

func (g *gate) Observe(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, at int64) (bool, error) {
	name := r.ID + " " + r.CIDR.String()
	g.mu.Lock()
	for _, other := range g.inside {
		g.met[other+" with "+name] = true
		g.met[name+" with "+other] = true
	}
	g.inside = append(g.inside, name)
	g.order = append(g.order, name)
	g.most = max(g.most, len(g.inside))
	g.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	did, err := g.Store.Observe(ctx, d, ipams, r, at)
	g.mu.Lock()
	g.inside = slices.DeleteFunc(g.inside, func(n string) bool { return n == name })
	g.mu.Unlock()
	return did, err
}

// A run stores 4 CIDRs at once if they do not overlap. It stores overlapping ones one
// after the other, the outer one first, and interfaces after all others.
func TestRunStoresSeparateCIDRsAtOnce(t *testing.T) {
	synctest.Test(t, testRunStoresSeparateCIDRsAtOnce)
}

func testRunStoresSeparateCIDRsAtOnce(t *testing.T) {
	w := newEnv(t)
	n := small()
	n.VPCs = append(n.VPCs, vpc("vpc-3", "10.1.0.0/17"), vpc("vpc-4", "10.4.0.0/16"), vpc("vpc-5", "10.5.0.0/16"), vpc("vpc-6", "10.6.0.0/16"), vpc("vpc-7", "10.7.0.0/16"))
	n.Interfaces = append(n.Interfaces, types.NetworkInterface{NetworkInterfaceId: ptr("eni-2"), VpcId: ptr("vpc-1"), SubnetId: ptr("subnet-1"), PrivateIpAddress: ptr("10.1.0.5")})
	w.cloud.Networks[memberA+" "+home] = n
	h := w.handler()
	g := &gate{Store: h.store, met: map[string]bool{}}
	h.store = g
	if r, err := h.Handle(t.Context(), w.message(memberA, home)); err != nil || len(r.BatchItemFailures) > 0 {
		t.Fatalf("%v, %v", r, err)
	}
	w.agrees(memberA)
	for _, together := range []string{"vpc-2 10.2.0.0/16 with vpc-4 10.4.0.0/16", "eni-1 10.1.0.4/32 with eni-2 10.1.0.5/32"} {
		if !g.met[together] {
			t.Errorf("not %s", together)
		}
	}
	for _, apart := range []string{
		"vpc-1 10.1.0.0/16 with vpc-3 10.1.0.0/17", "vpc-1 10.1.0.0/16 with subnet-1 10.1.0.0/24", "subnet-1 10.1.0.0/24 with eni-1 10.1.0.4/32",
	} {
		if g.met[apart] {
			t.Errorf("%s", apart)
		}
	}
	if g.most != 4 {
		t.Errorf("%d CIDRs are stored at once, want 4", g.most)
	}
	at := func(name string) int { return slices.Index(g.order, name) }
	for _, pair := range [][2]string{
		{"vpc-1 10.1.0.0/16", "vpc-3 10.1.0.0/17"}, {"vpc-3 10.1.0.0/17", "subnet-1 10.1.0.0/24"}, {"subnet-1 10.1.0.0/24", "eni-1 10.1.0.4/32"}, {"vpc-5 10.5.0.0/16", "eni-1 10.1.0.4/32"},
	} {
		if at(pair[0]) < 0 || at(pair[0]) > at(pair[1]) {
			t.Errorf("%s is not before %s: %q", pair[0], pair[1], g.order)
		}
	}
}

func TestStagesLeaveNothingOut(t *testing.T) {
	seen := small().Resources(memberA, home)
	for n := range len(seen) + 1 {
		count := 0
		for _, stage := range stages(seen[:n]) {
			for _, group := range stage {
				count += len(group)
			}
		}
		if count != n {
			t.Errorf("of %d, %d are stored", n, count)
		}
	}
}

// failing is a Store that stores no resource. It counts the tries.
type failing struct {
	Store
	tries int
}

func (f *failing) Observe(context.Context, *ipam.Discovery, []*ipam.IPAM, ipam.Resource, int64) (bool, error) {
	f.tries++
	return false, errors.New("the table is down")
}

// A run stops after 5 resources that it could not store.
func TestRunStopsAfterFiveFailures(t *testing.T) {
	w := newEnv(t)
	n := w.cloud.Network(memberA, home)
	n.VPCs, n.Subnets, n.Addresses, n.Interfaces, n.Pools = nil, nil, nil, nil, nil
	for i := range 20 { // on the same CIDR, so that they are stored one after the other
		n.VPCs = append(n.VPCs, vpc(fmt.Sprintf("vpc-%02d", i), "10.50.0.0/24"))
	}
	h := w.handler()
	f := &failing{Store: h.store}
	h.store = f
	if r, err := h.Handle(t.Context(), w.message(memberA, home)); err != nil || len(r.BatchItemFailures) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	if f.tries != 5 {
		t.Errorf("%d tries, want 5", f.tries)
	}
}

// A resource that a run does not see stays for 2 minutes after it was stored.
func TestUnseenResourceStaysForTwoMinutes(t *testing.T) {
	for after, stays := range map[time.Duration]bool{119 * time.Second: true, 121 * time.Second: false} {
		w := newEnv(t)
		n := w.cloud.Network(memberA, home)
		n.VPCs, n.Subnets, n.Addresses, n.Interfaces, n.Pools = []types.Vpc{vpc("vpc-1", "10.50.0.0/24")}, nil, nil, nil, nil
		w.runNow(t.Context(), memberA)
		n.VPCs = nil
		w.now = w.now.Add(after)
		w.runNow(t.Context(), memberA)
		if got := w.found(memberA, "vpc-1", "10.50.0.0/24") != nil; got != stays {
			t.Errorf("after %s it is known: %t, want %t", after, got, stays)
		}
	}
}
