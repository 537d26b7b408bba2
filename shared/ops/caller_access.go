package ops

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// The input and output of GetCallerAccess. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// GetCallerAccessInput is the input of GetCallerAccess.
	GetCallerAccessInput struct{ DryRun *bool }
	// GetCallerAccessOutput is the output of GetCallerAccess.
	GetCallerAccessOutput struct{ CallerAccess *CallerAccess }
	// CallerAccess is the identity of a caller, with its class and operations.
	CallerAccess struct {
		AccountId, PrincipalArn, OrganizationId *string
		Class                                   string   // the name of a [registry.Class]
		OwnerAccountId                          *string  // the account that the deployment belongs to
		IsOwner                                 *bool    // whether it is the caller's
		HomeRegion                              *string  // the Region of the deployment
		Operations                              []string // that the caller may call, sorted
		Quotas                                  *CallerQuotas
	}
	// CallerQuotas are the quotas in force, the same for every account.
	CallerQuotas struct {
		Ipams, ScopesPerIpam, PoolsPerScope, PoolDepth, CidrsPerPool, SharesPerPool, TagsPerObject, ResourceDiscoveries, AssociationsPerIpam *int64
		PrefixListResolversPerIpam, RulesPerPrefixListResolver, EntriesPerPrefixListResolverVersion                                          *int64
	}
)

// getCallerAccess shows the class of the caller, and the operations of r that it may call.
// A client that offers no others offers nothing that is refused for the caller's class.
func (o service) getCallerAccess(ctx context.Context, r *registry.Registry) (*GetCallerAccessOutput, error) {
	class, operations, err := r.Access(ctx)
	if err != nil {
		return nil, err
	}
	c, q := registry.CallerFrom(ctx), o.store.Quotas()
	return &GetCallerAccessOutput{&CallerAccess{
		AccountId:      &c.Account,
		PrincipalArn:   &c.ARN,
		OrganizationId: optional(c.OrganizationID),
		Class:          class.String(),
		OwnerAccountId: optional(o.store.Owner()),
		IsOwner:        aws.Bool(c.Account == o.store.Owner()),
		HomeRegion:     aws.String(o.store.Region()),
		Operations:     operations,
		Quotas: &CallerQuotas{
			Ipams: &q.IPAMs, ScopesPerIpam: &q.ScopesPerIPAM, PoolsPerScope: &q.PoolsPerScope, PoolDepth: &q.PoolDepth, CidrsPerPool: &q.CIDRsPerPool,
			SharesPerPool: &q.SharesPerPool, TagsPerObject: &q.Tags, ResourceDiscoveries: &q.Discoveries, AssociationsPerIpam: &q.AssociationsPerIPAM,
			PrefixListResolversPerIpam: &q.ResolversPerIPAM, RulesPerPrefixListResolver: &q.RulesPerResolver, EntriesPerPrefixListResolverVersion: &q.EntriesPerVersion,
		},
	}}, nil
}
