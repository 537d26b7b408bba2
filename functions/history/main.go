package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func main() { lambdakit.Main(open) }

func open(ctx context.Context) (lambda.Handler, error) {
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
	return lambda.NewHandler(New(store, scans, bus, telemetry.Options{}).Handle), nil
}
