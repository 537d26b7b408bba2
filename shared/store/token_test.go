package store_test

import (
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// A token used again after a day is a new request, even while the objects that it
// made before still exist. Then, for a day, it is the record of the new request.
func TestTokenUsedAgainAfterADay(t *testing.T) {
	l := newPoolEnv(t)
	l.ipams = 9
	second := must(l.store(l.table).CreateIPAM(t.Context(), token("CreateIpam", "second"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t).ID
	for _, c := range []struct {
		name string
		make func(*testing.T, *store.Store) string // its id
	}{
		{"create an IPAM", func(t *testing.T, s *store.Store) string {
			return must(s.CreateIPAM(t.Context(), token("CreateIpam", "daily"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t).ID
		}},
		{"create a scope", func(t *testing.T, s *store.Store) string {
			return must(s.CreateScope(t.Context(), token("CreateIpamScope", "daily"), ipam.Scope{IPAM: second}, func(*ipam.IPAM) error { return nil }))(t).ID
		}},
		{"create a pool", func(t *testing.T, s *store.Store) string {
			return must(s.CreatePool(t.Context(), token("CreateIpamPool", "daily"), ipam.Pool{Scope: l.scope, Family: ipam.IPv4}, buildPool))(t).ID
		}},
		{"provision a CIDR", func(t *testing.T, s *store.Store) string {
			return must(s.Provision(t.Context(), provision(l.empty, "daily", "", 24)))(t).ID
		}},
		{"provision a CIDR, in small transactions", func(t *testing.T, s *store.Store) string {
			l.room = 5
			return must(s.Provision(t.Context(), provision(l.empty, "daily, small", "", 28)))(t).ID
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := map[string]bool{}
			for day := range 3 {
				s := l.store(l.table)
				first := c.make(t, s)
				if made[first] {
					t.Errorf("day %d: answered with %s of another day", day, first)
				}
				made[first] = true
				if again := c.make(t, s); again != first {
					t.Errorf("day %d: the retry made %s, want %s again", day, again, first)
				}
				l.fsck()
				l.now = l.now.Add(24*time.Hour + time.Second)
			}
		})
	}
}
