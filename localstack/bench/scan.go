package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

// network makes VPCs of /26 with a subnet in each half, in the order of a
// scope. Of ten VPCs, five have an allocation, one claims a custom one, one has
// its CIDR twice, and one is inside a custom allocation.
type network struct{ ids []string }

func newNetwork(resources int) *network {
	n := &network{ids: make([]string, resources)}
	for i := range n.ids {
		n.ids[i] = fmt.Sprintf("%017x", i)
	}
	return n
}

const perVPC = 3

func block(i, length int) netip.Prefix {
	at := 10<<24 + uint32(i)*64
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), length)
}

// rows yields one row for each id. It reuses a ring of rows, because a scan
// keeps no more than a page of its input.
func (n *network) rows(yield func(*ipam.ResourceCIDR, error) bool) {
	ring := make([]ipam.ResourceCIDR, 1024)
	vpc := ""
	for i, id := range n.ids {
		r := &ring[i%len(ring)]
		at := block(i/perVPC, 26)
		switch i % perVPC {
		case 0:
			vpc = id
			r.Resource = ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: at}
		case 1:
			r.Resource = ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: vpc, CIDR: netip.PrefixFrom(at.Addr(), 27)}
		case 2:
			_, upper := ipam.Halves(at)
			r.Resource = ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: vpc, CIDR: upper}
			if i/perVPC%10 == 8 { // a VPC as large as the lower one, instead of the subnet
				r.Resource = ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.PrefixFrom(at.Addr(), 27)}
			}
		}
		r.Owner, r.Region = account, "us-east-1"
		if !yield(r, nil) {
			return
		}
	}
}

func (n *network) allocations(yield func(*ipam.Allocation, error) bool) {
	ring := make([]ipam.Allocation, 1024)
	for i := range len(n.ids) / perVPC {
		id, a := n.ids[i*perVPC], &ring[i%len(ring)]
		*a = ipam.Allocation{Pool: "pool", Taken: ipam.Taken{CIDR: block(i, 26), AllocationID: id, Kind: ipam.KindVPC, Owner: account, ResourceID: id}}
		switch i % 10 {
		case 0, 1, 2, 3, 4:
		case 5:
			a.Kind, a.ResourceID = ipam.KindCustom, ""
		case 6:
			a.Kind, a.ResourceID, a.CIDR = ipam.KindCustom, "", block(i, 25) // of this VPC and the next, as i is even
		default:
			continue
		}
		if !yield(a, nil) {
			return
		}
	}
}

func (n *network) evaluate(pool *ipam.Pool) iter.Seq2[ipam.ResourceStatus, error] {
	return ipam.EvaluateStatuses(n.rows, n.allocations, func(string) *ipam.Pool { return pool })
}

// scan measures the pass over a scope on one core. It measures the making of
// the rows, which replaces reading them, separately.
func scan(_ context.Context, _ *settings) error {
	title("The scan: statuses of a whole scope in one pass, one core")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fmt.Printf("%12s  %10s %10s %14s %14s  %12s\n", "CIDRs", "ms", "ns/CIDR", "s per million", "making, ns", "overlapping")
	pool := &ipam.Pool{Meta: ipam.Meta{ID: "pool"}, Family: ipam.IPv4, Locale: "us-east-1"}
	var each []float64
	var last float64
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		n := newNetwork(size)
		var took, making time.Duration
		overlapping, times := 0, max(3, 3_000_000/size) // so that each row has its share of garbage collection
		for range times {
			start := spent()
			drain(n.rows)
			drain(n.allocations)
			making += spent() - start
			start, overlapping = spent(), 0
			for v, err := range n.evaluate(pool) {
				if err != nil {
					return err
				}
				if v.Status.Overlap == ipam.Overlapping {
					overlapping++
				}
			}
			took += spent() - start
		}
		ns, made := float64(took.Nanoseconds())/float64(times*size), float64(making.Nanoseconds())/float64(times*size)
		last = ns / 1000
		fmt.Printf("%12s  %10.1f %10.0f %14.3f %14.0f  %12s\n", thousands(size), ns*float64(size)/1e6, ns, last, made, thousands(overlapping))
		each = append(each, ns)
	}
	held, err := heldBy(newNetwork(1_000_000).evaluate(pool))
	if err != nil {
		return err
	}
	fmt.Printf("memory held halfway through a million, a page of 1,024 rows included: %d KB, limit 1024 KB\n", held>>10)
	err = growth("a CIDR", 1.3, each)
	if last > 1 {
		err = errors.Join(err, fmt.Errorf("a million CIDRs take %.2f s, more than 1 s", last))
	}
	if held > 1<<20 {
		err = errors.Join(err, fmt.Errorf("the pass holds %d bytes", held))
	}
	return err
}

// drain reads everything and keeps nothing; networks return no errors.
func drain[T any](all iter.Seq2[T, error]) {
	for _, err := range all {
		if err != nil {
			panic(err)
		}
	}
}

// spent returns the processor time of this process.
func spent() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // only a wrong argument is refused
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// heldBy returns the growth of live memory, in bytes, up to the middle of a
// pass over a million rows.
func heldBy(pass iter.Seq2[ipam.ResourceStatus, error]) (held int64, err error) {
	alive := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	n, before := 0, alive()
	for _, err := range pass {
		if err != nil {
			return 0, err
		}
		if n++; n == 500_000 {
			held = alive() - before
		}
	}
	return max(0, held), nil
}

