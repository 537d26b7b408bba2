package ops_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const organization = "o-a1b2c3d4e5"

// member returns the context of an administrator of an account of the
// organisation.
func member(account string) context.Context {
	c := registry.CallerFrom(as(account, "admin", ""))
	c.OrganizationID = organization
	return registry.WithCaller(context.Background(), c)
}

func (w *env) share(pool, principal string) {
	w.t.Helper()
	do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: &pool, Principal: &principal})
}

func (w *env) unshare(pool, principal string) {
	w.t.Helper()
	do[ops.DeleteIpamPoolShareOutput](w, w.admin, &ops.DeleteIpamPoolShareInput{IpamPoolId: &pool, Principal: &principal})
}

func allocateIn(w *env, ctx context.Context, pool string) *types.IpamPoolAllocation {
	w.t.Helper()
	return do[ec2.AllocateIpamPoolCidrOutput](w, ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}).IpamPoolAllocation
}

func releaseOf(pool string, a *types.IpamPoolAllocation) *ec2.ReleaseIpamPoolAllocationInput {
	return &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}
}

// visiblePools returns the ids of the pools that a caller sees, in order.
func (w *env) visiblePools(ctx context.Context) (ids []string) {
	w.t.Helper()
	for _, p := range do[ec2.DescribeIpamPoolsOutput](w, ctx, &ec2.DescribeIpamPoolsInput{}).IpamPools {
		ids = append(ids, *p.IpamPoolId)
	}
	return ids
}

// visibleAllocations returns the ids of the allocations that a caller sees in all pools.
func (w *env) visibleAllocations(ctx context.Context) (ids []string) {
	w.t.Helper()
	for _, a := range do[ec2.DescribeIpamPoolAllocationsOutput](w, ctx, &ec2.DescribeIpamPoolAllocationsInput{}).IpamPoolAllocations {
		ids = append(ids, *a.IpamPoolAllocationId)
	}
	return ids
}

