package resign_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/resign"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

var own = aws.Credentials{AccessKeyID: "AKIDOWN", SecretAccessKey: "own/secret", SessionToken: "token=="}

type provider func() (aws.Credentials, error)

func (p provider) Retrieve(context.Context) (aws.Credentials, error) { return p() }

// target is a service that a proxy calls. It records requests, checks their signatures
// and answers with handler.
type target struct {
	*httptest.Server
	mu      sync.Mutex
	seen    []*http.Request
	bodies  []string
	handler http.HandlerFunc
	now     func() time.Time
}

func newTarget(t *testing.T, service, region string, handler http.HandlerFunc) *target {
	t.Helper()
	s := &target{handler: handler, now: time.Now}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verify(t, r, body, service, region, s.now)
		s.mu.Lock()
		s.seen, s.bodies = append(s.seen, r), append(s.bodies, string(body))
		s.mu.Unlock()
		s.handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// verify checks that the proxy's credentials signed the request for the service and
// Region just now.
func verify(t *testing.T, r *http.Request, body []byte, service, region string, now func() time.Time) {
	t.Helper()
	s, err := sigv4.Parse(r.Header.Get("Authorization"))
	if err == nil {
		err = s.Verify(t.Context(), r, body, own, now())
	}
	if err != nil || s.Service != service || s.Region != region {
		t.Errorf("signed %+v, want %s in %s: %v", s.Scope, service, region, err)
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		w.Header().Add("X-Answer", "one")
		w.Header().Add("X-Answer", "two")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const vpcs = `<DescribeVpcsResponse><requestId>r-ec2</requestId><vpcSet/></DescribeVpcsResponse>`
const ipams = `<DescribeIpamsResponse><requestId>r-cadastre</requestId><ipamSet/></DescribeIpamsResponse>`

// env is a proxy between two targets.
type env struct {
	proxy    *resign.Proxy
	url      string
	cadastre *target
	ec2      *target
	log      *bytes.Buffer // read it when no call is under way
	calls    sync.WaitGroup
}

func newEnv(t *testing.T, change func(*resign.Config)) *env {
	t.Helper()
	r := &env{
		cadastre: newTarget(t, "execute-api", "us-east-1", answer(200, ipams)),
		ec2:      newTarget(t, "ec2", "ap-northeast-3", answer(200, vpcs)),
		log:      &bytes.Buffer{},
	}
	c := resign.Config{
		Endpoint: r.cadastre.URL + "/prod", Region: "us-east-1", EC2Endpoint: r.ec2.URL,
		Credentials: credentials.StaticCredentialsProvider{Value: own},
		Logger:      slog.New(slog.NewJSONHandler(r.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	p, err := resign.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.calls.Add(1)
		defer r.calls.Done()
		p.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	r.proxy, r.url = p, s.URL
	return r
}

// sdk returns the SDK's plain EC2 client, with the proxy's credentials.
func (r *env) sdk(region string) *ec2.Client {
	return ec2.NewFromConfig(aws.Config{
		Region: region, Credentials: credentials.StaticCredentialsProvider{Value: own}, RetryMaxAttempts: 1,
	}, func(o *ec2.Options) { o.BaseEndpoint = &r.url })
}

// authorization is a made-up signature of 2020.
const authorization = "AWS4-HMAC-SHA256 Credential=AKIDOWN/20201124/ap-northeast-3/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"

// sign signs a request for EC2.
func sign(q *http.Request, body string, c aws.Credentials, region string, at time.Time) {
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(q.Context(), c, q, hex.EncodeToString(sum[:]), "ec2", region, at); err != nil {
		panic(err)
	}
}

// plain adds no header of its own, and asks for no compression.
var plain = &http.Transport{DisableCompression: true}

// post sends a form that change may alter. It signs the form, unless change has set
// an Authorization header.
func (r *env) post(t *testing.T, body string, change func(*http.Request)) (status int, code, answer string, header http.Header) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(q)
	}
	if _, set := q.Header["Authorization"]; !set {
		sign(q, body, own, "ap-northeast-3", time.Now())
	}
	res, err := plain.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Code string `xml:"Errors>Error>Code"`
	}
	if res.StatusCode >= 400 {
		if err := xml.Unmarshal(b, &e); err != nil {
			t.Errorf("the error %q is no XML: %v", b, err)
		}
	}
	return res.StatusCode, e.Code, string(b), res.Header
}

func TestCallsReachTheirTargets(t *testing.T) {
	r := newEnv(t, nil)
	c := r.sdk("ap-northeast-3")
	if _, err := c.DescribeIpams(t.Context(), &ec2.DescribeIpamsInput{IpamIds: []string{"ipam-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}}); err != nil {
		t.Fatal(err)
	}
	if r.cadastre.calls() != 1 || r.ec2.calls() != 1 {
		t.Fatalf("%d calls of Cadastre and %d of EC2", r.cadastre.calls(), r.ec2.calls())
	}
	got := r.cadastre.seen[0]
	if got.Header.Get(wire.RegionHeader) != "ap-northeast-3" || !strings.Contains(got.Header.Get("Authorization"), ";x-cadastre-region,") {
		t.Errorf("the caller's Region is absent, or not signed: %v", got.Header)
	}
	if got.URL.Path != "/prod" || r.cadastre.bodies[0] != "Action=DescribeIpams&IpamId.1=ipam-1&Version=2016-11-15" {
		t.Errorf("Cadastre got %s %q", got.URL.Path, r.cadastre.bodies[0])
	}
	if !strings.Contains(got.Header.Get("User-Agent"), "aws-sdk-go-v2") || got.Header.Get("Amz-Sdk-Invocation-Id") == "" {
		t.Errorf("the client's own headers are lost: %v", got.Header)
	}
	got = r.ec2.seen[0]
	if _, ok := got.Header[wire.RegionHeader]; ok || got.URL.Path != "/" || r.ec2.bodies[0] != "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1" {
		t.Errorf("EC2 got %s %q, %v", got.URL.Path, r.ec2.bodies[0], got.Header)
	}
}

// The endpoint may end with a slash.
func TestEndpointWithASlash(t *testing.T) {
	var url string
	r := newEnv(t, func(c *resign.Config) {
		c.Endpoint += "/"
		url = c.Endpoint
	})
	if _, err := r.sdk("ap-northeast-3").DescribeIpams(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := r.cadastre.seen[0].URL.Path; got != "/prod/" || !strings.HasSuffix(url, "/prod/") {
		t.Errorf("%s: called %s", url, got)
	}
}

func TestAnswersPassUnchanged(t *testing.T) {
	r := newEnv(t, nil)
	refusal := `<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>gone</Message></Error></Errors><RequestID>r-1</RequestID></Response>`
	r.ec2.handler = answer(http.StatusTeapot, refusal)
	status, _, body, header := r.post(t, "Action=DescribeVpcs", nil)
	if status != http.StatusTeapot || body != refusal {
		t.Errorf("got %d %s", status, body)
	}
	if d := cmp.Diff([]string{"one", "two"}, header["X-Answer"]); d != "" || header.Get("Content-Type") != "text/xml;charset=UTF-8" || header.Get("Keep-Alive") != "" {
		t.Errorf("the headers are %v", header)
	}
	_, err := r.sdk("ap-northeast-3").DescribeVpcs(t.Context(), nil)
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InvalidVpcID.NotFound" || api.ErrorMessage() != "gone" {
		t.Errorf("err = %v", err)
	}

	// Answers are compressed for clients that accept it, and not for others.
	r.ec2.handler = func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Accepts", q.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "\x1f\x8bnot really")
	}
	_, _, body, header = r.post(t, "Action=DescribeVpcs", func(q *http.Request) { q.Header.Set("Accept-Encoding", "gzip") })
	if header.Get("X-Accepts") != "gzip" || header.Get("Content-Encoding") != "gzip" || body != "\x1f\x8bnot really" {
		t.Errorf("got %q, %v", body, header)
	}
	r.ec2.handler = answer(200, vpcs)
	r.post(t, "Action=DescribeVpcs", func(q *http.Request) { q.Header["User-Agent"] = nil })
	for _, name := range []string{"Accept-Encoding", "User-Agent"} {
		if v, ok := r.ec2.seen[3].Header[name]; ok {
			t.Errorf("the proxy adds %s: %q", name, v)
		}
	}
	r.ec2.handler = func(w http.ResponseWriter, _ *http.Request) {
		http.Redirect(w, &http.Request{}, "http://elsewhere/", http.StatusTemporaryRedirect)
	}
	if status, _, _, header = r.post(t, "Action=DescribeVpcs", nil); status != 307 || header.Get("Location") != "http://elsewhere/" || r.ec2.calls() != 5 {
		t.Errorf("a redirect came back as %d to %q", status, header.Get("Location"))
	}
}

// A client must not take the first half of an answer for the whole.
func TestBrokenAnswerIsCutOff(t *testing.T) {
	r := newEnv(t, nil)
	r.ec2.handler = func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 50000)) // in chunks, without a length
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	q, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/", strings.NewReader("Action=DescribeVpcs"))
	sign(q, "Action=DescribeVpcs", own, "ap-northeast-3", time.Now())
	res, err := http.DefaultClient.Do(q)
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err = %v, want an unexpected end", err)
	}
}

func TestGet(t *testing.T) {
	r := newEnv(t, nil)
	get := func(query string) {
		t.Helper()
		status, _, body, _ := r.post(t, "", func(q *http.Request) {
			q.Method, q.URL.RawQuery = "GET", query
		})
		if status != 200 {
			t.Errorf("got %d %s", status, body)
		}
	}
	get("Version=2016-11-15&Action=DescribeIpams&Filter.1.Value.1=a%20b%2Fc")
	get("Version=2016-11-15&Action=DescribeVpcs")
	if r.cadastre.calls() != 1 || r.ec2.calls() != 1 {
		t.Fatalf("%d calls of Cadastre and %d of EC2", r.cadastre.calls(), r.ec2.calls())
	}
	if q := r.cadastre.seen[0]; q.Method != "GET" || q.URL.Query().Get("Filter.1.Value.1") != "a b/c" {
		t.Errorf("Cadastre got %s %s", q.Method, q.URL)
	}
	// Body and query string together are the form that has a target.
	r.post(t, "Action=CreateVpc", func(q *http.Request) { q.URL.RawQuery = "Ipv4IpamPoolId=ipam-pool-1" })
	if r.cadastre.calls() != 2 {
		t.Error("a pool in the query string is not seen")
	}
}

func TestRefusals(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set(name, value) }
	}
	scope := func(s string) func(*http.Request) {
		return set("Authorization", "AWS4-HMAC-SHA256 Credential="+s+", SignedHeaders=host, Signature=0")
	}
	host := func(h string) func(*http.Request) { return func(q *http.Request) { q.Host = h } }
	for _, c := range []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"as it should be", "Action=DescribeVpcs", nil, 200, ""},
		{"Host localhost", "Action=DescribeVpcs", host("LocalHost:8181"), 200, ""},
		{"Host localhost without a port", "Action=DescribeVpcs", host("localhost"), 200, ""},
		{"Host of IPv6", "Action=DescribeVpcs", host("[::1]:8181"), 200, ""},
		{"Host of IPv6 without a port", "Action=DescribeVpcs", host("[::1]"), 200, ""},
		{"Host of another name", "Action=DescribeVpcs", host("rebound.example"), 403, "UnauthorizedOperation"},
		{"Host that begins like loopback", "Action=DescribeVpcs", host("127.0.0.1.rebound.example"), 403, "UnauthorizedOperation"},
		{"Host of another address", "Action=DescribeVpcs", host("192.0.2.1:8181"), 403, "UnauthorizedOperation"},
		{"a web page", "Action=DescribeVpcs", set("Origin", "https://evil.example"), 403, "UnauthorizedOperation"},
		{"a web page without an address", "Action=DescribeVpcs", set("Origin", "null"), 403, "UnauthorizedOperation"},
		{"a preflight", "", func(q *http.Request) { q.Method = "OPTIONS"; q.Header.Set("Origin", "https://evil.example") }, 403, "UnauthorizedOperation"},
		{"unsigned", "Action=DescribeVpcs", func(q *http.Request) { q.Header["Authorization"] = nil }, 401, "AuthFailure"},
		{"signed in the query string", "", func(q *http.Request) {
			q.Method, q.URL.RawQuery = "GET", "Action=DescribeVpcs&X-Amz-Credential=AKIDOWN%2F20261124%2Fap-northeast-3%2Fec2%2Faws4_request&X-Amz-Signature=0"
			q.Header["Authorization"] = nil
		}, 401, "AuthFailure"},
		{"another way of signing", "Action=DescribeVpcs", set("Authorization", "AWS AKIDOWN:signature"), 401, "AuthFailure"},
		{"another algorithm", "Action=DescribeVpcs", set("Authorization", strings.Replace(authorization, "HMAC", "ECDSA", 1)), 401, "AuthFailure"},
		{"a scope cut short", "Action=DescribeVpcs", scope("AKIDOWN/20261124/us-east-1/ec2"), 401, "AuthFailure"},
		{"a scope without a key", "Action=DescribeVpcs", scope("/20261124/us-east-1/ec2/aws4_request"), 401, "AuthFailure"},
		{"another service", "Action=GetCallerIdentity", scope("AKIDOWN/20261124/us-east-1/sts/aws4_request"), 401, "AuthFailure"},
		{"a host for a Region", "Action=DescribeVpcs", scope("AKIDOWN/20261124/evil.example#-1/ec2/aws4_request"), 401, "AuthFailure"},
		{"another access key", "Action=DescribeVpcs", scope("AKIDOTHER/20261124/ap-northeast-3/ec2/aws4_request"), 401, "AuthFailure"},
		{"another path", "Action=DescribeVpcs", func(q *http.Request) { q.URL.Path = "/v1/DescribeIpams" }, 400, "InvalidAction"},
		{"another method", "Action=DescribeVpcs", func(q *http.Request) { q.Method = "PUT" }, 400, "InvalidAction"},
		{"no action", "Version=2016-11-15", nil, 400, "MissingParameter"},
		{"no form", "Action=%zz", nil, 400, "MalformedRequest"},
		{"no form in the query string", "Action=DescribeVpcs", func(q *http.Request) {
			sign(q, "Action=DescribeVpcs", own, "ap-northeast-3", time.Now()) // the signer would change the query string
			q.URL.RawQuery = "%zz"
		}, 400, "MalformedRequest"},
		{"a body too long", "Action=DescribeVpcs&x=" + strings.Repeat("x", 1<<20), nil, 400, "MalformedRequest"},
		{"resources of both services", "Action=CreateTags&ResourceId.1=vpc-1&ResourceId.2=ipam-1", nil, 400, "InvalidParameterCombination"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, nil)
			status, code, body, header := r.post(t, c.body, c.change)
			if status != c.status || code != c.code {
				t.Errorf("got %d %s", status, body)
			}
			if n := r.ec2.calls() + r.cadastre.calls(); (n == 1) != (c.status == 200) {
				t.Errorf("%d calls went out", n)
			}
			if c.status != 200 && header.Get("X-Amzn-Requestid") == "" {
				t.Error("the answer has no request id")
			}
		})
	}
}

