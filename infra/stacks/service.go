package stacks

import (
	"maps"
	"path/filepath"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
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

// Functions are the names of the functions that the service is made of.
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

// ServiceProps are the service stack's, and the watch stack's.
type ServiceProps struct {
	awscdk.StackProps
	Name         string // of the API
	Table        awsdynamodb.ITableV2
	Functions    string // the folder of the built functions, one folder each
	Architecture awslambda.Architecture
	// Environment is added to the functions'.
	Environment    map[string]string
	OrganizationID string
	VPCEndpointIDs []string
	CreateLogRole  bool
	LogRetention   awslogs.RetentionDays
	Destroyable    bool // logs and dead letters go with the stack
	Alarms         alarms.Props
	VendingRole    string // name of the role that makes VPCs in each account; "" for none
	FromPoolsOnly  bool   // refuse VPCs that are not from pools

	// Of the watch stack.
	Accounts         string  // "organization" or account ids with commas between them; "" for the owner's
	ReaderRole       string  // name of the role in each account
	DiscoveryMinutes float64 // between runs
	ResourceMetrics  bool
	NotifyEmail      string // is mailed when resources overlap
}

// NewService makes the stack of the functions and their doors, and the owner
// account's vending role. Its outputs are ApiUrl, ApiId, ApiFunctionName,
// ApiRoleArn, CustomResourceFunctionArn, DirectFunctionArn, DirectFunctionName and
// ProvisioningFunctionName.
func NewService(scope constructs.Construct, id string, props *ServiceProps) awscdk.Stack {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	removal := props.removal()
	function := func(name, description string, memoryMB float64, timeout awscdk.Duration) gofunction.Props {
		return functionOf(stack, props, name, description, memoryMB, timeout)
	}
	// API Gateway waits for 29 seconds; ending before lets the caller have the
	// function's own answer.
	apiProps := operatorOf(stack, props, apiFunctionName, "Answers the IPAM API", 1024, awscdk.Duration_Seconds(jsii.Number(28)))
	apiFunction := gofunction.NewFunction(stack, "ApiFunction", vendorOf(stack, props, &apiProps))
	// Who may invoke it administers the deployment: nobody is granted that here.
	directProps := doorOf(stack, props, "direct", "Carries out operations for who may invoke it")
	direct := gofunction.NewFunction(stack, "Direct", vendorOf(stack, props, &directProps))
	if props.VendingRole != "" {
		for _, f := range []*gofunction.Function{apiFunction, direct} {
			cdknag.NagSuppressions_AddResourceSuppressions(f.Role, &[]*cdknag.NagPackSuppression{{
				Id: jsii.String("AwsSolutions-IAM5"), Reason: jsii.String("Any account's vending role may be assumed: which trust this function, they say."),
			}}, nil)
		}
		member.NewVending(stack, "Vending", &member.VendingProps{Name: props.VendingRole, Trusted: []awsiam.IRole{apiFunction.Role, direct.Role}})
	}
	api := restapi.NewAPI(stack, "Api", &restapi.Props{
		Name:           props.Name,
		Handler:        apiFunction.Lambda,
		OrganizationID: props.OrganizationID,
		VPCEndpointIDs: props.VPCEndpointIDs,
		CreateLogRole:  props.CreateLogRole,
		LogRetention:   props.LogRetention,
		LogRemoval:     removal,
	})
	provisioning := worker.NewWorker(stack, "Provisioning", &worker.Props{
		Function: function(provisioningFunctionName, "Finishes what one transaction cannot", 512, awscdk.Duration_Minutes(jsii.Number(10))),
		Table:    props.Table,
		Removal:  removal,
	})
	// A pool with many CIDRs takes the longest; CloudFormation waits for an hour.
	customResourceProps := operatorOf(stack, props, customResourceFunctionName, "Makes the IPAM resources of CloudFormation stacks", 512, awscdk.Duration_Minutes(jsii.Number(2)))
	customResource := gofunction.NewFunction(stack, "CustomResourceFunction", &customResourceProps)
	a := alarms.NewAlarms(stack, "Alarms", &props.Alarms)
	a.Function("ApiFunction", apiFunction)
	a.Function("CustomResourceFunction", customResource)
	a.Answering("Direct", direct)
	a.Function("Provisioning", provisioning.Function)
	a.API(api)
	a.DeadLetters("", provisioning.DeadLetters)
	a.Stream("", provisioning.Function.Lambda)
	a.Table(props.Table)
	output(stack, "ApiUrl", api.Url(), "The address of the API")
	output(stack, "ApiId", api.RestApiId(), "The id of the API")
	output(stack, "ApiFunctionName", apiFunction.Lambda.FunctionName(), "The function behind the API")
	output(stack, "ApiRoleArn", apiFunction.Role.RoleArn(), "The role that members' vending roles trust")
	output(stack, "CustomResourceFunctionArn", customResource.Lambda.FunctionArn(), "The service token of IPAM resources in CloudFormation templates")
	output(stack, "DirectFunctionArn", direct.Lambda.FunctionArn(), "What workflows invoke to have an operation carried out")
	output(stack, "DirectFunctionName", direct.Lambda.FunctionName(), "Its name")
	output(stack, "ProvisioningFunctionName", provisioning.Function.Lambda.FunctionName(), "The function that finishes work")
	return stack
}

// removal is what becomes of logs and dead letters when their stack is deleted.
func (p *ServiceProps) removal() awscdk.RemovalPolicy {
	if p.Destroyable {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

// operatorOf returns the properties of a function that carries out operations. If
// the organisation's accounts may call, or are looked at, it may ask AWS
// Organizations where they stand.
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

// doorOf returns the properties of the allocation function as one of its doors.
func doorOf(stack awscdk.Stack, props *ServiceProps, door, description string) gofunction.Props {
	p := operatorOf(stack, props, allocationFunctionName, description, 512, awscdk.Duration_Minutes(jsii.Number(1)))
	p.Environment[lambdakit.EnvDoor] = door
	return p
}

// vendorOf lets a function make VPCs, if the deployment makes any.
func vendorOf(stack awscdk.Stack, props *ServiceProps, p *gofunction.Props) *gofunction.Props {
	if props.VendingRole != "" {
		role := "arn:" + *stack.Partition() + ":iam::*:role/" + props.VendingRole
		p.Statements["Vending"] = awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{Actions: jsii.Strings("sts:AssumeRole"), Resources: &[]*string{&role}})
		p.Environment[lambdakit.EnvVendingRole] = props.VendingRole
		p.Environment[lambdakit.EnvFromPoolsOnly] = strconv.FormatBool(props.FromPoolsOnly)
	}
	return p
}

// functionOf returns the properties of a function on the table.
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
