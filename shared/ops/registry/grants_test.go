package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestHighestGrantCounts(t *testing.T) {
	g := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::*:user/alice", Class: registry.Allocate}, {Pattern: "*", Class: registry.Read}},
		func(context.Context) ([]registry.Grant, error) {
			return []registry.Grant{{Pattern: "arn:aws:iam::*:user/bob", Class: registry.Administer}}, nil
		}, time.Minute, time.Now)
	for _, c := range []struct {
		arn  string
		want registry.Class
	}{{"arn:aws:iam::1:user/alice", registry.Allocate}, {"arn:aws:iam::1:user/bob", registry.Administer}, {"arn:aws:iam::1:user/carol", registry.Read}} {
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
	for _, c := range []registry.Caller{{}, {Account: "1"}, {ARN: "arn:aws:iam::1:user/bob"}} {
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
	g := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::1:user/deployer", Class: registry.Administer}},
		func(context.Context) ([]registry.Grant, error) { loads++; return answer, failure }, time.Minute, func() time.Time { return now })
	step := func(name, arn string, wantLoads int, want ipam.Code) {
		t.Helper()
		if got := ipam.CodeOf(g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: arn}, registry.Read)); got != want || loads != wantLoads {
			t.Errorf("%s: got %q after %d loads, want %q after %d", name, got, loads, want, wantLoads)
		}
	}
	failure = errors.New("x")
	step("the deployer's grants need no load", "arn:aws:iam::1:user/deployer", 0, "")
	step("nothing was ever loaded", "arn:aws:iam::1:user/a", 1, ipam.CodeUnavailable)
	failure, answer = nil, []registry.Grant{{Pattern: "arn:aws:iam::1:user/a", Class: registry.Read}}
	step("a first failure is not kept", "arn:aws:iam::1:user/a", 2, "")
	answer = nil
	now = now.Add(time.Minute - 1)
	step("kept until the last moment", "arn:aws:iam::1:user/a", 2, "")
	failure = errors.New("x")
	now = now.Add(1)
	step("stale ones serve when a reload fails", "arn:aws:iam::1:user/a", 3, "")
	step("and the reload is not tried on each call", "arn:aws:iam::1:user/a", 3, "")
	failure = nil
	now = now.Add(time.Minute)
	step("a grant taken back", "arn:aws:iam::1:user/a", 4, ipam.CodeUnauthorizedOperation)
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
		{"administrators replace the default", `{"administrators": ["arn:aws:iam::111122223333:role/x"], "readers": ["*"]}`, map[string]registry.Class{
			"arn:aws:iam::111122223333:root": registry.Read, "arn:aws:sts::111122223333:assumed-role/x/s": registry.Administer,
		}},
		{"other lists do not replace the default", `{"allocators": ["arn:aws:iam::444455556666:role/x"], "readers": ["*"]}`, map[string]registry.Class{
			"arn:aws:iam::111122223333:root": registry.Administer, "arn:aws:sts::444455556666:assumed-role/x/s": registry.Allocate, "arn:aws:iam::444455556666:root": registry.Read,
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
	for _, document := range []string{"{", "[]", `{"admins": ["*"]}`, `{"readers": "*"}`, `{"readers": [""]}`, `{} {}`, `{"readers": ["*", "arn:aws:*"]}`, `{"administrators": ["*:role/admin"]}`} {
		if g, err := registry.ParseGrants(document, owner); err == nil {
			t.Errorf("%s was read as %v", document, g)
		}
	}
	if g, err := registry.ParseGrants("", ""); err == nil {
		t.Errorf("no grants and no owner were read as %v", g)
	}
}

// The grants in the table only add. Without them, or with an empty document, no principal
// gets the default of a deployment without grants.
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
	for _, document := range []string{`{"reader": ["*"]}`, `{"readers": ["*:user/a"]}`} {
		if _, err := registry.MoreGrants(func(context.Context) ([]byte, error) { return []byte(document), nil })(t.Context()); err == nil {
			t.Errorf("%s is no error", document)
		}
	}
}

// A pattern that is none grants nothing, to no principal.
func TestGrantWithoutAPattern(t *testing.T) {
	for _, pattern := range []string{"", "*:user/a", "arn:aws:iam::1*", "user/a"} {
		g := registry.NewGrants([]registry.Grant{{Pattern: pattern, Class: registry.Administer}}, nil, 0, nil)
		for _, arn := range []string{"arn:aws:iam::1:user/a", "user/a", pattern} {
			if err := g.Authorize(t.Context(), registry.Caller{Account: "1", ARN: arn}, registry.Read); ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
				t.Errorf("%q grants to %q: %v", pattern, arn, err)
			}
		}
	}
}

// OnlyTo compares the ARN itself: a path in it may have wildcards.
func TestOnlyTo(t *testing.T) {
	alice := registry.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/*/alice"}
	auth := registry.OnlyTo(alice)
	for class := registry.Read; class <= registry.Administer; class++ {
		if err := auth.Authorize(t.Context(), alice, class); err != nil {
			t.Errorf("%s: %v", class, err)
		}
	}
	for _, c := range []registry.Caller{
		{}, {Account: alice.Account}, {Account: "444455556666", ARN: alice.ARN}, {Account: alice.Account, ARN: "arn:aws:iam::111122223333:user/x/alice"},
	} {
		if err := auth.Authorize(t.Context(), c, registry.Read); ipam.CodeOf(err) != ipam.CodeUnauthorizedOperation {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, class := range []registry.Class{0, registry.Administer + 1} {
		if auth.Authorize(t.Context(), alice, class) == nil {
			t.Errorf("the class %s is granted", class)
		}
	}
	if registry.OnlyTo(registry.Caller{}).Authorize(t.Context(), registry.Caller{}, registry.Read) == nil {
		t.Error("a caller without an ARN is let in")
	}
}
