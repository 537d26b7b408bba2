package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// act is an act of a stack on the network, with its preparation.
type act struct {
	name    string
	prepare func(*env, string, string)
	do      func(w *env, scope, top string) string // the reason of its failure, if it fails
}

func acts() []act {
	inline := func(scope, top string, cidrs ...string) properties {
		var list []any
		for _, c := range cidrs {
			list = append(list, properties{"Cidr": c})
		}
		return properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": list}
	}
	none := func(*env, string, string) {}
	allocation := func(w *env, _, top string) {
		w.must("Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
	}
	return []act{
		{"allocate", none, func(w *env, _, top string) string {
			return w.deploy("Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
		}},
		{"replace an allocation", allocation, func(w *env, _, top string) string {
			return w.deploy("Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 26})
		}},
		{"provision", func(w *env, scope, top string) { w.must("Custom::IpamPool", "P", inline(scope, top)) }, func(w *env, _, _ string) string {
			return w.deploy("Custom::IpamPoolCidr", "X", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 22})
		}},
		{"make a pool", none, func(w *env, scope, top string) string {
			return w.deploy("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/22", "10.0.32.0/22"))
		}},
		{"make a pool that cannot be", none, func(w *env, scope, top string) string {
			return w.deploy("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/22", "10.1.0.0/22"))
		}},
		{"change a pool's CIDRs", func(w *env, scope, top string) {
			w.must("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/22", "10.0.32.0/22"))
		},
			func(w *env, scope, top string) string {
				return w.deploy("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/23", "10.0.48.0/22"))
			}},
		{"replace a pool", func(w *env, scope, top string) { w.must("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/22")) },
			func(w *env, scope, top string) string {
				p := inline(scope, top, "10.0.32.0/22")
				p["Locale"] = "eu-west-1"
				return w.deploy("Custom::IpamPool", "X", p)
			}},
		{"make a scope", none, func(w *env, _, _ string) string {
			return w.deploy("Custom::IpamScope", "X", properties{"IpamId": w.standing["Ipam"].id, "Tags": tagsOf("a", "b")})
		}},
		{"allocate by a selector and a key", none, func(w *env, _, _ string) string {
			return w.deploy("Custom::IpamAllocation", "X", properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 24, "StableKey": "k"})
		}},
		{"change a pool in place", func(w *env, scope, top string) {
			p := inline(scope, top, "10.0.16.0/22")
			p["Tags"] = tagsOf("a", "1", "b", "2")
			w.must("Custom::IpamPool", "X", p)
		},
			func(w *env, scope, top string) string {
				p := inline(scope, top, "10.0.16.0/22")
				p["Tags"], p["Description"] = tagsOf("a", "2", "c", "3"), "d"
				return w.deploy("Custom::IpamPool", "X", p)
			}},
		{"change a scope", func(w *env, _, _ string) {
			w.must("Custom::IpamScope", "X", properties{"IpamId": w.standing["Ipam"].id, "Tags": tagsOf("a", "b")})
		},
			func(w *env, _, _ string) string {
				return w.deploy("Custom::IpamScope", "X", properties{"IpamId": w.standing["Ipam"].id, "Description": "d", "Tags": tagsOf("c", "d")})
			}},
		{"make an IPAM", func(w *env, _, _ string) { w.remove("Top"); w.remove("Ipam") }, func(w *env, _, _ string) string {
			return w.deploy("Custom::Ipam", "X", properties{"Description": "d", "DefaultResourceDiscoveryOrganizationalUnitExclusions": []any{properties{"OrganizationsEntityPath": "o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/"}}})
		}},
		{"change an IPAM", func(w *env, _, _ string) {
			w.remove("Top")
			w.remove("Ipam")
			w.must("Custom::Ipam", "X", properties{"Description": "d", "OperatingRegions": []any{properties{"RegionName": "eu-west-1"}}})
		},
			func(w *env, _, _ string) string {
				return w.deploy("Custom::Ipam", "X", properties{"OperatingRegions": []any{properties{"RegionName": "eu-west-2"}}, "Tags": tagsOf("a", "b"),
					"DefaultResourceDiscoveryOrganizationalUnitExclusions": []any{properties{"OrganizationsEntityPath": "o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/"}}})
			}},
		{"release", allocation, func(w *env, _, _ string) string { return w.tryRemove("X") }},
		{"deprovision", func(w *env, scope, top string) {
			w.must("Custom::IpamPool", "P", inline(scope, top))
			w.must("Custom::IpamPoolCidr", "X", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 22})
		},
			func(w *env, _, _ string) string { return w.tryRemove("X") }},
		{"delete a pool", func(w *env, scope, top string) {
			w.must("Custom::IpamPool", "X", inline(scope, top, "10.0.16.0/22", "10.0.32.0/22"))
		},
			func(w *env, _, _ string) string { return w.tryRemove("X") }},
		{"delete a scope", func(w *env, _, _ string) {
			w.must("Custom::IpamScope", "X", properties{"IpamId": w.standing["Ipam"].id})
		},
			func(w *env, _, _ string) string { return w.tryRemove("X") }},
		{"delete an IPAM", func(w *env, _, _ string) {
			w.remove("Top")
			w.remove("Ipam")
			w.must("Custom::Ipam", "X", properties{})
		},
			func(w *env, _, _ string) string { return w.tryRemove("X") }},
	}
}

