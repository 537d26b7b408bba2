package hosted_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

type env struct {
	*testing.T
	provider *provider
	api      *httptest.Server
	console  *httptest.Server
	client   *http.Client // follows no redirects
	clock    atomic.Int64
	log      bytes.Buffer

	mu    sync.Mutex
	roles []string // class and session name of each call's credentials
	calls []string // operations that reached the API, with the access key that signed
}

func (e *env) now() time.Time { return time.Unix(0, e.clock.Load()) }

func (e *env) pass(d time.Duration) { e.clock.Add(int64(d)) }

const settings = `{"issuer":"ISSUER","clientId":"console","administrators":["net-admins"],"allocators":["pipelines","net-admins"],"readers":["everyone"]}`

func newEnv(t *testing.T, secret string, change ...func(*hosted.Config)) *env {
	t.Helper()
	e := &env{T: t}
	e.clock.Store(time.Now().UnixNano())
	e.provider = newProvider(t, secret, e.now)
	e.provider.user = map[string]any{"email": "ana@example.com", "email_verified": true, "groups": []string{"everyone"}}
	e.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := regexp.MustCompile(`Credential=(\w+)/`).FindStringSubmatch(r.Header.Get("Authorization"))
		e.mu.Lock()
		e.calls = append(e.calls, r.URL.Path+" "+key[1])
		e.mu.Unlock()
		if r.URL.Path == "/v1/GetCallerAccess" {
			io.WriteString(w, `{"CallerAccess":{"AccountId":"111122223333","PrincipalArn":"arn","Class":"read","HomeRegion":"eu-west-1"}}`)
			return
		}
		io.WriteString(w, `{}`)
	}))
	t.Cleanup(e.api.Close)
	e.console = httptest.NewUnstartedServer(nil)
	e.console.StartTLS()
	t.Cleanup(e.console.Close)
	s, err := hosted.ParseSettings([]byte(strings.Replace(settings, "ISSUER", e.provider.URL, 1)))
	if err != nil {
		t.Fatal(err)
	}
	c := hosted.Config{
		Settings: s, Key: bytes.Repeat([]byte{7}, 32), Origin: e.console.URL, Endpoint: e.api.URL, Region: "eu-west-1", Operations: []string{"DescribeIpams", "CreateIpam"},
		Pages: fstest.MapFS{"index.html": {Data: []byte("the page")}}, Logger: slog.New(slog.NewTextHandler(&e.log, nil)), Now: e.now,
		Credentials: func(class registry.Class, session string) aws.CredentialsProvider {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.roles = append(e.roles, class.String()+" "+session)
			return credentials.NewStaticCredentialsProvider("AKID"+class.String(), "s", "t")
		},
	}
	if secret != "" {
		c.ClientSecret = func(context.Context) (string, error) { return secret, nil }
	}
	for _, f := range change {
		f(&c)
	}
	h, err := hosted.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e.console.Config.Handler = h
	e.client = e.browser()
	return e
}

// browser returns a browser without cookies.
func (e *env) browser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // the test's own certificate
	}
}

type answer struct {
	status   int
	body     string
	header   http.Header
	location string
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
	return answer{res.StatusCode, string(body), res.Header, res.Header.Get("Location")}
}

func (e *env) get(address string) answer {
	e.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		e.Fatal(err)
	}
	return e.do(r)
}

// begin begins a sign-in and returns the address that the provider sends the browser back
// to.
func (e *env) begin(path string) string {
	e.Helper()
	a := e.get(e.console.URL + path)
	if a.status != 303 || !strings.HasPrefix(a.location, e.provider.URL+"/authorize?") {
		e.Fatalf("%s answers %d %s %s", path, a.status, a.location, a.body)
	}
	back := e.get(a.location)
	if back.status != 302 || !strings.HasPrefix(back.location, e.console.URL+"/callback?") {
		e.Fatalf("the provider answers %d %s", back.status, back.location)
	}
	return back.location
}

func (e *env) signIn() answer { e.Helper(); return e.get(e.begin("/login")) }

func (e *env) call(operation string) *http.Request {
	e.Helper()
	r, err := http.NewRequest("POST", e.console.URL+"/v1/"+operation, strings.NewReader("{}"))
	if err != nil {
		e.Fatal(err)
	}
	r.Header.Set("Origin", e.console.URL)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Cadastre-Console", "1")
	return r
}

