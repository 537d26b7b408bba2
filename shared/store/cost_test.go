package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// costLab is a store that counts, with one pool.
type costEnv struct {
	*testing.T
	store *store.Store
	calls *tabletest.Counter
	pool  string
	n     int
}

func newCostEnv(t *testing.T, cidrs ...string) *costEnv {
	l := &costEnv{T: t, calls: &tabletest.Counter{Table: &tabletest.Memory{}}}
	l.store = store.New(l.calls, store.Options{Region: "us-east-1"})
	ctx := t.Context()
	above := must(l.store.CreateIPAM(ctx, token("CreateIpam", "1"), ipam.IPAM{Meta: ipam.Meta{Owner: ownerAccount}}))(t)
	l.pool = must(l.store.CreatePool(ctx, token("CreateIpamPool", "1"), ipam.Pool{Scope: above.PrivateScope, Family: ipam.IPv4}, buildPool))(t).ID
	for _, cidr := range cidrs {
		must(l.store.Provision(ctx, provision(l.pool, cidr, cidr, 0)))(t)
	}
	l.calls.Take()
	return l
}

// allocate takes blocks of the given lengths, each with the token, description
// and tags of a usual request, and returns the cost of the last one.
func (l *costEnv) allocate(lengths ...int) (last tabletest.Cost, taken []*ipam.Allocation) {
	l.Helper()
	for _, length := range lengths {
		l.n++
		q := allocation(l.pool, fmt.Sprintf("terraform-20260101000000000000%08d", l.n), byLength(length))
		q.Description = "vpc-prod-osaka-payments-0123"
		q.Tags = ipam.Tags{"Name": "payments", "CostCenter": "4711", "Environment": "production"}
		l.calls.Take()
		taken = append(taken, must(l.store.Allocate(l.Context(), q))(l.T))
		last = l.calls.Take()
	}
	return last, taken
}

var oneAllocation = tabletest.Cost{BatchGets: 1, Keys: 2, Queries: 1, Rows: 1, Transactions: 1}

// calls is a cost without the numbers that depend on the block that was split.
func calls(c tabletest.Cost) tabletest.Cost {
	c.Writes, c.WriteUnits = 0, 0
	return c
}

// An allocation by length costs one batch-get (the pool and the by-id item),
// one query and one transaction. The transaction deletes the free block that it
// splits, and writes the siblings, the taken block and the by-id item: over
// many, as many siblings as free blocks were deleted, but for the difference of
// the free blocks that are there in the end and were there in the beginning.
// So a pool that is filled costs less than 4 items of 2 write units for each
// allocation, and one that is half full some units more in all.
//
// There is no index: the table has its keys (AttrPK, AttrSK) and nothing else,
// so index units are 0 of the 2 that would be allowed.
func TestCostOfAllocatingByLength(t *testing.T) {
	many := sized(10_000, 1_000)
	for _, mix := range []struct {
		name    string
		lengths []int // in turn
	}{
		{"28 only", []int{28}},
		{"24 only", []int{24}},
		{"24 to 28 in turn", []int{24, 25, 26, 27, 28}},
		{"24 to 28, small ones mostly", []int{28, 28, 27, 28, 26, 28, 27, 24, 28, 25}},
		{"28, then 26", append(slices.Repeat([]int{28}, 12), slices.Repeat([]int{26}, 8)...)},
	} {
		total := 0 // addresses
		for i := range many {
			total += 1 << (32 - mix.lengths[i%len(mix.lengths)])
		}
		for _, pool := range []struct {
			name  string
			cidrs []string
		}{
			{"filled", cover(total)},
			{"a part of an 8", []string{"10.0.0.0/8"}},
		} {
			t.Run(mix.name+", "+pool.name, func(t *testing.T) {
				t.Parallel()
				l := newCostEnv(t, pool.cidrs...)
				writes, units := 0, 0
				for i := range many {
					cost, _ := l.allocate(mix.lengths[i%len(mix.lengths)])
					if calls(cost) != oneAllocation {
						t.Fatalf("allocation %d cost %+v, want the calls %+v", i, cost, oneAllocation)
					}
					writes += cost.Writes
					units += cost.WriteUnits
				}
				free, _, err := l.calls.Query(t.Context(), table.Query{PK: items.FreeKey(ipam.SpaceID(l.pool), netip.Prefix{}).PK})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%-28s %-15s %.4f items, %.4f write units on average of %d; index units 0", mix.name, pool.name, float64(writes)/float64(many), float64(units)/float64(many), many)
				if want := 4*many + len(free) - len(pool.cidrs); writes != want || units != 2*want {
					t.Errorf("%d items and %d write units, want %d and %d", writes, units, want, 2*want)
				}
				if pool.name == "filled" && (len(free) > 0 || units > 8*many) {
					t.Errorf("%d write units for %d allocations, want at most 8 each; %d blocks are free, want none", units, many, len(free))
				}
			})
		}
	}
}

