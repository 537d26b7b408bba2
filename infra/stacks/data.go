// Package stacks holds the three stacks of the deployment: data, whose table outlives
// its stack, and watch and service, which can be deleted and deployed again.
package stacks

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/table"
)

// DataProps are the properties of the data stack.
type DataProps struct {
	awscdk.StackProps
	Destroyable bool // the stack's deletion deletes the table
	// StreamARN is the stream of an existing table that replaces the stack's own; ""
	// for none.
	StreamARN string
}

// Data is the stack of the table.
type Data struct {
	Stack awscdk.Stack
	Table awsdynamodb.ITableV2 // the table of the deployment
}

// NewData makes the data stack. Its outputs are TableName, the name of the
// deployment's table, and the exports of the stack's own table for the other stacks.
func NewData(scope constructs.Construct, id string, props *DataProps) *Data {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	t := table.NewTable(stack, "Table", &table.Props{Destroyable: props.Destroyable})
	// CloudFormation refuses to remove an export that another stack imports, and this
	// stack is deployed first. So the exports stay when the other stacks change to
	// another table.
	for _, value := range []*string{t.TableArn(), t.TableName(), t.TableStreamArn()} {
		stack.ExportValue(value, nil)
	}
	d := &Data{Stack: stack, Table: t}
	if props.StreamARN != "" {
		table, _, _ := strings.Cut(props.StreamARN, "/stream/")
		d.Table = awsdynamodb.TableV2_FromTableAttributes(stack, jsii.String("Given"), &awsdynamodb.TableAttributesV2{
			TableArn: &table, TableStreamArn: &props.StreamARN,
		})
	}
	output(stack, "TableName", d.Table.TableName(), "The table that holds all state")
	return d
}

// output adds an output to a stack.
func output(stack constructs.Construct, name string, value *string, description string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: value, Description: jsii.String(description)})
}
