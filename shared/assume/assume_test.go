package assume_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/cadastre-ipam/cadastre/shared/assume"
)

// sts answers AssumeRole and counts the calls.
type sts struct{ calls int }

func (s *sts) Do(*http.Request) (*http.Response, error) {
	s.calls++
	w := httptest.NewRecorder()
	fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser><Credentials>`+
		`<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	return w.Result(), nil
}

// Callers choose the sessions' names, so the number of kept sessions is
// limited. A session that was dropped is assumed again.
func TestSessionsAreBounded(t *testing.T) {
	s := &sts{}
	r := assume.NewRole(aws.Config{Region: "us-east-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "s", "")}, "r", time.Second)
	for range 2 {
		for i := range 2500 {
			if _, err := r.Config(t.Context(), "444455556666", "eu-west-1", fmt.Sprint("session-", i)); err != nil {
				t.Fatal(err)
			}
			if n := r.Sessions(); n > 1000 {
				t.Fatalf("%d sessions are kept", n)
			}
		}
	}
	if s.calls < 4000 || s.calls > 5000 {
		t.Errorf("%d calls", s.calls)
	}
}

// After [Role.Forget], an account has new sessions, and other accounts keep
// theirs.
func TestForget(t *testing.T) {
	s := &sts{}
	r := assume.NewRole(aws.Config{Region: "us-east-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "s", "")}, "r", time.Second)
	all := func(want int) {
		t.Helper()
		for _, account := range []string{"444455556666", "777788889999"} {
			for _, name := range []string{"alice", "bob"} {
				cfg, err := r.Config(t.Context(), account, "eu-west-1", name)
				if err != nil || cfg.Region != "eu-west-1" {
					t.Fatalf("%s, %v", cfg.Region, err)
				}
			}
		}
		if s.calls != want {
			t.Errorf("%d calls, want %d", s.calls, want)
		}
	}
	all(4)
	all(4)
	r.Forget("444455556666")
	all(6)
}
