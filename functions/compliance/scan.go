package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// totals holds the counts of a scan so far.
type totals struct {
	Resources    int                    `json:"resources"`
	Compliant    int                    `json:"compliant"`
	Noncompliant int                    `json:"noncompliant"`
	Managed      int                    `json:"managed"`
	Unmanaged    int                    `json:"unmanaged"`
	Overlapping  int                    `json:"overlapping"`
	Exposed      int                    `json:"exposed,omitempty"` // live CIDRs whose space was free in a pool
	Failed       int                    `json:"failed,omitempty"`  // CIDRs that could not be reconciled
	Pools        map[string]*poolTotals `json:"pools,omitempty"`
	VPCs         usages                 `json:"vpcs,omitempty"`
	Subnets      usages                 `json:"subnets,omitempty"`
	PublicPools  usages                 `json:"public_pools,omitempty"`
	Accounts     map[string]float64     `json:"accounts,omitempty"`  // addresses of unmanaged VPCs, by account
	Summary      ipam.ScopeSummary      `json:"summary"`             // of all types of resources
	Evaluated    bool                   `json:"evaluated,omitempty"` // only pools remain
}

type poolTotals struct {
	Compliant    int         `json:"compliant,omitempty"`
	Noncompliant int         `json:"noncompliant,omitempty"`
	Usage        *ipam.Usage `json:"usage,omitempty"` // nil until it is known
	Crossed      bool        `json:"crossed,omitempty"`
}

// pool returns the totals of a pool. It adds new ones if there are none.
func (t *totals) pool(id string) *poolTotals {
	if t.Pools == nil {
		t.Pools = map[string]*poolTotals{}
	}
	if t.Pools[id] == nil {
		t.Pools[id] = &poolTotals{}
	}
	return t.Pools[id]
}

// count counts the statuses of a CIDR. Managed and Unmanaged count only the types
// that AWS/IPAM counts there.
func (t *totals) count(v ipam.ResourceStatus) {
	t.Resources++
	t.Summary.CountStatus(v.Status)
	if v.Resource.Type == ipam.ResourceVPC || v.Resource.Type == ipam.ResourcePublicIPv4Pool {
		switch v.Status.Management {
		case ipam.Managed:
			t.Managed++
		case ipam.Unmanaged:
			t.Unmanaged++
		case ipam.ManagementIgnored:
		}
	}
	switch v.Status.Compliance {
	case ipam.Compliant:
		t.Compliant++
		t.pool(v.Status.Pool).Compliant++
	case ipam.Noncompliant:
		t.Noncompliant++
		t.pool(v.Status.Pool).Noncompliant++
	case ipam.ComplianceUnmanaged, ipam.ComplianceIgnored:
	}
	if v.Status.Overlap == ipam.Overlapping {
		t.Overlapping++
	}
}

// usages holds resources by id.
type usages map[string]*usage

type usage struct {
	Of   []string `json:"of"` // values of the group's dimensions
	Used float64  `json:"used"`
	Size float64  `json:"size"`
}

func (u *usage) share() float64 { return u.Used / u.Size }

// mostUsed is how many resources of a kind have metrics. A scan keeps ten times as
// many: later CIDRs of the same VPC may follow, even in another invocation.
const mostUsed = 50

// add counts the usage of a resource's CIDR.
func (u *usages) add(id string, r *ipam.Resource, of ...string) {
	if *u == nil {
		*u = usages{}
	}
	x := (*u)[id]
	if x == nil {
		x = &usage{Of: of}
		(*u)[id] = x
	}
	size := math.Exp2(float64(r.CIDR.Addr().BitLen() - r.CIDR.Bits()))
	x.Used += *r.Usage * size
	x.Size += size
	if len(*u) >= 20*mostUsed {
		keep := usages{}
		for _, id := range u.most(10 * mostUsed) {
			keep[id] = (*u)[id]
		}
		*u = keep
	}
}

// most returns the ids of the n most used resources, the most used first.
func (u usages) most(n int) []string {
	ids := slices.SortedFunc(maps.Keys(u), func(a, b string) int {
		return cmp.Or(cmp.Compare(u[b].share(), u[a].share()), cmp.Compare(a, b))
	})
	return ids[:min(n, len(ids))]
}

