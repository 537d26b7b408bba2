package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
)

var update = flag.Bool("update", false, "rewrite the golden answers")

// env is a handler with operations that record their callers.
type env struct {
	*Handler
	callers []registry.Caller
	log     bytes.Buffer
	fail    error
	many    int
	hang    bool
}

func newEnv() *env {
	w := &env{}
	r := registry.New(registry.NewGrants([]registry.Grant{
		{Pattern: "arn:aws:iam::111122223333:role/allocators", Class: registry.Allocate}, {Pattern: "arn:aws:iam::*:user/reader", Class: registry.Read},
	}, nil, 0, nil))
	registry.Define(r, "AllocateIpamPoolCidr", registry.Meta{Class: registry.Allocate, Mutates: true, Summary: "Takes a CIDR out of a pool"},
		func(ctx context.Context, in *ec2.AllocateIpamPoolCidrInput) (*ec2.AllocateIpamPoolCidrOutput, error) {
			w.callers = append(w.callers, registry.CallerFrom(ctx))
			if w.fail != nil {
				return nil, w.fail
			}
			return &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{
				Cidr: aws.String("10.0.0.0/24"), IpamPoolAllocationId: aws.String("ipam-pool-alloc-1"), Description: in.Description,
			}}, nil
		})
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read, Paginated: true, Summary: "Lists IPAMs"},
		func(ctx context.Context, in *ec2.DescribeIpamsInput) (*ec2.DescribeIpamsOutput, error) {
			if w.hang { // like a call of the table without an answer
				<-ctx.Done()
				return nil, ctx.Err()
			}
			out := &ec2.DescribeIpamsOutput{}
			for range w.many {
				out.Ipams = append(out.Ipams, types.Ipam{Description: aws.String(strings.Repeat(`"`, 1000))})
			}
			return out, nil
		})
	registry.Define(r, "DeleteTags", registry.Meta{Class: registry.Read}, func(context.Context, *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) { panic("a secret") })
	clock := time.Unix(1e9, 0)
	w.Handler = New(r, telemetry.Options{
		Logger: slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
		Now: func() time.Time { clock = clock.Add(1500 * time.Microsecond); return clock },
	})
	return w
}

// event returns testdata/event.json, changed.
func event(t *testing.T, change func(*events.APIGatewayProxyRequest)) events.APIGatewayProxyRequest {
	t.Helper()
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e events.APIGatewayProxyRequest
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&e)
	}
	return e
}

func toJSON(operation, body string) func(*events.APIGatewayProxyRequest) {
	return func(e *events.APIGatewayProxyRequest) {
		e.Resource, e.Path, e.RequestContext.Path = "/v1/{operation}", "/v1/"+operation, "/prod/v1/"+operation
		e.PathParameters, e.Body = map[string]string{"operation": operation}, body
	}
}

func form(body string) func(*events.APIGatewayProxyRequest) {
	return func(e *events.APIGatewayProxyRequest) { e.Body = body }
}

