package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

func main() { lambdakit.Main(open) }

func open(ctx context.Context) (lambda.Handler, error) {
	caller, err := NewCaller(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the client of CloudFormation: %w", err)
	}
	o := Options{ResponseURL: os.Getenv(EnvResponseURL), Stacks: CloudFormation(cloudformation.NewFromConfig(cfg))}
	return lambda.NewHandler(New(caller, o).Handle), nil
}
