package resign

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// lookFirst is what to do where a call that has no client token may have been
// carried out.
const lookFirst = "Look whether it was made before you try again."

// gatewayRefusal returns the error of an answer that API Gateway gave by itself,
// before Cadastre saw the call, and nil if the answer is another. API Gateway's
// are JSON with a message, by which EC2's clients tell nothing but the status;
// Cadastre answers an EC2 Query request in XML always. Behind a failure it may have
// carried the call out; once says that such a call must not come again.
func gatewayRefusal(answer *http.Response, once bool) error {
	if answer.StatusCode < 400 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	var said struct {
		Lower string `json:"message"`
		Upper string `json:"Message"`
	}
	if body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(body, &said) // what it says is told if it can be read
	}
	code, hint := ipam.CodeUnavailable, "Retry the request with the same ClientToken."
	switch s := answer.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		code, hint = ipam.CodeUnauthorizedOperation, "Check the proxy's credentials, the API's resource policy and the principal's permission for execute-api:Invoke."
	case s == http.StatusTooManyRequests:
		code, hint = ipam.CodeRequestLimitExceeded, "Try again later."
	case s >= 500 && once:
		code, hint = ipam.CodeOutcomeUnknown, lookFirst
	case s < 500:
		code, hint = ipam.CodeInvalidAction, "Check that the proxy's -endpoint is the API's address with its stage."
	}
	return ipam.Errorf(code, "API Gateway refused the request with %d %s: %s. %s", answer.StatusCode, answer.Header.Get("X-Amzn-Errortype"),
		strings.TrimRight(schema.Excerpt(said.Lower+said.Upper), ". "), hint)
}
