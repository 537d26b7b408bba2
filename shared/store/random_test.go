package store_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	"pgregory.net/rapid"
)

// randomRun is a random sequence of requests to the store and the model, with the
// data to refer to earlier requests.
type randomRun struct {
	*rapid.T
	*modelEnv
	family ipam.Family
	made   []made   // allocations and provisionings, in order
	roots  []placed // every CIDR that was ever provisioned
	pools  int
	tokens int
}

type placed struct {
	pool string
	cidr netip.Prefix
}

// made is a request that may be made again.
type made struct {
	placed
	name   string
	digest string
	again  func(digest string)
}

func pickFrom[T any](h *randomRun, all []T, label string) T {
	if len(all) == 0 {
		h.Skip("no " + label)
	}
	return rapid.SampledFrom(all).Draw(h.T, label)
}

// rarely is true one time in ten.
func (h *randomRun) rarely(label string) bool {
	return rapid.SampledFrom([]bool{9: true}).Draw(h.T, label)
}

// anyone is one of the pools, or rarely one that does not exist.
func (h *randomRun) anyone() string {
	if h.rarely("no such pool") {
		return "gone"
	}
	return pickFrom(h, h.model.Pools(), "pool")
}

// near is a block in a free block of the pool or in one of the CIDRs that it has
// or had, or rarely anywhere.
func (h *randomRun) near(pool string) netip.Prefix {
	outer := h.model.Free(pool)
	for p := range h.model.Listed(pool) {
		outer = append(outer, p)
	}
	slices.SortFunc(outer, netip.Prefix.Compare)
	if len(outer) == 0 || h.rarely("anywhere") {
		outer = []netip.Prefix{h.family.All()}
	}
	return ipamtest.Inside(pickFrom(h, outer, "outer")).Draw(h.T, "block")
}

func (h *randomRun) filter(pool string) ipam.Filter {
	var f ipam.Filter
	if rapid.Bool().Draw(h.T, "unfiltered") {
		return f
	}
	for range rapid.IntRange(0, 2).Draw(h.T, "allowed") {
		f.Allowed = append(f.Allowed, h.near(pool))
	}
	for range rapid.IntRange(0, 2).Draw(h.T, "disallowed") {
		f.Disallowed = append(f.Disallowed, h.near(pool))
	}
	return f
}

// length is a netmask length that is likely to be had in the pool.
func (h *randomRun) length(pool string) int {
	return min(h.family.Bits(), h.near(pool).Bits()+rapid.IntRange(0, 3).Draw(h.T, "longer"))
}

func (h *randomRun) newName(operation string) string {
	h.tokens++
	return named(operation, fmt.Sprint(h.tokens))
}

func (h *randomRun) allocateSome(*rapid.T) {
	pool, n := h.anyone(), h.newName("AllocateIpamPoolCidr")
	var q ipam.AllocateRequest
	if rapid.Bool().Draw(h.T, "by length") {
		length := h.length(pool)
		q.Length, q.Filter = &length, h.filter(pool)
	} else {
		q.CIDR = h.near(pool)
	}
	if rapid.Bool().Draw(h.T, "preview first") {
		h.allocate(pool, n, "d", q, true) // the same CIDR as the request below, as the model gives both
	}
	h.remember(pool, n, func(digest string) { h.allocate(pool, n, digest, q, false) })
}

func (h *randomRun) provisionSome(*rapid.T) {
	pool := h.anyone()
	h.provisionAs(pool, h.near(h.model.Source(pool)))
}

// provisionAgain puts a CIDR where it was before, or into another pool.
func (h *randomRun) provisionAgain(*rapid.T) {
	was := pickFrom(h, h.roots, "CIDR")
	pool := was.pool
	if rapid.Bool().Draw(h.T, "elsewhere") {
		pool = h.anyone()
	}
	h.provisionAs(pool, was.cidr)
}

func (h *randomRun) provisionAs(pool string, cidr netip.Prefix) {
	n, length, filter := h.newName("ProvisionIpamPoolCidr"), 0, ipam.Filter{}
	if rapid.IntRange(0, 3).Draw(h.T, "by length") == 0 {
		length, filter, cidr = cidr.Bits(), h.filter(h.model.Source(pool)), netip.Prefix{}
	}
	h.remember(pool, n, func(digest string) { h.provision(pool, n, digest, cidr, length, filter) })
	if c := h.model.Record(n); c.IsValid() {
		h.roots = append(h.roots, placed{pool, c})
	}
}

