// Command api is the Lambda function behind the REST API. It takes EC2 Query requests
// (POST / and GET /) and JSON requests (POST /v1/{operation}), calls the registry's
// operations, and answers in the caller's protocol.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// description is the name of GET /v1/openapi.json in logs and metrics.
const description = "openapi.json"

// maxAnswer is the largest body of an answer in bytes, escaped as a JSON string. Lambda
// limits the whole answer to 6 MB.
const maxAnswer = 6<<20 - 64<<10

// margin is how long before the end of the invocation work stops, so that the caller
// gets an error with a request id instead of no answer.
const margin = time.Second

// Handler answers events of API Gateway's REST proxy integration. It is safe
// for concurrent use.
type Handler struct {
	registry *registry.Registry
	o        telemetry.Options
}

// New returns a handler for the registry's operations.
func New(r *registry.Registry, o telemetry.Options) *Handler { return &Handler{r, o} }

// Event is the event of API Gateway's REST proxy integration. It has a member of
// requestContext.identity that the type of package events lacks.
type Event struct {
	events.APIGatewayProxyRequest
	PrincipalOrgID string // of the caller's organisation, "" if the account is in none (API Gateway, "$context.identity.principalOrgId")
}

// UnmarshalJSON reads an event.
func (e *Event) UnmarshalJSON(b []byte) error {
	var more struct {
		RequestContext struct {
			Identity struct{ PrincipalOrgID string }
		}
	}
	if err := json.Unmarshal(b, &more); err != nil {
		return err
	}
	e.PrincipalOrgID = more.RequestContext.Identity.PrincipalOrgID
	return json.Unmarshal(b, &e.APIGatewayProxyRequest)
}

// Handle answers one request and logs one record of it. Its error is always nil, as
// a failure is an answer, too.
func (h *Handler) Handle(ctx context.Context, e Event) (events.APIGatewayProxyResponse, error) {
	r := &apiRequest{event: e, id: e.RequestContext.RequestID, json: strings.HasPrefix(e.Resource, "/v1/")}
	status := http.StatusOK
	var body []byte
	var contentType string
	err := h.o.Unit(ctx, telemetry.Unknown, func(ctx context.Context, record *telemetry.Record) (err error) {
		body, contentType, err = h.serve(ctx, r)
		if n := escaped(body); err == nil && n > maxAnswer {
			err = ipam.Errorf(ipam.CodeResourceLimitExceeded, "The answer has %d bytes, and at most %d can be sent. Ask for less at a time: lower MaxResults or add filters.", n, maxAnswer)
		}
		if err != nil {
			status = ipam.InfoOf(ipam.CodeOf(err)).Status
			body, contentType = r.encodeError(ipam.Public(err))
		}
		h.describe(record, r, status)
		return err
	})
	headers := map[string]string{"Content-Type": contentType, "X-Request-Id": r.id, "Cache-Control": "no-store"}
	if err == nil && r.next != "" {
		headers[wire.NextTokenHeader] = r.next
	}
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: headers, Body: string(body)}, nil
}

// apiRequest holds a request and, while it is served, the facts that the answer and the
// log record need.
type apiRequest struct {
	event     Event
	id        string
	json      bool // whether the protocol is JSON, not EC2 Query
	operation string
	caller    registry.Caller
	next      string // the NextToken of an answer in CSV, which has no place for it in its body
}

func (r *apiRequest) encodeError(e *ipam.Error) (body []byte, contentType string) {
	if r.json {
		return awsjson.EncodeError(r.id, e), awsjson.ContentType
	}
	return ec2query.EncodeError(r.id, e), ec2query.ContentType
}

func (h *Handler) serve(ctx context.Context, r *apiRequest) (body []byte, contentType string, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if r.caller, err = caller(&r.event); err != nil {
		return nil, "", err
	}
	ctx, cancel := lambdakit.BeforeEnd(registry.WithCaller(ctx, r.caller), margin)
	defer cancel()
	switch r.event.HTTPMethod + " " + r.event.Resource {
	case "POST /", "GET /":
		return h.query(ctx, r)
	case "POST /v1/{operation}":
		return h.json(ctx, r)
	case "GET /v1/openapi.json":
		r.operation = description
		body, err = h.openapi(r)
		return body, awsjson.ContentType, err
	}
	return nil, "", ipam.Errorf(ipam.CodeInvalidAction, "There is no %s %s. Use POST / for EC2 Query requests, POST /v1/{operation} for JSON, GET /v1/openapi.json for the description.",
		r.event.HTTPMethod, schema.Excerpt(r.event.Path))
}

// query answers an EC2 Query request. The request's form is the body and the query
// string together.
func (h *Handler) query(ctx context.Context, r *apiRequest) ([]byte, string, error) {
	body, err := content(&r.event.APIGatewayProxyRequest)
	if err != nil {
		return nil, "", err
	}
	form, err := ec2query.ParseRequest(string(body), parameters(&r.event.APIGatewayProxyRequest))
	if err != nil {
		return nil, "", err
	}
	if r.operation, err = ec2query.Action(form); err != nil {
		return nil, "", err
	}
	out, err := h.call(ctx, r.operation, func(in any) error { return ec2query.Decode(form, r.operation, in) })
	if err != nil {
		return nil, "", err
	}
	answer, err := ec2query.Encode(r.operation, r.id, out)
	return answer, ec2query.ContentType, err
}

