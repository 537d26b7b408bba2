package lambdakit

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Every data type that DynamoDB has, as a stream delivers it.
func TestItem(t *testing.T) {
	var attributes map[string]events.DynamoDBAttributeValue
	if err := json.Unmarshal([]byte(`{
		"s": {"S": "text"}, "empty": {"S": ""}, "n": {"N": "-12345678901234567890.5"}, "b": {"B": "AQI="}, "yes": {"BOOL": true}, "no": {"BOOL": false},
		"null": {"NULL": true}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.5"]}, "bs": {"BS": ["AQ==", "Ag=="]},
		"m": {"M": {"deep": {"M": {"er": {"S": "x"}}}, "none": {"M": {}}}}, "l": {"L": [{"S": "x"}, {"L": [{"N": "1"}]}]}
	}`), &attributes); err != nil {
		t.Fatal(err)
	}
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	num := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	m := func(m map[string]types.AttributeValue) types.AttributeValue {
		return &types.AttributeValueMemberM{Value: m}
	}
	list := func(l ...types.AttributeValue) types.AttributeValue { return &types.AttributeValueMemberL{Value: l} }
	want := map[string]types.AttributeValue{
		"s": str("text"), "empty": str(""), "n": num("-12345678901234567890.5"),
		"b":   &types.AttributeValueMemberB{Value: []byte{1, 2}},
		"yes": &types.AttributeValueMemberBOOL{Value: true}, "no": &types.AttributeValueMemberBOOL{Value: false},
		"null": &types.AttributeValueMemberNULL{Value: true},
		"ss":   &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"ns":   &types.AttributeValueMemberNS{Value: []string{"1", "2.5"}},
		"bs":   &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		"m":    m(map[string]types.AttributeValue{"deep": m(map[string]types.AttributeValue{"er": str("x")}), "none": m(map[string]types.AttributeValue{})}),
		"l":    list(str("x"), list(num("1"))),
	}
	if diff := cmp.Diff(Item(attributes), want, cmpopts.IgnoreUnexported(
		types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{},
		types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{},
	)); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
