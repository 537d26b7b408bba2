package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

const account = "111122223333"

var started = time.Unix(1_800_000_000, 0).UTC()

// bucket is where CloudFormation waits for answers: the transport of a client.
type bucket struct {
	*testing.T
	mu      sync.Mutex
	answers []cfn.Response
	refuse  int // so many answers from now on are refused
}

const bucketHost = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com"

// RoundTrip takes an answer. Requests to other hosts go to these.
func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != bucketHost {
		return http.DefaultTransport.RoundTrip(r)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPut || r.Header["Content-Type"] != nil || len(body) > 4096 || r.ContentLength != int64(len(body)) {
		b.Errorf("CloudFormation gets no such answer: %s %v, %d bytes", r.Method, r.Header, len(body))
	}
	if b.refuse > 0 {
		b.refuse--
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Body: http.NoBody, Request: r}, nil
	}
	var a cfn.Response
	if err := json.Unmarshal(body, &a); err != nil {
		b.Error(err)
	}
	b.answers = append(b.answers, a)
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: http.NoBody, Request: r}, nil
}

func (b *bucket) last() cfn.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) == 0 {
		return cfn.Response{}
	}
	return b.answers[len(b.answers)-1]
}

// env is the function on a table, with a stack of CloudFormation.
type env struct {
	*testing.T
	table  *tabletest.Memory
	store  *store.Store
	faulty *tabletest.Faulty
	h      *Handler
	bucket *bucket
	log    bytes.Buffer

	requests int
	stack    string                               // its id
	standing map[string]*standing                 // the stack's resources, by logical id
	as       func(registry.Caller) Caller         // on the world's table
	calls    []string                             // operations, in order
	spy      func(operation string, in any) error // fails calls
}

type standing struct {
	kind, id   string
	properties map[string]any
	attributes map[string]any
}

type spying struct {
	w *env
	Caller
}

func (s spying) Call(ctx context.Context, operation string, in any) (any, error) {
	s.w.calls = append(s.w.calls, operation)
	if s.w.spy != nil {
		if err := s.w.spy(operation, in); err != nil {
			return nil, err
		}
	}
	return s.Caller.Call(ctx, operation, in)
}

func newEnv(t *testing.T) *env { return newEnvWithQuotas(t, ipam.DefaultQuotas()) }

