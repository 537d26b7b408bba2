// Package fsck checks a whole table against the invariants of Cadastre's data.
// It does not know how the data got there.
//
// It shares no code with the store and the core: it has its own keys,
// attributes and arithmetic, so a mistake there cannot hide itself here. An
// item that is kept for a time only, such as a released allocation, counts as
// absent once its Expires has passed, as everywhere in Cadastre.
package fsck

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Problem is one violation of an invariant.
type Problem struct {
	Invariant string `json:"invariant"` // one of the constants below
	Key       string `json:"key"`       // "<partition key> | <sort key>" of the item with the problem, or of a missing item
	Text      string `json:"text"`      // the problem, with its numbers
}

func (p Problem) String() string { return p.Invariant + ": " + p.Key + ": " + p.Text }

// The invariants.
const (
	Form      = "form"      // every key and attribute is known, complete and in its only form
	Reference = "reference" // the objects that an item names exist
	Partition = "partition" // under every root, free and taken blocks are exactly the root, nothing overlaps, and every block has its root
	Cover     = "cover"     // no two buddies under one root are both free
	Child     = "child"     // the blocks of kind ipam-pool, and of VPCs with a planning pool, are the roots of child pools, with equal ids, and no others
	Record    = "record"    // the blocks that callers see are the active by-id items and no others; released ones expire
	TopLevel  = "top-level" // no two roots of pools at the top level of a scope overlap
	Chain     = "chain"     // depth, locale, family, scope, IPAM and owner agree from every pool up to its IPAM
	Count     = "count"     // the counts on IPAMs, scopes, pools and accounts are the real numbers
	Listing   = "listing"   // the rows of an account are its IPAMs, scopes and pools
	Share     = "share"     // the rows of a principal are the pools shared with it
	Foreign   = "foreign"   // the blocks of other accounts than the pool's owner are listed under these accounts, and no others
	Work      = "work"      // splits, pending blocks, deletes and provisionings in progress have a note of work, and nothing else does
	Watch     = "watch"     // IPAMs, resource discoveries and their associations name one another, and every IPAM has its defaults
	Found     = "found"     // the rows of resources in scopes are the findings of discoveries in these scopes, and no others
	Live      = "live"      // no free block of a pool overlaps a live resource of its scope
	Hold      = "hold"      // every hold is in a pool, and live resources of its scope cover it completely
	Import    = "import"    // the allocations to resources are CIDRs of live resources in the scope
	Pending   = "pending"   // the blocks that wait for EC2's answer have their rows, and no others do
	Select    = "select"    // in a settled table, the members and the last version of a prefix list resolver are the CIDRs that its rules select
	Map       = "map"       // the rows that the head of a scan's map names are there
	Answer    = "answer"    // a request that arrived as an event has one answer
	History   = "history"   // history records end and expire in order; in a settled table, the open records equal the resources' rows
)

// Check returns the violations in a table in the order of their keys, or none.
// items yields every item once, with PK and SK, in any order; the maps must not
// change while Check runs. It takes O(n log n) time and O(n) space.
//
// If the items were not all read at one moment, writes in between may cause
// some of the problems.
func Check(items iter.Seq[map[string]types.AttributeValue], now time.Time) []Problem {
	return check(items, now, false)
}

// CheckSettled is [Check] for a table whose stream has been processed, so that
// history and the resources' rows must agree.
func CheckSettled(items iter.Seq[map[string]types.AttributeValue], now time.Time) []Problem {
	return check(items, now, true)
}

func check(items iter.Seq[map[string]types.AttributeValue], now time.Time, settled bool) []Problem {
	t := &table{now: now.Unix()}
	for i := range items {
		t.add(i)
	}
	t.checkObjects()
	t.checkCIDRs()
	t.checkSpaces()
	t.checkTaken()
	t.checkTopLevel()
	t.checkCounts()
	t.checkListing()
	t.checkShares()
	t.checkForeign()
	t.readNotes()
	t.checkWork()
	t.checkWatch()
	t.checkFound()
	t.checkLive()
	t.checkImports()
	t.checkPending()
	t.checkUsage()
	t.checkMaps()
	t.checkResolvers(settled)
	t.checkAnswers()
	if settled {
		t.checkHistory()
	}
	slices.SortFunc(t.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Invariant, b.Invariant), strings.Compare(a.Text, b.Text))
	})
	return t.problems
}

