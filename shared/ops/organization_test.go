package ops_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

const (
	management   = "999900001111"
	root         = "r-f6g7"
	outer, inner = "ou-f6g7-aa000000", "ou-f6g7-zz000000" // inner is in outer
	beside       = "ou-f6g7-mm000000"
	anUnit       = "arn:aws:organizations::" + management + ":ou/" + organization + "/" + inner
	anOrg        = "arn:aws:organizations::" + management + ":organization/" + organization
)

// tree is an organisation in memory.
type tree struct {
	above       map[string][]string // of accounts and units
	id, manager string
	err         error // of every call
	asked       int
}

func (o *tree) Ancestors(_ context.Context, child string) ([]string, error) {
	o.asked++
	return slices.Clone(o.above[child]), o.err
}

func (o *tree) Management(context.Context) (id, account string, err error) {
	o.asked++
	if o.err != nil {
		return "", "", o.err
	}
	return o.id, o.manager, nil
}

// withOrganization puts the env's account into an organisation. consumer is in inner, and
// stranger in beside.
func (w *env) withOrganization() *tree {
	o := &tree{id: organization, manager: management, above: map[string][]string{
		management: {root}, account: {root}, consumer: {inner, outer, root}, stranger: {beside, root},
		inner: {outer, root}, outer: {root}, beside: {root},
	}}
	w.registry = ops.New(w.store, grants(), ops.WithOrganization(o))
	return o
}

// callers returns contexts of an account's administrator by door: one that knows the
// caller's organisation, and one that knows the account only.
func callers(account string) map[string]context.Context {
	return map[string]context.Context{"the API": member(account), "the event bus": as(account, "admin", "")}
}

// An account uses a pool that is shared with it, its unit or its organisation: it sees the
// pool, allocates, releases no allocation of others, sees nothing else, and loses the pool
// with the share.
func TestSharesWithMembers(t *testing.T) {
	for _, c := range []struct{ name, principal, kept string }{
		{"an account", consumer, consumer},
		{"its unit", inner, inner},
		{"its unit, by ARN", anUnit, inner},
		{"a unit that its unit is in", outer, outer},
		{"the organisation", organization, organization},
		{"the organisation, by ARN", anOrg, organization},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv(t, nil)
			w.withOrganization()
			o := w.oneOfEach()
			hidden := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope}, "11.0.0.0/16")
			guest := member(consumer)
			const nobodys = "ipam-pool-0123456789abcdef0"
			locked := func(pool string) {
				t.Helper()
				for _, in := range []any{
					&ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)},
					&ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &pool},
					&ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{pool}},
					&ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &pool, Cidr: &o.CIDR, IpamPoolAllocationId: &o.Allocation},
				} {
					_, got := w.registry.Call(guest, operation(in), in)
					want := strings.ReplaceAll(fmt.Sprint(ipam.NotFound(nobodys)), nobodys, pool)
					if fmt.Sprint(got) != want {
						t.Errorf("%s: %v, want %s", operation(in), got, want)
					}
				}
			}
			locked(o.Pool)
			share := do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: &c.principal}).IpamPoolShare
			if diff := cmp.Diff(&ops.IpamPoolShare{IpamPoolId: &o.Pool, Principal: &c.kept, Permission: "allocate"}, share); diff != "" {
				t.Errorf("the share (-want +got):\n%s", diff)
			}
			if got := w.visiblePools(guest); !slices.Equal(got, []string{o.Pool}) {
				t.Errorf("sees the pools %v", got)
			}
			a := allocateIn(w, guest, o.Pool)
			if got := w.visibleAllocations(guest); !slices.Equal(got, []string{*a.IpamPoolAllocationId}) {
				t.Errorf("holds %v", got)
			}
			if n := len(do[ec2.GetIpamPoolAllocationsOutput](w, guest, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &o.Pool}).IpamPoolAllocations); n != 2 {
				t.Errorf("sees %d allocations of the pool, want 2", n)
			}
			w.refused(t, guest, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &o.Pool, Cidr: &o.CIDR, IpamPoolAllocationId: &o.Allocation}, "InvalidParameterCombination", ipam.NoAllocation)
			locked(hidden)
			// Of other shares, only the one with the organisation is for it.
			if sees := len(w.visiblePools(member(stranger))) == 1; sees != (c.kept == organization) {
				t.Errorf("an account of another unit sees it: %t", sees)
			}

			w.unshare(o.Pool, c.principal)
			locked(o.Pool)
			if pools, allocations := w.visiblePools(guest), w.visibleAllocations(guest); len(pools)+len(allocations) > 0 {
				t.Errorf("without the share: %v, %v", pools, allocations)
			}
			do[ec2.ReleaseIpamPoolAllocationOutput](w, w.admin, releaseOf(o.Pool, a))
		})
	}
}

