package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/lambdaruntime"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/localtable"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

const home, account = "us-east-1", "111122223333"

var admin = sigv4front.Key{AccessKeyID: "AKIAADMIN", Secret: "admin/secret+1", Account: account, ARN: "arn:aws:iam::" + account + ":user/admin"}

// bootstrap builds the api function as it is deployed.
var bootstrap = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../build/e2e/go/bootstrap")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags=-s -w -buildid=", "-o", path, "./functions/api")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// stack is the deployed binary on a new DynamoDB Local table, behind the front
// that verifies signatures.
type stack struct {
	client *ec2.Client
	dynamo *dynamodb.Client
	table  string
}

func newStack(t *testing.T) *stack {
	t.Helper()
	url := os.Getenv("CADASTRE_DYNAMODB_LOCAL_URL")
	if url == "" {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatal("CADASTRE_DYNAMODB_LOCAL_URL is not set; `make test` starts DynamoDB Local and sets it")
	}
	binary, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{dynamo: localtable.Client(url), table: fmt.Sprintf("sdk-%d", time.Now().UnixNano())}
	if err := localtable.Create(t.Context(), s.dynamo, s.table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { localtable.Drop(context.Background(), s.dynamo, s.table) })
	grants, err := json.Marshal(map[string][]string{"administrators": {admin.ARN}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	f, err := lambdaruntime.Start(t.Context(), lambdaruntime.Config{
		Binary: binary,
		Env:    sigv4front.FunctionEnv(home, url, s.table, account, string(grants)),
		Log:    &log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		if t.Failed() {
			t.Logf("the function wrote:\n%s", log.String())
		}
	})
	if err := f.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&sigv4front.Front{
		Verifier: &sigv4front.Verifier{Region: home, Keys: []sigv4front.Key{admin}},
		Invoke:   f.Invoke,
	})
	t.Cleanup(server.Close)
	s.client = ec2.NewFromConfig(aws.Config{
		Region:           home,
		Credentials:      credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.Secret, ""),
		RetryMaxAttempts: 1,
	}, ec2.WithSigV4SigningName("execute-api"), func(o *ec2.Options) { o.BaseEndpoint = aws.String(server.URL + "/" + sigv4front.Stage) })
	return s
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

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("err = %v, want %s", err, code)
	}
}

