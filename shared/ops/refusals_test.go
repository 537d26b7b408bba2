package ops_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// refusalEnv has the objects that the tests of refusals name.
type refusalEnv struct {
	*env
	manager                                                          *types.Ipam
	private, public, second                                          *string // scopes
	top, tokyo, ruled, full, empty, six, advertised, deepest, doomed *string // pools
	taken, inTokyo                                                   *types.IpamPoolAllocation
	fromTop                                                          types.IpamPoolAllocation // of a child pool
	watcher, standard, standardAssociation, anothers                 *string                  // discoveries and an association
	foreign                                                          *string                  // a scope of another account
}

func newRefusalEnv(t *testing.T) *refusalEnv {
	t.Helper()
	w := newEnv(t, func(q *ipam.Quotas) { q.ScopesPerIPAM, q.PoolDepth, q.CIDRsPerPool = 3, 3, 2 })
	f := &refusalEnv{env: w}
	f.manager = w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("ap-northeast-1", "ap-northeast-3")})
	f.private, f.public = f.manager.PrivateDefaultScopeId, f.manager.PublicDefaultScopeId
	f.second = do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: f.manager.IpamId}).IpamScope.IpamScopeId
	pool := func(in ec2.CreateIpamPoolInput, cidrs ...string) *string {
		if in.IpamScopeId == nil {
			in.IpamScopeId = f.private
		}
		return aws.String(w.makePool(in, cidrs...))
	}
	f.top = pool(ec2.CreateIpamPoolInput{}, "10.0.0.0/12")
	f.tokyo = pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: f.top, Locale: aws.String("ap-northeast-1")}, "10.0.0.0/16", "10.1.0.0/16")
	f.ruled = pool(ec2.CreateIpamPoolInput{AllocationMinNetmaskLength: aws.Int32(20), AllocationMaxNetmaskLength: aws.Int32(28)}, "172.16.0.0/16")
	f.full = pool(ec2.CreateIpamPoolInput{AllocationDefaultNetmaskLength: aws.Int32(24)}, "192.168.0.0/24")
	f.empty = pool(ec2.CreateIpamPoolInput{IpamScopeId: f.second})
	f.six = pool(ec2.CreateIpamPoolInput{AddressFamily: types.AddressFamilyIpv6})
	f.advertised = pool(ec2.CreateIpamPoolInput{IpamScopeId: f.public, Locale: aws.String("ap-northeast-1"), AwsService: types.IpamPoolAwsServiceEc2})
	f.deepest = pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: f.tokyo})
	f.doomed = pool(ec2.CreateIpamPoolInput{SourceIpamPoolId: f.top}, "10.2.0.0/16")
	do[ec2.DeleteIpamPoolOutput](w, w.admin, &ec2.DeleteIpamPoolInput{IpamPoolId: f.doomed, Cascade: aws.Bool(true)})
	f.taken = w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: f.full})
	f.inTokyo = w.allocate(ec2.AllocateIpamPoolCidrInput{IpamPoolId: f.tokyo, NetmaskLength: aws.Int32(24), ClientToken: aws.String("used")})
	do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/24")})
	do[ec2.DeprovisionIpamPoolCidrOutput](w, w.admin, &ec2.DeprovisionIpamPoolCidrInput{IpamPoolId: f.top, Cidr: aws.String("11.0.0.0/24")})
	f.fromTop = do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: f.top}).IpamPoolAllocations[0]

	f.watcher = do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	f.standard, f.standardAssociation = f.manager.DefaultResourceDiscoveryId, f.manager.DefaultResourceDiscoveryAssociationId
	do[ec2.AssociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: f.manager.IpamId, IpamResourceDiscoveryId: f.watcher})
	f.anothers = do[ec2.CreateIpamOutput](w, as(stranger, "admin", ""), &ec2.CreateIpamInput{}).Ipam.DefaultResourceDiscoveryId
	f.foreign = do[ec2.DescribeIpamScopesOutput](w, as(stranger, "admin", ""), &ec2.DescribeIpamScopesInput{Filters: []types.Filter{where("ipam-scope-type", "private")}}).IpamScopes[0].IpamScopeId
	w.recordRun(*f.standard, account, 1)
	w.observe(*f.standard, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("172.31.0.0/16"), Owner: account, VPC: "vpc-1"})
	w.observe(*f.standard, 1, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("172.31.0.0/24"), Owner: account, VPC: "vpc-1"})
	do[ec2.ModifyIpamResourceDiscoveryOutput](w, w.admin, excludeUnits(f.watcher, unitPaths(6)...))
	return f
}

