package ops_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// putHistory puts n records of 10.0.0.0/24 in a scope into the table: VPCs with numbers,
// each from so many seconds ago.
func (w *env) putHistory(scope string, n int) {
	w.t.Helper()
	for i := range n {
		r := ipam.HistoryRecord{
			Type: ipam.HistoryVPC, Owner: account, Region: home, ID: fmt.Sprintf("vpc-%04d", i), CIDR: netip.MustParsePrefix("10.0.0.0/24"), VPC: fmt.Sprintf("vpc-%04d", i),
			Compliance: ipam.Noncompliant, Overlap: ipam.Overlapping, Start: w.now.Add(-time.Hour).UnixMilli(),
		}
		if err := w.store.PutHistory(w.t.Context(), scope, r); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *env) history(in ec2.GetIpamAddressHistoryInput) *ec2.GetIpamAddressHistoryOutput {
	w.t.Helper()
	if in.Cidr == nil {
		in.Cidr = aws.String("10.0.0.0/24")
	}
	return do[ec2.GetIpamAddressHistoryOutput](w, w.admin, &in)
}

func TestHistoryPages(t *testing.T) {
	w := newEnv(t, nil)
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	w.putHistory(*scope, 230)
	for size, want := range map[int32][]int{0: {100, 100, 30}, 229: {229, 1}, 230: {230}, 1000: {230}} {
		in := ec2.GetIpamAddressHistoryInput{IpamScopeId: scope}
		if size > 0 {
			in.MaxResults = &size
		}
		var sizes []int
		seen := map[string]bool{}
		for {
			out := w.history(in)
			sizes = append(sizes, len(out.HistoryRecords))
			for _, r := range out.HistoryRecords {
				seen[*r.ResourceId] = true
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if diff := cmp.Diff(sizes, want); diff != "" || len(seen) != 230 {
			t.Errorf("pages of %d: %d records, -got +want:\n%s", size, len(seen), diff)
		}
	}
	if out := w.history(ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, VpcId: aws.String("vpc-0229"), MaxResults: aws.Int32(1)}); len(out.HistoryRecords) != 1 || out.NextToken != nil {
		t.Errorf("of one VPC: %+v", out)
	}
	first := w.history(ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, EndTime: &w.now})
	w.refused(t, w.admin, &ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, Cidr: aws.String("10.0.0.0/24"), EndTime: aws.Time(w.now.Add(time.Second)), NextToken: first.NextToken},
		ipam.CodeInvalidNextToken)
}

func TestHistoryIsRefused(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	scope := m.PrivateDefaultScopeId
	w.putHistory(*scope, 1)
	ask := func(change func(*ec2.GetIpamAddressHistoryInput)) *ec2.GetIpamAddressHistoryInput {
		in := &ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, Cidr: aws.String("10.0.0.0/24")}
		change(in)
		return in
	}
	for _, c := range []struct {
		name  string
		in    *ec2.GetIpamAddressHistoryInput
		code  ipam.Code
		words []string
	}{
		{"no CIDR", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.Cidr = nil }), ipam.CodeMissingParameter, []string{"Cidr"}},
		{"no scope", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.IpamScopeId = nil }), ipam.CodeMissingParameter, []string{"IpamScopeId"}},
		{"an address", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.Cidr = aws.String("10.0.0.1") }), ipam.CodeInvalidParameterValue, []string{"10.0.0.1"}},
		{"another's scope, or none", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.IpamScopeId = aws.String("ipam-scope-00000000000000000") }), ipam.CodeInvalidScopeIDNotFound, []string{"ipam-scope-00000000000000000"}},
		{"a pool for a scope", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.IpamScopeId = aws.String("ipam-pool-00000000000000000") }), ipam.CodeInvalidScopeIDMalformed, nil},
		{"a start behind the end", ask(func(in *ec2.GetIpamAddressHistoryInput) {
			in.StartTime, in.EndTime = &w.now, aws.Time(w.now.Add(-time.Second))
		}), ipam.CodeInvalidParameterValue, []string{"StartTime", "2026-01-02T03:04:05Z"}},
		{"a start to come", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.StartTime = aws.Time(w.now.Add(time.Second)) }), ipam.CodeInvalidParameterValue, []string{"StartTime"}},
		{"a page of none", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.MaxResults = aws.Int32(0) }), "InvalidMaxResults", []string{"MaxResults"}},
		{"a page too large", ask(func(in *ec2.GetIpamAddressHistoryInput) { in.MaxResults = aws.Int32(1001) }), "InvalidMaxResults", []string{"1000"}},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, w.admin, c.in, c.code, c.words...) })
	}
	same := func(*ec2.GetIpamAddressHistoryInput) {}
	w.refused(t, as(stranger, "admin", ""), ask(same), ipam.CodeInvalidScopeIDNotFound, *scope)
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: types.IpamTierFree})
	w.refused(t, w.admin, ask(same), ipam.CodeUnsupportedOperation, "free tier", *m.IpamId)
}

// The answer leaves out the members that a record does not have.
func TestHistoryShowsKnownMembers(t *testing.T) {
	w := newEnv(t, nil)
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	r := ipam.HistoryRecord{Type: ipam.HistoryInstance, Owner: ipam.AmazonOwner, Region: home, Interface: "eni-1", CIDR: netip.MustParsePrefix("2001:db8::5/128"), Start: w.now.UnixMilli()}
	if err := w.store.PutHistory(t.Context(), *scope, r); err != nil {
		t.Fatal(err)
	}
	out := w.history(ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, Cidr: aws.String("2001:db8::5/128")})
	want := []types.IpamAddressHistoryRecord{{
		ResourceOwnerId: aws.String("amazon-aws"), ResourceRegion: aws.String(home), ResourceType: types.IpamAddressHistoryResourceTypeInstance,
		ResourceCidr: aws.String("2001:db8::5/128"), SampledStartTime: aws.Time(w.now),
	}}
	if diff := cmp.Diff(out.HistoryRecords, want, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

// At the moment of a change, a CIDR belongs to the next resource.
func TestHistoryAtTheMomentOfAChange(t *testing.T) {
	w := newEnv(t, nil)
	scope := w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId
	change := w.now.Add(-time.Hour)
	for _, r := range []ipam.HistoryRecord{
		{ID: "vpc-before", Start: change.Add(-time.Hour).UnixMilli(), End: change.UnixMilli()},
		{ID: "vpc-after", Start: change.UnixMilli()},
	} {
		r.Type, r.Owner, r.Region, r.CIDR = ipam.HistoryVPC, account, home, netip.MustParsePrefix("10.0.0.0/24")
		if err := w.store.PutHistory(t.Context(), *scope, r); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[time.Duration]string{-time.Millisecond: "vpc-before", 0: "vpc-after"} {
		out := w.history(ec2.GetIpamAddressHistoryInput{IpamScopeId: scope, EndTime: aws.Time(change.Add(at))})
		if len(out.HistoryRecords) != 1 || *out.HistoryRecords[0].ResourceId != want {
			t.Errorf("%s from the change: %+v, want %s", at, out.HistoryRecords, want)
		}
	}
}

func TestHistoryRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// GetIpamAddressHistory
		{"history of a VPC whose id is too long", &ec2.GetIpamAddressHistoryInput{IpamScopeId: f.private, Cidr: aws.String("10.0.0.0/8"), VpcId: aws.String(strings.Repeat("x", 513))}, "InvalidParameterValue", []string{"VpcId", "513"}},
	})
}
