// Package tabletest provides tools for tests of the store: a strict table in
// memory, injected faults, counted costs, and the contract of every table.
package tabletest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Memory is a [table.Table] in memory, and stricter than DynamoDB. It panics
// where DynamoDB refuses a request, because the caller has a bug, and it gives
// torn answers where DynamoDB may. Otherwise it is linearizable. It is safe for
// concurrent use. The zero value is an empty table.
type Memory struct {
	// PageBytes is the largest size of a query's answer; 0 means DynamoDB's 1
	// MB.
	PageBytes int
	// OnRead, if set, is called before each single item is read. BatchGet and
	// Query then read one item after the other, with commits of other writers
	// in between, like DynamoDB. For a query, k has an empty sort key when it
	// looks for the next item of a partition.
	OnRead func(ctx context.Context, k table.Key)
	// OnCommit, if set, is called before a transaction is applied.
	OnCommit func(ctx context.Context, writes []table.Write)

	mu         sync.RWMutex
	partitions map[string]*partition
}

// partition keeps its sort keys in order. Its items are never changed, only replaced.
type partition struct {
	keys   []string
	items  map[string]table.Item
	shared atomic.Bool              // clones have it too: a write copies it first
	digest atomic.Pointer[[32]byte] // of its content, once [Memory.Hash] asked for it
}

var _ table.Table = (*Memory)(nil)

func (m *Memory) get(k table.Key) (table.Item, bool) {
	p := m.partitions[k.PK]
	if p == nil {
		return nil, false
	}
	i, ok := p.items[k.SK]
	return i, ok
}

// own returns a partition that is about to be changed, nil if there is none.
func (m *Memory) own(pk string) *partition {
	p := m.partitions[pk]
	if p == nil {
		return nil
	}
	if p.shared.Load() {
		p = &partition{keys: slices.Clone(p.keys), items: maps.Clone(p.items)}
		m.partitions[pk] = p
	}
	p.digest.Store(nil)
	return p
}

func (m *Memory) set(k table.Key, i table.Item) {
	p := m.own(k.PK)
	if p == nil {
		if m.partitions == nil {
			m.partitions = map[string]*partition{}
		}
		p = &partition{items: map[string]table.Item{}}
		m.partitions[k.PK] = p
	}
	if _, ok := p.items[k.SK]; !ok {
		at, _ := slices.BinarySearch(p.keys, k.SK)
		p.keys = slices.Insert(p.keys, at, k.SK)
	}
	p.items[k.SK] = i
}

func (m *Memory) unset(k table.Key) {
	p := m.own(k.PK)
	if p == nil {
		return
	}
	if at, ok := slices.BinarySearch(p.keys, k.SK); ok {
		p.keys = slices.Delete(p.keys, at, at+1)
		delete(p.items, k.SK)
	}
	if len(p.keys) == 0 {
		delete(m.partitions, k.PK)
	}
}

func checkKey(k table.Key) {
	if k.PK == "" || k.SK == "" || len(k.PK) > 2048 || len(k.SK) > 1024 {
		panic(fmt.Sprintf("tabletest: DynamoDB refuses the key %q", k))
	}
}

// BatchGet implements [table.Table].
func (m *Memory) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items := make(map[table.Key]table.Item, len(keys))
	read := func(k table.Key) {
		if i, ok := m.get(k); ok {
			items[k] = clone(i)
		}
	}
	for _, k := range keys {
		checkKey(k)
	}
	if m.OnRead == nil {
		m.mu.RLock()
		defer m.mu.RUnlock()
		for _, k := range keys {
			read(k)
		}
		return items, nil
	}
	for _, k := range keys {
		if _, twice := items[k]; twice {
			continue
		}
		m.OnRead(ctx, k)
		m.mu.RLock()
		read(k)
		m.mu.RUnlock()
	}
	return items, nil
}

