package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Reconcile brings the space at p in a scope up to date with its live resources: it
// finishes pending provisions, reserves live CIDRs, ends the pending blocks of resources
// that were seen, releases the space of resources that are gone, imports resources, and
// evaluates statuses. It can run any number of times, also at once. It ends the work note
// for p, unless there is a new one.
func (s *Store) Reconcile(ctx context.Context, scope string, p netip.Prefix) error {
	note := items.LiveWorkKey(scope, p)
	read, err := s.table.BatchGet(ctx, []table.Key{note})
	if err != nil {
		return err
	}
	return s.reconcileAndEnd(ctx, scope, p, read[note])
}

// reconcileAndEnd is Reconcile with a note that was read, or written, before; nil is none.
func (s *Store) reconcileAndEnd(ctx context.Context, scope string, p netip.Prefix, note table.Item) error {
	for _, step := range []func(context.Context, string, netip.Prefix) error{s.finishProvisions, s.reserveAllLive, s.shrinkHolds, s.importLive, s.EvaluateStatus} {
		if err := step(ctx, scope, p); err != nil {
			return err
		}
	}
	if note == nil {
		return nil
	}
	return s.endNote(ctx, items.LiveWorkKey(scope, p), note)
}

// maxReconciledCIDRs is the largest number of live CIDRs in a block that is reconciled at
// once. Each takes some ten calls of the table.
const maxReconciledCIDRs = 500

// tooManyToReconcile reports whether a block has too many live CIDRs to reconcile at once.
// Such a block has two halves.
func (s *Store) tooManyToReconcile(ctx context.Context, scope string, p netip.Prefix) (bool, error) {
	last, n := p, 0
	for r, err := range s.rowsIn(ctx, scope, p, netip.Prefix{}) {
		if err != nil {
			return false, err
		}
		if r.CIDR != last {
			last = r.CIDR
			n++
		}
		if n > maxReconciledCIDRs {
			return true, nil
		}
	}
	return false, nil
}

// reconcileNoted runs [Store.Reconcile] for a caller that already wrote the work note. If
// there are too many CIDRs, or it fails, the work of the note does it.
func (s *Store) reconcileNoted(ctx context.Context, scope string, p netip.Prefix) {
	if tooMany, err := s.tooManyToReconcile(ctx, scope, p); err == nil && !tooMany {
		_ = s.Reconcile(ctx, scope, p)
	}
}

