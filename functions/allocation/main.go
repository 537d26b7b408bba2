package main

import (
	"context"
	"fmt"
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
	switch door := os.Getenv(EnvDoor); door {
	case DoorDirect:
		return NewDirect(func(a ops.Authorizer) Registry { return ops.New(store, a) }, store.Owner(), store.Region()), nil
	case DoorEvents:
		deployer, err := ops.ParseGrants(os.Getenv(lambdakit.EnvGrants), store.Owner())
		grants := ops.NewGrants(deployer, ops.MoreGrants(store.Grants), time.Minute, time.Now)
		return NewEvents(ops.New(store, grants), store, store.Region()), err
	default:
		return nil, fmt.Errorf("%s is %q, and not %s or %s", EnvDoor, door, DoorEvents, DoorDirect)
	}
}
