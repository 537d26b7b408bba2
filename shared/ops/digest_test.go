package ops

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Equal requests have equal digests, whether a member is absent or empty, and different
// requests have different ones.
func TestDigestOfDifferentRequests(t *testing.T) {
	text := func(s string) *string { return &s }
	same := []any{
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: nil},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{}},
	}
	if digest(same[0]) != digest(same[1]) {
		t.Error("no list and an empty one differ")
	}
	if digest(same[0]) != digest(&ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), ClientToken: text("t"), DryRun: new(bool)}) {
		t.Error("a pointer, a ClientToken or a DryRun makes another digest")
	}
	if digest(ec2.DescribeIpamsInput{}) != digest(ec2.DescribeIpamsInput{MaxResults: new(int32), NextToken: text("t"), DryRun: new(bool)}) {
		t.Error("the pages of a list have different digests")
	}
	different := []any{
		same[0],
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a}Description{x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text(`a"}Description{"x`)},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"x", "y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"x][y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), DisallowedCidrs: []string{"x", "y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), PreviewNextCidr: new(bool)},
	}
	seen := map[string]int{}
	for i, in := range different {
		if j, ok := seen[digest(in)]; ok {
			t.Errorf("requests %d and %d have the same digest", j, i)
		}
		seen[digest(in)] = i
	}
	if digest("ab", "c") == digest("a", "bc") {
		t.Error("texts run into one another")
	}
	p, err := newPage(context.Background(), listRequest{operation: "A", in: same[0]}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newPage(context.Background(), listRequest{operation: "B", in: same[0], nextToken: p.Token([]string{"x"})}, 1); err == nil {
		t.Error("a token is valid for another operation")
	}
}

// The order of lists, and a repetition in them, make no difference: all lists of requests
// are sets. The lists of two members do not mix.
func TestDigestOfSets(t *testing.T) {
	f := func(name string, values ...string) types.Filter { return types.Filter{Name: &name, Values: values} }
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	tags := func(kind types.ResourceType, tags ...types.Tag) types.TagSpecification {
		return types.TagSpecification{ResourceType: kind, Tags: tags}
	}
	for _, c := range []struct {
		name string
		a, b any
		same bool
	}{
		{"filters", ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x"), f("state", "y")}}, ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("state", "y"), f("locale", "x")}}, true},
		{"values", ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x", "y")}}, ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "y", "x")}}, true},
		{"a value twice", ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x", "x")}}, ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x")}}, true},
		{"values of other filters", ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x"), f("state", "y")}}, ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "y"), f("state", "x")}}, false},
		{"one filter and two", ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x", "y")}}, ec2.DescribeIpamPoolsInput{Filters: []types.Filter{f("locale", "x"), f("locale", "y")}}, false},
		{"ids", ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{"x", "y"}}, ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{"y", "x"}}, true},
		{"tags", ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{tags("ipam", tag("a", "1"), tag("b", "2"))}}, ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{tags("ipam", tag("b", "2"), tag("a", "1"))}}, true},
		{"values of other tags", ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{tags("ipam", tag("a", "1"), tag("b", "2"))}}, ec2.CreateIpamInput{TagSpecifications: []types.TagSpecification{tags("ipam", tag("a", "2"), tag("b", "1"))}}, false},
		{"tags of a pool's rules", ec2.CreateIpamPoolInput{AllocationResourceTags: []types.RequestIpamResourceTag{{Key: new("a")}, {Key: new("b")}}}, ec2.CreateIpamPoolInput{AllocationResourceTags: []types.RequestIpamResourceTag{{Key: new("b")}, {Key: new("a")}}}, true},
		{"Regions", ec2.CreateIpamInput{OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: new("x")}, {RegionName: new("y")}}}, ec2.CreateIpamInput{OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: new("y")}, {RegionName: new("x")}}}, true},
		{"allowed CIDRs", ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{"x", "y"}}, ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{"y", "x"}}, true},
		{"allowed and disallowed CIDRs", ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{"x"}, DisallowedCidrs: []string{"y"}}, ec2.AllocateIpamPoolCidrInput{AllowedCidrs: []string{"y"}, DisallowedCidrs: []string{"x"}}, false},
	} {
		if got := digest(c.a) == digest(c.b); got != c.same {
			t.Errorf("%s: the same %v, want %v", c.name, got, c.same)
		}
	}
}
