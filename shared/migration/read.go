package migration

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Deployment is the content of an IPAM, with the facts that a plan needs besides. The
// objects of its document have ids.
type Deployment struct {
	Document
	Account    string // the account that owns the IPAM, or that would
	HomeRegion string
	Quotas     ipam.Quotas
	Taken      map[string][]Taken // space of a pool that resources have, by the pool's id
	Live       map[string][]Live  // VPCs and subnets, by the scope's id
}

// Taken is an allocation of a resource.
type Taken struct {
	CIDR netip.Prefix
	By   string // the type and id of the resource
}

// Live is a CIDR of a VPC or subnet that exists.
type Live struct {
	CIDR              netip.Prefix
	Type              string // vpc or subnet
	ID, Region, Owner string
	PoolID            string // of the pool that manages it; "" if none does

	// The statuses, as GetIpamResourceCidrs shows them; "" if one does not apply.
	Management, Compliance, Overlap string
}

// ignored reports whether nobody monitors the CIDR, so that its space is free.
func (l Live) ignored() bool { return l.Management == string(types.IpamManagementStateIgnored) }

// defaultVPC is the CIDR with which EC2 makes every default VPC.
var defaultVPC = netip.MustParsePrefix("172.31.0.0/16")

// Reader reads an IPAM by the EC2 API, which Amazon VPC IPAM and Cadastre have.
type Reader struct {
	EC2      *ec2.Client
	IPAM     string // id; "" if there is one only
	Parallel int    // calls at once; 0 is 8
	// AtLocale reads the allocations of a pool in the Region that is the pool's locale, as
	// Amazon VPC IPAM demands it.
	AtLocale bool
	// Shares returns the principals that pools are shared with, by the pool's id.
	Shares func(ctx context.Context) (map[string][]string, error)
	// Progress, if set, is called after each pool.
	Progress func(done, total int)
}

// defaultParallel is the number of calls at once.
const defaultParallel = 8

// reservedTags begin the keys of tags that AWS sets.
const reservedTags = "aws:"

// Read returns the content of the IPAM. Without an IPAM, the deployment's document is
// empty.
func (r *Reader) Read(ctx context.Context) (*Deployment, error) {
	d := &Deployment{Document: Document{Format: Format}, Taken: map[string][]Taken{}, Live: map[string][]Live{}}
	found, err := r.ipam(ctx)
	if err != nil || found == nil {
		return d, err
	}
	d.Account, d.HomeRegion = aws.ToString(found.OwnerId), aws.ToString(found.IpamRegion)
	d.IPAM = showIPAM(found)
	if err := r.discovery(ctx, d.IPAM); err != nil {
		return nil, err
	}
	sources, err := r.objects(ctx, d, found)
	if err != nil {
		return nil, err
	}
	if err := r.contents(ctx, d); err != nil {
		return nil, err
	}
	if err := r.shares(ctx, d); err != nil {
		return nil, err
	}
	d.arrange(sources)
	return d, nil
}

// ipam returns the IPAM to read, nil if there is none.
func (r *Reader) ipam(ctx context.Context) (*types.Ipam, error) {
	var in ec2.DescribeIpamsInput
	if r.IPAM != "" {
		in.IpamIds = []string{r.IPAM}
	}
	var all []types.Ipam
	for p := ec2.NewDescribeIpamsPaginator(r.EC2, &in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the IPAMs: %w", err)
		}
		all = append(all, page.Ipams...)
	}
	all = slices.DeleteFunc(all, func(m types.Ipam) bool { return strings.HasPrefix(string(m.State), "delete") })
	if len(all) > 1 {
		var ids []string
		for _, m := range all {
			ids = append(ids, aws.ToString(m.IpamId))
		}
		return nil, fmt.Errorf("there are %d IPAMs, %s: name one", len(all), strings.Join(ids, ", "))
	}
	if len(all) == 0 {
		return nil, nil
	}
	return &all[0], nil
}

func showIPAM(m *types.Ipam) *IPAM {
	out := &IPAM{
		ID: aws.ToString(m.IpamId), Discovery: aws.ToString(m.DefaultResourceDiscoveryId), Description: aws.ToString(m.Description), Tags: tagsOf(m.Tags),
		EnablePrivateGUA: aws.ToBool(m.EnablePrivateGua),
	}
	if m.Tier != types.IpamTierAdvanced {
		out.Tier = string(m.Tier)
	}
	if m.MeteredAccount != types.IpamMeteredAccountIpamOwner {
		out.MeteredAccount = string(m.MeteredAccount)
	}
	for _, region := range m.OperatingRegions {
		out.OperatingRegions = append(out.OperatingRegions, aws.ToString(region.RegionName))
	}
	return out
}

