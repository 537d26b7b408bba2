package table

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"golang.org/x/sync/errgroup"
)

// DynamoAPI has the calls that [Dynamo] makes. The DynamoDB client implements
// it.
type DynamoAPI interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// DynamoActions are the IAM actions that [Dynamo] needs on its table. IAM
// authorizes a transaction by its single writes.
var DynamoActions = []string{
	"dynamodb:BatchGetItem",
	"dynamodb:ConditionCheckItem",
	"dynamodb:DeleteItem",
	"dynamodb:PutItem",
	"dynamodb:Query",
	"dynamodb:UpdateItem",
}

// NewClient returns a client for [Dynamo]. It sends a write once, because the
// store's own loop decides again before it repeats a write. It sends a read up
// to three times.
func NewClient(cfg aws.Config, optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, append([]func(*dynamodb.Options){func(o *dynamodb.Options) {
		o.RetryMaxAttempts = 3
		if o.BaseEndpoint != nil || cfg.BaseEndpoint != nil {
			o.DisableValidateResponseChecksum = true // the SDK computes other checksums than DynamoDB Local
		}
	}}, optFns...)...)
}

// Dynamo is a [Table] on DynamoDB. It is safe for concurrent use.
type Dynamo struct {
	client DynamoAPI
	table  string
}

// NewDynamo returns the table with a name. Its string keys are AttrPK and
// AttrSK.
func NewDynamo(client DynamoAPI, table string) *Dynamo { return &Dynamo{client, table} }

var _ Table = (*Dynamo)(nil)

const batchGetLimit = 100 // keys in one BatchGetItem

// BatchGet implements [Table]. It reads chunks of 100 keys in parallel.
func (d *Dynamo) BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error) {
	distinct := make([]Key, 0, len(keys))
	seen := make(map[Key]bool, len(keys))
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			distinct = append(distinct, k)
		}
	}
	if len(distinct) <= batchGetLimit {
		return d.batchGet(ctx, distinct)
	}
	chunks := make([]map[Key]Item, (len(distinct)+batchGetLimit-1)/batchGetLimit)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range chunks {
		chunk := distinct[i*batchGetLimit : min((i+1)*batchGetLimit, len(distinct))]
		g.Go(func() (err error) {
			chunks[i], err = d.batchGet(ctx, chunk)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := chunks[0]
	for _, c := range chunks[1:] {
		for k, i := range c {
			all[k] = i
		}
	}
	return all, nil
}

func (d *Dynamo) batchGet(ctx context.Context, keys []Key) (map[Key]Item, error) {
	items := make(map[Key]Item, len(keys))
	ask := make([]map[string]types.AttributeValue, len(keys))
	for i, k := range keys {
		ask[i] = keyAttrs(k)
	}
	for n := 0; len(ask) > 0; n++ {
		if n > 0 { // DynamoDB left keys unprocessed because of the load
			if n > 10 {
				return nil, fmt.Errorf("batch-get of %d items: %w: keys stay unprocessed", len(keys), ErrThrottled)
			}
			if err := backoff.Sleep(ctx, backoff.Full(n, 20*time.Millisecond, 640*time.Millisecond)); err != nil {
				return nil, err
			}
		}
		out, err := d.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			d.table: {Keys: ask, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return nil, fmt.Errorf("batch-get of %d items: %w", len(ask), throttle(err))
		}
		for _, attrs := range out.Responses[d.table] {
			r := row(attrs)
			items[r.Key] = r.Item
		}
		ask = out.UnprocessedKeys[d.table].Keys
	}
	return items, nil
}

// Query implements Table.
func (d *Dynamo) Query(ctx context.Context, q Query) ([]Row, string, error) {
	in := &dynamodb.QueryInput{
		TableName:                 &d.table,
		ConsistentRead:            aws.Bool(true),
		ScanIndexForward:          aws.Bool(!q.Descending),
		KeyConditionExpression:    aws.String("#p = :p"),
		ExpressionAttributeNames:  map[string]string{"#p": AttrPK},
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": Str(q.PK)},
	}
	// A query can have only one condition on the sort key.
	switch {
	case q.From != "" && q.To != "":
		if q.From > q.To {
			return nil, "", nil
		}
		in.KeyConditionExpression = aws.String("#p = :p AND #s BETWEEN :f AND :t")
	case q.From != "":
		in.KeyConditionExpression = aws.String("#p = :p AND #s >= :f")
	case q.To != "":
		in.KeyConditionExpression = aws.String("#p = :p AND #s <= :t")
	}
	if q.From != "" {
		in.ExpressionAttributeValues[":f"] = Str(q.From)
	}
	if q.To != "" {
		in.ExpressionAttributeValues[":t"] = Str(q.To)
	}
	if q.From != "" || q.To != "" {
		in.ExpressionAttributeNames["#s"] = AttrSK
	}
	if q.After != "" {
		// DynamoDB refuses a start outside of the range. A start before the
		// range means the whole range, and one after it means nothing.
		switch {
		case !q.Descending && q.After < q.From, q.Descending && q.To != "" && q.After > q.To:
		case !q.Descending && q.To != "" && q.After >= q.To, q.Descending && q.After <= q.From:
			return nil, "", nil
		default:
			in.ExclusiveStartKey = keyAttrs(Key{q.PK, q.After})
		}
	}
	if q.Limit > 0 {
		in.Limit = aws.Int32(int32(q.Limit))
	}
	out, err := d.client.Query(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("query of %s: %w", q.PK, throttle(err))
	}
	rows := make([]Row, len(out.Items))
	for i, attrs := range out.Items {
		rows[i] = row(attrs)
	}
	next := ""
	if s, ok := out.LastEvaluatedKey[AttrSK].(*types.AttributeValueMemberS); ok {
		next = s.Value
	}
	return rows, next, nil
}

// Transact implements Table.
func (d *Dynamo) Transact(ctx context.Context, writes []Write) error {
	in := &dynamodb.TransactWriteItemsInput{TransactItems: make([]types.TransactWriteItem, len(writes))}
	for i, w := range writes {
		in.TransactItems[i] = d.compile(w)
	}
	// If the connection breaks and the same request reaches DynamoDB twice, the
	// token prevents that the second one fails on the first one's writes.
	var token [16]byte
	rand.Read(token[:])
	in.ClientRequestToken = aws.String(hex.EncodeToString(token[:]))
	_, err := d.client.TransactWriteItems(ctx, in, once)
	return transactError(err)
}

func once(o *dynamodb.Options) {
	o.RetryMaxAttempts = 1
	o.Retryer = aws.NopRetryer{}
}

func transactError(err error) error {
	if err == nil {
		return nil
	}
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return canceledError(canceled, err)
	}
	// Not TransactionInProgressException: that error means that the same
	// request is being applied, so the outcome is unknown.
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return fmt.Errorf("transaction: %w: %w", ErrConflict, err)
	}
	if err = throttle(err); errors.Is(err, ErrThrottled) {
		return fmt.Errorf("transaction: %w", err)
	}
	return fmt.Errorf("transaction, outcome unknown: %w", err)
}