// measure counts the usage of a resource's CIDR, if it is known and the type has
// metrics.
func (t *totals) measure(r *ipam.ResourceCIDR) {
	if r.Usage == nil {
		return
	}
	family := r.Family().String()
	switch {
	case r.Type == ipam.ResourceVPC:
		t.VPCs.add(r.ID, &r.Resource, family, r.Owner, r.Region, r.Scope, r.ID)
	case r.Type == ipam.ResourceSubnet && r.Family() == ipam.IPv4:
		t.Subnets.add(r.ID, &r.Resource, family, r.Owner, r.Region, r.Scope, r.VPC, r.ID)
	case r.Type == ipam.ResourcePublicIPv4Pool:
		t.PublicPools.add(r.ID, &r.Resource, r.Owner, r.ID, r.Region, r.Scope)
	}
}

// countUnmanaged adds the addresses of an unmanaged VPC to its account's. Any watched
// account takes space by making VPCs; the metric shows which account takes how much. It
// keeps ten times as many accounts as it reports, as [usages] does.
func (t *totals) countUnmanaged(v ipam.ResourceStatus) {
	if v.Resource.Type != ipam.ResourceVPC || v.Status.Management != ipam.Unmanaged {
		return
	}
	if t.Accounts == nil {
		t.Accounts = map[string]float64{}
	}
	t.Accounts[v.Resource.Owner] += math.Exp2(float64(v.Resource.CIDR.Addr().BitLen() - v.Resource.CIDR.Bits()))
	if len(t.Accounts) >= 20*mostUsed {
		keep := map[string]float64{}
		for _, account := range t.largestAccounts(10 * mostUsed) {
			keep[account] = t.Accounts[account]
		}
		t.Accounts = keep
	}
}

// largestAccounts returns the n accounts with the most addresses of unmanaged VPCs, the
// one with the most first.
func (t *totals) largestAccounts(n int) []string {
	accounts := slices.SortedFunc(maps.Keys(t.Accounts), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.Accounts[b], t.Accounts[a]), cmp.Compare(a, b))
	})
	return accounts[:min(n, len(accounts))]
}

// scan evaluates a family of a scope, then adds up the usage of its pools, and writes
// the metrics at the end. A deleted scope has none. A CIDR that cannot be reconciled
// does not delay the others: the scan fails at its end.
func (h *Handler) scan(ctx context.Context, t task) error {
	scopes, err := h.store.Scopes(ctx, []string{t.Scope})
	if err != nil || len(scopes) == 0 {
		return err
	}
	owned, err := h.store.OwnedPools(ctx, scopes[0].Owner)
	if err != nil {
		return err
	}
	pools := slices.DeleteFunc(owned, func(p *ipam.Pool) bool { return p.Scope != t.Scope || p.Family != t.Family })
	if t.Totals == nil {
		t.Totals = &totals{}
	}
	if t.Began == 0 {
		t.Began = h.o.Time().UnixMilli()
	}
	if t.MapOnly {
		return h.drawMap(ctx, t)
	}
	for _, step := range []func(context.Context, *task, []*ipam.Pool) (bool, error){h.evaluate, h.addUsage} {
		if done, err := step(ctx, &t, pools); err != nil {
			return err
		} else if !done {
			return h.sendRest(ctx, t)
		}
	}
	forecasts, err := h.saveSamples(ctx, t)
	if err != nil {
		return err
	}
	if err := h.saveSummary(ctx, t, scopes[0].IPAM, pools, forecasts); err != nil {
		return err
	}
	if err := h.drawMap(ctx, t); err != nil {
		return err
	}
	h.report(ctx, t, pools)
	if n := t.Totals.Failed; n > 0 {
		return fmt.Errorf("%d CIDRs could not be reconciled; each has a log record of its own", n)
	}
	return nil
}

