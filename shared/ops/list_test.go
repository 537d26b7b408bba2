package ops_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

// pages reads a list page by page. It returns all objects, the number on each page, and the
// tokens. size 0 leaves MaxResults out.
func pages(w *env, ctx context.Context, in any, size int32) (all []any, sizes []int, tokens []string) {
	w.t.Helper()
	v := reflect.New(reflect.TypeOf(in).Elem())
	v.Elem().Set(reflect.ValueOf(in).Elem())
	if size > 0 {
		v.Elem().FieldByName("MaxResults").Set(reflect.ValueOf(&size))
	}
	for {
		out, err := w.registry.Call(ctx, operation(in), v.Interface())
		if err != nil {
			w.t.Fatalf("%s: %v", operation(in), err)
		}
		var next *string
		for _, m := range members(out) {
			switch {
			case m.Type() == reflect.TypeFor[*string]():
				next = m.Interface().(*string)
			case m.Kind() == reflect.Slice:
				sizes = append(sizes, m.Len())
				for i := range m.Len() {
					all = append(all, m.Index(i).Interface())
				}
			}
		}
		if next == nil {
			return all, sizes, tokens
		}
		tokens = append(tokens, *next)
		v.Elem().FieldByName("NextToken").Set(reflect.ValueOf(next))
	}
}

// members returns the exported fields of the struct that out points to.
func members(out any) (all []reflect.Value) {
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			all = append(all, v.Field(i))
		}
	}
	return all
}

// newFullEnv returns an env with more objects of each type than a small page has.
func newFullEnv(t *testing.T) (w *env, pool string, allocations []string) {
	w = newEnv(t, func(q *ipam.Quotas) { q.ScopesPerIPAM, q.IPAMs = 12, 7 })
	var m *types.Ipam
	for range 7 {
		m = w.makeIPAM(ec2.CreateIpamInput{TagSpecifications: specify("ipam", "a", "1", "b", "2", "c d", "")})
	}
	for range 10 {
		do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId})
	}
	var pools []string
	for i := range 11 {
		pools = append(pools, w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, TagSpecifications: specify("ipam-pool", "a", fmt.Sprint(i))}))
	}
	for i := range 9 {
		do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: &pools[i%2], Principal: aws.String(fmt.Sprintf("%012d", i))})
	}
	for i := range 12 {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &pools[0], Cidr: aws.String(fmt.Sprintf("10.%d.0.0/16", i))})
	}
	do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &pools[1], Cidr: aws.String("11.0.0.0/16")})
	for i := range 2300 {
		pool := pools[0]
		if i >= 1200 {
			pool = pools[1]
		}
		in := ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(28)}
		if i%1000 == 3 {
			in.TagSpecifications = specify("ipam-pool-allocation", "a", "x", "b", "y")
		}
		allocations = append(allocations, *w.allocate(in).IpamPoolAllocationId)
	}
	w.discover(*m.DefaultResourceDiscoveryId, *m.PrivateDefaultScopeId, *m.PublicDefaultScopeId, *m.IpamId)
	return w, pools[0], allocations
}

