// Package stacks holds the deployment's stacks: data, which is kept, and service,
// which can be deleted and made anew.
package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/table"
)

// DataProps are the data stack's.
type DataProps struct {
	awscdk.StackProps
	Destroyable bool // the table may be deleted
}

// Data is the stack of what must not be lost.
type Data struct {
	Stack awscdk.Stack
	Table awsdynamodb.TableV2
}

// NewData makes the data stack. Its output is TableName.
func NewData(scope constructs.Construct, id string, props *DataProps) *Data {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	t := table.NewTable(stack, "Table", &table.Props{Destroyable: props.Destroyable})
	output(stack, "TableName", t.TableName(), "The table that holds all state")
	return &Data{Stack: stack, Table: t}
}

func output(stack constructs.Construct, name string, value *string, description string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: value, Description: jsii.String(description)})
}
