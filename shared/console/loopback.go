package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/loopback"
)

const (
	linkLifetime    = 10 * time.Minute // of a link that nobody has opened
	sessionLifetime = 12 * time.Hour
	mostSessions    = 16 // the oldest session ends when there is one more
)

// Loopback is the console of the person who starts it, on that person's machine. All
// calls are signed with that person's credentials, so it admits nobody else: a session
// begins with a link that works once, and only this machine can reach it (package
// loopback). It is safe for concurrent use.
type Loopback struct {
	handler     *Handler
	address     string // host:port
	credentials aws.CredentialsProvider
	now         func() time.Time

	mu       sync.Mutex
	token    [sha256.Size]byte // of the last link; zero if it was opened
	expires  time.Time         // of the link
	sessions []session         // the oldest first
}

// session is a session of a browser. The server keeps no cookie, only its hash.
type session struct {
	cookie  [sha256.Size]byte
	expires time.Time
}

// NewLoopback returns the console at a listener's address. It sets the members Hosted,
// Origin and Visitor of the configuration.
func NewLoopback(c Config, address net.Addr, credentials aws.CredentialsProvider) (*Loopback, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	l := &Loopback{address: address.String(), credentials: credentials, now: c.Now}
	c.Hosted, c.Origin, c.Visitor = false, ownOrigin, l.visitor
	h, err := New(c)
	if err != nil {
		return nil, err
	}
	l.handler = h
	return l, nil
}

// ownOrigin returns the origin that a page of the console has at the host of a request.
// It takes every loopback name, for ports that are forwarded. Another server on this
// machine has another port, and so another origin.
func ownOrigin(r *http.Request) string {
	if !loopback.IsHost(r.Host) {
		return ""
	}
	return "http://" + r.Host
}

// Link returns a new link that begins a session, once, within 10 minutes. Earlier links
// no longer work.
func (l *Loopback) Link() string {
	token := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.expires = sha256.Sum256([]byte(token)), l.now().Add(linkLifetime)
	return "http://" + l.address + "/?token=" + url.QueryEscape(token)
}

// Server returns the HTTP server, with limits for slow clients and large headers.
func (l *Loopback) Server() *http.Server {
	return &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      callTimeout + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

// ServeHTTP opens a link's session, and serves the console.
func (l *Loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" || !r.URL.Query().Has("token") || ownOrigin(r) == "" {
		l.handler.ServeHTTP(w, r)
		return
	}
	SetHeaders(w.Header(), false)
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		Refuse(w, http.StatusMethodNotAllowed, ipam.Errorf(ipam.CodeInvalidAction, "The link is opened by GET."))
		return
	}
	cookie, ok := l.open(r.URL.Query().Get("token"))
	switch _, err := l.visitor(r); {
	case ok:
		http.SetCookie(w, &http.Cookie{Name: l.cookieName(), Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	case err != nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "This link is not valid: it works once, and for 10 minutes. Start the console again.\n")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// open begins a session and returns its cookie, if the token is the last link's. The
// link then does not work any more.
func (l *Loopback) open(token string) (cookie string, ok bool) {
	hash := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.token == [sha256.Size]byte{} || subtle.ConstantTimeCompare(hash[:], l.token[:]) != 1 || now.After(l.expires) {
		return "", false
	}
	l.token = [sha256.Size]byte{}
	cookie = rand.Text()
	l.sessions = append(l.sessions, session{sha256.Sum256([]byte(cookie)), now.Add(sessionLifetime)})
	if n := len(l.sessions); n > mostSessions {
		l.sessions = l.sessions[n-mostSessions:]
	}
	return cookie, true
}

// cookieName has the port in it: browsers send a cookie to every port of a host, so two
// consoles would overwrite each other's.
func (l *Loopback) cookieName() string {
	_, port, _ := net.SplitHostPort(l.address)
	return fmt.Sprintf("cadastre-%s", port)
}

func (l *Loopback) visitor(r *http.Request) (Visitor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range r.CookiesNamed(l.cookieName()) {
		hash := sha256.Sum256([]byte(c.Value))
		for _, s := range l.sessions {
			if subtle.ConstantTimeCompare(hash[:], s.cookie[:]) == 1 && l.now().Before(s.expires) {
				return Visitor{Expires: s.expires, Credentials: l.credentials}, nil
			}
		}
	}
	return Visitor{}, ErrSignedOut
}
