//go:build !race

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented returns the commands of the guides, with the faults of those of the AWS CLI.
func documented(t *testing.T) (all []struct {
	File   string
	Words  []string
	Faults []string
}) {
	t.Helper()
	python := "../.tools/clients/bin/python"
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("CADASTRE_SKIP_SERVICES") != "" {
			t.Skip("CADASTRE_SKIP_SERVICES is set, and there is no AWS CLI")
		}
		t.Fatalf("the AWS CLI is not installed; `make tools` installs it, CADASTRE_SKIP_SERVICES=1 skips this test: %v", err)
	}
	cmd := exec.Command(python, "testdata/commands.py", "README.md", "FIRST-HOUR.md")
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every command of the guides exists, with its options: of the AWS CLI, make, and the
// runbook. Every context is one that the app takes.
func TestDocumentedCommands(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, c := range documented(t) {
		line := c.File + ": " + strings.Join(c.Words, " ")
		for _, f := range c.Faults {
			t.Errorf("%s: %s", line, f)
		}
		name := filepath.Base(c.Words[0])
		counted[name]++
		switch name {
		case "make":
			for _, f := range makeFaults(string(makefile), c.Words[1:]) {
				t.Errorf("%s: %s", line, f)
			}
		case "callers.sh", "restore.sh":
			if i, err := os.Stat("../" + c.Words[0]); err != nil || i.Mode()&0o111 == 0 {
				t.Errorf("%s: it cannot be run: %v", line, err)
			}
		case "aws", "cdk", "curl", "out", "zip":
		default:
			t.Errorf("%s: the test does not know %s", line, name)
		}
	}
	for name, least := range map[string]int{"aws": 20, "make": 8, "callers.sh": 2, "restore.sh": 1} {
		if counted[name] < least {
			t.Errorf("the guides have %d commands %s; the test looks at the wrong places", counted[name], name)
		}
	}
}

// makeFaults returns the faults of make's arguments: targets and variables that the
// Makefile does not have, and contexts that the app does not take.
func makeFaults(makefile string, words []string) (faults []string) {
	for _, w := range words {
		variable, value, assigned := strings.Cut(w, "=")
		if !assigned {
			if !regexp.MustCompile(`(?m)^` + w + `:`).MatchString(makefile) {
				faults = append(faults, "the Makefile has no target "+w)
			}
			continue
		}
		if !strings.Contains(makefile, "$("+variable+")") && !strings.Contains(makefile, "origin "+variable) {
			faults = append(faults, "the Makefile has no variable "+variable)
		}
		context := map[string]any{}
		for _, m := range regexp.MustCompile(`--context (\w+)=(\S+)`).FindAllStringSubmatch(value, -1) {
			context[m[1]] = strings.Replace(m[2], "$STREAM", restoredStream, 1)
		}
		if _, err := ParseConfig(context); err != nil {
			faults = append(faults, err.Error())
		}
	}
	return faults
}

// A command that deploys a template gives all of its parameters that have no default, no
// others, and the capability for its roles.
func TestDocumentedDeployments(t *testing.T) {
	deployed := map[string]bool{}
	for _, c := range documented(t) {
		line := c.File + ": " + strings.Join(c.Words, " ")
		template := ""
		for i, w := range c.Words {
			if w == "--template-file" || w == "--template-body" {
				template = strings.TrimPrefix(c.Words[i+1], "file://")
			}
		}
		if template == "" || c.Words[2] == "package" {
			continue
		}
		template = strings.Replace(template, "build/vend-vpc", "infra/examples/vend-vpc", 1) // the packaged one
		deployed[filepath.Base(template)] = true
		doc := written(t, "../"+template)
		if got, want := strings.Join(option(c.Words, "--capabilities"), " "), capability(doc.template); got != want {
			t.Errorf("%s: the capability is %q, and the roles need %q", line, got, want)
		}
		given := map[string]bool{}
		for _, w := range append(option(c.Words, "--parameter-overrides"), option(c.Words, "--parameters")...) {
			w = strings.TrimPrefix(w, "ParameterKey=")
			name, _, _ := strings.Cut(w, "=")
			name, _, _ = strings.Cut(name, ",")
			given[name] = true
			if _, ok := doc.Parameters[name]; !ok {
				t.Errorf("%s: %s has no parameter %s", line, template, name)
			}
		}
		for name, p := range doc.Parameters {
			if p.Default == nil && !given[name] {
				t.Errorf("%s: the parameter %s is missing", line, name)
			}
		}
	}
	for _, name := range []string{"code-bucket.yaml", "forwarder.yaml", "member.yaml", "vend-vpc.yaml", "vpc.yaml"} {
		if !deployed[name] {
			t.Errorf("no command deploys %s", name)
		}
	}
}

// capability returns the capability that CloudFormation wants for a template's roles.
func capability(d template) (want string) {
	for _, r := range d.Resources {
		switch {
		case r.Type == "AWS::IAM::Role" && r.Properties["RoleName"] != nil:
			return "CAPABILITY_NAMED_IAM"
		case r.Type == "AWS::IAM::Role":
			want = "CAPABILITY_IAM"
		}
	}
	return want
}

// option returns the values of an option.
func option(words []string, name string) []string {
	i := slices.Index(words, name)
	if i < 0 {
		return nil
	}
	values := words[i+1:]
	if end := slices.IndexFunc(values, func(w string) bool { return strings.HasPrefix(w, "--") }); end >= 0 {
		values = values[:end]
	}
	return values
}

// Neither a guide nor the runbook uses a waiter of the AWS CLI: for a table it gives up
// after 500 seconds, and a restore takes an hour.
func TestNoWaiters(t *testing.T) {
	paths, err := filepath.Glob("runbook/*.sh")
	if err != nil || len(paths) != 2 {
		t.Fatalf("the runbook has %v, %v", paths, err)
	}
	for _, path := range append(paths, "README.md", "FIRST-HOUR.md") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`aws \S+ wait .*`).Find(b); m != nil {
			t.Errorf("%s: %s", path, m)
		}
	}
}

// Links between the guides and within them lead to headings and files that exist.
func TestLinksOfTheGuides(t *testing.T) {
	anchors := func(path string) map[string]bool {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, m := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllSubmatch(b, -1) {
			name := strings.ToLower(regexp.MustCompile("[^A-Za-z0-9 -]").ReplaceAllString(string(m[1]), ""))
			all[strings.ReplaceAll(name, " ", "-")] = true
		}
		return all
	}
	for _, path := range []string{"README.md", "FIRST-HOUR.md"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		links := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`).FindAllSubmatch(b, -1)
		if len(links) < 5 {
			t.Errorf("%s has %d links", path, len(links))
		}
		for _, m := range links {
			target, anchor := string(m[1]), string(m[2])
			if target == "" {
				target = path
			}
			if i, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if anchor != "" && !i.IsDir() && !anchors(target)[anchor] {
				t.Errorf("%s: %s has no heading #%s", path, target, anchor)
			}
		}
	}
}
