package table

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Scanner reads all items of a table.
type Scanner interface {
	// Scan returns items of the table in an order of the table's own, at most limit,
	// and the key to pass as after to go on, the zero Key at the end. The zero Key
	// begins. Each item is read at a moment of its own, strongly consistent: a scan
	// misses no item that exists throughout it.
	Scan(ctx context.Context, after Key, limit int) ([]Row, Key, error)
}

// ScanAPI is the call of the DynamoDB client that [DynamoScanner] makes.
type ScanAPI interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// ScanAction is the IAM action that [DynamoScanner] needs on its table.
const ScanAction = "dynamodb:Scan"

// DynamoScanner is a [Scanner] on DynamoDB. It is safe for concurrent use.
type DynamoScanner struct {
	client ScanAPI
	table  string
}

// NewDynamoScanner returns a scanner of the table of the given name.
func NewDynamoScanner(client ScanAPI, table string) *DynamoScanner {
	return &DynamoScanner{client, table}
}

// Scan implements [Scanner].
func (d *DynamoScanner) Scan(ctx context.Context, after Key, limit int) ([]Row, Key, error) {
	in := &dynamodb.ScanInput{TableName: &d.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(limit))}
	if after != (Key{}) {
		in.ExclusiveStartKey = keyAttrs(after)
	}
	out, err := d.client.Scan(ctx, in)
	if err != nil {
		return nil, Key{}, fmt.Errorf("scan of %s: %w", d.table, throttle(err))
	}
	rows := make([]Row, len(out.Items))
	for i, attrs := range out.Items {
		rows[i] = row(attrs)
	}
	var next Key
	if out.LastEvaluatedKey != nil {
		next = row(out.LastEvaluatedKey).Key
	}
	return rows, next, nil
}
