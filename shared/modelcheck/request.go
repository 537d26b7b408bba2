package modelcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// Account and region are the account and the Region of all requests.
const (
	Account = "111122223333"
	region  = "us-east-1"
)

// Request is a request that a process makes.
type Request struct {
	Text    string
	made    string // id of the object that it creates, "" if it creates none
	pool    string // the pool of a deprovisioning
	cidr    netip.Prefix
	ended   string // id of the object that it deletes, if known before the answer
	partly  bool   // the request may have written something although it failed
	excuses []excuse
}

// excuse is a reason to refuse a request: it must have held at some moment
// while the request was in progress.
type excuse struct {
	name  string
	holds func(*world) bool
}

// Outcome is the outcome of a request.
type Outcome struct {
	Request *Request
	id      string       // of the created or deleted object
	cidr    netip.Prefix // of that object
	refusal string       // the name of the excuse for a refusal, "" if it was not refused
	err     error
	lost    bool // the process stopped before the answer
	faulted bool // the answer of one of its transactions was lost
}

func (o Outcome) String() string {
	switch {
	case o.lost:
		return "never"
	case o.err != nil:
		return o.err.Error()
	case o.refusal != "":
		return o.refusal
	case o.id != "":
		return fmt.Sprintf("%s, %s", o.id, o.cidr)
	}
	return "done"
}

// unknown reports whether the caller cannot know if the request was done.
func (o Outcome) unknown() bool {
	return o.lost || (o.faulted || o.Request.partly) && (o.refusal == unexplained || o.refusal == gaveUp)
}

// Refusals that usually are no excuses: their reason is a count, not a content of the
// table.
const (
	gaveUp      = "gave up"     // after Options.Tries lost races, or if a work note excuses it
	unexplained = "unexplained" // an error that is not for the caller: outcome unknown
)

// refusal returns the name of the excuse that an error needs.
func refusal(err error) string {
	e, ok := errors.AsType[*ipam.Error](err)
	if !ok {
		return unexplained
	}
	for _, known := range []struct {
		code       ipam.Code
		part, name string
	}{
		{ipam.CodeConcurrentMutationLimitExceeded, "is being taken or released by another", "busy"},
		{ipam.CodeConcurrentMutationLimitExceeded, "", gaveUp},
		{ipam.CodeOutcomeUnknown, "", unexplained},
		{ipam.CodeInvalidParameterValue, "is too big for the pool", "full"},
		{ipam.CodeInvalidParameterValue, "is not available in", "taken"},
		{ipam.CodeInvalidParameterValue, "is not contained in", "outside"},
		{ipam.CodeInvalidParameterValue, "is not provisioned to", "absent CIDR"},
		{ipam.CodeIncorrectState, " already.", "present CIDR"},
		{ipam.CodeIncorrectState, "it is deprovisioned", "ended CIDR"},
		{ipam.CodeIncorrectState, "can be used or changed", "unusable pool"},
		{ipam.CodeInvalidPoolIDNotFound, "", "absent pool"},
		{ipam.CodeInvalidAllocationIDNotFound, "", "absent allocation"},
		{ipam.CodeDependencyViolation, "", "pool in use"},
		{ipam.CodeResourceLimitExceeded, "", "quota"},
	} {
		if e.Code == known.code && strings.Contains(e.Message, known.part) {
			return known.name
		}
	}
	return e.Error()
}

func absentPool(pool string) excuse {
	return excuse{"absent pool", func(w *world) bool { return w.pool(pool) == nil }}
}

func unusablePool(pool string) excuse {
	return excuse{"unusable pool", func(w *world) bool { return !w.usable(pool) }}
}

// taking returns the excuses of a request for space of a pool: for cidr, if it is valid,
// else for a block of the length that filter admits.
func taking(pool string, cidr netip.Prefix, length int, filter ipam.Filter) []excuse {
	if !cidr.IsValid() {
		return []excuse{absentPool(pool), unusablePool(pool), {"full", func(w *world) bool {
			for _, b := range w.space(pool) {
				if b.free() {
					for range filter.Positions(b.cidr, length) {
						return false
					}
				}
			}
			return true
		}}}
	}
	outside := func(w *world) bool {
		return !slices.ContainsFunc(w.roots(pool), func(r root) bool { return ipam.Within(cidr, r.cidr) })
	}
	return []excuse{
		absentPool(pool), unusablePool(pool),
		{"outside", outside},
		{"full", func(w *world) bool { return len(w.roots(pool)) == 0 }}, // the message says that the pool has no CIDR
		{"taken", func(w *world) bool {
			return slices.ContainsFunc(w.taken(pool, cidr), func(b block) bool { return b.kind != "split" })
		}},
		{"busy", func(w *world) bool {
			return slices.ContainsFunc(w.taken(pool, cidr), func(b block) bool { return b.kind == "split" })
		}},
		{gaveUp, func(w *world) bool { return w.noted(cidr) }}, // the hold of a resource that is gone blocks it
	}
}

