package main

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

// recorded calls GetIpamAddressHistory, with the clock at now, and returns its records as
// text, sorted. The window is a start and an end time; both may be left out.
func (w *env) recorded(now, scope, cidr, vpc string, window ...string) []string {
	w.Helper()
	w.at(now)
	in := &ec2.GetIpamAddressHistoryInput{IpamScopeId: &scope, Cidr: &cidr, MaxResults: aws.Int32(2)}
	if vpc != "" {
		in.VpcId = &vpc
	}
	for i, to := range []**time.Time{&in.StartTime, &in.EndTime} {
		if i < len(window) {
			at := must(time.Parse("2006-01-02 15:04", "2026-01-02 "+window[i]))(w)
			*to = &at
		}
	}
	rows := []string{}
	for {
		out := must(w.registry.Call(w.admin, "GetIpamAddressHistory", in))(w).(*ec2.GetIpamAddressHistoryOutput)
		for _, r := range out.HistoryRecords {
			end := "now"
			if r.SampledEndTime != nil {
				end = r.SampledEndTime.Format("15:04")
			}
			row := fmt.Sprintf("%s %s of %s in %s, %s–%s", r.ResourceType, aws.ToString(r.ResourceId), *r.ResourceOwnerId, *r.ResourceRegion, r.SampledStartTime.Format("15:04"), end)
			if r.ResourceComplianceStatus != "" || r.ResourceOverlapStatus != "" {
				row += fmt.Sprintf(", %s, %s", r.ResourceComplianceStatus, r.ResourceOverlapStatus)
			}
			if r.ResourceName != nil {
				row += ", called " + *r.ResourceName
			}
			rows = append(rows, row)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			slices.Sort(rows)
			return rows
		}
	}
}

func expect(t *testing.T, rows []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(rows, append([]string{}, want...)); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func vpc(id, cidr, in string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceVPC, ID: id, CIDR: netip.MustParsePrefix(cidr), Owner: owner, Region: in, VPC: id}
}

func subnet(id, of, cidr string) ipam.Resource {
	return ipam.Resource{Type: ipam.ResourceSubnet, ID: id, CIDR: netip.MustParsePrefix(cidr), Owner: owner, Region: region, VPC: of, Subnet: id}
}

func networkInterface(id, address, instance, instanceOwner string) ipam.Resource {
	return ipam.Resource{
		Type: ipam.ResourceInterface, ID: id, CIDR: netip.MustParsePrefix(address), Owner: owner, Region: region, VPC: "vpc-a", Subnet: "subnet-a",
		Attached: true, Instance: instance, InstanceOwner: instanceOwner,
	}
}

// The example of the User Guide: a VPC exists since 2:00. Discovery finds it at 3:05. It is
// deleted at 5:00, and discovery no longer finds it at 5:05.
func TestHistoryOfAVPC(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.at("03:05")
	w.observe(w.private, a)
	w.deliver()
	const active = "vpc vpc-a of 111122223333 in us-east-1, 03:05–now, unmanaged, nonoverlapping"
	expect(t, w.recorded("04:00", w.private, "10.0.0.0/16", ""), active)
	expect(t, w.recorded("04:00", w.private, "10.0.0.0/16", "vpc-a"), active)
	expect(t, w.recorded("04:00", w.private, "10.0.0.0/16", "vpc-b"))
	w.at("05:05")
	w.forget(w.private, a)
	w.deliver()
	const ended = "vpc vpc-a of 111122223333 in us-east-1, 03:05–05:05, unmanaged, nonoverlapping"
	for _, c := range []struct {
		cidr   string
		window []string
		want   []string
	}{
		{"10.0.0.0/16", nil, nil},
		{"10.0.0.0/16", []string{"02:00"}, []string{ended}}, // to now
		{"10.0.0.0/16", []string{"02:00", "03:04"}, nil},
		{"10.0.0.0/16", []string{"02:00", "03:05"}, []string{ended}},
		{"10.0.0.0/16", []string{"04:00", "04:00"}, []string{ended}},
		{"10.0.0.0/16", []string{"05:04", "06:00"}, []string{ended}},
		{"10.0.0.0/16", []string{"05:05", "06:00"}, []string{ended}}, // the stream has whole seconds only
		{"10.0.0.0/16", []string{"05:06", "06:00"}, nil},
		{"10.0.0.0/17", []string{"02:00", "06:00"}, nil},
		{"10.0.0.0/15", []string{"02:00", "06:00"}, nil},
	} {
		t.Run(fmt.Sprint(c.cidr, c.window), func(t *testing.T) {
			expect(t, w.recorded("07:00", w.private, c.cidr, "", c.window...), c.want...)
		})
	}
}

