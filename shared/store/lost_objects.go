package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// lostObject returns the try of an object. plain clears the members of the object that
// follow from others; put returns the writes that create it.
func lostObject[T any](ctx context.Context, s *Store, q PutBack, e entity[T], plain func(*T), put func(context.Context, table.Table, *T) (PutBackResult, []table.Write, error)) (putBackTry, error) {
	k := e.key(q.ID)
	old, err := q.From.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return nil, err
	}
	if old[k] == nil {
		return noTry(IsGone, ""), nil
	}
	lost, err := e.decode(old[k])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	if e.meta(lost).State == ipam.StateDeleteInProgress {
		return noTry(IsImpossible, "it was being deleted"), nil
	}
	plain(lost)
	return func(ctx context.Context) (PutBackResult, []table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return PutBackResult{}, nil, err
		}
		if read[k] == nil {
			now := *lost
			return put(ctx, q.From, &now)
		}
		have, err := e.decode(read[k])
		if err != nil {
			return PutBackResult{}, nil, fmt.Errorf("%s: %w", k, err)
		}
		plain(have)
		for _, m := range []*ipam.Meta{e.meta(have), e.meta(lost)} {
			m.State, m.Rev = ipam.StateCreateComplete, 1
		}
		if items.JSON(have) != items.JSON(lost) {
			return PutBackResult{Outcome: IsDifferent}, nil, nil
		}
		return PutBackResult{Outcome: WasThere}, nil, nil
	}, nil
}

func plainIPAM(o *ipam.IPAM)                        { o.ScopeCount, o.DiscoveryAssociations = 2, 1 }
func plainScope(o *ipam.Scope)                      { o.PoolCount = 0 }
func plainPool(o *ipam.Pool)                        { o.CIDRCount, o.ChildCount = 0, 0 }
func plainDiscovery(o *ipam.Discovery)              { o.IPAMs = nil }
func plainAssociation(o *ipam.DiscoveryAssociation) { o.NotFound = false }

func plainResolver(o *ipam.PrefixListResolver) {
	o.Latest, o.LastCreation, o.Failure, o.Changes, o.Through = 0, ipam.CreationPending, "", 0, netip.Prefix{}
}

// parentOf returns an object in which something is to be put back, nil with the outcome if
// it is missing or does not admit that.
func parentOf[T any](ctx context.Context, get func(context.Context, []string) ([]*T, error), id string, meta func(*T) *ipam.Meta) (*T, PutBackResult, error) {
	o, err := readOne(ctx, get, id)
	switch {
	case isNotFound(err):
		return nil, PutBackResult{HasNoParent, id}, nil
	case err != nil:
		return nil, PutBackResult{}, err
	}
	if unfit := meta(o).Require(ipam.ActUse); unfit != nil {
		return nil, PutBackResult{IsImpossible, unfit.Error()}, nil //nolint:nilerr // the refusal is the result
	}
	return o, PutBackResult{}, nil
}

// putBackIPAM puts an IPAM back with the objects that CreateIPAM makes with it.
func (s *Store) putBackIPAM(ctx context.Context, from table.Table, o *ipam.IPAM) (PutBackResult, []table.Write, error) {
	public, private, discovery, association := items.ScopeKey(o.PublicScope), items.ScopeKey(o.PrivateScope), items.DiscoveryKey(o.Discovery), items.AssociationKey(o.DiscoveryAssociation)
	keys := []table.Key{public, private, discovery, association}
	old, err := from.BatchGet(ctx, keys)
	if err != nil {
		return PutBackResult{}, nil, err
	}
	for _, k := range keys {
		if old[k] == nil {
			return notPutBack(IsGone, "it was deleted meanwhile")
		}
	}
	account := items.AccountKey(o.Owner)
	read, err := s.table.BatchGet(ctx, []table.Key{account})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	count := table.Write{Op: table.OpUpdate, Key: account, Add: map[string]int64{items.AttrIPAMCount: 1}, If: table.Cond{Present: true}}
	if read[account] == nil {
		count = table.Write{Op: table.OpPut, Key: account, Item: table.Item{items.AttrIPAMCount: table.Num(1)}, If: table.Cond{Absent: true}}
	}
	writes := append(ownedWrites(items.IPAMKey(o.ID), &o.Meta, items.EncodeIPAM(o)), count)
	for _, k := range []table.Key{public, private} {
		scope, err := items.DecodeScope(old[k])
		if err != nil {
			return PutBackResult{}, nil, fmt.Errorf("%s: %w", k, err)
		}
		plainScope(scope)
		writes = append(writes, ownedWrites(k, &scope.Meta, items.EncodeScope(scope))...)
		writes = append(writes, scopeRoots(scope.ID, table.OpPut)...)
	}
	d, err := items.DecodeDiscovery(old[discovery])
	if err != nil {
		return PutBackResult{}, nil, fmt.Errorf("%s: %w", discovery, err)
	}
	d.IPAMs = []string{o.ID}
	a, err := items.DecodeAssociation(old[association])
	if err != nil {
		return PutBackResult{}, nil, fmt.Errorf("%s: %w", association, err)
	}
	writes = append(writes, beginDiscovery(d)...)
	return wasPutBack(append(writes, ownedWrites(association, &a.Meta, items.EncodeAssociation(a))...)...)
}

