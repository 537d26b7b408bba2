package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func main() {
	telemetry.SetUp()
	registry, err := open(context.Background())
	if err != nil {
		slog.Error("the function cannot start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(New(registry, Options{}).Handle)
}

func open(ctx context.Context) (*ops.Registry, error) {
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	deployer, err := ops.ParseGrants(os.Getenv(lambdakit.EnvGrants), os.Getenv(lambdakit.EnvAccount))
	if err != nil {
		return nil, err
	}
	organization, err := lambdakit.OpenOrganization(ctx)
	if err != nil {
		return nil, err
	}
	return ops.New(store, ops.NewGrants(deployer, ops.MoreGrants(store.Grants), time.Minute, time.Now), ops.WithOrganization(organization)), nil
}
