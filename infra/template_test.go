//go:build !race

package main

import (
	"debug/elf"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/infra/stacks"
)

var update = flag.Bool("update", false, "rewrite the golden files and the README's tables")

// TestMain ends the jsii kernel, one child process for all tests. The race detector
// reports races inside jsii's client, so these files have the build tag !race.
func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// template is a stack's template, as far as the tests read it, with simplified values.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct {
		Value  any
		Export struct{ Name string }
	}
}

// resource is a resource of a template.
type resource struct {
	Type                string
	Condition           string
	Properties          map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string
	DependsOn           any
}

// deployment has the templates of the app, and the errors and warnings of CDK and of
// cdk-nag's AwsSolutions rules.
type deployment struct {
	data, service, watch template
	console              template // empty without a console
	findings             []string
}

const (
	account = "111122223333"
	region  = "eu-west-1"
)

// The deployments of the tests. Together their contexts have every member of the
// configuration.
var (
	// plain has the defaults.
	plain = sync.OnceValue(func() deployment { return synthesize(account, region, nil) })
	// closed is private, for an organisation, and has nearly all members set. Its
	// templates fit every account and Region.
	closed = sync.OnceValue(func() deployment {
		return synthesize("", "", map[string]any{
			"name": "ipam", "organizationId": "o-a1b2c3d4e5", "vpcEndpointIds": `["vpce-0123456789abcdef0", "vpce-11111111"]`,
			"administrators": []any{"arn:aws:iam::111122223333:role/admin"}, "allocators": `["*"]`, "readers": `["*"]`,
			"quotas": `{"pools_per_scope":500}`, "logRetentionDays": "30", "alarmEmail": "network@example.com", "createApiLogRole": "false",
			"accounts": "organization", "excludedAccounts": `["777788889999"]`, "concurrency": `{"discovery":50}`, "readerRole": "ipam-reader", "discoveryMinutes": "40", "ignoreDefaultVpcs": "false", "resourceMetrics": "true", "notifyEmail": "network@example.com",
			"vendingRole": "ipam-vending", "vpcsFromPoolsOnly": "true",
		})
	})
	// passing is destroyable, as on the emulator.
	passing = sync.OnceValue(func() deployment {
		return synthesize("000000000000", "us-east-1", map[string]any{
			"architecture": "x86_64", "destroyable": "true", "accounts": "111122223333,444455556666", "alarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
			"vendingRole": "",
		})
	})
	// restored works on a restored table.
	restored = sync.OnceValue(func() deployment {
		return synthesize(account, region, map[string]any{"tableStreamArn": restoredStream})
	})
	// hosting has a console with an address of its own and a client with a secret.
	hosting = sync.OnceValue(func() deployment {
		return synthesize("", "", map[string]any{
			"administrators": []any{"arn:aws:iam::111122223333:role/admin"},
			"console":        `{"issuer":"https://login.example.com","clientId":"c","clientSecretParameter":"/aws/reference/secretsmanager/console","administrators":["net"],"readers":["all"],"domainName":"console.example.com","certificateArn":"arn:aws:acm:eu-west-1:111122223333:certificate/1a2b"}`,
		})
	})
	// open has a console at the address of its API, with a public client.
	open = sync.OnceValue(func() deployment {
		return synthesize(account, region, map[string]any{
			"administrators": []any{"arn:aws:iam::111122223333:role/admin"}, "destroyable": "true",
			"console": map[string]any{"issuer": "https://login.example.com", "clientId": "c", "readers": []any{"all"}},
		})
	})
	deployments = map[string]func() deployment{"plain": plain, "closed": closed, "passing": passing, "restored": restored, "hosting": hosting, "open": open}
)

// synthesize runs the app as the CDK CLI does, with empty executables instead of the
// built functions. It panics on errors, because it runs once for several tests.
func synthesize(account, region string, context map[string]any) deployment {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	scratch, err := os.MkdirTemp("", "")
	must(err)
	defer os.RemoveAll(scratch)
	machine := elf.EM_AARCH64
	if context["architecture"] == "x86_64" {
		machine = elf.EM_X86_64
	}
	for _, name := range append(slices.Clone(stacks.Functions), stacks.ConsoleFunction) {
		must(os.MkdirAll(filepath.Join(scratch, name), 0o700))
		must(os.WriteFile(filepath.Join(scratch, name, "bootstrap"), executable(machine), 0o700))
	}
	os.Setenv("CDK_DEFAULT_ACCOUNT", account)
	os.Setenv("CDK_DEFAULT_REGION", region)
	b, err := os.ReadFile("../cdk.json")
	must(err)
	var cdk struct{ Context map[string]any }
	must(json.Unmarshal(b, &cdk))
	maps.Copy(cdk.Context, context)
	app := awscdk.NewApp(&awscdk.AppProps{Context: &cdk.Context, Outdir: jsii.String(filepath.Join(scratch, "out")), AnalyticsReporting: jsii.Bool(false)})
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
	must(build(app, scratch))
	assembly := app.Synth(nil)

	var d deployment
	read := func(id string, other template) (t template) {
		artifact := assembly.GetStackArtifact(&id)
		for _, m := range *artifact.Messages() {
			d.findings = append(d.findings, fmt.Sprintf("%s %s: %v", *m.Entry.Type, *m.Id, m.Entry.Data)) //nolint:staticcheck // the type's new place has no Go package yet
		}
		b, err := json.Marshal(artifact.Template())
		must(err)
		var raw any
		must(json.Unmarshal(b, &raw))
		b, err = json.Marshal(simplify(raw, other))
		must(err)
		must(json.Unmarshal(b, &t))
		return t
	}
	d.data = read("Data", template{})
	d.service = read("Service", d.data)
	d.watch = read("Watch", d.data)
	if context["console"] != nil {
		d.console = read("Console", d.service)
	}
	return d
}

// simplify replaces references by the strings ${Id} and ${Id.Attribute}, also those to
// the stack other, and carries out joins.
func simplify(value any, other template) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = simplify(v[i], other)
		}
	case map[string]any:
		for name := range v {
			v[name] = simplify(v[name], other)
		}
		if len(v) > 1 {
			break
		}
		if id, ok := v["Ref"].(string); ok {
			return "${" + id + "}"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprintf("${%s.%s}", get[0], get[1])
		}
		if name, ok := v["Fn::ImportValue"].(string); ok {
			for _, o := range other.Outputs {
				if o.Export.Name == name {
					return o.Value
				}
			}
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, p := range join[1].([]any) {
				parts = append(parts, fmt.Sprint(p))
			}
			return strings.Join(parts, join[0].(string))
		}
	}
	return value
}

// ids returns the logical ids of the resources of a type.
func (t template) ids(kind string) []string {
	var ids []string
	for id, r := range t.Resources {
		if r.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// one returns the only resource of a type whose logical id begins with prefix.
func (t template) one(tb testing.TB, kind, prefix string) (string, resource) {
	tb.Helper()
	var found []string
	for _, id := range t.ids(kind) {
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		tb.Fatalf("there are %d resources %s %s…: %v", len(found), kind, prefix, found)
	}
	return found[0], t.Resources[found[0]]
}

// object and list are short names for expected values.
type (
	object = map[string]any
	list   = []any
)
