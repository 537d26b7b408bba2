package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// JSON calls operations of a Cadastre API by POST /v1/{Operation}. So it also calls the
// extensions, which the SDK does not have. It is safe for concurrent use.
type JSON struct {
	Endpoint    string // the API's URL with the stage
	Region      string // the API's Region; "" if the endpoint's host name has it
	ActFor      string // the Region to act for; "" is the API's
	Credentials aws.CredentialsProvider
	Client      *http.Client // nil is [http.DefaultClient]
	Now         func() time.Time
}

// The tries of a call.
const (
	jsonTries     = 5
	jsonFirstWait = 200 * time.Millisecond
	jsonLongWait  = 10 * time.Second
)

// Call calls an operation. in and out are structs with the members of its input and
// output; members of the answer that out lacks are left out. A refusal is an
// *[ipam.Error]. Call repeats a call that Cadastre refused for lack of capacity, and, if
// [MayRepeat] allows it, one without an answer.
func (c *JSON) Call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the input of %s: %w", operation, err)
	}
	var request struct{ ClientToken string }
	_ = json.Unmarshal(body, &request) // without a token the call must not be repeated
	again := MayRepeat(operation, request.ClientToken)
	for try := 1; ; try++ {
		err := c.once(ctx, operation, body, out)
		if err == nil || try == jsonTries || ctx.Err() != nil || !repeats(err, again) {
			return err
		}
		if err := backoff.Sleep(ctx, backoff.Delay(try, jsonFirstWait, jsonLongWait)); err != nil {
			return err
		}
	}
}

// errForeign says that another service than Cadastre has answered.
var errForeign = errors.New("the endpoint is not Cadastre's API")

// repeats reports whether a call with this error may be sent again. again says whether
// that is so also if the call may have been carried out.
func repeats(err error, again bool) bool {
	e, ok := errors.AsType[*ipam.Error](err)
	if !ok {
		return again && !errors.Is(err, errForeign)
	}
	return e.Code == ipam.CodeUnavailable || e.Code == ipam.CodeRequestLimitExceeded || again && (e.Code.Temporary() || e.Code == ipam.CodeOutcomeUnknown)
}

// once signs and sends the call once.
func (c *JSON) once(ctx context.Context, operation string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.Endpoint, "/")+"/v1/"+operation, bytes.NewReader(body))
	if err != nil {
		return err
	}
	region := c.Region
	if region == "" {
		region = APIRegion(c.Endpoint)
	}
	r.Header.Set("Content-Type", awsjson.ContentType)
	if c.ActFor != "" {
		r.Header.Set(wire.RegionHeader, c.ActFor)
	}
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("no credentials to sign %s with: %w", operation, err)
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(hash[:]), wire.SigningName, region, now()); err != nil {
		return fmt.Errorf("sign %s: %w", operation, err)
	}
	sender := c.Client
	if sender == nil {
		sender = http.DefaultClient
	}
	answer, err := sender.Do(r)
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", operation, err)
	}
	if answer.StatusCode != http.StatusOK {
		return refusal(operation, answer.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: %w: the answer is no JSON: %w", operation, errForeign, err)
	}
	return nil
}

// refusal returns the error of an answer other than 200.
func refusal(operation string, status int, text []byte) error {
	var e struct {
		Code    ipam.Code
		Message string
	}
	if err := json.Unmarshal(text, &e); err != nil || e.Code == "" {
		return fmt.Errorf("%s: %w: it answers with status %d", operation, errForeign, status)
	}
	return &ipam.Error{Code: e.Code, Message: e.Message}
}
