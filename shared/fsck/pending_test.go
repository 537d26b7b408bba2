package fsck_test

import (
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

func TestPendingMutations(t *testing.T) {
	w := newWorld(t)
	s := store.New(&w.memory, store.Options{Region: "us-east-1", Now: func() time.Time { return now }})
	a, err := s.Allocate(t.Context(), store.Allocate{
		Token: store.Token{Account: consumer, Operation: "CreateVpc"}, Pool: w.tokyo.ID,
		For:     &ipam.Resource{Type: ipam.ResourceVPC, Region: "ap-northeast-1"},
		Request: ipam.AllocateRequest{Length: new(28)}, May: func(*ipam.Pool) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if problems := w.items().check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	taken := items.TakenKey(w.tokyo.Space(), a.CIDR)
	row := table.Key{PK: "PENDING#" + consumer, SK: block(a.CIDR) + "#" + a.AllocationID}
	stray := table.Key{PK: row.PK, SK: block(w.foreign.CIDR) + "#" + w.foreign.AllocationID}
	note := table.Key{PK: items.WorkPK, SK: "pending#" + a.AllocationID}
	other := items.TakenKey(w.tokyo.Space(), w.allocation.CIDR)
	w.run(t, []mutation{
		{"a pending block without a row", fsck.Pending, row, func(m rows) { delete(m, row) }},
		{"a pending block without a note", fsck.Work, note, func(m rows) { delete(m, note) }},
		{"a row without a pending block", fsck.Pending, stray, func(m rows) { m[stray] = m[row] }},
		{"a pending block that is over, with its row", fsck.Pending, row, func(m rows) { m.set(taken, "PendingUntil", nil) }},
		{"a pending block that is over, with its note", fsck.Work, note, func(m rows) { m.set(taken, "PendingUntil", nil) }},
		{"a block of nobody's VPC", fsck.Import, taken, func(m rows) { m.set(taken, "PendingUntil", nil); delete(m, row); delete(m, note) }},
		{"a row of another Region", fsck.Pending, row, func(m rows) { m.set(row, "ResourceRegion", str("us-east-1")) }},
		{"a row of another resource", fsck.Pending, row, func(m rows) { m.set(row, "ResourceId", str("vpc-9")) }},
		{"a pending block for a subnet of no planning pool", fsck.Import, taken, func(m rows) {
			m.set(taken, "Kind", str("subnet"))
			m.set(row, "Kind", str("subnet"))
			m.set(items.AllocationKey(a.AllocationID), "Kind", str("subnet"))
		}},
		{"a row of another kind", fsck.Pending, row, func(m rows) { m.set(row, "Kind", str("subnet")) }},
		{"a row of another scope", fsck.Pending, row, func(m rows) { m.set(row, "Scope", str(w.ipam.PublicScope)) }},
		{"a row without an IPAM", fsck.Form, row, func(m rows) { m.set(row, "Ipam", nil) }},
		{"a custom allocation that is pending", fsck.Form, other, func(m rows) { m.set(other, "PendingUntil", num(now.Unix())) }},
		{"a pending block until never", fsck.Form, taken, func(m rows) { m.set(taken, "PendingUntil", num(0)) }},
	})
}
