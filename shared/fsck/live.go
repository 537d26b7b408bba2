package fsck

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// resource has the members of a resource's document that the checks use.
type resource struct {
	Type, ID, Owner, Region string
	CIDR                    netip.Prefix
	Name, VPC               string
	Instance, InstanceOwner string // for an interface
	Tags                    map[string]string
}

func (o *resource) isInterface() bool { return o.Type == "eni" }

// target is the place of a discovered resource in an IPAM.
type target struct {
	IPAM, Scope string
	Ignored     bool
}

// found is a resource as a discovery keeps it.
type found struct {
	resource
	sk        string
	discovery string
	doc       string
	targets   []target
}

func (f *found) pk() string { return "FOUND#" + f.discovery + "#" + f.Region + "#" + f.Owner }

// liveRow is the row of a resource's CIDR, or of an interface's, in a scope.
type liveRow struct {
	resource
	sk         string
	scope      string
	discovery  string
	doc        string
	compliance string
	overlap    string
	ignored    bool
	since      int64
	matched    bool // a discovery's finding matches it
}

func (l *liveRow) pk() string {
	kind, family := "LIVE#", "#4"
	if l.isInterface() {
		kind = "IFACE#"
	}
	if l.CIDR.Addr().Is6() {
		family = "#6"
	}
	return kind + l.scope + family
}

// takesSpace reports whether no pool may give the row's CIDR to another.
func (l *liveRow) takesSpace() bool { return !l.isInterface() && !l.ignored }

type livePlace struct {
	scope      string
	cidr       netip.Prefix
	id, region string
	iface      bool
}

// resource reads a resource's document, and returns it and its text.
func (r *row) resource() (o resource, doc string) {
	doc = r.document("Object", &o)
	if !slices.Contains([]string{"vpc", "subnet", "eip", "public-ipv4-pool", "eni"}, o.Type) {
		r.fail("%q is no type of resource", o.Type)
	}
	return o, doc
}

func (t *table) addFound(r *row, id string) {
	place := strings.Split(id, "#")
	o, doc := r.resource()
	f := found{resource: o, doc: doc, sk: r.sk, discovery: place[0]}
	r.document("Targets", &f.targets)
	r.count("Sampled")
	r.revision()
	if want := o.Type + "#" + o.ID + "#" + blockSK(o.CIDR); r.sk != want || r.pk != f.pk() {
		r.fail("the document is of %s of account %s in %s, whose key is %s", o.ID, o.Owner, o.Region, want)
	}
	if r.ok() {
		t.found = append(t.found, f)
	}
}

func (t *table) addLive(r *row, id string) {
	var l liveRow
	l.resource, l.doc = r.resource()
	l.scope, _, _ = strings.Cut(id, "#")
	l.sk, l.discovery = r.sk, r.text("Source")
	r.count("Sampled")
	l.since = r.count("Since")
	r.revision()
	var status struct{ Management, Compliance, Overlap string }
	r.document("Status", &status)
	l.compliance, l.overlap = status.Compliance, status.Overlap
	if r.has("Ignored") {
		if l.ignored = true; r.number("Ignored") != 1 {
			r.fail("the attribute Ignored exists and is not 1")
		}
	}
	if want := blockSK(l.CIDR) + "#" + l.ID + "#" + l.Region; r.sk != want || r.pk != l.pk() {
		r.fail("the document is of %s, whose key is %s of %s", l.ID, want, l.pk())
	}
	if r.ok() {
		t.live = append(t.live, l)
	}
}

func (r *row) revision() {
	if rev := r.number("Rev"); rev < 1 {
		r.fail("the revision is %d", rev)
	}
}

// addUsage reads a pool's usage when it last crossed a threshold.
func (t *table) addUsage(r *row, pool string) {
	for _, name := range []string{"Percent", "Threshold"} {
		r.asked = append(r.asked, name)
		v, _ := r.attrs[name].(*types.AttributeValueMemberN)
		if v == nil {
			r.fail("the attribute %s is missing or no number", name)
		} else if n, err := strconv.ParseFloat(v.Value, 64); err != nil || n < 0 || n > 100 {
			r.fail("the attribute %s is %s and no percentage", name, v.Value)
		}
	}
	if n := r.count("Crossed"); n > 1 {
		r.fail("the attribute Crossed is %d, neither 0 nor 1", n)
	}
	if r.ok() {
		t.usages = append(t.usages, pool)
	}
}

