package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

const (
	root     = "o-a1b2c3d4e5/r-f6g7/"
	unitA    = root + "ou-f6g7-aaaaaaaa/"
	unitInA  = unitA + "ou-f6g7-cccccccc/"
	inA, inC = "222233334444", "333344445555"
)

// organization has an account at the root, one in a unit, one in a nested unit,
// and two that have left or are not active yet.
func organization(paths bool) *discovertest.Cloud {
	c := &discovertest.Cloud{
		Members: []discovertest.Member{
			{ID: inC, Parent: "ou-f6g7-cccccccc", Paths: []string{unitInA + inC + "/"}},
			{ID: inA, Parent: "ou-f6g7-aaaaaaaa", Paths: []string{unitA + inA}},
			{ID: discovertest.Owner, Parent: "r-f6g7", Paths: []string{root + discovertest.Owner + "/"}},
			{ID: "444455556666", Parent: "r-f6g7", State: "SUSPENDED"},
			{ID: "555566667777", Parent: "r-f6g7", State: "PENDING_ACTIVATION"},
		},
		Parents: map[string]string{"ou-f6g7-cccccccc": "ou-f6g7-aaaaaaaa", "ou-f6g7-aaaaaaaa": "r-f6g7"},
	}
	if !paths {
		for i := range c.Members {
			c.Members[i].Paths = nil
		}
	}
	return c
}

