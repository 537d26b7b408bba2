package modelcheck

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// broken is a table on which a rule of the protocols does not hold. Its
// functions may be nil.
type broken struct {
	table.Table
	get   func(map[table.Key]table.Item)                    // changes the answer to a batch-get
	query func(table.Query) (rows []table.Row, answer bool) // answers a query without reading
	rows  func([]table.Row)                                 // changes the answer to a query
	write func([]table.Write) []table.Write                 // changes a transaction
}

func (b *broken) BatchGet(ctx context.Context, keys []table.Key) (map[table.Key]table.Item, error) {
	items, err := b.Table.BatchGet(ctx, keys)
	if err == nil && b.get != nil {
		b.get(items)
	}
	return items, err
}

func (b *broken) Query(ctx context.Context, q table.Query) ([]table.Row, string, error) {
	if b.query != nil {
		if rows, answer := b.query(q); answer {
			return rows, "", nil
		}
	}
	rows, next, err := b.Table.Query(ctx, q)
	if err == nil && b.rows != nil {
		b.rows(rows)
	}
	return rows, next, err
}

func (b *broken) Transact(ctx context.Context, writes []table.Write) error {
	if b.write != nil {
		if writes = b.write(slices.Clone(writes)); len(writes) == 0 {
			return nil
		}
	}
	return b.Table.Transact(ctx, writes)
}

// each changes single writes.
func each(change func(*table.Write)) *broken {
	return &broken{write: func(writes []table.Write) []table.Write {
		for i := range writes {
			change(&writes[i])
		}
		return writes
	}}
}

// without drops writes.
func without(drop func(table.Write) bool) *broken {
	return &broken{write: func(writes []table.Write) []table.Write { return slices.DeleteFunc(writes, drop) }}
}

func isFree(k table.Key) bool   { return strings.HasSuffix(k.PK, "#FREE") }
func isTaken(k table.Key) bool  { return strings.HasSuffix(k.PK, "#TAKEN") }
func isRecord(k table.Key) bool { return strings.HasPrefix(k.PK, "ALLOC#") }
func isPool(k table.Key) bool   { return strings.HasPrefix(k.PK, "POOL#") && k.SK == "META" }

// spaceOf returns the pool of a block's key.
func spaceOf(k table.Key) string { return strings.Split(k.PK, "#")[1] }

// rule is a rule that protects requests from each other. The test breaks each rule alone, and
// the search must find the fault that the rule prevents.
type rule struct {
	name     string
	scenario string // the scenario that needs the rule
	finds    string // part of the fault that the search finds
	broken   func() *broken
}

