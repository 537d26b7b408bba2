package ipam_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ipam/ipamtest"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// network is the input of a pass.
type network struct {
	rows        []*ipam.ResourceCIDR // in order
	allocations []*ipam.Allocation   // in order
	pools       map[string]*ipam.Pool
}

func (n *network) sort() {
	slices.SortStableFunc(n.rows, func(a, b *ipam.ResourceCIDR) int {
		return cmp.Or(a.CIDR.Compare(b.CIDR), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(n.allocations, func(a, b *ipam.Allocation) int { return a.CIDR.Compare(b.CIDR) })
}

// after returns the part of the network after a block.
func (n *network) after(p netip.Prefix) *network {
	rest := &network{pools: n.pools}
	for _, r := range n.rows {
		if r.CIDR.Compare(p) > 0 {
			rest.rows = append(rest.rows, r)
		}
	}
	for _, a := range n.allocations {
		if a.CIDR.Compare(p) > 0 {
			rest.allocations = append(rest.allocations, a)
		}
	}
	return rest
}

func (n *network) evaluate(t fataler) []ipam.ResourceStatus {
	t.Helper()
	var statuses []ipam.ResourceStatus
	for v, err := range ipam.EvaluateStatuses(each(n.rows), each(n.allocations), func(id string) *ipam.Pool { return n.pools[id] }) {
		if err != nil {
			t.Fatalf("%v", err)
		}
		statuses = append(statuses, v)
	}
	return statuses
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	}
}

const us, them = "111122223333", "444455556666"

func vpc(id, cidr string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: prefix(cidr), Owner: us, Region: "us-east-1"}}
}

func subnet(id, in, cidr string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceSubnet, ID: id, VPC: in, Subnet: id, CIDR: prefix(cidr), Owner: us, Region: "us-east-1"}}
}

func eip(id, cidr, pool string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourceEIP, ID: id, CIDR: prefix(cidr), Owner: us, Region: "us-east-1",
		Public: &ipam.PublicAddress{Address: prefix(cidr).Addr(), PublicIPv4Pool: pool}}}
}

func publicPool(id, cidr string) *ipam.ResourceCIDR {
	return &ipam.ResourceCIDR{Resource: ipam.Resource{Type: ipam.ResourcePublicIPv4Pool, ID: id, CIDR: prefix(cidr), Owner: us, Region: "us-east-1"}}
}

func in(r *ipam.ResourceCIDR, change func(*ipam.ResourceCIDR)) *ipam.ResourceCIDR {
	change(r)
	return r
}

func ignored(r *ipam.ResourceCIDR) *ipam.ResourceCIDR {
	return in(r, func(r *ipam.ResourceCIDR) { r.Ignored = true })
}

func reserved(id, cidr string) *ipam.Allocation {
	return &ipam.Allocation{Pool: "pool", Taken: ipam.Taken{CIDR: prefix(cidr), AllocationID: id, Kind: ipam.KindCustom, Owner: us}}
}

func allocated(kind ipam.Kind, resource, cidr string) *ipam.Allocation {
	return &ipam.Allocation{Pool: "pool", Taken: ipam.Taken{CIDR: prefix(cidr), AllocationID: "to-" + resource, Kind: kind, Owner: us, ResourceID: resource}}
}

