package tabletest_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// Transactions that run long enough to overlap are applied one at a time.
func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	rev := table.Key{PK: "p", SK: "rev"}
	m := &tabletest.Memory{}
	if err := m.Transact(t.Context(), []table.Write{{Op: table.OpUpdate, Key: rev, Add: map[string]int64{"Rev": 0}}}); err != nil {
		t.Fatal(err)
	}
	for round := range 100 {
		var won atomic.Int32
		var g sync.WaitGroup
		start := make(chan struct{})
		for racer := range 4 {
			g.Go(func() {
				writes := []table.Write{{Op: table.OpUpdate, Key: rev, Add: map[string]int64{"Rev": 1}, If: table.Cond{
					Equal: table.Item{"Rev": &types.AttributeValueMemberN{Value: fmt.Sprint(round)}},
				}}}
				for i := range table.MaxWrites - 1 {
					writes = append(writes, table.Write{Op: table.OpPut, Key: table.Key{PK: fmt.Sprint("r", racer), SK: fmt.Sprint(i)}})
				}
				<-start
				if m.Transact(t.Context(), writes) == nil {
					won.Add(1)
				}
			})
		}
		close(start)
		g.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d was won by %d transactions, want one", round, won.Load())
		}
	}
}

// A request that DynamoDB refuses as invalid is a bug of the caller.
func TestMemoryPanicsWhereDynamoDBRefuses(t *testing.T) {
	k := table.Key{PK: "p", SK: "s"}
	put := table.Write{Op: table.OpPut, Key: k}
	text := func(n int) table.Item {
		return table.Item{"Text": &types.AttributeValueMemberS{Value: string(make([]byte, n))}}
	}
	many := make([]table.Write, table.MaxWrites+1)
	for i := range many {
		many[i] = table.Write{Op: table.OpPut, Key: table.Key{PK: "p", SK: fmt.Sprint(i)}}
	}
	for name, writes := range map[string][]table.Write{
		"no writes":                {},
		"too many writes":          many,
		"an item twice":            {put, {Op: table.OpCheck, Key: k, If: table.Cond{Present: true}}},
		"an empty sort key":        {{Op: table.OpPut, Key: table.Key{PK: "p"}}},
		"an item over 400 KB":      {{Op: table.OpPut, Key: k, Item: text(401 << 10)}},
		"an attribute of key":      {{Op: table.OpPut, Key: k, Item: table.Item{table.AttrSK: text(1)["Text"]}}},
		"a check of nothing":       {{Op: table.OpCheck, Key: k}},
		"an update of nothing":     {{Op: table.OpUpdate, Key: k}},
		"a put with an update":     {{Op: table.OpPut, Key: k, Remove: []string{"Text"}}},
		"in of no values":          {{Op: table.OpDelete, Key: k, If: table.Cond{In: map[string][]string{"Text": nil}}}},
		"a map with no key":        {{Op: table.OpPut, Key: k, Item: table.Item{"Tags": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"": text(1)["Text"]}}}}},
		"a write of no kind":       {{Key: k}},
		"an attribute of no value": {{Op: table.OpPut, Key: k, Item: table.Item{"Text": nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it is accepted")
				}
			}()
			(&tabletest.Memory{}).Transact(t.Context(), writes)
		})
	}
}

// A write to a table, or to its clone, is not seen in the other.
func TestCloneIsIndependent(t *testing.T) {
	put := func(m *tabletest.Memory, pk, sk, value string) {
		t.Helper()
		w := table.Write{Op: table.OpPut, Key: table.Key{PK: pk, SK: sk}, Item: table.Item{"Text": &types.AttributeValueMemberS{Value: value}}}
		if err := m.Transact(t.Context(), []table.Write{w}); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(m *tabletest.Memory, pk, sk string) {
		t.Helper()
		if err := m.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: table.Key{PK: pk, SK: sk}}}); err != nil {
			t.Fatal(err)
		}
	}
	a := &tabletest.Memory{}
	put(a, "p", "1", "a")
	put(a, "q", "1", "a")
	before := a.Hash()
	b := a.Clone()
	c := b.Clone()
	if b.Dump() != a.Dump() || b.Hash() != before {
		t.Error("the clone has other items")
	}
	put(b, "p", "1", "b")
	put(b, "r", "1", "b")
	drop(c, "q", "1")
	put(a, "p", "2", "a")
	for name, have := range map[string][2]string{
		"the table":              {a.Dump(), "p | 1 | Text=\"a\"\np | 2 | Text=\"a\"\nq | 1 | Text=\"a\"\n"},
		"its clone":              {b.Dump(), "p | 1 | Text=\"b\"\nq | 1 | Text=\"a\"\nr | 1 | Text=\"b\"\n"},
		"the clone of its clone": {c.Dump(), "p | 1 | Text=\"a\"\n"},
	} {
		if have[0] != have[1] {
			t.Errorf("%s has\n%swant\n%s", name, have[0], have[1])
		}
	}
	if a.Hash() == before || a.Hash() == b.Hash() || b.Hash() == c.Hash() {
		t.Error("other contents have equal digests")
	}
	drop(a, "p", "2")
	if a.Hash() != before {
		t.Error("equal contents have other digests")
	}
}
