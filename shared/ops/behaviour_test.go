package ops_test

import (
	"context"
	"errors"
	"maps"
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
	w := newRealWorld(t, nil)
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
	// No more than a request can name, over several requests.
	var many []string
	for i := range 48 {
		many = append(many, "xx-"+string(rune('a'+i%26))+strings.Repeat("a", i/26)+"-1")
	}
	if got := modify(ec2.ModifyIpamInput{AddOperatingRegions: regions(many[:47]...)}); len(got) != 50 {
		t.Errorf("%d Regions, want 50", len(got))
	}
	w.refused(t, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, AddOperatingRegions: regions(many[47])}, "ResourceLimitExceeded", "operating Regions", "51", "50")
}

// A pool made while its locale is being removed makes the removal look again.
func TestRegionIsNotRemovedUnderANewPool(t *testing.T) {
	w := newRealWorld(t, nil)
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

// A scope that is being made while the IPAM changes to the free tier, which has
// no further ones, is refused in the end.
func TestScopeMadeDuringAChangeOfTier(t *testing.T) {
	w := newRealWorld(t, nil)
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
	w := newRealWorld(t, nil)
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
	do[ec2.ModifyIpamOutput](w, w.admin, set("free")) // nothing is in the way
	do[ec2.ModifyIpamOutput](w, w.admin, set("advanced"))
	abroad := w.makePool(*public("eu-west-1"))
	w.refused(t, w.admin, set("free"), "DependencyViolation", abroad, "eu-west-1")
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &abroad})
	inside := w.makePool(*private)
	w.refused(t, w.admin, set("free"), "DependencyViolation", inside, "private")
}

func TestModifyIPAMSettings(t *testing.T) {
	w := newRealWorld(t, nil)
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

func TestChildPoolInherits(t *testing.T) {
	w := newRealWorld(t, nil)
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
	// As in EC2, whoever has no locale may ask for what needs one.
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
	// Clients give PubliclyAdvertisable for every IPv6 pool of their own.
	pool(ec2.CreateIpamPoolInput{AddressFamily: "ipv6", PubliclyAdvertisable: aws.Bool(false)})
	// The locale Global is no operating Region, and stands in no change's way.
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("sa-east-1")}}})
}

func TestModifyPoolRules(t *testing.T) {
	w := newRealWorld(t, nil)
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
	// Of another value, b stays; removed and added, a is changed.
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

func TestPrivateIPv6(t *testing.T) {
	w := newRealWorld(t, nil)
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

func TestLocaleServesItsRegionAndHome(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("eu-west-1", "ap-northeast-1")})
	local := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String("eu-west-1")}, "10.0.0.0/16")
	open := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.1.0.0/16")
	for _, c := range []struct {
		pool, region string
		served       bool
	}{{local, "", true}, {local, home, true}, {local, "eu-west-1", true}, {local, "ap-northeast-1", false}, {open, "", true}, {open, home, true}, {open, "eu-west-1", false}} {
		in := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &c.pool, NetmaskLength: aws.Int32(28)}
		if ctx := as(account, "allocator", c.region); c.served {
			do[ec2.AllocateIpamPoolCidrOutput](w, ctx, in)
		} else {
			w.refused(t, ctx, in, "InvalidParameterValue", "not in the current region "+c.region)
		}
	}
}