func TestEvaluateStatus(t *testing.T) {
	length := func(n int) *int { return &n }
	for _, c := range []struct {
		name        string
		rows        []*ipam.ResourceCIDR
		allocations []*ipam.Allocation
		rules       ipam.Rules
		locale      string
		want        map[string]string // id to management, compliance and overlap, and the counterpart
		reason      string            // reason of the noncompliant resources
	}{
		{name: "nothing", want: map[string]string{}},
		{
			name: "the documentation's cases: compliant, noncompliant by length, unmanaged, overlapping, ignored",
			rows: []*ipam.ResourceCIDR{
				vpc("vpc-good", "10.0.0.0/20"), vpc("vpc-large", "10.1.0.0/16"), vpc("vpc-old", "172.16.0.0/16"),
				vpc("vpc-a", "192.168.0.0/16"), vpc("vpc-b", "192.168.0.0/17"), ignored(vpc("vpc-off", "192.168.0.0/18")),
			},
			allocations: []*ipam.Allocation{allocated("vpc", "vpc-good", "10.0.0.0/20"), allocated("vpc", "vpc-large", "10.1.0.0/16")},
			rules:       ipam.Rules{Min: length(18), Max: length(24)},
			want: map[string]string{
				"vpc-good": "managed compliant nonoverlapping", "vpc-large": "managed noncompliant nonoverlapping", "vpc-old": "unmanaged unmanaged nonoverlapping",
				"vpc-a": "unmanaged unmanaged overlapping vpc-b 192.168.0.0/17", "vpc-b": "unmanaged unmanaged overlapping vpc-a 192.168.0.0/16",
				"vpc-off": "ignored ignored ignored",
			},
			reason: "It breaks rules of pool: its netmask length /16 is shorter than the minimum /18.",
		},
		{
			name:        "every rule broken",
			rows:        []*ipam.ResourceCIDR{in(vpc("vpc-a", "10.0.0.0/25"), func(r *ipam.ResourceCIDR) { r.Tags = ipam.Tags{"env": "test"} })},
			allocations: []*ipam.Allocation{allocated("vpc", "vpc-a", "10.0.0.0/25")},
			rules:       ipam.Rules{Max: length(24), ResourceTags: ipam.Tags{"env": "prod", "cost": ""}},
			locale:      "ap-northeast-1",
			want:        map[string]string{"vpc-a": "managed noncompliant nonoverlapping"},
			reason:      "It breaks rules of pool: its netmask length /25 is longer than the maximum /24; its Region us-east-1 is not the locale ap-northeast-1; it lacks the tag cost=, env=prod.",
		},
		{
			name:        "every rule kept, at its bound",
			rows:        []*ipam.ResourceCIDR{in(vpc("vpc-a", "10.0.0.0/24"), func(r *ipam.ResourceCIDR) { r.Tags = ipam.Tags{"env": "prod", "cost": "1"} })},
			allocations: []*ipam.Allocation{allocated("vpc", "vpc-a", "10.0.0.0/24")},
			rules:       ipam.Rules{Min: length(24), Max: length(24), ResourceTags: ipam.Tags{"env": "prod"}},
			locale:      "us-east-1",
			want:        map[string]string{"vpc-a": "managed compliant nonoverlapping"},
		},
		{
			name: "a VPC and its subnets, and a subnet that another VPC contains",
			rows: []*ipam.ResourceCIDR{
				vpc("vpc-a", "10.0.0.0/16"), subnet("subnet-1", "vpc-a", "10.0.0.0/24"), subnet("subnet-2", "vpc-a", "10.0.1.0/24"),
				vpc("vpc-b", "10.1.0.0/16"), subnet("subnet-3", "vpc-c", "10.1.0.0/24"),
			},
			want: map[string]string{
				"vpc-a": "unmanaged unmanaged nonoverlapping", "subnet-1": "  nonoverlapping", "subnet-2": "  nonoverlapping",
				"vpc-b": "unmanaged unmanaged overlapping subnet-3 10.1.0.0/24", "subnet-3": "  overlapping vpc-b 10.1.0.0/16",
			},
		},
		{
			name: "the same CIDR three times, twice of one VPC",
			rows: []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/24"), subnet("subnet-a", "vpc-a", "10.0.0.0/24"), vpc("vpc-b", "10.0.0.0/24")},
			want: map[string]string{
				"vpc-a": "unmanaged unmanaged overlapping vpc-b 10.0.0.0/24", "subnet-a": "  overlapping vpc-b 10.0.0.0/24",
				"vpc-b": "unmanaged unmanaged overlapping vpc-a 10.0.0.0/24",
			},
		},
		{
			name: "a stranger between a VPC and its subnet",
			rows: []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/16"), vpc("vpc-b", "10.0.0.0/20"), subnet("subnet-a", "vpc-a", "10.0.0.0/24"), subnet("subnet-a2", "vpc-a", "10.0.16.0/24")},
			want: map[string]string{
				"vpc-a": "unmanaged unmanaged overlapping vpc-b 10.0.0.0/20", "vpc-b": "unmanaged unmanaged overlapping vpc-a 10.0.0.0/16",
				"subnet-a": "  overlapping vpc-b 10.0.0.0/20", "subnet-a2": "  nonoverlapping",
			},
		},
		{
			name: "Elastic IPs in their pool, in another's, and Amazon's",
			rows: []*ipam.ResourceCIDR{
				publicPool("ipv4pool-ec2-a", "203.0.113.0/24"), eip("eipalloc-1", "203.0.113.1/32", "ipv4pool-ec2-a"), eip("eipalloc-2", "203.0.113.2/32", "ipv4pool-ec2-a"),
				publicPool("ipv4pool-ec2-b", "198.51.100.0/24"), eip("eipalloc-3", "198.51.100.1/32", "amazon"), eip("eipalloc-4", "192.0.2.1/32", "amazon"), eip("eipalloc-5", "192.0.2.1/32", "amazon"),
			},
			want: map[string]string{
				"ipv4pool-ec2-a": "unmanaged unmanaged nonoverlapping", "eipalloc-1": "unmanaged unmanaged nonoverlapping", "eipalloc-2": "unmanaged unmanaged nonoverlapping",
				"ipv4pool-ec2-b": "unmanaged unmanaged overlapping eipalloc-3 198.51.100.1/32", "eipalloc-3": "unmanaged unmanaged overlapping ipv4pool-ec2-b 198.51.100.0/24",
				"eipalloc-4": "unmanaged unmanaged overlapping eipalloc-5 192.0.2.1/32", "eipalloc-5": "unmanaged unmanaged overlapping eipalloc-4 192.0.2.1/32",
			},
		},
		{
			name:        "a VPC inside a custom allocation, one around one, and one with another account's",
			rows:        []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.1.0/24"), vpc("vpc-b", "10.1.0.0/16"), in(vpc("vpc-c", "10.2.0.0/16"), func(r *ipam.ResourceCIDR) { r.Owner = them })},
			allocations: []*ipam.Allocation{reserved("alloc-a", "10.0.0.0/16"), reserved("alloc-b", "10.1.1.0/24"), reserved("alloc-c", "10.2.0.0/16")},
			want: map[string]string{
				"vpc-a": "unmanaged unmanaged overlapping alloc-a 10.0.0.0/16", "vpc-b": "unmanaged unmanaged overlapping alloc-b 10.1.1.0/24",
				"vpc-c": "unmanaged unmanaged overlapping alloc-c 10.2.0.0/16",
			},
		},
		{
			name:        "a claim, with subnets in the VPC",
			rows:        []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/16"), subnet("subnet-a", "vpc-a", "10.0.0.0/24")},
			allocations: []*ipam.Allocation{reserved("alloc-a", "10.0.0.0/16")},
			rules:       ipam.Rules{Min: length(16)},
			want:        map[string]string{"vpc-a": "managed compliant nonoverlapping", "subnet-a": "  nonoverlapping"},
		},
		{
			name:        "a subnet claims, inside its VPC; the pool's rules bind it",
			rows:        []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/16"), subnet("subnet-a", "vpc-a", "10.0.0.0/24")},
			allocations: []*ipam.Allocation{reserved("alloc-a", "10.0.0.0/24")},
			rules:       ipam.Rules{Max: length(20)},
			want:        map[string]string{"vpc-a": "unmanaged unmanaged nonoverlapping", "subnet-a": "managed noncompliant nonoverlapping"},
			reason:      "It breaks rules of pool: its netmask length /24 is longer than the maximum /20.",
		},
		{
			name:        "an ignored VPC claims nothing, an Elastic IP neither",
			rows:        []*ipam.ResourceCIDR{ignored(vpc("vpc-a", "10.0.0.0/16")), subnet("subnet-a", "vpc-a", "10.0.0.0/24"), eip("eipalloc-1", "203.0.113.1/32", "")},
			allocations: []*ipam.Allocation{reserved("alloc-a", "10.0.0.0/16"), reserved("alloc-b", "203.0.113.1/32")},
			want: map[string]string{
				"vpc-a": "ignored ignored ignored", "subnet-a": "  overlapping alloc-a 10.0.0.0/16", "eipalloc-1": "unmanaged unmanaged overlapping alloc-b 203.0.113.1/32",
			},
		},
		{
			name: "two claim one allocation",
			rows: []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/16"), vpc("vpc-b", "10.0.0.0/16")}, allocations: []*ipam.Allocation{reserved("alloc-a", "10.0.0.0/16")},
			want: map[string]string{"vpc-a": "managed compliant overlapping vpc-b 10.0.0.0/16", "vpc-b": "managed compliant overlapping vpc-a 10.0.0.0/16"},
		},
		{
			name:        "an allocation to a VPC is its own only with its CIDR, id and kind, and no counterpart of others",
			rows:        []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/24"), vpc("vpc-a", "10.1.0.0/24"), vpc("vpc-b", "10.2.0.0/24"), vpc("vpc-c", "10.3.0.0/24"), publicPool("ipv4pool-ec2-a", "203.0.113.0/24")},
			allocations: []*ipam.Allocation{allocated("vpc", "vpc-a", "10.0.0.0/23"), allocated("vpc", "vpc-a", "10.1.0.0/24"), allocated("vpc", "vpc-x", "10.2.0.0/24"), allocated("eip", "vpc-c", "10.3.0.0/24"), allocated("ec2-public-ipv4-pool", "ipv4pool-ec2-a", "203.0.113.0/24")},
			want: map[string]string{
				"vpc-a": "managed compliant nonoverlapping", // its second CIDR, and the last one looked at
				"vpc-b": "unmanaged unmanaged nonoverlapping", "vpc-c": "unmanaged unmanaged nonoverlapping", "ipv4pool-ec2-a": "managed compliant nonoverlapping",
			},
		},
		{
			name:        "blocks that are no counterparts: a child pool's, a hold, an allocation whose pool is gone",
			rows:        []*ipam.ResourceCIDR{vpc("vpc-a", "10.0.0.0/16"), vpc("vpc-b", "10.1.0.0/16")},
			allocations: []*ipam.Allocation{allocated("ipam-pool", "ipam-pool-1", "10.0.0.0/16"), allocated("hold", "", "10.0.0.0/16"), allocated("vpc", "vpc-a", "10.0.0.0/16"), gone(reserved("alloc-b", "10.1.1.0/24"))},
			want:        map[string]string{"vpc-a": "managed compliant nonoverlapping", "vpc-b": "unmanaged unmanaged nonoverlapping"},
		},
		{
			name: "the whole family, to its last address",
			rows: []*ipam.ResourceCIDR{vpc("vpc-a", "::/0"), subnet("subnet-a", "vpc-a", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), vpc("vpc-b", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127")},
			want: map[string]string{
				"vpc-a":    "unmanaged unmanaged overlapping vpc-b ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
				"subnet-a": "  overlapping vpc-b ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "vpc-b": "unmanaged unmanaged overlapping vpc-a ::/0",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &network{rows: c.rows, allocations: c.allocations, pools: map[string]*ipam.Pool{
				"pool": {Meta: ipam.Meta{ID: "pool"}, Family: ipam.IPv4, Rules: c.rules, Locale: c.locale},
			}}
			n.sort()
			got := map[string]string{}
			for _, v := range n.evaluate(t) {
				s := v.Status
				got[v.Resource.ID] = strings.TrimRight(fmt.Sprint(s.Management, " ", s.Compliance, " ", s.Overlap, " ", s.With, " ", s.WithCIDR), " ")
				if want := map[bool]string{true: c.reason}[s.Compliance == ipam.Noncompliant]; s.Reason != want {
					t.Errorf("%s has the reason %q, want %q", v.Resource.ID, s.Reason, want)
				}
			}
			if d := gocmp.Diff(c.want, got); d != "" {
				t.Errorf("statuses (-want +got):\n%s", d)
			}
		})
	}
}

