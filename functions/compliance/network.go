package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// public holds the counts of public addresses, by Region and metric.
type public map[string]map[string]float64

func (p public) add(region string, metrics ...string) {
	if p[region] == nil {
		p[region] = map[string]float64{}
		for _, m := range telemetry.PublicIPs.Metrics {
			p[region][m.Name] = 0
		}
	}
	for _, m := range metrics {
		p[region][m]++
	}
}

// count counts a resource's public address. It leaves out the types for which AWS/IPAM
// has no metric.
func (p public) count(r *ipam.ResourceCIDR) {
	if r.Public == nil {
		return
	}
	associated := map[bool]string{true: "Associated", false: "Unassociated"}[r.Public.Associated]
	switch r.Public.Type {
	case "amazon-owned-eip":
		p.add(r.Region, "AmazonOwnedElasticIPs", associated+"AmazonOwnedElasticIPs")
	case "byoip":
		p.add(r.Region, "BringYourOwnIPs", associated+"BringYourOwnIPs")
	case "ec2-public-ip":
		p.add(r.Region, "EC2PublicIPs")
	case "service-managed-ip":
		p.add(r.Region, "ServiceManagedIPs")
	case "service-managed-byoip":
		p.add(r.Region, "ServiceManagedBringYourOwnIPs")
	}
}

// countNetwork counts the network that the discoveries of an IPAM found: its public and active
// addresses, and the accounts that discovery cannot read.
func (h *Handler) countNetwork(ctx context.Context, t task) error {
	owned, err := h.store.OwnedScopes(ctx, t.Owner)
	if err != nil {
		return err
	}
	scopes := slices.DeleteFunc(owned, func(s *ipam.Scope) bool { return s.IPAM != t.IPAM })
	if t.Public == nil {
		t.Public = public{}
	}
	if t.Network == nil {
		t.Network, t.Began = new(ipam.NetworkSummary), h.o.Time().UnixMilli()
	}
	parts := []struct {
		name  string
		count func(context.Context, *task, []*ipam.Scope) (bool, error)
	}{{"", h.countIPv4}, {"ipv6", h.countIPv6}, {"accounts", h.countAccounts}}
	for i, part := range parts {
		if t.Part != part.name {
			continue
		}
		if done, err := part.count(ctx, &t, scopes); err != nil {
			return err
		} else if !done {
			return h.sendRest(ctx, t)
		}
		if i+1 < len(parts) {
			t.Part = parts[i+1].name
		}
	}
	t.Network.PublicRegions = int64(len(t.Public))
	if err := h.store.SaveNetworkSummary(ctx, t.IPAM, time.UnixMilli(t.Began), *t.Network); err != nil {
		return err
	}
	for _, region := range slices.Sorted(maps.Keys(t.Public)) {
		h.o.Measure(ctx, telemetry.PublicIPs, []string{t.IPAM, region}, t.Public[region])
	}
	return nil
}

// countIPv4 counts the public and the active IPv4 addresses. Elastic IPs are resources of
// the public scope. Other public addresses belong to interfaces, whose rows are in the scopes
// of their private addresses.
func (h *Handler) countIPv4(ctx context.Context, t *task, scopes []*ipam.Scope) (done bool, err error) {
	public := map[string]bool{}
	for _, s := range scopes {
		public[s.ID] = s.Type == ipam.ScopePublic
	}
	return eachOf(ctx, h, t, scopeIDs(scopes), func(scope, after string) ([]*ipam.ResourceCIDR, string, error) {
		if public[scope] {
			return h.store.Resources(ctx, scope, ipam.IPv4, after, 0)
		}
		return h.store.Interfaces(ctx, scope, ipam.IPv4, after, 0)
	}, func(r *ipam.ResourceCIDR) {
		t.Public.count(r)
		t.countActive(r)
	})
}

// countIPv6 counts the active IPv6 addresses.
func (h *Handler) countIPv6(ctx context.Context, t *task, scopes []*ipam.Scope) (done bool, err error) {
	return eachOf(ctx, h, t, scopeIDs(scopes), func(scope, after string) ([]*ipam.ResourceCIDR, string, error) {
		return h.store.Interfaces(ctx, scope, ipam.IPv6, after, 0)
	}, t.countActive)
}

// countActive counts an address as Amazon VPC IPAM bills it: an address or prefix of an
// interface that is attached to a resource (Amazon VPC Pricing, "IP Address Manager").
func (t *task) countActive(r *ipam.ResourceCIDR) {
	if r.Type == ipam.ResourceInterface && r.Attached {
		t.Network.ActiveAddresses++
	}
}

// countAccounts counts the accounts of the discoveries that are associated with the IPAM.
func (h *Handler) countAccounts(ctx context.Context, t *task, _ []*ipam.Scope) (done bool, err error) {
	discoveries, err := h.store.AllDiscoveries(ctx)
	if err != nil {
		return false, err
	}
	var ids []string
	for _, d := range discoveries {
		if slices.Contains(d.IPAMs, t.IPAM) {
			ids = append(ids, d.ID)
		}
	}
	slices.Sort(ids)
	return eachOf(ctx, h, t, ids, func(discovery, after string) ([]*ipam.DiscoveredAccount, string, error) {
		return h.store.DiscoveredAccounts(ctx, discovery, "", after, 0)
	}, t.Network.CountAccount)
}

func scopeIDs(scopes []*ipam.Scope) (ids []string) {
	for _, s := range scopes {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}

// eachOf calls count for each result of list for each of the ids, which ascend, from the place
// that t.After names: "<id> <position of the list>". done is false if the invocation's time
// ended first.
func eachOf[T any](ctx context.Context, h *Handler, t *task, ids []string, list func(id, after string) ([]*T, string, error), count func(*T)) (done bool, err error) {
	at, after, _ := strings.Cut(t.After, " ")
	for _, id := range ids {
		if id < at {
			continue
		}
		if id != at {
			after = ""
		}
		for {
			rows, next, err := list(id, after)
			if err != nil {
				return false, err
			}
			for _, r := range rows {
				count(r)
			}
			if next == "" {
				break
			}
			if at, after = id, next; h.late(ctx) {
				t.After = at + " " + after
				return false, nil
			}
		}
	}
	t.After = ""
	return true, nil
}
