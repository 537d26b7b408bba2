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
	b, err := s.Allocate(t.Context(), store.Allocate{
		Token: store.Token{Account: consumer, Operation: "CreateVpc"}, Pool: w.tokyo.ID,
		For:     &ipam.Resource{Type: ipam.ResourceVPC, Region: "ap-northeast-1"},
		Request: ipam.AllocateRequest{Length: new(28)}, May: func(*ipam.Pool) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(t.Context(), b, store.Made{ID: "vpc-7", Association: "vpc-cidr-assoc-7", At: now.Unix()}); err != nil {
		t.Fatal(err)
	}
	if problems := w.items().check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	taken := items.TakenKey(w.tokyo.Space(), a.CIDR)
	row := table.Key{PK: "PENDING#" + consumer, SK: block(a.CIDR) + "#" + a.AllocationID}
	stray := table.Key{PK: row.PK, SK: block(w.foreign.CIDR) + "#" + w.foreign.AllocationID}
	note := table.Key{PK: items.WorkPK, SK: "pending#" + a.AllocationID}
	made := items.TakenKey(w.tokyo.Space(), b.CIDR)
	madeRow := table.Key{PK: "PENDING#" + consumer, SK: block(b.CIDR) + "#" + b.AllocationID}
	gone, odd := items.DeletedKey(consumer, "vpc-8"), items.DeletedKey(consumer, "eni-8")
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
		{"EC2's answer in the row alone", fsck.Pending, madeRow, func(m rows) { m.set(made, "MadeAt", nil) }},
		{"EC2's answer in the block alone", fsck.Pending, madeRow, func(m rows) { m.set(madeRow, "MadeAt", nil) }},
		{"EC2's answer at no time", fsck.Form, made, func(m rows) { m.set(made, "MadeAt", num(0)); m.set(madeRow, "MadeAt", num(1)) }},
		{"EC2's answer for an unnamed resource", fsck.Form, taken, func(m rows) { m.set(taken, "MadeAt", num(1)) }},
		{"EC2's answer for a block that is not pending", fsck.Form, made, func(m rows) { m.set(made, "PendingUntil", nil) }},
		{"an association with no resource", fsck.Form, row, func(m rows) { m.set(row, "AssociationId", str("vpc-cidr-assoc-1")) }},
		{"a deleted resource for ever", fsck.Form, gone, func(m rows) { m[gone] = table.Item{} }},
		{"a deleted resource with an owner", fsck.Form, gone, func(m rows) {
			m[gone] = table.Item{"Expires": num(now.Unix()), "Owner": str(consumer)}
		}},
		{"a deleted interface", fsck.Form, odd, func(m rows) { m[odd] = table.Item{"Expires": num(now.Unix())} }},
		{"a pending block until never", fsck.Form, taken, func(m rows) { m.set(taken, "PendingUntil", num(0)) }},
	})
}