// discover lets a discovery read 12 accounts in home. In each of three of them it finds 4
// VPCs, a subnet, an interface with a public address and 3 Elastic IPs.
func (w *env) discover(discovery, private, public, manager string) {
	w.t.Helper()
	in := func(scope string) ipam.Target { return ipam.Target{IPAM: manager, Scope: scope} }
	for i := range 12 {
		owner := fmt.Sprintf("%012d", 100+i)
		w.recordRun(discovery, owner, int64(1_700_000_000_000+i))
		if i%5 != 1 {
			continue
		}
		r := func(t ipam.ResourceType, id, cidr string) ipam.Resource {
			return ipam.Resource{Type: t, ID: fmt.Sprint(id, "-", i), CIDR: netip.MustParsePrefix(cidr), Owner: owner}
		}
		for n := range 4 {
			w.putFound(discovery, 1, r(ipam.ResourceVPC, "vpc", fmt.Sprintf("192.168.%d.0/24", n)), ipam.Status{Management: ipam.Unmanaged}, in(private))
		}
		w.putFound(discovery, 1, r(ipam.ResourceSubnet, "subnet", "fd80::/64"), ipam.Status{}, in(private))
		with := r(ipam.ResourceInterface, "eni", "192.168.0.4/32")
		with.Public = &ipam.PublicAddress{Address: netip.MustParseAddr("198.51.100.1"), Type: "ec2-public-ip"}
		w.putFound(discovery, 1, with, ipam.Status{}, in(private))
		for n := range 3 {
			eip := r(ipam.ResourceEIP, fmt.Sprint("eipalloc-", n), fmt.Sprintf("203.0.113.%d/32", 3*i+n))
			eip.Public = &ipam.PublicAddress{Address: eip.CIDR.Addr(), Type: "amazon-owned-eip"}
			w.putFound(discovery, 1, eip, ipam.Status{}, in(public))
		}
	}
}

// Each list in small pages is the same as in one page: complete and in the same order. No
// page is larger than MaxResults, and none is empty.
func TestPagesMakeUpTheList(t *testing.T) {
	w, pool, _ := newFullEnv(t)
	tagged := []types.Filter{where("tag:a", "?")}
	pools := do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{pool}}).IpamPools
	manager := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{IpamIds: []string{last(*pools[0].IpamArn)}}).Ipams[0]
	discovery, region := manager.DefaultResourceDiscoveryId, aws.String(home)
	resolver := w.makeResolvers(manager.IpamId)
	tried := map[string]bool{"GetIpamAddressHistory": true, "SearchIpam": true} // TestHistoryPages and TestSearch have them
	for _, c := range []struct {
		in   any
		size int32
		want int
	}{
		{&ec2.DescribeIpamsInput{}, 5, 7},
		{&ec2.DescribeIpamScopesInput{}, 5, 24},
		{&ec2.DescribeIpamScopesInput{Filters: []types.Filter{where("is-default", "false")}}, 5, 10},
		{&ec2.DescribeIpamPoolsInput{}, 5, 11},
		{&ec2.DescribeIpamPoolsInput{Filters: tagged}, 5, 10},
		{&ops.DescribeIpamPoolSharesInput{}, 6, 9},
		{&ops.DescribeIpamPoolSharesInput{Filters: []types.Filter{where("principal", "*3", "00000000000?")}}, 5, 9},
		{&ops.DescribeIpamPoolSharesInput{Filters: []types.Filter{where("ipam-pool-id", pool), where("permission", "allocate")}}, 5, 5},
		{&ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool}, 5, 12},
		{&ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}, 1000, 1200},
		{&ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, Filters: []types.Filter{where("cidr", "10.0.?.*")}}, 1000, 160},
		{&ec2.DescribeIpamPoolAllocationsInput{}, 1000, 2300},
		{&ec2.DescribeIpamResourceDiscoveriesInput{}, 5, 7},
		{&ec2.DescribeIpamResourceDiscoveryAssociationsInput{}, 5, 7},
		{&ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: discovery, DiscoveryRegion: region}, 5, 12},
		{&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: discovery, ResourceRegion: region}, 5, 3 * 9},
		{&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: discovery, ResourceRegion: region, Filters: []types.Filter{where("resource-type", "vpc", "eni")}}, 7, 3 * 5},
		{&ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: discovery, AddressRegion: region}, 5, 3 * 4},
		{&ec2.GetIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId}, 5, 3 * 5},
		{&ec2.GetIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId, Filters: []types.Filter{where("management-state", "unmanaged")}}, 5, 3 * 4},
		{&ec2.GetIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId, Filters: []types.Filter{where("is-default", "false")}}, 5, 3 * 5},
		{&ops.ModifyIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId, Filters: []types.Filter{where("is-default", "*")}, Monitored: aws.Bool(false), PreviewOnly: aws.Bool(true)}, 5, 3 * 4},
		{&ec2.GetIpamResourceCidrsInput{IpamScopeId: manager.PublicDefaultScopeId}, 5, 3 * 3},
		{&ec2.DescribeIpamPrefixListResolversInput{}, 5, 7},
		{&ec2.DescribeIpamPrefixListResolversInput{Filters: []types.Filter{where("ipam-id", *manager.IpamId), where("address-family", "ipv4")}}, 5, 7},
		{&ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &resolver}, 5, 12},
		{&ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &resolver}, 5, 12},
		{&ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &resolver, IpamPrefixListResolverVersions: []int64{2, 4, 6, 8, 10, 12}}, 5, 6},
		{&ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: &resolver, IpamPrefixListResolverVersion: aws.Int64(12)}, 5, 12},
		{&ec2.DescribeTagsInput{}, 5, 7*3 + 11 + 3*2},
		{&ec2.DescribeTagsInput{Filters: []types.Filter{where("key", "a", "c d")}}, 5, 7*2 + 11 + 3},
		{&ec2.DescribeTagsInput{Filters: []types.Filter{where("resource-type", "*allocation", "ipam")}}, 5, 7*3 + 3*2},
	} {
		tried[operation(c.in)] = true
		whole, sizes, _ := pages(w, w.admin, c.in, 0)
		if len(whole) != c.want || len(sizes) != 1 {
			t.Errorf("%s: %d in pages of %v, want %d in one", operation(c.in), len(whole), sizes, c.want)
		}
		parts, sizes, _ := pages(w, w.admin, c.in, c.size)
		if diff := cmp.Diff(whole, parts, exported); diff != "" {
			t.Errorf("%s: the pages are not the list:\n%.2000s", operation(c.in), diff)
		}
		for i, n := range sizes {
			if want := min(c.want-i*int(c.size), int(c.size)); n != want {
				t.Errorf("%s: pages of %v", operation(c.in), sizes)
			}
		}
	}
	for _, o := range w.registry.Operations() {
		if o.Paginated != tried[o.Name] {
			t.Errorf("%s: paginated %v, tried %v", o.Name, o.Paginated, tried[o.Name])
		}
	}
}

