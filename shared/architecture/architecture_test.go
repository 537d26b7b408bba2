package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/cadastre-ipam/cadastre/"

type pkg struct {
	ImportPath   string
	Dir          string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages; the tests look at the wrong tree", len(all))
	}
	return all
}

// forbidden lists, for packages under a path, what they must not import.
var forbidden = []struct{ under, imports, why string }{
	{"shared/ipam", "github.com/aws/", "the core is pure"},
	{"shared/ipam", "context", "the core does no I/O"},
	{"shared/ipam", "os", "the core does no I/O"},
	{"shared/ipam", "net/http", "the core does no I/O"},
	{"shared/ipam", module + "shared/store", "the core knows no store"},
	{"shared/ipam", module + "shared/ops", "the core knows no operations"},
	{"shared/table", module + "shared/ipam", "the table knows no address management"},
	{"shared/table", module + "shared/items", "the table knows no address management"},
	{"shared/table", module + "shared/store", "the table knows no address management"},
	{"shared/items", module + "shared/store", "items know nothing of the store that writes them"},
	{"shared/store", module + "shared/ops", "the store knows no operations"},
	{"shared/store", module + "shared/wire", "the store knows no wire format"},
	{"shared/discover", module + "shared/store", "readers keep nothing"},
	{"shared/wire", module + "shared/ops", "the wire formats know no operations"},
	{"shared/wire", module + "shared/store", "the wire formats know no store"},
	{"shared/fsck", module + "shared/store", "the checker shares no code with what it checks"},
	{"shared/fsck", module + "shared/ipam", "the checker shares no code with what it checks"},
	{"shared", module + "functions", "nothing imports a function"},
	{"shared", module + "infra", "the library knows no deployment"},
	{"shared", module + "localstack", "the library knows no emulator"},
	{"functions", module + "infra", "functions know no deployment"},
	{"functions", module + "localstack", "functions know no emulator"},
	{"infra", module + "functions", "functions are assets, not imports"},
	{"infra", module + "localstack", "the deployment knows no emulator"},
}

// exempt are packages that a rule does not bind: tests' helpers that bring both
// sides together, and generators.
var exempt = map[string][]string{
	"shared/ipam": {"shared/ipam/ipamtest"},
	"shared/fsck": {"shared/fsck/fscktest"},
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
	rules:
		for _, rule := range forbidden {
			if !under(path, rule.under) {
				continue
			}
			for _, e := range exempt[rule.under] {
				if under(path, e) {
					continue rules
				}
			}
			for _, imp := range p.Imports {
				if imp == rule.imports || strings.HasPrefix(imp, strings.TrimSuffix(rule.imports, "/")+"/") {
					t.Errorf("%s imports %s: %s", path, imp, rule.why)
				}
			}
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		var with []string
		for _, f := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc != nil {
				with = append(with, f)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s has %d package comments, in %v", p.ImportPath, len(with), with)
		}
	}
}

// A function's main is wiring: environment, construction, start.
func TestMainsAreShort(t *testing.T) {
	mains, err := filepath.Glob("../../functions/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no function found: %v", err)
	}
	for _, m := range mains {
		b, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > 40 {
			t.Errorf("%s has %d lines, more than 40", m, n)
		}
	}
}

// The names at the top level are fixed.
func TestTopLevel(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, name := range strings.Fields("functions infra shared events localstack go.mod go.sum Makefile cdk.json README.md LICENSE .ci .github .gitignore .golangci.yml") {
		allowed[name] = true
	}
	seen := 0
	for f := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(f), "/")
		seen++
		if !allowed[top] {
			t.Errorf("%s stands at the top level", top)
		}
	}
	if seen == 0 {
		t.Fatal("git lists no files")
	}
}

// What `make` is asked for in the environment of the README's examples, where
// ENDPOINT is the API's address.
func TestMake(t *testing.T) {
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory"}, args...)...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "ENDPOINT=https://api.example", "REGION=eu-west-1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	help := run("help")
	for _, target := range regexp.MustCompile(`(?m)^(\S+):.*## `).FindAllStringSubmatch(string(makefile), -1) {
		if !strings.Contains(help, "  "+target[1]+" ") {
			t.Errorf("`make help` does not list %s", target[1])
		}
	}
	if fsck := run("-n", "fsck", "TABLE=cadastre-table"); !strings.Contains(fsck, `-table "cadastre-table"`) || strings.Contains(fsck, "api.example") {
		t.Errorf("the table is looked for at the API: %s", fsck)
	}
	if proxy := run("-n", "proxy"); !strings.Contains(proxy, `-endpoint "https://api.example" -region "eu-west-1"`) {
		t.Errorf("the proxy is started by %s", proxy)
	}
}
