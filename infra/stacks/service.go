package stacks

import (
	"maps"
	"path/filepath"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/cadastre-ipam/cadastre/infra/constructs/alarms"
	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/constructs/member"
	"github.com/cadastre-ipam/cadastre/infra/constructs/restapi"
	"github.com/cadastre-ipam/cadastre/infra/constructs/worker"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Functions are the names of the deployment's functions. Each function has the name of its
// folder.
var Functions = []string{allocationFunctionName, apiFunctionName, complianceFunctionName, customResourceFunctionName, discoveryFunctionName, historyFunctionName, provisioningFunctionName}

const (
	allocationFunctionName     = "allocation"
	apiFunctionName            = "api"
	complianceFunctionName     = "compliance"
	customResourceFunctionName = "customresource"
	discoveryFunctionName      = "discovery"
	historyFunctionName        = "history"
	provisioningFunctionName   = "provisioning"
)

// ServiceProps are the properties of the service stack and of the watch stack.
type ServiceProps struct {
	awscdk.StackProps
	Name         string // the name of the API and of the bus
	Table        awsdynamodb.ITableV2
	Functions    string // the folder of the built functions, with a folder for each
	Architecture awslambda.Architecture
	// Environment is added to the environment of every function.
	Environment    map[string]string
	OrganizationID string
	VPCEndpointIDs []string
	CreateLogRole  bool
	LogRetention   awslogs.RetentionDays
	Destroyable    bool // the stack's deletion deletes logs and queues
	Alarms         alarms.Props
	Concurrency    Concurrency
	VendingRole    string // the name of the role that makes VPCs in each account; "" for none
	FromPoolsOnly  bool   // the API refuses VPCs whose CIDRs are not from pools

	// The watch stack has the following properties besides.
	Accounts         string   // "organization", or account ids with commas between them; "" for the owner account
	ExcludedAccounts []string // accounts of the organisation that discovery does not read
	ReaderRole       string   // the name of the reader role in each account
	DiscoveryMinutes float64  // the time between two runs of discovery
	ResourceMetrics  bool     // the deployment writes metrics of single resources
	ForecastDays     int      // a pool that is expected to be exhausted within so many days has an event
	NotifyEmail      string   // an address to mail when resources overlap; "" for none
}

// Service is the service stack with its API.
type Service struct {
	Stack awscdk.Stack
	API   awsapigateway.RestApi
}

// NewService makes the stack of the API, the functions behind it, for direct
// invocation and for templates, the worker, and the owner account's vending role. Its
// outputs are ApiUrl, ApiId, ApiFunctionName,
// ApiRoleArn, CustomResourceFunctionArn, DirectFunctionArn, DirectFunctionName and
// ProvisioningFunctionName.
func NewService(scope constructs.Construct, id string, props *ServiceProps) *Service {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	// API Gateway waits for 29 seconds. The function ends earlier, so that its own
	// answer reaches the caller.
	apiProps := operatorOf(stack, props, apiFunctionName, "Answers the IPAM API", 1024, awscdk.Duration_Seconds(jsii.Number(28)))
	apiFunction := gofunction.NewFunction(stack, "ApiFunction", vendorOf(stack, props, &apiProps))
	// A principal that may invoke this function administers the deployment. The stack
	// lets nobody invoke it.
	directProps := doorOf(stack, props, "direct", "Carries out operations for callers with lambda:InvokeFunction")
	direct := gofunction.NewFunction(stack, "Direct", vendorOf(stack, props, &directProps))
	addVending(stack, props, apiFunction, direct)
	api := restapi.NewAPI(stack, "Api", &restapi.Props{
		Name:           props.Name,
		Handler:        apiFunction.Lambda,
		OrganizationID: props.OrganizationID,
		VPCEndpointIDs: props.VPCEndpointIDs,
		CreateLogRole:  props.CreateLogRole,
		LogRetention:   props.LogRetention,
		LogRemoval:     props.removal(),
	})
	provisioningProps := functionOf(stack, props, provisioningFunctionName, "Finishes work of more than one transaction", 512, minutes(10))
	provisioningProps.Statements["Layout"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{ // an upgrade of the layout reads every item
		Actions: jsii.Strings(table.ScanAction), Resources: jsii.Strings(*props.Table.TableArn()),
	})
	provisioning := worker.NewWorker(stack, "Provisioning", &worker.Props{
		Function: provisioningProps,
		Table:    props.Table,
		Batches:  props.Concurrency.Provisioning,
		Removal:  props.removal(),
	})
	// A pool with many CIDRs takes longest. CloudFormation waits for an hour.
	customResourceProps := operatorOf(stack, props, customResourceFunctionName, "Makes the IPAM resources of CloudFormation stacks", 512, minutes(2))
	// The function asks CloudFormation whether a stack still has an object.
	customResourceProps.Statements["Stacks"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("cloudformation:DescribeStackResource", "cloudformation:DescribeStacks"),
		Resources: jsii.Strings(*stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("cloudformation"), Resource: jsii.String("stack"), ResourceName: jsii.String("*")})),
	})
	customResource := gofunction.NewFunction(stack, "CustomResourceFunction", &customResourceProps)
	cdknag.NagSuppressions_AddResourceSuppressions(customResource.Role, &[]*cdknag.NagPackSuppression{{
		Id: jsii.String("AwsSolutions-IAM5"), Reason: jsii.String("The function reads the stacks that use it, any stack of the account and Region."),
	}}, nil)
	a := alarms.NewAlarms(stack, "Alarms", &props.Alarms)
	a.Function("ApiFunction", apiFunction)
	a.Function("CustomResourceFunction", customResource)
	a.Answering("Direct", direct)
	a.Function("Provisioning", provisioning.Function)
	a.API(api)
	a.DeadLetters("", provisioning.DeadLetters)
	a.Stream("", provisioning.Function.Lambda)
	a.Table(props.Table)
	output(stack, "ApiUrl", address(api.RestAPI), "The address of the API, without a slash at its end")
	output(stack, "ApiId", api.RestAPI.RestApiId(), "The id of the API")
	output(stack, "ApiFunctionName", apiFunction.Lambda.FunctionName(), "The function behind the API")
	output(stack, "ApiRoleArn", apiFunction.Role.RoleArn(), "The role that the members' vending roles trust")
	output(stack, "CustomResourceFunctionArn", customResource.Lambda.FunctionArn(), "The service token of IPAM resources in CloudFormation templates")
	output(stack, "DirectFunctionArn", direct.Lambda.FunctionArn(), "The function for direct invocation, for workflows and programs")
	output(stack, "DirectFunctionName", direct.Lambda.FunctionName(), "The name of the function for direct invocation")
	output(stack, "ProvisioningFunctionName", provisioning.Function.Lambda.FunctionName(), "The function that finishes work of more than one transaction")
	return &Service{stack, api.RestAPI}
}

