package sigv4front_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/localstack/sigv4front"
	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/resign"
	"github.com/cadastre-ipam/cadastre/shared/wire/climodel"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

// gatewayEnv is a front before a function that carries out each call that it gets.
type gatewayEnv struct {
	*sigv4front.Front
	url      string
	requests atomic.Int32 // that reached the front
	executed atomic.Int32 // calls that the function carried out
}

// newGatewayEnv returns a front that gives the first requests, as many as faults, the
// named answer.
func newGatewayEnv(t *testing.T, answer string, faults int32) *gatewayEnv {
	e := &gatewayEnv{Front: &sigv4front.Front{Verifier: &sigv4front.Verifier{Region: region, Keys: []sigv4front.Key{engine}}}}
	faulty := func() bool { return e.requests.Load() <= faults }
	over, end := make(chan time.Time), make(chan struct{})
	t.Cleanup(func() { close(end) })
	e.Invoke = func(_ context.Context, event []byte) ([]byte, error) {
		fault := faulty() // a client sends one request at a time
		payload, err := e.carryOut(event)
		switch {
		case !fault || err != nil:
		case answer == "function crashes after the call":
			return nil, errors.New("exit status 2")
		case answer == "time-out behind a finished call":
			over <- time.Time{}
			<-end
		}
		return payload, err
	}
	switch answer {
	case "access denied":
		e.Allow = func(sigv4front.Key, string, string) bool { return !faulty() }
	case "signature expired":
		e.Verifier.Now = func() time.Time {
			if faulty() {
				return time.Now().Add(time.Hour)
			}
			return time.Now()
		}
	case "throttled":
		e.Throttle = faulty
	case "body too large":
		e.MaxBody = 10
	case "time-out behind a finished call":
		e.After = func(d time.Duration) <-chan time.Time {
			if faulty() {
				return over
			}
			return time.After(d)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.requests.Add(1)
		if answer == "connection lost behind a finished call" && faulty() {
			w = discard{}
			defer panic(http.ErrAbortHandler)
		}
		e.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	e.url = s.URL + "/prod"
	return e
}

// discard is an answer that does not arrive.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// carryOut counts the call in an event and returns its answer.
func (e *gatewayEnv) carryOut(event []byte) ([]byte, error) {
	var request events.APIGatewayProxyRequest
	if err := json.Unmarshal(event, &request); err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(request.Body)
	if err != nil {
		return nil, err
	}
	e.executed.Add(1)
	var out any
	switch action := form.Get("Action"); action {
	case "AllocateIpamPoolCidr":
		if form.Get("ClientToken") == "" {
			return nil, errors.New("the client sets no ClientToken")
		}
		out = &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{Cidr: aws.String("10.0.0.0/24")}}
	case "CreateVpc":
		out = &ec2.CreateVpcOutput{Vpc: &types.Vpc{VpcId: aws.String("vpc-1")}}
	default:
		return nil, fmt.Errorf("no action %s", action)
	}
	body, err := ec2query.Encode(form.Get("Action"), "r", out)
	if err != nil {
		return nil, err
	}
	return json.Marshal(events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": ec2query.ContentType}, Body: string(body)})
}

// proxied returns the address of a proxy before the API at endpoint.
func proxied(t *testing.T, endpoint string) string {
	p, err := resign.New(resign.Config{
		Endpoint: endpoint, Region: region, EC2Endpoint: "http://127.0.0.1:1",
		Credentials: credentials.NewStaticCredentialsProvider(engine.AccessKeyID, engine.Secret, ""), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return s.URL
}

// outcome is the end of a call for its caller.
type outcome struct {
	requests, executed int32
	code               string // of the error that the client shows; "" for none
}

// A caller is a client with its settings.
type caller struct {
	name           string
	client, mode   string // of clients.py; "go" is the Go SDK
	throughProxy   bool
	throttledTries int32 // requests while the front is throttled: the client's own number of tries
}

var callers = []caller{
	{"AWS CLI, legacy", "cli", "legacy", false, 5},
	{"AWS CLI, standard", "cli", "standard", false, 3},
	{"boto3, legacy", "boto3", "legacy", false, 5},
	{"boto3, standard", "boto3", "standard", false, 3},
	{"boto3, adaptive", "boto3", "adaptive", false, 3},
	{"Go client", "go", "", false, 3},
	{"AWS CLI, legacy, through the proxy", "cli", "legacy", true, 5},
	{"boto3, legacy, through the proxy", "boto3", "legacy", true, 5},
	{"boto3, standard, through the proxy", "boto3", "standard", true, 3},
	{"boto3, adaptive, through the proxy", "boto3", "adaptive", true, 3},
	{"Go SDK, through the proxy", "go", "", true, 3},
}

// repeats reports whether the caller repeats a call with a token whose outcome is
// unknown. The AWS CLI and boto3 do not know OutcomeUnknown; the Go client and the
// proxy do.
func (c caller) repeats() bool { return c.client == "go" || c.throughProxy }

// job is the input of clients.py.
type job struct {
	Client, Mode, Service, Endpoint, Operation string
	Parameters                                 map[string]any
}

// call is an operation with its parameters, for Python and for Go.
type call struct {
	operation  string
	token      bool // all clients set a ClientToken by themselves
	parameters map[string]any
	input      any
}

var calls = []call{
	{"AllocateIpamPoolCidr", true, map[string]any{"IpamPoolId": "ipam-pool-1", "NetmaskLength": 24}, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: aws.String("ipam-pool-1"), NetmaskLength: aws.Int32(24)}},
	{"CreateVpc", false, map[string]any{"Ipv4IpamPoolId": "ipam-pool-1", "Ipv4NetmaskLength": 24}, &ec2.CreateVpcInput{Ipv4IpamPoolId: aws.String("ipam-pool-1"), Ipv4NetmaskLength: aws.Int32(24)}},
}

// always is a number of faults that no client outlasts.
const always = 1000

// Each client × each answer of API Gateway × a call with and without a client token:
// the number of calls, and the error that the client shows. A call without a token is
// never carried out twice.
func TestClients(t *testing.T) {
	type row struct {
		caller
		call
		answer string
		faults int32
		slash  string // at the end of the endpoint
		want   outcome
	}
	var rows []row
	for _, c := range callers {
		for _, call := range calls {
			add := func(answer string, faults int32, want outcome) {
				rows = append(rows, row{c, call, answer, faults, "", want})
			}
			add("none", 0, outcome{1, 1, ""})
			rows = append(rows, row{c, call, "none", 0, "/", outcome{1, 1, ""}})
			add("access denied", always, outcome{1, 0, "UnauthorizedOperation"})
			add("signature expired", always, outcome{1, 0, "AuthFailure"})
			add("body too large", always, outcome{1, 0, "MalformedRequest"})
			add("throttled", always, outcome{c.throttledTries, 0, "RequestLimitExceeded"})
			add("throttled", 1, outcome{2, 1, ""})
			for _, unknown := range []string{"function crashes after the call", "time-out behind a finished call"} {
				switch {
				case !call.token || !c.repeats():
					add(unknown, always, outcome{1, 1, "OutcomeUnknown"})
				case c.throughProxy:
					add(unknown, always, outcome{c.throttledTries, c.throttledTries, "Unavailable"})
					add(unknown, 1, outcome{2, 2, ""})
				default:
					add(unknown, always, outcome{3, 3, "OutcomeUnknown"})
					add(unknown, 1, outcome{2, 2, ""})
				}
			}
			// A lost connection is no answer of API Gateway. The AWS CLI and boto3
			// repeat every call then, as they do with EC2.
			if lost := "connection lost behind a finished call"; c.repeats() && !call.token {
				code := ""
				if c.throughProxy {
					code = "OutcomeUnknown"
				}
				add(lost, always, outcome{1, 1, code})
			}
		}
	}

	python := clientsPython(t)
	envs := make([]*gatewayEnv, len(rows))
	got := make([]outcome, len(rows))
	messages := make([]string, len(rows))
	var jobs []job
	var of []int // the row of each job
	for i, r := range rows {
		e := newGatewayEnv(t, r.answer, r.faults)
		envs[i] = e
		endpoint, service := e.url+r.slash, "cadastre"
		if r.throughProxy {
			endpoint, service = proxied(t, endpoint), "ec2"
		}
		if r.client == "go" {
			got[i].code, messages[i] = callByGo(t, endpoint, r.throughProxy, r.operation, r.input)
			continue
		}
		jobs = append(jobs, job{r.client, r.mode, service, endpoint, r.operation, r.parameters})
		of = append(of, i)
	}
	if python != "" {
		for n, o := range callByPython(t, python, jobs) {
			got[of[n]].code, messages[of[n]] = o[0], o[1]
		}
	}
	for i, r := range rows {
		if r.client != "go" && python == "" {
			continue
		}
		got[i].requests, got[i].executed = envs[i].requests.Load(), envs[i].executed.Load()
		if got[i] != r.want {
			t.Errorf("%s, %s, %d times %q: got %+v, want %+v; %s", r.name, r.operation, r.faults, r.answer, got[i], r.want, messages[i])
		}
		if !r.token && got[i].executed > 1 {
			t.Errorf("%s, %d times %q: %s is carried out %d times", r.name, r.faults, r.answer, r.operation, got[i].executed)
		}
	}
}

// callByGo calls an operation with the Go SDK, whose tries follow each other without a
// pause, and returns code and message of the error.
func callByGo(t *testing.T, endpoint string, throughProxy bool, operation string, in any) (code, message string) {
	cfg := aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider(engine.AccessKeyID, engine.Secret, ""), Retryer: func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}}
	option := client.Options(endpoint, region)
	if throughProxy {
		option = func(o *ec2.Options) { o.BaseEndpoint = &endpoint }
	}
	_, err := client.Call(t.Context(), ec2.NewFromConfig(cfg, option), operation, in)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode(), e.ErrorMessage()
	}
	if err != nil {
		return "", err.Error()
	}
	return "", ""
}

