package fsck_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

func TestPlanMutations(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := store.New(&w.memory, store.Options{Region: "us-east-1", Now: func() time.Time { return now }})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	plan, err := s.CreatePool(ctx, store.Token{Account: owner, Operation: "CreateIpamPool"}, ipam.Pool{
		Scope: w.ipam.PrivateScope, Family: ipam.IPv4, SourcePool: w.top.ID,
		SourceResource: &ipam.SourceResource{ID: w.imported.ID, Owner: consumer, Region: "us-east-1"},
	}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	must(err)
	_, err = s.Provision(ctx, store.Provision{
		Token: store.Token{Account: owner, Operation: "ProvisionIpamPoolCidr"}, Pool: plan.ID, CIDR: w.imported.CIDR,
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil },
	})
	must(err)
	subnet := ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-2", CIDR: netip.MustParsePrefix("10.9.0.0/26"), Owner: consumer, Region: "us-east-1", VPC: w.imported.ID, Subnet: "subnet-2"}
	found, err := s.Discoveries(ctx, []string{w.discovery})
	must(err)
	ipams, err := s.IPAMs(ctx, found[0].IPAMs)
	must(err)
	_, err = s.Observe(ctx, found[0], ipams, subnet, seen+1000)
	must(err)
	if problems := w.items().check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	root := items.CIDRKey(plan.ID, w.imported.CIDR)
	hold := items.TakenKey(plan.Space(), subnet.CIDR)
	freed := items.FreeKey(plan.Space(), subnet.CIDR)
	beside := items.FreeKey(plan.Space(), netip.MustParsePrefix("10.9.0.128/25"))
	other := items.TakenKey(w.tokyo.Space(), w.allocation.CIDR)
	around := func(change func(*ipam.Resource)) func(rows) {
		return func(m rows) {
			r := w.imported
			change(&r)
			if m[w.liveKey(r)] != nil {
				t.Fatal("there is one")
			}
			i := m[w.liveKey(w.imported)]
			m[w.liveKey(r)] = table.Item{"Object": doc(r), "Status": i["Status"], "Source": i["Source"], "Sampled": i["Sampled"], "Since": i["Since"], "Rev": i["Rev"]}
		}
	}
	w.run(t, []mutation{
		{"a planning pool that is taken off", fsck.Child, root, func(m rows) { m.set(w.importedAt, "PlanningPool", nil) }},
		{"a planning pool of another pool", fsck.Child, w.importedAt, func(m rows) { m.set(w.importedAt, "PlanningPool", str(w.tokyo.ID)) }},
		{"a planning pool without a root", fsck.Child, w.importedAt, func(m rows) { delete(m, root) }},
		{"a planning pool of another allocation", fsck.Child, w.importedAt, func(m rows) { m.set(root, "AllocationId", str("ipam-pool-alloc-9")) }},
		{"a planning pool over another VPC", fsck.Child, w.importedAt, func(m rows) {
			m.edit(items.PoolKey(plan.ID), `"SourceResource":{"ID":"vpc-2"`, `"SourceResource":{"ID":"vpc-9"`)
		}},
		{"a plan over a block that waits for EC2", fsck.Child, w.importedAt, func(m rows) { m.set(w.importedAt, "PendingUntil", num(now.Unix())) }},
		{"a VPC under a pool that has its block", fsck.Live, beside, func(m rows) {
			m.set(w.importedAt, "PlanningPool", nil)
			m.set(w.importedAt, "Kind", str("ipam-pool"))
			m.set(w.importedAt, "ResourceId", str(plan.ID))
		}},
		{"a planning pool over an allocation", fsck.Form, other, func(m rows) { m.set(other, "PlanningPool", str(plan.ID)) }},
		{"a subnet whose space is free", fsck.Live, freed, func(m rows) {
			m[freed] = m[beside]
			delete(m, hold)
		}},
		{"a hold for the VPC itself", fsck.Hold, items.TakenKey(plan.Space(), netip.MustParsePrefix("10.9.0.128/25")), func(m rows) {
			m[items.TakenKey(plan.Space(), netip.MustParsePrefix("10.9.0.128/25"))] = m[hold]
			delete(m, beside)
		}},
		// With another id, or another CIDR, it is a foreign resource.
		{"another VPC around the plan", fsck.Live, beside, around(func(r *ipam.Resource) { r.ID, r.VPC = "vpc-8", "vpc-8" })},
		{"a larger CIDR of the VPC around the plan", fsck.Live, beside, around(func(r *ipam.Resource) { r.CIDR = ipam.Parent(r.CIDR) })},
	})
}
