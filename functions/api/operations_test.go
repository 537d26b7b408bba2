package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/telemetry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

const (
	homeRegion = "us-east-1"
	owner      = "111122223333"
)

// realHandler is a handler for the real operations on a table in memory.
func realHandler(table *tabletest.Memory, now func() time.Time) *Handler {
	return handlerWith(table, now, &cloud{})
}

// handlerWith returns a handler for the real operations that creates VPCs in a cloud.
func handlerWith(table *tabletest.Memory, now func() time.Time, c *cloud) *Handler {
	ids := 0
	s := store.New(table, store.Options{Region: homeRegion, Owner: owner, Now: now, NewID: func() string { ids++; return fmt.Sprint(ids) }})
	auth := registry.NewGrants([]registry.Grant{{Pattern: "arn:aws:iam::*:user/admin", Class: registry.Administer}}, nil, 0, nil)
	return New(ops.New(s, auth, ops.WithOrganization(&organization{}), ops.WithVending(c, false)), telemetry.Options{Logger: slog.New(slog.DiscardHandler)})
}

// organization is an organisation with the management account manager and the member owner.
type organization struct{}

const manager = "999900001111"

func (*organization) Ancestors(context.Context, string) ([]string, error) {
	return []string{"r-f6g7"}, nil
}

func (*organization) Management(context.Context) (id, account string, err error) {
	return "o-a1b2c3d4e5", manager, nil
}

// adminEvent returns API Gateway's event for a request of the owner's administrator.
func adminEvent(method, resource, body string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{
		HTTPMethod: method, Resource: resource, Path: resource, Body: body,
		RequestContext: events.APIGatewayProxyRequestContext{
			APIID: "a1b2c3d4e5", RequestID: "id",
			Identity: events.APIGatewayRequestIdentity{AccountID: owner, UserArn: "arn:aws:iam::" + owner + ":user/admin"},
		},
	}
}

// sdk returns the SDK's client of a handler behind HTTP, for the owner's administrator. It
// calls the operations of the management account as that account.
func sdk(t *testing.T, handler *Handler, options ...func(*middleware.Stack) error) *ec2.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		e := adminEvent(r.Method, r.URL.Path, string(body))
		e.MultiValueHeaders = r.Header
		if strings.Contains(string(body), "IpamOrganizationAdminAccount&") {
			e.RequestContext.Identity.AccountID = manager
		}
		answer, err := handler.Handle(r.Context(), Event{APIGatewayProxyRequest: e})
		if err != nil {
			t.Error(err)
		}
		for name, value := range answer.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.StatusCode)
		io.WriteString(w, answer.Body)
	}))
	t.Cleanup(server.Close)
	return ec2.NewFromConfig(aws.Config{
		Region:           homeRegion,
		Credentials:      credentials.NewStaticCredentialsProvider("AKIA", "secret", ""),
		RetryMaxAttempts: 1,
		APIOptions:       options,
	}, func(o *ec2.Options) { o.BaseEndpoint = &server.URL })
}

