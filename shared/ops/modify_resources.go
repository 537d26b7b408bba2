package ops

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// The input and output of ModifyIpamResourceCidrs. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// ModifyIpamResourceCidrsInput is the input of ModifyIpamResourceCidrs: the filters
	// and selectors of GetIpamResourceCidrs, of which it needs one, and Monitored.
	ModifyIpamResourceCidrsInput struct {
		DryRun                                             *bool
		IpamScopeId, IpamPoolId, ResourceId, ResourceOwner *string
		ResourceTag                                        *types.RequestIpamResourceTag
		Filters                                            []types.Filter
		Monitored                                          *bool
		PreviewOnly                                        *bool
		MaxResults                                         *int32
		NextToken                                          *string
	}
	// ModifyIpamResourceCidrsOutput is the output of ModifyIpamResourceCidrs: the CIDRs
	// that the call changed, as they are now. With PreviewOnly it has those that a call
	// would change, as they are.
	ModifyIpamResourceCidrsOutput struct {
		IpamResourceCidrs []types.IpamResourceCidr
		NextToken         *string
	}
)

const (
	// modifiedAtOnce is the number of CIDRs that a call changes if it has no MaxResults.
	modifiedAtOnce = 100
	// modifyTime is the time after which a call begins no further change. A change takes
	// some tenths of a second, more for a VPC with many subnets, and API Gateway waits
	// for 29 seconds.
	modifyTime = 10 * time.Second
)

// modifyResources ignores the CIDRs of VPCs that a request selects, or monitors them again;
// the resources inside them follow. It changes each of them as ModifyIpamResourceCidr does,
// and leaves alone the CIDRs that are as they should be. So a call may be repeated.
//
// A call ends after MaxResults changes, after some seconds, and before a change that
// fails, unless that is its first. Its token then names the rest. So no error hides that a
// call has changed something.
func (o service) modifyResources(ctx context.Context, in *ModifyIpamResourceCidrsInput) (*ModifyIpamResourceCidrsOutput, error) {
	begin, preview, monitored := o.store.Now(), aws.ToBool(in.PreviewOnly), aws.ToBool(in.Monitored)
	size := modifiedAtOnce
	if preview {
		size = listing.MaxOutputs
	}
	p, err := newPage(ctx, listRequest{"ModifyIpamResourceCidrs", in, in.MaxResults, in.NextToken, in.Filters}, size)
	if err != nil {
		return nil, err
	}
	if _, err := resourceFilters.Match(in.Filters); err != nil {
		return nil, err
	}
	if len(in.Filters) == 0 && in.IpamPoolId == nil && in.ResourceId == nil && in.ResourceOwner == nil && in.ResourceTag == nil {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain a Filter, IpamPoolId, ResourceId, ResourceOwner or ResourceTag. The filter resource-type with the value vpc selects all VPCs of the scope.")
	}
	scopes, err := o.scopes().find(ctx, "IpamScopeId", []string{aws.ToString(in.IpamScopeId)})
	if err != nil {
		return nil, err
	}
	if scopes[0].Type != ipam.ScopePrivate {
		return nil, ipam.Errorf(ipam.CodeOperationNotPermitted, "The scope %s is public. The resources of public scopes are always monitored.", scopes[0].ID)
	}
	get := ec2.GetIpamResourceCidrsInput{
		IpamScopeId: in.IpamScopeId, IpamPoolId: in.IpamPoolId, ResourceId: in.ResourceId, ResourceOwner: in.ResourceOwner, ResourceTag: in.ResourceTag, Filters: in.Filters,
	}
	differ := func(r *ipam.ResourceCIDR) bool { return r.Type == ipam.ResourceVPC && r.Ignored == monitored }
	found, next, err := o.findResources(ctx, p, &get, differ)
	if err != nil {
		return nil, err
	}
	out := &ModifyIpamResourceCidrsOutput{NextToken: next}
	for i, v := range found {
		shown := v.IpamResourceCidr
		if !preview {
			if i > 0 && o.store.Now().Sub(begin) >= modifyTime {
				out.NextToken = p.Token(resourcePosition(found[i-1].row))
				break
			}
			changed, err := o.store.ModifyResourceCIDR(ctx, store.ModifyResourceCIDR{
				Scope: scopes[0].ID, ResourceID: v.row.ID, CIDR: v.row.CIDR, Region: v.row.Region, Monitored: monitored,
				May: func(_, _ *ipam.Scope) error { return nil }, // a scope's owner stays
			})
			switch {
			case ipam.CodeOf(err) == ipam.CodeInvalidParameterValue:
				continue // it is gone, or in another scope, since the page was read
			case err != nil && i > 0:
				out.NextToken = p.Token(resourcePosition(found[i-1].row))
				return out, nil
			case err != nil:
				return nil, err
			}
			shown = showResource(scopes[0].IPAM, changed)
		}
		out.IpamResourceCidrs = append(out.IpamResourceCidrs, shown)
	}
	return out, nil
}
