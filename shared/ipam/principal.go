package ipam

import "regexp"

// PrincipalKind is the kind of a [Principal].
type PrincipalKind uint8

// The kinds of principals. The zero PrincipalKind is none.
const (
	PrincipalAccount PrincipalKind = iota + 1
	PrincipalUnit                  // an organizational unit
	PrincipalOrganization
)

// Principal is an account, an organizational unit or an organisation: everything
// that a pool can be shared with.
type Principal struct {
	Kind PrincipalKind
	ID   string // 12 digits, ou-… or o-…
}

// AccountPattern is the regular expression of an account's id; see [IsAccountID].
const AccountPattern = `[0-9]{12}`

// The forms of ids in the Organizations API reference.
const (
	organizationPattern = `o-[a-z0-9]{10,32}`
	rootPattern         = `r-[a-z0-9]{4,32}`
	unitPattern         = `ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}`
)

var (
	principalID  = regexp.MustCompile(`^(?:(` + AccountPattern + `)|(` + unitPattern + `)|(` + organizationPattern + `))$`)
	principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:organizations::` + AccountPattern + `:(?:ou/` + organizationPattern + `/(` + unitPattern + `)|organization/(` + organizationPattern + `))$`)
)

// ParsePrincipal reads the id of an account, an organizational unit or an
// organisation, or the ARN of one of the latter two. It returns false for any other
// text.
func ParsePrincipal(s string) (Principal, bool) {
	if m := principalID.FindStringSubmatch(s); m != nil {
		for i, kind := range []PrincipalKind{PrincipalAccount, PrincipalUnit, PrincipalOrganization} {
			if m[i+1] != "" {
				return Principal{kind, s}, true
			}
		}
	}
	switch m := principalARN.FindStringSubmatch(s); {
	case m == nil:
		return Principal{}, false
	case m[1] != "":
		return Principal{PrincipalUnit, m[1]}, true
	default:
		return Principal{PrincipalOrganization, m[2]}, true
	}
}

// PrincipalKindOf returns the kind of the principal with an id, and the zero
// PrincipalKind for a text that is no such id. An ARN is no id.
func PrincipalKindOf(id string) PrincipalKind {
	if p, ok := ParsePrincipal(id); ok && p.ID == id {
		return p.Kind
	}
	return 0
}

// IsAccountID reports whether s is the id of an account: 12 digits.
func IsAccountID(s string) bool { return PrincipalKindOf(s) == PrincipalAccount }
