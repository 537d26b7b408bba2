package ipam

import (
	"regexp"
	"slices"
	"strings"
)

// Discovery is a resource discovery: which accounts and Regions are watched.
type Discovery struct {
	Meta
	IPAM             string   // of a default one, the IPAM that it was born with
	OperatingRegions []string // sorted; of a default one, those of its IPAM, and this is empty
	Exclusions       []string // paths of organisational units whose accounts are left out, sorted
	IPAMs            []string // that it is associated with, sorted
}

// Default reports whether it was born with an IPAM and goes with it.
func (d *Discovery) Default() bool { return d.IPAM != "" }

// Excludes reports whether the discovery leaves the accounts out that are right
// in the organisational unit, or root, with the path, which ends in a slash.
func (d *Discovery) Excludes(path string) bool {
	return slices.ContainsFunc(d.Exclusions, func(e string) bool { return excludes(e, path) })
}

// DiscoveryAssociation lets an IPAM see what a discovery finds.
type DiscoveryAssociation struct {
	Meta
	IPAM      string
	Discovery string
	Default   bool
	NotFound  bool // the discovery is gone
}

// DiscoveredAccount is how far the discovery of one account in one Region is.
// Times are Unix milliseconds.
type DiscoveredAccount struct {
	Discovery   string
	Region      string
	Account     string
	OU          string // id of the organisational unit that it is in, if known
	Attempted   int64  // when the last run began
	Succeeded   int64  // when the last complete run began; 0: never
	FailureCode string // assume-role-failure, throttling-failure or unauthorized-failure; "" after a complete run
	Failure     string // what went wrong and what to do
	Left        Leave
}

// Leave says whether, and why, an account is not looked at in a Region any
// more. What was found there is kept, with its space, until it is seen again or
// forgotten: that it is not looked at does not say that it is gone.
type Leave string

// The reasons.
const (
	Stays       Leave = ""          // it is looked at
	LeftAccount Leave = "account"   // the account is none of those that the discovery watches
	LeftRegion  Leave = "region"    // the Region is none of those
	Forgotten   Leave = "forgotten" // it had left, and what was found there is being forgotten
)

// unitPath is the path of an organisational unit, with its organisation and
// root, as the policy condition key aws:PrincipalOrgPaths has it. The forms of
// its ids are those of the Organizations API reference.
var unitPath = regexp.MustCompile(`^` + organizationPattern + `/` + rootPattern + `/(` + unitPattern + `/)+$`)

// CheckExclusions returns InvalidParameterValue unless each path is one of an
// organisational unit — o-…/r-…/ou-…/ for the accounts right in it, or
// o-…/r-…/ou-…/* for those in the units below too — and no two cover the same
// unit (Amazon VPC IPAM User Guide, "Exclude organizational units from IPAM").
func CheckExclusions(paths []string) error {
	for i, p := range paths {
		unit := strings.TrimSuffix(p, "*")
		if !unitPath.MatchString(unit) {
			return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter OrganizationsEntityPath is invalid. Use the path of an organizational unit, such as o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/ for the accounts right in it, or with * at its end for those in the units below it too.", p)
		}
		for _, q := range paths[:i] {
			if excludes(p, strings.TrimSuffix(q, "*")) || excludes(q, unit) {
				return Errorf(CodeInvalidParameterValue, "The exclusions %s and %s cover the same organizational unit. Remove one of them.", q, p)
			}
		}
	}
	return nil
}

// excludes reports whether an exclusion covers the unit with the path, which
// ends in a slash.
func excludes(exclusion, unit string) bool {
	if above, below := strings.CutSuffix(exclusion, "*"); below {
		return strings.HasPrefix(unit, above)
	}
	return unit == exclusion
}
