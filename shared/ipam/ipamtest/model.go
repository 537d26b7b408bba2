package ipamtest

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"go4.org/netipx"
)

// Model is one scope with its pools, as callers see it that call one after the
// other. Tokens name requests; a name represents the id that the real code
// derives from the token. The zero Model is not usable; see [New]. A Model is
// not safe for concurrent use.
//
// The code of an answer is "" if the request succeeds. A refused request
// changes nothing.
type Model struct {
	Now   int64 // Unix seconds; the test moves it
	CIDRs int   // largest number of CIDRs of a pool

	scope   map[ipam.Family]*space
	pools   map[string]*pool
	records map[string]record // allocations, those of kind ipam-pool included, by name
	answers map[string]record // answers to provisioning, by name
}

type space struct {
	roots []netip.Prefix
	taken map[netip.Prefix]holder
}

// holder is the owner of a taken block: a request and, if the block is a root,
// the pool of the root.
type holder struct{ name, pool string }

type pool struct {
	space
	source   string
	family   ipam.Family
	deleting bool
	listed   map[netip.Prefix]listing
}

type listing struct {
	state   ipam.CIDRState
	expires int64
	name    string // the request that provisioned it
}

type record struct {
	pool, digest string // pool: "" for the scope
	cidr         netip.Prefix
	root         bool  // of kind ipam-pool
	released     bool  // by Release or by a cascading deletion
	expires      int64 // 0: never
}

// retention is the life of tokens and of records of released allocations, 24
// hours. listingLife is the time for which a deprovisioned CIDR stays listed,
// one hour. Both are documented behaviour, in seconds.
const retention, listingLife = 24 * 60 * 60, 60 * 60

// New returns a scope without pools.
func New(now int64, cidrs int) *Model {
	m := &Model{Now: now, CIDRs: cidrs, scope: map[ipam.Family]*space{}, pools: map[string]*pool{}, records: map[string]record{}, answers: map[string]record{}}
	for f, all := range map[ipam.Family]string{ipam.IPv4: "0.0.0.0/0", ipam.IPv6: "::/0"} {
		m.scope[f] = &space{roots: []netip.Prefix{netip.MustParsePrefix(all)}, taken: map[netip.Prefix]holder{}}
	}
	return m
}

// Clone returns a copy.
func (m *Model) Clone() *Model {
	c := &Model{Now: m.Now, CIDRs: m.CIDRs, scope: map[ipam.Family]*space{}, pools: map[string]*pool{}, records: maps.Clone(m.records), answers: maps.Clone(m.answers)}
	for f, s := range m.scope {
		c.scope[f] = &space{slices.Clone(s.roots), maps.Clone(s.taken)}
	}
	for id, p := range m.pools {
		q := *p
		q.roots, q.taken, q.listed = slices.Clone(p.roots), maps.Clone(p.taken), maps.Clone(p.listed)
		c.pools[id] = &q
	}
	return c
}

// AddPool adds a pool; source is "" at the top level.
func (m *Model) AddPool(id, source string, f ipam.Family) {
	m.pools[id] = &pool{space: space{taken: map[netip.Prefix]holder{}}, source: source, family: f, listed: map[netip.Prefix]listing{}}
}

func (m *Model) above(p *pool) *space {
	if p.source != "" {
		return &m.pools[p.source].space
	}
	return m.scope[p.family]
}

// free returns the free blocks of a space, as [Free] does.
func (s *space) free() []netip.Prefix {
	return Free(s.roots, slices.Collect(maps.Keys(s.taken)))
}

// find returns the block for a request: cidr if it is valid, else a block of
// the length.
func (s *space) find(cidr netip.Prefix, length int, f ipam.Filter) (netip.Prefix, bool) {
	free := s.free()
	if !cidr.IsValid() {
		return Lowest(free, length, f)
	}
	return cidr, slices.ContainsFunc(free, func(b netip.Prefix) bool { return holds(b, cidr) })
}

func (m *Model) alive(r record) bool { return r.expires == 0 || r.expires >= m.Now }

