package store_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// putEqualVPCs writes the rows of n VPCs with one CIDR, evaluated, each in another
// account. Each has a subnet.
func (l *env) putEqualVPCs(n int) {
	l.Helper()
	var writes []table.Write
	flush := func() {
		l.must(l.memory.Transact(l.Context(), writes))
		writes = nil
	}
	for i := range n {
		id := fmt.Sprintf("vpc-%05d", i)
		status := ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Overlapping}
		for _, r := range []ipam.Resource{vpc(id, "172.31.0.0/16"), subnet("subnet-"+id, id, "172.31.0.0/20")} {
			r.Owner = fmt.Sprintf("77770000%04d", i)
			row := items.EncodeResource(&ipam.ResourceCIDR{Resource: r, Scope: l.ipam.PrivateScope, Discovery: l.disco.ID, Rev: 1, Status: status})
			found := items.EncodeFound(&ipam.Found{Resource: r, Discovery: l.disco.ID, Targets: []ipam.Target{{IPAM: l.ipam.ID, Scope: l.ipam.PrivateScope}}, Rev: 1})
			writes = append(writes, table.Write{Op: table.OpPut, Key: row.Key, Item: row.Item}, table.Write{Op: table.OpPut, Key: found.Key, Item: found.Item})
		}
		if len(writes) == 80 || i == n-1 {
			flush()
		}
	}
}

// The calls that observe a default VPC with four subnets are as many however many VPCs
// with the same CIDRs there are.
func TestCostOfObservingEqualVPCs(t *testing.T) {
	cost := func(n int) int {
		l := newEnv(t)
		if n > 0 {
			l.putEqualVPCs(n)
			l.must(l.store.EvaluateStatus(t.Context(), l.ipam.PrivateScope, netip.MustParsePrefix("172.31.0.0/16")))
		}
		calls := &tabletest.Counter{Table: l.memory}
		l.store = l.on(calls)
		l.observe(vpc("vpc-default", "172.31.0.0/16"))
		for i := range 4 {
			l.observe(subnet(fmt.Sprint("subnet-", i), "vpc-default", fmt.Sprintf("172.31.%d.0/20", 16*i)))
		}
		c := calls.Take()
		fscktest.Clean(t, l.memory, l.now)
		t.Logf("%d equal VPCs: %d calls: %+v", n, c.BatchGets+c.Queries+c.Transactions, c)
		return c.BatchGets + c.Queries + c.Transactions
	}
	alone := cost(0)
	for _, n := range []int{1, 100, sized(5000, 400)} {
		if have := cost(n); 2*have > 3*alone {
			t.Errorf("%d equal VPCs: %d calls, want at most 1.5 times the %d of a VPC that is alone", n, have, alone)
		}
	}
}

// Overlapping finds the CIDRs that a walk over all of them finds, where several
// resources have each CIDR:
//
//	|--------------- /0 ---------------|
//	|------- /8 -------|
//	|-- /16 --|         |-- /16 --|
//	|/24||/24|
func TestOverlappingWithEqualCIDRs(t *testing.T) {
	l := newEnv(t)
	var all []*ipam.ResourceCIDR
	for n, cidr := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/24", "10.1.0.0/16", "11.0.0.0/16"} {
		for i := range 1 + n%4 {
			r := &ipam.ResourceCIDR{Resource: vpc(fmt.Sprintf("vpc-%d-%d", n, i), cidr), Scope: l.ipam.PrivateScope, Rev: 1}
			row := items.EncodeResource(r)
			l.must(l.memory.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}))
			all = append(all, r)
		}
	}
	for _, cidr := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.7/32", "10.0.1.0/25", "10.0.2.0/24", "10.1.2.0/24", "11.0.0.0/16", "11.1.0.0/16", "12.0.0.0/8"} {
		p := netip.MustParsePrefix(cidr)
		var want, have []string
		for _, r := range all {
			if r.CIDR.Overlaps(p) {
				want = append(want, r.ID)
			}
		}
		found, err := l.store.Overlapping(t.Context(), l.ipam.PrivateScope, p)
		l.must(err)
		for _, r := range found {
			have = append(have, r.ID)
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s overlaps %v, want %v", cidr, have, want)
		}
	}
}
