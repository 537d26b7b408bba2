package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

func TestScopeAndRegion(t *testing.T) {
	var got http.Header
	var path string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, path = r.Header, r.URL.Path
		w.Write([]byte(`<DescribeIpamsResponse><ipamSet/></DescribeIpamsResponse>`))
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct {
		name, region, apiRegion string
		call                    func(*ec2.Options)
		scope, header           string
	}{
		{"the API's Region is the client's", "us-east-1", "us-east-1", nil, "us-east-1", "us-east-1"},
		{"the API's Region is another", "ap-northeast-3", "us-east-1", nil, "us-east-1", "ap-northeast-3"},
		{"the API's Region is not known", "ap-northeast-3", "", nil, "ap-northeast-3", "ap-northeast-3"},
		{"a call for another Region", "us-east-1", "us-east-1", func(o *ec2.Options) { o.Region = "eu-west-1" }, "us-east-1", "eu-west-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1") // the option is stronger
			cfg := aws.Config{Region: c.region, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "token"), RetryMaxAttempts: 1}
			ec2Client := ec2.NewFromConfig(cfg, client.Options(s.URL+"/prod", c.apiRegion))
			call := []func(*ec2.Options){}
			if c.call != nil {
				call = append(call, c.call)
			}
			if _, err := ec2Client.DescribeIpams(t.Context(), nil, call...); err != nil {
				t.Fatal(err)
			}
			authorization := got.Get("Authorization")
			if !strings.Contains(authorization, "/"+c.scope+"/execute-api/aws4_request,") {
				t.Errorf("the signature's scope is not execute-api in %s: %s", c.scope, authorization)
			}
			if h := got.Get(wire.RegionHeader); h != c.header {
				t.Errorf("%s is %q, want %s", wire.RegionHeader, h, c.header)
			}
			if !strings.Contains(authorization, ";x-cadastre-region,") {
				t.Errorf("the header is not signed: %s", authorization)
			}
			if path != "/prod" {
				t.Errorf("the path is %s", path)
			}
		})
	}
}

// Settings of the environment for AWS's own endpoints do no harm.
func TestEnvironmentForOtherEndpoints(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`<DescribeIpamsResponse><ipamSet/></DescribeIpamsResponse>`))
	}))
	t.Cleanup(s.Close)
	for _, name := range []string{"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "true")
			cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-gov-west-1"), config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", "secret", "")))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ec2.NewFromConfig(cfg, client.Options(s.URL, "us-gov-west-1")).DescribeIpams(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPIRegion(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com/prod":                "ap-northeast-1",
		"https://a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn/prod":                 "cn-north-1",
		"https://a1b2c3d4e5-vpce-0a1b.execute-api.us-gov-west-1.amazonaws.com:443/prod":   "us-gov-west-1",
		"https://a1b2c3d4e5.execute-api.eusc-de-east-1.amazonaws.eu/prod":                 "eusc-de-east-1",
		"https://ipam.example.com/prod":                                                   "",
		"https://a1b2c3d4e5.lambda-url.us-east-1.on.aws/":                                 "",
		"https://vpce-0a1b.execute-api.us-east-1.vpce.amazonaws.com/prod":                 "us-east-1",
		"https://execute-api.us-east-1.amazonaws.com":                                     "",
		"https://a1b2c3d4e5.execute-api.localhost.localstack.cloud:4566/prod":             "",
		"http://127.0.0.1:4566/restapis/a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/p": "",
		"":         "",
		"://\x00?": "",
	} {
		if got := client.APIRegion(endpoint); got != want {
			t.Errorf("APIRegion(%q) = %q, want %q", endpoint, got, want)
		}
	}
}
