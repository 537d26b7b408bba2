package architecture

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// ordered are the packages whose comments list their files in the order to read them.
var ordered = []string{"shared/items", "shared/store", "shared/table"}

var fileName = regexp.MustCompile(`\b\w+\.go\b`)

// Each file uses only files that the package comment lists before it.
func TestFilesAreListedInOrder(t *testing.T) {
	load := loader(t, ordered)
	for _, path := range ordered {
		t.Run(path, func(t *testing.T) {
			uses := load(t, path)
			order := fileName.FindAllString(packageComment(t, path), -1)
			for file, others := range uses {
				at := slices.Index(order, file)
				if at < 0 {
					if file != "doc.go" {
						t.Errorf("the package comment does not list %s", file)
					}
					continue
				}
				for other, name := range others {
					if slices.Index(order, other) > at {
						t.Errorf("%s uses %s of %s, which the package comment lists behind it", file, name, other)
					}
				}
			}
			for i, file := range order {
				if uses[file] == nil {
					t.Errorf("the package comment lists %s, which does not exist", file)
				}
				if slices.Index(order, file) != i {
					t.Errorf("the package comment lists %s twice", file)
				}
			}
		})
	}
}

func packageComment(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", path, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			return f.Doc.Text()
		}
	}
	t.Fatalf("%s has no package comment", path)
	return ""
}
