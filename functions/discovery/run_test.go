package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// gate is a Store in which what is being taken in waits for company, and which
// notes who had some.
type gate struct {
	Store
	mu     sync.Mutex
	inside []string
	met    map[string]bool // pairs that were inside together
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
	if len(g.inside) > atOnce {
		g.met[fmt.Sprint("too many: ", len(g.inside))] = true
	}
	g.mu.Unlock()
	time.Sleep(20 * time.Millisecond) // the others come meanwhile
	did, err := g.Store.Observe(ctx, d, ipams, r, at)
	g.mu.Lock()
	g.inside = slices.DeleteFunc(g.inside, func(n string) bool { return n == name })
	g.mu.Unlock()
	return did, err
}

// A run takes in at once what is apart, and what overlaps one by one, the holder
// first; interfaces when all that they may be in is there.
func TestRunTakesInAtOnceWhatIsApart(t *testing.T) {
	w := newWorld(t)
	n := small()
	n.VPCs = append(n.VPCs, vpc("vpc-3", "10.1.0.0/17"), vpc("vpc-4", "10.4.0.0/16"), vpc("vpc-5", "10.5.0.0/16"))
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
		"vpc-1 10.1.0.0/16 with vpc-3 10.1.0.0/17", "vpc-1 10.1.0.0/16 with subnet-1 10.1.0.0/24", "subnet-1 10.1.0.0/24 with eni-1 10.1.0.4/32", "too many: 5",
	} {
		if g.met[apart] {
			t.Errorf("%s", apart)
		}
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
			for _, nest := range stage {
				count += len(nest)
			}
		}
		if count != n {
			t.Errorf("of %d, %d are taken in", n, count)
		}
	}
}
