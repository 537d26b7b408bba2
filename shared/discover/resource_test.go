package discover_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

var update = flag.Bool("update", false, "write the golden files")

var resources = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// The sample network's resources, every member of each.
func TestResourcesOfTheSample(t *testing.T) {
	got := discovertest.Sample(account, 7).Resources(account, region)
	const golden = "testdata/resources.json"
	if *update {
		b, err := json.MarshalIndent(got, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want []ipam.Resource
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want, resources); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	// The table keeps resources as JSON. They must equal the resources of the
	// next read.
	if !reflect.DeepEqual(got, want) {
		t.Error("a resource changes in a round trip")
	}
	if !slices.IsSortedFunc(got, func(a, b ipam.Resource) int { return discover.Compare(&a, &b) }) {
		t.Error("the resources are not in order")
	}
}

func ptr[T any](v T) *T { return &v }

// one returns the only resource.
func one(t *testing.T, s discover.Seen) ipam.Resource {
	t.Helper()
	all := s.Resources(account, region)
	if len(all) != 1 {
		t.Fatalf("%d resources: %+v", len(all), all)
	}
	return all[0]
}

// Only the first CIDR of a default VPC counts as default, with the subnets and interfaces
// in it: a second CIDR, an IPv6 CIDR and the resources in them count as in other VPCs.
func TestDefaultVPCs(t *testing.T) {
	associated := func(cidr string) types.VpcCidrBlockAssociation {
		return types.VpcCidrBlockAssociation{CidrBlock: &cidr, CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}}
	}
	vpc := func(id string, isDefault *bool) types.Vpc {
		return types.Vpc{
			VpcId: &id, CidrBlock: ptr("172.31.0.0/16"), IsDefault: isDefault,
			CidrBlockAssociationSet:     []types.VpcCidrBlockAssociation{associated("10.9.0.0/16"), associated("172.31.0.0/16")},
			Ipv6CidrBlockAssociationSet: []types.VpcIpv6CidrBlockAssociation{{Ipv6CidrBlock: ptr("2001:db8::/56"), Ipv6CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}}},
		}
	}
	subnet := func(id, of, cidr string, forAZ bool) types.Subnet {
		return types.Subnet{
			SubnetId: &id, VpcId: &of, CidrBlock: &cidr, DefaultForAz: &forAZ,
			Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{{Ipv6CidrBlock: ptr("2001:db8::/64"), Ipv6CidrBlockState: &types.SubnetCidrBlockState{State: types.SubnetCidrBlockStateCodeAssociated}}},
		}
	}
	eni := func(id, of, in, address string) types.NetworkInterface {
		return types.NetworkInterface{NetworkInterfaceId: &id, VpcId: &of, SubnetId: &in, PrivateIpAddress: &address}
	}
	s := discover.Seen{
		VPCs: []types.Vpc{vpc("vpc-default", ptr(true)), vpc("vpc-same", ptr(false)), vpc("vpc-unsaid", nil)},
		Subnets: []types.Subnet{
			subnet("subnet-1", "vpc-default", "172.31.0.0/20", true), subnet("subnet-2", "vpc-default", "172.31.64.0/24", false),
			subnet("subnet-3", "vpc-default", "10.9.0.0/24", false), subnet("subnet-4", "vpc-same", "172.31.0.0/20", false),
			subnet("subnet-5", "vpc-unread", "172.31.0.0/20", true), subnet("subnet-6", "vpc-unread", "172.31.16.0/20", false),
		},
		Interfaces: []types.NetworkInterface{
			eni("eni-1", "vpc-default", "subnet-1", "172.31.0.4"), eni("eni-2", "vpc-default", "subnet-3", "10.9.0.4"),
			eni("eni-3", "vpc-same", "subnet-4", "172.31.0.4"), eni("eni-4", "vpc-unread", "subnet-5", "172.31.0.4"),
		},
		Addresses: []types.Address{{AllocationId: ptr("eipalloc-1"), PublicIp: ptr("192.0.2.1"), NetworkInterfaceId: ptr("eni-1")}},
	}
	var got []string
	for _, r := range s.Resources(account, region) {
		if r.DefaultVPC {
			got = append(got, r.ID+" "+r.CIDR.String())
		}
	}
	want := []string{
		"vpc-default 172.31.0.0/16", "subnet-1 172.31.0.0/20", "subnet-5 172.31.0.0/20", "subnet-2 172.31.64.0/24", "eni-1 172.31.0.4/32",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUsage(t *testing.T) {
	subnet := func(cidr string, available int32) types.Subnet {
		return types.Subnet{SubnetId: ptr("subnet-" + cidr), VpcId: ptr("vpc-1"), CidrBlock: &cidr, AvailableIpAddressCount: &available}
	}
	for _, c := range []struct {
		name string
		seen discover.Seen
		want *float64
	}{
		{"an empty /24 has the five that AWS reserves in use", discover.Seen{Subnets: []types.Subnet{subnet("10.0.0.0/24", 251)}}, ptr(5.0 / 256)},
		{"a full /28", discover.Seen{Subnets: []types.Subnet{subnet("10.0.0.0/28", 0)}}, ptr(1.0)},
		{"more available than there are", discover.Seen{Subnets: []types.Subnet{subnet("10.0.0.0/28", 251)}}, ptr(0.0)},
		{"a subnet whose block is of IPv6", discover.Seen{Subnets: []types.Subnet{subnet("2001:db8::/64", 251)}}, nil},
		{"unknown", discover.Seen{Subnets: []types.Subnet{{SubnetId: ptr("subnet-1"), CidrBlock: ptr("10.0.0.0/24")}}}, nil},
		{"a VPC without subnets", discover.Seen{VPCs: []types.Vpc{{VpcId: ptr("vpc-1"), CidrBlock: ptr("10.0.0.0/16")}}}, ptr(0.0)},
		{"a pool's range with half of it assigned", discover.Seen{Pools: []types.PublicIpv4Pool{{PoolId: ptr("ipv4pool-ec2-1"), PoolAddressRanges: []types.PublicIpv4PoolRange{
			{FirstAddress: ptr("192.0.2.0"), LastAddress: ptr("192.0.2.255"), AddressCount: ptr[int32](256), AvailableAddressCount: ptr[int32](128)}}}}}, ptr(0.5)},
	} {
		if got := one(t, c.seen).Usage; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	associated := &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}
	vpc := types.Vpc{VpcId: ptr("vpc-1"), CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{
		{CidrBlock: ptr("10.0.0.0/16"), CidrBlockState: associated}, {CidrBlock: ptr("10.1.0.0/24"), CidrBlockState: associated},
	}}
	other := subnet("10.0.2.0/24", 1)
	other.VpcId = ptr("vpc-2")
	seen := discover.Seen{VPCs: []types.Vpc{vpc}, Subnets: []types.Subnet{subnet("10.0.0.0/24", 251), subnet("10.0.1.0/28", 11), subnet("10.1.0.0/24", 251), other}}
	all := seen.Resources(account, region)
	if got, want := *all[0].Usage, (256.0+16)/65536; got != want {
		t.Errorf("the VPC's first CIDR is used to %v, want %v", got, want)
	}
	if got := *all[1].Usage; got != 1 {
		t.Errorf("the VPC's second CIDR is used to %v, want 1", got)
	}
}

func TestSourceOfIPv6(t *testing.T) {
	for _, c := range []struct {
		source types.IpSource
		pool   *string
		want   string
	}{
		{"", ptr("Amazon"), "amazon"},
		{"", ptr("ipv6pool-ec2-0123"), "byoip"},
		{"", nil, "none"},
		{types.IpSourceNone, ptr("IPAM Managed"), "none"},
	} {
		got := one(t, discover.Seen{VPCs: []types.Vpc{{VpcId: ptr("vpc-1"), Ipv6CidrBlockAssociationSet: []types.VpcIpv6CidrBlockAssociation{{
			Ipv6CidrBlock: ptr("2001:db8::/56"), IpSource: c.source, Ipv6Pool: c.pool, Ipv6CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
		}}}}})
		if got.Source != c.want {
			t.Errorf("%q of pool %s: %q, want %q", c.source, aws.ToString(c.pool), got.Source, c.want)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for _, c := range []struct {
		name    string
		address types.Address
		kind    string
		source  string
	}{
		{"Amazon's", types.Address{PublicIpv4Pool: ptr("amazon")}, "amazon-owned-eip", "amazon"},
		{"unknown", types.Address{}, "amazon-owned-eip", "amazon"},
		{"of one's own pool", types.Address{PublicIpv4Pool: ptr("ipv4pool-ec2-1")}, "byoip", "byoip"},
		{"of a contiguous block", types.Address{PublicIpv4Pool: ptr("ipam-pool-1")}, "amazon-owned-contig", "amazon"},
		{"of a load balancer", types.Address{PublicIpv4Pool: ptr("amazon"), ServiceManaged: types.ServiceManagedAlb}, "service-managed-ip", "amazon"},
		{"of a load balancer in one's own pool", types.Address{PublicIpv4Pool: ptr("ipv4pool-ec2-1"), ServiceManaged: types.ServiceManagedNlb}, "service-managed-byoip", "byoip"},
	} {
		c.address.AllocationId, c.address.PublicIp = ptr("eipalloc-1"), ptr("192.0.2.1")
		got := one(t, discover.Seen{Addresses: []types.Address{c.address}})
		if got.Public.Type != c.kind || got.Source != c.source || got.CIDR != netip.MustParsePrefix("192.0.2.1/32") {
			t.Errorf("%s: %s from %s, want %s from %s", c.name, got.Public.Type, got.Source, c.kind, c.source)
		}
	}
}

func TestServices(t *testing.T) {
	for _, c := range []struct {
		description              string
		kind                     types.NetworkInterfaceType
		managed                  bool
		service, resource, type_ string
	}{
		{"my server", types.NetworkInterfaceTypeInterface, false, "", "", "ec2-public-ip"},
		{"ELB of mine", types.NetworkInterfaceTypeInterface, false, "", "", "ec2-public-ip"},
		{"Interface for NAT Gateway nat-01", "nat_gateway", true, "nat-gateway", "nat-01", "service-managed-ip"},
		{"", types.NetworkInterfaceTypeNatGateway, true, "nat-gateway", "", "service-managed-ip"},
		{"ELB app/shop/0123456789abcdef", types.NetworkInterfaceTypeInterface, true, "load-balancer", "app/shop/0123456789abcdef", "service-managed-ip"},
		{"ELB net/shop/0123456789abcdef", types.NetworkInterfaceTypeNetworkLoadBalancer, true, "load-balancer", "net/shop/0123456789abcdef", "service-managed-ip"},
		{"RDSNetworkInterface", types.NetworkInterfaceTypeInterface, true, "relational-database-service", "", "service-managed-ip"},
		{"RedshiftNetworkInterface", types.NetworkInterfaceTypeInterface, true, "redshift", "", "service-managed-ip"},
		{"DMSNetworkInterface", types.NetworkInterfaceTypeInterface, true, "database-migration-service", "", "service-managed-ip"},
		{"arn:aws:ecs:us-east-1:111122223333:attachment/0123", types.NetworkInterfaceTypeInterface, true, "elastic-container-service", "arn:aws:ecs:us-east-1:111122223333:attachment/0123", "service-managed-ip"},
		{"", types.NetworkInterfaceTypeGlobalAcceleratorManaged, true, "global-accelerator", "", "service-managed-ip"},
		{"AWS Lambda VPC ENI-shop", types.NetworkInterfaceTypeLambda, true, "other", "", "service-managed-ip"},
	} {
		got := one(t, discover.Seen{Interfaces: []types.NetworkInterface{{
			NetworkInterfaceId: ptr("eni-1"), Description: &c.description, InterfaceType: c.kind, RequesterManaged: &c.managed,
			PrivateIpAddress: ptr("10.0.0.4"), Association: &types.NetworkInterfaceAssociation{PublicIp: ptr("192.0.2.1")},
		}}})
		if got.Public == nil || got.Public.Service != c.service || got.Public.ServiceResource != c.resource || got.Public.Type != c.type_ {
			t.Errorf("%q of type %s: %+v", c.description, c.kind, got.Public)
		}
	}
}

func TestInstancesOwner(t *testing.T) {
	for _, c := range []struct{ instance, owner, want string }{
		{"i-1", account, account},
		{"i-1", "999900009999", "999900009999"}, // as for a NAT gateway
		{"i-1", "", account},
		{"", "amazon-aws", "amazon-aws"},
		{"", "", ""},
	} {
		i := types.NetworkInterface{NetworkInterfaceId: ptr("eni-1"), OwnerId: ptr(account), PrivateIpAddress: ptr("10.0.0.4"), Attachment: &types.NetworkInterfaceAttachment{}}
		if c.instance != "" {
			i.Attachment.InstanceId = &c.instance
		}
		if c.owner != "" {
			i.Attachment.InstanceOwnerId = &c.owner
		}
		if got := one(t, discover.Seen{Interfaces: []types.NetworkInterface{i}}); got.Instance != c.instance || got.InstanceOwner != c.want {
			t.Errorf("%+v: %s of %s", c, got.Instance, got.InstanceOwner)
		}
	}
}

func TestIDType(t *testing.T) {
	for id, want := range map[string]ipam.ResourceType{
		"vpc-0123456789abcdef0": ipam.ResourceVPC, "vpc-cidr-assoc-0123": "", "vpc-": "", "vpc": "", "vpce-0123": "", "subnet-cidr-assoc-0123": "",
		"eni-attach-0123": "", "eni-0123": ipam.ResourceInterface, "eipassoc-0123": "", "ipv4pool-ec2-0123": ipam.ResourcePublicIPv4Pool, "ipv4pool-coip-0123": "", "i-0123": "",
	} {
		if got := discover.IDType(id); got != want {
			t.Errorf("%s is of type %q, want %q", id, got, want)
		}
	}
}
