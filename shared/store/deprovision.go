package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Deprovision is a request to take a CIDR out of a pool.
type Deprovision struct {
	Pool string
	CIDR netip.Prefix
	May  func(*ipam.Pool) error // says whether the caller may deprovision from the pool
}

// deprovisionedLife is how long a deprovisioned CIDR stays listed, as AWS's
// stay "for some time".
const deprovisionedLife = 60 * 60 // seconds

// Deprovision gives a CIDR without allocations back to the pool's source, in one
// transaction. Its condition on the pool's root is the guard against allocations
// that race with it. A CIDR with allocations stays, in state failed-deprovision with
// the reason, and can be deprovisioned later.
func (s *Store) Deprovision(ctx context.Context, q Deprovision) (*ipam.PoolCIDR, error) {
	var last, tried deprovisionChanges // of the last try, and of the last that wrote
	err := s.commit(ctx, "deprovision "+q.CIDR.String(), nil, func(a attempt) ([]table.Write, error) {
		read, err := s.readForDeprovision(ctx, q)
		if err != nil {
			return nil, err
		}
		if a.outcomeUnknown && tried.done(read) {
			last = tried
			return nil, nil
		}
		snap, err := q.check(read, s.now())
		if err != nil {
			return nil, err
		}
		if err := s.emptyRoot(ctx, &snap); err != nil {
			return nil, err
		}
		if last = s.decideDeprovision(snap); len(last.writes) == 0 {
			return nil, nil // failed as before
		}
		if last.cidr.State == ipam.CIDRDeprovisioned {
			if err := s.giveToSource(ctx, snap, &last); err != nil {
				return nil, err
			}
		}
		tried = last
		return last.writes, nil
	})
	if err != nil {
		return nil, err
	}
	if last.rest != nil {
		_ = s.mergeSplit(ctx, last.cidr.Source, *last.rest) // if this fails, the work of the split's note does it
	}
	if last.held {
		s.reconcileNoted(ctx, last.scope, q.CIDR)
	}
	return last.cidr, nil
}

// deprovisionRead are the items that Deprovision reads first.
type deprovisionRead struct {
	pool, cidr, root table.Item // nil if absent
}

func (s *Store) readForDeprovision(ctx context.Context, q Deprovision) (deprovisionRead, error) {
	pool, cidr, root := items.PoolKey(q.Pool), items.CIDRKey(q.Pool, q.CIDR), items.FreeKey(ipam.SpaceID(q.Pool), q.CIDR)
	read, err := s.table.BatchGet(ctx, []table.Key{pool, cidr, root})
	return deprovisionRead{read[pool], read[cidr], read[root]}, err
}

// deprovisionSnapshot is the input of decideDeprovision.
type deprovisionSnapshot struct {
	pool *ipam.Pool
	cidr *ipam.PoolCIDR
	free bool        // the whole root is one free block
	hold *ipam.Taken // the whole root is this hold: resources live in it
	by   *ipam.Taken // a block in the root that is neither free nor a hold
}

// check refuses a request by the state of the pool and of the CIDR. now is in Unix
// seconds.
func (q Deprovision) check(read deprovisionRead, now int64) (snap deprovisionSnapshot, err error) {
	if read.pool == nil {
		return snap, ipam.NotFound(q.Pool)
	}
	if snap.pool, err = items.DecodePool(read.pool); err != nil {
		return snap, err
	}
	if err := q.May(snap.pool); err != nil {
		return snap, err
	}
	if read.cidr == nil || table.Expired(read.cidr, now) {
		return snap, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is not provisioned to %s. GetIpamPoolCidrs lists the CIDRs that are.", q.CIDR, q.Pool)
	}
	if snap.cidr, err = items.DecodePoolCIDR(q.Pool, table.Row{Key: items.CIDRKey(q.Pool, q.CIDR), Item: read.cidr}); err != nil {
		return snap, err
	}
	if !snap.cidr.State.Holds() || snap.cidr.State == ipam.CIDRPendingProvision {
		return snap, ipam.Errorf(ipam.CodeIncorrectState, "The specified action is not valid for %s. The CIDR %s is in an invalid state: it is %s.", q.Pool, q.CIDR, snap.cidr.State)
	}
	snap.free = read.root != nil && read.root.Str(items.AttrRoot) == items.RootText(rootOf(snap.cidr))
	return snap, nil
}

