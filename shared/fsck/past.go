package fsck

import (
	"net/netip"
	"strconv"
	"strings"
)

// addPast reads the state of a row before a change. It may outlive the row, its pool and its
// scope: it expires.
func (t *table) addPast(r *row, id string) {
	if id == "" {
		if r.count("Since"); r.sk != meta {
			r.fail("no item has such a key")
		}
		r.ok()
		return
	}
	kind, of, _ := strings.Cut(id, "#")
	parts := strings.Split(r.sk, "#")
	live := kind == "LIVE"
	length := map[string]int{"BLOCK": 4, "CIDR": 4, "LIVE": 6}[kind]
	if of == "" || len(parts) != length {
		r.fail("the key names no row")
		return
	}
	cidr := r.block(strings.Join(parts[:2], "#"))
	at, err := strconv.ParseInt(parts[length-2], 10, 64)
	if err != nil || len(parts[length-1]) != 40 {
		r.fail("the key has no time and sequence number")
	}
	switch {
	case !r.has("Object"):
	case live:
		var o struct {
			ID, Region string
			CIDR       netip.Prefix
		}
		r.document("Object", &o)
		r.document("Status", nil)
		r.count("Since")
		if o.CIDR != cidr || o.ID != parts[2] || o.Region != parts[3] {
			r.fail("the document is of %s at %s in %s", o.ID, o.CIDR, o.Region)
		}
	default:
		var b struct{ Kind string }
		if r.document("Object", &b); b.Kind == "" || b.Kind == "split" || kind == "CIDR" && b.Kind != "ipam-pool" {
			r.fail("the document is of the kind %q", b.Kind)
		}
	}
	if expires := r.number("Expires"); expires-at != kept {
		r.fail("it is kept for %d seconds and not %d", expires-at, kept)
	}
	r.ok()
}
