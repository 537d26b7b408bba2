package telemetry

import (
	"fmt"
	"log/slog"
	"time"
)

// Metric is one metric of the namespace.
type Metric struct{ Name, Unit, Meaning string }

// Group is a set of metrics with the same dimensions, which one record
// contains. Each combination of the dimensions' values is a set of metrics that
// CloudWatch bills.
type Group struct {
	Of         string // the subject of one record
	Dimensions []string
	Metrics    []Metric
	Optional   bool // written only if the deployer asks for it
}

// The groups that scans write, with the names and dimensions of AWS/IPAM (VPC
// IPAM User Guide, "Monitor IPAM with Amazon CloudWatch"). The groups without
// dimensions are Cadastre's own, for alarms.
var (
	Pools = &Group{Of: "pool", Dimensions: []string{"AddressFamily", "Locale", "PoolID", "ScopeID"}, Metrics: []Metric{
		{"CompliantResourceCidrs", "Count", "managed CIDRs that meet the pool's rules"},
		{"NoncompliantResourceCidrs", "Count", "managed CIDRs that break a rule of the pool"},
		{"PercentAllocated", "Percent", "share of the pool's addresses that child pools have"},
		{"PercentAssigned", "Percent", "share that allocations have, or that is held for live resources"},
		{"PercentAvailable", "Percent", "the rest"},
	}}
	Scopes = &Group{Of: "scope and address family", Dimensions: []string{"AddressFamily", "ScopeID"}, Metrics: []Metric{
		{"CompliantResourceCidrs", "Count", "managed CIDRs that meet the rules of their pool"},
		{"ManagedResourceCidrs", "Count", "CIDRs of VPCs and public IPv4 pools that a pool manages"},
		{"NoncompliantResourceCidrs", "Count", "managed CIDRs that break a rule of their pool"},
		{"OverlappingResourceCidrs", "Count", "CIDRs that another resource or a custom allocation intersects"},
		{"UnmanagedResourceCidrs", "Count", "CIDRs of VPCs and public IPv4 pools that no pool manages"},
	}}
	Totals = &Group{Of: "deployment; the sum over a scan of every scope", Metrics: []Metric{
		{"OverlappingResourceCidrsTotal", "Count", "CIDRs that overlap"},
		{"PoolsOverThreshold", "Count", "pools of which 80 % or more is taken; one counts until it falls to 75 %"},
		{"ExposedResourceCidrsTotal", "Count", "live CIDRs whose space was free in a pool, which never is so while all is well; the scan takes it"},
	}}
	PublicIPs = &Group{Of: "IPAM and Region that has any", Dimensions: []string{"IpamId", "Region"}, Metrics: []Metric{
		{"AmazonOwnedElasticIPs", "Count", "Elastic IP addresses from Amazon"},
		{"AssociatedAmazonOwnedElasticIPs", "Count", "those of them that are associated"},
		{"UnassociatedAmazonOwnedElasticIPs", "Count", "those that are not"},
		{"BringYourOwnIPs", "Count", "Elastic IP addresses from one's own ranges"},
		{"AssociatedBringYourOwnIPs", "Count", "those of them that are associated"},
		{"UnassociatedBringYourOwnIPs", "Count", "those that are not"},
		{"EC2PublicIPs", "Count", "public addresses that EC2 gave to interfaces"},
		{"ServiceManagedIPs", "Count", "public addresses that AWS services manage"},
		{"ServiceManagedBringYourOwnIPs", "Count", "those that services take from one's own ranges"},
	}}
	VPCs = &Group{Of: "VPC, the 50 most used of a scope and family", Optional: true, Dimensions: []string{"AddressFamily", "OwnerID", "Region", "ScopeID", "VpcID"}, Metrics: []Metric{
		{"VpcIPUsage", "None", "share of its CIDRs that its subnets take, 0 to 1"},
	}}
	Subnets = &Group{Of: "subnet, the 50 most used of a scope", Optional: true, Dimensions: []string{"AddressFamily", "OwnerID", "Region", "ScopeID", "VpcID", "SubnetID"}, Metrics: []Metric{
		{"SubnetIPUsage", "None", "share of its IPv4 addresses that are in use, 0 to 1"},
	}}
	PublicIPv4Pools = &Group{Of: "public IPv4 pool, the 50 most used of a scope", Optional: true, Dimensions: []string{"OwnerID", "PublicIPv4PoolID", "Region", "ScopeID"}, Metrics: []Metric{
		{"PublicIPv4PoolIPUsage", "None", "share of its addresses that are given out, 0 to 1"},
	}}
	Accounts = &Group{Of: "account, the 50 with the most in a scope and family", Optional: true, Dimensions: []string{"AddressFamily", "OwnerID", "ScopeID"}, Metrics: []Metric{
		{"UnmanagedAddresses", "Count", "addresses of its VPCs that no pool manages"},
	}}
	Discoveries = &Group{Of: "deployment", Metrics: []Metric{
		{"DiscoveryFailures", "Count", "runs of the discovery of an account in a Region whose failure lasts: three in a row after one that succeeded, or all of them for a day"},
	}}
)

