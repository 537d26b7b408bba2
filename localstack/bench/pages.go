package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// The space whose pages are measured: pools of /18 out of a /8, each with allocations of
// /28, and VPCs on half of these.
const (
	pagePools       = 1000
	pageAllocations = 100 // of a pool
	pageResources   = 50_000
	mapAllocations  = 1_000_000
)

// The limits of a page.
const (
	pageLimit   = time.Second
	answerLimit = 200 << 10 // bytes of a map's answer
)

// The time that a call of the table takes, as DynamoDB does in its Region: a call, and each
// row of its answer.
const (
	callTime = 5 * time.Millisecond
	rowTime  = 10 * time.Microsecond
)

// distant is a table that counts its reads and answers as late as DynamoDB.
type distant struct {
	table.Table
	calls, rows atomic.Int64
}

func (d *distant) wait(rows int) {
	d.calls.Add(1)
	d.rows.Add(int64(rows))
	time.Sleep(callTime + time.Duration(rows)*rowTime)
}

func (d *distant) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	found, err := d.Table.BatchGet(ctx, keys)
	d.wait(len(keys))
	return found, err
}

func (d *distant) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	rows, next, err := d.Table.Query(ctx, q)
	d.wait(len(rows))
	return rows, next, err
}

// pageSpace is the space in a table.
type pageSpace struct {
	memory tabletest.Memory
	now    time.Time
	store  *store.Store
	scope  string
	ipam   *ipam.IPAM
	top    string
	pools  []string
}

func pageStore(t table.Table, now *time.Time) *store.Store {
	q := ipam.DefaultQuotas()
	q.PoolsPerScope = 2 * pagePools
	return store.New(t, store.Options{Region: "us-east-1", Owner: account, Quotas: &q, Now: func() time.Time { return *now }})
}

func newPageSpace(ctx context.Context) (*pageSpace, error) {
	p := &pageSpace{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	p.store = pageStore(&p.memory, &p.now)
	var err error
	if p.ipam, err = p.store.CreateIPAM(ctx, store.Token{Account: account, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: account, Region: "us-east-1"}, OperatingRegions: []string{"us-east-1"}, Tier: "advanced"}); err != nil {
		return nil, err
	}
	p.scope = p.ipam.PrivateScope
	if p.top, err = p.addPool(ctx, "", netip.MustParsePrefix("10.0.0.0/8")); err != nil {
		return nil, err
	}
	for i := range pagePools {
		at := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 2), byte(i << 6), 0}), 18)
		id, err := p.addPool(ctx, p.top, at)
		if err != nil {
			return nil, err
		}
		p.pools = append(p.pools, id)
		for range pageAllocations {
			if _, err := allocate(ctx, p.store, id); err != nil {
				return nil, err
			}
		}
	}
	return p, errors.Join(p.addResources(ctx), p.scan(ctx), p.store.BeginPast(ctx))
}

func (p *pageSpace) addPool(ctx context.Context, source string, cidr netip.Prefix) (string, error) {
	o := ipam.Pool{Scope: p.scope, Family: ipam.IPv4, SourcePool: source, Meta: ipam.Meta{Tags: ipam.Tags{"Name": "pool of " + cidr.String()}, Description: "The pool of a team in one of its Regions"}}
	pool, err := p.store.CreatePool(ctx, store.Token{Account: account, Operation: "CreateIpamPool"}, o, func(*ipam.IPAM, *ipam.Scope, *ipam.Pool, *ipam.Pool) error { return nil })
	if err != nil {
		return "", err
	}
	_, err = p.store.Provision(ctx, store.Provision{Token: store.Token{Account: account, Operation: "ProvisionIpamPoolCidr"}, Pool: pool.ID, CIDR: cidr,
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }})
	return pool.ID, err
}

