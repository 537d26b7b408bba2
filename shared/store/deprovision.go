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
	May  func(*ipam.Pool) error // whether the caller may deprovision from the pool
}

// deprovisionedLife is how long a deprovisioned CIDR stays listed, as AWS's
// stay "for some time".
const deprovisionedLife = 60 * 60 // seconds

// Deprovision gives a CIDR without allocations back to the pool's source, in
// one transaction whose condition on the pool's free block is the guard
// against allocations that race with it. If the CIDR has allocations it stays,
// in state failed-deprovision with the reason, and can be deprovisioned later.
func (s *Store) Deprovision(ctx context.Context, q Deprovision) (*ipam.PoolCIDR, error) {
	var cidr *ipam.PoolCIDR
	var rest *ipam.Taken
	var tried *ipam.PoolCIDR // what an earlier try of this request tried to write
	scope := ""              // of a CIDR in which resources live
	err := s.commit(ctx, "deprovision "+q.CIDR.String(), nil, func(a attempt) ([]table.Write, error) {
		cidrKey := items.CIDRKey(q.Pool, q.CIDR)
		rootKey := items.FreeKey(ipam.SpaceID(q.Pool), q.CIDR)
		read, err := s.table.BatchGet(ctx, []table.Key{items.PoolKey(q.Pool), cidrKey, rootKey})
		if err != nil {
			return nil, err
		}
		if a.outcomeUnknown && tried != nil {
			// Once that root is gone, what stands here, the CIDR provisioned
			// anew or nothing, is not what this request is about.
			state := ipam.CIDRState(read[cidrKey].Str(items.AttrState))
			if read[cidrKey].Str(items.AttrID) != tried.ID || state == ipam.CIDRDeprovisioned || state == tried.State {
				cidr = tried
				return nil, nil
			}
		}
		item, ok := read[items.PoolKey(q.Pool)]
		if !ok {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := items.DecodePool(item)
		if err != nil {
			return nil, err
		}
		if err := q.May(pool); err != nil {
			return nil, err
		}
		if item, ok = read[cidrKey]; !ok || table.Expired(item, s.now()) {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is not provisioned to %s. GetIpamPoolCidrs lists the CIDRs that are.", q.CIDR, q.Pool)
		}
		if cidr, err = items.DecodePoolCIDR(q.Pool, table.Row{Key: cidrKey, Item: item}); err != nil {
			return nil, err
		}
		if !cidr.State.Holds() || cidr.State == ipam.CIDRPendingProvision {
			return nil, ipam.Errorf(ipam.CodeIncorrectState, "The specified action is not valid for %s. The CIDR %s is in an invalid state: it is %s.", q.Pool, q.CIDR, cidr.State)
		}
		root := ipam.Root{ID: cidr.ID, Bits: q.CIDR.Bits()}
		empty := table.Write{Op: table.OpDelete, Key: rootKey, If: table.Cond{Equal: table.Item{items.AttrRoot: items.RootAttr(root)}}}
		var writes []table.Write
		scope = ""
		if free, ok := read[rootKey]; !ok || free.Str(items.AttrRoot) != items.RootText(root) {
			if writes, err = s.emptyRoot(ctx, pool, cidr); err != nil || writes == nil {
				if taken, is := errors.AsType[*takenError](err); is {
					writes, err, tried = failDeprovision(cidr, taken.by), nil, cidr
				}
				return writes, err
			}
			scope = pool.Scope
		} else {
			writes = []table.Write{empty}
		}
		b := &buddies{s: s, space: cidr.Source, path: ipam.MergePath(q.CIDR)}
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), items.TakenKey(cidr.Source, q.CIDR))); err != nil {
			return nil, err
		}
		planned := false
		if pool.SourceResource != nil {
			t, err := b.taken(cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			planned = t.PlanningPool != "" // else the VPC is gone, and the block the pool's
		}
		if planned {
			writes = append(writes, detachPlanningPool(pool, cidr))
			rest = nil
		} else if scope != "" && pool.SourcePool != "" {
			// What lives there is the source's now.
			t, err := b.taken(cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			writes = append(writes, blockWrites(cidr.Source, replaceTaken(t, s.newHold(q.CIDR, t.Root, pool.Owner)))...)
			writes = append(writes, s.liveNote(scope, q.CIDR))
			rest = nil
		} else {
			given, left, err := b.giveAllocation(ctx, cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			writes, rest = append(writes, given...), left
		}
		cidr.State, cidr.Failure, cidr.FailureCode, cidr.Expires = ipam.CIDRDeprovisioned, "", "", s.now()+deprovisionedLife
		tried = cidr
		if !planned {
			writes = append(writes, table.Write{Op: table.OpDelete, Key: items.AllocationKey(cidr.AllocationID)})
		}
		return append(writes,
			table.Write{Op: table.OpPut, Key: cidrKey, Item: items.EncodePoolCIDR(cidr), If: table.Cond{
				Equal: table.Item{items.AttrID: table.Str(cidr.ID)},
				In:    map[string][]string{items.AttrState: {string(ipam.CIDRProvisioned), string(ipam.CIDRFailedDeprovision)}},
			}},
			table.Write{Op: table.OpUpdate, Key: items.PoolKey(q.Pool), Add: map[string]int64{items.AttrCIDRCount: -1}, If: table.Cond{Present: true}},
		), nil
	})
	if err != nil {
		return nil, err
	}
	if rest != nil {
		_ = s.mergeSplit(ctx, cidr.Source, *rest) // what this leaves undone, the reconciler does
	}
	if scope != "" {
		s.reconcileNoted(ctx, scope, q.CIDR)
	}
	return cidr, nil
}

// emptyRoot returns the write that takes the root of a pool away in which there
// is nothing but free space and holds. It returns a *takenError that names a
// block that is neither.
func (s *Store) emptyRoot(ctx context.Context, pool *ipam.Pool, cidr *ipam.PoolCIDR) ([]table.Write, error) {
	held := false
	for t, err := range s.takenIn(ctx, pool.Space(), cidr.CIDR, cidr.CIDR.Addr()) {
		if err != nil {
			return nil, err
		}
		if t.Kind != ipam.KindHold {
			return nil, &takenError{t}
		}
		held = true
	}
	if !held {
		return nil, errStale // it is free by now, or gone
	}
	t, err := s.makeAndReadHold(ctx, pool.Space(), pool.Owner, cidr.CIDR, s.noteExcess(pool.Scope, cidr.CIDR))
	if err != nil {
		return nil, err
	}
	if t.Root.ID != cidr.ID {
		return nil, errStale
	}
	return blockWrites(pool.Space(), []ipam.Change{{Op: ipam.DropTaken, Taken: t}}), nil
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
	if by.PendingUntil != 0 {
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

// usedBy says for messages what resource a block is allocated to, or is taken for.
func usedBy(t ipam.Taken) string {
	what := fmt.Sprintf("used by %s %s", t.Kind, t.ResourceID)
	if t.ResourceID == "" {
		what = "taken for a " + string(t.Kind) + " that is being made"
	}
	return fmt.Sprintf("%s in account %s, %s", what, t.Owner, t.ResourceRegion)
}
