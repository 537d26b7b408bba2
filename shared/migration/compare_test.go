package migration_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// Each change of a deployment is one difference, which names the object.
func TestCompare(t *testing.T) {
	read := func() *migration.Deployment {
		d := withIDs(t, content)
		d.Live[d.Scopes[0].ID] = []migration.Live{
			{CIDR: netip.MustParsePrefix("10.0.16.0/20"), Type: "vpc", ID: "vpc-1", PoolID: d.Scopes[0].Pools[1].ID, Management: "managed", Compliance: "compliant", Overlap: "nonoverlapping"},
			{CIDR: netip.MustParsePrefix("172.31.0.0/16"), Type: "vpc", ID: "vpc-2", Management: "unmanaged"},
		}
		return d
	}
	same := read()
	same.HomeRegion, same.Live[same.Scopes[0].ID][1].Management = "us-east-1", "ignored" // a default VPC
	if differences := migration.Compare(read(), same); len(differences) > 0 {
		t.Errorf("equal deployments differ: %v", differences)
	}
	for object, change := range map[string]func(*migration.Deployment){
		"IPAM description":                func(d *migration.Deployment) { d.IPAM.Description = "" },
		"IPAM tag Name":                   func(d *migration.Deployment) { d.IPAM.Tags = ipam.Tags{"Name": "", "a=b;c\\": " spaces \n"} },
		"resource discovery tag team":     func(d *migration.Deployment) { d.IPAM.DiscoveryTags = nil },
		"operating Region ap-south-1":     func(d *migration.Deployment) { d.IPAM.OperatingRegions = append(d.IPAM.OperatingRegions, "ap-south-1") },
		"excluded unit o-a1b2c3d4e5/":     func(d *migration.Deployment) { d.IPAM.ExcludedUnits = nil },
		"scope lab description":           func(d *migration.Deployment) { d.Scopes[2].Description = "x" },
		"scope #nameless":                 func(d *migration.Deployment) { d.Scopes = d.Scopes[:3] },
		"pool private/top description":    func(d *migration.Deployment) { d.Scopes[0].Pools[0].Description = "x" },
		"pool private/top minimum length": func(d *migration.Deployment) { d.Scopes[0].Pools[0].MinLength = nil },
		"pool private/#eu locale":         func(d *migration.Deployment) { d.Scopes[0].Pools[1].Locale = "" },
		"pool private/#eu resource tag a": func(d *migration.Deployment) { delete(d.Scopes[0].Pools[1].RuleTags, "a") },
		"pool private/#eu share o-a1b2c3d4e5": func(d *migration.Deployment) {
			d.Scopes[0].Pools[1].Shares = []string{"444455556666", "ou-f6g7-h8i9j0k1"}
		},
		"pool private/top 11.0.0.0/16":               func(d *migration.Deployment) { d.Scopes[0].Pools[0].CIDRs = d.Scopes[0].Pools[0].CIDRs[:1] },
		"allocation private/#eu 10.0.2.0/23":         func(d *migration.Deployment) { delete(d.Scopes[0].Pools[1].Allocations[2].Tags, "x") },
		"allocation lab/top 10.0.0.0/24 description": func(d *migration.Deployment) { d.Scopes[2].Pools[0].Allocations[0].Description = "x" },
		"resource private/10.0.16.0/20 vpc-1":        func(d *migration.Deployment) { d.Live[d.Scopes[0].ID][0].Compliance = "noncompliant" },
	} {
		changed := read()
		change(changed)
		differences := migration.Compare(read(), changed)
		if len(differences) != 1 || !strings.HasPrefix(differences[0].Object, object) || differences[0].A == differences[0].B {
			t.Errorf("%s: differences %+v", object, differences)
		}
	}
}

// VPCs are ignored, monitored again and moved to another scope, which frees their space.
func TestResources(t *testing.T) {
	e := newEnv(t)
	e.importAll(readCSV(t, "type,scope,pool,cidr\nipam,,,\nscope,lab,,\npool,,corp,10.0.0.0/8\n"))
	see := func(id, cidr string) {
		e.Observe(t, ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix(cidr), Owner: member, Region: home})
	}
	see("vpc-1", "10.1.0.0/16")
	see("vpc-2", "10.2.0.0/16")
	const rows = "type,scope,cidr,resource_id,locale,ignored\nresource,,10.1.0.0/16,vpc-1,eu-west-1,true\nresource,lab,10.2.0.0/16,vpc-2,eu-west-1,\n"
	if plan, err := e.importer().Plan(t.Context(), readCSV(t, "cidr\n10.1.0.0/24\n10.2.0.0/24\n")); err != nil || len(plan.Findings) != 2 || plan.Findings[0].Kind != migration.KindLive {
		t.Errorf("%+v, %v", plan, err)
	}
	if result := e.importAll(readCSV(t, rows+",,10.1.0.0/24,,,\n,,10.2.0.0/24,,,\n")); result.Done != 4 {
		t.Errorf("%d steps", result.Done)
	}
	e.clean()
	first := exportCSV(t, &e.read().Document)
	if !strings.Contains(first, "resource,private,,,10.1.0.0/16,") || !strings.Contains(first, "resource,lab,,,10.2.0.0/16,") {
		t.Errorf("exported %s", first)
	}
	if result := e.importAll(readCSV(t, first)); result.Done != 0 {
		t.Errorf("%d steps of the export", result.Done)
	}
	if result := e.importAll(readCSV(t, strings.Replace(rows, "eu-west-1,true", "eu-west-1,", 1))); result.Done != 1 || strings.Contains(exportCSV(t, &e.read().Document), "vpc-1") {
		t.Errorf("%d steps", result.Done)
	}
	document, findings, err := migration.ReadCSV(strings.NewReader(rows+"resource,,10.1.0.0/16,vpc-1,eu-west-1,true\nresource,,10.9.0.0/16,vpc-9,eu-west-1,true\nresource,,10.1.0.1/16,vpc-1,eu-west-1,\nresource,,10.1.0.0/16,,,\n"), migration.Mapping{})
	if err != nil || len(findings) != 1 || findings[0].Line != 7 {
		t.Errorf("findings %v, %v", findings, err)
	}
	plan, err := e.importer().Plan(t.Context(), document)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, f := range plan.Findings {
		kinds = append(kinds, string(f.Kind))
	}
	if strings.Join(kinds, " ") != "duplicate not-seen host-bits" || len(plan.Steps) != 1 {
		t.Errorf("findings %v, steps %v", plan.Findings, plan.Steps)
	}
}
