package stacks

import (
	"maps"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/infra/constructs/alarms"
	"github.com/cadastre-ipam/cadastre/infra/constructs/dashboard"
	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/member"
	"github.com/cadastre-ipam/cadastre/infra/constructs/queued"
	"github.com/cadastre-ipam/cadastre/infra/constructs/schedule"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// scanMinutes is the time between two scans of a scope.
const scanMinutes = 15

// watch is the watch stack while it is made.
type watch struct {
	stack       awscdk.Stack
	props       *ServiceProps
	bus         awsevents.EventBus
	compliance  *queued.Queued
	discovery   *queued.Queued
	history     *gofunction.Function
	historyDead awssqs.Queue // stream records that the history function failed on too often
	requests    *gofunction.Function
	unanswered  awssqs.Queue // requests that have no answer
}

// NewWatch makes the stack of discovery, compliance, history, the event bus, and the
// function for requests on the bus. Its outputs are BusName, BusArn,
// ComplianceFunctionName, DiscoveryFunctionName, DiscoveryQueueUrl, DiscoveryRoleArn,
// HistoryFunctionName and RequestsFunctionName.
func NewWatch(scope constructs.Construct, id string, props *ServiceProps) awscdk.Stack {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	w := &watch{stack: stack, props: props, bus: awsevents.NewEventBus(stack, jsii.String("Bus"), &awsevents.EventBusProps{EventBusName: &props.Name})}
	admitMembers(w.bus, props)
	w.addCompliance()
	w.addDiscovery()
	w.addHistory()
	w.requests, w.unanswered = newRequests(stack, props, w.bus)
	w.addOverlapMail()
	w.addAlarms()
	w.addDashboard()
	output(stack, "BusName", w.bus.EventBusName(), "The event bus of Cadastre")
	output(stack, "BusArn", w.bus.EventBusArn(), "The bus to which member accounts forward EC2's events")
	output(stack, "ComplianceFunctionName", w.compliance.Function.Lambda.FunctionName(), "The function that scans scopes")
	output(stack, "DiscoveryFunctionName", w.discovery.Function.Lambda.FunctionName(), "The function that reads the accounts' networks")
	output(stack, "DiscoveryQueueUrl", w.discovery.Queue.QueueUrl(), "The queue of accounts and Regions that discovery is to read")
	output(stack, "DiscoveryRoleArn", w.discovery.Function.Role.RoleArn(), "The role that the members' reader roles trust")
	output(stack, "HistoryFunctionName", w.history.Lambda.FunctionName(), "The function that reads the table's stream and writes history and events")
	output(stack, "RequestsFunctionName", w.requests.Lambda.FunctionName(), "The function that answers requests on the bus")
	return stack
}

// minutes returns a duration of n minutes.
func minutes(n float64) awscdk.Duration { return awscdk.Duration_Minutes(&n) }

// allow returns a statement that allows actions on one resource.
func allow(resource string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings(actions...), Resources: &[]*string{&resource}})
}

// addCompliance makes the function that scans scopes, its queue and its schedule.
func (w *watch) addCompliance() {
	w.compliance = queued.NewQueued(w.stack, "Compliance", &queued.Props{
		Function:    functionOf(w.stack, w.props, complianceFunctionName, "Scans scopes and writes their metrics", 512, minutes(10)),
		Variable:    lambdakit.EnvComplianceQueue,
		Every:       minutes(scanMinutes),
		Description: "Starts a scan of every scope",
		Environment: map[string]string{lambdakit.EnvResourceMetrics: strconv.FormatBool(w.props.ResourceMetrics)},
		Removal:     w.props.removal(),
	})
}

// addDiscovery makes the function that reads the accounts' networks, its queue, its
// schedule and its rule on the bus, and the reader role and the forwarding rule of
// the owner account.
func (w *watch) addDiscovery() {
	role := "arn:" + *w.stack.Partition() + ":iam::*:role/" + w.props.ReaderRole
	statements := map[string]awsiam.PolicyStatement{"Accounts": allow(role, "sts:AssumeRole")}
	if w.props.Accounts == discover.EveryAccount {
		statements["Organization"] = allow("*", discover.OrganizationActions...)
	}
	w.discovery = queued.NewQueued(w.stack, "Discovery", &queued.Props{
		Function:    functionOf(w.stack, w.props, discoveryFunctionName, "Reads the VPCs, subnets and addresses of the accounts", 512, minutes(5)),
		Variable:    lambdakit.EnvDiscoveryQueue,
		Every:       minutes(w.props.DiscoveryMinutes),
		Description: "Starts discovery of every account and Region",
		Environment: map[string]string{lambdakit.EnvAccounts: w.props.Accounts, lambdakit.EnvReaderRole: w.props.ReaderRole},
		Statements:  statements,
		Wildcard:    "The function may assume the reader role of any account; the role's trust policy decides.",
		Removal:     w.props.removal(),
	})
	awsevents.NewRule(w.stack, jsii.String("Changes"), &awsevents.RuleProps{
		Description:  jsii.String("Changes of VPCs, subnets and addresses"),
		EventBus:     w.bus,
		EventPattern: member.Changes(),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(w.discovery.Function.Lambda, &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: w.discovery.DeadLetters, MaxEventAge: awscdk.Duration_Hours(jsii.Number(1)), RetryAttempts: jsii.Number(3),
		})},
	})
	member.NewReader(w.stack, "Reader", &member.ReaderProps{Name: w.props.ReaderRole, Trusted: w.discovery.Function.Role})
	member.NewForwarder(w.stack, "Forwarder", w.bus)
}

