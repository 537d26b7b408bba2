package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func main() { lambdakit.Main(open) }

func open(ctx context.Context) (lambda.Handler, error) {
	store, upgrade, err := lambdakit.OpenStoreAndUpgrade(ctx)
	if err != nil {
		return nil, err
	}
	return lambda.NewHandler(New(store, upgrade, telemetry.Options{}).Handle), nil
}