// makeResolvers creates seven resolvers. The first has 12 versions, and 12 rules with CIDRs.
func (w *env) makeResolvers(manager *string) string {
	w.t.Helper()
	var ids []string
	for range 7 {
		ids = append(ids, w.makeResolver(ec2.CreateIpamPrefixListResolverInput{IpamId: manager}))
	}
	w.work()
	var cidrs []string
	for i := range 12 {
		cidrs = append(cidrs, fmt.Sprintf("172.16.%d.0/24", i))
		if i > 0 { // the first version is there
			do[ec2.ModifyIpamPrefixListResolverOutput](w, w.admin, &ec2.ModifyIpamPrefixListResolverInput{IpamPrefixListResolverId: &ids[0], Rules: statics(cidrs...)})
			w.work()
		}
	}
	return ids[0]
}

// last returns the id at the end of an ARN.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// Lists are in their documented order.
func TestOrderOfLists(t *testing.T) {
	w, pool, _ := newFullEnv(t)
	all, _, _ := pages(w, w.admin, &ec2.DescribeIpamPoolsInput{}, 5)
	if !slices.IsSortedFunc(all, func(a, b any) int {
		return strings.Compare(*a.(types.IpamPool).IpamPoolId, *b.(types.IpamPool).IpamPoolId)
	}) {
		t.Error("pools are not by ascending id")
	}
	all, _, _ = pages(w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}, 1000)
	for i, a := range all {
		if want := fmt.Sprintf("10.0.%d.%d/28", i/16, i%16*16); *a.(types.IpamPoolAllocation).Cidr != want {
			t.Fatalf("allocation %d is %s, want %s", i, *a.(types.IpamPoolAllocation).Cidr, want)
		}
	}
}

