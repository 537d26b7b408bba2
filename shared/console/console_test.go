package console_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/console"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/loopback"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

const (
	index  = "<!doctype html><title>Cadastre</title>"
	script = "console.log('a script')"
	image  = "\x89PNG not compressible"
)

var pages = fstest.MapFS{
	"index.html": {Data: []byte(index)}, "assets/app-1a2b3c4d.js": {Data: []byte(script)}, "assets/logo-1a2b3c4d.png": {Data: []byte(image)},
	".keep": {Data: []byte("not served")}, "strange": {Data: []byte("?")},
}

// api is Cadastre's API in tests. It verifies signatures.
type api struct {
	*httptest.Server
	t   *testing.T
	now func() time.Time

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	handler  http.HandlerFunc
}

const secret = "the secret key"

func newAPI(t *testing.T, now func() time.Time) *api {
	a := &api{t: t, now: now}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.requests, a.bodies = append(a.requests, r), append(a.bodies, string(body))
	handler := a.handler
	a.mu.Unlock()
	s, err := sigv4.Parse(r.Header.Get("Authorization"))
	if err == nil {
		err = s.Verify(r.Context(), r, body, aws.Credentials{AccessKeyID: "AKIDOWN", SecretAccessKey: secret, SessionToken: "session"}, a.now())
	}
	if err != nil || s.Service != "execute-api" || s.Region != "eu-west-1" {
		a.t.Errorf("%s is signed for %s in %s: %v", r.URL, s.Service, s.Region, err)
	}
	switch {
	case handler != nil:
		handler(w, r)
	case r.URL.Path == "/prod/v1/GetCallerAccess":
		io.WriteString(w, `{"CallerAccess":{"AccountId":"111122223333","PrincipalArn":"arn:aws:sts::111122223333:assumed-role/network/alice","Class":"allocate","HomeRegion":"eu-west-1"}}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"Ipams":[]}`)
	}
}

func (a *api) answer(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handler = h
}

func (a *api) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

type env struct {
	*testing.T
	api     *api
	console *console.Loopback
	base    string
	clock   atomic.Int64 // nanoseconds
	log     bytes.Buffer
	client  *http.Client // with the session's cookie
	server  *http.Server
}

// newEnv starts a console. The client has no session yet.
func newEnv(t *testing.T, change ...func(*http.Server)) *env {
	t.Helper()
	e := &env{T: t}
	e.clock.Store(time.Now().UnixNano())
	e.api = newAPI(t, e.now)
	listener, err := loopback.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.console, err = console.NewLoopback(console.Config{
		Pages: pages, Endpoint: e.api.URL + "/prod/", Region: "eu-west-1", Operations: []string{"DescribeIpams", "CreateVpc", "GetIpamAddressHistory"},
		Logger: slog.New(slog.NewTextHandler(&e.log, nil)), Now: e.now,
	}, listener.Addr(), credentials.NewStaticCredentialsProvider("AKIDOWN", secret, "session"))
	if err != nil {
		t.Fatal(err)
	}
	e.base = "http://" + listener.Addr().String()
	e.server = e.console.Server()
	for _, c := range change {
		c(e.server)
	}
	go e.server.Serve(listener)
	t.Cleanup(func() { e.server.Close() })
	jar, _ := cookiejar.New(nil)
	e.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return e
}

