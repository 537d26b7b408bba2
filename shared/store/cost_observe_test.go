package store_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A provision over live resources costs a constant amount for each resource,
// however many there are. This includes the work that it leaves for a large
// number of resources: the runs of the work notes repeat nothing.
func TestCostOfProvisioningOverLiveResources(t *testing.T) {
	for _, importing := range []bool{false, true} {
		each := 7.4 // calls: its space is read and marked, and read once more
		if importing {
			each = 13.4 // an allocation made besides
		}
		for _, n := range []int{100, 400, sized(1600, 800)} {
			l := newEnv(t)
			for i := range n {
				at := 10<<24 + uint32(i)*1024
				r := ipam.ResourceCIDR{
					Resource: vpc(fmt.Sprintf("vpc-%05d", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8)}), 24).String()),
					Scope:    l.ipam.PrivateScope, Discovery: l.disco.ID, Rev: 1,
				}
				row := items.EncodeResource(&r)
				found := items.EncodeFound(&ipam.Found{Resource: r.Resource, Discovery: l.disco.ID, Targets: []ipam.Target{{IPAM: l.ipam.ID, Scope: r.Scope}}, Rev: 1})
				l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}, {Op: table.OpPut, Key: found.Key, Item: found.Item}}))
			}
			pool := l.pool("", importing)
			calls := &tabletest.Counter{Table: l.memory}
			l.store = l.on(calls)
			l.provision(pool, "10.0.0.0/8")
			for left := true; left; { // a block with too many live CIDRs gets notes of its halves, and these may too
				work, err := l.store.PendingWork(t.Context(), l.now.Add(time.Hour))
				l.must(err)
				for _, sk := range work {
					l.must(l.store.RunWork(t.Context(), sk))
				}
				left = len(work) > 0
			}
			cost := calls.Take()
			made := float64(cost.BatchGets + cost.Queries + cost.Transactions)
			t.Logf("%5d live, imported %-5t: %.2f calls for each, %.2f write units", n, importing, made/float64(n), float64(cost.WriteUnits)/float64(n))
			if most := 100 + each*float64(n); made > most {
				t.Errorf("%d live, imported %t: %g calls, want at most %g", n, importing, made, most)
			}
			fscktest.Clean(t, l.memory, l.now)
		}
	}
}

// The test counts the cost of recording a CIDR that a discovery finds, with all
// its effects: its row, its space in the pools, its import, its statuses.
func TestCostOfObserving(t *testing.T) {
	l := newEnv(t)
	top := l.pool("", false)
	l.provision(top, "10.0.0.0/8")
	for i, importing := range []bool{false, true} {
		l.provision(l.pool(top.ID, importing), fmt.Sprintf("10.%d.0.0/12", 16*i))
	}
	calls := &tabletest.Counter{Table: l.memory}
	l.store = l.on(calls)
	address := subnet("eni-1", "vpc-3", "10.16.0.5/32")
	address.Type = ipam.ResourceInterface
	for _, c := range []struct {
		name string
		r    ipam.Resource
		most int // calls
	}{
		{"a VPC in no pool", vpc("vpc-1", "172.16.0.0/16"), 27},
		{"its subnet", subnet("subnet-1", "vpc-1", "172.16.0.0/24"), 32},
		{"a VPC in a child pool", vpc("vpc-2", "10.0.0.0/16"), 49},
		{"its subnet", subnet("subnet-2", "vpc-2", "10.0.0.0/24"), 52},
		{"an imported VPC", vpc("vpc-3", "10.16.0.0/16"), 63},
		{"its subnet", subnet("subnet-3", "vpc-3", "10.16.0.0/24"), 52},
		{"its interface", address, 5},
	} {
		calls.Take()
		l.observe(c.r)
		cost := calls.Take()
		made := cost.BatchGets + cost.Queries + cost.Transactions
		t.Logf("%-22s %2d calls, %2d write units", c.name, made, cost.WriteUnits)
		if made > c.most {
			t.Errorf("%s takes %d calls, want at most %d: %+v", c.name, made, c.most, cost)
		}
	}
	l.settled()
}
