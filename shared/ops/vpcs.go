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
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// VPCs are the calls of EC2 that make what takes space from pools. *ec2.Client has
// them. A call is made once: those that make something have no client token.
type VPCs interface {
	CreateVpc(context.Context, *ec2.CreateVpcInput, ...func(*ec2.Options)) (*ec2.CreateVpcOutput, error)
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	AssociateVpcCidrBlock(context.Context, *ec2.AssociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.AssociateVpcCidrBlockOutput, error)
	DisassociateVpcCidrBlock(context.Context, *ec2.DisassociateVpcCidrBlockInput, ...func(*ec2.Options)) (*ec2.DisassociateVpcCidrBlockOutput, error)
	CreateSubnet(context.Context, *ec2.CreateSubnetInput, ...func(*ec2.Options)) (*ec2.CreateSubnetOutput, error)
}

// Vending returns EC2 in an account and Region, by the account's vending role, for
// a principal of that account. An error says that nothing was asked of EC2.
type Vending[C VPCs] interface {
	EC2(ctx context.Context, account, region, principal string) (C, error)
}

// vending makes what takes space from pools.
type vending struct {
	ec2       func(ctx context.Context, account, region, principal string) (VPCs, error) // nil: the deployment has no vending role
	poolsOnly bool                                                                       // what would take space from no pool is refused
}

// WithVending has the operations that make VPCs and subnets make them; if v is nil,
// they make none. With poolsOnly, they refuse a CIDR that comes from no pool.
func WithVending[C VPCs, T any, P interface {
	*T
	Vending[C]
}](v P, poolsOnly bool) Option {
	return func(o *service) {
		o.vending.poolsOnly = poolsOnly
		if v != nil {
			o.vending.ec2 = func(ctx context.Context, account, region, principal string) (VPCs, error) {
				return v.EC2(ctx, account, region, principal)
			}
		}
	}
}

// The operations of this file take space for a resource, ask EC2 for it in the
// caller's own account, and write down what it became. So space that EC2 is asked
// for is nobody else's, and what EC2 refuses is given back. Whoever comes to grief
// in between leaves the pending space, and discovery says what became of it.

// ask is the space for one CIDR of a resource.
type ask struct {
	pool   *string
	cidr   *string
	length *int32
	family ipam.Family
}

// parameter is the name of one of its parameters: Ipv4 or Ipv6 with what follows.
func (a ask) parameter(rest string) string {
	if a.family == ipam.IPv6 {
		return "Ipv6" + rest
	}
	return "Ipv4" + rest
}

func (a ask) cidrParameter() string {
	if a.family == ipam.IPv6 {
		return "Ipv6CidrBlock"
	}
	return "CidrBlock"
}

// asks is the space of a resource, IPv4 and IPv6, as the calls name it.
type asks [2]ask

func asking(pool4, cidr4 *string, length4 *int32, pool6, cidr6 *string, length6 *int32) asks {
	return asks{{pool4, cidr4, length4, ipam.IPv4}, {pool6, cidr6, length6, ipam.IPv6}}
}

