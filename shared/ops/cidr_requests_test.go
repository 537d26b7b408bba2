package ops_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Each pair of parameters that concern a CIDR, in each operation with such parameters. The
// diagonal is the parameter alone. a: Cadastre carries out the request; v: the space is taken
// from a pool and EC2 gets its CIDR; e: the request goes to EC2 as it is;
// c: InvalidParameterCombination; u: UnsupportedOperation, since Ipv6IpamPoolId needs
// Ipv6Pool.
var pairs = map[string]string{
	"CreateVpc": `
                                     p4 c4 l4 p6 c6 l6 b6 am bg
    Ipv4IpamPoolId                   v
    CidrBlock                        v  e
    Ipv4NetmaskLength                v  c  c
    Ipv6IpamPoolId                   u  u  c  u
    Ipv6CidrBlock                    v  e  c  u  e
    Ipv6NetmaskLength                c  c  c  u  c  c
    Ipv6Pool                         v  e  c  v  e  c  e
    AmazonProvidedIpv6CidrBlock      v  e  c  c  e  c  e  e
    Ipv6CidrBlockNetworkBorderGroup  v  e  c  c  e  c  e  e  e`,
	"AssociateVpcCidrBlock": `
                                     p4 c4 l4 p6 c6 l6 b6 am bg
    Ipv4IpamPoolId                   v
    CidrBlock                        v  e
    Ipv4NetmaskLength                v  c  c
    Ipv6IpamPoolId                   c  c  c  u
    Ipv6CidrBlock                    c  e  c  u  e
    Ipv6NetmaskLength                c  c  c  u  c  c
    Ipv6Pool                         c  e  c  v  e  c  e
    AmazonProvidedIpv6CidrBlock      c  e  c  c  e  c  e  e
    Ipv6CidrBlockNetworkBorderGroup  c  e  c  c  e  c  e  e  e`,
	"CreateSubnet": `
                                     p4 c4 l4 p6 c6 l6 na
    Ipv4IpamPoolId                   v
    CidrBlock                        v  e
    Ipv4NetmaskLength                v  c  c
    Ipv6IpamPoolId                   v  v  c  v
    Ipv6CidrBlock                    v  e  c  v  e
    Ipv6NetmaskLength                c  c  c  v  c  c
    Ipv6Native                       c  e  c  v  e  c  e`,
	"AllocateIpamPoolCidr": `
                                     ci le al di pr
    Cidr                             a
    NetmaskLength                    c  a
    AllowedCidrs                     c  a  a
    DisallowedCidrs                  c  a  a  a
    PreviewNextCidr                  a  a  a  a  a`,
	"ProvisionIpamPoolCidr": `
                                     ci le au ve to
    Cidr                             a
    NetmaskLength                    c  a
    CidrAuthorizationContext         c  c  c
    VerificationMethod               c  c  c  c
    IpamExternalResourceVerificationTokenId c c c c c`,
	"ModifyIpamPool": `
                                     de cl
    AllocationDefaultNetmaskLength      a
    ClearAllocationDefaultNetmaskLength c  a`,
}

