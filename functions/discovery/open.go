package main

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

// open returns the handler that the environment names.
func open(ctx context.Context) (*Handler, error) {
	// An account's network is in memory as a whole, twice while it is compared.
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
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(store.Region()))
	if err != nil {
		return nil, err
	}
	accounts, err := discover.NewDirectory(os.Getenv(lambdakit.EnvAccounts), store.Owner(), organizations.NewFromConfig(cfg), time.Now)
	if err != nil {
		return nil, err
	}
	clients := discover.NewClients(cfg, cmp.Or(os.Getenv(lambdakit.EnvReaderRole), discover.ReaderRole))
	return New(store, queue, accounts, clients, Options{}), nil
}
