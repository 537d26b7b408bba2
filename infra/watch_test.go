//go:build !race

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/infra/stacks"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// Each role of the watch stack has exactly the permissions for the calls of its function.
func TestWatchPolicies(t *testing.T) {
	d := plain()
	db, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	id := func(kind, prefix string) string {
		id, _ := d.watch.one(t, kind, prefix)
		return id
	}
	on := func(resource string, actions ...string) (grants []string) {
		for _, a := range actions {
			grants = append(grants, a+" on "+resource)
		}
		return grants
	}
	function := func(name string, more ...[]string) []string {
		return slices.Concat(append(more,
			on("${"+db+".Arn}", table.DynamoActions...),
			on("${"+id("AWS::Logs::LogGroup", name)+".Arn}", "logs:CreateLogStream", "logs:PutLogEvents"),
			on("*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"))...)
	}
	receive := func(name string) []string {
		return on("${"+id("AWS::SQS::Queue", name+"Queue")+".Arn}", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
	}
	queue := func(name string) []string {
		return append(receive(name), on("${"+id("AWS::SQS::Queue", name+"Queue")+".Arn}", "sqs:SendMessage")...)
	}
	dispatch := func(name string) []string {
		return slices.Concat(on("${"+id("AWS::Lambda::Function", name+"Worker")+".Arn}", "lambda:InvokeFunction"), on("${"+id("AWS::SQS::Queue", name+"DeadLetters")+".Arn}", "sqs:SendMessage"))
	}
	want := map[string][]string{
		"ComplianceWorkerRole":   function("ComplianceWorker", queue("Compliance")),
		"ComplianceDispatchRole": dispatch("Compliance"),
		"DiscoveryWorkerRole":    function("DiscoveryWorker", queue("Discovery"), receive("ChangeEvents"), on("arn:${AWS::Partition}:iam::*:role/cadastre-reader", "sts:AssumeRole")),
		"DiscoveryDispatchRole":  dispatch("Discovery"),
		"HistoryRole": function("History",
			on("${"+db+".StreamArn}", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
			on("*", "dynamodb:ListStreams"),
			on("${"+id("AWS::SQS::Queue", "HistoryDeadLetters")+".Arn}", "sqs:SendMessage"),
			on("${"+id("AWS::SQS::Queue", "ComplianceQueue")+".Arn}", "sqs:SendMessage"),
			on("${"+id("AWS::Events::EventBus", "Bus")+".Arn}", "events:PutEvents")),
		"RequestsRole":  function("Requests", receive("RequestEvents")),
		"Reader":        on("*", discover.ReaderActions...),
		"ForwarderRole": on("${"+id("AWS::Events::EventBus", "Bus")+".Arn}", "events:PutEvents"),
	}
	got := map[string][]string{}
	for _, id := range d.watch.ids("AWS::IAM::Role") {
		var grants []string
		for _, p := range d.watch.Resources[id].Properties["Policies"].([]any) {
			for _, s := range p.(object)["PolicyDocument"].(object)["Statement"].([]any) {
				for _, a := range elements(s.(object)["Action"]) {
					for _, res := range elements(s.(object)["Resource"]) {
						grants = append(grants, fmt.Sprintf("%s on %s", a, res))
					}
				}
			}
		}
		name := id[:len(id)-8]
		slices.Sort(grants)
		slices.Sort(want[name])
		got[name] = grants
	}
	diff(t, want, got)
	for _, name := range []string{"Compliance", "Discovery"} {
		_, role := d.watch.one(t, "AWS::IAM::Role", name+"DispatchRole")
		diff(t, any(list{object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "scheduler.amazonaws.com"},
			"Condition": object{"StringEquals": object{"aws:SourceAccount": account}}}}), role.Properties["AssumeRolePolicyDocument"].(object)["Statement"])
	}
	_, reader := d.watch.one(t, "AWS::IAM::Role", "Reader")
	worker := id("AWS::IAM::Role", "DiscoveryWorkerRole")
	diff(t, any(list{object{"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": object{"AWS": "arn:${AWS::Partition}:iam::" + account + ":root"},
		"Condition": object{"ArnLike": object{"aws:PrincipalArn": list{"${" + worker + ".Arn}", "arn:${AWS::Partition}:sts::" + account + ":assumed-role/${" + worker + "}/*"}}},
	}}), reader.Properties["AssumeRolePolicyDocument"].(object)["Statement"])
}

