package stacks

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/restapi"
	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// ConsoleFunction is the name of the hosted console's function, which only a deployment
// with a console has. The function has the name of its folder.
const ConsoleFunction = "console"

// ConsoleProps are the properties of the console's stack.
type ConsoleProps struct {
	awscdk.StackProps
	Name         string // the deployment's name
	Functions    string // the folder of the built functions, with a folder for each
	Architecture awslambda.Architecture
	LogRetention awslogs.RetentionDays
	Destroyable  bool // the stack's deletion deletes logs
	API          awsapigateway.RestApi
	Settings     hosted.Settings
	Document     string // the settings as the deployer wrote them
	// Operations are the API's operations with their classes.
	Operations map[string]registry.Class
}

// consoleClasses are the classes with a role.
var consoleClasses = []registry.Class{registry.Read, registry.Allocate, registry.Administer}

// ConsoleRoles returns the names of the roles of the console's classes without the class
// at their ends. A role's name is unique in its account, so it has the Region.
func ConsoleRoles(name string) string { return name + "-" + *awscdk.Aws_REGION() + "-console-" }

// ConsolePrincipals returns the ARN of each class's role. Cadastre's grants give it the
// class.
func ConsolePrincipals(name string) map[registry.Class]string {
	arns := map[registry.Class]string{}
	for _, class := range consoleClasses {
		arns[class] = "arn:" + *awscdk.Aws_PARTITION() + ":iam::" + *awscdk.Aws_ACCOUNT_ID() + ":role/" + ConsoleRoles(name) + class.String()
	}
	return arns
}

// The throttle of the console: requests a second, and requests at once.
const (
	consoleRate  = 100
	consoleBurst = 200
)

// NewConsole makes the stack of the hosted console: its HTTP API, its function, and a role
// for each class. Its outputs are ConsoleUrl, ConsoleCallbackUrl and, with a domain name,
// ConsoleDomainTarget.
//
// An HTTP API serves a site at its root, passes cookies on as they are, and costs a third
// of a REST API. It has no endpoints inside a VPC, so the console is not for a private
// API. Nothing in the stack costs anything without requests: it has no alarms, and the key
// of the cookies is a standard parameter of SSM.
func NewConsole(scope constructs.Construct, id string, props *ConsoleProps) awscdk.Stack {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	removal := awscdk.RemovalPolicy_RETAIN
	if props.Destroyable {
		removal = awscdk.RemovalPolicy_DESTROY
	}
	api := awsapigatewayv2.NewCfnApi(stack, jsii.String("Api"), &awsapigatewayv2.CfnApiProps{
		Name: jsii.String(props.Name + "-console"), ProtocolType: jsii.String("HTTP"), Description: jsii.String("Cadastre's console"),
		DisableExecuteApiEndpoint: jsii.Bool(props.Settings.DomainName != ""), // one address only: the origin
	})
	origin := "https://" + props.Settings.DomainName
	if props.Settings.DomainName == "" {
		origin = *api.AttrApiEndpoint()
	}
	key := "/" + props.Name + "/console/key"
	parameter := func(name string) *string {
		return jsii.String("arn:" + *stack.Partition() + ":ssm:" + *stack.Region() + ":" + *stack.Account() + ":parameter/" + strings.TrimPrefix(name, "/"))
	}
	var roles []string
	for _, arn := range ConsolePrincipals(props.Name) {
		roles = append(roles, arn)
	}
	slices.Sort(roles)
	statements := map[string]awsiam.PolicyStatement{
		"Classes": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("sts:AssumeRole", "sts:SetSourceIdentity"), Resources: jsii.Strings(roles...)}),
		"Key":     awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("ssm:GetParameter", "ssm:PutParameter"), Resources: &[]*string{parameter(key)}}),
	}
	if name := props.Settings.ClientSecretParameter; name != "" {
		statements["ClientSecret"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("ssm:GetParameter"), Resources: &[]*string{parameter(name)}})
		if secret, ok := strings.CutPrefix(name, hosted.SecretsManagerPrefix); ok {
			// Secrets Manager adds a dash and six characters to a secret's name.
			arn := "arn:" + *stack.Partition() + ":secretsmanager:" + *stack.Region() + ":" + *stack.Account() + ":secret:" + secret + "-??????"
			statements["Secret"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("secretsmanager:GetSecretValue"), Resources: &[]*string{&arn}})
		}
	}
	function := gofunction.NewFunction(stack, "Function", &gofunction.Props{
		Description: "Serves the console and signs people in", Asset: filepath.Join(props.Functions, ConsoleFunction), Architecture: props.Architecture,
		MemoryMB: 1024, Timeout: awscdk.Duration_Seconds(jsii.Number(30)), LogRetention: props.LogRetention, LogRemoval: removal, Statements: statements,
		Environment: map[string]string{
			lambdakit.EnvConsole: props.Document, lambdakit.EnvConsoleKey: key, lambdakit.EnvConsoleOrigin: origin, lambdakit.EnvConsoleRoles: ConsoleRoles(props.Name),
			lambdakit.EnvEndpoint: *address(props.API), lambdakit.EnvHomeRegion: *stack.Region(), lambdakit.EnvAccount: *stack.Account(),
		},
	})
	for _, class := range consoleClasses {
		newConsoleRole(stack, props, class, function)
	}
	stage := newConsoleRoute(stack, props, api, function, removal)
	output(stack, "ConsoleUrl", jsii.String(origin+"/"), "The address of the console")
	output(stack, "ConsoleCallbackUrl", jsii.String(origin+"/callback"), "The redirect URI to register at the identity provider")
	if props.Settings.DomainName != "" {
		output(stack, "ConsoleDomainTarget", newConsoleDomain(stack, props, api, stage), "The name that the domain name's record points to")
	}
	return stack
}

