package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTrace checks the tables of shared/README.md that follow a request and a
// resource: each row names functions of an existing file.
func TestTrace(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([^`]+\\.go)` \\| ([^|]+) \\|")
	name := regexp.MustCompile("`([^`]+)`")
	checked := 0
	for _, m := range row.FindAllStringSubmatch(read(t, "shared/README.md"), -1) {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", m[1]), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		has := map[string]bool{}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				has[f.Name.Name] = true
			}
		}
		for _, n := range name.FindAllStringSubmatch(m[2], -1) {
			checked++
			if !has[n[1]] {
				t.Errorf("shared/README.md: %s has no function %s", m[1], n[1])
			}
		}
	}
	if checked < 50 {
		t.Fatalf("%d functions found in the tables of shared/README.md", checked)
	}
}

// TestFloors checks that the picture in shared/README.md names every package of
// the library, or the package above it.
func TestFloors(t *testing.T) {
	_, picture, _ := strings.Cut(read(t, "shared/README.md"), "```\n")
	picture, beside, _ := strings.Cut(picture, "```")
	beside, _, _ = strings.Cut(beside, "\n## ")
	for _, p := range packages(t) {
		path, ok := strings.CutPrefix(p.ImportPath, module+"shared/")
		if !ok {
			continue
		}
		top, _, _ := strings.Cut(path, "/")
		if !regexp.MustCompile(`\b` + top + `\b`).MatchString(picture + beside) {
			t.Errorf("shared/README.md does not name the package shared/%s", top)
		}
	}
}
