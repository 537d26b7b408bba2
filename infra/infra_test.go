//go:build !race

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/vending"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

func diff(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// Every finding of cdk-nag's AwsSolutions rules has a suppression with a reason, and CDK
// has no warnings.
func TestNoUnexplainedFindings(t *testing.T) {
	for name, d := range deployments {
		for _, f := range d().findings {
			t.Errorf("%s: %s", name, f)
		}
	}
}

// The logical ids stay the same. CloudFormation deletes a resource whose id changes and
// makes a new one: for the table that would be the loss of all state.
func TestLogicalIDs(t *testing.T) {
	var b strings.Builder
	// Each change of the API makes a new deployment in API Gateway, with a new id.
	deployment := regexp.MustCompile(`^(ApiDeployment.{8}).{32}$`)
	for _, s := range []struct {
		name string
		template
	}{{"data", plain().data}, {"service", plain().service}, {"watch", plain().watch}} {
		for _, id := range slices.Sorted(maps.Keys(s.Resources)) {
			fmt.Fprintf(&b, "%s %s %s\n", s.name, s.Resources[id].Type, deployment.ReplaceAllString(id, "$1…"))
		}
	}
	golden(t, "testdata/logical-ids.golden", b.String())
}

// golden compares a text with a file, or writes the file with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, string(want), got)
}

// The configuration does not change the ids, so no change of configuration replaces a
// resource that holds data.
func TestLogicalIDsDoNotDependOnConfiguration(t *testing.T) {
	for _, kind := range []string{"AWS::DynamoDB::GlobalTable", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::ApiGateway::RestApi", "AWS::Lambda::Function"} {
		for name, d := range deployments {
			diff(t, plain().data.ids(kind), d().data.ids(kind))
			diff(t, plain().service.ids(kind), d().service.ids(kind))
			diff(t, plain().watch.ids(kind), d().watch.ids(kind))
			if len(d().data.ids(kind))+len(d().service.ids(kind)) == 0 {
				t.Errorf("%s has no %s", name, kind)
			}
		}
	}
}

