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

// CreateVpc and its like take space before they ask EC2 for the resource, so that nobody
// else gets the space meanwhile. The block is pending until discovery sees the resource
// in it: an empty pending block is not free. It ends in one of four ways:
//
//   - Discovery sees the resource. The block becomes the resource's allocation.
//   - EC2 refuses to make the resource. The caller gives the space back with
//     [Store.EndPending].
//   - EC2 has made the resource, and has deleted it before discovery saw it. EC2's event,
//     the caller, or two reads of EC2 show it; see [Store.EndDeleted]. A CIDR that left
//     its VPC or subnet again is the same case.
//   - The caller failed in between, so nobody knows whether EC2 made the resource.
//     [Store.RunWork] gives the space back after pendingLife, once discovery has read
//     the whole account in the Region in a run that began later.
//
// The last way compares two clocks: the one of the process that took the block, and
// discovery's. The first may be behind by pendingLife less the longest call of EC2, about
// 14 minutes. If it is further behind, the deadline may pass while EC2 is being asked,
// and the space may be given twice. EndDeleted compares no clocks of Cadastre: EC2's own
// clock says when EC2 made the resource and when it was read.

// pendingLife is how long EC2 may be asked for a resource after its space was taken,
// in seconds: far longer than any call of Cadastre takes.
const pendingLife = 15 * 60

// beginPending returns the writes that go with a pending block: the row in which
// discovery finds the scope of the resource, and the note of work that ends the block in
// any case. It returns none for any other block.
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

// deletedKeys returns the key of the item that may say that a resource is deleted: one
// for the types that blocks are pending for, and none for the others.
func deletedKeys(r *ipam.Resource) []table.Key {
	if r.Type != ipam.ResourceVPC && r.Type != ipam.ResourceSubnet {
		return nil
	}
	return []table.Key{items.DeletedKey(r.Owner, r.ID)}
}

// isDeleted reports whether an item, among those at deletedKeys, says that a resource is
// deleted.
func (s *Store) isDeleted(r *ipam.Resource, read map[table.Key]table.Item) bool {
	i, ok := read[items.DeletedKey(r.Owner, r.ID)]
	return ok && !table.Expired(i, s.now())
}

// pendingFor returns the scope for which an account's rows say that a resource's CIDR is
// pending, by IPAM, and the keys of the rows that name the resource. A CIDR may be pending
// in several scopes of an IPAM: a row that names the resource then goes before one that
// names none, and one that names another resource does not count.
func (s *Store) pendingFor(ctx context.Context, r *ipam.Resource) (scopes map[string]string, bound []table.Key, err error) {
	scopes, named := map[string]string{}, map[string]bool{}
	for row, err := range table.Rows(ctx, s.table, items.PendingRows(r.Owner, r.CIDR)) {
		if err != nil {
			return nil, nil, err
		}
		at, id := row.Item.Str(items.AttrIPAM), row.Item.Str(items.AttrResourceID)
		if row.Item.Str(items.AttrRegion) != r.Region || row.Item.Str(items.AttrKind) != string(r.Type.Kind()) || id != "" && id != r.ID {
			continue
		}
		if id != "" {
			bound = append(bound, row.Key)
		}
		if !named[at] {
			scopes[at], named[at] = row.Item.Str(items.AttrScope), id != ""
		}
	}
	return scopes, bound, nil
}

// stillPending returns the conditions under which a resource is recorded that was pending
// by the rows at bound: else its deletion, which ends a row, could come in between.
func stillPending(bound []table.Key) []table.Write {
	writes := make([]table.Write, len(bound))
	for i, k := range bound {
		writes[i] = table.Write{Op: table.OpCheck, Key: k, If: table.Cond{Present: true}}
	}
	return writes
}

// Made is EC2's answer that it has made a resource, or has associated a CIDR with one.
type Made struct {
	ID          string // of the resource
	Association string // EC2's id for the association of the block's CIDR with the resource, "" if it has none
	At          int64  // the time of the answer by EC2's clock, Unix seconds; 0 if the answer had none
}

