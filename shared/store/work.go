package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// RunWork finishes the work that a sort key of the partition items.WorkPK names. It can
// run any number of times, also at once. Work that is done or unknown is no error.
func (s *Store) RunWork(ctx context.Context, sk string) error {
	kind, id := items.ParseWork(sk)
	switch kind {
	case items.DeletePoolWork:
		err := s.runDeletePool(ctx, id, s.pendingError)
		if errors.Is(err, errPending) {
			return nil // done as far as possible now; its note stays for a later run
		}
		return err
	case items.DeleteIPAMWork:
		return s.runDeleteIPAM(ctx, id)
	case items.PurgeWork:
		return s.runPurge(ctx, id)
	case items.LiveWork:
		if scope, p, ok := items.ParseLiveWork(id); ok { // another form is not of this version
			return s.runLive(ctx, scope, p)
		}
	case items.ImportWork:
		return s.runImport(ctx, id)
	case items.PendingWork:
		return s.runPending(ctx, id)
	case items.ResumeWork:
		return s.runResume(ctx, id)
	case items.SelectWork:
		return s.runSelect(ctx, id)
	case items.MemberWork:
		if resolver, _, ok := items.ParseMemberWork(id); ok {
			return s.runMembers(ctx, resolver)
		}
	case items.VersionWork:
		return s.runVersion(ctx, id)
	case items.SplitWork:
		if space, p, ok := items.ParseSplitWork(id); ok {
			return s.runSplit(ctx, space, p)
		}
	}
	return nil
}

// runLive is [Store.Reconcile], if the note is still there: its writer runs Reconcile
// itself, as a rule. If there are too many live CIDRs, it replaces the note by notes of
// the two halves, so that each is done in the time of an invocation, and none twice.
func (s *Store) runLive(ctx context.Context, scope string, p netip.Prefix) error {
	note := items.LiveWorkKey(scope, p)
	read, err := s.table.BatchGet(ctx, []table.Key{note})
	if err != nil || read[note] == nil {
		return err
	}
	tooMany, err := s.tooManyToReconcile(ctx, scope, p)
	if err != nil {
		return err
	}
	if !tooMany {
		return s.Reconcile(ctx, scope, p)
	}
	lower, upper := ipam.Halves(p)
	return s.endNote(ctx, note, read[note], s.liveNote(scope, lower), s.liveNote(scope, upper))
}