// With accounts set to organization, discovery may list the accounts. The bus admits
// EC2's events and requests for CIDRs from the members, and no other event.
func TestWatchMembers(t *testing.T) {
	d := closed().watch
	_, role := d.one(t, "AWS::IAM::Role", "DiscoveryWorkerRole")
	b, err := json.Marshal(role.Properties["Policies"])
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range discover.OrganizationActions {
		if !strings.Contains(string(b), a) {
			t.Errorf("discovery may not call %s", a)
		}
	}
	// CloudFormation adds the statements one after the other, since EventBridge keeps
	// them in one policy. Their ids are unique in the account and Region.
	admitted := func(d template) any {
		all := list{}
		ids := d.ids("AWS::Events::EventBusPolicy")
		for i, id := range ids {
			p := d.Resources[id].Properties
			diff(t, p["Statement"].(object)["Sid"], p["StatementId"])
			if i > 0 && !slices.Contains(elements(d.Resources[id].DependsOn), any(ids[i-1])) {
				t.Errorf("%s does not wait for %s", id, ids[i-1])
			}
			all = append(all, p["Statement"])
		}
		return all
	}
	bus, _ := d.one(t, "AWS::Events::EventBus", "Bus")
	statements := func(deployment, sid string, principal any, equal object) any {
		statement := func(sid string, condition object) any {
			condition["Null"] = object{"events:source": "false"}
			return object{"Sid": "cdk-" + deployment + "-" + sid, "Effect": "Allow", "Principal": object{"AWS": principal}, "Action": "events:PutEvents", "Resource": "${" + bus + ".Arn}", "Condition": condition}
		}
		forwarded := object{"ForAllValues:StringEquals": object{"events:source": "aws.ec2"}}
		if len(equal) > 0 {
			forwarded["StringEquals"] = equal
		}
		asking := maps.Clone(equal)
		asking["events:detail-type"] = "CIDR Requested"
		return list{statement(sid, forwarded), statement(sid+"Requests", object{
			"ForAllValues:StringNotEquals": object{"events:source": "cadastre.ipam"}, "StringEquals": asking,
		})}
	}
	diff(t, statements("ipam", "Organization", "*", object{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}), admitted(d))
	root := func(account string) any { return "arn:${AWS::Partition}:iam::" + account + ":root" }
	diff(t, statements("cadastre", "Accounts", list{root("111122223333"), root("444455556666")}, object{}), admitted(passing().watch))
	if ids := plain().watch.ids("AWS::Events::EventBusPolicy"); len(ids) > 0 {
		t.Errorf("the bus of a deployment for one account is open: %v", ids)
	}
}

