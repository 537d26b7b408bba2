package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands returns all commands, the root first.
func commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" { // the library's
			all = append(all, commands(c)...)
		}
	}
	return all
}

// Every command has its help with an example, and the README names it with its flags.
func TestHelp(t *testing.T) {
	environment(t, "")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := commands(newRoot())
	if len(all) < 4 {
		t.Fatalf("%d commands", len(all))
	}
	for _, c := range all {
		if c.Short == "" || c.Long == "" || !strings.HasPrefix(c.Example, "  cadastre ") || c.HasParent() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no description, or no example that begins with its name", c.CommandPath())
		}
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if status := run(t.Context(), args, &stdout, &stderr); status != statusDone || !strings.Contains(stdout.String(), c.Long) || !strings.Contains(stdout.String(), c.Example) || stderr.Len() > 0 {
			t.Errorf("%s --help: exit status %d\n%s%s", c.CommandPath(), status, &stdout, &stderr)
		}
		if c.HasParent() && !strings.Contains(string(readme), "`"+c.CommandPath()+"`") {
			t.Errorf("the README does not name `%s`", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(string(readme), "`--"+f.Name+"`") {
				t.Errorf("the README does not name the flag --%s of %s", f.Name, c.CommandPath())
			}
		})
	}
}

func TestExitStatuses(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		stdout bool
		words  string
	}{
		{"", statusDone, true, "Exit statuses"},
		{"--help", statusDone, true, "fsck"},
		{"help model", statusDone, true, "paginators-1.json"},
		{"prox", statusMisused, false, `no command "prox"; do you mean proxy?`},
		{"prox --endpoint x", statusMisused, false, "unknown flag: --endpoint"},
		{"xyzzy", statusMisused, false, `no command "xyzzy"`},
		{"model --output json", statusMisused, false, "unknown flag: --output"},
		{"model spare", statusMisused, false, `"spare" is no flag`},
		{"fsck", statusMisused, false, "CADASTRE_TABLE"},
		{"fsck --table t -o xml", statusMisused, false, "table, json, csv"},
		{"fsck --table t --settled --lost-since o", statusMisused, false, "--lost-since"},
		{"fsck --table t --profile missing --lost-since o", statusFailed, false, "missing"},
		{"model --config /nowhere/config.yaml", statusMisused, false, "/nowhere/config.yaml"},
	} {
		t.Run(c.args, func(t *testing.T) {
			environment(t, "AKIDOWN")
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), strings.Fields(c.args), &stdout, &stderr)
			if status != c.status || !strings.Contains(stdout.String()+stderr.String(), c.words) || (stdout.Len() > 0) != c.stdout || (stderr.Len() > 0) == c.stdout {
				t.Errorf("exit status %d, want %d and %q\nstdout: %s\nstderr: %s", status, c.status, c.words, &stdout, &stderr)
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	environment(t, "")
	for _, shell := range []string{"bash", "zsh"} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), []string{"completion", shell}, &stdout, &stderr); status != statusDone || !strings.Contains(stdout.String(), "cadastre") || stderr.Len() > 0 {
			t.Errorf("%s: exit status %d, %s", shell, status, &stderr)
		}
	}
	for args, want := range map[string][]string{"pro": {"proxy\t"}, "fsck --output ": {"table", "json", "csv"}, "proxy --ec2": {"--ec2-endpoint\t"}} {
		var stdout, stderr bytes.Buffer
		words := append([]string{"__complete"}, strings.Split(args, " ")...)
		if status := run(t.Context(), words, &stdout, &stderr); status != statusDone {
			t.Errorf("%q: exit status %d, %s", args, status, &stderr)
		}
		for _, w := range want {
			if !strings.Contains(stdout.String(), w) {
				t.Errorf("%q is completed to %q, want %s", args, &stdout, w)
			}
		}
	}
}

