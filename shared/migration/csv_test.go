package migration_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// The same content in the forms in which spreadsheets write files.
func TestSpreadsheets(t *testing.T) {
	const rows = "pool,cidr,description,tag:Env,tags\r\ncorp,10.0.0.0/24,Köln,prod,a=b\r\n"
	wide := func(order binary.AppendByteOrder, s string) string {
		var b []byte
		for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	quoted := func(s string) string { return `"` + strings.NewReplacer(",", `","`, "\r\n", "\"\r\n\"").Replace(s) }
	for _, c := range []struct{ name, file string }{
		{"plain", rows},
		{"byte order mark", "\ufeff" + rows},
		{"UTF-16, little-endian", wide(binary.LittleEndian, rows)},
		{"UTF-16, big-endian", wide(binary.BigEndian, rows)},
		{"Windows-1252", strings.ReplaceAll(rows, "ö", "\xf6")},
		{"semicolons", strings.ReplaceAll(rows, ",", ";")},
		{"tabs", strings.ReplaceAll(rows, ",", "\t")},
		{"Excel's line for the delimiter", "sep=;\r\n" + strings.ReplaceAll(rows, ",", ";")},
		{"line feeds", strings.ReplaceAll(rows, "\r\n", "\n")},
		{"carriage returns", strings.ReplaceAll(rows, "\r\n", "\r")},
		{"no line end at the end", strings.TrimSpace(rows)},
		{"quotation marks everywhere", strings.TrimSuffix(quoted(rows), `"`)},
		{"blank lines and cells", strings.ReplaceAll(rows, "\r\n", ",,\r\n,,,,,,\r\n\r\n")},
		{"other columns and order", "Description,Network,Pool Name,tags,tag:Env\nKöln,10.0.0.0/24,corp,a=b,prod\n"},
		{"address and mask", "pool,ip address,netmask,comment,tags\ncorp,10.0.0.0,255.255.255.0,Köln,Env=prod;a=b\n"},
		{"address and length", "pool,network address,prefix length,notes,tags\ncorp,10.0.0.0,/24,Köln,\"Env=prod; a=b\"\n"},
		{"a mask in the CIDR", "pool,cidr,description,tags\ncorp,10.0.0.0 / 255.255.255.0,Köln,a=b;Env=prod\n"},
		{"a range", "pool,range,description,tags\ncorp,10.0.0.0 - 10.0.0.255,Köln,a=b;Env=prod\n"},
		{"formulas that keep texts", "pool,cidr,description,tags\n\"=\"\"corp\"\"\",\"=\"\"10.0.0.0/24\"\"\",Köln,a=b;Env=prod\n"},
		{"spaces that break no line", "pool,cidr,description,tags\n\u00a0corp\u00a0,\u200b10.0.0.0/24\u00a0,Köln,a=b;Env=prod\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := readCSV(t, c.file)
			want := &migration.Allocation{CIDR: "10.0.0.0/24", Description: "Köln", Tags: ipam.Tags{"a": "b", "Env": "prod"}}
			var got []*migration.Allocation
			for _, s := range d.Scopes {
				for _, p := range s.Pools {
					for _, a := range p.Allocations {
						if a.Line = 0; s.Name == "private" && p.Name == "corp" && p.Existing {
							got = append(got, a)
						}
					}
				}
			}
			if diff := cmp.Diff([]*migration.Allocation{want}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMapping(t *testing.T) {
	m, err := migration.ReadMapping(strings.NewReader(`
columns: {cidr: Netz, description: Zweck, type: Art}
tags: {site: Standort, environment: Umgebung}
defaults: {pool: corp, scope: lab}
values:
  type: {Netzwerk: allocation}
ignore: [Nr]
delimiter: ";"
`))
	if err != nil {
		t.Fatal(err)
	}
	d, findings, err := migration.ReadCSV(strings.NewReader("Nr;Netz;Standort;Zweck;Art;Umgebung;Chef\n1;10.0.0.0/24;Köln;a, b;Netzwerk;;x\n"), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].Kind != migration.KindColumn || findings[0].Object != "Chef" {
		t.Errorf("findings %v", findings)
	}
	s := d.Scopes[0]
	if diff := cmp.Diff(&migration.Allocation{Line: 2, CIDR: "10.0.0.0/24", Description: "a, b", Tags: ipam.Tags{"site": "Köln"}}, s.Pools[0].Allocations[0]); diff != "" || s.Name != "lab" || s.Pools[0].Name != "corp" {
		t.Errorf("scope %s: -want +got:\n%s", s.Name, diff)
	}
	for document, words := range map[string]string{
		"columns: {netz: cidr}": `"netz" is no column`, "spalten: {}": "spalten", "delimiter: '##'": "##", "[": "mapping", "defaults: {x: y}": `"x" is no column`, "values: {x: {}}": `"x" is no column`,
	} {
		if _, err := migration.ReadMapping(strings.NewReader(document)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want %s", document, err, words)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	m := migration.Mapping{Columns: map[string]string{"cidr": "Netz"}}
	for file, words := range map[string]string{"": "empty", "\n\n": "empty", "Netze\n10.0.0.0/8\n": `"Netz"`, "a,b\n1,2\n": `"Netz"`, "\"Netz\n": "quotation mark"} {
		if _, _, err := migration.ReadCSV(strings.NewReader(file), m); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: error %v, want %s", file, err, words)
		}
	}
	if _, _, err := migration.ReadCSV(strings.NewReader("a,b\n1,2\n"), migration.Mapping{}); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Errorf("error %v", err)
	}
	for document, words := range map[string]string{
		"{}": "format", `{"format": "cadastre-ipam-2", "scopes": []}`: "cadastre-ipam-2", `{"format": "cadastre-ipam-1", "scope": []}`: "scope", "x": "document", `{"format": "cadastre-ipam-1"} {}`: "more than one",
		`{"format": "cadastre-ipam-1", "scopes": [null]}`: "null", `{"format": "cadastre-ipam-1", "scopes": [{"name": "a", "pools": [null]}]}`: "null", `{"format": "cadastre-ipam-1", "scopes": [{"name": "a", "pools": [{"name": "b", "allocations": [null]}]}]}`: "null",
	} {
		if _, err := migration.ReadJSON(strings.NewReader(document)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want %s", document, err, words)
		}
	}
}

// The reader takes any file, and its document can be planned and written. A document that
// was written is read again as it was.
func FuzzReadCSV(f *testing.F) {
	f.Add("type,scope,pool,source,cidr,description,account,tags\npool,,a,,10.0.0.0/8,\"x\"\"y\n\",,\\ a=\\=;b=\n,,a,,10.0.0.0/24,'=1,123,\n")
	f.Add("\xff\xfea\x00,\x00")
	f.Add("sep=;\ncidr;length\n10.0.0.0;255.255.0.255\n\"10")
	f.Add("type,regions,discovery_tags,tag:\nipam,a b,x=y\\,1\nscope,x,y,z\n")
	f.Fuzz(func(t *testing.T, file string) {
		d, findings, err := migration.ReadCSV(strings.NewReader(file), migration.Mapping{})
		if err != nil {
			return
		}
		for _, x := range findings {
			if x.Line < 1 || x.Next == "" {
				t.Errorf("finding %+v", x)
			}
		}
		migration.NewPlan(deployment(t, present), d, migration.Options{})
		first := exportCSV(t, d)
		again, findings, err := migration.ReadCSV(strings.NewReader(first), migration.Mapping{})
		if err != nil || len(findings) > 0 {
			t.Fatalf("%q is read with %v, %v", first, err, findings)
		}
		if second := exportCSV(t, again); second != first {
			t.Errorf("%q is written as\n%q", first, second)
		}
	})
}
