package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const pendingCIDR = "10.200.0.0/24"

// vended reserves space for a VPC of account A and records EC2's answer for it. of is the
// id that the request names, "" for a new VPC.
func (w *env) vended(of, id, association string) {
	w.Helper()
	ctx := context.Background()
	a := must(w.store().Allocate(ctx, store.Allocate{
		Token: store.Token{Account: memberA, Operation: "CreateVpc"}, Pool: w.pool,
		Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(pendingCIDR)},
		For:     &ipam.Resource{Type: ipam.ResourceVPC, ID: of, Region: home}, May: func(*ipam.Pool) error { return nil },
	}))(w)
	must(0, w.store().Bind(ctx, a, store.Made{ID: id, Association: association, At: w.now.Unix()}))(w)
	fscktest.Clean(w, w.table, w.now)
}

// held reports whether the space that vended reserved is allocated.
func (w *env) held() bool {
	w.Helper()
	all, _, err := w.store().Allocations(context.Background(), w.pool, "", 0)
	if err != nil {
		w.Fatal(err)
	}
	return slices.ContainsFunc(all, func(a *ipam.Allocation) bool { return a.CIDR.String() == pendingCIDR })
}

const (
	created       = `{"vpc": {"vpcId": "vpc-new"}}`
	disassociated = `{"DisassociateVpcCidrBlockResponse": {"vpcId": "vpc-012", "cidrBlockAssociation": {"cidrBlock": "10.200.0.0/24", "cidrBlockState": {"state": "disassociating"}}}}`
)

// The events of a VPC that was deleted before discovery saw it come in any order, late
// and twice, and EC2 may still show the VPC: the space is free with the deletion's event.
func TestEventsFreePendingSpace(t *testing.T) {
	for _, lag := range []bool{false, true} { // EC2 shows the VPC after its deletion
		for _, order := range []string{"D", "C D", "D C", "D D", "D C D C", "C C D"} {
			t.Run(fmt.Sprintf("%s, shown %t", order, lag), func(t *testing.T) {
				w := newEnv(t)
				w.run(t.Context(), memberA)
				w.vended("", "vpc-new", "vpc-cidr-assoc-1")
				n := w.cloud.Network(memberA, home)
				if lag {
					n.VPCs = append(n.VPCs, vpc("vpc-new", pendingCIDR))
				}
				for _, e := range strings.Fields(order) {
					name, request, response := "DeleteVpc", `{"vpcId": "vpc-new"}`, `{}`
					if e == "C" {
						name, request, response = "CreateVpc", `{}`, created
					}
					if err := w.event(memberA, name, request, response); err != nil {
						t.Fatal(err)
					}
					if e == "D" && !strings.HasPrefix(order, "C") && w.held() {
						t.Error("the space is held after the event")
					}
					fscktest.Clean(t, w.table, w.now)
				}
				if lag {
					n.VPCs = n.VPCs[:len(n.VPCs)-1]
				}
				w.finish()
				w.run(t.Context(), memberA)
				w.finish()
				w.agrees(memberA)
				if w.held() {
					t.Error("the space is held in the end")
				}
			})
		}
	}
}

// The event of a disassociation frees the CIDR of that association, and of no other.
func TestEventsFreePendingAssociations(t *testing.T) {
	for association, free := range map[string]bool{"vpc-cidr-assoc-1": true, "vpc-cidr-assoc-2": false} {
		w := newEnv(t)
		w.run(t.Context(), memberA)
		w.vended("vpc-012", "vpc-012", "vpc-cidr-assoc-1")
		if err := w.event(memberA, "DisassociateVpcCidrBlock", `{"DisassociateVpcCidrBlockRequest": {"AssociationId": "`+association+`"}}`, disassociated); err != nil {
			t.Fatal(err)
		}
		if w.held() == free {
			t.Errorf("%s: the space is free: %t", association, !free)
		}
		w.agrees(memberA)
	}
}

