package sigv4_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/sigv4"
)

// The example of the IAM User Guide, "Create a signed AWS API request".
const (
	example = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

func exampleRequest(t *testing.T) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", example)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	return r
}

func TestParse(t *testing.T) {
	got, err := sigv4.Parse(example)
	want := sigv4.Signature{
		Scope:   sigv4.Scope{AccessKeyID: "AKIDEXAMPLE", Date: "20150830", Region: "us-east-1", Service: "iam"},
		Headers: []string{"content-type", "host", "x-amz-date"},
		Value:   "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	for _, c := range []struct{ name, header, kind string }{
		{"no header", "", "MissingAuthenticationTokenException"},
		{"another scheme", "Basic eDp5", "IncompleteSignatureException"},
		{"another algorithm", strings.Replace(example, "HMAC-SHA256", "ECDSA-P256-SHA256", 1), "IncompleteSignatureException"},
		{"no signature", strings.Split(example, ", Signature")[0], "IncompleteSignatureException"},
		{"an empty signature", strings.Split(example, "5d67")[0], "IncompleteSignatureException"},
		{"no scope", strings.Replace(example, "Credential", "Kredential", 1), "IncompleteSignatureException"},
		{"two scopes", example + ", Credential=a/b/c/d/aws4_request", "IncompleteSignatureException"},
		{"a part without a value", example + ", x", "IncompleteSignatureException"},
		{"a scope without its end", strings.Replace(example, "/aws4_request", "", 1), "IncompleteSignatureException"},
		{"a scope with another end", strings.Replace(example, "/aws4_request", "/aws5_request", 1), "IncompleteSignatureException"},
		{"a scope without a key", strings.Replace(example, "AKIDEXAMPLE", "", 1), "IncompleteSignatureException"},
		{"a scope with a part too many", strings.Replace(example, "/iam", "/iam/x", 1), "IncompleteSignatureException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sigv4.Parse(c.header)
			if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Type != c.kind {
				t.Errorf("err = %v, want %s", err, c.kind)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	own := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}
	authorization := func(from, to string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", strings.Replace(example, from, to, 1)) }
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name        string
		change      func(*http.Request)
		credentials aws.Credentials
		now         time.Time
		body        string
		kind        string // "" if the signature holds
	}{
		{"as in the guide", nil, own, at, "", ""},
		{"five minutes later", nil, own, at.Add(5 * time.Minute), "", ""},
		{"five minutes earlier", nil, own, at.Add(-5 * time.Minute), "", ""},
		{"in another zone", nil, own, at.In(time.FixedZone("x", 3600)), "", ""},
		{"five minutes and a second later", nil, own, at.Add(301 * time.Second), "", "InvalidSignatureException"},
		{"five minutes and a second earlier", nil, own, at.Add(-301 * time.Second), "", "InvalidSignatureException"},
		{"eleven years later", nil, own, at.AddDate(11, 0, 0), "", "InvalidSignatureException"},
		{"another secret", nil, aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "x"}, at, "", "InvalidSignatureException"},
		{"another key", nil, aws.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: secret}, at, "", "UnrecognizedClientException"},
		{"no session token", nil, aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret, SessionToken: "t"}, at, "", "UnrecognizedClientException"},
		{"a session token of somebody else", set("X-Amz-Security-Token", "t"), own, at, "", "UnrecognizedClientException"},
		{"a made-up signature", authorization("5d672d79", "00000000"), own, at, "", "InvalidSignatureException"},
		{"another Region", authorization("us-east-1", "us-east-2"), own, at, "", "InvalidSignatureException"},
		{"another service", authorization("/iam/", "/ec2/"), own, at, "", "InvalidSignatureException"},
		{"another day in the scope", authorization("20150830", "20150831"), own, at, "", "InvalidSignatureException"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, own, at, "", "IncompleteSignatureException"},
		{"another time", set("X-Amz-Date", "20150830T123601Z"), own, at, "", "InvalidSignatureException"},
		{"another body", nil, own, at, "x", "InvalidSignatureException"},
		{"another method", func(r *http.Request) { r.Method = "POST" }, own, at, "", "InvalidSignatureException"},
		{"another path", func(r *http.Request) { r.URL.Path = "/x" }, own, at, "", "InvalidSignatureException"},
		{"another query", func(r *http.Request) { r.URL.RawQuery = "Action=DeleteUser" }, own, at, "", "InvalidSignatureException"},
		{"a query that cannot be read", func(r *http.Request) { r.URL.RawQuery += "&%zz" }, own, at, "", "InvalidSignatureException"},
		{"another host", func(r *http.Request) { r.Host = "elsewhere" }, own, at, "", "InvalidSignatureException"},
		{"another signed header", set("Content-Type", "text/plain"), own, at, "", "InvalidSignatureException"},
		{"another header", set("Accept", "text/plain"), own, at, "", ""},
		{"another x-amz- header", set("X-Amz-Target", "forged"), own, at, "", "InvalidSignatureException"},
		{"a payload hash of another body", func(r *http.Request) {
			authorization("host;", "host;x-amz-content-sha256;")(r)
			r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
		}, own, at, "", "InvalidSignatureException"},
		{"an unsigned host", authorization("host;", ""), own, at, "", "InvalidSignatureException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := exampleRequest(t)
			if c.change != nil {
				c.change(r)
			}
			s, err := sigv4.Parse(r.Header.Get("Authorization"))
			if err != nil {
				t.Fatal(err)
			}
			err = s.Verify(t.Context(), r, []byte(c.body), c.credentials, c.now)
			kind := ""
			if e, ok := errors.AsType[*sigv4.Error](err); ok {
				kind = e.Type
			}
			if kind != c.kind || (err == nil) != (c.kind == "") {
				t.Errorf("err = %v, want %q", err, c.kind)
			}
		})
	}
}

// The header X-Amz-Content-Sha256 must have the hash of the body, also in a request
// whose signature covers both the header and the body.
func TestPayloadHash(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of an empty body
	own := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	for claimed, good := range map[string]bool{empty: true, strings.Repeat("0", 64): false, "UNSIGNED-PAYLOAD": false} {
		r := exampleRequest(t)
		r.Header.Del("Authorization")
		r.Header.Set("X-Amz-Content-Sha256", claimed)
		if err := v4.NewSigner().SignHTTP(t.Context(), own, r, empty, "iam", "us-east-1", at); err != nil {
			t.Fatal(err)
		}
		s, err := sigv4.Parse(r.Header.Get("Authorization"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), r, nil, own, at); (err == nil) != good {
			t.Errorf("with the hash %s: %v", claimed, err)
		}
	}
}
