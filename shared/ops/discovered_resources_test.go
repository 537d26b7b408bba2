package ops_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// The sample time of a resource is the last complete run, or a change seen
// since.
func TestSampleTimes(t *testing.T) {
	w := newEnv(t, nil)
	m := w.makeIPAM(ec2.CreateIpamInput{})
	id := m.DefaultResourceDiscoveryId
	eip := func(owner, name, cidr string) ipam.Resource {
		p := netip.MustParsePrefix(cidr)
		return ipam.Resource{Type: ipam.ResourceEIP, ID: name, CIDR: p, Owner: owner, Public: &ipam.PublicAddress{Address: p.Addr()}}
	}
	to := ipam.Target{IPAM: *m.IpamId, Scope: *m.PublicDefaultScopeId}
	w.recordRun(*id, stranger, 2000)
	w.recordRun(*id, account, 5000)
	w.putFound(*id, 1000, eip(stranger, "eipalloc-1", "203.0.113.1/32"), ipam.Status{}, to)
	w.putFound(*id, 3000, eip(stranger, "eipalloc-2", "203.0.113.2/32"), ipam.Status{}, to)
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

func TestDiscoveredResourcesRefused(t *testing.T) {
	f := newRefusalEnv(t)
	f.refuse([]refusal{
		// GetIpamDiscoveredResourceCidrs
		{"the resources of a Region named by its city", &ec2.GetIpamDiscoveredResourceCidrsInput{IpamResourceDiscoveryId: f.standard, ResourceRegion: aws.String("tokyo")}, "InvalidParameterValue", []string{"ResourceRegion", "tokyo"}},
	})
}
