package migration_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// deployment returns the content of a deployment without a server: that of the document,
// with ids.
func deployment(t testing.TB, document string) *migration.Deployment {
	t.Helper()
	d := &migration.Deployment{Document: *readJSON(t, document), Account: account, HomeRegion: home, Quotas: ipam.DefaultQuotas(), Taken: map[string][]migration.Taken{}, Live: map[string][]migration.Live{}}
	d.IPAM.ID = "ipam-1"
	for _, s := range d.Scopes {
		s.ID = "ipam-scope-" + s.Name
		for _, p := range s.Pools {
			p.ID = "ipam-pool-" + p.Name
			for i, a := range p.Allocations {
				a.ID = fmt.Sprint("ipam-pool-alloc-", p.Name, i)
			}
		}
	}
	return d
}

const present = `{"format": "cadastre-ipam-1", "ipam": {"operatingRegions": ["eu-west-1", "us-east-1"]}, "scopes": [
	{"name": "private", "pools": [
		{"name": "corp", "family": "ipv4", "cidrs": ["10.0.0.0/8"], "minNetmaskLength": 16, "maxNetmaskLength": 28, "shares": ["444455556666"], "tags": {"Name": "corp"},
		 "allocations": [{"cidr": "10.1.0.0/16", "description": "held"}]},
		{"name": "child", "source": "corp", "family": "ipv4", "locale": "us-east-1", "cidrs": ["10.8.0.0/16"], "tags": {"Name": "child"}},
		{"name": "six", "family": "ipv6", "cidrs": ["fd80::/16"], "tags": {"Name": "six"}}]},
	{"name": "public"}]}`

