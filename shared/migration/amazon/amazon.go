// Package amazon reads an Amazon VPC IPAM by its own API in the user's account, with the
// shares of AWS RAM.
package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ram"
	ramtypes "github.com/aws/aws-sdk-go-v2/service/ram/types"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// Source is an Amazon VPC IPAM. Its clients are for the home Region.
type Source struct {
	EC2      *ec2.Client
	RAM      *ram.Client
	IPAM     string // id; "" if there is one only
	Parallel int    // calls at once; 0 is 8
	// Progress, if set, is called after each pool.
	Progress func(done, total int)
}

// Read returns the content of the IPAM, and a finding for each thing that the IPAM has and
// an import does not make. It fails without an IPAM.
//
// A pool for a VPC's subnets has no allocations here: they are of subnets, which discovery
// finds, as it finds all VPCs.
func (s *Source) Read(ctx context.Context) (*migration.Deployment, []migration.Finding, error) {
	r := &migration.Reader{EC2: s.EC2, IPAM: s.IPAM, Parallel: s.Parallel, Progress: s.Progress, AtLocale: true, Shares: s.shares}
	d, err := r.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if d.IPAM == nil {
		return nil, nil, errors.New("the account has no IPAM in this Region")
	}
	findings, err := s.others(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	return d, append(findings, taken(d)...), nil
}

// poolType is RAM's name of a pool's type.
const poolType = "ec2:IpamPool"

// shares returns the principals that the account's pools are shared with in AWS RAM, by the
// pool's id.
func (s *Source) shares(ctx context.Context) (map[string][]string, error) {
	pools := map[string][]string{} // by the ARN of a resource share
	for pages := ram.NewListResourcesPaginator(s.RAM, &ram.ListResourcesInput{ResourceOwner: ramtypes.ResourceOwnerSelf, ResourceType: aws.String(poolType)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the shared pools in AWS RAM: %w", err)
		}
		for _, r := range page.Resources {
			arn, id := aws.ToString(r.ResourceShareArn), aws.ToString(r.Arn)
			pools[arn] = append(pools[arn], id[strings.LastIndexByte(id, '/')+1:])
		}
	}
	shares := map[string][]string{}
	if len(pools) == 0 {
		return shares, nil
	}
	for pages := ram.NewListPrincipalsPaginator(s.RAM, &ram.ListPrincipalsInput{ResourceOwner: ramtypes.ResourceOwnerSelf}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the principals of shares in AWS RAM: %w", err)
		}
		for _, p := range page.Principals {
			principal := aws.ToString(p.Id)
			if parsed, ok := ipam.ParsePrincipal(principal); ok {
				principal = parsed.ID // RAM shows the ARNs of units and organisations
			}
			for _, pool := range pools[aws.ToString(p.ResourceShareArn)] {
				if !slices.Contains(shares[pool], principal) {
					shares[pool] = append(shares[pool], principal)
				}
			}
		}
	}
	for _, list := range shares {
		slices.Sort(list)
	}
	return shares, nil
}

func unsupported(object, next, message string, args ...any) migration.Finding {
	return migration.Finding{Kind: migration.KindUnsupported, Object: object, Message: fmt.Sprintf(message, args...), Next: next}
}

// taken returns the findings on allocations of resources that discovery does not make.
func taken(d *migration.Deployment) []migration.Finding {
	var findings []migration.Finding
	for _, s := range d.Scopes {
		for _, p := range s.Pools {
			for _, t := range d.Taken[p.ID] {
				if kind, _, _ := strings.Cut(t.By, " "); kind != "vpc" && kind != "subnet" {
					findings = append(findings, unsupported(t.CIDR.String(), "Keep the pool in Amazon VPC IPAM, or release the resource.", "%s has it in the pool %s. Cadastre gives no such resource a CIDR.", t.By, p.Name))
				}
			}
		}
	}
	return findings
}

// other is a kind of objects that an IPAM may have and that an import does not make.
type other struct {
	object string
	next   string
	count  func(ctx context.Context, s *Source, d *migration.Deployment) (int, error)
}

// countAll counts the objects of all pages. call returns the number on a page and the next
// token.
func countAll(call func(token *string) (int, *string, error)) (int, error) {
	total := 0
	for token := (*string)(nil); ; {
		n, next, err := call(token)
		if err != nil {
			return 0, err
		}
		total += n
		if aws.ToString(next) == "" {
			return total, nil
		}
		token = next
	}
}

