package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Observe records an observation of a resource's CIDR by a discovery at a time, Unix
// milliseconds: in the discovery, and in the scopes of the IPAMs that see it. Then the
// space there follows. It reports whether anything differed; if not, it wrote nothing. It
// ignores an observation that is older than the recorded one, and one of a resource that
// EC2 has deleted since; see [Store.EndDeleted].
//
// A CIDR stays in the scope to which it was moved, and it stays ignored or monitored.
// [ipam.FirstTarget] decides for a CIDR that an IPAM sees for the first time. A subnet or
// interface follows the VPC's CIDR around it. If another discovery of the same IPAM found
// the CIDR too, the row of that one stays.
func (s *Store) Observe(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, at int64) (bool, error) {
	changed, err := s.observe(ctx, d.ID, ipams, r, func(have *ipam.Found) (ipam.Resource, int64, bool) {
		return r, at, have == nil || have.Sampled <= at
	}, nil)
	if err != nil || !changed {
		return changed, err
	}
	return true, s.followAssociations(ctx, d.ID, ipams, r)
}

// observeAgain compares a found CIDR with the IPAMs that its discovery has now, and with
// the VPC's CIDR around it.
func (s *Store) observeAgain(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, f *ipam.Found) error {
	_, err := s.observe(ctx, d.ID, ipams, f.Resource, asLastSeen, nil)
	return err
}

// asLastSeen observes a found CIDR as it is recorded.
func asLastSeen(have *ipam.Found) (ipam.Resource, int64, bool) {
	if have == nil {
		return ipam.Resource{}, 0, false
	}
	return have.Resource, have.Sampled, true
}

// observe writes the observation that see makes of the recorded one, which is nil if there
// is none. see reports false if there is nothing to write. move, if not nil, changes the
// targets and returns the writes that go with that.
func (s *Store) observe(ctx context.Context, discovery string, ipams []*ipam.IPAM, r ipam.Resource, see func(*ipam.Found) (ipam.Resource, int64, bool), move func([]ipam.Target) ([]table.Write, error)) (changed bool, err error) {
	k := items.FoundKey(discovery, &r)
	var follow followers
	err = s.commit(ctx, "observe "+r.ID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		now, put := &ipam.Found{Discovery: discovery, Rev: 1}, table.Write{Op: table.OpPut, Key: k, If: table.Cond{Absent: true}}
		var have *ipam.Found
		if read[k] != nil {
			if have, err = items.DecodeFound(table.Row{Key: k, Item: read[k]}); err != nil {
				return nil, err
			}
			now.Targets, now.Rev = have.Targets, have.Rev+1
			put.If = table.Cond{Equal: table.Item{items.AttrRev: table.Num(have.Rev)}}
		}
		seen, at, ok := see(have)
		if !ok {
			return nil, nil
		}
		now.Resource, now.Sampled = seen, at
		var led []string
		var with []table.Write
		if now.Targets, led, with, err = s.targets(ctx, now, ipams); err != nil {
			return nil, err
		}
		if move != nil {
			moves, err := move(now.Targets)
			if err != nil {
				return nil, err
			}
			with = append(with, moves...)
		}
		for _, scope := range led {
			with = append(with, scopeStays(scope))
		}
		rows, err := s.dropClaimedTargets(ctx, now)
		if err != nil || have == nil && s.isDeleted(&r, rows) {
			return nil, err
		}
		writes, next, err := s.rowWrites(ctx, have, now, rows)
		if err != nil {
			return nil, err
		}
		// An unchanged CIDR may lack its rows. While its discovery was detached, another
		// may have taken the rows over, and it may have forgotten them since.
		if len(writes) == 0 && have != nil && items.JSON(have.Resource) == items.JSON(now.Resource) && slices.Equal(have.Targets, now.Targets) {
			return nil, nil
		}
		put.Item = items.FoundItem(now)
		changed, follow = true, next
		return append(append(writes, put), with...), nil
	})
	if err != nil {
		return false, err
	}
	return changed, s.followUp(ctx, follow, r.CIDR)
}

// followers are the places whose space and statuses follow an observation.
type followers struct {
	added, removed []changedRow
	scopes         []string // in which a row changed
}

