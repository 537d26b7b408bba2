package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// unanswered are the errors after which it is unknown whether a call was carried out.
var unanswered = []error{
	ipam.Errorf(ipam.CodeOutcomeUnknown, "perhaps"),
	ipam.Errorf(ipam.CodeInternalError, "oh"),
	errors.New("connection reset"),
}

// losing loses the answer of the first call of an operation.
type losing struct {
	Caller
	operation  string
	err        error
	carriedOut bool
	late       bool   // it is carried out, but only before the second call
	then       func() // runs behind the lost call; may be nil
	calls      int
}

func (l *losing) Call(ctx context.Context, operation string, in any) (any, error) {
	if operation != l.operation {
		return l.Caller.Call(ctx, operation, in)
	}
	l.calls++
	if l.late && l.calls == 2 {
		if out, err := l.Caller.Call(ctx, operation, in); err != nil {
			return out, err
		}
	}
	if l.calls > 1 {
		return l.Caller.Call(ctx, operation, in)
	}
	if l.carriedOut {
		if out, err := l.Caller.Call(ctx, operation, in); err != nil {
			return out, err
		}
	}
	if l.then != nil {
		l.then()
	}
	return nil, l.err
}

// A call without a token whose answer is lost is made again only if it was not carried
// out.
func TestCallsWithoutAToken(t *testing.T) {
	tried := map[string]bool{}
	for _, a := range acts() {
		// do loses the answer of the first call of an operation in an act.
		do := func(l *losing) (w *env, reason string) {
			w = newEnv(t)
			scope, top := w.network()
			a.prepare(w, scope, top)
			l.Caller = w.h.caller.(spying).Caller
			w.use(l)
			w.calls = nil
			return w, a.do(w, scope, top)
		}
		plain, want := do(&losing{})
		for _, operation := range plain.calls {
			if client.MayRepeat(operation, "") || strings.HasPrefix(operation, "Create") && operation != "CreateTags" || operation == "AllocateIpamPoolCidr" || operation == "ProvisionIpamPoolCidr" {
				continue
			}
			tried[operation] = true
			often := 0
			for _, o := range plain.calls {
				if o == operation {
					often++
				}
			}
			for _, err := range unanswered {
				for _, carriedOut := range []bool{false, true} {
					l := &losing{operation: operation, err: err, carriedOut: carriedOut}
					w, reason := do(l)
					calls := often
					if !carriedOut {
						calls++
					}
					if l.calls != calls || reason != want || w.content() != plain.content() {
						t.Errorf("%s: %s ends with %v, carried out %t: %d calls, want %d; the reason is %q", a.name, operation, err, carriedOut, l.calls, calls, reason)
					}
				}
				l := &losing{operation: operation, err: err, late: true}
				if w, reason := do(l); l.calls != often+1 || reason != want || w.content() != plain.content() {
					t.Errorf("%s: %s ends with %v, carried out late: %d calls, want %d; the reason is %q", a.name, operation, err, l.calls, often+1, reason)
				}
			}
		}
	}
	for _, o := range ops.New(nil, nil).Operations() {
		if o.Mutates && !o.Idempotent && strings.Contains(source(t), `"`+o.Name+`"`) && !tried[o.Name] {
			t.Errorf("the types call %s, and no act does", o.Name)
		}
	}
}

