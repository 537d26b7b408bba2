package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func zero(counts ...string) Item {
	i := Item{}
	for _, c := range counts {
		i[c] = num(0)
	}
	return i
}

// DeleteScope ends a scope without pools.
func (s *Store) DeleteScope(ctx context.Context, id string, may func(*ipam.Scope) error) (*ipam.Scope, error) {
	var o *ipam.Scope
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]Write, error) {
		found, err := one(ctx, s.Scopes, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.Default {
			return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The scope %s is the default %s scope of %s and cannot be deleted. It goes with its IPAM.", id, o.Type, o.IPAM)
		}
		if err := o.Require(ipam.ActDelete); err != nil {
			return nil, err
		}
		if o.PoolCount > 0 {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are %d pools in the scope; delete them first.", id, o.PoolCount)
		}
		if used, err := s.inhabited(ctx, id); err != nil {
			return nil, err
		} else if used {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are resources in the scope; move them to another one with ModifyIpamResourceCidr first.", id)
		}
		return append(s.endScope(o), Write{Op: OpUpdate, Key: IPAMKey(o.IPAM), Add: map[string]int64{attrScopeCount: -1}, If: Cond{Present: true}}), nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDeleteComplete
	return o, nil
}

// unchangedScope is a scope without pools, as it was read: what moves a resource
// there raises its revision.
func unchangedScope(o *ipam.Scope) Item {
	i := zero(attrPoolCount)
	i[attrRev] = num(o.Rev)
	return i
}

// inhabited reports whether resources or interfaces stand in a scope.
func (s *Store) inhabited(ctx context.Context, scope string) (bool, error) {
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		for _, t := range []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceInterface} {
			rows, _, err := s.table.Query(ctx, Query{PK: livePK(scope, f, t), Limit: 1})
			if err != nil || len(rows) > 0 {
				return len(rows) > 0, err
			}
		}
	}
	return false, nil
}

func (s *Store) endScope(o *ipam.Scope) []Write {
	return append(disowned(ScopeKey(o.ID), &o.Meta, Cond{Equal: unchangedScope(o)}), scopeRoots(o.ID, OpDelete)...)
}

// ended is the outcome of a delete that does not find its object: done, if an
// earlier try of the same request may have deleted it.
func ended(a attempt, seen bool, err error) ([]Write, error) {
	if a.unsure && seen && isNotFound(err) {
		return nil, nil
	}
	return nil, err
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	return ok && strings.HasSuffix(string(e.Code), ".NotFound")
}

// DeletePool ends a pool. One with CIDRs or child pools is refused, except
// with cascade: then it goes to delete-in-progress, and RunWork releases what
// it holds, from the bottom up. Space on lease has it stay until discovery has looked.
func (s *Store) DeletePool(ctx context.Context, id string, cascade bool, may func(*ipam.Pool) error) (*ipam.Pool, error) {
	var o *ipam.Pool
	state := ipam.StateDeleteComplete
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]Write, error) {
		found, err := one(ctx, s.Pools, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.CIDRCount == 0 && o.ChildCount == 0 {
			if err := o.Require(ipam.ActDelete); err != nil {
				return nil, err
			}
			state = ipam.StateDeleteComplete
			return s.endPool(o), nil
		}
		if cascade {
			state = ipam.StateDeleteInProgress
			return s.beginDelete(PoolKey(id), &o.Meta, "delete-pool")
		}
		if o.CIDRCount > 0 {
			return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. There are one or more pool cidrs provisioned in the pool. Deprovision its %d CIDRs first, or delete with Cascade.", id, o.CIDRCount)
		}
		return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. It is the source of %d pools; delete them first, or delete with Cascade.", id, o.ChildCount)
	})
	if err != nil {
		return nil, err
	}
	o.State = state
	return o, nil
}

// endPool are the writes that end a pool without CIDRs and children, its shares,
// its usage and the note of work on it.
func (s *Store) endPool(o *ipam.Pool) []Write {
	now := zero(attrCIDRCount, attrChildCount)
	now[attrRev] = num(o.Rev) // else a share made meanwhile would outlive it
	writes := append(disowned(PoolKey(o.ID), &o.Meta, Cond{Equal: now}),
		Write{Op: OpUpdate, Key: ScopeKey(o.Scope), Add: map[string]int64{attrPoolCount: -1}, If: Cond{Present: true}},
		Write{Op: OpDelete, Key: workKey("delete-pool", o.ID)},
		Write{Op: OpDelete, Key: usageKey(o.ID)},
	)
	writes = append(writes, endShares(o)...)
	if o.SourcePool != "" {
		writes = append(writes, Write{Op: OpUpdate, Key: PoolKey(o.SourcePool), Add: map[string]int64{attrChildCount: -1}, If: Cond{Present: true}})
	}
	return writes
}

