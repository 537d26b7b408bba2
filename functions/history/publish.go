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

// change is an item's change, as a record of the stream reports it.
type change struct {
	eventID       string // of the record
	at            time.Time
	before, after items.Image
	past          *items.Past // nil if a map of the past does not show the change
}

// allocated reports whether an allocation began that callers see.
func (c *change) allocated() bool { return begins(c.before.Allocation, c.after.Allocation) }

// released reports whether such an allocation ended. If one allocation replaces
// another, both allocated and released are true.
func (c *change) released() bool { return begins(c.after.Allocation, c.before.Allocation) }

// begins reports whether b is an allocation and a is either none or another one. The
// block of a child pool is no allocation here: its CIDR has events of its own.
func begins(a, b *ipam.Allocation) bool {
	visible := func(a *ipam.Allocation) bool { return a != nil && a.Kind.Visible() && a.Kind != ipam.KindPool }
	return visible(b) && (!visible(a) || a.AllocationID != b.AllocationID)
}

// publisher collects the events of a change.
type publisher struct {
	*change
	entries []types.PutEventsRequestEntry
	err     error
}

// header returns the header of the next event. Its id is the same each time the
// stream sends the record.
func (p *publisher) header() events.Header {
	return events.Header{Version: events.Version, ID: p.eventID + "." + strconv.Itoa(len(p.entries)), Time: p.at.UTC().Truncate(time.Second)}
}

// publish adds an event.
func (p *publisher) publish(name events.Name, header events.Header, detail any) {
	b, err := json.Marshal(detail)
	if err != nil {
		p.err = fmt.Errorf("event %q: %w", name, err)
		return
	}
	p.entries = append(p.entries, entry(name, header, b))
}

// entries returns the events of a change, in the order in which the bus gets them.
func (c *change) entries() ([]types.PutEventsRequestEntry, error) {
	p := &publisher{change: c}
	if c.released() {
		p.allocation(events.CIDRReleased, c.before.Allocation)
	}
	if c.allocated() {
		p.allocation(events.CIDRAllocated, c.after.Allocation)
	}
	p.refusal()
	p.poolCIDR()
	p.usage()
	p.forecast()
	p.resource()
	return p.entries, p.err
}

func (p *publisher) allocation(name events.Name, a *ipam.Allocation) {
	h := p.header()
	p.publish(name, h, events.Allocation{
		Header: h, RequestID: a.Request, PoolID: a.Pool, AllocationID: a.AllocationID, CIDR: a.CIDR.String(), ResourceType: a.Kind, ResourceOwner: a.Owner,
		ResourceID: a.ResourceID, ResourceRegion: a.ResourceRegion, Description: a.Description, Tags: a.Tags,
	})
}

// refusal adds the event of a refused request. The store writes such an item only
// where there is none, or an expired one of another request with the same id. So it
// never changes an event that was published.
func (p *publisher) refusal() {
	r := p.after.Refusal
	if r == nil {
		return
	}
	h := p.header()
	p.publish(events.CIDRRequestFailed, h, events.RequestFailed{
		Header: h, RequestID: r.Request, Account: r.Account, Region: r.Region, Code: r.Code, Message: r.Message, Request: json.RawMessage(r.Detail),
	})
}

// inPool reports whether a pool can allocate from a CIDR.
func inPool(c *ipam.PoolCIDR) bool { return c != nil && c.State.InPool() }

func (p *publisher) poolCIDR() {
	c, name := p.after.PoolCIDR, events.PoolCIDRProvisioned
	switch was, is := inPool(p.before.PoolCIDR), inPool(c); {
	case was == is:
		return
	case was:
		c, name = p.before.PoolCIDR, events.PoolCIDRDeprovisioned
	}
	h := p.header()
	p.publish(name, h, events.PoolCIDR{Header: h, PoolID: c.Pool, PoolCIDRID: c.ID, CIDR: c.CIDR.String(), OwnerID: c.Owner})
}

func (p *publisher) usage() {
	u := p.after.Usage
	if u == nil || u.Crossed == (p.before.Usage != nil && p.before.Usage.Crossed) {
		return
	}
	h := p.header()
	p.publish(events.PoolUtilization, h, events.Utilization{Header: h, PoolID: u.Pool, Crossed: u.Crossed, Percent: u.Percent, Threshold: u.Threshold})
}

func (p *publisher) forecast() {
	f := p.after.Forecast
	if f == nil || f.Soon == (p.before.Forecast != nil && p.before.Forecast.Soon) {
		return
	}
	at := func(unix int64) *time.Time {
		if unix == 0 {
			return nil
		}
		t := time.Unix(unix, 0).UTC()
		return &t
	}
	h := p.header()
	p.publish(events.PoolForecast, h, events.Forecast{
		Header: h, PoolID: f.Pool, Crossed: f.Soon, Outcome: string(f.Outcome), Expected: at(f.Expected), Earliest: at(f.Earliest), Latest: at(f.Latest), Threshold: f.Threshold,
	})
}

func (p *publisher) resource() {
	before, after := p.before.Resource, p.after.Resource
	now := after
	if now == nil {
		now = before
	}
	if now == nil || !now.Type.TakesSpace() {
		return
	}
	// A row that does not exist has the zero status, which is in no event.
	var was, is ipam.Status
	if before != nil {
		was = before.Status
	}
	if after != nil {
		is = after.Status
	}
	resource := func() events.Resource {
		return events.Resource{
			Header: p.header(), ScopeID: now.Scope, ResourceType: now.Type, ResourceID: now.ID, CIDR: now.CIDR.String(), OwnerID: now.Owner, Region: now.Region,
			Name: now.Name, VPCID: now.VPC, Tags: now.Tags,
		}
	}
	overlap := func(name events.Name, s ipam.Status) {
		r := resource()
		p.publish(name, r.Header, events.Overlap{Resource: r, With: s.With, WithCIDR: s.WithCIDR})
	}
	if before == nil {
		r := resource()
		p.publish(events.ResourceDiscovered, r.Header, r)
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
			p.publish(events.ResourceNoncompliant, r.Header, events.Compliance{Resource: r, PoolID: is.Pool, AllocationID: is.Allocation, Reason: is.Reason})
		case ipam.Compliant:
			p.publish(events.ResourceCompliant, r.Header, events.Compliance{Resource: r, PoolID: is.Pool, AllocationID: is.Allocation})
		case ipam.ComplianceUnmanaged, ipam.ComplianceIgnored:
		}
	}
	if after == nil {
		r := resource()
		p.publish(events.ResourceGone, r.Header, r)
	}
}