// Query implements [table.Table].
func (m *Memory) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	checkKey(table.Key{PK: q.PK, SK: "-"})
	limit := m.PageBytes
	if limit == 0 {
		limit = 1 << 20
	}
	if m.OnRead == nil {
		m.mu.RLock()
		defer m.mu.RUnlock()
	}
	var rows []table.Row
	bytes := 0
	for after := q.After; ; {
		if m.OnRead != nil {
			m.OnRead(ctx, table.Key{PK: q.PK})
			m.mu.RLock()
		}
		sk, ok := m.next(q, after)
		if ok {
			i, _ := m.get(table.Key{PK: q.PK, SK: sk})
			rows = append(rows, table.Row{Key: table.Key{PK: q.PK, SK: sk}, Item: clone(i)})
			bytes += ItemSize(table.Key{PK: q.PK, SK: sk}, i)
		}
		if m.OnRead != nil {
			m.mu.RUnlock()
		}
		if !ok {
			return rows, "", nil
		}
		if len(rows) == q.Limit || bytes >= limit {
			return rows, sk, nil
		}
		after = sk
	}
}

// next returns the sort key after the given one in a query.
func (m *Memory) next(q table.Query, after string) (string, bool) {
	p := m.partitions[q.PK]
	if p == nil {
		return "", false
	}
	if q.Descending {
		at := len(p.keys)
		if q.To != "" {
			at = sort.Search(len(p.keys), func(i int) bool { return p.keys[i] > q.To })
		}
		if after != "" {
			before, _ := slices.BinarySearch(p.keys, after)
			at = min(at, before)
		}
		if at == 0 || p.keys[at-1] < q.From {
			return "", false
		}
		return p.keys[at-1], true
	}
	at, _ := slices.BinarySearch(p.keys, q.From)
	if after != "" {
		behind := sort.Search(len(p.keys), func(i int) bool { return p.keys[i] > after })
		at = max(at, behind)
	}
	if at == len(p.keys) || q.To != "" && p.keys[at] > q.To {
		return "", false
	}
	return p.keys[at], true
}