// The rules send changes by EC2 to the queue of the discovery function, and overlaps to the
// configured address.
func TestWatchRules(t *testing.T) {
	d := closed().watch
	bus, _ := d.one(t, "AWS::Events::EventBus", "Bus")
	queue, _ := d.one(t, "AWS::SQS::Queue", "ChangeEventsQueue")
	dead, _ := d.one(t, "AWS::SQS::Queue", "ChangesDeadLetters")
	rule, changes := d.one(t, "AWS::Events::Rule", "Changes")
	names := list{}
	for _, n := range discover.CallNames() {
		if n != "CreateTags" && n != "DeleteTags" {
			names = append(names, n)
		}
	}
	diff(t, object{
		"Description": "Changes of VPCs, subnets and addresses", "EventBusName": "${" + bus + "}", "State": "ENABLED",
		"EventPattern": object{"source": list{"aws.ec2"}, "detail-type": list{"AWS API Call via CloudTrail"},
			"detail": object{"eventSource": list{"ec2.amazonaws.com"}, "$or": list{
				object{"eventName": names},
				object{"eventName": list{"CreateTags", "DeleteTags"}, "requestParameters": object{"resourcesSet": object{"items": object{"resourceId": list{
					object{"prefix": "eipalloc-"}, object{"prefix": "eni-"}, object{"prefix": "ipv4pool-ec2-"}, object{"prefix": "subnet-"}, object{"prefix": "vpc-"},
				}}}}},
			}}},
		"Targets": list{object{"Id": "Target0", "Arn": "${" + queue + ".Arn}", "DeadLetterConfig": object{"Arn": "${" + dead + ".Arn}"}}},
	}, changes.Properties)
	// A rule's pattern has at most 2,048 characters (Amazon EventBridge User Guide, "Quotas").
	if b, err := json.Marshal(changes.Properties["EventPattern"]); err != nil || len(b) > 2048 {
		t.Errorf("the pattern has %d characters, %v", len(b), err)
	}
	sends(t, d, queue, rule)
	// EC2's events of the account itself arrive on its default bus.
	forwarder, _ := d.one(t, "AWS::IAM::Role", "ForwarderRole")
	_, own := d.one(t, "AWS::Events::Rule", "Forwarder")
	diff(t, object{
		"Description": "Forwards changes of VPCs, subnets and addresses to Cadastre", "State": "ENABLED", "EventPattern": changes.Properties["EventPattern"],
		"Targets": list{object{"Id": "Target0", "Arn": "${" + bus + ".Arn}", "RoleArn": "${" + forwarder + ".Arn}"}},
	}, own.Properties)
	_, overlap := d.one(t, "AWS::Events::Rule", "OverlapDetected")
	topic, _ := d.one(t, "AWS::SNS::Topic", "Overlaps")
	diff(t, any(object{"source": list{"cadastre.ipam"}, "detail-type": list{"Overlap Detected"}}), overlap.Properties["EventPattern"])
	role, _ := d.one(t, "AWS::IAM::Role", "OverlapsRole")
	diff(t, any(list{object{"Id": "Target0", "Arn": "${" + topic + "}", "RoleArn": "${" + role + ".Arn}"}}), overlap.Properties["Targets"])
	_, subscription := d.one(t, "AWS::SNS::Subscription", "Overlaps")
	diff(t, object{"Protocol": "email", "Endpoint": "network@example.com", "TopicArn": "${" + topic + "}"}, subscription.Properties)
	if ids := plain().watch.ids("AWS::SNS::Topic"); len(ids) > 0 {
		t.Errorf("topics without an address: %v", ids)
	}
}

