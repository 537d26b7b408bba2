package tabletest

import (
	"context"
	"sync"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Cost is the cost of calls of a table.
type Cost struct {
	BatchGets, Queries, Transactions int
	Keys                             int // keys of batch-gets
	Rows                             int // rows of queries
	Writes                           int // writes of applied transactions, checks included
	// WriteUnits are the write units of applied transactions on the table
	// itself: two for each started KB of an item, the larger of before and
	// after. A check counts too (Amazon DynamoDB Developer Guide, "DynamoDB
	// transactions", capacity management).
	WriteUnits int
}

// Counter is a [table.Table] that counts the calls of another one. To measure
// the items that a transaction replaces, it reads the table itself. It does not
// count these reads; the number of write units is exact only if no other writer
// is active.
type Counter struct {
	table.Table

	mu   sync.Mutex
	cost Cost
}

// Take returns the cost since the last Take.
func (c *Counter) Take() Cost {
	c.mu.Lock()
	defer c.mu.Unlock()
	cost := c.cost
	c.cost = Cost{}
	return cost
}

func (c *Counter) add(f func(*Cost)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.cost)
}

// BatchGet implements [table.Table]. A call without keys does not count.
func (c *Counter) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	if len(keys) > 0 {
		c.add(func(cost *Cost) { cost.BatchGets++; cost.Keys += len(keys) })
	}
	return c.Table.BatchGet(ctx, keys)
}

// Query implements [table.Table].
func (c *Counter) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	rows, next, err := c.Table.Query(ctx, q)
	c.add(func(cost *Cost) { cost.Queries++; cost.Rows += len(rows) })
	return rows, next, err
}

// Transact implements [table.Table].
func (c *Counter) Transact(ctx context.Context, writes []table.Write) error {
	keys := make([]table.Key, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
	}
	before, err := c.Table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	err = c.Table.Transact(ctx, writes)
	c.add(func(cost *Cost) {
		cost.Transactions++
		if err != nil {
			return
		}
		cost.Writes += len(writes)
		for _, w := range writes {
			size := ItemSize(w.Key, before[w.Key])
			switch w.Op {
			case table.OpPut:
				size = max(size, ItemSize(w.Key, w.Item))
			case table.OpUpdate:
				size = max(size, ItemSize(w.Key, updated(before[w.Key], w)))
			case table.OpDelete, table.OpCheck:
			}
			cost.WriteUnits += 2 * ((size + 1023) / 1024)
		}
	})
	return err
}