// Transact implements [table.Table].
func (m *Memory) Transact(ctx context.Context, writes []table.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	checkWrites(writes)
	if m.OnCommit != nil {
		m.OnCommit(ctx, writes)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var failed []int
	for i, w := range writes {
		item, ok := m.get(w.Key)
		if !Holds(w.If, item, ok) {
			failed = append(failed, i)
		}
	}
	if failed != nil {
		return &table.ConditionError{Failed: failed}
	}
	for _, w := range writes {
		switch w.Op {
		case table.OpPut:
			m.set(w.Key, clone(w.Item))
		case table.OpDelete:
			m.unset(w.Key)
		case table.OpUpdate:
			old, _ := m.get(w.Key)
			m.set(w.Key, updated(old, w))
		case table.OpCheck: // writes nothing
		}
	}
	return nil
}

func checkWrites(writes []table.Write) {
	if len(writes) == 0 || len(writes) > table.MaxWrites {
		panic(fmt.Sprintf("tabletest: DynamoDB refuses a transaction of %d writes", len(writes)))
	}
	touched := make(map[table.Key]bool, len(writes))
	total := 0
	for _, w := range writes {
		checkKey(w.Key)
		if touched[w.Key] {
			panic(fmt.Sprintf("tabletest: DynamoDB refuses a transaction that touches %s twice", w.Key))
		}
		touched[w.Key] = true
		size := ItemSize(w.Key, w.Item) + ItemSize(w.Key, w.Set)
		if total += size; size > 400<<10 || total > 4<<20 {
			panic(fmt.Sprintf("tabletest: DynamoDB refuses a transaction of this size, at %s", w.Key))
		}
		c := w.If
		conditional := c.Absent || c.Present || len(c.Equal)+len(c.Missing)+len(c.In)+len(c.Below) > 0
		switch w.Op {
		case table.OpPut, table.OpDelete:
			if w.Set != nil || w.Add != nil || w.Remove != nil {
				panic(fmt.Sprintf("tabletest: put or deletion of %s has parts of an update", w.Key))
			}
		case table.OpUpdate:
			if len(w.Set)+len(w.Add)+len(w.Remove) == 0 {
				panic(fmt.Sprintf("tabletest: update of %s changes nothing", w.Key))
			}
		case table.OpCheck:
			if !conditional {
				panic(fmt.Sprintf("tabletest: DynamoDB refuses a check of %s without a condition", w.Key))
			}
		default:
			panic(fmt.Sprintf("tabletest: unknown write %d", w.Op))
		}
		for _, attrs := range []table.Item{w.Item, w.Set} {
			for name, v := range attrs {
				if name == table.AttrPK || name == table.AttrSK || v == nil {
					panic(fmt.Sprintf("tabletest: DynamoDB refuses to write attribute %q of %s", name, w.Key))
				}
			}
		}
		for attr, values := range c.In {
			if len(values) == 0 || len(values) > 100 {
				panic(fmt.Sprintf("tabletest: DynamoDB refuses a list of %d values for %s", len(values), attr))
			}
		}
	}
}

// Holds reports whether a condition holds for an item. exists reports whether
// the item exists.
func Holds(c table.Cond, i table.Item, exists bool) bool {
	if c.Absent && exists {
		e, ok := number(i[table.AttrExpires])
		if c.ExpiredBefore == 0 || !ok || e.Cmp(big.NewRat(c.ExpiredBefore, 1)) >= 0 {
			return false
		}
	}
	if c.Present && !exists {
		return false
	}
	for attr, want := range c.Equal {
		if have, ok := i[attr]; !ok || !equal(have, want) {
			return false
		}
	}
	for _, attr := range c.Missing {
		if _, ok := i[attr]; ok {
			return false
		}
	}
	for attr, values := range c.In {
		s, ok := i[attr].(*types.AttributeValueMemberS)
		if !ok || !slices.Contains(values, s.Value) {
			return false
		}
	}
	for attr, n := range c.Below {
		if have, ok := number(i[attr]); !ok || have.Cmp(big.NewRat(n, 1)) >= 0 {
			return false
		}
	}
	return true
}

func updated(old table.Item, w table.Write) table.Item {
	item := clone(old)
	if item == nil {
		item = table.Item{}
	}
	for attr, v := range w.Set {
		item[attr] = cloneValue(v)
	}
	for attr, n := range w.Add {
		have, ok := number(item[attr])
		if !ok {
			have = new(big.Rat)
		}
		have.Add(have, big.NewRat(n, 1))
		item[attr] = &types.AttributeValueMemberN{Value: have.RatString()}
	}
	for _, attr := range w.Remove {
		delete(item, attr)
	}
	return item
}

func number(v types.AttributeValue) (*big.Rat, bool) {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(n.Value)
}

func equal(a, b types.AttributeValue) bool {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		b, ok := b.(*types.AttributeValueMemberS)
		return ok && a.Value == b.Value
	case *types.AttributeValueMemberN:
		x, okA := number(a)
		y, okB := number(b)
		return okA && okB && x.Cmp(y) == 0
	case *types.AttributeValueMemberBOOL:
		b, ok := b.(*types.AttributeValueMemberBOOL)
		return ok && a.Value == b.Value
	case *types.AttributeValueMemberM:
		b, ok := b.(*types.AttributeValueMemberM)
		return ok && maps.EqualFunc(a.Value, b.Value, equal)
	}
	panic(fmt.Sprintf("tabletest: no store attribute is a %T", a))
}

func cloneValue(v types.AttributeValue) types.AttributeValue {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return &types.AttributeValueMemberS{Value: v.Value}
	case *types.AttributeValueMemberN:
		return &types.AttributeValueMemberN{Value: v.Value}
	case *types.AttributeValueMemberBOOL:
		return &types.AttributeValueMemberBOOL{Value: v.Value}
	case *types.AttributeValueMemberM:
		m := make(map[string]types.AttributeValue, len(v.Value))
		for k, e := range v.Value {
			if k == "" {
				panic("tabletest: DynamoDB refuses a map with an empty key")
			}
			m[k] = cloneValue(e)
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	panic(fmt.Sprintf("tabletest: no store attribute is a %T", v))
}

func clone(i table.Item) table.Item {
	if i == nil {
		return nil
	}
	c := make(table.Item, len(i))
	for name, v := range i {
		c[name] = cloneValue(v)
	}
	return c
}

// All yields every item, by partition key and sort key. The caller may change an
// item's attributes, but not their values. Nothing may write to the table meanwhile.
func (m *Memory) All() iter.Seq2[table.Key, table.Item] {
	return func(yield func(table.Key, table.Item) bool) {
		for _, pk := range slices.Sorted(maps.Keys(m.partitions)) {
			p := m.partitions[pk]
			for _, sk := range p.keys {
				if !yield(table.Key{PK: pk, SK: sk}, maps.Clone(p.items[sk])) {
					return
				}
			}
		}
	}
}

// Len returns the number of items.
func (m *Memory) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := 0
	for _, p := range m.partitions {
		n += len(p.keys)
	}
	return n
}

