package layout

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Upgrade takes the steps towards this code's layout that are due, until ctx ends, and
// reports whether the table has the layout. It is to be called again, by a schedule,
// until it has. It does nothing to a table of a newer layout.
func (g *Guard) Upgrade(ctx context.Context, scan table.Scanner) (done bool, err error) {
	for {
		l, _, err := g.load(ctx)
		if err != nil {
			return false, fmt.Errorf("read the table's layout: %w", err)
		}
		next, due := decide(l, g.o.Layout, g.o.Now().Unix())
		if !due {
			return l.Number >= g.o.Layout, nil
		}
		if l.Active != 0 { // step 4
			if next, err = g.rewritePage(ctx, scan, l); err != nil {
				return false, unlessEnded(ctx, err) // the next call goes on at l.After
			}
		}
		if err := g.save(ctx, l, next); err != nil {
			return false, fmt.Errorf("upgrade the table from layout %d to %d: %w", l.Number, g.o.Layout, err)
		}
	}
}

// unlessEnded returns err, or nil if ctx has ended: then err is only a sign of that.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the caller asked for work until ctx ends
	}
	return err
}

// decide returns the layout after the step that is due at now, Unix seconds, for code
// of a newer layout than the table's. In step 4, which rewritePage takes, it returns l.
func decide(l items.Layout, code, now int64) (next items.Layout, due bool) {
	next = l
	switch {
	case l.Number >= code || l.Next > code:
		return l, false
	case l.Next != 0 && l.Next < code && l.Active == 0:
		// An upgrade to a layout in between was announced, and its code is replaced.
		next.Next, next.Since = code, now
		return next, true
	case l.Next == 0 && l.Noticed == 0:
		next.Noticed = now
		return next, true
	case l.Next == 0:
		next.Next, next.Since = code, now
		return next, now-l.Noticed >= int64(Settle.Seconds())
	case l.Active == 0:
		next.Active, next.Since = l.Next, now
		return next, now-l.Since >= int64(Drain.Seconds())
	}
	return l, now-l.Since >= int64(Drain.Seconds())
}

// rewritePage rewrites the items after l.After, one page, and returns how far it is:
// the table has the layout l.Next after the last page.
func (g *Guard) rewritePage(ctx context.Context, scan table.Scanner, l items.Layout) (items.Layout, error) {
	rows, after, err := scan.Scan(ctx, l.After, pageSize)
	if err != nil {
		return l, fmt.Errorf("rewrite items to layout %d: %w", l.Next, err)
	}
	for _, row := range rows {
		if err := g.rewrite(ctx, row, l); err != nil {
			return l, fmt.Errorf("rewrite %s to layout %d: %w", row.Key, l.Next, err)
		}
	}
	l.After = after
	if after == (table.Key{}) {
		return items.Layout{Number: l.Next}, nil
	}
	return l, nil
}

// rewrite brings an item from layout l.Number to l.Next, step by step.
func (g *Guard) rewrite(ctx context.Context, row table.Row, l items.Layout) error {
	for _, step := range g.o.Steps {
		if step.Layout <= l.Number || step.Layout > l.Next {
			continue
		}
		var err error
		if row.Item, err = g.take(ctx, step, row); err != nil || row.Item == nil {
			return err
		}
	}
	return nil
}

// take takes one step with an item and returns the item after it, nil if the step or
// another process deleted it. An item that changes meanwhile is read anew.
func (g *Guard) take(ctx context.Context, step Step, row table.Row) (table.Item, error) {
	for n := 0; ; n++ {
		writes, err := step.Rewrite(row)
		if err != nil || len(writes) == 0 {
			return row.Item, err
		}
		err = g.table.Transact(ctx, writes)
		var cond *table.ConditionError
		if err != nil && n == maxRewrites || err != nil && !errors.As(err, &cond) && !errors.Is(err, table.ErrConflict) && !errors.Is(err, table.ErrThrottled) {
			return nil, err
		}
		read, err := g.table.BatchGet(ctx, []table.Key{row.Key})
		if err != nil || read[row.Key] == nil {
			return nil, err
		}
		row.Item = read[row.Key]
	}
}

// maxRewrites is how often the rewriting of one item is tried. Others write an item a
// few times a second at most.
const maxRewrites = 16

// save writes the next layout. Losing the race to another process is no error.
func (g *Guard) save(ctx context.Context, l, next items.Layout) error {
	err := g.table.Transact(ctx, []table.Write{{Op: table.OpPut, Key: items.LayoutKey(), Item: items.EncodeLayout(next), If: items.LayoutUnchanged(l)}})
	var cond *table.ConditionError
	if errors.As(err, &cond) || errors.Is(err, table.ErrConflict) {
		return nil
	}
	return err
}
