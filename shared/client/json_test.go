package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// The JSON client calls extensions, with a signature for API Gateway.
func TestJSONCall(t *testing.T) {
	s := opstest.New(t)
	keys := aws.Credentials{AccessKeyID: opstest.Account, SecretAccessKey: "secret", SessionToken: "session"}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signature, err := sigv4.Parse(r.Header.Get("Authorization"))
		if err == nil {
			err = signature.Verify(r.Context(), r, body, keys, s.Now)
		}
		if err != nil || signature.Service != "execute-api" || signature.Region != "us-east-1" || r.Header.Get("X-Cadastre-Region") != "eu-west-1" {
			t.Errorf("signed for %s in %s: %v", signature.Service, signature.Region, err)
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/prod")
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	c := &client.JSON{Endpoint: front.URL + "/prod/", Region: "us-east-1", ActFor: "eu-west-1", Credentials: credentials.StaticCredentialsProvider{Value: keys}, Now: s.Clock}
	var out struct {
		CallerAccess struct{ HomeRegion, Class string }
	}
	if err := c.Call(t.Context(), "GetCallerAccess", struct{}{}, &out); err != nil || out.CallerAccess.HomeRegion != opstest.Region || out.CallerAccess.Class != "administer" {
		t.Errorf("got %+v, %v", out, err)
	}
	err := c.Call(t.Context(), "PutIpamPoolShare", map[string]string{"IpamPoolId": "ipam-pool-0123456789abcdef0", "Principal": "444455556666"}, &struct{}{})
	if e, ok := errors.AsType[*ipam.Error](err); !ok || e.Code != ipam.CodeInvalidPoolIDNotFound {
		t.Errorf("got %v", err)
	}
}

// A call goes out again if it may.
func TestJSONRepetition(t *testing.T) {
	lost := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	answer := func(code ipam.Code) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(ipam.InfoOf(code).Status)
			w.Write(awsjson.EncodeError("r", ipam.Errorf(code, "so")))
		}
	}
	for _, c := range []struct {
		name, operation, in string
		handler             http.HandlerFunc
		again               bool
	}{
		{"a read without an answer", "DescribeIpamPoolShares", "", lost, true},
		{"a call without an answer", "PutIpamPoolShare", "", lost, false},
		{"a call with a token and no answer", "CreateIpam", "t", lost, true},
		{"a call, throttled", "PutIpamPoolShare", "", answer(ipam.CodeRequestLimitExceeded), true},
		{"a call, internal error", "PutIpamPoolShare", "", answer(ipam.CodeInternalError), false},
		{"a read, internal error", "GetCallerAccess", "", answer(ipam.CodeInternalError), true},
		{"a read, outcome unknown", "GetCallerAccess", "", answer(ipam.CodeOutcomeUnknown), true},
		{"a read, refused", "GetCallerAccess", "", answer(ipam.CodeUnauthorizedOperation), false},
		{"another service", "PutIpamPoolShare", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, bodies := failing(t, 1, c.handler)
			j := &client.JSON{Endpoint: url, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}
			err := j.Call(t.Context(), c.operation, map[string]string{"ClientToken": c.in}, &struct{}{})
			// The second answer is no JSON.
			if again := len(*bodies) > 1; again != c.again || err == nil {
				t.Errorf("%d calls, %v", len(*bodies), err)
			}
		})
	}
}
