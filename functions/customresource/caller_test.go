package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// ending is an end of a request other than the API's answer.
type ending struct {
	name    string
	refused bool // the API does not carry out the call
	answer  http.HandlerFunc
}

// endings are the ends of a request to API Gateway after which the outcome of a call is
// unknown, or after which the call may be repeated.
var endings = []ending{
	{"connection lost", false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{"time-out", false, byGateway("INTEGRATION_TIMEOUT", 504)},
	{"function crashes", false, byGateway(gateway.Default5XX, 502)},
	{"throttled", true, byGateway("THROTTLED", 429)},
	{"time-out, and the API never gets the call", true, byGateway("INTEGRATION_TIMEOUT", 504)},
}

// byGateway answers as API Gateway does for a response type.
func byGateway(responseType string, status int) http.HandlerFunc {
	a := gateway.For(responseType, status)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(a.Status)
		w.Write(a.Body("r-1", "so"))
	}
}

// api serves a caller's operations as the API does for EC2 Query requests. If seen
// returns an ending, the request has that one.
func api(t *testing.T, c Caller, seen func(r *http.Request, body string) *ending) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f := seen(r, string(body))
		if f != nil && f.refused {
			f.answer(w, r)
			return
		}
		answer, err := func() ([]byte, error) {
			form, err := ec2query.ParseForm(string(body))
			if err != nil {
				return nil, err
			}
			action, err := ec2query.Action(form)
			if err != nil {
				return nil, err
			}
			o, ok := ops.New(nil, nil).Lookup(action)
			if !ok {
				return nil, registry.Unknown(action)
			}
			in := o.New()
			if err := ec2query.Decode(form, action, in); err != nil {
				return nil, err
			}
			out, err := c.Call(r.Context(), action, in)
			if err != nil {
				return nil, err
			}
			return ec2query.Encode(action, "r-1", out)
		}()
		if f != nil {
			f.answer(w, r)
			return
		}
		if err != nil {
			e := ipam.Public(err)
			w.WriteHeader(ipam.Codes[e.Code].Status)
			answer = ec2query.EncodeError("r-1", e)
		}
		w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/prod"
}

func forwarder(endpoint string) Caller {
	cfg := aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "token"), RetryMaxAttempts: 1}
	return remote{ec2.NewFromConfig(cfg, client.Options(endpoint, "us-east-1")), endpoint, account}
}

// A forwarder has the same results as the function in the owner account.
func TestForwarder(t *testing.T) {
	w := newEnv(t)
	before := w.content()
	requests := 0
	w.use(forwarder(api(t, w.as(registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"}), func(r *http.Request, _ string) *ending {
		requests++
		if r.Header.Get(wire.RegionHeader) != "eu-west-1" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/execute-api/") || r.URL.Path != "/prod" {
			t.Errorf("a request to %s with %v", r.URL, r.Header)
		}
		return nil
	})))
	scope, top := w.network()
	w.must("Custom::Ipam", "Ipam", properties{"Description": "d"})
	id := w.standing["Ipam"].id
	w.must("Custom::IpamScope", "S", properties{"IpamId": id, "Tags": tagsOf("a", "1")})
	w.must("Custom::IpamScope", "S", properties{"IpamId": id, "Description": "d"})
	w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "AllocationDefaultNetmaskLength": 26, "Tags": tagsOf("a", "1")})
	w.must("Custom::IpamPool", "P", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Tags": tagsOf("a", "2"), "AutoImport": false})
	w.must("Custom::IpamPoolCidr", "C", properties{"IpamPoolId": w.standing["P"].id, "NetmaskLength": 22})
	selected := properties{"IpamPoolSelector": properties{"Tags": tagsOf("a", "2")}, "NetmaskLength": 27}
	w.must("Custom::IpamAllocation", "A", selected)
	w.refused("/8", "Custom::IpamAllocation", "A", properties{"IpamPoolSelector": selected["IpamPoolSelector"], "NetmaskLength": 8})
	w.refused("InvalidIpamPoolId.NotFound: The ipam-pool ID 'ipam-pool-0123456789abcdef0' does not exist.", "Custom::IpamAllocation", "B", properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24})
	for _, logical := range []string{"A", "C", "P", "S", "Top", "Ipam"} {
		copied := *w.standing[logical]
		w.remove(logical)
		w.end(copied.kind, logical, copied.id, copied.properties)
	}
	w.same(before)
	if requests != len(w.calls) || requests == 0 {
		t.Errorf("%d requests for %d calls", requests, len(w.calls))
	}
}