// saveSamples saves the usage of the pools for GetIpamPoolUtilization, once an hour, and
// then their forecasts, which the history function reports when one becomes near, and
// returns those. If the time of the invocation ends before, the forecasts of the other pools
// wait for the next hour.
func (h *Handler) saveSamples(ctx context.Context, t task) (forecasts map[string]ipam.Forecast, err error) {
	usages := map[string]ipam.Usage{}
	for id, p := range t.Totals.Pools {
		if p.Usage != nil && p.Usage.Addresses > 0 {
			usages[id] = *p.Usage
		}
	}
	saved, err := h.store.SaveSamples(ctx, usages)
	if err != nil {
		return nil, err
	}
	forecasts = map[string]ipam.Forecast{}
	for _, pool := range saved {
		if h.late(ctx) {
			break
		}
		f, err := h.store.Forecast(ctx, pool)
		if err != nil {
			return nil, err
		}
		if _, err := h.store.SaveForecast(ctx, pool, f, h.o.ForecastDays); err != nil {
			return nil, err
		}
		forecasts[pool] = f
	}
	return forecasts, nil
}

// entries returns the number of blocks and resources that a scan counted, with at most one
// free block for each taken one.
func (t *totals) entries() int64 {
	n := int64(t.Resources)
	for _, p := range t.Pools {
		if p.Usage != nil {
			n += 2 * p.Usage.Blocks
		}
	}
	return n
}

// drawMap saves the map of the scope from which GetIpamSpaceMap answers if the space is
// large: once an hour, as it reads all of the space. It reads the space at once, since a part of it would be no map: if the time of
// this invocation ends before, another one begins again and does nothing else. A space that
// is too large for that has no map.
func (h *Handler) drawMap(ctx context.Context, t task) error {
	if !t.MapOnly {
		if due, err := h.store.SpaceMapDue(ctx, t.Scope, t.Family, t.Totals.entries()); err != nil || !due {
			return err
		}
	}
	asOf := h.o.Time()
	sum, done, err := h.store.SumSpace(ctx, t.Scope, t.Family, func() bool { return h.late(ctx) })
	if err != nil {
		return err
	}
	if done {
		return h.store.SaveSpaceMap(ctx, t.Scope, t.Family, asOf, sum)
	}
	if t.MapOnly {
		h.o.Log().LogAttrs(ctx, slog.LevelError, "the space has too many blocks and resources for a map: they cannot be read in one invocation", slog.String("scope", t.Scope), slog.String("family", t.Family.String()))
		return nil
	}
	return h.sendRest(ctx, task{Scope: t.Scope, Family: t.Family, MapOnly: true})
}

// evaluate evaluates the CIDRs of resources after t.After, finishes imports, and
// reserves live space that is free. done is false if the invocation's time ended
// first.
func (h *Handler) evaluate(ctx context.Context, t *task, pools []*ipam.Pool) (done bool, err error) {
	if t.Totals.Evaluated {
		return true, nil
	}
	var after netip.Prefix
	if t.After != "" {
		if after, err = netip.ParsePrefix(t.After); err != nil {
			return false, fmt.Errorf("continue the scan: %w", err)
		}
	}
	importing, err := h.importing(ctx, pools)
	if err != nil {
		return false, err
	}
	for v, err := range h.store.EvaluateAll(ctx, t.Scope, t.Family, after) {
		if err != nil {
			return false, err
		}
		t.Totals.count(v)
		if h.o.ResourceMetrics {
			t.Totals.measure(v.Resource)
			t.Totals.countUnmanaged(v)
		}
		reconcile := importable(v, importing)
		if v.Exposed {
			exposed, err := h.exposed(ctx, t, v.Resource)
			if err != nil {
				return false, err
			}
			reconcile = reconcile || exposed
		}
		if reconcile && h.o.Reconcile != nil {
			if err := h.o.Reconcile(ctx, t.Scope, v.Resource.CIDR); err != nil {
				if ctx.Err() != nil {
					return false, err
				}
				t.Totals.Failed++
				h.o.Log().LogAttrs(ctx, slog.LevelError, "the space of a live resource could not be reconciled", slog.String("scope", t.Scope), slog.String("resource", v.Resource.ID),
					slog.String("cidr", v.Resource.CIDR.String()), slog.String("error", err.Error()))
			}
		}
		if v.After.IsValid() && h.late(ctx) {
			t.After = v.After.String()
			return false, nil
		}
	}
	t.After, t.Totals.Evaluated = "", true
	return true, nil
}