// clientsPython returns the Python beside the AWS CLI. It returns "" in a short run, and
// without an AWS CLI if CADASTRE_SKIP_SERVICES is 1.
func clientsPython(t *testing.T) string {
	if testing.Short() {
		return ""
	}
	cli, err := exec.LookPath("aws")
	if err == nil {
		return filepath.Join(filepath.Dir(cli), "python")
	}
	if os.Getenv("CADASTRE_SKIP_SERVICES") != "1" {
		t.Fatalf("%v; install the AWS CLI and boto3 or set CADASTRE_SKIP_SERVICES=1", err)
	}
	return ""
}

// callByPython makes the jobs' calls and returns code and message of each one's error.
func callByPython(t *testing.T, python string, jobs []job) [][2]string {
	models := t.TempDir()
	model, err := climodel.Service([]string{"AllocateIpamPoolCidr", "CreateVpc"})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(models, "cadastre", "2016-11-15")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "service-2.json"), model, 0o644); err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/clients.py")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") }),
		"HOME="+models, "AWS_DATA_PATH="+models, "AWS_ACCESS_KEY_ID="+engine.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+engine.Secret,
		"AWS_DEFAULT_REGION="+region, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", python, err, &stderr)
	}
	var outcomes [][2]string
	if err := json.Unmarshal(output, &outcomes); err != nil || len(outcomes) != len(jobs) {
		t.Fatalf("%d outcomes of %d jobs: %v\n%s", len(outcomes), len(jobs), err, &stderr)
	}
	return outcomes
}
