package ops

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// getResources lists the CIDRs of live resources in a scope, IPv4 before IPv6, by ascending
// address and larger before smaller. It leaves out network interfaces, which
// GetIpamDiscoveredResourceCidrs lists. A CIDR that was not checked yet shows no status,
// nor does a CIDR that the status does not apply to.
func (o service) getResources(ctx context.Context, in *ec2.GetIpamResourceCidrsInput) (*ec2.GetIpamResourceCidrsOutput, error) {
	var scope *ipam.Scope // set before show is called
	q := listRequest{"GetIpamResourceCidrs", in, in.MaxResults, in.NextToken, in.Filters}
	show := func(r *ipam.ResourceCIDR) types.IpamResourceCidr { return showResource(scope.IPAM, r) }
	found, next, err := answer(ctx, q, nil, show, func(p listing.Page) (listing.List[ipam.ResourceCIDR], error) {
		if err := checkSelectors(in); err != nil {
			return nil, err
		}
		scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{aws.ToString(in.IpamScopeId)})
		if err != nil {
			return nil, err
		}
		scope = scopes[0]
		ranges := []netip.Prefix{ipam.IPv4.All(), ipam.IPv6.All()}
		if in.IpamPoolId != nil {
			pools, err := o.pools().find(ctx, "IpamPoolId", []string{*in.IpamPoolId})
			if err != nil {
				return nil, err
			}
			if pools[0].Scope != scope.ID {
				return nil, schema.Invalid("IpamPoolId", pools[0].ID, "It is in the scope %s and not in %s.", pools[0].Scope, scope.ID)
			}
			// A resource of the pool is inside one of its CIDRs.
			cidrs, err := o.store.PoolCIDRs(ctx, pools[0].ID)
			if err != nil {
				return nil, err
			}
			ranges = nil
			for _, c := range cidrs {
				if c.State.Holds() {
					ranges = append(ranges, c.CIDR)
				}
			}
		}
		after, err := afterResource(p, scope.ID)
		if err != nil {
			return nil, err
		}
		all := o.resources(ctx, scope.ID, ranges, after, p.ReadAhead(in.Filters))
		return listing.Filter(all, func(r *ipam.ResourceCIDR) bool { return selects(in, r) }), nil
	})
	return &ec2.GetIpamResourceCidrsOutput{IpamResourceCidrs: found, NextToken: next}, err
}

// checkSelectors returns an error for a selector that no resource can match.
func checkSelectors(in *ec2.GetIpamResourceCidrsInput) error {
	if err := listing.CheckText("ResourceId", in.ResourceId); err != nil {
		return err
	}
	if err := listing.CheckText("ResourceOwner", in.ResourceOwner); err != nil {
		return err
	}
	if in.ResourceTag == nil {
		return nil
	}
	if in.ResourceTag.Key == nil {
		return ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter Key for the ResourceTag")
	}
	if err := listing.CheckText("ResourceTag.Key", in.ResourceTag.Key); err != nil {
		return err
	}
	return listing.CheckText("ResourceTag.Value", in.ResourceTag.Value)
}

// selects reports whether a resource has the values of the request's selectors.
func selects(in *ec2.GetIpamResourceCidrsInput, r *ipam.ResourceCIDR) bool {
	is := func(want *string, have string) bool { return want == nil || *want == have }
	if !is(in.IpamPoolId, r.Status.Pool) || !is(in.ResourceId, r.ID) || !is(in.ResourceOwner, r.Owner) || in.ResourceType != "" && string(in.ResourceType) != string(r.Type) {
		return false
	}
	if in.ResourceTag == nil {
		return true
	}
	value, ok := r.Tags[*in.ResourceTag.Key]
	return ok && is(in.ResourceTag.Value, value)
}

// afterResource returns the position of a page: a CIDR in a scope, nil on the first page.
func afterResource(p listing.Page, scope string) (*ipam.ResourceCIDR, error) {
	switch len(p.After) {
	case 0:
		return nil, nil
	case 3:
		if c, err := netip.ParsePrefix(p.After[0]); err == nil && c == c.Masked() {
			return &ipam.ResourceCIDR{Scope: scope, Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: p.After[1], Region: p.After[2], CIDR: c}}, nil
		}
	}
	return nil, p.InvalidToken()
}

