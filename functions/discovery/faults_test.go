package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

// Every call of AWS that a run makes: refused, throttled, broken, silent. Nothing
// is forgotten, though much is gone; the account says why; the other account's run
// is as ever; and the next run heals.
func TestFaultsOfAWS(t *testing.T) {
	trace := newWorld(t)
	trace.cloud.PageSize = 2
	trace.run(t.Context(), memberA)
	calls := trace.cloud.Made
	if len(calls) < 9 || calls[0].Name != "AssumeRole" {
		t.Fatalf("a run makes the calls %v", calls)
	}
	for _, fails := range calls {
		for kind, f := range map[string]discovertest.Fault{
			"refused":   {Status: 403, Code: "UnauthorizedOperation"},
			"throttled": {Status: 503, Code: "Throttling"},
			"broken":    {Status: 500, Code: "InternalFailure"},
			"silent":    {Hang: true},
		} {
			t.Run(fmt.Sprintf("%s page %d %s", fails.Name, fails.Page, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.cloud.PageSize = 2
					w.run(t.Context(), memberA)
					w.run(t.Context(), memberB)
					before := w.progress(memberA)
					known := w.known(memberA)
					deleteVPC(w.cloud.Network(memberA, home))
					deleteVPC(w.cloud.Network(memberB, home))
					struck := false
					w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
						if struck || c != fails {
							return nil
						}
						struck = true
						return &f
					}
					if !w.run(t.Context(), memberA) {
						t.Error("the message comes again, though the account has the failure")
					}
					if diff := cmp.Diff(w.known(memberA), known); struck && diff != "" {
						t.Errorf("-known +before:\n%s", diff)
					}
					after := w.progress(memberA)
					code := map[bool]string{true: discover.ThrottlingFailure, false: discover.UnauthorizedFailure}[kind != "refused"]
					if kind == "refused" && fails.Name == "AssumeRole" {
						code = discover.AssumeRoleFailure
					}
					if struck && (after.FailureCode != code || after.Failure == "" || after.Succeeded != before.Succeeded || after.Attempted <= before.Attempted) {
						t.Errorf("the account is at %+v", after)
					}
					w.cloud.Lock() // of what is silent, something may still be under way
					w.cloud.Fault = nil
					w.cloud.Unlock()
					if !w.run(t.Context(), memberB) {
						t.Error("the other account's message is not done")
					}
					w.agrees(memberB)
					if !w.run(t.Context(), memberA) {
						t.Error("the next message is not done")
					}
					w.agrees(memberA)
					if p := w.progress(memberA); p.FailureCode != "" || p.Failure != "" || p.Succeeded != p.Attempted {
						t.Errorf("the account is at %+v", p)
					}
					time.Sleep(time.Hour) // for what was given up, but waits by itself
				})
			})
		}
	}
}

// small is a network with one of everything that holds another.
func small() *discover.Seen {
	return &discover.Seen{
		VPCs:       []types.Vpc{vpc("vpc-1", "10.1.0.0/16"), vpc("vpc-2", "10.2.0.0/16")},
		Subnets:    []types.Subnet{{SubnetId: ptr("subnet-1"), VpcId: ptr("vpc-1"), CidrBlock: ptr("10.1.0.0/24")}},
		Interfaces: []types.NetworkInterface{{NetworkInterfaceId: ptr("eni-1"), VpcId: ptr("vpc-1"), SubnetId: ptr("subnet-1"), PrivateIpAddress: ptr("10.1.0.4")}},
	}
}

