package stacks

import (
	"maps"
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

// scanMinutes is the time between scans of every scope.
const scanMinutes = 15

// NewWatch makes the stack of what watches the live network: discovery,
// compliance, history, the event bus that tells of it, and the door for those who
// ask on the bus. Its outputs are BusName, BusArn, ComplianceFunctionName,
// DiscoveryFunctionName, DiscoveryQueueUrl, DiscoveryRoleArn, HistoryFunctionName
// and RequestsFunctionName.
func NewWatch(scope constructs.Construct, id string, props *ServiceProps) awscdk.Stack {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	allow := func(resource string, actions ...string) awsiam.PolicyStatement {
		return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings(actions...), Resources: &[]*string{&resource}})
	}
	bus := awsevents.NewEventBus(stack, jsii.String("Bus"), &awsevents.EventBusProps{EventBusName: &props.Name})
	admitMembers(bus, props)
	minutes := func(n float64) awscdk.Duration { return awscdk.Duration_Minutes(&n) }

	compliance := queued.NewQueued(stack, "Compliance", &queued.Props{
		Function:    functionOf(stack, props, complianceFunctionName, "Scans scopes and writes their metrics", 512, minutes(10)),
		Variable:    lambdakit.EnvComplianceQueue,
		Every:       minutes(scanMinutes),
		Description: "Has every scope scanned",
		Environment: map[string]string{lambdakit.EnvResourceMetrics: map[bool]string{true: "true", false: "false"}[props.ResourceMetrics]},
		Removal:     props.removal(),
	})

	role := "arn:" + *stack.Partition() + ":iam::*:role/" + props.ReaderRole
	statements := map[string]awsiam.PolicyStatement{"Accounts": allow(role, "sts:AssumeRole")}
	if props.Accounts == discover.EveryAccount {
		statements["Organization"] = allow("*", discover.OrganizationActions...)
	}
	discovery := queued.NewQueued(stack, "Discovery", &queued.Props{
		Function:    functionOf(stack, props, discoveryFunctionName, "Finds what lives in the accounts' networks", 512, minutes(5)),
		Variable:    lambdakit.EnvDiscoveryQueue,
		Every:       minutes(props.DiscoveryMinutes),
		Description: "Has every account and Region looked at",
		Environment: map[string]string{lambdakit.EnvAccounts: props.Accounts, lambdakit.EnvReaderRole: props.ReaderRole},
		Statements:  statements,
		Wildcard:    "Any account's reader role may be assumed: which trust this function, they say.",
		Removal:     props.removal(),
	})
	awsevents.NewRule(stack, jsii.String("Changes"), &awsevents.RuleProps{
		Description:  jsii.String("Changes of live networks"),
		EventBus:     bus,
		EventPattern: member.Changes(),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(discovery.Function.Lambda, &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: discovery.DeadLetters, MaxEventAge: awscdk.Duration_Hours(jsii.Number(1)), RetryAttempts: jsii.Number(3),
		})},
	})
	member.NewReader(stack, "Reader", &member.ReaderProps{Name: props.ReaderRole, Trusted: discovery.Function.Role})
	member.NewForwarder(stack, "Forwarder", bus)

	given := schedule.NewDeadLetters(stack, "HistoryDeadLetters", props.removal())
	historyProps := functionOf(stack, props, historyFunctionName, "Writes history and tells of changes", 512, minutes(2))
	historyProps.Environment = maps.Clone(historyProps.Environment)
	historyProps.Environment[lambdakit.EnvBus], historyProps.Environment[lambdakit.EnvComplianceQueue] = *bus.EventBusName(), *compliance.Queue.QueueUrl()
	historyProps.Statements["Bus"] = allow(*bus.EventBusArn(), "events:PutEvents")
	historyProps.Statements["Compliance"] = allow(*compliance.Queue.QueueArn(), queued.SendActions...)
	historyProps.Statements["DeadLetters"] = allow(*given.QueueArn(), "sqs:SendMessage")
	historyProps.Statements["Stream"] = allow(*props.Table.TableStreamArn(), "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
	historyProps.Statements["Streams"] = allow("*", "dynamodb:ListStreams")
	history := gofunction.NewFunction(stack, "History", &historyProps)
	var filters []*map[string]any
	for _, f := range items.HistoryFilters() {
		filters = append(filters, awslambda.FilterCriteria_Filter(&f))
	}
	history.Lambda.AddEventSource(awslambdaeventsources.NewDynamoEventSource(props.Table, &awslambdaeventsources.DynamoEventSourceProps{
		StartingPosition:        awslambda.StartingPosition_TRIM_HORIZON,
		BatchSize:               jsii.Number(100),
		Filters:                 &filters,
		ReportBatchItemFailures: jsii.Bool(true),
		BisectBatchOnError:      jsii.Bool(true),
		RetryAttempts:           jsii.Number(100), // what is given up is missing from history
		OnFailure:               awslambdaeventsources.NewSqsDlq(given),
	}))

	requests, unanswered := newRequests(stack, props, bus)

	if props.NotifyEmail != "" {
		topic := awssns.NewTopic(stack, jsii.String("Overlaps"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&props.NotifyEmail, nil))
		awsevents.NewRule(stack, jsii.String("OverlapDetected"), &awsevents.RuleProps{
			Description:  jsii.String("Mails that resources overlap"),
			EventBus:     bus,
			EventPattern: &awsevents.EventPattern{Source: jsii.Strings(events.Source), DetailType: jsii.Strings(string(events.OverlapDetected))},
			Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewSnsTopic(topic, nil)},
		})
	}

	a := alarms.NewAlarms(stack, "Alarms", &props.Alarms)
	a.Function("Compliance", compliance.Function)
	a.Function("Discovery", discovery.Function)
	a.Function("History", history)
	a.Function("Requests", requests)
	a.Backlog("Compliance", compliance.Queue, scanMinutes)
	a.Backlog("Discovery", discovery.Queue, props.DiscoveryMinutes)
	a.Schedule("Compliance", telemetry.DispatchScans, scanMinutes)
	a.Schedule("Discovery", telemetry.DispatchDiscovery, props.DiscoveryMinutes)
	a.DeadLetters("Compliance", compliance.DeadLetters)
	a.DeadLetters("Discovery", discovery.DeadLetters)
	a.DeadLetters("History", given)
	a.DeadLetters("Requests", unanswered)
	a.Stream("History", history.Lambda)
	a.Network(scanMinutes, props.DiscoveryMinutes)
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}
	maximum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum"), Period: minutes(5)}
	dashboard.NewDashboard(stack, "Dashboard", &dashboard.Props{
		Name:            props.Name + "-" + *stack.Region(), // one namespace for all of an account's Regions
		ResourceMetrics: props.ResourceMetrics,
		Health: []dashboard.Graph{
			{Title: "Errors of the functions", Metrics: []awscloudwatch.IMetric{
				compliance.Function.Lambda.MetricErrors(sum), discovery.Function.Lambda.MetricErrors(sum), history.Lambda.MetricErrors(sum),
				requests.Lambda.MetricErrors(sum),
			}},
			{Title: "Age of the stream's records", Metrics: []awscloudwatch.IMetric{history.Lambda.Metric(jsii.String("IteratorAge"), maximum)}},
			{Title: "Messages that wait, and that were given up", Metrics: []awscloudwatch.IMetric{
				compliance.Queue.MetricApproximateNumberOfMessagesVisible(maximum), compliance.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				discovery.Queue.MetricApproximateNumberOfMessagesVisible(maximum), discovery.DeadLetters.MetricApproximateNumberOfMessagesVisible(maximum),
				given.MetricApproximateNumberOfMessagesVisible(maximum), unanswered.MetricApproximateNumberOfMessagesVisible(maximum),
			}},
		},
	})
	output(stack, "BusName", bus.EventBusName(), "The bus that tells of changes")
	output(stack, "BusArn", bus.EventBusArn(), "Where member accounts forward EC2's events to")
	output(stack, "ComplianceFunctionName", compliance.Function.Lambda.FunctionName(), "The function that scans scopes")
	output(stack, "DiscoveryFunctionName", discovery.Function.Lambda.FunctionName(), "The function that finds what lives in networks")
	output(stack, "DiscoveryQueueUrl", discovery.Queue.QueueUrl(), "Where the accounts and Regions wait that are to be looked at")
	output(stack, "DiscoveryRoleArn", discovery.Function.Role.RoleArn(), "The role that members' reader roles trust")
	output(stack, "HistoryFunctionName", history.Lambda.FunctionName(), "The function that reads the table's stream")
	output(stack, "RequestsFunctionName", requests.Lambda.FunctionName(), "The function that answers requests on the bus")
	return stack
}

// newRequests makes the function that carries out what "CIDR Requested" events
// ask for, its rule on the bus, and the queue for requests that have no answer.
// What is told on the bus asks for nothing.
func newRequests(stack awscdk.Stack, props *ServiceProps, bus awsevents.EventBus) (*gofunction.Function, awssqs.Queue) {
	dead := schedule.NewDeadLetters(stack, "RequestsDeadLetters", props.removal())
	p := doorOf(stack, props, "events", "Answers requests on the event bus")
	p.Statements["DeadLetters"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("sqs:SendMessage"), Resources: &[]*string{dead.QueueArn()}})
	requests := gofunction.NewFunction(stack, "Requests", &p)
	// Together they end well before a request's id is forgotten, after 24 hours.
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

// admitMembers lets the accounts that are watched forward EC2's changes, and ask
// for CIDRs. Nobody puts an event of an AWS service's source but the service, so
// what is admitted of that is what EC2 did; and no member tells of what Cadastre
// has not.
func admitMembers(bus awsevents.EventBus, props *ServiceProps) {
	// The sources of a call are a list: the Amazon EventBridge User Guide, "Using
	// IAM policy conditions".
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
