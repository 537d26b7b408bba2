package amazon_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ram"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration/amazon"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

const (
	home    = "eu-west-1"
	account = "111122223333"
	member  = "444455556666"
	unit    = "ou-f6g7-h8i9j0k1"
)

// fake is an Amazon VPC IPAM and an AWS RAM. It has the limits and habits of the real
// ones that matter to a reader: pages, bounds of MaxResults, allocations that are read in
// the Region of the pool's locale only, requests that it refuses for lack of capacity, and
// objects that are being deleted.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	requests int
	throttle int // every how many requests one is refused; 0 for none

	ipam        types.Ipam
	scopes      []types.IpamScope
	pools       []types.IpamPool
	cidrs       map[string][]types.IpamPoolCidr
	allocations map[string][]types.IpamPoolAllocation
	resources   map[string][]types.IpamResourceCidr // by scope
	shared      []map[string]any                    // RAM's resources
	principals  []map[string]any
}

// The sizes of the fake's pages.
const objectsPage, allocationsPage = 40, 1000

func newFake(t *testing.T) *fake {
	f := &fake{t: t, cidrs: map[string][]types.IpamPoolCidr{}, allocations: map[string][]types.IpamPoolAllocation{}, resources: map[string][]types.IpamResourceCidr{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// source returns the reader of the fake, with the SDK's clients.
func (f *fake) source() *amazon.Source {
	cfg := aws.Config{
		Region: home, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""), BaseEndpoint: &f.URL,
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
				o.MaxAttempts, o.RateLimiter = 8, unlimited{}
			})
		},
	}
	return &amazon.Source{EC2: ec2.NewFromConfig(cfg), RAM: ram.NewFromConfig(cfg)}
}

// refusal is an error answer.
type refusal struct {
	code   ipam.Code
	status int
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	signature, err := sigv4.Parse(r.Header.Get("Authorization"))
	if err != nil {
		f.t.Errorf("%s: %v", r.URL, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if signature.Service == "ram" {
		f.ram(w, r, body)
		return
	}
	form, _ := url.ParseQuery(string(body))
	if f.throttle > 0 && f.requests%f.throttle == 0 {
		f.refuse(w, refusal{"RequestLimitExceeded", http.StatusServiceUnavailable})
		return
	}
	operation := form.Get("Action")
	o, ok := client.Lookup(operation)
	if !ok {
		f.t.Errorf("the action %s", operation)
		return
	}
	in := o.NewInput()
	if err := ec2query.Decode(form, operation, in); err != nil {
		f.t.Errorf("%s: %v", operation, err)
		return
	}
	out, refused := f.call(in, signature.Region)
	if refused.code != "" {
		f.refuse(w, refused)
		return
	}
	answer, err := ec2query.Encode(operation, "id", out)
	if err != nil {
		f.t.Errorf("%s: %v", operation, err)
	}
	w.Write(answer)
}

func (f *fake) refuse(w http.ResponseWriter, r refusal) {
	w.WriteHeader(r.status)
	w.Write(ec2query.EncodeError("id", ipam.Errorf(r.code, "refused")))
}

// paged returns a page of a list and the token of the next one. The token is the position.
func paged[T any](all []T, token *string, size int) ([]T, *string) {
	from := 0
	fmt.Sscan(aws.ToString(token), &from)
	to := min(from+size, len(all))
	if to == len(all) {
		return all[from:], nil
	}
	return all[from:to], aws.String(fmt.Sprint(to))
}

func (f *fake) call(in any, region string) (any, refusal) {
	if _, ok := in.(*ec2.GetIpamPoolAllocationsInput); !ok && region != home {
		f.t.Errorf("%T is called in %s", in, region)
	}
	switch in := in.(type) {
	case *ec2.DescribeIpamsInput:
		gone := types.Ipam{IpamId: aws.String("ipam-00000000000000009"), State: types.IpamStateDeleteComplete}
		return &ec2.DescribeIpamsOutput{Ipams: []types.Ipam{gone, f.ipam}}, refusal{}
	case *ec2.DescribeIpamScopesInput:
		page, next := paged(f.scopes, in.NextToken, 2)
		return &ec2.DescribeIpamScopesOutput{IpamScopes: page, NextToken: next}, refusal{}
	case *ec2.DescribeIpamPoolsInput:
		page, next := paged(f.pools, in.NextToken, objectsPage)
		return &ec2.DescribeIpamPoolsOutput{IpamPools: page, NextToken: next}, refusal{}
	case *ec2.GetIpamPoolCidrsInput:
		page, next := paged(f.cidrs[*in.IpamPoolId], in.NextToken, objectsPage)
		return &ec2.GetIpamPoolCidrsOutput{IpamPoolCidrs: page, NextToken: next}, refusal{}
	case *ec2.GetIpamPoolAllocationsInput:
		for _, p := range f.pools {
			if locale := strings.Replace(*p.Locale, "None", home, 1); *p.IpamPoolId == *in.IpamPoolId && locale != region {
				return nil, refusal{"InvalidParameterValue", http.StatusBadRequest}
			}
		}
		if n := cmp.Or(aws.ToInt32(in.MaxResults), 1000); n < 1000 || n > 100_000 {
			return nil, refusal{"InvalidParameterValue", http.StatusBadRequest}
		}
		page, next := paged(f.allocations[*in.IpamPoolId], in.NextToken, allocationsPage)
		return &ec2.GetIpamPoolAllocationsOutput{IpamPoolAllocations: page, NextToken: next}, refusal{}
	case *ec2.GetIpamResourceCidrsInput:
		page, next := paged(f.resources[*in.IpamScopeId], in.NextToken, objectsPage)
		return &ec2.GetIpamResourceCidrsOutput{IpamResourceCidrs: page, NextToken: next}, refusal{}
	case *ec2.DescribeIpamResourceDiscoveriesInput:
		discoveries := []types.IpamResourceDiscovery{{
			IpamResourceDiscoveryId: f.ipam.DefaultResourceDiscoveryId, IsDefault: aws.Bool(true), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}},
			OrganizationalUnitExclusions: []types.IpamOrganizationalUnitExclusion{{OrganizationsEntityPath: aws.String("o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/")}},
		}}
		if len(in.IpamResourceDiscoveryIds) == 0 {
			discoveries = append(discoveries, types.IpamResourceDiscovery{IpamResourceDiscoveryId: aws.String("ipam-res-disco-2"), IsDefault: aws.Bool(false)})
		}
		return &ec2.DescribeIpamResourceDiscoveriesOutput{IpamResourceDiscoveries: discoveries}, refusal{}
	case *ec2.DescribeIpamResourceDiscoveryAssociationsInput:
		return &ec2.DescribeIpamResourceDiscoveryAssociationsOutput{IpamResourceDiscoveryAssociations: []types.IpamResourceDiscoveryAssociation{{IpamId: f.ipam.IpamId, IsDefault: aws.Bool(true)}}}, refusal{}
	case *ec2.DescribeIpamPrefixListResolversInput:
		if in.NextToken == nil {
			return &ec2.DescribeIpamPrefixListResolversOutput{IpamPrefixListResolvers: make([]types.IpamPrefixListResolver, 2), NextToken: aws.String("2")}, refusal{}
		}
		return &ec2.DescribeIpamPrefixListResolversOutput{IpamPrefixListResolvers: make([]types.IpamPrefixListResolver, 1)}, refusal{}
	case *ec2.DescribeIpamPoliciesInput:
		return nil, refusal{"UnauthorizedOperation", http.StatusForbidden}
	case *ec2.DescribeIpamInternetRegistryAssociationsInput:
		return nil, refusal{"InvalidAction", http.StatusBadRequest}
	case *ec2.DescribeIpamExternalResourceVerificationTokensInput:
		return &ec2.DescribeIpamExternalResourceVerificationTokensOutput{}, refusal{}
	case *ec2.DescribeIpamByoasnInput:
		return &ec2.DescribeIpamByoasnOutput{}, refusal{}
	}
	f.t.Errorf("the fake has no %s", reflect.TypeOf(in))
	return nil, refusal{"InvalidAction", http.StatusBadRequest}
}

