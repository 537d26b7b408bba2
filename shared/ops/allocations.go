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
	if q.Description, err = description(in.Description); err != nil {
		return nil, err
	}
	if q.Tags, err = o.specifiedTags(in.TagSpecifications, ipam.IDAllocation); err != nil {
		return nil, err
	}
	q.May = func(p *ipam.Pool) error { return reach(ctx, p) }
	a, err := o.store.Allocate(ctx, q)
	if err != nil {
		return nil, err
	}
	return &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: ptr(showAllocation(a))}, nil
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
		if own(ctx, &p.Meta) == nil {
			return nil // whoever took it
		}
		if err := reach(ctx, p); err != nil {
			return err
		}
		if owner == "" { // no such allocation, which the store answers
			return nil
		}
		return own(ctx, &ipam.Meta{ID: q.Allocation, Owner: owner})
	}
	err = o.store.Release(ctx, q)
	if ipam.CodeOf(err) == ipam.CodeInvalidAllocationIDNotFound {
		return nil, combination(ipam.NoAllocation+" in %s with the ID %s. GetIpamPoolAllocations lists those of a pool.", q.Pool, q.Allocation)
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
		return nil, combination("The request must contain a modification to the allocation. Give a Description.")
	}
	text, err := description(in.Description)
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
	return &ec2.ModifyIpamPoolAllocationOutput{IpamPoolAllocation: ptr(showAllocation(a))}, nil
}

// existingAllocations returns those of the allocations with the given ids that
// exist for the caller, by ascending pool and address. Account, pool and owner
// of an allocation never change, so what is found may be changed by its id.
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
		if p == nil || own(ctx, &p.Meta) == nil {
			return p == nil
		}
		return a.Owner != registry.CallerFrom(ctx).Account || reach(ctx, p) != nil
	}), nil
}

// findAllocations returns the allocations with the given ids, by ascending pool
// and address, of which all must exist for the caller.
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

// allocationFilters are the filters of allocations besides those of their
// members. "allocation-id" is how clients called it at first.
var allocationFilters = derived[types.IpamPoolAllocation]{
	"allocation-id": func(a *types.IpamPoolAllocation) (string, bool) { return *a.IpamPoolAllocationId, true },
}

// answerAllocations is answer for allocations. A page of them is as long as it
// can be, and the place to go on from is read before the filters.
func answerAllocations(ctx context.Context, q request, objects func(page, place) (list[ipam.Allocation], error)) ([]types.IpamPoolAllocation, *string, error) {
	p, err := newPage(ctx, q.operation, q.in, q.maxResults, q.nextToken, maxScan)
	if err != nil {
		return nil, nil, err
	}
	after, err := p.afterAllocation()
	if err != nil {
		return nil, nil, err
	}
	match, err := allocationFilters.filter(q.filters)
	if err != nil {
		return nil, nil, err
	}
	all, err := objects(p, after)
	if err != nil {
		return nil, nil, err
	}
	return collect(p, all, showAllocation, match)
}

func (o service) getAllocations(ctx context.Context, in *ec2.GetIpamPoolAllocationsInput) (*ec2.GetIpamPoolAllocationsOutput, error) {
	q := request{"GetIpamPoolAllocations", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answerAllocations(ctx, q, func(p page, after place) (list[ipam.Allocation], error) {
		pool, err := o.visiblePool(ctx, in.IpamPoolId)
		if err != nil {
			return nil, err
		}
		if in.IpamPoolAllocationId == nil {
			return o.allocationsOf(ctx, place{pool: pool, cidr: after.cidr}, p.readAhead(in.Filters)).list(), nil
		}
		id, err := checkID(ipam.IDAllocation, "IpamPoolAllocationId", in.IpamPoolAllocationId)
		if err != nil {
			return nil, err
		}
		found, err := o.store.AllocationsByID(ctx, []string{id})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 || found[0].Pool != pool {
			return nil, ipam.NotFound(id)
		}
		return allocations(found).behind(after), nil
	})
	return &ec2.GetIpamPoolAllocationsOutput{IpamPoolAllocations: found, NextToken: next}, err
}

func (o service) describeAllocations(ctx context.Context, in *ec2.DescribeIpamPoolAllocationsInput) (*ec2.DescribeIpamPoolAllocationsOutput, error) {
	q := request{"DescribeIpamPoolAllocations", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answerAllocations(ctx, q, func(p page, after place) (list[ipam.Allocation], error) {
		if len(in.IpamPoolAllocationIds) == 0 {
			return o.allAllocations(ctx, after, p.readAhead(in.Filters)), nil
		}
		if p.limited {
			return nil, idsWithMaxResults("IpamPoolAllocationIds")
		}
		found, err := o.findAllocations(ctx, "IpamPoolAllocationIds", in.IpamPoolAllocationIds)
		return found.behind(after), err
	})
	return &ec2.DescribeIpamPoolAllocationsOutput{IpamPoolAllocations: found, NextToken: next}, err
}

// place is a position in a list of allocations. Its zero value is the
// beginning.
type place struct {
	pool string
	cidr netip.Prefix
	via  string // the principal by which the pool is listed, or "" for a whole pool
}

func placeOf(a *ipam.Allocation) place { return place{pool: a.Pool, cidr: a.CIDR} }

func (p place) position() []string {
	if p.via == "" {
		return []string{p.pool, p.cidr.String()}
	}
	return []string{p.pool, p.cidr.String(), p.via}
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.pool, q.pool), p.cidr.Compare(q.cidr))
}

