package main

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// Each AWS call of a run is refused, throttled, broken or never answered. The run forgets
// nothing, though many resources are gone. The account's row says why. The other account's
// run is not affected, and the next run repairs all.
func TestFaultsOfAWS(t *testing.T) {
	trace := newEnv(t)
	trace.cloud.PageSize = 2
	trace.run(t.Context(), memberA)
	deleteVPC(trace.cloud.Network(memberA, home))
	trace.cloud.Made = nil
	trace.run(t.Context(), memberA)
	calls := trace.cloud.Made
	if len(calls) < 9 || calls[0].Name != "AssumeRole" {
		t.Fatalf("a run makes the calls %v", calls)
	}
	for i, fails := range calls {
		for kind, f := range map[string]discovertest.Fault{
			"refused":   {Status: 403, Code: "UnauthorizedOperation"},
			"throttled": {Status: 503, Code: "Throttling"},
			"broken":    {Status: 500, Code: "InternalFailure"},
			"silent":    {Hang: true},
		} {
			t.Run(fmt.Sprintf("%d %s page %d %s", i, fails.Name, fails.Page, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newEnv(t)
					w.cloud.PageSize = 2
					w.run(t.Context(), memberA)
					w.run(t.Context(), memberB)
					before := w.progress(memberA)
					known := w.known(memberA)
					deleteVPC(w.cloud.Network(memberA, home))
					deleteVPC(w.cloud.Network(memberB, home))
					struck, from := false, len(w.cloud.Made)
					w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
						if struck || len(w.cloud.Made) != from+i+1 {
							return nil
						}
						struck = true
						if c != fails {
							t.Errorf("the call is %v, want %v", c, fails)
						}
						return &f
					}
					if !w.run(t.Context(), memberA) {
						t.Error("the message comes again, though the account's row has the failure")
					}
					if !struck {
						t.Error("the call was not made")
					}
					if diff := cmp.Diff(w.known(memberA), known); diff != "" {
						t.Errorf("-known +before:\n%s", diff)
					}
					after := w.progress(memberA)
					code := map[bool]string{true: discover.ThrottlingFailure, false: discover.UnauthorizedFailure}[kind != "refused"]
					if kind == "refused" && fails.Name == "AssumeRole" {
						code = discover.AssumeRoleFailure
					}
					if after.FailureCode != code || after.Failure == "" || after.Succeeded != before.Succeeded || after.Attempted <= before.Attempted {
						t.Errorf("the account is at %+v", after)
					}
					w.cloud.Lock() // an unanswered call may still run
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
					time.Sleep(time.Hour) // until the abandoned calls end
				})
			})
		}
	}
}

// small is a network with one resource of each type that contains another, and one
// interface.
func small() *discover.Seen {
	return &discover.Seen{
		VPCs:       []types.Vpc{vpc("vpc-1", "10.1.0.0/16"), vpc("vpc-2", "10.2.0.0/16")},
		Subnets:    []types.Subnet{{SubnetId: ptr("subnet-1"), VpcId: ptr("vpc-1"), CidrBlock: ptr("10.1.0.0/24")}},
		Interfaces: []types.NetworkInterface{{NetworkInterfaceId: ptr("eni-1"), VpcId: ptr("vpc-1"), SubnetId: ptr("subnet-1"), PrivateIpAddress: ptr("10.1.0.4")}},
	}
}

