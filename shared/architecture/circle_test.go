package architecture

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// directed are the packages whose files form no circle: a newcomer can read each
// file after the files that it uses.
var directed = []string{
	"shared/items",
	"shared/ops",
	"shared/ops/listing",
	"shared/ops/registry",
	"shared/ops/wildcard",
	"shared/store",
	"shared/table",
}

func TestFilesFormNoCircle(t *testing.T) {
	load := loader(t, directed)
	for _, path := range directed {
		t.Run(path, func(t *testing.T) {
			uses := load(t, path)
			for _, circle := range circles(uses) {
				var why []string
				for i, file := range circle {
					next := circle[(i+1)%len(circle)]
					why = append(why, fmt.Sprintf("%s uses %s of %s", file, uses[file][next], next))
				}
				t.Errorf("the files of %s form a circle: %s", path, strings.Join(why, "; "))
			}
		})
	}
}

// uses has, for each file and each other file of the package that it uses, the name of
// one declaration that it uses there.
type uses map[string]map[string]string

// loader returns a function that type-checks one of the packages, without its tests,
// and returns the uses of its files. The packages that they import are read from the
// compiler's export data.
func loader(t *testing.T, paths []string) func(t *testing.T, path string) uses {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export"}
	for _, p := range paths {
		args = append(args, "./"+p)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
	return func(t *testing.T, path string) uses {
		t.Helper()
		p, ok := all[module+path]
		if !ok {
			t.Fatalf("go list does not name %s", path)
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := types.Info{Uses: map[*ast.Ident]types.Object{}}
		pkg, err := (&types.Config{Importer: imports}).Check(p.ImportPath, fset, files, &info)
		if err != nil {
			t.Fatal(err)
		}
		found := uses{}
		for _, name := range p.GoFiles {
			found[name] = map[string]string{}
		}
		for id, object := range info.Uses {
			if object.Pkg() != pkg {
				continue
			}
			from, to := filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)
			// The smallest name, so that each run reports the same.
			if have, ok := found[from][to]; from != to && (!ok || object.Name() < have) {
				found[from][to] = object.Name()
			}
		}
		return found
	}
}

// circles returns a shortest circle through each file that is in one, but for the files
// of circles that it already returned.
func circles(u uses) [][]string {
	var found [][]string
	inOne := map[string]bool{}
	for _, start := range slices.Sorted(maps.Keys(u)) {
		if inOne[start] {
			continue
		}
		before := map[string]string{} // the file through which a file was reached
		queue := []string{start}
		for len(queue) > 0 && before[start] == "" {
			file := queue[0]
			queue = queue[1:]
			for _, next := range slices.Sorted(maps.Keys(u[file])) {
				if before[next] == "" {
					before[next] = file
					queue = append(queue, next)
				}
			}
		}
		if before[start] == "" {
			continue
		}
		circle := []string{start}
		for file := before[start]; file != start; file = before[file] {
			circle = append(circle, file)
		}
		slices.Reverse(circle[1:])
		for _, file := range circle {
			inOne[file] = true
		}
		found = append(found, circle)
	}
	return found
}

// The search finds each circle, and none where there is none.
func TestCircles(t *testing.T) {
	u := func(edges ...string) uses {
		all := uses{}
		for _, e := range edges {
			from, to, _ := strings.Cut(e, ">")
			for _, f := range []string{from, to} {
				if all[f] == nil {
					all[f] = map[string]string{}
				}
			}
			all[from][to] = "x"
		}
		return all
	}
	for _, c := range []struct {
		name string
		uses uses
		want string
	}{
		{"none", uses{}, "[]"},
		{"a chain", u("a>b", "b>c", "a>c"), "[]"},
		{"two files", u("a>b", "b>a"), "[[a b]]"},
		{"a way into a circle, and out of it", u("a>b", "b>c", "c>d", "d>b", "d>e"), "[[b c d]]"},
		{"a circle in a circle", u("a>b", "b>c", "c>a", "b>a"), "[[a b] [c a b]]"},
		{"two circles", u("a>b", "b>a", "c>d", "d>c", "b>c"), "[[a b] [c d]]"},
	} {
		if got := fmt.Sprint(circles(c.uses)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