// Two allowed CIDRs that are a /24 together admit a /24, and a repeated request may have
// its lists in another order.
func TestAllowedCIDRsTogether(t *testing.T) {
	w := newRealWorld(t, nil)
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
	request := func(change func(*ec2.AllocateIpamPoolCidrInput)) ec2.AllocateIpamPoolCidrInput {
		in := ec2.AllocateIpamPoolCidrInput{
			IpamPoolId: &pool, NetmaskLength: aws.Int32(24), ClientToken: aws.String("t"),
			AllowedCidrs: []string{"10.0.7.0/25", "10.0.7.128/25"}, DisallowedCidrs: []string{"10.0.1.0/24", "10.0.2.0/24"},
			TagSpecifications: specify("ipam-pool-allocation", "a", "1", "b", "2"),
		}
		change(&in)
		return in
	}
	first := w.allocate(request(func(*ec2.AllocateIpamPoolCidrInput) {}))
	if *first.Cidr != "10.0.7.0/24" {
		t.Errorf("allocated %s", *first.Cidr)
	}
	again := w.allocate(request(func(in *ec2.AllocateIpamPoolCidrInput) {
		in.AllowedCidrs = []string{"10.0.7.128/25", "10.0.7.0/25"}
		in.DisallowedCidrs = []string{"10.0.2.0/24", "10.0.1.0/24"}
		in.TagSpecifications = specify("ipam-pool-allocation", "b", "2", "a", "1")
	}))
	if diff := cmp.Diff(first, again, exported); diff != "" {
		t.Errorf("in another order (-first +again):\n%s", diff)
	}
	other := request(func(in *ec2.AllocateIpamPoolCidrInput) { in.AllowedCidrs = in.AllowedCidrs[:1] })
	w.refused(t, w.admin, &other, "IdempotentParameterMismatch")
}

func TestAllocationLifecycle(t *testing.T) {
	w := newRealWorld(t, nil)
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
	ctx := as(account, "allocator", "")
	before := w.table.Hash()
	preview := do[ec2.AllocateIpamPoolCidrOutput](w, ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24), PreviewNextCidr: aws.Bool(true), ClientToken: aws.String("p")}).IpamPoolAllocation
	if w.table.Hash() != before {
		t.Error("a preview has changed the table")
	}
	want := types.IpamPoolAllocation{Cidr: aws.String("10.0.0.0/24"), ResourceType: "custom", ResourceOwner: aws.String(account), Tags: []types.Tag{}}
	if diff := cmp.Diff(&want, preview, exported); diff != "" {
		t.Errorf("a preview (-want +got):\n%s", diff)
	}
	a := do[ec2.AllocateIpamPoolCidrOutput](w, ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}).IpamPoolAllocation
	if *a.Cidr != *preview.Cidr {
		t.Errorf("%s is not what the preview showed", *a.Cidr)
	}
	changed := do[ec2.ModifyIpamPoolAllocationOutput](w, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("now")}).IpamPoolAllocation
	a.Description = aws.String("now")
	if diff := cmp.Diff(a, changed, exported); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	if got := do[ec2.ModifyIpamPoolAllocationOutput](w, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("")}).IpamPoolAllocation; got.Description != nil {
		t.Errorf("without a description: %+v", got)
	}
	for range 2 { // a lost answer can be asked for again
		if out := do[ec2.ReleaseIpamPoolAllocationOutput](w, ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}); !*out.Success {
			t.Error("released without success")
		}
	}
	w.refused(t, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("x")}, "InvalidIpamPoolAllocationId.NotFound")
	w.now = w.now.Add(25 * time.Hour)
	w.refused(t, ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}, "InvalidParameterCombination", ipam.NoAllocation)
}

// A pool's blocks as its source shows them, and as its own list does.
func TestChildPoolsAreAllocationsOfTheirSource(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("eu-west-1")})
	top := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/12")
	child := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, SourceIpamPoolId: &top, Locale: aws.String("eu-west-1")}, "10.0.0.0/16")
	got := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &top}).IpamPoolAllocations
	want := []types.IpamPoolAllocation{{
		Cidr: aws.String("10.0.0.0/16"), ResourceType: "ipam-pool", ResourceId: &child, ResourceRegion: aws.String("eu-west-1"), ResourceOwner: aws.String(account), Tags: []types.Tag{},
		IpamPoolAllocationId: got[0].IpamPoolAllocationId,
	}}
	if diff := cmp.Diff(want, got, exported); diff != "" {
		t.Error(diff)
	}
	do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: &child, Cidr: aws.String("10.0.0.0/16")})
	cidrs := do[ec2.GetIpamPoolCidrsOutput](w, w.admin, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &child}).IpamPoolCidrs
	if len(cidrs) != 1 || cidrs[0].State != "deprovisioned" || cidrs[0].NetmaskLength != nil {
		t.Errorf("for an hour it stays listed, without the length that nobody asked for: %+v", cidrs)
	}
	w.now = w.now.Add(61 * time.Minute)
	if cidrs = do[ec2.GetIpamPoolCidrsOutput](w, w.admin, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &child}).IpamPoolCidrs; len(cidrs) != 0 {
		t.Errorf("after that it does not: %+v", cidrs)
	}
}

