// Package sigv4front is a front that does the work of API Gateway in tests:
// emulators accept every signature and make no answers of their own. It verifies
// Signature Version 4 with the secret of a known key, accepts the credential scope of
// the API's Region and execute-api only, and passes the function the event of a REST
// API with IAM authorization. Its own answers come from package gateway, as in the
// deployment.
//
// It is stricter than API Gateway in one point: a path with two slashes in a row is
// no resource.
package sigv4front

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
)

// Stage is the name of the stage: the first element of every path, as in a REST API's
// default address.
const Stage = "prod"

// route is a method of the API.
type route struct{ method, resource string }

// routes lists the methods that infra declares.
var routes = []route{
	{"GET", "/"},
	{"POST", "/"},
	{"GET", "/v1/openapi.json"},
	{"POST", "/v1/{operation}"},
}

// Front is an [http.Handler] in front of a function. It is safe for concurrent use.
type Front struct {
	Verifier *Verifier
	// Invoke passes an event to the function and returns its answer. Its context does
	// not end with the request: API Gateway does not stop a function.
	Invoke func(ctx context.Context, event []byte) ([]byte, error)

	// Allow reports whether IAM and the API's resource policy let the key's principal
	// call the method of a path, such as "POST" and "/v1/CreateVpc". Nil allows all.
	Allow func(key Key, method, path string) bool
	// Throttle reports whether a request exceeds the stage's limits. Nil has no limits.
	Throttle func() bool
	// Timeout is the longest time that the front waits for the function; 0 is API
	// Gateway's default, 29 s.
	Timeout time.Duration
	// After returns a channel that gets a value when the time is over; nil is
	// [time.After].
	After func(time.Duration) <-chan time.Time
	// MaxBody is the largest body of a request in bytes; 0 is API Gateway's limit,
	// 10 MB.
	MaxBody int64

	serial atomic.Int64
}

// API Gateway's quotas for REST APIs (Developer Guide, "Quotas for configuring and
// running a REST API in API Gateway").
const (
	defaultTimeout = 29 * time.Second
	defaultMaxBody = 10 << 20
)

// refusal is an answer of the front itself.
type refusal struct {
	responseType string // API Gateway's; see [gateway.For]
	status       int    // API Gateway's own, for the types without one in package gateway
	errorType    string // value of the header X-Amzn-Errortype
	message      string // API Gateway's own
}

// The refusals that do not depend on the request.
var (
	noRoute    = refusal{"MISSING_AUTHENTICATION_TOKEN", 403, sigv4.Missing, "Missing Authentication Token"} // also for a path or method that the API does not have
	tooLarge   = refusal{"REQUEST_TOO_LARGE", 413, "RequestTooLargeException", "Request Too Long"}
	throttled  = refusal{"THROTTLED", 429, "TooManyRequestsException", "Too Many Requests"}
	timedOut   = refusal{"INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out"}
	noResponse = refusal{gateway.Default5XX, 502, "InternalServerErrorException", "Internal server error"}
)

// ServeHTTP answers a request: by itself if it refuses the request or the function
// gives no answer, else with the function's answer.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("f0000000-0000-4000-8000-%012d", f.serial.Add(1))
	w.Header().Set("X-Amzn-Requestid", id)
	answer, err := f.answer(w, r, id)
	if err != nil {
		refuse(w, id, err)
		return
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	for name, values := range answer.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(answer.StatusCode)
	io.WriteString(w, answer.Body)
}

// answer returns the function's answer, its body decoded. The error holds a *refusal,
// or is a fault of the function.
func (f *Front) answer(w http.ResponseWriter, r *http.Request, id string) (*events.APIGatewayProxyResponse, error) {
	limit := f.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, &tooLarge
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/"+Stage)
	if path == "" {
		path = "/"
	}
	resource, parameters := match(r.Method, path)
	if !ok || resource == "" {
		return nil, &noRoute
	}
	key, err := f.Verifier.Verify(r.Context(), r, body)
	if err != nil {
		return nil, err
	}
	if f.Allow != nil && !f.Allow(key, r.Method, path) {
		return nil, &refusal{"ACCESS_DENIED", 403, "AccessDeniedException",
			fmt.Sprintf("User: %s is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:%s:********%s:%s/%s/%s%s",
				key.ARN, f.Verifier.Region, key.Account[8:], apiID, Stage, r.Method, path)}
	}
	if f.Throttle != nil && f.Throttle() {
		return nil, &throttled
	}
	event, err := json.Marshal(proxyEvent(r, body, id, path, resource, parameters, key))
	if err != nil {
		return nil, err
	}
	return f.invoke(context.WithoutCancel(r.Context()), event)
}

