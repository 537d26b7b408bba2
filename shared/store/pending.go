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
// live there, the block is pending: that nothing lives in it is no reason to give
// it back. A pending block ends in one of three ways:
//
//   - discovery sees the resource: then the block is its allocation;
//   - EC2 refused to make it: whoever asked gives the space back, EndPending;
//   - neither, because whoever asked came to grief in between, or the resource was
//     deleted before it was seen: once nobody can be asking EC2 any more, and the
//     account and Region were looked at as a whole since, RunWork gives it back.

// pendingLife is how long EC2 may be asked for a resource after its space was taken,
// in seconds: far longer than any door waits.
const pendingLife = 15 * 60

// beginPending returns the writes that go with a pending block: the row by which
// discovery learns in which scope the resource is to stand, and the note that has
// the pending block end in any case. There are none for any other block.
func (s *Store) beginPending(pool *ipam.Pool, t ipam.Taken) []table.Write {
	if t.PendingUntil == 0 {
		return nil
	}
	row := table.Item{items.AttrScope: table.Str(pool.Scope), items.AttrIPAM: table.Str(pool.IPAM), items.AttrRegion: table.Str(t.ResourceRegion), items.AttrKind: table.Str(string(t.Kind))}
	row.Put(items.AttrResourceID, t.ResourceID)
	return []table.Write{
		{Op: table.OpPut, Key: items.PendingKey(t.Owner, t.CIDR, t.AllocationID), Item: row},
		s.workNote(items.WorkKey(items.PendingWork, t.AllocationID)),
	}
}

// endPending returns the writes that end a pending block, with its block or with what makes
// that the allocation of a resource.
func endPending(t ipam.Taken) []table.Write {
	return []table.Write{
		{Op: table.OpDelete, Key: items.PendingKey(t.Owner, t.CIDR, t.AllocationID)},
		{Op: table.OpDelete, Key: items.WorkKey(items.PendingWork, t.AllocationID)},
	}
}

// pendingScopes returns the scope in each IPAM for which an account has the CIDR of a
// resource pending in its Region, by IPAM. A CIDR may be pending in several scopes:
// then what is bound to the resource tells, and what is bound to another does not.
func (s *Store) pendingScopes(ctx context.Context, r *ipam.Resource) (map[string]string, error) {
	scopes, bound := map[string]string{}, map[string]bool{}
	for row, err := range table.Rows(ctx, s.table, items.PendingRows(r.Owner, r.CIDR)) {
		if err != nil {
			return nil, err
		}
		at, id := row.Item.Str(items.AttrIPAM), row.Item.Str(items.AttrResourceID)
		if row.Item.Str(items.AttrRegion) != r.Region || row.Item.Str(items.AttrKind) != string(r.Type.Kind()) || id != "" && id != r.ID || bound[at] {
			continue
		}
		scopes[at], bound[at] = row.Item.Str(items.AttrScope), id != ""
	}
	return scopes, nil
}

// Bind writes down which resource EC2 made for a pending block. The pending block goes
// on until the resource is seen. What is bound already stays as it is.
func (s *Store) Bind(ctx context.Context, a *ipam.Allocation, resource string) error {
	k := items.TakenKey(ipam.SpaceID(a.Pool), a.CIDR)
	return s.commit(ctx, "bind "+a.AllocationID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, read)
		if err != nil || !ok || t.AllocationID != a.AllocationID || t.PendingUntil == 0 || t.ResourceID != "" {
			return nil, err
		}
		return []table.Write{
			{
				Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrResourceID: table.Str(resource)},
				If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrPendingUntil: table.Num(t.PendingUntil)}, Missing: []string{items.AttrResourceID}},
			},
			{Op: table.OpUpdate, Key: items.PendingKey(t.Owner, t.CIDR, t.AllocationID), Set: table.Item{items.AttrResourceID: table.Str(resource)}, If: table.Cond{Present: true}},
		}, nil
	})
}

// errPending says that a pool cannot go yet, because of pending space.
var errPending = errors.New("space is pending")

// pendingError returns errPending of a pending block that is not to be given back for
// nothing else than that nobody has seen its resource: EC2 may still be asked for
// it, or it may live where nobody has looked since.
func (s *Store) pendingError(ctx context.Context, pool *ipam.Pool, t ipam.Taken) error {
	switch {
	case t.PendingUntil == 0:
		return nil
	case t.PendingUntil > s.now():
		return errPending
	}
	looks, looked, err := s.lookedSince(ctx, pool.IPAM, t)
	if err == nil && looks && !looked {
		err = errPending
	}
	return err
}

// lookedSince reports whether a discovery of an IPAM looks at the account and Region
// of a pending block, and whether one has looked there as a whole, beginning when
// EC2 could not be asked any more.
func (s *Store) lookedSince(ctx context.Context, ipamID string, t ipam.Taken) (looks, looked bool, err error) {
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
		looks = looks || i.Str(items.AttrDeparture) == ""
		looked = looked || i.Num(items.AttrSucceeded) > t.PendingUntil*1000
	}
	return looks, looked, err
}

// bindPending makes a pending block the allocation of the resource that was seen to
// live there, if one was. Of several resources that could be the one that was asked
// for, the first is: the others overlap it.
func (s *Store) bindPending(ctx context.Context, scope string, b poolBlock) error {
	k := items.TakenKey(b.space, b.CIDR)
	return s.commit(ctx, "end the pending block of "+b.AllocationID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, read)
		if err != nil || !ok || t.AllocationID != b.AllocationID || t.PendingUntil == 0 {
			return nil, err
		}
		live, err := s.liveIn(ctx, scope, sourceCIDR{}, t.CIDR)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(live, func(r *ipam.ResourceCIDR) bool {
			return r.CIDR == t.CIDR && r.Type.Kind() == t.Kind && r.Owner == t.Owner && r.Region == t.ResourceRegion && (t.ResourceID == "" || t.ResourceID == r.ID)
		})
		if i < 0 {
			return nil, nil
		}
		lives, err := s.stillLives(ctx, items.LiveKey(scope, &live[i].Resource))
		if errors.Is(err, errResourceGone) {
			return nil, fmt.Errorf("%w: %w", errStale, err)
		}
		if err != nil {
			return nil, err
		}
		bound := table.Write{
			Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrResourceID: table.Str(live[i].ID)}, Remove: []string{items.AttrPendingUntil},
			If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrPendingUntil: table.Num(t.PendingUntil)}},
		}
		if t.ResourceID != "" {
			bound.If.Equal[items.AttrResourceID] = table.Str(t.ResourceID)
		} else {
			bound.If.Missing = []string{items.AttrResourceID} // nor was written down meanwhile which it is
		}
		return append(endPending(t), bound, lives), nil
	})
}