// throttle wraps ErrThrottled around an error that refuses a request for load.
func throttle(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "ThrottlingException", "RequestLimitExceeded", "ProvisionedThroughputExceededException":
			return fmt.Errorf("%w: %w", ErrThrottled, err)
		}
	}
	return err
}

// canceledError returns the error of a cancelled transaction. A failed
// condition counts first, because conflicts and throttles say nothing about the
// conditions.
func canceledError(c *types.TransactionCanceledException, err error) error {
	var failed []int
	var conflict, throttled bool
	for i, r := range c.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "ConditionalCheckFailed":
			failed = append(failed, i)
		case "TransactionConflict":
			conflict = true
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			throttled = true
		}
	}
	switch {
	case len(failed) > 0:
		return &ConditionError{Failed: failed}
	case throttled:
		return fmt.Errorf("transaction: %w: %w", ErrThrottled, err)
	case conflict:
		return fmt.Errorf("transaction: %w: %w", ErrConflict, err)
	}
	return fmt.Errorf("transaction canceled: %w", err)
}

func keyAttrs(k Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{AttrPK: Str(k.PK), AttrSK: Str(k.SK)}
}

// row divides an item's attributes into the key and the others. It keeps the
// map.
func row(attrs map[string]types.AttributeValue) Row {
	k, _ := KeyOf(attrs)
	delete(attrs, AttrPK)
	delete(attrs, AttrSK)
	return Row{Key: k, Item: attrs}
}

func (d *Dynamo) compile(w Write) types.TransactWriteItem {
	var x expressions
	cond := x.condition(w.If)
	switch w.Op {
	case OpPut:
		item := keyAttrs(w.Key)
		for name, v := range w.Item {
			item[name] = v
		}
		return types.TransactWriteItem{Put: &types.Put{TableName: &d.table, Item: item, ConditionExpression: cond, ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values}}
	case OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &d.table, Key: keyAttrs(w.Key), ConditionExpression: cond, ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values}}
	case OpCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &d.table, Key: keyAttrs(w.Key), ConditionExpression: cond, ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values}}
	case OpUpdate:
		update := x.update(w)
		return types.TransactWriteItem{Update: &types.Update{TableName: &d.table, Key: keyAttrs(w.Key), UpdateExpression: &update, ConditionExpression: cond, ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values}}
	}
	panic(fmt.Sprintf("store: unknown write %d", w.Op))
}