func gone(a *ipam.Allocation) *ipam.Allocation {
	a.Pool = "gone"
	return a
}

// networks generates resources and allocations in a block so small that CIDRs
// nest and coincide.
func networks() *rapid.Generator[*network] {
	return rapid.Custom(func(t *rapid.T) *network {
		length := func(f ipam.Family) *int {
			if !rapid.Bool().Draw(t, "bounded") {
				return nil
			}
			n := rapid.IntRange(f.Bits()-4, f.Bits()).Draw(t, "bound")
			return &n
		}
		f := ipamtest.Families().Draw(t, "family")
		universe := map[ipam.Family]netip.Prefix{ipam.IPv4: prefix("10.255.255.240/28"), ipam.IPv6: prefix("fd00::ff00/124")}[f]
		n := &network{pools: map[string]*ipam.Pool{}}
		for _, id := range []string{"pool-1", "pool-2"} {
			n.pools[id] = &ipam.Pool{Meta: ipam.Meta{ID: id}, Family: f, Locale: rapid.SampledFrom([]string{"", "us-east-1"}).Draw(t, "locale"), Rules: ipam.Rules{Min: length(f), Max: length(f)}}
			if rapid.Bool().Draw(t, "tagged") {
				n.pools[id].Rules.ResourceTags = ipam.Tags{"env": "prod"}
			}
		}
		pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		seen := map[string]bool{}
		for range rapid.IntRange(0, 10).Draw(t, "resources") {
			cidr := ipamtest.Inside(universe).Draw(t, "cidr").String()
			var r *ipam.ResourceCIDR
			switch pick("type", "vpc", "subnet", "eip", "public-ipv4-pool") {
			case "vpc":
				r = vpc(pick("vpc", "vpc-1", "vpc-2", "vpc-3"), cidr)
			case "subnet":
				id := pick("subnet", "subnet-1", "subnet-2", "subnet-3", "subnet-4")
				r = subnet(id, map[string]string{"subnet-1": "vpc-1", "subnet-2": "vpc-1", "subnet-3": "vpc-2"}[id], cidr)
			case "eip":
				id := pick("eip", "eipalloc-1", "eipalloc-2", "eipalloc-3", "eipalloc-4", "eipalloc-5")
				r = eip(id, cidr, map[string]string{"eipalloc-1": "ipv4pool-ec2-1", "eipalloc-2": "ipv4pool-ec2-1", "eipalloc-3": "amazon", "eipalloc-4": "amazon"}[id])
			default:
				r = publicPool(pick("pool", "ipv4pool-ec2-1", "ipv4pool-ec2-2"), cidr)
			}
			r.Owner, r.Region, r.Ignored = pick("owner", us, them), pick("region", "us-east-1", "eu-west-1"), pick("ignored", "", "", "", "yes") != ""
			r.Tags = ipam.Tags{"env": pick("env", "prod", "test")}
			if key := r.ID + cidr; !seen[key] {
				seen[key] = true
				n.rows = append(n.rows, r)
			}
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "allocations") {
			a := reserved(fmt.Sprint("alloc-", i), ipamtest.Inside(universe).Draw(t, "allocation").String())
			if len(n.rows) > 0 && rapid.Bool().Draw(t, "of a resource") {
				r := rapid.SampledFrom(n.rows).Draw(t, "resource")
				a.CIDR = r.CIDR
				if rapid.Bool().Draw(t, "to the resource") {
					a.Kind, a.ResourceID = r.Type.Kind(), r.ID
				}
			}
			a.Owner, a.Pool = pick("holder", us, them), pick("in", "pool-1", "pool-2")
			if !slices.ContainsFunc(n.allocations, func(b *ipam.Allocation) bool { return b.CIDR.Overlaps(a.CIDR) }) {
				n.allocations = append(n.allocations, a)
			}
		}
		for _, a := range slices.Clone(n.allocations) {
			if a.Kind != ipam.KindVPC || rapid.Bool().Draw(t, "planned") {
				continue
			}
			plan := "plan of " + a.ResourceID + " " + a.CIDR.String()
			a.PlanningPool = plan
			n.pools[plan] = &ipam.Pool{Meta: ipam.Meta{ID: plan}, Family: f, Rules: ipam.Rules{Min: length(f)}, SourceResource: &ipam.SourceResource{ID: a.ResourceID}}
			var in []*ipam.Allocation
			for i := range rapid.IntRange(0, 3).Draw(t, "in the plan") {
				b := reserved(fmt.Sprint(plan, " alloc-", i), ipamtest.Inside(a.CIDR).Draw(t, "in the plan").String())
				b.Pool, b.Owner = plan, pick("holder", us, them)
				if len(n.rows) > 0 && rapid.Bool().Draw(t, "of a subnet") {
					if r := rapid.SampledFrom(n.rows).Draw(t, "subnet"); r.Type == ipam.ResourceSubnet && r.VPC == a.ResourceID && ipam.Within(r.CIDR, a.CIDR) {
						b.CIDR = r.CIDR
						if rapid.Bool().Draw(t, "to the subnet") {
							b.Kind, b.ResourceID = ipam.KindSubnet, r.ID
						}
					}
				}
				if !slices.ContainsFunc(in, func(c *ipam.Allocation) bool { return c.CIDR.Overlaps(b.CIDR) }) {
					in = append(in, b)
				}
			}
			n.allocations = append(n.allocations, in...)
		}
		n.sort()
		return n
	})
}

