package sigv4front

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

// Key is an access key that the front knows, with its principal.
type Key struct {
	AccessKeyID string
	Secret      string
	Session     string // the session token of the key, "" for a long-lived key
	Account     string // 12 digits
	ARN         string // the principal's
}

// Verifier checks Signature Version 4 as API Gateway does for methods with IAM
// authorization. It is safe for concurrent use.
type Verifier struct {
	Region string // the API's Region
	Keys   []Key
	Now    func() time.Time // time.Now if nil
}

// Verify returns the key that signed the request, or a [*sigv4.Error]. body is
// the request's whole body.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (Key, error) {
	s, err := sigv4.Parse(r.Header.Get("Authorization"))
	if err != nil {
		return Key{}, err
	}
	if s.Service != wire.SigningName {
		return Key{}, sigv4.Errorf(sigv4.Invalid, "Credential should be scoped to correct service: '%s'. ", wire.SigningName)
	}
	if s.Region != v.Region {
		return Key{}, sigv4.Errorf(sigv4.Invalid, "Credential should be scoped to a valid region. ")
	}
	at := slices.IndexFunc(v.Keys, func(k Key) bool { return k.AccessKeyID == s.AccessKeyID })
	if at < 0 {
		return Key{}, sigv4.Errorf(sigv4.Unrecognized, "The security token included in the request is invalid.")
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	key := v.Keys[at]
	credentials := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.Secret, SessionToken: key.Session}
	return key, s.Verify(ctx, r, body, credentials, now())
}