func (w *env) do(t *testing.T, change func(*events.APIGatewayProxyRequest)) events.APIGatewayProxyResponse {
	t.Helper()
	a, err := w.Handle(t.Context(), Event{APIGatewayProxyRequest: event(t, change)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A call that hangs ends before the invocation does. Otherwise Lambda would end the
// function, and API Gateway would give an answer that no SDK knows.
func TestAnswersBeforeTheEnd(t *testing.T) {
	w := newEnv()
	w.hang = true
	ctx, cancel := context.WithTimeout(t.Context(), margin+50*time.Millisecond)
	defer cancel()
	e := event(t, form("Action=DescribeIpams"))
	e.RequestContext.Identity.UserArn = "arn:aws:iam::111122223333:user/reader"
	a, err := w.Handle(ctx, Event{APIGatewayProxyRequest: e})
	if end, _ := ctx.Deadline(); err != nil || time.Until(end) < margin/2 {
		t.Fatalf("answered %v with %v left", err, time.Until(end))
	}
	if a.StatusCode != 500 || !strings.Contains(a.Body, "<Code>InternalError</Code>") || !strings.Contains(a.Body, e.RequestContext.RequestID) {
		t.Errorf("answered %d %s", a.StatusCode, a.Body)
	}
	if !strings.Contains(w.log.String(), "context deadline exceeded") {
		t.Errorf("logged %s", &w.log)
	}
}

// The whole answers to good and bad requests of both protocols are golden files.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		change func(*events.APIGatewayProxyRequest)
	}{
		{"query", 200, nil},
		{"query_base64", 200, func(e *events.APIGatewayProxyRequest) {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(e.Body+"&Description=%C3%A9")), true
		}},
		{"query_get", 200, func(e *events.APIGatewayProxyRequest) {
			e.HTTPMethod, e.Body = "GET", ""
			e.MultiValueQueryStringParameters = map[string][]string{"Action": {"DescribeIpams"}, "X-Amz-Signature": {"x"}}
		}},
		{"query_missing_action", 400, form("Version=2016-11-15")},
		{"query_unknown_action", 400, form("Action=LaunchRockets")},
		{"query_unsupported_action", 400, form("Action=DescribeIpamPolicies")},
		{"query_unknown_parameter", 400, form("Action=DescribeIpams&Bogus=1")},
		{"query_missing_parameter", 400, form("Action=AllocateIpamPoolCidr&NetmaskLength=24")},
		{"query_dry_run", 412, form("Action=DescribeIpams&DryRun=true")},
		{"query_broken_base64", 400, func(e *events.APIGatewayProxyRequest) { e.IsBase64Encoded = true }},
		{"query_panic", 500, form("Action=DeleteTags&ResourceId.1=x")},
		{"query_unauthorized", 403, func(e *events.APIGatewayProxyRequest) {
			e.RequestContext.Identity.UserArn = "arn:aws:iam::111122223333:user/reader"
		}},
		{"json", 200, toJSON("AllocateIpamPoolCidr", `{"IpamPoolId": "ipam-pool-1", "Description": "é\"<&>"}`)},
		{"json_empty_list", 200, toJSON("DescribeIpams", ``)},
		{"json_unknown_action", 400, toJSON("LaunchRockets", `{}`)},
		{"json_unsupported_action", 400, toJSON("DescribeIpamPolicies", `{}`)},
		{"json_missing_parameter", 400, toJSON("AllocateIpamPoolCidr", `{}`)},
		{"json_malformed", 400, toJSON("AllocateIpamPoolCidr", `{`)},
		{"json_dry_run", 412, toJSON("DescribeIpams", `{"DryRun": true}`)},
		{"json_with_a_query_string", 400, func(e *events.APIGatewayProxyRequest) {
			toJSON("DescribeIpams", `{}`)(e)
			e.QueryStringParameters = map[string]string{"accountId": "444455556666"}
		}},
		{"json_panic", 500, toJSON("DeleteTags", `{"Resources": ["x"]}`)},
		{"no_such_resource", 400, func(e *events.APIGatewayProxyRequest) { e.HTTPMethod, e.Resource, e.Path = "PUT", "/v2", "/v2" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv()
			a := w.do(t, c.change)
			if a.StatusCode != c.status || a.Headers["X-Request-Id"] != "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" {
				t.Errorf("status %d, headers %v; want status %d and API Gateway's request id", a.StatusCode, a.Headers, c.status)
			}
			got := a.Headers["Content-Type"] + "\n" + a.Body + "\n"
			golden := filepath.Join("testdata", "answers", c.name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, string(want)); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
			if strings.Contains(got, "a secret") {
				t.Error("the text of a panic reached the caller")
			}
		})
	}
}