// addHistory makes the function that reads the table's stream and writes history and
// events.
func (w *watch) addHistory() {
	w.historyDead = schedule.NewDeadLetters(w.stack, "HistoryDeadLetters", w.props.removal())
	p := functionOf(w.stack, w.props, historyFunctionName, "Writes history, and events of changes", 512, minutes(2))
	p.Environment = maps.Clone(p.Environment)
	p.Environment[lambdakit.EnvBus], p.Environment[lambdakit.EnvComplianceQueue] = *w.bus.EventBusName(), *w.compliance.Queue.QueueUrl()
	p.Statements["Bus"] = allow(*w.bus.EventBusArn(), "events:PutEvents")
	p.Statements["Compliance"] = allow(*w.compliance.Queue.QueueArn(), queued.SendActions...)
	p.Statements["DeadLetters"] = allow(*w.historyDead.QueueArn(), "sqs:SendMessage")
	p.Statements["Stream"] = allow(*w.props.Table.TableStreamArn(), "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
	p.Statements["Streams"] = allow("*", "dynamodb:ListStreams")
	w.history = gofunction.NewFunction(w.stack, "History", &p)
	var filters []*map[string]any
	for _, f := range items.HistoryFilters() {
		filters = append(filters, awslambda.FilterCriteria_Filter(&f))
	}
	w.history.Lambda.AddEventSource(awslambdaeventsources.NewDynamoEventSource(w.props.Table, &awslambdaeventsources.DynamoEventSourceProps{
		StartingPosition:        awslambda.StartingPosition_TRIM_HORIZON,
		BatchSize:               jsii.Number(100),
		Filters:                 &filters,
		ReportBatchItemFailures: jsii.Bool(true),
		BisectBatchOnError:      jsii.Bool(true),
		RetryAttempts:           jsii.Number(100), // history lacks a record that the function gives up
		OnFailure:               awslambdaeventsources.NewSqsDlq(w.historyDead),
	}))
}

// addOverlapMail makes the topic that mails overlaps, if there is an address.
func (w *watch) addOverlapMail() {
	if w.props.NotifyEmail == "" {
		return
	}
	topic := awssns.NewTopic(w.stack, jsii.String("Overlaps"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&w.props.NotifyEmail, nil))
	awsevents.NewRule(w.stack, jsii.String("OverlapDetected"), &awsevents.RuleProps{
		Description:  jsii.String("Mails overlaps of resources"),
		EventBus:     w.bus,
		EventPattern: &awsevents.EventPattern{Source: jsii.Strings(events.Source), DetailType: jsii.Strings(string(events.OverlapDetected))},
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewSnsTopic(topic, nil)},
	})
}

// addAlarms makes the alarms of the stack.
func (w *watch) addAlarms() {
	a := alarms.NewAlarms(w.stack, "Alarms", &w.props.Alarms)
	a.Function("Compliance", w.compliance.Function)
	a.Function("Discovery", w.discovery.Function)
	a.Function("History", w.history)
	a.Function("Requests", w.requests)
	a.Backlog("Compliance", w.compliance.Queue, scanMinutes)
	a.Backlog("Discovery", w.discovery.Queue, w.props.DiscoveryMinutes)
	a.Schedule("Compliance", telemetry.DispatchScans, scanMinutes)
	a.Schedule("Discovery", telemetry.DispatchDiscovery, w.props.DiscoveryMinutes)
	a.DeadLetters("Compliance", w.compliance.DeadLetters)
	a.DeadLetters("Discovery", w.discovery.DeadLetters)
	a.DeadLetters("History", w.historyDead)
	a.DeadLetters("Requests", w.unanswered)
	a.Stream("History", w.history.Lambda)
	a.Network(scanMinutes, w.props.DiscoveryMinutes)
}

