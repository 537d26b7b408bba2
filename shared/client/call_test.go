package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/client"
)

func TestOperationsAreSorted(t *testing.T) {
	all := client.Operations()
	if len(all) != 98 || !slices.IsSortedFunc(all, func(a, b client.Operation) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d operations, want 98 sorted by name", len(all))
	}
	for _, o := range all {
		if got, ok := client.Lookup(o.Name); !ok || got.Name != o.Name {
			t.Errorf("Lookup(%q) = %q, %t", o.Name, got.Name, ok)
		}
	}
}

func TestCall(t *testing.T) {
	var sent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		if strings.Contains(sent, "ipam-gone") {
			w.WriteHeader(400)
			w.Write([]byte(`<Response><Errors><Error><Code>InvalidIpamId.NotFound</Code><Message>gone</Message></Error></Errors></Response>`))
			return
		}
		w.Write([]byte(`<DescribeIpamsResponse><ipamSet><item><ipamId>ipam-1</ipamId></item></ipamSet></DescribeIpamsResponse>`))
	}))
	t.Cleanup(s.Close)
	c := ec2.NewFromConfig(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), RetryMaxAttempts: 1},
		client.Options(s.URL, ""))

	out, err := client.Call(t.Context(), c, "DescribeIpams", &ec2.DescribeIpamsInput{IpamIds: []string{"ipam-1"}})
	if got, ok := out.(*ec2.DescribeIpamsOutput); err != nil || !ok || len(got.Ipams) != 1 || aws.ToString(got.Ipams[0].IpamId) != "ipam-1" {
		t.Errorf("got %v, %v", out, err)
	}
	if sent != "Action=DescribeIpams&IpamId.1=ipam-1&Version=2016-11-15" {
		t.Errorf("sent %q", sent)
	}

	out, err = client.Call(t.Context(), c, "DescribeIpams", &ec2.DescribeIpamsInput{IpamIds: []string{"ipam-gone"}})
	if e, ok := errors.AsType[smithy.APIError](err); out != nil || !ok || e.ErrorCode() != "InvalidIpamId.NotFound" {
		t.Errorf("got %v, %v", out, err)
	}

	sent = ""
	out, err = client.Call(t.Context(), c, "PutAccessGrants", &ec2.DescribeIpamsInput{})
	if out != nil || err == nil || err.Error() != "call PutAccessGrants: the EC2 client has no such operation" || sent != "" {
		t.Errorf("got %v, %v, sent %q", out, err, sent)
	}
}