// An event of another source, or of another account, frees nothing.
func TestOnlyEC2sEventsFreePendingSpace(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	w.vended("", "vpc-new", "")
	detail := json.RawMessage(`{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpc", "requestParameters": {"vpcId": "vpc-new"}}`)
	if _, err := w.handler().Handle(t.Context(), Event{EventBridgeEvent: events.EventBridgeEvent{
		DetailType: discover.CallDetailType, Source: "my.own", AccountID: memberA, Region: home, Detail: detail,
	}}); err != nil {
		t.Fatal(err)
	}
	if err := w.event(memberB, "DeleteVpc", `{"vpcId": "vpc-new"}`, `{}`); err != nil {
		t.Fatal(err)
	}
	if !w.held() {
		t.Error("the space is free")
	}
}

// Without an event, the first run that begins after EC2's lag frees the space, by EC2's
// clock alone. The function's own clock may be hours off.
func TestRunFreesPendingSpace(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration // of the VPC, by EC2's clock
		skew  time.Duration // of EC2's clock
		shows int           // the read by id that shows the VPC, 0 for none
		free  bool
	}{
		"after the lag":           {2*time.Minute + time.Second, 0, 0, true},
		"before it":               {2*time.Minute - 2*time.Second, 0, 0, false},
		"EC2's clock is behind":   {3 * time.Minute, -5 * time.Hour, 0, true},
		"EC2's clock is ahead":    {time.Minute, 5 * time.Hour, 0, false},
		"shown by the first read": {3 * time.Minute, 0, 1, false},
		"shown by the second":     {3 * time.Minute, 0, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.run(t.Context(), memberA)
			before := w.now
			w.now = before.Add(c.skew)
			made := w.now
			w.vended("", "vpc-new", "")
			w.now = before
			w.cloud.Now = func() time.Time { return made.Add(c.age) }
			n := w.cloud.Network(memberA, home)
			reads := 0 // by id, after the whole read
			w.cloud.Answer = func(call discovertest.Call) {
				if call.Name == "DescribeNetworkInterfaces" && reads == 0 { // the last of the whole read
					reads = 1
				}
			}
			w.onSleep = func() { reads = 2 }
			w.cloud.Fault = func(call discovertest.Call) *discovertest.Fault {
				if call.Name == "DescribeVpcs" && c.shows > 0 && reads == c.shows {
					c.shows = 0
					n.VPCs = append(n.VPCs, types.Vpc{VpcId: ptr("vpc-new"), CidrBlock: ptr(pendingCIDR)})
				}
				return nil
			}
			if !w.runNow(t.Context(), memberA) {
				t.Error("the run is not done")
			}
			if w.held() == c.free {
				t.Errorf("the space is free: %t", !c.free)
			}
			fscktest.Clean(t, w.table, w.now)
		})
	}
}

