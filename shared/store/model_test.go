package store_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// tester has the methods that testing.T and rapid.T share.
type tester interface {
	Helper()
	Fatalf(string, ...any)
	Context() context.Context
}

// modelEnv is one scope with its pools twice: in the store, and in the slow
// reference model. Both get every request, and their answers must agree.
type modelEnv struct {
	tester
	model *ipamtest.Model
	table *copying
	room  int
	scope string
	ids   map[string]string // the store's ids of the model's pools
	later map[string]string // the store's allocation ids of requests whose token was used before

	commits int // of the table, after the last request
}

// copying is a table that does not change its original: it applies its first
// transaction to a copy.
type copying struct {
	*tabletest.Memory
	copied  bool
	commits int
}

func (c *copying) Transact(ctx context.Context, writes []table.Write) error {
	if !c.copied {
		c.Memory, c.copied = c.Clone(), true
	}
	c.commits++
	return c.Memory.Transact(ctx, writes)
}

const modelCIDRs = 8 // CIDRs that a pool may have

func newModelEnv(t tester, room int) *modelEnv {
	w := &modelEnv{tester: t, model: ipamtest.New(1_800_000_000, modelCIDRs), table: &copying{Memory: &tabletest.Memory{}, copied: true}, room: room, ids: map[string]string{}, later: map[string]string{}}
	above, err := w.store().CreateIPAM(t.Context(), token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}})
	if err != nil {
		t.Fatalf("create the IPAM: %v", err)
	}
	w.scope = above.PrivateScope
	return w
}

// fork returns a copy that goes on from here and does not change w.
func (w *modelEnv) fork() *modelEnv {
	c := *w
	c.model, c.table, c.commits = w.model.Clone(), &copying{Memory: w.table.Memory}, 0
	return &c
}

func (w *modelEnv) now() time.Time { return time.Unix(w.model.Now, 0) }

func (w *modelEnv) store() *store.Store {
	quotas := ipam.DefaultQuotas()
	quotas.CIDRsPerPool = modelCIDRs
	return store.New(w.table, store.Options{Region: "us-east-1", Quotas: &quotas, Now: w.now, Room: w.room, Tries: 1})
}

// named returns the name of a request: its operation and its token. The model
// knows the request, and the CIDR that it takes, by this name.
func named(operation, value string) string { return operation + "|" + value }

func tokenOf(name, digest string) store.Token {
	operation, value, _ := strings.Cut(name, "|")
	t := token(operation, value)
	t.Digest = digest
	return t
}

// allocationOf returns the id of the allocation that a request made.
func (w *modelEnv) allocationOf(name string) string {
	if id, ok := w.later[name]; ok {
		return id
	}
	t := tokenOf(name, "")
	return ipam.DeriveID(ipam.IDAllocation, t.Account, "us-east-1", t.Operation, t.Value)
}

func (w *modelEnv) pool(id string) string {
	if known, ok := w.ids[id]; ok {
		return known
	}
	return ipam.DeriveID(ipam.IDPool, "no such pool")
}

func (w *modelEnv) addPool(id, source string, f ipam.Family) {
	w.Helper()
	o := ipam.Pool{Scope: w.scope, Family: f}
	if source != "" {
		o.SourcePool = w.pool(source)
	}
	made, err := w.store().CreatePool(w.Context(), token("CreateIpamPool", id), o, buildPool)
	if err != nil {
		w.Fatalf("create pool %s: %v", id, err)
	}
	w.ids[id], w.commits = made.ID, w.table.commits
	w.model.AddPool(id, source, f)
}

// agree demands that both answered alike, and that a request which is refused
// has written nothing.
func agree[T comparable](w *modelEnv, want T, code ipam.Code, got T, err error, step string, args ...any) {
	w.Helper()
	if ipam.CodeOf(err) != code || err == nil && got != want {
		w.Fatalf("%s: got %v, %v; the model says %v, %q", fmt.Sprintf(step, args...), got, err, want, code)
	}
	if code != "" && w.table.commits != w.commits {
		w.Fatalf("%s is refused, but wrote", fmt.Sprintf(step, args...))
	}
	w.commits = w.table.commits
}

func (w *modelEnv) allocate(pool, name, digest string, r ipam.AllocateRequest, preview bool) {
	w.Helper()
	want, code := w.model.Allocate(pool, name, digest, r, preview)
	q := store.Allocate{Token: tokenOf(name, digest), Pool: w.pool(pool), Request: r, Preview: preview, May: anyPool}
	a, err := w.store().Allocate(w.Context(), q)
	var got netip.Prefix
	if err == nil {
		got = a.CIDR
		if id := w.allocationOf(name); !preview && a.AllocationID != id || preview && a.AllocationID != "" {
			w.Fatalf("the allocation %s of %s has id %q", got, name, a.AllocationID)
		}
	}
	agree(w, want, code, got, err, "allocate %s from %s (preview %t)", show(r), pool, preview)
}