// Bind writes down which resource EC2 made for a pending block. The block stays pending
// until discovery sees the resource. A block that names its resource already keeps it.
func (s *Store) Bind(ctx context.Context, a *ipam.Allocation, m Made) error {
	k := items.TakenKey(ipam.SpaceID(a.Pool), a.CIDR)
	return s.commit(ctx, "bind "+a.AllocationID, nil, func(attempt) ([]table.Write, error) {
		read, err := s.table.BatchGet(ctx, []table.Key{k})
		if err != nil {
			return nil, err
		}
		t, ok, err := items.TakenAt(k, read)
		if err != nil || !ok || t.AllocationID != a.AllocationID {
			return nil, err
		}
		return decideBind(k, t, m), nil
	})
}

// decideBind returns the writes that bind the pending block t at k, none if there is
// nothing to write.
func decideBind(k table.Key, t ipam.Taken, m Made) []table.Write {
	switch {
	case t.PendingUntil == 0 || t.ResourceID != "" && t.ResourceID != m.ID:
		return nil
	case t.ResourceID == m.ID && (t.MadeAt != 0 || m.At == 0):
		return nil
	}
	block := table.Item{items.AttrResourceID: table.Str(m.ID)}
	if m.At != 0 {
		block[items.AttrMadeAt] = table.Num(m.At)
	}
	row := table.Item{}
	for name, v := range block {
		row[name] = v
	}
	row.Put(items.AttrAssociation, m.Association)
	same := table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrPendingUntil: table.Num(t.PendingUntil)}, Missing: []string{items.AttrMadeAt}}
	if t.ResourceID == "" {
		same.Missing = append(same.Missing, items.AttrResourceID)
	} else {
		same.Equal[items.AttrResourceID] = table.Str(t.ResourceID)
	}
	return []table.Write{
		{Op: table.OpUpdate, Key: k, Set: block, If: same},
		{Op: table.OpUpdate, Key: items.PendingKey(t.Owner, t.CIDR, t.AllocationID), Set: row, If: table.Cond{Present: true}},
	}
}

// Pending is the row of a block that is pending for a resource of an account.
type Pending struct {
	Allocation string
	Resource   ipam.Resource // Type, CIDR, Owner, Region, and the ID if it is known
	Made                     // EC2's answer; its ID is the resource's
}

// Pending returns the blocks that are pending for resources of an account in a Region, by
// ascending address.
func (s *Store) Pending(ctx context.Context, account, region string) ([]*Pending, error) {
	var all []*Pending
	for row, err := range table.Rows(ctx, s.table, items.AccountPendingRows(account)) {
		if err != nil {
			return nil, err
		}
		if row.Item.Str(items.AttrRegion) != region {
			continue
		}
		cidr, allocation, err := items.ParsePendingSK(row.Key.SK)
		if err != nil {
			return nil, err
		}
		p := &Pending{Allocation: allocation, Made: Made{ID: row.Item.Str(items.AttrResourceID), Association: row.Item.Str(items.AttrAssociation), At: row.Item.Num(items.AttrMadeAt)}}
		p.Resource = ipam.Resource{Type: ipam.Kind(row.Item.Str(items.AttrKind)).ResourceType(), ID: p.ID, CIDR: cidr, Owner: account, Region: region}
		all = append(all, p)
	}
	return all, nil
}

// Deleted is why a pending block's resource does not have the CIDR any more.
type Deleted uint8

const (
	// DeletedResource says that EC2 has deleted the resource. It never comes back: EC2
	// gives no id twice.
	DeletedResource Deleted = iota + 1
	// DeletedAssociation says that EC2 has ended the association of the CIDR with the
	// resource. They may be associated again.
	DeletedAssociation
	// ReportedDeleted says that the caller reports one of both, and that EC2 does not
	// show the resource with the CIDR. If the report is wrong, discovery may record the
	// resource as soon as EC2 shows it.
	ReportedDeleted
)