// Only a request that the proxy's credentials signed just now goes out.
func TestSignatures(t *testing.T) {
	const terminate = "Action=TerminateInstances&InstanceId.1=i-1"
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	signed := func(c aws.Credentials, at time.Time) func(*http.Request) {
		return func(q *http.Request) { sign(q, terminate, c, "ap-northeast-3", at) }
	}
	then := func(change func(*http.Request)) func(*http.Request) {
		return func(q *http.Request) {
			sign(q, terminate, own, "ap-northeast-3", now)
			change(q)
		}
	}
	with := func(change func(*aws.Credentials)) aws.Credentials {
		c := own
		change(&c)
		return c
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
		words  string
	}{
		{"the proxy's credentials", signed(own, now), 200, ""},
		{"five minutes ago", signed(own, now.Add(-5*time.Minute)), 200, ""},
		{"a made-up signature of 2020", func(q *http.Request) {
			q.Header.Set("Authorization", authorization)
			q.Header.Set("X-Amz-Date", "20201124T120000Z")
			q.Header.Set("X-Amz-Security-Token", own.SessionToken)
		}, 401, "Signature expired: 20201124T120000Z"},
		{"a made-up signature of today", then(func(q *http.Request) {
			a, _, _ := strings.Cut(q.Header.Get("Authorization"), "Signature=")
			q.Header.Set("Authorization", a+"Signature="+strings.Repeat("0", 64))
		}), 401, "does not match the signature"},
		{"six minutes ago", signed(own, now.Add(-6*time.Minute)), 401, "Signature expired"},
		{"in six minutes", signed(own, now.Add(6*time.Minute)), 401, "Signature not yet current"},
		{"another secret key", signed(with(func(c *aws.Credentials) { c.SecretAccessKey = "x" }), now), 401, "does not match the signature"},
		{"no session token", signed(with(func(c *aws.Credentials) { c.SessionToken = "" }), now), 401, "security token"},
		{"another session token", signed(with(func(c *aws.Credentials) { c.SessionToken = "x" }), now), 401, "security token"},
		{"another action in the query string", then(func(q *http.Request) { q.URL.RawQuery = "DryRun=false" }), 401, "does not match the signature"},
		{"another Host", then(func(q *http.Request) { q.Host = "localhost" }), 401, "does not match the signature"},
		{"another body", func(q *http.Request) { sign(q, "Action=DescribeInstances", own, "ap-northeast-3", now) }, 401, "does not match the signature"},
		{"another Region", then(func(q *http.Request) {
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "ap-northeast-3", "us-east-1", 1))
		}), 401, "does not match the signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, func(c *resign.Config) { c.Now = func() time.Time { return now } })
			r.ec2.now = func() time.Time { return now }
			status, code, body, _ := r.post(t, terminate, c.change)
			if status != c.status || code != map[int]string{200: "", 401: "AuthFailure"}[c.status] || !strings.Contains(body, c.words) {
				t.Errorf("got %d %s, want %d with %q", status, body, c.status, c.words)
			}
			if n := r.ec2.calls(); (n == 1) != (c.status == 200) {
				t.Errorf("%d calls went out", n)
			}
		})
	}
}

