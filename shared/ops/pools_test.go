package ops_test

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestChildPoolInherits(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("eu-west-1")})
	pool := func(in ec2.CreateIpamPoolInput) *types.IpamPool {
		if in.IpamScopeId == nil {
			in.IpamScopeId = m.PrivateDefaultScopeId
		}
		if in.AddressFamily == "" {
			in.AddressFamily = "ipv4"
		}
		return do[ec2.CreateIpamPoolOutput](w, w.admin, &in).IpamPool
	}
	top := pool(ec2.CreateIpamPoolInput{Locale: aws.String("None"), AllocationMinNetmaskLength: aws.Int32(20)})
	if *top.Locale != "None" || top.SourceIpamPoolId != nil || *top.PoolDepth != 1 {
		t.Errorf("top level: %+v", top)
	}
	// As in EC2, a pool without a locale may have a setting that needs one.
	top = do[ec2.ModifyIpamPoolOutput](w, w.admin, &ec2.ModifyIpamPoolInput{IpamPoolId: top.IpamPoolId, AutoImport: aws.Bool(true)}).IpamPool
	if importing := pool(ec2.CreateIpamPoolInput{AutoImport: aws.Bool(true)}); !*top.AutoImport || !*importing.AutoImport || *importing.Locale != "None" {
		t.Errorf("importing without a locale: %+v, %+v", top, importing)
	}
	local := pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: top.IpamPoolId, Locale: aws.String("eu-west-1")})
	below := pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: local.IpamPoolId, AutoImport: aws.Bool(true)})
	if *below.Locale != "eu-west-1" || *below.PoolDepth != 3 || *below.SourceIpamPoolId != *local.IpamPoolId || below.AllocationMinNetmaskLength != nil {
		t.Errorf("below: %+v", below)
	}
	public := pool(ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, AddressFamily: "ipv6", Locale: aws.String(home), PublicIpSource: "amazon", AwsService: "ec2"})
	child := pool(ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, AddressFamily: "ipv6", SourceIpamPoolId: public.IpamPoolId})
	if child.PublicIpSource != "amazon" || *child.Locale != home || *child.PubliclyAdvertisable {
		t.Errorf("below a public pool: %+v", child)
	}
	if own := pool(ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, AddressFamily: "ipv6", PubliclyAdvertisable: aws.Bool(true)}); !*own.PubliclyAdvertisable || own.PublicIpSource != "byoip" {
		t.Errorf("own public addresses: %+v", own)
	}
	if global := pool(ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, Locale: aws.String("Global"), AwsService: "global-services"}); *global.Locale != "Global" {
		t.Errorf("global: %+v", global)
	}
	// Clients send PubliclyAdvertisable for every IPv6 pool that is not Amazon's.
	pool(ec2.CreateIpamPoolInput{AddressFamily: "ipv6", PubliclyAdvertisable: aws.Bool(false)})
	// The locale Global is no operating Region, and prevents no change.
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("sa-east-1")}}})
}

func TestModifyPoolRules(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AllocationDefaultNetmaskLength: aws.Int32(24), AllocationResourceTags: resourceTags("a", "1", "b", "2")}, "10.0.0.0/16")
	modify := func(in ec2.ModifyIpamPoolInput) *types.IpamPool {
		in.IpamPoolId = &pool
		return do[ec2.ModifyIpamPoolOutput](w, w.admin, &in).IpamPool
	}
	show := func(p *types.IpamPool) map[string]string {
		have := map[string]string{}
		for _, t := range p.AllocationResourceTags {
			have[*t.Key] = *t.Value
		}
		return have
	}
	// b has another value and stays; a is removed and added, so it changes.
	got := modify(ec2.ModifyIpamPoolInput{AddAllocationResourceTags: resourceTags("a", "3", "c", ""), RemoveAllocationResourceTags: resourceTags("a", "1", "b", "x", "d", "")})
	if want := map[string]string{"a": "3", "b": "2", "c": ""}; !maps.Equal(show(got), want) {
		t.Errorf("resource tags %v, want %v", show(got), want)
	}
	got = modify(ec2.ModifyIpamPoolInput{AllocationMinNetmaskLength: aws.Int32(0), AllocationMaxNetmaskLength: aws.Int32(28), AllocationDefaultNetmaskLength: aws.Int32(28), AutoImport: aws.Bool(true)})
	if *got.AllocationMinNetmaskLength != 0 || *got.AllocationMaxNetmaskLength != 28 || *got.AllocationDefaultNetmaskLength != 28 || !*got.AutoImport || len(show(got)) != 3 {
		t.Errorf("after a change of the lengths: %+v", got)
	}
	if a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool}); *a.Cidr != "10.0.0.0/28" {
		t.Errorf("by default: %s", *a.Cidr)
	}
	if got = modify(ec2.ModifyIpamPoolInput{ClearAllocationDefaultNetmaskLength: aws.Bool(true), AutoImport: aws.Bool(false)}); got.AllocationDefaultNetmaskLength != nil || *got.AutoImport {
		t.Errorf("after clearing: %+v", got)
	}
	w.refused(t, w.admin, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool}, "InvalidParameterCombination", "no default")
}