func (s *Store) putBackScope(ctx context.Context, _ table.Table, o *ipam.Scope) (PutBackResult, []table.Write, error) {
	above, missing, err := parentOf(ctx, s.IPAMs, o.IPAM, ipamEntity.meta)
	if above == nil || err != nil {
		return missing, nil, err
	}
	if o.Default {
		return notPutBack(IsImpossible, "%s has other default scopes", above.ID)
	}
	count := raiseRevision(items.IPAMKey(above.ID), above.Rev)
	count.Add[items.AttrScopeCount] = 1
	writes := append(ownedWrites(items.ScopeKey(o.ID), &o.Meta, items.EncodeScope(o)), scopeRoots(o.ID, table.OpPut)...)
	return wasPutBack(append(writes, count)...)
}

func (s *Store) putBackPool(ctx context.Context, _ table.Table, o *ipam.Pool) (PutBackResult, []table.Write, error) {
	scope, missing, err := parentOf(ctx, s.Scopes, o.Scope, scopeEntity.meta)
	if scope == nil || err != nil {
		return missing, nil, err
	}
	above, missing, err := parentOf(ctx, s.IPAMs, o.IPAM, ipamEntity.meta)
	if above == nil || err != nil {
		return missing, nil, err
	}
	if o.Locale != "" && !slices.Contains(above.OperatingRegions, o.Locale) {
		return notPutBack(IsImpossible, "its locale %s is no operating Region of %s; add it with ModifyIpam", o.Locale, above.ID)
	}
	usable := table.Cond{In: map[string][]string{items.AttrState: ipam.Admitting(ipam.ActUse)}}
	writes := append(ownedWrites(items.PoolKey(o.ID), &o.Meta, items.EncodePool(o)),
		table.Write{Op: table.OpUpdate, Key: items.ScopeKey(scope.ID), Add: map[string]int64{items.AttrPoolCount: 1}, If: usable},
		raiseRevision(items.IPAMKey(above.ID), above.Rev))
	if o.SourcePool != "" {
		source, missing, err := parentOf(ctx, s.Pools, o.SourcePool, poolEntity.meta)
		if source == nil || err != nil {
			return missing, nil, err
		}
		writes = append(writes, table.Write{Op: table.OpUpdate, Key: items.PoolKey(source.ID), Add: map[string]int64{items.AttrChildCount: 1}, If: usable})
	}
	for _, principal := range o.Shares {
		writes = append(writes, table.Write{Op: table.OpPut, Key: items.SharedKey(principal, o.ID), Item: table.Item{items.AttrID: table.Str(o.ID)}, If: table.Cond{Absent: true}})
	}
	return wasPutBack(writes...)
}

func (s *Store) putBackDiscovery(ctx context.Context, _ table.Table, o *ipam.Discovery) (PutBackResult, []table.Write, error) {
	if o.Default() {
		return s.withoutIPAM(ctx, o.IPAM)
	}
	account := items.AccountKey(o.Owner)
	read, err := s.table.BatchGet(ctx, []table.Key{account})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	count := table.Write{Op: table.OpUpdate, Key: account, Add: map[string]int64{items.AttrDiscoveryCount: 1}, If: table.Cond{Present: true}}
	if read[account] == nil {
		count.Add[items.AttrIPAMCount] = 0
		count.If = table.Cond{Absent: true}
	}
	return wasPutBack(append(beginDiscovery(o), count)...)
}

// withoutIPAM is the outcome of the default discovery of an IPAM, and of its association,
// which are put back with it.
func (s *Store) withoutIPAM(ctx context.Context, id string) (PutBackResult, []table.Write, error) {
	above, missing, err := parentOf(ctx, s.IPAMs, id, ipamEntity.meta)
	if above == nil || err != nil {
		return missing, nil, err
	}
	return notPutBack(IsImpossible, "%s has another default resource discovery", above.ID)
}

func (s *Store) putBackAssociation(ctx context.Context, _ table.Table, o *ipam.DiscoveryAssociation) (PutBackResult, []table.Write, error) {
	if o.Default {
		return s.withoutIPAM(ctx, o.IPAM)
	}
	above, missing, err := parentOf(ctx, s.IPAMs, o.IPAM, ipamEntity.meta)
	if above == nil || err != nil {
		return missing, nil, err
	}
	d, missing, err := parentOf(ctx, s.Discoveries, o.Discovery, discoveryEntity.meta)
	if d == nil || err != nil {
		return missing, nil, err
	}
	if slices.Contains(d.IPAMs, above.ID) {
		return notPutBack(IsImpossible, "%s is associated with %s already", d.ID, above.ID)
	}
	writes := append(ownedWrites(items.AssociationKey(o.ID), &o.Meta, items.EncodeAssociation(o)), addToCount(above, 1))
	return wasPutBack(append(writes, s.attach(d, above.ID)...)...)
}

// putBackResolver puts a resolver back without its versions. The next one has a higher
// number than they.
func (s *Store) putBackResolver(ctx context.Context, from table.Table, o *ipam.PrefixListResolver) (PutBackResult, []table.Write, error) {
	k := items.ResolverKey(o.ID)
	old, err := from.BatchGet(ctx, []table.Key{k})
	if err != nil {
		return PutBackResult{}, nil, err
	}
	if old[k] == nil {
		return notPutBack(IsGone, "it was deleted meanwhile")
	}
	lost, err := items.DecodeResolver(old[k])
	if err != nil {
		return PutBackResult{}, nil, fmt.Errorf("%s: %w", k, err)
	}
	o.Latest = lost.Latest
	above, missing, err := parentOf(ctx, s.IPAMs, o.IPAM, ipamEntity.meta)
	if above == nil || err != nil {
		return missing, nil, err
	}
	return wasPutBack(append(s.beginResolver(o), raiseRevision(items.IPAMKey(above.ID), above.Rev))...)
}