func (h *Handler) json(ctx context.Context, r *apiRequest) ([]byte, string, error) {
	r.operation = r.event.PathParameters["operation"]
	for name := range parameters(&r.event.APIGatewayProxyRequest) {
		if !strings.HasPrefix(strings.ToLower(name), "x-amz-") { // the query string may hold the signature
			return nil, "", ipam.Errorf(ipam.CodeUnknownParameter, "The query string's parameter %s is not recognized. Send parameters as members of the JSON body.", schema.Excerpt(name))
		}
	}
	body, err := content(&r.event.APIGatewayProxyRequest)
	if err != nil {
		return nil, "", err
	}
	out, err := h.call(ctx, r.operation, func(in any) error { return awsjson.Decode(body, r.operation, in) })
	if err != nil {
		return nil, "", err
	}
	if history, ok := out.(*ec2.GetIpamAddressHistoryOutput); ok && acceptsCSV(header(&r.event.APIGatewayProxyRequest, "Accept")) {
		r.next = aws.ToString(history.NextToken)
		return historyCSV(history.HistoryRecords), csvContentType, nil
	}
	answer, err := awsjson.Encode(r.operation, out)
	return answer, awsjson.ContentType, err
}

func (h *Handler) call(ctx context.Context, operation string, decode func(in any) error) (any, error) {
	o, ok := h.registry.Lookup(operation)
	if !ok {
		return nil, registry.Unknown(operation)
	}
	in := o.New()
	if err := decode(in); err != nil {
		return nil, err
	}
	return h.registry.Call(ctx, operation, in)
}

func (h *Handler) openapi(r *apiRequest) ([]byte, error) {
	// The base is the path that the caller used, with the stage, without the resource.
	scheme := "https"
	if header(&r.event.APIGatewayProxyRequest, "X-Forwarded-Proto") == "http" {
		scheme = "http"
	}
	base := strings.TrimSuffix(r.event.RequestContext.Path, "/v1/openapi.json")
	host := r.event.RequestContext.DomainName
	if host == "" {
		host = header(&r.event.APIGatewayProxyRequest, "Host")
	}
	return ops.Describe((&url.URL{Scheme: scheme, Host: host, Path: base}).String(), h.registry)
}

// describe adds the request's attributes to its log record. Only names of operations
// become dimensions of metrics.
func (h *Handler) describe(record *telemetry.Record, r *apiRequest, status int) {
	if _, ok := h.registry.Lookup(r.operation); ok || r.operation == description {
		record.Operation = r.operation
	}
	if status < http.StatusInternalServerError { // an answer that concerns the caller alone
		record.SetLevel(slog.LevelInfo)
	}
	record.Add(
		slog.String("operation", schema.Excerpt(r.operation)),
		slog.Int("status", status),
		slog.String("account", r.caller.Account),
		slog.String("principal", r.caller.ARN),
		slog.String("request_id", r.id),
	)
}

// caller returns the caller that API Gateway verified. The caller itself only claims a
// Region.
func caller(e *Event) (registry.Caller, error) {
	id := e.RequestContext.Identity
	if e.RequestContext.APIID == "" || id.AccountID == "" || id.UserArn == "" {
		return registry.Caller{}, ipam.Errorf(ipam.CodeAuthFailure, "The request carries no identity that API Gateway has verified. Call the API's address and sign the request with IAM credentials.")
	}
	region, err := callerRegion(&e.APIGatewayProxyRequest)
	return registry.Caller{Account: id.AccountID, OrganizationID: e.PrincipalOrgID, ARN: id.UserArn, Region: region, Stacks: registry.IsForwarder(id.UserArn)}, err
}

// callerRegion returns the Region that the caller claims: the header's, else the one
// in the signature's scope, else "" for the home Region.
func callerRegion(e *events.APIGatewayProxyRequest) (string, error) {
	if claimed := header(e, wire.RegionHeader); claimed != "" {
		if !ipam.IsRegion(claimed) {
			return "", ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%s) of the header %s is invalid. Use a Region such as ap-northeast-1.", schema.Excerpt(claimed), wire.RegionHeader)
		}
		return claimed, nil
	}
	var scope sigv4.Scope
	if s, err := sigv4.Parse(header(e, "Authorization")); err == nil {
		scope = s.Scope
	} else {
		for name, values := range parameters(e) {
			if strings.EqualFold(name, "X-Amz-Credential") && len(values) > 0 {
				scope, _ = sigv4.ParseScope(values[0])
			}
		}
	}
	if !ipam.IsRegion(scope.Region) {
		return "", nil
	}
	return scope.Region, nil
}

// header returns the last value of a header. The case of name does not matter: API
// Gateway keeps the case that the caller, or a proxy in between, wrote.
func header(e *events.APIGatewayProxyRequest, name string) string {
	for n, values := range e.MultiValueHeaders {
		if strings.EqualFold(n, name) && len(values) > 0 {
			return values[len(values)-1]
		}
	}
	for n, value := range e.Headers {
		if strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

// parameters returns the parameters of the query string.
func parameters(e *events.APIGatewayProxyRequest) url.Values {
	if len(e.MultiValueQueryStringParameters) > 0 {
		return maps.Clone(e.MultiValueQueryStringParameters)
	}
	values := url.Values{}
	for name, value := range e.QueryStringParameters {
		values.Set(name, value)
	}
	return values
}

func content(e *events.APIGatewayProxyRequest) ([]byte, error) {
	if !e.IsBase64Encoded {
		return []byte(e.Body), nil
	}
	b, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request's body is marked as base64 and is not.")
	}
	return b, nil
}

// escaped returns the length in bytes of a body as a JSON string, the form in which
// Lambda sends it to API Gateway.
func escaped(body []byte) int {
	n := 2
	for _, c := range body {
		switch {
		case c == '"' || c == '\\':
			n += 2
		case c < ' ':
			n += 6
		default:
			n++
		}
	}
	return n
}
