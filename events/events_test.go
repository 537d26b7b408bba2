package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/events"
	"github.com/cadastre-ipam/cadastre/events/eventstest"
)

var update = flag.Bool("update", false, "rewrite the catalogue in README.md")

// members returns the members of a detail, and true for those that are required.
func members(detail any) map[string]bool {
	all := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(detail)) {
		if name, option, ok := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			all[name] = !ok || option != "omitempty"
		}
	}
	return all
}

type schema struct {
	Title      string
	Properties struct {
		Source     source
		DetailType struct{ Const events.Name } `json:"detail-type"`
		Detail     struct {
			Properties map[string]struct{ Description string }
			Required   []string
		}
	}
	Required []string
}

// source is a schema's condition on the source of an event.
type source struct {
	Const string
	Not   struct{ Const string }
}

func readSchema(t *testing.T, n events.Name) (s schema) {
	t.Helper()
	b, err := events.Schema(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("%s: %v", n, err)
	}
	return s
}

// Each schema has the members of its detail's type, and requires the same ones. Cadastre
// is the source of all events but those that others put on the bus.
func TestSchemasAgreeWithTheDetails(t *testing.T) {
	for _, e := range events.Catalogue {
		s := readSchema(t, e.Name)
		from := source{Const: events.Source}
		if e.In {
			from = source{Not: struct{ Const string }{events.Source}}
		}
		if s.Title != string(e.Name) || s.Properties.DetailType.Const != e.Name || s.Properties.Source != from || !slices.Contains(s.Required, "detail") {
			t.Errorf("%s: the schema is %+v", e.Name, s)
		}
		want := members(e.Detail)
		switch e.Name {
		case events.ResourceNoncompliant:
			want["reason"] = true
		case events.ResourceCompliant:
			delete(want, "reason") // the two have one type
		}
		got := map[string]bool{}
		for name, property := range s.Properties.Detail.Properties {
			got[name] = slices.Contains(s.Properties.Detail.Required, name)
			if property.Description == "" && name != "version" {
				t.Errorf("%s: %s is not described", e.Name, name)
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: members and whether they are required, -schema +type:\n%s", e.Name, diff)
		}
	}
}

// Every file belongs to an event. Every example is valid, and survives a round trip
// through the detail's type.
func TestExamples(t *testing.T) {
	names, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Catalogue {
		example := e.Name.Stem() + ".example.json"
		names = slices.DeleteFunc(names, func(n string) bool { return n == example || n == e.Name.Stem()+".schema.json" })
		b, err := os.ReadFile(example)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := eventstest.Validate(b); err != nil {
			t.Errorf("%s: %v", example, err)
		}
		var event struct {
			DetailType events.Name `json:"detail-type"`
			Detail     json.RawMessage
		}
		detail := reflect.New(reflect.TypeOf(e.Detail))
		d := json.NewDecoder(bytes.NewReader(b))
		if err := d.Decode(&event); err != nil || event.DetailType != e.Name {
			t.Errorf("%s is a %q, %v", example, event.DetailType, err)
		}
		if err := json.Unmarshal(event.Detail, detail.Interface()); err != nil {
			t.Errorf("%s: %v", example, err)
		}
		again, err := json.Marshal(detail.Interface())
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(again, &got) != nil || json.Unmarshal(event.Detail, &want) != nil || !cmp.Equal(got, want) {
			t.Errorf("%s does not survive a round trip:\n%s", example, cmp.Diff(got, want))
		}
	}
	if len(names) > 0 {
		t.Errorf("files that belong to no event: %q", names)
	}
}

func TestValidateRefuses(t *testing.T) {
	b, err := os.ReadFile(events.OverlapDetected.Stem() + ".example.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"another source", `"cadastre.ipam"`, `"aws.ipam"`},
		{"an unknown name", `"Overlap Detected"`, `"Overlap"`},
		{"another version", `"version": "1"`, `"version": "2"`},
		{"a missing member", `"overlapsWith"`, `"overlapsWithout"`},
		{"an unknown member", `"vpcId"`, `"vpc"`},
		{"no account", `"resourceOwnerId": "111122223333"`, `"resourceOwnerId": "1111"`},
		{"no time", `"time": "2026-11-25T05:00:00Z"`, `"time": "today"`},
		{"a number for a text", `"payments"`, `7`},
	} {
		changed := bytes.ReplaceAll(b, []byte(c.old), []byte(c.new))
		if bytes.Equal(changed, b) {
			t.Fatalf("%s: nothing changed", c.name)
		}
		if eventstest.Validate(changed) == nil {
			t.Errorf("%s is valid", c.name)
		}
	}
}

const begin, end = "<!-- catalogue -->\n", "<!-- /catalogue -->"

// The README has the catalogue of the code.
func TestCatalogue(t *testing.T) {
	var b strings.Builder
	fmt.Fprintln(&b, "| event | | reason | members of its detail (? is optional) | schema | example |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|")
	for _, e := range events.Catalogue {
		s := readSchema(t, e.Name)
		var list []string
		for _, name := range slices.Sorted(maps.Keys(s.Properties.Detail.Properties)) {
			if _, common := members(events.Header{})[name]; common {
				continue
			}
			mark := "?"
			if slices.Contains(s.Properties.Detail.Required, name) {
				mark = ""
			}
			list = append(list, "`"+name+"`"+mark)
		}
		stem := e.Name.Stem()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | [schema](%s.schema.json) | [example](%s.example.json) |\n",
			e.Name, map[bool]string{true: "in", false: "out"}[e.In], e.When, strings.Join(list, ", "), stem, stem)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(readme), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("README.md has no marks for the catalogue")
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(readme) != want {
		t.Errorf("README.md differs from the code; go test ./events -update writes it:\n%s", cmp.Diff(string(readme), want))
	}
}
