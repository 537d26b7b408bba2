package ops_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// cloud is a fake of EC2 with the calls for VPCs. A call that returns an error may have been
// carried out.
type cloud struct {
	who     []string // "<account> <Region> <principal>" of each session
	calls   []string
	vpcs    []string // "<id> <CIDR>"
	tags    []types.Tag
	noRole  error  // of assuming the role
	fails   error  // of every call
	applied bool   // a call that fails is carried out
	before  func() // each call, if not nil

	shown        []types.Vpc    // by id
	shownSubnets []types.Subnet // by id
	association  string         // of the CIDR that is associated or disassociated
	ended        string         // the CIDR that DisassociateVpcCidrBlock ends
}

func (c *cloud) called() {
	if c.before != nil {
		c.before()
	}
}

func (c *cloud) EC2(_ context.Context, account, region, principal string) (*cloud, error) {
	c.called()
	c.who = append(c.who, account+" "+region+" "+principal)
	return c, c.noRole
}

// make records a call with its CIDRs and the VPC that it creates.
func (c *cloud) make(call string, space ...*string) (id string, err error) {
	c.called()
	text := call
	for _, s := range space {
		text += " " + aws.ToString(s)
	}
	c.calls = append(c.calls, strings.TrimSpace(text))
	id = fmt.Sprintf("vpc-%d", len(c.vpcs)+1)
	if c.fails == nil || c.applied {
		c.vpcs = append(c.vpcs, strings.TrimSpace(id+" "+aws.ToString(space[0])+" "+aws.ToString(space[1])))
	}
	return id, c.fails
}

// unpooled returns an error for parameters of pools, which EC2 does not know.
func unpooled(pool4, pool6 *string, length4, length6 *int32) error {
	if pool4 != nil || pool6 != nil || length4 != nil || length6 != nil {
		return errors.New("EC2 knows none of these pools")
	}
	return nil
}

func (c *cloud) CreateVpc(_ context.Context, in *ec2.CreateVpcInput, _ ...func(*ec2.Options)) (*ec2.CreateVpcOutput, error) {
	if err := unpooled(in.Ipv4IpamPoolId, in.Ipv6IpamPoolId, in.Ipv4NetmaskLength, in.Ipv6NetmaskLength); err != nil {
		return nil, err
	}
	id, err := c.make("CreateVpc", in.CidrBlock, in.Ipv6CidrBlock, in.Ipv6Pool)
	return &ec2.CreateVpcOutput{Vpc: &types.Vpc{VpcId: &id, CidrBlock: in.CidrBlock}}, err
}

// DescribeVpcs returns the VPC of an id, or for a filter, the VPCs that the test lets EC2
// show.
func (c *cloud) DescribeVpcs(_ context.Context, in *ec2.DescribeVpcsInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	if in.Filters == nil {
		return &ec2.DescribeVpcsOutput{Vpcs: []types.Vpc{{Tags: c.tags}}}, c.fails
	}
	c.called()
	c.calls = append(c.calls, "DescribeVpcs "+in.Filters[0].Values[0])
	out := &ec2.DescribeVpcsOutput{}
	for _, v := range c.shown {
		if *v.VpcId == in.Filters[0].Values[0] {
			out.Vpcs = append(out.Vpcs, v)
		}
	}
	return out, c.fails
}

func (c *cloud) DescribeSubnets(_ context.Context, in *ec2.DescribeSubnetsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	c.called()
	c.calls = append(c.calls, "DescribeSubnets "+in.Filters[0].Values[0])
	out := &ec2.DescribeSubnetsOutput{}
	for _, n := range c.shownSubnets {
		if *n.SubnetId == in.Filters[0].Values[0] {
			out.Subnets = append(out.Subnets, n)
		}
	}
	return out, c.fails
}

func (c *cloud) AssociateVpcCidrBlock(_ context.Context, in *ec2.AssociateVpcCidrBlockInput, _ ...func(*ec2.Options)) (*ec2.AssociateVpcCidrBlockOutput, error) {
	if err := unpooled(in.Ipv4IpamPoolId, in.Ipv6IpamPoolId, in.Ipv4NetmaskLength, in.Ipv6NetmaskLength); err != nil {
		return nil, err
	}
	_, err := c.make("AssociateVpcCidrBlock", in.CidrBlock, in.Ipv6CidrBlock)
	out := &ec2.AssociateVpcCidrBlockOutput{VpcId: in.VpcId, ResultMetadata: servedAt(time.Unix(1_800_000, 0))}
	if in.CidrBlock != nil && c.association != "" {
		out.CidrBlockAssociation = &types.VpcCidrBlockAssociation{CidrBlock: in.CidrBlock, AssociationId: &c.association}
	}
	return out, err
}

