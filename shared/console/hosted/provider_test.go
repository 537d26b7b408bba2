package hosted_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is an OpenID Connect provider: discovery, the authorization code flow with
// PKCE, one-time codes, client authentication, and signed ID tokens. Its user agrees to
// everything.
type provider struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	secret string // of the client; "" for a public client
	now    func() time.Time

	mu     sync.Mutex
	user   map[string]any // claims
	change func(claims map[string]any)
	signer *rsa.PrivateKey // signs ID tokens; key if nil
	alg    jose.SignatureAlgorithm
	codes  map[string]url.Values // the parameters of the authorization request
	tokens int
}

const clientID = "console"

// providerKey signs the ID tokens of all providers, since making a key takes long.
var providerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newProvider(t *testing.T, secret string, now func() time.Time) *provider {
	key := providerKey()
	p := &provider{t: t, key: key, secret: secret, now: now, codes: map[string]url.Values{}, alg: jose.RS256}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("state") == "" || q.Get("nonce") == "" {
		p.t.Errorf("an authorization request with %v", q)
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
	id, secret, basic := r.BasicAuth()
	id, _ = url.QueryUnescape(id) // RFC 6749, section 2.3.1
	secret, _ = url.QueryUnescape(secret)
	if p.secret == "" {
		id, basic = r.FormValue("client_id"), true
	}
	if !basic || id != clientID || secret != p.secret {
		refuse(401, "invalid_client")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	hash := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || q.Get("redirect_uri") != r.FormValue("redirect_uri") || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(hash[:]) {
		refuse(400, "invalid_grant")
		return
	}
	claims := map[string]any{
		"iss": p.URL, "aud": clientID, "sub": "subject-1", "nonce": q.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, p.user)
	if p.change != nil {
		p.change(claims)
	}
	key := p.key
	if p.signer != nil {
		key = p.signer
	}
	p.tokens++
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(claims, key)})
}

// sign returns an ID token with the claims. With an empty algorithm it is not signed.
func (p *provider) sign(claims map[string]any, key *rsa.PrivateKey) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	var signing jose.SigningKey
	switch p.alg {
	case "":
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	case jose.HS256: // with the public key as the secret
		n := key.N.Bytes()
		signing = jose.SigningKey{Algorithm: jose.HS256, Key: n}
	default:
		signing = jose.SigningKey{Algorithm: p.alg, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}
	}
	signer, err := jose.NewSigner(signing, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}
