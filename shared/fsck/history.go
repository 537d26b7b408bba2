package fsck

import (
	"net/netip"
	"strconv"
	"strings"
)

// entry is the document of a history record. Times are Unix milliseconds.
type entry struct {
	Type, Owner, Region, ID string
	CIDR                    netip.Prefix
	Name, VPC               string
	Compliance, Overlap     string
	Start                   int64
	Interface               string // for an instance
}

// key returns an id that differs for items with the same type and start: two
// interfaces of one instance may have the same address, in VPCs that overlap.
func (e *entry) key() string {
	if e.Type == "instance" {
		return e.Interface
	}
	return e.ID
}

// record is a history item that has not ended.
type record struct {
	pk, sk string
	scope  string
	entry
}

// kept is the time for which a record outlives its end, with a few days'
// tolerance: years differ in length.
const (
	kept      = 3 * 365 * day
	keptGive  = 5 * day
	day       = 24 * 60 * 60 // seconds
	longestMS = 15           // digits of a start
)

func (t *table) addHistory(r *row, id string) {
	scope, block, _ := strings.Cut(id, "#")
	h := record{pk: r.pk, sk: r.sk, scope: scope}
	r.document("Object", &h.entry)
	cidr := r.block(block)
	parts := strings.Split(r.sk, "#")
	start := strconv.FormatInt(h.Start, 10)
	start = strings.Repeat("0", max(0, longestMS-len(start))) + start
	if len(parts) != 3 || parts[0] != h.Type || parts[1] != h.key() || parts[2] != start || cidr != h.CIDR {
		r.fail("the document is of %s %s at %s from %d on", h.Type, h.ID, h.CIDR, h.Start)
	}
	ended := r.has("End")
	expires := r.has("Expires")
	if ended != expires {
		r.fail("it has ended: %t; and it expires: %t", ended, expires)
	} else if ended {
		end, expires := r.number("End"), r.number("Expires")
		if end < h.Start {
			r.fail("it ended at %d, before it began at %d", end, h.Start)
		}
		if life := expires - end/1000; life < kept-keptGive || life > kept+keptGive {
			r.fail("it is kept for %d seconds after its end, and not about %d", life, kept)
		}
	}
	if r.ok() && !ended {
		t.history = append(t.history, h)
	}
}

// checkHistory compares the records that have not ended with the resources'
// rows.
func (t *table) checkHistory() {
	type place struct {
		scope string
		entry
	}
	open := make(map[place]int)
	for i := range t.live {
		l := &t.live[i]
		for _, e := range l.entries() {
			open[place{l.scope, e}]++
		}
	}
	for i := range t.history {
		h := &t.history[i]
		at := place{h.scope, h.entry}
		if open[at] == 0 {
			t.problem(History, h.pk, h.sk, "it has not ended, and no resource's row says so: %+v", h.entry)
			continue
		}
		open[at]--
	}
	for i := range t.live {
		l := &t.live[i]
		for _, e := range l.entries() {
			if at := (place{l.scope, e}); open[at] > 0 {
				open[at]--
				t.problem(History, l.pk(), l.sk, "no record of history says: %+v", e)
			}
		}
	}
}

// entries returns the history records that belong to the row.
func (l *liveRow) entries() []entry {
	e := entry{Owner: l.Owner, Region: l.Region, ID: l.ID, CIDR: l.CIDR, Name: l.Name, VPC: l.VPC, Start: l.since}
	switch l.Type {
	case "vpc", "eip":
		e.Type, e.Compliance, e.Overlap = l.Type, l.compliance, l.overlap
	case "subnet":
		e.Type = "subnet"
	case "eni":
		e.Type = "network-interface"
		if l.Instance != "" || l.InstanceOwner != "" {
			i := e
			i.Type, i.ID, i.Owner, i.Name, i.Interface = "instance", l.Instance, l.InstanceOwner, "", l.ID
			if l.InstanceOwner != l.Owner {
				i.ID, i.Owner = "", "amazon-aws"
			}
			return []entry{e, i}
		}
	default: // history has no records of public pools
		return nil
	}
	return []entry{e}
}
