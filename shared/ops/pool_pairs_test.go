package ops_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Each pair of parameters of CreateIpamPool, in each type of scope and family. The diagonal
// is the parameter alone. a: the pool is made; c: InvalidParameterCombination; m:
// MissingParameter, as a public IPv6 pool of the deployment's own addresses needs
// PubliclyAdvertisable. In the public scope, AwsService and Amazon's addresses need a
// Locale, and no pool imports. The lowest length is above the highest one here.
var poolPairs = map[string]string{
	"private ipv4": `
                                    pa by am se lo ai so mi ma de
    PubliclyAdvertisable            c
    byoip                           c  c
    amazon                          c  -  c
    AwsService                      c  c  c  c
    Locale                          c  c  c  c  a
    AutoImport                      c  c  c  c  a  a
    SourceIpamPoolId                c  c  c  c  a  a  a
    AllocationMinNetmaskLength      c  c  c  c  a  a  a  a
    AllocationMaxNetmaskLength      c  c  c  c  a  a  a  c  a
    AllocationDefaultNetmaskLength  c  c  c  c  a  a  a  a  c  a`,
	"private ipv6": `
                                    pa by am se lo ai so mi ma de
    PubliclyAdvertisable            c
    byoip                           c  c
    amazon                          c  -  c
    AwsService                      c  c  c  c
    Locale                          c  c  c  c  a
    AutoImport                      c  c  c  c  a  a
    SourceIpamPoolId                c  c  c  c  a  a  a
    AllocationMinNetmaskLength      c  c  c  c  a  a  a  a
    AllocationMaxNetmaskLength      c  c  c  c  a  a  a  c  a
    AllocationDefaultNetmaskLength  c  c  c  c  a  a  a  a  c  a`,
	"public ipv4": `
                                    pa by am se lo ai so mi ma de
    PubliclyAdvertisable            c
    byoip                           c  a
    amazon                          c  -  c
    AwsService                      c  c  c  c
    Locale                          c  a  a  a  a
    AutoImport                      c  c  c  c  c  c
    SourceIpamPoolId                c  a  c  c  a  c  a
    AllocationMinNetmaskLength      c  a  c  c  a  c  a  a
    AllocationMaxNetmaskLength      c  a  c  c  a  c  a  c  a
    AllocationDefaultNetmaskLength  c  a  c  c  a  c  a  a  c  a`,
	"public ipv6": `
                                    pa by am se lo ai so mi ma de
    PubliclyAdvertisable            a
    byoip                           a  m
    amazon                          c  -  c
    AwsService                      c  c  c  c
    Locale                          a  m  a  m  m
    AutoImport                      c  m  c  c  m  m
    SourceIpamPoolId                a  m  c  c  m  m  m
    AllocationMinNetmaskLength      a  m  c  c  m  m  m  m
    AllocationMaxNetmaskLength      a  m  c  c  m  m  m  c  m
    AllocationDefaultNetmaskLength  a  m  c  c  m  m  m  m  c  m`,
}

func TestPairsOfPoolParameters(t *testing.T) {
	type value struct {
		name, field string
		value       any
	}
	for kind, matrix := range poolPairs {
		scope, family, _ := strings.Cut(kind, " ")
		length := map[string]int32{"ipv4": 24, "ipv6": 56}[family]
		values := []value{
			{"PubliclyAdvertisable", "PubliclyAdvertisable", aws.Bool(true)},
			{"byoip", "PublicIpSource", types.IpamPoolPublicIpSourceByoip},
			{"amazon", "PublicIpSource", types.IpamPoolPublicIpSourceAmazon},
			{"AwsService", "AwsService", types.IpamPoolAwsServiceEc2},
			{"Locale", "Locale", aws.String(home)},
			{"AutoImport", "AutoImport", aws.Bool(true)},
			{"SourceIpamPoolId", "SourceIpamPoolId", nil},
			{"AllocationMinNetmaskLength", "AllocationMinNetmaskLength", aws.Int32(length)},
			{"AllocationMaxNetmaskLength", "AllocationMaxNetmaskLength", aws.Int32(length - 1)},
			{"AllocationDefaultNetmaskLength", "AllocationDefaultNetmaskLength", aws.Int32(length)},
		}
		var got strings.Builder
		for i, a := range values {
			got.WriteString("\n" + a.name)
			for _, b := range values[:i+1] {
				w := newEnv(t, nil)
				m := w.makeIPAM(ec2.CreateIpamInput{})
				in := &ec2.CreateIpamPoolInput{IpamScopeId: map[string]*string{"private": m.PrivateDefaultScopeId, "public": m.PublicDefaultScopeId}[scope], AddressFamily: types.AddressFamily(family)}
				for _, v := range []value{a, b} {
					if v.value == nil {
						source := *in
						source.AllocationMinNetmaskLength, source.AllocationMaxNetmaskLength, source.AllocationDefaultNetmaskLength = nil, nil, nil
						source.PubliclyAdvertisable, source.PublicIpSource, source.AwsService, source.Locale, source.AutoImport = nil, "", "", nil, nil
						if kind == "public ipv6" {
							source.PubliclyAdvertisable = aws.Bool(true)
						}
						v.value = aws.String(w.makePool(source))
					}
					reflect.ValueOf(in).Elem().FieldByName(v.field).Set(reflect.ValueOf(v.value))
				}
				before := w.table.Hash()
				_, err := w.registry.Call(w.admin, "CreateIpamPool", in)
				letter := map[ipam.Code]string{ipam.CodeInvalidParameterCombination: "c", ipam.CodeMissingParameter: "m", ipam.CodeInvalidParameterValue: "v"}[ipam.CodeOf(err)]
				if err == nil {
					letter = "a"
				}
				if changed := w.table.Hash() != before; letter == "" || changed != (err == nil) {
					t.Errorf("%s: %s with %s: %v, changed %t", kind, a.name, b.name, err, changed)
				}
				if a.field == b.field && a.name != b.name {
					letter = "-" // one parameter cannot have two values
				}
				got.WriteString(" " + letter)
			}
		}
		_, rows, _ := strings.Cut(strings.TrimPrefix(matrix, "\n"), "\n")
		if strings.Join(strings.Fields(got.String()), " ") != strings.Join(strings.Fields(rows), " ") {
			t.Errorf("%s:%s\nwant:%s", kind, got.String(), matrix)
		}
	}
}