// unchanged measures the table calls of a compliance scan of a scope, and of a
// discovery run of an account in a Region, if nothing has changed since the
// last one.
func unchanged(ctx context.Context, _ *settings) error {
	title("A network in which nothing changed: calls of the table for 1,000 CIDRs")
	fmt.Printf("%12s  %12s %12s  %12s %12s\n", "CIDRs", "scan reads", "writes", "run reads", "writes")
	var failed error
	for _, size := range []int{1000, 10_000, 100_000} {
		db := &counted{Table: &tabletest.Memory{}}
		s := store.New(db, store.Options{Region: "us-east-1"})
		manager, err := s.CreateIPAM(ctx, store.Token{Account: account, Operation: "CreateIpam"}, ipam.IPAM{Meta: ipam.Meta{Owner: account}, Tier: "advanced"})
		if err != nil {
			return err
		}
		var seen []ipam.Resource
		for r, err := range newNetwork(size).rows {
			if err != nil {
				return err
			}
			r.Scope, r.Discovery, r.Rev, r.Status = manager.PrivateScope, manager.Discovery, 1, ipam.Status{}
			seen = append(seen, r.Resource)
			row := items.EncodeResource(r)
			found := items.EncodeFound(&ipam.Found{Resource: r.Resource, Discovery: r.Discovery, Targets: []ipam.Target{{IPAM: manager.ID, Scope: r.Scope}}, Rev: 1})
			if err := db.Transact(ctx, []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}, {Op: table.OpPut, Key: found.Key, Item: found.Item}}); err != nil {
				return err
			}
		}
		measure := func(look func(at int64) error) (reads, writes int64, err error) {
			for at := range int64(2) { // the first run writes the resources
				db.reads.Store(0)
				db.writes.Store(0)
				if err := look(1 + at); err != nil {
					return 0, 0, err
				}
			}
			return db.reads.Load(), db.writes.Load(), nil
		}
		scanReads, scanWrites, err := measure(func(int64) error {
			for _, err := range s.EvaluateAll(ctx, manager.PrivateScope, ipam.IPv4, netip.Prefix{}) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		runReads, runWrites, err := measure(func(at int64) error { return look(ctx, s, manager.Discovery, seen, at) })
		if err != nil {
			return err
		}
		per := func(n int64) float64 { return float64(n) * 1000 / float64(size) }
		fmt.Printf("%12s  %12.2f %12.2f  %12.2f %12.2f\n", thousands(size), per(scanReads), per(scanWrites), per(runReads), per(runWrites))
		if scanWrites > 0 {
			failed = errors.Join(failed, errors.New("a scan of an unchanged scope writes"))
		}
		if runWrites != 1 { // the progress of the discovery
			failed = errors.Join(failed, fmt.Errorf("a run over an unchanged network makes %d writes", runWrites))
		}
	}
	return failed
}

// look makes the table calls of a run of functions/discovery that sees known
// resources, at a time in Unix milliseconds.
func look(ctx context.Context, s *store.Store, discovery string, seen []ipam.Resource, at int64) error {
	discoveries, err := s.Discoveries(ctx, []string{discovery})
	if err != nil {
		return err
	}
	if _, err := s.IPAMs(ctx, discoveries[0].IPAMs); err != nil {
		return err
	}
	var found []*ipam.Found
	for after := ""; ; {
		some, next, err := s.Found(ctx, discovery, "us-east-1", account, after, 0)
		if err != nil {
			return err
		}
		found = append(found, some...)
		if after = next; after == "" {
			break
		}
	}
	if changed, gone := discover.Diff(found, seen, discoveries[0].IPAMs); len(changed)+len(gone) > 0 {
		return fmt.Errorf("%d CIDRs seem to have changed, %d to be gone", len(changed), len(gone))
	}
	return s.SaveDiscoveredAccount(ctx, &ipam.DiscoveredAccount{Discovery: discovery, Region: "us-east-1", Account: account, Attempted: at, Succeeded: at})
}

// metrics prints how many metrics deployments have, and their list price.
func metrics(context.Context, *settings) error {
	title("Metrics of CloudWatch and their list price a month, with and without those of resources")
	fmt.Printf("%-58s  %8s %10s  %8s %10s\n", "deployment", "metrics", "USD", "with", "USD")
	for _, d := range []struct {
		name string
		telemetry.Deployment
		vpcs, subnets, pools int
	}{
		{"one team: 3 pools, 1 Region, 10 VPCs", telemetry.Deployment{Operations: 10, Outcomes: 2, ScopeFamilies: 2, Pools: 3, PublicRegions: 1}, 10, 30, 0},
		{"an organisation: 30 pools, 4 Regions, 300 VPCs", telemetry.Deployment{Operations: 20, Outcomes: 4, ScopeFamilies: 4, Pools: 30, PublicRegions: 4}, 50, 50, 2},
		{"at the quotas: 5 scopes, 250 pools, 20 Regions, 50,000 VPCs", telemetry.Deployment{Operations: 45, Outcomes: 6, ScopeFamilies: 10, Pools: 250, PublicRegions: 20}, 10 * 50, 5 * 50, 50},
	} {
		off := d.Metrics()
		d.VPCs, d.Subnets, d.PublicPools = d.vpcs, d.subnets, d.pools
		on := d.Metrics()
		fmt.Printf("%-58s  %8s %10.2f  %8s %10.2f\n", d.name, thousands(off), telemetry.MonthlyPrice(off), thousands(on), telemetry.MonthlyPrice(on))
	}
	return nil
}
