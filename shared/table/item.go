package table

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Str returns a string attribute.
func Str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Num returns a number attribute.
func Num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Str returns a string attribute's value, and "" if it is absent or no string.
func (i Item) Str(name string) string {
	v, _ := i[name].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

// Num returns a number attribute's value, and 0 if it is absent or no number.
func (i Item) Num(name string) int64 {
	v, _ := i[name].(*types.AttributeValueMemberN)
	if v == nil {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

// KeyOf returns the key among the attributes of an item. ok is false if a part of it
// is missing, or is no string.
func KeyOf(attributes Item) (k Key, ok bool) {
	k = Key{attributes.Str(AttrPK), attributes.Str(AttrSK)}
	return k, k.PK != "" && k.SK != ""
}

// Put sets a string attribute, unless value is empty.
func (i Item) Put(name, value string) {
	if value != "" {
		i[name] = Str(value)
	}
}

// Expired reports whether an item counts as absent at now, in Unix seconds,
// even if TTL has not removed it yet.
func Expired(i Item, now int64) bool {
	e := i.Num(AttrExpires)
	return e != 0 && e < now
}
