package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cadastre-ipam/cadastre/shared/ops"
)

func main() {
	slog.SetDefault(slog.New(lambdacontext.NewLogHandler()))
	grants, err := ops.ParseGrants(os.Getenv("CADASTRE_GRANTS"), os.Getenv("CADASTRE_ACCOUNT"))
	if err != nil {
		slog.Error("the grants cannot be read", "error", err.Error())
		os.Exit(1)
	}
	registry := ops.NewRegistry(ops.NewGrants(grants, nil, 0, time.Now))
	lambda.Start(New(registry, Options{}).Handle)
}
