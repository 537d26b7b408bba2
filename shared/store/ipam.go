package store

import (
	"context"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// CreateIPAM creates an IPAM with its two default scopes and its default resource
// discovery. o.Owner must be set. CreateIPAM sets ids, state and counts.
func (s *Store) CreateIPAM(ctx context.Context, t Token, o ipam.IPAM) (*ipam.IPAM, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	key := func(t Token) table.Key { return items.IPAMKey(s.deriveID(ipam.IDIPAM, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDIPAM, t))
		o.PublicScope = s.deriveID(ipam.IDScope, t, "public")
		o.PrivateScope = s.deriveID(ipam.IDScope, t, "private")
		o.Discovery = s.deriveID(ipam.IDDiscovery, t)
		o.DiscoveryAssociation = s.deriveID(ipam.IDDiscoveryAssociation, t)
		o.ScopeCount, o.DiscoveryAssociations = 2, 1
		account := items.AccountKey(o.Owner)
		read, err := s.table.BatchGet(ctx, []table.Key{account})
		if err != nil {
			return nil, err
		}
		count := table.Write{Op: table.OpPut, Key: account, Item: table.Item{items.AttrIPAMCount: table.Num(1)}, If: table.Cond{Absent: true}}
		if i, ok := read[account]; ok {
			if have := i.Num(items.AttrIPAMCount); have >= s.o.Quotas.IPAMs {
				return nil, ipam.LimitExceeded("ipams", have, s.o.Quotas.IPAMs)
			}
			count = table.Write{Op: table.OpUpdate, Key: account, Add: map[string]int64{items.AttrIPAMCount: 1}, If: table.Cond{Below: map[string]int64{items.AttrIPAMCount: s.o.Quotas.IPAMs}}}
		}
		writes := append(ownedWrites(items.IPAMKey(o.ID), &o.Meta, items.EncodeIPAM(&o)), count)
		for id, kind := range map[string]ipam.ScopeType{o.PublicScope: ipam.ScopePublic, o.PrivateScope: ipam.ScopePrivate} {
			scope := ipam.Scope{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, id), IPAM: o.ID, Type: kind, Default: true}
			writes = append(writes, ownedWrites(items.ScopeKey(id), &scope.Meta, items.EncodeScope(&scope))...)
			writes = append(writes, scopeRoots(id, table.OpPut)...)
		}
		return append(writes, s.beginDefaultDiscovery(&o)...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyIPAM applies change to an IPAM. change gets the present IPAM and may be called more
// than once; its error is the answer. It must replace maps and slices, not change them. If
// a pool is created in the IPAM meanwhile, change is called again.
func (s *Store) ModifyIPAM(ctx context.Context, id string, act ipam.Act, change func(*ipam.IPAM) error) (*ipam.IPAM, error) {
	return modify(ctx, s, ipamEntity, modification[ipam.IPAM]{id: id, act: act, change: change})
}

// DeleteIPAM deletes an IPAM, its default scopes, its default resource discovery and its
// other associations; [Store.RunWork] removes the CIDRs that were found. It refuses an IPAM
// with further scopes, with pools or with prefix list resolvers, except with cascade: then
// the IPAM goes to delete-in-progress, and RunWork deletes its contents. may also gets the IPAM's pools,
// because cascade refuses some.
func (s *Store) DeleteIPAM(ctx context.Context, id string, cascade bool, may func(*ipam.IPAM, []*ipam.Pool) error) (*ipam.IPAM, error) {
	var o *ipam.IPAM
	state := ipam.StateDeleteComplete
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.IPAMs, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
		}
		o = found
		scopes, pools, err := s.contents(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := may(o, pools); err != nil {
			return nil, err
		}
		resolvers, err := s.ResolversOf(ctx, o)
		if err != nil {
			return nil, err
		}
		if len(scopes) == 2 && len(pools)+len(resolvers) == 0 {
			if err := o.Require(ipam.ActDelete); err != nil {
				return nil, err
			}
			state = ipam.StateDeleteComplete
			return s.endIPAM(ctx, o, scopes)
		}
		if cascade {
			state = ipam.StateDeleteInProgress
			return s.beginDelete(items.IPAMKey(id), &o.Meta, items.DeleteIPAMWork)
		}
		return nil, ipam.Errorf(ipam.CodeDependencyViolation, "The specified action is not valid for %s. It has %d scopes besides its default ones, %d pools and %d prefix list resolvers; delete them first, or delete with Cascade.", id, len(scopes)-2, len(pools), len(resolvers))
	})
	if err != nil {
		return nil, err
	}
	o.State = state
	return o, nil
}

func (s *Store) endIPAM(ctx context.Context, o *ipam.IPAM, scopes []*ipam.Scope) ([]table.Write, error) {
	writes, err := s.endAssociations(ctx, o)
	if err != nil {
		return nil, err
	}
	// The condition is on the revision: an association that is made meanwhile must not
	// outlive the IPAM.
	writes = append(writes, deleteOwnedWrites(items.IPAMKey(o.ID), &o.Meta, table.Cond{Equal: table.Item{items.AttrScopeCount: table.Num(2), items.AttrRev: table.Num(o.Rev)}})...)
	for _, scope := range scopes {
		writes = append(writes, s.endScope(scope)...)
	}
	return append(writes,
		table.Write{Op: table.OpUpdate, Key: items.AccountKey(o.Owner), Add: map[string]int64{items.AttrIPAMCount: -1}, If: table.Cond{Present: true}},
		table.Write{Op: table.OpDelete, Key: items.WorkKey(items.DeleteIPAMWork, o.ID)},
	), nil
}
