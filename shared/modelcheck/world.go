package modelcheck

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// world is a content of the table. It does not change. It finds the space by looking up
// every possible block of the universe, and does not use the store's queries.
type world struct {
	search *Search
	table  *tabletest.Memory
	values map[table.Key]int // the number of each item that was read

	spaces  map[string][]block // this and the following fields are set at their first use
	rooted  map[string][]root
	found   map[string]netip.Prefix
	checked bool
	wrong   string
	settles bool
	unrest  string
}

// block is a free or taken block with the attributes of its item.
type block struct {
	cidr     netip.Prefix
	root     string // "<id>/<bits>"
	id, kind string // "" if it is free
	resource string
	plan     string // the pool that plans it
}

func (b block) free() bool { return b.kind == "" }

// root is a CIDR of a pool that holds space.
type root struct {
	id   string
	cidr netip.Prefix
}

func freeKey(pool string, p netip.Prefix) table.Key  { return items.FreeKey(ipam.SpaceID(pool), p) }
func takenKey(pool string, p netip.Prefix) table.Key { return items.TakenKey(ipam.SpaceID(pool), p) }

// blocks yields every block of a universe: the universe, its halves, their halves, and so
// on down to single addresses.
func blocks(universe netip.Prefix) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for bits := universe.Bits(); bits <= universe.Addr().BitLen(); bits++ {
			for a := range addresses(universe) {
				if p := netip.PrefixFrom(a, bits); p == p.Masked() && !yield(p) {
					return
				}
			}
		}
	}
}

func addresses(p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := p.Addr(); p.Contains(a) && yield(a); a = a.Next() {
		}
	}
}

