package ops_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// searchEnv is an account with a scope, two pools, two allocations, a pool that is shared
// with another account, and resources.
type searchEnv struct {
	*env
	m      objects
	db     *tabletest.Memory // with resources that no discovery has found, so it is not checked
	child  string
	taken  string // an allocation in the child
	theirs string // the other account's allocation in the pool
	calls  *tabletest.Counter
}

func newSearchEnv(t *testing.T) *searchEnv {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{Description: aws.String("Main network"), TagSpecifications: specify("ipam", "Name", "main")})
	s := &searchEnv{env: w, m: objects{IPAM: *m.IpamId, Scope: *m.PrivateDefaultScopeId, Discovery: *m.DefaultResourceDiscoveryId}}
	s.m.Pool = w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &s.m.Scope, Description: aws.String("Top pool"), TagSpecifications: specify("ipam-pool", "Name", "top", "team", "net")}, "10.0.0.0/16")
	s.child = w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: &s.m.Scope, SourceIpamPoolId: &s.m.Pool, Description: aws.String("Child")}, "10.0.0.0/20")
	s.taken = *w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: &s.child, NetmaskLength: aws.Int32(24), Description: aws.String("Lab of Osaka"), TagSpecifications: specify("ipam-pool-allocation", "team", "lab")}).IpamPoolAllocationId
	w.share(s.m.Pool, consumer)
	s.theirs = *do[ec2.AllocateIpamPoolCidrOutput](w, as(consumer, "admin", ""), &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &s.m.Pool, NetmaskLength: aws.Int32(24), Description: aws.String("Guest")}).IpamPoolAllocation.IpamPoolAllocationId
	s.db = w.table.Clone()
	s.put(ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: stranger, Region: home, Name: "Payments", Tags: ipam.Tags{"Name": "Payments", "team": "lab"}})
	s.put(ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Subnet: "subnet-0123456789abcdef0", CIDR: netip.MustParsePrefix("10.0.0.0/26"), Owner: stranger, Region: home})
	s.put(ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Subnet: "subnet-0123456789abcdef0", CIDR: netip.MustParsePrefix("10.0.0.7/32"), Owner: stranger, Region: home})
	s.calls = &tabletest.Counter{Table: s.db}
	w.registry = ops.New(store.New(s.calls, store.Options{Region: home, Owner: account, Now: func() time.Time { return w.now }}), grants())
	return s
}

func (s *searchEnv) put(r ipam.Resource) {
	s.t.Helper()
	row := items.EncodeResource(&ipam.ResourceCIDR{Scope: s.m.Scope, Rev: 1, Since: 1_800_000_000_000, Resource: r, Status: ipam.Status{Overlap: ipam.Nonoverlapping}})
	if err := s.db.Transact(s.t.Context(), []table.Write{{Op: table.OpPut, Key: row.Key, Item: row.Item}}); err != nil {
		s.t.Fatal(err)
	}
}