func (e *env) signedIn() bool {
	e.Helper()
	switch a := e.get(e.console.URL + "/session"); a.status {
	case 200:
		return true
	case 401:
		return false
	default:
		e.Fatalf("/session answers %d %s", a.status, a.body)
		return false
	}
}

func TestSignIn(t *testing.T) {
	for name, secret := range map[string]string{"a public client": "", "a client with a secret": "s3cr&t %+"} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, secret)
			if a := e.get(e.console.URL + "/pools"); a.status != 200 || a.body != "the page" {
				t.Errorf("the page without a session: %d %s", a.status, a.body)
			}
			if a := e.do(e.call("DescribeIpams")); a.status != 401 || e.signedIn() {
				t.Errorf("a call without a session: %d %s", a.status, a.body)
			}
			back := e.begin("/login?to=" + url.QueryEscape("/pools/ipam-pool-1?x=<1>&y=2"))
			a := e.get(back)
			cookies := strings.Join(a.header.Values("Set-Cookie"), "\n")
			if a.status != 200 || !strings.Contains(a.body, `content="0; url=/pools/ipam-pool-1?x=&lt;1&gt;&amp;y=2"`) || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") ||
				!regexp.MustCompile(`(?m)^__Host-cadastre-session=[\w-]+; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict$`).MatchString(cookies) ||
				!regexp.MustCompile(`(?m)^__Host-cadastre-login=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$`).MatchString(cookies) {
				t.Errorf("%d %s\n%s", a.status, a.body, cookies)
			}
			if a.header.Get("Strict-Transport-Security") == "" {
				t.Errorf("headers %v", a.header)
			}
			a = e.get(e.console.URL + "/session")
			var s map[string]any
			if err := json.Unmarshal([]byte(a.body), &s); err != nil {
				t.Fatal(err, a.body)
			}
			if d := cmp.Diff(map[string]any{
				"Name": "ana@example.com", "Account": "111122223333", "Class": "read", "Region": "eu-west-1", "Endpoint": e.api.URL, "Hosted": true,
				"Expires": e.now().Add(time.Hour).UTC().Format(time.RFC3339),
			}, s); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if a := e.do(e.call("CreateIpam")); a.status != 200 {
				t.Errorf("a call: %d %s", a.status, a.body)
			}
			if d := cmp.Diff([]string{"/v1/GetCallerAccess AKIDread", "/v1/CreateIpam AKIDread"}, e.calls); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if e.roles[0] != "read ana@example.com" {
				t.Errorf("roles %q", e.roles)
			}
			e.pass(time.Hour - time.Second)
			if !e.signedIn() {
				t.Error("the session ends early")
			}
			e.pass(time.Second)
			if e.signedIn() {
				t.Error("the session does not end")
			}
			if log := e.log.String(); strings.Contains(log, "code=") || secret != "" && strings.Contains(log, secret) || !strings.Contains(log, "ana@example.com") {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

// A person has the highest class of all groups, and none without a group.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups any
		role   string
		status int
		words  string
	}{
		{"the lowest", []string{"everyone", "others"}, "read ana@example.com", 200, ""},
		{"the middle", []string{"everyone", "pipelines"}, "allocate ana@example.com", 200, ""},
		{"the highest, of a group in two lists", []string{"net-admins"}, "administer ana@example.com", 200, ""},
		{"one text", "pipelines", "allocate ana@example.com", 200, ""},
		{"no group that counts", []string{"others", "a"}, "", 403, "none of your 2 groups"},
		{"a part of a name", []string{"every", "net-admins2", "NET-ADMINS"}, "", 403, "none of your 3 groups"},
		{"no groups", []string{}, "", 403, "none of your 0 groups"},
		{"no claim", nil, "", 403, "names no groups"},
		{"numbers", []any{1, true, map[string]any{"everyone": 1}}, "", 403, "none of your"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, "")
			e.provider.user["groups"] = c.groups
			a := e.signIn()
			if a.status != c.status || !strings.Contains(a.body, c.words) || e.signedIn() != (c.status == 200) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if c.role != "" && (len(e.roles) == 0 || e.roles[0] != c.role) || c.role == "" && len(e.roles) > 0 {
				t.Errorf("roles %q", e.roles)
			}
		})
	}
}

