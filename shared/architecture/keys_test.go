package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// spellers are the packages that may spell keys, attributes, or both. Package items
// alone spells those of Cadastre, so that a change of them is a change of one package.
// The checker is exempt: it must not repeat a fault of package items. For the same
// reason the model checker reads attributes by its own functions, which this test does
// not see.
var spellers = map[string]string{
	"shared/items":           "keys attributes",
	"shared/table/tabletest": "keys attributes",
	"shared/fsck":            "keys attributes",
	"infra/stacks":           "attributes", // "Layout" is the name of a statement of a policy there
}

func TestKeysAreSpeltInItems(t *testing.T) {
	names := attributeNames(t)
	used := map[string]bool{}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		may := spellers[path]
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range spellings(parsed, names) {
				used[path] = true
				if !strings.Contains(may, s.of) {
					t.Errorf("%s:%d spells %s, which is for package items to do", path+"/"+file, fset.Position(s.at).Line, s.text)
				}
			}
		}
	}
	for path := range spellers {
		if !used[path] {
			t.Errorf("%s spells neither keys nor attributes; it needs no exemption", path)
		}
	}
}

// spelling is a place at which a file spells a key or an attribute.
type spelling struct {
	of   string // "keys" or "attributes"
	text string
	at   token.Pos
}

var keyText = regexp.MustCompile(`^[A-Z]+#`)

// spellings returns the places at which a file spells a key: as a text that begins
// as one, or as a literal of table.Key or of table.Query; and those at which it
// spells an attribute: as the name in a literal of table.Item, or as an index or as
// the argument of a method of table.Item.
func spellings(f *ast.File, names map[string]bool) (found []spelling) {
	name := importName(f, module+"shared/table")
	isType := func(e ast.Expr, of string) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != of {
			return false
		}
		x, ok := sel.X.(*ast.Ident)
		return ok && x.Name == name
	}
	text := func(e ast.Expr) (string, bool) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	attribute := func(e ast.Expr) {
		if s, ok := text(e); ok && names[s] {
			found = append(found, spelling{"attributes", fmt.Sprintf("the attribute %q", s), e.Pos()})
		}
	}
	key := func(lit *ast.CompositeLit) {
		if len(lit.Elts) > 0 {
			found = append(found, spelling{"keys", "a literal of a key", lit.Pos()})
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, ok := text(n); ok && keyText.MatchString(s) {
				found = append(found, spelling{"keys", fmt.Sprintf("the key %q", s), n.Pos()})
			}
		case *ast.CompositeLit:
			if list, ok := n.Type.(*ast.ArrayType); ok && isType(list.Elt, "Key") {
				for _, e := range n.Elts {
					if lit, ok := e.(*ast.CompositeLit); ok {
						key(lit)
					}
				}
			}
			if isType(n.Type, "Key") {
				key(n)
			}
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				if isType(n.Type, "Item") {
					attribute(pair.Key)
				}
				if field, ok := pair.Key.(*ast.Ident); ok && isType(n.Type, "Query") && field.Name == "PK" {
					found = append(found, spelling{"keys", "the partition of a query", pair.Pos()})
				}
			}
		case *ast.IndexExpr:
			if name != "" {
				attribute(n.Index)
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 || name == "" {
				break
			}
			x, isName := sel.X.(*ast.Ident)
			if m := sel.Sel.Name; (m == "Str" || m == "Num" || m == "Put") && (!isName || x.Name != name) {
				attribute(n.Args[0])
			}
		}
		return true
	})
	return found
}

// importName returns the name that a file has for a package, "" if it does not
// import it.
func importName(f *ast.File, path string) string {
	for _, i := range f.Imports {
		if p, _ := strconv.Unquote(i.Path.Value); p != path {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// attributeNames returns the values of the constants of package items whose names
// begin with Attr or attr.
func attributeNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../items/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(strings.ToLower(c.Names[0].Name), "attr") && len(c.Values) == 1 {
				if lit, ok := c.Values[0].(*ast.BasicLit); ok {
					s, _ := strconv.Unquote(lit.Value)
					names[s] = true
				}
			}
			return true
		})
	}
	if len(names) < 40 {
		t.Fatalf("%d names of attributes found; the test looks at the wrong files", len(names))
	}
	return names
}

func TestSpellings(t *testing.T) {
	source := `package p
import "github.com/cadastre-ipam/cadastre/shared/table"
var (
	a = table.Key{PK: "p", SK: "s"}
	b = []table.Key{{PK: "p", SK: "s"}, a}
	c = "POOL#" + id
	d = table.Query{PK: "p"}
	e = table.Item{"State": nil, "none of ours": nil}
	f = item["State"]
	g = item.Str("State")
	h = row.Item.Num("State")

	i = table.Key{}
	j = []table.Key{a}
	k = table.Query{Limit: 1}
	l = table.Str("State")
	m = other["a key"]
	n = "a POOL#"
)
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, s := range spellings(f, map[string]bool{"State": true}) {
		lines = append(lines, fset.Position(s.at).Line)
	}
	if got := fmt.Sprint(lines); got != "[4 5 6 7 8 9 10 11]" {
		t.Errorf("spellings in lines %s, want 4 to 11", got)
	}
}
