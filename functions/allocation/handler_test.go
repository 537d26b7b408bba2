package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/events/eventstest"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const (
	owner  = "111122223333"
	member = "444455556666"
	home   = "eu-west-1"

	requested = string(events.CIDRRequested)
)

// quiet discards logs.
var quiet = Options{Options: telemetry.Options{Logger: slog.New(slog.DiscardHandler)}}

// env is a table with a pool, 10.0.0.0/16, that is shared with the member
// account, and the two doors.
type env struct {
	*testing.T
	memory         *tabletest.Memory
	faulty         *tabletest.Faulty
	events, direct *Handler
	pool           string
}

func newEnv(t *testing.T) *env {
	w := &env{T: t, memory: &tabletest.Memory{}}
	w.faulty = &tabletest.Faulty{Table: w.memory}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	s := store.New(w.faulty, store.Options{Region: home, Owner: owner, Now: now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	grants := registry.NewGrants([]registry.Grant{
		{Pattern: "arn:aws:iam::" + owner + ":*", Class: registry.Administer},
		{Pattern: "arn:aws:iam::*:root", Class: registry.Allocate},
	}, registry.MoreGrants(s.Grants), time.Minute, now)
	w.events = NewEvents(ops.New(s, grants), s, home, quiet)
	w.direct = NewDirect(func(a registry.Authorizer) Registry { return ops.New(s, a) }, owner, home, quiet)
	var made struct{ Ipam types.Ipam }
	w.invoke(`{"operation": "CreateIpam"}`, &made)
	var pool struct{ IpamPool types.IpamPool }
	w.invoke(fmt.Sprintf(`{"operation": "CreateIpamPool", "input": {"IpamScopeId": %q, "AddressFamily": "ipv4"}}`, *made.Ipam.PrivateDefaultScopeId), &pool)
	w.pool = *pool.IpamPool.IpamPoolId
	w.invoke(fmt.Sprintf(`{"operation": "ProvisionIpamPoolCidr", "input": {"IpamPoolId": %q, "Cidr": "10.0.0.0/16"}}`, w.pool), nil)
	w.invoke(fmt.Sprintf(`{"operation": "PutIpamPoolShare", "input": {"IpamPoolId": %q, "Principal": %q}}`, w.pool, member), nil)
	return w
}

// invoke calls the door direct and reads the answer.
func (w *env) invoke(payload string, answer any) {
	w.Helper()
	out, err := w.direct.Handle(w.Context(), json.RawMessage(payload))
	if err != nil {
		w.Fatalf("%s: %v", payload, err)
	}
	if answer != nil {
		if err := json.Unmarshal(out, answer); err != nil {
			w.Fatalf("%s: %v", out, err)
		}
	}
}

// event returns an event as EventBridge delivers it.
func event(id, account, region, detailType, detail string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"version": "0", "id": %q, "detail-type": %q, "source": "platform.team", "account": %q, "time": "2026-11-25T00:00:00Z", "region": %q, "resources": [], "detail": %s}`,
		id, detailType, account, region, detail))
}

// answers returns the stored answers to each request: "owner CIDR", or "code: message".
func (w *env) answers() map[string][]string {
	w.Helper()
	all := map[string][]string{}
	for k, i := range w.memory.All() {
		if strings.HasPrefix(k.PK, items.RequestPrefix) {
			r, err := items.DecodeRefusal(table.Row{Key: k, Item: i})
			if err != nil {
				w.Fatal(err)
			}
			all[r.Request] = append(all[r.Request], r.Code+": "+r.Message)
		}
	}
	page, next, err := store.New(w.memory, store.Options{Region: home}).Allocations(w.Context(), w.pool, "", 0)
	if err != nil || next != "" {
		w.Fatal(err, next)
	}
	for _, a := range page {
		if a.Request != "" {
			all[a.Request] = append(all[a.Request], a.Owner+" "+a.CIDR.String())
		}
	}
	return all
}

func (w *env) expect(request string, want ...string) {
	w.Helper()
	got := w.answers()[request]
	if len(got) != len(want) || len(got) > 0 && !strings.HasPrefix(got[0], want[0]) {
		w.Errorf("the answers to %s are %q, want %q", request, got, want)
	}
}

func (w *env) clean() {
	w.Helper()
	fscktest.Clean(w, w.memory, time.Unix(1_800_000_000, 0))
}

func (w *env) deliver(e json.RawMessage) {
	w.Helper()
	if _, err := w.events.Handle(w.Context(), e); err != nil {
		w.Errorf("%s: %v", e, err)
	}
}

func TestRequests(t *testing.T) {
	w := newEnv(t)
	detail := func(members string) string { return fmt.Sprintf(`{"IpamPoolId": %q, %s}`, w.pool, members) }
	w.deliver(event("e-1", owner, home, requested, detail(`"NetmaskLength": 24, "Description": "by an event"`)))
	w.expect("e-1", owner+" 10.0.0.0/24")
	w.deliver(event("e-2", member, home, requested, detail(`"NetmaskLength": 24, "requestId": "stack/7"`)))
	w.expect("stack/7", member+" 10.0.1.0/24")
	w.expect("e-2")
	w.deliver(event("e-3", owner, home, requested, detail(`"NetmaskLength": 8`)))
	w.expect("e-3", "InvalidParameterValue: The allocation size is too big")
	w.deliver(event("e-4", owner, home, requested, detail(`"NetmaskLengths": 24`)))
	w.expect("e-4", "UnknownParameter")
	w.deliver(event("e-5", owner, home, requested, detail(`"NetmaskLength": 24, "requestId": "no spaces"`)))
	w.expect("e-5", "InvalidParameterValue: The requestId is invalid")
	w.deliver(event("e-6", owner, home, requested, detail(`"NetmaskLength": 24, "ClientToken": "t"`)))
	w.expect("e-6", "InvalidParameterCombination")
	w.deliver(event("e-7", owner, "us-east-1", requested, detail(`"NetmaskLength": 24`)))
	w.expect("e-7", "InvalidParameterValue: The pool "+w.pool+" is not in the current region us-east-1")
	w.deliver(event("e-8", owner, "us-east-1", requested, detail(`"NetmaskLength": 24, "region": "eu-west-1"`)))
	w.expect("e-8", owner+" 10.0.2.0/24")
	w.deliver(event("e-9", owner, home, requested, detail(`"NetmaskLength": 24, "region": "Mars"`)))
	w.expect("e-9", "InvalidParameterValue: The region is invalid")
	w.deliver(event("e-10", owner, home, requested, `[]`))
	w.expect("e-10", "MalformedRequest")
	w.deliver(event("e-11", owner, home, "CIDR Allocated", detail(`"NetmaskLength": 24`)))
	w.expect("e-11")
	w.deliver(event("e-12", "777788889999", home, requested, detail(`"NetmaskLength": 24`)))
	w.expect("e-12", "InvalidIpamPoolId.NotFound")
	w.clean()

	// The same requests again, and other requests with their ids, keep the first answers.
	before := w.memory.Dump()
	w.deliver(event("e-1", owner, home, requested, detail(`"NetmaskLength": 24, "Description": "by an event"`)))
	w.deliver(event("e-13", member, home, requested, detail(`"NetmaskLength": 24, "requestId": "stack/7"`)))
	w.deliver(event("e-3", owner, home, requested, detail(`"NetmaskLength": 8`)))
	w.deliver(event("e-3", owner, home, requested, detail(`"NetmaskLength": 28`)))
	w.deliver(event("e-1", owner, home, requested, detail(`"NetmaskLength": 28`)))
	if after := w.memory.Dump(); after != before {
		t.Errorf("repeated requests changed the table from\n%s\nto\n%s", before, after)
	}
}

// An account in a detail or a payload does not make the sender that account.
func TestForgedAccounts(t *testing.T) {
	w := newEnv(t)
	for id, detail := range map[string]string{
		"f-1": fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24, "account": %q}`, w.pool, owner),
		"f-2": fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24, "Account": %q}`, w.pool, owner),
	} {
		w.deliver(event(id, member, home, requested, detail))
		w.expect(id, "UnknownParameter")
	}
	for _, payload := range []string{
		fmt.Sprintf(`{"operation": "DescribeIpams", "input": {}, "account": %q}`, member),
		fmt.Sprintf(`{"operation": "DescribeIpams", "input": {}, "requestContext": {"identity": {"accountId": %q}}}`, member),
		string(event("f-3", member, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool))), // for the other door
	} {
		if _, err := w.direct.Handle(t.Context(), json.RawMessage(payload)); code(err) != "MalformedRequest" {
			t.Errorf("%s: %v", payload, err)
		}
	}
	if _, err := w.events.Handle(t.Context(), json.RawMessage(`{"operation": "DescribeIpams"}`)); code(err) != "MalformedRequest" {
		t.Errorf("the door events accepts a payload of the other door: %v", err)
	}
	w.expect("f-3")
}

func code(err error) string {
	e, _ := errors.AsType[messages.InvokeResponse_Error](err)
	return e.Type
}

func TestDirect(t *testing.T) {
	w := newEnv(t)
	for payload, want := range map[string]string{
		``:                                 "MalformedRequest",
		`{"operation": "NoSuchOperation"}`: "InvalidAction",
		`{"operation": "CreateVpcs"}`:      "InvalidAction",
		`{"operation": "AllocateIpamPoolCidr", "input": {}}`:                                      "MissingParameter",
		`{"operation": "AllocateIpamPoolCidr", "input": []}`:                                      "MalformedRequest",
		`{"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": "x"}}`:                     "InvalidIpamPoolId.Malformed",
		`{"operation": "DescribeIpams", "region": "Mars"}`:                                        "InvalidParameterValue",
		`{"operation": "DescribeIpams", "input": {"DryRun": true}}`:                               "DryRunOperation",
		fmt.Sprintf(`{"operation": "DescribeIpamPools", "input": {"IpamPoolIds": [%q]}}`, w.pool): "",
	} {
		if _, err := w.direct.Handle(t.Context(), json.RawMessage(payload)); code(err) != want {
			t.Errorf("%s: %v, want %q", payload, err, want)
		}
	}
	// The answer to an internal failure does not have its text.
	w.faulty.Inject = func(tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }
	_, err := w.direct.Handle(t.Context(), json.RawMessage(`{"operation": "DescribeIpams"}`))
	if code(err) != "InternalError" || strings.Contains(err.Error(), tabletest.ErrInjected.Error()) {
		t.Errorf("got %v", err)
	}
}

// 200 requests, each delivered twice, all at once: 200 answers, 200 CIDRs.
func TestEveryRequestTwice(t *testing.T) {
	w := newEnv(t)
	var g sync.WaitGroup
	for n := range 400 {
		g.Go(func() {
			e := event(fmt.Sprintf("e-%d", n%200), member, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 26}`, w.pool))
			for range 100 { // EventBridge and Lambda try again
				if _, err := w.events.Handle(t.Context(), e); err == nil {
					return
				}
			}
			t.Errorf("%s has no answer", e)
		})
	}
	g.Wait()
	answers := w.answers()
	var cidrs []string
	for _, a := range answers {
		cidrs = append(cidrs, a...)
	}
	slices.Sort(cidrs)
	if len(answers) != 200 || len(cidrs) != 200 || len(slices.Compact(cidrs)) != 200 {
		t.Errorf("%d requests have %d answers", len(answers), len(cidrs))
	}
	w.clean()
}