// Each call of the table fails, or its answer is lost, in a run that stores and forgets
// resources and in an event. No live resource is forgotten. The message or the event comes
// again unless all is done. After that the stored resources equal the network.
func TestFaultsOfTheTable(t *testing.T) {
	for name, act := range map[string]func(*env) (done bool){
		"run": func(w *env) bool { return w.run(w.Context(), memberA) },
		"event": func(w *env) bool {
			return w.event(memberA, "CreateTags", `{"resourcesSet": {"items": [{"resourceId": "vpc-1"}, {"resourceId": "vpc-3"}]}}`, `{}`) == nil
		},
	} {
		prepare := func(t *testing.T) *env {
			w := newEnv(t)
			w.cloud.Networks[memberA+" "+home] = small()
			w.run(t.Context(), memberA)
			n := w.cloud.Network(memberA, home)
			n.VPCs = []types.Vpc{n.VPCs[1], vpc("vpc-3", "10.1.0.0/17")}
			n.Subnets, n.Interfaces = nil, nil
			w.later() // the event names a VPC that is gone, but is no deletion
			return w
		}
		trace := prepare(t)
		faulty := &tabletest.Faulty{Table: trace.table}
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
				w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
					if c.Kind != fails.Kind || c.N != fails.N {
						return nil
					}
					return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
				}}
				where := fmt.Sprintf("%s, %s, applied %t", name, fails, applied)
				done := act(w)
				if !slices.Contains(w.known(memberA), "vpc-2 10.2.0.0/16") {
					t.Errorf("%s: a live resource was forgotten", where)
				}
				w.on = w.table
				if !done && !act(w) {
					t.Errorf("%s: the next try is not done", where)
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

// EC2 refuses the credentials of a role that was deleted and created again. The next run
// gets new ones.
func TestRefusedCredentialsAreNotUsedAgain(t *testing.T) {
	w := newEnv(t)
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

// A run stops after 5 failures. Up to 4 groups run at once, so that 3 more may fail; each
// failure is 5 tries.
func TestRunStopsTryingAfterFailures(t *testing.T) {
	w := newEnv(t)
	w.run(t.Context(), memberA)
	n := w.cloud.Network(memberA, home)
	for i := range 20 {
		n.VPCs = append(n.VPCs, vpc(fmt.Sprintf("vpc-%d", i), fmt.Sprintf("10.50.%d.0/24", i)))
	}
	n.Interfaces = nil
	known := w.known(memberA)
	var transactions atomic.Int32
	w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
		if c.Kind != tabletest.Transact {
			return nil
		}
		if transactions.Add(1) == 1 {
			return nil // the account's row
		}
		return &tabletest.Fault{Err: errors.New("down")}
	}}
	if w.run(t.Context(), memberA) {
		t.Error("the message is done")
	}
	if n := transactions.Load(); n > 41 {
		t.Errorf("%d transactions", n)
	}
	if diff := cmp.Diff(w.known(memberA), known); diff != "" {
		t.Errorf("-known +before:\n%s", diff)
	}
	w.on = w.table
	w.run(t.Context(), memberA)
	w.agrees(memberA)
}

