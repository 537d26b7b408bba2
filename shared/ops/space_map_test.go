package ops_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// mapLines shows the blocks and resources of a map.
func mapLines(m *ops.IpamSpaceMap) (lines []string) {
	for _, b := range m.Blocks {
		lines = append(lines, fmt.Sprintf("%s %s in %q: child %q, %q %s %q, description %q, name %q", *b.Cidr, b.State, aws.ToString(b.IpamPoolId), aws.ToString(b.ChildIpamPoolId),
			aws.ToString(b.ResourceOwner), b.ResourceType, aws.ToString(b.ResourceId), aws.ToString(b.Description), aws.ToString(b.Name)))
	}
	for _, r := range m.Resources {
		lines = append(lines, fmt.Sprintf("%s %s %s of %s in %s: %s %s %s with %q, since %s", *r.Cidr, r.ResourceType, *r.ResourceId, *r.ResourceOwnerId, *r.ResourceRegion,
			r.ManagementState, r.ComplianceStatus, r.OverlapStatus, aws.ToString(r.OverlapsWith), r.Since.Format(time.RFC3339)))
	}
	return lines
}

// The owner of a scope sees everything in it. An account that a pool is shared with sees
// the pool's own blocks, those of other accounts without their texts.
func TestSpaceMapHidesTheSpaceOfOthers(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	top := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/22")
	child := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: &top}, "10.0.0.0/24")
	w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &child, NetmaskLength: aws.Int32(25)})
	w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &top, NetmaskLength: aws.Int32(24), Description: aws.String("secret"), TagSpecifications: specify("ipam-pool-allocation", "Name", "hidden")})
	w.share(top, consumer)
	theirs := do[ec2.AllocateIpamPoolCidrOutput](w, as(consumer, "admin", ""), &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &top, NetmaskLength: aws.Int32(24), Description: aws.String("mine")}).IpamPoolAllocation
	outside := w.table.Clone() // a resource outside the pools, which no discovery of the test has found
	row := items.EncodeResource(&ipam.ResourceCIDR{Scope: *m.PrivateDefaultScopeId, Rev: 1, Since: 1_800_000_000_000, Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.9.0.0/16"), Owner: stranger, Region: home},
		Status: ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Overlapping, With: "vpc-2"}})
	if err := outside.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
		t.Fatal(err)
	}
	w.registry = ops.New(store.New(outside, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }}), grants())

	line := func(cidr, state, in, child, owner, kind, id, description, name string) string {
		return fmt.Sprintf("%s %s in %q: child %q, %q %s %q, description %q, name %q", cidr, state, in, child, owner, kind, id, description, name)
	}
	inChild := []string{
		line("10.0.0.0/25", "allocated", child, "", account, "custom", "", "", ""),
		line("10.0.0.128/25", "free", child, "", "", "", "", "", ""),
	}
	end := []string{
		line("10.0.2.0/24", "allocated", top, "", consumer, "custom", "", "mine", ""),
		line("10.0.3.0/24", "free", top, "", "", "", "", "", ""),
	}
	root := line("10.0.0.0/22", "pool", "", top, account, "ipam-pool", top, "", "")
	ofChild := line("10.0.0.0/24", "pool", top, child, account, "ipam-pool", child, "", "")
	whole := slices.Concat([]string{root, ofChild}, inChild, []string{line("10.0.1.0/24", "allocated", top, "", account, "custom", "", "secret", "hidden")}, end)
	resource := "10.9.0.0/16 vpc vpc-1 of " + stranger + " in " + home + ": unmanaged unmanaged overlapping with \"vpc-2\", since 2027-01-15T08:00:00Z"
	guest := as(consumer, "admin", "")
	for _, c := range []struct {
		name string
		ctx  context.Context
		in   ops.GetIpamSpaceMapInput
		want []string
	}{
		{"the scope", w.admin, ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId}, append(slices.Clone(whole), resource)},
		{"the scope's IPv6", w.admin, ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId, AddressFamily: "ipv6"}, nil},
		{"a part of the resource", w.admin, ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId, Cidr: aws.String("10.9.7.0/24")}, []string{resource}},
		{"a part of the pool", w.admin, ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId, Cidr: aws.String("10.0.0.192/26")}, []string{root, ofChild, inChild[1]}},
		{"the pool", w.admin, ops.GetIpamSpaceMapInput{IpamPoolId: &top}, whole},
		{"the child", w.admin, ops.GetIpamSpaceMapInput{IpamPoolId: &child}, append([]string{ofChild}, inChild...)},
		{"outside the pool", w.admin, ops.GetIpamSpaceMapInput{IpamPoolId: &top, Cidr: aws.String("10.9.0.0/16")}, nil},
		{"the shared pool", guest, ops.GetIpamSpaceMapInput{IpamPoolId: &top}, slices.Concat([]string{root, ofChild, line("10.0.1.0/24", "allocated", top, "", account, "custom", "", "", "")}, end)},
	} {
		out := do[ops.GetIpamSpaceMapOutput](w, c.ctx, &c.in).IpamSpaceMap
		if got := mapLines(out); !slices.Equal(got, c.want) || out.Detail != "exact" || out.Source != "live" || !out.AsOf.Equal(w.now) {
			t.Errorf("%s:\n%q, want\n%q; %s, %s, %s", c.name, got, c.want, out.Detail, out.Source, out.AsOf)
		}
	}
	shown := do[ops.GetIpamSpaceMapOutput](w, guest, &ops.GetIpamSpaceMapInput{IpamPoolId: &top}).IpamSpaceMap
	if shown.IpamScopeId != nil || *shown.Blocks[3].IpamPoolAllocationId != *theirs.IpamPoolAllocationId {
		t.Errorf("the sharer sees %+v", shown)
	}
	w.refused(t, guest, &ops.GetIpamSpaceMapInput{IpamPoolId: &child}, "InvalidIpamPoolId.NotFound", child)
	w.refused(t, guest, &ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId}, "InvalidIpamScopeId.NotFound", *m.PrivateDefaultScopeId)
	totals := do[ops.GetIpamSpaceMapOutput](w, w.admin, &ops.GetIpamSpaceMapInput{IpamScopeId: m.PrivateDefaultScopeId}).IpamSpaceMap.Totals
	if *totals.Allocations != 3 || *totals.FreeBlocks != 2 || *totals.Resources != 1 || *totals.ProvisionedAddresses != 1024 || *totals.AllocatedAddresses != 640 || *totals.FreeAddresses != 384 ||
		totals.HeldAddresses != nil || *totals.OverlappingAddresses != 65536 || totals.NoncompliantAddresses != nil || *totals.UnmanagedAddresses != 65536 {
		t.Errorf("totals %+v", totals)
	}
}