func TestTable(t *testing.T) {
	want := func(region string, protected bool) object {
		return object{
			"AttributeDefinitions":    list{object{"AttributeName": "PK", "AttributeType": "S"}, object{"AttributeName": "SK", "AttributeType": "S"}},
			"KeySchema":               list{object{"AttributeName": "PK", "KeyType": "HASH"}, object{"AttributeName": "SK", "KeyType": "RANGE"}},
			"TimeToLiveSpecification": object{"AttributeName": "Expires", "Enabled": true},
			"BillingMode":             "PAY_PER_REQUEST",
			"StreamSpecification":     object{"StreamViewType": "NEW_AND_OLD_IMAGES"},
			"SSESpecification":        object{"SSEEnabled": false}, // DynamoDB encrypts with its own key
			"Replicas": list{object{
				"Region": region, "DeletionProtectionEnabled": protected,
				"PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true},
			}},
		}
	}
	_, kept := plain().data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	diff(t, resource{Type: kept.Type, Properties: want(region, true), DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain"}, kept)
	_, gone := passing().data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	diff(t, resource{Type: gone.Type, Properties: want("us-east-1", false), DeletionPolicy: "Delete", UpdateReplacePolicy: "Delete"}, gone)
}

// A deployment can change to a restored table and back. All functions, streams,
// permissions and alarms change; the stack's own table stays, with its exports, which
// CloudFormation would not remove while the other stacks import them.
func TestRestoredTable(t *testing.T) {
	d := restored()
	table, own := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	_, before := plain().data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	diff(t, before, own)
	diff(t, any("cadastre-restored"), d.data.Outputs["TableName"].Value)
	exports := func(d template) map[string]any {
		all := map[string]any{}
		for _, o := range d.Outputs {
			if o.Export.Name != "" {
				all[o.Export.Name] = o.Value
			}
		}
		return all
	}
	exported := map[string]any{
		"cadastre-data:ExportsOutputRefTableCD117FA1D18A8047":               "${" + table + "}",
		"cadastre-data:ExportsOutputFnGetAttTableCD117FA1ArnE2C8C204":       "${" + table + ".Arn}",
		"cadastre-data:ExportsOutputFnGetAttTableCD117FA1StreamArnB270E65B": "${" + table + ".StreamArn}",
	}
	diff(t, exported, exports(plain().data))
	diff(t, exported, exports(d.data))
	on := func(of, is template) {
		b, err := json.Marshal(of.Resources)
		if err != nil {
			t.Fatal(err)
		}
		// The source of a stream mapping cannot change, so another table has another
		// mapping.
		source := regexp.MustCompile(`(EventSourceData)[A-Za-z]+[0-9A-F]{16}`)
		b = source.ReplaceAll(b, []byte("$1"))
		want := strings.NewReplacer("${"+table+".StreamArn}", restoredStream, "${"+table+".Arn}", strings.TrimSuffix(restoredStream, "/stream/2026-11-28T12:00:00.000"),
			"${"+table+"}", "cadastre-restored").Replace(string(b))
		var resources map[string]resource
		if err := json.Unmarshal([]byte(want), &resources); err != nil {
			t.Fatal(err)
		}
		got := map[string]resource{}
		for id, r := range is.Resources {
			got[source.ReplaceAllString(id, "$1")] = r
		}
		diff(t, resources, got)
	}
	on(plain().service, d.service)
	on(plain().watch, d.watch)
}

func TestFunctions(t *testing.T) {
	table, _ := plain().data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	for _, c := range []struct {
		name                           string
		d                              deployment
		architecture, account, region  string
		grants, quotas, deletionPolicy string
		retention                      float64
		vending                        object
	}{
		{"plain", plain(), "arm64", account, region, "{}", "", "Retain", 90, object{"CADASTRE_VENDING_ROLE": "CadastreVending", "CADASTRE_VPCS_FROM_POOLS_ONLY": "false"}},
		{"closed", closed(), "arm64", "${AWS::AccountId}", "${AWS::Region}",
			`{"administrators":["arn:aws:iam::111122223333:role/admin"],"allocators":["*"],"readers":["*"]}`, `{"pools_per_scope":500}`, "Retain", 30, object{"CADASTRE_VENDING_ROLE": "ipam-vending", "CADASTRE_VPCS_FROM_POOLS_ONLY": "true"}},
		{"passing", passing(), "x86_64", "000000000000", "us-east-1", "{}", "", "Delete", 90, nil},
	} {
		for _, f := range []struct {
			id, description string
			seconds, memory float64
		}{
			{"ApiFunction", "Answers the IPAM API", 28, 1024},
			{"Direct", "Carries out operations for callers with lambda:InvokeFunction", 60, 512},
			{"CustomResourceFunction", "Makes the IPAM resources of CloudFormation stacks", 120, 512},
			{"ProvisioningWorker", "Finishes work of more than one transaction", 600, 512},
		} {
			t.Run(c.name+" "+f.id, func(t *testing.T) {
				_, got := c.d.service.one(t, "AWS::Lambda::Function", f.id)
				role, _ := c.d.service.one(t, "AWS::IAM::Role", f.id)
				logs, group := c.d.service.one(t, "AWS::Logs::LogGroup", f.id)
				environment := object{
					"CADASTRE_TABLE": "${" + table + "}", "CADASTRE_ACCOUNT": c.account, "CADASTRE_HOME_REGION": c.region, "CADASTRE_GRANTS": c.grants,
					"CADASTRE_IGNORE_DEFAULT_VPCS": fmt.Sprint(c.name != "closed"),
				}
				if c.quotas != "" {
					environment["CADASTRE_QUOTAS"] = c.quotas
				}
				if f.id == "Direct" {
					environment["CADASTRE_DOOR"] = "direct"
				}
				if f.id == "ApiFunction" || f.id == "Direct" {
					maps.Copy(environment, c.vending)
				}
				if f.id != "ProvisioningWorker" {
					withOrganization(c.name, environment)
				}
				properties := maps.Clone(got.Properties)
				delete(properties, "Code") // the place of the uploaded asset
				diff(t, object{
					"Description":   f.description,
					"Runtime":       "provided.al2023",
					"Handler":       "bootstrap",
					"Architectures": list{c.architecture},
					"Timeout":       f.seconds,
					"MemorySize":    f.memory,
					"TracingConfig": object{"Mode": "Active"},
					"LoggingConfig": object{"LogFormat": "JSON", "LogGroup": "${" + logs + "}"},
					"Role":          "${" + role + ".Arn}",
					"Environment":   object{"Variables": environment},
				}, properties)
				diff(t, resource{Type: group.Type, Properties: object{"RetentionInDays": c.retention}, DeletionPolicy: c.deletionPolicy, UpdateReplacePolicy: c.deletionPolicy}, group)
			})
		}
	}
}

// withOrganization adds the variable that a function for operations has in a deployment
// for an organisation.
func withOrganization(deployment string, environment object) object {
	if deployment == "closed" {
		environment["CADASTRE_ORGANIZATION"] = "true"
	}
	return environment
}

// In a deployment for an organisation, the functions for operations may read the
// organizational units of accounts, and discovery may list the accounts. No other
// function may call Organizations.
func TestPermissionsForOrganizations(t *testing.T) {
	for name, c := range map[string]struct {
		d    deployment
		want []string
	}{
		"plain": {plain(), nil}, "passing": {passing(), nil},
		"closed": {closed(), []string{"ApiFunctionRole", "CustomResourceFunctionRole", "DirectRole", "DiscoveryWorkerRole", "RequestsRole"}},
	} {
		var got []string
		for _, stack := range []template{c.d.service, c.d.watch} {
			for _, id := range stack.ids("AWS::IAM::Role") {
				b, err := json.Marshal(stack.Resources[id].Properties["Policies"])
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(b), "organizations:") {
					continue
				}
				got = append(got, id[:len(id)-8])
				actions := discover.HierarchyActions
				if strings.HasPrefix(id, "Discovery") {
					actions = discover.OrganizationActions
				}
				for _, a := range actions {
					if !strings.Contains(string(b), `"`+a+`"`) {
						t.Errorf("%s: %s may not call %s", name, id, a)
					}
				}
				if n := strings.Count(string(b), "organizations:"); n != len(actions) {
					t.Errorf("%s: %s may make %d calls of Organizations", name, id, n)
				}
			}
		}
		slices.Sort(got)
		diff(t, c.want, got)
	}
}

// Each role has exactly the permissions for the calls of its function.
func TestPolicies(t *testing.T) {
	d := plain()
	db, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	queue, _ := d.service.one(t, "AWS::SQS::Queue", "ProvisioningDeadLetters")
	worker, _ := d.service.one(t, "AWS::Lambda::Function", "ProvisioningWorker")
	apiLogs, _ := d.service.one(t, "AWS::Logs::LogGroup", "ApiFunction")
	resourceLogs, _ := d.service.one(t, "AWS::Logs::LogGroup", "CustomResourceFunction")
	directLogs, _ := d.service.one(t, "AWS::Logs::LogGroup", "Direct")
	workerLogs, _ := d.service.one(t, "AWS::Logs::LogGroup", "ProvisioningWorker")
	on := func(resource string, actions ...string) (grants []string) {
		for _, a := range actions {
			grants = append(grants, a+" on "+resource)
		}
		return grants
	}
	function := func(logs string) []string {
		return slices.Concat(
			on("${"+db+".Arn}", table.DynamoActions...),
			on("${"+logs+".Arn}", "logs:CreateLogStream", "logs:PutLogEvents"), // Lambda writes the function's output
			on("*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"),       // active tracing
		)
	}
	want := map[string][]string{
		"ApiFunctionRole": slices.Concat(function(apiLogs), on("arn:${AWS::Partition}:iam::*:role/CadastreVending", "sts:AssumeRole", "sts:SetSourceIdentity")),
		"DirectRole":      slices.Concat(function(directLogs), on("arn:${AWS::Partition}:iam::*:role/CadastreVending", "sts:AssumeRole", "sts:SetSourceIdentity")),
		"CustomResourceFunctionRole": slices.Concat(function(resourceLogs),
			on("arn:${AWS::Partition}:cloudformation:"+region+":"+account+":stack/*", "cloudformation:DescribeStackResource", "cloudformation:DescribeStacks")),
		"ProvisioningWorkerRole": slices.Concat(
			function(workerLogs),
			// Lambda reads the stream, and sends to the dead-letter queue, with the
			// function's role.
			on("${"+db+".StreamArn}", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
			on("*", "dynamodb:ListStreams"),
			on("${"+queue+".Arn}", "sqs:SendMessage"),
			on("${"+db+".Arn}", table.ScanAction), // an upgrade of the table's layout
		),
		// EventBridge Scheduler invokes the function, or sends the event to the
		// dead-letter queue.
		"ProvisioningSweepRole": slices.Concat(on("${"+worker+".Arn}", "lambda:InvokeFunction"), on("${"+queue+".Arn}", "sqs:SendMessage")),
		"ApiCloudWatchRole":     nil, // AWS's managed policy, see below
		"Vending": slices.Concat(
			on("*", vending.Actions...),
			on("arn:${AWS::Partition}:ec2:*:"+account+":subnet/*", "ec2:CreateTags"), on("arn:${AWS::Partition}:ec2:*:"+account+":vpc/*", "ec2:CreateTags"),
		),
	}
	got := map[string][]string{}
	for _, id := range d.service.ids("AWS::IAM::Role") {
		r := d.service.Resources[id].Properties
		var grants []string
		policies, _ := r["Policies"].([]any)
		for _, p := range policies {
			for _, s := range p.(object)["PolicyDocument"].(object)["Statement"].([]any) {
				s := s.(object)
				diff(t, "Allow", s["Effect"])
				for _, a := range elements(s["Action"]) {
					for _, res := range elements(s["Resource"]) {
						grants = append(grants, fmt.Sprintf("%s on %s", a, res))
					}
				}
			}
		}
		name := id[:len(id)-8]
		slices.Sort(grants)
		slices.Sort(want[name])
		got[name] = grants
		managed := any(nil)
		if name == "ApiCloudWatchRole" {
			managed = list{"arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
		}
		diff(t, managed, r["ManagedPolicyArns"])
	}
	diff(t, want, got)
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::Lambda::LayerVersionPermission"} {
		if ids := d.service.ids(kind); len(ids) > 0 {
			t.Errorf("permissions outside the roles: %s %v", kind, ids)
		}
	}
	trust := func(role string) any {
		_, r := d.service.one(t, "AWS::IAM::Role", role)
		return r.Properties["AssumeRolePolicyDocument"].(object)["Statement"]
	}
	for _, role := range []string{"ApiFunctionRole", "CustomResourceFunctionRole", "DirectRole", "ProvisioningWorkerRole"} {
		diff(t, any(list{object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "lambda.amazonaws.com"}}}), trust(role))
	}
	diff(t, any(list{object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "scheduler.amazonaws.com"},
		"Condition": object{"StringEquals": object{"aws:SourceAccount": account}}}}), trust("ProvisioningSweepRole"))
}

