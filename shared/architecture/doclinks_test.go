package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declared contains the names of a package: "Name" for each declaration, and
// "Type.Name" for each method and field.
type declared map[string]bool

func (d declared) add(f *ast.File) {
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				d[decl.Name.Name] = true
				continue
			}
			receiver := decl.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			switch generic := receiver.(type) {
			case *ast.IndexExpr:
				receiver = generic.X
			case *ast.IndexListExpr:
				receiver = generic.X
			}
			if name, ok := receiver.(*ast.Ident); ok {
				d[name.Name+"."+decl.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						d[name.Name] = true
					}
				case *ast.TypeSpec:
					d[spec.Name.Name] = true
					d.addMembers(spec)
				}
			}
		}
	}
}

func (d declared) addMembers(spec *ast.TypeSpec) {
	var members *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		members = t.Fields
	case *ast.InterfaceType:
		members = t.Methods
	default:
		return
	}
	for _, field := range members.List {
		for _, name := range field.Names {
			d[spec.Name.Name+"."+name.Name] = true
		}
	}
}

// docLink finds a name in brackets, alone or after a type or a package, with or
// without a star.
var docLink = regexp.MustCompile(`\[\*?((?:[a-z]\w*\.)?[A-Z]\w*(?:\.[A-Za-z]\w*)?)\](?:[^(\[]|$)`)

// TestDocLinks checks that the links in Go comments name a declaration of the
// package, or of an imported one. Of packages outside the module it checks only
// that the file imports them.
func TestDocLinks(t *testing.T) {
	files, names := map[string][]*ast.File{}, map[string]declared{}
	set := token.NewFileSet()
	for _, p := range packages(t) {
		names[p.ImportPath] = declared{}
		for i, list := range [][]string{p.GoFiles, p.TestGoFiles, p.XTestGoFiles} {
			for _, f := range list {
				parsed, err := parser.ParseFile(set, filepath.Join(p.Dir, f), nil, parser.ParseComments|parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				if i < 2 {
					names[p.ImportPath].add(parsed)
				}
				if !ast.IsGenerated(parsed) {
					files[p.ImportPath] = append(files[p.ImportPath], parsed)
				}
			}
		}
	}
	checked := 0
	for importPath, list := range files {
		for _, f := range list {
			for _, group := range f.Comments {
				for _, m := range docLink.FindAllStringSubmatch(group.Text(), -1) {
					checked++
					if !resolves(m[1], importPath, f, names) {
						t.Errorf("%s: [%s] names no declaration", set.Position(group.Pos()), m[1])
					}
				}
			}
		}
	}
	if checked < 30 {
		t.Fatalf("%d links found in comments", checked)
	}
}

func resolves(link, importPath string, f *ast.File, names map[string]declared) bool {
	first, rest, qualified := strings.Cut(link, ".")
	if !qualified || first[0] >= 'A' && first[0] <= 'Z' {
		if strings.HasSuffix(f.Name.Name, "_test") { // a test package declares names of its own
			own := declared{}
			own.add(f)
			return own[link] || names[importPath][link]
		}
		return names[importPath][link]
	}
	for _, spec := range f.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == first {
			known, ours := names[imported]
			return !ours || known[rest]
		}
	}
	// A comment may name the package itself, or one of the module that the file
	// does not import.
	for imported, known := range names {
		if path.Base(imported) == first && known[rest] {
			return true
		}
	}
	return false
}
