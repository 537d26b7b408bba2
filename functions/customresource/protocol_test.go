package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// The tests of this file play the orders in which CloudFormation sends its requests, for
// all five types, with a model of the objects that must exist after each request. The
// sources of the orders are the AWS CloudFormation User Guide ("Custom resource request
// types"), AWS CDK's docs/CLOUDFORMATION.md, and public reports:
//
//   - a Create that is cancelled, with a Delete of an id that CloudFormation made up:
//     cloudformation-coverage-roadmap issue 1814;
//   - an Update that is cancelled and rolled back while the function works on it:
//     aws-cdk issue 31541;
//   - a roll-back after a replacement that succeeded: aws-cdk issue 27199;
//   - a failed Update whose answer has a new id: aws-cdk issues 13527 and 30012.

const stranger = "999988887777"

// subject is a resource with two versions of its properties. The second one replaces the
// object of the first, unless inPlace is set.
type subject struct {
	name, kind string
	a, b       func(w *env) properties
	inPlace    bool
	refused    func(w *env) properties // a version that the API refuses
	third      func(w *env) properties // a version that replaces both others; nil if inPlace
}

func subjects() []subject {
	top := func(w *env) string { return w.standing["Top"].id }
	other := func(w *env) string { return w.standing["Other"].id }
	allocation := func(more properties) func(w *env) properties {
		return func(w *env) properties {
			p := properties{"IpamPoolId": top(w)}
			for k, v := range more {
				p[k] = v
			}
			return p
		}
	}
	cidr := func(more properties) func(w *env) properties {
		return func(w *env) properties {
			p := properties{"IpamPoolId": other(w)}
			for k, v := range more {
				p[k] = v
			}
			return p
		}
	}
	pool := func(locale string, cidrs ...string) func(w *env) properties {
		return func(w *env) properties {
			var list []any
			for _, c := range cidrs {
				list = append(list, properties{"Cidr": c})
			}
			p := properties{"IpamScopeId": w.standing["Ipam"].attributes["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "SourceIpamPoolId": top(w), "ProvisionedCidrs": list, "Tags": tagsOf("k", "v")}
			if locale != "" {
				p["Locale"] = locale
			}
			return p
		}
	}
	return []subject{
		{"allocation by length", "Custom::IpamAllocation", allocation(properties{"NetmaskLength": 24}), allocation(properties{"NetmaskLength": 26}), false, allocation(properties{"NetmaskLength": 8}), allocation(properties{"NetmaskLength": 27})},
		{"allocation by CIDR", "Custom::IpamAllocation", allocation(properties{"Cidr": "10.0.200.0/24"}), allocation(properties{"Cidr": "10.0.201.0/24"}), false, allocation(properties{"Cidr": "10.9.0.0/24"}), allocation(properties{"Cidr": "10.0.202.0/24"})},
		{"allocation by a selector and a key", "Custom::IpamAllocation",
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 24, "StableKey": "k"}
			},
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 25, "StableKey": "k"}
			}, false,
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "bottom"}, "NetmaskLength": 25, "StableKey": "k"}
			},
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 26, "StableKey": "k"}
			}},
		{"allocation that moves to another pool", "Custom::IpamAllocation", allocation(properties{"NetmaskLength": 28}),
			func(w *env) properties { return properties{"IpamPoolId": other(w), "NetmaskLength": 28} }, false, allocation(properties{"NetmaskLength": 8}), allocation(properties{"NetmaskLength": 27})},
		{"allocation by a selector that selects another pool", "Custom::IpamAllocation",
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 28}
			},
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "other"}, "NetmaskLength": 28}
			}, false,
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "bottom"}, "NetmaskLength": 28}
			},
			func(*env) properties {
				return properties{"IpamPoolSelector": properties{"Description": "top"}, "NetmaskLength": 27}
			}},
		{"pool CIDR by length", "Custom::IpamPoolCidr", cidr(properties{"NetmaskLength": 26}), cidr(properties{"NetmaskLength": 27}), false, cidr(properties{"NetmaskLength": 8}), cidr(properties{"NetmaskLength": 28})},
		{"pool CIDR by CIDR", "Custom::IpamPoolCidr", cidr(properties{"Cidr": "10.0.210.0/24"}), cidr(properties{"Cidr": "10.0.211.0/24"}), false, cidr(properties{"Cidr": "10.9.0.0/24"}), cidr(properties{"Cidr": "10.0.212.0/24"})},
		{"pool with inline CIDRs", "Custom::IpamPool", pool("", "10.0.64.0/20"), pool("eu-west-1", "10.0.80.0/20", "10.0.96.0/20"), false, pool("mars-1", "10.0.80.0/20"), pool("us-east-1", "10.0.112.0/20")},
		{"pool without CIDRs", "Custom::IpamPool", pool(""), pool("eu-west-1"), false, pool("mars-1"), pool("us-east-1")},
		{"pool, changed in place", "Custom::IpamPool", pool("", "10.0.64.0/20"), pool("", "10.0.64.0/21", "10.0.80.0/20"), true, pool("", "10.0.80.0/20", "10.9.0.0/20"), nil},
		{"scope", "Custom::IpamScope", func(w *env) properties { return properties{"IpamId": w.standing["Ipam"].id, "Description": "x"} },
			func(w *env) properties { return properties{"IpamId": w.standing["Second"].id, "Description": "x"} }, false,
			func(*env) properties {
				return properties{"IpamId": "ipam-0123456789abcdef0", "Description": "x"}
			},
			func(w *env) properties {
				return properties{"IpamId": w.standing["Third"].id, "Description": "x"}
			}},
		{"IPAM", "Custom::Ipam", func(*env) properties { return properties{"Description": "a"} }, func(*env) properties { return properties{"Description": "b", "Tags": tagsOf("k", "v")} }, true,
			func(*env) properties { return properties{"Tier": "golden"} }, nil},
	}
}