// discovery reads the settings of the default resource discovery.
func (r *Reader) discovery(ctx context.Context, m *IPAM) error {
	if m.Discovery == "" {
		return nil
	}
	out, err := r.EC2.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{m.Discovery}})
	if err != nil {
		return fmt.Errorf("read the resource discovery %s: %w", m.Discovery, err)
	}
	for _, d := range out.IpamResourceDiscoveries {
		m.DiscoveryTags = tagsOf(d.Tags)
		for _, e := range d.OrganizationalUnitExclusions {
			m.ExcludedUnits = append(m.ExcludedUnits, aws.ToString(e.OrganizationsEntityPath))
		}
	}
	return nil
}

// objects reads the scopes and pools. It returns the source of each pool that has one.
func (r *Reader) objects(ctx context.Context, d *Deployment, m *types.Ipam) (map[*Pool]*Pool, error) {
	scopes := map[string]*Scope{}
	for p := ec2.NewDescribeIpamScopesPaginator(r.EC2, &ec2.DescribeIpamScopesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the scopes: %w", err)
		}
		for _, s := range page.IpamScopes {
			if aws.ToString(s.IpamArn) != aws.ToString(m.IpamArn) || strings.HasPrefix(string(s.State), "delete") {
				continue
			}
			out := &Scope{ID: aws.ToString(s.IpamScopeId), Description: aws.ToString(s.Description), Tags: tagsOf(s.Tags)}
			switch out.ID {
			case aws.ToString(m.PrivateDefaultScopeId):
				out.Name = PrivateScope
			case aws.ToString(m.PublicDefaultScopeId):
				out.Name = PublicScope
			}
			d.Scopes = append(d.Scopes, out)
			scopes[aws.ToString(s.IpamScopeArn)] = out
		}
	}
	pools, sourceIDs := map[string]*Pool{}, map[*Pool]string{}
	for p := ec2.NewDescribeIpamPoolsPaginator(r.EC2, &ec2.DescribeIpamPoolsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the pools: %w", err)
		}
		for i := range page.IpamPools {
			p := &page.IpamPools[i]
			s := scopes[aws.ToString(p.IpamScopeArn)]
			if s == nil || strings.HasPrefix(string(p.State), "delete") {
				continue // another IPAM's, or shared by another account
			}
			out := showPool(p)
			s.Pools = append(s.Pools, out)
			pools[out.ID], sourceIDs[out] = out, aws.ToString(p.SourceIpamPoolId)
		}
	}
	sources := map[*Pool]*Pool{}
	for p, id := range sourceIDs {
		if id != "" {
			sources[p] = pools[id]
		}
	}
	return sources, nil
}

func showPool(p *types.IpamPool) *Pool {
	out := &Pool{
		ID: aws.ToString(p.IpamPoolId), Family: string(p.AddressFamily), Description: aws.ToString(p.Description), AutoImport: aws.ToBool(p.AutoImport),
		AWSService: string(p.AwsService), PublicIPSource: string(p.PublicIpSource), Tags: tagsOf(p.Tags),
		MinLength: intOf(p.AllocationMinNetmaskLength), MaxLength: intOf(p.AllocationMaxNetmaskLength), DefaultLength: intOf(p.AllocationDefaultNetmaskLength),
	}
	if l := aws.ToString(p.Locale); l != "None" {
		out.Locale = l
	}
	if aws.ToBool(p.PubliclyAdvertisable) {
		out.PubliclyAdvertisable = aws.Bool(true)
	} else if p.IpamScopeType == types.IpamScopeTypePublic && p.AddressFamily == types.AddressFamilyIpv6 && p.PublicIpSource != types.IpamPoolPublicIpSourceAmazon {
		out.PubliclyAdvertisable = aws.Bool(false) // a request for such a pool must say so
	}
	for _, t := range p.AllocationResourceTags {
		if out.RuleTags == nil {
			out.RuleTags = ipam.Tags{}
		}
		out.RuleTags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if r := p.SourceResource; r != nil {
		out.SourceResource = &SourceResource{ID: aws.ToString(r.ResourceId), Owner: aws.ToString(r.ResourceOwner), Region: aws.ToString(r.ResourceRegion)}
	}
	return out
}

// contents reads the CIDRs and allocations of the pools, and the live resources of the
// scopes.
func (r *Reader) contents(ctx context.Context, d *Deployment) error {
	total := 0
	for _, s := range d.Scopes {
		total += len(s.Pools)
	}
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(r.Parallel, defaultParallel))
	for _, s := range d.Scopes {
		g.Go(func() error {
			live, err := r.live(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			d.Live[s.ID] = live
			return err
		})
		for _, p := range s.Pools {
			g.Go(func() error {
				taken, err := r.pool(ctx, p, d.Account)
				mu.Lock()
				defer mu.Unlock()
				d.Taken[p.ID] = taken
				if done++; err == nil && r.Progress != nil {
					r.Progress(done, total)
				}
				return err
			})
		}
	}
	return g.Wait()
}

// pool reads a pool's CIDRs and its custom allocations. It returns the allocations of
// resources.
func (r *Reader) pool(ctx context.Context, p *Pool, account string) ([]Taken, error) {
	for pages := ec2.NewGetIpamPoolCidrsPaginator(r.EC2, &ec2.GetIpamPoolCidrsInput{IpamPoolId: &p.ID}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the CIDRs of %s: %w", p.ID, err)
		}
		for _, c := range page.IpamPoolCidrs {
			switch c.State {
			case types.IpamPoolCidrStateProvisioned, types.IpamPoolCidrStatePendingProvision, types.IpamPoolCidrStateFailedDeprovision, types.IpamPoolCidrStatePendingImport:
				p.CIDRs = append(p.CIDRs, aws.ToString(c.Cidr))
			default: // the pool does not have it
			}
		}
	}
	region := func(o *ec2.Options) {
		if r.AtLocale && ipam.IsRegion(p.Locale) {
			o.Region = p.Locale
		}
	}
	var taken []Taken
	for pages := ec2.NewGetIpamPoolAllocationsPaginator(r.EC2, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &p.ID, MaxResults: aws.Int32(allocationsPage)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx, region)
		if err != nil {
			return nil, fmt.Errorf("list the allocations of %s: %w", p.ID, err)
		}
		for i := range page.IpamPoolAllocations {
			a := &page.IpamPoolAllocations[i]
			switch a.ResourceType {
			case types.IpamPoolAllocationResourceTypeCustom:
				p.Allocations = append(p.Allocations, showAllocation(a, account))
			case types.IpamPoolAllocationResourceTypeIpamPool:
			default:
				c, err := netip.ParsePrefix(aws.ToString(a.Cidr))
				if err != nil {
					return nil, fmt.Errorf("the allocation %s of %s: %w", aws.ToString(a.IpamPoolAllocationId), p.ID, err)
				}
				taken = append(taken, Taken{c, strings.TrimSpace(string(a.ResourceType) + " " + aws.ToString(a.ResourceId))})
			}
		}
	}
	return taken, nil
}

