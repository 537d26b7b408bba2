package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
)

// The function answers CloudFormation, and no other address that an event names.
func TestOnlyCloudFormationIsAnswered(t *testing.T) {
	const bucket = "cloudformation-custom-resource-response-"
	for _, c := range []struct {
		region, url string
		ok          bool
	}{
		{"us-east-1", "https://" + bucket + "useast1.s3.amazonaws.com/arn%3Aaws?X-Amz-Signature=secret", true},
		{"us-west-2", "https://" + bucket + "uswest2.s3-us-west-2.amazonaws.com/x", true},
		{"ap-southeast-4", "https://" + bucket + "apsoutheast4.s3.ap-southeast-4.amazonaws.com/x", true},
		{"us-gov-west-1", "https://" + bucket + "usgovwest1.s3-us-gov-west-1.amazonaws.com/x", true},
		{"cn-north-1", "https://" + bucket + "cnnorth1.s3.cn-north-1.amazonaws.com.cn/x", true},
		{"us-east-1", "http://" + bucket + "useast1.s3.amazonaws.com/x?X-Amz-Signature=secret", false},
		{"us-east-1", "https://" + bucket + "useast1.s3.amazonaws.com:8443/x", false},
		{"us-east-1", "https://user@" + bucket + "useast1.s3.amazonaws.com/x", false},
		{"us-east-1", "https://" + bucket + "useast1.s3.amazonaws.com.example.com/x", false},
		{"us-east-1", "https://" + bucket + "useast1.example.s3.amazonaws.com/x", false},
		{"us-east-1", "https://" + bucket + "uswest2.s3-us-west-2.amazonaws.com/x", false},
		{"us-east-1", "https://my-" + bucket + "useast1.s3.amazonaws.com/x", false},
		{"", "https://" + bucket + ".s3.amazonaws.com/x", false},
		{"x", "https://" + bucket + "x.s3.amazonaws.com/x", false},
		{"us-east-1", "https://169.254.169.254/latest/meta-data?secret", false},
		{"us-east-1", "https://10.0.0.1/", false},
		{"us-east-1", "file:///etc/passwd?secret", false},
		{"us-east-1", "://", false},
		{"us-east-1", "", false},
	} {
		w := newEnv(t)
		w.stack = "arn:aws:cloudformation:" + c.region + ":" + account + ":stack/network/6d2f7a30"
		before := w.content()
		e := w.event(cfn.RequestCreate, "Custom::Ipam", "X", properties{})
		e.ResponseURL = c.url
		put := ""
		w.h.o.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			put = r.URL.String()
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		})
		err := w.h.Handle(t.Context(), e)
		if (err == nil) != c.ok || c.ok && put != c.url || !c.ok && put != "" {
			t.Errorf("%s in %q: %v, answered to %q", c.url, c.region, err, put)
		}
		if err != nil && strings.Contains(err.Error()+w.log.String(), "secret") {
			t.Errorf("%s: the error or the log has the address: %v", c.url, err)
		}
		if !c.ok && w.content() != before {
			t.Errorf("%s: the request was served", c.url)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A redirect is not followed.
func TestAnswersFollowNoRedirect(t *testing.T) {
	followed := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer inside.Close()
	w := newEnv(t)
	w.h.o.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != bucketHost {
			return http.DefaultTransport.RoundTrip(r)
		}
		return &http.Response{StatusCode: http.StatusTemporaryRedirect, Status: "307 Temporary Redirect", Header: http.Header{"Location": {inside.URL}}, Body: http.NoBody, Request: r}, nil
	})
	if err := w.h.Handle(t.Context(), w.event(cfn.RequestCreate, "Custom::Ipam", "X", properties{})); err == nil || !strings.Contains(err.Error(), "307") || followed {
		t.Errorf("followed %t: %v", followed, err)
	}
}