// Each call of the table fails once, applied or not. A request that is delivered until it is
// done has exactly one answer. No other allocation takes space.
func TestFaults(t *testing.T) {
	for _, length := range []int{24, 8} {
		for _, applied := range []bool{false, true} {
			for at, more := 0, true; more; at++ {
				w := newEnv(t)
				calls := 0
				var mu sync.Mutex
				w.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
					mu.Lock()
					defer mu.Unlock()
					calls++
					if calls-1 != at {
						return nil
					}
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				}
				e := event("e", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": %d}`, w.pool, length))
				for range 2 {
					if _, err := w.events.Handle(t.Context(), e); err == nil {
						break
					}
				}
				more = at < calls
				if at == 0 && calls < 4 { // grants, the pool with the by-id item, free blocks, the transaction
					t.Fatalf("a request makes %d calls", calls)
				}
				w.faulty.Inject = nil
				w.deliver(e) // a repeated delivery
				want := owner + " 10.0.0.0/24"
				if length == 8 {
					want = "InvalidParameterValue"
				}
				w.expect("e", want)
				w.clean()
				if t.Failed() {
					t.Fatalf("length %d, call %d, applied %t", length, at, applied)
				}
			}
		}
	}
}

// refusing is a registry that answers each call with an error and keeps the recorded
// refusals.
type refusing struct {
	err     error
	refused []items.Refusal
}