func (t *table) checkUsage() {
	for _, pool := range t.usages {
		if o := (ref{kindPool, pool}); t.index[o] == nil {
			t.problem(Reference, o.pk(), "USAGE", "the pool does not exist")
		}
	}
	for _, pool := range t.forecasts {
		if o := (ref{kindPool, pool}); t.index[o] == nil {
			t.problem(Reference, o.pk(), "FORECAST", "the pool does not exist")
		}
	}
}

// readNotes reads the notes of work that explain a difference between the space
// and the resources.
func (t *table) readNotes() {
	t.waiting, t.purging = make(map[string][]netip.Prefix), make(map[string]bool)
	for _, sk := range t.notes {
		switch kind, id, _ := strings.Cut(sk, "#"); kind {
		case "live":
			scope, text, _ := strings.Cut(id, "#")
			p, err := netip.ParsePrefix(text)
			if err != nil || p.Masked() != p || p.String() != text {
				t.problem(Form, workPK, sk, "%q is not the form of a CIDR", text)
				continue
			}
			t.waiting[scope] = append(t.waiting[scope], p)
		case "purge":
			t.purging[id] = true
		}
	}
}

// excused reports whether a note says that p in a scope has still to be
// compared with the live resources there.
func (t *table) excused(scope string, p netip.Prefix) bool {
	return slices.ContainsFunc(t.waiting[scope], p.Overlaps)
}

// follows reports whether a note says that a resource's rows have still to
// follow its discovery.
func (t *table) follows(discovery string, o *resource) bool {
	return t.purging[discovery] || t.purging[discovery+"#"+o.Region+"#"+o.Owner]
}

// checkFound compares the findings of discoveries with the rows in scopes.
func (t *table) checkFound() {
	t.liveAt = make(map[livePlace]*liveRow, len(t.live))
	for i := range t.live {
		l := &t.live[i]
		t.liveAt[livePlace{l.scope, l.CIDR, l.ID, l.Region, l.isInterface()}] = l
		if t.index[ref{kindScope, l.scope}] == nil && !t.follows(l.discovery, &l.resource) {
			t.problem(Reference, l.pk(), l.sk, "the scope %s does not exist", l.scope)
		}
	}
	for i := range t.found {
		f := &t.found[i]
		if t.index[ref{kindDiscovery, f.discovery}] == nil && !t.follows(f.discovery, &f.resource) {
			t.problem(Reference, f.pk(), f.sk, "the discovery %s does not exist", f.discovery)
		}
		for n, at := range f.targets {
			if n > 0 && at.IPAM <= f.targets[n-1].IPAM {
				t.problem(Form, f.pk(), f.sk, "the targets are not sorted, or two are in %s", at.IPAM)
			}
			t.checkTarget(f, at)
		}
	}
	for i := range t.live {
		if l := &t.live[i]; !l.matched {
			t.problem(Found, l.pk(), l.sk, "the discovery %s found no such resource for this scope", l.discovery)
		}
	}
}

func (t *table) checkTarget(f *found, at target) {
	follows := t.follows(f.discovery, &f.resource) // another discovery may have taken it over, and forgotten it since
	if scope := t.index[ref{kindScope, at.Scope}]; scope != nil && scope.IPAM != at.IPAM {
		t.problem(Found, f.pk(), f.sk, "its target is the scope %s of %s, which belongs to %s", at.Scope, at.IPAM, scope.IPAM)
	}
	if d := t.index[ref{kindDiscovery, f.discovery}]; d != nil && !slices.Contains(d.IPAMs, at.IPAM) && !follows {
		t.problem(Found, f.pk(), f.sk, "its target is %s, with which its discovery is not associated", at.IPAM)
	}
	l := t.liveAt[livePlace{at.Scope, f.CIDR, f.ID, f.Region, f.isInterface()}]
	switch {
	case l == nil:
		if !follows {
			t.problem(Found, f.pk(), f.sk, "its target is the scope %s, which has no row of it", at.Scope)
		}
	case l.discovery != f.discovery:
		if !follows {
			t.problem(Found, f.pk(), f.sk, "its target is the scope %s, whose row is from %s", at.Scope, l.discovery)
		}
	default:
		l.matched = true
		if l.doc != f.doc || l.ignored != at.Ignored {
			t.problem(Found, l.pk(), l.sk, "the row has %s, ignored %t; %s found %s, ignored %t", l.doc, l.ignored, f.discovery, f.doc, at.Ignored)
		}
	}
}

