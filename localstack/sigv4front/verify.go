package sigv4front

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Key is an access key that the front knows, and who it stands for.
type Key struct {
	AccessKeyID string
	Secret      string
	Session     string // the session token that must come with it, "" for a long-lived key
	Account     string // 12 digits
	ARN         string // the principal's
}

// Verifier checks Signature Version 4 as API Gateway does for methods with IAM
// authorization. It is safe for concurrent use.
type Verifier struct {
	Region string // the API's own
	Keys   []Key
	Now    func() time.Time // default: time.Now
}

// service is the one signing name that API Gateway accepts.
const service = "execute-api"

// skew is how far a signature's time may be from now.
const skew = 5 * time.Minute

// Refusal is an answer to a request whose signature does not hold.
type Refusal struct {
	Type    string // the value of X-Amzn-Errortype
	Message string
}

func (r *Refusal) Error() string { return r.Type + ": " + r.Message }

func refuse(kind, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

const (
	missing      = "MissingAuthenticationTokenException"
	incomplete   = "IncompleteSignatureException"
	unrecognized = "UnrecognizedClientException"
	invalid      = "InvalidSignatureException"
)

// Verify returns the key that signed the request, or a *Refusal. body is the
// request's whole body.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (Key, error) {
	a, err := parseAuthorization(r.Header)
	if err != nil {
		return Key{}, err
	}
	if a.service != service {
		return Key{}, refuse(invalid, "Credential should be scoped to correct service: '%s'. ", service)
	}
	if a.region != v.Region {
		return Key{}, refuse(invalid, "Credential should be scoped to a valid region. ")
	}
	at := slices.IndexFunc(v.Keys, func(k Key) bool { return k.AccessKeyID == a.key })
	if at < 0 {
		return Key{}, refuse(unrecognized, "The security token included in the request is invalid.")
	}
	key := v.Keys[at]
	if subtle.ConstantTimeCompare([]byte(key.Session), []byte(r.Header.Get("X-Amz-Security-Token"))) != 1 {
		return Key{}, refuse(unrecognized, "The security token included in the request is invalid.")
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return Key{}, refuse(incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if signed.Format("20060102") != a.date {
		return Key{}, refuse(invalid, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	if d := now().Sub(signed); d > skew {
		return Key{}, refuse(invalid, "Signature expired: %s is now earlier than %s (%s - 5 min.)", signed.Format(compact), now().Add(-skew).UTC().Format(compact), now().UTC().Format(compact))
	} else if d < -skew {
		return Key{}, refuse(invalid, "Signature not yet current: %s is still later than %s", signed.Format(compact), now().Add(skew).UTC().Format(compact))
	}
	if err := a.covers(r.Header); err != nil {
		return Key{}, err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" && h != hash {
		return Key{}, refuse(invalid, "The payload's SHA-256 is not the one that was signed.")
	}
	want, err := sign(ctx, r, int64(len(body)), a, key, hash, signed)
	if err != nil {
		return Key{}, fmt.Errorf("recompute the signature: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(a.signature)) != 1 {
		return Key{}, refuse(invalid, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return key, nil
}

const compact = "20060102T150405Z"

// authorization is the Authorization header of Signature Version 4.
type authorization struct {
	key, date, region, service string
	headers                    []string // signed, in lower case
	signature                  string   // hexadecimal
}

func parseAuthorization(h http.Header) (a authorization, err error) {
	text := h.Get("Authorization")
	if text == "" {
		return a, refuse(missing, "Missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(text, "AWS4-HMAC-SHA256 ")
	if !ok {
		return a, refuse(incomplete, "Unsupported AWS 'algorithm': the Authorization header must begin with AWS4-HMAC-SHA256.")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; !ok || twice {
			return a, refuse(incomplete, "'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", part)
		}
		parts[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return a, refuse(incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return a, refuse(incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, and end with aws4_request.")
	}
	return authorization{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3],
		headers:   strings.Split(parts["SignedHeaders"], ";"),
		signature: parts["Signature"],
	}, nil
}

// covers returns an error unless host and every x-amz- header are signed: what
// is not signed could have been added on the way.
func (a authorization) covers(h http.Header) error {
	if !slices.Contains(a.headers, "host") {
		return refuse(invalid, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(a.headers, lower) {
			return refuse(invalid, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}

// sign computes the signature that the request should carry, from the headers
// that its signature names and no others.
func sign(ctx context.Context, r *http.Request, length int64, a authorization, key Key, hash string, at time.Time) (string, error) {
	u := &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	again := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: http.Header{}}
	for _, name := range a.headers {
		switch name {
		case "host", "x-amz-date", "x-amz-security-token":
		case "content-length":
			again.ContentLength = length
		default:
			if values := r.Header.Values(name); values != nil {
				again.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
	}
	creds := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.Secret, SessionToken: key.Session}
	if err := v4.NewSigner().SignHTTP(ctx, creds, again, hash, service, a.region, at); err != nil {
		return "", err
	}
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return signature, nil
}
