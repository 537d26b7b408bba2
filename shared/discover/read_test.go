package discover_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const account, region = "111122223333", "us-east-1"

// cloud has a member account with the sample network.
func cloud() *discovertest.Cloud {
	return &discovertest.Cloud{
		Roles:    map[string]string{account: "cadastre-reader", discovertest.Owner: "cadastre-reader"},
		Networks: map[string]*discover.Seen{account + " " + region: discovertest.Sample(account, 7)},
	}
}

func client(t testing.TB, c *discovertest.Cloud) discover.EC2 {
	t.Helper()
	e, err := discover.NewClients(c.Config(), "cadastre-reader", 1).EC2(context.Background(), account, region)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var wire = cmp.Options{cmpopts.IgnoreUnexported(types.Vpc{}, types.Subnet{}, types.Address{}, types.PublicIpv4Pool{}, types.NetworkInterface{},
	types.Tag{}, types.VpcCidrBlockAssociation{}, types.VpcCidrBlockState{}, types.VpcIpv6CidrBlockAssociation{}, types.SubnetIpv6CidrBlockAssociation{},
	types.SubnetCidrBlockState{}, types.PublicIpv4PoolRange{}, types.NetworkInterfaceAttachment{}, types.NetworkInterfaceAssociation{},
	types.NetworkInterfacePrivateIpAddress{}, types.NetworkInterfaceIpv6Address{}, types.Ipv4PrefixSpecification{}, types.Ipv6PrefixSpecification{}, types.GroupIdentifier{}),
	cmpopts.EquateEmpty()}

func TestReadReadsAllPages(t *testing.T) {
	for _, size := range []int{0, 1, 2} {
		c := cloud()
		c.PageSize = size
		seen, err := discover.Read(t.Context(), client(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen, discovertest.Sample(account, 7), wire); diff != "" {
			t.Errorf("pages of %d, -got +want:\n%s", size, diff)
		}
	}
}

// A resource made between two pages moves the ones after it, so a page begins
// with the last resource of the page before. That resource counts once, and
// counts once in its container too.
func TestReadCountsRepeatedResourcesOnce(t *testing.T) {
	c := cloud()
	c.PageSize = 1
	want, err := discover.Read(t.Context(), client(t, c))
	if err != nil {
		t.Fatal(err)
	}
	n, repeated := c.Network(account, region), map[string]bool{}
	c.Answer = func(m discovertest.Call) {
		if m.Page > 0 || repeated[m.Name] {
			return
		}
		repeated[m.Name] = true
		switch m.Name { // the new resource is another account's, so it does not count here
		case "DescribeVpcs":
			n.VPCs = slices.Insert(n.VPCs, 0, n.VPCs[2])
		case "DescribeSubnets":
			n.Subnets = slices.Insert(n.Subnets, 0, n.Subnets[2])
		case "DescribeNetworkInterfaces":
			n.Interfaces = slices.Insert(n.Interfaces, 0, types.NetworkInterface{OwnerId: aws.String("999900009999")})
		}
	}
	seen, err := discover.Read(t.Context(), client(t, c))
	if err != nil || len(seen.VPCs) != 4 || len(seen.Interfaces) != 4 {
		t.Fatalf("%d VPCs, %d interfaces, %v", len(seen.VPCs), len(seen.Interfaces), err)
	}
	if diff := cmp.Diff(seen.Resources(account, region), want.Resources(account, region), resources); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

// An account has more than a page of each kind. The page sizes are the ones
// that EC2 allows.
func TestReadAsksForPagesOfTheAllowedSize(t *testing.T) {
	c := cloud()
	n := c.Network(account, region)
	for i := range 11 {
		n.Pools = append(n.Pools, types.PublicIpv4Pool{PoolId: aws.String(fmt.Sprint("ipv4pool-ec2-more", i))})
	}
	for i := range 1001 {
		n.Interfaces = append(n.Interfaces, types.NetworkInterface{NetworkInterfaceId: aws.String(fmt.Sprint("eni-more", i))})
	}
	seen, err := discover.Read(t.Context(), client(t, c))
	if err != nil || len(seen.Pools) != 12 || len(seen.Interfaces) != 1004 {
		t.Fatalf("%d pools, %d interfaces, %v", len(seen.Pools), len(seen.Interfaces), err)
	}
	pages := map[string]int{}
	for _, m := range c.Made {
		pages[m.Name]++
	}
	want := map[string]int{"AssumeRole": 1, "DescribeVpcs": 1, "DescribeSubnets": 1, "DescribeAddresses": 1, "DescribePublicIpv4Pools": 2, "DescribeNetworkInterfaces": 2}
	if diff := cmp.Diff(pages, want); diff != "" {
		t.Errorf("calls, -got +want:\n%s", diff)
	}
}

// If any page of any call fails, Read fails and returns the reason.
func TestReadFailsAsAWhole(t *testing.T) {
	c := cloud()
	c.PageSize = 2
	if _, err := discover.Read(t.Context(), client(t, c)); err != nil {
		t.Fatal(err)
	}
	calls := c.Made[1:] // without AssumeRole
	if len(calls) < 8 {
		t.Fatalf("only %v", calls)
	}
	for _, fails := range calls {
		for name, f := range map[string]struct {
			fault discovertest.Fault
			code  string
		}{
			"refused":   {discovertest.Fault{Status: 403, Code: "UnauthorizedOperation"}, discover.UnauthorizedFailure},
			"no Region": {discovertest.Fault{Status: 401, Code: "AuthFailure"}, discover.UnauthorizedFailure},
			"throttled": {discovertest.Fault{Status: 503, Code: "RequestLimitExceeded"}, discover.ThrottlingFailure},
			"broken":    {discovertest.Fault{Status: 500, Code: "InternalError"}, discover.ThrottlingFailure},
			"silent":    {discovertest.Fault{Hang: true}, discover.ThrottlingFailure},
		} {
			synctest.Test(t, func(t *testing.T) {
				c := cloud()
				c.PageSize = 2
				c.Fault = func(m discovertest.Call) *discovertest.Fault {
					if m == fails {
						return &f.fault
					}
					return nil
				}
				seen, err := discover.Read(t.Context(), client(t, c))
				failure := discover.FailureOf(err)
				if seen != nil || failure == nil || failure.Code != f.code {
					t.Errorf("%s %s: read %v, %v: %+v", fails, name, seen != nil, err, failure)
				}
			})
		}
	}
}

func TestNoPoolsWhereTheCallDoesNotExist(t *testing.T) {
	for code, want := range map[string]bool{"InvalidAction": true, "UnsupportedOperation": true, "UnknownOperationException": true, "UnauthorizedOperation": false, "InvalidParameterValue": false} {
		c := cloud()
		c.Fault = func(m discovertest.Call) *discovertest.Fault {
			if m.Name == "DescribePublicIpv4Pools" {
				return &discovertest.Fault{Status: 400, Code: code}
			}
			return nil
		}
		seen, err := discover.Read(t.Context(), client(t, c))
		if (err == nil) != want || want && (len(seen.Pools) > 0 || len(seen.Interfaces) != 3) {
			t.Errorf("%s: %v", code, err)
		}
	}
	c := cloud()
	c.Fault = func(m discovertest.Call) *discovertest.Fault {
		if m.Name == "DescribeVpcs" {
			return &discovertest.Fault{Status: 400, Code: "InvalidAction"}
		}
		return nil
	}
	if _, err := discover.Read(t.Context(), client(t, c)); err == nil {
		t.Error("VPCs that cannot be read count as none")
	}
}

// A selection returns the same resources as a whole read does.
func TestReadSelectedAgreesWithRead(t *testing.T) {
	c, clients := cloud(), t
	all, err := discover.Read(t.Context(), client(t, c))
	if err != nil {
		t.Fatal(err)
	}
	whole := all.Resources(account, region)
	ids := []string{"i-071", "eni-attach-071", "eni-attach-072", "vpc-none", "subnet-none", "eni-none", "eipalloc-none", "ipv4pool-ec2-none"}
	for _, r := range whole {
		ids = append(ids, r.ID)
	}
	rapid.Check(t, func(t *rapid.T) {
		sel := discover.Selection{AllAddresses: rapid.Bool().Draw(t, "all addresses"), Contents: rapid.Bool().Draw(t, "contents")}
		named := rapid.SliceOfN(rapid.SampledFrom(ids), 0, 5).Draw(t, "ids")
		for _, id := range named {
			sel.Add(id)
		}
		seen, covered, err := discover.ReadSelected(context.Background(), client(clients, c), sel) // a new client need not wait
		if err != nil {
			t.Fatal(err)
		}
		outside := func(r ipam.Resource) bool { return !covered.Covers(&r) }
		got := slices.DeleteFunc(seen.Resources(account, region), outside)
		want := slices.DeleteFunc(slices.Clone(whole), outside)
		if diff := cmp.Diff(got, want, resources, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("-selected +whole:\n%s", diff)
		}
		if sel.AllAddresses && len(covered.Addresses) < 4 {
			t.Fatalf("of all Elastic IPs %q are covered", covered.Addresses)
		}
		for _, id := range named {
			if t := discover.IDType(id); t != "" && !covered.Covers(&ipam.Resource{Type: t, ID: id}) {
				panic(id + " is not covered")
			}
		}
	})
}

func TestSelectionFollowsContainers(t *testing.T) {
	e := client(t, cloud())
	for id, want := range map[string]discover.Selection{
		"vpc-071":        {VPCs: []string{"vpc-071"}},
		"subnet-072":     {VPCs: []string{"vpc-071"}, Subnets: []string{"subnet-072"}},
		"eni-attach-071": {VPCs: []string{"vpc-071"}, Subnets: []string{"subnet-071"}, Interfaces: []string{"eni-071"}, Attachments: []string{"eni-attach-071"}},
		"i-071":          {VPCs: []string{"vpc-071"}, Subnets: []string{"subnet-071"}, Interfaces: []string{"eni-071"}, Instances: []string{"i-071"}},
		"eipalloc-072":   {VPCs: []string{"vpc-071"}, Subnets: []string{"subnet-072"}, Interfaces: []string{"eni-073"}, Addresses: []string{"eipalloc-072"}},
		"eipalloc-073":   {Addresses: []string{"eipalloc-073"}, Pools: []string{"ipv4pool-ec2-071"}},
		"eni-none":       {Interfaces: []string{"eni-none"}},
	} {
		var sel discover.Selection
		sel.Add(id)
		_, covered, err := discover.ReadSelected(t.Context(), e, sel)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(covered, want); diff != "" {
			t.Errorf("%s, -got +want:\n%s", id, diff)
		}
	}
	sel := discover.Selection{VPCs: []string{"vpc-071"}, Contents: true}
	if _, covered, err := discover.ReadSelected(t.Context(), e, sel); err != nil || !slices.Equal(covered.Subnets, []string{"subnet-071", "subnet-072"}) {
		t.Errorf("%+v, %v", covered, err)
	}
}

// A selection is a value: adding to one copy does not change another.
func TestSelectionsDoNotShareAddedIDs(t *testing.T) {
	a := discover.Selection{VPCs: make([]string, 0, 4)}
	b := a
	a.Add("vpc-1")
	b.Add("vpc-2")
	if a.VPCs[0] != "vpc-1" || b.VPCs[0] != "vpc-2" {
		t.Errorf("%q, %q", a.VPCs, b.VPCs)
	}
}

// Ids that do not fit into one filter are asked for with several.
func TestReadSelectedSplitsFilters(t *testing.T) {
	c := cloud()
	var sel discover.Selection
	for i := range 401 {
		sel.Add(fmt.Sprintf("eni-%d", i))
	}
	sel.Add("eni-073")
	seen, _, err := discover.ReadSelected(t.Context(), client(t, c), sel)
	if err != nil || len(seen.Interfaces) != 1 {
		t.Fatalf("%v, %v", seen, err)
	}
	asked := 0
	for _, m := range c.Made {
		if m.Name == "DescribeNetworkInterfaces" {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times for 402 interfaces", asked)
	}
}

var _ discover.EC2 = (*ec2.Client)(nil)
