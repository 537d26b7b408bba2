package ipam_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestParsePrincipal(t *testing.T) {
	const account, unit, organization = "111122223333", "ou-f6g7-h8i9j0k1", "o-a1b2c3d4e5"
	for s, want := range map[string]ipam.Principal{
		account:      {Kind: ipam.PrincipalAccount, ID: account},
		unit:         {Kind: ipam.PrincipalUnit, ID: unit},
		organization: {Kind: ipam.PrincipalOrganization, ID: organization},
		"ou-" + strings.Repeat("a", 32) + "-" + strings.Repeat("b", 32):               {Kind: ipam.PrincipalUnit, ID: "ou-" + strings.Repeat("a", 32) + "-" + strings.Repeat("b", 32)},
		"arn:aws:organizations::111122223333:ou/o-a1b2c3d4e5/ou-f6g7-h8i9j0k1":        {Kind: ipam.PrincipalUnit, ID: unit},
		"arn:aws-us-gov:organizations::111122223333:ou/o-a1b2c3d4e5/ou-f6g7-h8i9j0k1": {Kind: ipam.PrincipalUnit, ID: unit},
		"arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5":               {Kind: ipam.PrincipalOrganization, ID: organization},
	} {
		got, ok := ipam.ParsePrincipal(s)
		if !ok || got != want {
			t.Errorf("%s: %v, %v; want %v", s, got, ok, want)
		}
		if kind := ipam.PrincipalKindOf(s); (kind == want.Kind) != (s == want.ID) {
			t.Errorf("PrincipalKindOf(%s) = %d", s, kind)
		}
		if got, want := ipam.IsAccountID(s), s == account; got != want {
			t.Errorf("IsAccountID(%s) = %v", s, got)
		}
	}
	for _, s := range []string{
		"", "11112222333", "1111222233334", "11112222333a", "١١١١٢٢٢٢٣٣٣٣", "111122223333\n", " 111122223333",
		"o-a1b2c3d4e", "o-" + strings.Repeat("a", 33), "O-a1b2c3d4e5", "o-a1b2c3d4e5/", "r-f6g7",
		"ou-f6g-h8i9j0k1", "ou-f6g7-h8i9j0k", "ou-f6g7", "ou-f6g7-h8i9j0k1-", "ou-f6g7-h8i9j0k1\n",
		"arn:aws:organizations::111122223333:ou/ou-f6g7-h8i9j0k1", "arn:aws:organizations::111122223333:account/o-a1b2c3d4e5/111122223333",
		"arn:aws:organizations::111122223333:organization/ou-f6g7-h8i9j0k1", "arn:aws:iam::111122223333:root", "xarn:aws:organizations::111122223333:organization/o-a1b2c3d4e5",
	} {
		if got, ok := ipam.ParsePrincipal(s); ok || got != (ipam.Principal{}) {
			t.Errorf("%q was read as %v", s, got)
		}
		if ipam.PrincipalKindOf(s) != 0 || ipam.IsAccountID(s) {
			t.Errorf("%q has a kind", s)
		}
	}
}