// tryRemove deletes a resource of the stack, which has it still if that fails.
func (w *env) tryRemove(logical string) (reason string) {
	w.Helper()
	s := w.standing[logical]
	e := w.event(cfn.RequestDelete, s.kind, logical, s.properties)
	a := w.send(e)
	if a.Status == cfn.StatusSuccess {
		delete(w.standing, logical)
		return ""
	}
	if a.PhysicalResourceID != s.id || a.Reason == "" {
		w.Fatalf("the delete of %s is answered with %+v", s.id, a)
	}
	return a.Reason
}

// undo removes the objects of an act. It fails the test unless the content is then that
// of the start, or empty if prepare has removed the network.
func (w *env) undo(start string) {
	w.Helper()
	for _, logical := range []string{"X", "P"} {
		if w.standing[logical] != nil {
			w.remove(logical)
		}
	}
	if w.standing["Top"] == nil {
		start = newEnv(w.T).content()
	}
	w.same(start)
}

// faults holds the faults of a run, while the first request of the act is served: the
// calls of the table at these positions, counted over all kinds, and all calls from outage
// on, if that is not negative.
type faults struct {
	at      map[int]bool
	outage  int
	applied bool
}

func (f faults) String() string {
	return fmt.Sprintf("%v, outage from %d, applied %t", f.at, f.outage, f.applied)
}

// run does an act with faults and then undoes it, and fails the test unless the
// table is as it was. It returns how many calls of the table the first request
// made.
func run(t *testing.T, a act, f faults) int {
	t.Helper()
	w := newEnv(t)
	scope, top := w.network()
	start := w.content()
	a.prepare(w, scope, top)
	prepared := w.content()
	first, calls := w.requests+1, 0
	var mu sync.Mutex // the store reads side by side
	w.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if w.requests > first {
			return nil // the table is back when CloudFormation cleans up
		}
		n := calls
		calls++
		if f.at[n] || f.outage >= 0 && n >= f.outage {
			return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: f.applied && (f.at[n] || n == f.outage)}
		}
		return nil
	}
	reason := a.do(w, scope, top)
	w.faulty.Inject = nil
	if x := w.standing["X"]; reason != "" && x == nil {
		w.same(prepared)
	}
	if t.Failed() {
		t.Fatalf("%s with faults at %s; the reason was %q", a.name, f, reason)
	}
	w.undo(start)
	if t.Failed() {
		t.Fatalf("%s with faults at %s; the reason was %q", a.name, f, reason)
	}
	return calls
}

// Each call of the table fails in turn while a request is served, applied or not, alone,
// with another one, or with all that follow. In the end nothing is lost and nothing is
// left.
func TestFaults(t *testing.T) {
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			calls := run(t, a, faults{outage: -1})
			if calls == 0 {
				t.Fatal("the act makes no call")
			}
			for _, applied := range []bool{false, true} {
				for i := range calls {
					run(t, a, faults{outage: i, applied: applied})
					for j := i; j < calls; j++ {
						run(t, a, faults{at: map[int]bool{i: true, j: true}, outage: -1, applied: applied})
					}
				}
			}
		})
	}
}