// sends checks that the queue's policy admits EventBridge for the rule alone.
func sends(t *testing.T, d template, queue, rule string) {
	t.Helper()
	for _, id := range d.ids("AWS::SQS::QueuePolicy") {
		p := d.Resources[id].Properties
		if !slices.Contains(elements(p["Queues"]), any("${"+queue+"}")) {
			continue
		}
		for _, s := range p["PolicyDocument"].(object)["Statement"].([]any) {
			if s := s.(object); s["Effect"] == "Allow" {
				diff(t, object{
					"Effect": "Allow", "Principal": object{"Service": "events.amazonaws.com"}, "Resource": "${" + queue + ".Arn}",
					"Action": list{"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}, "Condition": object{"ArnEquals": object{"aws:SourceArn": "${" + rule + ".Arn}"}},
				}, s)
				return
			}
		}
	}
	t.Errorf("no policy lets EventBridge send to %s", queue)
}

// The rule sends requests on the bus to the queue of the function for requests. It
// leaves out events of Cadastre's own source. No permission lets anybody invoke a
// function of the stack: queues and schedules do it with roles.
func TestWatchRequests(t *testing.T) {
	d := plain().watch
	bus, _ := d.one(t, "AWS::Events::EventBus", "Bus")
	queue, _ := d.one(t, "AWS::SQS::Queue", "RequestEventsQueue")
	dead, _ := d.one(t, "AWS::SQS::Queue", "RequestsDeadLetters")
	rule, requested := d.one(t, "AWS::Events::Rule", "Requested")
	diff(t, object{
		"Description": "Requests for CIDRs", "EventBusName": "${" + bus + "}", "State": "ENABLED",
		"EventPattern": object{"source": list{object{"anything-but": list{"cadastre.ipam"}}}, "detail-type": list{"CIDR Requested"}},
		"Targets":      list{object{"Id": "Target0", "Arn": "${" + queue + ".Arn}", "DeadLetterConfig": object{"Arn": "${" + dead + ".Arn}"}}},
	}, requested.Properties)
	sends(t, d, queue, rule)
	for _, kind := range []string{"AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"} {
		if ids := d.ids(kind); len(ids) > 0 {
			t.Errorf("there are %s: %v", kind, ids)
		}
	}
}

// Each queue has a limit of concurrency that leaves the rest to the API, by default and
// as configured. Lambda gathers EC2's events, and repeats only messages that failed.
func TestQueuesLeaveConcurrency(t *testing.T) {
	mapping := func(batch, concurrency float64) object {
		return object{"BatchSize": batch, "FunctionResponseTypes": list{"ReportBatchItemFailures"}, "ScalingConfig": object{"MaximumConcurrency": concurrency}}
	}
	for _, c := range []struct {
		name                                                            string
		d                                                               deployment
		discovery, changes, compliance, requests, provisioning, history float64
	}{
		{"the owner account", plain(), 2, 2, 2, 2, 2, 1},
		{"an organisation, with a member of concurrency", closed(), 50, 5, 5, 2, 10, 1},
		{"some accounts", passing(), 20, 5, 5, 2, 10, 1},
	} {
		got := map[string]any{}
		streams := map[string]float64{}
		for _, d := range []template{c.d.service, c.d.watch} {
			for _, id := range d.ids("AWS::Lambda::EventSourceMapping") {
				p := maps.Clone(d.Resources[id].Properties)
				source := strings.Trim(p["EventSourceArn"].(string), "${}")
				if strings.Contains(source, "Stream") {
					factor, _ := p["ParallelizationFactor"].(float64)
					streams[strings.Trim(p["FunctionName"].(string), "${}")[:4]] = max(factor, 1)
					continue
				}
				delete(p, "EventSourceArn")
				delete(p, "FunctionName")
				got[source[:strings.Index(source, "Queue")]] = p
			}
		}
		changes := mapping(500, c.changes)
		changes["MaximumBatchingWindowInSeconds"] = 3.0
		diff(t, map[string]any{
			"Discovery": mapping(1, c.discovery), "ChangeEvents": changes, "Compliance": mapping(1, c.compliance), "RequestEvents": mapping(10, c.requests),
		}, got)
		diff(t, map[string]float64{"Prov": c.provisioning, "Hist": c.history}, streams)
		// The documentation and `make limits` count these.
		total := c.discovery + c.changes + c.compliance + c.requests + c.provisioning + c.history
		if want := map[string]float64{"the owner account": 11, "an organisation, with a member of concurrency": 73, "some accounts": 43}[c.name]; total != want {
			t.Errorf("%s: %v invocations at one time, want %v", c.name, total, want)
		}
	}
}

// The README has the limits of concurrency and their defaults.
func TestREADMEListsTheConcurrency(t *testing.T) {
	few, many := stacks.DefaultConcurrency(false), stacks.DefaultConcurrency(true)
	rows := "| member | limits | default | default with `accounts` |\n|---|---|---|---|\n"
	for _, r := range []struct {
		name, limits string
		few, many    int
	}{
		{"`discovery`", "reads of an account and Region by the schedule", few.Discovery, many.Discovery},
		{"`changes`", "batches of EC2's events; a batch has the events of 3 seconds", few.Changes, many.Changes},
		{"`compliance`", "scans of a scope", few.Compliance, many.Compliance},
		{"`requests`", "batches of up to 10 requests on the bus", few.Requests, many.Requests},
		{"`provisioning`", "batches of work of more than one transaction, for each shard of the table's stream", few.Provisioning, many.Provisioning},
		{"(history)", "batches of the table's stream, for each shard", 1, 1},
		{"together", "", few.Total(), many.Total()},
	} {
		rows += fmt.Sprintf("| %s | %s | %d | %d |\n", r.name, r.limits, r.few, r.many)
	}
	readme(t, "concurrency", rows)
}

// Lambda lets the function continue the scan of a large scope through its own queue. It
// stops every other function that invokes itself again and again.
func TestRecursion(t *testing.T) {
	for name, d := range deployments {
		for _, s := range []template{d().service, d().watch} {
			for _, id := range s.ids("AWS::Lambda::Function") {
				want := any(nil)
				if strings.HasPrefix(id, "ComplianceWorker") {
					want = "Allow"
				}
				if got := s.Resources[id].Properties["RecursiveLoop"]; got != want {
					t.Errorf("%s: %s has RecursiveLoop %v, want %v", name, id, got, want)
				}
			}
		}
	}
}

// The history function reads the records that the store's filters admit, and a record
// that it gives up is a dead letter.
func TestWatchStream(t *testing.T) {
	d := plain()
	function, _ := d.watch.one(t, "AWS::Lambda::Function", "History")
	dead, _ := d.watch.one(t, "AWS::SQS::Queue", "HistoryDeadLetters")
	table, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
	for _, id := range d.watch.ids("AWS::Lambda::EventSourceMapping") {
		p := d.watch.Resources[id].Properties
		if p["FunctionName"] != "${"+function+"}" {
			continue
		}
		var patterns list
		for _, f := range items.HistoryFilters() {
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, object{"Pattern": string(b)})
		}
		// History lacks a record that the function gives up. So Lambda retries while
		// the stream has the record, and retries only the records that failed.
		diff(t, object{
			"EventSourceArn":             "${" + table + ".StreamArn}",
			"FunctionName":               "${" + function + "}",
			"StartingPosition":           "TRIM_HORIZON",
			"BatchSize":                  100.0,
			"FilterCriteria":             object{"Filters": patterns},
			"FunctionResponseTypes":      list{"ReportBatchItemFailures"},
			"BisectBatchOnFunctionError": true,
			"MaximumRetryAttempts":       100.0,
			"DestinationConfig":          object{"OnFailure": object{"Destination": "${" + dead + ".Arn}"}},
		}, p)
	}
	for _, id := range d.watch.ids("AWS::SQS::Queue") {
		p := d.watch.Resources[id].Properties
		if strings.Contains(id, "DeadLetters") {
			continue
		}
		of := map[string]string{"Compliance": "ComplianceWorker", "Discovery": "DiscoveryWorker", "ChangeEvents": "DiscoveryWorker", "RequestEvents": "Requests"}
		worker, _ := d.watch.one(t, "AWS::Lambda::Function", of[strings.TrimSuffix(id[:len(id)-8], "Queue")])
		diff(t, any(6*d.watch.Resources[worker].Properties["Timeout"].(float64)), p["VisibilityTimeout"])
		diff(t, any(5.0), p["RedrivePolicy"].(object)["maxReceiveCount"])
	}
}

