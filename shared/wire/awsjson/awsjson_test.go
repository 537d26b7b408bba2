package awsjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

var members = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".ResultMetadata" }, cmp.Ignore()),
}

func operation(t testing.TB, action string) client.Operation {
	t.Helper()
	o, ok := client.Lookup(action)
	if !ok {
		t.Fatalf("no operation %s", action)
	}
	return o
}

// The SDK's types have the model's names as field names, and encoding/json uses
// these: it is a second implementation, in both directions.
func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, o := range client.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			shape, _ := schema.Lookup(o.Name)
			in, got := o.NewInput(), o.NewInput()
			wiretest.Fill(in, schema.At(shape.Input))
			body, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := awsjson.Decode(body, o.Name, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, in, members); diff != "" {
				t.Errorf("the input (-got +want):\n%s", diff)
			}
			if shape.Output < 0 {
				return
			}
			out, back := o.NewOutput(), o.NewOutput()
			wiretest.Fill(out, schema.At(shape.Output))
			b, err := awsjson.Encode(o.Name, out)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, back); err != nil {
				t.Fatalf("%v in %s", err, b)
			}
			if diff := cmp.Diff(back, out, members); diff != "" {
				t.Errorf("the output (-got +want):\n%s", diff)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name, action string
		out          any
		want         string
	}{
		{"an empty output: its own lists only", "DescribeIpamPools", &ec2.DescribeIpamPoolsOutput{}, `{"IpamPools":[]}`},
		{"no list either", "CreateIpam", &ec2.CreateIpamOutput{}, `{}`},
		{"lists within parts are absent or empty", "CreateIpam", &ec2.CreateIpamOutput{Ipam: &types.Ipam{IpamId: aws.String("i"), OperatingRegions: []types.IpamOperatingRegion{}}}, `{"Ipam":{"IpamId":"i","OperatingRegions":[]}}`},
		{"an action that answers only success", "CreateTags", &ec2.CreateTagsOutput{}, `{"Return":true}`},
		{"zero values are not absent", "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{Description: aws.String("")}}, `{"IpamPoolAllocation":{"Description":""}}`},
		{"escapes", "CreateIpam", &ec2.CreateIpamOutput{Ipam: &types.Ipam{Description: aws.String("\"\\\n\x00\xff<é")}}, `{"Ipam":{"Description":"\"\\\u000a\u0000` + "\uFFFD" + `<é"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := awsjson.Encode(c.action, c.out)
			if err != nil || string(b) != c.want {
				t.Errorf("got %s, %v\nwant %s", b, err, c.want)
			}
		})
	}
	if _, err := awsjson.Encode("NoSuchThing", &ec2.CreateIpamOutput{}); err == nil {
		t.Error("an unknown action: no error")
	}
}

func TestEncodeError(t *testing.T) {
	var got map[string]string
	if err := json.Unmarshal(awsjson.EncodeError("r-1", &ipam.Error{Code: ipam.CodeInvalidFilter, Message: "a \"b\"\n"}), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, map[string]string{"Code": "InvalidFilter", "Message": "a \"b\"\n", "RequestId": "r-1"}); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeAccepts(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       *ec2.AllocateIpamPoolCidrInput
	}{
		{"an empty object", ` {} `, &ec2.AllocateIpamPoolCidrInput{}},
		{"no body", " \n", &ec2.AllocateIpamPoolCidrInput{}},
		{"null", `{"Cidr": null, "AllowedCidrs": null}`, &ec2.AllocateIpamPoolCidrInput{}},
		{"an empty list", `{"AllowedCidrs": []}`, &ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{}}},
		{"a stable key", `{"StableKey": "a"}`, &ec2.AllocateIpamPoolCidrInput{TagSpecifications: stable("a")}},
		{"a stable key ahead of its tag", `{"StableKey": "a", "TagSpecifications": [{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "cadastre:stable-key", "Value": "a"}]}]}`, &ec2.AllocateIpamPoolCidrInput{TagSpecifications: stable("a")}},
		{"no stable key", `{"StableKey": null}`, &ec2.AllocateIpamPoolCidrInput{}},
		{"false and 0", `{"DryRun": false, "NetmaskLength": 0}`, &ec2.AllocateIpamPoolCidrInput{DryRun: aws.Bool(false), NetmaskLength: aws.Int32(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &ec2.AllocateIpamPoolCidrInput{}
			if err := awsjson.Decode([]byte(c.body), "AllocateIpamPoolCidr", in); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(in, c.want, members); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// stable returns the tag of a stable key.
func stable(key string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: "ipam-pool-allocation", Tags: []types.Tag{{Key: aws.String(ipam.StableKeyTag), Value: &key}}}}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, action, body string
		code               ipam.Code
		word               string
	}{
		{"an unknown member", "AllocateIpamPoolCidr", `{"PoolId": "x"}`, ipam.CodeUnknownParameter, "IpamPoolId"},
		{"a stable key ahead of another in the tag", "AllocateIpamPoolCidr", `{"StableKey": "b", "TagSpecifications": [{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "cadastre:stable-key", "Value": "a"}]}]}`, ipam.CodeInvalidParameterCombination, "StableKey"},
		{"a stable key behind another in the tag", "AllocateIpamPoolCidr", `{"TagSpecifications": [{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "cadastre:stable-key", "Value": "a"}]}], "StableKey": "b"}`, ipam.CodeInvalidParameterCombination, "StableKey"},
		{"a stable key twice", "AllocateIpamPoolCidr", `{"StableKey": "a", "StableKey": "a"}`, ipam.CodeInvalidParameterValue, "more than once"},
		{"a stable key that is no string", "AllocateIpamPoolCidr", `{"StableKey": 1}`, ipam.CodeInvalidParameterValue, "StableKey must be a string"},
		{"an empty stable key", "AllocateIpamPoolCidr", `{"StableKey": ""}`, ipam.CodeInvalidParameterValue, "StableKey has 0 characters. It takes 1 to 256"},
		{"the query's name of a list", "AllocateIpamPoolCidr", `{"AllowedCidr": ["x"]}`, ipam.CodeUnknownParameter, "AllowedCidrs"},
		{"another case", "AllocateIpamPoolCidr", `{"ipamPoolId": "x"}`, ipam.CodeUnknownParameter, "ipamPoolId"},
		{"an unknown member deep inside", "CreateIpam", `{"TagSpecifications": [{}, {"Tags": [{"Name": "x"}]}]}`, ipam.CodeUnknownParameter, "TagSpecifications[1].Tags[0].Name"},
		{"a string for a number", "AllocateIpamPoolCidr", `{"NetmaskLength": "24"}`, ipam.CodeInvalidParameterValue, `NetmaskLength must be an integer and is the string "24"`},
		{"a fraction for an integer", "AllocateIpamPoolCidr", `{"NetmaskLength": 24.5}`, ipam.CodeInvalidParameterValue, "24.5"},
		{"a number of more than 32 bits", "AllocateIpamPoolCidr", `{"NetmaskLength": 1e400}`, ipam.CodeInvalidParameterValue, "1e400"},
		{"a number for a string", "AllocateIpamPoolCidr", `{"Cidr": 10}`, ipam.CodeInvalidParameterValue, "Cidr must be a string and is the number 10"},
		{"a list for a string", "AllocateIpamPoolCidr", `{"Cidr": ["x"]}`, ipam.CodeInvalidParameterValue, "a list"},
		{"a string for a boolean", "AllocateIpamPoolCidr", `{"DryRun": "true"}`, ipam.CodeInvalidParameterValue, "DryRun must be true or false"},
		{"a string for a list", "AllocateIpamPoolCidr", `{"AllowedCidrs": "x"}`, ipam.CodeInvalidParameterValue, "AllowedCidrs must be a list"},
		{"a list for an object", "CreateIpamPool", `{"SourceResource": []}`, ipam.CodeInvalidParameterValue, "SourceResource must be an object"},
		{"null in a list", "AllocateIpamPoolCidr", `{"AllowedCidrs": ["a", null]}`, ipam.CodeInvalidParameterValue, "AllowedCidrs[1]"},
		{"true for a time", "GetIpamAddressHistory", `{"StartTime": true}`, ipam.CodeInvalidParameterValue, "StartTime"},
		{"a time in month 13", "GetIpamAddressHistory", `{"StartTime": "2026-13-01T00:00:00Z"}`, ipam.CodeInvalidParameterValue, "2026-01-31T13:00:00Z"},
		{"a member twice", "AllocateIpamPoolCidr", `{"Cidr": "a", "Cidr": "b"}`, ipam.CodeInvalidParameterValue, "more than once"},
		{"a control character", "AllocateIpamPoolCidr", `{"Description": "a\u0000"}`, ipam.CodeInvalidParameterValue, "byte 1"},
		{"too many elements", "AllocateIpamPoolCidr", `{"AllowedCidrs": ["x"` + strings.Repeat(`,"x"`, awsjson.MaxList) + `]}`, ipam.CodeInvalidParameterValue, "1000"},
		{"cut off", "AllocateIpamPoolCidr", `{"Cidr": `, ipam.CodeMalformedRequest, "ends too early"},
		{"cut off in a string", "AllocateIpamPoolCidr", `{"Cidr": "`, ipam.CodeMalformedRequest, "ends too early"},
		{"a list at the top", "AllocateIpamPoolCidr", `[]`, ipam.CodeMalformedRequest, "a list and not an object"},
		{"null at the top", "AllocateIpamPoolCidr", `null`, ipam.CodeMalformedRequest, "null"},
		{"two objects", "AllocateIpamPoolCidr", `{}{}`, ipam.CodeMalformedRequest, "follows"},
		{"a comma too many", "AllocateIpamPoolCidr", `{"Cidr": "a",}`, ipam.CodeMalformedRequest, "byte"},
		{"a form", "AllocateIpamPoolCidr", `Action=x`, ipam.CodeMalformedRequest, "byte"},
		{"no UTF-8", "AllocateIpamPoolCidr", "{\"Cidr\": \"\xff\"}", ipam.CodeMalformedRequest, "UTF-8"},
		{"brackets without end", "AllocateIpamPoolCidr", strings.Repeat(`{"SourceResource":`, 50_000), ipam.CodeUnknownParameter, "SourceResource"},
		{"too long", "AllocateIpamPoolCidr", strings.Repeat(" ", awsjson.MaxBody+1), ipam.CodeMalformedRequest, "1048577"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := awsjson.Decode([]byte(c.body), c.action, operation(t, c.action).NewInput())
			if ipam.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.word) {
				t.Fatalf("got %v, want code %s and %q", err, c.code, c.word)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []struct{ action, body string }{
		{"AllocateIpamPoolCidr", `{"IpamPoolId": "x", "NetmaskLength": 24, "AllowedCidrs": ["a"], "DryRun": true}`},
		{"CreateIpam", `{"TagSpecifications": [{"ResourceType": "ipam", "Tags": [{"Key": "k", "Value": "v"}]}]}`},
		{"GetIpamAddressHistory", `{"StartTime": "2026-01-31T13:00:00Z"}`},
		{"CreateIpamPool", `{"SourceResource": {"ResourceId": null}}`},
	} {
		f.Add(s.action, []byte(s.body))
	}
	f.Fuzz(func(t *testing.T, action string, body []byte) {
		if o, ok := schema.Lookup(action); !ok || o.Own {
			return
		}
		first, second := operation(t, action).NewInput(), operation(t, action).NewInput()
		if err := awsjson.Decode(body, action, first); err != nil {
			if ipam.CodeOf(err) == ipam.CodeInternalError {
				t.Fatalf("a request can bring about an internal error: %v", err)
			}
			return
		}
		// The decoded input, written by encoding/json, decodes to the same input.
		b, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := awsjson.Decode(b, action, second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, members); diff != "" {
			t.Fatal(diff)
		}
		if err := wiretest.Check(action, first); err != nil && ipam.CodeOf(err) == ipam.CodeInternalError {
			t.Fatal(err)
		}
	})
}

func TestMembers(t *testing.T) {
	got, err := awsjson.Members([]byte(` {"a": {"x": 1, "x": 2}, "b": [1, 2], "c": null, "": "d"} `))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, raw := range got {
		texts[name] = string(raw)
	}
	if diff := cmp.Diff(map[string]string{"a": `{"x": 1, "x": 2}`, "b": "[1, 2]", "c": "null", "": `"d"`}, texts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for object, want := range map[string]ipam.Code{
		`{"a": 1, "a": 1}`: ipam.CodeInvalidParameterValue, `{"a": 1, "\u0061": 2}`: ipam.CodeInvalidParameterValue,
		``: ipam.CodeMalformedRequest, `null`: ipam.CodeMalformedRequest, `[]`: ipam.CodeMalformedRequest, `"a"`: ipam.CodeMalformedRequest, `{`: ipam.CodeMalformedRequest,
		`{"a"`: ipam.CodeMalformedRequest, `{"a": }`: ipam.CodeMalformedRequest, `{"a": 1} {}`: ipam.CodeMalformedRequest, `{"a": 1}x`: ipam.CodeMalformedRequest, "{\"a\": \"\xff\"}": ipam.CodeMalformedRequest,
	} {
		if members, err := awsjson.Members([]byte(object)); ipam.CodeOf(err) != want {
			t.Errorf("%q: %v, %v; want %s", object, members, err, want)
		}
	}
}
