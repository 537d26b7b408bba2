// Package table defines the parts of a DynamoDB table that Cadastre uses: keys, items,
// conditional transactions, and queries of one partition. It knows nothing of address
// management.
//
// [Dynamo] is a [Table] on DynamoDB. Package tabletest has a stricter one in memory,
// and the contract that both keep.
//
// Read the files in this order. Each uses only those before it: table.go, pages.go,
// item.go, expression.go, dynamo.go, scan.go.
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

// Item contains an item's attributes, without its key attributes.
type Item map[string]types.AttributeValue

// Table is a table. All reads are strongly consistent. A read that is refused
// for load fails with an error that wraps [ErrThrottled]. [Dynamo] implements
// Table on DynamoDB, tabletest.Memory in memory; tabletest's contract suite
// checks that both behave alike.
type Table interface {
	// BatchGet returns the items that exist among keys. There may be any number
	// of keys, also none. It asks again for keys that DynamoDB left
	// unprocessed. It is no snapshot: each item is read at its own moment.
	BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error)
	// Query returns the items of one partition in the order of sort keys, and
	// the sort key to pass as After to continue, "" at the end. It is no
	// snapshot either.
	Query(ctx context.Context, q Query) ([]Row, string, error)
	// Transact applies 1 to MaxWrites writes, all or none. It returns a
	// [*ConditionError] if a condition does not hold, an error that wraps
	// [ErrConflict] if another transaction is in the way, and one that wraps
	// [ErrThrottled] if it is refused for load. In each of these cases nothing
	// is written. After any other error the outcome is unknown.
	Transact(ctx context.Context, writes []Write) error
}

// MaxWrites is the largest number of items in a transaction, the documented
// limit of TransactWriteItems.
const MaxWrites = 100

// Query selects items of one partition.
type Query struct {
	PK         string
	From, To   string // sort keys From ≤ SK ≤ To; an empty To means no upper end
	After      string // exclusive start: items beyond After in the direction of the query
	Descending bool
	Limit      int // largest number of rows; 0: as many as fit into one answer of 1 MB
}

// Page returns the query for the rows of q behind the sort key after ("" for the
// first), at most limit in one answer (0: as many as an answer holds).
func (q Query) Page(after string, limit int) Query {
	q.After, q.Limit = after, limit
	return q
}

// Last returns the query for the last row of q.
func (q Query) Last() Query {
	q.Descending, q.Limit = true, 1
	return q
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

// WriteOp is the operation of a [Write].
type WriteOp uint8

// The operations. OpUpdate makes the item if it does not exist and no condition
// forbids it, as UpdateItem does. OpCheck writes nothing.
const (
	OpPut WriteOp = iota + 1
	OpDelete
	OpUpdate
	OpCheck
)

// Cond is a condition on the item before the transaction. The zero value always
// holds. All parts that are set must hold, except that ExpiredBefore widens
// Absent.
type Cond struct {
	Absent        bool                // the item does not exist …
	ExpiredBefore int64               // … or, if > 0, has an AttrExpires number below this time, Unix seconds
	Present       bool                // the item exists
	Equal         Item                // each attribute exists and equals the value
	Missing       []string            // none of the attributes exists; the item may
	In            map[string][]string // each string attribute exists and is one of the values
	Below         map[string]int64    // each number attribute exists and is less than the value
}

// ConditionError is the error of a transaction with conditions that do not
// hold. Nothing is written.
type ConditionError struct {
	Failed []int // indexes into the writes, ascending, at least one
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("the conditions of writes %v do not hold", e.Failed)
}

// The errors that a [Table] wraps. After these errors of Transact, nothing is
// written.
var (
	ErrConflict  = errors.New("transaction conflict")
	ErrThrottled = errors.New("throttled")
)

// The names of the table's key attributes and of its time-to-live attribute.
// The infrastructure makes the table with them.
const (
	AttrPK      = "PK"
	AttrSK      = "SK"
	AttrExpires = "Expires" // Unix seconds; after it the item counts as absent, even before TTL removes it
)
