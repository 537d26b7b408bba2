package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/localstack/httpapi"
)

const host = "console.example.com"

// serve sends a request to a front. invoke is its function.
func serve(r *http.Request, invoke func(events.APIGatewayV2HTTPRequest) (any, error)) *httptest.ResponseRecorder {
	f := &httpapi.Front{Host: host, Invoke: func(_ context.Context, event []byte) ([]byte, error) {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		out, err := invoke(e)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestEvent(t *testing.T) {
	var got events.APIGatewayV2HTTPRequest
	serve(request("POST", "/a%20b/%2e%2e?x=1%202&x=3", `{"a":1}`, "Content-Type: application/json; charset=utf-8", "X-Two: 1", "X-Two: 2", "Cookie: a=1; b=2", "User-Agent: test"),
		func(e events.APIGatewayV2HTTPRequest) (any, error) {
			got = e
			return map[string]int{"statusCode": 200}, nil
		})
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: "/a b/..", RawQueryString: "x=1%202&x=3", Cookies: []string{"a=1", "b=2"},
		Headers: map[string]string{
			"host": host, "content-type": "application/json; charset=utf-8", "x-two": "1,2", "user-agent": "test",
			"x-forwarded-for": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
		},
		QueryStringParameters: map[string]string{"x": "1 2,3"}, Body: `{"a":1}`,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", AccountID: "000000000000", Stage: "$default", RequestID: "front00000000001", APIID: "front00000", DomainName: host, DomainPrefix: "front00000",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "POST", Path: "/a b/..", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "test"},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(events.APIGatewayV2HTTPRequestContext{}, "Time", "TimeEpoch")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, kind := range []string{"application/x-www-form-urlencoded", ""} {
		serve(request("POST", "/", "a=1", "Content-Type: "+kind), func(e events.APIGatewayV2HTTPRequest) (any, error) { got = e; return nil, nil })
		if got.Body != base64.StdEncoding.EncodeToString([]byte("a=1")) || !got.IsBase64Encoded {
			t.Errorf("a body of the type %q is %q", kind, got.Body)
		}
	}
}

func TestAnswer(t *testing.T) {
	w := serve(request("GET", "/", ""), func(events.APIGatewayV2HTTPRequest) (any, error) {
		return events.APIGatewayV2HTTPResponse{
			StatusCode: 418, Headers: map[string]string{"Content-Type": "text/plain"}, Cookies: []string{"a=1; Path=/", "b=2"},
			Body: base64.StdEncoding.EncodeToString([]byte("short\xff")), IsBase64Encoded: true,
		}, nil
	})
	if d := cmp.Diff(http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=1; Path=/", "b=2"}, "Apigw-Requestid": {"front00000000001"}}, w.Header()); d != "" || w.Code != 418 || w.Body.String() != "short\xff" {
		t.Errorf("%d %q; -want +got\n%s", w.Code, w.Body, d)
	}
}

func TestRefusals(t *testing.T) {
	elsewhere := request("GET", "/", "")
	elsewhere.Host = "rebound.example"
	large := request("POST", "/", "")
	large.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", 10<<20+1)))
	for _, c := range []struct {
		name   string
		r      *http.Request
		answer any
		err    error
		status int
	}{
		{"another host", elsewhere, nil, nil, 403},
		{"a large body", large, nil, nil, 413},
		{"a failing function", request("GET", "/", ""), nil, errors.New("it broke"), 500},
		{"an answer without a status", request("GET", "/", ""), map[string]string{"body": "x"}, nil, 500},
		{"a body that is no base64", request("GET", "/", ""), map[string]any{"statusCode": 200, "body": "{", "isBase64Encoded": true}, nil, 500},
		{"no object", request("GET", "/", ""), "x", nil, 500},
	} {
		w := serve(c.r, func(events.APIGatewayV2HTTPRequest) (any, error) {
			if c.status < 500 {
				t.Errorf("%s: the function is invoked", c.name)
			}
			return c.answer, c.err
		})
		var refused struct{ Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &refused); err != nil || w.Code != c.status || refused.Message == "" || (w.Header().Get("X-Front-Error") != "") != (c.status == 500) {
			t.Errorf("%s: %d %s %v", c.name, w.Code, w.Body, w.Header())
		}
	}
}