func (c *cloud) DisassociateVpcCidrBlock(_ context.Context, in *ec2.DisassociateVpcCidrBlockInput, _ ...func(*ec2.Options)) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	c.calls = append(c.calls, "DisassociateVpcCidrBlock "+*in.AssociationId)
	out := &ec2.DisassociateVpcCidrBlockOutput{VpcId: aws.String("vpc-1")}
	if strings.Contains(c.ended, ":") {
		out.Ipv6CidrBlockAssociation = &types.VpcIpv6CidrBlockAssociation{Ipv6CidrBlock: &c.ended, AssociationId: in.AssociationId}
	} else if c.ended != "" {
		out.CidrBlockAssociation = &types.VpcCidrBlockAssociation{CidrBlock: &c.ended, AssociationId: in.AssociationId}
	}
	return out, c.fails
}

func (c *cloud) CreateSubnet(_ context.Context, in *ec2.CreateSubnetInput, _ ...func(*ec2.Options)) (*ec2.CreateSubnetOutput, error) {
	if err := unpooled(in.Ipv4IpamPoolId, in.Ipv6IpamPoolId, in.Ipv4NetmaskLength, in.Ipv6NetmaskLength); err != nil {
		return nil, err
	}
	_, err := c.make("CreateSubnet", in.CidrBlock, in.Ipv6CidrBlock)
	return &ec2.CreateSubnetOutput{Subnet: &types.Subnet{SubnetId: aws.String("subnet-1"), CidrBlock: in.CidrBlock}}, err
}

// servedAt is the metadata of an answer that EC2 gave at a time by its own clock.
func servedAt(at time.Time) middleware.Metadata {
	stack := middleware.NewStack("answer", smithyhttp.NewStackRequest)
	if err := awsmiddleware.AddRecordResponseTiming(stack); err != nil {
		panic(err)
	}
	answer := middleware.HandlerFunc(func(context.Context, any) (any, middleware.Metadata, error) {
		return &smithyhttp.Response{Response: &http.Response{Header: http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}}}, middleware.Metadata{}, nil
	})
	_, metadata, err := middleware.DecorateHandler(answer, stack).Handle(context.Background(), struct{}{})
	if err != nil {
		panic(err)
	}
	return metadata
}

// answered is an error that EC2 returns.
func answered(status int, code string) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "EC2 says " + code},
	}
}

// vendingPools creates a pool of home with 10.0.0.0/16, shared with the consumer, and one
// for IPv6.
func vendingPools(w *env) (four, six string) {
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions(home, "eu-west-1")})
	four = w.makePool(ec2.CreateIpamPoolInput{
		IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home),
		AllocationDefaultNetmaskLength: aws.Int32(24), AllocationMinNetmaskLength: aws.Int32(18), AllocationResourceTags: resourceTags("env", "prod"),
	}, "10.0.0.0/16")
	six = w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId, Locale: aws.String(home), AddressFamily: types.AddressFamilyIpv6}, "fd80::/48")
	for _, p := range []string{four, six} {
		do[ops.PutIpamPoolShareOutput](w, w.admin, &ops.PutIpamPoolShareInput{IpamPoolId: &p, Principal: aws.String(consumer)})
	}
	return four, six
}

// allocated lists the allocations of a pool: CIDR, type, resource, Region and owner.
func (w *env) allocated(pool string) string {
	w.t.Helper()
	var lines []string
	for _, a := range do[ec2.GetIpamPoolAllocationsOutput](w, w.admin, &ec2.GetIpamPoolAllocationsInput{IpamPoolId: &pool}).IpamPoolAllocations {
		lines = append(lines, strings.Join([]string{*a.Cidr, string(a.ResourceType), aws.ToString(a.ResourceId), aws.ToString(a.ResourceRegion), *a.ResourceOwner}, " "))
	}
	return strings.Join(lines, "\n")
}

var prod = specify("vpc", "env", "prod")

