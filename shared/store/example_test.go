package store_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// An IPAM, a pool with a /16, and an allocation by length, on a table in memory.
func ExampleStore_Allocate() {
	const account = "111122223333"
	ctx, s := context.Background(), store.New(&tabletest.Memory{}, store.Options{Region: "eu-west-1", Owner: account})
	token := func(operation string) store.Token { return store.Token{Account: account, Operation: operation} }

	manager, err := s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: account}})
	if err != nil {
		panic(err)
	}
	pool, err := s.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: manager.PrivateScope, Family: ipam.IPv4},
		func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	if err != nil {
		panic(err)
	}
	may := func(*ipam.Pool) error { return nil } // the operations check the caller here
	if _, err := s.Provision(ctx, store.Provision{
		Token: token("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		May: may, Check: func(*ipam.Pool, *store.Provision) error { return nil },
	}); err != nil {
		panic(err)
	}
	length := 24
	for range 2 {
		a, err := s.Allocate(ctx, store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: pool.ID, Request: ipam.AllocateRequest{Length: &length}, May: may})
		if err != nil {
			panic(err)
		}
		fmt.Println(a.CIDR)
	}
	// Output:
	// 10.0.0.0/24
	// 10.0.1.0/24
}
