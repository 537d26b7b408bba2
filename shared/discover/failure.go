package discover

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/assume"
)

// The codes of a failed discovery, with the values of the EC2 API's
// IpamDiscoveryFailureCode.
const (
	AssumeRoleFailure   = "assume-role-failure"
	ThrottlingFailure   = "throttling-failure"
	UnauthorizedFailure = "unauthorized-failure"
)

// Failure is the reason why an account could not be read.
type Failure struct {
	Code    string // one of the codes above
	Message string // the cause and the next step
}

// FailureOf returns the failure of an account for an error of [Clients.EC2],
// [Read] or [ReadSelected], and nil for any other error.
//
// A throttle, a time-out, and an answer that EC2 itself failed to give count as
// throttling. Among the three codes it is the one that asks the reader to wait.
func FailureOf(err error) *Failure {
	assume, assuming := errors.AsType[*assume.Error](err)
	if _, calling := errors.AsType[*CallError](err); !assuming && !calling {
		return nil
	}
	switch {
	case passing(err):
		return &Failure{ThrottlingFailure, fmt.Sprintf("AWS did not answer in time (%s). Nothing is to be done: the next run tries again.", reason(err))}
	case assuming:
		return &Failure{AssumeRoleFailure, fmt.Sprintf("The role %s cannot be assumed (%s). Deploy the member template in the account, and see that the role trusts the discovery function's role.", assume.Role, reason(err))}
	}
	return &Failure{UnauthorizedFailure, fmt.Sprintf("The reader role may not look at the Region (%s). Deploy the member template anew, and see that the account has the Region enabled and that no service control policy denies the call.", reason(err))}
}

// passing reports whether an error ends by itself.
func passing(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return true // no answer
	}
	if _, throttled := retry.DefaultThrottleErrorCodes[e.ErrorCode()]; throttled {
		return true
	}
	h, ok := errors.AsType[*awshttp.ResponseError](err)
	return ok && (h.HTTPStatusCode() >= http.StatusInternalServerError || h.HTTPStatusCode() == http.StatusTooManyRequests)
}

// reason returns AWS's own message, without the SDK's text around it.
func reason(err error) string {
	call := ""
	if c, ok := errors.AsType[*CallError](err); ok {
		call = c.Call + ": "
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return call + e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return call + "no answer"
}