// A list continues behind its position after the object there was deleted.
func TestPagesContinueOverDeletedObjects(t *testing.T) {
	w, pool, allocations := newFullEnv(t)
	_, _, tokens := pages(w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}, 1000)
	for _, i := range []int{999, 1000} {
		do[ec2.ReleaseIpamPoolAllocationOutput](w, w.admin, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, IpamPoolAllocationId: &allocations[i],
			Cidr: aws.String(fmt.Sprintf("10.0.%d.%d/28", i/16, i%16*16))})
	}
	out := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, NextToken: &tokens[0]}).IpamPoolAllocations
	if len(out) != 199 || *out[0].IpamPoolAllocationId != allocations[1001] {
		t.Errorf("%d allocations from %s on", len(out), *out[0].IpamPoolAllocationId)
	}

	ipams, _, _ := pages(w, w.admin, &ec2.DescribeIpamsInput{}, 0)
	whole, _, _ := pages(w, w.admin, &ec2.DescribeTagsInput{}, 0)
	_, _, tokens = pages(w, w.admin, &ec2.DescribeTagsInput{}, 5) // the first page ends behind "b" of the second IPAM
	doomed := ipams[1].(types.Ipam).IpamId
	if last := whole[4].(types.TagDescription); *last.ResourceId != *doomed || *last.Key != "b" {
		t.Fatalf("the first page ends with %+v", last)
	}
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: []string{*doomed}, Tags: tags("b", "2")})
	rest := do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{NextToken: &tokens[0]}).Tags
	if *rest[0].ResourceId != *doomed || *rest[0].Key != "c d" {
		t.Errorf("without the tag, the second page begins with %s %s", *rest[0].ResourceId, *rest[0].Key)
	}
	if n, _, _ := pages(w, w.admin, &ec2.DescribeIpamPoolsInput{Filters: []types.Filter{where("ipam-id", *doomed)}}, 0); len(n) == 0 {
		do[ec2.DeleteIpamOutput](w, w.admin, &ec2.DeleteIpamInput{IpamId: doomed})
		rest = do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{NextToken: &tokens[0]}).Tags
		if *rest[0].ResourceId != *ipams[2].(types.Ipam).IpamId || *rest[0].Key != "a" {
			t.Errorf("without the object, the second page begins with %s %s", *rest[0].ResourceId, *rest[0].Key)
		}
	} else {
		t.Error("the second IPAM has pools and cannot be deleted: the test has to choose another")
	}
}

