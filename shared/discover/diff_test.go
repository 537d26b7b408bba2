package discover_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func found(r ipam.Resource, ipams ...string) *ipam.Found {
	f := &ipam.Found{Resource: r}
	for _, id := range ipams {
		f.Targets = append(f.Targets, ipam.Target{IPAM: id})
	}
	return f
}

func resource(t ipam.ResourceType, id, cidr string) ipam.Resource {
	return ipam.Resource{Type: t, ID: id, CIDR: netip.MustParsePrefix(cidr)}
}

func labels(all []ipam.Resource) (ids []string) {
	for _, r := range all {
		ids = append(ids, r.ID+" "+r.CIDR.String())
	}
	return ids
}

func foundLabels(all []*ipam.Found) []string {
	var rs []ipam.Resource
	for _, f := range all {
		rs = append(rs, f.Resource)
	}
	return labels(rs)
}

func TestDiff(t *testing.T) {
	vpc, second := resource(ipam.ResourceVPC, "vpc-1", "10.0.0.0/16"), resource(ipam.ResourceVPC, "vpc-1", "10.1.0.0/24")
	wide := resource(ipam.ResourceVPC, "vpc-2", "10.0.0.0/8")
	subnet, eni := resource(ipam.ResourceSubnet, "subnet-1", "10.0.0.0/24"), resource(ipam.ResourceInterface, "eni-1", "10.0.0.4/32")
	in := func(f *ipam.Found, targets ...ipam.Target) *ipam.Found {
		f.Targets = targets
		if f.Type != ipam.ResourceVPC {
			f.VPC = "vpc-1"
		}
		return f
	}
	inVPC, eniInVPC := subnet, eni
	inVPC.VPC, eniInVPC.VPC = "vpc-1", "vpc-1"
	ignored, moved := ipam.Target{IPAM: "a", Scope: "s", Ignored: true}, ipam.Target{IPAM: "a", Scope: "t"}
	watched := ipam.Target{IPAM: "a", Scope: "s"}
	named := vpc
	named.Name = "shop"
	for _, c := range []struct {
		name          string
		found         []*ipam.Found
		seen          []ipam.Resource
		ipams         []string
		changed, gone []string
	}{
		{"nothing before and after", nil, nil, []string{"a"}, nil, nil},
		{"the same", []*ipam.Found{found(vpc, "a", "b")}, []ipam.Resource{vpc}, []string{"b", "a"}, nil, nil},
		{"new, containers first", nil, []ipam.Resource{eni, subnet, vpc, wide}, []string{"a"},
			[]string{"vpc-2 10.0.0.0/8", "vpc-1 10.0.0.0/16", "subnet-1 10.0.0.0/24", "eni-1 10.0.0.4/32"}, nil},
		{"gone, containers last", []*ipam.Found{found(wide, "a"), found(vpc, "a"), found(eni, "a"), found(subnet, "a")}, nil, []string{"a"},
			nil, []string{"eni-1 10.0.0.4/32", "subnet-1 10.0.0.0/24", "vpc-1 10.0.0.0/16", "vpc-2 10.0.0.0/8"}},
		{"another name", []*ipam.Found{found(vpc, "a")}, []ipam.Resource{named}, []string{"a"}, []string{"vpc-1 10.0.0.0/16"}, nil},
		{"one CIDR more and one less", []*ipam.Found{found(vpc, "a")}, []ipam.Resource{second}, []string{"a"}, []string{"vpc-1 10.1.0.0/24"}, []string{"vpc-1 10.0.0.0/16"}},
		{"one IPAM more", []*ipam.Found{found(vpc, "a")}, []ipam.Resource{vpc}, []string{"a", "b"}, []string{"vpc-1 10.0.0.0/16"}, nil},
		{"ignored as its VPC", []*ipam.Found{in(found(vpc), ignored), in(found(inVPC), ignored), in(found(eniInVPC), ignored)}, []ipam.Resource{vpc, inVPC, eniInVPC}, []string{"a"}, nil, nil},
		{"stored before its VPC, which is ignored", []*ipam.Found{in(found(vpc), ignored), in(found(inVPC), watched), in(found(eniInVPC), watched)}, []ipam.Resource{vpc, inVPC, eniInVPC}, []string{"a"},
			[]string{"subnet-1 10.0.0.0/24", "eni-1 10.0.0.4/32"}, nil},
		{"stored before its VPC, which is in another scope", []*ipam.Found{in(found(vpc), moved), in(found(inVPC), watched)}, []ipam.Resource{vpc, inVPC}, []string{"a"}, []string{"subnet-1 10.0.0.0/24"}, nil},
		{"in another CIDR of its VPC than the ignored one", []*ipam.Found{in(found(vpc), ignored), in(found(second), watched), in(found(ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-2", CIDR: second.CIDR}), watched)},
			[]ipam.Resource{vpc, second, {Type: ipam.ResourceSubnet, ID: "subnet-2", CIDR: second.CIDR, VPC: "vpc-1"}}, []string{"a"}, nil, nil},
		{"of an IPAM that its VPC is not in", []*ipam.Found{in(found(vpc), ignored), in(found(inVPC), ipam.Target{IPAM: "b", Scope: "u"})}, []ipam.Resource{inVPC}, []string{"b"}, nil, []string{"vpc-1 10.0.0.0/16"}},
		{"one IPAM less", []*ipam.Found{found(vpc, "a", "b")}, []ipam.Resource{vpc}, []string{"b"}, []string{"vpc-1 10.0.0.0/16"}, nil},
		{"no IPAM any more", []*ipam.Found{found(vpc, "a")}, []ipam.Resource{vpc}, nil, []string{"vpc-1 10.0.0.0/16"}, nil},
	} {
		changed, gone := discover.Diff(c.found, c.seen, c.ipams)
		if !slices.Equal(labels(changed), c.changed) || !slices.Equal(foundLabels(gone), c.gone) {
			t.Errorf("%s: changed %q, gone %q", c.name, labels(changed), foundLabels(gone))
		}
	}
}

// For any earlier and any present part of a network, applying the difference
// leaves no further difference.
func TestDiffAppliedLeavesNone(t *testing.T) {
	all := discovertest.Sample(account, 7).Resources(account, region)
	rapid.Check(t, func(t *rapid.T) {
		have := map[string]*ipam.Found{}
		key := func(r *ipam.Resource) string { return string(r.Type) + r.ID + r.CIDR.String() }
		var seen []ipam.Resource
		for _, r := range all {
			if rapid.Bool().Draw(t, "seen") {
				seen = append(seen, r)
			}
			if rapid.Bool().Draw(t, "found") {
				if rapid.Bool().Draw(t, "changed") {
					r.Name += "!"
				}
				have[key(&r)] = found(r, rapid.SampledFrom([][]string{nil, {"a"}, {"a", "b"}}).Draw(t, "targets")...)
			}
		}
		list := func() (all []*ipam.Found) {
			for _, f := range have {
				all = append(all, f)
			}
			return all
		}
		changed, gone := discover.Diff(list(), seen, []string{"a"})
		for _, r := range changed {
			have[key(&r)] = found(r, "a")
		}
		for _, f := range gone {
			delete(have, key(&f.Resource))
		}
		if len(have) != len(seen) {
			t.Fatalf("%d found, %d seen", len(have), len(seen))
		}
		changed, gone = discover.Diff(list(), seen, []string{"a"})
		if len(changed)+len(gone) > 0 {
			t.Fatal(cmp.Diff(labels(changed), foundLabels(gone)))
		}
	})
}
