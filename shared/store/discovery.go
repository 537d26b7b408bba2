package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// A resource discovery and an IPAM that are associated know of each other: the
// discovery has the IPAM's id, the IPAM counts. Both documents and the
// association change in one transaction, on the revisions that were read, so
// neither ends while the other is being associated with it.
//
// What a discovery found then follows: the same transaction notes the work, and
// RunWork lays what was found against the IPAMs that the discovery has by then.
// So it is one work for every change, may be left off and begun again anywhere,
// and is done when nothing differs.

// Discoveries is IPAMs for resource discoveries.
func (s *Store) Discoveries(ctx context.Context, ids []string) ([]*ipam.Discovery, error) {
	return load(ctx, s, ids, DiscoveryKey, decodeDiscovery)
}

// DiscoveriesAfter is IPAMsAfter for resource discoveries.
func (s *Store) DiscoveriesAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.Discovery, string, error) {
	return listAfter(ctx, s, ownerPK(owner), "DISCO#", after, limit, s.Discoveries)
}

// AllDiscoveries returns the resource discoveries of all accounts, by ascending
// id.
func (s *Store) AllDiscoveries(ctx context.Context) ([]*ipam.Discovery, error) {
	var all []*ipam.Discovery
	for after := ""; ; {
		some, next, err := listAfter(ctx, s, discoveriesPK, "", after, 0, s.Discoveries)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if after = next; after == "" {
			return all, nil
		}
	}
}

// Associations is IPAMs for associations of resource discoveries.
func (s *Store) Associations(ctx context.Context, ids []string) ([]*ipam.DiscoveryAssociation, error) {
	return load(ctx, s, ids, AssociationKey, decodeAssociation)
}

// AssociationsAfter is IPAMsAfter for associations of resource discoveries,
// which are their IPAM's owner's.
func (s *Store) AssociationsAfter(ctx context.Context, owner, after string, limit int) ([]*ipam.DiscoveryAssociation, string, error) {
	return listAfter(ctx, s, ownerPK(owner), "ASSOC#", after, limit, s.Associations)
}

// beginDiscovery are the writes that make a resource discovery.
func beginDiscovery(o *ipam.Discovery) []Write {
	return append(ownedWrites(DiscoveryKey(o.ID), &o.Meta, encodeDiscovery(o)),
		Write{Op: OpPut, Key: discoveryRowKey(o.ID), Item: Item{attrID: str(o.ID)}, If: Cond{Absent: true}})
}

// beginDefaultDiscovery are the writes that make an IPAM's default discovery and
// its association.
func (s *Store) beginDefaultDiscovery(o *ipam.IPAM) []Write {
	d := ipam.Discovery{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, o.Discovery), IPAM: o.ID, IPAMs: []string{o.ID}}
	a := ipam.DiscoveryAssociation{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, o.DiscoveryAssociation), IPAM: o.ID, Discovery: d.ID, Default: true}
	a.State = ipam.StateAssociateComplete
	return append(beginDiscovery(&d), ownedWrites(AssociationKey(a.ID), &a.Meta, encodeAssociation(&a))...)
}

// endDiscovery are the writes that end a resource discovery as it was read, and
// note that what it found is to go.
func (s *Store) endDiscovery(o *ipam.Discovery) []Write {
	return append(disowned(DiscoveryKey(o.ID), &o.Meta, Cond{Equal: Item{attrRev: num(o.Rev)}}),
		Write{Op: OpDelete, Key: discoveryRowKey(o.ID)}, s.purgeNote(o.ID))
}

// endAssociations are the writes that end all of an IPAM's associations, and its
// default discovery, with the IPAM. The condition on the IPAM's revision, which
// each association raises, is the caller's.
func (s *Store) endAssociations(ctx context.Context, o *ipam.IPAM) ([]Write, error) {
	all, err := s.associations(ctx, o.Owner)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a *ipam.DiscoveryAssociation) bool { return a.IPAM != o.ID })
	var writes []Write
	for _, a := range all {
		writes = append(writes, disowned(AssociationKey(a.ID), &a.Meta, Cond{Equal: Item{attrRev: num(a.Rev)}})...)
		if a.NotFound {
			continue
		}
		d, err := one(ctx, s.Discoveries, a.Discovery)
		if err != nil {
			return nil, lostIfGone(err)
		}
		if a.Default {
			writes = append(writes, s.endDiscovery(d)...)
		} else {
			writes = append(writes, s.leave(d, o.ID)...)
		}
	}
	return writes, nil
}