func TestCreateVPC(t *testing.T) {
	w := newEnv(t, nil)
	four, six := vendingPools(w)
	tenant := as(consumer, "allocator", home)
	out := do[ec2.CreateVpcOutput](w, tenant, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod})
	if *out.Vpc.VpcId != "vpc-1" || *out.Vpc.CidrBlock != "10.0.0.0/24" {
		t.Errorf("the answer is %+v", out.Vpc)
	}
	do[ec2.CreateVpcOutput](w, tenant, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, CidrBlock: aws.String("10.0.64.0/20"), TagSpecifications: prod})
	do[ec2.CreateVpcOutput](w, tenant, &ec2.CreateVpcInput{
		Ipv4IpamPoolId: &four, Ipv4NetmaskLength: aws.Int32(20), Ipv6IpamPoolId: &six, Ipv6NetmaskLength: aws.Int32(56), Ipv6Pool: aws.String("ipv6pool-ec2-1"), TagSpecifications: prod,
	})
	if got, want := w.allocated(four), `10.0.0.0/24 vpc vpc-1 us-east-1 777788889999
10.0.16.0/20 vpc vpc-3 us-east-1 777788889999
10.0.64.0/20 vpc vpc-2 us-east-1 777788889999`; got != want {
		t.Errorf("allocated:\n%s", got)
	}
	if got, want := w.allocated(six), "fd80::/56 vpc vpc-3 us-east-1 777788889999"; got != want {
		t.Errorf("allocated:\n%s", got)
	}
	want := []string{"CreateVpc 10.0.0.0/24", "CreateVpc 10.0.64.0/20", "CreateVpc 10.0.16.0/20 fd80::/56 ipv6pool-ec2-1"}
	if diff := cmp.Diff(w.cloud.calls, want); diff != "" {
		t.Errorf("-calls +want:\n%s", diff)
	}
	if got := w.cloud.who[0]; got != consumer+" "+home+" arn:aws:iam::"+consumer+":user/allocator" {
		t.Errorf("EC2 is called as %s", got)
	}
	// The pool's owner sees all allocations, and the tenant its own.
	if got := do[ec2.DescribeIpamPoolAllocationsOutput](w, tenant, &ec2.DescribeIpamPoolAllocationsInput{}).IpamPoolAllocations; len(got) != 4 {
		t.Errorf("the tenant sees %d allocations", len(got))
	}
}

// EC2 gets no call for a VPC that the pool's rules refuse, and no space is taken.
func TestVPCsUnderRules(t *testing.T) {
	w := newEnv(t, nil)
	four, six := vendingPools(w)
	nowhere := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0].PrivateDefaultScopeId}, "10.1.0.0/16")
	byoip := aws.String("ipv6pool-ec2-1")
	for _, c := range []struct {
		name   string
		ctx    context.Context
		in     any
		code   ipam.Code
		phrase string
	}{
		{"without the tag", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four}, "InvalidParameterValue", "missing one or more of the resource tags"},
		{"in another Region", as(account, "admin", "eu-west-1"), &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod}, "InvalidParameterValue", "is not in the current region eu-west-1. Its locale is "},
		{"too large", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, Ipv4NetmaskLength: aws.Int32(17), TagSpecifications: prod}, "InvalidParameterValue", "shorter than the allocation minimum"},
		{"by CIDR and length", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, CidrBlock: aws.String("10.0.0.0/24"), Ipv4NetmaskLength: aws.Int32(24)}, "InvalidParameterCombination", "'Ipv4NetmaskLength' may not be used in combination with 'CidrBlock'"},
		{"a CIDR outside the pool", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, CidrBlock: aws.String("10.9.0.0/24"), TagSpecifications: prod}, "InvalidParameterValue", "not contained"},
		{"from a pool without a locale", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &nowhere, Ipv4NetmaskLength: aws.Int32(24)}, "InvalidParameterValue", "has no locale"},
		{"IPv4 from a pool of IPv6", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &six, Ipv4NetmaskLength: aws.Int32(24)}, "InvalidParameterValue", "Give it as Ipv6IpamPoolId"},
		{"IPv6 without EC2's pool", w.admin, &ec2.CreateVpcInput{CidrBlock: aws.String("10.3.0.0/16"), Ipv6IpamPoolId: &six}, "UnsupportedOperation", "Ipv6Pool"},
		{"a pool that is full, behind one that is not", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, Ipv6IpamPoolId: &six, Ipv6NetmaskLength: aws.Int32(40), Ipv6Pool: byoip, TagSpecifications: prod}, "InvalidParameterValue", "has no free /40"},
		{"tags of something else", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: specify("subnet", "env", "prod")}, "InvalidParameterValue", "of type vpc"},
		{"another's pool", as(stranger, "admin", ""), &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod}, "InvalidIpamPoolId.NotFound", four},
		{"two CIDRs for a VPC that is there", w.admin, &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &four, Ipv6IpamPoolId: &six, Ipv6Pool: byoip}, "InvalidParameterCombination", "at a time"},
		{"a CIDR for a VPC without the tag", w.admin, &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), Ipv4IpamPoolId: &four}, "InvalidParameterValue", "missing one or more of the resource tags"},
		{"DryRun", w.admin, &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod, DryRun: aws.Bool(true)}, "DryRunOperation", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.registry.Call(c.ctx, operation(c.in), c.in)
			if got := ipam.CodeOf(err); got != c.code || !strings.Contains(fmt.Sprint(err), c.phrase) {
				t.Errorf("%v, want %s with %q", err, c.code, c.phrase)
			}
			if len(w.cloud.calls) > 0 {
				t.Errorf("EC2 was asked: %v", w.cloud.calls)
			}
			if got := w.allocated(four) + w.allocated(six) + w.allocated(nowhere); got != "" {
				t.Errorf("something is taken: %s", got)
			}
		})
	}
}

