package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/localtable"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// counted is a table that counts its calls and lost races.
type counted struct {
	table.Table
	reads, writes, lost atomic.Int64
}

func (c *counted) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	c.reads.Add(1)
	return c.Table.BatchGet(ctx, keys)
}

func (c *counted) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	c.reads.Add(1)
	return c.Table.Query(ctx, q)
}

func (c *counted) Transact(ctx context.Context, writes []table.Write) error {
	c.writes.Add(1)
	err := c.Table.Transact(ctx, writes)
	if _, ok := errors.AsType[*table.ConditionError](err); ok || errors.Is(err, table.ErrConflict) {
		c.lost.Add(1)
	}
	return err
}

// dynamoDB measures the whole operation on DynamoDB Local: allocations a second
// and their cost, with one client and with 32 in one pool. The 32 are
// goroutines of one process, which shares its contention window, or have one
// store each, like function instances.
func dynamoDB(ctx context.Context, o *settings) error {
	title("The whole operation on DynamoDB Local, /28s from one /8")
	if o.dynamo == "" {
		return errors.New("no DynamoDB Local: give -dynamodb or CADASTRE_DYNAMODB_LOCAL_URL")
	}
	fmt.Printf("%12s %8s %10s  %8s %8s %8s  %10s %10s %12s\n", "held", "clients", "processes", "per s", "median", "p99", "reads/op", "writes/op", "conflicts/op")
	client := localtable.Client(o.dynamo)
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	if err := localtable.Create(ctx, client, name); err != nil {
		return err
	}
	defer func() { _ = localtable.Drop(context.WithoutCancel(ctx), client, name) }()
	table := &counted{Table: table.NewDynamo(client, name)}
	alone := store.New(table, store.Options{Region: "us-east-1"})
	pool, err := newPool(ctx, alone, netip.MustParsePrefix("10.0.0.0/8"))
	if err != nil {
		return err
	}
	held := 0
	var calls []float64
	for _, want := range []int{10, 1000, 10_000} {
		for ; held < want; held++ {
			if _, err := allocate(ctx, alone, pool); err != nil {
				return err
			}
		}
		for _, load := range []struct{ clients, processes int }{{1, 1}, {32, 1}, {32, 32}} {
			clients := load.clients
			stores := make([]*store.Store, load.processes)
			for i := range stores {
				stores[i] = store.New(table, store.Options{Region: "us-east-1"})
			}
			r, err := together(ctx, stores, clients, pool, o.span, table)
			if err != nil {
				return err
			}
			n := float64(len(r.taken))
			fmt.Printf("%12s %8d %10d  %8.0f %6.1fms %6.1fms  %10.2f %10.2f %12.2f\n", thousands(want), clients, load.processes, n/r.spent.Seconds(),
				r.quantile(0.5), r.quantile(0.99), float64(r.reads)/n, float64(r.writes)/n, float64(r.lost)/n)
			if clients == 1 {
				calls = append(calls, float64(r.reads+r.writes)/n)
			}
			if err := giveBack(ctx, alone, r.taken); err != nil {
				return err
			}
		}
	}
	return flat("calls per allocation of one client", 1.05, calls)
}

type result struct {
	taken               []*ipam.Allocation
	latencies           []time.Duration // ascending
	spent               time.Duration
	reads, writes, lost int64
}

func (r *result) quantile(q float64) float64 {
	return float64(r.latencies[int(q*float64(len(r.latencies)-1))].Microseconds()) / 1000
}

// together runs clients, spread over the stores, for a span of time.
func together(ctx context.Context, stores []*store.Store, clients int, pool string, span time.Duration, table *counted) (*result, error) {
	var r result
	var mu sync.Mutex
	var all sync.WaitGroup
	var failure error
	reads, writes, lost := table.reads.Load(), table.writes.Load(), table.lost.Load()
	start := time.Now()
	for i := range clients {
		s := stores[i%len(stores)]
		all.Go(func() {
			for time.Since(start) < span {
				before := time.Now()
				a, err := allocate(ctx, s, pool)
				mu.Lock()
				if err != nil {
					failure = errors.Join(failure, err)
					mu.Unlock()
					return
				}
				r.taken = append(r.taken, a)
				r.latencies = append(r.latencies, time.Since(before))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	r.spent = time.Since(start)
	r.reads, r.writes, r.lost = table.reads.Load()-reads, table.writes.Load()-writes, table.lost.Load()-lost
	slices.Sort(r.latencies)
	return &r, failure
}

// giveBack releases allocations.
func giveBack(ctx context.Context, s *store.Store, taken []*ipam.Allocation) error {
	for _, a := range taken {
		if err := release(ctx, s, a); err != nil {
			return err
		}
	}
	return nil
}
