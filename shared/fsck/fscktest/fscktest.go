// Package fscktest runs the checker on the table in memory.
package fscktest

import (
	"iter"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// Clean fails the test, with every problem and the table's content, unless the
// table is in order at the time now. Nothing may write to the table meanwhile.
func Clean(t testing.TB, m *tabletest.Memory, now time.Time) {
	t.Helper()
	problems := fsck.Check(Items(m), now)
	if len(problems) == 0 {
		return
	}
	for _, p := range problems {
		t.Error(p)
	}
	t.Fatalf("the table is not in order:\n%s", m.Dump())
}

// Items yields copies of the table's items with their keys, as a scan of
// DynamoDB does.
func Items(m *tabletest.Memory) iter.Seq[map[string]types.AttributeValue] {
	return func(yield func(map[string]types.AttributeValue) bool) {
		for k, i := range m.All() {
			i[table.AttrPK] = &types.AttributeValueMemberS{Value: k.PK}
			i[table.AttrSK] = &types.AttributeValueMemberS{Value: k.SK}
			if !yield(i) {
				return
			}
		}
	}
}
