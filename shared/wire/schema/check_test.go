package schema_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

func TestCheck(t *testing.T) {
	ipamID := aws.String("ipam-1")
	regions := func(n int) []types.AddIpamOperatingRegion { return make([]types.AddIpamOperatingRegion, n) }
	for _, c := range []struct {
		name, operation string
		in              any
		code            ipam.Code
		words           []string
	}{
		{"the first missing member is named", "CreateIpamPool", &ec2.CreateIpamPoolInput{}, ipam.CodeMissingParameter, []string{"The request must contain the parameter IpamScopeId"}},
		{"a missing enumeration", "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: ipamID}, ipam.CodeMissingParameter, []string{"AddressFamily"}},
		{"a missing list, by both protocols' names", "CreateTags", &ec2.CreateTagsInput{}, ipam.CodeMissingParameter, []string{"parameter Resources (ResourceId.1 in a query)"}},
		{"an empty list", "CreateTags", &ec2.CreateTagsInput{Resources: []string{}}, ipam.CodeMissingParameter, []string{"Resources"}},
		{"a member that a part lacks", "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: ipamID, CidrAuthorizationContext: &types.IpamCidrAuthorizationContext{}}, "", nil},
		{"a required member that a part lacks", "ProvisionByoipCidr", &ec2.ProvisionByoipCidrInput{Cidr: ipamID, CidrAuthorizationContext: &types.CidrAuthorizationContext{Message: ipamID}},
			ipam.CodeMissingParameter, []string{"CidrAuthorizationContext.Signature"}},
		{"missing comes before invalid", "CreateIpamPool", &ec2.CreateIpamPoolInput{AllocationMinNetmaskLength: aws.Int32(500)}, ipam.CodeMissingParameter, nil},
		{"as many elements as there may be", "ModifyIpam", &ec2.ModifyIpamInput{IpamId: ipamID, AddOperatingRegions: regions(50)}, "", nil},
		{"one element too many", "ModifyIpam", &ec2.ModifyIpamInput{IpamId: ipamID, AddOperatingRegions: regions(51)}, ipam.CodeInvalidParameterValue, []string{"AddOperatingRegions has 51 elements", "0 to 50"}},
		{"a number at its bounds", "ModifyIpamPool", &ec2.ModifyIpamPoolInput{IpamPoolId: ipamID, AllocationMinNetmaskLength: aws.Int32(0), AllocationMaxNetmaskLength: aws.Int32(128)}, "", nil},
		{"a number below", "ModifyIpamPool", &ec2.ModifyIpamPoolInput{IpamPoolId: ipamID, AllocationMinNetmaskLength: aws.Int32(-1)}, ipam.CodeInvalidParameterValue, []string{"(-1)", "AllocationMinNetmaskLength", "0 to 128"}},
		{"a control character", "CreateIpam", &ec2.CreateIpamInput{Description: aws.String("a\x00")}, ipam.CodeInvalidParameterValue, []string{"Description", "byte 1"}},
		{"a control character in a list", "CreateTags", &ec2.CreateTagsInput{Resources: []string{"x"}, Tags: []types.Tag{{Key: aws.String("k")}, {Key: aws.String("k"), Value: aws.String("ab\x1b")}}}, ipam.CodeInvalidParameterValue, []string{"Tags.2.Value", "byte 2"}},
		{"a text that is not UTF-8", "CreateIpam", &ec2.CreateIpamInput{Description: aws.String("a\xff")}, ipam.CodeInvalidParameterValue, []string{"Description", "byte 1"}},
		{"a tab and line ends", "CreateIpam", &ec2.CreateIpamInput{Description: aws.String("a\t\r\n")}, "", nil},
		{"an enumeration's other value", "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: ipamID, AddressFamily: "ipv5"}, ipam.CodeInvalidParameterValue, []string{"(ipv5)", "AddressFamily", "Use one of: ipv4, ipv6."}},
		{"an enumeration in another case", "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: ipamID, AddressFamily: "IPv4"}, ipam.CodeInvalidParameterValue, nil},
		{"a long enumeration is not listed", "CreateIpam", &ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{{ResourceType: "x"}}}, ipam.CodeInvalidParameterValue, []string{"TagSpecifications.1.ResourceType", "values that the API reference lists"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := wiretest.Check(c.operation, c.in)
			if ipam.CodeOf(err) != c.code {
				t.Fatalf("got %v, want code %q", err, c.code)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the message %q lacks %q", err, w)
				}
			}
		})
	}
}

// Check finds each required member of each operation when it is missing, for
// members of every type.
func TestCheckFindsEveryRequiredMember(t *testing.T) {
	found := 0
	for _, o := range client.Operations() {
		shape, _ := schema.Lookup(o.Name)
		for _, m := range schema.At(shape.Input).Members {
			if !m.Required {
				continue
			}
			found++
			in := o.NewInput()
			wiretest.Fill(in, schema.At(shape.Input))
			reflect.ValueOf(in).Elem().FieldByName(m.Name).SetZero()
			if err := wiretest.Check(o.Name, in); ipam.CodeOf(err) != ipam.CodeMissingParameter || !strings.Contains(err.Error(), m.Name) {
				t.Errorf("%s without %s: got %v", o.Name, m.Name, err)
			}
		}
	}
	if found < 80 {
		t.Errorf("the model requires %d members only: the table has lost some", found)
	}
}

func TestTimesAreInUTC(t *testing.T) {
	p, err := schema.Input("GetIpamAddressHistory", reflect.TypeFor[ec2.GetIpamAddressHistoryInput]())
	if err != nil {
		t.Fatal(err)
	}
	f := p.Field("StartTime", func(m *schema.Member) string { return m.Name })
	var in ec2.GetIpamAddressHistoryInput
	if err := f.Binding.SetText(reflect.ValueOf(&in).Elem().Field(f.Index), "2026-02-01T01:30:00.123456+09:00", "StartTime"); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 1, 31, 16, 30, 0, 123456000, time.UTC); *in.StartTime != want {
		t.Errorf("got %v, want %v", in.StartTime, want)
	}
	tokyo := in.StartTime.In(time.FixedZone("", 9*3600))
	if got := string(f.Binding.AppendText(nil, reflect.ValueOf(tokyo))); got != "2026-01-31T16:30:00.123Z" {
		t.Errorf("got %s", got)
	}
}
