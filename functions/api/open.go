package main

import (
	"context"
	"os"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// open returns the registry that the environment names.
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
	vending, fromPoolsOnly, err := lambdakit.OpenVending(ctx)
	if err != nil {
		return nil, err
	}
	grants := ops.NewGrants(deployer, ops.MoreGrants(store.Grants), time.Minute, time.Now)
	return ops.New(store, grants, ops.WithOrganization(organization), ops.WithVending(vending, fromPoolsOnly)), nil
}
