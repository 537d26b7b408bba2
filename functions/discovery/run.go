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

// dispatch sends a message for each account and Region of each discovery that an
// IPAM sees, and marks those that it has looked at and does not any more. If the
// accounts of one cannot be listed, the others are sent all the same.
func (h *Handler) dispatch(ctx context.Context) (result, error) {
	discoveries, err := h.store.AllDiscoveries(ctx)
	if err != nil {
		return result{}, err
	}
	h.accounts.Renew() // who has joined is looked at now, and not a schedule later
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
		left, err := h.leave(ctx, d, accounts, regions)
		r.left += left
		failed = append(failed, err)
	}
	r.sent = len(messages)
	return r, errors.Join(errors.Join(failed...), h.queue.Send(ctx, messages...))
}

// leave marks the accounts that a discovery knows in a Region and does not look
// at any more, and returns how many it came on that were not marked. What was
// found there stays, with its space: that an account left its organisation does
// not say that its network is gone. If none left, this reads alone.
func (h *Handler) leave(ctx context.Context, d *ipam.Discovery, accounts []discover.Account, regions []string) (left int, err error) {
	watched := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		watched[a.ID] = true
	}
	for after := ""; ; {
		known, next, err := h.store.DiscoveredAccounts(ctx, d.ID, "", after, 0)
		if err != nil {
			return left, err
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
				return left, err
			}
			left++
		}
		if after = next; after == "" {
			return left, nil
		}
	}
}

// ipams returns the IPAMs that see a discovery.
func (h *Handler) ipams(ctx context.Context, d *ipam.Discovery) ([]*ipam.IPAM, error) {
	if len(d.IPAMs) == 0 {
		return nil, nil
	}
	return h.store.IPAMs(ctx, d.IPAMs)
}

// run looks at an account in a Region. All is read before anything is written,
// so that what could not be read is not taken to be gone, and what seems gone is
// asked for once more. If nothing differs, one item is written, which says how far
// the discovery of the account is.
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
		return result{ignored: "it was looked at since the message was sent"}, err
	}

	start := h.now().UnixMilli()
	account := ipam.DiscoveredAccount{Discovery: d.ID, Region: t.Region, Account: t.Account, OU: t.OU, Attempted: start}
	refused := func(f *discover.Failure) (result, error) {
		account.FailureCode, account.Failure = f.Code, f.Message
		return result{failure: f}, h.store.SaveDiscoveredAccount(ctx, &account)
	}
	resources, failure, err := h.read(ctx, t)
	if failure != nil {
		return refused(failure)
	}
	if err != nil {
		return result{}, err
	}
	var found []*ipam.Found
	for after := ""; ; {
		some, next, err := h.store.Found(ctx, d.ID, t.Region, t.Account, after, 0)
		if err != nil {
			return result{}, err
		}
		found = append(found, some...)
		if after = next; after == "" {
			break
		}
	}
	changed, gone := discover.Diff(found, resources, ids(ipams))
	if gone, failure, err = h.missing(ctx, t, gone); failure != nil {
		return refused(failure)
	}
	if err != nil {
		return result{}, err
	}
	r, err := h.apply(ctx, d, ipams, account, changed, gone, start, func(*ipam.Resource) int64 { return 0 })
	r.seen = len(resources)
	if err != nil {
		return r, err
	}
	account.Succeeded = start
	return r, h.store.SaveDiscoveredAccount(ctx, &account)
}

// done reports whether a run that began after a task was sent has come to its end,
// be it that the account could not be looked at.
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

// read reads all of an account's Region. failure is the account's own. What EC2
// answered is let go of before more is read: in a large account it is most of the
// memory that the function has.
func (h *Handler) read(ctx context.Context, t task) (all []ipam.Resource, failure *discover.Failure, err error) {
	c, err := h.clients.EC2(ctx, t.Account, t.Region)
	var seen *discover.Seen
	if err == nil {
		seen, err = discover.Read(ctx, c)
	}
	if err != nil {
		return nil, h.failure(t, err), err
	}
	return seen.Resources(t.Account, t.Region), nil, nil
}