// followUp reconciles the space at p. The work notes do the rest if it fails, so its failure
// says nothing about the writes before it, only that time ran out.
func (s *Store) followUp(ctx context.Context, f followers, p netip.Prefix) error {
	for _, n := range f.added {
		if err := s.reconcileRow(ctx, n, s.settleAlone); err != nil {
			return err
		}
	}
	for _, n := range f.removed {
		if err := s.reconcileRow(ctx, n, s.leavesOthers); err != nil {
			return err
		}
	}
	for _, scope := range f.scopes {
		if err := s.Reconcile(ctx, scope, p); err != nil {
			return err
		}
	}
	return nil
}

// scopeStays is the write that goes with a resource that moves to a scope other than a
// default one: its condition is that the scope is not deleted meanwhile.
func scopeStays(scope string) table.Write {
	return table.Write{Op: table.OpUpdate, Key: items.ScopeKey(scope), Add: map[string]int64{items.AttrRev: 1}, If: table.Cond{
		Present: true, In: map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)},
	}}
}

// targets returns the scope of a CIDR in each of the IPAMs, the scopes that it has because
// of a pending block, and the conditions under which it may be recorded.
func (s *Store) targets(ctx context.Context, f *ipam.Found, ipams []*ipam.IPAM) (targets []ipam.Target, led []string, conditions []table.Write, err error) {
	before := map[string]ipam.Target{}
	for _, t := range f.Targets {
		before[t.IPAM] = t
	}
	around, err := s.enclosingVPC(ctx, f)
	if err != nil {
		return nil, nil, nil, err
	}
	if around != nil {
		for _, t := range around.Targets {
			before[t.IPAM] = t
		}
	}
	isNew := func(o *ipam.IPAM) bool { return before[o.ID].Scope == "" }
	if slices.ContainsFunc(ipams, func(o *ipam.IPAM) bool { return isNew(o) && o.DiscoveryAssociations > 1 }) {
		others, err := s.targetsOfOthers(ctx, f, around)
		if err != nil {
			return nil, nil, nil, err
		}
		maps.DeleteFunc(others, func(id string, _ ipam.Target) bool { return before[id].Scope != "" })
		maps.Copy(before, others)
	}
	var pending map[string]string
	var bound []table.Key
	if slices.ContainsFunc(ipams, isNew) {
		if pending, bound, err = s.pendingFor(ctx, &f.Resource); err != nil {
			return nil, nil, nil, err
		}
	}
	targets = make([]ipam.Target, 0, len(ipams))
	for _, o := range ipams {
		t, ok := before[o.ID]
		if !ok {
			t = ipam.FirstTarget(o, &f.Resource, pending[o.ID], s.o.IgnoreDefaultVPCs)
			if t.Scope != o.PrivateScope && t.Scope != o.PublicScope {
				led = append(led, t.Scope)
			}
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b ipam.Target) int { return strings.Compare(a.IPAM, b.IPAM) })
	return targets, led, stillPending(bound), nil
}