// TestGoSDK calls every operation through the SDK's own client, signed as API
// Gateway requires.
func TestGoSDK(t *testing.T) {
	c, ctx := newStack(t).client, t.Context()
	region := func(names ...string) (list []types.AddIpamOperatingRegion) {
		for _, n := range names {
			list = append(list, types.AddIpamOperatingRegion{RegionName: &n})
		}
		return list
	}
	made := must(c.CreateIpam(ctx, &ec2.CreateIpamInput{OperatingRegions: region("ap-northeast-1", "ap-northeast-3"), Description: aws.String("by Go")}))(t).Ipam
	if made.State != types.IpamStateCreateComplete || aws.ToString(made.OwnerId) != account {
		t.Errorf("CreateIpam answered %+v", made)
	}
	described := must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{}))(t).Ipams
	if d := cmp.Diff([]types.Ipam{*made}, described, cmp.AllowUnexported(types.Ipam{}, types.IpamOperatingRegion{}, types.Tag{}), ignoreDocuments); d != "" {
		t.Errorf("the created IPAM differs from the described one:\n%s", d)
	}
	must(c.ModifyIpam(ctx, &ec2.ModifyIpamInput{IpamId: made.IpamId, Description: aws.String("changed")}))(t)

	scope := must(c.CreateIpamScope(ctx, &ec2.CreateIpamScopeInput{IpamId: made.IpamId}))(t).IpamScope
	must(c.ModifyIpamScope(ctx, &ec2.ModifyIpamScopeInput{IpamScopeId: scope.IpamScopeId, Description: aws.String("s")}))(t)
	if n := len(must(c.DescribeIpamScopes(ctx, &ec2.DescribeIpamScopesInput{}))(t).IpamScopes); n != 3 {
		t.Errorf("%d scopes, want 3", n)
	}

	pool := must(c.CreateIpamPool(ctx, &ec2.CreateIpamPoolInput{IpamScopeId: scope.IpamScopeId, AddressFamily: types.AddressFamilyIpv4, Locale: aws.String("ap-northeast-1"), AllocationDefaultNetmaskLength: aws.Int32(24)}))(t).IpamPool
	must(c.ModifyIpamPool(ctx, &ec2.ModifyIpamPoolInput{IpamPoolId: pool.IpamPoolId, Description: aws.String("p")}))(t)
	if got := must(c.DescribeIpamPools(ctx, &ec2.DescribeIpamPoolsInput{IpamPoolIds: []string{*pool.IpamPoolId}}))(t).IpamPools; len(got) != 1 || aws.ToString(got[0].Description) != "p" {
		t.Errorf("DescribeIpamPools answered %+v", got)
	}
	if cidr := must(c.ProvisionIpamPoolCidr(ctx, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, Cidr: aws.String("10.0.0.0/16")}))(t).IpamPoolCidr; cidr.State != types.IpamPoolCidrStateProvisioned {
		t.Errorf("ProvisionIpamPoolCidr answered %+v", cidr)
	}
	if got := must(c.GetIpamPoolCidrs(ctx, &ec2.GetIpamPoolCidrsInput{IpamPoolId: pool.IpamPoolId}))(t).IpamPoolCidrs; len(got) != 1 {
		t.Errorf("GetIpamPoolCidrs answered %+v", got)
	}

	token := aws.String("once")
	a := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, ClientToken: token}))(t).IpamPoolAllocation
	again := must(c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, ClientToken: token}))(t).IpamPoolAllocation
	if aws.ToString(a.Cidr) != "10.0.0.0/24" || *a.IpamPoolAllocationId != *again.IpamPoolAllocationId {
		t.Errorf("AllocateIpamPoolCidr answered %+v, then %+v", a, again)
	}
	_, err := c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, NetmaskLength: aws.Int32(8)})
	wantCode(t, err, "InvalidParameterValue")
	_, err = c.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, DryRun: aws.Bool(true)})
	wantCode(t, err, "DryRunOperation")
	must(c.ModifyIpamPoolAllocation(ctx, &ec2.ModifyIpamPoolAllocationInput{IpamPoolAllocationId: a.IpamPoolAllocationId, Description: aws.String("d")}))(t)
	if got := must(c.GetIpamPoolAllocations(ctx, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: pool.IpamPoolId}))(t).IpamPoolAllocations; len(got) != 1 || aws.ToString(got[0].Description) != "d" {
		t.Errorf("GetIpamPoolAllocations answered %+v", got)
	}
	if got := must(c.DescribeIpamPoolAllocations(ctx, &ec2.DescribeIpamPoolAllocationsInput{IpamPoolAllocationIds: []string{*a.IpamPoolAllocationId}}))(t).IpamPoolAllocations; len(got) != 1 {
		t.Errorf("DescribeIpamPoolAllocations answered %+v", got)
	}

	resources := []string{*made.IpamId, *pool.IpamPoolId}
	must(c.CreateTags(ctx, &ec2.CreateTagsInput{Resources: resources, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))(t)
	if got := must(c.DescribeTags(ctx, &ec2.DescribeTagsInput{}))(t).Tags; len(got) != 2 {
		t.Errorf("DescribeTags answered %+v", got)
	}
	must(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: resources}))(t)

	must(c.ReleaseIpamPoolAllocation(ctx, &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: pool.IpamPoolId, Cidr: a.Cidr, IpamPoolAllocationId: a.IpamPoolAllocationId}))(t)
	must(c.DeprovisionIpamPoolCidr(ctx, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: pool.IpamPoolId, Cidr: aws.String("10.0.0.0/16")}))(t)
	must(c.DeleteIpamPool(ctx, &ec2.DeleteIpamPoolInput{IpamPoolId: pool.IpamPoolId}))(t)
	must(c.DeleteIpamScope(ctx, &ec2.DeleteIpamScopeInput{IpamScopeId: scope.IpamScopeId}))(t)
	must(c.DeleteIpam(ctx, &ec2.DeleteIpamInput{IpamId: made.IpamId}))(t)
	if got := must(c.DescribeIpams(ctx, &ec2.DescribeIpamsInput{}))(t).Ipams; len(got) != 0 {
		t.Errorf("after its deletion: %+v", got)
	}
	_, err = c.DescribeIpamPolicies(ctx, &ec2.DescribeIpamPoliciesInput{})
	wantCode(t, err, "UnsupportedOperation")
}

// ignoreDocuments ignores the SDK's own marker, which no answer contains.
var ignoreDocuments = cmp.FilterPath(func(p cmp.Path) bool {
	return strings.HasSuffix(p.Last().String(), ".noSmithyDocumentSerde")
}, cmp.Ignore())

