package sigv4front_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// front serves a function that answers with its event as text.
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

// request is a request to sign, and a change to make after the signature.
type request struct {
	key             sigv4front.Key
	region, service string
	at              time.Time
	method, path    string
	body            string
	header          http.Header // signed too
	after           func(*http.Request)
}

func (q request) send(t *testing.T, s *httptest.Server) (status int, kind, body string) {
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
	return res.StatusCode, res.Header.Get("X-Amzn-Errortype"), string(b)
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
		kind   string // the refusal's type
	}{
		{"correct", func(*request) {}, 418, ""},
		{"temporary credentials", func(q *request) { q.key = guest }, 418, ""},
		{"without the trailing slash", func(q *request) { q.path = "/prod" }, 418, ""},
		{"JSON", func(q *request) { q.path = "/prod/v1/DescribeIpams" }, 418, ""},
		{"GET with a query", func(q *request) {
			q.method, q.path, q.body = "GET", "/prod/?Version=2016-11-15&Action=DescribeIpams&Filter.1.Value.1=a%20b%2Fc", ""
		}, 418, ""},
		{"four minutes late", func(q *request) { q.at = now.Add(-4 * time.Minute) }, 418, ""},
		{"six minutes late", func(q *request) { q.at = now.Add(-6 * time.Minute) }, 403, "InvalidSignatureException"},
		{"six minutes early", func(q *request) { q.at = now.Add(6 * time.Minute) }, 403, "InvalidSignatureException"},
		{"scope of another service", func(q *request) { q.service = "ec2" }, 403, "InvalidSignatureException"},
		{"scope of another Region", func(q *request) { q.region = "ap-northeast-3" }, 403, "InvalidSignatureException"},
		{"wrong secret", func(q *request) { q.key.Secret += "x" }, 403, "InvalidSignatureException"},
		{"unknown key", func(q *request) { q.key.AccessKeyID = "AKIDNOBODY" }, 403, "UnrecognizedClientException"},
		{"session token left out", func(q *request) { q.key = guest; q.key.Session = "" }, 403, "UnrecognizedClientException"},
		{"unknown session token", func(q *request) { q.key.Session = "forged" }, 403, "UnrecognizedClientException"},
		{"no signature", tamper(func(r *http.Request) { r.Header.Del("Authorization") }), 403, "MissingAuthenticationTokenException"},
		{"other algorithm", tamper(func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }), 403, "IncompleteSignatureException"},
		{"signature cut off", tamper(func(r *http.Request) {
			a, _, _ := strings.Cut(r.Header.Get("Authorization"), ", Signature=")
			r.Header.Set("Authorization", a)
		}), 403, "IncompleteSignatureException"},
		{"scope cut short", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/aws4_request", "", 1))
		}), 403, "IncompleteSignatureException"},
		{"no date", tamper(func(r *http.Request) { r.Header.Del("X-Amz-Date") }), 403, "IncompleteSignatureException"},
		{"date of another day than the scope's", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/20261124/", "/20261123/", 1))
		}), 403, "InvalidSignatureException"},
		{"date moved", tamper(func(r *http.Request) { r.Header.Set("X-Amz-Date", now.Add(time.Minute).Format("20060102T150405Z")) }), 403, "InvalidSignatureException"},
		{"body changed", tamper(func(r *http.Request) {
			b := strings.Replace(good().body, "Ipams", "Pools", 1)
			r.Body = io.NopCloser(strings.NewReader(b))
		}), 403, "InvalidSignatureException"},
		{"path changed", tamper(func(r *http.Request) { r.URL.Path = "/prod/v1/DeleteIpam" }), 403, "InvalidSignatureException"},
		{"query added", tamper(func(r *http.Request) { r.URL.RawQuery = "Action=DeleteIpam" }), 403, "InvalidSignatureException"},
		{"host changed", tamper(func(r *http.Request) { r.Host = "elsewhere" }), 403, "InvalidSignatureException"},
		{"signed header changed", tamper(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), 403, "InvalidSignatureException"},
		{"x-amz header added", tamper(func(r *http.Request) { r.Header.Set("X-Amz-Target", "forged") }), 403, "InvalidSignatureException"},
		{"other header added", tamper(func(r *http.Request) { r.Header.Set("X-Cadastre-Region", "ap-northeast-3") }), 418, ""},
		{"payload hash of another body", func(q *request) {
			q.header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		}, 403, "InvalidSignatureException"},
		{"host not signed", tamper(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host;", ";", 1))
		}), 403, "InvalidSignatureException"},
		{"unknown path", func(q *request) { q.path = "/prod/v2/DescribeIpams" }, 403, "MissingAuthenticationTokenException"},
		{"unknown method", func(q *request) { q.method = "PUT" }, 403, "MissingAuthenticationTokenException"},
		{"no stage", func(q *request) { q.path = "/" }, 403, "MissingAuthenticationTokenException"},
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

func TestBinaryBodyIsBase64(t *testing.T) {
	var seen events.APIGatewayProxyRequest
	q := good()
	q.body = "\xff\xfe"
	q.send(t, front(t, &seen))
	if !seen.IsBase64Encoded || seen.Body != "//4=" {
		t.Errorf("body %q, base64 %v", seen.Body, seen.IsBase64Encoded)
	}
}

// The SDK's own client passes with the signing name execute-api and fails
// without it.
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
	if err == nil || !strings.Contains(err.Error(), "403") || seen.Body != "" {
		t.Errorf("err = %v, the function saw %q: a scope of ec2 passed", err, seen.Body)
	}
}
