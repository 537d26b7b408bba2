package tabletest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// CallKind is a method of [table.Table].
type CallKind uint8

// The kinds of call.
const (
	BatchGet CallKind = iota
	Query
	Transact
)

func (k CallKind) String() string { return [...]string{"batch-get", "query", "transaction"}[k] }

// Call is a call of a table: the N-th of its kind, from 0. Calls of different
// kinds may run in parallel, so only the order within a kind is the same in
// each trace.
type Call struct {
	Kind   CallKind
	N      int
	Writes []table.Write // the writes of a transaction
}

func (c Call) String() string { return fmt.Sprintf("%s %d", c.Kind, c.N) }

// Fault is the fault of a call. The call fails with Err, which must not be nil.
// If Applied, the table carries the call out first, with any result. Then, if
// set, is called before the call returns.
type Fault struct {
	Err     error
	Applied bool
	Then    func()
}

// ErrInjected is an error that leaves a call's outcome open.
var ErrInjected = errors.New("injected fault")

// Faulty is a [table.Table] that makes calls of another one fail. It is safe
// for concurrent use if Inject is.
type Faulty struct {
	table.Table
	// Inject is called before every call; nil lets the call pass.
	Inject func(Call) *Fault

	mu    sync.Mutex
	trace []Call
	made  [Transact + 1]int
}

// Trace returns the calls so far, in the order in which they began.
func (f *Faulty) Trace() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.trace...)
}

func (f *Faulty) call(kind CallKind, writes []table.Write, do func() error) error {
	f.mu.Lock()
	c := Call{Kind: kind, N: f.made[kind], Writes: writes}
	f.made[kind]++
	f.trace = append(f.trace, c)
	f.mu.Unlock()
	var fault *Fault
	if f.Inject != nil {
		fault = f.Inject(c)
	}
	if fault == nil {
		return do()
	}
	if fault.Applied {
		_ = do()
	}
	if fault.Then != nil {
		fault.Then()
	}
	return fmt.Errorf("%s: %w", c, fault.Err)
}

// BatchGet implements [table.Table].
func (f *Faulty) BatchGet(ctx context.Context, keys []table.Key) (items map[table.Key]table.Item, err error) {
	err = f.call(BatchGet, nil, func() (err error) { items, err = f.Table.BatchGet(ctx, keys); return err })
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Query implements [table.Table].
func (f *Faulty) Query(ctx context.Context, q table.Query) (rows []table.Row, next string, err error) {
	err = f.call(Query, nil, func() (err error) { rows, next, err = f.Table.Query(ctx, q); return err })
	if err != nil {
		return nil, "", err
	}
	return rows, next, nil
}

// Transact implements [table.Table].
func (f *Faulty) Transact(ctx context.Context, writes []table.Write) error {
	return f.call(Transact, writes, func() error { return f.Table.Transact(ctx, writes) })
}
