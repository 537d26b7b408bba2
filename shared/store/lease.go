package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
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

// beginLease returns the writes that go with a block on lease: the row by which
// discovery learns in which scope the resource is to stand, and the note that has
// the lease end in any case. There are none for any other block.
func (s *Store) beginLease(pool *ipam.Pool, t ipam.Taken) []table.Write {
	if t.Lease == 0 {
		return nil
	}
	row := table.Item{items.AttrScope: table.Str(pool.Scope), items.AttrIPAM: table.Str(pool.IPAM), items.AttrRegion: table.Str(t.ResourceRegion), items.AttrKind: table.Str(string(t.Kind))}
	row.Put(items.AttrResourceID, t.ResourceID)
	return []table.Write{
		{Op: table.OpPut, Key: items.LeaseKey(t.Owner, t.CIDR, t.AllocationID), Item: row},
		s.again(items.LeaseWork, t.AllocationID),
	}
}

// endLease returns the writes that end a lease, with its block or with what makes
// that the allocation of a resource.
func endLease(t ipam.Taken) []table.Write {
	return []table.Write{
		{Op: table.OpDelete, Key: items.LeaseKey(t.Owner, t.CIDR, t.AllocationID)},
		{Op: table.OpDelete, Key: items.WorkKey(items.LeaseWork, t.AllocationID)},
	}
}

// leasedFor returns the scope in each IPAM for which an account has the CIDR of a
// resource on lease in its Region, by IPAM. A CIDR may be on lease in several scopes:
// then what is bound to the resource tells, and what is bound to another does not.
func (s *Store) leasedFor(ctx context.Context, r *ipam.Resource) (map[string]string, error) {
	prefix := items.LeaseKey(r.Owner, r.CIDR, "")
	scopes, bound := map[string]string{}, map[string]bool{}
	for q := (table.Query{PK: prefix.PK, From: prefix.SK, To: prefix.SK + "~"}); ; {
		rows, next, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			at, id := row.Item.Str(items.AttrIPAM), row.Item.Str(items.AttrResourceID)
			if row.Item.Str(items.AttrRegion) != r.Region || row.Item.Str(items.AttrKind) != string(r.Type.Kind()) || id != "" && id != r.ID || bound[at] {
				continue
			}
			scopes[at], bound[at] = row.Item.Str(items.AttrScope), id != ""
		}
		if q.After = next; next == "" {
			return scopes, nil
		}
	}
}

// Bind writes down which resource EC2 made for a block on lease. The lease goes
// on until the resource is seen. What is bound already stays as it is.
func (s *Store) Bind(ctx context.Context, a *ipam.Allocation, resource string) error {
	k := items.TakenKey(ipam.SpaceID(a.Pool), a.CIDR)
	return s.commit(ctx, "bind "+a.AllocationID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, read)
		if err != nil || !ok || t.AllocationID != a.AllocationID || t.Lease == 0 || t.ResourceID != "" {
			return nil, err
		}
		return []table.Write{
			{
				Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrResourceID: table.Str(resource)},
				If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrLease: table.Num(t.Lease)}, Missing: []string{items.AttrResourceID}},
			},
			{Op: table.OpUpdate, Key: items.LeaseKey(t.Owner, t.CIDR, t.AllocationID), Set: table.Item{items.AttrResourceID: table.Str(resource)}, If: table.Cond{Present: true}},
		}, nil
	})
}

// errLeased says that a pool cannot go yet, because of space on lease.
var errLeased = errors.New("space is on lease")

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

// lookedAt reports whether a discovery of an IPAM looks at the account and Region
// of a block on lease, and whether one has looked there as a whole, beginning when
// EC2 could not be asked any more.
func (s *Store) lookedAt(ctx context.Context, ipamID string, t ipam.Taken) (looks, looked bool, err error) {
	discoveries, err := s.AllDiscoveries(ctx)
	if err != nil {
		return false, false, err
	}
	var keys []table.Key
	for _, d := range discoveries {
		if slices.Contains(d.IPAMs, ipamID) {
			keys = append(keys, items.DiscoveredAccountKey(d.ID, t.ResourceRegion, t.Owner))
		}
	}
	read, err := s.table.BatchGet(ctx, keys)
	for _, i := range read {
		looks = looks || i.Str(items.AttrLeft) == ""
		looked = looked || i.Num(items.AttrSucceeded) > t.Lease*1000
	}
	return looks, looked, err
}

// bindLease makes a block on lease the allocation of the resource that was seen to
// live there, if one was. Of several resources that could be the one that was asked
// for, the first is: the others overlap it.
func (s *Store) bindLease(ctx context.Context, scope string, b poolBlock) error {
	k := items.TakenKey(b.space, b.CIDR)
	return s.commit(ctx, "end the lease of "+b.AllocationID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, read)
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
		lives, err := s.lives(ctx, items.LiveKey(scope, &live[i].Resource))
		if errors.Is(err, errGone) {
			return nil, fmt.Errorf("%w: %w", errLost, err)
		}
		if err != nil {
			return nil, err
		}
		bound := table.Write{
			Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrResourceID: table.Str(live[i].ID)}, Remove: []string{items.AttrLease},
			If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrLease: table.Num(t.Lease)}},
		}
		if t.ResourceID != "" {
			bound.If.Equal[items.AttrResourceID] = table.Str(t.ResourceID)
		} else {
			bound.If.Missing = []string{items.AttrResourceID} // nor was written down meanwhile which it is
		}
		return append(endLease(t), bound, lives), nil
	})
}
