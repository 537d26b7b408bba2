package sigv4front_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front"
	"github.com/google/go-cmp/cmp"
)

const region = "ap-northeast-1"

var (
	now    = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	engine = sigv4front.Key{AccessKeyID: "AKIDENGINE", Secret: "s3cret/+", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/engine"}
	guest  = sigv4front.Key{AccessKeyID: "ASIAGUEST", Secret: "other", Session: "token==", Account: "444455556666", ARN: "arn:aws:sts::444455556666:assumed-role/reader/guest"}
)

// front serves a function that stores its event in seen.
func front(t *testing.T, seen *events.APIGatewayProxyRequest) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(&sigv4front.Front{
		Verifier: &sigv4front.Verifier{Region: region, Keys: []sigv4front.Key{engine, guest}, Now: func() time.Time { return now }},
		Invoke: func(_ context.Context, event []byte) ([]byte, error) {
			*seen = events.APIGatewayProxyRequest{}
			if err := json.Unmarshal(event, seen); err != nil {
				return nil, err
			}
			return json.Marshal(events.APIGatewayProxyResponse{StatusCode: 418, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "short and stout"})
		},
	})
	t.Cleanup(s.Close)
	return s
}

// request is a request to sign, and the change after its signature.
type request struct {
	key             sigv4front.Key
	region, service string
	at              time.Time
	method, path    string
	body            string
	header          http.Header // covered by the signature
	after           func(*http.Request)
}

func (q request) send(t *testing.T, s *httptest.Server) (status int, kind, body string) {
	t.Helper()
	status, header, body := q.do(t, s)
	return status, header.Get("X-Amzn-Errortype"), body
}

func (q request) do(t *testing.T, s *httptest.Server) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, s.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	sum := sha256.Sum256([]byte(q.body))
	creds := aws.Credentials{AccessKeyID: q.key.AccessKeyID, SecretAccessKey: q.key.Secret, SessionToken: q.key.Session}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), q.service, q.region, q.at); err != nil {
		t.Fatal(err)
	}
	if q.after != nil {
		q.after(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func good() request {
	return request{key: engine, region: region, service: "execute-api", at: now, method: "POST", path: "/prod/", body: "Action=DescribeIpams&Version=2016-11-15",
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}}
}

func TestVerify(t *testing.T) {
	tamper := func(f func(*http.Request)) func(*request) { return func(q *request) { q.after = f } }
	for _, c := range []struct {
		name   string
		change func(*request)
		status int
		kind   string // of the refusal
	}{
		{"a good request", func(*request) {}, 418, ""},
		{"temporary credentials", func(q *request) { q.key = guest }, 418, ""},
		{"without the trailing slash", func(q *request) { q.path = "/prod" }, 418, ""},
		{"JSON API", func(q *request) { q.path = "/prod/v1/DescribeIpams" }, 418, ""},
		{"GET with a query", func(q *request) {
			q.method, q.path, q.body = "GET", "/prod/?Version=2016-11-15&Action=DescribeIpams&Filter.1.Value.1=a%20b%2Fc", ""
		}, 418, ""},
		{"four minutes late", func(q *request) { q.at = now.Add(-4 * time.Minute) }, 418, ""},
		{"six minutes late", func(q *request) { q.at = now.Add(-6 * time.Minute) }, 401, "InvalidSignatureException"},
		{"six minutes early", func(q *request) { q.at = now.Add(6 * time.Minute) }, 401, "InvalidSignatureException"},
		{"scope of another service", func(q *request) { q.service = "ec2" }, 401, "InvalidSignatureException"},
		{"scope of another Region", func(q *request) { q.region = "ap-northeast-3" }, 401, "InvalidSignatureException"},
		{"wrong secret", func(q *request) { q.key.Secret += "x" }, 401, "InvalidSignatureException"},
		{"unknown key", func(q *request) { q.key.AccessKeyID = "AKIDNOBODY" }, 401, "UnrecognizedClientException"},
		{"session token left out", func(q *request) { q.key = guest; q.key.Session = "" }, 401, "UnrecognizedClientException"},
		{"another session token", func(q *request) { q.key.Session = "forged" }, 401, "UnrecognizedClientException"},
		{"no signature", tamper(func(r *http.Request) { r.Header.Del("Authorization") }), 401, "MissingAuthenticationTokenException"},
		{"other algorithm", tamper(func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }), 401, "IncompleteSignatureException"},
		{"signature cut off", tamper(func(r *http.Request) {
			a, _, _ := strings.Cut(r.Header.Get("Authorization"), ", Signature=")
			r.Header.Set("Authorization", a)
		}), 401, "IncompleteSignatureException"},
		{"scope cut short", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/aws4_request", "", 1))
		}), 401, "IncompleteSignatureException"},
		{"no date", tamper(func(r *http.Request) { r.Header.Del("X-Amz-Date") }), 401, "IncompleteSignatureException"},
		{"date of another day than the scope's", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/20261124/", "/20261123/", 1))
		}), 401, "InvalidSignatureException"},
		{"date moved", tamper(func(r *http.Request) { r.Header.Set("X-Amz-Date", now.Add(time.Minute).Format("20060102T150405Z")) }), 401, "InvalidSignatureException"},
		{"body changed", tamper(func(r *http.Request) {
			b := strings.Replace(good().body, "Ipams", "Pools", 1)
			r.Body = io.NopCloser(strings.NewReader(b))
		}), 401, "InvalidSignatureException"},
		{"path changed", tamper(func(r *http.Request) { r.URL.Path = "/prod/v1/DeleteIpam" }), 401, "InvalidSignatureException"},
		{"query added", tamper(func(r *http.Request) { r.URL.RawQuery = "Action=DeleteIpam" }), 401, "InvalidSignatureException"},
		{"host changed", tamper(func(r *http.Request) { r.Host = "elsewhere" }), 401, "InvalidSignatureException"},
		{"signed header changed", tamper(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), 401, "InvalidSignatureException"},
		{"x-amz header added", tamper(func(r *http.Request) { r.Header.Set("X-Amz-Target", "forged") }), 401, "InvalidSignatureException"},
		{"other header added", tamper(func(r *http.Request) { r.Header.Set("X-Cadastre-Region", "ap-northeast-3") }), 418, ""},
		{"payload hash of another body", func(q *request) {
			q.header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		}, 401, "InvalidSignatureException"},
		{"host not signed", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host;", ";", 1))
		}), 401, "InvalidSignatureException"},
		{"path that the API does not have", func(q *request) { q.path = "/prod/v2/DescribeIpams" }, 401, "MissingAuthenticationTokenException"},
		{"method that the API does not have", func(q *request) { q.method = "PUT" }, 401, "MissingAuthenticationTokenException"},
		{"two slashes", func(q *request) { q.path = "/prod//v1/DescribeIpams" }, 401, "MissingAuthenticationTokenException"},
		{"a slash at the end of an operation", func(q *request) { q.path = "/prod/v1/DescribeIpams/" }, 401, "MissingAuthenticationTokenException"},
		{"no stage", func(q *request) { q.path = "/" }, 401, "MissingAuthenticationTokenException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen events.APIGatewayProxyRequest
			q := good()
			c.change(&q)
			status, kind, body := q.send(t, front(t, &seen))
			if status != c.status || kind != c.kind {
				t.Fatalf("got %d %s %s, want %d %s", status, kind, body, c.status, c.kind)
			}
			if (seen.HTTPMethod != "") != (c.status == 418) {
				t.Errorf("the function saw %+v", seen)
			}
		})
	}
}