func text(i table.Item, attr string) string {
	s, _ := i[attr].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func number(i table.Item, attr string) int64 {
	v, _ := i[attr].(*types.AttributeValueMemberN)
	if v == nil {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

// item returns the item at a key, nil if there is none.
func (w *world) item(k table.Key) table.Item {
	read, err := w.table.BatchGet(context.Background(), []table.Key{k})
	if err != nil {
		panic(err) // the table in memory has none
	}
	return read[k]
}

func (w *world) pool(id string) table.Item { return w.item(items.PoolKey(id)) }

// usable reports whether the state of a pool permits allocations.
func (w *world) usable(pool string) bool {
	state := text(w.pool(pool), "State")
	return state == "create-complete" || state == "modify-complete"
}

// allocation returns an allocation's by-id item, nil if it counts as absent.
func (w *world) allocation(id string) table.Item {
	i := w.item(items.AllocationKey(id))
	if e := number(i, table.AttrExpires); e != 0 && e < w.search.Now.Unix() {
		return nil
	}
	return i
}

// space returns the blocks of a pool's space in the universe.
func (w *world) space(pool string) []block {
	if known, ok := w.spaces[pool]; ok {
		return known
	}
	var found []block
	for p := range blocks(w.search.Universe) {
		if i := w.item(freeKey(pool, p)); i != nil {
			found = append(found, block{cidr: p, root: text(i, "Root")})
		}
		if i := w.item(takenKey(pool, p)); i != nil {
			found = append(found, block{p, text(i, "Root"), text(i, "AllocationId"), text(i, "Kind"), text(i, "ResourceId"), text(i, "PlanningPool")})
		}
	}
	if w.spaces == nil {
		w.spaces = map[string][]block{}
	}
	w.spaces[pool] = found
	return found
}

func (w *world) taken(pool string, overlapping netip.Prefix) (found []block) {
	for _, b := range w.space(pool) {
		if !b.free() && b.cidr.Overlaps(overlapping) {
			found = append(found, b)
		}
	}
	return found
}

func (w *world) roots(pool string) []root {
	if known, ok := w.rooted[pool]; ok {
		return known
	}
	var found []root
	for p := range blocks(w.search.Universe) {
		i := w.item(items.CIDRKey(pool, p))
		if s := text(i, "State"); s == "pending-provision" || s == "provisioned" || s == "failed-deprovision" {
			found = append(found, root{text(i, "Id"), p})
		}
	}
	if w.rooted == nil {
		w.rooted = map[string][]root{}
	}
	w.rooted[pool] = found
	return found
}

// things returns the CIDRs, by id, of the objects that requests create and delete: custom
// allocations, CIDRs of pools, pools and resources.
func (w *world) things() map[string]netip.Prefix {
	if w.found != nil {
		return w.found
	}
	found := map[string]netip.Prefix{}
	for _, pool := range w.search.Pools {
		if w.pool(pool) != nil {
			found[pool] = netip.Prefix{}
		}
		for _, r := range w.roots(pool) {
			found[r.id] = r.cidr
		}
		for _, b := range w.space(pool) {
			if b.kind == "custom" {
				found[b.id] = b.cidr
			}
		}
	}
	for _, r := range w.living() {
		found[r.ID] = r.CIDR
	}
	w.found = found
	return found
}

// problem returns a fault of the table's content, "" if there is none.
func (w *world) problem() string {
	if !w.checked {
		w.checked = true
		for _, pool := range w.search.Pools {
			if w.wrong == "" {
				w.wrong = w.poolProblem(pool)
			}
		}
		if found := fsck.Check(fscktest.Items(w.table), w.search.Now); w.wrong == "" && len(found) > 0 {
			w.wrong = found[0].String()
		}
	}
	return w.wrong
}

func (w *world) poolProblem(pool string) string {
	roots := w.roots(pool)
	owner := map[netip.Addr]block{}
	free := map[netip.Prefix]block{}
	for _, b := range w.space(pool) {
		for a := range addresses(b.cidr) {
			if other, twice := owner[a]; twice {
				return fmt.Sprintf("%s of %s is in %s and in %s", a, pool, other.cidr, b.cidr)
			}
			owner[a] = b
		}
		at := slices.IndexFunc(roots, func(r root) bool { return r.cidr.Overlaps(b.cidr) })
		if at < 0 || roots[at].cidr.Bits() > b.cidr.Bits() {
			return fmt.Sprintf("%s of %s is under no root", b.cidr, pool)
		}
		if r := roots[at]; b.root != fmt.Sprintf("%s/%d", r.id, r.cidr.Bits()) {
			return fmt.Sprintf("%s of %s says that its root is %s, and it is %s", b.cidr, pool, b.root, r.id)
		}
		switch {
		case b.free():
			free[b.cidr] = b
			if other, ok := free[ipam.Buddy(b.cidr)]; ok && other.root == b.root {
				return fmt.Sprintf("%s and %s of %s are both free", other.cidr, b.cidr, pool)
			}
		case b.kind == "ipam-pool":
			if !slices.ContainsFunc(w.roots(b.resource), func(r root) bool { return r.cidr == b.cidr }) {
				return fmt.Sprintf("%s of %s is taken for %s, which does not have it", b.cidr, pool, b.resource)
			}
		case b.kind == "custom":
			if i := w.allocation(b.id); text(i, "State") != "active" || text(i, "Space") != pool || text(i, "Cidr") != b.cidr.String() {
				return fmt.Sprintf("%s of %s is taken by %s, which is not there by its id", b.cidr, pool, b.id)
			}
		}
	}
	for _, r := range roots {
		for a := range addresses(r.cidr) {
			if _, ok := owner[a]; !ok {
				return fmt.Sprintf("%s of %s is lost: neither free nor taken", a, pool)
			}
		}
	}
	if quota := w.search.quotas().CIDRsPerPool; int64(len(roots)) > quota {
		return fmt.Sprintf("%s has %d CIDRs and may have %d", pool, len(roots), quota)
	}
	if n := number(w.pool(pool), "CidrCount"); n != int64(len(roots)) {
		return fmt.Sprintf("%s counts %d CIDRs and has %d", pool, n, len(roots))
	}
	return ""
}

// restless returns a fault of the table after the reconciler has run, later than the
// deadlines of all unfinished work. It returns "" if there is none.
func (w *world) restless() string {
	if w.settles {
		return w.unrest
	}
	w.settles = true
	after := &world{search: w.search, table: w.table.Clone(), values: map[table.Key]int{}}
	s := w.search.store("the reconciler", w.search.table(after.table), 2*past, func(int) int { return 0 })
	if err := reconcile(context.Background(), s, w.search.Now.Add(2*past)); err != nil {
		w.unrest = "the reconciler, alone, fails: " + err.Error()
		return w.unrest
	}
	if w.unrest = after.problem(); w.unrest != "" {
		w.unrest = "after the reconciler: " + w.unrest
		return w.unrest
	}
	for _, pool := range w.search.Pools {
		for _, b := range after.space(pool) {
			if b.kind == "split" {
				w.unrest = fmt.Sprintf("%s of %s is lost to an unfinished split", b.cidr, pool)
			}
		}
	}
	before := maps.Clone(w.things())
	for _, pool := range w.search.Pools {
		if w.pool(pool) != nil && !w.usable(pool) { // the reconciler deletes it with all its contents
			maps.DeleteFunc(before, func(id string, _ netip.Prefix) bool {
				return id == pool || slices.ContainsFunc(w.roots(pool), func(r root) bool { return r.id == id }) ||
					slices.ContainsFunc(w.space(pool), func(b block) bool { return b.id == id })
			})
		}
	}
	if now := after.things(); !maps.Equal(before, now) {
		w.unrest = fmt.Sprintf("the reconciler turns %v into %v", before, now)
	}
	return w.unrest
}

// wrongAfter returns the fault of a commit that turns w into after, "" if it has none. Only
// a usable pool may get space. Only the account of a live resource may get the resource's
// space; for a new resource this holds when no work note is left for its CIDR.
func (w *world) wrongAfter(after *world) string {
	for _, pool := range w.search.Pools {
		if n := len(after.roots(pool)); n > len(w.roots(pool)) && !w.usable(pool) {
			return fmt.Sprintf("a CIDR is provisioned to %s, which is being deleted", pool)
		}
		for _, b := range after.space(pool) {
			if b.kind != "custom" || slices.Contains(w.space(pool), b) {
				continue
			}
			for _, r := range w.living() {
				if r.CIDR.Overlaps(b.cidr) && !w.plannedBy(pool, r) && (r.Owner != Account || !ipam.Within(r.CIDR, b.cidr)) && (w.search.first.hasLive(r) || !w.noted(r.CIDR)) {
					return fmt.Sprintf("%s of %s is allocated, but %s is live at %s", b.cidr, pool, r.ID, r.CIDR)
				}
			}
		}
	}
	return ""
}

// plannedBy reports whether a pool plans a resource's CIDR.
func (w *world) plannedBy(pool string, r *ipam.ResourceCIDR) bool {
	for _, source := range w.search.Pools {
		if slices.ContainsFunc(w.space(source), func(b block) bool { return b.plan == pool && b.cidr == r.CIDR && b.resource == r.ID }) {
			return true
		}
	}
	return false
}

// living returns the CIDRs of the live resources of the scope.
func (w *world) living() (found []*ipam.ResourceCIDR) {
	if w.search.Scope == "" {
		return nil
	}
	for _, r := range w.rows(items.ResourceRows(w.search.Scope, ipam.IPv4, ipam.ResourceVPC)) {
		o, err := items.DecodeResource(r)
		if err != nil {
			panic(err)
		}
		found = append(found, o)
	}
	return found
}

// hasLive reports whether the scope has a resource with this id and CIDR.
func (w *world) hasLive(o *ipam.ResourceCIDR) bool {
	return slices.ContainsFunc(w.living(), func(r *ipam.ResourceCIDR) bool { return r.ID == o.ID && r.CIDR == o.CIDR })
}

// noted reports whether a work note asks for the reconciliation of a CIDR of the scope with
// its live resources.
func (w *world) noted(cidr netip.Prefix) bool {
	return slices.ContainsFunc(w.rows(items.WorkRows()), func(r table.Row) bool {
		kind, id := items.ParseWork(r.Key.SK)
		scope, p, ok := items.ParseLiveWork(id)
		return kind == items.LiveWork && ok && scope == w.search.Scope && p.Overlaps(cidr)
	})
}

// rows returns the rows of a query. They fit one answer of the table.
func (w *world) rows(q table.Query) []table.Row {
	rows, _, err := w.table.Query(context.Background(), q)
	if err != nil {
		panic(err) // the table in memory has none
	}
	return rows
}

// past is longer than the deadline of a split or pending block, measured on a correct
// clock.
const past = 20 * time.Minute

func reconcile(ctx context.Context, s *store.Store, now time.Time) error {
	work, err := s.PendingWork(ctx, now)
	if err != nil {
		return err
	}
	for _, sk := range work {
		if err := s.RunWork(ctx, sk); err != nil {
			return fmt.Errorf("%s: %w", strings.ReplaceAll(sk, "#", " "), err)
		}
	}
	return nil
}

func (s *Search) quotas() *ipam.Quotas {
	q := ipam.DefaultQuotas()
	if s.CIDRsPerPool != 0 {
		q.CIDRsPerPool = s.CIDRsPerPool
	}
	return &q
}

// store returns a store with deterministic choices and its own ids: only the answers of the
// table decide on its calls.
func (s *Search) store(name string, t table.Table, later time.Duration, choose func(int) int) *store.Store {
	now, ids := s.Now.Add(later), 0
	return store.New(t, store.Options{
		Region: region,
		Quotas: s.quotas(),
		Now:    func() time.Time { return now },
		Pick:   choose,
		NewID:  func() string { ids++; return fmt.Sprint(name, " ", ids) },
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Tries:  s.Tries,
		Room:   s.Room,
		Equals: 1, // two equal resources are many
		AtOnce: 1, // calls of one kind never run at the same time
	})
}