// The status of each CIDR equals the result of comparing all pairs; its
// counterpart is one of the real ones.
func TestEvaluateStatusIsLookingAtAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := networks().Draw(t, "network")
		want := map[*ipam.ResourceCIDR]ipamtest.StatusOf{}
		for i, j := range ipamtest.StatusesOf(n.rows, n.allocations, n.pools) {
			want[n.rows[i]] = j
		}
		for _, v := range n.evaluate(t) {
			j, ok := want[v.Resource]
			if delete(want, v.Resource); !ok {
				t.Fatalf("%s %s has two statuses", v.Resource.ID, v.Resource.CIDR)
			}
			if (v.Status.With != "") != (j.Overlaps != nil) || v.Status.With != "" && !slices.Contains(j.Overlaps, v.Status.With+" "+v.Status.WithCIDR) {
				t.Errorf("%s %s overlaps %s %s; there are %q", v.Resource.ID, v.Resource.CIDR, v.Status.With, v.Status.WithCIDR, j.Overlaps)
			}
			if (v.Status.Reason != "") != (j.Compliance == ipam.Noncompliant) {
				t.Errorf("%s %s is %s with the reason %q", v.Resource.ID, v.Resource.CIDR, j.Compliance, v.Status.Reason)
			}
			v.Status.With, v.Status.WithCIDR, v.Status.Reason = "", "", ""
			if v.Status != j.Status {
				t.Errorf("%s %s: %+v, want %+v", v.Resource.ID, v.Resource.CIDR, v.Status, j.Status)
			}
		}
		if len(want) > 0 {
			t.Errorf("without a status: %v", slices.Collect(maps.Keys(want)))
		}
	})
}