// associations returns all associations of an account's IPAMs.
func (s *Store) associations(ctx context.Context, owner string) ([]*ipam.DiscoveryAssociation, error) {
	ids, err := s.list(ctx, owner, "ASSOC")
	if err != nil {
		return nil, err
	}
	return s.Associations(ctx, ids)
}

// lostIfGone is the outcome of not finding what something else, read before,
// says to be there.
func lostIfGone(err error) error {
	if isNotFound(err) {
		return errLost
	}
	return err
}

// rewrite is the write that replaces an object's document, if its revision is
// the one that was read. The caller has raised the revision in the document.
func rewrite(k Key, i Item, rev int64) Write {
	return Write{Op: OpUpdate, Key: k, Set: Item{attrObject: i[attrObject], attrRev: i[attrRev]}, If: Cond{Equal: Item{attrRev: num(rev)}}}
}

// recount is the write that changes an IPAM's number of associations.
func recount(o *ipam.IPAM, by int64) Write {
	rev := o.Rev
	o.Rev++
	o.DiscoveryAssociations += by
	return rewrite(IPAMKey(o.ID), encodeIPAM(o), rev)
}

// join are the writes that show an IPAM what a discovery finds.
func (s *Store) join(d *ipam.Discovery, id string) []Write {
	rev := d.Rev
	d.Rev++
	at, _ := slices.BinarySearch(d.IPAMs, id)
	d.IPAMs = slices.Insert(d.IPAMs, at, id)
	return []Write{rewrite(DiscoveryKey(d.ID), encodeDiscovery(d), rev), s.purgeNote(d.ID)}
}

// leave are the writes that end what join began.
func (s *Store) leave(d *ipam.Discovery, id string) []Write {
	rev := d.Rev
	d.Rev++
	d.IPAMs = slices.DeleteFunc(d.IPAMs, func(i string) bool { return i == id })
	return []Write{rewrite(DiscoveryKey(d.ID), encodeDiscovery(d), rev), s.purgeNote(d.ID)}
}

