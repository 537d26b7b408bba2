// Package stacks holds the deployment's stacks: data, which is kept, and service,
// which can be deleted and made anew.
package stacks

import (
	"strings"

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
	// StreamARN is the stream of a table that is there already, and is used in
	// place of the stack's own; "" for none.
	StreamARN string
}

// Data is the stack of what must not be lost.
type Data struct {
	Stack awscdk.Stack
	Table awsdynamodb.ITableV2 // that the deployment works on
}

// NewData makes the data stack. Its outputs are TableName, of the table that the
// deployment works on, and what the other stacks import of the stack's own table.
func NewData(scope constructs.Construct, id string, props *DataProps) *Data {
	stack := awscdk.NewStack(scope, &id, &props.StackProps)
	t := table.NewTable(stack, "Table", &table.Props{Destroyable: props.Destroyable})
	// CloudFormation refuses to take away exports that are in use, and this stack is
	// deployed first: so they stay when the other stacks turn to another table.
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

func output(stack constructs.Construct, name string, value *string, description string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: value, Description: jsii.String(description)})
}
