package storetest_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

// Transactions that take long enough to meet are applied one at a time.
func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	rev := store.Key{PK: "p", SK: "rev"}
	m := &storetest.Memory{}
	if err := m.Transact(t.Context(), []store.Write{{Op: store.OpUpdate, Key: rev, Add: map[string]int64{"Rev": 0}}}); err != nil {
		t.Fatal(err)
	}
	for round := range 100 {
		var won atomic.Int32
		var g sync.WaitGroup
		start := make(chan struct{})
		for racer := range 4 {
			g.Go(func() {
				writes := []store.Write{{Op: store.OpUpdate, Key: rev, Add: map[string]int64{"Rev": 1}, If: store.Cond{
					Equal: store.Item{"Rev": &types.AttributeValueMemberN{Value: fmt.Sprint(round)}},
				}}}
				for i := range store.MaxWrites - 1 {
					writes = append(writes, store.Write{Op: store.OpPut, Key: store.Key{PK: fmt.Sprint("r", racer), SK: fmt.Sprint(i)}})
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

// What DynamoDB refuses as a bad request is a bug of the caller.
func TestMemoryPanicsWhereDynamoDBRefuses(t *testing.T) {
	k := store.Key{PK: "p", SK: "s"}
	put := store.Write{Op: store.OpPut, Key: k}
	text := func(n int) store.Item {
		return store.Item{"Text": &types.AttributeValueMemberS{Value: string(make([]byte, n))}}
	}
	many := make([]store.Write, store.MaxWrites+1)
	for i := range many {
		many[i] = store.Write{Op: store.OpPut, Key: store.Key{PK: "p", SK: fmt.Sprint(i)}}
	}
	for name, writes := range map[string][]store.Write{
		"no writes":                {},
		"too many writes":          many,
		"an item twice":            {put, {Op: store.OpCheck, Key: k, If: store.Cond{Present: true}}},
		"an empty sort key":        {{Op: store.OpPut, Key: store.Key{PK: "p"}}},
		"an item over 400 KB":      {{Op: store.OpPut, Key: k, Item: text(401 << 10)}},
		"an attribute of key":      {{Op: store.OpPut, Key: k, Item: store.Item{store.AttrSK: text(1)["Text"]}}},
		"a check of nothing":       {{Op: store.OpCheck, Key: k}},
		"an update of nothing":     {{Op: store.OpUpdate, Key: k}},
		"a put with an update":     {{Op: store.OpPut, Key: k, Remove: []string{"Text"}}},
		"in of no values":          {{Op: store.OpDelete, Key: k, If: store.Cond{In: map[string][]string{"Text": nil}}}},
		"a map with no key":        {{Op: store.OpPut, Key: k, Item: store.Item{"Tags": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"": text(1)["Text"]}}}}},
		"a write of no kind":       {{Key: k}},
		"an attribute of no value": {{Op: store.OpPut, Key: k, Item: store.Item{"Text": nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it is accepted")
				}
			}()
			(&storetest.Memory{}).Transact(t.Context(), writes)
		})
	}
}
