package migration_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/migration"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

// withIDs gives the objects of a document the ids of a deployment.
func withIDs(t testing.TB, document string) *migration.Deployment {
	d := deployment(t, document)
	d.IPAM.ID, d.IPAM.Discovery = "ipam-0123456789abcdef0", "ipam-res-disco-0123456789abcdef0"
	n := 0
	id := func(kind string, digits int) string { n++; return fmt.Sprintf("%s-%0*x", kind, digits, n) }
	for _, s := range d.Scopes {
		s.ID = id("ipam-scope", 17)
		for _, p := range s.Pools {
			p.ID = id("ipam-pool", 17)
			for _, a := range p.Allocations {
				a.ID = id("ipam-pool-alloc", 32)
			}
		}
	}
	return d
}

func TestExportedFiles(t *testing.T) {
	d := withIDs(t, content)
	golden(t, "export.json", exportJSON(t, &d.Document))
	golden(t, "export.csv", exportCSV(t, &d.Document))
	for name, o := range map[string]migration.TerraformOptions{"export.tf": {}, "export-new.tf": {WithoutImport: true}} {
		var b bytes.Buffer
		if err := d.WriteTerraform(&b, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
	for name, o := range map[string]migration.CloudFormationOptions{"export.template.json": {}, "export-amazon.template.json": {Amazon: true}} {
		templates, omitted, err := d.CloudFormation(o)
		if err != nil || len(templates) != 1 {
			t.Fatalf("%d templates, %v", len(templates), err)
		}
		golden(t, name, string(templates[0]))
		golden(t, strings.Replace(name, "template.json", "omitted.txt", 1), strings.Join(omitted, "\n")+"\n")
	}
}

// A deployment without an IPAM has an empty export.
func TestExportOfNothing(t *testing.T) {
	var b bytes.Buffer
	d := &migration.Deployment{}
	if err := d.WriteTerraform(&b, migration.TerraformOptions{}); err != nil || b.Len() > 0 {
		t.Errorf("%q, %v", &b, err)
	}
	if templates, omitted, err := d.CloudFormation(migration.CloudFormationOptions{}); len(templates)+len(omitted) > 0 || err != nil {
		t.Errorf("%d templates, %v, %v", len(templates), omitted, err)
	}
}

// The templates of a large deployment keep CloudFormation's limits, and each value that a
// template imports is exported by an earlier one.
func TestManyTemplates(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"format": "cadastre-ipam-1", "ipam": {}, "scopes": [{"name": "private", "pools": [`)
	for i := range 300 {
		fmt.Fprintf(&b, `{"name": "p%d", "family": "ipv4", "cidrs": ["10.%d.%d.0/24"], "allocations": [{"cidr": "10.%d.%d.0/28", "description": "%s"}, {"cidr": "10.%d.%d.16/28"}]},`,
			i, i>>8, i&255, i>>8, i&255, strings.Repeat("x", 200), i>>8, i&255)
	}
	b.WriteString(`{"name": "last", "source": "p0", "family": "ipv4"}]}]}`)
	templates, _, err := withIDs(t, b.String()).CloudFormation(migration.CloudFormationOptions{Prefix: "main"})
	if err != nil {
		t.Fatal(err)
	}
	exported, resources, imports := map[string]bool{}, 0, 0
	for i, text := range templates {
		var part struct {
			Resources map[string]struct{ DependsOn string }
			Outputs   map[string]struct{ Export struct{ Name string } }
		}
		if err := json.Unmarshal(text, &part); err != nil {
			t.Fatal(err)
		}
		if len(text) > 1_000_000 || len(part.Resources) > 500 || len(part.Outputs) > 200 || len(part.Resources) == 0 {
			t.Errorf("template %d has %d bytes, %d resources, %d outputs", i, len(text), len(part.Resources), len(part.Outputs))
		}
		resources += len(part.Resources)
		for _, r := range part.Resources {
			if _, ok := part.Resources[r.DependsOn]; r.DependsOn != "" && !ok {
				t.Errorf("template %d: no resource %s", i, r.DependsOn)
			}
		}
		for _, line := range strings.Split(string(text), "\n") {
			if _, name, ok := strings.Cut(line, `"Fn::ImportValue": "`); ok {
				imports++
				if name = strings.TrimRight(name, `"`); !exported[name] || !strings.HasPrefix(name, "main-") {
					t.Errorf("template %d imports %s", i, name)
				}
			}
		}
		for _, o := range part.Outputs {
			exported[o.Export.Name] = true
		}
	}
	if resources != 1+300*4+1 || imports == 0 {
		t.Errorf("%d resources, %d imports", resources, imports)
	}
}
