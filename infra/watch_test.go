//go:build !race

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Each watching role may do exactly what its bearer calls.
func TestWatchPolicies(t *testing.T) {
	d := plain()
	table, _ := d.data.one(t, "AWS::DynamoDB::GlobalTable", "Table")
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
			on("${"+table+".Arn}", store.DynamoActions...),
			on("${"+id("AWS::Logs::LogGroup", name)+".Arn}", "logs:CreateLogStream", "logs:PutLogEvents"),
			on("*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"))...)
	}
	queue := func(name string) []string {
		return on("${"+id("AWS::SQS::Queue", name+"Queue")+".Arn}", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage", "sqs:SendMessageBatch")
	}
	dispatch := func(name string) []string {
		return slices.Concat(on("${"+id("AWS::Lambda::Function", name+"Worker")+".Arn}", "lambda:InvokeFunction"), on("${"+id("AWS::SQS::Queue", name+"DeadLetters")+".Arn}", "sqs:SendMessage"))
	}
	want := map[string][]string{
		"ComplianceWorkerRole":   function("ComplianceWorker", queue("Compliance")),
		"ComplianceDispatchRole": dispatch("Compliance"),
		"DiscoveryWorkerRole":    function("DiscoveryWorker", queue("Discovery"), on("arn:${AWS::Partition}:iam::*:role/cadastre-reader", "sts:AssumeRole")),
		"DiscoveryDispatchRole":  dispatch("Discovery"),
		"HistoryRole": function("History",
			on("${"+table+".StreamArn}", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
			on("*", "dynamodb:ListStreams"),
			on("${"+id("AWS::SQS::Queue", "HistoryDeadLetters")+".Arn}", "sqs:SendMessage"),
			on("${"+id("AWS::SQS::Queue", "ComplianceQueue")+".Arn}", "sqs:SendMessage", "sqs:SendMessageBatch"),
			on("${"+id("AWS::Events::EventBus", "Bus")+".Arn}", "events:PutEvents")),
		"Reader": on("*", discover.ReaderActions...),
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
	_, reader := d.watch.one(t, "AWS::IAM::Role", "Reader")
	worker := id("AWS::IAM::Role", "DiscoveryWorkerRole")
	diff(t, any(list{object{"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": object{"AWS": "arn:${AWS::Partition}:iam::" + account + ":root"},
		"Condition": object{"ArnLike": object{"aws:PrincipalArn": list{"${" + worker + ".Arn}", "arn:${AWS::Partition}:sts::" + account + ":assumed-role/${" + worker + "}/*"}}},
	}}), reader.Properties["AssumeRolePolicyDocument"].(object)["Statement"])
}

// With the organisation's accounts, discovery reads which there are, and the bus
// takes what members forward.
func TestWatchOrganization(t *testing.T) {
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
	_, policy := d.one(t, "AWS::Events::EventBusPolicy", "")
	bus, _ := d.one(t, "AWS::Events::EventBus", "Bus")
	diff(t, any(object{"Sid": "cdk-Organization", "Effect": "Allow", "Principal": object{"AWS": "*"}, "Action": "events:PutEvents", "Resource": "${" + bus + ".Arn}",
		"Condition": object{"StringEquals": object{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}), policy.Properties["Statement"])
	if ids := plain().watch.ids("AWS::Events::EventBusPolicy"); len(ids) > 0 {
		t.Errorf("the bus of a deployment for one account is open: %v", ids)
	}
}

// Changes of networks go to the discovery function, and overlaps to who asked for
// it.
func TestWatchRules(t *testing.T) {
	d := closed().watch
	bus, _ := d.one(t, "AWS::Events::EventBus", "Bus")
	function, _ := d.one(t, "AWS::Lambda::Function", "DiscoveryWorker")
	dead, _ := d.one(t, "AWS::SQS::Queue", "DiscoveryDeadLetters")
	_, changes := d.one(t, "AWS::Events::Rule", "Changes")
	names := list{}
	for _, n := range discover.CallNames() {
		names = append(names, n)
	}
	diff(t, object{
		"Description": "Changes of live networks", "EventBusName": "${" + bus + "}", "State": "ENABLED",
		"EventPattern": object{"source": list{"aws.ec2"}, "detail-type": list{"AWS API Call via CloudTrail"},
			"detail": object{"eventSource": list{"ec2.amazonaws.com"}, "eventName": names}},
		"Targets": list{object{"Id": "Target0", "Arn": "${" + function + ".Arn}", "DeadLetterConfig": object{"Arn": "${" + dead + ".Arn}"},
			"RetryPolicy": object{"MaximumEventAgeInSeconds": 3600.0, "MaximumRetryAttempts": 3.0}}},
	}, changes.Properties)
	_, overlap := d.one(t, "AWS::Events::Rule", "OverlapDetected")
	topic, _ := d.one(t, "AWS::SNS::Topic", "Overlaps")
	diff(t, any(object{"source": list{"cadastre.ipam"}, "detail-type": list{"Overlap Detected"}}), overlap.Properties["EventPattern"])
	diff(t, any(list{object{"Id": "Target0", "Arn": "${" + topic + "}"}}), overlap.Properties["Targets"])
	if ids := plain().watch.ids("AWS::SNS::Topic"); len(ids) > 0 {
		t.Errorf("topics without an address: %v", ids)
	}
}

// The history function reads what store.HistoryFilters lets through, and gives up
// nothing in silence.
func TestWatchStream(t *testing.T) {
	d := plain()
	function, _ := d.watch.one(t, "AWS::Lambda::Function", "History")
	dead, _ := d.watch.one(t, "AWS::SQS::Queue", "HistoryDeadLetters")
	for _, id := range d.watch.ids("AWS::Lambda::EventSourceMapping") {
		p := d.watch.Resources[id].Properties
		if p["FunctionName"] != "${"+function+"}" {
			diff(t, any(1.0), p["BatchSize"])
			diff(t, any(list{"ReportBatchItemFailures"}), p["FunctionResponseTypes"])
			continue
		}
		var patterns list
		for _, f := range store.HistoryFilters() {
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, object{"Pattern": string(b)})
		}
		diff(t, any(object{"Filters": patterns}), p["FilterCriteria"])
		diff(t, any(object{"OnFailure": object{"Destination": "${" + dead + ".Arn}"}}), p["DestinationConfig"])
		diff(t, any(true), p["BisectBatchOnFunctionError"])
	}
	for _, id := range d.watch.ids("AWS::SQS::Queue") {
		p := d.watch.Resources[id].Properties
		if strings.Contains(id, "DeadLetters") {
			continue
		}
		worker, _ := d.watch.one(t, "AWS::Lambda::Function", strings.TrimSuffix(id[:len(id)-8], "Queue")+"Worker")
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
	diff(t, []string{"BusArn", "BusName", "ComplianceFunctionName", "DiscoveryFunctionName", "DiscoveryRoleArn", "HistoryFunctionName"}, names)
}

// The members' template reads and forwards what the owner account's part of the
// stack does.
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
	diff(t, []any{object{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "${BusArn}"}}, grants(m.Resources["Forwarder"]))
	_, changes := plain().watch.one(t, "AWS::Events::Rule", "Changes")
	diff(t, changes.Properties["EventPattern"], m.Resources["Changes"].Properties["EventPattern"])
	b, err := json.Marshal(m.Resources["Reader"].Properties["AssumeRolePolicyDocument"])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); !strings.Contains(got, "aws:PrincipalArn") || !strings.Contains(got, "DiscoveryRoleArn") {
		t.Errorf("the reader trusts %s", got)
	}
}