// Only the functions that make VPCs may assume the vending role, and it may tag only in
// the call that makes a resource. A deployment without vending roles has none, and no
// function may assume one.
func TestVending(t *testing.T) {
	d := plain().service
	_, role := d.one(t, "AWS::IAM::Role", "Vending")
	var trusted list
	for _, name := range []string{"ApiFunctionRole", "DirectRole"} {
		function, _ := d.one(t, "AWS::IAM::Role", name)
		trusted = append(trusted, "${"+function+".Arn}", "arn:${AWS::Partition}:sts::"+account+":assumed-role/${"+function+"}/*")
	}
	diff(t, any("CadastreVending"), role.Properties["RoleName"])
	trust := func(action string) object {
		return object{"Effect": "Allow", "Action": action,
			"Principal": object{"AWS": "arn:${AWS::Partition}:iam::" + account + ":root"},
			"Condition": object{"ArnLike": object{"aws:PrincipalArn": trusted}},
		}
	}
	diff(t, any(list{trust("sts:AssumeRole"), trust("sts:SetSourceIdentity")}), role.Properties["AssumeRolePolicyDocument"].(object)["Statement"])
	rows, create := "| action | on | if |\n|---|---|---|\n", object{"StringEquals": object{"ec2:CreateAction": list{"CreateSubnet", "CreateVpc"}}}
	for _, s := range role.Properties["Policies"].([]any)[0].(object)["PolicyDocument"].(object)["Statement"].([]any) {
		s := s.(object)
		on, when := "all", ""
		if s["Action"] == "ec2:CreateTags" {
			diff(t, any(create), s["Condition"])
			on, when = "VPCs and subnets", "the call that makes them gives the tags"
		} else {
			diff(t, nil, s["Condition"])
		}
		for _, a := range elements(s["Action"]) {
			rows += fmt.Sprintf("| `%s` | %s | %s |\n", a, on, when)
		}
	}
	readme(t, "vending", rows)
	b, err := json.Marshal(passing().service)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "iam::*") || strings.Contains(string(b), "ec2:CreateVpc") {
		t.Error("a deployment without a vending role vends")
	}
}

