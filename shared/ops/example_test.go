package ops_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// An administrator creates an IPAM and a pool on a table in memory, and allocates two CIDRs.
func ExampleNew() {
	s := store.New(&tabletest.Memory{}, store.Options{Region: "eu-west-1", Owner: "111122223333"})
	grants := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::111122223333:role/network-*", Class: registry.Administer}}, nil, 0, nil)
	operations := ops.New(s, grants)

	ctx := registry.WithCaller(context.Background(), registry.Caller{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/network-admin/alice"})
	call := func(in any) any {
		name := strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%T", in), "Input"), "*ec2.")
		out, err := operations.Call(ctx, name, in)
		if err != nil {
			panic(err)
		}
		return out
	}
	manager := call(&ec2.CreateIpamInput{}).(*ec2.CreateIpamOutput).Ipam
	pool := call(&ec2.CreateIpamPoolInput{IpamScopeId: manager.PrivateDefaultScopeId, AddressFamily: types.AddressFamilyIpv4}).(*ec2.CreateIpamPoolOutput).IpamPool
	call(&ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, Cidr: aws.String("10.0.0.0/16")})
	for range 2 {
		out := call(&ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, NetmaskLength: aws.Int32(24)}).(*ec2.AllocateIpamPoolCidrOutput)
		fmt.Println(*out.IpamPoolAllocation.Cidr)
	}

	_, err := operations.Call(ctx, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, NetmaskLength: aws.Int32(8)})
	fmt.Println(ipam.CodeOf(err))
	// Output:
	// 10.0.0.0/24
	// 10.0.1.0/24
	// InvalidParameterValue
}
