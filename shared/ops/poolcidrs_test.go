package ops_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestPrivateIPv6(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, AddressFamily: "ipv6"})
	provision := func(in ec2.ProvisionIpamPoolCidrInput) string {
		in.IpamPoolId = &pool
		return *do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &in).IpamPoolCidr.Cidr
	}
	for _, c := range []struct {
		length int32
		want   string
	}{{60, "fd80::/60"}, {48, "fd80:0:1::/48"}, {10, "fdc0::/10"}} {
		if got := provision(ec2.ProvisionIpamPoolCidrInput{NetmaskLength: &c.length}); got != c.want {
			t.Errorf("/%d: %s, want %s", c.length, got, c.want)
		}
	}
	w.refused(t, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(9)}, "InvalidParameterValue", "/9")
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, EnablePrivateGua: aws.Bool(true)})
	if got := provision(ec2.ProvisionIpamPoolCidrInput{Cidr: aws.String("2001:db8::/32")}); got != "2001:db8::/32" {
		t.Errorf("global unicast: %s", got)
	}
	if a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("2001:db8::1/128")}); *a.Cidr != "2001:db8::1/128" {
		t.Errorf("one address: %s", *a.Cidr)
	}
}

// EC2 answers this later as a state, and not as an error.
func TestDeprovisionWithAllocationsFailsAsAState(t *testing.T) {
	w := newEnv(t, nil)
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
	a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
	got := do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("10.0.0.0/16")}).IpamPoolCidr
	if got.State != types.IpamPoolCidrStateFailedDeprovision || got.FailureReason == nil {
		t.Fatalf("got %+v, want failed-deprovision", got)
	}
	for _, words := range []string{"The CIDR has one or more allocations.", *a.Cidr, *a.IpamPoolAllocationId, "release it"} {
		if !strings.Contains(*got.FailureReason.Message, words) {
			t.Errorf("the reason %q lacks %q", *got.FailureReason.Message, words)
		}
	}
	do[ec2.ReleaseIpamPoolAllocationOutput](w, w.admin, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId})
	got = do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: aws.String("10.0.0.0/16")}).IpamPoolCidr
	if got.State != types.IpamPoolCidrStateDeprovisioned || got.FailureReason != nil {
		t.Errorf("after the release: %+v", got)
	}
}

func TestPoolCIDRsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// ProvisionIpamPoolCidr
		{"pool unknown: provision", provisionCIDR(noPool, "10.0.0.0/8"), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"provision a provisioned CIDR", provisionCIDR(f.full, "192.168.0.0/24"), "IncorrectState", []string{*f.full, "192.168.0.0/24", "provisioned already"}},
		{"provision to a pool that is being deleted", provisionCIDR(f.doomed, "10.3.0.0/16"), "IncorrectState", []string{*f.doomed}},
		{"too many CIDRs in a pool", provisionCIDR(f.tokyo, "10.4.0.0/16"), "ResourceLimitExceeded", []string{"CIDRs", *f.tokyo, "2"}},
		{"a top-level CIDR over another's", provisionCIDR(f.ruled, "10.0.0.0/8"), "InvalidParameterValue", []string{"10.0.0.0/8", "overlaps 10.0.0.0/12", *f.top}},
		{"neither CIDR nor length to provision", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: f.top}, "InvalidParameterCombination", []string{"exactly one"}},
		{"CIDR and length to provision", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/8"), NetmaskLength: aws.Int32(8)}, "InvalidParameterCombination", []string{"exactly one"}},
		{"a length for a top-level pool", provisionLength(f.empty, 16), "InvalidParameterCombination", []string{*f.empty, "Give the Cidr"}},
		{"a length of no address to provision", provisionLength(f.deepest, 33), "InvalidParameterValue", []string{"33", "0 to 32"}},
		{"more than the source pool has", provisionLength(f.deepest, 15), "InvalidParameterValue", []string{"too big", "/15", "/16"}},
		{"a CIDR of the other family to provision", provisionCIDR(f.top, "fd80::/48"), "InvalidParameterValue", []string{*f.top, "ipv4"}},
		{"a CIDR outside the source pool", provisionCIDR(f.deepest, "10.9.0.0/24"), "InvalidParameterValue", []string{"10.9.0.0/24", *f.tokyo}},
		{"a CIDR that the source pool has given", provisionCIDR(f.deepest, *f.inTokyo.Cidr), "InvalidParameterValue", []string{*f.inTokyo.IpamPoolAllocationId}},
		{"unique local space too large", provisionLength(f.six, 8), "InvalidParameterValue", []string{"/8", "/9 to /60"}},
		{"unique local space too small", provisionCIDR(f.six, "fd80::/61"), "InvalidParameterValue", []string{"/61", "/9 to /60"}},
		{"unique local space that is reserved", provisionCIDR(f.six, "fd00::/48"), "InvalidParameterValue", []string{"fd00::/48", "fd80::/9"}},
		{"documentation space is global unicast", provisionCIDR(f.six, "2001:db8::/32"), "InvalidParameterValue", []string{"2001:db8::/32", "EnablePrivateGua", *f.manager.IpamId}},
		{"multicast space", provisionCIDR(f.six, "ff00::/16"), "InvalidParameterValue", []string{"ff00::/16", "fd80::/9"}},
		{"public space by CIDR", provisionCIDR(f.advertised, "198.51.100.0/24"), "UnsupportedOperation", []string{*f.advertised, "public"}},
		{"public space by length", provisionLength(f.advertised, 28), "UnsupportedOperation", []string{*f.advertised}},
		{"a proof for private space", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/8"), CidrAuthorizationContext: &types.IpamCidrAuthorizationContext{Message: shortText, Signature: shortText}}, "InvalidParameterCombination", []string{"CidrAuthorizationContext", *f.top}},
		{"a method of proof for private space", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/8"), VerificationMethod: types.VerificationMethodDnsToken}, "InvalidParameterCombination", []string{"VerificationMethod"}},
		// DeprovisionIpamPoolCidr
		{"pool unknown: deprovision", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: noPool, Cidr: aws.String("10.0.0.0/8")}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"deprovision a deprovisioned CIDR", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/24")}, "IncorrectState", []string{*f.top, "11.0.0.0/24", "deprovisioned"}},
		{"the CIDR to deprovision missing", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: f.top}, "MissingParameter", []string{"Cidr"}},
		{"a CIDR that is not provisioned", &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("10.0.0.0/16")}, "InvalidParameterValue", []string{"10.0.0.0/16", "GetIpamPoolCidrs"}},
		// GetIpamPoolCidrs
		{"pool unknown: its CIDRs", &ec2.GetIpamPoolCidrsInput{IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
	})
}
