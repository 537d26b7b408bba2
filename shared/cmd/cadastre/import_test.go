package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
)

// program runs the program against a deployment.
func program(t *testing.T, s *opstest.Server, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	t.Setenv("CADASTRE_ENDPOINT", s.URL)
	t.Setenv("CADASTRE_REGION", opstest.Region)
	status = run(t.Context(), args, &out, &log)
	return status, out.String(), log.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const networks = "Art;Netz;Pool;Zweck\nipam;;;\npool;10.0.0.0/8;corp;\n;10.1.0.0/16;corp;on premises\n;10.1.7.0/24;;\n"

// A file is planned, refused, imported without its faulty line, and exported; and the
// export is imported into another deployment.
func TestImportAndExport(t *testing.T) {
	environment(t, opstest.Account)
	s := opstest.New(t)
	mapping, file := write(t, "mapping.yaml", "columns: {type: Art, cidr: Netz, description: Zweck}\n"), write(t, "networks.csv", networks)
	args := []string{"import", "csv", file, "--mapping", mapping}
	status, stdout, stderr := program(t, s, append(args, "-o", "csv")...)
	if status != statusFound || !strings.HasPrefix(stdout, "line,kind,object,message,next\r\n5,overlap,10.1.7.0/24,") || !strings.Contains(stderr, "4 steps\n") || !strings.Contains(stderr, "1 findings\n") {
		t.Errorf("the plan: exit status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, more := range [][]string{nil, {"--apply"}} {
		program(t, s, append(args, more...)...)
		if status, stdout, stderr := program(t, s, "export", "json"); status != statusFailed || !strings.Contains(stderr, "no IPAM") {
			t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
		}
	}
	status, stdout, stderr = program(t, s, append(args, "--apply", "--skip-faulty", "-o", "json")...)
	if status != statusFound || !strings.Contains(stdout, `"line": 5`) || !strings.Contains(stderr, "4 steps done") {
		t.Errorf("the import: exit status %d\n%s\n%s", status, stdout, stderr)
	}
	status, stdout, stderr = program(t, s, append(args, "--apply", "--skip-faulty", "-o", "json")...)
	if status != statusFound || !strings.Contains(stderr, "0 steps done; the deployment had 4 objects") {
		t.Errorf("the second import: exit status %d\n%s\n%s", status, stdout, stderr)
	}
	s.Clean(t)
	for _, format := range []string{"csv", "json"} {
		exported := filepath.Join(t.TempDir(), "ipam."+format)
		if status, stdout, stderr := program(t, s, "export", format, "--file", exported); status != statusDone || stdout != "" {
			t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
		}
		other := opstest.New(t)
		if status, stdout, stderr := program(t, other, "import", format, exported, "--apply"); status != statusDone || stdout != "" || !strings.Contains(stderr, "4 steps done") {
			t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
		}
		want, err := os.ReadFile(exported)
		if err != nil {
			t.Fatal(err)
		}
		if status, stdout, _ := program(t, other, "export", format); status != statusDone || stdout != string(want) {
			t.Errorf("exit status %d; exported\n%s, want\n%s", status, stdout, want)
		}
	}
}

func TestMisusedImports(t *testing.T) {
	environment(t, opstest.Account)
	s := opstest.New(t)
	file := write(t, "networks.csv", networks)
	for _, c := range []struct {
		args   string
		status int
		words  string
	}{
		{"import", statusDone, ""},
		{"import xls", statusMisused, `no command "xls"`},
		{"export pdf", statusMisused, `no command "pdf"`},
		{"import csv", statusMisused, "name one file"},
		{"import csv a b", statusMisused, "name one file"},
		{"import csv /nowhere.csv", statusMisused, "/nowhere.csv"},
		{"import csv " + file, statusDone, "column"},
		{"import csv " + file + " --mapping /nowhere.yaml", statusMisused, "/nowhere.yaml"},
		{"import csv " + file + " --mapping " + file, statusMisused, "no mapping"},
		{"import csv " + file + " --skip-faulty", statusMisused, "--apply"},
		{"import csv " + file + " --parallel 0", statusMisused, "--parallel"},
		{"import json " + file, statusMisused, "no document"},
		{"import amazon", statusMisused, "--from-region"},
		{"import amazon --compare --apply", statusMisused, "--compare"},
		{"import netbox", statusMisused, "--url"},
		{"import netbox --url netbox.example", statusMisused, "--url"},
		{"import netbox --url http://127.0.0.1:1 --top 10.0.0.1/8", statusMisused, "10.0.0.0/8"},
		{"import netbox --url http://127.0.0.1:1", statusMisused, "NETBOX_TOKEN"},
		{"import netbox --url http://127.0.0.1:1 --token-file /nowhere", statusMisused, "/nowhere"},
		{"export json --file /nowhere/x.json --ipam ipam-0123456789abcdef0", statusFailed, "InvalidIpamId.NotFound"},
	} {
		status, stdout, stderr := program(t, s, strings.Fields(c.args)...)
		if c.words == "column" { // the file has headers of its own
			c.status = statusFound
		}
		if status != c.status || !strings.Contains(stdout+stderr, c.words) {
			t.Errorf("%s: exit status %d, want %d and %q\n%s\n%s", c.args, status, c.status, c.words, stdout, stderr)
		}
	}
}

// An allocation that another account is to own is made with that account's role.
func TestImportForAnotherAccount(t *testing.T) {
	environment(t, opstest.Account)
	s := opstest.New(t)
	file := write(t, "networks.csv", "type,pool,cidr,shares,account\nipam,,,,\npool,corp,10.0.0.0/8,444455556666,\n,corp,10.1.0.0/16,,444455556666\n")
	if status, stdout, stderr := program(t, s, "import", "csv", file); status != statusFound || !strings.Contains(stdout, "other-account") {
		t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	sts := newSTS(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts)
	if status, stdout, stderr := program(t, s, "import", "csv", file, "--apply", "--role", "importer"); status != statusDone {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, stdout, _ := program(t, s, "export", "json"); status != statusDone || !strings.Contains(stdout, `"owner": "444455556666"`) {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
	if status, stdout, stderr := program(t, s, "import", "csv", file, "--apply", "--role", "importer"); status != statusDone || !strings.Contains(stderr, "0 steps done") {
		t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
}

// newSTS starts an STS whose sessions have the account as their access key.
func newSTS(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		account := strings.Split(r.PostForm.Get("RoleArn"), ":")[4]
		if r.PostForm.Get("RoleArn") != "arn:aws:iam::"+account+":role/importer" {
			t.Errorf("assumed %s", r.PostForm.Get("RoleArn"))
		}
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId>
			<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, account)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A configuration and templates are written; settings that a template cannot have are listed.
func TestExportForOtherTools(t *testing.T) {
	environment(t, opstest.Account)
	s := opstest.New(t)
	file := write(t, "networks.csv", "type,pool,cidr,shares,tags\nipam,,,,\npool,corp,10.0.0.0/8,444455556666,\n,corp,10.1.0.0/16,,a=b\n")
	if status, stdout, stderr := program(t, s, "import", "csv", file, "--apply"); status != statusDone {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, c := range []struct {
		args           string
		status         int
		stdout, stderr string
	}{
		{"export terraform", statusDone, "to = aws_vpc_ipam_pool.private_corp\n", ""},
		{"export terraform --without-import", statusDone, "resource \"aws_ec2_tag\"", ""},
		{"export cloudformation", statusFound, `"Type": "Custom::IpamAllocation"`, "not in the templates: the shares of the pool corp: 444455556666\n"},
		{"export cloudformation --amazon --part 1", statusFound, `"Type": "AWS::EC2::IPAMAllocation"`, "the tags of the allocation 10.1.0.0/16"},
		{"export cloudformation --part 2", statusMisused, "", "there are 1 templates"},
	} {
		status, stdout, stderr := program(t, s, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: exit status %d, want %d\n%s\n%s", c.args, status, c.status, stdout, stderr)
		}
		if strings.Contains(c.args, "without") && strings.Contains(stdout, "import {") {
			t.Errorf("%s: %s", c.args, stdout)
		}
	}
}

// A NetBox is imported into an empty deployment, in which nothing is left to do then.
func TestImportNetBox(t *testing.T) {
	environment(t, opstest.Account)
	s := opstest.New(t)
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token 0123" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/ipam/"), "/")
		http.ServeFile(w, r, filepath.Join("..", "..", "migration", "netbox", "testdata", name+".json"))
	}))
	t.Cleanup(box.Close)
	args := []string{"import", "netbox", "--url", box.URL, "--token-file", write(t, "token", "0123\n"), "--top", "192.168.0.0/16", "--locale-field", "aws_region"}
	if status, stdout, stderr := program(t, s, append(args, "--apply", "--skip-faulty")...); status != statusFound || strings.Contains(stdout, "refused") {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	s.Clean(t)
	if status, stdout, stderr := program(t, s, args...); status != statusFound || !strings.Contains(stderr, "        0 steps") {
		t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
}

// An IPAM behind EC2's API is imported and compared. Cadastre itself has that API.
func TestImportAmazon(t *testing.T) {
	environment(t, opstest.Account)
	source, s := opstest.New(t), opstest.New(t)
	file := write(t, "networks.csv", "type,pool,cidr,locale,tags,regions\nipam,,,,,us-east-1\npool,corp,10.0.0.0/8,us-east-1,,\n,corp,10.1.0.0/16,,a=b,\n")
	if status, stdout, stderr := program(t, source, "import", "csv", file, "--apply"); status != statusDone {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	ram := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(ram.Close)
	t.Setenv("AWS_ENDPOINT_URL_EC2", source.URL)
	t.Setenv("AWS_ENDPOINT_URL_RAM", ram.URL)
	args := []string{"import", "amazon", "--from-region", opstest.Region}
	status, stdout, stderr := program(t, s, append(args, "--compare", "-o", "csv")...)
	if status != statusFound || !strings.Contains(stdout, "allocation private/corp 10.1.0.0/16,yes,\r\n") || !strings.Contains(stderr, "differences") {
		t.Errorf("the first comparison: exit status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, stdout, stderr := program(t, s, append(args, "--apply")...); status != statusDone || !strings.Contains(stderr, "4 steps done") {
		t.Fatalf("the import: exit status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, stdout, stderr := program(t, s, append(args, "--compare")...); status != statusDone || stdout != "" || !strings.Contains(stderr, "0 differences") {
		t.Errorf("the second comparison: exit status %d\n%s\n%s", status, stdout, stderr)
	}
}