func elements(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// paths returns the API's resources by logical id.
func paths(d template) map[string]string {
	all := map[string]string{}
	var path func(id string) string
	path = func(id string) string {
		r, ok := d.Resources[strings.Trim(id, "${}")]
		if !ok {
			return "" // the root
		}
		return path(r.Properties["ParentId"].(string)) + "/" + r.Properties["PathPart"].(string)
	}
	for _, id := range d.ids("AWS::ApiGateway::Resource") {
		all[id] = path(id)
	}
	return all
}

// The API has these methods and no other. Each requires IAM credentials, and hands the
// request unchanged to the api function.
func TestMethods(t *testing.T) {
	d := plain().service
	function, _ := d.one(t, "AWS::Lambda::Function", "ApiFunction")
	var got []string
	for _, id := range d.ids("AWS::ApiGateway::Method") {
		p := d.Resources[id].Properties
		path := paths(d)[strings.Trim(p["ResourceId"].(string), "${}")]
		if path == "" {
			path = "/"
		}
		got = append(got, p["HttpMethod"].(string)+" "+path)
		diff(t, any("AWS_IAM"), p["AuthorizationType"])
		diff(t, any(object{
			"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST",
			"Uri": "arn:${AWS::Partition}:apigateway:" + region + ":lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations",
		}), p["Integration"])
	}
	slices.Sort(got)
	diff(t, []string{"GET /", "GET /v1/openapi.json", "POST /", "POST /v1/{operation}"}, got)
	_, api := d.one(t, "AWS::ApiGateway::RestApi", "Api")
	for _, name := range []string{"BinaryMediaTypes", "MinimumCompressionSize"} {
		if v, ok := api.Properties[name]; ok {
			t.Errorf("the API has %s %v, which changes the form of bodies", name, v)
		}
	}
}

// API Gateway's own answers are EC2's XML with EC2's codes, and the stage's deployment
// has all of them.
func TestOwnAnswers(t *testing.T) {
	d := plain().service
	api, _ := d.one(t, "AWS::ApiGateway::RestApi", "Api")
	_, deployment := d.one(t, "AWS::ApiGateway::Deployment", "")
	got := map[string]any{}
	after := map[string]int{} // API Gateway refuses changes of an API at the same time
	for _, id := range d.ids("AWS::ApiGateway::GatewayResponse") {
		for _, other := range elements(d.Resources[id].DependsOn) {
			if other, ok := other.(string); ok {
				after[other]++
			}
		}
		p := d.Resources[id].Properties
		got[p["ResponseType"].(string)] = p
		if !slices.Contains(elements(deployment.DependsOn), any(id)) {
			t.Errorf("the deployment does not wait for %s", id)
		}
	}
	if len(after) != len(gateway.Answers)-1 || slices.Max(slices.Collect(maps.Values(after))) != 1 {
		t.Errorf("of %d answers these are added before others: %v", len(gateway.Answers), after)
	}
	want := map[string]any{}
	for responseType, status := range map[string]any{
		"ACCESS_DENIED": "403", "WAF_FILTERED": "403", "UNAUTHORIZED": "401", "INVALID_SIGNATURE": "401", "EXPIRED_TOKEN": "401", "MISSING_AUTHENTICATION_TOKEN": "401",
		"RESOURCE_NOT_FOUND": "400", "THROTTLED": "503", "QUOTA_EXCEEDED": "503", "REQUEST_TOO_LARGE": "413",
		"INTEGRATION_FAILURE": "400", "INTEGRATION_TIMEOUT": "400", "API_CONFIGURATION_ERROR": "400", "DEFAULT_4XX": nil, "DEFAULT_5XX": "400",
	} {
		a := gateway.For(responseType, 400)
		p := object{
			"RestApiId": "${" + api + "}", "ResponseType": responseType, "ResponseTemplates": object{"application/json": a.Template()},
			"ResponseParameters": object{"gatewayresponse.header.Content-Type": "'text/xml;charset=UTF-8'", "gatewayresponse.header.X-Cadastre-Error-Code": "'" + string(a.Code) + "'"},
		}
		if status != nil {
			p["StatusCode"] = status
		}
		want[responseType] = p
	}
	diff(t, want, got)
}

// The README has the answers that API Gateway gives by itself.
func TestREADMEListsTheAnswers(t *testing.T) {
	rows := "| type of API Gateway | status | code | advice |\n|---|---|---|---|\n"
	for _, a := range gateway.Answers {
		status := strconv.Itoa(a.Status)
		if a.Status == 0 {
			status = "API Gateway's"
		}
		rows += fmt.Sprintf("| `%s` | %s | `%s` | %s |\n", a.Type, status, a.Code, a.Advice)
	}
	readme(t, "answers", rows)
}

// Only this API's stage and methods may invoke the api function, and no permission lets
// anybody invoke another function of the stack.
func TestInvocation(t *testing.T) {
	d := plain().service
	function, _ := d.one(t, "AWS::Lambda::Function", "ApiFunction")
	api, _ := d.one(t, "AWS::ApiGateway::RestApi", "Api")
	stage, _ := d.one(t, "AWS::ApiGateway::Stage", "Api")
	var got []string
	for _, id := range d.ids("AWS::Lambda::Permission") {
		p := d.Resources[id].Properties
		got = append(got, p["SourceArn"].(string))
		diff(t, object{
			"Action": "lambda:InvokeFunction", "FunctionName": "${" + function + ".Arn}", "Principal": "apigateway.amazonaws.com", "SourceArn": p["SourceArn"],
		}, p)
	}
	slices.Sort(got)
	var want []string
	for _, method := range []string{"GET/", "GET/v1/openapi.json", "POST/", "POST/v1/*"} {
		want = append(want, "arn:${AWS::Partition}:execute-api:"+region+":"+account+":${"+api+"}/${"+stage+"}/"+method)
	}
	diff(t, want, got)
}

func TestResourcePolicy(t *testing.T) {
	statement := func(sid, effect string, principal any, condition object) object {
		s := object{"Sid": sid, "Effect": effect, "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Principal": object{"AWS": principal}}
		if condition != nil {
			s["Condition"] = condition
		}
		return s
	}
	for _, c := range []struct {
		name     string
		d        deployment
		endpoint object
		want     list
	}{
		{"the owner account", plain(), object{"Types": list{"REGIONAL"}}, list{
			statement("OwnerAccount", "Allow", "arn:${AWS::Partition}:iam::"+account+":root", nil),
		}},
		{"an organisation, through VPC endpoints", closed(), object{"Types": list{"PRIVATE"}, "VpcEndpointIds": list{"vpce-0123456789abcdef0", "vpce-11111111"}}, list{
			statement("OwnerAccount", "Allow", "arn:${AWS::Partition}:iam::${AWS::AccountId}:root", nil),
			statement("Organization", "Allow", "*", object{
				"StringEquals":    object{"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
				"StringNotEquals": object{"aws:PrincipalAccount": "${AWS::AccountId}"},
			}),
			statement("OtherVpcEndpoints", "Deny", "*", object{"StringNotEquals": object{"aws:SourceVpce": list{"vpce-0123456789abcdef0", "vpce-11111111"}}}),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, api := c.d.service.one(t, "AWS::ApiGateway::RestApi", "Api")
			diff(t, any(c.want), api.Properties["Policy"].(object)["Statement"])
			diff(t, any(c.endpoint), api.Properties["EndpointConfiguration"])
		})
	}
}

func TestStage(t *testing.T) {
	d := plain().service
	_, stage := d.one(t, "AWS::ApiGateway::Stage", "Api")
	access, group := d.one(t, "AWS::Logs::LogGroup", "ApiAccessLogs")
	diff(t, any(90.0), group.Properties["RetentionInDays"])
	diff(t, any("prod"), stage.Properties["StageName"])
	diff(t, any(true), stage.Properties["TracingEnabled"])
	diff(t, any(list{object{
		"HttpMethod": "*", "ResourcePath": "/*", "MetricsEnabled": true, "LoggingLevel": "ERROR", "DataTraceEnabled": false,
		"ThrottlingRateLimit": 500.0, "ThrottlingBurstLimit": 1000.0,
	}}), stage.Properties["MethodSettings"])
	log := stage.Properties["AccessLogSetting"].(object)
	diff(t, any("${"+access+".Arn}"), log["DestinationArn"])
	var record map[string]string
	if err := json.Unmarshal([]byte(log["Format"].(string)), &record); err != nil {
		t.Fatalf("the access log's format is not a JSON object of strings: %v", err)
	}
	for name, want := range map[string]string{"principal": "$context.identity.userArn", "request_id": "$context.requestId", "status": "$context.status", "response_type": "$context.error.responseType"} {
		diff(t, want, record[name])
	}
	// A request without the function's answer is no server error by its status, so a
	// metric counts its records.
	_, filter := d.one(t, "AWS::Logs::MetricFilter", "")
	diff(t, object{
		"LogGroupName":  "${" + access + "}",
		"FilterPattern": `{ ($.response_type = "INTEGRATION_FAILURE") || ($.response_type = "INTEGRATION_TIMEOUT") || ($.response_type = "API_CONFIGURATION_ERROR") || ($.response_type = "DEFAULT_5XX") }`,
		"MetricTransformations": list{object{
			"MetricNamespace": "Cadastre/IPAM", "MetricName": "UnansweredRequests", "MetricValue": "1", "Unit": "Count",
		}},
	}, filter.Properties)
	// The group of the execution logs must exist before the stage, which makes API
	// Gateway write them.
	api, _ := d.one(t, "AWS::ApiGateway::RestApi", "Api")
	execution, group := d.one(t, "AWS::Logs::LogGroup", "ApiExecutionLogs")
	diff(t, object{"LogGroupName": "API-Gateway-Execution-Logs_${" + api + "}/prod", "RetentionInDays": 90.0}, group.Properties)
	if !slices.Contains(elements(stage.DependsOn), any(execution)) {
		t.Errorf("the stage depends on %v, not on %s", stage.DependsOn, execution)
	}
	// The account's setting outlives this API, because other APIs use it.
	_, setting := d.one(t, "AWS::ApiGateway::Account", "")
	_, role := d.one(t, "AWS::IAM::Role", "ApiCloudWatchRole")
	diff(t, "Retain Retain", setting.DeletionPolicy+" "+role.DeletionPolicy)
	diff(t, 0, len(closed().service.ids("AWS::ApiGateway::Account")))
}

func TestStreamSource(t *testing.T) {
	d := plain()
	table, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	queue, _ := d.service.one(t, "AWS::SQS::Queue", "ProvisioningDeadLetters")
	function, _ := d.service.one(t, "AWS::Lambda::Function", "ProvisioningWorker")
	_, source := d.service.one(t, "AWS::Lambda::EventSourceMapping", "")
	diff(t, object{
		"EventSourceArn":             "${" + table + ".StreamArn}",
		"FunctionName":               "${" + function + "}",
		"StartingPosition":           "TRIM_HORIZON",
		"BatchSize":                  10.0,
		"ParallelizationFactor":      2.0,
		"FilterCriteria":             object{"Filters": list{object{"Pattern": `{"dynamodb":{"Keys":{"PK":{"S":["` + items.WorkPK + `"]}}},"eventName":["INSERT"]}`}}},
		"FunctionResponseTypes":      list{"ReportBatchItemFailures"},
		"BisectBatchOnFunctionError": true,
		"MaximumRetryAttempts":       5.0,
		"MaximumRecordAgeInSeconds":  3600.0,
		"DestinationConfig":          object{"OnFailure": object{"Destination": "${" + queue + ".Arn}"}},
	}, source.Properties)
}

func TestSweep(t *testing.T) {
	d := plain().service
	queue, _ := d.one(t, "AWS::SQS::Queue", "ProvisioningDeadLetters")
	function, _ := d.one(t, "AWS::Lambda::Function", "ProvisioningWorker")
	role, _ := d.one(t, "AWS::IAM::Role", "ProvisioningSweepRole")
	_, schedule := d.one(t, "AWS::Scheduler::Schedule", "")
	diff(t, object{
		"Description": "Finishes work that an earlier invocation left", "ScheduleExpression": "rate(5 minutes)", "ScheduleExpressionTimezone": "Etc/UTC",
		"FlexibleTimeWindow": object{"Mode": "OFF"}, "State": "ENABLED",
		"Target": object{
			"Arn": "${" + function + ".Arn}", "RoleArn": "${" + role + ".Arn}", "Input": `{"sweep":true}`,
			"DeadLetterConfig": object{"Arn": "${" + queue + ".Arn}"},
			"RetryPolicy":      object{"MaximumRetryAttempts": 3.0, "MaximumEventAgeInSeconds": 300.0},
		},
	}, schedule.Properties)
}

func TestDeadLetters(t *testing.T) {
	id, queue := plain().service.one(t, "AWS::SQS::Queue", "")
	diff(t, resource{
		Type: queue.Type, Properties: object{"MessageRetentionPeriod": 1209600.0, "SqsManagedSseEnabled": true},
		DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain",
	}, queue)
	_, policy := plain().service.one(t, "AWS::SQS::QueuePolicy", "")
	diff(t, any(list{object{
		"Effect": "Deny", "Action": "sqs:*", "Principal": object{"AWS": "*"}, "Resource": "${" + id + ".Arn}",
		"Condition": object{"Bool": object{"aws:SecureTransport": "false"}},
	}}), policy.Properties["PolicyDocument"].(object)["Statement"])
}

// The README has the alarms of the templates.
func TestAlarms(t *testing.T) {
	rows := "| alarm | metric | goes off at | meaning |\n|---|---|---|---|\n"
	for _, d := range []template{plain().service, plain().watch} {
		for _, id := range d.ids("AWS::CloudWatch::Alarm") {
			p := d.Resources[id].Properties
			sign := "≥"
			if p["Statistic"] == "SampleCount" { // an alarm on missing data
				sign = "<"
			}
			diff(t, any(map[string]string{"≥": "GreaterThanOrEqualToThreshold", "<": "LessThanThreshold"}[sign]), p["ComparisonOperator"])
			diff(t, any(map[string]string{"≥": "notBreaching", "<": "breaching"}[sign]), p["TreatMissingData"])
			rows += fmt.Sprintf("| `%s` | %s %s, %s in %v min | %s %v, %v in a row | %s |\n", strings.TrimPrefix(id[:len(id)-8], "Alarms"),
				p["Namespace"], p["MetricName"], p["Statistic"], p["Period"].(float64)/60, sign, p["Threshold"], p["EvaluationPeriods"], p["AlarmDescription"])
		}
	}
	readme(t, "alarms", rows)
}

// The README lists the types of resources of the stacks, for the deployer's permissions.
func TestREADMEListsTheResources(t *testing.T) {
	kinds := map[string]map[string]bool{}
	for _, d := range []deployment{plain(), closed(), hosting()} {
		for _, s := range []template{d.data, d.service, d.watch, d.console} {
			for _, r := range s.Resources {
				_, kind, _ := strings.Cut(r.Type, "::")
				service, kind, _ := strings.Cut(kind, "::")
				if kinds[service] == nil {
					kinds[service] = map[string]bool{}
				}
				kinds[service][kind] = true
			}
		}
	}
	rows := "| service | resources |\n|---|---|\n"
	for _, service := range slices.Sorted(maps.Keys(kinds)) {
		rows += fmt.Sprintf("| %s | %s |\n", service, strings.Join(slices.Sorted(maps.Keys(kinds[service])), ", "))
	}
	readme(t, "resources", rows)
}

// readme compares a table of the README, between two marks, with the one of the
// templates.
func readme(t *testing.T, mark, got string) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+": made from the templates by `go test ./infra -update` -->\n", "<!-- /"+mark+" -->"
	head, rest, ok := strings.Cut(string(b), begin)
	want, tail, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("README.md has no marks %s", mark)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(head+begin+got+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		want = got
	}
	diff(t, want, got)
}

// The alarms are on the functions, the queue, the API and the table of the deployment.
func TestAlarmsWatchTheDeployment(t *testing.T) {
	d := plain()
	apiFunction, _ := d.service.one(t, "AWS::Lambda::Function", "ApiFunction")
	customResource, _ := d.service.one(t, "AWS::Lambda::Function", "CustomResourceFunction")
	worker, _ := d.service.one(t, "AWS::Lambda::Function", "ProvisioningWorker")
	queue, _ := d.service.one(t, "AWS::SQS::Queue", "")
	table, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "")
	stage, _ := d.service.one(t, "AWS::ApiGateway::Stage", "")
	direct, _ := d.service.one(t, "AWS::Lambda::Function", "Direct")
	want := map[string]object{
		"ApiFunctionErrors":               {"FunctionName": "${" + apiFunction + "}"},
		"ApiFunctionThrottles":            {"FunctionName": "${" + apiFunction + "}"},
		"ApiFunctionDuration":             {"FunctionName": "${" + apiFunction + "}"},
		"CustomResourceFunctionErrors":    {"FunctionName": "${" + customResource + "}"},
		"CustomResourceFunctionThrottles": {"FunctionName": "${" + customResource + "}"},
		"CustomResourceFunctionDuration":  {"FunctionName": "${" + customResource + "}"},
		"ProvisioningErrors":              {"FunctionName": "${" + worker + "}"},
		"ProvisioningThrottles":           {"FunctionName": "${" + worker + "}"},
		"ProvisioningDuration":            {"FunctionName": "${" + worker + "}"},
		"DirectThrottles":                 {"FunctionName": "${" + direct + "}"}, // its errors are answers to callers
		"DirectDuration":                  {"FunctionName": "${" + direct + "}"},
		"StreamAge":                       {"FunctionName": "${" + worker + "}"},
		"ApiServerErrors":                 {"ApiName": "cadastre", "Stage": "${" + stage + "}"},
		"ApiUnanswered":                   {},
		"DeadLetters":                     {"QueueName": "${" + queue + ".QueueName}"},
		"TableReadThrottles":              {"TableName": "${" + table + "}"},
		"TableWriteThrottles":             {"TableName": "${" + table + "}"},

		"TableSystemErrorsBatchGetItem":       {"TableName": "${" + table + "}", "Operation": "BatchGetItem"},
		"TableSystemErrorsQuery":              {"TableName": "${" + table + "}", "Operation": "Query"},
		"TableSystemErrorsTransactWriteItems": {"TableName": "${" + table + "}", "Operation": "TransactWriteItems"},
	}
	got := map[string]object{}
	for _, id := range d.service.ids("AWS::CloudWatch::Alarm") {
		dimensions := object{}
		for _, x := range elements(d.service.Resources[id].Properties["Dimensions"]) {
			if x != nil {
				dimensions[x.(object)["Name"].(string)] = x.(object)["Value"]
			}
		}
		got[strings.TrimPrefix(id[:len(id)-8], "Alarms")] = dimensions
	}
	diff(t, want, got)
}