func (t *table) problem(invariant, pk, sk, format string, args ...any) {
	t.problems = append(t.problems, Problem{invariant, pk + " | " + sk, fmt.Sprintf(format, args...)})
}

// checkObjects checks every IPAM, scope and pool against the object above it,
// and counts it there.
func (t *table) checkObjects() {
	t.index = make(map[ref]*object, len(t.objects))
	for i := range t.objects {
		o := &t.objects[i]
		t.index[o.ref] = o
	}
	for i := range t.objects {
		switch o := &t.objects[i]; o.kind {
		case kindIPAM:
			t.checkIPAM(o)
		case kindScope:
			t.checkScope(o)
		case kindPool:
			t.checkPool(o)
		default: // checkWatch checks the objects of discovery
		}
	}
}

func (t *table) checkIPAM(o *object) {
	for _, s := range []struct{ id, kind string }{{o.PublicScope, "public"}, {o.PrivateScope, "private"}} {
		scope := t.index[ref{kindScope, s.id}]
		switch {
		case scope == nil:
			t.problem(Reference, o.pk(), meta, "its default %s scope %s does not exist", s.kind, s.id)
		case scope.IPAM != o.id || scope.Type != s.kind || !scope.Default:
			t.problem(Chain, scope.pk(), meta, "it is the default %s scope of %s, but says type %s, IPAM %s, default %t", s.kind, o.id, scope.Type, scope.IPAM, scope.Default)
		}
	}
}

func (t *table) checkScope(o *object) {
	up := t.index[ref{kindIPAM, o.IPAM}]
	if up == nil {
		t.problem(Reference, o.pk(), meta, "its IPAM %s does not exist", o.IPAM)
		return
	}
	up.children++
	t.same(o, "owner", o.owner, up, up.owner)
	if o.Default && o.id != up.PublicScope && o.id != up.PrivateScope {
		t.problem(Chain, o.pk(), meta, "it is a default scope, and the default scopes of %s are %s and %s", up.id, up.PublicScope, up.PrivateScope)
	}
}

func (t *table) checkPool(o *object) {
	scope := t.index[ref{kindScope, o.Scope}]
	if scope == nil {
		t.problem(Reference, o.pk(), meta, "its scope %s does not exist", o.Scope)
	} else {
		scope.children++
		t.same(o, "owner", o.owner, scope, scope.owner)
		t.same(o, "IPAM", o.IPAM, scope, scope.IPAM)
		t.same(o, "scope type", o.ScopeType, scope, scope.Type)
	}
	if o.SourcePool == "" {
		if o.Depth != 1 {
			t.problem(Chain, o.pk(), meta, "it is at the top level and has depth %d", o.Depth)
		}
		return
	}
	up := t.index[ref{kindPool, o.SourcePool}]
	if up == nil {
		t.problem(Reference, o.pk(), meta, "its source pool %s does not exist", o.SourcePool)
		return
	}
	up.children++
	t.same(o, "scope", o.Scope, up, up.Scope)
	t.same(o, "family", o.Family, up, up.Family)
	if up.Locale != "" {
		t.same(o, "locale", o.Locale, up, up.Locale)
	}
	if o.Depth != up.Depth+1 {
		t.problem(Chain, o.pk(), meta, "it has depth %d under %s of depth %d", o.Depth, up.id, up.Depth)
	}
}

func (t *table) same(o *object, field, has string, up *object, wants string) {
	if has != wants {
		t.problem(Chain, o.pk(), meta, "it has %s %q, and %s above it has %q", field, has, up.id, wants)
	}
}