func newEnvWithQuotas(t *testing.T, quotas ipam.Quotas) *env {
	w := &env{T: t, table: &tabletest.Memory{}, bucket: &bucket{T: t}, standing: map[string]*standing{},
		stack: "arn:aws:cloudformation:us-east-1:" + account + ":stack/network/6d2f7a30"}
	w.faulty = &tabletest.Faulty{Table: w.table}
	ids := 0
	w.store = store.New(w.faulty, store.Options{
		Region: "us-east-1",
		Quotas: &quotas,
		Now:    func() time.Time { return started },
		Pick:   func(int) int { return 0 },
		NewID:  func() string { ids++; return fmt.Sprint("id ", ids) },
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Tries:  3,
	})
	w.as = func(c registry.Caller) Caller { c.Stacks = true; return owner{ops.New(w.store, registry.OnlyTo(c)), c} }
	w.use(w.as(registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"}))
	return w
}

func (w *env) use(c Caller) {
	w.h = New(spying{w, c}, Options{
		Options: telemetry.Options{Logger: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: func() time.Time { return started }},
		Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Client:  &http.Client{Transport: w.bucket},
	})
}

type properties = map[string]any

// event returns the next request for a resource.
func (w *env) event(request cfn.RequestType, kind, logical string, p properties) cfn.Event {
	w.requests++
	p = asStrings(p).(properties)
	p["ServiceToken"] = "arn:aws:lambda:us-east-1:" + account + ":function:f"
	e := cfn.Event{
		RequestType: request, RequestID: fmt.Sprint("request-", w.requests), ResponseURL: "https://" + bucketHost + "/?X-Amz-Signature=secret",
		ResourceType: kind, LogicalResourceID: logical, StackID: w.stack, ResourceProperties: p,
	}
	if s := w.standing[logical]; s != nil {
		e.PhysicalResourceID = s.id
		if request == cfn.RequestUpdate {
			e.OldResourceProperties = s.properties
		}
	}
	return e
}

// asStrings returns properties as CloudFormation sends them: each single value is a
// string.
func asStrings(v any) any {
	switch v := v.(type) {
	case properties:
		m := properties{}
		for k, x := range v {
			m[k] = asStrings(x)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = asStrings(x)
		}
		return l
	}
	return fmt.Sprint(v)
}

// serve has the function serve a request as Lambda does: in the time that there
// is, and again, at most twice, if it fails, or dies and says nothing.
func (w *env) serve(e cfn.Event) {
	w.Helper()
	var err error
	for range 3 {
		err = errors.New("the function died")
		done := make(chan struct{})
		go func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
			defer cancel()
			err = w.h.Handle(ctx, e)
		}()
		if <-done; err == nil {
			return
		}
	}
	w.Fatalf("%s of %s: no answer: %v", e.RequestType, e.ResourceType, err)
}

// send has the function serve a request and returns its answer.
func (w *env) send(e cfn.Event) cfn.Response {
	w.Helper()
	w.serve(e)
	a := w.bucket.last()
	if a.RequestID != e.RequestID || a.StackID != e.StackID || a.LogicalResourceID != e.LogicalResourceID || a.PhysicalResourceID == "" || a.NoEcho {
		w.Fatalf("an answer to another request, or without an id: %+v", a)
	}
	return a
}

// deploy creates or updates a resource, as CloudFormation does: a failed create
// is deleted, a failed update is sent back, a replaced resource is deleted. It
// returns the reason of a failure.
func (w *env) deploy(kind, logical string, p properties) (reason string) {
	w.Helper()
	was := w.standing[logical]
	request := cfn.RequestUpdate
	if was == nil {
		request = cfn.RequestCreate
	}
	e := w.event(request, kind, logical, p)
	a := w.send(e)
	if a.Status == cfn.StatusSuccess {
		w.standing[logical] = &standing{kind, a.PhysicalResourceID, e.ResourceProperties, a.Data}
		if was != nil && was.id != a.PhysicalResourceID {
			w.end(kind, logical, was.id, was.properties)
		}
		return ""
	}
	if a.Reason == "" {
		w.Fatal("a failure without a reason")
	}
	switch {
	case was == nil || was.id != a.PhysicalResourceID:
		w.end(kind, logical, a.PhysicalResourceID, e.ResourceProperties)
	default:
		back := w.event(cfn.RequestUpdate, kind, logical, was.properties)
		back.OldResourceProperties = e.ResourceProperties
		if b := w.send(back); b.Status != cfn.StatusSuccess || b.PhysicalResourceID != was.id {
			w.Fatalf("rolled back to %s: %+v", was.id, b)
		}
	}
	return a.Reason
}

// end deletes a physical id.
func (w *env) end(kind, logical, id string, p properties) {
	w.Helper()
	e := w.event(cfn.RequestDelete, kind, logical, p)
	e.PhysicalResourceID = id
	if a := w.send(e); a.Status != cfn.StatusSuccess || a.PhysicalResourceID != id {
		w.Fatalf("delete %s: %+v", id, a)
	}
}

// remove deletes a resource of the stack.
func (w *env) remove(logical string) {
	w.Helper()
	s := w.standing[logical]
	delete(w.standing, logical)
	w.end(s.kind, logical, s.id, s.properties)
}

func (w *env) must(kind, logical string, p properties) *standing {
	w.Helper()
	if reason := w.deploy(kind, logical, p); reason != "" {
		w.Fatalf("%s: %s", logical, reason)
	}
	return w.standing[logical]
}

func (w *env) refused(words string, kind, logical string, p properties) {
	w.Helper()
	before := w.content()
	reason := w.deploy(kind, logical, p)
	for _, word := range strings.Split(words, "|") {
		if !strings.Contains(reason, word) {
			w.Errorf("the reason does not say %q: %s", word, reason)
		}
	}
	w.same(before)
}

// content returns the objects in the table as the API shows them: the pools with their
// CIDRs and allocations, IPAMs, resource discoveries and scopes.
func (w *env) content() string {
	w.Helper()
	fscktest.Clean(w, w.table, started)
	spy, faults := w.spy, w.faulty.Inject
	w.spy, w.faulty.Inject = nil, nil
	defer func() { w.spy, w.faulty.Inject = spy, faults }()
	c := w.as(registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"})
	var b strings.Builder
	show := func(operation string, in any) any {
		out, err := c.Call(w.Context(), operation, in)
		if err != nil {
			w.Fatal(err)
		}
		doc, _ := json.Marshal(out)
		fmt.Fprintf(&b, "%s\n", doc)
		return out
	}
	show("DescribeIpams", &ec2.DescribeIpamsInput{})
	show("DescribeIpamResourceDiscoveries", &ec2.DescribeIpamResourceDiscoveriesInput{})
	show("DescribeIpamScopes", &ec2.DescribeIpamScopesInput{})
	for _, p := range show("DescribeIpamPools", &ec2.DescribeIpamPoolsInput{}).(*ec2.DescribeIpamPoolsOutput).IpamPools {
		for _, a := range show("GetIpamPoolAllocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: p.IpamPoolId}).(*ec2.GetIpamPoolAllocationsOutput).IpamPoolAllocations {
			fmt.Fprintln(&b, *p.IpamPoolId, *a.Cidr)
		}
		out, err := c.Call(w.Context(), "GetIpamPoolCidrs", &ec2.GetIpamPoolCidrsInput{IpamPoolId: p.IpamPoolId})
		if err != nil {
			w.Fatal(err)
		}
		for _, c := range out.(*ec2.GetIpamPoolCidrsOutput).IpamPoolCidrs {
			if c.State != "deprovisioned" {
				fmt.Fprintln(&b, *p.IpamPoolId, "has", *c.Cidr)
			}
		}
	}
	return strings.ReplaceAll(b.String(), "modify-complete", "create-complete")
}

func (w *env) same(before string) {
	w.Helper()
	if diff := cmp.Diff(strings.Split(w.content(), "\n"), strings.Split(before, "\n")); diff != "" {
		w.Errorf("something is left, or lost (-after +before):\n%s", diff)
	}
}

func tagsOf(pairs ...string) []any {
	var l []any
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, properties{"Key": pairs[i], "Value": pairs[i+1]})
	}
	return l
}