func signedIn(t *testing.T, change ...func(*http.Server)) *env {
	t.Helper()
	e := newEnv(t, change...)
	if got := e.get(e.console.Link()[len(e.base):]); got.status != 303 {
		t.Fatalf("the link answers %d: %s", got.status, got.body)
	}
	return e
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (e *env) do(r *http.Request) answer {
	e.Helper()
	res, err := e.client.Do(r)
	if err != nil {
		e.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		e.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header}
}

func (e *env) request(method, path, body string) *http.Request {
	e.Helper()
	r, err := http.NewRequest(method, e.base+path, strings.NewReader(body))
	if err != nil {
		e.Fatal(err)
	}
	return r
}

func (e *env) now() time.Time { return time.Unix(0, e.clock.Load()) }

func (e *env) pass(d time.Duration) { e.clock.Add(int64(d)) }

func (e *env) get(path string) answer { e.Helper(); return e.do(e.request("GET", path, "")) }

// page returns a call as a page makes it.
func (e *env) page(operation, body string) *http.Request {
	e.Helper()
	r := e.request("POST", "/v1/"+operation, body)
	r.Header.Set("Origin", e.base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Cadastre-Console", "1")
	return r
}

func TestCall(t *testing.T) {
	e := signedIn(t)
	r := e.page("DescribeIpams", `{"MaxResults":5}`)
	r.Header.Set("X-Cadastre-Region", "ap-northeast-1")
	r.Header.Set("X-Amz-Date", "a page's own")
	r.Header.Set("Authorization", "a page's own")
	got := e.do(r)
	if got.status != 200 || got.body != `{"Ipams":[]}` || got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", got)
	}
	sent := e.api.requests[0]
	if sent.Method != "POST" || sent.URL.Path != "/prod/v1/DescribeIpams" || e.api.bodies[0] != `{"MaxResults":5}` || sent.Header.Get("X-Cadastre-Region") != "ap-northeast-1" {
		t.Errorf("the API got %s %s %v %s", sent.Method, sent.URL, sent.Header, e.api.bodies[0])
	}
	if c := sent.Header.Get("Cookie") + sent.Header.Get("Origin") + sent.Header.Get("Accept"); c != "" {
		t.Errorf("the API got the browser's headers: %s", c)
	}
	r = e.page("GetIpamAddressHistory", `{}`)
	r.Header.Set("Accept", "text/csv")
	e.api.answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		w.Header().Set("X-Next-Token", "more")
		w.Header().Set("Set-Cookie", "not=passed")
		w.Header().Set("Access-Control-Allow-Origin", "*")
	})
	if got = e.do(r); got.header.Get("Content-Type") != "text/csv" || got.header.Get("X-Next-Token") != "more" || got.header.Get("Set-Cookie")+got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("as CSV: %v", got)
	}
	if log := e.log.String(); !strings.Contains(log, "operation=DescribeIpams status=200") {
		t.Errorf("the log is %s", log)
	}
}

// Every call that a page of the console does not make is refused, and never sent.
func TestRefusedCalls(t *testing.T) {
	e := signedIn(t)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set(name, value)
			if value == "" {
				r.Header.Del(name)
			}
		}
	}
	path := func(p string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + p }
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"a rebound name", func(r *http.Request) {
			r.Host = "rebound.example:1234"
			r.Header.Set("Origin", "http://rebound.example:1234")
		}, 403},
		{"a name that begins like loopback", func(r *http.Request) {
			r.Host = "127.0.0.1.rebound.example"
			r.Header.Set("Origin", "http://"+r.Host)
		}, 403},
		{"a foreign origin", header("Origin", "https://evil.example"), 403},
		{"an origin of another port", header("Origin", "http://127.0.0.1:1"), 403},
		{"an origin of HTTPS", header("Origin", strings.Replace(e.base, "http:", "https:", 1)), 403},
		{"the origin null", header("Origin", "null"), 403},
		{"no origin", header("Origin", ""), 403},
		{"two origins", func(r *http.Request) { r.Header.Add("Origin", "https://evil.example") }, 403},
		{"another site", header("Sec-Fetch-Site", "cross-site"), 403},
		{"another origin of the site", header("Sec-Fetch-Site", "same-site"), 403},
		{"no header of pages", header("X-Cadastre-Console", ""), 403},
		{"a wrong header of pages", header("X-Cadastre-Console", "0"), 403},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405},
		{"PUT", func(r *http.Request) { r.Method = "PUT" }, 405},
		{"a preflight request", func(r *http.Request) { r.Method = "OPTIONS"; r.Header.Set("Access-Control-Request-Method", "POST") }, 405},
		{"a form", header("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"plain text", header("Content-Type", "text/plain"), 415},
		{"no content type", header("Content-Type", ""), 415},
		{"an unknown operation", path("/v1/DeleteEverything"), 404},
		{"no operation", path("/v1/"), 404},
		{"a path behind the operation", path("/v1/DescribeIpams/x"), 404},
		{"dots", path("/v1/../v1/DescribeIpams"), 404},
		{"escaped dots", path("/v1/%2e%2e/DescribeIpams"), 404},
		{"an escaped slash", path("/v1/x%2f..%2fDescribeIpams"), 404},
		{"an escaped letter", path("/v1/%44escribeIpams"), 404},
		{"a zero byte", path("/v1/DescribeIpams%00"), 404},
		{"two slashes", path("//v1/DescribeIpams"), 404},
		{"another case", path("/v1/describeipams"), 404},
		{"a query string", path("/v1/DescribeIpams?Action=DeleteIpam"), 400},
		{"an empty query string", path("/v1/DescribeIpams?"), 400},
		{"no Region", header("X-Cadastre-Region", "mars\u00a0north"), 400},
		{"a large body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", awsjson.MaxBody+1))), awsjson.MaxBody+1
		}, 413},
		{"a large body without a length", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", awsjson.MaxBody+1))), -1
		}, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := e.page("DescribeIpams", "{}")
			c.change(r)
			got := e.do(r)
			var refused struct{ Code, Message string }
			if got.status != c.status || json.Unmarshal([]byte(got.body), &refused) != nil || refused.Code == "" || refused.Message == "" || got.header.Get("X-Cadastre-Error-Code") != refused.Code {
				t.Errorf("status %d, want %d: %s %v", got.status, c.status, got.body, got.header)
			}
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has the header %s", name)
				}
			}
		})
	}
	if n := e.api.calls(); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	if got := e.do(e.page("DescribeIpams", "{}")); got.status != 200 {
		t.Errorf("a page's own call: %d %s", got.status, got.body)
	}
}