// With AnyKey every request goes out, verified or not.
func TestAnyKey(t *testing.T) {
	r := newEnv(t, func(c *resign.Config) { c.AnyKey = true })
	status, _, body, _ := r.post(t, "Action=DescribeVpcs", func(q *http.Request) {
		q.Header.Set("Authorization", strings.Replace(authorization, "AKIDOWN", "ASIAOTHER", 1))
	})
	if status != 200 {
		t.Errorf("got %d %s", status, body)
	}
}

// The proxy and a tool renew the credentials that they share at different times.
func TestRenewedCredentials(t *testing.T) {
	next, asked := own, 0
	cache := aws.NewCredentialsCache(provider(func() (aws.Credentials, error) {
		asked++
		c := next
		c.CanExpire, c.Expires = true, time.Now().Add(time.Hour)
		return c, nil
	}))
	old := own
	defer func() { own = old }() // targets verify with own
	r := newEnv(t, func(c *resign.Config) { c.Credentials = cache })
	as := func(key string, want int) {
		t.Helper()
		status, _, body, _ := r.post(t, "Action=DescribeVpcs", func(q *http.Request) {
			c := aws.Credentials{AccessKeyID: key, SecretAccessKey: map[string]string{"AKIDOWN": "own/secret", "ASIANEXT": "next/secret"}[key], SessionToken: own.SessionToken}
			sign(q, "Action=DescribeVpcs", c, "ap-northeast-3", time.Now())
		})
		if status != want {
			t.Errorf("%s: got %d %s", key, status, body)
		}
	}
	as("AKIDOWN", 200)
	next.AccessKeyID, next.SecretAccessKey = "ASIANEXT", "next/secret"
	own = next
	as("ASIANEXT", 200) // the tool renewed them first
	as("AKIDOWN", 200)  // a tool with the old ones
	if asked != 2 {
		t.Errorf("asked for credentials %d times, want 2", asked)
	}
	for range 3 {
		as("ASIAFOREIGN", 401)
	}
	if asked != 2 {
		t.Errorf("foreign keys made the proxy renew at once: asked %d times", asked)
	}
}

