package lambdakit

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// Main is the main function of each Lambda function: it sets the log up, opens the
// handler by the environment and serves invocations. If open fails, it logs the
// error and ends the process with status 1, and Lambda reports the failed start.
func Main(open func(context.Context) (lambda.Handler, error)) {
	telemetry.SetUp()
	handler, err := open(context.Background())
	if err != nil {
		slog.Error("the function cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
