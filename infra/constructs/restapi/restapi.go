// Package restapi provides the construct of the REST API: the door for EC2 Query
// and JSON requests that are signed with IAM credentials.
package restapi

import (
	"encoding/json"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// Stage is the name of the API's only stage.
const Stage = "prod"

// What the stage lets through, in requests a second and at once. It is far
// above what a table's partition takes and far below an account's own limit, so
// that a runaway client does not use up what other APIs of the account need.
const (
	rateLimit  = 500
	burstLimit = 1000
)

// Props are the API's.
type Props struct {
	Name    string
	Handler awslambda.IFunction
	// OrganizationID admits the principals of an organisation besides those of
	// the account that the API stands in.
	OrganizationID string
	// VPCEndpointIDs, if there are any, make the API private: it is reached
	// through these endpoints only.
	VPCEndpointIDs []string
	// CreateLogRole has the account's role by which API Gateway writes logs made
	// and set. The setting is one for all APIs of an account and Region.
	CreateLogRole bool
	LogRetention  awslogs.RetentionDays
	LogRemoval    awscdk.RemovalPolicy
}

// NewAPI makes the REST API with exactly the resources that the handler knows:
// POST and GET /, POST /v1/{operation} and GET /v1/openapi.json. Every method
// asks for IAM credentials.
func NewAPI(scope constructs.Construct, id string, props *Props) awsapigateway.RestApi {
	scope = constructs.NewConstruct(scope, &id)
	access := awslogs.NewLogGroup(scope, jsii.String("AccessLogs"), &awslogs.LogGroupProps{
		Retention: props.LogRetention, RemovalPolicy: props.LogRemoval,
	})
	api := awsapigateway.NewRestApi(scope, jsii.String("Api"), &awsapigateway.RestApiProps{
		RestApiName:           &props.Name,
		Description:           jsii.String("IP address management: EC2 Query on /, JSON on /v1/{operation}"),
		EndpointConfiguration: endpoint(scope, props.VPCEndpointIDs),
		Policy:                resourcePolicy(scope, props),
		CloudWatchRole:        &props.CreateLogRole, // it is retained, as other APIs log by it too
		// No binary media types: with */* among them the form body would arrive
		// in base64 and the answers would have to leave in it.
		DefaultIntegration: awsapigateway.NewLambdaIntegration(props.Handler, &awsapigateway.LambdaIntegrationOptions{
			AllowTestInvoke: jsii.Bool(false), // the console's test call carries no verified identity
		}),
		DefaultMethodOptions: &awsapigateway.MethodOptions{AuthorizationType: awsapigateway.AuthorizationType_IAM},
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            jsii.String(Stage),
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(access),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(jsii.String(accessLog())),
			LoggingLevel:         awsapigateway.MethodLoggingLevel_ERROR,
			DataTraceEnabled:     jsii.Bool(false), // bodies stay out of logs
			MetricsEnabled:       jsii.Bool(true),
			TracingEnabled:       jsii.Bool(true),
			ThrottlingRateLimit:  jsii.Number(rateLimit),
			ThrottlingBurstLimit: jsii.Number(burstLimit),
		},
	})
	// API Gateway would make the group of its execution logs by itself and keep
	// it for ever.
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
	return api
}

// addOwnAnswers sets the answers that API Gateway gives by itself. Without them
// these are JSON, which EC2's clients do not read (botocore raises
// ResponseParserError), and a 502 or 504 for a call that may have been carried out,
// which SDKs repeat by themselves.
func addOwnAnswers(api awsapigateway.RestApi) {
	for _, a := range gateway.Answers {
		options := &awsapigateway.GatewayResponseOptions{
			Type:            awsapigateway.ResponseType_Of(jsii.String(a.Type)),
			Templates:       &map[string]*string{gateway.TemplateType: jsii.String(a.Template())},
			ResponseHeaders: &map[string]*string{"Content-Type": jsii.String("'" + gateway.ContentType + "'"), gateway.CodeHeader: jsii.String("'" + string(a.Code) + "'")},
		}
		if a.Status != 0 {
			options.StatusCode = jsii.String(strconv.Itoa(a.Status))
		}
		api.AddGatewayResponse(jsii.String(a.Type), options)
	}
}

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

// resourcePolicy admits the owner account and the organisation. Who matches no
// statement is refused, unless it is a principal of the owner account whose own
// policies allow the call.
func resourcePolicy(scope constructs.Construct, props *Props) awsiam.PolicyDocument {
	stack := awscdk.Stack_Of(scope)
	invoke := func(s awsiam.PolicyStatementProps) awsiam.PolicyStatement {
		s.Actions, s.Resources = jsii.Strings("execute-api:Invoke"), jsii.Strings("execute-api:/*")
		return awsiam.NewPolicyStatement(&s)
	}
	statements := []awsiam.PolicyStatement{invoke(awsiam.PolicyStatementProps{
		Sid: jsii.String("OwnerAccount"),
		// The account as a principal leaves it to IAM which of its principals
		// may call what; any principal (*) of the account would not.
		Principals: &[]awsiam.IPrincipal{awsiam.NewAccountPrincipal(stack.Account())},
	})}
	if props.OrganizationID != "" {
		statements = append(statements, invoke(awsiam.PolicyStatementProps{
			Sid:        jsii.String("Organization"),
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Conditions: &map[string]any{
				"StringEquals": map[string]any{"aws:PrincipalOrgID": props.OrganizationID},
				// Other accounts' principals need their own policy's permission
				// besides. The owner's would not, and IAM would have no say.
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

// accessLog returns the format of a record in the access log: JSON in one line.
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

// explain gives the reasons for what the AwsSolutions rules find in the API.
func explain(api awsapigateway.RestApi, logRole bool) {
	because := func(scope constructs.IConstruct, rule, reason string) {
		cdknag.NagSuppressions_AddResourceSuppressions(scope, &[]*cdknag.NagPackSuppression{{Id: &rule, Reason: &reason}}, jsii.Bool(true))
	}
	because(api, "AwsSolutions-APIG2", "The handler validates every request against the model of its operation, in both protocols, and answers in the caller's protocol; API Gateway's validator knows neither EC2 Query forms nor the error's shape.")
	because(api.DeploymentStage(), "AwsSolutions-APIG3", "Every method asks for a signature by an IAM principal whom the resource policy admits; there is no anonymous traffic for a web ACL to filter.")
	because(api.Root(), "AwsSolutions-COG4", "Callers are IAM principals with SigV4 signatures, as with EC2's own API; there are no users of a Cognito pool.")
	if role := api.Node().TryFindChild(jsii.String("CloudWatchRole")); logRole {
		because(role, "AwsSolutions-IAM4", "API Gateway checks the account's log role against exactly this managed policy.")
	}
}