func TestNoCredentials(t *testing.T) {
	r := newEnv(t, func(c *resign.Config) {
		c.Credentials = provider(func() (aws.Credentials, error) { return aws.Credentials{}, errors.New("token at /home/x expired") })
	})
	status, code, body, _ := r.post(t, "Action=DescribeVpcs", nil)
	if status != 401 || code != "AuthFailure" || strings.Contains(body, "expired") {
		t.Errorf("got %d %s", status, body)
	}
	if !strings.Contains(r.log.String(), "token at /home/x expired") {
		t.Errorf("the log has no reason: %s", r.log)
	}
}

func TestUnreachable(t *testing.T) {
	for _, c := range []struct{ name, action, names string }{{"EC2", "DescribeVpcs", "ec2"}, {"Cadastre", "DescribeIpams", "cadastre"}} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, nil)
			r.ec2.Close()
			r.cadastre.Close()
			status, code, body, _ := r.post(t, "Action="+c.action, nil)
			if status != 503 || code != "Unavailable" || !strings.Contains(body, "cannot reach "+c.names) || strings.Contains(body, "refused") {
				t.Errorf("got %d %s", status, body)
			}
			if !strings.Contains(r.log.String(), "connection refused") {
				t.Errorf("the log has no reason: %s", r.log)
			}
		})
	}
}

