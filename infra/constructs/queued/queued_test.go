//go:build !race

package queued

import (
	"os"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/infra/constructs/gofunction"
)

func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// A full queue leaves concurrency to the account's other functions, and the queue hands
// only failed messages to the function again.
func TestQueueLeavesConcurrency(t *testing.T) {
	minutes := func(n float64) awscdk.Duration { return awscdk.Duration_Minutes(&n) }
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Stack"), nil)
	NewQueued(stack, "Work", &Props{
		Function: gofunction.Props{
			Description: "Works", Asset: t.TempDir(), Architecture: awslambda.Architecture_ARM_64(), Timeout: minutes(5), MemoryMB: 128,
			LogRetention: awslogs.RetentionDays_ONE_DAY, LogRemoval: awscdk.RemovalPolicy_DESTROY,
			Environment: map[string]string{}, Statements: map[string]awsiam.PolicyStatement{},
		},
		Variable: "QUEUE", Every: minutes(5), Description: "Starts work", Concurrency: 7, Removal: awscdk.RemovalPolicy_DESTROY,
	})
	assertions.Template_FromStack(stack, nil).HasResourceProperties(jsii.String("AWS::Lambda::EventSourceMapping"), map[string]any{
		"BatchSize": 1, "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "ScalingConfig": map[string]any{"MaximumConcurrency": 7},
	})
}
