package schema_test

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Expand adds the tag of a shorthand and keeps the other tags of the request.
func TestShorthandsExpand(t *testing.T) {
	specification := func(of types.ResourceType, pairs ...string) types.TagSpecification {
		s := types.TagSpecification{ResourceType: of}
		for i := 0; i < len(pairs); i += 2 {
			s.Tags = append(s.Tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return s
	}
	const of = types.ResourceType("ipam-pool-allocation")
	key := specification(of, ipam.StableKeyTag, "k")
	for _, c := range []struct {
		name        string
		given, want []types.TagSpecification
		code        ipam.Code
	}{
		{"no tags", nil, []types.TagSpecification{key}, ""},
		{"other tags", []types.TagSpecification{specification(of, "a", "k")}, []types.TagSpecification{specification(of, "a", "k"), key}, ""},
		{"the same tag", []types.TagSpecification{specification(of, "a", "b"), specification(of, "c", "d", ipam.StableKeyTag, "k")}, []types.TagSpecification{specification(of, "a", "b"), specification(of, "c", "d", ipam.StableKeyTag, "k")}, ""},
		{"the same tag of something else", []types.TagSpecification{specification("vpc", ipam.StableKeyTag, "l")}, []types.TagSpecification{specification("vpc", ipam.StableKeyTag, "l"), key}, ""},
		{"another value", []types.TagSpecification{specification(of, "a", "b", ipam.StableKeyTag, "l")}, nil, ipam.CodeInvalidParameterCombination},
		{"a tag without a value", []types.TagSpecification{{ResourceType: of, Tags: []types.Tag{{Key: aws.String(ipam.StableKeyTag)}}}}, nil, ipam.CodeInvalidParameterCombination},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &ec2.AllocateIpamPoolCidrInput{TagSpecifications: c.given}
			v := reflect.ValueOf(in).Elem()
			p, err := schema.Input("AllocateIpamPoolCidr", v.Type())
			if err != nil {
				t.Fatal(err)
			}
			var s schema.Shorthands
			s.At(v, p.Field("StableKey", func(m *schema.Member) string { return m.Query })).SetString("k")
			if err := s.Expand(v); ipam.CodeOf(err) != c.code {
				t.Fatalf("got %v, want code %q", err, c.code)
			}
			if diff := cmp.Diff(in.TagSpecifications, c.want, cmpopts.IgnoreUnexported(types.TagSpecification{}, types.Tag{})); c.code == "" && diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}