// found searches, page by page, and returns the matches in short.
func (s *searchEnv) found(ctx context.Context, text string, size int32) (matches []string) {
	s.t.Helper()
	all, _, _ := pages(s.env, ctx, &ops.SearchIpamInput{Text: &text}, size)
	for _, m := range all {
		m, ok := m.(ops.IpamSearchMatch)
		if !ok {
			continue // a sentence of NotSearched
		}
		matches = append(matches, fmt.Sprintf("%s %s %s by %s", *m.MatchKind, cmpOr(aws.ToString(m.Id), "-"), cmpOr(aws.ToString(m.Cidr), "-"), *m.MatchedBy))
	}
	return matches
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func TestSearch(t *testing.T) {
	s := newSearchEnv(t)
	topCIDR, childCIDR := "ipam-pool-cidr "+s.m.Pool+" 10.0.0.0/16", "ipam-pool-cidr "+s.child+" 10.0.0.0/20"
	taken, theirs := "ipam-pool-allocation "+s.taken+" 10.0.0.0/24", "ipam-pool-allocation "+s.theirs+" 10.0.16.0/24"
	vpc, subnet, eni := "resource vpc-0123456789abcdef0 10.0.0.0/24", "resource subnet-0123456789abcdef0 10.0.0.0/26", "resource eni-0123456789abcdef0 10.0.0.7/32"
	manager, scope, top, child, disco := "ipam "+s.m.IPAM+" -", "ipam-scope "+s.m.Scope+" -", "ipam-pool "+s.m.Pool+" -", "ipam-pool "+s.child+" -", "ipam-resource-discovery "+s.m.Discovery+" -"
	by := func(property string, matches ...string) (all []string) {
		for _, m := range matches {
			all = append(all, m+" by "+property)
		}
		return all
	}
	guest := as(consumer, "admin", "")
	for _, c := range []struct {
		text string
		ctx  context.Context
		want []string
	}{
		{"10.0.0.7", s.admin, by("address", topCIDR, childCIDR, taken, vpc, subnet, eni)},
		{" 10.0.0.200 ", s.admin, by("address", topCIDR, childCIDR, taken, vpc)},
		{"10.0.99.1", s.admin, by("address", topCIDR)},
		{"192.0.2.1", s.admin, nil},
		{"2001:db8::1", s.admin, nil},
		{"::ffff:10.0.99.1", s.admin, by("address", topCIDR)},
		{"10.0.0.0/24", s.admin, by("cidr", topCIDR, childCIDR, taken, vpc, subnet)},
		{"10.0.0.0/27", s.admin, by("cidr", topCIDR, childCIDR, taken, vpc, subnet)},
		{"10.0.0.0/8", s.admin, by("cidr", topCIDR, childCIDR, taken, theirs, vpc, subnet)},
		{"vpc-0123456789abcdef0", s.admin, by("id", vpc, subnet)},
		{"subnet-0123456789abcdef0", s.admin, by("id", subnet)},
		{"eni-0123456789abcdef0", s.admin, by("id", eni)},
		{"vpc-00000000000000000", s.admin, nil},
		{s.m.IPAM, s.admin, by("id", manager)},
		{s.m.Scope, s.admin, by("id", scope)},
		{s.m.Pool, s.admin, by("id", top)},
		{s.m.Discovery, s.admin, by("id", disco)},
		{s.taken, s.admin, by("id", taken)},
		{"ipam-pool-0123456789abcdef0", s.admin, nil},
		{stranger, s.admin, by("account", vpc, subnet)},
		{consumer, s.admin, by("account", top, theirs)},
		{"team=lab", s.admin, by("tag", vpc, taken)},
		{"team=", s.admin, nil},
		{"Name=top", s.admin, by("tag", top)},
		{"pay", s.admin, by("name", vpc)},
		{"MAIN", s.admin, by("name", manager)},
		{"main n", s.admin, by("description", manager)},
		{"lab", s.admin, by("description", taken)},
		{"child", s.admin, by("description", child)},
		{"osaka", s.admin, nil}, // it begins no name
		// An account that a pool is shared with finds the pool and its own allocations.
		{"10.0.16.1", guest, nil},
		{s.m.Pool, guest, by("id", top)},
		{s.child, guest, nil},
		{s.m.Scope, guest, nil},
		{s.taken, guest, nil},
		{s.theirs, guest, by("id", theirs)},
		{"guest", guest, by("description", theirs)},
		{"lab", guest, nil},
		{"top", guest, by("description", top)},
		{"team=net", guest, nil},
		{stranger, guest, nil},
	} {
		want := slices.Sorted(slices.Values(c.want))
		for _, size := range []int32{0, 5} {
			got := slices.Sorted(slices.Values(s.found(c.ctx, c.text, size)))
			if !slices.Equal(got, want) {
				t.Errorf("%q by %p with pages of %d:\n%q, want\n%q", c.text, c.ctx, size, got, want)
			}
		}
	}
	for text, as := range map[string]string{"10.0.0.1": "address", "fd00::/8": "cidr", "vpc-12345678": "id", stranger: "account", "a=b": "tag", "=b": "text", "eth": "text", "vpc-x": "text"} {
		out := do[ops.SearchIpamOutput](s.env, s.admin, &ops.SearchIpamInput{Text: &text})
		if out.SearchedAs != as {
			t.Errorf("%q is searched as %s, want %s", text, out.SearchedAs, as)
		}
	}
	address := do[ops.SearchIpamOutput](s.env, s.admin, &ops.SearchIpamInput{Text: aws.String("10.0.0.7")})
	r := address.IpamSearchMatches[3]
	if *r.OwnerId != stranger || *r.Name != "Payments" || !r.Since.Equal(time.UnixMilli(1_800_000_000_000)) || *r.IpamScopeId != s.m.Scope || r.OverlapStatus != "nonoverlapping" || len(address.NotSearched) != 2 {
		t.Errorf("%+v, not searched %q", r, address.NotSearched)
	}
	for _, text := range []string{"", "  ", strings.Repeat("x", 513), "10.0.0.1/24"} {
		if text == "" {
			s.refused(t, s.admin, &ops.SearchIpamInput{Text: &text}, "MissingParameter", "Text")
			continue
		}
		s.refused(t, s.admin, &ops.SearchIpamInput{Text: &text}, "InvalidParameterValue", "Text")
	}
	s.refused(t, s.admin, &ops.SearchIpamInput{Text: aws.String("x"), NextToken: aws.String("x")}, "InvalidNextToken")
}

// A search for an address takes few calls, however much space there is. A search for a text
// reads each resource and allocation once, and no more of them for a page than a list does.
func TestCostOfSearches(t *testing.T) {
	s := newSearchEnv(t)
	for i := range 3000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 64 + byte(i>>8), byte(i), 0}), 24)
		s.put(ipam.Resource{Type: ipam.ResourceVPC, ID: fmt.Sprintf("vpc-%017x", i), VPC: fmt.Sprintf("vpc-%017x", i), CIDR: p, Owner: stranger, Region: home, Name: "many"})
	}
	for _, c := range []struct {
		text        string
		calls, rows int
		matches     int
	}{
		{"10.0.0.7", 30, 30, 6},
		{"10.64.9.1", 25, 25, 1},
		{"10.64.0.0/24", 25, 25, 1},
		{"10.64.0.0/10", 35, 3100, 0}, // one answer of the table, and then no more
		{s.m.Pool, 2, 2, 1},
		{s.taken, 5, 5, 1},
		{"pay", 35, 3100, 1},
	} {
		s.calls.Take()
		out := do[ops.SearchIpamOutput](s.env, s.admin, &ops.SearchIpamInput{Text: &c.text})
		cost := s.calls.Take()
		t.Logf("%s: %d matches, %+v", c.text, len(out.IpamSearchMatches), cost)
		if cost.Queries+cost.BatchGets > c.calls || cost.Rows > c.rows || len(out.IpamSearchMatches) != c.matches {
			t.Errorf("%s finds %d, with %+v; want %d with %d calls and %d rows at most", c.text, len(out.IpamSearchMatches), cost, c.matches, c.calls, c.rows)
		}
		if c.text == "10.64.0.0/10" && !strings.Contains(strings.Join(out.NotSearched, " "), s.m.Scope+" the CIDR has more than 1000") {
			t.Errorf("not searched: %q", out.NotSearched)
		}
	}
}
