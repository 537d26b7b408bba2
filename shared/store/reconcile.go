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

// Reconcile lays the space at p in a scope against what lives there: what is
// pending is provisioned, resources' space is kept, pending blocks of what was seen end,
// what nothing lives in is given back, resources are imported, and all is evaluated. It may be run any number of
// times, at once too, and ends the note that it was called for, unless there is a
// new one.
func (s *Store) Reconcile(ctx context.Context, scope string, p netip.Prefix) error {
	note := items.LiveWorkKey(scope, p)
	read, err := s.table.BatchGet(ctx, []table.Key{note})
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, string, netip.Prefix) error{s.finishProvisions, s.reserveAllLive, s.shrinkHolds, s.importLive, s.EvaluateStatus} {
		if err := step(ctx, scope, p); err != nil {
			return err
		}
	}
	if read[note] == nil {
		return nil
	}
	return s.endNote(ctx, note, read[note])
}

// maxReconciledCIDRs is in how many CIDRs inside one resources may live for all of it to be
// reconciled at once: that takes some ten calls of the table for each.
const maxReconciledCIDRs = 500

// tooManyToReconcile reports whether it takes too long to reconcile a place at once. One that
// is, has two halves.
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

// reconcileNoted is Reconcile for who has left a note of it and answers somebody:
// what is crowded, or fails, the note has done.
func (s *Store) reconcileNoted(ctx context.Context, scope string, p netip.Prefix) {
	if crowded, err := s.tooManyToReconcile(ctx, scope, p); err == nil && !crowded {
		_ = s.Reconcile(ctx, scope, p)
	}
}

// reserveAllLive covers what lives at p. When a resource goes meanwhile, it looks again
// for what lives in that one's CIDR.
func (s *Store) reserveAllLive(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.reserveAllOnce(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return triesExhausted("cover "+p.String(), errStale)
}

// reserveAllOnce is one pass of reserveAllLive. It reports whether each resource was
// still there.
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
		if len(planned) == 0 { // what covers the outermost covers the others
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

// shrinkHolds ends the pending block at p of what was seen, shrinks the holds to what lives
// in them, and gives back allocations to resources that are gone, or ignored. It is done when it has come
// on each hold as it was listed: one that somebody divided meanwhile has left
// parts, of which nothing else may be lived in.
func (s *Store) shrinkHolds(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.shrinkHoldsOnce(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return triesExhausted("settle "+p.String(), errStale)
}

// shrinkHoldsOnce is one pass of shrinkHolds. It reports whether each hold was
// still there.
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
	if len(holds) > 1 { // else it takes as many reads to find that it is filled as to shrink it
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

// holdsWithExcess returns the holds at p without those that a resource fills: of these, shrink
// would find nothing to give back. What lives there is read behind the holds, as
// shrink reads it.
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

// releaseUnused gives those of the allocations to resources back that do not live
// there.
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
		now, err := s.table.BatchGet(ctx, []table.Key{row}) // those before it may have taken their time
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

// Exposed reports whether a part of a live CIDR is free in a pool, though nothing is
// under way there. That is never so; if it is, Reconcile puts it right.
//
// A look is no snapshot: what moves from one block to another may be seen in
// neither. So it takes two that agree.
func (s *Store) Exposed(ctx context.Context, r *ipam.ResourceCIDR) (bool, error) {
	for range 2 {
		if exposed, err := s.seemsExposed(ctx, r); err != nil || !exposed {
			return false, err
		}
	}
	return true, nil
}

// seemsExposed reads the row first, then whether there is a note, and the blocks
// last: who writes a row notes it, and takes the space before the note ends.
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