// protocolEnv returns an env with the network of the subjects. It also holds objects that
// no request may touch: objects of the same shape of another resource of the stack, and
// another account's, with the same tags and tokens as the subject's.
func protocolEnv(t *testing.T, s subject) *env {
	quotas := ipam.DefaultQuotas()
	quotas.IPAMs = 5
	w := newEnvWithQuotas(t, quotas)
	scope, top := w.network()
	w.must("Custom::Ipam", "Second", properties{})
	w.must("Custom::Ipam", "Third", properties{})
	w.must("Custom::IpamPool", "Other", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Description": "other"})
	w.must("Custom::IpamPoolCidr", "OtherCidr", properties{"IpamPoolId": w.standing["Other"].id, "NetmaskLength": 26})
	w.must("Custom::IpamAllocation", "OtherAllocation", properties{"IpamPoolId": top, "NetmaskLength": 24})
	w.must("Custom::IpamScope", "OtherScope", properties{"IpamId": w.standing["Ipam"].id, "Description": "x"})
	w.strangers(s.kind)
	return w
}

// strangers has another account's forwarder, with events of the same stack and resource, make
// objects of all types, some in pools that are shared between the accounts.
func (w *env) strangers(kind string) {
	w.Helper()
	theirs := w.as(registry.Caller{Account: stranger, ARN: "arn:aws:iam::" + stranger + ":root"})
	ours, h := w.h, w.h.caller.(spying).Caller
	share := func(c Caller, pool, with string) {
		if _, err := c.Call(w.Context(), "PutIpamPoolShare", &ops.PutIpamPoolShareInput{IpamPoolId: &pool, Principal: aws.String(with)}); err != nil {
			w.Fatal(err)
		}
	}
	share(h, w.standing["Top"].id, stranger)
	share(h, w.standing["Other"].id, stranger)
	w.use(theirs)
	defer func() { w.h = ours }()
	made := func(kind string, p properties) cfn.Response {
		a := w.send(w.event(cfn.RequestCreate, kind, "X", p))
		if a.Status != cfn.StatusSuccess {
			w.Fatalf("the stranger's %s: %s", kind, a.Reason)
		}
		return a
	}
	i := made("Custom::Ipam", properties{"Description": "theirs"})
	made("Custom::IpamScope", properties{"IpamId": i.PhysicalResourceID, "Description": "x"})
	p := made("Custom::IpamPool", properties{"IpamScopeId": i.Data["PrivateDefaultScopeId"], "AddressFamily": "ipv4", "Description": "theirs", "ProvisionedCidrs": []any{properties{"Cidr": "10.0.0.0/16"}}}).PhysicalResourceID
	made("Custom::IpamPoolCidr", properties{"IpamPoolId": p, "Cidr": "10.1.0.0/16"})
	made("Custom::IpamAllocation", properties{"IpamPoolId": p, "NetmaskLength": 24})
	made("Custom::IpamAllocation", properties{"IpamPoolId": w.standing["Top"].id, "NetmaskLength": 24})
	share(theirs, p, account)
}

// theirs shows all that the other account has.
func (w *env) theirs() string {
	w.Helper()
	c := w.as(registry.Caller{Account: stranger, ARN: "arn:aws:iam::" + stranger + ":root"})
	var b strings.Builder
	for _, in := range []struct {
		operation string
		in        any
	}{
		{"DescribeIpams", &ec2.DescribeIpamsInput{}}, {"DescribeIpamScopes", &ec2.DescribeIpamScopesInput{}},
		{"DescribeIpamPools", &ec2.DescribeIpamPoolsInput{Filters: []types.Filter{equals("owner-id", stranger)}}},
		{"DescribeIpamPoolAllocations", &ec2.DescribeIpamPoolAllocationsInput{}},
	} {
		out, err := c.Call(w.Context(), in.operation, in.in)
		if err != nil {
			w.Fatal(err)
		}
		doc, err := json.Marshal(out)
		if err != nil {
			w.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", doc)
	}
	return b.String()
}

// player plays CloudFormation's part for one resource, X.
type player struct {
	*env
	s      subject
	a, b   properties
	before string // the content without the resource
	made   string // the content with the object of a
	first  string // that object's physical id
	theirs string
}

func newPlayer(t *testing.T, s subject) *player {
	w := protocolEnv(t, s)
	c := &player{env: w, s: s, a: s.a(w), b: s.b(w), before: w.content(), theirs: w.theirs()}
	a := w.send(w.event(cfn.RequestCreate, s.kind, "X", c.a))
	if a.Status != cfn.StatusSuccess {
		t.Fatal(a.Reason)
	}
	c.first, c.made = a.PhysicalResourceID, w.content()
	return c
}

// update sends an Update of a physical id and returns the answer.
func (c *player) update(id string, from, to properties) cfn.Response {
	c.Helper()
	return c.send(c.updateEvent(id, from, to))
}

func (c *player) updateEvent(id string, from, to properties) cfn.Event {
	e := c.event(cfn.RequestUpdate, c.s.kind, "X", to)
	e.PhysicalResourceID, e.OldResourceProperties = id, asStrings(from).(properties)
	return e
}

func (c *player) succeeds(a cfn.Response) string {
	c.Helper()
	if a.Status != cfn.StatusSuccess {
		c.Fatalf("answered %+v", a)
	}
	return a.PhysicalResourceID
}

// returns fails the test unless an answer succeeds with the object of a.
func (c *player) returns(a cfn.Response) {
	c.Helper()
	if id := c.succeeds(a); id != c.first {
		c.Errorf("answered with %s, want the object that there was, %s", id, c.first)
	}
}

// childAllocation is the id of a child pool's allocation in its source pool. A CIDR that
// leaves the child pool and comes back gets another one.
var childAllocation = regexp.MustCompile(`ipam-pool-alloc-[0-9a-f]+(","ResourceId":"ipam-pool-)`)

// is fails the test unless exactly the objects of a content exist.
func (c *player) is(when, content string) {
	c.Helper()
	lines := func(content string) []string {
		return strings.Split(childAllocation.ReplaceAllString(content, "$1"), "\n")
	}
	if diff := cmp.Diff(lines(c.content()), lines(content)); diff != "" {
		c.Errorf("%s, something is left or lost (-is +want):\n%s", when, diff)
	}
	if diff := cmp.Diff(c.env.theirs(), c.theirs); diff != "" {
		c.Errorf("%s, the other account's objects have changed:\n%s", when, diff)
	}
}

// end deletes the stack.
func (c *player) end(id string, p properties) {
	c.Helper()
	c.env.end(c.s.kind, "X", id, p)
	c.is("when the stack is deleted", c.before)
}

// replaced updates to b, and checks that b has an object of its own.
func (c *player) replaced() string {
	c.Helper()
	id := c.succeeds(c.update(c.first, c.a, c.b))
	if (id == c.first) != c.s.inPlace {
		c.Fatalf("%s becomes %s", c.first, id)
	}
	return id
}

// deletions are the properties that a Delete of the object of b may have.
func (c *player) deletions() []properties { return []properties{c.b, c.a} }

func TestProtocol(t *testing.T) {
	orders := []struct {
		name       string
		onlyForNew bool // of subjects that are replaced
		play       func(t *testing.T, s subject)
	}{
		{"success", false, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			if !s.inPlace {
				c.env.end(s.kind, "X", c.first, c.a)
			}
			c.end(id, c.b)
		}},
		{"success, each request twice", false, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			e := c.updateEvent(c.first, c.a, c.b)
			id := c.succeeds(c.send(e))
			if again := c.succeeds(c.send(e)); again != id {
				t.Errorf("answered with %s, then with %s", id, again)
			}
			for range 2 {
				if id != c.first {
					c.env.end(s.kind, "X", c.first, c.a)
				}
			}
			c.end(id, c.b)
			c.end(id, c.b)
		}},
		{"another resource fails; update of the new object", false, func(t *testing.T, s subject) {
			for i := range 2 {
				c := newPlayer(t, s)
				id := c.replaced()
				back := c.updateEvent(id, c.b, c.a)
				c.returns(c.send(back))
				c.returns(c.send(back))
				if id != c.first {
					c.env.end(s.kind, "X", id, c.deletions()[i])
				}
				c.is("after the roll-back", c.made)
				c.end(c.first, c.a)
			}
		}},
		{"another resource fails; the new object is deleted", true, func(t *testing.T, s subject) {
			for i := range 2 {
				c := newPlayer(t, s)
				c.env.end(s.kind, "X", c.replaced(), c.deletions()[i])
				c.is("after the roll-back", c.made)
				c.end(c.first, c.a)
			}
		}},
		{"another resource fails, twice, and then none", false, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			for range 2 {
				id := c.replaced()
				c.returns(c.update(id, c.b, c.a))
				if id != c.first {
					c.env.end(s.kind, "X", id, c.b)
				}
				c.is("after the roll-back", c.made)
			}
			id := c.replaced()
			if id != c.first {
				c.env.end(s.kind, "X", c.first, c.a)
			}
			c.end(id, c.b)
		}},
		{"there and back, each with success", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			c.env.end(s.kind, "X", c.first, c.a)
			third := c.succeeds(c.update(id, c.b, c.a))
			if third == id {
				t.Errorf("%s is not replaced", id)
			}
			c.env.end(s.kind, "X", id, c.b)
			c.end(third, c.a)
		}},
		{"the old object is kept; an update to a third version", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			p := s.third(c.env)
			third := c.succeeds(c.update(id, c.b, p))
			if third == id || third == c.first {
				t.Errorf("%s becomes %s, and %s was kept", id, third, c.first)
			}
			c.env.end(s.kind, "X", id, c.b)
			c.env.end(s.kind, "X", third, p)
			c.is("after the end of the new objects", c.made)
		}},
		{"an object of two replacements ago is kept; an update to its properties", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			p := s.third(c.env)
			third := c.succeeds(c.update(id, c.b, p))
			c.env.end(s.kind, "X", id, c.b)
			a := c.update(third, p, c.a)
			if a.PhysicalResourceID == c.first {
				t.Errorf("the update takes the kept object %s", c.first)
			}
			if a.PhysicalResourceID != third { // the kept object has the CIDR of a subject by CIDR
				c.env.end(s.kind, "X", a.PhysicalResourceID, c.a)
			}
			c.env.end(s.kind, "X", third, p)
			c.is("after the end of the new objects", c.made)
		}},
		{"a replacement is kept; the next create is cancelled", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			kept := c.replaced()
			c.env.end(s.kind, "X", c.first, c.a)
			before := c.content()
			p := s.third(c.env)
			c.serve(c.event(cfn.RequestCreate, s.kind, "X", p))
			remove := c.event(cfn.RequestDelete, s.kind, "X", p)
			remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
			if a := c.send(remove); a.Status != cfn.StatusSuccess {
				t.Errorf("answered %+v", a)
			}
			c.is("after the cancelled create", before)
			c.end(kept, c.b)
		}},
		{"the old object is gone at the roll-back", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			c.env.end(s.kind, "X", c.first, c.a)
			third := c.succeeds(c.update(id, c.b, c.a))
			c.env.end(s.kind, "X", id, c.b)
			c.end(third, c.a)
		}},
		{"the new object is gone at the roll-back", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			c.env.end(s.kind, "X", id, c.b)
			c.returns(c.update(id, c.b, c.a))
			c.env.end(s.kind, "X", id, c.b)
			c.is("after the roll-back", c.made)
			c.end(c.first, c.a)
		}},
		{"the update is refused", false, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			bad := s.refused(c.env)
			a := c.update(c.first, c.a, bad)
			if a.Status != cfn.StatusFailed || a.PhysicalResourceID != c.first {
				t.Fatalf("answered %+v", a)
			}
			c.is("after the refusal", c.made)
			c.returns(c.update(c.first, bad, c.a))
			c.is("after the roll-back", c.made)
			c.end(c.first, c.a)
		}},
		{"the roll-back fails at first", true, func(t *testing.T, s subject) {
			c := newPlayer(t, s)
			id := c.replaced()
			c.faulty.Inject = func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }
			if a := c.update(id, c.b, c.a); a.Status != cfn.StatusFailed || a.PhysicalResourceID != id {
				t.Errorf("answered %+v", a)
			}
			c.faulty.Inject = nil
			c.returns(c.update(id, c.b, c.a))
			c.env.end(s.kind, "X", id, c.b)
			c.is("after the roll-back", c.made)
			c.end(c.first, c.a)
		}},
		{"the outcome of the update is unknown", true, playUnknownOutcome},
		{"the outcome of the update is unknown, without roll-back", true, playUnknownWithoutRollback},
		{"the update is cancelled", true, playCancelledUpdate},
		{"the create is cancelled", false, playCancelledCreate},
	}
	for _, s := range subjects() {
		for _, o := range orders {
			if s.inPlace && o.onlyForNew {
				continue
			}
			t.Run(s.name+"/"+o.name, func(t *testing.T) {
				t.Parallel()
				o.play(t, s)
			})
		}
	}
}

