// Package hosted is the console for people who sign in with OpenID Connect. It adds the
// sign-in and the sessions to the handler of package console, and has the calls of each
// person signed by the role of the person's class.
//
// A sign-in is the authorization code flow with PKCE, state and nonce (OpenID Connect
// Core 1.0, section 3.1; RFC 7636). The libraries go-oidc and oauth2 do the protocol and
// verify ID tokens. Two cookies, both encrypted and authenticated, keep the console's
// state, so it needs no store:
//
//   - The login cookie has the state, the nonce and PKCE's verifier of one sign-in. It is
//     SameSite=Lax, because the provider's redirect comes from another site.
//   - The session cookie has the person's name and class, and the end of the session. It is
//     SameSite=Strict. The answer to the provider's redirect sets it, and is a page of the
//     console that leads on.
package hosted

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/cadastre-ipam/cadastre/shared/console"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Config is the configuration of a [Console]. All members are required except Logger,
// Now and Client, and ClientSecret of a public client.
type Config struct {
	Settings     Settings
	ClientSecret func(context.Context) (string, error)
	Key          []byte // of the cookies; 32 bytes or more
	Origin       string // the console's own, such as https://console.example.com
	// Credentials returns the credentials of a class's role, in a session with that
	// name.
	Credentials func(class registry.Class, session string) aws.CredentialsProvider
	Pages       fs.FS
	Endpoint    string // Cadastre's URL, with the stage
	Region      string // the API's own
	Operations  []string
	Client      *http.Client // calls the provider; default: one with a time limit
	Logger      *slog.Logger
	Now         func() time.Time
}

// loginLifetime is the time for a sign-in at the provider.
const loginLifetime = 10 * time.Minute

// Console is the [http.Handler] of the hosted console. It is safe for concurrent use.
type Console struct {
	config  Config
	pages   *console.Handler
	login   *sealed
	session *sealed

	mu       sync.Mutex
	provider *oidc.Provider // nil until it answered once
}

// login is the value of the login cookie.
type login struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	To       string    `json:"t"` // where the person wanted to go
	Expires  time.Time `json:"e"`
}

// person is the value of the session cookie.
type person struct {
	Name    string         `json:"n"`
	Subject string         `json:"s"`
	Class   registry.Class `json:"c"`
	Expires time.Time      `json:"e"`
}

// New returns a console, or an error for a configuration that cannot work. It does not
// call the provider.
func New(c Config) (*Console, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	h := &Console{config: c}
	var err error
	// The prefix __Host- has browsers refuse the cookie from another host or over HTTP
	// (RFC 6265bis, section 4.1.3).
	if h.login, err = newSealed(c.Key, http.Cookie{
		Name: "__Host-cadastre-login", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(loginLifetime.Seconds()),
	}); err != nil {
		return nil, err
	}
	if h.session, err = newSealed(c.Key, http.Cookie{
		Name: "__Host-cadastre-session", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(c.Settings.session().Seconds()),
	}); err != nil {
		return nil, err
	}
	h.pages, err = console.New(console.Config{
		Pages: c.Pages, Endpoint: c.Endpoint, Region: c.Region, Operations: c.Operations, Hosted: true, Origin: h.origin, Visitor: h.visitor, Logger: c.Logger, Now: c.Now,
	})
	return h, err
}

// origin returns the console's origin for a request to its host, and "" for another host.
func (h *Console) origin(r *http.Request) string {
	if _, host, _ := strings.Cut(h.config.Origin, "://"); r.Host != host {
		return ""
	}
	return h.config.Origin
}

func (h *Console) visitor(r *http.Request) (console.Visitor, error) {
	var p person
	if !h.session.read(r, &p) || !h.config.Now().Before(p.Expires) {
		return console.Visitor{}, console.ErrSignedOut
	}
	return console.Visitor{Name: p.Name, Expires: p.Expires, Credentials: h.config.Credentials(p.Class, sessionName(p.Name, p.Subject))}, nil
}

// sessionName returns the name of a person's sessions of roles. STS takes 2 to 64 letters,
// digits and any of _+=,.@- (AWS STS API Reference, "AssumeRole"). A name that has to be
// changed gets a hash of the subject, so that no two people have the same.
func sessionName(name, subject string) string {
	valid := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r) {
			return r
		}
		return '-'
	}, name)
	if valid == name && len(name) >= 2 && len(name) <= 64 {
		return name
	}
	sum := sha256.Sum256([]byte(subject))
	return valid[:min(len(valid), 47)] + "-" + hex.EncodeToString(sum[:8])
}

