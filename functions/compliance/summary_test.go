package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

func (w *env) summary() items.Summary {
	w.Helper()
	return must(w.store.Summary(w.Context(), w.ipam.ID))(w.T)
}

// A scan saves its numbers. Forecasts come once an hour and stay in the summaries between.
func TestScanSavesSummary(t *testing.T) {
	w := newEnv(t)
	w.usualNetwork()
	subnet := vpc(6, "10.1.0.0/28")
	subnet.Type, subnet.ID, subnet.VPC = ipam.ResourceSubnet, "subnet-6", "vpc-003"
	w.put(w.ipam.PrivateScope, subnet)
	child := must(w.store.CreatePool(t.Context(), store.Token{Account: account, Operation: "CreateIpamPool"}, ipam.Pool{Scope: w.ipam.PrivateScope, Family: ipam.IPv4, SourcePool: w.pool, Locale: "us-east-1"},
		func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil }))(t)
	must(w.store.Provision(t.Context(), store.Provision{Token: store.Token{Account: account, Operation: "ProvisionIpamPoolCidr"}, Pool: child.ID, CIDR: netip.MustParsePrefix("10.0.0.128/26"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}))(t)
	began := w.now
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	got := w.summary().Scopes[ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4)]
	want := ipam.ScopeSummary{
		Resources: 7, Compliant: 1, Noncompliant: 1, Managed: 2, Unmanaged: 4, Overlapping: 3, Pools: 2, Blocks: 3,
		ProvisionedAddresses: 256, FreeAddresses: 256 - 16 - 64,
		Urgent: []ipam.PoolSummary{
			{Pool: w.pool, Usage: ipam.Usage{Allocated: 25, Assigned: 31.25, Available: 43.75, Blocks: 3, Addresses: 256}, Forecast: &ipam.Forecast{Outcome: ipam.ForecastTooLittle}},
			{Pool: child.ID, Usage: ipam.Usage{Available: 100, Addresses: 64}, Forecast: &ipam.Forecast{Outcome: ipam.ForecastTooLittle}},
		},
	}
	if d := cmp.Diff(want, got.Of, cmpopts.EquateApproxTime(0)); d != "" || !got.AsOf.Equal(began) {
		t.Errorf("as of %s (-want +got):\n%s", got.AsOf, d)
	}
	w.now = w.now.Add(15 * time.Minute)
	w.allocate("10.0.0.224/28")
	w.invoke(t.Context(), w.store, batch(w.scanTask()))
	got = w.summary().Scopes[ipam.ScopeSpace(w.ipam.PrivateScope, ipam.IPv4)]
	if f := got.Of.Urgent[0].Forecast; !got.AsOf.Equal(w.now) || got.Of.FreeAddresses != 256-16-64-16 || f == nil || f.Outcome != ipam.ForecastTooLittle {
		t.Errorf("a quarter of an hour later: %+v", got)
	}
}

// The count of an IPAM's network has its active addresses of both families, and the
// accounts of its discoveries, in one invocation as in many.
func TestNetworkSummary(t *testing.T) {
	w := newEnv(t)
	eni := func(n int, cidr string, attached bool) ipam.Resource {
		return ipam.Resource{Type: ipam.ResourceInterface, ID: fmt.Sprint("eni-", n), CIDR: netip.MustParsePrefix(cidr), Attached: attached}
	}
	w.put(w.ipam.PrivateScope, eni(1, "10.0.0.1/32", true), eni(2, "10.0.0.2/32", true), eni(3, "10.0.0.3/32", false), eni(4, "10.0.0.16/28", true), eni(5, "fd00::1/128", true), vpc(1, "10.0.0.0/24"))
	w.put(w.ipam.PublicScope, eni(6, "2001:db8::1/128", true), eni(7, "2001:db8::2/128", false), ipam.Resource{Type: ipam.ResourceEIP, ID: "eipalloc-1", CIDR: netip.MustParsePrefix("203.0.113.1/32"), Attached: true, Public: &ipam.PublicAddress{Address: netip.MustParseAddr("203.0.113.1"), Type: "byoip"}})
	other := must(w.store.CreateDiscovery(t.Context(), store.Token{Account: account, Operation: "CreateIpamResourceDiscovery"}, ipam.Discovery{Meta: ipam.Meta{Owner: account}, OperatingRegions: []string{"us-east-1"}}))(t)
	for i := range 7 {
		a := &ipam.DiscoveredAccount{Discovery: w.ipam.Discovery, Region: "us-east-1", Account: fmt.Sprintf("%012d", i), Attempted: 1}
		if i < 3 {
			a.FailureCode, a.Failure, a.Failures, a.Failing = "throttling-failure", "slow down", 2, 1
		}
		must(0, w.store.SaveDiscoveredAccount(t.Context(), a))(t)
	}
	must(0, w.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: other.ID, Region: "us-east-1", Account: account, Attempted: 1, FailureCode: "x"}))(t) // of no IPAM
	want := ipam.NetworkSummary{ActiveAddresses: 5, PublicRegions: 1, Accounts: 7, Failing: 3}
	check := func(name string) {
		t.Helper()
		n := w.summary().Network
		if n == nil {
			t.Fatalf("%s: no summary", name)
		}
		var failing []string
		for _, f := range n.Of.Failures {
			failing = append(failing, f.Account)
		}
		got := n.Of
		got.Failures = nil
		if d := cmp.Diff(want, got); d != "" || !slices.Equal(failing, []string{"000000000000", "000000000001", "000000000002"}) {
			t.Errorf("%s: failing %q (-want +got):\n%s", name, failing, d)
		}
	}
	body := fmt.Sprintf(`{"ipam": %q, "owner": %q}`, w.ipam.ID, account)
	if failed := w.invoke(t.Context(), w.store, batch(body)); failed != nil || w.sent != nil {
		t.Fatalf("failed %q, sent %q", failed, w.sent)
	}
	check("at once")
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	w.options.Now = func() time.Time { return end } // each invocation is at its end
	w.table.PageBytes = 200
	invocations := 0
	for ; body != ""; invocations++ {
		if failed := w.invoke(ctx, w.store, batch(body)); failed != nil || invocations > 40 {
			t.Fatalf("failed %q", failed)
		}
		body, w.sent = strings.Join(w.sent, ""), nil
	}
	if check("in parts"); !w.summary().Network.AsOf.Equal(end) || invocations < 5 {
		t.Errorf("in %d invocations, as of %s", invocations, w.summary().Network.AsOf)
	}
}
