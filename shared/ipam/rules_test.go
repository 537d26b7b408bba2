package ipam_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func ptr(n int) *int { return &n }

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		family ipam.Family
		rules  ipam.Rules
		code   ipam.Code
		says   string
	}{
		{"none", ipam.IPv4, ipam.Rules{}, "", ""},
		{"all, ascending", ipam.IPv4, ipam.Rules{Min: ptr(16), Default: ptr(20), Max: ptr(28)}, "", ""},
		{"all equal", ipam.IPv4, ipam.Rules{Min: ptr(24), Default: ptr(24), Max: ptr(24)}, "", ""},
		{"default at the minimum", ipam.IPv4, ipam.Rules{Min: ptr(24), Default: ptr(24)}, "", ""},
		{"default at the maximum", ipam.IPv4, ipam.Rules{Max: ptr(24), Default: ptr(24)}, "", ""},
		{"the ends of IPv4", ipam.IPv4, ipam.Rules{Min: ptr(0), Default: ptr(0), Max: ptr(32)}, "", ""},
		{"the ends of IPv6", ipam.IPv6, ipam.Rules{Min: ptr(0), Default: ptr(128), Max: ptr(128)}, "", ""},
		{"beyond IPv4", ipam.IPv4, ipam.Rules{Max: ptr(33)}, ipam.CodeInvalidParameterValue, "Value (33) for parameter AllocationMaxNetmaskLength is invalid. A netmask length of an ipv4 pool is 0 to 32."},
		{"beyond IPv6", ipam.IPv6, ipam.Rules{Default: ptr(129)}, ipam.CodeInvalidParameterValue, "AllocationDefaultNetmaskLength"},
		{"negative", ipam.IPv6, ipam.Rules{Min: ptr(-1)}, ipam.CodeInvalidParameterValue, "Value (-1) for parameter AllocationMinNetmaskLength"},
		{"minimum above maximum", ipam.IPv4, ipam.Rules{Min: ptr(25), Max: ptr(24)}, ipam.CodeInvalidParameterCombination, "(25) must not be greater than AllocationMaxNetmaskLength (24)"},
		{"default below the minimum", ipam.IPv4, ipam.Rules{Min: ptr(24), Default: ptr(23)}, ipam.CodeInvalidParameterCombination, "AllocationDefaultNetmaskLength (23) must lie between AllocationMinNetmaskLength (24)"},
		{"default above the maximum", ipam.IPv4, ipam.Rules{Max: ptr(24), Default: ptr(25)}, ipam.CodeInvalidParameterCombination, "and AllocationMaxNetmaskLength (24)"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.rules.Check(c.family), c.code, c.says) })
	}
}

func refused(t *testing.T, err error, code ipam.Code, says string) {
	t.Helper()
	if got := ipam.CodeOf(err); got != code || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %q with %q", err, code, says)
	}
}

