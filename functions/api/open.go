package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/vending"
)

// The function's own environment, beside that of every function.
const (
	EnvVendingRole   = "CADASTRE_VENDING_ROLE"         // the name of the role that makes VPCs in each account; "" if none are made
	EnvFromPoolsOnly = "CADASTRE_VPCS_FROM_POOLS_ONLY" // true or false: whether CIDRs of VPCs must be from pools; "" is false
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
	vend, err := openVending(ctx, store.Region())
	if err != nil {
		return nil, err
	}
	grants := ops.NewGrants(deployer, ops.MoreGrants(store.Grants), time.Minute, time.Now)
	return ops.New(store, grants, ops.WithOrganization(organization), vend), nil
}

// openVending returns the option by which VPCs are made, or none are.
func openVending(ctx context.Context, home string) (ops.Option, error) {
	only := false
	if text := os.Getenv(EnvFromPoolsOnly); text != "" {
		var err error
		if only, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("%s is %q, and not true or false", EnvFromPoolsOnly, text)
		}
	}
	role := os.Getenv(EnvVendingRole)
	if role == "" {
		return ops.WithVending(nil, only), nil
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(home))
	if err != nil {
		return nil, fmt.Errorf("configure the clients of vending roles: %w", err)
	}
	v := vending.New(cfg, role)
	return ops.WithVending(func(ctx context.Context, account, region, principal string) (ops.VPCs, error) {
		c, err := v.EC2(ctx, account, region, principal)
		if err != nil {
			return nil, err // not c: a nil *ec2.Client in an ops.VPCs is not nil
		}
		return c, nil
	}, only), nil
}