func (r *refusing) Lookup(string) (*registry.Operation, bool)      { return nil, false }
func (r *refusing) Authorize(context.Context, string) error        { return nil }
func (r *refusing) Call(context.Context, string, any) (any, error) { return nil, r.err }
func (r *refusing) Refuse(_ context.Context, _ store.Token, refusal items.Refusal) error {
	r.refused = append(r.refused, refusal)
	return nil
}

// An error for load, for a conflict, or for an internal failure is no answer: the event
// comes again. Every other error is the request's answer.
func TestFinalCodes(t *testing.T) {
	again := map[ipam.Code]bool{ipam.CodeConcurrentMutationLimitExceeded: true, ipam.CodeRequestLimitExceeded: true, ipam.CodeInternalError: true, ipam.CodeUnavailable: true, ipam.CodeOutcomeUnknown: true}
	for code := range ipam.Codes {
		r := &refusing{err: ipam.Errorf(code, "reason")}
		_, err := NewEvents(r, r, home, quiet).Handle(t.Context(), event("e", owner, home, requested, `{"IpamPoolId": "ipam-pool-1", "NetmaskLength": 24}`))
		if again[code] {
			if err == nil || len(r.refused) > 0 {
				t.Errorf("%s: %v, refused %v", code, err, r.refused)
			}
		} else if err != nil || len(r.refused) != 1 || r.refused[0].Code != string(code) || r.refused[0].Message != "reason" {
			t.Errorf("%s: %v, refused %v", code, err, r.refused)
		}
	}
	for _, e := range []json.RawMessage{event("", owner, home, requested, `{}`), event("e", "", home, requested, `{}`), json.RawMessage(`{}`)} {
		r := &refusing{}
		if _, err := NewEvents(r, r, home, quiet).Handle(t.Context(), e); err == nil || len(r.refused) > 0 {
			t.Errorf("%s: %v, refused %v", e, err, r.refused)
		}
	}
}

