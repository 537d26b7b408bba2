package tabletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Contract checks a table against the behaviour that the store relies on.
// newTable returns an empty table for each subtest.
//
// The suite fixes DynamoDB's documented behaviour (Amazon DynamoDB API
// Reference: TransactWriteItems, BatchGetItem, Query), limited to consistent
// reads. A table that passes on one implementation and not on another shows a
// fault; do not leave the case out.
func Contract(t *testing.T, newTable func(*testing.T) table.Table) {
	for _, c := range []struct {
		name string
		run  func(*contract)
	}{
		{"conditions are on the item as it was", (*contract).conditions},
		{"a failed condition of any write writes nothing", (*contract).refusals},
		{"put replaces the whole item", (*contract).put},
		{"delete ends an item and ignores an absent one", (*contract).delete},
		{"update changes only the named attributes", (*contract).update},
		{"check writes nothing", (*contract).check},
		{"values come back as they were written", (*contract).values},
		{"answers and arguments are not shared", (*contract).aliases},
		{"a transaction of a hundred writes", (*contract).hundred},
		{"batch-get of none, some, twice and many", (*contract).batchGet},
		{"query ranges in both directions", (*contract).ranges},
		{"query limits and pages", (*contract).pages},
		{"query answers end at 1 MB", (*contract).bigPages},
		{"an empty partition", (*contract).empty},
		{"sort keys are in the order of their bytes", (*contract).order},
		{"an expired item is there until it is removed", (*contract).expired},
		{"a write is read at once", (*contract).consistent},
		{"of concurrent transactions on an item one wins", (*contract).race},
		{"concurrent transactions that overlap are serial", (*contract).transfers},
		{"an ended context", (*contract).canceled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&contract{t, newTable(t)}) })
	}
}

type contract struct {
	*testing.T
	table table.Table
}

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
func b(v bool) types.AttributeValue   { return &types.AttributeValueMemberBOOL{Value: v} }
func m(kv ...string) types.AttributeValue {
	v := map[string]types.AttributeValue{}
	for i := 0; i < len(kv); i += 2 {
		v[kv[i]] = s(kv[i+1])
	}
	return &types.AttributeValueMemberM{Value: v}
}

// write applies a transaction, which must succeed.
func (c *contract) write(writes ...table.Write) {
	c.Helper()
	if err := c.table.Transact(c.Context(), writes); err != nil {
		c.Fatalf("transaction: %v", err)
	}
}

// refuse applies a transaction, which must fail on the conditions of exactly
// the writes with the indexes want.
func (c *contract) refuse(want []int, writes ...table.Write) {
	c.Helper()
	err := c.table.Transact(c.Context(), writes)
	failed, ok := errors.AsType[*table.ConditionError](err)
	if !ok {
		c.Fatalf("transaction: %v, want a ConditionError", err)
	}
	if !slices.Equal(failed.Failed, want) {
		c.Errorf("conditions of writes %v failed, want %v", failed.Failed, want)
	}
}

func (c *contract) get(keys ...table.Key) map[table.Key]table.Item {
	c.Helper()
	read, err := c.table.BatchGet(c.Context(), keys)
	if err != nil {
		c.Fatalf("batch-get: %v", err)
	}
	return read
}

// want checks that an item has exactly these attributes; nil means that it is
// absent.
func (c *contract) want(k table.Key, want table.Item) {
	c.Helper()
	have, ok := c.get(k)[k]
	switch {
	case ok != (want != nil):
		c.Errorf("%s is there: %t, want %t", k, ok, want != nil)
	case ok && !maps.EqualFunc(have, want, equal):
		c.Errorf("%s is %s, want %s", k, show(have), show(want))
	}
}

func show(i table.Item) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(i)) {
		out.WriteString(" " + name + "=")
		dump(&out, i[name])
	}
	return out.String()
}

func (c *contract) query(q table.Query) ([]string, string) {
	c.Helper()
	rows, next, err := c.table.Query(c.Context(), q)
	if err != nil {
		c.Fatalf("query %+v: %v", q, err)
	}
	keys := make([]string, len(rows))
	for i, r := range rows {
		if r.Key.PK != q.PK {
			c.Errorf("query of %s returned %s", q.PK, r.Key)
		}
		keys[i] = r.Key.SK
	}
	return keys, next
}

