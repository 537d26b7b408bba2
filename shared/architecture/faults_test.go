package architecture

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testsIn matches a package of the tree and the tests that follow it.
var testsIn = regexp.MustCompile("`([a-z0-9/]+)`((?: Test[A-Za-z0-9]+)+)")

// TestFaultsHaveTests checks that each row of shared/FAULTS.md names tests, and that each
// of them is in its package.
func TestFaultsHaveTests(t *testing.T) {
	rows, tests := 0, 0
	for line := range strings.Lines(read(t, "shared/FAULTS.md")) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "-") || cells[1] == " fault " {
			continue
		}
		rows++
		if !testsIn.MatchString(cells[2]) {
			t.Errorf("no tests for the fault%s", cells[1])
		}
		for _, m := range testsIn.FindAllStringSubmatch(line, -1) {
			source := testSource(t, m[1])
			for name := range strings.FieldsSeq(m[2]) {
				tests++
				if !strings.Contains(source, "\nfunc "+name+"(") {
					t.Errorf("%s has no %s, which the fault%snames", m[1], name, cells[1])
				}
			}
		}
	}
	if rows < 30 || tests < 100 {
		t.Errorf("the table has %d rows with %d tests", rows, tests)
	}
}

// testSource returns the source of the tests of a package.
func testSource(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", path, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", path, err)
	}
	var all strings.Builder
	for _, f := range files {
		name, err := filepath.Rel("../..", f)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(read(t, name))
	}
	return all.String()
}
