package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
)

// change is what a record of the stream says happened to an item.
type change struct {
	eventID       string // the record's
	at            time.Time
	before, after items.Image
}

// allocated reports whether an allocation that callers see was made.
func (c *change) allocated() bool { return begins(c.before.Allocation, c.after.Allocation) }

// released reports whether one ended. Both are so when one takes the place of
// another.
func (c *change) released() bool { return begins(c.after.Allocation, c.before.Allocation) }

// begins reports whether b is an allocation and a is none, or another. Child
// pools' blocks are no allocations: their CIDRs have events of their own.
func begins(a, b *ipam.Allocation) bool {
	visible := func(a *ipam.Allocation) bool { return a != nil && a.Kind.Visible() && a.Kind != ipam.KindPool }
	return visible(b) && (!visible(a) || a.AllocationID != b.AllocationID)
}

// teller collects the events of a change.
type teller struct {
	*change
	told []types.PutEventsRequestEntry
	err  error
}

// header returns that of the next event: its id is the same whenever the record
// comes.
func (t *teller) header() events.Header {
	return events.Header{Version: events.Version, ID: t.eventID + "." + strconv.Itoa(len(t.told)), Time: t.at.UTC().Truncate(time.Second)}
}

func (t *teller) tell(name events.Name, header events.Header, detail any) {
	b, err := json.Marshal(detail)
	if err != nil {
		t.err = fmt.Errorf("event %q: %w", name, err)
		return
	}
	t.told = append(t.told, named(name, header, b))
}

// entries returns the events that tell of a change, in the order in which they
// are to be put on the bus.
func (c *change) entries() ([]types.PutEventsRequestEntry, error) {
	t := &teller{change: c}
	if c.released() {
		t.allocation(events.CIDRReleased, c.before.Allocation)
	}
	if c.allocated() {
		t.allocation(events.CIDRAllocated, c.after.Allocation)
	}
	t.refusal()
	t.poolCIDR()
	t.usage()
	t.resource()
	return t.told, t.err
}

func (t *teller) allocation(name events.Name, a *ipam.Allocation) {
	h := t.header()
	t.tell(name, h, events.Allocation{
		Header: h, RequestID: a.Request, PoolID: a.Pool, AllocationID: a.AllocationID, CIDR: a.CIDR.String(), ResourceType: a.Kind, ResourceOwner: a.Owner,
		ResourceID: a.ResourceID, ResourceRegion: a.ResourceRegion, Description: a.Description, Tags: a.Tags,
	})
}

// refusal tells that a request was refused. Its record is written where there is
// none, or one that has expired and is of another request with the id: never to
// change what was told.
func (t *teller) refusal() {
	r := t.after.Refusal
	if r == nil {
		return
	}
	h := t.header()
	t.tell(events.CIDRRequestFailed, h, events.RequestFailed{
		Header: h, RequestID: r.Request, Account: r.Account, Region: r.Region, Code: r.Code, Message: r.Message, Request: json.RawMessage(r.Detail),
	})
}

// inPool reports whether a CIDR is its pool's to allocate from. One that is on
// its way in is not yet, one whose way out failed still is.
func inPool(c *ipam.PoolCIDR) bool {
	if c == nil {
		return false
	}
	switch c.State {
	case ipam.CIDRProvisioned, ipam.CIDRPendingDeprovision, ipam.CIDRFailedDeprovision:
		return true
	case ipam.CIDRPendingProvision, ipam.CIDRFailedProvision, ipam.CIDRDeprovisioned:
	}
	return false
}

func (t *teller) poolCIDR() {
	c, name := t.after.PoolCIDR, events.PoolCIDRProvisioned
	switch was, is := inPool(t.before.PoolCIDR), inPool(c); {
	case was == is:
		return
	case was:
		c, name = t.before.PoolCIDR, events.PoolCIDRDeprovisioned
	}
	h := t.header()
	t.tell(name, h, events.PoolCIDR{Header: h, PoolID: c.Pool, PoolCIDRID: c.ID, CIDR: c.CIDR.String(), OwnerID: c.Owner})
}

func (t *teller) usage() {
	u := t.after.Usage
	if u == nil || u.Crossed == (t.before.Usage != nil && t.before.Usage.Crossed) {
		return
	}
	h := t.header()
	t.tell(events.PoolUtilization, h, events.Utilization{Header: h, PoolID: u.Pool, Crossed: u.Crossed, Percent: u.Percent, Threshold: u.Threshold})
}

func (t *teller) resource() {
	before, after := t.before.Resource, t.after.Resource
	now := after
	if now == nil {
		now = before
	}
	if now == nil || !now.Type.TakesSpace() {
		return
	}
	// The status of what is not there is zero, which is none of the events'.
	var was, is ipam.Status
	if before != nil {
		was = before.Status
	}
	if after != nil {
		is = after.Status
	}
	resource := func() events.Resource {
		return events.Resource{
			Header: t.header(), ScopeID: now.Scope, ResourceType: now.Type, ResourceID: now.ID, CIDR: now.CIDR.String(), OwnerID: now.Owner, Region: now.Region,
			Name: now.Name, VPCID: now.VPC, Tags: now.Tags,
		}
	}
	overlap := func(name events.Name, s ipam.Status) {
		r := resource()
		t.tell(name, r.Header, events.Overlap{Resource: r, With: s.With, WithCIDR: s.WithCIDR})
	}
	if before == nil {
		r := resource()
		t.tell(events.ResourceDiscovered, r.Header, r)
	}
	switch was, is := was.Overlap == ipam.Overlapping, is.Overlap == ipam.Overlapping; {
	case is && !was:
		overlap(events.OverlapDetected, after.Status)
	case was && !is:
		overlap(events.OverlapCleared, before.Status)
	}
	if is.Compliance != was.Compliance {
		r := resource()
		switch is.Compliance {
		case ipam.Noncompliant:
			t.tell(events.ResourceNoncompliant, r.Header, events.Compliance{Resource: r, PoolID: is.Pool, AllocationID: is.Allocation, Reason: is.Reason})
		case ipam.Compliant:
			t.tell(events.ResourceCompliant, r.Header, events.Compliance{Resource: r, PoolID: is.Pool, AllocationID: is.Allocation})
		case ipam.ComplianceUnmanaged, ipam.ComplianceIgnored:
		}
	}
	if after == nil {
		r := resource()
		t.tell(events.ResourceGone, r.Header, r)
	}
}