// Client makes the requests of one process.
type Client struct {
	search  *Search
	tape    *tape
	store   *store.Store
	clock   time.Duration
	request *Request
	ended   []Outcome
}

// do makes a request. answer returns the id and CIDR of the created or deleted object, and
// the name of the excuse that an answer without an error needs, "" if it needs none.
func (c *Client) do(ctx context.Context, r *Request, answer func(context.Context) (id string, cidr netip.Prefix, refused string, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.request = r
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	c.tape.cut, c.tape.faulted = cancel, false
	o := Outcome{Request: r}
	o.id, o.cidr, o.refusal, o.err = answer(cut)
	o.faulted = c.tape.faulted
	if err := ctx.Err(); err != nil {
		return err // the search ended this run
	}
	if o.lost = cut.Err() != nil; o.lost {
		o.err = cut.Err()
	} else if o.err != nil {
		o.refusal = refusal(o.err)
	}
	c.ended = append(c.ended, o)
	c.request = nil
	return o.err
}

func token(operation, value string) store.Token {
	return store.Token{Account: Account, Operation: operation, Value: value, Digest: "digest"}
}

func derive(k ipam.IDKind, t store.Token) string {
	return ipam.DeriveID(k, t.Account, region, t.Operation, t.Value)
}

// usual is the default length of pools.
const usual = 31

// Allocate asks for space of a pool.
func (c *Client) Allocate(ctx context.Context, value, pool string, q ipam.AllocateRequest) (a *ipam.Allocation, err error) {
	t := token("AllocateIpamPoolCidr", value)
	r := &Request{Text: "allocate " + value, made: derive(ipam.IDAllocation, t)}
	length := usual
	if q.Length != nil {
		length = *q.Length
	}
	r.excuses = taking(pool, q.CIDR, length, q.Filter)
	return a, c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		a, err = c.store.Allocate(ctx, store.Allocate{Token: t, Pool: pool, Request: q, May: func(*ipam.Pool) error { return nil }})
		if err != nil {
			return "", netip.Prefix{}, "", err
		}
		return a.AllocationID, a.CIDR, "", nil
	})
}

// Release gives an allocation back.
func (c *Client) Release(ctx context.Context, a *ipam.Allocation) error {
	r := &Request{Text: fmt.Sprintf("release %s of %s", a.CIDR, a.Pool), ended: a.AllocationID, excuses: []excuse{
		absentPool(a.Pool),
		{"absent allocation", func(w *world) bool { return w.allocation(a.AllocationID) == nil }},
	}}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		return a.AllocationID, a.CIDR, "", c.store.Release(ctx, store.Release{
			Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil },
		})
	})
}

// Provision puts space of source, a pool of the search, into a pool: cidr if it
// is valid, else of a length.
func (c *Client) Provision(ctx context.Context, value, pool, source string, cidr netip.Prefix, length int) error {
	t := token("ProvisionIpamPoolCidr", value)
	r := &Request{Text: "provision " + value, made: derive(ipam.IDPoolCIDR, t)}
	r.excuses = append(taking(source, cidr, length, ipam.Filter{}), excuse{"present CIDR", func(w *world) bool {
		return slices.ContainsFunc(w.roots(pool), func(r root) bool { return r.cidr == cidr })
	}}, excuse{"quota", func(w *world) bool { return int64(len(w.roots(pool))) >= c.search.quotas().CIDRsPerPool }})
	r.excuses[0], r.excuses[1] = absentPool(pool), unusablePool(pool)
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		p, err := c.store.Provision(ctx, store.Provision{
			Token: t, Pool: pool, CIDR: cidr, Length: length,
			May:   func(*ipam.Pool) error { return nil },
			Check: func(*ipam.Pool, *store.Provision) error { return nil },
		})
		if err != nil {
			return "", netip.Prefix{}, "", err
		}
		return p.ID, p.CIDR, "", nil
	})
}