func TestDecideWant(t *testing.T) {
	pool := func(change func(*ipam.Pool)) *ipam.Pool {
		p := &ipam.Pool{Meta: ipam.Meta{ID: "ipam-pool-1", State: ipam.StateCreateComplete}, Family: ipam.IPv4, Locale: "eu-west-1"}
		p.Rules = ipam.Rules{Min: ptr(20), Default: ptr(24), Max: ptr(28)}
		if change != nil {
			change(p)
		}
		return p
	}
	cidr := func(s string) ipam.AllocateRequest { return ipam.AllocateRequest{CIDR: prefix(s)} }
	length := func(n int) ipam.AllocateRequest { return ipam.AllocateRequest{Length: &n} }
	from := func(region string) ipam.AllocateRequest {
		return ipam.AllocateRequest{Length: ptr(24), Region: region, HomeRegion: "us-east-1"}
	}
	narrow := ipam.Filter{Allowed: prefixes("10.0.0.0/16"), Disallowed: prefixes("10.0.1.0/24")}
	deleting := func(p *ipam.Pool) { p.State = ipam.StateDeleteInProgress }
	bare := func(p *ipam.Pool) { p.Rules = ipam.Rules{} }
	for _, c := range []struct {
		name   string
		change func(*ipam.Pool)
		q      ipam.AllocateRequest
		length int // the decided length
		code   ipam.Code
		says   string
	}{
		{"a length", nil, length(26), 26, "", ""},
		{"the default", nil, ipam.AllocateRequest{}, 24, "", ""},
		{"a default of /0", func(p *ipam.Pool) { p.Rules = ipam.Rules{Default: ptr(0)} }, ipam.AllocateRequest{}, 0, "", ""},
		{"a length before the default", nil, length(20), 20, "", ""},
		{"a CIDR before the default", nil, cidr("10.0.0.0/28"), 28, "", ""},
		{"a filter for the default", nil, ipam.AllocateRequest{Filter: narrow}, 24, "", ""},
		{"a length of 0", bare, length(0), 0, "", ""},
		{"the longest length", bare, length(32), 32, "", ""},
		{"neither size nor default", bare, ipam.AllocateRequest{}, 0, ipam.CodeInvalidParameterCombination, "Exactly one of them should be provided"},
		{"CIDR and length", nil, ipam.AllocateRequest{CIDR: prefix("10.0.0.0/24"), Length: ptr(24)}, 0, ipam.CodeInvalidParameterCombination, "The parameter 'Cidr' may not be used in combination with 'NetmaskLength'"},
		{"CIDR and DisallowedCidr", nil, ipam.AllocateRequest{CIDR: prefix("10.0.0.0/24"), Filter: ipam.Filter{Disallowed: narrow.Disallowed}}, 0, ipam.CodeInvalidParameterCombination, "may not be used in combination with 'Cidr'"},
		{"CIDR and filter", nil, ipam.AllocateRequest{CIDR: prefix("10.0.0.0/24"), Filter: narrow}, 0, ipam.CodeInvalidParameterCombination, "'AllowedCidr' and 'DisallowedCidr' may not be used in combination with 'Cidr'"},
		{"shorter than the minimum", nil, length(19), 0, ipam.CodeInvalidParameterValue, "/19 is shorter than the allocation minimum netmask length /20 of ipam-pool-1. Ask for a block of /20 to /28."},
		{"longer than the maximum", nil, length(29), 0, ipam.CodeInvalidParameterValue, "/29 is longer than the allocation maximum netmask length /28 of ipam-pool-1. Ask for a block of /20 to /28."},
		{"a CIDR shorter than the minimum", nil, cidr("10.0.0.0/16"), 0, ipam.CodeInvalidParameterValue, "/16 is shorter"},
		{"a CIDR longer than the maximum", nil, cidr("10.0.0.0/32"), 0, ipam.CodeInvalidParameterValue, "/32 is longer"},
		{"negative", bare, length(-1), 0, ipam.CodeInvalidParameterValue, "Value (-1) for parameter NetmaskLength is invalid"},
		{"beyond IPv4", bare, length(33), 0, ipam.CodeInvalidParameterValue, "A netmask length of an ipv4 pool is 0 to 32"},
		{"a CIDR of the other family", bare, cidr("2001:db8::/32"), 0, ipam.CodeInvalidParameterValue, "2001:db8::/32 is not of the address family of ipam-pool-1, which is ipv4"},
		{"an allowed CIDR of the other family", nil, ipam.AllocateRequest{Length: ptr(24), Filter: ipam.Filter{Allowed: prefixes("::/0")}}, 0, ipam.CodeInvalidParameterValue, "::/0 is not of the address family"},
		{"a disallowed CIDR of the other family", nil, ipam.AllocateRequest{Length: ptr(24), Filter: ipam.Filter{Disallowed: prefixes("::/0")}}, 0, ipam.CodeInvalidParameterValue, "::/0 is not of the address family"},
		{"from the pool's locale", nil, from("eu-west-1"), 24, "", ""},
		{"from the home Region", nil, from("us-east-1"), 24, "", ""},
		{"from elsewhere", nil, from("eu-west-2"), 0, ipam.CodeInvalidParameterValue, "not in the current region eu-west-2. Call from eu-west-1 or us-east-1."},
		{"from elsewhere, to a pool of the home Region", func(p *ipam.Pool) { p.Locale = "us-east-1" }, from("eu-west-2"), 0, ipam.CodeInvalidParameterValue, "Call from us-east-1."},
		{"from elsewhere, to a pool without a locale", func(p *ipam.Pool) { p.Locale = "" }, from("eu-west-1"), 0, ipam.CodeInvalidParameterValue, "Call from us-east-1."},
		{"from an unknown Region", nil, from(""), 24, "", ""},
		{"a pool that is being deleted", deleting, length(24), 0, ipam.CodeIncorrectState, "It is in state delete-in-progress"},
		{"elsewhere and being deleted", deleting, from("eu-west-2"), 0, ipam.CodeInvalidParameterValue, "current region"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := pool(c.change).DecideWant(c.q)
			refused(t, err, c.code, c.says)
			if err == nil && (w.Length != c.length || w.CIDR != c.q.CIDR || len(w.Filter.Allowed) != len(c.q.Filter.Allowed) || len(w.Filter.Disallowed) != len(c.q.Filter.Disallowed)) {
				t.Errorf("wants %+v", w)
			}
		})
	}
}