// A pool that is the source of others cannot be deleted, also without a CIDR.
func TestDeletePoolWithChildrenIsRefused(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.PoolsPerScope = 2 })
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	top := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope})
	w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: scope, SourceIpamPoolId: &top})
	w.refused(t, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &top}, "DependencyViolation", top, "1 pools", "delete them first")
	w.refused(t, w.admin, &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}, "ResourceLimitExceeded", "pools in scope "+*scope, "2")
}

func TestPoolsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// CreateIpamPool
		{"scope unknown: make a pool", f.create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId = noScope }), "InvalidIpamScopeId.NotFound", []string{*noScope}},
		{"pool unknown: source", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = noPool }), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"a pool under one that is being deleted", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = f.doomed }), "IncorrectState", []string{*f.doomed}},
		{"PubliclyAdvertisable on IPv4", f.create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.PubliclyAdvertisable = f.public, yes }), "InvalidParameterCombination",
			[]string{"The request can only contain PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip."}},
		{"PubliclyAdvertisable false on IPv4", f.create(func(in *ec2.CreateIpamPoolInput) { in.PubliclyAdvertisable = aws.Bool(false) }), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable in a private scope", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.AddressFamily, in.PubliclyAdvertisable = types.AddressFamilyIpv6, yes
		}), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable of Amazon's", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AddressFamily, in.PubliclyAdvertisable, in.PublicIpSource, in.Locale = f.public, types.AddressFamilyIpv6, yes, types.IpamPoolPublicIpSourceAmazon, aws.String(home)
		}), "InvalidParameterCombination", []string{"PubliclyAdvertisable"}},
		{"PubliclyAdvertisable missing", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AddressFamily = f.public, types.AddressFamilyIpv6
		}), "MissingParameter", []string{"PubliclyAdvertisable"}},
		{"too many tags of a new object", f.create(func(in *ec2.CreateIpamPoolInput) { in.TagSpecifications = specify("ipam-pool", manyTags(51)...) }), "TagLimitExceeded", []string{"51", "50"}},
		{"too many resource tags", f.create(func(in *ec2.CreateIpamPoolInput) { in.AllocationResourceTags = resourceTags(manyTags(51)...) }), "TagLimitExceeded", []string{"51", "50"}},
		{"a tag key twice over two specifications", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.TagSpecifications = append(specify("ipam-pool", "k", "1"), specify("ipam-pool", "k", "1")...)
		}), "InvalidParameterValue", []string{"(k)"}},
		{"a locale that is no operating Region", f.create(func(in *ec2.CreateIpamPoolInput) { in.Locale = aws.String("eu-west-1") }), "InvalidParameterValue", []string{"eu-west-1", "ap-northeast-1, ap-northeast-3, us-east-1", "ModifyIpam"}},
		{"another locale than the source's", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId, in.Locale = f.tokyo, aws.String(home) }), "InvalidParameterValue", []string{*f.tokyo, "ap-northeast-1"}},
		{"another family than the source's", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.SourceIpamPoolId, in.AddressFamily = f.tokyo, types.AddressFamilyIpv6
		}), "InvalidParameterValue", []string{*f.tokyo, "ipv4"}},
		{"a source in another scope", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = f.empty }), "InvalidParameterValue", []string{*f.empty, *f.second}},
		{"too deep", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = f.deepest }), "ResourceLimitExceeded", []string{"depth", "3"}},
		{"automatic import into a public scope", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.Locale, in.AutoImport = f.public, aws.String(home), yes
		}), "InvalidParameterCombination", []string{"AutoImport", "public"}},
		{"a malformed source", f.create(func(in *ec2.CreateIpamPoolInput) { in.SourceIpamPoolId = aws.String("x") }), "InvalidIpamPoolId.Malformed", []string{"SourceIpamPoolId"}},
		{"a description too long, of a pool", f.create(func(in *ec2.CreateIpamPoolInput) { in.Description = longText }), "InvalidParameterValue", []string{"Description"}},
		{"minimum over maximum", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.AllocationMinNetmaskLength, in.AllocationMaxNetmaskLength = aws.Int32(25), aws.Int32(24)
		}), "InvalidParameterCombination", []string{"25", "24"}},
		{"a length of IPv6 for IPv4", f.create(func(in *ec2.CreateIpamPoolInput) { in.AllocationMaxNetmaskLength = aws.Int32(64) }), "InvalidParameterValue", []string{"64", "0 to 32"}},
		{"a service in a private scope", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.AwsService, in.Locale = types.IpamPoolAwsServiceEc2, aws.String(home)
		}), "InvalidParameterCombination", []string{"AwsService", *f.private}},
		{"a source of addresses in a private scope", f.create(func(in *ec2.CreateIpamPoolInput) { in.PublicIpSource = types.IpamPoolPublicIpSourceByoip }), "InvalidParameterCombination", []string{"PublicIpSource", *f.private}},
		{"Amazon's addresses without a locale", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.PublicIpSource = f.public, types.IpamPoolPublicIpSourceAmazon
		}), "InvalidParameterCombination", []string{"amazon", "Locale"}},
		{"a service without a locale", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AwsService = f.public, types.IpamPoolAwsServiceEc2
		}), "InvalidParameterCombination", []string{"AwsService", "Locale"}},
		{"global services in a Region", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.AwsService, in.Locale = f.public, types.IpamPoolAwsServiceGlobalServices, aws.String(home)
		}), "InvalidParameterCombination", []string{"global-services", "Global"}},
		{"the locale Global for anything else", f.create(func(in *ec2.CreateIpamPoolInput) { in.IpamScopeId, in.Locale = f.public, aws.String("Global") }), "InvalidParameterValue", []string{"Global"}},
		{"another source of addresses than the source pool's", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.IpamScopeId, in.SourceIpamPoolId, in.PublicIpSource = f.public, f.advertised, types.IpamPoolPublicIpSourceAmazon
		}), "InvalidParameterCombination", []string{*f.advertised, "byoip"}},
		{"a resource planning pool without a source", f.create(func(in *ec2.CreateIpamPoolInput) {
			in.SourceResource = &types.IpamPoolSourceResourceRequest{ResourceId: aws.String("vpc-1"), ResourceType: "vpc", ResourceRegion: aws.String(home), ResourceOwner: aws.String(account)}
		}), "MissingParameter", []string{"SourceIpamPoolId"}},
		// ModifyIpamPool
		{"pool unknown: modify", &ec2.ModifyIpamPoolInput{IpamPoolId: noPool, Description: shortText}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"modify a pool that is being deleted", &ec2.ModifyIpamPoolInput{IpamPoolId: f.doomed, Description: shortText}, "IncorrectState", []string{*f.doomed}},
		{"a pool modified in nothing", &ec2.ModifyIpamPoolInput{IpamPoolId: f.top}, "InvalidParameterCombination", []string{"The request must contain a modification to the ipam pool", "Description"}},
		{"a default that stays, cleared by false", &ec2.ModifyIpamPoolInput{IpamPoolId: f.top, ClearAllocationDefaultNetmaskLength: aws.Bool(false)}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a default outside the bounds", &ec2.ModifyIpamPoolInput{IpamPoolId: f.ruled, AllocationDefaultNetmaskLength: aws.Int32(29)}, "InvalidParameterCombination", []string{"29", "28"}},
		{"a default set and cleared", &ec2.ModifyIpamPoolInput{IpamPoolId: f.ruled, AllocationDefaultNetmaskLength: aws.Int32(24), ClearAllocationDefaultNetmaskLength: yes}, "InvalidParameterCombination", []string{"ClearAllocationDefaultNetmaskLength"}},
		{"too many resource tags in the end", &ec2.ModifyIpamPoolInput{IpamPoolId: f.ruled, AddAllocationResourceTags: resourceTags(manyTags(51)...)}, "TagLimitExceeded", []string{"51"}},
		// DeleteIpamPool
		{"pool unknown: delete", &ec2.DeleteIpamPoolInput{IpamPoolId: noPool, Cascade: yes}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"delete a pool with CIDRs", &ec2.DeleteIpamPoolInput{IpamPoolId: f.full}, "DependencyViolation", []string{*f.full, "There are one or more pool cidrs provisioned in the pool.", "1 CIDRs", "Cascade"}},
		{"cascade on a public pool", &ec2.DeleteIpamPoolInput{IpamPoolId: f.advertised, Cascade: yes}, "InvalidParameterCombination", []string{*f.advertised, "public"}},
		// DescribeIpamPools
		{"pool unknown: describe", &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*noPool}}, "InvalidIpamPoolId.NotFound", []string{*noPool, "DescribeIpamPools"}},
		{"a filter of no name", describePools(types.Filter{Values: []string{"x"}}), "InvalidFilter", []string{"Filter.1"}},
		{"a filter of no values", describePools(where("state", "x"), where("locale")), "InvalidFilter", []string{"Filter.2", "locale"}},
		{"a filter that there is not", describePools(where("Locale", "x")), "InvalidParameterValue", []string{"'Locale'", "address-family, ", "ipam-scope-id, ", "tag:KEY"}},
		{"a filter of a tag without a key", describePools(where("tag:", "x")), "InvalidParameterValue", []string{"'tag:'"}},
		{"too many values of filters", describePools(where("state", manyTags(75)...), where("locale", manyTags(26)...)), "FilterLimitExceeded", []string{"200"}},
		{"a token that is none", &ec2.DescribeIpamPoolsInput{NextToken: aws.String("forged")}, "InvalidNextToken", []string{"begin again"}},
		{"a page too small", &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(4)}, "InvalidMaxResults", []string{"5 to 1000"}},
		{"ids and a page: pools", &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*f.top}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamPoolIds"}},
	})
}
