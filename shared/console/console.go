// Package console serves the console: its pages, and the calls of its pages, which it
// signs and sends to Cadastre's JSON API. It holds no rules of its own: the API decides on
// every call by the principal that signed it.
//
// [Handler] is the common part of both ways in: the pages, POST /v1/{Operation} and
// GET /session. [Loopback] serves one person on that person's machine. The function
// functions/console serves people who sign in with OpenID Connect.
//
// The README beside this file lists the threats and the answers to them.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/gateway"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// CallHeader is the header that pages send with each call. A page of another origin
// cannot send it: the browser would ask first (a preflight request of CORS), and no
// answer of the console allows it.
const CallHeader = "X-Cadastre-Console"

// sessionHeader is the header, with the value none, of an answer to a request without a
// session. Other answers with status 401 are the API's, or say that the console's own
// credentials have expired.
const sessionHeader = "X-Cadastre-Session"

// Visitor is a person with a session.
type Visitor struct {
	Name        string                  // the person's name; "" for the ARN of the principal that signs the calls
	Expires     time.Time               // the end of the session
	Credentials aws.CredentialsProvider // sign the visitor's calls; should cache
}

// ErrSignedOut is the error of a request without a session, or with one that has ended.
var ErrSignedOut = ipam.Errorf(ipam.CodeAuthFailure, "There is no session, or it has ended. Sign in again.")

// Config is the configuration of a [Handler]. All members are required except Logger
// and Now.
type Config struct {
	Pages      fs.FS    // the built pages, with index.html at the root
	Endpoint   string   // Cadastre's URL, with the stage
	Region     string   // the API's own; default: the Region in the endpoint's host name
	Operations []string // the operations that pages may call
	Hosted     bool     // the console has a sign-in, and HTTPS
	// Origin returns the console's own origin, such as https://console.example, for
	// a request to it, and "" for a request to another host.
	Origin func(r *http.Request) string
	// Visitor returns the visitor of a request. Its error is [ErrSignedOut] or another
	// *[ipam.Error].
	Visitor func(r *http.Request) (Visitor, error)
	Logger  *slog.Logger     // slog.Default() if nil
	Now     func() time.Time // time.Now if nil
}

// Handler serves the console. It is safe for concurrent use.
type Handler struct {
	config     Config
	pages      map[string]*page
	operations map[string]bool
	upstream   *upstream
}

// New returns a handler, or an error for a configuration that cannot work.
func New(c Config) (*Handler, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Region == "" {
		c.Region = client.APIRegion(c.Endpoint)
	}
	// The person can renew the credentials of a console on the person's own machine.
	noCredentials := ipam.Errorf(ipam.CodeAuthFailure, "The console has no AWS credentials to sign with; its log has the reason. They may have expired: renew them, for example with `aws sso login`.")
	if c.Hosted {
		noCredentials = ipam.Errorf(ipam.CodeUnavailable, "The console cannot assume the role of your class; its log has the reason. The call was not carried out. Ask the console's administrator.")
	}
	u, err := newUpstream(c.Endpoint, c.Region, noCredentials, c.Now)
	if err != nil {
		return nil, err
	}
	pages, err := readPages(c.Pages)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: c, pages: pages, operations: map[string]bool{}, upstream: u}
	for _, o := range c.Operations {
		h.operations[o] = true
	}
	return h, nil
}

