package climodel_test

import (
	gocmp "cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/wire/climodel"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/model"
)

func TestServiceHasTheNamedOperationsAndTheirShapesOnly(t *testing.T) {
	b, err := climodel.Service([]string{"DescribeIpams", "CreateTags"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Metadata   map[string]any
		Operations map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	api, err := model.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Operations) != 2 || got.Operations["DescribeIpams"] == nil || got.Operations["CreateTags"] == nil {
		t.Errorf("operations: %v", got.Operations)
	}
	used := map[string]bool{}
	var walk func(ref *model.Ref)
	walk = func(ref *model.Ref) {
		if ref == nil || used[ref.Shape] {
			return
		}
		used[ref.Shape] = true
		s := api.Shapes[ref.Shape]
		if s == nil {
			t.Fatalf("the shape %s is missing", ref.Shape)
		}
		walk(s.Member)
		for _, m := range s.Members {
			walk(&m.Ref)
		}
	}
	for _, o := range api.Operations {
		walk(o.Input)
		walk(o.Output)
	}
	for name := range api.Shapes {
		if !used[name] {
			t.Errorf("the shape %s is not used", name)
		}
	}
	for key, want := range map[string]string{"protocol": "ec2", "signingName": "execute-api", "endpointPrefix": "execute-api", "signatureVersion": "v4"} {
		if got.Metadata[key] != want {
			t.Errorf("metadata %s is %v, want %s", key, got.Metadata[key], want)
		}
	}
	if _, err := climodel.Service([]string{"NoSuchThing"}); err == nil {
		t.Error("an unknown operation: no error")
	}
}

// Cadastre's own members follow those of the EC2 API and have the same form.
func TestServiceHasTheShorthands(t *testing.T) {
	b, err := climodel.Service([]string{"AllocateIpamPoolCidr"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Shapes map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	api, err := model.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	members := api.Shapes["AllocateIpamPoolCidrRequest"].Members
	if last := members[len(members)-1]; last.Name != "StableKey" || last.Shape != "StableKey" || api.Shapes["StableKey"] == nil || len(members) < 9 {
		t.Errorf("the members are %+v", members)
	}
	if doc := string(got.Shapes["AllocateIpamPoolCidrRequest"]); !strings.Contains(doc, "An extension of Cadastre") || strings.Contains(doc, "resourceType") {
		t.Errorf("the request is %s", doc)
	}
}

func TestPaginators(t *testing.T) {
	b, err := climodel.Paginators([]string{"DescribeIpams", "GetIpamPoolAllocations", "CreateIpam", "CreateTags"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Pagination map[string]map[string]string
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	page := func(list string) map[string]string {
		return map[string]string{"input_token": "NextToken", "output_token": "NextToken", "limit_key": "MaxResults", "result_key": list}
	}
	want := map[string]map[string]string{"DescribeIpams": page("Ipams"), "GetIpamPoolAllocations": page("IpamPoolAllocations")}
	if diff := cmp.Diff(got.Pagination, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if _, err := climodel.Paginators([]string{"NoSuchThing"}); err == nil {
		t.Error("an unknown operation: no error")
	}
}

// The installed AWS CLI adds the model by its own command, signs for execute-api,
// sends requests that the codec reads, reads the codec's answers, and pages.
// Without an AWS CLI the test fails, unless CADASTRE_SKIP_SERVICES=1.
func TestWithTheAWSCLI(t *testing.T) {
	cli, err := exec.LookPath("aws")
	if err != nil {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("no AWS CLI, and CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatalf("%v; install the AWS CLI or set CADASTRE_SKIP_SERVICES=1", err)
	}
	var mu sync.Mutex
	var inputs []any
	var scopes []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := ec2query.ParseForm(string(body))
		if err != nil {
			t.Error(err)
		}
		scopes = append(scopes, r.Header.Get("Authorization"))
		var in, out any
		switch form.Get("Action") {
		case "AllocateIpamPoolCidr":
			in, out = &ec2.AllocateIpamPoolCidrInput{}, &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{Cidr: aws.String("10.0.0.0/24")}}
		case "DescribeIpams":
			page := &ec2.DescribeIpamsOutput{Ipams: []types.Ipam{{IpamId: aws.String("ipam-" + form.Get("NextToken"))}}}
			if form.Get("NextToken") == "" {
				page.NextToken = aws.String("2")
			}
			in, out = &ec2.DescribeIpamsInput{}, page
		default:
			t.Errorf("the CLI sent the action %q", form.Get("Action"))
		}
		if err := ec2query.Decode(form, form.Get("Action"), in); err != nil {
			t.Error(err)
		}
		inputs = append(inputs, in)
		b, err := ec2query.Encode(form.Get("Action"), "r-1", out)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", ec2query.ContentType)
		w.Write(b)
	}))
	defer server.Close()

	home := t.TempDir()
	operations := []string{"AllocateIpamPoolCidr", "DescribeIpams"}
	service, err := climodel.Service(operations)
	if err != nil {
		t.Fatal(err)
	}
	paginators, err := climodel.Paginators(operations)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "service-2.json")
	if err := os.WriteFile(file, service, 0o644); err != nil {
		t.Fatal(err)
	}
	aws := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), cli, args...)
		// add-model writes below the home directory, so the CLI gets a temporary
		// one; a pyenv shim looks for its versions in the real one.
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") }),
			"HOME="+home, "PYENV_ROOT="+gocmp.Or(os.Getenv("PYENV_ROOT"), filepath.Join(os.Getenv("HOME"), ".pyenv")),
			"AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_DEFAULT_REGION=ap-northeast-1", "AWS_PAGER=", "NO_PROXY=*")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return string(out)
	}
	aws("configure", "add-model", "--service-name", "cadastre", "--service-model", "file://"+file)
	added := filepath.Join(home, ".aws", "models", "cadastre", "2016-11-15")
	if err := os.WriteFile(filepath.Join(added, "paginators-1.json"), paginators, 0o644); err != nil {
		t.Fatal(err)
	}
	out := aws("cadastre", "allocate-ipam-pool-cidr", "--endpoint-url", server.URL, "--ipam-pool-id", "ipam-pool-1", "--netmask-length", "24",
		"--allowed-cidrs", "10.0.0.0/16", "10.1.0.0/16", "--client-token", "t", "--stable-key", "k", "--query", "IpamPoolAllocation.Cidr", "--output", "text")
	if strings.TrimSpace(out) != "10.0.0.0/24" {
		t.Errorf("allocate printed %q", out)
	}
	out = aws("cadastre", "describe-ipams", "--endpoint-url", server.URL, "--query", "Ipams[].IpamId", "--output", "text")
	if got := strings.Fields(out); !slices.Equal(got, []string{"ipam-", "ipam-2"}) {
		t.Errorf("describe printed %q", out)
	}
	want := []any{
		&ec2.AllocateIpamPoolCidrInput{IpamPoolId: ptr("ipam-pool-1"), NetmaskLength: ptr(int32(24)), AllowedCidrs: []string{"10.0.0.0/16", "10.1.0.0/16"}, ClientToken: ptr("t"),
			TagSpecifications: []types.TagSpecification{{ResourceType: "ipam-pool-allocation", Tags: []types.Tag{{Key: ptr("cadastre:stable-key"), Value: ptr("k")}}}}},
		&ec2.DescribeIpamsInput{}, &ec2.DescribeIpamsInput{NextToken: ptr("2")},
	}
	if diff := cmp.Diff(inputs, want, cmp.AllowUnexported(ec2.AllocateIpamPoolCidrInput{}, ec2.DescribeIpamsInput{}, types.TagSpecification{}, types.Tag{})); diff != "" {
		t.Errorf("the CLI sent (-got +want):\n%s", diff)
	}
	for _, s := range scopes {
		if !strings.Contains(s, "/ap-northeast-1/execute-api/aws4_request") {
			t.Errorf("signed for %s", s)
		}
	}
	if len(scopes) != 3 {
		t.Errorf("%d requests, want 3", len(scopes))
	}
}

func ptr[T any](v T) *T { return &v }
