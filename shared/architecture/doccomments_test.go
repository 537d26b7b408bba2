package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocComments checks that each exported function, method and type has a
// comment that begins with its name, and that each exported constant and
// variable, or its group, has a comment. Methods of well-known interfaces need
// none.
func TestDocComments(t *testing.T) {
	wellKnown := map[string]bool{"Error": true, "Unwrap": true, "String": true, "ServeHTTP": true, "Len": true, "Less": true, "Swap": true, "Write": true, "Read": true, "Close": true}
	set := token.NewFileSet()
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(parsed) {
				continue
			}
			wants := func(name *ast.Ident, doc *ast.CommentGroup) {
				if !name.IsExported() {
					return
				}
				words := strings.Fields(doc.Text())
				for len(words) > 0 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
					words = words[1:]
				}
				if len(words) == 0 || strings.TrimSuffix(words[0], "'s") != name.Name {
					t.Errorf("%s: %s has no comment that begins with its name", set.Position(name.Pos()), name.Name)
				}
			}
			for _, decl := range parsed.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					if decl.Recv == nil || !wellKnown[decl.Name.Name] && exportedReceiver(decl) {
						wants(decl.Name, decl.Doc)
					}
				case *ast.GenDecl:
					for _, spec := range decl.Specs {
						switch spec := spec.(type) {
						case *ast.TypeSpec:
							doc := spec.Doc
							if doc == nil {
								doc = decl.Doc
							}
							wants(spec.Name, doc)
						case *ast.ValueSpec:
							for _, name := range spec.Names {
								if name.IsExported() && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
									t.Errorf("%s: neither %s nor its group has a comment", set.Position(name.Pos()), name.Name)
								}
							}
						}
					}
				}
			}
		}
	}
}

func exportedReceiver(f *ast.FuncDecl) bool {
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && name.IsExported() {
			exported = true
		}
		return true
	})
	return exported
}