// The SDK's own client calls every operation over HTTP. The test compares every member of
// every answer.
func TestEveryOperationThroughTheSDK(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	db := &tabletest.Memory{}
	vpcs := &cloud{}
	handler := handlerWith(db, func() time.Time { return now }, vpcs)
	t.Cleanup(func() { fscktest.Clean(t, db, now) })
	called := map[string]bool{}
	c := sdk(t, handler, func(s *middleware.Stack) error {
		called[s.ID()] = true
		return nil
	})
	ctx := t.Context()

	ids := func(form string, values ...*string) {
		t.Helper()
		for _, v := range values {
			if !regexp.MustCompile(`^` + form + `$`).MatchString(aws.ToString(v)) {
				t.Errorf("%q is no id of the form %s", aws.ToString(v), form)
			}
		}
	}
	str, yes, no := aws.String, aws.Bool(true), aws.Bool(false)
	num := func(n int32) *int32 { return &n }
	tagged := []types.Tag{{Key: str("Name"), Value: str(`<"é&日本">`)}}
	specify := func(kind types.ResourceType) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: kind, Tags: tagged}}
	}
	arn := func(kind string, id *string) *string { return str("arn:aws:ec2::" + owner + ":" + kind + "/" + *id) }

	// IPAM.
	made := must(c.CreateIpam(ctx, &ec2.CreateIpamInput{
		Description: str("first"), OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: str("ap-northeast-1")}}, Tier: types.IpamTierAdvanced,
		MeteredAccount: types.IpamMeteredAccountIpamOwner, EnablePrivateGua: yes, TagSpecifications: specify("ipam"), ClientToken: str("token"),
	}))(t)
	m := made.Ipam
	ids("ipam-[0-9a-f]{17}", m.IpamId)
	ids("ipam-scope-[0-9a-f]{17}", m.PublicDefaultScopeId, m.PrivateDefaultScopeId)
	ids("ipam-res-disco-[0-9a-f]{17}", m.DefaultResourceDiscoveryId)
	ids("ipam-res-disco-assoc-[0-9a-f]{17}", m.DefaultResourceDiscoveryAssociationId)
	wantIPAM := types.Ipam{
		OwnerId: str(owner), IpamId: m.IpamId, IpamArn: arn("ipam", m.IpamId), IpamRegion: str(homeRegion),
		PublicDefaultScopeId: m.PublicDefaultScopeId, PrivateDefaultScopeId: m.PrivateDefaultScopeId, ScopeCount: num(2), Description: str("first"),
		OperatingRegions: []types.IpamOperatingRegion{{RegionName: str("ap-northeast-1")}, {RegionName: str(homeRegion)}}, State: types.IpamStateCreateComplete, Tags: tagged,
		DefaultResourceDiscoveryId: m.DefaultResourceDiscoveryId, DefaultResourceDiscoveryAssociationId: m.DefaultResourceDiscoveryAssociationId,
		ResourceDiscoveryAssociationCount: num(1), Tier: types.IpamTierAdvanced, EnablePrivateGua: yes, MeteredAccount: types.IpamMeteredAccountIpamOwner,
	}
	same(t, &ec2.CreateIpamOutput{Ipam: &wantIPAM}, made)
	same(t, &ec2.DescribeIpamsOutput{Ipams: []types.Ipam{wantIPAM}}, must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{IpamIds: []string{*m.IpamId}}))(t))
	wantIPAM.Description, wantIPAM.EnablePrivateGua, wantIPAM.MeteredAccount, wantIPAM.State = str("second"), no, types.IpamMeteredAccountResourceOwner, types.IpamStateModifyComplete
	wantIPAM.OperatingRegions = []types.IpamOperatingRegion{{RegionName: str("ap-northeast-3")}, {RegionName: str(homeRegion)}}
	same(t, &ec2.ModifyIpamOutput{Ipam: &wantIPAM}, must(c.ModifyIpam(ctx, &ec2.ModifyIpamInput{
		IpamId: m.IpamId, Description: str("second"), EnablePrivateGua: no, MeteredAccount: types.IpamMeteredAccountResourceOwner, Tier: types.IpamTierAdvanced,
		AddOperatingRegions:    []types.AddIpamOperatingRegion{{RegionName: str("ap-northeast-3")}},
		RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: str("ap-northeast-1")}},
	}))(t))

	// Scope.
	scope := must(c.CreateIpamScope(ctx, &ec2.CreateIpamScopeInput{IpamId: m.IpamId, Description: str("first"), TagSpecifications: specify("ipam-scope")}))(t)
	s := scope.IpamScope
	ids("ipam-scope-[0-9a-f]{17}", s.IpamScopeId)
	wantScope := types.IpamScope{
		OwnerId: str(owner), IpamScopeId: s.IpamScopeId, IpamScopeArn: arn("ipam-scope", s.IpamScopeId), IpamArn: m.IpamArn, IpamRegion: str(homeRegion),
		IpamScopeType: types.IpamScopeTypePrivate, IsDefault: no, Description: str("first"), PoolCount: num(0), State: types.IpamScopeStateCreateComplete, Tags: tagged,
	}
	same(t, &ec2.CreateIpamScopeOutput{IpamScope: &wantScope}, scope)
	wantScope.Description, wantScope.State = str("second"), types.IpamScopeStateModifyComplete
	same(t, &ec2.ModifyIpamScopeOutput{IpamScope: &wantScope}, must(c.ModifyIpamScope(ctx, &ec2.ModifyIpamScopeInput{IpamScopeId: s.IpamScopeId, Description: str("second")}))(t))
	defaults := func(id *string, kind types.IpamScopeType) types.IpamScope {
		return types.IpamScope{
			OwnerId: str(owner), IpamScopeId: id, IpamScopeArn: arn("ipam-scope", id), IpamArn: m.IpamArn, IpamRegion: str(homeRegion),
			IpamScopeType: kind, IsDefault: yes, PoolCount: num(0), State: types.IpamScopeStateCreateComplete, Tags: []types.Tag{},
		}
	}
	scopes := []types.IpamScope{wantScope, defaults(m.PublicDefaultScopeId, "public"), defaults(m.PrivateDefaultScopeId, "private")}
	slices.SortFunc(scopes, func(a, b types.IpamScope) int { return strings.Compare(*a.IpamScopeId, *b.IpamScopeId) })
	same(t, &ec2.DescribeIpamScopesOutput{IpamScopes: scopes}, must(c.DescribeIpamScopes(ctx, &ec2.DescribeIpamScopesInput{MaxResults: num(5)}))(t))

	// Pool.
	pool := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{
		IpamScopeId: s.IpamScopeId, AddressFamily: types.AddressFamilyIpv4, Locale: str("ap-northeast-3"), Description: str("first"), AutoImport: yes,
		AllocationMinNetmaskLength: num(8), AllocationMaxNetmaskLength: num(28), AllocationDefaultNetmaskLength: num(24),
		AllocationResourceTags: []types.RequestIpamResourceTag{{Key: str("env"), Value: str("prod")}}, TagSpecifications: specify("ipam-pool"),
	}))(t)
	p := pool.IpamPool
	ids("ipam-pool-[0-9a-f]{17}", p.IpamPoolId)
	wantPool := types.IpamPool{
		OwnerId: str(owner), IpamPoolId: p.IpamPoolId, IpamPoolArn: arn("ipam-pool", p.IpamPoolId), IpamScopeArn: s.IpamScopeArn, IpamScopeType: types.IpamScopeTypePrivate,
		IpamArn: m.IpamArn, IpamRegion: str(homeRegion), Locale: str("ap-northeast-3"), PoolDepth: num(1), State: types.IpamPoolStateCreateComplete, Description: str("first"),
		AutoImport: yes, PubliclyAdvertisable: no, AddressFamily: types.AddressFamilyIpv4, AllocationMinNetmaskLength: num(8), AllocationMaxNetmaskLength: num(28),
		AllocationDefaultNetmaskLength: num(24), AllocationResourceTags: []types.IpamResourceTag{{Key: str("env"), Value: str("prod")}}, Tags: tagged,
	}
	same(t, &ec2.CreateIpamPoolOutput{IpamPool: &wantPool}, pool)
	wantPool.Description, wantPool.State, wantPool.AutoImport, wantPool.AllocationDefaultNetmaskLength = str("second"), types.IpamPoolStateModifyComplete, no, nil
	wantPool.AllocationMinNetmaskLength, wantPool.AllocationMaxNetmaskLength = num(9), num(32)
	wantPool.AllocationResourceTags = []types.IpamResourceTag{{Key: str("env"), Value: str("test")}}
	same(t, &ec2.ModifyIpamPoolOutput{IpamPool: &wantPool}, must(c.ModifyIpamPool(ctx, &ec2.ModifyIpamPoolInput{
		IpamPoolId: p.IpamPoolId, Description: str("second"), AutoImport: no, ClearAllocationDefaultNetmaskLength: yes, AllocationMinNetmaskLength: num(9), AllocationMaxNetmaskLength: num(32),
		AddAllocationResourceTags: []types.RequestIpamResourceTag{{Key: str("env"), Value: str("test")}}, RemoveAllocationResourceTags: []types.RequestIpamResourceTag{{Key: str("env"), Value: str("prod")}},
	}))(t))
	child := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{IpamScopeId: s.IpamScopeId, AddressFamily: types.AddressFamilyIpv4, SourceIpamPoolId: p.IpamPoolId}))(t)
	q := child.IpamPool
	wantChild := types.IpamPool{
		OwnerId: str(owner), IpamPoolId: q.IpamPoolId, SourceIpamPoolId: p.IpamPoolId, IpamPoolArn: arn("ipam-pool", q.IpamPoolId), IpamScopeArn: s.IpamScopeArn,
		IpamScopeType: types.IpamScopeTypePrivate, IpamArn: m.IpamArn, IpamRegion: str(homeRegion), Locale: str("ap-northeast-3"), PoolDepth: num(2),
		State: types.IpamPoolStateCreateComplete, AutoImport: no, PubliclyAdvertisable: no, AddressFamily: types.AddressFamilyIpv4,
		AllocationResourceTags: []types.IpamResourceTag{}, Tags: []types.Tag{},
	}
	same(t, &ec2.CreateIpamPoolOutput{IpamPool: &wantChild}, child)
	public := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{IpamScopeId: m.PublicDefaultScopeId, AddressFamily: types.AddressFamilyIpv6, Locale: str(homeRegion), AwsService: types.IpamPoolAwsServiceEc2, PubliclyAdvertisable: yes}))(t)
	r := public.IpamPool
	wantPublic := wantChild
	wantPublic.IpamPoolId, wantPublic.IpamPoolArn, wantPublic.SourceIpamPoolId, wantPublic.PoolDepth, wantPublic.Locale = r.IpamPoolId, arn("ipam-pool", r.IpamPoolId), nil, num(1), str(homeRegion)
	wantPublic.IpamScopeArn, wantPublic.IpamScopeType, wantPublic.AddressFamily = arn("ipam-scope", m.PublicDefaultScopeId), types.IpamScopeTypePublic, types.AddressFamilyIpv6
	wantPublic.PubliclyAdvertisable, wantPublic.AwsService, wantPublic.PublicIpSource = yes, types.IpamPoolAwsServiceEc2, types.IpamPoolPublicIpSourceByoip
	same(t, &ec2.CreateIpamPoolOutput{IpamPool: &wantPublic}, public)
	pools := []types.IpamPool{wantPool, wantChild, wantPublic}
	slices.SortFunc(pools, func(a, b types.IpamPool) int { return strings.Compare(*a.IpamPoolId, *b.IpamPoolId) })
	same(t, &ec2.DescribeIpamPoolsOutput{IpamPools: pools}, must(c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{Filters: []types.Filter{{Name: str("owner-id"), Values: []string{owner}}}}))(t))

	// CIDRs.
	provisioned := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: p.IpamPoolId, Cidr: str("10.0.0.0/8")}))(t)
	ids("ipam-pool-cidr-[0-9a-f]{32}", provisioned.IpamPoolCidr.IpamPoolCidrId)
	wantCIDR := types.IpamPoolCidr{Cidr: str("10.0.0.0/8"), State: types.IpamPoolCidrStateProvisioned, IpamPoolCidrId: provisioned.IpamPoolCidr.IpamPoolCidrId}
	same(t, &ec2.ProvisionIpamPoolCidrOutput{IpamPoolCidr: &wantCIDR}, provisioned)
	same(t, &ec2.GetIpamPoolCidrsOutput{IpamPoolCidrs: []types.IpamPoolCidr{wantCIDR}}, must(c.GetIpamPoolCidrs(ctx, &ec2.GetIpamPoolCidrsInput{IpamPoolId: p.IpamPoolId}))(t))
	below := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: q.IpamPoolId, NetmaskLength: num(16)}))(t).IpamPoolCidr
	same(t, &types.IpamPoolCidr{Cidr: str("10.0.0.0/16"), State: types.IpamPoolCidrStateProvisioned, IpamPoolCidrId: below.IpamPoolCidrId, NetmaskLength: num(16)}, below)

	// Allocations.
	preview := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: p.IpamPoolId, NetmaskLength: num(24), PreviewNextCidr: yes}))(t)
	same(t, &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &types.IpamPoolAllocation{
		Cidr: str("10.1.0.0/24"), ResourceType: types.IpamPoolAllocationResourceTypeCustom, ResourceOwner: str(owner), Tags: []types.Tag{},
	}}, preview)
	allocated := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{
		IpamPoolId: p.IpamPoolId, NetmaskLength: num(24), Description: str("first"), AllowedCidrs: []string{"10.2.0.0/16"}, DisallowedCidrs: []string{"10.2.0.0/24"},
		TagSpecifications: specify("ipam-pool-allocation"),
	}))(t)
	a := allocated.IpamPoolAllocation
	ids("ipam-pool-alloc-[0-9a-f]{32}", a.IpamPoolAllocationId)
	wantAllocation := types.IpamPoolAllocation{
		Cidr: str("10.2.1.0/24"), IpamPoolAllocationId: a.IpamPoolAllocationId, Description: str("first"), ResourceType: types.IpamPoolAllocationResourceTypeCustom,
		ResourceOwner: str(owner), Tags: tagged,
	}
	same(t, &ec2.AllocateIpamPoolCidrOutput{IpamPoolAllocation: &wantAllocation}, allocated)
	wantAllocation.Description = str("second")
	same(t, &ec2.ModifyIpamPoolAllocationOutput{IpamPoolAllocation: &wantAllocation},
		must(c.ModifyIpamPoolAllocation(ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: str("second")}))(t))
	got := must(c.GetIpamPoolAllocations(ctx, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: p.IpamPoolId, MaxResults: num(1000)}))(t)
	ids("ipam-pool-alloc-[0-9a-f]{32}", got.IpamPoolAllocations[0].IpamPoolAllocationId)
	wantBelow := types.IpamPoolAllocation{
		Cidr: str("10.0.0.0/16"), IpamPoolAllocationId: got.IpamPoolAllocations[0].IpamPoolAllocationId, ResourceId: q.IpamPoolId,
		ResourceType: types.IpamPoolAllocationResourceTypeIpamPool, ResourceRegion: str("ap-northeast-3"), ResourceOwner: str(owner), Tags: []types.Tag{},
	}
	same(t, &ec2.GetIpamPoolAllocationsOutput{IpamPoolAllocations: []types.IpamPoolAllocation{wantBelow, wantAllocation}}, got)
	same(t, &ec2.DescribeIpamPoolAllocationsOutput{IpamPoolAllocations: []types.IpamPoolAllocation{wantAllocation}},
		must(c.DescribeIpamPoolAllocations(ctx, &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*a.IpamPoolAllocationId}}))(t))

	// The history of an address.
	history := ipam.HistoryRecord{Type: ipam.HistoryEIP, Owner: owner, Region: "eu-west-1", ID: "eipalloc-1", CIDR: netip.MustParsePrefix("192.0.2.1/32"), Name: "n", VPC: "vpc-1", Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Nonoverlapping, Start: now.UnixMilli() - 2500, End: now.UnixMilli() - 500}
	if err := store.New(db, store.Options{Region: homeRegion}).PutHistory(ctx, *m.PublicDefaultScopeId, history); err != nil {
		t.Fatal(err)
	}
	same(t, &ec2.GetIpamAddressHistoryOutput{HistoryRecords: []types.IpamAddressHistoryRecord{{
		ResourceOwnerId: str(owner), ResourceRegion: str("eu-west-1"), ResourceType: types.IpamAddressHistoryResourceTypeEip, ResourceId: str("eipalloc-1"),
		ResourceCidr: str("192.0.2.1/32"), ResourceName: str("n"), ResourceComplianceStatus: types.IpamComplianceStatusUnmanaged, ResourceOverlapStatus: types.IpamOverlapStatusNonoverlapping,
		VpcId: str("vpc-1"), SampledStartTime: aws.Time(now.Add(-2500 * time.Millisecond)), SampledEndTime: aws.Time(now.Add(-500 * time.Millisecond)),
	}}}, must(c.GetIpamAddressHistory(ctx, &ec2.GetIpamAddressHistoryInput{IpamScopeId: m.PublicDefaultScopeId, Cidr: str("192.0.2.1/32"), StartTime: aws.Time(now.Add(-time.Second)), MaxResults: num(1)}))(t))

	// A CIDR in use is not deprovisioned.
	failed := must(c.DeprovisionIpamPoolCidr(ctx, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: p.IpamPoolId, Cidr: str("10.0.0.0/8")}))(t)
	wantCIDR.State = types.IpamPoolCidrStateFailedDeprovision
	wantCIDR.FailureReason = &types.IpamPoolCidrFailureReason{Message: str("The CIDR has one or more allocations. 10.0.0.0/16 is provisioned to pool " + *q.IpamPoolId + ": deprovision it there first.")}
	same(t, &ec2.DeprovisionIpamPoolCidrOutput{IpamPoolCidr: &wantCIDR}, failed)

	// Tags.
	same(t, &ec2.CreateTagsOutput{}, must(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*m.IpamId, *q.IpamPoolId}, Tags: []types.Tag{{Key: str("Name"), Value: str("n")}}}))(t))
	tag := func(kind types.ResourceType, id, value *string) types.TagDescription {
		return types.TagDescription{ResourceType: kind, ResourceId: id, Key: str("Name"), Value: value}
	}
	tags := []types.TagDescription{tag("ipam-pool", p.IpamPoolId, tagged[0].Value), tag("ipam-pool", q.IpamPoolId, str("n"))}
	slices.SortFunc(tags, func(a, b types.TagDescription) int { return strings.Compare(*a.ResourceId, *b.ResourceId) })
	tags = slices.Concat([]types.TagDescription{tag("ipam", m.IpamId, str("n")), tag("ipam-scope", s.IpamScopeId, tagged[0].Value)}, tags,
		[]types.TagDescription{tag("ipam-pool-allocation", a.IpamPoolAllocationId, tagged[0].Value)})
	same(t, &ec2.DescribeTagsOutput{Tags: tags}, must(c.DescribeTags(ctx, &ec2.DescribeTagsInput{}))(t))
	same(t, &ec2.DeleteTagsOutput{}, must(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{*m.IpamId, *q.IpamPoolId}, Tags: []types.Tag{{Key: str("Name"), Value: str("n")}}}))(t))
	wantIPAM.Tags, wantIPAM.ScopeCount = []types.Tag{}, num(3)

	// Resource discoveries, and the resources that they find.
	watcher := must(c.CreateIpamResourceDiscovery(ctx, &ec2.CreateIpamResourceDiscoveryInput{
		Description: str("first"), OperatingRegions: []types.AddIpamOperatingRegion{{RegionName: str("ap-northeast-3")}}, TagSpecifications: specify("ipam-resource-discovery"),
	}))(t)
	d := watcher.IpamResourceDiscovery
	ids("ipam-res-disco-[0-9a-f]{17}", d.IpamResourceDiscoveryId)
	wantDiscovery := types.IpamResourceDiscovery{
		OwnerId: str(owner), IpamResourceDiscoveryId: d.IpamResourceDiscoveryId, IpamResourceDiscoveryArn: arn("ipam-resource-discovery", d.IpamResourceDiscoveryId), IpamResourceDiscoveryRegion: str(homeRegion),
		Description: str("first"), OperatingRegions: []types.IpamOperatingRegion{{RegionName: str("ap-northeast-3")}}, IsDefault: no, State: types.IpamResourceDiscoveryStateCreateComplete, Tags: tagged,
	}
	same(t, &ec2.CreateIpamResourceDiscoveryOutput{IpamResourceDiscovery: &wantDiscovery}, watcher)
	wantDiscovery.Description, wantDiscovery.State = str("second"), types.IpamResourceDiscoveryStateModifyComplete
	wantDiscovery.OperatingRegions = []types.IpamOperatingRegion{{RegionName: str(homeRegion)}}
	unit := str("o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/*")
	wantDiscovery.OrganizationalUnitExclusions = []types.IpamOrganizationalUnitExclusion{{OrganizationsEntityPath: unit}}
	same(t, &ec2.ModifyIpamResourceDiscoveryOutput{IpamResourceDiscovery: &wantDiscovery}, must(c.ModifyIpamResourceDiscovery(ctx, &ec2.ModifyIpamResourceDiscoveryInput{
		IpamResourceDiscoveryId: d.IpamResourceDiscoveryId, Description: str("second"), AddOperatingRegions: []types.AddIpamOperatingRegion{{RegionName: str(homeRegion)}},
		RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: str("ap-northeast-3")}}, AddOrganizationalUnitExclusions: []types.AddIpamOrganizationalUnitExclusion{{OrganizationsEntityPath: unit}},
	}))(t))
	same(t, &ec2.DescribeIpamResourceDiscoveriesOutput{IpamResourceDiscoveries: []types.IpamResourceDiscovery{wantDiscovery}},
		must(c.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*d.IpamResourceDiscoveryId}}))(t))
	standard := must(c.DescribeIpamResourceDiscoveries(ctx, &ec2.DescribeIpamResourceDiscoveriesInput{Filters: []types.Filter{{Name: str("is-default"), Values: []string{"true"}}}}))(t)
	wantStandard := types.IpamResourceDiscovery{
		OwnerId: str(owner), IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, IpamResourceDiscoveryArn: arn("ipam-resource-discovery", m.DefaultResourceDiscoveryId), IpamResourceDiscoveryRegion: str(homeRegion),
		OperatingRegions: wantIPAM.OperatingRegions, IsDefault: yes, State: types.IpamResourceDiscoveryStateCreateComplete, Tags: []types.Tag{},
	}
	same(t, &ec2.DescribeIpamResourceDiscoveriesOutput{IpamResourceDiscoveries: []types.IpamResourceDiscovery{wantStandard}}, standard)
	associated := must(c.AssociateIpamResourceDiscovery(ctx, &ec2.AssociateIpamResourceDiscoveryInput{
		IpamId: m.IpamId, IpamResourceDiscoveryId: d.IpamResourceDiscoveryId, TagSpecifications: specify("ipam-resource-discovery-association"),
	}))(t)
	with := associated.IpamResourceDiscoveryAssociation
	ids("ipam-res-disco-assoc-[0-9a-f]{17}", with.IpamResourceDiscoveryAssociationId)
	wantAssociation := types.IpamResourceDiscoveryAssociation{
		OwnerId: str(owner), IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId,
		IpamResourceDiscoveryAssociationArn: arn("ipam-resource-discovery-association", with.IpamResourceDiscoveryAssociationId), IpamResourceDiscoveryId: d.IpamResourceDiscoveryId,
		IpamId: m.IpamId, IpamArn: m.IpamArn, IpamRegion: str(homeRegion), IsDefault: no, ResourceDiscoveryStatus: types.IpamAssociatedResourceDiscoveryStatusActive,
		State: types.IpamResourceDiscoveryAssociationStateAssociateComplete, Tags: tagged,
	}
	same(t, &ec2.AssociateIpamResourceDiscoveryOutput{IpamResourceDiscoveryAssociation: &wantAssociation}, associated)
	same(t, &ec2.DescribeIpamResourceDiscoveryAssociationsOutput{IpamResourceDiscoveryAssociations: []types.IpamResourceDiscoveryAssociation{wantAssociation}},
		must(c.DescribeIpamResourceDiscoveryAssociations(ctx, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*with.IpamResourceDiscoveryAssociationId}}))(t))

	writer := store.New(db, store.Options{Region: homeRegion})
	seen := now.Add(-time.Minute)
	for _, a := range []ipam.DiscoveredAccount{
		{Account: owner, OU: "ou-f6g7-11111111", Attempted: now.UnixMilli(), Succeeded: seen.UnixMilli(), FailureCode: "throttling-failure", Failure: "wait"},
		{Account: "444455556666", Attempted: now.UnixMilli()},
	} {
		a.Discovery, a.Region = *m.DefaultResourceDiscoveryId, homeRegion
		must(0, writer.SaveDiscoveredAccount(ctx, &a))(t)
	}
	same(t, &ec2.GetIpamDiscoveredAccountsOutput{IpamDiscoveredAccounts: []types.IpamDiscoveredAccount{
		{AccountId: str(owner), DiscoveryRegion: str(homeRegion), LastAttemptedDiscoveryTime: &now, LastSuccessfulDiscoveryTime: &seen, OrganizationalUnitId: str("ou-f6g7-11111111"),
			FailureReason: &types.IpamDiscoveryFailureReason{Code: types.IpamDiscoveryFailureCodeThrottlingFailure, Message: str("wait")}},
		{AccountId: str("444455556666"), DiscoveryRegion: str(homeRegion), LastAttemptedDiscoveryTime: &now},
	}}, must(c.GetIpamDiscoveredAccounts(ctx, &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, DiscoveryRegion: str(homeRegion)}))(t))

	usage := 0.3
	subnet := ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("172.16.0.0/24"), Name: "n", Tags: ipam.Tags{"Name": "n"}, VPC: "vpc-1", Subnet: "subnet-1",
		AvailabilityZone: "use1-az1", Source: "none", Usage: &usage}
	eip := ipam.Resource{Type: ipam.ResourceEIP, ID: "eipalloc-1", CIDR: netip.MustParsePrefix("192.0.2.9/32"), Tags: ipam.Tags{"k": "v"}, VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", Source: "amazon",
		Public: &ipam.PublicAddress{
			Address: netip.MustParseAddr("192.0.2.9"), AllocationID: "eipalloc-1", Associated: true, Type: "amazon-owned-eip", Service: "nat-gateway", ServiceResource: "nat-1", PublicIPv4Pool: "amazon",
			Interface: "eni-1", InterfaceDescription: "d", NetworkBorderGroup: homeRegion, SecurityGroups: map[string]string{"sg-2": "b", "sg-1": "a"},
		}}
	inUse := ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", CIDR: netip.MustParsePrefix("172.16.0.9/32"), VPC: "vpc-1", Subnet: "subnet-1", Attached: true}
	var writes []table.Write
	for _, r := range []struct {
		ipam.Resource
		scope  *string
		status ipam.Status
	}{
		{subnet, m.PrivateDefaultScopeId, ipam.Status{Management: ipam.Managed, Compliance: ipam.Noncompliant, Overlap: ipam.Overlapping, Pool: *p.IpamPoolId}},
		{eip, m.PublicDefaultScopeId, ipam.Status{}}, {inUse, m.PrivateDefaultScopeId, ipam.Status{}},
	} {
		r.Owner, r.Region = owner, homeRegion
		for _, row := range []table.Row{
			items.EncodeFound(&ipam.Found{Resource: r.Resource, Discovery: *m.DefaultResourceDiscoveryId, Targets: []ipam.Target{{IPAM: *m.IpamId, Scope: *r.scope}}, Sampled: 1, Rev: 1}),
			items.EncodeResource(&ipam.ResourceCIDR{Resource: r.Resource, Scope: *r.scope, Discovery: *m.DefaultResourceDiscoveryId, Status: r.status, Sampled: 1, Since: 1, Rev: 1}),
		} {
			writes = append(writes, table.Write{Op: table.OpPut, Key: row.Key, Item: row.Item})
		}
	}
	must(0, db.Transact(ctx, writes))(t)
	found := func(r ipam.Resource) types.IpamDiscoveredResourceCidr {
		out := types.IpamDiscoveredResourceCidr{
			IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, ResourceRegion: str(homeRegion), ResourceId: &r.ID, ResourceOwnerId: str(owner), ResourceCidr: str(r.CIDR.String()),
			ResourceType: types.IpamResourceType(r.Type), ResourceTags: []types.IpamResourceTag{}, VpcId: str("vpc-1"), SubnetId: str("subnet-1"), SampleTime: &seen,
		}
		for k, v := range r.Tags {
			out.ResourceTags = append(out.ResourceTags, types.IpamResourceTag{Key: &k, Value: &v})
		}
		return out
	}
	wantEIP, wantSubnet, wantInterface := found(eip), found(subnet), found(inUse)
	wantEIP.IpSource, wantSubnet.IpSource, wantSubnet.IpUsage, wantSubnet.AvailabilityZoneId = types.IpamResourceCidrIpSourceAmazon, types.IpamResourceCidrIpSourceNone, &usage, str("use1-az1")
	wantInterface.NetworkInterfaceAttachmentStatus = types.IpamNetworkInterfaceAttachmentStatusInUse
	same(t, &ec2.GetIpamDiscoveredResourceCidrsOutput{IpamDiscoveredResourceCidrs: []types.IpamDiscoveredResourceCidr{wantEIP, wantInterface, wantSubnet}},
		must(c.GetIpamDiscoveredResourceCidrs(ctx, &ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, ResourceRegion: str(homeRegion)}))(t))
	same(t, &ec2.GetIpamDiscoveredPublicAddressesOutput{OldestSampleTime: &seen, IpamDiscoveredPublicAddresses: []types.IpamDiscoveredPublicAddress{{
		IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, AddressRegion: str(homeRegion), Address: str("192.0.2.9"), AddressOwnerId: str(owner), AddressAllocationId: str("eipalloc-1"),
		AssociationStatus: types.IpamPublicAddressAssociationStatusAssociated, AddressType: types.IpamPublicAddressTypeAmazonOwnedEip, Service: types.IpamPublicAddressAwsServiceNatGateway, ServiceResource: str("nat-1"),
		VpcId: str("vpc-1"), SubnetId: str("subnet-1"), PublicIpv4PoolId: str("amazon"), NetworkInterfaceId: str("eni-1"), NetworkInterfaceDescription: str("d"), InstanceId: str("i-1"),
		Tags: &types.IpamPublicAddressTags{EipTags: []types.IpamPublicAddressTag{{Key: str("k"), Value: str("v")}}}, NetworkBorderGroup: str(homeRegion),
		SecurityGroups: []types.IpamPublicAddressSecurityGroup{{GroupId: str("sg-1"), GroupName: str("a")}, {GroupId: str("sg-2"), GroupName: str("b")}}, SampleTime: &seen,
	}}}, must(c.GetIpamDiscoveredPublicAddresses(ctx, &ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, AddressRegion: str(homeRegion)}))(t))
	same(t, &ec2.GetIpamResourceCidrsOutput{IpamResourceCidrs: []types.IpamResourceCidr{{
		IpamId: m.IpamId, IpamScopeId: m.PrivateDefaultScopeId, IpamPoolId: p.IpamPoolId, ResourceRegion: str(homeRegion), ResourceOwnerId: str(owner), ResourceId: str("subnet-1"), ResourceName: str("n"),
		ResourceCidr: str("172.16.0.0/24"), ResourceType: types.IpamResourceTypeSubnet, ResourceTags: wantSubnet.ResourceTags, IpUsage: &usage, ComplianceStatus: types.IpamComplianceStatusNoncompliant,
		ManagementState: types.IpamManagementStateManaged, OverlapStatus: types.IpamOverlapStatusOverlapping, VpcId: str("vpc-1"), AvailabilityZoneId: str("use1-az1"),
	}}}, must(c.GetIpamResourceCidrs(ctx, &ec2.GetIpamResourceCidrsInput{IpamScopeId: m.PrivateDefaultScopeId, ResourceType: types.IpamResourceTypeSubnet, ResourceId: str("subnet-1"),
		ResourceOwner: str(owner), ResourceTag: &types.RequestIpamResourceTag{Key: str("Name"), Value: str("n")}}))(t))

	vpc := ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-2", CIDR: netip.MustParsePrefix("192.168.0.0/24"), Owner: owner, Region: homeRegion, Name: "n", VPC: "vpc-2"}
	must(writer.Observe(ctx, must(writer.Discoveries(ctx, []string{*m.DefaultResourceDiscoveryId}))(t)[0], must(writer.IPAMs(ctx, []string{*m.IpamId}))(t), vpc, now.UnixMilli()))(t)
	same(t, &ec2.ModifyIpamResourceCidrOutput{IpamResourceCidr: &types.IpamResourceCidr{
		IpamId: m.IpamId, IpamScopeId: s.IpamScopeId, ResourceRegion: str(homeRegion), ResourceOwnerId: str(owner), ResourceId: str("vpc-2"), ResourceName: str("n"), ResourceCidr: str("192.168.0.0/24"),
		ResourceType: types.IpamResourceTypeVpc, ResourceTags: []types.IpamResourceTag{}, ComplianceStatus: types.IpamComplianceStatusUnmanaged, ManagementState: types.IpamManagementStateUnmanaged,
		OverlapStatus: types.IpamOverlapStatusNonoverlapping, VpcId: str("vpc-2"),
	}}, must(c.ModifyIpamResourceCidr(ctx, &ec2.ModifyIpamResourceCidrInput{
		CurrentIpamScopeId: m.PrivateDefaultScopeId, DestinationIpamScopeId: s.IpamScopeId, ResourceId: str("vpc-2"), ResourceCidr: str("192.168.0.0/24"), ResourceRegion: str(homeRegion), Monitored: yes,
	}))(t))
	must(c.ModifyIpamResourceCidr(ctx, &ec2.ModifyIpamResourceCidrInput{
		CurrentIpamScopeId: s.IpamScopeId, DestinationIpamScopeId: m.PrivateDefaultScopeId, ResourceId: str("vpc-2"), ResourceCidr: str("192.168.0.0/24"), ResourceRegion: str(homeRegion), Monitored: yes,
	}))(t)

	wantAssociation.State = types.IpamResourceDiscoveryAssociationStateDisassociateComplete
	same(t, &ec2.DisassociateIpamResourceDiscoveryOutput{IpamResourceDiscoveryAssociation: &wantAssociation},
		must(c.DisassociateIpamResourceDiscovery(ctx, &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId}))(t))
	wantDiscovery.State = types.IpamResourceDiscoveryStateDeleteComplete
	same(t, &ec2.DeleteIpamResourceDiscoveryOutput{IpamResourceDiscovery: &wantDiscovery},
		must(c.DeleteIpamResourceDiscovery(ctx, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: d.IpamResourceDiscoveryId}))(t))

	same(t, &ec2.EnableIpamOrganizationAdminAccountOutput{Success: yes},
		must(c.EnableIpamOrganizationAdminAccount(ctx, &ec2.EnableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: str(owner)}))(t))

	passResolver(t, c, writer, m)

	// VPCs that take no space from pools.
	passVPCs(t, vpcs, c)

	// All objects are deleted again.
	same(t, &ec2.DisableIpamOrganizationAdminAccountOutput{Success: yes},
		must(c.DisableIpamOrganizationAdminAccount(ctx, &ec2.DisableIpamOrganizationAdminAccountInput{DelegatedAdminAccountId: str(owner)}))(t))
	same(t, &ec2.ReleaseIpamPoolAllocationOutput{Success: yes},
		must(c.ReleaseIpamPoolAllocation(ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: p.IpamPoolId, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}))(t))
	must(c.DeprovisionIpamPoolCidr(ctx, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: q.IpamPoolId, Cidr: str("10.0.0.0/16")}))(t)
	wantCIDR.State, wantCIDR.FailureReason = types.IpamPoolCidrStateDeprovisioned, nil
	same(t, &ec2.DeprovisionIpamPoolCidrOutput{IpamPoolCidr: &wantCIDR}, must(c.DeprovisionIpamPoolCidr(ctx, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: p.IpamPoolId, Cidr: str("10.0.0.0/8")}))(t))
	for _, w := range []types.IpamPool{wantChild, wantPool, wantPublic} {
		w.State = types.IpamPoolStateDeleteComplete
		same(t, &ec2.DeleteIpamPoolOutput{IpamPool: &w}, must(c.DeleteIpamPool(ctx, &ec2.DeleteIpamPoolInput{IpamPoolId: w.IpamPoolId}))(t))
	}
	wantScope.State = types.IpamScopeStateDeleteComplete
	same(t, &ec2.DeleteIpamScopeOutput{IpamScope: &wantScope}, must(c.DeleteIpamScope(ctx, &ec2.DeleteIpamScopeInput{IpamScopeId: s.IpamScopeId}))(t))
	wantIPAM.State, wantIPAM.ScopeCount = types.IpamStateDeleteComplete, num(2)
	same(t, &ec2.DeleteIpamOutput{Ipam: &wantIPAM}, must(c.DeleteIpam(ctx, &ec2.DeleteIpamInput{IpamId: m.IpamId}))(t))
	same(t, &ec2.DescribeIpamsOutput{Ipams: []types.Ipam{}}, must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{}))(t))

	for _, o := range handler.registry.Operations() {
		if model, _ := schema.Lookup(o.Name); !model.Own && !called[o.Name] { // the SDK has no operations of our own
			t.Errorf("%s was not called", o.Name)
		}
	}
}

