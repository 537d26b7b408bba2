package ops_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// The operations in the answer are those that the registry does not refuse the caller, for
// every class, in the owner's account, in another one and in the management account.
func TestCallerAccessListsTheAdmittedOperations(t *testing.T) {
	w := newEnv(t, nil)
	w.registry = ops.New(w.store, grants(), ops.WithOrganization(&tree{id: organization, manager: consumer}))
	for _, from := range []string{account, stranger, consumer} {
		for user, class := range map[string]string{"reader": "read", "allocator": "allocate", "admin": "administer"} {
			ctx := as(from, user, "")
			got := do[ops.GetCallerAccessOutput](w, ctx, &ops.GetCallerAccessInput{}).CallerAccess
			if *got.AccountId != from || *got.PrincipalArn != "arn:aws:iam::"+from+":user/"+user || got.Class != class || *got.IsOwner != (from == account) || *got.OwnerAccountId != account || *got.HomeRegion != home {
				t.Errorf("%s of %s: %+v", user, from, got)
			}
			var want []string
			for _, o := range w.registry.Operations() {
				if w.registry.Authorize(ctx, o.Name) == nil {
					want = append(want, o.Name)
				}
			}
			if !slices.Equal(got.Operations, want) || len(want) < 10 {
				t.Errorf("%s of %s: %v, want %v", user, from, got.Operations, want)
			}
			manages := slices.Contains(got.Operations, "EnableIpamOrganizationAdminAccount")
			if manages != (from == consumer) {
				t.Errorf("%s of %s: may declare the administrator: %v", user, from, manages)
			}
		}
	}
}

func TestCallerAccessShowsTheQuotasInForce(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) {
		*q = ipam.Quotas{IPAMs: 1, ScopesPerIPAM: 2, PoolsPerScope: 3, PoolDepth: 4, CIDRsPerPool: 5, SharesPerPool: 6, Tags: 7, Discoveries: 8, AssociationsPerIPAM: 9, ResolversPerIPAM: 10, RulesPerResolver: 11, EntriesPerVersion: 12}
	})
	q := do[ops.GetCallerAccessOutput](w, w.admin, &ops.GetCallerAccessInput{}).CallerAccess.Quotas
	for i, n := range []*int64{q.Ipams, q.ScopesPerIpam, q.PoolsPerScope, q.PoolDepth, q.CidrsPerPool, q.SharesPerPool, q.TagsPerObject, q.ResourceDiscoveries, q.AssociationsPerIpam,
		q.PrefixListResolversPerIpam, q.RulesPerPrefixListResolver, q.EntriesPerPrefixListResolverVersion} {
		if *n != int64(i+1) {
			t.Errorf("quota %d is %d", i+1, *n)
		}
	}
}

// noTable is an Authorizer that knows the deployer's grants and cannot read those in the
// table: every caller has the class read, and any other class cannot be decided.
type noTable struct{}

var errNoTable = errors.New("the grants in the table cannot be read")

func (noTable) Authorize(_ context.Context, _ registry.Caller, class registry.Class) error {
	if class == registry.Read {
		return nil
	}
	return errNoTable
}

// A class that cannot be decided is an error, and not a lower class.
func TestCallerAccessNeedsTheGrants(t *testing.T) {
	w := newEnv(t, nil)
	w.registry = ops.New(store.New(w.table, store.Options{Region: home, Owner: account}), noTable{})
	_, err := w.registry.Call(w.admin, "GetCallerAccess", &ops.GetCallerAccessInput{})
	if !errors.Is(err, errNoTable) {
		t.Errorf("%v, want the error of the grants", err)
	}
}
