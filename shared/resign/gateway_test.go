package resign_test

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What API Gateway answers by itself reaches EC2's clients as an error that
// they can read.
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
		{"the integration failed, and made a VPC maybe", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 400, "OutcomeUnknown", "Look whether it was made", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1"},
		{"no time for a subnet", "IntegrationTimeoutException", `{"message":"Endpoint request timed out"}`, 504, 400, "OutcomeUnknown", "Look whether it was made", "CreateSubnet&Ipv4IpamPoolId=ipam-pool-1"},
		{"a VPC that is throttled", "TooManyRequestsException", `{"message":"Too Many Requests"}`, 429, 503, "RequestLimitExceeded", "Too Many Requests", "CreateVpc&Ipv4IpamPoolId=ipam-pool-1"},
		{"tags, as often as one likes", "InternalServerErrorException", `{"message":"Internal server error"}`, 502, 503, "Unavailable", "Retry", "CreateTags&ResourceId.1=ipam-pool-1"},
		{"another API", "", `{"message":"Not Found"}`, 404, 400, "InvalidAction", "-endpoint", ""},
		{"no JSON at all", "", `<html>`, 403, 403, "UnauthorizedOperation", "403", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
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
	t.Run("EC2's answers are its own", func(t *testing.T) {
		r := newRig(t, nil)
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