// A consumer uses a shared pool: it sees the pool, allocates and releases its own
// allocations, changes nothing else, and loses the pool with the share.
func TestSharedPool(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	scope := o.Scope
	unshared := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &scope}, "11.0.0.0/16")
	guest := as(consumer, "admin", "")
	w.refused(t, guest, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24)}, "InvalidIpamPoolId.NotFound")
	w.share(o.Pool, consumer)
	w.share(o.Pool, consumer) // a second call changes nothing

	if got := w.visiblePools(guest); !slices.Equal(got, []string{o.Pool}) {
		t.Errorf("the consumer sees the pools %v, want %s", got, o.Pool)
	}
	if p := do[ec2.DescribeIpamPoolsOutput](w, guest, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{o.Pool}}).IpamPools[0]; *p.OwnerId != account {
		t.Errorf("the pool is shown with the owner %s", *p.OwnerId)
	}
	if got := w.visiblePools(as(stranger, "admin", "")); len(got) > 0 {
		t.Errorf("a stranger sees %v", got)
	}
	if c := do[ec2.GetIpamPoolCidrsOutput](w, guest, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &o.Pool}).IpamPoolCidrs; len(c) != 1 {
		t.Errorf("the consumer sees the CIDRs %+v", c)
	}
	preview := do[ec2.AllocateIpamPoolCidrOutput](w, guest, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24), PreviewNextCidr: aws.Bool(true)}).IpamPoolAllocation
	a, b := allocateIn(w, guest, o.Pool), allocateIn(w, guest, o.Pool)
	if *a.Cidr != *preview.Cidr || *a.ResourceOwner != consumer {
		t.Errorf("got %s of %s; the preview was %s", *a.Cidr, *a.ResourceOwner, *preview.Cidr)
	}
	if all := do[ec2.GetIpamPoolAllocationsOutput](w, guest, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &o.Pool}).IpamPoolAllocations; len(all) != 3 {
		t.Errorf("the consumer sees %d allocations of the pool, want all 3", len(all))
	}
	if one := do[ec2.GetIpamPoolAllocationsOutput](w, guest, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &o.Pool, IpamPoolAllocationId: &o.Allocation}).IpamPoolAllocations; len(one) != 1 {
		t.Errorf("the consumer sees the owner's allocation %+v in the pool", one)
	}
	own, theirs := []string{*a.IpamPoolAllocationId, *b.IpamPoolAllocationId}, w.visibleAllocations(w.admin)
	if got := w.visibleAllocations(guest); !slices.Equal(got, own) {
		t.Errorf("the consumer's allocations are %v, want %v", got, own)
	}
	if want := append([]string{o.Allocation}, own...); !slices.Equal(theirs, want) {
		t.Errorf("the owner sees the allocations %v, want %v", theirs, want)
	}
	do[ec2.ModifyIpamPoolAllocationOutput](w, guest, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: &own[0], Description: aws.String("mine")})
	do[ec2.CreateTagsOutput](w, guest, &ec2.CreateTagsInput{Resources: own, Tags: tags("team", "net")})
	if got := do[ec2.DescribeTagsOutput](w, guest, &ec2.DescribeTagsInput{}).Tags; len(got) != 2 {
		t.Errorf("the consumer's tags are %+v", got)
	}
	if got := do[ec2.DescribeTagsOutput](w, guest, &ec2.DescribeTagsInput{Filters: []types.Filter{where("resource-id", own[0], o.Allocation)}}).Tags; len(got) != 1 {
		t.Errorf("the consumer's tags by id are %+v", got)
	}

	// All other requests get the answer for objects that do not exist.
	allowed := []string{"DescribeIpamPools", "GetIpamPoolCidrs", "AllocateIpamPoolCidr", "GetIpamPoolAllocations", "GetIpamSpaceMap", "GetIpamPoolUtilization", "CreateVpc", "AssociateVpcCidrBlock", "CreateSubnet"}
	for _, in := range requests(o) {
		if slices.Contains(allowed, operation(in)) {
			continue
		}
		before := w.table.Hash()
		_, err := w.registry.Call(guest, operation(in), in)
		nobodys := strings.HasSuffix(string(ipam.CodeOf(err)), ".NotFound") || operation(in) == "ReleaseIpamPoolAllocation" && strings.HasPrefix(ipam.Public(err).Message, ipam.NoAllocation)
		if !nobodys || w.table.Hash() != before {
			t.Errorf("%s by the consumer: %v", operation(in), err)
		}
	}
	other := o
	other.Pool = unshared
	for _, in := range requests(other) {
		if _, err := w.registry.Call(guest, operation(in), in); !strings.HasSuffix(string(ipam.CodeOf(err)), ".NotFound") {
			t.Errorf("%s on a pool that is not shared: %v", operation(in), err)
		}
	}
	// Another pool does not show its own allocation either.
	second := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &scope}, "12.0.0.0/16")
	for _, ctx := range []context.Context{w.admin, guest} {
		w.refused(t, ctx, releaseOf(second, a), map[bool]ipam.Code{true: "InvalidParameterCombination", false: "InvalidIpamPoolId.NotFound"}[ctx == w.admin])
	}

	do[ec2.ReleaseIpamPoolAllocationOutput](w, guest, releaseOf(o.Pool, a))
	do[ec2.ReleaseIpamPoolAllocationOutput](w, guest, releaseOf(o.Pool, a)) // as after a lost answer
	if got := w.visibleAllocations(guest); !slices.Equal(got, own[1:]) {
		t.Errorf("after the release the consumer's allocations are %v, want %v", got, own[1:])
	}

	w.unshare(o.Pool, consumer)
	if pools, allocations := w.visiblePools(guest), w.visibleAllocations(guest); len(pools)+len(allocations) > 0 {
		t.Errorf("without the share the consumer sees the pools %v, the allocations %v", pools, allocations)
	}
	mine := o
	mine.Allocation, mine.CIDR = own[1], *b.Cidr
	for _, in := range requests(mine) {
		if _, err := w.registry.Call(guest, operation(in), in); !strings.HasSuffix(string(ipam.CodeOf(err)), ".NotFound") {
			t.Errorf("%s without the share: %v", operation(in), err)
		}
	}
	if got := do[ec2.DescribeTagsOutput](w, guest, &ec2.DescribeTagsInput{Filters: []types.Filter{where("resource-id", own[1])}}).Tags; len(got) > 0 {
		t.Errorf("without the share the consumer sees the tags %+v", got)
	}
	if got, want := w.visibleAllocations(w.admin), []string{o.Allocation, own[1]}; !slices.Equal(got, want) {
		t.Errorf("the owner sees %v, want %v", got, want)
	}
	do[ec2.ReleaseIpamPoolAllocationOutput](w, w.admin, releaseOf(o.Pool, b)) // also another account's
	w.share(o.Pool, consumer)
	if got := w.visibleAllocations(guest); len(got) > 0 {
		t.Errorf("shared again, the consumer sees %v", got)
	}
}