// A flag goes before the environment, and the environment before the file.
func TestSettings(t *testing.T) {
	const document = "endpoint: https://file.example\nregion: eu-west-1\nprofile: of-file\noutput: csv\n"
	for _, c := range []struct {
		name        string
		environment map[string]string
		file        string
		args        string
		want        string // endpoint region profile output
		refused     string
	}{
		{"nothing", nil, "", "", "   table", ""},
		{"an empty file", nil, "\n# nothing\n", "", "   table", ""},
		{"file", nil, document, "", "https://file.example eu-west-1 of-file csv", ""},
		{"environment", map[string]string{"CADASTRE_REGION": "us-east-1", "CADASTRE_PROFILE": "of-environment", "CADASTRE_OUTPUT": "json"}, document, "", "https://file.example us-east-1 of-environment json", ""},
		{"flags", map[string]string{"CADASTRE_REGION": "us-east-1", "CADASTRE_OUTPUT": "json"}, document, "--region us-west-2 --profile of-flag -o table --endpoint e", "e us-west-2 of-flag table", ""},
		{"AWS's profile before the file's", map[string]string{"AWS_PROFILE": "p"}, document, "", "https://file.example eu-west-1  csv", ""},
		{"AWS's keys before the file's profile", map[string]string{"AWS_ACCESS_KEY_ID": "k"}, document, "", "https://file.example eu-west-1  csv", ""},
		{"AWS's profile after the environment's", map[string]string{"AWS_PROFILE": "p", "CADASTRE_PROFILE": "q"}, document, "", "https://file.example eu-west-1 q csv", ""},
		{"an unknown member", nil, "endpont: x\n", "", "", `"endpont" is no setting; the settings are endpoint, output, profile, region, table`},
		{"no mapping", nil, "- endpoint\n", "", "", "no"},
		{"a list", nil, "endpoint: [a]\n", "", "", "not a YAML mapping"},
		{"an unknown format in the file", nil, "output: xml\n", "", "", "config.yaml: output"},
		{"an unknown format in the environment", map[string]string{"CADASTRE_OUTPUT": "xml"}, "", "", "", "CADASTRE_OUTPUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, "")
			if c.file != "" {
				path := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "cadastre", "config.yaml")
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			s := &settings{}
			command := &cobra.Command{
				Use: "x", Args: noArguments, SilenceErrors: true, SilenceUsage: true,
				PreRunE: func(c *cobra.Command, _ []string) error { return s.fill(c) }, RunE: func(*cobra.Command, []string) error { return nil },
			}
			s.addShared(command)
			s.addEndpoint(command)
			s.addOutput(command)
			command.SetArgs(strings.Fields(c.args))
			err := command.ExecuteContext(t.Context())
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("error %v, want %s", err, c.refused)
				}
				return
			}
			if got := fmt.Sprint(s.endpoint, " ", s.region, " ", s.profile, " ", s.output); err != nil || got != c.want {
				t.Errorf("settings %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestPrintList(t *testing.T) {
	type thing struct {
		Name string
		N    int
	}
	columns := []column[thing]{{"name", func(x thing) string { return x.Name }}, {"n", func(x thing) string { return fmt.Sprint(x.N) }}}
	things := []thing{{"a,b", 1}, {"=cmd()", -2}, {"two\nlines\x1b[2J", 3}}
	for _, c := range []struct {
		format format
		list   []thing
		want   string
	}{
		{formatTable, nil, ""},
		{formatJSON, nil, "[]\n"},
		{formatCSV, nil, "name,n\r\n"},
		{formatTable, things, "NAME           N\na,b            1\n=cmd()         -2\ntwo\uFFFDlines\uFFFD[2J  3\n"},
		{formatJSON, things[:1], "[\n  {\n    \"Name\": \"a,b\",\n    \"N\": 1\n  }\n]\n"},
		{formatCSV, things, "name,n\r\n\"a,b\",1\r\n'=cmd(),'-2\r\n\"two\r\nlines\x1b[2J\",3\r\n"},
	} {
		var b bytes.Buffer
		if err := printList(&b, c.format, c.list, columns); err != nil || b.String() != c.want {
			t.Errorf("%s of %d things: %q, %v; want %q", c.format, len(c.list), b.String(), err, c.want)
		}
	}
}