// Each line of a file that cannot be taken has one finding, which names the obstacle and
// the next step.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name, columns, row string
		kind               migration.Kind // "" for a line without a finding
		words              string
	}{
		{"in a pool that is named", "pool,cidr", "corp,10.2.0.0/16", "", ""},
		{"in the smallest CIDR over it", "cidr", "10.8.1.0/24", "", ""},
		{"equal to an allocation of the deployment", "cidr,description", "10.1.0.0/16,held", "", ""},
		{"another description than the deployment's", "cidr,description", "10.1.0.0/16,other", migration.KindDiffers, "description"},
		{"another account than the deployment's", "cidr,description,account", "10.1.0.0/16,held," + member, migration.KindDiffers, "account"},
		{"no CIDR", "cidr,description", ",x", migration.KindCIDR, "no CIDR"},
		{"no netmask length", "cidr", "10.2.0.0", migration.KindCIDR, "10.2.0.0/32"},
		{"a date", "cidr", "10. Aug", migration.KindCIDR, "spreadsheet"},
		{"a number", "cidr", "1.02E+08", migration.KindCIDR, "spreadsheet"},
		{"a name", "cidr", "example.com", migration.KindCIDR, "address/length"},
		{"too long a length", "cidr", "10.2.0.0/33", migration.KindCIDR, "no CIDR"},
		{"host bits", "cidr", "10.2.0.7/24", migration.KindHostBits, "10.2.0.0/24"},
		{"inside an allocation", "cidr", "10.1.7.0/24", migration.KindOverlap, "10.1.0.0/16, which is the allocation ipam-pool-alloc-corp0"},
		{"around a child pool", "pool,cidr", "corp,10.8.0.0/15", migration.KindOverlap, "10.8.0.0/16 of the pool child"},
		{"inside a child pool", "pool,cidr", "corp,10.8.1.0/24", migration.KindOverlap, "10.8.0.0/16 of the pool child"},
		{"outside of all pools", "cidr", "192.0.2.0/24", migration.KindNoPool, "private"},
		{"outside of the pool", "pool,cidr", "child,10.2.0.0/24", migration.KindNoPool, "10.8.0.0/16"},
		{"the other family", "pool,cidr", "six,10.2.0.0/24", migration.KindFamily, "ipv6"},
		{"an unknown pool", "pool,cidr", "crop,10.2.0.0/24", migration.KindUnknown, "crop"},
		{"an unknown scope", "scope,cidr", "lab,10.2.0.0/24", migration.KindUnknown, "lab"},
		{"longer than the rule admits", "cidr", "10.2.0.0/29", migration.KindRule, "/16 to /28"},
		{"an account with a share", "cidr,account", "10.2.0.0/24," + member, migration.KindOtherAccount, member},
		{"an account without a share", "cidr,account", "10.2.0.0/24,777788889999", migration.KindAccount, "not shared"},
		{"an account without its zeros", "cidr,account", "10.2.0.0/24,44455556666", migration.KindAccount, "044455556666"},
		{"no account", "cidr,account", "10.2.0.0/24,finance", migration.KindAccount, "12 digits"},
		{"the importing account", "cidr,account", "10.2.0.0/24," + account, "", ""},
		{"too long a description", "cidr,description", "10.2.0.0/24," + strings.Repeat("é", 256), migration.KindText, "256"},
		{"a control character", "cidr,description", "10.2.0.0/24,a\x1bb", migration.KindText, "control character"},
		{"a tag of AWS's", "cidr,tags", "10.2.0.0/24,aws:x=1", migration.KindTag, "aws:"},
		{"a tag of a stack's", "cidr,tags", "10.2.0.0/24,cadastre:stack-id=1", migration.KindTag, "stacks"},
		{"a tag without a value", "cidr,tags", "10.2.0.0/24,x", migration.KindRow, "key=value"},
		{"a live resource of another account", "cidr", "10.3.0.0/24", migration.KindLive, "vpc-1"},
		{"a live resource of the account", "cidr", "10.4.0.0/24", "", ""},
		{"an ignored resource", "cidr", "10.5.0.0/24", "", ""},
		{"a resource's allocation", "cidr", "10.6.0.0/24", migration.KindOverlap, "vpc vpc-9"},
		{"more cells than headers", "cidr,description", "10.2.0.0/24,a,b", migration.KindRow, "more cells"},
		{"a type that is none", "type,cidr", "vlan,10.2.0.0/24", migration.KindRow, "vlan"},
		{"an open quotation mark", "cidr,description", `10.2.0.0/24,"a`, migration.KindRow, "quotation mark"},
		{"a new pool", "type,pool,cidr", "pool,new,12.0.0.0/8", "", ""},
		{"a new pool under another", "type,pool,source,cidr", "pool,new,corp,10.9.0.0/16", "", ""},
		{"a pool of the deployment", "type,pool,cidr,min_length,max_length,shares", "pool,corp,10.0.0.0/8,16,28," + member, "", ""},
		{"a pool with other rules than the deployment's", "type,pool,cidr,shares", "pool,corp,10.0.0.0/8," + member, migration.KindDiffers, "netmask lengths"},
		{"a pool of the deployment, by its CIDR", "type,pool,cidr,min_length,max_length", "pool,renamed,10.0.0.0/8,16,28", migration.KindDiffers, "tags"},
		{"a pool under no pool", "type,pool,source,cidr", "pool,new,crop,10.9.0.0/16", migration.KindUnknown, "crop"},
		{"a pool that overlaps", "type,pool,cidr", "pool,new,10.0.0.0/7", migration.KindOverlap, "10.0.0.0/8 of the pool corp"},
		{"a pool that is outside of its source", "type,pool,source,cidr", "pool,new,corp,12.0.0.0/16", migration.KindNoPool, "10.0.0.0/8"},
		{"a pool's CIDR with host bits", "type,pool,cidr", "pool,new,12.0.0.1/8", migration.KindHostBits, "12.0.0.0/8"},
		{"a pool of the other family than its CIDR", "type,pool,family,cidr", "pool,new,ipv6,12.0.0.0/8", migration.KindFamily, "ipv6"},
		{"a pool without a family", "type,pool", "pool,new", migration.KindFamily, "ipv4 or ipv6"},
		{"a pool's locale", "type,pool,cidr,locale", "pool,new,12.0.0.0/8,ap-south-1", migration.KindSetting, "eu-west-1, us-east-1"},
		{"another locale than the source's", "type,pool,source,cidr,locale", "pool,new,child,10.8.0.0/24,eu-west-1", migration.KindSetting, "us-east-1"},
		{"the wrong way round", "type,pool,cidr,min_length,max_length", "pool,new,12.0.0.0/8,24,16", migration.KindSetting, "24"},
		{"a length that is none", "type,pool,cidr,min_length", "pool,new,12.0.0.0/8,big", migration.KindRow, "min_length"},
		{"a flag that is none", "type,pool,cidr,auto_import", "pool,new,12.0.0.0/8,maybe", migration.KindRow, "auto_import"},
		{"a pool without a name", "type,pool,cidr", "pool,,12.0.0.0/8", migration.KindRow, "name"},
		{"a pool for a VPC that nobody has seen", "type,pool,source,cidr,source_resource", "pool,new,child,10.8.0.0/24,vpc-7 111122223333 us-east-1", migration.KindNotSeen, "vpc-7"},
		{"a principal that is none", "type,pool,cidr,shares", "pool,new,12.0.0.0/8,finance", migration.KindAccount, "finance"},
		{"a public CIDR", "type,scope,pool,cidr", "pool,public,new,192.0.2.0/24", migration.KindUnsupported, "public"},
		{"IPv6 that is not private", "type,pool,cidr", "pool,new,2001:db8::/48", migration.KindSetting, "EnablePrivateGua"},
		{"IPv6 of nobody", "type,pool,cidr", "pool,new,4000::/48", migration.KindSetting, "private IPv6"},
		{"a new scope", "type,scope", "scope,lab", "", ""},
		{"a Region that is none", "type,regions", "ipam,europe", migration.KindSetting, "europe"},
		{"a Region more", "type,regions", "ipam,ap-south-1", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deployment(t, present)
			prefix := netip.MustParsePrefix
			d.Live["ipam-scope-private"] = []migration.Live{
				{CIDR: prefix("10.3.0.0/25"), ID: "vpc-1", Region: home, Owner: member}, {CIDR: prefix("10.4.0.0/25"), ID: "vpc-2", Region: home, Owner: account},
				{CIDR: prefix("10.5.0.0/24"), ID: "vpc-3", Region: home, Owner: member, Management: "ignored"},
			}
			d.Taken["ipam-pool-corp"] = []migration.Taken{{CIDR: prefix("10.6.0.0/16"), By: "vpc vpc-9"}}
			document, findings, err := migration.ReadCSV(strings.NewReader(c.columns+"\n"+c.row+"\n"), migration.Mapping{})
			if err != nil {
				t.Fatal(err)
			}
			plan := migration.NewPlan(d, document, migration.Options{})
			findings = append(findings, plan.Findings...)
			switch {
			case c.kind == "" && len(findings) > 0:
				t.Errorf("findings %v", findings)
			case c.kind == "" && len(plan.Steps) == 0 && plan.Present == 0:
				t.Error("the line is lost")
			case c.kind != "" && (len(findings) != 1 || findings[0].Kind != c.kind || !strings.Contains(findings[0].String(), c.words) || findings[0].Line != 2 || findings[0].Next == "" || findings[0].Object == ""):
				t.Errorf("findings %+v, want %s with %q", findings, c.kind, c.words)
			case c.kind != "" && len(plan.Steps) > 0 && c.kind != migration.KindDiffers:
				for _, s := range plan.Steps {
					if s.Operation != "CreateIpamPool" && s.Operation != "ProvisionIpamPoolCidr" { // of a pool whose CIDR or share alone is faulty
						t.Errorf("step %s", s)
					}
				}
			}
		})
	}
}