func TestWatchOutputs(t *testing.T) {
	var names []string
	for name := range plain().watch.Outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	diff(t, []string{"BusArn", "BusName", "ComplianceFunctionName", "DiscoveryFunctionName", "DiscoveryQueueUrl", "DiscoveryRoleArn",
		"HistoryFunctionName", "RequestsFunctionName"}, names)
}

// The members' template has the same roles and the same rule as the owner account.
func TestMember(t *testing.T) {
	m := written(t, "templates/member.yaml")
	diff(t, []string{"AWS::Events::Rule", "AWS::IAM::Role"}, kinds(m.template))
	_, reader := plain().watch.one(t, "AWS::IAM::Role", "Reader")
	grants := func(r resource) (all []any) {
		for _, p := range r.Properties["Policies"].([]any) {
			all = append(all, p.(object)["PolicyDocument"].(object)["Statement"].([]any)...)
		}
		return all
	}
	diff(t, grants(reader), grants(m.Resources["Reader"]))
	_, vending := plain().service.one(t, "AWS::IAM::Role", "Vending")
	b, err := json.Marshal(grants(vending))
	if err != nil {
		t.Fatal(err)
	}
	var vends []any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(b), account, "${AWS::AccountId}")), &vends); err != nil {
		t.Fatal(err)
	}
	diff(t, vends, grants(m.Resources["Vending"]))
	diff(t, []any{object{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "${BusArn}"}}, grants(m.Resources["Forwarder"]))
	_, forwarder := plain().watch.one(t, "AWS::IAM::Role", "ForwarderRole")
	trust := func(r resource) any { return r.Properties["AssumeRolePolicyDocument"].(object)["Statement"] }
	events := object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "events.amazonaws.com"}}
	for of, r := range map[string]resource{account: forwarder, "${AWS::AccountId}": m.Resources["Forwarder"]} {
		events["Condition"] = object{"StringEquals": object{"aws:SourceAccount": of}}
		diff(t, any(list{events}), trust(r))
	}
	_, changes := plain().watch.one(t, "AWS::Events::Rule", "Changes")
	diff(t, object{
		"Description": "Forwards changes of VPCs, subnets and addresses to Cadastre", "EventPattern": changes.Properties["EventPattern"],
		"Targets": list{object{"Id": "Cadastre", "Arn": "${BusArn}", "RoleArn": "${Forwarder.Arn}"}},
	}, m.Resources["Changes"].Properties)
	// The trust policies have the account and the name of the function's role.
	for _, c := range []struct {
		role, name, trusted, condition string
		action                         any
	}{
		{"Reader", "${ReaderRoleName}", "${DiscoveryRoleArn}", "MakesRole", "sts:AssumeRole"},
		{"Vending", "${VendingRoleName}", "${ApiRoleArn}", "MakesVending", list{"sts:AssumeRole", "sts:SetSourceIdentity"}},
	} {
		owner := object{"Owner": list{4.0, list{":", c.trusted}}}
		session := object{"Owner": owner["Owner"], "Name": list{1.0, list{"/", c.trusted}}}
		diff(t, any(list{object{"Effect": "Allow", "Action": c.action,
			"Principal": object{"AWS": list{"arn:${AWS::Partition}:iam::${Owner}:root", owner}},
			"Condition": object{"ArnLike": object{"aws:PrincipalArn": list{
				c.trusted, list{"arn:${AWS::Partition}:sts::${Owner}:assumed-role/${Name}/*", session},
			}}},
		}}), trust(m.Resources[c.role]))
		diff(t, any(c.name), m.Resources[c.role].Properties["RoleName"])
		diff(t, c.condition, m.Resources[c.role].Condition)
	}
	// Roles belong to an account, so one Region makes them.
	diff(t, object{
		"MakesRole": list{"!Or",
			list{"!Equals", "${ReaderRole}", "yes"},
			list{"!And", list{"!Equals", "${ReaderRole}", "auto"}, list{"!Equals", "${AWS::Region}", "${HomeRegion}"}},
		},
		"MakesVending": list{"!And", "${MakesRole}", list{"!Not", list{"!Equals", "${ApiRoleArn}", ""}}},
	}, m.Conditions)
	diff(t, "", m.Resources["Forwarder"].Condition+m.Resources["Changes"].Condition)
}

