package ops_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func (w *env) summaries(in ops.GetIpamSummaryInput) []ops.IpamSummary {
	w.t.Helper()
	return do[ops.GetIpamSummaryOutput](w, w.admin, &in).IpamSummaries
}

// Before any scan, a summary says of each number that it is not known.
func TestSummaryBeforeAScan(t *testing.T) {
	w := newEnv(t, nil)
	if all := w.summaries(ops.GetIpamSummaryInput{}); all != nil {
		t.Errorf("without an IPAM: %+v", all)
	}
	m := w.makeIPAM(ec2.CreateIpamInput{})
	s := w.summaries(ops.GetIpamSummaryInput{})[0]
	if *s.IpamId != *m.IpamId || len(s.Scopes) != 4 || s.PoolCount != nil || s.Cost != nil || s.ActiveAddresses != nil || s.FailingAccountCount != nil || s.DiscoveredAccountCount != nil || s.Pools != nil || !*s.Changes.Complete || *s.Changes.Began != 0 {
		t.Errorf("%+v", s)
	}
	for _, scope := range s.Scopes {
		if scope.AsOf != nil || scope.Resources != nil {
			t.Errorf("%+v", scope)
		}
	}
}

// A summary shows the numbers that scans have saved, with the present names of the pools.
func TestSummary(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.IPAMs = 2 })
	m, other := w.makeIPAM(ec2.CreateIpamInput{}), w.makeIPAM(ec2.CreateIpamInput{})
	private, public := *m.PrivateDefaultScopeId, *m.PublicDefaultScopeId
	full := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &private, Description: aws.String("lab"), Locale: aws.String(home), TagSpecifications: specify("ipam-pool", "Name", "osaka")}, "10.0.0.0/24")
	six := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &private, AddressFamily: types.AddressFamilyIpv6}, "fd80::/48")
	expected := w.now.AddDate(0, 0, 20)
	save := func(scope string, f ipam.Family, sum ipam.ScopeSummary) {
		t.Helper()
		if err := w.store.SaveScopeSummary(t.Context(), *m.IpamId, scope, f, w.now.Add(-7*time.Minute), sum); err != nil {
			t.Fatal(err)
		}
	}
	save(private, ipam.IPv4, ipam.ScopeSummary{Resources: 9, Compliant: 1, Noncompliant: 2, Managed: 3, Unmanaged: 4, Ignored: 1, Overlapping: 6, Pools: 2, Blocks: 8, ProvisionedAddresses: 256, FreeAddresses: 12,
		Urgent: []ipam.PoolSummary{
			{Pool: full, Usage: ipam.Usage{Allocated: 20, Assigned: 75, Available: 5, Addresses: 256}, Forecast: &ipam.Forecast{Outcome: ipam.ForecastExhaustion, Expected: expected, PerDay: 0.25, Days: 30}},
			{Pool: "ipam-pool-0123456789abcdef0", Usage: ipam.Usage{Available: 100, Addresses: 1}}, // deleted since
		}})
	save(private, ipam.IPv6, ipam.ScopeSummary{Pools: 1, Urgent: []ipam.PoolSummary{{Pool: six, Usage: ipam.Usage{Assigned: 100, Addresses: 1 << 20}}}})
	save(public, ipam.IPv4, ipam.ScopeSummary{})
	network := ipam.NetworkSummary{ActiveAddresses: 5000, PublicRegions: 1, Accounts: 40, Failing: 2, Failures: []ipam.DiscoveredAccount{
		{Discovery: "d", Region: home, Account: stranger, Attempted: 2000, Succeeded: 1000, FailureCode: "assume-role-failure", Failure: "no role", Failures: 3, Failing: 1500},
		{Discovery: "d", Region: home, Account: consumer, Attempted: 2000, Departure: ipam.DepartedRegion},
	}}
	if err := w.store.SaveNetworkSummary(t.Context(), *m.IpamId, w.now.Add(-8*time.Minute), network); err != nil {
		t.Fatal(err)
	}
	change := func(id string, ago time.Duration, ended bool) ipam.HistoryRecord {
		r := ipam.HistoryRecord{Type: ipam.HistoryVPC, ID: id, Owner: account, Region: home, CIDR: netip.MustParsePrefix("10.9.0.0/16"), Name: "n", VPC: id, Compliance: ipam.Noncompliant, Overlap: ipam.Overlapping, Start: w.now.Add(-ago).UnixMilli()}
		if ended {
			r.Start, r.End = 1, r.Start
		}
		return r
	}
	for scope, records := range map[string][]ipam.HistoryRecord{
		private: {change("vpc-old", 25*time.Hour, false), change("vpc-a", 23*time.Hour, false), change("vpc-b", time.Hour, true)}, public: {change("vpc-c", 2*time.Hour, false)},
	} {
		if err := w.store.PutChanges(t.Context(), scope, records...); err != nil {
			t.Fatal(err)
		}
	}

	all := w.summaries(ops.GetIpamSummaryInput{})
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	s := w.summaries(ops.GetIpamSummaryInput{IpamId: m.IpamId})[0]
	scopes := map[string]ops.IpamScopeSummary{}
	for _, scope := range s.Scopes {
		scopes[*scope.IpamScopeId+" "+string(scope.AddressFamily)] = scope
	}
	four := scopes[private+" ipv4"]
	if got := fmt.Sprint(*four.Resources, *four.Compliant, *four.Noncompliant, *four.Managed, *four.Unmanaged, *four.Ignored, *four.Overlapping, *four.Pools, *four.ProvisionedAddresses, *four.FreeAddresses, w.now.Sub(*four.AsOf)); got != "9 1 2 3 4 1 6 2 256 12 7m0s" {
		t.Errorf("scope %s", got)
	}
	if got := scopes[public+" ipv4"]; got.Resources == nil || *got.Resources != 0 {
		t.Errorf("a scope without resources: %+v", got)
	}
	if got := scopes[public+" ipv6"]; got.AsOf != nil {
		t.Errorf("a scope that no scan has counted: %+v", got)
	}
	if len(s.Pools) != 2 || *s.Pools[0].IpamPoolId != six || *s.Pools[1].IpamPoolId != full || *s.PoolCount != 3 {
		t.Fatalf("pools %+v", s.Pools)
	}
	p := s.Pools[1]
	if got := fmt.Sprint(*p.IpamScopeId == private, p.AddressFamily, *p.Locale, *p.Description, *p.Name, *p.PercentAllocated, *p.PercentAssigned, *p.PercentAvailable, *p.FreeAddresses, p.Forecast.Outcome, p.Forecast.Expected.Equal(expected), *p.Forecast.PercentPerDay); got != "trueipv4us-east-1labosaka20 75 5 12.8exhaustiontrue 0.25" {
		t.Errorf("pool %s", got)
	}
	if s.Pools[0].Forecast != nil {
		t.Errorf("a pool without a forecast: %+v", s.Pools[0])
	}
	a, b := s.FailingAccounts[0], s.FailingAccounts[1]
	if *s.FailingAccountCount != 2 || *s.DiscoveredAccountCount != 40 || *a.AccountId != stranger || *a.FailureCode != "assume-role-failure" || *a.Message != "no role" || *a.Failures != 3 || a.LastSuccess.UnixMilli() != 1000 || !strings.Contains(*b.Message, "operating Region") || b.LastSuccess != nil {
		t.Errorf("accounts %+v, %+v", a, b)
	}
	var changes []string
	for _, c := range s.Changes.Latest {
		changes = append(changes, fmt.Sprint(*c.ResourceId, c.Change, w.now.Sub(*c.Time), *c.IpamScopeId == private, c.ResourceType, *c.Cidr, c.ComplianceStatus))
	}
	want := "vpc-b ended 1h0m0s true vpc 10.9.0.0/16 noncompliant; vpc-c began 2h0m0s false vpc 10.9.0.0/16 noncompliant; vpc-a began 23h0m0s true vpc 10.9.0.0/16 noncompliant"
	if got := strings.Join(changes, "; "); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") || *s.Changes.Began != 2 || *s.Changes.Ended != 1 || !*s.Changes.Complete || s.Changes.To.Sub(*s.Changes.From) != 24*time.Hour {
		t.Errorf("changes %s, want %s", got, want)
	}
	if c := s.Cost; *c.VpcIpamUsdPerMonth != 972 || *c.HoursPerMonth != 720 || *c.UsdPerActiveAddressHour != 0.00027 || *c.CadastreUsdPerMonth < 20 || *c.CadastreUsdPerMonth > 100 || !strings.Contains(*c.Basis, "5,000 active addresses × 720 hours × 0.00027 USD") {
		t.Errorf("%v for Amazon VPC IPAM, %v for Cadastre: %s", *c.VpcIpamUsdPerMonth, *c.CadastreUsdPerMonth, *c.Basis)
	}

	if got := do[ops.GetIpamSummaryOutput](w, as(stranger, "admin", ""), &ops.GetIpamSummaryInput{}).IpamSummaries; got != nil {
		t.Errorf("another account sees %+v", got)
	}
	w.refused(t, as(stranger, "admin", ""), &ops.GetIpamSummaryInput{IpamId: m.IpamId}, "InvalidIpamId.NotFound", *m.IpamId)
	w.refused(t, w.admin, &ops.GetIpamSummaryInput{IpamId: aws.String("x")}, "InvalidIpamId.Malformed", "x")
	if *w.summaries(ops.GetIpamSummaryInput{IpamId: other.IpamId})[0].Changes.Began != 0 {
		t.Error("an IPAM has the changes of another one")
	}
}