// fill writes items with one attribute each.
func (c *contract) fill(pk string, sks ...string) {
	c.Helper()
	for chunk := range slices.Chunk(sks, table.MaxWrites) {
		writes := make([]table.Write, len(chunk))
		for i, sk := range chunk {
			writes[i] = table.Write{Op: table.OpPut, Key: table.Key{PK: pk, SK: sk}, Item: table.Item{"Value": s(sk)}}
		}
		c.write(writes...)
	}
}

// sample returns the item for the tests of conditions.
func sample() table.Item {
	return table.Item{
		"Text": s("a"), "Count": n("5"), "Flag": b(true), "Tags": m("k", "v"), "None": m(), table.AttrExpires: n("100"),
	}
}

// conds lists conditions, with their result on an absent item and on sample.
var conds = []struct {
	name            string
	cond            table.Cond
	absent, present bool
}{
	{"none", table.Cond{}, true, true},
	{"absent", table.Cond{Absent: true}, true, false},
	{"absent or expired, at the expiry", table.Cond{Absent: true, ExpiredBefore: 100}, true, false},
	{"absent or expired, past it", table.Cond{Absent: true, ExpiredBefore: 101}, true, true},
	{"present", table.Cond{Present: true}, false, true},
	{"equal string", table.Cond{Equal: table.Item{"Text": s("a")}}, false, true},
	{"other string", table.Cond{Equal: table.Item{"Text": s("b")}}, false, false},
	{"equal number, written otherwise", table.Cond{Equal: table.Item{"Count": n("5.0")}}, false, true},
	{"other number", table.Cond{Equal: table.Item{"Count": n("6")}}, false, false},
	{"number as string", table.Cond{Equal: table.Item{"Count": s("5")}}, false, false},
	{"equal boolean", table.Cond{Equal: table.Item{"Flag": b(true)}}, false, true},
	{"other boolean", table.Cond{Equal: table.Item{"Flag": b(false)}}, false, false},
	{"equal map", table.Cond{Equal: table.Item{"Tags": m("k", "v")}}, false, true},
	{"map with another value", table.Cond{Equal: table.Item{"Tags": m("k", "w")}}, false, false},
	{"map with more", table.Cond{Equal: table.Item{"Tags": m("k", "v", "l", "v")}}, false, false},
	{"empty map", table.Cond{Equal: table.Item{"None": m()}}, false, true},
	{"empty map for another", table.Cond{Equal: table.Item{"Tags": m()}}, false, false},
	{"equal to an absent attribute", table.Cond{Equal: table.Item{"X": s("")}}, false, false},
	{"two equal", table.Cond{Equal: table.Item{"Text": s("a"), "Count": n("5")}}, false, true},
	{"one of two equal", table.Cond{Equal: table.Item{"Text": s("a"), "Count": n("6")}}, false, false},
	{"missing", table.Cond{Missing: []string{"X", "Y"}}, true, true},
	{"one of two missing", table.Cond{Missing: []string{"X", "Text"}}, true, false},
	{"missing from an item that is there", table.Cond{Present: true, Missing: []string{"X"}}, false, true},
	{"in", table.Cond{In: map[string][]string{"Text": {"x", "a"}}}, false, true},
	{"not in", table.Cond{In: map[string][]string{"Text": {"x", "y"}}}, false, false},
	{"in, absent attribute", table.Cond{In: map[string][]string{"X": {"a"}}}, false, false},
	{"below", table.Cond{Below: map[string]int64{"Count": 6}}, false, true},
	{"not below its own value", table.Cond{Below: map[string]int64{"Count": 5}}, false, false},
	{"below, absent attribute", table.Cond{Below: map[string]int64{"X": 6}}, false, false},
	{"all parts", table.Cond{Present: true, Equal: table.Item{"Text": s("a")}, In: map[string][]string{"Text": {"a"}}, Below: map[string]int64{"Count": 6}}, false, true},
	{"all parts but one", table.Cond{Present: true, Equal: table.Item{"Text": s("a")}, In: map[string][]string{"Text": {"a"}}, Below: map[string]int64{"Count": 5}}, false, false},
}

