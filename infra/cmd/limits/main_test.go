package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	service = `{"Resources": {
		"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "ProvisioningWorkerFunction27A789D3"}, "ParallelizationFactor": 10}},
		"Other": {"Type": "AWS::SQS::Queue", "Properties": {}}}}`
	watch = `{"Resources": {
		"A": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "DiscoveryWorkerFunctionD17439DD"}, "ScalingConfig": {"MaximumConcurrency": 20}}},
		"B": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "DiscoveryWorkerFunctionD17439DD"}, "ScalingConfig": {"MaximumConcurrency": 5}}},
		"C": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "HistoryFunction20D4D2CA"}}}}}`
)

// The report names the account's limit, the use of each background function, and the
// rest. It warns if that is little.
func TestLimits(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"Service": service, "Watch": watch} {
		if err := os.WriteFile(filepath.Join(folder, name+".template.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	const uses = `Cadastre's background functions take at most 36 at one time:
  DiscoveryWorker              5
  DiscoveryWorker             20
  History                      1
  ProvisioningWorker          10
`
	for _, c := range []struct{ name, settings, want string }{
		{"enough", `{"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}}`,
			"Lambda concurrency of the account in eu-west-1: 1000, of which functions reserve 100.\n" + uses +
				"The API, the functions for templates and direct invocation, and the account's other functions have the rest: 864.\n"},
		{"a new account", `{"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}`,
			"Lambda concurrency of the account in eu-west-1: 10, of which functions reserve 0.\n" + uses +
				"The API, the functions for templates and direct invocation, and the account's other functions have the rest: 0.\n" +
				"WARNING: that is less than 10; under load the API may answer OutcomeUnknown. Raise the quota, or lower members of concurrency:\n" +
				"  aws service-quotas request-service-quota-increase --region eu-west-1 --service-code lambda --quota-code L-B99A9384 --desired-value 1000\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || !strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/account-settings") {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.Write([]byte(c.settings))
			}))
			defer server.Close()
			t.Setenv("AWS_ENDPOINT_URL_LAMBDA", server.URL)
			var out bytes.Buffer
			if err := run(t.Context(), folder, &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if _, err := read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "`make deploy` and `cdk synth` make them") {
		t.Errorf("without templates: %v", err)
	}
}
