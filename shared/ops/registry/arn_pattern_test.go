package registry_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestARNPatternMatch(t *testing.T) {
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
		{"a prefix of the ARN", user[:len(user)-1], user, false},
		{"the ARN is a prefix", user + "x", user, false},
		{"everything", "*", user, true},
		{"* for nothing", user + "*", user, true},
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
		{"another partition is another ARN", "arn:aws:iam::111122223333:role/deploy", "arn:aws-cn:sts::111122223333:assumed-role/deploy/x", false},
		{"a federated user is no role", "arn:aws:iam::111122223333:role/*", "arn:aws:sts::111122223333:federated-user/x", false},
		{"an assumed role without a session", "arn:aws:iam::111122223333:role/deploy", "arn:aws:sts::111122223333:assumed-role/deploy", false},
		{"an assumed role without a name", "arn:aws:iam::111122223333:role/*", "arn:aws:sts::111122223333:assumed-role//x", false},
		{"another case", "arn:aws:iam::111122223333:USER/TEAM/ALICE", user, false},
		{"* across slashes in the sixth part", "arn:aws:iam::111122223333:*alice", user, true},
		{"* that matches again later", "arn:aws:iam::*:*a*li*e", user, true},
		{"* without the rest", "arn:aws:iam::*:*bob", user, false},
		{"* in every part", "arn:*:*:*:*:*", user, true},
		{"* in the partition and the account", "arn:aws*:iam::1*3:user/*", user, true},
		{"? in the account", "arn:aws:iam::11112222333?:user/*", user, true},
		{"the Region of an IAM ARN is empty", "arn:aws:iam:?*:111122223333:user/*", user, false},
		{"a colon in the sixth part is matched by *", "arn:aws:iam::*:user/*", "arn:aws:iam::444455556666:user/:a/b", true},
		{"a text that is no ARN", "arn:*:*:*:*:*", "user/alice", false},
		{"a text that is no ARN, and every principal", "*", "user/alice", true},
		{"no ARN", "arn:*:*:*:*:*", "", false},
		// The path of a user, a role or a policy may have colons (IAM API Reference,
		// "CreateUser"): no wildcard reaches from the account into the path.
		{"a path with the end of a pattern", "arn:aws:iam::*:role/cadastre-forwarder-*", "arn:aws:iam::444455556666:user/:role/cadastre-forwarder-x", false},
		{"a path with the name of a role", "arn:aws:iam::*:role/NetworkAdmin", "arn:aws:iam::444455556666:user/apps/:role/NetworkAdmin", false},
		{"a path with another account", "arn:aws:iam::111122223333:*", "arn:aws:iam::444455556666:user/:iam::111122223333:/a", false},
		{"a path with a role's path", "arn:aws:iam::*:role/*", "arn:aws:iam::444455556666:user/x:role/a/b", false},
		{"a pattern on a user with a path that has a role", "arn:aws:iam::111122223333:user/:role/x/deploy", session, false},
		{"a session of a role in the account of a path", "arn:aws:iam::*:role/deploy", "arn:aws:sts::111122223333:federated-user/:role/deploy", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := registry.ParseARNPattern(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(c.arn); got != c.want {
				t.Errorf("pattern %s, principal %s: %v, want %v", c.pattern, c.arn, got, c.want)
			}
		})
	}
	if (registry.ARNPattern{}).Match(user) || (registry.ARNPattern{}).Match("") {
		t.Error("the zero ARNPattern matches")
	}
}

func TestParseARNPatternRefuses(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                                "this pattern has 1",
		"**":                              "this pattern has 1",
		"?":                               "this pattern has 1",
		"*alice":                          "this pattern has 1",
		"user/alice":                      "this pattern has 1",
		"*:role/NetworkAdmin":             "this pattern has 2",
		"arn:aws:*":                       "this pattern has 3",
		"arn:*:alice":                     "this pattern has 3",
		"arn:aws:iam::111122223333*":      "this pattern has 5",
		"arn:aws:iam::111122223333":       "this pattern has 5",
		"*:aws:iam::111122223333:root":    "begin it with arn:",
		"arn*:aws:iam::111122223333:root": "begin it with arn:",
		"arn:aws:iam::111122223333:":      "name principals behind the account",
	} {
		if p, err := registry.ParseARNPattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q was read as %v, %v; want %q", pattern, p, err, want)
		}
	}
}