// newConsoleRole makes the role of a class. Only the console's function may assume it, and
// it may call the operations of its class only.
func newConsoleRole(stack awscdk.Stack, props *ConsoleProps, class registry.Class, function *gofunction.Function) {
	call := func(operation string) *string {
		return props.API.ArnForExecuteApi(jsii.String("POST"), jsii.String("/v1/"+operation), jsii.String(restapi.Stage))
	}
	var calls []*string
	if class == registry.Administer {
		calls = append(calls, call("*"))
	} else {
		for _, name := range slices.Sorted(maps.Keys(props.Operations)) {
			if props.Operations[name] <= class {
				calls = append(calls, call(name))
			}
		}
	}
	trusted := awsiam.NewArnPrincipal(function.Role.RoleArn())
	id := strings.ToUpper(class.String()[:1]) + class.String()[1:] + "Role"
	role := awsiam.NewRole(stack, &id, &awsiam.RoleProps{
		RoleName:    jsii.String(ConsoleRoles(props.Name) + class.String()),
		Description: jsii.String("Calls Cadastre for people with the class " + class.String() + " in the console"),
		AssumedBy:   trusted,
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Call": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("execute-api:Invoke"), Resources: &calls}),
		}})},
	})
	// The person's name is the session's source identity.
	role.AssumeRolePolicy().AddStatements(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{trusted}, Actions: jsii.Strings("sts:SetSourceIdentity"),
	}))
	if class == registry.Administer {
		because(role, "AwsSolutions-IAM5", "The class administer may call every operation.")
	}
}

// newConsoleRoute makes the only route of the console's API, and its stage.
func newConsoleRoute(stack awscdk.Stack, props *ConsoleProps, api awsapigatewayv2.CfnApi, function *gofunction.Function, removal awscdk.RemovalPolicy) awsapigatewayv2.CfnStage {
	integration := awsapigatewayv2.NewCfnIntegration(stack, jsii.String("Integration"), &awsapigatewayv2.CfnIntegrationProps{
		ApiId: api.Ref(), IntegrationType: jsii.String("AWS_PROXY"), IntegrationUri: function.Lambda.FunctionArn(), PayloadFormatVersion: jsii.String("2.0"),
	})
	route := awsapigatewayv2.NewCfnRoute(stack, jsii.String("Route"), &awsapigatewayv2.CfnRouteProps{
		ApiId: api.Ref(), RouteKey: jsii.String("$default"), AuthorizationType: jsii.String("NONE"), Target: jsii.String("integrations/" + *integration.Ref()),
	})
	because(route, "AwsSolutions-APIG4", "People without a session get the pages, which hold no data, and the sign-in. The function refuses every call without a session.")
	awslambda.NewCfnPermission(stack, jsii.String("Invoke"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: function.Lambda.FunctionArn(), Principal: jsii.String("apigateway.amazonaws.com"),
		SourceArn: jsii.String("arn:" + *stack.Partition() + ":execute-api:" + *stack.Region() + ":" + *stack.Account() + ":" + *api.Ref() + "/*/$default"),
	})
	access := awslogs.NewLogGroup(stack, jsii.String("AccessLogs"), &awslogs.LogGroupProps{Retention: props.LogRetention, RemovalPolicy: removal})
	return awsapigatewayv2.NewCfnStage(stack, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId: api.Ref(), StageName: jsii.String("$default"), AutoDeploy: jsii.Bool(true),
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{ThrottlingRateLimit: jsii.Number(consoleRate), ThrottlingBurstLimit: jsii.Number(consoleBurst)},
		AccessLogSettings:    &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{DestinationArn: access.LogGroupArn(), Format: jsii.String(consoleAccessLog())},
	})
}

// newConsoleDomain gives the API its domain name and returns the name that the record has
// to point to.
func newConsoleDomain(stack awscdk.Stack, props *ConsoleProps, api awsapigatewayv2.CfnApi, stage awsapigatewayv2.CfnStage) *string {
	domain := awsapigatewayv2.NewCfnDomainName(stack, jsii.String("Domain"), &awsapigatewayv2.CfnDomainNameProps{
		DomainName: &props.Settings.DomainName,
		DomainNameConfigurations: []any{&awsapigatewayv2.CfnDomainName_DomainNameConfigurationProperty{
			CertificateArn: &props.Settings.CertificateARN, EndpointType: jsii.String("REGIONAL"), SecurityPolicy: jsii.String("TLS_1_2"),
		}},
	})
	awsapigatewayv2.NewCfnApiMapping(stack, jsii.String("Mapping"), &awsapigatewayv2.CfnApiMappingProps{ApiId: api.Ref(), DomainName: domain.Ref(), Stage: stage.Ref()})
	return domain.AttrRegionalDomainName()
}

// consoleAccessLog returns the format of a record of the access log, JSON in one line. It
// has no query strings: one holds the code of a sign-in.
func consoleAccessLog() string {
	record := map[string]string{}
	for name, variable := range map[string]string{
		"request_id": "requestId", "time": "requestTime", "source_ip": "identity.sourceIp", "user_agent": "identity.userAgent", "method": "httpMethod", "path": "path",
		"status": "status", "response_length": "responseLength", "response_latency_ms": "responseLatency", "integration_error": "integrationErrorMessage",
	} {
		record[name] = "$context." + variable
	}
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// because suppresses a finding of the AwsSolutions rules with its reason.
func because(resource constructs.IConstruct, rule, reason string) {
	cdknag.NagSuppressions_AddResourceSuppressions(resource, &[]*cdknag.NagPackSuppression{{Id: &rule, Reason: &reason}}, nil)
}
