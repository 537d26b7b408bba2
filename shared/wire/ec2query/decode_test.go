package ec2query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

func TestDecodeAccepts(t *testing.T) {
	for _, c := range []struct {
		name, action, form string
		want               any
	}{
		{"nothing", "DescribeIpams", "Action=DescribeIpams", &ec2.DescribeIpamsInput{}},
		{"an empty string", "AllocateIpamPoolCidr", "Description=", &ec2.AllocateIpamPoolCidrInput{Description: aws.String("")}},
		{"an empty list", "AllocateIpamPoolCidr", "AllowedCidr=", &ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{}}},
		{"eleven elements, in number order", "AllocateIpamPoolCidr", forms(11, "AllowedCidr.%[1]d=c%[1]d"),
			&ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"}}},
		{"booleans in any case", "AllocateIpamPoolCidr", "DryRun=True&PreviewNextCidr=FALSE",
			&ec2.AllocateIpamPoolCidrInput{DryRun: aws.Bool(true), PreviewNextCidr: aws.Bool(false)}},
		{"lists in lists", "CreateIpam", "TagSpecification.2.ResourceType=ipam&TagSpecification.2.Tag.1.Key=a%26b&TagSpecification.1.Tag.1.Value=+",
			&ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{{Tags: []types.Tag{{Value: aws.String(" ")}}},
				{ResourceType: "ipam", Tags: []types.Tag{{Key: aws.String("a&b")}}}}}},
		{"a structure", "CreateIpamPool", "SourceResource.ResourceId=vpc-1", &ec2.CreateIpamPoolInput{SourceResource: &types.IpamPoolSourceResourceRequest{ResourceId: aws.String("vpc-1")}}},
		{"a signature in the query string", "DescribeIpams", "X-Amz-Signature=a&x-amz-date=b&Timestamp=c&Version=2016-11-15", &ec2.DescribeIpamsInput{}},
		{"a stable key", "AllocateIpamPoolCidr", "StableKey=a%26b", &ec2.AllocateIpamPoolCidrInput{TagSpecifications: stable("a&b")}},
		{"a stable key and its tag", "AllocateIpamPoolCidr", "StableKey=a&TagSpecification.1.ResourceType=ipam-pool-allocation&TagSpecification.1.Tag.1.Key=cadastre:stable-key&TagSpecification.1.Tag.1.Value=a",
			&ec2.AllocateIpamPoolCidrInput{TagSpecifications: stable("a")}},
		{"a value outside the enumeration: Binding.Check refuses it", "CreateIpamPool", "AddressFamily=ipv5", &ec2.CreateIpamPoolInput{AddressFamily: "ipv5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newIn(c.action)
			if err := ec2query.Decode(parse(t, c.form), c.action, in); err != nil {
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

func newIn(action string) any {
	o, _ := client.Lookup(action)
	return o.NewInput()
}

// forms joins n pairs, numbered from 1.
func forms(n int, format string) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf(format, i+1))
	}
	return strings.Join(pairs, "&")
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, action, form string
		code               ipam.Code
		words              []string // in the message
	}{
		{"an unknown parameter", "AllocateIpamPoolCidr", "PoolId=x", ipam.CodeUnknownParameter, []string{"The parameter PoolId is not recognized", "IpamPoolId", "AllowedCidr.N", "TagSpecification.N.…", "StableKey"}},
		{"a stable key and another in the tag", "AllocateIpamPoolCidr", "StableKey=a&TagSpecification.1.ResourceType=ipam-pool-allocation&TagSpecification.1.Tag.1.Key=cadastre:stable-key&TagSpecification.1.Tag.1.Value=b",
			ipam.CodeInvalidParameterCombination, []string{"StableKey", ipam.StableKeyTag, "Give one of them"}},
		{"a stable key with members", "AllocateIpamPoolCidr", "StableKey.1=a", ipam.CodeUnknownParameter, []string{"StableKey.1", "Use StableKey="}},
		{"a stable key of another operation", "CreateIpamPool", "StableKey=a", ipam.CodeUnknownParameter, []string{"StableKey"}},
		{"another case", "AllocateIpamPoolCidr", "ipamPoolId=x", ipam.CodeUnknownParameter, []string{"ipamPoolId"}},
		{"the client's name of a list", "AllocateIpamPoolCidr", "AllowedCidrs.1=x", ipam.CodeUnknownParameter, []string{"AllowedCidrs.1"}},
		{"a member that the part does not have", "CreateIpam", "TagSpecification.1.Tag.1.Name=x", ipam.CodeUnknownParameter, []string{"TagSpecification.1.Tag.1.Name", "TagSpecification.1.Tag.1.Key"}},
		{"a single value with members", "AllocateIpamPoolCidr", "Cidr.1=x", ipam.CodeUnknownParameter, []string{"Cidr.1", "Use Cidr="}},
		{"a single value and members of it", "AllocateIpamPoolCidr", "Cidr=a&Cidr.1=x", ipam.CodeUnknownParameter, []string{"Cidr.1"}},
		{"a parameter twice", "AllocateIpamPoolCidr", "Cidr=a&Cidr=b", ipam.CodeInvalidParameterValue, []string{"Cidr is given 2 times"}},
		{"a list without numbers", "AllocateIpamPoolCidr", "AllowedCidr=10.0.0.0/8", ipam.CodeInvalidParameterValue, []string{"AllowedCidr.1"}},
		{"a list with and without numbers", "AllocateIpamPoolCidr", "AllowedCidr=&AllowedCidr.1=a", ipam.CodeInvalidParameterValue, []string{"AllowedCidr.1"}},
		{"a list from 0", "AllocateIpamPoolCidr", "AllowedCidr.0=a", ipam.CodeUnknownParameter, []string{"AllowedCidr.0", "from 1"}},
		{"a negative number", "AllocateIpamPoolCidr", "AllowedCidr.-1=a", ipam.CodeUnknownParameter, []string{"AllowedCidr.-1"}},
		{"a leading zero", "AllocateIpamPoolCidr", "AllowedCidr.01=a", ipam.CodeUnknownParameter, []string{"AllowedCidr.01"}},
		{"a word as number", "AllocateIpamPoolCidr", "AllowedCidr.member.1=a", ipam.CodeUnknownParameter, []string{"AllowedCidr.member.1"}},
		{"a gap", "AllocateIpamPoolCidr", "AllowedCidr.1=a&AllowedCidr.3=b", ipam.CodeInvalidParameterValue, []string{"AllowedCidr", "element 3", "number 2"}},
		{"a huge number", "AllocateIpamPoolCidr", "AllowedCidr.2147483647=a", ipam.CodeInvalidParameterValue, []string{"2147483647", "number 1"}},
		{"too many elements", "AllocateIpamPoolCidr", forms(ec2query.MaxList+1, "AllowedCidr.%d=x"), ipam.CodeInvalidParameterValue, []string{"1001", "1000"}},
		{"a structure with a value", "CreateIpamPool", "SourceResource=x", ipam.CodeInvalidParameterValue, []string{"SourceResource.ResourceId"}},
		{"a word for an integer", "AllocateIpamPoolCidr", "NetmaskLength=many", ipam.CodeInvalidParameterValue, []string{"Value (many) for parameter NetmaskLength is invalid", "integer"}},
		{"an empty integer", "AllocateIpamPoolCidr", "NetmaskLength=", ipam.CodeInvalidParameterValue, []string{"Value ()"}},
		{"an integer of more than 32 bits", "AllocateIpamPoolCidr", "NetmaskLength=2147483648", ipam.CodeInvalidParameterValue, []string{"2147483648"}},
		{"a word for a boolean", "AllocateIpamPoolCidr", "DryRun=yes", ipam.CodeInvalidParameterValue, []string{"true or false"}},
		{"a word for a time", "GetIpamAddressHistory", "StartTime=yesterday", ipam.CodeInvalidParameterValue, []string{"2026-01-31T13:00:00Z"}},
		{"a control character", "AllocateIpamPoolCidr", "Description=a%00b", ipam.CodeInvalidParameterValue, []string{"Description", "byte 1"}},
		{"no UTF-8", "AllocateIpamPoolCidr", "Description=%FF", ipam.CodeInvalidParameterValue, []string{"Description", "byte 0"}},
		{"a name of many parts", "AllocateIpamPoolCidr", strings.Repeat("a.", 100) + "=x", ipam.CodeUnknownParameter, []string{"more than 8 parts"}},
		{"an empty name", "AllocateIpamPoolCidr", "=x", ipam.CodeUnknownParameter, nil},
		{"a name that ends with a period", "AllocateIpamPoolCidr", "Cidr.=x", ipam.CodeUnknownParameter, nil},
		{"a long value is cut in the message", "AllocateIpamPoolCidr", "NetmaskLength=" + strings.Repeat("é", 5000), ipam.CodeInvalidParameterValue, []string{"…"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ec2query.Decode(parse(t, c.form), c.action, newIn(c.action))
			if ipam.CodeOf(err) != c.code {
				t.Fatalf("got %v, want code %s", err, c.code)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the message %q lacks %q", err, w)
				}
			}
			if len(err.Error()) > 3000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestFormsAndActions(t *testing.T) {
	for _, c := range []struct {
		name, form string
		code       ipam.Code
		word       string
	}{
		{"no action", "Version=2016-11-15", ipam.CodeMissingParameter, "The request must contain the parameter Action"},
		{"an empty form", "", ipam.CodeMissingParameter, "Action"},
		{"two actions", "Action=A&Action=B", ipam.CodeInvalidParameterValue, "Action is given 2 times"},
		{"another version", "Action=A&Version=2011-01-01", ipam.CodeInvalidParameterValue, "Version=2016-11-15"},
		{"a broken escape", "Action=%zz", ipam.CodeMalformedRequest, "%zz"},
		{"a semicolon", "Action=A;B=C", ipam.CodeMalformedRequest, "semicolon"},
		{"too long", "A=" + strings.Repeat("x", ec2query.MaxBody), ipam.CodeMalformedRequest, "1048578"},
		{"too many parameters", strings.Repeat("A=1&", ec2query.MaxParameters), ipam.CodeMalformedRequest, "10001"},
		{"an action", "Action=A&Version=2016-11-15", "", ""},
		{"an action without a version", "Action=A", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			form, err := ec2query.ParseForm(c.form)
			if err == nil {
				_, err = ec2query.Action(form)
			}
			if ipam.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("got %v, want code %q and the word %q", err, c.code, c.word)
			}
		})
	}
}

// No operation has a parameter with a name that the protocol uses.
func TestEnvelopeHidesNoParameter(t *testing.T) {
	own := []string{"Action", "Version", "AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"}
	for _, o := range schema.Operations() {
		for _, m := range schema.At(o.Input).Members {
			if slices.Contains(own, m.Query) || strings.HasPrefix(strings.ToLower(m.Query), "x-amz-") {
				t.Errorf("%s: the parameter %s belongs to the protocol", o.Name, m.Query)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"Action=AllocateIpamPoolCidr&IpamPoolId=x&NetmaskLength=24&AllowedCidr.1=a&AllowedCidr.2=b", "Action=CreateIpam&TagSpecification.1.Tag.1.Key=k&DryRun=true",
		"Action=GetIpamAddressHistory&StartTime=2026-01-31T13:00:00Z", "Action=DescribeIpams&Filter.1.Name=n&Filter.1.Value.1=v&MaxResults=5", "Action=CreateIpam&OperatingRegion=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := ec2query.ParseForm(body)
		if err != nil {
			known(t, err)
			return
		}
		action, err := ec2query.Action(form)
		if err != nil {
			known(t, err)
			return
		}
		if o, ok := schema.Lookup(action); !ok || o.Own {
			return
		}
		first, second := newIn(action), newIn(action)
		if err := ec2query.Decode(form, action, first); err != nil {
			known(t, err)
			if again := ec2query.Decode(form, action, second); again == nil || again.Error() != err.Error() {
				t.Fatalf("one request, two answers: %v, %v", err, again)
			}
			return
		}
		if err := ec2query.Decode(form, action, second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, members); diff != "" {
			t.Fatal(diff)
		}
		if err := wiretest.Check(action, first); err != nil {
			known(t, err)
		}
	})
}

// known fails if err has no code and message for the caller.
func known(t *testing.T, err error) {
	t.Helper()
	if ipam.CodeOf(err) == ipam.CodeInternalError {
		t.Fatalf("a request can bring about an internal error: %v", err)
	}
}
