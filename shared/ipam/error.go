package ipam

import (
	"errors"
	"fmt"
	"strings"
)

// Code is an EC2 API error code. Cadastre's own set is closed: [Codes] lists
// it, with an HTTP status and a metric label for each code. Any other code is
// EC2's, from a call that Cadastre made for the caller and EC2 refused.
type Code string

// The error codes of operations. Names and statuses are from the EC2 API
// reference, "Error codes for the Amazon EC2 API".
const (
	CodeAuthFailure                     Code = "AuthFailure"
	CodeConcurrentMutationLimitExceeded Code = "ConcurrentMutationLimitExceeded"
	CodeDependencyViolation             Code = "DependencyViolation"
	CodeDryRunOperation                 Code = "DryRunOperation"
	CodeFilterLimitExceeded             Code = "FilterLimitExceeded"
	CodeIdempotentParameterMismatch     Code = "IdempotentParameterMismatch"
	CodeIncorrectState                  Code = "IncorrectState"
	CodeInternalError                   Code = "InternalError"
	CodeInvalidAction                   Code = "InvalidAction"
	CodeInvalidFilter                   Code = "InvalidFilter"
	CodeInvalidID                       Code = "InvalidID"
	CodeInvalidIpamIDMalformed          Code = "InvalidIpamId.Malformed"
	CodeInvalidIpamIDNotFound           Code = "InvalidIpamId.NotFound"
	CodeInvalidAllocationIDMalformed    Code = "InvalidIpamPoolAllocationId.Malformed"
	CodeInvalidAllocationIDNotFound     Code = "InvalidIpamPoolAllocationId.NotFound"
	CodeInvalidPoolIDMalformed          Code = "InvalidIpamPoolId.Malformed"
	CodeInvalidPoolIDNotFound           Code = "InvalidIpamPoolId.NotFound"
	CodeInvalidResolverIDMalformed      Code = "InvalidIpamPrefixListResolverId.Malformed"
	CodeInvalidResolverIDNotFound       Code = "InvalidIpamPrefixListResolverId.NotFound"
	CodeInvalidAssociationIDMalformed   Code = "InvalidIpamResourceDiscoveryAssociationId.Malformed"
	CodeInvalidAssociationIDNotFound    Code = "InvalidIpamResourceDiscoveryAssociationId.NotFound"
	CodeInvalidDiscoveryIDMalformed     Code = "InvalidIpamResourceDiscoveryId.Malformed"
	CodeInvalidDiscoveryIDNotFound      Code = "InvalidIpamResourceDiscoveryId.NotFound"
	CodeInvalidScopeIDMalformed         Code = "InvalidIpamScopeId.Malformed"
	CodeInvalidScopeIDNotFound          Code = "InvalidIpamScopeId.NotFound"
	CodeInvalidMaxResults               Code = "InvalidMaxResults"
	CodeInvalidNextToken                Code = "InvalidNextToken"
	CodeInvalidParameterCombination     Code = "InvalidParameterCombination"
	CodeInvalidParameterValue           Code = "InvalidParameterValue"
	CodeAccountNotRegistered            Code = "IpamOrganizationAccountNotRegistered"
	CodeMalformedRequest                Code = "MalformedRequest"
	CodeMissingParameter                Code = "MissingParameter"
	CodeOperationNotPermitted           Code = "OperationNotPermitted"
	CodeOutcomeUnknown                  Code = "OutcomeUnknown" // for a call without a client token; EC2 has no code for it
	CodeRequestLimitExceeded            Code = "RequestLimitExceeded"
	CodeResourceLimitExceeded           Code = "ResourceLimitExceeded"
	CodeTagLimitExceeded                Code = "TagLimitExceeded"
	CodeUnauthorizedOperation           Code = "UnauthorizedOperation"
	CodeUnavailable                     Code = "Unavailable"
	CodeUnknownParameter                Code = "UnknownParameter"
	CodeUnsupportedOperation            Code = "UnsupportedOperation"
)

// CodeInfo is the entry of a code in [Codes].
type CodeInfo struct {
	Status int    // HTTP status of the answer, 4xx or 5xx
	Label  string // value of the metric dimension: caller, auth, conflict, quota, dry_run, throttle, internal, unknown
}

