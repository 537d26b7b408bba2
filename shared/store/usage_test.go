package store_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func TestUsageOfAPool(t *testing.T) {
	c := newStatusEnv(t)
	for _, want := range []struct {
		pool, cidr string
		usage      ipam.Usage
	}{
		{c.pool, "10.0.0.16/28", ipam.Usage{Allocated: 25, Assigned: 12.5, Available: 62.5, Blocks: 3, Addresses: 128}},
		{c.pool, "10.0.0.160/27", ipam.Usage{Allocated: 25, Assigned: 37.5, Available: 37.5, Blocks: 4, Addresses: 128}},
		{c.leaf, "10.0.0.0/28", ipam.Usage{Assigned: 50, Available: 50, Blocks: 1, Addresses: 32}},
		{c.leaf, "10.0.0.128/28", ipam.Usage{Assigned: 100, Blocks: 2, Addresses: 32}},
	} {
		must(c.store.Allocate(t.Context(), allocation(want.pool, "", byCIDR(want.cidr))))(t)
		if got := must(c.store.Usage(t.Context(), want.pool))(t); got != want.usage {
			t.Errorf("with %s: %+v, want %+v", want.cidr, got, want.usage)
		}
	}
	if got := must(c.store.Usage(t.Context(), c.pool))(t); got.Allocated != 25 {
		t.Errorf("space taken in a child counts in its source: %+v", got)
	}
}

// usageItem reads the numbers of the item as the stream's reader sees them.
func (c *statusEnv) usageItem(t *testing.T) map[string]string {
	k := table.Key{PK: items.PoolKey(c.pool).PK, SK: "USAGE"}
	item, ok := must(c.table.BatchGet(t.Context(), []table.Key{k}))(t)[k]
	if !ok {
		return nil
	}
	numbers := map[string]string{}
	for name, v := range item {
		numbers[name] = v.(*types.AttributeValueMemberN).Value
	}
	return numbers
}

func TestSaveUsageWritesCrossings(t *testing.T) {
	c := newStatusEnv(t)
	used := func(percent float64) ipam.Usage { return ipam.Usage{Allocated: 10, Assigned: percent - 10} }
	for i, step := range []struct {
		percent float64
		crossed bool
		writes  int
		item    map[string]string
	}{
		{79, false, 0, nil},
		{81.25678, true, 2, map[string]string{"Percent": "81.26", "Threshold": "80", "Crossed": "1"}},
		{90, true, 0, map[string]string{"Percent": "81.26", "Threshold": "80", "Crossed": "1"}},
		{76, true, 0, map[string]string{"Percent": "81.26", "Threshold": "80", "Crossed": "1"}},
		{74, false, 2, map[string]string{"Percent": "74", "Threshold": "80", "Crossed": "0"}},
		{79, false, 0, map[string]string{"Percent": "74", "Threshold": "80", "Crossed": "0"}},
		{80, true, 2, map[string]string{"Percent": "80", "Threshold": "80", "Crossed": "1"}},
	} {
		c.calls.Take()
		crossed := must(c.store.SaveUsage(t.Context(), c.pool, used(step.percent)))(t)
		cost := c.calls.Take()
		if crossed != step.crossed || cost.Writes != step.writes || !maps.Equal(c.usageItem(t), step.item) {
			t.Errorf("step %d: crossed %v, %+v, %v; want %+v", i, crossed, cost, c.usageItem(t), step)
		}
	}
	fscktest.Clean(t, c.table, c.now)
	for _, pool := range []string{c.leaf, c.pool} {
		for _, cidr := range must(c.store.PoolCIDRs(t.Context(), pool))(t) {
			must(c.store.Deprovision(t.Context(), deprovision(pool, cidr.CIDR.String())))(t)
		}
		must(c.store.DeletePool(t.Context(), pool, false, anyPool))(t)
	}
	if i := c.usageItem(t); i != nil {
		t.Errorf("the pool leaves %v", i)
	}
	if crossed, err := c.store.SaveUsage(t.Context(), c.pool, used(100)); crossed || err != nil || c.usageItem(t) != nil {
		t.Errorf("of a pool that is gone: %v, %v, %v", crossed, err, c.usageItem(t))
	}
}

// Any call may fail, carried out or not: the crossing is kept once the answer is a
// success. A crossing that is saved while the pool is deleted does not outlive the
// pool.
func TestSaveUsageUnderFaults(t *testing.T) {
	full := ipam.Usage{Allocated: 100}
	for _, kind := range []tabletest.CallKind{tabletest.BatchGet, tabletest.Transact} {
		for _, fault := range []tabletest.Fault{{Err: tabletest.ErrInjected}, {Err: tabletest.ErrInjected, Applied: true}, {Err: table.ErrConflict}} {
			c := newStatusEnv(t)
			table := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
				if call.Kind == kind && call.N == 0 {
					return &fault
				}
				return nil
			}}
			crossed, err := c.on(table).SaveUsage(t.Context(), c.pool, full)
			if kind == tabletest.Transact && (!crossed || err != nil) || err == nil && (!crossed || c.usageItem(t)["Crossed"] != "1") {
				t.Errorf("%s, %v: %v, %v", kind, fault, crossed, err)
			}
		}
	}
	c := newStatusEnv(t)
	racing := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
		if call.Kind == tabletest.Transact && call.N == 0 {
			must(c.store.DeleteIPAM(t.Context(), must(c.store.Scopes(t.Context(), []string{c.scope}))(t)[0].IPAM, true, func(*ipam.IPAM, []*ipam.Pool) error { return nil }))(t)
			for _, work := range must(c.store.PendingWork(t.Context(), c.now.Add(1e12)))(t) {
				if err := c.store.RunWork(t.Context(), work); err != nil && !errors.Is(err, store.ErrWorkRemains) {
					t.Error(err)
				}
			}
		}
		return nil
	}}
	if crossed, err := c.on(racing).SaveUsage(t.Context(), c.pool, full); err != nil || c.usageItem(t) != nil {
		t.Errorf("%v, %v, %v", crossed, err, c.usageItem(t))
	}
}