// withConds returns, for each of conds, a write with op on an absent item and
// one on an item like sample, which it makes, in two partitions named after pk.
// It also returns the indexes of the writes whose condition does not hold.
func (c *contract) withConds(pk string, op table.WriteOp) (writes []table.Write, failing []int) {
	c.Helper()
	var items []table.Write
	for i, cond := range conds {
		for _, present := range []bool{false, true} {
			k := table.Key{PK: fmt.Sprintf("%s-%t", pk, present), SK: fmt.Sprintf("%02d %s", i, cond.name)}
			if present {
				items = append(items, table.Write{Op: table.OpPut, Key: k, Item: sample()})
			}
			w := table.Write{Op: op, Key: k, If: cond.cond}
			switch op {
			case table.OpPut:
				w.Item = table.Item{"new": b(true)}
			case table.OpUpdate:
				w.Set = table.Item{"new": b(true)}
			case table.OpCheck:
				if i == 0 {
					continue // a check needs a condition
				}
			case table.OpDelete:
			}
			if holds := present && cond.present || !present && cond.absent; !holds {
				failing = append(failing, len(writes))
			}
			writes = append(writes, w)
		}
	}
	c.write(items...)
	return writes, failing
}

func (c *contract) conditions() {
	for name, op := range map[string]table.WriteOp{"put": table.OpPut, "delete": table.OpDelete, "update": table.OpUpdate, "check": table.OpCheck} {
		writes, failing := c.withConds(name, op)
		c.refuse(failing, writes...)
		for _, w := range writes { // nothing was written
			if strings.HasSuffix(w.Key.PK, "true") {
				c.want(w.Key, sample())
			} else {
				c.want(w.Key, nil)
			}
		}
		holding := writes[:0:0]
		for i, w := range writes {
			if !slices.Contains(failing, i) {
				holding = append(holding, w)
			}
		}
		c.write(holding...)
		for _, w := range holding {
			old := table.Item(nil)
			if strings.HasSuffix(w.Key.PK, "true") {
				old = sample()
			}
			switch op {
			case table.OpPut:
				c.want(w.Key, table.Item{"new": b(true)})
			case table.OpDelete:
				c.want(w.Key, nil)
			case table.OpUpdate:
				c.want(w.Key, updated(old, w))
			case table.OpCheck:
				c.want(w.Key, old)
			}
		}
	}
}

func (c *contract) refusals() {
	here, gone, made := table.Key{PK: "p", SK: "here"}, table.Key{PK: "p", SK: "gone"}, table.Key{PK: "q", SK: "made"}
	c.write(table.Write{Op: table.OpPut, Key: here, Item: table.Item{"Count": n("1")}})
	good := []table.Write{
		{Op: table.OpPut, Key: made, Item: table.Item{"Count": n("1")}, If: table.Cond{Absent: true}},
		{Op: table.OpUpdate, Key: here, Add: map[string]int64{"Count": 1}},
	}
	bad := table.Write{Op: table.OpCheck, Key: gone, If: table.Cond{Present: true}}
	for i := range 3 {
		c.refuse([]int{i}, slices.Insert(slices.Clone(good), i, bad)...)
		c.want(here, table.Item{"Count": n("1")})
		c.want(made, nil)
		c.want(gone, nil)
	}
	c.refuse([]int{0, 2},
		bad, good[0], table.Write{Op: table.OpDelete, Key: here, If: table.Cond{Absent: true}})
}

func (c *contract) put() {
	k := table.Key{PK: "p", SK: "s"}
	c.write(table.Write{Op: table.OpPut, Key: k, Item: table.Item{"One": s("1"), "Two": s("2")}})
	c.write(table.Write{Op: table.OpPut, Key: k, Item: table.Item{"One": s("3")}})
	c.want(k, table.Item{"One": s("3")})
	c.write(table.Write{Op: table.OpPut, Key: k})
	c.want(k, table.Item{}) // a key without attributes is an item
}

func (c *contract) delete() {
	k := table.Key{PK: "p", SK: "s"}
	c.write(table.Write{Op: table.OpDelete, Key: k})
	c.fill("p", "s", "t")
	c.write(table.Write{Op: table.OpDelete, Key: k})
	c.want(k, nil)
	if keys, _ := c.query(table.Query{PK: "p"}); !slices.Equal(keys, []string{"t"}) {
		c.Errorf("%q are left, want t alone", keys)
	}
}