// The functions of the watch stack have these settings, and these variables besides
// those that all functions have.
func TestWatchFunctions(t *testing.T) {
	for _, c := range []struct {
		name                                                          string
		d                                                             deployment
		accounts, excluded, role, readers, metrics, architecture, bus string
	}{
		{"plain", plain(), "", "", "cadastre-reader", "3", "false", "arm64", "cadastre"},
		{"closed", closed(), "organization", "777788889999", "ipam-reader", "6", "true", "arm64", "ipam"},
		{"passing", passing(), "111122223333,444455556666", "", "cadastre-reader", "6", "false", "x86_64", "cadastre"},
	} {
		id := func(kind, prefix string) string {
			id, _ := c.d.watch.one(t, kind, prefix)
			return "${" + id + "}"
		}
		_, bus := c.d.watch.one(t, "AWS::Events::EventBus", "Bus")
		diff(t, any(c.bus), bus.Properties["Name"])
		compliance, discovery := id("AWS::SQS::Queue", "ComplianceQueue"), id("AWS::SQS::Queue", "DiscoveryQueue")
		for _, f := range []struct {
			id, description string
			seconds         float64
			environment     object
		}{
			{"ComplianceWorker", "Scans scopes and writes their metrics", 600, object{"CADASTRE_COMPLIANCE_QUEUE": compliance, "CADASTRE_RESOURCE_METRICS": c.metrics, "CADASTRE_FORECAST_DAYS": "30"}},
			{"DiscoveryWorker", "Reads the VPCs, subnets and addresses of the accounts", 300, object{"CADASTRE_DISCOVERY_QUEUE": discovery, "CADASTRE_ACCOUNTS": c.accounts, "CADASTRE_EXCLUDED_ACCOUNTS": c.excluded, "CADASTRE_READER_ROLE": c.role, "CADASTRE_READERS": c.readers}},
			{"History", "Writes history, and events of changes", 120, object{"CADASTRE_BUS": id("AWS::Events::EventBus", "Bus"), "CADASTRE_COMPLIANCE_QUEUE": compliance}},
			{"Requests", "Answers requests on the event bus", 60, withOrganization(c.name, object{"CADASTRE_DOOR": "events"})},
		} {
			t.Run(c.name+" "+f.id, func(t *testing.T) {
				_, got := c.d.watch.one(t, "AWS::Lambda::Function", f.id)
				_, other := c.d.service.one(t, "AWS::Lambda::Function", "ProvisioningWorker")
				common := other.Properties["Environment"].(object)["Variables"].(object)
				environment := maps.Clone(got.Properties["Environment"].(object)["Variables"].(object))
				for name, value := range common {
					diff(t, value, environment[name])
					delete(environment, name)
				}
				diff(t, f.environment, environment)
				diff(t, object{"Description": f.description, "Timeout": f.seconds, "MemorySize": 512.0, "Architectures": list{c.architecture}}, object{
					"Description": got.Properties["Description"], "Timeout": got.Properties["Timeout"], "MemorySize": got.Properties["MemorySize"], "Architectures": got.Properties["Architectures"],
				})
				diff(t, any(id("AWS::IAM::Role", f.id)[:len(id("AWS::IAM::Role", f.id))-1]+".Arn}"), got.Properties["Role"])
			})
		}
	}
}