// stack is CloudFormation with one stack: its status, and the physical id of its resource.
type stack struct{ status, current string }

func (s stack) Resource(context.Context, string, string) (status, physicalID string, err error) {
	if s.status == "" {
		return "", "", errors.New("access denied")
	}
	return s.status, s.current, nil
}

// unknown updates from a to b, and has the table fail from the first write on, until the
// update is answered. It returns the answer's id.
func (c *player) unknown(applied bool) string {
	c.Helper()
	return c.unknownTo(c.updateEvent(c.first, c.a, c.b), applied)
}

func (c *player) unknownTo(e cfn.Event, applied bool) string {
	c.Helper()
	var failing atomic.Bool
	c.faulty.Inject = func(call tabletest.Call) *tabletest.Fault {
		if call.Kind == tabletest.Transact {
			failing.Store(true)
		}
		if failing.Load() {
			return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied && call.Kind == tabletest.Transact}
		}
		return nil
	}
	a := c.send(e)
	c.faulty.Inject = nil
	if a.Status != cfn.StatusFailed || !strings.HasPrefix(a.PhysicalResourceID, "unfinished:") {
		c.Fatalf("answered %+v", a)
	}
	return a.PhysicalResourceID
}

// playUnknownOutcome plays the roll-backs of an update whose outcome is unknown.
func playUnknownOutcome(t *testing.T, s subject) {
	for _, applied := range []bool{false, true} {
		for _, then := range []string{"update of the new id, then its deletion", "deletion of the new id", "update of the old id"} {
			for i := range 2 {
				c := newPlayer(t, s)
				id := c.unknown(applied)
				c.h.o.Stacks = stack{"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", id}
				switch then {
				case "update of the new id, then its deletion":
					c.returns(c.update(id, c.b, c.a))
					c.env.end(s.kind, "X", id, c.deletions()[i])
				case "deletion of the new id":
					c.env.end(s.kind, "X", id, c.deletions()[i])
				case "update of the old id":
					c.returns(c.update(c.first, c.b, c.a))
				}
				c.is(fmt.Sprintf("applied %t, %s", applied, then), c.made)
				c.end(c.first, c.a)
			}
		}
	}
}