// checkLive compares the free blocks and the holds of pools with the live
// resources of their scopes.
func (t *table) checkLive() {
	liveAt := t.liveRows()
	for i := range t.blocks {
		b := &t.blocks[i]
		pool := t.index[ref{kindPool, b.space}]
		if pool == nil || !b.free() {
			continue
		}
		for _, l := range liveAt(pool, b.cidr) {
			both := b.cidr
			if within(l.CIDR, both) {
				both = l.CIDR
			}
			if !t.excused(pool.Scope, both) {
				t.problem(Live, b.pk(), b.sk, "%s is free, and %s %s of account %s is live at %s", b.cidr, l.Type, l.ID, l.Owner, l.CIDR)
			}
		}
	}
	for i := range t.taken {
		b := &t.taken[i]
		if b.kind != "hold" {
			continue
		}
		pool := t.index[ref{kindPool, b.space}]
		if pool == nil {
			t.problem(Hold, b.pk(), b.sk, "the hold %s is in no pool", b.cidr)
			continue
		}
		if b.owner != pool.owner {
			t.problem(Hold, b.pk(), b.sk, "the hold %s has owner %s, and its pool has %s", b.cidr, b.owner, pool.owner)
		}
		if gap := uncovered(b.cidr, liveAt(pool, b.cidr)); gap.IsValid() && !t.pending(b) && !t.excused(pool.Scope, b.cidr) {
			t.problem(Hold, b.pk(), b.sk, "%s is held, and nothing is live at %s", b.cidr, gap)
		}
	}
}

// liveRows returns a function that finds the rows that a pool may not give away at
// p. They are in ascending order of address, and a row inside another is left
// out. The CIDR of the planning pool's own VPC is left out too.
func (t *table) liveRows() func(pool *object, p netip.Prefix) []*liveRow {
	rows, sources := t.sorted(), t.sources()
	outer, at := outermost(rows), make(map[place][]*liveRow)
	for _, l := range rows {
		k := place{l.scope, l.CIDR}
		at[k] = append(at[k], l)
	}
	return func(pool *object, p netip.Prefix) []*liveRow {
		around := sources(pool, p)
		if around == (vpcCIDR{}) {
			return overlapping(outer[pool.Scope], p)
		}
		for bits := range p.Bits() {
			for _, l := range at[place{pool.Scope, netip.PrefixFrom(p.Addr(), bits).Masked()}] {
				if around != (vpcCIDR{l.ID, l.Region, l.CIDR}) {
					return []*liveRow{l}
				}
			}
		}
		first := sort.Search(len(rows), func(i int) bool {
			return cmp.Or(strings.Compare(rows[i].scope, pool.Scope), rows[i].CIDR.Addr().Compare(p.Addr()), cmp.Compare(rows[i].CIDR.Bits(), p.Bits())) >= 0
		})
		var in []*liveRow
		for _, l := range rows[first:] {
			if l.scope != pool.Scope || !within(l.CIDR, p) {
				break
			}
			if around != (vpcCIDR{l.ID, l.Region, l.CIDR}) {
				in = append(in, l)
			}
		}
		return outermost(in)[pool.Scope]
	}
}

// vpcCIDR is the CIDR of a planning pool's VPC. The zero value is none.
type vpcCIDR struct {
	vpc, region string
	cidr        netip.Prefix
}

// sources returns a function that finds the CIDR of a planning pool's VPC at p. It
// is none for other pools, and none if the VPC is gone and has left its block
// to the pool.
func (t *table) sources() func(pool *object, p netip.Prefix) vpcCIDR {
	over := make(map[place]vpcCIDR)
	for i := range t.taken {
		if b := &t.taken[i]; b.plan != "" {
			over[place{b.plan, b.cidr}] = vpcCIDR{b.resource, b.region, b.cidr}
		}
	}
	return func(pool *object, p netip.Prefix) vpcCIDR {
		if pool.SourceResource == nil {
			return vpcCIDR{}
		}
		for bits := range p.Bits() + 1 {
			if around, ok := over[place{pool.id, netip.PrefixFrom(p.Addr(), bits).Masked()}]; ok {
				return around
			}
		}
		return vpcCIDR{}
	}
}

