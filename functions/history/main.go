package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func main() {
	telemetry.SetUp()
	handler, err := open(context.Background())
	if err != nil {
		slog.Error("the function cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler.Handle)
}

func open(ctx context.Context) (*Handler, error) {
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	scans, err := lambdakit.OpenQueue(ctx, lambdakit.EnvComplianceQueue)
	if err != nil {
		return nil, err
	}
	bus, err := OpenBus(ctx)
	if err != nil {
		return nil, err
	}
	return New(store, scans, bus, Options{}), nil
}