// Allocate takes a block out of a pool and returns it. With preview it takes
// nothing.
func (m *Model) Allocate(id, name, digest string, q ipam.AllocateRequest, preview bool) (netip.Prefix, ipam.Code) {
	none := netip.Prefix{}
	narrow := slices.Concat(q.Filter.Allowed, q.Filter.Disallowed)
	if q.CIDR.IsValid() && (q.Length != nil || len(narrow) > 0) {
		return none, ipam.CodeInvalidParameterCombination
	}
	if r, ok := m.records[name]; ok && m.alive(r) && !preview {
		if r.digest != digest {
			return none, ipam.CodeIdempotentParameterMismatch
		}
		return r.cidr, ""
	}
	p := m.pools[id]
	if p == nil {
		return none, ipam.CodeInvalidPoolIDNotFound
	}
	if p.deleting {
		return none, ipam.CodeIncorrectState
	}
	for _, c := range append(narrow, q.CIDR) {
		if c.IsValid() && c.Addr().Is4() != (p.family == ipam.IPv4) {
			return none, ipam.CodeInvalidParameterValue
		}
	}
	length := 0
	if !q.CIDR.IsValid() {
		if q.Length == nil {
			return none, ipam.CodeInvalidParameterCombination
		}
		if length = *q.Length; length < 0 || length > 128 || length > 32 && p.family == ipam.IPv4 {
			return none, ipam.CodeInvalidParameterValue
		}
	}
	chosen, ok := p.find(q.CIDR, length, q.Filter)
	if !ok {
		return none, ipam.CodeInvalidParameterValue
	}
	if !preview {
		p.taken[chosen] = holder{name: name}
		m.records[name] = record{pool: id, digest: digest, cidr: chosen}
	}
	return chosen, ""
}

// Release gives an allocation back.
func (m *Model) Release(id string, cidr netip.Prefix, name string) ipam.Code {
	p, r := m.pools[id], m.records[name]
	switch {
	case p == nil:
		return ipam.CodeInvalidPoolIDNotFound
	case !r.cidr.IsValid() || !m.alive(r):
		return ipam.CodeInvalidAllocationIDNotFound
	case r.pool != id || r.cidr != cidr:
		return ipam.CodeInvalidParameterValue
	case r.root:
		return ipam.CodeInvalidParameterCombination
	case !r.released:
		m.release(p, cidr)
	}
	return ""
}

func (m *Model) release(p *pool, cidr netip.Prefix) {
	name := p.taken[cidr].name
	delete(p.taken, cidr)
	r := m.records[name]
	r.released, r.expires = true, m.Now+retention
	m.records[name] = r
}

// Provision takes a block out of the pool's source and makes it a root. The
// token names the block. If an earlier request with that token still has its
// block, and its answer has expired, the name gets as many ' as needed.
func (m *Model) Provision(id, token, digest string, cidr netip.Prefix, length int, f ipam.Filter) (netip.Prefix, ipam.Code) {
	none := netip.Prefix{}
	if r, ok := m.answers[token]; ok && m.alive(r) {
		if r.digest != digest {
			return none, ipam.CodeIdempotentParameterMismatch
		}
		return r.cidr, ""
	}
	p := m.pools[id]
	switch {
	case p == nil:
		return none, ipam.CodeInvalidPoolIDNotFound
	case p.deleting:
		return none, ipam.CodeIncorrectState
	case len(p.roots) >= m.CIDRs:
		return none, ipam.CodeResourceLimitExceeded
	case p.source != "" && m.pools[p.source].deleting, slices.Contains(p.roots, cidr):
		return none, ipam.CodeIncorrectState
	}
	source := m.above(p)
	chosen, ok := source.find(cidr, length, f)
	if !ok {
		return none, ipam.CodeInvalidParameterValue
	}
	name := token
	for m.records[name].root {
		name += "'" // a block that the token took more than a day ago is still there
	}
	source.taken[chosen] = holder{name, id}
	p.roots = append(p.roots, chosen)
	p.listed[chosen] = listing{state: ipam.CIDRProvisioned, name: name}
	m.records[name] = record{pool: p.source, cidr: chosen, root: true}
	m.answers[token] = record{digest: digest, cidr: chosen, expires: m.Now + retention}
	return chosen, ""
}

// Deprovision takes a root without allocations out of a pool and returns its
// new state: deprovisioned, or failed-deprovision if it has allocations.
func (m *Model) Deprovision(id string, cidr netip.Prefix) (ipam.CIDRState, ipam.Code) {
	p := m.pools[id]
	if p == nil {
		return "", ipam.CodeInvalidPoolIDNotFound
	}
	l, ok := p.listed[cidr]
	switch {
	case !ok || l.expires != 0 && l.expires < m.Now:
		return "", ipam.CodeInvalidParameterValue
	case l.state == ipam.CIDRDeprovisioned:
		return "", ipam.CodeIncorrectState
	}
	for t := range p.taken {
		if t.Overlaps(cidr) {
			l.state = ipam.CIDRFailedDeprovision
			p.listed[cidr] = l
			return ipam.CIDRFailedDeprovision, ""
		}
	}
	m.deprovision(p, cidr)
	return ipam.CIDRDeprovisioned, ""
}

func (m *Model) deprovision(p *pool, cidr netip.Prefix) {
	source := m.above(p)
	delete(m.records, source.taken[cidr].name)
	delete(source.taken, cidr)
	p.roots = slices.DeleteFunc(p.roots, func(r netip.Prefix) bool { return r == cidr })
	p.listed[cidr] = listing{state: ipam.CIDRDeprovisioned, expires: m.Now + listingLife}
}

