package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/cadastre-ipam/cadastre/shared/console"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

// margin is how long before the end of the invocation work stops, so that the browser
// gets an answer.
const margin = time.Second

// Handler answers events of an HTTP API with payload format 2.0. It is safe for concurrent
// use.
type Handler struct{ console http.Handler }

// New returns a handler that hands requests to the console.
func New(console http.Handler) *Handler { return &Handler{console} }

// Handle answers one request. Its error is always nil, as a failure is an answer, too.
func (h *Handler) Handle(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	ctx, cancel := lambdakit.BeforeEnd(ctx, margin)
	defer cancel()
	r, err := request(ctx, &e)
	if err != nil {
		w := newAnswer()
		console.Refuse(w, http.StatusBadRequest, ipam.Errorf(ipam.CodeMalformedRequest, "The request cannot be read."))
		return w.response(false), nil
	}
	w := h.serve(r)
	return w.response(strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")), nil
}

// serve returns the console's answer. If it panics, for example because the API's answer
// broke off, the page gets an error instead of a half answer.
func (h *Handler) serve(r *http.Request) (w *answer) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // the value itself
				slog.ErrorContext(r.Context(), "panic", "panic", p, "stack", string(debug.Stack()))
			}
			w = newAnswer()
			console.SetHeaders(w.header, true)
			console.Refuse(w, 0, ipam.Errorf(ipam.CodeOutcomeUnknown, "The answer broke off. The call may have been carried out. Look first whether it was, before you repeat it."))
		}
	}()
	w = newAnswer()
	h.console.ServeHTTP(w, r)
	return w
}

// request returns the request of an event. API Gateway joins the values of a header with
// commas and takes cookies apart (API Gateway Developer Guide, "Create AWS Lambda proxy
// integrations for HTTP APIs").
func request(ctx context.Context, e *events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.URL = &url.URL{Path: e.RawPath, RawQuery: e.RawQueryString}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("Cookie")
	for _, cookie := range e.Cookies {
		r.Header.Add("Cookie", cookie)
	}
	r.Host, r.RemoteAddr = e.RequestContext.DomainName, e.RequestContext.HTTP.SourceIP
	return r, nil
}

// answer is the [http.ResponseWriter] of one event.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header implements [http.ResponseWriter].
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// compressed is the size in bytes from which an answer is worth compressing.
const compressed = 1400

// response returns the event's answer. Lambda takes 6 MB of it, so a large text is
// compressed if the browser takes that.
func (w *answer) response(zip bool) events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	body := w.body.Bytes()
	if zip && len(body) >= compressed && w.header.Get("Content-Encoding") == "" && utf8.Valid(body) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // to memory
		_ = z.Close()
		body = b.Bytes()
		w.header.Set("Content-Encoding", "gzip")
	}
	w.header.Del("Content-Length") // API Gateway's
	out := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.header.Values("Set-Cookie")}
	for name, values := range w.header {
		if name != "Set-Cookie" {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	if out.Body = string(body); w.header.Get("Content-Encoding") != "" || !utf8.Valid(body) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return out
}