func TestDeletesAnswerWithTheStateTheyReach(t *testing.T) {
	w := newRealWorld(t, nil)
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
	for range 2 { // asked again, it goes on
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
	w.makeIPAM(ec2.CreateIpamInput{}) // its place is free again
}

func TestTags(t *testing.T) {
	w := newRealWorld(t, nil)
	o := w.furnish()
	show := func(filters ...types.Filter) (list []string) {
		all, _, _ := pages(w, w.admin, &ec2.DescribeTagsInput{Filters: filters}, 5)
		for _, a := range all {
			d := a.(types.TagDescription)
			list = append(list, string(d.ResourceType)+" "+*d.ResourceId+" "+*d.Key+"="+*d.Value)
		}
		return list
	}
	all := []string{o.IPAM, o.Scope, o.Pool, o.Allocation, o.IPAM} // one of them twice
	do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: all, Tags: append(tags("k", "w", "e", ""), types.Tag{Key: aws.String("n")})})
	want := []string{}
	for _, r := range []string{"ipam " + o.IPAM, "ipam-scope " + o.Scope, "ipam-pool " + o.Pool, "ipam-pool-allocation " + o.Allocation} {
		want = append(want, r+" e=", r+" k=w", r+" n=")
	}
	if diff := cmp.Diff(want, show()); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		want    []string
		filters []types.Filter
	}{
		{want[:3], []types.Filter{where("resource-id", o.IPAM)}},
		{want[9:], []types.Filter{where("resource-id", o.Allocation, "ipam-pool-00000000000000000", "vpc-1")}},
		{want[:3], []types.Filter{where("resource-id", "ipam-?????????????????")}},
		{append(slices.Clone(want[:3]), want[9:]...), []types.Filter{where("resource-type", "ipam", "*allocation")}},
		{want[4:5], []types.Filter{where("resource-type", "ipam-scope"), where("key", "k")}},
		{want[1:2], []types.Filter{where("resource-type", "ipam"), where("value", "w")}},
		{[]string{want[0], want[2]}, []types.Filter{where("resource-id", o.IPAM), where("value", "")}},
		{want[0:1], []types.Filter{where("resource-id", o.IPAM), where("tag:e", "")}},
		{nil, []types.Filter{where("tag:k", "w"), where("tag:e", "")}}, // no tag has two keys
		{nil, []types.Filter{where("resource-type", "vpc")}},
	} {
		if diff := cmp.Diff(c.want, show(c.filters...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.filters, diff)
		}
	}
	w.refused(t, w.admin, &ec2.DescribeTagsInput{Filters: []types.Filter{where("tag-key", "k")}}, "InvalidParameterValue", "resource-id")
	// The objects show them, in the order of the keys.
	if got := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{Filters: []types.Filter{where("tag:k", "w")}}).Ipams; len(got) != 1 || cmp.Diff(got[0].Tags, tags("e", "", "k", "w", "n", ""), exported) != "" || got[0].State != "create-complete" {
		t.Errorf("the IPAM: %+v", got)
	}
	for _, c := range []struct {
		tags []types.Tag
		want string
	}{
		{tags("k", "x"), "e= k=w n="},
		{tags("e", "x", "k", "w"), "e= n="},
		{tags("e", ""), "n="},
		{[]types.Tag{{Key: aws.String("n")}, {Key: aws.String("nothing")}}, ""},
	} {
		do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: []string{o.Pool}, Tags: c.tags})
		var have []string
		for _, s := range show(where("resource-id", o.Pool)) {
			have = append(have, s[strings.LastIndexByte(s, ' ')+1:])
		}
		if got := strings.Join(have, " "); got != c.want {
			t.Errorf("after deleting %+v: %q, want %q", c.tags, got, c.want)
		}
	}
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: all})
	if left := show(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	before := w.table.Hash()
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: all})
	if w.table.Hash() != before {
		t.Error("deleting no tags has changed the table")
	}
}

