package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Space for a resource that is yet to be made is taken before EC2 is asked for the
// resource, so that nobody else has it meanwhile. Until the resource is seen to
// live there, the block is on lease: that nothing lives in it is no reason to give
// it back. A lease ends in one of three ways:
//
//   - discovery sees the resource: then the block is its allocation;
//   - EC2 refused to make it: whoever asked gives the space back, EndLease;
//   - neither, because whoever asked came to grief in between, or the resource was
//     deleted before it was seen: once nobody can be asking EC2 any more, and the
//     account and Region were looked at as a whole since, RunWork gives it back.

// leaseLife is how long EC2 may be asked for a resource after its space was taken,
// in seconds: far longer than any door waits.
const leaseLife = 15 * 60

const leaseWork = "lease"

// beginLease returns the writes that go with a block on lease: the row by which
// discovery learns in which scope the resource is to stand, and the note that has
// the lease end in any case. There are none for any other block.
func (s *Store) beginLease(pool *ipam.Pool, t ipam.Taken) []Write {
	if t.Lease == 0 {
		return nil
	}
	row := Item{attrScope: str(pool.Scope), attrIPAM: str(pool.IPAM), attrRegion: str(t.ResourceRegion), attrKind: str(string(t.Kind))}
	row.put(attrResourceID, t.ResourceID)
	return []Write{
		{Op: OpPut, Key: leaseKey(t.Owner, t.CIDR, t.AllocationID), Item: row},
		s.again(leaseWork, t.AllocationID),
	}
}

// endLease returns the writes that end a lease, with its block or with what makes
// that the allocation of a resource.
func endLease(t ipam.Taken) []Write {
	return []Write{
		{Op: OpDelete, Key: leaseKey(t.Owner, t.CIDR, t.AllocationID)},
		{Op: OpDelete, Key: workKey(leaseWork, t.AllocationID)},
	}
}

// leasedFor returns the scope in each IPAM for which an account has the CIDR of a
// resource on lease in its Region, by IPAM. A CIDR may be on lease in several scopes:
// then what is bound to the resource tells, and what is bound to another does not.
func (s *Store) leasedFor(ctx context.Context, r *ipam.Resource) (map[string]string, error) {
	prefix := leaseKey(r.Owner, r.CIDR, "")
	scopes, bound := map[string]string{}, map[string]bool{}
	for q := (Query{PK: prefix.PK, From: prefix.SK, To: prefix.SK + "~"}); ; {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			at, id := row.Item.str(attrIPAM), row.Item.str(attrResourceID)
			if row.Item.str(attrRegion) != r.Region || row.Item.str(attrKind) != string(r.Type.Kind()) || id != "" && id != r.ID || bound[at] {
				continue
			}
			scopes[at], bound[at] = row.Item.str(attrScope), id != ""
		}
		if q.After = next; next == "" {
			return scopes, nil
		}
	}
}

// Bind writes down which resource EC2 made for a block on lease. The lease goes
// on until the resource is seen. What is bound already stays as it is.
func (s *Store) Bind(ctx context.Context, a *ipam.Allocation, resource string) error {
	k := TakenKey(ipam.SpaceID(a.Pool), a.CIDR)
	return s.commit(ctx, "bind "+a.AllocationID, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := takenAt(k, read)
		if err != nil || !ok || t.AllocationID != a.AllocationID || t.Lease == 0 || t.ResourceID != "" {
			return nil, err
		}
		return []Write{
			{
				Op: OpUpdate, Key: k, Set: Item{attrResourceID: str(resource)},
				If: Cond{Equal: Item{attrAllocationID: str(t.AllocationID), attrLease: num(t.Lease)}, Missing: []string{attrResourceID}},
			},
			{Op: OpUpdate, Key: leaseKey(t.Owner, t.CIDR, t.AllocationID), Set: Item{attrResourceID: str(resource)}, If: Cond{Present: true}},
		}, nil
	})
}

// EndLease gives the block of an allocation back whose resource EC2 refused to
// make. A block in which a resource was seen after all stays its allocation.
func (s *Store) EndLease(ctx context.Context, a *ipam.Allocation) error {
	pool, err := one(ctx, s.Pools, a.Pool)
	if err != nil {
		if isNotFound(err) {
			return nil // gone, with its allocations
		}
		return err
	}
	return s.releaseLease(ctx, pool, a.Taken)
}

func (s *Store) releaseLease(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	if err := s.bindLease(ctx, pool.Scope, poolBlock{Taken: t, space: pool.Space()}); err != nil {
		return err
	}
	return s.releaseIf(ctx, pool, t, func(now ipam.Taken) bool { return now.Lease != 0 })
}

