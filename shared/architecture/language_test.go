package architecture

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// With -folder, TestLanguage lists the findings of one folder, or of one file,
// and ignores the allowances:
//
//	go test ./shared/architecture -run TestLanguage -folder shared/store
var folder = flag.String("folder", "", "list the findings of TestLanguage in this folder or file of the repository")

// patterns are the phrases that make comments and docs hard to read. Each of
// them is wrong in nearly every sentence, so that the test needs no exceptions.
var patterns = []struct{ phrase, instead string }{
	{`what|whatever|whoever|whom|whichever|which else`, "name the thing: its noun, then a verb"},
	{`(?:^|[.;:,(]|\b(?:of|for|to|by|from|with|on|at|and|or|is|are|was|says?|than|but|as|if|see|shows?|know|knows|names?|asks?|only|not)) who\b(?:'s)?|\b\w+s who (?:does|is|has|was|\w+s)\b`, "name the person or program: the caller, the account"},
	{`(?:says?|decides?|knows?|sees?|shows?|names?|said|finds?|asks?|learns?|depends on) which (?:is|are|was|of|has|have|\w+s)\b`, "name the thing"},
	{`(?:is|are|was|were|be|but|than|as|by|has|have) (?:that|those) of|(?:that|those) of which`, "repeat the noun"},
	{`tells?|told|telling`, "say, report, return, show"},
	{`judges?|judged|judging|judgement|verdicts?`, "evaluate, status, decide"},
	{`lays|laid|laying`, "write, create, put"},
	{`meeting`, "name the result, such as an intersection"},
	{`(?:come|comes|came|coming) to`, "reach, equal, become, fail"},
	{`(?:stands?|stood|standing) (?:in|for|at|beside|between|over|behind|there)`, "is, represents, replaces"},
	{`lives|lived`, "is, exists, stays"},
	{`is [A-Z]\w+ for \w+s\b`, "say it in full"},
	{`(?:is|are|be|was|were) born`, "is created"},
	{`grief`, "fail"},
}

var findings = func() []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, p := range patterns {
		expr := strings.ReplaceAll(p.phrase, " ", `\s+`)
		if !strings.HasPrefix(p.phrase, "(?:^") {
			expr = `(?:^|[^\w-])(?:` + expr + `)(?:[^\w-]|$)`
		}
		flags := "(?im)"
		if strings.Contains(p.phrase, "[A-Z]") {
			flags = "(?m)"
		}
		all = append(all, regexp.MustCompile(flags+expr))
	}
	return all
}()

// A passage is text for people: a comment, a paragraph, a test's name.
type passage struct {
	file string
	line int // of the text's first line
	text string
}

func TestLanguage(t *testing.T) {
	for _, p := range passages(t) {
		if *folder != "" && !under(p.file, strings.TrimSuffix(path.Clean(*folder), "/")) {
			continue
		}
		for i, pattern := range findings {
			for _, at := range pattern.FindAllStringIndex(p.text, -1) {
				phrase := strings.Join(strings.Fields(p.text[at[0]:at[1]]), " ")
				line := p.line + strings.Count(p.text[:at[0]], "\n")
				t.Errorf("%s:%d: %q: %s", p.file, line, phrase, patterns[i].instead)
			}
		}
	}
}

// passages reads all files that git knows or would add.
func passages(t *testing.T) []passage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []passage
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		b, err := os.ReadFile(filepath.Join("../..", file))
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		switch ext := path.Ext(file); {
		case file == "shared/architecture/language_test.go":
		case ext == ".go":
			all = append(all, goPassages(t, file, text)...)
		case ext == ".md":
			all = append(all, passage{file, 1, blank(text, fenced, quoted)})
		case ext == ".py":
			all = append(all, hashPassages(file, text)...)
			for _, at := range docstring.FindAllStringSubmatchIndex(text, -1) {
				all = append(all, passage{file, 1 + strings.Count(text[:at[2]], "\n"), blank(text[at[2]:at[3]], quoted)})
			}
			for _, at := range pythonTest.FindAllStringSubmatchIndex(text, -1) {
				all = append(all, passage{file, 1 + strings.Count(text[:at[2]], "\n"), strings.ReplaceAll(text[at[2]:at[3]], "_", " ")})
			}
		case ext == ".json":
			all = append(all, described(t, file, text)...)
		case ext == ".yaml", ext == ".yml", ext == ".sh", ext == ".toml", path.Base(file) == "Makefile", ext == "" && strings.HasPrefix(text, "#!"):
			all = append(all, hashPassages(file, text)...)
			for _, at := range yamlText.FindAllStringSubmatchIndex(text, -1) {
				all = append(all, passage{file, 1 + strings.Count(text[:at[2]], "\n"), text[at[2]:at[3]]})
			}
		}
	}
	if len(all) < 1000 {
		t.Fatalf("%d passages found; the test looks at the wrong tree", len(all))
	}
	return all
}

