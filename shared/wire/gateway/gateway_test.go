package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// Every response type of API Gateway has an answer whose status and code EC2's
// clients treat right: no 5xx where the call may have been carried out.
func TestEveryResponseTypeHasAnAnswer(t *testing.T) {
	for _, c := range []struct {
		responseType string
		own          int // status without an answer of ours
		status       int
		code         ipam.Code
	}{
		{"ACCESS_DENIED", 403, 403, "UnauthorizedOperation"},
		{"API_CONFIGURATION_ERROR", 500, 400, "OutcomeUnknown"},
		{"AUTHORIZER_CONFIGURATION_ERROR", 500, 400, "OutcomeUnknown"},
		{"AUTHORIZER_FAILURE", 500, 400, "OutcomeUnknown"},
		{"BAD_REQUEST_BODY", 400, 400, "MalformedRequest"},
		{"BAD_REQUEST_PARAMETERS", 400, 400, "MalformedRequest"},
		{"EXPIRED_TOKEN", 403, 401, "AuthFailure"},
		{"INTEGRATION_FAILURE", 504, 400, "OutcomeUnknown"},
		{"INTEGRATION_TIMEOUT", 504, 400, "OutcomeUnknown"},
		{"INVALID_API_KEY", 403, 403, "MalformedRequest"},
		{"INVALID_SIGNATURE", 403, 401, "AuthFailure"},
		{"MISSING_AUTHENTICATION_TOKEN", 403, 401, "AuthFailure"},
		{"QUOTA_EXCEEDED", 429, 503, "RequestLimitExceeded"},
		{"REQUEST_TOO_LARGE", 413, 413, "MalformedRequest"},
		{"RESOURCE_NOT_FOUND", 404, 400, "InvalidAction"},
		{"THROTTLED", 429, 503, "RequestLimitExceeded"},
		{"UNAUTHORIZED", 401, 401, "AuthFailure"},
		{"UNSUPPORTED_MEDIA_TYPE", 415, 415, "MalformedRequest"},
		{"WAF_FILTERED", 403, 403, "UnauthorizedOperation"},
		{"a function that crashes", 502, 400, "OutcomeUnknown"}, // DEFAULT_5XX
	} {
		a := gateway.For(c.responseType, c.own)
		if a.Status != c.status || a.Code != c.code || a.Advice == "" {
			t.Errorf("%s: %d %s %q, want %d %s", c.responseType, a.Status, a.Code, a.Advice, c.status, c.code)
		}
		if _, known := ipam.Codes[a.Code]; !known {
			t.Errorf("%s: the table of codes has no %s", c.responseType, a.Code)
		}
	}
}

// The EC2 client reads code, message and request id of each answer, with any
// characters in API Gateway's own message.
func TestEC2ClientReadsTheAnswers(t *testing.T) {
	const message = "The Canonical String should have been 'GET\n/prod/\nAction=A&Version=<x>'"
	for _, a := range gateway.Answers {
		a := gateway.For(a.Type, 418)
		client := ec2.New(ec2.Options{
			Region: "eu-west-1", Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}, BaseEndpoint: aws.String("http://gateway.invalid"),
			HTTPClient: smithyhttp.ClientDoFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: a.Status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a.Body("request-1", message))))}, nil
			}),
		})
		_, err := client.DescribeIpams(context.Background(), &ec2.DescribeIpamsInput{})
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != string(a.Code) || !strings.Contains(api.ErrorMessage(), message) || !strings.HasSuffix(api.ErrorMessage(), a.Advice) || !strings.Contains(err.Error(), "request-1") {
			t.Errorf("%s: %v", a.Type, err)
		}
	}
}
