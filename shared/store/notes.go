package store

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// workNote returns the write of a work note. The note differs each time, so that a note
// that is written while its work runs does not end with that work.
func (s *Store) workNote(k table.Key) table.Write {
	return table.Write{Op: table.OpPut, Key: k, Item: table.Item{items.AttrSince: table.Num(s.now()), items.AttrToken: table.Str(s.o.NewID())}}
}

// putNotes writes any number of work notes. It may write some twice, if an answer is lost.
func (s *Store) putNotes(ctx context.Context, act string, notes []table.Write) error {
	for some := range slices.Chunk(notes, s.o.Room) {
		keys := make([]table.Key, len(some))
		for i, w := range some {
			keys[i] = w.Key
		}
		if err := s.commit(ctx, act, nil, func(a attempt) ([]table.Write, error) {
			if !a.outcomeUnknown {
				return some, nil
			}
			there, err := s.table.BatchGet(ctx, keys)
			if err != nil || !slices.ContainsFunc(some, func(w table.Write) bool { return there[w.Key].Str(items.AttrToken) != w.Item.Str(items.AttrToken) }) {
				return nil, err
			}
			return some, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// endNote deletes a work note as it was read before the work, with the writes that replace
// it. A note that was written since stays.
func (s *Store) endNote(ctx context.Context, note table.Key, was table.Item, instead ...table.Write) error {
	return s.commit(ctx, "end the note "+note.SK, nil, func(attempt) ([]table.Write, error) {
		now, err := s.table.BatchGet(ctx, []table.Key{note})
		if err != nil || now[note] == nil || now[note].Str(items.AttrToken) != was.Str(items.AttrToken) {
			return nil, err
		}
		return append([]table.Write{{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: was[items.AttrToken]}}}}, instead...), nil
	})
}

// deleteItem deletes an item without a condition.
func (s *Store) deleteItem(ctx context.Context, k table.Key) error {
	return s.commit(ctx, "remove "+k.String(), nil, func(a attempt) ([]table.Write, error) {
		if a.outcomeUnknown {
			if read, err := s.table.BatchGet(ctx, []table.Key{k}); err != nil || read[k] == nil {
				return nil, err
			}
		}
		return []table.Write{{Op: table.OpDelete, Key: k}}, nil
	})
}

// liveNote returns the note that reconciles the space at p in a scope with the live CIDRs
// there. It goes with every write that makes the two differ.
func (s *Store) liveNote(scope string, p netip.Prefix) table.Write {
	return s.workNote(items.LiveWorkKey(scope, p))
}

// noteExcess returns the work note that makeHold writes when a hold covers more than its
// resources need.
func (s *Store) noteExcess(scope string, p netip.Prefix) func(context.Context) (table.Write, error) {
	return func(context.Context) (table.Write, error) { return s.liveNote(scope, p), nil }
}

// importNote returns the note by which a pool imports the resources in it.
func (s *Store) importNote(pool string) table.Write {
	return s.workNote(items.WorkKey(items.ImportWork, pool))
}

// purgeNote returns the note that compares the CIDRs that a discovery found with the IPAMs
// that it has.
func (s *Store) purgeNote(discovery string) table.Write {
	return s.workNote(items.WorkKey(items.PurgeWork, discovery))
}

// accountPurgeNote is purgeNote for the CIDRs of one account in one Region.
func (s *Store) accountPurgeNote(discovery, region, account string) table.Write {
	return s.workNote(items.AccountPurgeWorkKey(discovery, region, account))
}

// PendingWork returns the sort keys, for [Store.RunWork], of work that began before a time
// and is not finished.
func (s *Store) PendingWork(ctx context.Context, olderThan time.Time) ([]string, error) {
	var work []string
	for r, err := range table.Rows(ctx, s.table, items.WorkRows()) {
		if err != nil {
			return nil, err
		}
		if r.Item.Num(items.AttrSince) < olderThan.Unix() {
			work = append(work, r.Key.SK)
		}
	}
	return work, nil
}

// ErrWorkRemains is the error of [Store.RunWork] if a request that races with the work
// keeps it from finishing. It must run again later.
var ErrWorkRemains = errors.New("work remains")