// work are the groups of Work's records.
var work = []*Group{
	{Of: "outcome", Dimensions: []string{Outcome}, Metrics: []Metric{{Requests, "Count", "operations and units of work"}}},
	{Of: "operation and outcome", Dimensions: []string{Operation, Outcome}, Metrics: []Metric{{Requests, "Count", "the same"}}},
	{Of: "operation", Dimensions: []string{Operation}, Metrics: []Metric{{Duration, "Milliseconds", "how long it took"}}},
}

// Groups returns all groups, in the order of the README.
func Groups() []*Group {
	return append([]*Group{Scopes, Pools, PublicIPs, Totals, Discoveries, VPCs, Subnets, PublicIPv4Pools, Accounts}, work...)
}

// Record returns the attributes that add the group's metrics at a time to a log
// record, like [Work]. of are the values of the dimensions, in their order.
// values are by the metrics' names; a metric without a value is left out.
// Record panics if of or values do not fit the group.
func (g *Group) Record(at time.Time, of []string, values map[string]float64) []slog.Attr {
	if len(of) != len(g.Dimensions) {
		panic(fmt.Sprintf("telemetry: %q for the dimensions %q", of, g.Dimensions))
	}
	var attributes []slog.Attr
	dimensions := []string{}
	for i, d := range g.Dimensions {
		dimensions = append(dimensions, d)
		attributes = append(attributes, slog.String(d, of[i]))
	}
	var metrics []metric
	for _, m := range g.Metrics {
		if v, ok := values[m.Name]; ok {
			metrics = append(metrics, metric{m.Name, m.Unit})
			attributes = append(attributes, slog.Float64(m.Name, v))
		}
	}
	if len(metrics) != len(values) {
		panic(fmt.Sprintf("telemetry: %v are not all metrics of a %s", values, g.Of))
	}
	return append(attributes, slog.Any("_aws", metadata{
		Timestamp:         at.UnixMilli(),
		CloudWatchMetrics: []directive{{Namespace, [][]string{dimensions}, metrics}},
	}))
}

// Deployment has the numbers that decide on a deployment's number of metrics.
type Deployment struct {
	Operations, Outcomes int // distinct operations and kinds of work, and outcomes, in a month
	ScopeFamilies        int // scopes' address families with resources or pools
	Pools                int
	PublicRegions        int // IPAMs' Regions with public addresses
	VPCs                 int // in each scope and family, 50 at most; 0 if resources' metrics are off
	Subnets, PublicPools int // the same
}

// Metrics returns the number of metrics that CloudWatch bills.
func (d Deployment) Metrics() int {
	n := d.Outcomes + d.Operations*d.Outcomes + d.Operations + len(Totals.Metrics) + len(Discoveries.Metrics)
	for g, of := range map[*Group]int{Scopes: d.ScopeFamilies, Pools: d.Pools, PublicIPs: d.PublicRegions, VPCs: d.VPCs, Subnets: d.Subnets, PublicIPv4Pools: d.PublicPools} {
		n += of * len(g.Metrics)
	}
	return n
}

// MonthlyPrice returns the list price of a number of metrics for a month, in US
// dollars (Amazon CloudWatch Pricing, "Metrics", us-east-1). Each metric is
// billed for the hours in which it is written, and scans write all of them in
// each hour.
func MonthlyPrice(metrics int) float64 {
	price, below := 0.0, 0
	for _, tier := range []struct {
		metrics int
		each    float64
	}{{10_000, 0.30}, {240_000, 0.10}, {750_000, 0.05}, {metrics, 0.02}} {
		n := min(metrics-below, tier.metrics)
		price += float64(n) * tier.each
		below += n
	}
	return price
}
