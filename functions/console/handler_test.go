package main

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

func event(t *testing.T) (e events.APIGatewayV2HTTPRequest) {
	t.Helper()
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func handle(t *testing.T, e events.APIGatewayV2HTTPRequest, h http.HandlerFunc) events.APIGatewayV2HTTPResponse {
	t.Helper()
	out, err := New(h).Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The console gets the request as the browser made it.
func TestRequest(t *testing.T) {
	e := event(t)
	e.RawPath, e.RawQueryString = "/pools/a b", "x=1%202&x=3"
	handle(t, e, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Host, string(body), r.RemoteAddr, r.Header.Get("Origin"), r.Header.Get("X-Cadastre-Console")}
		for _, c := range r.Cookies() {
			got = append(got, c.String())
		}
		const host = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
		if d := cmp.Diff([]string{"POST", "/pools/a b", "x=1%202&x=3", host, `{"MaxResults":5}`, "203.0.113.7", "https://" + host, "1", "__Host-cadastre-session=abc", "other=1"}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
	e.Body = "{"
	if out := handle(t, e, func(http.ResponseWriter, *http.Request) { t.Error("the console is called") }); out.StatusCode != 400 || !strings.Contains(out.Body, "MalformedRequest") {
		t.Errorf("no base64: %v", out)
	}
	e.IsBase64Encoded = false
	handle(t, e, func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) != "{" {
			t.Errorf("the body is %s", body)
		}
	})
}

func TestResponse(t *testing.T) {
	text := strings.Repeat(`{"a":"é"}`, 1000)
	serve := func(body string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", "a=1; Path=/")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Add("Vary", "Accept")
			w.Header().Add("Vary", "Origin")
			for _, h := range headers {
				name, value, _ := strings.Cut(h, "=")
				w.Header().Set(name, value)
			}
			w.WriteHeader(418)
			w.WriteHeader(500)
			io.WriteString(w, body[:len(body)/2])
			io.WriteString(w, body[len(body)/2:])
		}
	}
	out := handle(t, event(t), serve("short"))
	if d := cmp.Diff(events.APIGatewayV2HTTPResponse{StatusCode: 418, Headers: map[string]string{"Vary": "Accept, Origin"}, Cookies: []string{"a=1; Path=/", "b=2"}, Body: "short"}, out); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	out = handle(t, event(t), serve(text, "Content-Length=1"))
	decoded, err := base64.StdEncoding.DecodeString(out.Body)
	if err != nil || !out.IsBase64Encoded || out.Headers["Content-Encoding"] != "gzip" || out.Headers["Content-Length"] != "" {
		t.Fatalf("a large text: %v, %v", out.Headers, err)
	}
	z, err := gzip.NewReader(strings.NewReader(string(decoded)))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != text {
		t.Errorf("a large text: %d bytes, %v", len(b), err)
	}
	e := event(t)
	delete(e.Headers, "accept-encoding")
	if out = handle(t, e, serve(text)); out.Body != text || out.IsBase64Encoded || out.Headers["Content-Encoding"] != "" {
		t.Errorf("a large text, not compressed: %v", out.Headers)
	}
	for name, h := range map[string]http.HandlerFunc{"compressed already": serve(text, "Content-Encoding=br"), "binary": serve(strings.Repeat("\x89\xff", 2000))} {
		if out = handle(t, event(t), h); !out.IsBase64Encoded || out.Headers["Content-Encoding"] == "gzip" {
			t.Errorf("%s: %v", name, out.Headers)
		}
	}
	if out = handle(t, event(t), func(http.ResponseWriter, *http.Request) {}); out.StatusCode != 200 || out.Body != "" {
		t.Errorf("nothing written: %v", out)
	}
}

// A page never takes half an answer for the whole.
func TestPanic(t *testing.T) {
	for name, p := range map[string]any{"the answer broke off": http.ErrAbortHandler, "a fault of the program": "x"} {
		out := handle(t, event(t), func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"half":`)
			panic(p)
		})
		if out.StatusCode != 400 || !strings.Contains(out.Body, "OutcomeUnknown") || strings.Contains(out.Body, "half") || out.Headers["Content-Security-Policy"] == "" {
			t.Errorf("%s: %v", name, out)
		}
	}
}