// importing returns the CIDRs of the pools that import resources.
func (h *Handler) importing(ctx context.Context, pools []*ipam.Pool) (roots []netip.Prefix, err error) {
	for _, p := range pools {
		if !p.AutoImport || h.o.Reconcile == nil {
			continue
		}
		cidrs, err := h.store.PoolCIDRs(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range cidrs {
			if c.State.Holds() {
				roots = append(roots, c.CIDR)
			}
		}
	}
	return roots, nil
}

// importable reports whether a pool probably should import a CIDR: no pool manages it
// and nothing overlaps it. Only the import itself can check the rest.
func importable(v ipam.ResourceStatus, importing []netip.Prefix) bool {
	return v.Status.Management == ipam.Unmanaged && v.Status.Overlap == ipam.Nonoverlapping &&
		slices.ContainsFunc(importing, func(root netip.Prefix) bool { return ipam.Within(v.Resource.CIDR, root) })
}

// exposed reports whether the space of a live CIDR is free in a pool. If so, it counts
// it and logs an error, as the pool might have handed the space out.
func (h *Handler) exposed(ctx context.Context, t *task, r *ipam.ResourceCIDR) (bool, error) {
	free, err := h.store.Exposed(ctx, r)
	if free {
		t.Totals.Exposed++
		h.o.Log().LogAttrs(ctx, slog.LevelError, "the space of a live resource was free in a pool", slog.String("scope", r.Scope), slog.String("resource", r.ID),
			slog.String("cidr", r.CIDR.String()), slog.String("account", r.Owner), slog.String("region", r.Region))
	}
	return free, err
}

// addUsage adds up the usage of the pools whose usage is not known yet.
func (h *Handler) addUsage(ctx context.Context, t *task, pools []*ipam.Pool) (bool, error) {
	for i, p := range pools {
		at := t.Totals.pool(p.ID)
		if at.Usage != nil {
			continue
		}
		u, err := h.store.Usage(ctx, p.ID)
		if err != nil {
			return false, err
		}
		if at.Crossed, err = h.store.SaveUsage(ctx, p.ID, u); err != nil {
			return false, err
		}
		if at.Usage = &u; i < len(pools)-1 && h.late(ctx) {
			return false, nil
		}
	}
	return true, nil
}

// report writes the metrics of a finished scan.
func (h *Handler) report(ctx context.Context, t task, pools []*ipam.Pool) {
	all, over := t.Totals, 0
	for _, p := range pools {
		at, locale := all.pool(p.ID), cmp.Or(p.Locale, "None")
		if at.Crossed {
			over++
		}
		h.o.Measure(ctx, telemetry.Pools, []string{p.Family.String(), locale, p.ID, p.Scope}, map[string]float64{
			"CompliantResourceCidrs": float64(at.Compliant), "NoncompliantResourceCidrs": float64(at.Noncompliant),
			"PercentAllocated": at.Usage.Allocated, "PercentAssigned": at.Usage.Assigned, "PercentAvailable": at.Usage.Available,
		})
	}
	if all.Resources+len(pools) > 0 {
		h.o.Measure(ctx, telemetry.Scopes, []string{t.Family.String(), t.Scope}, map[string]float64{
			"CompliantResourceCidrs": float64(all.Compliant), "NoncompliantResourceCidrs": float64(all.Noncompliant),
			"ManagedResourceCidrs": float64(all.Managed), "UnmanagedResourceCidrs": float64(all.Unmanaged),
			"OverlappingResourceCidrs": float64(all.Overlapping),
		})
	}
	h.o.Measure(ctx, telemetry.Totals, nil, map[string]float64{"OverlappingResourceCidrsTotal": float64(all.Overlapping), "PoolsOverThreshold": float64(over), "ExposedResourceCidrsTotal": float64(all.Exposed)})
	for _, kind := range []struct {
		group *telemetry.Group
		of    usages
	}{{telemetry.VPCs, all.VPCs}, {telemetry.Subnets, all.Subnets}, {telemetry.PublicIPv4Pools, all.PublicPools}} {
		for _, id := range kind.of.most(mostUsed) {
			u := kind.of[id]
			h.o.Measure(ctx, kind.group, u.Of, map[string]float64{kind.group.Metrics[0].Name: u.share()})
		}
	}
	for _, account := range all.largestAccounts(mostUsed) {
		h.o.Measure(ctx, telemetry.Accounts, []string{t.Family.String(), account, t.Scope}, map[string]float64{"UnmanagedAddresses": all.Accounts[account]})
	}
}
