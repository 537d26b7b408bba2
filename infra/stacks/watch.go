package stacks

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
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

const (
	scanMinutes  = 15 // the time between two scans of a scope
	eventMinutes = 5  // the time in which the functions work off a burst of events
)

// watch is the watch stack while it is made.
type watch struct {
	stack       awscdk.Stack
	props       *ServiceProps
	bus         awsevents.EventBus
	compliance  *queued.Queued
	changes     *queued.Events // EC2's events, for discovery
	discovery   *queued.Queued
	history     *gofunction.Function
	historyDead awssqs.Queue   // stream records that the history function failed on too often
	asked       *queued.Events // requests on the bus
	requests    *gofunction.Function
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
	w.addRequests()
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
		Function:    recursive(functionOf(w.stack, w.props, complianceFunctionName, "Scans scopes and writes their metrics", 512, minutes(10))),
		Variable:    lambdakit.EnvComplianceQueue,
		Every:       minutes(scanMinutes),
		Description: "Starts a scan of every scope",
		Environment: map[string]string{lambdakit.EnvResourceMetrics: strconv.FormatBool(w.props.ResourceMetrics), lambdakit.EnvForecastDays: strconv.Itoa(w.props.ForecastDays)},
		Concurrency: w.props.Concurrency.Compliance,
		Removal:     w.props.removal(),
	})
}

// recursive lets a function send work to its own queue more than 16 times in a row,
// after which Lambda stops a loop by default (Lambda Developer Guide, "Use Lambda
// recursive loop detection to prevent infinite loops"). The scan of a large scope goes
// on from invocation to invocation this way. The function has a bound of its own.
func recursive(p gofunction.Props) gofunction.Props {
	p.RecursiveLoop = awslambda.RecursiveLoop_ALLOW
	return p
}

// changesWindow is the time in which the events of EC2 are gathered. Discovery reads an
// account and Region once for all of its events in a batch.
const changesWindow = 3

// addDiscovery makes the function that reads the accounts' networks, its queue and
// schedule, the queue and rule of EC2's events, and the reader role and the forwarding
// rule of the owner account.
func (w *watch) addDiscovery() {
	role := "arn:" + *w.stack.Partition() + ":iam::*:role/" + w.props.ReaderRole
	statements := map[string]awsiam.PolicyStatement{"Accounts": allow(role, "sts:AssumeRole")}
	if w.props.Accounts == discover.EveryAccount {
		statements["Organization"] = allow("*", discover.OrganizationActions...)
	}
	p := functionOf(w.stack, w.props, discoveryFunctionName, "Reads the VPCs, subnets and addresses of the accounts", 512, minutes(5))
	w.changes = queued.NewEvents(w.stack, "ChangeEvents", &queued.EventsProps{
		Timeout: p.Timeout, Batch: 500, Window: awscdk.Duration_Seconds(jsii.Number(changesWindow)), Concurrency: w.props.Concurrency.Changes, Removal: w.props.removal(),
		DeadLetters: schedule.NewDeadLetters(w.stack, "ChangesDeadLetters", w.props.removal()),
	})
	statements["ChangeEvents"] = w.changes.Receive
	w.discovery = queued.NewQueued(w.stack, "Discovery", &queued.Props{
		Function:    p,
		Variable:    lambdakit.EnvDiscoveryQueue,
		Every:       minutes(w.props.DiscoveryMinutes),
		Description: "Starts discovery of every account and Region",
		Environment: map[string]string{
			lambdakit.EnvAccounts: w.props.Accounts, lambdakit.EnvExcludedAccounts: strings.Join(w.props.ExcludedAccounts, ","), lambdakit.EnvReaderRole: w.props.ReaderRole,
			// The batches of events, and the run of the schedule, may read the same account.
			lambdakit.EnvReaders: strconv.Itoa(w.props.Concurrency.Changes + 1),
		},
		Statements:  statements,
		Wildcard:    "The function may assume the reader role of any account; the role's trust policy decides.",
		Concurrency: w.props.Concurrency.Discovery,
		Removal:     w.props.removal(),
	})
	w.changes.Invoke(w.discovery.Function.Lambda)
	w.addRule("Changes", "Changes of VPCs, subnets and addresses", member.Changes(), w.changes)
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
	p.Statements["Compliance"] = allow(*w.compliance.Queue.QueueArn(), queued.SendActions(w.props.removal())...)
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
	// EventBridge sets no condition keys when a topic's policy admits it, so such a
	// policy admits the rules of every account. With a role the topic admits nobody
	// outside its account (Amazon EventBridge User Guide, "Using resource-based policies
	// for Amazon EventBridge").
	role := awsiam.NewRole(w.stack, jsii.String("OverlapsRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": w.stack.Account()}},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Publish": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{
			Statements: &[]awsiam.PolicyStatement{allow(*topic.TopicArn(), "sns:Publish")},
		})},
	})
	awsevents.NewRule(w.stack, jsii.String("OverlapDetected"), &awsevents.RuleProps{
		Description:  jsii.String("Mails overlaps of resources"),
		EventBus:     w.bus,
		EventPattern: &awsevents.EventPattern{Source: jsii.Strings(events.Source), DetailType: jsii.Strings(string(events.OverlapDetected))},
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewSnsTopic(topic, &awseventstargets.SnsTopicProps{Role: role.WithoutPolicyUpdates(nil)})},
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
	a.Backlog("Changes", w.changes.Queue, eventMinutes)
	a.Backlog("Requests", w.asked.Queue, eventMinutes)
	a.Schedule("Compliance", telemetry.DispatchScans, scanMinutes)
	a.Schedule("Discovery", telemetry.DispatchDiscovery, w.props.DiscoveryMinutes)
	a.DeadLetters("Compliance", w.compliance.DeadLetters)
	a.DeadLetters("Discovery", w.discovery.DeadLetters)
	a.DeadLetters("History", w.historyDead)
	a.DeadLetters("Changes", w.changes.DeadLetters)
	a.DeadLetters("Requests", w.asked.DeadLetters)
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
				w.changes.Queue.MetricApproximateNumberOfMessagesVisible(maximum), w.changes.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				w.asked.Queue.MetricApproximateNumberOfMessagesVisible(maximum), w.asked.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				w.historyDead.MetricApproximateNumberOfMessagesVisible(maximum),
			}},
		},
	})
}