// playUnknownWithoutRollback goes on with a stack that is not rolled back after an update
// whose outcome is unknown: CloudFormation knows the resource by the unfinished id only.
// (CloudFormation User Guide, "Choose how to handle failures when provisioning resources".)
func playUnknownWithoutRollback(t *testing.T, s subject) {
	const cleanup = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	plays := []struct {
		name string
		play func(c *player, unfinished string, old properties)
	}{
		{"the same update again", func(c *player, unfinished string, old properties) {
			id := c.succeeds(c.update(unfinished, old, c.b))
			c.h.o.Stacks = stack{cleanup, id}
			c.env.end(s.kind, "X", unfinished, old)
			c.end(id, c.b)
		}},
		{"the same update again, and it is unknown again", func(c *player, unfinished string, old properties) {
			again := c.unknownTo(c.updateEvent(unfinished, old, c.b), true)
			id := c.succeeds(c.update(again, c.b, c.b))
			c.h.o.Stacks = stack{cleanup, id}
			c.env.end(s.kind, "X", again, c.b)
			c.env.end(s.kind, "X", unfinished, old)
			c.end(id, c.b)
		}},
		{"another update", func(c *player, unfinished string, old properties) {
			p := s.third(c.env)
			id := c.succeeds(c.update(unfinished, old, p))
			c.h.o.Stacks = stack{cleanup, id}
			c.env.end(s.kind, "X", unfinished, old)
			c.end(id, p)
		}},
		{"another update, whose stack is rolled back", func(c *player, unfinished string, old properties) {
			p := s.third(c.env)
			id := c.succeeds(c.update(unfinished, old, p))
			c.returns(c.update(id, p, c.a))
			c.h.o.Stacks = stack{"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", c.first}
			c.env.end(s.kind, "X", unfinished, old)
			c.env.end(s.kind, "X", id, p)
			c.is("after the roll-back", c.made)
			c.end(c.first, c.a)
		}},
		{"another update, which is refused", func(c *player, unfinished string, old properties) {
			if a := c.update(unfinished, old, s.refused(c.env)); a.Status != cfn.StatusFailed || a.PhysicalResourceID != unfinished {
				t.Errorf("answered %+v", a)
			}
			c.h.o.Stacks = stack{"DELETE_IN_PROGRESS", unfinished}
			c.end(unfinished, c.b)
		}},
		{"an update back", func(c *player, unfinished string, old properties) {
			c.returns(c.update(unfinished, old, c.a))
			c.h.o.Stacks = stack{cleanup, c.first}
			c.env.end(s.kind, "X", unfinished, old)
			c.is("after the update back", c.made)
			c.end(c.first, c.a)
		}},
		{"the stack is deleted", func(c *player, unfinished string, old properties) {
			c.h.o.Stacks = stack{"DELETE_IN_PROGRESS", unfinished}
			c.end(unfinished, old)
			c.end(unfinished, old)
		}},
		{"the resource leaves the template", func(c *player, unfinished string, old properties) {
			c.h.o.Stacks = stack{cleanup, ""}
			c.end(unfinished, old)
		}},
		{"the stack is deleted, and cannot be read at first", func(c *player, unfinished string, old properties) {
			c.h.o.Stacks = stack{}
			e := c.event(cfn.RequestDelete, s.kind, "X", old)
			e.PhysicalResourceID = unfinished
			if a := c.send(e); a.Status != cfn.StatusFailed || !strings.Contains(a.Reason, c.first) || !strings.Contains(a.Reason, "cloudformation:DescribeStacks") {
				t.Errorf("answered %+v", a)
			}
			c.is("while the stack cannot be read", c.made)
			c.h.o.Stacks = stack{"DELETE_IN_PROGRESS", unfinished}
			c.end(unfinished, old)
		}},
	}
	for _, p := range plays {
		for _, applied := range []bool{false, true} {
			for i := range 2 {
				c := newPlayer(t, s)
				p.play(c, c.unknown(applied), c.deletions()[i])
				if t.Failed() {
					t.Fatalf("%s, applied %t, with the properties of %d", p.name, applied, i)
				}
			}
		}
	}
}

