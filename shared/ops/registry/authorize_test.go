package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestGrantPatterns(t *testing.T) {
	const (
		user    = "arn:aws:iam::111122223333:user/team/alice"
		session = "arn:aws:sts::111122223333:assumed-role/deploy/alice"
		root    = "arn:aws:iam::111122223333:root"
	)
	for _, c := range []struct {
		name, pattern, arn string
		want               bool
	}{
		{"the same ARN", user, user, true},
		{"another case", strings.ToUpper(user), user, false},
		{"a prefix of the ARN", user[:len(user)-1], user, false},
		{"the ARN is a prefix", user + "x", user, false},
		{"everything", "*", user, true},
		{"nothing", "", user, false},
		{"* across slashes and colons", "arn:aws:*alice", user, true},
		{"* for nothing", user + "*", user, true},
		{"* that has to give back", "*a*li*e", user, true},
		{"* with a rest that is not there", "arn:*:bob", user, false},
		{"? for one character", strings.Replace(user, "alice", "?lice", 1), user, true},
		{"? is not nothing", user + "?", user, false},
		{"every principal of an account, a user", "arn:aws:iam::111122223333:*", user, true},
		{"every principal of an account, root", "arn:aws:iam::111122223333:*", root, true},
		{"every principal of an account, a session", "arn:aws:iam::111122223333:*", session, true},
		{"every principal of another account", "arn:aws:iam::444455556666:*", session, false},
		{"a session by its role", "arn:aws:iam::111122223333:role/deploy", session, true},
		{"a session by a role's wildcard", "arn:aws:iam::111122223333:role/dep*", session, true},
		{"a session by its role with any path", "arn:aws:iam::111122223333:role/*/deploy", session, true},
		{"a session by its role with a path", "arn:aws:iam::111122223333:role/a/b/deploy", session, true},
		{"a path does not grant to every role", "arn:aws:iam::111122223333:role/team/*", session, false},
		{"a path and a wildcard in the name", "arn:aws:iam::111122223333:role/team/dep*", session, false},
		{"a session by another role", "arn:aws:iam::111122223333:role/deploy2", session, false},
		{"a session by another account's role", "arn:aws:iam::444455556666:role/deploy", session, false},
		{"a session by its session ARN", "arn:aws:sts::111122223333:assumed-role/deploy/*", session, true},
		{"a session name cannot play a role", "arn:aws:iam::111122223333:role/admin", "arn:aws:sts::111122223333:assumed-role/deploy/admin", false},
		{"a session name with a slash cannot either", "arn:aws:iam::111122223333:role/admin", "arn:aws:sts::111122223333:assumed-role/deploy/role/admin", false},
		{"another partition", "arn:aws-cn:iam::111122223333:role/deploy", "arn:aws-cn:sts::111122223333:assumed-role/deploy/x", true},
		{"partitions are told apart", "arn:aws:iam::111122223333:role/deploy", "arn:aws-cn:sts::111122223333:assumed-role/deploy/x", false},
		{"a federated user is no role", "arn:aws:iam::111122223333:role/*", "arn:aws:sts::111122223333:federated-user/x", false},
		{"an assumed role without a name", "arn:aws:iam::111122223333:role/*", "arn:aws:sts::111122223333:assumed-role//x", false},
		{"many stars take no long time", strings.Repeat("*a", 200) + "b", strings.Repeat("a", 5000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := registry.NewGrants([]registry.Grant{{Pattern: c.pattern, Class: registry.Read}}, nil, time.Minute, time.Now)
			err := g.Authorize(t.Context(), registry.Caller{Account: "111122223333", ARN: c.arn}, registry.Read)
			if (err == nil) != c.want {
				t.Errorf("pattern %s, principal %s: got %v", c.pattern, c.arn, err)
			}
			if err != nil && ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
				t.Errorf("code %s", ipam.CodeOf(err))
			}
		})
	}
}

func TestHighestGrantCounts(t *testing.T) {
	g := registry.NewGrants([]registry.Grant{{Pattern: "*alice", Class: registry.Allocate}, {Pattern: "*", Class: registry.Read}},
		func(context.Context) ([]registry.Grant, error) {
			return []registry.Grant{{Pattern: "*bob", Class: registry.Administer}}, nil
		}, time.Minute, time.Now)
	for _, c := range []struct {
		arn  string
		want registry.Class
	}{{"user/alice", registry.Allocate}, {"user/bob", registry.Administer}, {"user/carol", registry.Read}} {
		for class := registry.Read; class <= registry.Administer; class++ {
			err := g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: c.arn}, class)
			if (err == nil) != (class <= c.want) {
				t.Errorf("%s, %s: got %v", c.arn, class, err)
			}
		}
		for _, class := range []registry.Class{0, registry.Administer + 1} {
			if g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: c.arn}, class) == nil {
				t.Errorf("%s: granted the class %s", c.arn, class)
			}
		}
	}
	for _, c := range []registry.Caller{{}, {Account: "1"}, {ARN: "user/bob"}} {
		if g.Authorize(t.Context(), c, registry.Read) == nil {
			t.Errorf("%+v was let in", c)
		}
	}
}