func (c *contract) update() {
	k := table.Key{PK: "p", SK: "s"}
	do := func(w table.Write) {
		c.Helper()
		w.Op, w.Key = table.OpUpdate, k
		c.write(w)
	}
	do(table.Write{Add: map[string]int64{"Count": 7}}) // makes the item; an absent number counts as 0
	c.want(k, table.Item{"Count": n("7")})
	do(table.Write{Add: map[string]int64{"Count": -9, "Other": -1}, Set: table.Item{"Text": s("x"), "Tags": m("k", "v")}})
	c.want(k, table.Item{"Count": n("-2"), "Other": n("-1"), "Text": s("x"), "Tags": m("k", "v")})
	do(table.Write{Remove: []string{"Text", "never", "Other"}, Set: table.Item{"Tags": m("l", "w")}, Add: map[string]int64{"Count": 2}})
	c.want(k, table.Item{"Count": n("0"), "Tags": m("l", "w")})
	do(table.Write{Remove: []string{"Count", "Tags"}})
	c.want(k, table.Item{}) // the item outlives its last attribute

	other := table.Key{PK: "p", SK: "removed from"}
	c.write(table.Write{Op: table.OpUpdate, Key: other, Remove: []string{"never"}})
	c.want(other, table.Item{}) // even this update makes the item
}

func (c *contract) check() {
	c.write(table.Write{Op: table.OpCheck, Key: table.Key{PK: "p", SK: "s"}, If: table.Cond{Absent: true}})
	c.want(table.Key{PK: "p", SK: "s"}, nil)
	c.fill("p", "s")
	c.write(table.Write{Op: table.OpCheck, Key: table.Key{PK: "p", SK: "s"}, If: table.Cond{Present: true}})
	c.want(table.Key{PK: "p", SK: "s"}, table.Item{"Value": s("s")})
}

func (c *contract) values() {
	k := table.Key{PK: "p#ä~ ", SK: "s#\u00e9\t"}
	item := table.Item{
		"empty": s(""), "text": s("a\x00\"\\\n\u20ac\U0001F600"), "long": s(strings.Repeat("x", 300_000)),
		"zero": n("0"), "negative": n("-1"), "big": n("9007199254740993"), "bigger": n("12345678901234567890123456789012345678"),
		"yes": b(true), "no": b(false), "none": m(), "tags": m("a b", "", "#", "x"),
		"odd name # : .": s("x"), "Size": s("a reserved word"),
	}
	c.write(table.Write{Op: table.OpPut, Key: k, Item: item})
	c.want(k, item)
	rows, _, err := c.table.Query(c.Context(), table.Query{PK: k.PK})
	if err != nil || len(rows) != 1 || rows[0].Key != k || !maps.EqualFunc(rows[0].Item, item, equal) {
		c.Errorf("query returned %v, %v; want the item as it was written", rows, err)
	}
	c.write(table.Write{Op: table.OpUpdate, Key: k, Add: map[string]int64{"big": 2}, Set: table.Item{"odd name # : .": s("y"), "Size": s("z")}})
	item["big"], item["odd name # : ."], item["Size"] = n("9007199254740995"), s("y"), s("z")
	c.want(k, item)
}

func (c *contract) aliases() {
	k := table.Key{PK: "p", SK: "s"}
	tags := map[string]types.AttributeValue{"k": s("v")}
	item := table.Item{"Text": s("a"), "Tags": &types.AttributeValueMemberM{Value: tags}}
	c.write(table.Write{Op: table.OpPut, Key: k, Item: item})
	tags["k"] = s("changed")
	item["Text"] = s("changed")
	was := table.Item{"Text": s("a"), "Tags": m("k", "v")}
	c.want(k, was)
	read := c.get(k)[k]
	read["Text"].(*types.AttributeValueMemberS).Value = "changed"
	read["Tags"].(*types.AttributeValueMemberM).Value["k"] = s("changed")
	c.want(k, was)
}

func (c *contract) hundred() {
	writes := make([]table.Write, table.MaxWrites)
	keys := make([]table.Key, len(writes))
	for i := range writes {
		keys[i] = table.Key{PK: fmt.Sprint("p", i%3), SK: fmt.Sprint(i)}
		writes[i] = table.Write{Op: table.OpPut, Key: keys[i], Item: table.Item{"Count": n("1")}, If: table.Cond{Absent: true}}
	}
	blocker := writes[99]
	c.write(blocker)
	c.refuse([]int{99}, writes...)
	if have := c.get(keys...); len(have) != 1 {
		c.Fatalf("a refused transaction left %d items, want the one of before", len(have)-1)
	}
	c.write(table.Write{Op: table.OpDelete, Key: blocker.Key})
	c.write(writes...)
	if have := c.get(keys...); len(have) != len(keys) {
		c.Errorf("a transaction of %d puts left %d items", len(keys), len(have))
	}
}