func directory(t *testing.T, c *discovertest.Cloud, setting string, now func() time.Time) *discover.Directory {
	t.Helper()
	d, err := discover.NewDirectory(setting, discovertest.Owner, organizations.NewFromConfig(c.Config()), now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestMembers(t *testing.T) {
	want := []discover.Account{
		{ID: discovertest.Owner, Path: root},
		{ID: inA, OU: "ou-f6g7-aaaaaaaa", Path: unitA},
		{ID: inC, OU: "ou-f6g7-cccccccc", Path: unitInA},
	}
	for _, paths := range []bool{true, false} {
		for _, size := range []int{0, 1, 2} {
			c := organization(paths)
			c.PageSize = size
			got, err := discover.Members(t.Context(), organizations.NewFromConfig(c.Config()))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("paths %t, pages of %d, -got +want:\n%s", paths, size, diff)
			}
			parents := 0
			for _, m := range c.Made {
				if m.Name == "ListParents" {
					parents++
				}
			}
			if most := map[bool]int{true: 0, false: 5}[paths]; parents != most { // three accounts, two units
				t.Errorf("paths %t: %d calls of ListParents, want %d", paths, parents, most)
			}
		}
	}
}

// An incomplete list is an error.
func TestMembersFailAsAWhole(t *testing.T) {
	trace := organization(false)
	trace.PageSize = 2
	if _, err := discover.Members(t.Context(), organizations.NewFromConfig(trace.Config())); err != nil {
		t.Fatal(err)
	}
	for _, fails := range slices.Compact(trace.Made) {
		c := organization(false)
		c.PageSize = 2
		c.Fault = func(m discovertest.Call) *discovertest.Fault {
			if m == fails {
				return &discovertest.Fault{Status: 400, Code: "TooManyRequestsException"}
			}
			return nil
		}
		if got, err := discover.Members(t.Context(), organizations.NewFromConfig(c.Config())); err == nil || got != nil {
			t.Errorf("%s: %v, %v", fails, got, err)
		}
	}
	c := organization(false)
	delete(c.Parents, "ou-f6g7-aaaaaaaa")
	if got, err := discover.Members(t.Context(), organizations.NewFromConfig(c.Config())); err == nil {
		t.Errorf("a unit without a parent: %v", got)
	}
}

// A path of another form is ignored: ListParents gives the path.
func TestMembersIgnorePathsOfAnotherForm(t *testing.T) {
	for _, path := range []string{"", "/", "r-f6g7/" + inA, root + "team/" + inA, unitA + "2222"} {
		c := organization(true)
		c.Members[1].Paths = []string{path}
		got, err := discover.Members(t.Context(), organizations.NewFromConfig(c.Config()))
		if err != nil || got[1].Path != unitA {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
}

func TestDirectoryReadsItsSetting(t *testing.T) {
	for setting, want := range map[string][]string{
		"":                             {discovertest.Owner},
		inC + ", " + inA + "," + inA:   {discovertest.Owner, inA, inC},
		discovertest.Owner + "," + inA: {discovertest.Owner, inA},
		discover.EveryAccount:          {discovertest.Owner, inA, inC},
	} {
		all, err := directory(t, organization(true), setting, time.Now).Accounts(t.Context())
		var got []string
		for _, a := range all {
			got = append(got, a.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", setting, got, err, want)
		}
	}
	for _, setting := range []string{"organisation", "1234", inA + ";" + inC} {
		if _, err := discover.NewDirectory(setting, discovertest.Owner, nil, time.Now); err == nil || !strings.Contains(err.Error(), "12 digits") {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

// The owner is watched even if the list does not contain it.
func TestDirectoryAlwaysHasTheOwner(t *testing.T) {
	c := organization(true)
	c.Members = c.Members[:2]
	all, err := directory(t, c, discover.EveryAccount, time.Now).Accounts(t.Context())
	if err != nil || len(all) != 3 || all[0].ID != discovertest.Owner {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestDirectoryKeepsMembersForAWhile(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := organization(true)
	d := directory(t, c, discover.EveryAccount, func() time.Time { return now })
	count := func(want int) {
		t.Helper()
		if all, err := d.Accounts(t.Context()); err != nil || len(all) != want {
			t.Errorf("%+v, %v; want %d", all, err, want)
		}
	}
	count(3)
	c.Members = append(c.Members, discovertest.Member{ID: "666677778888", Paths: []string{root + "666677778888/"}})
	now = now.Add(5*time.Minute - 1)
	count(3)
	now = now.Add(1)
	count(4)
	c.Members = c.Members[:len(c.Members)-1]
	count(4)
	d.Renew()
	count(3)
}

func TestDirectoryMeetsAnAccountThatJoined(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := organization(true)
	d := directory(t, c, discover.EveryAccount, func() time.Time { return now })
	meet := func(account string, accounts, lists int) {
		t.Helper()
		made := len(c.Made)
		if err := d.Meet(t.Context(), account); err != nil {
			t.Error(err)
		}
		if n := len(c.Made) - made; n != lists {
			t.Errorf("Meet made %d calls; want %d", n, lists)
		}
		if all, err := d.Accounts(t.Context()); err != nil || len(all) != accounts {
			t.Errorf("%+v, %v; want %d", all, err, accounts)
		}
	}
	const joined = "666677778888"
	meet(inA, 3, 1)
	c.Members = append(c.Members, discovertest.Member{ID: joined, Paths: []string{root + joined + "/"}})
	now = now.Add(10*time.Second - 1)
	meet(joined, 3, 0)
	now = now.Add(1)
	meet(inA, 3, 0)
	meet(joined, 4, 1)
	now = now.Add(10 * time.Second)
	meet(joined, 4, 0)

	if err := d.Exclude("777788889999"); err != nil {
		t.Fatal(err)
	}
	meet("777788889999", 4, 0)
}

func TestWatched(t *testing.T) {
	dir := directory(t, organization(true), discover.EveryAccount, time.Now)
	for _, c := range []struct {
		owner      string
		exclusions []string
		want       []string
	}{
		{discovertest.Owner, nil, []string{discovertest.Owner, inA, inC}},
		{discovertest.Owner, []string{unitA}, []string{discovertest.Owner, inC}},
		{discovertest.Owner, []string{unitA + "*"}, []string{discovertest.Owner}},
		{discovertest.Owner, []string{unitInA + "*"}, []string{discovertest.Owner, inA}},
		{discovertest.Owner, []string{root}, []string{discovertest.Owner, inA, inC}}, // never itself
		{"777788889999", nil, []string{"777788889999"}},
	} {
		all, err := discover.Watched(t.Context(), &ipam.Discovery{Meta: ipam.Meta{Owner: c.owner}, Exclusions: c.exclusions}, discovertest.Owner, dir)
		var got []string
		for _, a := range all {
			got = append(got, a.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s without %q: %q, %v; want %q", c.owner, c.exclusions, got, err, c.want)
		}
	}
}

func TestRegions(t *testing.T) {
	ipams := []*ipam.IPAM{{Meta: ipam.Meta{ID: "ipam-1"}, OperatingRegions: []string{"us-east-1"}}, {Meta: ipam.Meta{ID: "ipam-2"}, OperatingRegions: []string{"eu-west-1"}}}
	for _, c := range []struct {
		d    ipam.Discovery
		want []string
	}{
		{ipam.Discovery{IPAM: "ipam-2"}, []string{"eu-west-1"}},
		{ipam.Discovery{IPAM: "ipam-3"}, nil}, // its IPAM is being deleted
		{ipam.Discovery{OperatingRegions: []string{"ap-south-1"}}, []string{"ap-south-1"}},
	} {
		if got := discover.Regions(&c.d, ipams); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c.d, got)
		}
	}
}

func TestClientsAssumeOncePerAccount(t *testing.T) {
	c := cloud()
	clients := discover.NewClients(c.Config(), "cadastre-reader", 1)
	assumed := func(want int) {
		t.Helper()
		n := 0
		for _, m := range c.Made {
			if m.Name == "AssumeRole" {
				n++
			}
		}
		if n != want {
			t.Errorf("the role was assumed %d times, want %d", n, want)
		}
	}
	for _, region := range []string{"us-east-1", "eu-west-1", "us-east-1"} {
		e, err := clients.EC2(t.Context(), account, region)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := discover.Read(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if last := c.Made[len(c.Made)-1]; last.Account != account || last.Region != region {
			t.Errorf("%s was asked", last)
		}
	}
	assumed(1)
	clients.Forget(account)
	if _, err := clients.EC2(t.Context(), account, region); err != nil {
		t.Fatal(err)
	}
	assumed(2)
	if first := c.Made[0]; fmt.Sprint(first) != "sts.AssumeRole page 0 in us-east-1 of "+discovertest.Owner {
		t.Errorf("the role was assumed by %s", first)
	}
}

func TestFailureOfAssuming(t *testing.T) {
	for _, f := range []struct {
		name  string
		fault *discovertest.Fault
		code  string
		says  string
	}{
		{"no role", nil, discover.AssumeRoleFailure, "arn:aws:iam::999900001111:role/cadastre-reader"},
		{"Region not activated", &discovertest.Fault{Status: 403, Code: "RegionDisabledException"}, discover.AssumeRoleFailure, "RegionDisabledException"},
		{"throttled", &discovertest.Fault{Status: 400, Code: "Throttling"}, discover.ThrottlingFailure, "Throttling"},
		{"broken", &discovertest.Fault{Status: 503, Code: "ServiceUnavailable"}, discover.ThrottlingFailure, "next run"},
	} {
		c := cloud()
		c.Fault = func(discovertest.Call) *discovertest.Fault { return f.fault }
		_, err := discover.NewClients(c.Config(), "cadastre-reader", 1).EC2(t.Context(), "999900001111", region)
		got := discover.FailureOf(err)
		if got == nil || got.Code != f.code || !strings.Contains(got.Message, f.says) {
			t.Errorf("%s: %+v of %v", f.name, got, err)
		}
	}
	if got := discover.FailureOf(nil); got != nil {
		t.Errorf("success is %+v", got)
	}
	if got := discover.FailureOf(fmt.Errorf("the table does not answer")); got != nil {
		t.Errorf("a failure of another kind is %+v", got)
	}
}

func TestRoleIsInTheRegionsPartition(t *testing.T) {
	for region, want := range map[string]string{"us-gov-west-1": "arn:aws-us-gov:", "cn-north-1": "arn:aws-cn:", "eusc-de-east-1": "arn:aws-eusc:", "us-west-2": "arn:aws:"} {
		_, err := discover.NewClients((&discovertest.Cloud{}).Config(), "r", 1).EC2(t.Context(), account, region)
		if err == nil || !strings.Contains(err.Error(), want+"iam::"+account+":role/r") {
			t.Errorf("%s: %v", region, err)
		}
	}
}

// Excluded accounts are left out of the organisation's, but never the owner.
func TestExcludedAccounts(t *testing.T) {
	c := organization(true)
	d := directory(t, c, discover.EveryAccount, time.Now)
	if err := d.Exclude(inA + ", " + discovertest.Owner); err != nil {
		t.Fatal(err)
	}
	got, err := d.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, []discover.Account{{ID: discovertest.Owner, Path: root}, {ID: inC, OU: "ou-f6g7-cccccccc", Path: unitInA}}); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if err := d.Exclude("o-a1b2c3d4e5"); err == nil || !strings.Contains(err.Error(), "is no account id") {
		t.Errorf("an organisation is excluded: %v", err)
	}
}