// The next message continues the work that the end of the invocation cuts off. The
// account's row has no failure.
func TestDeadline(t *testing.T) {
	for name, at := range map[string]string{"while EC2 is silent": "DescribeSubnets", "while STS is silent": "AssumeRole"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newEnv(t)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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
		w := newEnv(t)
		w.run(t.Context(), memberA)
		n := w.cloud.Network(memberA, home)
		n.VPCs = append(n.VPCs, vpc("vpc-a", "10.50.0.0/16"), vpc("vpc-b", "10.51.0.0/16"))
		n.Interfaces = nil
		known := w.known(memberA)
		ctx, cancel := context.WithCancel(t.Context())
		transactions := 0
		w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
			if c.Kind == tabletest.Transact {
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

// lossy makes the cloud's calls and loses the answers of some.
type lossy struct {
	*discovertest.Cloud
	loses func(discovertest.Call) bool
}

func (l *lossy) Do(r *http.Request) (*http.Response, error) {
	answer, err := l.Cloud.Do(r)
	l.Lock()
	call := l.Made[len(l.Made)-1]
	l.Unlock()
	if err == nil && l.loses(call) {
		return nil, errors.New("connection reset by peer")
	}
	return answer, err
}

// dispatched returns an env after runs over three accounts, of which one departed since.
// The list of accounts does not have their units, so that a dispatch asks for each. One
// account has an IPAM of its own.
func dispatched(t testing.TB) *env {
	w := newEnv(t)
	w.cloud.PageSize = 2
	w.cloud.Parents = map[string]string{"ou-f6g7-aaaaaaaa": "r-f6g7"}
	for i := range w.cloud.Members {
		w.cloud.Members[i].Paths, w.cloud.Members[i].Parent = nil, "ou-f6g7-aaaaaaaa"
	}
	must(w.store().CreateIPAM(context.Background(), store.Token{Account: memberB, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: memberB}, OperatingRegions: []string{away}}))(t)
	for _, account := range []string{memberA, memberB, departed} {
		must(0, w.store().SaveDiscoveredAccount(context.Background(), &ipam.DiscoveredAccount{Discovery: w.discovery.ID, Region: home, Account: account, Attempted: 1, Succeeded: 1}))(t)
	}
	return w
}

const departed = "666677778888"

// marks fails the test unless the departed account is marked, if departedToo is set, and
// no other account is.
func (w *env) marks(departedToo bool) {
	w.Helper()
	for _, account := range []string{memberA, memberB, departed} {
		want := map[bool]ipam.Departure{true: ipam.DepartedAccount}[departedToo && account == departed]
		if p := w.progress(account); p.Departure != want {
			w.Errorf("%s is at %+v, want %q", account, p, want)
		}
	}
}

// Each Organizations call of a dispatch is refused, throttled, broken or never answered, or
// its answer is lost. Then the dispatch does not know the departed accounts and marks none.
// It sends the messages that do not depend on the list, and fails. The next dispatch does
// the rest.
func TestFaultsOfOrganizations(t *testing.T) {
	trace := dispatched(t)
	if _, err := trace.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil {
		t.Fatal(err)
	}
	calls := trace.cloud.Made
	if len(calls) < 5 {
		t.Fatalf("a dispatch makes the calls %v", calls)
	}
	for n, fails := range calls {
		for kind, f := range map[string]*discovertest.Fault{
			"refused":         {Status: 400, Code: "AccessDeniedException"},
			"throttled":       {Status: 400, Code: "TooManyRequestsException"},
			"broken":          {Status: 500, Code: "ServiceException"},
			"silent":          {Hang: true},
			"its answer lost": nil,
		} {
			t.Run(fmt.Sprintf("%s page %d, call %d, %s", fails.Name, fails.Page, n, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := dispatched(t)
					made := 0
					w.cloud.Fault = func(discovertest.Call) *discovertest.Fault {
						if made++; made-1 == n {
							return f
						}
						return nil
					}
					w.client = &lossy{w.cloud, func(discovertest.Call) bool { return f == nil && made-1 == n }}
					begin := time.Now()
					if _, err := w.handler().Handle(t.Context(), Event{Dispatch: true}); err == nil || !strings.Contains(err.Error(), w.discovery.ID) {
						t.Errorf("no failure: %v", err)
					}
					if took := time.Since(begin); took > time.Minute {
						t.Errorf("answered after %s", took)
					}
					if len(w.sent) != 1 || strings.Contains(w.sent[0], w.discovery.ID) {
						t.Errorf("sent %q, want the message for the IPAM of %s", w.sent, memberB)
					}
					w.marks(false)
					w.sent = nil
					if _, err := w.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil {
						t.Error(err)
					}
					slices.Sort(w.sent)
					if diff := cmp.Diff(w.sent, slices.Sorted(slices.Values(trace.sent))); diff != "" {
						t.Errorf("-sent +want:\n%s", diff)
					}
					w.marks(true)
				})
			})
		}
	}
}

// If Organizations does not answer, a dispatch ends 10 s before the invocation and marks
// no account.
func TestDispatchDeadline(t *testing.T) {
	for _, at := range []string{"ListAccounts", "ListParents"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := dispatched(t)
				w.cloud.Fault = func(c discovertest.Call) *discovertest.Fault {
					if c.Name == at {
						return &discovertest.Fault{Hang: true}
					}
					return nil
				}
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if _, err := w.handler().Handle(ctx, Event{Dispatch: true}); err == nil {
					t.Error("no failure")
				}
				if took := time.Since(begin); took != 10*time.Second {
					t.Errorf("answered after %s", took)
				}
				w.marks(false)
				if log := w.logs.String(); !strings.Contains(log, `"Outcome":"remains"`) {
					t.Errorf("the record is %s", log)
				}
			})
		})
	}
}

// sqsFake is SQS behind the function's own queue. It accepts messages, unless fault names
// another answer to a call.
type sqsFake struct {
	calls int
	taken []string
	fault func(call int) string // "" is none
	done  chan struct{}         // closed at the end; ends the calls that get no answer
}

func (f *sqsFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Entries []struct{ Id, MessageBody string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		panic(err)
	}
	f.calls++
	kind := ""
	if f.fault != nil {
		kind = f.fault(f.calls - 1)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch kind {
	case "refused":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "no"}`)
		return
	case "throttled":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down"}`)
		return
	case "broken":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "silent":
		<-f.done
		return
	}
	ok, failed := []map[string]string{}, []map[string]any{}
	for _, e := range in.Entries {
		if kind == "partly refused" && e.Id == "1" {
			failed = append(failed, map[string]any{"Id": e.Id, "Code": "InternalError", "SenderFault": false})
			continue
		}
		f.taken = append(f.taken, e.MessageBody)
		ok = append(ok, map[string]string{"Id": e.Id, "MessageId": "m", "MD5OfMessageBody": fmt.Sprintf("%x", md5.Sum([]byte(e.MessageBody)))})
	}
	if kind == "its answer lost" {
		panic(http.ErrAbortHandler)
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"Successful": ok, "Failed": failed}); err != nil {
		panic(err)
	}
}

