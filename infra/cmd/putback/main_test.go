package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const account = "111122223333"

// The command marks the table as restored and puts back, line by line. Run again, it finds
// the things there.
func TestPutBack(t *testing.T) {
	ctx, restored := t.Context(), new(tabletest.Memory)
	s := store.New(restored, store.Options{Region: "eu-west-1"})
	token := func(operation string) store.Token {
		return store.Token{Account: account, Operation: operation, Value: "t"}
	}
	anyone := func(*ipam.Pool) error { return nil }
	o, err := s.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: account}})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := s.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: o.PrivateScope, Family: ipam.IPv4}, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Provision(ctx, store.Provision{Token: token("ProvisionIpamPoolCidr"), Pool: pool.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}); err != nil {
		t.Fatal(err)
	}
	old := restored.Clone()
	a, err := store.New(old, store.Options{Region: "eu-west-1"}).Allocate(ctx, store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: pool.ID, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.0.3.0/24")}, May: anyone})
	if err != nil {
		t.Fatal(err)
	}
	lines := `{"how":"different","kind":"grants"}
{"how":"missing","kind":"allocation","id":"` + a.AllocationID + `","owner":"111122223333","pool":"` + pool.ID + `","cidr":"10.0.3.0/24","tags":{}}

{"how":"missing","kind":"pool","id":"ipam-pool-0"}
`
	losses, err := read(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	for _, outcome := range []string{"put back", "there already"} {
		var out bytes.Buffer
		left, err := putBack(ctx, s, old, at, losses, &out)
		want := "different, stays as it is: grants\n" + outcome + ": allocation " + a.AllocationID + ", 10.0.3.0/24 of " + pool.ID + "\ngone: pool ipam-pool-0\n1 back, 1 not\n"
		if diff := cmp.Diff(want, out.String()); diff != "" || err != nil || left != 1 {
			t.Errorf("%d left, %v, -want +have:\n%s", left, err, diff)
		}
	}
	k := items.RestoresKey()
	if i, err := restored.BatchGet(ctx, []table.Key{k}); err != nil || i[k].Str("Restores") != "[1800000000]" {
		t.Errorf("the table is marked by %v, %v", i[k], err)
	}
}

func TestInputAndFlags(t *testing.T) {
	for input, want := range map[string]string{
		"no JSON\n": "line 1",
		`{"how":"missing","kind":"pool"}` + "\n" + `{"table":1}`:      "line 2",
		`{"how":"missing","kind":"allocation","cidr":"10.0.0.0/240"}`: "10.0.0.0/240",
	} {
		if _, err := read(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", input, err, want)
		}
	}
	for _, args := range [][]string{nil, {"-table", "a"}, {"-from", "a"}, {"-table", "a", "-from", "a"}, {"-table", "a", "-from", "b", "c"}, {"-tabel", "a"}} {
		if status := run(t.Context(), args, strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer)); status != failed {
			t.Errorf("%q: status %d", args, status)
		}
	}
}
