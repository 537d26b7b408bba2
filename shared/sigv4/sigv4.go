// Package sigv4 reads and verifies AWS Signature Version 4 in the Authorization
// header of HTTP requests (IAM User Guide, "AWS Signature Version 4 for API
// requests"). It does not read signatures in query strings.
package sigv4

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

// Skew is the largest difference between a signature's time and the verifier's
// clock, as at AWS.
const Skew = 5 * time.Minute

// Error is a signature that does not hold.
type Error struct {
	Type    string // one of the constants below, AWS's value of the header X-Amzn-Errortype
	Message string
}

// Error returns the type and the message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// The types of errors.
const (
	// Missing is the error of a request without an Authorization header.
	Missing = "MissingAuthenticationTokenException"
	// Incomplete is the error of a signature with an absent or unreadable part.
	Incomplete = "IncompleteSignatureException"
	// Unrecognized is the error of another access key or session token.
	Unrecognized = "UnrecognizedClientException"
	// Invalid is the error of a signature that does not fit the request, the scope
	// or the time.
	Invalid = "InvalidSignatureException"
)

// Errorf returns an *Error with a formatted message.
func Errorf(kind, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// Scope is a credential scope: the access key, and the day, Region and service for
// which its signature holds.
type Scope struct {
	AccessKeyID string
	Date        string // YYYYMMDD
	Region      string
	Service     string
}

// ParseScope reads a scope of the form KEY/DATE/REGION/SERVICE/aws4_request, and
// returns false for any other text. It does not check the parts.
func ParseScope(text string) (Scope, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 5 || parts[0] == "" || parts[4] != "aws4_request" {
		return Scope{}, false
	}
	return Scope{parts[0], parts[1], parts[2], parts[3]}, true
}

// Signature is an Authorization header.
type Signature struct {
	Scope
	Headers []string // names of the signed headers, in lower case
	Value   string   // hexadecimal
}

// Parse reads an Authorization header. It verifies nothing; errors are *Error,
// [Missing] or [Incomplete].
func Parse(authorization string) (Signature, error) {
	if authorization == "" {
		return Signature{}, Errorf(Missing, "Missing Authentication Token")
	}
	list, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	if !ok {
		return Signature{}, Errorf(Incomplete, "Unsupported AWS 'algorithm': the Authorization header must begin with AWS4-HMAC-SHA256.")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; !ok || twice {
			return Signature{}, Errorf(Incomplete, "'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", part)
		}
		parts[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return Signature{}, Errorf(Incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	scope, ok := ParseScope(parts["Credential"])
	if !ok {
		return Signature{}, Errorf(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, and end with aws4_request.")
	}
	return Signature{scope, strings.Split(parts["SignedHeaders"], ";"), parts["Signature"]}, nil
}

const compact = "20060102T150405Z"

// Verify returns nil if credentials made the signature s for the request at a
// time within [Skew] of now. The request must carry the credentials' session
// token, if they have one. body is the whole body of the request. Verify does not
// check Region and service of the scope. Errors of the signature are *Error.
//
// A signature may not cover the headers that the SDK never signs, such as
// User-Agent: Verify computes the signature with the SDK's signer, and refuses
// such a one as [Invalid].
func (s Signature) Verify(ctx context.Context, r *http.Request, body []byte, credentials aws.Credentials, now time.Time) error {
	if credentials.AccessKeyID != s.AccessKeyID || !equal(credentials.SessionToken, r.Header.Get("X-Amz-Security-Token")) {
		return Errorf(Unrecognized, "The security token included in the request is invalid.")
	}
	signed, err := time.Parse(compact, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return Errorf(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if signed.Format("20060102") != s.Date {
		return Errorf(Invalid, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	now = now.UTC()
	if d := now.Sub(signed); d > Skew {
		return Errorf(Invalid, "Signature expired: %s is now earlier than %s (%s - 5 min.)", signed.Format(compact), now.Add(-Skew).Format(compact), now.Format(compact))
	} else if d < -Skew {
		return Errorf(Invalid, "Signature not yet current: %s is still later than %s", signed.Format(compact), now.Add(Skew).Format(compact))
	}
	if err := s.checkHeaders(r.Header); err != nil {
		return err
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // the signer would leave out the rest
		return Errorf(Invalid, "The query string cannot be read: %v", err)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" && h != hash {
		return Errorf(Invalid, "The payload's SHA-256 is not the one that was signed.")
	}
	want, err := s.compute(ctx, r, int64(len(body)), credentials, hash, signed)
	if err != nil {
		return fmt.Errorf("compute the signature: %w", err)
	}
	if !equal(want, s.Value) {
		return Errorf(Invalid, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// equal compares secrets in a time that does not depend on their contents.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// checkHeaders returns an error unless the signature covers host and every x-amz-
// header: somebody else may have added a header that it does not cover.
func (s Signature) checkHeaders(h http.Header) error {
	if !slices.Contains(s.Headers, "host") {
		return Errorf(Invalid, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.Headers, lower) {
			return Errorf(Invalid, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}

// compute returns the signature that credentials make for the request over the
// headers that s names.
func (s Signature) compute(ctx context.Context, r *http.Request, length int64, credentials aws.Credentials, hash string, at time.Time) (string, error) {
	u := &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	bare := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: http.Header{}}
	for _, name := range s.Headers {
		switch name {
		case "host", "x-amz-date", "x-amz-security-token": // the signer sets them
		case "content-length":
			bare.ContentLength = length
		default:
			if values := r.Header.Values(name); values != nil {
				bare.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
	}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, bare, hash, s.Service, s.Region, at); err != nil {
		return "", err
	}
	_, signature, _ := strings.Cut(bare.Header.Get("Authorization"), "Signature=")
	return signature, nil
}