// The address of the environment is allowed, with its scheme and host.
func TestResponseURL(t *testing.T) {
	answers := 0
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			answers++
		}
	}))
	defer s.Close()
	w := newEnv(t)
	for allowed, want := range map[string]bool{s.URL: true, "http://127.0.0.1": false, "https" + strings.TrimPrefix(s.URL, "http"): false, "": false} {
		answers = 0
		w.h.o.ResponseURL = allowed
		e := w.event(cfn.RequestCreate, "Custom::IpamVpc", "X", properties{})
		e.ResponseURL = s.URL + "/_ministack/cfn-response/token"
		if err := w.h.Handle(t.Context(), e); (err == nil) != want || (answers == 1) != want {
			t.Errorf("allowed %q: %v, %d answers", allowed, err, answers)
		}
	}
}

// localStack is the address at which LocalStack takes answers.
const localStack = "http://localhost.localstack.cloud:4566"

// The deployment on LocalStack allows that address, and no code names it.
func TestLocalStackAllowsItsAddress(t *testing.T) {
	b, err := os.ReadFile("../../localstack/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := "LAMBDA_DOCKER_FLAGS: -e " + EnvResponseURL + "=${" + EnvResponseURL + ":-" + localStack + "}"; !strings.Contains(string(b), want) {
		t.Errorf("localstack/compose.yaml has no %s", want)
	}
}

// Answers to LocalStack's address have the faults that answers to CloudFormation's have,
// and the same end. Addresses that look like it are refused.
func TestFaultsOfLocalStacksAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		url    string
		faults int // answers that fail
		status int // of these; 0 for no connection
		puts   int // -1: the request is not served
		ok     bool
	}{
		{"no fault", localStack + "/answer?token=secret", 0, 0, 1, true},
		{"no connection, once", localStack + "/answer?token=secret", 1, 0, 2, true},
		{"no connection", localStack + "/answer?token=secret", 99, 0, sendTries, false},
		{"an error, three times", localStack + "/answer?token=secret", 3, http.StatusServiceUnavailable, 4, true},
		{"an error", localStack + "/answer?token=secret", 99, http.StatusForbidden, sendTries, false},
		{"a redirect", localStack + "/answer?token=secret", 99, http.StatusTemporaryRedirect, sendTries, false},
		{"https", strings.Replace(localStack, "http:", "https:", 1), 0, 0, -1, false},
		{"another port", strings.Replace(localStack, "4566", "4567", 1), 0, 0, -1, false},
		{"a user", strings.Replace(localStack, "//", "//user:secret@", 1), 0, 0, -1, false},
		{"a host behind it", localStack + ".example.com/", 0, 0, -1, false},
		{"a host before it", strings.Replace(localStack, "//", "//x.", 1), 0, 0, -1, false},
		{"another loopback address", "http://127.0.0.1:4566/", 0, 0, -1, false},
	} {
		w := newEnv(t)
		before := w.content()
		w.h.o.ResponseURL = localStack
		puts := 0
		w.h.o.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPut || r.URL.String() != c.url {
				t.Errorf("%s: %s %s", c.name, r.Method, r.URL.Host)
			}
			puts++
			status := http.StatusOK
			if puts <= c.faults {
				status = c.status
			}
			if status == 0 {
				return nil, errors.New("connection refused")
			}
			return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {"http://10.0.0.1/?token=secret"}}, Body: http.NoBody, Request: r}, nil
		})
		e := w.event(cfn.RequestCreate, "Custom::Ipam", "X", properties{})
		e.ResponseURL = c.url
		err := w.h.Handle(t.Context(), e)
		if (err == nil) != c.ok || puts != max(c.puts, 0) {
			t.Errorf("%s: %v, after %d answers, want %d", c.name, err, puts, c.puts)
		}
		if err != nil && strings.Contains(err.Error()+w.log.String(), "secret") {
			t.Errorf("%s: the error or the log has the address: %v", c.name, err)
		}
		made := w.content() != before
		if made != (c.puts >= 0) {
			t.Errorf("%s: the request was served: %t", c.name, made)
		}
		if made { // Lambda sends the request again, with the same outcome
			left := w.content()
			c.faults = 0
			if err := w.h.Handle(t.Context(), e); err != nil || w.content() != left {
				t.Errorf("%s, again: %v", c.name, err)
			}
		}
	}
}