// Delete deletes a pool and reports whether it is gone. With cascade, a pool
// that is not empty is gone after [Model.Work].
func (m *Model) Delete(id string, cascade bool) (gone bool, code ipam.Code) {
	p := m.pools[id]
	switch {
	case p == nil:
		return false, ipam.CodeInvalidPoolIDNotFound
	case len(p.roots) == 0 && len(m.children(id)) == 0:
		delete(m.pools, id)
		return true, ""
	case cascade:
		p.deleting = true
		return false, ""
	}
	return false, ipam.CodeDependencyViolation
}

func (m *Model) children(id string) (ids []string) {
	for c, p := range m.pools {
		if p.source == id {
			ids = append(ids, c)
		}
	}
	return ids
}

// Work deletes the pools whose cascading deletion has begun, with everything in
// them.
func (m *Model) Work() {
	for id, p := range m.pools {
		if p.deleting {
			m.end(id)
		}
	}
}

func (m *Model) end(id string) {
	for _, c := range m.children(id) {
		m.end(c)
	}
	p := m.pools[id]
	if p == nil {
		return
	}
	for t := range p.taken {
		m.release(p, t)
	}
	for _, r := range slices.Clone(p.roots) {
		m.deprovision(p, r)
	}
	delete(m.pools, id)
}

// Pools returns the ids of the pools, ascending.
func (m *Model) Pools() []string { return slices.Sorted(maps.Keys(m.pools)) }

// Source returns the source of a pool, and "" at the top level and for a pool
// that does not exist.
func (m *Model) Source(id string) string {
	if p := m.pools[id]; p != nil {
		return p.source
	}
	return ""
}

// Root returns the name of the request that provisioned a pool's CIDR, and ""
// if the pool does not have it now.
func (m *Model) Root(id string, cidr netip.Prefix) string {
	if p := m.pools[id]; p != nil {
		return p.listed[cidr].name
	}
	return ""
}

// Deleting reports whether a cascading deletion of a pool has begun.
func (m *Model) Deleting(id string) bool { return m.pools[id].deleting }

// Record returns the block that a request took, even if the request does not
// hold it any more. It is the zero Prefix if the request took none or its
// record is gone.
func (m *Model) Record(name string) netip.Prefix { return m.records[name].cidr }

// Allocation is a taken block of a pool as its caller sees it.
type Allocation struct {
	CIDR netip.Prefix
	Name string
	Pool string // the pool whose root it is, or ""
}

// Allocations returns the taken blocks of a pool by address.
func (m *Model) Allocations(id string) []Allocation {
	var all []Allocation
	for p, h := range m.pools[id].taken {
		all = append(all, Allocation{p, h.name, h.pool})
	}
	slices.SortFunc(all, func(a, b Allocation) int { return a.CIDR.Addr().Compare(b.CIDR.Addr()) })
	return all
}

// Listed returns the CIDRs that a pool lists, with their states.
func (m *Model) Listed(id string) map[netip.Prefix]ipam.CIDRState {
	all := map[netip.Prefix]ipam.CIDRState{}
	if m.pools[id] == nil {
		return all
	}
	for p, l := range m.pools[id].listed {
		if l.expires == 0 || l.expires >= m.Now {
			all[p] = l.state
		}
	}
	return all
}

// Free returns the free blocks of a pool as the function [Free] does.
func (m *Model) Free(id string) []netip.Prefix {
	if p := m.pools[id]; p != nil {
		return p.free()
	}
	return nil
}

// Shape returns a text that describes the division of a block of the scope's
// space among its pools, down to the last level. Two states have the same text
// if they differ only in names, or in CIDRs that are listed and not
// provisioned. With mirrored, two states also have the same text if they differ
// only in the order of halves.
func (m *Model) Shape(universe netip.Prefix, mirrored bool) string {
	f := ipam.IPv4
	if universe.Addr().Is6() {
		f = ipam.IPv6
	}
	return m.shape(m.scope[f], universe, mirrored)
}

func (m *Model) shape(s *space, b netip.Prefix, mirrored bool) string {
	if h, ok := s.taken[b]; ok {
		if h.pool == "" {
			return "x"
		}
		return h.pool + m.shape(&m.pools[h.pool].space, b, mirrored)
	}
	used := false
	for t := range s.taken {
		used = used || t.Overlaps(b)
	}
	if !used {
		return "."
	}
	lower, _ := alignedFrom(b.Addr(), b.Bits()+1)
	upper := netip.PrefixFrom(netipx.PrefixLastIP(lower).Next(), lower.Bits())
	halves := []string{m.shape(s, lower, mirrored), m.shape(s, upper, mirrored)}
	if mirrored {
		slices.Sort(halves)
	}
	return "(" + strings.Join(halves, "") + ")"
}