// checkCIDRs checks every root of a pool, counts it there, and collects all
// roots.
func (t *table) checkCIDRs() {
	for i := range t.objects {
		if o := &t.objects[i]; o.kind == kindScope {
			t.roots = append(t.roots,
				root{o.id + "#4", netip.PrefixFrom(netip.IPv4Unspecified(), 0), o.id},
				root{o.id + "#6", netip.PrefixFrom(netip.IPv6Unspecified(), 0), o.id})
		}
	}
	t.cidrAt = make(map[place]*poolCIDR, len(t.cidrs))
	for i := range t.cidrs {
		c := &t.cidrs[i]
		if !c.holds {
			continue // it is listed for a while, even after its pool
		}
		pool := t.index[ref{kindPool, c.pool}]
		if pool == nil {
			t.problem(Reference, c.pk(), c.sk, "its pool %s does not exist", c.pool)
			continue
		}
		c.of = pool
		pool.cidrs++
		t.cidrAt[place{c.pool, c.cidr}] = c
		t.roots = append(t.roots, root{c.pool, c.cidr, c.id})
		if c.owner != pool.owner {
			t.problem(Chain, c.pk(), c.sk, "it has owner %q, and %s has %q", c.owner, pool.id, pool.owner)
		}
		if family := familyOf(c.cidr); family != pool.Family {
			t.problem(Chain, c.pk(), c.sk, "it is %s, and %s is %s", family, pool.id, pool.Family)
		}
		source := pool.SourcePool
		if source == "" {
			source = pool.Scope + "#" + pool.Family[len(pool.Family)-1:]
		}
		if c.source != source {
			t.problem(Child, c.pk(), c.sk, "its source is %s, and the source of %s is %s", c.source, pool.id, source)
		}
	}
}

// spaceExists reports whether the object of a space exists.
func (t *table) spaceExists(space string) bool {
	if scope, _, ok := strings.Cut(space, "#"); ok {
		return t.index[ref{kindScope, scope}] != nil
	}
	return t.index[ref{kindPool, space}] != nil
}

// checkSpaces compares the blocks of each space with its roots.
func (t *table) checkSpaces() {
	slices.SortFunc(t.blocks, func(a, b block) int {
		return cmp.Or(strings.Compare(a.space, b.space), a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()),
			takenFirst(a, b))
	})
	slices.SortFunc(t.roots, func(a, b root) int {
		return cmp.Or(strings.Compare(a.space, b.space), a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()))
	})
	for blocks, roots := t.blocks, t.roots; len(blocks)+len(roots) > 0; {
		var space string
		if len(roots) == 0 || len(blocks) > 0 && blocks[0].space < roots[0].space {
			space = blocks[0].space
		} else {
			space = roots[0].space
		}
		b := 0
		for b < len(blocks) && blocks[b].space == space {
			b++
		}
		r := 0
		for r < len(roots) && roots[r].space == space {
			r++
		}
		t.checkSpace(space, blocks[:b], roots[:r])
		blocks, roots = blocks[b:], roots[r:]
	}
}

// checkSpace checks that the roots do not overlap, that the blocks of each are
// exactly that root and name it, and that no free blocks can be merged. Both
// slices are in ascending order of address, larger blocks first.
func (t *table) checkSpace(space string, blocks []block, roots []root) {
	if !t.spaceExists(space) {
		for i := range blocks {
			t.problem(Reference, blocks[i].pk(), blocks[i].sk, "the space %s does not exist", space)
		}
		return
	}
	var at *root        // the root of the present block
	var next netip.Addr // its lowest address that no block has covered; invalid after the end of the family
	var widest *block   // the block that ends before next
	end := func() {
		if at == nil {
			return
		}
		if last := lastOf(at.cidr); next.IsValid() && !last.Less(next) {
			t.problem(Partition, at.pk(), at.sk(), "%s–%s of the root %s is neither free nor taken", next, last, at.cidr)
		}
	}
	for i := range blocks {
		b := &blocks[i]
		for len(roots) > 0 && !b.cidr.Addr().Less(roots[0].cidr.Addr()) {
			end()
			if at != nil && within(roots[0].cidr, at.cidr) {
				t.problem(Partition, roots[0].pk(), roots[0].sk(), "the root %s overlaps the root %s", roots[0].cidr, at.cidr)
			}
			at, next = &roots[0], roots[0].cidr.Addr()
			roots = roots[1:]
		}
		if at == nil || !within(b.cidr, at.cidr) {
			t.problem(Partition, b.pk(), b.sk, "the block %s is under no root of %s", b.cidr, space)
			continue
		}
		if id, bits := b.root(); id != at.id || bits != at.cidr.Bits() {
			t.problem(Partition, b.pk(), b.sk, "the block %s names root %s, and is under %s/%d", b.cidr, b.rootText, at.id, at.cidr.Bits())
		}
		switch first := b.cidr.Addr(); {
		case !next.IsValid() || first.Less(next):
			t.problem(Partition, b.pk(), b.sk, "the block %s overlaps the block %s", b.cidr, widest.cidr)
		case next.Less(first):
			t.problem(Partition, b.pk(), b.sk, "%s–%s before the block %s is neither free nor taken", next, first.Prev(), b.cidr)
		}
		if last := lastOf(b.cidr); next.IsValid() && !last.Less(next) {
			next, widest = last.Next(), b
		}
		if i > 0 && b.free() && blocks[i-1].free() && b.rootText == blocks[i-1].rootText &&
			b.cidr.Bits() == blocks[i-1].cidr.Bits() && above(b.cidr) == above(blocks[i-1].cidr) {
			t.problem(Cover, b.pk(), b.sk, "%s and its buddy %s are both free under the root %s", b.cidr, blocks[i-1].cidr, b.rootText)
		}
	}
	end()
	for i := range roots {
		if at != nil && within(roots[i].cidr, at.cidr) {
			t.problem(Partition, roots[i].pk(), roots[i].sk(), "the root %s overlaps the root %s", roots[i].cidr, at.cidr)
		}
		t.problem(Partition, roots[i].pk(), roots[i].sk(), "no part of the root %s is free or taken", roots[i].cidr)
		at = &roots[i]
	}
}