// TestPagesOf100000 reads a pool of 100,000 allocations through the deployed
// binary. Like Lambda, the runtime API refuses an answer above 6 MB.
func TestPagesOf100000(t *testing.T) {
	const n = 100_000
	s := newStack(t)
	pool, ids := s.fill(t, n)
	check := func(name string, next func() ([]types.IpamPoolAllocation, bool, error)) {
		t.Helper()
		seen, pages := make(map[string]bool, n), 0
		var last netip.Addr
		for more := true; more; pages++ {
			var page []types.IpamPoolAllocation
			var err error
			if page, more, err = next(); err != nil {
				t.Fatalf("%s, page %d: %v", name, pages+1, err)
			}
			for _, a := range page {
				at := netip.MustParsePrefix(*a.Cidr).Addr()
				if seen[*a.IpamPoolAllocationId] || last.IsValid() && !last.Less(at) {
					t.Fatalf("%s, page %d: %s %s twice or out of order", name, pages+1, *a.IpamPoolAllocationId, at)
				}
				seen[*a.IpamPoolAllocationId], last = true, at
			}
		}
		if len(seen) != n {
			t.Errorf("%s: %d allocations, want %d", name, len(seen), n)
		}
		if !seen[ids[0]] || !seen[ids[n-1]] {
			t.Errorf("%s: the first or the last allocation is not there", name)
		}
		t.Logf("%s: %d pages", name, pages)
	}
	get := ec2.NewGetIpamPoolAllocationsPaginator(s.client, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool, MaxResults: aws.Int32(n)})
	check("GetIpamPoolAllocations", func() ([]types.IpamPoolAllocation, bool, error) {
		out, err := get.NextPage(t.Context())
		if err != nil {
			return nil, false, err
		}
		return out.IpamPoolAllocations, get.HasMorePages(), nil
	})
	describe := ec2.NewDescribeIpamPoolAllocationsPaginator(s.client, &ec2.DescribeIpamPoolAllocationsInput{MaxResults: aws.Int32(n)})
	check("DescribeIpamPoolAllocations", func() ([]types.IpamPoolAllocation, bool, error) {
		out, err := describe.NextPage(t.Context())
		if err != nil {
			return nil, false, err
		}
		return out.IpamPoolAllocations, describe.HasMorePages(), nil
	})
}

// fill makes a pool with n allocations. The store allocates them in memory and
// fill copies the items, because n transactions on DynamoDB Local would take
// minutes.
func (s *stack) fill(t *testing.T, n int) (pool string, ids []string) {
	t.Helper()
	ctx := t.Context()
	memory := &tabletest.Memory{}
	st := store.New(memory, store.Options{Region: home})
	token := func(op string) store.Token { return store.Token{Account: account, Operation: op} }
	manager := must(st.CreateIPAM(ctx, token("CreateIpam"), ipam.IPAM{Meta: ipam.Meta{Owner: account, Region: home}, OperatingRegions: []string{home}, Tier: "advanced"}))(t)
	p := must(st.CreatePool(ctx, token("CreateIpamPool"), ipam.Pool{Scope: manager.PrivateScope, Family: ipam.IPv4},
		func(_ *ipam.IPAM, _ *ipam.Scope, _ *ipam.Pool, p *ipam.Pool) error { p.Region = home; return nil }))(t)
	must(st.Provision(ctx, store.Provision{Token: token("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/8"),
		May: func(*ipam.Pool) error { return nil }, Check: func(*ipam.Pool, *store.Provision) error { return nil }}))(t)
	length := 28
	for i := range n {
		a := must(st.Allocate(ctx, store.Allocate{Token: token("AllocateIpamPoolCidr"), Pool: p.ID, Request: ipam.AllocateRequest{Length: &length},
			Description: fmt.Sprintf("allocation %d of a long list, with a text as people write them", i),
			Tags:        ipam.Tags{"team": "network", "cost-center": "4711"},
			May:         func(*ipam.Pool) error { return nil }}))(t)
		ids = append(ids, a.AllocationID)
	}
	var puts []dynamotypes.WriteRequest
	for k, item := range memory.All() {
		attrs := map[string]dynamotypes.AttributeValue{
			table.AttrPK: &dynamotypes.AttributeValueMemberS{Value: k.PK},
			table.AttrSK: &dynamotypes.AttributeValueMemberS{Value: k.SK},
		}
		for name, v := range item {
			attrs[name] = v
		}
		puts = append(puts, dynamotypes.WriteRequest{PutRequest: &dynamotypes.PutRequest{Item: attrs}})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for batch := range slices.Chunk(puts, 25) {
		g.Go(func() error {
			for left := batch; len(left) > 0; {
				out, err := s.dynamo.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]dynamotypes.WriteRequest{s.table: left}})
				if err != nil {
					return err
				}
				left = out.UnprocessedItems[s.table]
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return p.ID, ids
}
