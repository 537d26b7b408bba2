package fsck

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// mapHead is the head of the map that a scan made of one family of a scope.
type mapHead struct {
	pk   string
	rows []string // their sort keys
}

// addSpaceMap reads a head or a row of a map. Both may outlive their scope, and rows their
// head: they expire.
func (t *table) addSpaceMap(r *row, id string) {
	if scope, family, _ := strings.Cut(id, "#"); scope == "" || family != "4" && family != "6" {
		r.fail("the key names no family of a scope")
	}
	if r.sk == meta {
		asOf := r.count("AsOf")
		r.count("Entries")
		var starts []netip.Addr
		r.document("Starts", &starts)
		gone := r.gone(true)
		h := mapHead{pk: r.pk}
		for i, a := range starts {
			if i > 0 && !starts[i-1].Less(a) {
				r.fail("the start %s follows %s", a, starts[i-1])
			}
			h.rows = append(h.rows, fmt.Sprintf("%015d#%s", asOf, hex.EncodeToString(a.AsSlice())))
		}
		if r.ok() && !gone {
			t.mapHeads = append(t.mapHeads, h)
		}
		return
	}
	var pools []string
	r.document("Pools", &pools)
	_, start, _ := strings.Cut(r.sk, "#")
	var last netip.Prefix
	for line := range strings.Lines(r.text("Tiles")) {
		fields := strings.Fields(line)
		if len(fields) != 13 {
			r.fail("the tile %q has %d fields", line, len(fields))
			continue
		}
		p, err := netip.ParsePrefix(fields[0])
		pool, notNumber := strconv.Atoi(fields[1])
		switch {
		case err != nil || p != p.Masked():
			r.fail("the tile %q has no CIDR", line)
		case notNumber != nil || pool < 0 || pool > len(pools):
			r.fail("the tile %q has no pool of %d", line, len(pools))
		case !last.IsValid() && hex.EncodeToString(p.Addr().AsSlice()) != start:
			r.fail("the first tile is at %s", p)
		case last.IsValid() && (last.Overlaps(p) || !last.Addr().Less(p.Addr())):
			r.fail("the tile %s follows %s", p, last)
		}
		last = p
	}
	gone := r.gone(true)
	if r.ok() && !gone {
		if t.mapRows == nil {
			t.mapRows = map[string]bool{}
		}
		t.mapRows[r.pk+" | "+r.sk] = true
	}
}

// checkMaps checks that the rows of the newest maps are there. A reader would show a part
// of the space as empty.
func (t *table) checkMaps() {
	for _, h := range t.mapHeads {
		for _, sk := range h.rows {
			if !t.mapRows[h.pk+" | "+sk] {
				t.problem(Map, h.pk, meta, "it names the row %s, which is not there", sk)
			}
		}
	}
}