// checkTaken checks every taken block against its by-id item, and a block of
// kind ipam-pool against the child pool's root.
func (t *table) checkTaken() {
	record := make(map[string]*byID, len(t.records))
	for i := range t.records {
		record[t.records[i].id] = &t.records[i]
	}
	for i := range t.taken {
		b := &t.taken[i]
		if b.hidden() {
			continue
		}
		switch r := record[b.id]; {
		case r == nil || !r.active:
			t.problem(Record, b.pk(), b.sk, "the allocation %s of %s has no active by-id item", b.id, b.cidr)
		case r.space != b.space || r.cidr != b.cidr:
			t.problem(Record, b.pk(), b.sk, "the allocation %s of %s in %s is %s in %s by its by-id item", b.id, b.cidr, b.space, r.cidr, r.space)
		default:
			r.matched = true
			if r.kind != b.kind || r.owner != b.owner {
				t.problem(Record, b.pk(), b.sk, "the allocation %s has kind %s and owner %s, and %s and %s in its by-id item", b.id, b.kind, b.owner, r.kind, r.owner)
			}
		}
		if b.plan != "" {
			t.checkPlan(b)
		}
		if b.kind == "ipam-pool" {
			t.checkChild(b)
		} else if strings.Contains(b.space, "#") {
			t.problem(Child, b.pk(), b.sk, "the block %s of kind %s is taken out of a scope; only pools may take from scopes", b.cidr, b.kind)
		}
	}
	for i := range t.records {
		if r := &t.records[i]; r.active && !r.matched {
			t.problem(Record, "ALLOC#"+r.id, meta, "no taken block %s in %s has this id", r.cidr, r.space)
		}
	}
	for i := range t.cidrs {
		if c := &t.cidrs[i]; c.of != nil && !c.matched {
			t.problem(Child, c.pk(), c.sk, "no block %s of %s is for it", c.cidr, c.source)
		}
	}
}

func (t *table) checkChild(b *taken) {
	c := t.cidrAt[place{b.resource, b.cidr}]
	if c == nil || c.source != b.space {
		t.problem(Child, b.pk(), b.sk, "the block %s is taken for %s, which has no such root from %s", b.cidr, b.resource, b.space)
		return
	}
	c.matched = true
	if c.allocation != b.id || b.owner != c.owner || b.region != c.of.Locale {
		t.problem(Child, b.pk(), b.sk, "the block %s has allocation %s, owner %s and Region %q; the root of %s that it is has %s, %s and %q",
			b.cidr, b.id, b.owner, b.region, b.resource, c.allocation, c.owner, c.of.Locale)
	}
}