// The provider's answer is used only if all of it belongs to the console and to this
// sign-in.
func TestRefusedTokens(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*provider) {
		return func(p *provider) { p.change = func(claims map[string]any) { claims[name] = value } }
	}
	for _, c := range []struct {
		name   string
		change func(*provider)
		reason string // in the log
	}{
		{"expired", func(p *provider) {
			p.change = func(claims map[string]any) { claims["exp"] = p.now().Add(-time.Minute).Unix() }
		}, "expired"},
		{"of the future", func(p *provider) {
			p.change = func(claims map[string]any) { claims["nbf"] = p.now().Add(time.Hour).Unix() }
		}, "before the nbf"},
		{"forged", func(p *provider) { p.signer = other }, "failed to verify"},
		{"not signed", func(p *provider) { p.alg = "" }, "verify the ID token"},
		{"signed with the public key as a secret", func(p *provider) { p.alg = jose.HS256 }, "verify the ID token"},
		{"of a foreign audience", claim("aud", "another"), "audience"},
		{"of several audiences, for another", claim("aud", []string{"console", "another"}), "another client"},
		{"of a foreign issuer", claim("iss", "https://evil.example"), "different provider"},
		{"with another nonce", claim("nonce", "another"), "nonce"},
		{"without a nonce", claim("nonce", nil), "nonce"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, "secret")
			c.change(e.provider)
			a := e.signIn()
			if a.status != 403 || e.provider.tokens != 1 || e.signedIn() {
				t.Errorf("%d %s, %d tokens", a.status, a.body, e.provider.tokens)
			}
			if log := e.log.String(); !strings.Contains(log, c.reason) || strings.Contains(a.body, c.reason) {
				t.Errorf("the log is %s", log)
			}
		})
	}
	e := newEnv(t, "secret")
	e.provider.change = func(claims map[string]any) { claims["aud"], claims["azp"] = []string{"console", "another"}, "console" }
	if a := e.signIn(); a.status != 200 || !e.signedIn() {
		t.Errorf("several audiences, for the console: %d %s", a.status, a.body)
	}
}

