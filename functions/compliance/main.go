package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

func main() { lambdakit.Main(open) }

func open(ctx context.Context) (lambda.Handler, error) {
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	queue, err := lambdakit.OpenQueue(ctx, lambdakit.EnvComplianceQueue)
	if err != nil {
		return nil, err
	}
	retries, err := lambdakit.OpenRetries(ctx)
	if err != nil {
		return nil, err
	}
	days, err := lambdakit.ForecastDays()
	if err != nil {
		return nil, err
	}
	o := Options{ForecastDays: days, Retry: retries.Soon, Reconcile: store.Reconcile, ResourceMetrics: os.Getenv(lambdakit.EnvResourceMetrics) == "true"}
	return lambda.NewHandler(New(store, queue, o).Handle), nil
}