func parsePlace(position []string) (place, bool) {
	if n := len(position); n < 2 || n > 3 || ipam.IDKindOf(position[0]) != ipam.IDPool {
		return place{}, false
	}
	c, err := netip.ParsePrefix(position[1])
	at := place{pool: position[0], cidr: c}
	if len(position) == 3 {
		at.via = position[2]
	}
	return at, err == nil
}

// afterAllocation returns the place to go on from.
func (p page) afterAllocation() (place, error) {
	if len(p.after) == 0 {
		return place{}, nil
	}
	at, ok := parsePlace(p.after)
	if !ok {
		return place{}, p.invalid()
	}
	return at, nil
}

// readAhead returns how many allocations to read at once: what the page and a
// look behind it take, or all that the table gives if filters leave some out.
func (p page) readAhead(filters []types.Filter) int {
	if len(filters) > 0 {
		return 0
	}
	return p.size + 1
}

// allocationsOf lists the allocations of a pool by ascending address from
// behind at, reading about ahead of them at once: all, or only the caller's if
// the pool is listed by a principal that it is shared with.
func (o service) allocationsOf(ctx context.Context, at place, ahead int) part[ipam.Allocation] {
	next := o.store.Allocations
	if at.via != "" {
		next = func(ctx context.Context, pool, after string, limit int) ([]*ipam.Allocation, string, error) {
			return o.store.ForeignAllocations(ctx, registry.CallerFrom(ctx).Account, pool, after, limit)
		}
	}
	of := part[ipam.Allocation]{
		none: at.position(),
		next: func(after string) ([]*ipam.Allocation, string, error) { return next(ctx, at.pool, after, ahead) },
		at:   func(a *ipam.Allocation) []string { return place{a.Pool, a.CIDR, at.via}.position() },
	}
	if at.cidr.IsValid() {
		of.after = store.AllocationAfter(&ipam.Allocation{Taken: ipam.Taken{CIDR: at.cidr}})
	}
	return of
}

// allAllocations lists the allocations that exist for the caller, by pool, in
// the order of allPools, and ascending address.
func (o service) allAllocations(ctx context.Context, after place, ahead int) list[ipam.Allocation] {
	return chain(func(yield func(part[ipam.Allocation], error) bool) {
		if after.pool != "" {
			pools := o.pools()
			if after.via != "" {
				pools = o.reachablePools()
			}
			switch _, err := pools.find(ctx, "NextToken", []string{after.pool}); {
			case ipam.CodeOf(err) == ipam.CodeInvalidPoolIDNotFound: // deleted since, or not shared any more
			case err != nil:
				yield(part[ipam.Allocation]{}, err)
				return
			case !yield(o.allocationsOf(ctx, after, ahead), nil):
				return
			}
		}
		for e, err := range o.allPools(ctx, after.pool, after.via) {
			if err != nil {
				yield(part[ipam.Allocation]{}, err)
				return
			}
			if e.object.CIDRCount == 0 {
				continue
			}
			at := place{pool: e.object.ID}
			if len(e.at) > 1 {
				at.via = e.at[1]
			}
			of := o.allocationsOf(ctx, at, ahead)
			at.cidr = e.object.Family.All()
			of.none = at.position()
			if !yield(of, nil) {
				return
			}
		}
	})
}

// allocations are allocations that were read by id.
type allocations []*ipam.Allocation

// behind lists those behind a place.
func (as allocations) behind(after place) list[ipam.Allocation] {
	return func(yield func(entry[ipam.Allocation], error) bool) {
		for _, a := range as {
			if placeOf(a).compare(after) > 0 && !yield(entry[ipam.Allocation]{object: a, at: placeOf(a).position()}, nil) {
				return
			}
		}
	}
}

func showAllocation(a *ipam.Allocation) types.IpamPoolAllocation {
	return types.IpamPoolAllocation{
		Cidr:                 aws.String(a.CIDR.String()),
		IpamPoolAllocationId: some(a.AllocationID), // a preview has none
		Description:          some(a.Description),
		ResourceId:           some(a.ResourceID),
		ResourceType:         types.IpamPoolAllocationResourceType(a.Kind),
		ResourceRegion:       some(a.ResourceRegion),
		ResourceOwner:        &a.Owner,
		Tags:                 showTags(a.Tags),
	}
}
