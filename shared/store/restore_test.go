package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/layout"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
)

// restoredStore returns a store as the functions of a deployment open it.
func (l *poolEnv) restoredStore(m table.Table) *store.Store {
	o := l.options()
	o.Quotas.ScopesPerIPAM = 9
	o.Restores = layout.NewGuard(m, layout.Options{Now: o.Now}).Restores
	return store.New(m, o)
}

// restore returns the table, marked as one that a restore made at a time.
func (l *poolEnv) restore(at time.Time) {
	l.Helper()
	if err := l.store(l.table).MarkRestored(l.Context(), at); err != nil {
		l.Fatal(err)
	}
}

// requests are requests with a token, one for each kind of derived id. Each returns the id
// that it was answered with.
var requests = []struct {
	name string
	kept string // the id that the token "kept" derives before the first restore
	do   func(l *poolEnv, s *store.Store, token string) string
}{
	{"allocate", "ipam-pool-alloc-94858c149a91ece4993ce47449344e89", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.Allocate(l.Context(), allocation(l.top, value, byLength(24))))(l.T).AllocationID
	}},
	{"provision", "ipam-pool-cidr-b6907168e6719a18be70354879733f95", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.Provision(l.Context(), provision(l.empty, value, "", 24)))(l.T).ID
	}},
	{"create an IPAM", "ipam-fd866af31bd6e0e05", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.CreateIPAM(l.Context(), token("CreateIpam", value), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(l.T).ID
	}},
	{"create a scope", "ipam-scope-cb289f870f8dd22f6", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.CreateScope(l.Context(), token("CreateIpamScope", value), ipam.Scope{IPAM: l.ipam}, func(*ipam.IPAM) error { return nil }))(l.T).ID
	}},
	{"create a pool", "ipam-pool-bc7c26f13fa03af37", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.CreatePool(l.Context(), token("CreateIpamPool", value), ipam.Pool{Scope: l.scope, Family: ipam.IPv4}, buildPool))(l.T).ID
	}},
	{"create a discovery", "ipam-res-disco-b7afbae0232b9b0f0", func(l *poolEnv, s *store.Store, value string) string {
		return must(s.CreateDiscovery(l.Context(), token("CreateIpamResourceDiscovery", value), discoveryOf(ownerAccount)))(l.T).ID
	}},
}

// A table is restored to a moment before a request. Another client's request then takes
// the place of the lost one. The lost request, sent again, gets an id that nothing had
// before. A request that the restored table has is answered as before.
func TestATokenOfBeforeTheRestoreDerivesAnotherID(t *testing.T) {
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			l := newPoolEnv(t)
			l.ipams, l.discoveries = 9, 9
			ask := func(value string) string { return r.do(l, l.restoredStore(l.table), value) }
			if kept := ask("kept"); kept != r.kept {
				t.Errorf("before the first restore, the id is %s, want %s", kept, r.kept)
			}
			backup := l.table.Clone()
			used := map[string]bool{ask("lost"): true}
			if len(used) != 1 || used[r.kept] {
				t.Fatalf("the ids are %v", used)
			}
			for n, at := range []time.Duration{time.Hour, 2 * time.Hour} {
				l.table = backup.Clone()
				l.restore(l.now.Add(at))
				l.restore(l.now.Add(at)) // once more changes nothing
				for _, value := range []string{"other", "lost"} {
					id := ask(value)
					if used[id] || id == r.kept {
						t.Errorf("restore %d: the request %q has the id %s, which was used before", n+1, value, id)
					}
					used[id] = true
					if again := ask(value); again != id {
						t.Errorf("restore %d: the retry of %q is answered with %s, want %s", n+1, value, again, id)
					}
				}
				if again := ask("kept"); again != r.kept {
					t.Errorf("restore %d: the request that the table still has is answered with %s, want %s", n+1, again, r.kept)
				}
				l.fsck()
			}

			// A backup of the restored table is restored in its turn.
			first := ask("first")
			l.restore(l.now.Add(3 * time.Hour))
			for _, want := range []string{first, r.kept} {
				if again := ask(map[string]string{first: "first", r.kept: "kept"}[want]); again != want {
					t.Errorf("after another restore, a request is answered with %s, want %s", again, want)
				}
			}
			if id := ask("second"); used[id] || id == first {
				t.Errorf("after another restore, the id %s is used again", id)
			}
			l.fsck()
		})
	}
}

// The item of the restores lists each restore once, in ascending order, even if the times
// of the tables' creation are not.
func TestRestoresAscend(t *testing.T) {
	l := newPoolEnv(t)
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	for _, n := range []int64{100, 100, 300, 200, 300} {
		l.restore(at(n))
	}
	read := must(l.table.BatchGet(t.Context(), []table.Key{items.RestoresKey()}))(t)
	have := must(items.DecodeRestores(read[items.RestoresKey()]))(t)
	if diff := cmp.Diff(items.Restores{100, 300, 301}, have); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	l.fsck()
}

// A request of an event that was answered before the restore is not refused after it.
func TestNoRefusalOfAnAnsweredRequestAfterTheRestore(t *testing.T) {
	l := newPoolEnv(t)
	q := allocation(l.top, "event", byLength(24))
	q.Event = "event"
	must(l.restoredStore(l.table).Allocate(t.Context(), q))(t)
	l.restore(l.now)
	if err := l.restoredStore(l.table).Refuse(t.Context(), q.Token, items.Refusal{Request: "event", Account: ownerAccount, Region: "us-east-1", Code: "x", Message: "x"}); err != nil {
		t.Fatal(err)
	}
	if read := must(l.table.BatchGet(t.Context(), []table.Key{items.RequestKey(ownerAccount, "event")}))(t); len(read) != 0 {
		t.Errorf("the refusal is recorded: %v", read)
	}
	l.fsck()
}

// The restores are read with the layout, so a request makes as many calls as before. A
// failure to read them is got over, as other reads are.
func TestRestoresCostNoCall(t *testing.T) {
	l := newPoolEnv(t)
	l.restore(l.now)
	faulty := &tabletest.Faulty{Table: l.table}
	guard := layout.NewGuard(faulty, layout.Options{Now: func() time.Time { return l.now }})
	o := l.options()
	o.Restores = guard.Restores
	s := store.New(guard, o)
	ask := func(value string) { must(s.Allocate(t.Context(), allocation(l.top, value, byLength(26))))(t) }
	ask("1")
	before := len(faulty.Trace())
	ask("2")
	if calls := len(faulty.Trace()) - before; calls != 3 {
		t.Errorf("an allocation makes %d calls: %v, want a batch-get, a query and a transaction", calls, faulty.Trace()[before:])
	}
	reads := 0
	faulty.Inject = func(c tabletest.Call) *tabletest.Fault {
		if c.Kind == tabletest.BatchGet {
			if reads++; reads == 1 {
				return &tabletest.Fault{Err: table.ErrThrottled}
			}
		}
		return nil
	}
	l.now = l.now.Add(layout.MaxAge)
	ask("3")
	faulty.Inject = func(c tabletest.Call) *tabletest.Fault { return &tabletest.Fault{Err: tabletest.ErrInjected} }
	l.now = l.now.Add(layout.MaxAge)
	if _, err := s.Allocate(t.Context(), allocation(l.top, "4", byLength(26))); !errors.Is(err, tabletest.ErrInjected) {
		t.Errorf("the restores cannot be read, and the answer is %v", err)
	}
}