// cover returns CIDRs of n addresses in all, largest first.
func cover(n int) (cidrs []string) {
	next := uint32(10 << 24) // 10.0.0.0
	for bit := 31; bit >= 0; bit-- {
		if n&(1<<bit) != 0 {
			a := netip.AddrFrom4([4]byte{byte(next >> 24), byte(next >> 16), byte(next >> 8), byte(next)})
			cidrs = append(cidrs, netip.PrefixFrom(a, 32-bit).String())
			next += 1 << bit
		}
	}
	return cidrs
}

// The calls of a request are as many however much the pool holds.
func TestCostIsTheSameAtAnySize(t *testing.T) {
	l := newCostEnv(t, "10.0.0.0/8")
	type costs struct{ byLength, byCIDR, release, page tabletest.Cost }
	var first costs
	held := 0
	for _, want := range []int{10, 1_000, sized(100_000, 2_000)} {
		for ; held < want; held++ {
			l.allocate(28)
		}
		var have costs
		var taken []*ipam.Allocation
		have.byLength, taken = l.allocate(28)
		must(0, l.store.Release(l.Context(), release(taken[0])))(t)
		have.release = l.calls.Take()
		cidr := allocation(l.pool, fmt.Sprint("cidr ", held), byCIDR("10.200.0.0/28"))
		a := must(l.store.Allocate(l.Context(), cidr))(t)
		have.byCIDR = l.calls.Take()
		must(0, l.store.Release(l.Context(), release(a)))(t)
		l.calls.Take()
		if _, _, err := l.store.Allocations(l.Context(), l.pool, "", 10); err != nil {
			t.Fatal(err)
		}
		have.page = l.calls.Take()
		t.Logf("%7d held: by length %+v", held, have.byLength)
		t.Logf("%7d held: by CIDR   %+v", held, have.byCIDR)
		t.Logf("%7d held: release   %+v", held, have.release)
		for name, cost := range map[string][2]tabletest.Cost{
			"by length": {have.byLength, first.byLength}, "by CIDR": {have.byCIDR, first.byCIDR},
			"release": {have.release, first.release}, "a page": {have.page, first.page},
		} {
			if first != (costs{}) && calls(cost[0]) != calls(cost[1]) {
				t.Errorf("at %d held, %s costs %+v; with few it cost %+v", held, name, cost[0], cost[1])
			}
		}
		if first == (costs{}) {
			first = have
		}
	}
	for name, cost := range map[string]struct{ have, want tabletest.Cost }{
		"by length": {first.byLength, oneAllocation},
		"by CIDR":   {first.byCIDR, tabletest.Cost{BatchGets: 1, Keys: 2 + 29, Transactions: 1}},
		"release":   {first.release, tabletest.Cost{BatchGets: 1, Keys: 3 + 8, Queries: 2, Transactions: 1}}, // the queries look for resources there
		"a page":    {first.page, tabletest.Cost{Queries: 1, Rows: 10}},
	} {
		if calls(cost.have) != cost.want {
			t.Errorf("%s costs %+v, want the calls %+v", name, cost.have, cost.want)
		}
	}
}

// An allocation from another account's pool costs one item more, which lists it
// under its account, and no call; its pool's owner pays nothing for that it
// could be shared.
func TestCostOfAllocatingFromAnothersPool(t *testing.T) {
	l := newCostEnv(t, "10.0.0.0/24")
	must(0, l.store.PutShare(l.Context(), l.pool, otherAccount, anyPool))(t)
	own, _ := l.allocate(25, 26)
	l.calls.Take()
	a := must(l.store.Allocate(l.Context(), byGuest(l.pool, "n")))(t)
	others := l.calls.Take()
	if calls(own) != oneAllocation || calls(others) != oneAllocation || own.Writes != 4 || others.Writes != 5 || others.WriteUnits != 10 {
		t.Errorf("the owner's /26 costs %+v, another's /27 %+v, want the calls %+v, 4 and 5 items", own, others, oneAllocation)
	}
	found, _, err := l.store.ForeignAllocations(l.Context(), otherAccount, l.pool, "", 10)
	if want := (tabletest.Cost{Queries: 1, Rows: 1, BatchGets: 1, Keys: 1}); err != nil || len(found) != 1 || l.calls.Take() != want {
		t.Errorf("listing it: %v, %v, want the cost %+v", found, err, want)
	}
	must(0, l.store.Release(l.Context(), release(a)))(t)
	if cost := l.calls.Take(); cost.Transactions != 1 || cost.BatchGets != 1 {
		t.Errorf("releasing it costs %+v", cost)
	}
}