// No space is taken without a role in the caller's account.
func TestVPCsWithoutARole(t *testing.T) {
	w := newEnv(t, nil)
	four, _ := vendingPools(w)
	in := &ec2.CreateVpcInput{Ipv4IpamPoolId: &four, TagSpecifications: prod}
	w.cloud.noRole = answered(403, "AccessDenied")
	w.refused(t, w.admin, in, "UnauthorizedOperation", "no role by which to act in account "+account, "template for member accounts")
	w.cloud.noRole = context.DeadlineExceeded
	before := w.table.Hash()
	if _, err := w.registry.Call(w.admin, "CreateVpc", in); ipam.CodeOf(err) != ipam.CodeUnavailable || w.table.Hash() != before {
		t.Errorf("%v", err)
	}
	w.registry = ops.New(w.store, grants())
	w.refused(t, w.admin, in, "UnsupportedOperation", "vendingRole")
}

// Calls without pools go to EC2 as they are, unless the deployment admits only CIDRs from
// pools.
func TestCallsWithoutPools(t *testing.T) {
	plain := []any{
		&ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")},
		&ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), CidrBlock: aws.String("10.8.0.0/16")},
		&ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16"), Ipv6CidrBlock: aws.String("2001:db8::/56"), Ipv6Pool: aws.String("p")},
	}
	harmless := []any{
		&ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)},
		&ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("vpc-cidr-assoc-1")},
		&ec2.CreateSubnetInput{VpcId: aws.String("vpc-1"), CidrBlock: aws.String("10.9.1.0/24")},
	}
	w := newEnv(t, nil)
	before := w.table.Hash()
	for _, in := range slices.Concat(plain, harmless) {
		if _, err := w.registry.Call(w.admin, operation(in), in); err != nil {
			t.Errorf("%s: %v", operation(in), err)
		}
	}
	want := []string{"CreateVpc 10.9.0.0/16", "AssociateVpcCidrBlock 10.8.0.0/16", "CreateVpc 10.9.0.0/16 2001:db8::/56 p", "AssociateVpcCidrBlock", "DisassociateVpcCidrBlock vpc-cidr-assoc-1", "CreateSubnet 10.9.1.0/24"}
	if diff := cmp.Diff(w.cloud.calls, want); diff != "" || w.table.Hash() != before {
		t.Errorf("-calls +want:\n%s", diff)
	}
	w.cloud.calls = nil
	w.cloud.fails = answered(400, "InvalidVpc.Range")
	w.refused(t, w.admin, plain[0], "InvalidVpc.Range", "EC2 says")
	w.cloud.fails = nil
	w.cloud.calls = nil
	w.registry = ops.New(w.store, grants(), ops.WithVending(w.cloud, true))
	for _, in := range plain {
		w.refused(t, w.admin, in, "UnauthorizedOperation", "take it from a pool")
	}
	if len(w.cloud.calls) > 0 {
		t.Errorf("EC2 was asked: %v", w.cloud.calls)
	}
	for _, in := range harmless {
		if _, err := w.registry.Call(w.admin, operation(in), in); err != nil {
			t.Errorf("%s: %v", operation(in), err)
		}
	}
}

func TestAssociateVPC(t *testing.T) {
	w := newEnv(t, nil)
	four, _ := vendingPools(w)
	w.cloud.tags = tags("env", "prod", "Name", "x")
	do[ec2.AssociateVpcCidrBlockOutput](w, w.admin, &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-7"), Ipv4IpamPoolId: &four, Ipv4NetmaskLength: aws.Int32(24)})
	if got := w.allocated(four); got != "10.0.0.0/24 vpc vpc-7 us-east-1 111122223333" {
		t.Errorf("allocated: %s", got)
	}
	unread := &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-8"), Ipv4IpamPoolId: &four}
	w.cloud.fails = answered(400, "InvalidVpcID.NotFound")
	w.refused(t, w.admin, unread, "InvalidVpcID.NotFound")
	w.cloud.fails = context.DeadlineExceeded
	before := w.table.Hash()
	if _, err := w.registry.Call(w.admin, "AssociateVpcCidrBlock", unread); ipam.CodeOf(err) != ipam.CodeUnavailable || w.table.Hash() != before {
		t.Errorf("without the VPC's tags: %v", err)
	}
}
