package main

import (
	"context"
	"maps"
	"slices"
	"strings"

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

// countPublic counts the public IPv4 addresses that an IPAM knows. Elastic IPs are
// resources of its public scope. Other public addresses belong to interfaces, whose
// rows are in the scopes of their private addresses. t.After is "<scope> <position in
// it>".
func (h *Handler) countPublic(ctx context.Context, t task) error {
	owned, err := h.store.OwnedScopes(ctx, t.Owner)
	if err != nil {
		return err
	}
	if t.Public == nil {
		t.Public = public{}
	}
	at, after, _ := strings.Cut(t.After, " ")
	for _, s := range owned { // by ascending id
		if s.IPAM != t.IPAM || s.ID < at {
			continue
		}
		list := h.store.Interfaces
		if s.Type == ipam.ScopePublic {
			list = h.store.Resources
		}
		for {
			if s.ID != at {
				after = ""
			}
			rows, next, err := list(ctx, s.ID, ipam.IPv4, after, 0)
			if err != nil {
				return err
			}
			for _, r := range rows {
				t.Public.count(r)
			}
			if next == "" {
				break
			}
			at, after = s.ID, next
			if h.late(ctx) {
				t.After = at + " " + after
				return h.sendRest(ctx, t)
			}
		}
	}
	for _, region := range slices.Sorted(maps.Keys(t.Public)) {
		h.o.Measure(ctx, telemetry.PublicIPs, []string{t.IPAM, region}, t.Public[region])
	}
	return nil
}
