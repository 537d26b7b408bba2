package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Many resources may have one CIDR, as default VPCs and their subnets do. A new one among
// them alters no other row: all that overlaps it overlaps the others already. So its cost
// does not grow with their number. Only [Store.Reconcile] looks at all rows.
//
// Two resources of different groups are the witnesses of that, whose statuses say that they
// overlap. A row that overlaps the new CIDR is of another group than one of the two, so
// that one overlaps it. Its status says so, or another process is about to write it:
//
//   - The first such status among resources with one CIDR, and the first of another group,
//     were written by passes over all rows that overlap them, as there were no two
//     witnesses yet. Such a pass writes the statuses of all these rows, and repeats until
//     nothing differs. If it fails, its work note stays, or a scan repeats it.
//   - A row that came after the witness was evaluated with the witness.
//
// A new row writes its work note only if there is none, and ends only that note. So it
// never ends the note of a change that asks for more, like a deletion. If it finds a note,
// it writes its own in that place and leaves it: the work of the note looks at all rows.

// changedRow is a resource's row that was added to a scope, or removed from it.
type changedRow struct {
	scope string
	of    ipam.Resource
	note  table.Item // its work note; nil if another note was there before
}

// noteRow returns the work note of a row that is added or removed. read has the note that
// is there before.
func (s *Store) noteRow(scope string, of *ipam.Resource, read map[table.Key]table.Item) (changedRow, table.Write) {
	n, note := changedRow{scope: scope, of: *of}, s.liveNote(scope, of.CIDR)
	if read[note.Key] == nil {
		n.note, note.If.Absent = note.Item, true
	}
	return n, note
}

// reconcileRow is [Store.Reconcile] for a changed row, unless settle does all of its work.
// settle reports whether it does: whether no other row or allocation may change.
func (s *Store) reconcileRow(ctx context.Context, n changedRow, settle func(context.Context, changedRow) (alone bool, err error)) error {
	alone, err := settle(ctx, n)
	switch {
	case err != nil:
		return err
	case alone && n.note == nil:
		return nil
	case alone:
		return s.endNote(ctx, items.LiveWorkKey(n.scope, n.of.CIDR), n.note)
	case n.note == nil:
		return s.Reconcile(ctx, n.scope, n.of.CIDR)
	}
	return s.reconcileAndEnd(ctx, n.scope, n.of.CIDR, n.note)
}

// settleAlone reserves the space of a new row among others with its CIDR, and writes its
// status. It reports false if other rows or allocations may change too.
func (s *Store) settleAlone(ctx context.Context, n changedRow) (bool, error) {
	row := &ipam.ResourceCIDR{Resource: n.of, Scope: n.scope}
	others, err := s.witnesses(ctx, row)
	if err != nil || others == nil {
		return false, err
	}
	err = s.reserveLive(ctx, n.scope, n.of.CIDR, &n.of)
	if err != nil && !errors.Is(err, errResourceGone) { // the deletion of a row reconciles
		return false, err
	}
	if binds, err := s.bindsOrImports(ctx, n.scope, n.of.CIDR); err != nil || binds {
		return false, err
	}
	return s.evaluateNew(ctx, row)
}

// bindsOrImports reports whether a live resource at p may get an allocation: a block waits
// for one, or a pool imports it.
func (s *Store) bindsOrImports(ctx context.Context, scope string, p netip.Prefix) (bool, error) {
	pending := false
	var pools []string // with holds at p
	err := s.visitBlocks(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		pending = pending || b.PendingUntil != 0
		if b.Kind == ipam.KindHold && !slices.Contains(pools, string(b.space)) {
			pools = append(pools, string(b.space))
		}
		return !pending
	})
	if pending {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return s.anyImports(ctx, pools)
}

// anyImports reports whether one of some pools imports resources.
func (s *Store) anyImports(ctx context.Context, pools []string) (bool, error) {
	read, err := s.Pools(ctx, pools)
	return slices.ContainsFunc(read, func(p *ipam.Pool) bool { return p.AutoImport }), err
}

// maxWitnesses is the number of rows among which witnesses looks.
const maxWitnesses = 5