// resources lists the CIDRs of live resources in ranges of a scope, which are disjoint and
// ascending, behind the resource after. The first call to the store for a range reads
// about ahead of them. Further calls read as many as the table returns: the request then
// selects few.
func (o service) resources(ctx context.Context, scope string, ranges []netip.Prefix, after *ipam.ResourceCIDR, ahead int) listing.List[ipam.ResourceCIDR] {
	return listing.Chain(func(yield func(listing.Part[ipam.ResourceCIDR], error) bool) {
		for _, block := range ranges {
			from := ""
			switch {
			case after == nil:
			case ipam.Within(after.CIDR, block):
				from = items.ResourceAfter(after)
			case after.CIDR.Compare(block) > 0:
				continue
			}
			limit := ahead
			if !yield(listing.Part[ipam.ResourceCIDR]{
				Empty: []string{block.String(), "", ""},
				After: from,
				Next: func(after string) ([]*ipam.ResourceCIDR, string, error) {
					first := limit
					limit = 0
					return o.store.ResourcesIn(ctx, scope, block, after, first)
				},
				Position: func(r *ipam.ResourceCIDR) []string { return []string{r.CIDR.String(), r.ID, r.Region} },
			}, nil) {
				return
			}
		}
	})
}

// modifyResource ignores a VPC's CIDR, monitors it again, or moves it to another scope; the
// resources inside the VPC follow. In EC2 a CIDR with an allocation cannot move before
// the allocation is released. Here the move releases it.
func (o service) modifyResource(ctx context.Context, in *ec2.ModifyIpamResourceCidrInput) (*ec2.ModifyIpamResourceCidrOutput, error) {
	q := store.ModifyResourceCIDR{
		ResourceID: aws.ToString(in.ResourceId), Region: aws.ToString(in.ResourceRegion), Monitored: aws.ToBool(in.Monitored),
		May: func(_, _ *ipam.Scope) error { return nil }, // a scope's owner stays
	}
	scopes, err := o.scopes().find(ctx, "CurrentIpamScopeId", []string{aws.ToString(in.CurrentIpamScopeId)})
	if err != nil {
		return nil, err
	}
	q.Scope = scopes[0].ID
	if in.DestinationIpamScopeId != nil {
		destinations, err := o.scopes().find(ctx, "DestinationIpamScopeId", []string{*in.DestinationIpamScopeId})
		if err != nil {
			return nil, err
		}
		q.Destination = destinations[0].ID
	}
	if q.CIDR, err = parseCIDR("ResourceCidr", in.ResourceCidr); err != nil {
		return nil, err
	}
	changed, err := o.store.ModifyResourceCIDR(ctx, q)
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamResourceCidrOutput{IpamResourceCidr: new(showResource(scopes[0].IPAM, changed))}, nil
}

func showResource(manager string, r *ipam.ResourceCIDR) types.IpamResourceCidr {
	return types.IpamResourceCidr{
		IpamId:             &manager,
		IpamScopeId:        &r.Scope,
		IpamPoolId:         optional(r.Status.Pool),
		ResourceRegion:     &r.Region,
		ResourceOwnerId:    &r.Owner,
		ResourceId:         &r.ID,
		ResourceName:       optional(r.Name),
		ResourceCidr:       aws.String(r.CIDR.String()),
		ResourceType:       types.IpamResourceType(r.Type),
		ResourceTags:       showResourceTags(r.Tags),
		IpUsage:            r.Usage,
		ComplianceStatus:   types.IpamComplianceStatus(r.Status.Compliance),
		ManagementState:    types.IpamManagementState(r.Status.Management),
		OverlapStatus:      types.IpamOverlapStatus(r.Status.Overlap),
		VpcId:              optional(r.VPC),
		AvailabilityZoneId: optional(r.AvailabilityZone),
	}
}