// A VPC and a subnet are changes of their scope when they appear and when they go, once for
// each, and not when they change. Interfaces are none.
func TestChangesOfANetwork(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	a, s, eni := vpc("vpc-a", "10.0.0.0/16", region), subnet("subnet-a", "vpc-a", "10.0.1.0/24"), networkInterface("eni-a", "10.0.1.5/32", "i-a", owner)
	w.at("03:05")
	for _, r := range []ipam.Resource{a, s, eni} {
		w.observe(w.private, r)
	}
	w.deliver()
	w.at("03:10")
	a.Name, s.Name = "a", "s"
	w.observe(w.private, a)
	w.observe(w.private, s)
	w.deliver()
	w.at("05:05")
	for _, r := range []ipam.Resource{eni, s, a} {
		w.forget(w.private, r)
	}
	w.read = 0 // the whole stream again
	w.deliver()
	changes, more, err := w.store.Changes(t.Context(), w.private, w.now.Add(-24*time.Hour), 100)
	if err != nil || more {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		text := fmt.Sprintf("%s %s", c.ID, time.UnixMilli(c.Start).UTC().Format("15:04"))
		if c.End != 0 {
			text = fmt.Sprintf("%s until %s %s", c.ID, time.UnixMilli(c.End).UTC().Format("15:04"), c.Name)
		}
		got = append(got, text)
	}
	slices.Sort(got)
	expect(t, got, "subnet-a 03:05", "subnet-a until 05:05 s", "vpc-a 03:05", "vpc-a until 05:05 a")
}

// The stream has the second of a deletion only. A VPC that was there in a part of this
// second has a record in every window that begins before the deletion.
func TestHistoryInTheSecondOfADeletion(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.at("03:05")
	w.observe(w.private, a)
	w.at("05:05")
	second := w.now
	w.now = second.Add(700 * time.Millisecond)
	w.forget(w.private, a)
	w.deliver()
	for after, want := range map[time.Duration]int{0: 1, 699 * time.Millisecond: 1, time.Second: 0} {
		w.at("06:00")
		in := &ec2.GetIpamAddressHistoryInput{IpamScopeId: &w.private, Cidr: aws.String("10.0.0.0/16"), StartTime: aws.Time(second.Add(after))}
		out := must(w.registry.Call(w.admin, "GetIpamAddressHistory", in))(w).(*ec2.GetIpamAddressHistoryOutput)
		if len(out.HistoryRecords) != want {
			t.Errorf("from %s after the second's start: %+v, want %d records", after, out.HistoryRecords, want)
		}
	}
}

// An address of an instance has records of the instance and of its interface. Before the
// interface is attached, and after the instance is gone, it has records of the interface
// only.
func TestHistoryOfAnInstance(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	w.at("03:00")
	w.observe(w.private, networkInterface("eni-1", "10.0.0.5/32", "", ""))
	w.at("03:10")
	w.observe(w.private, networkInterface("eni-1", "10.0.0.5/32", "i-1", owner))
	w.deliver()
	expect(t, w.recorded("03:30", w.private, "10.0.0.5/32", ""),
		"instance i-1 of 111122223333 in us-east-1, 03:10–now", "network-interface eni-1 of 111122223333 in us-east-1, 03:10–now")
	w.at("04:00")
	w.observe(w.private, networkInterface("eni-1", "10.0.0.5/32", "", ""))
	w.deliver()
	expect(t, w.recorded("05:00", w.private, "10.0.0.5/32", "", "02:00"),
		"instance i-1 of 111122223333 in us-east-1, 03:10–04:00",
		"network-interface eni-1 of 111122223333 in us-east-1, 03:00–03:10",
		"network-interface eni-1 of 111122223333 in us-east-1, 03:10–04:00",
		"network-interface eni-1 of 111122223333 in us-east-1, 04:00–now")
}

// The instance of an AWS service belongs to amazon-aws and has no id. Two of them with one
// address, in overlapping VPCs, have two records.
func TestHistoryOfAService(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	w.at("03:00")
	w.observe(w.private, networkInterface("eni-1", "10.0.0.5/32", "", "amazon-elb"))
	w.observe(w.private, networkInterface("eni-2", "10.0.0.5/32", "i-9", other))
	w.deliver()
	expect(t, w.recorded("03:30", w.private, "10.0.0.5/32", ""),
		"instance  of amazon-aws in us-east-1, 03:00–now", "instance  of amazon-aws in us-east-1, 03:00–now",
		"network-interface eni-1 of 111122223333 in us-east-1, 03:00–now", "network-interface eni-2 of 111122223333 in us-east-1, 03:00–now")
}