// A share with a unit reaches callers of doors that do not know their organisation. A share
// with the organisation reaches them if its management account has declared the
// deployment's account as administrator, or is that account.
func TestSharesByDoorsThatKnowTheAccountOnly(t *testing.T) {
	w := newEnv(t, nil)
	tree := w.withOrganization()
	o := w.oneOfEach()
	reaches := func(when string, ctx context.Context, want bool) {
		t.Helper()
		_, err := w.registry.Call(ctx, "GetIpamPoolCidrs", &ec2.GetIpamPoolCidrsInput{IpamPoolId: &o.Pool})
		if (err == nil) != want || len(w.visiblePools(ctx)) > 0 != want {
			t.Errorf("%s: %v, sees %v, want %t", when, err, w.visiblePools(ctx), want)
		}
	}
	w.share(o.Pool, outer)
	for door, ctx := range callers(consumer) {
		reaches("a unit's, by "+door, ctx, true)
	}
	w.unshare(o.Pool, outer)
	w.share(o.Pool, organization)
	known, unknown, outside := member(consumer), as(consumer, "admin", ""), as("123456789012", "admin", "")
	reaches("nothing declared, by the API", known, true)
	reaches("nothing declared", unknown, false)
	admin, master := aws.String(account), as(management, "anybody", "")
	do[ec2.EnableIpamOrganizationAdminAccountOutput](w, master, &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: admin})
	reaches("declared", unknown, true)
	reaches("declared, of an account outside", outside, false)
	// The declaration of an organisation that the account has left is not valid for the next.
	tree.id = "o-z9y8x7w6v5"
	w.share(o.Pool, tree.id)
	reaches("declared for an organisation that the account has left", unknown, false)
	w.unshare(o.Pool, tree.id)
	tree.id = organization
	do[ec2.DisableIpamOrganizationAdminAccountOutput](w, master, &ec2.DisableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: admin})
	reaches("not declared any more", unknown, false)
	tree.manager = account
	reaches("managed by the deployment's account", unknown, true)
	reaches("managed by it, of an account outside", outside, false)
}

// An account whose units cannot be read is in none: it does not see pools shared with units,
// and everything else is the same.
func TestUnitsThatCannotBeRead(t *testing.T) {
	w := newEnv(t, nil)
	tree := w.withOrganization()
	o := w.oneOfEach()
	second := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope}, "12.0.0.0/16")
	third := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope}, "13.0.0.0/16")
	w.share(o.Pool, inner)
	w.share(second, consumer)
	w.share(third, organization)
	others := []string{second, third}
	tree.err = errors.New("AccessDeniedException")
	guest := member(consumer)
	if got := w.visiblePools(guest); !slices.Equal(got, others) {
		t.Errorf("sees %v, want %v", got, others)
	}
	w.refused(t, guest, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24)}, "InvalidIpamPoolId.NotFound")
	// The answer to an event is final, so the event waits.
	waits := registry.CallerFrom(guest)
	waits.Request = "r-1"
	_, err := w.registry.Call(registry.WithCaller(t.Context(), waits), "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24)})
	if ipam.CodeOf(err) != ipam.CodeUnavailable {
		t.Errorf("an event is answered %v", err)
	}
	allocateIn(w, guest, second)
	allocateIn(w, guest, third)
	if got := w.visiblePools(w.admin); len(got) != 3 {
		t.Errorf("the owner sees %v", got)
	}
	w.refusedAsUnavailable(t, &ops.PutIpamPoolShareInput{IpamPoolId: &second, Principal: aws.String(outer)})
	do[ops.DeleteIpamPoolShareOutput](w, w.admin, &ops.DeleteIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: aws.String(inner)})
	tree.err = nil
	w.share(o.Pool, outer)
	if got := w.visiblePools(guest); len(got) != 3 {
		t.Errorf("once they can be read: %v", got)
	}
}

// refusedAsUnavailable calls an operation as administrator. It must return Unavailable and
// change nothing.
func (w *env) refusedAsUnavailable(t *testing.T, in any) {
	t.Helper()
	before := w.table.Hash()
	_, err := w.registry.Call(w.admin, operation(in), in)
	if ipam.CodeOf(err) != "Unavailable" || w.table.Hash() != before {
		t.Errorf("%s: %v, want Unavailable", operation(in), err)
	}
}

