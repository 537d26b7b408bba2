package store_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// A summary is of the scan that began last. It ends if no scan replaces it.
func TestSummaryIsOfTheLastScan(t *testing.T) {
	l := newEnv(t)
	const scope = "ipam-scope-0123456789abcdef0"
	save := func(minute int, resources int64) {
		t.Helper()
		at := l.now.Add(time.Duration(minute) * time.Minute)
		l.must(l.store.SaveScopeSummary(t.Context(), "ipam-1", scope, ipam.IPv6, at, ipam.ScopeSummary{Resources: resources}))
		l.must(l.store.SaveNetworkSummary(t.Context(), "ipam-1", at, ipam.NetworkSummary{ActiveAddresses: 10 * resources}))
	}
	shown := func() string {
		t.Helper()
		sum, err := l.store.Summary(t.Context(), "ipam-1")
		l.must(err)
		one, err := l.store.ScopeSummary(t.Context(), "ipam-1", scope, ipam.IPv6)
		l.must(err)
		s := sum.Scopes[ipam.ScopeSpace(scope, ipam.IPv6)]
		if one.Resources != s.Of.Resources || s.Of.Resources == 0 != (sum.Network == nil) {
			t.Errorf("%+v, alone %+v", sum, one)
		}
		if sum.Network == nil {
			return "none"
		}
		return fmt.Sprintf("%d, %d of minute %g", s.Of.Resources, sum.Network.Of.ActiveAddresses, s.AsOf.Sub(l.now).Minutes())
	}
	expect := func(want string) {
		t.Helper()
		if got := shown(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect("none")
	save(0, 1)
	save(15, 3)
	expect("3, 30 of minute 15")
	save(10, 2) // a message that comes late
	expect("3, 30 of minute 15")
	counted := &tabletest.Counter{Table: l.memory}
	if l.must(l.on(counted).SaveScopeSummary(t.Context(), "ipam-1", scope, ipam.IPv6, l.now.Add(15*time.Minute), ipam.ScopeSummary{Resources: 3})); counted.Take().Transactions != 0 {
		t.Error("the same summary is written again")
	}
	fscktest.Clean(t, l.memory, l.now)
	l.now = l.now.Add(items.SummaryRetention + 16*time.Minute)
	expect("none")
}

// Changes come the last first, of the time since one, and end after eight days.
func TestChangesOfAScope(t *testing.T) {
	l := newEnv(t)
	const scope = "ipam-scope-0123456789abcdef0"
	l.now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	vpc := func(n int) ipam.HistoryRecord {
		return ipam.HistoryRecord{Type: ipam.HistoryVPC, ID: fmt.Sprint("vpc-", n), Region: "us-east-1", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Start: l.now.Add(time.Duration(n) * time.Hour).UnixMilli()}
	}
	ended := vpc(2)
	ended.End = l.now.Add(5 * time.Hour).UnixMilli()
	for range 2 { // a record of the stream may come again
		l.must(l.store.PutChanges(t.Context(), scope, vpc(1), vpc(2)))
		l.must(l.store.PutChanges(t.Context(), scope, ended))
		l.must(l.store.PutChanges(t.Context(), scope, vpc(3)))
		l.must(l.store.PutChanges(t.Context(), scope))
	}
	shown := func(since, limit int) string {
		t.Helper()
		all, more, err := l.store.Changes(t.Context(), scope, l.now.Add(time.Duration(since)*time.Hour), limit)
		l.must(err)
		text := ""
		for _, r := range all {
			text += r.ID + " "
		}
		return text + fmt.Sprint(more)
	}
	for _, c := range []struct {
		since, limit int
		want         string
	}{
		{0, 10, "vpc-2 vpc-3 vpc-2 vpc-1 false"}, {0, 4, "vpc-2 vpc-3 vpc-2 vpc-1 false"}, {0, 3, "vpc-2 vpc-3 vpc-2 true"}, {2, 10, "vpc-2 vpc-3 vpc-2 false"}, {6, 10, "false"},
	} {
		if got := shown(c.since, c.limit); got != c.want {
			t.Errorf("since %d, at most %d: %s, want %s", c.since, c.limit, got, c.want)
		}
	}
	fscktest.Clean(t, l.memory, l.now)
}
