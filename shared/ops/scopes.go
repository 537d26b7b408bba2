package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
)

func (o service) scopes() entity[ipam.Scope] {
	return entity[ipam.Scope]{ipam.IDScope, func(s *ipam.Scope) *ipam.Meta { return &s.Meta }, o.store.Scopes, o.store.ScopesAfter, o.store.ModifyScope, nil}
}

func (o service) createScope(ctx context.Context, in *ec2.CreateIpamScopeInput) (*ec2.CreateIpamScopeOutput, error) {
	t, err := token(ctx, "CreateIpamScope", in.ClientToken, in)
	if err != nil {
		return nil, err
	}
	if in.ExternalAuthorityConfiguration != nil {
		return nil, notSupported("ExternalAuthorityConfiguration")
	}
	var s ipam.Scope
	if s.IPAM, err = checkID(ipam.IDIPAM, "IpamId", in.IpamId); err != nil {
		return nil, err
	}
	if s.Description, err = parseDescription(in.Description); err != nil {
		return nil, err
	}
	if s.Tags, err = o.specifiedTags(ctx, in.TagSpecifications, ipam.IDScope); err != nil {
		return nil, err
	}
	made, err := o.store.CreateScope(ctx, t, s, func(m *ipam.IPAM) error {
		if err := checkOwner(ctx, &m.Meta); err != nil {
			return err
		}
		if m.Tier == string(types.IpamTierFree) {
			return ipam.Errorf(ipam.CodeUnsupportedOperation, "Scopes besides the default ones are not part of the free tier. Change %s to the advanced tier with ModifyIpam.", m.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateIpamScopeOutput{IpamScope: new(showScope(made))}, nil
}

func (o service) modifyScope(ctx context.Context, in *ec2.ModifyIpamScopeInput) (*ec2.ModifyIpamScopeOutput, error) {
	id, err := checkID(ipam.IDScope, "IpamScopeId", in.IpamScopeId)
	if err != nil {
		return nil, err
	}
	if in.ExternalAuthorityConfiguration != nil {
		return nil, notSupported("ExternalAuthorityConfiguration")
	}
	if aws.ToBool(in.RemoveExternalAuthorityConfiguration) {
		return nil, notSupported("RemoveExternalAuthorityConfiguration")
	}
	if in.Description == nil {
		return nil, invalidCombination("The request must contain a modification to the ipam scope. Give a Description.")
	}
	text, err := parseDescription(in.Description)
	if err != nil {
		return nil, err
	}
	changed, err := o.store.ModifyScope(ctx, id, ipam.ActModify, func(s *ipam.Scope) error {
		s.Description = text
		return checkOwner(ctx, &s.Meta)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyIpamScopeOutput{IpamScope: new(showScope(changed))}, nil
}

func (o service) deleteScope(ctx context.Context, in *ec2.DeleteIpamScopeInput) (*ec2.DeleteIpamScopeOutput, error) {
	id, err := checkID(ipam.IDScope, "IpamScopeId", in.IpamScopeId)
	if err != nil {
		return nil, err
	}
	deleted, err := o.store.DeleteScope(ctx, id, func(s *ipam.Scope) error { return checkOwner(ctx, &s.Meta) })
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteIpamScopeOutput{IpamScope: new(showScope(deleted))}, nil
}

func (o service) describeScopes(ctx context.Context, in *ec2.DescribeIpamScopesInput) (*ec2.DescribeIpamScopesOutput, error) {
	filters := listing.Filters[types.IpamScope]{"ipam-id": func(s *types.IpamScope) (string, bool) { return idOfARN(s.IpamArn), true }}
	q := listRequest{"DescribeIpamScopes", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, filters, showScope, func(p listing.Page) (listing.List[ipam.Scope], error) {
		return o.scopes().list(ctx, p, "IpamScopeIds", in.IpamScopeIds)
	})
	return &ec2.DescribeIpamScopesOutput{IpamScopes: found, NextToken: next}, err
}

func showScope(s *ipam.Scope) types.IpamScope {
	return types.IpamScope{
		OwnerId:       &s.Owner,
		IpamScopeId:   &s.ID,
		IpamScopeArn:  arn(&s.Meta, ipam.IDScope, s.ID),
		IpamArn:       arn(&s.Meta, ipam.IDIPAM, s.IPAM),
		IpamRegion:    &s.Region,
		IpamScopeType: types.IpamScopeType(s.Type),
		IsDefault:     &s.Default,
		Description:   optional(s.Description),
		PoolCount:     aws.Int32(int32(s.PoolCount)),
		State:         types.IpamScopeState(s.State),
		Tags:          showTags(s.Tags),
	}
}
