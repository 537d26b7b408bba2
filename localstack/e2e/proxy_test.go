package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/client"
)

// endpoint returns the address of the stack's API.
func (s *stack) endpoint() string { return *s.client.Options().BaseEndpoint }

// clientIn returns the SDK's client of a Region, with the administrator's key.
func clientIn(region string, options ...func(*ec2.Options)) *ec2.Client {
	return ec2.NewFromConfig(aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.Secret, ""), RetryMaxAttempts: 1,
	}, options...)
}

// localPool makes a pool with the locale ap-northeast-1 and a CIDR.
func (s *stack) localPool(t *testing.T) (id string) {
	t.Helper()
	ctx := t.Context()
	made := must(s.client.CreateIpam(ctx, &ec2.CreateIpamInput{OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: aws.String("ap-northeast-1")}}}))(t).Ipam
	pool := must(s.client.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{IpamScopeId: made.PrivateDefaultScopeId, AddressFamily: types.AddressFamilyIpv4, Locale: aws.String("ap-northeast-1")}))(t).IpamPool
	must(s.client.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, Cidr: aws.String("10.0.0.0/16")}))(t)
	return *pool.IpamPoolId
}

// A client with Cadastre's options passes the front that verifies signatures,
// from any Region, and Cadastre receives that Region.
func TestGoClientOfOtherRegions(t *testing.T) {
	s := newStack(t)
	pool := s.localPool(t)
	allocate := func(region string) (*ec2.AllocateIpamPoolCidrOutput, error) {
		return clientIn(region, client.Options(s.endpoint(), home)).AllocateIpamPoolCidr(t.Context(), &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
	}
	got := must(allocate("ap-northeast-1"))(t)
	if c := aws.ToString(got.IpamPoolAllocation.Cidr); c != "10.0.0.0/24" {
		t.Errorf("allocated %s", c)
	}
	_, err := allocate("ap-northeast-3")
	wantCode(t, err, "InvalidParameterValue")
	if !strings.Contains(err.Error(), "not in the current region ap-northeast-3") {
		t.Errorf("err = %v, want a refusal of the Region by Cadastre", err)
	}
}

var proxyProgram = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../build/e2e/go/cadastre")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", path, "./shared/cmd/cadastre")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// startProxy runs the program with the arguments of shared/client/README.md,
// except for the port, and returns its address. The program must end without an
// error when it is asked to.
func startProxy(t *testing.T, endpoint, ec2 string) string {
	t.Helper()
	program, err := proxyProgram()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../shared/client/README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go run ./shared/cmd/cadastre (proxy .*) &$`).FindSubmatch(readme)
	if line == nil {
		t.Fatal("shared/client/README.md does not start the proxy")
	}
	args := strings.Fields(strings.NewReplacer("$ENDPOINT", endpoint, ":8181", ":0").Replace(string(line[1])))
	cmd := exec.Command(program, append(args, "--region", home, "--ec2-endpoint", ec2)...)
	cmd.Env = cliEnv(t, home, "http://127.0.0.1:1") // AWS_ENDPOINT_URL_EC2 is not for the proxy
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed, readErr := bufio.NewReader(stdout).ReadString('\n')
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the proxy wrote:\n%s", &log)
		}
	})
	address, ok := strings.CutPrefix(strings.TrimSpace(printed), "export AWS_ENDPOINT_URL_EC2=")
	if !ok {
		t.Fatalf("the proxy printed %q, %v", printed, readErr)
	}
	return address
}

func cliEnv(t *testing.T, region, endpoint string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=" + admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + admin.Secret,
		"AWS_DEFAULT_REGION=" + region, "AWS_ENDPOINT_URL_EC2=" + endpoint,
	}
}

// recorder passes calls on to the emulator and keeps them.
type recorder struct {
	mu    sync.Mutex
	calls []string // action and the signature's scope
}

func (r *recorder) record(action, scope string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, action+" "+scope)
}

// take returns the calls since the last take.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.calls = nil }()
	return r.calls
}

func newEC2(t *testing.T) (string, *recorder) {
	t.Helper()
	emulator := os.Getenv("CADASTRE_MINISTACK_URL")
	if emulator == "" {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatal("CADASTRE_MINISTACK_URL is not set; `make test` starts the emulator and sets it")
	}
	u, err := url.Parse(emulator)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	forward := httputil.NewSingleHostReverseProxy(u)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, scope, _ := strings.Cut(q.Header.Get("Authorization"), "Credential=")
		scope, _, _ = strings.Cut(scope, ",")
		parts := strings.Split(scope, "/")
		body, err := httputil.DumpRequest(q, true)
		if err != nil {
			t.Error(err)
		}
		action := regexp.MustCompile(`(?m)\bAction=(\w+)`).FindSubmatch(body)
		if len(parts) != 5 || action == nil {
			t.Errorf("EC2 got %s", body)
			return
		}
		r.record(string(action[1]), parts[2]+"/"+parts[3])
		forward.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	return server.URL, r
}

// TestProxy calls the deployed binary and the emulator's EC2 with tools that do
// not know Cadastre: the SDK's plain client and the unmodified AWS CLI.
func TestProxy(t *testing.T) {
	s := newStack(t)
	ec2URL, ec2Calls := newEC2(t)
	address := startProxy(t, s.endpoint(), ec2URL)
	pool := s.localPool(t)
	check := func(t *testing.T, want ...string) {
		t.Helper()
		if got := ec2Calls.take(); !slices.Equal(got, want) {
			t.Errorf("EC2 was asked %q, want %q", got, want)
		}
	}

	t.Run("Go", func(t *testing.T) {
		plain := func(o *ec2.Options) { o.BaseEndpoint = &address }
		c, ctx := clientIn("ap-northeast-1", plain), t.Context()
		a := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}))(t).IpamPoolAllocation
		if aws.ToString(a.Cidr) != "10.0.0.0/24" {
			t.Errorf("allocated %s", aws.ToString(a.Cidr))
		}
		_, err := clientIn("ap-northeast-3", plain).AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)})
		if err == nil || !strings.Contains(err.Error(), "ap-northeast-3") {
			t.Errorf("err = %v, want a refusal of the Region", err)
		}
		must(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{pool}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}}}))(t)
		check(t)

		vpc := must(c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: a.Cidr}))(t).Vpc
		must(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*vpc.VpcId}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}}}))(t)
		_, err = c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*vpc.VpcId, pool}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}}})
		wantCode(t, err, "InvalidParameterCombination")
		must(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: vpc.VpcId}))(t)
		check(t, "CreateVpc ap-northeast-1/ec2", "CreateTags ap-northeast-1/ec2", "DeleteVpc ap-northeast-1/ec2")

		_, err = c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-00000000000000000"}})
		wantCode(t, err, "InvalidVpcID.NotFound")
		check(t, "DescribeVpcs ap-northeast-1/ec2")
		_, _ = c.CreateVpc(ctx, &ec2.CreateVpcInput{Ipv4IpamPoolId: &pool, Ipv4NetmaskLength: aws.Int32(24), DryRun: aws.Bool(true)})
		check(t) // for any answer of Cadastre
	})

	t.Run("CLI", func(t *testing.T) {
		cli, err := exec.LookPath("aws")
		if err != nil {
			t.Fatal("the AWS CLI is not in PATH; `make test` installs it: ", err)
		}
		run := func(region string, args ...string) (out map[string]any, refusal string) {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), cli, append([]string{"ec2", "--output", "json"}, args...)...)
			cmd.Env = cliEnv(t, region, address)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			b, err := cmd.Output()
			if err != nil {
				return nil, stderr.String()
			}
			if err := json.Unmarshal(b, &out); err != nil {
				t.Errorf("%v printed %q", args, b)
			}
			return out, ""
		}
		out, refusal := run("ap-northeast-1", "allocate-ipam-pool-cidr", "--ipam-pool-id", pool, "--netmask-length", "28")
		if refusal != "" || out["IpamPoolAllocation"].(map[string]any)["Cidr"] != "10.0.1.0/28" {
			t.Errorf("got %v %s", out, refusal)
		}
		if _, refusal = run("ap-northeast-3", "allocate-ipam-pool-cidr", "--ipam-pool-id", pool, "--netmask-length", "28"); !strings.Contains(refusal, "ap-northeast-3") {
			t.Errorf("got %q, want a refusal of the Region", refusal)
		}
		if _, refusal = run("ap-northeast-1", "get-ipam-pool-cidrs", "--ipam-pool-id", "ipam-pool-00000000000000000"); !strings.Contains(refusal, "(InvalidIpamPoolId.NotFound)") {
			t.Errorf("got %q", refusal)
		}
		out, refusal = run("ap-northeast-1", "describe-tags", "--filters", "Name=resource-id,Values="+pool)
		if tags, _ := out["Tags"].([]any); refusal != "" || len(tags) != 1 {
			t.Errorf("got %v %s", out, refusal)
		}
		check(t)
		if out, refusal = run("eu-west-1", "describe-vpcs"); refusal != "" || out["Vpcs"] == nil {
			t.Errorf("got %v %s", out, refusal)
		}
		if _, refusal = run("eu-west-1", "describe-vpcs", "--vpc-ids", "vpc-00000000000000000"); !strings.Contains(refusal, "(InvalidVpcID.NotFound)") {
			t.Errorf("got %q", refusal)
		}
		check(t, "DescribeVpcs eu-west-1/ec2", "DescribeVpcs eu-west-1/ec2")
	})
}