// Every call of the table, made in vain or with its answer lost, in a run that
// takes in and forgets and in an event: nothing that lives is forgotten, the
// message or the event comes again unless all is done, and then all agrees.
func TestFaultsOfTheTable(t *testing.T) {
	for name, act := range map[string]func(*world) (done bool){
		"run": func(w *world) bool { return w.run(w.Context(), memberA) },
		"event": func(w *world) bool {
			return w.event(memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-1"}, {"resourceId": "vpc-3"}]}}`, `{}`) == nil
		},
	} {
		prepare := func(t *testing.T) *world {
			w := newWorld(t)
			w.cloud.Networks[memberA+" "+home] = small()
			w.run(t.Context(), memberA)
			n := w.cloud.Network(memberA, home)
			n.VPCs = []types.Vpc{n.VPCs[1], vpc("vpc-3", "10.1.0.0/17")}
			n.Subnets, n.Interfaces = nil, nil
			w.later() // the event names a VPC that is gone, and does not say so
			return w
		}
		trace := prepare(t)
		faulty := &storetest.Faulty{Table: trace.table}
		trace.on = faulty
		if !act(trace) || slices.Contains(trace.known(memberA), "vpc-1 10.1.0.0/16") {
			t.Fatalf("%s: not done", name)
		}
		calls := faulty.Trace()
		if len(calls) < 20 {
			t.Fatalf("%s makes %d calls", name, len(calls))
		}
		for _, fails := range calls {
			for _, applied := range []bool{false, true} {
				w := prepare(t)
				w.on = &storetest.Faulty{Table: w.table, Inject: func(c storetest.Call) *storetest.Fault {
					if c.Kind != fails.Kind || c.N != fails.N {
						return nil
					}
					return &storetest.Fault{Err: storetest.ErrInjected, Applied: applied}
				}}
				where := fmt.Sprintf("%s, %s, applied %t", name, fails, applied)
				done := act(w)
				if !slices.Contains(w.known(memberA), "vpc-2 10.2.0.0/16") {
					t.Errorf("%s: what lives was forgotten", where)
				}
				w.on = w.table
				if !done && !act(w) {
					t.Errorf("%s: the next is not done", where)
				}
				w.finish()
				if name == "run" {
					w.agrees(memberA)
				} else {
					w.agrees()
				}
				if t.Failed() {
					t.Fatal(where)
				}
			}
		}
	}
}

// Credentials of a role that was made anew are refused: the next run has others.
func TestRefusedCredentialsAreNotUsedAgain(t *testing.T) {
	w := newWorld(t)
	h := w.handler()
	assumed := func() (n int) {
		for _, c := range w.cloud.Made {
			if c.Name == "AssumeRole" {
				n++
			}
		}
		return n
	}
	for i, fault := range []*discovertest.Fault{nil, nil, {Status: 401, Code: "AuthFailure"}, nil} {
		w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
			if c.Service == "ec2" {
				return fault
			}
			return nil
		}
		if _, err := h.Handle(t.Context(), w.message(memberA, home)); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 1, 2}[i]; assumed() != want {
			t.Errorf("after run %d the role was assumed %d times, want %d", i, assumed(), want)
		}
	}
	w.agrees(memberA)
}

// A table that is away is left alone after a few failures.
func TestRunLeavesOff(t *testing.T) {
	w := newWorld(t)
	w.run(t.Context(), memberA)
	n := w.cloud.Network(memberA, home)
	for i := range 20 {
		n.VPCs = append(n.VPCs, vpc(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.50.%d.0/24", i)))
	}
	n.Interfaces = nil
	known := w.known(memberA)
	transactions := 0
	w.on = &storetest.Faulty{Table: w.table, Inject: func(c storetest.Call) *storetest.Fault {
		if c.Kind != storetest.Transact {
			return nil
		}
		if transactions++; transactions == 1 {
			return nil // the account's row
		}
		return &storetest.Fault{Err: errors.New("away")}
	}}
	if w.run(t.Context(), memberA) {
		t.Error("the message is done")
	}
	if transactions > 1+tooMany*5 {
		t.Errorf("%d transactions", transactions)
	}
	if diff := cmp.Diff(w.known(memberA), known); diff != "" {
		t.Errorf("-known +before:\n%s", diff)
	}
	w.on = w.table
	w.run(t.Context(), memberA)
	w.agrees(memberA)
}

// What the invocation's end leaves undone is the next message's, without a
// failure of the account.
func TestDeadline(t *testing.T) {
	for name, at := range map[string]string{"while EC2 is silent": "DescribeSubnets", "while STS is silent": "AssumeRole"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), margin+10*time.Second)
				defer cancel()
				w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
					if c.Name == at {
						return &discovertest.Fault{Hang: true}
					}
					return nil
				}
				if w.run(ctx, memberA) {
					t.Error("the message is done")
				}
				if took := time.Since(begin); took != 10*time.Second {
					t.Errorf("answered after %s", took)
				}
				if p := w.progress(memberA); p != nil {
					t.Errorf("the account is at %+v", p)
				}
				time.Sleep(time.Hour)
			})
		})
	}
	t.Run("between two resources", func(t *testing.T) {
		w := newWorld(t)
		w.run(t.Context(), memberA)
		n := w.cloud.Network(memberA, home)
		n.VPCs = append(n.VPCs, vpc("vpc-a", "10.50.0.0/16"), vpc("vpc-b", "10.51.0.0/16"))
		n.Interfaces = nil
		known := w.known(memberA)
		ctx, cancel := context.WithCancel(t.Context())
		transactions := 0
		w.on = &storetest.Faulty{Table: w.table, Inject: func(c storetest.Call) *storetest.Fault {
			if c.Kind == storetest.Transact {
				if transactions++; transactions == 2 {
					cancel()
				}
			}
			return nil
		}}
		before := w.progress(memberA)
		if w.run(ctx, memberA) {
			t.Error("the message is done")
		}
		if p := w.progress(memberA); p.Succeeded != before.Succeeded || p.FailureCode != "" {
			t.Errorf("the account is at %+v", p)
		}
		for _, k := range known {
			if !slices.Contains(w.known(memberA), k) {
				t.Errorf("%s was forgotten", k)
			}
		}
		w.on = w.table
		w.run(t.Context(), memberA)
		w.finish()
		w.agrees(memberA)
	})
}
