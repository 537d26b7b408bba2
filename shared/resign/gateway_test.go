package resign_test

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// API Gateway's JSON becomes an error that EC2's clients can read.
func TestGatewayRefusals(t *testing.T) {
	for _, c := range []struct {
		name, kind, body string
		status, want     int
		code, words      string
		action           string // DescribeIpams if ""
	}{
		{"IAM says no", "AccessDeniedException", `{"Message":"User: arn:aws:iam::111122223333:user/x is not authorized"}`, 403, 403, "UnauthorizedOperation", "user/x is not authorized", ""},
		{"a signature that does not hold", "InvalidSignatureException", `{"message":"The request signature we calculated does not match."}`, 403, 403, "UnauthorizedOperation", "does not match", ""},
		{"throttled", "TooManyRequestsException", `{"message":"Too Many Requests"}`, 429, 503, "RequestLimitExceeded", "Too Many Requests", ""},
		{"the integration failed", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 503, "Unavailable", "same ClientToken", ""},
		{"the integration failed, and made a VPC maybe", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 400, "OutcomeUnknown", "Look whether it was carried out", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1"},
		{"no time for a subnet", "IntegrationTimeoutException", `{"message":"Endpoint request timed out"}`, 504, 400, "OutcomeUnknown", "Look whether it was carried out", "CreateSubnet&Ipv4IpamPoolId=ipam-pool-1"},
		{"a VPC that is throttled", "TooManyRequestsException", `{"message":"Too Many Requests"}`, 429, 503, "RequestLimitExceeded", "Too Many Requests", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1"},
		{"the integration failed, and set tags maybe", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 400, "OutcomeUnknown", "Look whether it was carried out", "CreateTags&ResourceId.1=ipam-pool-1"},
		{"the integration failed, for a call with a token", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 503, "Unavailable", "same ClientToken", "AllocateIpamPoolCidr&ClientToken=t"},
		{"another API", "", `{"message":"Not Found"}`, 404, 400, "InvalidAction", "-endpoint", ""},
		{"no JSON at all", "", `<html>`, 403, 403, "UnauthorizedOperation", "403", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, nil)
			r.cadastre.handler = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Amzn-Errortype", c.kind)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}
			action := cmp.Or(c.action, "DescribeIpams")
			status, code, body, header := r.post(t, "Action="+action, nil)
			if status != c.want || code != c.code || !strings.Contains(body, c.words) || !strings.HasPrefix(header.Get("Content-Type"), "text/xml") {
				t.Errorf("got %d %s: %s", status, code, body)
			}
		})
	}
	t.Run("EC2's answers pass unchanged", func(t *testing.T) {
		r := newEnv(t, nil)
		r.ec2.handler = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(403)
			io.WriteString(w, `<Response><Errors><Error><Code>x</Code></Error></Errors></Response>`)
		}
		if status, code, body, _ := r.post(t, "Action=DescribeVpcs", nil); status != 403 || code != "x" {
			t.Errorf("got %d %s", status, body)
		}
	})
}

// API Gateway's answers in EC2's form pass unchanged, but for OutcomeUnknown to a call
// that may be repeated: SDKs repeat Unavailable.
func TestOutcomeUnknown(t *testing.T) {
	timeout := gateway.For("INTEGRATION_TIMEOUT", 504)
	own := ec2query.EncodeError("r-1", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 gave no answer."))
	for _, c := range []struct {
		name, action string
		answer       []byte
		status, want int
		code         string
	}{
		{"without a token", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1", timeout.Body("r-1", "m"), 400, 400, "OutcomeUnknown"},
		{"without a token, from the function", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1", own, 400, 400, "OutcomeUnknown"},
		{"a deletion", "DeleteIpamPool&IpamPoolId=ipam-pool-1", timeout.Body("r-1", "m"), 400, 400, "OutcomeUnknown"},
		{"with a token", "AllocateIpamPoolCidr&ClientToken=t", timeout.Body("r-1", "m"), 400, 503, "Unavailable"},
		{"with a token, from the function", "AllocateIpamPoolCidr&ClientToken=t", own, 400, 503, "Unavailable"},
		{"an empty token", "AllocateIpamPoolCidr&ClientToken=", timeout.Body("r-1", "m"), 400, 400, "OutcomeUnknown"},
		{"a read", "DescribeIpams", timeout.Body("r-1", "m"), 400, 503, "Unavailable"},
		{"throttled", "DescribeIpams", gateway.For("THROTTLED", 429).Body("r-1", "m"), 503, 503, "RequestLimitExceeded"},
		{"access denied", "DescribeIpams", gateway.For("ACCESS_DENIED", 403).Body("r-1", "m"), 403, 403, "UnauthorizedOperation"},
		{"a long refusal", "DescribeIpams", ec2query.EncodeError("r-1", ipam.Errorf(ipam.CodeInvalidID, "%s", strings.Repeat("x", 100_000))), 400, 400, "InvalidID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, nil)
			r.cadastre.handler = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", gateway.ContentType)
				w.WriteHeader(c.status)
				w.Write(c.answer)
			}
			status, code, body, _ := r.post(t, "Action="+c.action, nil)
			if status != c.want || code != c.code || (body == string(c.answer)) != (c.status == c.want) {
				t.Errorf("got %d %s", status, body)
			}
			if n := r.cadastre.calls(); n != 1 {
				t.Errorf("%d calls went out, want 1", n)
			}
		})
	}
}