func (c *contract) batchGet() {
	const there = 230
	sks := make([]string, there)
	keys := make([]table.Key, 0, 2*there)
	for i := range sks {
		sks[i] = fmt.Sprintf("%03d", i)
		keys = append(keys, table.Key{PK: "p", SK: sks[i]}, table.Key{PK: "p", SK: "absent " + sks[i]})
	}
	c.fill("p", sks...)
	have := c.get(keys...)
	if len(have) != there {
		c.Errorf("batch-get of %d keys returned %d items, want the %d that exist", len(keys), len(have), there)
	}
	for k, i := range have {
		if !maps.EqualFunc(i, table.Item{"Value": s(k.SK)}, equal) {
			c.Errorf("%s is %s", k, show(i))
		}
	}
	k := table.Key{PK: "p", SK: "000"}
	if have := c.get(k, keys[1], k, k, keys[1]); len(have) != 1 || have[k] == nil {
		c.Errorf("batch-get of one key three times returned %v", have)
	}
	if have := c.get(keys[1]); len(have) != 0 {
		c.Errorf("batch-get of an absent key returned %v", have)
	}
	if have := c.get(); len(have) != 0 {
		c.Errorf("batch-get of no keys returned %v", have)
	}
}

// expect returns the result of a query without a limit on keys, which ascend.
func expect(keys []string, q table.Query) []string {
	found := []string{}
	for _, k := range keys {
		after := q.After == "" || !q.Descending && k > q.After || q.Descending && k < q.After
		if k >= q.From && (q.To == "" || k <= q.To) && after {
			found = append(found, k)
		}
	}
	if q.Descending {
		slices.Reverse(found)
	}
	return found
}

func (c *contract) ranges() {
	keys := []string{"b", "d", "f"}
	c.fill("p", keys...)
	c.fill("o", "c", "e") // neighbours that the query must not return
	c.fill("p#", "c", "e")
	bounds := []string{"", "a", "b", "c", "f", "g"}
	var queries []table.Query
	for _, from := range bounds {
		for _, to := range bounds {
			for _, after := range []string{"", "a", "b", "c", "d", "f", "g"} {
				for _, descending := range []bool{false, true} {
					queries = append(queries, table.Query{PK: "p", From: from, To: to, After: after, Descending: descending})
				}
			}
		}
	}
	var g sync.WaitGroup
	for part := range slices.Chunk(queries, len(queries)/4) {
		g.Go(func() {
			for _, q := range part {
				rows, next, err := c.table.Query(c.Context(), q)
				have := []string{}
				for _, r := range rows {
					have = append(have, r.Key.SK)
				}
				if want := expect(keys, q); err != nil || next != "" || !slices.Equal(have, want) {
					c.Errorf("query %+v: %q, next %q, %v; want %q", q, have, next, err, want)
				}
			}
		})
	}
	g.Wait()
}

func (c *contract) pages() {
	keys := []string{"a", "b", "c", "d", "e", "f", "g"}
	c.fill("p", keys...)
	for _, q := range []table.Query{
		{PK: "p"}, {PK: "p", From: "b", To: "f"}, {PK: "p", From: "c"}, {PK: "p", To: "e"},
	} {
		for _, q.Descending = range []bool{false, true} {
			want := expect(keys, q)
			for q.Limit = 1; q.Limit <= len(keys)+1; q.Limit++ {
				c.follow(q, want)
			}
		}
	}
}

// follow reads all pages of a query and checks that they contain want, in pages
// of at most q.Limit rows, all full except the last.
func (c *contract) follow(q table.Query, want []string) {
	c.Helper()
	var have []string
	for at, pages := q, 0; ; pages++ {
		keys, next := c.query(at)
		have = append(have, keys...)
		if q.Limit > 0 && (len(keys) > q.Limit || next != "" && len(keys) < q.Limit) {
			c.Errorf("query %+v: a page of %d rows, next %q", at, len(keys), next)
		}
		if next == "" {
			break
		}
		if next == at.After || pages > len(want)+1 {
			c.Fatalf("query %+v does not move on from %q", at, next)
		}
		at.After = next
	}
	if !slices.Equal(have, want) {
		c.Errorf("the pages of %+v hold %d keys, want %d: %.200q", q, len(have), len(want), have)
	}
}