// Any request of a forwarder may have any ending, and the outcome is the same. A call
// without a token is made once, or again after a read if it was not carried out.
func TestForwarderWithOtherEndings(t *testing.T) {
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			// do gives the n-th request an ending. It returns the outcome of the
			// act and of its undoing, and the bodies of the act's requests.
			do := func(n int, f *ending) (outcome, bodies []string) {
				w := newEnv(t)
				var mu sync.Mutex // the client may repeat a request while its answer is on its way
				began, requests := false, 0
				w.use(forwarder(api(t, w.as(registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"}), func(_ *http.Request, body string) *ending {
					mu.Lock()
					defer mu.Unlock()
					if !began {
						return nil
					}
					requests++
					bodies = append(bodies, body)
					if requests == n {
						return f
					}
					return nil
				})))
				scope, top := w.network()
				a.prepare(w, scope, top)
				mu.Lock()
				began = true
				mu.Unlock()
				outcome = append(outcome, a.do(w, scope, top), w.content())
				mu.Lock()
				act := slices.Clone(bodies)
				mu.Unlock()
				for _, logical := range []string{"X", "P"} {
					if w.standing[logical] != nil {
						w.remove(logical)
					}
				}
				return append(outcome, w.content()), act
			}
			want, plain := do(0, nil)
			if len(plain) == 0 {
				t.Fatal("the act makes no request")
			}
			tried := endings
			if testing.Short() {
				tried = []ending{endings[1], endings[4]}
			}
			for _, f := range tried {
				for n := 1; n <= len(plain); n++ {
					got, bodies := do(n, &f)
					if !slices.Equal(got, want) {
						t.Errorf("request %d ends with %q (-got +want):\n%s", n, f.name, cmp.Diff(got, want))
					}
					if f.name != "throttled" {
						checkRepetition(t, plain, bodies, n, &f)
					}
				}
			}
		})
	}
}

// checkRepetition fails the test unless the n-th request, which had an ending, was made
// as often as it may be: again with its token, or if it only reads; once without a token
// if it was carried out; twice, with a read between, if it was not. plain are the requests
// without an ending.
func checkRepetition(t *testing.T, plain, bodies []string, n int, f *ending) {
	t.Helper()
	mayRepeat := func(body string) bool {
		form, err := ec2query.ParseForm(body)
		if err != nil {
			t.Fatal(err)
		}
		action, _ := ec2query.Action(form)
		return client.MayRepeat(action, form.Get("ClientToken"))
	}
	if mayRepeat(plain[n-1]) {
		return
	}
	want := 1
	if f.refused {
		want = 2
	}
	calls := 0
	for _, body := range bodies[n-1:] {
		if body == plain[n-1] {
			calls++
		}
	}
	if calls != want {
		t.Errorf("request %d ends with %q and is made %d times, want %d: %s", n, f.name, calls, want, plain[n-1])
	}
	if len(bodies) <= n || !mayRepeat(bodies[n]) {
		t.Errorf("request %d ends with %q, and no read follows: %s", n, f.name, plain[n-1])
	}
}

// Answers to the forwarder that are not the API's.
func TestForwarderIsRefused(t *testing.T) {
	for _, c := range []struct {
		name         string
		status       int
		body, reason string
	}{
		{"by API Gateway", 403, `{"Message":"User: arn:aws:sts::444455556666:assumed-role/f/f is not authorized to perform: execute-api:Invoke"}`, "UnauthorizedOperation: The API at |execute-api:Invoke|resource policy"},
		{"by the API", 403, string(ec2query.EncodeError("r", ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized."))), "UnauthorizedOperation: You are not authorized."},
		{"by API Gateway, in the form of this deployment", 403, gatewayAnswer("ACCESS_DENIED"), "UnauthorizedOperation: API Gateway refused the request (Forbidden). Check the API's resource policy|execute-api:Invoke"},
		{"by a function that crashes", 400, gatewayAnswer("DEFAULT_5XX"), "OutcomeUnknown: The API at |gave no answer to AllocateIpamPoolCidr|ApiEndpoint"},
		{"by a time-out", 400, gatewayAnswer("INTEGRATION_TIMEOUT"), "OutcomeUnknown: The API at |gave no answer to AllocateIpamPoolCidr|ApiEndpoint"},
		{"by something else", 502, "<html>secret</html>", "OutcomeUnknown: The API at |gave no answer to AllocateIpamPoolCidr|ApiEndpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			}))
			t.Cleanup(s.Close)
			w := newEnv(t)
			w.use(forwarder(s.URL))
			a := w.send(w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24}))
			for _, word := range strings.Split(c.reason, "|") {
				if !strings.Contains(a.Reason, word) || strings.Contains(a.Reason, "secret") {
					t.Errorf("the reason is %q, want %q in it", a.Reason, word)
				}
			}
		})
	}
}

func gatewayAnswer(responseType string) string {
	return string(gateway.For(responseType, 500).Body("r", "Forbidden"))
}