// playCancelledUpdate sends the roll-back of an update whose answer CloudFormation
// ignores, after the function has served the update and while it does.
func playCancelledUpdate(t *testing.T, s subject) {
	for _, when := range []string{"before the roll-back", "during the roll-back"} {
		c := newPlayer(t, s)
		update := c.updateEvent(c.first, c.a, c.b)
		if when == "before the roll-back" {
			c.serve(update)
		} else {
			c.duringSleep(3, func() { c.serve(update) })
		}
		back := c.updateEvent(c.first, c.b, c.a)
		c.serve(back)
		c.h.o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		c.returns(c.answer(back))
		c.is("after the roll-back of an update that was served "+when, c.made)
		c.end(c.first, c.a)
	}
}

// playCancelledCreate deletes a resource, by an id that CloudFormation made up, whose
// create the function has served, or serves meanwhile.
func playCancelledCreate(t *testing.T, s subject) {
	for _, when := range []string{"before the deletion", "during the deletion", "never"} {
		w := protocolEnv(t, s)
		c := &player{env: w, s: s, a: s.a(w), before: w.content(), theirs: w.theirs()}
		create := c.event(cfn.RequestCreate, s.kind, "X", c.a)
		switch when {
		case "before the deletion":
			c.serve(create)
		case "during the deletion":
			c.duringSleep(3, func() { c.serve(create) })
		}
		remove := c.event(cfn.RequestDelete, s.kind, "X", c.a)
		remove.PhysicalResourceID = "network-X-1N7QJ0ZB2V5XK"
		c.serve(remove)
		if a := c.answer(remove); a.Status != cfn.StatusSuccess {
			t.Errorf("served %s: %+v", when, a)
		}
		c.is("after a create that was served "+when, c.before)
	}
}

// duringSleep calls f in the handler's nth sleep.
func (w *env) duringSleep(n int, f func()) {
	w.h.o.Sleep = func(ctx context.Context, _ time.Duration) error {
		if n--; n == 0 {
			f()
		}
		return ctx.Err()
	}
}

// answer returns the answer to a request.
func (w *env) answer(e cfn.Event) cfn.Response {
	w.Helper()
	for _, a := range w.bucket.answers {
		if a.RequestID == e.RequestID {
			return a
		}
	}
	w.Fatalf("%s has no answer", e.RequestID)
	return cfn.Response{}
}
