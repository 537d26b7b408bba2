package fsck

import (
	"fmt"
	"net/netip"
	"strings"
)

// shares are the members of a pool's usage.
type shares struct {
	Allocated, Assigned, Available, Addresses float64
	Blocks                                    int64
}

// addSummary reads a part of an IPAM's summary. It may outlive its IPAM and scope: it
// expires.
func (t *table) addSummary(r *row, _ string) {
	var sum struct {
		Resources, Compliant, Noncompliant, Managed, Unmanaged, Ignored, Overlapping, Pools, Blocks int64
		ProvisionedAddresses, FreeAddresses                                                         float64
		Urgent                                                                                      []struct {
			Pool string
			shares
			Forecast *struct{ Outcome string }
		}
		ActiveAddresses, PublicRegions, Accounts, Failing int64
		Failures                                          []struct{ Account, Region string }
	}
	r.document("Object", &sum)
	scope, isScope := strings.CutPrefix(r.sk, "SCOPE#")
	_, family, _ := strings.Cut(scope, "#")
	if isScope && family != "4" && family != "6" || !isScope && r.sk != "NETWORK" {
		r.fail("the key names no part of a summary")
	}
	for _, n := range []int64{sum.Resources - sum.Compliant - sum.Noncompliant, sum.Resources - sum.Managed - sum.Unmanaged - sum.Ignored, sum.Resources - sum.Overlapping, sum.Accounts - sum.Failing, sum.Failing - int64(len(sum.Failures))} {
		if n < 0 {
			r.fail("a part is more than the whole")
		}
	}
	for _, n := range []int64{sum.Compliant, sum.Noncompliant, sum.Managed, sum.Unmanaged, sum.Ignored, sum.Overlapping, sum.Pools - int64(len(sum.Urgent)), sum.Blocks, sum.ActiveAddresses, sum.PublicRegions, sum.Failing} {
		if n < 0 {
			r.fail("a number is less than nothing")
		}
	}
	for _, p := range sum.Urgent {
		if p.Pool == "" || p.Allocated < 0 || p.Assigned < 0 || p.Available < 0 || p.Allocated+p.Assigned+p.Available > 100.001 || p.Addresses < 0 {
			r.fail("the pool %s has the usage %+v", p.Pool, p.shares)
		}
	}
	if asOf, expires := r.count("AsOf"), r.number("Expires"); expires-asOf/1000 != 7*day {
		r.fail("it is kept for %d seconds and not %d", expires-asOf/1000, 7*day)
	}
	r.ok()
}

// addChange reads a change of a scope. It may outlive its scope: it expires.
func (t *table) addChange(r *row, _ string) {
	var e struct {
		entry
		End int64
	}
	r.document("Object", &e)
	at, what := max(e.Start, e.End), "began"
	if e.End != 0 {
		what = "ended"
	}
	if !e.CIDR.IsValid() || e.CIDR != e.CIDR.Masked() {
		e.CIDR = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		r.fail("it has no CIDR")
	}
	if want := fmt.Sprintf("%015d#%s#%s#%s#%s", at, what, blockSK(e.CIDR), e.ID, e.Region); r.sk != want {
		r.fail("the document is of %s", want)
	}
	switch e.Type {
	case "vpc", "subnet", "eip":
	default:
		r.fail("it is of a resource of the type %q", e.Type)
	}
	if expires := r.number("Expires"); expires-at/1000 != 8*day {
		r.fail("it is kept for %d seconds and not %d", expires-at/1000, 8*day)
	}
	r.ok()
}