// If a subnet has the CIDR of its VPC, the CIDR has records of both. The subnet's record has
// no statuses.
func TestHistoryOfASubnetAsLargeAsItsVPC(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	w.at("03:00")
	w.observe(w.private, vpc("vpc-a", "10.0.0.0/24", region))
	w.observe(w.private, subnet("subnet-a", "vpc-a", "10.0.0.0/24"))
	w.deliver()
	expect(t, w.recorded("03:30", w.private, "10.0.0.0/24", ""),
		"subnet subnet-a of 111122223333 in us-east-1, 03:00–now", "vpc vpc-a of 111122223333 in us-east-1, 03:00–now, unmanaged, nonoverlapping")
}

func TestHistoryOfOverlappingVPCs(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	w.at("03:00")
	w.observe(w.private, vpc("vpc-a", "10.0.0.0/16", region))
	w.at("03:20")
	w.observe(w.private, vpc("vpc-b", "10.0.0.0/16", "eu-west-1"))
	w.deliver()
	w.at("04:00")
	w.forget(w.private, vpc("vpc-a", "10.0.0.0/16", region))
	w.deliver()
	expect(t, w.recorded("03:30", w.private, "10.0.0.0/16", "", "03:30", "03:30"),
		"vpc vpc-a of 111122223333 in us-east-1, 03:20–04:00, unmanaged, overlapping", "vpc vpc-b of 111122223333 in eu-west-1, 03:20–04:00, unmanaged, overlapping")
	expect(t, w.recorded("05:00", w.private, "10.0.0.0/16", "", "03:00"),
		"vpc vpc-a of 111122223333 in us-east-1, 03:00–03:20, unmanaged, nonoverlapping",
		"vpc vpc-a of 111122223333 in us-east-1, 03:20–04:00, unmanaged, overlapping",
		"vpc vpc-b of 111122223333 in eu-west-1, 03:20–04:00, unmanaged, overlapping",
		"vpc vpc-b of 111122223333 in eu-west-1, 04:00–now, unmanaged, nonoverlapping")
}

// A move to another scope ends a VPC's record in the old scope and begins one in the new.
func TestHistoryOfAMove(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	further := must(w.store.CreateScope(t.Context(), w.token("CreateIpamScope"), ipam.Scope{IPAM: w.ipam.ID}, func(*ipam.IPAM) error { return nil }))(t).ID
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.at("03:00")
	w.observe(w.private, a)
	w.at("04:00")
	must(w.store.ModifyResourceCIDR(t.Context(), store.ModifyResourceCIDR{
		Scope: w.private, ResourceID: a.ID, CIDR: a.CIDR, Region: region, Monitored: true, Destination: further, May: func(*ipam.Scope, *ipam.Scope) error { return nil },
	}))(t)
	w.observe(further, a) // a later run leaves it in the new scope
	w.deliver()
	expect(t, w.recorded("05:00", w.private, "10.0.0.0/16", "", "02:00"), "vpc vpc-a of 111122223333 in us-east-1, 03:00–04:00, unmanaged, nonoverlapping")
	expect(t, w.recorded("05:00", further, "10.0.0.0/16", "", "02:00"), "vpc vpc-a of 111122223333 in us-east-1, 04:00–now, unmanaged, nonoverlapping")
}

// A new name begins a new record. A new tag does not.
func TestHistoryOfAName(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.at("03:00")
	w.observe(w.private, a)
	w.deliver()
	w.at("03:30")
	a.Tags = ipam.Tags{"env": "prod"}
	w.observe(w.private, a)
	w.deliver()
	w.at("04:00")
	a.Name = "payments"
	w.observe(w.private, a)
	w.deliver()
	expect(t, w.recorded("05:00", w.private, "10.0.0.0/16", "", "02:00"),
		"vpc vpc-a of 111122223333 in us-east-1, 03:00–04:00, unmanaged, nonoverlapping",
		"vpc vpc-a of 111122223333 in us-east-1, 04:00–now, unmanaged, nonoverlapping, called payments")
}

// A VPC in a pool's space holds it until the VPC's account allocates that CIDR. Then the VPC
// claims the allocation, and its record as unmanaged ends. The allocation stays after the
// VPC is deleted.
func TestHistoryOfAClaim(t *testing.T) {
	w := newEnv(t)
	defer w.checkSettled()
	pool := w.pool(ipam.Rules{}, "10.0.0.0/8")
	a := vpc("vpc-a", "10.0.0.0/16", region)
	w.at("03:00")
	w.observe(w.private, a)
	w.deliver()
	w.at("03:30")
	taken := w.allocate(pool, "10.0.0.0/16")
	w.deliver()
	w.at("04:00")
	w.forget(w.private, a)
	w.deliver()
	expect(t, w.recorded("05:00", w.private, "10.0.0.0/16", "", "02:00"),
		"vpc vpc-a of 111122223333 in us-east-1, 03:00–03:30, unmanaged, nonoverlapping",
		"vpc vpc-a of 111122223333 in us-east-1, 03:30–04:00, compliant, nonoverlapping")
	w.release(taken)
}
