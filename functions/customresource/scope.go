package main

import (
	"context"
	"strings"

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
	has:    func(o *types.IpamScope) map[string]string { return map[string]string{"IpamId": idOf(o.IpamArn)} },
	modify: modifyScope,
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
		_, err := change[ec2.DeleteIpamScopeOutput](ctx, r, "DeleteIpamScope", &ec2.DeleteIpamScopeInput{IpamScopeId: &id.id}, gone(ctx, r, id, findScope))
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

// authoritySetting is the setting of a scope's external authority: its type and
// identifier, with a space between them.
const authoritySetting = "ExternalAuthorityConfiguration"

// settings returns the settings of a scope that its template gives.
func (p *scopeProperties) settings() settings {
	s := settings{}
	s.set("Description", p.Description)
	if a := p.authority(); a != nil {
		s[authoritySetting] = string(a.Type) + " " + *a.ExternalResourceIdentifier
	}
	return s
}

func scopeSettings(o *types.IpamScope) settings {
	s := settings{"Description": aws.ToString(o.Description)}
	if a := o.ExternalAuthorityConfiguration; a != nil {
		s[authoritySetting] = string(a.Type) + " " + aws.ToString(a.ExternalResourceIdentifier)
	}
	return s
}

func modifyScope(ctx context.Context, r *request, o *types.IpamScope, old, wish *scopeProperties) (*types.IpamScope, error) {
	read := func() (*types.IpamScope, error) {
		return found(findScope(ctx, r, physicalID{form: formObject, id: *o.IpamScopeId}))
	}
	steps := []step{newEdit(old.settings(), wish.settings(), scopeSettings(o), settings{"Description": ""}).step(func(e edit) error {
		in := &ec2.ModifyIpamScopeInput{Description: e.text("Description"), IpamScopeId: o.IpamScopeId}
		if a := e.text(authoritySetting); a != nil {
			kind, id, _ := strings.Cut(*a, " ")
			in.ExternalAuthorityConfiguration = &types.ExternalAuthorityConfiguration{ExternalResourceIdentifier: &id, Type: types.IpamScopeExternalAuthorityType(kind)}
		} else if e.removes(authoritySetting) {
			in.RemoveExternalAuthorityConfiguration = aws.Bool(true)
		}
		_, err := change[ec2.ModifyIpamScopeOutput](ctx, r, "ModifyIpamScope", in, e.as(reader(read, scopeSettings)))
		return err
	})}
	steps = append(steps, tagSteps(ctx, r, *o.IpamScopeId, old.Tags, wish.Tags, o.Tags, reader(read, func(o *types.IpamScope) settings { return pairs(o.Tags) }))...)
	if err := inSteps(steps...); err != nil {
		return nil, err
	}
	return read()
}
