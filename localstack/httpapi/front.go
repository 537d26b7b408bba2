// Package httpapi is a front that does the work of an HTTP API of API Gateway in tests. It
// passes the function each request as an event with payload format 2.0, and the browser
// the function's answer. The emulator's HTTP APIs pass no cookies, and a host name of
// their own, so nobody could sign in to the hosted console through them.
package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// API Gateway's quotas for HTTP APIs (Developer Guide, "Quotas for configuring and running
// an HTTP API in API Gateway").
const (
	maxBody = 10 << 20
	timeout = 30 * time.Second
)

const (
	apiID   = "front00000"
	account = "000000000000"
	route   = "$default" // the only route, and the stage
)

// Front is an [http.Handler] in front of a function: an HTTP API with a domain name, the
// stage $default and the route $default. It is safe for concurrent use.
type Front struct {
	Host string // the API's domain name; requests to another host are refused
	// Invoke passes an event to the function and returns its answer.
	Invoke func(ctx context.Context, event []byte) ([]byte, error)

	serial atomic.Int64
}

// ServeHTTP answers a request with the function's answer. If the function gives none, it
// answers as API Gateway does, with the reason in the header X-Front-Error.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("front%011d", f.serial.Add(1))
	w.Header().Set("Apigw-Requestid", id)
	if r.Host != f.Host {
		refuse(w, http.StatusForbidden, "Forbidden")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	event, err := json.Marshal(newEvent(r, body, id))
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	payload, err := f.Invoke(ctx, event)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		refuse(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	if err != nil {
		fail(w, err)
		return
	}
	if err := write(w, payload); err != nil {
		fail(w, err)
	}
}

// write writes the function's answer.
func write(w http.ResponseWriter, payload []byte) error {
	var a events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(payload, &a); err != nil {
		return err
	}
	if a.StatusCode == 0 {
		return fmt.Errorf("the function's answer has no status: %.200s", payload)
	}
	body := []byte(a.Body)
	if a.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return err
		}
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range a.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(a.StatusCode)
	w.Write(body)
	return nil
}

func fail(w http.ResponseWriter, err error) {
	w.Header().Set("X-Front-Error", strings.ReplaceAll(err.Error(), "\n", " "))
	refuse(w, http.StatusInternalServerError, "Internal Server Error")
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q}`, message)
}

// newEvent returns the event of a request. Header names are in lower case, the values of a
// header are joined with commas, and cookies stand apart (API Gateway Developer Guide,
// "Create AWS Lambda proxy integrations for HTTP APIs").
func newEvent(r *http.Request, body []byte, id string) events.APIGatewayV2HTTPRequest {
	now := time.Now()
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: route, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host, "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https"},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: route, AccountID: account, Stage: route, RequestID: id, APIID: apiID, DomainName: r.Host, DomainPrefix: apiID,
			Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: r.UserAgent()},
		},
	}
	for name, values := range r.Header {
		if name != "Cookie" {
			e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	for _, c := range r.Cookies() {
		e.Cookies = append(e.Cookies, c.Name+"="+c.Value)
	}
	if q := r.URL.Query(); len(q) > 0 {
		e.QueryStringParameters = map[string]string{}
		for name, values := range q {
			e.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	if e.Body = string(body); len(body) > 0 && !isText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// isText reports whether a body of the type reaches the function as text.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasPrefix(kind, "text/") || slices.Contains([]string{"application/json", "application/xml", "application/javascript"}, kind))
}
