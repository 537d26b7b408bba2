// Package vending makes VPCs and subnets in the accounts that ask for them, by
// the role that each account has for it.
package vending

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/cadastre-ipam/cadastre/shared/assume"
)

// DefaultRole is the default name of the role that makes VPCs in each account.
const DefaultRole = "CadastreVending"

// Actions are the IAM actions that the role of an account needs, on all
// resources of its kinds.
var Actions = []string{
	"ec2:AssociateVpcCidrBlock",
	"ec2:CreateSubnet",
	"ec2:CreateVpc",
	"ec2:DescribeVpcs", // what tags a VPC has
	"ec2:DisassociateVpcCidrBlock",
}

// TaggedActions are the calls with which the role may give tags: to what they
// make, and to nothing that is there already.
var TaggedActions = []string{"CreateSubnet", "CreateVpc"}

const (
	assumeTimeout = 5 * time.Second
	callTimeout   = 20 * time.Second // also where the caller has no deadline
	reserve       = 10 * time.Second // of the caller's time, to record what became of a call
)

// Vending makes EC2 clients of accounts' vending roles. It is safe for
// concurrent use.
type Vending struct{ role *assume.Role }

// New returns clients that assume the role of that name in each account, the
// caller's own too. cfg is the caller's, with the home Region.
func New(cfg aws.Config, role string) *Vending {
	return &Vending{assume.NewRole(cfg, role, assumeTimeout)}
}

// EC2 returns the client of an account's Region, as the session for the
// principal of that ARN. It assumes the account's role, unless it has
// credentials from before; that this fails is told by an *assume.Error, and then
// nothing was asked of EC2.
//
// The client tries once. The calls that make something have no client token, so
// one that is sent again behind a lost answer makes a second VPC. A call ends
// while the caller has time left to record it; its error is EC2's own, a
// smithy.APIError, or of a call of which nobody knows what became. Where EC2 says
// that the role may not make it, or that its session is none, the next client
// assumes the role anew.
func (v *Vending) EC2(ctx context.Context, account, region, principal string) (*ec2.Client, error) {
	cfg, err := v.role.Config(ctx, account, region, Session(principal))
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return errors.Join(
				s.Initialize.Add(middleware.InitializeMiddlewareFunc("CadastreDeadline", timed), middleware.Before),
				s.Initialize.Add(middleware.InitializeMiddlewareFunc("CadastreSession", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					out, metadata, err := next.HandleInitialize(ctx, in)
					if e, ok := errors.AsType[smithy.APIError](err); ok && ofSession[e.ErrorCode()] {
						v.role.Forget(account)
					}
					return out, metadata, err
				}), middleware.Before),
			)
		})
	}), nil
}

// ofSession are the codes (EC2 API Reference, "Error codes") by which EC2 refuses
// the session of a role that was made anew since, besides one that may not do what
// it is asked for.
var ofSession = map[string]bool{
	"AuthFailure":           true,
	"ExpiredToken":          true,
	"InvalidClientTokenId":  true,
	"RequestExpired":        true,
	"UnauthorizedOperation": true,
}

func timed(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	timeout := callTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end)-reserve)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return next.HandleInitialize(ctx, in)
}

var unfit = regexp.MustCompile(`[^\w+=,.@-]+`)

// Session returns the name of the session in which a principal's calls are made,
// so that CloudTrail shows in the account who asked: the path of its ARN without
// the kind, with dots for slashes, such as deployment.alice of
// arn:aws:sts::111122223333:assumed-role/deployment/alice. It has 2 to 64
// characters, as STS wants it.
func Session(principal string) string {
	path := principal[strings.LastIndexByte(principal, ':')+1:]
	if kind, rest, ok := strings.Cut(path, "/"); ok && kind != "" {
		path = rest
	}
	name := unfit.ReplaceAllString(strings.ReplaceAll(path, "/", "."), "-")
	if len(name) < 2 {
		name = "cadastre-" + name
	}
	return name[:min(len(name), 64)]
}
