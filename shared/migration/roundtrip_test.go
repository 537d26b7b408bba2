package migration_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// content has one of everything that an export can have, with names that are equal, or
// missing, and texts that spreadsheets and delimiters make difficult.
const content = `{
  "format": "cadastre-ipam-1",
  "ipam": {
    "description": "=of the \"network\" team;", "tags": {"Name": "main", "a=b;c\\": " spaces \n"}, "operatingRegions": ["eu-west-1", "us-east-1"],
    "meteredAccount": "resource-owner", "enablePrivateGua": true, "excludedUnits": ["o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"], "discoveryTags": {"team": "net"}
  },
  "scopes": [
    {"name": "private", "description": "the default", "tags": {"Name": "private"}, "pools": [
      {"name": "top", "family": "ipv4", "cidrs": ["10.0.0.0/8", "11.0.0.0/16"], "description": "- all\r\nof it, \"quoted\"", "minNetmaskLength": 8, "maxNetmaskLength": 32,
       "allocations": [{"cidr": "10.255.0.0/16", "description": "on premises", "tags": {"Name": "dc1", "cadastre:stable-key": "dc1"}}]},
      {"name": "#eu", "source": "top", "family": "ipv4", "locale": "eu-west-1", "autoImport": true, "cidrs": ["10.0.0.0/12"], "defaultNetmaskLength": 24,
       "resourceTags": {"env": "prod", "a": ""}, "shares": ["444455556666", "o-a1b2c3d4e5", "ou-f6g7-h8i9j0k1"], "tags": {"Name": ""},
       "allocations": [{"cidr": "10.0.0.0/24"}, {"cidr": "10.0.1.0/32", "description": "'one host"}, {"cidr": "10.0.2.0/23", "tags": {"x": "1"}}]},
      {"name": "#us", "source": "top", "family": "ipv4", "locale": "us-east-1", "cidrs": ["10.16.0.0/12"], "tags": {"Name": "twin"}, "allocations": [{"cidr": "10.16.0.0/24"}]},
      {"name": "#us2", "source": "top", "family": "ipv4", "locale": "us-east-1", "tags": {"Name": "twin"}},
      {"name": "#us3", "source": "top", "family": "ipv4", "locale": "us-east-1", "tags": {"Name": "twin"}},
      {"name": "#us4", "source": "top", "family": "ipv4", "locale": "us-east-1", "tags": {"Name": "twin"}, "description": "another"},
      {"name": "#us5", "source": "top", "family": "ipv4", "locale": "us-east-1", "tags": {"Name": "twin"}, "minNetmaskLength": 20},
      {"name": "under", "source": "#us5", "family": "ipv4", "tags": {"Name": "twin"}},
      {"name": "deep", "source": "#us", "family": "ipv4", "cidrs": ["10.16.16.0/20"]},
      {"name": "six", "family": "ipv6", "cidrs": ["fd80::/16", "2001:db8::/32"], "allocations": [{"cidr": "2001:db8::/64"}, {"cidr": "fd80::1/128"}]}
    ]},
    {"name": "public", "pools": [{"name": "pub", "family": "ipv6", "locale": "eu-west-1", "awsService": "ec2", "publicIpSource": "byoip", "publiclyAdvertisable": false, "description": "no space yet"}]},
    {"name": "lab", "description": "overlapping networks", "pools": [
      {"name": "top", "family": "ipv4", "cidrs": ["10.0.0.0/8"], "allocations": [{"cidr": "10.0.0.0/24", "description": "the same as in private, ${no} %{template}"}]}]},
    {"name": "#nameless"}
  ]
}`

// An export that is imported into an empty deployment gives the same export, in each
// format, and the table is in order.
func TestExportImportExport(t *testing.T) {
	first := newEnv(t)
	plan, err := first.importer().Plan(t.Context(), readJSON(t, content))
	if err != nil {
		t.Fatal(err)
	}
	if result := first.importAll(readJSON(t, content)); result.Done != len(plan.Steps) {
		t.Errorf("%d steps done, and %d were planned", result.Done, len(plan.Steps))
	}
	first.clean()
	asJSON, asCSV := exportJSON(t, &first.read().Document), exportCSV(t, &first.read().Document)
	for _, c := range []struct {
		name string
		from func(e *env)
	}{
		{"JSON", func(e *env) { e.importAll(readJSON(t, asJSON)) }},
		{"CSV", func(e *env) { e.importAll(readCSV(t, asCSV)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t)
			c.from(e)
			e.clean()
			if diff := cmp.Diff(asJSON, exportJSON(t, &e.read().Document)); diff != "" {
				t.Errorf("the JSON differs (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(asCSV, exportCSV(t, &e.read().Document)); diff != "" {
				t.Errorf("the CSV differs (-first +second):\n%s", diff)
			}
			calls := e.Calls()
			if again := e.importAll(readJSON(t, asJSON)); again.Done != 0 {
				t.Errorf("a second import does %d steps, after %d calls", again.Done, calls)
			}
		})
	}
}