// A create whose outcome could not be found out is answered with an id whose
// Delete finds it out.
func TestUnfinished(t *testing.T) {
	for _, applied := range []bool{false, true} {
		w := newEnv(t)
		_, top := w.network()
		before := w.content()
		var failing atomic.Bool
		w.faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == tabletest.Transact {
				failing.Store(true)
			}
			if failing.Load() {
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied && c.Kind == tabletest.Transact}
			}
			return nil
		}
		e := w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
		a := w.send(e)
		if a.Status != cfn.StatusFailed || !strings.HasPrefix(a.PhysicalResourceID, "unfinished:") || !strings.HasPrefix(a.Reason, "InternalError: ") || strings.Contains(a.Reason, "injected") {
			t.Errorf("applied %t: %+v", applied, a)
		}
		w.faulty.Inject = nil
		if changed := w.content() != before; changed != applied {
			t.Errorf("applied %t, and the table has changed: %t", applied, changed)
		}
		unfinished := w.table.Clone()
		for name, p := range map[string]properties{
			"the create's properties":   e.ResourceProperties,
			"another length":            {"IpamPoolId": top, "NetmaskLength": 25},
			"properties of a roll-back": {"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24},
			"unreadable ones":           {"Colour": "red"},
		} {
			w.table = unfinished.Clone()
			w.faulty.Table = w.table
			for range 2 {
				w.end("Custom::IpamAllocation", "X", a.PhysicalResourceID, p)
				if w.content() != before {
					t.Errorf("applied %t, deleted with %s: something is left", applied, name)
				}
			}
		}
	}
}

// A stack that is rolled back before a create is answered deletes by an id that
// CloudFormation makes up, be it behind the create or before its end.
func TestCancelledCreate(t *testing.T) {
	for _, c := range []struct {
		name  string
		looks bool // more than once: something may be made yet
		p     func(top string) properties
		kind  string // of an allocation, if none is given
	}{
		{name: "of a pool", looks: true, p: func(top string) properties { return properties{"IpamPoolId": top, "NetmaskLength": 24} }},
		{name: "by a selector and a key", looks: true, p: func(string) properties {
			return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 24, "StableKey": "k"}
		}},
		{name: "by a selector that nothing meets", p: func(string) properties {
			return properties{"IpamPoolSelector": properties{"Description": "bottom"}, "NetmaskLength": 24}
		}},
		{name: "of a pool that is not there", looks: true, p: func(string) properties {
			return properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24}
		}},
		{name: "that could not be read", p: func(string) properties { return properties{"Colour": "red"} }},
		{name: "of an IPAM", looks: true, kind: "Custom::Ipam", p: func(string) properties { return properties{"Description": "x"} }},
		{name: "of an IPAM too many", looks: true, kind: "Custom::Ipam", p: func(string) properties { return properties{"Description": "x"} }},
		{name: "of a scope", looks: true, kind: "Custom::IpamScope", p: func(string) properties { return properties{"IpamId": "IPAM", "Tags": tagsOf("a", "b")} }},
		{name: "of a pool with CIDRs", looks: true, kind: "Custom::IpamPool", p: func(top string) properties {
			return properties{"IpamScopeId": "SCOPE", "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/20"}}}
		}},
		{name: "of a pool under one that is selected", looks: true, kind: "Custom::IpamPool", p: func(string) properties {
			return properties{"AddressFamily": "ipv4", "IpamPoolSelector": properties{"Description": "top"}}
		}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", c.name, late), func(t *testing.T) {
				w := newEnv(t)
				scope, top := w.network()
				kind, p := cmp.Or(c.kind, "Custom::IpamAllocation"), c.p(top)
				if c.name == "of an IPAM" { // there may be one
					w.remove("Top")
					w.remove("Ipam")
				} else {
					w.must("Custom::IpamAllocation", "Other", properties{"IpamPoolId": top, "NetmaskLength": 24})
					w.must("Custom::IpamScope", "Other scope", properties{"IpamId": w.standing["Ipam"].id})
				}
				if p["IpamId"] != nil {
					p["IpamId"] = w.standing["Ipam"].id
				}
				if p["IpamScopeId"] != nil {
					p["IpamScopeId"] = scope
				}
				before := w.content()
				create := w.event(cfn.RequestCreate, kind, "X", p)
				remove := w.event(cfn.RequestDelete, kind, "X", p)
				remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
				if !late {
					w.send(create)
				}
				asleep := 0
				w.h.o.Sleep = func(ctx context.Context, _ time.Duration) error {
					if asleep++; late && asleep == 3 {
						w.send(create)
					}
					return ctx.Err()
				}
				w.send(remove)
				deleted := w.bucket.answers[slices.IndexFunc(w.bucket.answers, func(a cfn.Response) bool { return a.RequestID == remove.RequestID })]
				if deleted.Status != cfn.StatusSuccess || deleted.PhysicalResourceID != remove.PhysicalResourceID {
					t.Errorf("%+v", deleted)
				}
				if c.looks != (asleep >= 3) && late {
					t.Errorf("the function looked %d times for the object", asleep)
				}
				w.same(before)
			})
		}
	}
}

