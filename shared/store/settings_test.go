package store_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/google/go-cmp/cmp"
)

var labAdministrator = store.Administrator{Account: ownerAccount, Organization: "o-a1b2c3d4e5", Management: "999900001111"}

func declared(l *poolEnv) {
	must(0, l.store(l.table).PutAdministrator(l.Context(), labAdministrator))(l.T)
}

func TestAdministrator(t *testing.T) {
	l := newPoolEnv(t)
	s := l.store(l.table)
	is := func(want *store.Administrator) {
		t.Helper()
		got := must(s.Administrator(t.Context()))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	refused := func(account string) {
		t.Helper()
		if err := s.DeleteAdministrator(t.Context(), account); ipam.CodeOf(err) != ipam.CodeAccountNotRegistered {
			t.Errorf("ended %s: %v", account, err)
		}
	}
	is(nil)
	refused(ownerAccount)
	declared(l)
	is(&labAdministrator)
	before := l.table.Hash()
	declared(l)
	if l.table.Hash() != before {
		t.Error("declared once more, the table has changed")
	}
	moved := labAdministrator
	moved.Organization = "o-z9y8x7w6v5"
	must(0, s.PutAdministrator(t.Context(), moved))(t)
	is(&moved)
	l.fsck()
	refused("222222222222")
	is(&moved)
	must(0, s.DeleteAdministrator(t.Context(), ownerAccount))(t)
	is(nil)
	refused(ownerAccount)
	l.fsck()
}

// Two requests declare, or end, the administrator at the same time: the later one
// decides on the state that the earlier one wrote.
func TestAdministratorOvertaken(t *testing.T) {
	put := func(a store.Administrator) func(*testing.T, *store.Store) error {
		return func(t *testing.T, s *store.Store) error { return s.PutAdministrator(t.Context(), a) }
	}
	end := func(t *testing.T, s *store.Store) error { return s.DeleteAdministrator(t.Context(), ownerAccount) }
	moved := labAdministrator
	moved.Organization = "o-z9y8x7w6v5"
	for _, c := range []struct {
		name      string
		first, by func(*testing.T, *store.Store) error
		declared  bool // before
		code      ipam.Code
		want      *store.Administrator
	}{
		{"one by another", put(labAdministrator), put(moved), false, "", &labAdministrator},
		{"one by the same", put(moved), put(moved), true, "", &moved},
		{"one by the end", put(moved), end, true, "", &moved},
		{"the end by another", end, put(moved), true, "", nil},
		{"the end by the end", end, end, true, ipam.CodeAccountNotRegistered, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newPoolEnv(t)
			if c.declared {
				declared(l)
			}
			table := &overtaken{Table: l.table, by: func() { must(0, c.by(t, l.store(l.table)))(t) }}
			if err := c.first(t, l.store(table)); ipam.CodeOf(err) != c.code {
				t.Fatalf("%v, want the code %q", err, c.code)
			}
			if diff := cmp.Diff(c.want, must(l.store(l.table).Administrator(t.Context()))(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
