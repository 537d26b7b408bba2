package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

func main() { lambdakit.Main(open) }

func open(ctx context.Context) (lambda.Handler, error) {
	caller, err := NewCaller(ctx)
	if err != nil {
		return nil, err
	}
	return lambda.NewHandler(New(caller, Options{ResponseURL: os.Getenv(EnvResponseURL)}).Handle), nil
}
