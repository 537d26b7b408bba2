package ipam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUrgentPools(t *testing.T) {
	soon, later := time.Unix(1_800_000_000, 0), time.Unix(1_900_000_000, 0)
	pool := func(id string, taken float64, f *Forecast) PoolSummary {
		return PoolSummary{id, Usage{Assigned: taken, Available: 100 - taken, Addresses: 256}, f}
	}
	empty := PoolSummary{Pool: "without CIDRs"}
	all := []PoolSummary{
		pool("little", 1, nil), pool("much", 90, nil), pool("later", 10, &Forecast{Outcome: ForecastExhaustion, Expected: later}), empty,
		pool("full", 100, &Forecast{Outcome: ForecastExhausted}), pool("soon", 20, &Forecast{Outcome: ForecastExhaustion, Expected: soon}), pool("a lot", 90, &Forecast{Outcome: ForecastNotGrowing}),
	}
	ids := func(pools []PoolSummary) (ids []string) {
		for _, p := range pools {
			ids = append(ids, p.Pool)
		}
		return ids
	}
	want := []string{"full", "soon", "later", "a lot", "much", "little", "without CIDRs"}
	if got := ids(UrgentPools(all)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var many []PoolSummary
	for i := range 100 {
		many = append(many, pool(fmt.Sprintf("%02d", i), float64(i), nil))
	}
	if got := ids(UrgentPools(many)); len(got) != MostUrgent || got[0] != "99" || got[MostUrgent-1] != "80" {
		t.Errorf("%q", got)
	}
}

func TestCountAccount(t *testing.T) {
	var s NetworkSummary
	for i := range 60 {
		a := DiscoveredAccount{Discovery: "d", Region: "us-east-1", Account: fmt.Sprintf("%012d", i), Succeeded: int64(1000 - i)}
		switch i % 3 {
		case 0:
			a.FailureCode = "throttling-failure"
		case 1:
			a.Departure = DepartedRegion
		}
		s.CountAccount(&a)
	}
	if s.Accounts != 60 || s.Failing != 40 || len(s.Failures) != MostFailures {
		t.Fatalf("%+v", s)
	}
	if first, last := s.Failures[0], s.Failures[MostFailures-1]; first.Account != "000000000058" || last.Account != "000000000030" {
		t.Errorf("from %s to %s, want those that were read last longest ago", first.Account, last.Account)
	}
}

func TestCountStatus(t *testing.T) {
	var s ScopeSummary
	for _, v := range []Status{
		{Managed, Compliant, Nonoverlapping, "p", "a", "", "", ""}, {Managed, Noncompliant, Overlapping, "p", "a", "", "", ""},
		{Unmanaged, ComplianceUnmanaged, Overlapping, "", "", "", "", ""}, {ManagementIgnored, ComplianceIgnored, OverlapIgnored, "", "", "", "", ""}, {},
	} {
		s.CountStatus(v)
	}
	if want := (ScopeSummary{Resources: 5, Compliant: 1, Noncompliant: 1, Managed: 2, Unmanaged: 1, Ignored: 1, Overlapping: 2}); fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", s, want)
	}
}

func TestChanges(t *testing.T) {
	checked := func(r *ResourceCIDR) {
		r.Status = Status{Management: Unmanaged, Compliance: ComplianceUnmanaged, Overlap: Nonoverlapping}
	}
	for _, c := range []struct {
		name          string
		before, after *ResourceCIDR
		want          string
	}{
		{"a VPC before its first check", nil, liveAt(ResourceVPC, 7), ""},
		{"a VPC with its first check", liveAt(ResourceVPC, 7), liveAt(ResourceVPC, 7, checked), "vpc 7"},
		{"a VPC that appears with statuses", nil, liveAt(ResourceVPC, 7, checked), "vpc 7"},
		{"a VPC that changes", liveAt(ResourceVPC, 7, checked), liveAt(ResourceVPC, 8, checked, named("m")), ""},
		{"a VPC that goes", liveAt(ResourceVPC, 7, checked), nil, "vpc 7-9"},
		{"a VPC that goes before its first check", liveAt(ResourceVPC, 7), nil, "vpc 7-9"},
		{"an Elastic IP", nil, liveAt(ResourceEIP, 7, checked), "eip 7"},
		{"a subnet", nil, liveAt(ResourceSubnet, 7), "subnet 7"},
		{"a subnet with its first check", liveAt(ResourceSubnet, 7), liveAt(ResourceSubnet, 7, checked), ""},
		{"a subnet that changes", liveAt(ResourceSubnet, 7), liveAt(ResourceSubnet, 8, named("m")), ""},
		{"a subnet that goes", liveAt(ResourceSubnet, 7), nil, "subnet 7-9"},
		{"an interface", nil, liveAt(ResourceInterface, 7, attached("i-1", "111122223333")), ""},
		{"an interface that goes", liveAt(ResourceInterface, 7, attached("i-1", "111122223333")), nil, ""},
		{"a public pool", nil, liveAt(ResourcePublicIPv4Pool, 7), ""},
	} {
		var got []string
		for _, r := range Changes(c.before, c.after, 9) {
			text := fmt.Sprint(r.Type, " ", r.Start)
			if r.End != 0 {
				text += fmt.Sprint("-", r.End)
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
