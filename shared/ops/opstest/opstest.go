// Package opstest serves the operations by HTTP on a table in memory, for tests of clients.
package opstest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

// The Region and the account of the deployment.
const (
	Region  = "eu-west-1"
	Account = "111122223333"
)

// Fault says where a call is cut.
type Fault int

// The faults of a call.
const (
	NoFault    Fault = iota
	NotApplied       // the request does not arrive
	AnswerLost       // the request is carried out, and its answer does not arrive
)

// Server is a deployment. Each caller administers the objects of the account that is the
// access key of the request's signature, which the server does not verify.
type Server struct {
	URL   string
	Store *store.Store
	Table *tabletest.Memory // nil in a deployment on another's store
	Now   time.Time         // the time of the store on Table

	operations *registry.Registry
	calls      atomic.Int64
	running    sync.WaitGroup // calls under way; a caller may be gone
	mu         sync.Mutex
	fault      func(operation string) Fault
	once       map[[32]byte]bool // calls that were cut; nil unless each is to be cut once
}

// New starts a deployment, which ends with the test. Functions in change change its
// quotas.
func New(t testing.TB, change ...func(*ipam.Quotas)) *Server {
	s := &Server{Table: &tabletest.Memory{}, Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	quotas := ipam.DefaultQuotas()
	for _, c := range change {
		c(&quotas)
	}
	var ids atomic.Int64
	s.Store = store.New(s.Table, store.Options{
		Region: Region, Owner: Account, Quotas: &quotas, Now: s.Clock, NewID: func() string { return fmt.Sprint(ids.Add(1)) },
	})
	s.start(t)
	return s
}

// Serve starts a deployment on a store, which ends with the test.
func Serve(t testing.TB, on *store.Store) *Server {
	s := &Server{Store: on}
	s.start(t)
	return s
}

func (s *Server) start(t testing.TB) {
	all := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::*:user/admin", Class: registry.Administer}}, nil, 0, nil)
	s.operations = ops.New(s.Store, all, ops.WithOrganization(&organization{}))
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
}

// organization is an organisation that has every unit.
type organization struct{}

func (*organization) Ancestors(context.Context, string) ([]string, error) {
	return []string{"r-f6g7"}, nil
}

func (*organization) Management(context.Context) (id, account string, err error) {
	return "o-a1b2c3d4e5", "999900001111", nil
}

// Cut sets the function that decides on the fault of each call. It runs for one call at a
// time; nil ends all faults.
func (s *Server) Cut(fault func(operation string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.once = fault, nil
}

// CutOnce cuts each call that changes something once: the first call with a content is
// lost before it is carried out, or after. The same call with the same content passes.
func (s *Server) CutOnce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once = map[[32]byte]bool{}
}

// Clock returns the time in the deployment.
func (s *Server) Clock() time.Time { return s.Now }

// Observe lets the default resource discovery of the account's IPAM see a resource. The
// space and the statuses of the default private scope follow.
func (s *Server) Observe(t testing.TB, r ipam.Resource) {
	t.Helper()
	ctx := context.Background()
	ipams, _, err := s.Store.IPAMsAfter(ctx, Account, "", 1)
	if err != nil || len(ipams) == 0 {
		t.Fatalf("no IPAM: %v", err)
	}
	found, err := s.Store.Discoveries(ctx, []string{ipams[0].Discovery})
	if err != nil || len(found) == 0 {
		t.Fatalf("no resource discovery: %v", err)
	}
	if _, err := s.Store.Observe(ctx, found[0], ipams, r, s.Now.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.EvaluateStatus(ctx, ipams[0].PrivateScope, r.CIDR); err != nil {
		t.Fatal(err)
	}
}

// Calls returns the number of calls so far that arrived.
func (s *Server) Calls() int { return int(s.calls.Load()) }

// Settle waits for the calls under way. A caller that breaks off leaves some.
func (s *Server) Settle() { s.running.Wait() }

// Clean waits for the calls under way, and fails the test unless the table is in order.
func (s *Server) Clean(t testing.TB) {
	t.Helper()
	s.Settle()
	fscktest.Clean(t, s.Table, s.Now)
}

// ServeHTTP answers a request as the API does: EC2 Query at /, and JSON at
// /v1/{operation}.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	operation, isJSON := strings.CutPrefix(r.URL.Path, "/v1/")
	form, _ := url.ParseQuery(string(body)) // a JSON body is no form
	if !isJSON {
		operation = form.Get("Action")
	}
	fault := s.next(operation, body)
	if fault == NotApplied {
		panic(http.ErrAbortHandler)
	}
	s.calls.Add(1)
	ctx := registry.WithCaller(context.WithoutCancel(r.Context()), callerOf(r))
	status := http.StatusOK
	answer, err := s.call(ctx, operation, isJSON, form, body)
	if err != nil {
		public := ipam.Public(err)
		status = ipam.InfoOf(public.Code).Status
		if answer = ec2query.EncodeError("id", public); isJSON {
			answer = awsjson.EncodeError("id", public)
		}
	}
	if fault == AnswerLost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the caller is gone
}

func (s *Server) next(operation string, body []byte) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "Get")
	if call := sha256.Sum256(append([]byte(operation), body...)); s.once != nil && !reads && !s.once[call] {
		s.once[call] = true
		return [...]Fault{NotApplied, AnswerLost}[len(s.once)%2]
	}
	if s.fault == nil {
		return NoFault
	}
	return s.fault(operation)
}

func callerOf(r *http.Request) registry.Caller {
	key, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	return registry.Caller{Account: key, ARN: "arn:aws:iam::" + key + ":user/admin", Region: r.Header.Get(wire.RegionHeader)}
}

func (s *Server) call(ctx context.Context, operation string, isJSON bool, form url.Values, body []byte) ([]byte, error) {
	o, ok := s.operations.Lookup(operation)
	if !ok {
		return nil, registry.Unknown(operation)
	}
	in := o.New()
	var err error
	if isJSON {
		err = awsjson.Decode(body, operation, in)
	} else {
		err = ec2query.Decode(form, operation, in)
	}
	if err != nil {
		return nil, err
	}
	out, err := s.operations.Call(ctx, operation, in)
	if err != nil {
		return nil, err
	}
	if isJSON {
		return awsjson.Encode(operation, out)
	}
	return ec2query.Encode(operation, "id", out)
}
