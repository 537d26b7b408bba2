package store

import (
	"context"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Provision is a request to provision a CIDR to a pool, out of the pool's source: its
// source pool, or its scope at the top level.
type Provision struct {
	Token  Token
	Pool   string
	CIDR   netip.Prefix // the zero Prefix to have one of Length chosen
	Length int
	Filter ipam.Filter // narrows the choice

	// May says whether the caller may provision to the pool; its error is the
	// answer. Provision calls it after it read the token's record.
	May func(*ipam.Pool) error
	// Check refuses the wish or narrows it, by the pool's properties. It may change
	// CIDR, Length and Filter of its argument.
	Check func(*ipam.Pool, *Provision) error
}

// Provision takes a block out of the pool's source and makes it a root of the
// pool, in one transaction.
//
// A CIDR in which resources may live starts as one hold, in state
// pending-provision, with a work note. Provision then holds the live CIDRs and frees
// the rest. If it fails on the way, the work of the note does that.
func (s *Store) Provision(ctx context.Context, q Provision) (*ipam.PoolCIDR, error) {
	token, err := s.completeToken(ctx, q.Token)
	if err != nil {
		return nil, err
	}
	q.Token = token
	p := &provisioning{Provision: q, record: s.newRecord(q.Token), cidr: &ipam.PoolCIDR{Pool: q.Pool, State: ipam.CIDRProvisioned, ClientToken: q.Token.Value}}
	made := func(t Token) table.Key { return items.AllocationKey(s.deriveID(ipam.IDAllocation, t)) }
	lost := func() { s.window.conflict(p.source, s.o.Now()) }
	err = s.commit(ctx, "provision to "+q.Pool, lost, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, slices.Concat(p.record.keys, []table.Key{items.PoolKey(q.Pool), made(q.Token)}))
		if err != nil {
			return nil, err
		}
		if done, err := p.record.replay(read, p.cidr); done || err != nil {
			return nil, err
		}
		t, err := s.unusedRound(ctx, q.Token, made, read)
		if err != nil {
			return nil, err
		}
		p.cidr.ID, p.cidr.AllocationID = s.deriveID(ipam.IDPoolCIDR, t), s.deriveID(ipam.IDAllocation, t)
		writes, err := s.tryProvision(ctx, p, read[items.PoolKey(q.Pool)])
		return writes, s.unlessRecorded(ctx, p.record.key, err)
	})
	if err != nil {
		return nil, err
	}
	s.window.success(p.source)
	if p.pendingIn != "" {
		s.finishPending(ctx, p)
	}
	return p.cidr, nil
}

// provisioning carries one request through its tries.
type provisioning struct {
	Provision
	record    tokenRecord
	cidr      *ipam.PoolCIDR // the answer; each try fills it in
	source    ipam.SpaceID   // the space from which the block is taken
	earlier   netip.Prefix   // the block that an earlier try chose
	planning  *ipam.Pool     // the pool, if it is a resource planning pool
	pendingIn string         // the scope whose live resources keep their space; "" if the CIDR is provisioned at once
}

// tryProvision returns the writes of one try of a request that was not carried out
// yet. item is the pool's.
func (s *Store) tryProvision(ctx context.Context, p *provisioning, item table.Item) ([]table.Write, error) {
	pool, wish, err := p.check(item, s.o.Quotas)
	if err != nil {
		return nil, err
	}
	p.source = pool.SourceSpace()
	if pool.SourceResource != nil {
		p.pendingIn, p.planning = pool.Scope, pool
		return s.provisionPlanned(ctx, pool, wish.CIDR, p.cidr, p.record)
	}
	t := p.takeRequest(pool, wish)
	read, err := s.readForProvision(ctx, pool, t)
	if err != nil {
		return nil, err
	}
	if t.cidrs, err = checkSource(pool, read.items); err != nil {
		return nil, err
	}
	if wish.CIDR.IsValid() {
		if err := notProvisioned(pool.ID, wish.CIDR, read.items); err != nil {
			return nil, err
		}
	}
	from, chosen, err := s.pickSource(ctx, t, read)
	if err != nil {
		return nil, err
	}
	p.earlier = chosen
	c := decideProvision(provisionSnapshot{pool: pool, from: from, chosen: chosen, byLength: !p.CIDR.IsValid()}, *p.cidr)
	taken, err := s.takeWrites(ctx, p.source, from, c.taken)
	if err != nil {
		return nil, err
	}
	*p.cidr, p.pendingIn = c.cidr, c.pendingIn
	return s.provisionWrites(taken, c, &p.record), nil
}

// check refuses a request by the pool's state, and returns the pool and the wish as
// [Provision.Check] narrowed it.
func (p *provisioning) check(item table.Item, quotas *ipam.Quotas) (*ipam.Pool, Provision, error) {
	if item == nil {
		return nil, p.Provision, ipam.NotFound(p.Pool)
	}
	pool, err := items.DecodePool(item)
	if err != nil {
		return nil, p.Provision, err
	}
	if err := p.May(pool); err != nil {
		return nil, p.Provision, err
	}
	if err := pool.Require(ipam.ActUse); err != nil {
		return nil, p.Provision, err
	}
	wish := p.Provision
	if err := p.Check(pool, &wish); err != nil {
		return nil, p.Provision, err
	}
	if pool.CIDRCount >= quotas.CIDRsPerPool {
		return nil, p.Provision, ipam.LimitExceeded("CIDRs in pool "+pool.ID, pool.CIDRCount, quotas.CIDRsPerPool)
	}
	return pool, wish, nil
}

