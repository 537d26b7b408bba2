package resign_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/resign"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func form(t *testing.T, query string) url.Values {
	t.Helper()
	f, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoute(t *testing.T) {
	const ec2, cadastre = resign.EC2, resign.Cadastre
	for _, c := range []struct {
		name, query string
		want        resign.Target
		code        ipam.Code
	}{
		{"an IPAM action", "Action=AllocateIpamPoolCidr&IpamPoolId=ipam-pool-1", cadastre, ""},
		{"an IPAM action that Cadastre does not have", "Action=DescribeIpamPolicies", cadastre, ""},
		{"an IPAM action newer than the model", "Action=ExplainIpamPool", cadastre, ""},
		{"an action of Cadastre's own", "Action=GetAccessGrants", cadastre, ""},
		{"EC2's", "Action=DescribeInstances&Filter.1.Name=vpc-id&Filter.1.Value.1=ipam-1", ec2, ""},
		{"EC2's with a parameter that has Ipam in its name", "Action=ModifyManagedPrefixList&IpamPrefixListResolverSyncEnabled=false", ec2, ""},
		{"EC2's with a pool parameter that it does not have", "Action=RunInstances&IpamPoolId=ipam-pool-1", ec2, ""},
		{"action in other letters", "Action=createvpc&Ipv4IpamPoolId=ipam-pool-1", ec2, ""},
		{"no action", "Version=2016-11-15", 0, ipam.CodeMissingParameter},
		{"an empty action", "Action=", 0, ipam.CodeMissingParameter},
		{"two actions", "Action=DescribeVpcs&Action=DescribeIpams", 0, ipam.CodeInvalidParameterValue},
		{"one action twice", "Action=DescribeVpcs&Action=DescribeVpcs", 0, ipam.CodeInvalidParameterValue},

		{"a VPC by CIDR", "Action=CreateVpc&CidrBlock=10.0.0.0/16", ec2, ""},
		{"a VPC from a pool", "Action=CreateVpc&Ipv4IpamPoolId=ipam-pool-1&Ipv4NetmaskLength=24", cadastre, ""},
		{"a VPC with an IPv6 pool", "Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv6IpamPoolId=ipam-pool-1", cadastre, ""},
		{"a VPC with a pool left empty", "Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv4IpamPoolId=", ec2, ""},
		{"a VPC by length without a pool", "Action=CreateVpc&Ipv4NetmaskLength=24", ec2, ""},
		{"a VPC with a tag named like a pool parameter", "Action=CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.Tag.1.Key=Ipv4IpamPoolId&TagSpecification.1.Tag.1.Value=x", ec2, ""},
		{"a VPC's second CIDR from a pool", "Action=AssociateVpcCidrBlock&VpcId=vpc-1&Ipv4IpamPoolId=ipam-pool-1", cadastre, ""},
		{"a VPC's CIDR disassociated", "Action=DisassociateVpcCidrBlock&AssociationId=vpc-cidr-assoc-1", ec2, ""},
		{"a subnet from a pool", "Action=CreateSubnet&VpcId=vpc-1&Ipv4IpamPoolId=ipam-pool-1", cadastre, ""},
		{"a subnet's second CIDR from a pool", "Action=AssociateSubnetCidrBlock&SubnetId=subnet-1&Ipv6IpamPoolId=ipam-pool-1", cadastre, ""},
		{"an address", "Action=AllocateAddress&Domain=vpc", ec2, ""},
		{"an address from a pool", "Action=AllocateAddress&IpamPoolId=ipam-pool-1", cadastre, ""},
		{"BYOIP", "Action=ProvisionByoipCidr&Cidr=203.0.113.0/24", ec2, ""},
		{"BYOIP moved to an IPAM", "Action=MoveByoipCidrToIpam&Cidr=203.0.113.0/24", cadastre, ""},

		{"tags of a pool", "Action=CreateTags&ResourceId.1=ipam-pool-1&Tag.1.Key=vpc-1", cadastre, ""},
		{"tags of two IPAM objects", "Action=DeleteTags&ResourceId.1=ipam-1&ResourceId.2=ipam-scope-1", cadastre, ""},
		{"tags of a VPC", "Action=CreateTags&ResourceId.1=vpc-1&Tag.1.Key=ipam-pool-1", ec2, ""},
		{"tags of a pool and a VPC", "Action=CreateTags&ResourceId.1=ipam-pool-1&ResourceId.2=vpc-1", 0, ipam.CodeInvalidParameterCombination},
		{"tags of a VPC and a pool taken away", "Action=DeleteTags&ResourceId.1=vpc-1&ResourceId.2=ipam-pool-1", 0, ipam.CodeInvalidParameterCombination},
		{"tags of nothing", "Action=CreateTags", ec2, ""},

		{"all tags", "Action=DescribeTags", ec2, ""},
		{"tags by key", "Action=DescribeTags&Filter.1.Name=key&Filter.1.Value.1=ipam-1", ec2, ""},
		{"tags by a pool's id", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=ipam-pool-1", cadastre, ""},
		{"tags by a VPC's id", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1", ec2, ""},
		{"tags by both ids", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1&Filter.1.Value.2=ipam-1", 0, ipam.CodeInvalidParameterCombination},
		{"tags by type", "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=ipam-pool&Filter.1.Value.2=ipam", cadastre, ""},
		{"tags by both types", "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=ipam-pool&Filter.1.Value.2=vpc", 0, ipam.CodeInvalidParameterCombination},
		{"tags by both ids, bound to a type", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1&Filter.1.Value.2=ipam-1&Filter.2.Name=resource-type&Filter.2.Value.1=ipam", cadastre, ""},
		{"tags by both ids, bound to EC2's type", "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=vpc&Filter.2.Name=resource-id&Filter.2.Value.1=vpc-1&Filter.2.Value.2=ipam-1", ec2, ""},
		{"tags by another filter's value", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1&Filter.2.Name=key&Filter.2.Value.1=ipam-1", ec2, ""},
		{"tags by a wildcard", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=ipam-*", cadastre, ""},
		{"tags by a filter without values", "Action=DescribeTags&Filter.1.Name=resource-id", ec2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := resign.Route(form(t, c.query))
			if got != c.want || ipam.CodeOf(err) != c.code {
				t.Errorf("got %s and %v, want %s and code %q", got, err, c.want, c.code)
			}
		})
	}
}

// Each action of the IPAM API has its target here: a new version of the model needs a
// decision on each new action.
func TestRouteKnowsTheModel(t *testing.T) {
	var shared, byPool []string
	for _, o := range schema.Operations() {
		bare, err := resign.Route(url.Values{"Action": {o.Name}})
		if err != nil {
			t.Fatal(err)
		}
		if bare != resign.EC2 {
			continue
		}
		shared = append(shared, o.Name)
		with := url.Values{"Action": {o.Name}}
		for _, m := range schema.At(o.Input).Members {
			if strings.Contains(m.Query, "Ipam") {
				with.Set(m.Query, "ipam-pool-1")
			}
		}
		if len(with) == 1 {
			continue
		}
		if target, err := resign.Route(with); target != resign.Cadastre {
			t.Errorf("%v goes to %s, %v", with, target, err)
		}
		byPool = append(byPool, o.Name)
	}
	if d := cmp.Diff(strings.Fields(`AdvertiseByoipCidr AllocateAddress AssociateSubnetCidrBlock AssociateVpcCidrBlock CreatePublicIpv4Pool CreateSubnet
		CreateTags CreateVpc DeletePublicIpv4Pool DeleteTags DeprovisionByoipCidr DeprovisionPublicIpv4PoolCidr DescribeByoipCidrs DescribePublicIpv4Pools
		DescribeTags DisassociateVpcCidrBlock ProvisionByoipCidr ProvisionPublicIpv4PoolCidr WithdrawByoipCidr`), shared); d != "" {
		t.Errorf("actions that EC2 serves without a pool (-want +got):\n%s", d)
	}
	if d := cmp.Diff(strings.Fields("AllocateAddress AssociateSubnetCidrBlock AssociateVpcCidrBlock CreateSubnet CreateVpc ProvisionPublicIpv4PoolCidr"), byPool); d != "" {
		t.Errorf("actions that may name a pool (-want +got):\n%s", d)
	}
}

func FuzzRoute(f *testing.F) {
	for _, seed := range []string{
		"", "Action=DescribeVpcs", "Action=CreateVpc&Ipv4IpamPoolId=x", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=ipam-1&Filter.1.Value.2=x",
		"Action=CreateTags&ResourceId.1=ipam-1&ResourceId.2=", "Action=DescribeTags&Filter.=&Filter..Name=resource-id&Filter.Name=resource-type", "Action=Ipam&Action=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		target, err := resign.Route(form)
		var refusal *ipam.Error
		switch target {
		case resign.EC2, resign.Cadastre:
			if err != nil {
				t.Errorf("a target, %s, and an error, %v", target, err)
			}
		case 0:
			if !errors.As(err, &refusal) {
				t.Errorf("no target and the error %v", err)
			}
		default:
			t.Errorf("the target is %s", target)
		}
		for range 4 { // for each order of the form
			if again, _ := resign.Route(form); again != target {
				t.Errorf("first %s, then %s", target, again)
			}
		}
		if action := form["Action"]; len(action) == 1 && strings.Contains(action[0], "Ipam") && target != resign.Cadastre {
			t.Errorf("the IPAM action goes to %s", target)
		}
	})
}