// allocationsPage is the number of allocations that one call lists: 1,000 to 100,000.
const allocationsPage = 10000

func showAllocation(a *types.IpamPoolAllocation, account string) *Allocation {
	out := &Allocation{ID: aws.ToString(a.IpamPoolAllocationId), CIDR: aws.ToString(a.Cidr), Description: aws.ToString(a.Description), Tags: tagsOf(a.Tags)}
	if owner := aws.ToString(a.ResourceOwner); owner != account {
		out.Owner = owner
	}
	return out
}

// live reads the VPCs and subnets of a scope, and sets those with a setting of a user.
func (r *Reader) live(ctx context.Context, s *Scope) ([]Live, error) {
	var all []Live
	for pages := ec2.NewGetIpamResourceCidrsPaginator(r.EC2, &ec2.GetIpamResourceCidrsInput{IpamScopeId: &s.ID}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the resources of %s: %w", s.ID, err)
		}
		for _, v := range page.IpamResourceCidrs {
			if v.ResourceType != types.IpamResourceTypeVpc && v.ResourceType != types.IpamResourceTypeSubnet {
				continue
			}
			c, err := netip.ParsePrefix(aws.ToString(v.ResourceCidr))
			if err != nil {
				return nil, fmt.Errorf("the resource %s: %w", aws.ToString(v.ResourceId), err)
			}
			l := Live{
				CIDR: c, Type: string(v.ResourceType), ID: aws.ToString(v.ResourceId), Region: aws.ToString(v.ResourceRegion), Owner: aws.ToString(v.ResourceOwnerId), PoolID: aws.ToString(v.IpamPoolId),
				Management: string(v.ManagementState), Compliance: string(v.ComplianceStatus), Overlap: string(v.OverlapStatus),
			}
			all = append(all, l)
			if v.ResourceType == types.IpamResourceTypeVpc && c != defaultVPC && (l.ignored() || !s.isDefault()) {
				s.Resources = append(s.Resources, &Resource{ID: l.ID, CIDR: c.String(), Region: l.Region, Ignored: l.ignored()})
			}
		}
	}
	return all, nil
}

// shares reads the pools' shares.
func (r *Reader) shares(ctx context.Context, d *Deployment) error {
	if r.Shares == nil {
		return nil
	}
	shares, err := r.Shares(ctx)
	if err != nil {
		return err
	}
	for _, s := range d.Scopes {
		for _, p := range s.Pools {
			p.Shares = shares[p.ID]
		}
	}
	return nil
}

// tagsOf returns tags without those that AWS or a stack sets, which nobody else may set.
func tagsOf(given []types.Tag) ipam.Tags {
	var tags ipam.Tags
	for _, t := range given {
		k := aws.ToString(t.Key)
		if strings.HasPrefix(strings.ToLower(k), reservedTags) || slices.Contains(ipam.StackTags, k) {
			continue
		}
		if tags == nil {
			tags = ipam.Tags{}
		}
		tags[k] = aws.ToString(t.Value)
	}
	return tags
}

func intOf(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}
