package ops

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

func (o service) allocate(ctx context.Context, in *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
	t, err := token(ctx, "AllocateIpamPoolCidr", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	q := store.Allocate{Token: t, Preview: aws.ToBool(in.PreviewNextCidr), Event: registry.CallerFrom(ctx).Request}
	q.Request = ipam.AllocateRequest{Length: parseLength(in.NetmaskLength), Region: registry.CallerFrom(ctx).Region, HomeRegion: o.store.Region()}
	if q.Pool, err = checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId); err != nil {
		return nil, err
	}
	if q.Request.CIDR, err = parseCIDR("Cidr", in.Cidr); err != nil {
		return nil, err
	}
	if q.Request.Filter.Allowed, err = parseCIDRs("AllowedCidr", in.AllowedCidrs); err != nil {
		return nil, err
	}
	if q.Request.Filter.Disallowed, err = parseCIDRs("DisallowedCidr", in.DisallowedCidrs); err != nil {
		return nil, err
	}
	if q.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if q.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDAllocation); err != nil {
		return nil, err
	}
	q.May = func(p *ipam.Pool) error { return checkVisible(ctx, p) }
	a, err := o.store.Allocate(ctx, q)
	if err != nil {
		return nil, err
	}
	return &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: new(showAllocation(a))}, nil
}

func (o service) release(ctx context.Context, in *ec2.ReleaseIpamPoolAllocationInput) (*ec2.ReleaseIpamPoolAllocationOutput, error) {
	var q store.Release
	var err error
	if q.Pool, err = checkID(ipam.IDPool, "IpamPoolId", in.IpamPoolId); err != nil {
		return nil, err
	}
	if q.CIDR, err = parseCIDR("Cidr", in.Cidr); err != nil {
		return nil, err
	}
	if q.Allocation, err = checkID(ipam.IDAllocation, "IpamPoolAllocationId", in.IpamPoolAllocationId); err != nil {
		return nil, err
	}
	q.May = func(p *ipam.Pool, owner string) error {
		if checkOwner(ctx, &p.Meta) == nil {
			return nil // also an allocation of another account
		}
		if err := checkVisible(ctx, p); err != nil {
			return err
		}
		if owner == "" { // no such allocation, which the store answers
			return nil
		}
		return checkOwner(ctx, &ipam.Meta{ID: q.Allocation, Owner: owner})
	}
	err = o.store.Release(ctx, q)
	if ipam.CodeOf(err) == ipam.CodeInvalidAllocationIDNotFound {
		return nil, invalidCombination(ipam.NoAllocation+" in %s with the ID %s. GetIpamPoolAllocations lists those of a pool.", q.Pool, q.Allocation)
	}
	if err != nil {
		return nil, err
	}
	return &ec2.ReleaseIpamPoolAllocationOutput{Success: aws.Bool(true)}, nil
}

