package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

func open(ctx context.Context) (lambda.Handler, error) {
	operations, err := openRegistry(ctx)
	if err != nil {
		return nil, err
	}
	return lambda.NewHandler(New(operations, telemetry.Options{}).Handle), nil
}

// openRegistry returns the registry that the environment names.
func openRegistry(ctx context.Context) (*registry.Registry, error) {
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	deployer, err := registry.ParseGrants(os.Getenv(lambdakit.EnvGrants), os.Getenv(lambdakit.EnvAccount))
	if err != nil {
		return nil, err
	}
	organization, err := lambdakit.OpenOrganization(ctx)
	if err != nil {
		return nil, err
	}
	vending, fromPoolsOnly, err := lambdakit.OpenVending(ctx)
	if err != nil {
		return nil, err
	}
	grants := registry.NewGrants(deployer, registry.MoreGrants(store.Grants), time.Minute, time.Now)
	return ops.New(store, grants, ops.WithOrganization(organization), ops.WithVending(vending, fromPoolsOnly)), nil
}