// Each call of an operation without a token goes through change, which knows how to find
// out whether it was carried out.
func TestCallsWithoutATokenAreChanges(t *testing.T) {
	calls := regexp.MustCompile(`\b(call|change)\[[^\]]*\]\(ctx, r, "([A-Za-z]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range calls.FindAllStringSubmatch(string(b), -1) {
			found++
			o, ok := ops.New(nil, nil).Lookup(m[2])
			if !ok {
				t.Errorf("%s calls %s, which there is not", name, m[2])
			} else if change := m[1] == "change"; change != (o.Mutates && !o.Idempotent) {
				t.Errorf("%s calls %s by %s", name, m[2], m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d calls are found", found)
	}
}

// A CIDR that left its pool and was provisioned again, before the answer of the first
// call was missed, stays.
func TestDeprovisionOnce(t *testing.T) {
	for _, err := range unanswered {
		for _, inline := range []bool{false, true} {
			w := newEnv(t)
			scope, top := w.network()
			with, without := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}, properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}
			if inline {
				with["ProvisionedCidrs"] = []any{properties{"Cidr": "10.0.0.0/24"}}
			}
			pool := w.must("Custom::IpamPool", "P", with).id
			if !inline {
				w.must("Custom::IpamPoolCidr", "X", properties{"IpamPoolId": pool, "Cidr": "10.0.0.0/24"})
			}
			api := w.h.caller.(spying).Caller
			l := &losing{Caller: api, operation: "DeprovisionIpamPoolCidr", err: err, carriedOut: true, then: func() {
				if _, err := api.Call(t.Context(), "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{ClientToken: aws.String("another"), IpamPoolId: &pool, Cidr: aws.String("10.0.0.0/24")}); err != nil {
					t.Fatal(err)
				}
			}}
			w.use(l)
			if inline {
				w.must("Custom::IpamPool", "P", without)
			} else {
				w.remove("X")
			}
			if l.calls != 1 {
				t.Errorf("%v, inline %t: DeprovisionIpamPoolCidr is called %d times", err, inline, l.calls)
			}
			w.contains(pool + " has 10.0.0.0/24")
		}
	}
}

// After a lost answer, a deprovisioning that goes on is not begun again.
func TestDeprovisionGoesOn(t *testing.T) {
	w := newEnv(t)
	scope, top := w.network()
	pool := w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}).id
	x := w.must("Custom::IpamPoolCidr", "X", properties{"IpamPoolId": pool, "Cidr": "10.0.0.0/24"})
	api := w.h.caller.(spying).Caller
	going, looks := false, 0
	l := &losing{operation: "DeprovisionIpamPoolCidr", err: unanswered[0], then: func() { going = true }}
	l.Caller = callerFunc{api, func(ctx context.Context, operation string, in any) (any, error) {
		out, err := api.Call(ctx, operation, in)
		if cidrs, ok := out.(*ec2.GetIpamPoolCidrsOutput); ok && going {
			if looks++; looks > 3 {
				cidrs.IpamPoolCidrs = nil
			}
			for i := range cidrs.IpamPoolCidrs {
				cidrs.IpamPoolCidrs[i].State = types.IpamPoolCidrStatePendingDeprovision
			}
		}
		return out, err
	}}
	w.use(l)
	w.end("Custom::IpamPoolCidr", "X", x.id, x.properties)
	if l.calls != 1 || looks != 4 {
		t.Errorf("%d calls, %d looks", l.calls, looks)
	}
}

// callerFunc is a caller whose calls are a function's.
type callerFunc struct {
	Caller
	call func(ctx context.Context, operation string, in any) (any, error)
}

func (c callerFunc) Call(ctx context.Context, operation string, in any) (any, error) {
	return c.call(ctx, operation, in)
}

// A refusal that follows an unknown outcome may be about the first try. If that cannot be
// read, the outcome is still unknown.
func TestRefusalAfterUnknownOutcome(t *testing.T) {
	refusal := ipam.Errorf(ipam.CodeDependencyViolation, "no")
	for _, c := range []struct {
		name      string
		unread    error
		maybeDone bool
	}{
		{"the object is as before", nil, false},
		{"it cannot be read", ipam.Errorf(ipam.CodeInternalError, "oh"), true},
	} {
		w := newEnv(t)
		answers, reads := []error{unanswered[0], refusal}, 0
		w.spy = func(string, any) error {
			err := answers[0]
			answers = answers[1:]
			return err
		}
		r := w.h.newRequest(&cfn.Event{})
		_, err := change[ec2.DeleteIpamOutput](t.Context(), r, "DeleteIpam", &ec2.DeleteIpamInput{}, func() (bool, error) {
			if reads++; reads == 1 {
				return false, nil
			}
			return false, c.unread
		})
		if maybeDone(err) != c.maybeDone || !errors.Is(err, refusal) || reads != 2 {
			t.Errorf("%s: after %d reads: %v", c.name, reads, err)
		}
	}
}

// A change that another request has overwritten is not made again: whether it was made is
// not known any more, so the update fails, and CloudFormation rolls it back.
func TestModifyOnce(t *testing.T) {
	for _, c := range []struct {
		name, operation string
		p               properties
		other           func(api Caller, id string) (any, error)
		want            string
	}{
		{"the description", "ModifyIpamPool", properties{"Description": "ours", "Tags": tagsOf("before", "it")}, func(api Caller, id string) (any, error) {
			return api.Call(t.Context(), "ModifyIpamPool", &ec2.ModifyIpamPoolInput{IpamPoolId: &id, Description: aws.String("theirs")})
		}, `"Description":"theirs"`},
		{"a tag", "CreateTags", properties{"Tags": tagsOf("k", "ours")}, func(api Caller, id string) (any, error) {
			return api.Call(t.Context(), "CreateTags", &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("theirs")}}})
		}, `{"Key":"k","Value":"theirs"}`},
	} {
		w := newEnv(t)
		scope, top := w.network()
		p := properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top}
		pool := w.must("Custom::IpamPool", "X", p).id
		api := w.h.caller.(spying).Caller
		l := &losing{Caller: api, operation: c.operation, err: unanswered[0], carriedOut: true, then: func() {
			if _, err := c.other(api, pool); err != nil {
				t.Fatal(err)
			}
		}}
		w.use(l)
		for k, v := range p {
			c.p[k] = v
		}
		a := w.send(w.event(cfn.RequestUpdate, "Custom::IpamPool", "X", c.p))
		if a.Status != cfn.StatusFailed || a.PhysicalResourceID != pool || l.calls != 1 {
			t.Errorf("%s: after %d calls: %+v", c.name, l.calls, a)
		}
		w.contains(c.want)
		if c.operation == "ModifyIpamPool" {
			w.contains(`{"Key":"before","Value":"it"}`) // the roll-back reverts the steps before it
		}
	}
}

// An edit distinguishes the values before it, those after it, and others.
func TestEdit(t *testing.T) {
	e := newEdit(settings{"left": "1", "stays": "1", "default": "1", "is default": "1"}, settings{"new": "1", "other": "2", "stays": "1", "same": "1"},
		settings{"left": "1", "stays": "1", "default": "1", "is default": "0", "other": "1", "same": "1", "never ours": "1"}, settings{"default": "0", "is default": "0", "left out": "0"})
	if got, want := fmt.Sprint(e), "{map[default:1 left:1 other:1] map[default:0 new:1 other:2]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, c := range []struct {
		name    string
		now     settings
		done    bool
		unknown bool
	}{
		{"before", settings{"default": "1", "left": "1", "other": "1", "x": "y"}, false, false},
		{"after", settings{"default": "0", "new": "1", "other": "2"}, true, false},
		{"half", settings{"default": "0", "left": "1", "other": "2"}, false, true},
		{"another value", settings{"default": "1", "left": "1", "other": "3"}, false, true},
		{"gone", settings{}, false, true},
	} {
		if done, err := e.done(c.now); done != c.done || (err != nil) != c.unknown {
			t.Errorf("%s: %t, %v", c.name, done, err)
		}
		if done, err := e.back().done(c.now); done != (!c.done && !c.unknown) || (err != nil) != c.unknown {
			t.Errorf("%s, back: %t, %v", c.name, done, err)
		}
	}
	// A setting without a value is not the same as none.
	region := newEdit(nil, set([]string{"eu-west-1"}), nil, nil)
	if done, err := region.done(settings{}); done || err != nil {
		t.Errorf("before: %t, %v", done, err)
	}
	if done, err := region.done(settings{"eu-west-1": ""}); !done || err != nil {
		t.Errorf("after: %t, %v", done, err)
	}
}