// A deep block costs more items, not more calls: a /28 out of an empty /8
// splits twenty times, once.
func TestCostOfTheFirstSplit(t *testing.T) {
	l := newCostEnv(t, "10.0.0.0/8")
	cost, _ := l.allocate(28)
	if want := (tabletest.Cost{BatchGets: 1, Keys: 2, Queries: 1, Rows: 1, Transactions: 1, Writes: 1 + 20 + 2, WriteUnits: 2 * (1 + 20 + 2)}); cost != want {
		t.Errorf("the first /28 of a /8 cost %+v, want %+v", cost, want)
	}
	cost, _ = l.allocate(28) // its buddy: nothing to split
	if want := (tabletest.Cost{BatchGets: 1, Keys: 2, Queries: 1, Rows: 1, Transactions: 1, Writes: 3, WriteUnits: 6}); cost != want {
		t.Errorf("the second cost %+v, want %+v", cost, want)
	}
}

// overlapSet is a table whose batch-gets wait until a query has begun, and whose
// queries wait until a batch-get has: a store that reads one after the other
// never gets an answer.
type sideBySide struct {
	table.Table
	batchGet, query chan struct{}
}

func (m *sideBySide) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	if err := meet(ctx, m.batchGet, m.query); err != nil {
		return nil, fmt.Errorf("no query beside the batch-get: %w", err)
	}
	return m.Table.BatchGet(ctx, keys)
}

func (m *sideBySide) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	if err := meet(ctx, m.query, m.batchGet); err != nil {
		return nil, "", fmt.Errorf("no batch-get beside the query: %w", err)
	}
	return m.Table.Query(ctx, q)
}

// meet says that one side has begun, and waits for the other.
func meet(ctx context.Context, here, there chan struct{}) error {
	close(here)
	select {
	case <-there:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Second):
		return context.DeadlineExceeded
	}
}

func TestReadsOfAnAllocationRunSideBySide(t *testing.T) {
	l := newPoolEnv(t)
	table := &sideBySide{Table: l.table, batchGet: make(chan struct{}), query: make(chan struct{})}
	a := must(l.store(table).Allocate(t.Context(), allocation(l.top, "n", byLength(24))))(t)
	if want := netip.MustParsePrefix("10.0.1.0/24"); a.CIDR != want {
		t.Errorf("the allocation is %s, want %s", a.CIDR, want)
	}
}

// metered asks DynamoDB for the capacity that its transactions consume.
type metered struct {
	table.DynamoAPI
	units float64
}

func (m *metered) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, optFns ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.DynamoAPI.TransactWriteItems(ctx, in, optFns...)
	if err == nil {
		for _, c := range out.ConsumedCapacity {
			m.units += *c.CapacityUnits
		}
	}
	return out, err
}

// For a transaction of one write, DynamoDB Local bills the units that Counter
// counts. For several writes it reports the units of one write.
func TestCostAgreesWithDynamoDBLocal(t *testing.T) {
	service := tabletest.NewService(t, tabletest.DynamoDBLocal)
	meter := &metered{DynamoAPI: service.Client}
	db := &tabletest.Counter{Table: table.NewDynamo(meter, service.Name)}
	key := func(sk string) table.Key { return table.Key{PK: "p", SK: sk} }
	text := func(n int) table.Item {
		return table.Item{"Text": &types.AttributeValueMemberS{Value: strings.Repeat("x", n)}}
	}
	for _, c := range []struct {
		name  string
		write table.Write
		want  int
	}{
		{"small put", table.Write{Op: table.OpPut, Key: key("a"), Item: text(10)}, 2},
		{"put of 3 KB", table.Write{Op: table.OpPut, Key: key("b"), Item: text(2500)}, 6},
		{"put over 3 KB", table.Write{Op: table.OpPut, Key: key("b"), Item: text(10)}, 6},
		{"put of exactly 1 KB", table.Write{Op: table.OpPut, Key: key("c"), Item: text(1024 - len("PKpSKcText"))}, 2},
		{"put of a byte more", table.Write{Op: table.OpPut, Key: key("c"), Item: text(1025 - len("PKpSKcText"))}, 4},
		{"delete of 2 KB", table.Write{Op: table.OpDelete, Key: key("c")}, 4},
		{"update that grows to 2 KB", table.Write{Op: table.OpUpdate, Key: key("a"), Set: text(1500)}, 4},
		{"update that shrinks from 2 KB", table.Write{Op: table.OpUpdate, Key: key("a"), Remove: []string{"Text"}}, 4},
		{"update that counts", table.Write{Op: table.OpUpdate, Key: key("n"), Add: map[string]int64{"Count": 1}}, 2},
		{"check", table.Write{Op: table.OpCheck, Key: key("n"), If: table.Cond{Present: true}}, 2},
	} {
		meter.units = 0
		db.Take()
		if err := db.Transact(t.Context(), []table.Write{c.write}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if have := db.Take().WriteUnits; have != c.want || meter.units != float64(c.want) {
			t.Errorf("%s: %d write units are counted and %g billed, want %d", c.name, have, meter.units, c.want)
		}
	}
}