// CreateDiscovery makes a resource discovery that is no IPAM's default one.
// o.Owner and o.OperatingRegions must be set.
func (s *Store) CreateDiscovery(ctx context.Context, t Token, o ipam.Discovery) (*ipam.Discovery, error) {
	t = s.settle(t)
	key := func(t Token) Key { return DiscoveryKey(s.derive(ipam.IDDiscovery, t)) }
	err := s.create(ctx, t, &o, key, func(t Token) ([]Write, error) {
		account := accountKey(o.Owner)
		read, err := s.table.BatchGet(ctx, []Key{account})
		if err != nil {
			return nil, err
		}
		have, limit := read[account].num(attrDiscoveryCount), s.o.Quotas.Discoveries
		if have >= limit {
			return nil, ipam.LimitExceeded("resource discoveries besides the default ones", have, limit)
		}
		count := Write{Op: OpUpdate, Key: account, Add: map[string]int64{attrDiscoveryCount: 1}}
		switch {
		case read[account] == nil:
			count.Add[attrIPAMCount] = 0
			count.If.Absent = true
		case read[account][attrDiscoveryCount] == nil:
			count.If = Cond{Present: true, Missing: []string{attrDiscoveryCount}}
		default:
			count.If.Below = map[string]int64{attrDiscoveryCount: limit}
		}
		o.Meta = s.newMeta(o.Meta, s.derive(ipam.IDDiscovery, t))
		return append(beginDiscovery(&o), count), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyDiscovery is ModifyIPAM for resource discoveries.
func (s *Store) ModifyDiscovery(ctx context.Context, id string, act ipam.Act, change func(*ipam.Discovery) error) (*ipam.Discovery, error) {
	return modify(ctx, s, DiscoveryKey(id), id, act, decodeDiscovery, encodeDiscovery, func(o *ipam.Discovery) *ipam.Meta { return &o.Meta }, change)
}

// ModifyAssociation is ModifyIPAM for associations of resource discoveries.
func (s *Store) ModifyAssociation(ctx context.Context, id string, act ipam.Act, change func(*ipam.DiscoveryAssociation) error) (*ipam.DiscoveryAssociation, error) {
	return modify(ctx, s, AssociationKey(id), id, act, decodeAssociation, encodeAssociation, func(o *ipam.DiscoveryAssociation) *ipam.Meta { return &o.Meta }, change)
}

// DeleteDiscovery ends a resource discovery that is no IPAM's default one. Its
// associations stay, with NotFound set, until they are ended; what it found
// leaves the IPAMs by RunWork.
func (s *Store) DeleteDiscovery(ctx context.Context, id string, may func(*ipam.Discovery) error) (*ipam.Discovery, error) {
	var o *ipam.Discovery
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]Write, error) {
		found, err := one(ctx, s.Discoveries, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.Default() {
			return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource discovery %s is the default one of %s and cannot be deleted. It goes with its IPAM.", id, o.IPAM)
		}
		if err := o.Require(ipam.ActDelete); err != nil {
			return nil, err
		}
		of, err := s.associationsOf(ctx, o)
		if err != nil {
			return nil, err
		}
		writes := append(s.endDiscovery(o), Write{Op: OpUpdate, Key: accountKey(o.Owner), Add: map[string]int64{attrDiscoveryCount: -1}, If: Cond{Present: true}})
		for _, a := range of {
			rev := a.Rev
			a.Rev++
			a.NotFound = true
			writes = append(writes, rewrite(AssociationKey(a.ID), encodeAssociation(a), rev))
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDeleteComplete
	return o, nil
}

// associationsOf returns the associations of a resource discovery.
func (s *Store) associationsOf(ctx context.Context, d *ipam.Discovery) ([]*ipam.DiscoveryAssociation, error) {
	ipams, err := s.IPAMs(ctx, d.IPAMs)
	if err != nil {
		return nil, err
	}
	var owners []string
	for _, o := range ipams {
		owners = append(owners, o.Owner)
	}
	slices.Sort(owners)
	var of []*ipam.DiscoveryAssociation
	for _, owner := range slices.Compact(owners) {
		all, err := s.associations(ctx, owner)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if a.Discovery == d.ID {
				of = append(of, a)
			}
		}
	}
	return of, nil
}

// Associate shows o.IPAM what o.Discovery finds. may says whether the caller may,
// and is shown nil for a discovery that does not exist.
func (s *Store) Associate(ctx context.Context, t Token, o ipam.DiscoveryAssociation, may func(*ipam.IPAM, *ipam.Discovery) error) (*ipam.DiscoveryAssociation, error) {
	t = s.settle(t)
	key := func(t Token) Key { return AssociationKey(s.derive(ipam.IDDiscoveryAssociation, t)) }
	err := s.create(ctx, t, &o, key, func(t Token) ([]Write, error) {
		above, err := one(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, err
		}
		d, err := one(ctx, s.Discoveries, o.Discovery)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err := may(above, d); err != nil {
			return nil, err
		}
		if d == nil {
			return nil, ipam.NotFound(o.Discovery)
		}
		for _, m := range []*ipam.Meta{&above.Meta, &d.Meta} {
			if err := m.Require(ipam.ActUse); err != nil {
				return nil, err
			}
		}
		if d.Default() && d.IPAM != above.ID {
			return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The resource discovery %s is the default one of %s and is associated with that alone. Make another one with CreateIpamResourceDiscovery.", d.ID, d.IPAM)
		}
		if slices.Contains(d.IPAMs, above.ID) {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The resource discovery %s is associated with %s already. DescribeIpamResourceDiscoveryAssociations shows how.", d.ID, above.ID)
		}
		if limit := s.o.Quotas.AssociationsPerIPAM; above.DiscoveryAssociations >= limit {
			return nil, ipam.LimitExceeded("resource discovery associations of "+above.ID, above.DiscoveryAssociations, limit)
		}
		// They end with the discovery, too, in one transaction.
		if have := int64(len(d.IPAMs)); have >= ipam.MaxAssociationsPerIPAM {
			return nil, ipam.LimitExceeded("associations of "+d.ID, have, ipam.MaxAssociationsPerIPAM)
		}
		o.Owner = above.Owner
		o.Meta = s.newMeta(o.Meta, s.derive(ipam.IDDiscoveryAssociation, t))
		o.State = ipam.StateAssociateComplete
		writes := append(ownedWrites(AssociationKey(o.ID), &o.Meta, encodeAssociation(&o)), recount(above, 1))
		return append(writes, s.join(d, above.ID)...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// Disassociate ends an association that is no IPAM's default one. What the
// discovery found leaves the IPAM by RunWork.
func (s *Store) Disassociate(ctx context.Context, id string, may func(*ipam.DiscoveryAssociation) error) (*ipam.DiscoveryAssociation, error) {
	var o *ipam.DiscoveryAssociation
	err := s.commit(ctx, "disassociate "+id, nil, func(a attempt) ([]Write, error) {
		found, err := one(ctx, s.Associations, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if o.Default {
			return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The association %s is the default one of %s and cannot be ended. It goes with its IPAM.", id, o.IPAM)
		}
		if err := o.Require(ipam.ActDelete); err != nil {
			return nil, err
		}
		above, err := one(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, lostIfGone(err)
		}
		writes := append(disowned(AssociationKey(id), &o.Meta, Cond{Equal: Item{attrRev: num(o.Rev)}}), recount(above, -1))
		if o.NotFound {
			return writes, nil
		}
		d, err := one(ctx, s.Discoveries, o.Discovery)
		if err != nil {
			return nil, lostIfGone(err)
		}
		return append(writes, s.leave(d, o.IPAM)...), nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDisassociateComplete
	return o, nil
}

const purgeWork = "purge"

// purgeNote is the write that notes that what a discovery found is to be laid
// against the IPAMs that it has.
func (s *Store) purgeNote(discovery string) Write {
	return s.again(purgeWork, discovery)
}

// purgeOneNote is purgeNote for what was found of one account in one Region.
func (s *Store) purgeOneNote(discovery, region, account string) Write {
	return s.purgeNote(discovery + "#" + region + "#" + account)
}

// runPurge lays what a discovery found against the IPAMs that it has, and
// removes all of it if the discovery is gone. It is begun again if it was noted
// once more meanwhile. of is what the note is of: a discovery, whose accounts get
// notes of their own, as all may be more than there is time for; or one account in a
// Region, of which all is removed if it is to be forgotten.
func (s *Store) runPurge(ctx context.Context, of string) error {
	id, place, single := strings.Cut(of, "#")
	if !single {
		return s.dividePurge(ctx, id)
	}
	note, k := workKey(purgeWork, of), DiscoveryKey(id)
	region, account, _ := strings.Cut(place, "#")
	at := ipam.DiscoveredAccount{Discovery: id, Region: region, Account: account}
	row := discoveredAccountKey(id, region, account)
	keys := []Key{note, k, row}
	return s.commit(ctx, "purge "+id, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, keys)
		if err != nil || read[note] == nil {
			return nil, err
		}
		follow := func(f *ipam.Found) error { return s.forget(ctx, f) }
		forgotten := read[row].str(attrLeft) == string(ipam.Forgotten)
		var stays []string
		if read[k] != nil && !forgotten {
			d, err := decodeDiscovery(read[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			ipams, err := s.IPAMs(ctx, d.IPAMs)
			if err != nil {
				return nil, err
			}
			stays = d.IPAMs
			follow = func(f *ipam.Found) error { return s.lay(ctx, d, ipams, f) }
		}
		others, err := s.AllDiscoveries(ctx)
		if err != nil {
			return nil, err
		}
		err = s.eachFound(ctx, &at, func(f *ipam.Found) error {
			if err := s.handOver(ctx, f, stays, others); err != nil {
				return err
			}
			return follow(f)
		})
		if err == nil && read[k] == nil {
			err = s.drop(ctx, row)
		}
		if err != nil {
			return nil, err
		}
		writes := []Write{{Op: OpDelete, Key: note, If: Cond{Equal: Item{attrToken: read[note][attrToken]}}}}
		if read[k] == nil || !forgotten {
			return writes, nil
		}
		// What was laid anew meanwhile was not what forget was to forget. And one that
		// is looked at again keeps its row, and what is found from then on.
		if rest, _, err := s.Found(ctx, id, at.Region, at.Account, "", 1); err != nil || len(rest) > 0 {
			return nil, cmp.Or(err, errLost)
		}
		return append(writes, Write{Op: OpDelete, Key: row, If: Cond{Equal: Item{attrLeft: read[row][attrLeft]}}}), nil
	})
}

// dividePurge leaves notes of the accounts and Regions of a discovery in the place of
// the one of all.
func (s *Store) dividePurge(ctx context.Context, discovery string) error {
	note := workKey(purgeWork, discovery)
	return s.commit(ctx, "purge "+discovery, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{note})
		if err != nil || read[note] == nil {
			return nil, err
		}
		var notes []Write
		if err := s.eachAccount(ctx, discovery, func(a *ipam.DiscoveredAccount) error {
			notes = append(notes, s.purgeOneNote(discovery, a.Region, a.Account))
			return nil
		}); err != nil {
			return nil, err
		}
		if err := s.putNotes(ctx, "purge "+discovery, notes); err != nil {
			return nil, err
		}
		return []Write{{Op: OpDelete, Key: note, If: Cond{Equal: Item{attrToken: read[note][attrToken]}}}}, nil
	})
}

// keeps reports whether what a discovery found stands in an IPAM on its account:
// it does not if they are not associated any more, or if it is being forgotten.
func (s *Store) keeps(ctx context.Context, discovery string, r *ipam.Resource, id string) (bool, error) {
	k, row := DiscoveryKey(discovery), discoveredAccountKey(discovery, r.Region, r.Owner)
	read, err := s.table.BatchGet(ctx, []Key{k, row})
	if err != nil || read[k] == nil || read[row].str(attrLeft) == string(ipam.Forgotten) {
		return false, err
	}
	d, err := decodeDiscovery(read[k])
	if err != nil {
		return false, fmt.Errorf("%s: %w", k, err)
	}
	return slices.Contains(d.IPAMs, id), nil
}

// handOver has other discoveries of the IPAMs that what was found leaves take it
// over, if they found it too: then its space is held all the while.
func (s *Store) handOver(ctx context.Context, f *ipam.Found, stays []string, others []*ipam.Discovery) error {
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
		if err := s.lay(ctx, o, ipams, f); err != nil {
			return err
		}
	}
	return nil
}

// catchUp lays what was just observed for IPAMs against those that the discovery
// has now: what ended in between has cleared what was there, and not what is new.
// A look before the write would miss that, and a condition on the discovery would
// have all its observations conflict.
func (s *Store) catchUp(ctx context.Context, discovery string, ipams []*ipam.IPAM, r ipam.Resource) error {
	now, err := s.Discoveries(ctx, []string{discovery})
	if err != nil {
		return err
	}
	if len(now) == 0 {
		k := Key{foundPK(discovery, r.Region, r.Owner), foundSK(&r)}
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil || read[k] == nil {
			return err
		}
		f, err := decodeFound(Row{k, read[k]})
		if err != nil {
			return err
		}
		return s.forget(ctx, f)
	}
	if slices.EqualFunc(now[0].IPAMs, ipams, func(id string, o *ipam.IPAM) bool { return id == o.ID }) {
		return nil
	}
	if ipams, err = s.IPAMs(ctx, now[0].IPAMs); err != nil {
		return err
	}
	return s.lay(ctx, now[0], ipams, &ipam.Found{Resource: r})
}

// eachAccount calls f for every account and Region that a discovery has looked
// at.
func (s *Store) eachAccount(ctx context.Context, discovery string, f func(*ipam.DiscoveredAccount) error) error {
	for after := ""; ; {
		accounts, next, err := s.DiscoveredAccounts(ctx, discovery, "", after, 0)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if err := f(a); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// eachFound calls f for everything that was found in an account and Region.
func (s *Store) eachFound(ctx context.Context, a *ipam.DiscoveredAccount, f func(*ipam.Found) error) error {
	for after := ""; ; {
		found, next, err := s.Found(ctx, a.Discovery, a.Region, a.Account, after, 0)
		if err != nil {
			return err
		}
		for _, r := range found {
			if err := f(r); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// drop removes an item, whatever it is by then.
func (s *Store) drop(ctx context.Context, k Key) error {
	return s.commit(ctx, "remove "+k.String(), nil, func(a attempt) ([]Write, error) {
		if a.unsure {
			if read, err := s.table.BatchGet(ctx, []Key{k}); err != nil || read[k] == nil {
				return nil, err
			}
		}
		return []Write{{Op: OpDelete, Key: k}}, nil
	})
}

// SaveDiscoveredAccount keeps how far the discovery of an account in a Region
// is, in one small write. It never goes back in time: a run that began before
// the one that was kept is left out, and so is a Succeeded that is older than
// the one that was kept. Nothing is kept for a discovery that is gone.
//
// With a.Left, it keeps that the account is not looked at any more, unless that
// is known, or a run has begun since. Any other look ends that.
//
// Save an account before observing what is in it: that it was looked at is how
// what was found is found again when the discovery goes.
func (s *Store) SaveDiscoveredAccount(ctx context.Context, a *ipam.DiscoveredAccount) error {
	k := discoveredAccountKey(a.Discovery, a.Region, a.Account)
	err := s.commit(ctx, "save "+k.String(), nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		now := *a
		w := Write{Op: OpPut, Key: k, If: Cond{Absent: true}}
		if i := read[k]; i != nil {
			have, err := decodeDiscoveredAccount(Row{k, i})
			if err != nil {
				return nil, err
			}
			now.Succeeded = max(now.Succeeded, have.Succeeded)
			switch late := have.Attempted > now.Attempted; {
			case late && have.Left == ipam.Stays, have.Left != ipam.Stays && now.Left != ipam.Stays:
				return nil, nil
			case late:
				now = *have
				now.Left = ipam.Stays
			case *have == now:
				return nil, nil
			}
			w.If = asItWas(have)
		}
		w.Item = encodeDiscoveredAccount(&now)
		return []Write{w}, nil
	})
	if err != nil {
		return err
	}
	// Looking before the write would miss an end in between, and a condition on
	// the discovery would have the runs of all accounts conflict.
	if _, err = one(ctx, s.Discoveries, a.Discovery); !isNotFound(err) {
		return err
	}
	return s.drop(ctx, k)
}

// asItWas is the condition that how far the discovery of an account is was not
// saved since it was read.
func asItWas(a *ipam.DiscoveredAccount) Cond {
	c := Cond{Equal: Item{attrAttempted: num(a.Attempted), attrSucceeded: num(a.Succeeded)}}
	if a.Left == ipam.Stays {
		c.Missing = []string{attrLeft}
	} else {
		c.Equal[attrLeft] = str(string(a.Left))
	}
	return c
}

// ForgetAccount has RunWork forget what a discovery found of an account in a
// Region, or in every one (""), whose space is free then, and returns what is
// known of the account there. may says whether the caller may. An account that
// is still looked at is refused, as all would be found again; so is one that the
// discovery does not know.
func (s *Store) ForgetAccount(ctx context.Context, discovery, account, region string, may func(*ipam.Discovery) error) ([]*ipam.DiscoveredAccount, error) {
	var known []*ipam.DiscoveredAccount
	err := s.commit(ctx, "forget "+account, nil, func(a attempt) ([]Write, error) {
		d, err := one(ctx, s.Discoveries, discovery)
		if err != nil {
			return ended(a, known != nil, err)
		}
		if err := may(d); err != nil {
			return nil, err
		}
		now, err := s.knownOf(ctx, discovery, account, region)
		if err != nil {
			return nil, err
		}
		if len(now) == 0 && known != nil && a.unsure {
			return nil, nil // forgotten already
		}
		if known = now; len(known) == 0 {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The resource discovery %s knows nothing of the account %s in %s. GetIpamDiscoveredAccounts lists the accounts that it knows in a Region.", discovery, account, cmp.Or(region, "any Region"))
		}
		if most := MaxWrites / 2; len(known) > most {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The resource discovery %s knows the account %s in %d Regions, more than the %d that can be forgotten at once. Name a DiscoveryRegion.", discovery, account, len(known), most)
		}
		regions, err := s.operating(ctx, d)
		if err != nil {
			return nil, err
		}
		var writes []Write
		for _, k := range known {
			if k.Left == ipam.Stays || k.Left == ipam.LeftRegion && slices.Contains(regions, k.Region) {
				return nil, ipam.Errorf(ipam.CodeIncorrectState, "The account %s is still looked at in %s by %s, and what is forgotten would be found again. GetIpamDiscoveredAccounts tells when it has left; exclude its organizational unit, or remove the Region, to have it leave at the next run of the schedule.", account, k.Region, discovery)
			}
			if k.Left == ipam.Forgotten {
				continue
			}
			w := Write{Op: OpUpdate, Key: discoveredAccountKey(discovery, k.Region, account), Set: Item{attrLeft: str(string(ipam.Forgotten))}, If: asItWas(k)}
			writes = append(writes, w, s.purgeOneNote(discovery, k.Region, account))
			k.Left = ipam.Forgotten
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return known, nil
}

// knownOf returns how far a discovery is in an account, in a Region or in all
// ("").
func (s *Store) knownOf(ctx context.Context, discovery, account, region string) (known []*ipam.DiscoveredAccount, err error) {
	err = s.eachAccount(ctx, discovery, func(a *ipam.DiscoveredAccount) error {
		if a.Account == account && (region == "" || a.Region == region) {
			known = append(known, a)
		}
		return nil
	})
	return known, err
}

// operating returns the Regions that a discovery watches, which are its IPAM's
// if it is the default one.
func (s *Store) operating(ctx context.Context, d *ipam.Discovery) ([]string, error) {
	if !d.Default() {
		return d.OperatingRegions, nil
	}
	o, err := one(ctx, s.IPAMs, d.IPAM)
	if err != nil {
		return nil, lostIfGone(err)
	}
	return o.OperatingRegions, nil
}

// DiscoveredAccounts returns how far a discovery is in the accounts that it has
// looked at in a Region, or in all ("") by ascending Region, by ascending account, as Found does.
func (s *Store) DiscoveredAccounts(ctx context.Context, discovery, region, after string, limit int) ([]*ipam.DiscoveredAccount, string, error) {
	from := accountPrefix
	if region != "" {
		from += region + "#"
	}
	return decoded(ctx, s, Query{PK: DiscoveryKey(discovery).PK, From: from, To: from + "~", After: after, Limit: limit}, decodeDiscoveredAccount)
}

// DiscoveredAccount returns how far a discovery is in an account in a Region, nil
// if it has not looked there.
func (s *Store) DiscoveredAccount(ctx context.Context, discovery, region, account string) (*ipam.DiscoveredAccount, error) {
	k := discoveredAccountKey(discovery, region, account)
	read, err := s.table.BatchGet(ctx, []Key{k})
	if err != nil || read[k] == nil {
		return nil, err
	}
	return decodeDiscoveredAccount(Row{k, read[k]})
}

// DiscoveredAccountAfter returns the text to go on from behind what
// DiscoveredAccounts returned.
func DiscoveredAccountAfter(a *ipam.DiscoveredAccount) string {
	return discoveredAccountKey(a.Discovery, a.Region, a.Account).SK
}

func decodeDiscoveredAccount(r Row) (*ipam.DiscoveredAccount, error) {
	place := strings.Split(r.Key.SK, "#")
	if len(place) != 3 {
		return nil, fmt.Errorf("sort key %q is not that of a discovered account", r.Key.SK)
	}
	return &ipam.DiscoveredAccount{
		Discovery:   strings.TrimPrefix(r.Key.PK, "DISCO#"),
		Region:      place[1],
		Account:     place[2],
		OU:          r.Item.str(attrUnit),
		Attempted:   r.Item.num(attrAttempted),
		Succeeded:   r.Item.num(attrSucceeded),
		FailureCode: r.Item.str(attrFailureCode),
		Failure:     r.Item.str(attrFailure),
		Left:        ipam.Leave(r.Item.str(attrLeft)),
	}, nil
}