// addResources puts VPCs into the table, each with the CIDR of an allocation.
func (p *pageSpace) addResources(ctx context.Context) error {
	n := 0
	for _, pool := range p.pools {
		allocations, _, err := p.store.Allocations(ctx, pool, "", 0)
		if err != nil {
			return err
		}
		for _, a := range allocations[:pageResources/pagePools] {
			n++
			id := fmt.Sprintf("vpc-%017x", n)
			row := items.EncodeResource(&ipam.ResourceCIDR{Scope: p.scope, Discovery: p.ipam.Discovery, Rev: 1, Since: p.now.UnixMilli(), Sampled: p.now.UnixMilli(),
				Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: a.CIDR, Owner: fmt.Sprintf("%012d", n%300), Region: "us-east-1", Name: fmt.Sprint("payments-", n), Tags: ipam.Tags{"team": "net"}},
				Status:   ipam.Status{Management: ipam.Managed, Compliance: ipam.Compliant, Overlap: ipam.Nonoverlapping, Pool: pool, Allocation: a.AllocationID}})
			if err := p.memory.Transact(ctx, []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan saves the results of a scan: the map, the samples, and the summary.
func (p *pageSpace) scan(ctx context.Context) error {
	sum, _, err := p.store.SumSpace(ctx, p.scope, ipam.IPv4, func() bool { return false })
	if err != nil {
		return err
	}
	if err := p.store.SaveSpaceMap(ctx, p.scope, ipam.IPv4, p.now, sum); err != nil {
		return err
	}
	numbers := ipam.ScopeSummary{Resources: pageResources, Compliant: pageResources, Managed: pageResources, Pools: pagePools + 1}
	usages := map[string]ipam.Usage{}
	var pools []ipam.PoolSummary
	for _, id := range append([]string{p.top}, p.pools...) {
		if usages[id], err = p.store.Usage(ctx, id); err != nil {
			return err
		}
		pools = append(pools, ipam.PoolSummary{Pool: id, Usage: usages[id]})
	}
	numbers.Urgent = ipam.UrgentPools(pools)
	if _, err := p.store.SaveSamples(ctx, usages); err != nil {
		return err
	}
	return errors.Join(p.store.SaveScopeSummary(ctx, p.ipam.ID, p.scope, ipam.IPv4, p.now, numbers), p.store.SaveNetworkSummary(ctx, p.ipam.ID, p.now, ipam.NetworkSummary{ActiveAddresses: 400_000, Accounts: 300}))
}

// pageCall is a call that a page makes.
type pageCall struct {
	name  string
	in    any
	limit int // of the answer's bytes; 0: none
}

func (p *pageSpace) calls() []pageCall {
	pool, ago := &p.pools[pagePools/2], p.now
	p.now = p.now.Add(time.Minute)
	return []pageCall{
		{"home: GetIpamSummary", &ops.GetIpamSummaryInput{}, 50 << 10},
		{"pools: DescribeIpamPools, 1,000", &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(1000)}, 0},
		{"pools: GetIpamPoolUtilization, 100 pools", &ops.GetIpamPoolUtilizationInput{IpamPoolIds: p.pools[:100]}, 0},
		{"pool: GetIpamPoolAllocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: pool, MaxResults: aws.Int32(1000)}, 0},
		{"pool: GetIpamPoolUtilization", &ops.GetIpamPoolUtilizationInput{IpamPoolIds: []string{*pool}}, 0},
		{"map: GetIpamSpaceMap of the scope", &ops.GetIpamSpaceMapInput{IpamScopeId: &p.scope}, answerLimit},
		{"map: GetIpamSpaceMap of a /12", &ops.GetIpamSpaceMapInput{IpamScopeId: &p.scope, Cidr: aws.String("10.16.0.0/12")}, answerLimit},
		{"map: GetIpamSpaceMap of a pool", &ops.GetIpamSpaceMapInput{IpamPoolId: pool}, answerLimit},
		{"map: GetIpamSpaceMap of a pool, in the past", &ops.GetIpamSpaceMapInput{IpamPoolId: pool, AtTime: &ago}, answerLimit},
		{"resources: GetIpamResourceCidrs, 100", &ec2.GetIpamResourceCidrsInput{IpamScopeId: &p.scope, MaxResults: aws.Int32(100)}, 0},
		{"search: SearchIpam for an address", &ops.SearchIpamInput{Text: aws.String("10.64.0.17")}, 0},
		{"search: SearchIpam for an id", &ops.SearchIpamInput{Text: pool}, 0},
		{"search: SearchIpam for a name, first page", &ops.SearchIpamInput{Text: aws.String("payments-1"), MaxResults: aws.Int32(20)}, 0},
	}
}

// pages measures the calls of the console's pages: their time on a table that answers like
// DynamoDB, their reads, and the size of their answers.
func pages(ctx context.Context, _ *settings) error {
	title(fmt.Sprintf("The console's calls with %s allocations in %s pools and %s resources", thousands(pagePools*pageAllocations), thousands(pagePools), thousands(pageResources)))
	fmt.Printf("on the table in memory; each call of it takes %s, and %s for each row\n", callTime, rowTime)
	p, err := newPageSpace(ctx)
	if err != nil {
		return err
	}
	far := &distant{Table: &p.memory}
	auth := registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil)
	r := ops.New(pageStore(far, &p.now), auth)
	caller := registry.WithCaller(ctx, registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/admin"})
	fmt.Printf("%-46s  %10s %10s  %8s %8s %10s\n", "page: call", "median ms", "worst ms", "calls", "rows", "answer KB")
	var failed error
	for _, c := range p.calls() {
		failed = errors.Join(failed, measurePage(caller, r, far, c))
	}
	return errors.Join(failed, largeMap(ctx))
}

func measurePage(ctx context.Context, r *registry.Registry, far *distant, c pageCall) error {
	const times = 9
	var took []time.Duration
	var size int
	far.calls.Store(0)
	far.rows.Store(0)
	_, name, _ := strings.Cut(c.name, ": ")
	name = strings.TrimRight(strings.Fields(name)[0], ",")
	for range times {
		start := time.Now()
		out, err := r.Call(ctx, name, c.in)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		body, err := awsjson.Encode(name, out)
		if err != nil {
			return err
		}
		took, size = append(took, time.Since(start)), len(body)
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	median := took[times/2]
	fmt.Printf("%-46s  %10.1f %10.1f  %8d %8s %10.1f\n", c.name, ms(median), ms(took[times-1]), far.calls.Load()/times, thousands(int(far.rows.Load())/times), float64(size)/1024)
	switch {
	case median > pageLimit:
		return fmt.Errorf("%s takes %s, more than %s", c.name, median, pageLimit)
	case c.limit > 0 && size > c.limit:
		return fmt.Errorf("the answer of %s has %d bytes, more than %d", c.name, size, c.limit)
	}
	return nil
}

// largeMap measures the first picture of the map of a scope with a million allocations: in a
// thousand pools, every other /29 of a /8.
func largeMap(ctx context.Context) error {
	p := &pageSpace{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	p.store = pageStore(&p.memory, &p.now)
	manager, err := p.store.CreateIPAM(ctx, store.Token{Account: account, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: account, Region: "us-east-1"}, OperatingRegions: []string{"us-east-1"}, Tier: "advanced"})
	if err != nil {
		return err
	}
	p.scope = manager.PrivateScope
	var sum ipam.SpaceSum
	block := func(i, length int, state ipam.SpaceState, kind ipam.Kind, child string) {
		at := 10<<24 + uint32(i)*8
		sum.AddBlock(&ipam.SpaceBlock{State: state, Taken: ipam.Taken{CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), length), Kind: kind, ResourceID: child}})
	}
	const perPool = 1024
	start := time.Now()
	for i := range mapAllocations {
		if i%perPool == 0 {
			block(2*i, 18, ipam.SpacePool, ipam.KindPool, fmt.Sprintf("ipam-pool-%017x", i))
		}
		block(2*i, 29, ipam.SpaceAllocated, ipam.KindCustom, "")
		block(2*i+1, 29, ipam.SpaceFree, "", "")
	}
	if err := p.store.SaveSpaceMap(ctx, p.scope, ipam.IPv4, p.now, &sum); err != nil {
		return err
	}
	fmt.Printf("\nThe map of a scope with %s allocations: a scan adds it up and saves it in %s\n", thousands(mapAllocations), time.Since(start).Round(time.Millisecond))
	far := &distant{Table: &p.memory}
	r := ops.New(pageStore(far, &p.now), registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	caller := registry.WithCaller(ctx, registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/admin"})
	return errors.Join(
		measurePage(caller, r, far, pageCall{"map: GetIpamSpaceMap of the scope", &ops.GetIpamSpaceMapInput{IpamScopeId: &p.scope}, answerLimit}),
		measurePage(caller, r, far, pageCall{"map: GetIpamSpaceMap of a /12", &ops.GetIpamSpaceMapInput{IpamScopeId: &p.scope, Cidr: aws.String("10.16.0.0/12")}, answerLimit}),
	)
}
