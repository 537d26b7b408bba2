package ops

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// principalsKey is the key of a context's function that finds the principals.
type principalsKey struct{}

// withPrincipals returns a context in which [principals] asks AWS Organizations about the
// caller. It asks once at most, at the first use, so that all of a request gets one
// answer and most requests need none.
func (o service) withPrincipals(ctx context.Context) context.Context {
	if o.organization == nil {
		return ctx
	}
	return context.WithValue(ctx, principalsKey{}, sync.OnceValues(func() ([]string, error) { return o.findPrincipals(ctx) }))
}

// principals returns the principals of the caller, ascending: its account, its
// organisation, and the units that it is in. A pool that is shared with one of them
// is visible to the caller. With an error, there may be more of them.
func principals(ctx context.Context) ([]string, error) {
	if find, ok := ctx.Value(principalsKey{}).(func() ([]string, error)); ok {
		return find()
	}
	return knownPrincipals(registry.CallerFrom(ctx)), nil
}

// knownPrincipals returns the principals of a caller that the door knows.
func knownPrincipals(c registry.Caller) []string {
	if c.OrganizationID == "" {
		return []string{c.Account}
	}
	return []string{c.Account, c.OrganizationID}
}

// findPrincipals returns the principals of the caller. An account whose units cannot be
// read is in none: it cannot use pools that are shared with units until Organizations
// answers, so that it keeps no pool that it may have lost.
func (o service) findPrincipals(ctx context.Context) ([]string, error) {
	c := registry.CallerFrom(ctx)
	found := knownPrincipals(c)
	above, err := o.organization.Ancestors(ctx, c.Account)
	if err != nil {
		slog.ErrorContext(ctx, "the caller's organizational units are not known, and pools shared with them are not shown", "account", c.Account, "error", err.Error())
		return found, err
	}
	if c.OrganizationID == "" && len(above) > 0 { // the door knows the account only
		var id string
		if id, err = o.administeredOrganization(ctx); id != "" {
			found = append(found, id)
		}
	}
	for _, id := range above {
		if ipam.PrincipalKindOf(id) == ipam.PrincipalUnit {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, err
}

// administeredOrganization returns the id of the organisation of the deployment's account
// if that account manages it or is declared to administer its addresses, and "" if not.
func (o service) administeredOrganization(ctx context.Context) (string, error) {
	id, management, err := o.organization.Management(ctx)
	if err == nil && id != "" && management != o.store.Owner() {
		var declared *store.Administrator
		declared, err = o.store.Administrator(ctx)
		if declared == nil || declared.Organization != id { // the account may have left the organisation of the declaration
			id = ""
		}
	}
	if err != nil {
		slog.ErrorContext(ctx, "the organisation cannot be read, and pools shared with it are not shown", "account", registry.CallerFrom(ctx).Account, "error", err.Error())
		return "", err
	}
	return id, nil
}

// checkVisible returns NotFound for a pool that is neither the caller's nor shared with
// it, as for an id that does not exist.
func checkVisible(ctx context.Context, p *ipam.Pool) error {
	c := registry.CallerFrom(ctx)
	if checkOwner(ctx, &p.Meta) == nil || p.SharedWith(knownPrincipals(c)) {
		return nil
	}
	// The other principals take calls, so only a pool that is shared with a principal of
	// such a kind needs them.
	needsCall := func(principal string) bool {
		kind := ipam.PrincipalKindOf(principal)
		return kind == ipam.PrincipalUnit || kind == ipam.PrincipalOrganization && c.OrganizationID == ""
	}
	if !slices.ContainsFunc(p.Shares, needsCall) {
		return ipam.NotFound(p.ID)
	}
	found, err := principals(ctx)
	switch {
	case p.SharedWith(found):
		return nil
	case err != nil && c.Request != "":
		// The answer to an event is final, so the event waits until the units are known.
		return ipam.Errorf(ipam.CodeUnavailable, "Whether %s is shared with account %s cannot be found out at the moment.", p.ID, c.Account)
	}
	return ipam.NotFound(p.ID)
}