// ServeHTTP serves the sign-in, the sign-out and the console.
func (h *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	steps := map[string]struct {
		method string
		serve  func(http.ResponseWriter, *http.Request)
	}{"/login": {http.MethodGet, h.signIn}, "/callback": {http.MethodGet, h.callback}, "/logout": {http.MethodPost, h.signOut}}
	step, ok := steps[r.URL.Path]
	if !ok || h.origin(r) == "" { // the handler of the pages refuses other hosts
		h.pages.ServeHTTP(w, r)
		return
	}
	console.SetHeaders(w.Header(), true)
	if r.Method != step.method {
		w.Header().Set("Allow", step.method)
		console.Refuse(w, http.StatusMethodNotAllowed, ipam.Errorf(ipam.CodeInvalidAction, "There is no %s on %s. Use %s.", schema.Excerpt(r.Method), r.URL.Path, step.method))
		return
	}
	step.serve(w, r)
}

// signIn begins a sign-in: it sends the browser to the provider.
func (h *Console) signIn(w http.ResponseWriter, r *http.Request) {
	flow, _, err := h.flow(r.Context())
	if err != nil {
		h.fail(w, r, http.StatusServiceUnavailable, "The identity provider does not answer. Try it again.", err)
		return
	}
	l := login{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), destination(r.URL.Query().Get("to")), h.config.Now().Add(loginLifetime)}
	if err := h.login.set(w, l); err != nil {
		h.fail(w, r, http.StatusInternalServerError, "The sign-in failed.", err)
		return
	}
	http.Redirect(w, r, flow.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)), http.StatusSeeOther)
}

// destination returns the path to go to after a sign-in: an address of a page of the
// console, never one of another host.
func destination(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.User != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) || len(to) > 1000 {
		return "/"
	}
	return to
}

// errRefused is an error whose text the person may read.
type errRefused struct {
	status int
	text   string
}

func (e *errRefused) Error() string { return e.text }

// callback ends a sign-in: the provider has sent the browser back.
func (h *Console) callback(w http.ResponseWriter, r *http.Request) {
	var l login
	known := h.login.read(r, &l)
	h.login.remove(w) // it works once
	if !known {
		h.fail(w, r, http.StatusForbidden, "This browser has begun no sign-in here, or it has ended already.", errors.New("no login cookie"))
		return
	}
	p, err := h.identify(r, l)
	if err != nil {
		refused, ok := errors.AsType[*errRefused](err)
		if !ok {
			refused = &errRefused{http.StatusForbidden, "The sign-in failed; the console's log has the reason."}
		}
		h.fail(w, r, refused.status, refused.text, err)
		return
	}
	if err := h.session.set(w, p); err != nil {
		h.fail(w, r, http.StatusInternalServerError, "The sign-in failed.", err)
		return
	}
	h.config.Logger.InfoContext(r.Context(), "signed in", "subject", p.Subject, "name", p.Name, "class", p.Class.String())
	// A redirect would still belong to the provider's navigation, and the browser would
	// not send the session's cookie with it. A page of the console begins a new one.
	document(w, http.StatusOK, `<meta http-equiv="refresh" content="0; url=`+html.EscapeString(l.To)+`">`, `<p>You are signed in. <a href="`+html.EscapeString(l.To)+`">Continue</a></p>`)
}