func TestSpaceMapRefusals(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/22")
	type request = ops.GetIpamSpaceMapInput
	scope := m.PrivateDefaultScopeId
	w.refused(t, w.admin, &request{}, "MissingParameter", "IpamScopeId or IpamPoolId")
	w.refused(t, w.admin, &request{IpamScopeId: scope, IpamPoolId: &pool}, "InvalidParameterCombination", "IpamScopeId", "IpamPoolId")
	w.refused(t, w.admin, &request{IpamScopeId: aws.String("scope")}, "InvalidIpamScopeId.Malformed", "scope")
	w.refused(t, w.admin, &request{IpamPoolId: aws.String("pool")}, "InvalidIpamPoolId.Malformed", "pool")
	w.refused(t, w.admin, &request{IpamScopeId: scope, Cidr: aws.String("10.0.0.0")}, "InvalidParameterValue", "Cidr", "10.0.0.0")
	w.refused(t, w.admin, &request{IpamScopeId: scope, Cidr: aws.String("10.0.0.1/24")}, "InvalidParameterValue", "10.0.0.0/24")
	w.refused(t, w.admin, &request{IpamScopeId: scope, Cidr: aws.String("2001:db8::/32"), AddressFamily: "ipv4"}, "InvalidParameterValue", "2001:db8::/32", "ipv4")
	w.refused(t, w.admin, &request{IpamScopeId: scope, AddressFamily: "ipv5"}, "InvalidParameterValue", "ipv5")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, Cidr: aws.String("2001:db8::/32")}, "InvalidParameterValue", "2001:db8::/32", "ipv4")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, AddressFamily: "ipv6"}, "InvalidParameterValue", "AddressFamily", "ipv4")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, MaxBlocks: aws.Int32(0)}, "InvalidParameterValue", "MaxBlocks")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, AtTime: aws.Time(w.now.Add(time.Second))}, "InvalidParameterValue", "AtTime", "future")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, AtTime: aws.Time(w.now)}, "InvalidParameterValue", "AtTime", "recorded yet")
	w.refused(t, w.admin, &request{IpamPoolId: &pool, MaxBlocks: aws.Int32(5001)}, "InvalidParameterValue", "MaxBlocks")
}

// The answer for a large space has at most 200 KB, also with all numbers in every tile.
func TestSpaceMapOfALargeSpaceIsSmall(t *testing.T) {
	w := newEnv(t, nil)
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	var sum ipam.SpaceSum
	pool := ipam.Taken{CIDR: netip.MustParsePrefix("10.0.0.0/8"), Kind: ipam.KindPool, ResourceID: "ipam-pool-0123456789abcdef0"}
	sum.AddBlock(&ipam.SpaceBlock{Taken: pool, State: ipam.SpacePool})
	for i := range 30_000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		sum.AddBlock(&ipam.SpaceBlock{Taken: ipam.Taken{CIDR: p}, Pool: pool.ResourceID, State: []ipam.SpaceState{ipam.SpaceAllocated, ipam.SpaceHeld, ipam.SpaceFree}[i%3]})
		sum.AddResource(&ipam.ResourceCIDR{Resource: ipam.Resource{CIDR: p}, Status: ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.Noncompliant, Overlap: ipam.Overlapping}})
	}
	if err := w.store.SaveSpaceMap(t.Context(), *scope, ipam.IPv4, w.now.Add(-time.Minute), &sum); err != nil {
		t.Fatal(err)
	}
	out := do[ops.GetIpamSpaceMapOutput](w, w.admin, &ops.GetIpamSpaceMapInput{IpamScopeId: scope})
	body, err := awsjson.Encode("GetIpamSpaceMap", out)
	m := out.IpamSpaceMap
	if err != nil || len(body) > 200<<10 || len(m.Tiles) < 400 || m.Detail != "tiles" || m.Source != "summary" || !m.AsOf.Equal(w.now.Add(-time.Minute)) {
		t.Errorf("%d bytes with %d tiles, %s, %s, %s, %v", len(body), len(m.Tiles), m.Detail, m.Source, m.AsOf, err)
	}
	if tile := m.Tiles[7]; *tile.IpamPoolId != pool.ResourceID || *tile.Allocations == 0 || *tile.HeldAddresses == 0 || *tile.UnmanagedAddresses == 0 {
		t.Errorf("%+v", tile)
	}
	t.Logf("%d bytes with %d tiles", len(body), len(m.Tiles))
}