func TestEvent(t *testing.T) {
	var seen events.APIGatewayProxyRequest
	q := good()
	q.path = "/prod/v1/DescribeIpams?a=1&a=2"
	q.key = guest
	q.body = `{"AccountId":"999999999999"}`
	if status, _, body := q.send(t, front(t, &seen)); status != 418 || body != "short and stout" {
		t.Fatalf("got %d %s", status, body)
	}
	if seen.Headers["Authorization"] != "" || seen.MultiValueHeaders["Authorization"] != nil || seen.Headers["X-Amz-Date"] == "" {
		t.Errorf("the headers are %v", seen.Headers)
	}
	type facts struct {
		Resource, Path, ContextPath, Operation, Body, Account, UserARN, Stage string
		Query                                                                 []string
		Base64                                                                bool
	}
	got := facts{seen.Resource, seen.Path, seen.RequestContext.Path, seen.PathParameters["operation"], seen.Body,
		seen.RequestContext.Identity.AccountID, seen.RequestContext.Identity.UserArn, seen.RequestContext.Stage, seen.MultiValueQueryStringParameters["a"], seen.IsBase64Encoded}
	want := facts{"/v1/{operation}", "/v1/DescribeIpams", "/prod/v1/DescribeIpams", "DescribeIpams", q.body,
		guest.Account, guest.ARN, "prod", []string{"1", "2"}, false}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The front's own answers have the form of package gateway, on / and on /v1.
func TestOwnAnswers(t *testing.T) {
	answers := func(payload string, err error) func(*sigv4front.Front) {
		return func(f *sigv4front.Front) {
			f.Invoke = func(context.Context, []byte) ([]byte, error) { return []byte(payload), err }
		}
	}
	for _, c := range []struct {
		name    string
		front   func(*sigv4front.Front)
		request func(*request)
		status  int
		code    string
		kind    string // of the refusal
		words   string
	}{
		{"access denied", func(f *sigv4front.Front) {
			f.Allow = func(k sigv4front.Key, method, path string) bool { return k != engine || method != "POST" }
		}, nil, 403, "UnauthorizedOperation", "AccessDeniedException", "User: arn:aws:iam::111122223333:user/engine is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:ap-northeast-1:********3333:front00000/prod/POST/"},
		{"throttled", func(f *sigv4front.Front) { f.Throttle = func() bool { return true } }, nil, 503, "RequestLimitExceeded", "TooManyRequestsException", "Too Many Requests"},
		{"a body of more than 10 MB", nil, func(q *request) { q.body = strings.Repeat("x", 10<<20+1) }, 413, "MalformedRequest", "RequestTooLargeException", "Request Too Long"},
		{"a body over the limit", func(f *sigv4front.Front) { f.MaxBody = 10 }, nil, 413, "MalformedRequest", "RequestTooLargeException", "Request Too Long"},
		{"a function that fails", answers("", errors.New("exit status 2")), nil, 400, "OutcomeUnknown", "InternalServerErrorException", "Internal server error"},
		{"an answer that is no JSON", answers("<html>", nil), nil, 400, "OutcomeUnknown", "InternalServerErrorException", "Internal server error"},
		{"an answer without a status", answers("{}", nil), nil, 400, "OutcomeUnknown", "InternalServerErrorException", "Internal server error"},
		{"an answer that is no base64", answers(`{"statusCode": 200, "isBase64Encoded": true, "body": "!"}`, nil), nil, 400, "OutcomeUnknown", "InternalServerErrorException", "Internal server error"},
		{"a path that the API does not have", nil, func(q *request) { q.path = "/prod/v2" }, 401, "AuthFailure", "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"a wrong secret", nil, func(q *request) { q.key.Secret = "x" }, 401, "AuthFailure", "InvalidSignatureException", "does not match the signature"},
	} {
		for _, path := range []string{"/prod", "/prod/", "/prod/v1/DescribeIpams"} {
			t.Run(c.name+" "+path, func(t *testing.T) {
				var seen events.APIGatewayProxyRequest
				s := front(t, &seen)
				if c.front != nil {
					c.front(s.Config.Handler.(*sigv4front.Front))
				}
				q := good()
				q.path = path
				if c.request != nil {
					c.request(&q)
				}
				status, header, body := q.do(t, s)
				var x struct {
					Code      string `xml:"Errors>Error>Code"`
					Message   string `xml:"Errors>Error>Message"`
					RequestID string
				}
				if err := xml.Unmarshal([]byte(body), &x); err != nil || x.RequestID != "f0000000-0000-4000-8000-000000000001" {
					t.Errorf("%v: %s", err, body)
				}
				if status != c.status || x.Code != c.code || !strings.Contains(x.Message, c.words) || header.Get("X-Amzn-Errortype") != c.kind ||
					header.Get("X-Cadastre-Error-Code") != c.code || header.Get("Content-Type") != "text/xml;charset=UTF-8" {
					t.Errorf("got %d %v %s", status, header, body)
				}
				if seen.HTTPMethod != "" {
					t.Error("the function was invoked")
				}
			})
		}
	}
}

// After the time-out the function goes on, and the call is carried out.
func TestTimeoutDoesNotStopTheFunction(t *testing.T) {
	release, done := make(chan struct{}), make(chan error, 1)
	s := front(t, nil)
	f := s.Config.Handler.(*sigv4front.Front)
	f.After = func(d time.Duration) <-chan time.Time {
		if d != 29*time.Second {
			t.Errorf("the front waits for %s, want 29s", d)
		}
		return time.After(10 * time.Millisecond)
	}
	f.Invoke = func(ctx context.Context, _ []byte) ([]byte, error) {
		<-release
		done <- ctx.Err()
		return nil, nil
	}
	status, kind, body := good().send(t, s)
	if status != 400 || kind != "InternalServerErrorException" || !strings.Contains(body, "<Code>OutcomeUnknown</Code>") || !strings.Contains(body, "Endpoint request timed out") {
		t.Errorf("got %d %s %s", status, kind, body)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the function's context ended: %v", err)
	}
}

func TestBinaryBodyIsBase64(t *testing.T) {
	var seen events.APIGatewayProxyRequest
	q := good()
	q.body = "\xff\xfe"
	q.send(t, front(t, &seen))
	if !seen.IsBase64Encoded || seen.Body != "//4=" {
		t.Errorf("body %q, base64 %v", seen.Body, seen.IsBase64Encoded)
	}
}

// The SDK's own client passes with the signing name of the README and fails without
// it.
func TestGoSDKClientSigns(t *testing.T) {
	var seen events.APIGatewayProxyRequest
	s := front(t, &seen)
	s.Config.Handler.(*sigv4front.Front).Verifier.Now = nil
	cfg := aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider(guest.AccessKeyID, guest.Secret, guest.Session), RetryMaxAttempts: 1}
	endpoint := func(o *ec2.Options) { o.BaseEndpoint = aws.String(s.URL + "/prod") }

	_, err := ec2.NewFromConfig(cfg, endpoint, ec2.WithSigV4SigningName("execute-api")).DescribeIpams(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("err = %v, want the function's answer", err)
	}
	if !bytes.HasPrefix([]byte(seen.Body), []byte("Action=DescribeIpams&Version=2016-11-15")) {
		t.Errorf("the function saw %q", seen.Body)
	}
	seen = events.APIGatewayProxyRequest{}
	_, err = ec2.NewFromConfig(cfg, endpoint).DescribeIpams(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "AuthFailure") || seen.Body != "" {
		t.Errorf("err = %v, the function saw %q: a scope of ec2 passed", err, seen.Body)
	}
}
