package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

func open(ctx context.Context) (lambda.Handler, error) {
	// A run holds an account's network in memory as a whole, twice while it compares.
	if err := lambdakit.LimitMemory(); err != nil {
		return nil, err
	}
	store, err := lambdakit.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	queue, err := lambdakit.OpenQueue(ctx, lambdakit.EnvDiscoveryQueue)
	if err != nil {
		return nil, err
	}
	retries, err := lambdakit.OpenRetries(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(store.Region()))
	if err != nil {
		return nil, err
	}
	accounts, err := discover.NewDirectory(os.Getenv(lambdakit.EnvAccounts), store.Owner(), organizations.NewFromConfig(cfg), time.Now)
	if err != nil {
		return nil, err
	}
	if err := accounts.Exclude(os.Getenv(lambdakit.EnvExcludedAccounts)); err != nil {
		return nil, err
	}
	readers, err := parseReaders(os.Getenv(lambdakit.EnvReaders))
	if err != nil {
		return nil, err
	}
	clients := discover.NewClients(cfg, cmp.Or(os.Getenv(lambdakit.EnvReaderRole), discover.ReaderRole), readers)
	return lambda.NewHandler(New(store, queue, accounts, clients, Options{Retry: retries.Soon}).Handle), nil
}

// parseReaders reads the value of lambdakit.EnvReaders.
func parseReaders(s string) (int, error) {
	if s == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is %q; it must be a number from 1", lambdakit.EnvReaders, s)
	}
	return n, nil
}
