// Package layout keeps the code of a deployment and the items of its table at one
// layout. A layout is the set of all encodings in package items, and has a number.
//
// The table has an item that says which layout its items have. A [Guard] stands
// before the table: code of an older layout than the table's is refused, with an error
// that says to deploy a newer version. Code of a newer layout brings the table up to
// date with [Guard.Upgrade], which the provisioning function's sweep calls:
//
//  1. It notices the older table and waits an hour ([Settle]): a deployment replaces
//     its functions one after the other, and both versions go on meanwhile. New code
//     reads both layouts and writes the older one, see [Guard.Active].
//  2. It announces the upgrade. Guards read the item at least once a minute
//     ([MaxAge]), so old code that is still there stops; an invocation lasts at most
//     15 minutes. It waits for both ([Drain]).
//  3. It makes the new layout active: code writes it from here on, in each process
//     within a minute. It waits once more ([Drain]), as step 2 does.
//  4. It rewrites the items that are still of the older layout, a page at a time, and
//     notes how far it is. At the end the table has the new layout.
//
// Each step is one conditional write and can be repeated, by several processes at
// once. The waits compare clocks of different machines; they are wrong only if clocks
// differ by more than the minutes that a wait is longer than it need be. A restored
// backup has the layout of its day, and takes the same steps.
package layout

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Current is the layout of this version: package items encodes it.
const Current = 1

// Steps are the steps from the first layout to [Current], in order. A change of an
// encoding in package items needs a step here; a golden file of the encodings in that
// package fails without one.
var Steps []Step

// Step brings items from the layout before to its own.
type Step struct {
	Layout int64
	// Rewrite returns the writes that bring one item up to date; none if it is. Each
	// has the condition that the item is still the one that was read.
	Rewrite func(table.Row) ([]table.Write, error)
}

const (
	// Settle is how long a newer version waits for the deployment to end.
	Settle = time.Hour
	// MaxAge is how old the layout may be that a Guard decides by.
	MaxAge = time.Minute
	// Drain is longer than MaxAge and the longest invocation of a Lambda function,
	// 15 minutes (AWS Lambda Developer Guide, "Lambda quotas"), together.
	Drain = 20 * time.Minute
)

// pageSize is how many items one step of the rewriting reads.
const pageSize = 100

// Options configure a Guard. The zero value is usable.
type Options struct {
	Layout int64            // the layout of this code; default: Current
	Steps  []Step           // default: Steps
	Now    func() time.Time // default: time.Now
}

// Guard is a [table.Table] that refuses calls if the table has, or is about to have, a
// layout that this code does not know. It is safe for concurrent use.
type Guard struct {
	table table.Table
	o     Options

	mu       sync.Mutex
	state    items.Layout
	restores items.Restores
	read     time.Time // when state and restores were read; the zero Time if never
}

// NewGuard returns a guard of a table.
func NewGuard(t table.Table, o Options) *Guard {
	if o.Layout == 0 {
		o.Layout = Current
	}
	if o.Steps == nil {
		o.Steps = Steps
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Guard{table: t, o: o}
}

// BatchGet implements [table.Table].
func (g *Guard) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	if _, err := g.check(ctx); err != nil {
		return nil, err
	}
	return g.table.BatchGet(ctx, keys)
}

// Query implements [table.Table].
func (g *Guard) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	if _, err := g.check(ctx); err != nil {
		return nil, "", err
	}
	return g.table.Query(ctx, q)
}

// Transact implements [table.Table].
func (g *Guard) Transact(ctx context.Context, writes []table.Write) error {
	if _, err := g.check(ctx); err != nil {
		return err
	}
	return g.table.Transact(ctx, writes)
}

// Active returns the layout that code writes now: the table's, or the next one from
// step 3 of an upgrade on.
func (g *Guard) Active(ctx context.Context) (int64, error) {
	l, err := g.check(ctx)
	return max(l.Number, l.Active), err
}

// Restores returns the restores of the table. The guard reads them together with the
// layout, so they are at most [MaxAge] old.
func (g *Guard) Restores(ctx context.Context) (items.Restores, error) {
	if _, err := g.check(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.restores, nil
}

// check returns the layout, at most [MaxAge] old, or an error of code
// ipam.CodeUnavailable if this code does not know it.
func (g *Guard) check(ctx context.Context) (items.Layout, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.o.Now(); g.read.IsZero() || now.Sub(g.read) >= MaxAge || now.Before(g.read) {
		l, restores, err := g.load(ctx)
		if err != nil {
			return items.Layout{}, fmt.Errorf("read the table's layout: %w", err)
		}
		g.state, g.restores, g.read = l, restores, now
	}
	if newest := max(g.state.Number, g.state.Next); newest > g.o.Layout {
		return g.state, ipam.Errorf(ipam.CodeUnavailable, "The table has or is getting layout %d, and this version of Cadastre knows layout %d and older ones. Deploy the version that the table was last used with, or a newer one. Nothing was changed.", newest, g.o.Layout)
	}
	return g.state, nil
}

// load reads the layout and the restores. A table without a layout is new, and gets this
// code's.
func (g *Guard) load(ctx context.Context) (items.Layout, items.Restores, error) {
	k := items.LayoutKey()
	read, err := g.table.BatchGet(ctx, []table.Key{k, items.RestoresKey()})
	if err != nil {
		return items.Layout{}, nil, err
	}
	restores, err := items.DecodeRestores(read[items.RestoresKey()])
	if err != nil {
		return items.Layout{}, nil, err
	}
	if read[k] != nil {
		return items.DecodeLayout(read[k]), restores, nil
	}
	first := items.Layout{Number: g.o.Layout}
	err = g.table.Transact(ctx, []table.Write{{Op: table.OpPut, Key: k, Item: items.EncodeLayout(first), If: table.Cond{Absent: true}}})
	if err == nil {
		return first, restores, nil
	}
	// Another process may have written it, or this one, and the answer was lost.
	if read, again := g.table.BatchGet(ctx, []table.Key{k}); again == nil && read[k] != nil {
		return items.DecodeLayout(read[k]), restores, nil
	}
	return items.Layout{}, nil, err
}
