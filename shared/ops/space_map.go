package ops

import (
	"context"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The input and output of GetIpamSpaceMap. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// GetIpamSpaceMapInput is the input of GetIpamSpaceMap: a scope or a pool.
	GetIpamSpaceMapInput struct {
		DryRun                  *bool
		IpamScopeId, IpamPoolId *string
		AddressFamily           types.AddressFamily // of a scope; "" means the family of the Cidr, or ipv4
		Cidr                    *string             // everything if nil
		MaxBlocks               *int32              // of an exact map
		AtTime                  *time.Time          // of a map of the past; now if nil
	}
	// GetIpamSpaceMapOutput is the output of GetIpamSpaceMap.
	GetIpamSpaceMapOutput struct{ IpamSpaceMap *IpamSpaceMap }
	// IpamSpaceMap is the map of a space: exact, with Blocks and Resources, or in Tiles.
	IpamSpaceMap struct {
		IpamScopeId, IpamPoolId *string
		AddressFamily           types.AddressFamily
		Cidr                    *string
		Source                  string // live, summary or history
		Detail                  string // exact or tiles
		AsOf                    *time.Time
		Blocks                  []IpamSpaceBlock
		Resources               []IpamSpaceResource
		Tiles                   []IpamSpaceTile
		Totals                  *IpamSpaceTotals
	}
	// IpamSpaceBlock is a block of the map, see [ipam.SpaceBlock].
	IpamSpaceBlock struct {
		Cidr                                                         *string
		State                                                        string // an [ipam.SpaceState]
		IpamPoolId, ChildIpamPoolId, IpamPoolAllocationId            *string
		ResourceType                                                 types.IpamPoolAllocationResourceType
		ResourceId, ResourceOwner, ResourceRegion, Description, Name *string
		PendingUntil                                                 *time.Time
	}
	// IpamSpaceResource is a CIDR of a live resource.
	IpamSpaceResource struct {
		Cidr, ResourceId                                                                       *string
		ResourceType                                                                           types.IpamResourceType
		ResourceOwnerId, ResourceRegion, ResourceName, VpcId, IpamPoolId, IpamPoolAllocationId *string
		ManagementState                                                                        types.IpamManagementState
		ComplianceStatus                                                                       types.IpamComplianceStatus
		OverlapStatus                                                                          types.IpamOverlapStatus
		OverlapsWith                                                                           *string
		Since                                                                                  *time.Time
	}
	// IpamSpaceTotals are the totals of a map, see [ipam.SpaceTotals]. A nil number is 0.
	IpamSpaceTotals struct {
		Allocations, FreeBlocks, Resources                                     *int64
		ProvisionedAddresses, AllocatedAddresses, HeldAddresses, FreeAddresses *float64
		OverlappingAddresses, NoncompliantAddresses, UnmanagedAddresses        *float64
	}
	// IpamSpaceTile is a part of a map with its totals. A nil number is 0.
	IpamSpaceTile struct {
		Cidr, IpamPoolId                                                       *string
		Allocations, FreeBlocks, Resources                                     *int64
		ProvisionedAddresses, AllocatedAddresses, HeldAddresses, FreeAddresses *float64
		OverlappingAddresses, NoncompliantAddresses, UnmanagedAddresses        *float64
	}
)

// maxBlocks is the number of blocks and resources of an exact map if the request gives
// none.
const maxBlocks = 2000

// getSpaceMap shows the map of a scope of the caller's, or of a pool that the caller sees.
// Of a pool that is shared with the caller it shows the allocations, as
// GetIpamPoolAllocations does, and the space between them: no resources, and nothing inside
// child pools.
func (o service) getSpaceMap(ctx context.Context, in *GetIpamSpaceMapInput) (*GetIpamSpaceMapOutput, error) {
	v, err := o.spaceView(ctx, in)
	if err != nil {
		return nil, err
	}
	m, err := o.store.SpaceMap(ctx, v)
	if err != nil {
		return nil, err
	}
	out := &IpamSpaceMap{
		IpamPoolId: in.IpamPoolId, AddressFamily: types.AddressFamily(v.Family.String()), Cidr: in.Cidr,
		Source: "live", Detail: "tiles", AsOf: aws.Time(m.AsOf.UTC()), Totals: showTotals(&m.Totals),
	}
	if !v.Shallow {
		out.IpamScopeId = &v.Scope
	}
	switch {
	case m.Summed:
		out.Source = "summary"
	case in.AtTime != nil:
		out.Source = "history"
	}
	if m.Exact {
		out.Detail = "exact"
	}
	c := registry.CallerFrom(ctx)
	for i := range m.Blocks {
		b := &m.Blocks[i]
		out.Blocks = append(out.Blocks, showSpaceBlock(b, v.Shallow && b.Owner != c.Account))
	}
	for _, r := range m.Resources {
		out.Resources = append(out.Resources, showSpaceResource(r))
	}
	for i := range m.Tiles {
		t := &m.Tiles[i]
		sums := showTotals(&t.SpaceTotals)
		out.Tiles = append(out.Tiles, IpamSpaceTile{
			aws.String(t.CIDR.String()), optional(t.Pool), sums.Allocations, sums.FreeBlocks, sums.Resources,
			sums.ProvisionedAddresses, sums.AllocatedAddresses, sums.HeldAddresses, sums.FreeAddresses,
			sums.OverlappingAddresses, sums.NoncompliantAddresses, sums.UnmanagedAddresses,
		})
	}
	return &GetIpamSpaceMapOutput{out}, nil
}

