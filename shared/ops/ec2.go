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
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// ec2 returns a client of EC2 in the caller's account and Region.
func (o service) ec2(ctx context.Context) (VPCs, error) { return o.ec2In(ctx, o.region(ctx)) }

// ec2In returns a client of EC2 in the caller's account and a Region.
func (o service) ec2In(ctx context.Context, region string) (VPCs, error) {
	if o.vending.ec2 == nil {
		return nil, ipam.Errorf(ipam.CodeUnsupportedOperation, "This deployment makes no VPCs: it has no vending role. Have its configuration member vendingRole set, or allocate a CIDR with AllocateIpamPoolCidr and make the VPC with it.")
	}
	c := registry.CallerFrom(ctx)
	cloud, err := o.vending.ec2(ctx, c.Account, region, c.ARN)
	if err == nil {
		return cloud, nil
	}
	slog.WarnContext(ctx, "no role for vending", "account", c.Account, "error", err.Error())
	if _, answered := errors.AsType[smithy.APIError](err); answered {
		return nil, ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. Cadastre has no role by which to act in account %s: have the template for member accounts deployed there.", c.Account)
	}
	return nil, ipam.Errorf(ipam.CodeUnavailable, "The role of account %s cannot be assumed just now. Nothing was made; try again.", c.Account)
}

// refusalOf returns EC2's refusal of a call, and nil if it is not known whether EC2 carried
// out the call.
func refusalOf(err error) *ipam.Error {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return nil
	}
	// EC2 refuses with 503 when it throttles, before it does anything else.
	_, throttled := retry.DefaultThrottleErrorCodes[e.ErrorCode()]
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.HTTPStatusCode() >= 500 && !throttled {
		return nil
	}
	return &ipam.Error{Code: ipam.Code(e.ErrorCode()), Message: e.ErrorMessage()}
}

// forwarded returns the result of a call of EC2 without space from a pool.
func forwarded[Out any](out *Out, err error) (*Out, error) {
	if err == nil {
		return out, nil
	}
	if e := refusalOf(err); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not answer, so the call may have been carried out. Look at the VPC before you try again."), err)
}

const (
	// minTimeForEC2 is the time that a request must have left for a call of EC2, which
	// gets a part of it.
	minTimeForEC2 = 12 * time.Second
	// recordTimeout is the time to record the result of the call, or to return the space.
	recordTimeout = 25 * time.Second
)

// created is EC2's answer for the resource that it created, or associated CIDRs with.
type created struct {
	id           string                  // of the resource
	associations map[netip.Prefix]string // EC2's ids for the associations of CIDRs with the resource
	metadata     middleware.Metadata     // of the call
}

// associate adds EC2's id for the association of a CIDR.
func (c *created) associate(cidr, id *string) {
	p, err := netip.ParsePrefix(aws.ToString(cidr))
	if err != nil {
		return
	}
	if c.associations == nil {
		c.associations = map[netip.Prefix]string{}
	}
	c.associations[p.Masked()] = aws.ToString(id)
}

// made returns the record of EC2's answer for a CIDR. Its time is EC2's own.
func (c *created) made(cidr netip.Prefix) store.Made {
	m := store.Made{ID: c.id, Association: c.associations[cidr]}
	if at, ok := awsmiddleware.GetServerTime(c.metadata); ok {
		m.At = at.Unix()
	}
	return m
}

// vend allocates the CIDRs of requests, calls EC2 with them, and returns EC2's answer. made
// returns the resource that EC2 created.
//
// The order keeps each CIDR with one owner: no other request gets space that EC2 has been
// asked for. If EC2 refuses, vend returns the space to the pool. If vend stops in between,
// the space stays reserved until discovery has read the account: it then belongs to the
// resource, or is free again.
func vend[Out any](ctx context.Context, o service, requests []store.Allocate, call func(taken []netip.Prefix) (*Out, error), made func(*Out) created) (*Out, error) {
	// The space is returned, and the resource recorded, also for a caller that has gone.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r, err := o.reserve(ctx, after, requests)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < minTimeForEC2 {
		r.giveBack(after)
		return nil, ipam.Errorf(ipam.CodeUnavailable, "There was no time left to call EC2. Nothing was created; try again.")
	}
	out, err := call(r.cidrs())
	if err != nil {
		if refusal := refusalOf(err); refusal != nil {
			r.giveBack(after)
			return nil, refusal
		}
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not say whether it created the resource, at %s. Look there before you try again. The space is kept for it: if nothing was created, it is free some time after discovery has looked.", r), err)
	}
	r.bind(after, made(out))
	return out, nil
}

// reservation is space of pools that is reserved for a resource.
type reservation struct {
	store       *store.Store
	allocations []*ipam.Allocation
}

// reserve allocates the CIDRs of requests, all or none of them. It returns space with the
// context after.
func (o service) reserve(ctx, after context.Context, requests []store.Allocate) (reservation, error) {
	r := reservation{store: o.store}
	for _, q := range requests {
		a, err := o.store.Allocate(ctx, q)
		if err != nil {
			r.giveBack(after)
			if ipam.CodeOf(err) == ipam.CodeOutcomeUnknown { // of the reservation, which ends by itself
				err = fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "Cadastre could not reserve the space, so EC2 was not called. Nothing was created; try again."), err)
			}
			return r, err
		}
		r.allocations = append(r.allocations, a)
	}
	return r, nil
}

func (r reservation) cidrs() []netip.Prefix {
	cidrs := make([]netip.Prefix, len(r.allocations))
	for i, a := range r.allocations {
		cidrs[i] = a.CIDR
	}
	return cidrs
}

// String lists the CIDRs.
func (r reservation) String() string {
	texts := make([]string, len(r.allocations))
	for i, a := range r.allocations {
		texts[i] = a.CIDR.String()
	}
	return strings.Join(texts, " and ")
}

// giveBack returns the space to the pools. On an error the space stays reserved until its
// time has passed.
func (r reservation) giveBack(ctx context.Context) {
	for _, a := range r.allocations {
		if err := r.store.EndPending(ctx, a); err != nil {
			slog.ErrorContext(ctx, "space was not returned; it is free when its time has passed", "allocation", a.AllocationID, "error", err.Error())
		}
	}
}

// bind records the resource that has the space. On an error discovery records it.
func (r reservation) bind(ctx context.Context, c created) {
	for _, a := range r.allocations {
		if err := r.store.Bind(ctx, a, c.made(a.CIDR)); err != nil {
			slog.ErrorContext(ctx, "the resource of an allocation was not recorded; discovery will record it", "allocation", a.AllocationID, "error", err.Error())
		}
	}
}

// resourceTags returns the tags of a new resource of EC2. EC2 checks them.
func resourceTags(specs []types.TagSpecification, resource types.ResourceType) (ipam.Tags, error) {
	tags := ipam.Tags{}
	for _, s := range specs {
		if s.ResourceType != resource {
			return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%s) for parameter TagSpecification.ResourceType is invalid. This request creates a resource of type %s.", s.ResourceType, resource)
		}
		for _, t := range s.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags, nil
}