func TestIdentityIsAPIGateways(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*events.APIGatewayProxyRequest)
	}{
		{"no API", func(e *events.APIGatewayProxyRequest) { e.RequestContext.APIID = "" }},
		{"no account", func(e *events.APIGatewayProxyRequest) { e.RequestContext.Identity.AccountID = "" }},
		{"no principal", func(e *events.APIGatewayProxyRequest) { e.RequestContext.Identity.UserArn = "" }},
		{"no context at all", func(e *events.APIGatewayProxyRequest) { e.RequestContext = events.APIGatewayProxyRequestContext{} }},
		{"the owner of the API is not the caller", func(e *events.APIGatewayProxyRequest) {
			e.RequestContext.Identity = events.APIGatewayRequestIdentity{}
			e.RequestContext.AccountID = "111122223333"
		}},
		{"no identity on the description either", func(e *events.APIGatewayProxyRequest) {
			e.HTTPMethod, e.Resource = "GET", "/v1/openapi.json"
			e.RequestContext.Identity = events.APIGatewayRequestIdentity{}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv()
			if a := w.do(t, c.change); a.StatusCode != 401 || !strings.Contains(a.Body, "AuthFailure") {
				t.Errorf("got %d %s, want AuthFailure", a.StatusCode, a.Body)
			}
			if len(w.callers) != 0 {
				t.Errorf("called for %v", w.callers)
			}
		})
	}
	w := newEnv()
	a := w.do(t, func(e *events.APIGatewayProxyRequest) {
		// The caller can write all of these.
		e.Headers["X-Amzn-Account-Id"], e.Headers["X-Forwarded-User"] = "444455556666", "admin"
		e.QueryStringParameters = map[string]string{"X-Amz-Account": "444455556666"}
	})
	want := []registry.Caller{{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/allocators/alice", Region: "ap-northeast-1"}}
	if diff := cmp.Diff(w.callers, want); a.StatusCode != 200 || diff != "" {
		t.Errorf("status %d; callers (-got +want):\n%s", a.StatusCode, diff)
	}
}

// The caller's organisation is read from the one member in which API Gateway writes it.
func TestOrganizationIsAPIGateways(t *testing.T) {
	b, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	const known, none = `"principalOrgId": "o-a1b2c3d4e5"`, `"principalOrgId": null`
	if strings.Count(string(b), known) != 1 {
		t.Fatalf("the event does not contain %s once", known)
	}
	forged := strings.NewReplacer(known, none,
		`"headers": {`, `"principalOrgId": "o-forged0000", "headers": {"principalOrgId": "o-forged0000", "X-Amzn-Principal-Org-Id": "o-forged0000", `,
		`"requestContext": {`, `"requestContext": {"principalOrgId": "o-forged0000", "authorizer": {"principalOrgId": "o-forged0000"}, `)
	for document, want := range map[string]string{string(b): "o-a1b2c3d4e5", strings.Replace(string(b), known, none, 1): "", forged.Replace(string(b)): ""} {
		var e Event
		if err := json.Unmarshal([]byte(document), &e); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e.RequestContext.Identity, event(t, nil).RequestContext.Identity); diff != "" {
			t.Errorf("the rest of the identity (-got +want):\n%s", diff)
		}
		w := newEnv()
		if a, err := w.Handle(t.Context(), e); err != nil || a.StatusCode != 200 || len(w.callers) != 1 {
			t.Fatalf("%d %s, %v", a.StatusCode, a.Body, err)
		}
		if c := w.callers[0]; c.OrganizationID != want || c.Account != "111122223333" {
			t.Errorf("the caller is %+v, want the organisation %q", c, want)
		}
	}
	var e Event
	if err := json.Unmarshal([]byte(`{"requestContext": {"identity": {"principalOrgId": 1}}}`), &e); err == nil {
		t.Error("a number is accepted as an organisation")
	}
}