func TestUnitsRefused(t *testing.T) {
	w := newEnv(t, nil)
	w.withOrganization()
	o := w.oneOfEach()
	put := func(unit string) any { return &ops.PutIpamPoolShareInput{IpamPoolId: &o.Pool, Principal: &unit} }
	w.refused(t, w.admin, put("ou-f6g7-nowhere0"), "InvalidParameterValue", "no such organizational unit", account)
	// A caller that does not own the pool learns nothing about units.
	for _, unit := range []string{inner, "ou-f6g7-nowhere0"} {
		w.refused(t, member(consumer), put(unit), "InvalidIpamPoolId.NotFound")
	}
	// A share can end also after its unit was deleted, and without Organizations.
	w.share(o.Pool, inner)
	w.registry = ops.New(w.store, grants())
	if got := do[ops.DescribeIpamPoolSharesOutput](w, w.admin, &ops.DescribeIpamPoolSharesInput{}).IpamPoolShares; len(got) != 1 || *got[0].Principal != inner {
		t.Errorf("the shares are %+v", got)
	}
	if got := w.visiblePools(member(consumer)); len(got) > 0 {
		t.Errorf("without asking, %v is seen", got)
	}
	w.unshare(o.Pool, inner)
}

// A call asks Organizations only where the answer can matter, and once.
func TestUnitsAreAskedForOnce(t *testing.T) {
	w := newEnv(t, nil)
	tree := w.withOrganization()
	o := w.oneOfEach()
	w.share(o.Pool, consumer)
	asks := func(want int, ctx context.Context, in any) {
		t.Helper()
		before := tree.asked
		if _, err := w.registry.Call(ctx, operation(in), in); err != nil {
			t.Fatal(err)
		}
		if n := tree.asked - before; n != want {
			t.Errorf("%s asks %d times, want %d", operation(in), n, want)
		}
	}
	allocate := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &o.Pool, NetmaskLength: aws.Int32(24)}
	asks(0, member(consumer), allocate)
	asks(0, w.admin, allocate)
	asks(0, w.admin, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{o.Pool}})
	asks(1, member(consumer), &ec2.DescribeIpamPoolsInput{})
	asks(1, member(consumer), &ec2.DescribeIpamPoolAllocationsInput{})
	w.unshare(o.Pool, consumer)
	w.share(o.Pool, "o-z9y8x7w6v5")
	before := tree.asked
	w.refused(t, member(consumer), allocate, "InvalidIpamPoolId.NotFound")
	if tree.asked != before {
		t.Error("a call asks for the organisation of a caller whose door knows it")
	}
	w.share(o.Pool, consumer)
	w.share(o.Pool, outer)
	asks(0, w.admin, allocate)
	asks(0, member(consumer), allocate)
	w.unshare(o.Pool, consumer)
	asks(1, member(consumer), allocate)
	asks(1, member(consumer), &ec2.DescribeIpamPoolAllocationsInput{})
	second := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &o.Scope}, "12.0.0.0/16")
	w.share(second, inner)
	asks(1, member(consumer), &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{o.Pool, second}})
}