// Deprovision takes a CIDR out of a pool.
func (c *Client) Deprovision(ctx context.Context, pool string, cidr netip.Prefix) error {
	r := &Request{Text: fmt.Sprintf("deprovision %s of %s", cidr, pool), pool: pool, cidr: cidr, excuses: []excuse{
		absentPool(pool),
		{"CIDR in use", func(w *world) bool {
			return slices.ContainsFunc(w.taken(pool, cidr), func(b block) bool { return b.kind != "hold" })
		}},
		{"absent CIDR", func(w *world) bool { return w.item(items.CIDRKey(pool, cidr)) == nil }},
		{"ended CIDR", func(w *world) bool { return text(w.item(items.CIDRKey(pool, cidr)), "State") == "deprovisioned" }},
	}}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		p, err := c.store.Deprovision(ctx, store.Deprovision{Pool: pool, CIDR: cidr, May: func(*ipam.Pool) error { return nil }})
		if err != nil {
			return "", netip.Prefix{}, "", err
		}
		if p.State != ipam.CIDRDeprovisioned {
			return "", netip.Prefix{}, "CIDR in use", nil
		}
		return p.ID, p.CIDR, "", nil
	})
}

// ProvisionTop puts a CIDR, which no other pool has, into a pool at the top
// level.
func (c *Client) ProvisionTop(ctx context.Context, value, pool string, cidr netip.Prefix) error {
	t := token("ProvisionIpamPoolCidr", value)
	r := &Request{Text: "provision " + value, made: derive(ipam.IDPoolCIDR, t)}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		p, err := c.store.Provision(ctx, store.Provision{
			Token: t, Pool: pool, CIDR: cidr,
			May:   func(*ipam.Pool) error { return nil },
			Check: func(*ipam.Pool, *store.Provision) error { return nil },
		})
		if err != nil {
			return "", netip.Prefix{}, "", err
		}
		return p.ID, p.CIDR, "", nil
	})
}

// Observe reports a resource as live at a time, in Unix milliseconds.
func (c *Client) Observe(ctx context.Context, o ipam.Resource, at int64) error {
	r := &Request{Text: "observe " + o.ID, made: o.ID, partly: true}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		_, err := c.store.Observe(ctx, c.search.Discovery, c.search.IPAMs, o, at)
		return o.ID, o.CIDR, "", err
	})
}

// Forget reports a resource as gone that was seen once, before a time.
func (c *Client) Forget(ctx context.Context, o ipam.Resource, before int64) error {
	r := &Request{Text: "forget " + o.ID, ended: o.ID, partly: true}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		gone, err := c.store.Forget(ctx, &ipam.Found{Resource: o, Discovery: c.search.Discovery.ID, Rev: 1}, before)
		if err != nil || !gone {
			return "", netip.Prefix{}, "", err
		}
		return o.ID, o.CIDR, "", nil
	})
}

// EndPending gives a pending block back, unless a resource was seen in it.
func (c *Client) EndPending(ctx context.Context, a *ipam.Allocation) error {
	return c.do(ctx, &Request{Text: "end the pending block of " + a.CIDR.String(), partly: true}, func(ctx context.Context) (string, netip.Prefix, string, error) {
		return "", netip.Prefix{}, "", c.store.EndPending(ctx, a)
	})
}

// EndDeleted frees the pending block of a resource that EC2 has ended. If why says that EC2
// has deleted the resource, the resource must not exist at the end.
func (c *Client) EndDeleted(ctx context.Context, p *store.Pending, why store.Deleted) error {
	r := &Request{Text: "end the pending block of " + p.ID, partly: true}
	if why == store.DeletedResource {
		r.ended = p.ID
	}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		ended, err := c.store.EndDeleted(ctx, p, why)
		if err != nil || !ended {
			return "", netip.Prefix{}, "", err
		}
		return r.ended, p.Resource.CIDR, "", nil
	})
}

// DeletePool deletes a pool that has no CIDRs.
func (c *Client) DeletePool(ctx context.Context, pool string) error {
	r := &Request{Text: "delete " + pool, ended: pool, excuses: []excuse{
		absentPool(pool), unusablePool(pool),
		{"pool in use", func(w *world) bool {
			return number(w.pool(pool), "CidrCount")+number(w.pool(pool), "ChildCount") > 0
		}},
	}}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		_, err := c.store.DeletePool(ctx, pool, false, func(*ipam.Pool) error { return nil })
		return pool, netip.Prefix{}, "", err
	})
}

// BeginDelete deletes a pool that has no CIDRs. It leaves a pool with CIDRs to the
// reconciler.
func (c *Client) BeginDelete(ctx context.Context, pool string) error {
	r := &Request{Text: "begin to delete " + pool, ended: pool, excuses: []excuse{absentPool(pool)}}
	return c.do(ctx, r, func(ctx context.Context) (string, netip.Prefix, string, error) {
		o, err := c.store.DeletePool(ctx, pool, true, func(*ipam.Pool) error { return nil })
		if err != nil || o.State != ipam.StateDeleteComplete {
			return "", netip.Prefix{}, "", err
		}
		return pool, netip.Prefix{}, "", nil
	})
}

