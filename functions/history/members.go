package main

import (
	"context"
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// members notes the CIDRs of a change whose selection by a prefix list resolver may have
// changed. resolvers returns all of them as they are since the batch began, and so since
// the change: new rules of a resolver are followed by a pass over all CIDRs, which sees the
// changes before them.
func (h *Handler) members(ctx context.Context, c *change, resolvers func() ([]*ipam.PrefixListResolver, error)) error {
	if c.before.Resource == nil && c.after.Resource == nil && inPool(c.before.PoolCIDR) == inPool(c.after.PoolCIDR) {
		return nil
	}
	all, err := resolvers()
	if err != nil || len(all) == 0 {
		return err
	}
	var noted []store.Member
	note := func(o *ipam.PrefixListResolver, p netip.Prefix) {
		noted = append(noted, store.Member{Resolver: o.ID, CIDR: p})
	}
	for _, o := range all {
		if was, is := selected(o, c.before.Resource), selected(o, c.after.Resource); was != is {
			note(o, resourceOf(c).CIDR)
		}
	}
	if cidr := poolCIDROf(c); cidr != nil {
		scope, err := h.scopeOf(ctx, cidr.Pool)
		if err != nil {
			return err
		}
		for _, o := range all {
			if ipam.FamilyOf(cidr.CIDR) == o.Family && selectsPools(o, scope) {
				note(o, cidr.CIDR)
			}
		}
	}
	if len(noted) == 0 {
		return nil
	}
	return h.store.NoteMembers(ctx, noted...)
}

func selected(o *ipam.PrefixListResolver, r *ipam.ResourceCIDR) bool {
	return r != nil && o.SelectsResource(r)
}

// resourceOf returns the resource that a change is of, as it is or was; nil for none.
func resourceOf(c *change) *ipam.ResourceCIDR {
	if c.after.Resource != nil {
		return c.after.Resource
	}
	return c.before.Resource
}

// poolCIDROf returns the CIDR that came into its pool or left it, nil for none.
func poolCIDROf(c *change) *ipam.PoolCIDR {
	switch was, is := inPool(c.before.PoolCIDR), inPool(c.after.PoolCIDR); {
	case is && !was:
		return c.after.PoolCIDR
	case was && !is:
		return c.before.PoolCIDR
	}
	return nil
}

// selectsPools reports whether a resolver has a rule for the pools of a scope. The scope of
// a deleted pool is "", and may be any.
func selectsPools(o *ipam.PrefixListResolver, scope string) bool {
	for _, r := range o.Rules {
		if r.Type == ipam.RulePoolCIDR && (scope == "" || r.Scope == scope) {
			return true
		}
	}
	return false
}