// requests returns those for the space that a resource takes from pools, none if it
// takes none.
func (o service) requests(ctx context.Context, operation string, space asks, r ipam.Resource) ([]store.Allocate, error) {
	var all []store.Allocate
	for _, a := range space {
		if a.pool == nil {
			continue
		}
		q, err := o.request(ctx, operation, a, r)
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// request returns the request for the space, for a resource.
func (o service) request(ctx context.Context, operation string, a ask, r ipam.Resource) (q store.Allocate, err error) {
	if q.Pool, err = checkID(ipam.IDPool, a.parameter("IpamPoolId"), a.pool); err != nil {
		return q, err
	}
	if a.cidr != nil && a.length != nil {
		return q, combination("The parameter '%s' may not be used in combination with '%s'.", a.parameter("NetmaskLength"), a.cidrParameter())
	}
	// Not the caller's Region: the resource's must be the locale, which says more.
	q.Request = ipam.AllocateRequest{Length: parseLength(a.length)}
	if q.Request.CIDR, err = parseCIDR(a.cidrParameter(), a.cidr); err != nil {
		return q, err
	}
	q.Token = store.Token{Account: registry.CallerFrom(ctx).Account, Operation: operation}
	q.For = &r
	q.May = func(p *ipam.Pool) error {
		if err := reach(ctx, p); err != nil {
			return err
		}
		if p.Family != a.family {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The pool %s is of the address family %s. Give it as %s.", p.ID, p.Family, ask{family: p.Family}.parameter("IpamPoolId"))
		}
		return nil
	}
	return q, nil
}

// region returns the Region in which the caller wants something made.
func (o service) region(ctx context.Context) string {
	if r := registry.CallerFrom(ctx).Region; r != "" {
		return r
	}
	return o.store.Region()
}

// cloud returns EC2 in the caller's account and Region.
func (o service) cloud(ctx context.Context) (VPCs, error) {
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
func refused(err error) *ipam.Error {
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
func passed[Out any](out *Out, err error) (*Out, error) {
	if err == nil {
		return out, nil
	}
	if e := refused(err); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not say what became of the call. Look whether it was carried out before you try again."), err)
}

// vend takes the space that is asked for, has EC2 make what takes it, and returns
// EC2's answer. made returns the id of what was made.
func vend[Out any](ctx context.Context, o service, requests []store.Allocate, call func(taken []netip.Prefix) (*Out, error), made func(*Out) string) (*Out, error) {
	var pending []*ipam.Allocation
	var cidrs []netip.Prefix
	// What was taken is given back, and what was made is written down, also for a
	// caller who has gone.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	giveBack := func() {
		for _, a := range pending {
			if err := o.store.EndPending(after, a); err != nil {
				slog.ErrorContext(ctx, "a pending block was not given back; it ends by itself", "allocation", a.AllocationID, "error", err.Error())
			}
		}
	}
	for _, q := range requests {
		a, err := o.store.Allocate(ctx, q)
		if err != nil {
			giveBack()
			return nil, err
		}
		pending, cidrs = append(pending, a), append(cidrs, a.CIDR)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < enough {
		giveBack()
		return nil, ipam.Errorf(ipam.CodeUnavailable, "There was no time left to ask EC2. Nothing was made; try again.")
	}
	out, err := call(cidrs)
	if err != nil {
		if e := refused(err); e != nil {
			giveBack()
			return nil, e
		}
		texts := make([]string, len(cidrs))
		for i, c := range cidrs {
			texts[i] = c.String()
		}
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeOutcomeUnknown, "EC2 did not say whether it made what was asked for, at %s. Look there before you try again. The space is kept for it: if nothing was made, it is free some time after discovery has looked.", strings.Join(texts, " and ")), err)
	}
	for _, a := range pending {
		// It is made, whatever is written down: discovery does that else.
		if err := o.store.Bind(after, a, made(out)); err != nil {
			slog.ErrorContext(ctx, "it is not written down what a pending block is for; discovery will", "allocation", a.AllocationID, "error", err.Error())
		}
	}
	return out, nil
}

// EC2 is asked only if so much time is left, of which it has a part; and what
// follows its answer may take so long.
const (
	enough      = 12 * time.Second
	bookkeeping = 25 * time.Second
)

func (o service) createVPC(ctx context.Context, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	tags, err := resourceTags(in.TagSpecifications, types.ResourceTypeVpc)
	if err != nil {
		return nil, err
	}
	r := ipam.Resource{Type: ipam.ResourceVPC, Region: o.region(ctx), Tags: tags}
	space := asking(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	if err := o.checkVPC(space, in.Ipv6Pool); err != nil {
		return nil, err
	}
	requests, err := o.requests(ctx, "CreateVpc", space, r)
	if err != nil {
		return nil, err
	}
	cloud, err := o.cloud(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return passed(cloud.CreateVpc(ctx, in))
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.CreateVpcOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.CreateVpc(ctx, &given)
	}, func(out *ec2.CreateVpcOutput) string { return aws.ToString(out.Vpc.VpcId) })
}

func (o service) associateVPC(ctx context.Context, in *ec2.AssociateVpcCidrBlockInput) (*ec2.AssociateVpcCidrBlockOutput, error) {
	r := ipam.Resource{Type: ipam.ResourceVPC, ID: aws.ToString(in.VpcId), Region: o.region(ctx)}
	space := asking(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	if err := o.checkVPC(space, in.Ipv6Pool); err != nil {
		return nil, err
	}
	requests, err := o.requests(ctx, "AssociateVpcCidrBlock", space, r)
	if err != nil {
		return nil, err
	}
	if len(requests) > 1 {
		return nil, combination("One CIDR is associated at a time. Give Ipv4IpamPoolId or Ipv6IpamPoolId.")
	}
	cloud, err := o.cloud(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return passed(cloud.AssociateVpcCidrBlock(ctx, in))
	}
	vpc, err := cloud.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{r.ID}})
	if err != nil {
		if e := refused(err); e != nil {
			return nil, e
		}
		return nil, fmt.Errorf("%w: %w", ipam.Errorf(ipam.CodeUnavailable, "EC2 did not say what tags %s has, by which the pool's rules decide. Nothing was changed; try again.", r.ID), err)
	}
	for _, v := range vpc.Vpcs { // the rules bind it as it is
		requests[0].For.Tags = ipam.Tags{}
		for _, t := range v.Tags {
			requests[0].For.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.AssociateVpcCidrBlockOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.AssociateVpcCidrBlock(ctx, &given)
	}, func(*ec2.AssociateVpcCidrBlockOutput) string { return r.ID })
}

// disassociateVPC ends the association of a CIDR. Its space is free as soon as
// that is seen, as a deleted VPC's is.
func (o service) disassociateVPC(ctx context.Context, in *ec2.DisassociateVpcCidrBlockInput) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	cloud, err := o.cloud(ctx)
	if err != nil {
		return nil, err
	}
	return passed(cloud.DisassociateVpcCidrBlock(ctx, in))
}