func (c *contract) bigPages() {
	const size, count = 60_000, 40 // 2.4 MB
	var keys []string
	for i := range count {
		k := fmt.Sprintf("%02d", i)
		keys = append(keys, k)
		c.write(table.Write{Op: table.OpPut, Key: table.Key{PK: "p", SK: k}, Item: table.Item{"Value": s(strings.Repeat("x", size))}})
	}
	for _, q := range []table.Query{{PK: "p"}, {PK: "p", Descending: true}, {PK: "p", From: "05", To: "35"}} {
		want := expect(keys, q)
		most, next := c.query(q)
		if next == "" || len(most)*size < 900_000 || len(most)*size > 1_200_000 {
			c.Errorf("query %+v: %d bytes in the first answer, next %q; want about 1 MB and more to come", q, len(most)*size, next)
		}
		c.follow(q, want)
	}
	// A limit beyond 1 MB does not lengthen the answer.
	if most, next := c.query(table.Query{PK: "p", Limit: count}); next == "" || len(most) == count {
		c.Errorf("query with a limit of %d: %d rows, next %q", count, len(most), next)
	}
	all := make([]table.Key, count)
	for i, k := range keys {
		all[i] = table.Key{PK: "p", SK: k}
	}
	if have := c.get(all...); len(have) != count {
		c.Errorf("batch-get of %d bytes returned %d items of %d", size*count, len(have), count)
	}
}

func (c *contract) empty() {
	for range 2 {
		for _, q := range []table.Query{{PK: "p"}, {PK: "p", Descending: true}, {PK: "p", From: "a", To: "z", After: "m", Limit: 1}} {
			if keys, next := c.query(q); len(keys) != 0 || next != "" {
				c.Errorf("query %+v of an empty partition: %q, next %q", q, keys, next)
			}
		}
		c.fill("q", "s") // the table no longer is
		c.fill("p", "s")
		c.write(table.Write{Op: table.OpDelete, Key: table.Key{PK: "p", SK: "s"}}) // the partition is again
	}
}

func (c *contract) order() {
	keys := []string{
		"\x01", "\t", " ", "#", "0", "0#", "00", "1", "A", "_", "a", "aA", "aa", "~", "\x7f", "\u00e9", "\u07ff", "\u0800",
		"\ud7ff", "\uffee", "\U0001F600", // in UTF-16, the last comes before the one before it
	}
	if !sort.StringsAreSorted(keys) {
		c.Fatal("the keys are not in the order of their bytes")
	}
	shuffled := slices.Clone(keys)
	slices.Reverse(shuffled)
	shuffled[0], shuffled[7] = shuffled[7], shuffled[0]
	c.fill("p", shuffled...)
	c.follow(table.Query{PK: "p", Limit: 4}, keys)
	down := table.Query{PK: "p", Descending: true}
	c.follow(down, expect(keys, down))
	middle := table.Query{PK: "p", From: "0#", To: "\u0800"}
	c.follow(middle, expect(keys, middle))
}

func (c *contract) expired() {
	k := table.Key{PK: "p", SK: "s"}
	item := table.Item{table.AttrExpires: n("1"), "Value": s("x")}
	c.write(table.Write{Op: table.OpPut, Key: k, Item: item})
	c.want(k, item)
	if keys, _ := c.query(table.Query{PK: "p"}); len(keys) != 1 {
		c.Errorf("query returned %q, want the expired item", keys)
	}
	c.write(table.Write{Op: table.OpCheck, Key: k, If: table.Cond{Present: true}})
	c.refuse([]int{0}, table.Write{Op: table.OpCheck, Key: k, If: table.Cond{Absent: true}})
}

func (c *contract) consistent() {
	for i := range 20 {
		sk := fmt.Sprintf("%02d", i)
		c.fill("p", sk)
		c.want(table.Key{PK: "p", SK: sk}, table.Item{"Value": s(sk)})
		if keys, _ := c.query(table.Query{PK: "p", Descending: true, Limit: 1}); !slices.Equal(keys, []string{sk}) {
			c.Fatalf("query returned %q after %s was written", keys, sk)
		}
	}
}

// lost reports whether an error is a possible answer to a transaction that
// another one disturbed.
func lost(err error) bool {
	_, condition := errors.AsType[*table.ConditionError](err)
	return condition || errors.Is(err, table.ErrConflict)
}