// remember makes a request for the first time.
func (h *randomRun) remember(pool, n string, do func(digest string)) {
	do("d")
	h.made = append(h.made, made{placed{pool, h.model.Record(n)}, n, "d", do})
}

// repeat makes an earlier request again, with the same parameters or others.
func (h *randomRun) repeat(*rapid.T) {
	m := pickFrom(h, h.made, "request")
	m.again(rapid.SampledFrom([]string{m.digest, m.digest, "other"}).Draw(h.T, "digest"))
}

// releaseHeld releases an allocation of a pool, which may be the CIDR of a pool below it.
func (h *randomRun) releaseHeld(*rapid.T) {
	pool := pickFrom(h, h.model.Pools(), "pool")
	a := pickFrom(h, h.model.Allocations(pool), "allocation")
	if h.rarely("wrong pool") {
		pool = h.anyone()
	}
	h.release(pool, a.CIDR, a.Name)
}

// releaseMade releases the CIDR of an earlier request, which may have failed or may
// hold the CIDR no longer.
func (h *randomRun) releaseMade(*rapid.T) {
	m := pickFrom(h, h.made, "request")
	if !m.cidr.IsValid() || h.rarely("wrong CIDR") {
		m.cidr = h.near(m.pool)
	}
	h.release(m.pool, m.cidr, m.name)
}

func (h *randomRun) deprovisionSome(*rapid.T) {
	was := pickFrom(h, h.roots, "CIDR")
	if h.rarely("wrong pool") {
		was.pool = h.anyone()
	}
	h.deprovision(was.pool, was.cidr)
}

func (h *randomRun) addSome(*rapid.T) {
	var sources []string
	for _, p := range h.model.Pools() {
		if h.model.Source(h.model.Source(p)) == "" && !h.model.Deleting(p) { // two deep at most
			sources = append(sources, p)
		}
	}
	h.pools++
	id := fmt.Sprint("pool ", h.pools)
	h.addPool(id, pickFrom(h, append(sources, ""), "source"), h.family)
	h.provisionAs(id, h.near(h.model.Source(id)))
}

func (h *randomRun) deleteSome(*rapid.T) {
	if !rapid.SampledFrom([]bool{2: true}).Draw(h.T, "really") {
		h.Skip("too much would go")
	}
	pool, cascade := h.anyone(), rapid.Bool().Draw(h.T, "cascade")
	h.deletePool(pool, cascade)
	if cascade && rapid.Bool().Draw(h.T, "work at once") {
		h.work()
	}
}

// later moves the clock by less and by more than an hour and a day, the times for
// which the store keeps records. A clock at exactly an hour or a day shows that a
// record expires one second later.
func (h *randomRun) later(*rapid.T) {
	h.model.Now += rapid.SampledFrom([]int64{1, 1, 1, 59 * 60, 60*60 + 1, 23 * 60 * 60, 24 * 60 * 60, 24*60*60 + 1}).Draw(h.T, "seconds")
}

// Random stories: pools up to three deep in both families, from roots of a
// single address to the whole /0 with blocks of a single address out of it;
// requests that fit and that do not; repeated tokens; a clock that runs past
// every expiry; CIDRs that move away and come back; pools that are deleted with
// all they hold. In transactions of five block changes, so that nearly every
// split and merge takes several, and in whole ones. After every step the store
// and the model hold the same, and the table is in order.
func TestRandomStories(t *testing.T) {
	for _, family := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		t.Run(family.String(), rapid.MakeCheck(func(t *rapid.T) {
			w := newModelEnv(t, rapid.SampledFrom([]int{5, 6, 9, 0}).Draw(t, "room"))
			h := &randomRun{T: t, modelEnv: w, family: family}
			h.addSome(t)
			whole := rapid.SampledFrom([]netip.Prefix{family.All(), ipamtest.Inside(family.All()).Draw(t, "root")}).Draw(t, "first root")
			h.provisionAs("pool 1", whole)
			t.Repeat(map[string]func(*rapid.T){
				"add a pool":      h.addSome,
				"allocate":        h.allocateSome,
				"allocate more":   h.allocateSome,
				"provision":       h.provisionSome,
				"provision again": h.provisionAgain,
				"repeat":          h.repeat,
				"release held":    h.releaseHeld,
				"release made":    h.releaseMade,
				"deprovision":     h.deprovisionSome,
				"delete a pool":   h.deleteSome,
				"work":            func(*rapid.T) { h.work() },
				"later":           h.later,
				"":                func(*rapid.T) { h.check() },
			})
		}))
	}
}
