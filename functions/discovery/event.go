package main

import (
	"context"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// settleWaits are the waits before EC2 is read again, while it does not show a call's
// effect yet. After the last one the schedule must find the effect.
var settleWaits = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}

// watch is a discovery that watches an account in a Region.
type watch struct {
	discovery *ipam.Discovery
	ipams     []*ipam.IPAM
	ou        string
}

// watching returns the discoveries that watch an account in a Region. A discovery that
// has read the account there watches it until the schedule marks it as detached; for
// others, watching lists the accounts. Listing an organisation takes hundreds of calls,
// which Organizations throttles when many functions start with an event each.
func (h *Handler) watching(ctx context.Context, t task) ([]watch, error) {
	discoveries, err := h.store.AllDiscoveries(ctx)
	if err != nil {
		return nil, err
	}
	var all []watch
	for _, d := range discoveries {
		ipams, err := h.ipams(ctx, d)
		if err != nil {
			return nil, err
		}
		if len(ipams) == 0 || !slices.Contains(discover.Regions(d, ipams), t.Region) {
			continue
		}
		a, err := h.store.DiscoveredAccount(ctx, d.ID, t.Region, t.Account)
		if err != nil {
			return nil, err
		}
		if a != nil && a.Departure == ipam.NotDeparted {
			all = append(all, watch{d, ipams, a.OU})
			continue
		}
		accounts, err := discover.Watched(ctx, d, h.store.Owner(), h.accounts)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(accounts, func(a discover.Account) bool { return a.ID == t.Account }); i >= 0 {
			all = append(all, watch{d, ipams, accounts[i].OU})
		}
	}
	return all, nil
}

// call stores the resources that a call in an account and Region touched. detail is
// the call's CloudTrail record.
func (h *Handler) call(ctx context.Context, t task, detail []byte) (result, error) {
	call, ignored, err := discover.ParseCall(detail)
	if call == nil {
		return result{ignored: ignored}, err
	}
	watches, err := h.watching(ctx, t)
	if err != nil {
		return result{call: call.Name}, err
	}
	if len(watches) == 0 {
		return result{call: call.Name, ignored: "no discovery watches the account in the Region"}, nil
	}
	sel := call.Selected
	for _, w := range watches {
		if sel, err = h.known(ctx, w, t, call.Effect, sel); err != nil {
			return result{call: call.Name}, err
		}
	}
	var at int64
	var seen []ipam.Resource
	var covered discover.Selection
	for try := 0; ; try++ {
		at = h.o.Time().UnixMilli()
		if seen, covered, err = h.readSelected(ctx, t, sel); err != nil {
			r := result{call: call.Name, failure: h.failure(t, err)}
			if r.failure != nil && r.failure.Code != discover.ThrottlingFailure {
				return r, nil // the schedule's run records the failure
			}
			return r, err
		}
		if try == len(settleWaits) || shows(call, seen) {
			break
		}
		if err := h.o.Sleep(ctx, settleWaits[try]); err != nil {
			return result{call: call.Name}, err
		}
	}
	all := result{call: call.Name, seen: len(seen)}
	for _, w := range watches {
		r, err := h.applyCall(ctx, w, t, call, covered, seen, at)
		all.changed, all.gone = all.changed+r.changed, all.gone+r.gone
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (h *Handler) readSelected(ctx context.Context, t task, sel discover.Selection) ([]ipam.Resource, discover.Selection, error) {
	c, err := h.clients.EC2(ctx, t.Account, t.Region)
	if err != nil {
		return nil, sel, err
	}
	seen, covered, err := discover.ReadSelected(ctx, c, sel)
	if err != nil {
		return nil, sel, err
	}
	return slices.DeleteFunc(seen.Resources(t.Account, t.Region), func(r ipam.Resource) bool { return !covered.Covers(&r) }), covered, nil
}

// selectable are the types whose ids a selection may hold.
var selectable = []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceSubnet, ipam.ResourcePublicIPv4Pool, ipam.ResourceEIP, ipam.ResourceInterface}

// shows reports whether EC2 shows a call's effect: the created resource exists, the
// deleted one does not, the associated CIDR is with its resource, and the disassociated
// one is not.
func shows(call *discover.Call, seen []ipam.Resource) bool {
	for _, t := range selectable {
		for _, id := range call.Selected.IDs(t) {
			exists := slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == id })
			if call.Effect == discover.Creates && !exists || call.Effect == discover.Deletes && exists {
				return false
			}
			for _, c := range call.CIDRs {
				with := slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == id && r.CIDR == c })
				if with == (call.Effect == discover.Disassociates) {
					return false
				}
			}
		}
	}
	return true
}