// Pages list the pools shared with units behind the others, each once. A list continues
// behind a unit that the account has left, and has the pools of units behind it.
func TestListOfUnitsPools(t *testing.T) {
	w := newEnv(t, func(q *ipam.Quotas) { q.PoolsPerScope = 300 })
	tree := w.withOrganization()
	m := w.makeIPAM(ec2.CreateIpamInput{})
	guest := member(consumer)
	var want [4][]string
	principals := []string{consumer, organization, outer, inner}
	for i := range 24 {
		pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, fmt.Sprintf("10.%d.0.0/16", i))
		w.share(pool, beside)
		w.share(pool, principals[i%4])
		want[i%4] = append(want[i%4], pool)
		for later := i%4 + 1; later < 4; later++ { // the list has it under the first of them only
			w.share(pool, principals[later])
		}
	}
	for i := range want {
		slices.Sort(want[i])
	}
	all := slices.Concat(want[:]...)
	if got := w.visiblePools(guest); !slices.Equal(got, all) {
		t.Errorf("sees\n%v, want\n%v", got, all)
	}
	var taken []string
	for _, pool := range all {
		taken = append(taken, *allocateIn(w, guest, pool).IpamPoolAllocationId)
	}
	if got := w.visibleAllocations(guest); !slices.Equal(got, taken) {
		t.Errorf("holds\n%v, want\n%v", got, taken)
	}
	whole, _, _ := pages(w, guest, &ec2.DescribeIpamPoolsInput{}, 0)
	parts, _, tokens := pages(w, guest, &ec2.DescribeIpamPoolsInput{}, 5)
	if diff := cmp.Diff(whole, parts, exported); diff != "" {
		t.Errorf("the pages are not the list:\n%.2000s", diff)
	}
	// The third page ends at the third pool of outer.
	tree.above[consumer] = []string{inner, root}
	rest := do[ec2.DescribeIpamPoolsOutput](w, guest, &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(100), NextToken: &tokens[2]})
	var got []string
	for _, p := range rest.IpamPools {
		got = append(got, *p.IpamPoolId)
	}
	// The pools shared with outer are shared with inner too, and some were not listed yet.
	left := slices.Concat(want[2], want[3])
	slices.Sort(left)
	if !slices.Equal(got, left) {
		t.Errorf("behind the unit that it left:\n%v, want\n%v", got, left)
	}
	tree.err = errors.New("throttled")
	if rest := do[ec2.DescribeIpamPoolsOutput](w, guest, &ec2.DescribeIpamPoolsInput{MaxResults: aws.Int32(100), NextToken: &tokens[2]}); len(rest.IpamPools) > 0 {
		t.Errorf("without an answer, %d are listed", len(rest.IpamPools))
	}
}

func TestOrganizationAdministrator(t *testing.T) {
	enable := func(id string) any { return &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: &id} }
	disable := func(id string) any {
		return &ec2.DisableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: &id}
	}
	w := newEnv(t, nil)
	tree := w.withOrganization()
	anybody := as(management, "anybody", "") // has no class
	is := func(want *store.Administrator) {
		t.Helper()
		got, err := w.store.Administrator(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
	}
	for _, c := range []struct {
		name string
		ctx  context.Context
		in   any
		code ipam.Code
		word string
	}{
		{"by an administrator of the deployment's account", w.admin, enable(account), "UnauthorizedOperation", "management account of the organization, " + management + ", and you call from " + account},
		{"by an administrator of a member", member(consumer), enable(account), "UnauthorizedOperation", management},
		{"ended by a member", member(consumer), disable(account), "UnauthorizedOperation", management},
		{"the management account itself", anybody, enable(management), "InvalidParameterValue", account},
		{"another member", anybody, enable(consumer), "InvalidParameterValue", "deployed in, which is " + account},
		{"no account id", anybody, enable("1234"), "InvalidParameterValue", "12 digits"},
		{"none", anybody, &ec2.EnableIpamOrganizationAdminAccountInput{}, "MissingParameter", "DelegatedAdminAccountId"},
		{"the end of a declaration that does not exist", anybody, disable(account), "IpamOrganizationAccountNotRegistered", account},
		{"a dry run", anybody, &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: aws.String(account), DryRun: aws.Bool(true)}, "DryRunOperation", ""},
		{"a dry run by a member", member(consumer), &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: aws.String(account), DryRun: aws.Bool(true)}, "UnauthorizedOperation", ""},
		{"any other operation", anybody, &ec2.DescribeIpamsInput{}, "UnauthorizedOperation", "class none"},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, c.ctx, c.in, c.code, c.word) })
	}
	is(nil)
	want := &store.Administrator{Account: account, Organization: organization, Management: management}
	for range 2 {
		if out := do[ec2.EnableIpamOrganizationAdminAccountOutput](w, anybody, enable(account)); !*out.Success {
			t.Error("no success")
		}
		is(want)
	}
	w.refused(t, anybody, disable(consumer), "IpamOrganizationAccountNotRegistered", consumer)
	is(want)
	if out := do[ec2.DisableIpamOrganizationAdminAccountOutput](w, anybody, disable(account)); !*out.Success {
		t.Error("no success")
	}
	is(nil)

	// The management account is its own administrator.
	tree.manager = account
	w.refused(t, w.admin, enable(account), "InvalidParameterValue", "It is the management account")
	tree.id, tree.manager = "", ""
	w.refused(t, w.admin, enable(account), "UnauthorizedOperation", "is in none")
	tree.err = errors.New("throttled")
	w.refusedAsUnavailable(t, enable(account))
	w.registry = ops.New(w.store, grants())
	w.refused(t, anybody, enable(account), "UnauthorizedOperation", "organizationId")
}
