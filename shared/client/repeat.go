package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// MayRepeat reports whether a client may send a call again when it does not know
// whether Cadastre carried the call out: the operation only reads, or the call has a
// client token. Without a token, CreateVpc would create a second VPC.
func MayRepeat(operation, clientToken string) bool {
	return clientToken != "" || strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "Search")
}

// Refused reports whether an error says that a call may be made again because it was not
// carried out: nothing was sent, other writers were in the way, or Cadastre had no
// capacity for it. The error holds the SDK's error, or an *ipam.Error.
func Refused(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return true
	}
	code := ""
	if e, ok := errors.AsType[*ipam.Error](err); ok {
		code = string(e.Code)
	} else if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	return throttled || code == string(ipam.CodeUnavailable) || code == string(ipam.CodeConcurrentMutationLimitExceeded)
}

// repeatable is the error of one attempt with our own decision on another one. The
// SDK's retryer asks RetryableError first.
type repeatable struct {
	error
	again bool
}

func (e *repeatable) Unwrap() error { return e.error }

// RetryableError reports whether the SDK's retryer may send the call again.
func (e *repeatable) RetryableError() bool { return e.again }

type mayRepeatKey struct{}

// addRepeat adds two steps to an operation's stack. The first decides once for each
// call whether [MayRepeat] allows its repetition. The second runs in each attempt:
// it has the SDK's retryer repeat OutcomeUnknown for such a call, and repeat no other
// call unless Cadastre has refused it.
func addRepeat(s *middleware.Stack) error {
	decide := middleware.InitializeMiddlewareFunc("CadastreMayRepeat", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		may := MayRepeat(awsmiddleware.GetOperationName(ctx), clientToken(in.Parameters))
		return next.HandleInitialize(middleware.WithStackValue(ctx, mayRepeatKey{}, may), in)
	})
	if err := s.Initialize.Add(decide, middleware.After); err != nil { // after the step that sets a ClientToken
		return err
	}
	attempt := middleware.FinalizeMiddlewareFunc("CadastreRepeat", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		may, _ := middleware.GetStackValue(ctx, mayRepeatKey{}).(bool)
		if e, ok := errors.AsType[smithy.APIError](err); ok && may && ipam.Code(e.ErrorCode()) == ipam.CodeOutcomeUnknown {
			err = &repeatable{err, true}
		} else if err != nil && !may && !Refused(err) {
			err = &repeatable{err, false}
		}
		return out, metadata, err
	})
	if err := s.Finalize.Insert(attempt, "Retry", middleware.After); err != nil {
		return fmt.Errorf("the EC2 client has no step Retry: %w", err)
	}
	return nil
}

// clientToken returns the ClientToken of an operation's input, "" if it has none.
func clientToken(in any) string {
	f := reflect.Indirect(reflect.ValueOf(in)).FieldByName("ClientToken")
	if !f.IsValid() {
		return ""
	}
	token, _ := f.Interface().(*string)
	return aws.ToString(token)
}
