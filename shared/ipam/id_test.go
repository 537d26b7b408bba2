package ipam_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"pgregory.net/rapid"
)

var idKinds = []ipam.IDKind{ipam.IDIPAM, ipam.IDScope, ipam.IDPool, ipam.IDPoolCIDR, ipam.IDAllocation, ipam.IDDiscovery, ipam.IDDiscoveryAssociation, ipam.IDResolver}

func TestDerivedIDs(t *testing.T) {
	for _, k := range idKinds {
		digits := "17"
		if k == ipam.IDPoolCIDR || k == ipam.IDAllocation {
			digits = "32"
		}
		id := ipam.DeriveID(k, "111122223333", "us-east-1", "CreateIpam", "token")
		if !regexp.MustCompile("^" + string(k) + "-[0-9a-f]{" + digits + "}$").MatchString(id) {
			t.Errorf("an id of kind %s is %s", k, id)
		}
		if ipam.IDKindOf(id) != k || ipam.CheckID(k, "P", id) != nil {
			t.Errorf("%s is taken for one of kind %q: %v", id, ipam.IDKindOf(id), ipam.CheckID(k, "P", id))
		}
		if again := ipam.DeriveID(k, "111122223333", "us-east-1", "CreateIpam", "token"); again != id {
			t.Errorf("the same act gives %s and %s", id, again)
		}
	}
	// The division into parts counts, not only their text.
	if ipam.DeriveID(ipam.IDPool, "ab", "c") == ipam.DeriveID(ipam.IDPool, "a", "bc") || ipam.DeriveID(ipam.IDPool, "a") == ipam.DeriveID(ipam.IDPool, "a", "") {
		t.Error("different acts give the same id")
	}
}

func TestIDKindOf(t *testing.T) {
	for id, want := range map[string]ipam.IDKind{
		"ipam-12345678":                           ipam.IDIPAM,
		"ipam-1234567":                            "", // 7 digits
		"ipam-" + strings.Repeat("a", 33):         ipam.IDIPAM,
		"ipam-" + strings.Repeat("a", 34):         "",
		"ipam-1234567G":                           "",
		"ipam-1234567A":                           "", // upper case
		"ipam":                                    "",
		"":                                        "",
		"-12345678":                               "",
		"vpc-0123456789abcdef0":                   "",
		"ipam-pool-0123456789abcdef0":             ipam.IDPool,
		"ipam-pool-cidr-0123456789abcdef0":        ipam.IDPoolCIDR,
		"ipam-pool-alloc-0123456789abcdef0":       ipam.IDAllocation,
		"ipam-scope-0123456789abcdef0":            ipam.IDScope,
		"ipam-res-disco-0123456789abcdef0":        ipam.IDDiscovery,
		"ipam-res-disco-assoc-0123456789abcdef0":  ipam.IDDiscoveryAssociation,
		" ipam-pool-0123456789abcdef0":            "",
		"ipam-pool-0123456789abcdef0 ":            "",
		"arn:aws:ec2::1:ipam/ipam-12345678":       "",
		"ipam-pool-alloc-0123456789abcdef0\x00aa": "",
	} {
		if got := ipam.IDKindOf(id); got != want {
			t.Errorf("IDKindOf(%q) = %q, want %q", id, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { _ = ipam.IDKindOf(rapid.String().Draw(t, "id")) })
}

func TestErrorsOfIDs(t *testing.T) {
	for _, c := range []struct {
		kind                ipam.IDKind
		malformed, notFound ipam.Code
	}{
		{ipam.IDIPAM, ipam.CodeInvalidIpamIDMalformed, ipam.CodeInvalidIpamIDNotFound},
		{ipam.IDScope, ipam.CodeInvalidScopeIDMalformed, ipam.CodeInvalidScopeIDNotFound},
		{ipam.IDPool, ipam.CodeInvalidPoolIDMalformed, ipam.CodeInvalidPoolIDNotFound},
		{ipam.IDAllocation, ipam.CodeInvalidAllocationIDMalformed, ipam.CodeInvalidAllocationIDNotFound},
		{ipam.IDDiscovery, ipam.CodeInvalidDiscoveryIDMalformed, ipam.CodeInvalidDiscoveryIDNotFound},
		{ipam.IDDiscoveryAssociation, ipam.CodeInvalidAssociationIDMalformed, ipam.CodeInvalidAssociationIDNotFound},
		{ipam.IDResolver, ipam.CodeInvalidResolverIDMalformed, ipam.CodeInvalidResolverIDNotFound},
		{ipam.IDPoolCIDR, ipam.CodeInvalidID, ipam.CodeInvalidID},
	} {
		id := string(c.kind) + "-0123456789abcdef0"
		if err := ipam.NotFound(id); ipam.CodeOf(err) != c.notFound || !strings.Contains(err.Error(), id) {
			t.Errorf("an absent %s is answered with %v", c.kind, err)
		}
		for _, bad := range []string{"", "nonsense", "vpc-0123456789abcdef0", string(c.kind) + "-xyz"} {
			if err := ipam.CheckID(c.kind, "SomeId", bad); ipam.CodeOf(err) != c.malformed || !strings.Contains(err.Error(), "SomeId") {
				t.Errorf("%q as an id of kind %s is answered with %v", bad, c.kind, err)
			}
		}
	}
	if err := ipam.NotFound("nonsense"); ipam.CodeOf(err) != ipam.CodeInvalidID {
		t.Errorf("an id of no kind is answered with %v", err)
	}
}