// must returns the answer of a call, or ends the test.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// same compares all exported members of answers without those that the SDK adds.
func same[T any](t *testing.T, want, got T) {
	t.Helper()
	sdkMembers := cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && (f.Name() == "ResultMetadata" || f.Name() == "noSmithyDocumentSerde")
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, sdkMembers); diff != "" {
		t.Errorf("%T (-want +got):\n%s", got, diff)
	}
}

// No request makes the function fail, and a refused request has written nothing.
func FuzzRequests(f *testing.F) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	base := &tabletest.Memory{}
	names := createObjects(f, realHandler(base, func() time.Time { return start }))
	for _, body := range []string{
		"Action=DescribeIpams", "Action=DescribeIpams&IpamId.1=IPAM&MaxResults=5", "Action=ModifyIpam&IpamId=IPAM&Description=x&AddOperatingRegion.1.RegionName=eu-west-1&Tier=free",
		"Action=DeleteIpam&IpamId=IPAM&Cascade=true", "Action=CreateIpamScope&IpamId=IPAM&ClientToken=t", "Action=DeleteIpamScope&IpamScopeId=SCOPE",
		"Action=CreateIpamPool&IpamScopeId=SCOPE&AddressFamily=ipv6&PubliclyAdvertisable=false&AllocationMinNetmaskLength=48", "Action=CreateIpamPool&IpamScopeId=SCOPE&AddressFamily=ipv4&SourceIpamPoolId=POOL&AutoImport=true",
		"Action=ModifyIpamPool&IpamPoolId=POOL&AllocationDefaultNetmaskLength=24&AddAllocationResourceTag.1.Key=a&AddAllocationResourceTag.1.Value=b",
		"Action=ProvisionIpamPoolCidr&IpamPoolId=POOL&Cidr=0.0.0.0/0", "Action=ProvisionIpamPoolCidr&IpamPoolId=POOL&Cidr=11.0.0.0/32", "Action=DeprovisionIpamPoolCidr&IpamPoolId=POOL&Cidr=10.0.0.0/8",
		"Action=AllocateIpamPoolCidr&IpamPoolId=POOL&NetmaskLength=0", "Action=AllocateIpamPoolCidr&IpamPoolId=POOL&NetmaskLength=32&AllowedCidr.1=10.0.0.0/30&DisallowedCidr.1=10.0.0.2/31",
		"Action=AllocateIpamPoolCidr&IpamPoolId=POOL&Cidr=10.0.0.0/24", "Action=ReleaseIpamPoolAllocation&IpamPoolId=POOL&Cidr=10.0.0.0/24&IpamPoolAllocationId=ALLOCATION",
		"Action=GetIpamPoolAllocations&IpamPoolId=POOL&NextToken=WyIiXQ&MaxResults=1000&Filter.1.Name=tag:a&Filter.1.Value.1=*\\*?", "Action=DescribeIpamPoolAllocations&IpamPoolAllocationId.1=ALLOCATION",
		"Action=CreateIpamResourceDiscovery&OperatingRegion.1.RegionName=eu-west-1", "Action=DescribeIpamResourceDiscoveries&Filter.1.Name=is-default&Filter.1.Value.1=true",
		"Action=ModifyIpamResourceDiscovery&IpamResourceDiscoveryId=DISCOVERY&AddOrganizationalUnitExclusion.1.OrganizationsEntityPath=o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/*",
		"Action=DeleteIpamResourceDiscovery&IpamResourceDiscoveryId=DISCOVERY", "Action=AssociateIpamResourceDiscovery&IpamId=IPAM&IpamResourceDiscoveryId=DISCOVERY",
		"Action=DisassociateIpamResourceDiscovery&IpamResourceDiscoveryAssociationId=ASSOCIATION", "Action=GetIpamDiscoveredAccounts&IpamResourceDiscoveryId=DISCOVERY&DiscoveryRegion=us-east-1",
		"Action=GetIpamDiscoveredResourceCidrs&IpamResourceDiscoveryId=DISCOVERY&ResourceRegion=us-east-1&NextToken=x", "Action=GetIpamDiscoveredPublicAddresses&IpamResourceDiscoveryId=DISCOVERY&AddressRegion=tokyo",
		"Action=ModifyIpamResourceCidr&CurrentIpamScopeId=SCOPE&ResourceId=vpc-1&ResourceCidr=10.0.0.0/8&ResourceRegion=us-east-1&Monitored=false",
		"Action=GetIpamResourceCidrs&IpamScopeId=SCOPE&IpamPoolId=POOL&ResourceTag.Key=a&ResourceType=vpc",
		"Action=CreateTags&ResourceId.1=ALLOCATION&ResourceId.2=POOL&Tag.1.Key=a&Tag.1.Value=%00", "Action=DeleteTags&ResourceId.1=IPAM&Tag.1.Key=a", "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=POOL",
	} {
		f.Add("", body)
	}
	for operation, body := range map[string]string{
		"AllocateIpamPoolCidr": `{"IpamPoolId": "POOL", "NetmaskLength": 24, "TagSpecifications": [{"ResourceType": "ipam-pool-allocation", "Tags": [{"Key": "a"}]}]}`,
		"CreateIpamPool":       `{"IpamScopeId": "SCOPE", "AddressFamily": "ipv4", "AllocationResourceTags": [{}], "Locale": null}`,
		"CreateTags":           `{"Resources": ["POOL", "IPAM"], "Tags": [{"Key": "é", "Value": "\u0000"}]}`,
		"ModifyIpam":           `{"IpamId": "IPAM", "RemoveOperatingRegions": [{"RegionName": "us-east-1"}]}`,
		"PutAccessGrants":      `{"Readers": ["*"]}`, "GetAccessGrants": `{}`, "DescribeIpamPools": `{"Filters": [{"Name": "state"}]}`, "DescribeTags": `{"MaxResults": 1}`, "DeleteIpamPool": `[]`,
	} {
		f.Add(operation, body)
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		table := base.Clone()
		handler := realHandler(table, func() time.Time { return start })
		e := adminEvent(http.MethodPost, "/", names.Replace(body))
		if operation != "" {
			e.Resource, e.PathParameters = "/v1/{operation}", map[string]string{"operation": operation}
		}
		before := table.Hash()
		answer, err := handler.Handle(context.Background(), Event{APIGatewayProxyRequest: e})
		if err != nil || answer.StatusCode >= 500 {
			t.Fatalf("%d, %v: %s", answer.StatusCode, err, answer.Body)
		}
		if answer.StatusCode != http.StatusOK && table.Hash() != before {
			t.Errorf("%d %s, but the table has changed", answer.StatusCode, answer.Body)
		}
		fscktest.Clean(t, table, start)
	})
}

