// Package alarms provides the construct that holds the alarms of a stack and their
// actions.
package alarms

import (
	"math"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/restapi"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// Props name the receiver of notifications, at most one. Without a receiver the
// alarms only show their states.
type Props struct {
	Email    string // an address; NewAlarms makes a topic that mails to it
	TopicARN string // an existing topic
}

// Alarms is a set of alarms with common actions.
type Alarms struct {
	scope   constructs.Construct
	actions []awscloudwatch.IAlarmAction
}

// NewAlarms makes a set without alarms, and the topic if there is an address.
func NewAlarms(scope constructs.Construct, id string, props *Props) *Alarms {
	a := &Alarms{scope: constructs.NewConstruct(scope, &id)}
	var topic awssns.ITopic
	switch {
	case props.TopicARN != "":
		topic = awssns.Topic_FromTopicArn(a.scope, jsii.String("Topic"), &props.TopicARN)
	case props.Email != "":
		own := awssns.NewTopic(a.scope, jsii.String("Topic"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		own.AddSubscription(awssnssubscriptions.NewEmailSubscription(&props.Email, nil))
		admitAlarms(own)
		topic = own
	default:
		return a
	}
	a.actions = append(a.actions, awscloudwatchactions.NewSnsAction(topic))
	return a
}

// admitAlarms lets the account's alarms publish to a topic. A topic without a policy
// admits its whole account. This topic has a policy that requires TLS, so it admits
// only the principals that the policy names (Amazon SNS Developer Guide, "Example
// cases for Amazon SNS access control").
func admitAlarms(topic awssns.Topic) {
	alarms := awscdk.Stack_Of(topic).FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("cloudwatch"), Resource: jsii.String("alarm"), ResourceName: jsii.String("*"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("Alarms"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: &map[string]any{"ArnLike": map[string]any{"aws:SourceArn": alarms}},
	}))
}

// period is the period of metrics, unless an alarm has its own.
func period() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(5)) }

// alarm is an alarm on a metric.
type alarm struct {
	id, description string
	metric          awscloudwatch.IMetric
	threshold       float64
	periods         float64 // the alarm goes off when so many periods in a row are bad
}

// add adds an alarm for which a period is bad when the metric is at or above the
// threshold. A period without data is good.
func (a *Alarms) add(x alarm) {
	a.addIf(x, awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD, awscloudwatch.TreatMissingData_NOT_BREACHING)
}

// addIf adds an alarm with another comparison and another treatment of periods
// without data.
func (a *Alarms) addIf(x alarm, bad awscloudwatch.ComparisonOperator, missing awscloudwatch.TreatMissingData) {
	made := awscloudwatch.NewAlarm(a.scope, &x.id, &awscloudwatch.AlarmProps{
		AlarmDescription: &x.description, Metric: x.metric, Threshold: &x.threshold, EvaluationPeriods: &x.periods,
		ComparisonOperator: bad, TreatMissingData: missing,
	})
	if len(a.actions) > 0 {
		made.AddAlarmAction(a.actions...)
		made.AddOkAction(a.actions...)
	}
}

// statistic returns the options of a metric with this statistic.
func statistic(s string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: &s, Period: period()}
}

// Function adds the alarms <name>Errors, <name>Throttles and <name>Duration.
func (a *Alarms) Function(name string, f *gofunction.Function) {
	a.add(alarm{name + "Errors", "The function crashes, times out or returns errors; its log has them.", f.Lambda.MetricErrors(statistic("Sum")), 1, 1})
	a.Answering(name, f)
}

// Answering adds the alarms <name>Throttles and <name>Duration. It is for a function
// whose errors are answers to its caller, so they are no reason for an alarm.
func (a *Alarms) Answering(name string, f *gofunction.Function) {
	a.add(alarm{name + "Throttles", "Lambda refuses invocations, because the account's or the function's concurrency is used up.", f.Lambda.MetricThrottles(statistic("Sum")), 1, 1})
	a.add(alarm{name + "Duration", "An invocation takes more than 80 % of the function's timeout.", f.Lambda.MetricDuration(statistic("Maximum")), 0.8 * *f.Timeout.ToMilliseconds(nil), 1})
}

// API adds the alarms ApiServerErrors and ApiUnanswered.
func (a *Alarms) API(api *restapi.API) {
	a.add(alarm{"ApiServerErrors", "The API answers with server errors, or throttles callers.", api.RestAPI.DeploymentStage().MetricServerError(statistic("Sum")), 1, 1})
	a.add(alarm{"ApiUnanswered", "API Gateway gets no answer from the function, and callers get OutcomeUnknown; the access log has the requests.", api.Unanswered, 1, 1})
}