// identify returns the person that the provider names in its answer to a login.
func (h *Console) identify(r *http.Request, l login) (p person, err error) {
	ctx, now, query := oidc.ClientContext(r.Context(), h.config.Client), h.config.Now(), r.URL.Query()
	switch {
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.State)) != 1:
		return p, errors.New("the state is not that of the login")
	case !now.Before(l.Expires):
		return p, &errRefused{http.StatusForbidden, "The sign-in took longer than 10 minutes."}
	case query.Has("error"):
		return p, fmt.Errorf("the provider answers %s: %s", schema.Excerpt(query.Get("error")), schema.Excerpt(query.Get("error_description")))
	case query.Has("iss") && query.Get("iss") != h.config.Settings.Issuer: // RFC 9207
		return p, fmt.Errorf("the answer is of the issuer %s", schema.Excerpt(query.Get("iss")))
	}
	flow, verifier, err := h.flow(ctx)
	if err != nil {
		return p, err
	}
	token, err := flow.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return p, fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return p, errors.New("the provider's answer has no ID token")
	}
	id, err := verifier.Verify(ctx, raw) // signature, issuer, audience, expiry
	if err != nil {
		return p, fmt.Errorf("verify the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.Nonce)) != 1 {
		return p, errors.New("the nonce is not that of the login")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return p, fmt.Errorf("read the claims: %w", err)
	}
	if len(id.Audience) > 1 && claims["azp"] != h.config.Settings.ClientID { // OpenID Connect Core 1.0, section 3.1.3.7
		return p, errors.New("the ID token was issued to another client")
	}
	p = person{h.name(claims, id.Subject), id.Subject, 0, now.Add(h.config.Settings.session())}
	groups, found := texts(claims[h.config.Settings.GroupsClaim])
	class, ok := h.config.Settings.Class(groups)
	if !ok {
		text := fmt.Sprintf("You are %s, and none of your %d groups may use this console. Ask its administrator for a group that may.", p.Name, len(groups))
		if !found {
			text = fmt.Sprintf("You are %s, and the identity provider names no groups for you (claim %s). Ask the console's administrator.", p.Name, h.config.Settings.GroupsClaim)
		}
		return p, &errRefused{http.StatusForbidden, text}
	}
	p.Class = class
	return p, nil
}

// name returns the person's name: the value of the claim, or the subject if there is
// none. An e-mail address that the provider has not verified is no name: people could
// take the name of another.
func (h *Console) name(claims map[string]any, subject string) string {
	name, _ := claims[h.config.Settings.NameClaim].(string)
	if verified, ok := claims["email_verified"]; h.config.Settings.NameClaim == "email" && ok && verified != true && verified != "true" {
		name = ""
	}
	return cmp.Or(name, subject)
}

// texts returns a claim's texts: a list, or one text. found is false without the claim.
func texts(claim any) (list []string, found bool) {
	switch c := claim.(type) {
	case string:
		return []string{c}, true
	case []any:
		for _, v := range c {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
		return list, true
	}
	return nil, false
}

// flow returns the client of the provider and the verifier of its ID tokens.
func (h *Console) flow(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	s := &h.config.Settings
	provider, err := h.discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	flow := &oauth2.Config{ClientID: s.ClientID, Endpoint: provider.Endpoint(), RedirectURL: h.config.Origin + "/callback", Scopes: append([]string{oidc.ScopeOpenID}, s.Scopes...)}
	flow.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	if h.config.ClientSecret != nil {
		flow.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // the default of OpenID Connect
		if flow.ClientSecret, err = h.config.ClientSecret(ctx); err != nil {
			return nil, nil, fmt.Errorf("read the client's secret: %w", err)
		}
	}
	return flow, provider.Verifier(&oidc.Config{ClientID: s.ClientID, Now: h.config.Now}), nil
}

// discover returns the provider, with its endpoints and keys (OpenID Connect Discovery
// 1.0). It asks the provider again until it has answered once.
func (h *Console) discover(ctx context.Context) (*oidc.Provider, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.provider != nil {
		return h.provider, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, h.config.Client), h.config.Settings.Issuer)
	if err != nil {
		return nil, fmt.Errorf("read the provider's configuration: %w", err)
	}
	h.provider = provider
	return provider, nil
}

// signOut ends the session in this browser.
func (h *Console) signOut(w http.ResponseWriter, r *http.Request) {
	if err := console.CheckCall(r, h.config.Origin); err != nil {
		console.Refuse(w, http.StatusForbidden, err)
		return
	}
	h.session.remove(w)
	w.WriteHeader(http.StatusNoContent)
}

// fail logs why a sign-in failed and shows the person a text and a link to try it again.
func (h *Console) fail(w http.ResponseWriter, r *http.Request, status int, text string, err error) {
	h.config.Logger.WarnContext(r.Context(), "sign-in refused", "status", status, "error", err.Error())
	document(w, status, "", "<p>"+html.EscapeString(text)+`</p><p><a href="/login">Sign in</a></p>`)
}

// document answers with a small page.
func document(w http.ResponseWriter, status int, head, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cadastre</title>`+head+`</head><body><h1>Cadastre</h1>`+body+`</body></html>`)
}