// Logs and queues outlive their stack, and logs have the configured retention. A
// destroyable deployment leaves nothing.
func TestRetention(t *testing.T) {
	for name, c := range map[string]struct {
		d      deployment
		policy string
		days   float64
	}{"plain": {plain(), "Retain", 90}, "closed": {closed(), "Retain", 30}, "passing": {passing(), "Delete", 90}} {
		for _, d := range []template{c.d.service, c.d.watch} {
			for _, id := range slices.Concat(d.ids("AWS::Logs::LogGroup"), d.ids("AWS::SQS::Queue")) {
				r := d.Resources[id]
				if r.DeletionPolicy != c.policy || r.UpdateReplacePolicy != c.policy {
					t.Errorf("%s: %s: %s, and %s when it is replaced, want %s", name, id, r.DeletionPolicy, r.UpdateReplacePolicy, c.policy)
				}
				if r.Type == "AWS::Logs::LogGroup" {
					diff(t, any(c.days), r.Properties["RetentionInDays"])
				}
				if strings.Contains(id, "DeadLetters") {
					diff(t, any(1209600.0), r.Properties["MessageRetentionPeriod"])
				}
			}
		}
	}
}

func TestAlarmActions(t *testing.T) {
	topic, _ := closed().service.one(t, "AWS::SNS::Topic", "Alarms") // both stacks have the same logical id
	for _, d := range []template{closed().service, closed().watch} {
		_, made := d.one(t, "AWS::SNS::Topic", "Alarms")
		_, subscription := d.one(t, "AWS::SNS::Subscription", "Alarms")
		diff(t, object{"Protocol": "email", "Endpoint": "network@example.com", "TopicArn": "${" + topic + "}"}, subscription.Properties)
		if len(made.Properties) > 0 {
			t.Errorf("the topic has %v", made.Properties)
		}
	}
	for _, c := range []struct {
		name string
		d    deployment
		want any
	}{
		{"none", plain(), nil},
		{"a mail address", closed(), list{"${" + topic + "}"}},
		{"a topic", passing(), list{"arn:aws:sns:us-east-1:000000000000:alarms"}},
	} {
		for _, s := range []template{c.d.service, c.d.watch} {
			ids := s.ids("AWS::CloudWatch::Alarm")
			if len(ids) == 0 {
				t.Fatalf("%s: there are no alarms", c.name)
			}
			for _, id := range ids {
				p := s.Resources[id].Properties
				diff(t, c.want, p["AlarmActions"])
				diff(t, c.want, p["OKActions"])
			}
		}
	}
}