// address returns the address of the API's stage without a slash at its end, so that a
// path can follow it. API Gateway takes two slashes for another path.
func address(api awsapigateway.RestApi) *string {
	stack := awscdk.Stack_Of(api)
	return jsii.String("https://" + *api.RestApiId() + ".execute-api." + *stack.Region() + "." + *stack.UrlSuffix() + "/" + *api.DeploymentStage().StageName())
}

// addVending makes the owner account's vending role, which the functions may assume,
// if the deployment has vending roles.
func addVending(stack awscdk.Stack, props *ServiceProps, functions ...*gofunction.Function) {
	if props.VendingRole == "" {
		return
	}
	var trusted []awsiam.IRole
	for _, f := range functions {
		cdknag.NagSuppressions_AddResourceSuppressions(f.Role, &[]*cdknag.NagPackSuppression{{
			Id: jsii.String("AwsSolutions-IAM5"), Reason: jsii.String("The function may assume the vending role of any account; the role's trust policy decides."),
		}}, nil)
		trusted = append(trusted, f.Role)
	}
	member.NewVending(stack, "Vending", &member.VendingProps{Name: props.VendingRole, Trusted: trusted})
}

// removal is the removal policy of logs and queues.
func (p *ServiceProps) removal() awscdk.RemovalPolicy {
	if p.Destroyable {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

// operatorOf returns the properties of a function that carries out operations. If the
// organisation's accounts may call, or discovery reads them, the function may ask AWS
// Organizations for their organizational units.
func operatorOf(stack awscdk.Stack, props *ServiceProps, name, description string, memoryMB float64, timeout awscdk.Duration) gofunction.Props {
	p := functionOf(stack, props, name, description, memoryMB, timeout)
	if props.OrganizationID != "" || props.Accounts == discover.EveryAccount {
		p.Environment[lambdakit.EnvOrganization] = "true"
		p.Statements["Organization"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(discover.HierarchyActions...), Resources: jsii.Strings("*"),
		})
	}
	return p
}

// doorOf returns the properties of the allocation function for one of its doors.
func doorOf(stack awscdk.Stack, props *ServiceProps, door, description string) gofunction.Props {
	p := operatorOf(stack, props, allocationFunctionName, description, 512, awscdk.Duration_Minutes(jsii.Number(1)))
	p.Environment[lambdakit.EnvDoor] = door
	return p
}

// vendorOf lets a function assume vending roles, if the deployment has them.
func vendorOf(stack awscdk.Stack, props *ServiceProps, p *gofunction.Props) *gofunction.Props {
	if props.VendingRole != "" {
		role := "arn:" + *stack.Partition() + ":iam::*:role/" + props.VendingRole
		p.Statements["Vending"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("sts:AssumeRole", "sts:SetSourceIdentity"), Resources: &[]*string{&role}})
		p.Environment[lambdakit.EnvVendingRole] = props.VendingRole
		p.Environment[lambdakit.EnvFromPoolsOnly] = strconv.FormatBool(props.FromPoolsOnly)
	}
	return p
}

// functionOf returns the properties of a function that works on the table.
func functionOf(stack awscdk.Stack, props *ServiceProps, name, description string, memoryMB float64, timeout awscdk.Duration) gofunction.Props {
	environment := map[string]string{
		lambdakit.EnvTable:      *props.Table.TableName(),
		lambdakit.EnvHomeRegion: *stack.Region(),
		lambdakit.EnvAccount:    *stack.Account(),
	}
	maps.Copy(environment, props.Environment)
	return gofunction.Props{
		Description:  description,
		Asset:        filepath.Join(props.Functions, name),
		Architecture: props.Architecture,
		MemoryMB:     memoryMB,
		Timeout:      timeout,
		Environment:  environment,
		LogRetention: props.LogRetention,
		LogRemoval:   props.removal(),
		Statements: map[string]awsiam.PolicyStatement{"Table": awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(table.DynamoActions...), Resources: jsii.Strings(*props.Table.TableArn()),
		})},
	}
}