// runSplit releases an abandoned split after its deadline.
func (s *Store) runSplit(ctx context.Context, space ipam.SpaceID, p netip.Prefix) error {
	k, note := items.TakenKey(space, p), items.SplitWorkKey(space, p)
	var split *ipam.Taken
	err := s.commit(ctx, "finish split of "+p.String(), nil, func(attempt) ([]table.Write, error) {
		split = nil
		read, err := s.table.BatchGet(ctx, []table.Key{k, note})
		if err != nil {
			return nil, err
		}
		if i, ok := read[k]; ok {
			t, err := items.DecodeTaken(table.Row{Key: k, Item: i})
			if err != nil {
				return nil, err
			}
			if t.Kind == ipam.KindSplit {
				if t.Deadline <= s.now() { // until then, its request may continue
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
		return []table.Write{
			{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrSince: i[items.AttrSince]}}},
			{Op: table.OpCheck, Key: k, If: absentOrSame(read[k])},
		}, nil
	})
	if err != nil || split == nil {
		return err
	}
	return s.mergeSplit(ctx, space, *split)
}

// maxPasses is how often a cascading delete looks for new allocations. From the first pass
// on, new ones are refused, so only requests that began before can add any.
const maxPasses = 3

// mayRelease says whether a block may be released with its pool; errPending says not yet.
type mayRelease func(context.Context, *ipam.Pool, ipam.Taken) error

// runDeletePool deletes a pool. It returns errPending if only pending blocks are left.
func (s *Store) runDeletePool(ctx context.Context, id string, may mayRelease) error {
	for range maxPasses {
		o, err := readOne(ctx, s.Pools, id)
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
		if o, err = readOne(ctx, s.Pools, id); err != nil {
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

// emptyPool deletes a pool's children, releases its allocations and deprovisions its
// CIDRs, as far as no other request interferes. It returns errPending if pending blocks
// are left, here or in a child.
func (s *Store) emptyPool(ctx context.Context, o *ipam.Pool, may mayRelease) error {
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
			if err := s.runDeletePool(ctx, child.ID, may); errors.Is(err, errPending) {
				waits = err
			} else if err != nil {
				return err
			}
		}
	}
	if err := s.releaseAll(ctx, o, may); errors.Is(err, errPending) {
		waits = err
	} else if err != nil {
		return err
	}
	cidrs, err := s.PoolCIDRs(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, c := range cidrs {
		if !c.State.Holds() {
			continue
		}
		if _, err := s.Deprovision(ctx, Deprovision{Pool: o.ID, CIDR: c.CIDR, May: anyone}); err != nil && ipam.CodeOf(err) != ipam.CodeIncorrectState && !isNotFound(err) {
			return err // it says more than the other run's success
		}
	}
	return waits
}

// releaseAll releases every taken block of a pool, without those of child pools. It
// returns errPending if a block may not be released yet.
func (s *Store) releaseAll(ctx context.Context, pool *ipam.Pool, may mayRelease) error {
	var waits error
	space := pool.Space()
	for t, err := range decoded(table.Rows(ctx, s.table, items.TakenRows(space)), items.DecodeTaken) {
		if err != nil {
			return err
		}
		switch t.Kind {
		case ipam.KindPool, ipam.KindHold: // deprovisioning the CIDR deletes these
		case ipam.KindSplit:
			err = s.mergeSplit(ctx, space, t)
		default:
			if err = may(ctx, pool, t); err == nil {
				err = s.releaseBlock(ctx, pool, t)
			}
		}
		if errors.Is(err, errPending) {
			waits, err = err, nil
		}
		if err != nil {
			return err
		}
	}
	return waits
}

func (s *Store) runDeleteIPAM(ctx context.Context, id string) error {
	for range maxPasses {
		o, err := readOne(ctx, s.IPAMs, id)
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
		if err := s.deleteResolvers(ctx, o); err != nil {
			return err
		}
		// All pools are in delete-in-progress, so no pool can hand out the space that
		// another one releases, even pending space.
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
			if err := s.emptyScope(ctx, scope, o.PrivateScope); err != nil {
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

// deleteResolvers deletes the prefix list resolvers of an IPAM.
func (s *Store) deleteResolvers(ctx context.Context, o *ipam.IPAM) error {
	resolvers, err := s.ResolversOf(ctx, o)
	if err != nil {
		return err
	}
	for _, r := range resolvers {
		if _, err := s.DeleteResolver(ctx, r.ID, func(*ipam.PrefixListResolver) error { return nil }); ignoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// runImport writes a note for each CIDR of a pool, to import the resources in it.
func (s *Store) runImport(ctx context.Context, id string) error {
	note := items.WorkKey(items.ImportWork, id)
	read, err := s.table.BatchGet(ctx, []table.Key{note})
	if err != nil || read[note] == nil {
		return err
	}
	pool, err := readOne(ctx, s.Pools, id)
	if err != nil && !isNotFound(err) {
		return err
	}
	var notes []table.Write
	if pool != nil {
		cidrs, err := s.PoolCIDRs(ctx, id)
		if err != nil {
			return err
		}
		for _, c := range cidrs {
			if c.State.Holds() {
				notes = append(notes, s.liveNote(pool.Scope, c.CIDR))
			}
		}
	}
	if err := s.putNotes(ctx, "import to "+id, notes); err != nil {
		return err
	}
	return s.endNote(ctx, note, read[note])
}

// runPending ends a pending block that nobody has ended. It stays while EC2 may still be
// asked, and until the account and Region were looked at since.
func (s *Store) runPending(ctx context.Context, allocation string) error {
	note, id := items.WorkKey(items.PendingWork, allocation), items.AllocationKey(allocation)
	read, err := s.table.BatchGet(ctx, []table.Key{note, id})
	if err != nil || read[note] == nil {
		return err
	}
	record, ok, err := items.DecodeByID(allocation, read[id], s.now())
	if err != nil {
		return err
	}
	if !ok || record.State != items.AllocationActive {
		return s.deleteItem(ctx, note)
	}
	k := items.TakenKey(record.Space, record.CIDR)
	if read, err = s.table.BatchGet(ctx, []table.Key{k}); err != nil {
		return err
	}
	t, _, err := items.TakenAt(k, read)
	if err != nil || t.AllocationID != allocation || t.PendingUntil == 0 {
		return err // being released; the next run sees that
	}
	if t.PendingUntil > s.now() {
		return nil
	}
	pool, err := readOne(ctx, s.Pools, string(record.Space))
	if err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	_, looked, err := s.lookedSince(ctx, pool.IPAM, t)
	if err != nil || !looked {
		return err
	}
	_, err = s.releasePending(ctx, pool, t, pendingEnd{})
	return err
}

// runResume goes on with the deletion of a pool, after a pending block of it has ended:
// with the deletion of the highest pool above it that is being deleted too.
func (s *Store) runResume(ctx context.Context, id string) error {
	note := items.WorkKey(items.ResumeWork, id)
	for range maxPasses { // another block may end meanwhile, which puts the note again
		read, err := s.table.BatchGet(ctx, []table.Key{note})
		if err != nil || read[note] == nil {
			return err
		}
		highest := id
		for at := id; at != ""; {
			o, err := readOne(ctx, s.Pools, at)
			if err != nil && !isNotFound(err) {
				return err
			}
			if err != nil || o.State != ipam.StateDeleteInProgress {
				break
			}
			highest, at = o.ID, o.SourcePool
		}
		if err := s.runDeletePool(ctx, highest, s.pendingError); err != nil && !errors.Is(err, errPending) {
			return err
		}
		if err := s.endNote(ctx, note, read[note]); err != nil {
			return err
		}
	}
	return nil
}

// runPurge compares the CIDRs that a discovery found with the IPAMs that it has, and
// deletes them if the discovery is deleted. It starts again if a new note came meanwhile.
// of is the subject of the note: a discovery, or one account in a Region. A discovery's
// accounts get notes of their own, because all of them may take longer than an invocation.
// An account that is to be forgotten loses all its CIDRs.
func (s *Store) runPurge(ctx context.Context, of string) error {
	id, region, account := items.ParsePurgeWork(of)
	if account == "" {
		return s.dividePurge(ctx, id)
	}
	note, k := items.WorkKey(items.PurgeWork, of), items.DiscoveryKey(id)
	at := ipam.DiscoveredAccount{Discovery: id, Region: region, Account: account}
	row := items.DiscoveredAccountKey(id, region, account)
	keys := []table.Key{note, k, row}
	return s.commit(ctx, "purge "+id, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, keys)
		if err != nil || read[note] == nil {
			return nil, err
		}
		follow := func(f *ipam.Found) error { return s.forgetNow(ctx, f) }
		forgotten := read[row].Str(items.AttrDeparture) == string(ipam.Forgotten)
		var stays []string
		if read[k] != nil && !forgotten {
			d, err := items.DecodeDiscovery(read[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			ipams, err := s.IPAMs(ctx, d.IPAMs)
			if err != nil {
				return nil, err
			}
			stays = d.IPAMs
			follow = func(f *ipam.Found) error { return s.observeAgain(ctx, d, ipams, f) }
		}
		others, err := s.AllDiscoveries(ctx)
		if err != nil {
			return nil, err
		}
		err = s.eachFound(ctx, &at, func(f *ipam.Found) error {
			if err := s.reassign(ctx, f, stays, others); err != nil {
				return err
			}
			return follow(f)
		})
		if err == nil && read[k] == nil {
			err = s.deleteItem(ctx, row)
		}
		if err != nil {
			return nil, err
		}
		writes := []table.Write{{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: read[note][items.AttrToken]}}}}
		if read[k] == nil || !forgotten {
			return writes, nil
		}
		// A CIDR that was observed again meanwhile stays. An account that is watched again
		// keeps its row, and the CIDRs that are found from then on.
		if rest, _, err := s.Found(ctx, id, at.Region, at.Account, "", 1); err != nil || len(rest) > 0 {
			return nil, cmp.Or(err, errStale)
		}
		return append(writes, table.Write{Op: table.OpDelete, Key: row, If: table.Cond{Equal: table.Item{items.AttrDeparture: read[row][items.AttrDeparture]}}}), nil
	})
}

// dividePurge replaces the note of a discovery by notes of its accounts and Regions.
func (s *Store) dividePurge(ctx context.Context, discovery string) error {
	note := items.WorkKey(items.PurgeWork, discovery)
	return s.commit(ctx, "purge "+discovery, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{note})
		if err != nil || read[note] == nil {
			return nil, err
		}
		var notes []table.Write
		if err := s.eachAccount(ctx, discovery, func(a *ipam.DiscoveredAccount) error {
			notes = append(notes, s.accountPurgeNote(discovery, a.Region, a.Account))
			return nil
		}); err != nil {
			return nil, err
		}
		if err := s.putNotes(ctx, "purge "+discovery, notes); err != nil {
			return nil, err
		}
		return []table.Write{{Op: table.OpDelete, Key: note, If: table.Cond{Equal: table.Item{items.AttrToken: read[note][items.AttrToken]}}}}, nil
	})
}

// reassign gives the rows of a found CIDR to other discoveries that found it too, in the
// IPAMs that its own discovery leaves. So the CIDR's space stays held all the time.
func (s *Store) reassign(ctx context.Context, f *ipam.Found, stays []string, others []*ipam.Discovery) error {
	for _, o := range others {
		if o.ID == f.Discovery || !slices.ContainsFunc(f.Targets, func(t ipam.Target) bool {
			return !slices.Contains(stays, t.IPAM) && slices.Contains(o.IPAMs, t.IPAM)
		}) {
			continue
		}
		ipams, err := s.IPAMs(ctx, o.IPAMs)
		if err != nil {
			return err
		}
		if err := s.observeAgain(ctx, o, ipams, f); err != nil {
			return err
		}
	}
	return nil
}

// eachFound calls f for every CIDR that was found in an account and Region.
func (s *Store) eachFound(ctx context.Context, a *ipam.DiscoveredAccount, f func(*ipam.Found) error) error {
	q := items.FoundRows(a.Discovery, a.Region, a.Account)
	for r, err := range decoded(table.Rows(ctx, s.table, q), items.DecodeFound) {
		if err != nil {
			return err
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}
