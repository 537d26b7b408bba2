package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
)

// trouble is the fault of one call that the function makes.
type trouble struct {
	name    string
	applied bool // and only its answer is lost
	hangs   bool // until the time that the function has for it is over
	dies    bool // the function does, before the answer
}

var troubles = []trouble{
	{"not applied", false, false, false},
	{"applied, answer lost", true, false, false},
	{"hangs", false, true, false},
	{"applied, and hangs", true, true, false},
	{"the function dies before it", false, false, true},
	{"the function dies behind it", true, false, true},
}

// calls are the calls that the function makes while it serves the requests of a
// world up to last, of operations and to CloudFormation's address alike. There
// is trouble with the one at a place, of none if that is negative.
type calls struct {
	w        *env
	last, at int
	trouble
	names []string
}

// call makes a call.
func (c *calls) call(ctx context.Context, name string, do func() error) error {
	if c.w.requests > c.last {
		return do()
	}
	n := len(c.names)
	c.names = append(c.names, name)
	if n != c.at {
		return do()
	}
	if c.applied {
		_ = do()
	}
	switch {
	case c.dies:
		runtime.Goexit() // deferred functions run, but send nothing
	case c.hangs:
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("connection reset")
}

type troubledCaller struct {
	*calls
	Caller
}

func (c troubledCaller) Call(ctx context.Context, operation string, in any) (out any, err error) {
	err = c.call(ctx, operation, func() (err error) {
		out, err = c.Caller.Call(ctx, operation, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type troubledTransport struct {
	*calls
	http.RoundTripper
}

func (t troubledTransport) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	err = t.call(r.Context(), "PUT", func() (err error) {
		answer, err = t.RoundTripper.RoundTrip(r) //nolint:bodyclose // the client closes it
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Each call that the function makes while it serves the first request of an act fails in
// turn: calls of operations, and of the answer. The request is answered once, nothing is
// lost, and nothing is left when the act is undone.
func TestCalls(t *testing.T) {
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			// try does the act, and undoes it, with trouble at a call. It returns the
			// reason of the failure, the content after the act, and the calls.
			try := func(at int, trouble trouble) (reason, left string, names []string) {
				synctest.Test(t, func(t *testing.T) {
					w := newEnv(t)
					scope, top := w.network()
					start := w.content()
					a.prepare(w, scope, top)
					prepared := w.content()
					c := &calls{w: w, last: w.requests + 1, at: at, trouble: trouble}
					w.h.caller, w.h.o.Client = troubledCaller{c, w.h.caller}, &http.Client{Transport: troubledTransport{c, w.bucket}}
					w.h.o.Sleep = backoff.Sleep
					reason = a.do(w, scope, top)
					if reason != "" && w.standing["X"] == nil {
						w.same(prepared)
					}
					left, names = w.content(), c.names
					w.answeredOnce(fmt.Sprint("request-", c.last), at >= 0 && names[at] == "PUT" && trouble.applied)
					w.undo(start)
				})
				return reason, left, names
			}
			reason, want, names := try(-1, trouble{})
			if len(names) < 2 || names[len(names)-1] != "PUT" {
				t.Fatalf("the act makes the calls %v", names)
			}
			for at, name := range names {
				for _, trouble := range troubles {
					failed, left, _ := try(at, trouble)
					if failed == "" && reason == "" && left != want {
						t.Errorf("there is something else than without trouble (-got +want):\n%s", cmp.Diff(left, want))
					}
					if t.Failed() {
						t.Fatalf("call %d, %s: %s; the reason was %q", at, name, trouble.name, failed)
					}
				}
			}
		})
	}
}

// answeredOnce fails the test unless CloudFormation has one answer to a request,
// or, if that may have been sent again, more that say the same. Of these it takes
// the first.
func (w *env) answeredOnce(request string, resent bool) {
	w.Helper()
	var sent []cfn.Response
	for _, a := range w.bucket.answers {
		if a.RequestID == request {
			a.Reason = "" // which may contain the fault
			sent = append(sent, a)
		}
	}
	if len(sent) == 0 || len(sent) > 1 && !resent {
		w.Errorf("%s has %d answers", request, len(sent))
		return
	}
	for _, a := range sent[1:] {
		if diff := cmp.Diff(a, sent[0], cmpopts.IgnoreUnexported(cfn.Response{})); diff != "" {
			w.Errorf("%s is answered otherwise the second time (-second +first):\n%s", request, diff)
		}
	}
}
