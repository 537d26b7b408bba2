package ops_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func names(rs []types.IpamOperatingRegion) (list []string) {
	for _, r := range rs {
		list = append(list, *r.RegionName)
	}
	return list
}

func TestOperatingRegions(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("eu-west-1", "ap-northeast-1", "eu-west-1")})
	want := []string{"ap-northeast-1", "eu-west-1", home}
	if got := names(m.OperatingRegions); !slices.Equal(got, want) {
		t.Errorf("operating Regions %v, want %v", got, want)
	}
	modify := func(in ec2.ModifyIpamInput) []string {
		in.IpamId = m.IpamId
		return names(do[ec2.ModifyIpamOutput](w, w.admin, &in).Ipam.OperatingRegions)
	}
	remove := func(names ...string) (list []types.RemoveIpamOperatingRegion) {
		for _, n := range names {
			list = append(list, types.RemoveIpamOperatingRegion{RegionName: aws.String(n)})
		}
		return list
	}
	if got := modify(ec2.ModifyIpamInput{AddOperatingRegions: regions("us-gov-west-1", "eu-west-1"), RemoveOperatingRegions: remove("ap-northeast-1", "sa-east-1")}); !slices.Equal(got, []string{"eu-west-1", home, "us-gov-west-1"}) {
		t.Errorf("after adding and removing: %v", got)
	}
	if got := modify(ec2.ModifyIpamInput{Description: aws.String("x")}); len(got) != 3 {
		t.Errorf("after a change of the description: %v", got)
	}
	// Several requests add no more Regions than one request can name.
	var many []string
	for i := range 48 {
		many = append(many, "xx-"+string(rune('a'+i%26))+strings.Repeat("a", i/26)+"-1")
	}
	if got := modify(ec2.ModifyIpamInput{AddOperatingRegions: regions(many[:47]...)}); len(got) != 50 {
		t.Errorf("%d Regions, want 50", len(got))
	}
	w.refused(t, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, AddOperatingRegions: regions(many[47])}, "ResourceLimitExceeded", "operating Regions", "51", "50")
}

// A pool that is created while its locale is removed makes the removal check again.
func TestRegionIsNotRemovedUnderANewPool(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("eu-west-1")})
	once := false
	w.table.OnCommit = func(_ context.Context, writes []table.Write) {
		if !once && strings.HasPrefix(writes[0].Key.PK, "IPAM#") {
			once = true
			w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String("eu-west-1")})
		}
	}
	_, err := w.registry.Call(w.admin, "ModifyIpam", &ec2.ModifyIpamInput{IpamId: m.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("eu-west-1")}}})
	if !once || ipam.CodeOf(err) != ipam.CodeDependencyViolation {
		t.Errorf("made %v, then: %v", once, err)
	}
}

// A scope that is created while its IPAM changes to the free tier, which has no further
// scopes, is refused.
func TestScopeMadeDuringAChangeOfTier(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	w.table.OnCommit = func(context.Context, []table.Write) {
		w.table.OnCommit = nil
		do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: types.IpamTierFree})
	}
	_, err := w.registry.Call(w.admin, "CreateIpamScope", &ec2.CreateIpamScopeInput{IpamId: m.IpamId})
	if w.table.OnCommit != nil || ipam.CodeOf(err) != ipam.CodeUnsupportedOperation {
		t.Errorf("got %v", err)
	}
}

func TestFreeTier(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{Tier: types.IpamTierFree, MeteredAccount: types.IpamMeteredAccountResourceOwner, OperatingRegions: regions("eu-west-1")})
	if m.Tier != "free" || m.MeteredAccount != "resource-owner" {
		t.Errorf("made %+v", m)
	}
	public := func(locale string) *ec2.CreateIpamPoolInput {
		return &ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, AddressFamily: "ipv4", Locale: &locale}
	}
	private := &ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, AddressFamily: "ipv4"}
	w.refused(t, w.admin, private, "UnsupportedOperation", "private", "advanced", *m.IpamId)
	w.refused(t, w.admin, public("eu-west-1"), "UnsupportedOperation", "eu-west-1", home, "advanced")
	w.refused(t, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}, "UnsupportedOperation", "free tier", "advanced")
	w.makePool(*public(home))
	set := func(tier types.IpamTier) any { return &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: tier} }
	do[ec2.ModifyIpamOutput](w, w.admin, set("advanced"))
	do[ec2.ModifyIpamOutput](w, w.admin, set("free")) // nothing prevents it
	do[ec2.ModifyIpamOutput](w, w.admin, set("advanced"))
	abroad := w.makePool(*public("eu-west-1"))
	w.refused(t, w.admin, set("free"), "DependencyViolation", abroad, "eu-west-1")
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &abroad})
	inside := w.makePool(*private)
	w.refused(t, w.admin, set("free"), "DependencyViolation", inside, "private")
}

func TestModifyIPAMSettings(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{Description: aws.String("d"), EnablePrivateGua: aws.Bool(true)})
	got := do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, Description: aws.String(""), EnablePrivateGua: aws.Bool(false), MeteredAccount: types.IpamMeteredAccountResourceOwner}).Ipam
	want := *m
	want.Description, want.EnablePrivateGua, want.MeteredAccount, want.State = nil, aws.Bool(false), "resource-owner", "modify-complete"
	if diff := cmp.Diff(&want, got, exported); diff != "" {
		t.Error(diff)
	}
}