// One delivery of a request refuses it while another one allocates. The request has one of
// the two answers.
func TestRefusedAndCarriedOut(t *testing.T) {
	for _, c := range []struct{ name, want string }{{"refused first", "InvalidParameterValue"}, {"carried out first", owner + " 10.0.0.0/24"}} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t)
			var full struct{ IpamPoolAllocation types.IpamPoolAllocation }
			w.invoke(fmt.Sprintf(`{"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": %q, "NetmaskLength": 16}}`, w.pool), &full)
			e := event("e", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool))
			release := func() {
				w.invoke(fmt.Sprintf(`{"operation": "ReleaseIpamPoolAllocation", "input": {"IpamPoolId": %q, "Cidr": "10.0.0.0/16", "IpamPoolAllocationId": %q}}`,
					w.pool, *full.IpamPoolAllocation.IpamPoolAllocationId), nil)
			}
			// The last transaction of this delivery is its refusal's.
			var once sync.Once
			w.faulty.Inject = func(call tabletest.Call) *tabletest.Fault {
				if call.Kind == tabletest.Transact && slices.ContainsFunc(call.Writes, func(x table.Write) bool {
					return strings.HasPrefix(x.Key.PK, items.RequestPrefix) && x.Op == table.OpPut
				}) {
					once.Do(func() {
						if c.name == "carried out first" {
							release()
							w.deliver(e)
						}
					})
				}
				return nil
			}
			w.deliver(e)
			if c.name == "refused first" {
				release()
				w.deliver(e)
			}
			w.expect("e", c.want)
			w.clean()
		})
	}
}

