package main

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const (
	somePool       = "ipam-pool-0123456789abcdef0"
	someScope      = "ipam-scope-0123456789abcdef0"
	someCIDR       = "ipam-pool-cidr-0123456789abcdef0123456789abcdef"
	someAllocation = "ipam-pool-alloc-0123456789abcdef0123456789abcdef"
)

func TestPhysicalID(t *testing.T) {
	for _, c := range []struct {
		text            string
		want            physicalID
		cloudFormations bool
	}{
		{"", physicalID{}, true},
		{"nothing-was-made", nothing, false},
		{"unfinished:5eed", physicalID{form: formUnfinished, seed: "5eed"}, false},
		{"unfinished:5eed|" + somePool + "|" + someScope, physicalID{form: formUnfinished, seed: "5eed", pool: somePool, scope: someScope}, false},
		{"unfinished:5eed|" + somePool + "|", physicalID{form: formUnfinished, seed: "5eed", pool: somePool}, false},
		{"unfinished:5eed|||" + somePool, physicalID{form: formUnfinished, seed: "5eed", replaced: somePool}, false},
		{"unfinished:5eed|" + somePool + "||" + somePool + "|" + someCIDR, physicalID{form: formUnfinished, seed: "5eed", pool: somePool, replaced: somePool + "|" + someCIDR}, false},
		{"unfinished:5eed|" + somePool + "||", physicalID{form: formForeign, id: "unfinished:5eed|" + somePool + "||"}, false},
		{"unfinished:5eed||" + someScope, physicalID{form: formForeign, id: "unfinished:5eed||" + someScope}, false},
		{"unfinished:5eed|" + somePool, physicalID{form: formForeign, id: "unfinished:5eed|" + somePool}, false},
		{"ipam-0123456789abcdef0", physicalID{form: formObject, id: "ipam-0123456789abcdef0"}, false},
		{someScope, physicalID{form: formObject, id: someScope}, false},
		{somePool, physicalID{form: formObject, id: somePool}, false},
		{someAllocation, physicalID{form: formForeign, id: someAllocation}, false},
		{somePool + "|" + someCIDR, physicalID{form: formPoolCIDR, pool: somePool, id: someCIDR}, false},
		{somePool + "|" + someAllocation + "|10.0.0.0/24", physicalID{form: formAllocation, pool: somePool, id: someAllocation, allocation: "10.0.0.0/24"}, false},
		{somePool + "|" + somePool, physicalID{form: formForeign, id: somePool + "|" + somePool}, false},
		{"||", physicalID{form: formForeign, id: "||"}, false},
		{"network-X-1N7QJ0ZB2V5XK", physicalID{form: formForeign, id: "network-X-1N7QJ0ZB2V5XK"}, true},
		{"2026/11/25/[$LATEST]4c1b0c1e", physicalID{form: formForeign, id: "2026/11/25/[$LATEST]4c1b0c1e"}, true},
	} {
		got := parsePhysicalID(c.text)
		if got != c.want || got.String() != c.text || got.isCloudFormations() != c.cloudFormations {
			t.Errorf("%q: %+v, %q, %t; want %+v, %t", c.text, got, got, got.isCloudFormations(), c.want, c.cloudFormations)
		}
	}
	if id := parsePhysicalID(someScope); !id.is(ipam.IDScope) || id.is(ipam.IDPool) || parsePhysicalID(somePool+"|"+someCIDR).is(ipam.IDPool) {
		t.Errorf("%s is of another kind", id)
	}
}

// CloudFormation takes an answer to a Delete only with the request's own physical id.
func FuzzPhysicalID(f *testing.F) {
	for _, text := range []string{"", "|", "unfinished:", "unfinished:a|b|c|d", somePool + "|" + someAllocation + "|", "nothing-was-made|"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := parsePhysicalID(text).String(); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
