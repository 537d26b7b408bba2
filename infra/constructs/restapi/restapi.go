// Package restapi provides the construct of the REST API. The API takes EC2 Query
// and JSON requests that are signed with IAM credentials.
package restapi

import (
	"encoding/json"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// Stage is the name of the API's only stage.
const Stage = "prod"

// The throttle of the stage: requests a second, and requests at once. It is far
// above the rate that a table's partition takes, and far below the limit of an
// account and Region. So a runaway client leaves enough for the account's other APIs.
const (
	rateLimit  = 500
	burstLimit = 1000
)

// Props are the properties of the API.
type Props struct {
	Name    string // the name of the API
	Handler awslambda.IFunction
	// OrganizationID admits the principals of an organisation, besides those of
	// the API's own account. "" admits none.
	OrganizationID string
	// VPCEndpointIDs make the API private: callers reach it through these
	// endpoints only. Without any the API is public.
	VPCEndpointIDs []string
	// CreateLogRole makes and sets the account's role by which API Gateway writes
	// logs. All APIs of an account and Region share this setting.
	CreateLogRole bool
	LogRetention  awslogs.RetentionDays
	LogRemoval    awscdk.RemovalPolicy
}

// API is the REST API with a metric of its own.
type API struct {
	RestAPI awsapigateway.RestApi
	// Unanswered counts the requests whose answer API Gateway did not get from the
	// function. Their status is 400, so the metric 5XXError does not count them.
	Unanswered awscloudwatch.IMetric
}

// NewAPI makes the REST API with the resources that the handler serves: POST and
// GET /, POST /v1/{operation} and GET /v1/openapi.json. Every method requires IAM
// credentials.
func NewAPI(scope constructs.Construct, id string, props *Props) *API {
	scope = constructs.NewConstruct(scope, &id)
	access := awslogs.NewLogGroup(scope, jsii.String("AccessLogs"), &awslogs.LogGroupProps{
		Retention: props.LogRetention, RemovalPolicy: props.LogRemoval,
	})
	api := awsapigateway.NewRestApi(scope, jsii.String("Api"), &awsapigateway.RestApiProps{
		RestApiName:           &props.Name,
		Description:           jsii.String("IP address management: EC2 Query on /, JSON on /v1/{operation}"),
		EndpointConfiguration: endpoint(scope, props.VPCEndpointIDs),
		Policy:                resourcePolicy(scope, props),
		CloudWatchRole:        &props.CreateLogRole, // CDK retains the role, because other APIs use it
		// There are no binary media types. With */* among them, API Gateway would
		// hand the form body to the function in base64, and expect the answer in it.
		DefaultIntegration: awsapigateway.NewLambdaIntegration(props.Handler, &awsapigateway.LambdaIntegrationOptions{
			AllowTestInvoke: jsii.Bool(false), // the console's test call has no verified identity
		}),
		DefaultMethodOptions: &awsapigateway.MethodOptions{AuthorizationType: awsapigateway.AuthorizationType_IAM},
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            jsii.String(Stage),
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(access),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(jsii.String(accessLog())),
			LoggingLevel:         awsapigateway.MethodLoggingLevel_ERROR,
			DataTraceEnabled:     jsii.Bool(false), // logs have no bodies
			MetricsEnabled:       jsii.Bool(true),
			TracingEnabled:       jsii.Bool(true),
			ThrottlingRateLimit:  jsii.Number(rateLimit),
			ThrottlingBurstLimit: jsii.Number(burstLimit),
		},
	})
	// Without this group API Gateway makes one for its execution logs and keeps it
	// for ever.
	execution := awslogs.NewLogGroup(scope, jsii.String("ExecutionLogs"), &awslogs.LogGroupProps{
		LogGroupName: jsii.String("API-Gateway-Execution-Logs_" + *api.RestApiId() + "/" + Stage),
		Retention:    props.LogRetention, RemovalPolicy: props.LogRemoval,
	})
	api.DeploymentStage().Node().AddDependency(execution)
	api.Root().AddMethod(jsii.String("POST"), nil, nil)
	api.Root().AddMethod(jsii.String("GET"), nil, nil)
	v1 := api.Root().AddResource(jsii.String("v1"), nil)
	v1.AddResource(jsii.String("{operation}"), nil).AddMethod(jsii.String("POST"), nil, nil)
	v1.AddResource(jsii.String("openapi.json"), nil).AddMethod(jsii.String("GET"), nil, nil)
	// The stack names its outputs itself.
	api.Node().TryRemoveChild(jsii.String("Endpoint"))
	addOwnAnswers(api)
	explain(api, props.CreateLogRole)
	return &API{api, unanswered(access)}
}

