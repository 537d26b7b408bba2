package main

import (
	"context"
	"slices"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// settling is how long to wait before looking again, when EC2 does not show yet
// what a call did. Then it is left to the schedule.
var settling = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}

// watch is a discovery that watches an account.
type watch struct {
	d     *ipam.Discovery
	ipams []*ipam.IPAM
	ou    string
}

// watching returns the discoveries that watch an account in a Region. One that has
// looked at the account there does, until the schedule finds that it has left; of
// others the accounts are asked for. An organisation is hundreds of calls to list,
// and Organizations throttles, when many functions begin with an event each.
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

// call takes in what a call in an account and Region touched; detail is its
// CloudTrail record.
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
		at = h.now().UnixMilli()
		if seen, covered, err = h.readSelected(ctx, t, sel); err != nil {
			r := result{call: call.Name, failure: h.failure(t, err)}
			if r.failure != nil && r.failure.Code != discover.ThrottlingFailure {
				return r, nil // the schedule's run tells of it
			}
			return r, err
		}
		if try == len(settling) || shows(call, seen) {
			break
		}
		if err := h.sleep(ctx, settling[try]); err != nil {
			return result{call: call.Name}, err
		}
	}
	all := result{call: call.Name, seen: len(seen)}
	for _, w := range watches {
		r, err := h.takeIn(ctx, w, t, call, covered, seen, at)
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

// kinds are the types that a selection has ids of.
var kinds = []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceSubnet, ipam.ResourcePublicIPv4Pool, ipam.ResourceEIP, ipam.ResourceInterface}

// shows reports whether EC2 shows what a call did: what it made is there, what it
// deleted is not, and what it associated, and not what it disassociated, is with
// what it names.
func shows(call *discover.Call, seen []ipam.Resource) bool {
	for _, t := range kinds {
		for _, id := range call.Selected.IDs(t) {
			there := slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == id })
			if call.Effect == discover.Creates && !there || call.Effect == discover.Deletes && there {
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

// firstAnswers is how many answers of the table, each of a MB and with some two
// thousand interfaces, are searched for those of an instance that is gone. In an
// account that has more, the schedule finds some of them.
const firstAnswers = 4

// known adds to a selection what is known to go with it: what a resource that
// may be gone was in, the interfaces of an instance that is gone, all Elastic IPs
// if all are selected. EC2 does not tell that of what is gone.
func (h *Handler) known(ctx context.Context, w watch, t task, effect discover.Effect, sel discover.Selection) (discover.Selection, error) {
	var known []*ipam.Found
	find := func(kind ipam.ResourceType, id string) error {
		found, err := h.store.FoundOf(ctx, w.d.ID, t.Region, t.Account, kind, id)
		known = append(known, found...)
		return err
	}
	for _, kind := range kinds {
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
		first, err := h.store.FirstFound(ctx, w.d.ID, t.Region, t.Account, ipam.ResourceInterface, firstAnswers)
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

// takeIn takes in what was seen of a selection at a time, which a call touched.
// That a call deleted or disassociated what is not seen any more goes for what it
// names, not for what that was in.
func (h *Handler) takeIn(ctx context.Context, w watch, t task, call *discover.Call, covered discover.Selection, seen []ipam.Resource, at int64) (result, error) {
	var found []*ipam.Found
	for _, kind := range kinds {
		for _, id := range covered.IDs(kind) {
			some, err := h.store.FoundOf(ctx, w.d.ID, t.Region, t.Account, kind, id)
			if err != nil {
				return result{}, err
			}
			found = append(found, some...)
		}
	}
	changed, gone := discover.Diff(found, seen, ids(w.ipams))
	since := func(r *ipam.Resource) int64 {
		switch {
		case call.Effect == discover.Deletes && call.Selected.Covers(r):
			return at
		case call.Effect == discover.Disassociates && call.Selected.Covers(r) && slices.Contains(call.CIDRs, r.CIDR):
			return min(call.At.UnixMilli(), at) // it may have been associated again
		}
		return 0
	}
	// Nothing was attempted here: only a run that sees all is an attempt.
	account := ipam.DiscoveredAccount{Discovery: w.d.ID, Region: t.Region, Account: t.Account, OU: w.ou}
	return h.apply(ctx, w.d, w.ipams, account, changed, gone, at, since)
}
