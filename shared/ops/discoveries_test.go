package ops_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

func (w *world) discovery(id *string) types.IpamResourceDiscovery {
	w.t.Helper()
	return do[ec2.DescribeIpamResourceDiscoveriesOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*id}}).IpamResourceDiscoveries[0]
}

func regionsOf(regions []types.IpamOperatingRegion) (list []string) {
	for _, r := range regions {
		list = append(list, *r.RegionName)
	}
	return list
}

// A default discovery has its IPAM's operating Regions, whatever becomes of
// them, and exclusions of its own.
func TestDefaultDiscoveryFollowsItsIPAM(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{OperatingRegions: regions("ap-northeast-1")})
	id := m.DefaultResourceDiscoveryId
	expect := func(want ...string) {
		t.Helper()
		listed := do[ec2.DescribeIpamResourceDiscoveriesOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveriesInput{}).IpamResourceDiscoveries
		if d := w.discovery(id); !*d.IsDefault || !slices.Equal(regionsOf(d.OperatingRegions), want) || len(listed) != 1 || !slices.Equal(regionsOf(listed[0].OperatingRegions), want) {
			t.Errorf("the default discovery is %+v, want the Regions %v", d, want)
		}
	}
	expect("ap-northeast-1", home)
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, AddOperatingRegions: regions("eu-west-1"),
		RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("ap-northeast-1")}}})
	expect("eu-west-1", home)

	const unit, all = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-22222222/", "o-a1b2c3d4e5/r-f6g7/ou-f6g7-11111111/*"
	changed := do[ec2.ModifyIpamResourceDiscoveryOutput](w, w.admin, &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id,
		AddOrganizationalUnitExclusions: []types.AddIpamOrganizationalUnitExclusion{{OrganizationsEntityPath: aws.String(unit)}, {OrganizationsEntityPath: aws.String(all)}}}).IpamResourceDiscovery
	if len(changed.OrganizationalUnitExclusions) != 2 || *changed.OrganizationalUnitExclusions[0].OrganizationsEntityPath != all || !slices.Equal(regionsOf(changed.OperatingRegions), []string{"eu-west-1", home}) {
		t.Errorf("with exclusions it is %+v", changed)
	}
	do[ec2.ModifyIpamResourceDiscoveryOutput](w, w.admin, &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id,
		RemoveOrganizationalUnitExclusions: []types.RemoveIpamOrganizationalUnitExclusion{{OrganizationsEntityPath: aws.String(all)}}})
	if left := w.discovery(id).OrganizationalUnitExclusions; len(left) != 1 || *left[0].OrganizationsEntityPath != unit {
		t.Errorf("exclusions left: %+v", left)
	}
	expect("eu-west-1", home)
	do[ec2.DeleteIpamOutput](w, w.admin, &ec2.DeleteIpamInput{IpamId: m.IpamId})
	w.refused(t, w.admin, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*id}}, "InvalidIpamResourceDiscoveryId.NotFound")
}

// A discovery from its making to its end, and what its IPAM says of it.
func TestLifeOfADiscovery(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	if d := w.discovery(id); *d.IsDefault || !slices.Equal(regionsOf(d.OperatingRegions), []string{home}) {
		t.Errorf("the discovery is %+v", d)
	}
	changed := do[ec2.ModifyIpamResourceDiscoveryOutput](w, w.admin, &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id, Description: aws.String("new"),
		AddOperatingRegions: regions("eu-west-1", "ap-northeast-1"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String(home)}}}).IpamResourceDiscovery
	if *changed.Description != "new" || !slices.Equal(regionsOf(changed.OperatingRegions), []string{"ap-northeast-1", "eu-west-1"}) || changed.State != types.IpamResourceDiscoveryStateModifyComplete {
		t.Errorf("modified it is %+v", changed)
	}
	with := do[ec2.AssociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: m.IpamId, IpamResourceDiscoveryId: id}).IpamResourceDiscoveryAssociation
	expect := func(count int32, status types.IpamAssociatedResourceDiscoveryStatus) {
		t.Helper()
		now := do[ec2.DescribeIpamsOutput](w, w.admin, &ec2.DescribeIpamsInput{}).Ipams[0]
		found := do[ec2.DescribeIpamResourceDiscoveryAssociationsOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{
			Filters: []types.Filter{where("is-default", "false"), where("ipam-id", *m.IpamId)},
		}).IpamResourceDiscoveryAssociations
		if *now.ResourceDiscoveryAssociationCount != count || len(found) != int(count)-1 || len(found) > 0 && found[0].ResourceDiscoveryStatus != status {
			t.Errorf("the IPAM counts %d associations, want %d; those besides the default one are %+v", *now.ResourceDiscoveryAssociationCount, count, found)
		}
	}
	expect(2, types.IpamAssociatedResourceDiscoveryStatusActive)
	w.refused(t, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: types.IpamTierFree}, "DependencyViolation", "1 resource discovery associations")
	gone := do[ec2.DeleteIpamResourceDiscoveryOutput](w, w.admin, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id}).IpamResourceDiscovery
	if gone.State != types.IpamResourceDiscoveryStateDeleteComplete {
		t.Errorf("deleted it is %+v", gone)
	}
	expect(2, types.IpamAssociatedResourceDiscoveryStatusNotFound)
	ended := do[ec2.DisassociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId}).IpamResourceDiscoveryAssociation
	if ended.State != types.IpamResourceDiscoveryAssociationStateDisassociateComplete {
		t.Errorf("ended it is %+v", ended)
	}
	expect(1, "")
	do[ec2.ModifyIpamOutput](w, w.admin, &ec2.ModifyIpamInput{IpamId: m.IpamId, Tier: types.IpamTierFree})
	id = do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	w.refused(t, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: m.IpamId, IpamResourceDiscoveryId: id}, "UnsupportedOperation", "free tier", *m.IpamId)
}

// The account that the deployment belongs to sees and associates the discoveries
// of others, and does not change them; nobody else sees any but its own.
func TestDiscoveriesOfOthers(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	guest, third := as(stranger, "admin", ""), as(consumer, "admin", "")
	id := do[ec2.CreateIpamResourceDiscoveryOutput](w, guest, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	w.looked(*id, stranger, 1)
	if d := w.discovery(id); *d.OwnerId != stranger {
		t.Errorf("seen from the deployment's account it is %+v", d)
	}
	in := &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: id, DiscoveryRegion: aws.String(home)}
	if found := do[ec2.GetIpamDiscoveredAccountsOutput](w, w.admin, in).IpamDiscoveredAccounts; len(found) != 1 {
		t.Errorf("accounts: %+v", found)
	}
	with := do[ec2.AssociateIpamResourceDiscoveryOutput](w, w.admin, &ec2.AssociateIpamResourceDiscoveryInput{IpamId: m.IpamId, IpamResourceDiscoveryId: id}).IpamResourceDiscoveryAssociation
	if *with.OwnerId != account {
		t.Errorf("the association is of %s", *with.OwnerId)
	}
	for _, in := range []any{
		&ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id, Description: aws.String("x")}, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id},
		&ec2.CreateTagsInput{Resources: []string{*id}, Tags: tags("a", "b")},
	} {
		w.refused(t, w.admin, in, "InvalidIpamResourceDiscoveryId.NotFound", *id)
	}
	if listed := do[ec2.DescribeIpamResourceDiscoveriesOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveriesInput{}).IpamResourceDiscoveries; len(listed) != 1 || *listed[0].IpamResourceDiscoveryId != *m.DefaultResourceDiscoveryId {
		t.Errorf("the list is %+v, want the caller's own only", listed)
	}
	w.refused(t, third, in, "InvalidIpamResourceDiscoveryId.NotFound", *id)
	w.refused(t, guest, &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: m.DefaultResourceDiscoveryId, DiscoveryRegion: aws.String(home)}, "InvalidIpamResourceDiscoveryId.NotFound")
	w.refused(t, guest, &ec2.DisassociateIpamResourceDiscoveryInput{IpamResourceDiscoveryAssociationId: with.IpamResourceDiscoveryAssociationId}, "InvalidIpamResourceDiscoveryAssociationId.NotFound")
	// It is its owner's to end, and the association tells.
	do[ec2.DeleteIpamResourceDiscoveryOutput](w, guest, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id})
	found := do[ec2.DescribeIpamResourceDiscoveryAssociationsOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*with.IpamResourceDiscoveryAssociationId}}).IpamResourceDiscoveryAssociations
	if found[0].ResourceDiscoveryStatus != types.IpamAssociatedResourceDiscoveryStatusNotFound {
		t.Errorf("the association is %+v", found[0])
	}
}

// An account that left is listed with what to do about it, is forgotten by the
// discovery's owner alone, and is listed no more once the work is done.
func TestDeleteDiscoveredAccount(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := *m.DefaultResourceDiscoveryId
	w.looked(id, account, 1)
	w.looked(id, consumer, 1)
	w.looked(id, stranger, 1)
	w.observe(id, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: stranger, VPC: "vpc-1"})
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: m.PrivateDefaultScopeId}, "10.0.0.0/24")
	in := func(change func(*ops.DeleteIpamDiscoveredAccountInput)) *ops.DeleteIpamDiscoveredAccountInput {
		in := &ops.DeleteIpamDiscoveredAccountInput{IpamResourceDiscoveryId: &id, AccountId: aws.String(stranger)}
		if change != nil {
			change(in)
		}
		return in
	}
	type request = ops.DeleteIpamDiscoveredAccountInput
	failure := func(of string) string {
		t.Helper()
		for _, a := range do[ec2.GetIpamDiscoveredAccountsOutput](w, w.admin, &ec2.GetIpamDiscoveredAccountsInput{IpamResourceDiscoveryId: &id, DiscoveryRegion: aws.String(home)}).IpamDiscoveredAccounts {
			if *a.AccountId == of && a.FailureReason != nil {
				return string(a.FailureReason.Code) + ": " + *a.FailureReason.Message
			} else if *a.AccountId == of {
				return "none"
			}
		}
		return "not listed"
	}
	w.refused(t, w.admin, in(nil), "IncorrectState", stranger, home, id, "still looked at")
	w.left(id, consumer, ipam.DepartedRegion)
	w.left(id, stranger, ipam.DepartedAccount)
	for of, want := range map[string]string{account: "none", consumer: "no operating Region", stranger: "left the organization"} {
		got := failure(of)
		if !strings.Contains(got, want) || want != "none" && (!strings.HasPrefix(got, "unauthorized-failure: ") || !strings.Contains(got, "DeleteIpamDiscoveredAccount")) {
			t.Errorf("of %s is told %q, want %q", of, got, want)
		}
	}
	for _, c := range []struct {
		name  string
		as    context.Context
		in    *request
		code  ipam.Code
		words []string
	}{
		{"no discovery", w.admin, in(func(in *request) { in.IpamResourceDiscoveryId = nil }), "MissingParameter", []string{"IpamResourceDiscoveryId"}},
		{"no account", w.admin, in(func(in *request) { in.AccountId = nil }), "MissingParameter", []string{"AccountId"}},
		{"not a discovery", w.admin, in(func(in *request) { in.IpamResourceDiscoveryId = m.IpamId }), "InvalidIpamResourceDiscoveryId.Malformed", []string{*m.IpamId}},
		{"not an account", w.admin, in(func(in *request) { in.AccountId = aws.String("dev") }), "InvalidParameterValue", []string{"AccountId", "dev", "12 digits"}},
		{"not a Region", w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String("tokyo") }), "InvalidParameterValue", []string{"DiscoveryRegion", "tokyo"}},
		{"another Region", w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String("eu-west-1") }), "InvalidParameterValue", []string{stranger, "eu-west-1", "GetIpamDiscoveredAccounts"}},
		{"another account", w.admin, in(func(in *request) { in.AccountId = aws.String("999999999999") }), "InvalidParameterValue", []string{"999999999999"}},
		{"one that is looked at", w.admin, in(func(in *request) { in.AccountId = aws.String(account) }), "IncorrectState", []string{account}},
		{"a Region that is looked at again", w.admin, in(func(in *request) { in.AccountId = aws.String(consumer) }), "IncorrectState", []string{consumer, home}},
		{"by the account itself", as(stranger, "admin", ""), in(nil), "InvalidIpamResourceDiscoveryId.NotFound", []string{id}},
		{"dry", w.admin, in(func(in *request) { in.DryRun = aws.Bool(true) }), "DryRunOperation", nil},
	} {
		t.Run(c.name, func(t *testing.T) { w.refused(t, c.as, c.in, c.code, c.words...) })
	}
	allocate := &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(24)}
	w.refused(t, w.admin, allocate, "InvalidParameterValue", pool)
	for range 2 { // once more is no error
		gone := do[ops.DeleteIpamDiscoveredAccountOutput](w, w.admin, in(func(in *request) { in.DiscoveryRegion = aws.String(home) })).IpamDiscoveredAccounts
		if len(gone) != 1 || *gone[0].AccountId != stranger || *gone[0].DiscoveryRegion != home || !strings.Contains(*gone[0].FailureReason.Message, "being forgotten") {
			t.Errorf("it answers %+v", gone)
		}
	}
	if err := w.store.RunWork(t.Context(), "purge#"+id+"#"+home+"#"+stranger); err != nil {
		t.Fatal(err)
	}
	if got := failure(stranger); got != "not listed" {
		t.Errorf("of the account is told %q", got)
	}
	do[ec2.AllocateIpamPoolCidrOutput](w, w.admin, allocate)
	// The owner of a discovery that is not the deployment's forgets what that found.
	guest := as(consumer, "admin", "")
	its := do[ec2.CreateIpamResourceDiscoveryOutput](w, guest, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	w.left(*its, consumer, ipam.DepartedAccount)
	mine := &request{IpamResourceDiscoveryId: its, AccountId: aws.String(consumer)}
	w.refused(t, w.admin, mine, "InvalidIpamResourceDiscoveryId.NotFound", *its)
	do[ops.DeleteIpamDiscoveredAccountOutput](w, guest, mine)
}

func TestTagsOfDiscoveries(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := do[ec2.CreateIpamResourceDiscoveryOutput](w, w.admin, &ec2.CreateIpamResourceDiscoveryInput{TagSpecifications: specify("ipam-resource-discovery", "k", "v")}).IpamResourceDiscovery.IpamResourceDiscoveryId
	both := []string{*id, *m.DefaultResourceDiscoveryAssociationId}
	do[ec2.CreateTagsOutput](w, w.admin, &ec2.CreateTagsInput{Resources: both, Tags: tags("a", "b")})
	do[ec2.DeleteTagsOutput](w, w.admin, &ec2.DeleteTagsInput{Resources: both, Tags: tags("k", "v")})
	tag := func(kind types.ResourceType, id string) types.TagDescription {
		return types.TagDescription{ResourceType: kind, ResourceId: &id, Key: aws.String("a"), Value: aws.String("b")}
	}
	want := []types.TagDescription{tag("ipam-resource-discovery", both[0]), tag("ipam-resource-discovery-association", both[1])}
	for _, filters := range [][]types.Filter{nil, {where("resource-id", both...)}, {where("resource-type", "ipam-resource-discovery*")}} {
		if diff := cmp.Diff(want, do[ec2.DescribeTagsOutput](w, w.admin, &ec2.DescribeTagsInput{Filters: filters}).Tags, exported); diff != "" {
			t.Errorf("tags with the filters %v (-want +got):\n%s", filters, diff)
		}
	}
}

// What was seen last is as old as the last complete run, or as the change that
// was seen since.
func TestSampleTimes(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := m.DefaultResourceDiscoveryId
	eip := func(owner, name, cidr string) ipam.Resource {
		p := netip.MustParsePrefix(cidr)
		return ipam.Resource{Type: ipam.ResourceEIP, ID: name, CIDR: p, Owner: owner, Public: &ipam.PublicAddress{Address: p.Addr()}}
	}
	to := ipam.Target{IPAM: *m.IpamId, Scope: *m.PublicDefaultScopeId}
	w.looked(*id, stranger, 2000)
	w.looked(*id, account, 5000)
	w.plant(*id, 1000, eip(stranger, "eipalloc-1", "203.0.113.1/32"), ipam.Status{}, to)
	w.plant(*id, 3000, eip(stranger, "eipalloc-2", "203.0.113.2/32"), ipam.Status{}, to)
	if err := w.store.SaveDiscoveredAccount(t.Context(), &ipam.DiscoveredAccount{Discovery: *id, Region: home, Account: consumer, Attempted: 1}); err != nil {
		t.Fatal(err)
	}
	resources := do[ec2.GetIpamDiscoveredResourceCidrsOutput](w, w.admin, &ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: id, ResourceRegion: aws.String(home)}).IpamDiscoveredResourceCidrs
	addresses := do[ec2.GetIpamDiscoveredPublicAddressesOutput](w, w.admin, &ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: id, AddressRegion: aws.String(home)})
	if len(resources) != 2 || len(addresses.IpamDiscoveredPublicAddresses) != 2 {
		t.Fatalf("found %+v and %+v", resources, addresses)
	}
	for i, want := range []int64{2000, 3000} {
		if at := time.UnixMilli(want); !resources[i].SampleTime.Equal(at) || !addresses.IpamDiscoveredPublicAddresses[i].SampleTime.Equal(at) {
			t.Errorf("%s was seen last at %v and %v, want %v", *resources[i].ResourceId, resources[i].SampleTime, addresses.IpamDiscoveredPublicAddresses[i].SampleTime, at)
		}
	}
	if at := time.UnixMilli(2000); !addresses.OldestSampleTime.Equal(at) {
		t.Errorf("the oldest sample is of %v, want %v", addresses.OldestSampleTime, at)
	}
	none := do[ec2.GetIpamDiscoveredPublicAddressesOutput](w, w.admin, &ec2.GetIpamDiscoveredPublicAddressesInput{IpamResourceDiscoveryId: id, AddressRegion: aws.String("eu-west-1")})
	if len(none.IpamDiscoveredPublicAddresses) > 0 || none.OldestSampleTime != nil {
		t.Errorf("in a Region that was not looked at: %+v", none)
	}
}

// Each parameter of GetIpamResourceCidrs, and each of its filters.
func TestResourcesByWhatIsAsked(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id, private := m.DefaultResourceDiscoveryId, m.PrivateDefaultScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private})
	six := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private, AddressFamily: types.AddressFamilyIpv6})
	w.looked(*id, account, 1)
	w.looked(*id, stranger, 1)
	to := ipam.Target{IPAM: *m.IpamId, Scope: *private}
	found := []struct {
		r      ipam.Resource
		status ipam.Status
	}{
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-2", CIDR: netip.MustParsePrefix("10.1.0.0/16"), Owner: stranger, VPC: "vpc-2"},
			ipam.Status{Management: ipam.Unmanaged, Compliance: ipam.ComplianceUnmanaged, Overlap: ipam.Overlapping}},
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/16"), Owner: account, VPC: "vpc-1", Tags: ipam.Tags{"env": "prod"}},
			ipam.Status{Management: ipam.Managed, Compliance: ipam.Compliant, Overlap: ipam.Nonoverlapping, Pool: pool}},
		{ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("fd80::/56"), Owner: account, VPC: "vpc-1", Tags: ipam.Tags{"env": "test"}},
			ipam.Status{Management: ipam.Managed, Compliance: ipam.Noncompliant, Overlap: ipam.Nonoverlapping, Pool: six}},
		{ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, VPC: "vpc-1", Name: "a", AvailabilityZone: "use1-az1"}, ipam.Status{}},
		{ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", CIDR: netip.MustParsePrefix("10.0.0.4/32"), Owner: account, VPC: "vpc-1"}, ipam.Status{}},
	}
	for _, f := range found {
		w.plant(*id, 1, f.r, f.status, to)
	}
	for of, cidr := range map[string]string{pool: "10.0.0.0/15", six: "fd80::/48"} {
		do[ec2.ProvisionIpamPoolCidrOutput](w, w.admin, &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: &of, Cidr: &cidr})
	}
	for _, f := range found { // which provisioning has evaluated
		w.plant(*id, 1, f.r, f.status, to)
	}
	type in = ec2.GetIpamResourceCidrsInput
	filter := func(name string, values ...string) in { return in{Filters: []types.Filter{where(name, values...)}} }
	tag := func(key string, value *string) in {
		return in{ResourceTag: &types.RequestIpamResourceTag{Key: &key, Value: value}}
	}
	const a, b, s, v6 = "10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/24", "fd80::/56"
	for _, c := range []struct {
		name string
		in   in
		want []string
	}{
		{"all, in order, without interfaces", in{}, []string{a, s, b, v6}},
		{"a pool", in{IpamPoolId: &pool}, []string{a}},
		{"a pool of IPv6", in{IpamPoolId: &six}, []string{v6}},
		{"an id", in{ResourceId: aws.String("vpc-1")}, []string{a, v6}},
		{"a type", in{ResourceType: types.IpamResourceTypeSubnet}, []string{s}},
		{"a type that is not among them", in{ResourceType: types.IpamResourceTypeEni}, nil},
		{"an owner", in{ResourceOwner: aws.String(stranger)}, []string{b}},
		{"a tag", tag("env", aws.String("prod")), []string{a}},
		{"a tag of any value", tag("env", nil), []string{a, v6}},
		{"a tag of no value", tag("env", aws.String("")), nil},
		{"two things at once", in{ResourceId: aws.String("vpc-1"), IpamPoolId: &six}, []string{v6}},
		{"management-state", filter("management-state", "managed"), []string{a, v6}},
		{"compliance-status", filter("compliance-status", "noncompliant", "unmanaged"), []string{b, v6}},
		{"overlap-status", filter("overlap-status", "overlapping"), []string{b}},
		{"overlap-status of what has one", filter("overlap-status", "*"), []string{a, b, v6}},
		{"resource-cidr", filter("resource-cidr", "10.*"), []string{a, s, b}},
		{"resource-region", filter("resource-region", home), []string{a, s, b, v6}},
		{"vpc-id", filter("vpc-id", "vpc-2"), []string{b}},
		{"resource-name", filter("resource-name", "a"), []string{s}},
		{"availability-zone-id", filter("availability-zone-id", "use1-*"), []string{s}},
		{"ipam-pool-id", filter("ipam-pool-id", pool), []string{a}},
	} {
		c.in.IpamScopeId = private
		var got []string
		for _, r := range do[ec2.GetIpamResourceCidrsOutput](w, w.admin, &c.in).IpamResourceCidrs {
			got = append(got, *r.ResourceCidr)
			if *r.IpamId != *m.IpamId || *r.IpamScopeId != *private {
				t.Errorf("%s: %+v is of another IPAM", c.name, r)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A VPC's CIDR is ignored, watched again and moved, with its subnet; what it
// holds in a pool follows at once.
func TestModifyResource(t *testing.T) {
	w := newRealWorld(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id, private := m.DefaultResourceDiscoveryId, m.PrivateDefaultScopeId
	second := do[ec2.CreateIpamScopeOutput](w, w.admin, &ec2.CreateIpamScopeInput{IpamId: m.IpamId}).IpamScope.IpamScopeId
	pool := w.makePool(ec2.CreateIpamPoolInput{IpamScopeId: private, Locale: aws.String(home), AutoImport: aws.Bool(true)}, "10.0.0.0/16")
	w.looked(*id, account, 1)
	w.observe(*id, 1, ipam.Resource{Type: ipam.ResourceVPC, ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/20"), Owner: account, VPC: "vpc-1"})
	w.observe(*id, 1, ipam.Resource{Type: ipam.ResourceSubnet, ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), Owner: account, VPC: "vpc-1"})
	modify := func(from, to *string, monitored bool) *types.IpamResourceCidr {
		t.Helper()
		return do[ec2.ModifyIpamResourceCidrOutput](w, w.admin, &ec2.ModifyIpamResourceCidrInput{
			CurrentIpamScopeId: from, DestinationIpamScopeId: to, ResourceId: aws.String("vpc-1"), ResourceCidr: aws.String("10.0.0.0/20"), ResourceRegion: aws.String(home), Monitored: &monitored,
		}).IpamResourceCidr
	}
	next := func(want string) {
		t.Helper()
		got := do[ec2.AllocateIpamPoolCidrOutput](w, w.admin, &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, NetmaskLength: aws.Int32(20), PreviewNextCidr: aws.Bool(true)}).IpamPoolAllocation
		if *got.Cidr != want {
			t.Errorf("the next /20 is %s, want %s", *got.Cidr, want)
		}
	}
	in := func(scope *string, want ...types.IpamManagementState) {
		t.Helper()
		var got []types.IpamManagementState
		for _, r := range do[ec2.GetIpamResourceCidrsOutput](w, w.admin, &ec2.GetIpamResourceCidrsInput{IpamScopeId: scope}).IpamResourceCidrs {
			got = append(got, r.ManagementState)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in %s the states are %q, want %q", *scope, got, want)
		}
	}
	in(private, types.IpamManagementStateManaged, "")
	next("10.0.16.0/20")

	if got := modify(private, nil, false); got.ManagementState != types.IpamManagementStateIgnored || got.ComplianceStatus != types.IpamComplianceStatusIgnored || got.OverlapStatus != types.IpamOverlapStatusIgnored || *got.IpamScopeId != *private || *got.IpamId != *m.IpamId {
		t.Errorf("ignored it is %+v", got)
	}
	in(private, types.IpamManagementStateIgnored, types.IpamManagementStateIgnored)
	next("10.0.0.0/20")

	modify(private, nil, true)
	in(private, types.IpamManagementStateManaged, "")
	next("10.0.16.0/20")

	if got := modify(private, second, true); got.ManagementState != types.IpamManagementStateUnmanaged || *got.IpamScopeId != *second {
		t.Errorf("moved it is %+v", got)
	}
	in(private)
	in(second, types.IpamManagementStateUnmanaged, "")
	next("10.0.0.0/20")
	w.refused(t, w.admin, &ec2.DeleteIpamScopeInput{IpamScopeId: second}, "DependencyViolation", *second)
}