// Schedules start discovery of all accounts and a scan of all scopes.
func TestWatchSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		d     template
		every int
	}{"Discovery": {closed().watch, 40}, "Compliance": {plain().watch, 15}} {
		function, _ := c.d.one(t, "AWS::Lambda::Function", name+"Worker")
		role, _ := c.d.one(t, "AWS::IAM::Role", name+"DispatchRole")
		dead, _ := c.d.one(t, "AWS::SQS::Queue", name+"DeadLetters")
		_, schedule := c.d.one(t, "AWS::Scheduler::Schedule", name)
		diff(t, any(fmt.Sprintf("rate(%d minutes)", c.every)), schedule.Properties["ScheduleExpression"])
		diff(t, any("ENABLED"), schedule.Properties["State"])
		diff(t, any(object{
			"Arn": "${" + function + ".Arn}", "RoleArn": "${" + role + ".Arn}", "Input": `{"dispatch":true}`,
			"DeadLetterConfig": object{"Arn": "${" + dead + ".Arn}"},
			"RetryPolicy":      object{"MaximumRetryAttempts": 3.0, "MaximumEventAgeInSeconds": 60.0 * float64(c.every)},
		}), schedule.Properties["Target"])
	}
}

// The alarms of the watch stack are on its functions and queues, and on metrics without
// dimensions.
func TestWatchAlarms(t *testing.T) {
	d := plain().watch
	want := map[string]object{}
	for name, function := range map[string]string{"Compliance": "ComplianceWorker", "Discovery": "DiscoveryWorker", "History": "History", "Requests": "Requests"} {
		id, _ := d.one(t, "AWS::Lambda::Function", function)
		for _, of := range []string{"Errors", "Throttles", "Duration"} {
			want[name+of] = object{"FunctionName": "${" + id + "}"}
		}
		queue, _ := d.one(t, "AWS::SQS::Queue", name+"DeadLetters")
		want[name+"DeadLetters"] = object{"QueueName": "${" + queue + ".QueueName}"}
	}
	want["HistoryStreamAge"] = want["HistoryErrors"]
	dead, _ := d.one(t, "AWS::SQS::Queue", "ChangesDeadLetters")
	want["ChangesDeadLetters"] = object{"QueueName": "${" + dead + ".QueueName}"}
	for name, queue := range map[string]string{"Compliance": "Compliance", "Discovery": "Discovery", "Changes": "ChangeEvents", "Requests": "RequestEvents"} {
		queue, _ := d.one(t, "AWS::SQS::Queue", queue+"Queue")
		want[name+"Backlog"] = object{"QueueName": "${" + queue + ".QueueName}"}
	}
	want["ComplianceStopped"] = object{"Operation": telemetry.DispatchScans}
	want["DiscoveryStopped"] = object{"Operation": telemetry.DispatchDiscovery}
	for _, g := range []*telemetry.Group{telemetry.Totals, telemetry.Discoveries} {
		for _, m := range g.Metrics {
			want[m.Name] = object{}
		}
	}
	got := map[string]object{}
	for _, id := range d.ids("AWS::CloudWatch::Alarm") {
		dimensions := object{}
		for _, x := range elements(d.Resources[id].Properties["Dimensions"]) {
			if x != nil {
				dimensions[x.(object)["Name"].(string)] = x.(object)["Value"]
			}
		}
		got[strings.TrimPrefix(id[:len(id)-8], "Alarms")] = dimensions
	}
	diff(t, want, got)
	// A backlog is a queue that is never empty while new work comes twice. A message that
	// failed is in no period's minimum of waiting messages.
	for name, periods := range map[string]float64{"ComplianceBacklog": 6, "DiscoveryBacklog": 16, "ChangesBacklog": 2, "RequestsBacklog": 2} {
		_, alarm := closed().watch.one(t, "AWS::CloudWatch::Alarm", "Alarms"+name)
		p := alarm.Properties
		diff(t, list{"ApproximateNumberOfMessagesVisible", "Minimum", 300.0, 1.0, periods}, list{p["MetricName"], p["Statistic"], p["Period"], p["Threshold"], p["EvaluationPeriods"]})
	}
	// A late scan or run does not reset an alarm on its results. An alarm on a stopped
	// schedule checks each time that is due.
	for name, seconds := range map[string]float64{"PoolsOverThreshold": 1800, "OverlappingResourceCidrsTotal": 1800, "ExposedResourceCidrsTotal": 1800, "DiscoveryFailures": 4800, "ComplianceStopped": 900, "DiscoveryStopped": 2400} {
		_, alarm := closed().watch.one(t, "AWS::CloudWatch::Alarm", "Alarms"+name)
		diff(t, any(seconds), alarm.Properties["Period"])
	}
}

