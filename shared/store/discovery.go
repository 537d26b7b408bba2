package store

import (
	"context"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// addToCount returns the write that changes an IPAM's number of associations.
func addToCount(o *ipam.IPAM, by int64) table.Write {
	rev := o.Rev
	o.Rev++
	o.DiscoveryAssociations += by
	return replaceDocument(items.IPAMKey(o.ID), items.EncodeIPAM(o), rev)
}

// beginDiscovery returns the writes that create a resource discovery.
func beginDiscovery(o *ipam.Discovery) []table.Write {
	return append(ownedWrites(items.DiscoveryKey(o.ID), &o.Meta, items.EncodeDiscovery(o)),
		table.Write{Op: table.OpPut, Key: items.DiscoveryRowKey(o.ID), Item: table.Item{items.AttrID: table.Str(o.ID)}, If: table.Cond{Absent: true}})
}

// beginDefaultDiscovery returns the writes that create an IPAM's default discovery and its
// association.
func (s *Store) beginDefaultDiscovery(o *ipam.IPAM) []table.Write {
	d := ipam.Discovery{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, o.Discovery), IPAM: o.ID, IPAMs: []string{o.ID}}
	a := ipam.DiscoveryAssociation{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, o.DiscoveryAssociation), IPAM: o.ID, Discovery: d.ID, Default: true}
	a.State = ipam.StateAssociateComplete
	return append(beginDiscovery(&d), ownedWrites(items.AssociationKey(a.ID), &a.Meta, items.EncodeAssociation(&a))...)
}

// endDiscovery returns the writes that delete a resource discovery as it was read, with
// the note that deletes the CIDRs that it found.
func (s *Store) endDiscovery(o *ipam.Discovery) []table.Write {
	return append(deleteOwnedWrites(items.DiscoveryKey(o.ID), &o.Meta, table.Cond{Equal: table.Item{items.AttrRev: table.Num(o.Rev)}}),
		table.Write{Op: table.OpDelete, Key: items.DiscoveryRowKey(o.ID)}, s.purgeNote(o.ID))
}

// endAssociations returns the writes that delete all associations of an IPAM, and its
// default discovery, with the IPAM. The caller adds the condition on the IPAM's revision,
// which each new association raises.
func (s *Store) endAssociations(ctx context.Context, o *ipam.IPAM) ([]table.Write, error) {
	all, err := s.associations(ctx, o.Owner)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a *ipam.DiscoveryAssociation) bool { return a.IPAM != o.ID })
	var writes []table.Write
	for _, a := range all {
		writes = append(writes, deleteOwnedWrites(items.AssociationKey(a.ID), &a.Meta, table.Cond{Equal: table.Item{items.AttrRev: table.Num(a.Rev)}})...)
		if a.NotFound {
			continue
		}
		d, err := readOne(ctx, s.Discoveries, a.Discovery)
		if err != nil {
			return nil, staleIfNotFound(err)
		}
		if a.Default {
			writes = append(writes, s.endDiscovery(d)...)
		} else {
			writes = append(writes, s.detach(d, o.ID)...)
		}
	}
	return writes, nil
}

// attach returns the writes that give an IPAM the CIDRs that a discovery finds.
func (s *Store) attach(d *ipam.Discovery, id string) []table.Write {
	rev := d.Rev
	d.Rev++
	at, _ := slices.BinarySearch(d.IPAMs, id)
	d.IPAMs = slices.Insert(d.IPAMs, at, id)
	return []table.Write{replaceDocument(items.DiscoveryKey(d.ID), items.EncodeDiscovery(d), rev), s.purgeNote(d.ID)}
}

// detach returns the writes that undo attach.
func (s *Store) detach(d *ipam.Discovery, id string) []table.Write {
	rev := d.Rev
	d.Rev++
	d.IPAMs = slices.DeleteFunc(d.IPAMs, func(i string) bool { return i == id })
	return []table.Write{replaceDocument(items.DiscoveryKey(d.ID), items.EncodeDiscovery(d), rev), s.purgeNote(d.ID)}
}