// A forwarder that does not reach the API says so, when it has no time left to go
// on trying too.
func TestForwarderReachesNothing(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // only then it is seen that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	for _, endpoint := range []string{"http://127.0.0.1:1/prod", s.URL} {
		w := newEnv(t)
		w.use(forwarder(endpoint))
		w.h.o.Reserve = 100 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		if err := w.h.Handle(ctx, w.event(cfn.RequestCreate, "Custom::IpamAllocation", "X", properties{"IpamPoolId": "ipam-pool-0123456789abcdef0", "NetmaskLength": 24})); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
		cancel()
		if a := w.bucket.last(); !strings.HasPrefix(a.Reason, "Unavailable: ") || !strings.Contains(a.Reason, "The API at "+endpoint+" gave no answer to AllocateIpamPoolCidr") {
			t.Errorf("%s: the reason is %q", endpoint, a.Reason)
		}
	}
}

// Every operation that the types call can be forwarded.
func TestForwarderKnowsTheOperations(t *testing.T) {
	called := 0
	for _, o := range ops.New(nil, nil).Operations() {
		if !strings.Contains(source(t), `"`+o.Name+`"`) {
			continue
		}
		called++
		if _, ok := client.Lookup(o.Name); !ok {
			t.Errorf("the types call %s, and the client does not have it", o.Name)
		}
	}
	if called != 22 {
		t.Errorf("the types call %d operations, want 22", called)
	}
}

// source returns the source of the types.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"allocation.go", "change.go", "inlinecidrs.go", "ipam.go", "pool.go", "poolcidr.go", "scope.go", "selection.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestNewCaller(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	for _, name := range []string{"CADASTRE_TABLE", "CADASTRE_HOME_REGION", "CADASTRE_ACCOUNT", EnvEndpoint} {
		t.Setenv(name, "")
	}
	if _, err := NewCaller(t.Context()); err == nil {
		t.Error("without an environment: no error")
	}
	t.Setenv("CADASTRE_TABLE", "t")
	t.Setenv("CADASTRE_HOME_REGION", "cn-north-1")
	if _, err := NewCaller(t.Context()); err == nil || !strings.Contains(err.Error(), "CADASTRE_ACCOUNT") {
		t.Errorf("without an account: %v", err)
	}
	t.Setenv("CADASTRE_ACCOUNT", account)
	c, err := NewCaller(t.Context())
	if o, ok := c.(owner); err != nil || !ok || o.caller != (registry.Caller{Account: account, ARN: "arn:aws-cn:iam::" + account + ":root", Stacks: true}) || c.Account() != account {
		t.Errorf("%+v, %v", c, err)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", EnvAPIRegion: "us-west-2"} {
		t.Setenv(name, value)
	}
	var requests atomic.Int64
	t.Setenv(EnvEndpoint, api(t, c, func(r *http.Request, _ string) *ending {
		requests.Add(1)
		if scope := r.Header.Get("Authorization"); !strings.Contains(scope, "/us-west-2/execute-api/") || r.Header.Get(wire.RegionHeader) != "eu-west-1" {
			t.Errorf("signed %s, for the Region %s", scope, r.Header.Get(wire.RegionHeader))
		}
		return &endings[0]
	}))
	if c, err = NewCaller(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The answer is lost; this test only looks at the request's signature.
	if _, err := c.Call(t.Context(), "ReleaseIpamPoolAllocation", &ec2.ReleaseIpamPoolAllocationInput{Cidr: aws.String("x"), IpamPoolId: aws.String("x"), IpamPoolAllocationId: aws.String("x")}); err == nil || requests.Load() == 0 {
		t.Errorf("after %d requests: %v", requests.Load(), err)
	}
}

// The example event is served as it stands.
func TestEvent(t *testing.T) {
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e cfn.Event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	w := newEnv(t)
	scope, top := w.network()
	w.must("Custom::IpamPool", "Dev", properties{"IpamScopeId": scope, "AddressFamily": "ipv4", "SourceIpamPoolId": top, "Locale": "us-east-1", "Tags": tagsOf("environment", "dev"), "ProvisionedCidrs": []any{properties{"Cidr": "10.0.16.0/20"}}})
	e.ResponseURL = "https://" + bucketHost
	if a := w.send(e); a.Status != cfn.StatusSuccess || a.Data["Cidr"] != "10.0.16.0/24" {
		t.Errorf("%+v", a)
	}
	last := w.log.String()[strings.LastIndex(strings.TrimSpace(w.log.String()), "\n")+1:]
	for _, want := range []string{`"Operation":"Create Custom::IpamAllocation"`, `"Outcome":"ok"`, `"stack_id":"arn:aws:cloudformation:us-east-1:111122223333:stack/network`, `"logical_id":"Allocation"`, `|10.0.16.0/24"`} {
		if !strings.Contains(last, want) {
			t.Errorf("the log has no %s: %s", want, last)
		}
	}
}
