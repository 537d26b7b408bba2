package ops

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// sourceResource reads the VPC of a resource planning pool, and returns nil for any other
// pool. The VPC's owner is the caller by default. Its Region is the pool's locale by
// default, or else the caller's Region.
func (o service) sourceResource(ctx context.Context, in *ec2.CreateIpamPoolInput) (*ipam.SourceResource, error) {
	r := in.SourceResource
	if r == nil {
		return nil, nil
	}
	if in.SourceIpamPoolId == nil {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter SourceIpamPoolId with SourceResource: the pool that the VPC has its CIDR from.")
	}
	at := &ipam.SourceResource{ID: aws.ToString(r.ResourceId), Owner: aws.ToString(r.ResourceOwner), Region: aws.ToString(r.ResourceRegion)}
	if at.Owner == "" {
		at.Owner = registry.CallerFrom(ctx).Account
	}
	if at.Region == "" {
		if at.Region = aws.ToString(in.Locale); at.Region == "" || at.Region == noLocale {
			at.Region = o.region(ctx)
		}
	}
	switch {
	case at.ID == "" || r.ResourceType == "":
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain SourceResource with ResourceId and ResourceType.")
	case r.ResourceType != types.IpamPoolSourceResourceTypeVpc:
		return nil, schema.Invalid("SourceResource.ResourceType", string(r.ResourceType), "It is vpc.")
	}
	return at, nil
}

// checkPlanning returns an error for a resource planning pool unless its VPC has a CIDR
// from the source pool, and for any pool whose source is a planning pool.
func (o service) checkPlanning(ctx context.Context, source, p *ipam.Pool) error {
	if source.SourceVPC() != "" {
		return schema.Invalid("SourceIpamPoolId", source.ID, "It is a resource planning pool, whose space goes to the subnets of %s. Use another source.", source.SourceVPC())
	}
	r := p.SourceResource
	if r == nil {
		return nil
	}
	switch p.Locale {
	case "":
		p.Locale = r.Region
	case r.Region:
	default:
		return schema.Invalid("SourceResource.ResourceRegion", r.Region, "The locale of the pool is %s. A resource planning pool has the Region of its VPC.", p.Locale)
	}
	has, err := o.store.HasCIDRFrom(ctx, source, p.Family, *r)
	if err == nil && !has {
		return schema.Invalid("SourceResource.ResourceId", r.ID, "The pool %s has given it no %s CIDR, as far as discovery has seen account %s in %s. Name the pool that the VPC has its CIDR from, and wait until discovery has seen it.", source.ID, p.Family, r.Owner, r.Region)
	}
	return err
}

// inheritSource gives a pool the settings of its source, and returns an error if the pool
// cannot be under it. source is nil if there is no pool with that id.
func inheritSource(ctx context.Context, source, p *ipam.Pool) error {
	if source == nil {
		return ipam.NotFound(p.SourcePool)
	}
	if err := checkOwner(ctx, &source.Meta); err != nil {
		return err
	}
	switch {
	case source.Scope != p.Scope:
		return schema.Invalid("SourceIpamPoolId", source.ID, "It is in the scope %s and not in %s. A pool and its source are in the same scope.", source.Scope, p.Scope)
	case source.Family != p.Family:
		return schema.Invalid("AddressFamily", p.Family.String(), "The source pool %s is of %s. A pool and its source have the same family.", source.ID, source.Family)
	case p.Locale == "":
		p.Locale = source.Locale
	case source.Locale != "" && source.Locale != p.Locale:
		return schema.Invalid("Locale", p.Locale, "The source pool %s has the locale %s, which the pools under it have too.", source.ID, source.Locale)
	}
	switch p.PublicIPSource {
	case "":
		p.PublicIPSource = source.PublicIPSource
	case source.PublicIPSource:
	default:
		return invalidCombination("The PublicIpSource %s differs from that of the source pool %s, which is %s. Leave it out.", p.PublicIPSource, source.ID, source.PublicIPSource)
	}
	return nil
}

// checkLocale returns an error for a locale that is no operating Region.
func checkLocale(above *ipam.IPAM, p *ipam.Pool) error {
	global := p.AWSService == string(types.IpamPoolAwsServiceGlobalServices)
	switch {
	case p.Locale == globalLocale && global:
		return nil
	case global:
		return invalidCombination("The AwsService global-services needs the Locale Global.")
	case p.Locale == "" || slices.Contains(above.OperatingRegions, p.Locale):
		return nil
	}
	return schema.Invalid("Locale", p.Locale, "It is no operating Region of %s, which are %s. Use one of them, or add the Region with ModifyIpam.", above.ID, strings.Join(above.OperatingRegions, ", "))
}

// checkPublic completes the settings of pools in public scopes, and returns an error for
// them elsewhere. advertisableGiven reports whether the request has PubliclyAdvertisable,
// false or true: clients send it for every IPv6 pool that is not Amazon's, also in
// private scopes.
func checkPublic(p *ipam.Pool, advertisableGiven bool) error {
	public := p.ScopeType == ipam.ScopePublic
	if !public && (p.AWSService != "" || p.PublicIPSource != "") {
		return invalidCombination("AwsService and PublicIpSource are for pools in public scopes, and %s is private. Leave them out.", p.Scope)
	}
	if public && p.PublicIPSource == "" {
		p.PublicIPSource = string(types.IpamPoolPublicIpSourceByoip)
	}
	amazon := p.PublicIPSource == string(types.IpamPoolPublicIpSourceAmazon)
	if amazon && p.Locale == "" {
		return invalidCombination("A pool with PublicIpSource amazon needs a Locale. Give one.")
	}
	if p.AWSService != "" && p.Locale == "" {
		return invalidCombination("A pool with an AwsService needs a Locale. Give one.")
	}
	return checkAdvertisable(p, p.Family == ipam.IPv6 && !amazon, advertisableGiven)
}

// checkAdvertisable checks PubliclyAdvertisable. byoip reports whether the pool has the
// family and source that can be advertised.
func checkAdvertisable(p *ipam.Pool, byoip, given bool) error {
	public := p.ScopeType == ipam.ScopePublic
	if given && !byoip || p.PubliclyAdvertisable && !public {
		return invalidCombination("The request can only contain PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip. Leave it out.")
	}
	if public && byoip && !given {
		return ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter PubliclyAdvertisable if the AddressFamily is IPv6 and PublicIpSource is byoip.")
	}
	return nil
}

// checkAutoImport returns an error for AutoImport in a public scope. A pool without a
// locale may have it, as in EC2, and imports nothing.
func checkAutoImport(p *ipam.Pool) error {
	if p.AutoImport && p.ScopeType == ipam.ScopePublic {
		return invalidCombination("AutoImport is for pools in private scopes, and %s is public. Leave it out.", p.Scope)
	}
	return nil
}
