// Command infra is the CDK app. It makes the deployment's templates from the CDK
// context. The CDK CLI runs it; cdk.json names it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/alarms"
	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
	"github.com/cadastre-ipam/cadastre/infra/stacks"
	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// functions is the folder of the built functions.
const functions = "build/functions"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	if err := build(app, functions); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// build adds the stacks to the app. The app's context configures them, and the
// folder functions has the built functions. The stacks go to the account and Region
// that the CDK CLI found for the deployer's credentials. Without credentials the
// templates fit every account and Region.
func build(app awscdk.App, functions string) error {
	context, ok := app.Node().GetAllContext(nil).(map[string]any)
	if !ok {
		return fmt.Errorf("the CDK context cannot be read")
	}
	c, err := ParseConfig(context)
	if err != nil {
		return err
	}
	environment, err := c.Environment()
	if err != nil {
		return err
	}
	concurrency, err := c.concurrency()
	if err != nil {
		return err
	}
	architecture := architectures[c.Architecture]
	names := stacks.Functions
	if c.Console != nil {
		names = append(slices.Clone(names), stacks.ConsoleFunction)
	}
	for _, name := range names {
		if err := architecture.check(filepath.Join(functions, name, gofunction.Bootstrap)); err != nil {
			return err
		}
	}
	data := stacks.NewData(app, "Data", &stacks.DataProps{
		StackProps:  c.stackProps("data", "Cadastre: the table that holds all state"),
		Destroyable: c.Destroyable,
		StreamARN:   c.TableStreamARN,
	})
	service := c.serviceProps(data.Table, functions, environment, concurrency)
	made := stacks.NewService(app, "Service", &service)
	service.StackProps = c.stackProps("watch", "Cadastre: discovery, compliance, history and events")
	stacks.NewWatch(app, "Watch", &service)
	if c.Console != nil {
		return c.addConsole(app, functions, made.API)
	}
	return nil
}

// addConsole adds the stack of the hosted console.
func (c *Config) addConsole(app awscdk.App, functions string, api awsapigateway.RestApi) error {
	settings, err := hosted.ParseSettings(c.Console)
	if err != nil {
		return err
	}
	operations := map[string]registry.Class{}
	for _, o := range ops.New(nil, nil).Operations() {
		operations[o.Name] = o.Class
	}
	stacks.NewConsole(app, "Console", &stacks.ConsoleProps{
		StackProps:   c.stackProps("console", "Cadastre: the console for people who sign in"),
		Name:         c.Name,
		Functions:    functions,
		Architecture: architectures[c.Architecture].cdk(),
		LogRetention: retentions[c.LogRetentionDays],
		Destroyable:  c.Destroyable,
		API:          api,
		Settings:     settings,
		Document:     string(c.Console),
		Operations:   operations,
	})
	return nil
}

// stackProps returns the properties of a stack. Without credentials of the deployer it
// has no account and no Region.
func (c *Config) stackProps(name, description string) awscdk.StackProps {
	p := awscdk.StackProps{StackName: jsii.String(c.Name + "-" + name), Description: &description, Env: &awscdk.Environment{}}
	if account := os.Getenv("CDK_DEFAULT_ACCOUNT"); account != "" {
		p.Env.Account = &account
	}
	if region := os.Getenv("CDK_DEFAULT_REGION"); region != "" {
		p.Env.Region = &region
	}
	return p
}

// serviceProps returns the properties of the service stack. The watch stack has the same
// ones, except the stack's own.
func (c *Config) serviceProps(table awsdynamodb.ITableV2, functions string, environment map[string]string, concurrency stacks.Concurrency) stacks.ServiceProps {
	return stacks.ServiceProps{
		StackProps:     c.stackProps("service", "Cadastre: the API and its functions"),
		Name:           c.Name,
		Table:          table,
		Functions:      functions,
		Architecture:   architectures[c.Architecture].cdk(),
		Environment:    environment,
		OrganizationID: c.OrganizationID,
		VPCEndpointIDs: c.VPCEndpointIDs,
		CreateLogRole:  c.CreateAPILogRole,
		LogRetention:   retentions[c.LogRetentionDays],
		Destroyable:    c.Destroyable,
		Alarms:         alarms.Props{Email: c.AlarmEmail, TopicARN: c.AlarmTopicARN},
		Concurrency:    concurrency,
		VendingRole:    c.VendingRole,
		FromPoolsOnly:  c.FromPoolsOnly,

		Accounts:         c.Accounts,
		ExcludedAccounts: c.ExcludedAccounts,
		ReaderRole:       c.ReaderRole,
		DiscoveryMinutes: float64(c.DiscoveryMinutes),
		ResourceMetrics:  c.ResourceMetrics,
		ForecastDays:     c.ForecastDays,
		NotifyEmail:      c.NotifyEmail,
	}
}