// witnesses returns two live resources with r's CIDR, of two groups other than r's, that
// overlap as their statuses say; nil if the first rows have none.
func (s *Store) witnesses(ctx context.Context, r *ipam.ResourceCIDR) ([]*ipam.ResourceCIDR, error) {
	rows, _, err := queryDecoded(ctx, s, items.ResourceRowsOf(r.Scope, r.CIDR).Page("", maxWitnesses), items.DecodeResource)
	if err != nil {
		return nil, err
	}
	return witnessesAmong(rows, r.Group()), nil
}

// witnessesAmong returns two of rows with one CIDR that are live, overlap as their statuses
// say, and are of two groups, which are not among others; nil if there are none.
func witnessesAmong(rows []*ipam.ResourceCIDR, others ...string) (found []*ipam.ResourceCIDR) {
	for _, o := range rows {
		if o.Live() && o.Status.Overlap == ipam.Overlapping && !slices.Contains(others, o.Group()) {
			found, others = append(found, o), append(others, o.Group())
		}
		if len(found) == 2 {
			return found
		}
	}
	return nil
}

// evaluateNew writes the status of a new row among others with its CIDR. As [Store.EvaluateStatus]
// does, it ends when it finds nothing to write. It reports false if other rows may change
// too, or if their statuses are not known to be right.
func (s *Store) evaluateNew(ctx context.Context, r *ipam.ResourceCIDR) (alone bool, err error) {
	for range s.o.Tries {
		wrote := false
		err := s.commit(ctx, "evaluate "+r.ID, nil, func(attempt) (writes []table.Write, err error) {
			writes, alone, err = s.newStatus(ctx, r)
			wrote = len(writes) > 0
			return writes, err
		})
		if err != nil || !alone || !wrote {
			return alone, err
		}
	}
	return false, nil
}

// newStatus is one try of evaluateNew. It returns no writes if the row is gone or ignored:
// that change evaluates.
func (s *Store) newStatus(ctx context.Context, r *ipam.ResourceCIDR) (writes []table.Write, alone bool, err error) {
	rows, err := s.witnesses(ctx, r)
	if err != nil || rows == nil {
		return nil, false, err
	}
	k := items.LiveKey(r.Scope, &r.Resource)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil {
		return nil, true, err
	}
	now, err := items.DecodeResource(table.Row{Key: k, Item: read[k]})
	if err != nil || !now.Live() {
		return nil, true, err
	}
	v, ok, err := s.statusAmong(ctx, now, rows)
	if err != nil || !ok || v.Status == now.Status {
		return nil, ok, err
	}
	return []table.Write{s.statusWrite(v)}, true, nil
}

// statusAmong evaluates a row with two witnesses. It reports false if the allocations there
// depend on the row: if it claims one, or if a pool plans its VPC.
func (s *Store) statusAmong(ctx context.Context, r *ipam.ResourceCIDR, witnesses []*ipam.ResourceCIDR) (ipam.ResourceStatus, bool, error) {
	var blocks []*ipam.Allocation
	pools := map[string]*ipam.Pool{}
	for a, err := range s.allocationsOf(ctx, r.Scope, r.CIDR, netip.Prefix{}, pools, nil) {
		if err != nil {
			return ipam.ResourceStatus{}, false, err
		}
		if a.PlanningPool != "" || a.CIDR == r.CIDR && a.Kind == ipam.KindCustom {
			return ipam.ResourceStatus{}, false, nil
		}
		if a.Kind != ipam.KindCustom { // the witnesses overlap the row, and this may be claimed, so that nothing overlaps it
			blocks = append(blocks, a)
		}
	}
	rows := append([]*ipam.ResourceCIDR{r}, witnesses...)
	for v, err := range ipam.EvaluateStatuses(values(rows), values(blocks), func(id string) *ipam.Pool { return pools[id] }) {
		if err != nil || v.Resource == r {
			return v, err == nil, err
		}
	}
	return ipam.ResourceStatus{}, false, nil
}

// values yields values without an error.
func values[T any](all []T) func(func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}