// An account that a pool is shared with sees the allocations of others without their
// descriptions and tags, and cannot find them by these. The pool's owner sees everything.
func TestSharersDoNotSeeDescriptionsAndTagsOfOthers(t *testing.T) {
	w := newEnv(t, nil)
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: w.makeIPAM(ec2.CreateIpamInput{}).PrivateDefaultScopeId}, "10.0.0.0/16")
	w.share(pool, consumer)
	w.share(pool, stranger)
	ids := map[string]string{}
	for _, owner := range []string{account, consumer, stranger} {
		ids[owner] = *do[ec2.AllocateIpamPoolCidrOutput](w, as(owner, "admin", ""), &ec2.AllocateIpamPoolCidrInput{
			IpamPoolId: &pool, NetmaskLength: aws.Int32(24), Description: aws.String("of " + owner), TagSpecifications: specify("ipam-pool-allocation", "secret", "of "+owner),
		}).IpamPoolAllocation.IpamPoolAllocationId
	}
	for _, c := range []struct {
		viewer string
		sees   map[string]bool
	}{
		{account, map[string]bool{account: true, consumer: true, stranger: true}},
		{consumer, map[string]bool{consumer: true}},
		{stranger, map[string]bool{stranger: true}},
	} {
		ctx := as(c.viewer, "reader", "")
		list := func(id *string, filters ...types.Filter) []types.IpamPoolAllocation {
			return do[ec2.GetIpamPoolAllocationsOutput](w, ctx, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, IpamPoolAllocationId: id, Filters: filters}).IpamPoolAllocations
		}
		all := list(nil)
		if len(all) != 3 {
			t.Errorf("%s sees %d allocations, want 3", c.viewer, len(all))
		}
		for _, id := range ids {
			all = append(all, list(&id)...)
		}
		for _, a := range all {
			text, tags := aws.ToString(a.Description), len(a.Tags)
			if want := c.sees[*a.ResourceOwner]; want && (text != "of "+*a.ResourceOwner || tags != 1) || !want && (text != "" || tags != 0) {
				t.Errorf("%s sees of %s the description %q and %d tags", c.viewer, *a.ResourceOwner, text, tags)
			}
		}
		for _, f := range []types.Filter{where("description", "of *"), where("tag:secret", "*"), where("tag-key", "secret")} {
			if got := len(list(nil, f)); got != len(c.sees) {
				t.Errorf("%s finds %d allocations by %s, want %d", c.viewer, got, *f.Name, len(c.sees))
			}
		}
	}
}

// The list has a pool once if it is shared with the caller several times, behind the caller's
// own pools. Pages make up the list.
func TestSharedPoolsAreListedBehindOwnOnes(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.PoolsPerScope = 300 })
	m := w.makeIPAM(ec2.CreateIpamInput{})
	guest := member(consumer)
	var shared [2][]string
	for i := range 9 {
		pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, fmt.Sprintf("10.%d.0.0/16", i))
		if i%3 != 0 {
			w.share(pool, consumer)
			shared[0] = append(shared[0], pool)
		}
		if i%2 == 0 {
			w.share(pool, organization)
			if i%3 == 0 {
				shared[1] = append(shared[1], pool)
			}
		}
	}
	if got, ids := w.visiblePools(w.admin), w.visiblePools(member(account)); len(got) != 9 || !slices.Equal(got, ids) {
		t.Errorf("the owner sees %v, and in the organisation %v", got, ids)
	}
	mine := do[ec2.CreateIpamOutput](w, guest, &ec2.CreateIpamInput{}).Ipam
	var want []string
	for i := range 3 {
		p := do[ec2.CreateIpamPoolOutput](w, guest, &ec2.CreateIpamPoolInput{IpamScopeId: mine.PrivateDefaultScopeId, AddressFamily: "ipv4"}).IpamPool.IpamPoolId
		do[ec2.ProvisionIpamPoolCidrOutput](w, guest, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: p, Cidr: aws.String(fmt.Sprintf("10.%d.0.0/16", i))})
		want = append(want, *p)
	}
	for _, part := range [][]string{want, shared[0], shared[1]} {
		slices.Sort(part)
	}
	want = slices.Concat(want, shared[0], shared[1])
	if got := w.visiblePools(guest); !slices.Equal(got, want) {
		t.Errorf("got the pools\n%v, want\n%v", got, want)
	}
	var taken []string
	for _, p := range want {
		for range 3 {
			taken = append(taken, *allocateIn(w, guest, p).IpamPoolAllocationId)
			w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &shared[0][0], NetmaskLength: aws.Int32(24)}) // the list does not have the owner's
		}
	}
	if got := w.visibleAllocations(guest); !slices.Equal(got, taken) {
		t.Errorf("got the allocations\n%v, want\n%v", got, taken)
	}
	for _, in := range []any{&ec2.DescribeIpamPoolsInput{}, &ec2.DescribeTagsInput{}, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &shared[1][0]}} {
		do[ec2.CreateTagsOutput](w, guest, &ec2.CreateTagsInput{Resources: taken[7:12], Tags: tags("a", "1", "b", "2")})
		size := int32(5)
		if _, ok := in.(*ec2.GetIpamPoolAllocationsInput); ok {
			size = 1000
		}
		whole, _, _ := pages(w, guest, in, 0)
		parts, _, _ := pages(w, guest, in, size)
		if diff := cmp.Diff(whole, parts, exported); diff != "" || len(whole) == 0 {
			t.Errorf("%s: the pages are not the list:\n%.2000s", operation(in), diff)
		}
	}
	// A token continues behind a pool that is not shared any more, and shows no other account's.
	first := do[ec2.DescribeIpamPoolsOutput](w, guest, &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(5)})
	last := *first.IpamPools[4].IpamPoolId
	w.unshare(last, consumer)
	second := do[ec2.DescribeIpamPoolsOutput](w, guest, &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(5), NextToken: first.NextToken})
	if got := *second.IpamPools[0].IpamPoolId; got != want[5] {
		t.Errorf("the next page begins with %s, want %s", got, want[5])
	}
	w.refused(t, as(stranger, "admin", ""), &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(5), NextToken: first.NextToken}, "InvalidNextToken")
}