// unanswered makes the metric of the requests for which API Gateway answers
// OutcomeUnknown, out of the access log.
func unanswered(access awslogs.LogGroup) awscloudwatch.IMetric {
	var types []awslogs.JsonPattern
	for _, a := range gateway.Answers {
		if a.Code == ipam.CodeOutcomeUnknown {
			types = append(types, awslogs.FilterPattern_StringValue(jsii.String("$."+responseType), jsii.String("="), jsii.String(a.Type)))
		}
	}
	filter := access.AddMetricFilter(jsii.String("Unanswered"), &awslogs.MetricFilterOptions{
		FilterPattern:   awslogs.FilterPattern_Any(types...),
		MetricNamespace: jsii.String(telemetry.Namespace),
		MetricName:      jsii.String("UnansweredRequests"),
		MetricValue:     jsii.String("1"),
		Unit:            awscloudwatch.Unit_COUNT,
	})
	return filter.Metric(&awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5))})
}

// addOwnAnswers sets the answers that API Gateway gives by itself. Without them
// these are JSON, which EC2's clients do not read (botocore raises
// ResponseParserError), and a 502 or 504 for a call that may have been carried out,
// which SDKs repeat by themselves. CloudFormation adds them one after the other: API
// Gateway refuses changes of an API at the same time (ConflictException).
func addOwnAnswers(api awsapigateway.RestApi) {
	var last awsapigateway.GatewayResponse
	for _, a := range gateway.Answers {
		options := &awsapigateway.GatewayResponseOptions{
			Type:            awsapigateway.ResponseType_Of(jsii.String(a.Type)),
			Templates:       &map[string]*string{gateway.TemplateType: jsii.String(a.Template())},
			ResponseHeaders: &map[string]*string{"Content-Type": jsii.String("'" + gateway.ContentType + "'"), gateway.CodeHeader: jsii.String("'" + string(a.Code) + "'")},
		}
		if a.Status != 0 {
			options.StatusCode = jsii.String(strconv.Itoa(a.Status))
		}
		response := api.AddGatewayResponse(jsii.String(a.Type), options)
		if last != nil {
			response.Node().AddDependency(last)
		}
		last = response
	}
}

// endpoint returns the endpoint configuration: regional, or private with
// interface endpoints.
func endpoint(scope constructs.Construct, ids []string) *awsapigateway.EndpointConfiguration {
	if len(ids) == 0 {
		return &awsapigateway.EndpointConfiguration{Types: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL}}
	}
	var endpoints []awsec2.IVpcEndpoint
	for _, id := range ids {
		endpoints = append(endpoints, awsec2.InterfaceVpcEndpoint_FromInterfaceVpcEndpointAttributes(scope, &id,
			&awsec2.InterfaceVpcEndpointAttributes{VpcEndpointId: &id, Port: jsii.Number(443)}))
	}
	return &awsapigateway.EndpointConfiguration{
		Types: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_PRIVATE}, VpcEndpoints: &endpoints,
	}
}

