package ops_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestScopesRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// CreateIpamScope
		{"ipam unknown: make a scope", &ec2.CreateIpamScopeInput{IpamId: noIPAM}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"a client token not of ASCII", &ec2.CreateIpamScopeInput{IpamId: f.manager.IpamId, ClientToken: aws.String("ü")}, "InvalidParameterValue", []string{"ClientToken", "ASCII"}},
		{"tags of another kind", &ec2.CreateIpamScopeInput{IpamId: f.manager.IpamId, TagSpecifications: specify("ipam-pool", "k", "v")}, "InvalidParameterValue", []string{"ipam-pool", "ipam-scope"}},
		{"too many scopes", &ec2.CreateIpamScopeInput{IpamId: f.manager.IpamId}, "ResourceLimitExceeded", []string{"scopes", "3"}},
		{"an external authority", &ec2.CreateIpamScopeInput{IpamId: f.manager.IpamId, ExternalAuthorityConfiguration: &types.ExternalAuthorityConfiguration{}}, "UnsupportedOperation", []string{"ExternalAuthorityConfiguration"}},
		// ModifyIpamScope
		{"scope unknown: modify", &ec2.ModifyIpamScopeInput{IpamScopeId: noScope, Description: shortText}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"a scope modified in nothing", &ec2.ModifyIpamScopeInput{IpamScopeId: f.second}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"an external authority, later", &ec2.ModifyIpamScopeInput{IpamScopeId: f.second, ExternalAuthorityConfiguration: &types.ExternalAuthorityConfiguration{}}, "UnsupportedOperation", []string{"ExternalAuthorityConfiguration"}},
		{"an external authority removed", &ec2.ModifyIpamScopeInput{IpamScopeId: f.second, RemoveExternalAuthorityConfiguration: yes}, "UnsupportedOperation", []string{"RemoveExternalAuthorityConfiguration"}},
		// DeleteIpamScope
		{"scope unknown: delete", &ec2.DeleteIpamScopeInput{IpamScopeId: noScope}, "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"delete a scope with pools", &ec2.DeleteIpamScopeInput{IpamScopeId: f.second}, "DependencyViolation", []string{*f.second, "1 pools", "delete them first"}},
		{"a default scope", &ec2.DeleteIpamScopeInput{IpamScopeId: f.private}, "OperationNotPermitted", []string{*f.private, "default", "goes with its IPAM"}},
		{"a malformed id of a megabyte", &ec2.DeleteIpamScopeInput{IpamScopeId: aws.String(strings.Repeat("1", 1<<20))}, "InvalidIpamScopeId.Malformed", []string{"…"}},
		// DescribeIpamScopes
		{"scope unknown: describe", &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*noScope}}, "InvalidIpamScopeId.NotFound", []string{*noScope, "DescribeIpamScopes"}},
		{"ids and a page: scopes", &ec2.DescribeIpamScopesInput{IpamScopeIds: []string{*f.second}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamScopeIds"}},
	})
}