// After a lost answer a call may be repeated if it reads or has a token.
func TestLostAnswers(t *testing.T) {
	for _, c := range []struct {
		call   string
		status int
		code   string
	}{
		{"DescribeVpcs", 503, "Unavailable"},
		{"CreateVpc&CidrBlock=10.0.0.0/24", 503, "Unavailable"}, // EC2's: SDKs repeat it without the proxy too
		{"AllocateIpamPoolCidr&IpamPoolId=ipam-pool-1&ClientToken=t", 503, "Unavailable"},
		{"CreateVpc&Ipv4IpamPoolId=ipam-pool-1", 400, "OutcomeUnknown"},
		{"AssociateVpcCidrBlock&VpcId=vpc-1&Ipv6IpamPoolId=ipam-pool-1", 400, "OutcomeUnknown"},
	} {
		r := newEnv(t, nil)
		r.cadastre.handler = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		r.ec2.handler = r.cadastre.handler
		if status, code, body, _ := r.post(t, "Action="+c.call, nil); status != c.status || code != c.code || !strings.Contains(body, "no answer from") {
			t.Errorf("%s: got %d %s", c.call, status, body)
		}
		if n := r.ec2.calls() + r.cadastre.calls(); n != 1 {
			t.Errorf("%s: sent %d times", c.call, n)
		}
	}
}

