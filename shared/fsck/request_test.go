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

func TestRequestMutations(t *testing.T) {
	w := newWorld(t)
	s := store.New(&w.memory, store.Options{Region: "us-east-1", Now: func() time.Time { return now }})
	ask := func(id string) store.Token {
		return store.Token{Account: owner, Operation: "AllocateIpamPoolCidr", Value: id, Digest: "d"}
	}
	var at [2]table.Key
	for i, id := range []string{"r-1", "r-2"} {
		a, err := s.Allocate(t.Context(), store.Allocate{
			Token: ask(id), Pool: w.top.ID, Event: id, Tags: ipam.Tags{ipam.StableKeyTag: id},
			Request: ipam.AllocateRequest{Length: new(28)}, May: func(*ipam.Pool) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		at[i] = items.TakenKey(w.top.Space(), a.CIDR)
	}
	if err := s.Refuse(t.Context(), ask("r-3"), items.Refusal{Request: "r-3", Account: owner, Code: "InvalidParameterValue", Message: "It is full."}); err != nil {
		t.Fatal(err)
	}
	if problems := w.items().check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	refused := table.Key{PK: "REQUEST#" + owner + "#r-3", SK: "META"}
	stable := table.Key{PK: "STABLE#" + owner + "#" + w.top.ID, SK: "r-1"}
	pool := items.TakenKey(w.top.Space(), netip.MustParsePrefix(w.tokyoCIDR.CIDR.String()))
	w.run(t, []mutation{
		{"a request with two blocks", fsck.Answer, at[1], func(m rows) { m.set(at[1], "Request", str("r-1")) }},
		{"a request with a block that was refused", fsck.Answer, at[0], func(m rows) { m.set(at[0], "Request", str("r-3")) }},
		{"a pool's block with a request", fsck.Form, pool, func(m rows) { m.set(pool, "Request", str("r-4")) }},
		{"a refusal without an expiry", fsck.Form, refused, func(m rows) { m.set(refused, "Expires", nil) }},
		{"a refusal of another request", fsck.Form, refused, func(m rows) { m.edit(refused, "r-3", "r-5") }},
		{"a refusal of another account", fsck.Form, refused, func(m rows) { m.edit(refused, owner, consumer) }},
		{"a refusal without a reason", fsck.Form, refused, func(m rows) { m.edit(refused, "It is full.", "") }},
		{"a stable key without a CIDR", fsck.Form, stable, func(m rows) { m.set(stable, "Cidr", nil) }},
	})
}