func (o service) modifyAllocation(ctx context.Context, in *ec2.ModifyIpamPoolAllocationInput) (*ec2.ModifyIpamPoolAllocationOutput, error) {
	id, err := checkID(ipam.IDAllocation, "IpamPoolAllocationId", in.IpamPoolAllocationId)
	if err != nil {
		return nil, err
	}
	if in.Description == nil {
		return nil, invalidCombination("The request must contain a modification to the allocation. Give a Description.")
	}
	text, err := parseDescription(in.Description)
	if err != nil {
		return nil, err
	}
	if _, err := o.findAllocations(ctx, "IpamPoolAllocationId", []string{id}); err != nil {
		return nil, err
	}
	a, err := o.store.ModifyAllocation(ctx, id, func(a *ipam.Allocation) error {
		a.Description = text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamPoolAllocationOutput{IpamPoolAllocation: new(showAllocation(a))}, nil
}

// existingAllocations returns the allocations with the ids that exist for the caller, by
// ascending pool and address. The account, pool and owner of an allocation never change,
// so the caller may change by its id an allocation that it found.
func (o service) existingAllocations(ctx context.Context, ids []string) (allocations, error) {
	found, err := o.store.AllocationsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	of := make([]string, len(found))
	for i, a := range found {
		of[i] = a.Pool
	}
	pools, err := o.store.Pools(ctx, slices.Compact(of))
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*ipam.Pool, len(pools))
	for _, p := range pools {
		byID[p.ID] = p
	}
	return slices.DeleteFunc(found, func(a *ipam.Allocation) bool {
		p := byID[a.Pool]
		if p == nil || checkOwner(ctx, &p.Meta) == nil {
			return p == nil
		}
		return a.Owner != registry.CallerFrom(ctx).Account || checkVisible(ctx, p) != nil
	}), nil
}

// findAllocations returns the allocations with the ids, by ascending pool and address. It
// returns NotFound unless all of them exist for the caller.
func (o service) findAllocations(ctx context.Context, parameter string, ids []string) (allocations, error) {
	for _, id := range ids {
		if _, err := checkID(ipam.IDAllocation, parameter, &id); err != nil {
			return nil, err
		}
	}
	found, err := o.existingAllocations(ctx, ids)
	if err != nil {
		return nil, err
	}
	exists := make(map[string]bool, len(found))
	for _, a := range found {
		exists[a.AllocationID] = true
	}
	for _, id := range ids {
		if !exists[id] {
			return nil, ipam.NotFound(id)
		}
	}
	return found, nil
}

// allocationFilters are the filters of allocations besides those of their members.
// allocation-id is the first clients' name of ipam-pool-allocation-id.
var allocationFilters = listing.Filters[types.IpamPoolAllocation]{
	"allocation-id": func(a *types.IpamPoolAllocation) (string, bool) { return *a.IpamPoolAllocationId, true },
}

// answerAllocations is [answer] for allocations. A page of them is as long as possible,
// and the position of the token is read before the filters. objects returns the list, and
// whether the caller owns all of it.
func answerAllocations(ctx context.Context, q listRequest, objects func(listing.Page, allocationPosition) (all listing.List[ipam.Allocation], owner bool, err error)) ([]types.IpamPoolAllocation, *string, error) {
	p, err := newPage(ctx, q, listing.MaxCost)
	if err != nil {
		return nil, nil, err
	}
	after, err := afterAllocation(p)
	if err != nil {
		return nil, nil, err
	}
	match, err := allocationFilters.Match(q.filters)
	if err != nil {
		return nil, nil, err
	}
	all, owner, err := objects(p, after)
	if err != nil {
		return nil, nil, err
	}
	show := showAllocation
	if !owner {
		account := registry.CallerFrom(ctx).Account
		show = func(a *ipam.Allocation) types.IpamPoolAllocation { return showAllocationTo(account, a) }
	}
	return listing.Collect(ctx, p, all, show, match)
}

func (o service) getAllocations(ctx context.Context, in *ec2.GetIpamPoolAllocationsInput) (*ec2.GetIpamPoolAllocationsOutput, error) {
	q := listRequest{"GetIpamPoolAllocations", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answerAllocations(ctx, q, func(p listing.Page, after allocationPosition) (listing.List[ipam.Allocation], bool, error) {
		pool, err := o.visiblePool(ctx, in.IpamPoolId)
		if err != nil {
			return nil, false, err
		}
		owner := checkOwner(ctx, &pool.Meta) == nil
		if in.IpamPoolAllocationId == nil {
			return o.allocationsOf(ctx, allocationPosition{pool: pool.ID, cidr: after.cidr}, p.ReadAhead(in.Filters)).List(), owner, nil
		}
		id, err := checkID(ipam.IDAllocation, "IpamPoolAllocationId", in.IpamPoolAllocationId)
		if err != nil {
			return nil, false, err
		}
		found, err := o.store.AllocationsByID(ctx, []string{id})
		if err != nil {
			return nil, false, err
		}
		if len(found) == 0 || found[0].Pool != pool.ID {
			return nil, false, ipam.NotFound(id)
		}
		return allocations(found).behind(after), owner, nil
	})
	return &ec2.GetIpamPoolAllocationsOutput{IpamPoolAllocations: found, NextToken: next}, err
}

func (o service) describeAllocations(ctx context.Context, in *ec2.DescribeIpamPoolAllocationsInput) (*ec2.DescribeIpamPoolAllocationsOutput, error) {
	q := listRequest{"DescribeIpamPoolAllocations", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answerAllocations(ctx, q, func(p listing.Page, after allocationPosition) (listing.List[ipam.Allocation], bool, error) {
		if len(in.IpamPoolAllocationIds) == 0 {
			return o.allAllocations(ctx, after, p.ReadAhead(in.Filters)), true, nil
		}
		if p.Limited() {
			return nil, false, idsWithMaxResults("IpamPoolAllocationIds")
		}
		found, err := o.findAllocations(ctx, "IpamPoolAllocationIds", in.IpamPoolAllocationIds)
		return found.behind(after), true, err
	})
	return &ec2.DescribeIpamPoolAllocationsOutput{IpamPoolAllocations: found, NextToken: next}, err
}

// allocationPosition is a position in a list of allocations. Its zero value is the
// beginning.
type allocationPosition struct {
	pool      string
	cidr      netip.Prefix
	principal string // that the pool is shared with, of a list of the caller's allocations in it; "" for all in the pool
}

func positionOf(a *ipam.Allocation) allocationPosition {
	return allocationPosition{pool: a.Pool, cidr: a.CIDR}
}

func (p allocationPosition) position() []string {
	if p.principal == "" {
		return []string{p.pool, p.cidr.String()}
	}
	return []string{p.pool, p.cidr.String(), p.principal}
}

func (p allocationPosition) compare(q allocationPosition) int {
	return cmp.Or(cmp.Compare(p.pool, q.pool), p.cidr.Compare(q.cidr))
}

func parsePosition(position []string) (allocationPosition, bool) {
	if n := len(position); n < 2 || n > 3 || ipam.IDKindOf(position[0]) != ipam.IDPool {
		return allocationPosition{}, false
	}
	c, err := netip.ParsePrefix(position[1])
	at := allocationPosition{pool: position[0], cidr: c}
	if len(position) == 3 {
		at.principal = position[2]
	}
	return at, err == nil
}

// afterAllocation returns the position of a page.
func afterAllocation(p listing.Page) (allocationPosition, error) {
	if len(p.After) == 0 {
		return allocationPosition{}, nil
	}
	at, ok := parsePosition(p.After)
	if !ok {
		return allocationPosition{}, p.InvalidToken()
	}
	return at, nil
}

// allocationsOf lists the allocations of a pool, by ascending address, behind at: all of
// them, or the caller's only if at has a principal. One call to the store reads about
// ahead of them.
func (o service) allocationsOf(ctx context.Context, at allocationPosition, ahead int) listing.Part[ipam.Allocation] {
	next := o.store.Allocations
	if at.principal != "" {
		next = func(ctx context.Context, pool, after string, limit int) ([]*ipam.Allocation, string, error) {
			return o.store.ForeignAllocations(ctx, registry.CallerFrom(ctx).Account, pool, after, limit)
		}
	}
	of := listing.Part[ipam.Allocation]{
		Empty:    at.position(),
		Next:     func(after string) ([]*ipam.Allocation, string, error) { return next(ctx, at.pool, after, ahead) },
		Position: func(a *ipam.Allocation) []string { return allocationPosition{a.Pool, a.CIDR, at.principal}.position() },
	}
	if at.cidr.IsValid() {
		of.After = store.AllocationAfter(&ipam.Allocation{Taken: ipam.Taken{CIDR: at.cidr}})
	}
	return of
}

// allAllocations lists the allocations that exist for the caller, by pool in the order of
// [service.allPools], and by ascending address.
func (o service) allAllocations(ctx context.Context, after allocationPosition, ahead int) listing.List[ipam.Allocation] {
	return listing.Chain(func(yield func(listing.Part[ipam.Allocation], error) bool) {
		if after.pool != "" {
			pools := o.pools()
			if after.principal != "" {
				pools = o.reachablePools()
			}
			switch _, err := pools.find(ctx, "NextToken", []string{after.pool}); {
			case ipam.CodeOf(err) == ipam.CodeInvalidPoolIDNotFound: // deleted since, or its share has ended
			case err != nil:
				yield(listing.Part[ipam.Allocation]{}, err)
				return
			case !yield(o.allocationsOf(ctx, after, ahead), nil):
				return
			}
		}
		for e, err := range o.allPools(ctx, after.pool, after.principal) {
			if err != nil {
				yield(listing.Part[ipam.Allocation]{}, err)
				return
			}
			if e.Object.CIDRCount == 0 {
				continue
			}
			at := allocationPosition{pool: e.Object.ID}
			if len(e.Position) > 1 {
				at.principal = e.Position[1]
			}
			of := o.allocationsOf(ctx, at, ahead)
			at.cidr = e.Object.Family.All()
			of.Empty = at.position()
			if !yield(of, nil) {
				return
			}
		}
	})
}

// allocations are allocations that the store read by id, by ascending pool and address.
type allocations []*ipam.Allocation

// behind lists the allocations behind a position.
func (as allocations) behind(after allocationPosition) listing.List[ipam.Allocation] {
	return func(yield func(listing.Entry[ipam.Allocation], error) bool) {
		for _, a := range as {
			if positionOf(a).compare(after) > 0 && !yield(listing.Entry[ipam.Allocation]{Object: a, Position: positionOf(a).position()}, nil) {
				return
			}
		}
	}
}

func showAllocation(a *ipam.Allocation) types.IpamPoolAllocation {
	return types.IpamPoolAllocation{
		Cidr:                 aws.String(a.CIDR.String()),
		IpamPoolAllocationId: optional(a.AllocationID), // a preview has none
		Description:          optional(a.Description),
		ResourceId:           optional(a.ResourceID),
		ResourceType:         types.IpamPoolAllocationResourceType(a.Kind),
		ResourceRegion:       optional(a.ResourceRegion),
		ResourceOwner:        &a.Owner,
		Tags:                 showTags(a.Tags),
	}
}

// showAllocationTo shows an allocation in a pool that is shared with an account: without
// its description and tags if it belongs to another account.
func showAllocationTo(account string, a *ipam.Allocation) types.IpamPoolAllocation {
	out := showAllocation(a)
	if a.Owner != account {
		out.Description, out.Tags = nil, []types.Tag{}
	}
	return out
}