// releasable refuses the release of a block that is not for its taker to release.
func (s *Store) releasable(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	switch {
	case t.Kind == ipam.KindCustom:
		return nil
	case t.Lease == 0:
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The allocation %s of type %s cannot be released; only custom allocations can. Delete the resource that uses %s.", t.AllocationID, t.Kind, t.CIDR)
	case t.Lease > s.now():
		return ipam.Errorf(ipam.CodeIncorrectState, "The allocation %s of type %s cannot be released yet: EC2 is being asked for the resource. It goes by itself once discovery has looked and found none.", t.AllocationID, t.Kind)
	}
	err := s.orLeased(ctx, pool, t)
	if errors.Is(err, errLeased) {
		err = ipam.Errorf(ipam.CodeIncorrectState, "The allocation %s of type %s cannot be released yet: discovery has not looked at account %s in %s since EC2 was asked for the resource. GetIpamDiscoveredAccounts tells why; once it has looked and found none, the allocation goes by itself.", t.AllocationID, t.Kind, t.Owner, t.ResourceRegion)
	}
	return err // nil where nobody looks: then whoever took it knows best
}

// orLeased returns errLeased of a block on lease that is not to be given back for
// nothing else than that nobody has seen its resource: EC2 may still be asked for
// it, or it may live where nobody has looked since.
func (s *Store) orLeased(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	switch {
	case t.Lease == 0:
		return nil
	case t.Lease > s.now():
		return errLeased
	}
	looks, looked, err := s.lookedAt(ctx, pool.IPAM, t)
	if err == nil && looks && !looked {
		err = errLeased
	}
	return err
}

// bindLease makes a block on lease the allocation of the resource that was seen to
// live there, if one was. Of several resources that could be the one that was asked
// for, the first is: the others overlap it.
func (s *Store) bindLease(ctx context.Context, scope string, b poolBlock) error {
	k := TakenKey(b.space, b.CIDR)
	return s.commit(ctx, "end the lease of "+b.AllocationID, nil, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := takenAt(k, read)
		if err != nil || !ok || t.AllocationID != b.AllocationID || t.Lease == 0 {
			return nil, err
		}
		live, err := s.liveIn(ctx, scope, laid{}, t.CIDR)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(live, func(r *ipam.ResourceCIDR) bool {
			return r.CIDR == t.CIDR && r.Type.Kind() == t.Kind && r.Owner == t.Owner && r.Region == t.ResourceRegion && (t.ResourceID == "" || t.ResourceID == r.ID)
		})
		if i < 0 {
			return nil, nil
		}
		lives, err := s.lives(ctx, liveKey(scope, &live[i].Resource))
		if errors.Is(err, errGone) {
			return nil, fmt.Errorf("%w: %w", errLost, err)
		}
		if err != nil {
			return nil, err
		}
		bound := Write{
			Op: OpUpdate, Key: k, Set: Item{attrResourceID: str(live[i].ID)}, Remove: []string{attrLease},
			If: Cond{Equal: Item{attrAllocationID: str(t.AllocationID), attrLease: num(t.Lease)}},
		}
		if t.ResourceID != "" {
			bound.If.Equal[attrResourceID] = str(t.ResourceID)
		} else {
			bound.If.Missing = []string{attrResourceID} // nor was written down meanwhile which it is
		}
		return append(endLease(t), bound, lives), nil
	})
}

// runLease ends a lease that nobody has ended. It stays while EC2 may still be
// asked, and until the account and Region were looked at since.
func (s *Store) runLease(ctx context.Context, allocation string) error {
	note, id := workKey(leaseWork, allocation), AllocationKey(allocation)
	read, err := s.table.BatchGet(ctx, []Key{note, id})
	if err != nil || read[note] == nil {
		return err
	}
	record, ok, err := decodeByID(allocation, read[id], s.now())
	if err != nil {
		return err
	}
	if !ok || record.State != allocationActive {
		return s.drop(ctx, note)
	}
	k := TakenKey(record.Space, record.CIDR)
	if read, err = s.table.BatchGet(ctx, []Key{k}); err != nil {
		return err
	}
	t, _, err := takenAt(k, read)
	if err != nil || t.AllocationID != allocation || t.Lease == 0 {
		return err // being released; the next run sees that
	}
	if t.Lease > s.now() {
		return nil
	}
	pool, err := one(ctx, s.Pools, string(record.Space))
	if err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	_, looked, err := s.lookedAt(ctx, pool.IPAM, t)
	if err != nil || !looked {
		return err
	}
	return s.releaseLease(ctx, pool, t)
}

// lookedAt reports whether a discovery of an IPAM looks at the account and Region
// of a block on lease, and whether one has looked there as a whole, beginning when
// EC2 could not be asked any more.
func (s *Store) lookedAt(ctx context.Context, ipamID string, t ipam.Taken) (looks, looked bool, err error) {
	discoveries, err := s.AllDiscoveries(ctx)
	if err != nil {
		return false, false, err
	}
	var keys []Key
	for _, d := range discoveries {
		if slices.Contains(d.IPAMs, ipamID) {
			keys = append(keys, discoveredAccountKey(d.ID, t.ResourceRegion, t.Owner))
		}
	}
	read, err := s.table.BatchGet(ctx, keys)
	for _, i := range read {
		looks = looks || i.str(attrLeft) == ""
		looked = looked || i.num(attrSucceeded) > t.Lease*1000
	}
	return looks, looked, err
}