// addRequests makes the function that carries out "CIDR Requested" events, and their
// queue and rule. The rule leaves out events of Cadastre's own source.
func (w *watch) addRequests() {
	p := doorOf(w.stack, w.props, "events", "Answers requests on the event bus")
	w.asked = queued.NewEvents(w.stack, "RequestEvents", &queued.EventsProps{
		Timeout: p.Timeout, Batch: 10, Concurrency: w.props.Concurrency.Requests, Removal: w.props.removal(),
		DeadLetters: schedule.NewDeadLetters(w.stack, "RequestsDeadLetters", w.props.removal()),
	})
	p.Statements["RequestEvents"] = w.asked.Receive
	w.requests = gofunction.NewFunction(w.stack, "Requests", &p)
	w.asked.Invoke(w.requests.Lambda)
	w.addRule("Requested", "Requests for CIDRs", &awsevents.EventPattern{
		Source: awsevents.Match_AnythingBut(events.Source), DetailType: jsii.Strings(string(events.CIDRRequested)),
	}, w.asked)
}

// addRule makes a rule of the bus that sends events to a queue.
func (w *watch) addRule(id, description string, pattern *awsevents.EventPattern, to *queued.Events) {
	awsevents.NewRule(w.stack, &id, &awsevents.RuleProps{
		Description: &description, EventBus: w.bus, EventPattern: pattern,
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewSqsQueue(to.Queue, &awseventstargets.SqsQueueProps{DeadLetterQueue: to.DeadLetters})},
	})
}

// admitMembers lets the watched accounts put two kinds of events on the bus: changes
// by EC2, and requests for CIDRs. Only an AWS service can put events with the source
// of an AWS service, so an event with EC2's source reports a change by EC2. Members
// cannot put events with Cadastre's own source.
func admitMembers(bus awsevents.EventBus, props *ServiceProps) {
	var last constructs.IDependable
	// EventBridge keeps the statements of a bus in one policy, so CloudFormation adds
	// them one after the other. A statement's id is unique in an account and Region, so
	// it has the name of the deployment.
	put := func(sid string, principals []awsiam.IPrincipal, operator, source string, equal map[string]any) {
		// A call has a list of sources (Amazon EventBridge User Guide, "Using IAM policy
		// conditions"). ForAllValues holds for a missing key, too; Null refuses that.
		conditions := map[string]any{operator: map[string]any{"events:source": source}, "Null": map[string]any{"events:source": "false"}}
		if len(equal) > 0 {
			conditions["StringEquals"] = equal
		}
		id := statementID(props.Name, sid)
		added := bus.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: &id, Principals: &principals, Actions: jsii.Strings("events:PutEvents"), Resources: &[]*string{bus.EventBusArn()}, Conditions: &conditions,
		}))
		if last != nil {
			bus.Node().FindChild(jsii.String(cdkPrefix + id)).Node().AddDependency(last)
		}
		last = added.PolicyDependable
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

// cdkPrefix is the text that CDK puts before the ids of a bus's statements.
const cdkPrefix = "cdk-"

// statementID returns the id of a statement of the bus's policy: the deployment's name
// and the statement's own. With [cdkPrefix] it has at most 64 characters (Amazon
// EventBridge API Reference, "PutPermission"). A name that is too long is shortened,
// with a hash.
func statementID(name, sid string) string {
	const most = 64 - len(cdkPrefix)
	if len(name)+1+len(sid) > most {
		sum := sha256.Sum256([]byte(name))
		hash := hex.EncodeToString(sum[:4])
		name = name[:most-len(sid)-len(hash)-2] + "-" + hash
	}
	return name + "-" + sid
}
