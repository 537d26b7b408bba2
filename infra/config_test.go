package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/infra/stacks"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

const restoredStream = "arn:aws:dynamodb:eu-west-1:111122223333:table/cadastre-restored/stream/2026-11-28T12:00:00.000"

func TestConfig(t *testing.T) {
	defaults := Config{Name: "cadastre", Architecture: "arm64", LogRetentionDays: 90, CreateAPILogRole: true, ReaderRole: "cadastre-reader", DiscoveryMinutes: 5, IgnoreDefaultVPCs: true, ForecastDays: 30, VendingRole: "CadastreVending"}
	with := func(change func(*Config)) Config {
		c := defaults
		change(&c)
		return c
	}
	all := with(func(c *Config) {
		*c = Config{
			Name: "ipam", OrganizationID: "o-a1b2c3d4e5", VPCEndpointIDs: []string{"vpce-0123456789abcdef0"},
			Administrators: []string{"arn:aws:iam::111122223333:role/admin"}, Allocators: []string{"arn:aws:iam::*:role/a,b"}, Readers: []string{"*"},
			Quotas: json.RawMessage(`{"pools_per_scope":500}`), Concurrency: json.RawMessage(`{"discovery":50}`), Architecture: "x86_64", LogRetentionDays: 30,
			AlarmEmail: "network@example.com", Destroyable: true,
			Accounts: "organization", ExcludedAccounts: []string{"777788889999"}, ReaderRole: "ipam-reader", DiscoveryMinutes: 10, ForecastDays: 45, ResourceMetrics: true, NotifyEmail: "network@example.com",
			VendingRole: "ipam-vending", FromPoolsOnly: true,
		}
	})
	for _, c := range []struct {
		name    string
		context map[string]any
		want    Config
	}{
		{"nothing", nil, defaults},
		{"all, from cdk.json", map[string]any{
			"name": "ipam", "organizationId": "o-a1b2c3d4e5", "vpcEndpointIds": []any{"vpce-0123456789abcdef0"},
			"administrators": []any{"arn:aws:iam::111122223333:role/admin"}, "allocators": []any{"arn:aws:iam::*:role/a,b"}, "readers": []any{"*"},
			"quotas": map[string]any{"pools_per_scope": 500.0}, "concurrency": map[string]any{"discovery": 50.0}, "architecture": "x86_64", "logRetentionDays": 30.0,
			"alarmEmail": "network@example.com", "createApiLogRole": false, "destroyable": true,
			"accounts": "organization", "excludedAccounts": []any{"777788889999"}, "readerRole": "ipam-reader", "discoveryMinutes": 10.0, "ignoreDefaultVpcs": false, "resourceMetrics": true, "exhaustionForecastDays": 45.0, "notifyEmail": "network@example.com",
			"vendingRole": "ipam-vending", "vpcsFromPoolsOnly": true,
		}, all},
		{"an object as jsii passes it on", map[string]any{"quotas": map[string]any{"$jsii.map": map[string]any{"pools_per_scope": 500.0}}},
			with(func(c *Config) { c.Quotas = json.RawMessage(`{"pools_per_scope":500}`) })},
		{"all, from the command line", map[string]any{
			"name": "ipam", "organizationId": "o-a1b2c3d4e5", "vpcEndpointIds": `["vpce-0123456789abcdef0"]`,
			"administrators": `["arn:aws:iam::111122223333:role/admin"]`, "allocators": `["arn:aws:iam::*:role/a,b"]`, "readers": `["*"]`,
			"quotas": `{"pools_per_scope":500}`, "concurrency": `{"discovery":50}`, "architecture": "x86_64", "logRetentionDays": "30",
			"alarmEmail": "network@example.com", "createApiLogRole": "false", "destroyable": "true",
			"accounts": "organization", "excludedAccounts": `["777788889999"]`, "readerRole": "ipam-reader", "discoveryMinutes": "10", "ignoreDefaultVpcs": "false", "resourceMetrics": "true", "exhaustionForecastDays": "45", "notifyEmail": "network@example.com",
			"vendingRole": "ipam-vending", "vpcsFromPoolsOnly": "true",
		}, all},
		{"CDK's own members", map[string]any{
			"@aws-cdk/core:defaultCrossStackReferences": "strong", "aws:cdk:enable-path-metadata": true, "acknowledged-issue-numbers": []any{1.0},
		}, defaults},
		{"a table", map[string]any{"tableStreamArn": restoredStream}, with(func(c *Config) { c.TableStreamARN = restoredStream })},
		{"a console", map[string]any{"administrators": []any{"arn:aws:iam::111122223333:role/admin"}, "console": `{"issuer":"https://login.example.com","clientId":"c","readers":["r"]}`}, with(func(c *Config) {
			c.Administrators, c.Console = []string{"arn:aws:iam::111122223333:role/admin"}, json.RawMessage(`{"issuer":"https://login.example.com","clientId":"c","readers":["r"]}`)
		})},
		{"no VPCs", map[string]any{"vendingRole": ""}, with(func(c *Config) { c.VendingRole = "" })},
		{"a topic", map[string]any{"alarmTopicArn": "arn:aws-cn:sns:cn-north-1:111122223333:alarms"},
			with(func(c *Config) { c.AlarmTopicARN = "arn:aws-cn:sns:cn-north-1:111122223333:alarms" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig(c.context)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		member string
		value  any
		want   string
	}{
		{"organisationId", "o-a1b2c3d4e5", "organisationId: the context has no such member; its members are accounts, administrators, alarmEmail,"},
		{"name", "1st", `name: "1st" is invalid; use a value such as cadastre`},
		{"name", strings.Repeat("a", 65), "is invalid; use a value such as cadastre"},
		{"name", "", `name: "" is invalid; use a value such as cadastre`},
		{"name", "default", `name: every account has an event bus with the name "default"`},
		{"name", 7.0, "name: 7 is not a string"},
		{"organizationId", "r-ab12", `organizationId: "r-ab12" is invalid; use a value such as o-a1b2c3d4e5`},
		{"organizationId", "*", `organizationId: "*" is invalid`},
		{"vpcEndpointIds", "vpce-0123456789abcdef0", `vpcEndpointIds: vpce-0123456789abcdef0 is not a list of strings such as ["a", "b"]`},
		{"vpcEndpointIds", []any{"vpc-0123456789abcdef0"}, `vpcEndpointIds: "vpc-0123456789abcdef0" is invalid; use a value such as vpce-`},
		{"administrators", []any{""}, `administrators: "" is not a pattern`},
		{"allocators", `["a"] ["b"]`, `allocators: ["a"] ["b"] is not a list of strings`},
		{"allocators", []any{"arn:aws:iam::1:role/a arn:aws:iam::1:role/b"}, "allocators: \"arn:aws:iam::1:role/a arn:aws:iam::1:role/b\" is not a pattern"},
		{"administrators", "[]", "administrators: no principal can match any of [], so nobody could administer"},
		{"administrators", []any{"arn:aws:s3:::bucket"}, "no principal can match any of [\"arn:aws:s3:::bucket\"]"},
		{"administrators", []any{"arn:aws:iam::1111:role/admin"}, "so nobody could administer"},
		{"administrators", []any{"role/admin"}, "so nobody could administer"},
		{"readers", []any{1.0}, "readers: [1] is not a list of strings"},
		{"readers", nil, "readers: null is not a list of strings"},
		{"quotas", `{"pools":1}`, `quotas: read the quotas {"pools":1}: json: unknown field "pools"`},
		{"quotas", map[string]any{"ipams": 0.0}, "quotas: read the quotas {\"ipams\":0}: ipams is 0, and the least is 1"},
		{"quotas", "{", "quotas: { is not a JSON object"},
		{"quotas", []any{}, "quotas: read the quotas []"},
		{"architecture", "amd64", `architecture: "amd64" is neither arm64 nor x86_64`},
		{"logRetentionDays", 31.0, "logRetentionDays: CloudWatch Logs has no retention of 31 days; choose one of [1 3 5 7 14 30"},
		{"logRetentionDays", 30.5, "logRetentionDays: 30.5 is not a whole number"},
		{"logRetentionDays", "month", "logRetentionDays: month is not a whole number"},
		{"alarmEmail", "Network <network@example.com>", "alarmEmail: \"Network <network@example.com>\" is not a mail address"},
		{"alarmTopicArn", "arn:aws:sqs:eu-west-1:111122223333:alarms", "alarmTopicArn: \"arn:aws:sqs:eu-west-1:111122223333:alarms\" is invalid; use a value such as arn:aws:sns:"},
		{"tableStreamArn", "arn:aws:dynamodb:eu-west-1:111122223333:table/restored", "tableStreamArn: \"arn:aws:dynamodb:eu-west-1:111122223333:table/restored\" is invalid; use a value such as arn:aws:dynamodb:"},
		{"accounts", "all", "accounts: \"all\" is invalid; use a value such as organization"},
		{"excludedAccounts", []any{"777788889999"}, "excludedAccounts: they apply with accounts set to organization; otherwise leave the ids out of accounts"},
		{"excludedAccounts", []any{"7777"}, "excludedAccounts: \"7777\" is invalid; use a value such as 444455556666"},
		{"concurrency", `{"discovery":1}`, "concurrency: discovery is 1, and Lambda takes 2 to 1000"},
		{"concurrency", `{"changes":1001}`, "concurrency: changes is 1001, and Lambda takes 2 to 1000"},
		{"concurrency", `{"compliance":0}`, "concurrency: compliance is 0, and Lambda takes 2 to 1000"},
		{"concurrency", `{"requests":1}`, "concurrency: requests is 1, and Lambda takes 2 to 1000"},
		{"concurrency", `{"provisioning":11}`, "concurrency: provisioning is 11, and Lambda takes 1 to 10"},
		{"concurrency", `{"api":5}`, "concurrency: read the limits {\"api\":5}: json: unknown field \"api\""},
		{"readerRole", "a role", "readerRole: \"a role\" is invalid; use a value such as cadastre-reader"},
		{"vendingRole", "a role", "vendingRole: \"a role\" is invalid; use a value such as CadastreVending"},
		{"vendingRole", "cadastre-reader", "vendingRole: readerRole is \"cadastre-reader\", too"},
		{"ignoreDefaultVpcs", "always", "ignoreDefaultVpcs: always is not true or false"},
		{"vpcsFromPoolsOnly", "always", "vpcsFromPoolsOnly: always is not true or false"},
		{"discoveryMinutes", 0.0, "discoveryMinutes: 0 is not from 1 to 1440"},
		{"notifyEmail", "network", "notifyEmail: \"network\" is not a mail address"},
		{"destroyable", "yes", "destroyable: yes is not true or false"},
		{"destroyable", 1.0, "destroyable: 1 is not true or false"},
	} {
		t.Run(c.member, func(t *testing.T) {
			got, err := ParseConfig(map[string]any{c.member: c.value})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v, want … %s …", c.value, err, c.want)
			}
			if diff := cmp.Diff(Config{}, got); diff != "" {
				t.Errorf("a refused context has a configuration: %s", diff)
			}
		})
	}
	t.Run("no VPCs, and from pools only", func(t *testing.T) {
		_, err := ParseConfig(map[string]any{"vendingRole": "", "vpcsFromPoolsOnly": true})
		if err == nil || !strings.Contains(err.Error(), "vpcsFromPoolsOnly: without a vendingRole") {
			t.Error(err)
		}
	})
	t.Run("two errors", func(t *testing.T) {
		_, err := ParseConfig(map[string]any{"alarmEmail": "a@example.com", "alarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:alarms", "architecture": "arm"})
		for _, want := range []string{"alarmEmail and alarmTopicArn: give one of them", `architecture: "arm"`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want … %s …", err, want)
			}
		}
	})
}

// Without administrators, every principal of the owner account administers; the other lists
// make no difference. Patterns that a principal can match are accepted.
func TestAdministrators(t *testing.T) {
	const owner = "111122223333"
	c := Config{Allocators: []string{"arn:aws:iam::*:role/cadastre-forwarder-*"}, Readers: []string{"*"}}
	environment, err := c.Environment()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := registry.ParseGrants(environment[lambdakit.EnvGrants], owner)
	if err != nil {
		t.Fatal(err)
	}
	grants := registry.NewGrants(parsed, nil, 0, nil)
	for arn, class := range map[string]registry.Class{
		"arn:aws:iam::111122223333:role/any":                       registry.Administer,
		"arn:aws:sts::111122223333:assumed-role/any/session":       registry.Administer,
		"arn:aws:iam::444455556666:role/cadastre-forwarder-region": registry.Allocate,
		"arn:aws:iam::444455556666:user/any":                       registry.Read,
	} {
		caller := registry.Caller{Account: strings.Split(arn, ":")[4], ARN: arn}
		if err := grants.Authorize(t.Context(), caller, class); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if class < registry.Administer && grants.Authorize(t.Context(), caller, class+1) == nil {
			t.Errorf("%s has a higher class than %s", arn, class)
		}
	}
	for _, pattern := range []string{"*", "arn:aws:iam::111122223333:role/admin", "arn:aws:sts::111122223333:assumed-role/admin/*", "arn:*:iam::*:role/x", "arn:aws:*::1111222233??:user/*"} {
		if _, err := ParseConfig(map[string]any{"administrators": []any{pattern}}); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// The defaults leave the API at least half of the smallest concurrency with which
// discovery of an organisation makes sense, and fit Lambda's limits.
func TestConcurrency(t *testing.T) {
	for _, c := range []struct {
		accounts, document string
		want               stacks.Concurrency
		total              int
	}{
		{"", "", stacks.Concurrency{Discovery: 2, Changes: 2, Compliance: 2, Requests: 2, Provisioning: 2}, 11},
		{"organization", "", stacks.Concurrency{Discovery: 20, Changes: 5, Compliance: 5, Requests: 2, Provisioning: 10}, 43},
		{"444455556666", `{"discovery":100,"provisioning":1}`, stacks.Concurrency{Discovery: 100, Changes: 5, Compliance: 5, Requests: 2, Provisioning: 1}, 114},
	} {
		got, err := (&Config{Accounts: c.accounts, Concurrency: json.RawMessage(c.document)}).concurrency()
		if c.document == "" {
			got, err = (&Config{Accounts: c.accounts}).concurrency()
		}
		if err != nil || got != c.want || got.Total() != c.total {
			t.Errorf("%q %s: %+v with %d in all, %v", c.accounts, c.document, got, got.Total(), err)
		}
	}
}

// The functions read the environment that the configuration makes.
func TestEnvironment(t *testing.T) {
	const owner = "111122223333"
	c := Config{
		Administrators: []string{"arn:aws:iam::111122223333:role/admin"}, Allocators: []string{"arn:aws:iam::444455556666:role/b", "arn:aws:iam::444455556666:role/c"}, Readers: []string{"*"},
		Quotas: json.RawMessage(`{"pools_per_scope":500}`),
	}
	environment, err := c.Environment()
	if err != nil {
		t.Fatal(err)
	}
	grants, err := registry.ParseGrants(environment[lambdakit.EnvGrants], owner)
	if err != nil {
		t.Fatal(err)
	}
	want := []registry.Grant{{Pattern: "arn:aws:iam::111122223333:role/admin", Class: registry.Administer}, {Pattern: "arn:aws:iam::444455556666:role/b", Class: registry.Allocate}, {Pattern: "arn:aws:iam::444455556666:role/c", Class: registry.Allocate}, {Pattern: "*", Class: registry.Read}}
	if diff := cmp.Diff(want, grants); diff != "" {
		t.Error(diff)
	}
	if q, err := lambdakit.ParseQuotas(environment[lambdakit.EnvQuotas]); err != nil || q.PoolsPerScope != 500 || q.PoolDepth != 10 {
		t.Errorf("quotas %+v, %v", q, err)
	}

	environment, err = (&Config{}).Environment()
	if err != nil {
		t.Fatal(err)
	}
	if got := environment[lambdakit.EnvIgnoreDefaultVPCs]; got != "false" {
		t.Errorf("default VPCs are ignored: %q", got)
	}
	standard, err := ParseConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := standard.Environment(); err != nil || e[lambdakit.EnvIgnoreDefaultVPCs] != "true" {
		t.Errorf("by default, default VPCs are ignored: %q, %v", e[lambdakit.EnvIgnoreDefaultVPCs], err)
	}
	if _, ok := environment[lambdakit.EnvQuotas]; ok {
		t.Error("there are quotas, and the configuration has none")
	}
	grants, err = registry.ParseGrants(environment[lambdakit.EnvGrants], owner)
	if err != nil || len(grants) == 0 || grants[0].Class != registry.Administer {
		t.Errorf("no grants give %v, %v, not the default", grants, err)
	}

	c.Readers = slices.Repeat([]string{"arn:aws:iam::111122223333:role/reader"}, 100)
	if _, err := c.Environment(); err == nil || !strings.Contains(err.Error(), "has room for 3072") {
		t.Errorf("grants too long for a function's environment: %v", err)
	}
}

// The README has a row for every member of the context, and no other row.
func TestREADMEListsTheContext(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Configuration\n")
	section, _, _ = strings.Cut(section, "\n### ")
	var rows, members []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		rows = append(rows, m[1])
	}
	for name := range new(Config).fields() {
		members = append(members, name)
	}
	slices.Sort(rows)
	slices.Sort(members)
	if diff := cmp.Diff(members, rows); diff != "" {
		t.Error(diff)
	}
}