func TestGrantsAreReloaded(t *testing.T) {
	now := time.Unix(1e9, 0)
	var loads int
	var answer []registry.Grant
	var failure error
	g := registry.NewGrants([]registry.Grant{{Pattern: "user/deployer", Class: registry.Administer}},
		func(context.Context) ([]registry.Grant, error) { loads++; return answer, failure }, time.Minute, func() time.Time { return now })
	step := func(name, arn string, wantLoads int, want ipam.Code) {
		t.Helper()
		if got := ipam.CodeOf(g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: arn}, registry.Read)); got != want || loads != wantLoads {
			t.Errorf("%s: got %q after %d loads, want %q after %d", name, got, loads, want, wantLoads)
		}
	}
	failure = errors.New("x")
	step("the deployer's grants need no load", "user/deployer", 0, "")
	step("nothing was ever loaded", "user/a", 1, ipam.CodeUnavailable)
	failure, answer = nil, []registry.Grant{{Pattern: "user/a", Class: registry.Read}}
	step("a first failure is not kept", "user/a", 2, "")
	answer = nil
	now = now.Add(time.Minute - 1)
	step("kept until the last moment", "user/a", 2, "")
	failure = errors.New("x")
	now = now.Add(1)
	step("stale ones serve when a reload fails", "user/a", 3, "")
	step("and the reload is not tried on each call", "user/a", 3, "")
	failure = nil
	now = now.Add(time.Minute)
	step("a grant taken back", "user/a", 4, ipam.CodeUnauthorizedOperation)
}

func TestParseGrants(t *testing.T) {
	const owner = "111122223333"
	for _, c := range []struct {
		name, document string
		class          map[string]registry.Class // by principal
	}{
		{"none: the owner account administers", "", map[string]registry.Class{
			"arn:aws:iam::111122223333:root": registry.Administer, "arn:aws:iam::111122223333:user/a": registry.Administer, "arn:aws-cn:iam::111122223333:user/a": registry.Administer,
			"arn:aws:sts::111122223333:assumed-role/r/s": registry.Administer, "arn:aws:sts::111122223333:federated-user/f": registry.Administer,
			"arn:aws-us-gov:iam::111122223333:user/a": registry.Administer, "arn:aws-eusc:sts::111122223333:assumed-role/r/s": registry.Administer,
			registry.Root(owner, "eu-isoe-west-1").ARN: registry.Administer, registry.Root(owner, "us-iso-east-1").ARN: registry.Administer,
			registry.Root(owner, "us-isob-east-1").ARN: registry.Administer, registry.Root(owner, "us-isof-south-1").ARN: registry.Administer,
			// A user's path may have colons (IAM API Reference, "CreateUser").
			"arn:aws:iam::444455556666:user/:iam::111122223333:/a": 0,
			"arn:aws:iam::444455556666:user/a":                     0, "arn:aws:sts::444455556666:assumed-role/r/111122223333": 0,
		}},
		{"empty lists are none", `{"administrators": [], "readers": null}`, map[string]registry.Class{"arn:aws:iam::111122223333:root": registry.Administer}},
		{"any pattern replaces the default", `{"allocators": ["arn:aws:iam::111122223333:role/x"], "readers": ["*"]}`, map[string]registry.Class{
			"arn:aws:iam::111122223333:root": registry.Read, "arn:aws:sts::111122223333:assumed-role/x/s": registry.Allocate,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			grants, err := registry.ParseGrants(c.document, owner)
			if err != nil {
				t.Fatal(err)
			}
			g := registry.NewGrants(grants, nil, 0, nil)
			for arn, want := range c.class {
				for class := registry.Read; class <= registry.Administer; class++ {
					if err := g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: arn}, class); (err == nil) != (class <= want) {
						t.Errorf("%s, %s: got %v, want up to %s", arn, class, err, want)
					}
				}
			}
		})
	}
	for _, document := range []string{"{", "[]", `{"admins": ["*"]}`, `{"readers": "*"}`, `{"readers": [""]}`, `{} {}`} {
		if g, err := registry.ParseGrants(document, owner); err == nil {
			t.Errorf("%s was read as %v", document, g)
		}
	}
	if g, err := registry.ParseGrants("", ""); err == nil {
		t.Errorf("no grants and no owner were read as %v", g)
	}
}

// What the table has only adds: without it, or with an empty document, nobody
// gains the default of a deployment without grants.
func TestMoreGrants(t *testing.T) {
	for document, want := range map[string][]registry.Grant{
		"":                                     nil,
		"{}":                                   nil,
		`{"administrators": []}`:               nil,
		`{"readers": ["*"], "allocators": []}`: {{"*", registry.Read}},
	} {
		got, err := registry.MoreGrants(func(context.Context) ([]byte, error) { return []byte(document), nil })(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s grants %v, %v; want %v", document, got, err, want)
		}
	}
	away := errors.New("away")
	if _, err := registry.MoreGrants(func(context.Context) ([]byte, error) { return nil, away })(t.Context()); !errors.Is(err, away) {
		t.Errorf("%v, want %v", err, away)
	}
	if _, err := registry.MoreGrants(func(context.Context) ([]byte, error) { return []byte(`{"reader": ["*"]}`), nil })(t.Context()); err == nil {
		t.Error("a misspelt list is no error")
	}
}
