package main

import (
	"context"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// endDeleted frees the space that is pending for resources which a call has deleted, or
// for CIDRs which it has disassociated. EC2 gives no id twice, so the call is enough.
func (h *Handler) endDeleted(ctx context.Context, t task, call *discover.Call) error {
	if len(call.Ended) == 0 {
		return nil
	}
	pending, err := h.store.Pending(ctx, t.Account, t.Region)
	if err != nil {
		return err
	}
	for _, p := range pending {
		why := store.DeletedAssociation
		switch {
		case call.Effect == discover.Deletes && slices.Contains(call.Ended, p.ID):
			why = store.DeletedResource
		case p.Association == "" || !slices.Contains(call.Ended, p.Association):
			continue
		}
		if _, err := h.store.EndDeleted(ctx, p, why); err != nil {
			return err
		}
	}
	return nil
}

// endVanished frees the space that is pending for resources which EC2 created, and does
// not show any more. at is the time of the run's first answer of EC2, by EC2's clock. A
// resource counts if EC2 created it visibilityLag before that, by the same clock, and if
// two reads by its id do not show it with the CIDR.
func (h *Handler) endVanished(ctx context.Context, t task, at time.Time) error {
	pending, err := h.store.Pending(ctx, t.Account, t.Region)
	if err != nil {
		return err
	}
	pending = slices.DeleteFunc(pending, func(p *store.Pending) bool {
		return p.At == 0 || at.IsZero() || at.Sub(time.Unix(p.At, 0)) < visibilityLag
	})
	var shown map[string]bool // the ids of the resources, of the last read
	for read := range 2 {
		if len(pending) == 0 {
			return nil
		}
		if read > 0 {
			if err := h.o.Sleep(ctx, discover.ConfirmWait); err != nil {
				return err
			}
		}
		var sel discover.Selection
		for _, p := range pending {
			sel.Add(p.ID)
		}
		seen, _, _, err := h.readSelected(ctx, t, sel)
		if err != nil {
			return err
		}
		shown = map[string]bool{}
		for _, r := range seen {
			shown[r.ID] = true
		}
		pending = slices.DeleteFunc(pending, func(p *store.Pending) bool {
			return slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == p.ID && r.CIDR == p.Resource.CIDR })
		})
	}
	for _, p := range pending {
		why := store.DeletedResource
		if shown[p.ID] {
			why = store.DeletedAssociation
		}
		if _, err := h.store.EndDeleted(ctx, p, why); err != nil {
			return err
		}
	}
	return nil
}
