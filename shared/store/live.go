package store

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Observe keeps what a discovery saw of a resource's CIDR at a time, Unix
// milliseconds, in the discovery and in the scopes of the IPAMs that see it, and
// has the space there follow. It reports whether anything differed: if not,
// nothing was written. An observation older than the one that was kept is left
// out.
//
// A CIDR stays in the scope that it was moved to, and ignored if it is. What is
// in a VPC is where the VPC's CIDR around it is. Where another discovery of the
// same IPAM has found the CIDR, it stands as found by that.
func (s *Store) Observe(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, r ipam.Resource, at int64) (bool, error) {
	changed, err := s.observe(ctx, d.ID, ipams, r, func(have *ipam.Found) (ipam.Resource, int64, bool) {
		return r, at, have == nil || have.Sampled <= at
	}, nil)
	if err != nil || !changed {
		return changed, err
	}
	return true, s.catchUp(ctx, d.ID, ipams, r)
}

// lay lays what was found against the IPAMs that its discovery has now, and
// against the VPC that it is in.
func (s *Store) lay(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, f *ipam.Found) error {
	_, err := s.observe(ctx, d.ID, ipams, f.Resource, asFound, nil)
	return err
}

// asFound sees what was found as it was found.
func asFound(have *ipam.Found) (ipam.Resource, int64, bool) {
	if have == nil {
		return ipam.Resource{}, 0, false
	}
	return have.Resource, have.Sampled, true
}

// observe writes what see makes of what was found before, nil for nothing; see
// reports whether there is anything to write at all. move, if not nil, changes
// the targets, and returns writes that go with it.
func (s *Store) observe(ctx context.Context, discovery string, ipams []*ipam.IPAM, r ipam.Resource, see func(*ipam.Found) (ipam.Resource, int64, bool), move func([]ipam.Target) ([]Write, error)) (changed bool, err error) {
	k := Key{foundPK(discovery, r.Region, r.Owner), foundSK(&r)}
	var scopes []string // in which the space is to follow
	err = s.commit(ctx, "observe "+r.ID, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		now, put := &ipam.Found{Discovery: discovery, Rev: 1}, Write{Op: OpPut, Key: k, If: Cond{Absent: true}}
		var have *ipam.Found
		if read[k] != nil {
			if have, err = decodeFound(Row{k, read[k]}); err != nil {
				return nil, err
			}
			now.Targets, now.Rev = have.Targets, have.Rev+1
			put.If = Cond{Equal: Item{attrRev: num(have.Rev)}}
		}
		seen, at, ok := see(have)
		if !ok {
			return nil, nil
		}
		now.Resource, now.Sampled = seen, at
		var led []string
		if now.Targets, led, err = s.targets(ctx, now, ipams); err != nil {
			return nil, err
		}
		var with []Write
		if move != nil {
			if with, err = move(now.Targets); err != nil {
				return nil, err
			}
		}
		for _, scope := range led {
			with = append(with, comesTo(scope))
		}
		rows, err := s.unclaimed(ctx, now)
		if err != nil {
			return nil, err
		}
		writes, follow, err := s.standing(ctx, have, now, rows)
		if err != nil {
			return nil, err
		}
		// What was found as it is may yet lack its rows: while its discovery did not
		// keep it, another may have taken them over, and forgotten them since.
		if len(writes) == 0 && have != nil && document(have.Resource) == document(now.Resource) && slices.Equal(have.Targets, now.Targets) {
			return nil, nil
		}
		put.Item = encodeFound(now)
		changed, scopes = true, follow
		return append(append(writes, put), with...), nil
	})
	if err != nil {
		return false, err
	}
	return changed, s.followUp(ctx, scopes, r.CIDR)
}

// followUp has the space in scopes follow. What this leaves undone, the note has
// done; so its failure is none of what was written, but for the caller's time.
func (s *Store) followUp(ctx context.Context, scopes []string, p netip.Prefix) error {
	for _, scope := range scopes {
		if err := s.Reconcile(ctx, scope, p); err != nil {
			return err
		}
	}
	return nil
}