// ram answers the calls of AWS RAM, whose protocol is REST with JSON.
func (f *fake) ram(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct{ ResourceOwner, ResourceType, NextToken string }
	if err := json.Unmarshal(body, &in); err != nil || in.ResourceOwner != "SELF" {
		f.t.Errorf("%s %s: %v", r.URL.Path, body, err)
	}
	name, all := "principals", f.principals
	if r.URL.Path == "/listresources" {
		name, all = "resources", f.shared
		if in.ResourceType != "ec2:IpamPool" {
			f.t.Errorf("the type %s", in.ResourceType)
		}
	}
	page, next := paged(all, &in.NextToken, 2)
	answer := map[string]any{name: page}
	if next != nil {
		answer["nextToken"] = *next
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// The fake's content.

func tags(pairs ...string) []types.Tag {
	list := []types.Tag{{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("network")}}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return list
}

func arn(kind, id string) *string {
	return aws.String("arn:aws:ec2::" + account + ":" + kind + "/" + id)
}

// fill makes an IPAM with four scopes.
func (f *fake) fill() {
	str := aws.String
	f.ipam = types.Ipam{
		OwnerId: str(account), IpamId: str("ipam-00000000000000001"), IpamArn: arn("ipam", "ipam-00000000000000001"), IpamRegion: str(home), State: types.IpamStateCreateComplete,
		PrivateDefaultScopeId: str("ipam-scope-00000000000000001"), PublicDefaultScopeId: str("ipam-scope-00000000000000002"), DefaultResourceDiscoveryId: str("ipam-res-disco-1"),
		Description: str("the organisation's"), Tags: tags("Name", "main"), Tier: types.IpamTierAdvanced, MeteredAccount: types.IpamMeteredAccountIpamOwner, EnablePrivateGua: aws.Bool(false),
		OperatingRegions: []types.IpamOperatingRegion{{RegionName: str("us-east-1")}, {RegionName: str(home)}},
	}
	for i, s := range []struct{ name, description string }{{"", ""}, {"", ""}, {"lab", "overlapping networks"}, {"plant", ""}} {
		id := fmt.Sprintf("ipam-scope-%017d", i+1)
		scope := types.IpamScope{OwnerId: str(account), IpamScopeId: &id, IpamScopeArn: arn("ipam-scope", id), IpamArn: f.ipam.IpamArn, State: types.IpamScopeStateCreateComplete, IsDefault: aws.Bool(s.name == "")}
		if s.name != "" {
			scope.Tags = tags("Name", s.name)
		}
		if s.description != "" {
			scope.Description = &s.description
		}
		f.scopes = append(f.scopes, scope)
	}
	f.scopes = append(f.scopes, types.IpamScope{IpamScopeId: str("ipam-scope-9"), IpamScopeArn: str("another IPAM's"), IpamArn: str("another")})
}

// pool makes a pool in a scope, with CIDRs, and returns its id.
func (f *fake) pool(scope int, source, locale, name string, cidrs ...string) string {
	id := fmt.Sprintf("ipam-pool-%017d", len(f.pools)+1)
	p := types.IpamPool{
		OwnerId: aws.String(account), IpamPoolId: &id, IpamScopeArn: f.scopes[scope].IpamScopeArn, IpamScopeType: types.IpamScopeTypePrivate, IpamArn: f.ipam.IpamArn,
		Locale: aws.String(cmp.Or(locale, "None")), State: types.IpamPoolStateCreateComplete, AutoImport: aws.Bool(locale == home), PubliclyAdvertisable: aws.Bool(false),
		AddressFamily: types.AddressFamilyIpv4, Tags: tags("Name", name, "pool", id),
	}
	if source != "" {
		p.SourceIpamPoolId = &source
	}
	if locale != "" {
		p.AllocationMinNetmaskLength, p.AllocationMaxNetmaskLength, p.AllocationDefaultNetmaskLength = aws.Int32(16), aws.Int32(28), aws.Int32(24)
		p.AllocationResourceTags = []types.IpamResourceTag{{Key: aws.String("env"), Value: aws.String("prod")}}
	}
	f.pools = append(f.pools, p)
	for _, c := range cidrs {
		f.cidrs[id] = append(f.cidrs[id], types.IpamPoolCidr{Cidr: &c, State: types.IpamPoolCidrStateProvisioned})
		if source != "" {
			f.allocate(source, c, "ipam-pool", id)
		}
	}
	f.cidrs[id] = append(f.cidrs[id], types.IpamPoolCidr{Cidr: aws.String("192.0.2.0/24"), State: types.IpamPoolCidrStateDeprovisioned})
	return id
}

func (f *fake) allocate(pool, cidr, kind, resource string) *types.IpamPoolAllocation {
	a := types.IpamPoolAllocation{
		Cidr: &cidr, IpamPoolAllocationId: aws.String(fmt.Sprintf("ipam-pool-alloc-%032d", len(f.allocations[pool]))), ResourceType: types.IpamPoolAllocationResourceType(kind), ResourceOwner: aws.String(account),
	}
	if resource != "" {
		a.ResourceId = &resource
	}
	f.allocations[pool] = append(f.allocations[pool], a)
	return &f.allocations[pool][len(f.allocations[pool])-1]
}

// share shares a pool in RAM.
func (f *fake) share(pool string, principals ...string) {
	arnOfShare := fmt.Sprintf("arn:aws:ram:%s:%s:resource-share/%d", home, account, len(f.shared))
	f.shared = append(f.shared, map[string]any{"arn": *arn("ipam-pool", pool), "type": "ec2:IpamPool", "resourceShareArn": arnOfShare, "status": "AVAILABLE", "creationTime": 1.7e9})
	for _, p := range principals {
		f.principals = append(f.principals, map[string]any{"id": p, "resourceShareArn": arnOfShare, "external": false, "creationTime": 1.7e9})
	}
}

// vpc makes a VPC with the statuses.
func (f *fake) vpc(id, cidr string, pool *string, management, compliance, overlap string) {
	scope := "ipam-scope-00000000000000001"
	f.resources[scope] = append(f.resources[scope], types.IpamResourceCidr{
		IpamId: f.ipam.IpamId, IpamScopeId: &scope, IpamPoolId: pool, ResourceRegion: aws.String(home), ResourceOwnerId: aws.String(member), ResourceId: &id, ResourceCidr: &cidr, ResourceType: types.IpamResourceTypeVpc,
		VpcId: &id, ManagementState: types.IpamManagementState(management), ComplianceStatus: types.IpamComplianceStatus(compliance), OverlapStatus: types.IpamOverlapStatus(overlap),
	})
	if pool != nil {
		f.allocate(*pool, cidr, "vpc", id)
	}
}

// unlimited is no limit of retries.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }
