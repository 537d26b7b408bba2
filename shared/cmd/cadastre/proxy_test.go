package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// environment hides the user's own settings from the program.
func environment(t *testing.T, key string) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		t.Setenv(name, "")
	}
	for _, name := range append([]string{"config"}, settingNames...) {
		t.Setenv(variable(name), "")
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key)
}

// After a signal, the proxy finishes the call under way, and the report to Cadastre that
// follows the call.
func TestProxyServesUntilStopped(t *testing.T) {
	environment(t, "AKIDOWN")
	t.Setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1") // as in the shell of the tools, where it has the proxy's own address
	entered, leave := make(chan string, 1), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope := r.Header.Get("Authorization")
		if strings.Contains(scope, "/us-east-1/execute-api/") {
			time.Sleep(100 * time.Millisecond)
		}
		entered <- scope
		<-leave
		io.WriteString(w, "<DeleteVpcResponse><return>true</return></DeleteVpcResponse>")
	}))
	t.Cleanup(upstream.Close)
	answer := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(answer)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, stdoutWriter := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"proxy", "--endpoint", upstream.URL, "--region", "us-east-1", "--ec2-endpoint", upstream.URL}, stdoutWriter, &stderr)
		stdoutWriter.Close()
	}()
	line := make([]byte, 200)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	go io.Copy(io.Discard, stdout)
	url, ok := strings.CutPrefix(strings.TrimSpace(string(line[:n])), "export AWS_ENDPOINT_URL_EC2=")
	if !ok || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("it printed %q", line[:n])
	}

	c := ec2.NewFromConfig(aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDOWN", "AKIDOWN", ""), RetryMaxAttempts: 1},
		func(o *ec2.Options) { o.BaseEndpoint = &url })
	answered := make(chan error, 1)
	go func() {
		_, err := c.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: aws.String("vpc-1")})
		answered <- err
	}()
	if scope := <-entered; !strings.Contains(scope, "/eu-west-1/ec2/") {
		t.Errorf("signed %s", scope)
	}
	stop()
	select {
	case status := <-ended:
		t.Fatalf("it ended with status %d and a call under way", status)
	case <-time.After(50 * time.Millisecond):
	}
	answer()
	if err := <-answered; err != nil {
		t.Errorf("the call under way failed: %v", err)
	}
	select {
	case status := <-ended:
		if status != statusDone {
			t.Errorf("exit status %d, %s", status, &stderr)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
	select {
	case scope := <-entered:
		if !strings.Contains(scope, "/us-east-1/execute-api/") {
			t.Errorf("signed %s", scope)
		}
	default:
		t.Error("the deletion is not reported")
	}
}

func TestProxyDoesNotStart(t *testing.T) {
	const endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod"
	for _, c := range []struct {
		name   string
		key    string
		args   string
		status int
		words  string
	}{
		{"no endpoint", "AKIDOWN", "", statusMisused, "--endpoint"},
		{"an argument too many", "AKIDOWN", "--endpoint " + endpoint + " x", statusMisused, `"x" is no flag`},
		{"an unknown flag", "AKIDOWN", "--port 1", statusMisused, "--port"},
		{"an address that is not loopback", "AKIDOWN", "--endpoint " + endpoint + " --listen 0.0.0.0:0", statusFailed, "loopback"},
		{"a host name without a Region", "AKIDOWN", "--endpoint https://ipam.example.com", statusMisused, "--region"},
		{"no credentials", "", "--endpoint " + endpoint, statusFailed, "no credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.key)
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), append([]string{"proxy"}, strings.Fields(c.args)...), &stdout, &stderr); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			if !strings.Contains(stderr.String(), c.words) || stdout.Len() > 0 {
				t.Errorf("it wrote %q and %q, want %q", &stdout, &stderr, c.words)
			}
		})
	}
}

func TestEndpointsOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name            string
		fips, dualStack bool
	}{{"AWS_NOTHING", false, false}, {"AWS_USE_FIPS_ENDPOINT", true, false}, {"AWS_USE_DUALSTACK_ENDPOINT", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, "AKIDOWN")
			t.Setenv(c.name, "true")
			cfg, err := config.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if fips, dualStack := endpoints(cfg); fips != c.fips || dualStack != c.dualStack {
				t.Errorf("FIPS %t, dual-stack %t", fips, dualStack)
			}
		})
	}
}
