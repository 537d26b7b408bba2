package ops

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Equal requests have equal digests, whether a member is absent or empty, and different
// requests have different ones.
func TestDigestTellsRequestsApart(t *testing.T) {
	text := func(s string) *string { return &s }
	same := []any{
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: nil},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{}},
	}
	if digest(same[0]) != digest(same[1]) {
		t.Error("no list and an empty one differ")
	}
	if digest(same[0]) != digest(&ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), ClientToken: text("t"), DryRun: new(bool)}) {
		t.Error("a pointer, a ClientToken or a DryRun tells requests apart")
	}
	if digest(ec2.DescribeIpamsInput{}) != digest(ec2.DescribeIpamsInput{MaxResults: new(int32), NextToken: text("t"), DryRun: new(bool)}) {
		t.Error("pages of a list are told apart")
	}
	different := []any{
		same[0],
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a}Description{x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text(`a"}Description{"x`)},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"x", "y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"y", "x"}},
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