// takeRequest asks the pool's source for the wish. Resources that live in a source
// pool go on living in the child, so their holds are no obstacle.
func (p *provisioning) takeRequest(pool *ipam.Pool, wish Provision) takeRequest {
	t := takeRequest{
		space: p.source, name: pool.SourcePool, allocationID: p.cidr.AllocationID, cidrs: 1, earlier: p.earlier,
		want: ipam.Want{CIDR: wish.CIDR, Length: wish.Length, Filter: wish.Filter},
	}
	if pool.SourcePool == "" {
		t.name = pool.Scope
		return t
	}
	t.scope, t.owner = pool.Scope, pool.Owner // t.planning stays nil: a planning pool has no children
	t.allowLive = func([]*ipam.ResourceCIDR) error { return nil }
	return t
}

func (s *Store) readForProvision(ctx context.Context, pool *ipam.Pool, t takeRequest) (snap snapshot, err error) {
	var keys []table.Key
	if pool.SourcePool != "" {
		keys = append(keys, items.PoolKey(pool.SourcePool))
	}
	if t.want.CIDR.IsValid() {
		keys = append(keys, items.CIDRKey(pool.ID, t.want.CIDR))
		snap.items, err = s.table.BatchGet(ctx, append(keys, holderKeys(t.space, t.want.CIDR)...))
		return snap, err
	}
	return s.readForLength(ctx, keys, t)
}

// checkSource refuses a source pool that may not be used, and returns how many CIDRs
// are provisioned to the source: 1 for a scope.
func checkSource(pool *ipam.Pool, read map[table.Key]table.Item) (cidrs int64, err error) {
	if pool.SourcePool == "" {
		return 1, nil
	}
	source, err := items.DecodePool(read[items.PoolKey(pool.SourcePool)])
	if err != nil {
		return 0, errStale // a source with children cannot be deleted
	}
	return source.CIDRCount, source.Require(ipam.ActUse)
}

// provisionSnapshot is the input of decideProvision.
type provisionSnapshot struct {
	pool     *ipam.Pool
	from     takeSource   // the block of the source that holds chosen
	chosen   netip.Prefix // the CIDR to provision
	byLength bool         // the caller asked for a length
}

// provisionChanges are the changes of a provision.
type provisionChanges struct {
	pool      *ipam.Pool
	taken     ipam.Taken    // the block in the source
	cidr      ipam.PoolCIDR // as it is listed under the pool
	root      ipam.Root
	pendingIn string // as in provisioning
}

// decideProvision completes cidr, which has its ids. A CIDR out of a scope, or out of
// a hold, is pending: resources may live there, and for those in a scope no block
// exists. A resource that is recorded from here on finds the hold of the whole; one
// that was recorded before is read when the hold is shrunk.
func decideProvision(snap provisionSnapshot, cidr ipam.PoolCIDR) provisionChanges {
	pool := snap.pool
	cidr.CIDR, cidr.Owner, cidr.Source, cidr.Chosen, cidr.State = snap.chosen, pool.Owner, pool.SourceSpace(), snap.byLength, ipam.CIDRProvisioned
	c := provisionChanges{
		pool: pool,
		root: ipam.Root{ID: cidr.ID, Bits: snap.chosen.Bits()},
		taken: ipam.Taken{
			CIDR:           snap.chosen,
			AllocationID:   cidr.AllocationID,
			Kind:           ipam.KindPool,
			Owner:          pool.Owner,
			ResourceID:     pool.ID,
			ResourceRegion: pool.Locale,
		},
	}
	if pool.SourcePool == "" || snap.from.hold != nil {
		cidr.State, c.pendingIn = ipam.CIDRPendingProvision, pool.Scope
	}
	c.cidr = cidr
	return c
}

// provisionWrites returns the writes of a provision; taken are those that take the
// block out of the source. record is nil for a CIDR that no request provisions. The
// recorded answer says provisioned: a caller who repeats the request finds the CIDR so.
func (s *Store) provisionWrites(taken []table.Write, c provisionChanges, record *tokenRecord) []table.Write {
	writes, space := taken, c.pool.Space()
	if c.pendingIn != "" {
		writes = append(writes, s.liveNote(c.pendingIn, c.cidr.CIDR),
			table.Write{Op: table.OpPut, Key: items.TakenKey(space, c.cidr.CIDR), Item: items.EncodeTaken(s.newHold(c.cidr.CIDR, c.root, c.pool.Owner)), If: table.Cond{Absent: true}})
	} else {
		writes = append(writes, table.Write{Op: table.OpPut, Key: items.FreeKey(space, c.cidr.CIDR), Item: items.EncodeFree(ipam.Free{CIDR: c.cidr.CIDR, Root: c.root}), If: table.Cond{Absent: true}})
	}
	writes = append(writes, s.recordAllocation(c.cidr.Source, c.taken, ""))
	if record != nil {
		answer := c.cidr
		answer.State = ipam.CIDRProvisioned
		writes = append(writes, record.write(&answer))
	}
	return append(writes, s.addCIDR(&c.cidr)...)
}

// finishPending finishes a CIDR that was written as pending-provision. If this
// fails, the work of its note does it, so the request succeeds all the same.
func (s *Store) finishPending(ctx context.Context, p *provisioning) {
	source, err := s.sourceAt(ctx, p.planning, p.cidr.CIDR)
	if err == nil {
		err = s.finishProvision(ctx, p.cidr.Pool, source, p.pendingIn, p.cidr.CIDR)
	}
	if err == nil {
		p.cidr.State = ipam.CIDRProvisioned
		s.reconcileNoted(ctx, p.pendingIn, p.cidr.CIDR)
	}
}
