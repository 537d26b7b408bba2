package architecture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oldWords are words that only this project used, with the words of the field
// that replaced them; see the glossary in shared/README.md.
var oldWords = map[string]string{
	"chronicle": "env",
	"crowd":     "writers",
	"crowded":   "too many to reconcile",
	"estate":    "env",
	"handBack":  "writesFromPlanningPool",
	"handOn":    "writesToPlanningPool",
	"handOver":  "reassign",
	"judge":     "evaluate",
	"judged":    "evaluated",
	"judgement": "status",
	"judges":    "evaluates",
	"judging":   "evaluating",
	"laid":      "planned",
	"landscape": "env",
	"lease":     "pending",
	"leased":    "pending",
	"leases":    "pending blocks",
	"meeting":   "overlapSet",
	"storetest": "tabletest",
	"unheld":    "exposed",
	"unplan":    "detachPlanningPool",
	"vanish":    "forget",
	"verdict":   "status",
	"verdicts":  "statuses",
}

// TestOldWords finds the old words in all files: in identifiers, stored
// attributes, metrics, events, comments and documents. It divides names in camel
// case into words.
func TestOldWords(t *testing.T) {
	for text, word := range map[string]string{"UnheldResourceCidrsTotal": "unheld", "handBackWrites": "handBack", "verdict_": "verdict"} {
		if !wordPattern(word).MatchString(text) {
			t.Errorf("%s is not found in %s", word, text)
		}
	}
	for _, text := range []string{"prejudged misjudgements", "judgements"} {
		if wordPattern("judge").MatchString(text) {
			t.Errorf("a part of another word is found in %s", text)
		}
	}
	patterns := map[string]*regexp.Regexp{}
	for old := range oldWords {
		patterns[old] = wordPattern(old)
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		switch filepath.Base(file) {
		case "words_test.go", "language_test.go", "ec2-ipam-model.json", "go.sum", "LICENSE", "package-lock.json":
			continue // these lists, and texts of others
		}
		b, err := os.ReadFile(filepath.Join("../..", file))
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		lower := strings.ToLower(string(b))
		for old, next := range oldWords {
			if !strings.Contains(lower, strings.ToLower(old)) {
				continue // faster than the pattern
			}
			for _, at := range patterns[old].FindAllIndex(b, -1) {
				t.Errorf("%s:%d: %q is an old word; write %s", file, 1+bytes.Count(b[:at[1]-1], []byte("\n")), old, next)
			}
		}
	}
}

// wordPattern finds a word, alone or as a part of a name in camel case.
func wordPattern(word string) *regexp.Regexp {
	lower, upper := strings.ToLower(word[:1])+word[1:], strings.ToUpper(word[:1])+word[1:]
	return regexp.MustCompile(`(?:^|[^a-zA-Z])` + lower + `(?:$|[^a-z])|(?:^|[^A-Z])` + upper + `(?:$|[^a-z])|(?:^|[^a-zA-Z])(?i:` + word + `)(?:$|[^a-zA-Z])`)
}