// Lines that depend on one another, or are in each other's way.
func TestFindingsBetweenLines(t *testing.T) {
	const rows = `type,scope,pool,source,cidr,min_length,description
pool,,a,,12.0.0.0/8,,
pool,,a,,13.0.0.0/8,,
pool,,b,a,12.1.0.0/16,,
pool,,c,a,12.1.128.0/17,,
pool,,bad,,14.0.0.0/8,40,
pool,,under,bad,14.1.0.0/16,,
,,under,,14.1.0.0/24,,
,,bad,,14.2.0.0/24,,
,,a,,12.2.0.0/24,,first
,,a,,12.2.0.0/24,,second
,,,,12.2.0.0/25,,third
,,a,,12.1.7.0/24,,
pool,,x,y,15.0.0.0/8,,
pool,,y,x,15.0.0.0/8,,
,,y,,15.0.0.0/24,,
scope,lab,,,,,
pool,lab,a,,12.0.0.0/8,,
,lab,a,,12.2.0.0/24,,
scope,lab,,,,,
`
	document, findings, err := migration.ReadCSV(strings.NewReader(rows), migration.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	plan := migration.NewPlan(deployment(t, present), document, migration.Options{})
	var got []string
	for _, f := range append(findings, plan.Findings...) {
		got = append(got, fmt.Sprint(f.Line, " ", f.Kind))
	}
	want := strings.Fields("3_duplicate 20_duplicate 5_overlap 6_setting 7_depends 8_depends 9_depends 11_duplicate 12_overlap 13_overlap 14_setting 15_setting 16_depends")
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "_", " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%v", diff, plan.Findings)
	}
	var steps []string
	for _, s := range plan.Steps {
		steps = append(steps, s.String())
	}
	if diff := cmp.Diff([]string{
		"CreateIpamScope lab", "CreateIpamPool a", "CreateIpamPool a", "ProvisionIpamPoolCidr 12.0.0.0/8 to the pool a", "ProvisionIpamPoolCidr 12.0.0.0/8 to the pool a",
		"CreateIpamPool b", "CreateIpamPool c", "ProvisionIpamPoolCidr 12.1.0.0/16 to the pool b", "AllocateIpamPoolCidr 12.2.0.0/24 in the pool a", "AllocateIpamPoolCidr 12.2.0.0/24 in the pool a",
	}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// A plan for a deployment without an IPAM.
func TestPlanWithoutAnIPAM(t *testing.T) {
	empty := &migration.Deployment{Account: account, HomeRegion: home, Quotas: ipam.DefaultQuotas()}
	plan := migration.NewPlan(empty, readCSV(t, "cidr\n10.0.0.0/24\n"), migration.Options{})
	if len(plan.Steps) != 0 || len(plan.Findings) != 1 || plan.Findings[0].Kind != migration.KindUnknown {
		t.Errorf("steps %v, findings %v", plan.Steps, plan.Findings)
	}
	plan = migration.NewPlan(empty, readCSV(t, "type,cidr,pool,locale\npool,10.0.0.0/8,a,us-east-1\n,10.0.0.0/24,a,\n"), migration.Options{})
	if len(plan.Steps) != 4 || plan.Steps[0].Operation != "CreateIpam" || len(plan.Findings) != 0 {
		t.Errorf("steps %v, findings %v", plan.Steps, plan.Findings)
	}
	plan = migration.NewPlan(empty, readCSV(t, "type,cidr,pool\nipam,,\npool,10.0.0.0/8,a\n,10.0.0.0/24,\n"), migration.Options{})
	if len(plan.Steps) != 4 || len(plan.Findings) != 0 {
		t.Errorf("steps %v, findings %v", plan.Steps, plan.Findings)
	}
}

func TestQuotas(t *testing.T) {
	d := deployment(t, present)
	d.Quotas = ipam.Quotas{ScopesPerIPAM: 2, PoolsPerScope: 4, PoolDepth: 2, CIDRsPerPool: 1, SharesPerPool: 1, Tags: 1}
	plan := migration.NewPlan(d, readCSV(t, `type,scope,pool,source,cidr,shares,tags
pool,,deep,child,10.8.0.0/24,,
pool,,a,,12.0.0.0/8 13.0.0.0/8,777788889999 o-a1b2c3d4e5,
pool,,b,,14.0.0.0/8,,
scope,lab,,,,,
pool,lab,c,,12.0.0.0/8,,
,,corp,,10.2.0.0/24,,a=1;b=2
`), migration.Options{})
	var got []string
	for _, f := range plan.Findings {
		got = append(got, fmt.Sprint(f.Line, " ", f.Kind))
	}
	if diff := cmp.Diff([]string{"2 quota", "3 quota", "3 quota", "4 quota", "5 quota", "6 depends", "7 tag"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%v", diff, plan.Findings)
	}
}

// Of a file with 100,000 lines, of which 500 are faulty in ten ways, the plan lists
// exactly these.
func TestLargeFile(t *testing.T) {
	const lines, faulty = 100_000, 500
	ways := []struct {
		kind migration.Kind
		row  func(block string) string // of a /24 that is free
	}{
		{migration.KindCIDR, func(string) string { return "corp,1.0E+07,x,," }},
		{migration.KindHostBits, func(b string) string { return "corp," + strings.Replace(b, ".0/24", ".9/24", 1) + ",x,," }},
		{migration.KindDuplicate, func(string) string { return "corp,10.0.0.0/24,x,," }},
		{migration.KindOverlap, func(string) string { return "corp,10.0.0.128/25,x,," }},
		{migration.KindNoPool, func(string) string { return ",192.0.2.0/24,x,," }},
		{migration.KindUnknown, func(b string) string { return "crop," + b + ",x,," }},
		{migration.KindRule, func(b string) string { return "corp," + strings.Replace(b, "/24", "/29", 1) + ",x,," }},
		{migration.KindAccount, func(b string) string { return "corp," + b + ",x,12345," }},
		{migration.KindText, func(b string) string { return "corp," + b + "," + strings.Repeat("x", 300) + ",," }},
		{migration.KindTag, func(b string) string { return "corp," + b + ",x,,aws:a=b" }},
	}
	var b strings.Builder
	b.WriteString("\ufeffPool;Netz;Beschreibung;Konto;tags\r\n")
	want := map[int]migration.Kind{}
	for i := range lines {
		block := fmt.Sprintf("%d.%d.%d.0/24", 10+i>>16, i>>8&255, i&255)
		row := "corp," + block + ",x,,"
		if i%(lines/faulty) == 7 {
			w := ways[len(want)%len(ways)]
			row = w.row(block)
			want[i+2] = w.kind
		}
		b.WriteString(strings.ReplaceAll(row, ",", ";") + "\r\n")
	}
	d := deployment(t, `{"format": "cadastre-ipam-1", "ipam": {}, "scopes": [{"name": "private", "pools": [
		{"name": "corp", "family": "ipv4", "cidrs": ["10.0.0.0/7"], "maxNetmaskLength": 28}]}]}`)
	document, findings, err := migration.ReadCSV(strings.NewReader(b.String()), migration.Mapping{Columns: map[string]string{"cidr": "Netz", "description": "Beschreibung", "account": "Konto"}})
	if err != nil {
		t.Fatal(err)
	}
	plan := migration.NewPlan(d, document, migration.Options{})
	got := map[int]migration.Kind{}
	for _, f := range append(findings, plan.Findings...) {
		if got[f.Line] != "" {
			t.Errorf("line %d has two findings", f.Line)
		}
		got[f.Line] = f.Kind
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != faulty {
		t.Errorf("%d findings, want %d (-want +got):\n%s", len(got), len(want), diff)
	}
	if len(plan.Steps) != lines-faulty {
		t.Errorf("%d steps, want %d", len(plan.Steps), lines-faulty)
	}
}