// comesTo is the write that goes with what comes to a scope that is no default one:
// none ends meanwhile.
func comesTo(scope string) Write {
	return Write{Op: OpUpdate, Key: ScopeKey(scope), Add: map[string]int64{attrRev: 1}, If: Cond{
		Present: true, In: map[string][]string{attrState: ipam.Admitting(ipam.ActUse)},
	}}
}

// targets returns where a CIDR stands in each of the IPAMs, and the scopes to which
// it comes by a lease.
func (s *Store) targets(ctx context.Context, f *ipam.Found, ipams []*ipam.IPAM) (targets []ipam.Target, led []string, err error) {
	before := map[string]ipam.Target{}
	for _, t := range f.Targets {
		before[t.IPAM] = t
	}
	around, err := s.around(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if around != nil {
		for _, t := range around.Targets {
			before[t.IPAM] = t
		}
	}
	isNew := func(o *ipam.IPAM) bool { return before[o.ID].Scope == "" }
	if slices.ContainsFunc(ipams, func(o *ipam.IPAM) bool { return isNew(o) && o.DiscoveryAssociations > 1 }) {
		others, err := s.asOthersFound(ctx, f, around)
		if err != nil {
			return nil, nil, err
		}
		maps.DeleteFunc(others, func(id string, _ ipam.Target) bool { return before[id].Scope != "" })
		maps.Copy(before, others)
	}
	leased := map[string]string{}
	if slices.ContainsFunc(ipams, isNew) {
		if leased, err = s.leasedFor(ctx, &f.Resource); err != nil {
			return nil, nil, err
		}
	}
	targets = make([]ipam.Target, 0, len(ipams))
	for _, o := range ipams {
		t, ok := before[o.ID]
		if !ok {
			t = ipam.Target{IPAM: o.ID, Scope: o.PrivateScope}
			if f.InPublicScope(o.EnablePrivateGUA) {
				t.Scope = o.PublicScope
			}
			if scope, ok := leased[o.ID]; ok {
				t.Scope = scope // that of the pool it is from
				if scope != o.PrivateScope && scope != o.PublicScope {
					led = append(led, scope)
				}
			}
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b ipam.Target) int { return strings.Compare(a.IPAM, b.IPAM) })
	return targets, led, nil
}

// asOthersFound returns where a CIDR stands as found by other discoveries, by IPAM:
// where the VPC's CIDR around it does, if that is not nil and they found it.
func (s *Store) asOthersFound(ctx context.Context, f, around *ipam.Found) (map[string]ipam.Target, error) {
	all, err := s.AllDiscoveries(ctx)
	if err != nil {
		return nil, err
	}
	var keys []Key // the VPC's behind its own
	for _, r := range []*ipam.Found{f, around} {
		for _, d := range all {
			if r != nil && d.ID != f.Discovery {
				keys = append(keys, Key{foundPK(d.ID, r.Region, r.Owner), foundSK(&r.Resource)})
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
		other, err := decodeFound(Row{k, read[k]})
		if err != nil {
			return nil, err
		}
		for _, t := range other.Targets {
			at[t.IPAM] = t
		}
	}
	return at, nil
}

// unclaimed takes those targets off what was found in which it stands as found by
// another discovery of the IPAM, and returns the rows that there are at the others.
// A discovery that does not keep it any more has left it behind.
func (s *Store) unclaimed(ctx context.Context, f *ipam.Found) (rows map[Key]Item, err error) {
	keys := make([]Key, len(f.Targets))
	for i, t := range f.Targets {
		keys[i] = liveKey(t.Scope, &f.Resource)
	}
	if rows, err = s.table.BatchGet(ctx, keys); err != nil {
		return nil, err
	}
	targets := make([]ipam.Target, 0, len(f.Targets))
	for i, t := range f.Targets {
		if by := rows[keys[i]].str(attrSource); by != "" && by != f.Discovery {
			if keeps, err := s.keeps(ctx, by, &f.Resource, t.IPAM); err != nil {
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

// around returns the VPC's CIDR that a subnet's or interface's is in, as the same
// discovery found it; nil for anything else, and if it was not found yet.
func (s *Store) around(ctx context.Context, f *ipam.Found) (*ipam.Found, error) {
	if f.VPC == "" || f.Type != ipam.ResourceSubnet && f.Type != ipam.ResourceInterface {
		return nil, nil
	}
	vpcs, _, err := decoded(ctx, s, vpcQuery(f.Discovery, f.Region, f.Owner, f.VPC), decodeFound)
	for _, v := range vpcs { // a VPC has few CIDRs
		if ipam.Within(f.CIDR, v.CIDR) {
			return v, err
		}
	}
	return nil, err
}

// vpcQuery selects a VPC's CIDRs among what was found.
func vpcQuery(discovery, region, account, vpc string) Query {
	prefix := string(ipam.ResourceVPC) + "#" + vpc + "#"
	return Query{PK: foundPK(discovery, region, account), From: prefix, To: prefix + "~"}
}

// standing returns the writes that have the rows in scopes say what was found,
// before have and now now, either nil for nothing, and the scopes in which the
// space is to follow. read is the rows that now has.
func (s *Store) standing(ctx context.Context, have, now *ipam.Found, read map[Key]Item) (writes []Write, follow []string, err error) {
	old, next := map[string]Key{}, map[string]ipam.Target{} // by scope
	if now != nil {
		for _, t := range now.Targets {
			next[t.Scope] = t
		}
	}
	var left []Key
	if have != nil {
		for _, t := range have.Targets {
			old[t.Scope] = liveKey(t.Scope, &have.Resource)
			if _, stays := next[t.Scope]; !stays {
				left = append(left, old[t.Scope])
			}
		}
	}
	before, err := s.table.BatchGet(ctx, left)
	if err != nil {
		return nil, nil, err
	}
	note := func(scope string, r *ipam.Resource) {
		if r.Type.TakesSpace() {
			writes = append(writes, s.noteLive(scope, r.CIDR))
			follow = append(follow, scope)
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(old)) {
		k := old[scope]
		if _, stays := next[scope]; stays || before[k].str(attrSource) != have.Discovery {
			continue // gone, or taken over by another discovery
		}
		writes = append(writes, Write{Op: OpDelete, Key: k, If: Cond{Equal: Item{attrRev: before[k][attrRev]}}})
		note(scope, &have.Resource)
	}
	for _, scope := range slices.Sorted(maps.Keys(next)) {
		k := liveKey(scope, &now.Resource)
		row := &ipam.ResourceCIDR{Resource: now.Resource, Scope: scope, Discovery: now.Discovery, Ignored: next[scope].Ignored, Sampled: now.Sampled, Since: now.Sampled, Rev: 1}
		w := Write{Op: OpPut, Key: k, If: Cond{Absent: true}}
		judged := true
		if read[k] != nil {
			before, err := DecodeResource(Row{k, read[k]})
			if err != nil {
				return nil, nil, err
			}
			row.Status, row.Rev, row.Since = before.Status, before.Rev+1, before.Since
			if !row.RecordedAs(before) {
				row.Since = max(now.Sampled, before.Since+1)
			}
			w.If = Cond{Equal: Item{attrRev: num(before.Rev)}}
			judged = before.Ignored != row.Ignored || before.VPC != row.VPC || !maps.Equal(before.Tags, row.Tags) || before.Type != row.Type
			if !judged && document(before.Resource) == document(row.Resource) && before.Discovery == row.Discovery {
				continue
			}
		}
		w.Item = encodeLive(row)
		writes = append(writes, w)
		if judged { // else nothing that matters to others has changed
			note(scope, &now.Resource)
		}
	}
	return writes, follow, nil
}

// Vanish forgets a CIDR that a discovery found, as its resource is gone, and
// frees its space. It reports false and does nothing if the CIDR was seen again:
// if what is known is not f any more, or was observed at before, Unix
// milliseconds, or later.
func (s *Store) Vanish(ctx context.Context, f *ipam.Found, before int64) (bool, error) {
	k := Key{foundPK(f.Discovery, f.Region, f.Owner), foundSK(&f.Resource)}
	gone := false
	var scopes []string
	err := s.commit(ctx, "forget "+f.ID, nil, func(a attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		if read[k] == nil {
			gone = gone && a.unsure
			return nil, nil
		}
		have, err := decodeFound(Row{k, read[k]})
		if err != nil {
			return nil, err
		}
		if gone = have.Rev == f.Rev && have.Sampled < before; !gone {
			return nil, nil
		}
		writes, follow, err := s.standing(ctx, have, nil, nil)
		if err != nil {
			return nil, err
		}
		scopes = follow
		return append(writes, Write{Op: OpDelete, Key: k, If: Cond{Equal: Item{attrRev: num(have.Rev)}}}), nil
	})
	if err != nil || !gone {
		return false, err
	}
	return true, s.followUp(ctx, scopes, f.CIDR)
}

// forget is Vanish whenever the CIDR was seen.
func (s *Store) forget(ctx context.Context, f *ipam.Found) error {
	_, err := s.Vanish(ctx, f, math.MaxInt64)
	return err
}

// Reconcile lays the space at p in a scope against what lives there: what is
// pending is provisioned, resources' space is kept, leases of what was seen end,
// what nothing lives in is given back, resources are imported, and all is judged. It may be run any number of
// times, at once too, and ends the note that it was called for, unless there is a
// new one.
func (s *Store) Reconcile(ctx context.Context, scope string, p netip.Prefix) error {
	note := workKey(liveWork, scope+"#"+p.String())
	read, err := s.table.BatchGet(ctx, []Key{note})
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, string, netip.Prefix) error{s.finishProvisions, s.coverLive, s.settleHolds, s.importLive, s.Judge} {
		if err := step(ctx, scope, p); err != nil {
			return err
		}
	}
	if read[note] == nil {
		return nil
	}
	return s.endNote(ctx, note, read[note])
}

// crowd is in how many CIDRs inside one resources may live for all of it to be
// reconciled at once: that takes some ten calls of the table for each.
const crowd = 500

// crowded reports whether it takes too long to reconcile a place at once. One that
// is, has two halves.
func (s *Store) crowded(ctx context.Context, scope string, p netip.Prefix) (bool, error) {
	last, n := p, 0
	for r, err := range s.rowsIn(ctx, scope, p, netip.Prefix{}) {
		if err != nil {
			return false, err
		}
		if r.CIDR != last {
			last = r.CIDR
			n++
		}
		if n > crowd {
			return true, nil
		}
	}
	return false, nil
}

// reconcileSoon is Reconcile for who has left a note of it and answers somebody:
// what is crowded, or fails, the note has done.
func (s *Store) reconcileSoon(ctx context.Context, scope string, p netip.Prefix) {
	if crowded, err := s.crowded(ctx, scope, p); err == nil && !crowded {
		_ = s.Reconcile(ctx, scope, p)
	}
}

// coverLive covers what lives at p. When a resource goes meanwhile, it looks again
// for what lives in that one's CIDR.
func (s *Store) coverLive(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.coverListed(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return exhausted("cover "+p.String(), errLost)
}

// coverListed is one pass of coverLive. It reports whether each resource was
// still there.
func (s *Store) coverListed(ctx context.Context, scope string, p netip.Prefix) (still bool, err error) {
	live, err := s.liveIn(ctx, scope, laid{}, p)
	if err != nil {
		return false, err
	}
	all := ipam.Nests(live, cidrOf)
	if len(all) < len(live) {
		planned, err := s.planned(ctx, scope, p)
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
	err = s.sideBySide(ctx, all, func(ctx context.Context, nest []*ipam.ResourceCIDR) error {
		for _, r := range nest {
			in := p
			if ipam.Within(r.CIDR, p) {
				in = r.CIDR
			}
			switch err := s.cover(ctx, scope, in, &r.Resource); {
			case errors.Is(err, errGone):
				gone.Store(true)
			case err != nil:
				return err
			}
		}
		return nil
	})
	return !gone.Load(), err
}

// sideBySide works on nests until one fails.
func (s *Store) sideBySide(ctx context.Context, all [][]*ipam.ResourceCIDR, work func(context.Context, []*ipam.ResourceCIDR) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.AtOnce)
	for _, nest := range all {
		g.Go(func() error {
			if err := ctx.Err(); err != nil { // another failed
				return err
			}
			return work(ctx, nest)
		})
	}
	return g.Wait()
}

// poolBlock is a taken block of a pool.
type poolBlock struct {
	ipam.Taken
	space  ipam.SpaceID
	around laid
}

// planned returns the VPCs at p in a scope over which planning pools are laid.
func (s *Store) planned(ctx context.Context, scope string, p netip.Prefix) (map[string]bool, error) {
	vpcs := map[string]bool{}
	err := s.descend(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		if b.Plan != "" {
			vpcs[b.ResourceID] = true
		}
		return true
	})
	return vpcs, err
}

// settleHolds ends the leases at p of what was seen, shrinks the holds to what lives
// in them, and gives back allocations to resources that are gone, or ignored. It is done when it has come
// on each hold as it was listed: one that somebody divided meanwhile has left
// parts, of which nothing else may be lived in.
func (s *Store) settleHolds(ctx context.Context, scope string, p netip.Prefix) error {
	for range s.o.Tries {
		if still, err := s.settleListed(ctx, scope, p); still || err != nil {
			return err
		}
	}
	return exhausted("settle "+p.String(), errLost)
}

// settleListed is one pass of settleHolds. It reports whether each hold was
// still there.
func (s *Store) settleListed(ctx context.Context, scope string, p netip.Prefix) (still bool, err error) {
	var leased, holds, allocated []poolBlock
	err = s.descend(ctx, scope, p, p.Addr(), func(b poolBlock) bool {
		switch {
		case b.Kind == ipam.KindHold:
			holds = append(holds, b)
		case b.Lease != 0:
			leased = append(leased, b)
		case b.Kind.OfResource():
			allocated = append(allocated, b)
		}
		return true
	})
	if err != nil {
		return false, err
	}
	for _, b := range leased {
		if err := s.bindLease(ctx, scope, b); err != nil {
			return false, err
		}
	}
	if err := s.releaseUnused(ctx, scope, allocated); err != nil {
		return false, err
	}
	if len(holds) > 1 { // else it takes as many reads to find that it is filled as to shrink it
		if holds, err = s.wide(ctx, scope, p, holds); err != nil {
			return false, err
		}
	}
	still = true
	for _, b := range holds {
		was, err := s.shrink(ctx, scope, b.space, b.around, b.CIDR)
		if err != nil {
			return false, err
		}
		still = still && was
	}
	return still, nil
}

// wide returns the holds at p without those that a resource fills: of these, shrink
// would find nothing to give back. What lives there is read behind the holds, as
// shrink reads it.
func (s *Store) wide(ctx context.Context, scope string, p netip.Prefix, holds []poolBlock) ([]poolBlock, error) {
	live, err := s.liveIn(ctx, scope, laid{}, p)
	if err != nil {
		return nil, err
	}
	lives := make(map[netip.Prefix]bool, len(live))
	for _, r := range live {
		lives[r.CIDR] = true
	}
	return slices.DeleteFunc(holds, func(b poolBlock) bool {
		return b.around == laid{} && slices.ContainsFunc(ipam.Holders(b.CIDR), func(h netip.Prefix) bool { return lives[h] })
	}), nil
}

// releaseUnused gives those of the allocations to resources back that do not live
// there.
func (s *Store) releaseUnused(ctx context.Context, scope string, allocated []poolBlock) error {
	rows := make([]Key, len(allocated))
	for i, b := range allocated {
		rows[i] = liveKey(scope, &ipam.Resource{Type: b.Kind.ResourceType(), ID: b.ResourceID, Region: b.ResourceRegion, CIDR: b.CIDR})
	}
	gone := func(read map[Key]Item, row Key) bool { return read[row] == nil || read[row].num(attrIgnored) != 0 }
	all, err := s.table.BatchGet(ctx, rows)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if !gone(all, row) {
			continue
		}
		now, err := s.table.BatchGet(ctx, []Key{row}) // those before it may have taken their time
		if err != nil {
			return err
		}
		if !gone(now, row) {
			continue
		}
		pool, err := one(ctx, s.Pools, string(allocated[i].space))
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