var rules = []rule{
	{
		name:     "deleting a free block demands its root",
		scenario: "a CIDR goes away and comes again",
		finds:    "says that its root is",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpDelete && isFree(w.Key) {
					w.If = table.Cond{Present: true}
				}
			})
		},
	},
	{
		name:     "deleting a taken block demands its allocation",
		scenario: "a deep release and the reconciler past its deadline",
		finds:    "has this id",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if isTaken(w.Key) && w.If.Equal != nil {
					w.If = table.Cond{Present: true}
				}
			})
		},
	},
	{
		name:     "putting demands absence",
		scenario: "one token at once",
		finds:    "which is not there by its id",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpPut {
					w.If.Absent = false
				}
			})
		},
	},
	{
		name:     "a release checks that the last buddy is not free",
		scenario: "buddies are released",
		finds:    "are both free",
		broken: func() *broken {
			return without(func(w table.Write) bool { return w.Op == table.OpCheck && isFree(w.Key) })
		},
	},
	{
		name:     "the release of a whole root has no buddy",
		scenario: "a whole root is released beside a free one",
		finds:    "gave up",
		broken: func() *broken {
			return &broken{write: func(writes []table.Write) []table.Write {
				for _, w := range writes {
					if w.Op == table.OpPut && w.Key == freeKey(spaceOf(w.Key), cidr("10.0.0.0/30")) && isTaken(writes[0].Key) {
						buddy := freeKey(spaceOf(w.Key), cidr("10.0.0.4/30"))
						return append(writes, table.Write{Op: table.OpCheck, Key: buddy, If: table.Cond{Absent: true}})
					}
				}
				return writes
			}}
		},
	},
	{
		name:     "the record is read before anything is refused",
		scenario: "the last block, requested again",
		finds:    "is there, and nobody was given it",
		broken: func() *broken {
			return &broken{get: func(items map[table.Key]table.Item) {
				for k := range items {
					if isRecord(k) {
						delete(items, k)
					}
				}
			}}
		},
	},
	{
		name:     "a release leaves a tombstone",
		scenario: "an allocation, requested again after its release",
		finds:    "was ended, and is there",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpUpdate && isRecord(w.Key) {
					*w = table.Write{Op: table.OpDelete, Key: w.Key, If: w.If}
				}
			})
		},
	},
	{
		name:     "an expired tombstone counts as absent in conditions",
		scenario: "an allocation, requested again long after its release",
		finds:    "gave up",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if isRecord(w.Key) {
					w.If.ExpiredBefore = 0
				}
			})
		},
	},
	{
		name:     "an expired tombstone counts as absent in reads",
		scenario: "an allocation, requested again long after its release",
		finds:    "was answered, and is not there",
		broken: func() *broken {
			return &broken{get: func(items map[table.Key]table.Item) {
				for k, i := range items {
					if isRecord(k) {
						items[k] = but(i, table.AttrExpires)
					}
				}
			}}
		},
	},
	{
		name:     "a deep split goes through a block that counts as taken",
		scenario: "a deep allocation and one beside it",
		finds:    "are both free",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op != table.OpPut || !isTaken(w.Key) || text(w.Item, "Kind") != "split" {
					return
				}
				for p := range blocks(cidr("10.0.0.0/28")) {
					if pool := spaceOf(w.Key); takenKey(pool, p) == w.Key {
						w.Key, w.Item = freeKey(pool, p), table.Item{"Root": w.Item["Root"]}
						return
					}
				}
			})
		},
	},
	{
		name:     "a deep split is noted for the reconciler",
		scenario: "a deep allocation and one beside it",
		finds:    "its note of work is missing",
		broken: func() *broken {
			return without(func(w table.Write) bool { return w.Key.PK == items.WorkPK && w.Op == table.OpPut })
		},
	},
	{
		name:     "full takes two passes",
		scenario: "a block that moves under a narrow request",
		finds:    `"full", which was true at no moment`,
		broken: func() *broken {
			return &broken{query: func(q table.Query) ([]table.Row, bool) {
				return nil, q.Descending && strings.HasSuffix(q.PK, "#FREE")
			}}
		},
	},
	{
		name:     "taken takes the block in the way",
		scenario: "a block that others split and merge",
		finds:    `"taken", which was true at no moment`,
		broken: func() *broken {
			return &broken{query: func(q table.Query) ([]table.Row, bool) {
				if !q.Descending || !strings.HasSuffix(q.PK, "#TAKEN") {
					return nil, false
				}
				return []table.Row{{
					Key: takenKey(strings.Split(q.PK, "#")[1], cidr("10.0.0.4/30")),
					Item: table.Item{
						"Root":         &types.AttributeValueMemberS{Value: "supposed/29"},
						"AllocationId": &types.AttributeValueMemberS{Value: "supposed"},
						"Kind":         &types.AttributeValueMemberS{Value: "custom"},
					},
				}}, true
			}}
		},
	},
	{
		name:     "a retry reads the pool again",
		scenario: "the pool is deleted",
		finds:    "gave up",
		broken: func() *broken {
			first := map[table.Key]table.Item{}
			return &broken{get: func(items map[table.Key]table.Item) {
				for k, i := range items {
					if isPool(k) && first[k] == nil {
						first[k] = i
					}
				}
				for k, i := range first {
					items[k] = i
				}
			}}
		},
	},
	{
		name:     "provisioning demands that the pool is there",
		scenario: "the pool is deleted",
		finds:    "POOL#",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpUpdate && isPool(w.Key) {
					w.If = table.Cond{}
				}
			})
		},
	},
	{
		name:     "provisioning demands that the pool is not being deleted",
		scenario: "the pool is deleted with its contents",
		finds:    "which is being deleted",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpUpdate && isPool(w.Key) {
					w.If.In = nil
				}
			})
		},
	},
	{
		name:     "provisioning demands that the quota leaves room",
		scenario: "two provision and the quota leaves one",
		finds:    "has 2 CIDRs and may have 1",
		broken: func() *broken {
			return each(func(w *table.Write) { w.If.Below = nil })
		},
	},
	{
		name:     "a failed deprovisioning marks only the items that it read",
		scenario: "one CIDR is deprovisioned by two while its allocation is released",
		finds:    "is lost",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpUpdate && strings.HasSuffix(w.Key.PK, "#CIDR") {
					w.If.Equal = but(w.If.Equal, "State")
				}
			})
		},
	},
	{
		name:     "deleting a pool demands that it has no CIDRs",
		scenario: "the pool is deleted",
		finds:    "counts 0 CIDRs and has 1",
		broken: func() *broken {
			return each(func(w *table.Write) {
				if w.Op == table.OpDelete && isPool(w.Key) {
					w.If = table.Cond{Present: true}
				}
			})
		},
	},
	{
		name:     "deprovisioning demands the root's free block",
		scenario: "the pool's CIDR goes away",
		finds:    "is under no root",
		broken: func() *broken {
			return &broken{write: func(writes []table.Write) []table.Write {
				at := slices.IndexFunc(writes, func(w table.Write) bool { return w.Op == table.OpPut && strings.HasSuffix(w.Key.PK, "#CIDR") })
				for i, w := range writes {
					if at >= 0 && w.Op == table.OpDelete && isFree(w.Key) && spaceOf(w.Key) == spaceOf(writes[at].Key) {
						writes[i].If = table.Cond{}
					}
				}
				return writes
			}}
		},
	},
}

func but(i table.Item, attr string) table.Item {
	c := table.Item{}
	for name, v := range i {
		if name != attr {
			c[name] = v
		}
	}
	return c
}

func TestRules(t *testing.T) {
	all := slices.Concat(scenarios, liveScenarios)
	for _, rule := range slices.Concat(rules, liveRules) {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(all, func(s scenario) bool { return s.name == rule.scenario })
			if i < 0 {
				t.Fatalf("there is no scenario %q", rule.scenario)
			}
			search := all[i].search(t)
			search.Broken = func(table table.Table) table.Table {
				b := rule.broken()
				b.Table = table
				return b
			}
			r := search.Run(t)
			t.Logf("%d states; found in %q: %s", r.States, rule.scenario, r.Violation)
			if r.Violation == "" || !strings.Contains(r.Violation, rule.finds) {
				t.Errorf("the search does not find %q", rule.finds)
			}
		})
	}
}