// vendedSubnet reserves space for a subnet of account A, out of the planning pool of a VPC,
// and records EC2's answer for it. It returns the pool.
func (w *env) vendedSubnet(id, cidr string) (pool string) {
	w.Helper()
	ctx := context.Background()
	n := w.cloud.Network(memberA, home)
	n.VPCs = append(n.VPCs, vpc("vpc-plan", "10.201.0.0/16"))
	w.run(ctx, memberA)
	w.finish()
	plan := must(w.store().CreatePool(ctx, store.Token{Account: owner, Operation: "CreateIpamPool", Value: "plan"}, ipam.Pool{
		Scope: w.ipam.PrivateScope, Family: ipam.IPv4, SourcePool: w.pool, Locale: home, SourceResource: &ipam.SourceResource{ID: "vpc-plan", Owner: memberA, Region: home},
	}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(w)
	must(w.store().Provision(ctx, store.Provision{Token: token("ProvisionIpamPoolCidr"), Pool: plan.ID, CIDR: netip.MustParsePrefix("10.201.0.0/16"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}))(w)
	a := must(w.store().Allocate(ctx, store.Allocate{
		Token: store.Token{Account: memberA, Operation: "CreateSubnet"}, Pool: plan.ID, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix(cidr)},
		For: &ipam.Resource{Type: ipam.ResourceSubnet, VPC: "vpc-plan", Region: home}, May: func(*ipam.Pool) error { return nil },
	}))(w)
	must(0, w.store().Bind(ctx, a, store.Made{ID: id, At: w.now.Unix()}))(w)
	return plan.ID
}

// allocatedIn returns the number of a pool's allocations.
func (w *env) allocatedIn(pool string) int {
	w.Helper()
	all, _, err := w.store().Allocations(context.Background(), pool, "", 0)
	if err != nil {
		w.Fatal(err)
	}
	return len(all)
}

// An event frees the space of its VPC, subnet or association before the function waits or
// asks EC2. So the space is free within the 3 s in which the queue gathers a batch, and
// far within 10 s.
func TestEventFreesPendingSpaceAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		prepare                 func(*env) (pool string)
		call, request, response string
	}{
		"VPC": {func(w *env) string { w.run(t.Context(), memberA); w.vended("", "vpc-new", ""); return w.pool }, "DeleteVpc", `{"vpcId": "vpc-new"}`, `{}`},
		"association": {func(w *env) string {
			w.run(t.Context(), memberA)
			w.vended("vpc-012", "vpc-012", "vpc-cidr-assoc-1")
			return w.pool
		}, "DisassociateVpcCidrBlock", `{"DisassociateVpcCidrBlockRequest": {"AssociationId": "vpc-cidr-assoc-1"}}`, disassociated},
		"subnet": {func(w *env) string { return w.vendedSubnet("subnet-new", "10.201.7.0/24") }, "DeleteSubnet", `{"subnetId": "subnet-new"}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			pool := c.prepare(w)
			before, asked := w.allocatedIn(pool), 0
			free := func() {
				if got := w.allocatedIn(pool); got != before-1 {
					t.Errorf("%d allocations when the function waits or asks EC2, %d before", got, before)
				}
			}
			w.onSleep = free
			w.cloud.Answer = func(discovertest.Call) { asked++; free() }
			if err := w.event(memberA, c.call, c.request, c.response); err != nil {
				t.Fatal(err)
			}
			if asked == 0 {
				t.Error("EC2 was not asked, so nothing was shown")
			}
			fscktest.Clean(t, w.table, w.now)
		})
	}
}

// Without an event, a run after EC2's lag frees the space of a subnet, and of a CIDR that
// its VPC does not have any more.
func TestRunFreesSubnetsAndAssociations(t *testing.T) {
	for name, prepare := range map[string]func(*env) (pool string){
		"subnet":      func(w *env) string { return w.vendedSubnet("subnet-new", "10.201.7.0/24") },
		"association": func(w *env) string { w.vended("vpc-012", "vpc-012", "vpc-cidr-assoc-1"); return w.pool },
	} {
		for age, free := range map[time.Duration]bool{2*time.Minute - 2*time.Second: false, 2*time.Minute + time.Second: true} {
			w := newEnv(t)
			w.run(t.Context(), memberA)
			pool := prepare(w)
			made, before := w.now, w.allocatedIn(pool)
			w.cloud.Now = func() time.Time { return made.Add(age) }
			if !w.runNow(t.Context(), memberA) {
				t.Error("the run is not done")
			}
			if got := w.allocatedIn(pool) == before-1; got != free {
				t.Errorf("%s, %s after it was made: free %t", name, age, got)
			}
			// Late events of a deleted resource record nothing; a VPC that only lost a CIDR
			// may get it again.
			k := items.DeletedKey(memberA, map[string]string{"subnet": "subnet-new", "association": "vpc-012"}[name])
			read, err := w.table.BatchGet(t.Context(), []table.Key{k})
			if deleted := read[k] != nil; err != nil || deleted != (free && name == "subnet") {
				t.Errorf("%s, %s after it was made: recorded as deleted %t, %v", name, age, deleted, err)
			}
			fscktest.Clean(t, w.table, w.now)
		}
	}
}
