// Package gateway holds the answers that API Gateway gives by itself: before the
// function sees a request, or when the function's answer does not arrive in time.
// The deployment installs them (infra/constructs/restapi), and the front of the
// tests gives the same.
//
// API Gateway has one set of these answers for a whole API, and uses the template of
// the type application/json for every Accept header. So all of them are EC2's XML,
// on /v1 too: EC2's clients read nothing else. The header [CodeHeader] has the code
// for callers that do not read XML.
package gateway

import (
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

// TemplateType is the content type whose template API Gateway uses for every Accept
// header.
const TemplateType = "application/json"

// ContentType is the content type of the answers.
const ContentType = ec2query.ContentType

// CodeHeader is the header that holds the error code of an answer.
const CodeHeader = "X-Cadastre-Error-Code"

// The response types for all types without an [Answer] of their own, by the first
// digit of the status.
const (
	Default4XX = "DEFAULT_4XX"
	Default5XX = "DEFAULT_5XX"
)

// Answer is the answer of one response type of API Gateway (API Gateway Developer
// Guide, "Gateway response types for API Gateway").
type Answer struct {
	Type   string
	Status int // HTTP status; 0 keeps the status that API Gateway gives the type
	Code   ipam.Code
	Advice string // the next step for the caller; it follows API Gateway's own message
}

const (
	checkCaller = "Check the API's resource policy and the principal's permission for execute-api:Invoke."
	signAgain   = "Sign the request for the service execute-api in the API's own Region, with valid credentials and a correct clock."
	checkPath   = "Sign the request, and use the API's address with its stage: POST / for EC2 Query, POST /v1/{operation} for JSON."
	tryLater    = "Retry the request later."
	// A call that has reached the function may be carried out although its answer
	// is lost. The status is no 5xx, since SDKs repeat a 5xx by themselves.
	lookFirst = "The call may have been carried out. Repeat it only with the same ClientToken; without a token, look first whether it was carried out."
)

// Answers lists all answers. Each type of API Gateway has a row, or falls under
// [Default4XX] or [Default5XX].
var Answers = []Answer{
	answer("ACCESS_DENIED", ipam.CodeUnauthorizedOperation, checkCaller),
	answer("WAF_FILTERED", ipam.CodeUnauthorizedOperation, "A web ACL of the API filters the request."),
	answer("UNAUTHORIZED", ipam.CodeAuthFailure, signAgain),
	answer("INVALID_SIGNATURE", ipam.CodeAuthFailure, signAgain),
	answer("EXPIRED_TOKEN", ipam.CodeAuthFailure, signAgain),
	answer("MISSING_AUTHENTICATION_TOKEN", ipam.CodeAuthFailure, checkPath),
	answer("RESOURCE_NOT_FOUND", ipam.CodeInvalidAction, checkPath),
	answer("THROTTLED", ipam.CodeRequestLimitExceeded, tryLater),
	answer("QUOTA_EXCEEDED", ipam.CodeRequestLimitExceeded, tryLater),
	{"REQUEST_TOO_LARGE", 413, ipam.CodeMalformedRequest, "API Gateway takes requests of up to 10 MB."},
	answer("INTEGRATION_FAILURE", ipam.CodeOutcomeUnknown, lookFirst),
	answer("INTEGRATION_TIMEOUT", ipam.CodeOutcomeUnknown, lookFirst),
	answer("API_CONFIGURATION_ERROR", ipam.CodeOutcomeUnknown, lookFirst),
	{Default4XX, 0, ipam.CodeMalformedRequest, checkPath},
	answer(Default5XX, ipam.CodeOutcomeUnknown, lookFirst),
}

// answer returns the answer of a type with the status that operations give the
// code, too.
func answer(responseType string, code ipam.Code, advice string) Answer {
	return Answer{responseType, ipam.InfoOf(code).Status, code, advice}
}

// For returns the answer of a response type whose status API Gateway sets to
// status by itself. The answer's Status is never 0.
func For(responseType string, status int) Answer {
	other := Default4XX
	if status >= 500 {
		other = Default5XX
	}
	for _, name := range []string{responseType, other} {
		for _, a := range Answers {
			if a.Type == name {
				if a.Status == 0 {
					a.Status = status
				}
				return a
			}
		}
	}
	panic("gateway: Answers has no row for " + other)
}

// The variables that API Gateway replaces in a template (API Gateway Developer
// Guide, "Variables for data models, authorizers, mapping templates, and
// CloudWatch access logging").
const (
	messageVariable = "$context.error.message"
	requestVariable = "$context.requestId"
)

// Template returns the body for API Gateway, with its variables. API Gateway does
// not escape their values, so the message is a CDATA section. The section is all
// of the element: the AWS SDK for Go reads one piece of text in an element.
func (a Answer) Template() string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		"<Response><Errors><Error><Code>" + string(a.Code) + "</Code>" +
		"<Message><![CDATA[API Gateway refused the request (" + messageVariable + "). " + a.Advice + "]]></Message>" +
		"</Error></Errors><RequestID>" + requestVariable + "</RequestID></Response>"
}

// Body returns the body as API Gateway makes it of the template: message is API
// Gateway's own text, such as "Forbidden".
func (a Answer) Body(requestID, message string) []byte {
	return []byte(strings.NewReplacer(messageVariable, message, requestVariable, requestID).Replace(a.Template()))
}
