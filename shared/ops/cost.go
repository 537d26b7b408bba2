package ops

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// IpamCost compares the price of Amazon VPC IPAM for the network of an IPAM with an estimate
// of the cost of Cadastre. A member that cannot be computed is nil.
type IpamCost struct {
	ActiveAddresses                         *int64
	UsdPerActiveAddressHour, HoursPerMonth  *float64
	VpcIpamUsdPerMonth, CadastreUsdPerMonth *float64
	Basis                                   *string // how the numbers are computed
}

// The list price of the Advanced Tier (Amazon VPC Pricing, "IP Address Manager"), and the
// month of its example: 30 days.
const (
	vpcIPAMPrice  = 0.00027 // USD an active address and hour
	hoursPerMonth = 30 * 24
)

// deploymentLoad has the numbers that decide on the cost of Cadastre.
type deploymentLoad struct {
	scopeFamilies int   // with resources or pools
	pools, blocks int64 // blocks: taken ones
	resources     int64 // CIDRs, without interfaces
	addresses     int64 // of interfaces
	accounts      int64 // accounts × Regions
	publicRegions int64
}

// Prices of us-east-1 in US dollars, without free tiers (pricing pages of the services,
// November 2025; functions on arm64).
const (
	usdPerReadUnit  = 0.125e-6
	usdPerWriteUnit = 0.625e-6
	usdPerGBMonth   = 0.25 + 0.20 // storage of the table, and its backups
	usdPerGBSecond  = 0.0000133334
	usdPerInvoke    = 0.2e-6
	usdPerMessage   = 3 * 0.4e-6 // sent, received and deleted
	usdPerAlarm     = 0.10
)

// The work of a deployment with default settings.
const (
	alarmCount         = 48  // infra/README.md lists them
	functionGB         = 0.5 // memory of the functions of discovery and scans
	discoveryPerMonth  = 30 * 24 * 60 / 5
	scansPerMonth      = 30 * 24 * 60 / 15
	secondsOfDiscovery = 2.0 // of one account in one Region: it waits for EC2's answers
	secondsOfScan      = 1.0 // and rowSeconds for each row
	rowSeconds         = 5e-6
	rowKB              = 0.6 // of an item of a resource or block
	usualOperations    = 20  // that have metrics
	usualOutcomes      = 3
)

// monthly estimates the cost of 30 days in US dollars, of the work that goes on when nobody
// calls. It leaves out requests, changes of the network, and logs.
func (l deploymentLoad) monthly() float64 {
	const readKB = 4 // of a read unit
	rows := float64(l.resources + l.addresses)
	metrics := telemetry.Deployment{
		Operations: usualOperations, Outcomes: usualOutcomes, ScopeFamilies: l.scopeFamilies, Pools: int(l.pools), PublicRegions: int(l.publicRegions),
	}.Metrics()
	usd := telemetry.MonthlyPrice(metrics) + alarmCount*usdPerAlarm

	runs := discoveryPerMonth * float64(l.accounts)
	usd += runs * (secondsOfDiscovery*functionGB*usdPerGBSecond + usdPerInvoke + usdPerMessage + 2*usdPerWriteUnit)
	usd += discoveryPerMonth * rows * rowKB / readKB * usdPerReadUnit

	scans := float64(scansPerMonth * (l.scopeFamilies + 1))
	scanned := rows + 2*float64(l.blocks) // for the statuses and for the usage
	usd += scans * (secondsOfScan*functionGB*usdPerGBSecond + usdPerInvoke + usdPerMessage)
	usd += scansPerMonth * scanned * (rowSeconds*functionGB*usdPerGBSecond + rowKB/readKB*usdPerReadUnit)

	stored := 2*rows + 2*float64(l.blocks) // as found and in the scope; the block and its by-id item
	return usd + stored*rowKB/(1<<20)*usdPerGBMonth
}

// costOf returns the costs for the network of an IPAM, which a scan has counted.
func costOf(sum items.Summary) *IpamCost {
	n := sum.Network.Of
	load := deploymentLoad{addresses: n.ActiveAddresses, accounts: n.Accounts, publicRegions: n.PublicRegions}
	for _, s := range sum.Scopes {
		load.pools += s.Of.Pools
		load.blocks += s.Of.Blocks
		load.resources += s.Of.Resources
		if s.Of.Resources+s.Of.Pools > 0 {
			load.scopeFamilies++
		}
	}
	cents := func(usd float64) *float64 { usd = math.Round(100*usd) / 100; return &usd }
	price, hours := vpcIPAMPrice, float64(hoursPerMonth)
	basis := fmt.Sprintf("Amazon VPC IPAM: %s active addresses × %d hours × %v USD, the list price of the Advanced Tier. Cadastre: an estimate of the work that goes on when nobody calls, for 30 days at list prices of us-east-1 without free tiers: the metrics and alarms, a discovery of %s accounts × Regions each 5 minutes, and scans of %s resources and %s pools each 15 minutes. Requests, changes of the network, and logs come on top.",
		grouped(n.ActiveAddresses), hoursPerMonth, vpcIPAMPrice, grouped(n.Accounts), grouped(load.resources), grouped(load.pools))
	return &IpamCost{
		ActiveAddresses: &n.ActiveAddresses, UsdPerActiveAddressHour: &price, HoursPerMonth: &hours,
		VpcIpamUsdPerMonth: cents(float64(n.ActiveAddresses) * hours * price), CadastreUsdPerMonth: cents(load.monthly()), Basis: &basis,
	}
}

// grouped writes a number that is not negative with commas.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}