// A shared pool has more allocations than the largest page. A token continues inside the
// pool, and behind it if the share has ended since.
func TestAllocationsInASharedPoolInPages(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	w.share(o.Pool, organization)
	guest := member(consumer)
	for range 1010 {
		do[ec2.AllocateIpamPoolCidrOutput](w, guest, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(28)})
	}
	all, sizes, tokens := pages(w, guest, &ec2.DescribeIpamPoolAllocationsInput{}, 1000)
	if len(all) != 1010 || len(sizes) != 2 {
		t.Errorf("%d allocations in pages of %v", len(all), sizes)
	}
	w.unshare(o.Pool, organization)
	rest := do[ec2.DescribeIpamPoolAllocationsOutput](w, guest, &ec2.DescribeIpamPoolAllocationsInput{MaxResults: aws.Int32(1000), NextToken: &tokens[0]})
	if len(rest.IpamPoolAllocations) > 0 || rest.NextToken != nil {
		t.Errorf("without the share the next page has %d allocations", len(rest.IpamPoolAllocations))
	}
}

// tornQuery is a table that calls a function after each list of shared pools.
type tornQuery struct {
	table.Table
	then func()
}

func (q *tornQuery) Query(ctx context.Context, query table.Query) ([]table.Row, string, error) {
	rows, next, err := q.Table.Query(ctx, query)
	if strings.HasPrefix(query.PK, "PRINCIPAL#") {
		q.then()
	}
	return rows, next, err
}

// A pool is not shown after its share has ended, also to a request that listed it before.
func TestShareThatGoesWhileItIsListed(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	w.share(o.Pool, consumer)
	direct := w.registry
	w.registry = ops.New(store.New(&tornQuery{w.table, func() {
		w.registry = direct
		w.unshare(o.Pool, consumer)
	}}, store.Options{Region: home, Owner: account}), grants())
	if got := w.visiblePools(as(consumer, "admin", "")); len(got) > 0 {
		t.Errorf("the consumer sees %v", got)
	}
}

// A share with the organisation is for members that the door has verified, and for no caller
// that only claims to be one.
func TestShareWithTheOrganization(t *testing.T) {
	w := newEnv(t, nil)
	o := w.oneOfEach()
	w.share(o.Pool, organization)
	allocateIn(w, member(consumer), o.Pool)
	w.refused(t, as(consumer, "admin", ""), &ec2.GetIpamPoolCidrsInput{IpamPoolId: &o.Pool}, "InvalidIpamPoolId.NotFound")
	other := registry.CallerFrom(member(consumer))
	other.OrganizationID = "o-z9y8x7w6v5"
	w.refused(t, registry.WithCaller(t.Context(), other), &ec2.GetIpamPoolCidrsInput{IpamPoolId: &o.Pool}, "InvalidIpamPoolId.NotFound")
	// The owner is in the organisation, too, and its own pool is listed as its own.
	release := do[ec2.GetIpamPoolAllocationsOutput](w, member(account), &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &o.Pool, Filters: []types.Filter{where("resource-owner", consumer)}})
	do[ec2.ReleaseIpamPoolAllocationOutput](w, member(account), releaseOf(o.Pool, &release.IpamPoolAllocations[0]))
}

