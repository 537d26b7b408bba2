package resign

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// lookFirst is the advice for a call without a client token that may have been
// carried out.
const lookFirst = "Look whether it was carried out before you try again."

// maxError is the largest error of Cadastre or API Gateway that check reads, in
// bytes.
const maxError = 64 << 10

// check returns an error in place of an answer that the caller's SDK would not treat
// right, and nil for every other answer:
//
//   - OutcomeUnknown becomes Unavailable for a call that may be repeated: the caller's
//     SDK then repeats it, with the same token and as often as the tool's settings say.
//   - JSON is an answer of API Gateway before it knows the API, or of an API without
//     the answers of package gateway. EC2's clients read nothing of it but the status.
//     Cadastre itself answers EC2 Query requests in XML.
func (c *call) check(answer *http.Response) error {
	if answer.StatusCode < 400 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxError)) // the caller's copy of the rest fails with the same error
	rest := answer.Body
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		defer rest.Close() //nolint:errcheck // only read
		return c.rawRefusal(answer, body)
	}
	var refusal struct {
		Code    ipam.Code `xml:"Errors>Error>Code"`
		Message string    `xml:"Errors>Error>Message"`
	}
	if c.mayRepeat && xml.Unmarshal(body, &refusal) == nil && refusal.Code == ipam.CodeOutcomeUnknown {
		defer rest.Close() //nolint:errcheck // only read
		return &ipam.Error{Code: ipam.CodeUnavailable, Message: refusal.Message}
	}
	return nil
}

// rawRefusal returns the error for an answer of API Gateway in JSON.
func (c *call) rawRefusal(answer *http.Response, body []byte) error {
	var said struct {
		Lower string `json:"message"`
		Upper string `json:"Message"`
	}
	_ = json.Unmarshal(body, &said) // a body that is no JSON adds nothing to the error
	code, hint := ipam.CodeUnavailable, "Retry the request with the same ClientToken."
	switch s := answer.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		code, hint = ipam.CodeUnauthorizedOperation, "Check the proxy's credentials, the API's resource policy and the principal's permission for execute-api:Invoke."
	case s == http.StatusTooManyRequests:
		code, hint = ipam.CodeRequestLimitExceeded, "Try again later."
	case s >= 500 && !c.mayRepeat:
		code, hint = ipam.CodeOutcomeUnknown, lookFirst
	case s < 500:
		code, hint = ipam.CodeInvalidAction, "Check that the proxy's -endpoint is the API's address with its stage."
	}
	return ipam.Errorf(code, "API Gateway refused the request with %d %s: %s. %s", answer.StatusCode, answer.Header.Get("X-Amzn-Errortype"),
		strings.TrimRight(schema.Excerpt(said.Lower+said.Upper), ". "), hint)
}