// A cancelled create that still works on its object does not keep it.
func TestCancelledCreateGoesOn(t *testing.T) {
	for _, step := range []int{1, 2} { // after the creation of the pool
		w := newEnv(t)
		scope, top := w.network()
		before := w.content()
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}, properties{"Cidr": "10.0.32.0/20"}}}
		remove := w.event(cfn.RequestDelete, "Custom::IpamPool", "X", p)
		remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
		provisioned := 0
		w.spy = func(operation string, _ any) error {
			if operation == "ProvisionIpamPoolCidr" {
				if provisioned++; provisioned == step {
					w.send(remove)
				}
			}
			return nil
		}
		if a := w.send(w.event(cfn.RequestCreate, "Custom::IpamPool", "X", p)); a.Status != cfn.StatusFailed || a.PhysicalResourceID != "nothing-was-made" {
			t.Errorf("%d: the create has %+v", step, a)
		}
		w.same(before)

		// It may add to the pool while that is removed.
		w.spy = func(operation string, _ any) error {
			if operation == "DeleteIpamPool" && provisioned > 0 {
				provisioned = 0
				return ipam.Errorf(ipam.CodeDependencyViolation, "there is a CIDR")
			}
			return nil
		}
		provisioned = 1
		w.send(w.event(cfn.RequestCreate, "Custom::IpamPool", "X", p))
		if a := w.send(remove); a.Status != cfn.StatusSuccess || provisioned != 0 {
			t.Errorf("%d: removed %+v", step, a)
		}
		w.same(before)
	}
}

