package ops_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

// A page that few of many objects are shown on takes few reads, however small it
// is: what a request asks for besides filters narrows it as these do.
func TestCostOfSmallPagesOfWhatIsRare(t *testing.T) {
	const many = 2000
	w := newRealWorld(t, nil)
	scope := do[ec2.CreateIpamOutput](w, w.admin, &ec2.CreateIpamInput{}).Ipam.PrivateDefaultScopeId
	pool := do[ec2.CreateIpamPoolOutput](w, w.admin, &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}).IpamPool.IpamPoolId
	table := w.table.Clone() // which is not to be in order: no discovery has found what lives there
	for i := range many {
		at := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		row := store.EncodeResource(&ipam.ResourceCIDR{Scope: *scope, Rev: 1, Resource: ipam.Resource{
			Type: ipam.ResourceVPC, ID: fmt.Sprintf("vpc-%017x", i), VPC: fmt.Sprintf("vpc-%017x", i), CIDR: at, Owner: account, Region: home,
		}})
		if err := table.Transact(t.Context(), []store.Write{{Op: store.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
			t.Fatal(err)
		}
	}
	calls := &storetest.Counter{Table: table}
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
