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

type principalsKey struct{}

// withStanding returns a context in which principals finds out what there is to
// know of the caller: once, however often one call asks, so that it meets one
// answer; and not at all in the calls that need not know.
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

// told are those of the principals that the door tells.
func knownPrincipals(c registry.Caller) []string {
	if c.OrganizationID == "" {
		return []string{c.Account}
	}
	return []string{c.Account, c.OrganizationID}
}

// standing finds the principals. An account whose units cannot be read is in
// none: it does without what is shared with them, rather than keep what it may
// have lost.
func (o service) findPrincipals(ctx context.Context) ([]string, error) {
	c := registry.CallerFrom(ctx)
	found := knownPrincipals(c)
	above, err := o.organization.Ancestors(ctx, c.Account)
	if err != nil {
		slog.ErrorContext(ctx, "the caller's organizational units are not known, and what is shared with them is not shown", "account", c.Account, "error", err.Error())
		return found, err
	}
	if c.OrganizationID == "" && len(above) > 0 { // the door tells the account only
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

// administered returns the id of the organisation that the deployment's account
// is in, if it manages it or is declared to administer its addresses, and else "".
func (o service) administeredOrganization(ctx context.Context) (string, error) {
	id, management, err := o.organization.Management(ctx)
	if err == nil && id != "" && management != o.store.Owner() {
		var declared *store.Administrator
		declared, err = o.store.Administrator(ctx)
		if declared == nil || declared.Organization != id { // the account may have left the one that declared it
			id = ""
		}
	}
	if err != nil {
		slog.ErrorContext(ctx, "the organisation is not known, and what is shared with it is not shown", "account", registry.CallerFrom(ctx).Account, "error", err.Error())
		return "", err
	}
	return id, nil
}

// reach refuses a pool that is neither the caller's nor shared with it as if it
// did not exist.
func checkVisible(ctx context.Context, p *ipam.Pool) error {
	c := registry.CallerFrom(ctx)
	if checkOwner(ctx, &p.Meta) == nil || p.SharedWith(knownPrincipals(c)) {
		return nil
	}
	// To find out the rest takes calls, so it is only for a pool that may be
	// shared with that.
	rest := func(principal string) bool {
		kind := ipam.PrincipalKindOf(principal)
		return kind == ipam.PrincipalUnit || kind == ipam.PrincipalOrganization && c.OrganizationID == ""
	}
	if !slices.ContainsFunc(p.Shares, rest) {
		return ipam.NotFound(p.ID)
	}
	found, err := principals(ctx)
	switch {
	case p.SharedWith(found):
		return nil
	case err != nil && c.Request != "":
		// The answer to an event is for good, so it waits until it is known.
		return ipam.Errorf(ipam.CodeUnavailable, "Whether %s is shared with account %s cannot be found out at the moment.", p.ID, c.Account)
	}
	return ipam.NotFound(p.ID)
}