// missing returns those of gone that EC2 does not have when it is asked for them
// by their ids either. A page's token is EC2's own affair: what is made or deleted
// between two pages may move what stands behind it out of all of them, and the
// space of what was missed would be given out. If nothing is gone, this reads
// nothing.
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
	there, _, err := h.readSelected(ctx, t, discover.Selection{
		VPCs: of[ipam.ResourceVPC], Subnets: of[ipam.ResourceSubnet], Addresses: of[ipam.ResourceEIP],
		Pools: of[ipam.ResourcePublicIPv4Pool], Interfaces: of[ipam.ResourceInterface],
	})
	if err != nil {
		return nil, h.failure(t, err), err
	}
	return slices.DeleteFunc(gone, func(f *ipam.Found) bool {
		_, is := slices.BinarySearchFunc(there, &f.Resource, func(r ipam.Resource, f *ipam.Resource) int { return discover.Compare(&r, f) })
		return is
	}), nil, nil
}

// failure returns what an error says of an account. The account's credentials
// are not used again: its role may be another by then.
func (h *Handler) failure(t task, err error) *discover.Failure {
	f := discover.FailureOf(err)
	if f != nil {
		h.clients.Forget(t.Account)
	}
	return f
}

// tooMany is how many failures it takes to leave off: one that cannot be taken
// in does not keep up the others, a table that is away does.
const tooMany = 5

// lag is how long EC2 is taken to leave out of its answers what it has told of
// before, as they are eventually consistent (Amazon EC2 Developer Guide, "Eventual
// consistency in the Amazon EC2 API"). What was taken in less than that before it
// was not seen may well live, and its space would be given out; so it stays until
// a later run does not see it either.
const lag = 2 * time.Minute

// atOnce is how many CIDRs that are apart are taken in at once. It takes some fifty
// calls of the table each, one after the other, and an account that is looked at for
// the first time has thousands; but a hundred accounts may be, and all write to the
// same scope.
const atOnce = 4

// stages divides CIDRs, in the order of discover.Compare, such that only what is in
// different nests of one stage may be taken in at once: what overlaps is in one nest
// and stays in its order. Interfaces follow when all that they may be in is there;
// they take no space, and each is on its own.
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
	slices.SortStableFunc(space, func(a, b ipam.Resource) int { return ipam.CompareBlocks(a.CIDR, b.CIDR) })
	all[0] = ipam.OverlapGroups(space, func(r ipam.Resource) netip.Prefix { return r.CIDR })
	for _, nest := range all[0] {
		slices.SortFunc(nest, func(a, b ipam.Resource) int { return discover.Compare(&a, &b) })
	}
	return all
}

// apply takes in what changed and then forgets what is gone, as seen at a time,
// Unix milliseconds, if it was taken in longer ago than lag, or before since: the
// time of a call that is known to have taken it away (0: of none). account is kept
// first, if there is anything to do: see store.SaveDiscoveredAccount. If anything
// fails, nothing is forgotten after it.
func (h *Handler) apply(ctx context.Context, d *ipam.Discovery, ipams []*ipam.IPAM, account ipam.DiscoveredAccount, changed []ipam.Resource, gone []*ipam.Found, at int64, since func(*ipam.Resource) int64) (result, error) {
	var r result
	if len(changed)+len(gone) == 0 {
		return r, nil
	}
	if err := h.store.SaveDiscoveredAccount(ctx, &account); err != nil {
		return r, err
	}
	var failed []error
	var mu sync.Mutex // guards failed and r
	takeIn := func(c ipam.Resource) {
		mu.Lock()
		enough := ctx.Err() != nil || len(failed) >= tooMany
		mu.Unlock()
		if enough {
			return
		}
		did, err := h.store.Observe(ctx, d, ipams, c, at)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = append(failed, fmt.Errorf("take in %s %s: %w", c.ID, c.CIDR, err))
		} else if did {
			r.changed++
		}
	}
	for _, stage := range stages(changed) {
		var g errgroup.Group
		g.SetLimit(atOnce)
		for _, nest := range stage {
			g.Go(func() error {
				for _, c := range nest {
					takeIn(c)
				}
				return nil // the others go on
			})
		}
		_ = g.Wait()
	}
	for _, f := range gone {
		if ctx.Err() != nil || len(failed) > 0 {
			break
		}
		did, err := h.store.Forget(ctx, f, max(at-lag.Milliseconds(), since(&f.Resource)))
		if err != nil {
			failed = append(failed, fmt.Errorf("forget %s %s: %w", f.ID, f.CIDR, err))
		} else if did {
			r.gone++
		}
	}
	return r, errors.Join(ctx.Err(), errors.Join(failed...))
}