// What fails on the way has tagged whole objects, and may be asked for again.
func TestTagsOfSeveralObjectsAreOneWriteEach(t *testing.T) {
	w := newRealWorld(t, nil)
	o := w.furnish()
	lost := errors.New("the answer is lost")
	writes := 0
	w.registry = ops.New(store.New(failing{w.table, func() error {
		if writes++; writes > 2 {
			return table.ErrConflict
		}
		return nil
	}}, store.Options{Region: home, Sleep: func(context.Context, time.Duration) error { return lost }}), grants())
	in := &ec2.CreateTagsInput{Resources: []string{o.IPAM, o.Scope, o.Pool, o.Allocation}, Tags: tags("a", "b")}
	if _, err := w.registry.Call(w.admin, "CreateTags", in); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	count := func() int {
		return len(do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{Filters: []types.Filter{where("key", "a")}}).Tags)
	}
	if n := count(); n != 2 {
		t.Errorf("%d objects are tagged, want 2", n)
	}
	writes = -10
	do[ec2.CreateTagsOutput](w, w.admin, in)
	if n := count(); n != 4 || writes != -8 { // only what was missing is written
		t.Errorf("%d objects are tagged after %d writes", n, writes+10)
	}
}

// failing is a table whose transactions fail when asked to.
type failing struct {
	*tabletest.Memory
	fail func() error
}

func (f failing) Transact(ctx context.Context, writes []table.Write) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Memory.Transact(ctx, writes)
}