// A summary takes as many reads with many pools, allocations and changes as with few.
func TestCostOfASummary(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.PoolsPerScope = 1000 })
	m := w.makeIPAM(ec2.CreateIpamInput{})
	calls := &tabletest.Counter{Table: w.table}
	w.registry = ops.New(store.New(calls, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }, Quotas: quotasWith(1000)}), grants())
	var urgent []ipam.PoolSummary
	for n := 0; n < 300; n++ {
		id := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, fmt.Sprintf("10.%d.%d.0/24", n>>8, n&255))
		w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &id, NetmaskLength: aws.Int32(28)})
		urgent = append(urgent, ipam.PoolSummary{Pool: id, Usage: ipam.Usage{Assigned: float64(n) / 4, Available: 100 - float64(n)/4, Addresses: 256}})
	}
	sum := ipam.ScopeSummary{Pools: 300, Urgent: ipam.UrgentPools(urgent)}
	if err := w.store.SaveScopeSummary(t.Context(), *m.IpamId, *m.PrivateDefaultScopeId, ipam.IPv4, w.now, sum); err != nil {
		t.Fatal(err)
	}
	for n := range 700 {
		if err := w.store.PutChanges(t.Context(), *m.PrivateDefaultScopeId, ipam.HistoryRecord{Type: ipam.HistoryVPC, ID: fmt.Sprint("vpc-", n), Region: home, CIDR: netip.MustParsePrefix("10.0.0.0/16"), Start: w.now.Add(-time.Hour).UnixMilli() + int64(n)}); err != nil {
			t.Fatal(err)
		}
	}
	calls.Take()
	s := w.summaries(ops.GetIpamSummaryInput{})[0]
	cost := calls.Take()
	t.Logf("%+v", cost)
	// The lists of IPAMs and scopes, the summary, and the changes of two scopes; the items of
	// the lists, and the pools.
	if cost.Queries != 5 || cost.BatchGets != 3 || cost.Rows > 1+2+1+501 || cost.Keys > 1+2+ipam.MostUrgent {
		t.Errorf("%+v", cost)
	}
	if len(s.Pools) != ipam.MostUrgent || len(s.Changes.Latest) != 50 || *s.Changes.Began != 500 || *s.Changes.Complete || *s.Changes.Latest[0].ResourceId != "vpc-699" {
		t.Errorf("%d pools, %d changes of %d", len(s.Pools), len(s.Changes.Latest), *s.Changes.Began)
	}
}

func quotasWith(pools int64) *ipam.Quotas {
	q := ipam.DefaultQuotas()
	q.PoolsPerScope = pools
	return &q
}