const keep = "Keep them in Amazon VPC IPAM."

var others = []other{
	{"external authorities of scopes", keep, func(ctx context.Context, s *Source, d *migration.Deployment) (int, error) {
		return countAll(func(token *string) (n int, _ *string, err error) {
			out, err := s.EC2.DescribeIpamScopes(ctx, &ec2.DescribeIpamScopesInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			for _, scope := range out.IpamScopes {
				if scope.ExternalAuthorityConfiguration != nil && strings.HasSuffix(aws.ToString(scope.IpamArn), "/"+d.IPAM.ID) {
					n++
				}
			}
			return n, out.NextToken, nil
		})
	}},
	{"resource discoveries besides the default one", "Create them in Cadastre with CreateIpamResourceDiscovery.", func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (n int, _ *string, err error) {
			out, err := s.EC2.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			for _, discovery := range out.IpamResourceDiscoveries {
				if !aws.ToBool(discovery.IsDefault) {
					n++
				}
			}
			return n, out.NextToken, nil
		})
	}},
	{"associations of resource discoveries besides the default one", "Associate the discoveries in Cadastre. It watches no other organisation.", func(ctx context.Context, s *Source, d *migration.Deployment) (int, error) {
		return countAll(func(token *string) (n int, _ *string, err error) {
			out, err := s.EC2.DescribeIpamResourceDiscoveryAssociations(ctx, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			for _, a := range out.IpamResourceDiscoveryAssociations {
				if !aws.ToBool(a.IsDefault) && aws.ToString(a.IpamId) == d.IPAM.ID {
					n++
				}
			}
			return n, out.NextToken, nil
		})
	}},
	{"prefix list resolvers", keep, func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (int, *string, error) {
			out, err := s.EC2.DescribeIpamPrefixListResolvers(ctx, &ec2.DescribeIpamPrefixListResolversInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			return len(out.IpamPrefixListResolvers), out.NextToken, nil
		})
	}},
	{"policies", keep, func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (int, *string, error) {
			out, err := s.EC2.DescribeIpamPolicies(ctx, &ec2.DescribeIpamPoliciesInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			return len(out.IpamPolicies), out.NextToken, nil
		})
	}},
	{"verification tokens", keep, func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (int, *string, error) {
			out, err := s.EC2.DescribeIpamExternalResourceVerificationTokens(ctx, &ec2.DescribeIpamExternalResourceVerificationTokensInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			return len(out.IpamExternalResourceVerificationTokens), out.NextToken, nil
		})
	}},
	{"autonomous system numbers", keep, func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (int, *string, error) {
			out, err := s.EC2.DescribeIpamByoasn(ctx, &ec2.DescribeIpamByoasnInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			return len(out.Byoasns), out.NextToken, nil
		})
	}},
	{"associations with internet registries", keep, func(ctx context.Context, s *Source, _ *migration.Deployment) (int, error) {
		return countAll(func(token *string) (int, *string, error) {
			out, err := s.EC2.DescribeIpamInternetRegistryAssociations(ctx, &ec2.DescribeIpamInternetRegistryAssociationsInput{NextToken: token})
			if err != nil {
				return 0, nil, err
			}
			return len(out.IpamInternetRegistryAssociations), out.NextToken, nil
		})
	}},
}

// others returns a finding for each kind of objects that the IPAM has and an import does
// not make, and for each that the caller may not list.
func (s *Source) others(ctx context.Context, d *migration.Deployment) ([]migration.Finding, error) {
	var findings []migration.Finding
	for _, o := range others {
		n, err := o.count(ctx, s, d)
		e, answered := errors.AsType[smithy.APIError](err)
		switch {
		case answered && slices.Contains([]string{"InvalidAction", "UnsupportedOperation"}, e.ErrorCode()): // a Region without it
		case answered && e.ErrorCode() == "UnauthorizedOperation":
			findings = append(findings, unsupported(o.object, "Let the caller list them, or see whether there are any.", "The caller may not list them."))
		case err != nil:
			return nil, fmt.Errorf("list the %s: %w", o.object, err)
		case n > 0:
			findings = append(findings, unsupported(o.object, o.next, "The IPAM has %d, which an import does not make.", n))
		}
	}
	return findings, nil
}