// Each topic's policy admits its publisher. Without that, alarms and mails are lost
// without an error.
func TestTopicsAdmitTheirPublishers(t *testing.T) {
	statements := func(d template, id string) []any {
		for _, policy := range d.ids("AWS::SNS::TopicPolicy") {
			if p := d.Resources[policy].Properties; slices.Contains(elements(p["Topics"]), any("${"+id+"}")) {
				return p["PolicyDocument"].(object)["Statement"].([]any)
			}
		}
		t.Errorf("%s has no policy", id)
		return nil
	}
	tls := func(id string) object {
		return object{"Sid": "AllowPublishThroughSSLOnly", "Effect": "Deny", "Action": "sns:Publish", "Principal": "*", "Resource": "${" + id + "}",
			"Condition": object{"Bool": object{"aws:SecureTransport": "false"}}}
	}
	for _, d := range []template{closed().service, closed().watch} {
		id, _ := d.one(t, "AWS::SNS::Topic", "Alarms")
		diff(t, []any{tls(id), object{
			"Sid": "Alarms", "Effect": "Allow", "Action": "sns:Publish", "Resource": "${" + id + "}", "Principal": object{"Service": "cloudwatch.amazonaws.com"},
			"Condition": object{"ArnLike": object{"aws:SourceArn": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"}},
		}}, statements(d, id))
	}
	// EventBridge publishes with a role of the account, so the policy admits no service.
	id, _ := closed().watch.one(t, "AWS::SNS::Topic", "Overlaps")
	diff(t, []any{tls(id)}, statements(closed().watch, id))
	_, role := closed().watch.one(t, "AWS::IAM::Role", "OverlapsRole")
	diff(t, any(list{object{"PolicyName": "Publish", "PolicyDocument": object{"Version": "2012-10-17", "Statement": list{
		object{"Effect": "Allow", "Action": "sns:Publish", "Resource": "${" + id + "}"},
	}}}}), role.Properties["Policies"])
}

// statements calls visit for each statement of a policy in a template, with the logical
// id of its resource: of roles' trust and permissions, queues, topics, the bus, the API
// and functions.
func (t template) statements(visit func(id string, s object)) {
	var walk func(id string, value any)
	walk = func(id string, value any) {
		switch v := value.(type) {
		case []any:
			for _, x := range v {
				walk(id, x)
			}
		case object:
			if v["Effect"] != nil {
				visit(id, v)
			}
			for _, x := range v {
				walk(id, x)
			}
		}
	}
	for id, r := range t.Resources {
		if r.Type == "AWS::Lambda::Permission" {
			condition := object{}
			for _, key := range []string{"SourceArn", "SourceAccount"} {
				if v := r.Properties[key]; v != nil {
					condition["aws:"+key] = v
				}
			}
			visit(id, object{"Effect": "Allow", "Action": r.Properties["Action"], "Principal": object{"Service": r.Properties["Principal"]}, "Condition": object{"StringEquals": condition}})
			continue
		}
		walk(id, r.Properties)
	}
}

// every returns the templates of all deployments, and those that are written by hand.
func every(t *testing.T) map[string]template {
	all := map[string]template{}
	for name, d := range deployments {
		all[name+" data"], all[name+" service"], all[name+" watch"], all[name+" console"] = d().data, d().service, d().watch, d().console
	}
	paths, err := filepath.Glob("*/*.yaml")
	if err != nil || len(paths) < 5 {
		t.Fatalf("there are the templates %v, %v", paths, err)
	}
	for _, path := range paths {
		all[path] = written(t, path).template
	}
	return all
}

// A statement that admits an AWS service names the account or the resource on whose
// behalf the service calls, and one with ForAllValues refuses a missing key: otherwise a
// stranger's rule or alarm could use it. The trust of two services needs no condition:
// Lambda and API Gateway assume a role only if a principal of its account passed it
// (iam:PassRole), and no role can be passed to another account's function or API.
func TestAdmittedServices(t *testing.T) {
	passed := []any{"lambda.amazonaws.com", "apigateway.amazonaws.com"}
	services := map[any]int{}
	for name, d := range every(t) {
		d.statements(func(id string, s object) {
			condition, _ := s["Condition"].(object)
			keys := map[string]bool{}
			for operator, values := range condition {
				values, _ := values.(object)
				for key := range values {
					keys[key] = true
					if null, _ := condition["Null"].(object); strings.HasPrefix(operator, "ForAllValues:") && s["Effect"] == "Allow" && null[key] != "false" {
						t.Errorf("%s: %s: %s holds for a call without %s", name, id, operator, key)
					}
				}
			}
			principal, _ := s["Principal"].(object)
			for _, service := range elements(principal["Service"]) {
				if service == nil || s["Effect"] != "Allow" || s["Action"] == "sts:AssumeRole" && slices.Contains(passed, service) {
					continue
				}
				services[service]++
				if !keys["aws:SourceArn"] && !keys["aws:SourceAccount"] {
					t.Errorf("%s: %s admits %s on behalf of everybody", name, id, service)
				}
			}
		})
	}
	for _, service := range []string{"apigateway.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"} {
		if services[service] == 0 {
			t.Errorf("no statement admits %s; the test looks at the wrong places", service)
		}
	}
}

// The stacks have the outputs that scripts and people read.
func TestOutputs(t *testing.T) {
	own := func(tmpl template) (names []string) {
		for name := range tmpl.Outputs {
			if !strings.HasPrefix(name, "ExportsOutput") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	d := plain()
	diff(t, []string{"TableName"}, own(d.data))
	diff(t, []string{"ApiFunctionName", "ApiId", "ApiRoleArn", "ApiUrl", "CustomResourceFunctionArn", "DirectFunctionArn", "DirectFunctionName", "ProvisioningFunctionName"}, own(d.service))
	api, _ := d.service.one(t, "AWS::ApiGateway::RestApi", "Api")
	stage, _ := d.service.one(t, "AWS::ApiGateway::Stage", "Api")
	diff(t, any("https://${"+api+"}.execute-api."+region+".${AWS::URLSuffix}/${"+stage+"}"), d.service.Outputs["ApiUrl"].Value)
	diff(t, any("${"+api+"}"), d.service.Outputs["ApiId"].Value)
}

// Templates for any account and Region name no account, Region or partition.
func TestNoRegionInTheTemplates(t *testing.T) {
	b, err := json.Marshal([]template{closed().data, closed().service, closed().watch, hosting().console})
	if err != nil {
		t.Fatal(err)
	}
	without := strings.ReplaceAll(string(b), `arn:aws:iam::111122223333:role/admin`, "")             // a grant of the context
	without = strings.ReplaceAll(without, `"777788889999"`, "")                                      // an excluded account of the context
	without = strings.ReplaceAll(without, `arn:aws:acm:eu-west-1:111122223333:certificate/1a2b`, "") // a certificate of the context
	for _, m := range regexp.MustCompile(`\b[a-z]{2}-(gov-)?[a-z]+-\d\b|\barn:aws[a-z-]*:|\b\d{12}\b`).FindAllString(without, -1) {
		t.Errorf("the templates hold %s", m)
	}
}