// At every point that a result names, a pass over the rest alone continues like
// the whole pass.
func TestEvaluateStatusResumes(t *testing.T) {
	resumed := 0
	rapid.Check(t, func(t *rapid.T) {
		n := networks().Draw(t, "network")
		whole := n.evaluate(t)
		for i, v := range whole {
			if !v.After.IsValid() {
				continue
			}
			resumed++
			if rest := n.after(v.After).evaluate(t); !slices.Equal(rest, whole[i+1:]) {
				t.Fatalf("behind %s: %+v, want %+v", v.After, rest, whole[i+1:])
			}
		}
		if len(whole) > 0 && !whole[len(whole)-1].After.IsValid() {
			t.Error("the last result leaves a block open")
		}
	})
	if want := map[bool]int{true: 10, false: 100}[testing.Short()]; resumed < want { // rapid makes fewer checks with -short
		t.Errorf("resumed %d times, want %d at least", resumed, want)
	}
}

func TestEvaluateStatusStops(t *testing.T) {
	broken := errors.New("broken")
	fails := func(n int) iter.Seq2[*ipam.Allocation, error] {
		return func(yield func(*ipam.Allocation, error) bool) {
			for i := range n {
				if !yield(reserved("alloc", fmt.Sprintf("10.%d.0.0/16", i)), nil) {
					return
				}
			}
			yield(nil, broken)
		}
	}
	rows := []*ipam.ResourceCIDR{vpc("vpc-0", "10.0.1.0/24"), vpc("vpc-1", "10.1.0.0/24"), vpc("vpc-2", "10.2.0.0/24")}
	failingRows := func(yield func(*ipam.ResourceCIDR, error) bool) { _ = yield(rows[0], nil) && yield(nil, broken) }
	pool := func(string) *ipam.Pool { return &ipam.Pool{} }
	for name, pass := range map[string]iter.Seq2[ipam.ResourceStatus, error]{
		"rows":              ipam.EvaluateStatuses(failingRows, each[*ipam.Allocation](nil), pool),
		"allocations":       ipam.EvaluateStatuses(each(rows), fails(2), pool),
		"allocations, none": ipam.EvaluateStatuses(each(rows), fails(0), pool),
	} {
		var last error
		for v, err := range pass {
			if last != nil {
				t.Errorf("%s: %v follows the error", name, v)
			}
			last = err
		}
		if !errors.Is(last, broken) {
			t.Errorf("%s: ended with %v", name, last)
		}
	}
	for want := 1; want <= len(rows); want++ { // after all rows, it does not read on to the error
		got := 0
		for _, err := range ipam.EvaluateStatuses(each(rows), fails(10), pool) {
			if err != nil {
				t.Error(err)
			}
			if got++; got == want && want < len(rows) {
				break
			}
		}
		if got != want {
			t.Errorf("%d results, want %d", got, want)
		}
	}
}

