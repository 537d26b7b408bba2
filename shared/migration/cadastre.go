package migration

import (
	"context"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Access is the caller's account and class at a deployment, with its quotas.
type Access struct {
	Account, Class, HomeRegion string
	Quotas                     ipam.Quotas
}

// GetAccess returns the caller's access.
func GetAccess(ctx context.Context, api *client.JSON) (Access, error) {
	var out struct {
		CallerAccess struct {
			AccountID  string `json:"AccountId"`
			Class      string
			HomeRegion string
			Quotas     struct{ Ipams, ScopesPerIpam, PoolsPerScope, PoolDepth, CidrsPerPool, SharesPerPool, TagsPerObject, ResourceDiscoveries, AssociationsPerIpam int64 }
		}
	}
	if err := api.Call(ctx, "GetCallerAccess", struct{}{}, &out); err != nil {
		return Access{}, err
	}
	a := out.CallerAccess
	return Access{a.AccountID, a.Class, a.HomeRegion, ipam.Quotas{
		IPAMs: a.Quotas.Ipams, ScopesPerIPAM: a.Quotas.ScopesPerIpam, PoolsPerScope: a.Quotas.PoolsPerScope, PoolDepth: a.Quotas.PoolDepth, CIDRsPerPool: a.Quotas.CidrsPerPool,
		SharesPerPool: a.Quotas.SharesPerPool, Tags: a.Quotas.TagsPerObject, Discoveries: a.Quotas.ResourceDiscoveries, AssociationsPerIPAM: a.Quotas.AssociationsPerIpam,
	}}, nil
}

// Read returns the content of an IPAM of the deployment. progress may be nil.
func (c Cadastre) Read(ctx context.Context, id string, parallel int, progress func(done, total int)) (*Deployment, error) {
	access, err := GetAccess(ctx, c.JSON)
	if err != nil {
		return nil, err
	}
	r := &Reader{EC2: c.EC2, IPAM: id, Parallel: parallel, Progress: progress, Shares: c.shares}
	d, err := r.Read(ctx)
	if err != nil {
		return nil, err
	}
	d.Account, d.HomeRegion, d.Quotas = access.Account, access.HomeRegion, access.Quotas
	return d, nil
}

// shares returns the principals that the account's pools are shared with, by the pool's
// id.
func (c Cadastre) shares(ctx context.Context) (map[string][]string, error) {
	shares := map[string][]string{}
	in := struct {
		NextToken string `json:",omitempty"`
	}{}
	for {
		var out struct {
			IpamPoolShares []struct{ IpamPoolID, Principal string }
			NextToken      string
		}
		if err := c.JSON.Call(ctx, "DescribeIpamPoolShares", in, &out); err != nil {
			return nil, fmt.Errorf("list the shares of pools: %w", err)
		}
		for _, s := range out.IpamPoolShares {
			shares[s.IpamPoolID] = append(shares[s.IpamPoolID], s.Principal)
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			return shares, nil
		}
	}
}
