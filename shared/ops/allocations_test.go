package ops_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestLocaleServesItsRegionAndHome(t *testing.T) {
	w := newEnv(t, nil)
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
	w := newEnv(t, nil)
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
	w := newEnv(t, nil)
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
		t.Errorf("%s differs from the preview", *a.Cidr)
	}
	changed := do[ec2.ModifyIpamPoolAllocationOutput](w, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("now")}).IpamPoolAllocation
	a.Description = aws.String("now")
	if diff := cmp.Diff(a, changed, exported); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	if got := do[ec2.ModifyIpamPoolAllocationOutput](w, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("")}).IpamPoolAllocation; got.Description != nil {
		t.Errorf("without a description: %+v", got)
	}
	for range 2 { // a release can be repeated after a lost answer
		if out := do[ec2.ReleaseIpamPoolAllocationOutput](w, ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}); !*out.Success {
			t.Error("released without success")
		}
	}
	w.refused(t, ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("x")}, "InvalidIpamPoolAllocationId.NotFound")
	w.now = w.now.Add(25 * time.Hour)
	w.refused(t, ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}, "InvalidParameterCombination", ipam.NoAllocation)
}

// A child pool's CIDR is an allocation of its source pool, and no allocation of its own.
func TestChildPoolsAreAllocationsOfTheirSource(t *testing.T) {
	w := newEnv(t, nil)
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

func TestAllocationsRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// AllocateIpamPoolCidr
		{"pool unknown: allocate", allocateFrom(noPool, withLength(24)), "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"allocate from a pool that is being deleted", allocateFrom(f.doomed, withLength(24)), "IncorrectState", []string{*f.doomed, "delete-in-progress"}},
		{"a pool without a CIDR", allocateFrom(f.empty, withLength(24)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", *f.empty, "no CIDR provisioned"}},
		{"a full pool", allocateFrom(f.full, withLength(28)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", *f.full, "no free address"}},
		{"a length with no free block", allocateFrom(f.tokyo, withLength(15)), "InvalidParameterValue", []string{"The allocation size is too big for the pool.", "no free /15", "largest free block is /16"}},
		{"neither CIDR nor length, and no default", allocateFrom(f.tokyo, func(*ec2.AllocateIpamPoolCidrInput) {}), "InvalidParameterCombination",
			[]string{"The request cannot contain empty CIDR and Netmask Length for a pool with no default allocation netmask length set. Exactly one of them should be provided."}},
		{"a member missing", &ec2.AllocateIpamPoolCidrInput{}, "MissingParameter", []string{"IpamPoolId"}},
		{"a client token used with other parameters", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.ClientToken, in.NetmaskLength = aws.String("used"), aws.Int32(25)
		}),
			"IdempotentParameterMismatch", []string{`"used"`, "new token"}},
		{"a client token too long", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.ClientToken, in.NetmaskLength = aws.String(strings.Repeat("t", 65)), aws.Int32(25)
		}), "InvalidParameterValue", []string{"ClientToken", "65", "64"}},
		{"tags of no kind", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.TagSpecifications = aws.Int32(24), specify("", "k", "v")
		}), "InvalidParameterValue", []string{"ipam-pool-allocation"}},
		{"a CIDR that is taken", allocateFrom(f.tokyo, withCIDR(*f.inTokyo.Cidr)), "InvalidParameterValue", []string{*f.inTokyo.Cidr, *f.inTokyo.IpamPoolAllocationId, "Choose another"}},
		{"a CIDR around one that is taken", allocateFrom(f.tokyo, withCIDR("10.0.0.0/16")), "InvalidParameterValue", []string{"overlaps 10.0.0.0/24", *f.inTokyo.IpamPoolAllocationId}},
		{"a CIDR of a child pool", allocateFrom(f.top, withCIDR("10.0.3.0/24")), "InvalidParameterValue", []string{"10.0.0.0/16", *f.tokyo}},
		{"a CIDR outside the pool", allocateFrom(f.tokyo, withCIDR("10.9.0.0/24")), "InvalidParameterValue", []string{"10.9.0.0/24", *f.tokyo, "GetIpamPoolCidrs"}},
		{"a CIDR with host bits", allocateFrom(f.tokyo, withCIDR("10.0.5.1/24")), "InvalidParameterValue", []string{"10.0.5.1/24", "10.0.5.0/24"}},
		{"no CIDR", allocateFrom(f.tokyo, withCIDR("10.0.0.0")), "InvalidParameterValue", []string{"(10.0.0.0)", "address/length"}},
		{"a CIDR of a megabyte", allocateFrom(f.tokyo, withCIDR(strings.Repeat("1", 1<<20))), "InvalidParameterValue", []string{"…"}},
		{"a CIDR of the other family", allocateFrom(f.tokyo, withCIDR("fd80::/64")), "InvalidParameterValue", []string{"fd80::/64", "ipv4"}},
		{"an allowed CIDR that is none", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.AllowedCidrs = aws.Int32(24), []string{"10.0.0.0/16", "x"}
		}), "InvalidParameterValue", []string{"AllowedCidr.2"}},
		{"a disallowed CIDR that is none", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.DisallowedCidrs = aws.Int32(24), []string{"x"}
		}), "InvalidParameterValue", []string{"DisallowedCidr.1"}},
		{"nothing allowed is free", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.NetmaskLength, in.AllowedCidrs, in.DisallowedCidrs = aws.Int32(24), []string{"10.0.1.0/24"}, []string{"10.0.1.0/28"}
		}), "InvalidParameterValue", []string{"AllowedCidr and DisallowedCidr", "/16"}},
		{"CIDR and length", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.Cidr, in.NetmaskLength = aws.String("10.0.5.0/24"), aws.Int32(24)
		}), "InvalidParameterCombination", []string{"'Cidr'", "'NetmaskLength'"}},
		{"CIDR and disallowed", allocateFrom(f.tokyo, func(in *ec2.AllocateIpamPoolCidrInput) {
			in.Cidr, in.DisallowedCidrs = aws.String("10.0.5.0/24"), []string{"10.0.0.0/24"}
		}), "InvalidParameterCombination", []string{"DisallowedCidr"}},
		{"shorter than the minimum", allocateFrom(f.ruled, withLength(19)), "InvalidParameterValue", []string{"/19", "/20 to /28", *f.ruled}},
		{"longer than the maximum", allocateFrom(f.ruled, withCIDR("172.16.0.0/29")), "InvalidParameterValue", []string{"/29", "/20 to /28"}},
		{"a length of no address", allocateFrom(f.tokyo, withLength(33)), "InvalidParameterValue", []string{"33", "0 to 32"}},
		{"a length below zero", allocateFrom(f.tokyo, withLength(-1)), "InvalidParameterValue", []string{"-1", "0 to 32"}},
		// ReleaseIpamPoolAllocation
		{"pool unknown: release", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: noPool, Cidr: f.taken.Cidr, IpamPoolAllocationId: f.taken.IpamPoolAllocationId}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"allocation unknown: release", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: f.full, Cidr: f.taken.Cidr, IpamPoolAllocationId: noAllocation}, "InvalidParameterCombination", []string{ipam.NoAllocation, *f.full, *noAllocation, "GetIpamPoolAllocations"}},
		{"release of a child pool's CIDR", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: f.top, Cidr: f.fromTop.Cidr, IpamPoolAllocationId: f.fromTop.IpamPoolAllocationId}, "InvalidParameterCombination", []string{"ipam-pool", "DeprovisionIpamPoolCidr"}},
		{"release with another CIDR", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: f.full, Cidr: aws.String("192.168.0.0/25"), IpamPoolAllocationId: f.taken.IpamPoolAllocationId}, "InvalidParameterValue", []string{"192.168.0.0/24", "192.168.0.0/25"}},
		{"release from another pool", &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: f.tokyo, Cidr: f.taken.Cidr, IpamPoolAllocationId: f.taken.IpamPoolAllocationId}, "InvalidParameterValue", []string{*f.tokyo, *f.full}},
		// ModifyIpamPoolAllocation
		{"allocation unknown: modify", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: noAllocation, Description: shortText}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation}},
		{"an allocation modified in nothing", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: f.taken.IpamPoolAllocationId}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a malformed allocation", &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: aws.String("x"), Description: shortText}, "InvalidIpamPoolAllocationId.Malformed", []string{"IpamPoolAllocationId"}},
		// GetIpamPoolAllocations
		{"pool unknown: its allocations", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: noPool}, "InvalidIpamPoolId.NotFound", []string{*noPool}},
		{"allocation unknown: get", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: f.full, IpamPoolAllocationId: noAllocation}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation, "GetIpamPoolAllocations"}},
		{"allocation of another pool: get", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: f.tokyo, IpamPoolAllocationId: f.taken.IpamPoolAllocationId}, "InvalidIpamPoolAllocationId.NotFound", []string{*f.taken.IpamPoolAllocationId}},
		{"a page of allocations too small", &ec2.GetIpamPoolAllocationsInput{IpamPoolId: f.top, MaxResults: aws.Int32(999)}, "InvalidMaxResults", []string{"1000 to 100000"}},
		// DescribeIpamPoolAllocations
		{"allocation unknown: describe", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*f.taken.IpamPoolAllocationId, *noAllocation}}, "InvalidIpamPoolAllocationId.NotFound", []string{*noAllocation}},
		{"ids and a page: allocations", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*f.taken.IpamPoolAllocationId}, MaxResults: aws.Int32(1000)}, "InvalidParameterCombination", []string{"IpamPoolAllocationIds"}},
		{"a malformed id in a list", &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{"x"}}, "InvalidIpamPoolAllocationId.Malformed", nil},
	})
}

func TestAllocateOutsideTheLocaleRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refused(t, as(account, "admin", "ap-northeast-3"), allocateFrom(f.tokyo, withLength(24)), "InvalidParameterValue",
		"The pool "+*f.tokyo+" is not in the current region ap-northeast-3.", "ap-northeast-1")
}