// rootOf returns the root that a CIDR is in its pool.
func rootOf(c *ipam.PoolCIDR) ipam.Root { return ipam.Root{ID: c.ID, Bits: c.CIDR.Bits()} }

// deprovisionChanges are the changes of a deprovision.
type deprovisionChanges struct {
	cidr   *ipam.PoolCIDR // the answer
	writes []table.Write
	rest   *ipam.Taken // a split that the merge into the source left
	held   bool        // resources live in the CIDR
	scope  string      // the pool's
}

// done reports whether these changes were applied, once a transaction's outcome is
// unknown. If the root of the try is gone, then the item that is read now, a CIDR
// provisioned anew or none, is not the one of this request.
func (c deprovisionChanges) done(read deprovisionRead) bool {
	if c.cidr == nil {
		return false
	}
	state := ipam.CIDRState(read.cidr.Str(items.AttrState))
	return read.cidr.Str(items.AttrID) != c.cidr.ID || state == ipam.CIDRDeprovisioned || state == c.cidr.State
}

// decideDeprovision fails the CIDR if a block is in the way, with no writes if it
// failed for the same reason before. Else it deletes the CIDR's root; giveToSource adds
// the writes on the source.
func (s *Store) decideDeprovision(snap deprovisionSnapshot) deprovisionChanges {
	pool, cidr := snap.pool, *snap.cidr
	if snap.by != nil {
		writes := failDeprovision(&cidr, *snap.by)
		return deprovisionChanges{cidr: &cidr, writes: writes}
	}
	c := deprovisionChanges{cidr: &cidr, held: snap.hold != nil, scope: pool.Scope}
	if snap.hold != nil {
		c.writes = blockWrites(pool.Space(), []ipam.Change{{Op: ipam.DropTaken, Taken: *snap.hold}})
	} else {
		c.writes = blockWrites(pool.Space(), []ipam.Change{{Op: ipam.DropFree, Free: ipam.Free{CIDR: cidr.CIDR, Root: rootOf(&cidr)}}})
	}
	cidr.State, cidr.Failure, cidr.FailureCode, cidr.Expires = ipam.CIDRDeprovisioned, "", "", s.now()+deprovisionedLife
	c.writes = append(c.writes,
		table.Write{Op: table.OpPut, Key: items.CIDRKey(pool.ID, cidr.CIDR), Item: items.EncodePoolCIDR(&cidr), If: table.Cond{
			Equal: table.Item{items.AttrID: table.Str(cidr.ID)},
			In:    map[string][]string{items.AttrState: {string(ipam.CIDRProvisioned), string(ipam.CIDRFailedDeprovision)}},
		}},
		table.Write{Op: table.OpUpdate, Key: items.PoolKey(pool.ID), Add: map[string]int64{items.AttrCIDRCount: -1}, If: table.Cond{Present: true}})
	return c
}

// giveToSource adds the writes on the CIDR's block in the pool's source. The source
// of a planning pool keeps the block, which is the VPC's, unless the VPC is gone and
// the block became the pool's. A source pool gets space in which resources live as a
// hold. All other space becomes free.
func (s *Store) giveToSource(ctx context.Context, snap deprovisionSnapshot, c *deprovisionChanges) error {
	pool, cidr := snap.pool, c.cidr
	b := &buddies{s: s, space: cidr.Source, path: ipam.MergePath(cidr.CIDR)}
	var err error
	if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), items.TakenKey(cidr.Source, cidr.CIDR))); err != nil {
		return err
	}
	t, err := b.taken(cidr.AllocationID, cidr.CIDR)
	if err != nil {
		return err
	}
	if pool.SourceResource != nil && t.PlanningPool != "" {
		c.writes = append(c.writes, detachPlanningPool(pool, cidr))
		return nil
	}
	c.writes = append(c.writes, table.Write{Op: table.OpDelete, Key: items.AllocationKey(cidr.AllocationID)})
	if c.held && pool.SourcePool != "" {
		c.writes = append(c.writes, blockWrites(cidr.Source, replaceTaken(t, s.newHold(cidr.CIDR, t.Root, pool.Owner)))...)
		c.writes = append(c.writes, s.liveNote(c.scope, cidr.CIDR))
		return nil
	}
	given, rest, err := b.giveWrites(ctx, t)
	c.writes, c.rest = append(c.writes, given...), rest
	return err
}