// Each SQS call of a dispatch is refused in whole or part, throttled, broken or never
// answered, or its answer is lost. The dispatch fails in time and sends the other messages.
// The next dispatch sends all. Messages that come twice change nothing.
func TestFaultsOfTheQueue(t *testing.T) {
	for kind, taken := range map[string][2]int{ // of 14, when the first call fails, or the second
		"refused": {4, 10}, "throttled": {4, 10}, "broken": {4, 10},
		"partly refused":  {12, 13}, // one message of each call, and each retry
		"silent":          {0, 10},  // until the end of the invocation
		"its answer lost": {14, 14},
	} {
		for fails, want := range taken {
			t.Run(fmt.Sprintf("%s, call %d", kind, fails), func(t *testing.T) {
				w := newEnv(t)
				for i := range 4 {
					w.cloud.Members = append(w.cloud.Members, discovertest.Member{ID: fmt.Sprintf("66667777888%d", i), Paths: []string{"o-a1b2c3d4e5/r-f6g7/"}})
				}
				fake := &sqsFake{done: make(chan struct{})}
				server := httptest.NewServer(fake)
				defer server.Close()
				stop := sync.OnceFunc(func() { close(fake.done) })
				defer stop()
				for name, value := range map[string]string{
					lambdakit.EnvDiscoveryQueue: "http://queue/1/work", "AWS_REGION": home, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.URL, "AWS_MAX_ATTEMPTS": "1",
				} {
					t.Setenv(name, value)
				}
				w.queue = must(lambdakit.OpenQueue(t.Context(), lambdakit.EnvDiscoveryQueue))(t)
				fake.fault = func(call int) string {
					if call >= fails && (kind == "partly refused" || call == fails) {
						return kind
					}
					return ""
				}
				ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
				defer cancel()
				begin := time.Now()
				if _, err := w.handler().Handle(ctx, Event{Dispatch: true}); err == nil {
					t.Error("no failure")
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("answered after %s", took)
				}
				stop()
				first := fake.taken
				fake.taken, fake.fault = nil, nil
				if _, err := w.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil {
					t.Fatal(err)
				}
				due := fake.taken
				if len(due) != 14 {
					t.Fatalf("%d messages are due", len(due))
				}
				if len(first) != want {
					t.Errorf("%d messages were sent, want %d", len(first), want)
				}
				for _, body := range append(first, due...) {
					answer, err := w.handler().Handle(t.Context(), Event{SQSEvent: events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: body}}}})
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(body, memberA) && len(answer.BatchItemFailures) > 0 {
						t.Errorf("%s is not done:\n%s", body, &w.logs)
					}
				}
				w.agrees(memberA, memberB)
			})
		}
	}
}

// Each table call of a dispatch fails, or its answer is lost. No account is marked that did
// not depart, and the next dispatch does the rest.
func TestFaultsOfTheTableAtDispatch(t *testing.T) {
	trace := dispatched(t)
	faulty := &tabletest.Faulty{Table: trace.table}
	trace.on = faulty
	if _, err := trace.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil {
		t.Fatal(err)
	}
	trace.marks(true)
	for _, fails := range faulty.Trace() {
		for _, applied := range []bool{false, true} {
			w := dispatched(t)
			w.on = &tabletest.Faulty{Table: w.table, Inject: func(c tabletest.Call) *tabletest.Fault {
				if c.Kind != fails.Kind || c.N != fails.N {
					return nil
				}
				return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: applied}
			}}
			_, err := w.handler().Handle(t.Context(), Event{Dispatch: true})
			where := fmt.Sprintf("%s, applied %t", fails, applied)
			if err == nil && len(w.sent) != len(trace.sent) {
				t.Errorf("%s: no failure, and sent %q", where, w.sent)
			}
			w.marks(w.progress(departed).Departure != ipam.NotDeparted)
			w.on, w.sent = w.table, nil
			if _, err := w.handler().Handle(t.Context(), Event{Dispatch: true}); err != nil || len(w.sent) != len(trace.sent) {
				t.Errorf("%s: the next dispatch sent %q, %v", where, w.sent, err)
			}
			w.marks(true)
		}
	}
}
