//go:build !race

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// Only a deployment with the member console has the stack.
func TestConsoleIsOffByDefault(t *testing.T) {
	for name, d := range deployments {
		if want := name == "hosting" || name == "open"; (len(d().console.Resources) > 0) != want {
			t.Errorf("%s has %d resources of a console", name, len(d().console.Resources))
		}
	}
}

// Nothing in the stack has a price without requests.
func TestConsoleCostsNothingUnused(t *testing.T) {
	free := []string{
		"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::ApiMapping", "AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage",
		"AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Logs::LogGroup",
	}
	kinds := map[string]bool{}
	for id, r := range hosting().console.Resources {
		kinds[r.Type] = true
		if !slices.Contains(free, r.Type) {
			t.Errorf("%s is a %s", id, r.Type)
		}
	}
	diff(t, free, slices.Sorted(maps.Keys(kinds)))
	_, f := hosting().console.one(t, "AWS::Lambda::Function", "Function")
	if f.Properties["ReservedConcurrentExecutions"] != nil {
		t.Error("the function takes concurrency from others")
	}
}

func TestConsoleFunction(t *testing.T) {
	api, _ := open().console.one(t, "AWS::ApiGatewayV2::Api", "Api")
	for _, c := range []struct {
		name, origin, account, region, roles string
		d                                    deployment
	}{
		{"hosting", "https://console.example.com", "${AWS::AccountId}", "${AWS::Region}", "cadastre-${AWS::Region}-console-", hosting()},
		{"open", "${" + api + ".ApiEndpoint}", account, region, "cadastre-${AWS::Region}-console-", open()},
	} {
		_, f := c.d.console.one(t, "AWS::Lambda::Function", "Function")
		variables := f.Properties["Environment"].(object)["Variables"].(object)
		settings, err := hosted.ParseSettings([]byte(variables[lambdakit.EnvConsole].(string)))
		if err != nil || settings.Issuer != "https://login.example.com" {
			t.Errorf("%s: settings %+v, %v", c.name, settings, err)
		}
		delete(variables, lambdakit.EnvConsole)
		diff(t, object{
			lambdakit.EnvEndpoint:   c.d.service.Outputs["ApiUrl"].Value,
			lambdakit.EnvConsoleKey: "/cadastre/console/key", lambdakit.EnvConsoleOrigin: c.origin, lambdakit.EnvConsoleRoles: c.roles,
			lambdakit.EnvHomeRegion: c.region, lambdakit.EnvAccount: c.account,
		}, variables)
		if f.Properties["Timeout"] != 30.0 {
			t.Errorf("%s: the function may take %v s; an HTTP API waits for 30 s", c.name, f.Properties["Timeout"])
		}
	}
	diff(t, any("${"+api+".ApiEndpoint}/callback"), open().console.Outputs["ConsoleCallbackUrl"].Value)
	diff(t, any("https://console.example.com/callback"), hosting().console.Outputs["ConsoleCallbackUrl"].Value)
	_, a := hosting().console.one(t, "AWS::ApiGatewayV2::Api", "Api")
	if a.Properties["DisableExecuteApiEndpoint"] != true {
		t.Error("with a domain name the console has a second address")
	}
	_, route := open().console.one(t, "AWS::ApiGatewayV2::Route", "Route")
	if route.Properties["RouteKey"] != "$default" {
		t.Errorf("the route %v", route.Properties)
	}
	_, stage := open().console.one(t, "AWS::ApiGatewayV2::Stage", "Stage")
	settings := stage.Properties["AccessLogSettings"].(object)
	if format := settings["Format"].(string); stage.Properties["StageName"] != "$default" || settings["DestinationArn"] == nil || strings.Contains(format, "query") || strings.Contains(format, "Query") {
		t.Errorf("the stage %v", stage.Properties)
	}
}

// statementsOf returns the statements of a role's permissions by the names of its policies.
func statementsOf(t *testing.T, r resource) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, p := range elements(r.Properties["Policies"]) {
		p := p.(object)
		statements := elements(p["PolicyDocument"].(object)["Statement"])
		if len(statements) != 1 {
			t.Errorf("the policy %v has %d statements", p["PolicyName"], len(statements))
		}
		all[p["PolicyName"].(string)] = statements[0].(object)
	}
	return all
}