// An object that was kept when its resource left the stack has the tags of a later
// resource of the same name.
func TestCancelledCreateBesideAKeptObject(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	p := properties{"IpamPoolId": top, "NetmaskLength": 24}
	kept := w.must("Custom::IpamAllocation", "X", p).id
	delete(w.standing, "X")
	made := w.send(w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", p)).PhysicalResourceID
	before := w.content()
	remove := w.event(cfn.RequestDelete, "Custom::IpamAllocation", "X", p)
	remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
	if a := w.send(remove); a.Status != cfn.StatusFailed || !strings.Contains(a.Reason, kept) || !strings.Contains(a.Reason, made) {
		t.Errorf("%+v", a)
	}
	w.same(before)
}

// An account that shares a pool chooses the pool's tags.
func TestCancelledCreateTouchesNoOthersPool(t *testing.T) {
	const stranger = "999988887777"
	w := newEnv(t)
	scope, top := w.network()
	theirs := w.as(registry.Caller{Account: stranger, ARN: "arn:aws:iam::" + stranger + ":root"})
	ask := func(operation string, in any) any {
		t.Helper()
		out, err := theirs.Call(t.Context(), operation, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	i := ask("CreateIpam", &ec2.CreateIpamInput{ClientToken: aws.String("i")}).(*ec2.CreateIpamOutput).Ipam
	pool := ask("CreateIpamPool", &ec2.CreateIpamPoolInput{
		ClientToken: aws.String("p"), IpamScopeId: i.PrivateDefaultScopeId, AddressFamily: "ipv4",
		TagSpecifications: (&request{Event: &cfn.Event{StackID: w.stack, LogicalResourceID: "X"}}).tagSpecifications("ipam-pool", nil),
	}).(*ec2.CreateIpamPoolOutput).IpamPool.IpamPoolId
	ask("ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{ClientToken: aws.String("c"), IpamPoolId: pool, Cidr: aws.String("10.0.16.0/20")})
	ask("PutIpamPoolShare", &ops.PutIpamPoolShareInput{IpamPoolId: pool, Principal: aws.String(account)})
	p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}}}
	before := w.content()
	if !strings.Contains(before, *pool) {
		t.Fatal("it is not seen")
	}
	remove := w.event(cfn.RequestDelete, "Custom::IpamPool", "X", p)
	remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
	if a := w.send(remove); a.Status != cfn.StatusSuccess {
		t.Errorf("%+v", a)
	}
	w.same(before)
}

// The id of an unfinished update may name an object of another resource by mistake. That
// object stays, even if the stack does not have the id any more.
func TestUnfinishedOfAnothersObject(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	x := w.must("Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
	scope := w.must("Custom::IpamScope", "S", properties{"IpamId": w.standing["Ipam"].id})
	before := w.content()
	w.h.o.Stacks = stack{"DELETE_IN_PROGRESS", ""}
	w.end("Custom::IpamAllocation", "Y", "unfinished:5eed|"+top+"||"+x.id, x.properties)
	w.end("Custom::IpamScope", "Y", "unfinished:5eed|||"+scope.id, scope.properties)
	w.same(before)
	w.end("Custom::IpamScope", "S", "unfinished:5eed|||"+scope.id, scope.properties)
	if w.content() == before {
		t.Error("the resource's own object stays")
	}
}

// An update of a create that failed is a create.
func TestUpdateOfNothing(t *testing.T) {
	for _, id := range []string{"nothing-was-made", "unfinished:0123"} {
		w := newEnv(t)
		_, top := w.network()
		p := properties{"IpamPoolId": top, "NetmaskLength": 24}
		w.standing["X"] = &standing{"Custom::IpamAllocation", id, p, nil}
		if a := w.send(w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "X", p)); a.Status != cfn.StatusSuccess || a.Data["Cidr"] != "10.0.0.0/24" {
			t.Errorf("%s: %+v", id, a)
		}
		before := w.content()
		p["NetmaskLength"] = 8
		if a := w.send(w.event(cfn.RequestUpdate, "Custom::IpamAllocation", "X", p)); a.Status != cfn.StatusFailed || a.PhysicalResourceID != id {
			t.Errorf("%s: %+v", id, a)
		}
		w.same(before)
	}
}

// slow has the CIDRs of pools pass through states that the table has none of,
// and end in one.
type slow struct {
	Caller
	pending, end types.IpamPoolCidrState
	looks        *int // until the end
}

func (c slow) Call(ctx context.Context, operation string, in any) (any, error) {
	out, err := c.Caller.Call(ctx, operation, in)
	shown := func(s *types.IpamPoolCidr) {
		if *c.looks--; *c.looks > 0 {
			s.State = c.pending
		} else if c.end != "" {
			s.State, s.FailureReason = c.end, &types.IpamPoolCidrFailureReason{Message: aws.String("The moon is full.")}
		}
	}
	switch out := out.(type) {
	case *ec2.ProvisionIpamPoolCidrOutput:
		shown(out.IpamPoolCidr)
	case *ec2.DeprovisionIpamPoolCidrOutput:
		shown(out.IpamPoolCidr)
	case *ec2.GetIpamPoolCidrsOutput:
		for i := range out.IpamPoolCidrs {
			shown(&out.IpamPoolCidrs[i])
		}
	}
	return out, err
}

// The function waits for a slow API.
func TestWaits(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	pool := w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}).id
	caller := w.h.caller
	for _, c := range []struct {
		name          string
		end           types.IpamPoolCidrState
		reason, state string
	}{
		{"it comes", "", "", "provisioned"},
		{"it fails", types.IpamPoolCidrStateFailedProvision, "IncorrectState: The CIDR 10.0.0.0/24 is in the state failed-provision. The moon is full.", ""},
	} {
		looks := 4
		w.use(slow{caller, types.IpamPoolCidrStatePendingProvision, c.end, &looks})
		a := w.send(w.event(cfn.RequestCreate, "Custom::IpamPoolCidr", "X", properties{"IpamPoolId": pool, "Cidr": "10.0.0.0/24"}))
		if a.Reason != c.reason || c.state != "" && a.Data["State"] != c.state || looks > 0 {
			t.Errorf("%s, after %d looks left: %+v", c.name, looks, a)
		}
		looks = 4
		w.use(slow{caller, types.IpamPoolCidrStatePendingDeprovision, "", &looks})
		w.end("Custom::IpamPoolCidr", "X", a.PhysicalResourceID, properties{"IpamPoolId": pool, "Cidr": "10.0.0.0/24"})
	}
}