// policy is the Content-Security-Policy of every answer: the pages load and call
// nothing but the console, have no inline code, and cannot be framed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// SetHeaders sets the headers that every answer has. An answer may be kept by no cache
// unless its handler says otherwise.
func SetHeaders(h http.Header, hosted bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if hosted {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// ServeHTTP serves a page, a call of a page, or the session.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	SetHeaders(w.Header(), h.config.Hosted)
	origin := h.config.Origin(r)
	if origin == "" {
		Refuse(w, http.StatusForbidden, ipam.Errorf(ipam.CodeUnauthorizedOperation, "The request is for the host %s, and the console has another address.", schema.Excerpt(r.Host)))
		return
	}
	switch operation, call := strings.CutPrefix(r.URL.Path, "/v1/"); {
	case call:
		h.call(w, r, operation, origin)
	case r.URL.Path == "/session":
		h.session(w, r)
	default:
		h.page(w, r)
	}
}

// CheckCall returns an error unless a request comes from a page of the origin itself. The
// error is an *[ipam.Error]; its HTTP status is 403.
func CheckCall(r *http.Request, origin string) error {
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case r.Header.Get("Origin") != origin || len(r.Header["Origin"]) != 1:
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The request comes from the origin %q. The console takes calls from its own pages only.", schema.Excerpt(r.Header.Get("Origin")))
	case site != "" && site != "same-origin":
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The browser says that the request comes from another site. The console takes calls from its own pages only.")
	case r.Header.Get(CallHeader) != "1":
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The request has no header %s: 1. The console takes calls from its own pages only.", CallHeader)
	}
	return nil
}

// call carries out POST /v1/{Operation}.
func (h *Handler) call(w http.ResponseWriter, r *http.Request, operation, origin string) {
	began := h.config.Now()
	status, err := h.send(w, r, operation, origin)
	level := slog.LevelInfo
	attributes := []slog.Attr{
		slog.String("operation", schema.Excerpt(operation)), slog.Int("status", status), slog.Int64("duration_ms", h.config.Now().Sub(began).Milliseconds()),
	}
	if err != nil {
		attributes = append(attributes, slog.String("error", err.Error()))
		if status >= http.StatusInternalServerError {
			level = slog.LevelWarn
		}
	}
	h.config.Logger.LogAttrs(r.Context(), level, "call", attributes...)
}