// A refusal that is recorded between the read and the write of a delivery that would
// allocate is the answer.
func TestRefusedMeanwhile(t *testing.T) {
	w := newEnv(t)
	other := store.New(w.memory, store.Options{Region: home, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	var once sync.Once
	w.faulty.Inject = func(call tabletest.Call) *tabletest.Fault {
		if call.Kind == tabletest.Transact {
			once.Do(func() {
				err := other.Refuse(t.Context(), store.Token{Account: owner, Operation: allocate, Value: token("e")}, items.Refusal{Request: "e", Account: owner, Region: home, Code: "InvalidParameterValue", Message: "It was full."})
				if err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	}
	w.deliver(event("e", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool)))
	w.expect("e", "InvalidParameterValue: It was full.")
	w.clean()
}

// The function reads the catalogue's example of a request. The schema of requests has the
// members that the function reads: those of AllocateIpamPoolCidr but ClientToken, DryRun and
// PreviewNextCidr, and those of the event itself.
func TestTheCataloguesRequest(t *testing.T) {
	w := newEnv(t)
	example, err := os.ReadFile("../../events/" + events.CIDRRequested.Stem() + ".example.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := eventstest.Validate(example); err != nil {
		t.Error(err)
	}
	var e lambdaevents.CloudWatchEvent
	if err := json.Unmarshal(example, &e); err != nil {
		t.Fatal(err)
	}
	r := read(e)
	if r.err != nil {
		t.Fatal(r.err)
	}
	want := &ec2.AllocateIpamPoolCidrInput{
		ClientToken: aws.String(token("vend/payments-dev")), IpamPoolId: aws.String("ipam-pool-0123456789abcdef0"), NetmaskLength: aws.Int32(24), Description: aws.String("payments, development"),
		AllowedCidrs: []string{"10.0.0.0/16"}, DisallowedCidrs: []string{"10.0.0.0/20"},
		TagSpecifications: []types.TagSpecification{tagged("team", "payments"), tagged(ipam.StableKeyTag, "payments-dev")},
	}
	if diff := cmp.Diff(r.in, want, cmpopts.IgnoreUnexported(ec2.AllocateIpamPoolCidrInput{}, types.TagSpecification{}, types.Tag{})); r.id != "vend/payments-dev" || r.region != "eu-west-1" || diff != "" {
		t.Errorf("request %s from %s, -got +want:\n%s", r.id, r.region, diff)
	}
	w.deliver(json.RawMessage(strings.ReplaceAll(string(example), "ipam-pool-0123456789abcdef0", w.pool)))
	w.expect("vend/payments-dev", member+" 10.0.16.0/24")

	var schema struct {
		Properties struct {
			Detail struct{ Properties map[string]any }
		}
	}
	text, err := events.Schema(events.CIDRRequested)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	taken := []string{"StableKey", "region", "requestId"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ec2.AllocateIpamPoolCidrInput]()) {
		if f.IsExported() && !slices.Contains([]string{"ClientToken", "DryRun", "PreviewNextCidr"}, f.Name) {
			taken = append(taken, f.Name)
		}
	}
	slices.Sort(taken)
	if described := slices.Sorted(maps.Keys(schema.Properties.Detail.Properties)); !slices.Equal(described, taken) {
		t.Errorf("the schema has %q, but the function reads %q", described, taken)
	}
}

func tagged(key, value string) types.TagSpecification {
	return types.TagSpecification{ResourceType: types.ResourceTypeIpamPoolAllocation, Tags: []types.Tag{{Key: &key, Value: &value}}}
}

// An allocation by the API whose client token equals the id of a request is not that
// request's answer.
func TestTokensOfTheAPI(t *testing.T) {
	w := newEnv(t)
	w.invoke(fmt.Sprintf(`{"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": %q, "NetmaskLength": 24, "ClientToken": "r-1"}}`, w.pool), nil)
	w.deliver(event("e", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24, "requestId": "r-1"}`, w.pool)))
	w.expect("r-1", owner+" 10.0.1.0/24")
	w.clean()
}

func TestStableKeyByEvent(t *testing.T) {
	w := newEnv(t)
	request := func(id string) {
		w.deliver(event(id, owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24, "StableKey": "payments"}`, w.pool)))
	}
	w.invoke(fmt.Sprintf(`{"operation": "AllocateIpamPoolCidr", "input": {"IpamPoolId": %q, "NetmaskLength": 24}}`, w.pool), nil)
	request("k-1")
	w.expect("k-1", owner+" 10.0.1.0/24")
	var all ec2.GetIpamPoolAllocationsOutput
	w.invoke(fmt.Sprintf(`{"operation": "GetIpamPoolAllocations", "input": {"IpamPoolId": %q}}`, w.pool), &all)
	for _, a := range all.IpamPoolAllocations {
		w.invoke(fmt.Sprintf(`{"operation": "ReleaseIpamPoolAllocation", "input": {"IpamPoolId": %q, "Cidr": %q, "IpamPoolAllocationId": %q}}`, w.pool, aws.ToString(a.Cidr), aws.ToString(a.IpamPoolAllocationId)), nil)
	}
	request("k-2")
	w.expect("k-2", owner+" 10.0.1.0/24")
	w.clean()
}

// hanging does not answer a call before the call's context ends.
type hanging struct{ Registry }

func (h hanging) Call(ctx context.Context, _ string, _ any) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// The function gives a hanging call up early enough to answer before its own end. A request
// that hangs is not refused: it comes again.
func TestAnswersBeforeTheEnd(t *testing.T) {
	w := newEnv(t)
	for _, c := range []struct {
		door    *Handler
		payload json.RawMessage
	}{
		{NewDirect(func(registry.Authorizer) Registry { return hanging{w.direct.registry} }, owner, home, quiet), json.RawMessage(`{"operation": "DescribeIpams"}`)},
		{NewEvents(hanging{w.events.registry}, w.events.refuser, home, quiet), event("hangs", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool))},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), margin+50*time.Millisecond)
		_, err := c.door.Handle(ctx, c.payload)
		if e, ok := errors.AsType[messages.InvokeResponse_Error](err); !ok || e.Type != string(ipam.CodeInternalError) {
			t.Errorf("%s: answered %v", c.payload, err)
		}
		if end, _ := ctx.Deadline(); time.Until(end) < margin/2 {
			t.Errorf("%s: answered with %v left", c.payload, time.Until(end))
		}
		cancel()
	}
	w.expect("hangs")
}

// An account without the class to allocate writes at most one short refusal a minute for
// requests of any form and number.
func TestAccountWithoutAClassWritesLittle(t *testing.T) {
	w := newEnv(t)
	now := time.Unix(1_800_000_000, 0)
	o := quiet
	o.Now = func() time.Time { return now }
	s := w.events.refuser
	none := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::" + owner + ":*", Class: registry.Administer}, {Pattern: "arn:aws:iam::444455556666:*", Class: registry.Read}}, nil, time.Minute, o.Now)
	door := NewEvents(ops.New(s.(*store.Store), none), s, home, o)
	calls := 0
	w.faulty.Inject = func(tabletest.Call) *tabletest.Fault { calls++; return nil }
	send := func(id, account, detail string) {
		t.Helper()
		if _, err := door.Handle(t.Context(), event(id, account, home, requested, detail)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	long := strings.Repeat("x", 15<<10)
	for i, detail := range []string{
		fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24, "Description": %q}`, w.pool, long), // well-formed
		fmt.Sprintf(`{"Nothing": %q}`, long), fmt.Sprintf(`[%q]`, long), fmt.Sprintf(`{"requestId": "no spaces %s"}`, long), fmt.Sprintf(`{"a": 1, "a": %q}`, long),
	} {
		for n := range 100 {
			send(fmt.Sprint("m-", i, "-", n), "777788889999", detail)
		}
	}
	send("r-1", member, `{}`) // the account may only read
	if answers := w.answers(); len(answers) != 2 || len(answers["m-0-0"]) != 1 || !strings.HasPrefix(answers["m-0-0"][0], "UnauthorizedOperation: ") || len(answers["r-1"]) != 1 {
		t.Errorf("recorded %q", answers)
	}
	if calls > 4 {
		t.Errorf("%d calls of the table", calls)
	}
	if strings.Contains(w.memory.Dump(), "xxxx") {
		t.Error("the detail is recorded")
	}
	now = now.Add(time.Minute)
	send("m-later", "777788889999", `{}`)
	if answers := w.answers(); len(answers) != 3 || len(answers["m-later"]) != 1 {
		t.Errorf("recorded %q a minute later", answers)
	}
}

// An account beyond its budget waits, before the table is called. Other accounts go on.
func TestAccountBeyondItsBudget(t *testing.T) {
	w := newEnv(t)
	now := time.Unix(1_800_000_000, 0)
	w.events.o.Now = func() time.Time { return now }
	request := func(i int, account string) error {
		_, err := w.events.Handle(t.Context(), event(fmt.Sprint("b-", i), account, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 28}`, w.pool)))
		return err
	}
	for i := range 500 {
		if err := request(i, owner); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	w.faulty.Inject = func(tabletest.Call) *tabletest.Fault { calls++; return nil }
	err := request(500, owner)
	if e, ok := errors.AsType[messages.InvokeResponse_Error](err); !ok || e.Type != "RequestLimitExceeded" || calls > 0 {
		t.Errorf("the 501st request: %v, after %d calls of the table", err, calls)
	}
	w.expect("b-500")
	if err := request(501, member); err != nil {
		t.Errorf("another account: %v", err)
	}
	now = now.Add(50 * time.Millisecond)
	if err := request(500, owner); err != nil {
		t.Errorf("a twentieth of a second later: %v", err)
	}
	w.expect("b-500", owner+" 10.0.")
}

