package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
)

// callTimeout is the longest duration of a call until the answer's headers. API Gateway
// stops waiting after 29 s.
const callTimeout = time.Minute

// upstream is Cadastre's JSON API.
type upstream struct {
	endpoint      string // without a slash at its end
	region        string
	noCredentials *ipam.Error // answers a call for which there are none
	signer        *v4.Signer
	transport     http.RoundTripper
	now           func() time.Time
}

func newUpstream(endpoint, region string, noCredentials *ipam.Error, now func() time.Time) (*upstream, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no URL of an endpoint, such as https://ID.execute-api.us-east-1.amazonaws.com/prod", endpoint)
	}
	if !ipam.IsRegion(region) {
		return nil, fmt.Errorf("give the API's Region with --region: the endpoint %s does not name it, and %q is no Region", endpoint, region)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	transport.ResponseHeaderTimeout = callTimeout
	return &upstream{endpoint: strings.TrimRight(endpoint, "/"), region: region, noCredentials: noCredentials, signer: v4.NewSigner(), transport: transport, now: now}, nil
}

// call signs and sends a call, once, and returns the API's answer. Of the page's headers
// it sends the Region to act for, and whether CSV is asked for. The error is an
// *[ipam.Error], or internal.
func (u *upstream) call(ctx context.Context, credentials aws.CredentialsProvider, operation string, body []byte, from http.Header) (*http.Response, error) {
	signWith, err := credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", u.noCredentials, err)
	}
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, u.endpoint+"/v1/"+operation, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header.Set("Content-Type", awsjson.ContentType)
	out.Header.Set("User-Agent", "cadastre-console")
	if region := from.Get(wire.RegionHeader); region != "" {
		if !ipam.IsRegion(region) {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The header %s holds no Region such as ap-northeast-1.", wire.RegionHeader)
		}
		out.Header.Set(wire.RegionHeader, region)
	}
	if strings.HasPrefix(from.Get("Accept"), "text/csv") {
		out.Header.Set("Accept", "text/csv")
	}
	hash := sha256.Sum256(body)
	if err := u.signer.SignHTTP(ctx, signWith, out, hex.EncodeToString(hash[:]), wire.SigningName, u.region, u.now()); err != nil {
		return nil, fmt.Errorf("sign the call: %w", err)
	}
	answer, err := u.transport.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", unanswered(operation, body, err), err)
	}
	if answer.StatusCode < http.StatusOK || answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest {
		_ = answer.Body.Close() // only read
		return nil, ipam.Errorf(ipam.CodeUnavailable, "The endpoint answers with status %d and is not Cadastre's API. See whether it is right.", answer.StatusCode)
	}
	return answer, nil
}

// unanswered returns the error for a call without an answer. A page may repeat a call by
// itself after Unavailable, and not after OutcomeUnknown.
func unanswered(operation string, body []byte, err error) *ipam.Error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return ipam.Errorf(ipam.CodeUnavailable, "The console cannot reach the API; its log has the reason. The call was not carried out.")
	}
	var request struct{ ClientToken string }
	_ = json.Unmarshal(body, &request) // without a token the call counts as one that must not be repeated
	if client.MayRepeat(operation, request.ClientToken) {
		return ipam.Errorf(ipam.CodeUnavailable, "The console got no answer from the API; its log has the reason. The call may have been carried out: retry it with the same ClientToken.")
	}
	return ipam.Errorf(ipam.CodeOutcomeUnknown, "The console got no answer from the API; its log has the reason. The call may have been carried out. Look first whether it was, before you repeat it.")
}