// resourcePolicy admits the owner account and the organisation. API Gateway refuses
// a caller that matches no statement, unless the caller belongs to the owner account
// and its own policies allow the call.
func resourcePolicy(scope constructs.Construct, props *Props) awsiam.PolicyDocument {
	stack := awscdk.Stack_Of(scope)
	invoke := func(s awsiam.PolicyStatementProps) awsiam.PolicyStatement {
		s.Actions, s.Resources = jsii.Strings("execute-api:Invoke"), jsii.Strings("execute-api:/*")
		return awsiam.NewPolicyStatement(&s)
	}
	statements := []awsiam.PolicyStatement{invoke(awsiam.PolicyStatementProps{
		Sid: jsii.String("OwnerAccount"),
		// With the account as principal, IAM decides for each of its principals.
		// The principal * would admit all of them.
		Principals: &[]awsiam.IPrincipal{awsiam.NewAccountPrincipal(stack.Account())},
	})}
	if props.OrganizationID != "" {
		statements = append(statements, invoke(awsiam.PolicyStatementProps{
			Sid:        jsii.String("Organization"),
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Conditions: &map[string]any{
				"StringEquals": map[string]any{"aws:PrincipalOrgID": props.OrganizationID},
				// A principal of another account also needs the permission of its
				// own policy. One of the owner account would not need it here, so
				// this statement leaves the owner account out.
				"StringNotEquals": map[string]any{"aws:PrincipalAccount": stack.Account()},
			},
		}))
	}
	if len(props.VPCEndpointIDs) > 0 {
		statements = append(statements, invoke(awsiam.PolicyStatementProps{
			Sid:        jsii.String("OtherVpcEndpoints"),
			Effect:     awsiam.Effect_DENY,
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Conditions: &map[string]any{"StringNotEquals": map[string]any{"aws:SourceVpce": props.VPCEndpointIDs}},
		}))
	}
	return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements})
}

// responseType is the member of an access log record that names the type of an answer
// of API Gateway's own, such as INTEGRATION_TIMEOUT.
const responseType = "response_type"

// accessLog returns the format of a record of the access log, JSON in one line.
func accessLog() string {
	record := map[string]string{}
	for name, variable := range map[string]string{
		"request_id":             "requestId",
		"extended_request_id":    "extendedRequestId",
		"time":                   "requestTime",
		"source_ip":              "identity.sourceIp",
		"vpce_id":                "identity.vpceId",
		"account":                "identity.accountId",
		"principal":              "identity.userArn",
		"user_agent":             "identity.userAgent",
		"method":                 "httpMethod",
		"resource":               "resourcePath",
		"path":                   "path",
		"status":                 "status",
		"response_length":        "responseLength",
		"response_latency_ms":    "responseLatency",
		"integration_latency_ms": "integrationLatency",
		"error":                  "error.message",
		responseType:             "error.responseType",
		"integration_error":      "integration.error",
	} {
		record[name] = "$context." + variable
	}
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// explain suppresses findings of the AwsSolutions rules, each with its reason.
func explain(api awsapigateway.RestApi, logRole bool) {
	because := func(scope constructs.IConstruct, rule, reason string) {
		cdknag.NagSuppressions_AddResourceSuppressions(scope, &[]*cdknag.NagPackSuppression{{Id: &rule, Reason: &reason}}, jsii.Bool(true))
	}
	because(api, "AwsSolutions-APIG2", "The handler validates every request against the model of its operation, in both protocols, and answers in the protocol of the request; API Gateway's validator reads no EC2 Query forms and does not answer in EC2's form.")
	because(api.DeploymentStage(), "AwsSolutions-APIG3", "Every method requires the signature of an IAM principal that the resource policy admits; there is no anonymous traffic for a web ACL to filter.")
	because(api.Root(), "AwsSolutions-COG4", "Callers are IAM principals with SigV4 signatures, as with EC2's own API; there are no users of a Cognito pool.")
	if role := api.Node().TryFindChild(jsii.String("CloudWatchRole")); logRole {
		because(role, "AwsSolutions-IAM4", "API Gateway checks the account's log role against exactly this managed policy.")
	}
}