// CreateDiscovery creates a resource discovery that is not the default one of an IPAM.
// o.Owner and o.OperatingRegions must be set.
func (s *Store) CreateDiscovery(ctx context.Context, t Token, o ipam.Discovery) (*ipam.Discovery, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	key := func(t Token) table.Key { return items.DiscoveryKey(s.deriveID(ipam.IDDiscovery, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		account := items.AccountKey(o.Owner)
		read, err := s.table.BatchGet(ctx, []table.Key{account})
		if err != nil {
			return nil, err
		}
		have, limit := read[account].Num(items.AttrDiscoveryCount), s.o.Quotas.Discoveries
		if have >= limit {
			return nil, ipam.LimitExceeded("resource discoveries besides the default ones", have, limit)
		}
		count := table.Write{Op: table.OpUpdate, Key: account, Add: map[string]int64{items.AttrDiscoveryCount: 1}}
		switch {
		case read[account] == nil:
			count.Add[items.AttrIPAMCount] = 0
			count.If.Absent = true
		case read[account][items.AttrDiscoveryCount] == nil:
			count.If = table.Cond{Present: true, Missing: []string{items.AttrDiscoveryCount}}
		default:
			count.If.Below = map[string]int64{items.AttrDiscoveryCount: limit}
		}
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDDiscovery, t))
		return append(beginDiscovery(&o), count), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyDiscovery applies change to a resource discovery, as [Store.ModifyIPAM] does to an
// IPAM.
func (s *Store) ModifyDiscovery(ctx context.Context, id string, act ipam.Act, change func(*ipam.Discovery) error) (*ipam.Discovery, error) {
	return modify(ctx, s, discoveryEntity, modification[ipam.Discovery]{id: id, act: act, change: change})
}

// ModifyAssociation applies change to an association of a resource discovery, as
// [Store.ModifyIPAM] does to an IPAM.
func (s *Store) ModifyAssociation(ctx context.Context, id string, act ipam.Act, change func(*ipam.DiscoveryAssociation) error) (*ipam.DiscoveryAssociation, error) {
	return modify(ctx, s, associationEntity, modification[ipam.DiscoveryAssociation]{id: id, act: act, change: change})
}

// DeleteDiscovery deletes a resource discovery that is not the default one of an IPAM. Its
// associations stay, with NotFound set, until they are deleted. [Store.RunWork] removes
// the CIDRs that it found from the IPAMs.
func (s *Store) DeleteDiscovery(ctx context.Context, id string, may func(*ipam.Discovery) error) (*ipam.Discovery, error) {
	var o *ipam.Discovery
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.Discoveries, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
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
		writes := append(s.endDiscovery(o), table.Write{Op: table.OpUpdate, Key: items.AccountKey(o.Owner), Add: map[string]int64{items.AttrDiscoveryCount: -1}, If: table.Cond{Present: true}})
		for _, a := range of {
			rev := a.Rev
			a.Rev++
			a.NotFound = true
			writes = append(writes, replaceDocument(items.AssociationKey(a.ID), items.EncodeAssociation(a), rev))
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

// Associate gives o.IPAM the CIDRs that o.Discovery finds. may says whether the caller
// may; it gets nil for a discovery that does not exist.
func (s *Store) Associate(ctx context.Context, t Token, o ipam.DiscoveryAssociation, may func(*ipam.IPAM, *ipam.Discovery) error) (*ipam.DiscoveryAssociation, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	key := func(t Token) table.Key { return items.AssociationKey(s.deriveID(ipam.IDDiscoveryAssociation, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		above, err := readOne(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, err
		}
		d, err := readOne(ctx, s.Discoveries, o.Discovery)
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
		// The associations are deleted with the discovery in one transaction.
		if have := int64(len(d.IPAMs)); have >= ipam.MaxAssociationsPerIPAM {
			return nil, ipam.LimitExceeded("associations of "+d.ID, have, ipam.MaxAssociationsPerIPAM)
		}
		o.Owner = above.Owner
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDDiscoveryAssociation, t))
		o.State = ipam.StateAssociateComplete
		writes := append(ownedWrites(items.AssociationKey(o.ID), &o.Meta, items.EncodeAssociation(&o)), addToCount(above, 1))
		return append(writes, s.attach(d, above.ID)...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// Disassociate deletes an association that is not the default one of an IPAM.
// [Store.RunWork] removes the CIDRs that the discovery found from the IPAM.
func (s *Store) Disassociate(ctx context.Context, id string, may func(*ipam.DiscoveryAssociation) error) (*ipam.DiscoveryAssociation, error) {
	var o *ipam.DiscoveryAssociation
	err := s.commit(ctx, "disassociate "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.Associations, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
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
		above, err := readOne(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, staleIfNotFound(err)
		}
		writes := append(deleteOwnedWrites(items.AssociationKey(id), &o.Meta, table.Cond{Equal: table.Item{items.AttrRev: table.Num(o.Rev)}}), addToCount(above, -1))
		if o.NotFound {
			return writes, nil
		}
		d, err := readOne(ctx, s.Discoveries, o.Discovery)
		if err != nil {
			return nil, staleIfNotFound(err)
		}
		return append(writes, s.detach(d, o.IPAM)...), nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDisassociateComplete
	return o, nil
}