// invoke returns the function's answer to an event. When the time is over, the
// function goes on without the front.
func (f *Front) invoke(ctx context.Context, event []byte) (*events.APIGatewayProxyResponse, error) {
	timeout := f.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	after := f.After
	if after == nil {
		after = time.After
	}
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		payload, err := f.Invoke(ctx, event)
		done <- result{payload, err}
	}()
	var got result
	select {
	case got = <-done:
	case <-after(timeout):
		return nil, &timedOut
	}
	if got.err != nil {
		return nil, got.err
	}
	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(got.payload, &answer); err != nil {
		return nil, err
	}
	if answer.StatusCode == 0 {
		return nil, errors.New("the function's answer has no status code")
	}
	if answer.IsBase64Encoded {
		content, err := base64.StdEncoding.DecodeString(answer.Body)
		if err != nil {
			return nil, err
		}
		answer.Body = string(content)
	}
	return &answer, nil
}

// Error returns the message of a refusal.
func (r *refusal) Error() string { return r.message }

// refuse answers a request with the front's own answer for an error.
func refuse(w http.ResponseWriter, id string, err error) {
	r, ok := errors.AsType[*refusal](err)
	if e, unsigned := errors.AsType[*sigv4.Error](err); unsigned {
		r = signatureRefusal(e)
	} else if !ok {
		w.Header().Set("X-Front-Error", strings.ReplaceAll(err.Error(), "\n", " "))
		r = &noResponse
	}
	answer := gateway.For(r.responseType, r.status)
	w.Header().Set("Content-Type", gateway.ContentType)
	w.Header().Set("X-Amzn-Errortype", r.errorType)
	w.Header().Set(gateway.CodeHeader, string(answer.Code))
	w.WriteHeader(answer.Status)
	w.Write(answer.Body(id, r.message))
}

// signatureRefusal returns the refusal for a signature that does not hold.
func signatureRefusal(e *sigv4.Error) *refusal {
	responseType := "INVALID_SIGNATURE"
	if e.Type == sigv4.Missing {
		responseType = "MISSING_AUTHENTICATION_TOKEN"
	}
	return &refusal{responseType, 403, e.Type, e.Message}
}

// match returns the resource of a path and its parameters, and "" if the API has none
// for the method.
func match(method, path string) (resource string, parameters map[string]string) {
	if slices.Contains(routes, route{method, path}) {
		return path, nil
	}
	if name, ok := strings.CutPrefix(path, "/v1/"); ok && method == http.MethodPost && name != "" && !strings.Contains(name, "/") {
		return "/v1/{operation}", map[string]string{"operation": name}
	}
	return "", nil
}

const apiID = "front00000"

// proxyEvent returns the event for the function. It has no Authorization header: API
// Gateway does not pass the one that it has verified.
func proxyEvent(r *http.Request, body []byte, id, path, resource string, parameters map[string]string, key Key) events.APIGatewayProxyRequest {
	now := time.Now()
	e := events.APIGatewayProxyRequest{
		Resource:          resource,
		Path:              path,
		HTTPMethod:        r.Method,
		Headers:           map[string]string{"Host": r.Host},
		MultiValueHeaders: map[string][]string{"Host": {r.Host}},
		PathParameters:    parameters,
		Body:              string(body),
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID:        key.Account,
			APIID:            apiID,
			ResourcePath:     resource,
			Path:             r.URL.Path,
			HTTPMethod:       r.Method,
			Stage:            Stage,
			Protocol:         r.Proto,
			DomainName:       r.Host,
			RequestID:        id,
			RequestTime:      now.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			RequestTimeEpoch: now.UnixMilli(),
			Identity: events.APIGatewayRequestIdentity{
				AccountID: key.Account,
				AccessKey: key.AccessKeyID,
				Caller:    key.AccessKeyID,
				User:      key.AccessKeyID,
				UserArn:   key.ARN,
				SourceIP:  "127.0.0.1",
				UserAgent: r.UserAgent(),
			},
		},
	}
	for name, values := range r.Header {
		if name == "Authorization" {
			continue
		}
		e.Headers[name] = values[len(values)-1]
		e.MultiValueHeaders[name] = values
	}
	if q := r.URL.Query(); len(q) > 0 {
		e.QueryStringParameters = map[string]string{}
		e.MultiValueQueryStringParameters = q
		for name, values := range q {
			e.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	if !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}