// Two allowed CIDRs that are neighbours, or lie in one another, admit blocks that they
// cover together.
func TestAllowedCIDRsAreJoined(t *testing.T) {
	for _, c := range []struct {
		name          string
		allowed, want []string
	}{
		{"none", nil, nil},
		{"two halves", []string{"10.0.0.128/25", "10.0.0.0/25"}, []string{"10.0.0.0/24"}},
		{"a half and two quarters", []string{"10.0.0.192/26", "10.0.0.0/25", "10.0.0.128/26"}, []string{"10.0.0.0/24"}},
		{"neighbours that are no buddies", []string{"10.0.1.0/24", "10.0.2.0/24"}, []string{"10.0.1.0/24", "10.0.2.0/24"}},
		{"one in another", []string{"10.0.0.0/24", "10.0.0.64/26"}, []string{"10.0.0.0/24"}},
		{"the same twice", []string{"10.0.0.0/24", "10.0.0.0/24"}, []string{"10.0.0.0/24"}},
		{"IPv6", []string{"fd80::/65", "fd80:0:0:0:8000::/65"}, []string{"fd80::/64"}},
		{"the whole family", []string{"0.0.0.0/1", "128.0.0.0/1"}, []string{"0.0.0.0/0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ipam.Filter{Allowed: prefixes(c.allowed...), Disallowed: prefixes("10.0.0.0/32")}
			p := &ipam.Pool{Meta: ipam.Meta{ID: "ipam-pool-1", State: ipam.StateCreateComplete, Region: "us-east-1"}, Family: ipam.IPv4}
			if len(c.allowed) > 0 {
				p.Family = ipam.FamilyOf(prefix(c.allowed[0]))
			}
			if p.Family == ipam.IPv6 {
				f.Disallowed = nil
			}
			w, err := p.DecideWant(ipam.AllocateRequest{Length: new(32), Filter: f, Region: "us-east-1", HomeRegion: "us-east-1"})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(w.Filter.Allowed, prefixes(c.want...)) || !slices.Equal(w.Filter.Disallowed, f.Disallowed) {
				t.Errorf("%v, want %v", w.Filter, c.want)
			}
		})
	}
}