// addDashboard makes the dashboard. CloudWatch has one namespace of dashboards for all
// Regions of an account, so the Region is part of the name.
func (w *watch) addDashboard() {
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}
	maximum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum"), Period: minutes(5)}
	dashboard.NewDashboard(w.stack, "Dashboard", &dashboard.Props{
		Name:            w.props.Name + "-" + *w.stack.Region(),
		ResourceMetrics: w.props.ResourceMetrics,
		Health: []dashboard.Graph{
			{Title: "Errors of the functions", Metrics: []awscloudwatch.IMetric{
				w.compliance.Function.Lambda.MetricErrors(sum), w.discovery.Function.Lambda.MetricErrors(sum), w.history.Lambda.MetricErrors(sum),
				w.requests.Lambda.MetricErrors(sum),
			}},
			{Title: "Age of the stream's records", Metrics: []awscloudwatch.IMetric{w.history.Lambda.Metric(jsii.String("IteratorAge"), maximum)}},
			{Title: "Messages that wait, and dead letters", Metrics: []awscloudwatch.IMetric{
				w.compliance.Queue.MetricApproximateNumberOfMessagesVisible(maximum), w.compliance.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				w.discovery.Queue.MetricApproximateNumberOfMessagesVisible(maximum), w.discovery.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				w.historyDead.MetricApproximateNumberOfMessagesVisible(maximum), w.unanswered.MetricApproximateNumberOfMessagesVisible(maximum),
			}},
		},
	})
}

// newRequests makes the function that carries out "CIDR Requested" events, its rule on
// the bus, and the queue of requests that have no answer. The rule leaves out events
// of Cadastre's own source.
func newRequests(stack awscdk.Stack, props *ServiceProps, bus awsevents.EventBus) (*gofunction.Function, awssqs.Queue) {
	dead := schedule.NewDeadLetters(stack, "RequestsDeadLetters", props.removal())
	p := doorOf(stack, props, "events", "Answers requests on the event bus")
	p.Statements["DeadLetters"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("sqs:SendMessage"), Resources: &[]*string{dead.QueueArn()}})
	requests := gofunction.NewFunction(stack, "Requests", &p)
	// Both retries together end long before a request's id expires, after 24 hours.
	patience := awscdk.Duration_Hours(jsii.Number(1))
	requests.Lambda.ConfigureAsyncInvoke(&awslambda.EventInvokeConfigOptions{
		MaxEventAge: patience, RetryAttempts: jsii.Number(2), OnFailure: awslambdadestinations.NewSqsDestination(dead),
	})
	awsevents.NewRule(stack, jsii.String("Requested"), &awsevents.RuleProps{
		Description: jsii.String("Requests for CIDRs"),
		EventBus:    bus,
		EventPattern: &awsevents.EventPattern{
			Source: awsevents.Match_AnythingBut(events.Source), DetailType: jsii.Strings(string(events.CIDRRequested)),
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(requests.Lambda, &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: dead, MaxEventAge: patience, RetryAttempts: jsii.Number(10),
		})},
	})
	return requests, dead
}

// admitMembers lets the watched accounts put two kinds of events on the bus: changes
// by EC2, and requests for CIDRs. Only an AWS service can put events with the source
// of an AWS service, so an event with EC2's source reports a change by EC2. Members
// cannot put events with Cadastre's own source.
func admitMembers(bus awsevents.EventBus, props *ServiceProps) {
	// A call has a list of sources (Amazon EventBridge User Guide, "Using IAM policy
	// conditions").
	put := func(sid string, principals []awsiam.IPrincipal, operator, source string, equal map[string]any) {
		conditions := map[string]any{operator: map[string]any{"events:source": source}}
		if len(equal) > 0 {
			conditions["StringEquals"] = equal
		}
		bus.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: &sid, Principals: &principals, Actions: jsii.Strings("events:PutEvents"), Resources: &[]*string{bus.EventBusArn()}, Conditions: &conditions,
		}))
	}
	admit := func(sid string, principals []awsiam.IPrincipal, condition map[string]any) {
		put(sid, principals, "ForAllValues:StringEquals", discover.CallSource, condition)
		asking := maps.Clone(condition)
		asking["events:detail-type"] = string(events.CIDRRequested)
		put(sid+"Requests", principals, "ForAllValues:StringNotEquals", events.Source, asking)
	}
	if props.OrganizationID != "" {
		admit("Organization", []awsiam.IPrincipal{awsiam.NewAnyPrincipal()}, map[string]any{"aws:PrincipalOrgID": props.OrganizationID})
	}
	if props.Accounts != "" && props.Accounts != discover.EveryAccount {
		var accounts []awsiam.IPrincipal
		for id := range strings.SplitSeq(props.Accounts, ",") {
			accounts = append(accounts, awsiam.NewAccountPrincipal(id))
		}
		admit("Accounts", accounts, map[string]any{})
	}
}