// createObjects creates an object of each kind. It returns the replacer of their names by their
// ids.
func createObjects(f *testing.F, h *Handler) *strings.Replacer {
	call := func(operation string, body map[string]any) map[string]any {
		f.Helper()
		b, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		e := adminEvent(http.MethodPost, "/v1/{operation}", string(b))
		e.PathParameters = map[string]string{"operation": operation}
		answer, err := h.Handle(context.Background(), Event{APIGatewayProxyRequest: e})
		var out map[string]map[string]any
		if err != nil || answer.StatusCode != http.StatusOK {
			f.Fatalf("%s: %d %s, %v", operation, answer.StatusCode, answer.Body, err)
		}
		if err := json.NewDecoder(bytes.NewBufferString(answer.Body)).Decode(&out); err != nil {
			f.Fatal(err)
		}
		return slices.Collect(maps.Values(out))[0]
	}
	ipam := call("CreateIpam", map[string]any{})
	scope := ipam["PrivateDefaultScopeId"]
	pool := call("CreateIpamPool", map[string]any{"IpamScopeId": scope, "AddressFamily": "ipv4"})["IpamPoolId"]
	call("ProvisionIpamPoolCidr", map[string]any{"IpamPoolId": pool, "Cidr": "10.0.0.0/8"})
	allocation := call("AllocateIpamPoolCidr", map[string]any{"IpamPoolId": pool, "NetmaskLength": 24})["IpamPoolAllocationId"]
	discovery := call("CreateIpamResourceDiscovery", map[string]any{})["IpamResourceDiscoveryId"].(string)
	association := call("AssociateIpamResourceDiscovery", map[string]any{"IpamId": ipam["IpamId"], "IpamResourceDiscoveryId": discovery})["IpamResourceDiscoveryAssociationId"].(string)
	return strings.NewReplacer("DISCOVERY", discovery, "ASSOCIATION", association, "IPAM", ipam["IpamId"].(string), "SCOPE", scope.(string), "POOL", pool.(string), "ALLOCATION", allocation.(string))
}
