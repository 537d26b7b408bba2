package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// dispatch sends a message for each account and Region of each discovery that is
// associated with an IPAM, and marks as detached the accounts that are no longer among
// them. If the accounts of one discovery cannot be listed, it still sends the others.
func (h *Handler) dispatch(ctx context.Context) (result, error) {
	discoveries, err := h.store.AllDiscoveries(ctx)
	if err != nil {
		return result{}, err
	}
	h.accounts.Renew() // so that a new account is read now, not a schedule later
	var r result
	var messages []string
	var failed []error
	for _, d := range discoveries {
		ipams, err := h.ipams(ctx, d)
		if err != nil || len(ipams) == 0 {
			failed = append(failed, err)
			continue
		}
		accounts, err := discover.Watched(ctx, d, h.store.Owner(), h.accounts)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", d.ID, err))
			continue
		}
		regions := discover.Regions(d, ipams)
		for _, a := range accounts {
			for _, region := range regions {
				body, err := json.Marshal(task{Discovery: d.ID, Region: region, Account: a.ID, OU: a.OU})
				if err != nil {
					return result{}, err
				}
				messages = append(messages, string(body))
			}
		}
		detached, err := h.detach(ctx, d, accounts, regions)
		r.detached += detached
		failed = append(failed, err)
	}
	r.sent = len(messages)
	return r, errors.Join(errors.Join(failed...), h.queue.Send(ctx, messages...))
}

// detach marks the accounts in a Region that a discovery knows and no longer reads, and
// returns how many it marked. It keeps the resources of a detached account and their
// space: an account that left its organisation may still have its network. If no
// account is detached, it only reads.
func (h *Handler) detach(ctx context.Context, d *ipam.Discovery, accounts []discover.Account, regions []string) (detached int, err error) {
	watched := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		watched[a.ID] = true
	}
	for after := ""; ; {
		known, next, err := h.store.DiscoveredAccounts(ctx, d.ID, "", after, 0)
		if err != nil {
			return detached, err
		}
		for _, a := range known {
			switch {
			case a.Departure != ipam.NotDeparted:
				continue
			case !watched[a.Account]:
				a.Departure = ipam.DepartedAccount
			case !slices.Contains(regions, a.Region):
				a.Departure = ipam.DepartedRegion
			default:
				continue
			}
			if err := h.store.SaveDiscoveredAccount(ctx, a); err != nil {
				return detached, err
			}
			detached++
		}
		if after = next; after == "" {
			return detached, nil
		}
	}
}

// ipams returns the IPAMs that a discovery is associated with.
func (h *Handler) ipams(ctx context.Context, d *ipam.Discovery) ([]*ipam.IPAM, error) {
	if len(d.IPAMs) == 0 {
		return nil, nil
	}
	return h.store.IPAMs(ctx, d.IPAMs)
}

// run reads an account in a Region and stores the differences. It reads everything
// before it writes, so a resource that it could not read does not seem to be gone, and
// it asks EC2 again for each resource that seems to be gone. Without a difference it
// writes one item, the progress of the account's discovery.
func (h *Handler) run(ctx context.Context, t task) (result, error) {
	discoveries, err := h.store.Discoveries(ctx, []string{t.Discovery})
	if err != nil {
		return result{}, err
	}
	if len(discoveries) == 0 {
		return result{ignored: "the discovery is gone"}, nil
	}
	d := discoveries[0]
	ipams, err := h.ipams(ctx, d)
	if err != nil {
		return result{}, err
	}
	if len(ipams) == 0 || !slices.Contains(discover.Regions(d, ipams), t.Region) {
		return result{ignored: "the Region is not watched any more"}, nil
	}
	if done, err := h.done(ctx, t); err != nil || done {
		return result{ignored: "a run began after the message was sent"}, err
	}

	return h.look(ctx, t, d, ipams, nil)
}

// look reads an account in a Region for a discovery of some IPAMs and stores the
// differences. goneSince is as in [reading], with the time of the read; it may be nil.
func (h *Handler) look(ctx context.Context, t task, d *ipam.Discovery, ipams []*ipam.IPAM, goneSince func(*ipam.Resource, int64) int64) (result, error) {
	start := h.o.Time().UnixMilli()
	account := ipam.DiscoveredAccount{Discovery: d.ID, Region: t.Region, Account: t.Account, OU: t.OU, Attempted: start}
	fail := func(f *discover.Failure) (result, error) {
		known, err := h.store.DiscoveredAccount(ctx, t.Discovery, t.Region, t.Account)
		if err != nil {
			return result{failure: f}, err
		}
		lasts := account.Fails(known, f.Code, f.Message)
		return result{failure: f, lasts: lasts}, h.store.SaveDiscoveredAccount(ctx, &account)
	}
	resources, at, failure, err := h.read(ctx, t)
	if failure != nil {
		return fail(failure)
	}
	if err != nil {
		return result{}, err
	}
	found, err := h.found(ctx, t)
	if err != nil {
		return result{}, err
	}
	changed, gone := discover.Diff(found, resources, ids(ipams))
	if gone, failure, err = h.missing(ctx, t, gone); failure != nil {
		return fail(failure)
	}
	if err != nil {
		return result{}, err
	}
	reading := reading{discovery: d, ipams: ipams, account: account, changed: changed, gone: gone, at: start}
	if goneSince != nil {
		reading.goneSince = func(r *ipam.Resource) int64 { return goneSince(r, start) }
	}
	r, err := h.apply(ctx, reading)
	r.seen = len(resources)
	if err != nil {
		return r, err
	}
	if err := h.endVanished(ctx, t, at); err != nil {
		if failure := h.failure(t, err); failure != nil {
			return fail(failure)
		}
		return r, err
	}
	account.Succeeded = start
	return r, h.store.SaveDiscoveredAccount(ctx, &account)
}

