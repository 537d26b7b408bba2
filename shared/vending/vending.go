// Package vending makes VPCs and subnets in callers' accounts, through the
// vending role of each account.
package vending

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/cadastre-ipam/cadastre/shared/assume"
)

// DefaultRole is the default name of the vending role.
const DefaultRole = "CadastreVending"

// Actions are the IAM actions that an account's vending role needs, on all
// resources of its kinds.
var Actions = []string{
	"ec2:AssociateVpcCidrBlock",
	"ec2:CreateSubnet",
	"ec2:CreateVpc",
	"ec2:DescribeSubnets", // sees that a subnet is gone
	"ec2:DescribeVpcs",    // reads the tags of a VPC, and sees that it is gone
	"ec2:DisassociateVpcCidrBlock",
}

// TaggedActions are the calls that may give tags: to the objects that they
// make, and not to existing ones.
var TaggedActions = []string{"CreateSubnet", "CreateVpc"}

const (
	assumeTimeout = 5 * time.Second
	callTimeout   = 20 * time.Second // also if the caller has no deadline
	reserve       = 10 * time.Second // part of the caller's time, to record the result of a call
)

// Vending makes EC2 clients with accounts' vending roles. It is safe for
// concurrent use.
type Vending struct{ role *assume.Role }

// New returns clients that assume the role with that name in each account, the
// caller's own too. The role must trust the caller for sts:SetSourceIdentity as well as
// sts:AssumeRole. cfg is the caller's configuration, with the home Region.
func New(cfg aws.Config, role string) *Vending {
	return &Vending{assume.NewRole(cfg, role, assumeTimeout, assume.WithSourceIdentity())}
}

// EC2 returns a client for an account's Region, in the session for a
// principal's ARN. It assumes the account's role, unless it still has
// credentials. If it cannot assume the role, the error is an [*assume.Error],
// and EC2 has received nothing.
//
// The client tries once. The calls that make something have no client token, so
// a second try after a lost answer makes a second VPC. A call ends while the
// caller has time left to record its result. Its error is EC2's own, a
// smithy.APIError, or else the result of the call is unknown. If EC2 answers
// that the role may not make the call, or that its session is invalid, the next
// client assumes the role again.
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

// ofSession are the codes (EC2 API Reference, "Error codes") with which EC2
// refuses the session of a replaced role. A role that may not make the call
// gets some of them too.
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

// sessionLength is the greatest length of the name of a session and of a source
// identity (STS API Reference, AssumeRole).
const sessionLength = 64

// Session returns the name and the source identity of the session for a principal's
// calls, so that CloudTrail shows the principal in the account. It is the part of the
// principal's ARN behind the account, with commas for slashes, such as
// assumed-role,deployment,alice for arn:aws:sts::111122223333:assumed-role/deployment/alice.
// No two principals of an account share a name: a comma, and any character that STS does
// not admit, is written as = and two hexadecimal digits a byte. A name of more than 64
// characters keeps its kind and its end, with 16 digits of a digest of all of it between
// them.
func Session(principal string) string {
	resource := principal
	if parts := strings.SplitN(principal, ":", 6); len(parts) == 6 {
		resource = parts[5]
	}
	var b strings.Builder
	for i := range len(resource) {
		switch c := resource[i]; {
		case c == '/':
			b.WriteByte(',')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_+.@-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	name := b.String()
	if len(name) >= 2 && len(name) <= sessionLength {
		return name
	}
	kind, rest, _ := strings.Cut(name, ",")
	digest := sha256.Sum256([]byte(resource))
	start := kind[:min(len(kind), 14)] + "," + hex.EncodeToString(digest[:8]) + "="
	return start + rest[max(0, len(rest)-(sessionLength-len(start))):]
}
