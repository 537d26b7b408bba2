package store

import (
	"context"
	"reflect"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// beginResolver returns the writes that create a prefix list resolver, with the work note
// that selects its CIDRs.
func (s *Store) beginResolver(o *ipam.PrefixListResolver) []table.Write {
	return append(ownedWrites(items.ResolverKey(o.ID), &o.Meta, items.EncodeResolver(o)),
		table.Write{Op: table.OpPut, Key: items.ResolverRowKey(o.ID), Item: table.Item{items.AttrID: table.Str(o.ID)}, If: table.Cond{Absent: true}},
		s.selectNote(o.ID))
}

// endResolver returns the writes that delete a prefix list resolver as it was read, with
// the work note that deletes its CIDRs and versions.
func (s *Store) endResolver(o *ipam.PrefixListResolver) []table.Write {
	return append(deleteOwnedWrites(items.ResolverKey(o.ID), &o.Meta, table.Cond{Equal: table.Item{items.AttrRev: table.Num(o.Rev)}}),
		table.Write{Op: table.OpDelete, Key: items.ResolverRowKey(o.ID)}, s.selectNote(o.ID))
}

// CreateResolver creates a prefix list resolver of the IPAM o.IPAM. may says whether the
// caller may. [Store.RunWork] makes its first version.
func (s *Store) CreateResolver(ctx context.Context, t Token, o ipam.PrefixListResolver, may func(*ipam.IPAM) error) (*ipam.PrefixListResolver, error) {
	t, err := s.completeToken(ctx, t)
	if err != nil {
		return nil, err
	}
	key := func(t Token) table.Key { return items.ResolverKey(s.deriveID(ipam.IDResolver, t)) }
	err = s.create(ctx, t, &o, key, func(t Token) ([]table.Write, error) {
		above, err := readOne(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, err
		}
		if err := may(above); err != nil {
			return nil, err
		}
		if err := above.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		others, err := s.ResolversOf(ctx, above)
		if err != nil {
			return nil, err
		}
		if have := int64(len(others)); have >= s.o.Quotas.ResolversPerIPAM {
			return nil, ipam.LimitExceeded("prefix list resolvers of "+above.ID, have, s.o.Quotas.ResolversPerIPAM)
		}
		o.Owner, o.LastCreation = above.Owner, ipam.CreationPending
		o.Meta = s.newMeta(o.Meta, s.deriveID(ipam.IDResolver, t))
		// No other resolver is created, and no deletion of the IPAM begins, meanwhile.
		return append(s.beginResolver(&o), raiseRevision(items.IPAMKey(above.ID), above.Rev)), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// ModifyResolver applies change to a prefix list resolver, as [Store.ModifyIPAM] does to an
// IPAM. If the rules change, [Store.RunWork] selects all CIDRs again.
func (s *Store) ModifyResolver(ctx context.Context, id string, act ipam.Act, change func(*ipam.PrefixListResolver) error) (*ipam.PrefixListResolver, error) {
	return modify(ctx, s, resolverEntity, modification[ipam.PrefixListResolver]{
		id: id, act: act,
		change: func(o *ipam.PrefixListResolver) error {
			rules := o.Rules
			if err := change(o); err != nil {
				return err
			}
			if !reflect.DeepEqual(rules, o.Rules) {
				o.LastCreation, o.Failure = ipam.CreationPending, ""
			}
			return nil
		},
		with: func(before, after *ipam.PrefixListResolver) []table.Write {
			if reflect.DeepEqual(before.Rules, after.Rules) {
				return nil
			}
			return []table.Write{s.selectNote(id)}
		},
	})
}

// DeleteResolver deletes a prefix list resolver. [Store.RunWork] deletes its versions.
func (s *Store) DeleteResolver(ctx context.Context, id string, may func(*ipam.PrefixListResolver) error) (*ipam.PrefixListResolver, error) {
	var o *ipam.PrefixListResolver
	err := s.commit(ctx, "delete "+id, nil, func(a attempt) ([]table.Write, error) {
		found, err := readOne(ctx, s.Resolvers, id)
		if err != nil {
			return deletedBefore(a, o != nil, err)
		}
		o = found
		if err := may(o); err != nil {
			return nil, err
		}
		if err := o.Require(ipam.ActDelete); err != nil {
			return nil, err
		}
		return s.endResolver(o), nil
	})
	if err != nil {
		return nil, err
	}
	o.State = ipam.StateDeleteComplete
	return o, nil
}
