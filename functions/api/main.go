package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func main() {
	telemetry.SetUp()
	operations, err := open(context.Background())
	if err != nil {
		slog.Error("the function cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(New(operations, Options{}).Handle)
}