func (o service) createSubnet(ctx context.Context, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	tags, err := resourceTags(in.TagSpecifications, types.ResourceTypeSubnet)
	if err != nil {
		return nil, err
	}
	r := ipam.Resource{Type: ipam.ResourceSubnet, VPC: aws.ToString(in.VpcId), Region: o.region(ctx), Tags: tags}
	space := asking(in.Ipv4IpamPoolId, in.CidrBlock, in.Ipv4NetmaskLength, in.Ipv6IpamPoolId, in.Ipv6CidrBlock, in.Ipv6NetmaskLength)
	requests, err := o.requests(ctx, "CreateSubnet", space, r) // else the space is the VPC's
	if err != nil {
		return nil, err
	}
	cloud, err := o.cloud(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return passed(cloud.CreateSubnet(ctx, in))
	}
	return vend(ctx, o, requests, func(taken []netip.Prefix) (*ec2.CreateSubnetOutput, error) {
		given := *in
		given.CidrBlock, given.Ipv6CidrBlock = space.with(taken)
		given.Ipv4IpamPoolId, given.Ipv4NetmaskLength, given.Ipv6IpamPoolId, given.Ipv6NetmaskLength = nil, nil, nil, nil
		return cloud.CreateSubnet(ctx, &given)
	}, func(out *ec2.CreateSubnetOutput) string { return aws.ToString(out.Subnet.SubnetId) })
}

// checkVPC refuses what a VPC cannot have. byoip is the address pool of EC2's that it
// names.
//
// EC2 lets one choose a VPC's IPv6 CIDR out of a BYOIP pool of one's own only
// (API reference, CreateVpc, Ipv6CidrBlock); so Ipv6IpamPoolId comes with Ipv6Pool.
func (o service) checkVPC(space asks, byoip *string) error {
	for _, a := range space {
		if o.vending.poolsOnly && a.pool == nil && a.cidr != nil {
			return ipam.Errorf(ipam.CodeUnauthorizedOperation, "You are not authorized to perform this operation. This deployment makes nothing with a CIDR of your own choice: take it from a pool, with %s.", a.parameter("IpamPoolId"))
		}
		if a.family == ipam.IPv6 && a.pool != nil && byoip == nil {
			return ipam.Errorf(ipam.CodeUnsupportedOperation, "EC2 takes a certain IPv6 CIDR for a VPC only out of an address pool of your own. Name that pool of EC2's in Ipv6Pool, or leave Ipv6IpamPoolId out and use AmazonProvidedIpv6CidrBlock.")
		}
	}
	return nil
}

// with returns the CIDRs to ask EC2 for: those that were taken, and else those that
// were given.
func (s asks) with(taken []netip.Prefix) (cidr4, cidr6 *string) {
	cidr4, cidr6 = s[0].cidr, s[1].cidr
	for _, p := range taken {
		if ipam.FamilyOf(p) == ipam.IPv4 {
			cidr4 = aws.String(p.String())
		} else {
			cidr6 = aws.String(p.String())
		}
	}
	return cidr4, cidr6
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
