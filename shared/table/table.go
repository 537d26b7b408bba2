// Package table is what Cadastre needs of a DynamoDB table: keys, items,
// conditional transactions, and queries of one partition. It knows nothing of
// address management.
//
// [Dynamo] serves a [Table] from DynamoDB; package tabletest has a stricter one
// in memory and the contract that both keep.
package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Key is an item's primary key: partition key and sort key.
type Key struct{ PK, SK string }

func (k Key) String() string { return k.PK + " | " + k.SK }

// Item is an item's attributes, its key attributes not included.
type Item map[string]types.AttributeValue

// Table is what the store needs of a DynamoDB table. All reads are strongly
// consistent; one that is refused for load fails with an error that wraps
// ErrThrottled. NewDynamo serves it from DynamoDB, tabletest.Memory from memory;
// tabletest's contract suite holds both to the same behaviour.
type Table interface {
	// BatchGet returns the items that exist among keys, which may be any
	// number of keys, none too; it asks again for keys that were left unprocessed. It is not a
	// snapshot: each item is read at a moment of its own.
	BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error)
	// Query returns the items of one partition in sort key order, and the
	// sort key to pass as After to go on, "" at the end. It is not a
	// snapshot either.
	Query(ctx context.Context, q Query) ([]Row, string, error)
	// Transact applies 1 to MaxWrites writes, all or none. It returns
	// *ConditionError if a condition does not hold, an error that wraps
	// ErrConflict when another transaction was in the way, one that wraps
	// ErrThrottled when it was refused for load (in each of these cases
	// nothing was written), and any other error when the outcome is unknown.
	Transact(ctx context.Context, writes []Write) error
}

// MaxWrites is the number of items that one transaction may hold, the
// documented limit of TransactWriteItems.
const MaxWrites = 100

// Query selects items of one partition.
type Query struct {
	PK         string
	From, To   string // sort keys From ≤ SK ≤ To; an empty To means no upper end
	After      string // exclusive start: items beyond After in the direction of the query
	Descending bool
	Limit      int // at most so many rows; 0: as many as one answer of at most 1 MB holds
}

// Row is an item with its key.
type Row struct {
	Key  Key
	Item Item
}

// Write is one write of a transaction.
type Write struct {
	Op     WriteOp
	Key    Key
	Item   Item             // OpPut: the attributes
	Set    Item             // OpUpdate: attributes to set
	Add    map[string]int64 // OpUpdate: numbers to add to attributes (an absent one counts as 0)
	Remove []string         // OpUpdate: attributes to remove
	If     Cond
}

// WriteOp is what a Write does with its item.
type WriteOp uint8

// The kinds of write. OpUpdate makes the item if it does not exist and no
// condition forbids it, as UpdateItem does; OpCheck writes nothing.
const (
	OpPut WriteOp = iota + 1
	OpDelete
	OpUpdate
	OpCheck
)

// Cond is a condition on the item as it was before the transaction. Its zero
// value holds always; parts that are set must all hold, except that
// ExpiredBefore widens Absent.
type Cond struct {
	Absent        bool                // the item does not exist …
	ExpiredBefore int64               // … or, if > 0, has an AttrExpires number below this time, Unix seconds
	Present       bool                // the item exists
	Equal         Item                // each attribute exists and equals the value
	Missing       []string            // none of the attributes exists; the item may
	In            map[string][]string // each string attribute exists and is one of the values
	Below         map[string]int64    // each number attribute exists and is less than the value
}

// ConditionError says that the conditions of a transaction's writes did not
// hold; nothing was written.
type ConditionError struct {
	Failed []int // indexes into the writes, ascending, at least one
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("the conditions of writes %v do not hold", e.Failed)
}

// Errors that a Table wraps; of Transact, they say that nothing was written.
var (
	ErrConflict  = errors.New("transaction conflict")
	ErrThrottled = errors.New("throttled")
)

// Names of the table's key attributes and of its time-to-live attribute. The
// infrastructure makes the table with them.
const (
	AttrPK      = "PK"
	AttrSK      = "SK"
	AttrExpires = "Expires" // Unix seconds; past it the item counts as absent, whenever TTL removes it
)
