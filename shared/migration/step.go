package migration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// The phases of an import. All steps of a phase are done before the next one begins. Each
// depth of pools has two: the pools, and their CIDRs.
const (
	phaseIPAM = iota
	phaseSettings
	phasePools
	phaseResources   = 999
	phaseShares      = 1000
	phaseAllocations = 1001
)

// Step is one call of the API that an import makes. The zero Step is invalid.
type Step struct {
	Operation string // of the API
	phase     int

	ipam        *ipamTarget
	scope       *scopeTarget
	pool        *poolTarget
	allocation  *Allocation
	owner       string // account that is to own the allocation; "" is the importing one
	cidr        netip.Prefix
	resource    *Resource
	from        *scopeTarget // the resource's scope before
	names       []string     // Regions, paths of units, or a principal
	description string
	flag        bool          // EnablePrivateGua
	id          func() string // of the object to tag
	tags        ipam.Tags
}

// Cadastre is the API of a deployment, as the client of one account calls it.
type Cadastre struct {
	EC2  *ec2.Client
	JSON *client.JSON
}

// do makes the step's call. round distinguishes the client tokens of a later round.
func (s Step) do(ctx context.Context, api Cadastre, round int) error {
	switch s.Operation {
	case "CreateIpam":
		return s.createIPAM(ctx, api, round)
	case "ModifyIpam":
		in := &ec2.ModifyIpamInput{IpamId: &s.ipam.id, Description: optional(s.description)}
		for _, r := range s.names {
			in.AddOperatingRegions = append(in.AddOperatingRegions, types.AddIpamOperatingRegion{RegionName: &r})
		}
		if s.flag {
			in.EnablePrivateGua = aws.Bool(true)
		}
		_, err := api.EC2.ModifyIpam(ctx, in)
		return err
	case "ModifyIpamResourceDiscovery":
		in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: &s.ipam.discovery}
		for _, path := range s.names {
			in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &path})
		}
		_, err := api.EC2.ModifyIpamResourceDiscovery(ctx, in)
		return err
	case "CreateTags":
		_, err := api.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{s.id()}, Tags: showTags(s.tags)})
		return err
	case "ModifyIpamScope":
		_, err := api.EC2.ModifyIpamScope(ctx, &ec2.ModifyIpamScopeInput{IpamScopeId: &s.scope.id, Description: &s.description})
		return err
	case "CreateIpamScope":
		w := s.scope.wanted
		in := &ec2.CreateIpamScopeInput{IpamId: &s.scope.ipam.id, Description: optional(w.Description), TagSpecifications: specify(types.ResourceTypeIpamScope, w.allTags())}
		in.ClientToken = s.token(in, 0, round)
		out, err := api.EC2.CreateIpamScope(ctx, in)
		if err == nil {
			s.scope.id = aws.ToString(out.IpamScope.IpamScopeId)
		}
		return err
	case "CreateIpamPool":
		in := s.createPool()
		in.ClientToken = s.token(in, s.pool.number, round)
		out, err := api.EC2.CreateIpamPool(ctx, in)
		if err == nil {
			s.pool.id = aws.ToString(out.IpamPool.IpamPoolId)
		}
		return err
	case "ProvisionIpamPoolCidr":
		in := &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &s.pool.id, Cidr: aws.String(s.cidr.String())}
		in.ClientToken = s.token(in, 0, round)
		_, err := api.EC2.ProvisionIpamPoolCidr(ctx, in)
		return err
	case "ModifyIpamResourceCidr":
		in := &ec2.ModifyIpamResourceCidrInput{
			ResourceId: &s.resource.ID, ResourceCidr: aws.String(s.cidr.String()), ResourceRegion: &s.resource.Region, CurrentIpamScopeId: &s.from.id, Monitored: aws.Bool(!s.resource.Ignored),
		}
		if s.from != s.scope {
			in.DestinationIpamScopeId = &s.scope.id
		}
		_, err := api.EC2.ModifyIpamResourceCidr(ctx, in)
		return err
	case "PutIpamPoolShare":
		in := map[string]string{"IpamPoolId": s.pool.id, "Principal": s.names[0]}
		return api.JSON.Call(ctx, s.Operation, in, &struct{}{})
	case "AllocateIpamPoolCidr":
		a := s.allocation
		in := &ec2.AllocateIpamPoolCidrInput{
			IpamPoolId: &s.pool.id, Cidr: aws.String(s.cidr.String()), Description: optional(a.Description), TagSpecifications: specify("ipam-pool-allocation", a.Tags),
		}
		in.ClientToken = s.token(in, 0, round)
		_, err := api.EC2.AllocateIpamPoolCidr(ctx, in)
		return err
	}
	return fmt.Errorf("no step has the operation %q", s.Operation)
}