// The filters with evidence in the EC2 API's documentation, and those that the
// members make.
func TestFilterNames(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{Description: aws.String("of the company")})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Description: aws.String("all of it"), TagSpecifications: specify("ipam-pool", "Name", "top")}, "10.0.0.0/16", "192.168.0.0/16")
	a := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24), TagSpecifications: specify("ipam-pool-allocation", "Name", "x")})
	cidr := do[ec2.GetIpamPoolCidrsOutput](w, w.admin, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool}).IpamPoolCidrs[0]
	count := map[string]func(f []types.Filter) int{
		"DescribeIpams": func(f []types.Filter) int {
			return len(do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{Filters: f}).Ipams)
		},
		"DescribeIpamScopes": func(f []types.Filter) int {
			return len(do[ec2.DescribeIpamScopesOutput](w, w.admin, &ec2.DescribeIpamScopesInput{Filters: f}).IpamScopes)
		},
		"DescribeIpamPools": func(f []types.Filter) int {
			return len(do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{Filters: f}).IpamPools)
		},
		"GetIpamPoolCidrs": func(f []types.Filter) int {
			return len(do[ec2.GetIpamPoolCidrsOutput](w, w.admin, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool, Filters: f}).IpamPoolCidrs)
		},
		"GetIpamPoolAllocations": func(f []types.Filter) int {
			return len(do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, Filters: f}).IpamPoolAllocations)
		},
		"DescribeIpamPoolAllocations": func(f []types.Filter) int {
			return len(do[ec2.DescribeIpamPoolAllocationsOutput](w, w.admin, &ec2.DescribeIpamPoolAllocationsInput{Filters: f}).IpamPoolAllocations)
		},
	}
	for _, c := range []struct {
		operation, name, value string
		want                   int
	}{
		{"DescribeIpams", "owner-id", account, 1}, {"DescribeIpams", "ipam-id", *m.IpamId, 1}, {"DescribeIpams", "ipam-region", home, 1}, {"DescribeIpams", "tier", "advanced", 1},
		{"DescribeIpams", "state", "create-complete", 1}, {"DescribeIpams", "description", "*company", 1}, {"DescribeIpams", "scope-count", "2", 1}, {"DescribeIpams", "enable-private-gua", "false", 1},
		{"DescribeIpamScopes", "owner-id", account, 2}, {"DescribeIpamScopes", "ipam-id", *m.IpamId, 2}, {"DescribeIpamScopes", "ipam-scope-type", "private", 1}, {"DescribeIpamScopes", "is-default", "true", 2},
		{"DescribeIpamScopes", "ipam-arn", *m.IpamArn, 2}, {"DescribeIpamScopes", "pool-count", "1", 1},
		{"DescribeIpamPools", "owner-id", account, 1}, {"DescribeIpamPools", "ipam-scope-id", *m.PrivateDefaultScopeId, 1}, {"DescribeIpamPools", "ipam-id", *m.IpamId, 1}, {"DescribeIpamPools", "address-family", "ipv4", 1},
		{"DescribeIpamPools", "description", "*of*", 1}, {"DescribeIpamPools", "tag:Name", "top", 1}, {"DescribeIpamPools", "tag:name", "top", 0}, {"DescribeIpamPools", "tag-key", "Name", 1},
		{"DescribeIpamPools", "locale", "None", 1}, {"DescribeIpamPools", "source-ipam-pool-id", "*", 0}, {"DescribeIpamPools", "ipam-pool-id", pool, 1}, {"DescribeIpamPools", "publicly-advertisable", "false", 1},
		{"GetIpamPoolCidrs", "cidr", "10.*", 1}, {"GetIpamPoolCidrs", "ipam-pool-cidr-id", *cidr.IpamPoolCidrId, 1}, {"GetIpamPoolCidrs", "state", "provisioned", 2}, {"GetIpamPoolCidrs", "netmask-length", "16", 2},
		{"GetIpamPoolAllocations", "ipam-pool-allocation-id", *a.IpamPoolAllocationId, 1}, {"GetIpamPoolAllocations", "allocation-id", *a.IpamPoolAllocationId, 1}, {"GetIpamPoolAllocations", "cidr", "10.0.?.0/24", 1},
		{"GetIpamPoolAllocations", "resource-owner", account, 1}, {"GetIpamPoolAllocations", "resource-type", "custom", 1}, {"GetIpamPoolAllocations", "resource-id", "*", 0}, {"GetIpamPoolAllocations", "resource-region", "*", 0},
		{"DescribeIpamPoolAllocations", "tag:Name", "x", 1}, {"DescribeIpamPoolAllocations", "tag:Name", "X", 0},
	} {
		if got := count[c.operation]([]types.Filter{where(c.name, c.value)}); got != c.want {
			t.Errorf("%s with %s = %s: %d, want %d", c.operation, c.name, c.value, got, c.want)
		}
		if got := count[c.operation]([]types.Filter{where(c.name, "no such value")}); got != 0 {
			t.Errorf("%s with %s of no such value: %d", c.operation, c.name, got)
		}
	}
}

// By id, the objects come sorted, once each.
func TestListsByID(t *testing.T) {
	w := newRealWorld(t, nil)
	o := w.furnish()
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope}, "11.0.0.0/16")
	b := w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
	got := do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{o.Pool, pool, o.Pool}}).IpamPools
	if len(got) != 2 || *got[0].IpamPoolId > *got[1].IpamPoolId {
		t.Errorf("pools: %+v", got)
	}
	allocations := do[ec2.DescribeIpamPoolAllocationsOutput](w, w.admin, &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{o.Allocation, *b.IpamPoolAllocationId, o.Allocation}}).IpamPoolAllocations
	whole := do[ec2.DescribeIpamPoolAllocationsOutput](w, w.admin, &ec2.DescribeIpamPoolAllocationsInput{}).IpamPoolAllocations
	if diff := cmp.Diff(whole, allocations, exported); len(whole) != 2 || diff != "" {
		t.Errorf("allocations by id are not the list:\n%s", diff)
	}
	one := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, IpamPoolAllocationId: b.IpamPoolAllocationId}).IpamPoolAllocations
	if diff := cmp.Diff([]types.IpamPoolAllocation{*b}, one, exported); diff != "" {
		t.Errorf("one allocation:\n%s", diff)
	}
}