// beginDelete are the writes that put an object into delete-in-progress and
// note the work; none if that was done.
func (s *Store) beginDelete(k Key, m *ipam.Meta, what string) ([]Write, error) {
	if err := m.Require(ipam.ActBeginDelete); err != nil {
		return nil, err
	}
	if m.State == ipam.StateDeleteInProgress {
		return nil, nil
	}
	return []Write{
		{
			Op: OpUpdate, Key: k,
			Set: Item{attrState: str(string(ipam.StateDeleteInProgress))},
			Add: map[string]int64{attrRev: 1},
			If:  Cond{Equal: Item{attrState: str(string(m.State))}},
		},
		{Op: OpPut, Key: workKey(what, m.ID), Item: Item{attrSince: num(s.now())}},
	}, nil
}

// DeleteIPAM ends an IPAM, its default scopes, its default resource discovery and
// its other associations; what was found leaves it by RunWork. One with further scopes or
// with pools is refused, except with cascade: then it goes to
// delete-in-progress and RunWork ends what it holds. may is also shown the
// IPAM's pools, of which cascade refuses some.
func (s *Store) DeleteIPAM(ctx context.Context, id string, cascade bool, may func(*ipam.IPAM, []*ipam.Pool) error) (*ipam.IPAM, error) {
	var o *ipam.IPAM
	state := ipam.StateDeleteComplete
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]Write, error) {
		found, err := one(ctx, s.IPAMs, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		o = found
		scopes, pools, err := s.contents(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := may(o, pools); err != nil {
			return nil, err
		}
		if len(scopes) == 2 && len(pools) == 0 {
			if err := o.Require(ipam.ActDelete); err != nil {
				return nil, err
			}
			state = ipam.StateDeleteComplete
			return s.endIPAM(ctx, o, scopes)
		}
		if cascade {
			state = ipam.StateDeleteInProgress
			return s.beginDelete(IPAMKey(id), &o.Meta, "delete-ipam")
		}
		return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. It has %d scopes besides its default ones and %d pools; delete them first, or delete with Cascade.", id, len(scopes)-2, len(pools))
	})
	if err != nil {
		return nil, err
	}
	o.State = state
	return o, nil
}

// contents returns an IPAM's scopes and pools.
func (s *Store) contents(ctx context.Context, o *ipam.IPAM) (scopes []*ipam.Scope, pools []*ipam.Pool, err error) {
	all, err := s.OwnedScopes(ctx, o.Owner)
	if err != nil {
		return nil, nil, err
	}
	for _, scope := range all {
		if scope.IPAM == o.ID {
			scopes = append(scopes, scope)
		}
	}
	owned, err := s.OwnedPools(ctx, o.Owner)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range owned {
		if p.IPAM == o.ID {
			pools = append(pools, p)
		}
	}
	return scopes, pools, nil
}

func (s *Store) endIPAM(ctx context.Context, o *ipam.IPAM, scopes []*ipam.Scope) ([]Write, error) {
	writes, err := s.endAssociations(ctx, o)
	if err != nil {
		return nil, err
	}
	// On its revision, else an association made meanwhile would outlive it.
	writes = append(writes, disowned(IPAMKey(o.ID), &o.Meta, Cond{Equal: Item{attrScopeCount: num(2), attrRev: num(o.Rev)}})...)
	for _, scope := range scopes {
		writes = append(writes, s.endScope(scope)...)
	}
	return append(writes,
		Write{Op: OpUpdate, Key: accountKey(o.Owner), Add: map[string]int64{attrIPAMCount: -1}, If: Cond{Present: true}},
		Write{Op: OpDelete, Key: workKey("delete-ipam", o.ID)},
	), nil
}

// again is the write that notes work that may be noted once more while it is
// done: the note is another one each time.
func (s *Store) again(what, id string) Write {
	return Write{Op: OpPut, Key: workKey(what, id), Item: Item{attrSince: num(s.now()), attrToken: str(s.o.NewID())}}
}