// found returns all that the discovery of a task knows of the account in the Region.
func (h *Handler) found(ctx context.Context, t task) (all []*ipam.Found, err error) {
	for after := ""; ; {
		page, next, err := h.store.Found(ctx, t.Discovery, t.Region, t.Account, after, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if after = next; after == "" {
			return all, nil
		}
	}
}

// done reports whether a run that began after a task was sent has ended, even if it
// could not read the account.
func (h *Handler) done(ctx context.Context, t task) (bool, error) {
	if t.sent == 0 {
		return false, nil
	}
	a, err := h.store.DiscoveredAccount(ctx, t.Discovery, t.Region, t.Account)
	if err != nil || a == nil {
		return false, err
	}
	return a.Succeeded >= t.sent || a.FailureCode != "" && a.Attempted >= t.sent, nil
}

func ids(ipams []*ipam.IPAM) []string {
	var all []string
	for _, o := range ipams {
		all = append(all, o.ID)
	}
	return all
}

// read reads all resources of an account in a Region. failure says why the account
// cannot be read. EC2's answers are freed when read returns: in a large account they
// take most of the function's memory.
func (h *Handler) read(ctx context.Context, t task) (all []ipam.Resource, at time.Time, failure *discover.Failure, err error) {
	c, err := h.clients.EC2(ctx, t.Account, t.Region)
	var seen *discover.Seen
	if err == nil {
		seen, err = discover.Read(ctx, c)
	}
	if err != nil {
		return nil, at, h.failure(t, err), err
	}
	return seen.Resources(t.Account, t.Region), seen.At, nil, nil
}

// missing returns the resources of gone that EC2 does not return by their ids either. A
// creation or deletion between two pages of a list may move other resources out of
// both pages, and the space of such a resource would be handed out. If gone is empty,
// missing reads nothing.
func (h *Handler) missing(ctx context.Context, t task, gone []*ipam.Found) ([]*ipam.Found, *discover.Failure, error) {
	if len(gone) == 0 {
		return nil, nil, nil
	}
	of := map[ipam.ResourceType][]string{}
	for _, f := range gone {
		of[f.Type] = append(of[f.Type], f.ID)
	}
	for kind, ids := range of {
		slices.Sort(ids)
		of[kind] = slices.Compact(ids)
	}
	present, _, _, err := h.readSelected(ctx, t, discover.Selection{
		VPCs: of[ipam.ResourceVPC], Subnets: of[ipam.ResourceSubnet], Addresses: of[ipam.ResourceEIP],
		Pools: of[ipam.ResourcePublicIPv4Pool], Interfaces: of[ipam.ResourceInterface],
	})
	if err != nil {
		return nil, h.failure(t, err), err
	}
	return slices.DeleteFunc(gone, func(f *ipam.Found) bool {
		_, ok := slices.BinarySearchFunc(present, &f.Resource, func(r ipam.Resource, f *ipam.Resource) int { return discover.Compare(&r, f) })
		return ok
	}), nil, nil
}

// failure returns the failure of an account that an error reports, nil if it reports
// none. The next call gets new credentials, as the role may have changed.
func (h *Handler) failure(t task, err error) *discover.Failure {
	f := discover.FailureOf(err)
	if f != nil {
		h.clients.Forget(t.Account)
	}
	return f
}

// maxFailures is how many failures stop the rest of a run. One resource that cannot be
// stored does not delay the others; a table that is down stops them all.
const maxFailures = 5

// visibilityLag is how long EC2 may leave a resource out of its answers after it has
// returned the resource before: its answers are eventually consistent (Amazon EC2
// Developer Guide, "Eventual consistency in the Amazon EC2 API"). A resource that was
// stored less than this before a run did not see it may well live, and its space would
// be handed out. So it stays until a later run does not see it either.
const visibilityLag = 2 * time.Minute

// maxConcurrentGroups is how many groups of CIDRs are stored at once. A CIDR takes
// about fifty calls of the table in sequence, and the first run over an account has
// thousands of CIDRs. But a hundred accounts may run at once, and all write to the same
// scope.
const maxConcurrentGroups = 4

// stages divides CIDRs, given in the order of discover.Compare, into stages of groups.
// The groups of one stage may be stored at once. CIDRs that overlap are in one group
// and keep their order. The second stage has the interfaces, so that the subnets and
// VPCs that they are in exist by then. An interface takes no space; each is a group.
func stages(changed []ipam.Resource) [2][][]ipam.Resource {
	var space []ipam.Resource
	var all [2][][]ipam.Resource
	for _, c := range changed {
		if c.Type.TakesSpace() {
			space = append(space, c)
		} else {
			all[1] = append(all[1], []ipam.Resource{c})
		}
	}
	slices.SortStableFunc(space, func(a, b ipam.Resource) int { return a.CIDR.Compare(b.CIDR) })
	all[0] = ipam.OverlapGroups(space, func(r ipam.Resource) netip.Prefix { return r.CIDR })
	for _, group := range all[0] {
		slices.SortFunc(group, func(a, b ipam.Resource) int { return discover.Compare(&a, &b) })
	}
	return all
}

// reading holds the differences between an account's resources and those that a
// discovery knows of it in a Region.
type reading struct {
	discovery *ipam.Discovery
	ipams     []*ipam.IPAM // that the discovery is associated with
	account   ipam.DiscoveredAccount
	changed   []ipam.Resource
	gone      []*ipam.Found
	at        int64 // when EC2 was read, Unix milliseconds
	// goneSince returns the time of a call that removed a resource, Unix milliseconds.
	// It returns 0 if no such call is known. It may be nil.
	goneSince func(*ipam.Resource) int64
}

// before returns the time, Unix milliseconds, before which gone must have been stored
// so that it may be removed.
func (r *reading) before(gone *ipam.Resource) int64 {
	before := r.at - visibilityLag.Milliseconds()
	if r.goneSince != nil {
		before = max(before, r.goneSince(gone))
	}
	return before
}

// apply stores the changed resources of a reading and then removes those that are gone.
// If there is anything to do, it first saves the account; see
// store.SaveDiscoveredAccount. After maxFailures failures it stops. If it could not store
// or remove some of the resources, the error is an [*unstored] with these, and it did not
// remove any resource whose CIDR overlaps one that it could not store: the space would be
// free, though a resource that EC2 has uses it.
func (h *Handler) apply(ctx context.Context, r reading) (result, error) {
	if len(r.changed)+len(r.gone) == 0 {
		return result{}, nil
	}
	if err := h.store.SaveDiscoveredAccount(ctx, &r.account); err != nil {
		return result{}, err
	}
	changed, failed := h.observe(ctx, r)
	done := result{changed: changed}
	unstorable := slices.DeleteFunc(slices.Clone(failed), func(u unstoredResource) bool { return !u.Type.TakesSpace() })
	for _, f := range r.gone {
		if ctx.Err() != nil {
			break
		}
		err := errNotTried
		if len(failed) < maxFailures && !slices.ContainsFunc(unstorable, func(u unstoredResource) bool { return u.CIDR.Overlaps(f.CIDR) }) {
			var removed bool
			if removed, err = h.store.Forget(ctx, f, r.before(&f.Resource)); removed {
				done.gone++
			}
		}
		if err != nil {
			failed = append(failed, unstoredResource{f.Resource, fmt.Errorf("remove %s %s: %w", f.ID, f.CIDR, err)})
		}
	}
	switch {
	case ctx.Err() != nil:
		return done, ctx.Err()
	case len(failed) > 0:
		return done, &unstored{failed}
	}
	return done, nil
}

// errNotTried is the error of a resource that was left for later, because of the failures
// of others.
var errNotTried = errors.New("left for later, after the failures of other resources")

// observe stores the changed resources of a reading. It returns how many differed from
// the stored ones, and those that were not stored. It stops at the context's end and after
// maxFailures failures.
func (h *Handler) observe(ctx context.Context, r reading) (changed int, failed []unstoredResource) {
	var mu sync.Mutex // guards changed and failed
	one := func(c ipam.Resource) {
		mu.Lock()
		stop := ctx.Err() != nil || len(failed) >= maxFailures
		mu.Unlock()
		differed, err := false, errNotTried
		if !stop {
			differed, err = h.store.Observe(ctx, r.discovery, r.ipams, c, r.at)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = append(failed, unstoredResource{c, fmt.Errorf("store %s %s: %w", c.ID, c.CIDR, err)})
		} else if differed {
			changed++
		}
	}
	for _, stage := range stages(r.changed) {
		var g errgroup.Group
		g.SetLimit(maxConcurrentGroups)
		for _, group := range stage {
			g.Go(func() error {
				for _, c := range group {
					one(c)
				}
				return nil // the others continue
			})
		}
		_ = g.Wait()
	}
	return changed, failed
}