func (c *contract) race() {
	k, side := table.Key{PK: "p", SK: "s"}, table.Key{PK: "q", SK: "s"}
	c.write(table.Write{Op: table.OpPut, Key: k, Item: table.Item{"Rev": n("0")}})
	const rounds, racers = 10, 6
	for round := range rounds {
		var mu sync.Mutex
		var won []int
		var g sync.WaitGroup
		start := make(chan struct{})
		for racer := range racers {
			g.Go(func() {
				writes := []table.Write{
					{
						Op: table.OpUpdate, Key: k,
						Add: map[string]int64{"Rev": 1}, Set: table.Item{"By": n(fmt.Sprint(racer))},
						If: table.Cond{Equal: table.Item{"Rev": n(fmt.Sprint(round))}},
					},
					{Op: table.OpPut, Key: table.Key{PK: side.PK, SK: fmt.Sprint(round)}, Item: table.Item{"By": n(fmt.Sprint(racer))}},
				}
				<-start
				err := c.table.Transact(c.Context(), writes)
				switch {
				case err == nil:
					mu.Lock()
					won = append(won, racer)
					mu.Unlock()
				case !lost(err):
					c.Errorf("racer %d: %v, want a ConditionError or ErrConflict", racer, err)
				}
			})
		}
		close(start)
		g.Wait()
		if len(won) > 1 {
			c.Fatalf("round %d was won by %v", round, won)
		}
		if len(won) == 0 { // DynamoDB may cancel all of them; then none was applied
			c.want(k, table.Item{"Rev": n(fmt.Sprint(round)), "By": c.get(k)[k]["By"]})
			c.write(table.Write{Op: table.OpUpdate, Key: k, Add: map[string]int64{"Rev": 1}})
			continue
		}
		by := n(fmt.Sprint(won[0]))
		c.want(k, table.Item{"Rev": n(fmt.Sprint(round + 1)), "By": by})
		c.want(table.Key{PK: side.PK, SK: fmt.Sprint(round)}, table.Item{"By": by})
	}
}

// transfers moves units between accounts, with writers that change overlapping
// pairs of items.
func (c *contract) transfers() {
	accounts := []table.Key{{PK: "a", SK: "0"}, {PK: "a", SK: "1"}, {PK: "b", SK: "0"}}
	for _, k := range accounts {
		c.write(table.Write{Op: table.OpPut, Key: k, Item: table.Item{"Count": n("100")}})
	}
	var mu sync.Mutex
	moved := map[table.Key]int64{}
	var g sync.WaitGroup
	for worker := range 4 {
		g.Go(func() {
			for i := range 8 {
				from, to := accounts[(worker+i)%3], accounts[(worker+2*i+1)%3]
				if from == to {
					continue
				}
				err := c.table.Transact(c.Context(), []table.Write{
					{Op: table.OpUpdate, Key: from, Add: map[string]int64{"Count": -1}, If: table.Cond{Present: true}},
					{Op: table.OpUpdate, Key: to, Add: map[string]int64{"Count": 1}, If: table.Cond{Present: true}},
				})
				switch {
				case err == nil:
					mu.Lock()
					moved[from]--
					moved[to]++
					mu.Unlock()
				case !errors.Is(err, table.ErrConflict):
					c.Errorf("transfer: %v, want success or ErrConflict", err)
				}
			}
		})
	}
	g.Wait()
	for _, k := range accounts {
		c.want(k, table.Item{"Count": n(fmt.Sprint(100 + moved[k]))})
	}
}

func (c *contract) canceled() {
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	k := table.Key{PK: "p", SK: "s"}
	if _, err := c.table.BatchGet(ctx, []table.Key{k}); !errors.Is(err, context.Canceled) {
		c.Errorf("batch-get: %v, want context.Canceled", err)
	}
	if _, _, err := c.table.Query(ctx, table.Query{PK: "p"}); !errors.Is(err, context.Canceled) {
		c.Errorf("query: %v, want context.Canceled", err)
	}
	err := c.table.Transact(ctx, []table.Write{{Op: table.OpPut, Key: k, If: table.Cond{Absent: true}}})
	if !errors.Is(err, context.Canceled) || lost(err) || errors.Is(err, table.ErrThrottled) {
		c.Errorf("transaction: %v, want context.Canceled and an outcome that is unknown", err)
	}
	c.want(k, nil)
}
