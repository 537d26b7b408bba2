package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

type shapes struct {
	Text  string `cfn:",required"`
	Flag  *bool
	Count *int32
	part
	Object *struct{ Member string }
	List   []struct{ Member string }
	Tags   map[string]string
	Other  string `cfn:"OtherId"`
}

type part struct{ Embedded string }

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, given string
		want        shapes
	}{
		{"strings, as CloudFormation sends them", `{"ServiceToken": "arn", "ServiceTimeout": "60", "Text": "t", "Flag": "false", "Count": "-24", "Embedded": "e", "Object": {"Member": "m"}, "List": [{"Member": "1"}, {}], "Tags": [{"Key": "k", "Value": ""}, {"Key": "l"}]}`,
			shapes{Text: "t", Flag: aws.Bool(false), Count: aws.Int32(-24), part: part{"e"}, Object: &struct{ Member string }{"m"}, List: []struct{ Member string }{{"1"}, {}}, Tags: map[string]string{"k": "", "l": ""}}},
		{"JSON values", `{"Text": "t", "Flag": true, "Count": 24, "List": []}`, shapes{Text: "t", Flag: aws.Bool(true), Count: aws.Int32(24)}},
		{"empty strings", `{"Text": "t", "Flag": "", "Count": "", "Embedded": "", "Object": "", "List": "", "Tags": ""}`, shapes{Text: "t"}},
		{"null", `{"Text": "t", "Flag": null, "List": null}`, shapes{Text: "t"}},
		{"zero, and another name", `{"Text": "t", "Count": "0", "OtherId": "o"}`, shapes{Text: "t", Count: aws.Int32(0), Other: "o"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var given map[string]any
			if err := json.Unmarshal([]byte(c.given), &given); err != nil {
				t.Fatal(err)
			}
			var got shapes
			if err := decode("Custom::Shapes", given, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, c.want, cmp.AllowUnexported(shapes{}, part{})); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
			if given["ServiceToken"] == nil && strings.Contains(c.given, "ServiceToken") {
				t.Error("the event was changed")
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{`{}`, "MissingParameter: The property Text of Custom::Shapes is required and not given."},
		{`{"Text": ""}`, "MissingParameter: The property Text"},
		{`{"Text": "t", "text": "t"}`, "UnknownParameter: The property text is not one of Custom::Shapes, which are Count, Embedded, Flag, List, Object, OtherId, Tags, Text."},
		{`{"Text": "t", "Other": "t"}`, "UnknownParameter: The property Other is not"},
		{`{"Text": "t", "part": "t"}`, "UnknownParameter: The property part"},
		{`{"Text": "t", "Object": {"ServiceToken": "arn"}}`, "UnknownParameter: The property Object.ServiceToken is not one of Object of Custom::Shapes, which are Member."},
		{`{"Text": "t", "List": [{}, {"Other": "x"}]}`, "UnknownParameter: The property List[1].Other"},
		{`{"Text": 1}`, "InvalidParameterValue: The property Text must be a string and is 1."},
		{`{"Text": ["t"]}`, "The property Text must be a string and is a list."},
		{`{"Text": "t", "Flag": "yes"}`, `The property Flag must be true or false and is "yes".`},
		{`{"Text": "t", "Flag": "yes"}`, `The property Flag must be true or false`},
		{`{"Text": "t", "Flag": 1}`, `The property Flag must be true or false and is 1.`},
		{`{"Text": "t", "Count": "24.5"}`, `The property Count must be a whole number and is "24.5".`},
		{`{"Text": "t", "Count": "4294967296"}`, `The property Count must be a whole number`},
		{`{"Text": "t", "Count": 0.5}`, `The property Count must be a whole number and is 0.5.`},
		{`{"Text": "t", "Count": true}`, `The property Count must be a whole number and is true.`},
		{`{"Text": "t", "Count": "/24"}`, `The property Count must be a whole number and is "/24".`},
		{`{"Text": "t", "Object": "m"}`, `The property Object must be an object and is "m".`},
		{`{"Text": "t", "Object": []}`, `The property Object must be an object and is a list.`},
		{`{"Text": "t", "List": {"Member": "m"}}`, `The property List must be a list and is an object.`},
		{`{"Text": "t", "List": "m"}`, `The property List must be a list and is "m".`},
		{`{"Text": "t", "List": ["m"]}`, `The property List[0] must be an object and is "m".`},
		{`{"Text": "t", "List": [null]}`, `The property List[0] must be an object`},
		{`{"Text": "t", "Tags": {"k": "v"}}`, `The property Tags must be a list and is an object.`},
		{`{"Text": "t", "Tags": [{"Value": "v"}]}`, `MissingParameter: The property Tags[0].Key of Custom::Shapes is required and not given.`},
		{`{"Text": "t", "Tags": [{"Key": "k"}, {"Key": "k"}]}`, `The property Tags[1].Key is "k", which the list has already.`},
		{`{"Text": "t", "` + strings.Repeat("x", 200) + `": ""}`, "xxx…"},
	} {
		var given map[string]any
		if err := json.Unmarshal([]byte(c.given), &given); err != nil {
			t.Fatal(err)
		}
		err := decode("Custom::Shapes", given, &shapes{})
		if ipam.CodeOf(err) == ipam.CodeInternalError || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.given, err, c.want)
		}
	}
}