// maxInterfacePages is how many pages of the table, each of 1 MB with about two thousand
// interfaces, are searched for the interfaces of a terminated instance. In a larger
// account the schedule finds the rest.
const maxInterfacePages = 4

// known adds to a selection the stored resources that belong to it: the VPC and subnet
// of a resource that may be deleted, the interfaces of a terminated instance, and all
// Elastic IPs if all are selected. EC2 does not return these for a deleted resource.
func (h *Handler) known(ctx context.Context, w watch, t task, effect discover.Effect, sel discover.Selection) (discover.Selection, error) {
	var known []*ipam.Found
	find := func(kind ipam.ResourceType, id string) error {
		found, err := h.store.FoundOf(ctx, w.discovery.ID, t.Region, t.Account, kind, id)
		known = append(known, found...)
		return err
	}
	for _, kind := range selectable {
		for _, id := range sel.IDs(kind) {
			if err := find(kind, id); err != nil {
				return sel, err
			}
		}
	}
	if sel.AllAddresses {
		if err := find(ipam.ResourceEIP, ""); err != nil {
			return sel, err
		}
	}
	if len(sel.Instances) > 0 && effect == discover.Deletes {
		first, err := h.store.FirstFound(ctx, w.discovery.ID, t.Region, t.Account, ipam.ResourceInterface, maxInterfacePages)
		if err != nil {
			return sel, err
		}
		known = append(known, slices.DeleteFunc(first, func(f *ipam.Found) bool { return !slices.Contains(sel.Instances, f.Instance) })...)
	}
	for _, f := range known {
		for _, id := range []string{f.ID, f.Subnet, f.VPC} {
			sel.Add(id)
		}
		if f.Type == ipam.ResourceEIP && f.Public != nil {
			sel.Add(f.Public.Interface)
			sel.Add(f.Public.PublicIPv4Pool)
		}
	}
	return sel, nil
}

// applyCall stores the resources of a selection as they were seen at a time, after a
// call that touched them. A deletion or disassociation counts for the resource that the
// call names, not for the VPC or subnet that the resource was in.
func (h *Handler) applyCall(ctx context.Context, w watch, t task, call *discover.Call, covered discover.Selection, seen []ipam.Resource, at int64) (result, error) {
	var found []*ipam.Found
	for _, kind := range selectable {
		for _, id := range covered.IDs(kind) {
			stored, err := h.store.FoundOf(ctx, w.discovery.ID, t.Region, t.Account, kind, id)
			if err != nil {
				return result{}, err
			}
			found = append(found, stored...)
		}
	}
	changed, gone := discover.Diff(found, seen, ids(w.ipams))
	goneSince := func(r *ipam.Resource) int64 {
		switch {
		case call.Effect == discover.Deletes && call.Selected.Covers(r):
			return at
		case call.Effect == discover.Disassociates && call.Selected.Covers(r) && slices.Contains(call.CIDRs, r.CIDR):
			return min(call.At.UnixMilli(), at) // the CIDR may be associated again since
		}
		return 0
	}
	// The account has no new attempt: only a run that reads everything is one.
	account := ipam.DiscoveredAccount{Discovery: w.discovery.ID, Region: t.Region, Account: t.Account, OU: w.ou}
	return h.apply(ctx, reading{w.discovery, w.ipams, account, changed, gone, at, goneSince})
}
