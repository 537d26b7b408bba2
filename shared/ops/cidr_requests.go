package ops

import (
	"cmp"
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// cidrRequest is the request for one CIDR of a VPC or subnet.
type cidrRequest struct {
	pool   *string
	cidr   *string
	length *int32
	family ipam.Family
}

// poolParameter returns the name of the parameter that names the pool.
func (r cidrRequest) poolParameter() string {
	if r.family == ipam.IPv6 {
		return "Ipv6IpamPoolId"
	}
	return "Ipv4IpamPoolId"
}

func (r cidrRequest) cidrParameter() string {
	if r.family == ipam.IPv6 {
		return "Ipv6CidrBlock"
	}
	return "CidrBlock"
}

func (r cidrRequest) lengthParameter() string {
	if r.family == ipam.IPv6 {
		return "Ipv6NetmaskLength"
	}
	return "Ipv4NetmaskLength"
}

// cidrRequests are the requests for the CIDRs of a VPC or subnet: IPv4, then IPv6.
type cidrRequests [2]cidrRequest

func newCIDRRequests(pool4, cidr4 *string, length4 *int32, pool6, cidr6 *string, length6 *int32) cidrRequests {
	return cidrRequests{{pool4, cidr4, length4, ipam.IPv4}, {pool6, cidr6, length6, ipam.IPv6}}
}

// fromPool reports whether one of the CIDRs comes from a pool.
func (r cidrRequests) fromPool() bool { return r[0].pool != nil || r[1].pool != nil }

// checkPairs returns an error for a netmask length beside a CIDR of its family, and for
// one without a pool, which EC2 and Cadastre would both ignore.
func (r cidrRequests) checkPairs() error {
	for _, c := range r {
		length := parameter{c.lengthParameter(), c.length != nil}
		if err := cmp.Or(
			length.excludes(parameter{c.cidrParameter(), c.cidr != nil}),
			length.needs(parameter{c.poolParameter(), c.pool != nil}),
		); err != nil {
			return err
		}
	}
	return nil
}

// parameter is a parameter of a request that depends on others.
type parameter struct {
	name  string
	given bool
}

// excludes returns an error if both parameters are given.
func (p parameter) excludes(q parameter) error {
	if p.given && q.given {
		return invalidCombination("The parameter '%s' may not be used in combination with '%s'.", p.name, q.name)
	}
	return nil
}

// needs returns an error if p is given without q.
func (p parameter) needs(q parameter) error {
	if p.given && !q.given {
		return invalidCombination("The parameter '%s' needs '%s'. Give both, or leave '%s' out.", p.name, q.name, p.name)
	}
	return nil
}

// with returns the CIDRs of the request to EC2: those that pools gave, and else those of
// the caller's request.
func (r cidrRequests) with(taken []netip.Prefix) (cidr4, cidr6 *string) {
	cidr4, cidr6 = r[0].cidr, r[1].cidr
	for _, p := range taken {
		if ipam.FamilyOf(p) == ipam.IPv4 {
			cidr4 = aws.String(p.String())
		} else {
			cidr6 = aws.String(p.String())
		}
	}
	return cidr4, cidr6
}

// allocateRequests returns the requests to pools for the CIDRs of a resource, none if it
// takes none from a pool.
func (o service) allocateRequests(ctx context.Context, operation string, space cidrRequests, r ipam.Resource) ([]store.Allocate, error) {
	var all []store.Allocate
	for _, c := range space {
		if c.pool == nil {
			continue
		}
		q, err := o.allocateRequest(ctx, operation, c, r)
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

func (o service) allocateRequest(ctx context.Context, operation string, c cidrRequest, r ipam.Resource) (q store.Allocate, err error) {
	if q.Pool, err = checkID(ipam.IDPool, c.poolParameter(), c.pool); err != nil {
		return q, err
	}
	// Without the caller's Region: the store compares the Region of the resource with the
	// pool's locale, and its error says more.
	q.Request = ipam.AllocateRequest{Length: parseLength(c.length)}
	if q.Request.CIDR, err = parseCIDR(c.cidrParameter(), c.cidr); err != nil {
		return q, err
	}
	q.Token = store.Token{Account: registry.CallerFrom(ctx).Account, Operation: operation}
	q.For = &r
	q.May = func(p *ipam.Pool) error {
		if err := checkVisible(ctx, p); err != nil {
			return err
		}
		if p.Family != c.family {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The pool %s is of the address family %s. Give it as %s.", p.ID, p.Family, cidrRequest{family: p.Family}.poolParameter())
		}
		return nil
	}
	return q, nil
}