// Each class's role may call the operations of its class, and only the function may assume
// it. The function may do nothing else for a person.
func TestConsoleRoles(t *testing.T) {
	d := open().console
	functionRole, f := d.one(t, "AWS::IAM::Role", "FunctionRole")
	own := statementsOf(t, f)
	var roles list
	for _, class := range []string{"administer", "allocate", "read"} {
		roles = append(roles, "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/cadastre-${AWS::Region}-console-"+class)
	}
	diff(t, object{"Effect": "Allow", "Action": list{"sts:AssumeRole", "sts:SetSourceIdentity"}, "Resource": roles}, own["Classes"])
	diff(t, object{"Effect": "Allow", "Action": list{"ssm:GetParameter", "ssm:PutParameter"}, "Resource": "arn:${AWS::Partition}:ssm:" + region + ":" + account + ":parameter/cadastre/console/key"}, own["Key"])
	diff(t, []string{"Classes", "Key", "Logs", "Traces"}, slices.Sorted(maps.Keys(own)))
	_, f = hosting().console.one(t, "AWS::IAM::Role", "FunctionRole")
	own = statementsOf(t, f)
	diff(t, any("arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/aws/reference/secretsmanager/console"), own["ClientSecret"]["Resource"])
	diff(t, any("arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:console-??????"), own["Secret"]["Resource"])

	operations := ops.New(nil, nil).Operations()
	for _, class := range []registry.Class{registry.Read, registry.Allocate, registry.Administer} {
		id := strings.ToUpper(class.String()[:1]) + class.String()[1:] + "Role"
		_, r := d.one(t, "AWS::IAM::Role", id)
		diff(t, any("cadastre-${AWS::Region}-console-"+class.String()), r.Properties["RoleName"])
		trusted := object{"AWS": "${" + functionRole + ".Arn}"}
		diff(t, any(object{"Version": "2012-10-17", "Statement": list{
			object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trusted},
			object{"Effect": "Allow", "Action": "sts:SetSourceIdentity", "Principal": trusted},
		}}), r.Properties["AssumeRolePolicyDocument"])
		call := statementsOf(t, r)["Call"]
		diff(t, any("execute-api:Invoke"), call["Action"])
		var may []string
		for _, x := range elements(call["Resource"]) {
			b, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			_, name, ok := strings.Cut(strings.Trim(string(b), `"]}`), "/prod/POST/v1/")
			if !ok {
				t.Fatalf("%s may call %s", id, b)
			}
			may = append(may, name)
		}
		var want []string
		size := 0
		for _, o := range operations {
			if o.Class <= class {
				want = append(want, o.Name)
				size += len(`"arn:aws-us-gov:execute-api:ap-southeast-1:111122223333:a1b2c3d4e5/prod/POST/v1/",`) + len(o.Name)
			}
		}
		if class == registry.Administer {
			want, size = []string{"*"}, 0
		}
		slices.Sort(want)
		diff(t, want, may)
		if size > 10_000 { // IAM takes 10,240 characters in a role's own policies
			t.Errorf("%s has a policy of %d characters", id, size)
		}
	}
}

// Cadastre's grants give each role its class, in the functions of both other stacks.
func TestConsoleGrants(t *testing.T) {
	for name, s := range map[string]template{"service": hosting().service, "watch": hosting().watch} {
		functions := 0
		for _, id := range s.ids("AWS::Lambda::Function") {
			environment, _ := s.Resources[id].Properties["Environment"].(object)
			variables, _ := environment["Variables"].(object)
			document, ok := variables[lambdakit.EnvGrants].(string)
			if !ok {
				continue
			}
			functions++
			document = strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::AccountId}", account, "${AWS::Region}", region).Replace(document)
			grants, err := registry.ParseGrants(document, account)
			if err != nil {
				t.Fatal(name, id, err)
			}
			for _, class := range []registry.Class{registry.Read, registry.Allocate, registry.Administer} {
				arn := "arn:aws:sts::" + account + ":assumed-role/cadastre-" + region + "-console-" + class.String() + "/ana@example.com"
				var held registry.Class
				for _, g := range grants {
					if p, err := registry.ParseARNPattern(g.Pattern); err == nil && p.Match(arn) {
						held = max(held, g.Class)
					}
				}
				if held != class {
					t.Errorf("%s %s: the role of the class %s has the class %s", name, id, class, held)
				}
			}
		}
		if functions == 0 {
			t.Errorf("no function of the stack %s has grants", name)
		}
	}
}

func TestConsoleConfigErrors(t *testing.T) {
	const good = `{"issuer":"https://login.example.com","clientId":"c","readers":["r"]}`
	admin := []any{"arn:aws:iam::111122223333:role/admin"}
	for _, c := range []struct {
		name    string
		context map[string]any
		words   string
	}{
		{"good", map[string]any{"console": good, "administrators": admin}, ""},
		{"an allocator that is no role of the console", map[string]any{"console": good, "administrators": admin, "allocators": `["arn:aws:iam::*:role/cadastre-ci-*"]`}, ""},
		{"no administrators", map[string]any{"console": good}, "name the administrators"},
		{"faulty settings", map[string]any{"console": `{"issuer":"x"}`, "administrators": admin}, "issuer"},
		{"no object", map[string]any{"console": "true", "administrators": admin}, "console"},
		{"a private API", map[string]any{"console": good, "administrators": admin, "vpcEndpointIds": `["vpce-11111111"]`}, "private"},
		{"a long name", map[string]any{"console": good, "administrators": admin, "name": strings.Repeat("n", 31)}, "31 characters"},
		{"the longest name", map[string]any{"console": good, "administrators": admin, "name": strings.Repeat("n", 30)}, ""},
		{"every principal administers", map[string]any{"console": good, "administrators": `["*"]`}, "matches the console's roles"},
		{"the account's principals administer", map[string]any{"console": good, "administrators": `["arn:aws:iam::444455556666:*"]`}, "matches the console's roles"},
		{"sessions administer", map[string]any{"console": good, "administrators": `["arn:aws:sts::*:assumed-role/*/*"]`}, "matches the console's roles"},
		{"roles of this name allocate", map[string]any{"console": good, "administrators": admin, "allocators": `["arn:aws:iam::*:role/cadastre-*"]`}, "of allocators"},
		{"a faulty certificate", map[string]any{"console": `{"issuer":"https://login.example.com","clientId":"c","readers":["r"],"domainName":"a.example.com","certificateArn":"x"}`, "administrators": admin}, "certificateArn"},
	} {
		if _, err := ParseConfig(c.context); (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
