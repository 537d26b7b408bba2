package ops_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A small page of a list that shows few of many objects takes few reads. The selectors of a
// request count like filters.
func TestCostOfSmallPagesOfRareObjects(t *testing.T) {
	const many = 2000
	w := newEnv(t, nil)
	scope := do[ec2.CreateIpamOutput](w, w.admin, &ec2.CreateIpamInput{}).Ipam.PrivateDefaultScopeId
	pool := do[ec2.CreateIpamPoolOutput](w, w.admin, &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}).IpamPool.IpamPoolId
	db := w.table.Clone() // not checked at the end: no discovery has found these resources
	for i := range many {
		at := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		row := items.EncodeResource(&ipam.ResourceCIDR{Scope: *scope, Rev: 1, Resource: ipam.Resource{
			Type: ipam.ResourceVPC, ID: fmt.Sprintf("vpc-%017x", i), VPC: fmt.Sprintf("vpc-%017x", i), CIDR: at, Owner: account, Region: home,
		}})
		if err := db.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
			t.Fatal(err)
		}
	}
	calls := &tabletest.Counter{Table: db}
	registry := ops.New(store.New(calls, store.Options{Region: home, Owner: account}), grants())
	for _, in := range []any{
		&ec2.GetIpamResourceCidrsInput{IpamScopeId: scope, ResourceId: aws.String(fmt.Sprintf("vpc-%017x", many-1)), MaxResults: aws.Int32(5)},
		&ec2.GetIpamResourceCidrsInput{IpamScopeId: scope, ResourceOwner: aws.String(stranger), MaxResults: aws.Int32(5)},
		&ec2.GetIpamResourceCidrsInput{IpamScopeId: scope, IpamPoolId: pool, MaxResults: aws.Int32(5)},
	} {
		calls.Take()
		if _, err := registry.Call(w.admin, operation(in), in); err != nil {
			t.Fatal(err)
		}
		cost := calls.Take()
		t.Logf("%+v", cost)
		if cost.Queries > 6 {
			t.Errorf("%s of %d takes %d queries", operation(in), many, cost.Queries)
		}
	}
}

// The list of a pool's resources reads none outside the pool's CIDRs, and has the same
// resources as the filter on the whole scope.
func TestCostOfAPoolsResources(t *testing.T) {
	w := newEnv(t, nil)
	scope := do[ec2.CreateIpamOutput](w, w.admin, &ec2.CreateIpamInput{}).Ipam.PrivateDefaultScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope}, "10.1.0.0/16")
	do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("10.1.0.0/16")})
	for _, c := range []string{"10.0.0.0/24", "10.1.0.0/22", "10.5.0.0/16", "10.7.207.0/24"} {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: &c})
	}
	none := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope})
	db := w.table.Clone() // not checked at the end: no discovery has found these resources
	const many = 2000
	for i := range many {
		r := &ipam.ResourceCIDR{Scope: *scope, Rev: 1, Resource: ipam.Resource{
			Type: ipam.ResourceVPC, ID: fmt.Sprintf("vpc-%017x", i), VPC: fmt.Sprintf("vpc-%017x", i),
			CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), Owner: account, Region: home,
		}}
		if at := i >> 8; i == 0 || at == 1 && i&255 < 4 && i&255 != 2 || at == 5 && i%64 == 7 || i == many-1 {
			r.Status = ipam.Status{Management: ipam.Managed, Compliance: ipam.Compliant, Pool: pool}
		}
		row := items.EncodeResource(r)
		if err := db.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
			t.Fatal(err)
		}
	}
	calls := &tabletest.Counter{Table: db}
	w.registry = ops.New(store.New(calls, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }}), grants())
	list := func(in ec2.GetIpamResourceCidrsInput, size int32) (cidrs []string) {
		in.IpamScopeId = scope
		all, _, _ := pages(w, w.admin, &in, size)
		for _, r := range all {
			cidrs = append(cidrs, *r.(types.IpamResourceCidr).ResourceCidr)
		}
		return cidrs
	}
	want := list(ec2.GetIpamResourceCidrsInput{Filters: []types.Filter{where("ipam-pool-id", pool)}}, 0)
	if len(want) != 9 {
		t.Fatalf("the pool has %v", want)
	}
	for _, size := range []int32{0, 5} {
		calls.Take()
		got := list(ec2.GetIpamResourceCidrsInput{IpamPoolId: &pool}, size)
		cost := calls.Take()
		t.Logf("MaxResults %d: %+v", size, cost)
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if most := 2 * (4 + 1 + 4 + 256 + 1); cost.Rows > most {
			t.Errorf("%d of %d rows are read, want %d at most", cost.Rows, many, most)
		}
	}
	calls.Take()
	if got := list(ec2.GetIpamResourceCidrsInput{IpamPoolId: &none}, 0); len(got) > 0 || calls.Take().Rows > 0 {
		t.Errorf("a pool without CIDRs has %v, or rows are read for it", got)
	}
}

