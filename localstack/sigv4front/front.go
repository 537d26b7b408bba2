// Package sigv4front replaces API Gateway in tests that check a client's
// signature, because emulators accept any signature. It verifies Signature
// Version 4 with the secret of a known key, refuses any credential scope except
// the API's Region and execute-api, and gives the function the event of a REST
// API with IAM authorization.
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
)

// Stage is the stage's name, the first element of every path, as in a REST
// API's default address.
const Stage = "prod"

// route is a method of the API. infra declares exactly these.
type route struct{ method, resource string }

var routes = []route{
	{"GET", "/"},
	{"POST", "/"},
	{"GET", "/v1/openapi.json"},
	{"POST", "/v1/{operation}"},
}

// Front is an http.Handler before a function.
type Front struct {
	Verifier *Verifier
	// Invoke sends the function an event and returns its answer.
	Invoke func(ctx context.Context, event []byte) ([]byte, error)

	serial atomic.Int64
}

// maxBody is API Gateway's limit for a request's body.
const maxBody = 10 << 20

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("f0000000-0000-4000-8000-%012d", f.serial.Add(1))
	w.Header().Set("X-Amzn-Requestid", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refused(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request Too Long")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/"+Stage)
	if path == "" {
		path = "/"
	}
	resource, parameters := match(r.Method, path)
	if !ok || resource == "" {
		// A REST API answers a request for an unknown resource with a missing
		// token.
		refused(w, http.StatusForbidden, sigv4.Missing, "Missing Authentication Token")
		return
	}
	key, err := f.Verifier.Verify(r.Context(), r, body)
	if refusal, ok := errors.AsType[*sigv4.Error](err); ok {
		refused(w, http.StatusForbidden, refusal.Type, refusal.Message)
		return
	} else if err != nil {
		refused(w, http.StatusInternalServerError, "InternalServerErrorException", err.Error())
		return
	}
	event, err := json.Marshal(proxyEvent(r, body, id, path, resource, parameters, key))
	if err != nil {
		refused(w, http.StatusInternalServerError, "InternalServerErrorException", err.Error())
		return
	}
	payload, err := f.Invoke(r.Context(), event)
	var answer events.APIGatewayProxyResponse
	if err == nil {
		err = json.Unmarshal(payload, &answer)
	}
	if err == nil && answer.StatusCode == 0 {
		err = errors.New("the function's answer has no status code")
	}
	content := []byte(answer.Body)
	if err == nil && answer.IsBase64Encoded {
		content, err = base64.StdEncoding.DecodeString(answer.Body)
	}
	if err != nil {
		w.Header().Set("X-Front-Error", strings.ReplaceAll(err.Error(), "\n", " "))
		refused(w, http.StatusBadGateway, "InternalServerErrorException", "Internal server error")
		return
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	for name, values := range answer.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(answer.StatusCode)
	w.Write(content)
}

func refused(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// match returns the resource of a path and its parameters, and "" if the API
// has none for the method.
func match(method, path string) (resource string, parameters map[string]string) {
	if slices.Contains(routes, route{method, path}) {
		return path, nil
	}
	if name, ok := strings.CutPrefix(path, "/v1/"); ok && method == http.MethodPost && name != "" && !strings.Contains(name, "/") {
		return "/v1/{operation}", map[string]string{"operation": name}
	}
	return "", nil
}

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
			APIID:            "front00000",
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
