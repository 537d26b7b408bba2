package main

import (
	"context"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// saveSummary saves the numbers of a finished scan for GetIpamSummary. forecasts are those
// that the scan made. For the other pools the forecasts of the last summary stay: a scan
// makes them once an hour.
func (h *Handler) saveSummary(ctx context.Context, t task, ipamID string, pools []*ipam.Pool, forecasts map[string]ipam.Forecast) error {
	before, err := h.store.ScopeSummary(ctx, ipamID, t.Scope, t.Family)
	if err != nil {
		return err
	}
	known := map[string]*ipam.Forecast{}
	for _, p := range before.Urgent {
		known[p.Pool] = p.Forecast
	}
	for id, f := range forecasts {
		known[id] = &f
	}
	sum := t.Totals.Summary
	var all []ipam.PoolSummary
	for _, p := range pools {
		u := t.Totals.pool(p.ID).Usage
		sum.Pools++
		if u == nil {
			continue
		}
		sum.Blocks += u.Blocks
		if p.SourceResource != nil || u.Addresses == 0 { // the space of a planning pool is the VPC's
			continue
		}
		if p.SourcePool == "" {
			sum.ProvisionedAddresses += u.Addresses
		}
		sum.FreeAddresses += u.Addresses * u.Available / 100
		all = append(all, ipam.PoolSummary{Pool: p.ID, Usage: *u, Forecast: known[p.ID]})
	}
	sum.Urgent = ipam.UrgentPools(all)
	return h.store.SaveScopeSummary(ctx, ipamID, t.Scope, t.Family, time.UnixMilli(t.Began), sum)
}
