package ops_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// Only the functions of custom resources set, change and delete the tags of stacks, on
// every kind of object.
func TestOnlyStacksWriteStackTags(t *testing.T) {
	w := newEnv(t, nil)
	stacks := registry.WithCaller(t.Context(), registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/admin", Stacks: true})
	m := w.makeIPAM(ec2.CreateIpamInput{})
	top := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/8")
	for _, key := range []string{"cadastre:stack-id", "cadastre:logical-id", "cadastre:replaces"} {
		pair := []types.Tag{{Key: &key, Value: aws.String("x")}}
		set := func(of types.ResourceType) []types.TagSpecification {
			return []types.TagSpecification{{ResourceType: of, Tags: pair}}
		}
		for name, in := range map[string]any{
			"scope":      &ec2.CreateIpamScopeInput{IpamId: m.IpamId, TagSpecifications: set("ipam-scope")},
			"pool":       &ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, AddressFamily: "ipv4", TagSpecifications: set("ipam-pool")},
			"allocation": &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &top, NetmaskLength: aws.Int32(24), TagSpecifications: set("ipam-pool-allocation")},
		} {
			t.Run(fmt.Sprint(key, " of a new ", name), func(t *testing.T) {
				w.refused(t, w.admin, in, "InvalidParameterValue", key, "CloudFormation")
				if _, err := w.registry.Call(stacks, operation(in), in); err != nil {
					t.Errorf("a stack: %v", err)
				}
			})
		}
		allocated := do[ec2.AllocateIpamPoolCidrOutput](w, stacks, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &top, NetmaskLength: aws.Int32(24)}).IpamPoolAllocation
		for name, id := range map[string]string{"IPAM": *m.IpamId, "scope": *m.PrivateDefaultScopeId, "pool": top, "allocation": *allocated.IpamPoolAllocationId} {
			t.Run(fmt.Sprint(key, " of the ", name), func(t *testing.T) {
				tags := func() (keys []string) {
					for _, d := range do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-id"), Values: []string{id}}}}).Tags {
						keys = append(keys, *d.Key)
					}
					return keys
				}
				w.refused(t, w.admin, &ec2.CreateTagsInput{Resources: []string{id}, Tags: pair}, "InvalidParameterValue", key)
				do[ec2.CreateTagsOutput](w, stacks, &ec2.CreateTagsInput{Resources: []string{id}, Tags: pair})
				w.refused(t, w.admin, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: &key}}}, "InvalidParameterValue", key)
				do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}})
				do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: []string{id}})
				if got := tags(); !slices.Equal(got, []string{key}) {
					t.Errorf("after a deletion of all tags there are %q, want %q", got, key)
				}
				do[ec2.DeleteTagsOutput](w, stacks, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: &key}}})
				if got := tags(); got != nil {
					t.Errorf("a stack cannot delete %q", got)
				}
			})
		}
	}
}

// The owner of a pool finds its CIDRs by the tokens of their requests. Accounts that the
// pool is shared with do not.
func TestFilterByClientToken(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId})
	for token, cidr := range map[string]string{"red-1": "10.0.0.0/24", "red-2": "10.0.1.0/24", "blue-1": "10.0.2.0/24"} {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &pool, Cidr: &cidr, ClientToken: &token})
	}
	do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: &pool, Principal: aws.String(consumer)})
	for _, c := range []struct {
		name, account, pattern string
		want                   []string
	}{
		{"one", account, "red-2", []string{"10.0.1.0/24"}},
		{"a wildcard", account, "red-*", []string{"10.0.0.0/24", "10.0.1.0/24"}},
		{"all", account, "*", []string{"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"}},
		{"none", account, "green-*", nil},
		{"of another's pool", consumer, "*", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, cidr := range do[ec2.GetIpamPoolCidrsOutput](w, as(c.account, "admin", ""), &ec2.GetIpamPoolCidrsInput{
				IpamPoolId: &pool, Filters: []types.Filter{{Name: aws.String("client-token"), Values: []string{c.pattern}}},
			}).IpamPoolCidrs {
				got = append(got, *cidr.Cidr)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
