package client_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

// The names of operations show those that only read, and every operation with a
// client token in its input uses it.
func TestMayRepeat(t *testing.T) {
	for _, o := range ops.New(nil, nil).Operations() {
		if got := client.MayRepeat(o.Name, ""); got == o.Mutates {
			t.Errorf("MayRepeat(%s) without a token = %t, and it changes objects: %t", o.Name, got, o.Mutates)
		}
		if !client.MayRepeat(o.Name, "t") {
			t.Errorf("MayRepeat(%s) with a token = false", o.Name)
		}
		if _, token := o.InType.FieldByName("ClientToken"); token != o.Idempotent {
			t.Errorf("%s has a ClientToken: %t, and uses it: %t", o.Name, token, o.Idempotent)
		}
	}
}

// failing serves handler for the first n requests, and an answer to any action after
// them.
func failing(t *testing.T, n int32, handler http.HandlerFunc) (url string, bodies *[]string) {
	var calls atomic.Int32
	bodies = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*bodies = append(*bodies, string(body)) // one request at a time
		if calls.Add(1) <= n {
			handler(w, r)
			return
		}
		io.WriteString(w, "<Response/>")
	}))
	t.Cleanup(s.Close)
	return s.URL, bodies
}

func answer(code ipam.Code) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(ipam.InfoOf(code).Status)
		w.Write(ec2query.EncodeError("r", ipam.Errorf(code, "so")))
	}
}

// A call without a token goes out once, unless Cadastre has refused it.
func TestRepetition(t *testing.T) {
	pool := aws.String("ipam-pool-1")
	allocate := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool} // the SDK sets its token
	vpc := &ec2.CreateVpcInput{Ipv4IpamPoolId: pool}
	release := &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: pool, IpamPoolAllocationId: aws.String("a"), Cidr: aws.String("10.0.0.0/24")}
	describe := &ec2.DescribeIpamsInput{}
	lost := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	raw := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, `{"message":"Endpoint request timed out"}`)
		}
	}
	for _, c := range []struct {
		name    string
		in      any
		handler http.HandlerFunc
		calls   int // while the handler answers each time
		code    string
	}{
		{"with a token, outcome unknown", allocate, answer("OutcomeUnknown"), 3, "OutcomeUnknown"},
		{"with a token, internal error", allocate, answer("InternalError"), 3, "InternalError"},
		{"with a token, throttled", allocate, answer("RequestLimitExceeded"), 3, "RequestLimitExceeded"},
		{"with a token, refused for good", allocate, answer("UnauthorizedOperation"), 1, "UnauthorizedOperation"},
		{"with a token, a 504 without EC2's form", allocate, raw(504), 3, "UnknownError"},
		{"with a token, connection lost", allocate, lost, 3, ""},
		{"a read, outcome unknown", describe, answer("OutcomeUnknown"), 3, "OutcomeUnknown"},
		{"a read, connection lost", describe, lost, 3, ""},
		{"without a token, outcome unknown", vpc, answer("OutcomeUnknown"), 1, "OutcomeUnknown"},
		{"without a token, internal error", vpc, answer("InternalError"), 1, "InternalError"},
		{"without a token, throttled", vpc, answer("RequestLimitExceeded"), 3, "RequestLimitExceeded"},
		{"without a token, unavailable", vpc, answer("Unavailable"), 3, "Unavailable"},
		{"without a token, refused for good", vpc, answer("UnauthorizedOperation"), 1, "UnauthorizedOperation"},
		{"without a token, a 502 without EC2's form", vpc, raw(502), 1, "UnknownError"},
		{"without a token, a 504 without EC2's form", vpc, raw(504), 1, "UnknownError"},
		{"without a token, connection lost", vpc, lost, 1, ""},
		{"a release, outcome unknown", release, answer("OutcomeUnknown"), 1, "OutcomeUnknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := func(failures int32) (bodies []string, err error) {
				url, seen := failing(t, failures, c.handler)
				cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), Retryer: func() aws.Retryer {
					return retry.NewStandard(func(o *retry.StandardOptions) {
						o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
					})
				}}
				operation := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(reflect.TypeOf(c.in).String(), "*"), "ec2."), "Input")
				_, err = client.Call(t.Context(), ec2.NewFromConfig(cfg, client.Options(url, "us-east-1")), operation, c.in)
				return *seen, err
			}
			bodies, err := call(1000)
			code := ""
			if e, ok := errors.AsType[smithy.APIError](err); ok {
				code = e.ErrorCode()
			}
			if len(bodies) != c.calls || err == nil || code != c.code {
				t.Errorf("%d calls, want %d; err = %v, want %s", len(bodies), c.calls, err, c.code)
			}
			for _, b := range bodies {
				if b != bodies[0] {
					t.Errorf("another try sends %q after %q", b, bodies[0])
				}
			}
			if c.calls > 1 {
				if bodies, err := call(1); len(bodies) != 2 || err != nil {
					t.Errorf("one failure: %d calls, %v", len(bodies), err)
				}
			}
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		s := httptest.NewServer(nil)
		s.Close()
		attempts := 0
		cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { attempts++; return 0, nil })
			})
		}}
		if _, err := ec2.NewFromConfig(cfg, client.Options(s.URL, "us-east-1")).CreateVpc(t.Context(), vpc); err == nil || attempts != 2 {
			t.Errorf("%d repetitions, want 2: %v", attempts, err)
		}
	})
}

// An error says whether the call was carried out by its code, or by the lack of a
// connection.
func TestRefused(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"load", ipam.Errorf(ipam.CodeRequestLimitExceeded, "so"), true},
		{"load, in another service's words", &smithy.GenericAPIError{Code: "ThrottlingException"}, true},
		{"other writers", ipam.Errorf(ipam.CodeConcurrentMutationLimitExceeded, "so"), true},
		{"no capacity", fmt.Errorf("call: %w", ipam.Errorf(ipam.CodeUnavailable, "so")), true},
		{"nothing listens", fmt.Errorf("call: %w", dial), true},
		{"nothing listens, in words for the caller", fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "so"), dial), true},
		{"unknown", ipam.Errorf(ipam.CodeOutcomeUnknown, "so"), false},
		{"unknown, though the answer below was a throttling", fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "so"), &smithy.GenericAPIError{Code: "ThrottlingException"}), false},
		{"internal", &smithy.GenericAPIError{Code: "InternalError"}, false},
		{"a connection that broke", &net.OpError{Op: "read", Err: errors.New("reset")}, false},
		{"anything", errors.New("anything"), false},
	} {
		if got := client.Refused(c.err); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
