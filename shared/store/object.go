package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// ownedWrites are the writes that make an object and list it under its owner.
func ownedWrites(k Key, m *ipam.Meta, i Item) []Write {
	return []Write{
		{Op: OpPut, Key: k, Item: i, If: Cond{Absent: true}},
		{Op: OpPut, Key: ownedKey(m.Owner, k), Item: Item{attrID: str(m.ID)}, If: Cond{Absent: true}},
	}
}

// disowned are the writes that end an object, if cond holds for it.
func disowned(k Key, m *ipam.Meta, cond Cond) []Write {
	return []Write{
		{Op: OpDelete, Key: k, If: cond},
		{Op: OpDelete, Key: ownedKey(m.Owner, k)},
	}
}

// list returns the ids of what an account owns of a kind, ascending.
func (s *Store) list(ctx context.Context, owner string, prefix string) ([]string, error) {
	var ids []string
	q := Query{PK: ownerPK(owner), From: prefix + "#", To: prefix + "#~"}
	for {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			ids = append(ids, r.Item.str(attrID))
		}
		if next == "" {
			return ids, nil
		}
		q.After = next
	}
}

// load reads objects by id, in the order of ids, leaving out those that do not
// exist.
func load[T any](ctx context.Context, s *Store, ids []string, key func(string) Key, decode func(Item) (*T, error)) ([]*T, error) {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	objects := make([]*T, 0, len(keys))
	for _, k := range keys {
		if item, ok := read[k]; ok {
			o, err := decode(item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// IPAMs returns the IPAMs with the given ids, in their order, leaving out those
// that do not exist.
func (s *Store) IPAMs(ctx context.Context, ids []string) ([]*ipam.IPAM, error) {
	return load(ctx, s, ids, IPAMKey, decodeIPAM)
}

// Scopes is IPAMs for scopes.
func (s *Store) Scopes(ctx context.Context, ids []string) ([]*ipam.Scope, error) {
	return load(ctx, s, ids, ScopeKey, decodeScope)
}

// Pools is IPAMs for pools.
func (s *Store) Pools(ctx context.Context, ids []string) ([]*ipam.Pool, error) {
	return load(ctx, s, ids, PoolKey, decodePool)
}

// OwnedScopes returns the scopes of an account, by ascending id.
func (s *Store) OwnedScopes(ctx context.Context, owner string) ([]*ipam.Scope, error) {
	ids, err := s.list(ctx, owner, "SCOPE")
	if err != nil {
		return nil, err
	}
	return s.Scopes(ctx, ids)
}

// OwnedPools is OwnedScopes for pools.
func (s *Store) OwnedPools(ctx context.Context, owner string) ([]*ipam.Pool, error) {
	ids, err := s.list(ctx, owner, "POOL")
	if err != nil {
		return nil, err
	}
	return s.Pools(ctx, ids)
}

// one reads one object; NotFound if it is absent or may refuses it.
func one[T any](ctx context.Context, get func(context.Context, []string) ([]*T, error), id string) (*T, error) {
	found, err := get(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ipam.NotFound(id)
	}
	return found[0], nil
}

// create runs build, which reads what it needs and returns the new object's
// writes, with ids derived from the token that it is given, and records the
// object as the answer to the token. key is that of the object that a token
// makes. object must point to where build puts the object; a replayed token
// fills it instead.
func (s *Store) create(ctx context.Context, t Token, object any, key func(Token) Key, build func(Token) ([]Write, error)) error {
	r := s.newRecord(t)
	return s.commit(ctx, t.Operation, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{r.key, key(t)})
		if err != nil {
			return nil, err
		}
		if done, err := r.replay(read[r.key], object); done || err != nil {
			return nil, err
		}
		fresh, err := s.fresh(ctx, t, key, read)
		if err != nil {
			return nil, err
		}
		writes, err := build(fresh)
		if err != nil {
			return nil, s.unlessRecorded(ctx, r.key, err)
		}
		return append(writes, r.write(object)), nil
	})
}

func (s *Store) newMeta(m ipam.Meta, id string) ipam.Meta {
	m.ID, m.Region, m.State, m.Rev, m.Created = id, s.o.Region, ipam.StateCreateComplete, 1, s.o.Now().UTC()
	return m
}

// scopeRoots are the writes that make or, with OpDelete, end the roots of a
// scope's two spaces. A scope's root has the scope's id.
func scopeRoots(scope string, op WriteOp) []Write {
	var writes []Write
	for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		root := ipam.Free{CIDR: f.All(), Root: ipam.Root{ID: scope}}
		w := Write{Op: op, Key: FreeKey(ipam.ScopeSpace(scope, f), f.All())}
		if op == OpPut {
			w.Item, w.If = encodeFree(root), Cond{Absent: true}
		} else {
			w.If = Cond{Equal: Item{attrRoot: rootAttr(root.Root)}}
		}
		writes = append(writes, w)
	}
	return writes
}

// CreateIPAM makes an IPAM with its two default scopes and its default resource
// discovery. o.Owner must be set; ids, state and counts are filled in.
func (s *Store) CreateIPAM(ctx context.Context, t Token, o ipam.IPAM) (*ipam.IPAM, error) {
	t = s.settle(t)
	key := func(t Token) Key { return IPAMKey(s.derive(ipam.IDIPAM, t)) }
	err := s.create(ctx, t, &o, key, func(t Token) ([]Write, error) {
		o.Meta = s.newMeta(o.Meta, s.derive(ipam.IDIPAM, t))
		o.PublicScope = s.derive(ipam.IDScope, t, "public")
		o.PrivateScope = s.derive(ipam.IDScope, t, "private")
		o.Discovery = s.derive(ipam.IDDiscovery, t)
		o.DiscoveryAssociation = s.derive(ipam.IDDiscoveryAssociation, t)
		o.ScopeCount, o.DiscoveryAssociations = 2, 1
		account := accountKey(o.Owner)
		read, err := s.table.BatchGet(ctx, []Key{account})
		if err != nil {
			return nil, err
		}
		count := Write{Op: OpPut, Key: account, Item: Item{attrIPAMCount: num(1)}, If: Cond{Absent: true}}
		if i, ok := read[account]; ok {
			if have := i.num(attrIPAMCount); have >= s.o.Quotas.IPAMs {
				return nil, ipam.LimitExceeded("ipams", have, s.o.Quotas.IPAMs)
			}
			count = Write{Op: OpUpdate, Key: account, Add: map[string]int64{attrIPAMCount: 1}, If: Cond{Below: map[string]int64{attrIPAMCount: s.o.Quotas.IPAMs}}}
		}
		writes := append(ownedWrites(IPAMKey(o.ID), &o.Meta, encodeIPAM(&o)), count)
		for id, kind := range map[string]ipam.ScopeType{o.PublicScope: ipam.ScopePublic, o.PrivateScope: ipam.ScopePrivate} {
			scope := ipam.Scope{Meta: s.newMeta(ipam.Meta{Owner: o.Owner}, id), IPAM: o.ID, Type: kind, Default: true}
			writes = append(writes, ownedWrites(ScopeKey(id), &scope.Meta, encodeScope(&scope))...)
			writes = append(writes, scopeRoots(id, OpPut)...)
		}
		return append(writes, s.beginDefaultDiscovery(&o)...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// bump is the write that makes every concurrent decision on an object's
// settings void, while its state admits act.
func bump(k Key, rev int64, act ipam.Act) Write {
	return Write{Op: OpUpdate, Key: k, Add: map[string]int64{attrRev: 1}, If: Cond{
		Equal: Item{attrRev: num(rev)},
		In:    map[string][]string{attrState: ipam.Admitting(act)},
	}}
}

// CreateScope makes a private scope in o.IPAM. may says whether the caller may.
func (s *Store) CreateScope(ctx context.Context, t Token, o ipam.Scope, may func(*ipam.IPAM) error) (*ipam.Scope, error) {
	t = s.settle(t)
	key := func(t Token) Key { return ScopeKey(s.derive(ipam.IDScope, t)) }
	err := s.create(ctx, t, &o, key, func(t Token) ([]Write, error) {
		above, err := one(ctx, s.IPAMs, o.IPAM)
		if err != nil {
			return nil, err
		}
		if err := may(above); err != nil {
			return nil, err
		}
		if err := above.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		if above.ScopeCount >= s.o.Quotas.ScopesPerIPAM {
			return nil, ipam.LimitExceeded("scopes in ipam "+above.ID, above.ScopeCount, s.o.Quotas.ScopesPerIPAM)
		}
		o.Owner = above.Owner
		o.Meta = s.newMeta(o.Meta, s.derive(ipam.IDScope, t))
		o.Type = ipam.ScopePrivate
		writes := append(ownedWrites(ScopeKey(o.ID), &o.Meta, encodeScope(&o)), scopeRoots(o.ID, OpPut)...)
		// The tier is changed only while no scope is being made.
		count := bump(IPAMKey(o.IPAM), above.Rev, ipam.ActUse)
		count.Add[attrScopeCount] = 1
		count.If.Below = map[string]int64{attrScopeCount: s.o.Quotas.ScopesPerIPAM}
		return append(writes, count), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// CreatePool makes a pool in o.Scope. build completes it from what it stands
// under or says why it cannot be. source is nil at the top level, and if
// o.SourcePool does not exist: build is asked first, so that a caller who may
// not see the scope learns nothing.
func (s *Store) CreatePool(ctx context.Context, t Token, o ipam.Pool, build func(above *ipam.IPAM, scope *ipam.Scope, source *ipam.Pool, o *ipam.Pool) error) (*ipam.Pool, error) {
	t = s.settle(t)
	asked := o
	key := func(t Token) Key { return PoolKey(s.derive(ipam.IDPool, t)) }
	err := s.create(ctx, t, &o, key, func(t Token) ([]Write, error) {
		o = asked
		scope, err := one(ctx, s.Scopes, o.Scope)
		if err != nil {
			return nil, err
		}
		above, err := one(ctx, s.IPAMs, scope.IPAM)
		if err != nil {
			return nil, errLost // a scope does not outlive its IPAM
		}
		var source *ipam.Pool
		if o.SourcePool != "" {
			if source, err = one(ctx, s.Pools, o.SourcePool); err != nil && !isNotFound(err) {
				return nil, err
			}
		}
		if err := build(above, scope, source, &o); err != nil {
			return nil, err
		}
		if o.SourcePool != "" && source == nil {
			return nil, ipam.NotFound(o.SourcePool)
		}
		for _, m := range []*ipam.Meta{&above.Meta, &scope.Meta} {
			if err := m.Require(ipam.ActUse); err != nil {
				return nil, err
			}
		}
		if scope.PoolCount >= s.o.Quotas.PoolsPerScope {
			return nil, ipam.LimitExceeded("pools in scope "+scope.ID, scope.PoolCount, s.o.Quotas.PoolsPerScope)
		}
		o.IPAM, o.ScopeType, o.Owner, o.Depth = above.ID, scope.Type, scope.Owner, 1
		usable := map[string][]string{attrState: ipam.Admitting(ipam.ActUse)}
		writes := []Write{
			{Op: OpUpdate, Key: ScopeKey(scope.ID), Add: map[string]int64{attrPoolCount: 1}, If: Cond{In: usable, Below: map[string]int64{attrPoolCount: s.o.Quotas.PoolsPerScope}}},
			// An operating Region is removed, or a delete begun, only while no
			// pool is being made.
			bump(IPAMKey(above.ID), above.Rev, ipam.ActUse),
		}
		if source != nil {
			if err := source.Require(ipam.ActUse); err != nil {
				return nil, err
			}
			if o.Depth = source.Depth + 1; int64(o.Depth) > s.o.Quotas.PoolDepth {
				return nil, ipam.LimitExceeded("the depth of pools", int64(source.Depth), s.o.Quotas.PoolDepth)
			}
			writes = append(writes, Write{Op: OpUpdate, Key: PoolKey(source.ID), Add: map[string]int64{attrChildCount: 1}, If: Cond{In: usable}})
		}
		o.Meta = s.newMeta(o.Meta, s.derive(ipam.IDPool, t))
		return append(writes, ownedWrites(PoolKey(o.ID), &o.Meta, encodePool(&o))...), nil
	})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// modify changes an object's document: change decides on what is there now.
// The act must be admitted by the state.
func modify[T any](ctx context.Context, s *Store, k Key, id string, act ipam.Act, decode func(Item) (*T, error), encode func(*T) Item, meta func(*T) *ipam.Meta, change func(*T) error, with ...func(before, after *T) []Write) (*T, error) {
	var o *T
	var tried string // the document that an earlier try wrote; it holds the revision
	err := s.commit(ctx, "modify "+id, nil, func(a attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		item, ok := read[k]
		if a.unsure && tried != "" && (!ok || item.str(attrObject) == tried) {
			return nil, nil // changed by that try, if it is not gone by now
		}
		if !ok {
			return nil, ipam.NotFound(id)
		}
		now, err := decode(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		before, err := decode(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		rev, state := meta(now).Rev, meta(now).State
		if err := change(now); err != nil {
			return nil, err
		}
		if err := meta(now).Require(act); err != nil {
			return nil, err
		}
		meta(now).Rev = rev + 1
		meta(now).State, _ = state.After(act)
		i := encode(now)
		o, tried = now, i.str(attrObject)
		writes := []Write{{
			Op:  OpUpdate,
			Key: k,
			Set: Item{attrObject: i[attrObject], attrState: i[attrState], attrRev: i[attrRev]},
			If:  Cond{Equal: Item{attrRev: num(rev), attrState: str(string(state))}},
		}}
		for _, w := range with {
			writes = append(writes, w(before, now)...)
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// ModifyIPAM applies change to an IPAM. change is called with what is there
// now and may be called more than once; its error is the answer. Maps and slices
// it must replace, not change. While it runs no pool is made in the IPAM, else
// it is called again.
func (s *Store) ModifyIPAM(ctx context.Context, id string, act ipam.Act, change func(*ipam.IPAM) error) (*ipam.IPAM, error) {
	return modify(ctx, s, IPAMKey(id), id, act, decodeIPAM, encodeIPAM, func(o *ipam.IPAM) *ipam.Meta { return &o.Meta }, change)
}

// ModifyScope is ModifyIPAM for scopes.
func (s *Store) ModifyScope(ctx context.Context, id string, act ipam.Act, change func(*ipam.Scope) error) (*ipam.Scope, error) {
	return modify(ctx, s, ScopeKey(id), id, act, decodeScope, encodeScope, func(o *ipam.Scope) *ipam.Meta { return &o.Meta }, change)
}

// ModifyPool is ModifyIPAM for pools. One that begins to import takes in what
// lives in it, by RunWork.
func (s *Store) ModifyPool(ctx context.Context, id string, act ipam.Act, change func(*ipam.Pool) error) (*ipam.Pool, error) {
	return modify(ctx, s, PoolKey(id), id, act, decodePool, encodePool, func(o *ipam.Pool) *ipam.Meta { return &o.Meta }, change, func(before, after *ipam.Pool) []Write {
		if before.AutoImport || !after.AutoImport {
			return nil
		}
		return []Write{s.noteImport(id)}
	})
}

// poolCIDRs returns the CIDRs of a pool by ascending address.
func (s *Store) poolCIDRs(ctx context.Context, pool string) ([]*ipam.PoolCIDR, error) {
	var cidrs []*ipam.PoolCIDR
	q := Query{PK: cidrPK(pool)}
	for {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if expired(r.Item, s.now()) {
				continue
			}
			c, err := decodePoolCIDR(pool, r)
			if err != nil {
				return nil, err
			}
			cidrs = append(cidrs, c)
		}
		if next == "" {
			return cidrs, nil
		}
		q.After = next
	}
}

// PoolCIDRs returns the CIDRs of a pool by ascending address, those that were
// deprovisioned in the last hour included.
func (s *Store) PoolCIDRs(ctx context.Context, pool string) ([]*ipam.PoolCIDR, error) {
	return s.poolCIDRs(ctx, pool)
}

// Allocations returns allocations of a pool by ascending address, from behind
// the one that after names (an opaque text of an earlier call; "" for the
// first), as many as one answer of the table holds, at most limit, and the text
// to go on from, "" at the end. A page may be empty.
func (s *Store) Allocations(ctx context.Context, pool, after string, limit int) ([]*ipam.Allocation, string, error) {
	rows, next, err := s.table.Query(ctx, Query{PK: takenPK(ipam.SpaceID(pool)), After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	allocations := make([]*ipam.Allocation, 0, len(rows))
	for _, r := range rows {
		t, err := decodeTaken(r)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", r.Key, err)
		}
		if t.Kind.Visible() {
			allocations = append(allocations, &ipam.Allocation{Taken: t, Pool: pool})
		}
	}
	return allocations, next, nil
}

// AllocationAfter returns the text to go on from behind an allocation that
// Allocations returned.
func AllocationAfter(a *ipam.Allocation) string { return blockSK(a.CIDR) }

// AllocationsByID returns the allocations with the given ids, by ascending
// pool and address, leaving out those that do not exist.
func (s *Store) AllocationsByID(ctx context.Context, ids []string) ([]*ipam.Allocation, error) {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = AllocationKey(id)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	var places []Key
	pools := make(map[Key]byID)
	for i, id := range ids {
		b, ok, err := decodeByID(id, read[keys[i]], s.now())
		if err != nil {
			return nil, err
		}
		if ok && b.State == allocationActive {
			k := TakenKey(b.Space, b.CIDR)
			places = append(places, k)
			pools[k] = b
		}
	}
	if len(places) == 0 {
		return nil, nil
	}
	if read, err = s.table.BatchGet(ctx, places); err != nil {
		return nil, err
	}
	slices.SortFunc(places, func(a, b Key) int {
		if a.PK != b.PK {
			if a.PK < b.PK {
				return -1
			}
			return 1
		}
		if a.SK < b.SK {
			return -1
		}
		return 1
	})
	var found []*ipam.Allocation
	for _, k := range slices.Compact(places) {
		b := pools[k]
		if i, ok := read[k]; ok && i.str(attrAllocationID) == b.ID {
			t, err := decodeTaken(Row{k, i})
			if err != nil {
				return nil, err
			}
			found = append(found, &ipam.Allocation{Taken: t, Pool: string(b.Space)})
		}
	}
	return found, nil
}

// ModifyAllocation changes an allocation's description or tags. change may be
// called more than once; its error is the answer. Tags it must replace, not
// change.
func (s *Store) ModifyAllocation(ctx context.Context, id string, change func(*ipam.Allocation) error) (*ipam.Allocation, error) {
	var o *ipam.Allocation // as an earlier try wrote it
	err := s.commit(ctx, "modify "+id, nil, func(a attempt) ([]Write, error) {
		now, err := one(ctx, s.AllocationsByID, id)
		if err != nil {
			return ended(a, o != nil, err)
		}
		if a.unsure && o != nil && now.Description == o.Description && maps.Equal(now.Tags, o.Tags) {
			return nil, nil // changed by an earlier try
		}
		tags, description := now.Tags, now.Description
		if err := change(now); err != nil {
			return nil, err
		}
		o = now
		w := Write{
			Op:  OpUpdate,
			Key: TakenKey(ipam.SpaceID(o.Pool), o.CIDR),
			Set: Item{attrTags: tagMap(o.Tags)},
			If:  Cond{Equal: Item{attrAllocationID: str(id), attrTags: tagMap(tags)}},
		}
		if description != "" {
			w.If.Equal[attrDescription] = str(description)
		} else {
			w.If.Missing = []string{attrDescription}
		}
		if o.Description != "" {
			w.Set[attrDescription] = str(o.Description)
		} else {
			w.Remove = []string{attrDescription}
		}
		writes := []Write{w}
		if o.Tags[ipam.StableKeyTag] != tags[ipam.StableKeyTag] {
			writes = append(writes, remember(o)...)
		}
		return writes, nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}