// Reconcile continues all unfinished work whose deadline has passed by the process's clock.
func (c *Client) Reconcile(ctx context.Context) error {
	return c.do(ctx, &Request{Text: "reconcile"}, func(ctx context.Context) (string, netip.Prefix, string, error) {
		return "", netip.Prefix{}, "", reconcile(ctx, c.store, c.search.Now.Add(c.clock))
	})
}

// checkAnswer returns the fault of a request's answer, "" if it has none. It considers the
// excuses and the disturbances while the request was in progress.
func (s *Search) checkAnswer(p progress, o Outcome) string {
	why := o.refusal
	if why == unexplained && o.faulted {
		why = gaveUp // while finding the outcome of a transaction
	}
	for i, e := range o.Request.excuses {
		if e.name == why && p.seen>>i&1 == 1 {
			return ""
		}
	}
	switch {
	case o.lost:
		return ""
	case int(p.disturbed) >= s.Tries && why == gaveUp:
		return ""
	case o.refusal == gaveUp, o.refusal == unexplained:
		return fmt.Sprintf("%s gave up after %d disturbances, though it has %d tries: %v", o.Request.Text, p.disturbed, s.Tries, o.err)
	case o.refusal == "":
		if o.Request.made != "" && o.id != o.Request.made {
			return fmt.Sprintf("%s made %s, not %s", o.Request.Text, o.id, o.Request.made)
		}
		return ""
	}
	if slices.ContainsFunc(o.Request.excuses, func(e excuse) bool { return e.name == o.refusal }) {
		return fmt.Sprintf("%s was refused with %q, which was true at no moment: %v", o.Request.Text, o.refusal, o.err)
	}
	return fmt.Sprintf("%s was refused with no reason that it could have: %s", o.Request.Text, o.refusal)
}

// settled returns a fault of the table, or of the processes' answers compared with the
// table, after all processes have ended. It returns "" if there is none.
func (s *Search) settled(st state) string {
	if p := st.table.restless(); p != "" {
		return p
	}
	before, now := s.first.things(), st.table.things()
	made, ended := map[string]netip.Prefix{}, map[string]bool{}   // by the answers
	mayBeMade, mayBeEnded := map[string]bool{}, map[string]bool{} // by requests of unknown outcome
	mayBeOut := map[string]map[netip.Prefix]bool{}                // deprovisioned, by pool
	for id, cidr := range before {
		made[id] = cidr
	}
	for p := range s.Processes {
		retried := map[string]bool{} // by this process, after an unknown outcome
		for _, o := range st.procs[p].at.ended {
			r := o.Request
			switch {
			case o.unknown() && r.pool != "":
				if mayBeOut[r.pool] == nil {
					mayBeOut[r.pool] = map[netip.Prefix]bool{}
				}
				mayBeOut[r.pool][r.cidr] = true
			case o.unknown():
				retried[r.made], mayBeEnded[r.ended] = true, true
			case o.err != nil || o.refusal != "":
				delete(retried, r.made) // now the process knows that it got nothing
			case r.made != "":
				if cidr, again := made[o.id]; again && cidr != o.cidr {
					return fmt.Sprintf("%s was answered with %s and with %s", r.Text, cidr, o.cidr)
				}
				made[o.id] = o.cidr
			case o.id != "":
				ended[o.id] = true
			}
		}
		maps.Copy(mayBeMade, retried)
	}
	for _, pool := range s.Pools {
		for id, cidr := range made {
			if mayBeOut[pool][cidr] && ipam.IDKindOf(id) == ipam.IDPoolCIDR {
				mayBeEnded[id] = true
			}
		}
	}
	for id, cidr := range made {
		at, exists := now[id]
		switch {
		case exists && ended[id]:
			return fmt.Sprintf("%s (%s) was ended, and is there", id, cidr)
		case exists && at != cidr:
			return fmt.Sprintf("%s was answered to be %s, and is %s", id, cidr, at)
		case !exists && !ended[id] && !mayBeEnded[id]:
			return fmt.Sprintf("%s (%s) was answered, and is not there", id, cidr)
		}
	}
	for id, cidr := range now {
		if _, answered := made[id]; !answered && !mayBeMade[id] {
			return fmt.Sprintf("%s (%s) is there, and nobody was given it", id, cidr)
		}
	}
	return ""
}
