package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// cloud returns EC2 in the caller's account and Region.
func (o service) ec2(ctx context.Context) (VPCs, error) {
	if o.vending.ec2 == nil {
		return nil, ipam.Errorf(ipam.CodeUnsupportedOperation, "This deployment makes no VPCs: it has no vending role. Have its configuration member vendingRole set, or allocate a CIDR with AllocateIpamPoolCidr and make the VPC with it.")
	}
	c := registry.CallerFrom(ctx)
	cloud, err := o.vending.ec2(ctx, c.Account, o.region(ctx), c.ARN)
	if err == nil {
		return cloud, nil
	}
	slog.WarnContext(ctx, "no role for vending", "account", c.Account, "error", err.Error())
	if _, answered := errors.AsType[smithy.APIError](err); answered {
		return nil, ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. Cadastre has no role by which to act in account %s: have the template for member accounts deployed there.", c.Account)
	}
	return nil, ipam.Errorf(ipam.CodeUnavailable, "The role of account %s cannot be assumed just now. Nothing was made; try again.", c.Account)
}

// refused returns what EC2 answered with instead of doing what it was asked, and
// nil if nobody knows whether it did.
func refusalOf(err error) *ipam.Error {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return nil
	}
	// Throttling is refused with 503 by EC2, and is done before anything else.
	_, throttled := retry.DefaultThrottleErrorCodes[e.ErrorCode()]
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.HTTPStatusCode() >= 500 && !throttled {
		return nil
	}
	return &ipam.Error{Code: ipam.Code(e.ErrorCode()), Message: e.ErrorMessage()}
}

// passed is the outcome of a call of EC2 by which nothing of a pool is taken.
func forwarded[Out any](out *Out, err error) (*Out, error) {
	if err == nil {
		return out, nil
	}
	if e := refusalOf(err); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not say what became of the call. Look whether it was carried out before you try again."), err)
}

// EC2 is asked only if so much time is left, of which it has a part; and what
// follows its answer may take so long.
const (
	minTimeForEC2 = 12 * time.Second
	recordTimeout = 25 * time.Second
)

// vend takes the space that is asked for, has EC2 make what takes it, and returns
// EC2's answer. made returns the id of what was made.
func vend[Out any](ctx context.Context, o service, requests []store.Allocate, call func(taken []netip.Prefix) (*Out, error), made func(*Out) string) (*Out, error) {
	var leases []*ipam.Allocation
	var cidrs []netip.Prefix
	// What was taken is given back, and what was made is written down, also for a
	// caller who has gone.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	giveBack := func() {
		for _, a := range leases {
			if err := o.store.EndPending(after, a); err != nil {
				slog.ErrorContext(ctx, "a lease was not given back; it ends by itself", "allocation", a.AllocationID, "error", err.Error())
			}
		}
	}
	for _, q := range requests {
		a, err := o.store.Allocate(ctx, q)
		if err != nil {
			giveBack()
			return nil, err
		}
		leases, cidrs = append(leases, a), append(cidrs, a.CIDR)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < minTimeForEC2 {
		giveBack()
		return nil, ipam.Errorf(ipam.CodeUnavailable, "There was no time left to ask EC2. Nothing was made; try again.")
	}
	out, err := call(cidrs)
	if err != nil {
		if e := refusalOf(err); e != nil {
			giveBack()
			return nil, e
		}
		texts := make([]string, len(cidrs))
		for i, c := range cidrs {
			texts[i] = c.String()
		}
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not say whether it made what was asked for, at %s. Look there before you try again. The space is kept for it: if nothing was made, it is free some time after discovery has looked.", strings.Join(texts, " and ")), err)
	}
	for _, a := range leases {
		// It is made, whatever is written down: discovery does that else.
		if err := o.store.Bind(after, a, made(out)); err != nil {
			slog.ErrorContext(ctx, "it is not written down what a lease is for; discovery will", "allocation", a.AllocationID, "error", err.Error())
		}
	}
	return out, nil
}

// resourceTags returns the tags that a resource of EC2's will have. EC2 says what
// is wrong with them.
func resourceTags(specs []types.TagSpecification, resource types.ResourceType) (ipam.Tags, error) {
	tags := ipam.Tags{}
	for _, s := range specs {
		if s.ResourceType != resource {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%s) for parameter TagSpecification.ResourceType is invalid. What is made here is of type %s.", s.ResourceType, resource)
		}
		for _, t := range s.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags, nil
}