// The answer to a batch of requests names those that failed. They come again soon.
func TestBatchOfRequests(t *testing.T) {
	w := newEnv(t)
	var retried []string
	w.events.o.Retry = func(_ context.Context, failed []lambdaevents.SQSMessage) {
		for _, m := range failed {
			retried = append(retried, m.MessageId)
		}
	}
	var batch lambdaevents.SQSEvent
	for i := range 3 {
		detail := fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool)
		batch.Records = append(batch.Records, lambdaevents.SQSMessage{MessageId: fmt.Sprint("m-", i), Body: string(event(fmt.Sprint("q-", i), owner, home, requested, detail))})
	}
	batch.Records[1].Body = "{"
	payload, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.events.Handle(t.Context(), payload)
	if err != nil || string(answer) != `{"batchItemFailures":[{"itemIdentifier":"m-1"}]}` || !slices.Equal(retried, []string{"m-1"}) {
		t.Errorf("answered %s, %v; come again soon: %q", answer, err, retried)
	}
	w.expect("q-0", owner+" 10.0.0.0/24")
	w.expect("q-2", owner+" 10.0.1.0/24")
}

// Each invocation has one log record, at both doors, timed by the injected clock.
func TestOneRecordForEachInvocation(t *testing.T) {
	w := newEnv(t)
	var log bytes.Buffer
	clock := time.Unix(1_800_000_000, 0)
	o := Options{Options: telemetry.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: func() time.Time { clock = clock.Add(1500 * time.Microsecond); return clock }}}
	for _, c := range []struct {
		name    string
		door    *Handler
		payload json.RawMessage
		want    map[string]any
	}{
		{"direct, success", NewDirect(func(registry.Authorizer) Registry { return w.direct.registry }, owner, home, o), json.RawMessage(`{"operation": "DescribeIpams"}`),
			map[string]any{"level": "INFO", "Operation": "DescribeIpams", "Outcome": "ok", "code": ""}},
		{"direct, no such operation", NewDirect(func(registry.Authorizer) Registry { return w.direct.registry }, owner, home, o), json.RawMessage(`{"operation": "MineBitcoin"}`),
			map[string]any{"level": "WARN", "Operation": "Unknown", "Outcome": "caller", "code": "InvalidAction"}},
		{"direct, failure", NewDirect(func(registry.Authorizer) Registry { return broken{w.direct.registry} }, owner, home, o), json.RawMessage(`{"operation": "DescribeIpams"}`),
			map[string]any{"level": "ERROR", "Operation": "DescribeIpams", "Outcome": "internal", "code": "InternalError", "error": "the table is down"}},
		{"events, success", NewEvents(w.events.registry, w.events.refuser, home, o), event("e-1", owner, home, requested, fmt.Sprintf(`{"IpamPoolId": %q, "NetmaskLength": 24}`, w.pool)),
			map[string]any{"level": "INFO", "Operation": "CIDR Requested", "Outcome": "ok", "code": "", "duration_ms": 3.0, "Duration": 3.0}}, // the budget reads the clock, too
	} {
		t.Run(c.name, func(t *testing.T) {
			log.Reset()
			_, _ = c.door.Handle(t.Context(), c.payload)
			var got map[string]any
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, log.Bytes())
			}
			if got["_aws"] == nil {
				t.Error("the record is no metric")
			}
			delete(got, "_aws")
			delete(got, "time")
			if c.want["error"] == nil {
				delete(got, "error") // the API's own text
			}
			for name, value := range map[string]any{"msg": "unit of work", "duration_ms": 1.5, "Duration": 1.5, "Requests": 1.0} {
				if c.want[name] == nil {
					c.want[name] = value
				}
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// broken fails all calls.
type broken struct{ Registry }

func (broken) Call(context.Context, string, any) (any, error) {
	return nil, errors.New("the table is down")
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