var (
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	quoted     = regexp.MustCompile("`[^`]*`|\"[^\"\n]*\"|\\]\\([^)]*\\)")
	codeLine   = regexp.MustCompile(`(?m)^(\t|    ).*$`)
	docstring  = regexp.MustCompile(`(?s)"""(.*?)"""`)
	pythonTest = regexp.MustCompile(`(?m)^def (test_\w+)`)
	yamlText   = regexp.MustCompile(`(?m)^\s*(?:Description|Comment): (.*)$`)
	hash       = regexp.MustCompile(`(?:^|\s)#+ (.*)$`)
)

// blank replaces code and quotations by spaces, so that lines keep their numbers.
func blank(text string, code ...*regexp.Regexp) string {
	for _, c := range code {
		text = c.ReplaceAllStringFunc(text, func(s string) string {
			return strings.Map(func(r rune) rune {
				if r == '\n' {
					return r
				}
				return '_'
			}, s)
		})
	}
	return text
}

// hashPassages joins the lines of a comment that begin with a hash.
func hashPassages(file, text string) []passage {
	var all []passage
	last := -1
	for i, line := range strings.Split(text, "\n") {
		m := hash.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if last == i-1 && len(all) > 0 && strings.HasPrefix(strings.TrimSpace(line), "#") {
			all[len(all)-1].text += "\n" + m[1]
		} else {
			all = append(all, passage{file, i + 1, m[1]})
		}
		last = i
	}
	for i := range all {
		all[i].text = blank(all[i].text, quoted)
	}
	return all
}

// described reads the descriptions in a JSON file, such as an event's schema.
// Models and records that come from AWS describe themselves in AWS's words.
func described(t *testing.T, file, text string) []passage {
	if strings.HasPrefix(file, "shared/wire/model/ec2-") || strings.Contains(file, "/testdata/") {
		return nil
	}
	var all []passage
	var visit func(any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, member := range v {
				if s, ok := member.(string); ok && slices.Contains([]string{"description", "documentation", "Comment", "title"}, key) {
					all = append(all, passage{file, 1 + strings.Count(text[:max(0, strings.Index(text, s))], "\n"), blank(s, quoted)})
				}
				visit(member)
			}
		case []any:
			for _, member := range v {
				visit(member)
			}
		}
	}
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	visit(root)
	return all
}

// goPassages reads the comments and test names of a Go file, and its messages:
// the string literals that have a space.
func goPassages(t *testing.T, file, text string) []passage {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(parsed) {
		return nil
	}
	var all []passage
	for _, group := range parsed.Comments {
		var lines []string
		for _, c := range group.List {
			line := strings.TrimPrefix(c.Text, "//")
			if strings.HasPrefix(c.Text, "//") && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
				line = "" // a directive, as //go:build
			}
			lines = append(lines, strings.TrimPrefix(line, " "))
		}
		all = append(all, passage{file, set.Position(group.Pos()).Line, blank(strings.Join(lines, "\n"), codeLine, quoted)})
	}
	isTest := strings.HasSuffix(file, "_test.go")
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && isTest {
			all = append(all, passage{file, set.Position(f.Pos()).Line, words(f.Name.Name)})
		}
	}
	imports := map[*ast.BasicLit]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			imports[n.Path] = true
		case *ast.Field:
			if n.Tag != nil {
				imports[n.Tag] = true
			}
		case *ast.BasicLit:
			if n.Kind != token.STRING || imports[n] {
				return true
			}
			if s, err := strconv.Unquote(n.Value); err == nil && strings.Contains(s, " ") {
				all = append(all, passage{file, set.Position(n.Pos()).Line, blank(s, quoted)})
			}
		}
		return true
	})
	return all
}

// words divides a Go name: "TestWhatIsLeft" is "Test What Is Left".
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestLanguagePatterns(t *testing.T) {
	count := func(text string) int {
		n := 0
		for _, p := range findings {
			n += len(p.FindAllString(text, -1))
		}
		return n
	}
	for _, text := range []string{
		"Reconcile for who has left a note of it",
		"refuses who does not call from the management account",
		"Whoever frees a block reads the block",
		"which else is handed on",
		"tells of what is\nleft",
		"its class is that of the root",
		"PoolsAfter is IPAMsAfter for pools",
		"an alarm tells",
		"the space of that of which",
		"is laid over its VPC",
		"the tag that it stands\nfor",
		"meeting lays what is free",
		"the IPAM's quota comes to an end",
	} {
		if count(text) == 0 {
			t.Errorf("not found: %q", text)
		}
	}
	for _, text := range []string{
		"callers who sign with another key are refused",
		"the pool in which the block is free, which is the usual case",
		"a live resource holds the space",
		"the pool, and the account that owns it",
		"The overlay shows the layers.",
		"names the numbers and the next step",
		"the resource whose id is given",
	} {
		if n := count(text); n != 0 {
			t.Errorf("%d findings in %q", n, text)
		}
	}
	if got := fmt.Sprint(words("TestWhatIsLeft")); got != "Test What Is Left" {
		t.Error(got)
	}
}