// EndDeleted gives back a pending block whose resource, or whose CIDR's association with
// it, EC2 has ended before discovery saw it. It reports false and does nothing if the
// block is not pending for the resource any more. If discovery has seen the resource,
// the block becomes the resource's allocation, and discovery ends it.
//
// The caller knows one of these:
//
//   - EC2's event says that EC2 did it.
//   - EC2 does not show the resource with the CIDR, when it is asked twice, some seconds
//     apart, later by EC2's own clock than Made.At by the time that EC2 may take to show
//     it.
//   - The principal that deleted the resource reports it, and EC2 does not show it.
//
// A cascading deletion that waited for the block continues.
func (s *Store) EndDeleted(ctx context.Context, p *Pending, why Deleted) (ended bool, err error) {
	if p.ID == "" {
		return false, nil // nobody knows which resource it is
	}
	id := items.AllocationKey(p.Allocation)
	read, err := s.table.BatchGet(ctx, []table.Key{id})
	if err != nil {
		return false, err
	}
	record, ok, err := items.DecodeByID(p.Allocation, read[id], s.now())
	if err != nil || !ok || record.State != items.AllocationActive {
		return false, err
	}
	pool, err := readOne(ctx, s.Pools, string(record.Space))
	if err != nil {
		if isNotFound(err) {
			return false, nil // gone, with its allocations
		}
		return false, err
	}
	t := ipam.Taken{CIDR: record.CIDR, AllocationID: p.Allocation, Kind: record.Kind}
	return s.releasePending(ctx, pool, t, pendingEnd{resource: p.ID, deleted: why == DeletedResource})
}

// EndPending gives back the block of an allocation whose resource EC2 refused to make. If
// discovery has seen a resource in the block after all, the block stays as its
// allocation.
func (s *Store) EndPending(ctx context.Context, a *ipam.Allocation) error {
	pool, err := readOne(ctx, s.Pools, a.Pool)
	if err != nil {
		if isNotFound(err) {
			return nil // gone, with its allocations
		}
		return err
	}
	_, err = s.releasePending(ctx, pool, a.Taken, pendingEnd{})
	return err
}

// releasePending gives a pending block back if end admits it, and no resource that it may
// be for was seen in it. It reports whether it did.
func (s *Store) releasePending(ctx context.Context, pool *ipam.Pool, t ipam.Taken, end pendingEnd) (ended bool, err error) {
	if err := s.bindPending(ctx, pool.Scope, poolBlock{Taken: t, space: pool.Space()}); err != nil {
		return false, err
	}
	end.waited = true
	return s.releaseIf(ctx, pool, t, end)
}

// errPending says that a pool cannot go yet, because of pending space.
var errPending = errors.New("space is pending")

// pendingError returns errPending for a pending block that is not to be given back just
// because nobody has seen its resource: EC2 may still be asked for the resource, or it
// may be where nobody has looked since.
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

// lookedSince reports whether a discovery of an IPAM reads the account and Region of a
// pending block, and whether a run of one that began after the block's deadline has read
// them.
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

// bindPending makes a pending block the allocation of the resource that was seen in it,
// if one was. If several resources could be the one that was asked for, it takes the
// first: the others overlap it.
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
		seen := decideBindSeen(t, live)
		if seen == nil {
			return nil, nil
		}
		lives, err := s.stillLives(ctx, items.LiveKey(scope, &seen.Resource))
		if errors.Is(err, errResourceGone) {
			return nil, fmt.Errorf("%w: %w", errStale, err)
		}
		if err != nil {
			return nil, err
		}
		bound := table.Write{
			Op: table.OpUpdate, Key: k, Set: table.Item{items.AttrResourceID: table.Str(seen.ID)}, Remove: []string{items.AttrPendingUntil, items.AttrMadeAt},
			If: table.Cond{Equal: table.Item{items.AttrAllocationID: table.Str(t.AllocationID), items.AttrPendingUntil: table.Num(t.PendingUntil)}},
		}
		if t.ResourceID != "" {
			bound.If.Equal[items.AttrResourceID] = table.Str(t.ResourceID)
		} else {
			bound.If.Missing = []string{items.AttrResourceID} // Bind may name another one meanwhile
		}
		return append(s.endPending(t, pendingEnd{}), bound, lives), nil
	})
}

// decideBindSeen returns the resource, among those that are live in a pending block, that
// the block was taken for; nil if there is none.
func decideBindSeen(t ipam.Taken, live []*ipam.ResourceCIDR) *ipam.ResourceCIDR {
	i := slices.IndexFunc(live, func(r *ipam.ResourceCIDR) bool {
		return r.CIDR == t.CIDR && r.Type.Kind() == t.Kind && r.Owner == t.Owner && r.Region == t.ResourceRegion && (t.ResourceID == "" || t.ResourceID == r.ID)
	})
	if i < 0 {
		return nil
	}
	return live[i]
}