func show(r ipam.AllocateRequest) string {
	if r.Length != nil {
		return fmt.Sprintf("a /%d of %v less %v", *r.Length, r.Filter.Allowed, r.Filter.Disallowed)
	}
	return r.CIDR.String()
}

func (w *modelEnv) release(pool string, cidr netip.Prefix, name string) {
	w.Helper()
	code := w.model.Release(pool, cidr, name)
	err := w.store().Release(w.Context(), store.Release{Pool: w.pool(pool), CIDR: cidr, Allocation: w.allocationOf(name), May: func(*ipam.Pool, string) error { return nil }})
	agree(w, true, code, true, err, "release %s of %s, %s", name, pool, cidr)
}

func (w *modelEnv) provision(pool, name, digest string, cidr netip.Prefix, length int, f ipam.Filter) {
	w.Helper()
	want, code := w.model.Provision(pool, name, digest, cidr, length, f)
	q := provision(w.pool(pool), "", "", length)
	q.Token, q.CIDR, q.Filter = tokenOf(name, digest), cidr, f
	c, err := w.store().Provision(w.Context(), q)
	var got netip.Prefix
	if err == nil {
		got = c.CIDR
		if took := w.model.Root(pool, got); took != name && strings.TrimRight(took, "'") == name {
			w.later = maps.Clone(w.later)
			w.later[took] = c.AllocationID
		}
	}
	agree(w, want, code, got, err, "provision %s or /%d of %v less %v to %s as %s", cidr, length, f.Allowed, f.Disallowed, pool, name)
}

func (w *modelEnv) deprovision(pool string, cidr netip.Prefix) {
	w.Helper()
	want, code := w.model.Deprovision(pool, cidr)
	c, err := w.store().Deprovision(w.Context(), store.Deprovision{Pool: w.pool(pool), CIDR: cidr, May: anyPool})
	var got ipam.CIDRState
	if err == nil {
		got = c.State
	}
	agree(w, want, code, got, err, "deprovision %s of %s", cidr, pool)
}

func (w *modelEnv) deletePool(pool string, cascade bool) {
	w.Helper()
	gone, code := w.model.Delete(pool, cascade)
	o, err := w.store().DeletePool(w.Context(), w.pool(pool), cascade, anyPool)
	agree(w, gone, code, err == nil && o.State == ipam.StateDeleteComplete, err, "delete %s (cascade %t)", pool, cascade)
}

// work runs all work that is noted.
func (w *modelEnv) work() {
	w.Helper()
	w.model.Work()
	s := w.store()
	pending, err := s.PendingWork(w.Context(), w.now().Add(time.Second))
	if err != nil {
		w.Fatalf("pending work: %v", err)
	}
	for _, sk := range pending {
		if err := s.RunWork(w.Context(), sk); err != nil {
			w.Fatalf("work %s: %v", sk, err)
		}
	}
	w.commits = w.table.commits
}

// check requires that the store and the model hold the same, and that the table
// is in order.
func (w *modelEnv) check() {
	w.Helper()
	if problems := fsck.Check(fscktest.Items(w.table.Memory), w.now()); len(problems) > 0 {
		w.Fatalf("the table is not in order: %v\n%s", problems, w.table.Dump())
	}
	s := w.store()
	for _, pool := range w.model.Pools() {
		id := w.pool(pool)
		have, next, err := s.Allocations(w.Context(), id, "", 0)
		if err != nil || next != "" {
			w.Fatalf("list the allocations of %s: %v, next %q", pool, err, next)
		}
		want := w.model.Allocations(pool)
		if !slices.EqualFunc(want, have, func(m ipamtest.Allocation, a *ipam.Allocation) bool {
			return a.CIDR == m.CIDR && a.AllocationID == w.allocationOf(m.Name) && (a.Kind == ipam.KindPool) == (m.Pool != "") && (m.Pool == "" || a.ResourceID == w.pool(m.Pool))
		}) {
			w.Fatalf("the allocations of %s are %v; the model's are %v", pool, deref(have), want)
		}
		cidrs, err := s.PoolCIDRs(w.Context(), id)
		if err != nil {
			w.Fatalf("list the CIDRs of %s: %v", pool, err)
		}
		listed := w.model.Listed(pool)
		if len(cidrs) != len(listed) {
			w.Fatalf("the CIDRs of %s are %v; the model's are %v", pool, deref(cidrs), listed)
		}
		for _, c := range cidrs {
			if listed[c.CIDR] != c.State {
				w.Fatalf("%s of %s is %s; the model says %q", c.CIDR, pool, c.State, listed[c.CIDR])
			}
		}
	}
}

func deref[T any](all []*T) []T {
	out := make([]T, len(all))
	for i, p := range all {
		out[i] = *p
	}
	return out
}