// The dashboard shows every metric that the deployment writes, by its dimensions, and no
// other. Gauges have the period of the scans; counts and durations a shorter one.
func TestDashboard(t *testing.T) {
	_, own := plain().watch.one(t, "AWS::CloudWatch::Dashboard", "")
	diff(t, any("cadastre-"+region), own.Properties["DashboardName"])
	shown := func(m telemetry.Metric) string {
		switch m.Name {
		case "Requests":
			return "Sum 300"
		case "Duration":
			return "p95 300"
		case "OverlappingResourceCidrsTotal", "PoolsOverThreshold", "ExposedResourceCidrsTotal", "DiscoveryFailures":
			return "Sum 900"
		}
		return "Maximum 900"
	}
	for name, d := range deployments {
		_, dashboard := d().watch.one(t, "AWS::CloudWatch::Dashboard", "")
		var body struct {
			Widgets []struct {
				Properties struct{ Metrics [][]any }
			}
		}
		if err := json.Unmarshal([]byte(dashboard.Properties["DashboardBody"].(string)), &body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, health := map[string]int{}, 0
		for _, w := range body.Widgets {
			for _, m := range w.Properties.Metrics {
				if e, ok := m[0].(object); ok {
					got[e["expression"].(string)]++
				} else if m[0] == telemetry.Namespace {
					o := m[2].(object)
					got[fmt.Sprintf("%s %s %v", m[1], o["stat"], o["period"])]++
				} else {
					health++
				}
			}
		}
		want := map[string]int{}
		for _, g := range telemetry.Groups() {
			for _, m := range g.Metrics {
				switch {
				case g.Optional && name != "closed": // only closed has metrics of resources
				case len(g.Dimensions) == 0:
					want[m.Name+" "+shown(m)] = 1
				default:
					statistic, seconds, _ := strings.Cut(shown(m), " ")
					want[fmt.Sprintf(`SEARCH('{"Cadastre/IPAM",%s} MetricName="%s"', '%s', %s)`, strings.Join(g.Dimensions, ","), m.Name, statistic, seconds)] = 1
				}
			}
		}
		diff(t, want, got)
		if health == 0 {
			t.Errorf("%s: the dashboard does not show the health of the functions", name)
		}
	}
}