// One record of each call, with nothing secret in it.
func TestLog(t *testing.T) {
	r := newEnv(t, nil)
	r.post(t, "Action=AllocateIpamPoolCidr&IpamPoolId=ipam-pool-1&Description=confidential", nil)
	r.post(t, "Action=DescribeVpcs", func(q *http.Request) { q.Header["Authorization"] = nil })
	type record struct {
		Msg, Level, Action, Target, Region string
		Status                             int
		Duration                           float64 `json:"duration_ms"`
	}
	var got []record
	for d := json.NewDecoder(strings.NewReader(r.log.String())); d.More(); {
		var one record
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		if one.Duration <= 0 {
			t.Errorf("%s took %v ms", one.Action, one.Duration)
		}
		one.Duration = 0
		got = append(got, one)
	}
	if d := cmp.Diff([]record{
		{"call", "INFO", "AllocateIpamPoolCidr", "cadastre", "ap-northeast-3", 200, 0},
		{"call", "WARN", "", "none", "", 401, 0},
	}, got); d != "" {
		t.Error(d)
	}
	for _, secret := range []string{own.AccessKeyID, own.SecretAccessKey, own.SessionToken, "Signature", "confidential"} {
		if strings.Contains(strings.ReplaceAll(r.log.String(), "AWS Signature", ""), secret) {
			t.Errorf("the log has %s: %s", secret, r.log)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Without an endpoint of EC2, calls go to the Region of the caller's signature.
func TestEC2OfTheRegion(t *testing.T) {
	r := newEnv(t, func(c *resign.Config) { c.EC2Endpoint = "" })
	var called, signature string
	r.proxy.SetTransport(roundTripper(func(q *http.Request) (*http.Response, error) {
		called, signature = q.URL.String(), q.Header.Get("Authorization")
		return nil, errors.New("not in a test")
	}))
	for _, c := range []struct {
		region, want    string
		fips, dualStack bool
	}{
		{"ap-northeast-3", "https://ec2.ap-northeast-3.amazonaws.com/", false, false},
		{"cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/", false, false},
		{"us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com/", true, false},
		{"us-east-2", "https://ec2-fips.us-east-2.amazonaws.com/", true, false},
		{"us-east-2", "https://ec2.us-east-2.api.aws/", false, true},
	} {
		r.proxy.SetEndpoints(c.fips, c.dualStack)
		r.post(t, "Action=DescribeVpcs", func(q *http.Request) { sign(q, "Action=DescribeVpcs", own, c.region, time.Now()) })
		if called != c.want || !strings.Contains(signature, "/"+c.region+"/ec2/aws4_request") {
			t.Errorf("%s: called %s, signed %s", c.region, called, signature)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod"
	for _, c := range []struct {
		name   string
		config resign.Config
		word   string // of the error, "" if there is none
	}{
		{"a host name with the Region", resign.Config{Endpoint: good}, ""},
		{"a custom domain with its Region", resign.Config{Endpoint: "https://ipam.example.com", Region: "us-east-1"}, ""},
		{"a custom domain without", resign.Config{Endpoint: "https://ipam.example.com"}, "Region"},
		{"a word for a Region", resign.Config{Endpoint: good, Region: "us-east-1.evil"}, "Region"},
		{"no endpoint", resign.Config{Region: "us-east-1"}, "not given"},
		{"a host for an endpoint", resign.Config{Endpoint: "ipam.example.com", Region: "us-east-1"}, "no URL"},
		{"an endpoint with a query", resign.Config{Endpoint: good + "?x=1"}, "no URL"},
		{"a host for the endpoint of EC2", resign.Config{Endpoint: good, EC2Endpoint: "localhost:4566"}, "no URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := resign.New(c.config)
			if (err == nil) != (c.word == "") || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("err = %v, want one with %q", err, c.word)
			}
		})
	}
}

// The proxy serves calls side by side.
func TestParallel(t *testing.T) {
	r := newEnv(t, nil)
	c := r.sdk("ap-northeast-3")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("vpc-id")}}})
			_, err2 := c.DescribeIpams(t.Context(), nil)
			if err := errors.Join(err, err2); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if r.cadastre.calls() != 16 || r.ec2.calls() != 16 {
		t.Errorf("%d calls of Cadastre and %d of EC2", r.cadastre.calls(), r.ec2.calls())
	}
}
