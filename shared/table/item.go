package table

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func Str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func Num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (i Item) Str(name string) string {
	v, _ := i[name].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

func (i Item) Num(name string) int64 {
	v, _ := i[name].(*types.AttributeValueMemberN)
	if v == nil {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

// Put sets a string attribute unless it is empty.
func (i Item) Put(name, value string) {
	if value != "" {
		i[name] = Str(value)
	}
}

// Expired reports whether an item counts as absent, whenever TTL removes it.
func Expired(i Item, now int64) bool {
	e := i.Num(AttrExpires)
	return e != 0 && e < now
}