func TestPartitionOfARNs(t *testing.T) {
	for region, want := range map[string]string{"cn-north-1": "arn:aws-cn:ec2::", "us-gov-west-1": "arn:aws-us-gov:ec2::", "us-west-2": "arn:aws:ec2::"} {
		r := ops.New(store.New(&tabletest.Memory{}, store.Options{Region: region}), grants())
		out, err := r.Call(as(account, "admin", ""), "CreateIpam", &ec2.CreateIpamInput{})
		if err != nil {
			t.Fatal(err)
		}
		if m := out.(*ec2.CreateIpamOutput).Ipam; *m.IpamArn != want+account+":ipam/"+*m.IpamId {
			t.Errorf("%s: %s", region, *m.IpamArn)
		}
	}
}

func TestDeletesAnswerWithTheStateTheyReach(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	scope := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}).IpamScope.IpamScopeId
	if s := do[ec2.DeleteIpamScopeOutput](w, w.admin, &ec2.DeleteIpamScopeInput{IpamScopeId: scope}).IpamScope; s.State != "delete-complete" {
		t.Errorf("scope: %s", s.State)
	}
	empty := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId})
	if p := do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &empty, Cascade: aws.Bool(true)}).IpamPool; p.State != "delete-complete" {
		t.Errorf("empty pool: %s", p.State)
	}
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/16")
	for range 2 { // a second call continues
		if p := do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &pool, Cascade: aws.Bool(true)}).IpamPool; p.State != "delete-in-progress" {
			t.Errorf("pool: %s", p.State)
		}
	}
	if got := do[ec2.DeleteIpamOutput](w, w.admin, &ec2.DeleteIpamInput{IpamId: m.IpamId, Cascade: aws.Bool(true)}).Ipam; got.State != "delete-in-progress" {
		t.Errorf("IPAM: %s", got.State)
	}
	w.refused(t, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}, "IncorrectState", *m.IpamId, "delete-in-progress")
	w.now = w.now.Add(time.Second)
	work, err := w.store.PendingWork(t.Context(), w.now)
	if err != nil || len(work) != 2 {
		t.Fatalf("work %v, %v", work, err)
	}
	for _, sk := range work {
		if err := w.store.RunWork(t.Context(), sk); err != nil {
			t.Fatal(err)
		}
	}
	if left := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	w.makeIPAM(ec2.CreateIpamInput{}) // the quota has room again
}

func TestIPAMsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// CreateIpam
		{"a second IPAM", &ec2.CreateIpamInput{}, "ResourceLimitExceeded", []string{"You've reached the limit for ipams. You have created 1 and you are limited to 1."}},
		{"a Region by its city", &ec2.CreateIpamInput{OperatingRegions: regions("tokyo")}, "InvalidParameterValue", []string{"tokyo", "ap-northeast-1"}},
		// ModifyIpam
		{"ipam unknown: modify", &ec2.ModifyIpamInput{IpamId: noIPAM, Description: shortText}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"an IPAM modified in nothing", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a description too long", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, Description: longText}, "InvalidParameterValue", []string{"256", "255"}},
		{"a Region without a name", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, AddOperatingRegions: []types.AddIpamOperatingRegion{{}}}, "InvalidParameterValue", []string{"OperatingRegions"}},
		{"a Region added and removed", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, AddOperatingRegions: regions("eu-west-1"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("eu-west-1")}}},
			"InvalidParameterCombination", []string{"eu-west-1"}},
		{"the home Region removed", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String(home)}}}, "InvalidParameterValue", []string{home, "home Region"}},
		{"a pool's locale removed", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("ap-northeast-1")}}}, "DependencyViolation", []string{"ap-northeast-1", "ipam-pool-", "Delete that pool first"}},
		{"the free tier with more scopes", &ec2.ModifyIpamInput{IpamId: f.manager.IpamId, Tier: types.IpamTierFree}, "DependencyViolation", []string{"1 scopes", "free tier"}},
		// DeleteIpam
		{"ipam unknown: delete", &ec2.DeleteIpamInput{IpamId: noIPAM}, "InvalidIpamId.NotFound", []string{*noIPAM}},
		{"delete an IPAM with pools", &ec2.DeleteIpamInput{IpamId: f.manager.IpamId}, "DependencyViolation", []string{*f.manager.IpamId, "1 scopes", "9 pools", "Cascade"}},
		{"delete an IPAM with a public pool, cascading", &ec2.DeleteIpamInput{IpamId: f.manager.IpamId, Cascade: yes}, "DependencyViolation", []string{*f.advertised, "public"}},
		{"dry run", &ec2.DeleteIpamInput{IpamId: f.manager.IpamId, DryRun: yes}, "DryRunOperation", []string{"would have succeeded"}},
		{"malformed ids", &ec2.DeleteIpamInput{IpamId: aws.String("ipam-scope-00000000000000000")}, "InvalidIpamId.Malformed", []string{"ipam-scope-", `"ipam-...`}},
		// DescribeIpams
		{"ipam unknown: describe", &ec2.DescribeIpamsInput{IpamIds: []string{*f.manager.IpamId, *noIPAM}}, "InvalidIpamId.NotFound", []string{*noIPAM, "DescribeIpams"}},
		{"ids and a page: IPAMs", &ec2.DescribeIpamsInput{IpamIds: []string{*f.manager.IpamId}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamIds", "MaxResults"}},
	})
}