func TestCallersRegion(t *testing.T) {
	none := func(e *events.APIGatewayProxyRequest) { e.Headers, e.MultiValueHeaders = nil, nil }
	with := func(name, value string) func(*events.APIGatewayProxyRequest) {
		return func(e *events.APIGatewayProxyRequest) { e.MultiValueHeaders[name] = []string{value} }
	}
	for _, c := range []struct {
		name, want string
		status     int
		change     func(*events.APIGatewayProxyRequest)
	}{
		{"the signature's scope", "ap-northeast-1", 200, nil},
		{"the header comes first", "ap-northeast-3", 200, with("X-Cadastre-Region", "ap-northeast-3")},
		{"the header in another case", "us-gov-west-1", 200, with("x-cadastre-region", "us-gov-west-1")},
		{"the header in the single-value map", "eu-west-1", 200, func(e *events.APIGatewayProxyRequest) {
			e.MultiValueHeaders, e.Headers = nil, map[string]string{"x-cadastre-region": "eu-west-1"}
		}},
		{"neither: home", "", 200, none},
		{"a scope in the query string", "sa-east-1", 200, func(e *events.APIGatewayProxyRequest) {
			none(e)
			e.MultiValueQueryStringParameters = map[string][]string{"X-Amz-Credential": {"AKID/20261124/sa-east-1/execute-api/aws4_request"}}
		}},
		{"a scope without a Region: home", "", 200, with("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKID/20261124/execute-api/aws4_request, X")},
		{"a scope of words: home", "", 200, with("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/<c>/d/e, X")},
		{"no Region in the header", "", 400, with("X-Cadastre-Region", "tokyo")},
		{"a zone in the header", "", 400, with("X-Cadastre-Region", "ap-northeast-1a")},
		{"a line break in the header", "", 400, with("X-Cadastre-Region", "ap-northeast-1\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv()
			if a := w.do(t, c.change); a.StatusCode != c.status {
				t.Fatalf("got %d %s, want %d", a.StatusCode, a.Body, c.status)
			}
			if c.status == 200 && w.callers[0].Region != c.want {
				t.Errorf("got Region %q, want %q", w.callers[0].Region, c.want)
			}
		})
	}
}

// An answer that Lambda would refuse to send becomes an error with the next step.
func TestAnswersStayUnderLambdasLimit(t *testing.T) {
	// 1,000 quotes are 2,000 bytes in JSON and 4,000 in the envelope around it.
	for _, c := range []struct {
		many, status int
	}{{1000, 200}, {1700, 400}, {6000, 400}} {
		w := newEnv()
		w.many = c.many
		a := w.do(t, toJSON("DescribeIpams", `{}`))
		if a.StatusCode != c.status || c.status == 400 && !strings.Contains(a.Body, "MaxResults") {
			t.Errorf("%d items: got %d, %.200s", c.many, a.StatusCode, a.Body)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 6<<20 {
			t.Errorf("%d items: the answer has %d bytes", c.many, len(b))
		}
	}
}

// A session of a forwarder's role calls for stacks, and no other caller does.
func TestForwardersCallForStacks(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:sts::111122223333:assumed-role/cadastre-forwarder-eu-west-1/f": true,
		"arn:aws:sts::111122223333:assumed-role/allocators/alice":               false,
		"arn:aws:iam::111122223333:user/cadastre-forwarder-eu-west-1":           false,
	} {
		var e Event
		e.RequestContext.APIID, e.RequestContext.Identity.AccountID, e.RequestContext.Identity.UserArn = "api", "111122223333", arn
		if c, err := caller(&e); err != nil || c.Stacks != want {
			t.Errorf("%s calls for stacks: %t, want %t (%v)", arn, c.Stacks, want, err)
		}
	}
}

func TestOneRecordForEachRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		fail   error
		change func(*events.APIGatewayProxyRequest)
		want   map[string]any
	}{
		{"success", nil, nil, map[string]any{"level": "INFO", "operation": "AllocateIpamPoolCidr", "status": 200.0, "code": ""}},
		{"refusal", ipam.Errorf(ipam.CodeInvalidParameterValue, "x"), nil, map[string]any{"level": "INFO", "operation": "AllocateIpamPoolCidr", "status": 400.0, "code": "InvalidParameterValue"}},
		{"failure", errors.New("the driver's text"), nil,
			map[string]any{"level": "ERROR", "operation": "AllocateIpamPoolCidr", "status": 500.0, "code": "InternalError", "error": "the driver's text"}},
		{"a code of EC2's", &ipam.Error{Code: "VpcLimitExceeded"}, nil, map[string]any{"level": "INFO", "operation": "AllocateIpamPoolCidr", "status": 400.0, "code": "VpcLimitExceeded"}},
		{"JSON", nil, toJSON("DescribeIpams", `{}`), map[string]any{"level": "INFO", "operation": "DescribeIpams", "status": 200.0, "code": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv()
			w.fail = c.fail
			if a := w.do(t, c.change); strings.Contains(a.Body, "driver") {
				t.Errorf("a driver's text reached the caller: %s", a.Body)
			}
			for key, value := range map[string]any{
				"msg": "unit of work", "duration_ms": 1.5, "account": "111122223333", "principal": "arn:aws:sts::111122223333:assumed-role/allocators/alice",
				"request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
			} {
				c.want[key] = value
			}
			var got map[string]any
			if err := json.Unmarshal(w.log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, w.log.Bytes())
			}
			for _, metrics := range []string{"_aws", "Operation", "Outcome", "Requests", "Duration"} {
				delete(got, metrics)
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// The record of a request is also its metrics. No text of a caller becomes a dimension.
func TestMetricsOfARequest(t *testing.T) {
	for _, c := range []struct {
		name               string
		fail               error
		change             func(*events.APIGatewayProxyRequest)
		operation, outcome string
	}{
		{"success", nil, nil, "AllocateIpamPoolCidr", "ok"},
		{"refusal", ipam.Errorf(ipam.CodeResourceLimitExceeded, "x"), nil, "AllocateIpamPoolCidr", "quota"},
		{"failure", errors.New("x"), nil, "AllocateIpamPoolCidr", "internal"},
		{"no such action", nil, form("Action=MineBitcoin&Version=2016-11-15"), "Unknown", "caller"},
		{"no action", nil, form(""), "Unknown", "caller"},
		{"description", nil, func(e *events.APIGatewayProxyRequest) {
			e.HTTPMethod, e.Resource, e.Path, e.Body = "GET", "/v1/openapi.json", "/v1/openapi.json", ""
		}, "openapi.json", "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newEnv()
			w.fail = c.fail
			w.do(t, c.change)
			var got struct {
				Operation, Outcome string
				Requests           int
				Duration           float64
				AWS                struct{ Timestamp int64 } `json:"_aws"`
			}
			if err := json.Unmarshal(w.log.Bytes(), &got); err != nil {
				t.Fatalf("not one record: %v in %s", err, w.log.Bytes())
			}
			if got.Operation != c.operation || got.Outcome != c.outcome || got.Requests != 1 || got.Duration != 1.5 || got.AWS.Timestamp != 1e12+3 {
				t.Errorf("%+v, want %s, %s", got, c.operation, c.outcome)
			}
		})
	}
}

func TestDescriptionOfTheAPI(t *testing.T) {
	w := newEnv()
	a := w.do(t, func(e *events.APIGatewayProxyRequest) {
		e.HTTPMethod, e.Resource, e.Path, e.Body = "GET", "/v1/openapi.json", "/v1/openapi.json", ""
		e.RequestContext.Path = "/prod/v1/openapi.json"
	})
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			Summary string
			Class   string `json:"x-cadastre-class"`
		}
	}
	if err := json.Unmarshal([]byte(a.Body), &doc); err != nil || a.StatusCode != 200 || a.Headers["Content-Type"] != "application/json" {
		t.Fatalf("%d, %v, %v", a.StatusCode, a.Headers, err)
	}
	if len(doc.Servers) != 1 || doc.Servers[0].URL != "https://a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com/prod" {
		t.Errorf("servers: %v", doc.Servers)
	}
	allocate := doc.Paths["/v1/AllocateIpamPoolCidr"]["post"]
	if len(doc.Paths) != 3 || allocate.Summary != "Takes a CIDR out of a pool" || allocate.Class != "allocate" {
		t.Errorf("%d paths; allocate: %+v", len(doc.Paths), allocate)
	}
}

// The events survive decoding and encoding, so the library has a field for each member
// that the handler reads.
func TestEventRoundTrip(t *testing.T) {
	e := event(t, nil)
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var again events.APIGatewayProxyRequest
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again, e); diff != "" {
		t.Error(diff)
	}
}

// The function does not contain the 170 KB of the API model, nor the packages that only
// generators and tests use.
func TestFunctionLinksNoGenerator(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := string(out)
	if !strings.Contains(deps, "cadastre/shared/wire/schema\n") {
		t.Fatalf("go list names other packages than the function's:\n%s", deps)
	}
	for _, p := range []string{"cadastre/shared/wire/model", "cadastre/shared/wire/wiretest", "cadastre/shared/wire/climodel", "kin-openapi", "go-cmp"} {
		if strings.Contains(deps, p) {
			t.Errorf("the function links %s", p)
		}
	}
}
