package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// scopeProperties are the properties of AWS::EC2::IPAMScope.
type scopeProperties struct {
	IpamID string `cfn:"IpamId,required"`

	Description                    string
	ExternalAuthorityConfiguration *struct {
		ExternalResourceIdentifier     string `cfn:",required"`
		IpamScopeExternalAuthorityType string `cfn:",required"`
	}
	Tags map[string]string
}

func (p *scopeProperties) authority() *types.ExternalAuthorityConfiguration {
	a := p.ExternalAuthorityConfiguration
	if a == nil {
		return nil
	}
	return &types.ExternalAuthorityConfiguration{
		ExternalResourceIdentifier: &a.ExternalResourceIdentifier,
		Type:                       types.IpamScopeExternalAuthorityType(a.IpamScopeExternalAuthorityType),
	}
}

var scopeKind = kind[scopeProperties, types.IpamScope]{
	make: func(ctx context.Context, r *request, p *scopeProperties) (*types.IpamScope, error) {
		out, err := call[ec2.CreateIpamScopeOutput](ctx, r, "CreateIpamScope", &ec2.CreateIpamScopeInput{
			ClientToken:                    r.token(),
			Description:                    some(p.Description),
			ExternalAuthorityConfiguration: p.authority(),
			IpamId:                         &p.IpamID,
			TagSpecifications:              r.tagSpecifications(types.ResourceTypeIpamScope, p.Tags),
		})
		if err != nil {
			return nil, err
		}
		return out.IpamScope, nil
	},
	find: findScope,
	fixed: func(p *scopeProperties) facts {
		f := facts{}
		f.set("IpamId", p.IpamID)
		return f
	},
	has: func(o *types.IpamScope) map[string]string { return map[string]string{"IpamId": idOf(o.IpamArn)} },
	modify: func(ctx context.Context, r *request, o *types.IpamScope, old, wish *scopeProperties) (*types.IpamScope, error) {
		in := &ec2.ModifyIpamScopeInput{
			Description: become(some(old.Description), some(wish.Description), aws.String(aws.ToString(o.Description)), ""),
			IpamScopeId: o.IpamScopeId,
		}
		is, want := o.ExternalAuthorityConfiguration, wish.authority()
		switch {
		case want != nil && (is == nil || aws.ToString(is.ExternalResourceIdentifier) != *want.ExternalResourceIdentifier || is.Type != want.Type):
			in.ExternalAuthorityConfiguration = want
		case want == nil && is != nil && old.ExternalAuthorityConfiguration != nil:
			in.RemoveExternalAuthorityConfiguration = aws.Bool(true)
		}
		undo := &ec2.ModifyIpamScopeInput{IpamScopeId: o.IpamScopeId, Description: back(in.Description, o.Description, "")}
		if in.ExternalAuthorityConfiguration != nil || in.RemoveExternalAuthorityConfiguration != nil {
			if is == nil {
				undo.RemoveExternalAuthorityConfiguration = aws.Bool(true)
			} else {
				undo.ExternalAuthorityConfiguration = &types.ExternalAuthorityConfiguration{ExternalResourceIdentifier: is.ExternalResourceIdentifier, Type: is.Type}
			}
		}
		change := func(in *ec2.ModifyIpamScopeInput) func() error {
			return func() error {
				if in.Description == nil && in.ExternalAuthorityConfiguration == nil && in.RemoveExternalAuthorityConfiguration == nil {
					return nil
				}
				_, err := call[ec2.ModifyIpamScopeOutput](ctx, r, "ModifyIpamScope", in)
				return err
			}
		}
		if err := inSteps(append([]step{{change(in), change(undo)}}, tagSteps(ctx, r, *o.IpamScopeId, old.Tags, wish.Tags, o.Tags)...)...); err != nil {
			return nil, err
		}
		return found(findScope(ctx, r, physicalID{form: formObject, id: *o.IpamScopeId}))
	},
	made: func(ctx context.Context, r *request, _ string, replaced *physicalID) ([]*types.IpamScope, error) {
		in := &ec2.DescribeIpamScopesInput{Filters: r.tagFilters(replaced)}
		return listed(ctx, r, "DescribeIpamScopes", in, &in.NextToken, func(out *ec2.DescribeIpamScopesOutput) ([]types.IpamScope, *string) {
			return out.IpamScopes, out.NextToken
		})
	},
	provenance: func(o *types.IpamScope) (string, []types.Tag) { return aws.ToString(o.OwnerId), o.Tags },
	remove: func(ctx context.Context, r *request, id physicalID, _ *scopeProperties) error {
		if !id.is(ipam.IDScope) {
			return nil
		}
		_, err := call[ec2.DeleteIpamScopeOutput](ctx, r, "DeleteIpamScope", &ec2.DeleteIpamScopeInput{IpamScopeId: &id.id})
		return unlessNotFound(err)
	},
	show: func(o *types.IpamScope) (physicalID, map[string]any) {
		return physicalID{form: formObject, id: *o.IpamScopeId}, map[string]any{
			"Arn":           aws.ToString(o.IpamScopeArn),
			"IpamArn":       aws.ToString(o.IpamArn),
			"IpamScopeId":   *o.IpamScopeId,
			"IpamScopeType": string(o.IpamScopeType),
			"IsDefault":     text(o.IsDefault),
			"PoolCount":     text(o.PoolCount),
		}
	},
}

func findScope(ctx context.Context, r *request, id physicalID) (*types.IpamScope, error) {
	if !id.is(ipam.IDScope) {
		return nil, nil
	}
	out, err := call[ec2.DescribeIpamScopesOutput](ctx, r, "DescribeIpamScopes", &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{id.id}})
	if err != nil {
		return nil, unlessNotFound(err)
	}
	return &out.IpamScopes[0], nil
}
