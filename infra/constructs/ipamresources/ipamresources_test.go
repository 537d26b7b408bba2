//go:build !race

package ipamresources

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// A stack with every construct has the resources, with the properties of
// AWS::EC2::IPAM* and references between them.
func TestConstructs(t *testing.T) {
	const token = "arn:aws:lambda:eu-west-1:111122223333:function:f"
	stack := awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Stack"), nil)
	ipam := NewIPAM(stack, "Ipam", &IPAMProps{
		CfnIPAMProps: awsec2.CfnIPAMProps{
			Description: jsii.String("d"), EnablePrivateGua: jsii.Bool(false),
			OperatingRegions: []any{&awsec2.CfnIPAM_IpamOperatingRegionProperty{RegionName: stack.Region()}},
			Tags:             &[]*awscdk.CfnTag{{Key: jsii.String("k"), Value: jsii.String("v")}},
		},
		ServiceToken: token,
	})
	NewScope(stack, "Scope", &ScopeProps{CfnIPAMScopeProps: awsec2.CfnIPAMScopeProps{IpamId: ipam.IpamID()}, ServiceToken: token})
	pool := NewPool(stack, "Pool", &PoolProps{
		CfnIPAMPoolProps: awsec2.CfnIPAMPoolProps{
			AddressFamily: jsii.String("ipv4"), IpamScopeId: ipam.PrivateDefaultScopeID(), AllocationMinNetmaskLength: jsii.Number(0), AutoImport: jsii.Bool(true),
			ProvisionedCidrs: &[]any{&awsec2.CfnIPAMPool_ProvisionedCidrProperty{Cidr: jsii.String("10.0.0.0/16")}},
		},
		ServiceToken: token,
	})
	NewPool(stack, "Child", &PoolProps{CfnIPAMPoolProps: awsec2.CfnIPAMPoolProps{AddressFamily: jsii.String("ipv4")}, Source: &Selector{Description: "top"}, ServiceToken: token})
	cidr := NewPoolCIDR(stack, "Cidr", &PoolCIDRProps{CfnIPAMPoolCidrProps: awsec2.CfnIPAMPoolCidrProps{IpamPoolId: pool.IpamPoolID(), NetmaskLength: jsii.Number(20)}, ServiceToken: token})
	allocation := NewAllocation(stack, "Allocation", &AllocationProps{
		CfnIPAMAllocationProps: awsec2.CfnIPAMAllocationProps{NetmaskLength: jsii.Number(24)},
		Pool:                   &Selector{AddressFamily: "ipv4", IpamScopeID: *ipam.PublicDefaultScopeID(), Locale: "eu-west-1", Tags: map[string]string{"b": "2", "a": ""}},
		ServiceToken:           token,
		StableKey:              "k",
	})
	for name, value := range map[string]*string{"1": cidr.CIDR(), "2": allocation.CIDR(), "3": allocation.IpamPoolAllocationID(), "4": allocation.IpamPoolID(), "5": pool.Arn()} {
		awscdk.NewCfnOutput(stack, jsii.String("Output"+name), &awscdk.CfnOutputProps{Value: value})
	}

	got, err := json.MarshalIndent(assertions.Template_FromStack(stack, nil).ToJSON(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	type list = []any
	ref := func(id string) any { return object{"Ref": id} }
	att := func(id, name string) any { return object{"Fn::GetAtt": list{id, name}} }
	resource := func(kind string, p object) object {
		p["ServiceToken"] = token
		return object{"Type": "Custom::" + kind, "Properties": p, "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
	}
	want := object{
		"Resources": object{
			"Ipam":  resource("Ipam", object{"Description": "d", "EnablePrivateGua": false, "OperatingRegions": list{object{"RegionName": ref("AWS::Region")}}, "Tags": list{object{"Key": "k", "Value": "v"}}}),
			"Scope": resource("IpamScope", object{"IpamId": ref("Ipam")}),
			"Pool": resource("IpamPool", object{"AddressFamily": "ipv4", "IpamScopeId": att("Ipam", "PrivateDefaultScopeId"), "AllocationMinNetmaskLength": 0.0, "AutoImport": true,
				"ProvisionedCidrs": list{object{"Cidr": "10.0.0.0/16"}}}),
			"Child": resource("IpamPool", object{"AddressFamily": "ipv4", "IpamPoolSelector": object{"Description": "top"}}),
			"Cidr":  resource("IpamPoolCidr", object{"IpamPoolId": ref("Pool"), "NetmaskLength": 20.0}),
			"Allocation": resource("IpamAllocation", object{"NetmaskLength": 24.0, "StableKey": "k", "IpamPoolSelector": object{
				"AddressFamily": "ipv4", "IpamScopeId": att("Ipam", "PublicDefaultScopeId"), "Locale": "eu-west-1", "Tags": list{object{"Key": "a", "Value": ""}, object{"Key": "b", "Value": "2"}},
			}}),
		},
		"Outputs": object{
			"Output1": object{"Value": att("Cidr", "Cidr")}, "Output2": object{"Value": att("Allocation", "Cidr")},
			"Output3": object{"Value": att("Allocation", "IpamPoolAllocationId")}, "Output4": object{"Value": att("Allocation", "IpamPoolId")}, "Output5": object{"Value": att("Pool", "Arn")},
		},
	}
	var plain object
	if err := json.Unmarshal(got, &plain); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object{"Resources": plain["Resources"], "Outputs": plain["Outputs"]}, want); diff != "" {
		t.Errorf("-got +want:\n%s\n%s", diff, got)
	}
}
