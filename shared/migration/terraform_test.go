package migration_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/migration"
)

var plugins = flag.String("terraform", "", "run the tests with Terraform, which installs the AWS provider from this `FOLDER`")

// fakeCLI carries out the calls of the AWS CLI that a configuration makes.
const fakeCLI = `#!/bin/sh -e
call() { curl -sS --fail-with-body -H "Authorization: AWS4-HMAC-SHA256 Credential=%s/x" "$@" %s; }
case $2 in
put-ipam-pool-share) call -d Action=PutIpamPoolShare --data-urlencode "IpamPoolId=$4" --data-urlencode "Principal=$6" ;;
describe-ipam-resource-discoveries) call -d Action=DescribeIpamResourceDiscoveries --data-urlencode "IpamResourceDiscoveryId.1=$4" | sed 's/[<>]/"/g' ;;
modify-ipam-scope) call -d Action=ModifyIpamScope --data-urlencode "IpamScopeId=$4" --data-urlencode "Description=$6" ;;
modify-ipam-resource-discovery) call -d Action=ModifyIpamResourceDiscovery --data-urlencode "IpamResourceDiscoveryId=$4" --data-urlencode "AddOrganizationalUnitExclusion.1.${6}" ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
`

// workspace is a folder with a configuration for a deployment.
type workspace struct {
	*testing.T
	folder string
}

func newWorkspace(t *testing.T, e *env, d *migration.Deployment, o migration.TerraformOptions) *workspace {
	w := &workspace{t, t.TempDir()}
	var configuration bytes.Buffer
	if err := d.WriteTerraform(&configuration, o); err != nil {
		t.Fatal(err)
	}
	w.write("ipam.tf", configuration.String(), 0o600)
	w.write("provider.tf", fmt.Sprintf(`provider "aws" {
  region                      = %q
  access_key                  = %q
  secret_key                  = "secret"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    ec2 = %q
  }
}
`, home, account, e.URL), 0o600)
	w.write("aws", fmt.Sprintf(fakeCLI, account, e.URL), 0o700)
	w.run("init", "-plugin-dir="+*plugins)
	return w
}

func (w *workspace) write(name, text string, mode os.FileMode) {
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), mode); err != nil {
		w.Fatal(err)
	}
}

func (w *workspace) run(command string, args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "terraform", append([]string{command, "-no-color"}, args...)...)
	cmd.Dir = w.folder
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull, "PATH="+w.folder+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("terraform %s: %v\n%s", command, err, out)
	}
	return string(out)
}

// The configuration takes an existing deployment over without replacing an object, and
// makes the same content in an empty one.
func TestTerraform(t *testing.T) {
	if *plugins == "" {
		t.Skip("-terraform names no folder with the AWS provider")
	}
	first := newEnv(t)
	// Version 5 of the provider does not have the metered account.
	first.importAll(readJSON(t, strings.Replace(content, `"meteredAccount": "resource-owner",`, "", 1)))
	d := first.read()
	want := exportJSON(t, &d.Document)

	w := newWorkspace(t, first, d, migration.TerraformOptions{})
	if plan := w.run("plan"); !strings.Contains(plan, "36 to import, 5 to add, 3 to change, 0 to destroy") || strings.Contains(plan, "must be replaced") {
		t.Errorf("the plan of the deployment:\n%s", plan)
	}
	w.run("apply", "-auto-approve")
	if plan := w.run("plan"); !strings.Contains(plan, "No changes.") {
		t.Errorf("the second plan:\n%s", plan)
	}
	if diff := cmp.Diff(want, exportJSON(t, &first.read().Document)); diff != "" {
		t.Errorf("the import changes the content:\n%s", diff)
	}

	empty := newEnv(t)
	w = newWorkspace(t, empty, d, migration.TerraformOptions{WithoutImport: true})
	w.run("apply", "-auto-approve")
	if diff := cmp.Diff(want, exportJSON(t, &empty.read().Document)); diff != "" {
		t.Errorf("the content differs (-exported +made):\n%s", diff)
	}
	empty.clean()
}