// Clone returns a table with the same items and no hooks. It copies a partition only
// when one of the two tables writes to it.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.partitions {
		p.shared.Store(true)
	}
	return &Memory{PageBytes: m.PageBytes, partitions: maps.Clone(m.partitions)}
}

// Dump returns the table's content as text, one line for each item. Equal
// contents have equal texts.
func (m *Memory) Dump() string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var b strings.Builder
	for k, i := range m.All() {
		fmt.Fprintf(&b, "%s |", k)
		for _, name := range slices.Sorted(maps.Keys(i)) {
			fmt.Fprintf(&b, " %s=", name)
			dump(&b, i[name])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func dump(b *strings.Builder, v types.AttributeValue) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		fmt.Fprintf(b, "%q", v.Value)
	case *types.AttributeValueMemberN:
		b.WriteString(v.Value)
	case *types.AttributeValueMemberBOOL:
		fmt.Fprintf(b, "%t", v.Value)
	case *types.AttributeValueMemberM:
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(v.Value)) {
			fmt.Fprintf(b, "%q:", k)
			dump(b, v.Value[k])
			b.WriteByte(' ')
		}
		b.WriteByte('}')
	}
}

// Hash returns a digest of the table's content. Equal contents have equal digests.
func (m *Memory) Hash() [32]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := sha256.New()
	for _, pk := range slices.Sorted(maps.Keys(m.partitions)) {
		p := m.partitions[pk]
		digest := p.digest.Load()
		if digest == nil {
			one := &Memory{partitions: map[string]*partition{pk: p}}
			sum := sha256.Sum256([]byte(one.Dump()))
			digest = &sum
			p.digest.Store(digest)
		}
		all.Write(digest[:])
	}
	return [32]byte(all.Sum(nil))
}

// ItemSize returns the size of an item in bytes, as DynamoDB counts it: names
// and values in UTF-8, numbers with about one byte for two digits, maps with
// their overhead (Amazon DynamoDB Developer Guide, "DynamoDB item sizes and
// formats").
func ItemSize(k table.Key, i table.Item) int {
	size := len(table.AttrPK) + len(k.PK) + len(table.AttrSK) + len(k.SK)
	for name, v := range i {
		size += len(name) + valueSize(v)
	}
	return size
}

func valueSize(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(strings.Trim(v.Value, "-0."))+1)/2 + 1
	case *types.AttributeValueMemberM:
		size := 3
		for k, e := range v.Value {
			size += 1 + len(k) + valueSize(e)
		}
		return size
	}
	return 1
}

// Scan implements [table.Scanner], in the order of keys.
func (m *Memory) Scan(ctx context.Context, after table.Key, limit int) ([]table.Row, table.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, table.Key{}, err
	}
	if limit < 1 {
		return nil, table.Key{}, fmt.Errorf("a scan of %d items: DynamoDB wants at least 1", limit)
	}
	var rows []table.Row
	for k, i := range m.All() {
		if after != (table.Key{}) && (k.PK < after.PK || k.PK == after.PK && k.SK <= after.SK) {
			continue
		}
		if len(rows) == limit {
			return rows, rows[limit-1].Key, nil
		}
		rows = append(rows, table.Row{Key: k, Item: i})
	}
	return rows, table.Key{}, nil
}
