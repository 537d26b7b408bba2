package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func open(ctx context.Context) (lambda.Handler, error) {
	h, err := openDoor(ctx)
	if err != nil {
		return nil, err
	}
	return lambda.NewHandler(h.Handle), nil
}

// openDoor returns the handler of the door that the environment names.
func openDoor(ctx context.Context) (*Handler, error) {
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	organization, err := lambdakit.OpenOrganization(ctx)
	if err != nil {
		return nil, err
	}
	switch door := os.Getenv(lambdakit.EnvDoor); door {
	case DoorDirect:
		vending, fromPoolsOnly, err := lambdakit.OpenVending(ctx)
		if err != nil {
			return nil, err
		}
		return NewDirect(func(a registry.Authorizer) Registry {
			return ops.New(store, a, ops.WithOrganization(organization), ops.WithVending(vending, fromPoolsOnly))
		}, store.Owner(), store.Region(), Options{}), nil
	case DoorEvents:
		retries, err := lambdakit.OpenRetries(ctx)
		if err != nil {
			return nil, err
		}
		deployer, err := registry.ParseGrants(os.Getenv(lambdakit.EnvGrants), store.Owner())
		if err != nil {
			return nil, err
		}
		grants := registry.NewGrants(deployer, registry.MoreGrants(store.Grants), time.Minute, time.Now)
		return NewEvents(ops.New(store, grants, ops.WithOrganization(organization)), store, store.Region(), Options{Retry: retries.Soon}), nil
	default:
		return nil, fmt.Errorf("%s is %q, and not %s or %s", lambdakit.EnvDoor, door, DoorEvents, DoorDirect)
	}
}