// reserveAllLive reserves all live CIDRs at p. If a resource goes meanwhile, it reads the
// live CIDRs again: others may be live in that one's CIDR.
func (s *Store) reserveAllLive(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.reserveAllOnce(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return triesExhausted("cover "+p.String(), errStale)
}

// reserveAllOnce is one pass of reserveAllLive. It reports whether each resource was still
// there.
func (s *Store) reserveAllOnce(ctx context.Context, scope string, p netip.Prefix) (still bool, err error) {
	live, err := s.liveIn(ctx, scope, sourceCIDR{}, p)
	if err != nil {
		return false, err
	}
	all := ipam.OverlapGroups(live, cidrOf)
	if len(all) < len(live) {
		planned, err := s.plannedVPCs(ctx, scope, p)
		if err != nil {
			return false, err
		}
		if len(planned) == 0 { // to reserve the outermost CIDR reserves the others
			for i := range all {
				all[i] = all[i][:1]
			}
		}
	}
	var gone atomic.Bool
	err = s.inParallel(ctx, all, func(ctx context.Context, nest []*ipam.ResourceCIDR) error {
		for _, r := range nest {
			in := p
			if ipam.Within(r.CIDR, p) {
				in = r.CIDR
			}
			switch err := s.reserveLive(ctx, scope, in, &r.Resource); {
			case errors.Is(err, errResourceGone):
				gone.Store(true)
			case err != nil:
				return err
			}
		}
		return nil
	})
	return !gone.Load(), err
}

// shrinkHolds ends the pending blocks at p of resources that were seen, shrinks the holds
// to the live CIDRs in them, and releases the allocations of resources that are gone or
// ignored. It ends when each hold was as listed. If another process divided a hold
// meanwhile, the parts may hold space that is not live.
func (s *Store) shrinkHolds(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.shrinkHoldsOnce(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return triesExhausted("settle "+p.String(), errStale)
}

// shrinkHoldsOnce is one pass of shrinkHolds. It reports whether each hold was still there.
func (s *Store) shrinkHoldsOnce(ctx context.Context, scope string, p netip.Prefix) (still bool, err error) {
	var pending, holds, allocated []poolBlock
	err = s.visitBlocks(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		switch {
		case b.Kind == ipam.KindHold:
			holds = append(holds, b)
		case b.PendingUntil != 0:
			pending = append(pending, b)
		case b.Kind.OfResource():
			allocated = append(allocated, b)
		}
		return true
	})
	if err != nil {
		return false, err
	}
	for _, b := range pending {
		if err := s.bindPending(ctx, scope, b); err != nil {
			return false, err
		}
	}
	if err := s.releaseUnused(ctx, scope, allocated); err != nil {
		return false, err
	}
	if len(holds) > 1 { // for one hold, this takes as many reads as shrinkHold does
		if holds, err = s.holdsWithExcess(ctx, scope, p, holds); err != nil {
			return false, err
		}
	}
	still = true
	for _, b := range holds {
		was, err := s.shrinkHold(ctx, scope, b.space, b.source, b.CIDR)
		if err != nil {
			return false, err
		}
		still = still && was
	}
	return still, nil
}

// holdsWithExcess returns the holds at p without those that a resource fills: shrinkHold
// finds nothing to free in these. It reads the live CIDRs after the holds, as shrinkHold
// does.
func (s *Store) holdsWithExcess(ctx context.Context, scope string, p netip.Prefix, holds []poolBlock) ([]poolBlock, error) {
	live, err := s.liveIn(ctx, scope, sourceCIDR{}, p)
	if err != nil {
		return nil, err
	}
	lives := make(map[netip.Prefix]bool, len(live))
	for _, r := range live {
		lives[r.CIDR] = true
	}
	return slices.DeleteFunc(holds, func(b poolBlock) bool {
		return b.source == sourceCIDR{} && slices.ContainsFunc(ipam.Holders(b.CIDR), func(h netip.Prefix) bool { return lives[h] })
	}), nil
}

// releaseUnused releases the allocations whose resource is not live at their CIDR.
func (s *Store) releaseUnused(ctx context.Context, scope string, allocated []poolBlock) error {
	rows := make([]table.Key, len(allocated))
	for i, b := range allocated {
		rows[i] = items.LiveKey(scope, &ipam.Resource{Type: b.Kind.ResourceType(), ID: b.ResourceID, Region: b.ResourceRegion, CIDR: b.CIDR})
	}
	gone := func(read map[table.Key]table.Item, row table.Key) bool {
		return read[row] == nil || read[row].Num(items.AttrIgnored) != 0
	}
	all, err := s.table.BatchGet(ctx, rows)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if !gone(all, row) {
			continue
		}
		now, err := s.table.BatchGet(ctx, []table.Key{row}) // the releases before it may have taken long
		if err != nil {
			return err
		}
		if !gone(now, row) {
			continue
		}
		pool, err := readOne(ctx, s.Pools, string(allocated[i].space))
		if isNotFound(err) {
			continue // gone, with its allocations
		}
		if err != nil {
			return err
		}
		if err := s.releaseBlock(ctx, pool, allocated[i].Taken); err != nil {
			return err
		}
	}
	return nil
}

// Exposed reports whether a part of a live CIDR is free in a pool, although no work is
// under way there. That never happens; if it does, Reconcile corrects it.
//
// The reads are no snapshot: they may miss space that moves from one block to another. So
// two of them must agree.
func (s *Store) Exposed(ctx context.Context, r *ipam.ResourceCIDR) (bool, error) {
	for range 2 {
		if exposed, err := s.seemsExposed(ctx, r); err != nil || !exposed {
			return false, err
		}
	}
	return true, nil
}

// seemsExposed reads the row first, then the note, and the blocks last. The writer of a
// row writes a note with it, and takes the space before the note ends.
func (s *Store) seemsExposed(ctx context.Context, r *ipam.ResourceCIDR) (bool, error) {
	k := items.LiveKey(r.Scope, &r.Resource)
	read, err := s.table.BatchGet(ctx, []table.Key{k})
	if err != nil || read[k] == nil || read[k].Num(items.AttrIgnored) != 0 {
		return false, err
	}
	for note, err := range table.Rows(ctx, s.table, items.LiveWorkRows(r.Scope)) {
		if err != nil {
			return false, err
		}
		_, id := items.ParseWork(note.Key.SK)
		if _, p, ok := items.ParseLiveWork(id); ok && p.Overlaps(r.CIDR) {
			return false, nil
		}
	}
	exposed := false
	scope := position{space: ipam.ScopeSpace(r.Scope, r.Family())}
	err = s.visitFrom(ctx, scope, r.CIDR, r.CIDR.Addr(), visitor{
		visit: func(poolBlock) bool { return true },
		free:  func(g gap) { exposed = exposed || !g.source.matches(&r.Resource) },
	})
	return exposed, err
}