// Codes maps every code to its HTTP status and metric label.
var Codes = map[Code]CodeInfo{
	CodeAuthFailure:                     {401, "auth"},
	CodeConcurrentMutationLimitExceeded: {400, "conflict"},
	CodeDependencyViolation:             {400, "caller"},
	CodeDryRunOperation:                 {412, "dry_run"},
	CodeFilterLimitExceeded:             {400, "caller"},
	CodeIdempotentParameterMismatch:     {400, "caller"},
	CodeIncorrectState:                  {400, "caller"},
	CodeInternalError:                   {500, "internal"},
	CodeInvalidAction:                   {400, "caller"},
	CodeInvalidFilter:                   {400, "caller"},
	CodeInvalidID:                       {400, "caller"},
	CodeInvalidIpamIDMalformed:          {400, "caller"},
	CodeInvalidIpamIDNotFound:           {400, "caller"},
	CodeInvalidAllocationIDMalformed:    {400, "caller"},
	CodeInvalidAllocationIDNotFound:     {400, "caller"},
	CodeInvalidPoolIDMalformed:          {400, "caller"},
	CodeInvalidPoolIDNotFound:           {400, "caller"},
	CodeInvalidResolverIDMalformed:      {400, "caller"},
	CodeInvalidResolverIDNotFound:       {400, "caller"},
	CodeInvalidAssociationIDMalformed:   {400, "caller"},
	CodeInvalidAssociationIDNotFound:    {400, "caller"},
	CodeInvalidDiscoveryIDMalformed:     {400, "caller"},
	CodeInvalidDiscoveryIDNotFound:      {400, "caller"},
	CodeInvalidScopeIDMalformed:         {400, "caller"},
	CodeInvalidScopeIDNotFound:          {400, "caller"},
	CodeInvalidMaxResults:               {400, "caller"},
	CodeInvalidNextToken:                {400, "caller"},
	CodeInvalidParameterCombination:     {400, "caller"},
	CodeInvalidParameterValue:           {400, "caller"},
	CodeAccountNotRegistered:            {400, "caller"},
	CodeMalformedRequest:                {400, "caller"},
	CodeMissingParameter:                {400, "caller"},
	CodeOperationNotPermitted:           {400, "caller"},
	CodeOutcomeUnknown:                  {400, "unknown"}, // not 5xx: the SDKs would repeat the call by themselves
	CodeRequestLimitExceeded:            {503, "throttle"},
	CodeResourceLimitExceeded:           {400, "quota"},
	CodeTagLimitExceeded:                {400, "quota"},
	CodeUnauthorizedOperation:           {403, "auth"},
	CodeUnavailable:                     {503, "internal"},
	CodeUnknownParameter:                {400, "caller"},
	CodeUnsupportedOperation:            {400, "caller"},
}

// InfoOf returns the entry of a code. A code that [Codes] does not list is one
// of EC2's, from a call that Cadastre made for the caller and EC2 refused.
func InfoOf(code Code) CodeInfo {
	if row, ok := Codes[code]; ok {
		return row
	}
	return CodeInfo{400, "caller"}
}

// Temporary reports whether the same call may succeed later: other writers were
// in the way, the load was too high, or the service failed. A code that [Codes]
// does not list is a final refusal.
func (c Code) Temporary() bool {
	switch Codes[c].Label {
	case "conflict", "throttle", "internal":
		return true
	}
	return false
}

// Error is the only error type whose text reaches a caller. Message describes
// the error with its numbers, and the next step.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// NotFound reports whether the error says that the object does not exist. EC2's codes
// for that end in .NotFound. A release has no such code; see [NoAllocation].
func (e *Error) NotFound() bool {
	return strings.HasSuffix(string(e.Code), ".NotFound") || e.Code == CodeInvalidParameterCombination && strings.HasPrefix(e.Message, NoAllocation)
}

// Errorf returns an *Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Public returns the error that a caller may see. This is err's [*Error] if err
// holds one, and otherwise InternalError with a fixed text, so no text of a
// driver or dependency leaves the service.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternalError, Message: "An internal error has occurred. Retry the request; with the same ClientToken nothing happens twice."}
}

// CodeOf returns the code of Public(err), and "" for a nil error.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return Public(err).Code
}