func TestPairsOfParameters(t *testing.T) {
	values := map[string]any{
		"CidrBlock": aws.String("10.0.64.0/20"), "Ipv4NetmaskLength": aws.Int32(20),
		"Ipv6CidrBlock": aws.String("fd80::/56"), "Ipv6NetmaskLength": aws.Int32(60), "Ipv6Pool": aws.String("ipv6pool-ec2-1"),
		"Cidr": aws.String("10.0.64.0/20"), "NetmaskLength": aws.Int32(20), "AllowedCidrs": []string{"10.0.0.0/17"}, "DisallowedCidrs": []string{"10.0.0.0/20"}, "PreviewNextCidr": aws.Bool(true),
		"CidrAuthorizationContext": &types.IpamCidrAuthorizationContext{Message: aws.String("m"), Signature: aws.String("s")}, "VerificationMethod": types.VerificationMethodDnsToken,
		"IpamExternalResourceVerificationTokenId": aws.String("ipam-ext-res-ver-token-0"),
		"AllocationDefaultNetmaskLength":          aws.Int32(20), "ClearAllocationDefaultNetmaskLength": aws.Bool(true),
		"AmazonProvidedIpv6CidrBlock": aws.Bool(true), "Ipv6CidrBlockNetworkBorderGroup": aws.String("us-east-1-wl1"), "Ipv6Native": aws.Bool(true),
	}
	inputs := map[string]func() any{
		"CreateVpc":             func() any { return &ec2.CreateVpcInput{} },
		"AssociateVpcCidrBlock": func() any { return &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1")} },
		"CreateSubnet":          func() any { return &ec2.CreateSubnetInput{VpcId: aws.String("vpc-1")} },
		"AllocateIpamPoolCidr":  func() any { return &ec2.AllocateIpamPoolCidrInput{} },
		"ProvisionIpamPoolCidr": func() any { return &ec2.ProvisionIpamPoolCidrInput{} },
		"ModifyIpamPool":        func() any { return &ec2.ModifyIpamPoolInput{} },
	}
	for name, matrix := range pairs {
		rows := strings.Split(strings.TrimSpace(matrix), "\n")[1:]
		var parameters []string
		for _, row := range rows {
			parameters = append(parameters, strings.Fields(row)[0])
		}
		for i, row := range rows {
			cells := strings.Fields(row)[1:]
			if len(cells) != i+1 {
				t.Fatalf("%s: %s has %d cells", name, parameters[i], len(cells))
			}
			for j, want := range cells {
				if got := outcome(t, inputs[name](), values, parameters[i], parameters[j]); got != want {
					t.Errorf("%s with %s and %s: %s, want %s", name, parameters[i], parameters[j], got, want)
				}
			}
		}
	}
}

// outcome calls an operation with the parameters, and returns a letter of pairs, or the
// error. A pool without a SourceResource gives no CIDR to a
// subnet, which shows that the operation asked the pool.
func outcome(t *testing.T, in any, values map[string]any, parameters ...string) string {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pools := map[string]string{
		"Ipv4IpamPoolId": w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AllocationDefaultNetmaskLength: aws.Int32(24)}, "10.0.0.0/16"),
		"Ipv6IpamPoolId": w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AddressFamily: "ipv6", AllocationDefaultNetmaskLength: aws.Int32(56)}, "fd80::/48"),
	}
	switch in := in.(type) { // the pool that the request names besides
	case *ec2.AllocateIpamPoolCidrInput:
		in.IpamPoolId = aws.String(pools["Ipv4IpamPoolId"])
	case *ec2.ModifyIpamPoolInput:
		in.IpamPoolId = aws.String(pools["Ipv4IpamPoolId"])
	case *ec2.ProvisionIpamPoolCidrInput:
		in.IpamPoolId = aws.String(w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: aws.String(pools["Ipv4IpamPoolId"])}))
	}
	preview := slices.Contains(parameters, "PreviewNextCidr")
	for _, p := range parameters {
		value := values[p]
		if pool, ok := pools[p]; ok {
			value = &pool
		}
		reflect.ValueOf(in).Elem().FieldByName(p).Set(reflect.ValueOf(value))
	}
	before := w.table.Hash()
	_, err := w.registry.Call(w.admin, operation(in), in)
	changed := w.table.Hash() != before
	switch code := ipam.CodeOf(err); {
	case err == nil && changed && len(w.cloud.calls) == 1 && strings.Contains(w.cloud.calls[0], "/"):
		return "v"
	case err == nil && !changed && len(w.cloud.calls) == 1:
		return "e"
	case err == nil && changed != preview && len(w.cloud.calls) == 0:
		return "a"
	case code == ipam.CodeInvalidParameterCombination && !changed && len(w.cloud.calls) == 0:
		return "c"
	case code == ipam.CodeUnsupportedOperation && !changed && len(w.cloud.calls) == 0 && strings.Contains(err.Error(), "Ipv6Pool"):
		return "u"
	case code == ipam.CodeInvalidParameterValue && !changed && len(w.cloud.calls) == 0 && strings.Contains(err.Error(), "gives no CIDRs to subnets"):
		return "v"
	default:
		return fmt.Sprint(err, changed, w.cloud.calls)
	}
}

// A netmask length of one family does not go with a pool of the other.
func TestLengthWithoutItsPool(t *testing.T) {
	w := newEnv(t, nil)
	four, six := vendingPools(w)
	for _, length := range []int32{56, 999} {
		w.refused(t, w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, Ipv4NetmaskLength: aws.Int32(24), Ipv6NetmaskLength: &length, TagSpecifications: prod},
			"InvalidParameterCombination", "The parameter 'Ipv6NetmaskLength' needs 'Ipv6IpamPoolId'. Give both, or leave 'Ipv6NetmaskLength' out.")
	}
	w.refused(t, w.admin, &ec2.CreateVpcInput{Ipv6IpamPoolId: &six, Ipv6Pool: aws.String("p"), Ipv6NetmaskLength: aws.Int32(56), Ipv4NetmaskLength: aws.Int32(24)},
		"InvalidParameterCombination", "'Ipv4NetmaskLength' needs 'Ipv4IpamPoolId'")
	if len(w.cloud.calls) > 0 {
		t.Errorf("EC2 was called: %v", w.cloud.calls)
	}
}