func (s Step) createIPAM(ctx context.Context, api Cadastre, round int) error {
	w := s.ipam.wanted
	in := &ec2.CreateIpamInput{
		Description: optional(w.Description), Tier: types.IpamTier(w.Tier), MeteredAccount: types.IpamMeteredAccount(w.MeteredAccount),
		TagSpecifications: specify(types.ResourceTypeIpam, w.Tags),
	}
	if w.EnablePrivateGUA {
		in.EnablePrivateGua = aws.Bool(true)
	}
	for _, r := range w.OperatingRegions {
		in.OperatingRegions = append(in.OperatingRegions, types.AddIpamOperatingRegion{RegionName: &r})
	}
	in.ClientToken = s.token(in, 0, round)
	out, err := api.EC2.CreateIpam(ctx, in)
	if err != nil {
		return err
	}
	m := out.Ipam
	s.ipam.id, s.ipam.discovery = aws.ToString(m.IpamId), aws.ToString(m.DefaultResourceDiscoveryId)
	for name, id := range map[string]*string{PrivateScope: m.PrivateDefaultScopeId, PublicScope: m.PublicDefaultScopeId} {
		s.ipam.scopes[name].id = aws.ToString(id)
	}
	return nil
}

func (s Step) createPool() *ec2.CreateIpamPoolInput {
	w := s.pool.wanted
	in := &ec2.CreateIpamPoolInput{
		IpamScopeId: &s.pool.scope.id, AddressFamily: types.AddressFamily(s.pool.family), Locale: optional(s.pool.locale), Description: optional(w.Description),
		PubliclyAdvertisable: w.PubliclyAdvertisable, AwsService: types.IpamPoolAwsService(w.AWSService), PublicIpSource: types.IpamPoolPublicIpSource(w.PublicIPSource),
		AllocationMinNetmaskLength: lengthParameter(w.MinLength), AllocationMaxNetmaskLength: lengthParameter(w.MaxLength), AllocationDefaultNetmaskLength: lengthParameter(w.DefaultLength),
		TagSpecifications: specify(types.ResourceTypeIpamPool, w.allTags()),
	}
	if s.pool.source != nil {
		in.SourceIpamPoolId = &s.pool.source.id
	}
	if w.AutoImport {
		in.AutoImport = aws.Bool(true)
	}
	for _, k := range slices.Sorted(maps.Keys(w.RuleTags)) {
		in.AllocationResourceTags = append(in.AllocationResourceTags, types.RequestIpamResourceTag{Key: aws.String(k), Value: aws.String(w.RuleTags[k])})
	}
	if r := w.SourceResource; r != nil {
		in.SourceResource = &types.IpamPoolSourceResourceRequest{ResourceId: &r.ID, ResourceOwner: &r.Owner, ResourceRegion: &r.Region, ResourceType: types.IpamPoolSourceResourceTypeVpc}
	}
	return in
}

// token returns the client token of a step: the same for the same input, so that a step
// that is repeated after a break happens once. number differs between steps with the same
// input, and round between the steps for an object that a user has deleted since.
func (s Step) token(in any, number, round int) *string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode([]any{"cadastre import", s.Operation, in, number, round}) // neither fails
	return aws.String(hex.EncodeToString(h.Sum(nil)))
}

// specify returns the tags of a new object.
func specify(kind types.ResourceType, tags ipam.Tags) []types.TagSpecification {
	if len(tags) == 0 {
		return nil
	}
	return []types.TagSpecification{{ResourceType: kind, Tags: showTags(tags)}}
}

func showTags(tags ipam.Tags) []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lengthParameter(n *int) *int32 {
	if n == nil {
		return nil
	}
	return aws.Int32(int32(*n))
}