// A call that may succeed later is made again, after a read unless it was refused.
func TestTriesAgain(t *testing.T) {
	for _, c := range []struct {
		err          error
		tries, reads int
	}{
		{ipam.Errorf(ipam.CodeConcurrentMutationLimitExceeded, "busy"), 6, 0},
		{ipam.Errorf(ipam.CodeRequestLimitExceeded, "slow down"), 6, 0},
		{ipam.Errorf(ipam.CodeOutcomeUnknown, "perhaps"), 6, 6},
		{errors.New("connection reset"), 6, 6},
		{&ipam.Error{Code: "ThrottlingException", Message: "Rate exceeded"}, 6, 0},
		{ipam.Errorf(ipam.CodeDependencyViolation, "no"), 1, 0},
		{ipam.Errorf(ipam.CodeUnauthorizedOperation, "no"), 1, 0},
	} {
		w := newEnv(t)
		_, top := w.network()
		asked, reads := 0, 0
		w.spy = func(operation string, _ any) error {
			if operation != "ReleaseIpamPoolAllocation" {
				reads++
				return nil
			}
			asked++
			return c.err
		}
		x := w.must("Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
		reads = 0
		a := w.send(w.event(cfn.RequestDelete, "Custom::IpamAllocation", "X", x.properties))
		if asked != c.tries || reads != c.reads || a.Status != cfn.StatusFailed || a.PhysicalResourceID != x.id {
			t.Errorf("%v: asked %d times, want %d, with %d reads, want %d; %+v", c.err, asked, c.tries, reads, c.reads, a)
		}
	}
}

// waiting waits for the context's end on some operations.
type waiting struct {
	Caller
	on string
}

func (c waiting) Call(ctx context.Context, operation string, in any) (any, error) {
	if operation == c.on {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return c.Caller.Call(ctx, operation, in)
}

// The function answers before the invocation's end, and undoes its work.
func TestDeadline(t *testing.T) { synctest.Test(t, testDeadline) }

func testDeadline(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	before := w.content()
	caller := w.h.caller
	for _, c := range []struct {
		on, kind string
		p        properties
		id       string
	}{
		{"ProvisionIpamPoolCidr", "Custom::IpamPool", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/24"}}}, "nothing-was-made"},
		{"AllocateIpamPoolCidr", "Custom::IpamAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24}, "unfinished:"},
		{"DescribeIpamPools", "Custom::IpamAllocation", properties{"IpamPoolSelector": properties{"Locale": "None"}, "NetmaskLength": 24}, "nothing-was-made"},
	} {
		w.use(waiting{caller, c.on})
		w.h.o.Sleep = backoff.Sleep
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := w.h.Handle(ctx, w.event(cfn.RequestCreate, c.kind, "X", c.p)); err != nil || ctx.Err() != nil {
			t.Errorf("%s hangs: %v, %v", c.on, err, ctx.Err())
		}
		cancel()
		a := w.bucket.last()
		if a.Status != cfn.StatusFailed || !strings.Contains(a.Reason, "Unavailable: The work could not be done in the time") || !strings.HasPrefix(a.PhysicalResourceID, c.id) {
			t.Errorf("%s hangs: %+v", c.on, a)
		}
		w.same(before)
	}
}

// The answer's address is a secret, and its service may be out of order.
func TestAnswers(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	e := w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.bucket.refuse = sendTries - 1
	a := w.send(e)
	if a.Status != cfn.StatusSuccess {
		t.Fatalf("%+v", a)
	}
	made := w.content()
	for _, c := range []struct {
		name, url string
		refuse    int
	}{
		{"refused", e.ResponseURL, sendTries},
		{"nobody there", "http://127.0.0.1:1/?X-Amz-Signature=secret", 0},
		{"no address", "://?X-Amz-Signature=secret", 0},
		{"none", "", 0},
	} {
		w.bucket.refuse = c.refuse
		again := e
		again.ResponseURL = c.url
		if err := w.h.Handle(t.Context(), again); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error is %v", c.name, err)
		}
		w.same(made)
	}
	if b := w.send(e); b.PhysicalResourceID != a.PhysicalResourceID || b.Status != cfn.StatusSuccess {
		t.Errorf("after the answers that were not sent: %+v, want %+v", b, a)
	}
	if strings.Contains(w.log.String(), "secret") {
		t.Errorf("the log has the address: %s", w.log.String())
	}
	// Reasons of any length and content fit.
	for _, reason := range []string{strings.Repeat("x", 5000), strings.Repeat("\x00", 5000), strings.Repeat("<é", 3000), strings.Repeat("日本", 700)} {
		w.spy = func(string, any) error { return ipam.Errorf(ipam.CodeDependencyViolation, "%s", reason) }
		a := w.send(w.event(cfn.RequestCreate, "Custom::IpamScope", "Y", properties{"IpamId": "ipam-0123456789abcdef0"}))
		if !strings.HasPrefix(a.Reason, "DependencyViolation: "+reason[:1]) || !strings.HasSuffix(a.Reason, "…") || strings.ContainsRune(a.Reason, '\uFFFD') {
			t.Errorf("the reason is %q", a.Reason)
		}
	}
}

// A panic is a failure like others.
func TestPanic(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	w.spy = func(string, any) error { panic("a secret") }
	a := w.send(w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24}))
	if a.Status != cfn.StatusFailed || strings.Contains(a.Reason, "secret") || !strings.HasPrefix(a.PhysicalResourceID, "unfinished:") {
		t.Errorf("%+v", a)
	}
}

// Nothing in an event names the caller.
func TestForgedAccounts(t *testing.T) {
	w := newEnv(t)
	_, top := w.network()
	stranger := "999988887777"
	other := w.as(registry.Caller{Account: stranger, ARN: "arn:aws:iam::" + stranger + ":root"})
	mine := w.must("Custom::IpamAllocation", "Mine", properties{"IpamPoolId": top, "NetmaskLength": 24})
	before := w.content()

	// Another account's function, with an event of a stack of ours.
	w.use(other)
	w.refused("InvalidIpamPoolId.NotFound", "Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.refused("No pool meets", "Custom::IpamAllocation", "X", properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 24})
	w.end("Custom::IpamAllocation", "Mine", mine.id, mine.properties)
	w.end("Custom::IpamPool", "Top", top, w.standing["Top"].properties)
	w.same(before)

	// Our function, with an event of another account's stack, works for our account.
	w.use(w.as(registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"}))
	w.stack = strings.ReplaceAll(w.stack, account, stranger)
	e := w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": top, "NetmaskLength": 24})
	e.ResourceProperties["ServiceToken"] = "arn:aws:lambda:us-east-1:" + stranger + ":function:f"
	if a := w.send(e); a.Status != cfn.StatusSuccess {
		t.Errorf("%+v", a)
	}
	w.contains(`"ResourceOwner":"` + account + `"`)
	if strings.Contains(strings.ReplaceAll(w.content(), w.stack, ""), stranger) { // the tag has the event's stack
		t.Error("the other account owns something")
	}
	w.refused("UnknownParameter: The property Account", "Custom::IpamAllocation", "Y", properties{"IpamPoolId": top, "NetmaskLength": 24, "Account": stranger})
}
