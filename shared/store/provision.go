package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
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
	q.Token = s.settle(q.Token)
	record := s.newRecord(q.Token)
	var source ipam.SpaceID
	scope := ""             // of a CIDR that is pending
	var before netip.Prefix // what an earlier try chose
	var planning *ipam.Pool // that it is provisioned to
	made := func(t Token) Key { return AllocationKey(s.derive(ipam.IDAllocation, t)) }
	cidr := &ipam.PoolCIDR{Pool: q.Pool, State: ipam.CIDRProvisioned}
	decide := func(item Item) ([]Write, error) { // on a request that was not carried out yet
		if item == nil {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := decodePool(item)
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
			return s.plan(ctx, pool, wish.CIDR, cidr, record)
		}
		t := taking{space: source, name: pool.SourcePool, want: ipam.Want{CIDR: wish.CIDR, Length: wish.Length, Filter: wish.Filter}, by: cidr.AllocationID, cidrs: 1, before: before}
		if pool.SourcePool == "" {
			t.name = pool.Scope
		} else {
			t.scope, t.owner = pool.Scope, pool.Owner               // and laid over no VPC: a planning pool has no children
			t.may = func([]*ipam.ResourceCIDR) error { return nil } // what lives there goes on living in the child
		}
		snap, err := s.readForProvision(ctx, pool, t)
		if err != nil {
			return nil, err
		}
		if pool.SourcePool != "" {
			above, err := decodePool(snap.items[PoolKey(pool.SourcePool)])
			if err != nil {
				return nil, errLost // a source with children cannot be deleted
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
		from, chosen, err := s.pick(ctx, t, snap)
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
		writes, err := s.takeOut(ctx, source, from, want)
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
			writes = append(writes, s.noteLive(scope, chosen),
				Write{Op: OpPut, Key: TakenKey(pool.Space(), chosen), Item: encodeTaken(s.newHold(chosen, root, pool.Owner)), If: Cond{Absent: true}})
		} else {
			writes = append(writes, Write{Op: OpPut, Key: FreeKey(pool.Space(), chosen), Item: encodeFree(ipam.Free{CIDR: chosen, Root: root}), If: Cond{Absent: true}})
		}
		writes = append(writes, s.recordAllocation(source, want, ""), record.write(&answer))
		return append(writes, s.addCIDR(cidr)...), nil
	}
	err := s.commit(ctx, "provision to "+q.Pool, func() { s.window.conflict(source, s.o.Now()) }, func(attempt) ([]Write, error) {
		read, err := s.table.BatchGet(ctx, []Key{record.key, PoolKey(q.Pool), made(q.Token)})
		if err != nil {
			return nil, err
		}
		if done, err := record.replay(read[record.key], cidr); done || err != nil {
			return nil, err
		}
		t, err := s.fresh(ctx, q.Token, made, read)
		if err != nil {
			return nil, err
		}
		cidr.ID, cidr.AllocationID = s.derive(ipam.IDPoolCIDR, t), s.derive(ipam.IDAllocation, t)
		writes, err := decide(read[PoolKey(q.Pool)])
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
	around, err := s.laidOver(ctx, planning, cidr.CIDR)
	if err == nil {
		err = s.finishProvision(ctx, cidr.Pool, around, scope, cidr.CIDR)
	}
	if err == nil {
		cidr.State = ipam.CIDRProvisioned
		s.reconcileSoon(ctx, scope, cidr.CIDR)
	}
	return cidr, nil
}

// addCIDR returns the writes that list a CIDR under its pool and count it there.
func (s *Store) addCIDR(c *ipam.PoolCIDR) []Write {
	return []Write{
		{Op: OpPut, Key: CIDRKey(c.Pool, c.CIDR), Item: encodePoolCIDR(c), If: Cond{Absent: true, ExpiredBefore: maxExpiry}},
		{
			Op:  OpUpdate,
			Key: PoolKey(c.Pool),
			Add: map[string]int64{attrCIDRCount: 1},
			If: Cond{
				In:    map[string][]string{attrState: ipam.Admitting(ipam.ActUse)},
				Below: map[string]int64{attrCIDRCount: s.o.Quotas.CIDRsPerPool},
			},
		},
	}
}

// notProvisioned refuses a CIDR that a pool has, among what was read.
func notProvisioned(pool string, p netip.Prefix, read map[Key]Item) error {
	k := CIDRKey(pool, p)
	if read[k] == nil {
		return nil
	}
	have, err := decodePoolCIDR(pool, Row{k, read[k]})
	if err != nil {
		return err
	}
	if have.State != ipam.CIDRDeprovisioned {
		return ipam.Errorf(ipam.CodeIncorrectState, "The specified action is not valid for %s. The CIDR %s is in an invalid state: it is %s already.", pool, p, have.State)
	}
	return nil
}

// finishProvision has the root of a pool that is pending make room for what lives
// in it, and then says that it is provisioned. Once more is no error.
func (s *Store) finishProvision(ctx context.Context, pool string, around laid, scope string, p netip.Prefix) error {
	space, k := ipam.SpaceID(pool), CIDRKey(pool, p)
	return s.commit(ctx, "provision "+p.String(), nil, func(attempt) ([]Write, error) {
		hold := TakenKey(space, p)
		read, err := s.table.BatchGet(ctx, []Key{k, hold})
		if err != nil {
			return nil, err
		}
		if read[k] == nil || ipam.CIDRState(read[k].str(attrState)) != ipam.CIDRPendingProvision {
			return nil, nil
		}
		done := Write{
			Op: OpUpdate, Key: k, Set: Item{attrState: str(string(ipam.CIDRProvisioned))},
			If: Cond{Equal: Item{attrState: str(string(ipam.CIDRPendingProvision)), attrID: read[k][attrID]}},
		}
		t, ok, err := takenAt(hold, read)
		if err != nil {
			return nil, err
		}
		if !ok || t.Kind != ipam.KindHold { // it is shrunk, and perhaps some of it allocated since
			return []Write{done}, nil
		}
		live, err := s.liveIn(ctx, scope, around, p)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			free := ipam.Change{Op: ipam.AddFree, Free: ipam.Free{CIDR: p, Root: t.Root}}
			return append(blockWrites(space, []ipam.Change{{Op: ipam.DropTaken, Taken: t}, free}), done), nil
		}
		if _, err := s.shrink(ctx, scope, space, around, p); err != nil {
			return nil, err
		}
		return []Write{done}, nil
	})
}

// finishProvisions finishes what is pending at p in a scope.
func (s *Store) finishProvisions(ctx context.Context, scope string, p netip.Prefix) error {
	return s.finishIn(ctx, ipam.ScopeSpace(scope, ipam.FamilyOf(p)), scope, p)
}

func (s *Store) finishIn(ctx context.Context, space ipam.SpaceID, scope string, p netip.Prefix) error {
	var children []ipam.Taken
	for t, err := range s.takenIn(ctx, space, p, p.Addr()) {
		if err != nil {
			return err
		}
		if t.Below() != "" {
			children = append(children, t)
		}
	}
	if len(children) == 0 {
		return nil
	}
	keys := make([]Key, len(children))
	for i, t := range children {
		keys[i] = CIDRKey(t.Below(), t.CIDR)
	}
	read, err := s.table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for i, t := range children {
		if ipam.CIDRState(read[keys[i]].str(attrState)) == ipam.CIDRPendingProvision {
			if err := s.finishProvision(ctx, t.Below(), below(t), scope, t.CIDR); err != nil {
				return err
			}
		}
		in := p
		if ipam.Within(t.CIDR, in) {
			in = t.CIDR
		}
		if err := s.finishIn(ctx, ipam.SpaceID(t.Below()), scope, in); err != nil {
			return err
		}
	}
	return nil
}

// maxExpiry makes a condition hold for any item that expires at all: of a
// pool's CIDRs, only deprovisioned ones do.
const maxExpiry = 1 << 52

func (s *Store) readForProvision(ctx context.Context, pool *ipam.Pool, t taking) (snap snapshot, err error) {
	var keys []Key
	if pool.SourcePool != "" {
		keys = append(keys, PoolKey(pool.SourcePool))
	}
	if t.want.CIDR.IsValid() {
		keys = append(keys, CIDRKey(pool.ID, t.want.CIDR))
		snap.items, err = s.table.BatchGet(ctx, append(keys, holderKeys(t.space, t.want.CIDR)...))
		return snap, err
	}
	return s.readForLength(ctx, keys, t)
}

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
	err := s.commit(ctx, "deprovision "+q.CIDR.String(), nil, func(a attempt) ([]Write, error) {
		cidrKey := CIDRKey(q.Pool, q.CIDR)
		rootKey := FreeKey(ipam.SpaceID(q.Pool), q.CIDR)
		read, err := s.table.BatchGet(ctx, []Key{PoolKey(q.Pool), cidrKey, rootKey})
		if err != nil {
			return nil, err
		}
		if a.unsure && tried != nil {
			// Once that root is gone, what stands here, the CIDR provisioned
			// anew or nothing, is not what this request is about.
			state := ipam.CIDRState(read[cidrKey].str(attrState))
			if read[cidrKey].str(attrID) != tried.ID || state == ipam.CIDRDeprovisioned || state == tried.State {
				cidr = tried
				return nil, nil
			}
		}
		item, ok := read[PoolKey(q.Pool)]
		if !ok {
			return nil, ipam.NotFound(q.Pool)
		}
		pool, err := decodePool(item)
		if err != nil {
			return nil, err
		}
		if err := q.May(pool); err != nil {
			return nil, err
		}
		if item, ok = read[cidrKey]; !ok || expired(item, s.now()) {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The CIDR %s is not provisioned to %s. GetIpamPoolCidrs lists the CIDRs that are.", q.CIDR, q.Pool)
		}
		if cidr, err = decodePoolCIDR(q.Pool, Row{cidrKey, item}); err != nil {
			return nil, err
		}
		if !cidr.State.Holds() || cidr.State == ipam.CIDRPendingProvision {
			return nil, ipam.Errorf(ipam.CodeIncorrectState, "The specified action is not valid for %s. The CIDR %s is in an invalid state: it is %s.", q.Pool, q.CIDR, cidr.State)
		}
		root := ipam.Root{ID: cidr.ID, Bits: q.CIDR.Bits()}
		empty := Write{Op: OpDelete, Key: rootKey, If: Cond{Equal: Item{attrRoot: rootAttr(root)}}}
		var writes []Write
		scope = ""
		if free, ok := read[rootKey]; !ok || free.str(attrRoot) != rootText(root) {
			if writes, err = s.emptyRoot(ctx, pool, cidr); err != nil || writes == nil {
				if taken, is := errors.AsType[*takenError](err); is {
					writes, err, tried = failDeprovision(cidr, taken.by), nil, cidr
				}
				return writes, err
			}
			scope = pool.Scope
		} else {
			writes = []Write{empty}
		}
		b := &buddies{s: s, space: cidr.Source, path: ipam.MergePath(q.CIDR)}
		if b.read, err = s.table.BatchGet(ctx, append(b.keys(firstBuddies), TakenKey(cidr.Source, q.CIDR))); err != nil {
			return nil, err
		}
		planned := false
		if pool.SourceResource != nil {
			t, err := b.taken(cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			planned = t.Plan != "" // else the VPC is gone, and the block the pool's
		}
		if planned {
			writes = append(writes, unplan(pool, cidr))
			rest = nil
		} else if scope != "" && pool.SourcePool != "" {
			// What lives there is the source's now.
			t, err := b.taken(cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			writes = append(writes, blockWrites(cidr.Source, turn(t, s.newHold(q.CIDR, t.Root, pool.Owner)))...)
			writes = append(writes, s.noteLive(scope, q.CIDR))
			rest = nil
		} else {
			given, left, err := b.giveBack(ctx, cidr.AllocationID, q.CIDR)
			if err != nil {
				return nil, err
			}
			writes, rest = append(writes, given...), left
		}
		cidr.State, cidr.Failure, cidr.FailureCode, cidr.Expires = ipam.CIDRDeprovisioned, "", "", s.now()+deprovisionedLife
		tried = cidr
		if !planned {
			writes = append(writes, Write{Op: OpDelete, Key: AllocationKey(cidr.AllocationID)})
		}
		return append(writes,
			Write{Op: OpPut, Key: cidrKey, Item: encodePoolCIDR(cidr), If: Cond{
				Equal: Item{attrID: str(cidr.ID)},
				In:    map[string][]string{attrState: {string(ipam.CIDRProvisioned), string(ipam.CIDRFailedDeprovision)}},
			}},
			Write{Op: OpUpdate, Key: PoolKey(q.Pool), Add: map[string]int64{attrCIDRCount: -1}, If: Cond{Present: true}},
		), nil
	})
	if err != nil {
		return nil, err
	}
	if rest != nil {
		_ = s.mergeSplit(ctx, cidr.Source, *rest) // what this leaves undone, the reconciler does
	}
	if scope != "" {
		s.reconcileSoon(ctx, scope, q.CIDR)
	}
	return cidr, nil
}

// emptyRoot returns the write that takes the root of a pool away in which there
// is nothing but free space and holds. It returns a *takenError that names a
// block that is neither.
func (s *Store) emptyRoot(ctx context.Context, pool *ipam.Pool, cidr *ipam.PoolCIDR) ([]Write, error) {
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
		return nil, errLost // it is free by now, or gone
	}
	t, err := s.gathered(ctx, pool.Space(), pool.Owner, cidr.CIDR, s.noting(pool.Scope, cidr.CIDR))
	if err != nil {
		return nil, err
	}
	if t.Root.ID != cidr.ID {
		return nil, errLost
	}
	return blockWrites(pool.Space(), []ipam.Change{{Op: ipam.DropTaken, Taken: t}}), nil
}

// failDeprovision returns the write that records why a CIDR cannot be
// deprovisioned: the block that is in the way.
func failDeprovision(cidr *ipam.PoolCIDR, by ipam.Taken) []Write {
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
	if by.Lease != 0 {
		why = fmt.Sprintf("The CIDR has one or more allocations. %s is %s: unless EC2 refuses that, it is kept until it is seen, or else once discovery has looked at account %s in %s after %s (GetIpamDiscoveredAccounts) and found none. Deprovision again then.",
			by.CIDR, usedBy(by), by.Owner, by.ResourceRegion, time.Unix(by.Lease, 0).UTC().Format(time.RFC3339))
	}
	if before == cidr.State && cidr.Failure == why {
		return nil
	}
	cidr.Failure = why
	return []Write{{
		Op:  OpUpdate,
		Key: CIDRKey(cidr.Pool, cidr.CIDR),
		Set: Item{attrState: str(string(cidr.State)), attrFailure: str(why)},
		If:  Cond{Equal: Item{attrID: str(cidr.ID), attrState: str(string(before))}},
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

// record is the answer to a token, kept so that a retry of the request gets it
// again.
type record struct {
	s     *Store
	token Token
	key   Key
}

func (s *Store) newRecord(t Token) record {
	return record{s, t, tokenKey(ipam.DeriveID("token", t.Account, s.o.Region, t.Operation, t.Value))}
}

// replay reads the recorded answer into answer and reports whether there is
// one.
func (r record) replay(i Item, answer any) (bool, error) {
	if i == nil || expired(i, r.s.now()) {
		return false, nil
	}
	if i.str(attrDigest) != r.token.Digest {
		return false, mismatch(r.token.Value)
	}
	if err := json.Unmarshal([]byte(i.str(attrAnswer)), answer); err != nil {
		return false, fmt.Errorf("recorded answer to token %q: %w", r.token.Value, err)
	}
	return true, nil
}

// write returns the write that records answer.
func (r record) write(answer any) Write {
	doc, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", answer, err)) // plain data, no cycles
	}
	return Write{
		Op:   OpPut,
		Key:  r.key,
		Item: Item{attrDigest: str(r.token.Digest), attrAnswer: str(string(doc)), AttrExpires: num(r.s.now() + int64(tokenRetention.Seconds()))},
		If:   Cond{Absent: true, ExpiredBefore: r.s.now()},
	}
}