// putNotes puts notes of work, as many as there are; some of them twice, if an
// answer was lost.
func (s *Store) putNotes(ctx context.Context, act string, notes []Write) error {
	for some := range slices.Chunk(notes, s.o.Room) {
		keys := make([]Key, len(some))
		for i, w := range some {
			keys[i] = w.Key
		}
		if err := s.commit(ctx, act, nil, func(a attempt) ([]Write, error) {
			if !a.unsure {
				return some, nil
			}
			there, err := s.table.BatchGet(ctx, keys)
			if err != nil || !slices.ContainsFunc(some, func(w Write) bool { return there[w.Key].str(attrToken) != w.Item.str(attrToken) }) {
				return nil, err
			}
			return some, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// endNote removes a note of work as it was read before the work was done, with what
// is written in its place. One that was put since stays.
func (s *Store) endNote(ctx context.Context, note Key, was Item, instead ...Write) error {
	return s.commit(ctx, "end the note "+note.SK, nil, func(attempt) ([]Write, error) {
		now, err := s.table.BatchGet(ctx, []Key{note})
		if err != nil || now[note] == nil || now[note].str(attrToken) != was.str(attrToken) {
			return nil, err
		}
		return append([]Write{{Op: OpDelete, Key: note, If: Cond{Equal: Item{attrToken: was[attrToken]}}}}, instead...), nil
	})
}

// PendingWork returns the sort keys, for RunWork, of work that was begun before
// a time and not finished.
func (s *Store) PendingWork(ctx context.Context, olderThan time.Time) ([]string, error) {
	var work []string
	q := Query{PK: WorkPK}
	for {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.Item.num(attrSince) < olderThan.Unix() {
				work = append(work, r.Key.SK)
			}
		}
		if next == "" {
			return work, nil
		}
		q.After = next
	}
}

// ErrWorkRemains is returned by RunWork when the work could not be finished
// yet, because requests that race with it hold something; it is to be run
// again later.
var ErrWorkRemains = errors.New("work remains")

// RunWork finishes the work that a sort key of the partition WorkPK names. It
// may be run any number of times, at once too; work that is done, or that is
// not known, is no error.
func (s *Store) RunWork(ctx context.Context, sk string) error {
	what, id, _ := strings.Cut(sk, "#")
	switch what {
	case "delete-pool":
		err := s.runDeletePool(ctx, id, s.orLeased)
		if errors.Is(err, errLeased) {
			return nil // done as far as it may be now: its note stays, and nothing is to be tried again soon
		}
		return err
	case "delete-ipam":
		return s.runDeleteIPAM(ctx, id)
	case purgeWork:
		return s.runPurge(ctx, id)
	case liveWork:
		scope, text, _ := strings.Cut(id, "#")
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil //nolint:nilerr // not a note that this version writes
		}
		return s.runLive(ctx, scope, p)
	case importWork:
		return s.runImport(ctx, id)
	case leaseWork:
		return s.runLease(ctx, id)
	case "split":
		i := strings.LastIndexByte(id, '#')
		if i < 0 {
			return nil
		}
		p, err := netip.ParsePrefix(id[i+1:])
		if err != nil {
			return nil //nolint:nilerr // not a note that this version writes
		}
		return s.runSplit(ctx, ipam.SpaceID(id[:i]), p)
	}
	return nil
}

// runLive is Reconcile, if it is noted: whoever wrote the note will have run it,
// as a rule. Where it is crowded, it leaves the work to notes of its halves, so
// that each is done in the time that there is, and none again that was done.
func (s *Store) runLive(ctx context.Context, scope string, p netip.Prefix) error {
	note := workKey(liveWork, scope+"#"+p.String())
	read, err := s.table.BatchGet(ctx, []Key{note})
	if err != nil || read[note] == nil {
		return err
	}
	crowded, err := s.crowded(ctx, scope, p)
	if err != nil {
		return err
	}
	if !crowded {
		return s.Reconcile(ctx, scope, p)
	}
	lower, upper := ipam.Halves(p)
	return s.endNote(ctx, note, read[note], s.noteLive(scope, lower), s.noteLive(scope, upper))
}

// runSplit gives an abandoned split back once its deadline has passed.
func (s *Store) runSplit(ctx context.Context, space ipam.SpaceID, p netip.Prefix) error {
	k, note := TakenKey(space, p), splitWork(space, p)
	var split *ipam.Taken
	err := s.commit(ctx, "finish split of "+p.String(), nil, func(attempt) ([]Write, error) {
		split = nil
		read, err := s.table.BatchGet(ctx, []Key{k, note})
		if err != nil {
			return nil, err
		}
		if i, ok := read[k]; ok {
			t, err := decodeTaken(Row{k, i})
			if err != nil {
				return nil, err
			}
			if t.Kind == ipam.KindSplit {
				if t.Deadline <= s.now() { // else its request may still be at work
					split = &t
				}
				return nil, nil
			}
		}
		i, ok := read[note]
		if !ok {
			return nil, nil
		}
		// Only this very note: a new split at the same place writes a new one.
		return []Write{
			{Op: OpDelete, Key: note, If: Cond{Equal: Item{attrSince: i[attrSince]}}},
			{Op: OpCheck, Key: k, If: absentOrSame(read[k])},
		}, nil
	})
	if err != nil || split == nil {
		return err
	}
	return s.mergeSplit(ctx, space, *split)
}

// absentOrSame is the condition that a taken block is still absent, or still
// the allocation that was read.
func absentOrSame(i Item) Cond {
	if i == nil {
		return Cond{Absent: true}
	}
	return Cond{Equal: Item{attrAllocationID: i[attrAllocationID], attrKind: i[attrKind]}}
}

// rounds bounds how often a cascading delete looks again for what appeared
// meanwhile; new allocations are refused from the first round on, so only
// requests already under way can add any.
const rounds = 3

// errLeased says that a pool cannot go yet, because of space on lease.
var errLeased = errors.New("space is on lease")

// mayGo says of a block whether it may be given back with its pool; errLeased is not yet.
type mayGo func(context.Context, *ipam.Pool, ipam.Taken) error

// runDeletePool returns errLeased once nothing but leases keeps the pool.
func (s *Store) runDeletePool(ctx context.Context, id string, may mayGo) error {
	for range rounds {
		o, err := one(ctx, s.Pools, id)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.State != ipam.StateDeleteInProgress {
			return nil
		}
		if err := s.emptyPool(ctx, o, may); err != nil {
			return err
		}
		if o, err = one(ctx, s.Pools, id); err != nil {
			if isNotFound(err) {
				return nil
			}
			return err
		}
		if o.CIDRCount > 0 || o.ChildCount > 0 {
			continue
		}
		switch _, err := s.DeletePool(ctx, id, true, func(*ipam.Pool) error { return nil }); {
		case err == nil, isNotFound(err):
			return nil
		default:
			return err
		}
	}
	return fmt.Errorf("%w: pool %s is still in use", ErrWorkRemains, id)
}

// emptyPool deletes a pool's children, releases its allocations and
// deprovisions its CIDRs, as far as nothing races with it. It returns errLeased if
// that left leases, here or below.
func (s *Store) emptyPool(ctx context.Context, o *ipam.Pool, may mayGo) error {
	var waits error
	anyone := func(*ipam.Pool) error { return nil }
	if o.ChildCount > 0 {
		pools, err := s.OwnedPools(ctx, o.Owner)
		if err != nil {
			return err
		}
		for _, child := range pools {
			if child.SourcePool != o.ID {
				continue
			}
			if _, err := s.DeletePool(ctx, child.ID, true, anyone); err != nil && !isNotFound(err) {
				return err
			}
			if err := s.runDeletePool(ctx, child.ID, may); errors.Is(err, errLeased) {
				waits = err
			} else if err != nil {
				return err
			}
		}
	}
	if err := s.releaseAll(ctx, o, may); errors.Is(err, errLeased) {
		waits = err
	} else if err != nil {
		return err
	}
	cidrs, err := s.poolCIDRs(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, c := range cidrs {
		if !c.State.Holds() {
			continue
		}
		if _, err := s.Deprovision(ctx, Deprovision{Pool: o.ID, CIDR: c.CIDR, May: anyone}); err != nil && ipam.CodeOf(err) != ipam.CodeIncorrectState && !isNotFound(err) {
			return err // and not that another run of the work was quicker
		}
	}
	return waits
}

// releaseAll gives every taken block of a pool back but those of child pools, and
// those that may not go yet: of these, errLeased tells.
func (s *Store) releaseAll(ctx context.Context, pool *ipam.Pool, may mayGo) error {
	var waits error
	space := pool.Space()
	q := Query{PK: takenPK(space)}
	for {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range rows {
			t, err := decodeTaken(r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Key, err)
			}
			switch t.Kind {
			case ipam.KindPool, ipam.KindHold: // those go with the CIDR
			case ipam.KindSplit:
				err = s.mergeSplit(ctx, space, t)
			default:
				if err = may(ctx, pool, t); err == nil {
					err = s.releaseBlock(ctx, pool, t)
				}
			}
			if errors.Is(err, errLeased) {
				waits, err = err, nil
			}
			if err != nil {
				return err
			}
		}
		if next == "" {
			return waits
		}
		q.After = next
	}
}

// releaseBlock gives a block back whatever its kind; one that is gone already
// is no error.
func (s *Store) releaseBlock(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	return s.releaseIf(ctx, pool, t, func(ipam.Taken) bool { return true })
}

// releaseIf is releaseBlock if the block, as it is now, is still to be given back.
// One over which a planning pool is laid goes to that pool, once its VPC is gone.
func (s *Store) releaseIf(ctx context.Context, pool *ipam.Pool, t ipam.Taken, still func(ipam.Taken) bool) error {
	space := pool.Space()
	var rest *ipam.Taken
	held := false
	err := s.commit(ctx, "release "+t.AllocationID, nil, func(attempt) ([]Write, error) {
		b := &buddies{s: s, space: space, path: ipam.MergePath(t.CIDR)}
		k := TakenKey(space, t.CIDR)
		var err error
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), k)); err != nil {
			return nil, err
		}
		now, ok, err := takenAt(k, b.read)
		if err != nil || !ok || now.AllocationID != t.AllocationID || now.Kind != t.Kind || !still(now) {
			return nil, err
		}
		rest, held = nil, false
		if now.Plan != "" {
			return s.handOn(ctx, pool, now)
		}
		writes, left, becameHold, err := s.freed(ctx, pool, b, now)
		if err != nil {
			return nil, err
		}
		rest, held = left, becameHold
		writes = append(writes, s.tombstone(t.AllocationID))
		if now.Lease != 0 {
			writes = append(writes, endLease(now)...)
		}
		return append(writes, listForeign(OpDelete, pool, t)...), nil
	})
	if err != nil {
		return err
	}
	if held {
		around, err := s.laidOver(ctx, pool, t.CIDR)
		if err == nil {
			_, err = s.shrink(ctx, pool.Scope, space, around, t.CIDR)
		}
		return err
	}
	if rest == nil {
		return nil
	}
	return s.mergeSplit(ctx, space, *rest)
}

