package ops

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// resourceView is an output of GetIpamResourceCidrs, with the row that it shows.
type resourceView struct {
	types.IpamResourceCidr
	row *ipam.ResourceCIDR
}

// resourceFilters are the filters besides those on the members of the output. is-default
// is an extension with the name of DescribeVpcs' filter: true for the CIDR with which EC2
// makes every default VPC, and for the subnets in it.
var resourceFilters = listing.Filters[resourceView]{
	"is-default": func(v *resourceView) (string, bool) { return strconv.FormatBool(v.row.DefaultVPC), true },
}

// getResources lists the CIDRs of live resources in a scope, IPv4 before IPv6, by ascending
// address and larger before smaller. It leaves out network interfaces, which
// GetIpamDiscoveredResourceCidrs lists. A CIDR that was not checked yet shows no status,
// nor does a CIDR that the status does not apply to.
func (o service) getResources(ctx context.Context, in *ec2.GetIpamResourceCidrsInput) (*ec2.GetIpamResourceCidrsOutput, error) {
	q := listRequest{"GetIpamResourceCidrs", in, in.MaxResults, in.NextToken, in.Filters}
	p, err := newPage(ctx, q, listing.MaxOutputs)
	if err != nil {
		return nil, err
	}
	found, next, err := o.findResources(ctx, p, in, func(*ipam.ResourceCIDR) bool { return true })
	out := &ec2.GetIpamResourceCidrsOutput{NextToken: next}
	for _, v := range found {
		out.IpamResourceCidrs = append(out.IpamResourceCidrs, v.IpamResourceCidr)
	}
	return out, err
}

// findResources returns a page of the resources that the scope, the filters and the
// selectors of a request select, and that keep keeps. It does not read the page of the
// request.
func (o service) findResources(ctx context.Context, p listing.Page, in *ec2.GetIpamResourceCidrsInput, keep func(*ipam.ResourceCIDR) bool) ([]resourceView, *string, error) {
	match, err := resourceFilters.Match(in.Filters)
	if err != nil {
		return nil, nil, err
	}
	if err := checkSelectors(in); err != nil {
		return nil, nil, err
	}
	scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{aws.ToString(in.IpamScopeId)})
	if err != nil {
		return nil, nil, err
	}
	ranges, err := o.resourceRanges(ctx, in.IpamPoolId, scopes[0].ID)
	if err != nil {
		return nil, nil, err
	}
	after, err := afterResource(p, scopes[0].ID)
	if err != nil {
		return nil, nil, err
	}
	all := o.resources(ctx, scopes[0].ID, ranges, after, p.ReadAhead(in.Filters))
	all = listing.Filter(all, func(r *ipam.ResourceCIDR) bool { return selects(in, r) && keep(r) })
	show := func(r *ipam.ResourceCIDR) resourceView { return resourceView{showResource(scopes[0].IPAM, r), r} }
	return listing.Collect(ctx, p, all, show, match)
}

// resourceRanges returns the CIDRs in which a scope's resources are, disjoint and
// ascending: all, or those of a pool of the scope.
func (o service) resourceRanges(ctx context.Context, pool *string, scope string) ([]netip.Prefix, error) {
	if pool == nil {
		return []netip.Prefix{ipam.IPv4.All(), ipam.IPv6.All()}, nil
	}
	pools, err := o.pools().find(ctx, "IpamPoolId", []string{*pool})
	if err != nil {
		return nil, err
	}
	if pools[0].Scope != scope {
		return nil, schema.Invalid("IpamPoolId", pools[0].ID, "It is in the scope %s and not in %s.", pools[0].Scope, scope)
	}
	// A resource of the pool is inside one of its CIDRs.
	cidrs, err := o.store.PoolCIDRs(ctx, pools[0].ID)
	if err != nil {
		return nil, err
	}
	var ranges []netip.Prefix
	for _, c := range cidrs {
		if c.State.Holds() {
			ranges = append(ranges, c.CIDR)
		}
	}
	return ranges, nil
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

// resourcePosition returns the position of a resource in a list of a scope.
func resourcePosition(r *ipam.ResourceCIDR) []string {
	return []string{r.CIDR.String(), r.ID, r.Region}
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
				Position: resourcePosition,
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