// create returns a request for a pool in the private default scope.
func (f *refusalEnv) create(change func(*ec2.CreateIpamPoolInput)) any {
	in := &ec2.CreateIpamPoolInput{IpamScopeId: f.private, AddressFamily: types.AddressFamilyIpv4}
	change(in)
	return in
}

// elsewhere returns a request for a resource in a Region that it is not in.
func (f *refusalEnv) elsewhere() any {
	in := modifyResource(f.private, nil, "vpc-1")
	in.ResourceRegion = aws.String("eu-west-1")
	return in
}

// refusal is a request that an operation refuses with a code, and with words in the
// message.
type refusal struct {
	name  string
	in    any
	code  ipam.Code
	words []string
}

// refuse calls the operations, which must refuse and leave the table as it is.
func (f *refusalEnv) refuse(refusals []refusal) {
	f.t.Helper()
	for _, c := range refusals {
		f.t.Run(c.name, func(t *testing.T) { f.refused(t, f.admin, c.in, c.code, c.words...) })
	}
}

// Ids in the right form that no object has.
var (
	noIPAM, noScope, noPool, noAllocation = idOfNone("ipam-", 17), idOfNone("ipam-scope-", 17), idOfNone("ipam-pool-", 17), idOfNone("ipam-pool-alloc-", 32)
	noDiscovery, noAssociation            = idOfNone("ipam-res-disco-", 17), idOfNone("ipam-res-disco-assoc-", 17)
)

func idOfNone(prefix string, digits int) *string {
	return aws.String(prefix + strings.Repeat("0", digits))
}

var longText, shortText, yes = aws.String(strings.Repeat("x", 256)), aws.String("text"), aws.Bool(true)

func manyTags(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("k", i), "")
	}
	return list
}

func allocateFrom(pool *string, change func(*ec2.AllocateIpamPoolCidrInput)) any {
	in := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool}
	change(in)
	return in
}

func withCIDR(s string) func(*ec2.AllocateIpamPoolCidrInput) {
	return func(in *ec2.AllocateIpamPoolCidrInput) { in.Cidr = &s }
}

func withLength(n int32) func(*ec2.AllocateIpamPoolCidrInput) {
	return func(in *ec2.AllocateIpamPoolCidrInput) { in.NetmaskLength = &n }
}

func provisionCIDR(pool *string, cidr string) *ec2.ProvisionIpamPoolCidrInput {
	return &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, Cidr: &cidr}
}

func provisionLength(pool *string, n int32) *ec2.ProvisionIpamPoolCidrInput {
	return &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, NetmaskLength: &n}
}

func modifyResource(scope, destination *string, id string) *ec2.ModifyIpamResourceCidrInput {
	return &ec2.ModifyIpamResourceCidrInput{CurrentIpamScopeId: scope, DestinationIpamScopeId: destination, ResourceId: &id, ResourceCidr: aws.String("172.31.0.0/16"), ResourceRegion: aws.String(home), Monitored: aws.Bool(true)}
}

func excludeUnits(id *string, paths ...string) any {
	in := &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id}
	for _, p := range paths {
		in.AddOrganizationalUnitExclusions = append(in.AddOrganizationalUnitExclusions, types.AddIpamOrganizationalUnitExclusion{OrganizationsEntityPath: &p})
	}
	return in
}

func unitPaths(n int) (paths []string) {
	for i := range n {
		paths = append(paths, fmt.Sprintf("o-a1b2c3d4e5/r-f6g7/ou-f6g7-%08d/", i))
	}
	return paths
}

func describePools(filters ...types.Filter) any { return &ec2.DescribeIpamPoolsInput{Filters: filters} }

// refusing is a table that refuses all transactions.
type refusing struct {
	*tabletest.Memory
	err error
}

func (r refusing) Transact(context.Context, []table.Write) error { return r.err }

func TestRefusalsOfTheTable(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  ipam.Code
		words string
	}{
		{table.ErrConflict, "ConcurrentMutationLimitExceeded", "There are too many concurrent mutations for the requested resource. Try again later."},
		{table.ErrThrottled, "RequestLimitExceeded", "try again later"},
	} {
		s := store.New(refusing{&tabletest.Memory{}, c.err}, store.Options{Region: home, Sleep: func(context.Context, time.Duration) error { return nil }})
		_, err := ops.New(s, grants()).Call(as(account, "admin", ""), "CreateIpam", &ec2.CreateIpamInput{})
		if ipam.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v: got %v, want %s", c.err, err, c.code)
		}
	}
}