// sorted returns the rows that take space, by scope and ascending address,
// larger ones first.
func (t *table) sorted() []*liveRow {
	rows := make([]*liveRow, 0, len(t.live))
	for i := range t.live {
		if l := &t.live[i]; l.takesSpace() {
			rows = append(rows, l)
		}
	}
	slices.SortFunc(rows, func(a, b *liveRow) int {
		return cmp.Or(strings.Compare(a.scope, b.scope), a.CIDR.Addr().Compare(b.CIDR.Addr()), cmp.Compare(a.CIDR.Bits(), b.CIDR.Bits()), strings.Compare(a.ID, b.ID))
	})
	return rows
}

// outermost returns, by scope, the rows that no other row contains. rows are
// sorted.
func outermost(rows []*liveRow) map[string][]*liveRow {
	outer := make(map[string][]*liveRow)
	for _, l := range rows {
		if have := outer[l.scope]; len(have) == 0 || !within(l.CIDR, have[len(have)-1].CIDR) {
			outer[l.scope] = append(have, l)
		}
	}
	return outer
}

// overlapping returns the rows that overlap p. rows do not overlap each other,
// and ascend.
func overlapping(rows []*liveRow, p netip.Prefix) []*liveRow {
	first := sort.Search(len(rows), func(i int) bool { return !lastOf(rows[i].CIDR).Less(p.Addr()) })
	end := first
	for end < len(rows) && !lastOf(p).Less(rows[end].CIDR.Addr()) {
		end++
	}
	return rows[first:end]
}

// uncovered returns the first address of p that is in none of rows, and the
// zero Addr if there is none. rows overlap p, do not overlap each other, and
// ascend.
func uncovered(p netip.Prefix, rows []*liveRow) netip.Addr {
	next := p.Addr()
	for _, l := range rows {
		if next.Less(l.CIDR.Addr()) {
			return next
		}
		if next = lastOf(l.CIDR).Next(); !next.IsValid() {
			return next // after the end of the family
		}
	}
	if lastOf(p).Less(next) {
		return netip.Addr{}
	}
	return next
}

// pending reports whether a block is under a root that has still to be compared
// with the live resources in it.
func (t *table) pending(b *taken) bool {
	for i := range t.cidrs {
		if c := &t.cidrs[i]; c.pending && c.pool == b.space && within(b.cidr, c.cidr) {
			return true
		}
	}
	return false
}

// typeOf maps a kind of block to the type of the resources that have such
// blocks.
var typeOf = map[string]string{"vpc": "vpc", "subnet": "subnet", "eip": "eip", "ec2-public-ipv4-pool": "public-ipv4-pool"}

// checkImports compares the allocations to resources with the resources.
func (t *table) checkImports() {
	for i := range t.taken {
		b := &t.taken[i]
		pool := t.index[ref{kindPool, b.space}]
		if pool == nil || typeOf[b.kind] == "" {
			continue
		}
		if planning := pool.SourceResource != nil; planning != (b.kind == "subnet") {
			t.problem(Import, b.pk(), b.sk, "the block %s has kind %s, and %s is a resource planning pool: %t", b.cidr, b.kind, pool.id, planning)
		}
		if b.pendingUntil != 0 || t.excused(pool.Scope, b.cidr) {
			continue
		}
		switch l := t.liveAt[livePlace{pool.Scope, b.cidr, b.resource, b.region, false}]; {
		case l == nil || l.ignored:
			t.problem(Import, b.pk(), b.sk, "%s is allocated to %s in %s, which is not live there", b.cidr, b.resource, b.region)
		case l.Type != typeOf[b.kind] || l.Owner != b.owner:
			t.problem(Import, b.pk(), b.sk, "%s is allocated to %s of kind %s and account %s, which is %s and %s",
				b.cidr, b.resource, b.kind, b.owner, l.Type, l.Owner)
		}
	}
}
