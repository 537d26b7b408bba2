package ipam

import (
	"regexp"
	"slices"
	"strings"
)

// Discovery is a resource discovery: the accounts and Regions that Cadastre
// watches.
type Discovery struct {
	Meta
	IPAM             string   // the IPAM that a default discovery was created with, else ""
	OperatingRegions []string // sorted; empty for a default discovery, which has the Regions of its IPAM
	Exclusions       []string // paths of the organisational units that are left out, sorted
	IPAMs            []string // associated IPAMs, sorted
}

// Default reports whether the discovery was created with an IPAM and is deleted
// with it.
func (d *Discovery) Default() bool { return d.IPAM != "" }

// Excludes reports whether the discovery leaves out the accounts directly in an
// organisational unit or root. path is its path and ends in a slash.
func (d *Discovery) Excludes(path string) bool {
	return slices.ContainsFunc(d.Exclusions, func(e string) bool { return excludes(e, path) })
}

// DiscoveryAssociation gives an IPAM the resources that a discovery finds.
type DiscoveryAssociation struct {
	Meta
	IPAM      string
	Discovery string
	Default   bool
	NotFound  bool // the discovery is deleted
}

// DiscoveredAccount is the progress of a discovery in one account and Region.
// Times are Unix milliseconds.
type DiscoveredAccount struct {
	Discovery   string
	Region      string
	Account     string
	OU          string // id of its organisational unit, if known
	Attempted   int64  // start of the last run
	Succeeded   int64  // start of the last complete run; 0: never
	FailureCode string // assume-role-failure, throttling-failure or unauthorized-failure; "" after a complete run
	Failure     string // the failure, and the next step
	Failures    int    // failed runs in a row since the last complete run
	Failing     int64  // start of the first of them; 0 after a complete run
	Departure   Departure
}

// The failures of an account in a Region that need an operator.
const (
	lastingFailures = 3                   // in a row, if a run succeeded before
	lastingMillis   = 24 * 60 * 60 * 1000 // since the first one, if none ever did
)

// Fails sets the failure of a run that began at a.Attempted. known is the progress before
// the run, nil for none. It reports whether the failure lasts: three runs in a row failed
// after one that succeeded, or all runs failed for a day. A new account fails until its
// reader role exists, and EC2 may throttle a single run.
func (a *DiscoveredAccount) Fails(known *DiscoveredAccount, code, message string) (lasts bool) {
	a.FailureCode, a.Failure, a.Failures, a.Failing = code, message, 1, a.Attempted
	succeeded := false
	if known != nil {
		succeeded = known.Succeeded != 0
		if known.Failures > 0 {
			a.Failures, a.Failing = known.Failures+1, known.Failing
		}
	}
	if succeeded {
		return a.Failures >= lastingFailures
	}
	return a.Attempted-a.Failing >= lastingMillis
}

// Departure is the reason why the discovery does not look at an account in a Region
// any more. The resources found there stay recorded, and hold their space,
// until the discovery sees the account again or forgets it: an account that
// nobody looks at may still use its space.
type Departure string

// The reasons of a [Departure].
const (
	NotDeparted     Departure = ""          // the discovery looks at the account
	DepartedAccount Departure = "account"   // the discovery does not watch the account any more
	DepartedRegion  Departure = "region"    // the discovery does not watch the Region any more
	Forgotten       Departure = "forgotten" // the account has left, and its resources are being deleted
)

// unitPath is the path of an organisational unit with its organisation and
// root, in the form of the policy condition key aws:PrincipalOrgPaths. The
// Organizations API reference gives the forms of the ids.
var unitPath = regexp.MustCompile(`^` + organizationPattern + `/` + rootPattern + `/(` + unitPattern + `/)+$`)

// CheckExclusions returns InvalidParameterValue unless each path names an
// organisational unit and no two paths cover the same unit. A path is
// o-…/r-…/ou-…/ for the accounts directly in the unit, or o-…/r-…/ou-…/* for
// those in the units below it too (Amazon VPC IPAM User Guide, "Exclude
// organizational units from IPAM").
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

// excludes reports whether an exclusion covers a unit. unit is its path and
// ends in a slash.
func excludes(exclusion, unit string) bool {
	if above, below := strings.CutSuffix(exclusion, "*"); below {
		return strings.HasPrefix(unit, above)
	}
	return unit == exclusion
}
