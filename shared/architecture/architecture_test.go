package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

// floors are the trees of packages, lowest first. A package imports packages of lower
// floors and of its own tree only: none of its own floor, and none above. The longest
// path that a package is under is its tree; with /*, each folder there is a tree.
var floors = [][]string{
	{"shared/backoff", "shared/loopback", "shared/architecture"},
	{"shared/ipam", "shared/table", "shared/sigv4", "shared/fsck", "shared/ops/wildcard"},
	{"shared/items", "shared/prefixlist", "shared/wire", "shared/assume", "shared/telemetry", "shared/fsck/fscktest", "events"},
	{"shared/store", "shared/layout", "shared/discover", "shared/vending", "shared/client", "shared/ops/listing", "shared/ops/registry"},
	{"shared/ops", "shared/lambdakit", "shared/resign", "shared/console", "shared/migration", "shared/modelcheck"},
	{"functions/*", "infra", "localstack"},
	{"shared/cmd"},
}

// treeOf returns the tree of a package and the floor of it, and -1 if it has none.
func treeOf(path string) (tree string, floor int) {
	floor = -1
	for n, trees := range floors {
		for _, root := range trees {
			if parent, ok := strings.CutSuffix(root, "/*"); ok && under(path, parent) {
				folder, _, _ := strings.Cut(strings.TrimPrefix(path, parent+"/"), "/")
				root = parent + "/" + folder
			}
			if under(path, root) && len(root) > len(tree) {
				tree, floor = root, n
			}
		}
	}
	return tree, floor
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestImportsPointDownwards(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		tree, floor := treeOf(path)
		used[tree] = true
		if floor < 0 {
			t.Errorf("%s is on no floor; give it one", path)
			continue
		}
		for _, imp := range p.Imports {
			imported, own := strings.CutPrefix(imp, module)
			if !own {
				continue
			}
			if other, below := treeOf(imported); below >= floor && other != tree {
				t.Errorf("%s, on floor %d, imports %s, which is on floor %d", path, floor, imported, below)
			}
		}
	}
	for _, trees := range floors {
		for _, root := range trees {
			if !used[root] && !strings.HasSuffix(root, "/*") {
				t.Errorf("there is no package of %s", root)
			}
		}
	}
}

func TestTreeOf(t *testing.T) {
	for path, want := range map[string]string{
		"shared/ipam": "shared/ipam 1", "shared/ipam/ipamtest": "shared/ipam 1", "shared/ipamx": " -1",
		"shared/ops/listing": "shared/ops/listing 3", "shared/cmd/cadastre": "shared/cmd 6",
		"functions/api": "functions/api 5", "functions/api/x": "functions/api 5", "shared": " -1",
	} {
		if tree, floor := treeOf(path); fmt.Sprint(tree, " ", floor) != want {
			t.Errorf("%s is of %s on floor %d, want %s", path, tree, floor, want)
		}
	}
}

// forbidden lists, for packages, imports that are below them and that they must not have.
var forbidden = []struct{ path, imports, why string }{
	{"shared/ipam", "github.com/aws/", "the core is pure"},
	{"shared/ipam", "context", "the core does no I/O"},
	{"shared/ipam", "os", "the core does no I/O"},
	{"shared/ipam", "net/http", "the core does no I/O"},
	{"shared/prefixlist", "github.com/aws/", "the decisions are pure"},
	{"shared/prefixlist", "context", "the decisions do no I/O"},
	{"shared/store", module + "shared/wire", "the store knows no wire format"},
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range forbidden {
			if strings.TrimPrefix(p.ImportPath, module) != rule.path {
				continue
			}
			for _, imp := range p.Imports {
				if imp == rule.imports || strings.HasPrefix(imp, strings.TrimSuffix(rule.imports, "/")+"/") {
					t.Errorf("%s imports %s: %s", rule.path, imp, rule.why)
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
			t.Errorf("%s is not allowed at the top level", top)
		}
	}
	if seen == 0 {
		t.Fatal("git lists no files")
	}
}

// The targets of `make` work in the environment of the README's examples, where
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
	if fsck := run("-n", "fsck", "TABLE=cadastre-table"); !strings.Contains(fsck, `--table "cadastre-table"`) || strings.Contains(fsck, "api.example") {
		t.Errorf("the table is looked for at the API: %s", fsck)
	}
	if proxy := run("-n", "proxy"); !strings.Contains(proxy, `--endpoint "https://api.example" --region "eu-west-1"`) {
		t.Errorf("the proxy is started by %s", proxy)
	}
}
