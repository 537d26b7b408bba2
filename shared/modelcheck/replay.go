package modelcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Process makes requests, one after the other. Run must be deterministic: its requests may
// depend on the answers only. If the process stops during a request, the request ends with
// an error. Then Run continues, like a client after its time limit.
type Process struct {
	Name  string
	Later time.Duration // how far its clock is ahead
	Run   func(ctx context.Context, c *Client)
}

// kind is a kind of call that a process may wait in.
type kind uint8

const (
	batchGet kind = iota
	query
	transact
	pick
)

const kinds = int(pick) + 1

// call is a call of the table, or a choice, that a process waits in.
type call struct {
	kind   kind
	keys   []table.Key   // batchGet
	query  table.Query   // query
	writes []table.Write // transact
	n      int           // pick: among how many
}

func (c *call) String() string {
	var b strings.Builder
	switch c.kind {
	case batchGet:
		fmt.Fprintf(&b, "read %d items", len(c.keys))
	case query:
		fmt.Fprintf(&b, "query %s from %q", c.query.PK, c.query.From)
		if c.query.Descending {
			b.WriteString(" down")
		}
	case transact:
		b.WriteString("commit")
		for _, w := range c.writes {
			op := [...]string{table.OpPut: "put", table.OpDelete: "delete", table.OpUpdate: "update", table.OpCheck: "check"}[w.Op]
			fmt.Fprintf(&b, "\n        %s %s", op, w.Key)
		}
	case pick:
		fmt.Fprintf(&b, "pick one of %d", c.n)
	}
	return b.String()
}

// reply answers a call. Equal replies are the same pointer.
type reply struct {
	id     int
	items  map[table.Key]table.Item
	rows   []table.Row
	next   string
	picked int
	err    error
	cut    bool // the process stops before it learns the outcome
}

// history has the answers to a process, by kind of call. Calls of one kind never run at the
// same time in one process, so a history determines the position of the process.
type history [kinds][]*reply

func (h history) key() string {
	var b strings.Builder
	for _, replies := range h {
		for _, r := range replies {
			fmt.Fprintf(&b, "%d,", r.id)
		}
		b.WriteByte(';')
	}
	return b.String()
}

func (h history) with(k kind, r *reply) history {
	h[k] = append(slices.Clone(h[k]), r)
	return h
}

// node is the position of a process after a history.
type node struct {
	history history
	waits   []*call   // the calls that it waits in: at most one of each kind, none if it has ended
	request *Request  // the one in progress, nil if it has ended
	ended   []Outcome // of the requests before
	next    map[answered]*node
}

// answered is the answer to the call of one kind that a process waits in.
type answered struct {
	kind  kind
	reply *reply
}

// replay runs a process from its beginning on the answers of h, until it waits for an answer
// that h does not have.
func (s *Search) replay(p Process, h history) *node {
	ctx, stop := context.WithCancel(context.Background())
	t := &tape{history: h}
	c := &Client{search: s, tape: t, clock: p.Later}
	c.store = s.store(p.Name, s.table(t), c.clock, func(n int) int {
		r, err := t.next(ctx, &call{kind: pick, n: n})
		if err != nil {
			return 0
		}
		return r.picked
	})
	go p.Run(ctx, c)
	synctest.Wait()
	t.mu.Lock()
	at := &node{history: h, waits: t.waits, request: c.request, ended: c.ended}
	t.mu.Unlock()
	slices.SortFunc(at.waits, func(a, b *call) int { return int(a.kind) - int(b.kind) })
	for i := range at.waits[min(1, len(at.waits)):] {
		if at.waits[i].kind == at.waits[i+1].kind {
			panic("modelcheck: two calls of one kind side by side")
		}
	}
	stop()
	synctest.Wait()
	return at
}

// table returns a process's view of a table.
func (s *Search) table(t table.Table) table.Table {
	if s.Broken == nil {
		return t
	}
	return s.Broken(t)
}

// tape is a [table.Table] that answers from a history. The first call without an answer
// waits until its context ends. All calls after that fail.
type tape struct {
	mu      sync.Mutex
	history history
	made    [kinds]int
	waits   []*call
	cut     context.CancelFunc // stops the request in progress
	faulted bool               // whether an answer to it was lost
	brief   bool               // its process stops after it has written a work note
}

func (t *tape) next(ctx context.Context, c *call) (*reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	n := t.made[c.kind]
	t.made[c.kind]++
	if n < len(t.history[c.kind]) {
		defer t.mu.Unlock()
		return t.history[c.kind][n], nil
	}
	t.waits = append(t.waits, c)
	t.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

// BatchGet implements store.Table.
func (t *tape) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	if len(keys) == 0 {
		return map[table.Key]table.Item{}, ctx.Err()
	}
	r, err := t.next(ctx, &call{kind: batchGet, keys: keys})
	if err != nil {
		return nil, err
	}
	return maps.Clone(r.items), nil
}

// Query implements store.Table.
func (t *tape) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	r, err := t.next(ctx, &call{kind: query, query: q})
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(r.rows), r.next, nil
}

// Transact implements store.Table.
func (t *tape) Transact(ctx context.Context, writes []table.Write) error {
	r, err := t.next(ctx, &call{kind: transact, writes: writes})
	if err != nil {
		return err
	}
	if r.cut {
		t.cut()
		return ctx.Err()
	}
	t.faulted = t.faulted || errors.Is(r.err, errAnswerLost)
	if t.brief && (r.err == nil || t.faulted) && slices.ContainsFunc(writes, func(w table.Write) bool { return w.Op == table.OpPut && w.Key.PK == items.WorkPK }) {
		t.cut()
		return ctx.Err()
	}
	return r.err
}
