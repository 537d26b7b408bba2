package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
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
// others, watching lists the accounts, and lists them again for an account that is not
// there yet. Listing an organisation takes hundreds of calls, which Organizations throttles
// when many functions start with an event each.
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
		if err := h.accounts.Meet(ctx, t.Account); err != nil {
			return nil, err
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

// trust removes the ended ids from a call of a source other than EC2. PutEvents refuses
// sources of AWS, so anybody else's event only starts a read.
func trust(c *discover.Call, source string) {
	if source != discover.CallSource {
		c.Ended = nil
	}
}

// call stores the resources that a call in an account and Region touched. detail is
// the call's CloudTrail record.
func (h *Handler) call(ctx context.Context, t task, source string, detail []byte) (result, error) {
	call, ignored, err := discover.ParseCall(detail)
	if call == nil {
		return result{ignored: ignored}, err
	}
	trust(call, source)
	return h.calls(ctx, t, []*discover.Call{call})
}

// maxSelected is how many ids of resources discovery reads by their ids after events, 200
// with a call. An event of RunInstances names hundreds. Of more, a look at the whole
// account costs less.
const maxSelected = 1000

// maxDescribes is how many calls the events of a batch may cost the account before
// discovery stops reading again. Five looks at a small account cost as much, so that
// the two batches of a burst of 1,000 events cost at most ten. A first read may cost more
// in an account with thousands of resources, where a look does too.
const maxDescribes = 25

// calls stores the resources that calls in an account and Region touched. It reads the
// resources of all calls together. It reads again, after a wait, the resources of those
// calls whose effects EC2 does not show yet. If it could not store some of the resources,
// the error is a [*partial].
func (h *Handler) calls(ctx context.Context, t task, calls []*discover.Call) (result, error) {
	all := result{call: names(calls), events: len(calls)}
	for _, c := range calls {
		if err := h.endDeleted(ctx, t, c); err != nil {
			return all, err
		}
	}
	watches, err := h.watching(ctx, t)
	if err != nil {
		return all, err
	}
	if len(watches) == 0 {
		all.ignored = "no discovery watches the account in the Region"
		return all, nil
	}
	e := effectsOf(calls)
	if size(calls) > maxSelected {
		return h.lookForCalls(ctx, t, watches, e, all)
	}
	sel, err := h.selected(ctx, watches, t, calls)
	if err != nil {
		return all, err
	}
	failing := &partial{calls: map[*discover.Call]error{}}
	for try, spent := 0, 0; ; try++ {
		at := h.o.Time().UnixMilli()
		seen, covered, cost, err := h.readSelected(ctx, t, sel)
		spent += cost
		if err != nil {
			all.failure = h.failure(t, err)
			if all.failure != nil && all.failure.Code != discover.ThrottlingFailure {
				return all, failing.orNil() // the schedule's run records the failure
			}
			return all, err
		}
		var awaited []*discover.Call
		if try < len(settleWaits) {
			awaited = slices.DeleteFunc(slices.Clone(calls), func(c *discover.Call) bool { return e.shown(c, seen) })
		}
		if again := max(4, cost*len(awaited)/len(calls)); spent+again > maxDescribes {
			awaited = nil // the schedule finds the effects that EC2 does not show yet
		}
		if len(awaited) < len(calls) {
			all.seen += len(seen)
			for _, w := range watches {
				r, err := h.applyCalls(ctx, w, t, e, covered, seen, at)
				all.changed, all.gone = all.changed+r.changed, all.gone+r.gone
				if err := failing.add(err, calls, seen); err != nil {
					return all, err
				}
			}
		}
		all.failed = len(failing.calls)
		if len(awaited) == 0 {
			return all, failing.orNil()
		}
		if err := h.o.Sleep(ctx, settleWaits[try]); err != nil {
			return all, err
		}
		failing.forget(awaited)
		if len(awaited) < len(calls) {
			calls = awaited
			if sel, err = h.selected(ctx, watches, t, calls); err != nil {
				return all, err
			}
		}
	}
}

// size returns the number of ids that calls name.
func size(calls []*discover.Call) (n int) {
	for _, c := range calls {
		n += c.Selected.Size()
	}
	return n
}

// lookForCalls reads the whole account in the Region, once for each discovery that
// watches it, in place of the resources that calls with effects touched. It does not wait
// for effects that EC2 does not show yet.
func (h *Handler) lookForCalls(ctx context.Context, t task, watches []watch, e effects, all result) (result, error) {
	for _, w := range watches {
		t := task{Discovery: w.discovery.ID, Region: t.Region, Account: t.Account, OU: w.ou}
		r, err := h.look(ctx, t, w.discovery, w.ipams, e.goneSince)
		all.seen, all.changed, all.gone, all.failure = all.seen+r.seen, all.changed+r.changed, all.gone+r.gone, r.failure
		if err != nil {
			return all, err
		}
		if f := r.failure; f != nil && f.Code == discover.ThrottlingFailure {
			return all, errors.New(f.Message) // the messages come again
		}
	}
	return all, nil
}

// names returns the names of calls, sorted, each once.
func names(calls []*discover.Call) string {
	var all []string
	for _, c := range calls {
		all = append(all, c.Name)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// selected returns the resources that calls touched, with the stored resources that
// belong to them.
func (h *Handler) selected(ctx context.Context, watches []watch, t task, calls []*discover.Call) (discover.Selection, error) {
	var sel discover.Selection
	var terminated []string
	for _, c := range calls {
		sel.Merge(c.Selected)
		if c.Effect == discover.Deletes {
			terminated = append(terminated, c.Selected.Instances...)
		}
	}
	for _, w := range watches {
		var err error
		if sel, err = h.known(ctx, w, t, terminated, sel); err != nil {
			return sel, err
		}
	}
	return sel, nil
}

// readSelected returns the resources of a selection, the selection with the resources that
// were read besides, and the number of calls of EC2.
func (h *Handler) readSelected(ctx context.Context, t task, sel discover.Selection) ([]ipam.Resource, discover.Selection, int, error) {
	c, err := h.clients.EC2(ctx, t.Account, t.Region)
	if err != nil {
		return nil, sel, 0, err
	}
	counted := &discover.Counted{EC2: c}
	seen, covered, err := discover.ReadSelected(ctx, counted, sel)
	if err != nil {
		return nil, sel, counted.Calls, err
	}
	return slices.DeleteFunc(seen.Resources(t.Account, t.Region), func(r ipam.Resource) bool { return !covered.Covers(&r) }), covered, counted.Calls, nil
}

// selectable are the types whose ids a selection may hold.
var selectable = []ipam.ResourceType{ipam.ResourceVPC, ipam.ResourceSubnet, ipam.ResourcePublicIPv4Pool, ipam.ResourceEIP, ipam.ResourceInterface}

// effects are the effects of calls on the resources that they name. The calls may be in
// any order, and a call may be there twice.
type effects struct {
	deleted map[string]bool                // by the id of a resource or an instance; EC2 gives no id twice
	last    map[association]*discover.Call // the last call that associated or disassociated
}

// association is a CIDR of a resource.
type association struct {
	id   string
	cidr netip.Prefix
}

// effectsOf returns the effects of calls. The times of calls have no fractions of a
// second. Of an association and a disassociation in the same second, the disassociation
// counts as the last.
func effectsOf(calls []*discover.Call) effects {
	e := effects{map[string]bool{}, map[association]*discover.Call{}}
	for _, c := range calls {
		if c.Effect == discover.Deletes {
			for _, id := range c.Selected.Instances {
				e.deleted[id] = true
			}
		}
		for _, t := range selectable {
			for _, id := range c.Selected.IDs(t) {
				if c.Effect == discover.Deletes {
					e.deleted[id] = true
				}
				for _, cidr := range c.CIDRs {
					a := association{id, cidr}
					if last := e.last[a]; last == nil || c.At.After(last.At) || c.At.Equal(last.At) && c.Effect == discover.Disassociates {
						e.last[a] = c
					}
				}
			}
		}
	}
	return e
}

// shown reports whether EC2 shows a call's effect: the created resource exists, the
// deleted one does not, the associated CIDR is with its resource, and the disassociated
// one is not. An effect that another of the calls ended counts as shown.
func (e effects) shown(call *discover.Call, seen []ipam.Resource) bool {
	if call.Effect == discover.Creates && slices.ContainsFunc(call.Selected.Instances, func(id string) bool { return e.deleted[id] }) {
		return true
	}
	for _, t := range selectable {
		for _, id := range call.Selected.IDs(t) {
			if e.deleted[id] && call.Effect != discover.Deletes {
				continue
			}
			exists := slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == id })
			if call.Effect == discover.Creates && !exists || call.Effect == discover.Deletes && exists {
				return false
			}
			for _, c := range call.CIDRs {
				if e.last[association{id, c}].Effect != call.Effect {
					continue
				}
				with := slices.ContainsFunc(seen, func(r ipam.Resource) bool { return r.ID == id && r.CIDR == c })
				if with == (call.Effect == discover.Disassociates) {
					return false
				}
			}
		}
	}
	return true
}

// goneSince returns the time, Unix milliseconds, of a call that removed a resource which
// EC2 did not show at a time. It returns 0 if no call did.
func (e effects) goneSince(r *ipam.Resource, at int64) int64 {
	if e.deleted[r.ID] {
		return at
	}
	if last := e.last[association{r.ID, r.CIDR}]; last != nil && last.Effect == discover.Disassociates {
		return min(last.At.UnixMilli(), at) // the CIDR may be associated again since
	}
	return 0
}

// maxInterfacePages is how many pages of the table, each of 1 MB with about two thousand
// interfaces, are searched for the interfaces of a terminated instance. In a larger
// account the schedule finds the rest.
const maxInterfacePages = 4

// known adds to a selection the stored resources that belong to it: the VPC and subnet
// of a resource that may be deleted, the interfaces of terminated instances, and all
// Elastic IPs if all are selected. EC2 does not return these for a deleted resource.
func (h *Handler) known(ctx context.Context, w watch, t task, terminated []string, sel discover.Selection) (discover.Selection, error) {
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
	if len(terminated) > 0 {
		first, err := h.store.FirstFound(ctx, w.discovery.ID, t.Region, t.Account, ipam.ResourceInterface, maxInterfacePages)
		if err != nil {
			return sel, err
		}
		known = append(known, slices.DeleteFunc(first, func(f *ipam.Found) bool { return !slices.Contains(terminated, f.Instance) })...)
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

// applyCalls stores the resources of a selection as they were seen at a time, after
// calls that touched them. A deletion or disassociation counts for the resource that the
// call names, not for the VPC or subnet that the resource was in.
func (h *Handler) applyCalls(ctx context.Context, w watch, t task, e effects, covered discover.Selection, seen []ipam.Resource, at int64) (result, error) {
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
	goneSince := func(r *ipam.Resource) int64 { return e.goneSince(r, at) }
	// The account has no new attempt: only a run that reads everything is one.
	account := ipam.DiscoveredAccount{Discovery: w.discovery.ID, Region: t.Region, Account: t.Account, OU: w.ou}
	return h.apply(ctx, reading{w.discovery, w.ipams, account, changed, gone, at, goneSince})
}