func TestRefusedCallbacks(t *testing.T) {
	with := func(name, value string) func(e *env, back string) string {
		return func(e *env, back string) string {
			u, err := url.Parse(back)
			if err != nil {
				e.Fatal(err)
			}
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	for _, c := range []struct {
		name   string
		change func(e *env, back string) string
	}{
		{"another state", with("state", "AAAAAAAAAAAAAAAAAAAAAAAAAA")},
		{"no state", with("state", "")},
		{"a made-up code", with("code", "AAAAAAAAAAAAAAAAAAAAAAAAAA")},
		{"an error", with("error", "access_denied")},
		{"another issuer", with("iss", "https://evil.example")},
		{"another browser", func(e *env, back string) string { e.client = e.browser(); return back }},
		{"a login that another one replaced", func(e *env, back string) string { e.begin("/login"); return back }},
		{"a login that took too long", func(e *env, back string) string { e.pass(10 * time.Minute); return back }},
		{"a code of another sign-in", func(e *env, back string) string {
			victim := e.client
			e.client = e.browser()
			foreign, _ := url.Parse(e.begin("/login"))
			e.client = victim
			return with("code", foreign.Query().Get("code"))(e, back)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, "secret")
			back := c.change(e, e.begin("/login"))
			if a := e.get(back); a.status != 403 || e.signedIn() || e.provider.tokens != 0 || !strings.Contains(a.body, `href="/login"`) {
				t.Errorf("%d %s, %d tokens", a.status, a.body, e.provider.tokens)
			}
		})
	}
	t.Run("the same answer again", func(t *testing.T) {
		e := newEnv(t, "secret")
		back := e.begin("/login")
		u, _ := url.Parse(e.console.URL)
		kept := e.client.Jar.Cookies(u)
		if a := e.get(back); a.status != 200 || !e.signedIn() {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := e.get(back); a.status != 403 || e.provider.tokens != 1 {
			t.Errorf("in the same browser: %d %s", a.status, a.body)
		}
		// A thief has the login cookie and the answer. The provider refuses the code.
		e.client = e.browser()
		e.client.Jar.SetCookies(u, kept)
		if a := e.get(back); a.status != 403 || e.signedIn() || e.provider.tokens != 1 || !strings.Contains(e.log.String(), "invalid_grant") {
			t.Errorf("with the cookie of the login: %d %s", a.status, a.body)
		}
	})
	t.Run("a wrong client secret", func(t *testing.T) {
		e := newEnv(t, "secret", func(c *hosted.Config) {
			c.ClientSecret = func(context.Context) (string, error) { return "wrong", nil }
		})
		if a := e.signIn(); a.status != 403 || e.signedIn() {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("no client secret", func(t *testing.T) {
		e := newEnv(t, "secret", func(c *hosted.Config) {
			c.ClientSecret = func(context.Context) (string, error) { return "", errors.New("no such parameter") }
		})
		if a := e.get(e.console.URL + "/login"); a.status != 503 || strings.Contains(a.body, "parameter") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("no provider, and again with one", func(t *testing.T) {
		e := newEnv(t, "")
		down := true
		e.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		next := e.provider.Config.Handler
		e.provider.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down {
				w.WriteHeader(500)
				return
			}
			next.ServeHTTP(w, r)
		})
		if a := e.get(e.console.URL + "/login"); a.status != 503 {
			t.Errorf("%d %s", a.status, a.body)
		}
		down = false
		if a := e.signIn(); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Cookies that the console did not write, or wrote for another purpose, are no session.
func TestCookies(t *testing.T) {
	e := newEnv(t, "")
	e.begin("/login")
	u, _ := url.Parse(e.console.URL)
	login := e.client.Jar.Cookies(u)[0]
	if login.Name != "__Host-cadastre-login" {
		t.Fatalf("the cookie %s", login.Name)
	}
	e.signIn()
	var session *http.Cookie
	for _, c := range e.client.Jar.Cookies(u) {
		if c.Name == "__Host-cadastre-session" {
			session = c
		}
	}
	flipped := []byte(session.Value)
	flipped[20] ^= 1
	foreign := newEnv(t, "", func(c *hosted.Config) { c.Key = bytes.Repeat([]byte{8}, 32) })
	try := func(e *env, cookies ...*http.Cookie) bool {
		t.Helper()
		e.client = e.browser()
		r, err := http.NewRequest("GET", e.console.URL+"/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		return e.do(r).status == 200
	}
	if !try(e, session) {
		t.Error("the session's own cookie is refused")
	}
	for name, cookies := range map[string][]*http.Cookie{
		"changed":                   {{Name: session.Name, Value: string(flipped)}},
		"cut":                       {{Name: session.Name, Value: session.Value[:10]}},
		"empty":                     {{Name: session.Name, Value: ""}},
		"of the login":              {{Name: session.Name, Value: login.Value}},
		"under the login's name":    {{Name: login.Name, Value: session.Value}},
		"without the prefix":        {{Name: "cadastre-session", Value: session.Value}},
		"twice, with a second one":  {session, {Name: session.Name, Value: "x"}},
		"plain JSON":                {{Name: session.Name, Value: "eyJjIjozfQ"}},
		"behind a foreign one of 2": {{Name: session.Name, Value: "x"}, session},
	} {
		if try(e, cookies...) {
			t.Errorf("the cookie %s is a session", name)
		}
	}
	if try(foreign, session) {
		t.Error("the session of another key is a session")
	}
}

func TestSignOut(t *testing.T) {
	e := newEnv(t, "")
	e.signIn()
	r := e.call("DescribeIpams")
	r.URL.Path = "/logout"
	for name, change := range map[string]func(*http.Request){
		"a foreign origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"no header":        func(r *http.Request) { r.Header.Del("X-Cadastre-Console") },
		"GET":              func(r *http.Request) { r.Method = "GET" },
	} {
		refused := r.Clone(t.Context())
		change(refused)
		if a := e.do(refused); a.status != 403 && a.status != 405 || !e.signedIn() {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := e.do(r); a.status != 204 || e.signedIn() {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestRefusedRequests(t *testing.T) {
	e := newEnv(t, "")
	e.signIn()
	for name, change := range map[string]func(*http.Request){
		"another host":     func(r *http.Request) { r.Host = "rebound.example" },
		"a foreign origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"no origin":        func(r *http.Request) { r.Header.Del("Origin") },
		"no header":        func(r *http.Request) { r.Header.Del("X-Cadastre-Console") },
		"another site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		r := e.call("CreateIpam")
		change(r)
		if a := e.do(r); a.status != 403 || len(e.calls) > 0 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, path := range []string{"/login", "/callback"} {
		r, _ := http.NewRequest("GET", e.console.URL+path, nil)
		r.Host = "rebound.example"
		if a := e.do(r); a.status != 403 {
			t.Errorf("%s of another host: %d %s", path, a.status, a.location)
		}
	}
}

// A role that cannot be assumed is no reason to sign in again.
func TestNoRole(t *testing.T) {
	e := newEnv(t, "", func(c *hosted.Config) {
		c.Credentials = func(registry.Class, string) aws.CredentialsProvider {
			return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("AccessDenied: arn:aws:iam::111122223333:role/x")
			})
		}
	})
	e.signIn()
	session, err := http.NewRequest("GET", e.console.URL+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{e.call("DescribeIpams"), session} {
		if a := e.do(r); a.status != 503 || strings.Contains(a.body, "arn:") {
			t.Errorf("%s: %d %s", r.URL, a.status, a.body)
		}
	}
	if !strings.Contains(e.log.String(), "AccessDenied") {
		t.Errorf("the log is %s", &e.log)
	}
}

// After a sign-in the browser stays at the console.
func TestDestinations(t *testing.T) {
	for to, want := range map[string]string{
		"": "/", "/pools": "/pools", "/map?scope=s&cidr=10.0.0.0/8#x": "/map?scope=s&amp;cidr=10.0.0.0/8#x",
		"//evil.example/": "/", "///evil.example/": "/", "https://evil.example/": "/", `/\evil.example`: "/", "/\tevil": "/", "javascript:alert(1)": "/", "evil": "/", "/" + strings.Repeat("x", 2000): "/",
	} {
		e := newEnv(t, "")
		if a := e.get(e.begin("/login?to=" + url.QueryEscape(to))); !strings.Contains(a.body, `content="0; url=`+want+`"`) {
			t.Errorf("%q leads to %s", to, a.body)
		}
	}
}

// No two people have one name in CloudTrail.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims map[string]any
		want   string // name, session name
	}{
		{"an address", map[string]any{"email": "ana@example.com"}, "ana@example.com ana@example.com"},
		{"an address that is not verified", map[string]any{"email": "ana@example.com", "email_verified": false}, "subject-1 subject-1"},
		{"verified, as a text", map[string]any{"email": "ana@example.com", "email_verified": "true"}, "ana@example.com ana@example.com"},
		{"no address", map[string]any{"email": nil}, "subject-1 subject-1"},
		{"letters that STS does not take", map[string]any{"email": "añá b@example.com"}, "añá b@example.com a---b@example.com-95efa64dfaf09a0f"},
		{"a long one", map[string]any{"email": strings.Repeat("a", 70)}, strings.Repeat("a", 70) + " " + strings.Repeat("a", 47) + "-95efa64dfaf09a0f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, "")
			for k, v := range c.claims {
				e.provider.user[k] = v
			}
			e.signIn()
			a := e.get(e.console.URL + "/session")
			var s struct{ Name string }
			if err := json.Unmarshal([]byte(a.body), &s); err != nil || len(e.roles) == 0 {
				t.Fatal(err, a.body)
			}
			if got := s.Name + " " + strings.TrimPrefix(e.roles[0], "read "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct{ name, document, words string }{
		{"good", `{"issuer":"https://login.example.com/t","clientId":"c","readers":["r"]}`, ""},
		{"a name and a certificate", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"domainName":"console.example.com","certificateArn":"arn"}`, ""},
		{"no JSON", `x`, "read the console's settings"},
		{"a misspelt member", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"reader":["r"]}`, "reader"},
		{"no issuer", `{"clientId":"c","readers":["r"]}`, "issuer"},
		{"an issuer without TLS", `{"issuer":"http://login.example.com","clientId":"c","readers":["r"]}`, "issuer"},
		{"an issuer with a query", `{"issuer":"https://login.example.com?x","clientId":"c","readers":["r"]}`, "issuer"},
		{"no client", `{"issuer":"https://login.example.com","readers":["r"]}`, "clientId"},
		{"a parameter with a wildcard", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"clientSecretParameter":"/*"}`, "clientSecretParameter"},
		{"no groups", `{"issuer":"https://login.example.com","clientId":"c"}`, "without a group"},
		{"a group without a name", `{"issuer":"https://login.example.com","clientId":"c","readers":[" "]}`, "no name"},
		{"a short session", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"sessionMinutes":4}`, "sessionMinutes"},
		{"a long session", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"sessionMinutes":721}`, "sessionMinutes"},
		{"a name without a certificate", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"domainName":"console.example.com"}`, "certificateArn"},
		{"a URL as name", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"domainName":"https://console.example.com","certificateArn":"arn"}`, "domainName"},
		{"an empty claim", `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"groupsClaim":""}`, "groupsClaim"},
	} {
		s, err := hosted.ParseSettings([]byte(c.document))
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (s.GroupsClaim != "groups" || s.NameClaim != "email" || s.SessionMinutes != 60) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	if _, err := hosted.New(hosted.Config{Key: make([]byte, 31)}); err == nil {
		t.Error("a short key is taken")
	}
}