func TestRefusalsNameTheNumbers(t *testing.T) {
	by := func(k ipam.Kind) ipam.Taken {
		return ipam.Taken{CIDR: prefix("10.0.0.0/25"), AllocationID: "ipam-pool-alloc-1", Kind: k, ResourceID: "ipam-pool-2"}
	}
	live := func(n int) (all []*ipam.Resource) {
		for i := range n {
			all = append(all, &ipam.Resource{Type: ipam.ResourceVPC, ID: fmt.Sprint("vpc-", i+1), Owner: "444455556666", Region: "eu-west-1", CIDR: prefix(fmt.Sprintf("10.0.%d.0/24", i+1))})
		}
		return all
	}
	for _, c := range []struct {
		name string
		err  error
		code ipam.Code
		says string
	}{
		{"no CIDR", ipam.NoRoom("p", ipam.Want{Length: 24}, -1, 0, ipam.Occupants{}), ipam.CodeInvalidParameterValue, "p has no CIDR provisioned; provision one first."},
		{"full", ipam.NoRoom("p", ipam.Want{Length: 24}, -1, 1, ipam.Occupants{Custom: true}), ipam.CodeInvalidParameterValue, "p has no free address left. Provision another CIDR or release an allocation."},
		{"fragmented", ipam.NoRoom("p", ipam.Want{Length: 24}, 26, 1, ipam.Occupants{Pools: true, Resources: true}), ipam.CodeInvalidParameterValue, "p has no free /24; its largest free block is /26. Ask for a smaller block, provision another CIDR, delete a resource that has an allocation or deprovision a CIDR of another pool."},
		{"filtered", ipam.NoRoom("p", ipam.Want{Length: 24}, 24, 1, ipam.Occupants{}), ipam.CodeInvalidParameterValue, "p has no free /24 that AllowedCidr and DisallowedCidr admit; its largest free block is /24. Widen the CIDRs that the request allows or provision another CIDR."},
		{"a live resource holds the space", ipam.NoRoom("p", ipam.Want{Length: 24}, -1, 1, ipam.Occupants{Live: live(1)}), ipam.CodeInvalidParameterValue, "p has no free address left. Live resources hold space without an allocation: vpc vpc-1 of account 444455556666 in eu-west-1 is live at 10.0.1.0/24. Have the resource imported, ignored or moved to another scope with ModifyIpamResourceCidr or provision another CIDR."},
		{"more than it names", ipam.NoRoom("p", ipam.Want{Length: 24}, 25, 1, ipam.Occupants{Live: live(3), More: 4, Custom: true}), ipam.CodeInvalidParameterValue, "vpc vpc-3 of account 444455556666 in eu-west-1 is live at 10.0.3.0/24 and 4 more. Ask for a smaller block, have such a resource imported, ignored or moved to another scope with ModifyIpamResourceCidr, provision another CIDR or release an allocation."},
		{"more than it read", ipam.NoRoom("p", ipam.Want{Length: 24}, -1, 1, ipam.Occupants{Live: live(3), More: 4, AtLeast: true}), ipam.CodeInvalidParameterValue, "10.0.3.0/24 and at least 4 more."},
		{"perhaps more", ipam.NoRoom("p", ipam.Want{Length: 24}, -1, 1, ipam.Occupants{Live: live(1), AtLeast: true}), ipam.CodeInvalidParameterValue, "10.0.1.0/24 and perhaps others."},
		{"a live resource in the way", ipam.NotFreeLive(prefix("10.0.0.0/22"), "p", live(1)), ipam.CodeInvalidParameterValue, "The CIDR 10.0.0.0/22 is not available in p: vpc vpc-1 of account 444455556666 in eu-west-1 is live at 10.0.1.0/24. Choose another CIDR, leave the choice to the pool with NetmaskLength or have the resource imported, ignored or moved to another scope with ModifyIpamResourceCidr."},
		{"three live resources in the way", ipam.NotFreeLive(prefix("10.0.0.0/22"), "p", live(3)), ipam.CodeInvalidParameterValue, "10.0.2.0/24 and vpc vpc-3 of account 444455556666 in eu-west-1 is live at 10.0.3.0/24. Choose"},
		{"five live resources in the way", ipam.NotFreeLive(prefix("10.0.0.0/21"), "p", live(5)), ipam.CodeInvalidParameterValue, "10.0.3.0/24 and 2 more. Choose another CIDR, leave the choice to the pool with NetmaskLength or have such a resource"},
		{"an allocation in the way", ipam.NotFree(prefix("10.0.0.0/24"), "p", by(ipam.KindCustom)), ipam.CodeInvalidParameterValue, "10.0.0.0/24 is not available in p: it overlaps 10.0.0.0/25, which is allocation ipam-pool-alloc-1."},
		{"a pool in the way", ipam.NotFree(prefix("10.0.0.0/24"), "p", by(ipam.KindPool)), ipam.CodeInvalidParameterValue, "which is the CIDR of pool ipam-pool-2."},
		{"a request in the way", ipam.NotFree(prefix("10.0.0.0/24"), "p", by(ipam.KindSplit)), ipam.CodeConcurrentMutationLimitExceeded, "10.0.0.0/24 is being taken or released by another request"},
		{"outside", ipam.OutsideOf(prefix("10.9.0.0/24"), "p"), ipam.CodeInvalidParameterValue, "10.9.0.0/24 is not contained in a CIDR that is provisioned to p"},
		{"a quota", ipam.LimitExceeded("pools in scope s", 50, 50), ipam.CodeResourceLimitExceeded, "You have created 50 and you are limited to 50."},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.err, c.code, c.says) })
	}
	if q := ipam.DefaultQuotas(); q != (ipam.Quotas{IPAMs: 1, ScopesPerIPAM: 5, PoolsPerScope: 50, PoolDepth: 10, CIDRsPerPool: 50, SharesPerPool: 50, Tags: 50, Discoveries: 1, AssociationsPerIPAM: 5, ResolversPerIPAM: 10, RulesPerResolver: 100, EntriesPerVersion: 1000}) {
		t.Errorf("the quotas are %+v, not those documented", q)
	}
}

// A taken block is in the way of a wish if a position that the filter admits overlaps it.
func TestBlocks(t *testing.T) {
	only := ipam.Filter{Allowed: []netip.Prefix{prefix("10.0.0.0/25")}, Disallowed: []netip.Prefix{prefix("10.0.0.0/27")}}
	for _, c := range []struct {
		length int
		filter ipam.Filter
		taken  string
		want   bool
	}{
		{24, ipam.Filter{}, "10.0.0.0/16", true},
		{24, ipam.Filter{}, "10.0.0.7/32", true},
		{26, only, "10.0.0.64/28", true},
		{26, only, "10.0.0.32/28", false}, // its /26 is disallowed in part
		{27, only, "10.0.0.32/28", true},
		{27, only, "10.0.0.0/28", false},
		{26, only, "10.0.0.128/26", false},
		{26, only, "10.0.0.0/16", true},
		{24, only, "10.0.0.0/16", false}, // the allowed CIDR is too small
	} {
		if w := (ipam.Want{Length: c.length, Filter: c.filter}); w.Blocks(prefix(c.taken)) != c.want {
			t.Errorf("%s blocks a /%d with %v: %t", c.taken, c.length, c.filter, !c.want)
		}
	}
}
