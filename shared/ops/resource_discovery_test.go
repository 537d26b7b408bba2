package ops_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (w *env) discovery(id *string) types.IpamResourceDiscovery {
	w.t.Helper()
	return do[ec2.DescribeIpamResourceDiscoveriesOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*id}}).IpamResourceDiscoveries[0]
}

func regionsOf(regions []types.IpamOperatingRegion) (list []string) {
	for _, r := range regions {
		list = append(list, *r.RegionName)
	}
	return list
}

// A default discovery has its IPAM's operating Regions, also after they change, and
// exclusions of its own.
func TestDefaultDiscoveryFollowsItsIPAM(t *testing.T) {
	w := newEnv(t, nil)
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

// A discovery from its creation to its end, with the counts of its IPAM.
func TestLifeOfADiscovery(t *testing.T) {
	w := newEnv(t, nil)
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

// The account that the deployment belongs to sees and associates the discoveries of others,
// and cannot change them. Every other account sees only its own.
func TestDiscoveriesOfOthers(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	guest, third := as(stranger, "admin", ""), as(consumer, "admin", "")
	id := do[ec2.CreateIpamResourceDiscoveryOutput](w, guest, &ec2.CreateIpamResourceDiscoveryInput{}).IpamResourceDiscovery.IpamResourceDiscoveryId
	w.recordRun(*id, stranger, 1)
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
	// Only its owner can delete it, and the association then says not-found.
	do[ec2.DeleteIpamResourceDiscoveryOutput](w, guest, &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: id})
	found := do[ec2.DescribeIpamResourceDiscoveryAssociationsOutput](w, w.admin, &ec2.DescribeIpamResourceDiscoveryAssociationsInput{IpamResourceDiscoveryAssociationIds: []string{*with.IpamResourceDiscoveryAssociationId}}).IpamResourceDiscoveryAssociations
	if found[0].ResourceDiscoveryStatus != types.IpamAssociatedResourceDiscoveryStatusNotFound {
		t.Errorf("the association is %+v", found[0])
	}
}

func TestDiscoveriesRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// CreateIpamResourceDiscovery
		{"a second discovery", &ec2.CreateIpamResourceDiscoveryInput{}, "ResourceLimitExceeded", []string{"resource discoveries", "limited to 1"}},
		{"a discovery of no Region's name", &ec2.CreateIpamResourceDiscoveryInput{OperatingRegions: regions("tokyo")}, "InvalidParameterValue", []string{"tokyo"}},
		// ModifyIpamResourceDiscovery
		{"discovery unknown: modify", excludeUnits(noDiscovery, unitPaths(1)...), "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"the default discovery described", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.standard, Description: shortText}, "OperationNotPermitted", []string{*f.standard, "ModifyIpam"}},
		{"the default discovery's Regions", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.standard, AddOperatingRegions: regions("eu-west-1")}, "OperationNotPermitted", []string{*f.standard, "ModifyIpam"}},
		{"a discovery modified in nothing", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.watcher}, "InvalidParameterCombination", []string{"must contain a modification"}},
		{"a discovery's Region added and removed", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.watcher, AddOperatingRegions: regions("eu-west-1"), RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String("eu-west-1")}}}, "InvalidParameterCombination", []string{"eu-west-1"}},
		{"a discovery's last Region removed", &ec2.ModifyIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.watcher, RemoveOperatingRegions: []types.RemoveIpamOperatingRegion{{RegionName: aws.String(home)}}}, "InvalidParameterValue", []string{home, "at least one"}},
		{"an exclusion that is no path", excludeUnits(f.standard, "ou-f6g7-11111111"), "InvalidParameterValue", []string{"OrganizationsEntityPath", "ou-f6g7-11111111"}},
		{"an exclusion of a megabyte", excludeUnits(f.standard, strings.Repeat("o", 1<<20)), "InvalidParameterValue", []string{"OrganizationsEntityPath", "…", "512"}},
		{"an exclusion twice", excludeUnits(f.standard, unitPaths(1)[0], unitPaths(1)[0]), "InvalidParameterValue", []string{"cover the same"}},
		{"too many exclusions", excludeUnits(f.watcher, unitPaths(11)[6:]...), "ResourceLimitExceeded", []string{"exclusions", *f.watcher, "11", "10"}},
		// DeleteIpamResourceDiscovery
		{"discovery unknown: delete", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: noDiscovery}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery}},
		{"the default discovery deleted", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.standard}, "OperationNotPermitted", []string{*f.standard, *f.manager.IpamId, "goes with its IPAM"}},
		{"a malformed discovery", &ec2.DeleteIpamResourceDiscoveryInput{IpamResourceDiscoveryId: f.standardAssociation}, "InvalidIpamResourceDiscoveryId.Malformed", []string{"IpamResourceDiscoveryId"}},
		// DescribeIpamResourceDiscoveries
		{"discovery unknown: describe", &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*f.watcher, *noDiscovery}}, "InvalidIpamResourceDiscoveryId.NotFound", []string{*noDiscovery, "DescribeIpamResourceDiscoveries"}},
		{"ids and a page: discoveries", &ec2.DescribeIpamResourceDiscoveriesInput{IpamResourceDiscoveryIds: []string{*f.watcher}, MaxResults: aws.Int32(5)}, "InvalidParameterCombination", []string{"IpamResourceDiscoveryIds"}},
	})
}