// send answers a call and returns the answer's status, and the error if the console
// itself refused the call.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, operation, origin string) (int, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(w, http.StatusMethodNotAllowed, ipam.Errorf(ipam.CodeInvalidAction, "There is no %s on /v1/. Use POST.", schema.Excerpt(r.Method)))
	}
	if err := CheckCall(r, origin); err != nil {
		return refuse(w, http.StatusForbidden, err)
	}
	visitor, err := h.config.Visitor(r)
	if err != nil {
		return refuse(w, 0, err)
	}
	switch kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case !h.operations[operation] || r.URL.EscapedPath() != "/v1/"+operation:
		return refuse(w, http.StatusNotFound, ipam.Errorf(ipam.CodeInvalidAction, "There is no operation %s.", schema.Excerpt(operation)))
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		return refuse(w, http.StatusBadRequest, ipam.Errorf(ipam.CodeUnknownParameter, "The console reads no query string. Send parameters as members of the JSON body."))
	case err != nil || kind != awsjson.ContentType:
		return refuse(w, http.StatusUnsupportedMediaType, ipam.Errorf(ipam.CodeMalformedRequest, "Send the parameters as %s.", awsjson.ContentType))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, awsjson.MaxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return refuse(w, http.StatusRequestEntityTooLarge, ipam.Errorf(ipam.CodeMalformedRequest, "The request has more than %d bytes. Split it into several requests.", awsjson.MaxBody))
		}
		return refuse(w, http.StatusBadRequest, ipam.Errorf(ipam.CodeMalformedRequest, "The request's body cannot be read."))
	}
	answer, err := h.upstream.call(r.Context(), visitor.Credentials, operation, body, r.Header)
	if err != nil {
		return refuse(w, 0, err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	for _, name := range returned {
		if v := answer.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	w.WriteHeader(answer.StatusCode)
	if _, err = io.Copy(w, answer.Body); err != nil {
		h.config.Logger.WarnContext(r.Context(), "the answer broke off", "operation", operation, "error", err.Error())
		panic(http.ErrAbortHandler) // the page must not take half an answer for the whole
	}
	return answer.StatusCode, nil
}

// returned lists the headers of the API's answers that pages get.
var returned = []string{"Content-Type", "Retry-After", http.CanonicalHeaderKey(gateway.CodeHeader), http.CanonicalHeaderKey(wire.NextTokenHeader), "X-Request-Id"}

// access is the answer to the operation GetCallerAccess, as far as a session needs it.
type access struct {
	CallerAccess struct {
		AccountID    string `json:"AccountId"`
		PrincipalArn string
		Class        string
		HomeRegion   string
	}
}

// session answers GET /session with the visitor's name, account and class.
func (h *Handler) session(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		Refuse(w, http.StatusMethodNotAllowed, ipam.Errorf(ipam.CodeInvalidAction, "There is no %s on /session. Use GET.", schema.Excerpt(r.Method)))
		return
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		Refuse(w, http.StatusForbidden, ipam.Errorf(ipam.CodeUnauthorizedOperation, "The browser says that the request comes from another site."))
		return
	}
	visitor, err := h.config.Visitor(r)
	if err != nil {
		Refuse(w, 0, err)
		return
	}
	a, err := h.access(r.Context(), visitor)
	if err != nil {
		h.config.Logger.WarnContext(r.Context(), "no access", "error", err.Error())
		Refuse(w, 0, err)
		return
	}
	answer := struct {
		Name     string
		Account  string
		Class    string
		Region   string
		Endpoint string
		Hosted   bool
		Expires  string `json:",omitempty"`
	}{visitor.Name, a.CallerAccess.AccountID, a.CallerAccess.Class, a.CallerAccess.HomeRegion, h.config.Endpoint, h.config.Hosted, ""}
	if answer.Name == "" {
		answer.Name = a.CallerAccess.PrincipalArn
	}
	if !visitor.Expires.IsZero() {
		answer.Expires = visitor.Expires.UTC().Format(time.RFC3339)
	}
	w.Header().Set("Content-Type", awsjson.ContentType)
	_ = json.NewEncoder(w).Encode(answer) // the visitor is gone
}

// access asks the API for the visitor's account and class. The error is an
// *[ipam.Error]: the API's own, or a failure to ask it.
func (h *Handler) access(ctx context.Context, v Visitor) (a access, err error) {
	answer, err := h.upstream.call(ctx, v.Credentials, "GetCallerAccess", []byte("{}"), nil)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return a, ipam.Errorf(ipam.CodeUnavailable, "The API's answer broke off. Retry the request.")
	}
	if answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &a)
	}
	if answer.StatusCode == http.StatusOK && err == nil && a.CallerAccess.Class != "" {
		return a, nil
	}
	var refused struct{ Code, Message string }
	if json.Unmarshal(body, &refused) == nil && refused.Code != "" {
		return a, &ipam.Error{Code: ipam.Code(refused.Code), Message: refused.Message}
	}
	if code := answer.Header.Get(gateway.CodeHeader); code != "" { // API Gateway's own answer, which is XML
		return a, ipam.Errorf(ipam.Code(code), "API Gateway refused the request with status %d. See whether the endpoint, its Region and the credentials are right.", answer.StatusCode)
	}
	return a, ipam.Errorf(ipam.CodeUnavailable, "The endpoint answers with status %d and is not Cadastre's API. See whether it is right.", answer.StatusCode)
}

// Refuse answers with an error in the form of the JSON API. If status is 0, the
// error's code decides on it. The error's text reaches the visitor only if it is an *[ipam.Error].
func Refuse(w http.ResponseWriter, status int, err error) {
	_, _ = refuse(w, status, err)
}

func refuse(w http.ResponseWriter, status int, err error) (int, error) {
	public := ipam.Public(err)
	if status == 0 {
		status = ipam.InfoOf(public.Code).Status
	}
	w.Header().Set("Content-Type", awsjson.ContentType)
	w.Header().Set(gateway.CodeHeader, string(public.Code))
	if errors.Is(err, ErrSignedOut) {
		w.Header().Set(sessionHeader, "none")
	}
	w.WriteHeader(status)
	w.Write(awsjson.EncodeError("", public))
	return status, fmt.Errorf("refused: %w", err)
}