// slow is a table whose queries take a tick each.
type slow struct{ table.Table }

const tick = time.Second

func (s slow) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	time.Sleep(tick)
	return s.Table.Query(ctx, q)
}

// A list of parts, of pools or accounts, takes fewer ticks than it has parts. If the first
// part fills the page, it reads no other.
func TestListsReadPartsAtOnce(t *testing.T) {
	const many = 300
	w := newEnv(t, func(q *ipam.Quotas) { q.PoolsPerScope = many })
	m := w.makeIPAM(ec2.CreateIpamInput{})
	var pools []string
	for i := range many {
		pools = append(pools, w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)))
		w.recordRun(*m.DefaultResourceDiscoveryId, fmt.Sprintf("%012d", i), 1)
	}
	slices.Sort(pools)
	for _, i := range []int{0, 0, 0, many - 1, many - 1} {
		w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pools[i], NetmaskLength: aws.Int32(28)})
	}
	for i, owner := range []int{0, 0, 0, 0, 0, 0, many - 1} {
		w.putFound(*m.DefaultResourceDiscoveryId, 1, ipam.Resource{
			Type: ipam.ResourceEIP, ID: fmt.Sprintf("eipalloc-%d", i), CIDR: netip.MustParsePrefix("203.0.113.1/32"), Owner: fmt.Sprintf("%012d", owner),
			Public: &ipam.PublicAddress{Address: netip.MustParseAddr("203.0.113.1"), Type: "amazon-owned-eip"},
		}, ipam.Status{})
	}
	calls := &tabletest.Counter{Table: w.table}
	w.registry = ops.New(store.New(slow{calls}, store.Options{Region: home, Owner: account}), grants())
	for _, c := range []struct {
		in    any
		want  int
		ticks int
	}{
		// The list reads 1, 2, 4 and then 8 parts at once. To list the parts takes a tick for
		// each 100, one for the end, and one for the pools shared with the account.
		{&ec2.DescribeIpamPoolAllocationsInput{}, 5, 3 + 37 + 5},
		{&ec2.DescribeIpamPoolAllocationsInput{Filters: []types.Filter{where("cidr", "*")}}, 5, 3 + 37 + 5},
		{&ec2.DescribeTagsInput{Filters: []types.Filter{where("resource-type", "ipam-pool-allocation")}}, 0, 3 + 37 + 5},
		{&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, ResourceRegion: aws.String(home)}, 7, 3 + 37 + 4},
		{&ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, AddressRegion: aws.String(home)}, 7, 3 + 37 + 4 + 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls.Take()
			start := time.Now()
			all, sizes, _ := pages(w, w.admin, c.in, 0)
			ticks, cost := int(time.Since(start)/tick), calls.Take()
			t.Logf("%s: %d ticks, %+v", operation(c.in), ticks, cost)
			if len(all) != c.want || len(sizes) != 1 || ticks > c.ticks {
				t.Errorf("%s lists %d in pages of %v within %d ticks, want %d in one page within %d", operation(c.in), len(all), sizes, ticks, c.want, c.ticks)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		calls.Take()
		in := ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, ResourceRegion: aws.String(home), MaxResults: aws.Int32(5)}
		first := do[ec2.GetIpamDiscoveredResourceCidrsOutput](w, w.admin, &in)
		if cost := calls.Take(); len(first.IpamDiscoveredResourceCidrs) != 5 || first.NextToken == nil || cost.Queries > 2 {
			t.Errorf("a page out of one account has %d and takes %+v", len(first.IpamDiscoveredResourceCidrs), cost)
		}
	})
}

// A page ends after so many accounts, also if little or nothing was found in them. The next
// one continues behind them.
func TestPageEndsAfterSoManyAccounts(t *testing.T) {
	const many = 5010
	w := newEnv(t, nil)
	discovery := w.makeIPAM(ec2.CreateIpamInput{}).DefaultResourceDiscoveryId
	for i := range many {
		owner := fmt.Sprintf("%012d", i)
		w.recordRun(*discovery, owner, 1)
		if i%2 == 1 {
			w.putFound(*discovery, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-" + owner, CIDR: netip.MustParsePrefix("10.0.0.0/16"), Owner: owner}, ipam.Status{})
		}
	}
	calls := &tabletest.Counter{Table: w.table}
	w.registry = ops.New(store.New(calls, store.Options{Region: home, Owner: account}), grants())
	all, sizes, _ := pages(w, w.admin, &ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: discovery, ResourceRegion: aws.String(home), Filters: []types.Filter{where("resource-id", fmt.Sprintf("vpc-%012d", many-1))}}, 0)
	if len(all) != 1 || !slices.Equal(sizes, []int{0, 1}) {
		t.Errorf("lists %d in pages of %v, want 1 on the second of two", len(all), sizes)
	}
	if cost := calls.Take(); cost.Queries > many+many/100+20 {
		t.Errorf("%+v: the second page reads the objects of the first again", cost)
	}
}