// checkPlan compares the block of a VPC with the root of its resource planning
// pool.
func (t *table) checkPlan(b *taken) {
	c := t.cidrAt[place{b.plan, b.cidr}]
	if c == nil || c.source != b.space || c.allocation != b.id {
		t.problem(Child, b.pk(), b.sk, "the planning pool %s of the block %s has no such root from %s with the allocation %s", b.plan, b.cidr, b.space, b.id)
		return
	}
	c.matched = true
	if b.pendingUntil != 0 {
		t.problem(Child, b.pk(), b.sk, "the planning pool %s has the block %s, whose VPC discovery has not seen yet", b.plan, b.cidr)
	}
	if r := c.of.SourceResource; r == nil || r.ID != b.resource {
		t.problem(Child, b.pk(), b.sk, "the planning pool %s has the block of %s, which is not its source", b.plan, b.resource)
	}
}

// checkTopLevel compares the roots of a scope's pools at the top level
// directly, without the blocks of the scope's space.
func (t *table) checkTopLevel() {
	top := make([]*poolCIDR, 0, len(t.cidrs))
	for i := range t.cidrs {
		if c := &t.cidrs[i]; c.of != nil && c.of.SourcePool == "" {
			top = append(top, c)
		}
	}
	slices.SortFunc(top, func(a, b *poolCIDR) int {
		return cmp.Or(strings.Compare(a.of.Scope, b.of.Scope), a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()))
	})
	for i, widest := 1, 0; i < len(top); i++ {
		a, b := top[widest], top[i]
		if a.of.Scope == b.of.Scope && within(b.cidr, a.cidr) {
			t.problem(TopLevel, b.pk(), b.sk, "%s overlaps %s of %s in the scope %s", b.cidr, a.cidr, a.pool, b.of.Scope)
		} else {
			widest = i
		}
	}
}

// checkCounts compares the counts with the numbers that the earlier checks
// counted.
func (t *table) checkCounts() {
	ipams, discoveries := make(map[string]int64), make(map[string]int64)
	for i := range t.objects {
		o := &t.objects[i]
		switch o.kind {
		case kindIPAM:
			ipams[o.owner]++
			t.count(o, "ScopeCount", o.childCount, o.children)
		case kindScope:
			t.count(o, "PoolCount", o.childCount, o.children)
		case kindPool:
			t.count(o, "ChildCount", o.childCount, o.children)
			t.count(o, "CidrCount", o.cidrCount, o.cidrs)
		case kindDiscovery:
			if o.IPAM == "" {
				discoveries[o.owner]++
			}
		default: // these have no counts
		}
	}
	for _, a := range t.accounts {
		if a.ipams != ipams[a.account] {
			t.problem(Count, "OWNER#"+a.account, meta, "IpamCount is %d, and there are %d", a.ipams, ipams[a.account])
		}
		delete(ipams, a.account)
		if a.discoveries != discoveries[a.account] {
			t.problem(Count, "OWNER#"+a.account, meta, "DiscoveryCount is %d, and there are %d discoveries that are no IPAM's default one", a.discoveries, discoveries[a.account])
		}
		delete(discoveries, a.account)
	}
	for account, n := range ipams {
		t.problem(Count, "OWNER#"+account, meta, "IpamCount is missing, and there are %d", n)
	}
	for account, n := range discoveries {
		t.problem(Count, "OWNER#"+account, meta, "DiscoveryCount is missing, and there are %d discoveries that are no IPAM's default one", n)
	}
}

func (t *table) count(o *object, name string, says, is int64) {
	if says != is {
		t.problem(Count, o.pk(), meta, "%s is %d, and there are %d", name, says, is)
	}
}

func (t *table) checkListing() {
	for _, l := range t.listed {
		switch o := t.index[l.ref]; {
		case o == nil:
			t.problem(Listing, "OWNER#"+l.account, l.ref.pk(), "no such object exists")
		case o.owner != l.account:
			t.problem(Listing, "OWNER#"+l.account, l.ref.pk(), "the owner of %s is %s", o.id, o.owner)
		default:
			o.listed = true
		}
	}
	for i := range t.objects {
		if o := &t.objects[i]; !o.listed {
			t.problem(Listing, "OWNER#"+o.owner, o.pk(), "the object exists and has no row with its owner")
		}
	}
}