// emptyRoot looks into a root that is not one free block: it completes the snapshot
// with a block that is in the way, or with the hold that it makes of free space and
// holds. It returns errStale if the root is free by now, or gone.
func (s *Store) emptyRoot(ctx context.Context, snap *deprovisionSnapshot) error {
	if snap.free {
		return nil
	}
	pool, cidr := snap.pool, snap.cidr
	held := false
	for t, err := range s.takenIn(ctx, pool.Space(), cidr.CIDR, cidr.CIDR.Addr()) {
		if err != nil {
			return err
		}
		if t.Kind != ipam.KindHold {
			snap.by = &t
			return nil
		}
		held = true
	}
	if !held {
		return errStale
	}
	t, err := s.makeAndReadHold(ctx, pool.Space(), pool.Owner, cidr.CIDR, s.noteExcess(pool.Scope, cidr.CIDR))
	if taken, is := errors.AsType[*takenError](err); is {
		snap.by = &taken.by
		return nil
	}
	if err != nil {
		return err
	}
	if t.Root.ID != cidr.ID {
		return errStale
	}
	snap.hold = &t
	return nil
}

// failDeprovision returns the write that records why a CIDR cannot be
// deprovisioned: the block that is in the way.
func failDeprovision(cidr *ipam.PoolCIDR, by ipam.Taken) []table.Write {
	before := cidr.State
	cidr.State = ipam.CIDRFailedDeprovision
	why := fmt.Sprintf("The CIDR has one or more allocations. %s is taken by %s (%s): release it, then deprovision again.", by.CIDR, by.AllocationID, by.Kind)
	switch by.Kind {
	case ipam.KindVPC:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is %s: delete that, or have it ignored with ModifyIpamResourceCidr, then deprovision again.", by.CIDR, usedBy(by))
	case ipam.KindSubnet, ipam.KindEIP, ipam.KindPublicIPv4Pool:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is %s: delete that, then deprovision again.", by.CIDR, usedBy(by))
	case ipam.KindPool:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is provisioned to pool %s: deprovision it there first.", by.CIDR, by.ResourceID)
	case ipam.KindSplit:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is being taken or released by another request: deprovision again in a moment.", by.CIDR)
	default: // a custom allocation
	}
	switch {
	case by.PendingUntil == 0:
	case by.MadeAt != 0:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is %s, which discovery has not seen yet: delete that in EC2. The CIDR is free once EC2's event says so, or discovery has looked there. Deprovision again then.", by.CIDR, usedBy(by))
	default:
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is %s: unless EC2 refuses that, it is kept until it is seen, or else once discovery has looked at account %s in %s after %s (GetIpamDiscoveredAccounts) and found none. Deprovision again then.",
			by.CIDR, usedBy(by), by.Owner, by.ResourceRegion, time.Unix(by.PendingUntil, 0).UTC().Format(time.RFC3339))
	}
	if before == cidr.State && cidr.Failure == why {
		return nil
	}
	cidr.Failure = why
	return []table.Write{{
		Op:  table.OpUpdate,
		Key: items.CIDRKey(cidr.Pool, cidr.CIDR),
		Set: table.Item{items.AttrState: table.Str(string(cidr.State)), items.AttrFailure: table.Str(why)},
		If:  table.Cond{Equal: table.Item{items.AttrID: table.Str(cidr.ID), items.AttrState: table.Str(string(before))}},
	}}
}

// usedBy names, for messages, the resource that a block is allocated to or taken for.
func usedBy(t ipam.Taken) string {
	what := fmt.Sprintf("used by %s %s", t.Kind, t.ResourceID)
	if t.ResourceID == "" {
		what = "taken for a " + string(t.Kind) + " that is being made"
	}
	return fmt.Sprintf("%s in account %s, %s", what, t.Owner, t.ResourceRegion)
}
