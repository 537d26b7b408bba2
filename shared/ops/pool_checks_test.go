package ops_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// A resource planning pool has the CIDR of a VPC that a pool imported, and gives it to the
// VPC's subnets.
func TestResourcePlanning(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions(home, "eu-west-1")})
	source := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AutoImport: aws.Bool(true)}, "10.0.0.0/16")
	w.recordRun(*m.DefaultResourceDiscoveryId, consumer, 1)
	vpc := ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/20"), Owner: consumer}
	w.observe(*m.DefaultResourceDiscoveryId, 2, vpc)
	w.observe(*m.DefaultResourceDiscoveryId, 2, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-9", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: consumer})
	over := func(vpc string, change func(*ec2.CreateIpamPoolInput)) *ec2.CreateIpamPoolInput {
		in := &ec2.CreateIpamPoolInput{
			IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: &source, AddressFamily: "ipv4", AutoImport: aws.Bool(true),
			SourceResource: &types.IpamPoolSourceResourceRequest{ResourceId: &vpc, ResourceType: "vpc", ResourceOwner: aws.String(consumer)},
		}
		if change != nil {
			change(in)
		}
		return in
	}
	for _, c := range []struct {
		name  string
		in    any
		code  ipam.Code
		words []string
	}{
		{"over a VPC that is not known", over("vpc-2", nil), "InvalidParameterValue", []string{"vpc-2", source}},
		{"over another account's VPC", over("vpc-1", func(in *ec2.CreateIpamPoolInput) { in.SourceResource.ResourceOwner = nil }), "InvalidParameterValue", []string{"vpc-1", account}},
		{"over a VPC of another Region", over("vpc-1", func(in *ec2.CreateIpamPoolInput) { in.SourceResource.ResourceRegion = aws.String("eu-west-1") }), "InvalidParameterValue", []string{"eu-west-1"}},
		{"of another Region than the VPC", over("vpc-1", func(in *ec2.CreateIpamPoolInput) {
			in.SourceResource.ResourceRegion, in.Locale = aws.String(home), aws.String("eu-west-1")
		}), "InvalidParameterValue", []string{"eu-west-1", home}},
		{"of another family", over("vpc-1", func(in *ec2.CreateIpamPoolInput) { in.AddressFamily = "ipv6" }), "InvalidParameterValue", []string{"ipv4"}},
		{"over nothing", over("vpc-1", func(in *ec2.CreateIpamPoolInput) { in.SourceResource.ResourceId = nil }), "MissingParameter", []string{"ResourceId"}},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, w.admin, c.in, c.code, c.words...) })
	}
	plan := do[ec2.CreateIpamPoolOutput](w, w.admin, over("vpc-1", nil)).IpamPool
	want := &types.IpamPoolSourceResource{ResourceId: aws.String("vpc-1"), ResourceType: "vpc", ResourceOwner: aws.String(consumer), ResourceRegion: aws.String(home)}
	if d := cmp.Diff(want, plan.SourceResource, exported); d != "" || *plan.Locale != home {
		t.Errorf("the pool has the locale %s and plans (-want +got):\n%s", *plan.Locale, d)
	}
	w.refused(t, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: plan.IpamPoolId, NetmaskLength: aws.Int32(20)}, "InvalidParameterCombination", "Give the Cidr")
	w.refused(t, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: plan.IpamPoolId, Cidr: aws.String("10.0.0.0/21")}, "InvalidParameterValue", "10.0.0.0/21", "vpc-1")
	w.refused(t, w.admin, &ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: plan.IpamPoolId, AddressFamily: "ipv4"}, "InvalidParameterValue", "resource planning pool", "vpc-1")
	c := do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: plan.IpamPoolId, Cidr: aws.String("10.0.0.0/20")}).IpamPoolCidr
	if c.State != types.IpamPoolCidrStateProvisioned {
		t.Errorf("the CIDR is %s", c.State)
	}
	if got := w.allocated(*plan.IpamPoolId); got != "10.0.0.0/24 subnet subnet-9 us-east-1 777788889999" {
		t.Errorf("allocated: %s", got)
	}

	// The VPC's account creates a subnet from the pool when it is shared with it.
	tenant := as(consumer, "allocator", home)
	ask := &ec2.CreateSubnetInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: plan.IpamPoolId, Ipv4NetmaskLength: aws.Int32(25)}
	w.refused(t, tenant, ask, "InvalidIpamPoolId.NotFound")
	do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: plan.IpamPoolId, Principal: aws.String(consumer)})
	s := do[ec2.CreateSubnetOutput](w, tenant, ask).Subnet
	if *s.SubnetId != "subnet-1" || *s.CidrBlock != "10.0.1.0/25" || w.cloud.calls[len(w.cloud.calls)-1] != "CreateSubnet 10.0.1.0/25" {
		t.Errorf("made was %+v by %v", s, w.cloud.calls)
	}
	if got := w.allocated(*plan.IpamPoolId); !strings.Contains(got, "10.0.1.0/25 subnet subnet-1 us-east-1 777788889999") {
		t.Errorf("allocated: %s", got)
	}
	w.observe(*m.DefaultResourceDiscoveryId, 3, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", VPC: "vpc-1", CIDR: netip.MustParsePrefix("10.0.1.0/25"), Owner: consumer})
	for _, r := range do[ec2.GetIpamResourceCidrsOutput](w, w.admin, &ec2.GetIpamResourceCidrsInput{IpamScopeId: m.PrivateDefaultScopeId}).IpamResourceCidrs {
		if got := fmt.Sprint(r.ManagementState, " ", r.ComplianceStatus, " ", r.OverlapStatus); got != "managed compliant nonoverlapping" {
			t.Errorf("%s is %s", *r.ResourceId, got)
		}
	}
	w.refused(t, tenant, &ec2.CreateSubnetInput{VpcId: aws.String("vpc-2"), Ipv4IpamPoolId: plan.IpamPoolId, Ipv4NetmaskLength: aws.Int32(25)}, "InvalidParameterValue", "the subnets of vpc-1, and not of vpc-2")
	w.refused(t, tenant, &ec2.CreateVpcInput{Ipv4IpamPoolId: plan.IpamPoolId, Ipv4NetmaskLength: aws.Int32(25)}, "InvalidParameterValue", "vpc-1 alone")
}