// A token is valid for its own request only: the same account, operation and parameters.
// MaxResults and the order of lists may change.
func TestTokensBelongToTheirRequest(t *testing.T) {
	w, pool, _ := newFullEnv(t)
	filters := []types.Filter{where("state", "*"), where("pool-depth", "1", "2", "3")}
	_, _, tokens := pages(w, w.admin, &ec2.DescribeIpamPoolsInput{Filters: filters}, 5)
	token := &tokens[0]
	if n := len(do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{Filters: filters, NextToken: token, MaxResults: aws.Int32(6)}).IpamPools); n != 6 {
		t.Errorf("with another MaxResults: %d pools", n)
	}
	reordered := []types.Filter{where("pool-depth", "3", "1", "2"), where("state", "*")}
	if n := len(do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{Filters: reordered, NextToken: token, MaxResults: aws.Int32(6)}).IpamPools); n != 6 {
		t.Errorf("with the filters in another order: %d pools", n)
	}
	for _, c := range []struct {
		ctx context.Context
		in  any
	}{
		{w.admin, &ec2.DescribeIpamPoolsInput{NextToken: token}},
		{w.admin, &ec2.DescribeIpamPoolsInput{Filters: []types.Filter{where("state", "?*")}, NextToken: token}},
		{w.admin, &ec2.DescribeIpamPoolsInput{Filters: filters, IpamPoolIds: []string{pool}, NextToken: token}},
		{w.admin, &ec2.DescribeIpamScopesInput{Filters: filters, NextToken: token}},
		{as(stranger, "admin", ""), &ec2.DescribeIpamPoolsInput{Filters: filters, NextToken: token}},
	} {
		if _, err := w.registry.Call(c.ctx, operation(c.in), c.in); ipam.CodeOf(err) != "InvalidNextToken" {
			t.Errorf("%s with another request's token: %v", operation(c.in), err)
		}
	}

	// A forged token, with the digest of a real one and a position of the wrong form, is
	// refused.
	found := do[ec2.DescribeIpamPoolsOutput](w, w.admin, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{pool}}).IpamPools
	manager := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{IpamIds: []string{last(*found[0].IpamArn)}}).Ipams[0]
	discovery := manager.DefaultResourceDiscoveryId
	resolver := w.makeResolvers(manager.IpamId)
	lists := map[string]struct {
		in   any
		size int32
	}{
		"DescribeIpams": {&ec2.DescribeIpamsInput{}, 5}, "DescribeIpamScopes": {&ec2.DescribeIpamScopesInput{}, 5}, "DescribeIpamPools": {&ec2.DescribeIpamPoolsInput{}, 5},
		"GetIpamPoolCidrs": {&ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool}, 5}, "GetIpamPoolAllocations": {&ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}, 1000},
		"DescribeIpamResourceDiscoveries":           {&ec2.DescribeIpamResourceDiscoveriesInput{}, 5},
		"DescribeIpamResourceDiscoveryAssociations": {&ec2.DescribeIpamResourceDiscoveryAssociationsInput{}, 5},
		"GetIpamDiscoveredAccounts":                 {&ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: discovery, DiscoveryRegion: aws.String(home)}, 5},
		"GetIpamDiscoveredResourceCidrs":            {&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: discovery, ResourceRegion: aws.String(home)}, 5},
		"GetIpamDiscoveredPublicAddresses":          {&ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: discovery, AddressRegion: aws.String(home)}, 5},
		"GetIpamResourceCidrs":                      {&ec2.GetIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId}, 5},
		"ModifyIpamResourceCidrs":                   {&ops.ModifyIpamResourceCidrsInput{IpamScopeId: manager.PrivateDefaultScopeId, Filters: []types.Filter{where("resource-type", "vpc")}, Monitored: aws.Bool(false), PreviewOnly: aws.Bool(true)}, 5},
		"DescribeIpamPrefixListResolvers":           {&ec2.DescribeIpamPrefixListResolversInput{}, 5},
		"GetIpamPrefixListResolverRules":            {&ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: &resolver}, 5},
		"GetIpamPrefixListResolverVersions":         {&ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: &resolver}, 5},
		"GetIpamPrefixListResolverVersionEntries":   {&ec2.GetIpamPrefixListResolverVersionEntriesInput{IpamPrefixListResolverId: &resolver, IpamPrefixListResolverVersion: aws.Int64(12)}, 5},
		"DescribeIpamPoolAllocations":               {&ec2.DescribeIpamPoolAllocationsInput{}, 1000}, "DescribeTags": {&ec2.DescribeTagsInput{}, 5},
	}
	for name, l := range lists {
		_, _, tokens := pages(w, w.admin, l.in, l.size)
		ours, err := base64.RawURLEncoding.DecodeString(tokens[0])
		if err != nil {
			t.Fatal(err)
		}
		digest := ours[:strings.IndexByte(string(ours), '[')]
		for _, position := range []string{"", "null", "[]", "[1]", "x", `[""]`, `["x"]`, `["x","y"]`, `["ipam-pool-cidr-00000000"]`, `["a","b","c","d","e"]`,
			`["` + pool + `","x"]`, `["","10.0.0.0/8"]`, `["vpc-00000000","a","b"]`, `["` + strings.Repeat("x", 5000) + `"]`} {
			forged := base64.RawURLEncoding.EncodeToString(append(slices.Clone(digest), position...))
			in := reflect.New(reflect.TypeOf(l.in).Elem())
			in.Elem().Set(reflect.ValueOf(l.in).Elem())
			in.Elem().FieldByName("NextToken").Set(reflect.ValueOf(&forged))
			if name == "DescribeTags" && strings.Contains(position, ",") && !strings.HasPrefix(position, `["vpc`) && strings.Count(position, ",") < 4 {
				continue // a valid position: a key behind the beginning of the list
			}
			if _, err := w.registry.Call(w.admin, name, in.Interface()); ipam.CodeOf(err) != "InvalidNextToken" {
				t.Errorf("%s from %s: %v", name, position, err)
			}
		}
	}
}