func TestWithoutASession(t *testing.T) {
	e := newEnv(t)
	check := func(name string) {
		t.Helper()
		for _, r := range []*http.Request{e.page("DescribeIpams", "{}"), e.request("GET", "/session", "")} {
			if got := e.do(r); got.status != 401 || !strings.Contains(got.body, "AuthFailure") || got.header.Get("X-Cadastre-Session") != "none" {
				t.Errorf("%s: %s answers %d %s", name, r.URL, got.status, got.body)
			}
		}
		if n := e.api.calls(); n != 0 {
			t.Errorf("%s: %d calls were sent", name, n)
		}
		if got := e.get("/"); got.status != 200 || got.body != index {
			t.Errorf("%s: the page answers %d %s", name, got.status, got.body)
		}
	}
	check("no cookie")
	u, _ := url.Parse(e.base)
	for _, value := range []string{"", "x", strings.Repeat("A", 26)} {
		e.client.Jar.SetCookies(u, []*http.Cookie{{Name: "cadastre-" + u.Port(), Value: value}})
		check("a made-up cookie")
	}
}

func TestLink(t *testing.T) {
	e := newEnv(t)
	refused := func(name, path string) {
		t.Helper()
		if got := e.get(path); got.status != 403 || got.header.Get("Set-Cookie") != "" || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s %v", name, got.status, got.body, got.header)
		}
	}
	refused("before there is a link", "/?token=")
	link := e.console.Link()
	path := link[len(e.base):]
	refused("no token", "/?token=")
	refused("another token", "/?token=AAAAAAAAAAAAAAAAAAAAAAAAAA")
	refused("a part of the token", path[:len(path)-1])
	r := e.request("GET", path, "")
	r.Host = "rebound.example"
	if got := e.do(r); got.status != 403 || got.header.Get("Set-Cookie") != "" {
		t.Errorf("a rebound name: %d", got.status)
	}
	for _, method := range []string{"POST", "HEAD"} {
		if got := e.do(e.request(method, path, "")); got.status != 405 || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", method, got.status)
		}
	}
	e.pass(10*time.Minute + time.Second)
	refused("an old link", path)
	e.pass(-2 * time.Second)
	got := e.get(path)
	u, _ := url.Parse(e.base)
	cookie := got.header.Get("Set-Cookie")
	if got.status != 303 || got.header.Get("Location") != "/" || got.header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(cookie, "cadastre-"+u.Port()+"=") ||
		!strings.HasSuffix(cookie, "; Path=/; HttpOnly; SameSite=Strict") || strings.Contains(cookie, strings.TrimPrefix(path, "/?token=")) {
		t.Errorf("the link answers %d %v", got.status, got.header)
	}
	if got := e.get("/session"); got.status != 200 {
		t.Errorf("the session: %d %s", got.status, got.body)
	}
	if got := e.get(path); got.status != 303 || got.header.Get("Set-Cookie") != "" {
		t.Errorf("the link again, in the same browser: %d %v", got.status, got.header)
	}
	jar := e.client.Jar
	e.client.Jar = nil
	refused("the link again, in another browser", path)
	second, third := e.console.Link(), e.console.Link()
	refused("a link before the last one", second[len(e.base):])
	if got := e.get(third[len(e.base):]); got.status != 303 || got.header.Get("Set-Cookie") == "" {
		t.Errorf("the last link: %d", got.status)
	}
	e.client.Jar = jar
	e.pass(12*time.Hour - time.Second)
	if got := e.get("/session"); got.status != 200 {
		t.Errorf("the session at its end: %d %s", got.status, got.body)
	}
	e.pass(time.Second)
	if got := e.get("/session"); got.status != 401 {
		t.Errorf("the session after its end: %d %s", got.status, got.body)
	}
	if log := e.log.String(); strings.Contains(log, strings.TrimPrefix(path, "/?token=")) {
		t.Errorf("the log has the token: %s", log)
	}
}

