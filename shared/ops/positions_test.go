package ops

import (
	"context"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A page can end in an empty part of a list: its position is one to continue from.
func TestPositionsOfEmptyParts(t *testing.T) {
	ctx := registry.WithCaller(context.Background(), registry.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root"})
	o := service{store: store.New(&tabletest.Memory{}, store.Options{Region: "us-east-1"})}
	r := New(o.store, registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	made, err := r.Call(ctx, "CreateIpam", &ec2.CreateIpamInput{})
	if err != nil {
		t.Fatal(err)
	}
	scope := made.(*ec2.CreateIpamOutput).Ipam.PrivateDefaultScopeId
	pool, err := r.Call(ctx, "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"})
	if err != nil {
		t.Fatal(err)
	}
	id := pool.(*ec2.CreateIpamPoolOutput).IpamPool.IpamPoolId
	if _, err := r.Call(ctx, "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: id, Cidr: new("10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range o.allAllocations(ctx, allocationPosition{}, 0) {
		if at, ok := parsePosition(e.Position); err != nil || !ok || at.pool != *id {
			t.Errorf("an empty pool is at %q, %v", e.Position, err)
		}
		n++
	}
	for e, err := range o.resources(ctx, *scope, []netip.Prefix{ipam.IPv4.All(), netip.MustParsePrefix("fd80::/48")}, nil, 0) {
		if after, wrong := afterResource(listing.Page{After: e.Position}, *scope); err != nil || wrong != nil || after == nil {
			t.Errorf("an empty region is at %q, %v", e.Position, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d positions, want 3", n)
	}
}

// A forged token with a position in another account's pool shows nothing of the pool.
func TestForgedPositionShowsNothing(t *testing.T) {
	s := store.New(&tabletest.Memory{}, store.Options{Region: "us-east-1"})
	r := New(s, registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	as := func(account string) context.Context {
		return registry.WithCaller(context.Background(), registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"})
	}
	call := func(ctx context.Context, name string, in any) any {
		out, err := r.Call(ctx, name, in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	victim, forger := as("111122223333"), as("444455556666")
	scope := call(victim, "CreateIpam", &ec2.CreateIpamInput{}).(*ec2.CreateIpamOutput).Ipam.PrivateDefaultScopeId
	pool := call(victim, "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}).(*ec2.CreateIpamPoolOutput).IpamPool.IpamPoolId
	call(victim, "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, Cidr: new("10.0.0.0/8")})
	call(victim, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool, NetmaskLength: new(int32(24))})
	for ctx, want := range map[context.Context]int{victim: 1, forger: 0} {
		p, err := newPage(ctx, listRequest{operation: "DescribeIpamPoolAllocations", in: ec2.DescribeIpamPoolAllocationsInput{}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		in := ec2.DescribeIpamPoolAllocationsInput{NextToken: p.Token([]string{*pool, "0.0.0.0/0"})}
		if out := call(ctx, "DescribeIpamPoolAllocations", &in).(*ec2.DescribeIpamPoolAllocationsOutput); len(out.IpamPoolAllocations) != want {
			t.Errorf("%s sees %d allocations, want %d", registry.CallerFrom(ctx).Account, len(out.IpamPoolAllocations), want)
		}
		p, err = newPage(ctx, listRequest{operation: "DescribeTags", in: ec2.DescribeTagsInput{}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		call(ctx, "DescribeTags", &ec2.DescribeTagsInput{NextToken: p.Token([]string{*pool, "0.0.0.0/0", "", ""})})
	}
}