// The benchmark evaluates VPCs with two subnets each; every second VPC is
// allocated.
func BenchmarkEvaluateStatuses(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			n := &network{pools: map[string]*ipam.Pool{"pool": {Meta: ipam.Meta{ID: "pool"}, Family: ipam.IPv4}}}
			for i := 0; len(n.rows) < size; i++ {
				id := fmt.Sprintf("vpc-%017x", i)
				at := netip.AddrFrom4([4]byte{10, byte(i >> 12), byte(i >> 4), byte(i << 4)})
				n.rows = append(n.rows, vpc(id, netip.PrefixFrom(at, 28).String()))
				for j := range 2 {
					a := at.As4()
					a[3] |= byte(j << 3)
					n.rows = append(n.rows, subnet(fmt.Sprintf("subnet-%016x%d", i, j), id, netip.PrefixFrom(netip.AddrFrom4(a), 29).String()))
				}
				if i%2 == 0 {
					n.allocations = append(n.allocations, allocated("vpc", id, netip.PrefixFrom(at, 28).String()))
				}
			}
			n.sort()
			pool := func(id string) *ipam.Pool { return n.pools[id] }
			b.ReportAllocs()
			for b.Loop() {
				for range ipam.EvaluateStatuses(each(n.rows), each(n.allocations), pool) {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(n.rows)), "ns/row")
		})
	}
}
