package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// store is a parameter store in memory. before runs before each PutParameter.
type store struct {
	values map[string]string
	reads  int
	fails  error
	before func()
	put    *ssm.PutParameterInput
}

func (s *store) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	s.reads++
	if s.fails != nil {
		return nil, s.fails
	}
	v, ok := s.values[*in.Name]
	if !ok {
		return nil, &types.ParameterNotFound{}
	}
	if !aws.ToBool(in.WithDecryption) {
		v = "encrypted"
	}
	return &ssm.GetParameterOutput{Parameter: &types.Parameter{Value: &v}}, nil
}

func (s *store) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	if s.before != nil {
		s.before()
	}
	if _, there := s.values[*in.Name]; there && !aws.ToBool(in.Overwrite) {
		return nil, &types.ParameterAlreadyExists{}
	}
	s.put, s.values[*in.Name] = in, *in.Value
	return &ssm.PutParameterOutput{}, s.fails
}

func TestCookieKey(t *testing.T) {
	s := &store{values: map[string]string{}}
	key, err := cookieKey(t.Context(), s, "/cadastre/key")
	if err != nil || len(key) < 32 || s.put.Type != types.ParameterTypeSecureString || string(key) != s.values["/cadastre/key"] {
		t.Fatalf("the first start: %q, %v", key, err)
	}
	if again, err := cookieKey(t.Context(), s, "/cadastre/key"); err != nil || string(again) != string(key) {
		t.Errorf("the second start: %q, %v", again, err)
	}
	// Another function makes the key first.
	s = &store{values: map[string]string{}}
	s.before = func() { s.values["/cadastre/key"] = "the other's" }
	if key, err := cookieKey(t.Context(), s, "/cadastre/key"); err != nil || string(key) != "the other's" {
		t.Errorf("two at once: %q, %v", key, err)
	}
	broken := errors.New("no right")
	for _, s := range []*store{{values: map[string]string{"/cadastre/key": "k"}, fails: broken}, {values: map[string]string{"/cadastre/key": ""}}} {
		if key, err := cookieKey(t.Context(), s, "/cadastre/key"); err == nil || s.put != nil || !strings.Contains(err.Error(), "/cadastre/key") {
			t.Errorf("%q, %v", key, err)
		}
	}
}

func TestSecret(t *testing.T) {
	s := &store{values: map[string]string{"/secret": "one"}}
	now := time.Unix(1e9, 0)
	read := secret(s, "/secret", func() time.Time { return now })
	expect := func(want string, reads int) {
		t.Helper()
		if got, err := read(t.Context()); got != want || (err == nil) != (want != "") || s.reads != reads {
			t.Errorf("%q, %v after %d reads; want %q after %d", got, err, s.reads, want, reads)
		}
	}
	expect("one", 1)
	s.values["/secret"] = "two"
	now = now.Add(5*time.Minute - 1)
	expect("one", 1)
	now = now.Add(1)
	expect("two", 2)
	now, s.fails = now.Add(time.Hour), errors.New("down")
	expect("", 3)
}

// Each class has its own role, in a session with the person's name, which is the source
// identity, too.
func TestRoles(t *testing.T) {
	var form string
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		form = string(b)
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			time.Now().Add(15*time.Minute).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	provide := roles(aws.Config{Region: "eu-west-1", BaseEndpoint: &sts.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}, "111122223333", "cadastre-console-")
	for class, name := range map[registry.Class]string{registry.Read: "read", registry.Allocate: "allocate", registry.Administer: "administer"} {
		got, err := provide(class, "ana@example.com").Retrieve(t.Context())
		if err != nil || got.AccessKeyID != "AKIDROLE" {
			t.Fatalf("%s: %v, %v", class, got, err)
		}
		for _, want := range []string{"RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fcadastre-console-" + name + "&", "RoleSessionName=ana%40example.com", "SourceIdentity=ana%40example.com"} {
			if !strings.Contains(form+"&", want) {
				t.Errorf("%s: STS got %s, want %s", class, form, want)
			}
		}
	}
	if _, err := provide(0, "ana@example.com").Retrieve(t.Context()); err == nil {
		t.Error("no class has a role")
	}
}

func TestOperations(t *testing.T) {
	if names := operations(); len(names) < 40 {
		t.Errorf("the pages may call %v", names)
	}
}