// Two requests with one link at the same time begin one session.
func TestLinkOpensOnce(t *testing.T) {
	e := newEnv(t)
	e.client.Jar = nil
	path := e.console.Link()[len(e.base):]
	var wg sync.WaitGroup
	var mu sync.Mutex
	opened := 0
	for range 16 {
		wg.Go(func() {
			if got := e.get(path); got.status == 303 {
				mu.Lock()
				opened++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if opened != 1 {
		t.Errorf("%d sessions", opened)
	}
}

func TestSession(t *testing.T) {
	e := signedIn(t)
	got := e.get("/session")
	var s map[string]any
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if d := cmp.Diff(map[string]any{
		"Name": "arn:aws:sts::111122223333:assumed-role/network/alice", "Account": "111122223333", "Class": "allocate", "Region": "eu-west-1",
		"Endpoint": e.api.URL + "/prod/", "Hosted": false, "Expires": e.now().Add(12 * time.Hour).UTC().Format(time.RFC3339),
	}, s); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	r := e.request("GET", "/session", "")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := e.do(r); got.status != 403 {
		t.Errorf("another site: %d %s", got.status, got.body)
	}
	if got := e.do(e.request("POST", "/session", "")); got.status != 405 {
		t.Errorf("POST: %d %s", got.status, got.body)
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		words  string
	}{
		{"no class", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			w.Write(awsjson.EncodeError("r", ipam.Errorf(ipam.CodeUnauthorizedOperation, "You have the class none here.")))
		}, 403, "You have the class none here."},
		{"API Gateway refuses", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(gateway.CodeHeader, "AuthFailure")
			w.WriteHeader(401)
			w.Write(gateway.For("INVALID_SIGNATURE", 403).Body("r", "m"))
		}, 401, "credentials"},
		{"another server", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, 503, "not Cadastre's API"},
		{"another API", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, 503, "not Cadastre's API"},
		{"another address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/", http.StatusTemporaryRedirect)
		}, 503, "not Cadastre's API"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.api.answer(c.answer)
			if got := e.get("/session"); got.status != c.status || !strings.Contains(got.body, c.words) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// The API's refusals, and API Gateway's, reach the page unchanged.
func TestAnswersPass(t *testing.T) {
	e := signedIn(t)
	for _, c := range []struct {
		name, kind, body string
		status           int
	}{
		{"refused", "application/json", `{"Code":"InvalidIpamPoolId.NotFound","Message":"x","RequestId":"r"}`, 400},
		{"no right", "application/json", `{"Code":"UnauthorizedOperation","Message":"x","RequestId":"r"}`, 403},
		{"a dry run", "application/json", `{"Code":"DryRunOperation","Message":"x","RequestId":"r"}`, 412},
		{"access denied by API Gateway", gateway.ContentType, string(gateway.For("ACCESS_DENIED", 403).Body("r", "m")), 403},
		{"throttled by API Gateway", gateway.ContentType, string(gateway.For("THROTTLED", 429).Body("r", "m")), 503},
		{"no answer of the function", gateway.ContentType, string(gateway.For("INTEGRATION_TIMEOUT", 504).Body("r", "m")), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.api.answer(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set(gateway.CodeHeader, "TheCode")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			got := e.do(e.page("DescribeIpams", "{}"))
			if got.status != c.status || got.body != c.body || got.header.Get("Content-Type") != c.kind || got.header.Get(gateway.CodeHeader) != "TheCode" {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	e := signedIn(t)
	e.api.answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, c := range []struct{ operation, body, code string }{
		{"DescribeIpams", "{}", "Unavailable"},
		{"CreateVpc", `{"ClientToken":"t"}`, "Unavailable"},
		{"CreateVpc", "{}", "OutcomeUnknown"},
		{"CreateVpc", "no JSON", "OutcomeUnknown"},
	} {
		before := e.api.calls()
		got := e.do(e.page(c.operation, c.body))
		if got.header.Get(gateway.CodeHeader) != c.code || got.status != ipam.InfoOf(ipam.Code(c.code)).Status || strings.Contains(got.body, "EOF") {
			t.Errorf("%s %s: %d %s", c.operation, c.body, got.status, got.body)
		}
		if n := e.api.calls() - before; n != 1 && c.operation == "CreateVpc" {
			t.Errorf("%s %s: %d calls", c.operation, c.body, n)
		}
	}
	e.api.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"Ipams":`)
	})
	res, err := e.client.Do(e.page("DescribeIpams", "{}"))
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looks like a whole one")
	}
	e.api.Close()
	if got := e.do(e.page("CreateVpc", "{}")); got.header.Get(gateway.CodeHeader) != "Unavailable" || !strings.Contains(got.body, "not carried out") {
		t.Errorf("no API: %d %s", got.status, got.body)
	}
	if log := e.log.String(); !strings.Contains(log, "refused") || strings.Contains(log, secret) {
		t.Errorf("the log is %s", log)
	}
}

func TestNoCredentials(t *testing.T) {
	listener, err := loopback.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l, err := console.NewLoopback(console.Config{Pages: pages, Endpoint: "http://127.0.0.1:1", Region: "eu-west-1", Operations: []string{"DescribeIpams"}, Logger: slog.New(slog.DiscardHandler)},
		listener.Addr(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the token of the profile x has expired")
		}))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, httptest.NewRequest("GET", l.Link(), nil))
	r := httptest.NewRequest("GET", "http://127.0.0.1/session", nil)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	if l.ServeHTTP(w, r); w.Code != 401 || w.Header().Get("X-Cadastre-Session") != "" || !strings.Contains(w.Body.String(), "aws sso login") || strings.Contains(w.Body.String(), "profile x") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPages(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct {
		path   string
		status int
		body   string
		kind   string
		cache  string
	}{
		{"/", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/index.html", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/pools", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/pools/ipam-pool-1?x=1", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/map?cidr=10.0.0.0/8", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/assets/app-1a2b3c4d.js", 200, script, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"/assets/logo-1a2b3c4d.png", 200, image, "image/png", "public, max-age=31536000, immutable"},
		{"/strange", 200, "?", "application/octet-stream", "no-cache"},
		{"/assets/missing-1a2b3c4d.js", 404, "", "application/json", "no-store"},
		{"/assets/", 404, "", "application/json", "no-store"},
		{"/assets", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/.keep", 404, "", "application/json", "no-store"},
		{"/favicon.ico", 404, "", "application/json", "no-store"},
		{"/../../etc/passwd", 404, "", "application/json", "no-store"},
		{"/..%2f..%2fetc%2fpasswd", 404, "", "application/json", "no-store"},
		{"//evil.example/", 404, "", "application/json", "no-store"},
		{"/pools/", 404, "", "application/json", "no-store"},
	} {
		r := e.request("GET", "/", "")
		r.URL.Opaque = "//" + r.URL.Host + c.path
		got := e.do(r)
		if got.status != c.status || c.status == 200 && got.body != c.body || got.header.Get("Content-Type") != c.kind || got.header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %v", c.path, got)
		}
		if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", c.path, got.header)
		}
	}
	if got := e.do(e.request("POST", "/", "")); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %v", got)
	}
	if got := e.do(e.request("HEAD", "/", "")); got.status != 200 || got.header.Get("Content-Length") != fmt.Sprint(len(index)) {
		t.Errorf("HEAD: %v", got)
	}
	for path, zipped := range map[string]bool{"/": true, "/assets/app-1a2b3c4d.js": true, "/assets/logo-1a2b3c4d.png": false} {
		r := e.request("GET", path, "")
		r.Header.Set("Accept-Encoding", "br, gzip")
		got := e.do(r)
		if (got.header.Get("Content-Encoding") == "gzip") != zipped || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", path, got.header)
		}
		if zipped {
			z, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(z); err != nil || string(b) != map[bool]string{true: index, false: script}[path == "/"] {
				t.Errorf("%s: %q, %v", path, b, err)
			}
		}
		r = e.request("GET", path, "")
		r.Header.Set("If-None-Match", got.header.Get("ETag"))
		if again := e.do(r); again.status != 304 || again.body != "" {
			t.Errorf("%s again: %v", path, again)
		}
	}
	for name, host := range map[string]string{"a rebound name": "rebound.example", "no name": ""} {
		r := e.request("GET", "/", "")
		if r.Host = host; host == "" {
			continue // net/http sends the URL's host instead
		}
		if got := e.do(r); got.status != 403 || strings.Contains(got.body, index) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A client that sends its request too slowly is cut off, and nothing is called for it.
func TestSlowClients(t *testing.T) {
	production := newEnv(t).server
	for name, d := range map[string]time.Duration{"ReadHeaderTimeout": production.ReadHeaderTimeout, "ReadTimeout": production.ReadTimeout, "WriteTimeout": production.WriteTimeout, "IdleTimeout": production.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s is %s", name, d)
		}
	}
	e := signedIn(t, func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = 200*time.Millisecond, 400*time.Millisecond })
	r := e.page("DescribeIpams", "{}")
	u, _ := url.Parse(e.base)
	cookie := e.client.Jar.Cookies(u)[0]
	head := fmt.Sprintf("POST /v1/DescribeIpams HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nX-Cadastre-Console: 1\r\nContent-Type: application/json\r\nCookie: %s\r\nContent-Length: 2\r\n", u.Host, r.Header.Get("Origin"), cookie)
	for name, sent := range map[string]string{"half a header": head, "half a body": head + "\r\n{"} {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, sent)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		status, err := readStatus(conn)
		if err == nil && status == 200 {
			t.Errorf("%s is answered", name)
		} else if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Errorf("%s: the connection stays", name)
		}
		conn.Close()
	}
	if n := e.api.calls(); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, head+"\r\n{}")
	if status, err := readStatus(conn); err != nil || status != 200 {
		t.Errorf("the whole request: %d, %v", status, err)
	}
}

func readStatus(conn net.Conn) (int, error) {
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

func TestNew(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for _, c := range []struct {
		name   string
		change func(*console.Config)
		words  string
	}{
		{"no pages", func(c *console.Config) { c.Pages = fstest.MapFS{".keep": {}} }, "make web"},
		{"no URL", func(c *console.Config) { c.Endpoint = "api.example" }, "no URL"},
		{"a URL with a password", func(c *console.Config) { c.Endpoint = "https://a:b@api.example" }, "no URL"},
		{"no Region", func(c *console.Config) { c.Region = "" }, "--region"},
		{"the endpoint's Region", func(c *console.Config) {
			c.Endpoint, c.Region = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod", ""
		}, ""},
	} {
		config := console.Config{Pages: pages, Endpoint: "https://api.example", Region: "eu-west-1"}
		c.change(&config)
		if _, err := console.NewLoopback(config, address, nil); (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