// spaceView reads a request.
func (o service) spaceView(ctx context.Context, in *GetIpamSpaceMapInput) (v store.SpaceView, err error) {
	v = store.SpaceView{Family: ipam.IPv4, Most: maxBlocks}
	if in.MaxBlocks != nil {
		v.Most = int(*in.MaxBlocks)
	}
	if v.CIDR, err = parseCIDR("Cidr", in.Cidr); err != nil {
		return v, err
	}
	switch {
	case in.IpamScopeId != nil && in.IpamPoolId != nil:
		return v, invalidCombination("The parameter IpamScopeId may not be used in combination with IpamPoolId. Give one of them: a pool is in one scope.")
	case in.IpamPoolId != nil:
		if v.Pool, err = o.visiblePool(ctx, in.IpamPoolId); err != nil {
			return v, err
		}
		v.Scope, v.Family, v.Shallow = v.Pool.Scope, v.Pool.Family, checkOwner(ctx, &v.Pool.Meta) != nil
	case in.IpamScopeId != nil:
		scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{*in.IpamScopeId})
		if err != nil {
			return v, err
		}
		v.Scope = scopes[0].ID
		if in.AddressFamily != "" {
			v.Family = ipam.ParseFamily(string(in.AddressFamily))
		} else if v.CIDR.IsValid() {
			v.Family = ipam.FamilyOf(v.CIDR)
		}
	default:
		return v, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter IpamScopeId or IpamPoolId")
	}
	if err := checkSpaceFamily(v.Family, in.AddressFamily, v.CIDR); err != nil || in.AtTime == nil {
		return v, err
	}
	v.At = *in.AtTime
	return v, o.checkPast(ctx, &v)
}

// checkPast returns an error for a time of which a view has no map.
func (o service) checkPast(ctx context.Context, v *store.SpaceView) error {
	if v.Shallow {
		return ipam.Errorf(ipam.CodeOperationNotPermitted, "The parameter AtTime is for the owner of the pool: the pool may not have been shared with your account at that time. Leave it out for the present map.")
	}
	if v.At.After(o.store.Now()) {
		return schema.Invalid("AtTime", formatTime(&v.At), "It is in the future. Leave it out for the present map.")
	}
	since, ok, err := o.store.PastSince(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		return schema.Invalid("AtTime", formatTime(&v.At), "No map of the past is recorded yet. Leave it out for the present map.")
	case v.At.Before(since):
		return schema.Invalid("AtTime", formatTime(&v.At), "The maps of the past begin at %s: since then they are recorded, and for three years. Use that time or a later one.", formatTime(&since))
	}
	return nil
}

// checkSpaceFamily returns an error for a family, or a CIDR of a family, that a space does
// not have.
func checkSpaceFamily(f ipam.Family, asked types.AddressFamily, cidr netip.Prefix) error {
	if asked != "" && string(asked) != f.String() {
		return schema.Invalid("AddressFamily", string(asked), "The addresses of the pool are %s. Leave the AddressFamily out.", f)
	}
	if cidr.IsValid() && ipam.FamilyOf(cidr) != f {
		return schema.Invalid("Cidr", cidr.String(), "The map is of %s addresses.", f)
	}
	return nil
}

// showSpaceBlock shows a block; one of another account without its description and name.
func showSpaceBlock(b *ipam.SpaceBlock, others bool) IpamSpaceBlock {
	out := IpamSpaceBlock{Cidr: aws.String(b.CIDR.String()), State: string(b.State), IpamPoolId: optional(b.Pool)}
	if !b.Kind.Visible() || b.State == ipam.SpaceFree {
		return out
	}
	out.ChildIpamPoolId = optional(b.ChildPool())
	out.IpamPoolAllocationId = optional(b.AllocationID)
	out.ResourceType = types.IpamPoolAllocationResourceType(b.Kind)
	out.ResourceId = optional(b.ResourceID)
	out.ResourceOwner = optional(b.Owner)
	out.ResourceRegion = optional(b.ResourceRegion)
	out.PendingUntil = showTime(b.PendingUntil * 1000)
	if !others {
		out.Description, out.Name = optional(b.Description), optional(b.Tags["Name"])
	}
	return out
}

func showSpaceResource(r *ipam.ResourceCIDR) IpamSpaceResource {
	return IpamSpaceResource{
		Cidr:                 aws.String(r.CIDR.String()),
		ResourceId:           &r.ID,
		ResourceType:         types.IpamResourceType(r.Type),
		ResourceOwnerId:      &r.Owner,
		ResourceRegion:       &r.Region,
		ResourceName:         optional(r.Name),
		VpcId:                optional(r.VPC),
		IpamPoolId:           optional(r.Status.Pool),
		IpamPoolAllocationId: optional(r.Status.Allocation),
		ManagementState:      types.IpamManagementState(r.Status.Management),
		ComplianceStatus:     types.IpamComplianceStatus(r.Status.Compliance),
		OverlapStatus:        types.IpamOverlapStatus(r.Status.Overlap),
		OverlapsWith:         optional(r.Status.With),
		Since:                showTime(r.Since),
	}
}

func showTotals(t *ipam.SpaceTotals) *IpamSpaceTotals {
	count := func(n int64) *int64 {
		if n == 0 {
			return nil
		}
		return &n
	}
	addresses := func(a ipam.Addresses) *float64 {
		if a == (ipam.Addresses{}) {
			return nil
		}
		return aws.Float64(a.Float())
	}
	return &IpamSpaceTotals{
		count(t.Allocations), count(t.FreeBlocks), count(t.Resources),
		addresses(t.Provisioned), addresses(t.Allocated), addresses(t.Held), addresses(t.Free),
		addresses(t.Overlapping), addresses(t.Noncompliant), addresses(t.Unmanaged),
	}
}