// targetsOfOthers returns, by IPAM, the targets of a CIDR that other discoveries found. If
// around is not nil, it is the VPC's CIDR around it, and the targets of that one count
// where others found it.
func (s *Store) targetsOfOthers(ctx context.Context, f, around *ipam.Found) (map[string]ipam.Target, error) {
	all, err := s.AllDiscoveries(ctx)
	if err != nil {
		return nil, err
	}
	var keys []table.Key // those of the VPC after its own
	for _, r := range []*ipam.Found{f, around} {
		for _, d := range all {
			if r != nil && d.ID != f.Discovery {
				keys = append(keys, items.FoundKey(d.ID, &r.Resource))
			}
		}
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	at := map[string]ipam.Target{}
	for _, k := range keys {
		if read[k] == nil {
			continue
		}
		other, err := items.DecodeFound(table.Row{Key: k, Item: read[k]})
		if err != nil {
			return nil, err
		}
		for _, t := range other.Targets {
			at[t.IPAM] = t
		}
	}
	return at, nil
}

// dropClaimedTargets removes the targets of a found CIDR whose row another discovery of
// the IPAM wrote, and returns the existing rows of the other targets. A row does not count
// if its discovery no longer sees the CIDR.
//
// The rows include the work notes of the CIDR, and the item that says that the resource is deleted. It is read after the
// rows of pending blocks: a deletion in between removes such a row, and the writes demand
// that the row exists.
func (s *Store) dropClaimedTargets(ctx context.Context, f *ipam.Found) (rows map[table.Key]table.Item, err error) {
	var keys []table.Key
	for _, t := range f.Targets {
		keys = append(keys, items.LiveKey(t.Scope, &f.Resource))
	}
	if f.Type.TakesSpace() {
		for _, t := range f.Targets {
			keys = append(keys, items.LiveWorkKey(t.Scope, f.CIDR))
		}
	}
	if len(keys) > 0 {
		keys = append(keys, deletedKeys(&f.Resource)...)
	}
	if rows, err = s.table.BatchGet(ctx, keys); err != nil {
		return nil, err
	}
	targets := make([]ipam.Target, 0, len(f.Targets))
	for i, t := range f.Targets {
		if by := rows[keys[i]].Str(items.AttrSource); by != "" && by != f.Discovery {
			if keeps, err := s.stillSees(ctx, by, &f.Resource, t.IPAM); err != nil {
				return nil, err
			} else if keeps {
				continue
			}
		}
		targets = append(targets, t)
	}
	f.Targets = targets
	return rows, nil
}

// enclosingVPC returns the VPC's CIDR around a subnet's or interface's, as the same
// discovery found it; nil for another type, and if the VPC was not found yet.
func (s *Store) enclosingVPC(ctx context.Context, f *ipam.Found) (*ipam.Found, error) {
	if f.VPC == "" || f.Type != ipam.ResourceSubnet && f.Type != ipam.ResourceInterface {
		return nil, nil
	}
	vpcs, _, err := queryDecoded(ctx, s, items.FoundRowsOf(f.Discovery, f.Region, f.Owner, ipam.ResourceVPC, f.VPC), items.DecodeFound)
	for _, v := range vpcs { // a VPC has few CIDRs
		if ipam.Within(f.CIDR, v.CIDR) {
			return v, err
		}
	}
	return nil, err
}

// rowWrites returns the writes that bring the rows in scopes up to date, and the places that
// follow. have is the found CIDR before, and now the one after; nil is none. read has the
// rows of now's targets, and the work notes there.
func (s *Store) rowWrites(ctx context.Context, have, now *ipam.Found, read map[table.Key]table.Item) (writes []table.Write, follow followers, err error) {
	old, next := map[string]table.Key{}, map[string]ipam.Target{} // by scope
	if now != nil {
		for _, t := range now.Targets {
			next[t.Scope] = t
		}
	}
	var left []table.Key
	if have != nil {
		for _, t := range have.Targets {
			old[t.Scope] = items.LiveKey(t.Scope, &have.Resource)
			if _, stays := next[t.Scope]; !stays {
				left = append(left, old[t.Scope], items.LiveWorkKey(t.Scope, have.CIDR))
			}
		}
	}
	before, err := s.table.BatchGet(ctx, left)
	if err != nil {
		return nil, followers{}, err
	}
	for _, scope := range slices.Sorted(maps.Keys(old)) {
		k := old[scope]
		if _, stays := next[scope]; stays || before[k].Str(items.AttrSource) != have.Discovery {
			continue // gone, or taken over by another discovery
		}
		writes = append(writes, table.Write{Op: table.OpDelete, Key: k, If: table.Cond{Equal: table.Item{items.AttrRev: before[k][items.AttrRev]}}})
		if have.Type.TakesSpace() {
			n, note := s.noteRow(scope, &have.Resource, before)
			writes, follow.removed = append(writes, note), append(follow.removed, n)
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(next)) {
		k := items.LiveKey(scope, &now.Resource)
		row := &ipam.ResourceCIDR{Resource: now.Resource, Scope: scope, Discovery: now.Discovery, Ignored: next[scope].Ignored, Sampled: now.Sampled, Since: now.Sampled, Rev: 1}
		w := table.Write{Op: table.OpPut, Key: k, If: table.Cond{Absent: true}}
		evaluated := true
		if read[k] != nil {
			before, err := items.DecodeResource(table.Row{Key: k, Item: read[k]})
			if err != nil {
				return nil, followers{}, err
			}
			row.Status, row.Rev, row.Since = before.Status, before.Rev+1, before.Since
			if !row.RecordedAs(before) {
				row.Since = max(now.Sampled, before.Since+1)
			}
			w.If = table.Cond{Equal: table.Item{items.AttrRev: table.Num(before.Rev)}}
			evaluated = before.Ignored != row.Ignored || before.VPC != row.VPC || !maps.Equal(before.Tags, row.Tags) || before.Type != row.Type
			if !evaluated && items.JSON(before.Resource) == items.JSON(row.Resource) && before.Discovery == row.Discovery {
				continue
			}
		}
		w.Item = items.ResourceItem(row)
		writes = append(writes, w)
		switch {
		case read[k] == nil && row.Live():
			n, note := s.noteRow(scope, &row.Resource, read)
			writes, follow.added = append(writes, note), append(follow.added, n)
		case evaluated && now.Type.TakesSpace(): // a change that no status or space depends on needs no note
			writes, follow.scopes = append(writes, s.liveNote(scope, now.CIDR)), append(follow.scopes, scope)
		}
	}
	return writes, follow, nil
}

// Forget deletes a CIDR that a discovery found, because its resource is gone, and frees
// its space. It does nothing and reports false if the CIDR was seen again: if the recorded
// one is not f, or was observed at before, Unix milliseconds, or later.
func (s *Store) Forget(ctx context.Context, f *ipam.Found, before int64) (bool, error) {
	k := items.FoundKey(f.Discovery, &f.Resource)
	gone := false
	var follow followers
	err := s.commit(ctx, "forget "+f.ID, nil, func(a attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		if read[k] == nil {
			gone = gone && a.outcomeUnknown
			return nil, nil
		}
		have, err := items.DecodeFound(table.Row{Key: k, Item: read[k]})
		if err != nil {
			return nil, err
		}
		if gone = have.Rev == f.Rev && have.Sampled < before; !gone {
			return nil, nil
		}
		writes, next, err := s.rowWrites(ctx, have, nil, nil)
		if err != nil {
			return nil, err
		}
		follow = next
		return append(writes, table.Write{Op: table.OpDelete, Key: k, If: table.Cond{Equal: table.Item{items.AttrRev: table.Num(have.Rev)}}}), nil
	})
	if err != nil || !gone {
		return false, err
	}
	return true, s.followUp(ctx, follow, f.CIDR)
}

// forgetNow is Forget without a limit of time.
func (s *Store) forgetNow(ctx context.Context, f *ipam.Found) error {
	_, err := s.Forget(ctx, f, math.MaxInt64)
	return err
}

// stillSees reports whether a discovery keeps the CIDRs that it found for an IPAM. It does
// not if the two are not associated any more, or if the CIDRs are being forgotten.
func (s *Store) stillSees(ctx context.Context, discovery string, r *ipam.Resource, id string) (bool, error) {
	k, row := items.DiscoveryKey(discovery), items.DiscoveredAccountKey(discovery, r.Region, r.Owner)
	read, err := s.table.BatchGet(ctx, []table.Key{k, row})
	if err != nil || read[k] == nil || read[row].Str(items.AttrDeparture) == string(ipam.Forgotten) {
		return false, err
	}
	d, err := items.DecodeDiscovery(read[k])
	if err != nil {
		return false, fmt.Errorf("%s: %w", k, err)
	}
	return slices.Contains(d.IPAMs, id), nil
}

// followAssociations compares a CIDR that was just observed for IPAMs with those that the
// discovery has now. An association that ended in between deleted the old rows, but not
// the new one. A read before the write would miss that, and a condition on the discovery
// would make all its observations conflict.
func (s *Store) followAssociations(ctx context.Context, discovery string, ipams []*ipam.IPAM, r ipam.Resource) error {
	now, err := s.Discoveries(ctx, []string{discovery})
	if err != nil {
		return err
	}
	if len(now) == 0 {
		k := items.FoundKey(discovery, &r)
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil || read[k] == nil {
			return err
		}
		f, err := items.DecodeFound(table.Row{Key: k, Item: read[k]})
		if err != nil {
			return err
		}
		return s.forgetNow(ctx, f)
	}
	if slices.EqualFunc(now[0].IPAMs, ipams, func(id string, o *ipam.IPAM) bool { return id == o.ID }) {
		return nil
	}
	if ipams, err = s.IPAMs(ctx, now[0].IPAMs); err != nil {
		return err
	}
	return s.observeAgain(ctx, now[0], ipams, &ipam.Found{Resource: r})
}
