package ipam_test

import (
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

func TestCheckExclusions(t *testing.T) {
	const root = "o-a1b2c3d4e5/r-f6g7/"
	const a, b = root + "ou-f6g7-aaaaaaaa/", root + "ou-f6g7-bbbbbbbb/"
	const in, deeper = a + "ou-f6g7-cccccccc/", a + "ou-f6g7-cccccccc/ou-f6g7-dddddddd/"
	const similar = root + "ou-f6g7-aaaaaaaaa/" // begins like a
	for _, c := range []struct {
		name  string
		paths []string
		err   string // part of the refusal
	}{
		{"none", nil, ""},
		{"a unit", []string{a}, ""},
		{"two units", []string{a, b}, ""},
		{"a unit and one in it", []string{a, in}, ""},
		{"a unit, and all below another", []string{b + "*", a}, ""},
		{"all below units with similar names", []string{a + "*", similar + "*"}, ""},
		{"a deep unit's example of the API reference", []string{"o-a1b2c3d4e5/r-f6g7h8i9j0example/ou-ghi0-awsccccc/ou-jkl0-awsddddd/"}, ""},
		{"all below, the example", []string{"o-a1b2c3d4e5/r-f6g7h8i9j0example/ou-ghi0-awsccccc/*"}, ""},
		{"a unit twice", []string{a, a}, "same"},
		{"a unit, and all below it", []string{a, a + "*"}, "same"},
		{"all below a unit, and one in it", []string{a + "*", b, in}, "same"},
		{"a unit deep below another's all", []string{deeper, a + "*"}, "same"},
		{"all below both", []string{in + "*", a + "*"}, "same"},
		{"nothing", []string{""}, "OrganizationsEntityPath"},
		{"the root", []string{root}, "such as"},
		{"all below the root", []string{root + "*"}, "such as"},
		{"no slash at its end", []string{strings.TrimSuffix(a, "/")}, "such as"},
		{"two stars", []string{a + "**"}, "such as"},
		{"a star in the middle", []string{root + "*/"}, "such as"},
		{"an account", []string{a + "111122223333/"}, "such as"},
		{"no organisation", []string{strings.TrimPrefix(a, "o-a1b2c3d4e5/")}, "such as"},
		{"a line after it", []string{a + "\n"}, "such as"},
	} {
		err := ipam.CheckExclusions(c.paths)
		switch {
		case c.err == "" && err != nil, c.err != "" && (ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestExcludes(t *testing.T) {
	const root = "o-a1b2c3d4e5/r-f6g7/"
	const a, in, similar = root + "ou-f6g7-aaaaaaaa/", root + "ou-f6g7-aaaaaaaa/ou-f6g7-cccccccc/", root + "ou-f6g7-aaaaaaaaa/"
	for _, c := range []struct {
		exclusions []string
		path       string
		want       bool
	}{
		{nil, a, false},
		{[]string{a}, a, true},
		{[]string{a}, in, false},
		{[]string{a}, similar, false},
		{[]string{a + "*"}, a, true},
		{[]string{a + "*"}, in, true},
		{[]string{a + "*"}, similar, false},
		{[]string{a + "*"}, root, false},
		{[]string{similar, in}, in, true},
		{[]string{a, in + "*"}, "", false}, // unknown path
	} {
		if got := (&ipam.Discovery{Exclusions: c.exclusions}).Excludes(c.path); got != c.want {
			t.Errorf("%q exclude %q: %t", c.exclusions, c.path, got)
		}
	}
}

// A failure lasts if three runs in a row fail after one that succeeded, or if all runs of a
// day fail. A complete run ends it.
func TestLastingFailures(t *testing.T) {
	const minute, hour = 60_000, 3_600_000
	for _, c := range []struct {
		name  string
		runs  []int64 // times of runs, Unix milliseconds; negative for a run that succeeds
		lasts bool
	}{
		{"the first run of a new account", []int64{5 * minute}, false},
		{"an hour of a new account", []int64{1, 5 * minute, 10 * minute, 15 * minute, hour}, false},
		{"a day of a new account, less a moment", []int64{1, 24 * hour}, false},
		{"a day of a new account", []int64{1, 24*hour + 1}, true},
		{"one failure after a success", []int64{-1, 5 * minute}, false},
		{"two failures after a success", []int64{-1, 5 * minute, 10 * minute}, false},
		{"three failures after a success", []int64{-1, 5 * minute, 10 * minute, 15 * minute}, true},
		{"a success between failures", []int64{-1, 5 * minute, 10 * minute, -15 * minute, 20 * minute}, false},
		{"two failures that are a day apart after a success", []int64{-1, hour, 26 * hour}, false},
	} {
		var known *ipam.DiscoveredAccount
		lasts := false
		for _, at := range c.runs {
			a := ipam.DiscoveredAccount{Attempted: max(at, -at)}
			if lasts = false; at < 0 {
				a.Succeeded = -at
			} else {
				lasts = a.Fails(known, "assume-role-failure", "no such role")
				if known != nil {
					a.Succeeded = known.Succeeded // as the store keeps it
				}
			}
			known = &a
		}
		if lasts != c.lasts {
			t.Errorf("%s: the failure lasts: %t, want %t", c.name, lasts, c.lasts)
		}
	}
}