func TestSharesRefused(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.SharesPerPool = 2 })
	o := w.oneOfEach()
	w.share(o.Pool, consumer)
	put := func(principal string) *ops.PutIpamPoolShareInput {
		return &ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: &principal}
	}
	for _, c := range []struct {
		name string
		in   any
		code ipam.Code
		word string
	}{
		{"no principal", &ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool}, "MissingParameter", "Principal"},
		{"no pool", &ops.DeleteIpamPoolShareInput{Principal: aws.String(consumer)}, "MissingParameter", "IpamPoolId"},
		{"not a pool", &ops.PutIpamPoolShareInput{IpamPoolId: aws.String("pool"), Principal: aws.String(consumer)}, "InvalidIpamPoolId.Malformed", "pool"},
		{"eleven digits", put("44445555666"), "InvalidParameterValue", "12 digits"},
		{"an ARN", put("arn:aws:iam::444455556666:root"), "InvalidParameterValue", "12 digits"},
		{"a partition of the table", put("444455556666#x"), "InvalidParameterValue", "12 digits"},
		{"everybody", put("*"), "InvalidParameterValue", "12 digits"},
		{"an organizational unit, of which none are asked for", put(inner), "UnsupportedOperation", "organizationId"},
		{"the path of a unit", put("o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"), "InvalidParameterValue", "such as ou-"},
		{"a root", put("r-f6g7"), "InvalidParameterValue", "such as ou-"},
		{"the ARN of an account", put("arn:aws:organizations::999900001111:account/o-a1b2c3d4e5/444455556666"), "InvalidParameterValue", "such as ou-"},
		{"the owner", put(account), "InvalidParameterValue", "owner"},
		{"another permission", &ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(consumer), Permission: "own"}, "InvalidParameterValue", "Permission"},
		{"no such share", &ops.DeleteIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(stranger)}, "InvalidParameterValue", "not shared with " + stranger},
		{"an unknown filter", &ops.DescribeIpamPoolSharesInput{Filters: []types.Filter{where("owner", "x")}}, "InvalidParameterValue", "ipam-pool-id, permission, principal"},
		{"ids and MaxResults", &ops.DescribeIpamPoolSharesInput{IpamPoolIds: []string{o.Pool}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", "IpamPoolIds"},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, w.admin, c.in, c.code, c.word) })
	}
	w.share(o.Pool, stranger)
	w.refused(t, w.admin, put(organization), "ResourceLimitExceeded", "You have created 2")
	w.share(o.Pool, stranger) // the share exists, so the quota does not matter
	got := do[ops.DescribeIpamPoolSharesOutput](w, w.admin, &ops.DescribeIpamPoolSharesInput{IpamPoolIds: []string{o.Pool}}).IpamPoolShares
	want := []ops.IpamPoolShare{{IpamPoolId: &o.Pool, Principal: aws.String(stranger), Permission: "allocate"}, {IpamPoolId: &o.Pool, Principal: aws.String(consumer), Permission: "allocate"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &o.Pool, Cascade: aws.Bool(true)})
	for _, in := range []any{put(organization), &ops.DeleteIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(consumer)}} {
		w.refused(t, w.admin, in, "IncorrectState", o.Pool)
	}
}

// Shares, and the items of others' allocations, are deleted with their pool, also at the
// largest quota.
func TestSharesEndWithTheirPool(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.SharesPerPool = ipam.MaxSharesPerPool })
	o := w.oneOfEach()
	child := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope, SourceIpamPoolId: &o.Pool}, "10.0.128.0/17")
	for i := range ipam.MaxSharesPerPool - 1 {
		w.share(child, fmt.Sprintf("%012d", i))
	}
	w.share(child, consumer)
	w.share(o.Pool, consumer)
	guest := as(consumer, "admin", "")
	allocateIn(w, guest, child)
	allocateIn(w, guest, o.Pool)
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: &o.Pool, Cascade: aws.Bool(true)})
	if err := w.store.RunWork(t.Context(), "delete-pool#"+o.Pool); err != nil {
		t.Fatal(err)
	}
	if pools, allocations := w.visiblePools(guest), w.visibleAllocations(guest); len(pools)+len(allocations) > 0 {
		t.Errorf("the consumer still sees %v, %v", pools, allocations)
	}
	for k := range w.table.All() {
		if strings.HasPrefix(k.PK, "PRINCIPAL#") || strings.HasPrefix(k.PK, "FOREIGN#") {
			t.Errorf("%s is left", k)
		}
	}
}