func (s *Store) runDeleteIPAM(ctx context.Context, id string) error {
	for range rounds {
		o, err := one(ctx, s.IPAMs, id)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.State != ipam.StateDeleteInProgress {
			return nil
		}
		scopes, pools, err := s.contents(ctx, o)
		if err != nil {
			return err
		}
		for _, p := range pools {
			if _, err := s.DeletePool(ctx, p.ID, true, func(*ipam.Pool) error { return nil }); err != nil && !isNotFound(err) {
				return err
			}
		}
		// All pools have begun to go, so that none can give out what another gives
		// back, be it on lease.
		all := func(context.Context, *ipam.Pool, ipam.Taken) error { return nil }
		for _, p := range pools {
			if err := s.runDeletePool(ctx, p.ID, all); err != nil {
				return err
			}
		}
		for _, scope := range scopes {
			if scope.Default {
				continue
			}
			if err := s.evict(ctx, scope, o.PrivateScope); err != nil {
				return err
			}
			if _, err := s.DeleteScope(ctx, scope.ID, func(*ipam.Scope) error { return nil }); err != nil && !isNotFound(err) && ipam.CodeOf(err) != ipam.CodeDependencyViolation {
				return err
			}
		}
		switch o, err := s.DeleteIPAM(ctx, id, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil }); {
		case isNotFound(err), err == nil && o.State == ipam.StateDeleteComplete:
			return nil
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("%w: IPAM %s still has scopes or pools", ErrWorkRemains, id)
}

// Grants returns the principals that data in the table admits, in the form
// that PutGrants was given; nil if there is none.
func (s *Store) Grants(ctx context.Context) ([]byte, error) {
	read, err := s.table.BatchGet(ctx, []Key{grantsKey()})
	if err != nil {
		return nil, err
	}
	if doc := read[grantsKey()].str(attrObject); doc != "" {
		return []byte(doc), nil
	}
	return nil, nil
}

// PutGrants replaces the principals that data in the table admits.
func (s *Store) PutGrants(ctx context.Context, doc []byte) error {
	return s.commit(ctx, "put grants", nil, func(a attempt) ([]Write, error) {
		if a.unsure {
			have, err := s.Grants(ctx)
			if err != nil || string(have) == string(doc) {
				return nil, err
			}
		}
		return []Write{{Op: OpPut, Key: grantsKey(), Item: Item{attrObject: str(string(doc)), attrSince: str(strconv.FormatInt(s.now(), 10))}}}, nil
	})
}