// checkShares compares the shares of pools with the rows of principals.
func (t *table) checkShares() {
	rows := make(map[share]bool, len(t.shares))
	for _, s := range t.shares {
		rows[s] = true
	}
	for i := range t.objects {
		o := &t.objects[i]
		for n, principal := range o.Shares {
			if principal == o.owner || n > 0 && principal <= o.Shares[n-1] {
				t.problem(Share, o.pk(), meta, "the shares %q are not sorted, or one is with the owner", o.Shares)
			}
			s := share{principal, o.id}
			if !rows[s] {
				t.problem(Share, s.pk(), s.sk(), "the pool is shared with the principal, and the row is missing")
			}
			delete(rows, s)
		}
	}
	for s := range rows {
		t.problem(Share, s.pk(), s.sk(), "no such pool is shared with the principal")
	}
}

// checkForeign compares the blocks of other accounts in a pool with the rows of
// these accounts.
func (t *table) checkForeign() {
	rows := make(map[foreign]string, len(t.foreign))
	for _, f := range t.foreign {
		rows[f.foreign] = f.id
	}
	for i := range t.taken {
		b := &t.taken[i]
		pool := t.index[ref{kindPool, b.space}]
		if pool == nil || b.owner == pool.owner || b.hidden() {
			continue
		}
		f := foreign{b.owner, b.space, b.cidr}
		if id := rows[f]; id != b.id {
			t.problem(Foreign, f.pk(), blockSK(f.cidr), "the allocation there is %s, and the row has %q", b.id, id)
		}
		delete(rows, f)
	}
	for f := range rows {
		t.problem(Foreign, f.pk(), blockSK(f.cidr), "the account has no such block of the pool")
	}
}

// checkWork compares the notes of work with the objects and blocks that need
// them. One transaction writes both, and one ends both.
func (t *table) checkWork() {
	noted := make(map[string]bool, len(t.notes))
	for _, n := range t.notes {
		noted[n] = true
	}
	want := func(sk, why string) {
		if !noted[sk] {
			t.problem(Work, workPK, sk, "%s, and its note of work is missing", why)
		}
		delete(noted, sk)
	}
	for i := range t.objects {
		o := &t.objects[i]
		if o.state != "delete-in-progress" {
			continue
		}
		switch o.kind {
		case kindIPAM:
			want("delete-ipam#"+o.id, o.id+" is being deleted")
		case kindPool:
			want("delete-pool#"+o.id, o.id+" is being deleted")
		case kindScope:
			t.problem(Form, o.pk(), meta, "a scope is never in state %s", o.state)
		default: // refused when they were read
		}
	}
	for i := range t.taken {
		b := &t.taken[i]
		if b.kind == "split" {
			want("split#"+b.space+"#"+b.cidr.String(), "the block "+b.cidr.String()+" is split until "+strconv.FormatInt(b.deadline, 10))
		}
		if b.pendingUntil != 0 {
			want("pending#"+b.id, "the block "+b.cidr.String()+" is pending until "+strconv.FormatInt(b.pendingUntil, 10))
		}
	}
	for i := range t.cidrs {
		if c := &t.cidrs[i]; c.pending && c.of != nil && !t.excused(c.of.Scope, c.cidr) {
			t.problem(Work, workPK, "live#"+c.of.Scope+"#"+c.cidr.String(), "the root %s of %s waits for the live resources in it, and its note of work is missing", c.cidr, c.pool)
		}
	}
	for sk := range noted {
		switch kind, id, _ := strings.Cut(sk, "#"); {
		case slices.Contains([]string{"live", "import", "purge", "resume", "select", "member", "version"}, kind) && id != "": // such work may find nothing to do
		default:
			t.problem(Work, workPK, sk, "no object or block needs this note")
		}
	}
}

// within reports whether inner is inside outer or equal to it.
func within(inner, outer netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// above returns the block of twice the size that contains p, and the zero
// Prefix for a /0.
func above(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
}

// lastOf returns the last address of p.
func lastOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		a := p.Addr().As4()
		setFrom(a[:], p.Bits())
		return netip.AddrFrom4(a)
	}
	a := p.Addr().As16()
	setFrom(a[:], p.Bits())
	return netip.AddrFrom16(a)
}

// setFrom sets the bits of an address from bit to the end, counted from the
// most significant bit.
func setFrom(a []byte, bit int) {
	for i := bit / 8; i < len(a); i++ {
		a[i] |= 0xff >> max(0, bit-8*i)
	}
}

func familyOf(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

func takenFirst(a, b block) int {
	switch {
	case a.isTaken == b.isTaken:
		return 0
	case a.isTaken:
		return -1
	}
	return 1
}
