package store

import (
	"context"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Provision is a request to put a CIDR into a pool, out of its source: its
// source pool, or its scope at the top level.
type Provision struct {
	Token  Token
	Pool   string
	CIDR   netip.Prefix // the zero Prefix to have one of Length chosen
	Length int
	Filter ipam.Filter // narrows the choice

	// May says whether the caller may provision to the pool; its error is the
	// answer. It is asked after the record of the token was read.
	May func(*ipam.Pool) error
	// Check refuses or narrows the wish by what the pool is. It may change
	// CIDR, Length and Filter of its argument.
	Check func(*ipam.Pool, *Provision) error
}

// Provision takes a block out of the pool's source and makes it a root of the
// pool, in one transaction.
func (s *Store) Provision(ctx context.Context, q Provision) (*ipam.PoolCIDR, error) {
	q.Token = s.withValue(q.Token)
	record := s.newRecord(q.Token)
	var source ipam.SpaceID
	scope := ""             // of a CIDR that is pending
	var before netip.Prefix // what an earlier try chose
	var planning *ipam.Pool // that it is provisioned to
	made := func(t Token) table.Key { return items.AllocationKey(s.deriveID(ipam.IDAllocation, t)) }
	cidr := &ipam.PoolCIDR{Pool: q.Pool, State: ipam.CIDRProvisioned}
	decide := func(item table.Item) ([]table.Write, error) { // on a request that was not carried out yet
		if item == nil {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := items.DecodePool(item)
		if err != nil {
			return nil, err
		}
		if err := q.May(pool); err != nil {
			return nil, err
		}
		if err := pool.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		wish := q
		if err := q.Check(pool, &wish); err != nil {
			return nil, err
		}
		if pool.CIDRCount >= s.o.Quotas.CIDRsPerPool {
			return nil, ipam.LimitExceeded("CIDRs in pool "+pool.ID, pool.CIDRCount, s.o.Quotas.CIDRsPerPool)
		}
		source = pool.SourceSpace()
		if pool.SourceResource != nil {
			scope, planning = pool.Scope, pool
			return s.provisionPlanned(ctx, pool, wish.CIDR, cidr, record)
		}
		t := takeRequest{space: source, name: pool.SourcePool, want: ipam.Want{CIDR: wish.CIDR, Length: wish.Length, Filter: wish.Filter}, allocationID: cidr.AllocationID, cidrs: 1, earlier: before}
		if pool.SourcePool == "" {
			t.name = pool.Scope
		} else {
			t.scope, t.owner = pool.Scope, pool.Owner                     // and planning no VPC: a planning pool has no children
			t.allowLive = func([]*ipam.ResourceCIDR) error { return nil } // what lives there goes on living in the child
		}
		snap, err := s.readForProvision(ctx, pool, t)
		if err != nil {
			return nil, err
		}
		if pool.SourcePool != "" {
			above, err := items.DecodePool(snap.items[items.PoolKey(pool.SourcePool)])
			if err != nil {
				return nil, errStale // a source with children cannot be deleted
			}
			if err := above.Require(ipam.ActUse); err != nil {
				return nil, err
			}
			t.cidrs = above.CIDRCount
		}
		if at := wish.CIDR; at.IsValid() {
			if err := notProvisioned(q.Pool, at, snap.items); err != nil {
				return nil, err
			}
		}
		from, chosen, err := s.pickSource(ctx, t, snap)
		if err != nil {
			return nil, err
		}
		before = chosen
		want := ipam.Taken{
			CIDR:           chosen,
			AllocationID:   cidr.AllocationID,
			Kind:           ipam.KindPool,
			Owner:          pool.Owner,
			ResourceID:     pool.ID,
			ResourceRegion: pool.Locale,
		}
		writes, err := s.takeWrites(ctx, source, from, want)
		if err != nil {
			return nil, err
		}
		cidr.CIDR, cidr.Owner, cidr.Source, cidr.Chosen = chosen, pool.Owner, source, !q.CIDR.IsValid()
		answer := *cidr
		answer.State = ipam.CIDRProvisioned
		cidr.State = ipam.CIDRProvisioned
		root := ipam.Root{ID: cidr.ID, Bits: chosen.Bits()}
		scope = ""
		if pool.SourcePool == "" || from.hold != nil {
			// Resources may live there, and of those in a scope no block tells:
			// whoever records one from here on finds a hold, and what was
			// recorded before is read when it is shrunk.
			scope, cidr.State = pool.Scope, ipam.CIDRPendingProvision
			writes = append(writes, s.liveNote(scope, chosen),
				table.Write{Op: table.OpPut, Key: items.TakenKey(pool.Space(), chosen), Item: items.EncodeTaken(s.newHold(chosen, root, pool.Owner)), If: table.Cond{Absent: true}})
		} else {
			writes = append(writes, table.Write{Op: table.OpPut, Key: items.FreeKey(pool.Space(), chosen), Item: items.EncodeFree(ipam.Free{CIDR: chosen, Root: root}), If: table.Cond{Absent: true}})
		}
		writes = append(writes, s.recordAllocation(source, want, ""), record.write(&answer))
		return append(writes, s.addCIDR(cidr)...), nil
	}
	err := s.commit(ctx, "provision to "+q.Pool, func() { s.window.conflict(source, s.o.Now()) }, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{record.key, items.PoolKey(q.Pool), made(q.Token)})
		if err != nil {
			return nil, err
		}
		if done, err := record.replay(read[record.key], cidr); done || err != nil {
			return nil, err
		}
		t, err := s.unusedRound(ctx, q.Token, made, read)
		if err != nil {
			return nil, err
		}
		cidr.ID, cidr.AllocationID = s.deriveID(ipam.IDPoolCIDR, t), s.deriveID(ipam.IDAllocation, t)
		writes, err := decide(read[items.PoolKey(q.Pool)])
		return writes, s.unlessRecorded(ctx, record.key, err)
	})
	if err != nil {
		return nil, err
	}
	s.window.success(source)
	if scope == "" {
		return cidr, nil
	}
	// It is provisioned as soon as what lives in it is held, and that is done
	// whatever becomes of this request: its note tells.
	around, err := s.sourceAt(ctx, planning, cidr.CIDR)
	if err == nil {
		err = s.finishProvision(ctx, cidr.Pool, around, scope, cidr.CIDR)
	}
	if err == nil {
		cidr.State = ipam.CIDRProvisioned
		s.reconcileNoted(ctx, scope, cidr.CIDR)
	}
	return cidr, nil
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
