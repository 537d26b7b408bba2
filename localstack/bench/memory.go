package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const account = "111122223333"

// newPool makes an IPAM with a pool with one CIDR.
func newPool(ctx context.Context, s *store.Store, cidr netip.Prefix) (string, error) {
	token := func(op string) store.Token { return store.Token{Account: account, Operation: op} }
	manager, err := s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: account, Region: s.Region()}, OperatingRegions: []string{s.Region()}, Tier: "advanced"})
	if err != nil {
		return "", err
	}
	pool, err := s.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: manager.PrivateScope, Family: ipam.IPv4},
		func(_ *ipam.IPAM, _ *ipam.Scope, _ *ipam.Pool, p *ipam.Pool) error { p.Region = s.Region(); return nil })
	if err != nil {
		return "", err
	}
	_, err = s.Provision(ctx, store.Provision{
		Token: token("ProvisionIpamPoolCidr"),
		Pool:  pool.ID,
		CIDR:  cidr,
		May:   func(*ipam.Pool) error { return nil },
		Check: func(*ipam.Pool, *store.Provision) error { return nil },
	})
	return pool.ID, err
}

// allocate takes a /28.
func allocate(ctx context.Context, s *store.Store, pool string) (*ipam.Allocation, error) {
	length := 28
	return s.Allocate(ctx, store.Allocate{
		Token:   store.Token{Account: account, Operation: "AllocateIpamPoolCidr"},
		Pool:    pool,
		Request: ipam.AllocateRequest{Length: &length},
		May:     func(*ipam.Pool) error { return nil },
	})
}

func release(ctx context.Context, s *store.Store, a *ipam.Allocation) error {
	return s.Release(ctx, store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
}

// memory measures the whole operation of the store on the table in memory:
// decision, encoding and conditions. It sets no limit, because that table keeps
// its keys in sorted lists, and insertions into them take longer the more it
// holds.
func memory(ctx context.Context, _ *settings) error {
	title("The whole operation on the table in memory, one client")
	fmt.Printf("%12s  %16s  %16s\n", "held", "allocate ns/op", "release ns/op")
	s := store.New(&tabletest.Memory{}, store.Options{Region: "us-east-1"})
	pool, err := newPool(ctx, s, netip.MustParsePrefix("10.0.0.0/8"))
	if err != nil {
		return err
	}
	held := 0
	for _, want := range []int{10, 1000, 100_000} {
		for ; held < want; held++ {
			if _, err := allocate(ctx, s, pool); err != nil {
				return err
			}
		}
		const n = 2000
		var taken []*ipam.Allocation
		start := time.Now()
		for range n {
			a, err := allocate(ctx, s, pool)
			if err != nil {
				return err
			}
			taken = append(taken, a)
		}
		allocated := time.Since(start)
		start = time.Now()
		for _, a := range taken {
			if err := release(ctx, s, a); err != nil {
				return err
			}
		}
		released := time.Since(start)
		perA, perR := float64(allocated.Nanoseconds())/n, float64(released.Nanoseconds())/n
		fmt.Printf("%12s  %16.0f  %16.0f\n", thousands(want), perA, perR)
	}
	return nil
}