// A request for a list with several faults is refused for its token first, then for its
// filters, and then for the parameters of the operation.
func TestListsRefuseInOneOrder(t *testing.T) {
	w := newEnv(t, nil)
	tried := map[string]bool{"GetIpamAddressHistory": true, "SearchIpam": true, "GetIpamPrefixListResolverVersionEntries": true} // they have no filters
	for _, c := range []struct {
		in   any // with an invalid id
		code ipam.Code
	}{
		{&ec2.DescribeIpamsInput{IpamIds: []string{"ipam-0"}}, "InvalidIpamId.Malformed"},
		{&ec2.DescribeIpamScopesInput{IpamScopeIds: []string{"ipam-scope-0"}}, "InvalidIpamScopeId.Malformed"},
		{&ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{"ipam-pool-0"}}, "InvalidIpamPoolId.Malformed"},
		{&ops.DescribeIpamPoolSharesInput{IpamPoolIds: []string{"ipam-pool-0"}}, "InvalidIpamPoolId.Malformed"},
		{&ec2.GetIpamPoolCidrsInput{IpamPoolId: aws.String("ipam-pool-0")}, "InvalidIpamPoolId.Malformed"},
		{&ec2.GetIpamPoolAllocationsInput{IpamPoolId: aws.String("ipam-pool-0")}, "InvalidIpamPoolId.Malformed"},
		{&ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{"ipam-pool-alloc-0"}}, "InvalidIpamPoolAllocationId.Malformed"},
		{&ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{"ipam-res-disco-0"}}, "InvalidIpamResourceDiscoveryId.Malformed"},
		{&ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{"ipam-res-disco-assoc-0"}}, "InvalidIpamResourceDiscoveryAssociationId.Malformed"},
		{&ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: aws.String("ipam-res-disco-0"), DiscoveryRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.Malformed"},
		{&ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: aws.String("ipam-res-disco-0"), ResourceRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.Malformed"},
		{&ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: aws.String("ipam-res-disco-0"), AddressRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.Malformed"},
		{&ec2.GetIpamResourceCidrsInput{IpamScopeId: aws.String("ipam-scope-0")}, "InvalidIpamScopeId.Malformed"},
		{&ops.ModifyIpamResourceCidrsInput{IpamScopeId: aws.String("ipam-scope-0"), ResourceId: aws.String("vpc-1"), Monitored: aws.Bool(false)}, "InvalidIpamScopeId.Malformed"},
		{&ec2.DescribeIpamPrefixListResolversInput{IpamPrefixListResolverIds: []string{"ipam-prefix-list-resolver-0"}}, "InvalidIpamPrefixListResolverId.Malformed"},
		{&ec2.GetIpamPrefixListResolverRulesInput{IpamPrefixListResolverId: aws.String("ipam-prefix-list-resolver-0")}, "InvalidIpamPrefixListResolverId.Malformed"},
		{&ec2.GetIpamPrefixListResolverVersionsInput{IpamPrefixListResolverId: aws.String("ipam-prefix-list-resolver-0")}, "InvalidIpamPrefixListResolverId.Malformed"},
		{&ec2.DescribeTagsInput{MaxResults: aws.Int32(4)}, "InvalidMaxResults"},
	} {
		tried[operation(c.in)] = true
		w.refused(t, w.admin, c.in, c.code)
		v := reflect.ValueOf(c.in).Elem()
		if operation(c.in) == "DescribeTags" { // it checks MaxResults first
			v.FieldByName("MaxResults").SetZero()
		}
		v.FieldByName("Filters").Set(reflect.ValueOf([]types.Filter{where("color", "blue")}))
		w.refused(t, w.admin, c.in, "InvalidParameterValue", "'color'")
		v.FieldByName("Filters").Set(reflect.ValueOf([]types.Filter{where("state", "x", strings.Repeat("*", 513))}))
		w.refused(t, w.admin, c.in, "InvalidParameterValue", "Filter.1.Value.2", "513 characters", "at most 512")
		v.FieldByName("NextToken").Set(reflect.ValueOf(aws.String("x")))
		w.refused(t, w.admin, c.in, "InvalidNextToken")
	}
	for _, o := range w.registry.Operations() {
		if o.Paginated != tried[o.Name] {
			t.Errorf("%s: paginated %v, tried %v", o.Name, o.Paginated, tried[o.Name])
		}
	}
}

// A page ends at 5 MB, in both protocols, with any texts.
func TestPagesStayUnderLambdasLimit(t *testing.T) {
	const most = 6<<20 - 64<<10
	for _, c := range []struct {
		name, text string
		n          int
		atLeast    int // bytes of the first page, as XML
	}{
		{"plain", strings.Repeat("x", 255), 8_000, 4 << 20},
		{"characters that XML escapes", strings.Repeat(`"<&>'`, 51), 4_500, 3 << 20},
		{"of several bytes", strings.Repeat("日", 255), 5_000, 4 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t, nil)
			pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/8")
			for range c.n {
				w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(28), Description: &c.text,
					TagSpecifications: specify("ipam-pool-allocation", "a", c.text, "b", c.text)})
			}
			seen := 0
			in := &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}
			for page := 0; ; page++ {
				out := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, in)
				seen += len(out.IpamPoolAllocations)
				x, err := ec2query.Encode("GetIpamPoolAllocations", "id", out)
				if err != nil {
					t.Fatal(err)
				}
				j, err := awsjson.Encode("GetIpamPoolAllocations", out)
				if err != nil {
					t.Fatal(err)
				}
				e, err := json.Marshal(string(j))
				if err != nil {
					t.Fatal(err)
				}
				if len(x) > most || len(e) > most {
					t.Errorf("page %d has %d bytes as XML and %d as escaped JSON", page, len(x), len(e))
				}
				if page == 0 && (len(x) < c.atLeast || out.NextToken == nil) {
					t.Errorf("the first page has %d bytes as XML, token %v", len(x), out.NextToken)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			if seen != c.n {
				t.Errorf("the pages hold %d allocations, want %d", seen, c.n)
			}
		})
	}
}

// The reads of a page do not grow with the pool.
func TestPageReadsNoMoreThanItShows(t *testing.T) {
	w, pool, _ := newFullEnv(t)
	reads := 0
	w.table.OnRead = func(context.Context, table.Key) { reads++ }
	defer func() { w.table.OnRead = nil }()
	out := do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, MaxResults: aws.Int32(1000)})
	if len(out.IpamPoolAllocations) != 1000 || out.NextToken == nil || reads > 1002 {
		t.Errorf("%d allocations for %d reads of items", len(out.IpamPoolAllocations), reads)
	}
}

// The filters that the EC2 API's documentation has, and the filters of members.
func TestFilterNames(t *testing.T) {
	w := newEnv(t, nil)
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

// A list by ids is sorted and has each object once.
func TestListsByID(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
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