// DeadLetters adds the alarm <name>DeadLetters.
func (a *Alarms) DeadLetters(name string, queue awssqs.Queue) {
	a.add(alarm{name + "DeadLetters", "Messages failed too often; the queue has them.", queue.MetricApproximateNumberOfMessagesVisible(statistic("Maximum")), 1, 1})
}

// Backlog adds the alarm <name>Backlog, on a queue that is never empty for twice the
// minutes in which new work comes. It counts the messages that wait for the function.
// A message that failed and comes again later does not wait, so it sets off no alarm:
// the age of the oldest message would count it.
func (a *Alarms) Backlog(name string, queue awssqs.Queue, everyMinutes float64) {
	a.add(alarm{name + "Backlog", "Work comes faster than the function does it: the queue is never empty. Raise the function's member of concurrency.",
		queue.MetricApproximateNumberOfMessagesVisible(statistic("Minimum")), 1, math.Ceil(2 * everyMinutes / *period().ToMinutes(nil))})
}

// Schedule adds the alarm <name>Stopped, on an operation that a schedule starts every
// so many minutes. An operation that ends with an error counts, too. A period without
// data is bad.
func (a *Alarms) Schedule(name, operation string, everyMinutes float64) {
	metric := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(telemetry.Namespace), MetricName: jsii.String(telemetry.Duration), Statistic: jsii.String("SampleCount"),
		Period: awscdk.Duration_Minutes(&everyMinutes), DimensionsMap: &map[string]*string{telemetry.Operation: &operation},
	})
	a.addIf(alarm{name + "Stopped", "The schedule no longer invokes the function; see whether it is disabled.", metric, 1, 3},
		awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD, awscloudwatch.TreatMissingData_BREACHING)
}

// Stream adds the alarm <name>StreamAge, on the age of the table's stream records when
// the function reads them.
func (a *Alarms) Stream(name string, f awslambda.IFunction) {
	a.add(alarm{name + "StreamAge", "The function reads records of the table's stream more than 5 minutes late.", f.Metric(jsii.String("IteratorAge"), statistic("Maximum")), *period().ToMilliseconds(nil), 2})
}

// Network adds the alarms on the metrics of discovery and compliance: pools that are
// nearly full, resources that overlap, exposed resources, and failures of discovery.
// Its arguments are the minutes between two scans and between two runs of discovery.
func (a *Alarms) Network(scanMinutes, discoveryMinutes float64) {
	for _, m := range []struct {
		name, description string
		minutes           float64
	}{
		{"PoolsOverThreshold", "Pools are nearly full; DescribeIpamPools and the event Pool Utilization Threshold Crossed show them.", scanMinutes},
		{"OverlappingResourceCidrsTotal", "Resources overlap; GetIpamResourceCidrs with the filter overlap-status shows them.", scanMinutes},
		{"ExposedResourceCidrsTotal", "Space of live resources was free in pools; the log of the compliance function names the resources. The space is taken now: see whether a pool allocated it before.", scanMinutes},
		{"DiscoveryFailures", "Discovery of accounts failed three times in a row, or for a day if it never succeeded; GetIpamDiscoveredAccounts shows the accounts with the reasons.", max(scanMinutes, discoveryMinutes)},
	} {
		// The period is twice the time between two runs, so a late run does not reset
		// the alarm.
		metric := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String(telemetry.Namespace), MetricName: &m.name, Statistic: jsii.String("Maximum"), Period: awscdk.Duration_Minutes(jsii.Number(2 * m.minutes)),
		})
		a.add(alarm{m.name, m.description, metric, 1, 1})
	}
}

// Table adds the alarms TableReadThrottles, TableWriteThrottles and, for each
// operation that the functions call, TableSystemErrors<Operation>. A table throttles
// shortly when it grows, and callers retry; so the alarms wait for lasting throttles.
func (a *Alarms) Table(table awsdynamodb.ITableV2) {
	metric := func(name string, dimensions map[string]*string) awscloudwatch.IMetric {
		dimensions["TableName"] = table.TableName()
		return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/DynamoDB"), MetricName: &name, Statistic: jsii.String("Sum"), Period: period(), DimensionsMap: &dimensions,
		})
	}
	a.add(alarm{"TableReadThrottles", "DynamoDB throttles reads of the table for 15 minutes.", metric("ReadThrottleEvents", map[string]*string{}), 10, 3})
	a.add(alarm{"TableWriteThrottles", "DynamoDB throttles writes to the table for 15 minutes.", metric("WriteThrottleEvents", map[string]*string{}), 10, 3})
	// There is one alarm for each operation, because the emulator has no metric math
	// for one on the sum.
	for _, operation := range []string{"BatchGetItem", "Query", "TransactWriteItems"} {
		a.add(alarm{"TableSystemErrors" + operation, "DynamoDB fails to carry out " + operation + ".",
			metric("SystemErrors", map[string]*string{"Operation": &operation}), 1, 2})
	}
}
